// SPDX-License-Identifier: GPL-2.0-only
/* A driver that breaks the rules: each way has its reason. */
#include "queue.h"

static struct queue q;

#define BUF(len, flags, next)	{ DRIVER_BUFFERS, len, flags, next }

/* Descriptors of a chain that begins at 0, and what to make of it. */
struct hostile {
	const char *name;
	enum { BOTH, SPLIT_ONLY, PACKED_ONLY } ring;
	u64 features;
	struct driver_buf desc[4];
	struct driver_buf table[4];
	enum kvlane_reason reason;
	u32 max_segs;
	u16 max_iov;
};

#define INTO_TABLE(len)	{ DRIVER_TABLES, len, TABLE, 0 }

static const struct hostile hostile[] = {
	{ "next past the end", SPLIT_ONLY, 0, { BUF(16, NEXT, 16) },
	  .reason = KVLANE_REASON_NEXT },
	{ "next far past the end", SPLIT_ONLY, 0, { BUF(16, NEXT, 1), BUF(16, NEXT, 65535) },
	  .reason = KVLANE_REASON_NEXT },
	{ "loop of one", SPLIT_ONLY, 0, { BUF(16, NEXT, 0) },
	  .reason = KVLANE_REASON_CHAIN_LENGTH },
	{ "loop of two", SPLIT_ONLY, 0, { BUF(16, NEXT, 1), BUF(16, NEXT, 0) },
	  .reason = KVLANE_REASON_CHAIN_LENGTH },
	{ "loop of more buffers than fit", SPLIT_ONLY, 0, { BUF(16, NEXT, 0) },
	  .reason = KVLANE_REASON_CHAIN_LENGTH, .max_segs = 3 },
	{ "readable after writable", BOTH, 0, { BUF(16, W | NEXT, 1), BUF(16, R, 0) },
	  .reason = KVLANE_REASON_DIRECTION },
	{ "empty", BOTH, 0, { BUF(0, R, 0) },
	  .reason = KVLANE_REASON_CHAIN_BYTES },
	{ "second buffer empty", BOTH, 0, { BUF(1, R | NEXT, 1), BUF(0, W, 0) },
	  .reason = KVLANE_REASON_CHAIN_BYTES },
	{ "address past the end", BOTH, 0, { { GUEST_MID + GUEST_MID_SIZE, 1, R, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "running past the end", BOTH, 0,
	  { { GUEST_MID + GUEST_MID_SIZE - 8, 9, R, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "highest address", BOTH, 0, { { ~0ULL, 1, W, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "address that wraps", BOTH, 0, { { -16ULL, 32, W, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "longest buffer", BOTH, 0, { { GUEST_HIGH, 0xffffffff, W, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "too many buffers", BOTH, 0,
	  { BUF(1, R | NEXT, 1), BUF(1, R | NEXT, 2), BUF(1, W, 0) },
	  .reason = KVLANE_REASON_SEGMENTS, .max_segs = 2 },
	{ "too many segments", BOTH, 0, { BUF(1, R | NEXT, 1), { GUEST_MID - 1, 2, R, 0 } },
	  .reason = KVLANE_REASON_SEGMENTS, .max_iov = 2 },
	{ "no room at all", BOTH, 0, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_SEGMENTS, .max_segs = 1, .max_iov = 0xffff },

	{ "table without the feature", BOTH, 0, { INTO_TABLE(16) }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table of no bytes", BOTH, INDIRECT, { INTO_TABLE(0) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table of 8 bytes", BOTH, INDIRECT, { INTO_TABLE(8) }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table of 33 bytes", BOTH, INDIRECT, { INTO_TABLE(33) }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table and next", BOTH, INDIRECT,
	  { { DRIVER_TABLES, 16, TABLE | NEXT, 1 }, BUF(1, R, 0) }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table in a table", SPLIT_ONLY, INDIRECT, { INTO_TABLE(16) }, { INTO_TABLE(16) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table in a table, later", SPLIT_ONLY, INDIRECT, { INTO_TABLE(32) },
	  { BUF(1, R | NEXT, 1), INTO_TABLE(16) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "table outside memory", BOTH, INDIRECT, { { 1ULL << 40, 16, TABLE, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "table running out of memory", BOTH, INDIRECT,
	  { { GUEST_HIGH + GUEST_HIGH_SIZE - 16, 32, TABLE, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "table across a border", BOTH, INDIRECT,
	  { { GUEST_MID - 16, 32, TABLE, 0 } },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "table of nearly 2^32 bytes", BOTH, INDIRECT, { INTO_TABLE(0xfffffff0) },
	  .reason = KVLANE_REASON_ADDRESS },
	{ "next past the end of the table", SPLIT_ONLY, INDIRECT, { INTO_TABLE(32) },
	  { BUF(1, R | NEXT, 2) },
	  .reason = KVLANE_REASON_NEXT },
	{ "loop in a table", SPLIT_ONLY, INDIRECT, { INTO_TABLE(32) },
	  { BUF(1, R | NEXT, 1), BUF(1, R | NEXT, 0) },
	  .reason = KVLANE_REASON_CHAIN_LENGTH },
	{ "loop in a huge table", BOTH, INDIRECT, { INTO_TABLE(0x8000) },
	  { BUF(1, R | NEXT, 1), BUF(1, R | NEXT, 0) },
	  .reason = KVLANE_REASON_CHAIN_LENGTH, .max_segs = 3 },
	{ "direction reversed in a table", SPLIT_ONLY, INDIRECT,
	  { BUF(1, W | NEXT, 1), INTO_TABLE(16) }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_DIRECTION },

	{ "id past the end", PACKED_ONLY, 0, { BUF(16, R, 16) },
	  .reason = KVLANE_REASON_HEAD },
	{ "id far past the end", PACKED_ONLY, 0, { BUF(16, R | NEXT, 0), BUF(1, W, 65535) },
	  .reason = KVLANE_REASON_HEAD },
	{ "id of a table past the end", PACKED_ONLY, INDIRECT,
	  { { DRIVER_TABLES, 16, TABLE, 16 } }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_HEAD },
	{ "chain that is not all available", PACKED_ONLY, 0,
	  { BUF(1, R | NEXT, 0), BUF(1, R | NEXT, 0), BUF(1, R | NEXT, 0),
	    BUF(1, R | NEXT, 0) },
	  .reason = KVLANE_REASON_NEXT },
	{ "table after a buffer", PACKED_ONLY, INDIRECT,
	  { BUF(1, R | NEXT, 0), INTO_TABLE(16) }, { BUF(1, R, 0) },
	  .reason = KVLANE_REASON_INDIRECT },
	{ "direction reversed in a table", PACKED_ONLY, INDIRECT, { INTO_TABLE(32) },
	  { BUF(1, W, 0), BUF(1, R, 0) },
	  .reason = KVLANE_REASON_DIRECTION },
	{ "table longer than allowed", PACKED_ONLY, INDIRECT, { INTO_TABLE(17 * 16) },
	  .reason = KVLANE_REASON_CHAIN_LENGTH, .max_segs = 3 },
	{ "table with more buffers than fit", PACKED_ONLY, INDIRECT, { INTO_TABLE(48) },
	  { BUF(1, R, 0), BUF(1, R, 0), BUF(1, R, 0) },
	  .reason = KVLANE_REASON_SEGMENTS, .max_segs = 2 },
};

static bool hostile_applies(const struct hostile *h)
{
	return h->ring == BOTH || (h->ring == PACKED_ONLY) == (queue_kind == PACKED);
}

static void hostile_set_up(const struct hostile *h)
{
	u32 i;

	queue_open(&q, 16, h->features, 0);
	if (h->max_segs)
		q.cfg.max_segs = h->max_segs;
	if (h->max_iov)
		q.c.max_iov = h->max_iov == 0xffff ? 0 : h->max_iov;
	queue_restart(&q);
	for (i = 0; i < 4; i++) {
		driver_set_desc(&q.d, i, h->desc[i]);
		driver_set_table(&q.d, DRIVER_TABLES, i, h->table[i]);
	}
	if (queue_kind)
		return;
	driver_offer_raw(&q.d, 0);
	driver_show(&q.d);
}

static void expect_broken(enum kvlane_reason reason)
{
	unsigned long before;

	EXPECT_EQ(queue_pop(&q), -EPROTO);
	EXPECT_EQ(q.vr.reason, reason);
	EXPECT(!shim.open);

	/* It stays so, and the ring is left alone. */
	before = shim.accesses;
	EXPECT_EQ(queue_pop(&q), -EPROTO);
	EXPECT_EQ(kvlane_vring_publish(&q.vr), -EPROTO);
	EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), -EPROTO);
	EXPECT_EQ(kvlane_vring_more(&q.vr), -EPROTO);
	EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), -EPROTO);
	EXPECT_EQ(kvlane_vring_map(&q.vr, q.g.mem), -EPROTO);
	EXPECT_EQ(kvlane_vring_break(&q.vr, KVLANE_REASON_SHORT), -EPROTO);
	EXPECT_EQ(q.vr.reason, reason);
	EXPECT_EQ(shim.accesses, before);
}

TEST_RINGS(hostile_chains)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		ktap_case = hostile[i].name;
		if (!hostile_applies(&hostile[i]))
			continue;
		hostile_set_up(&hostile[i]);
		expect_broken(hostile[i].reason);
		EXPECT_EQ(q.vr.in_flight, 0);
		queue_close(&q);
	}
}

/* The work a chain can cause is bounded by the queue, whatever the table. */
TEST_RINGS(hostile_walks_are_short)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		ktap_case = hostile[i].name;
		if (!hostile_applies(&hostile[i]))
			continue;
		hostile_set_up(&hostile[i]);
		q.cfg.max_segs = 16;
		queue_restart(&q);
		shim.accesses = 0;
		(void)queue_pop(&q);
		EXPECT(shim.accesses <= 3 + 2 * (16 + 16));
		queue_close(&q);
	}
}

TEST_RINGS(hostile_head_past_the_end)
{
	static const u16 heads[] = { 16, 17, 255, 32768, 65535 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		queue_open(&q, 16, 0, 0);
		queue_offer(&q, heads[i], queue_request[0]);
		expect_broken(KVLANE_REASON_HEAD);
		queue_close(&q);
	}
}

TEST_RINGS(hostile_head_twice)
{
	int head;
	u32 len;

	queue_open(&q, 16, 0, 0);
	head = queue_send(&q, queue_request, 3);
	queue_offer(&q, head, queue_request[0]);
	EXPECT_EQ(queue_pop(&q), 1);
	expect_broken(KVLANE_REASON_HEAD_BUSY);

	/* What is in flight can still be finished, but goes nowhere. */
	EXPECT_EQ(q.vr.in_flight, 1);
	EXPECT_EQ(kvlane_vring_push(&q.vr, head, 0), -EPROTO);
	EXPECT_EQ(q.vr.in_flight, 0);
	EXPECT_EQ(driver_collect(&q.d, &len), -1);

	/* A reset heals it. */
	driver_exit(&q.d);
	driver_init(&q.d, &q.g, 16, queue_kind, 0);
	queue_restart(&q);
	queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	queue_close(&q);
}

TEST_RINGS(hostile_bytes_overflow)
{
	struct kvlane_memtable *big;
	const struct driver_buf buf[] = {
		{ 0x10000000000ULL, 0xffffff00, R, 0 },
		{ 0x10000000000ULL, 0x100, W, 0 },
	};

	queue_open(&q, 16, 0, 0);
	big = calloc(1, sizeof(*big) + sizeof(big->range[0]));
	EXPECT(big);
	big->nr = 1;
	big->range[0] = (struct kvlane_memrange){
		0x10000000000ULL, 1ULL << 33, 1UL << 44 };
	EXPECT_EQ(kvlane_memtable_build(big), 0);
	queue_send(&q, buf, 2);
	EXPECT_EQ(kvlane_vring_pop(&q.vr, big, &q.c), -EPROTO);
	EXPECT_EQ(q.vr.reason, KVLANE_REASON_CHAIN_BYTES);
	free(big);
	queue_close(&q);
}

static void avail_idx_is(u16 first, u16 taken, u16 idx, bool bad)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	u16 i;

	queue_open(&q, 16, 0, first);
	for (i = 0; i < 16; i++)
		driver_add(&q.d, &one, 1);
	driver_show_raw(&q.d, first + taken);
	for (i = 0; i < taken; i++)
		EXPECT_EQ(queue_pop(&q), 1);
	driver_show_raw(&q.d, idx);
	if (bad)
		expect_broken(KVLANE_REASON_AVAIL_INDEX);
	else
		EXPECT(queue_pop(&q) >= 0);
	queue_close(&q);
}

TEST(hostile_avail_index)
{
	static const u16 firsts[] = { 0, 65530, 65520, 32767 };
	unsigned int i;
	u16 first, taken;

	for (i = 0; i < ARRAY_SIZE(firsts); i++) {
		first = firsts[i];
		for (taken = 0; taken <= 16; taken++) {
			avail_idx_is(first, taken, first + 16, false);
			avail_idx_is(first, taken, first + taken, false);
			avail_idx_is(first, taken, first + 17, true);
			avail_idx_is(first, taken, first + taken - 1, true);
			avail_idx_is(first, taken, first + 32768, true);
			avail_idx_is(first, taken, first - 1, true);
		}
	}
}

/* All descriptors are with the device, and the driver offers one of them again. */
TEST(hostile_ring_overrun)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	static const u16 firsts[] = { 0, 5, 16, 21 };
	unsigned int i, sleep;
	u16 n;

	queue_kind = PACKED;
	for (i = 0; i < ARRAY_SIZE(firsts); i++) {
		for (sleep = 0; sleep < 2; sleep++) {
			queue_open(&q, 16, 0, firsts[i]);
			for (n = 0; n < 16; n++) {
				queue_send(&q, &one, 1);
				EXPECT_EQ(queue_pop(&q), 1);
			}
			EXPECT_EQ(queue_pop(&q), 0);
			EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
			queue_offer(&q, 3, one);
			if (sleep)
				EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), -EPROTO);
			expect_broken(KVLANE_REASON_AVAIL_INDEX);
			queue_close(&q);
		}
	}
}

/* A chain that goes round the ring, and one that goes on into what is taken. */
TEST(hostile_chain_longer_than_what_is_free)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, R | NEXT, 0 };
	u16 taken, i;

	queue_kind = PACKED;
	for (taken = 0; taken < 16; taken++) {
		queue_open(&q, 16, 0, 7);
		for (i = 0; i < taken; i++) {
			queue_send(&q, queue_request, 1);
			EXPECT_EQ(queue_pop(&q), 1);
		}
		for (; i < 32; i++)
			queue_offer(&q, 0, one);
		/* Where the chain begins the driver's next round has been. */
		q.d.avail_idx = q.vr.next_avail;
		for (i = taken; i < 16; i++)
			queue_offer(&q, 0, one);
		expect_broken(KVLANE_REASON_CHAIN_LENGTH);
		queue_close(&q);
	}
}

/* The same, when it is going to sleep that shows it. */
TEST(hostile_avail_index_at_enable_kick)
{
	queue_open(&q, 16, EVENT_IDX, 0);
	driver_show_raw(&q.d, 17);
	EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), -EPROTO);
	EXPECT_EQ(q.vr.reason, KVLANE_REASON_AVAIL_INDEX);
	queue_close(&q);
}

