// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "traffic.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lend.h"
#include "sectors.h"
#include "wire.h"

#define N	VRING_DESC_F_NEXT
#define W	VRING_DESC_F_WRITE
#define I	VRING_DESC_F_INDIRECT

/* A header in two parts, data, a status. */
#define LEAST_DESCS	4

static void append(struct chain *c, uint64_t gpa, uint32_t len, uint16_t flags)
{
	if (c->nr == CHAIN_DESCS)
		return;
	c->desc[c->nr++] = (struct vring_desc){ .addr = gpa, .len = len, .flags = flags };
}

/* Guest memory for data: ordinary, across borders of regions, or coming and going. */
static uint64_t data_address(struct victim *v, struct rnd *r)
{
	switch (rnd_below(r, 16)) {
	case 0:
		return WILD_GPA + rnd_below(r, WILD_BYTES);
	case 1:
		return WILD_GPA - 512 * (1 + rnd_below(r, 4));
	case 2:
		return ANON_GPA + rnd_below(r, ANON_BYTES);
	case 3:
		return guest_gpa(&v->g, v->data) + rnd_below(r, DATA_BYTES / 2);
	default:
		return guest_gpa(&v->g, v->data) + 512 * rnd_below(r, DATA_BYTES / 1024);
	}
}

/* Lengths are kept small enough for a write not to reach reserved sectors. */
static uint32_t odd_length(struct rnd *r)
{
	uint32_t len = rnd_odd(r);

	return len < 8 << 20 ? len & 0x3ffff : len;
}

static uint64_t sector(struct rnd *r)
{
	uint64_t s = rnd_below(r, SCRATCH_SECTORS);

	if (!rnd_one_in(r, 16))
		return s;
	s = rnd_odd(r);
	return s < RESERVED_END && s >= SCRATCH_SECTORS ? s % SCRATCH_SECTORS : s;
}

void traffic_header(struct victim *v, struct rnd *r, struct virtio_blk_outhdr *hdr)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN,
		VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID,
		VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
	};
	uint32_t type = types[rnd_below(r, sizeof(types) / sizeof(*types))];

	if (rnd_one_in(r, 32))
		type = rnd_odd(r);
	*hdr = (struct virtio_blk_outhdr){ .type = type, .sector = sector(r) };
}

static void make_ranges(struct rnd *r, struct virtio_blk_discard_write_zeroes *ranges)
{
	uint32_t nr;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		nr = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 256);
		/* As many as there are would be in order, from sector 0 on. */
		if (nr <= RESERVED_END)
			nr %= SCRATCH_SECTORS;
		ranges[i] = (struct virtio_blk_discard_write_zeroes){
			.sector = sector(r),
			.num_sectors = nr,
			.flags = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 2),
		};
	}
}

/* Buffers of a request that has room for so many. */
static unsigned int buffers(const struct chain *c, struct rnd *r, unsigned int most)
{
	return c->full ? most : 1 + rnd_below(r, most);
}

static void append_data(struct victim *v, struct rnd *r, struct chain *c,
			unsigned int nr, uint16_t flags)
{
	unsigned int i;
	uint32_t len;

	for (i = 0; i < nr; i++) {
		len = c->full ? 512 : 512 * (1 + rnd_below(r, 16));
		if (!c->full && rnd_one_in(r, 16))
			len = 1 + rnd_below(r, 20000);
		append(c, data_address(v, r), len, flags);
	}
}

static void append_header(struct victim *v, struct rnd *r, struct chain *c,
			  struct slot *slot)
{
	uint64_t gpa = guest_gpa(&v->g, &slot->hdr);
	uint32_t cut = 1 + rnd_below(r, sizeof(slot->hdr) - 1);

	if (rnd_one_in(r, 8)) {
		append(c, gpa, cut, 0);
		append(c, gpa + cut, sizeof(slot->hdr) - cut, 0);
	} else {
		append(c, gpa, sizeof(slot->hdr), 0);
	}
}

static void make_disk_request(struct victim *v, struct rnd *r, struct chain *c,
			      struct slot *slot, unsigned int most)
{
	unsigned int nr = buffers(c, r, most - 3);

