// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-blk (virtio 1.2, section 5.2): back end, configuration, and the
 * parsing of requests. blk_io.c carries them out.
 *
 * A request is a header of 16 bytes to read, data, and a status byte to write.
 * Its layout in descriptors is the driver's choice, so header and status are
 * found by counting bytes, not buffers.
 */
#include <linux/bits.h>
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "blk.h"

#define KVLANE_BLK_FEATURES                                             \
	(KVLANE_QUEUE_FEATURES |                                        \
	 BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | \
	 BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | \
	 BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE) | BIT_ULL(VIRTIO_BLK_F_MQ))

#define KVLANE_BLK_DISCARD_FEATURES                                     \
	(BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES))

#define KVLANE_BLK_BACKEND_FLAGS                                        \
	(KVLANE_BACKEND_RDONLY | KVLANE_BACKEND_NO_DISCARD | KVLANE_BACKEND_IOPOLL)

/*
 * Longest range to discard or to zero, in sectors: 1 GiB. It keeps a helper
 * busy for a while.
 */
#define KVLANE_BLK_RANGE_SECTORS (SZ_1G >> SECTOR_SHIFT)

/* The iovec that holds the last byte to write, and there the status. */
static void kvlane_blk_find_status(struct kvlane_blk_request *r)
{
	const struct kvlane_chain *chain = &r->req.chain;
	const struct iovec *last = &r->req.iov[chain->out_num + chain->in_num - 1];

	r->status_addr = last->iov_base + last->iov_len - 1;
}

static bool kvlane_blk_parse_header(struct kvlane_blk_request *r,
				    struct iov_iter *out)
{
	const struct kvlane_chain *chain = &r->req.chain;
	struct virtio_blk_outhdr hdr;

	if (chain->out_len < sizeof(hdr) || !chain->in_len) {
		kvlane_request_malformed(&r->req, KVLANE_REASON_SHORT);
		return false;
	}
	kvlane_blk_find_status(r);

	kvlane_queue_iter(r->req.q, out, ITER_SOURCE, r->req.iov, chain->out_num,
			  chain->out_len);
	if (!copy_from_iter_full(&hdr, sizeof(hdr), out)) {
		kvlane_request_malformed(&r->req, KVLANE_REASON_FAULT);
		return false;
	}
	r->type = __virtio32_to_cpu(true, hdr.type);
	/* A sector number past 2^55 is past any end, and fits when shifted. */
	r->pos = min_t(u64, __virtio64_to_cpu(true, hdr.sector),
		       U64_MAX >> SECTOR_SHIFT) << SECTOR_SHIFT;
	return true;
}

static void kvlane_blk_answer(struct kvlane_blk_request *r, u8 status)
{
	r->status = status;
	kvlane_request_finish(&r->req);
}

/* Is a range of the disk, in sectors, inside it? */
static bool kvlane_blk_inside(const struct kvlane_blk *blk, u64 sector, u64 nr)
{
	return sector <= blk->sectors && nr <= blk->sectors - sector;
}

