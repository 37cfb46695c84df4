// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinning guest memory, and remembering what was pinned.
 *
 * A pin on one page of a folio keeps all of the folio where it is, so that memory in
 * large folios takes one pin for each of them and as little time as that. This is only
 * done for a shared writable mapping of a file: there, and nowhere else, the folio that
 * the file has at an index is what the mapping shows, whether or not the page tables
 * have been filled in. Of private memory a folio may show in part only, so each page
 * is pinned and asked for its frame, as is each page that is a folio of its own.
 *
 * What is contiguous becomes one run. A run is either of pages, each with a pin; or of
 * folios, each with one pin for as much of it as the run holds, and each but the first
 * beginning at its first page. So a run says all there is to know for unpinning it. It
 * takes 16 bytes, whatever its length.
 *
 * Pinning goes by the owner's page tables and asks for write access, so a device can
 * reach nothing that the owner could not write to.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "iommu.h"
#include "vm.h"

#define BATCH		(PAGE_SIZE / sizeof(struct page *))
#define BLOCK_RUNS	((PAGE_SIZE - sizeof(struct kvlane_iorun_block)) / \
			 sizeof(struct kvlane_iorun))
/* An area ends with the run that reaches this, so that splitting one is cheap. */
#define AREA_SIZE	SZ_1G

/**
 * struct kvlane_pinner - pinning, as far as it has come
 * @hva: next user address
 * @left: pages to go
 * @start: first user address for which @file and @pgoff hold
 * @end: first one for which they do not
 * @file: what is mapped there shared and writable, held; NULL if it is not such a
 *	mapping
 * @pgoff: page of @file at @start
 * @small: the last folio was a page, so the next ones probably are
 * @batch: room for BATCH pages
 * @areas: where areas are added
 * @area: the last of them
 * @block: the last block of runs there; NULL as long as there is none
 */
struct kvlane_pinner {
	unsigned long hva;
	unsigned long left;
	unsigned long start;
	unsigned long end;
	struct file *file;
	pgoff_t pgoff;
	bool small;
	struct page **batch;
	struct list_head *areas;
	struct kvlane_ioarea *area;
	struct kvlane_iorun_block *block;
};

static int kvlane_pinner_look(struct kvlane_pinner *p)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err = -EFAULT;

	if (p->hva >= p->start && p->hva < p->end)
		return 0;
	if (p->file)
		fput(p->file);
	p->file = NULL;
	mmap_read_lock(mm);
	vma = vma_lookup(mm, p->hva);
	if (vma) {
		p->start = vma->vm_start;
		p->end = vma->vm_end;
		p->pgoff = vma->vm_pgoff;
		if (vma->vm_file && (vma->vm_flags & VM_SHARED) &&
		    (vma->vm_flags & VM_WRITE))
			p->file = get_file(vma->vm_file);
		err = 0;
	}
	mmap_read_unlock(mm);
	return err;
}

/* Pages of the folio from this one on that the mapping is sure to show at hva. */
static unsigned long kvlane_pinner_span(const struct kvlane_pinner *p, unsigned long hva,
					struct page *page)
{
	struct folio *folio = page_folio(page);
	unsigned long index = page_to_pfn(page) - folio_pfn(folio);

	if (!p->file || !folio_test_large(folio) ||
	    READ_ONCE(folio->mapping) != p->file->f_mapping ||
	    folio->index + index != p->pgoff + ((hva - p->start) >> PAGE_SHIFT))
		return 1;
	return min(folio_nr_pages(folio) - index, (p->end - hva) >> PAGE_SHIFT);
}

/* A block with room for a run: this one, the last of the area, or a new one. */
static struct kvlane_iorun_block *kvlane_ioarea_room(struct kvlane_ioarea *area,
						     struct kvlane_iorun_block *block)
{
	if (block && block->nr < BLOCK_RUNS)
		return block;
	block = kzalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	if (block)
		list_add_tail(&block->node, &area->blocks);
	return block;
}

static struct kvlane_ioarea *kvlane_ioarea_alloc(u64 iova, unsigned long hva)
{
	struct kvlane_ioarea *area = kzalloc(sizeof(*area), GFP_KERNEL_ACCOUNT);

	if (!area)
		return NULL;
	area->iova = iova;
	area->hva = hva;
	INIT_LIST_HEAD(&area->blocks);
	return area;
}

/* A folio may go on with a run only from its first page on: see the top of the file. */
static bool kvlane_iorun_joins(const struct kvlane_iorun *last,
			       const struct kvlane_iorun *run)
{
	if (last->pfn + last->pages != run->pfn || last->folios != run->folios ||
	    last->pages > U32_MAX - run->pages)
		return false;
	return !run->folios || folio_pfn(page_folio(pfn_to_page(run->pfn))) == run->pfn;
}

