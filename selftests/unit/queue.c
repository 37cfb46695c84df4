// SPDX-License-Identifier: GPL-2.0-only
/* See queue.h. */
#include "queue.h"

u64 queue_kind;

const struct driver_buf queue_request[3] = {
	{ .addr = DRIVER_BUFFERS, .len = 16, .flags = R },
	{ .addr = DRIVER_BUFFERS + 0x1000, .len = 4096, .flags = W },
	{ .addr = DRIVER_BUFFERS + 0x10, .len = 1, .flags = W },
};

void queue_open(struct queue *q, u16 size, u64 features, u16 first_idx)
{
	features |= queue_kind;
	shim_reset();
	memset(q, 0, sizeof(*q));
	guest_init(&q->g);
	driver_init(&q->d, &q->g, size, features, first_idx);
	q->cfg = (struct kvlane_vring_config){
		.features = features,
		.desc = DRIVER_DESC,
		.driver = DRIVER_AVAIL,
		.device = DRIVER_USED,
		.max_segs = QUEUE_MAX_IOV,
		.size = size,
		.avail_idx = q->d.avail_idx,
	};
	q->c.iov = q->iov;
	q->c.max_iov = QUEUE_MAX_IOV;
	EXPECT_EQ(kvlane_vring_alloc(&q->vr, KVLANE_MAX_QUEUE_SIZE), 0);
	queue_restart(q);
}

void queue_restart(struct queue *q)
{
	kvlane_vring_start(&q->vr, &q->cfg);
	EXPECT_EQ(kvlane_vring_map(&q->vr, q->g.mem), 0);
}

void queue_close(struct queue *q)
{
	EXPECT(!shim.open);
	EXPECT_EQ(shim.warnings, 0);
	kvlane_vring_free(&q->vr);
	driver_exit(&q->d);
	guest_exit(&q->g);
}

int queue_pop(struct queue *q)
{
	return kvlane_vring_pop(&q->vr, q->g.mem, &q->c);
}

int queue_send(struct queue *q, const struct driver_buf *buf, u16 n)
{
	int head = driver_add(&q->d, buf, n);

	EXPECT(head >= 0);
	driver_show(&q->d);
	return head;
}

int queue_send_indirect(struct queue *q, const struct driver_buf *buf, u16 n)
{
	int head = driver_add_indirect(&q->d, buf, n);

	EXPECT(head >= 0);
	driver_show(&q->d);
	return head;
}

void queue_offer(struct queue *q, u16 head, struct driver_buf buf)
{
	struct driver *d = &q->d;

	buf.next = head;
	if (d->packed) {
		driver_put_desc(d, d->avail_idx, buf);
		d->avail_idx = driver_advance(d, d->avail_idx, 1);
		return;
	}
	if (head < d->size)
		driver_set_desc(d, head, buf);
	driver_offer_raw(d, head);
	driver_show_raw(d, d->avail_idx);
}

void queue_expect_chain(struct queue *q, const struct driver_buf *buf, u16 n)
{
	u32 out_len = 0, in_len = 0;
	u16 i, out = 0;

	for (i = 0; i < n; i++) {
		EXPECT(q->iov[i].iov_base == guest_ptr(&q->g, buf[i].addr));
		EXPECT_EQ(q->iov[i].iov_len, buf[i].len);
		if (buf[i].flags & W) {
			in_len += buf[i].len;
		} else {
			out_len += buf[i].len;
			out++;
		}
	}
	EXPECT_EQ(q->c.out_num, out);
	EXPECT_EQ(q->c.in_num, n - out);
	EXPECT_EQ(q->c.out_len, out_len);
	EXPECT_EQ(q->c.in_len, in_len);
}
