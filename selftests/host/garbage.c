// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings full of nonsense, and rings that change while the device reads them.  What
 * the device makes of it is its own affair; the host, the other devices of the VM
 * and the next driver must not notice.  The seed is printed, and KVLANE_SEED sets it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM		(8 << 20)
#define SECTORS		4096
#define SIZE		64
#define ROUNDS		150
#define ARENA		(1 << 20)
#define FLAGS		(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

FIXTURE(garbage) {
	struct guest g;
	struct device victim;
	struct device bystander;
	struct blk_req r;
	uint8_t *arena;
	uint64_t seed;
	int disk;
};

FIXTURE_VARIANT(garbage) {
	uint32_t type;
	uint64_t features;
};

FIXTURE_VARIANT_ADD(garbage, blk_plain) {
	.type = VIRTIO_ID_BLOCK, .features = FEATURES_PLAIN,
};
FIXTURE_VARIANT_ADD(garbage, blk_all) {
	.type = VIRTIO_ID_BLOCK, .features = FEATURES_ALL,
};
FIXTURE_VARIANT_ADD(garbage, rng_all) {
	.type = VIRTIO_ID_RNG, .features = FEATURES_ALL,
};

FIXTURE_SETUP(garbage)
{
	const char *seed = getenv("KVLANE_SEED");
	unsigned int nr = variant->type == VIRTIO_ID_BLOCK ? 2 : 1;

	self->seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	TH_LOG("KVLANE_SEED=%llu", (unsigned long long)self->seed);
	self->disk = disk_memfd(SECTORS * 512);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->victim, &self->g, variant->type, nr, SIZE));
	if (variant->type == VIRTIO_ID_BLOCK) {
		ASSERT_EQ(0, device_set_blk(&self->victim, self->disk, 0, 0));
	} else {
		ASSERT_EQ(0, device_set_rng(&self->victim, -1, 0, 0));
	}
	ASSERT_EQ(0, device_open(&self->bystander, &self->g, VIRTIO_ID_BLOCK, 1, SIZE));
	ASSERT_EQ(0, device_set_blk(&self->bystander, self->disk, 0, 0));
	ASSERT_EQ(0, device_start(&self->bystander, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, 4096));
	self->arena = guest_alloc_high(&self->g, ARENA, 4096);
	ASSERT_NE(NULL, self->arena);
}

FIXTURE_TEARDOWN(garbage)
{
	device_close(&self->victim);
	device_close(&self->bystander);
	guest_close(&self->g);
	close(self->disk);
}

static uint64_t any(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 29;
}

/* Mostly what a driver would write, so that the device gets far; sometimes not. */
static struct vring_desc any_desc(struct guest *g, uint8_t *arena, uint64_t *seed)
{
	static const uint32_t len[] = { 1, 15, 16, 17, 48, 512, 513, 4096, 65536 };
	struct vring_desc d = {
		.addr = guest_gpa(g, arena) + any(seed) % (ARENA - 65536) / 16 * 16,
		.len = len[any(seed) % 9],
		.flags = any(seed) & (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE),
		.next = any(seed) % SIZE,
	};

	if (any(seed) % 16 == 0)
		d.flags |= VRING_DESC_F_INDIRECT;
	if (any(seed) % 64 == 0)
		d.addr = any(seed) << any(seed) % 32;
	if (any(seed) % 64 == 0)
		d.len = any(seed);
	if (any(seed) % 64 == 0)
		d.next = any(seed);
	if (any(seed) % 64 == 0)
		d.flags = any(seed);
	return d;
}

/* Headers, discard ranges and indirect tables are looked for in the arena. */
static void fill_arena(struct guest *g, uint8_t *arena, uint64_t *seed)
{
	static const uint32_t type[] = { 0, 1, 4, 8, 11, 13, 2, 99 };
	struct virtio_blk_outhdr hdr = {};
	struct vring_desc d;
	size_t at;

	for (at = 0; at < ARENA; at += 16) {
		hdr.type = type[any(seed) % 8];
		hdr.sector = any(seed) % (SECTORS + 16);
		d = any_desc(g, arena, seed);
		memcpy(arena + at, any(seed) % 2 ? (void *)&hdr : (void *)&d, 16);
	}
}

static void fill_ring(struct device *d, struct vq *vq, uint8_t *arena, uint64_t *seed)
{
	unsigned int i;

	for (i = 0; i < SIZE; i++) {
		vq->desc[i] = any_desc(d->guest, arena, seed);
		vq->avail->ring[i] = any(seed) % (any(seed) % 64 ? SIZE : 0x10000);
	}
	vq->avail->flags = any(seed) % 2;
	vq->next_avail = any(seed) % (any(seed) % 8 ? SIZE : 0x10000);
	vq_publish(vq);
	vq_notify(vq);
}

static bool bystander_works(struct device *d, struct blk_req *r)
{
	struct kvlane_stats st;

	return !blk_do(&d->vq[0], r, VIRTIO_BLK_T_IN, 0, 4096) &&
	       !device_stats(d, &st, 0, NULL) && !st.needs_reset;
}

