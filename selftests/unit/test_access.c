// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the ring code touches guest memory: in which order, how often, what if a
 * page is missing, and what if the guest writes at the same time.
 */
#include "queue.h"

static struct queue q;

static bool next_event(unsigned int *i, enum shim_event_type type,
		       const void *ptr)
{
	while (*i < shim.nr_trace) {
		const struct shim_event *e = &shim.trace[(*i)++];

		if (e->type == type && (!ptr || e->ptr == ptr))
			return true;
	}
	return false;
}

static unsigned int count_events(enum shim_event_type type, const void *ptr)
{
	unsigned int i = 0, n = 0;

	while (next_event(&i, type, ptr))
		n++;
	return n;
}

static void trace_start(void)
{
	shim.tracing = true;
	shim.nr_trace = 0;
}

TEST(access_pop_order)
{
	unsigned int i = 0;

	queue_open(&q, 16, EVENT_IDX, 0);
	queue_send(&q, queue_request, 3);
	trace_start();
	EXPECT_EQ(queue_pop(&q), 1);
	EXPECT(next_event(&i, SHIM_READ, driver_avail_idx(&q.d)));
	EXPECT_EQ(i, 1);
	EXPECT(next_event(&i, SHIM_RMB, NULL));
	EXPECT_EQ(i, 2);
	EXPECT(next_event(&i, SHIM_READ, driver_avail_idx(&q.d) + 1));
	EXPECT_EQ(i, 3);
	queue_close(&q);
}

TEST(access_publish_order)
{
	const void *event;
	unsigned int i;
	u64 features;

	for (features = 0; features <= EVENT_IDX; features += EVENT_IDX) {
		queue_open(&q, 16, features, 0);
		event = features ? driver_used_event(&q.d) :
			driver_avail_flags(&q.d);
		queue_send(&q, queue_request, 3);
		queue_send(&q, queue_request, 3);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
		trace_start();
		EXPECT_EQ(kvlane_vring_publish(&q.vr), 1);
		i = 0;
		EXPECT(next_event(&i, SHIM_WRITE, driver_used_elem(&q.d, 0)));
		EXPECT(next_event(&i, SHIM_WRITE, driver_used_elem(&q.d, 1)));
		EXPECT(next_event(&i, SHIM_WMB, NULL));
		EXPECT(next_event(&i, SHIM_WRITE, driver_used_idx(&q.d)));
		EXPECT(next_event(&i, SHIM_MB, NULL));
		EXPECT(next_event(&i, SHIM_READ, event));
		EXPECT_EQ(i, 6);
		EXPECT_EQ(shim.nr_trace, 6);
		queue_close(&q);
	}
}

TEST(access_enable_kick_order)
{
	const void *event;
	unsigned int i;
	u64 features;

	for (features = 0; features <= EVENT_IDX; features += EVENT_IDX) {
		queue_open(&q, 16, features, 0);
		event = features ? driver_avail_event(&q.d) :
			driver_used_flags(&q.d);
		trace_start();
		EXPECT_EQ(kvlane_vring_enable_kick(&q.vr), 0);
		i = 0;
		EXPECT(next_event(&i, SHIM_WRITE, event));
		EXPECT(next_event(&i, SHIM_MB, NULL));
		EXPECT(next_event(&i, SHIM_READ, driver_avail_idx(&q.d)));
		EXPECT(next_event(&i, SHIM_RMB, NULL));
		EXPECT_EQ(shim.nr_trace, 4);
		queue_close(&q);
	}
}

/* One look at the available index serves all it announces. */
TEST(access_avail_index_is_cached)
{
	const struct driver_buf one = { DRIVER_BUFFERS, 64, W, 0 };
	int i;

	queue_open(&q, 64, 0, 65500);
	for (i = 0; i < 64; i++)
		driver_add(&q.d, &one, 1);
	driver_show(&q.d);
	trace_start();
	for (i = 0; i < 64; i++)
		EXPECT_EQ(queue_pop(&q), 1);
	EXPECT_EQ(count_events(SHIM_READ, driver_avail_idx(&q.d)), 1);
	EXPECT_EQ(queue_pop(&q), 0);
	EXPECT_EQ(count_events(SHIM_READ, driver_avail_idx(&q.d)), 2);
	queue_close(&q);
}

/* A chain of 40, in the queue's table or in one of its own. */
static void send_long(bool indirect)
{
	struct driver_buf buf[40];
	u16 i;

	for (i = 0; i < 40; i++) {
		buf[i] = (struct driver_buf){ DRIVER_BUFFERS + 64 * i, 1 + i,
					      i < 20 ? R : W, 0 };
	}
	if (indirect)
		queue_send_indirect(&q, buf, 40);
	else
		queue_send(&q, buf, 40);
}

