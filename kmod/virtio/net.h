/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-net (virtio 1.2, section 5.1), between its files:
 *
 *	net.c		the device: features, configuration, link, queues' roles
 *	net_port.c	the descriptors behind it
 *	net_rx.c	packets for the guest
 *	net_tx.c	packets from the guest
 *	net_header.c	what a guest may say of its packets
 *	net_zc.c	packets sent from guest memory without a copy
 *	net_filter.c	which packets the guest wants
 *	net_ctrl.c	the control queue
 *	net_rss.c	which queue a packet belongs in, if the driver says so
 */
#ifndef KVLANE_NET_H
#define KVLANE_NET_H

#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/notifier.h>
#include <linux/seqlock.h>
#include <linux/skbuff.h>
#include <linux/timer.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include <linux/workqueue.h>
#include <net/xdp.h>

#include "device.h"

struct file;
struct kvlane_net;
struct kvlane_net_zc;
struct kvlane_net_zc_buf;
struct ptr_ring;
struct socket;

/**
 * define KVLANE_NET_HEADER - bytes of the header in front of the guest's packets
 *
 * With VIRTIO_F_VERSION_1 it has @num_buffers whether or not buffers are merged.
 */
#define KVLANE_NET_HEADER sizeof(struct virtio_net_hdr_v1)

/**
 * define KVLANE_NET_PACKET - longest packet, header not counted
 *
 * The largest IP packet in a frame with two VLAN tags.
 */
#define KVLANE_NET_PACKET (65535 + VLAN_ETH_HLEN + VLAN_HLEN)

/**
 * define KVLANE_NET_BATCH - packets taken from a tap's ring at once
 *
 * As many as spread the costs of its lock, and half a page of pointers.
 */
#define KVLANE_NET_BATCH 64

/**
 * define KVLANE_NET_MERGE - most buffers a received packet is spread over
 *
 * A 64 KiB packet in buffers of 256 bytes. Drivers give 1.5 KiB and more.
 */
#define KVLANE_NET_MERGE 260

/**
 * define KVLANE_NET_PULL - bytes of a large packet that are copied in any case
 *
 * Room for all headers that are looked at, so that what was checked is what the
 * network below sees.
 */
#define KVLANE_NET_PULL 256

/**
 * define KVLANE_NET_BVECS - most pieces of a large packet
 *
 * One for the headers, then the pages: each of the chain's buffers may begin and
 * end inside one.
 */
#define KVLANE_NET_BVECS (1 + KVLANE_MAX_IOVS + KVLANE_NET_PACKET / PAGE_SIZE + 1)

/**
 * define KVLANE_NET_GUEST_OFFLOADS - what a driver may take of segmented packets
 */
#define KVLANE_NET_GUEST_OFFLOADS                                       \
	(BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | \
	 BIT_ULL(VIRTIO_NET_F_GUEST_USO4) | BIT_ULL(VIRTIO_NET_F_GUEST_USO6))

/**
 * enum kvlane_net_kind - what a descriptor is
 * @KVLANE_NET_TUN: a queue of a tap device
 * @KVLANE_NET_TAP: a queue of a macvtap or ipvtap device
 * @KVLANE_NET_PACKET_SOCKET: a packet socket
 */
enum kvlane_net_kind {
	KVLANE_NET_TUN,
	KVLANE_NET_TAP,
	KVLANE_NET_PACKET_SOCKET,
};

/**
 * struct kvlane_net_end - an open descriptor
 * @file: the descriptor, NULL for none
 * @sock: its socket
 * @ring: where it keeps packets for us, or NULL for a packet socket, which has a
 *	queue
 * @kind: what it is
 */
struct kvlane_net_end {
	struct file *file;
	struct socket *sock;
	struct ptr_ring *ring;
	enum kvlane_net_kind kind;
};

/**
 * struct kvlane_net_head - a chain that is being filled
 * @head: what identifies it
 * @len: bytes it has room for
 */
struct kvlane_net_head {
	u16 head;
	u32 len;
};

/**
 * struct kvlane_net_rx - the receiving half of a pair; its lane's own
 * @queue: packets taken from the descriptor: skbs, or XDP frames marked as such
 * @first: the oldest one in @queue
 * @end: behind the newest one
 * @starved: the first one waits for buffers
 * @patience: until when, in jiffies
 * @timer: wakes the lane then
 * @nr_heads: elements of @heads
 * @nr_iov: elements of @iov, but for the first
 * @heads: the chains for the first packet
 * @iov: their buffers from the second element on; the first one is there to
 *	cut the header
 */
struct kvlane_net_rx {
	void *queue[KVLANE_NET_BATCH];
	u32 first;
	u32 end;
	bool starved;
	unsigned long patience;
	struct timer_list timer;
	u32 nr_heads;
	u32 nr_iov;
	struct kvlane_net_head heads[KVLANE_NET_MERGE];
	struct iovec iov[1 + KVLANE_NET_MERGE + KVLANE_MAX_IOVS];
};

