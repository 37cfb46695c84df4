// SPDX-License-Identifier: GPL-2.0-only
/* Packed virtqueues, virtio 1.2 section 2.8. */
#include <string.h>

#include "device.h"

#define load(ptr)	__atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define store(ptr, v)	__atomic_store_n(ptr, v, __ATOMIC_RELEASE)

#define WRAP	(1U << VRING_PACKED_EVENT_F_WRAP_CTR)
#define SLOT	(WRAP - 1)
#define AVAIL	(1U << VRING_PACKED_DESC_F_AVAIL)
#define USED	(1U << VRING_PACKED_DESC_F_USED)

static struct vring_packed_desc *desc_at(struct vq *vq, uint16_t place)
{
	return (struct vring_packed_desc *)vq->desc + (place & SLOT);
}

/* Both structures of event suppression are one word: place below, flags above. */
static uint32_t *driver_word(struct vq *vq)
{
	return (uint32_t *)vq->avail;
}

static uint32_t *device_word(struct vq *vq)
{
	return (uint32_t *)vq->used;
}

uint16_t vq_advance(const struct vq *vq, uint16_t place, unsigned int n)
{
	unsigned int slot = (place & SLOT) + n;

	if (slot < vq->size)
		return (place & WRAP) | slot;
	return ((place & WRAP) ^ WRAP) | (slot - vq->size);
}

static uint16_t avail_bits(uint16_t place)
{
	return place & WRAP ? AVAIL : USED;
}

static uint16_t used_bits(uint16_t place)
{
	return place & WRAP ? AVAIL | USED : 0;
}

void packed_clear(struct vq *vq)
{
	*driver_word(vq) = 0;
	*device_word(vq) = 0;
	vq->next_avail = WRAP;
	vq->published = WRAP;
	vq->last_used = WRAP;
}

void vq_put_packed(struct vq *vq, uint16_t place, struct vring_packed_desc desc)
{
	struct vring_packed_desc *to = desc_at(vq, place);

	to->addr = desc.addr;
	to->len = desc.len;
	to->id = desc.id;
	store(&to->flags, desc.flags | avail_bits(place));
}

/* All at once, but the flags of what the device looks at next. */
static void put_next(struct vq *vq, struct vring_packed_desc desc)
{
	struct vring_packed_desc *to = desc_at(vq, vq->next_avail);

	to->addr = desc.addr;
	to->len = desc.len;
	to->id = desc.id;
	desc.flags |= avail_bits(vq->next_avail);
	if (vq->next_avail == vq->published)
		vq->hidden = desc.flags;
	else
		to->flags = desc.flags;
	vq->next_avail = vq_advance(vq, vq->next_avail, 1);
}

void packed_add_raw(struct vq *vq, uint16_t id)
{
	struct vring_packed_desc one = { .len = 1, .id = id };

	one.addr = guest_gpa(vq->dev->guest, vq->used);
	put_next(vq, one);
}

uint16_t packed_add(struct vq *vq, const struct vring_desc *desc, unsigned int n)
{
	uint16_t id = vq->free_head;
	struct vring_packed_desc d;
	unsigned int i;

	for (i = 0; i < n; i++) {
		d = (struct vring_packed_desc){
			.addr = desc[i].addr, .len = desc[i].len, .id = id,
			.flags = desc[i].flags,
		};
		if (i + 1 < n)
			d.flags |= VRING_DESC_F_NEXT;
		put_next(vq, d);
	}
	vq->free_head = vq->links[id];
	vq->chain[id].length = n;
	vq->nr_free -= n;
	return id;
}

/* Descriptors from @from to @to, which is less than two rings ahead. */
static int distance(struct vq *vq, uint16_t from, uint16_t to)
{
	int n = (to & SLOT) - (from & SLOT);

	return (from ^ to) & WRAP ? n + (int)vq->size : n;
}

bool packed_publish(struct vq *vq)
{
	uint16_t old = vq->published;
	uint32_t event;
	int at;

	if (old != vq->next_avail)
		store(&desc_at(vq, old)->flags, vq->hidden);
	vq->published = vq->next_avail;
	/* The flags must be out before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = load(device_word(vq));
	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return event >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
	at = distance(vq, old, event);
	return at >= 0 && at < distance(vq, old, vq->published);
}

int packed_used(struct vq *vq, uint32_t *len)
{
	struct vring_packed_desc *desc = desc_at(vq, vq->last_used);

	if (vq->nr_free == vq->size ||
	    (load(&desc->flags) & (AVAIL | USED)) != used_bits(vq->last_used))
		return -1;
	*len = desc->len;
	return desc->id < vq->size ? desc->id : vq->size;
}

void packed_free(struct vq *vq, uint16_t head)
{
	vq->links[head] = vq->free_head;
	vq->free_head = head;
	vq->nr_free += vq->chain[head].length;
	vq->last_used = vq_advance(vq, vq->last_used, vq->chain[head].length);
}

void packed_interrupts(struct vq *vq, bool on)
{
	uint32_t event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;

	if (on && vq->event_idx)
		event = VRING_PACKED_EVENT_FLAG_DESC << 16 | vq->last_used;
	else if (on)
		event = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
	store(driver_word(vq), event);
}