/* Nothing is read twice, so nothing can change between check and use. */
TEST_RINGS(access_pop_reads_everything_once)
{
	unsigned int i, j;
	int indirect;

	for (indirect = 0; indirect < 2; indirect++) {
		queue_open(&q, 64, INDIRECT, 0);
		send_long(indirect);
		trace_start();
		EXPECT_EQ(queue_pop(&q), 1);
		for (i = 0; i < shim.nr_trace; i++) {
			if (shim.trace[i].type != SHIM_READ)
				continue;
			for (j = 0; j < i; j++) {
				const char *a = shim.trace[i].ptr;
				const char *b = shim.trace[j].ptr;

				EXPECT(!b || a + shim.trace[i].size <= b ||
				       b + shim.trace[j].size <= a);
			}
		}
		queue_close(&q);
	}
}

/* What was read is overwritten at once; the outcome is that of an idle guest. */
static void scribble_over_last_read(void *arg)
{
	const struct shim_event *e;

	(void)arg;
	if (!shim.nr_trace)
		return;
	e = &shim.trace[shim.nr_trace - 1];
	if (e->type == SHIM_READ)
		memset((void *)e->ptr, 0xfe, e->size);
}

TEST_RINGS(access_guest_overwrites_what_was_read)
{
	static struct iovec before[QUEUE_MAX_IOV];
	struct kvlane_chain idle;
	int indirect;

	for (indirect = 0; indirect < 2; indirect++) {
		queue_open(&q, 64, INDIRECT, 0);
		send_long(indirect);
		EXPECT_EQ(queue_pop(&q), 1);
		idle = q.c;
		memcpy(before, q.iov, 40 * sizeof(before[0]));

		queue_restart(&q);
		trace_start();
		shim.guest = scribble_over_last_read;
		EXPECT_EQ(queue_pop(&q), 1);
		shim.guest = NULL;
		EXPECT_EQ(q.c.head, idle.head);
		EXPECT_EQ(q.c.out_num, 20);
		EXPECT_EQ(q.c.in_num, 20);
		EXPECT_EQ(q.c.out_len, idle.out_len);
		EXPECT_EQ(q.c.in_len, idle.in_len);
		/* The blocks stay where they are across a restart. */
		EXPECT(!memcmp(before[39].iov_base, q.iov[39].iov_base, 1));
		EXPECT(!memcmp(before, q.iov, 40 * sizeof(before[0])));
		queue_close(&q);
	}
}

/* Operations whose every access is going to fault in turn. */

static int op_pop(void)
{
	return queue_pop(&q);
}

static int op_publish(void)
{
	return kvlane_vring_publish(&q.vr);
}

static int op_enable(void)
{
	return kvlane_vring_enable_kick(&q.vr);
}

static int op_more(void)
{
	return kvlane_vring_more(&q.vr);
}

static int op_disable(void)
{
	return kvlane_vring_disable_kick(&q.vr);
}

static void fault_prepare(u64 features, bool indirect)
{
	int i;

	queue_open(&q, 64, features, 0);
	for (i = 0; i < 2; i++)
		queue_send(&q, queue_request, 3);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(queue_pop(&q), 1);
		EXPECT_EQ(kvlane_vring_push(&q.vr, q.c.head, 0), 0);
	}
	send_long(indirect);
	shim.accesses = 0;
}

/* Returns how many accesses the operation makes. */
static unsigned long fault_sweep(u64 features, bool indirect, int (*op)(void))
{
	unsigned long nth;

	for (nth = 1;; nth++) {
		fault_prepare(features, indirect);
		shim.fault_at = nth;
		if (op() >= 0)
			break;
		EXPECT_EQ(q.vr.reason, KVLANE_REASON_FAULT);
		EXPECT_EQ(q.vr.in_flight, 0);
		EXPECT(!shim.open);
		EXPECT_EQ(op(), -EPROTO);
		EXPECT_EQ(shim.accesses, nth);
		queue_close(&q);
	}
	EXPECT(shim.accesses < nth);
	queue_close(&q);
	return nth - 1;
}

TEST_RINGS(access_faults)
{
	u64 features;

	for (features = INDIRECT; features <= (INDIRECT | EVENT_IDX);
	     features += EVENT_IDX) {
		/* window, index, head, 40 descriptors of two words */
		EXPECT_EQ(fault_sweep(features, false, op_pop),
			  1 + (queue_kind ? 0 : 2) + 80);
		/* a descriptor more for the table */
		EXPECT_EQ(fault_sweep(features, true, op_pop),
			  1 + (queue_kind ? 0 : 2) + 82);
		/* window, two elements, index, what the driver wants */
		EXPECT_EQ(fault_sweep(features, false, op_publish),
			  1 + 2 + (queue_kind ? 0 : 1) + 1);
		EXPECT_EQ(fault_sweep(features, false, op_enable), 1 + 2);
		EXPECT_EQ(fault_sweep(features, false, op_more), 1 + 1);
		EXPECT_EQ(fault_sweep(features, false, op_disable),
			  features & EVENT_IDX && !queue_kind ? 0 : 2);
	}
}

