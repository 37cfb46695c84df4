/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_BALLOON_POLICY_H
#define VMRUN_BALLOON_POLICY_H

#include <stdint.h>

/* What the size of a balloon is a multiple of. */
#define BALLOON_BLOCK (2ull << 20)

/**
 * struct balloon_view - what an automatic balloon is made to fit
 * @most: bytes that may be lent
 * @lent: bytes that are
 * @total: memory of the guest, with what is lent; 0 if it does not tell
 * @available: bytes the guest could use for something else
 * @stall: share of the last ten seconds in which something on the host waited for
 *	memory, in hundredths of a percent
 */
struct balloon_view {
	uint64_t most;
	uint64_t lent;
	uint64_t total;
	uint64_t available;
	unsigned int stall;
};

/**
 * balloon_next() - how much shall be lent
 * Return: bytes, a multiple of BALLOON_BLOCK and at most @most.
 */
uint64_t balloon_next(const struct balloon_view *view);

#endif
