// SPDX-License-Identifier: GPL-2.0-only
/*
 * A lane that looks for more before it sleeps. The driver has a processor for itself,
 * and the lane another one: who shares his with others does not look.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM		(8 << 20)
#define SECTORS		2048
#define LIMIT		"poll_us"
/* More than any step of the driver takes, even when all is slow. */
#define LONG		"10000"
#define ROUNDS		300
/*
 * Of a few rounds most need no kick, sooner or later. Not always: who emulates this
 * machine has more to do, and a step may then take longer than the limit.
 */
#define FEW		30
#define TRIES		100

static int pin(unsigned int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

FIXTURE(poll) {
	struct guest g;
	struct device d;
	struct blk_req req;
	struct vq *vq;
	char limit[32];
	cpu_set_t cpus;
};

FIXTURE_VARIANT(poll) {
	uint64_t rings;
};

FIXTURE_VARIANT_ADD(poll, split) {};
FIXTURE_VARIANT_ADD(poll, packed) { .rings = BIT(VIRTIO_F_RING_PACKED) };

FIXTURE_SETUP(poll)
{
	int disk = disk_memfd(SECTORS * 512);

	ASSERT_EQ(0, module_parameter(LIMIT, LONG, self->limit));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(self->cpus), &self->cpus));
	/* Threads of the device stay where they are made. */
	if (pin(1))
		SKIP(return, "needs two processors");
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, pin(0));
	ASSERT_EQ(0, device_set_blk(&self->d, disk, 0, 0));
	close(disk);
	self->d.rings = variant->rings;
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->req, 512));
	self->vq = self->d.vq;
	vq_interrupts(self->vq, false);
}

FIXTURE_TEARDOWN(poll)
{
	device_close(&self->d);
	guest_close(&self->g);
	sched_setaffinity(0, sizeof(self->cpus), &self->cpus);
	module_parameter(LIMIT, self->limit, NULL);
}

/* A request as soon as the one before is done. Returns how many kicks that took. */
static int back_to_back(struct vq *vq, struct blk_req *req, unsigned int rounds)
{
	int kicks = 0;

	while (rounds--) {
		if (blk_add(vq, req, VIRTIO_BLK_T_IN, 0, 512) < 0)
			return -1;
		kicks += vq_kick(vq);
		while (!req->done)
			blk_poll(vq);
		if (*req->status != VIRTIO_BLK_S_OK)
			return -1;
	}
	return kicks;
}

static struct kvlane_queue_stats counters(struct device *d)
{
	struct kvlane_queue_stats qs = {};
	struct kvlane_stats st = {};

	device_stats(d, &st, 0, &qs);
	return qs;
}

/*
 * Most requests come while the lane looks, or is not even that far, and need no kick.
 * Returns after how many tries that was so, 0 if it never was, -1 on failure.
 */
static int tries_to_save_kicks(struct device *d, struct blk_req *req)
{
	uint64_t won;
	int i, kicks;

	for (i = 1; i <= TRIES; i++) {
		won = counters(d).polls_won;
		kicks = back_to_back(d->vq, req, FEW);
		if (kicks < 0)
			return -1;
		if (kicks <= FEW / 2 && counters(d).polls_won > won)
			return i;
	}
	return 0;
}

TEST_F(poll, saves_kicks)
{
	int tries = tries_to_save_kicks(&self->d, &self->req);
	struct kvlane_queue_stats qs = counters(&self->d);

	EXPECT_LT(0, tries);
	EXPECT_LE(qs.polls_won, qs.polls);
	EXPECT_EQ(tries * FEW, qs.requests);
}

/* After a pause longer than the limit the lane sleeps at once. */
TEST_F(poll, not_when_idle)
{
	struct kvlane_queue_stats before;
	unsigned int i;

	ASSERT_LE(0, back_to_back(self->vq, &self->req, ROUNDS));
	usleep(100000);
	ASSERT_LE(0, back_to_back(self->vq, &self->req, 1));
	usleep(100000);
	before = counters(&self->d);
	EXPECT_LT(0, before.polls);
	for (i = 0; i < 5; i++) {
		/* The lane sleeps, so it has to be kicked. */
		EXPECT_EQ(1, back_to_back(self->vq, &self->req, 1));
		usleep(100000);
	}
	EXPECT_EQ(before.polls, counters(&self->d).polls);
	/* And it is learnt anew. */
	EXPECT_LT(0, tries_to_save_kicks(&self->d, &self->req));
}

TEST_F(poll, off)
{
	ASSERT_EQ(0, module_parameter(LIMIT, "0", NULL));
	ASSERT_LE(0, back_to_back(self->vq, &self->req, ROUNDS));
	EXPECT_EQ(0, counters(&self->d).polls);
}

/* Looking does not keep anybody waiting who changes or resets something. */
TEST_F(poll, interrupted)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		ASSERT_LE(0, back_to_back(self->vq, &self->req, 4));
		ASSERT_EQ(0, guest_set_regions(&self->g, self->g.regions,
					       self->g.nr_regions));
		ASSERT_LE(0, back_to_back(self->vq, &self->req, 4));
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		vq_interrupts(self->vq, false);
	}
}

TEST_HARNESS_MAIN
