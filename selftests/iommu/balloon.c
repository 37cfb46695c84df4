// SPDX-License-Identifier: GPL-2.0-only
/*
 * A balloon beside a device of the host's: what the host has the device cannot reach, and
 * what the guest has back it can before the guest is answered.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <linux/virtio_balloon.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "iommu.h"
#include "vfio.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define BASE		(8 * GIB)
#define PAGE		4096
#define BLOCK		(2 * MIB)
#define BLOCKS		8
#define SIZE		(BLOCKS * BLOCK)
#define PAGES		(BLOCK / PAGE)

enum { INFLATE, DEFLATE };

FIXTURE(balloon) {
	struct vfio found[VFIO_MOST];
	struct vfio *v;
	struct guest g;
	struct device d;
	struct ram b;
	uint64_t size;
	int iommu;
	uint32_t *pfns;
	long pinned;
};

/*
 * @kind: of memory
 * @huge: bytes that go at once; 0 for a block
 */
FIXTURE_VARIANT(balloon) {
	enum ram_kind kind;
	uint64_t huge;
};

FIXTURE_VARIANT_ADD(balloon, 4K) {
	.kind = RAM_SCATTERED,
};

FIXTURE_VARIANT_ADD(balloon, THP) {
	.kind = RAM_THP,
};

FIXTURE_VARIANT_ADD(balloon, 2M) {
	.kind = RAM_2M,
};

/* A page of 1 GiB, which goes when all blocks of it are whole. */
FIXTURE_VARIANT_ADD(balloon, 1G) {
	.kind = RAM_1G, .huge = GIB,
};

FIXTURE_SETUP(balloon)
{
	struct kvlane_backend backend = { .fd = -1 };
	struct kvlane_create_iommu iommu = {};
	int err;

	self->d.fd = -1;
	if (vfio_find(self->found) <= 0)
		SKIP(return, "no device for VFIO here");
	self->v = &self->found[0];
	ASSERT_EQ(0, vfio_open(self->v, NULL));
	self->pinned = pins();
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	self->size = variant->huge ? variant->huge : SIZE;
	err = ram_open(&self->b, variant->kind, self->size);
	if (err == -ENOMEM)
		SKIP(return, "no huge pages to be had");
	ASSERT_EQ(0, err);
	self->g.regions[self->g.nr_regions++] = (struct kvlane_region){
		.gpa = BASE,
		.size = self->size,
		.hva = (uintptr_t)self->b.mem,
		.fd = self->b.fd,
	};
	ASSERT_EQ(0, guest_set_regions(&self->g, self->g.regions, self->g.nr_regions));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BALLOON, 2, 64));
	ASSERT_EQ(0, ioctl(self->d.fd, KVLANE_SET_BACKEND, &backend));
	self->pfns = guest_alloc(&self->g, PAGES * sizeof(uint32_t), PAGE);
	self->iommu = ioctl(self->g.vm, KVLANE_CREATE_IOMMU, &iommu);
	ASSERT_LE(0, self->iommu);
	ASSERT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
}

FIXTURE_TEARDOWN(balloon)
{
	device_close(&self->d);
	if (self->iommu > 0)
		close(self->iommu);
	ram_close(&self->b);
	guest_close(&self->g);
	if (!self->v)
		return;
	EXPECT_EQ(0, pins_settle(self->pinned));
	vfio_close(self->v);
}

/* A block, but for so many of its pages. */
static int move(struct _test_data_balloon *self, unsigned int queue, unsigned int block,
		unsigned int without)
{
	struct iovec out = { self->pfns, (PAGES - without) * sizeof(uint32_t) };
	struct vq *vq = &self->d.vq[queue];
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		self->pfns[i] = (BASE + block * BLOCK) / PAGE + i;
	if (vq_add(vq, &out, 1, NULL, 0, self) < 0)
		return -ENOSPC;
	vq_kick(vq);
	return vq_wait(vq, NULL) == self ? 0 : -ETIMEDOUT;
}

static uint64_t mapped(struct _test_data_balloon *self)
{
	struct kvlane_iommu_stats stats = {};

	return ioctl(self->iommu, KVLANE_IOMMU_STATS, &stats) ? UINT64_MAX : stats.mapped;
}

