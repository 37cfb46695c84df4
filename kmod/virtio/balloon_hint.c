// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page hinting (virtio 1.2, section 5.5.6.6): which pages the driver has no use for,
 * for whoever moves a running guest.
 *
 * The owner begins a round, which has a number, the command id. The driver answers with
 * the id, names pages that it has taken from its free ones, and says when it has no more. It
 * keeps the pages until the round is over, but is free to take some back at any time.
 *
 * A hint says that the page was free at some time since the round began. So what it held
 * when the round began is not needed; what is written to it afterwards is, and is in the
 * logs of pages that were written to. Hence a hint is of use only beside logs that began
 * before the round, and counts for less than what is fetched of them after the round was
 * stopped. Nothing is taken once the round is stopped, whatever is still in the queue.
 *
 * Pages are noted by their user addresses in a log of its own, as in dirty.c. The memory
 * itself is left alone: nothing is freed here, and nothing written.
 */
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/uio.h>

#include "../dirty.h"
#include "balloon.h"

static bool kvlane_balloon_hints_wanted(const struct kvlane_balloon_hints *h)
{
	return h->state >= KVLANE_HINTING_BEGUN;
}

/* Those under the id of another round are not for this one. */
static void kvlane_balloon_hint_id(struct kvlane_balloon_hints *h, u32 id)
{
	mutex_lock(&h->lock);
	if (id == VIRTIO_BALLOON_CMD_ID_STOP) {
		if (h->state == KVLANE_HINTING_RUNNING)
			h->state = KVLANE_HINTING_TOLD;
	} else if (kvlane_balloon_hints_wanted(h) && id == h->id) {
		h->state = KVLANE_HINTING_RUNNING;
	} else {
		h->ignored++;
		if (h->state == KVLANE_HINTING_RUNNING)
			h->state = KVLANE_HINTING_BEGUN;
	}
	mutex_unlock(&h->lock);
}

static void kvlane_balloon_hint_command(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_balloon *b = q->dev->priv;
	struct iov_iter from;
	__le32 id;

	kvlane_queue_iter(q, &from, ITER_SOURCE, req->iov, req->chain.out_num,
			  req->chain.out_len);
	if (copy_from_iter_full(&id, sizeof(id), &from)) {
		kvlane_balloon_hint_id(&b->hints, le32_to_cpu(id));
		return;
	}
	req->failed = true;
	kvlane_device_backend_error(q->dev, q->index, -EFAULT);
}

static u64 kvlane_balloon_hint_pages(struct kvlane_balloon *b, const struct iovec *iov)
{
	struct kvlane_balloon_hints *h = &b->hints;
	u64 pages = 0;

	mutex_lock(&h->lock);
	/* What is to keep a pattern does not stay as it is if it is left out. */
	if (h->state == KVLANE_HINTING_RUNNING && !READ_ONCE(b->poison))
		pages = kvlane_dirty_mark_whole(h->log, (unsigned long)iov->iov_base,
						iov->iov_len);
	h->hinted += pages << PAGE_SHIFT;
	mutex_unlock(&h->lock);
	cond_resched();
	return pages;
}

static void kvlane_balloon_hint_all(struct kvlane_queue *q, struct kvlane_request *req)
{
	const struct iovec *iov = req->iov + req->chain.out_num;
	struct kvlane_balloon *b = q->dev->priv;
	u64 pages = 0;
	u32 i;

	for (i = 0; i < req->chain.in_num && !READ_ONCE(q->stopping); i++)
		pages += kvlane_balloon_hint_pages(b, &iov[i]);
	if (!pages) {
		mutex_lock(&b->hints.lock);
		b->hints.ignored++;
		mutex_unlock(&b->hints.lock);
	}
	/* Nothing was written to them, so they are not for the log of what was. */
	req->chain.in_num = 0;
}

/**
 * kvlane_balloon_hint - a request of the driver's about free pages; lane context
 * @q: the queue
 * @req: a command id to be read, or pages as if they were to be written
 */