/* And when it looks once more before. */
TEST(hostile_avail_index_at_more)
{
	queue_open(&q, 16, 0, 0);
	driver_show_raw(&q.d, 17);
	EXPECT_EQ(kvlane_vring_more(&q.vr), -EPROTO);
	EXPECT_EQ(q.vr.reason, KVLANE_REASON_AVAIL_INDEX);
	EXPECT_EQ(kvlane_vring_more(&q.vr), -EPROTO);
	queue_close(&q);
}

/*
 * A head that is offered again before its completion was published, over and
 * over: @done must not overflow.
 */
TEST_RINGS(hostile_head_again_before_publish)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	int i;

	queue_open(&q, 16, 0, 0);
	for (i = 0; i < 16; i++) {
		queue_offer(&q, 0, one);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, 0, 0), 0);
	}
	EXPECT_EQ(q.vr.nr_done, 16);
	queue_offer(&q, 0, one);
	expect_broken(KVLANE_REASON_AVAIL_INDEX);
	queue_close(&q);
}

static void ring_at(u64 desc, u64 driver, u64 device, bool bad)
{
	int err;

	q.cfg.desc = desc;
	q.cfg.driver = driver;
	q.cfg.device = device;
	kvlane_vring_start(&q.vr, &q.cfg);
	err = kvlane_vring_map(&q.vr, q.g.mem);
	EXPECT_EQ(err, bad ? -EPROTO : 0);
	EXPECT_EQ(q.vr.reason, bad ? KVLANE_REASON_RING_ADDRESS :
		  KVLANE_REASON_NONE);
	if (bad)
		EXPECT_EQ(queue_pop(&q), -EPROTO);
}

