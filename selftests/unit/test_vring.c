// SPDX-License-Identifier: GPL-2.0-only
/* A virtqueue under an honest driver. */
#include "queue.h"

static struct queue q;

TEST(vring_alloc_fails_cleanly)
{
	struct kvlane_vring vr;
	int nth;

	for (nth = 1; nth <= 3; nth++) {
		shim_reset();
		shim.fail_alloc_at = nth;
		EXPECT_EQ(kvlane_vring_alloc(&vr, 256), -ENOMEM);
		kvlane_vring_free(&vr);
	}
	shim_reset();
	EXPECT_EQ(kvlane_vring_alloc(&vr, 256), 0);
	EXPECT_EQ(shim.allocs, 3);
	kvlane_vring_free(&vr);
}

TEST_RINGS(vring_empty)
{
	queue_open(&q, 16, 0, 0);
	EXPECT_EQ(queue_pop(&q), 0);
	EXPECT_EQ(queue_pop(&q), 0);
	EXPECT_EQ(q.vr.in_flight, 0);
	queue_close(&q);
}

TEST_RINGS(vring_one_request)
{
	u32 len;
	int head;

	queue_open(&q, 16, 0, 0);
	head = queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(q.c.head, head);
	EXPECT_EQ(q.vr.in_flight, 1);
	queue_expect_chain(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 0);

	EXPECT_EQ(kvlane_vring_push(&q.vr, head, 4097), 0);
	EXPECT_EQ(q.vr.in_flight, 0);
	EXPECT_EQ(driver_collect(&q.d, &len), -1);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	EXPECT_EQ(driver_collect(&q.d, &len), head);
	EXPECT_EQ(len, 4097);
	EXPECT_EQ(driver_collect(&q.d, &len), -1);
	queue_close(&q);
}

/* Directly, chains of every length up to the queue's. */
TEST_RINGS(vring_direct_chains_of_any_length)
{
	struct driver_buf buf[32];
	u16 n, i;
	u32 len;

	queue_open(&q, 32, 0, 0);
	for (n = 1; n <= 32; n++) {
		for (i = 0; i < n; i++) {
			buf[i] = (struct driver_buf){
				.addr = DRIVER_BUFFERS + 256 * i,
				.len = 1 + i,
				.flags = i < n / 2 ? R : W,
			};
		}
		queue_send(&q, buf, n);
		EXPECT_EQ(queue_pop(&q), 1);
		queue_expect_chain(&q, buf, n);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
		EXPECT_EQ(driver_collect(&q.d, &len), q.c.head);
	}
	queue_close(&q);
}

/* An indirect chain may be longer than the queue if the device takes it. */
TEST_RINGS(vring_indirect_chains_of_any_length)
{
	struct driver_buf buf[100];
	u16 n, i;
	u32 len;

	queue_open(&q, 16, INDIRECT, 0);
	q.cfg.max_segs = 100;
	queue_restart(&q);
	for (n = 1; n <= 100; n++) {
		for (i = 0; i < n; i++) {
			buf[i] = (struct driver_buf){
				.addr = DRIVER_BUFFERS + 64 * i,
				.len = 1 + i,
				.flags = i < n - n / 2 ? R : W,
			};
		}
		queue_send_indirect(&q, buf, n);
		EXPECT_EQ(queue_pop(&q), 1);
		queue_expect_chain(&q, buf, n);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
		EXPECT_EQ(driver_collect(&q.d, &len), q.c.head);
	}
	queue_close(&q);
}

/* Descriptors in the queue's table followed by an indirect one: 2.7.5.3.2. */
TEST(vring_indirect_after_direct)
{
	static const u16 table_flags[] = { TABLE, TABLE | W };
	struct driver_buf buf[12];
	unsigned int t;
	u16 n, i;

	for (t = 0; t < 2; t++) {
		for (n = 0; n <= 10; n++) {
			queue_open(&q, 16, INDIRECT, 0);
			for (i = 0; i < n + 2; i++) {
				buf[i] = (struct driver_buf){
					DRIVER_BUFFERS + 64 * i, 5 + i, R | NEXT,
					i + 1 };
				if (i < n)
					driver_set_desc(&q.d, i, buf[i]);
			}
			driver_set_desc(&q.d, n, (struct driver_buf){
				DRIVER_TABLES, 32, table_flags[t], 77 });
			buf[n].next = 1;
			buf[n + 1].flags = W;
			driver_set_table(&q.d, DRIVER_TABLES, 0, buf[n]);
			driver_set_table(&q.d, DRIVER_TABLES, 1, buf[n + 1]);
			driver_offer_raw(&q.d, 0);
			driver_show(&q.d);
			EXPECT_EQ(queue_pop(&q), 1);
			queue_expect_chain(&q, buf, n + 2);
			queue_close(&q);
		}
	}
}

