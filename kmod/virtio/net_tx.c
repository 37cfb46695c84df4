// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets from the guest: from the driver's buffers to the descriptor.
 *
 * A packet is copied once, into memory that becomes the packet's own: a small one
 * into a piece of a page, to be handed over together with others; a large one
 * into as many pages as it takes, which the network below keeps. Or only its
 * headers are copied, and the network gets the guest's pages for the rest, until
 * the packet is gone. Either way the header and what it speaks of are private
 * copies, checked before anybody else sees them.
 *
 * A descriptor may have a limit on what it keeps (a packet socket always has). What it
 * refuses for that is kept, and with it all that comes after, until there is room
 * again: packets are neither dropped for it nor out of order, and a guest that sends
 * faster than the network below is slowed down by its ring being full.
 *
 * Sending without a copy pays only where the packet leaves the machine; a
 * packet that is delivered on it is copied in the end, and doing so later costs
 * more. Hence it is given up for a while, each time for longer, when packets come
 * back copied. Nor may a queue somewhere below that does not move keep the
 * driver's ring: at most a quarter of it is lent out, and nothing while those that
 * are out do not come back.
 */
#include <linux/if_tun.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "net.h"

/* What a packet built from a copy has in front, as the network likes it. */
#define KVLANE_NET_PAD (NET_SKB_PAD + NET_IP_ALIGN)

/* How long nothing may come back before packets are copied. */
#define KVLANE_NET_ZC_LATE (20 * NSEC_PER_MSEC)

/*
 * Packets copied after one that was copied after all: from, to. One try in so many
 * costs next to nothing, and a stream that leaves the machine soon has its turn.
 */
#define KVLANE_NET_ZC_PAUSE_MIN 64
#define KVLANE_NET_ZC_PAUSE_MAX 512

/**
 * struct kvlane_net_copy - room for a packet to be copied to
 * @buf: the memory, the beginning kept for struct tun_xdp_hdr
 * @size: bytes of it
 * @pad: where the packet begins
 */
struct kvlane_net_copy {
	u8 *buf;
	u32 size;
	u32 pad;
};

static u32 kvlane_net_copy_pad(const struct kvlane_net_port *port)
{
	u32 pad = KVLANE_NET_PAD + KVLANE_NET_HEADER;

	if (sock_flag(port->end.sock->sk, SOCK_XDP))
		pad += XDP_PACKET_HEADROOM;
	return SKB_DATA_ALIGN(pad);
}

static u32 kvlane_net_copy_size(u32 pad, u32 len)
{
	return SKB_DATA_ALIGN(pad + len) +
	       SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
}

static bool kvlane_net_copy_alloc(struct kvlane_net_port *port,
				  struct kvlane_net_copy *copy, u32 len)
{
	copy->pad = kvlane_net_copy_pad(port);
	copy->size = kvlane_net_copy_size(copy->pad, len);
	copy->buf = page_frag_alloc_align(&port->tx.frags, copy->size, GFP_KERNEL,
					  SMP_CACHE_BYTES);
	return copy->buf;
}

/* The end of a request. */
static void kvlane_net_tx_drop(struct kvlane_request *req)
{
	kvlane_net_drop(req->q, 1);
	kvlane_request_finish(req);
}

/* The data is in memory that the owner has taken away. */
static void kvlane_net_tx_fault(struct kvlane_request *req)
{
	kvlane_device_backend_error(req->q->dev, req->q->index, -EFAULT);
	kvlane_net_tx_drop(req);
}

/**
 * kvlane_net_tx_full - has the descriptor of a pair no room for packets?
 * @port: the pair; context of its send lane
 */
bool kvlane_net_tx_full(const struct kvlane_net_port *port)
{
	struct socket *sock = port->end.sock;

	if (!port->tx.full || sock_writeable(sock->sk))
		return false;
	/* Taps tell of room only if asked. */
	set_bit(SOCKWQ_ASYNC_NOSPACE, &sock->flags);
	/* Before the last look; pairs with the test of the bit by who frees packets. */
	smp_mb__after_atomic();
	return !sock_writeable(sock->sk);
}

