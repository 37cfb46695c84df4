// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-net (virtio 1.2, section 5.1): the device as a whole.
 *
 * Queue 2N receives and queue 2N + 1 sends for pair N, and each pair has a
 * descriptor of its own below. The control queue comes last if the driver knows of
 * several pairs; a driver that does not takes the third queue for it, and leaves
 * the others alone.
 *
 * What lanes and control path share is small: which pairs are in use, whether the
 * link is up, which offloads are in force, and the receive filter. Each is a word
 * that lanes read as they go, or has its own lock.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "../trace.h"
#include "net.h"

#define KVLANE_NET_FEATURES                                             \
	(KVLANE_QUEUE_FEATURES |                                        \
	 BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | BIT_ULL(VIRTIO_NET_F_STATUS) | \
	 BIT_ULL(VIRTIO_NET_F_CTRL_VQ) | BIT_ULL(VIRTIO_NET_F_CTRL_RX) | \
	 BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) |                          \
	 BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |                              \
	 BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) |                          \
	 BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE) |                         \
	 BIT_ULL(VIRTIO_NET_F_SPEED_DUPLEX))

/* Offloads that every kernel's network can do, given a header to say so. */
#define KVLANE_NET_OFFLOADS                                             \
	(BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | \
	 BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_ECN))

#define KVLANE_NET_BACKEND_FLAGS                                        \
	(KVLANE_BACKEND_NO_ZEROCOPY | KVLANE_BACKEND_LINK_DOWN | KVLANE_BACKEND_RSS)

/*
 * From here on a packet is sent without a copy if the owner has no wish: below,
 * references on pages cost more than copying them.
 */
#define KVLANE_NET_ZEROCOPY_MIN 4096

/* Commands are done when they have been handled, so few requests will do. */
#define KVLANE_NET_CTRL_REQUESTS 4

/* What taps may be asked to take, most first. */
static const u64 kvlane_net_ladder[] = {
	KVLANE_NET_GUEST_OFFLOADS,
	BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |
		BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | BIT_ULL(VIRTIO_NET_F_GUEST_ECN),
	BIT_ULL(VIRTIO_NET_F_GUEST_CSUM),
	0,
};

/* The control queue, or one past the last where there is none. */
static u32 kvlane_net_ctrl_index(const struct kvlane_device *dev)
{
	const struct kvlane_net *net = dev->priv;

	if (!(dev->accepted & BIT_ULL(VIRTIO_NET_F_CTRL_VQ)))
		return dev->num_queues;
	if (dev->accepted &
	    (BIT_ULL(VIRTIO_NET_F_MQ) | BIT_ULL(VIRTIO_NET_F_RSS)))
		return 2 * net->max_pairs;
	return 2;
}

static bool kvlane_net_is_ctrl(const struct kvlane_queue *q)
{
	return q->index == kvlane_net_ctrl_index(q->dev);
}

static bool kvlane_net_is_tx(const struct kvlane_queue *q)
{
	return q->index % 2;
}

static void kvlane_net_post_pairs(struct kvlane_net *net)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_NET_PAIRS,
		.queue = KVLANE_NO_QUEUE,
		.value = net->pairs,
	};

	kvlane_events_post(&net->dev->events, &event);
}

/**
 * kvlane_net_set_pairs - the driver uses so many pairs from now on
 * @net: the device
 * @pairs: 1 to kvlane_net.max_pairs
 */
void kvlane_net_set_pairs(struct kvlane_net *net, u32 pairs)
{
	u32 i;

	if (pairs == net->pairs)
		return;
	WRITE_ONCE(net->pairs, pairs);
	kvlane_net_post_pairs(net);
	for (i = 0; i < pairs; i++)
		kvlane_lane_wake(&net->dev->queues[2 * i].lane, KVLANE_WORK_MORE);
}

/* Work out the link's state, and tell the driver if it has changed. */
static void kvlane_net_update_link(struct kvlane_net *net, u16 announce)
{
	__virtio16 status;
	bool changed;

	spin_lock(&net->lock);
	net->running = net->link_up && !atomic_read(&net->lost);
	status = __cpu_to_virtio16(true, net->running ?
					 VIRTIO_NET_S_LINK_UP | announce : 0);
	changed = status != net->config.status;
	net->config.status = status;
	spin_unlock(&net->lock);
	if (changed)
		kvlane_device_config_changed(net->dev);
}