	traffic_header(v, r, &slot->hdr);
	append_header(v, r, c, slot);
	switch (slot->hdr.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_GET_ID:
		append_data(v, r, c, nr, W);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		make_ranges(r, slot->ranges);
		append(c, guest_gpa(&v->g, slot->ranges),
		       sizeof(slot->ranges[0]) * (1 + rnd_below(r, 4)), 0);
		break;
	case VIRTIO_BLK_T_FLUSH:
		break;
	default:
		append_data(v, r, c, nr, 0);
		break;
	}
	append(c, guest_gpa(&v->g, &slot->status), 1, W);
}

static void make_entropy_request(struct victim *v, struct rnd *r, struct chain *c,
				 unsigned int most)
{
	unsigned int i, nr = buffers(c, r, most);
	uint32_t len;

	for (i = 0; i < nr; i++) {
		len = rnd_one_in(r, 16) ? 1 + rnd_below(r, 100000) : 1 + rnd_below(r, 512);
		append(c, data_address(v, r), len, W);
	}
}

static void make_packet(struct victim *v, struct rnd *r, struct chain *c, struct slot *slot,
			unsigned int most)
{
	unsigned int nr = buffers(c, r, most - 3);

	wire_header(r, &slot->net);
	append(c, guest_gpa(&v->g, &slot->net), sizeof(slot->net), 0);
	if (!c->full && rnd_one_in(r, 2))
		nr = 1;
	while (nr--)
		append(c, data_address(v, r),
		       rnd_one_in(r, 16) ? odd_length(r) : 1 + rnd_below(r, 1600), 0);
}

static void make_command(struct victim *v, struct rnd *r, struct chain *c, struct slot *slot)
{
	uint64_t gpa = guest_gpa(&v->g, slot->command);
	size_t len = wire_command(r, slot->command);

	if (len > 2 && !rnd_one_in(r, 4)) {
		append(c, gpa, 2, 0);
		append(c, gpa + 2, len - 2, 0);
	} else {
		append(c, gpa, len, 0);
	}
	append(c, guest_gpa(&v->g, &slot->status), 1, W);
}

/* As the features have it, the control queue is the third or the last. */
static void make_net_request(struct victim *v, struct rnd *r, struct chain *c,
			     struct ring *ring, struct slot *slot, unsigned int most)
{
	bool mq = v->d.features & (BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_RSS));
	unsigned int index = ring - v->ring;

	if (index == (mq ? v->mode->queues - 1 : 2))
		make_command(v, r, c, slot);
	else if (index % 2)
		make_packet(v, r, c, slot, most);
	else
		make_entropy_request(v, r, c, most);
}

static void make_balloon_request(struct victim *v, struct rnd *r, struct chain *c,
				 unsigned int queue)
{
	uint16_t flags;
	uint64_t addr;
	uint32_t len, cut;

	lend_request(v, r, queue, v->data, &addr, &len, &flags);
	cut = rnd_one_in(r, 4) ? 4 * rnd_below(r, len / 4) : 0;
	if (cut)
		append(c, addr, cut, flags);
	append(c, addr + cut, len - cut, flags);
}

void traffic_corrupt(struct victim *v, struct rnd *r, struct vring_desc *d, bool packed)
{
	/* What is the id in a packed ring is flags in a split one. */
	uint16_t *flags = packed ? &d->next : &d->flags;
	uint16_t *link = packed ? &d->flags : &d->next;

	switch (rnd_below(r, packed ? 9 : 7)) {
	case 0:
		d->addr = rnd_odd(r);
		break;
	case 1:
		d->addr = data_address(v, r) + rnd_odd16(r);
		break;
	case 2:
		d->len = odd_length(r);
		break;
	case 3:
		*flags ^= 1 << rnd_below(r, 3);
		break;
	case 4:
		*flags = rnd_odd(r);
		break;
	case 5:
		*link = rnd_one_in(r, 2) ? rnd_odd16(r) : rnd_below(r, SLOTS * SLOT_DESCS);
		break;
	case 6:
		d->len = 0;
		break;
	case 7:
		*flags ^= RING_AVAIL | RING_USED;
		break;
	default:
		*flags ^= rnd_one_in(r, 2) ? RING_AVAIL : RING_USED;
		break;
	}
}

/* In a packed ring the order says what comes next, and each has the chain's id. */
static void link_chain(struct chain *c, const struct ring *ring, unsigned int s,
		       bool indirect)
{
	uint16_t first = indirect && !ring->vq->packed ? 0 : ring_head(ring, s);
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		if (i + 1 < c->nr && !(indirect && ring->vq->packed))
			c->desc[i].flags |= N;
		c->desc[i].next = ring->vq->packed ? first : first + i + 1;
	}
}

