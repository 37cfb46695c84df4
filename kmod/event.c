// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of a device, read from its descriptor, and heard by who listens on
 * netlink.
 *
 * A guest can make its device send events as fast as it resets it. Its reader
 * then misses some of its own; but listeners share what room they have among
 * all guests, so there the rate is limited.
 */
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/kvlane_netlink.h>

#include "event.h"
#include "netlink.h"
#include "virtio/device.h"

/**
 * kvlane_events_init - prepare an empty queue of events
 * @events: the queue
 */
void kvlane_events_init(struct kvlane_events *events)
{
	spin_lock_init(&events->lock);
	mutex_init(&events->readers);
	INIT_KFIFO(events->fifo);
	events->lost = 0;
	events->second_ns = 0;
	events->sent = 0;
	events->omitted = 0;
	init_waitqueue_head(&events->wait);
}

/* May an event be sent at @now? Then says how many were not since the last one. */
static bool kvlane_events_admit(struct kvlane_events *events, u64 now,
				u32 *omitted)
{
	bool admit;

	spin_lock(&events->lock);
	if (now - events->second_ns >= NSEC_PER_SEC) {
		events->second_ns = now;
		events->sent = 0;
	}
	admit = events->sent < KVLANE_NETLINK_RATE;
	if (admit) {
		events->sent++;
		*omitted = events->omitted;
		events->omitted = 0;
	} else {
		events->omitted++;
	}
	spin_unlock(&events->lock);
	return admit;
}

static void kvlane_events_announce(struct kvlane_events *events,
				   const struct kvlane_event *event)
{
	struct kvlane_device *dev =
		container_of(events, struct kvlane_device, events);
	u32 omitted;

	if (kvlane_netlink_wanted(dev) &&
	    kvlane_events_admit(events, event->time_ns, &omitted))
		kvlane_netlink_send(dev, event, omitted);
}

/**
 * kvlane_events_post - add an event, stamped with the time
 * @events: the queue, a device's
 * @event: the event, @time_ns ignored
 *
 * Process context; does not sleep.
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
	kvlane_events_announce(events, &stamped);
}

/* Returns 1 for an event copied to @buf, 0 if there is none, -EFAULT. */
static int kvlane_events_copy(struct kvlane_events *events, char __user *buf)
{
	struct kvlane_event event;
	int ret;

	mutex_lock(&events->readers);
	spin_lock(&events->lock);
	ret = kfifo_peek(&events->fifo, &event);
	spin_unlock(&events->lock);

	if (ret && copy_to_user(buf, &event, sizeof(event)))
		ret = -EFAULT;
	if (ret > 0) {
		spin_lock(&events->lock);
		kfifo_skip(&events->fifo);
		spin_unlock(&events->lock);
	}
	mutex_unlock(&events->readers);
	return ret;
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
	size_t done = 0;
	int ret;

	if (len < sizeof(struct kvlane_event))
		return -EINVAL;

	while (len - done >= sizeof(struct kvlane_event)) {
		ret = kvlane_events_copy(events, buf + done);
		if (ret > 0) {
			done += sizeof(struct kvlane_event);
			continue;
		}
		if (done)
			break;
		if (ret < 0)
			return ret;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(events->wait,
					       !kfifo_is_empty(&events->fifo));
		if (ret)
			return ret;
	}
	return done;
}
