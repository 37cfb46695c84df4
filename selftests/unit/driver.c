// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory and a virtio driver; see driver.h. */
#include <linux/virtio_ring.h>

#include "driver.h"

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

u16 *driver_avail_flags(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_AVAIL);
}

u16 *driver_avail_idx(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_AVAIL + 2);
}

static u16 *driver_avail_slot(struct driver *d, u16 idx)
{
	return guest_ptr(d->g, DRIVER_AVAIL + 4 + 2 * (idx % d->size));
}

u16 *driver_used_event(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_AVAIL + 4 + 2 * d->size);
}

u16 *driver_used_flags(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_USED);
}

u16 *driver_used_idx(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_USED + 2);
}

/* Eight bytes at an address that is a multiple of four. */
u64 *driver_used_elem(struct driver *d, u16 idx)
{
	return guest_ptr(d->g, DRIVER_USED + 4 + 8 * (idx % d->size));
}

u16 *driver_avail_event(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_USED + 4 + 8 * d->size);
}

u64 driver_table(u16 head)
{
	return DRIVER_TABLES + head % 64 * DRIVER_TABLE_SIZE;
}

void driver_init(struct driver *d, struct guest *g, u16 size, u64 features,
		 u16 first_idx)
{
	u16 i;

	*d = (struct driver){
		.g = g,
		.size = size,
		.event_idx = features & 1ULL << VIRTIO_RING_F_EVENT_IDX,
		.free = calloc(size, sizeof(u16)),
		.chain_len = calloc(size, sizeof(u16)),
		.links = calloc(size, sizeof(u16)),
		.nr_free = size,
		.avail_idx = first_idx,
		.shown_idx = first_idx,
		.used_idx = first_idx,
	};
	if (!d->free || !d->chain_len || !d->links)
		abort();
	for (i = 0; i < size; i++)
		d->free[i] = size - 1 - i;
	*driver_avail_idx(d) = first_idx;
	*driver_used_idx(d) = first_idx;
}

void driver_exit(struct driver *d)
{
	free(d->free);
	free(d->chain_len);
	free(d->links);
}

void driver_set_table(struct driver *d, u64 table, u32 i, struct driver_buf buf)
{
	char *p = guest_ptr(d->g, table + 16 * i);

	memcpy(p, &buf.addr, 8);
	memcpy(p + 8, &buf.len, 4);
	memcpy(p + 12, &buf.flags, 2);
	memcpy(p + 14, &buf.next, 2);
}

void driver_set_desc(struct driver *d, u16 i, struct driver_buf buf)
{
	driver_set_table(d, DRIVER_DESC, i, buf);
}

void driver_offer_raw(struct driver *d, u16 head)
{
	*driver_avail_slot(d, d->avail_idx++) = head;
}

void driver_show_raw(struct driver *d, u16 idx)
{
	__atomic_store_n(driver_avail_idx(d), idx, __ATOMIC_RELEASE);
}

int driver_add(struct driver *d, const struct driver_buf *buf, u16 n)
{
	struct driver_buf desc;
	u16 i, head, slot;

	if (n > d->nr_free)
		return -1;
	head = d->free[d->nr_free - 1];
	for (i = 0; i < n; i++) {
		slot = d->free[--d->nr_free];
		desc = buf[i];
		if (i + 1 < n) {
			desc.flags |= VRING_DESC_F_NEXT;
			desc.next = d->free[d->nr_free - 1];
		}
		d->links[slot] = desc.next;
		driver_set_desc(d, slot, desc);
	}
	d->chain_len[head] = n;
	driver_offer_raw(d, head);
	return head;
}

int driver_add_indirect(struct driver *d, const struct driver_buf *buf, u16 n)
{
	struct driver_buf desc, table;
	u16 i, head;

	if (!d->nr_free)
		return -1;
	head = d->free[--d->nr_free];
	for (i = 0; i < n; i++) {
		desc = buf[i];
		if (i + 1 < n) {
			desc.flags |= VRING_DESC_F_NEXT;
			desc.next = i + 1;
		}
		driver_set_table(d, driver_table(head), i, desc);
	}
	table = (struct driver_buf){ driver_table(head), 16 * n,
				     VRING_DESC_F_INDIRECT, 0 };
	driver_set_desc(d, head, table);
	d->chain_len[head] = 1;
	driver_offer_raw(d, head);
	return head;
}

/* Both sides test alike whether idx went past the event in [old, new). */
static bool driver_event_passed(u16 event, u16 old, u16 new)
{
	u16 i;

	for (i = old; i != new; i++) {
		if (i == event)
			return true;
	}
	return false;
}

bool driver_show(struct driver *d)
{
	u16 old = d->shown_idx;

	driver_show_raw(d, d->avail_idx);
	d->shown_idx = d->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (d->event_idx)
		return driver_event_passed(*driver_avail_event(d), old,
					   d->avail_idx);
	return !(*driver_used_flags(d) & VRING_USED_F_NO_NOTIFY) &&
	       old != d->avail_idx;
}

int driver_collect(struct driver *d, u32 *len)
{
	u32 elem[2];
	u16 i, slot;

	if (__atomic_load_n(driver_used_idx(d), __ATOMIC_ACQUIRE) == d->used_idx)
		return -1;
	memcpy(elem, driver_used_elem(d, d->used_idx++), sizeof(elem));
	shim_check(elem[0] < d->size, "used id past the end of the table");
	shim_check(d->chain_len[elem[0]], "used id that is not in flight");
	*len = elem[1];

	slot = elem[0];
	for (i = 0; i < d->chain_len[elem[0]]; i++) {
		d->free[d->nr_free++] = slot;
		slot = d->links[slot];
	}
	d->chain_len[elem[0]] = 0;
	return elem[0];
}

void driver_no_interrupts(struct driver *d)
{
	if (!d->event_idx)
		*driver_avail_flags(d) = VRING_AVAIL_F_NO_INTERRUPT;
}

bool driver_want_interrupt(struct driver *d)
{
	if (d->event_idx)
		*driver_used_event(d) = d->used_idx;
	else
		*driver_avail_flags(d) = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return *driver_used_idx(d) != d->used_idx;
}