/*
 * A driver that runs on another processor: at every access of the device it may
 * add, show, collect, and go to sleep until the next interrupt. Nobody may sleep
 * while there is something for him to do.
 */
#define queue_request_in_len	4097

struct conversation {
	unsigned int seed;
	bool kicked;
	bool interrupted;
	bool driver_sleeps;
	unsigned int sent;
	unsigned int collected;
	unsigned int target;
};

static unsigned int dice(struct conversation *t, unsigned int sides)
{
	t->seed = t->seed * 1103515245 + 12345;
	return (t->seed >> 16) % sides;
}

static void talk_send(struct conversation *t)
{
	int head;

	if (t->sent == t->target)
		return;
	head = dice(t, 2) ? driver_add(&q.d, queue_request, 3) :
	       driver_add_indirect(&q.d, queue_request, 3);
	t->sent += head >= 0;
	if (dice(t, 3))
		t->kicked |= driver_show(&q.d);
}

static void talk_collect(struct conversation *t)
{
	u32 len;
	int head = driver_collect(&q.d, &len);

	if (head < 0)
		return;
	EXPECT(len == head + 7 || len == queue_request_in_len);
	t->collected++;
}

static void driver_step(void *arg)
{
	struct conversation *t = arg;

	if (t->driver_sleeps && !t->interrupted)
		return;
	t->interrupted = false;
	t->driver_sleeps = false;
	switch (dice(t, 8)) {
	case 0:
	case 1:
		talk_send(t);
		break;
	case 2:
	case 3:
		talk_collect(t);
		break;
	case 4:
		driver_no_interrupts(&q.d);
		break;
	case 5:
		/* Sleep only once everything is shown and nothing is there. */
		t->kicked |= driver_show(&q.d);
		t->driver_sleeps = !driver_want_interrupt(&q.d);
		break;
	}
}

/* The device: some work, then perhaps to sleep. */
static bool device_step(struct conversation *t, u16 *held, unsigned int *nr)
{
	unsigned int i, n = dice(t, 4);
	int ret;

	if (dice(t, 2))
		EXPECT_EQ(kvlane_vring_disable_kick(&q.vr), 0);
	while (n-- && queue_pop(&q) > 0) {
		queue_expect_chain(&q, queue_request, 3);
		held[(*nr)++] = q.c.head;
	}
	for (n = dice(t, 4); n-- && *nr;) {
		i = dice(t, *nr);
		EXPECT_EQ(kvlane_vring_push(&q.vr, held[i], dice(t, 2) ?
					    held[i] + 7 : queue_request_in_len), 0);
		held[i] = held[--*nr];
	}
	ret = kvlane_vring_publish(&q.vr);
	EXPECT(ret >= 0);
	t->interrupted |= ret;
	if (*nr)
		return false;
	ret = kvlane_vring_enable_kick(&q.vr);
	EXPECT(ret >= 0);
	return !ret;
}

static void converse(u16 size, u64 features, unsigned int seed)
{
	struct conversation t = { .seed = seed, .target = 2000 };
	u16 held[KVLANE_MAX_QUEUE_SIZE];
	bool device_sleeps = false;
	unsigned int nr = 0;

	queue_open(&q, size, features | INDIRECT, 65000);
	shim.guest_arg = &t;
	while (t.collected < t.target) {
		if (t.kicked)
			device_sleeps = false;
		t.kicked = false;
		if (!device_sleeps) {
			shim.guest = driver_step;
			device_sleeps = device_step(&t, held, &nr);
			shim.guest = NULL;
		}
		EXPECT(!device_sleeps || t.kicked || !t.driver_sleeps ||
		       t.interrupted || t.collected == t.sent);
		if (t.driver_sleeps && t.collected == t.sent)
			t.interrupted = true; /* new work wakes it up */
		driver_step(&t);
	}
	EXPECT_EQ(q.vr.reason, KVLANE_REASON_NONE);
	queue_close(&q);
}

TEST_RINGS(access_conversation)
{
	unsigned int seed;
	u64 order;
	u16 size;

	for (size = 4; size <= 256; size *= 8) {
		for (seed = 1; seed <= 20; seed++) {
			order = seed % 2 ? IN_ORDER : 0;
			converse(size, order, seed);
			converse(size, order | EVENT_IDX, seed);
			if (queue_kind)
				converse(size + 1, order | EVENT_IDX, seed);
		}
	}
}
