// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writeback and writethrough, virtio 1.2 section 5.2.6.2: what has to be stable is
 * looked for on the medium, under the page cache and the write cache of the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "blk.h"
#include "device.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define BYTES		(4 << 20)
#define LEN		16384
#define WCE		(KVLANE_WINDOW_CONFIG + offsetof(struct virtio_blk_config, wce))

FIXTURE(cache) {
	struct guest g;
	struct device d;
	struct backing b;
	struct loop *disk;
	struct vq *vq;
	struct blk_req r;
};

FIXTURE_VARIANT(cache) {
	enum backing_kind kind;
};

FIXTURE_VARIANT_ADD(cache, loop) { .kind = BACKING_LOOP };
FIXTURE_VARIANT_ADD(cache, loop_direct) { .kind = BACKING_LOOP_DIRECT };
FIXTURE_VARIANT_ADD(cache, ext4) { .kind = BACKING_EXT4 };
FIXTURE_VARIANT_ADD(cache, ext4_direct) { .kind = BACKING_EXT4_DIRECT };

FIXTURE_SETUP(cache)
{
	int err = backing_open(&self->b, variant->kind, BYTES);

	if (err == -ENOENT)
		SKIP(return, "this kernel lacks the backing");
	ASSERT_EQ(0, err);
	self->disk = self->b.loop.medium > 0 ? &self->b.loop : &self->b.fs.loop;
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, self->b.fd, 0, 0));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, LEN));
	self->vq = &self->d.vq[0];
}

/* Before Linux 6.5 ext4 forgets to, on a file system without a journal as ours is. */
static bool host_flushes(const struct _test_data_cache *self)
{
	return self->disk == &self->b.loop || !kernel_before(6, 5);
}

FIXTURE_TEARDOWN(cache)
{
	device_close(&self->d);
	guest_close(&self->g);
	backing_close(&self->b);
}

/* Looks for the pattern anywhere on the medium: a file system chooses the place. */
static bool on_medium(struct loop *disk, uint64_t seed)
{
	static uint8_t buf[LEN];
	off_t at;

	for (at = 0; pread(disk->medium, buf, LEN, at) == LEN; at += 4096)
		if (pattern_matches(buf, LEN, seed))
			return true;
	return false;
}

static int write_pattern(struct vq *vq, struct blk_req *r, uint64_t seed)
{
	pattern_fill(r->data, LEN, seed);
	return blk_do(vq, r, VIRTIO_BLK_T_OUT, 8 * seed, LEN);
}

TEST_F(cache, flush_makes_stable)
{
	int64_t before;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(1, reg_read(&self->d, WCE, 1));
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 1));
	before = disk_flushes(self->disk->path);
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_LT(before, disk_flushes(self->disk->path));
	EXPECT_TRUE(on_medium(self->disk, 1));
}

/* In writeback mode a write alone costs no flush. */
TEST_F(cache, writeback_does_not_flush)
{
	int64_t before;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	/* The first write lets the file grow; that is not what is counted. */
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 1));
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0));
	before = disk_flushes(self->disk->path);
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 1));
	EXPECT_EQ(before, disk_flushes(self->disk->path));
}

TEST_F(cache, writethrough_by_wce)
{
	int64_t before;
	unsigned int i;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, reg_write(&self->d, WCE, 1, 0));
	for (i = 1; i < 5; i++) {
		before = disk_flushes(self->disk->path);
		ASSERT_EQ(0, write_pattern(self->vq, &self->r, i));
		EXPECT_TRUE(on_medium(self->disk, i));
		if (host_flushes(self)) {
			EXPECT_LT(before, disk_flushes(self->disk->path));
		}
	}
	/* And back. */
	ASSERT_EQ(0, reg_write(&self->d, WCE, 1, 1));
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 1));
	before = disk_flushes(self->disk->path);
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 1));
	EXPECT_EQ(before, disk_flushes(self->disk->path));
}

/* A driver that knows no flush can only have writethrough. */
TEST_F(cache, writethrough_without_flush)
{
	int64_t before;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	before = disk_flushes(self->disk->path);
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 3));
	EXPECT_TRUE(on_medium(self->disk, 3));
	EXPECT_LT(before, disk_flushes(self->disk->path));
}

/* With FLUSH but without CONFIG_WCE the cache is writeback. */
TEST_F(cache, flush_without_wce)
{
	ASSERT_EQ(0, device_start(&self->d, BIT(VIRTIO_BLK_F_FLUSH)));
	ASSERT_EQ(0, write_pattern(self->vq, &self->r, 4));
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_TRUE(on_medium(self->disk, 4));
}

/* Whoever looks through the host's page cache sees what the guest has written since. */
TEST_F(cache, no_stale_pages)
{
	static uint8_t buf[LEN];
	unsigned int i;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 3; i++) {
		pattern_fill(self->r.data, LEN, i);
		ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_OUT, 64, LEN));
		ASSERT_EQ(LEN, pread(self->b.look, buf, LEN, 64 * 512));
		EXPECT_TRUE(pattern_matches(buf, LEN, i));
	}
	/* And the other way round: what was written there and is not on the disk yet. */
	pattern_fill(buf, LEN, 7);
	ASSERT_EQ(LEN, pwrite(self->b.look, buf, LEN, 64 * 512));
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_IN, 64, LEN));
	EXPECT_TRUE(pattern_matches(self->r.data, LEN, 7));
}

/* A file system zeroes by its own records; those have to be flushed all the same. */
TEST_F(cache, write_zeroes_through)
{
	struct blk_req *r = &self->r;
	int64_t before;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, reg_write(&self->d, WCE, 1, 0));
	ASSERT_EQ(0, write_pattern(self->vq, r, 2));
	ASSERT_TRUE(on_medium(self->disk, 2));
	before = disk_flushes(self->disk->path);
	ASSERT_EQ(0, blk_range(self->vq, r, VIRTIO_BLK_T_WRITE_ZEROES, 16, LEN / 512, 0));
	if (host_flushes(self)) {
		EXPECT_LT(before, disk_flushes(self->disk->path));
	}
	if (self->disk == &self->b.loop) {
		EXPECT_FALSE(on_medium(self->disk, 2));
	}
	ASSERT_EQ(0, blk_do(self->vq, r, VIRTIO_BLK_T_IN, 16, LEN));
	EXPECT_TRUE(all_bytes(r->data, LEN, 0));
}

TEST_HARNESS_MAIN
