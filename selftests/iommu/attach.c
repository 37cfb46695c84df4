// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that come and go, memory that comes and goes, calls that make no sense, and
 * ends of every kind: what VFIO had comes back, and nothing stays pinned or charged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/vfio.h>

#include "iommu.h"
#include "vfio.h"

#include "kselftest_harness.h"

#define PAGE	4096
#define MEM	(4 * MIB)
/* Guest physical addresses of the memory, and of nothing. */
#define GPA	(16 * MIB)
#define NOWHERE	(256 * MIB)
#define KILLS	6

/* An ioctl that has to fail. */
#define EXPECT_ERRNO(error, call) do {		\
	errno = 0;				\
	EXPECT_EQ(-1, (call));			\
	EXPECT_EQ(error, errno);		\
} while (0)

FIXTURE(attach) {
	struct vfio v[VFIO_MOST];
	int nr;
	struct ram b;
	int kvlane;
	int vm;
	int iommu;
	long pinned;
	uint64_t locked;
};

static struct kvlane_region region_of(uint64_t gpa, void *mem, uint64_t size)
{
	return (struct kvlane_region){
		.gpa = gpa, .size = size, .hva = (uintptr_t)mem, .fd = -1,
	};
}

static int set_memory(int vm, const struct kvlane_region *regions, unsigned int nr)
{
	struct kvlane_set_memory arg = { .nr_regions = nr, .regions = (uintptr_t)regions };

	return ioctl(vm, KVLANE_SET_MEMORY, &arg) ? -errno : 0;
}

static int new_iommu(int vm)
{
	struct kvlane_create_iommu arg = {};

	return ioctl(vm, KVLANE_CREATE_IOMMU, &arg);
}

static int attach(int iommu, const struct vfio *v)
{
	return io_device(iommu, KVLANE_IOMMU_ATTACH, v->device);
}

static int detach(int iommu, const struct vfio *v)
{
	return io_device(iommu, KVLANE_IOMMU_DETACH, v->device);
}

static struct kvlane_iommu_stats stats_of(int iommu)
{
	struct kvlane_iommu_stats stats;

	if (ioctl(iommu, KVLANE_IOMMU_STATS, &stats))
		memset(&stats, 0xff, sizeof(stats));
	return stats;
}

/* Can the device write to this place, which is seen here at mem? */
static bool reaches(struct vfio *v, uint64_t iova, uint8_t *mem)
{
	static uint8_t mark;
	bool same;

	/* The device's buffer keeps what it read last, if it may read. */
	memset(mem, ++mark, PAGE);
	edu_read(v, iova, PAGE);
	memset(mem, ~mark, PAGE);
	edu_write(v, iova, PAGE);
	same = mem[0] == mark && mem[PAGE - 1] == mark;
	memset(mem, 0, PAGE);
	return same;
}

static int make_vm(struct _test_data_attach *self)
{
	struct kvlane_create_vm vm = { .kvm_fd = -1 };
	struct kvlane_region region = region_of(GPA, self->b.mem, MEM);
	int err;

	self->kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	self->vm = ioctl(self->kvlane, KVLANE_CREATE_VM, &vm);
	err = set_memory(self->vm, &region, 1);
	if (err)
		return err;
	self->iommu = new_iommu(self->vm);
	return self->iommu < 0 ? -errno : 0;
}

FIXTURE_SETUP(attach)
{
	self->kvlane = -1;
	self->b = (struct ram){};
	self->nr = vfio_find(self->v);
	if (self->nr < 4)
		SKIP(return, "too few devices for VFIO here: %d", self->nr);
	ASSERT_EQ(0, vfio_open(&self->v[0], NULL));
	ASSERT_EQ(0, ram_open(&self->b, RAM_SMALL, MEM));
	self->pinned = pins();
	self->locked = locked_bytes();
	ASSERT_EQ(0, make_vm(self));
}

FIXTURE_TEARDOWN(attach)
{
	int i;

	if (self->kvlane > 0) {
		close(self->iommu);
		EXPECT_EQ(0, pins_settle(self->pinned));
		EXPECT_EQ(self->locked, locked_bytes());
		close(self->vm);
		close(self->kvlane);
	}
	for (i = 0; i < self->nr; i++)
		vfio_close(&self->v[i]);
	ram_close(&self->b);
}

