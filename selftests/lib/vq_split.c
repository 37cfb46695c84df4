// SPDX-License-Identifier: GPL-2.0-only
/* Split virtqueues, virtio 1.2 section 2.7. */
#include <string.h>

#include "device.h"

#define load(ptr)	__atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define store(ptr, v)	__atomic_store_n(ptr, v, __ATOMIC_RELEASE)

/* The last entries of both rings, virtio 1.2 section 2.7.6 and 2.7.8. */
static uint16_t *used_event(struct vq *vq)
{
	return &vq->avail->ring[vq->size];
}

static uint16_t *avail_event(struct vq *vq)
{
	return (uint16_t *)&vq->used->ring[vq->size];
}

void split_clear(struct vq *vq)
{
	memset(vq->avail, 0, sizeof(*vq->avail) + (vq->size + 1) * sizeof(uint16_t));
	memset(vq->used, 0, sizeof(*vq->used) + sizeof(uint16_t) +
	       vq->size * sizeof(vq->used->ring[0]));
	vq->next_avail = 0;
	vq->published = 0;
	vq->last_used = 0;
}

void split_add_raw(struct vq *vq, uint16_t head)
{
	vq->avail->ring[vq->next_avail++ % vq->size] = head;
}

uint16_t split_add(struct vq *vq, const struct vring_desc *desc, unsigned int n)
{
	uint16_t head = vq->free_head, at = head;
	unsigned int i;

	for (i = 0; i < n; i++) {
		vq->desc[at] = desc[i];
		if (i + 1 < n) {
			vq->desc[at].flags |= VRING_DESC_F_NEXT;
			vq->desc[at].next = vq->links[at];
		}
		at = vq->links[at];
	}
	vq->free_head = at;
	vq->chain[head].length = n;
	vq->nr_free -= n;
	split_add_raw(vq, head);
	return head;
}

bool split_publish(struct vq *vq)
{
	uint16_t old = vq->published;

	store(&vq->avail->idx, vq->next_avail);
	vq->published = vq->next_avail;
	/* The index must be out before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->event_idx)
		return vring_need_event(load(avail_event(vq)), vq->published, old);
	return !(load(&vq->used->flags) & VRING_USED_F_NO_NOTIFY);
}

int split_used(struct vq *vq, uint32_t *len)
{
	struct vring_used_elem *elem;

	if (vq->last_used == load(&vq->used->idx))
		return -1;
	elem = &vq->used->ring[vq->last_used % vq->size];
	*len = elem->len;
	return elem->id < vq->size ? elem->id : vq->size;
}

void split_free(struct vq *vq, uint16_t head)
{
	unsigned int i;
	uint16_t tail = head;

	for (i = 1; i < vq->chain[head].length; i++)
		tail = vq->links[tail];
	vq->links[tail] = vq->free_head;
	vq->free_head = head;
	vq->nr_free += vq->chain[head].length;
	vq->last_used++;
}

void split_interrupts(struct vq *vq, bool on)
{
	/* EVENT_IDX has no "none": an index just passed is as far away as can be. */
	if (vq->event_idx)
		store(used_event(vq), on ? vq->last_used : vq->last_used - 1);
	else
		store(&vq->avail->flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
}
