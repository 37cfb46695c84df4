// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many requests in flight, and slow ones that stall nobody.  The backing is a
 * device mapper device whose gate the test opens and shuts, so "slow" means
 * "until the test says so", and no clock is involved.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"

#include "kselftest_harness.h"

#define MEM		(16 << 20)
#define BYTES		(32 << 20)
#define DEPTH		32
#define LEN		4096
/* Far enough apart that no read-ahead fetches one with the other. */
#define SLOW(i)		(16384 + (i) * 1024)

FIXTURE(depth) {
	struct guest g;
	struct device d;
	struct gate gate;
	struct blk_req req[DEPTH];
};

FIXTURE_VARIANT(depth) {
	int open;
};

FIXTURE_VARIANT_ADD(depth, buffered) {};
FIXTURE_VARIANT_ADD(depth, direct) { .open = O_DIRECT };

FIXTURE_SETUP(depth)
{
	unsigned int i;
	int fd = gate_open(&self->gate, BYTES, variant->open);

	if (fd == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 128));
	ASSERT_EQ(0, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &self->req[i], LEN));
}

FIXTURE_TEARDOWN(depth)
{
	dm_release(&self->gate.dm);
	device_close(&self->d);
	guest_close(&self->g);
	gate_close(&self->gate);
}

static void add_reads(struct vq *vq, struct blk_req *req, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		blk_add(vq, &req[i], VIRTIO_BLK_T_IN, SLOW(i), LEN);
	vq_kick(vq);
}

TEST_F(depth, reads_in_flight)
{
	struct vq *vq = &self->d.vq[0];
	uint8_t sector[LEN];
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		pattern_fill(sector, LEN, i);
		ASSERT_EQ(LEN, pwrite(self->gate.loop.medium, sector, LEN, SLOW(i) * 512));
	}
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	add_reads(vq, self->req, DEPTH);
	EXPECT_EQ(0, device_inflight(&self->d, 0, DEPTH));
	EXPECT_EQ(0, blk_poll(vq));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, blk_wait(vq, &self->req[i]));
		EXPECT_TRUE(pattern_matches(self->req[i].data, LEN, i));
	}
}

/* Requests that need not go to the disk pass those that wait for it. */
TEST_F(depth, slow_read_stalls_nobody)
{
	struct vq *vq = &self->d.vq[0];
	struct kvlane_queue_stats qs;
	struct blk_req *slow = &self->req[0], *fast = &self->req[1];
	unsigned int i;

	ASSERT_EQ(0, blk_do(vq, fast, VIRTIO_BLK_T_IN, 0, LEN));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	ASSERT_LE(0, blk_add(vq, slow, VIRTIO_BLK_T_IN, SLOW(0), LEN));
	vq_kick(vq);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 1));
	for (i = 0; i < 20; i++) {
		/* In the page cache, or needing no data at all. */
		if (variant->open & O_DIRECT) {
			ASSERT_EQ(0, blk_do(vq, fast, VIRTIO_BLK_T_GET_ID, 0,
					    VIRTIO_BLK_ID_BYTES));
		} else {
			ASSERT_EQ(0, blk_do(vq, fast, VIRTIO_BLK_T_IN, 0, LEN));
		}
	}
	EXPECT_FALSE(slow->done);
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(1, qs.inflight);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	EXPECT_EQ(0, blk_wait(vq, slow));
}

TEST_F(depth, slow_flush_stalls_nobody)
{
	struct vq *vq = &self->d.vq[0];
	struct blk_req *slow = &self->req[0], *fast = &self->req[1];
	unsigned int i;

	ASSERT_EQ(0, blk_do(vq, slow, VIRTIO_BLK_T_OUT, SLOW(1), LEN));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	ASSERT_LE(0, blk_add(vq, slow, VIRTIO_BLK_T_FLUSH, 0, 0));
	vq_kick(vq);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 1));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, blk_do(vq, fast, VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES));
	EXPECT_FALSE(slow->done);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	EXPECT_EQ(0, blk_wait(vq, slow));
}

TEST_F(depth, slow_queue_stalls_no_other)
{
	struct blk_req *fast = &self->req[DEPTH - 1];
	unsigned int i;

	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	add_reads(&self->d.vq[0], self->req, 8);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 8));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, blk_do(&self->d.vq[1], fast, VIRTIO_BLK_T_GET_ID, 0,
				    VIRTIO_BLK_ID_BYTES));
	EXPECT_EQ(0, blk_poll(&self->d.vq[0]));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, blk_wait(&self->d.vq[0], &self->req[i]));
}

TEST_F(depth, slow_device_stalls_no_other)
{
	struct device other;
	unsigned int i;
	int disk = disk_memfd(1 << 20);

	ASSERT_EQ(0, device_open(&other, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, device_set_blk(&other, disk, 0, 0));
	ASSERT_EQ(0, device_start(&other, FEATURES_ALL));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	add_reads(&self->d.vq[0], self->req, 16);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 16));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, blk_do(&other.vq[0], &self->req[DEPTH - 1], VIRTIO_BLK_T_OUT, 0,
				    LEN));
	device_close(&other);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, blk_wait(&self->d.vq[0], &self->req[i]));
	close(disk);
}

TEST_HARNESS_MAIN
