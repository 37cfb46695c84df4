// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices by vDPA whose memory goes while requests are on their way. Whoever had it mapped
 * has other uses for it at once: no byte of it may be written any more, nor be read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "disk.h"
#include "silent.h"
#include "throttle.h"
#include "vdpa.h"

#include "kselftest_harness.h"

#define MEM	(4 << 20)
#define BYTES	(8 << 20)
#define LEN	4096
/* What the memory is used for afterwards. */
#define OTHER	0xa5

/* The upper half of the memory, where data is, goes; the rings stay. */
static int take_out(struct vdpa *v)
{
	const struct guest *g = v->d.guest;
	int err = vdpa_map(v, GUEST_HIGH, g->size / 2, NULL);

	memset(g->mem + g->size / 2, OTHER, g->size / 2);
	return err;
}

static bool untouched(const struct guest *g)
{
	return all_bytes(g->mem + g->size / 2, g->size / 2, OTHER);
}

/* The driver has taken away what it wanted the device to use. */
static bool blamed(struct vdpa *v)
{
	struct kvlane_event ev;

	return device_expect(&v->d, KVLANE_EVENT_NEEDS_RESET, &ev) &&
	       ev.reason == KVLANE_REASON_ADDRESS;
}

struct machine {
	struct guest g;
	struct vdpa v;
	struct vq *vq;
};

static int machine_open(struct machine *m, uint32_t type)
{
	int err = guest_open(&m->g, MEM);

	if (!err)
		err = vdpa_create(&m->v, &m->g, type, 1);
	m->vq = &m->v.d.vq[0];
	return err;
}

/* The device has its back end. */
static int machine_start(struct machine *m)
{
	if (vdpa_add(&m->v, "") || vdpa_open(&m->v))
		return -1;
	return vdpa_start_with(&m->v, m->v.d.type == VIRTIO_ID_BLOCK ?
				      BIT(VIRTIO_BLK_F_WRITE_ZEROES) | BIT(VIRTIO_BLK_F_FLUSH) : 0);
}

static void machine_close(struct machine *m)
{
	vdpa_close(&m->v);
	guest_close(&m->g);
}

FIXTURE(held) {
	struct machine m;
	struct blk_req req;
	int disk;
	int fd;
};

/* A disk whose throttle has let one request through, and holds the next for an hour. */
FIXTURE_SETUP(held)
{
	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	self->disk = disk_memfd(BYTES);
	ASSERT_LE(0, self->disk);
	self->fd = throttle_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, machine_open(&self->m, VIRTIO_ID_BLOCK));
	ASSERT_EQ(0, device_set_blk(&self->m.v.d, self->disk, 0, 0));
	ASSERT_EQ(0, device_throttle(&self->m.v.d, self->fd));
	ASSERT_EQ(0, machine_start(&self->m));
	ASSERT_EQ(0, blk_alloc(&self->m.g, &self->req, LEN));
	ASSERT_EQ(0, blk_do(self->m.vq, &self->req, VIRTIO_BLK_T_IN, 0, LEN));
}

FIXTURE_TEARDOWN(held)
{
	machine_close(&self->m);
	close(self->fd);
	close(self->disk);
}

static int hold(struct machine *m, struct blk_req *req, uint32_t type, int throttle)
{
	int head = blk_add(m->vq, req, type, 0, LEN);

	vq_kick(m->vq);
	return head < 0 ? head : throttle_waiting(throttle, 1);
}

TEST_F(held, read_is_not_written)
{
	ASSERT_EQ(0, hold(&self->m, &self->req, VIRTIO_BLK_T_IN, self->fd));
	ASSERT_EQ(0, take_out(&self->m.v));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 0));
	EXPECT_TRUE(blamed(&self->m.v));
	EXPECT_TRUE(untouched(&self->m.g));
	EXPECT_EQ(BLK_STATUS_UNSET, *self->req.status);
}

/* What the process has there now is not for the guest to read from its disk. */
TEST_F(held, write_is_not_read)
{
	uint8_t data[LEN];

	ASSERT_EQ(0, hold(&self->m, &self->req, VIRTIO_BLK_T_OUT, self->fd));
	ASSERT_EQ(0, take_out(&self->m.v));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 0));
	EXPECT_TRUE(blamed(&self->m.v));
	ASSERT_EQ(LEN, pread(self->disk, data, LEN, 0));
	EXPECT_TRUE(all_bytes(data, LEN, 0));
}

/* It is another memory map, but not for this request. */
TEST_F(held, other_memory_goes)
{
	struct guest *g = &self->m.g;

	ASSERT_EQ(0, vdpa_map(&self->m.v, GUEST_NOWHERE, 65536, g->mem + MEM - 65536));
	pattern_fill(self->req.data, LEN, 1);
	ASSERT_EQ(0, hold(&self->m, &self->req, VIRTIO_BLK_T_OUT, self->fd));
	ASSERT_EQ(0, vdpa_map(&self->m.v, GUEST_NOWHERE, 65536, NULL));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 0));
	ASSERT_EQ(0, blk_wait(self->m.vq, &self->req));
	memset(self->req.data, 0, LEN);
	ASSERT_EQ(0, blk_do(self->m.vq, &self->req, VIRTIO_BLK_T_IN, 0, LEN));
	EXPECT_TRUE(pattern_matches(self->req.data, LEN, 1));
}

