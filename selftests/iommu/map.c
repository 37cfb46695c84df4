// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory of every kind in an IOMMU: the pages it is mapped in, a device that reads
 * and writes through them, and what the device can do no more once they are unmapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu.h"
#include "vfio.h"

#include "kselftest_harness.h"

#define MOST	3
#define PAGE	4096
/* Where memory begins: agrees with every page size. */
#define BASE	GIB

FIXTURE(map) {
	struct vfio found[VFIO_MOST];
	struct vfio *v;
	struct ram b[MOST];
	struct kvlane_region regions[MOST];
	unsigned int nr;
	int kvlane;
	int vm;
	int iommu;
	long pinned;
	uint64_t locked;
	struct hugetlb huge;
};

/*
 * @kinds: of memory, one after the other
 * @sizes: bytes of each
 * @skew: guest physical addresses are so much beyond what suits pages
 * @leaves: bytes there have to be in leaves of each size, at least
 */
FIXTURE_VARIANT(map) {
	unsigned int nr;
	enum ram_kind kinds[MOST];
	uint64_t sizes[MOST];
	uint64_t skew;
	uint64_t leaves[KVLANE_IOMMU_LEAVES];
};

FIXTURE_VARIANT_ADD(map, 4K) {
	.nr = 1, .kinds = { RAM_SCATTERED }, .sizes = { 16 * MIB },
	.leaves = { 15 * MIB, 0, 0 },
};

FIXTURE_VARIANT_ADD(map, private) {
	.nr = 1, .kinds = { RAM_PRIVATE }, .sizes = { 16 * MIB },
};

FIXTURE_VARIANT_ADD(map, THP) {
	.nr = 1, .kinds = { RAM_THP }, .sizes = { 64 * MIB },
	.leaves = { 0, 60 * MIB, 0 },
};

FIXTURE_VARIANT_ADD(map, 2M) {
	.nr = 1, .kinds = { RAM_2M }, .sizes = { 64 * MIB },
	.leaves = { 0, 64 * MIB, 0 },
};

FIXTURE_VARIANT_ADD(map, 1G) {
	.nr = 1, .kinds = { RAM_1G }, .sizes = { GIB },
	.leaves = { 0, 0, GIB },
};

/* Nothing agrees with a leaf of 1 GiB, and 2 MiB does. */
FIXTURE_VARIANT_ADD(map, 1G_skewed) {
	.nr = 1, .kinds = { RAM_1G }, .sizes = { GIB }, .skew = 2 * MIB,
	.leaves = { 0, GIB, 0 },
};

FIXTURE_VARIANT_ADD(map, 2M_skewed) {
	.nr = 1, .kinds = { RAM_2M }, .sizes = { 16 * MIB }, .skew = PAGE,
	.leaves = { 16 * MIB, 0, 0 },
};

FIXTURE_VARIANT_ADD(map, mixed) {
	.nr = 3, .kinds = { RAM_1G, RAM_2M, RAM_SCATTERED },
	.sizes = { GIB, 64 * MIB, 4 * MIB }, .leaves = { 3 * MIB, 64 * MIB, GIB },
};

static int make_vm(struct _test_data_map *self)
{
	struct kvlane_create_vm vm = { .kvm_fd = -1 };
	struct kvlane_create_iommu iommu = {};
	struct kvlane_set_memory memory = {
		.nr_regions = self->nr,
		.regions = (uintptr_t)self->regions,
	};

	self->kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	self->vm = ioctl(self->kvlane, KVLANE_CREATE_VM, &vm);
	if (self->vm < 0 || ioctl(self->vm, KVLANE_SET_MEMORY, &memory))
		return -errno;
	self->iommu = ioctl(self->vm, KVLANE_CREATE_IOMMU, &iommu);
	return self->iommu < 0 ? -errno : 0;
}

FIXTURE_SETUP(map)
{
	uint64_t gpa = BASE + variant->skew;
	int nr, err;

	memset(self->b, 0, sizeof(self->b));
	self->nr = 0;
	self->kvlane = -1;
	self->huge = hugetlb_pages();
	nr = vfio_find(self->found);
	if (nr <= 0)
		SKIP(return, "no device for VFIO here: %d", nr);
	self->v = &self->found[0];
	ASSERT_EQ(0, vfio_open(self->v, NULL));
	for (; self->nr < variant->nr; self->nr++) {
		struct ram *b = &self->b[self->nr];

		err = ram_open(b, variant->kinds[self->nr], variant->sizes[self->nr]);
		if (err == -ENOMEM)
			SKIP(return, "no huge pages to be had");
		ASSERT_EQ(0, err);
		self->regions[self->nr] = (struct kvlane_region){
			.gpa = gpa,
			.size = b->size,
			.hva = (uintptr_t)b->mem,
			.fd = b->fd,
		};
		gpa += b->size;
	}
	self->pinned = pins();
	self->locked = locked_bytes();
	ASSERT_EQ(0, make_vm(self));
}