/**
 * kvlane_net_lost - the network device below has gone
 * @net: the device
 * @queue: who found out
 *
 * Only the first call since the back end was set does anything.
 */
void kvlane_net_lost(struct kvlane_net *net, u32 queue)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_LINK_LOST,
		.queue = queue,
	};

	if (atomic_xchg(&net->lost, 1))
		return;
	kvlane_events_post(&net->dev->events, &event);
	kvlane_net_update_link(net, 0);
}

/**
 * kvlane_net_drop - packets go nowhere
 * @q: the queue they were to go through
 * @packets: how many
 *
 * Lane context.
 */
void kvlane_net_drop(struct kvlane_queue *q, u32 packets)
{
	q->stats.drops += packets;
	trace_kvlane_net_drop(q, packets);
}

/**
 * kvlane_net_announced - the driver has announced itself
 * @net: the device
 */
void kvlane_net_announced(struct kvlane_net *net)
{
	spin_lock(&net->lock);
	net->config.status &= ~__cpu_to_virtio16(true, VIRTIO_NET_S_ANNOUNCE);
	spin_unlock(&net->lock);
}

/**
 * kvlane_net_set_mac - the driver gives itself another address
 * @net: the device
 * @mac: unicast address
 */
void kvlane_net_set_mac(struct kvlane_net *net, const u8 *mac)
{
	spin_lock(&net->lock);
	ether_addr_copy(net->config.mac, mac);
	spin_unlock(&net->lock);
	kvlane_net_filter_set_mac(&net->filter, mac);
}

static int kvlane_net_set_link(struct kvlane_device *dev, u32 flags)
{
	struct kvlane_net *net = dev->priv;
	u16 announce = 0;

	if (flags & KVLANE_LINK_ANNOUNCE &&
	    dev->accepted & BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE))
		announce = VIRTIO_NET_S_ANNOUNCE;
	net->link_up = flags & KVLANE_LINK_UP;
	kvlane_net_update_link(net, announce);
	return 0;
}

static u32 kvlane_net_nr_requests(const struct kvlane_queue *q)
{
	return kvlane_net_is_tx(q) ? q->dev->queue_size : KVLANE_NET_CTRL_REQUESTS;
}

/* A queue the driver has no use for. */
static int kvlane_net_rest(struct kvlane_queue *q,
			   const struct kvlane_memtable *table)
{
	return 0;
}

static void kvlane_net_start(struct kvlane_queue *q)
{
	struct kvlane_net *net = kvlane_net_of(q);

	if (kvlane_net_is_ctrl(q) || kvlane_net_is_tx(q))
		return;
	q->serve = q->index < 2 * net->max_pairs ? kvlane_net_rx_serve :
						   kvlane_net_rest;
	if (!q->index)
		kvlane_net_post_pairs(net);
}

static void kvlane_net_stop(struct kvlane_queue *q)
{
	if (kvlane_net_is_tx(q))
		kvlane_net_tx_stop(q);
	else if (q->index < 2 * kvlane_net_of(q)->max_pairs)
		kvlane_net_rx_discard(kvlane_net_port_of(q));
}

static void kvlane_net_handle(struct kvlane_queue *q, struct kvlane_request *req)
{
	if (kvlane_net_is_ctrl(q))
		kvlane_net_ctrl_handle(q, req);
	else
		kvlane_net_tx_handle(q, req);
}

/* Nothing new is begun while packets wait for room below. */
static u32 kvlane_net_quota(struct kvlane_queue *q)
{
	if (!kvlane_net_is_tx(q) || !q->again.head)
		return KVLANE_BATCH;
	if (!kvlane_net_tx_full(kvlane_net_port_of(q)))
		kvlane_lane_wake(&q->lane, KVLANE_WORK_MORE);
	return 0;
}

static void kvlane_net_flush(struct kvlane_queue *q)
{
	if (!kvlane_net_is_ctrl(q))
		kvlane_net_tx_flush(q);
}

static int kvlane_net_finish(struct kvlane_queue *q, struct kvlane_request *req)
{
	if (kvlane_net_is_ctrl(q))
		return kvlane_net_ctrl_finish(q, req);
	kvlane_net_tx_finish(q, req);
	return 0;
}

static bool kvlane_net_has_backend(const struct kvlane_device *dev)
{
	const struct kvlane_net *net = dev->priv;

	return net->present;
}

