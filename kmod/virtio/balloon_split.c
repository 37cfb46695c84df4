// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in a balloon and not in whole blocks, for a host that is short of memory.
 *
 * Splitting a huge page to free a part of it costs the guest more than the host gains, so
 * it is done only when the host's reclaim asks, of which a shrinker hears, and begins with
 * the blocks that give most. The shrinker itself does nothing: it is called with whatever
 * locks the one who allocates holds, and a hole in a file wants the file's. So a worker
 * does it, in the owner's address space.
 *
 * A page that is given back needs nothing done: it is there when the guest touches it. When
 * the whole block is the guest's again, the owner can have it put together.
 */
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>

#include "../iommu/iommu.h"
#include "balloon.h"

/* Pages that the host would get by splitting, more or less. */
static unsigned long kvlane_balloon_left(const struct kvlane_balloon_blocks *b)
{
	u64 pages = READ_ONCE(b->pages);
	u64 freed = READ_ONCE(b->freed) >> VIRTIO_BALLOON_PFN_SHIFT;

	return READ_ONCE(b->splittable) && pages > freed ? pages - freed : 0;
}

/* Frees some pages of a block that follow each other; returns how many. */
static u32 kvlane_balloon_split_run(const struct kvlane_balloon_unit *unit, u32 first, u32 nr)
{
	loff_t start = unit->offset + first * KVLANE_BALLOON_PAGE;
	loff_t bytes = nr * KVLANE_BALLOON_PAGE;

	if (vfs_fallocate(unit->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, bytes))
		return 0;
	/* A huge page that could not be split has zeroes there, and is as large as before. */
	return filemap_range_has_page(unit->file->f_mapping, start, start + bytes - 1) ? 0 : nr;
}

static u32 kvlane_balloon_split_pages(struct kvlane_balloon_blocks *b,
				      struct kvlane_balloon_block *block,
				      const struct kvlane_balloon_unit *unit)
{
	DECLARE_BITMAP(left, KVLANE_BALLOON_PAGES);
	u32 first, end, nr, sum = 0;

	bitmap_andnot(left, block->page, block->away, KVLANE_BALLOON_PAGES);
	for_each_set_bitrange(first, end, left, KVLANE_BALLOON_PAGES) {
		nr = kvlane_balloon_split_run(unit, first, end - first);
		bitmap_set(block->away, first, nr);
		sum += nr;
	}
	b->freed += sum * KVLANE_BALLOON_PAGE;
	return sum;
}

/* Frees what it can of a block; returns how many pages that is. */
static u32 kvlane_balloon_split_block(struct kvlane_balloon_blocks *b,
				      struct kvlane_balloon_block *block, u64 gpa)
{
	struct kvlane_balloon_unit unit;
	u32 nr = 0;

	if (!kvlane_balloon_unit_find(b, gpa, &unit))
		return 0;
	if (!unit.huge && !kvlane_balloon_told_late(b) &&
	    !kvlane_iommus_have(b->dev->vm, unit.gpa, unit.size) &&
	    !kvlane_balloon_unit_pinned(&unit))
		nr = kvlane_balloon_split_pages(b, block, &unit);
	if (nr) {
		block->lent = true;
		b->splits++;
	}
	fput(unit.file);
	return nr;
}

/*
 * The next block from @index on that has at least so many pages to give; false if there is
 * none. For each the lock is taken anew, so that neither lanes nor a reset have to wait until
 * the host has all it wants.
 */
static bool kvlane_balloon_split_next(struct kvlane_balloon_blocks *b, unsigned long *index,
				      u32 least, long *sum)
{
	struct mutex *lock = &b->dev->vm->iommu_lock;
	struct kvlane_balloon_block *block;
	bool found = false;

	mutex_lock(lock);
	xa_for_each_start(&b->blocks, *index, block, *index) {
		found = !block->freed &&
			block->pages - bitmap_weight(block->away, KVLANE_BALLOON_PAGES) >= least;
		if (found)
			break;
	}
	if (found)
		*sum += kvlane_balloon_split_block(b, block, (u64)*index * KVLANE_BALLOON_BLOCK);
	mutex_unlock(lock);
	cond_resched();
	++*index;
	return found;
}

/* Those that have at least so many pages to give; returns how many came. */
static long kvlane_balloon_split_some(struct kvlane_balloon *b, long wanted, u32 least)
{
	unsigned long index = 0;
	long sum = 0;

	while (sum < wanted && !READ_ONCE(b->closing) &&
	       kvlane_balloon_split_next(&b->blocks, &index, least, &sum))
		;
	return sum;
}

static void kvlane_balloon_split_all(struct kvlane_balloon *b, long wanted)
{
	u32 least = KVLANE_BALLOON_PAGES;
	long sum = 0;

	/* If there is not enough, there is no use in asking until the next page comes. */
	WRITE_ONCE(b->blocks.splittable, false);
	while (least && sum < wanted) {
		sum += kvlane_balloon_split_some(b, wanted - sum, least);
		least /= 2;
	}
	if (sum >= wanted)
		WRITE_ONCE(b->blocks.splittable, true);
}

/* A process that ends gives all of it back, and has no address space for us. */
static void kvlane_balloon_split_work(struct work_struct *work)
{
	struct kvlane_balloon *b = container_of(work, struct kvlane_balloon, split);
	long wanted = atomic_long_xchg(&b->wanted, 0);
	struct mm_struct *mm = wanted ? kvlane_vm_mm_get(b->blocks.dev->vm) : NULL;

	if (!mm)
		return;
	kthread_use_mm(mm);
	kvlane_balloon_split_all(b, wanted);
	kthread_unuse_mm(mm);
	mmput(mm);
}

static unsigned long kvlane_balloon_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	const struct kvlane_balloon *b = shrinker->private_data;

	return kvlane_balloon_left(&b->blocks) ?: SHRINK_EMPTY;
}

static unsigned long kvlane_balloon_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct kvlane_balloon *b = shrinker->private_data;

	atomic_long_add(sc->nr_to_scan, &b->wanted);
	queue_work(system_dfl_wq, &b->split);
	/* Nothing is free yet, and there is no harm in going on. */
	return 0;
}

/**
 * kvlane_balloon_split_init - let the host's reclaim ask for memory
 * @b: the balloon
 *
 * Return: 0 or -ENOMEM.
 */
int kvlane_balloon_split_init(struct kvlane_balloon *b)
{
	INIT_WORK(&b->split, kvlane_balloon_split_work);
	b->shrinker = shrinker_alloc(0, "kvlane-balloon");
	if (!b->shrinker)
		return -ENOMEM;
	b->shrinker->count_objects = kvlane_balloon_count;
	b->shrinker->scan_objects = kvlane_balloon_scan;
	b->shrinker->private_data = b;
	shrinker_register(b->shrinker);
	return 0;
}

/**
 * kvlane_balloon_split_exit - the host's reclaim asks no more
 * @b: the balloon
 *
 * Returns when nobody is at it any more; without kvlane_vm.iommu_lock.
 */
void kvlane_balloon_split_exit(struct kvlane_balloon *b)
{
	WRITE_ONCE(b->closing, true);
	shrinker_free(b->shrinker);
	cancel_work_sync(&b->split);
}
