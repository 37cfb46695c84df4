/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_POLL_H
#define KVLANE_POLL_H

#include <linux/types.h>

struct kvlane_queue;

/**
 * struct kvlane_poll - whether a lane looks for more before it sleeps
 * @since_ns: when the queue ran out of work, or 0
 * @window_ns: how long from then on the lane looks at the ring, 0 for not at all
 */
struct kvlane_poll {
	u64 since_ns;
	u32 window_ns;
};

int kvlane_queue_poll(struct kvlane_queue *q);
void kvlane_poll_learn(struct kvlane_queue *q, u64 now_ns);

/**
 * kvlane_poll_restart - the queue was not out of work after all
 * @poll: the queue's
 *
 * Lane context, when requests have come to their end: the driver, which has been
 * told, may well send more now.
 */
static inline void kvlane_poll_restart(struct kvlane_poll *poll)
{
	poll->since_ns = 0;
}

#endif
