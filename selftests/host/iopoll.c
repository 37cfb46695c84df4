// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks on block devices that are polled. Nothing that null_blk is sent for polling is
 * done before somebody polls, so each request that comes back was asked for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backing.h"
#include "blk.h"
#include "device.h"
#include "host.h"
#include "throttle.h"
#include "vdpa.h"

#include "kselftest_harness.h"

#define MEM	(16 << 20)
#define DISK	(8 << 20)
#define LARGE	(2 << 20)

struct machine {
	struct guest g;
	struct device d;
};

static int machine_open(struct machine *m, int disk)
{
	int err = guest_open(&m->g, MEM);

	if (!err)
		err = device_open(&m->d, &m->g, VIRTIO_ID_BLOCK, 1, 256);
	if (!err)
		err = device_set_blk(&m->d, disk, KVLANE_BACKEND_IOPOLL, 0);
	return err ?: device_start(&m->d, FEATURES_ALL);
}

static void machine_close(struct machine *m)
{
	device_close(&m->d);
	guest_close(&m->g);
}

static struct load reads(struct device *d, unsigned int depth)
{
	return (struct load){
		.vq = &d->vq[0],
		.type = VIRTIO_BLK_T_IN,
		.depth = depth,
		.least = 4096,
		.most = 4096,
	};
}

static struct kvlane_queue_stats counters(struct device *d)
{
	struct kvlane_queue_stats qs = {};

	device_stats(d, NULL, 0, &qs);
	return qs;
}

FIXTURE(iopoll) {
	struct backing disk;
	struct machine m;
};

FIXTURE_SETUP(iopoll)
{
	ASSERT_EQ(0, backing_open(&self->disk, BACKING_NULLB_DIRECT, DISK));
	ASSERT_EQ(0, backing_fill(&self->disk, DISK));
	ASSERT_EQ(0, machine_open(&self->m, self->disk.fd));
}

FIXTURE_TEARDOWN(iopoll)
{
	machine_close(&self->m);
	backing_close(&self->disk);
}

TEST_F(iopoll, there_and_back)
{
	struct vq *vq = &self->m.d.vq[0];
	struct blk_req r;
	uint8_t seen[4096];

	ASSERT_EQ(0, blk_alloc(&self->m.g, &r, 4096));
	memset(r.data, 0x5a, 4096);
	EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_OUT, 8, 4096));
	EXPECT_EQ(0, backing_look(&self->disk, seen, sizeof(seen), 4096));
	EXPECT_EQ(0, memcmp(seen, r.data, sizeof(seen)));
	memset(r.data, 0, 4096);
	EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_IN, 8, 4096));
	EXPECT_EQ(0, memcmp(seen, r.data, sizeof(seen)));
	EXPECT_EQ(2, counters(&self->m.d).asked);
}

/* A request of more than the device takes at once, and one that is not polled for. */
TEST_F(iopoll, large)
{
	struct vq *vq = &self->m.d.vq[0];
	struct blk_req r;

	ASSERT_EQ(0, blk_alloc(&self->m.g, &r, LARGE));
	EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_OUT, 0, LARGE));
	EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_IN, 0, LARGE));
	EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_FLUSH, 0, 0));
}

TEST_F(iopoll, many)
{
	struct load load = reads(&self->m.d, LOAD_MOST);
	struct kvlane_queue_stats stats;

	ASSERT_EQ(0, load_open(&load));
	load_run(&load, 1, clock_ns() + NSEC / 2);
	ASSERT_EQ(0, load_drain(&load, 1));
	stats = counters(&self->m.d);
	EXPECT_LT(LOAD_MOST, stats.requests);
	EXPECT_EQ(stats.requests, stats.asked);
	EXPECT_EQ(0, stats.errors);
	EXPECT_EQ(0, stats.inflight);
}

/* Nothing is asked for when nothing is in flight: each new request finds it asleep. */
TEST_F(iopoll, sleeps_in_between)
{
	struct vq *vq = &self->m.d.vq[0];
	uint64_t before, nr = 20;
	struct blk_req r;
	unsigned int i;

	ASSERT_EQ(0, blk_alloc(&self->m.g, &r, 512));
	before = counters(&self->m.d).wakeups;
	for (i = 0; i < nr; i++) {
		usleep(20000);
		ASSERT_EQ(VIRTIO_BLK_S_OK, blk_do(vq, &r, VIRTIO_BLK_T_IN, 0, 512));
	}
	EXPECT_LE(before + nr, counters(&self->m.d).wakeups);
}

