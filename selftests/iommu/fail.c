// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first, second, ... n-th allocation of every call fails, until the call gets
 * through: a call that failed has pinned, charged and mapped nothing more than before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "iommu.h"
#include "vfio.h"

#include "kselftest_harness.h"

#define PAGE	4096
#define MEM	(4 * MIB)
#define GPA	(16 * MIB)
#define DEBUG	"/sys/kernel/debug/"
/* A call with more allocations than this has gone astray. */
#define MOST	3000

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Allocations that may sleep fail too, and nothing is printed for each. */
static int arm_kernel(void)
{
	int err = access("/proc/thread-self/fail-nth", W_OK) ? -errno : 0;

	err = err ?: write_file(DEBUG "failslab/ignore-gfp-wait", "N");
	err = err ?: write_file(DEBUG "failslab/verbose", "0");
	err = err ?: write_file(DEBUG "fail_page_alloc/ignore-gfp-wait", "N");
	err = err ?: write_file(DEBUG "fail_page_alloc/verbose", "0");
	return err ?: write_file(DEBUG "fail_page_alloc/min-order", "0");
}

FIXTURE(fail) {
	struct vfio v[VFIO_MOST];
	struct ram b;
	int kvlane;
	int vm;
	int iommu;
	int nth;
	long pinned;
	uint64_t locked;
};

static int set_memory(int vm, uint8_t *mem, uint64_t size)
{
	struct kvlane_region region = { .gpa = GPA, .size = size, .hva = (uintptr_t)mem, .fd = -1 };
	struct kvlane_set_memory arg = { .nr_regions = 1, .regions = (uintptr_t)&region };

	return ioctl(vm, KVLANE_SET_MEMORY, &arg) ? -errno : 0;
}

static int open_vm(struct _test_data_fail *self)
{
	struct kvlane_create_iommu iommu = {};
	struct kvlane_create_vm vm = { .kvm_fd = -1 };
	int err;

	self->vm = ioctl(self->kvlane, KVLANE_CREATE_VM, &vm);
	err = set_memory(self->vm, self->b.mem, MEM);
	self->iommu = ioctl(self->vm, KVLANE_CREATE_IOMMU, &iommu);
	return err ?: vfio_open(&self->v[0], NULL);
}

static void close_vm(struct _test_data_fail *self)
{
	close(self->iommu);
	close(self->vm);
	vfio_close(&self->v[0]);
}

FIXTURE_SETUP(fail)
{
	self->kvlane = -1;
	self->b = (struct ram){};
	if (arm_kernel())
		SKIP(return, "this kernel has no fault injection");
	if (vfio_find(self->v) <= 0)
		SKIP(return, "no device for VFIO here");
	self->kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->nth);
	ASSERT_EQ(0, ram_open(&self->b, RAM_THP, MEM));
	self->pinned = pins();
	self->locked = locked_bytes();
}

FIXTURE_TEARDOWN(fail)
{
	if (self->kvlane < 0)
		return;
	EXPECT_EQ(0, pins_settle(self->pinned));
	EXPECT_EQ(self->locked, locked_bytes());
	close(self->nth);
	close(self->kvlane);
	ram_close(&self->b);
}

static void fail_at(struct _test_data_fail *self, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(self->nth, text, len, 0) != len)
		abort();
}

/* Disarms; true if the n-th allocation was reached, and so made to fail. */
static int has_failed(struct _test_data_fail *self)
{
	char text[16] = "";

	if (pread(self->nth, text, sizeof(text) - 1, 0) <= 0)
		abort();
	fail_at(self, 0);
	return atoi(text) == 0;
}

static uint64_t mapped(struct _test_data_fail *self)
{
	struct kvlane_iommu_stats stats = {};

	ioctl(self->iommu, KVLANE_IOMMU_STATS, &stats);
	return stats.mapped;
}

static int attach(struct _test_data_fail *self)
{
	return io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v[0].device);
}

/* VFIO begins anew each time, as after an error the device may be blocked. */
TEST_F_TIMEOUT(fail, attach, 300)
{
	unsigned int n;
	int err, failed = 1;

	for (n = 1; failed && n < MOST; n++) {
		ASSERT_EQ(0, open_vm(self));
		fail_at(self, n);
		err = attach(self);
		failed = has_failed(self);
		EXPECT_EQ(err ? 0 : MEM, mapped(self));
		EXPECT_EQ(self->locked + (err ? 0 : MEM), locked_bytes());
		if (err) {
			EXPECT_EQ(-ENOMEM, err);
		}
		close_vm(self);
		EXPECT_EQ(0, pins_settle(self->pinned));
	}
	TH_LOG("through at allocation %u", n - 1);
	EXPECT_EQ(0, err);
}

TEST_F_TIMEOUT(fail, split, 300)
{
	unsigned int n;
	int err, failed = 1;

	for (n = 1; failed && n < MOST; n++) {
		uint64_t now;

		ASSERT_EQ(0, open_vm(self));
		ASSERT_EQ(0, attach(self));
		fail_at(self, n);
		err = io_range(self->iommu, KVLANE_IOMMU_UNMAP, GPA + 3 * PAGE, PAGE, 0);
		failed = has_failed(self);
		now = mapped(self);
		/* All of the large page may be lost, nothing else. */
		if (err) {
			EXPECT_EQ(-ENOMEM, err);
			EXPECT_TRUE(now == MEM || now == MEM - 2 * MIB);
		} else {
			EXPECT_EQ(MEM - PAGE, now);
		}
		EXPECT_EQ(self->locked + now, locked_bytes());
		close_vm(self);
		EXPECT_EQ(0, pins_settle(self->pinned));
	}
	TH_LOG("through at allocation %u", n - 1);
	EXPECT_EQ(0, err);
}

TEST_F_TIMEOUT(fail, memory, 300)
{
	unsigned int n;
	int err, failed = 1;

	ASSERT_EQ(0, open_vm(self));
	ASSERT_EQ(0, set_memory(self->vm, self->b.mem, 2 * MIB));
	ASSERT_EQ(0, attach(self));
	for (n = 1; failed && n < MOST; n++) {
		fail_at(self, n);
		err = set_memory(self->vm, self->b.mem, MEM);
		failed = has_failed(self);
		EXPECT_EQ(err ? 2 * MIB : MEM, mapped(self));
		if (!err) {
			fail_at(self, n);
			err = set_memory(self->vm, self->b.mem, 2 * MIB);
			failed |= has_failed(self);
			EXPECT_EQ(err ? MEM : 2 * MIB, mapped(self));
		}
		if (err) {
			EXPECT_EQ(-ENOMEM, err);
		}
		set_memory(self->vm, self->b.mem, 2 * MIB);
	}
	TH_LOG("through at allocation %u", n - 1);
	EXPECT_EQ(0, err);
	close_vm(self);
}

TEST_HARNESS_MAIN
