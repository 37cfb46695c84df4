// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-balloon (virtio 1.2, section 5.5): memory that the guest lends to the host.
 *
 * What is in the balloon, and what becomes of it, is the matter of balloon_block.c. Here
 * are the queues. Those for statistics, hints and reports of free pages come after the two
 * of the balloon, and only those the driver has accepted count (section 5.5.2).
 *
 * The driver tells statistics by a request that is kept until the next ones are wanted:
 * that it comes back is the question, and the next request the answer.
 *
 * What the driver puts in need not make blocks whole: there are always some of which the
 * guest keeps a page. If the host has less than its owner wants when the driver has done
 * what it was asked for, it is asked for more, which completes such blocks or makes
 * others; up to a quarter, for a guest whose memory is in pieces is not to lose it all.
 *
 * The driver has to tell before it uses a page again (VIRTIO_BALLOON_F_MUST_TELL_HOST),
 * so that memory can be had back before it is answered.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/unaligned.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "../vm.h"
#include "balloon.h"

/* Statistics of a driver that knows more of them than we do. */
#define KVLANE_BALLOON_TELLS 64

#define KVLANE_BALLOON_FEATURES				\
	(BIT_ULL(VIRTIO_BALLOON_F_MUST_TELL_HOST) |	\
	 BIT_ULL(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |	\
	 BIT_ULL(VIRTIO_BALLOON_F_PAGE_POISON))

/* What a queue is for. */
enum kvlane_balloon_kind {
	KVLANE_BALLOON_INFLATE,
	KVLANE_BALLOON_DEFLATE,
	KVLANE_BALLOON_TELL,
	KVLANE_BALLOON_HINT,
	KVLANE_BALLOON_REPORT,
	KVLANE_BALLOON_NONE,
};

static enum kvlane_balloon_kind kvlane_balloon_kind_of(const struct kvlane_queue *q)
{
	u64 accepted = q->dev->accepted;
	u32 index = q->index;

	if (index <= KVLANE_BALLOON_DEFLATE)
		return index;
	if (accepted & BIT_ULL(VIRTIO_BALLOON_F_STATS_VQ) && index-- == 2)
		return KVLANE_BALLOON_TELL;
	if (accepted & BIT_ULL(VIRTIO_BALLOON_F_FREE_PAGE_HINT) && index-- == 2)
		return KVLANE_BALLOON_HINT;
	if (accepted & BIT_ULL(VIRTIO_BALLOON_F_REPORTING) && index == 2)
		return KVLANE_BALLOON_REPORT;
	return KVLANE_BALLOON_NONE;
}

static void kvlane_balloon_move(struct kvlane_balloon_blocks *b, const __le32 *pfns, u32 nr,
				bool inflate)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (inflate)
			kvlane_balloon_take(b, le32_to_cpu(pfns[i]));
		else
			kvlane_balloon_give(b, le32_to_cpu(pfns[i]));
	}
}

/*
 * Some pages; returns false if there is no more use in it. The request is read before the
 * lock is taken, for who knows how long the owner's memory takes to be there.
 */
static bool kvlane_balloon_step(struct kvlane_request *req, struct iov_iter *from, bool inflate)
{
	struct kvlane_queue *q = req->q;
	struct kvlane_balloon *b = q->dev->priv;
	__le32 *pfns = b->pfns[inflate];
	size_t len = min(iov_iter_count(from), sizeof(b->pfns[0]));

	if (READ_ONCE(q->stopping))
		return false;
	if (!copy_from_iter_full(pfns, len, from)) {
		req->failed = true;
		kvlane_device_backend_error(q->dev, q->index, -EFAULT);
		return false;
	}
	mutex_lock(&q->dev->vm->iommu_lock);
	kvlane_balloon_move(&b->blocks, pfns, len / sizeof(*pfns), inflate);
	mutex_unlock(&q->dev->vm->iommu_lock);
	cond_resched();
	return true;
}

/*
 * Virtio 1.2, section 5.5.6. Nothing bounds how many pages a request names, so others have
 * their turn after some, and whoever stops the queue does not wait for the rest.
 */
