/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the newest kernel has and the one built for has not.
 *
 * Kbuild puts it in front of every source. The sources are written for the newest
 * kernel and know of no version; each entry here says which kernel changed what.
 */
#ifndef KVLANE_COMPAT_H
#define KVLANE_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "kvlane needs Linux 6.1 or newer"
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "of the kernels before 6.12, kvlane knows 6.1 only"
#endif

/* 6.12: the last of what was new since 6.1. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include "compat-6.1.h"
#else
#include <linux/blkdev.h>
#include <linux/skbuff.h>

static inline bool kvlane_bdev_can_poll(struct block_device *bdev)
{
	return bdev_get_queue(bdev)->limits.features & BLK_FEAT_POLL;
}

#define KVLANE_BIO_DIRTIES 1
#define KVLANE_UBUF_COMPLETE(fn) .ops = &(const struct ubuf_info_ops){ .complete = (fn) }
#endif

/* 6.13: a timer and its function are set up in one step. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#include <linux/hrtimer.h>

static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock_id, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
}
#endif

/* 6.14, and 6.12 at some point: an error is returned as such and not as NULL. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#include <linux/err.h>
#include <linux/sched/vhost_task.h>

static inline struct vhost_task *kvlane_vhost_task_create(bool (*fn)(void *),
							  void (*killed)(void *),
							  void *arg, const char *name)
{
	return vhost_task_create(fn, killed, arg, name) ?: ERR_PTR(-ENOMEM);
}

#define vhost_task_create kvlane_vhost_task_create
#endif

/* 6.17: the queue for work on any processor is called by what it is for. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/workqueue.h>

#define system_dfl_wq system_unbound_wq
#endif

#endif
