// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets at every moment: virtio 1.2 section 2.4 (device) and 2.6.1 (queue).  Once a
 * reset reads as complete, the device must not touch the driver's memory again,
 * whatever is still under way underneath.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM		(16 << 20)
#define BYTES		(32 << 20)
#define DEPTH		16
#define LEN		4096
#define SLOW(i)		(16384 + (i) * 1024)

FIXTURE(reset) {
	struct guest g;
	struct device d;
	struct gate gate;
	struct blk_req req[DEPTH];
	struct blk_req other;
};

FIXTURE_VARIANT(reset) {
	int open;
	uint32_t type;
};

FIXTURE_VARIANT_ADD(reset, buffered_read) { .type = VIRTIO_BLK_T_IN };
FIXTURE_VARIANT_ADD(reset, direct_read) { .open = O_DIRECT, .type = VIRTIO_BLK_T_IN };
FIXTURE_VARIANT_ADD(reset, direct_write) { .open = O_DIRECT, .type = VIRTIO_BLK_T_OUT };

FIXTURE_SETUP(reset)
{
	unsigned int i;
	int fd = gate_open(&self->gate, BYTES, variant->open);

	if (fd == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &self->req[i], LEN));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->other, LEN));
}

FIXTURE_TEARDOWN(reset)
{
	dm_release(&self->gate.dm);
	device_close(&self->d);
	guest_close(&self->g);
	gate_close(&self->gate);
}

/* Puts requests in flight behind the gate. */
static int hold_requests(struct device *d, struct dm *dm, struct blk_req *req, uint32_t type)
{
	unsigned int i;
	int err = dm_shut(dm);

	for (i = 0; i < DEPTH; i++) {
		memset(req[i].data, 0xa5, LEN);
		if (blk_add(&d->vq[0], &req[i], type, SLOW(i), LEN) < 0)
			return -ENOSPC;
	}
	vq_kick(&d->vq[0]);
	return err ? err : device_inflight(d, 0, DEPTH);
}

/* The reset itself may wait for the I/O, so it gets a thread. */
struct resetter {
	struct device *d;
	int queue;
	int err;
	bool done;
	pthread_t thread;
};

static void *do_reset(void *arg)
{
	struct resetter *r = arg;

	r->err = r->queue < 0 ? device_reset(r->d) : device_queue_reset(r->d, r->queue);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Resets; if that is over before the gate opens, what came after must stay as is. */
static int reset_and_release(struct resetter *r, struct dm *dm, struct blk_req *req)
{
	struct vq *vq = &r->d->vq[0];
	unsigned int i;
	bool early;

	pthread_create(&r->thread, NULL, do_reset, r);
	usleep(30000);
	early = __atomic_load_n(&r->done, __ATOMIC_ACQUIRE);
	if (early)
		for (i = 0; i < DEPTH; i++)
			memset(req[i].data, 0x3c, LEN);
	if (dm_release(dm))
		return -1;
	pthread_join(r->thread, NULL);
	if (r->err)
		return -2;
	/* Time for what is under way to do harm. */
	usleep(30000);
	if (early && vq_used_any(vq))
		return -3;
	for (i = 0; early && i < DEPTH; i++)
		if (!all_bytes(req[i].data, LEN, 0x3c))
			return -4;
	return 0;
}

static int check_works(struct device *d, struct blk_req *r)
{
	unsigned int i;

	for (i = 0; i < d->nr_queues; i++) {
		pattern_fill(r->data, LEN, i);
		if (blk_do(&d->vq[i], r, VIRTIO_BLK_T_OUT, 8 * i, LEN))
			return -1;
		memset(r->data, 0, LEN);
		if (blk_do(&d->vq[i], r, VIRTIO_BLK_T_IN, 8 * i, LEN))
			return -2;
		if (!pattern_matches(r->data, LEN, i))
			return -3;
	}
	return 0;
}

TEST_F(reset, device_in_flight)
{
	struct resetter r = { .d = &self->d, .queue = -1 };
	struct kvlane_queue_stats qs;

	ASSERT_EQ(0, hold_requests(&self->d, &self->gate.dm, self->req, variant->type));
	EXPECT_EQ(0, reset_and_release(&r, &self->gate.dm, self->req));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(0, check_works(&self->d, &self->other));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(0, qs.inflight);
	EXPECT_EQ(0, qs.malformed);
}

/* As a new kernel does after kexec: status 0, then rings in other places. */
TEST_F(reset, taken_over)
{
	struct resetter r = { .d = &self->d, .queue = -1 };
	struct vq old[2] = { self->d.vq[0], self->d.vq[1] };
	uint16_t used[2];
	unsigned int i;

	ASSERT_EQ(0, hold_requests(&self->d, &self->gate.dm, self->req, variant->type));
	EXPECT_EQ(0, reset_and_release(&r, &self->gate.dm, self->req));
	for (i = 0; i < 2; i++) {
		used[i] = old[i].used->idx;
		vq_move(&self->d.vq[i]);
		self->d.vq[i].size = 16;
	}
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL & ~BIT(VIRTIO_RING_F_EVENT_IDX)));
	EXPECT_EQ(0, check_works(&self->d, &self->other));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(used[i], old[i].used->idx);
}

