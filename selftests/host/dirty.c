// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of pages that devices write to, as somebody uses it who moves a guest: with
 * the device at work all the time, and nothing missing in the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blk.h"
#include "disk.h"
#include "net.h"
#include "vdpa.h"

#include "kselftest_harness.h"

#define PAGE		4096
#define UNIT		(64 * PAGE)
#define MEM		(16 << 20)
#define WORDS		(MEM / UNIT)
#define DISK		(8 << 20)
#define LEN		(5 * PAGE)
#define DEPTH		8
#define ROUNDS		400

FIXTURE(dirty) {
	struct guest g;
	struct device d;
	struct blk_req req[DEPTH];
	uint64_t bits[WORDS];
};

FIXTURE_VARIANT(dirty) {
	uint64_t rings;
};

FIXTURE_VARIANT_ADD(dirty, split) {};
FIXTURE_VARIANT_ADD(dirty, packed) { .rings = BIT(VIRTIO_F_RING_PACKED) };

static int log_set(int fd, void *hva, uint64_t size)
{
	struct kvlane_dirty_range range = { .hva = (uintptr_t)hva, .size = size };
	struct kvlane_set_dirty_log args = {
		.nr_ranges = size ? 1 : 0,
		.ranges = (uintptr_t)&range,
	};

	return ioctl(fd, KVLANE_SET_DIRTY_LOG, &args) ? -errno : 0;
}

/* Returns how many pages are in it. */
static int64_t log_get(int fd, void *hva, uint64_t size, uint64_t *bits)
{
	struct kvlane_get_dirty_log args = {
		.hva = (uintptr_t)hva,
		.size = size,
		.bitmap = (uintptr_t)bits,
	};

	return ioctl(fd, KVLANE_GET_DIRTY_LOG, &args) ? -errno : (int64_t)args.pages;
}

static unsigned int pages_in(const struct guest *g, const uint64_t *bits, const void *at,
			     size_t len)
{
	size_t first = ((const uint8_t *)at - g->mem) / PAGE;
	size_t last = ((const uint8_t *)at - g->mem + len - 1) / PAGE;
	unsigned int nr = 0;

	for (size_t page = first; page <= last; page++)
		nr += bits[page / 64] >> page % 64 & 1;
	return nr;
}

static int fill_disk(int fd, uint64_t seed)
{
	uint8_t *buf = malloc(DISK);
	ssize_t n;

	pattern_fill(buf, DISK, seed);
	n = pwrite(fd, buf, DISK, 0);
	free(buf);
	return n == DISK ? 0 : -EIO;
}

FIXTURE_SETUP(dirty)
{
	int fd = disk_memfd(DISK);
	unsigned int i;

	ASSERT_EQ(0, fill_disk(fd, 7));
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 64));
	self->d.rings = variant->rings;
	ASSERT_EQ(0, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &self->req[i], LEN));
	ASSERT_EQ(0, log_set(self->g.vm, self->g.mem, MEM));
}

FIXTURE_TEARDOWN(dirty)
{
	device_close(&self->d);
	guest_close(&self->g);
}

static int64_t fetch(struct _test_data_dirty *self)
{
	return log_get(self->g.vm, self->g.mem, MEM, self->bits);
}

/* Data, status and ring, once. */
TEST_F(dirty, read)
{
	struct blk_req *r = &self->req[0], *other = &self->req[1];

	ASSERT_EQ(0, blk_do(self->d.vq, r, VIRTIO_BLK_T_IN, 0, 2 * PAGE));
	ASSERT_LT(0, fetch(self));
	EXPECT_LE(2, pages_in(&self->g, self->bits, r->data, 2 * PAGE));
	EXPECT_EQ(1, pages_in(&self->g, self->bits, r->status, 1));
	EXPECT_EQ(1, pages_in(&self->g, self->bits, self->d.vq[0].used, 1));
	if (variant->rings)
		EXPECT_EQ(1, pages_in(&self->g, self->bits, self->d.vq[0].desc, 1));
	EXPECT_EQ(0, pages_in(&self->g, self->bits, other->data, LEN));
	EXPECT_EQ(0, pages_in(&self->g, self->bits, r->data + 3 * PAGE, PAGE));
	EXPECT_EQ(0, fetch(self));
}

