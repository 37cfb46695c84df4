// SPDX-License-Identifier: GPL-2.0-only
/* Discard and write-zeroes, virtio 1.2 section 5.2.6. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "blk.h"
#include "device.h"

#include "kselftest_harness.h"

#define MEM		(8 << 20)
#define BYTES		(8 << 20)
#define SECTORS		(BYTES / 512)
#define PART		(1 << 20)
#define UNMAP		VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
#define DISCARD		VIRTIO_BLK_T_DISCARD
#define ZEROES		VIRTIO_BLK_T_WRITE_ZEROES
#define CONFIG(field)	(KVLANE_WINDOW_CONFIG + offsetof(struct virtio_blk_config, field))

FIXTURE(discard) {
	struct guest g;
	struct device d;
	struct backing b;
	struct vq *vq;
	struct blk_req r;
};

FIXTURE_VARIANT(discard) {
	enum backing_kind kind;
};

FIXTURE_VARIANT_ADD(discard, memfd) { .kind = BACKING_MEMFD };
FIXTURE_VARIANT_ADD(discard, ext4) { .kind = BACKING_EXT4 };
FIXTURE_VARIANT_ADD(discard, ext4_direct) { .kind = BACKING_EXT4_DIRECT };
FIXTURE_VARIANT_ADD(discard, loop) { .kind = BACKING_LOOP };
FIXTURE_VARIANT_ADD(discard, loop_direct) { .kind = BACKING_LOOP_DIRECT };
FIXTURE_VARIANT_ADD(discard, null_blk_direct) { .kind = BACKING_NULLB_DIRECT };

/* The first MiB of the disk holds a pattern. */
FIXTURE_SETUP(discard)
{
	int err = backing_open(&self->b, variant->kind, BYTES);

	if (err == -ENOENT)
		SKIP(return, "this kernel lacks the backing");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, self->b.fd, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, PART));
	self->vq = &self->d.vq[0];
	pattern_fill(self->r.data, PART, 1);
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_OUT, 0, PART));
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0));
}

FIXTURE_TEARDOWN(discard)
{
	device_close(&self->d);
	guest_close(&self->g);
	backing_close(&self->b);
}

static uint8_t expected[PART];

/* Reads the first MiB; true if bytes from..to are zero and the rest is the pattern. */
static bool only_hole(struct vq *vq, struct blk_req *r, uint32_t from, uint32_t to)
{
	if (blk_do(vq, r, VIRTIO_BLK_T_IN, 0, PART))
		return false;
	pattern_fill(expected, PART, 1);
	memset(expected + from, 0, to - from);
	return !memcmp(expected, r->data, PART);
}

/* The bytes the file really has, where that can be told. */
static int64_t allocated(struct backing *b)
{
	if (b->kind == BACKING_NULLB_DIRECT)
		return -1;
	return disk_allocated(b->loop.medium > 0 ? b->loop.medium : b->look);
}

TEST_F(discard, punches_hole)
{
	int64_t before = allocated(&self->b);
	struct kvlane_queue_stats qs;

	EXPECT_EQ(0, blk_range(self->vq, &self->r, DISCARD, 512, 512, 0));
	EXPECT_EQ(1, self->r.used_len);
	if (before >= 0) {
		EXPECT_EQ(before - 512 * 512, allocated(&self->b));
	}
	/* What lies around it is untouched. */
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_IN, 0, PART));
	memset(self->r.data + 512 * 512, 0, 512 * 512);
	pattern_fill(expected, PART, 1);
	memset(expected + 512 * 512, 0, 512 * 512);
	EXPECT_EQ(0, memcmp(expected, self->r.data, PART));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(1, qs.discards);
	EXPECT_EQ(0, qs.write_zeroes);
}

TEST_F(discard, zeroes_with_unmap)
{
	int64_t before = allocated(&self->b);

	EXPECT_EQ(0, blk_range(self->vq, &self->r, ZEROES, 512, 512, UNMAP));
	if (before >= 0 && reg_read(&self->d, CONFIG(write_zeroes_may_unmap), 1)) {
		EXPECT_EQ(before - 512 * 512, allocated(&self->b));
	}
	EXPECT_TRUE(only_hole(self->vq, &self->r, 512 * 512, 1024 * 512));
}

