// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets for the guest: from the descriptor into the driver's buffers.
 *
 * The lane takes packets from the descriptor's ring many at a time, and looks at
 * each before it takes buffers for it, as many as the packet needs. A packet that
 * finds too few gives them back and waits, and the network below drops what does
 * not fit behind it. It does not wait for ever: a packet that does not fit into
 * all the buffers a driver has would keep out those that do. Meanwhile (@starved)
 * other packets do not wake the lane, for it could do nothing for them. Nor do
 * they while one waits for the device's throttle.
 *
 * Everything here happens under the VM's SRCU, so no buffer is held that the
 * memory map does not have any more.
 */
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/ptr_ring.h>
#include <linux/skb_array.h>
#include <linux/uaccess.h>
#include <linux/virtio_byteorder.h>
#include <net/sock.h>

#include "../dirty.h"
#include "../trace.h"
#include "net.h"

/*
 * Packets in one exchange, after which the driver is shown what it got. Few
 * enough to reach it while the next ones are copied.
 */
#define KVLANE_NET_RX_ROUND 32

/* How long a packet may wait for buffers that come one by one, in ms. */
#define KVLANE_NET_PATIENCE 100

/* Virtio 1.2, section 5.1.6.4: what came of a packet. */
enum kvlane_net_fate {
	KVLANE_NET_DELIVERED,
	KVLANE_NET_DROPPED,
	KVLANE_NET_WAITS,
	KVLANE_NET_HELD,
};

static void kvlane_net_packet_free(void *ptr)
{
	if (tun_is_xdp_frame(ptr))
		xdp_return_frame(tun_ptr_to_xdp(ptr));
	else
		kfree_skb(ptr);
}

static u32 kvlane_net_packet_len(void *ptr)
{
	if (tun_is_xdp_frame(ptr))
		return tun_ptr_to_xdp(ptr)->len;
	return __skb_array_len_with_tag(ptr);
}

/* A packet as it was on the wire: with the VLAN tag that was taken off it. */
static struct sk_buff *kvlane_net_rx_whole(struct sk_buff *skb)
{
	return skb_vlan_tag_present(skb) ? __vlan_hwaccel_push_inside(skb) : skb;
}

/* From a packet socket's queue, one by one. */
static u32 kvlane_net_rx_receive(struct kvlane_net_port *port)
{
	struct kvlane_net_rx *rx = &port->rx;
	struct sk_buff *skb;
	u32 nr = 0;
	int err;

	while (nr < KVLANE_NET_BATCH) {
		skb = skb_recv_datagram(port->end.sock->sk, MSG_DONTWAIT, &err);
		if (!skb)
			break;
		skb = kvlane_net_rx_whole(skb);
		if (skb)
			rx->queue[nr++] = skb;
		else
			kvlane_net_drop(port->queue, 1);
	}
	return nr;
}

/* The oldest packet, or NULL. */
static void *kvlane_net_rx_peek(struct kvlane_net_port *port)
{
	struct kvlane_net_rx *rx = &port->rx;

	if (rx->first == rx->end) {
		rx->first = 0;
		if (port->end.ring)
			rx->end = ptr_ring_consume_batched(port->end.ring, rx->queue,
							   KVLANE_NET_BATCH);
		else
			rx->end = kvlane_net_rx_receive(port);
	}
	return rx->first < rx->end ? rx->queue[rx->first] : NULL;
}

/* Packets wake the lane again. */
static void kvlane_net_rx_fed(struct kvlane_net_rx *rx)
{
	if (!rx->starved)
		return;
	/* Before the lane looks for more; pairs with kvlane_net_wake(). */
	smp_store_mb(rx->starved, false);
}

/**
 * kvlane_net_rx_discard - drop the packets at hand
 * @port: the pair; its receive queue is stopped
 */
void kvlane_net_rx_discard(struct kvlane_net_port *port)
{
	struct kvlane_net_rx *rx = &port->rx;

	while (rx->first < rx->end)
		kvlane_net_packet_free(rx->queue[rx->first++]);
	kvlane_net_rx_fed(rx);
}

static bool kvlane_net_rx_wanted(struct kvlane_net *net, void *ptr)
{
	u8 packet[VLAN_ETH_HLEN] __aligned(2);
	const struct sk_buff *skb = ptr;
	struct xdp_frame *xdp;
	int vlan = -1;
	u32 len;

	if (tun_is_xdp_frame(ptr)) {
		xdp = tun_ptr_to_xdp(ptr);
		len = min_t(u32, xdp->len, sizeof(packet));
		memcpy(packet, xdp->data, len);
	} else {
		len = min_t(u32, skb->len, sizeof(packet));
		if (skb_copy_bits(skb, 0, packet, len))
			return false;
		if (skb_vlan_tag_present(skb))
			vlan = skb_vlan_tag_get_id(skb);
	}
	return len >= ETH_HLEN &&
	       kvlane_net_filter_passes(&net->filter, packet, len, vlan);
}

