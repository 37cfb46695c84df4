// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVLANE_SET_LANES: how the lanes of a device save processor time, and on which
 * processors they do it.
 */
#include <linux/cpumask.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "device.h"

/**
 * struct kvlane_queue_setting - what a lane is to be set to
 * @q: its queue
 * @args: checked
 * @cpus: where its thread is to run, or NULL
 * @err: 0, or why it cannot run there
 */
struct kvlane_queue_setting {
	struct kvlane_queue *q;
	const struct kvlane_set_lanes *args;
	const struct cpumask *cpus;
	int err;
};

static void kvlane_queue_do_set(void *arg)
{
	struct kvlane_queue_setting *s = arg;

	if (s->cpus)
		s->err = kvlane_lane_place(&s->q->lane, s->cpus);
	if (s->err)
		return;
	s->q->poll_us = s->args->poll_us;
	kvlane_coalesce_set(s->q, s->args->coalesce_us, s->args->coalesce_requests);
}

static int kvlane_queue_set(struct kvlane_queue *q, const struct kvlane_set_lanes *args,
			    const struct cpumask *cpus)
{
	struct kvlane_queue_setting setting = { .q = q, .args = args, .cpus = cpus };

	kvlane_lane_call(&q->lane, kvlane_queue_do_set, &setting);
	/* What it holds back goes by the new limits. */
	kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
	return setting.err;
}

static int kvlane_set_lanes_check(const struct kvlane_device *dev,
				  const struct kvlane_set_lanes *args)
{
	if (args->flags || memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	if (args->queue != KVLANE_NO_QUEUE && args->queue >= dev->num_queues)
		return -EINVAL;
	if (args->poll_us != KVLANE_POLL_DEFAULT &&
	    args->poll_us > KVLANE_MAX_POLL_US)
		return -EINVAL;
	if (args->coalesce_us > KVLANE_MAX_COALESCE_US)
		return -EINVAL;
	if (args->coalesce_us ? args->coalesce_requests < 2 : args->coalesce_requests)
		return -EINVAL;
	if (!args->cpus != !args->cpus_size)
		return -EINVAL;
	return 0;
}

/*
 * The caller may be kept to some processors by a CPU set, and does not get a lane past
 * that.
 */
static int kvlane_set_lanes_cpus(const struct kvlane_set_lanes *args, struct cpumask *cpus)
{
	size_t size = min_t(size_t, args->cpus_size, cpumask_size());

	if (copy_from_user(cpus, u64_to_user_ptr(args->cpus), size))
		return -EFAULT;
	if (!cpumask_intersects(cpus, cpu_online_mask))
		return -EINVAL;
	return cpumask_subset(cpus, current->cpus_ptr) ? 0 : -EPERM;
}

static int kvlane_set_lanes_all(struct kvlane_device *dev,
				const struct kvlane_set_lanes *args,
				const struct cpumask *cpus)
{
	int err = 0;
	u32 i;

	mutex_lock(&dev->lock);
	for (i = 0; i < dev->num_queues && !err; i++)
		if (args->queue == KVLANE_NO_QUEUE || args->queue == i)
			err = kvlane_queue_set(&dev->queues[i], args, cpus);
	mutex_unlock(&dev->lock);
	return err;
}

/**
 * kvlane_set_lanes - KVLANE_SET_LANES
 * @dev: the device
 * @argp: struct kvlane_set_lanes in user memory
 *
 * Return: 0 or a negative errno.
 */
long kvlane_set_lanes(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_set_lanes args;
	cpumask_var_t cpus;
	int err;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	err = kvlane_set_lanes_check(dev, &args);
	if (err || !args.cpus)
		return err ?: kvlane_set_lanes_all(dev, &args, NULL);
	if (dev->vdpa)
		return -EOPNOTSUPP;
	if (!zalloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;
	err = kvlane_set_lanes_cpus(&args, cpus);
	if (!err)
		err = kvlane_set_lanes_all(dev, &args, cpus);
	free_cpumask_var(cpus);
	return err;
}