/* The packet, and what comes after it, waits until there is room. */
static void kvlane_net_tx_wait(struct kvlane_request *req)
{
	struct kvlane_queue *q = req->q;
	struct kvlane_net_port *port = kvlane_net_port_of(q);

	kvlane_request_later(req);
	if (!port->tx.full)
		q->stats.starved++;
	/* Before the question; pairs with kvlane_net_tx_room(). */
	smp_store_mb(port->tx.full, true);
	if (!kvlane_net_tx_full(port))
		kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
}

/**
 * kvlane_net_tx_room - there may be room for packets
 * @port: a pair; any context, while its descriptor is tied
 */
void kvlane_net_tx_room(struct kvlane_net_port *port)
{
	/* The room before the question; pairs with kvlane_net_tx_wait(). */
	smp_mb();
	if (READ_ONCE(port->tx.full))
		kvlane_lane_wake(&port->queue[1].lane, KVLANE_WORK_MORE);
}

/* What becomes of a packet that was not sent. */
static void kvlane_net_tx_refused(struct kvlane_request *req, int err)
{
	if (err == -EAGAIN)
		kvlane_net_tx_wait(req);
	else if (err == -EFAULT)
		kvlane_net_tx_fault(req);
	else
		kvlane_net_tx_drop(req);
}

/* Copy the header, which the driver has to have in memory. */
static bool kvlane_net_tx_header(struct kvlane_request *req, struct iov_iter *from,
				 struct virtio_net_hdr_v1 *hdr)
{
	if (copy_from_iter_full(hdr, sizeof(*hdr), from))
		return true;
	kvlane_request_malformed(req, KVLANE_REASON_FAULT);
	return false;
}

/* One packet, in one call. */
static int kvlane_net_tx_send(struct kvlane_queue *q, struct msghdr *msg)
{
	struct kvlane_net_port *port = kvlane_net_port_of(q);
	struct socket *sock = port->end.sock;
	int ret;

	msg->msg_flags = MSG_DONTWAIT;
	ret = sock->ops->sendmsg(sock, msg, iov_iter_count(&msg->msg_iter));
	if (ret == -EBADFD)
		kvlane_net_lost(port->net, q->index);
	return ret;
}

/**
 * kvlane_net_tx_flush - hand over what was copied
 * @q: a send queue
 */
void kvlane_net_tx_flush(struct kvlane_queue *q)
{
	struct kvlane_net_port *port = kvlane_net_port_of(q);
	struct kvlane_net_tx *tx = &port->tx;
	struct tun_msg_ctl ctl = {
		.type = TUN_MSG_PTR,
		.num = tx->nr_xdp,
		.ptr = tx->xdp,
	};
	struct msghdr msg = {
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
	};
	u32 i;

	if (!tx->nr_xdp)
		return;
	if (kvlane_net_tx_send(q, &msg) < 0) {
		for (i = 0; i < tx->nr_xdp; i++)
			page_frag_free(tx->xdp[i].data);
		kvlane_net_drop(q, tx->nr_xdp);
	} else if (tx->nr_xdp > 1) {
		q->stats.batches++;
	}
	tx->nr_xdp = 0;
}

/* Put a copied packet to those that are handed over together. */
static void kvlane_net_tx_batch(struct kvlane_net_tx *tx,
				const struct kvlane_net_copy *copy,
				const struct virtio_net_hdr_v1 *hdr, u32 len)
{
	struct xdp_buff *xdp = &tx->xdp[tx->nr_xdp++];
	struct tun_xdp_hdr *to = (struct tun_xdp_hdr *)copy->buf;

	memcpy(&to->gso, hdr, sizeof(to->gso));
	to->buflen = copy->size;
	xdp_init_buff(xdp, copy->size, NULL);
	xdp_prepare_buff(xdp, copy->buf, copy->pad, len, true);
}

