/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_COALESCE_H
#define KVLANE_COALESCE_H

#include <linux/hrtimer.h>
#include <linux/types.h>

struct kvlane_queue;

/**
 * struct kvlane_coalesce - interrupts held back to be sent as one
 * @limit_ns: for how long, 0 for not at all; the lane's, as all but @timer
 * @most: until so many requests are complete
 * @since_ns: when the driver first wanted the one that is held, 0 if none is
 * @requests: &kvlane_queue_stats.requests when it was last sent one
 * @timer: wakes the lane when it has held one for long enough
 */
struct kvlane_coalesce {
	u64 limit_ns;
	u32 most;
	u64 since_ns;
	u64 requests;
	struct hrtimer timer;
};

void kvlane_coalesce_init(struct kvlane_queue *q);
void kvlane_coalesce_set(struct kvlane_queue *q, u32 us, u32 most);
bool kvlane_coalesce_send(struct kvlane_queue *q, bool wanted);
void kvlane_coalesce_forget(struct kvlane_queue *q);
void kvlane_coalesce_stop(struct kvlane_queue *q);

#endif