/**
 * struct kvlane_net_tx - the sending half of a pair; its lane's own
 * @frags: where copies of small packets and of headers come from
 * @pages: where copies of large packets come from
 * @nr_xdp: elements of @xdp
 * @xdp: copies not handed over yet
 * @bvec: the pieces of a large packet
 * @nr_bvec: elements of @bvec
 * @full: a packet was refused since there was no room; what waits for room reads it
 * @zc: packets in flight without a copy
 * @zc_since: when the last of them came back, or the first one left
 * @zc_pause: large packets to copy before trying without again
 * @zc_backoff: how many those were the last time
 */
struct kvlane_net_tx {
	struct page_frag_cache frags;
	struct page_frag pages;
	u32 nr_xdp;
	struct xdp_buff xdp[KVLANE_BATCH];
	struct bio_vec bvec[KVLANE_NET_BVECS];
	u32 nr_bvec;
	bool full;
	struct kvlane_net_zc *zc;
	u64 zc_since;
	u32 zc_pause;
	u32 zc_backoff;
};

/**
 * struct kvlane_net_port - a pair of queues and its descriptor
 * @net: the device
 * @index: number of the pair
 * @end: the descriptor
 * @queue: its receive queue, whose lane is woken by @wait; its send queue follows
 * @wait: entry in the wait queue of the descriptor
 * @table: how that queue is found
 * @wqh: that queue
 * @check: a network device has gone; see whether it was the one below
 * @rx: receiving
 * @tx: sending
 */
struct kvlane_net_port {
	struct kvlane_net *net;
	u32 index;
	struct kvlane_net_end end;
	struct kvlane_queue *queue;
	wait_queue_entry_t wait;
	poll_table table;
	wait_queue_head_t *wqh;
	bool check;
	struct kvlane_net_rx rx;
	struct kvlane_net_tx tx;
};

/**
 * define KVLANE_NET_MACS - addresses in a filter table
 *
 * What network adapters have. A driver with more gets all packets of the kind.
 */
#define KVLANE_NET_MACS 64

/**
 * struct kvlane_net_macs - one of a driver's two tables of addresses
 * @nr: elements of @mac
 * @overflow: the driver gave more: let all pass
 * @mac: the addresses
 */
struct kvlane_net_macs {
	u32 nr;
	bool overflow;
	u8 mac[KVLANE_NET_MACS][ETH_ALEN];
};

/**
 * struct kvlane_net_filter - which packets the guest wants, virtio 1.2 5.1.6.5
 * @lock: readers look again if something changed meanwhile
 * @modes: bit N for command N of VIRTIO_NET_CTRL_RX
 * @mac: the device's own address
 * @check_vlans: @vlans counts
 * @uni: other unicast addresses
 * @multi: multicast addresses
 * @vlans: a bit for each VLAN that passes
 */
struct kvlane_net_filter {
	seqlock_t lock;
	unsigned long modes;
	u8 mac[ETH_ALEN];
	bool check_vlans;
	struct kvlane_net_macs uni;
	struct kvlane_net_macs multi;
	DECLARE_BITMAP(vlans, VLAN_N_VID);
};

/**
 * struct kvlane_net - a network device
 * @dev: the device
 * @max_pairs: elements of @ports
 * @pairs: pairs the driver uses
 * @header_len: bytes of the header at the descriptors
 * @zerocopy_min: bytes from which on packets are sent without a copy
 * @present: a back end was set
 * @link_up: what the owner wants
 * @lost: the network device below has gone
 * @running: what both come to, read by lanes
 * @guest: offloads of the driver now in force: VIRTIO_NET_F_GUEST_* bits
 * @offloads: what the taps were told of them: TUN_F_* bits
 * @offload_lock: so that they are told in order
 * @below: work on what takes the network stack's lock, of a device for vDPA; see net_port.c
 * @watching: @notifier is registered
 * @lock: orders changes of @config and of what @running comes from
 * @config: device configuration
 * @mac: address of the device as it was set up
 * @filter: receive filter
 * @rss: what the driver wants of RSS, under @lock; but for @pairs
 * @notifier: tells of network devices that go
 * @ports: the pairs
 */
struct kvlane_net {
	struct kvlane_device *dev;
	u32 max_pairs;
	u32 pairs;
	u32 header_len;
	u32 zerocopy_min;
	bool present;
	bool link_up;
	atomic_t lost;
	bool running;
	u64 guest;
	unsigned int offloads;
	struct mutex offload_lock;
	struct work_struct below;
	bool watching;
	spinlock_t lock;
	struct virtio_net_config config;
	u8 mac[ETH_ALEN];
	struct kvlane_net_filter filter;
	struct kvlane_net_rss rss;
	struct notifier_block notifier;
	struct kvlane_net_port *ports;
};

