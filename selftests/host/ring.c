// SPDX-License-Identifier: GPL-2.0-only
/* Virtqueues as the specification allows them, virtio 1.2 sections 2.7 and 2.8. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"

#include "kselftest_harness.h"

#define MEM		(8 << 20)
#define SECTORS		2048
#define RINGS		(BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER))

struct setting {
	struct guest g;
	struct device d;
	struct vq *vq;
	struct blk_req req[64];
};

/*
 * A disk of one queue, and requests of 4 KiB for it. Of the descriptors the queue may
 * have the driver uses @use, or all.
 */
static int set_up(struct setting *s, uint64_t features, unsigned int size, unsigned int use)
{
	int disk = disk_memfd(SECTORS * 512);
	unsigned int i;
	int err;

	err = guest_open(&s->g, MEM);
	if (!err)
		err = device_open(&s->d, &s->g, VIRTIO_ID_BLOCK, 1, size);
	if (!err)
		err = device_set_blk(&s->d, disk, 0, 0);
	close(disk);
	s->d.rings |= features & RINGS;
	if (!err && use)
		s->d.vq[0].size = use;
	if (!err)
		err = device_start(&s->d, features);
	for (i = 0; !err && i < 64; i++)
		err = blk_alloc(&s->g, &s->req[i], 4096);
	s->vq = s->d.vq;
	return err;
}

static void tear_down(struct setting *s)
{
	device_close(&s->d);
	guest_close(&s->g);
}

FIXTURE(ring) {
	struct setting s;
	struct vq *vq;
	struct blk_req *req;
};

FIXTURE_VARIANT(ring) {
	uint64_t features;
	unsigned int size;
	unsigned int use;
	bool notify_by_write;
};

FIXTURE_VARIANT_ADD(ring, plain) { .size = 64 };
FIXTURE_VARIANT_ADD(ring, plain_register) { .size = 64, .notify_by_write = true };
FIXTURE_VARIANT_ADD(ring, indirect) {
	.features = BIT(VIRTIO_RING_F_INDIRECT_DESC), .size = 64,
};
FIXTURE_VARIANT_ADD(ring, event_idx) {
	.features = BIT(VIRTIO_RING_F_EVENT_IDX), .size = 64,
};
FIXTURE_VARIANT_ADD(ring, event_idx_register) {
	.features = BIT(VIRTIO_RING_F_EVENT_IDX), .size = 64, .notify_by_write = true,
};
FIXTURE_VARIANT_ADD(ring, both) {
	.features = BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX),
	.size = 64,
};
FIXTURE_VARIANT_ADD(ring, both_tiny) {
	.features = BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX),
	.size = 4,
};
FIXTURE_VARIANT_ADD(ring, both_large) {
	.features = BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX),
	.size = KVLANE_MAX_QUEUE_SIZE,
};

FIXTURE_VARIANT_ADD(ring, in_order) { .features = BIT(VIRTIO_F_IN_ORDER), .size = 64 };
FIXTURE_VARIANT_ADD(ring, packed) { .features = BIT(VIRTIO_F_RING_PACKED), .size = 64 };
FIXTURE_VARIANT_ADD(ring, packed_odd) {
	.features = BIT(VIRTIO_F_RING_PACKED), .size = 64, .use = 37,
};
FIXTURE_VARIANT_ADD(ring, packed_both) {
	.features = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT(VIRTIO_RING_F_EVENT_IDX),
	.size = 64,
};
FIXTURE_VARIANT_ADD(ring, packed_both_odd) {
	.features = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT(VIRTIO_RING_F_EVENT_IDX),
	.size = 8, .use = 5, .notify_by_write = true,
};
FIXTURE_VARIANT_ADD(ring, packed_in_order) {
	.features = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
		BIT(VIRTIO_RING_F_EVENT_IDX),
	.size = 64,
};

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, set_up(&self->s, variant->features, variant->size,
			    variant->use));
	ASSERT_EQ(variant->features, self->s.d.features & variant->features);
	self->vq = self->s.vq;
	self->req = self->s.req;
	self->vq->notify_by_write = variant->notify_by_write;
}

FIXTURE_TEARDOWN(ring)
{
	tear_down(&self->s);
}

