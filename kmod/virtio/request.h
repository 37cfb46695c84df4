/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_REQUEST_H
#define KVLANE_REQUEST_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/types.h>
#include <linux/uio.h>

#include "vring.h"

struct kvlane_queue;

/**
 * define KVLANE_MAX_SEGS - most buffers in a chain, header and status included
 *
 * 126 data segments are what QEMU offers with a queue of 128; 4 KiB pages make
 * a 504 KiB request of it, beyond which larger requests gain nothing.
 */
#define KVLANE_MAX_SEGS 128

/**
 * define KVLANE_MAX_IOVS - pieces of memory those buffers may lie in
 *
 * A buffer that crosses a border of the memory map is two pieces. Borders are
 * few: a handful more is enough for an honest driver.
 */
#define KVLANE_MAX_IOVS (KVLANE_MAX_SEGS + 8)

/**
 * struct kvlane_request - a descriptor chain being served
 * @q: its queue
 * @node: place in the list of done requests
 * @next: next in a list of its lane: free, new or finished requests
 * @sibling: next of all requests of the queue
 * @asked: place in kvlane_queue.asked, or empty; the lane's
 * @chain: the buffers, in @iov
 * @start_ns: when it was begun, 0 while it is free or held; read by the watch
 * @held_ns: when it was taken from the ring, if a throttle holds it
 * @generation: of the memory map in which @iov was last looked up
 * @written: bytes written to the chain's writable buffers
 * @failed: it was answered with an error
 * @iov: the buffers; back ends may reuse the room once they have parsed it
 */
struct kvlane_request {
	struct kvlane_queue *q;
	struct llist_node node;
	struct kvlane_request *next;
	struct kvlane_request *sibling;
	struct list_head asked;
	struct kvlane_chain chain;
	u64 start_ns;
	u64 held_ns;
	u64 generation;
	u32 written;
	bool failed;
	struct iovec iov[KVLANE_MAX_IOVS];
};

/**
 * struct kvlane_requests - a list of requests, first in first out
 * @head: the oldest
 * @tail: where the next one is linked
 *
 * A request is in one list at a time, and lists are their lane's.
 */
struct kvlane_requests {
	struct kvlane_request *head;
	struct kvlane_request **tail;
};

/**
 * kvlane_requests_init - make a list empty
 * @list: the list
 */
static inline void kvlane_requests_init(struct kvlane_requests *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

/**
 * kvlane_requests_add - add to the end of a list
 * @list: the list
 * @req: a request that is in no list
 */
static inline void kvlane_requests_add(struct kvlane_requests *list,
				       struct kvlane_request *req)
{
	req->next = NULL;
	*list->tail = req;
	list->tail = &req->next;
}

/**
 * kvlane_requests_take - take the oldest request from a list
 * @list: the list
 *
 * Return: the request, or NULL.
 */
static inline struct kvlane_request *
kvlane_requests_take(struct kvlane_requests *list)
{
	struct kvlane_request *req = list->head;

	if (!req)
		return NULL;
	list->head = req->next;
	if (!req->next)
		list->tail = &list->head;
	return req;
}

#endif
