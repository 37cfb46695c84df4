/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a virtqueue, virtio 1.2 sections 2.7 and 2.8.  One thread per
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
 * struct vq_chain - what the driver keeps of a chain, by head
 * @token: what vq_pop() returns; NULL if the chain is not in flight
 * @table: the indirect table, made on first use
 * @length: descriptors of the ring
 * @in_len: bytes the device may write
 */
struct vq_chain {
	void *token;
	struct vring_desc *table;
	uint16_t length;
	uint32_t in_len;
};

/**
 * struct vq - a virtqueue
 * @dev: its device
 * @index: its number
 * @size: descriptors
 * @desc: descriptor table; of a packed ring the descriptor ring
 * @avail: ring of the driver; of a packed ring the driver's event suppression
 * @used: ring of the device; of a packed ring the device's event suppression
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @in_order: VIRTIO_F_IN_ORDER was negotiated
 * @event_idx: VIRTIO_F_EVENT_IDX was negotiated
 * @indirect: put chains of more than one descriptor into indirect tables
 * @notify_by_write: kick through the register window, not the eventfd
 * @kick: eventfd the device listens to
 * @call: eventfd the device signals
 * @next_avail: where the next head goes, not yet published. Packed: the slot, and
 *	the wrap counter in bit 15.
 * @published: the avail index the device can see, in the same terms
 * @last_used: how far the used ring was read, in the same terms
 * @hidden: packed: flags of the descriptor at @published, not written yet
 * @free_head: first free descriptor, or buffer id
 * @nr_free: free descriptors
 * @links: per descriptor: the next one of its chain or of the free list
 * @chain: per head
 * @order: in order: heads in flight
 * @first: oldest element of @order
 * @nr_order: elements of @order
 * @batch: in order: head the last used element names, or -1 when all chains up to
 *	that one were taken
 * @batch_len: what it says was written
 *
 * A test may write to @desc, @avail and the free running indices of a split ring as
 * it likes.
 */
struct vq {
	struct device *dev;
	unsigned int index;
	unsigned int size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool packed;
	bool in_order;
	bool event_idx;
	bool indirect;
	bool notify_by_write;
	int kick;
	int call;
	uint16_t next_avail;
	uint16_t published;
	uint16_t last_used;
	uint16_t hidden;
	uint16_t free_head;
	unsigned int nr_free;
	uint16_t *links;
	struct vq_chain *chain;
	uint16_t *order;
	unsigned int first;
	unsigned int nr_order;
	int batch;
	uint32_t batch_len;
};

/**
 * vq_open() - make the eventfds and the book-keeping of a queue
 * @vq: filled in
 * @dev: its device
 * @index: its number
 * @size: descriptors, a power of two unless the ring is going to be packed
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
 * @head: any number; of a packed ring the id of a buffer of one byte
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
 * vq_used_any() - did the device use something since vq_pop() returned NULL?
 * @vq: the queue
 */
bool vq_used_any(struct vq *vq);

/**
 * vq_put_packed() - write a descriptor of a packed ring, with nothing held back
 * @vq: the queue
 * @place: slot, and the wrap counter in bit 15
 * @desc: the descriptor; the bits that make it available are added
 */
void vq_put_packed(struct vq *vq, uint16_t place, struct vring_packed_desc desc);

/**
 * vq_advance() - the place that many descriptors further in a packed ring
 * @vq: the queue
 * @place: slot, and the wrap counter in bit 15
 * @n: at most a ring
 */
uint16_t vq_advance(const struct vq *vq, uint16_t place, unsigned int n);

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

/* The two kinds of ring, for vq.c. */

void split_clear(struct vq *vq);
uint16_t split_add(struct vq *vq, const struct vring_desc *desc, unsigned int n);
void split_add_raw(struct vq *vq, uint16_t head);
bool split_publish(struct vq *vq);
int split_used(struct vq *vq, uint32_t *len);
void split_free(struct vq *vq, uint16_t head);
void split_interrupts(struct vq *vq, bool on);

void packed_clear(struct vq *vq);
uint16_t packed_add(struct vq *vq, const struct vring_desc *desc, unsigned int n);
void packed_add_raw(struct vq *vq, uint16_t id);
bool packed_publish(struct vq *vq);
int packed_used(struct vq *vq, uint32_t *len);
void packed_free(struct vq *vq, uint16_t head);
void packed_interrupts(struct vq *vq, bool on);

#endif
