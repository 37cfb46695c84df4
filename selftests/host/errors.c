// SPDX-License-Identifier: GPL-2.0-only
/* Errors underneath reach the guest as I/O errors, and pass. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "blk.h"
#include "device.h"

#include "kselftest_harness.h"

#define MEM	(8 << 20)
#define BYTES	(8 << 20)
#define LEN	65536

/* The event for a failed request: one after each reset, however many fail. */
static int check_event(struct device *d, int error)
{
	struct kvlane_event ev = {};

	if (device_event(d, &ev, WAIT_MS) || ev.type != KVLANE_EVENT_BACKEND_ERROR)
		return -1;
	if (ev.error != error || ev.reason || ev.queue)
		return -2;
	return device_event(d, &ev, 20) == -ETIMEDOUT ? 0 : -3;
}

FIXTURE(full) {
	struct guest g;
	struct device d;
	struct fs fs;
	struct blk_req r;
	int disk;
};

/* A sparse file of 8 MiB where there is room for one. */
FIXTURE_SETUP(full)
{
	char path[64];

	ASSERT_EQ(0, fs_tmpfs(&self->fs, 1 << 20));
	snprintf(path, sizeof(path), "%s/disk", self->fs.dir);
	self->disk = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, ftruncate(self->disk, BYTES));
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, LEN));
}

FIXTURE_TEARDOWN(full)
{
	device_close(&self->d);
	guest_close(&self->g);
	close(self->disk);
	fs_close(&self->fs);
}

/* Writes until there is no room; returns how many writes did fit, or -1. */
static int fill(struct vq *vq, struct blk_req *r)
{
	int i, status;

	for (i = 0; i < BYTES / LEN; i++) {
		pattern_fill(r->data, LEN, i);
		status = blk_do(vq, r, VIRTIO_BLK_T_OUT, (uint64_t)i * LEN / 512, LEN);
		if (status)
			return status == VIRTIO_BLK_S_IOERR ? i : -1;
	}
	return -1;
}

TEST_F(full, write_fails_and_recovers)
{
	struct vq *vq = &self->d.vq[0];
	struct blk_req *r = &self->r;
	struct kvlane_queue_stats qs;
	int fits, i;

	fits = fill(vq, r);
	ASSERT_LT(0, fits);
	EXPECT_EQ(1, r->used_len);
	/* Again, and again: one event for all of them. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  blk_do(vq, r, VIRTIO_BLK_T_OUT, BYTES / 2 / 512, LEN));
	EXPECT_EQ(0, check_event(&self->d, -ENOSPC));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(4, qs.errors);
	EXPECT_EQ(0, qs.malformed);
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* What was acknowledged is there. */
	for (i = 0; i < fits; i++) {
		ASSERT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_IN, (uint64_t)i * LEN / 512, LEN));
		EXPECT_TRUE(pattern_matches(r->data, LEN, i));
	}
	/* Room by a discard, and the write works. */
	ASSERT_EQ(0, blk_range(vq, r, VIRTIO_BLK_T_DISCARD, 0, 4 * LEN / 512, 0));
	pattern_fill(r->data, LEN, 99);
	EXPECT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_OUT, BYTES / 2 / 512, LEN));
	EXPECT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_FLUSH, 0, 0));
}

TEST_F(full, event_again_after_reset)
{
	ASSERT_LT(0, fill(&self->d.vq[0], &self->r));
	EXPECT_EQ(0, check_event(&self->d, -ENOSPC));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(&self->d.vq[0], &self->r, VIRTIO_BLK_T_OUT,
					     BYTES / 2 / 512, LEN));
	EXPECT_EQ(0, check_event(&self->d, -ENOSPC));
}

TEST_F(full, write_zeroes_fails)
{
	ASSERT_LT(0, fill(&self->d.vq[0], &self->r));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  blk_range(&self->d.vq[0], &self->r, VIRTIO_BLK_T_WRITE_ZEROES,
			    BYTES / 2 / 512, BYTES / 2 / 512, 0));
	EXPECT_EQ(0, blk_do(&self->d.vq[0], &self->r, VIRTIO_BLK_T_IN, 0, LEN));
}

/* The file is cut short under the disk: errors past its end, never stale data. */
TEST_F(full, file_shrinks)
{
	struct vq *vq = &self->d.vq[0];
	struct blk_req *r = &self->r;

	ASSERT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_OUT, 0, LEN));
	ASSERT_EQ(0, ftruncate(self->disk, LEN));
	EXPECT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_IN, 0, LEN));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(vq, r, VIRTIO_BLK_T_IN, LEN / 512, LEN));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(vq, r, VIRTIO_BLK_T_IN, 64, LEN));
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* A disk that breaks and is mended. */
FIXTURE(broken) {
	struct guest g;
	struct device d;
	struct gate gate;
	struct blk_req r;
};

