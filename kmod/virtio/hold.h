/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_HOLD_H
#define KVLANE_HOLD_H

#include "request.h"
#include "throttle.h"

struct kvlane_queue;

/**
 * struct kvlane_cost - how a request counts for a throttle
 * @direction: which way
 * @bytes: of data, without headers
 */
struct kvlane_cost {
	enum kvlane_direction direction;
	u32 bytes;
};

/**
 * struct kvlane_hold - requests of a queue that wait for a throttle
 * @turns: the queue's places at the throttle, by direction
 * @waiting: the requests, by direction
 * @nr: how many they are, by direction
 * @late: how many of them, the first, were not let through at once, by direction
 * @since_ns: when a packet that came in began to wait, 0 if none does; what wakes
 *	the lane for packets reads it
 *
 * The lane's.
 */
struct kvlane_hold {
	struct kvlane_turn turns[KVLANE_DIRECTIONS];
	struct kvlane_requests waiting[KVLANE_DIRECTIONS];
	u32 nr[KVLANE_DIRECTIONS];
	u32 late[KVLANE_DIRECTIONS];
	u64 since_ns;
};

void kvlane_hold_init(struct kvlane_hold *hold, struct kvlane_lane *lane);
void kvlane_hold_set(struct kvlane_hold *hold, struct kvlane_throttle *throttle);
void kvlane_hold_add(struct kvlane_queue *q, struct kvlane_requests *batch);
void kvlane_hold_release(struct kvlane_queue *q, struct kvlane_requests *batch);
bool kvlane_hold_receive(struct kvlane_queue *q, u32 bytes);
void kvlane_hold_step_back(struct kvlane_queue *q);
bool kvlane_hold_received(struct kvlane_queue *q);
void kvlane_hold_empty(struct kvlane_hold *hold, struct kvlane_requests *to);

/**
 * kvlane_hold_any - is there a request that waits?
 * @hold: the queue's
 */
static inline bool kvlane_hold_any(const struct kvlane_hold *hold)
{
	return hold->nr[KVLANE_READ] || hold->nr[KVLANE_WRITE];
}

/**
 * kvlane_hold_wanted - do new requests have to ask a throttle?
 * @hold: the queue's
 */
static inline bool kvlane_hold_wanted(const struct kvlane_hold *hold)
{
	return hold->turns[KVLANE_READ].throttle || kvlane_hold_any(hold);
}

#endif