FIXTURE_TEARDOWN(map)
{
	unsigned int i;

	if (self->kvlane > 0) {
		close(self->iommu);
		EXPECT_EQ(0, pins_settle(self->pinned));
		EXPECT_EQ(self->locked, locked_bytes());
		close(self->vm);
		close(self->kvlane);
	}
	if (self->v)
		vfio_close(self->v);
	for (i = 0; i < self->nr; i++)
		ram_close(&self->b[i]);
	EXPECT_EQ(self->huge.used, hugetlb_pages().used);
	EXPECT_EQ(self->huge.reserved, hugetlb_pages().reserved);
}

static uint64_t total(struct _test_data_map *self)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < self->nr; i++)
		sum += self->b[i].size;
	return sum;
}

/* The device reads a pattern at one place and writes it to another. */
static int copy(struct _test_data_map *self, unsigned int region, uint64_t from, uint64_t to,
		uint8_t seed)
{
	struct ram *b = &self->b[region];
	uint64_t gpa = self->regions[region].gpa;

	memset(b->mem + from, seed, EDU_BUFFER);
	memset(b->mem + to, ~seed, EDU_BUFFER);
	edu_read(self->v, gpa + from, EDU_BUFFER);
	edu_write(self->v, gpa + to, EDU_BUFFER);
	return memcmp(b->mem + from, b->mem + to, EDU_BUFFER);
}

TEST_F(map, leaves)
{
	struct kvlane_iommu_stats stats;
	uint64_t seen[KVLANE_IOMMU_LEAVES], syncs = 0;
	unsigned int i;
	int watched = leaves_watch();

	if (watched)
		TH_LOG("what the IOMMU's driver is told cannot be seen here: %d", watched);
	ASSERT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
	if (!watched) {
		EXPECT_EQ(0, leaves_seen(seen, &syncs));
	}
	ASSERT_EQ(0, ioctl(self->iommu, KVLANE_IOMMU_STATS, &stats));
	EXPECT_EQ(total(self), stats.mapped);
	EXPECT_EQ(1, stats.devices);
	EXPECT_EQ(1, stats.domains);
	EXPECT_EQ(self->locked + total(self), locked_bytes());
	/* For each GiB it may take one that has little to do. */
	TH_LOG("%llu runs, %llu syncs", stats.runs, (unsigned long long)syncs);
	EXPECT_LE(syncs, stats.runs / 64 + 4);
	for (i = 0; i < KVLANE_IOMMU_LEAVES; i++) {
		struct kvlane_iommu_leaf *leaf = &stats.leaves[i];

		TH_LOG("%llu: %llu backing %llu alignment %llu domain %llu", leaf->size,
		       leaf->bytes, leaf->backing, leaf->alignment, leaf->domain);
		EXPECT_LE(variant->leaves[i], leaf->bytes);
		if (!watched) {
			EXPECT_EQ(seen[i], leaf->bytes);
		}
		EXPECT_EQ(i == 2 ? 0 : leaf->bytes,
			  leaf->backing + leaf->alignment + leaf->domain);
	}
	if (variant->skew) {
		EXPECT_LT(0, stats.leaves[0].alignment + stats.leaves[1].alignment);
	}
}

TEST_F(map, dma)
{
	unsigned int i;

	ASSERT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
	for (i = 0; i < self->nr; i++) {
		uint64_t size = self->b[i].size;

		EXPECT_EQ(0, copy(self, i, 0, size - EDU_BUFFER, 0x11 + i));
		EXPECT_EQ(0, copy(self, i, size / 2 + PAGE, PAGE, 0x21 + i));
	}
}

/* Memory that is not there yet is there for the device, and for the owner the same. */
TEST_F(map, not_there_yet)
{
	struct hugetlb full = hugetlb_pages();
	unsigned int i;

	if (variant->skew)
		SKIP(return, "memory as without the skew");
	for (i = 0; i < self->nr; i++) {
		int advice = self->b[i].fd < 0 ? MADV_DONTNEED : MADV_REMOVE;

		ASSERT_EQ(0, madvise(self->b[i].mem, self->b[i].size, advice));
	}
	ASSERT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
	EXPECT_EQ(full.used, hugetlb_pages().used);
	EXPECT_EQ(full.reserved, hugetlb_pages().reserved);
	for (i = 0; i < self->nr; i++)
		EXPECT_EQ(0, copy(self, i, 0, self->b[i].size - EDU_BUFFER, 0x41 + i));
}

