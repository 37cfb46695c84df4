// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct I/O on a block device, past the operations of its file.
 *
 * These look at each request as something that any program may have made up, and keep
 * a state of their own for it.  A request of ours has been checked, has its state, and lies
 * in one run of the disk, so that it can be a bio at once; that takes a tenth less of a
 * lane's time (Documentation/benchmarks.rst).
 *
 * Where the file operations would have something to say or to do they are asked
 * (kvlane_blk_bio_fits()): they keep the page cache of the device right, refuse buffers that
 * the device cannot take and writes to what is read-only or swapped to, know what became of
 * a device that shrank, and cut what is too large.  So nothing differs but the cost.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/task_io_accounting_ops.h>
#include <linux/uio.h>

#include "blk.h"

/* Interrupt context, mostly. The pages are let go before the answer, not after it. */
static void kvlane_blk_bio_end(struct bio *bio)
{
	struct kvlane_blk_request *r = bio->bi_private;
	long ret = blk_status_to_errno(bio->bi_status);

	if (!ret)
		ret = r->len - r->done;
	if (r->dirty) {
		bio_check_pages_dirty(bio);
	} else {
		bio_release_pages(bio, false);
		bio_put(bio);
	}
	kvlane_blk_ended(r, ret);
}

static bool kvlane_blk_bio_aligned(const struct kvlane_blk_request *r,
				   struct block_device *bdev)
{
	unsigned int block = bdev_logical_block_size(bdev) - 1;

	return !((r->pos + r->done) & block) &&
	       !(iov_iter_alignment(&r->iter) & (block | bdev_dma_alignment(bdev)));
}

static bool kvlane_blk_bio_fits(const struct kvlane_blk_request *r)
{
	const struct kvlane_blk *blk = kvlane_blk_of(r);
	const struct address_space *mapping = blk->file->f_mapping;
	struct block_device *bdev = blk->bdev;

	if (!bdev || !blk->direct || blk->iopoll)
		return false;
	if (r->type == VIRTIO_BLK_T_IN && !KVLANE_BIO_DIRTIES)
		return false;
	if (READ_ONCE(mapping->nrpages) || r->pos + r->len > bdev_nr_bytes(bdev))
		return false;
	if (r->type == VIRTIO_BLK_T_OUT && (bdev_read_only(bdev) || IS_SWAPFILE(mapping->host)))
		return false;
	return kvlane_blk_bio_aligned(r, bdev);
}

static blk_opf_t kvlane_blk_bio_opf(const struct kvlane_blk_request *r)
{
	if (r->type == VIRTIO_BLK_T_IN)
		return REQ_OP_READ;
	return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
	       (READ_ONCE(kvlane_blk_of(r)->writeback) ? 0 : REQ_FUA);
}

/* Returns NULL if the buffers are not for one bio, or not to be had. */
static struct bio *kvlane_blk_bio_alloc(struct kvlane_blk_request *r)
{
	struct iov_iter iter = r->iter;
	int nr = bio_iov_vecs_to_alloc(&iter, BIO_MAX_VECS + 1);
	struct bio *bio;

	if (nr > BIO_MAX_VECS)
		return NULL;
	bio = bio_alloc_bioset(kvlane_blk_of(r)->bdev, nr,
			       kvlane_blk_bio_opf(r) | REQ_ALLOC_CACHE, GFP_KERNEL,
			       &fs_bio_set);
	if (!bio_iov_iter_get_pages(bio, &iter)) {
		if (!iov_iter_count(&iter))
			return bio;
		bio_release_pages(bio, false);
	}
	bio_put(bio);
	return NULL;
}

/**
 * kvlane_blk_submit_bio - begin a read or write without the file's operations
 * @r: the request, &kvlane_blk_request.iter aimed at what is left of its data
 *
 * May sleep like the file's operations do, when the device's queue is full.
 *
 * Return: whether it was begun; kvlane_blk_ended() follows, or has been called. If not,
 * the request is as it was.
 */
bool kvlane_blk_submit_bio(struct kvlane_blk_request *r)
{
	struct bio *bio;

	if (!kvlane_blk_bio_fits(r))
		return false;
	bio = kvlane_blk_bio_alloc(r);
	if (!bio)
		return false;
	bio->bi_iter.bi_sector = (r->pos + r->done) >> SECTOR_SHIFT;
	bio->bi_end_io = kvlane_blk_bio_end;
	bio->bi_private = r;
	r->dirty = r->type == VIRTIO_BLK_T_IN && user_backed_iter(&r->iter);
	if (r->dirty)
		bio_set_pages_dirty(bio);
	if (r->type == VIRTIO_BLK_T_OUT)
		task_io_account_write(bio->bi_iter.bi_size);
	submit_bio(bio);
	return true;
}
