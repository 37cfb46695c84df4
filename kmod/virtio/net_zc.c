// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets sent from guest memory without a copy.
 *
 * The network below holds references on the guest's pages, and tells through a
 * ubuf_info when it needs them no more; only then may the driver have its
 * buffers back. That can take for ever: a packet may sit in a queue that is not
 * served any more. So a request that was lent out can be called back
 * (kvlane_net_zc_detach()): whoever exchanges kvlane_net_zc_buf.req for NULL has
 * the request, the lane that stops or the completion. The pages stay with the
 * packet, which needs nothing else of the guest, and the buffer for the
 * ubuf_info with them, until the packet dies.
 *
 * Completions count references, so a packet may be cloned and cut on its way, and
 * still not be copied (SKBFL_DONT_ORPHAN). Where it is delivered on this machine,
 * it is.
 *
 * Buffers are few and allocated with the device, which bounds how much memory of
 * a guest can be held so. They outlive the device if they have to, and the
 * module's code with them: who destroys the pool takes a reference on the module
 * for those still lent out.
 */
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "net.h"

/**
 * struct kvlane_net_zc_buf - what the network below knows of a packet
 * @ubuf: known to the network
 * @zc: the pool
 * @req: the request, until somebody takes it
 * @copied: the network had to copy it after all
 * @node: place in kvlane_net_zc.done
 * @next: next in kvlane_net_zc.free
 */
struct kvlane_net_zc_buf {
	struct ubuf_info ubuf;
	struct kvlane_net_zc *zc;
	struct kvlane_request *req;
	bool copied;
	struct llist_node node;
	struct kvlane_net_zc_buf *next;
};

/**
 * struct kvlane_net_zc - a pool of those
 * @refs: one for the queue, one for each buffer lent out
 * @rcu: to free it with
 * @nr: elements of @bufs
 * @done: buffers that came back, from any context
 * @free: buffers to be had, the lane's own
 * @bufs: the buffers
 */
struct kvlane_net_zc {
	refcount_t refs;
	struct rcu_head rcu;
	u32 nr;
	struct llist_head done;
	struct kvlane_net_zc_buf *free;
	struct kvlane_net_zc_buf bufs[] __counted_by(nr);
};

/*
 * The last packet of a queue that is no more. The module is unloaded only after
 * this has returned: kvlane_exit() waits for RCU callbacks.
 */
static void kvlane_net_zc_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct kvlane_net_zc, rcu));
	module_put(THIS_MODULE);
}

static void kvlane_net_zc_put(struct kvlane_net_zc *zc)
{
	if (refcount_dec_and_test(&zc->refs))
		call_rcu(&zc->rcu, kvlane_net_zc_free);
}

static void kvlane_net_zc_complete(struct sk_buff *skb, struct ubuf_info *ubuf,
				   bool success)
{
	struct kvlane_net_zc_buf *buf = container_of(ubuf, struct kvlane_net_zc_buf,
						     ubuf);
	struct kvlane_net_zc *zc = buf->zc;
	struct kvlane_request *req;

	/* A packet that was copied may live on in clones that were not. */
	if (!success)
		WRITE_ONCE(buf->copied, true);
	if (!refcount_dec_and_test(&ubuf->refcnt))
		return;

	rcu_read_lock();
	req = xchg(&buf->req, NULL);
	if (req) {
		kvlane_net_request(req)->copied = READ_ONCE(buf->copied);
		kvlane_request_done(req);
	}
	llist_add(&buf->node, &zc->done);
	kvlane_net_zc_put(zc);
	rcu_read_unlock();
}

static const struct ubuf_info kvlane_net_zc_fresh = {
	KVLANE_UBUF_COMPLETE(kvlane_net_zc_complete),
	.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN,
};

/**
 * kvlane_net_zc_create - a pool for one queue
 * @nr: most packets in flight without a copy
 *
 * Return: the pool, or NULL without memory.
 */