/* What is in flight at a reset is over when the reset is. */
TEST_F(iopoll, reset)
{
	struct load load = reads(&self->m.d, 16);
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, load_open(&load));
		ASSERT_EQ(0, device_reset(&self->m.d));
		EXPECT_EQ(0, counters(&self->m.d).inflight);
		ASSERT_EQ(0, device_start(&self->m.d, FEATURES_ALL));
	}
}

/* Closed with requests in flight; the fixture removes the disk under it. */
TEST_F(iopoll, closed)
{
	struct load load = reads(&self->m.d, LOAD_MOST);

	ASSERT_EQ(0, load_open(&load));
}

/* @fd: shared; the guest's device, once there is something in flight */
static void busy_guest(int disk, volatile int *fd)
{
	struct machine m = {};
	struct load load;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (machine_open(&m, disk))
		_exit(1);
	load = reads(&m.d, LOAD_MOST);
	if (load_open(&load))
		_exit(1);
	*fd = m.d.fd;
	load_run(&load, 1, UINT64_MAX);
	_exit(0);
}

/* What the block device has not answered. */
static int unanswered(const struct backing *b)
{
	char path[96];
	int reads = -1, writes = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/inflight", strrchr(b->path, '/') + 1);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%d %d", &reads, &writes) != 2)
		reads = -1;
	fclose(f);
	return reads + writes;
}

/*
 * Nobody is left to ask when a guest was killed: the lane does before it goes, not
 * only when the device is closed, which here it is not.
 */
TEST_F(iopoll, killed)
{
	volatile int *fd = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, kept, status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, (void *)fd);
	for (i = 0; i < 20; i++) {
		*fd = -1;
		pid = fork();
		if (!pid)
			busy_guest(self->disk.fd, fd);
		while (*fd < 0)
			usleep(50);
		usleep(100 * i);
		kept = adopt(pid, *fd);
		ASSERT_LE(0, kept);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(0, unanswered(&self->disk));
		close(kept);
	}
}

static int refusal(enum backing_kind kind)
{
	struct machine m = {};
	struct backing b;
	int err = backing_open(&b, kind, DISK);

	if (!err)
		err = machine_open(&m, b.fd);
	machine_close(&m);
	backing_close(&b);
	return err;
}

TEST(refused)
{
	struct guest g;
	struct device d;

	EXPECT_EQ(-EOPNOTSUPP, refusal(BACKING_MEMFD));
	EXPECT_EQ(-EOPNOTSUPP, refusal(BACKING_NULLB));
	EXPECT_EQ(-EOPNOTSUPP, refusal(BACKING_LOOP_DIRECT));
	ASSERT_EQ(0, guest_open(&g, MEM));
	ASSERT_EQ(0, device_open(&d, &g, VIRTIO_ID_RNG, 1, 4));
	EXPECT_EQ(-EINVAL, device_set_blk(&d, -1, KVLANE_BACKEND_IOPOLL, 0));
	device_close(&d);
	guest_close(&g);
}

/* A queue by vDPA that is to stand still has its device asked until it does. */
TEST(suspended)
{
	struct kvlane_queue_stats stats;
	struct backing disk;
	struct load load;
	struct guest g;
	struct vdpa v;
	int i;

	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	ASSERT_EQ(0, backing_open(&disk, BACKING_NULLB_DIRECT, DISK));
	ASSERT_EQ(0, backing_fill(&disk, DISK));
	ASSERT_EQ(0, guest_open(&g, MEM));
	ASSERT_EQ(0, vdpa_create(&v, &g, VIRTIO_ID_BLOCK, 1));
	ASSERT_EQ(0, device_set_blk(&v.d, disk.fd, KVLANE_BACKEND_IOPOLL, 0));
	ASSERT_EQ(0, vdpa_add(&v, ""));
	ASSERT_EQ(0, vdpa_open(&v));
	ASSERT_EQ(0, vdpa_start(&v));
	load = reads(&v.d, 16);
	ASSERT_EQ(0, load_open(&load));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, vdpa_ioctl(&v, VHOST_VDPA_SUSPEND, NULL));
		stats = counters(&v.d);
		EXPECT_EQ(0, stats.inflight);
		ASSERT_EQ(0, vdpa_ioctl(&v, VHOST_VDPA_RESUME, NULL));
		load_run(&load, 1, clock_ns() + NSEC / 100);
	}
	ASSERT_EQ(0, load_drain(&load, 1));
	EXPECT_EQ(0, load.failed);
	EXPECT_LT(0, counters(&v.d).asked);
	vdpa_close(&v);
	guest_close(&g);
	backing_close(&disk);
}

TEST_HARNESS_MAIN
