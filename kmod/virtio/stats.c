// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVLANE_GET_STATS. Lanes count without locks; what is read here is a
 * snapshot of each counter, not of all at one instant.
 */
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_config.h>

#include "device.h"

/* What a caller may take one element of the array to be. */
#define KVLANE_STATS_MIN 64
#define KVLANE_STATS_MAX 4096

static void kvlane_stats_queue(const struct kvlane_queue *q,
			       struct kvlane_queue_stats *stats)
{
	*stats = q->stats;
	stats->wakeups = q->lane.wakeups;
	stats->inflight = READ_ONCE(q->inflight);
	stats->tid = READ_ONCE(q->lane.tid);
}

static int kvlane_stats_put(const struct kvlane_queue *q, void __user *to,
			    size_t size)
{
	struct kvlane_queue_stats stats;
	size_t known = min(size, sizeof(stats));

	kvlane_stats_queue(q, &stats);
	if (copy_to_user(to, &stats, known) ||
	    clear_user(to + known, size - known))
		return -EFAULT;
	return 0;
}

static void kvlane_stats_device(struct kvlane_device *dev,
				struct kvlane_stats *stats)
{
	mutex_lock(&dev->lock);
	stats->type = dev->ops->type;
	stats->status = dev->regs.status;
	if (kvlane_device_broken(dev))
		stats->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	stats->num_queues = dev->num_queues;
	stats->features = dev->accepted;
	stats->resets = dev->resets;
	stats->needs_reset = dev->needs_reset;
	stats->events_lost = dev->events.lost;
	stats->exits = dev->exits;
	mutex_unlock(&dev->lock);
}

static int kvlane_stats_check(const struct kvlane_stats *stats)
{
	if (stats->flags || stats->reserved0 ||
	    memchr_inv(stats->reserved, 0, sizeof(stats->reserved)))
		return -EINVAL;
	if (stats->queue_stats_size < KVLANE_STATS_MIN ||
	    stats->queue_stats_size > KVLANE_STATS_MAX ||
	    stats->queue_stats_size % sizeof(u64))
		return -EINVAL;
	return 0;
}

/**
 * kvlane_stats_get - KVLANE_GET_STATS
 * @dev: the device
 * @argp: struct kvlane_stats in user memory
 *
 * Return: 0 or a negative errno.
 */
long kvlane_stats_get(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_stats stats;
	u32 i, nr;
	int err;

	if (copy_from_user(&stats, argp, sizeof(stats)))
		return -EFAULT;
	err = kvlane_stats_check(&stats);
	if (err)
		return err;

	nr = min(stats.num_queues, dev->num_queues);
	for (i = 0; i < nr && !err; i++)
		err = kvlane_stats_put(&dev->queues[i],
				       u64_to_user_ptr(stats.queues) +
					       (u64)i * stats.queue_stats_size,
				       stats.queue_stats_size);
	if (err)
		return err;

	kvlane_stats_device(dev, &stats);
	return copy_to_user(argp, &stats, sizeof(stats)) ? -EFAULT : 0;
}