/* What the device reads is not in it. */
TEST_F(dirty, write)
{
	struct blk_req *r = &self->req[0];

	ASSERT_EQ(0, blk_do(self->d.vq, r, VIRTIO_BLK_T_OUT, 0, LEN));
	ASSERT_LT(0, fetch(self));
	EXPECT_EQ(0, pages_in(&self->g, self->bits, r->data, LEN));
	EXPECT_EQ(1, pages_in(&self->g, self->bits, r->status, 1));
}

TEST_F(dirty, discard)
{
	struct blk_req *r = &self->req[0];

	ASSERT_EQ(0, blk_range(self->d.vq, r, VIRTIO_BLK_T_DISCARD, 0, 8, 0));
	ASSERT_LT(0, fetch(self));
	EXPECT_EQ(1, pages_in(&self->g, self->bits, r->status, 1));
	EXPECT_EQ(0, pages_in(&self->g, self->bits, r->data, LEN));
}

/* What does not begin or end the log takes nothing out of it. */
TEST_F(dirty, parts)
{
	uint8_t *at = self->g.mem + MEM / 2, *data = self->req[0].data;

	ASSERT_EQ(0, blk_do(self->d.vq, &self->req[0], VIRTIO_BLK_T_IN, 0, PAGE));
	ASSERT_LE(at, data);
	EXPECT_EQ(-EFAULT, log_get(self->g.vm, at, MEM / 2, NULL));
	EXPECT_LE(0, log_get(self->g.vm, self->g.mem, UNIT, self->bits));
	EXPECT_LE(1, log_get(self->g.vm, at, MEM / 2, self->bits + WORDS / 2));
	EXPECT_LE(1, pages_in(&self->g, self->bits, data, PAGE));
	ASSERT_EQ(0, log_set(self->g.vm, NULL, 0));
	EXPECT_EQ(-ENOENT, fetch(self));
	ASSERT_EQ(0, blk_do(self->d.vq, &self->req[0], VIRTIO_BLK_T_IN, 0, PAGE));
	ASSERT_EQ(0, log_set(self->g.vm, self->g.mem, MEM));
	EXPECT_EQ(0, fetch(self));
}

static int set_two(struct guest *g, uint64_t first, uint64_t size, uint64_t second)
{
	struct kvlane_dirty_range range[2] = {
		{ .hva = (uintptr_t)g->mem + first, .size = size },
		{ .hva = (uintptr_t)g->mem + second, .size = UNIT },
	};
	struct kvlane_set_dirty_log args = { .nr_ranges = 2, .ranges = (uintptr_t)range };

	return ioctl(g->vm, KVLANE_SET_DIRTY_LOG, &args) ? -errno : 0;
}