/* Only one flag means something in a packed ring's table. */
static void odd_flags(struct chain *c, struct rnd *r)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		c->desc[i].flags |= rnd_odd16(r) & ~W;
}

static void make_indirect(struct victim *v, struct rnd *r, struct ring *ring,
			  unsigned int s, struct chain *c)
{
	if (ring->vq->packed && rnd_one_in(r, 4))
		odd_flags(c, r);
	ring_table(ring, s, c);
	c->desc[0] = (struct vring_desc){
		.addr = guest_gpa(&v->g, ring->slot[s].table),
		.len = c->nr * sizeof(c->desc[0]),
		.flags = I,
		.next = ring_head(ring, s),
	};
	c->nr = 1;
	if (rnd_one_in(r, 40))
		traffic_corrupt(v, r, &c->desc[0], false);
}

static void place(struct victim *v, struct rnd *r, struct ring *ring,
		  unsigned int s, struct chain *c, bool indirect)
{
	link_chain(c, ring, s, indirect);
	while (rnd_one_in(r, 20))
		traffic_corrupt(v, r, &c->desc[rnd_below(r, c->nr)], false);
	if (indirect)
		make_indirect(v, r, ring, s, c);
	/* The id of another request, which may be busy. */
	if (ring->vq->packed && rnd_one_in(r, 60))
		c->desc[c->nr - 1].next = ring_head(ring, rnd_below(r, ring->live));
	ring_offer(ring, s, c, rnd_one_in(r, 40) ? rnd_below(r, c->nr) : CHAIN_DESCS);
}

/* How many descriptors the next request may have. */
static unsigned int room(struct ring *ring, struct rnd *r, struct chain *c, bool indirect)
{
	if (!ring->vq->packed)
		return indirect ? TABLE_DESCS - 4 : SLOT_DESCS - 2;
	if (indirect)
		return ring->room ? TABLE_DESCS - 4 : 0;
	c->full = rnd_one_in(r, 12);
	/* All there are, or one too many. */
	if (c->full)
		return ring->room + rnd_one_in(r, 8);
	return ring->room < SLOT_DESCS - 2 ? ring->room : SLOT_DESCS - 2;
}

void traffic_kick(struct victim *v, struct rnd *r, unsigned int index)
{
	if (rnd_one_in(r, 2))
		eventfd_write(v->d.vq[index].kick, 1);
	else
		reg_write(&v->d, KVLANE_WINDOW_NOTIFY + index * KVLANE_NOTIFY_MULTIPLIER,
			  2, index);
}

static bool add_to(struct victim *v, struct rnd *r, struct ring *ring)
{
	bool indirect = v->d.features & BIT(VIRTIO_RING_F_INDIRECT_DESC) && rnd_one_in(r, 2);
	struct chain c = {};
	unsigned int most;
	int s;

	if (!ring->live)
		return false;
	ring_reclaim(ring);
	s = ring_free_slot(ring);
	most = room(ring, r, &c, indirect);
	if (s < 0 || most < LEAST_DESCS) {
		if (rnd_one_in(r, 16))
			ring_forget(ring);
		return false;
	}
	if (v->mode->type == VIRTIO_ID_BLOCK)
		make_disk_request(v, r, &c, &ring->slot[s], most);
	else if (v->mode->type == VIRTIO_ID_NET)
		make_net_request(v, r, &c, ring, &ring->slot[s], most);
	else if (v->mode->type == VIRTIO_ID_BALLOON)
		make_balloon_request(v, r, &c, ring - v->ring);
	else
		make_entropy_request(v, r, &c, most);
	place(v, r, ring, s, &c, indirect);
	return true;
}

void traffic_add(struct victim *v, struct rnd *r)
{
	unsigned int i = rnd_below(r, v->mode->queues);
	struct ring *ring = &v->ring[i];
	bool added;

	if (v->mode->type == VIRTIO_ID_NET && rnd_one_in(r, 4))
		wire_packet(v, r);
	pthread_mutex_lock(&ring->lock);
	added = add_to(v, r, ring);
	pthread_mutex_unlock(&ring->lock);
	if (!rnd_one_in(r, 4))
		traffic_kick(v, r, i);
	if (!added)
		usleep(100);
}