/* The same where the descriptor wants them one by one. */
static int kvlane_net_tx_single(struct kvlane_queue *q,
				const struct kvlane_net_copy *copy,
				const struct virtio_net_hdr_v1 *hdr, u32 len)
{
	u32 header_len = kvlane_net_of(q)->header_len;
	struct kvec kvec = {
		.iov_base = copy->buf + copy->pad - header_len,
		.iov_len = header_len + len,
	};
	struct msghdr msg = {};
	int ret;

	memcpy(kvec.iov_base, hdr, header_len);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &kvec, 1, kvec.iov_len);
	ret = kvlane_net_tx_send(q, &msg);
	page_frag_free(copy->buf);
	return ret < 0 ? ret : 0;
}

/* A tap without a limit on what it may keep takes many packets at once. */
static bool kvlane_net_tx_batches(const struct kvlane_net_port *port)
{
	return port->end.ring && port->end.sock->sk->sk_sndbuf == INT_MAX;
}

/* Copy header and packet in one go, and check them. */
static bool kvlane_net_tx_copy(struct kvlane_request *req, struct iov_iter *from,
			       struct virtio_net_hdr_v1 *hdr,
			       const struct kvlane_net_copy *copy)
{
	struct iov_iter begin = *from;
	u32 len = iov_iter_count(from) - sizeof(*hdr);
	u8 *packet = copy->buf + copy->pad;

	if (!copy_from_iter_full(packet - sizeof(*hdr), sizeof(*hdr) + len, from)) {
		if (kvlane_net_tx_header(req, &begin, hdr))
			kvlane_net_tx_fault(req);
		return false;
	}
	memcpy(hdr, packet - sizeof(*hdr), sizeof(*hdr));
	if (!kvlane_net_header_check(hdr, req->q->dev->accepted, packet, len, len)) {
		kvlane_net_tx_drop(req);
		return false;
	}
	return true;
}

static void kvlane_net_tx_small(struct kvlane_request *req, struct iov_iter *from)
{
	struct kvlane_queue *q = req->q;
	struct kvlane_net_port *port = kvlane_net_port_of(q);
	struct virtio_net_hdr_v1 hdr;
	u32 len = iov_iter_count(from) - sizeof(hdr);
	struct kvlane_net_copy copy;
	int err;

	if (!kvlane_net_copy_alloc(port, &copy, len)) {
		kvlane_net_tx_drop(req);
		return;
	}
	if (!kvlane_net_tx_copy(req, from, &hdr, &copy)) {
		page_frag_free(copy.buf);
		return;
	}
	if (kvlane_net_tx_batches(port)) {
		/* What a throttle lets go at once may be more than a batch. */
		if (port->tx.nr_xdp == ARRAY_SIZE(port->tx.xdp))
			kvlane_net_tx_flush(q);
		/* The driver may have its buffers back; it is told after the hand-over. */
		kvlane_request_finish(req);
		kvlane_net_tx_batch(&port->tx, &copy, &hdr, len);
		return;
	}
	err = kvlane_net_tx_single(q, &copy, &hdr, len);
	if (err)
		kvlane_net_tx_refused(req, err);
	else
		kvlane_request_finish(req);
}

static void kvlane_net_tx_put_pages(struct kvlane_net_tx *tx)
{
	while (tx->nr_bvec)
		put_page(tx->bvec[--tx->nr_bvec].bv_page);
}

static void kvlane_net_tx_add_page(struct kvlane_net_tx *tx, struct page *page,
				   u32 offset, u32 len)
{
	bvec_set_page(&tx->bvec[tx->nr_bvec++], page, len, offset);
}

