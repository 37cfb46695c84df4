// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer over a whole queue, split or packed: the input is a program of descriptors to write,
 * heads to offer, and calls of the device, with a guest that changes memory at
 * chosen accesses. After every step the invariants of the ring code have to
 * hold; while the guest keeps still, every chain is compared with reference.c.
 */
#include <stdio.h>

#include "queue.h"
#include "reference.h"

#define FUZZ_MAX_SIZE	64
#define FUZZ_MAX_SEGS	80
#define FUZZ_STEPS	400

/* The guest writes below this address only; it is cleared for each input. */
#define FUZZ_DIRTY	0x14000ULL

struct fuzz {
	const u8 *data;
	size_t left;
	struct guest g;
	struct driver d;
	struct kvlane_vring vr;
	struct kvlane_vring_config cfg;
	struct kvlane_chain c;
	struct reference ref;
	bool packed;
	u16 held[FUZZ_MAX_SIZE];
	u32 nr_held;
	/* How many of those were popped after the last push. */
	u32 nr_fresh;
	/* The guest strikes when this many more accesses were made; 0: never. */
	u32 strike_in;
};

static struct fuzz f;

#define CHECK(cond)							\
do {									\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: not true: %s\n", __FILE__,	\
			__LINE__, #cond);				\
		abort();						\
	}								\
} while (0)

static u64 take(unsigned int bytes)
{
	u64 v = 0;

	for (; bytes && f.left; bytes--, f.left--)
		v = v << 8 | *f.data++;
	return v;
}

static u64 take_addr(void)
{
	u64 v = take(2);

	switch (v % 8) {
	case 0:
		return GUEST_MID - v / 8 % 64;
	case 1:
		return GUEST_MID + GUEST_MID_SIZE - v / 8 % 64;
	case 2:
		return GUEST_HIGH + GUEST_HIGH_SIZE - v / 8 % 8192;
	case 3:
		return DRIVER_TABLES + v / 8;
	case 4:
		return v / 8 % 4 ? DRIVER_DESC : take(8);
	case 5:
		return -(v / 8 % 32);
	default:
		return DRIVER_BUFFERS + v;
	}
}

static u32 take_len(void)
{
	u32 v = take(1);

	switch (v % 8) {
	case 0:
		return take(4);
	case 1:
		return v / 8;
	case 2:
		return 0x10000 + v;
	case 3:
		return 16 * v;
	default:
		return v + 1;
	}
}

/* A descriptor that is mostly right; where it goes is up to the caller. */
static struct driver_buf take_desc(void)
{
	struct driver_buf buf = { .addr = take_addr(), .len = take_len() };
	u32 v = take(1);

	buf.flags = v & 3;
	if (v % 16 >= 12) {
		buf.flags |= TABLE;
		buf.len &= v & 128 ? ~0U : 0x1f0;
	}
	if (v % 64 == 13)
		buf.flags = take(2);
	buf.next = v & 32 ? v / 4 % (f.cfg.size + 1) : take(2);
	return buf;
}

/* Where a packed ring's slot is from the device's point of view, or once round. */
static u16 packed_place(u16 slot, bool wrong)
{
	u16 now = f.vr.next_avail, wrap = now & 0x8000;

	if ((slot < (now & 0x7fff)) != wrong)
		wrap ^= 0x8000;
	return slot | wrap;
}

static void put_desc(void)
{
	u32 where = take(1);
	struct driver_buf buf;

	if (f.packed && where % 2 == 0) {
		buf = take_desc();
		driver_put_desc(&f.d, packed_place(where / 2 % f.cfg.size,
						   buf.next % 16 == 15), buf);
		return;
	}
	if (where & 1)
		driver_set_table(&f.d, DRIVER_TABLES, where / 2, take_desc());
	else
		driver_set_desc(&f.d, where / 2 % f.cfg.size, take_desc());
}

/* Some word of the rings or of the tables. */
static void guest_strikes(void)
{
	u32 where = take(1);
	u16 v = take(2);

	switch (where % 4 + 4 * f.packed) {
	case 0:
		driver_show_raw(&f.d, v);
		break;
	case 4:
		*driver_driver_event(&f.d) = v;
		break;
	case 5:
		*driver_driver_event(&f.d) = VRING_PACKED_EVENT_FLAG_DESC << 16 | v;
		break;
	case 1:
		*driver_used_event(&f.d) = v;
		driver_offer_raw(&f.d, v);
		break;
	default:
		put_desc();
	}
}

static void guest_runs(void *arg)
{
	(void)arg;
	if (!f.strike_in || --f.strike_in)
		return;
	guest_strikes();
	f.strike_in = take(1) % 16;
}

/* Descriptors, or entries, between what was published and what was popped. */
static int taken(void)
{
	int n = (f.vr.next_avail & 0x7fff) - (f.vr.used_idx & 0x7fff);

	if (!f.packed)
		return (u16)(f.vr.next_avail - f.vr.used_idx);
	return (f.vr.next_avail ^ f.vr.used_idx) & 0x8000 ? n + f.cfg.size : n;
}

static void check_state(void)
{
	int most = f.vr.in_flight + f.vr.nr_done;

	CHECK(!shim.open);
	CHECK(!shim.warnings);
	CHECK(f.vr.in_flight == f.nr_held);
	CHECK(most <= f.cfg.size);
	/* Chains that were pushed on a broken ring are nowhere. */
	CHECK(f.vr.reason || (f.packed ? taken() >= most : taken() == most));
	CHECK(taken() <= f.cfg.size);
	CHECK(most || f.vr.reason || !taken());
	CHECK(f.vr.reason <= KVLANE_REASON_NO_BACKEND);
}

static void check_ret(int ret)
{
	CHECK(ret == 0 || ret == 1 || ret == -EPROTO);
	CHECK((ret == -EPROTO) == (f.vr.reason != KVLANE_REASON_NONE));
	check_state();
}

static u64 check_iov(u32 from, u32 n)
{
	u64 sum = 0;
	u32 i;

	for (i = from; i < from + n; i++) {
		CHECK(f.c.iov[i].iov_len);
		CHECK(guest_holds(&f.g, f.c.iov[i].iov_base,
				  f.c.iov[i].iov_len));
		sum += f.c.iov[i].iov_len;
	}
	return sum;
}

static void check_chain(void)
{
	u32 i;

	CHECK(f.c.head < f.cfg.size);
	for (i = 0; i < f.nr_held; i++)
		CHECK(f.held[i] != f.c.head);
	CHECK(f.c.out_num + f.c.in_num >= 1);
	CHECK(f.c.out_num + f.c.in_num <= f.c.max_iov);
	CHECK(check_iov(0, f.c.out_num) == f.c.out_len);
	CHECK(check_iov(f.c.out_num, f.c.in_num) == f.c.in_len);
	CHECK((u64)f.c.out_len + f.c.in_len <= U32_MAX);
}

/* What the next pop gets to see, while the guest keeps still: -1, or a head. */
static int coming_head(bool *bad)
{
	const char *avail = guest_ptr(&f.g, f.cfg.driver);
	u16 idx, head, offered;
	u32 i;

	memcpy(&idx, avail + 2, 2);
	if (f.vr.seen_avail != f.vr.next_avail)
		idx = f.vr.seen_avail;
	offered = idx - f.vr.next_avail;
	*bad = offered > f.cfg.size - f.nr_held - f.vr.nr_done;
	if (*bad || !offered)
		return -1;
	memcpy(&head, avail + 4 + 2 * (f.vr.next_avail % f.cfg.size), 2);
	*bad = head >= f.cfg.size;
	for (i = 0; i < f.nr_held; i++)
		*bad |= f.held[i] == head;
	return head;
}

static int coming_packed(bool *bad)
{
	u16 left = f.cfg.size - taken(), head = 0;
	u32 i;

	*bad = false;
	if (!reference_available(&f.g, &f.cfg, f.vr.next_avail))
		return -1;
	*bad = !reference_walk_packed(&f.ref, &f.g, &f.cfg, f.c.max_iov,
				      f.vr.next_avail, left, &head);
	*bad |= head >= f.cfg.size;
	for (i = 0; i < f.nr_held; i++)
		*bad |= f.held[i] == head;
	return head;
}

static int coming(bool *bad)
{
	int head;

	if (f.packed)
		return coming_packed(bad);
	head = coming_head(bad);
	if (head >= 0 && !*bad)
		*bad = !reference_walk(&f.ref, &f.g, &f.cfg, f.c.max_iov, head);
	return head;
}

static void compare(int ret, int head, bool good)
{
	if (!good)
		CHECK(ret == -EPROTO);
	else if (head < 0)
		CHECK(ret == 0);
	else
		CHECK(ret == 1 && f.c.head == head &&
		      f.c.out_num == f.ref.nr_out &&
		      f.c.out_num + f.c.in_num == f.ref.nr_iov &&
		      !memcmp(f.c.iov, f.ref.iov,
			      f.ref.nr_iov * sizeof(f.ref.iov[0])));
}

static void step_pop(void)
{
	/* window, index, head, and two words for each descriptor */
	unsigned long most = shim.accesses + 3 + 2 * f.cfg.size +
		2 * max_t(u32, f.cfg.size, f.cfg.max_segs);
	bool still = !f.strike_in && shim.fault_at <= shim.accesses;
	bool bad = false;
	int head = -1, ret;

	still &= !f.vr.reason;
	if (still)
		head = coming(&bad);
	ret = kvlane_vring_pop(&f.vr, f.g.mem, &f.c);
	CHECK(shim.accesses <= most);
	if (ret == 1) {
		check_chain();
		f.held[f.nr_held++] = f.c.head;
		f.nr_fresh++;
	}
	check_ret(ret);
	if (still)
		compare(ret, head, !bad);
}

static void step_push(u32 which)
{
	u16 head;

	if (!f.nr_held)
		return;
	which %= f.nr_held;
	head = f.held[which];
	f.held[which] = f.held[--f.nr_held];
	f.nr_fresh = 0;
	check_ret(kvlane_vring_push(&f.vr, head, take(2)));
}

static void step_unpop(void)
{
	if (!f.nr_fresh)
		return;
	f.nr_fresh--;
	kvlane_vring_unpop(&f.vr, f.held[--f.nr_held]);
	check_state();
}

static void step_publish(void)
{
	u16 n = f.vr.nr_done;
	int before = taken();
	int ret = kvlane_vring_publish(&f.vr);

	check_ret(ret);
	if (ret < 0)
		return;
	n -= f.vr.nr_done;
	CHECK(f.vr.in_order || !f.vr.nr_done);
	CHECK(f.packed ? taken() <= before - n : taken() == before - n);
	CHECK(n || !ret);
}

static void step_restart(void)
{
	static const u64 places[] = { DRIVER_DESC, DRIVER_AVAIL, DRIVER_USED };
	u32 v = take(2);

	f.nr_held = 0;
	f.nr_fresh = 0;
	f.cfg.desc = v % 8 ? DRIVER_DESC : take_addr();
	f.cfg.driver = v / 8 % 8 ? DRIVER_AVAIL : places[v / 64 % 3];
	f.cfg.device = v / 256 % 8 ? DRIVER_USED : places[v / 64 % 3];
	f.cfg.max_segs = 1 + take(1) % FUZZ_MAX_SEGS;
	f.cfg.avail_idx = f.d.avail_idx;
	kvlane_vring_start(&f.vr, &f.cfg);
	check_ret(kvlane_vring_map(&f.vr, f.g.mem));
}

/* A head, or in a packed ring a descriptor that ends a chain. */
static void step_offer(u16 head)
{
	struct driver_buf buf;

	if (!f.packed) {
		driver_offer_raw(&f.d, head);
		driver_show_raw(&f.d, f.d.avail_idx);
		return;
	}
	buf = take_desc();
	buf.next = head;
	f.d.avail_idx = driver_advance(&f.d, f.vr.next_avail, take(1) % 4);
	driver_put_desc(&f.d, f.d.avail_idx, buf);
}

static void step(void)
{
	u32 op = take(1);

	switch (op % 16) {
	case 0 ... 4:
		put_desc();
		break;
	case 5 ... 6:
		step_offer(op & 16 ? take(2) : op / 32);
		break;
	case 7 ... 9:
		step_pop();
		break;
	case 10:
		step_push(op / 16);
		break;
	case 11:
		step_publish();
		break;
	case 12:
		if (op & 32)
			check_ret(kvlane_vring_more(&f.vr));
		else if (op & 16)
			check_ret(kvlane_vring_enable_kick(&f.vr));
		else
			check_ret(kvlane_vring_enable_kick_beyond(&f.vr));
		break;
	case 13:
		if (op & 16)
			check_ret(kvlane_vring_disable_kick(&f.vr));
		else
			step_unpop();
		break;
	case 14:
		if (op & 16)
			shim.fault_at = shim.accesses + 1 + op / 32;
		else
			f.strike_in = 1 + op / 32 + take(1) % 8;
		break;
	case 15:
		if (op & 16)
			step_restart();
		else
			check_ret(kvlane_vring_map(&f.vr, f.g.mem));
		break;
	}
}

static void fuzz_set_up(void)
{
	u32 v = take(2);

	if (!f.g.mem) {
		shim_reset();
		guest_init(&f.g);
	}
	memset(guest_ptr(&f.g, 0), 0, FUZZ_DIRTY);
	f.packed = v & 128;
	f.cfg.size = f.packed ? 1 + take(1) % FUZZ_MAX_SIZE : 2U << v % 6;
	f.cfg.features = f.packed ? PACKED : 0;
	f.cfg.features |= v & 8 ? IN_ORDER : 0;
	f.cfg.features |= v & 16 ? INDIRECT : 0;
	f.cfg.features |= v & 32 ? EVENT_IDX : 0;
	driver_init(&f.d, &f.g, f.cfg.size, f.cfg.features, v & 64 ? 65530 : 0);
	f.c.max_iov = 1 + v / 256;
	/* Exactly this much, so that ASan sees one element too many. */
	f.c.iov = calloc(f.c.max_iov, sizeof(f.c.iov[0]));
	CHECK(f.c.iov);
	CHECK(!kvlane_vring_alloc(&f.vr, f.cfg.size));
	f.strike_in = 0;
	shim.fault_at = 0;
	shim.accesses = 0;
	shim.guest = guest_runs;
	step_restart();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u32 steps;

	f.data = data;
	f.left = size;
	fuzz_set_up();
	for (steps = 0; f.left && steps < FUZZ_STEPS; steps++)
		step();
	shim.guest = NULL;
	kvlane_vring_free(&f.vr);
	driver_exit(&f.d);
	free(f.c.iov);
	return 0;
}
