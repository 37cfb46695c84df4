// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "mutate.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "throttle.h"
#include "traffic.h"
#include "lend.h"
#include "wire.h"

static struct ring *any_ring(struct victim *v, struct rnd *r)
{
	return &v->ring[rnd_below(r, v->mode->queues)];
}

/* A descriptor of a packed ring that the device looks at now or soon. */
static unsigned int next_slot(struct victim *v, struct rnd *r, const struct ring *ring)
{
	uint16_t place = rnd_one_in(r, 4) ? ring->last_used : ring->next_avail;

	return ((place & ~RING_WRAP) + v->mode->queue_size - rnd_below(r, 4)) %
	       v->mode->queue_size;
}

static struct vring_desc *any_descriptor(struct victim *v, struct rnd *r, struct ring *ring)
{
	struct slot *slot = &ring->slot[rnd_below(r, ring->slots)];

	if (rnd_one_in(r, 2))
		return &slot->table[rnd_below(r, rnd_one_in(r, 2) ? 4 : TABLE_DESCS)];
	if (ring->vq->packed && rnd_one_in(r, 2))
		return &ring->vq->desc[next_slot(v, r, ring)];
	return &ring->vq->desc[rnd_below(r, v->mode->queue_size)];
}

static void descriptor(struct victim *v, struct rnd *r)
{
	struct ring *ring = any_ring(v, r);

	traffic_corrupt(v, r, any_descriptor(v, r, ring), ring->vq->packed);
}

/* One thing while it is looked at, another while it is used. */
static void flicker(struct victim *v, struct rnd *r)
{
	struct ring *ring = any_ring(v, r);
	volatile struct vring_desc *d = any_descriptor(v, r, ring);
	unsigned int n = 1 + rnd_below(r, 2000);
	struct vring_desc good = *d, bad = good;

	traffic_corrupt(v, r, &bad, ring->vq->packed);
	traffic_kick(v, r, ring - v->ring);
	while (n--) {
		*d = bad;
		*d = good;
	}
}

static void header(struct victim *v, struct rnd *r)
{
	struct ring *ring = any_ring(v, r);

	struct slot *slot = &ring->slot[rnd_below(r, ring->slots)];

	if (v->mode->type != VIRTIO_ID_NET)
		traffic_header(v, r, &slot->hdr);
	else if (rnd_one_in(r, 2))
		wire_header(r, &slot->net);
	else
		wire_command(r, slot->command);
}

static void avail_split(struct vq *vq, struct rnd *r)
{
	switch (rnd_below(r, 5)) {
	case 0:
		vq->avail->idx += rnd_odd16(r);
		break;
	case 1:
		vq->avail->idx--;
		break;
	case 2:
		vq->avail->ring[rnd_below(r, vq->size)] = rnd_odd16(r);
		break;
	case 3:
		vq->avail->flags = rnd_odd16(r);
		break;
	default:
		/* used_event */
		vq->avail->ring[vq->size] = rnd_odd16(r);
		break;
	}
}

/* Makes available what was not, or is still in flight. */
static void flood(struct victim *v, struct rnd *r, struct ring *ring)
{
	unsigned int n = 1 + rnd_below(r, ring->vq->size), at = next_slot(v, r, ring);
	uint16_t bits = rnd_one_in(r, 2) ? RING_AVAIL : RING_USED;
	struct vring_packed_desc *d;

	while (n--) {
		d = (struct vring_packed_desc *)ring->vq->desc + at++ % v->mode->queue_size;
		__atomic_store_n(&d->flags, (d->flags & ~(RING_AVAIL | RING_USED)) | bits,
				 __ATOMIC_RELEASE);
	}
}

/* A word of event suppression: where, and above it whether. */
static uint32_t event_word(struct rnd *r, const struct ring *ring)
{
	uint16_t at = rnd_one_in(r, 2) ? ring->last_used : ring->next_avail;
	uint32_t flags = rnd_one_in(r, 2) ? VRING_PACKED_EVENT_FLAG_DESC : rnd_below(r, 4);

	if (rnd_one_in(r, 4))
		at = rnd_one_in(r, 2) ? rnd_odd16(r) : ring->vq->size ^ rnd_below(r, 2);
	if (rnd_one_in(r, 4))
		at ^= RING_WRAP;
	return (rnd_one_in(r, 8) ? rnd_odd16(r) : flags) << 16 | at;
}

static void avail(struct victim *v, struct rnd *r)
{
	struct ring *ring = any_ring(v, r);

	if (!ring->vq->packed)
		avail_split(ring->vq, r);
	else if (rnd_one_in(r, 4))
		flood(v, r, ring);
	else
		*(volatile uint32_t *)ring->vq->avail = event_word(r, ring);
}

