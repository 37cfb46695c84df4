// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive side scaling, virtio 1.2, section 5.1.6.5.7: the driver says by a hash of
 * addresses and ports which queue a packet belongs in.
 *
 * A tap has chosen the queue before the module sees the packet. So nothing is
 * steered here: what the driver wants is checked, kept, and handed to the owner of
 * the tap, who has promised to see to it (KVLANE_BACKEND_RSS).
 */
#include <linux/log2.h>
#include <linux/uio.h>

#include "net.h"

/* What a tap's owner can be expected to hash; not the kinds with IPv6 options. */
#define KVLANE_NET_RSS_TYPES                                            \
	(VIRTIO_NET_RSS_HASH_TYPE_IPv4 | VIRTIO_NET_RSS_HASH_TYPE_TCPv4 | \
	 VIRTIO_NET_RSS_HASH_TYPE_UDPv4 | VIRTIO_NET_RSS_HASH_TYPE_IPv6 | \
	 VIRTIO_NET_RSS_HASH_TYPE_TCPv6 | VIRTIO_NET_RSS_HASH_TYPE_UDPv6)

/* struct virtio_net_rss_config has the table in its middle; this is before it. */
struct kvlane_net_rss_head {
	__le32 hash_types;
	__le16 table_mask;
	__le16 unclassified;
};

/* And this behind it, with the key to follow. */
struct kvlane_net_rss_tail {
	__le16 max_tx;
	u8 key_len;
} __packed;

/**
 * kvlane_net_rss_configure - tell the driver what can be had
 * @net: the device, which no driver uses
 * @steered: its owner steers
 */
void kvlane_net_rss_configure(struct kvlane_net *net, bool steered)
{
	struct virtio_net_config *config = &net->config;

	config->rss_max_key_size = steered ? KVLANE_NET_RSS_KEY : 0;
	config->rss_max_indirection_table_length =
		cpu_to_le16(steered ? KVLANE_NET_RSS_TABLE : 0);
	config->supported_hash_types = cpu_to_le32(steered ? KVLANE_NET_RSS_TYPES : 0);
}

static void kvlane_net_rss_keep(struct kvlane_net *net,
				const struct kvlane_net_rss *rss)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_NET_RSS,
		.queue = KVLANE_NO_QUEUE,
		.value = !!rss->table_len,
	};

	spin_lock(&net->lock);
	net->rss = *rss;
	spin_unlock(&net->lock);
	kvlane_events_post(&net->dev->events, &event);
}

/* One of the driver's queues: from now on a pair needs to be in use for it. */
static bool kvlane_net_rss_queue(const struct kvlane_net *net, u16 queue, u16 *pairs)
{
	if (queue >= net->max_pairs)
		return false;
	*pairs = max_t(u16, *pairs, queue + 1);
	return true;
}

static bool kvlane_net_rss_head(const struct kvlane_net *net, struct iov_iter *from,
				struct kvlane_net_rss *rss)
{
	struct kvlane_net_rss_head head;
	u32 entries;

	if (!copy_from_iter_full(&head, sizeof(head), from))
		return false;
	entries = le16_to_cpu(head.table_mask) + 1;
	rss->hash_types = le32_to_cpu(head.hash_types);
	rss->unclassified = le16_to_cpu(head.unclassified);
	rss->table_len = entries;
	return entries <= KVLANE_NET_RSS_TABLE && is_power_of_2(entries) &&
	       !(rss->hash_types & ~KVLANE_NET_RSS_TYPES) &&
	       kvlane_net_rss_queue(net, rss->unclassified, &rss->pairs);
}

static bool kvlane_net_rss_table(const struct kvlane_net *net, struct iov_iter *from,
				 struct kvlane_net_rss *rss)
{
	__le16 table[KVLANE_NET_RSS_TABLE];
	u32 i;

	if (!copy_from_iter_full(table, rss->table_len * sizeof(*table), from))
		return false;
	for (i = 0; i < rss->table_len; i++) {
		rss->table[i] = le16_to_cpu(table[i]);
		if (!kvlane_net_rss_queue(net, rss->table[i], &rss->pairs))
			return false;
	}
	return true;
}

/*
 * The driver counts send queues from 1. Behind the key Linux sends what pads its
 * structure, so the end of the command says nothing.
 */
static bool kvlane_net_rss_tail(const struct kvlane_net *net, struct iov_iter *from,
				struct kvlane_net_rss *rss)
{
	struct kvlane_net_rss_tail tail;
	u16 max_tx;

	if (!copy_from_iter_full(&tail, sizeof(tail), from))
		return false;
	max_tx = le16_to_cpu(tail.max_tx);
	rss->key_len = tail.key_len;
	return max_tx && kvlane_net_rss_queue(net, max_tx - 1, &rss->pairs) &&
	       tail.key_len <= KVLANE_NET_RSS_KEY &&
	       copy_from_iter_full(rss->key, tail.key_len, from);
}

/**
 * kvlane_net_rss_set - VIRTIO_NET_CTRL_MQ_RSS_CONFIG
 * @net: the device
 * @from: the command's data
 *
 * As many pairs are in use then as the table, the queue for the rest, and the
 * driver's sending need.
 *
 * Return: false if it makes no sense; nothing is changed.
 */
bool kvlane_net_rss_set(struct kvlane_net *net, struct iov_iter *from)
{
	struct kvlane_net_rss rss = {};

	if (!kvlane_net_rss_head(net, from, &rss) ||
	    !kvlane_net_rss_table(net, from, &rss) ||
	    !kvlane_net_rss_tail(net, from, &rss))
		return false;
	/* First the pairs, so that the owner has attached what the table names. */
	kvlane_net_set_pairs(net, rss.pairs);
	kvlane_net_rss_keep(net, &rss);
	return true;
}

/**
 * kvlane_net_rss_clear - RSS is off
 * @net: the device
 *
 * In the control queue's lane, or while it is stopped.
 */
void kvlane_net_rss_clear(struct kvlane_net *net)
{
	const struct kvlane_net_rss off = {};

	if (net->rss.table_len)
		kvlane_net_rss_keep(net, &off);
}

/**
 * kvlane_net_rss_get - KVLANE_GET_RSS
 * @dev: a network device
 * @rss: filled in
 *
 * Return: 0.
 */
int kvlane_net_rss_get(struct kvlane_device *dev, struct kvlane_net_rss *rss)
{
	struct kvlane_net *net = dev->priv;

	spin_lock(&net->lock);
	*rss = net->rss;
	spin_unlock(&net->lock);
	if (!rss->table_len)
		rss->pairs = READ_ONCE(net->pairs);
	return 0;
}
