// SPDX-License-Identifier: GPL-2.0-only
/*
 * One interrupt for several completions.
 *
 * A back end that completes requests one by one has the driver interrupted for each,
 * and an interrupt for a running guest is an exit. On request the lane holds an
 * interrupt back while more of the queue's requests are with the back end: until so
 * many are complete, or so much time has gone by, or nothing is left to wait for. So
 * a driver with one request at a time never waits, nor does the last request of
 * many. The used ring is not held back: a driver that looks finds everything there.
 *
 * Where interrupts are posted (APICv, AVIC) they cost the guest next to nothing, and
 * none is held back.
 */
#include <linux/ktime.h>

#include "../irq_info.h"
#include "device.h"

static enum hrtimer_restart kvlane_coalesce_timer(struct hrtimer *timer)
{
	struct kvlane_queue *q = container_of(timer, struct kvlane_queue,
					      coalesce.timer);

	kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
	return HRTIMER_NORESTART;
}

/**
 * kvlane_coalesce_init - prepare to hold nothing back
 * @q: a new queue
 */
void kvlane_coalesce_init(struct kvlane_queue *q)
{
	hrtimer_setup(&q->coalesce.timer, kvlane_coalesce_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS);
}

/**
 * kvlane_coalesce_set - how much to hold back from now on
 * @q: the queue; lane context
 * @us: for how long, in microseconds; 0 for not at all
 * @most: until so many requests are complete
 *
 * The lane is to run afterwards: what it holds goes by the new limits.
 */
void kvlane_coalesce_set(struct kvlane_queue *q, u32 us, u32 most)
{
	q->coalesce.limit_ns = (u64)us * NSEC_PER_USEC;
	q->coalesce.most = most;
}

static bool kvlane_coalesce_over(const struct kvlane_queue *q, u64 now)
{
	const struct kvlane_coalesce *c = &q->coalesce;

	return !q->inflight || q->stats.requests - c->requests >= c->most ||
	       now - c->since_ns >= c->limit_ns || kvlane_irq_posts(q->dev->vm);
}

/**
 * kvlane_coalesce_send - is the driver to be interrupted now?
 * @q: the queue; lane context, after what is complete was published
 * @wanted: the driver wants an interrupt for that
 */
bool kvlane_coalesce_send(struct kvlane_queue *q, bool wanted)
{
	struct kvlane_coalesce *c = &q->coalesce;
	bool first = !c->since_ns;
	u64 now;

	if (first && !wanted)
		return false;
	if (first && !c->limit_ns) {
		c->requests = q->stats.requests;
		return true;
	}
	now = ktime_get_ns();
	if (first)
		c->since_ns = now;
	else
		q->stats.coalesced += wanted;
	if (kvlane_coalesce_over(q, now)) {
		kvlane_coalesce_forget(q);
		return true;
	}
	if (first)
		hrtimer_start(&c->timer, ns_to_ktime(now + c->limit_ns),
			      HRTIMER_MODE_ABS);
	return false;
}

/**
 * kvlane_coalesce_forget - nothing is held any more
 * @q: the queue; lane context
 */
void kvlane_coalesce_forget(struct kvlane_queue *q)
{
	struct kvlane_coalesce *c = &q->coalesce;

	c->requests = q->stats.requests;
	if (!c->since_ns)
		return;
	c->since_ns = 0;
	/* It may be running; then the lane wakes once for nothing. */
	hrtimer_try_to_cancel(&c->timer);
}

/**
 * kvlane_coalesce_stop - the timer does not fire any more
 * @q: a queue that is stopped for good
 */
void kvlane_coalesce_stop(struct kvlane_queue *q)
{
	hrtimer_cancel(&q->coalesce.timer);
}