TEST_F(dirty, bad_set)
{
	struct kvlane_set_dirty_log args = { .flags = 1 };
	uint8_t *mem = self->g.mem;
	int vm = self->g.vm;

	EXPECT_EQ(-1, ioctl(vm, KVLANE_SET_DIRTY_LOG, &args));
	EXPECT_EQ(EINVAL, errno);
	args = (struct kvlane_set_dirty_log){ .nr_ranges = KVLANE_MAX_REGIONS + 1 };
	EXPECT_EQ(-1, ioctl(vm, KVLANE_SET_DIRTY_LOG, &args));
	EXPECT_EQ(E2BIG, errno);
	args = (struct kvlane_set_dirty_log){ .nr_ranges = 1, .ranges = 8 };
	EXPECT_EQ(-1, ioctl(vm, KVLANE_SET_DIRTY_LOG, &args));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-EINVAL, log_set(vm, mem + 1, UNIT));
	EXPECT_EQ(-EINVAL, log_set(vm, mem, UNIT + 1));
	EXPECT_EQ(-EINVAL, log_set(vm, (void *)-UNIT, UNIT));
	EXPECT_EQ(-EINVAL, log_set(vm, mem, -(uint64_t)PAGE));
	EXPECT_EQ(-E2BIG, log_set(vm, NULL, KVLANE_MAX_DIRTY + PAGE));
	EXPECT_EQ(-EEXIST, set_two(&self->g, 0, UNIT + PAGE, UNIT));
	EXPECT_EQ(-EEXIST, set_two(&self->g, UNIT, UNIT, 0 + PAGE));
	/* The log is what it was. */
	ASSERT_EQ(0, blk_do(self->d.vq, &self->req[0], VIRTIO_BLK_T_IN, 0, PAGE));
	EXPECT_LT(0, fetch(self));
	EXPECT_EQ(0, set_two(&self->g, 0, UNIT, UNIT));
	EXPECT_EQ(-ENOENT, fetch(self));
	EXPECT_EQ(-1, ioctl(self->d.fd, KVLANE_SET_DIRTY_LOG, &args));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(dirty, bad_get)
{
	uint8_t *mem = self->g.mem;
	int vm = self->g.vm;

	ASSERT_EQ(0, log_set(vm, mem, UNIT + 3 * PAGE));
	EXPECT_EQ(-EINVAL, log_get(vm, mem, 0, self->bits));
	EXPECT_EQ(-EINVAL, log_get(vm, mem, PAGE, self->bits));
	EXPECT_EQ(-EINVAL, log_get(vm, mem + PAGE, UNIT, self->bits));
	EXPECT_EQ(-EINVAL, log_get(vm, mem + 1, UNIT, self->bits));
	EXPECT_EQ(-ENOENT, log_get(vm, mem, UNIT + 4 * PAGE, self->bits));
	EXPECT_EQ(-ENOENT, log_get(vm, mem - UNIT, UNIT, self->bits));
	EXPECT_EQ(-ENOENT, log_get(vm, mem, -(uint64_t)PAGE, self->bits));
	EXPECT_EQ(0, log_get(vm, mem, UNIT, self->bits));
	EXPECT_EQ(0, log_get(vm, mem + UNIT, 3 * PAGE, self->bits));
}

/**
 * struct mover - somebody who copies what was written, again and again
 * @vm: descriptor with the log
 * @g: the guest
 * @copy: what has been copied
 * @stop: it shall end
 * @err: what went wrong
 */
struct mover {
	int vm;
	struct guest *g;
	uint8_t *copy;
	bool stop;
	int64_t err;
};

static int64_t copy_dirty(struct mover *m)
{
	uint64_t bits[WORDS];
	int64_t nr = log_get(m->vm, m->g->mem, MEM, bits);

	for (size_t page = 0; page < MEM / PAGE && nr > 0; page++)
		if (bits[page / 64] >> page % 64 & 1)
			memcpy(m->copy + page * PAGE, m->g->mem + page * PAGE, PAGE);
	return nr;
}

static void *copy_on(void *arg)
{
	struct mover *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE) && m->err >= 0)
		m->err = copy_dirty(m);
	return NULL;
}

/* Reads all over the disk, so that each brings other data than the one before. */
static int read_on(struct vq *vq, struct blk_req *req)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < DEPTH; i++) {
			uint64_t sector = (round * DEPTH + i) * 977 % ((DISK - LEN) / 512);

			if (blk_add(vq, &req[i], VIRTIO_BLK_T_IN, sector, LEN) < 0)
				return -1;
		}
		vq_kick(vq);
		for (unsigned int i = 0; i < DEPTH; i++)
			if (blk_wait(vq, &req[i]))
				return -1;
	}
	return 0;
}

