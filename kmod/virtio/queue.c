// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtqueue's life: made with its device, started and stopped by the driver, ended.
 * What it does in between is in queue_run.c.
 *
 * Everything here is the control path's, under the device lock, but for what is run in
 * the lane by kvlane_lane_call(): kvlane_queue_do_*().
 */
#include <linux/llist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/virtio_pci.h>
#include <linux/wait.h>

#include "device.h"

/**
 * kvlane_queue_kick - the driver says that it added to the ring
 * @q: the queue
 *
 * Any context.
 */
void kvlane_queue_kick(struct kvlane_queue *q)
{
	kvlane_lane_kick(&q->lane);
}

static void kvlane_queue_do_start(void *arg)
{
	struct kvlane_queue *q = arg;
	const struct kvlane_vring_config cfg = {
		.features = q->dev->accepted,
		.desc = q->desc,
		.driver = q->driver,
		.device = q->device,
		.max_segs = q->dev->ops->max_segs,
		.size = q->size,
		.avail_idx = q->based ? q->base : kvlane_vring_first(q->dev->accepted),
	};

	kvlane_vring_start(&q->vring, &cfg);
	q->generation = 0;
	q->unshown = 0;
	q->poll = (struct kvlane_poll){};
	q->serve = NULL;
	if (q->dev->ops->start)
		q->dev->ops->start(q);
	q->running = true;
}

/**
 * kvlane_queue_start - let the lane serve the ring the registers describe
 * @q: an enabled queue of a device with DRIVER_OK
 */
void kvlane_queue_start(struct kvlane_queue *q)
{
	if (q->running)
		return;
	kvlane_lane_call(&q->lane, kvlane_queue_do_start, q);
	/* The driver may have filled the ring before; no kick tells of that. */
	kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
}

static void kvlane_queue_do_stop(void *arg)
{
	struct kvlane_queue *q = arg;

	q->running = false;
	if (q->dev->ops->stop)
		q->dev->ops->stop(q);
	kvlane_coalesce_forget(q);
	q->pushed_ns = 0;
	kvlane_queue_discard(q);
}

static bool kvlane_queue_drained(struct kvlane_queue *q)
{
	if (kvlane_lane_dead(&q->lane))
		kvlane_queue_discard(q);
	return !READ_ONCE(q->inflight);
}

/**
 * kvlane_queue_stop - stop a queue and wait for what it has in flight
 * @q: the queue
 *
 * Afterwards the device does not touch the ring nor any buffer of the queue.
 */
void kvlane_queue_stop(struct kvlane_queue *q)
{
	const struct kvlane_device_ops *ops = q->dev->ops;

	if (!q->running)
		return;
	WRITE_ONCE(q->stopping, true);
	kvlane_lane_call(&q->lane, kvlane_queue_do_stop, q);
	if (ops->cancel)
		ops->cancel(q);
	wait_event(q->lane.idle, kvlane_queue_drained(q));
	WRITE_ONCE(q->stopping, false);
}

static bool kvlane_queue_quiet(struct kvlane_queue *q)
{
	return READ_ONCE(q->quiet) || !kvlane_queue_usable(q) || kvlane_lane_dead(&q->lane);
}

/**
 * kvlane_queue_quiesce - stop a queue when it has shown its driver all it had begun
 * @q: the queue
 *
 * Unlike kvlane_queue_stop() it loses no request: afterwards kvlane_queue.base is where
 * whoever has the ring next goes on. Takes as long as the back end, and a throttle,
 * take for what is in flight.
 *
 * Return: 0, or -EINTR if the caller was killed before; the queue then goes on.
 */
int kvlane_queue_quiesce(struct kvlane_queue *q)
{
	int err;

	if (!q->running)
		return 0;
	WRITE_ONCE(q->quiet, false);
	/* The lane looks at it after it was woken, and takes nothing new from then on. */
	WRITE_ONCE(q->quiescing, true);
	kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
	if (q->lane.interruptible)
		kvlane_lane_interrupt(&q->lane);
	err = wait_event_killable(q->lane.idle, kvlane_queue_quiet(q));
	if (!err)
		kvlane_queue_stop(q);
	WRITE_ONCE(q->quiescing, false);
	if (err) {
		kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
		return -EINTR;
	}
	q->base = q->vring.next_avail;
	q->based = true;
	/* One that was held back is lost with the stop; one too many does no harm. */
	kvlane_irq_raise(&q->dev->irq, READ_ONCE(q->vector), KVLANE_ISR_QUEUE);
	return 0;
}

struct kvlane_queue_throttling {
	struct kvlane_queue *q;
	struct kvlane_throttle *throttle;
};

static void kvlane_queue_do_throttle(void *arg)
{
	const struct kvlane_queue_throttling *args = arg;

	kvlane_hold_set(&args->q->hold, args->throttle);
}

