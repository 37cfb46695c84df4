// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging: which pages devices have written to, for whoever moves a running guest.
 * KVM's log knows of writes by the guest's processors alone.
 *
 * The log is about user addresses. It is where memory is that counts, not at how many
 * addresses the guest or an IOMMU shows it; and it is all that is known of a buffer when a
 * request ends.
 *
 * When pages are marked
 * ---------------------
 * After they were written, and before the driver is shown that its request is over. To
 * fetch the log takes the marks away first, then the pages are read. So a page that was
 * read too early is marked again afterwards, whatever was under way meanwhile:
 *
 *	device			fetcher
 *	write to the page	take the mark away
 *	smp_mb()		xchg() is a barrier
 *	set the mark		read the page
 *
 * A mark that is there already is not set again, so that lanes do not take the cache line
 * from each other for each request. The barrier is for that look, too: it must not come
 * before the write.
 *
 * What is in flight when the log is fetched for the last time is not in it. Hence devices
 * are stopped first, which ends their requests.
 *
 * Locking: kvlane_vm.lock to put another log in its place and to fetch; lanes look at it
 * under the VM's SRCU.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/kvlane.h>

#include "dirty.h"
#include "vm.h"

/* Words of bits are fetched as a whole. */
#define KVLANE_DIRTY_UNIT (BITS_PER_LONG * PAGE_SIZE)

/**
 * kvlane_dirty_free - free a log
 * @dirty: the log, which nobody looks at any more; or NULL
 */
void kvlane_dirty_free(struct kvlane_dirty *dirty)
{
	u32 i;

	if (!dirty)
		return;
	for (i = 0; i < dirty->nr; i++)
		vfree(dirty->parts[i].bits);
	kvfree(dirty);
}

/* Put another log, or NULL, in the place of the one there is. */
static void kvlane_dirty_replace(struct kvlane_vm *vm, struct kvlane_dirty *dirty)
{
	struct kvlane_dirty *old;

	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->dirty, dirty, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	/* From now on all that is shown to a driver has been marked. */
	if (old || dirty)
		synchronize_srcu(&vm->srcu);
	kvlane_dirty_free(old);
}

/**
 * kvlane_dirty_end - log no more
 * @vm: the VM
 */
void kvlane_dirty_end(struct kvlane_vm *vm)
{
	kvlane_dirty_replace(vm, NULL);
}

static bool kvlane_dirty_overlaps(const struct kvlane_dirty *dirty, u32 nr, u64 hva, u64 size)
{
	const struct kvlane_dirty_part *part;
	u32 i;

	for (i = 0; i < nr; i++) {
		part = &dirty->parts[i];
		if (hva < part->hva + part->pages * PAGE_SIZE && part->hva < hva + size)
			return true;
	}
	return false;
}

static int kvlane_dirty_check(const struct kvlane_dirty *dirty, u32 nr,
			      const struct kvlane_dirty_range *range)
{
	if (range->reserved[0] || range->reserved[1] || !range->size ||
	    !PAGE_ALIGNED(range->hva | range->size) ||
	    !access_ok((void __user *)range->hva, range->size))
		return -EINVAL;
	return kvlane_dirty_overlaps(dirty, nr, range->hva, range->size) ? -EEXIST : 0;
}

