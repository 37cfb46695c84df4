// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in the page tables of IOMMUs.
 *
 * What always holds, outside of a call:
 *
 *  - An area is pinned, and mapped as a whole in every domain of the object. There is
 *    no area without a domain, so nothing is pinned that no device can use.
 *  - Areas do not overlap, and cover what the VM's memory map holds except for what
 *    KVLANE_IOMMU_UNMAP took out.
 *  - A domain belongs to one object, which alone maps in it; see attach.c. So what is
 *    found there at a guest physical address is what the area's runs say.
 *
 * Memory comes in this order: charge, pin, map. It goes in the opposite one: unmap from
 * every domain, flush the IOMMU's caches once for all that was unmapped, and only then
 * unpin, for until the flush a device may still write to it; uncharge. Unpinning takes
 * nothing that could be short, so it cannot fail.
 *
 * Runs are mapped many at a time, as some IOMMUs have to be told of each change of their
 * tables (virtual ones do, which costs an exit), and want to be told once.
 *
 * A part of a leaf cannot be unmapped, nor a part of a folio be unpinned that has one
 * pin. Both are then taken out as a whole and what is to stay is put back in smaller
 * pieces, which have been pinned before. In between a device that uses them gets a
 * fault; no IOMMU driver has a call that does without.
 */
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "iommu.h"
#include "vm.h"

#define PROT		(IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)
/* Runs that are mapped by one call, bytes after which it is made, pages of one run. */
#define SG_RUNS		(PAGE_SIZE / sizeof(struct scatterlist))
#define SG_BYTES	SZ_64M
#define SG_PAGES	(SZ_1G >> PAGE_SHIFT)

static u64 kvlane_ioarea_end(const struct kvlane_ioarea *area)
{
	return area->iova + area->size;
}

static u64 kvlane_iorun_bytes(const struct kvlane_iorun *run)
{
	return (u64)run->pages << PAGE_SHIFT;
}

/**
 * struct kvlane_iomapper - mapping, as far as it has come
 * @domain: where
 * @sg: room for SG_RUNS runs
 * @nr: runs there, which the next call maps
 * @start: guest physical address of the first of them
 * @iova: address after the last of them
 * @pfn: page after the last of them
 */
struct kvlane_iomapper {
	struct iommu_domain *domain;
	struct scatterlist *sg;
	unsigned int nr;
	u64 start;
	u64 iova;
	unsigned long pfn;
};

static int kvlane_iomapper_flush(struct kvlane_iomapper *m)
{
	ssize_t mapped;

	if (!m->nr)
		return 0;
	mapped = iommu_map_sg(m->domain, m->start, m->sg, m->nr, PROT, GFP_KERNEL_ACCOUNT);
	if (mapped < 0)
		return mapped;
	m->start = m->iova;
	m->nr = 0;
	cond_resched();
	return 0;
}