/* Which feature a segmented packet takes. */
static u64 kvlane_net_rx_gso_features(const struct sk_buff *skb)
{
	unsigned int type = skb_shinfo(skb)->gso_type;
	u64 features = 0;

	if (type & SKB_GSO_TCPV4)
		features = BIT_ULL(VIRTIO_NET_F_GUEST_TSO4);
	else if (type & SKB_GSO_TCPV6)
		features = BIT_ULL(VIRTIO_NET_F_GUEST_TSO6);
	else if (type & SKB_GSO_UDP_L4)
		features = BIT_ULL(VIRTIO_NET_F_GUEST_USO4) |
			   BIT_ULL(VIRTIO_NET_F_GUEST_USO6);
	else
		/* What no header can say. */
		return U64_MAX;
	if (type & SKB_GSO_TCP_ECN)
		features |= BIT_ULL(VIRTIO_NET_F_GUEST_ECN);
	return features;
}

/*
 * The network below was told what the driver can take. Packets that were on their
 * way meanwhile, and those of packet sockets, which cannot be told, are brought
 * into a form the driver takes, as far as that is simple.
 */
static bool kvlane_net_rx_offload(u64 guest, struct sk_buff *skb)
{
	u64 needed;

	if (skb_is_gso(skb)) {
		needed = kvlane_net_rx_gso_features(skb);
		if ((guest & needed) != needed)
			return false;
	}
	if (guest & BIT_ULL(VIRTIO_NET_F_GUEST_CSUM))
		return true;
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		return !skb_is_gso(skb) && !skb_checksum_help(skb);
	/* So that the header does not say that the checksum was looked at. */
	skb->ip_summed = CHECKSUM_NONE;
	return true;
}

static bool kvlane_net_rx_fit(struct kvlane_net *net, void *ptr)
{
	if (!READ_ONCE(net->running))
		return false;
	return tun_is_xdp_frame(ptr) ||
	       kvlane_net_rx_offload(READ_ONCE(net->guest), ptr);
}

/* Give the buffers back to the ring. */
static void kvlane_net_rx_unpop(struct kvlane_queue *q, struct kvlane_net_rx *rx)
{
	while (rx->nr_heads)
		kvlane_vring_unpop(&q->vring, rx->heads[--rx->nr_heads].head);
}

static int kvlane_net_rx_add(struct kvlane_queue *q, struct kvlane_net_rx *rx,
			     const struct kvlane_chain *chain)
{
	if (chain->out_num || !chain->in_len)
		return kvlane_vring_break(&q->vring, chain->out_num ?
						     KVLANE_REASON_DIRECTION :
						     KVLANE_REASON_SHORT);
	rx->heads[rx->nr_heads++] = (struct kvlane_net_head){
		.head = chain->head,
		.len = chain->in_len,
	};
	rx->nr_iov += chain->in_num;
	return chain->in_len;
}

/*
 * Take buffers for @need bytes. Returns 1 for enough, 0 if the driver has too few
 * for now, -EMSGSIZE if it does not take packets that long, -EPROTO.
 */
static int kvlane_net_rx_collect(struct kvlane_queue *q,
				 const struct kvlane_memtable *table,
				 struct kvlane_net_rx *rx, u32 need)
{
	u32 most = q->dev->accepted & BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) ?
			   min_t(u32, q->vring.size, KVLANE_NET_MERGE) : 1;
	struct kvlane_chain chain;
	u32 total = 0;
	int ret;

	rx->nr_heads = 0;
	rx->nr_iov = 0;
	while (total < need) {
		if (rx->nr_heads == most || rx->nr_iov > KVLANE_NET_MERGE)
			return -EMSGSIZE;
		chain.iov = rx->iov + 1 + rx->nr_iov;
		chain.max_iov = KVLANE_MAX_IOVS;
		ret = kvlane_vring_pop(&q->vring, table, &chain);
		if (ret > 0)
			ret = kvlane_net_rx_add(q, rx, &chain);
		if (ret <= 0)
			return ret;
		total += ret;
	}
	return 1;
}

static void kvlane_net_rx_aim(const struct kvlane_net_rx *rx, struct iov_iter *to,
			      const struct iovec *iov, unsigned long nr, size_t len)
{
	const struct kvlane_net_port *port = container_of(rx, struct kvlane_net_port, rx);

	kvlane_queue_iter(port->queue, to, ITER_DEST, iov, nr, len);
}

/*
 * Where the network below is to write, it puts @header_len bytes of header before
 * the packet and the guest expects KVLANE_NET_HEADER: a cut of the buffers, or a
 * later beginning. Returns false where the driver's first buffer is a crumb.
 */
