// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which guest memory is in a balloon, and giving it to the host in whole blocks.
 *
 * Drivers name pages of 4 KiB, and giving the host each as it comes would take its huge
 * pages apart. So pages are only noted here, in a bitmap for each block of 2 MiB, until
 * the last one of a block has come. The block then goes at once, by a hole in the file
 * that is mapped there: for memory in transparent huge pages, a huge page in one piece; for
 * hugetlb pages, when all blocks of one are whole.
 * Guests make blocks whole by themselves: Linux takes pages for the balloon from the
 * largest free pieces of memory, and moves pages in the balloon when it compacts.
 *
 * A page that is given back makes its block the guest's again, as a whole. Memory in
 * transparent huge pages then comes back as such when the guest touches it, for nothing
 * is left of the old page. A hugetlb page is allocated before the driver is answered:
 * later there might be none, and the guest would die of it.
 *
 * All of a block that is not whole stays where it is, unless the host is short of memory:
 * see balloon_split.c. A block of which the host has had anything is noted when it is all
 * the guest's again, so that the owner can have it put into a huge page.
 *
 * All under kvlane_vm.iommu_lock, in the owner's address space.
 */
#include <linux/file.h>
#include <linux/slab.h>

#include "../iommu/iommu.h"
#include "../memory.h"
#include "../vm.h"
#include "balloon.h"

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

/* All of a block is the host's, of which it may have had some. */
static void kvlane_balloon_block_gone(struct kvlane_balloon_blocks *b,
				      struct kvlane_balloon_block *block, bool huge)
{
	b->freed += KVLANE_BALLOON_BLOCK -
		    bitmap_weight(block->away, KVLANE_BALLOON_PAGES) * KVLANE_BALLOON_PAGE;
	bitmap_zero(block->away, KVLANE_BALLOON_PAGES);
	/* A hugetlb page comes back as it was. */
	block->lent = !huge;
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
			kvlane_balloon_block_gone(b, block, unit->huge);
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
	if (kvlane_balloon_told_late(b))
		b->refused++;
	else if (kvlane_balloon_unit_whole(b, &unit, false) && kvlane_balloon_unit_free(b, &unit))
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
		/* What is mapped there, or the rest of a larger page, has changed meanwhile. */
		block->freed = false;
		b->freed -= KVLANE_BALLOON_BLOCK;
		kvlane_balloon_block_back(b, ALIGN_DOWN(gpa, KVLANE_BALLOON_BLOCK));
		return;
	}
	kvlane_balloon_unit_back(b, &unit);
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
	xa_erase(&b->returned, index);
	b->nr++;
	return block;
}

/* A block is the guest's again. That the owner is told is a matter of speed alone. */
static void kvlane_balloon_block_returned(struct kvlane_balloon_blocks *b, unsigned long index)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_BALLOON_RETURNED,
		.queue = KVLANE_NO_QUEUE,
	};

	if (xa_err(xa_store(&b->returned, index, xa_mk_value(0), GFP_KERNEL_ACCOUNT)) ||
	    b->told)
		return;
	b->told = true;
	kvlane_events_post(&b->dev->events, &event);
}

static void kvlane_balloon_block_put(struct kvlane_balloon_blocks *b,
				     struct kvlane_balloon_block *block, u64 gpa)
{
	if (block->pages)
		return;
	if (block->lent)
		kvlane_balloon_block_returned(b, kvlane_balloon_index(gpa));
	xa_erase(&b->blocks, kvlane_balloon_index(gpa));
	kfree(block);
	b->nr--;
}

static bool kvlane_balloon_is_memory(const struct kvlane_balloon_blocks *b, u64 gpa)
{
	int idx = srcu_read_lock(&b->dev->vm->srcu);
	const struct kvlane_memory *memory = kvlane_balloon_memory(b);
	bool found;
	u64 run;

	found = memory && kvlane_memtable_find(&memory->table, gpa, &run);
	srcu_read_unlock(&b->dev->vm->srcu, idx);
	return found;
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
	WRITE_ONCE(b->splittable, true);
	if (++block->pages < KVLANE_BALLOON_PAGES)
		return;
	b->whole++;
	kvlane_balloon_try(b, gpa);
}