/* A run that is longer than an entry of the list should be. */
static int kvlane_iomapper_map(struct kvlane_iomapper *m, const struct kvlane_iorun *run)
{
	u64 size = kvlane_iorun_bytes(run);
	int err;

	err = kvlane_iomapper_flush(m);
	if (!err)
		err = iommu_map(m->domain, m->iova, PFN_PHYS(run->pfn), size, PROT,
				GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	m->iova += size;
	m->start = m->iova;
	cond_resched();
	return 0;
}

/*
 * Two runs that follow each other have something that sets them apart, so that they must
 * not be in one list, where they would be mapped as if they were one: see leaf.c.
 */
static int kvlane_iomapper_add(struct kvlane_iomapper *m, const struct kvlane_iorun *run)
{
	int err = 0;

	if (run->pages > SG_PAGES)
		return kvlane_iomapper_map(m, run);
	if (m->nr == SG_RUNS || m->iova - m->start >= SG_BYTES || m->pfn == run->pfn)
		err = kvlane_iomapper_flush(m);
	if (err)
		return err;
	sg_set_page(&m->sg[m->nr++], pfn_to_page(run->pfn), kvlane_iorun_bytes(run), 0);
	m->iova += kvlane_iorun_bytes(run);
	m->pfn = run->pfn + run->pages;
	return 0;
}

static int kvlane_ioarea_map(struct kvlane_iommu *iommu, struct kvlane_iodomain *d,
			     const struct kvlane_ioarea *area)
{
	struct kvlane_iomapper m = {
		.domain = d->domain,
		.sg = iommu->sg,
		.start = area->iova,
		.iova = area->iova,
	};
	struct kvlane_iorun_block *block;
	const struct kvlane_iorun *run;
	int err = 0;

	kvlane_ioarea_for_each_run(area, block, run) {
		err = kvlane_iomapper_add(&m, run);
		if (err)
			break;
	}
	if (!err)
		err = kvlane_iomapper_flush(&m);
	if (err && m.start > area->iova)
		iommu_unmap(d->domain, area->iova, m.start - area->iova);
	return err;
}

/* Those before @end, which may be the list's head. */
static void kvlane_ioareas_unmap(struct kvlane_iodomain *d, struct list_head *areas,
				 struct list_head *end)
{
	struct iommu_iotlb_gather gather;
	struct kvlane_ioarea *area;
	size_t size;

	iommu_iotlb_gather_init(&gather);
	list_for_each_entry(area, areas, node) {
		if (&area->node == end)
			break;
		size = iommu_unmap_fast(d->domain, area->iova, area->size, &gather);
		WARN_ON_ONCE(size != area->size);
		cond_resched();
	}
	iommu_iotlb_sync(d->domain, &gather);
}

static int kvlane_ioareas_map(struct kvlane_iommu *iommu, struct kvlane_iodomain *d,
			      struct list_head *areas)
{
	struct kvlane_ioarea *area;
	int err;

	list_for_each_entry(area, areas, node) {
		err = kvlane_ioarea_map(iommu, d, area);
		if (err) {
			kvlane_ioareas_unmap(d, areas, &area->node);
			return err;
		}
	}
	return 0;
}

static int kvlane_ioareas_map_all(struct kvlane_iommu *iommu, struct list_head *areas)
{
	struct kvlane_iodomain *d;
	u64 start = ktime_get_ns();
	int err = 0;

	list_for_each_entry(d, &iommu->domains, node) {
		err = kvlane_ioareas_map(iommu, d, areas);
		if (err)
			goto err_unmap;
	}
	iommu->map_ns += ktime_get_ns() - start;
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(d, &iommu->domains, node)
		kvlane_ioareas_unmap(d, areas, areas);
	return err;
}

static void kvlane_ioareas_unpin(struct kvlane_iommu *iommu, struct list_head *areas)
{
	struct kvlane_ioarea *area, *next;
	u64 start = ktime_get_ns();

	list_for_each_entry_safe(area, next, areas, node) {
		list_del(&area->node);
		kvlane_ioarea_unpin(area);
	}
	iommu->unpin_ns += ktime_get_ns() - start;
}

static void kvlane_iommu_uncharge(struct kvlane_iommu *iommu, u64 size)
{
	account_locked_vm(iommu->vm->mm, size >> PAGE_SHIFT, false);
}

/* Charges and pins; all or nothing. */
static int kvlane_ioareas_pin(struct kvlane_iommu *iommu, u64 iova, u64 size,
			      unsigned long hva, struct list_head *areas)
{
	u64 start = ktime_get_ns();
	int err;

	if (!size)
		return 0;
	if (account_locked_vm(iommu->vm->mm, size >> PAGE_SHIFT, true))
		return -EDQUOT;
	err = kvlane_ioarea_pin(iommu, iova, size, hva, areas);
	iommu->pin_ns += ktime_get_ns() - start;
	if (err) {
		kvlane_ioareas_unpin(iommu, areas);
		kvlane_iommu_uncharge(iommu, size);
	}
	return err;
}

static u64 kvlane_ioareas_size(const struct list_head *areas)
{
	const struct kvlane_ioarea *area;
	u64 size = 0;

	list_for_each_entry(area, areas, node)
		size += area->size;
	return size;
}

/* What was pinned, and is not mapped or no longer. */
static void kvlane_ioareas_release(struct kvlane_iommu *iommu, struct list_head *areas)
{
	u64 size = kvlane_ioareas_size(areas);

	kvlane_ioareas_unpin(iommu, areas);
	kvlane_iommu_uncharge(iommu, size);
}

/* Unmaps, flushes, unpins: see the top of the file. */
static void kvlane_ioareas_drop(struct kvlane_iommu *iommu, struct list_head *areas)
{
	struct kvlane_iodomain *d;
	u64 start = ktime_get_ns();

	list_for_each_entry(d, &iommu->domains, node)
		kvlane_ioareas_unmap(d, areas, areas);
	iommu->unmap_ns += ktime_get_ns() - start;
	kvlane_ioareas_release(iommu, areas);
}

static void kvlane_iommu_insert(struct kvlane_iommu *iommu, struct list_head *areas)
{
	struct kvlane_ioarea *area, *first;

	if (list_empty(areas))
		return;
	first = list_first_entry(areas, struct kvlane_ioarea, node);
	list_for_each_entry(area, &iommu->areas, node) {
		if (area->iova > first->iova)
			break;
	}
	list_splice_tail_init(areas, &area->node);
}

/**
 * kvlane_iommu_alloc_sg - room for mapping
 *
 * Return: a page, to be freed as such, or NULL.
 */
struct scatterlist *kvlane_iommu_alloc_sg(void)
{
	struct scatterlist *sg = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);

	if (sg)
		sg_init_table(sg, SG_RUNS);
	return sg;
}

