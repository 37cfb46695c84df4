// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watching for a back end that has stopped answering.
 *
 * A request that stays with the back end for too long becomes an event. The
 * lane may itself be stuck in the back end then, so it is not the lane who
 * looks: it only starts the watch when it takes requests and the watch is not
 * running. The watch goes by the start of the oldest request, sleeps until that
 * would be too old, and looks again; once it finds nothing in flight it rests.
 * So a queue without work costs nothing, and a busy one a look per period.
 *
 * The watch reads kvlane_request.start_ns while the lane writes it. Whatever it
 * sees there was true a moment ago, which is enough: requests that are in
 * flight for seconds do not change.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>

#include "device.h"

static unsigned int kvlane_stall_seconds = 10;
module_param_named(stall_seconds, kvlane_stall_seconds, uint, 0644);
MODULE_PARM_DESC(stall_seconds,
		 "Report a request that has been with the back end so long; 0 for never (10)");

static u64 kvlane_watch_limit(void)
{
	return (u64)READ_ONCE(kvlane_stall_seconds) * NSEC_PER_SEC;
}

static void kvlane_watch_sleep(struct kvlane_watch *watch, u64 ns)
{
	/* Not a tick too early, or the look would be for nothing. */
	schedule_delayed_work(&watch->work, nsecs_to_jiffies(ns) + 1);
}

/**
 * kvlane_watch_arm - look after the queue from now on
 * @watch: the queue's
 */
void kvlane_watch_arm(struct kvlane_watch *watch)
{
	u64 limit = kvlane_watch_limit();

	if (limit && !xchg(&watch->armed, true))
		kvlane_watch_sleep(watch, limit);
}

/* When the oldest request in flight was taken from the ring; 0 if there is none. */
static u64 kvlane_watch_oldest(const struct kvlane_queue *q)
{
	const struct kvlane_request *req;
	u64 start, oldest = 0;

	if (!READ_ONCE(q->inflight))
		return 0;
	for (req = q->requests; req; req = req->sibling) {
		start = READ_ONCE(req->start_ns);
		if (start && (!oldest || start < oldest))
			oldest = start;
	}
	return oldest;
}

static void kvlane_watch_rest(struct kvlane_watch *watch,
			      const struct kvlane_queue *q)
{
	/*
	 * Before one more look: either the lane sees that it has to start the
	 * watch, or its request is seen here. Pairs with kvlane_watch_begin().
	 */
	smp_store_mb(watch->armed, false);
	if (kvlane_watch_oldest(q))
		kvlane_watch_arm(watch);
}

static void kvlane_watch_look(struct work_struct *work)
{
	struct kvlane_watch *watch =
		container_of(to_delayed_work(work), struct kvlane_watch, work);
	struct kvlane_queue *q = container_of(watch, struct kvlane_queue, watch);
	u64 oldest = kvlane_watch_oldest(q);
	u64 limit = kvlane_watch_limit();
	u64 age;

	if (!oldest || !limit) {
		kvlane_watch_rest(watch, q);
		return;
	}
	age = ktime_get_ns() - oldest;
	if (age < limit) {
		kvlane_watch_sleep(watch, limit - age);
		return;
	}
	if (oldest != watch->reported_ns)
		kvlane_device_stalled(q->dev, q->index, READ_ONCE(q->inflight));
	watch->reported_ns = oldest;
	kvlane_watch_sleep(watch, limit);
}

/**
 * kvlane_watch_init - prepare a watch at rest
 * @watch: in a queue
 */
void kvlane_watch_init(struct kvlane_watch *watch)
{
	INIT_DELAYED_WORK(&watch->work, kvlane_watch_look);
}

/**
 * kvlane_watch_stop - end a watch
 * @watch: of a queue that is stopped for good
 */
void kvlane_watch_stop(struct kvlane_watch *watch)
{
	cancel_delayed_work_sync(&watch->work);
}