TEST_F(attach, create_bad_input)
{
	struct kvlane_create_iommu arg = { .flags = 1 };

	EXPECT_ERRNO(EINVAL, ioctl(self->vm, KVLANE_CREATE_IOMMU, &arg));
	arg = (struct kvlane_create_iommu){ .reserved[2] = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->vm, KVLANE_CREATE_IOMMU, &arg));
	EXPECT_ERRNO(EFAULT, ioctl(self->vm, KVLANE_CREATE_IOMMU, 8));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->iommu, F_GETFD));
	EXPECT_ERRNO(ENOTTY, ioctl(self->iommu, KVLANE_SET_MEMORY, &arg));
}

TEST_F(attach, bad_files)
{
	int fds[] = { self->v[0].group, self->v[0].container, self->vm, self->iommu,
		      self->kvlane, self->b.fd };
	unsigned int i;

	EXPECT_EQ(-EBADF, io_device(self->iommu, KVLANE_IOMMU_ATTACH, -1));
	EXPECT_EQ(-EBADF, io_device(self->iommu, KVLANE_IOMMU_ATTACH, 1000));
	EXPECT_EQ(-EBADF, io_device(self->iommu, KVLANE_IOMMU_DETACH, -1));
	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		EXPECT_EQ(-EINVAL, io_device(self->iommu, KVLANE_IOMMU_ATTACH, fds[i]));
		EXPECT_EQ(-EINVAL, io_device(self->iommu, KVLANE_IOMMU_DETACH, fds[i]));
	}
	EXPECT_EQ(0, stats_of(self->iommu).devices);
	EXPECT_EQ(0, stats_of(self->iommu).mapped);
}

TEST_F(attach, bad_input)
{
	struct kvlane_iommu_device arg = { .fd = self->v[0].device, .flags = 1 };

	EXPECT_ERRNO(EINVAL, ioctl(self->iommu, KVLANE_IOMMU_ATTACH, &arg));
	arg = (struct kvlane_iommu_device){ .fd = self->v[0].device, .reserved[2] = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->iommu, KVLANE_IOMMU_ATTACH, &arg));
	EXPECT_ERRNO(EINVAL, ioctl(self->iommu, KVLANE_IOMMU_DETACH, &arg));
	EXPECT_ERRNO(EFAULT, ioctl(self->iommu, KVLANE_IOMMU_ATTACH, 8));
	EXPECT_ERRNO(EFAULT, ioctl(self->iommu, KVLANE_IOMMU_STATS, 8));
}

TEST_F(attach, bad_ranges)
{
	struct kvlane_iommu_range arg = { .gpa = GPA, .size = PAGE, .reserved0 = 1 };
	static const unsigned long cmds[] = { KVLANE_IOMMU_MAP, KVLANE_IOMMU_UNMAP };
	unsigned int i;

	for (i = 0; i < 2; i++)
		EXPECT_EQ(-ENXIO, io_range(self->iommu, cmds[i], GPA, PAGE, 0));
	ASSERT_EQ(0, attach(self->iommu, &self->v[0]));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EINVAL, io_range(self->iommu, cmds[i], GPA, 0, 0));
		EXPECT_EQ(-EINVAL, io_range(self->iommu, cmds[i], GPA + 1, PAGE, 0));
		EXPECT_EQ(-EINVAL, io_range(self->iommu, cmds[i], GPA, PAGE + 1, 0));
		EXPECT_EQ(-EINVAL, io_range(self->iommu, cmds[i], -(uint64_t)PAGE, PAGE, 0));
		EXPECT_EQ(-EINVAL, io_range(self->iommu, cmds[i], GPA, -(uint64_t)PAGE, 0));
		EXPECT_EQ(-EINVAL, io_range(self->iommu, cmds[i], GPA, PAGE, 2));
		EXPECT_EQ(-ENOENT, io_range(self->iommu, cmds[i], NOWHERE, PAGE, 0));
		EXPECT_ERRNO(EINVAL, ioctl(self->iommu, cmds[i], &arg));
		EXPECT_ERRNO(EFAULT, ioctl(self->iommu, cmds[i], 8));
	}
	EXPECT_EQ(-EINVAL, io_range(self->iommu, KVLANE_IOMMU_MAP, GPA, PAGE,
				    KVLANE_IOMMU_WHOLE));
	EXPECT_EQ(-EEXIST, io_range(self->iommu, KVLANE_IOMMU_MAP, GPA - PAGE, MEM, 0));
	EXPECT_EQ(MEM, stats_of(self->iommu).mapped);
	/* Memory ends where there is none, but what there is of it can be unmapped. */
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_UNMAP, 0, NOWHERE, 0));
	EXPECT_EQ(0, stats_of(self->iommu).mapped);
	EXPECT_EQ(-ENOENT, io_range(self->iommu, KVLANE_IOMMU_MAP, GPA, MEM + PAGE, 0));
	EXPECT_EQ(0, stats_of(self->iommu).mapped);
	EXPECT_EQ(self->locked, locked_bytes());
}

