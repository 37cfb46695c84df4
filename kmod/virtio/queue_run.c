// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtqueue at work: between the ring and a device type.
 *
 * The lane's round (kvlane_queue_run()) is
 *
 *	exchange	push what is finished, publish it, take a batch of new
 *			chains; under the VM's SRCU, for these are the steps
 *			that look into the memory map
 *	interrupt	if the driver wants one
 *	handle		begin the new requests, with no lock held, unless the
 *			device's throttle holds them back (hold.c)
 *
 * until an exchange moves nothing, nothing came while the lane waited for it a
 * little (poll.c), and the driver was asked for kicks again. A
 * device type whose requests are done soon and not waited for one by one has
 * publishing, and the interrupt that may come of it, put off while there are new
 * chains (@burst).
 *
 * Requests come from a stack and are as many as the ring has descriptors. The
 * ring code refuses a head that is in flight, so there is always one free. A
 * device type that is done with a request when it has handled it may do with
 * fewer.
 *
 * A back end may have no way to tell that it is done (a block device that is polled).
 * Its requests are marked, and while there are any the lane does not sleep but asks
 * (@ask) in each run.
 *
 * A queue that waits for its back end rather than for its driver (packets that
 * come in) has no requests. It sets @serve, which takes the place of pushing,
 * fetching and handling: it pops chains where it has something to put into them,
 * and pushes them filled.
 *
 * Who may touch what: registers are the control path's, under the device lock;
 * everything from @running on is the lane's. Control reaches it by
 * kvlane_lane_call(). kvlane_request_done() is the one entry for back ends: any
 * context, until the request is taken off @done. A queue is stopped when
 * @running is off and nothing is in flight; finished requests of a stopped
 * queue are put back without a look at the guest's memory.
 */
#include <linux/blkdev.h>
#include <linux/ktime.h>

#include "../dirty.h"
#include "../irq_info.h"
#include "../memory.h"
#include "../trace.h"
#include "../vm.h"
#include "device.h"

/*
 * Exchanges in one run of the lane. Between two runs the lane answers calls
 * (a reset, say) and lets others have the CPU. A call that waits already ends
 * the run at the next exchange.
 */
#define KVLANE_BUDGET 16

/**
 * kvlane_request_finish - a request is over; from the lane itself
 * @req: the request
 */
void kvlane_request_finish(struct kvlane_request *req)
{
	kvlane_requests_add(&req->q->finished, req);
}

/**
 * kvlane_request_again - handle a request once more; from the lane itself
 * @req: the request
 *
 * For one that a signal has kept from being done. The lane first does what the
 * signal is for.
 */
void kvlane_request_again(struct kvlane_request *req)
{
	struct kvlane_queue *q = req->q;

	kvlane_requests_add(&q->again, req);
	kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
}

/**
 * kvlane_request_later - handle a request once more, when there is room for it; from
 *	the lane itself
 * @req: the request
 *
 * For one that the back end has no room for. Whoever finds that there is room wakes the
 * lane.
 */
void kvlane_request_later(struct kvlane_request *req)
{
	kvlane_requests_add(&req->q->again, req);
}

/**
 * kvlane_request_done - a request is over; from any context
 * @req: the request, not to be touched any more
 */
void kvlane_request_done(struct kvlane_request *req)
{
	struct kvlane_queue *q = req->q;

	/*
	 * The queue may be drained, and the device released, as soon as the
	 * request is on the list. Release waits for RCU before it frees.
	 */
	rcu_read_lock();
	if (llist_add(&req->node, &q->done))
		kvlane_lane_wake(&q->lane, KVLANE_WORK_DONE);
	rcu_read_unlock();
}

static void kvlane_queue_put(struct kvlane_queue *q, struct kvlane_request *req)
{
	if (!list_empty(&req->asked)) {
		list_del_init(&req->asked);
		q->stats.asked++;
	}
	WRITE_ONCE(req->start_ns, 0);
	req->next = q->free;
	q->free = req;
	WRITE_ONCE(q->inflight, q->inflight - 1);
}