/**
 * kvlane_balloon_retry - free whole blocks that could not be freed when they became so
 * @b: the balloon; there is nothing to it without the owner's address space
 */
void kvlane_balloon_retry(struct kvlane_balloon_blocks *b)
{
	struct kvlane_balloon_block *block;
	unsigned long index;
	u64 end = 0;

	/* Only the owner has the memory, and not who has but borrowed the device. */
	if (current->mm != b->dev->vm->mm)
		return;
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
	if (test_and_clear_bit(kvlane_balloon_page(pfn), block->away))
		b->freed -= KVLANE_BALLOON_PAGE;
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
		if (block->lent)
			kvlane_balloon_block_returned(b, index);
		cond_resched();
	}
	kvlane_balloon_forget(b);
}

/* Nothing of a block is the host's any more, whatever the driver has put in. */
static void kvlane_balloon_block_there(struct kvlane_balloon_blocks *b,
				       struct kvlane_balloon_block *block)
{
	if (block->freed)
		b->freed -= KVLANE_BALLOON_BLOCK;
	else
		b->freed -= bitmap_weight(block->away, KVLANE_BALLOON_PAGES) *
			    KVLANE_BALLOON_PAGE;
	block->freed = false;
	bitmap_zero(block->away, KVLANE_BALLOON_PAGES);
}

/* A block that is about to be mapped in an IOMMU: does it stay out? */
static bool kvlane_balloon_stays_out(struct kvlane_balloon_blocks *b, unsigned long index)
{
	struct kvlane_balloon_block *block = xa_load(&b->blocks, index);

	if (!block)
		return false;
	if (block->freed)
		return true;
	kvlane_balloon_block_there(b, block);
	return false;
}

static bool kvlane_balloons_keep_out(struct kvlane_vm *vm, unsigned long index)
{
	struct kvlane_balloon_blocks *b;
	bool out = false;

	list_for_each_entry(b, &vm->balloons, node)
		out |= kvlane_balloon_stays_out(b, index);
	return out;
}

/**
 * kvlane_balloons_have - has the host memory that is about to be mapped in an IOMMU?
 * @vm: the VM, its lock for IOMMUs held
 * @gpa: guest physical address
 * @size: bytes, not zero
 * @run: set to how many bytes the answer is about, from @gpa on
 *
 * What was freed in blocks stays out until it is given back, as if the device had been
 * there from the start: see kvlane_balloon_unit_back(). Not so if the driver does not tell
 * before it uses memory, nor what was freed in pages; all that is there again once it is
 * pinned, and is no longer counted as the host's.
 *
 * Return: true if it is to stay out.
 */
bool kvlane_balloons_have(struct kvlane_vm *vm, u64 gpa, u64 size, u64 *run)
{
	unsigned long index = kvlane_balloon_index(gpa);
	unsigned long last = kvlane_balloon_index(gpa + size - 1);
	bool out;

	*run = size;
	if (list_empty(&vm->balloons))
		return false;
	out = kvlane_balloons_keep_out(vm, index);
	while (index++ < last) {
		if (kvlane_balloons_keep_out(vm, index) != out) {
			*run = (u64)index * KVLANE_BALLOON_BLOCK - gpa;
			break;
		}
		cond_resched();
	}
	return out;
}

/* Is all of a block where it was? */
static bool kvlane_balloon_block_stays(const struct kvlane_memory *old,
				       const struct kvlane_memory *memory, u64 gpa)
{
	unsigned long hva;
	u64 run = 0;

	hva = kvlane_memtable_find(&memory->table, gpa, &run);
	return run >= KVLANE_BALLOON_BLOCK && kvlane_memtable_find(&old->table, gpa, &run) == hva;
}

