// SPDX-License-Identifier: GPL-2.0-only
/* A driver of packed virtqueues, virtio 1.2, section 2.8; see driver.h. */
#include <linux/virtio_ring.h>

#include "driver.h"

#define WRAP	(1U << VRING_PACKED_EVENT_F_WRAP_CTR)
#define SLOT	(WRAP - 1)
#define AVAIL	(1U << VRING_PACKED_DESC_F_AVAIL)
#define USED	(1U << VRING_PACKED_DESC_F_USED)

u32 *driver_driver_event(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_AVAIL);
}

u32 *driver_device_event(struct driver *d)
{
	return guest_ptr(d->g, DRIVER_USED);
}

u64 *driver_desc_word(struct driver *d, u16 place, int word)
{
	return guest_ptr(d->g, DRIVER_DESC + 16 * (place & SLOT) + 8 * word);
}

u16 driver_advance(const struct driver *d, u16 place, u16 n)
{
	while (n--) {
		place++;
		if ((place & SLOT) == d->size)
			place = (place & WRAP) ^ WRAP;
	}
	return place;
}

u16 driver_avail_bits(u16 place)
{
	return place & WRAP ? AVAIL : USED;
}

static u16 used_bits(u16 place)
{
	return place & WRAP ? AVAIL | USED : 0;
}

/* Leaves a ring that went round as often as it takes to get to @avail_idx. */
void packed_driver_init(struct driver *d)
{
	bool wrap = d->avail_idx / d->size % 2 == 0;
	u16 i, now = d->avail_idx % d->size | (wrap ? WRAP : 0);

	for (i = 0; i < d->size; i++)
		*driver_desc_word(d, i, 1) = (u64)(i < (now & SLOT) ?
				used_bits(now) : used_bits(now ^ WRAP)) << 48;
	d->avail_idx = now;
}

void packed_driver_put(char *p, const struct driver_buf *buf)
{
	memcpy(p, &buf->addr, 8);
	memcpy(p + 8, &buf->len, 4);
	memcpy(p + 12, &buf->next, 2);
	memcpy(p + 14, &buf->flags, 2);
}

void driver_put_desc(struct driver *d, u16 place, struct driver_buf buf)
{
	buf.flags |= driver_avail_bits(place);
	packed_driver_put((char *)driver_desc_word(d, place, 0), &buf);
}

/* All but the flags, which stay what they are for now. */
static void packed_driver_hide(struct driver *d, struct driver_buf buf)
{
	d->hidden = buf.flags | driver_avail_bits(d->shown_idx);
	buf.flags = *driver_desc_word(d, d->shown_idx, 1) >> 48;
	packed_driver_put((char *)driver_desc_word(d, d->shown_idx, 0), &buf);
}

/* The id is put where it counts, and nonsense everywhere else. */
int packed_driver_add(struct driver *d, const struct driver_buf *buf, u16 n)
{
	u16 id = d->free[--d->nr_heads];
	struct driver_buf desc;
	u16 i;

	for (i = 0; i < n; i++) {
		desc = buf[i];
		desc.next = i + 1 < n ? 0xdead : id;
		if (i + 1 < n)
			desc.flags |= VRING_DESC_F_NEXT;
		if (d->avail_idx == d->shown_idx)
			packed_driver_hide(d, desc);
		else
			driver_put_desc(d, d->avail_idx, desc);
		d->avail_idx = driver_advance(d, d->avail_idx, 1);
	}
	d->nr_free -= n;
	return id;
}

static bool packed_driver_event_passed(struct driver *d, u16 event, u16 old)
{
	u16 place;

	for (place = old; place != d->avail_idx; place = driver_advance(d, place, 1)) {
		if (place == event)
			return true;
	}
	return false;
}

bool packed_driver_show(struct driver *d)
{
	u16 old = d->shown_idx;
	u16 *flags = (u16 *)driver_desc_word(d, old, 1) + 3;
	u32 event;

	if (old == d->avail_idx)
		return false;
	__atomic_store_n(flags, d->hidden, __ATOMIC_RELEASE);
	d->shown_idx = d->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = *driver_device_event(d);
	if (event >> 16 == VRING_PACKED_EVENT_FLAG_DESC) {
		shim_check(d->event_idx, "event without the feature");
		return packed_driver_event_passed(d, event, old);
	}
	return event >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
}

static bool packed_driver_used(struct driver *d, u64 *word)
{
	u16 flags;

	*word = __atomic_load_n(driver_desc_word(d, d->used_idx, 1),
				__ATOMIC_ACQUIRE);
	flags = *word >> 48;
	return d->nr_free < d->size &&
	       (flags & (AVAIL | USED)) == used_bits(d->used_idx);
}

int packed_driver_next_used(struct driver *d, u32 *len)
{
	u16 id, flags;
	u64 word;

	if (!packed_driver_used(d, &word))
		return -1;
	*len = word;
	id = word >> 32;
	flags = word >> 48;
	shim_check(!(flags & VRING_DESC_F_WRITE) == !*len,
		   "write flag and length at odds");
	return id < d->size ? id : d->size;
}

void packed_driver_freed(struct driver *d, u16 head)
{
	d->free[d->nr_heads++] = head;
	d->nr_free += d->chain[head].descs;
	d->used_idx = driver_advance(d, d->used_idx, d->chain[head].descs);
}

bool packed_driver_want_interrupt(struct driver *d)
{
	u64 word;

	if (d->event_idx)
		*driver_driver_event(d) = VRING_PACKED_EVENT_FLAG_DESC << 16 |
					  d->used_idx;
	else
		*driver_driver_event(d) = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return packed_driver_used(d, &word);
}
