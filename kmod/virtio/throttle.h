/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_THROTTLE_H
#define KVLANE_THROTTLE_H

#include <linux/list.h>
#include <linux/types.h>

struct kvlane_lane;
struct kvlane_throttle;

/**
 * enum kvlane_direction - which way the data of a request goes
 * @KVLANE_READ: to guest memory
 * @KVLANE_WRITE: from guest memory, or there is none
 * @KVLANE_DIRECTIONS: how many there are
 */
enum kvlane_direction {
	KVLANE_READ,
	KVLANE_WRITE,
	KVLANE_DIRECTIONS,
};

/**
 * struct kvlane_turn - a queue's place among those that wait for a throttle
 * @node: in the throttle's list, in the order in which they are to go on; under
 *	the throttle's lock, as what follows is but for @throttle and @lane
 * @throttle: what it waits for, or NULL; the lane's
 * @lane: whom to wake
 * @direction: of the requests it is for
 * @taken: requests let through since it was its turn
 * @called_ns: when the lane was woken for it, or 0
 */
struct kvlane_turn {
	struct list_head node;
	struct kvlane_throttle *throttle;
	struct kvlane_lane *lane;
	enum kvlane_direction direction;
	u32 taken;
	u64 called_ns;
};

long kvlane_throttle_create(void __user *argp);
struct kvlane_throttle *kvlane_throttle_get(int fd);
void kvlane_throttle_put(struct kvlane_throttle *throttle);

void kvlane_turn_init(struct kvlane_turn *turn, struct kvlane_lane *lane,
		      enum kvlane_direction direction);
bool kvlane_turn_take(struct kvlane_turn *turn, u64 bytes, bool waited);
void kvlane_turn_charge(struct kvlane_turn *turn, u64 bytes);
void kvlane_turn_leave(struct kvlane_turn *turn);

#endif
