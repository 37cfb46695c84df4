// SPDX-License-Identifier: GPL-2.0-only
/* Requests to a disk, on every kind of backing; virtio 1.2 section 5.2.6. */
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

#define MEM		(16 << 20)
#define BYTES		(16 << 20)
#define SECTORS		(BYTES / 512)
#define QUEUES		4
#define QUEUE_SIZE	64
#define CONFIG(field)	(KVLANE_WINDOW_CONFIG + offsetof(struct virtio_blk_config, field))

FIXTURE(blk) {
	struct guest g;
	struct device d;
	struct backing b;
	struct blk_req r;
};

FIXTURE_VARIANT(blk) {
	enum backing_kind kind;
};

FIXTURE_VARIANT_ADD(blk, memfd) { .kind = BACKING_MEMFD };
FIXTURE_VARIANT_ADD(blk, ext4) { .kind = BACKING_EXT4 };
FIXTURE_VARIANT_ADD(blk, ext4_direct) { .kind = BACKING_EXT4_DIRECT };
FIXTURE_VARIANT_ADD(blk, loop) { .kind = BACKING_LOOP };
FIXTURE_VARIANT_ADD(blk, loop_direct) { .kind = BACKING_LOOP_DIRECT };
FIXTURE_VARIANT_ADD(blk, null_blk) { .kind = BACKING_NULLB };
FIXTURE_VARIANT_ADD(blk, null_blk_direct) { .kind = BACKING_NULLB_DIRECT };

FIXTURE_SETUP(blk)
{
	int err = backing_open(&self->b, variant->kind, BYTES);

	if (err == -ENOENT)
		SKIP(return, "this kernel lacks the backing");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, QUEUES, QUEUE_SIZE));
	ASSERT_EQ(0, device_set_blk(&self->d, self->b.fd, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, 1 << 20));
}

FIXTURE_TEARDOWN(blk)
{
	device_close(&self->d);
	guest_close(&self->g);
	backing_close(&self->b);
}

TEST_F(blk, write_read)
{
	static const struct { uint64_t sector; uint32_t len; } part[] = {
		{ 0, 512 }, { 1, 512 }, { 7, 4096 }, { 24, 4096 }, { 1000, 65536 },
		{ 3001, 512 * 255 }, { 8192, 1 << 20 }, { SECTORS - 1, 512 },
	};
	struct vq *vq = &self->d.vq[0];
	struct blk_req *r = &self->r;
	static uint8_t seen[1 << 20];
	unsigned int i;

	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		pattern_fill(r->data, part[i].len, i);
		ASSERT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_OUT, part[i].sector, part[i].len));
		EXPECT_EQ(1, r->used_len);
	}
	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		memset(r->data, 0xaa, part[i].len);
		ASSERT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_IN, part[i].sector, part[i].len));
		EXPECT_EQ(part[i].len + 1, r->used_len);
		EXPECT_TRUE(pattern_matches(r->data, part[i].len, i));
	}
	ASSERT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_EQ(1, r->used_len);
	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		ASSERT_EQ(0, backing_look(&self->b, seen, part[i].len, part[i].sector * 512));
		EXPECT_TRUE(pattern_matches(seen, part[i].len, i));
	}
}

TEST_F(blk, reads_what_was_there)
{
	struct blk_req *r = &self->r;
	static uint8_t before[65536];

	pattern_fill(before, sizeof(before), 77);
	ASSERT_EQ(sizeof(before), pwrite(self->b.look, before, sizeof(before), 8192));
	ASSERT_EQ(0, fsync(self->b.look));
	ASSERT_EQ(0, blk_do(&self->d.vq[3], r, VIRTIO_BLK_T_IN, 16, sizeof(before)));
	EXPECT_TRUE(pattern_matches(r->data, sizeof(before), 77));
}

TEST_F(blk, flush)
{
	struct kvlane_queue_stats qs;

	EXPECT_EQ(0, blk_do(&self->d.vq[1], &self->r, VIRTIO_BLK_T_FLUSH, 0, 0));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 1, &qs));
	EXPECT_EQ(1, qs.flushes);
	EXPECT_EQ(1, qs.requests);
	EXPECT_EQ(0, qs.errors);
}