static int kvlane_dirty_add(struct kvlane_dirty *dirty, u32 nr,
			    const struct kvlane_dirty_range *range, u64 *total)
{
	struct kvlane_dirty_part *part = &dirty->parts[nr];
	int err = kvlane_dirty_check(dirty, nr, range);

	if (err)
		return err;
	*total += range->size;
	if (*total > KVLANE_MAX_DIRTY)
		return -E2BIG;
	part->hva = range->hva;
	part->pages = range->size >> PAGE_SHIFT;
	part->bits = __vmalloc(BITS_TO_LONGS(part->pages) * sizeof(long),
			       GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	return part->bits ? 0 : -ENOMEM;
}

/**
 * kvlane_dirty_read - a log of what the user names, with nothing in it
 * @ranges: user address of an array of struct kvlane_dirty_range
 * @nr: elements of it, at least one
 *
 * Return: the log, or an ERR_PTR() as for KVLANE_SET_DIRTY_LOG.
 */
struct kvlane_dirty *kvlane_dirty_read(u64 ranges, u32 nr)
{
	struct kvlane_dirty_range __user *from = u64_to_user_ptr(ranges);
	struct kvlane_dirty_range range;
	struct kvlane_dirty *dirty;
	u64 total = 0;
	int err = 0;
	u32 i;

	if (nr > KVLANE_MAX_REGIONS)
		return ERR_PTR(-E2BIG);
	dirty = kvzalloc(struct_size(dirty, parts, nr), GFP_KERNEL_ACCOUNT);
	if (!dirty)
		return ERR_PTR(-ENOMEM);
	dirty->nr = nr;
	for (i = 0; i < nr && !err; i++) {
		if (copy_from_user(&range, &from[i], sizeof(range)))
			err = -EFAULT;
		else
			err = kvlane_dirty_add(dirty, i, &range, &total);
	}
	if (!err)
		return dirty;
	kvlane_dirty_free(dirty);
	return ERR_PTR(err);
}

/**
 * kvlane_dirty_set - KVLANE_SET_DIRTY_LOG
 * @vm: the VM
 * @argp: struct kvlane_set_dirty_log in user memory
 *
 * Return: 0 or a negative errno, the log then being what it was.
 */
long kvlane_dirty_set(struct kvlane_vm *vm, void __user *argp)
{
	struct kvlane_set_dirty_log args;
	struct kvlane_dirty *dirty = NULL;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	if (args.nr_ranges)
		dirty = kvlane_dirty_read(args.ranges, args.nr_ranges);
	if (IS_ERR(dirty))
		return PTR_ERR(dirty);
	kvlane_dirty_replace(vm, dirty);
	return 0;
}

/* A word of bits goes to the user, or stays. */
static int kvlane_dirty_move(unsigned long *word, u64 __user *to, u64 *pages)
{
	unsigned long bits = READ_ONCE(*word) ? xchg(word, 0) : 0;

	if (!put_user((u64)bits, to)) {
		*pages += hweight_long(bits);
		return 0;
	}
	for (; bits; bits &= bits - 1)
		set_bit(__ffs(bits), word);
	return -EFAULT;
}

static int kvlane_dirty_fetch(const struct kvlane_dirty_part *part,
			      struct kvlane_get_dirty_log *args)
{
	unsigned long first = (args->hva - part->hva) / KVLANE_DIRTY_UNIT;
	unsigned long nr = DIV_ROUND_UP(args->size, KVLANE_DIRTY_UNIT), i;
	u64 __user *to = u64_to_user_ptr(args->bitmap);
	int err = 0;

	args->pages = 0;
	for (i = 0; i < nr && !err; i++) {
		err = kvlane_dirty_move(&part->bits[first + i], &to[i], &args->pages);
		cond_resched();
	}
	return err;
}

static bool kvlane_dirty_within(const struct kvlane_dirty_part *part,
				const struct kvlane_get_dirty_log *args)
{
	u64 end = part->hva + part->pages * PAGE_SIZE;

	return args->hva >= part->hva && args->hva < end && args->size <= end - args->hva;
}

/**
 * kvlane_dirty_take - a part of a log goes to the user
 * @dirty: the log, that of kvlane_vm.dirty under kvlane_vm.lock; or NULL
 * @args: what part, and where to; checked by kvlane_dirty_ask()
 *
 * Return: 0, with the number of pages filled in; or a negative errno.
 */
int kvlane_dirty_take(const struct kvlane_dirty *dirty, struct kvlane_get_dirty_log *args)
{
	const struct kvlane_dirty_part *part;
	u32 i;

	for (i = 0; dirty && i < dirty->nr; i++) {
		part = &dirty->parts[i];
		if (!kvlane_dirty_within(part, args))
			continue;
		if ((args->hva - part->hva) % KVLANE_DIRTY_UNIT ||
		    (args->size % KVLANE_DIRTY_UNIT &&
		     args->hva + args->size != part->hva + part->pages * PAGE_SIZE))
			return -EINVAL;
		return kvlane_dirty_fetch(part, args);
	}
	return -ENOENT;
}

/**
 * kvlane_dirty_ask - what part of a log the user wants
 * @args: filled in
 * @argp: struct kvlane_get_dirty_log in user memory
 *
 * Return: 0 or a negative errno.
 */
int kvlane_dirty_ask(struct kvlane_get_dirty_log *args, const void __user *argp)
{
	if (copy_from_user(args, argp, sizeof(*args)))
		return -EFAULT;
	if (args->flags || args->reserved0 || args->pages || args->reserved[0] ||
	    args->reserved[1] || !args->size || !PAGE_ALIGNED(args->hva | args->size))
		return -EINVAL;
	return 0;
}

/**
 * kvlane_dirty_get - KVLANE_GET_DIRTY_LOG
 * @vm: the VM
 * @argp: struct kvlane_get_dirty_log in user memory
 *
 * Return: 0 or a negative errno.
 */
long kvlane_dirty_get(struct kvlane_vm *vm, void __user *argp)
{
	struct kvlane_get_dirty_log args;
	long ret = kvlane_dirty_ask(&args, argp);

	if (ret)
		return ret;
	mutex_lock(&vm->lock);
	ret = kvlane_dirty_take(rcu_dereference_protected(vm->dirty, lockdep_is_held(&vm->lock)),
				&args);
	mutex_unlock(&vm->lock);
	if (!ret && copy_to_user(argp, &args, sizeof(args)))
		ret = -EFAULT;
	return ret;
}

static void kvlane_dirty_mark_part(const struct kvlane_dirty_part *part, unsigned long addr,
				   size_t len)
{
	unsigned long end = part->hva + part->pages * PAGE_SIZE;
	unsigned long page, last;

	if (addr >= end || addr + len <= part->hva)
		return;
	page = (max(addr, part->hva) - part->hva) >> PAGE_SHIFT;
	last = (min(addr + len, end) - 1 - part->hva) >> PAGE_SHIFT;
	for (; page <= last; page++)
		if (!test_bit(page, part->bits))
			set_bit(page, part->bits);
}

/**
 * kvlane_dirty_mark - memory was written to
 * @dirty: the log, under kvlane_vm.srcu; or NULL
 * @addr: where, in the address space of the VM
 * @len: bytes
 */
void kvlane_dirty_mark(const struct kvlane_dirty *dirty, const void __user *addr, size_t len)
{
	u32 i;

	if (!dirty || !len)
		return;
	/* Pairs with xchg() in kvlane_dirty_move(), see above. */
	smp_mb();
	for (i = 0; i < dirty->nr; i++)
		kvlane_dirty_mark_part(&dirty->parts[i], (unsigned long)addr, len);
}

/**
 * kvlane_dirty_mark_iov - buffers were written to
 * @dirty: the log, under kvlane_vm.srcu; or NULL
 * @iov: the buffers
 * @nr: elements of @iov
 */
void kvlane_dirty_mark_iov(const struct kvlane_dirty *dirty, const struct iovec *iov, u32 nr)
{
	u32 i;

	for (i = 0; dirty && i < nr; i++)
		kvlane_dirty_mark(dirty, iov[i].iov_base, iov[i].iov_len);
}

/* A part of a range that has no page as a whole has none. */
static u64 kvlane_dirty_mark_part_whole(const struct kvlane_dirty_part *part, unsigned long addr,
					unsigned long end)
{
	unsigned long page = PAGE_ALIGN(max(addr, part->hva));
	unsigned long last = min(end, part->hva + part->pages * PAGE_SIZE) & PAGE_MASK;

	if (page >= last)
		return 0;
	bitmap_set(part->bits, (page - part->hva) >> PAGE_SHIFT, (last - page) >> PAGE_SHIFT);
	return (last - page) >> PAGE_SHIFT;
}

/**
 * kvlane_dirty_mark_whole - mark pages that lie in a buffer from end to end
 * @dirty: a log that nobody else looks at meanwhile
 * @addr: where, in the address space of the VM
 * @len: bytes
 *
 * Return: how many of them are in the log.
 */
u64 kvlane_dirty_mark_whole(const struct kvlane_dirty *dirty, unsigned long addr, size_t len)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < dirty->nr; i++)
		pages += kvlane_dirty_mark_part_whole(&dirty->parts[i], addr, addr + len);
	return pages;
}
