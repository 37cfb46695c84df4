/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ring code needs of its surroundings: a window to user memory,
 * barriers, a bitmap and memory. The unit tests compile the same ring code in
 * user space over selftests/unit/shim.h, which checks every access, lets the
 * nth one fail, and plays a guest that changes memory between two of them.
 */
#ifndef KVLANE_ACCESS_H
#define KVLANE_ACCESS_H

#ifdef __KERNEL__
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/barrier.h>

/**
 * kvlane_access_begin - open a window to user memory
 * @ptr: first address that is going to be accessed
 * @len: bytes from there on
 *
 * For memory out of a built memory table only, whose ranges passed access_ok():
 * then neither the check nor the speculation barrier that goes with it are
 * needed again, and other parts of such memory may be accessed in the same
 * window. Offsets that come from the guest must be clamped
 * (array_index_nospec(), kvlane_memtable_find()).
 *
 * The table of a guest that is the host's own kernel has the kernel's addresses. No
 * access_ok() takes those, so such a table needs a processor whose windows have none.
 *
 * Between here and user_access_end() only unsafe_get_user(),
 * unsafe_put_user(), barriers and plain arithmetic; no call.
 *
 * Return: false if there is no access to @ptr.
 */
static __always_inline __must_check bool
kvlane_access_begin(const void __user *ptr, size_t len)
{
#ifdef masked_user_access_begin
	if (can_do_masked_user_access()) {
		(void)masked_user_access_begin(ptr);
		return true;
	}
#endif
	return user_access_begin(ptr, len);
}

#else
#include "shim.h"
#endif

#endif /* KVLANE_ACCESS_H */