/* Has the last block have room, in a new area where the last one is large enough. */
static int kvlane_pinner_room(struct kvlane_pinner *p)
{
	struct kvlane_ioarea *area = p->area;

	if (area->size >= AREA_SIZE) {
		area = kvlane_ioarea_alloc(area->iova + area->size, area->hva + area->size);
		if (!area)
			return -ENOMEM;
		list_add_tail(&area->node, p->areas);
		p->area = area;
		p->block = NULL;
	}
	p->block = kvlane_ioarea_room(area, p->block);
	return p->block ? 0 : -ENOMEM;
}

/* Takes over the pins, if it succeeds. */
static __always_inline int kvlane_pinner_add(struct kvlane_pinner *p,
					     const struct kvlane_iorun *run)
{
	struct kvlane_iorun_block *block = p->block;
	int err;

	if (block && kvlane_iorun_joins(&block->run[block->nr - 1], run)) {
		block->run[block->nr - 1].pages += run->pages;
	} else {
		if (!block || block->nr == BLOCK_RUNS || p->area->size >= AREA_SIZE) {
			err = kvlane_pinner_room(p);
			if (err)
				return err;
			block = p->block;
		}
		block->run[block->nr++] = *run;
	}
	p->area->size += (u64)run->pages << PAGE_SHIFT;
	p->hva += (unsigned long)run->pages << PAGE_SHIFT;
	p->left -= run->pages;
	return 0;
}

/*
 * Adds what was pinned; the pins beyond a large folio's first are given back. For a page
 * that is a folio this is short, as there may be very many of them.
 */
static int kvlane_pinner_take(struct kvlane_pinner *p, long nr)
{
	struct kvlane_iorun run = {};
	long i = 0;
	int err = 0;

	while (i < nr && !run.folios) {
		run.pfn = page_to_pfn(p->batch[i]);
		run.pages = 1;
		if (p->file && PageCompound(p->batch[i])) {
			run.pages = min3(kvlane_pinner_span(p, p->hva, p->batch[i]), p->left,
					 (unsigned long)U32_MAX);
			run.folios = run.pages > 1;
		}
		err = kvlane_pinner_add(p, &run);
		if (err)
			break;
		i++;
	}
	p->small = !run.folios;
	if (i < nr)
		unpin_user_pages(p->batch + i, nr - i);
	return err;
}

static int kvlane_pinner_step(struct kvlane_pinner *p)
{
	unsigned long want;
	long nr;
	int err;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	err = kvlane_pinner_look(p);
	if (err)
		return err;
	want = min((p->end - p->hva) >> PAGE_SHIFT, p->left);
	want = p->file && !p->small ? 1 : min(want, BATCH);
	nr = pin_user_pages_fast(p->hva, want, FOLL_WRITE | FOLL_LONGTERM, p->batch);
	/* Others are about what the memory is, and have meanings of their own here. */
	if (nr <= 0)
		return nr == -ENOMEM || nr == -EINTR ? nr : -EFAULT;
	return kvlane_pinner_take(p, nr);
}

/**
 * kvlane_ioarea_pin - pin memory
 * @iommu: for whom; its VM's lock for IOMMUs is held
 * @iova: guest physical address
 * @size: bytes, not zero; both are page aligned
 * @hva: user address in the caller's address space
 * @areas: empty, filled with areas that together are the range
 *
 * Return: 0; -EFAULT if something there cannot be pinned for writing, -ENOMEM, or
 * -EINTR if the caller is being killed. After an error @areas has to be unpinned.
 */
int kvlane_ioarea_pin(struct kvlane_iommu *iommu, u64 iova, u64 size, unsigned long hva,
		      struct list_head *areas)
{
	struct kvlane_pinner p = {
		.hva = hva,
		.left = size >> PAGE_SHIFT,
		.batch = iommu->batch,
		.areas = areas,
		.area = kvlane_ioarea_alloc(iova, hva),
	};
	int err = 0;

	if (!p.area)
		return -ENOMEM;
	list_add_tail(&p.area->node, areas);
	while (p.left && !err)
		err = kvlane_pinner_step(&p);
	if (p.file)
		fput(p.file);
	return err;
}

/* Pages from this one to the end of its folio, or of the run. */
static unsigned long kvlane_iorun_rest(const struct kvlane_iorun *run, unsigned long page)
{
	unsigned long pfn = run->pfn + page;
	struct folio *folio = page_folio(pfn_to_page(pfn));

	return min(folio_pfn(folio) + folio_nr_pages(folio) - pfn, run->pages - page);
}