/* Requests at once: what the ring holds, no more than 16. */
static unsigned int depth(struct vq *vq)
{
	unsigned int n = vq->indirect ? vq->size : vq->size / 4;

	return n > 16 ? 16 : n;
}

static int round_trip(struct vq *vq, struct blk_req *req, unsigned int n, unsigned int seed)
{
	unsigned int i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < n; i++) {
			if (pass)
				memset(req[i].data, 0, 4096);
			else
				pattern_fill(req[i].data, 4096, seed + i);
			if (blk_add(vq, &req[i], pass ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				    i * 8, 4096) < 0)
				return -1;
		}
		vq_kick(vq);
		for (i = 0; i < n; i++)
			if (blk_wait(vq, &req[i]))
				return -2;
	}
	for (i = 0; i < n; i++)
		if (!pattern_matches(req[i].data, 4096, seed + i))
			return -3;
	return 0;
}

TEST_F(ring, round_trips)
{
	unsigned int i;

	for (i = 0; i < 30; i++)
		ASSERT_EQ(0, round_trip(self->vq, self->req, 1 + i % depth(self->vq), i));
}

static bool poll_done(struct vq *vq, struct blk_req *r)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS && !r->done; ms++) {
		blk_poll(vq);
		usleep(1000);
	}
	return r->done;
}

/* Spins, since an interrupt would come when the device has long gone to sleep. */
static bool spin_done(struct vq *vq, struct blk_req *r)
{
	unsigned int spins;

	for (spins = 0; spins < 2000000 && !r->done; spins++)
		blk_poll(vq);
	return r->done;
}

/*
 * The driver adds to the ring at every moment around the one where the device looks
 * for the last time and goes to sleep; section 2.7.7 and 2.7.10 are about that.
 */
TEST_F_TIMEOUT(ring, no_lost_kick, 60)
{
	struct blk_req *r = &self->req[0];
	volatile unsigned int pause;
	unsigned int i;

	for (i = 0; i < 1200; i++) {
		ASSERT_LE(0, blk_add(self->vq, r, VIRTIO_BLK_T_GET_ID, 0,
				     VIRTIO_BLK_ID_BYTES));
		vq_kick(self->vq);
		if (!spin_done(self->vq, r)) {
			ASSERT_TRUE(poll_done(self->vq, r));
		}
		for (pause = 0; pause < i % 64 * 8; pause++)
			;
	}
}

/* An idle device asks for notifications. */
TEST_F(ring, idle_device_wants_kick)
{
	struct blk_req *r = &self->req[0];
	unsigned int ms;
	bool wanted = false;

	ASSERT_EQ(0, blk_do(self->vq, r, VIRTIO_BLK_T_IN, 0, 512));
	/* It may poll for a while before it goes to sleep. */
	for (ms = 0; ms < WAIT_MS && !wanted; ms++) {
		usleep(1000);
		ASSERT_LE(0, blk_add(self->vq, r, VIRTIO_BLK_T_IN, 0, 512));
		wanted = vq_kick(self->vq);
		ASSERT_EQ(0, blk_wait(self->vq, r));
	}
	EXPECT_TRUE(wanted);
}

TEST_F(ring, interrupts_off)
{
	struct kvlane_queue_stats before, after;
	struct vq *vq = self->vq;
	unsigned int i, n = depth(vq) < 4 ? depth(vq) : 4;

	vq_interrupts(vq, false);
	eventfd_wait(vq->call, 0);
	ASSERT_EQ(0, device_stats(&self->s.d, NULL, 0, &before));
	for (i = 0; i < n; i++) {
		ASSERT_LE(0, blk_add(vq, &self->req[i], VIRTIO_BLK_T_IN, 0, 512));
		vq_kick(vq);
		ASSERT_TRUE(poll_done(vq, &self->req[i]));
	}
	EXPECT_EQ(0, eventfd_wait(vq->call, 20));
	ASSERT_EQ(0, device_stats(&self->s.d, NULL, 0, &after));
	EXPECT_EQ(before.interrupts, after.interrupts);
	EXPECT_LT(before.suppressed, after.suppressed);
	/* And on again. */
	vq_interrupts(vq, true);
	ASSERT_LE(0, blk_add(vq, &self->req[0], VIRTIO_BLK_T_IN, 0, 512));
	vq_kick(vq);
	EXPECT_LT(0, eventfd_wait(vq->call, WAIT_MS));
}