static void used_split(struct vq *vq, struct rnd *r)
{
	switch (rnd_below(r, 3)) {
	case 0:
		vq->used->idx = rnd_odd16(r);
		break;
	case 1:
		vq->used->flags = rnd_odd16(r);
		break;
	default:
		vq->used->ring[rnd_below(r, vq->size)].id = rnd_odd16(r);
		break;
	}
}

/* As if the device had used it. */
static void used_packed(struct victim *v, struct rnd *r, struct ring *ring)
{
	struct vring_packed_desc *d = (struct vring_packed_desc *)ring->vq->desc +
				      next_slot(v, r, ring);

	d->id = ring_head(ring, rnd_below(r, SLOTS));
	d->len = rnd_odd16(r);
	__atomic_store_n(&d->flags, rnd_one_in(r, 2) ? RING_AVAIL | RING_USED : 0,
			 __ATOMIC_RELEASE);
}

static void used(struct victim *v, struct rnd *r)
{
	struct ring *ring = any_ring(v, r);

	if (!ring->vq->packed)
		used_split(ring->vq, r);
	else if (rnd_one_in(r, 2))
		used_packed(v, r, ring);
	else
		*(volatile uint32_t *)ring->vq->used = event_word(r, ring);
}

/* A field of the common configuration at its place and of its size. */
static void register_field(struct victim *v, struct rnd *r)
{
	static const struct {
		uint8_t offset;
		uint8_t size;
	} fields[] = {
		{ COMMON(DFSELECT), 4 }, { COMMON(GFSELECT), 4 }, { COMMON(GF), 4 },
		{ COMMON(MSIX), 2 }, { COMMON(Q_SELECT), 2 }, { COMMON(Q_SIZE), 2 },
		{ COMMON(Q_MSIX), 2 }, { COMMON(Q_ENABLE), 2 }, { COMMON(Q_RESET), 2 },
		{ COMMON(Q_DESCLO), 8 }, { COMMON(Q_AVAILLO), 8 }, { COMMON(Q_USEDLO), 8 },
		{ COMMON(STATUS), 1 },
	};
	unsigned int i = rnd_below(r, sizeof(fields) / sizeof(*fields));

	reg_write(&v->d, fields[i].offset, fields[i].size, rnd_odd(r));
}

static void register_any(struct victim *v, struct rnd *r)
{
	unsigned int offset = rnd_one_in(r, 2) ? rnd_below(r, 64) :
						 rnd_below(r, KVLANE_WINDOW_SIZE + 16);
	unsigned int size = 1 << rnd_below(r, 4);

	if (rnd_one_in(r, 8))
		size = rnd_below(r, 17);
	else
		offset &= ~(size - 1);
	/* The place where events are read would block. */
	if (rnd_one_in(r, 2) || size > 8)
		reg_write(&v->d, offset, size <= 8 ? size : 8, rnd_odd(r));
	else if (offset < KVLANE_WINDOW_SIZE)
		reg_read(&v->d, offset, size);
}

static void config_field(struct victim *v, struct rnd *r)
{
	reg_write(&v->d, KVLANE_WINDOW_CONFIG + 32, 1, rnd_below(r, 3));
	reg_read(&v->d, KVLANE_WINDOW_CONFIG + 8 * rnd_below(r, 12), 8);
	reg_read(&v->d, KVLANE_WINDOW_ISR, 1);
}

static void queue_reset(struct victim *v, struct rnd *r)
{
	reg_write(&v->d, COMMON(Q_SELECT), 2, rnd_below(r, v->mode->queues + 1));
	reg_write(&v->d, COMMON(Q_RESET), 2, 1);
}

static void queue_restart(struct victim *v, struct rnd *r)
{
	traffic_restart(v, r, rnd_below(r, v->mode->queues));
}

static void reset(struct victim *v, struct rnd *r)
{
	reg_write(&v->d, COMMON(STATUS), 1, 0);
}

static void kick(struct victim *v, struct rnd *r)
{
	unsigned int n = 1 + rnd_below(r, 20);

	while (n--)
		traffic_kick(v, r, rnd_below(r, v->mode->queues));
	reg_write(&v->d, KVLANE_WINDOW_NOTIFY + 4 * rnd_below(r, 1024), 4, rnd_odd(r));
}

/* Files that no harm is done to if the device writes to them. */
static int odd_file(struct victim *v, struct rnd *r)
{
	int fds[] = { -1, -2, v->d.fd, v->g.vm, v->g.kvlane, v->g.memfd, v->wild_fd,
		      v->d.config_call, 10000 };

	return fds[rnd_below(r, sizeof(fds) / sizeof(*fds))];
}