FIXTURE_VARIANT(broken) {
	int open;
};

FIXTURE_VARIANT_ADD(broken, buffered) {};
FIXTURE_VARIANT_ADD(broken, direct) { .open = O_DIRECT };

FIXTURE_SETUP(broken)
{
	int fd = gate_open(&self->gate, BYTES, variant->open);

	if (fd == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, LEN));
}

FIXTURE_TEARDOWN(broken)
{
	device_close(&self->d);
	guest_close(&self->g);
	gate_close(&self->gate);
}

static int check_mended(struct vq *vq, struct blk_req *r)
{
	pattern_fill(r->data, LEN, 5);
	if (blk_do(vq, r, VIRTIO_BLK_T_OUT, 4096, LEN) ||
	    blk_do(vq, r, VIRTIO_BLK_T_FLUSH, 0, 0))
		return -1;
	memset(r->data, 0, LEN);
	if (blk_do(vq, r, VIRTIO_BLK_T_IN, 4096, LEN))
		return -2;
	return pattern_matches(r->data, LEN, 5) ? 0 : -3;
}

TEST_F(broken, read)
{
	struct vq *vq = &self->d.vq[0];
	int i;

	ASSERT_EQ(0, dm_swap(&self->gate.dm, "error", ""));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  blk_do(vq, &self->r, VIRTIO_BLK_T_IN, 1024 * i, LEN));
	EXPECT_EQ(0, check_event(&self->d, -EIO));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "linear", self->gate.linear));
	EXPECT_EQ(0, check_mended(vq, &self->r));
}

/* A buffered write fails at the latest when it is flushed. */
TEST_F(broken, write_and_flush)
{
	struct vq *vq = &self->d.vq[0];
	int write, flush;

	ASSERT_EQ(0, blk_do(vq, &self->r, VIRTIO_BLK_T_IN, 0, LEN));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "error", ""));
	write = blk_do(vq, &self->r, VIRTIO_BLK_T_OUT, 0, LEN);
	flush = blk_do(vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0);
	EXPECT_TRUE(write == VIRTIO_BLK_S_IOERR || flush == VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(0, check_event(&self->d, -EIO));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "linear", self->gate.linear));
	EXPECT_EQ(0, check_mended(vq, &self->r));
}

TEST_F(broken, writethrough)
{
	struct vq *vq = &self->d.vq[0];

	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	ASSERT_EQ(0, blk_do(vq, &self->r, VIRTIO_BLK_T_OUT, 0, LEN));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "error", ""));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(vq, &self->r, VIRTIO_BLK_T_OUT, 0, LEN));
	EXPECT_EQ(0, check_event(&self->d, -EIO));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "linear", self->gate.linear));
	EXPECT_EQ(0, blk_do(vq, &self->r, VIRTIO_BLK_T_OUT, 0, LEN));
}

/* All of them fail at once; none hangs. */
TEST_F(broken, many_in_flight)
{
	struct vq *vq = &self->d.vq[0];
	struct blk_req req[16];
	unsigned int i;

	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &req[i], 4096));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	for (i = 0; i < 16; i++)
		ASSERT_LE(0, blk_add(vq, &req[i], VIRTIO_BLK_T_IN, 1024 * i, 4096));
	vq_kick(vq);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 16));
	/* The gate opens onto a broken disk. */
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "error", ""));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_wait(vq, &req[i]));
	EXPECT_EQ(0, check_event(&self->d, -EIO));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "linear", self->gate.linear));
	EXPECT_EQ(0, check_mended(vq, &self->r));
}

/* Writes fail, reads do not: a write is known to be lost by its flush at the latest. */
TEST_F(broken, flakey)
{
	struct vq *vq = &self->d.vq[0];
	char args[96];
	int i, status;

	snprintf(args, sizeof(args), "%s 0 0 1 1 error_writes", self->gate.loop.path);
	if (dm_swap(&self->gate.dm, "flakey", args))
		SKIP(return, "no dm-flakey");
	for (i = 0; i < 4; i++) {
		pattern_fill(self->r.data, LEN, i);
		status = blk_do(vq, &self->r, VIRTIO_BLK_T_OUT, 0, LEN);
		if (!status)
			status = blk_do(vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0);
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, status);
	}
	EXPECT_EQ(0, check_event(&self->d, -EIO));
	ASSERT_EQ(0, dm_swap(&self->gate.dm, "linear", self->gate.linear));
	EXPECT_EQ(0, check_mended(vq, &self->r));
}

TEST_HARNESS_MAIN
