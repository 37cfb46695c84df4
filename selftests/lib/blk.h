/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests of a virtio block device, virtio 1.2 section 5.2.6.
 */
#ifndef KVLANE_TEST_BLK_H
#define KVLANE_TEST_BLK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_blk.h>

#include "device.h"

/** define BLK_SEGMENTS - most data buffers of a request made here */
#define BLK_SEGMENTS	254
/** define BLK_STATUS_UNSET - what the status byte holds until the device writes it */
#define BLK_STATUS_UNSET 0xee

/**
 * struct blk_req - one request
 * @hdr: header, in guest memory
 * @status: status byte, in guest memory
 * @data: data buffer, in guest memory
 * @size: bytes of @data
 * @done: the device has returned it
 * @used_len: bytes the device says it wrote
 */
struct blk_req {
	struct virtio_blk_outhdr *hdr;
	uint8_t *status;
	uint8_t *data;
	uint32_t size;
	bool done;
	uint32_t used_len;
};

/**
 * blk_alloc() - make a request with its buffers in guest memory
 * @g: the guest
 * @r: filled in; can be used again and again
 * @size: bytes of the data buffer
 *
 * The header comes from the lower half of the memory, the data from the upper.
 *
 * Return: 0 or -ENOMEM.
 */
int blk_alloc(struct guest *g, struct blk_req *r, uint32_t size);

/**
 * blk_writes() - which way the data of a request goes
 * @type: VIRTIO_BLK_T_*
 *
 * Return: whether the device reads the data.
 */
bool blk_writes(uint32_t type);

/**
 * blk_add() - put a request into a queue, without telling the device
 * @vq: the queue
 * @r: the request
 * @type: VIRTIO_BLK_T_*
 * @sector: in units of 512 bytes
 * @len: bytes of @r->data to transfer
 *
 * Return: the head, or -ENOSPC.
 */
int blk_add(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	    uint32_t len);

/**
 * blk_addv() - the same with data buffers of the caller's choice
 * @vq: the queue
 * @r: the request
 * @type: VIRTIO_BLK_T_*
 * @sector: in units of 512 bytes
 * @data: buffers in guest memory
 * @nr: at most BLK_SEGMENTS
 *
 * Return: the head, or a negative errno.
 */
int blk_addv(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	     const struct iovec *data, unsigned int nr);

/**
 * blk_wait() - wait for one request, marking others done as they come by
 * @vq: the queue
 * @r: the request
 *
 * Return: the status byte, or -ETIMEDOUT.
 */
int blk_wait(struct vq *vq, struct blk_req *r);

/**
 * blk_poll() - take everything that is done, without waiting
 * @vq: the queue
 *
 * Return: how many requests came back.
 */
unsigned int blk_poll(struct vq *vq);

/**
 * blk_do() - add, kick and wait
 * @vq: the queue
 * @r: the request
 * @type: VIRTIO_BLK_T_*
 * @sector: in units of 512 bytes
 * @len: bytes of @r->data to transfer
 *
 * Return: the status byte, or a negative errno.
 */
int blk_do(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	   uint32_t len);

/**
 * blk_range() - a discard or write-zeroes request of one segment, waited for
 * @vq: the queue
 * @r: the request
 * @type: VIRTIO_BLK_T_DISCARD or VIRTIO_BLK_T_WRITE_ZEROES
 * @sector: first sector
 * @count: sectors
 * @flags: VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP, or other bits to be refused
 *
 * Return: the status byte, or a negative errno.
 */
int blk_range(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	      uint32_t count, uint32_t flags);

/**
 * pattern_fill() - fill a buffer with bytes that tell position and seed
 * @buf: the buffer
 * @size: bytes
 * @seed: any number
 */
void pattern_fill(void *buf, size_t size, uint64_t seed);

/**
 * pattern_matches() - check what pattern_fill() wrote
 * @buf: the buffer
 * @size: bytes
 * @seed: the same number
 *
 * Return: whether every byte is right.
 */
bool pattern_matches(const void *buf, size_t size, uint64_t seed);

/**
 * all_bytes() - check that a buffer holds nothing but one value
 * @buf: the buffer
 * @size: bytes
 * @value: the value
 *
 * Return: whether it does.
 */
bool all_bytes(const void *buf, size_t size, uint8_t value);

#endif
