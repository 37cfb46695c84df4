// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of a device, read from its descriptor.
 */
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "event.h"

/**
 * kvlane_events_init - prepare an empty queue of events
 * @events: the queue
 */
void kvlane_events_init(struct kvlane_events *events)
{
	spin_lock_init(&events->lock);
	INIT_KFIFO(events->fifo);
	events->lost = 0;
	init_waitqueue_head(&events->wait);
}

/**
 * kvlane_events_post - add an event, stamped with the time
 * @events: the queue
 * @event: the event, @time_ns ignored
 */
void kvlane_events_post(struct kvlane_events *events,
			const struct kvlane_event *event)
{
	struct kvlane_event stamped = *event;

	stamped.time_ns = ktime_get_ns();
	spin_lock(&events->lock);
	if (!kfifo_put(&events->fifo, stamped))
		events->lost++;
	spin_unlock(&events->lock);
	wake_up_interruptible_poll(&events->wait, EPOLLIN);
}

static bool kvlane_events_get(struct kvlane_events *events,
			      struct kvlane_event *event)
{
	bool got;

	spin_lock(&events->lock);
	got = kfifo_get(&events->fifo, event);
	spin_unlock(&events->lock);
	return got;
}

/**
 * kvlane_events_read - read() of a device
 * @events: the queue
 * @file: the device descriptor, for O_NONBLOCK
 * @buf: user memory
 * @len: bytes in it
 *
 * Return: bytes of whole events, or a negative errno.
 */
ssize_t kvlane_events_read(struct kvlane_events *events, struct file *file,
			   char __user *buf, size_t len)
{
	struct kvlane_event event;
	size_t done = 0;
	int err;

	if (len < sizeof(event))
		return -EINVAL;

	while (len - done >= sizeof(event)) {
		if (kvlane_events_get(events, &event)) {
			if (copy_to_user(buf + done, &event, sizeof(event)))
				return done ? done : -EFAULT;
			done += sizeof(event);
			continue;
		}
		if (done)
			break;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(events->wait,
					       !kfifo_is_empty(&events->fifo));
		if (err)
			return err;
	}
	return done;
}
