// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carrying out block requests on a file.
 *
 * A lane must not sleep in one request while others could go on. So a read or
 * write is begun in the lane only where that does not block:
 *
 *  - direct I/O on a block device is asynchronous; it blocks only when the
 *    device's queue is full, and then nothing else could be begun anyhow. It
 *    does without the file where it can (blk_bio.c),
 *  - a file that can IOCB_NOWAIT is asked so, and what it refuses goes to the
 *    pool,
 *  - tmpfs cannot promise, but it waits for nothing except swap,
 *  - everything else goes to the pool, as do flush, discard and write-zeroes.
 *
 * A block device with queues to be polled may be told not to interrupt for what the
 * lane begins; then the lane asks for completions as long as there is something to
 * wait for. Whatever the pool begins is interrupted for.
 *
 * A driver may cut its buffers as it likes (virtio 1.2, section 2.7.4), direct
 * I/O wants them aligned. Drivers know that and align them; so nothing is
 * checked beforehand, but a request that direct I/O refuses is done again
 * through a buffer of our own. So is, by a helper, one whose buffers may cease to be the
 * guest's memory while the file system makes it wait (remap.c).
 *
 * Durability (virtio 1.2, section 5.2.6.2): in writethrough mode a write is
 * IOCB_DSYNC, and a range operation is followed by a sync. A flush syncs the
 * data of the whole file; the writes it has to cover were completed before the
 * driver sent it.
 */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "../vm.h"
#include "blk.h"

/* Bytes of a bounced request that are carried at once. */
#define KVLANE_BLK_BOUNCE SZ_64K

/*
 * Bytes to discard or zero at once. It is one call underneath that nothing can
 * interrupt: so long a reset may have to wait. Ranges are cut at multiples of
 * it, which are those of any discard granularity too.
 */
#define KVLANE_BLK_RANGE_PIECE SZ_64M

/**
 * kvlane_blk_status - what the driver is told of an error
 * @err: 0 or a negative errno
 */
