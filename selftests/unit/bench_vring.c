// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the ring code costs per request: pop, push, publish, without a device
 * and, as far as possible, without a driver. Prints nanoseconds per request,
 * the best of several rounds.
 *
 *	bench_vring [CASE [REQUESTS]]
 *
 * runs one case for a given number of requests, once, which is what
 * "valgrind --tool=callgrind" wants: instructions per request do not depend on
 * what else the machine is doing.
 */
#include <stdio.h>
#include <time.h>

#include <linux/virtio_ring.h>

#include "driver.h"
#include "virtio/vring.h"

#define BENCH_SIZE	256
#define BENCH_CHAINS	64
#define BENCH_MAX_IOV	256
#define BENCH_ROUNDS	9
#define BENCH_REQUESTS	2000000UL

/**
 * struct bench_case - a kind of load
 * @bufs: buffers of a request: a header, data, a status byte
 * @batch: requests taken before they are finished and published together
 */
struct bench_case {
	const char *name;
	bool packed;
	bool indirect;
	bool event_idx;
	u16 bufs;
	u16 batch;
};

static const struct bench_case cases[] = {
	{ "direct-3-batch-1", false, false, true, 3, 1 },
	{ "direct-3-batch-32", false, false, true, 3, 32 },
	{ "indirect-3-batch-1", false, true, true, 3, 1 },
	{ "indirect-3-batch-32", false, true, true, 3, 32 },
	{ "indirect-34-batch-8", false, true, true, 34, 8 },
	{ "direct-1-flags-batch-1", false, false, false, 1, 1 },
	{ "packed-direct-3-batch-1", true, false, true, 3, 1 },
	{ "packed-direct-3-batch-32", true, false, true, 3, 32 },
	{ "packed-indirect-3-batch-1", true, true, true, 3, 1 },
	{ "packed-indirect-3-batch-32", true, true, true, 3, 32 },
	{ "packed-indirect-34-batch-8", true, true, true, 34, 8 },
	{ "packed-direct-1-flags-batch-1", true, false, false, 1, 1 },
};

static struct guest guest;
static struct driver driver;
static struct kvlane_vring vring;
static struct iovec iov[BENCH_MAX_IOV];

/* Second words of the descriptors of a packed ring, without available bits. */
static u64 words[BENCH_SIZE];

static void die(const char *what)
{
	fprintf(stderr, "bench_vring: %s\n", what);
	exit(1);
}

/* Fill the queue; the same chains are then offered over and over. */
static void bench_fill(const struct bench_case *b)
{
	struct driver_buf buf[BENCH_MAX_IOV];
	u16 heads[BENCH_CHAINS], i;
	int head;

	for (i = 0; i < b->bufs; i++) {
		buf[i] = (struct driver_buf){
			.addr = GUEST_HIGH + 64 * i,
			.len = i ? 64 : 16,
			.flags = i ? VRING_DESC_F_WRITE : 0,
		};
	}
	for (i = 0; i < BENCH_CHAINS; i++) {
		head = b->indirect ? driver_add_indirect(&driver, buf, b->bufs) :
		       driver_add(&driver, buf, b->bufs);
		if (head < 0)
			die("queue too small");
		heads[i] = head;
	}
	for (; !b->packed && i < BENCH_SIZE; i++)
		driver_offer_raw(&driver, heads[i % BENCH_CHAINS]);
}

/* Take the offer of a packed ring back, to make it again chain by chain. */
static void bench_hide(void)
{
	const u64 bits = (u64)driver_avail_bits(driver.used_idx) << 48;
	u16 i;

	driver_show(&driver);
	for (i = 0; i < driver.size; i++) {
		words[i] = *driver_desc_word(&driver, i, 1) & ~bits;
		*driver_desc_word(&driver, i, 1) = 0;
	}
}

/* Descriptors a chain takes up in the ring. */
static u16 bench_descs(const struct bench_case *b)
{
	return b->indirect ? 1 : b->bufs;
}

/* So that chains are at the same place in a packed ring each time round. */
static u16 bench_size(const struct bench_case *b)
{
	return b->packed ? BENCH_CHAINS * bench_descs(b) : BENCH_SIZE;
}

static void bench_set_up(const struct bench_case *b)
{
	struct kvlane_vring_config cfg = {
		.features = 1ULL << VIRTIO_RING_F_INDIRECT_DESC |
			    (u64)b->packed << VIRTIO_F_RING_PACKED |
			    (u64)b->event_idx << VIRTIO_RING_F_EVENT_IDX,
		.desc = DRIVER_DESC,
		.driver = DRIVER_AVAIL,
		.device = DRIVER_USED,
		.max_segs = BENCH_MAX_IOV,
		.size = bench_size(b),
	};

	cfg.avail_idx = kvlane_vring_first(cfg.features);
	shim_reset();
	guest_init(&guest);
	driver_init(&driver, &guest, cfg.size, cfg.features, 0);
	bench_fill(b);
	if (b->packed)
		bench_hide();
	if (kvlane_vring_alloc(&vring, BENCH_SIZE))
		die("out of memory");
	kvlane_vring_start(&vring, &cfg);
	if (kvlane_vring_map(&vring, guest.mem))
		die("ring refused");
}

static void bench_tear_down(void)
{
	kvlane_vring_free(&vring);
	driver_exit(&driver);
	guest_exit(&guest);
}

static void bench_offer_packed(u16 descs)
{
	u16 place = vring.next_avail, slot = place & 0x7fff;
	u64 bits = (u64)driver_avail_bits(place) << 48;
	u64 *word = driver_desc_word(&driver, 0, 1);

	for (; descs--; slot++)
		word[2 * slot] = words[slot] | bits;
}

static void bench_offer(const struct bench_case *b)
{
	if (b->packed)
		bench_offer_packed(b->batch * bench_descs(b));
	else
		driver_show_raw(&driver, vring.next_avail + b->batch);
}

static void bench_run(const struct bench_case *b, unsigned long requests)
{
	struct kvlane_chain c = { .iov = iov, .max_iov = BENCH_MAX_IOV };
	u16 held[BENCH_SIZE] = {}, i;

	for (; requests >= b->batch; requests -= b->batch) {
		bench_offer(b);
		for (i = 0; i < b->batch; i++) {
			if (kvlane_vring_pop(&vring, guest.mem, &c) != 1)
				die("no chain");
			held[i] = c.head;
		}
		for (i = 0; i < b->batch; i++)
			kvlane_vring_push(&vring, held[i], c.in_len);
		if (kvlane_vring_publish(&vring) < 0)
			die("ring broken");
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void bench_measure(const struct bench_case *b)
{
	double best = 0, t;
	int i;

	for (i = 0; i < BENCH_ROUNDS; i++) {
		t = now();
		bench_run(b, BENCH_REQUESTS / BENCH_ROUNDS);
		t = (now() - t) * BENCH_ROUNDS / BENCH_REQUESTS;
		if (!i || t < best)
			best = t;
	}
	printf("%-30s %8.1f %12.1f\n", b->name, best, 1e3 / best);
}

int main(int argc, char **argv)
{
	unsigned long requests = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	bool found = argc < 2;
	unsigned int i;

	if (!requests)
		printf("%-30s %8s %12s\n", "case", "ns", "million/s");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name))
			continue;
		found = true;
		bench_set_up(&cases[i]);
		if (requests)
			bench_run(&cases[i], requests);
		else
			bench_measure(&cases[i]);
		bench_tear_down();
	}
	if (!found)
		die("no such case; run it without arguments for the list");
	return 0;
}
