/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A listener to the module's events on generic netlink, with nothing between it
 * and the socket.
 */
#ifndef KVLANE_TEST_LISTENER_H
#define KVLANE_TEST_LISTENER_H

#include <stdint.h>

/**
 * struct heard - an event as it arrived; what was absent is 0, or KVLANE_NO_QUEUE
 * @vm: number of the VM
 * @pid: the process that created it
 * @device: which device of the VM
 * @device_type: its virtio type
 * @type: enum kvlane_event_type
 * @queue: where
 * @reason: enum kvlane_reason
 * @error: negative errno
 * @omitted: events left out before
 * @time_ns: when
 * @value: what the type says
 */
struct heard {
	uint64_t vm;
	uint32_t pid;
	uint32_t device;
	uint32_t device_type;
	uint32_t type;
	uint32_t queue;
	uint32_t reason;
	int32_t error;
	uint32_t omitted;
	uint64_t time_ns;
	uint64_t value;
};

/**
 * listener_open() - join the events of this network namespace
 *
 * Return: a descriptor, or a negative errno: -ENOENT if there is no such family,
 * -EPERM.
 */
int listener_open(void);

/**
 * listener_next() - wait for an event
 * @fd: the listener
 * @heard: filled in
 * @timeout_ms: how long to wait
 *
 * Return: 0, -ETIMEDOUT, -ENOBUFS if some were lost, or another negative errno.
 */
int listener_next(int fd, struct heard *heard, int timeout_ms);

#endif
