/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Throttles, and a driver that keeps queues as full as they let it.
 */
#ifndef KVLANE_TEST_THROTTLE_H
#define KVLANE_TEST_THROTTLE_H

#include <stdint.h>

#include <linux/kvlane.h>

#include "blk.h"

/** define NSEC - nanoseconds in a second */
#define NSEC		1000000000ULL
/** define LOAD_MOST - most requests a load keeps in flight */
#define LOAD_MOST	64

/**
 * throttle_open() - make a throttle
 *
 * Return: its descriptor, or a negative errno.
 */
int throttle_open(void);

/**
 * throttle_set() - set one limit of a throttle, and lift all others
 * @fd: the throttle
 * @which: enum kvlane_limit
 * @rate: in a second, or 0
 *
 * Return: 0 or a negative errno.
 */
int throttle_set(int fd, unsigned int which, uint64_t rate);

/**
 * throttle_get() - limits and counters
 * @fd: the throttle
 *
 * Return: them; all zero if that fails.
 */
struct kvlane_limits throttle_get(int fd);

/**
 * throttle_waiting() - wait until so many queues wait
 * @fd: the throttle
 * @count: so many
 *
 * Return: 0, or -ETIMEDOUT.
 */
int throttle_waiting(int fd, uint64_t count);

/**
 * device_throttle() - have a device's requests wait for a throttle
 * @d: the device
 * @fd: the throttle, or -1
 *
 * Return: 0 or a negative errno.
 */
int device_throttle(struct device *d, int fd);

/**
 * clock_ns() - the time
 *
 * Return: CLOCK_MONOTONIC in nanoseconds.
 */
uint64_t clock_ns(void);

/**
 * struct load - requests that are sent again as soon as they are done
 * @vq: to which queue
 * @type: VIRTIO_BLK_T_IN or VIRTIO_BLK_T_OUT
 * @depth: requests in flight, at most LOAD_MOST
 * @least: bytes of the smallest request
 * @most: bytes of the largest; sizes in between are all as frequent
 * @req: the requests
 * @len: what was asked for
 * @seed: of sizes
 * @ops: requests done
 * @bytes: in them
 * @failed: those with an error
 */
struct load {
	struct vq *vq;
	uint32_t type;
	unsigned int depth;
	uint32_t least;
	uint32_t most;
	struct blk_req req[LOAD_MOST];
	uint32_t len[LOAD_MOST];
	uint64_t seed;
	uint64_t ops;
	uint64_t bytes;
	uint64_t failed;
};

/**
 * load_open() - allocate the requests of a load and send them
 * @load: filled in but for @vq, @type, @depth, @least and @most
 *
 * Return: 0 or a negative errno.
 */
int load_open(struct load *load);

/**
 * load_run() - keep loads going
 * @loads: the loads
 * @nr: how many, at most 8
 * @until_ns: until this time
 */
void load_run(struct load *loads, unsigned int nr, uint64_t until_ns);

/**
 * load_drain() - wait for all that is in flight
 * @loads: the loads
 * @nr: how many
 *
 * Return: 0, or -ETIMEDOUT.
 */
int load_drain(struct load *loads, unsigned int nr);

#endif