TEST_F(attach, once)
{
	int other = new_iommu(self->vm);

	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, detach(self->iommu, &self->v[0]));
	EXPECT_EQ(0, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(-EEXIST, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(-EBUSY, attach(other, &self->v[0]));
	EXPECT_EQ(-ENOENT, detach(other, &self->v[0]));
	EXPECT_EQ(0, detach(self->iommu, &self->v[0]));
	EXPECT_EQ(0, stats_of(self->iommu).mapped);
	EXPECT_EQ(self->locked, locked_bytes());
	EXPECT_EQ(0, attach(other, &self->v[0]));
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
	close(other);
	EXPECT_EQ(0, attach(self->iommu, &self->v[0]));
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
}

TEST_F(attach, devices_share_tables)
{
	struct kvlane_iommu_stats stats;

	/* One in the same container of VFIO's, one in another. */
	ASSERT_EQ(0, vfio_open(&self->v[1], &self->v[0]));
	ASSERT_EQ(0, vfio_open(&self->v[2], NULL));
	ASSERT_EQ(0, attach(self->iommu, &self->v[0]));
	ASSERT_EQ(0, attach(self->iommu, &self->v[1]));
	ASSERT_EQ(0, attach(self->iommu, &self->v[2]));
	stats = stats_of(self->iommu);
	EXPECT_EQ(3, stats.devices);
	EXPECT_EQ(1, stats.domains);
	EXPECT_EQ(MEM, stats.mapped);
	EXPECT_EQ(self->locked + MEM, locked_bytes());
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
	EXPECT_TRUE(reaches(&self->v[1], GPA, self->b.mem));
	EXPECT_TRUE(reaches(&self->v[2], GPA, self->b.mem));
	EXPECT_EQ(0, detach(self->iommu, &self->v[0]));
	EXPECT_FALSE(reaches(&self->v[0], GPA, self->b.mem));
	EXPECT_TRUE(reaches(&self->v[1], GPA, self->b.mem));
	EXPECT_EQ(2, stats_of(self->iommu).devices);
}

TEST_F(attach, one_group)
{
	struct kvlane_iommu_stats stats;

	if (self->v[2].group_id != self->v[3].group_id)
		SKIP(return, "no devices that share a group");
	ASSERT_EQ(0, vfio_open(&self->v[2], NULL));
	ASSERT_EQ(0, vfio_open(&self->v[3], &self->v[2]));
	ASSERT_EQ(0, attach(self->iommu, &self->v[2]));
	EXPECT_TRUE(reaches(&self->v[3], GPA, self->b.mem));
	ASSERT_EQ(0, attach(self->iommu, &self->v[3]));
	stats = stats_of(self->iommu);
	EXPECT_EQ(2, stats.devices);
	EXPECT_EQ(1, stats.domains);
	EXPECT_EQ(0, detach(self->iommu, &self->v[2]));
	EXPECT_TRUE(reaches(&self->v[3], GPA, self->b.mem));
	EXPECT_EQ(0, detach(self->iommu, &self->v[3]));
	EXPECT_FALSE(reaches(&self->v[3], GPA, self->b.mem));
}

static int type1_map(int container, uint64_t iova, void *mem, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int type1_unmap(int container, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size,
	};

	return ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : 0;
}

/* What VFIO maps, where we do or not, before, meanwhile and after. */
TEST_F(attach, vfio_maps_too)
{
	struct ram other;
	int container = self->v[0].container;

	ASSERT_EQ(0, ram_open(&other, RAM_SMALL, MEM));
	ASSERT_EQ(0, type1_map(container, NOWHERE, other.mem, MEM));
	EXPECT_TRUE(reaches(&self->v[0], NOWHERE, other.mem));
	ASSERT_EQ(0, attach(self->iommu, &self->v[0]));
	EXPECT_FALSE(reaches(&self->v[0], NOWHERE, other.mem));
	ASSERT_EQ(0, type1_map(container, GPA, other.mem, MEM));
	EXPECT_FALSE(reaches(&self->v[0], GPA, other.mem));
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
	ASSERT_EQ(0, type1_unmap(container, GPA, MEM));
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
	EXPECT_EQ(0, detach(self->iommu, &self->v[0]));
	EXPECT_TRUE(reaches(&self->v[0], NOWHERE, other.mem));
	EXPECT_FALSE(reaches(&self->v[0], GPA, self->b.mem));
	EXPECT_EQ(0, type1_unmap(container, NOWHERE, MEM));
	ram_close(&other);
}

TEST_F(attach, memory_in_holes)
{
	struct kvlane_region regions[] = {
		region_of(GPA, self->b.mem, MIB),
		region_of(0xfed00000, self->b.mem + MIB, 2 * MIB),
	};

	/* Interrupts go to 0xfee00000. */
	ASSERT_EQ(0, set_memory(self->vm, regions, 2));
	EXPECT_EQ(-ERANGE, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(0, stats_of(self->iommu).devices);
	EXPECT_EQ(self->locked, locked_bytes());
	regions[1].gpa = 1ULL << 57;
	ASSERT_EQ(0, set_memory(self->vm, regions, 2));
	EXPECT_EQ(-ERANGE, attach(self->iommu, &self->v[0]));
	regions[1].gpa = 0xfed00000;
	regions[1].size = MIB;
	ASSERT_EQ(0, set_memory(self->vm, regions, 2));
	EXPECT_EQ(0, attach(self->iommu, &self->v[0]));
	regions[1].size = 2 * MIB;
	EXPECT_EQ(-ERANGE, set_memory(self->vm, regions, 2));
	EXPECT_EQ(2 * MIB, stats_of(self->iommu).mapped);
	regions[1].gpa = 0xfef00000;
	EXPECT_EQ(0, set_memory(self->vm, regions, 2));
	EXPECT_EQ(3 * MIB, stats_of(self->iommu).mapped);
	EXPECT_TRUE(reaches(&self->v[0], 0xfef00000, self->b.mem + MIB));
}

TEST_F(attach, memory_changes)
{
	struct kvlane_region regions[] = {
		region_of(GPA, self->b.mem, MIB),
		region_of(NOWHERE, self->b.mem + 2 * MIB, MIB),
	};

	ASSERT_EQ(0, attach(self->iommu, &self->v[0]));
	EXPECT_TRUE(reaches(&self->v[0], GPA + 3 * MIB, self->b.mem + 3 * MIB));
	EXPECT_EQ(0, set_memory(self->vm, regions, 2));
	EXPECT_EQ(2 * MIB, stats_of(self->iommu).mapped);
	EXPECT_EQ(self->locked + 2 * MIB, locked_bytes());
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
	EXPECT_FALSE(reaches(&self->v[0], GPA + MIB, self->b.mem + MIB));
	EXPECT_TRUE(reaches(&self->v[0], NOWHERE, self->b.mem + 2 * MIB));
	/* What was unmapped stays so, as long as its memory is there. */
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_UNMAP, GPA, PAGE, 0));
	EXPECT_EQ(0, set_memory(self->vm, regions, 1));
	EXPECT_EQ(MIB - PAGE, stats_of(self->iommu).mapped);
	EXPECT_FALSE(reaches(&self->v[0], GPA, self->b.mem));
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_MAP, GPA, PAGE, 0));
	/* It cannot move under a device. */
	regions[0].hva += PAGE;
	EXPECT_EQ(-EBUSY, set_memory(self->vm, regions, 2));
	EXPECT_EQ(MIB, stats_of(self->iommu).mapped);
	EXPECT_EQ(0, set_memory(self->vm, NULL, 0));
	EXPECT_EQ(0, stats_of(self->iommu).mapped);
	EXPECT_EQ(self->locked, locked_bytes());
	EXPECT_EQ(0, set_memory(self->vm, regions, 2));
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem + PAGE));
}