static void kvlane_balloon_pages(struct kvlane_queue *q, struct kvlane_request *req,
				 bool inflate)
{
	struct iov_iter from;

	if (req->chain.in_len || !req->chain.out_len ||
	    req->chain.out_len % sizeof(__le32)) {
		kvlane_request_malformed(req, req->chain.in_len ? KVLANE_REASON_DIRECTION :
								  KVLANE_REASON_SHORT);
		return;
	}
	kvlane_queue_iter(q, &from, ITER_SOURCE, req->iov, req->chain.out_num,
			  req->chain.out_len);
	while (iov_iter_count(&from) && kvlane_balloon_step(req, &from, inflate))
		;
	kvlane_request_finish(req);
}

static void kvlane_balloon_note(u64 *stats, const struct virtio_balloon_stat *stat)
{
	u16 tag = __virtio16_to_cpu(true, stat->tag);

	if (tag < KVLANE_BALLOON_STATS)
		stats[array_index_nospec(tag, KVLANE_BALLOON_STATS)] =
			__virtio64_to_cpu(true, stat->val);
}

/* Virtio 1.2, section 5.5.6.3. */
static void kvlane_balloon_tell(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_balloon *b = q->dev->priv;
	struct virtio_balloon_stat stat;
	u64 stats[KVLANE_BALLOON_STATS];
	struct iov_iter from;
	int left = KVLANE_BALLOON_TELLS;

	if (req->chain.in_len) {
		kvlane_request_malformed(req, KVLANE_REASON_DIRECTION);
		return;
	}
	kvlane_queue_iter(q, &from, ITER_SOURCE, req->iov, req->chain.out_num,
			  req->chain.out_len);
	memset(stats, 0xff, sizeof(stats));
	while (left-- && copy_from_iter_full(&stat, sizeof(stat), &from))
		kvlane_balloon_note(stats, &stat);
	mutex_lock(&q->dev->vm->iommu_lock);
	memcpy(b->stats, stats, sizeof(b->stats));
	b->stats_ns = ktime_get_ns();
	mutex_unlock(&q->dev->vm->iommu_lock);
	/* It is kept, and is not late. */
	WRITE_ONCE(req->start_ns, 0);
	req = xchg(&b->asked, req);
	WRITE_ONCE(b->told, b->told + 1);
	wake_up_all(&b->wait);
	/* One too many: a driver has one. */
	if (req) {
		req->start_ns = ktime_get_ns();
		kvlane_request_finish(req);
	}
}

/* Virtio 1.2, section 5.5.6.7. Memory that is to keep what it holds is not freed. */
static void kvlane_balloon_reports(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_balloon *b = q->dev->priv;
	const struct iovec *iov = req->iov + req->chain.out_num;
	u32 i;

	if (!req->chain.in_len || req->chain.out_len) {
		kvlane_request_malformed(req, req->chain.in_len ? KVLANE_REASON_DIRECTION :
								  KVLANE_REASON_SHORT);
		return;
	}
	for (i = 0; !READ_ONCE(b->poison) && i < req->chain.in_num; i++) {
		if (READ_ONCE(q->stopping))
			break;
		mutex_lock(&q->dev->vm->iommu_lock);
		kvlane_balloon_report(&b->blocks, (unsigned long)iov[i].iov_base,
				      iov[i].iov_len);
		mutex_unlock(&q->dev->vm->iommu_lock);
	}
	kvlane_request_finish(req);
}

static void kvlane_balloon_handle(struct kvlane_queue *q, struct kvlane_request *req)
{
	switch (kvlane_balloon_kind_of(q)) {
	case KVLANE_BALLOON_INFLATE:
		kvlane_balloon_pages(q, req, true);
		break;
	case KVLANE_BALLOON_DEFLATE:
		kvlane_balloon_pages(q, req, false);
		break;
	case KVLANE_BALLOON_TELL:
		kvlane_balloon_tell(q, req);
		break;
	case KVLANE_BALLOON_HINT:
		kvlane_balloon_hint(q, req);
		break;
	case KVLANE_BALLOON_REPORT:
		kvlane_balloon_reports(q, req);
		break;
	default:
		kvlane_request_finish(req);
		break;
	}
}