/**
 * struct kvlane_net_request - a packet from the guest, or a control command
 * @req: the chain
 * @buf: the packet is being sent from guest memory
 * @copied: it was copied after all
 */
struct kvlane_net_request {
	struct kvlane_request req;
	struct kvlane_net_zc_buf *buf;
	bool copied;
};

static inline struct kvlane_net *kvlane_net_of(const struct kvlane_queue *q)
{
	return q->dev->priv;
}

static inline struct kvlane_net_port *
kvlane_net_port_of(const struct kvlane_queue *q)
{
	return &kvlane_net_of(q)->ports[q->index / 2];
}

static inline struct kvlane_net_request *
kvlane_net_request(struct kvlane_request *req)
{
	return container_of(req, struct kvlane_net_request, req);
}

/* net.c */
void kvlane_net_lost(struct kvlane_net *net, u32 queue);
void kvlane_net_drop(struct kvlane_queue *q, u32 packets);
void kvlane_net_set_pairs(struct kvlane_net *net, u32 pairs);
void kvlane_net_set_mac(struct kvlane_net *net, const u8 *mac);
void kvlane_net_announced(struct kvlane_net *net);

/* net_port.c */
int kvlane_net_ends_open(struct kvlane_net_end *ends, u64 fds, u32 nr);
void kvlane_net_ends_close(struct kvlane_net_end *ends, u32 nr);
int kvlane_net_end_offload(const struct kvlane_net_end *end, unsigned int offloads);
void kvlane_net_port_tie(struct kvlane_net_port *port);
void kvlane_net_port_untie(struct kvlane_net_port *port);
void kvlane_net_port_check(struct kvlane_net_port *port);
int kvlane_net_offload(struct kvlane_net *net, u64 guest);
int kvlane_net_tell(struct kvlane_net *net);
void kvlane_net_below(struct work_struct *work);
unsigned int kvlane_net_offloads(u64 guest);

/* net_rx.c */
int kvlane_net_rx_serve(struct kvlane_queue *q,
			const struct kvlane_memtable *table);
void kvlane_net_rx_discard(struct kvlane_net_port *port);
void kvlane_net_rx_timer(struct timer_list *timer);

/* net_tx.c */
void kvlane_net_tx_handle(struct kvlane_queue *q, struct kvlane_request *req);
bool kvlane_net_tx_full(const struct kvlane_net_port *port);
void kvlane_net_tx_room(struct kvlane_net_port *port);
void kvlane_net_tx_flush(struct kvlane_queue *q);
void kvlane_net_tx_finish(struct kvlane_queue *q, struct kvlane_request *req);
void kvlane_net_tx_stop(struct kvlane_queue *q);

/* net_header.c */
bool kvlane_net_header_check(struct virtio_net_hdr_v1 *hdr, u64 features,
			     const u8 *packet, u32 present, u32 len);

/* net_zc.c */
struct kvlane_net_zc *kvlane_net_zc_create(u32 nr);
void kvlane_net_zc_destroy(struct kvlane_net_zc *zc);
struct kvlane_net_zc_buf *kvlane_net_zc_get(struct kvlane_net_zc *zc,
					    struct kvlane_request *req);
struct ubuf_info *kvlane_net_zc_ubuf(struct kvlane_net_zc_buf *buf);
bool kvlane_net_zc_cancel(struct kvlane_net_zc_buf *buf);
void kvlane_net_zc_detach(struct kvlane_net_zc *zc);
u32 kvlane_net_zc_lent(const struct kvlane_net_zc *zc);

/* net_filter.c */
bool kvlane_net_filter_passes(struct kvlane_net_filter *filter, const u8 *packet,
			      u32 len, int vlan);
void kvlane_net_filter_reset(struct kvlane_net_filter *filter, const u8 *mac,
			     bool check_vlans);
void kvlane_net_filter_set_mode(struct kvlane_net_filter *filter, u8 mode, bool on);
void kvlane_net_filter_set_vlan(struct kvlane_net_filter *filter, u16 vid, bool on);
void kvlane_net_filter_set_mac(struct kvlane_net_filter *filter, const u8 *mac);
void kvlane_net_filter_set_tables(struct kvlane_net_filter *filter,
				  const struct kvlane_net_macs *uni,
				  const struct kvlane_net_macs *multi);

/* net_ctrl.c */
void kvlane_net_ctrl_handle(struct kvlane_queue *q, struct kvlane_request *req);
int kvlane_net_ctrl_finish(struct kvlane_queue *q, struct kvlane_request *req);

/* net_rss.c */
void kvlane_net_rss_configure(struct kvlane_net *net, bool steered);
bool kvlane_net_rss_set(struct kvlane_net *net, struct iov_iter *from);
void kvlane_net_rss_clear(struct kvlane_net *net);
int kvlane_net_rss_get(struct kvlane_device *dev, struct kvlane_net_rss *rss);

#endif
