// SPDX-License-Identifier: GPL-2.0-only
/* What only a packed virtqueue has: virtio 1.2, section 2.8. */
#include "queue.h"

static struct queue q;

static void packed_open(u16 size, u64 features, u16 first)
{
	queue_kind = PACKED;
	queue_open(&q, size, features, first);
}

static void trace_start(void)
{
	shim.tracing = true;
	shim.nr_trace = 0;
}

static void expect_event(unsigned int i, enum shim_event_type type, const void *ptr)
{
	EXPECT(i < shim.nr_trace);
	EXPECT_EQ(shim.trace[i].type, type);
	EXPECT(shim.trace[i].ptr == ptr);
}

/* Flags first, then what they cover; a descriptor is two words, each read once. */
TEST(packed_pop_order)
{
	unsigned int i;

	packed_open(16, 0, 30);
	queue_send(&q, queue_request, 3);
	trace_start();
	EXPECT_EQ(queue_pop(&q), 1);
	expect_event(0, SHIM_READ, driver_desc_word(&q.d, 14, 1));
	expect_event(1, SHIM_RMB, NULL);
	expect_event(2, SHIM_READ, driver_desc_word(&q.d, 14, 0));
	expect_event(3, SHIM_READ, driver_desc_word(&q.d, 15, 0));
	expect_event(4, SHIM_READ, driver_desc_word(&q.d, 15, 1));
	expect_event(5, SHIM_READ, driver_desc_word(&q.d, 0, 0));
	expect_event(6, SHIM_READ, driver_desc_word(&q.d, 0, 1));
	EXPECT_EQ(shim.nr_trace, 7);
	for (i = 0; i < shim.nr_trace; i++)
		EXPECT(i == 1 || shim.trace[i].size == 8);
	queue_close(&q);
}

/* An empty ring costs one read. */
TEST(packed_pop_nothing)
{
	packed_open(16, 0, 0);
	trace_start();
	EXPECT_EQ(queue_pop(&q), 0);
	expect_event(0, SHIM_READ, driver_desc_word(&q.d, 0, 1));
	EXPECT_EQ(shim.nr_trace, 1);
	queue_close(&q);
}

/* The used descriptor the driver waits for is the last one to be written. */
TEST(packed_publish_order)
{
	int i;

	packed_open(16, EVENT_IDX, 10);
	for (i = 0; i < 3; i++) {
		queue_send(&q, queue_request, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, i), 0);
	}
	trace_start();
	EXPECT(kvlane_vring_publish(&q.vr) >= 0);
	expect_event(0, SHIM_WRITE, driver_desc_word(&q.d, 13, 1));
	expect_event(1, SHIM_WRITE, driver_desc_word(&q.d, 0, 1));
	expect_event(2, SHIM_WMB, NULL);
	expect_event(3, SHIM_WRITE, driver_desc_word(&q.d, 10, 1));
	expect_event(4, SHIM_MB, NULL);
	expect_event(5, SHIM_READ, driver_driver_event(&q.d));
	EXPECT_EQ(shim.nr_trace, 6);
	queue_close(&q);
}

TEST(packed_enable_kick_order)
{
	packed_open(16, EVENT_IDX, 3);
	trace_start();
	EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
	expect_event(0, SHIM_WRITE, driver_device_event(&q.d));
	expect_event(1, SHIM_MB, NULL);
	expect_event(2, SHIM_READ, driver_desc_word(&q.d, 3, 1));
	EXPECT_EQ(shim.nr_trace, 3);
	queue_close(&q);
}

/* Sizes that are no powers of two, chains of odd lengths, many times round. */
TEST(packed_any_size)
{
	u16 size, n;
	u32 len, i;

	for (size = 1; size <= KVLANE_MAX_QUEUE_SIZE; size += 1 + size / 3) {
		packed_open(size, 0, 0);
		for (i = 0; i < 2 * size + 40; i++) {
			n = 1 + i % (size < 3 ? size : 3);
			queue_send(&q, queue_request, n);
			EXPECT_EQ(queue_pop(&q), 1);
			queue_expect_chain(&q, queue_request, n);
			EXPECT_EQ(queue_pop(&q), 0);
			EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, i), 0);
			EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
			EXPECT_EQ(driver_collect(&q.d, &len), q.c.head);
			EXPECT_EQ(len, i);
		}
		EXPECT_EQ(q.vr.next_avail, q.d.avail_idx);
		EXPECT_EQ(q.vr.used_idx, q.vr.next_avail);
		queue_close(&q);
	}
}

