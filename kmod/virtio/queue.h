/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_QUEUE_H
#define KVLANE_QUEUE_H

#include <linux/bits.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/time64.h>
#include <linux/uio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/kvlane.h>

#include "../lane.h"
#include "coalesce.h"
#include "hold.h"
#include "kick.h"
#include "poll.h"
#include "vring.h"
#include "watch.h"

struct kvlane_device;
struct kvlane_dirty;
struct kvlane_queue;

/**
 * define KVLANE_QUEUE_FEATURES - what queues can do, whatever the device type
 */
#define KVLANE_QUEUE_FEATURES                                             \
	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_RESET) |     \
	 BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_IN_ORDER) |     \
	 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX))

/**
 * define KVLANE_BATCH - chains taken from a ring at once
 *
 * Enough to spread the costs of publishing, of SRCU and of the block plug,
 * little enough to keep completions flowing and to stay in the first-level
 * cache.
 */
#define KVLANE_BATCH 32

/**
 * struct kvlane_queue - a virtqueue, its registers and its lane
 * @dev: the device
 * @index: number of the queue
 * @desc: queue_desc register; registers are under kvlane_device.lock
 * @driver: queue_driver register
 * @device: queue_device register
 * @size: queue_size register
 * @vector: queue_msix_vector register; read by the lane
 * @enabled: queue_enable register
 * @base: where the next chain to take is, if @based; as kvlane_vring_config.avail_idx
 * @space: which of kvlane_vm.memory it is in; read by the lane
 * @based: the driver's ring was in use by another device before
 * @stopping: somebody waits for the lane to let go of the queue
 * @quiescing: somebody waits for the lane to finish what it has begun; it begins
 *	nothing meanwhile
 * @quiet: the lane has found it so since, and that there was nothing to finish or to
 *	show any more
 * @kick: eventfd for notifications, under kvlane_device.lock
 * @watch: looks for requests that do not come back
 * @requests: all requests, linked by their @sibling
 * @lane: the thread that owns what follows
 * @kernel: the driver is the host's kernel, and so is the memory
 * @running: the driver may use the ring
 * @serve: moves what can be moved between the ring and the back end, instead of
 *	requests; set by kvlane_device_ops.start. Called under the VM's SRCU. Returns
 *	1 if there is more to do, 0 if the lane may sleep, -EPROTO if the ring is
 *	broken.
 * @generation: memory map the ring was last looked up in, 0 for none
 * @dirty: the log of this round of the lane, or NULL
 * @vring: the ring
 * @free: requests not in use, last in first out so that they stay in the cache;
 *	as many as the ring can have descriptors, but for @inflight
 * @finished: requests finished by the lane itself, not yet in the used ring
 * @again: requests to be handled again in the next run of the lane
 * @hold: requests that wait for the device's throttle
 * @coalesce: interrupts held back
 * @poll_us: how long the lane may look before it sleeps, or KVLANE_POLL_DEFAULT
 * @done: requests finished by a back end, from any context
 * @asked: requests whose back end tells nobody that they are done
 * @poll: whether to look for more before the lane sleeps
 * @unshown: requests pushed to the ring since it was last published
 * @pushed_ns: when the first of those was that the driver is to be interrupted for,
 *	0 if there is none
 * @inflight: requests taken from @free
 * @latency_ns: of the request that ended last
 * @latency_bucket: where that is in the histogram
 * @stats: counters
 */
struct kvlane_queue {
	struct kvlane_device *dev;
	u32 index;

	u64 desc;
	u64 driver;
	u64 device;
	u16 size;
	u16 vector;
	u16 base;
	u8 space;
	bool enabled;
	bool based;
	bool stopping;
	bool quiescing;
	bool quiet;
	struct kvlane_kick kick;
	struct kvlane_watch watch;
	struct kvlane_request *requests;

	struct kvlane_lane lane;
	bool kernel;
	bool running;
	int (*serve)(struct kvlane_queue *q, const struct kvlane_memtable *table);
	u64 generation;
	const struct kvlane_dirty *dirty;
	struct kvlane_vring vring;
	struct kvlane_request *free;
	struct kvlane_requests finished;
	struct kvlane_requests again;
	struct kvlane_hold hold;
	struct kvlane_coalesce coalesce;
	u32 poll_us;
	struct llist_head done;
	struct list_head asked;
	struct kvlane_poll poll;
	u32 unshown;
	u64 pushed_ns;
	u32 inflight;
	u64 latency_ns;
	unsigned int latency_bucket;
	struct kvlane_queue_stats stats;
};

int kvlane_queue_create(struct kvlane_queue *q, struct kvlane_device *dev,
			u32 index);
int kvlane_queue_hire(struct kvlane_queue *q, bool kernel);
void kvlane_queue_release(struct kvlane_queue *q);
void kvlane_queue_destroy(struct kvlane_queue *q);
void kvlane_queue_reset(struct kvlane_queue *q);
void kvlane_queue_start(struct kvlane_queue *q);
void kvlane_queue_stop(struct kvlane_queue *q);
int kvlane_queue_quiesce(struct kvlane_queue *q);
void kvlane_queue_kick(struct kvlane_queue *q);
void kvlane_queue_throttle(struct kvlane_queue *q, struct kvlane_throttle *throttle);

void kvlane_request_finish(struct kvlane_request *req);
void kvlane_request_done(struct kvlane_request *req);
void kvlane_request_again(struct kvlane_request *req);
void kvlane_request_later(struct kvlane_request *req);
void kvlane_request_malformed(struct kvlane_request *req,
			      enum kvlane_reason reason);

/**
 * kvlane_queue_iter - an iterator over buffers of a queue
 * @q: the queue
 * @iter: the iterator
 * @dir: ITER_SOURCE or ITER_DEST
 * @iov: the buffers, out of the memory map
 * @nr: elements of @iov
 * @len: bytes
 */
static inline void kvlane_queue_iter(const struct kvlane_queue *q, struct iov_iter *iter,
				     unsigned int dir, const struct iovec *iov,
				     unsigned long nr, size_t len)
{
	/* Both say base and length, of the user's memory or the kernel's. */
	BUILD_BUG_ON(sizeof(struct kvec) != sizeof(struct iovec));
	if (q->kernel)
		iov_iter_kvec(iter, dir, (const struct kvec *)iov, nr, len);
	else
		iov_iter_init(iter, dir, iov, nr, len);
}

/**
 * kvlane_latency_bucket - where in a histogram a time belongs
 * @ns: the time
 */
static inline unsigned int kvlane_latency_bucket(u64 ns)
{
	u64 us = div_u64(ns, NSEC_PER_USEC);

	return us ? min(ilog2(us), KVLANE_HIST_BUCKETS - 1) : 0;
}

/* queue_run.c */
void kvlane_queue_run(void *data, unsigned long work);
void kvlane_queue_discard(struct kvlane_queue *q);
bool kvlane_queue_usable(const struct kvlane_queue *q);

/* remap.c */
bool kvlane_queue_remaps(const struct kvlane_queue *q);
bool kvlane_request_mapped(struct kvlane_request *req);

/* ask.c */
void kvlane_request_ask(struct kvlane_request *req);
void kvlane_ask(struct kvlane_queue *q);
void kvlane_ask_to_the_end(void *data);

#endif
