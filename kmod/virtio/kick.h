/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_KICK_H
#define KVLANE_KICK_H

#include <linux/poll.h>
#include <linux/wait.h>

struct file;
struct kvlane_lane;

/**
 * struct kvlane_kick - an eventfd the driver's notifications come through
 * @lane: the lane to wake
 * @wait: entry in the eventfd's wait queue
 * @table: how that queue is found
 * @wqh: that queue
 * @file: the eventfd, held; NULL while none is tied
 *
 * Under kvlane_device.lock, but for the wake-ups themselves.
 */
struct kvlane_kick {
	struct kvlane_lane *lane;
	wait_queue_entry_t wait;
	poll_table table;
	wait_queue_head_t *wqh;
	struct file *file;
};

long kvlane_kick_set(struct kvlane_kick *kick, int fd);
void kvlane_kick_untie(struct kvlane_kick *kick);

#endif