static struct kvlane_balloon_info info(struct _test_data_balloon *self)
{
	struct kvlane_balloon_info info = {};

	if (ioctl(self->d.fd, KVLANE_GET_BALLOON, &info))
		info.target = UINT64_MAX;
	return info;
}

static uint64_t used(struct _test_data_balloon *self)
{
	struct stat st = {};

	fstat(self->b.fd, &st);
	return st.st_blocks * 512ULL;
}

/* The device copies from one place of a block to another, through the IOMMU. */
static bool reaches(struct _test_data_balloon *self, unsigned int block, uint8_t seed)
{
	uint8_t *mem = self->b.mem + block * BLOCK;
	uint64_t gpa = BASE + block * BLOCK;

	memset(mem, seed, EDU_BUFFER);
	memset(mem + BLOCK / 2, ~seed, EDU_BUFFER);
	edu_read(self->v, gpa, EDU_BUFFER);
	edu_write(self->v, gpa + BLOCK / 2, EDU_BUFFER);
	return !memcmp(mem, mem + BLOCK / 2, EDU_BUFFER);
}

TEST_F(balloon, back_and_forth)
{
	const uint64_t all = mapped(self);
	unsigned int round;

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_TRUE(reaches(self, 3, 0x11));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, move(self, INFLATE, 3, 0));
		EXPECT_EQ(BLOCK, info(self).freed);
		EXPECT_EQ(0, info(self).pinned);
		EXPECT_EQ(all - BLOCK, mapped(self));
		EXPECT_EQ(SIZE - BLOCK, used(self));
		/* Its neighbours it has as before. */
		EXPECT_TRUE(reaches(self, 2, 0x21 + round));
		EXPECT_TRUE(reaches(self, 4, 0x31 + round));
		/* What it writes there is nowhere to be found: only zeroes come back. */
		edu_write(self->v, BASE + 3 * BLOCK, EDU_BUFFER);
		ASSERT_EQ(0, move(self, DEFLATE, 3, 0));
		EXPECT_EQ(0, self->b.mem[3 * BLOCK]);
		EXPECT_EQ(0, memcmp(self->b.mem + 3 * BLOCK, self->b.mem + 3 * BLOCK + 1,
				    BLOCK - 1));
		EXPECT_EQ(all, mapped(self));
		EXPECT_TRUE(reaches(self, 3, 0x41 + round));
	}
}

TEST_F(balloon, huge_page)
{
	const uint64_t all = mapped(self);
	struct hugetlb before = hugetlb_pages();
	unsigned int block;

	if (!variant->huge)
		SKIP(return, "blocks go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (block = 1; block < self->size / BLOCK; block++)
		ASSERT_EQ(0, move(self, INFLATE, block, 0));
	EXPECT_EQ(self->size / BLOCK - 1, info(self).whole);
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 0, 0x91));
	ASSERT_EQ(0, move(self, INFLATE, 0, 0));
	EXPECT_EQ(self->size, info(self).freed);
	EXPECT_EQ(all - self->size, mapped(self));
	EXPECT_EQ(before.used - 1, hugetlb_pages().used);
	/* One page is enough to have all of it back. */
	ASSERT_EQ(0, move(self, DEFLATE, 7, PAGES - 1));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(self->size / BLOCK - 1, info(self).whole);
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(before.used, hugetlb_pages().used);
	EXPECT_EQ(before.reserved, hugetlb_pages().reserved);
	EXPECT_TRUE(reaches(self, 7, 0x92));
	EXPECT_TRUE(reaches(self, 300, 0x93));
}

/* One page is enough to have all of it back. */
TEST_F(balloon, one_page)
{
	const uint64_t all = mapped(self);

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 5, 1));
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 5, 0x51));
	ASSERT_EQ(0, move(self, INFLATE, 5, 0));
	EXPECT_EQ(all - BLOCK, mapped(self));
	ASSERT_EQ(0, move(self, DEFLATE, 5, PAGES - 1));
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 5, 0x52));
}