TEST_F(blk, get_id)
{
	static const char id[VIRTIO_BLK_ID_BYTES] = "kvlane-test";
	struct blk_req *r = &self->r;

	memset(r->data, 0xaa, 64);
	ASSERT_EQ(0, blk_do(&self->d.vq[0], r, VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES));
	EXPECT_EQ(VIRTIO_BLK_ID_BYTES + 1, r->used_len);
	EXPECT_EQ(0, memcmp(id, r->data, sizeof(id)));
	EXPECT_TRUE(all_bytes(r->data + VIRTIO_BLK_ID_BYTES, 8, 0xaa));
}

TEST_F(blk, unknown_type)
{
	static const uint32_t type[] = { 2, 3, 5, 9, 12, 14, 100, 0x80000000, UINT32_MAX };
	struct kvlane_queue_stats qs;
	unsigned int i;

	for (i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
		EXPECT_EQ(VIRTIO_BLK_S_UNSUPP,
			  blk_do(&self->d.vq[0], &self->r, type[i], 0, 0)) {
			TH_LOG("type %u", type[i]);
		}
	}
	EXPECT_EQ(0, blk_do(&self->d.vq[0], &self->r, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(i, qs.errors);
	EXPECT_EQ(0, qs.malformed);
}

TEST_F(blk, past_the_end)
{
	static const struct { uint64_t sector; uint32_t len; } part[] = {
		{ SECTORS, 512 }, { SECTORS - 1, 1024 }, { SECTORS - 1, 1 << 20 },
		{ 1ULL << 32, 512 }, { 1ULL << 54, 512 }, { 1ULL << 55, 512 },
		{ 1ULL << 63, 512 }, { UINT64_MAX, 512 }, { UINT64_MAX - 1, 1024 },
	};
	static const uint32_t type[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT };
	struct blk_req *r = &self->r;
	unsigned int i;

	memset(r->data, 0x5a, 1024);
	for (i = 0; i < 2 * sizeof(part) / sizeof(part[0]); i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(&self->d.vq[0], r, type[i % 2],
						     part[i / 2].sector, part[i / 2].len)) {
			TH_LOG("sector %#llx", (unsigned long long)part[i / 2].sector);
		}
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* None of a straddling write was done, and the disk did not grow. */
	ASSERT_EQ(0, blk_do(&self->d.vq[0], r, VIRTIO_BLK_T_IN, SECTORS - 1, 512));
	EXPECT_TRUE(all_bytes(r->data, 512, 0));
	EXPECT_EQ(BYTES, lseek(self->b.look, 0, SEEK_END));
}

/* A read of nothing writes nothing but the status. */
TEST_F(blk, no_data)
{
	int status = blk_do(&self->d.vq[0], &self->r, VIRTIO_BLK_T_IN, 0, 0);

	EXPECT_TRUE(status == VIRTIO_BLK_S_OK || status == VIRTIO_BLK_S_IOERR);
	EXPECT_EQ(1, self->r.used_len);
	EXPECT_EQ(0, blk_do(&self->d.vq[0], &self->r, VIRTIO_BLK_T_IN, 0, 512));
}

TEST_F(blk, not_whole_sectors)
{
	static const uint32_t len[] = { 1, 511, 513, 4095, 4097 };
	struct blk_req *r = &self->r;
	unsigned int i;

	memset(r->data, 0x5a, 8192);
	for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  blk_do(&self->d.vq[0], r, VIRTIO_BLK_T_OUT, 0, len[i]));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  blk_do(&self->d.vq[0], r, VIRTIO_BLK_T_IN, 0, len[i]));
	}
	ASSERT_EQ(0, blk_do(&self->d.vq[0], r, VIRTIO_BLK_T_IN, 0, 8192));
	EXPECT_TRUE(all_bytes(r->data, 8192, 0));
}

/* Describes a buffer in pieces; the last piece takes what is left. */
static void cut(struct iovec *iov, unsigned int nr, uint8_t *data, uint32_t len, uint32_t piece)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		iov[i].iov_base = data + i * piece;
		iov[i].iov_len = i + 1 < nr ? piece : len - i * piece;
	}
}