void kvlane_balloon_hint(struct kvlane_queue *q, struct kvlane_request *req)
{
	const struct kvlane_chain *chain = &req->chain;

	if (chain->in_len && chain->out_len) {
		kvlane_request_malformed(req, KVLANE_REASON_DIRECTION);
		return;
	}
	if (!chain->in_len && chain->out_len != sizeof(__le32)) {
		kvlane_request_malformed(req, KVLANE_REASON_SHORT);
		return;
	}
	if (chain->in_len)
		kvlane_balloon_hint_all(q, req);
	else
		kvlane_balloon_hint_command(q, req);
	kvlane_request_finish(req);
}

/* Numbers the driver knows from before are not used again, nor those with a meaning. */
static u32 kvlane_balloon_hints_next(struct kvlane_balloon_hints *h)
{
	if (++h->last <= VIRTIO_BALLOON_CMD_ID_DONE)
		h->last = VIRTIO_BALLOON_CMD_ID_DONE + 1;
	return h->last;
}

static int kvlane_balloon_hints_stop(struct kvlane_balloon_hints *h)
{
	if (h->state == KVLANE_HINTING_OFF)
		return -ENOENT;
	h->state = KVLANE_HINTING_STOPPED;
	h->id = VIRTIO_BALLOON_CMD_ID_STOP;
	return 0;
}

/**
 * kvlane_balloon_hints_set - begin a round of hints, stop it, or end it
 * @h: the hints
 * @state: KVLANE_HINTING_BEGUN, _STOPPED or _OFF
 * @log: for KVLANE_HINTING_BEGUN, with nothing in it; otherwise NULL
 *
 * The caller holds kvlane_device.lock, and tells the driver.
 *
 * Return: 0, @log then being ours; -ENOENT if there is no round to be stopped.
 */
int kvlane_balloon_hints_set(struct kvlane_balloon_hints *h, u32 state, struct kvlane_dirty *log)
{
	int err = 0;

	mutex_lock(&h->lock);
	if (state == KVLANE_HINTING_STOPPED) {
		err = kvlane_balloon_hints_stop(h);
	} else {
		swap(h->log, log);
		h->state = state;
		h->id = VIRTIO_BALLOON_CMD_ID_DONE;
	}
	if (state == KVLANE_HINTING_BEGUN) {
		h->id = kvlane_balloon_hints_next(h);
		h->hinted = 0;
	}
	mutex_unlock(&h->lock);
	kvlane_dirty_free(log);
	return err;
}

/**
 * kvlane_balloon_hints_reset - the driver begins anew, and knows of no round
 * @h: the hints
 */
void kvlane_balloon_hints_reset(struct kvlane_balloon_hints *h)
{
	kvlane_balloon_hints_set(h, KVLANE_HINTING_OFF, NULL);
	h->id = VIRTIO_BALLOON_CMD_ID_STOP;
}

/**
 * kvlane_balloon_hints_get - KVLANE_GET_HINTS
 * @h: the hints
 * @argp: struct kvlane_get_dirty_log in user memory
 *
 * Return: 0 or a negative errno.
 */
long kvlane_balloon_hints_get(struct kvlane_balloon_hints *h, void __user *argp)
{
	struct kvlane_get_dirty_log args;
	long ret = kvlane_dirty_ask(&args, argp);

	if (ret)
		return ret;
	mutex_lock(&h->lock);
	ret = kvlane_dirty_take(h->log, &args);
	mutex_unlock(&h->lock);
	if (!ret && copy_to_user(argp, &args, sizeof(args)))
		ret = -EFAULT;
	return ret;
}

/**
 * kvlane_balloon_hints_info - how far the round is
 * @h: the hints
 * @info: filled in, as far as it is about them
 */
void kvlane_balloon_hints_info(struct kvlane_balloon_hints *h, struct kvlane_balloon_info *info)
{
	mutex_lock(&h->lock);
	info->hinting = h->state;
	info->hinted = h->hinted;
	info->hints_ignored = h->ignored;
	mutex_unlock(&h->lock);
}