static void kvlane_net_features_ok(struct kvlane_device *dev)
{
	struct kvlane_net *net = dev->priv;

	kvlane_net_filter_reset(&net->filter, net->mac,
				dev->accepted & BIT_ULL(VIRTIO_NET_F_CTRL_VLAN));
	kvlane_net_offload(net, dev->accepted & KVLANE_NET_GUEST_OFFLOADS);
}

static void kvlane_net_reset(struct kvlane_device *dev)
{
	struct kvlane_net *net = dev->priv;

	kvlane_net_offload(net, 0);
	kvlane_net_set_mac(net, net->mac);
	kvlane_net_filter_reset(&net->filter, net->mac, false);
	kvlane_net_rss_clear(net);
	kvlane_net_set_pairs(net, 1);
	kvlane_net_announced(net);
}

static void kvlane_net_read_config(struct kvlane_device *dev, u32 offset, void *buf,
				   u32 len)
{
	struct kvlane_net *net = dev->priv;
	u32 n;

	if (offset >= sizeof(net->config))
		return;
	n = min_t(u32, len, sizeof(net->config) - offset);
	spin_lock(&net->lock);
	memcpy(buf, (u8 *)&net->config + offset, n);
	spin_unlock(&net->lock);
}

static void kvlane_net_write_config(struct kvlane_device *dev, u32 offset,
				    const void *buf, u32 len)
{
	/* All fields are for reading, with VIRTIO_F_VERSION_1 the address, too. */
}

static int kvlane_net_notify(struct notifier_block *nb, unsigned long event,
			     void *ptr)
{
	struct kvlane_net *net = container_of(nb, struct kvlane_net, notifier);
	u32 i;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	for (i = 0; i < net->max_pairs; i++) {
		WRITE_ONCE(net->ports[i].check, true);
		if (!net->dev->vdpa)
			kvlane_lane_wake(&net->ports[i].queue->lane, KVLANE_WORK_MORE);
	}
	if (net->dev->vdpa)
		queue_work(system_dfl_wq, &net->below);
	return NOTIFY_DONE;
}

static int kvlane_net_watch(struct kvlane_net *net)
{
	int err;
	u32 i;

	if (net->watching)
		return 0;
	for (i = 0; i < net->max_pairs; i++)
		net->ports[i].queue = &net->dev->queues[2 * i];
	err = register_netdevice_notifier(&net->notifier);
	net->watching = !err;
	return err;
}

static int kvlane_net_check(const struct kvlane_net *net,
			    const struct kvlane_backend *backend)
{
	const struct kvlane_net_backend *args = &backend->net;

	if (backend->flags & ~KVLANE_NET_BACKEND_FLAGS || backend->fd != -1 ||
	    args->reserved0 || args->num_fds != net->max_pairs)
		return -EINVAL;
	if (args->header_len && args->header_len != sizeof(struct virtio_net_hdr) &&
	    args->header_len != KVLANE_NET_HEADER)
		return -EINVAL;
	if ((args->mtu && args->mtu < ETH_MIN_MTU) || args->speed > INT_MAX)
		return -EINVAL;
	if (!is_zero_ether_addr(args->mac) && is_multicast_ether_addr(args->mac))
		return -EINVAL;
	return 0;
}

static int kvlane_net_try(const struct kvlane_net_end *ends, u32 nr,
			  unsigned int offloads)
{
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err; i++)
		err = kvlane_net_end_offload(&ends[i], offloads);
	return err;
}

/* Which offloads do all of the taps take? They are left without any. */
static int kvlane_net_probe(const struct kvlane_net_end *ends, u32 nr, u64 *guest)
{
	int err = -EINVAL;
	int i;

	for (i = 0; i < ARRAY_SIZE(kvlane_net_ladder) && err == -EINVAL; i++) {
		*guest = kvlane_net_ladder[i];
		err = kvlane_net_try(ends, nr, kvlane_net_offloads(*guest));
	}
	return err ?: kvlane_net_try(ends, nr, 0);
}

