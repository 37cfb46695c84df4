// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that a device can reach is all there before the guest starts, and cleared. That
 * is nearly all of the time that mapping it takes, and where the module pins it, one
 * processor does it. The others help from the other end, until both meet.
 */
#include "populate.h"
#include "number.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

/* What a helper takes at once, unless pages are larger: small enough for it to end soon. */
#define PIECE	(64 * MIB)

static void *help(void *arg)
{
	struct populate *populate = arg;
	uint64_t left = __atomic_load_n(&populate->left, __ATOMIC_RELAXED);

	while (left) {
		/* The first piece takes what makes the others whole. */
		const uint64_t start = (left - 1) / populate->piece * populate->piece;

		if (!__atomic_compare_exchange_n(&populate->left, &left, start, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		if (madvise(populate->base + start, left - start, MADV_POPULATE_WRITE))
			break;
		left = __atomic_load_n(&populate->left, __ATOMIC_RELAXED);
	}
	return NULL;
}

static unsigned int helpers(void)
{
	cpu_set_t cpus;
	int n = 1;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		n = CPU_COUNT(&cpus);
	return n > POPULATE_MAX_THREADS ? POPULATE_MAX_THREADS : n - 1;
}

void populate_start(struct populate *populate, const struct memory *memory)
{
	const unsigned int count = helpers();
	sigset_t all, before;

	*populate = (struct populate){
		.base = memory->base,
		.left = memory->size,
		.piece = memory->page > PIECE ? memory->page : PIECE,
	};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (populate->count < count &&
	       !pthread_create(&populate->threads[populate->count], NULL, help, populate))
		populate->count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void populate_end(struct populate *populate)
{
	__atomic_store_n(&populate->left, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < populate->count; i++)
		pthread_join(populate->threads[i], NULL);
	populate->count = 0;
}
