// SPDX-License-Identifier: GPL-2.0-only
/* What only packed virtqueues have, virtio 1.2 section 2.8, and how to abuse it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"

#include "kselftest_harness.h"

#define MEM		(8 << 20)
#define SECTORS		2048
#define QUEUE_SIZE	16
#define PACKED		BIT(VIRTIO_F_RING_PACKED)

#define N		VRING_DESC_F_NEXT
#define W		VRING_DESC_F_WRITE
#define I		VRING_DESC_F_INDIRECT

struct setting {
	struct guest g;
	struct device d;
	struct vq *vq;
	struct blk_req req;
	uint8_t *p;
};

/* A disk, not started yet, and a page with the header of a read. */
static int set_up(struct setting *s)
{
	struct virtio_blk_outhdr hdr = { .type = VIRTIO_BLK_T_IN };
	int disk = disk_memfd(SECTORS * 512);
	int err;

	err = guest_open(&s->g, MEM);
	if (!err)
		err = device_open(&s->d, &s->g, VIRTIO_ID_BLOCK, 1, QUEUE_SIZE);
	if (!err)
		err = device_set_blk(&s->d, disk, 0, 0);
	close(disk);
	if (!err)
		err = blk_alloc(&s->g, &s->req, 4096);
	if (err)
		return err;
	s->d.rings = PACKED;
	s->vq = &s->d.vq[0];
	s->p = guest_alloc(&s->g, 4096, 4096);
	memcpy(s->p, &hdr, sizeof(hdr));
	return 0;
}

static void tear_down(struct setting *s)
{
	device_close(&s->d);
	guest_close(&s->g);
}

FIXTURE(packed) {
	struct setting s;
	struct device *d;
	struct vq *vq;
};

FIXTURE_SETUP(packed)
{
	ASSERT_EQ(0, set_up(&self->s));
	self->d = &self->s.d;
	self->vq = self->s.vq;
}

FIXTURE_TEARDOWN(packed)
{
	tear_down(&self->s);
}

static bool works(struct vq *vq, struct blk_req *req)
{
	unsigned int i;

	/* More often than the ring has descriptors. */
	for (i = 0; i < 3 * QUEUE_SIZE; i++)
		if (blk_do(vq, req, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, 8, 4096))
			return false;
	return true;
}

static unsigned int size_after(struct device *d, unsigned int size)
{
	reg_write(d, COMMON(Q_SELECT), 2, 0);
	reg_write(d, COMMON(Q_SIZE), 2, size);
	return reg_read(d, COMMON(Q_SIZE), 2);
}

/* Section 2.8.10.1: any size. Of a split ring a power of two. */
TEST_F(packed, sizes)
{
	struct device *d = self->d;

	ASSERT_EQ(0, device_negotiate(d, FEATURES_ALL));
	ASSERT_NE(0, d->features & PACKED);
	EXPECT_EQ(5, size_after(d, 5));
	EXPECT_EQ(1, size_after(d, 1));
	EXPECT_EQ(QUEUE_SIZE - 1, size_after(d, QUEUE_SIZE - 1));
	EXPECT_EQ(QUEUE_SIZE - 1, size_after(d, 0));
	EXPECT_EQ(QUEUE_SIZE - 1, size_after(d, QUEUE_SIZE + 1));
	EXPECT_EQ(QUEUE_SIZE - 1, size_after(d, 0xffff));

	d->rings = 0;
	ASSERT_EQ(0, device_negotiate(d, FEATURES_ALL));
	EXPECT_EQ(QUEUE_SIZE, reg_read(d, COMMON(Q_SIZE), 2));
	EXPECT_EQ(QUEUE_SIZE, size_after(d, 5));
	EXPECT_EQ(4, size_after(d, 4));
}

/* The size must not outlive a change of mind. */
TEST_F(packed, size_before_features_ok)
{
	struct device *d = self->d;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	ASSERT_EQ(0, device_reset(d));
	reg_write(d, COMMON(STATUS), 1, status);
	reg_write(d, COMMON(GFSELECT), 4, 1);
	reg_write(d, COMMON(GF), 4, (BIT(VIRTIO_F_VERSION_1) | PACKED) >> 32);
	EXPECT_EQ(QUEUE_SIZE, size_after(d, 5));
	reg_write(d, COMMON(STATUS), 1, status | VIRTIO_CONFIG_S_FEATURES_OK);
	EXPECT_EQ(5, size_after(d, 5));
}

TEST_F(packed, every_size)
{
	unsigned int size;

	for (size = 1; size <= QUEUE_SIZE; size++) {
		vq_move(self->vq);
		self->vq->size = size;
		ASSERT_EQ(0, device_start(self->d, FEATURES_ALL));
		ASSERT_TRUE(works(self->vq, &self->s.req)) {
			TH_LOG("queue size %u", size);
		}
	}
}

