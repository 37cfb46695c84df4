// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory, and what drivers of both kinds of ring have in common. */
#include <linux/virtio_ring.h>

#include "driver.h"
#include "virtio/vring.h"

static const struct {
	u64 gpa, size;
} guest_map[GUEST_RANGES] = {
	{ GUEST_LOW, GUEST_LOW_SIZE },
	{ GUEST_MID, GUEST_MID_SIZE },
	{ GUEST_HIGH, GUEST_HIGH_SIZE },
};

/* Each range is an allocation of its own, so ASan guards its borders. */
void guest_init(struct guest *g)
{
	struct kvlane_memtable *mem;
	unsigned int i;

	mem = calloc(1, sizeof(*mem) + GUEST_RANGES * sizeof(mem->range[0]));
	shim_check(mem, "out of memory");
	mem->nr = GUEST_RANGES;
	for (i = 0; i < GUEST_RANGES; i++) {
		g->block[i] = aligned_alloc(4096, guest_map[i].size);
		shim_check(g->block[i], "out of memory");
		memset(g->block[i], 0, guest_map[i].size);
		shim_add_region(g->block[i], guest_map[i].size);
		mem->range[i].gpa = guest_map[i].gpa;
		mem->range[i].size = guest_map[i].size;
		mem->range[i].hva = (unsigned long)g->block[i];
	}
	shim_check(!kvlane_memtable_build(mem), "memory map refused");
	g->mem = mem;
}

void guest_exit(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < GUEST_RANGES; i++)
		free(g->block[i]);
	free(g->mem);
}

void *guest_ptr(const struct guest *g, u64 gpa)
{
	unsigned int i;

	for (i = 0; i < GUEST_RANGES; i++) {
		if (gpa - guest_map[i].gpa < guest_map[i].size)
			return (char *)g->block[i] + (gpa - guest_map[i].gpa);
	}
	return NULL;
}

bool guest_holds(const struct guest *g, const void *ptr, size_t len)
{
	const char *p = ptr;
	unsigned int i;

	for (i = 0; i < GUEST_RANGES; i++) {
		const char *base = g->block[i];

		if (p >= base && len <= guest_map[i].size &&
		    p + len <= base + guest_map[i].size)
			return true;
	}
	return false;
}

u64 driver_table(u16 head)
{
	return DRIVER_TABLES + head % 64 * DRIVER_TABLE_SIZE;
}

static bool driver_has(u64 features, unsigned int bit)
{
	return features & 1ULL << bit;
}

void driver_init(struct driver *d, struct guest *g, u16 size, u64 features,
		 u16 first)
{
	*d = (struct driver){
		.g = g,
		.size = size,
		.packed = driver_has(features, VIRTIO_F_RING_PACKED),
		.in_order = driver_has(features, VIRTIO_F_IN_ORDER),
		.event_idx = driver_has(features, VIRTIO_RING_F_EVENT_IDX),
		.free = calloc(size, sizeof(*d->free)),
		.chain = calloc(size, sizeof(*d->chain)),
		.links = calloc(size, sizeof(*d->links)),
		.order = calloc(size, sizeof(*d->order)),
		.nr_free = size,
		.avail_idx = first,
		.batch = -1,
	};
	if (!d->free || !d->chain || !d->links || !d->order)
		abort();
	for (; d->nr_heads < size; d->nr_heads++)
		d->free[d->nr_heads] = size - 1 - d->nr_heads;
	memset(guest_ptr(g, DRIVER_DESC), 0, 16 * size);
	memset(guest_ptr(g, DRIVER_AVAIL), 0, 6 + 2 * size);
	memset(guest_ptr(g, DRIVER_USED), 0, 6 + 8 * size);
	if (d->packed)
		packed_driver_init(d);
	else
		split_driver_init(d);
	d->shown_idx = d->avail_idx;
	d->used_idx = d->avail_idx;
}

void driver_exit(struct driver *d)
{
	free(d->free);
	free(d->chain);
	free(d->links);
	free(d->order);
}

void driver_set_table(struct driver *d, u64 table, u32 i, struct driver_buf buf)
{
	char *p = guest_ptr(d->g, table + 16 * i);

	if (d->packed)
		packed_driver_put(p, &buf);
	else
		split_driver_put(p, &buf);
}

