/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_POPULATE_H
#define VMRUN_POPULATE_H

#include "memory.h"

#include <pthread.h>

#define POPULATE_MAX_THREADS 16

/**
 * struct populate - threads that have guest memory allocated
 * @base: where it is mapped
 * @left: bytes from @base on that none of them has begun with
 * @piece: how many of them one takes at once
 * @threads: the threads
 * @count: how many there are
 */
struct populate {
	uint8_t *base;
	uint64_t left;
	uint64_t piece;
	pthread_t threads[POPULATE_MAX_THREADS];
	unsigned int count;
};

/**
 * populate_start() - begin to allocate guest memory, from its end downwards
 *
 * One thread for each processor this process may run on but one, whose business is to go
 * through the memory from its beginning. Nothing depends on how far they get: what cannot be
 * allocated is for whoever needs it to report.
 */
void populate_start(struct populate *populate, const struct memory *memory);

/**
 * populate_end() - have them end, which they do soon
 */
void populate_end(struct populate *populate);

#endif