/* Move what back ends have finished behind what the lane has finished itself. */
static void kvlane_queue_collect(struct kvlane_queue *q)
{
	struct kvlane_request *req, *next;
	struct llist_node *node;

	if (llist_empty(&q->done))
		return;
	node = llist_reverse_order(llist_del_all(&q->done));
	llist_for_each_entry_safe(req, next, node, node)
		kvlane_requests_add(&q->finished, req);
}

/**
 * kvlane_queue_discard - forget what is finished, or not begun
 * @q: a queue whose driver is gone; from its lane, or in place of a dead one
 */
void kvlane_queue_discard(struct kvlane_queue *q)
{
	struct kvlane_request *req;

	kvlane_queue_collect(q);
	kvlane_hold_empty(&q->hold, &q->again);
	while ((req = kvlane_requests_take(&q->finished)))
		kvlane_queue_put(q, req);
	while ((req = kvlane_requests_take(&q->again)))
		kvlane_queue_put(q, req);
}

static void kvlane_queue_count(struct kvlane_queue *q,
			       const struct kvlane_request *req, u64 now)
{
	struct kvlane_queue_stats *stats = &q->stats;

	/* Those taken together often end together: no division for each. */
	if (now - req->start_ns != q->latency_ns) {
		q->latency_ns = now - req->start_ns;
		q->latency_bucket = kvlane_latency_bucket(q->latency_ns);
	}
	stats->requests++;
	stats->bytes_in += req->chain.out_len;
	stats->bytes_out += req->written;
	stats->errors += req->failed;
	stats->latency[q->latency_bucket]++;
	trace_kvlane_done(req, q->latency_ns);
}

/* Counts what began then and has happened now. */
static void kvlane_queue_time(u64 *histogram, u64 since)
{
	histogram[kvlane_latency_bucket(ktime_get_ns() - since)]++;
}

static int kvlane_queue_push_one(struct kvlane_queue *q,
				 struct kvlane_request *req)
{
	const struct kvlane_chain *chain = &req->chain;

	/* The ring is in the map of today; so is what was looked up in the same one. */
	if (req->generation != q->generation && !kvlane_request_mapped(req))
		return kvlane_vring_break(&q->vring, KVLANE_REASON_ADDRESS);
	if (q->dev->ops->finish(q, req))
		return kvlane_vring_break(&q->vring, KVLANE_REASON_FAULT);
	kvlane_dirty_mark_iov(q->dirty, chain->iov + chain->out_num, chain->in_num);
	return kvlane_vring_push(&q->vring, req->chain.head, req->written);
}

/* Returns how many requests were pushed, or -EPROTO. */
static int kvlane_queue_push(struct kvlane_queue *q)
{
	struct kvlane_request *req;
	int nr = 0, err = 0;
	u64 now;

	kvlane_queue_collect(q);
	if (!q->finished.head)
		return 0;

	now = ktime_get_ns();
	if (!q->pushed_ns)
		q->pushed_ns = now;
	while (!err && (req = kvlane_requests_take(&q->finished))) {
		err = kvlane_queue_push_one(q, req);
		kvlane_queue_count(q, req, now);
		kvlane_queue_put(q, req);
		nr++;
	}
	q->unshown += nr;
	return err ?: nr;
}

/* Returns 1 for a request, 0 if there is none, -EPROTO. */
static int kvlane_queue_pop(struct kvlane_queue *q,
			    const struct kvlane_memtable *table,
			    struct kvlane_requests *batch, u64 *now)
{
	struct kvlane_request *req = q->free;
	int ret;

	if (!req)
		return 0;
	req->chain.iov = req->iov;
	req->chain.max_iov = ARRAY_SIZE(req->iov);
	ret = kvlane_vring_pop(&q->vring, table, &req->chain);
	if (ret <= 0)
		return ret;

	if (!*now)
		*now = ktime_get_ns();
	WRITE_ONCE(req->start_ns, *now);
	req->generation = q->generation;
	req->written = 0;
	req->failed = false;
	q->free = req->next;
	WRITE_ONCE(q->inflight, q->inflight + 1);
	kvlane_requests_add(batch, req);
	trace_kvlane_pop(req);
	return 1;
}

