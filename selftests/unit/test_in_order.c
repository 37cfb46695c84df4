// SPDX-License-Identifier: GPL-2.0-only
/* VIRTIO_F_IN_ORDER, virtio 1.2, sections 2.7.9 and 2.8.9. */
#include "queue.h"

static struct queue q;

#define IN_LEN	4097

/* @n requests in flight; each has its number for a head. */
static void in_order_open(u16 n, u16 *heads)
{
	u16 i;

	queue_open(&q, 64, IN_ORDER, 50);
	for (i = 0; i < n; i++) {
		queue_send(&q, queue_request, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		heads[i] = q.c.head;
	}
}

static unsigned int writes(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < shim.nr_trace; i++)
		n += shim.trace[i].type == SHIM_WRITE;
	return n;
}

static void expect_collected(u16 head, u32 len)
{
	u32 got;

	EXPECT_EQ(driver_collect(&q.d, &got), head);
	EXPECT_EQ(got, len);
}

/* Nothing is shown before what was offered first, nor is memory touched. */
TEST_RINGS(in_order_holds_back)
{
	u16 heads[3];
	u32 len;

	in_order_open(3, heads);
	shim.accesses = 0;
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[2], 5), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[1], 6), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	EXPECT_EQ(shim.accesses, 0);
	EXPECT_EQ(driver_collect(&q.d, &len), -1);
	EXPECT_EQ(q.vr.nr_done, 2);

	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[0], 7), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	EXPECT_EQ(q.vr.nr_done, 0);
	expect_collected(heads[0], 7);
	expect_collected(heads[1], 6);
	expect_collected(heads[2], 5);
	EXPECT_EQ(driver_collect(&q.d, &len), -1);
	queue_close(&q);
}

/* Of chains used completely only the last has an entry. */
TEST_RINGS(in_order_one_entry_for_many)
{
	u16 heads[8], i;

	in_order_open(8, heads);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(kvlane_vring_push(&q.vr, heads[7 - i], IN_LEN), 0);
	shim.tracing = true;
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	EXPECT_EQ(writes(), queue_kind ? 1 : 2);
	for (i = 0; i < 8; i++)
		expect_collected(heads[i], IN_LEN);
	EXPECT_EQ(q.vr.used_idx, q.d.used_idx);
	queue_close(&q);
}

/* Whatever was not used completely has an entry that says so. */
TEST_RINGS(in_order_partly_used)
{
	u32 partly, len;
	u16 heads[6], i;

	for (partly = 0; partly < 1 << 6; partly++) {
		in_order_open(6, heads);
		for (i = 0; i < 6; i++) {
			len = partly >> i & 1 ? i : IN_LEN;
			EXPECT_EQ(kvlane_vring_push(&q.vr, heads[i], len), 0);
		}
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
		for (i = 0; i < 6; i++)
			expect_collected(heads[i], partly >> i & 1 ? i : IN_LEN);
		queue_close(&q);
	}
}

/* Entries that are shown before all of a batch is there continue it correctly. */
TEST_RINGS(in_order_in_parts)
{
	u16 heads[20], i;

	in_order_open(20, heads);
	for (i = 0; i < 20; i += 2) {
		EXPECT_EQ(kvlane_vring_push(&q.vr, heads[i + 1], IN_LEN), 0);
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
		EXPECT_EQ(kvlane_vring_push(&q.vr, heads[i], IN_LEN), 0);
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
		expect_collected(heads[i], IN_LEN);
		expect_collected(heads[i + 1], IN_LEN);
	}
	queue_close(&q);
}

/* The interrupt is for what is shown, not for what has an entry. */
TEST_RINGS(in_order_interrupt_within_a_batch)
{
	u16 heads[4], i;

	queue_open(&q, 16, IN_ORDER | EVENT_IDX, 14);
	for (i = 0; i < 4; i++) {
		queue_send(&q, queue_request, 1);
		EXPECT_EQ(queue_pop(&q), 1);
		heads[i] = q.c.head;
	}
	if (queue_kind)
		*driver_driver_event(&q.d) = VRING_PACKED_EVENT_FLAG_DESC << 16 |
					     driver_advance(&q.d, q.d.used_idx, 2);
	else
		*driver_used_event(&q.d) = q.d.used_idx + 2;
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[0], 0), 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[1], 0), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[2], 0), 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[3], 0), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	queue_close(&q);
}

TEST_RINGS(in_order_restart)
{
	u16 heads[3];

	in_order_open(3, heads);
	EXPECT_EQ(kvlane_vring_push(&q.vr, heads[2], 5), 0);
	driver_exit(&q.d);
	driver_init(&q.d, &q.g, 64, queue_kind | IN_ORDER, 0);
	q.cfg.avail_idx = q.d.avail_idx;
	queue_restart(&q);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 9), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	expect_collected(q.c.head, 9);
	queue_close(&q);
}

/* A head that a hostile driver offers again while its completion is held back. */
TEST_RINGS(in_order_head_again_while_held)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	u16 i;

	queue_open(&q, 16, IN_ORDER, 0);
	queue_offer(&q, 7, one);
	EXPECT_EQ(queue_pop(&q), 1);
	for (i = 0; i < 15; i++) {
		queue_offer(&q, 3, one);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, 3, i % 2 ? 64 : 0), 0);
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	}
	EXPECT_EQ(q.vr.nr_done, 15);
	EXPECT_EQ(queue_pop(&q), 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, 7, 64), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	EXPECT_EQ(q.vr.nr_done, 0);
	EXPECT_EQ(q.vr.used_idx, q.vr.next_avail);
	queue_close(&q);
}