static void kvlane_iorun_unpin(const struct kvlane_iorun *run)
{
	unsigned long page, rest;

	if (!run->folios) {
		unpin_user_page_range_dirty_lock(pfn_to_page(run->pfn), run->pages, true);
		return;
	}
	for (page = 0; page < run->pages; page += rest) {
		rest = kvlane_iorun_rest(run, page);
		unpin_user_page_range_dirty_lock(pfn_to_page(run->pfn + page), 1, true);
		cond_resched();
	}
}

static void kvlane_ioarea_free(struct kvlane_ioarea *area)
{
	struct kvlane_iorun_block *block, *next;

	list_for_each_entry_safe(block, next, &area->blocks, node)
		kfree(block);
	kfree(area);
}

/**
 * kvlane_ioarea_unpin - unpin what no IOMMU maps any more, and free the area
 * @area: the area, not in a list
 */
void kvlane_ioarea_unpin(struct kvlane_ioarea *area)
{
	struct kvlane_iorun_block *block;
	struct kvlane_iorun *run;

	kvlane_ioarea_for_each_run(area, block, run) {
		kvlane_iorun_unpin(run);
		cond_resched();
	}
	kvlane_ioarea_free(area);
}

/**
 * kvlane_iorun_floor - where a run can be cut, as far as pins matter
 * @run: the run
 * @page: a page of it
 *
 * Return: the last page up to @page before which it can be.
 */
unsigned long kvlane_iorun_floor(const struct kvlane_iorun *run, unsigned long page)
{
	unsigned long first;

	if (!run->folios)
		return page;
	first = folio_pfn(page_folio(pfn_to_page(run->pfn + page)));
	return first > run->pfn ? first - run->pfn : 0;
}

/**
 * kvlane_iorun_ceil - the same upwards
 * @run: the run
 * @page: a page of it
 *
 * Return: the first page from @page on before which it can be cut, its end if none.
 */
unsigned long kvlane_iorun_ceil(const struct kvlane_iorun *run, unsigned long page)
{
	if (kvlane_iorun_floor(run, page) == page)
		return page;
	return page + kvlane_iorun_rest(run, page);
}

/* Copies the runs from where another area begins to it. */
static int kvlane_ioarea_move(struct kvlane_ioarea *area, struct kvlane_ioarea *tail)
{
	struct kvlane_iorun_block *block, *to = NULL;
	struct kvlane_iorun *run, rest;
	u64 at = area->iova, end;

	kvlane_ioarea_for_each_run(area, block, run) {
		end = at + ((u64)run->pages << PAGE_SHIFT);
		if (end > tail->iova) {
			rest = *run;
			if (at < tail->iova) {
				rest.pages = (end - tail->iova) >> PAGE_SHIFT;
				rest.pfn += run->pages - rest.pages;
			}
			to = kvlane_ioarea_room(tail, to);
			if (!to)
				return -ENOMEM;
			to->run[to->nr++] = rest;
			tail->size += (u64)rest.pages << PAGE_SHIFT;
		}
		at = end;
	}
	return 0;
}

static void kvlane_ioarea_cut(struct kvlane_ioarea *area, u64 iova)
{
	struct kvlane_iorun_block *block, *next;
	u64 at = area->iova;
	u32 i;

	area->size = iova - area->iova;
	list_for_each_entry_safe(block, next, &area->blocks, node) {
		for (i = 0; i < block->nr && at < iova; i++) {
			block->run[i].pages = min_t(u64, block->run[i].pages,
						    (iova - at) >> PAGE_SHIFT);
			at += (u64)block->run[i].pages << PAGE_SHIFT;
		}
		block->nr = i;
		if (!i) {
			list_del(&block->node);
			kfree(block);
		}
	}
}

/**
 * kvlane_ioarea_split - make two areas of one; nothing is unmapped
 * @area: in a list
 * @iova: where the second one begins, inside @area; not inside a folio with one pin,
 *	nor inside a leaf of any domain
 *
 * Return: 0, or -ENOMEM, nothing having changed.
 */
int kvlane_ioarea_split(struct kvlane_ioarea *area, u64 iova)
{
	struct kvlane_ioarea *tail;

	tail = kvlane_ioarea_alloc(iova, area->hva + (iova - area->iova));
	if (!tail)
		return -ENOMEM;
	tail->fresh = area->fresh;
	if (kvlane_ioarea_move(area, tail)) {
		kvlane_ioarea_free(tail);
		return -ENOMEM;
	}
	kvlane_ioarea_cut(area, iova);
	list_add(&tail->node, &area->node);
	return 0;
}