TEST_F(blk, segments)
{
	static const struct { unsigned int nr; uint32_t len, piece; } shape[] = {
		{ 40, 40 * 512, 512 }, { 60, 60 * 4096, 4096 }, { 2, 512, 100 },
		{ 30, 8192, 273 }, { 3, 1024, 511 }, { 17, 65536, 3855 },
	};
	struct vq *vq = &self->d.vq[0];
	uint32_t most = reg_read(&self->d, CONFIG(seg_max), 4);
	struct blk_req *r = &self->r;
	struct iovec iov[64];
	unsigned int i;

	for (i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		if (shape[i].nr > most)
			continue;
		cut(iov, shape[i].nr, r->data, shape[i].len, shape[i].piece);
		pattern_fill(r->data, shape[i].len, i);
		ASSERT_LE(0, blk_addv(vq, r, VIRTIO_BLK_T_OUT, i * 1000, iov, shape[i].nr));
		vq_kick(vq);
		ASSERT_EQ(0, blk_wait(vq, r));
		memset(r->data, 0, shape[i].len);
		ASSERT_LE(0, blk_addv(vq, r, VIRTIO_BLK_T_IN, i * 1000, iov, shape[i].nr));
		vq_kick(vq);
		ASSERT_EQ(0, blk_wait(vq, r));
		EXPECT_EQ(shape[i].len + 1, r->used_len);
		EXPECT_TRUE(pattern_matches(r->data, shape[i].len, i));
	}
}

/* Section 2.7.4: the device makes no assumption about how a request is cut up. */
TEST_F(blk, framing)
{
	struct vq *vq = &self->d.vq[0];
	uint8_t *p = guest_alloc(&self->g, 2048, 512);
	struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_OUT, .sector = 5 };
	struct iovec out[3], in[2];
	uint32_t len = 0;

	ASSERT_NE(NULL, p);
	/* Header and data in one piece, cut within the header. */
	memcpy(p, &hdr, sizeof(hdr));
	pattern_fill(p + sizeof(hdr), 512, 9);
	out[0] = (struct iovec){ p, 7 };
	out[1] = (struct iovec){ p + 7, sizeof(hdr) + 512 - 7 };
	in[0] = (struct iovec){ p + 1024, 1 };
	ASSERT_LE(0, vq_add(vq, out, 2, in, 1, p));
	vq_kick(vq);
	ASSERT_EQ(p, vq_wait(vq, &len));
	EXPECT_EQ(1, len);
	EXPECT_EQ(0, p[1024]);
	/* Data and status in one piece, cut within the data. */
	hdr.type = VIRTIO_BLK_T_IN;
	memcpy(p, &hdr, sizeof(hdr));
	memset(p + 512, 0xee, 600);
	out[0] = (struct iovec){ p, 16 };
	in[0] = (struct iovec){ p + 512, 3 };
	in[1] = (struct iovec){ p + 515, 510 };
	ASSERT_LE(0, vq_add(vq, out, 1, in, 2, p));
	vq_kick(vq);
	ASSERT_EQ(p, vq_wait(vq, &len));
	EXPECT_EQ(513, len);
	EXPECT_EQ(0, p[1024]);
	EXPECT_TRUE(pattern_matches(p + 512, 512, 9));
	EXPECT_EQ(0xee, p[1025]);
}

/* Room for data makes a read of a request, as far as a throttle goes; so it is no write. */
TEST_F(blk, write_with_room)
{
	struct vq *vq = &self->d.vq[0];
	uint8_t *p = guest_alloc(&self->g, 2048, 512);
	struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_OUT, .sector = 5 };
	struct iovec out = { p, sizeof(hdr) + 512 }, in = { p + 1024, 2 };
	struct blk_req r;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, blk_alloc(&self->g, &r, 512));
	memcpy(p, &hdr, sizeof(hdr));
	pattern_fill(p + sizeof(hdr), 512, 11);
	ASSERT_LE(0, vq_add(vq, &out, 1, &in, 1, p));
	vq_kick(vq);
	ASSERT_EQ(p, vq_wait(vq, NULL));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, p[1025]);
	ASSERT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_IN, 5, 512));
	EXPECT_FALSE(pattern_matches(r.data, 512, 11));
}