TEST_F(dirty, move)
{
	struct mover m = { .vm = self->g.vm, .g = &self->g };
	pthread_t thread;
	unsigned int i;

	m.copy = malloc(MEM);
	memcpy(m.copy, self->g.mem, MEM);
	ASSERT_EQ(0, pthread_create(&thread, NULL, copy_on, &m));
	EXPECT_EQ(0, read_on(self->d.vq, self->req));
	__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ASSERT_LE(0, m.err);
	ASSERT_EQ(0, device_reset(&self->d));
	ASSERT_LE(0, copy_dirty(&m));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(0, memcmp(m.copy + (self->req[i].data - self->g.mem),
				    self->req[i].data, LEN));
	free(m.copy);
}

/* Packets that come in, into buffers that were given long before. */
TEST(receive)
{
	uint8_t packet[1000], got[NET_PACKET];
	unsigned int i;
	uint64_t *bits;
	struct nic n;

	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&n, 1, 256, 12));
	ASSERT_EQ(0, nic_start(&n, FEATURES_ALL));
	ASSERT_EQ(16, nic_fill(&n, 0, 16, PAGE));
	bits = calloc(n.g.size / UNIT + 1, 8);
	ASSERT_EQ(0, log_set(n.g.vm, n.g.mem, n.g.size));
	/* The lane may still be looking at the buffers, and asks for kicks then. */
	for (i = 0; i < 100 && log_get(n.g.vm, n.g.mem, n.g.size, bits) > 0; i++)
		usleep(10000);
	EXPECT_EQ(0, log_get(n.g.vm, n.g.mem, n.g.size, bits));
	frame(packet, sizeof(packet), 1);
	ASSERT_EQ(0, tap_put(&n.tap, NULL, packet, sizeof(packet)));
	ASSERT_EQ(sizeof(packet), nic_receive(&n, 0, NULL, got, NET_PACKET, WAIT_MS));
	/* The ring, and no more than the buffers of one packet. */
	EXPECT_LE(2, log_get(n.g.vm, n.g.mem, n.g.size, bits));
	EXPECT_EQ(1, pages_in(&n.g, bits, n.d.vq[0].used, 1));
	free(bits);
	nic_close(&n);
}

/* By the descriptor of the device; the log ends with the process's hold on it. */
TEST(vdpa)
{
	struct iovec in;
	struct vdpa v = {};
	struct guest g;
	uint64_t bits[WORDS];

	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	ASSERT_EQ(0, guest_open(&g, MEM));
	ASSERT_EQ(0, vdpa_create(&v, &g, VIRTIO_ID_RNG, 1));
	ASSERT_EQ(0, device_set_rng(&v.d, -1, 0, 0));
	ASSERT_EQ(0, vdpa_add(&v, ""));
	ASSERT_EQ(0, vdpa_open(&v));
	ASSERT_EQ(0, vdpa_start(&v));
	ASSERT_EQ(0, log_set(v.d.fd, g.mem, MEM));
	in = (struct iovec){ guest_alloc_high(&g, 2 * PAGE, PAGE), 2 * PAGE };
	ASSERT_LE(0, vq_add(v.d.vq, NULL, 0, &in, 1, &in));
	vq_kick(v.d.vq);
	ASSERT_EQ(&in, vq_wait(v.d.vq, NULL));
	ASSERT_EQ(0, vdpa_ioctl(&v, VHOST_VDPA_SUSPEND, NULL));
	EXPECT_LE(3, log_get(v.d.fd, g.mem, MEM, bits));
	EXPECT_EQ(2, pages_in(&g, bits, in.iov_base, in.iov_len));
	vdpa_shut(&v);
	EXPECT_EQ(-ENOENT, log_get(v.d.fd, g.mem, MEM, bits));
	vdpa_close(&v);
	guest_close(&g);
}

TEST_HARNESS_MAIN