/* What stays of a block that does not stay as a whole, and is in no IOMMU. */
static void kvlane_balloon_rest_back(struct kvlane_balloon_blocks *b,
				     const struct kvlane_memory *old,
				     const struct kvlane_memory *memory, u64 gpa)
{
	const u64 end = gpa + KVLANE_BALLOON_BLOCK;
	struct kvlane_balloon_unit rest;
	unsigned long hva;
	u64 run, was;

	for (; gpa < end; gpa += rest.size) {
		run = PAGE_SIZE;
		was = PAGE_SIZE;
		hva = kvlane_memtable_find(&memory->table, gpa, &run);
		if (kvlane_memtable_find(&old->table, gpa, &was) != hva)
			hva = 0;
		rest = (struct kvlane_balloon_unit){
			.gpa = gpa, .hva = hva, .size = min3(run, was, end - gpa),
		};
		if (hva)
			kvlane_balloon_put_back(b, &rest);
	}
}

/* The host has nothing of a block any more that is not where it was. */
static void kvlane_balloon_block_changed(struct kvlane_balloon_blocks *b,
					 struct kvlane_balloon_block *block,
					 const struct kvlane_memory *old,
					 const struct kvlane_memory *memory, u64 gpa)
{
	if (kvlane_balloon_block_stays(old, memory, gpa))
		return;
	if (block->freed)
		kvlane_balloon_rest_back(b, old, memory, gpa);
	kvlane_balloon_block_there(b, block);
}

/**
 * kvlane_balloons_memory_changed - other memory is where balloons have freed some
 * @vm: the VM, its lock for IOMMUs held
 * @old: the memory map until now, or NULL
 * @memory: the new one
 *
 * The new memory is no less there for what became of the old. So of what balloons say that
 * the host has, all is still in the map, where it was when it was freed.
 */
void kvlane_balloons_memory_changed(struct kvlane_vm *vm, const struct kvlane_memory *old,
				    const struct kvlane_memory *memory)
{
	struct kvlane_balloon_blocks *b;
	struct kvlane_balloon_block *block;
	unsigned long index;

	if (!old)
		return;
	list_for_each_entry(b, &vm->balloons, node) {
		xa_for_each(&b->blocks, index, block) {
			kvlane_balloon_block_changed(b, block, old, memory,
						     (u64)index * KVLANE_BALLOON_BLOCK);
			cond_resched();
		}
	}
}

/**
 * kvlane_balloon_take_returned - blocks that are the guest's again
 * @b: the balloon
 * @gpa: filled in
 * @room: for how many
 *
 * Return: how many.
 */
u32 kvlane_balloon_take_returned(struct kvlane_balloon_blocks *b, u64 *gpa, u32 room)
{
	unsigned long index;
	void *entry;
	u32 nr = 0;

	xa_for_each(&b->returned, index, entry) {
		if (nr == room)
			return nr;
		xa_erase(&b->returned, index);
		gpa[nr++] = (u64)index * KVLANE_BALLOON_BLOCK;
	}
	b->told = false;
	return nr;
}

static bool kvlane_balloon_range(const struct kvlane_balloon_blocks *b, unsigned long hva,
				 struct kvlane_memrange *range)
{
	int idx = srcu_read_lock(&b->dev->vm->srcu);
	const struct kvlane_memory *memory = kvlane_balloon_memory(b);
	bool found = false;
	u32 i;

	for (i = 0; memory && i < memory->table.nr && !found; i++) {
		*range = memory->table.range[i];
		found = hva >= range->hva && hva - range->hva < range->size;
	}
	srcu_read_unlock(&b->dev->vm->srcu, idx);
	return found;
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
		freed = kvlane_balloon_unit_free(b, &unit);
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
	struct kvlane_memrange r;
	u64 gpa, end;

	if (!kvlane_balloon_range(b, hva, &r))
		return;
	gpa = r.gpa + (hva - r.hva);
	end = gpa + min_t(u64, len, r.size - (hva - r.hva));
	for (gpa = ALIGN(gpa, KVLANE_BALLOON_BLOCK); gpa + KVLANE_BALLOON_BLOCK <= end;
	     gpa += KVLANE_BALLOON_BLOCK) {
		if (kvlane_balloon_report_block(b, gpa))
			b->reported += KVLANE_BALLOON_BLOCK;
		cond_resched();
	}
}