TEST_F(ring, empty_kicks)
{
	unsigned int i;

	for (i = 0; i < 300; i++)
		vq_notify(self->vq);
	EXPECT_EQ(0, blk_poll(self->vq));
	EXPECT_EQ(0, round_trip(self->vq, self->req, 1, 1));
}

/* One chain takes every descriptor there is. */
TEST_F(ring, longest_chain)
{
	struct iovec iov[BLK_SEGMENTS];
	unsigned int i, n = self->vq->size - 2;
	uint32_t most = reg_read(&self->s.d, KVLANE_WINDOW_CONFIG +
				 offsetof(struct virtio_blk_config, seg_max), 4);
	uint8_t *data = guest_alloc_high(&self->s.g, 512 * 1024, 512);

	if (n > most)
		n = most;
	if (n > BLK_SEGMENTS)
		n = BLK_SEGMENTS;
	for (i = 0; i < n; i++)
		iov[i] = (struct iovec){ data + i * 512, 512 };
	pattern_fill(data, n * 512, 5);
	ASSERT_LE(0, blk_addv(self->vq, &self->req[0], VIRTIO_BLK_T_OUT, 3, iov, n));
	vq_kick(self->vq);
	ASSERT_EQ(0, blk_wait(self->vq, &self->req[0]));
	memset(data, 0, n * 512);
	ASSERT_LE(0, blk_addv(self->vq, &self->req[0], VIRTIO_BLK_T_IN, 3, iov, n));
	vq_kick(self->vq);
	ASSERT_EQ(0, blk_wait(self->vq, &self->req[0]));
	EXPECT_TRUE(pattern_matches(data, n * 512, 5));
}

/* Section 2.7.7.2: one interrupt, when the used index passes used_event. */
TEST(interrupt_at_used_event)
{
	struct setting s = {};
	unsigned int i;

	ASSERT_EQ(0, set_up(&s, BIT(VIRTIO_RING_F_EVENT_IDX), 16, 0));
	if (s.vq->packed)
		SKIP(return, "about split rings");
	s.vq->avail->ring[s.vq->size] = 3;
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, eventfd_wait(s.vq->call, 0));
		ASSERT_LE(0, blk_add(s.vq, &s.req[0], VIRTIO_BLK_T_IN, 0, 512));
		vq_kick(s.vq);
		if (i < 3) {
			ASSERT_TRUE(poll_done(s.vq, &s.req[0]));
		}
	}
	EXPECT_EQ(1, eventfd_wait(s.vq->call, WAIT_MS));
	tear_down(&s);
}

/* The free running indices pass 65535. */
FIXTURE(wrap) {
	struct setting s;
};

FIXTURE_SETUP(wrap)
{
	ASSERT_EQ(0, set_up(&self->s, FEATURES_ALL, KVLANE_MAX_QUEUE_SIZE, 0));
}

FIXTURE_TEARDOWN(wrap)
{
	tear_down(&self->s);
}

TEST_F_TIMEOUT(wrap, indices, 120)
{
	struct blk_req *r = self->s.req;
	struct vq *vq = self->s.vq;
	unsigned int done, i;

	for (done = 0; done < 66000; done += 64) {
		for (i = 0; i < 64; i++)
			ASSERT_LE(0, blk_add(vq, &r[i], VIRTIO_BLK_T_GET_ID, 0,
					     VIRTIO_BLK_ID_BYTES));
		vq_kick(vq);
		for (i = 0; i < 64; i++)
			ASSERT_EQ(0, blk_wait(vq, &r[i]));
	}
	EXPECT_EQ(0, round_trip(vq, r, 4, 1));
}

/* Buffers that ordinary drivers do not make, but may. */
FIXTURE(chain) {
	struct guest g;
	struct device d;
	struct vq *vq;
	uint8_t *p;
};

#define HDR	0
#define DATA	64
#define STATUS	1024

FIXTURE_SETUP(chain)
{
	struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_IN };
	int disk = disk_memfd(SECTORS * 512);
	uint8_t sector[512];

	pattern_fill(sector, sizeof(sector), 1);
	ASSERT_EQ(512, pwrite(disk, sector, 512, 0));
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, disk, 0, 0));
	close(disk);
	/* They are put together by hand, for a split ring. */
	self->d.rings = 0;
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	self->vq = &self->d.vq[0];
	self->vq->indirect = false;
	self->p = guest_alloc(&self->g, 8192, 4096);
	memcpy(self->p + HDR, &hdr, sizeof(hdr));
	memset(self->p + DATA, 0xee, 2048);
}

