/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call that is made again and again, with another of its allocations failing each time.
 */
#ifndef KVLANE_FUZZ_SWEEP_H
#define KVLANE_FUZZ_SWEEP_H

#include "blk.h"
#include "device.h"
#include "guest.h"

/**
 * struct sweep - how a sweep went
 * @failures: calls that failed
 * @wrong: the first errno that is not one for lack of memory, or 0
 * @broken: after so many failures something did not work, or 0
 * @leaked: after so many failures there were other descriptors or threads, or 0
 */
struct sweep {
	unsigned int failures;
	int wrong;
	unsigned int broken;
	unsigned int leaked;
};

/**
 * sweep_descriptors() - how many descriptors this process has
 */
int sweep_descriptors(void);

/* Undoes what closing a descriptor does not. */
typedef void sweep_undo(void);

/**
 * sweep() - make every allocation of a call fail in turn
 * @g: for @call
 * @d: for @call; a disk that must go on working
 * @req: a request to it
 * @call: returns 0 or a negative errno; a descriptor it made goes to @made
 * @undo: what else is to be undone after it, or NULL
 *
 * A call may get through although an allocation failed, where it has another way; it ends
 * when none did.
 *
 * Return: how it went.
 */
struct sweep sweep(struct guest *g, struct device *d, struct blk_req *req,
		   int (*call)(struct guest *g, struct device *d, int *made),
		   sweep_undo *undo);

#endif
