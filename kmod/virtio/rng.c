// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-rng (virtio 1.2, section 5.4): entropy from the host's own generator
 * or from a file such as /dev/hwrng, at a limited rate.
 *
 * The limit is exact and keeps no periodic timer: an account fills at the given
 * rate, and answers are booked on it. While it is too low, requests stay in the
 * ring, so that none waits with a buffer in a memory map that may be gone. A
 * timer runs only while a request is there.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "../memory.h"
#include "device.h"

/*
 * Most bytes of one answer. A driver asks for a cache line or a page; more
 * would only keep the lane from looking up.
 */
#define KVLANE_RNG_MAX 65536

/* Longest pause that adds to the burst, in seconds; keeps sums within 64 bits. */
#define KVLANE_RNG_PAUSE 86400

/*
 * Least bytes to answer with under a limit, if the burst allows them: a cache
 * line, which is what Linux asks for. Less would only be more interrupts.
 */
#define KVLANE_RNG_LEAST 64

/**
 * struct kvlane_rng - an entropy source
 * @present: a back end was set
 * @file: where bytes come from, or NULL for the host's generator
 * @pos: how far @file was read
 * @rate: bytes per second, 0 for no limit
 * @burst: bytes that may have gathered in a pause
 * @full_ns: when the account of bytes will be full again
 * @lane: whom @timer wakes
 * @timer: expires when there is enough on the account
 * @buf: bytes on their way from the host's generator to the guest
 */
struct kvlane_rng {
	bool present;
	struct file *file;
	loff_t pos;
	u64 rate;
	u64 burst;
	u64 full_ns;
	struct kvlane_lane *lane;
	struct hrtimer timer;
	u8 buf[256];
};

static u64 kvlane_rng_ns(const struct kvlane_rng *rng, u64 bytes)
{
	return mul_u64_u64_div_u64(bytes, NSEC_PER_SEC, rng->rate);
}

/*
 * The account is kept as the time at which it is full; it holds less than the
 * burst by what comes in until then. When does it hold @bytes?
 */
static u64 kvlane_rng_due(const struct kvlane_rng *rng, u64 bytes)
{
	u64 full = rng->full_ns + kvlane_rng_ns(rng, bytes);
	u64 whole = kvlane_rng_ns(rng, rng->burst);

	return full > whole ? full - whole : 0;
}

/* How many bytes the account holds. */
static u64 kvlane_rng_balance(const struct kvlane_rng *rng, u64 now)
{
	u64 lacking;

	if (rng->full_ns <= now)
		return rng->burst;
	lacking = mul_u64_u64_div_u64(rng->full_ns - now, rng->rate, NSEC_PER_SEC);
	return rng->burst - min(rng->burst, lacking + 1);
}

static void kvlane_rng_book(struct kvlane_rng *rng, u64 bytes, u64 now)
{
	rng->full_ns = max(rng->full_ns, now) + kvlane_rng_ns(rng, bytes);
}

static u64 kvlane_rng_least(const struct kvlane_rng *rng)
{
	return min_t(u64, rng->burst, KVLANE_RNG_LEAST);
}

/* One at a time under a limit: only the answer says what is left. */
static u32 kvlane_rng_quota(struct kvlane_queue *q)
{
	const struct kvlane_rng *rng = q->dev->priv;

	if (!rng->rate)
		return KVLANE_BATCH;
	return kvlane_rng_due(rng, kvlane_rng_least(rng)) <= ktime_get_ns();
}

static void kvlane_rng_wait(struct kvlane_queue *q)
{
	struct kvlane_rng *rng = q->dev->priv;
	u64 due = kvlane_rng_due(rng, kvlane_rng_least(rng));

	hrtimer_start(&rng->timer, ns_to_ktime(due), HRTIMER_MODE_ABS);
}

static void kvlane_rng_cancel(struct kvlane_queue *q)
{
	struct kvlane_rng *rng = q->dev->priv;

	hrtimer_cancel(&rng->timer);
}

static enum hrtimer_restart kvlane_rng_timer(struct hrtimer *timer)
{
	struct kvlane_rng *rng = container_of(timer, struct kvlane_rng, timer);

