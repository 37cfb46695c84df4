// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that wait for their device's throttle.
 *
 * They were taken from the ring, so the driver cannot take them back, and count as
 * in flight; there are never more than the ring has room for. Reads do not wait for
 * writes nor writes for reads, but each for their like: what was taken first is
 * begun first. While they wait they are not with the back end, so neither the watch
 * for a stalled one nor the histogram of latency knows of them.
 */
#include <linux/ktime.h>

#include "../trace.h"
#include "device.h"

/**
 * kvlane_hold_init - prepare for a device without a throttle
 * @hold: in a queue
 * @lane: the queue's
 */
void kvlane_hold_init(struct kvlane_hold *hold, struct kvlane_lane *lane)
{
	int i;

	for (i = 0; i < KVLANE_DIRECTIONS; i++) {
		kvlane_turn_init(&hold->turns[i], lane, i);
		kvlane_requests_init(&hold->waiting[i]);
	}
}

static void kvlane_hold_leave(struct kvlane_hold *hold)
{
	int i;

	for (i = 0; i < KVLANE_DIRECTIONS; i++)
		kvlane_turn_leave(&hold->turns[i]);
}

/**
 * kvlane_hold_set - wait for another throttle from now on
 * @hold: of a queue; lane context
 * @throttle: the throttle, or NULL
 */
void kvlane_hold_set(struct kvlane_hold *hold, struct kvlane_throttle *throttle)
{
	int i;

	kvlane_hold_leave(hold);
	for (i = 0; i < KVLANE_DIRECTIONS; i++)
		hold->turns[i].throttle = throttle;
}

static void kvlane_hold_waited(struct kvlane_queue *q,
			       enum kvlane_direction direction, u32 bytes, u64 ns)
{
	q->stats.wait[kvlane_latency_bucket(ns)]++;
	trace_kvlane_throttle(q, direction, bytes, ns);
}

/* Returns false if the oldest request has to wait. */
static bool kvlane_hold_release_one(struct kvlane_queue *q,
				    enum kvlane_direction direction,
				    struct kvlane_requests *batch)
{
	struct kvlane_hold *hold = &q->hold;
	struct kvlane_request *req = hold->waiting[direction].head;
	bool late = hold->late[direction];
	struct kvlane_cost cost;
	u64 now;

	q->dev->ops->cost(q, req, &cost);
	if (!kvlane_turn_take(&hold->turns[direction], cost.bytes, late))
		return false;
	kvlane_requests_take(&hold->waiting[direction]);
	hold->nr[direction]--;
	now = ktime_get_ns();
	if (late) {
		hold->late[direction]--;
		kvlane_hold_waited(q, direction, cost.bytes, now - req->held_ns);
	}
	WRITE_ONCE(req->start_ns, now);
	kvlane_requests_add(batch, req);
	return true;
}

/**
 * kvlane_hold_release - begin what may begin now
 * @q: the queue; lane context
 * @batch: where to add it
 */
void kvlane_hold_release(struct kvlane_queue *q, struct kvlane_requests *batch)
{
	struct kvlane_hold *hold = &q->hold;
	int i;

	for (i = 0; i < KVLANE_DIRECTIONS; i++) {
		while (hold->waiting[i].head)
			if (!kvlane_hold_release_one(q, i, batch))
				break;
		if (!hold->waiting[i].head)
			kvlane_turn_leave(&hold->turns[i]);
	}
}

static void kvlane_hold_add_one(struct kvlane_queue *q, struct kvlane_request *req,
				enum kvlane_direction direction)
{
	req->held_ns = req->start_ns;
	WRITE_ONCE(req->start_ns, 0);
	kvlane_requests_add(&q->hold.waiting[direction], req);
	q->hold.nr[direction]++;
}

/* Those that were not let through. */
static void kvlane_hold_count(struct kvlane_queue *q)
{
	struct kvlane_hold *hold = &q->hold;
	int i;

	for (i = 0; i < KVLANE_DIRECTIONS; i++) {
		q->stats.throttled += hold->nr[i] - hold->late[i];
		hold->late[i] = hold->nr[i];
	}
}

/**
 * kvlane_hold_add - new requests
 * @q: the queue; lane context
 * @batch: the requests; then those, new and old, that may begin now
 */
void kvlane_hold_add(struct kvlane_queue *q, struct kvlane_requests *batch)
{
	struct kvlane_requests all = *batch;
	struct kvlane_request *req;
	struct kvlane_cost cost;

	kvlane_requests_init(batch);
	while ((req = kvlane_requests_take(&all))) {
		if (q->dev->ops->cost(q, req, &cost))
			kvlane_hold_add_one(q, req, cost.direction);
		else
			kvlane_requests_add(batch, req);
	}
	kvlane_hold_release(q, batch);
	kvlane_hold_count(q);
}

/**
 * kvlane_hold_empty - nobody wants the requests any more
 * @hold: of a queue; lane context, or that of whoever stops the queue of a dead lane
 * @to: where to put them
 */
void kvlane_hold_empty(struct kvlane_hold *hold, struct kvlane_requests *to)
{
	struct kvlane_request *req;
	int i;

	kvlane_hold_leave(hold);
	for (i = 0; i < KVLANE_DIRECTIONS; i++) {
		while ((req = kvlane_requests_take(&hold->waiting[i])))
			kvlane_requests_add(to, req);
		hold->nr[i] = 0;
		hold->late[i] = 0;
	}
	WRITE_ONCE(hold->since_ns, 0);
}

/**
 * kvlane_hold_receive - may a packet that came in go on to the driver?
 * @q: a queue without requests; lane context
 * @bytes: its length
 *
 * Return: true, and it counts; or false: the lane is woken when it is to ask again.
 */
bool kvlane_hold_receive(struct kvlane_queue *q, u32 bytes)
{
	struct kvlane_turn *turn = &q->hold.turns[KVLANE_READ];
	u64 since = q->hold.since_ns;

	if (!turn->throttle && !since)
		return true;
	if (!kvlane_turn_take(turn, bytes, since)) {
		if (!since) {
			WRITE_ONCE(q->hold.since_ns, ktime_get_ns());
			q->stats.throttled++;
		}
		return false;
	}
	if (since) {
		kvlane_hold_waited(q, KVLANE_READ, bytes, ktime_get_ns() - since);
		/* Before the lane looks for more packets. */
		smp_store_mb(q->hold.since_ns, 0);
	}
	return true;
}

/**
 * kvlane_hold_step_back - the packet that waits could not go on now anyway
 * @q: a queue without requests; lane context
 *
 * Others are not to wait for it; kvlane_hold_receive() waits anew.
 */
void kvlane_hold_step_back(struct kvlane_queue *q)
{
	kvlane_turn_leave(&q->hold.turns[KVLANE_READ]);
}

/**
 * kvlane_hold_received - there are no more packets
 * @q: a queue without requests; lane context
 *
 * Return: true if the one that waited is gone, so that one may have come
 * meanwhile that the lane was not woken for.
 */
bool kvlane_hold_received(struct kvlane_queue *q)
{
	kvlane_turn_leave(&q->hold.turns[KVLANE_READ]);
	if (!q->hold.since_ns)
		return false;
	/* Before the lane looks for more packets. */
	smp_store_mb(q->hold.since_ns, 0);
	return true;
}
