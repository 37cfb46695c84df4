// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's memory map.
 *
 * Most guests have two or three ranges (below and above the hole under 4 GiB),
 * so the binary search in memtable.h takes a step or two; it is inline because
 * the ring code uses it inside a window to user memory, where nothing may be
 * called. Ranges that merely continue each other are joined when the table is
 * built; a buffer then becomes one segment wherever the host's mapping allows.
 */
#include "memtable.h"

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/sort.h>
#endif

#define MEMTABLE_ALIGN	4096

static int memrange_cmp(const void *a, const void *b)
{
	const struct kvlane_memrange *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

static bool memrange_valid(const struct kvlane_memrange *r)
{
	if ((r->gpa | r->size | r->hva) % MEMTABLE_ALIGN || !r->hva)
		return false;

	/* An end of 2^64 counts as wrapped too, so that ends can be computed. */
	return r->gpa + r->size > r->gpa && r->hva + r->size > r->hva;
}

static bool memrange_continues(const struct kvlane_memrange *r,
			       const struct kvlane_memrange *before)
{
	return r->gpa == before->gpa + before->size &&
	       r->hva == before->hva + before->size;
}

int kvlane_memtable_build(struct kvlane_memtable *t)
{
	struct kvlane_memrange *last;
	u32 i, nr = t->nr;

	for (i = 0; i < nr; i++) {
		if (!memrange_valid(&t->range[i]))
			return -EINVAL;
	}
	if (!nr)
		return 0;

	sort(t->range, nr, sizeof(t->range[0]), memrange_cmp, NULL);
	last = &t->range[0];
	for (i = 1; i < nr; i++) {
		if (t->range[i].gpa < last->gpa + last->size)
			return -EEXIST;
		if (memrange_continues(&t->range[i], last))
			last->size += t->range[i].size;
		else
			*++last = t->range[i];
	}
	t->nr = last - t->range + 1;
	return 0;
}

bool kvlane_memtable_holds(const struct kvlane_memtable *t, unsigned long hva, u64 size)
{
	const struct kvlane_memrange *r;

	for (r = t->range; r < t->range + t->nr; r++)
		if (hva - r->hva <= r->size && size <= r->size - (hva - r->hva))
			return true;
	return false;
}