/**
 * kvlane_iommu_has - is anything of a range mapped?
 * @iommu: the object
 * @iova: guest physical address
 * @size: bytes
 *
 * Return: true if so.
 */
bool kvlane_iommu_has(const struct kvlane_iommu *iommu, u64 iova, u64 size)
{
	const struct kvlane_ioarea *area;

	list_for_each_entry(area, &iommu->areas, node) {
		if (area->iova >= iova + size)
			break;
		if (kvlane_ioarea_end(area) > iova)
			return true;
	}
	return false;
}

/**
 * kvlane_iommu_add - pin memory and map it in each domain, as fresh
 * @iommu: the object; its VM's lock for IOMMUs is held, as for all that follows
 * @iova: guest physical address, of memory that is not mapped
 * @size: bytes, not zero
 * @hva: user address in the caller's address space
 *
 * Return: 0, to be followed by kvlane_iommu_keep_fresh() or kvlane_iommu_remove_fresh();
 * or nothing has changed: -ERANGE for addresses that are not for memory,
 * -EDQUOT for more than RLIMIT_MEMLOCK, -EFAULT for memory that cannot be pinned,
 * -EINTR, -ENOMEM.
 */
int kvlane_iommu_add(struct kvlane_iommu *iommu, u64 iova, u64 size, unsigned long hva)
{
	struct kvlane_ioarea *area;
	LIST_HEAD(areas);
	int err;

	err = kvlane_iommu_allows(iommu, iova, size);
	if (err)
		return err;
	err = kvlane_ioareas_pin(iommu, iova, size, hva, &areas);
	if (err)
		return err;
	err = kvlane_ioareas_map_all(iommu, &areas);
	if (err) {
		kvlane_ioareas_release(iommu, &areas);
		return err;
	}
	list_for_each_entry(area, &areas, node)
		area->fresh = true;
	kvlane_iommu_insert(iommu, &areas);
	return 0;
}

/**
 * struct kvlane_iocut - where an area can be cut
 * @area: the area; NULL if there is nothing to cut
 * @iova: where it was to be cut
 * @floor: the nearest place at or below where it can be
 * @ceil: the nearest place at or above
 */
struct kvlane_iocut {
	struct kvlane_ioarea *area;
	u64 iova;
	u64 floor;
	u64 ceil;
};

static u64 kvlane_iocut_floor(const struct kvlane_iommu *iommu,
			      const struct kvlane_iorun *run, u64 start, u64 at)
{
	const struct kvlane_iodomain *d;
	u64 before;

	do {
		before = at;
		at = start + ((u64)kvlane_iorun_floor(run, (at - start) >> PAGE_SHIFT)
			      << PAGE_SHIFT);
		list_for_each_entry(d, &iommu->domains, node)
			at = ALIGN_DOWN(at, kvlane_leaf_size(d->domain->pgsize_bitmap,
							     run, start, at));
	} while (at != before);
	return at;
}