/* The driver starts over, and then the device goes. */
TEST_F(balloon, forgotten)
{
	const uint64_t all = mapped(self);

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 1, 0));
	EXPECT_EQ(all - BLOCK, mapped(self));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 1, 0x61));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 1, 0));
	EXPECT_EQ(all - BLOCK, mapped(self));
	device_close(&self->d);
	self->d.fd = -1;
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 1, 0x62));
}

/* Whoever has the device last: what was lent is the guest's again, as in the owner's hands. */
TEST_F(balloon, closed_elsewhere)
{
	const uint64_t all = mapped(self);
	int word[2], status;
	pid_t pid;

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 1, 0));
	ASSERT_EQ(0, move(self, INFLATE, 6, 0));
	ASSERT_EQ(0, pipe2(word, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		char end;

		close(word[1]);
		_exit(read(word[0], &end, 1));
	}
	ASSERT_LT(0, pid);
	device_close(&self->d);
	self->d.fd = -1;
	EXPECT_EQ(all - 2 * BLOCK, mapped(self));
	close(word[0]);
	close(word[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(SIZE, used(self));
	EXPECT_TRUE(reaches(self, 1, 0x63));
	EXPECT_TRUE(reaches(self, 6, 0x64));
}

/* Gives the device back, and takes it again when the balloon is what it is. */
static int detach(struct _test_data_balloon *self)
{
	return io_device(self->iommu, KVLANE_IOMMU_DETACH, self->v->device);
}

static int attach(struct _test_data_balloon *self)
{
	return io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device);
}

/* A device that comes later finds the same as one that was there from the start. */
TEST_F(balloon, attached_later)
{
	const uint64_t all = mapped(self);
	struct hugetlb before = hugetlb_pages();
	unsigned int block;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, detach(self));
	EXPECT_EQ(0, mapped(self));
	if (variant->huge)
		for (block = 0; block < self->size / BLOCK; block++)
			ASSERT_EQ(0, move(self, INFLATE, block, 0));
	ASSERT_EQ(0, move(self, INFLATE, 3, 0));
	ASSERT_EQ(0, move(self, INFLATE, 4, 0));
	ASSERT_EQ(0, move(self, INFLATE, 6, 0));
	ASSERT_EQ(0, attach(self));
	if (variant->huge) {
		EXPECT_EQ(self->size, info(self).freed);
		EXPECT_EQ(all - self->size, mapped(self));
		EXPECT_EQ(before.used - 1, hugetlb_pages().used);
	} else {
		EXPECT_EQ(3 * BLOCK, info(self).freed);
		EXPECT_EQ(all - 3 * BLOCK, mapped(self));
		EXPECT_EQ(SIZE - 3 * BLOCK, used(self));
		EXPECT_TRUE(reaches(self, 2, 0xa1));
		EXPECT_TRUE(reaches(self, 5, 0xa2));
		EXPECT_TRUE(reaches(self, 7, 0xa3));
		EXPECT_EQ(SIZE - 3 * BLOCK, used(self));
	}
	ASSERT_EQ(0, move(self, DEFLATE, 3, 0));
	ASSERT_EQ(0, move(self, DEFLATE, 4, 0));
	ASSERT_EQ(0, move(self, DEFLATE, 6, 0));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(self->size, used(self));
	EXPECT_TRUE(reaches(self, 3, 0xa4));
	EXPECT_TRUE(reaches(self, 4, 0xa5));
	EXPECT_TRUE(reaches(self, 6, 0xa6));
	/* The block between them is as it was, in the middle of what was put in. */
	EXPECT_TRUE(reaches(self, 5, 0xa7));
}

