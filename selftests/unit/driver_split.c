// SPDX-License-Identifier: GPL-2.0-only
/* A driver of split virtqueues, virtio 1.2, section 2.7; see driver.h. */
#include <linux/virtio_ring.h>

#include "driver.h"

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

void split_driver_init(struct driver *d)
{
	*driver_avail_idx(d) = d->avail_idx;
	*driver_used_idx(d) = d->avail_idx;
}

void split_driver_put(char *p, const struct driver_buf *buf)
{
	memcpy(p, &buf->addr, 8);
	memcpy(p + 8, &buf->len, 4);
	memcpy(p + 12, &buf->flags, 2);
	memcpy(p + 14, &buf->next, 2);
}

void driver_offer_raw(struct driver *d, u16 head)
{
	*driver_avail_slot(d, d->avail_idx++) = head;
}

void driver_show_raw(struct driver *d, u16 idx)
{
	__atomic_store_n(driver_avail_idx(d), idx, __ATOMIC_RELEASE);
}

int split_driver_add(struct driver *d, const struct driver_buf *buf, u16 n)
{
	struct driver_buf desc;
	u16 i, slot, head = d->free[d->nr_heads - 1];

	for (i = 0; i < n; i++) {
		slot = d->free[--d->nr_heads];
		desc = buf[i];
		if (i + 1 < n) {
			desc.flags |= VRING_DESC_F_NEXT;
			desc.next = d->free[d->nr_heads - 1];
		}
		d->links[slot] = desc.next;
		driver_set_desc(d, slot, desc);
	}
	d->nr_free = d->nr_heads;
	driver_offer_raw(d, head);
	return head;
}

/* Both sides test alike whether idx went past the event in [old, new). */
static bool split_driver_event_passed(u16 event, u16 old, u16 new)
{
	u16 i;

	for (i = old; i != new; i++) {
		if (i == event)
			return true;
	}
	return false;
}

bool split_driver_show(struct driver *d)
{
	u16 old = d->shown_idx;

	driver_show_raw(d, d->avail_idx);
	d->shown_idx = d->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (d->event_idx)
		return split_driver_event_passed(*driver_avail_event(d), old,
						 d->avail_idx);
	return !(*driver_used_flags(d) & VRING_USED_F_NO_NOTIFY) &&
	       old != d->avail_idx;
}

int split_driver_next_used(struct driver *d, u32 *len)
{
	u32 elem[2];

	if (__atomic_load_n(driver_used_idx(d), __ATOMIC_ACQUIRE) == d->used_idx)
		return -1;
	memcpy(elem, driver_used_elem(d, d->used_idx), sizeof(elem));
	*len = elem[1];
	return elem[0] < d->size ? elem[0] : d->size;
}

void split_driver_freed(struct driver *d, u16 head)
{
	u16 i, slot = head;

	for (i = 0; i < d->chain[head].descs; i++) {
		d->free[d->nr_heads++] = slot;
		slot = d->links[slot];
	}
	d->nr_free = d->nr_heads;
	d->used_idx++;
}

bool split_driver_want_interrupt(struct driver *d)
{
	if (d->event_idx)
		*driver_used_event(d) = d->used_idx;
	else
		*driver_avail_flags(d) = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return *driver_used_idx(d) != d->used_idx;
}