static u64 kvlane_iocut_ceil(const struct kvlane_iommu *iommu,
			     const struct kvlane_iorun *run, u64 start, u64 at)
{
	u64 end = start + kvlane_iorun_bytes(run);
	const struct kvlane_iodomain *d;
	u64 before;

	do {
		before = at;
		at = start + ((u64)kvlane_iorun_ceil(run, (at - start) >> PAGE_SHIFT)
			      << PAGE_SHIFT);
		list_for_each_entry(d, &iommu->domains, node) {
			if (at < end)
				at = ALIGN(at, kvlane_leaf_size(d->domain->pgsize_bitmap,
								run, start, at));
		}
	} while (at != before && at < end);
	return at;
}

static void kvlane_iocut_find(struct kvlane_iommu *iommu, struct kvlane_iocut *cut,
			      u64 iova)
{
	struct kvlane_iorun_block *block;
	struct kvlane_ioarea *area;
	struct kvlane_iorun *run;
	u64 start;

	*cut = (struct kvlane_iocut){ .iova = iova, .floor = iova, .ceil = iova };
	list_for_each_entry(area, &iommu->areas, node) {
		if (area->iova < iova && kvlane_ioarea_end(area) > iova)
			cut->area = area;
	}
	if (!cut->area)
		return;
	start = cut->area->iova;
	kvlane_ioarea_for_each_run(cut->area, block, run) {
		if (start < iova && start + kvlane_iorun_bytes(run) > iova) {
			cut->floor = kvlane_iocut_floor(iommu, run, start, iova);
			cut->ceil = kvlane_iocut_ceil(iommu, run, start, iova);
		}
		start += kvlane_iorun_bytes(run);
	}
}

/* Makes an area end, and the next begin, at an address at which that can be. */
static int kvlane_iommu_part(struct kvlane_iommu *iommu, u64 iova)
{
	struct kvlane_ioarea *area;

	list_for_each_entry(area, &iommu->areas, node) {
		if (area->iova < iova && kvlane_ioarea_end(area) > iova)
			return kvlane_ioarea_split(area, iova);
	}
	return 0;
}

static void kvlane_iommu_take(struct kvlane_iommu *iommu, u64 iova, u64 end,
			      struct list_head *areas)
{
	struct kvlane_ioarea *area, *next;

	list_for_each_entry_safe(area, next, &iommu->areas, node) {
		if (area->iova >= iova && kvlane_ioarea_end(area) <= end)
			list_move_tail(&area->node, areas);
	}
}

static unsigned long kvlane_iocut_hva(const struct kvlane_iocut *cut, u64 iova)
{
	return cut->area ? cut->area->hva + (iova - cut->area->iova) : 0;
}

/* Pins again what is to stay of what has to be taken out as a whole. */
static int kvlane_iommu_repin(struct kvlane_iommu *iommu, const struct kvlane_iocut *from,
			      const struct kvlane_iocut *to, struct list_head *areas)
{
	LIST_HEAD(tail);
	int err;

	err = kvlane_ioareas_pin(iommu, from->floor, from->iova - from->floor,
				 kvlane_iocut_hva(from, from->floor), areas);
	if (err)
		return err;
	err = kvlane_ioareas_pin(iommu, to->iova, to->ceil - to->iova,
				 kvlane_iocut_hva(to, to->iova), &tail);
	if (err)
		kvlane_ioareas_release(iommu, areas);
	else
		list_splice_tail(&tail, areas);
	return err;
}

static void kvlane_iommu_insert_each(struct kvlane_iommu *iommu, struct list_head *areas)
{
	struct kvlane_ioarea *area, *next;
	LIST_HEAD(one);

	list_for_each_entry_safe(area, next, areas, node) {
		list_move(&area->node, &one);
		kvlane_iommu_insert(iommu, &one);
	}
}

/* The part that takes memory first, so that a call that fails has changed nothing. */
static int kvlane_iommu_cut(struct kvlane_iommu *iommu, const struct kvlane_iocut *from,
			    const struct kvlane_iocut *to, struct list_head *rest)
{
	int err;

	err = kvlane_iommu_repin(iommu, from, to, rest);
	if (err)
		return err;
	err = kvlane_iommu_part(iommu, from->floor);
	if (!err)
		err = kvlane_iommu_part(iommu, to->ceil);
	if (err)
		kvlane_ioareas_release(iommu, rest);
	return err;
}