/* Each part at each border of memory; sizes and alignments as in 2.7 and 2.8. */
static void ring_placement(u64 features)
{
	const u64 event = features & EVENT_IDX ? 2 : 0;
	const u64 end = GUEST_HIGH + GUEST_HIGH_SIZE;
	const u64 desc = end - 16 * 16;
	const u64 align = queue_kind ? 4 : 2;
	const u64 driver = queue_kind ? end - 4 : end - 4 - 2 * 16 - event;
	const u64 device = queue_kind ? end - 4 : (end - 4 - 8 * 16 - event) & ~3ULL;

	queue_open(&q, 16, features, 0);
	ring_at(GUEST_HIGH, GUEST_HIGH, GUEST_HIGH, false);
	ring_at(desc, driver, device, false);
	ring_at(desc + 16, driver, device, true);
	ring_at(desc, driver + align, device, true);
	ring_at(desc, driver, device + 4, true);
	ring_at(DRIVER_DESC + 8, DRIVER_AVAIL, DRIVER_USED, true);
	ring_at(DRIVER_DESC, DRIVER_AVAIL + align / 2, DRIVER_USED, true);
	ring_at(DRIVER_DESC, DRIVER_AVAIL, DRIVER_USED + 2, true);
	ring_at(1ULL << 45, DRIVER_AVAIL, DRIVER_USED, true);
	ring_at(DRIVER_DESC, -align, DRIVER_USED, true);
	ring_at(DRIVER_DESC, DRIVER_AVAIL, ~3ULL, true);
	/* Across the border of two ranges that adjoin in the guest only. */
	ring_at(GUEST_MID - 16, DRIVER_AVAIL, DRIVER_USED, true);
	ring_at(DRIVER_DESC, GUEST_MID - 16, DRIVER_USED, !queue_kind);
	ring_at(DRIVER_DESC, DRIVER_AVAIL, GUEST_MID - 16, !queue_kind);
	queue_close(&q);
}

TEST_RINGS(hostile_ring_placement)
{
	ring_placement(0);
	ring_placement(EVENT_IDX);
}

/* The ring's memory is taken away under a running queue. */
TEST_RINGS(hostile_ring_unmapped)
{
	struct kvlane_memtable none = { .nr = 0 };

	queue_open(&q, 16, 0, 0);
	queue_send(&q, queue_request, 3);
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(kvlane_vring_map(&q.vr, &none), -EPROTO);
	EXPECT_EQ(q.vr.reason, KVLANE_REASON_RING_ADDRESS);
	EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), -EPROTO);
	queue_close(&q);
}

TEST_RINGS(hostile_device_breaks_the_ring)
{
	queue_open(&q, 16, 0, 0);
	EXPECT_EQ(kvlane_vring_break(&q.vr, KVLANE_REASON_SHORT), -EPROTO);
	expect_broken(KVLANE_REASON_SHORT);
	queue_close(&q);
}