static int kvlane_balloon_finish(struct kvlane_queue *q, struct kvlane_request *req)
{
	return 0;
}

/**
 * kvlane_balloon_unask - take the driver's request for statistics
 * @b: the balloon
 *
 * Return: the request, whose end the caller has to see to; or NULL.
 */
struct kvlane_request *kvlane_balloon_unask(struct kvlane_balloon *b)
{
	struct kvlane_request *req = xchg(&b->asked, NULL);

	if (req)
		WRITE_ONCE(req->start_ns, ktime_get_ns());
	return req;
}

static void kvlane_balloon_stop(struct kvlane_queue *q)
{
	struct kvlane_request *req;

	if (kvlane_balloon_kind_of(q) != KVLANE_BALLOON_TELL)
		return;
	req = kvlane_balloon_unask(q->dev->priv);
	if (req)
		kvlane_request_finish(req);
}

static bool kvlane_balloon_has_backend(const struct kvlane_device *dev)
{
	const struct kvlane_balloon *b = dev->priv;

	return b->present;
}

static void kvlane_balloon_bring_back(void *data)
{
	struct kvlane_balloon_blocks *b = data;

	mutex_lock(&b->dev->vm->iommu_lock);
	kvlane_balloon_give_all(b);
	mutex_unlock(&b->dev->vm->iommu_lock);
}

/*
 * Whoever closes the device last may be another process than the owner, whose memory it is.
 * If that ends, there is no memory to put anything back to.
 */
static void kvlane_balloon_reset(struct kvlane_device *dev)
{
	struct kvlane_balloon *b = dev->priv;

	kvlane_vm_run(dev->vm, kvlane_balloon_bring_back, &b->blocks);
	mutex_lock(&dev->vm->iommu_lock);
	kvlane_balloon_forget(&b->blocks);
	memset(b->stats, 0xff, sizeof(b->stats));
	b->stats_ns = 0;
	mutex_unlock(&dev->vm->iommu_lock);
	kvlane_balloon_hints_reset(&b->hints);
	b->extra = 0;
	WRITE_ONCE(b->actual, 0);
	WRITE_ONCE(b->poison, 0);
}

static struct virtio_balloon_config kvlane_balloon_config(const struct kvlane_balloon *b)
{
	return (struct virtio_balloon_config){
		.num_pages = cpu_to_le32(b->target + b->extra),
		.actual = cpu_to_le32(b->actual),
		.free_page_hint_cmd_id = cpu_to_le32(b->hints.id),
		.poison_val = cpu_to_le32(b->poison),
	};
}

static void kvlane_balloon_read_config(struct kvlane_device *dev, u32 offset, void *buf,
				       u32 len)
{
	struct virtio_balloon_config config = kvlane_balloon_config(dev->priv);

	if (offset < sizeof(config))
		memcpy(buf, (u8 *)&config + offset, min_t(size_t, len, sizeof(config) - offset));
}

/**
 * kvlane_balloon_config_changed - have the driver look at its configuration
 * @dev: the device, its lock held
 */
void kvlane_balloon_config_changed(struct kvlane_device *dev)
{
	dev->regs.generation++;
	if (dev->regs.status & VIRTIO_CONFIG_S_DRIVER_OK)
		kvlane_device_config_changed(dev);
}

/* The driver has put in some pages, or taken some out. */
static void kvlane_balloon_moved(struct kvlane_device *dev, u32 actual)
{
	struct kvlane_balloon *b = dev->priv;
	u64 have = READ_ONCE(b->blocks.freed) >> VIRTIO_BALLOON_PFN_SHIFT;
	u32 most = min(b->target / 4, U32_MAX - b->target);

	WRITE_ONCE(b->actual, actual);
	if (actual < b->target + b->extra || have >= b->target || b->extra >= most)
		return;
	b->extra += min_t(u64, b->target - have, most - b->extra);
	kvlane_balloon_config_changed(dev);
}