void driver_set_desc(struct driver *d, u16 i, struct driver_buf buf)
{
	if (d->packed)
		buf.flags |= driver_avail_bits(kvlane_vring_first(~0ULL));
	driver_set_table(d, DRIVER_DESC, i, buf);
}

static int driver_add_chain(struct driver *d, const struct driver_buf *buf, u16 n,
			    u32 in_len)
{
	int head;

	if (n > d->nr_free)
		return -1;
	head = d->packed ? packed_driver_add(d, buf, n) : split_driver_add(d, buf, n);
	d->chain[head] = (struct driver_chain){ .descs = n, .in_len = in_len };
	if (d->in_order)
		d->order[(d->first_order + d->nr_order++) % d->size] = head;
	return head;
}

static u32 driver_in_len(const struct driver_buf *buf, u16 n)
{
	u32 sum = 0;
	u16 i;

	for (i = 0; i < n; i++)
		sum += buf[i].flags & VRING_DESC_F_WRITE ? buf[i].len : 0;
	return sum;
}

int driver_add(struct driver *d, const struct driver_buf *buf, u16 n)
{
	return driver_add_chain(d, buf, n, driver_in_len(buf, n));
}

int driver_add_indirect(struct driver *d, const struct driver_buf *buf, u16 n)
{
	struct driver_buf desc, table = { .len = 16 * n,
					  .flags = VRING_DESC_F_INDIRECT };
	u16 i;

	if (!d->nr_free)
		return -1;
	table.addr = driver_table(d->free[d->nr_heads - 1]);
	for (i = 0; i < n; i++) {
		desc = buf[i];
		if (!d->packed && i + 1 < n) {
			desc.flags |= VRING_DESC_F_NEXT;
			desc.next = i + 1;
		}
		driver_set_table(d, table.addr, i, desc);
	}
	return driver_add_chain(d, &table, 1, driver_in_len(buf, n));
}

bool driver_show(struct driver *d)
{
	return d->packed ? packed_driver_show(d) : split_driver_show(d);
}

static int driver_next_used(struct driver *d, u32 *len)
{
	return d->packed ? packed_driver_next_used(d, len) :
			   split_driver_next_used(d, len);
}

/* In order: a used element is about all chains up to the one it names. */
static int driver_next_in_order(struct driver *d, u32 *len)
{
	u16 head;

	if (d->batch < 0)
		d->batch = driver_next_used(d, &d->batch_len);
	if (d->batch < 0)
		return -1;
	shim_check(d->nr_order, "more used than there was");
	head = d->order[d->first_order];
	d->first_order = (d->first_order + 1) % d->size;
	d->nr_order--;
	*len = d->chain[head].in_len;
	if (head == d->batch) {
		*len = d->batch_len;
		d->batch = -1;
	}
	return head;
}

int driver_collect(struct driver *d, u32 *len)
{
	int head = d->in_order ? driver_next_in_order(d, len) :
				 driver_next_used(d, len);

	if (head < 0)
		return -1;
	shim_check(head < d->size, "used id past the end of the table");
	shim_check(d->chain[head].descs, "used id that is not in flight");
	if (d->packed)
		packed_driver_freed(d, head);
	else
		split_driver_freed(d, head);
	d->chain[head].descs = 0;
	return head;
}

void driver_no_interrupts(struct driver *d)
{
	if (d->packed)
		*driver_driver_event(d) = VRING_PACKED_EVENT_FLAG_DISABLE << 16;
	else if (!d->event_idx)
		*driver_avail_flags(d) = VRING_AVAIL_F_NO_INTERRUPT;
}

bool driver_want_interrupt(struct driver *d)
{
	bool any = d->packed ? packed_driver_want_interrupt(d) :
			       split_driver_want_interrupt(d);

	return any || d->batch >= 0;
}

bool driver_told_not_to_kick(struct driver *d)
{
	if (d->packed)
		return *driver_device_event(d) >> 16 ==
		       VRING_PACKED_EVENT_FLAG_DISABLE;
	return *driver_used_flags(d) & VRING_USED_F_NO_NOTIFY;
}
