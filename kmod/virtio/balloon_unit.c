// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of guests that is freed in one piece.
 *
 * Where it is mapped is looked up each time, in the owner's address space and under
 * kvlane_vm.iommu_lock: what is there is what is freed, whatever KVLANE_SET_MEMORY said of
 * files.
 *
 * Memory in IOMMUs is taken out of them before it is freed, and put back before the
 * driver is answered. Memory that something else has pinned is not freed: a device would
 * go on using the old page, and the guest a new one.
 */
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/shmem_fs.h>

#include "../iommu/iommu.h"
#include "../memory.h"
#include "../vm.h"
#include "balloon.h"

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

/* The same, if all of it is in the memory map. */
static bool kvlane_balloon_unit_in(const struct kvlane_memtable *table, u64 gpa,
				   struct kvlane_balloon_unit *unit)
{
	unsigned long hva, first;
	u64 run;

	hva = kvlane_memtable_find(table, gpa, &run);
	if (!hva || !kvlane_balloon_look(unit, gpa, hva))
		return false;
	first = kvlane_memtable_find(table, unit->gpa, &run);
	if (first == unit->hva && run >= unit->size)
		return true;
	fput(unit->file);
	return false;
}

/**
 * kvlane_balloon_unit_find - what is freed with a page
 * @b: the balloon
 * @gpa: the page
 * @unit: filled in; its file has to be put
 *
 * Return: false for memory that cannot be freed.
 */
bool kvlane_balloon_unit_find(const struct kvlane_balloon_blocks *b, u64 gpa,
			      struct kvlane_balloon_unit *unit)
{
	struct kvlane_vm *vm = b->dev->vm;
	const struct kvlane_memory *memory;
	bool found = false;
	int idx;

	/* Nor is it that of the caller, if he ends or has but borrowed the device. */
	if (!current->mm || current->mm != vm->mm)
		return false;
	idx = srcu_read_lock(&vm->srcu);
	memory = kvlane_balloon_memory(b);
	if (memory)
		found = kvlane_balloon_unit_in(&memory->table, gpa, unit);
	srcu_read_unlock(&vm->srcu, idx);
	return found;
}

/**
 * kvlane_balloon_unit_pinned - does a device use any of it?
 * @unit: the memory
 *
 * Return: true if so.
 */
bool kvlane_balloon_unit_pinned(const struct kvlane_balloon_unit *unit)
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

/**
 * kvlane_balloon_put_back - what the host had is for devices to reach again
 * @b: the balloon; who owns it hears if that fails
 * @unit: the memory, of which no more than address and size matter
 */
void kvlane_balloon_put_back(struct kvlane_balloon_blocks *b,
			     const struct kvlane_balloon_unit *unit)
{
	int err = kvlane_iommus_put_back(b->dev->vm, unit->gpa, unit->size, unit->hva);

	if (err)
		kvlane_device_backend_error(b->dev, KVLANE_NO_QUEUE, err);
}

/**
 * kvlane_balloon_told_late - may the driver use a page again before it says so?
 * @b: the balloon
 *
 * Then a page is the host's no longer than until the driver has an answer to the request
 * that put it in (virtio 1.2, 5.5.6.2), which is before its block is whole.
 *
 * Return: true if so.
 */
bool kvlane_balloon_told_late(const struct kvlane_balloon_blocks *b)
{
	return !(b->dev->accepted & BIT_ULL(VIRTIO_BALLOON_F_MUST_TELL_HOST));
}

/**
 * kvlane_balloon_unit_free - the host has the memory
 * @b: the balloon, which counts why not
 * @unit: the memory
 *
 * Return: false if it cannot.
 */
bool kvlane_balloon_unit_free(struct kvlane_balloon_blocks *b,
			      const struct kvlane_balloon_unit *unit)
{
	int err;

	if (kvlane_iommus_take_out(b->dev->vm, unit->gpa, unit->size) ||
	    kvlane_balloon_unit_pinned(unit)) {
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

/**
 * kvlane_balloon_unit_back - the memory is about to be used again
 * @b: the balloon
 * @unit: the memory
 */
void kvlane_balloon_unit_back(struct kvlane_balloon_blocks *b,
			      const struct kvlane_balloon_unit *unit)
{
	int err = 0;

	if (unit->huge)
		err = vfs_fallocate(unit->file, FALLOC_FL_KEEP_SIZE, unit->offset, unit->size);
	if (err)
		kvlane_device_backend_error(b->dev, KVLANE_NO_QUEUE, err);
	kvlane_balloon_put_back(b, unit);
}

/**
 * kvlane_balloon_block_back - a block is about to be used again, of memory that cannot be
 *	freed any more as it was
 * @b: the balloon
 * @gpa: the block
 */
void kvlane_balloon_block_back(struct kvlane_balloon_blocks *b, u64 gpa)
{
	struct kvlane_balloon_unit unit = { .gpa = gpa, .size = KVLANE_BALLOON_BLOCK };
	struct kvlane_vm *vm = b->dev->vm;
	const struct kvlane_memory *memory;
	u64 run = 0;
	int idx;

	if (!current->mm || current->mm != vm->mm)
		return;
	idx = srcu_read_lock(&vm->srcu);
	memory = kvlane_balloon_memory(b);
	if (memory)
		unit.hva = kvlane_memtable_find(&memory->table, gpa, &run);
	srcu_read_unlock(&vm->srcu, idx);
	if (run >= unit.size)
		kvlane_balloon_put_back(b, &unit);
}
