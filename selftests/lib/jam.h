/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network in which packets get stuck:
 *
 *	guest -- kvl0 -- bridge kvbr -- dummy kvd, a queue of packets in front
 */
#ifndef KVLANE_TEST_JAM_H
#define KVLANE_TEST_JAM_H

#include "net.h"

/** define JAM_SIZE - descriptors of each queue */
#define JAM_SIZE	64

/**
 * jam_open() - make the network and a network device with one queue pair at its end
 * @n: filled in; without a packet socket, which would have packets copied
 *
 * Return: 0; -ENOENT where the kernel lacks what that takes; or a negative errno.
 */
int jam_open(struct nic *n);

/**
 * jam_close() - remove both
 * @n: the device
 */
void jam_close(struct nic *n);

/**
 * jam_shut() - packets wait in the queue, and never come out
 *
 * Return: 0 or a negative errno.
 */
int jam_shut(void);

/**
 * jam_slow() - packets come out of the queue after a moment
 *
 * Return: 0 or a negative errno.
 */
int jam_slow(void);

/**
 * jam_hold() - as jam_shut(), and whoever sent them is charged for the packets; one
 *	more comes out now and then
 *
 * Return: 0; -ENOENT where the kernel cannot do that; or a negative errno.
 */
int jam_hold(void);

/**
 * jam_pace() - as jam_hold(), but the packets come out soon
 *
 * Return: as jam_hold().
 */
int jam_pace(void);

/**
 * jam_reopen() - packets get through as they come; those in the queue are dropped
 *
 * Return: 0 or a negative errno.
 */
int jam_reopen(void);

/**
 * jam_passed() - packets that came out of the queue
 *
 * Return: their number, or -1.
 */
long jam_passed(void);

/**
 * jam_packet() - what jam_put() sends
 * @n: the device
 * @packet: the packet
 * @len: bytes of it
 */
void jam_packet(struct nic *n, const void *packet, size_t len);

/**
 * jam_put() - put packets into the ring, and kick
 * @n: the device
 * @nr: how many
 * @len: bytes of each
 *
 * Return: how many fitted.
 */
unsigned int jam_put(struct nic *n, unsigned int nr, size_t len);

/**
 * jam_back() - wait until so many have come back
 * @n: the device
 * @nr: how many
 * @ms: for how long
 *
 * Return: how many have.
 */
unsigned int jam_back(struct nic *n, unsigned int nr, unsigned int ms);

#endif