static struct kvlane_region odd_region(struct victim *v, struct rnd *r,
				       struct kvlane_region region)
{
	switch (rnd_below(r, 8)) {
	case 0:
		region.gpa = rnd_odd(r) & ~4095ULL;
		break;
	case 1:
		region.size = rnd_odd(r) & ~4095ULL;
		break;
	case 2:
		region.size = 4096 * (1 + rnd_below(r, region.size / 4096));
		break;
	case 3:
		region.fd = odd_file(v, r);
		break;
	case 4:
		region.offset = rnd_odd(r);
		break;
	case 5:
		region.gpa += rnd_odd(r);
		break;
	case 6:
		region.flags = rnd_odd(r);
		break;
	default:
		region.gpa += 4096ULL * rnd_below(r, 4);
		break;
	}
	return region;
}

/*
 * User addresses stay those of the guest: the module would rightly write into
 * any other memory of this program.
 */
static void memory_map(struct victim *v, struct rnd *r)
{
	struct kvlane_region map[MAP_REGIONS];
	unsigned int i, nr = 0;

	for (i = 0; i < MAP_REGIONS; i++) {
		if (rnd_one_in(r, 4))
			continue;
		map[nr] = v->map[i];
		if (rnd_one_in(r, 4)) {
			map[nr] = odd_region(v, r, map[nr]);
			/* No more than is mapped there. */
			if (map[nr].size > v->map[i].size)
				map[nr].size = v->map[i].size;
		}
		nr++;
	}
	guest_set_regions(&v->g, map, nr);
}

static void memory_map_split(struct victim *v, struct rnd *r)
{
	struct kvlane_region map[KVLANE_MAX_REGIONS], *part;
	unsigned int nr = 0, i;
	uint64_t step = 4096ULL << rnd_below(r, 6), at;

	for (i = 0; i < MAP_REGIONS; i++) {
		for (at = 0; at < v->map[i].size && nr < KVLANE_MAX_REGIONS; at += step) {
			part = &map[nr++];
			*part = v->map[i];
			part->gpa += at;
			part->hva += at;
			if (part->size - at < step)
				part->size -= at;
			else
				part->size = step;
			part->offset = 0;
			part->fd = -1;
		}
	}
	guest_set_regions(&v->g, map, nr);
}

static void memory_map_whole(struct victim *v, struct rnd *r)
{
	guest_set_regions(&v->g, v->map, MAP_REGIONS);
}

static void pages(struct victim *v, struct rnd *r)
{
	static const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	const struct kvlane_region *region = &v->map[rnd_below(r, MAP_REGIONS)];
	size_t at = 4096ULL * rnd_below(r, region->size / 4096);
	size_t len = 4096ULL * (1 + rnd_below(r, (region->size - at) / 4096));
	void *p = (void *)(uintptr_t)(region->hva + at);

	switch (rnd_below(r, 4)) {
	case 0:
		mprotect(p, len, prot[rnd_below(r, 3)]);
		break;
	case 1:
		/* Unmapped to the module, but nothing else gets the place. */
		(void)mmap(p, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			   MAP_FIXED, -1, 0);
		break;
	case 2:
		madvise(p, len, MADV_DONTNEED);
		break;
	default:
		(void)mmap(p, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, v->wild_fd,
			   4096 * rnd_below(r, WILD_BYTES / 4096));
		break;
	}
}

static void truncate_memory(struct victim *v, struct rnd *r)
{
	if (ftruncate(v->wild_fd, rnd_one_in(r, 2) ? WILD_BYTES : rnd_below(r, WILD_BYTES)))
		printf("# ftruncate failed\n");
}

/* The right file with other parameters; refused while the driver is there. */
static void back_end(struct victim *v, struct rnd *r)
{
	int right = v->backing ? v->backing->fd : v->source;
	int fd = rnd_one_in(r, 8) ? odd_file(v, r) : right;

	if (v->mode->type == VIRTIO_ID_BLOCK)
		device_set_blk(&v->d, fd, rnd_below(r, rnd_one_in(r, 8) ? 8 : 4),
			       rnd_one_in(r, 4) ? rnd_odd(r) : 512U << rnd_below(r, 5));
	else if (v->mode->type == VIRTIO_ID_NET)
		wire_set_backend(v, rnd_below(r, 32), rnd_one_in(r, 4) ? odd_file(v, r) : -1,
				 rnd_one_in(r, 4) ? rnd_odd(r) : 1500);
	else if (v->mode->type == VIRTIO_ID_BALLOON)
		lend_set_backend(v, rnd_odd(r));
	else
		device_set_rng(&v->d, fd, rnd_one_in(r, 2) ? rnd_odd(r) : 0, rnd_odd(r));
}