/* Nothing says that indirect tables are aligned. */
TEST(vring_indirect_table_unaligned)
{
	const u64 table = DRIVER_TABLES + 3;

	queue_open(&q, 16, INDIRECT, 0);
	driver_set_table(&q.d, table, 0, (struct driver_buf){
		DRIVER_BUFFERS, 16, R | NEXT, 2 });
	driver_set_table(&q.d, table, 2, (struct driver_buf){
		DRIVER_BUFFERS + 512, 1, W, 0 });
	driver_set_desc(&q.d, 5, (struct driver_buf){ table, 48, TABLE, 0 });
	driver_offer_raw(&q.d, 5);
	driver_show(&q.d);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(q.c.head, 5);
	EXPECT_EQ(q.c.out_len, 16);
	EXPECT_EQ(q.c.in_len, 1);
	queue_close(&q);
}

/* A table that ends where memory ends. */
TEST_RINGS(vring_indirect_table_last_in_memory)
{
	const u64 table = GUEST_HIGH + GUEST_HIGH_SIZE - 32;

	queue_open(&q, 16, INDIRECT, 0);
	driver_set_table(&q.d, table, 0, (struct driver_buf){
		DRIVER_BUFFERS, 16, R | NEXT, 1 });
	driver_set_table(&q.d, table, 1, (struct driver_buf){
		DRIVER_BUFFERS + 512, 1, W, 0 });
	queue_send(&q, &(struct driver_buf){ table, 32, TABLE, 0 }, 1);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(q.c.out_num + q.c.in_num, 2);
	queue_close(&q);
}

TEST_RINGS(vring_buffer_across_ranges)
{
	const struct driver_buf buf[] = {
		{ GUEST_MID - 16, 16, R, 0 },
		{ GUEST_MID - 100, 300, W, 0 },
		{ GUEST_HIGH, GUEST_HIGH_SIZE, W, 0 },
	};

	queue_open(&q, 16, 0, 0);
	queue_send(&q, buf, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(q.c.out_num, 1);
	EXPECT_EQ(q.c.in_num, 3);
	EXPECT_EQ(q.c.out_len, 16);
	EXPECT_EQ(q.c.in_len, 300 + GUEST_HIGH_SIZE);
	EXPECT(q.iov[1].iov_base == guest_ptr(&q.g, GUEST_MID - 100));
	EXPECT_EQ(q.iov[1].iov_len, 100);
	EXPECT(q.iov[2].iov_base == guest_ptr(&q.g, GUEST_MID));
	EXPECT_EQ(q.iov[2].iov_len, 200);
	EXPECT_EQ(q.iov[3].iov_len, GUEST_HIGH_SIZE);
	queue_close(&q);
}

/* Just as many buffers, segments and bytes as there may be. */
TEST_RINGS(vring_limits_are_inclusive)
{
	struct driver_buf buf[16];
	u16 i;

	queue_open(&q, 16, 0, 0);
	q.cfg.max_segs = 16;
	q.c.max_iov = 16;
	queue_restart(&q);
	for (i = 0; i < 16; i++)
		buf[i] = (struct driver_buf){ DRIVER_BUFFERS, 7, W, 0 };
	queue_send(&q, buf, 16);
	EXPECT_EQ(queue_pop(&q), 1);
	queue_expect_chain(&q, buf, 16);
	queue_close(&q);
}

/* 2^32 - 1 bytes, from a guest whose memory is the same 64 KiB over and over. */
TEST_RINGS(vring_most_bytes)
{
	const struct driver_buf buf[] = {
		{ 0x10000000000ULL, 0xffffff00, R, 0 },
		{ 0x10000000000ULL, 0xff, W, 0 },
	};
	struct kvlane_memtable *big;
	u32 i;

	queue_open(&q, 16, 0, 0);
	big = calloc(1, sizeof(*big) + 4 * sizeof(big->range[0]));
	EXPECT(big);
	memcpy(big, q.g.mem, sizeof(*big) + 3 * sizeof(big->range[0]));
	big->range[3] = (struct kvlane_memrange){
		0x10000000000ULL, 1ULL << 32, 1UL << 44 };
	big->nr = 4;
	EXPECT_EQ(kvlane_memtable_build(big), 0);
	queue_send(&q, buf, 2);
	i = kvlane_vring_pop(&q.vr, big, &q.c);
	EXPECT_EQ(i, 1);
	EXPECT_EQ(q.c.out_len, 0xffffff00);
	EXPECT_EQ(q.c.in_len, 0xff);
	free(big);
	queue_close(&q);
}

static void run_past_wrap(u16 size, u64 features, u16 first)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	int head, i;
	u32 len;

	queue_open(&q, size, features, first);
	for (i = 0; i < 3 * size + 20; i++) {
		head = queue_send(&q, &one, 1);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(q.c.head, head);
		EXPECT_EQ(queue_pop(&q), 0);
		EXPECT_EQ(kvlane_vring_push(&q.vr, head, i), 0);
		EXPECT(kvlane_vring_publish(&q.vr) >= 0);
		EXPECT_EQ(driver_collect(&q.d, &len), head);
		EXPECT_EQ(len, i);
	}
	if (!queue_kind)
		EXPECT_EQ(*driver_used_idx(&q.d), (u16)(first + i));
	EXPECT_EQ(q.vr.next_avail, q.d.avail_idx);
	EXPECT_EQ(q.vr.used_idx, q.d.used_idx);
	queue_close(&q);
}