static int kvlane_queue_fetch(struct kvlane_queue *q,
			      const struct kvlane_memtable *table,
			      struct kvlane_requests *batch, int most)
{
	int nr, ret = 0;
	u64 now = 0;

	for (nr = 0; nr < most; nr++) {
		ret = kvlane_queue_pop(q, table, batch, &now);
		if (ret <= 0)
			break;
	}
	if (ret < 0)
		return ret;
	return nr;
}

static int kvlane_queue_map(struct kvlane_queue *q,
			    const struct kvlane_memory *memory)
{
	if (!memory)
		return kvlane_vring_break(&q->vring,
					  KVLANE_REASON_RING_ADDRESS);
	if (q->generation == memory->generation)
		return 0;
	q->generation = memory->generation;
	return kvlane_vring_map(&q->vring, &memory->table);
}

static int kvlane_queue_quota(struct kvlane_queue *q)
{
	const struct kvlane_device_ops *ops = q->dev->ops;

	return ops->quota ? ops->quota(q) : KVLANE_BATCH;
}

/* The quota is used up. If the driver wants more, it has to wait for it. */
static int kvlane_queue_exhaust(struct kvlane_queue *q)
{
	const struct kvlane_device_ops *ops = q->dev->ops;
	int more;

	if (!ops->wait)
		return 0;
	more = kvlane_vring_enable_kick(&q->vring);
	if (more <= 0)
		return more;
	q->stats.throttled++;
	ops->wait(q);
	return kvlane_vring_disable_kick(&q->vring);
}

/* Show the driver what was pushed. Sets @notify if it wants an interrupt. */
static int kvlane_queue_publish(struct kvlane_queue *q, bool *notify)
{
	u32 pushed = q->unshown;
	int ret;

	if (!pushed)
		return 0;
	q->unshown = 0;
	ret = kvlane_vring_publish(&q->vring);
	if (ret < 0)
		return ret;
	*notify = ret;
	if (!ret) {
		q->stats.suppressed += pushed;
		if (!q->coalesce.since_ns)
			q->pushed_ns = 0;
	}
	return 0;
}

/* A queue that its back end drives instead of its requests. */
static int kvlane_queue_serve(struct kvlane_queue *q,
			      const struct kvlane_memtable *table, bool *notify)
{
	int ret, moved = q->serve(q, table);

	if (moved < 0)
		return moved;
	q->unshown = q->vring.nr_done;
	ret = kvlane_queue_publish(q, notify);
	if (*notify && !q->pushed_ns)
		q->pushed_ns = ktime_get_ns();
	return ret ?: moved;
}

/*
 * The thread does not sleep yet, as it was woken or has a back end to ask: rather than
 * be kicked, the lane looks once more before that. What lanes of the thread have put
 * off themselves does not count, or two of them would go on with this forever.
 */
static bool kvlane_queue_hurried(const struct kvlane_queue *q)
{
	return !list_empty(&q->asked) ||
	       kvlane_lane_pending(&q->lane) & ~BIT(KVLANE_WORK_MORE);
}

/*
 * Nothing was there to begin. What is finished is not kept from the driver any
 * longer; if there was nothing finished either, the lane may sleep.
 */
static int kvlane_queue_pause(struct kvlane_queue *q, int pushed, bool *notify)
{
	int ret = kvlane_queue_publish(q, notify);

	if (ret)
		return ret;
	if (pushed) {
		kvlane_poll_restart(&q->poll);
		return 1;
	}
	ret = kvlane_queue_poll(q);
	if (ret)
		return ret;
	if (kvlane_queue_hurried(q)) {
		kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
		return 0;
	}
	return kvlane_vring_enable_kick(&q->vring);
}

/*
 * The part of a round that needs the memory map. Sets @notify if the driver
 * wants an interrupt. Returns 1 if anything moved, 0 if the lane may sleep,
 * -EPROTO if the ring is broken.
 */
static int kvlane_queue_exchange(struct kvlane_queue *q,
				 const struct kvlane_memory *memory,
				 struct kvlane_requests *batch, bool *notify)
{
	int err, most, pushed, popped;