/* A driver that comes after finds the device in order. */
static int victim_works(struct device *d, struct blk_req *r)
{
	struct iovec in = { r->data, 64 };
	int err = device_start(d, FEATURES_ALL);

	if (err)
		return err;
	if (d->type == VIRTIO_ID_BLOCK)
		return blk_do(&d->vq[1], r, VIRTIO_BLK_T_IN, 0, 4096);
	err = vq_add(&d->vq[0], NULL, 0, &in, 1, r);
	vq_kick(&d->vq[0]);
	return err < 0 ? err : vq_wait(&d->vq[0], NULL) == r ? 0 : -ETIMEDOUT;
}

/* Every event belongs to a count; both tell of the same number of failures. */
static uint64_t count_events(struct device *d)
{
	struct kvlane_event ev;
	uint64_t n = 0;

	while (!device_event(d, &ev, 0))
		n += ev.type == KVLANE_EVENT_NEEDS_RESET;
	return n;
}

TEST_F_TIMEOUT(garbage, at_rest, 120)
{
	struct device *d = &self->victim;
	uint64_t seed = self->seed, events = 0;
	struct kvlane_stats st;
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		if (round % 16 == 0)
			fill_arena(&self->g, self->arena, &seed);
		ASSERT_EQ(0, device_start(d, variant->features));
		for (i = 0; i < d->nr_queues; i++)
			fill_ring(d, &d->vq[i], self->arena, &seed);
		if (round % 4 == 0)
			usleep(1000);
		ASSERT_TRUE(bystander_works(&self->bystander, &self->r));
		ASSERT_EQ(0, device_reset(d));
		events += count_events(d);
	}
	EXPECT_EQ(0, victim_works(d, &self->r));
	ASSERT_EQ(0, device_stats(d, &st, 0, NULL));
	EXPECT_EQ(0, st.events_lost);
	EXPECT_EQ(st.needs_reset, events);
	EXPECT_LT(0, events);
}

/* Changes what the device is about to read, or has read once already. */
struct scribbler {
	struct device *d;
	uint8_t *arena;
	uint64_t seed;
	bool stop;
	pthread_t thread;
};

static void scribble(struct scribbler *s)
{
	struct vq *vq = &s->d->vq[any(&s->seed) % s->d->nr_queues];
	struct vring_desc d = any_desc(s->d->guest, s->arena, &s->seed);

	switch (any(&s->seed) % 4) {
	case 0:
		vq->desc[any(&s->seed) % SIZE] = d;
		break;
	case 1:
		vq->desc[any(&s->seed) % SIZE].len = d.len;
		break;
	case 2:
		vq->desc[any(&s->seed) % SIZE].flags = d.flags & FLAGS;
		break;
	default:
		memcpy(s->arena + any(&s->seed) % (ARENA / 16) * 16, &d, sizeof(d));
	}
}

static void *scribble_on(void *arg)
{
	struct scribbler *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
		scribble(s);
	return NULL;
}

/* Keeps the ring going for a while, whatever comes back. */
static void feed(struct vq *vq, uint64_t *seed)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		vq->avail->ring[vq->next_avail % SIZE] = any(seed) % SIZE;
		vq->next_avail++;
		vq_publish(vq);
		vq_notify(vq);
		if (i % 8 == 7)
			usleep(100);
	}
}

TEST_F_TIMEOUT(garbage, in_motion, 120)
{
	struct scribbler s = {
		.d = &self->victim, .arena = self->arena, .seed = self->seed + 1,
	};
	uint64_t seed = self->seed;
	unsigned int round, i;

	fill_arena(&self->g, self->arena, &seed);
	ASSERT_EQ(0, device_start(s.d, variant->features));
	ASSERT_EQ(0, pthread_create(&s.thread, NULL, scribble_on, &s));
	for (round = 0; round < ROUNDS; round++) {
		EXPECT_EQ(0, device_start(s.d, variant->features));
		for (i = 0; i < s.d->nr_queues; i++)
			feed(&s.d->vq[i], &seed);
		EXPECT_TRUE(bystander_works(&self->bystander, &self->r));
		count_events(s.d);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
	EXPECT_EQ(0, victim_works(s.d, &self->r));
}

/* Nonsense in the registers on top. */
TEST_F_TIMEOUT(garbage, in_registers, 120)
{
	static const uint8_t size[] = { 1, 2, 4, 8 };
	struct device *d = &self->victim;
	uint64_t seed = self->seed;
	unsigned int round, i, at, n;

	fill_arena(&self->g, self->arena, &seed);
	for (round = 0; round < ROUNDS / 3; round++) {
		if (round % 2)
			ASSERT_EQ(0, device_start(d, variant->features));
		for (i = 0; i < 100; i++) {
			n = size[any(&seed) % 4];
			at = any(&seed) % 4 * 0x1000 + any(&seed) % 64 / n * n;
			reg_write(d, at, n, any(&seed) % 3 ? any(&seed) % 32 : any(&seed) << 20);
		}
		ASSERT_TRUE(bystander_works(&self->bystander, &self->r));
		count_events(d);
	}
	ASSERT_EQ(0, device_reset(d));
	EXPECT_EQ(0, victim_works(d, &self->r));
}

TEST_HARNESS_MAIN