TEST_F(reset, queue_in_flight)
{
	struct resetter r = { .d = &self->d, .queue = 0 };
	unsigned int i;

	ASSERT_EQ(0, hold_requests(&self->d, &self->gate.dm, self->req, variant->type));
	/* The other queue goes on meanwhile. */
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, blk_do(&self->d.vq[1], &self->other, VIRTIO_BLK_T_GET_ID, 0,
				    VIRTIO_BLK_ID_BYTES));
	EXPECT_EQ(0, reset_and_release(&r, &self->gate.dm, self->req));
	ASSERT_EQ(0, blk_do(&self->d.vq[1], &self->other, VIRTIO_BLK_T_IN, 0, LEN));
	EXPECT_EQ(0, reg_read(&self->d, COMMON(Q_ENABLE), 2));
	vq_move(&self->d.vq[0]);
	ASSERT_EQ(0, device_setup_queue(&self->d, 0));
	EXPECT_EQ(0, check_works(&self->d, &self->other));
}

/* While one device waits for its I/O, its neighbour's registers answer. */
TEST_F(reset, other_device_meanwhile)
{
	struct resetter r = { .d = &self->d, .queue = -1 };
	struct device other;
	int disk = disk_memfd(1 << 20);

	ASSERT_EQ(0, device_open(&other, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, device_set_blk(&other, disk, 0, 0));
	ASSERT_EQ(0, hold_requests(&self->d, &self->gate.dm, self->req, variant->type));
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, do_reset, &r));
	EXPECT_EQ(0, device_start(&other, FEATURES_ALL));
	EXPECT_EQ(0, check_works(&other, &self->other));
	EXPECT_EQ(0, device_reset(&other));
	device_close(&other);
	close(disk);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	pthread_join(r.thread, NULL);
	EXPECT_EQ(0, r.err);
}

/* No gate here: resets as fast as they go, with requests just sent. */
FIXTURE(storm) {
	struct guest g;
	struct device d;
	struct blk_req req[8];
	int disk;
};

FIXTURE_SETUP(storm)
{
	unsigned int i;

	self->disk = disk_memfd(1 << 20);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 32));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &self->req[i], LEN));
}

FIXTURE_TEARDOWN(storm)
{
	device_close(&self->d);
	guest_close(&self->g);
}

static int load_both(struct device *d, struct blk_req *req)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (blk_add(&d->vq[i % 2], &req[i], i & 2 ? VIRTIO_BLK_T_IN :
			    VIRTIO_BLK_T_OUT, i * 8, LEN) < 0)
			return -1;
	vq_kick(&d->vq[0]);
	vq_kick(&d->vq[1]);
	return 0;
}