	err = kvlane_queue_map(q, memory);
	if (err)
		return err;
	if (q->serve)
		return READ_ONCE(q->quiescing) ? 0 :
		       kvlane_queue_serve(q, &memory->table, notify);

	pushed = kvlane_queue_push(q);
	if (pushed < 0)
		return pushed;
	if (READ_ONCE(q->quiescing))
		return kvlane_queue_publish(q, notify);
	most = kvlane_queue_quota(q);
	if (!most || q->unshown >= q->dev->ops->burst) {
		err = kvlane_queue_publish(q, notify);
		if (err)
			return err;
	}

	if (!most)
		return kvlane_queue_exhaust(q);
	popped = kvlane_queue_fetch(q, &memory->table, batch, most);
	if (popped < 0)
		return popped;
	if (!popped)
		return kvlane_queue_pause(q, pushed, notify);
	kvlane_poll_learn(q, batch->head->start_ns);
	return kvlane_vring_disable_kick(&q->vring) ?: 1;
}

static void kvlane_queue_interrupt(struct kvlane_queue *q)
{
	if (q->pushed_ns)
		kvlane_queue_time(q->stats.signal, q->pushed_ns);
	q->pushed_ns = 0;
	q->stats.interrupts++;
	q->stats.posted += kvlane_irq_posts(q->dev->vm);
	trace_kvlane_interrupt(q);
	kvlane_irq_raise(&q->dev->irq, READ_ONCE(q->vector), KVLANE_ISR_QUEUE);
}

/* What the device writes of a ring is little enough not to ask if it was written. */
static void kvlane_queue_dirty_ring(struct kvlane_queue *q)
{
	const struct kvlane_vring *vr = &q->vring;

	if (!q->dirty || !vr->used)
		return;
	kvlane_dirty_mark(q->dirty, vr->used, kvlane_vring_device_bytes(vr));
	if (vr->packed)
		kvlane_dirty_mark(q->dirty, vr->desc, kvlane_vring_desc_bytes(vr));
}

static int kvlane_queue_round(struct kvlane_queue *q,
			      struct kvlane_requests *batch)
{
	struct kvlane_vm *vm = q->dev->vm;
	struct kvlane_memory __rcu **space = &vm->memory[READ_ONCE(q->space)];
	bool notify = false;
	int idx, ret;

	idx = srcu_read_lock(&vm->srcu);
	q->dirty = srcu_dereference(vm->dirty, &vm->srcu);
	ret = kvlane_queue_exchange(q, srcu_dereference(*space, &vm->srcu), batch,
				    &notify);
	kvlane_queue_dirty_ring(q);
	srcu_read_unlock(&vm->srcu, idx);

	if (kvlane_coalesce_send(q, notify))
		kvlane_queue_interrupt(q);
	if (ret < 0) {
		q->stats.malformed++;
		kvlane_device_break(q->dev, q->index, q->vring.reason);
	}
	return ret;
}

/**
 * kvlane_request_malformed - a request breaks the rules of its device type
 * @req: the request, about to be handled; it is over with this
 * @reason: what is wrong
 *
 * The device stops until it is reset.
 */
void kvlane_request_malformed(struct kvlane_request *req,
			      enum kvlane_reason reason)
{
	struct kvlane_queue *q = req->q;

	kvlane_vring_break(&q->vring, reason);
	q->stats.malformed++;
	kvlane_device_break(q->dev, q->index, reason);
	kvlane_request_finish(req);
}

static void kvlane_queue_handle_all(struct kvlane_queue *q, struct kvlane_requests *batch)
{
	struct kvlane_request *req, *next;

	for (req = batch->head; req; req = next) {
		next = req->next;
		trace_kvlane_submit(req);
		if (kvlane_request_mapped(req))
			q->dev->ops->handle(q, req);
		else
			kvlane_request_malformed(req, KVLANE_REASON_ADDRESS);
	}
	if (q->dev->ops->flush)
		q->dev->ops->flush(q);
}