TEST_RINGS(vring_index_wraps)
{
	u16 size;

	for (size = 2; size <= KVLANE_MAX_QUEUE_SIZE; size *= 2) {
		run_past_wrap(size, 0, 0);
		run_past_wrap(size, 0, 65530);
		run_past_wrap(size, EVENT_IDX, 65535);
		run_past_wrap(size, EVENT_IDX, (u16)-size);
	}
}

/* Everything in flight across the wrap; completed in an odd order, in parts. */
static void fill_and_drain(u16 size, u16 first)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	bool seen[KVLANE_MAX_QUEUE_SIZE] = { false };
	u16 heads[KVLANE_MAX_QUEUE_SIZE];
	u16 i, at;
	u32 len;
	int head;

	queue_open(&q, size, 0, first);
	for (i = 0; i < size; i++)
		queue_send(&q, &one, 1);
	EXPECT_EQ(driver_add(&q.d, &one, 1), -1);
	for (i = 0; i < size; i++) {
		EXPECT_EQ(queue_pop(&q), 1);
		heads[i] = q.c.head;
	}
	EXPECT_EQ(queue_pop(&q), 0);
	EXPECT_EQ(q.vr.in_flight, size);

	for (i = 0, at = 0; i < size; i++) {
		at = (at + 5) % size;
		EXPECT_EQ(kvlane_vring_push(&q.vr, heads[at], heads[at]), 0);
		if (i % 3 == 0)
			EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	}
	EXPECT(kvlane_vring_publish(&q.vr) >= 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	for (i = 0; i < size; i++) {
		head = driver_collect(&q.d, &len);
		EXPECT(head >= 0 && !seen[head]);
		EXPECT_EQ(len, head);
		seen[head] = true;
	}
	EXPECT_EQ(driver_collect(&q.d, &len), -1);
	queue_close(&q);
}

TEST_RINGS(vring_full_and_out_of_order)
{
	u16 size;

	for (size = 2; size <= KVLANE_MAX_QUEUE_SIZE; size *= 2) {
		fill_and_drain(size, 0);
		fill_and_drain(size, 65535);
	}
}

TEST_RINGS(vring_interrupt_by_flag)
{
	int head;

	queue_open(&q, 16, 0, 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	EXPECT(!driver_want_interrupt(&q.d));

	head = queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, head, 0), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);

	driver_no_interrupts(&q.d);
	head = queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, head, 0), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	queue_close(&q);
}

/* Without VIRTIO_RING_F_EVENT_IDX nobody looks at the event fields. */
TEST(vring_event_fields_unused_without_feature)
{
	int head;

	queue_open(&q, 16, 0, 0);
	*driver_used_event(&q.d) = 1000;
	*driver_avail_event(&q.d) = 0x5a5a;
	head = queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, head, 0), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	EXPECT_EQ(*driver_avail_event(&q.d), 0x5a5a);
	queue_close(&q);
}

