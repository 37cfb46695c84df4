// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control queue, virtio 1.2, section 5.1.6.5. A command is a class and a
 * number, data, and one byte for the answer.
 *
 * A command that makes no sense, or whose feature was not accepted, is answered
 * with VIRTIO_NET_ERR and changes nothing.
 */
#include <linux/etherdevice.h>
#include <linux/uaccess.h>
#include <linux/virtio_byteorder.h>

#include "net.h"

static bool kvlane_net_ctrl_has(const struct kvlane_queue *q, int feature)
{
	return q->dev->accepted & BIT_ULL(feature);
}

/* The data of a command is exactly this long. */
static bool kvlane_net_ctrl_data(struct iov_iter *from, void *data, size_t len)
{
	return iov_iter_count(from) == len && copy_from_iter_full(data, len, from);
}

static bool kvlane_net_ctrl_rx(struct kvlane_queue *q, u8 cmd, struct iov_iter *from)
{
	int feature = cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX :
							   VIRTIO_NET_F_CTRL_RX_EXTRA;
	u8 on;

	if (cmd > VIRTIO_NET_CTRL_RX_NOBCAST || !kvlane_net_ctrl_has(q, feature) ||
	    !kvlane_net_ctrl_data(from, &on, sizeof(on)))
		return false;
	kvlane_net_filter_set_mode(&kvlane_net_of(q)->filter, cmd, on);
	return true;
}

/* One table: a number and as many addresses. */
static bool kvlane_net_ctrl_macs(struct iov_iter *from, struct kvlane_net_macs *macs)
{
	__virtio32 entries;
	u32 nr;

	if (!copy_from_iter_full(&entries, sizeof(entries), from))
		return false;
	nr = __virtio32_to_cpu(true, entries);
	if (nr > iov_iter_count(from) / ETH_ALEN)
		return false;
	macs->overflow = nr > KVLANE_NET_MACS;
	macs->nr = macs->overflow ? 0 : nr;
	if (!macs->overflow)
		return copy_from_iter_full(macs->mac, nr * ETH_ALEN, from);
	iov_iter_advance(from, nr * ETH_ALEN);
	return true;
}

static bool kvlane_net_ctrl_tables(struct kvlane_queue *q, struct iov_iter *from)
{
	struct kvlane_net_macs uni, multi;

	if (!kvlane_net_ctrl_has(q, VIRTIO_NET_F_CTRL_RX) ||
	    !kvlane_net_ctrl_macs(from, &uni) ||
	    !kvlane_net_ctrl_macs(from, &multi) || iov_iter_count(from))
		return false;
	kvlane_net_filter_set_tables(&kvlane_net_of(q)->filter, &uni, &multi);
	return true;
}

