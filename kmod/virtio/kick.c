// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks through an eventfd, which KVM signals from the guest's exit (ioeventfd).
 *
 * The lane is woken straight from the eventfd's wait queue. The counter is not
 * read: all it could say is that there was a kick, which the wake-up says too.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>

#include "../lane.h"
#include "kick.h"

static int kvlane_kick_wake(wait_queue_entry_t *wait, unsigned int mode,
			    int sync, void *key)
{
	struct kvlane_kick *kick = container_of(wait, struct kvlane_kick, wait);

	if (key_to_poll(key) & EPOLLIN)
		kvlane_lane_kick(kick->lane);
	return 0;
}

static void kvlane_kick_found(struct file *file, wait_queue_head_t *wqh,
			      poll_table *table)
{
	struct kvlane_kick *kick = container_of(table, struct kvlane_kick, table);

	kick->wqh = wqh;
	add_wait_queue(wqh, &kick->wait);
}

/**
 * kvlane_kick_untie - let go of the eventfd
 * @kick: the kick; no wake-up comes through it any more when this returns
 */
void kvlane_kick_untie(struct kvlane_kick *kick)
{
	if (!kick->file)
		return;
	remove_wait_queue(kick->wqh, &kick->wait);
	fput(kick->file);
	kick->file = NULL;
}

static struct file *kvlane_eventfd_get(int fd)
{
	struct eventfd_ctx *ctx;
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx)) {
		fput(file);
		return ERR_CAST(ctx);
	}
	eventfd_ctx_put(ctx);
	return file;
}

/**
 * kvlane_kick_set - KVLANE_SET_KICK
 * @kick: the kick
 * @fd: an eventfd, or -1
 *
 * Return: 0 or a negative errno.
 */
long kvlane_kick_set(struct kvlane_kick *kick, int fd)
{
	struct file *file = NULL;

	if (fd != -1) {
		file = kvlane_eventfd_get(fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}

	kvlane_kick_untie(kick);
	if (!file)
		return 0;
	kick->file = file;
	init_waitqueue_func_entry(&kick->wait, kvlane_kick_wake);
	init_poll_funcptr(&kick->table, kvlane_kick_found);
	if (vfs_poll(file, &kick->table) & EPOLLIN)
		kvlane_lane_kick(kick->lane);
	return 0;
}
