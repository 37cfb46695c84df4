/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a split virtqueue, virtio 1.2 section 2.7.  One thread per
 * queue; nothing here locks.
 */
#ifndef KVLANE_TEST_VQ_H
#define KVLANE_TEST_VQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

struct device;

/** define VQ_TABLE - descriptors an indirect table has room for */
#define VQ_TABLE	256

/**
 * struct vq - a split virtqueue
 * @dev: its device
 * @index: its number
 * @size: descriptors
 * @desc: descriptor table
 * @avail: ring of the driver
 * @used: ring of the device
 * @event_idx: VIRTIO_F_EVENT_IDX was negotiated
 * @indirect: put chains of more than one descriptor into indirect tables
 * @notify_by_write: kick through the register window, not the eventfd
 * @kick: eventfd the device listens to
 * @call: eventfd the device signals
 * @next_avail: where the next head goes, not yet published
 * @published: the avail index the device can see
 * @last_used: how far the used ring was read
 * @free_head: first free descriptor
 * @nr_free: free descriptors
 * @links: per descriptor: the next one of its chain or of the free list
 * @length: per head: descriptors of the chain
 * @token: per head: what vq_pop() returns
 * @table: per head: the indirect table, made on first use
 *
 * A test may write to @desc, @avail and the free running indices as it likes.
 */
struct vq {
	struct device *dev;
	unsigned int index;
	unsigned int size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx;
	bool indirect;
	bool notify_by_write;
	int kick;
	int call;
	uint16_t next_avail;
	uint16_t published;
	uint16_t last_used;
	uint16_t free_head;
	unsigned int nr_free;
	uint16_t *links;
	uint16_t *length;
	void **token;
	struct vring_desc **table;
};

/**
 * vq_open() - make the eventfds and the book-keeping of a queue
 * @vq: filled in
 * @dev: its device
 * @index: its number
 * @size: descriptors, a power of two
 *
 * Return: 0 or a negative errno.
 */
int vq_open(struct vq *vq, struct device *dev, unsigned int index, unsigned int size);

/**
 * vq_close() - close the eventfds and free the book-keeping
 * @vq: the queue; may be zeroed, or opened in part
 */
void vq_close(struct vq *vq);

/**
 * vq_clear() - make the ring empty, in guest memory allocated on first use
 * @vq: the queue; the device must not be using it
 *
 * Return: 0 or -ENOMEM.
 */
int vq_clear(struct vq *vq);

/**
 * vq_move() - leave the ring where it is and use other guest memory from now on
 * @vq: the queue; vq_clear() makes the new ring
 */
void vq_move(struct vq *vq);

/**
 * vq_add() - put a chain of buffers into the ring
 * @vq: the queue
 * @out: buffers the device reads, addresses in this process
 * @nr_out: elements of @out
 * @in: buffers the device writes
 * @nr_in: elements of @in
 * @token: returned by vq_pop() when the device is done; not NULL
 *
 * The device sees it after vq_publish().
 *
 * Return: the head, or -ENOSPC.
 */
int vq_add(struct vq *vq, const struct iovec *out, unsigned int nr_out,
	   const struct iovec *in, unsigned int nr_in, void *token);

/**
 * vq_add_raw() - put any head into the avail ring
 * @vq: the queue
 * @head: any number
 */
void vq_add_raw(struct vq *vq, uint16_t head);

/**
 * vq_publish() - let the device see what was added
 * @vq: the queue
 *
 * Return: whether the device wants a notification.
 */
bool vq_publish(struct vq *vq);

/**
 * vq_notify() - notify the device, wanted or not
 * @vq: the queue
 */
void vq_notify(struct vq *vq);

/**
 * vq_kick() - publish, and notify where wanted
 * @vq: the queue
 *
 * Return: whether a notification was sent.
 */
bool vq_kick(struct vq *vq);

/**
 * vq_pop() - take a chain the device is done with
 * @vq: the queue
 * @len: bytes the device says it wrote; may be NULL
 *
 * Return: the token of the chain, or NULL if there is none. An id the driver did
 * not put into the ring ends the program: the device has lost its mind.
 */
void *vq_pop(struct vq *vq, uint32_t *len);

/**
 * vq_wait() - take a chain, waiting for the interrupt where there is none yet
 * @vq: the queue
 * @len: bytes the device says it wrote; may be NULL
 *
 * Return: the token of the chain, or NULL after WAIT_MS without an interrupt.
 */
void *vq_wait(struct vq *vq, uint32_t *len);

/**
 * vq_interrupts() - ask for interrupts, or ask for none
 * @vq: the queue
 * @on: which
 */
void vq_interrupts(struct vq *vq, bool on);

#endif
