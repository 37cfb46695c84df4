// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which guest memory is in a balloon, and giving it to the host in whole blocks.
 *
 * Drivers name pages of 4 KiB, and giving the host each as it comes would take its huge
 * pages apart. So pages are only noted here, in a bitmap for each block of 2 MiB, until
 * the last one of a block has come. The block then goes at once, by a hole in the file
 * that is mapped there: for memory in transparent huge pages, a huge page in one piece; for
 * hugetlb pages, when all blocks of one are whole. What is not whole stays where it is.
 * Guests make blocks whole by themselves: Linux takes pages for the balloon from the
 * largest free pieces of memory, and moves pages in the balloon when it compacts.
 *
 * A page that is given back makes its block the guest's again, as a whole. Memory in
 * transparent huge pages then comes back as such when the guest touches it, for nothing
 * is left of the old page. A hugetlb page is allocated before the driver is answered:
 * later there might be none, and the guest would die of it.
 *
 * Memory in IOMMUs is taken out of them before it is freed, and put back before the
 * driver is answered. Memory that something else has pinned is not freed: a device would
 * go on using the old page, and the guest a new one.
 *
 * All under kvlane_vm.iommu_lock, in the owner's address space, where the mapping is
 * looked up: what is there is what is freed, whatever KVLANE_SET_MEMORY said of files.
 */
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "../iommu/iommu.h"
#include "../memory.h"
#include "../vm.h"
#include "balloon.h"

/**
 * struct kvlane_balloon_unit - memory that is freed in one piece
 * @gpa: guest physical address
 * @hva: user address
 * @size: bytes: a block, or a larger hugetlb page
 * @file: what is mapped there, held
 * @offset: where in @file
 * @huge: hugetlb pages
 */
struct kvlane_balloon_unit {
	u64 gpa;
	unsigned long hva;
	u64 size;
	struct file *file;
	loff_t offset;
	bool huge;
};

static const struct kvlane_memory *kvlane_balloon_memory(const struct kvlane_balloon_blocks *b)
{
	return rcu_dereference_protected(b->dev->vm->memory,
					 lockdep_is_held(&b->dev->vm->iommu_lock));
}

static bool kvlane_balloon_maps(const struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;

	return file && vma->vm_flags & VM_SHARED && file->f_mode & FMODE_WRITE &&
	       (shmem_file(file) || is_file_hugepages(file));
}

/* The unit that @hva is in, as far as one mapping goes. */
static bool kvlane_balloon_look(struct kvlane_balloon_unit *unit, u64 gpa, unsigned long hva)
{
	struct vm_area_struct *vma;
	bool found = false;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, hva);
	if (vma && kvlane_balloon_maps(vma)) {
		unit->huge = is_file_hugepages(vma->vm_file);
		unit->size = KVLANE_BALLOON_BLOCK;
		if (unit->huge)
			unit->size = max_t(u64, unit->size, vma_kernel_pagesize(vma));
		unit->gpa = ALIGN_DOWN(gpa, unit->size);
		unit->hva = hva - (gpa - unit->gpa);
		unit->offset = ((loff_t)vma->vm_pgoff << PAGE_SHIFT) +
			       (loff_t)(unit->hva - vma->vm_start);
		found = unit->hva >= vma->vm_start && unit->hva <= hva &&
			unit->size <= vma->vm_end - unit->hva &&
			IS_ALIGNED(unit->offset, unit->size);
		if (found)
			unit->file = get_file(vma->vm_file);
	}
	mmap_read_unlock(current->mm);
	return found;
}

/* Fills in @unit, whose file has to be put; false for memory that cannot be freed. */
static bool kvlane_balloon_unit_find(const struct kvlane_balloon_blocks *b, u64 gpa,
				     struct kvlane_balloon_unit *unit)
{
	const struct kvlane_memory *memory = kvlane_balloon_memory(b);
	unsigned long hva, first;
	u64 run;

	hva = memory ? kvlane_memtable_find(&memory->table, gpa, &run) : 0;
	if (!hva || !kvlane_balloon_look(unit, gpa, hva))
		return false;
	first = kvlane_memtable_find(&memory->table, unit->gpa, &run);
	if (first == unit->hva && run >= unit->size)
		return true;
	fput(unit->file);
	return false;
}