/* Take hold of the pages of what is left of a packet. */
static int kvlane_net_tx_get_pages(struct kvlane_net_tx *tx, struct iov_iter *from)
{
	struct page *pages[16];
	u32 i, room, n;
	size_t offset;
	ssize_t len;

	while (iov_iter_count(from)) {
		room = min_t(u32, ARRAY_SIZE(pages), KVLANE_NET_BVECS - tx->nr_bvec);
		if (!room)
			return -EMSGSIZE;
		len = iov_iter_get_pages2(from, pages, KVLANE_NET_PACKET, room,
					  &offset);
		if (len <= 0)
			return -EFAULT;
		for (i = 0; len; i++, offset = 0) {
			n = min_t(size_t, len, PAGE_SIZE - offset);
			kvlane_net_tx_add_page(tx, pages[i], offset, n);
			len -= n;
		}
	}
	return 0;
}

/* Copy what is left of a packet to pages of its own. */
static int kvlane_net_tx_copy_pages(struct kvlane_net_tx *tx, struct iov_iter *from)
{
	struct page_frag *pages = &tx->pages;
	u32 len;

	while (iov_iter_count(from)) {
		if (!skb_page_frag_refill(1, pages, GFP_KERNEL))
			return -ENOMEM;
		len = min_t(size_t, iov_iter_count(from), pages->size - pages->offset);
		if (copy_page_from_iter(pages->page, pages->offset, len, from) != len)
			return -EFAULT;
		get_page(pages->page);
		kvlane_net_tx_add_page(tx, pages->page, pages->offset, len);
		pages->offset += len;
	}
	return 0;
}

/*
 * The first piece of a large packet: the checked header and the first bytes of the
 * packet, copied.
 */
static int kvlane_net_tx_pull(struct kvlane_request *req, struct iov_iter *from,
			      struct virtio_net_hdr_v1 *hdr)
{
	struct kvlane_net_port *port = kvlane_net_port_of(req->q);
	u32 header_len = port->net->header_len;
	struct kvlane_net_tx *tx = &port->tx;
	u32 len = iov_iter_count(from);
	u32 pull = min_t(u32, len, KVLANE_NET_PULL);
	u8 *buf;

	buf = page_frag_alloc(&tx->frags, header_len + pull, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	kvlane_net_tx_add_page(tx, virt_to_page(buf), offset_in_page(buf),
			       header_len + pull);
	if (!copy_from_iter_full(buf + header_len, pull, from))
		return -EFAULT;
	if (!kvlane_net_header_check(hdr, req->q->dev->accepted, buf + header_len,
				     pull, len))
		return -EINVAL;
	/* What is copied is what the packet is going to have in one piece. */
	hdr->hdr_len = __cpu_to_virtio16(true, pull);
	memcpy(buf, hdr, header_len);
	return 0;
}

/* Does what is not copied of a packet fit into one as pages? */
static bool kvlane_net_tx_few_pages(struct iov_iter from)
{
	iov_iter_advance(&from, min_t(size_t, iov_iter_count(&from), KVLANE_NET_PULL));
	return iov_iter_npages(&from, INT_MAX) <= MAX_SKB_FRAGS;
}

/* Is this a good time to lend the guest's pages to the network? */
static bool kvlane_net_tx_may_lend(struct kvlane_request *req,
				   const struct iov_iter *from)
{
	struct kvlane_net_port *port = kvlane_net_port_of(req->q);
	struct kvlane_net_tx *tx = &port->tx;
	u32 lent = kvlane_net_zc_lent(tx->zc);

	/* A macvtap whose device has gone drops packets, and never says so of their pages. */
	if (port->end.kind == KVLANE_NET_TAP ||
	    iov_iter_count(from) < port->net->zerocopy_min)
		return false;
	if (!lent)
		tx->zc_since = req->start_ns;
	else if (lent >= req->q->vring.size / 4 ||
		 (s64)(req->start_ns - tx->zc_since) > (s64)KVLANE_NET_ZC_LATE)
		return false;
	if (!kvlane_net_tx_few_pages(*from))
		return false;
	if (tx->zc_pause) {
		tx->zc_pause--;
		return false;
	}
	return true;
}

/* The pieces of a large packet, the pages being the guest's or not. */
static int kvlane_net_tx_pieces(struct kvlane_request *req, struct iov_iter *from,
				struct virtio_net_hdr_v1 *hdr, bool lend)
{
	struct kvlane_net_tx *tx = &kvlane_net_port_of(req->q)->tx;
	int err;