/**
 * kvlane_iommu_remove - unmap and unpin what is mapped of a range
 * @iommu: the object
 * @iova: guest physical address
 * @size: bytes, not zero
 * @split: large pages may be split for it
 *
 * Return: 0; -EBUSY where a large page would have to be split; what
 * kvlane_ioarea_pin() returns, nothing having changed. -ENOMEM also if what is to stay
 * of a large page could not be mapped again, and is unmapped now.
 */
int kvlane_iommu_remove(struct kvlane_iommu *iommu, u64 iova, u64 size, bool split)
{
	struct kvlane_iocut from, to;
	LIST_HEAD(areas);
	LIST_HEAD(rest);
	int err = 0;

	kvlane_iocut_find(iommu, &from, iova);
	kvlane_iocut_find(iommu, &to, iova + size);
	if (!split && (from.floor != from.iova || to.ceil != to.iova))
		return -EBUSY;
	err = kvlane_iommu_cut(iommu, &from, &to, &rest);
	if (err)
		return err;
	if (!list_empty(&rest))
		iommu->splits++;
	kvlane_iommu_take(iommu, from.floor, to.ceil, &areas);
	kvlane_ioareas_drop(iommu, &areas);
	err = kvlane_ioareas_map_all(iommu, &rest);
	if (err) {
		kvlane_ioareas_release(iommu, &rest);
		return err;
	}
	kvlane_iommu_insert_each(iommu, &rest);
	return 0;
}

/**
 * kvlane_iommu_remove_touched - unmap and unpin all areas that a range touches
 * @iommu: the object
 * @iova: guest physical address
 * @size: bytes, not zero
 *
 * More than kvlane_iommu_remove() does, but nothing can keep it from being done.
 */
void kvlane_iommu_remove_touched(struct kvlane_iommu *iommu, u64 iova, u64 size)
{
	struct kvlane_ioarea *area, *next;
	LIST_HEAD(areas);

	list_for_each_entry_safe(area, next, &iommu->areas, node) {
		if (area->iova < iova + size && kvlane_ioarea_end(area) > iova)
			list_move_tail(&area->node, &areas);
	}
	kvlane_ioareas_drop(iommu, &areas);
}

/**
 * kvlane_iommu_remove_fresh - undo what was added as fresh
 * @iommu: the object
 */
void kvlane_iommu_remove_fresh(struct kvlane_iommu *iommu)
{
	struct kvlane_ioarea *area, *next;
	LIST_HEAD(areas);

	list_for_each_entry_safe(area, next, &iommu->areas, node) {
		if (area->fresh)
			list_move_tail(&area->node, &areas);
	}
	kvlane_ioareas_drop(iommu, &areas);
}

/**
 * kvlane_iommu_keep_fresh - what was added as fresh is there to stay
 * @iommu: the object
 */
void kvlane_iommu_keep_fresh(struct kvlane_iommu *iommu)
{
	struct kvlane_ioarea *area;

	list_for_each_entry(area, &iommu->areas, node)
		area->fresh = false;
}

/**
 * kvlane_iommu_remove_all - unmap and unpin everything
 * @iommu: the object, all domains of which may still be there
 */
void kvlane_iommu_remove_all(struct kvlane_iommu *iommu)
{
	LIST_HEAD(areas);

	list_splice_init(&iommu->areas, &areas);
	kvlane_ioareas_drop(iommu, &areas);
}

/**
 * kvlane_iodomain_fill - map all that is pinned in a new domain
 * @iommu: the object
 * @d: the domain, not in the object's list yet
 *
 * Return: 0 or a negative errno, nothing being mapped then.
 */
int kvlane_iodomain_fill(struct kvlane_iommu *iommu, struct kvlane_iodomain *d)
{
	u64 start = ktime_get_ns();
	int err = kvlane_ioareas_map(iommu, d, &iommu->areas);

	if (!err)
		iommu->map_ns += ktime_get_ns() - start;
	return err;
}

/**
 * kvlane_iodomain_clear - unmap all that is pinned from a domain
 * @iommu: the object
 * @d: the domain
 */
void kvlane_iodomain_clear(struct kvlane_iommu *iommu, struct kvlane_iodomain *d)
{
	u64 start = ktime_get_ns();

	kvlane_ioareas_unmap(d, &iommu->areas, &iommu->areas);
	iommu->unmap_ns += ktime_get_ns() - start;
}