/* Virtio 1.2, section 5.5.4: @actual and @poison_val are the driver's. */
static void kvlane_balloon_write_config(struct kvlane_device *dev, u32 offset,
					const void *buf, u32 len)
{
	struct kvlane_balloon *b = dev->priv;
	struct virtio_balloon_config config = kvlane_balloon_config(b);

	if (offset >= sizeof(config) || len > sizeof(config) - offset)
		return;
	memcpy((u8 *)&config + offset, buf, len);
	kvlane_balloon_moved(dev, le32_to_cpu(config.actual));
	if (dev->accepted & BIT_ULL(VIRTIO_BALLOON_F_PAGE_POISON))
		WRITE_ONCE(b->poison, le32_to_cpu(config.poison_val));
}

static int kvlane_balloon_set_backend(struct kvlane_device *dev,
				      const struct kvlane_backend *backend)
{
	struct kvlane_balloon *b = dev->priv;
	int err;

	if (backend->flags || backend->fd != -1 || backend->balloon.reserved)
		return -EINVAL;
	err = kvlane_balloon_set_target(dev, backend->balloon.target);
	if (!err)
		b->present = true;
	return err;
}

static u64 kvlane_balloon_offer(const struct kvlane_device *dev)
{
	u64 offered = KVLANE_QUEUE_FEATURES | KVLANE_BALLOON_FEATURES;

	/* In the order in which they came to be offered here, not that of the queues. */
	if (dev->num_queues >= 3)
		offered |= BIT_ULL(VIRTIO_BALLOON_F_STATS_VQ);
	if (dev->num_queues >= 4)
		offered |= BIT_ULL(VIRTIO_BALLOON_F_REPORTING);
	if (dev->num_queues >= 5)
		offered |= BIT_ULL(VIRTIO_BALLOON_F_FREE_PAGE_HINT);
	return offered & dev->mask;
}

static int kvlane_balloon_create(struct kvlane_device *dev)
{
	struct kvlane_balloon *b;
	int err;

	if (dev->num_queues <= KVLANE_BALLOON_DEFLATE)
		return -EINVAL;
	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	b->blocks.dev = dev;
	xa_init(&b->blocks.blocks);
	xa_init(&b->blocks.returned);
	mutex_init(&b->hints.lock);
	init_waitqueue_head(&b->wait);
	memset(b->stats, 0xff, sizeof(b->stats));
	err = kvlane_balloon_split_init(b);
	if (err) {
		kfree(b);
		return err;
	}
	dev->offered = kvlane_balloon_offer(dev);
	dev->priv = b;
	mutex_lock(&dev->vm->iommu_lock);
	list_add(&b->blocks.node, &dev->vm->balloons);
	mutex_unlock(&dev->vm->iommu_lock);
	return 0;
}

static void kvlane_balloon_destroy(struct kvlane_device *dev)
{
	struct kvlane_balloon *b = dev->priv;

	kvlane_balloon_split_exit(b);
	kvlane_balloon_reset(dev);
	mutex_lock(&dev->vm->iommu_lock);
	list_del(&b->blocks.node);
	mutex_unlock(&dev->vm->iommu_lock);
	xa_destroy(&b->blocks.returned);
	kfree(b);
}

const struct kvlane_device_ops kvlane_balloon_ops = {
	.type = VIRTIO_ID_BALLOON,
	.name = "balloon",
	.max_queues = KVLANE_BALLOON_NONE,
	.max_segs = KVLANE_MAX_SEGS,
	.keeps = true,
	.config_size = sizeof(struct virtio_balloon_config),
	.backend_size = sizeof(struct kvlane_balloon_backend),
	.request_size = sizeof(struct kvlane_request),
	.create = kvlane_balloon_create,
	.destroy = kvlane_balloon_destroy,
	.set_backend = kvlane_balloon_set_backend,
	.has_backend = kvlane_balloon_has_backend,
	.call = kvlane_balloon_call,
	.reset = kvlane_balloon_reset,
	.read_config = kvlane_balloon_read_config,
	.write_config = kvlane_balloon_write_config,
	.stop = kvlane_balloon_stop,
	.handle = kvlane_balloon_handle,
	.finish = kvlane_balloon_finish,
};
