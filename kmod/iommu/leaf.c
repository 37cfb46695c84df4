// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages an IOMMU's tables hold, and why not larger ones.
 *
 * Nothing keeps a record of that. A run is mapped as a whole and by itself, and the kernel
 * takes at each address the largest page that both addresses are aligned to and that ends
 * within the run; so the leaf at an address follows from the run and the domain's page
 * sizes. A run is only ever cut between leaves, which leaves the rule as it is for both parts.
 */
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/iommu.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/kvlane.h>

#include "iommu.h"

/* What leaves are counted by; a size in between counts as the next smaller one. */
static const u64 kvlane_leaf_classes[KVLANE_IOMMU_LEAVES] = { SZ_4K, SZ_2M, SZ_1G };

/**
 * kvlane_leaf_size - the leaf that maps an address
 * @sizes: page sizes of the domain, a bit for each
 * @run: the run that holds the address
 * @iova: address of the run's first byte
 * @at: the address
 *
 * Return: bytes of the leaf, which begins at the multiple of that up to @at.
 */
u64 kvlane_leaf_size(unsigned long sizes, const struct kvlane_iorun *run, u64 iova, u64 at)
{
	u64 end = iova + ((u64)run->pages << PAGE_SHIFT);
	u64 skew = iova ^ PFN_PHYS(run->pfn);
	u64 size, start;
	int bit;

	for (bit = fls64(sizes) - 1; bit > PAGE_SHIFT; bit--) {
		size = BIT_ULL(bit);
		start = ALIGN_DOWN(at, size);
		if (!(sizes & size) || skew & (size - 1))
			continue;
		if (start >= iova && start < end && end - start >= size)
			return size;
	}
	return PAGE_SIZE;
}

/*
 * Leaves of one class and those that follow: why they are not of the next one. What
 * the run's memory could hold of pages of that size, were there only the memory.
 */
static void kvlane_leaf_count(struct kvlane_iommu_leaf *leaf, u64 next, u64 skew,
			      u64 first, u64 last, u64 from, u64 to)
{
	u64 could = 0, bytes = to - from;

	leaf->bytes += bytes;
	if (!next)
		return;
	first = max(ALIGN(first, next), from);
	last = min(ALIGN_DOWN(last, next), to);
	if (first < last)
		could = last - first;
	leaf->backing += bytes - could;
	if (skew & (next - 1))
		leaf->alignment += could;
	else
		leaf->domain += could;
}

static unsigned int kvlane_leaf_class(u64 size)
{
	unsigned int i = KVLANE_IOMMU_LEAVES - 1;

	while (i && kvlane_leaf_classes[i] > size)
		i--;
	return i;
}

/* Leaves of the same size follow each other up to where a larger one fits. */
static u64 kvlane_leaf_stretch(unsigned long sizes, const struct kvlane_iorun *run,
			       u64 iova, u64 at, u64 size)
{
	u64 end = iova + ((u64)run->pages << PAGE_SHIFT);
	u64 larger = sizes & ~(size * 2 - 1);
	u64 border;

	larger &= -larger;
	if (!larger)
		return ALIGN_DOWN(end - at, size) ?: size;
	border = min(ALIGN(at + 1, larger), end);
	return max(ALIGN_DOWN(border - at, size), size);
}

static void kvlane_leaf_run(struct kvlane_iommu_stats *stats, unsigned long sizes,
			    const struct kvlane_iorun *run, u64 iova)
{
	u64 first = PFN_PHYS(run->pfn), last = first + ((u64)run->pages << PAGE_SHIFT);
	u64 at = iova, from, size, bytes, next;
	unsigned int class;

	while (at - iova < last - first) {
		size = kvlane_leaf_size(sizes, run, iova, at);
		bytes = kvlane_leaf_stretch(sizes, run, iova, at, size);
		class = kvlane_leaf_class(size);
		next = class + 1 < KVLANE_IOMMU_LEAVES ? kvlane_leaf_classes[class + 1] : 0;
		from = first + (at - iova);
		kvlane_leaf_count(&stats->leaves[class], next, iova - first, first, last,
				  from, from + bytes);
		at += bytes;
	}
}

/**
 * kvlane_iommu_leaves - count what is mapped
 * @iommu: the object, its VM's lock for IOMMUs held
 * @stats: @mapped, @runs and @leaves are filled in, having been zero
 */
void kvlane_iommu_leaves(const struct kvlane_iommu *iommu,
			 struct kvlane_iommu_stats *stats)
{
	const struct kvlane_iorun_block *block;
	const struct kvlane_iodomain *d;
	const struct kvlane_ioarea *area;
	const struct kvlane_iorun *run;
	unsigned int i;
	u64 iova;

	for (i = 0; i < KVLANE_IOMMU_LEAVES; i++)
		stats->leaves[i].size = kvlane_leaf_classes[i];
	list_for_each_entry(area, &iommu->areas, node) {
		stats->mapped += area->size;
		iova = area->iova;
		kvlane_ioarea_for_each_run(area, block, run) {
			list_for_each_entry(d, &iommu->domains, node)
				kvlane_leaf_run(stats, d->domain->pgsize_bitmap, run, iova);
			stats->runs++;
			iova += (u64)run->pages << PAGE_SHIFT;
		}
		cond_resched();
	}
}
