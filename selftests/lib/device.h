/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device as its driver sees it: the register window, the initialisation
 * of virtio 1.2 section 3.1.1, and the events and counters of the module.
 */
#ifndef KVLANE_TEST_DEVICE_H
#define KVLANE_TEST_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/kvlane.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "guest.h"
#include "vq.h"

/** define BIT - a feature bit as a mask */
#define BIT(n)		(1ULL << (n))
/** define COMMON - offset of a field of the common configuration in the window */
#define COMMON(field)	(KVLANE_WINDOW_COMMON + VIRTIO_PCI_COMMON_##field)
/** define FEATURES_ALL - accept whatever the device offers */
#define FEATURES_ALL	UINT64_MAX
/** define FEATURES_PLAIN - neither indirect descriptors nor EVENT_IDX */
#define FEATURES_PLAIN	BIT(VIRTIO_F_VERSION_1)
/** define CONFIG_VECTOR - the vector that device_start() gives to configuration changes */
#define CONFIG_VECTOR	0
/** define WAIT_MS - how long anything may take before a test calls it lost */
#define WAIT_MS		20000

/**
 * struct device - one virtio device
 * @guest: whose memory it uses
 * @fd: the device descriptor
 * @type: virtio device type
 * @nr_queues: virtqueues
 * @queue_size: descriptors of each
 * @rings: VIRTIO_F_RING_PACKED and VIRTIO_F_IN_ORDER, if they are to be accepted.
 *	Set by the environment, KVLANE_PACKED and KVLANE_IN_ORDER, but a test that
 *	is about a certain kind of ring may change it before it negotiates.
 * @lane_queues: neighbouring queues that share a thread, from the environment,
 *	KVLANE_LANE_QUEUES
 * @features: what was negotiated last
 * @config_call: eventfd of CONFIG_VECTOR; queue N has vector N + 1
 * @vq: the queues
 */
struct device {
	struct guest *guest;
	int fd;
	uint32_t type;
	unsigned int nr_queues;
	unsigned int queue_size;
	uint64_t rings;
	unsigned int lane_queues;
	uint64_t features;
	int config_call;
	struct vq *vq;
};

/**
 * device_open() - make a device with eventfds for every queue and vector
 * @d: filled in
 * @g: its guest
 * @type: VIRTIO_ID_BLOCK or VIRTIO_ID_RNG
 * @nr_queues: virtqueues
 * @queue_size: descriptors of each
 *
 * Return: 0 or a negative errno.
 */
int device_open(struct device *d, struct guest *g, uint32_t type,
		unsigned int nr_queues, unsigned int queue_size);

/**
 * device_close() - close the device and its eventfds
 * @d: the device; may be zeroed, or opened in part
 */
void device_close(struct device *d);

/**
 * device_set_blk() - give a disk its file
 * @d: the device
 * @fd: the file; may be closed afterwards
 * @flags: KVLANE_BACKEND_*
 * @block_size: logical block size, or 0 for the file's own
 *
 * Return: 0 or a negative errno.
 */
int device_set_blk(struct device *d, int fd, uint32_t flags, uint32_t block_size);

/**
 * device_set_rng() - give an entropy source its file and its limit
 * @d: the device
 * @fd: the file, or -1 for the host's own generator
 * @rate: bytes per second, or 0
 * @burst: bytes at once, or 0
 *
 * Return: 0 or a negative errno.
 */
int device_set_rng(struct device *d, int fd, uint64_t rate, uint64_t burst);

/**
 * device_tie() - tie an eventfd to a queue or a vector
 * @d: the device
 * @request: KVLANE_SET_KICK or KVLANE_SET_VECTOR
 * @index: which queue or vector
 * @fd: the eventfd, or -1
 *
 * Return: 0 or a negative errno.
 */
int device_tie(struct device *d, unsigned long request, unsigned int index, int fd);

/**
 * reg_read() - read a register
 * @d: the device
 * @offset: in the window
 * @size: 1, 2, 4 or 8 bytes
 *
 * Return: the value; all ones with errno set if the device refuses.
 */
