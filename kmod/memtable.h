/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's memory map: which guest physical address lies where in the address
 * space of its owner. Immutable once built; whoever holds a pointer to it may
 * read it without a lock. Compiled in user space as well, by the unit tests.
 */
#ifndef KVLANE_MEMTABLE_H
#define KVLANE_MEMTABLE_H

#ifdef __KERNEL__
#include <linux/nospec.h>
#include <linux/types.h>
#else
#include "shim.h"
#endif

/**
 * struct kvlane_memrange - guest memory that is contiguous on both sides
 * @gpa: guest physical address
 * @size: bytes
 * @hva: user address of @gpa
 */
struct kvlane_memrange {
	u64 gpa;
	u64 size;
	unsigned long hva;
};

/**
 * struct kvlane_memtable - the memory map
 * @nr: ranges
 * @range: the ranges; after kvlane_memtable_build() sorted by @gpa, disjoint
 */
struct kvlane_memtable {
	u32 nr;
	struct kvlane_memrange range[];
};

/**
 * kvlane_memtable_build - check, sort and condense a table
 * @t: table with @nr and @range filled in, ranges in any order
 *
 * Ranges that continue each other in guest physical and in user addresses
 * become one, so @nr may shrink. On an error the order of @range is undefined.
 * Whether the user addresses are user addresses is for the caller to check.
 *
 * Return: 0; -EINVAL for a range that is empty, wraps around, begins at user
 * address 0, or is not page aligned; -EEXIST if two ranges overlap in guest
 * physical addresses.
 */
int kvlane_memtable_build(struct kvlane_memtable *t);

/**
 * kvlane_memtable_range - the range that may hold an address
 * @t: a built table that is not empty
 * @gpa: guest physical address
 *
 * Return: the last range that begins at or before @gpa, or else the first one.
 */
static __always_inline const struct kvlane_memrange *
kvlane_memtable_range(const struct kvlane_memtable *t, u64 gpa)
{
	const struct kvlane_memrange *r = t->range;
	u32 half, nr = t->nr;

	/* It is one of r[0 .. nr). */
	for (; nr > 1; nr -= half) {
		half = nr / 2;
		if (r[half].gpa <= gpa)
			r += half;
	}
	return r;
}

/**
 * kvlane_memrange_find - translate a guest physical address within a range
 * @r: a range of a built table
 * @gpa: the address, from the guest
 * @run: set to the bytes that follow contiguously from @gpa on, at least 1,
 *	if the address is in the range
 *
 * The result is safe to dereference under speculation: it stays inside the
 * range even if the processor mispredicts the bounds check.
 *
 * Return: user address of @gpa, or 0 if it is not in the range.
 */
static __always_inline unsigned long
kvlane_memrange_find(const struct kvlane_memrange *r, u64 gpa, u64 *run)
{
	u64 offset = gpa - r->gpa;

	if (offset >= r->size)
		return 0;
	offset = array_index_nospec(offset, r->size);
	*run = r->size - offset;
	return r->hva + offset;
}

/**
 * kvlane_memtable_find - translate a guest physical address
 * @t: a built table
 * @gpa: the address, from the guest
 * @run: as with kvlane_memrange_find()
 *
 * Return: user address of @gpa, or 0 if it is not guest memory.
 */
static __always_inline unsigned long
kvlane_memtable_find(const struct kvlane_memtable *t, u64 gpa, u64 *run)
{
	if (!t->nr)
		return 0;
	return kvlane_memrange_find(kvlane_memtable_range(t, gpa), gpa, run);
}

/**
 * kvlane_memtable_holds - is user memory part of the guest's?
 * @t: a built table
 * @hva: user address
 * @size: bytes
 *
 * Looks at range after range: for what is seldom asked.
 *
 * Return: whether all of it is in one range.
 */
bool kvlane_memtable_holds(const struct kvlane_memtable *t, unsigned long hva, u64 size);

#endif /* KVLANE_MEMTABLE_H */