	tx->nr_bvec = 0;
	err = kvlane_net_tx_pull(req, from, hdr);
	if (err)
		return err;
	if (lend)
		return kvlane_net_tx_get_pages(tx, from);
	return kvlane_net_tx_copy_pages(tx, from);
}

/*
 * What a network device that would take the pages of a packet without a copy is
 * told of pages that are the packet's own: to take them, and nothing more.
 */
static void kvlane_net_tx_kept(struct sk_buff *skb, struct ubuf_info *ubuf,
			       bool success)
{
}

static struct ubuf_info kvlane_net_tx_own = {
	KVLANE_UBUF_COMPLETE(kvlane_net_tx_kept),
};

/* Send the pieces, and let go of them. */
static int kvlane_net_tx_send_pieces(struct kvlane_request *req, u32 len,
				     struct ubuf_info *ubuf)
{
	struct kvlane_net_tx *tx = &kvlane_net_port_of(req->q)->tx;
	struct tun_msg_ctl ctl = { .type = TUN_MSG_UBUF, .ptr = ubuf };
	struct msghdr msg = {};
	int err;

	if (ubuf) {
		msg.msg_control = &ctl;
		msg.msg_controllen = sizeof(ctl);
	}
	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, tx->bvec, tx->nr_bvec, len);
	err = kvlane_net_tx_send(req->q, &msg);
	kvlane_net_tx_put_pages(tx);
	return err < 0 ? err : 0;
}

/* There is a buffer: fewer are lent out than there are. */
static void kvlane_net_tx_lend(struct kvlane_request *req, u32 len)
{
	struct kvlane_net_tx *tx = &kvlane_net_port_of(req->q)->tx;
	struct kvlane_net_zc_buf *buf = kvlane_net_zc_get(tx->zc, req);
	int err;

	kvlane_net_request(req)->buf = buf;
	err = kvlane_net_tx_send_pieces(req, len, kvlane_net_zc_ubuf(buf));
	if (err && kvlane_net_zc_cancel(buf)) {
		kvlane_net_request(req)->buf = NULL;
		kvlane_net_tx_refused(req, err);
	}
}

static void kvlane_net_tx_large(struct kvlane_request *req, struct iov_iter *from,
				struct virtio_net_hdr_v1 *hdr, bool keeps)
{
	struct kvlane_net_port *port = kvlane_net_port_of(req->q);
	u32 len = port->net->header_len + iov_iter_count(from);
	struct ubuf_info *own = keeps ? &kvlane_net_tx_own : NULL;
	bool lend = keeps && kvlane_net_tx_may_lend(req, from);
	int err = kvlane_net_tx_pieces(req, from, hdr, lend);

	if (lend && !err) {
		kvlane_net_tx_lend(req, len);
		return;
	}
	if (err)
		kvlane_net_tx_put_pages(&port->tx);
	else
		err = kvlane_net_tx_send_pieces(req, len, own);

	if (err)
		kvlane_net_tx_refused(req, err);
	else
		kvlane_request_finish(req);
}

/* Does the network take pages it is given, instead of copying from them? */
static bool kvlane_net_tx_keeps(const struct kvlane_net_port *port)
{
	return port->net->header_len && port->end.ring && !port->queue->kernel &&
	       sock_flag(port->end.sock->sk, SOCK_ZEROCOPY);
}

