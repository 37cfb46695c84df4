// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking a back end what it is done with.
 *
 * A block device that is polled tells nobody when it is done with a request. Such
 * requests are marked when the lane has begun them. While there are any the lane does
 * not sleep, and asks once in each run; calls, throttles and other lanes of the thread
 * have their turns as always.
 *
 * It asks for the oldest request, which finishes whatever else is done in the same
 * queue of the device. Those in others, where the lane's thread was on another
 * processor, have their turn when they are the oldest.
 */
#include <linux/list.h>
#include <linux/sched.h>

#include "device.h"

/**
 * kvlane_request_ask - the back end has to be asked whether a request is done
 * @req: the request, just begun by the lane
 *
 * kvlane_request_done() may have been called for it already.
 */
void kvlane_request_ask(struct kvlane_request *req)
{
	list_add_tail(&req->asked, &req->q->asked);
}

/**
 * kvlane_ask - have the back end finish what it is done with
 * @q: the queue; lane context
 */
void kvlane_ask(struct kvlane_queue *q)
{
	struct kvlane_request *req;

	while (!list_empty(&q->asked)) {
		req = list_first_entry(&q->asked, struct kvlane_request, asked);
		if (q->dev->ops->ask(req))
			return;
		list_del_init(&req->asked);
	}
}

/**
 * kvlane_ask_to_the_end - wait for what nobody will ask for any more
 * @data: a queue whose lane was killed; the lane's thread
 */
void kvlane_ask_to_the_end(void *data)
{
	struct kvlane_queue *q = data;

	while (!list_empty(&q->asked)) {
		kvlane_ask(q);
		cond_resched();
	}
}