TEST_F_TIMEOUT(storm, thousand_resets, 120)
{
	struct kvlane_stats st;
	int threads = thread_count(0);
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		ASSERT_EQ(0, load_both(&self->d, self->req));
		/* Sometimes a little later, so that every stage is hit. */
		if (i % 8 == 7)
			usleep(i % 100);
		ASSERT_EQ(0, device_reset(&self->d));
	}
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(0, check_works(&self->d, &self->req[0]));
	ASSERT_EQ(0, device_stats(&self->d, &st, 0, NULL));
	EXPECT_LE(1000, st.resets);
	EXPECT_EQ(0, st.needs_reset);
	EXPECT_EQ(threads, thread_count(0));
}

TEST_F_TIMEOUT(storm, queue_resets, 120)
{
	struct kvlane_stats st;
	unsigned int i, j;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, load_both(&self->d, self->req));
		ASSERT_EQ(0, device_queue_reset(&self->d, 0));
		ASSERT_EQ(0, device_setup_queue(&self->d, 0));
		/* Nothing of the other queue was lost. */
		for (j = 1; j < 8; j += 2)
			ASSERT_EQ(0, blk_wait(&self->d.vq[1], &self->req[j]));
	}
	EXPECT_EQ(0, check_works(&self->d, &self->req[0]));
	ASSERT_EQ(0, device_stats(&self->d, &st, 0, NULL));
	EXPECT_EQ(0, st.needs_reset);
}

/* Unbind and bind of a driver, each time with other features and sizes. */
TEST_F(storm, rebind)
{
	unsigned int i;

	for (i = 0; i < 40; i++) {
		self->d.vq[0].size = 4 << i % 4;
		self->d.vq[1].size = 32 >> i % 3;
		ASSERT_EQ(0, device_start(&self->d, i % 2 ? FEATURES_ALL : FEATURES_PLAIN));
		ASSERT_EQ(0, check_works(&self->d, &self->req[0]));
		ASSERT_EQ(0, device_reset(&self->d));
	}
}

/* Everybody at once: resets, a new memory table, counters, registers, kicks. */
struct noise {
	struct device *d;
	bool stop;
	pthread_t thread;
	void (*make)(struct device *d);
};

static void *make_noise(void *arg)
{
	struct noise *n = arg;

	while (!__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE))
		n->make(n->d);
	return NULL;
}

static void noise_memory(struct device *d)
{
	guest_set_regions(d->guest, d->guest->regions, 2);
}

static void noise_stats(struct device *d)
{
	struct kvlane_event ev;

	device_stats(d, NULL, 0, NULL);
	device_event(d, &ev, 0);
}

static void noise_registers(struct device *d)
{
	device_status(d);
	reg_read(d, COMMON(CFGGENERATION), 1);
	reg_read(d, KVLANE_WINDOW_CONFIG, 8);
	vq_notify(&d->vq[0]);
	reg_write(d, KVLANE_WINDOW_NOTIFY + 4, 2, 1);
}

static void noise_ties(struct device *d)
{
	device_tie(d, KVLANE_SET_KICK, 1, -1);
	device_tie(d, KVLANE_SET_KICK, 1, d->vq[1].kick);
	device_tie(d, KVLANE_SET_VECTOR, 2, -1);
	device_tie(d, KVLANE_SET_VECTOR, 2, d->vq[1].call);
}

TEST_F_TIMEOUT(storm, everything_at_once, 120)
{
	struct noise noise[4] = {
		{ .make = noise_memory }, { .make = noise_stats },
		{ .make = noise_registers }, { .make = noise_ties },
	};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		noise[i].d = &self->d;
		ASSERT_EQ(0, pthread_create(&noise[i].thread, NULL, make_noise, &noise[i]));
	}
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(0, device_start(&self->d, FEATURES_ALL));
		EXPECT_EQ(0, load_both(&self->d, self->req));
		EXPECT_EQ(0, device_reset(&self->d));
	}
	for (i = 0; i < 4; i++) {
		__atomic_store_n(&noise[i].stop, true, __ATOMIC_RELEASE);
		pthread_join(noise[i].thread, NULL);
	}
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(0, check_works(&self->d, &self->req[0]));
}

TEST_HARNESS_MAIN