/* Publish @n elements from @first on with used_event at @event. */
static int interrupt_for(u16 first, u16 n, u16 event)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	int ret, i;

	queue_open(&q, 16, EVENT_IDX, first);
	/* The flags must not count. */
	*driver_avail_flags(&q.d) = VRING_AVAIL_F_NO_INTERRUPT;
	*driver_used_event(&q.d) = event;
	for (i = 0; i < n; i++) {
		queue_send(&q, &one, 1);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
	}
	ret = kvlane_vring_publish(&q.vr);
	queue_close(&q);
	return ret;
}

/* An interrupt if, and only if, the element at used_event is among them. */
TEST(vring_interrupt_by_event)
{
	static const u16 firsts[] = { 0, 1, 100, 32767, 32768, 65520, 65535 };
	unsigned int f;
	int n, at;

	for (f = 0; f < ARRAY_SIZE(firsts); f++) {
		for (n = 1; n <= 16; n += 5) {
			for (at = -3; at < n + 3; at++) {
				EXPECT_EQ(interrupt_for(firsts[f], n,
							firsts[f] + at),
					  at >= 0 && at < n);
			}
			EXPECT_EQ(interrupt_for(firsts[f], n,
						firsts[f] + 32768), 0);
		}
	}
}

TEST_RINGS(vring_kick_by_flag)
{
	queue_open(&q, 16, 0, 0);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	EXPECT(driver_told_not_to_kick(&q.d));
	driver_add(&q.d, queue_request, 3);
	EXPECT(!driver_show(&q.d));
	EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 1);
	EXPECT(!driver_told_not_to_kick(&q.d));
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
	driver_add(&q.d, queue_request, 3);
	EXPECT(driver_show(&q.d));
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	EXPECT(driver_told_not_to_kick(&q.d));
	queue_close(&q);
}

/* Looking changes nothing: the driver kicks as it would have. */
TEST_RINGS(vring_more)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		queue_open(&q, 16, i ? EVENT_IDX : 0, 65535);
		EXPECT_EQ(kvlane_vring_more(&q.vr), 0);
		EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
		EXPECT_EQ(kvlane_vring_more(&q.vr), 0);
		driver_add(&q.d, queue_request, 3);
		EXPECT_EQ(kvlane_vring_more(&q.vr), 0);
		EXPECT(driver_show(&q.d));
		EXPECT_EQ(kvlane_vring_more(&q.vr), 1);
		EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
		EXPECT_EQ(kvlane_vring_more(&q.vr), 1);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_more(&q.vr), 0);
		driver_add(&q.d, queue_request, 3);
		EXPECT(!driver_show(&q.d));
		EXPECT_EQ(kvlane_vring_more(&q.vr), 1);
		queue_close(&q);
	}
}

TEST_RINGS(vring_kick_by_event)
{
	static const u16 firsts[] = { 0, 65535, 65534 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(firsts); i++) {
		queue_open(&q, 16, EVENT_IDX, firsts[i]);
		EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
		EXPECT_EQ(queue_kind ? *driver_device_event(&q.d) & 0xffff :
				       *driver_avail_event(&q.d),
			  q.d.avail_idx);
		driver_add(&q.d, queue_request, 3);
		EXPECT(driver_show(&q.d));

		/* One kick is enough: the lane is awake. */
		EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
		driver_add(&q.d, queue_request, 3);
		EXPECT(!driver_show(&q.d));
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 1);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
		EXPECT(!driver_told_not_to_kick(&q.d));
		driver_add(&q.d, queue_request, 3);
		EXPECT(driver_show(&q.d));
		queue_close(&q);
	}
}

/* The flag is written when it changes, not each time. */
TEST_RINGS(vring_disable_kick_writes_once)
{
	unsigned long before;

	queue_open(&q, 16, 0, 0);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	before = shim.accesses;
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	EXPECT_EQ(shim.accesses, before);
	queue_close(&q);
}

