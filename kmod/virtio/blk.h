/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_BLK_H
#define KVLANE_BLK_H

#include <linux/fs.h>
#include <linux/virtio_blk.h>

#include "../pool.h"
#include "device.h"

/**
 * define KVLANE_BLK_RANGES - most segments of a discard or zeroing request
 *
 * What Linux puts into one request of a batched trim, as long as it fits into
 * the room a request has anyhow.
 */
#define KVLANE_BLK_RANGES 32

/**
 * struct kvlane_blk - a disk
 * @file: the backing, NULL until it is set
 * @bdev: the block device it is, or NULL for a regular file
 * @sectors: size in units of 512 bytes
 * @block_size: what position and length of a read or write are multiples of
 * @rdonly: refuse what changes the disk
 * @direct: @file bypasses the page cache
 * @iopoll: @bdev is asked for completions instead of interrupting for them
 * @nowait: a request may be tried without blocking
 * @sync_try: a request does not block to speak of, though it cannot promise to
 * @writeback: a write may be answered before it is durable; written under the
 *	device lock, read by lanes
 * @serial: answer to VIRTIO_BLK_T_GET_ID
 * @config: device configuration, but for the writeback field
 * @pool: threads for what blocks
 */
struct kvlane_blk {
	struct file *file;
	struct block_device *bdev;
	u64 sectors;
	u32 block_size;
	bool rdonly;
	bool direct;
	bool iopoll;
	bool nowait;
	bool sync_try;
	bool writeback;
	u8 serial[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_config config;
	struct kvlane_pool pool;
};

/**
 * struct kvlane_blk_request - a block request
 * @req: the chain
 * @job: for the pool
 * @kiocb: for reads and writes
 * @iter: the data buffers that are still to go
 * @type: VIRTIO_BLK_T_*
 * @status: VIRTIO_BLK_S_*, written to the guest at the end
 * @holds: who uses @kiocb: its completion, and who has submitted it
 * @write: @kiocb holds write access to the file system
 * @dirty: the pages of its bio are written to
 * @pos: byte on the disk where it begins
 * @len: bytes of data
 * @done: bytes of data that are through
 * @result: how the last attempt to read or write ended, if not well
 * @nr_ranges: segments of a discard or write-zeroes, see kvlane_blk_ranges()
 * @status_addr: where in the guest's memory the status goes
 */
struct kvlane_blk_request {
	struct kvlane_request req;
	struct kvlane_job job;
	struct kiocb kiocb;
	struct iov_iter iter;
	atomic_t holds;
	u32 type;
	u8 status;
	bool write;
	bool dirty;
	u64 pos;
	u32 len;
	u32 done;
	long result;
	u32 nr_ranges;
	u8 __user *status_addr;
};

/**
 * kvlane_blk_request - the block request a request is
 * @req: the request
 */
static inline struct kvlane_blk_request *
kvlane_blk_request(struct kvlane_request *req)
{
	return container_of(req, struct kvlane_blk_request, req);
}

/**
 * kvlane_blk_of - the disk a block request is for
 * @r: the request
 */
static inline struct kvlane_blk *kvlane_blk_of(const struct kvlane_blk_request *r)
{
	return r->req.q->dev->priv;
}

/**
 * kvlane_blk_ranges - the segments of a discard or write-zeroes request
 * @r: the request, once its data was copied
 *
 * They have the room of its buffers but for the first, which is the status's then.
 */
static inline struct virtio_blk_discard_write_zeroes *
kvlane_blk_ranges(struct kvlane_blk_request *r)
{
	return (struct virtio_blk_discard_write_zeroes *)(r->req.iov + 1);
}

u8 kvlane_blk_status(int err);
void kvlane_blk_ended(struct kvlane_blk_request *r, long ret);
bool kvlane_blk_submit_bio(struct kvlane_blk_request *r);
bool kvlane_blk_ask(struct kvlane_request *req);
void kvlane_blk_begin_rw(struct kvlane_blk_request *r);
void kvlane_blk_begin_blocking(struct kvlane_blk_request *r);

#endif