struct kvlane_net_zc *kvlane_net_zc_create(u32 nr)
{
	struct kvlane_net_zc *zc;
	u32 i;

	zc = kzalloc(struct_size(zc, bufs, nr), GFP_KERNEL_ACCOUNT);
	if (!zc)
		return NULL;
	refcount_set(&zc->refs, 1);
	zc->nr = nr;
	init_llist_head(&zc->done);
	for (i = 0; i < nr; i++) {
		zc->bufs[i].zc = zc;
		zc->bufs[i].ubuf = kvlane_net_zc_fresh;
		zc->bufs[i].next = zc->free;
		zc->free = &zc->bufs[i];
	}
	return zc;
}

/**
 * kvlane_net_zc_destroy - the queue is no more
 * @zc: its pool, all requests taken back
 */
void kvlane_net_zc_destroy(struct kvlane_net_zc *zc)
{
	if (refcount_read(&zc->refs) == 1) {
		/* Whoever gave the last buffer back may still be about to leave. */
		kfree_rcu(zc, rcu);
		return;
	}
	__module_get(THIS_MODULE);
	kvlane_net_zc_put(zc);
}

/**
 * kvlane_net_zc_lent - count the packets in flight without a copy
 * @zc: the pool
 *
 * Return: their number.
 */
u32 kvlane_net_zc_lent(const struct kvlane_net_zc *zc)
{
	return refcount_read(&zc->refs) - 1;
}

/* Those that came back can be had again. */
static void kvlane_net_zc_reclaim(struct kvlane_net_zc *zc)
{
	struct llist_node *done = llist_del_all(&zc->done), *node, *next;
	struct kvlane_net_zc_buf *buf;

	llist_for_each_safe(node, next, done) {
		buf = llist_entry(node, struct kvlane_net_zc_buf, node);
		buf->next = zc->free;
		zc->free = buf;
	}
}

/**
 * kvlane_net_zc_get - a buffer for a packet; lane context
 * @zc: the pool
 * @req: the request to be finished when the packet is not needed any more
 *
 * Return: the buffer, or NULL if all are lent out.
 */
struct kvlane_net_zc_buf *kvlane_net_zc_get(struct kvlane_net_zc *zc,
					    struct kvlane_request *req)
{
	struct kvlane_net_zc_buf *buf;

	if (!zc->free)
		kvlane_net_zc_reclaim(zc);
	buf = zc->free;
	if (!buf)
		return NULL;
	zc->free = buf->next;
	buf->copied = false;
	refcount_set(&buf->ubuf.refcnt, 1);
	refcount_inc(&zc->refs);
	WRITE_ONCE(buf->req, req);
	return buf;
}

/**
 * kvlane_net_zc_ubuf - what the network wants to know
 * @buf: the buffer
 *
 * Return: the structure to go with the packet.
 */
struct ubuf_info *kvlane_net_zc_ubuf(struct kvlane_net_zc_buf *buf)
{
	return &buf->ubuf;
}

/**
 * kvlane_net_zc_cancel - the network did not take the packet; lane context
 * @buf: its buffer
 *
 * Return: true if the request is the caller's again; false if the network said
 * that it has done with it, nevertheless.
 */
bool kvlane_net_zc_cancel(struct kvlane_net_zc_buf *buf)
{
	struct kvlane_net_zc *zc = buf->zc;

	if (!xchg(&buf->req, NULL))
		return false;
	buf->next = zc->free;
	zc->free = buf;
	kvlane_net_zc_put(zc);
	return true;
}

/**
 * kvlane_net_zc_detach - take all requests back; as kvlane_device_ops.stop
 * @zc: the pool
 *
 * They are finished; the packets keep the pages.
 */
void kvlane_net_zc_detach(struct kvlane_net_zc *zc)
{
	struct kvlane_request *req;
	u32 i;

	for (i = 0; i < zc->nr; i++) {
		req = xchg(&zc->bufs[i].req, NULL);
		if (req)
			kvlane_request_finish(req);
	}
}