uint64_t reg_read(struct device *d, unsigned int offset, unsigned int size);

/**
 * reg_write() - write a register
 * @d: the device
 * @offset: in the window
 * @size: 1, 2, 4 or 8 bytes
 * @value: what to write
 *
 * Return: 0 or a negative errno.
 */
int reg_write(struct device *d, unsigned int offset, unsigned int size, uint64_t value);

/**
 * device_status() - the device status byte
 * @d: the device
 *
 * Return: VIRTIO_CONFIG_S_* bits.
 */
uint8_t device_status(struct device *d);

/**
 * device_reset() - write 0 to the status and wait until it reads 0
 * @d: the device
 *
 * Return: 0, or -ETIMEDOUT.
 */
int device_reset(struct device *d);

/**
 * device_offered() - the features the device offers
 * @d: the device
 *
 * Return: all 64 feature bits.
 */
uint64_t device_offered(struct device *d);

/**
 * device_negotiate() - reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK
 * @d: the device
 * @wanted: features to accept, where offered; VIRTIO_F_VERSION_1 always is, and what
 *	concerns the kind of ring is taken from device.rings instead
 *
 * Return: 0, -EPROTO if the device does not keep FEATURES_OK, or another
 * negative errno.
 */
int device_negotiate(struct device *d, uint64_t wanted);

/**
 * device_setup_queue() - hand a queue's ring to the device and enable it
 * @d: the device
 * @index: which queue; its ring is made anew and empty
 *
 * Return: 0 or a negative errno.
 */
int device_setup_queue(struct device *d, unsigned int index);

/**
 * device_driver_ok() - add DRIVER_OK to the status
 * @d: the device
 */
void device_driver_ok(struct device *d);

/**
 * device_start() - everything from reset to DRIVER_OK
 * @d: the device
 * @wanted: features to accept, where offered
 *
 * Return: 0 or a negative errno.
 */
int device_start(struct device *d, uint64_t wanted);

/**
 * device_queue_reset() - reset one queue (VIRTIO_F_RING_RESET) and wait for it
 * @d: the device
 * @index: which queue
 *
 * Return: 0, or -ETIMEDOUT.
 */
int device_queue_reset(struct device *d, unsigned int index);

/**
 * device_event() - take one event
 * @d: the device
 * @ev: filled in
 * @timeout_ms: how long to wait
 *
 * Return: 0, -ETIMEDOUT, or another negative errno.
 */
int device_event(struct device *d, struct kvlane_event *ev, int timeout_ms);

/**
 * device_expect() - take events until one of a type comes
 * @d: the device
 * @type: KVLANE_EVENT_*
 * @ev: filled in
 *
 * Return: whether it came within WAIT_MS of the one before.
 */
bool device_expect(struct device *d, uint32_t type, struct kvlane_event *ev);

/**
 * device_lanes() - have interrupts held back
 * @d: the device
 * @queue: whose, or KVLANE_NO_QUEUE
 * @us: for so long at most, in microseconds
 * @requests: for so many completed requests at most
 *
 * Return: 0 or a negative errno.
 */
int device_lanes(struct device *d, uint32_t queue, uint32_t us, uint32_t requests);

/**
 * device_stats() - the counters of the device and of one queue
 * @d: the device
 * @st: filled in; may be NULL
 * @index: which queue
 * @qs: filled in; may be NULL
 *
 * Return: 0 or a negative errno.
 */
int device_stats(struct device *d, struct kvlane_stats *st, unsigned int index,
		 struct kvlane_queue_stats *qs);

/**
 * device_inflight() - wait until that many requests of a queue are in flight
 * @d: the device
 * @index: which queue
 * @count: at least so many
 *
 * Return: 0, or -ETIMEDOUT.
 */
int device_inflight(struct device *d, unsigned int index, uint64_t count);

/**
 * eventfd_wait() - wait until an eventfd is signalled, and clear it
 * @fd: the eventfd
 * @timeout_ms: how long to wait
 *
 * Return: how often it was signalled, or 0 if it was not.
 */
uint64_t eventfd_wait(int fd, int timeout_ms);

#endif