static void kvlane_blk_rw(struct kvlane_blk_request *r)
{
	const struct kvlane_chain *chain = &r->req.chain;
	struct kvlane_blk *blk = kvlane_blk_of(r);
	bool write = r->type == VIRTIO_BLK_T_OUT;

	r->len = write ? chain->out_len - sizeof(struct virtio_blk_outhdr) :
			 chain->in_len - 1;
	if (!IS_ALIGNED(r->pos | r->len, blk->block_size) ||
	    (write && blk->rdonly) ||
	    !kvlane_blk_inside(blk, r->pos >> SECTOR_SHIFT,
			       r->len >> SECTOR_SHIFT)) {
		kvlane_blk_answer(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!r->len) {
		kvlane_blk_answer(r, VIRTIO_BLK_S_OK);
		return;
	}
	kvlane_blk_begin_rw(r);
}

static void kvlane_blk_get_id(struct kvlane_blk_request *r)
{
	const struct kvlane_chain *chain = &r->req.chain;
	struct kvlane_blk *blk = kvlane_blk_of(r);
	struct iov_iter in;

	kvlane_queue_iter(r->req.q, &in, ITER_DEST, r->req.iov + chain->out_num,
			  chain->in_num, chain->in_len - 1);
	r->done = copy_to_iter(blk->serial, sizeof(blk->serial), &in);
	kvlane_blk_answer(r, VIRTIO_BLK_S_OK);
}

/*
 * Virtio 1.2, section 5.2.6.2: an unknown flag is UNSUPP, a range past the end
 * is IOERR.
 */
static u8
kvlane_blk_check_range(const struct kvlane_blk_request *r,
		       const struct kvlane_blk *blk,
		       const struct virtio_blk_discard_write_zeroes *range)
{
	u32 known = r->type == VIRTIO_BLK_T_WRITE_ZEROES ?
			    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	u32 nr = le32_to_cpu(range->num_sectors);

	if (le32_to_cpu(range->flags) & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	if (nr > KVLANE_BLK_RANGE_SECTORS ||
	    !kvlane_blk_inside(blk, le64_to_cpu(range->sector), nr))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

/* Copy, check, and keep: the guest cannot change its mind afterwards. */
static u8 kvlane_blk_copy_ranges(struct kvlane_blk_request *r,
				 struct iov_iter *out)
{
	struct virtio_blk_discard_write_zeroes ranges[KVLANE_BLK_RANGES];
	size_t len = iov_iter_count(out);
	u8 status = VIRTIO_BLK_S_OK;
	u32 i;

	if (!len || len % sizeof(*ranges) || len > sizeof(ranges))
		return VIRTIO_BLK_S_IOERR;
	if (!copy_from_iter_full(ranges, len, out))
		return VIRTIO_BLK_S_IOERR;

	r->nr_ranges = len / sizeof(*ranges);
	for (i = 0; i < r->nr_ranges && status == VIRTIO_BLK_S_OK; i++)
		status = kvlane_blk_check_range(r, kvlane_blk_of(r), &ranges[i]);

	/* The buffers are read; their list makes room for the ranges. */
	BUILD_BUG_ON(sizeof(ranges) > sizeof(r->req.iov) - sizeof(r->req.iov[0]));
	memcpy(kvlane_blk_ranges(r), ranges, len);
	r->req.iov[0] = (struct iovec){ r->status_addr, sizeof(*r->status_addr) };
	r->req.chain.out_num = 0;
	r->req.chain.in_num = 1;
	return status;
}

/* Zeroes may have to be written one by one, so they are bytes written to a throttle. */
static void kvlane_blk_charge_zeroes(struct kvlane_blk_request *r)
{
	struct kvlane_turn *turn = &r->req.q->hold.turns[KVLANE_WRITE];
	u32 i;

	for (i = 0; i < r->nr_ranges; i++)
		kvlane_turn_charge(turn, (u64)le32_to_cpu(kvlane_blk_ranges(r)[i].num_sectors)
						 << SECTOR_SHIFT);
}

static void kvlane_blk_range(struct kvlane_blk_request *r, struct iov_iter *out)
{
	u64 feature = r->type == VIRTIO_BLK_T_DISCARD ?
			      BIT_ULL(VIRTIO_BLK_F_DISCARD) :
			      BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	u8 status = VIRTIO_BLK_S_UNSUPP;

	if (r->req.q->dev->accepted & feature)
		status = kvlane_blk_of(r)->rdonly ? VIRTIO_BLK_S_IOERR :
						    kvlane_blk_copy_ranges(r, out);
	if (status != VIRTIO_BLK_S_OK) {
		kvlane_blk_answer(r, status);
		return;
	}
	if (r->type == VIRTIO_BLK_T_WRITE_ZEROES)
		kvlane_blk_charge_zeroes(r);
	kvlane_blk_begin_blocking(r);
}

/* What a throttle took for a read, see kvlane_blk_cost(), is not to be a write. */
static bool kvlane_blk_fits(const struct kvlane_blk_request *r)
{
	switch (r->type) {
	case VIRTIO_BLK_T_OUT:
	case VIRTIO_BLK_T_FLUSH:
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return r->req.chain.in_len == 1;
	default:
		return true;
	}
}

static void kvlane_blk_handle(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_blk_request *r = kvlane_blk_request(req);
	struct iov_iter out;

	r->done = 0;
	r->len = 0;
	r->write = false;
	if (!kvlane_blk_parse_header(r, &out))
		return;
	if (!kvlane_blk_fits(r)) {
		kvlane_blk_answer(r, VIRTIO_BLK_S_IOERR);
		return;
	}

	switch (r->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		kvlane_blk_rw(r);
		break;
	case VIRTIO_BLK_T_FLUSH:
		q->stats.flushes++;
		kvlane_blk_begin_blocking(r);
		break;
	case VIRTIO_BLK_T_GET_ID:
		kvlane_blk_get_id(r);
		break;
	case VIRTIO_BLK_T_DISCARD:
		q->stats.discards++;
		kvlane_blk_range(r, &out);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		q->stats.write_zeroes++;
		kvlane_blk_range(r, &out);
		break;
	default:
		kvlane_blk_answer(r, VIRTIO_BLK_S_UNSUPP);
		break;
	}
}

static int kvlane_blk_finish(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_blk_request *r = kvlane_blk_request(req);

	req->failed = r->status != VIRTIO_BLK_S_OK;
	req->written = 1;
	if (!req->failed &&
	    (r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_GET_ID))
		req->written += r->done;
	if (q->kernel) {
		*(u8 __force *)r->status_addr = r->status;
		return 0;
	}
	return put_user(r->status, r->status_addr);
}

/*
 * Virtio 1.2, section 5.2.5.2: a driver that cannot flush gets a disk that
 * needs no flush.
 */
static void kvlane_blk_features_ok(struct kvlane_device *dev)
{
	struct kvlane_blk *blk = dev->priv;

	WRITE_ONCE(blk->writeback,
		   dev->accepted & BIT_ULL(VIRTIO_BLK_F_FLUSH));
}

static void kvlane_blk_reset(struct kvlane_device *dev)
{
	struct kvlane_blk *blk = dev->priv;

	WRITE_ONCE(blk->writeback, true);
}

static void kvlane_blk_read_config(struct kvlane_device *dev, u32 offset,
				   void *buf, u32 len)
{
	struct kvlane_blk *blk = dev->priv;
	struct virtio_blk_config config = blk->config;

	config.wce = blk->writeback;
	if (offset < sizeof(config))
		memcpy(buf, (u8 *)&config + offset,
		       min_t(u32, len, sizeof(config) - offset));
}

static void kvlane_blk_write_config(struct kvlane_device *dev, u32 offset,
				    const void *buf, u32 len)
{
	struct kvlane_blk *blk = dev->priv;
	u32 at = offsetof(struct virtio_blk_config, wce) - offset;

	if (at >= len || !(dev->accepted & BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE)))
		return;
	WRITE_ONCE(blk->writeback, ((const u8 *)buf)[at] & 1);
}

static bool kvlane_blk_has_backend(const struct kvlane_device *dev)
{
	const struct kvlane_blk *blk = dev->priv;

	return blk->file;
}

static struct block_device *kvlane_blk_bdev(struct file *file)
{
	struct inode *inode = file->f_mapping->host;

	return S_ISBLK(inode->i_mode) ? I_BDEV(inode) : NULL;
}

/* Drivers are modern ones; their configuration is little-endian. */
static __virtio16 kvlane_virtio16(u16 value)
{
	return __cpu_to_virtio16(true, value);
}

static __virtio32 kvlane_virtio32(u32 value)
{
	return __cpu_to_virtio32(true, value);
}

static __virtio64 kvlane_virtio64(u64 value)
{
	return __cpu_to_virtio64(true, value);
}

/* What a driver can count on: the backing's own, unless the owner chose. */
static u32 kvlane_blk_size(const struct kvlane_blk *blk, u32 chosen)
{
	if (chosen)
		return chosen;
	if (blk->bdev)
		return bdev_logical_block_size(blk->bdev);
	if (blk->direct && blk->file->f_inode->i_sb->s_bdev)
		return bdev_logical_block_size(blk->file->f_inode->i_sb->s_bdev);
	return SECTOR_SIZE;
}

static void kvlane_blk_topology(const struct kvlane_blk *blk,
				struct virtio_blk_config *config)
{
	u32 block_size = blk->block_size;
	u32 physical = block_size, io_min = 0, io_opt = 0;

	if (blk->bdev) {
		physical = max(block_size, bdev_physical_block_size(blk->bdev));
		io_min = bdev_io_min(blk->bdev);
		io_opt = bdev_io_opt(blk->bdev);
	} else {
		physical = max_t(u32, block_size,
				 file_inode(blk->file)->i_sb->s_blocksize);
		io_min = physical;
	}
	config->physical_block_exp = ilog2(physical / block_size);
	config->min_io_size = kvlane_virtio16(io_min / block_size);
	config->opt_io_size = kvlane_virtio32(io_opt / block_size);
}

static void kvlane_blk_range_limits(const struct kvlane_blk *blk,
				    struct virtio_blk_config *config)
{
	u32 granularity = blk->block_size;

	if (blk->bdev)
		granularity = max(granularity,
				  bdev_discard_granularity(blk->bdev));
	else
		granularity = max_t(u32, granularity,
				    file_inode(blk->file)->i_sb->s_blocksize);
	config->max_discard_sectors = kvlane_virtio32(KVLANE_BLK_RANGE_SECTORS);
	config->max_discard_seg = kvlane_virtio32(KVLANE_BLK_RANGES);
	config->discard_sector_alignment =
		kvlane_virtio32(granularity >> SECTOR_SHIFT);
	config->max_write_zeroes_sectors =
		kvlane_virtio32(KVLANE_BLK_RANGE_SECTORS);
	config->max_write_zeroes_seg = kvlane_virtio32(KVLANE_BLK_RANGES);
	config->write_zeroes_may_unmap = 1;
}

static void kvlane_blk_fill_config(struct kvlane_device *dev)
{
	struct kvlane_blk *blk = dev->priv;
	struct virtio_blk_config *config = &blk->config;

	memset(config, 0, sizeof(*config));
	config->capacity = kvlane_virtio64(blk->sectors);
	config->seg_max = kvlane_virtio32(min_t(u32, dev->queue_size,
					    KVLANE_MAX_SEGS) - 2);
	config->blk_size = kvlane_virtio32(blk->block_size);
	config->num_queues = kvlane_virtio16(dev->num_queues);
	kvlane_blk_topology(blk, config);
	kvlane_blk_range_limits(blk, config);
}

static bool kvlane_blk_can_discard(const struct kvlane_blk *blk)
{
	return blk->bdev || blk->file->f_op->fallocate;
}

static void kvlane_blk_offer(struct kvlane_device *dev, u32 flags)
{
	struct kvlane_blk *blk = dev->priv;
	u64 features = KVLANE_BLK_FEATURES;

	if (blk->rdonly)
		features |= BIT_ULL(VIRTIO_BLK_F_RO);
	else if (!(flags & KVLANE_BACKEND_NO_DISCARD) &&
		 kvlane_blk_can_discard(blk))
		features |= KVLANE_BLK_DISCARD_FEATURES;
	/* Two descriptors are header and status; there must be one for data. */
	if (dev->queue_size < 4)
		features &= ~BIT_ULL(VIRTIO_BLK_F_SEG_MAX);
	dev->offered = features & dev->mask;
}

static bool kvlane_blk_can_iopoll(const struct kvlane_blk *blk)
{
	return blk->direct && blk->bdev && blk->file->f_op->iopoll &&
	       kvlane_bdev_can_poll(blk->bdev);
}

/* Look at the backing; @blk is still nobody else's. */
static int kvlane_blk_inspect(struct kvlane_blk *blk, u32 flags)
{
	struct file *file = blk->file;
	struct inode *inode = file->f_mapping->host;

	if (!S_ISREG(inode->i_mode) && !S_ISBLK(inode->i_mode))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	/* Some files of /proc and /sys are regular, and not made for this. */
	if (!file->f_op->read_iter || file->f_flags & O_APPEND)
		return -EINVAL;
	if (file->f_mode & FMODE_WRITE && !file->f_op->write_iter)
		return -EINVAL;

	blk->bdev = kvlane_blk_bdev(file);
	blk->sectors = i_size_read(inode) >> SECTOR_SHIFT;
	blk->rdonly = flags & KVLANE_BACKEND_RDONLY ||
		      !(file->f_mode & FMODE_WRITE) ||
		      (blk->bdev && bdev_read_only(blk->bdev));
	blk->direct = file->f_flags & O_DIRECT;
	blk->iopoll = flags & KVLANE_BACKEND_IOPOLL;
	if (blk->iopoll && !kvlane_blk_can_iopoll(blk))
		return -EOPNOTSUPP;
	blk->nowait = file->f_mode & FMODE_NOWAIT;
	blk->sync_try = inode->i_sb->s_magic == TMPFS_MAGIC;
	return 0;
}

static int kvlane_blk_check_size(const struct kvlane_blk *blk, u32 chosen)
{
	u32 block_size = kvlane_blk_size(blk, chosen);
	u64 bytes = i_size_read(blk->file->f_mapping->host);

	if (chosen && (chosen < SECTOR_SIZE || chosen > 4096 ||
		       !is_power_of_2(chosen)))
		return -EINVAL;
	/* Smaller blocks than a direct backing can do would all fail. */
	if (blk->direct && block_size < kvlane_blk_size(blk, 0))
		return -EINVAL;
	if (!bytes || bytes & (block_size - 1))
		return -EINVAL;
	return 0;
}

static int kvlane_blk_open(struct kvlane_blk *blk,
			   const struct kvlane_backend *backend)
{
	int err;

	blk->file = fget(backend->fd);
	if (!blk->file)
		return -EBADF;
	err = kvlane_blk_inspect(blk, backend->flags);
	if (!err)
		err = kvlane_blk_check_size(blk, backend->blk.block_size);
	if (err)
		fput(blk->file);
	return err;
}

static int kvlane_blk_set_backend(struct kvlane_device *dev,
				  const struct kvlane_backend *backend)
{
	struct kvlane_blk *blk = dev->priv;
	struct kvlane_blk new = {};
	int err;

	if (backend->flags & ~KVLANE_BLK_BACKEND_FLAGS ||
	    backend->blk.reserved0 || backend->blk.reserved1)
		return -EINVAL;
	err = kvlane_blk_open(&new, backend);
	if (err)
		return err;

	if (blk->file)
		fput(blk->file);
	blk->file = new.file;
	blk->bdev = new.bdev;
	blk->sectors = new.sectors;
	blk->rdonly = new.rdonly;
	blk->direct = new.direct;
	blk->iopoll = new.iopoll;
	blk->nowait = new.nowait;
	blk->sync_try = new.sync_try;
	memcpy(blk->serial, backend->blk.serial, sizeof(blk->serial));
	blk->block_size = kvlane_blk_size(blk, backend->blk.block_size);
	kvlane_blk_fill_config(dev);
	kvlane_blk_offer(dev, backend->flags);
	return 0;
}

/*
 * What has room for more than a status is a read. The header is looked at when the
 * request is begun, and not twice.
 */
static bool kvlane_blk_cost(const struct kvlane_queue *q,
			    const struct kvlane_request *req,
			    struct kvlane_cost *cost)
{
	const u32 header = sizeof(struct virtio_blk_outhdr), status = 1;
	const struct kvlane_chain *chain = &req->chain;

	if (chain->in_len > status) {
		cost->direction = KVLANE_READ;
		cost->bytes = chain->in_len - status;
	} else {
		cost->direction = KVLANE_WRITE;
		cost->bytes = chain->out_len - min(chain->out_len, header);
	}
	return true;
}

static int kvlane_blk_create(struct kvlane_device *dev)
{
	struct kvlane_blk *blk;

	blk = kzalloc(sizeof(*blk), GFP_KERNEL_ACCOUNT);
	if (!blk)
		return -ENOMEM;
	kvlane_pool_init(&blk->pool);
	blk->writeback = true;
	dev->offered = KVLANE_BLK_FEATURES & dev->mask;
	dev->priv = blk;
	return 0;
}

static void kvlane_blk_destroy(struct kvlane_device *dev)
{
	struct kvlane_blk *blk = dev->priv;

	kvlane_pool_stop(&blk->pool);
	if (blk->file)
		fput(blk->file);
	kfree(blk);
}

static int kvlane_blk_hire(struct kvlane_device *dev, bool kernel)
{
	struct kvlane_blk *blk = dev->priv;

	return kvlane_pool_start(&blk->pool, "kvlane-blk-help", kernel);
}

static void kvlane_blk_dismiss(struct kvlane_device *dev)
{
	struct kvlane_blk *blk = dev->priv;

	kvlane_pool_stop(&blk->pool);
}

const struct kvlane_device_ops kvlane_blk_ops = {
	.type = VIRTIO_ID_BLOCK,
	.name = "blk",
	.max_queues = KVLANE_BLK_MAX_QUEUES,
	.max_segs = KVLANE_MAX_SEGS,
	.config_size = sizeof(struct virtio_blk_config),
	.backend_size = sizeof(struct kvlane_blk_backend),
	.request_size = sizeof(struct kvlane_blk_request),
	.create = kvlane_blk_create,
	.destroy = kvlane_blk_destroy,
	.hire = kvlane_blk_hire,
	.dismiss = kvlane_blk_dismiss,
	.set_backend = kvlane_blk_set_backend,
	.has_backend = kvlane_blk_has_backend,
	.features_ok = kvlane_blk_features_ok,
	.reset = kvlane_blk_reset,
	.read_config = kvlane_blk_read_config,
	.write_config = kvlane_blk_write_config,
	.handle = kvlane_blk_handle,
	.ask = kvlane_blk_ask,
	.finish = kvlane_blk_finish,
	.cost = kvlane_blk_cost,
};