/* Where a ring part goes: where it should, or somewhere else. */
static uint64_t ring_address(struct victim *v, struct rnd *r, const void *part)
{
	if (!rnd_one_in(r, 24))
		return guest_gpa(&v->g, part);
	switch (rnd_below(r, 4)) {
	case 0:
		return WILD_GPA + 16 * rnd_below(r, WILD_BYTES / 16);
	case 1:
		return ANON_GPA + ANON_BYTES - 16 * rnd_below(r, 300);
	case 2:
		return guest_gpa(&v->g, part) + rnd_below(r, 64);
	default:
		return rnd_odd(r);
	}
}

static void write_address(struct victim *v, unsigned int offset, uint64_t gpa)
{
	reg_write(&v->d, offset, 4, (uint32_t)gpa);
	reg_write(&v->d, offset + 4, 4, gpa >> 32);
}

static void start_ring(struct victim *v, struct rnd *r, unsigned int index)
{
	struct ring *ring = &v->ring[index];
	struct vq *vq = ring->vq;

	vq->packed = v->d.features & BIT(VIRTIO_F_RING_PACKED);
	vq->in_order = v->d.features & BIT(VIRTIO_F_IN_ORDER);
	vq->size = ring_size(r, vq->packed, v->mode->queue_size);
	if (ring_clear(ring))
		return;
	reg_write(&v->d, COMMON(Q_SELECT), 2, index);
	reg_write(&v->d, COMMON(Q_SIZE), 2, rnd_one_in(r, 24) ? rnd_odd16(r) : vq->size);
	reg_write(&v->d, COMMON(Q_MSIX), 2, rnd_one_in(r, 8) ? rnd_odd16(r) : index + 1);
	write_address(v, COMMON(Q_DESCLO), ring_address(v, r, vq->desc));
	write_address(v, COMMON(Q_AVAILLO), ring_address(v, r, vq->avail));
	write_address(v, COMMON(Q_USEDLO), ring_address(v, r, vq->used));
	reg_write(&v->d, COMMON(Q_ENABLE), 2, 1);
}

void traffic_restart(struct victim *v, struct rnd *r, unsigned int index)
{
	struct ring *ring = &v->ring[index];

	pthread_mutex_lock(&ring->lock);
	reg_write(&v->d, COMMON(Q_SELECT), 2, index);
	reg_write(&v->d, COMMON(Q_RESET), 2, 1);
	start_ring(v, r, index);
	pthread_mutex_unlock(&ring->lock);
}

static uint64_t features(struct rnd *r)
{
	switch (rnd_below(r, 4)) {
	case 0:
		return FEATURES_PLAIN;
	case 1:
		return FEATURES_PLAIN | rnd_next(r);
	default:
		return FEATURES_ALL;
	}
}

static void start(struct victim *v, struct rnd *r)
{
	unsigned int i;

	if (rnd_one_in(r, 2))
		victim_mend_memory(v);
	/* Some events stay, so that there will be too many. */
	if (!rnd_one_in(r, 8))
		victim_account(v);
	v->d.rings = victim_rings(r);
	if (device_negotiate(&v->d, features(r)) && rnd_one_in(r, 2))
		return;
	reg_write(&v->d, COMMON(MSIX), 2, CONFIG_VECTOR);
	for (i = 0; i < v->mode->queues; i++)
		start_ring(v, r, i);
	device_driver_ok(&v->d);
}

void traffic_start(struct victim *v, struct rnd *r)
{
	unsigned int i;

	for (i = 0; i < v->mode->queues; i++)
		pthread_mutex_lock(&v->ring[i].lock);
	start(v, r);
	for (i = 0; i < v->mode->queues; i++)
		pthread_mutex_unlock(&v->ring[i].lock);
}

void traffic_revive(struct victim *v, struct rnd *r)
{
	uint8_t status = device_status(&v->d);
	bool works = status & VIRTIO_CONFIG_S_DRIVER_OK &&
		     !(status & VIRTIO_CONFIG_S_NEEDS_RESET);

	if ((works && !rnd_one_in(r, 12)) || pthread_mutex_trylock(&v->revive))
		return;
	traffic_start(v, r);
	pthread_mutex_unlock(&v->revive);
}
