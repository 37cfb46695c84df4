// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <string.h>

unsigned int ring_size(struct rnd *r, bool packed, unsigned int most)
{
	if (!packed)
		return rnd_one_in(r, 4) ? most / 2 : most;
	return rnd_one_in(r, 8) ? 1 + rnd_below(r, 8) : 8 + rnd_below(r, most - 7);
}

void ring_forget(struct ring *ring)
{
	memset(ring->busy, 0, sizeof(ring->busy));
	ring->nr_order = 0;
	ring->room = ring->vq->size;
}

int ring_clear(struct ring *ring)
{
	struct vq *vq = ring->vq;

	if (vq_clear(vq))
		return -ENOMEM;
	ring->live = vq->packed ? vq->size : vq->size / SLOT_DESCS;
	if (ring->live > ring->slots)
		ring->live = ring->slots;
	ring->stride = vq->packed ? vq->size / ring->live : SLOT_DESCS;
	ring->next_avail = vq->packed ? RING_WRAP : 0;
	ring->last_used = ring->next_avail;
	ring_forget(ring);
	return 0;
}

static void release(struct ring *ring, unsigned int s)
{
	ring->busy[s] = false;
	ring->returned++;
	if (!ring->vq->packed)
		return;
	ring->room += ring->descs[s];
	ring->last_used = vq_advance(ring->vq, ring->last_used, ring->descs[s]);
}

/* The device is done with all up to this one. */
static bool release_in_order(struct ring *ring, unsigned int s)
{
	unsigned int i, n = 0;

	while (n < ring->nr_order && ring->order[n] != s)
		n++;
	if (n++ == ring->nr_order)
		return false;
	for (i = 0; i < n; i++)
		release(ring, ring->order[i]);
	ring->nr_order -= n;
	memmove(ring->order, ring->order + n, ring->nr_order);
	return true;
}

static bool take_back(struct ring *ring, uint32_t id)
{
	unsigned int s = id / ring->stride;

	if (id % ring->stride || s >= ring->live || !ring->busy[s])
		return false;
	if (ring->vq->in_order)
		return release_in_order(ring, s);
	release(ring, s);
	return true;
}

static void reclaim_split(struct ring *ring)
{
	struct vq *vq = ring->vq;
	uint16_t idx = __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE);
	unsigned int n;

	for (n = 0; n < vq->size && ring->last_used != idx; n++)
		take_back(ring, vq->used->ring[ring->last_used++ % vq->size].id);
}

static struct vring_packed_desc *desc_at(struct ring *ring, uint16_t place)
{
	return (struct vring_packed_desc *)ring->vq->desc + (place & (RING_WRAP - 1));
}

static bool used_at(struct ring *ring, uint16_t place)
{
	uint16_t flags = __atomic_load_n(&desc_at(ring, place)->flags, __ATOMIC_ACQUIRE);

	return (flags & (RING_AVAIL | RING_USED)) ==
	       (place & RING_WRAP ? RING_AVAIL | RING_USED : 0);
}

/* Nonsense stays where it is: where the next chain begins cannot be known. */
static void reclaim_packed(struct ring *ring)
{
	while (used_at(ring, ring->last_used) &&
	       take_back(ring, desc_at(ring, ring->last_used)->id))
		;
}

void ring_reclaim(struct ring *ring)
{
	if (ring->vq->packed)
		reclaim_packed(ring);
	else
		reclaim_split(ring);
}

int ring_free_slot(const struct ring *ring)
{
	unsigned int s;

	for (s = 0; s < ring->live; s++)
		if (!ring->busy[s])
			return s;
	return -1;
}

uint16_t ring_head(const struct ring *ring, unsigned int s)
{
	return s * ring->stride;
}

static struct vring_packed_desc pack(const struct vring_desc *d)
{
	return (struct vring_packed_desc){
		.addr = d->addr, .len = d->len, .id = d->next, .flags = d->flags,
	};
}

void ring_table(struct ring *ring, unsigned int s, const struct chain *c)
{
	struct vring_desc *table = ring->slot[s].table;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		if (ring->vq->packed)
			((struct vring_packed_desc *)table)[i] = pack(&c->desc[i]);
		else
			table[i] = c->desc[i];
	}
}

static void offer_split(struct ring *ring, unsigned int s, const struct chain *c)
{
	struct vq *vq = ring->vq;

	memcpy(&vq->desc[ring_head(ring, s)], c->desc, c->nr * sizeof(*c->desc));
	vq->avail->ring[ring->next_avail++ % vq->size] = ring_head(ring, s);
	__atomic_store_n(&vq->avail->idx, ring->next_avail, __ATOMIC_RELEASE);
}

/* The first one last: the device does not look further before it is there. */
static void offer_packed(struct ring *ring, unsigned int s, const struct chain *c,
			 unsigned int wrong)
{
	struct vq *vq = ring->vq;
	unsigned int i = c->nr;
	uint16_t place;

	while (i--) {
		place = vq_advance(vq, ring->next_avail, i);
		vq_put_packed(vq, i == wrong ? place ^ RING_WRAP : place, pack(&c->desc[i]));
	}
	ring->descs[s] = c->nr < ring->room ? c->nr : ring->room;
	ring->room -= ring->descs[s];
	ring->next_avail = vq_advance(vq, ring->next_avail, ring->descs[s]);
}

void ring_offer(struct ring *ring, unsigned int s, const struct chain *c,
		unsigned int wrong)
{
	if (ring->vq->packed)
		offer_packed(ring, s, c, wrong);
	else
		offer_split(ring, s, c);
	ring->busy[s] = true;
	if (ring->vq->in_order)
		ring->order[ring->nr_order++] = s;
}