TEST_RINGS(vring_publish_nothing_touches_nothing)
{
	queue_open(&q, 16, EVENT_IDX, 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	EXPECT_EQ(shim.accesses, 0);
	queue_close(&q);
}

/* The guest's memory moves to other user addresses with a request in flight. */
TEST_RINGS(vring_memory_moves)
{
	struct guest moved;
	unsigned int i;
	u32 len;
	int head;

	queue_open(&q, 16, EVENT_IDX, 0);
	head = queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	driver_add(&q.d, queue_request, 3);
	driver_show(&q.d);

	guest_init(&moved);
	for (i = 0; i < GUEST_RANGES; i++)
		memcpy(moved.block[i], q.g.block[i], q.g.mem->range[i].size);
	guest_exit(&q.g);
	q.g = moved;
	shim.nr_regions = 0;
	for (i = 0; i < GUEST_RANGES; i++)
		shim_add_region(moved.block[i], moved.mem->range[i].size);

	EXPECT_EQ(kvlane_vring_map(&q.vr, q.g.mem), 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, head, 5), 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
	EXPECT_EQ(driver_collect(&q.d, &len), head);
	EXPECT_EQ(queue_pop(&q), 1);
	queue_expect_chain(&q, queue_request, 3);
	queue_close(&q);
}

/* A reset forgets what was in flight and what was pushed. */
TEST_RINGS(vring_restart)
{
	queue_open(&q, 16, 0, 0);
	queue_send(&q, queue_request, 3);
	queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);

	driver_exit(&q.d);
	driver_init(&q.d, &q.g, 8, queue_kind, 0);
	q.cfg.size = 8;
	queue_restart(&q);
	EXPECT_EQ(q.vr.in_flight, 0);
	EXPECT_EQ(q.vr.nr_done, 0);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), 0);
	EXPECT_EQ(queue_pop(&q), 0);
	queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	EXPECT(driver_told_not_to_kick(&q.d));
	queue_close(&q);
}

TEST_RINGS(vring_push_of_what_is_not_in_flight)
{
	queue_open(&q, 16, 0, 0);
	EXPECT_EQ(kvlane_vring_push(&q.vr, 3, 0), -EPROTO);
	EXPECT_EQ(shim.warnings, 1);
	EXPECT_EQ(q.vr.nr_done, 0);
	EXPECT_EQ(q.vr.in_flight, 0);
	shim.warnings = 0;
	queue_close(&q);
}

/* Chains are given back in the opposite order, and come again as before. */
TEST_RINGS(vring_unpop)
{
	u16 heads[5], first, i, n;
	u32 len;

	for (first = 0; first < 32; first++) {
		queue_open(&q, 16, first % 2 ? IN_ORDER : 0, first);
		for (i = 0; i < 5; i++)
			heads[i] = queue_send(&q, queue_request, 1 + i % 3);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, heads[0], 7), 0);
		for (n = 0; n <= 4; n++) {
			for (i = 1; i <= n; i++)
				EXPECT_EQ(queue_pop(&q), 1);
			for (i = n; i > 0; i--)
				kvlane_vring_unpop(&q.vr, heads[i]);
			EXPECT_EQ(q.vr.in_flight, 0);
		}
		for (i = 1; i < 5; i++) {
			EXPECT_EQ(queue_pop(&q), 1);
			EXPECT_EQ(q.c.head, heads[i]);
			queue_expect_chain(&q, queue_request, 1 + i % 3);
			EXPECT_EQ(kvlane_vring_push(&q.vr, heads[i], 7 + i), 0);
		}
		EXPECT(kvlane_vring_publish(&q.vr) >= 0);
		for (i = 0; i < 5; i++) {
			EXPECT_EQ(driver_collect(&q.d, &len), heads[i]);
			EXPECT_EQ(len, 7 + i);
		}
		EXPECT_EQ(q.vr.next_avail, q.d.avail_idx);
		queue_close(&q);
	}
}

/* Chains that were of no use stay where they are; a kick comes for the next. */
TEST_RINGS(vring_kick_beyond)
{
	u16 first;
	u32 len;
	int head, next;

	for (first = 0; first < 32; first++) {
		queue_open(&q, 16, first % 2 ? EVENT_IDX : 0, first);
		head = queue_send(&q, queue_request, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(queue_pop(&q), 0);
		kvlane_vring_unpop(&q.vr, head);
		EXPECT_EQ(kvlane_vring_enable_kick_beyond(&q.vr), 0);
		next = driver_add(&q.d, queue_request, 3);
		EXPECT(driver_show(&q.d));
		EXPECT_EQ(kvlane_vring_enable_kick_beyond(&q.vr), 1);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(q.c.head, next);
		EXPECT_EQ(queue_pop(&q), 0);
		EXPECT_EQ(kvlane_vring_enable_kick_beyond(&q.vr), 0);
		EXPECT_EQ(kvlane_vring_push(&q.vr, head, 1), 0);
		EXPECT(kvlane_vring_publish(&q.vr) >= 0);
		EXPECT_EQ(driver_collect(&q.d, &len), head);
		queue_close(&q);
	}
}
