// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lanes do to save processor time, and its bounds.
 *
 * A write that waits for its throttle is in flight as long as a test likes; reads go
 * past it. So there is always something to hold an interrupt back for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"
#include "throttle.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
/* Longer than anything takes, and short. */
#define LONG_US		KVLANE_MAX_COALESCE_US
#define SHORT_US	1000

FIXTURE(lanes) {
	struct guest g;
	struct device d;
	struct vq *vq;
	struct load writes;
	struct blk_req req;
	int throttle;
};

FIXTURE_SETUP(lanes)
{
	int disk = disk_memfd(1 << 20);

	self->throttle = throttle_open();
	ASSERT_LE(0, self->throttle);
	ASSERT_EQ(0, throttle_set(self->throttle, KVLANE_LIMIT_BYTES_WRITE, 1));
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 32));
	ASSERT_EQ(0, device_set_blk(&self->d, disk, 0, 0));
	close(disk);
	ASSERT_EQ(0, device_throttle(&self->d, self->throttle));
	/* Without EVENT_IDX the driver wants an interrupt for each completion. */
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->req, 512));
	self->vq = &self->d.vq[0];
}

FIXTURE_TEARDOWN(lanes)
{
	device_close(&self->d);
	guest_close(&self->g);
	close(self->throttle);
}

static struct kvlane_queue_stats counters(struct device *d)
{
	struct kvlane_queue_stats qs = {};

	device_stats(d, NULL, 0, &qs);
	return qs;
}

/* A write that stays in flight, behind one that is done with. */
static int keep_one_in_flight(struct load *writes, struct vq *vq, int throttle)
{
	*writes = (struct load){
		.vq = vq, .type = VIRTIO_BLK_T_OUT, .depth = 2, .least = 512, .most = 512,
	};
	return load_open(writes) ?: throttle_waiting(throttle, 1) ?:
	       device_inflight(vq->dev, vq->index, 1);
}

static uint64_t sum(const __u64 *histogram, unsigned int from)
{
	uint64_t n = 0;

	for (; from < KVLANE_HIST_BUCKETS; from++)
		n += histogram[from];
	return n;
}

/* On which processors the lane is to run, and nothing else. */
static int place(struct device *d, const cpu_set_t *cpus)
{
	const struct kvlane_set_lanes args = {
		.queue = KVLANE_NO_QUEUE,
		.poll_us = KVLANE_POLL_DEFAULT,
		.cpus_size = sizeof(*cpus),
		.cpus = (uintptr_t)cpus,
	};

	return ioctl(d->fd, KVLANE_SET_LANES, &args) ? -errno : 0;
}

/* Reads whose completion the driver sees by looking. */
static int read_some(struct vq *vq, struct blk_req *req, int nr)
{
	while (nr--) {
		if (blk_add(vq, req, VIRTIO_BLK_T_IN, 0, 512) < 0)
			return -ENOSPC;
		vq_kick(vq);
		while (!req->done)
			blk_poll(vq);
	}
	return 0;
}

TEST_F(lanes, one_for_several)
{
	struct kvlane_queue_stats before, after;

	ASSERT_EQ(0, keep_one_in_flight(&self->writes, self->vq, self->throttle));
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	before = counters(&self->d);
	ASSERT_EQ(0, device_lanes(&self->d, 0, LONG_US, 4));
	ASSERT_EQ(0, read_some(self->vq, &self->req, 8));
	after = counters(&self->d);
	EXPECT_EQ(before.interrupts + 2, after.interrupts);
	EXPECT_EQ(before.coalesced + 6, after.coalesced);

	/* The last one is not kept from the driver. */
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	EXPECT_EQ(after.interrupts, counters(&self->d).interrupts);
	ASSERT_EQ(0, throttle_set(self->throttle, KVLANE_LIMIT_BYTES_WRITE, 0));
	ASSERT_EQ(0, load_drain(&self->writes, 1));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(after.interrupts + 1, counters(&self->d).interrupts);
}

TEST_F(lanes, not_for_long)
{
	struct kvlane_queue_stats before;

	ASSERT_EQ(0, keep_one_in_flight(&self->writes, self->vq, self->throttle));
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	ASSERT_EQ(0, device_lanes(&self->d, KVLANE_NO_QUEUE, SHORT_US, 1000));
	before = counters(&self->d);
	eventfd_wait(self->vq->call, 0);
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	EXPECT_EQ(1, eventfd_wait(self->vq->call, WAIT_MS));
	EXPECT_EQ(before.interrupts + 1, counters(&self->d).interrupts);
}