/**
 * kvlane_queue_throttle - have requests wait for another throttle
 * @q: the queue
 * @throttle: the throttle, or NULL; the one before is not used any more then
 */
void kvlane_queue_throttle(struct kvlane_queue *q, struct kvlane_throttle *throttle)
{
	struct kvlane_queue_throttling args = { q, throttle };

	kvlane_lane_call(&q->lane, kvlane_queue_do_throttle, &args);
	kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
}

/**
 * kvlane_queue_reset - put a stopped queue's registers into their first state
 * @q: the queue
 */
void kvlane_queue_reset(struct kvlane_queue *q)
{
	q->desc = 0;
	q->driver = 0;
	q->device = 0;
	q->size = q->dev->queue_size;
	q->enabled = false;
	q->based = false;
	WRITE_ONCE(q->space, 0);
	WRITE_ONCE(q->vector, VIRTIO_MSI_NO_VECTOR);
}

static void kvlane_queue_free_requests(struct kvlane_queue *q)
{
	struct kvlane_request *req;

	while ((req = q->free)) {
		q->free = req->next;
		kmem_cache_free(q->dev->requests, req);
	}
}

static int kvlane_queue_alloc_requests(struct kvlane_queue *q)
{
	const struct kvlane_device *dev = q->dev;
	u32 nr = dev->ops->nr_requests ? dev->ops->nr_requests(q) :
					 dev->queue_size;
	struct kvlane_request *req;
	u32 i;

	for (i = 0; i < nr; i++) {
		req = kmem_cache_zalloc(dev->requests, GFP_KERNEL_ACCOUNT);
		if (!req)
			return -ENOMEM;
		req->q = q;
		INIT_LIST_HEAD(&req->asked);
		req->sibling = q->requests;
		q->requests = req;
		req->next = q->free;
		q->free = req;
	}
	return 0;
}

/* The lane whose thread the queue's lane shares, or NULL. */
static struct kvlane_lane *kvlane_queue_leader(const struct kvlane_queue *q)
{
	u32 at = q->index % q->dev->lane_queues;

	return at ? &q->dev->queues[q->index - at].lane : NULL;
}

static const struct kvlane_lane_ops kvlane_queue_lane_ops = {
	.run = kvlane_queue_run,
	.leave = kvlane_ask_to_the_end,
};

/**
 * kvlane_queue_hire - give a queue's lane its thread
 * @q: a created queue whose lane has none
 * @kernel: see kvlane_lane_start()
 *
 * Return: 0 or a negative errno.
 */
int kvlane_queue_hire(struct kvlane_queue *q, bool kernel)
{
	char name[TASK_COMM_LEN];

	q->kernel = kernel;
	snprintf(name, sizeof(name), "kvlane-%s.%u", q->dev->ops->name, q->index);
	return kvlane_lane_start(&q->lane, name, kvlane_queue_leader(q), kernel);
}

/**
 * kvlane_queue_create - make a queue, whose lane has no thread yet
 * @q: the queue, zeroed
 * @dev: its device
 * @index: its number
 *
 * Return: 0 or a negative errno.
 */
int kvlane_queue_create(struct kvlane_queue *q, struct kvlane_device *dev,
			u32 index)
{
	int err;

	q->dev = dev;
	q->index = index;
	q->kick.lane = &q->lane;
	init_llist_head(&q->done);
	INIT_LIST_HEAD(&q->asked);
	kvlane_requests_init(&q->finished);
	kvlane_requests_init(&q->again);
	kvlane_lane_init(&q->lane, &kvlane_queue_lane_ops, q);
	q->lane.interruptible = dev->ops->interruptible;
	kvlane_hold_init(&q->hold, &q->lane);
	kvlane_coalesce_init(q);
	q->poll_us = KVLANE_POLL_DEFAULT;
	kvlane_watch_init(&q->watch);
	kvlane_queue_reset(q);

	err = kvlane_queue_alloc_requests(q);
	if (err)
		goto err_requests;
	err = kvlane_vring_alloc(&q->vring, dev->queue_size);
	if (err)
		goto err_vring;
	return 0;

err_vring:
	kvlane_vring_free(&q->vring);
err_requests:
	kvlane_queue_free_requests(q);
	return err;
}

/**
 * kvlane_queue_release - stop a queue for good
 * @q: a created queue
 *
 * To be followed by synchronize_rcu() and kvlane_queue_destroy().
 */
void kvlane_queue_release(struct kvlane_queue *q)
{
	kvlane_kick_untie(&q->kick);
	kvlane_queue_stop(q);
	kvlane_watch_stop(&q->watch);
	kvlane_coalesce_stop(q);
}

/**
 * kvlane_queue_destroy - end the lane and free the queue
 * @q: a released queue
 */
void kvlane_queue_destroy(struct kvlane_queue *q)
{
	kvlane_lane_stop(&q->lane);
	kvlane_vring_free(&q->vring);
	kvlane_queue_free_requests(q);
}