/* The end of memory within a large page. */
TEST_F(attach, memory_shrinks)
{
	struct kvlane_region region;
	struct ram b;

	if (ram_open(&b, RAM_2M, 4 * MIB))
		SKIP(return, "no huge pages to be had");
	region = region_of(GPA, b.mem, 4 * MIB);
	ASSERT_EQ(0, set_memory(self->vm, &region, 1));
	ASSERT_EQ(0, attach(self->iommu, &self->v[0]));
	region.size = 3 * MIB;
	EXPECT_EQ(0, set_memory(self->vm, &region, 1));
	EXPECT_EQ(3 * MIB, stats_of(self->iommu).mapped);
	EXPECT_EQ(2 * MIB, stats_of(self->iommu).leaves[1].bytes);
	EXPECT_TRUE(reaches(&self->v[0], GPA + 3 * MIB - PAGE, b.mem + 3 * MIB - PAGE));
	EXPECT_FALSE(reaches(&self->v[0], GPA + 3 * MIB, b.mem + 3 * MIB));
	EXPECT_EQ(0, set_memory(self->vm, NULL, 0));
	ram_close(&b);
}

TEST_F(attach, memory_that_cannot_be)
{
	struct kvlane_region regions[] = {
		region_of(GPA, self->b.mem, MIB),
		region_of(NOWHERE, self->b.mem + MIB, MIB),
	};

	ASSERT_EQ(0, set_memory(self->vm, regions, 2));
	ASSERT_EQ(0, mprotect(self->b.mem + MIB, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(0, stats_of(self->iommu).devices);
	EXPECT_EQ(0, pins_settle(self->pinned));
	ASSERT_EQ(0, munmap(self->b.mem + 2 * MIB - PAGE, PAGE));
	ASSERT_EQ(0, mprotect(self->b.mem + MIB, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-EFAULT, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(0, pins_settle(self->pinned));
	EXPECT_EQ(0, set_memory(self->vm, regions, 1));
	EXPECT_EQ(0, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(-EFAULT, set_memory(self->vm, regions, 2));
	EXPECT_EQ(MIB, stats_of(self->iommu).mapped);
	EXPECT_EQ(self->locked + MIB, locked_bytes());
}

static int drop_capability(unsigned int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[cap / 32].effective &= ~(1U << cap % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

TEST_F(attach, memlock)
{
	struct rlimit limit = { .rlim_cur = self->locked + MEM - PAGE, .rlim_max = RLIM_INFINITY };
	struct kvlane_region region = region_of(GPA, self->b.mem, MEM - PAGE);

	ASSERT_EQ(0, drop_capability(CAP_IPC_LOCK));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	EXPECT_EQ(-EDQUOT, attach(self->iommu, &self->v[0]));
	EXPECT_EQ(0, stats_of(self->iommu).devices);
	EXPECT_EQ(self->locked, locked_bytes());
	EXPECT_EQ(0, set_memory(self->vm, &region, 1));
	EXPECT_EQ(0, attach(self->iommu, &self->v[0]));
	region.size += PAGE;
	EXPECT_EQ(-EDQUOT, set_memory(self->vm, &region, 1));
	EXPECT_EQ(MEM - PAGE, stats_of(self->iommu).mapped);
}

TEST_F(attach, another_process)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, attach(self->iommu, &self->v[0]));
	pid = fork();
	if (!pid) {
		struct kvlane_iommu_stats stats;

		if (!ioctl(self->iommu, KVLANE_IOMMU_STATS, &stats) || errno != EPERM)
			_exit(1);
		if (detach(self->iommu, &self->v[0]) != -EPERM)
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(reaches(&self->v[0], GPA, self->b.mem));
}

/* Each order in which neighbours change places; the memory goes first, last, between. */
TEST_F_TIMEOUT(attach, closed_in_any_order, 200)
{
	struct vfio *v = &self->v[0];
	int order[6] = { 0, 1, 2, 3, 4, 5 };
	int round, i, swap;

	for (round = 0; round < 30; round++) {
		int *fds[6] = { &self->iommu, &self->vm, &v->device, &v->group,
				&v->container, &self->kvlane };

		ASSERT_EQ(0, attach(self->iommu, v));
		ASSERT_EQ(MEM, stats_of(self->iommu).mapped);
		for (i = 0; i < 6; i++) {
			if (i == round % 7)
				ram_close(&self->b);
			close(*fds[order[i]]);
			*fds[order[i]] = -1;
		}
		munmap((void *)v->regs, PAGE);
		v->regs = NULL;
		ram_close(&self->b);
		EXPECT_EQ(0, pins_settle(self->pinned));
		EXPECT_EQ(self->locked, locked_bytes());
		i = round % 5;
		swap = order[i];
		order[i] = order[i + 1];
		order[i + 1] = swap;
		ASSERT_EQ(0, ram_open(&self->b, RAM_SMALL, MEM));
		ASSERT_EQ(0, vfio_open(v, NULL));
		ASSERT_EQ(0, make_vm(self));
	}
}

/* Maps and unmaps for as long as it lives. */
static void busy(struct _test_data_attach *self)
{
	struct vfio *v = &self->v[1];
	struct ram b;

	if (ram_open(&b, RAM_THP, 32 * MIB) || vfio_open(v, NULL))
		_exit(1);
	self->b = b;
	self->b.size = MEM;
	if (make_vm(self))
		_exit(2);
	for (;;) {
		struct kvlane_region regions[] = {
			region_of(GPA, b.mem, MEM), region_of(GIB, b.mem + MEM, 28 * MIB),
		};

		set_memory(self->vm, regions, 2);
		attach(self->iommu, v);
		io_range(self->iommu, KVLANE_IOMMU_UNMAP, GPA + 5 * PAGE, PAGE, 0);
		io_range(self->iommu, KVLANE_IOMMU_MAP, GPA + 5 * PAGE, PAGE, 0);
		set_memory(self->vm, regions, 1);
		io_range(self->iommu, KVLANE_IOMMU_UNMAP, GPA, MEM, 0);
		if (v->device % 2)
			detach(self->iommu, v);
	}
}

TEST_F_TIMEOUT(attach, killed, 200)
{
	int i, status;
	pid_t pid;

	for (i = 0; i < KILLS; i++) {
		pid = fork();
		if (!pid)
			busy(self);
		usleep(300000 + 37000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(0, pins_settle(self->pinned));
	}
	/* The device is free. */
	ASSERT_EQ(0, vfio_open(&self->v[1], NULL));
	EXPECT_EQ(0, attach(self->iommu, &self->v[1]));
}

/* VFIO's driver is taken from a device in use: that waits until we let go. */
TEST_F_TIMEOUT(attach, unbound, 200)
{
	struct vfio *v = &self->v[0];
	struct vfio again[VFIO_MOST];
	int status;
	pid_t pid;

	ASSERT_EQ(0, attach(self->iommu, v));
	pid = fork();
	if (!pid) {
		int i;

		munmap((void *)v->regs, PAGE);
		for (i = 3; i < 64; i++)
			close(i);
		_exit(vfio_unbind(v) ? 1 : 0);
	}
	usleep(500000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_TRUE(reaches(v, GPA, self->b.mem));
	vfio_close(v);
	usleep(300000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	close(self->iommu);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, pins_settle(self->pinned));
	/* Another try finds it bound again. */
	EXPECT_EQ(self->nr, vfio_find(again));
	self->iommu = new_iommu(self->vm);
	ASSERT_EQ(0, vfio_open(v, NULL));
	EXPECT_EQ(0, attach(self->iommu, v));
}

TEST_HARNESS_MAIN
