/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tap devices, and a packet socket on the other side of one: what it sends the
 * guest receives, and the other way round.
 */
#ifndef KVLANE_TEST_TAP_H
#define KVLANE_TEST_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/virtio_net.h>

/** define TAP_QUEUES - most queues of a tap here */
#define TAP_QUEUES	8

/**
 * struct tap - a tap device and a packet socket on it
 * @name: of the network device
 * @fd: its queues
 * @queues: elements of @fd
 * @raw: the packet socket, with a header (struct virtio_net_hdr) on each packet
 */
struct tap {
	char name[16];
	int fd[TAP_QUEUES];
	unsigned int queues;
	int raw;
};

/**
 * net_private() - move the caller into a network namespace of its own
 *
 * Return: 0, or -ENOENT where the kernel lacks those, or taps, or packet sockets.
 */
int net_private(void);

/**
 * tap_open() - make a tap device, up, with nothing on it but a packet socket
 * @t: filled in
 * @name: of the network device
 * @queues: 1 to TAP_QUEUES
 * @header_len: bytes of the header on its descriptors: 12, 10 or 0
 *
 * Return: 0 or a negative errno.
 */
int tap_open(struct tap *t, const char *name, unsigned int queues,
	     unsigned int header_len);

/**
 * tap_close() - remove it, unless somebody else still holds a queue
 * @t: the device; may be zeroed, or opened in part
 */
void tap_close(struct tap *t);

/**
 * tap_attach() - attach or detach a queue
 * @t: the device
 * @queue: which
 * @on: attach
 *
 * Return: 0 or a negative errno.
 */
int tap_attach(struct tap *t, unsigned int queue, bool on);

/**
 * tap_mtu() - set the MTU
 * @t: the device
 * @mtu: bytes
 *
 * Return: 0 or a negative errno.
 */
int tap_mtu(struct tap *t, unsigned int mtu);

/**
 * raw_open() - a packet socket on a network device
 * @name: the device
 * @header: with a header on each packet
 *
 * Return: a descriptor, or a negative errno.
 */
int raw_open(const char *name, bool header);

/**
 * tap_put() - send a packet to the guest
 * @t: the device
 * @hdr: what there is to say of the packet, or NULL
 * @packet: the packet
 * @len: bytes of it
 *
 * Return: 0 or a negative errno.
 */
int tap_put(struct tap *t, const struct virtio_net_hdr *hdr, const void *packet,
	    size_t len);

/**
 * tap_get() - take a packet the guest has sent
 * @t: the device
 * @hdr: filled in; may be NULL
 * @packet: filled in
 * @size: room in @packet
 * @timeout_ms: how long to wait
 *
 * Return: bytes of the packet, or a negative errno; -ETIMEDOUT for none.
 */
ssize_t tap_get(struct tap *t, struct virtio_net_hdr *hdr, void *packet, size_t size,
		int timeout_ms);

#endif