static void eventfds(struct victim *v, struct rnd *r)
{
	unsigned long request = rnd_one_in(r, 2) ? KVLANE_SET_KICK : KVLANE_SET_VECTOR;
	unsigned int q = rnd_below(r, v->mode->queues);
	unsigned int index = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, v->mode->queues + 2);
	int fds[] = { -1, v->d.vq[q].kick, v->d.vq[q].call, v->d.config_call, v->d.fd,
		      v->g.vm, (int)rnd_odd(r), v->d.vq[q].kick };

	if (rnd_one_in(r, 8))
		index = KVLANE_VECTOR_LINE;
	device_tie(&v->d, request, index, fds[rnd_below(r, 8)]);
	if (rnd_one_in(r, 4))
		eventfd_write(v->d.vq[q].call, rnd_odd(r));
}

static void outside(struct victim *v, struct rnd *r)
{
	if (v->mode->type == VIRTIO_ID_NET)
		wire_mutate(v, r);
	else if (v->mode->type == VIRTIO_ID_BALLOON)
		lend_mutate(v, r);
}

static struct kvlane_rate any_rate(struct rnd *r)
{
	if (rnd_one_in(r, 2))
		return (struct kvlane_rate){};
	return (struct kvlane_rate){
		.rate = rnd_one_in(r, 8) ? rnd_odd(r) : 1ULL << rnd_below(r, 30),
		.burst = rnd_one_in(r, 4) ? 1ULL << rnd_below(r, 32) : 0,
		.burst_ms = rnd_one_in(r, 4) ? 1 + rnd_below(r, 1000) : 0,
	};
}

/* The owner has interrupts held back, or no longer. */
static void coalesce(struct victim *v, struct rnd *r)
{
	bool any = rnd_one_in(r, 2);

	device_lanes(&v->d, KVLANE_NO_QUEUE, any ? 1 + rnd_below(r, 2000) : 0,
		     any ? 2 + rnd_below(r, 60) : 0);
}

/* The owner changes limits while requests wait for them. */
static void limits(struct victim *v, struct rnd *r)
{
	struct kvlane_limits arg = {};

	arg.limits[rnd_below(r, KVLANE_NR_LIMITS)] = any_rate(r);
	arg.limits[rnd_below(r, KVLANE_NR_LIMITS)] = any_rate(r);
	ioctl(v->throttle, KVLANE_SET_LIMITS, &arg);
	device_throttle(&v->d, rnd_one_in(r, 3) ? -1 : v->throttle);
}

static void statistics(struct victim *v, struct rnd *r)
{
	uint64_t room[4096 / 8];
	struct kvlane_stats arg = {
		.num_queues = 1,
		.queue_stats_size = rnd_one_in(r, 2) ? 64 : 8 * rnd_below(r, 520),
		.queues = rnd_one_in(r, 4) ? rnd_odd(r) | 1ULL << 63 : (uintptr_t)room,
	};

	struct kvlane_net_rss rss = {};

	ioctl(v->d.fd, KVLANE_GET_STATS, &arg);
	ioctl(v->d.fd, KVLANE_GET_RSS, &rss);
}

static void event(struct victim *v, struct rnd *r)
{
	struct kvlane_event ev;

	if (!device_event(&v->d, &ev, 0))
		victim_event(v, &ev);
}

static const struct {
	void (*fn)(struct victim *v, struct rnd *r);
	unsigned int weight;
} mutations[] = {
	{ descriptor, 12 }, { flicker, 4 }, { header, 6 }, { avail, 5 }, { used, 3 },
	{ register_field, 3 }, { register_any, 4 }, { config_field, 3 },
	{ queue_reset, 3 }, { queue_restart, 4 }, { reset, 2 }, { kick, 4 },
	{ memory_map, 2 }, { memory_map_split, 2 }, { memory_map_whole, 6 },
	{ pages, 4 }, { truncate_memory, 2 }, { back_end, 3 }, { eventfds, 4 },
	{ limits, 4 }, { coalesce, 3 }, { statistics, 3 }, { event, 4 }, { outside, 6 },
};

#define MUTATIONS	(sizeof(mutations) / sizeof(mutations[0]))

void mutate(struct victim *v, struct rnd *r)
{
	unsigned int i, total = 0, pick;

	for (i = 0; i < MUTATIONS; i++)
		total += mutations[i].weight;
	pick = rnd_below(r, total);
	for (i = 0; pick >= mutations[i].weight; i++)
		pick -= mutations[i].weight;
	mutations[i].fn(v, r);
}