/* As many requests as the ring holds, again and again, returned in any order. */
TEST_F(blk, full_ring)
{
	struct vq *vq = &self->d.vq[2];
	struct blk_req req[QUEUE_SIZE];
	unsigned int i, round, n = QUEUE_SIZE;

	ASSERT_TRUE(vq->indirect);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &req[i], 4096));
	for (round = 0; round < 8; round++) {
		for (i = 0; i < n; i++) {
			pattern_fill(req[i].data, 4096, round / 2 * 1000 + i);
			if (round % 2)
				memset(req[i].data, 0, 4096);
			ASSERT_LE(0, blk_add(vq, &req[i], !(round % 2), i * 16, 4096));
		}
		vq_kick(vq);
		for (i = 0; i < n; i++) {
			ASSERT_EQ(0, blk_wait(vq, &req[i]));
			ASSERT_TRUE(pattern_matches(req[i].data, 4096, round / 2 * 1000 + i));
		}
	}
}

struct worker {
	struct vq *vq;
	struct blk_req req[8];
	uint64_t first;
	pthread_t thread;
	const char *failed;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int i, round;

	for (round = 0; round < 10 && !w->failed; round++) {
		for (i = 0; i < 8; i++) {
			pattern_fill(w->req[i].data, 8192, w->first + i + round / 2);
			if (round % 2)
				memset(w->req[i].data, 0, 8192);
			if (blk_add(w->vq, &w->req[i], !(round % 2), w->first + i * 16, 8192) < 0)
				w->failed = "add";
			vq_kick(w->vq);
		}
		for (i = 0; i < 8; i++) {
			if (blk_wait(w->vq, &w->req[i]))
				w->failed = "status";
			if (!pattern_matches(w->req[i].data, 8192, w->first + i + round / 2))
				w->failed = "data";
		}
	}
	return NULL;
}

TEST_F(blk, queues_at_once)
{
	struct worker w[QUEUES] = {};
	struct kvlane_queue_stats qs;
	unsigned int i, j;

	for (i = 0; i < QUEUES; i++) {
		w[i].vq = &self->d.vq[i];
		w[i].first = i * 4096;
		for (j = 0; j < 8; j++)
			ASSERT_EQ(0, blk_alloc(&self->g, &w[i].req[j], 8192));
		/* All of it now: the allocator is not for several threads. */
		for (j = 0; j < QUEUE_SIZE; j++)
			w[i].vq->chain[j].table = guest_alloc(&self->g, VQ_TABLE * 16, 16);
	}
	for (i = 0; i < QUEUES; i++)
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
	for (i = 0; i < QUEUES; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(NULL, w[i].failed) {
			TH_LOG("queue %u: %s", i, w[i].failed);
		}
		ASSERT_EQ(0, device_stats(&self->d, NULL, i, &qs));
		EXPECT_EQ(80, qs.requests);
		EXPECT_EQ(0, qs.inflight);
	}
}

TEST_F(blk, counters)
{
	struct vq *vq = &self->d.vq[0];
	struct kvlane_queue_stats qs;
	uint64_t sum = 0;
	unsigned int i;

	ASSERT_EQ(0, blk_do(vq, &self->r, VIRTIO_BLK_T_OUT, 0, 4096));
	ASSERT_EQ(0, blk_do(vq, &self->r, VIRTIO_BLK_T_IN, 0, 8192));
	ASSERT_EQ(1, blk_do(vq, &self->r, VIRTIO_BLK_T_IN, SECTORS, 512));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(3, qs.requests);
	EXPECT_EQ(1, qs.errors);
	EXPECT_EQ(0, qs.malformed);
	EXPECT_EQ(0, qs.inflight);
	EXPECT_LE(4096, qs.bytes_in);
	EXPECT_GT(4096 + 512, qs.bytes_in);
	EXPECT_LE(8192, qs.bytes_out);
	EXPECT_GT(8192 + 512, qs.bytes_out);
	EXPECT_LT(0, qs.kicks);
	EXPECT_LT(0, qs.interrupts);
	for (i = 0; i < KVLANE_HIST_BUCKETS; i++)
		sum += qs.latency[i];
	EXPECT_EQ(3, sum);
}

/* Ways to make a read-only disk. */
FIXTURE(readonly) {
	struct guest g;
	struct device d;
	struct blk_req r;
	int disk;
};