	kvlane_lane_wake(rng->lane, KVLANE_WORK_MORE);
	return HRTIMER_NORESTART;
}

static size_t kvlane_rng_fill_host(struct kvlane_rng *rng, struct iov_iter *to)
{
	size_t done = 0, n, copied;

	do {
		n = min(sizeof(rng->buf), iov_iter_count(to));
		get_random_bytes(rng->buf, n);
		copied = copy_to_iter(rng->buf, n, to);
		done += copied;
	} while (copied == n && iov_iter_count(to));
	memzero_explicit(rng->buf, sizeof(rng->buf));
	return done;
}

/* Character devices often have no read_iter; the lane has the right mm anyhow. */
static ssize_t kvlane_rng_read(struct kvlane_rng *rng, struct iov_iter *to)
{
	struct file *file = rng->file;
	size_t len = min(iter_iov_len(to), iov_iter_count(to));
	struct kiocb kiocb;
	ssize_t ret;

	if (!file->f_op->read_iter)
		return file->f_op->read(file, iter_iov_addr(to), len, &rng->pos);
	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = rng->pos;
	ret = file->f_op->read_iter(&kiocb, to);
	rng->pos = kiocb.ki_pos;
	return ret;
}

/* The first piece of memory is enough: an answer may be short. */
static ssize_t kvlane_rng_fill_file(struct kvlane_rng *rng, struct iov_iter *to)
{
	ssize_t ret = kvlane_rng_read(rng, to);

	if (ret)
		return ret;
	if (!rng->pos)
		return -ENODATA;
	/* The end of a file: begin again. */
	rng->pos = 0;
	return kvlane_rng_read(rng, to);
}

/*
 * Was it a signal, to the owner or by kvlane_lane_interrupt(), and not the file?
 * The lane comes to see to it only when it is through with its requests.
 */
static bool kvlane_rng_interrupted(ssize_t ret)
{
	return signal_pending(current) &&
	       (ret == -EINTR || ret == -ERESTARTSYS || ret == -ERESTARTNOINTR ||
		ret == -ERESTARTNOHAND || ret == -ERESTART_RESTARTBLOCK);
}

/*
 * Fill @len bytes of the guest's buffer; returns how many, or -EINTR. A driver that gets
 * none may never ask again, and virtio 1.2, section 5.4.6.2 promises one; so
 * where the file fails the host's generator helps out, and the owner is told.
 */
static ssize_t kvlane_rng_fill(struct kvlane_rng *rng, struct kvlane_request *req,
			      size_t len)
{
	struct kvlane_queue *q = req->q;
	struct iov_iter to;
	ssize_t ret;

	kvlane_queue_iter(q, &to, ITER_DEST, req->iov + req->chain.out_num,
			  req->chain.in_num, len);
	/*
	 * A device may have nothing to say for ever. Whoever stops the queue
	 * interrupts the read, and then nobody wants the answer any more, or
	 * somebody waits for it.
	 */
	if (!rng->file || READ_ONCE(q->quiescing))
		return kvlane_rng_fill_host(rng, &to);
	if (READ_ONCE(q->stopping))
		return 0;
	ret = kvlane_rng_fill_file(rng, &to);
	if (ret > 0 || READ_ONCE(q->stopping))
		return max_t(ssize_t, ret, 0);
	if (kvlane_rng_interrupted(ret))
		return -EINTR;
	req->failed = true;
	kvlane_device_backend_error(q->dev, q->index, ret ?: -ENODATA);
	kvlane_queue_iter(q, &to, ITER_DEST, req->iov + req->chain.out_num,
			  req->chain.in_num, len);
	return kvlane_rng_fill_host(rng, &to);
}

/* How much of a buffer of @len bytes may be filled now, at least one byte. */
static size_t kvlane_rng_allow(const struct kvlane_rng *rng, u32 len, u64 now)
{
	len = min_t(u32, len, KVLANE_RNG_MAX);
	if (!rng->rate)
		return len;
	return clamp_t(u64, kvlane_rng_balance(rng, now), 1, len);
}