static u64 kvlane_net_offer(const struct kvlane_net *net,
			    const struct kvlane_backend *backend, u64 guest)
{
	const struct kvlane_net_backend *args = &backend->net;
	u64 features = KVLANE_NET_FEATURES;

	if (args->header_len) {
		features |= KVLANE_NET_OFFLOADS | guest;
		if (guest)
			features |= BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
		if (guest & BIT_ULL(VIRTIO_NET_F_GUEST_USO4))
			features |= BIT_ULL(VIRTIO_NET_F_HOST_USO);
	}
	if (args->mtu)
		features |= BIT_ULL(VIRTIO_NET_F_MTU);
	if (!is_zero_ether_addr(args->mac))
		features |= BIT_ULL(VIRTIO_NET_F_MAC);
	if (net->max_pairs > 1)
		features |= BIT_ULL(VIRTIO_NET_F_MQ);
	if (net->max_pairs > 1 && backend->flags & KVLANE_BACKEND_RSS)
		features |= BIT_ULL(VIRTIO_NET_F_RSS);
	/* In order, a packet that is stuck below would hold up all the others. */
	if (net->zerocopy_min != U32_MAX)
		features &= ~BIT_ULL(VIRTIO_F_IN_ORDER);
	return features & net->dev->mask;
}

static void kvlane_net_configure(struct kvlane_net *net,
				 const struct kvlane_backend *backend)
{
	const struct kvlane_net_backend *args = &backend->net;
	struct virtio_net_config *config = &net->config;

	net->header_len = args->header_len;
	net->zerocopy_min = args->zerocopy_min ?: KVLANE_NET_ZEROCOPY_MIN;
	if (backend->flags & KVLANE_BACKEND_NO_ZEROCOPY)
		net->zerocopy_min = U32_MAX;
	ether_addr_copy(net->mac, args->mac);
	net->offloads = 0;
	net->present = true;
	net->link_up = !(backend->flags & KVLANE_BACKEND_LINK_DOWN);
	atomic_set(&net->lost, 0);

	config->max_virtqueue_pairs = __cpu_to_virtio16(true, net->max_pairs);
	config->mtu = __cpu_to_virtio16(true, args->mtu);
	config->speed = cpu_to_le32(args->speed ?: SPEED_UNKNOWN);
	config->duplex = args->speed ? DUPLEX_FULL : DUPLEX_UNKNOWN;
	kvlane_net_rss_configure(net, backend->flags & KVLANE_BACKEND_RSS);
	kvlane_net_set_mac(net, net->mac);
	kvlane_net_update_link(net, 0);
}

static void kvlane_net_close(struct kvlane_net_port *port)
{
	kvlane_net_port_untie(port);
	kvlane_net_rx_discard(port);
	kvlane_net_ends_close(&port->end, 1);
	port->end.file = NULL;
}

static void kvlane_net_replace(struct kvlane_net *net,
			       const struct kvlane_net_end *ends)
{
	u32 i;

	/* kvlane_net_below() may be about to look at the old ones once more. */
	mutex_lock(&net->offload_lock);
	for (i = 0; i < net->max_pairs; i++) {
		kvlane_net_close(&net->ports[i]);
		net->ports[i].end = ends[i];
		kvlane_net_port_tie(&net->ports[i]);
	}
	mutex_unlock(&net->offload_lock);
}

static int kvlane_net_open(struct kvlane_net *net, struct kvlane_net_end *ends,
			   u64 fds, u64 *guest)
{
	int err = kvlane_net_ends_open(ends, fds, net->max_pairs);

	if (!err)
		err = kvlane_net_watch(net);
	if (!err)
		err = kvlane_net_probe(ends, net->max_pairs, guest);
	return err;
}

/* Received packets have no requests, see kvlane_net_rx_serve(). */
static bool kvlane_net_cost(const struct kvlane_queue *q,
			    const struct kvlane_request *req,
			    struct kvlane_cost *cost)
{
	const u32 header = KVLANE_NET_HEADER;
	u32 len = req->chain.out_len;

	cost->direction = KVLANE_WRITE;
	cost->bytes = len - min(len, header);
	return !kvlane_net_is_ctrl(q);
}

static int kvlane_net_set_backend(struct kvlane_device *dev,
				  const struct kvlane_backend *backend)
{
	struct kvlane_net *net = dev->priv;
	struct kvlane_net_end *ends;
	u64 guest;
	int err;

	err = kvlane_net_check(net, backend);
	if (err)
		return err;
	ends = kcalloc(net->max_pairs, sizeof(*ends), GFP_KERNEL_ACCOUNT);
	if (!ends)
		return -ENOMEM;

	err = kvlane_net_open(net, ends, backend->net.fds, &guest);
	if (err) {
		kvlane_net_ends_close(ends, net->max_pairs);
	} else {
		/* It is about the taps that go. */
		cancel_work_sync(&net->below);
		kvlane_net_configure(net, backend);
		kvlane_net_replace(net, ends);
		dev->offered = kvlane_net_offer(net, backend, guest);
	}
	kfree(ends);
	return err;
}