TEST_F(discard, zeroes_without_unmap)
{
	int64_t before = allocated(&self->b);
	struct kvlane_queue_stats qs;

	EXPECT_EQ(0, blk_range(self->vq, &self->r, ZEROES, 512, 512, 0));
	ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_FLUSH, 0, 0));
	if (before >= 0) {
		EXPECT_LE(before, allocated(&self->b));
	}
	EXPECT_TRUE(only_hole(self->vq, &self->r, 512 * 512, 1024 * 512));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(1, qs.write_zeroes);
}

/* Parts of pages and blocks. */
TEST_F(discard, zeroes_odd_range)
{
	EXPECT_EQ(0, blk_range(self->vq, &self->r, ZEROES, 3, 14, 0));
	EXPECT_TRUE(only_hole(self->vq, &self->r, 3 * 512, 17 * 512));
	EXPECT_EQ(0, blk_range(self->vq, &self->r, ZEROES, 17, 1001, UNMAP));
	EXPECT_TRUE(only_hole(self->vq, &self->r, 3 * 512, 1018 * 512));
}

TEST_F(discard, several_segments)
{
	struct virtio_blk_discard_write_zeroes range[2] = {
		{ .sector = 8, .num_sectors = 8 }, { .sector = 16, .num_sectors = 24 },
	};

	if (reg_read(&self->d, CONFIG(max_write_zeroes_seg), 4) < 2)
		SKIP(return, "the device takes one segment");
	memcpy(self->r.data, range, sizeof(range));
	EXPECT_EQ(0, blk_do(self->vq, &self->r, ZEROES, 0, sizeof(range)));
	EXPECT_TRUE(only_hole(self->vq, &self->r, 8 * 512, 40 * 512));
}

/* One bad segment among good ones: an error. */
TEST_F(discard, bad_segment)
{
	struct virtio_blk_discard_write_zeroes range[2] = {
		{ .sector = 8, .num_sectors = 8 }, { .sector = SECTORS, .num_sectors = 8 },
	};

	memcpy(self->r.data, range, sizeof(range));
	EXPECT_NE(0, blk_do(self->vq, &self->r, ZEROES, 0, sizeof(range)));
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

TEST_F(discard, past_the_end)
{
	static const struct { uint64_t sector; uint32_t count; } part[] = {
		{ SECTORS, 8 }, { SECTORS - 8, 16 }, { 1ULL << 55, 8 },
		{ UINT64_MAX, 8 }, { UINT64_MAX - 7, 16 }, { 8, UINT32_MAX },
	};
	unsigned int i;

	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_range(self->vq, &self->r, DISCARD,
							part[i].sector, part[i].count, 0));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_range(self->vq, &self->r, ZEROES,
							part[i].sector, part[i].count, UNMAP));
	}
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_TRUE(only_hole(self->vq, &self->r, 0, 0));
	EXPECT_EQ(BYTES, lseek(self->b.look, 0, SEEK_END));
}

/* "MUST set the status byte to VIRTIO_BLK_S_UNSUPP". */
TEST_F(discard, unknown_flags)
{
	struct blk_req *r = &self->r;

	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_range(self->vq, r, DISCARD, 8, 8, UNMAP));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_range(self->vq, r, DISCARD, 8, 8, 2));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_range(self->vq, r, ZEROES, 8, 8, 2));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_range(self->vq, r, ZEROES, 8, 8, 1U << 31));
	EXPECT_TRUE(only_hole(self->vq, r, 0, 0));
}

TEST_F(discard, bad_length)
{
	static const uint32_t type[] = { DISCARD, ZEROES };
	struct virtio_blk_discard_write_zeroes *range = (void *)self->r.data;
	uint32_t most, i, n;

	for (i = 0; i < 2; i++) {
		memset(range, 0, 4096);
		range->num_sectors = 8;
		EXPECT_NE(0, blk_do(self->vq, &self->r, type[i], 0, 0));
		EXPECT_NE(0, blk_do(self->vq, &self->r, type[i], 0, 15));
		EXPECT_NE(0, blk_do(self->vq, &self->r, type[i], 0, 24));
		most = reg_read(&self->d, type[i] == DISCARD ? CONFIG(max_discard_seg) :
				CONFIG(max_write_zeroes_seg), 4);
		for (n = 0; n <= most && n < PART / sizeof(*range); n++)
			range[n] = (struct virtio_blk_discard_write_zeroes){ .num_sectors = 8 };
		EXPECT_NE(0, blk_do(self->vq, &self->r, type[i], 0, n * sizeof(*range)));
	}
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_TRUE(only_hole(self->vq, &self->r, 0, 0));
}