/* Past the end of a file there is nothing to pin. */
TEST_F(map, file_too_short)
{
	struct ram *b = &self->b[self->nr - 1];

	if (b->fd < 0 || variant->skew)
		SKIP(return, "no file, or as without the skew");
	ASSERT_EQ(0, ftruncate(b->fd, 0));
	EXPECT_EQ(-EFAULT, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
	ASSERT_EQ(0, ftruncate(b->fd, b->size));
	EXPECT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
}

TEST_F(map, unmapped)
{
	struct kvlane_region *r = &self->regions[0];
	uint8_t *mem = self->b[0].mem;
	struct kvlane_iommu_stats stats;

	ASSERT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
	EXPECT_EQ(0, copy(self, 0, 0, PAGE, 0x31));
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_UNMAP, r->gpa, r->size, 0));
	EXPECT_EQ(-ENOENT, io_range(self->iommu, KVLANE_IOMMU_UNMAP, r->gpa, r->size, 0));
	ASSERT_EQ(0, ioctl(self->iommu, KVLANE_IOMMU_STATS, &stats));
	EXPECT_EQ(total(self) - r->size, stats.mapped);
	memset(mem, 0x5a, PAGE);
	edu_write(self->v, r->gpa, PAGE);
	EXPECT_EQ(0x5a, mem[0]);
	EXPECT_EQ(0, memcmp(mem, mem + 1, PAGE - 1));
	/* And all is well again once it is mapped. */
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_MAP, r->gpa, r->size, 0));
	EXPECT_EQ(-EEXIST, io_range(self->iommu, KVLANE_IOMMU_MAP, r->gpa, PAGE, 0));
	EXPECT_EQ(0, copy(self, 0, PAGE, 0, 0x41));
}

/* A page in the middle of it all is taken out, its neighbours are not. */
TEST_F(map, split)
{
	struct kvlane_region *r = &self->regions[0];
	uint64_t hole = r->size / 2 + 3 * PAGE;
	uint8_t *mem = self->b[0].mem;
	struct kvlane_iommu_stats stats, after;
	int whole;

	ASSERT_EQ(0, io_device(self->iommu, KVLANE_IOMMU_ATTACH, self->v->device));
	ASSERT_EQ(0, ioctl(self->iommu, KVLANE_IOMMU_STATS, &stats));
	whole = io_range(self->iommu, KVLANE_IOMMU_UNMAP, r->gpa + hole, PAGE,
			 KVLANE_IOMMU_WHOLE);
	if (variant->kinds[0] == RAM_SCATTERED) {
		EXPECT_EQ(0, whole);
	} else if (variant->kinds[0] != RAM_PRIVATE) {
		EXPECT_EQ(-EBUSY, whole);
	}
	if (whole) {
		EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_UNMAP, r->gpa + hole, PAGE, 0));
	}
	ASSERT_EQ(0, ioctl(self->iommu, KVLANE_IOMMU_STATS, &after));
	EXPECT_EQ(stats.mapped - PAGE, after.mapped);
	EXPECT_EQ(stats.splits + !!whole, after.splits);
	memset(mem + hole, 0x5a, PAGE);
	edu_write(self->v, r->gpa + hole, PAGE);
	EXPECT_EQ(0x5a, mem[hole]);
	EXPECT_EQ(0x5a, mem[hole + PAGE - 1]);
	EXPECT_EQ(0, copy(self, 0, hole - PAGE, hole + PAGE, 0x61));
	EXPECT_EQ(0, copy(self, 0, 0, r->size - PAGE, 0x62));
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_MAP, r->gpa + hole, PAGE, 0));
	EXPECT_EQ(0, copy(self, 0, hole, hole + PAGE, 0x63));
	/* Taking out everything at once needs no more splitting. */
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_UNMAP, r->gpa, r->size,
			      KVLANE_IOMMU_WHOLE));
	EXPECT_EQ(0, io_range(self->iommu, KVLANE_IOMMU_MAP, r->gpa, r->size, 0));
	ASSERT_EQ(0, ioctl(self->iommu, KVLANE_IOMMU_STATS, &after));
	EXPECT_EQ(stats.mapped, after.mapped);
	EXPECT_EQ(stats.leaves[2].bytes, after.leaves[2].bytes);
}

TEST_HARNESS_MAIN