FIXTURE_TEARDOWN(chain)
{
	device_close(&self->d);
	guest_close(&self->g);
}

static struct vring_desc piece(struct guest *g, uint8_t *p, uint32_t len, uint16_t flags,
			       uint16_t next)
{
	return (struct vring_desc){
		.addr = guest_gpa(g, p), .len = len, .flags = flags, .next = next,
	};
}

/* Sends the chain at descriptor 0 and waits for it. */
static bool send(struct vq *vq, uint8_t *p, uint32_t *len)
{
	vq->chain[0].token = p;
	vq->chain[0].length = 0;
	vq_add_raw(vq, 0);
	vq_kick(vq);
	return vq_wait(vq, len) == p;
}

/* Section 2.7.5.3.2: normal descriptors, then a single indirect one. */
TEST_F(chain, indirect_at_the_end)
{
	struct guest *g = &self->g;
	uint8_t *p = self->p;
	struct vring_desc *table = (void *)(p + 4096);
	uint32_t len = 0;

	table[0] = piece(g, p + DATA, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	table[1] = piece(g, p + STATUS, 1, VRING_DESC_F_WRITE, 0);
	self->vq->desc[0] = piece(g, p + HDR, 16, VRING_DESC_F_NEXT, 5);
	self->vq->desc[5] = piece(g, p + 4096, 32, VRING_DESC_F_INDIRECT, 0);
	ASSERT_TRUE(send(self->vq, p, &len));
	EXPECT_EQ(513, len);
	EXPECT_EQ(0, p[STATUS]);
	EXPECT_TRUE(pattern_matches(p + DATA, 512, 1));
}

/* Same section: the write flag of the descriptor of a table means nothing. */
TEST_F(chain, write_flag_of_indirect)
{
	struct guest *g = &self->g;
	uint8_t *p = self->p;
	struct vring_desc *table = (void *)(p + 4096);
	uint32_t len = 0;

	table[0] = piece(g, p + HDR, 16, VRING_DESC_F_NEXT, 2);
	table[2] = piece(g, p + DATA, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	table[1] = piece(g, p + STATUS, 1, VRING_DESC_F_WRITE, 0);
	self->vq->desc[0] = piece(g, p + 4096, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	ASSERT_TRUE(send(self->vq, p, &len));
	EXPECT_EQ(513, len);
	EXPECT_TRUE(pattern_matches(p + DATA, 512, 1));
}

/* Regions that touch in the guest need not touch in the process. */
TEST_F(chain, buffer_across_regions)
{
	struct guest *g = &self->g;
	struct kvlane_region r[3] = { g->regions[0], g->regions[1], g->regions[1] };
	struct vring_desc *d = self->vq->desc;
	uint8_t *p = self->p, *first = guest_alloc_high(g, 4096, 4096);
	uint8_t *second = guest_alloc_high(g, 8192, 4096) + 4096;
	uint32_t len = 0;

	/* Two pages at GUEST_NOWHERE, from places apart. */
	r[1].gpa = GUEST_NOWHERE;
	r[2].gpa = GUEST_NOWHERE + 4096;
	r[1].size = r[2].size = 4096;
	r[1].hva = (uintptr_t)first;
	r[2].hva = (uintptr_t)second;
	r[1].offset = first - g->mem;
	r[2].offset = second - g->mem;
	ASSERT_EQ(0, guest_set_regions(g, r, 3));
	d[0] = piece(g, p + HDR, 16, VRING_DESC_F_NEXT, 1);
	d[1] = (struct vring_desc){ GUEST_NOWHERE + 4096 - 100, 512,
				    VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2 };
	d[2] = piece(g, p + STATUS, 1, VRING_DESC_F_WRITE, 0);
	ASSERT_TRUE(send(self->vq, p, &len));
	EXPECT_EQ(513, len);
	memcpy(p + DATA, first + 4096 - 100, 100);
	memcpy(p + DATA + 100, second, 412);
	EXPECT_TRUE(pattern_matches(p + DATA, 512, 1));
}

TEST_HARNESS_MAIN
