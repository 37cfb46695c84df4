// SPDX-License-Identifier: GPL-2.0-only
/*
 * How large an automatic balloon is.
 *
 * The guest comes first: it keeps an eighth of its memory available, and has back at once
 * what it lacks of that, and as much again. Then the host: while programs on it wait for
 * memory, the balloon grows by a sixteenth of what it may have each time, as far as the
 * guest can spare it. When nobody waits any more it shrinks, four times as slowly, so that
 * memory does not go back and forth.
 */
#include "balloon_policy.h"

/* Hundredths of a percent of the last ten seconds. */
#define STALL_MUCH 500
#define STALL_NONE 50

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t blocks(uint64_t bytes)
{
	return bytes / BALLOON_BLOCK * BALLOON_BLOCK;
}

/* One step, and never none. */
static uint64_t step(const struct balloon_view *view, unsigned int part)
{
	uint64_t bytes = blocks(view->most / part);

	return bytes ? bytes : BALLOON_BLOCK;
}

uint64_t balloon_next(const struct balloon_view *view)
{
	uint64_t reserve = view->total / 8, lent = view->lent;
	/* What is taken at the border would be given back at once. */
	uint64_t keep = reserve + reserve / 4;

	if (!view->total)
		return blocks(least(lent, view->most));
	if (view->available < reserve)
		lent -= least(lent, 2 * (reserve - view->available));
	else if (view->stall >= STALL_MUCH && view->available > keep)
		lent += least(view->available - keep, step(view, 16));
	else if (view->stall < STALL_NONE)
		lent -= least(lent, step(view, 64));
	return blocks(least(lent, view->most));
}