/* The same where memory may be taken away. */
static void kvlane_queue_handle_mapped(struct kvlane_queue *q, struct kvlane_requests *batch)
{
	struct kvlane_vm *vm = q->dev->vm;
	int idx = srcu_read_lock(&vm->reach);

	kvlane_queue_handle_all(q, batch);
	srcu_read_unlock(&vm->reach, idx);
}

static void kvlane_queue_handle(struct kvlane_queue *q,
				struct kvlane_requests *batch)
{
	struct blk_plug plug;

	if (!batch->head)
		return;
	kvlane_watch_begin(&q->watch);
	blk_start_plug(&plug);
	if (kvlane_queue_remaps(q))
		kvlane_queue_handle_mapped(q, batch);
	else
		kvlane_queue_handle_all(q, batch);
	blk_finish_plug(&plug);
}

/* What a signal kept from being done, now that it was seen to. */
static void kvlane_queue_retry(struct kvlane_queue *q)
{
	struct kvlane_requests batch = { .head = q->again.head };

	kvlane_requests_init(&q->again);
	kvlane_queue_handle(q, &batch);
}

/* What a throttle has held back, as far as it may go now. */
static void kvlane_queue_resume(struct kvlane_queue *q)
{
	struct kvlane_requests batch;

	if (!kvlane_hold_any(&q->hold))
		return;
	kvlane_requests_init(&batch);
	kvlane_hold_release(q, &batch);
	kvlane_queue_handle(q, &batch);
}

/* New requests. */
static void kvlane_queue_begin(struct kvlane_queue *q,
			       struct kvlane_requests *batch)
{
	if (batch->head && kvlane_hold_wanted(&q->hold))
		kvlane_hold_add(q, batch);
	kvlane_queue_handle(q, batch);
}

/**
 * kvlane_queue_usable - may the queue's ring be looked at?
 * @q: the queue
 */
bool kvlane_queue_usable(const struct kvlane_queue *q)
{
	return q->running && !kvlane_device_broken(q->dev);
}

static void kvlane_queue_idle(struct kvlane_queue *q)
{
	kvlane_queue_discard(q);
	if (!list_empty(&q->asked))
		kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
	if (!q->running && !q->inflight)
		wake_up_all(&q->lane.idle);
}

static void kvlane_queue_kicked(struct kvlane_queue *q)
{
	u64 since = READ_ONCE(q->lane.kicked_ns);

	/* One that comes just now may not be timed. */
	WRITE_ONCE(q->lane.kicked_ns, 0);
	q->stats.kicks++;
	if (since)
		kvlane_queue_time(q->stats.pickup, since);
	trace_kvlane_kick(q);
}

/*
 * Only between two rounds of the lane is it certain that what was taken from the ring is
 * counted, and what was pushed shown: others may find nothing in flight in the middle
 * of one.
 */
static void kvlane_queue_calm(struct kvlane_queue *q)
{
	WRITE_ONCE(q->quiet, !q->inflight && !q->unshown);
	/* What has to be asked for is told by nobody else. */
	if (!list_empty(&q->asked))
		kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
	wake_up_all(&q->lane.idle);
}

/**
 * kvlane_queue_run - kvlane_lane_ops.run: serve the queue
 * @data: struct kvlane_queue
 * @work: enum kvlane_work bits the lane was woken with
 */
void kvlane_queue_run(void *data, unsigned long work)
{
	struct kvlane_queue *q = data;
	struct kvlane_requests batch;
	int budget = KVLANE_BUDGET;
	int moved = 1;

	if (work & BIT(KVLANE_WORK_KICK))
		kvlane_queue_kicked(q);
	kvlane_ask(q);
	if (kvlane_queue_usable(q)) {
		kvlane_queue_retry(q);
		kvlane_queue_resume(q);
	}

	while (moved > 0 && kvlane_queue_usable(q)) {
		if (!budget-- || test_bit(KVLANE_WORK_CALL, &q->lane.work)) {
			kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
			return;
		}
		kvlane_requests_init(&batch);
		moved = kvlane_queue_round(q, &batch);
		kvlane_queue_begin(q, &batch);
	}
	if (!kvlane_queue_usable(q))
		kvlane_queue_idle(q);
	if (READ_ONCE(q->quiescing))
		kvlane_queue_calm(q);
}
