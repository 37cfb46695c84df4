// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the owner asks of a balloon, by ioctl().
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../dirty.h"
#include "balloon.h"

/**
 * kvlane_balloon_set_target - how large the balloon shall be
 * @dev: the device, its lock held
 * @target: bytes
 *
 * Return: 0 or -EINVAL.
 */
int kvlane_balloon_set_target(struct kvlane_device *dev, u64 target)
{
	struct kvlane_balloon *b = dev->priv;

	if (target & (KVLANE_BALLOON_PAGE - 1) || target >> VIRTIO_BALLOON_PFN_SHIFT > U32_MAX)
		return -EINVAL;
	WRITE_ONCE(b->target, target >> VIRTIO_BALLOON_PFN_SHIFT);
	b->extra = 0;
	mutex_lock(&dev->vm->iommu_lock);
	kvlane_balloon_retry(&b->blocks);
	mutex_unlock(&dev->vm->iommu_lock);
	kvlane_balloon_config_changed(dev);
	return 0;
}

static long kvlane_balloon_call_set(struct kvlane_device *dev, const void __user *argp)
{
	struct kvlane_set_balloon args;
	long ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved0 || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;

	mutex_lock(&dev->lock);
	ret = dev->ops->has_backend(dev) ? kvlane_balloon_set_target(dev, args.target) : -ENXIO;
	mutex_unlock(&dev->lock);
	return ret;
}

/* Has the driver tell how it is; a driver that does not answer is left alone. */
static int kvlane_balloon_refresh(struct kvlane_balloon *b, bool wait)
{
	u64 told = READ_ONCE(b->told);
	struct kvlane_request *req = kvlane_balloon_unask(b);
	long left;

	if (!req)
		return 0;
	kvlane_request_done(req);
	if (!wait)
		return 0;
	left = wait_event_interruptible_timeout(b->wait, READ_ONCE(b->told) != told,
						HZ / 4);
	return left < 0 ? -EINTR : 0;
}

static void kvlane_balloon_info(struct kvlane_device *dev, struct kvlane_balloon_info *info)
{
	struct kvlane_balloon *b = dev->priv;
	const struct kvlane_balloon_blocks *blocks = &b->blocks;

	info->target = (u64)READ_ONCE(b->target) << VIRTIO_BALLOON_PFN_SHIFT;
	info->actual = (u64)READ_ONCE(b->actual) << VIRTIO_BALLOON_PFN_SHIFT;
	mutex_lock(&dev->vm->iommu_lock);
	info->ballooned = blocks->pages << VIRTIO_BALLOON_PFN_SHIFT;
	info->freed = blocks->freed;
	info->reported = blocks->reported;
	info->whole = blocks->whole;
	info->partial = blocks->nr - blocks->whole;
	info->pinned = blocks->pinned;
	info->refused = blocks->refused;
	info->ignored = blocks->ignored;
	info->splits = blocks->splits;
	info->stats_ns = b->stats_ns ? ktime_get_ns() - b->stats_ns : 0;
	memcpy(info->stats, b->stats, sizeof(info->stats));
	mutex_unlock(&dev->vm->iommu_lock);
	kvlane_balloon_hints_info(&b->hints, info);
}

static long kvlane_balloon_call_get(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_balloon_info args;
	u32 flags;
	int err;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~(KVLANE_BALLOON_REFRESH | KVLANE_BALLOON_ASK) || args.hinting ||
	    args.reserved)
		return -EINVAL;
	if (!dev->ops->has_backend(dev))
		return -ENXIO;

	flags = args.flags;
	memset(&args, 0, sizeof(args));
	args.flags = flags;
	if (flags) {
		err = kvlane_balloon_refresh(dev->priv, flags & KVLANE_BALLOON_REFRESH);
		if (err)
			return err;
	}
	kvlane_balloon_info(dev, &args);
	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

static long kvlane_balloon_call_returned(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_balloon_returned args;
	struct kvlane_balloon *b = dev->priv;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (memchr_inv(&args, 0, sizeof(args)))
		return -EINVAL;
	mutex_lock(&dev->vm->iommu_lock);
	args.nr = kvlane_balloon_take_returned(&b->blocks, args.gpa, ARRAY_SIZE(args.gpa));
	mutex_unlock(&dev->vm->iommu_lock);
	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

/* Is there a driver that can be asked for hints? */
static bool kvlane_balloon_hints(const struct kvlane_device *dev)
{
	return dev->regs.status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       dev->accepted & BIT_ULL(VIRTIO_BALLOON_F_FREE_PAGE_HINT);
}

static int kvlane_balloon_set_hinting(struct kvlane_device *dev, u32 state,
				      struct kvlane_dirty *log)
{
	struct kvlane_balloon *b = dev->priv;
	int err;

	if (!dev->ops->has_backend(dev))
		return -ENXIO;
	if (log && !kvlane_balloon_hints(dev))
		return -EOPNOTSUPP;
	err = kvlane_balloon_hints_set(&b->hints, state, log);
	if (!err)
		kvlane_balloon_config_changed(dev);
	return err;
}

static long kvlane_balloon_call_hinting(struct kvlane_device *dev, const void __user *argp)
{
	struct kvlane_set_hinting args;
	struct kvlane_dirty *log = NULL;
	bool begin;
	int err;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved0 || args.state > KVLANE_HINTING_BEGUN ||
	    memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	/* Memory is named to begin with, and only then. */
	begin = args.state == KVLANE_HINTING_BEGUN;
	if (!args.nr_ranges == begin)
		return -EINVAL;
	if (begin)
		log = kvlane_dirty_read(args.ranges, args.nr_ranges);
	if (IS_ERR(log))
		return PTR_ERR(log);

	mutex_lock(&dev->lock);
	err = kvlane_balloon_set_hinting(dev, args.state, log);
	mutex_unlock(&dev->lock);
	if (err)
		kvlane_dirty_free(log);
	return err;
}

/**
 * kvlane_balloon_call - kvlane_device_ops.call
 * @dev: the device
 * @cmd: KVLANE_SET_BALLOON and so on
 * @argp: its argument
 *
 * Return: 0 or a negative errno.
 */
long kvlane_balloon_call(struct kvlane_device *dev, unsigned int cmd, void __user *argp)
{
	struct kvlane_balloon *b = dev->priv;

	switch (cmd) {
	case KVLANE_SET_BALLOON:
		return kvlane_balloon_call_set(dev, argp);
	case KVLANE_GET_BALLOON:
		return kvlane_balloon_call_get(dev, argp);
	case KVLANE_GET_RETURNED:
		return kvlane_balloon_call_returned(dev, argp);
	case KVLANE_SET_HINTING:
		return kvlane_balloon_call_hinting(dev, argp);
	case KVLANE_GET_HINTS:
		return kvlane_balloon_hints_get(&b->hints, argp);
	default:
		return -EINVAL;
	}
}