FIXTURE_VARIANT(readonly) {
	int open;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(readonly, descriptor) { .open = O_RDONLY };
FIXTURE_VARIANT_ADD(readonly, flag) { .open = O_RDWR, .flags = KVLANE_BACKEND_RDONLY };

FIXTURE_SETUP(readonly)
{
	char path[64];
	int fd;

	self->disk = disk_memfd(BYTES);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->disk);
	fd = open(path, variant->open | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, QUEUE_SIZE));
	ASSERT_EQ(0, device_set_blk(&self->d, fd, variant->flags, 0));
	close(fd);
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, 4096));
}

FIXTURE_TEARDOWN(readonly)
{
	device_close(&self->d);
	guest_close(&self->g);
}

TEST_F(readonly, features)
{
	uint64_t offered = device_offered(&self->d);

	EXPECT_NE(0, offered & BIT(VIRTIO_BLK_F_RO));
	EXPECT_EQ(0, offered & (BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES)));
}

/* Whether or not the driver has accepted VIRTIO_BLK_F_RO. */
TEST_F(readonly, writes_fail)
{
	static const uint64_t wanted[] = { FEATURES_ALL, FEATURES_PLAIN };
	struct vq *vq = &self->d.vq[0];
	struct blk_req *r = &self->r;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_start(&self->d, wanted[i]));
		memset(r->data, 0x5a, 4096);
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(vq, r, VIRTIO_BLK_T_OUT, 0, 4096));
		EXPECT_NE(0, blk_range(vq, r, VIRTIO_BLK_T_DISCARD, 0, 8, 0));
		EXPECT_NE(0, blk_range(vq, r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
		ASSERT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_IN, 0, 4096));
		EXPECT_TRUE(all_bytes(r->data, 4096, 0));
		EXPECT_EQ(0, disk_allocated(self->disk));
	}
}

/* What the device says of block sizes, against what the backing says. */
FIXTURE(geometry) {
	struct guest g;
	struct device d;
	struct blk_req r;
	struct loop l;
	int fd;
};

FIXTURE_VARIANT(geometry) {
	int open;
};

FIXTURE_VARIANT_ADD(geometry, buffered) {};
FIXTURE_VARIANT_ADD(geometry, direct) { .open = O_DIRECT };

FIXTURE_SETUP(geometry)
{
	int err = loop_open(&self->l, BYTES, 4096);

	if (err == -ENOENT)
		SKIP(return, "no loop devices");
	ASSERT_EQ(0, err);
	self->fd = open(self->l.path, O_RDWR | O_CLOEXEC | variant->open);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, QUEUE_SIZE));
	ASSERT_EQ(0, device_set_blk(&self->d, self->fd, 0, 0));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, 8192));
}

FIXTURE_TEARDOWN(geometry)
{
	device_close(&self->d);
	guest_close(&self->g);
	close(self->fd);
	loop_close(&self->l);
}

TEST_F(geometry, from_backing)
{
	struct device *d = &self->d;
	uint64_t physical = disk_attribute(self->l.path, "physical_block_size");

	EXPECT_EQ(4096, reg_read(d, CONFIG(blk_size), 4));
	ASSERT_NE(0, device_offered(d) & BIT(VIRTIO_BLK_F_TOPOLOGY));
	EXPECT_EQ(physical, 4096ULL << reg_read(d, CONFIG(physical_block_exp), 1));
	EXPECT_EQ(0, reg_read(d, CONFIG(alignment_offset), 1));
	/* Capacity and requests count in 512 bytes all the same. */
	EXPECT_EQ(SECTORS, reg_read(d, CONFIG(capacity), 8));
}

TEST_F(geometry, whole_blocks_only)
{
	struct vq *vq = &self->d.vq[0];
	struct blk_req *r = &self->r;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	pattern_fill(r->data, 8192, 3);
	EXPECT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_OUT, 8, 8192));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(vq, r, VIRTIO_BLK_T_OUT, 1, 4096));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_do(vq, r, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	memset(r->data, 0, 8192);
	EXPECT_EQ(0, blk_do(vq, r, VIRTIO_BLK_T_IN, 8, 8192));
	EXPECT_TRUE(pattern_matches(r->data, 8192, 3));
}

TEST_HARNESS_MAIN