static bool kvlane_net_ctrl_mac(struct kvlane_queue *q, u8 cmd, struct iov_iter *from)
{
	u8 mac[ETH_ALEN];

	if (cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return kvlane_net_ctrl_tables(q, from);
	if (cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET ||
	    !kvlane_net_ctrl_has(q, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
	    !kvlane_net_ctrl_data(from, mac, sizeof(mac)) ||
	    !is_valid_ether_addr(mac))
		return false;
	kvlane_net_set_mac(kvlane_net_of(q), mac);
	return true;
}

static bool kvlane_net_ctrl_vlan(struct kvlane_queue *q, u8 cmd, struct iov_iter *from)
{
	__virtio16 data;
	u16 vid;

	if (cmd > VIRTIO_NET_CTRL_VLAN_DEL ||
	    !kvlane_net_ctrl_has(q, VIRTIO_NET_F_CTRL_VLAN) ||
	    !kvlane_net_ctrl_data(from, &data, sizeof(data)))
		return false;
	vid = __virtio16_to_cpu(true, data);
	if (vid >= VLAN_N_VID)
		return false;
	kvlane_net_filter_set_vlan(&kvlane_net_of(q)->filter, vid,
				   cmd == VIRTIO_NET_CTRL_VLAN_ADD);
	return true;
}

static bool kvlane_net_ctrl_announce(struct kvlane_queue *q, u8 cmd,
				     struct iov_iter *from)
{
	if (cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK || iov_iter_count(from) ||
	    !kvlane_net_ctrl_has(q, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	kvlane_net_announced(kvlane_net_of(q));
	return true;
}

/* The driver leaves it to the tap again which queue takes a packet. */
static bool kvlane_net_ctrl_pairs(struct kvlane_queue *q, struct iov_iter *from)
{
	struct kvlane_net *net = kvlane_net_of(q);
	struct virtio_net_ctrl_mq data;
	u16 pairs;

	if (!kvlane_net_ctrl_has(q, VIRTIO_NET_F_MQ) ||
	    !kvlane_net_ctrl_data(from, &data, sizeof(data)))
		return false;
	pairs = __virtio16_to_cpu(true, data.virtqueue_pairs);
	if (pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || pairs > net->max_pairs)
		return false;
	kvlane_net_rss_clear(net);
	kvlane_net_set_pairs(net, pairs);
	return true;
}

static bool kvlane_net_ctrl_mq(struct kvlane_queue *q, u8 cmd, struct iov_iter *from)
{
	switch (cmd) {
	case VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		return kvlane_net_ctrl_pairs(q, from);
	case VIRTIO_NET_CTRL_MQ_RSS_CONFIG:
		return kvlane_net_ctrl_has(q, VIRTIO_NET_F_RSS) &&
		       kvlane_net_rss_set(kvlane_net_of(q), from);
	default:
		return false;
	}
}

static bool kvlane_net_ctrl_offloads(struct kvlane_queue *q, u8 cmd,
				     struct iov_iter *from)
{
	__virtio64 data;
	u64 guest;

	if (cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
	    !kvlane_net_ctrl_has(q, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    !kvlane_net_ctrl_data(from, &data, sizeof(data)))
		return false;
	guest = __virtio64_to_cpu(true, data);
	if (guest & ~(q->dev->accepted & KVLANE_NET_GUEST_OFFLOADS))
		return false;
	return !kvlane_net_offload(kvlane_net_of(q), guest);
}

static bool kvlane_net_ctrl_run(struct kvlane_queue *q,
				const struct virtio_net_ctrl_hdr *hdr,
				struct iov_iter *from)
{
	switch (hdr->class) {
	case VIRTIO_NET_CTRL_RX:
		return kvlane_net_ctrl_rx(q, hdr->cmd, from);
	case VIRTIO_NET_CTRL_MAC:
		return kvlane_net_ctrl_mac(q, hdr->cmd, from);
	case VIRTIO_NET_CTRL_VLAN:
		return kvlane_net_ctrl_vlan(q, hdr->cmd, from);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return kvlane_net_ctrl_announce(q, hdr->cmd, from);
	case VIRTIO_NET_CTRL_MQ:
		return kvlane_net_ctrl_mq(q, hdr->cmd, from);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return kvlane_net_ctrl_offloads(q, hdr->cmd, from);
	default:
		return false;
	}
}

/**
 * kvlane_net_ctrl_handle - carry out a command
 * @q: the control queue
 * @req: the command
 */
void kvlane_net_ctrl_handle(struct kvlane_queue *q, struct kvlane_request *req)
{
	const struct kvlane_chain *chain = &req->chain;
	struct virtio_net_ctrl_hdr hdr;
	struct iov_iter from;

	if (chain->out_len < sizeof(hdr) || !chain->in_len) {
		kvlane_request_malformed(req, KVLANE_REASON_SHORT);
		return;
	}
	kvlane_queue_iter(q, &from, ITER_SOURCE, req->iov, chain->out_num, chain->out_len);
	if (!copy_from_iter_full(&hdr, sizeof(hdr), &from)) {
		kvlane_request_malformed(req, KVLANE_REASON_FAULT);
		return;
	}
	req->failed = !kvlane_net_ctrl_run(q, &hdr, &from);
	kvlane_request_finish(req);
}

/**
 * kvlane_net_ctrl_finish - answer a command
 * @q: the control queue
 * @req: the command
 *
 * Return: 0 or -EFAULT.
 */
int kvlane_net_ctrl_finish(struct kvlane_queue *q, struct kvlane_request *req)
{
	const struct kvlane_chain *chain = &req->chain;
	virtio_net_ctrl_ack ack = req->failed ? VIRTIO_NET_ERR : VIRTIO_NET_OK;
	struct iov_iter to;

	kvlane_queue_iter(q, &to, ITER_DEST, req->iov + chain->out_num, chain->in_num,
			  chain->in_len);
	if (copy_to_iter(&ack, sizeof(ack), &to) != sizeof(ack))
		return -EFAULT;
	req->written = sizeof(ack);
	return 0;
}
