/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_DIRTY_H
#define KVLANE_DIRTY_H

#include <linux/types.h>
#include <linux/uio.h>

struct kvlane_get_dirty_log;
struct kvlane_vm;

/**
 * struct kvlane_dirty_part - a logged range of user addresses
 * @hva: where it begins
 * @pages: how long it is
 * @bits: one for each page
 */
struct kvlane_dirty_part {
	unsigned long hva;
	unsigned long pages;
	unsigned long *bits;
};

/**
 * struct kvlane_dirty - which pages the devices of a VM have written to
 * @nr: elements of @parts
 * @parts: in no order, apart from each other
 *
 * But for the bits it does not change once it is published in kvlane_vm.dirty.
 */
struct kvlane_dirty {
	u32 nr;
	struct kvlane_dirty_part parts[] __counted_by(nr);
};

struct kvlane_dirty *kvlane_dirty_read(u64 ranges, u32 nr);
int kvlane_dirty_ask(struct kvlane_get_dirty_log *args, const void __user *argp);
int kvlane_dirty_take(const struct kvlane_dirty *dirty, struct kvlane_get_dirty_log *args);
long kvlane_dirty_set(struct kvlane_vm *vm, void __user *argp);
long kvlane_dirty_get(struct kvlane_vm *vm, void __user *argp);
void kvlane_dirty_end(struct kvlane_vm *vm);
void kvlane_dirty_free(struct kvlane_dirty *dirty);
void kvlane_dirty_mark(const struct kvlane_dirty *dirty, const void __user *addr, size_t len);
void kvlane_dirty_mark_iov(const struct kvlane_dirty *dirty, const struct iovec *iov, u32 nr);
u64 kvlane_dirty_mark_whole(const struct kvlane_dirty *dirty, unsigned long addr, size_t len);

#endif