/* Wrap counters begin at 1 again, whatever they were; the other kind is no worse. */
TEST_F(packed, resets)
{
	struct device *d = self->d;
	unsigned int i;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	for (i = 1; i < 2 * QUEUE_SIZE; i += 3) {
		unsigned int j;

		for (j = 0; j < i; j++)
			ASSERT_EQ(0, blk_do(self->vq, &self->s.req, VIRTIO_BLK_T_IN, 0, 512));
		ASSERT_EQ(0, device_queue_reset(d, 0));
		ASSERT_EQ(0, device_setup_queue(d, 0));
		ASSERT_TRUE(works(self->vq, &self->s.req));
		d->rings ^= PACKED;
		ASSERT_EQ(0, device_start(d, FEATURES_ALL));
		ASSERT_EQ(!d->rings, !self->vq->packed);
		ASSERT_TRUE(works(self->vq, &self->s.req));
	}
}

/* A request of three descriptors with what is wrong in it, and the reason for it. */
FIXTURE(abuse) {
	struct setting s;
	struct device *d;
	struct vq *vq;
};

FIXTURE_VARIANT(abuse) {
	struct vring_packed_desc desc[4];
	unsigned int n;
	uint32_t reason;
};

/* Addresses are offsets into a page of the guest; beyond that they are addresses. */
#define HDR	{ 0, 16, 0, N }
#define DATA	{ 512, 512, 0, W | N }
#define STATUS	{ 1024, 1, 0, W }

FIXTURE_VARIANT_ADD(abuse, id_past_the_end) {
	{ HDR, DATA, { 1024, 1, QUEUE_SIZE, W } }, 3, KVLANE_REASON_HEAD,
};
FIXTURE_VARIANT_ADD(abuse, highest_id) {
	{ HDR, DATA, { 1024, 1, 0xffff, W } }, 3, KVLANE_REASON_HEAD,
};
FIXTURE_VARIANT_ADD(abuse, id_in_flight) {
	{ { 0, 16, 0, N }, STATUS, { 0, 16, 0, N }, STATUS }, 4, KVLANE_REASON_HEAD_BUSY,
};
FIXTURE_VARIANT_ADD(abuse, goes_on_into_nothing) {
	{ HDR, DATA, DATA }, 3, KVLANE_REASON_NEXT,
};
FIXTURE_VARIANT_ADD(abuse, readable_after_writable) {
	{ HDR, DATA, { 1024, 1, 0, 0 } }, 3, KVLANE_REASON_DIRECTION,
};
FIXTURE_VARIANT_ADD(abuse, table_after_buffer) {
	{ HDR, { 2048, 32, 0, I } }, 2, KVLANE_REASON_INDIRECT,
};
FIXTURE_VARIANT_ADD(abuse, table_and_next) {
	{ { 2048, 32, 0, I | N }, STATUS }, 2, KVLANE_REASON_INDIRECT,
};
FIXTURE_VARIANT_ADD(abuse, table_of_odd_length) {
	{ { 2048, 33, 0, I } }, 1, KVLANE_REASON_INDIRECT,
};
FIXTURE_VARIANT_ADD(abuse, endless_table) {
	{ { 2048, 1 << 20, 0, I } }, 1, KVLANE_REASON_CHAIN_LENGTH,
};
FIXTURE_VARIANT_ADD(abuse, table_nowhere) {
	{ { GUEST_NOWHERE, 32, 0, I } }, 1, KVLANE_REASON_ADDRESS,
};
FIXTURE_VARIANT_ADD(abuse, buffer_nowhere) {
	{ HDR, { GUEST_NOWHERE, 512, 0, W | N }, STATUS }, 3, KVLANE_REASON_ADDRESS,
};
FIXTURE_VARIANT_ADD(abuse, empty) {
	{ HDR, { 512, 0, 0, W | N }, STATUS }, 3, KVLANE_REASON_CHAIN_BYTES,
};

FIXTURE_SETUP(abuse)
{
	ASSERT_EQ(0, set_up(&self->s));
	self->d = &self->s.d;
	self->vq = self->s.vq;
	ASSERT_EQ(0, device_start(self->d, FEATURES_ALL));
}

FIXTURE_TEARDOWN(abuse)
{
	tear_down(&self->s);
}

/* The device sees all of it at once: the first descriptor is written last. */
static void offer(struct vq *vq, uint64_t page, const struct vring_packed_desc *desc,
		  unsigned int n)
{
	struct vring_packed_desc one;

	while (n--) {
		one = desc[n];
		if (one.addr < 4096)
			one.addr += page;
		vq_put_packed(vq, vq_advance(vq, vq->next_avail, n), one);
	}
	vq_notify(vq);
}

TEST_F(abuse, is_caught)
{
	uint64_t page = guest_gpa(&self->s.g, self->s.p);
	struct kvlane_event ev;

	ASSERT_TRUE(works(self->vq, &self->s.req));
	offer(self->vq, page, variant->desc, variant->n);
	ASSERT_EQ(0, device_event(self->d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(variant->reason, ev.reason);
	EXPECT_NE(0, device_status(self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	ASSERT_EQ(0, device_start(self->d, FEATURES_ALL));
	EXPECT_TRUE(works(self->vq, &self->s.req));
}

TEST_HARNESS_MAIN