FIXTURE(slow) {
	struct machine m;
	struct blk_req req;
	struct gate gate;
	int disk;
};

/* A disk that has to wait for the one it lies on, so that helpers do. */
FIXTURE_SETUP(slow)
{
	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	self->disk = gate_open(&self->gate, BYTES, 0);
	if (self->disk == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, machine_open(&self->m, VIRTIO_ID_BLOCK));
	ASSERT_EQ(0, device_set_blk(&self->m.v.d, self->disk, 0, 0));
	ASSERT_EQ(0, machine_start(&self->m));
	ASSERT_EQ(0, blk_alloc(&self->m.g, &self->req, LEN));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
}

FIXTURE_TEARDOWN(slow)
{
	dm_release(&self->gate.dm);
	machine_close(&self->m);
	if (self->disk > 0)
		close(self->disk);
	gate_close(&self->gate);
}

/* Begins a request, and waits until a helper has it. */
static int begin(struct machine *m, struct blk_req *req, uint32_t type)
{
	struct kvlane_queue_stats qs = {};
	int tries;

	if (blk_add(m->vq, req, type, 0, LEN) < 0)
		return -ENOSPC;
	vq_kick(m->vq);
	for (tries = 0; tries < WAIT_MS && !qs.deferred; tries++) {
		usleep(1000);
		device_stats(&m->v.d, NULL, 0, &qs);
	}
	return qs.deferred ? 0 : -ETIMEDOUT;
}

TEST_F(slow, read_is_not_written)
{
	ASSERT_EQ(0, begin(&self->m, &self->req, VIRTIO_BLK_T_IN));
	ASSERT_EQ(0, take_out(&self->m.v));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	EXPECT_TRUE(blamed(&self->m.v));
	EXPECT_TRUE(untouched(&self->m.g));
	EXPECT_EQ(BLK_STATUS_UNSET, *self->req.status);
}

/* A flush has no data, but its status may be where memory is gone. */
TEST_F(slow, status_is_not_written)
{
	self->req.status = guest_alloc_high(&self->m.g, 1, 1);
	ASSERT_EQ(0, begin(&self->m, &self->req, VIRTIO_BLK_T_FLUSH));
	ASSERT_EQ(0, take_out(&self->m.v));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	EXPECT_TRUE(blamed(&self->m.v));
	EXPECT_TRUE(untouched(&self->m.g));
}

/* The list of ranges was read long ago, and its buffer may be gone, but not the status. */
TEST_F(slow, ranges_are_read)
{
	struct virtio_blk_discard_write_zeroes *range = (void *)self->req.data;

	*range = (struct virtio_blk_discard_write_zeroes){ .num_sectors = 8 };
	ASSERT_LE(0, blk_add(self->m.vq, &self->req, VIRTIO_BLK_T_WRITE_ZEROES, 0,
			     sizeof(*range)));
	vq_kick(self->m.vq);
	ASSERT_EQ(0, device_inflight(&self->m.v.d, 0, 1));
	ASSERT_EQ(0, take_out(&self->m.v));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	EXPECT_EQ(0, blk_wait(self->m.vq, &self->req));
	EXPECT_TRUE(untouched(&self->m.g));
}

FIXTURE(silent) {
	struct machine m;
	struct silent source;
	uint8_t *buf;
};

/* An entropy source whose lane waits, with a buffer in the upper half at hand. */
FIXTURE_SETUP(silent)
{
	struct iovec in;

	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	ASSERT_EQ(0, silent_open(&self->source));
	ASSERT_EQ(0, machine_open(&self->m, VIRTIO_ID_RNG));
	ASSERT_EQ(0, device_set_rng(&self->m.v.d, self->source.fd, 0, 0));
	ASSERT_EQ(0, machine_start(&self->m));
	self->buf = guest_alloc_high(&self->m.g, LEN, LEN);
	in = (struct iovec){ self->buf, 64 };
	ASSERT_LE(0, vq_add(self->m.vq, NULL, 0, &in, 1, self));
	vq_kick(self->m.vq);
	ASSERT_EQ(0, device_inflight(&self->m.v.d, 0, 1));
	usleep(5000);
}

FIXTURE_TEARDOWN(silent)
{
	machine_close(&self->m);
	silent_close(&self->source);
}

TEST_F(silent, is_not_waited_for)
{
	ASSERT_EQ(0, take_out(&self->m.v));
	EXPECT_TRUE(blamed(&self->m.v));
	ASSERT_EQ(0, silent_speak(&self->source));
	usleep(5000);
	EXPECT_TRUE(untouched(&self->m.g));
}

/* It is asked again for a buffer that stays. */
TEST_F(silent, other_memory_goes)
{
	ASSERT_EQ(0, vdpa_map(&self->m.v, GUEST_NOWHERE, 65536, self->m.g.mem));
	ASSERT_EQ(0, vdpa_map(&self->m.v, GUEST_NOWHERE, 65536, NULL));
	EXPECT_EQ(NULL, vq_pop(self->m.vq, NULL));
	ASSERT_EQ(0, silent_speak(&self->source));
	EXPECT_EQ(self, vq_wait(self->m.vq, NULL));
	EXPECT_EQ(0, memcmp(self->buf, "seed", 4));
}

TEST_HARNESS_MAIN