/* A packet that is to be copied, and fits into one piece of a page. */
static bool kvlane_net_tx_is_small(const struct kvlane_net_port *port, u32 len,
				   bool keeps)
{
	if (keeps && len >= port->net->zerocopy_min)
		return false;
	return kvlane_net_copy_size(kvlane_net_copy_pad(port), len) <= PAGE_SIZE;
}

/* Virtio 1.2, section 5.1.6.2. */
static bool kvlane_net_tx_begin(struct kvlane_request *req, struct iov_iter *from)
{
	struct kvlane_net_port *port = kvlane_net_port_of(req->q);
	const struct kvlane_chain *chain = &req->chain;

	if (chain->in_num) {
		kvlane_request_malformed(req, KVLANE_REASON_DIRECTION);
		return false;
	}
	if (chain->out_len < KVLANE_NET_HEADER + ETH_HLEN ||
	    chain->out_len > KVLANE_NET_HEADER + KVLANE_NET_PACKET ||
	    !READ_ONCE(port->net->running) ||
	    port->index >= READ_ONCE(port->net->pairs)) {
		kvlane_net_tx_drop(req);
		return false;
	}
	kvlane_queue_iter(req->q, from, ITER_SOURCE, req->iov, chain->out_num,
			  chain->out_len);
	return true;
}

/**
 * kvlane_net_tx_handle - send a packet
 * @q: a send queue
 * @req: the packet
 */
void kvlane_net_tx_handle(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_net_port *port = kvlane_net_port_of(q);
	struct virtio_net_hdr_v1 hdr;
	struct iov_iter from;
	bool keeps;

	kvlane_net_request(req)->buf = NULL;
	if (!kvlane_net_tx_begin(req, &from))
		return;
	/* Behind those that wait already; as long as any does, @full stays set. */
	if (q->again.head || kvlane_net_tx_full(port)) {
		kvlane_request_later(req);
		return;
	}
	port->tx.full = false;
	keeps = kvlane_net_tx_keeps(port);
	if (kvlane_net_tx_is_small(port, iov_iter_count(&from) - sizeof(hdr), keeps)) {
		kvlane_net_tx_small(req, &from);
		return;
	}
	/* Packets stay in order. */
	kvlane_net_tx_flush(q);
	if (kvlane_net_tx_header(req, &from, &hdr))
		kvlane_net_tx_large(req, &from, &hdr, keeps);
}

/* Learn from what became of a packet that was to be sent without a copy. */
static void kvlane_net_tx_learn(struct kvlane_net_tx *tx, bool copied)
{
	if (!copied) {
		tx->zc_backoff /= 2;
		return;
	}
	tx->zc_backoff = clamp(tx->zc_backoff * 2, KVLANE_NET_ZC_PAUSE_MIN,
			       KVLANE_NET_ZC_PAUSE_MAX);
	tx->zc_pause = tx->zc_backoff;
}

/**
 * kvlane_net_tx_finish - a packet has gone
 * @q: a send queue
 * @req: the packet
 */
void kvlane_net_tx_finish(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_net_request *r = kvlane_net_request(req);
	struct kvlane_net_tx *tx = &kvlane_net_port_of(q)->tx;

	if (!r->buf)
		return;
	r->buf = NULL;
	tx->zc_since = ktime_get_ns();
	kvlane_net_tx_learn(tx, r->copied);
	if (r->copied) {
		q->stats.zerocopy_copied++;
		return;
	}
	q->stats.zerocopy++;
	q->stats.zerocopy_bytes += req->chain.out_len - KVLANE_NET_HEADER;
}

/**
 * kvlane_net_tx_stop - take back what was lent to the network
 * @q: a send queue; as kvlane_device_ops.stop
 */
void kvlane_net_tx_stop(struct kvlane_queue *q)
{
	struct kvlane_net_tx *tx = &kvlane_net_port_of(q)->tx;

	kvlane_net_zc_detach(tx->zc);
	tx->full = false;
	tx->zc_pause = 0;
	tx->zc_backoff = 0;
}