/* Memory that goes, and comes again, is there, whatever became of it in between. */
TEST_F(balloon, memory_set_again)
{
	const uint64_t all = mapped(self);
	const unsigned int nr = self->g.nr_regions;
	struct kvlane_region r[4];

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 3, 0));
	/* The same memory in two regions is no change. */
	memcpy(r, self->g.regions, sizeof(self->g.regions));
	r[nr - 1].size = 3 * BLOCK + BLOCK / 2;
	r[nr] = r[nr - 1];
	r[nr].gpa += r[nr].size;
	r[nr].hva += r[nr].size;
	r[nr].size = SIZE - r[nr].size;
	r[nr].fd = -1;
	ASSERT_EQ(0, guest_set_regions(&self->g, r, nr + 1));
	EXPECT_EQ(BLOCK, info(self).freed);
	EXPECT_EQ(all - BLOCK, mapped(self));
	/* Of the block half stays, which is the device's at once. */
	ASSERT_EQ(0, guest_set_regions(&self->g, r, nr));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(all - SIZE + 3 * BLOCK + BLOCK / 2, mapped(self));
	ASSERT_EQ(0, guest_set_regions(&self->g, r, nr - 1));
	EXPECT_EQ(all - SIZE, mapped(self));
	ASSERT_EQ(0, guest_set_regions(&self->g, r, nr + 1));
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(SIZE, used(self));
	EXPECT_EQ(BLOCK, info(self).ballooned);
	EXPECT_TRUE(reaches(self, 2, 0xb1));
	ASSERT_EQ(0, move(self, DEFLATE, 3, 0));
	EXPECT_EQ(0, info(self).ballooned + info(self).ignored);
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 3, 0xb2));
}

/* Nor is there less for one if the driver would use it without a word: it lends nothing. */
TEST_F(balloon, attached_later_told_late)
{
	const uint64_t all = mapped(self);

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	ASSERT_EQ(0, detach(self));
	ASSERT_EQ(0, move(self, INFLATE, 2, 0));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(1, info(self).refused);
	ASSERT_EQ(0, attach(self));
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(SIZE, used(self));
	EXPECT_TRUE(reaches(self, 2, 0xc1));
	ASSERT_EQ(0, move(self, DEFLATE, 2, 0));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(all, mapped(self));
}

static int shrink_slabs(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, "2", 1) != 1;

	if (fd >= 0)
		close(fd);
	return err;
}

static uint64_t freed_when_pressed(struct _test_data_balloon *self, uint64_t wanted)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS && info(self).freed != wanted; ms += 10)
		usleep(10000);
	return info(self).freed;
}

/* What the host took of a block that is the guest's in part is there for the device. */
TEST_F(balloon, attached_after_pressure)
{
	const uint64_t all = mapped(self);

	if (variant->huge || variant->kind == RAM_2M)
		SKIP(return, "hugetlb pages are not taken apart");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, detach(self));
	ASSERT_EQ(0, move(self, INFLATE, 1, 3));
	ASSERT_EQ(0, shrink_slabs());
	ASSERT_EQ(BLOCK - 3 * PAGE, freed_when_pressed(self, BLOCK - 3 * PAGE));
	EXPECT_EQ(SIZE - BLOCK + 3 * PAGE, used(self));
	ASSERT_EQ(0, attach(self));
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(SIZE, used(self));
	EXPECT_TRUE(reaches(self, 1, 0xd1));
	ASSERT_EQ(0, move(self, DEFLATE, 1, 3));
	EXPECT_EQ(0, info(self).freed + info(self).ballooned + info(self).ignored);
}

/* A driver that does not tell before it uses a page lends none. */
TEST_F(balloon, told_late)
{
	const uint64_t all = mapped(self);

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	ASSERT_EQ(0, move(self, INFLATE, 2, 0));
	EXPECT_EQ(all, mapped(self));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(1, info(self).refused);
	EXPECT_TRUE(reaches(self, 2, 0x71));
}

/* What VFIO itself has mapped stays, and is counted. */
TEST_F(balloon, mapped_by_vfio)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)self->b.mem + 6 * BLOCK,
		.iova = BASE + 6 * BLOCK,
		.size = BLOCK,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = map.iova, .size = map.size,
	};
	const uint64_t all = mapped(self);

	if (variant->huge)
		SKIP(return, "blocks do not go alone");
	ASSERT_EQ(0, ioctl(self->v->container, VFIO_IOMMU_MAP_DMA, &map));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 6, 0));
	EXPECT_EQ(0, info(self).freed);
	EXPECT_EQ(1, info(self).pinned);
	EXPECT_EQ(all, mapped(self));
	EXPECT_TRUE(reaches(self, 6, 0x81));
	EXPECT_EQ(0, ioctl(self->v->container, VFIO_IOMMU_UNMAP_DMA, &unmap));
}

TEST_HARNESS_MAIN