static bool kvlane_net_rx_iter(struct kvlane_net_rx *rx, struct iov_iter *to,
			       u32 header_len, u32 len)
{
	struct iovec *iov = rx->iov;

	if (header_len == KVLANE_NET_HEADER || !header_len) {
		kvlane_net_rx_aim(rx, to, iov + 1, rx->nr_iov,
				   KVLANE_NET_HEADER + len);
		iov_iter_advance(to, KVLANE_NET_HEADER - header_len);
		return true;
	}
	if (iov[1].iov_len < KVLANE_NET_HEADER)
		return false;
	iov[0] = (struct iovec){ iov[1].iov_base, header_len };
	iov[1].iov_base += KVLANE_NET_HEADER;
	iov[1].iov_len -= KVLANE_NET_HEADER;
	kvlane_net_rx_aim(rx, to, iov, rx->nr_iov + 1, header_len + len);
	return true;
}

/* What the network below has not written of the header. */
static int kvlane_net_rx_put_header(struct kvlane_net_rx *rx,
				    struct virtio_net_hdr_v1 *hdr, u32 from)
{
	size_t len = sizeof(*hdr) - from;
	struct iov_iter to;

	hdr->num_buffers = __cpu_to_virtio16(true, rx->nr_heads);
	kvlane_net_rx_aim(rx, &to, rx->iov + 1, rx->nr_iov, sizeof(*hdr));
	iov_iter_advance(&to, from);
	return copy_to_iter((u8 *)hdr + from, len, &to) == len ? 0 : -EFAULT;
}

/* A tap writes its own header, and frees the packet whatever happens. */
static int kvlane_net_rx_from_ring(struct kvlane_net_port *port, void *ptr, u32 len)
{
	u32 header_len = port->net->header_len;
	struct virtio_net_hdr_v1 hdr = {};
	struct msghdr msg = { .msg_control = ptr, .msg_flags = MSG_DONTWAIT };
	struct iovec first = port->rx.iov[1];
	int ret;

	if (!kvlane_net_rx_iter(&port->rx, &msg.msg_iter, header_len, len)) {
		kvlane_net_packet_free(ptr);
		return -EMSGSIZE;
	}
	ret = port->end.sock->ops->recvmsg(port->end.sock, &msg, header_len + len,
					   MSG_DONTWAIT | MSG_TRUNC);
	if (ret >= 0 && ret != header_len + len)
		return -EIO;
	if (ret < 0)
		return ret;
	if (iov_iter_count(&msg.msg_iter))
		return -EFAULT;
	port->rx.iov[1] = first;
	return kvlane_net_rx_put_header(&port->rx, &hdr, header_len ?
					offsetof(struct virtio_net_hdr_v1, num_buffers) : 0);
}

static int kvlane_net_rx_copy(struct kvlane_net_rx *rx, struct sk_buff *skb, u32 len)
{
	struct virtio_net_hdr_v1 hdr = {};
	struct iov_iter to;

	if (virtio_net_hdr_from_skb(skb, (struct virtio_net_hdr *)&hdr, true, true, 0))
		return -EINVAL;
	kvlane_net_rx_aim(rx, &to, rx->iov + 1, rx->nr_iov, KVLANE_NET_HEADER + len);
	iov_iter_advance(&to, KVLANE_NET_HEADER);
	return skb_copy_datagram_iter(skb, 0, &to, len) ?:
	       kvlane_net_rx_put_header(rx, &hdr, 0);
}

/* A packet socket's packet is ours. */
static int kvlane_net_rx_from_socket(struct kvlane_net_port *port,
				     struct sk_buff *skb, u32 len)
{
	int err = kvlane_net_rx_copy(&port->rx, skb, len);

	consume_skb(skb);
	return err;
}

/* Count the buffers as used. @len includes the header. */
static int kvlane_net_rx_push(struct kvlane_queue *q, struct kvlane_net_rx *rx, u32 len)
{
	int err = 0;
	u32 i, n;

	q->stats.requests += rx->nr_heads;
	q->stats.bytes_out += len;
	trace_kvlane_net_receive(q, len, rx->nr_heads);
	kvlane_dirty_mark_iov(q->dirty, rx->iov + 1, rx->nr_iov);
	for (i = 0; i < rx->nr_heads && !err; i++) {
		n = min(len, rx->heads[i].len);
		len -= n;
		err = kvlane_vring_push(&q->vring, rx->heads[i].head, n);
	}
	rx->nr_heads = 0;
	return err;
}