static void kvlane_net_free(struct kvlane_net *net)
{
	struct kvlane_net_port *port;
	u32 i;

	for (i = 0; i < net->max_pairs; i++) {
		port = &net->ports[i];
		kvlane_net_close(port);
		page_frag_cache_drain(&port->tx.frags);
		if (port->tx.pages.page)
			put_page(port->tx.pages.page);
		if (port->tx.zc)
			kvlane_net_zc_destroy(port->tx.zc);
	}
	kvfree(net->ports);
	kfree(net);
}

static int kvlane_net_create_ports(struct kvlane_net *net)
{
	struct kvlane_net_port *port;
	u32 i;

	for (i = 0; i < net->max_pairs; i++) {
		port = &net->ports[i];
		port->net = net;
		port->index = i;
		timer_setup(&port->rx.timer, kvlane_net_rx_timer, 0);
		port->tx.zc = kvlane_net_zc_create(max(net->dev->queue_size / 4, 1));
		if (!port->tx.zc)
			return -ENOMEM;
	}
	return 0;
}

static void kvlane_net_init(struct kvlane_net *net, struct kvlane_device *dev)
{
	net->dev = dev;
	net->pairs = 1;
	net->max_pairs = dev->num_queues / 2;
	spin_lock_init(&net->lock);
	mutex_init(&net->offload_lock);
	INIT_WORK(&net->below, kvlane_net_below);
	seqlock_init(&net->filter.lock);
	net->notifier.notifier_call = kvlane_net_notify;
}

static int kvlane_net_create(struct kvlane_device *dev)
{
	struct kvlane_net *net;

	if (dev->num_queues < 3 || dev->num_queues % 2 == 0)
		return -EINVAL;
	net = kzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);
	if (!net)
		return -ENOMEM;
	kvlane_net_init(net, dev);
	net->ports = kvcalloc(net->max_pairs, sizeof(*net->ports),
			      GFP_KERNEL_ACCOUNT);
	if (!net->ports) {
		kfree(net);
		return -ENOMEM;
	}
	if (kvlane_net_create_ports(net)) {
		kvlane_net_free(net);
		return -ENOMEM;
	}
	dev->offered = KVLANE_NET_FEATURES & dev->mask;
	dev->priv = net;
	return 0;
}

static void kvlane_net_release(struct kvlane_device *dev)
{
	struct kvlane_net *net = dev->priv;
	u32 i;

	if (net->watching)
		unregister_netdevice_notifier(&net->notifier);
	for (i = 0; i < net->max_pairs; i++) {
		kvlane_net_port_untie(&net->ports[i]);
		timer_shutdown_sync(&net->ports[i].rx.timer);
	}
}

static void kvlane_net_destroy(struct kvlane_device *dev)
{
	struct kvlane_net *net = dev->priv;

	cancel_work_sync(&net->below);
	WRITE_ONCE(net->guest, 0);
	if (net->present)
		kvlane_net_tell(net);
	kvlane_net_free(net);
}

const struct kvlane_device_ops kvlane_net_ops = {
	.type = VIRTIO_ID_NET,
	.name = "net",
	.max_queues = 2 * KVLANE_NET_MAX_PAIRS + 1,
	.max_segs = KVLANE_MAX_SEGS,
	.config_size = sizeof(struct virtio_net_config),
	.backend_size = sizeof(struct kvlane_net_backend),
	.request_size = sizeof(struct kvlane_net_request),
	.burst = KVLANE_NET_BATCH,
	.create = kvlane_net_create,
	.destroy = kvlane_net_destroy,
	.set_backend = kvlane_net_set_backend,
	.has_backend = kvlane_net_has_backend,
	.features_ok = kvlane_net_features_ok,
	.reset = kvlane_net_reset,
	.read_config = kvlane_net_read_config,
	.write_config = kvlane_net_write_config,
	.set_link = kvlane_net_set_link,
	.get_rss = kvlane_net_rss_get,
	.release = kvlane_net_release,
	.nr_requests = kvlane_net_nr_requests,
	.start = kvlane_net_start,
	.stop = kvlane_net_stop,
	.handle = kvlane_net_handle,
	.flush = kvlane_net_flush,
	.quota = kvlane_net_quota,
	.finish = kvlane_net_finish,
	.cost = kvlane_net_cost,
};