static bool kvlane_balloon_pinned(const struct kvlane_balloon_unit *unit)
{
	pgoff_t at = unit->offset >> PAGE_SHIFT, end = at + (unit->size >> PAGE_SHIFT);
	struct folio_batch batch;
	bool pinned = false;
	unsigned int i;

	folio_batch_init(&batch);
	while (!pinned && filemap_get_folios(unit->file->f_mapping, &at, end - 1, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			pinned |= folio_maybe_dma_pinned(batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
	return pinned;
}

static void kvlane_balloon_put_back(struct kvlane_balloon_blocks *b,
				    const struct kvlane_balloon_unit *unit)
{
	int err = kvlane_iommus_put_back(b->dev->vm, unit->gpa, unit->size, unit->hva);

	if (err)
		kvlane_device_backend_error(b->dev, KVLANE_NO_QUEUE, err);
}

/*
 * What has to be there before the driver uses it again cannot be freed if the driver does
 * not tell before.
 */
static bool kvlane_balloon_told_late(const struct kvlane_balloon_blocks *b,
				     const struct kvlane_balloon_unit *unit)
{
	if (b->dev->accepted & BIT_ULL(VIRTIO_BALLOON_F_MUST_TELL_HOST))
		return false;
	return unit->huge || kvlane_iommus_have(b->dev->vm, unit->gpa, unit->size);
}

/* Has the host have the memory; returns false, and counts why, if it cannot. */
static bool kvlane_balloon_free(struct kvlane_balloon_blocks *b,
				const struct kvlane_balloon_unit *unit)
{
	int err;

	if (kvlane_iommus_take_out(b->dev->vm, unit->gpa, unit->size) ||
	    kvlane_balloon_pinned(unit)) {
		b->pinned++;
		kvlane_balloon_put_back(b, unit);
		return false;
	}
	err = vfs_fallocate(unit->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    unit->offset, unit->size);
	if (!err)
		return true;
	b->refused++;
	kvlane_device_backend_error(b->dev, KVLANE_NO_QUEUE, err);
	kvlane_balloon_put_back(b, unit);
	return false;
}

/* The memory is about to be used again. */
static void kvlane_balloon_unfree(struct kvlane_balloon_blocks *b,
				  const struct kvlane_balloon_unit *unit)
{
	int err = 0;

	if (unit->huge)
		err = vfs_fallocate(unit->file, FALLOC_FL_KEEP_SIZE, unit->offset, unit->size);
	if (err)
		kvlane_device_backend_error(b->dev, KVLANE_NO_QUEUE, err);
	kvlane_balloon_put_back(b, unit);
}

static unsigned long kvlane_balloon_index(u64 gpa)
{
	return gpa / KVLANE_BALLOON_BLOCK;
}

/* Is all of a unit in the balloon, and the host's or not, as @freed says? */
static bool kvlane_balloon_unit_whole(struct kvlane_balloon_blocks *b,
				      const struct kvlane_balloon_unit *unit, bool freed)
{
	struct kvlane_balloon_block *block;
	u64 gpa;

	for (gpa = unit->gpa; gpa < unit->gpa + unit->size; gpa += KVLANE_BALLOON_BLOCK) {
		block = xa_load(&b->blocks, kvlane_balloon_index(gpa));
		if (!block || block->pages != KVLANE_BALLOON_PAGES || block->freed != freed)
			return false;
	}
	return true;
}

static void kvlane_balloon_unit_mark(struct kvlane_balloon_blocks *b,
				     const struct kvlane_balloon_unit *unit, bool freed)
{
	struct kvlane_balloon_block *block;
	u64 gpa;

	for (gpa = unit->gpa; gpa < unit->gpa + unit->size; gpa += KVLANE_BALLOON_BLOCK) {
		block = xa_load(&b->blocks, kvlane_balloon_index(gpa));
		if (!block || block->freed == freed)
			continue;
		block->freed = freed;
		if (freed)
			b->freed += KVLANE_BALLOON_BLOCK;
		else
			b->freed -= KVLANE_BALLOON_BLOCK;
	}
}

/* Frees a whole block, with others if need be; returns the end of what was looked at. */
static u64 kvlane_balloon_try(struct kvlane_balloon_blocks *b, u64 gpa)
{
	struct kvlane_balloon_unit unit;

	if (!kvlane_balloon_unit_find(b, gpa, &unit)) {
		b->refused++;
		return ALIGN_DOWN(gpa, KVLANE_BALLOON_BLOCK) + KVLANE_BALLOON_BLOCK;
	}
	if (kvlane_balloon_told_late(b, &unit))
		b->refused++;
	else if (kvlane_balloon_unit_whole(b, &unit, false) && kvlane_balloon_free(b, &unit))
		kvlane_balloon_unit_mark(b, &unit, true);
	fput(unit.file);
	return unit.gpa + unit.size;
}

/* A block that the host has is the guest's again, and what was freed with it. */
static void kvlane_balloon_return(struct kvlane_balloon_blocks *b,
				  struct kvlane_balloon_block *block, u64 gpa)
{
	struct kvlane_balloon_unit unit;

	if (!kvlane_balloon_unit_find(b, gpa, &unit)) {
		/* The memory map has changed meanwhile. */
		block->freed = false;
		b->freed -= KVLANE_BALLOON_BLOCK;
		return;
	}
	kvlane_balloon_unfree(b, &unit);
	kvlane_balloon_unit_mark(b, &unit, false);
	fput(unit.file);
}

static struct kvlane_balloon_block *kvlane_balloon_block_get(struct kvlane_balloon_blocks *b,
							     u64 gpa)
{
	unsigned long index = kvlane_balloon_index(gpa);
	struct kvlane_balloon_block *block = xa_load(&b->blocks, index);

	if (block)
		return block;
	block = kzalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (!block)
		return NULL;
	if (xa_err(xa_store(&b->blocks, index, block, GFP_KERNEL_ACCOUNT))) {
		kfree(block);
		return NULL;
	}
	b->nr++;
	return block;
}

static void kvlane_balloon_block_put(struct kvlane_balloon_blocks *b,
				     struct kvlane_balloon_block *block, u64 gpa)
{
	if (block->pages)
		return;
	xa_erase(&b->blocks, kvlane_balloon_index(gpa));
	kfree(block);
	b->nr--;
}

static bool kvlane_balloon_is_memory(const struct kvlane_balloon_blocks *b, u64 gpa)
{
	const struct kvlane_memory *memory = kvlane_balloon_memory(b);
	u64 run;

	return memory && kvlane_memtable_find(&memory->table, gpa, &run);
}

static unsigned int kvlane_balloon_page(u32 pfn)
{
	return pfn % KVLANE_BALLOON_PAGES;
}

/**
 * kvlane_balloon_take - put a page into the balloon; lane context
 * @b: the balloon
 * @pfn: the page, from the driver
 */
void kvlane_balloon_take(struct kvlane_balloon_blocks *b, u32 pfn)
{
	u64 gpa = (u64)pfn << VIRTIO_BALLOON_PFN_SHIFT;
	struct kvlane_balloon_block *block = NULL;

	if (kvlane_balloon_is_memory(b, gpa))
		block = kvlane_balloon_block_get(b, gpa);
	if (!block || test_and_set_bit(kvlane_balloon_page(pfn), block->page)) {
		b->ignored++;
		return;
	}
	b->pages++;
	if (++block->pages < KVLANE_BALLOON_PAGES)
		return;
	b->whole++;
	kvlane_balloon_try(b, gpa);
}

/**
 * kvlane_balloon_retry - free whole blocks that could not be freed when they became so
 * @b: the balloon; the caller has the owner's address space
 */
void kvlane_balloon_retry(struct kvlane_balloon_blocks *b)
{
	struct kvlane_balloon_block *block;
	unsigned long index;
	u64 end = 0;

	xa_for_each(&b->blocks, index, block) {
		if (block->freed || block->pages < KVLANE_BALLOON_PAGES ||
		    index < kvlane_balloon_index(end))
			continue;
		end = kvlane_balloon_try(b, (u64)index * KVLANE_BALLOON_BLOCK);
		cond_resched();
	}
}

/**
 * kvlane_balloon_give - give a page back to the guest; lane context
 * @b: the balloon
 * @pfn: the page, from the driver
 */
void kvlane_balloon_give(struct kvlane_balloon_blocks *b, u32 pfn)
{
	u64 gpa = (u64)pfn << VIRTIO_BALLOON_PFN_SHIFT;
	struct kvlane_balloon_block *block = xa_load(&b->blocks, kvlane_balloon_index(gpa));

	if (!block || !test_and_clear_bit(kvlane_balloon_page(pfn), block->page)) {
		b->ignored++;
		return;
	}
	b->pages--;
	if (block->pages-- == KVLANE_BALLOON_PAGES)
		b->whole--;
	if (block->freed)
		kvlane_balloon_return(b, block, gpa);
	kvlane_balloon_block_put(b, block, gpa);
}

/**
 * kvlane_balloon_forget - nothing is in the balloon any more
 * @b: the balloon
 */
void kvlane_balloon_forget(struct kvlane_balloon_blocks *b)
{
	struct kvlane_balloon_block *block;
	unsigned long index;

	xa_for_each(&b->blocks, index, block)
		kfree(block);
	xa_destroy(&b->blocks);
	b->pages = 0;
	b->whole = 0;
	b->nr = 0;
	b->freed = 0;
}

/**
 * kvlane_balloon_give_all - the driver has forgotten the balloon
 * @b: the balloon; the caller has the owner's address space
 */
void kvlane_balloon_give_all(struct kvlane_balloon_blocks *b)
{
	struct kvlane_balloon_block *block;
	unsigned long index;

	xa_for_each(&b->blocks, index, block) {
		if (block->freed)
			kvlane_balloon_return(b, block, (u64)index * KVLANE_BALLOON_BLOCK);
		cond_resched();
	}
	kvlane_balloon_forget(b);
}

static const struct kvlane_memrange *kvlane_balloon_range(const struct kvlane_balloon_blocks *b,
							  unsigned long hva)
{
	const struct kvlane_memory *memory = kvlane_balloon_memory(b);
	const struct kvlane_memrange *r;
	u32 i;

	for (i = 0; memory && i < memory->table.nr; i++) {
		r = &memory->table.range[i];
		if (hva >= r->hva && hva - r->hva < r->size)
			return r;
	}
	return NULL;
}

/* One block of what the driver has reported; returns false if it stays. */
static bool kvlane_balloon_report_block(struct kvlane_balloon_blocks *b, u64 gpa)
{
	struct kvlane_balloon_unit unit;
	bool freed;

	if (!kvlane_balloon_unit_find(b, gpa, &unit)) {
		b->refused++;
		return false;
	}
	/* Nobody says when it is used again. */
	if (kvlane_iommus_have(b->dev->vm, gpa, KVLANE_BALLOON_BLOCK)) {
		b->pinned++;
		freed = false;
	} else if (unit.huge) {
		b->refused++;
		freed = false;
	} else {
		freed = kvlane_balloon_free(b, &unit);
	}
	fput(unit.file);
	return freed;
}

/**
 * kvlane_balloon_report - free what the guest has no use for now; lane context
 * @b: the balloon
 * @hva: where it is in user memory, in the memory map or not any more
 * @len: bytes
 *
 * The guest may use it again without a word once it is answered. So what is in IOMMUs
 * stays, and so do hugetlb pages, of which there may be none then.
 */
void kvlane_balloon_report(struct kvlane_balloon_blocks *b, unsigned long hva, size_t len)
{
	const struct kvlane_memrange *r = kvlane_balloon_range(b, hva);
	u64 gpa, end;

	if (!r)
		return;
	gpa = r->gpa + (hva - r->hva);
	end = gpa + min_t(u64, len, r->size - (hva - r->hva));
	for (gpa = ALIGN(gpa, KVLANE_BALLOON_BLOCK); gpa + KVLANE_BALLOON_BLOCK <= end;
	     gpa += KVLANE_BALLOON_BLOCK) {
		if (kvlane_balloon_report_block(b, gpa))
			b->reported += KVLANE_BALLOON_BLOCK;
		cond_resched();
	}
}
