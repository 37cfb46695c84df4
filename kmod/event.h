/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_EVENT_H
#define KVLANE_EVENT_H

#include <linux/kfifo.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/kvlane.h>

/**
 * define KVLANE_EVENTS - events a device keeps for its reader
 *
 * A device sends few between two resets, see Documentation/uapi.rst, so a reader
 * that looks now and then misses none.
 */
#define KVLANE_EVENTS 16

/**
 * struct kvlane_events - what a device has to tell its owner
 * @lock: protects what follows, to @omitted
 * @fifo: events not read yet
 * @lost: events that found @fifo full
 * @second_ns: when the current second of netlink events began
 * @sent: netlink events sent in it
 * @omitted: netlink events not sent since the last that was
 * @readers: one reader at a time, so that an event leaves @fifo only once it
 *	was copied
 * @wait: readers
 */
struct kvlane_events {
	spinlock_t lock;
	DECLARE_KFIFO(fifo, struct kvlane_event, KVLANE_EVENTS);
	u64 lost;
	u64 second_ns;
	u32 sent;
	u32 omitted;
	struct mutex readers;
	wait_queue_head_t wait;
};

struct file;

void kvlane_events_init(struct kvlane_events *events);
void kvlane_events_post(struct kvlane_events *events,
			const struct kvlane_event *event);
ssize_t kvlane_events_read(struct kvlane_events *events, struct file *file,
			   char __user *buf, size_t len);

#endif