u8 kvlane_blk_status(int err)
{
	switch (err) {
	case 0:
		return VIRTIO_BLK_S_OK;
	case -EOPNOTSUPP:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

/* Any context but the lane's own. */
static void kvlane_blk_done(struct kvlane_blk_request *r, int err)
{
	r->status = kvlane_blk_status(err);
	kvlane_request_done(&r->req);
}

/* A failure is reported to the owner too, from process context. */
static void kvlane_blk_failed(struct kvlane_blk_request *r, int err)
{
	struct kvlane_queue *q = r->req.q;

	kvlane_device_backend_error(q->dev, q->index, err);
	kvlane_blk_done(r, err);
}

static void kvlane_blk_end_write(struct kvlane_blk_request *r)
{
	if (!r->write)
		return;
	r->write = false;
	kiocb_end_write(&r->kiocb);
}

static void kvlane_blk_rw_job(struct kvlane_job *job, bool killed);

static void kvlane_blk_defer(struct kvlane_blk_request *r)
{
	r->job.fn = kvlane_blk_rw_job;
	kvlane_pool_queue(&kvlane_blk_of(r)->pool, &r->job);
}

/**
 * kvlane_blk_ended - an asynchronous read or write is over
 * @r: the request
 * @ret: bytes, or a negative errno
 *
 * Perhaps in interrupt context. The good case is over at once; whatever else there
 * is to do needs a thread.
 */
void kvlane_blk_ended(struct kvlane_blk_request *r, long ret)
{
	if (ret > 0)
		r->done += ret;
	if (r->done == r->len) {
		kvlane_blk_done(r, 0);
		return;
	}
	r->result = ret;
	kvlane_blk_defer(r);
}

/*
 * Who has submitted a kiocb looks at it, and at the iterator, even after it was completed.
 * A request that is done is used for another one at once, so it is done for both first.
 */
static void kvlane_blk_let_go(struct kvlane_blk_request *r)
{
	if (atomic_dec_and_test(&r->holds))
		kvlane_blk_ended(r, r->result);
}

static void kvlane_blk_complete(struct kiocb *kiocb, long ret)
{
	struct kvlane_blk_request *r =
		container_of(kiocb, struct kvlane_blk_request, kiocb);

	kvlane_blk_end_write(r);
	/* The device has lost its queues for polling. */
	if (ret == -EOPNOTSUPP && kiocb->ki_flags & IOCB_HIPRI)
		ret = -EAGAIN;
	r->result = ret;
	kvlane_blk_let_go(r);
}

/*
 * Point the iterator at the data from @done on. Data in one piece, which is
 * the common case, makes an iterator that is cheaper to walk.
 */
static void kvlane_blk_aim(struct kvlane_blk_request *r)
{
	const struct kvlane_chain *chain = &r->req.chain;
	bool write = r->type == VIRTIO_BLK_T_OUT;
	unsigned int dir = write ? ITER_SOURCE : ITER_DEST;
	const struct iovec *iov = r->req.iov + (write ? 0 : chain->out_num);
	u32 nr = write ? chain->out_num : chain->in_num;
	size_t skip = r->done + (write ? sizeof(struct virtio_blk_outhdr) : 0);
	size_t left = min_t(size_t, r->len - r->done, MAX_RW_COUNT);

	for (; skip >= iov->iov_len; iov++, nr--)
		skip -= iov->iov_len;
	if (left <= iov->iov_len - skip && !r->req.q->kernel) {
		iov_iter_ubuf(&r->iter, dir, iov->iov_base + skip, left);
	} else {
		kvlane_queue_iter(r->req.q, &r->iter, dir, iov, nr, skip + left);
		iov_iter_advance(&r->iter, skip);
	}
}

static void kvlane_blk_prepare(struct kvlane_blk_request *r, int flags)
{
	struct kvlane_blk *blk = kvlane_blk_of(r);

	init_sync_kiocb(&r->kiocb, blk->file);
	r->kiocb.ki_pos = r->pos + r->done;
	r->kiocb.ki_flags |= flags | IOCB_ALLOC_CACHE;
	/* The owner may have set O_APPEND since; a disk does not grow. */
	r->kiocb.ki_flags &= ~IOCB_APPEND;
	r->kiocb.ki_complete = kvlane_blk_complete;
	if (r->type == VIRTIO_BLK_T_OUT && !READ_ONCE(blk->writeback))
		r->kiocb.ki_flags |= IOCB_DSYNC;
}

/*
 * Hold off a freeze of the file system until the write is over. What must not
 * block does not wait for a thaw either.
 */
static bool kvlane_blk_start_write(struct kvlane_blk_request *r)
{
	struct kvlane_blk *blk = kvlane_blk_of(r);
	struct super_block *sb = file_inode(blk->file)->i_sb;

	if (blk->bdev)
		return true;
	if (!(r->kiocb.ki_flags & IOCB_NOWAIT)) {
		kiocb_start_write(&r->kiocb);
	} else {
		if (!sb_start_write_trylock(sb))
			return false;
		/* The write may end in another thread: not lockdep's business. */
		__sb_writers_release(sb, SB_FREEZE_WRITE);
	}
	r->write = true;
	return true;
}

static ssize_t kvlane_blk_submit_kiocb(struct kvlane_blk_request *r)
{
	const struct file_operations *fops = kvlane_blk_of(r)->file->f_op;
	ssize_t ret;

	if (r->type == VIRTIO_BLK_T_IN)
		return fops->read_iter(&r->kiocb, &r->iter);

	if (!kvlane_blk_start_write(r))
		return -EAGAIN;
	ret = fops->write_iter(&r->kiocb, &r->iter);
	if (ret != -EIOCBQUEUED)
		kvlane_blk_end_write(r);
	return ret;
}

/*
 * Returns what read_iter() and write_iter() return. A request that is queued may be another
 * one by now, if the caller is not its lane.
 */
static ssize_t kvlane_blk_submit(struct kvlane_blk_request *r, int flags)
{
	ssize_t ret;

	kvlane_blk_aim(r);
	if (kvlane_blk_submit_bio(r))
		return -EIOCBQUEUED;
	kvlane_blk_prepare(r, flags);
	atomic_set(&r->holds, 2);
	ret = kvlane_blk_submit_kiocb(r);
	if (ret == -EIOCBQUEUED)
		kvlane_blk_let_go(r);
	return ret;
}

/* Copy between @buf and the driver's buffers, if they still are. */
static int kvlane_blk_carry(struct kvlane_blk_request *r, void *buf, size_t len)
{
	struct kvlane_vm *vm = r->req.q->dev->vm;
	int idx = srcu_read_lock(&vm->reach);
	size_t done = 0;

	if (kvlane_request_mapped(&r->req))
		done = r->type == VIRTIO_BLK_T_OUT ? copy_from_iter(buf, len, &r->iter) :
						     copy_to_iter(buf, len, &r->iter);
	srcu_read_unlock(&vm->reach, idx);
	return done == len ? 0 : -EFAULT;
}

/* One piece of a bounced request: @len bytes at @buf. */
static ssize_t kvlane_blk_bounce_piece(struct kvlane_blk_request *r, void *buf,
				       size_t len)
{
	const struct file_operations *fops = kvlane_blk_of(r)->file->f_op;
	bool write = r->type == VIRTIO_BLK_T_OUT;
	struct iov_iter iter;
	struct bio_vec bvec;
	ssize_t ret;

	bvec_set_virt(&bvec, buf, len);
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, &bvec, 1, len);
	kvlane_blk_prepare(r, 0);
	r->kiocb.ki_complete = NULL;
	if (write)
		return kvlane_blk_carry(r, buf, len) ?: fops->write_iter(&r->kiocb, &iter);
	ret = fops->read_iter(&r->kiocb, &iter);
	return ret > 0 ? kvlane_blk_carry(r, buf, ret) ?: ret : ret;
}

static ssize_t kvlane_blk_bounce_all(struct kvlane_blk_request *r, void *buf, u32 size)
{
	ssize_t ret = 0;

	while (r->done < r->len) {
		kvlane_blk_aim(r);
		ret = kvlane_blk_bounce_piece(r, buf,
					      min(r->len - r->done, size));
		if (ret <= 0)
			return ret ?: -EIO;
		r->done += ret;
	}
	return 0;
}

static int kvlane_blk_bounce(struct kvlane_blk_request *r)
{
	struct kvlane_blk *blk = kvlane_blk_of(r);
	bool freeze = r->type == VIRTIO_BLK_T_OUT && !blk->bdev;
	u32 size = min_t(u32, r->len - r->done, KVLANE_BLK_BOUNCE);
	void *buf = kmalloc(size, GFP_KERNEL_ACCOUNT);
	int err;

	if (!buf)
		return -ENOMEM;
	if (freeze)
		file_start_write(blk->file);
	err = kvlane_blk_bounce_all(r, buf, size);
	if (freeze)
		file_end_write(blk->file);
	kfree(buf);
	return err;
}

static void kvlane_blk_rw_bounced(struct kvlane_blk_request *r)
{
	int err = kvlane_blk_bounce(r);

	if (err)
		kvlane_blk_failed(r, err);
	else
		kvlane_blk_done(r, 0);
}

/*
 * Go on where an attempt that must not block has stopped, this time as long as
 * it takes. Nothing read or written is a backing that shrank under the disk.
 */
static void kvlane_blk_rw_blocking(struct kvlane_blk_request *r)
{
	ssize_t ret;

	do {
		ret = kvlane_blk_submit(r, 0);
		if (ret == -EIOCBQUEUED)
			return;
		if (ret > 0)
			r->done += ret;
	} while (ret > 0 && r->done < r->len);

	if (r->done == r->len)
		kvlane_blk_done(r, 0);
	else if (ret == -EINVAL && kvlane_blk_of(r)->direct)
		kvlane_blk_rw_bounced(r);
	else
		kvlane_blk_failed(r, ret ?: -EIO);
}

static void kvlane_blk_rw_job(struct kvlane_job *job, bool killed)
{
	struct kvlane_blk_request *r =
		container_of(job, struct kvlane_blk_request, job);
	bool misaligned = r->result == -EINVAL && kvlane_blk_of(r)->direct;

	if (killed)
		kvlane_blk_done(r, -EINTR);
	else if (r->result < 0 && r->result != -EAGAIN && !misaligned)
		kvlane_blk_failed(r, r->result);
	else if (misaligned || kvlane_queue_remaps(r->req.q))
		kvlane_blk_rw_bounced(r);
	else
		kvlane_blk_rw_blocking(r);
}

/* How to try a request in the lane, or -1 if it must not be. */
static int kvlane_blk_try_flags(const struct kvlane_blk_request *r,
				const struct kvlane_blk *blk)
{
	bool dsync = r->type == VIRTIO_BLK_T_OUT && !READ_ONCE(blk->writeback);

	if (blk->bdev && blk->direct)
		return blk->iopoll ? IOCB_HIPRI : 0;
	if (blk->sync_try)
		return 0;
	if (!blk->nowait || (dsync && !blk->direct))
		return -1;
	/* Buffered writes of most file systems refuse; do not ask each time. */
	if (!blk->direct && r->type == VIRTIO_BLK_T_OUT)
		return -1;
	return IOCB_NOWAIT;
}

/**
 * kvlane_blk_ask - let a polled block device finish what it is done with
 * @req: the oldest request that it may not tell of
 *
 * Lane context.
 *
 * Return: false if @req is done, or was not fit for polling.
 */
bool kvlane_blk_ask(struct kvlane_request *req)
{
	struct kvlane_blk_request *r = kvlane_blk_request(req);

	/* The bio; block devices forget it when it ends, and when it is too large. */
	if (!READ_ONCE(r->kiocb.private))
		return false;
	kvlane_blk_of(r)->file->f_op->iopoll(&r->kiocb, NULL, BLK_POLL_ONESHOT);
	return true;
}

/**
 * kvlane_blk_begin_rw - begin a read or write
 * @r: the request, checked
 *
 * Lane context.
 */
void kvlane_blk_begin_rw(struct kvlane_blk_request *r)
{
	int flags = kvlane_blk_try_flags(r, kvlane_blk_of(r));
	ssize_t ret = -EAGAIN;

	if (flags >= 0)
		ret = kvlane_blk_submit(r, flags);
	if (ret == -EIOCBQUEUED) {
		if (flags & IOCB_HIPRI)
			kvlane_request_ask(&r->req);
		return;
	}
	if (ret > 0)
		r->done += ret;
	if (r->done == r->len) {
		r->status = VIRTIO_BLK_S_OK;
		kvlane_request_finish(&r->req);
		return;
	}
	r->result = ret;
	r->req.q->stats.deferred++;
	kvlane_blk_defer(r);
}

static int kvlane_blk_flush(struct kvlane_blk *blk)
{
	/* A disk that cannot have been written to needs none. */
	if (blk->rdonly)
		return 0;
	return vfs_fsync(blk->file, 1);
}

static ssize_t kvlane_blk_zero_page(struct kvlane_blk *blk, loff_t pos,
				    size_t len)
{
	struct bio_vec bvec;
	struct iov_iter iter;
	struct kiocb kiocb;

	bvec_set_page(&bvec, ZERO_PAGE(0), len, 0);
	iov_iter_bvec(&iter, ITER_SOURCE, &bvec, 1, len);
	init_sync_kiocb(&kiocb, blk->file);
	kiocb.ki_pos = pos;
	kiocb.ki_flags &= ~IOCB_APPEND;
	return blk->file->f_op->write_iter(&kiocb, &iter);
}

/* Write zeroes where the backing has no better way. */
static int kvlane_blk_zero_slowly(struct kvlane_blk *blk, loff_t pos, u64 len)
{
	ssize_t ret = 0;

	if (!blk->bdev)
		file_start_write(blk->file);
	while (len) {
		ret = kvlane_blk_zero_page(blk, pos, min_t(u64, len, PAGE_SIZE));
		if (ret <= 0)
			break;
		pos += ret;
		len -= ret;
	}
	if (!blk->bdev)
		file_end_write(blk->file);
	return len ? ret ?: -EIO : 0;
}

static int kvlane_blk_punch(struct kvlane_blk *blk, loff_t pos, u64 len)
{
	return vfs_fallocate(blk->file,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos,
			     len);
}

/* Nothing of the range stays in the page cache, to be written over it later. */
static int kvlane_blk_discard_bdev(struct kvlane_blk *blk, loff_t pos, u64 len)
{
	struct address_space *mapping = blk->file->f_mapping;
	int err;

	inode_lock(mapping->host);
	filemap_invalidate_lock(mapping);
	truncate_inode_pages_range(mapping, pos, pos + len - 1);
	err = blkdev_issue_discard(blk->bdev, pos >> SECTOR_SHIFT,
				   len >> SECTOR_SHIFT, GFP_KERNEL);
	filemap_invalidate_unlock(mapping);
	inode_unlock(mapping->host);
	return err;
}

/*
 * The driver says that the data does not matter any more. Where that cannot be
 * used nothing has to be done.
 */
static int kvlane_blk_discard(struct kvlane_blk *blk, loff_t pos, u64 len)
{
	int err;

	if (!blk->bdev)
		err = kvlane_blk_punch(blk, pos, len);
	else if (bdev_max_discard_sectors(blk->bdev))
		err = kvlane_blk_discard_bdev(blk, pos, len);
	else
		err = -EOPNOTSUPP;
	return err == -EOPNOTSUPP ? 0 : err;
}

/* With @unmap the space may go, without it stays allocated. */
static int kvlane_blk_write_zeroes(struct kvlane_blk *blk, loff_t pos, u64 len,
				   bool unmap)
{
	int err = -EOPNOTSUPP;

	if (unmap)
		err = kvlane_blk_punch(blk, pos, len);
	if (err == -EOPNOTSUPP)
		err = vfs_fallocate(blk->file,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    pos, len);
	if (err == -EOPNOTSUPP)
		err = kvlane_blk_zero_slowly(blk, pos, len);
	return err;
}

/* Does nobody wait for the request any more but to see it end? */
static bool kvlane_blk_unwanted(const struct kvlane_blk_request *r)
{
	return READ_ONCE(r->req.q->stopping) || fatal_signal_pending(current);
}

static int kvlane_blk_piece(struct kvlane_blk_request *r, loff_t pos, u64 len,
			    bool unmap)
{
	if (kvlane_blk_unwanted(r))
		return -EINTR;
	if (r->type == VIRTIO_BLK_T_DISCARD)
		return kvlane_blk_discard(kvlane_blk_of(r), pos, len);
	return kvlane_blk_write_zeroes(kvlane_blk_of(r), pos, len, unmap);
}

static int kvlane_blk_one_range(struct kvlane_blk_request *r,
				const struct virtio_blk_discard_write_zeroes *range)
{
	loff_t pos = le64_to_cpu(range->sector) << SECTOR_SHIFT;
	u64 len = (u64)le32_to_cpu(range->num_sectors) << SECTOR_SHIFT;
	bool unmap = le32_to_cpu(range->flags) &
		     VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	int err = 0;
	u64 piece;

	for (; len && !err; pos += piece, len -= piece) {
		piece = KVLANE_BLK_RANGE_PIECE - pos % KVLANE_BLK_RANGE_PIECE;
		piece = min(piece, len);
		err = kvlane_blk_piece(r, pos, piece, unmap);
	}
	return err;
}

static int kvlane_blk_all_ranges(struct kvlane_blk_request *r)
{
	struct kvlane_blk *blk = kvlane_blk_of(r);
	u32 i;
	int err = 0;

	for (i = 0; i < r->nr_ranges && !err; i++)
		err = kvlane_blk_one_range(r, &kvlane_blk_ranges(r)[i]);
	if (!err && !READ_ONCE(blk->writeback))
		err = kvlane_blk_flush(blk);
	return err;
}

static void kvlane_blk_blocking_job(struct kvlane_job *job, bool killed)
{
	struct kvlane_blk_request *r =
		container_of(job, struct kvlane_blk_request, job);
	int err = -EINTR;

	if (!killed)
		err = r->type == VIRTIO_BLK_T_FLUSH ?
			      kvlane_blk_flush(kvlane_blk_of(r)) :
			      kvlane_blk_all_ranges(r);
	/* -EINTR: the driver or its owner is gone, and the back end is well. */
	if (err && err != -EINTR)
		kvlane_blk_failed(r, err);
	else
		kvlane_blk_done(r, err);
}

/**
 * kvlane_blk_begin_blocking - begin a flush, discard or write-zeroes
 * @r: the request, checked
 *
 * Lane context; a helper thread does it.
 */
void kvlane_blk_begin_blocking(struct kvlane_blk_request *r)
{
	r->req.q->stats.deferred++;
	r->job.fn = kvlane_blk_blocking_job;
	kvlane_pool_queue(&kvlane_blk_of(r)->pool, &r->job);
}