/* The buffers are there. Returns a fate or -EPROTO. */
static int kvlane_net_rx_deliver(struct kvlane_queue *q, struct kvlane_net_port *port,
				 void *ptr, u32 len)
{
	struct kvlane_net_rx *rx = &port->rx;
	int err;

	rx->first++;
	if (port->end.ring)
		err = kvlane_net_rx_from_ring(port, ptr, len);
	else
		err = kvlane_net_rx_from_socket(port, ptr, len);
	if (!err)
		return kvlane_net_rx_push(q, rx, KVLANE_NET_HEADER + len) ?:
		       KVLANE_NET_DELIVERED;

	kvlane_net_rx_unpop(q, rx);
	if (err == -EFAULT)
		kvlane_device_backend_error(q->dev, q->index, err);
	if (err == -EBADFD)
		kvlane_net_lost(port->net, q->index);
	return KVLANE_NET_DROPPED;
}

/* It may be the one that waited for buffers, for none were looked for. */
static void kvlane_net_rx_drop(struct kvlane_net_rx *rx, void *ptr)
{
	rx->first++;
	kvlane_net_packet_free(ptr);
	kvlane_net_rx_fed(rx);
}

/**
 * kvlane_net_rx_timer - a packet has waited for buffers long enough
 * @timer: kvlane_net_rx.timer
 */
void kvlane_net_rx_timer(struct timer_list *timer)
{
	struct kvlane_net_port *port = container_of(timer, struct kvlane_net_port,
						    rx.timer);

	kvlane_lane_wake(&port->queue->lane, KVLANE_WORK_MORE);
}

/* There are too few buffers. Does the packet wait for more? */
static bool kvlane_net_rx_waits(struct kvlane_queue *q, struct kvlane_net_rx *rx)
{
	if (!rx->starved) {
		WRITE_ONCE(rx->starved, true);
		rx->patience = jiffies + msecs_to_jiffies(KVLANE_NET_PATIENCE);
		q->stats.starved++;
	}
	/* None at all: the next packet would not do any better. */
	if (!rx->nr_heads)
		return true;
	if (time_after_eq(jiffies, rx->patience))
		return false;
	mod_timer(&rx->timer, rx->patience);
	return true;
}

/* Returns what becomes of the packet, or -EPROTO. */
static int kvlane_net_rx_packet(struct kvlane_queue *q,
				const struct kvlane_memtable *table,
				struct kvlane_net_port *port, void *ptr)
{
	struct kvlane_net_rx *rx = &port->rx;
	u32 len = kvlane_net_packet_len(ptr);
	int ret;

	if (!kvlane_net_rx_fit(port->net, ptr)) {
		kvlane_net_rx_drop(rx, ptr);
		return KVLANE_NET_DROPPED;
	}
	if (!kvlane_net_rx_wanted(port->net, ptr)) {
		kvlane_net_rx_drop(rx, ptr);
		q->stats.filtered++;
		return KVLANE_NET_DELIVERED;
	}

	ret = kvlane_net_rx_collect(q, table, rx, KVLANE_NET_HEADER + len);
	if (ret == -EPROTO)
		return ret;
	if (!ret && kvlane_net_rx_waits(q, rx)) {
		kvlane_net_rx_unpop(q, rx);
		return KVLANE_NET_WAITS;
	}
	kvlane_net_rx_fed(rx);
	if (ret <= 0) {
		kvlane_net_rx_unpop(q, rx);
		kvlane_net_rx_drop(rx, ptr);
		return KVLANE_NET_DROPPED;
	}
	if (!kvlane_hold_receive(q, len)) {
		kvlane_net_rx_unpop(q, rx);
		return KVLANE_NET_HELD;
	}
	return kvlane_net_rx_deliver(q, port, ptr, len);
}

/**
 * kvlane_net_rx_serve - receive; kvlane_queue.serve of a receive queue
 * @q: the queue
 * @table: the memory map
 *
 * Return: 1 if there is more to do, 0 if the lane may sleep, -EPROTO.
 */
int kvlane_net_rx_serve(struct kvlane_queue *q, const struct kvlane_memtable *table)
{
	struct kvlane_net_port *port = kvlane_net_port_of(q);
	int nr, fate;
	void *ptr;

	kvlane_net_port_check(port);
	if (port->index >= READ_ONCE(port->net->pairs)) {
		kvlane_hold_step_back(q);
		return 0;
	}
	for (nr = 0; nr < KVLANE_NET_RX_ROUND; nr++) {
		ptr = kvlane_net_rx_peek(port);
		if (!ptr)
			return kvlane_hold_received(q);
		fate = kvlane_net_rx_packet(q, table, port, ptr);
		if (fate < 0)
			return fate;
		if (fate == KVLANE_NET_WAITS) {
			kvlane_hold_step_back(q);
			return kvlane_vring_enable_kick_beyond(&q->vring);
		}
		if (fate == KVLANE_NET_HELD)
			return 0;
		if (fate == KVLANE_NET_DROPPED)
			kvlane_net_drop(q, 1);
	}
	return kvlane_vring_disable_kick(&q->vring) ?: 1;
}