TEST_F(discard, not_offered)
{
	const uint64_t both = BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES);

	EXPECT_EQ(both, device_offered(&self->d) & both);
	ASSERT_EQ(0, device_reset(&self->d));
	ASSERT_EQ(0, device_set_blk(&self->d, self->b.fd, KVLANE_BACKEND_NO_DISCARD, 0));
	EXPECT_EQ(0, device_offered(&self->d) & both);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_range(self->vq, &self->r, DISCARD, 8, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, blk_range(self->vq, &self->r, ZEROES, 8, 8, 0));
	EXPECT_TRUE(only_hole(self->vq, &self->r, 0, 0));
}

/*
 * A range so long that it is done in pieces of 64 MiB, on a disk that can be held up.
 * Its middle is in the second piece.
 */
#define LONG_BYTES	(130ULL << 20)
#define LONG_PART	4096

FIXTURE(pieces) {
	struct guest g;
	struct device d;
	struct gate gate;
	struct vq *vq;
	struct blk_req r;
	struct blk_req range;
};

FIXTURE_VARIANT(pieces) {
	uint32_t type;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(pieces, discard) { .type = DISCARD };
FIXTURE_VARIANT_ADD(pieces, zeroes) { .type = ZEROES };
FIXTURE_VARIANT_ADD(pieces, zeroes_unmap) { .type = ZEROES, .flags = UNMAP };

/* Two places hold a pattern: the first, and one in the middle. */
static int write_marks(struct vq *vq, struct blk_req *r)
{
	pattern_fill(r->data, LONG_PART, 1);
	return blk_do(vq, r, VIRTIO_BLK_T_OUT, 0, LONG_PART) ||
	       blk_do(vq, r, VIRTIO_BLK_T_OUT, LONG_BYTES / 2 / 512, LONG_PART);
}

/* Is the mark still there, under the disk? -1 if it is neither there nor zero. */
static int marked(struct loop *l, uint64_t where)
{
	uint8_t buf[LONG_PART];

	if (pread(l->medium, buf, sizeof(buf), where) != sizeof(buf))
		return -1;
	return pattern_matches(buf, sizeof(buf), 1) ? 1 : all_bytes(buf, sizeof(buf), 0) ? 0 : -1;
}

FIXTURE_SETUP(pieces)
{
	int fd = gate_open(&self->gate, LONG_BYTES, O_DIRECT);

	if (fd == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, LONG_PART));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->range, LONG_PART));
	self->vq = &self->d.vq[0];
	ASSERT_EQ(0, write_marks(self->vq, &self->r));
}

FIXTURE_TEARDOWN(pieces)
{
	dm_release(&self->gate.dm);
	device_close(&self->d);
	guest_close(&self->g);
	gate_close(&self->gate);
}

TEST_F(pieces, all_of_them)
{
	ASSERT_EQ(0, blk_range(self->vq, &self->range, variant->type, 0, LONG_BYTES / 512,
			       variant->flags));
	EXPECT_EQ(0, marked(&self->gate.loop, 0));
	EXPECT_EQ(0, marked(&self->gate.loop, LONG_BYTES / 2));
}

static void *reset(void *arg)
{
	return (void *)(long)device_reset(arg);
}

/* A reset waits for the piece in hand, and the rest is never begun. */
TEST_F(pieces, reset_between)
{
	struct virtio_blk_discard_write_zeroes *range = (void *)self->range.data;
	struct kvlane_event ev;
	pthread_t thread;
	void *err;

	range->sector = 0;
	range->num_sectors = LONG_BYTES / 512;
	range->flags = variant->flags;
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	ASSERT_LE(0, blk_add(self->vq, &self->range, variant->type, 0, sizeof(*range)));
	vq_kick(self->vq);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset, &self->d));
	usleep(200000);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	EXPECT_EQ(1, marked(&self->gate.loop, LONG_BYTES / 2));
	EXPECT_NE(-1, marked(&self->gate.loop, 0));
	/* It is no failure of the disk's. */
	EXPECT_EQ(-ETIMEDOUT, device_event(&self->d, &ev, 0));
}

TEST_HARNESS_MAIN
