/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's half of virtio-net (virtio 1.2, section 5.1): buffers for packets,
 * merged or not, packets to send, and commands.
 */
#ifndef KVLANE_TEST_NET_H
#define KVLANE_TEST_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "device.h"
#include "frame.h"
#include "tap.h"

/** define NET_HEADER - bytes of the header before each packet in guest memory */
#define NET_HEADER	sizeof(struct virtio_net_hdr_v1)
/** define NET_PACKET - room for the longest packet */
#define NET_PACKET	65600
/** define RX - the receive queue of a pair */
#define RX(pair)	(2 * (pair))
/** define TX - the send queue of a pair */
#define TX(pair)	(2 * (pair) + 1)

/**
 * struct nic - a network device as its driver sees it
 * @g: the guest
 * @d: the device
 * @tap: the tap behind it
 * @pairs: queue pairs
 * @ctrl: the control queue, as the features have it
 * @buf: memory for packets to send, NET_HEADER + NET_PACKET bytes
 * @cmd: memory for commands, a page
 */
struct nic {
	struct guest g;
	struct device d;
	struct tap tap;
	unsigned int pairs;
	struct vq *ctrl;
	uint8_t *buf;
	uint8_t *cmd;
};

/**
 * nic_open() - make a network device on a tap of its own
 * @n: filled in
 * @pairs: queue pairs, at most TAP_QUEUES
 * @queue_size: descriptors of each queue
 * @header_len: bytes of the header at the tap
 *
 * Return: 0 or a negative errno.
 */
int nic_open(struct nic *n, unsigned int pairs, unsigned int queue_size,
	     unsigned int header_len);

/**
 * nic_close() - remove it
 * @n: the device; may be zeroed, or opened in part
 */
void nic_close(struct nic *n);

/**
 * nic_backend() - the arguments of KVLANE_SET_BACKEND for the device's tap
 * @n: the device
 * @header_len: bytes of the header at the tap
 *
 * Return: the structure; its descriptors are those of the tap.
 */
struct kvlane_backend nic_backend(struct nic *n, unsigned int header_len);

/**
 * nic_start() - from reset to DRIVER_OK
 * @n: the device
 * @wanted: features to accept, where offered
 *
 * Return: 0 or a negative errno.
 */
int nic_start(struct nic *n, uint64_t wanted);

/**
 * nic_fill() - give a receive queue buffers
 * @n: the device
 * @pair: which
 * @nr: how many
 * @size: bytes of each, header included
 *
 * Return: how many fitted into the ring.
 */
unsigned int nic_fill(struct nic *n, unsigned int pair, unsigned int nr, size_t size);

/**
 * nic_receive() - take a packet, and give its buffers back to the ring
 * @n: the device
 * @pair: which receive queue
 * @hdr: filled in; may be NULL
 * @packet: filled in
 * @size: room in @packet
 * @timeout_ms: how long to wait
 *
 * Return: bytes of the packet; -ETIMEDOUT for none; -EPROTO for one whose buffers
 * do not fit together.
 */
ssize_t nic_receive(struct nic *n, unsigned int pair, struct virtio_net_hdr_v1 *hdr,
		    void *packet, size_t size, int timeout_ms);

/**
 * nic_send() - send a packet and wait until the device has done with it
 * @n: the device
 * @pair: which send queue
 * @hdr: what there is to say of the packet, or NULL
 * @packet: the packet
 * @len: bytes of it
 *
 * Return: 0, or -ETIMEDOUT.
 */
int nic_send(struct nic *n, unsigned int pair, const struct virtio_net_hdr_v1 *hdr,
	     const void *packet, size_t len);

/**
 * nic_command() - give the control queue a command
 * @n: the device
 * @class: VIRTIO_NET_CTRL_*
 * @cmd: its number
 * @data: what comes with it
 * @len: bytes of that
 *
 * Return: the answer, VIRTIO_NET_OK or VIRTIO_NET_ERR; -1 without one.
 */
int nic_command(struct nic *n, uint8_t class, uint8_t cmd, const void *data, size_t len);

/**
 * nic_mode() - VIRTIO_NET_CTRL_RX
 * @n: the device
 * @cmd: VIRTIO_NET_CTRL_RX_*
 * @on: or off
 *
 * Return: as nic_command().
 */
int nic_mode(struct nic *n, uint8_t cmd, bool on);

/**
 * nic_link() - KVLANE_SET_LINK
 * @n: the device
 * @flags: KVLANE_LINK_*
 *
 * Return: 0 or a negative errno.
 */
int nic_link(struct nic *n, uint32_t flags);

/**
 * nic_status() - the status field of the configuration
 * @n: the device
 *
 * Return: VIRTIO_NET_S_* bits.
 */
uint16_t nic_status(struct nic *n);

/**
 * nic_count() - a counter of a queue
 * @n: the device
 * @queue: which queue
 * @offset: offsetof() of the counter in struct kvlane_queue_stats
 *
 * Return: the counter.
 */
uint64_t nic_count(struct nic *n, unsigned int queue, size_t offset);

/** define NIC_COUNT - the same by its name */
#define NIC_COUNT(n, queue, name) \
	nic_count(n, queue, offsetof(struct kvlane_queue_stats, name))

/**
 * nic_settle() - wait until a counter has reached a value
 * @n: the device
 * @queue: which queue
 * @offset: as for nic_count()
 * @value: at least so much
 *
 * Return: 0, or -ETIMEDOUT.
 */
int nic_settle(struct nic *n, unsigned int queue, size_t offset, uint64_t value);

/** define NIC_SETTLE - the same by its name */
#define NIC_SETTLE(n, queue, name, value) \
	nic_settle(n, queue, offsetof(struct kvlane_queue_stats, name), value)

#endif
