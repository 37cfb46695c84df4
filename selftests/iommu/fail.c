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

#include "fault.h"
#include "iommu.h"
#include "vfio.h"

#include "kselftest_harness.h"

#define PAGE	4096
#define MEM	(4 * MIB)
#define GPA	(16 * MIB)
/* A call with more allocations than this has gone astray. */
#define MOST	3000

FIXTURE(fail) {
	struct vfio v[VFIO_MOST];
	struct ram b;
	int kvlane;
	int vm;
	int iommu;
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
	if (fault_open())
		SKIP(return, "this kernel has no fault injection");
	if (vfio_find(self->v) <= 0)
		SKIP(return, "no device for VFIO here");
	self->kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
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
	fault_close();
	close(self->kvlane);
	ram_close(&self->b);
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
		fault_at(n);
		err = attach(self);
		failed = fault_was();
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
		fault_at(n);
		err = io_range(self->iommu, KVLANE_IOMMU_UNMAP, GPA + 3 * PAGE, PAGE, 0);
		failed = fault_was();
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
		fault_at(n);
		err = set_memory(self->vm, self->b.mem, MEM);
		failed = fault_was();
		EXPECT_EQ(err ? 2 * MIB : MEM, mapped(self));
		if (!err) {
			fault_at(n);
			err = set_memory(self->vm, self->b.mem, 2 * MIB);
			failed |= fault_was();
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