static void kvlane_rng_handle(struct kvlane_queue *q, struct kvlane_request *req)
{
	struct kvlane_rng *rng = q->dev->priv;
	ssize_t filled;
	u64 now;

	/* Virtio 1.2, section 5.4.6.1: the buffer is writable and not empty. */
	if (!req->chain.in_len || req->chain.out_len) {
		kvlane_request_malformed(req, req->chain.in_len ?
						 KVLANE_REASON_DIRECTION :
						 KVLANE_REASON_SHORT);
		return;
	}

	now = rng->rate ? ktime_get_ns() : 0;
	filled = kvlane_rng_fill(rng, req,
				 kvlane_rng_allow(rng, req->chain.in_len, now));
	if (filled < 0) {
		kvlane_request_again(req);
		return;
	}
	req->written = filled;
	if (rng->rate)
		kvlane_rng_book(rng, req->written, now);
	kvlane_request_finish(req);
}

static int kvlane_rng_finish(struct kvlane_queue *q, struct kvlane_request *req)
{
	return 0;
}

static bool kvlane_rng_has_backend(const struct kvlane_device *dev)
{
	const struct kvlane_rng *rng = dev->priv;

	return rng->present;
}

static void kvlane_rng_reset(struct kvlane_device *dev)
{
	/* The account is the host's matter and outlives the driver. */
}

static void kvlane_rng_read_config(struct kvlane_device *dev, u32 offset,
				   void *buf, u32 len)
{
	/* There is no device configuration, virtio 1.2 section 5.4.4. */
}

static void kvlane_rng_write_config(struct kvlane_device *dev, u32 offset,
				    const void *buf, u32 len)
{
}

static struct file *kvlane_rng_open(int fd)
{
	struct file *file;

	if (fd == -1)
		return NULL;
	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (!(file->f_mode & FMODE_READ)) {
		fput(file);
		return ERR_PTR(-EACCES);
	}
	if (!kvlane_file_is_plain(file) || (!file->f_op->read && !file->f_op->read_iter)) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file;
}

static int kvlane_rng_set_backend(struct kvlane_device *dev,
				  const struct kvlane_backend *backend)
{
	struct kvlane_rng *rng = dev->priv;
	u64 rate = backend->rng.bytes_per_second;
	u64 burst = backend->rng.burst;
	struct file *file;

	if (backend->flags || (!rate && burst))
		return -EINVAL;
	if (rate && div64_u64(burst, rate) > KVLANE_RNG_PAUSE)
		return -EINVAL;
	file = kvlane_rng_open(backend->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);

	if (rng->file)
		fput(rng->file);
	rng->file = file;
	rng->pos = 0;
	rng->rate = rate;
	rng->burst = burst ?: rate;
	rng->full_ns = 0;
	rng->lane = &dev->queues[0].lane;
	rng->present = true;
	return 0;
}

static int kvlane_rng_create(struct kvlane_device *dev)
{
	struct kvlane_rng *rng;

	rng = kzalloc(sizeof(*rng), GFP_KERNEL_ACCOUNT);
	if (!rng)
		return -ENOMEM;
	hrtimer_setup(&rng->timer, kvlane_rng_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	dev->offered = KVLANE_QUEUE_FEATURES & dev->mask;
	dev->priv = rng;
	return 0;
}

static void kvlane_rng_destroy(struct kvlane_device *dev)
{
	struct kvlane_rng *rng = dev->priv;

	if (rng->file)
		fput(rng->file);
	kfree(rng);
}

const struct kvlane_device_ops kvlane_rng_ops = {
	.type = VIRTIO_ID_RNG,
	.name = "rng",
	.max_queues = 1,
	.max_segs = KVLANE_MAX_SEGS,
	.backend_size = sizeof(struct kvlane_rng_backend),
	.request_size = sizeof(struct kvlane_request),
	.interruptible = true,
	.create = kvlane_rng_create,
	.destroy = kvlane_rng_destroy,
	.set_backend = kvlane_rng_set_backend,
	.has_backend = kvlane_rng_has_backend,
	.reset = kvlane_rng_reset,
	.read_config = kvlane_rng_read_config,
	.write_config = kvlane_rng_write_config,
	.quota = kvlane_rng_quota,
	.wait = kvlane_rng_wait,
	.handle = kvlane_rng_handle,
	.finish = kvlane_rng_finish,
	.cancel = kvlane_rng_cancel,
};