/* A queue goes on where another left it: all there is to keep is next_avail. */
TEST(packed_handover)
{
	u16 i;
	u32 len;

	packed_open(11, EVENT_IDX, 0);
	for (i = 0; i < 40; i++) {
		queue_send(&q, queue_request, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, i), 0);
		EXPECT(kvlane_vring_publish(&q.vr) >= 0);
		EXPECT_EQ(driver_collect(&q.d, &len), q.c.head);
		q.cfg.avail_idx = q.vr.next_avail;
		queue_restart(&q);
	}
	queue_close(&q);
}

/* All flags but one are to be ignored in a table, and so is the id. */
TEST(packed_table_flags)
{
	static const u16 flags[] = { NEXT, TABLE, 1U << 7, 1U << 15, 0xfffd };
	struct driver_buf buf[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		packed_open(16, INDIRECT, 0);
		memcpy(buf, queue_request, sizeof(buf));
		buf[0].flags |= flags[i];
		buf[1].flags |= flags[i];
		buf[2].flags |= flags[i];
		buf[1].next = 999;
		queue_send_indirect(&q, buf, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		queue_expect_chain(&q, queue_request, 3);
		queue_close(&q);
	}
}

/* The write flag of the descriptor that points to a table is ignored, too. */
TEST(packed_table_unaligned)
{
	const u64 table = DRIVER_TABLES + 5;

	packed_open(16, INDIRECT, 0);
	driver_set_table(&q.d, table, 0, queue_request[0]);
	driver_set_table(&q.d, table, 1, queue_request[1]);
	queue_send(&q, &(struct driver_buf){ table, 32, TABLE | W, 0 }, 1);
	EXPECT_EQ(queue_pop(&q), 1);
	queue_expect_chain(&q, queue_request, 2);
	queue_close(&q);
}

/* Publish @n chains of three descriptors from @first on, the event at @event. */
static int interrupt_for(u16 size, u16 first, u16 n, int event)
{
	u16 place;
	int ret;

	packed_open(size, EVENT_IDX, first);
	/* Where the event is, counted from the first descriptor. */
	place = driver_advance(&q.d, q.d.avail_idx, event);
	*driver_driver_event(&q.d) = VRING_PACKED_EVENT_FLAG_DESC << 16 | place;
	while (n--) {
		queue_send(&q, queue_request, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
	}
	ret = kvlane_vring_publish(&q.vr);
	queue_close(&q);
	return ret;
}

/* An interrupt if, and only if, the descriptor is among them: up to a ring away. */
TEST(packed_interrupt_by_event)
{
	static const u16 sizes[] = { 16, 13 };
	unsigned int s;
	u16 first, n;
	int at;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (first = 0; first < 2 * sizes[s]; first++) {
			for (n = 1; n <= sizes[s] / 3; n++) {
				for (at = 0; at < sizes[s]; at++)
					EXPECT_EQ(interrupt_for(sizes[s], first, n, at),
						  at < 3 * n);
			}
		}
	}
}

static int interrupt_with(u64 features, u32 event)
{
	int ret;

	packed_open(16, features, 5);
	*driver_driver_event(&q.d) = event;
	queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
	ret = kvlane_vring_publish(&q.vr);
	queue_close(&q);
	return ret;
}

/* What the driver must not write there counts as a wish for interrupts. */
TEST(packed_interrupt_flags)
{
	EXPECT_EQ(interrupt_with(0, 0), 1);
	EXPECT_EQ(interrupt_with(0, 0xffff), 1);
	EXPECT_EQ(interrupt_with(0, 1 << 16 | 0xffff), 0);
	EXPECT_EQ(interrupt_with(0, 2 << 16), 1);
	EXPECT_EQ(interrupt_with(EVENT_IDX, 2 << 16), 0);
	EXPECT_EQ(interrupt_with(EVENT_IDX, 2 << 16 | 0xffff), 0);
	EXPECT_EQ(interrupt_with(EVENT_IDX, 1 << 16), 0);
	EXPECT_EQ(interrupt_with(EVENT_IDX, 0), 1);
	EXPECT_EQ(interrupt_with(EVENT_IDX, 3 << 16), 1);
	EXPECT_EQ(interrupt_with(EVENT_IDX, 0xfffe0000), 1);
}
