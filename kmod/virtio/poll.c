// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking for more before going to sleep.
 *
 * A lane that sleeps has to be kicked, which is an exit of the guest, and woken. If
 * the next request comes soon, it is cheaper to look at the ring until it is there:
 * meanwhile the driver is not asked for kicks, and does not exit.
 *
 * How soon the next one comes is learnt from each time the queue runs dry. A gap
 * longer than the window but within the limit doubles the window, up to the limit:
 * looking a little longer would have done. A gap beyond the limit closes it, so that
 * a guest that is idle, or sends something now and then, costs nothing.
 *
 * The window begins when the queue runs dry, and is not begun again when the lane
 * interrupts it for another queue of its thread. Nobody else has to wait: the lane
 * looks no longer if something else is to be run by its CPU.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "device.h"

/* The first window; shorter ones do not outlast a driver's next step. */
#define KVLANE_POLL_MIN (8 * NSEC_PER_USEC)

static unsigned int kvlane_poll_us = 50;
module_param_named(poll_us, kvlane_poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us,
		 "Look at a ring for so long, at most 10000, before its lane sleeps; 0 for not at all (50)");

/* Whoever changes the guest's memory map waits for it. */
static u32 kvlane_poll_limit(const struct kvlane_queue *q)
{
	u32 us = q->poll_us;

	if (us == KVLANE_POLL_DEFAULT)
		us = READ_ONCE(kvlane_poll_us);
	return min(us, KVLANE_MAX_POLL_US) * NSEC_PER_USEC;
}

/* New requests came after the queue was dry for so long. */
static void kvlane_poll_adapt(struct kvlane_queue *q, u64 gap_ns)
{
	struct kvlane_poll *poll = &q->poll;
	u32 limit = kvlane_poll_limit(q);

	if (gap_ns > limit)
		poll->window_ns = 0;
	else if (gap_ns > poll->window_ns)
		poll->window_ns = min_t(u32, limit,
					max_t(u32, 2 * poll->window_ns,
					      KVLANE_POLL_MIN));
}

/* Nothing else wants the CPU, and nothing else the lane. */
static bool kvlane_poll_allowed(const struct kvlane_queue *q)
{
	return !need_resched() && single_task_running() &&
	       !signal_pending(current) && !kvlane_lane_pending(&q->lane);
}

static int kvlane_poll_ring(struct kvlane_queue *q, u64 until)
{
	int more;

	for (;;) {
		more = kvlane_vring_more(&q->vring);
		if (more || !kvlane_poll_allowed(q) || ktime_get_ns() >= until)
			return more;
		cpu_relax();
	}
}

/**
 * kvlane_poll_learn - there are new requests
 * @q: the queue; lane context
 * @now_ns: when they were fetched
 */
void kvlane_poll_learn(struct kvlane_queue *q, u64 now_ns)
{
	if (!q->poll.since_ns)
		return;
	kvlane_poll_adapt(q, now_ns - q->poll.since_ns);
	q->poll.since_ns = 0;
}

/**
 * kvlane_queue_poll - wait a little for more before the lane sleeps
 * @q: a queue that has nothing to do; lane context, under the VM's SRCU
 *
 * Return: 1 if there are new chains, 0 if not, -EPROTO if the ring is broken.
 */
int kvlane_queue_poll(struct kvlane_queue *q)
{
	struct kvlane_poll *poll = &q->poll;
	u64 now;
	int ret;

	if (!kvlane_poll_limit(q))
		return 0;
	now = ktime_get_ns();
	if (!poll->since_ns)
		poll->since_ns = now;
	if (now >= poll->since_ns + poll->window_ns)
		return 0;

	q->stats.polls++;
	ret = kvlane_poll_ring(q, poll->since_ns + poll->window_ns);
	if (ret > 0 || kvlane_lane_pending(&q->lane))
		q->stats.polls_won++;
	return ret;
}
