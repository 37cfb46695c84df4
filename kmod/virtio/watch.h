/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_WATCH_H
#define KVLANE_WATCH_H

#include <linux/workqueue.h>

/**
 * struct kvlane_watch - looks for a request that does not come back
 * @work: looks at the queue now and then, as long as there is something to see
 * @armed: @work is going to look, or looking
 * @reported_ns: start of the request that was reported last
 */
struct kvlane_watch {
	struct delayed_work work;
	bool armed;
	u64 reported_ns;
};

void kvlane_watch_init(struct kvlane_watch *watch);
void kvlane_watch_arm(struct kvlane_watch *watch);
void kvlane_watch_stop(struct kvlane_watch *watch);

/**
 * kvlane_watch_begin - requests are about to be given to the back end
 * @watch: their queue's
 *
 * Lane context, for each batch. Between the time when the requests got their
 * start and this there was a full barrier; pairs with kvlane_watch_rest().
 */
static inline void kvlane_watch_begin(struct kvlane_watch *watch)
{
	if (!READ_ONCE(watch->armed))
		kvlane_watch_arm(watch);
}

#endif