/* A driver with one request at a time has its interrupt at once. */
TEST_F(lanes, not_for_one)
{
	int i;

	ASSERT_EQ(0, device_lanes(&self->d, KVLANE_NO_QUEUE, LONG_US, 1000));
	for (i = 0; i < 50; i++)
		ASSERT_EQ(0, blk_do(self->vq, &self->req, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(50, counters(&self->d).interrupts);
	EXPECT_EQ(0, counters(&self->d).coalesced);
}

/* What is held goes out when nothing is to be held any more. */
TEST_F(lanes, released)
{
	ASSERT_EQ(0, keep_one_in_flight(&self->writes, self->vq, self->throttle));
	ASSERT_EQ(0, device_lanes(&self->d, 0, LONG_US, 1000));
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	eventfd_wait(self->vq->call, 0);
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	ASSERT_EQ(0, device_lanes(&self->d, 0, 0, 0));
	EXPECT_EQ(1, eventfd_wait(self->vq->call, WAIT_MS));
}

/* An interrupt that is held is for the driver that was reset, and nobody else. */
TEST_F(lanes, reset)
{
	uint64_t interrupts;

	ASSERT_EQ(0, keep_one_in_flight(&self->writes, self->vq, self->throttle));
	ASSERT_EQ(0, device_lanes(&self->d, 0, LONG_US, 1000));
	ASSERT_EQ(0, read_some(self->vq, &self->req, 3));
	interrupts = counters(&self->d).interrupts;
	ASSERT_EQ(0, device_reset(&self->d));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	EXPECT_EQ(interrupts, counters(&self->d).interrupts);
	ASSERT_EQ(0, blk_do(self->vq, &self->req, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(interrupts + 1, counters(&self->d).interrupts);
}

/* The device's own bound for looking goes before the module's. */
TEST_F(lanes, poll_bound)
{
	struct kvlane_set_lanes args = { .queue = 0, .poll_us = 0 };
	char old[32];

	ASSERT_EQ(0, module_parameter("poll_us", "10000", old));
	EXPECT_EQ(0, ioctl(self->d.fd, KVLANE_SET_LANES, &args));
	EXPECT_EQ(0, read_some(self->vq, &self->req, 50));
	EXPECT_EQ(0, counters(&self->d).polls);
	EXPECT_EQ(0, module_parameter("poll_us", old, NULL));
}

/* Each kick is timed, and each interrupt. */
TEST_F(lanes, times)
{
	struct kvlane_queue_stats qs;
	int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, blk_do(self->vq, &self->req, VIRTIO_BLK_T_IN, 0, 512));
	qs = counters(&self->d);
	EXPECT_EQ(20, qs.interrupts);
	EXPECT_EQ(20, sum(qs.signal, 0));
	EXPECT_LE(1, sum(qs.pickup, 0));
	EXPECT_LE(sum(qs.pickup, 0), qs.kicks);
}

/* An interrupt that was held back for a millisecond says so: 2^9 is the power below. */
TEST_F(lanes, time_held)
{
	uint64_t before;

	ASSERT_EQ(0, keep_one_in_flight(&self->writes, self->vq, self->throttle));
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	ASSERT_EQ(0, device_lanes(&self->d, 0, SHORT_US, 1000));
	before = sum(counters(&self->d).signal, 9);
	eventfd_wait(self->vq->call, 0);
	ASSERT_EQ(0, read_some(self->vq, &self->req, 1));
	EXPECT_EQ(1, eventfd_wait(self->vq->call, WAIT_MS));
	EXPECT_EQ(before + 1, sum(counters(&self->d).signal, 9));
}

TEST_F(lanes, placed)
{
	cpu_set_t all, one, is;
	int i;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	if (CPU_COUNT(&all) < 2)
		SKIP(return, "one processor");
	for (i = 0; !CPU_ISSET(i, &all); i++)
		;
	CPU_ZERO(&one);
	CPU_SET(i, &one);
	ASSERT_EQ(0, place(&self->d, &one));
	ASSERT_LT(0, counters(&self->d).tid);
	ASSERT_EQ(0, sched_getaffinity(counters(&self->d).tid, sizeof(is), &is));
	EXPECT_TRUE(CPU_EQUAL(&one, &is));
	ASSERT_EQ(0, blk_do(self->vq, &self->req, VIRTIO_BLK_T_IN, 0, 512));

	/* The caller stays where it was, and does not get a lane to where it may not go. */
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(is), &is));
	EXPECT_TRUE(CPU_EQUAL(&all, &is));
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	EXPECT_EQ(-EPERM, place(&self->d, &all));
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(all), &all));
	EXPECT_EQ(0, place(&self->d, &all));
}

TEST_F(lanes, bad_cpus)
{
	struct kvlane_set_lanes args = {
		.queue = KVLANE_NO_QUEUE, .cpus = 8, .cpus_size = 8,
	};
	cpu_set_t none;

	EXPECT_EQ(-1, ioctl(self->d.fd, KVLANE_SET_LANES, &args));
	EXPECT_EQ(EFAULT, errno);
	CPU_ZERO(&none);
	EXPECT_EQ(-EINVAL, place(&self->d, &none));
	CPU_SET(CPU_SETSIZE - 1, &none);
	EXPECT_EQ(-EINVAL, place(&self->d, &none));
}

TEST_F(lanes, bad_arguments)
{
	static const struct kvlane_set_lanes bad[] = {
		{ .flags = 1 },
		{ .queue = 2 },
		{ .queue = KVLANE_NO_QUEUE - 1 },
		{ .poll_us = KVLANE_MAX_POLL_US + 1 },
		{ .poll_us = KVLANE_POLL_DEFAULT - 1 },
		{ .coalesce_us = KVLANE_MAX_COALESCE_US + 1, .coalesce_requests = 2 },
		{ .coalesce_us = 1, .coalesce_requests = 1 },
		{ .coalesce_requests = 2 },
		{ .cpus_size = 8 },
		{ .cpus = 8 },
		{ .reserved = { 0, 0, 0, 1 } },
	};
	struct kvlane_set_lanes args;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		args = bad[i];
		EXPECT_EQ(-1, ioctl(self->d.fd, KVLANE_SET_LANES, &args));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(-1, ioctl(self->d.fd, KVLANE_SET_LANES, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_HARNESS_MAIN
