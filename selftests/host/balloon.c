// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon, virtio 1.2 section 5.5: memory that goes to the host in whole blocks, comes
 * back as it was before, and none lost of what was never in the balloon.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/virtio_balloon.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device.h"
#include "host.h"
#include "iommu.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
/* Where the memory is that the balloon is about. */
#define BASE		(8 * GIB)
#define PAGE		4096
#define BLOCK		(2 * MIB)
#define BLOCKS		16
#define SIZE		(BLOCKS * BLOCK)
#define PAGES		(SIZE / PAGE)
#define CHUNK		256
/* How often a balloon is closed while the host is short of memory. */
#define CLOSES		24

enum { INFLATE, DEFLATE, TELL, REPORT };

FIXTURE(balloon) {
	struct guest g;
	struct device d;
	struct ram b;
	uint32_t first;
	uint32_t *pfns;
	struct virtio_balloon_stat *told;
	long splits;
};

/*
 * @kind: of memory
 * @skew: guest physical addresses are so much beyond what suits blocks
 * @frees: it can be freed
 * @splits: also in pieces
 */
FIXTURE_VARIANT(balloon) {
	enum ram_kind kind;
	uint64_t skew;
	bool frees;
	bool splits;
};

FIXTURE_VARIANT_ADD(balloon, 4K) {
	.kind = RAM_SMALL, .frees = true, .splits = true,
};

FIXTURE_VARIANT_ADD(balloon, THP) {
	.kind = RAM_THP, .frees = true, .splits = true,
};

FIXTURE_VARIANT_ADD(balloon, 2M) {
	.kind = RAM_2M, .frees = true,
};

FIXTURE_VARIANT_ADD(balloon, private) {
	.kind = RAM_PRIVATE,
};

FIXTURE_VARIANT_ADD(balloon, skewed) {
	.kind = RAM_THP, .skew = PAGE,
};

static long vmstat(const char *what)
{
	char name[64];
	long value, sum = 0;
	FILE *f = fopen("/proc/vmstat", "re");

	while (f && fscanf(f, "%63s %ld", name, &value) == 2)
		if (!strncmp(name, what, strlen(what)))
			sum += value;
	if (f)
		fclose(f);
	return sum;
}

static int set_backend(struct device *d, uint64_t target)
{
	struct kvlane_backend backend = { .fd = -1, .balloon = { .target = target } };

	return ioctl(d->fd, KVLANE_SET_BACKEND, &backend) ? -errno : 0;
}

static int set_target(struct device *d, uint64_t target)
{
	struct kvlane_set_balloon args = { .target = target };

	return ioctl(d->fd, KVLANE_SET_BALLOON, &args) ? -errno : 0;
}

static struct kvlane_balloon_info info(struct device *d, uint32_t flags)
{
	struct kvlane_balloon_info info = { .flags = flags };

	if (ioctl(d->fd, KVLANE_GET_BALLOON, &info))
		info.target = UINT64_MAX;
	return info;
}

FIXTURE_SETUP(balloon)
{
	int err;

	self->d.fd = -1;
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	err = ram_open(&self->b, variant->kind, SIZE);
	if (err == -ENOMEM)
		SKIP(return, "no huge pages to be had");
	ASSERT_EQ(0, err);
	self->g.regions[self->g.nr_regions++] = (struct kvlane_region){
		.gpa = BASE + variant->skew,
		.size = SIZE,
		.hva = (uintptr_t)self->b.mem,
		.fd = self->b.fd,
	};
	ASSERT_EQ(0, guest_set_regions(&self->g, self->g.regions, self->g.nr_regions));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BALLOON, 4, 64));
	ASSERT_EQ(0, set_backend(&self->d, 0));
	self->first = (BASE + variant->skew) / PAGE;
	self->pfns = guest_alloc(&self->g, CHUNK * sizeof(uint32_t), PAGE);
	self->told = guest_alloc(&self->g, PAGE, PAGE);
	self->splits = vmstat("thp_split_p");
}

FIXTURE_TEARDOWN(balloon)
{
	device_close(&self->d);
	ram_close(&self->b);
	guest_close(&self->g);
}

static int ask(struct _test_data_balloon *self, unsigned int queue, unsigned int nr)
{
	struct iovec out = { self->pfns, nr * sizeof(uint32_t) };
	struct vq *vq = &self->d.vq[queue];

	if (vq_add(vq, &out, 1, NULL, 0, self) < 0)
		return -ENOSPC;
	vq_kick(vq);
	return vq_wait(vq, NULL) == self ? 0 : -ETIMEDOUT;
}

/* Every page of a range that is not a multiple of @leave, the last ones first. */
static int move(struct _test_data_balloon *self, unsigned int queue, unsigned int first,
		unsigned int nr, unsigned int leave)
{
	unsigned int n = 0, i;
	int err = 0;

	for (i = first + nr; i-- > first && !err;) {
		if (!leave || i % leave)
			self->pfns[n++] = self->first + i;
		if (n == CHUNK || (n && i == first)) {
			err = ask(self, queue, n);
			n = 0;
		}
	}
	return err;
}

/* By a registered buffer of io_uring, until that is closed. */
static int pin_memory(struct iovec *iov)
{
	struct io_uring_params params = {};
	int fd = syscall(__NR_io_uring_setup, 2, &params);

	if (fd >= 0 &&
	    !syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, iov, 1))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Bytes of memory that the host does not have. */
static uint64_t used(struct _test_data_balloon *self)
{
	struct stat st = {};

	fstat(self->b.fd, &st);
	return st.st_blocks * 512ULL;
}

static void fill(struct _test_data_balloon *self, unsigned int page, uint32_t seed)
{
	uint32_t *at = (uint32_t *)(self->b.mem + (uint64_t)page * PAGE);

	at[0] = page;
	at[1] = seed;
	at[PAGE / sizeof(*at) - 1] = page ^ seed;
}

static bool holds(struct _test_data_balloon *self, unsigned int page, uint32_t seed)
{
	const uint32_t *at = (uint32_t *)(self->b.mem + (uint64_t)page * PAGE);

	return at[0] == page && at[1] == seed && at[PAGE / sizeof(*at) - 1] == (page ^ seed);
}

TEST_F(balloon, whole_blocks)
{
	struct kvlane_balloon_info i;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, 0));
	i = info(&self->d, 0);
	EXPECT_EQ(SIZE, i.ballooned);
	EXPECT_EQ(0, i.ignored);
	if (!variant->frees) {
		EXPECT_EQ(0, i.freed);
		EXPECT_LE(BLOCKS - 1, i.refused);
		return;
	}
	EXPECT_EQ(BLOCKS, i.whole);
	EXPECT_EQ(0, i.partial);
	EXPECT_EQ(SIZE, i.freed);
	EXPECT_EQ(0, used(self));
	EXPECT_EQ(0, i.refused + i.pinned);

	ASSERT_EQ(0, move(self, DEFLATE, 0, PAGES, 0));
	i = info(&self->d, 0);
	EXPECT_EQ(0, i.ballooned + i.whole + i.partial + i.freed + i.ignored);
	memset(self->b.mem, 0x5a, SIZE);
	EXPECT_EQ(SIZE, used(self));
	EXPECT_EQ(self->splits, vmstat("thp_split_p"));
}

static int shrink_slabs(void)
{
	FILE *f = fopen("/proc/sys/vm/drop_caches", "we");
	int err = !f || fputs("2", f) < 0;

	return f ? fclose(f) || err : err;
}

/* What the host has when its reclaim has asked for memory. */
static uint64_t freed_when_pressed(struct _test_data_balloon *self, uint64_t wanted)
{
	uint64_t freed = 0;
	int tries;

	if (shrink_slabs())
		return 0;
	for (tries = 0; tries < (wanted ? 200 : 10); tries++) {
		freed = info(&self->d, 0).freed;
		if (wanted && freed == wanted)
			break;
		usleep(50000);
	}
	return freed;
}

/* Blocks that came back, each of which is told of once; 0 if something is wrong. */
static uint32_t returned(struct _test_data_balloon *self)
{
	struct kvlane_balloon_returned args = {}, none = {};
	uint32_t seen = 0, bit, i;

	if (ioctl(self->d.fd, KVLANE_GET_RETURNED, &args) ||
	    ioctl(self->d.fd, KVLANE_GET_RETURNED, &none) || none.nr)
		return 0;
	for (i = 0; i < args.nr; i++) {
		bit = (args.gpa[i] - BASE) / BLOCK;
		if (bit >= BLOCKS || seen & 1u << bit)
			return 0;
		seen |= 1u << bit;
	}
	return seen;
}

/* A host that is short of memory has of each block what is in the balloon. */
TEST_F(balloon, pressed)
{
	uint64_t some = variant->splits ? SIZE - BLOCKS * PAGE : 0;
	struct kvlane_event ev = {};
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		fill(self, page, 1);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, BLOCK / PAGE));
	EXPECT_EQ(some, freed_when_pressed(self, some));
	EXPECT_EQ(some ? BLOCKS : 0, info(&self->d, 0).splits);
	EXPECT_EQ(0, returned(self));
	if (variant->splits)
		EXPECT_EQ(BLOCKS * PAGE, used(self));

	/* What comes back is the host's no more; what never went is as it was. */
	ASSERT_EQ(0, move(self, DEFLATE, 0, PAGES / 2, BLOCK / PAGE));
	EXPECT_EQ(some / 2, info(&self->d, 0).freed);
	ASSERT_EQ(0, move(self, DEFLATE, PAGES / 2, PAGES / 2, BLOCK / PAGE));
	EXPECT_EQ(0, info(&self->d, 0).freed);
	EXPECT_EQ(0, info(&self->d, 0).ignored);
	for (page = 0; page < PAGES; page++) {
		if (page % (BLOCK / PAGE) == 0)
			EXPECT_TRUE(holds(self, page, 1));
		fill(self, page, 2);
	}
	for (page = 0; page < PAGES; page++)
		EXPECT_TRUE(holds(self, page, 2));
	if (variant->splits) {
		ASSERT_EQ(sizeof(ev), read(self->d.fd, &ev, sizeof(ev)));
		EXPECT_EQ(KVLANE_EVENT_BALLOON_RETURNED, ev.type);
	}
	EXPECT_EQ(variant->splits ? (1u << BLOCKS) - 1 : 0, returned(self));
}

/* A block that was taken apart becomes whole, and goes; the guest's reset has it back. */
TEST_F(balloon, pressed_and_whole)
{
	uint64_t some = SIZE - BLOCKS * PAGE;
	unsigned int block;

	if (!variant->splits)
		SKIP(return, "nothing is taken apart here");
	memset(self->b.mem, 0x5a, SIZE);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, BLOCK / PAGE));
	ASSERT_EQ(some, freed_when_pressed(self, some));
	for (block = 0; block < BLOCKS; block++)
		ASSERT_EQ(0, move(self, INFLATE, block * (BLOCK / PAGE), 1, 0));
	EXPECT_EQ(SIZE, info(&self->d, 0).freed);
	EXPECT_EQ(BLOCKS, info(&self->d, 0).whole);
	EXPECT_EQ(0, used(self));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(0, info(&self->d, 0).freed);
	EXPECT_EQ((1u << BLOCKS) - 1, returned(self));
}

/* Has the host ask for memory, without an end. */
static void *press(void *end)
{
	while (!__atomic_load_n((bool *)end, __ATOMIC_RELAXED) && !shrink_slabs())
		;
	return NULL;
}

static int open_again(struct _test_data_balloon *self)
{
	int err = device_open(&self->d, &self->g, VIRTIO_ID_BALLOON, 4, 64);

	err = err ? err : set_backend(&self->d, 0);
	return err ? err : device_start(&self->d, FEATURES_ALL);
}

/*
 * The device goes, or starts over, while the host takes blocks apart. What is not in the
 * balloon stays as it is, and nothing is the host's afterwards.
 */
TEST_F(balloon, pressed_and_closed)
{
	unsigned int round, page;
	bool end = false;
	pthread_t thread;

	for (page = 0; page < PAGES; page += BLOCK / PAGE)
		fill(self, page, 5);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, press, &end));
	for (round = 0; round < CLOSES; round++) {
		EXPECT_EQ(0, move(self, INFLATE, 0, PAGES, BLOCK / PAGE));
		if (round % 2) {
			device_close(&self->d);
			EXPECT_EQ(0, open_again(self));
		} else {
			EXPECT_EQ(0, device_reset(&self->d));
			EXPECT_EQ(0, device_start(&self->d, FEATURES_ALL));
		}
		EXPECT_EQ(0, info(&self->d, 0).freed);
		EXPECT_EQ(0, info(&self->d, 0).ballooned);
		memset(self->b.mem + PAGE, round, BLOCK - PAGE);
	}
	__atomic_store_n(&end, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (page = 0; page < PAGES; page += BLOCK / PAGE)
		EXPECT_TRUE(holds(self, page, 5));
}

/* The first page of each block stays, and so does all of the block. */
TEST_F(balloon, partial_blocks)
{
	struct kvlane_balloon_info i;
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		fill(self, page, 1);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, BLOCK / PAGE));
	i = info(&self->d, 0);
	EXPECT_EQ(SIZE - BLOCKS * PAGE, i.ballooned);
	EXPECT_EQ(0, i.freed);
	EXPECT_EQ(0, i.whole);
	EXPECT_LE(BLOCKS, i.partial);
	EXPECT_EQ(self->splits, vmstat("thp_split_p"));
	for (page = 0; page < PAGES; page++)
		ASSERT_TRUE(holds(self, page, 1));
}

/* A page of a block comes back, and then others go. */
TEST_F(balloon, one_page_back)
{
	struct kvlane_balloon_info i;

	if (!variant->frees)
		SKIP(return, "it cannot be freed");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, 0));
	ASSERT_EQ(0, move(self, DEFLATE, 700, 1, 0));
	i = info(&self->d, 0);
	EXPECT_EQ(SIZE - BLOCK, i.freed);
	EXPECT_EQ(BLOCKS - 1, i.whole);
	EXPECT_EQ(1, i.partial);
	fill(self, 700, 3);
	EXPECT_NE(0, used(self));
	EXPECT_GE(BLOCK, used(self));
	EXPECT_TRUE(holds(self, 700, 3));
	ASSERT_EQ(0, move(self, INFLATE, 700, 1, 0));
	EXPECT_EQ(SIZE, info(&self->d, 0).freed);
	EXPECT_EQ(0, used(self));
}

/* What is not in the balloon keeps what it holds, whatever goes on. */
TEST_F(balloon, nothing_lost)
{
	static bool in[PAGES];
	unsigned int round, page, first, nr, seed = 7;

	memset(in, 0, sizeof(in));
	for (page = 0; page < PAGES; page++)
		fill(self, page, seed);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	srandom(1);
	for (round = 0; round < 200; round++) {
		bool inflate = random() % 2;

		first = random() % PAGES;
		nr = random() % 3 ? random() % CHUNK : random() % (4 * BLOCK / PAGE);
		if (nr > PAGES - first)
			nr = PAGES - first;
		ASSERT_EQ(0, move(self, inflate ? INFLATE : DEFLATE, first, nr, 0));
		for (page = first; page < first + nr; page++) {
			if (in[page] && !inflate)
				fill(self, page, seed);
			in[page] = inflate;
		}
		for (page = 0; page < PAGES; page++)
			ASSERT_TRUE(in[page] || holds(self, page, seed));
	}
	for (page = 0, nr = 0; page < PAGES; page++)
		nr += in[page];
	EXPECT_EQ((uint64_t)nr * PAGE, info(&self->d, 0).ballooned);
}

/* With the queues empty, a driver may forget the balloon. */
TEST_F(balloon, reset)
{
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, 0));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(0, info(&self->d, 0).ballooned);
	EXPECT_EQ(0, info(&self->d, 0).freed);
	memset(self->b.mem, 0x5a, SIZE);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, 0));
	EXPECT_EQ(SIZE, info(&self->d, 0).ballooned);
}

TEST_F(balloon, garbage)
{
	static const uint32_t nowhere[] = { 0, UINT32_MAX, GUEST_NOWHERE / PAGE,
					    BASE / PAGE - 1, BASE / PAGE + PAGES + 1 };
	const unsigned int n = sizeof(nowhere) / sizeof(nowhere[0]);

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	memcpy(self->pfns, nowhere, sizeof(nowhere));
	ASSERT_EQ(0, ask(self, INFLATE, n));
	EXPECT_EQ(n, info(&self->d, 0).ignored);
	ASSERT_EQ(0, ask(self, DEFLATE, n));
	EXPECT_EQ(2 * n, info(&self->d, 0).ignored);
	ASSERT_EQ(0, move(self, INFLATE, 5, 3, 0));
	ASSERT_EQ(0, move(self, INFLATE, 5, 3, 0));
	EXPECT_EQ(2 * n + 3, info(&self->d, 0).ignored);
	EXPECT_EQ(3 * PAGE, info(&self->d, 0).ballooned);
	EXPECT_EQ(0, device_status(&self->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* So many pages in one request that a reset comes before the last. */
TEST_F(balloon, no_end)
{
	struct iovec out = { self->b.mem, SIZE };
	struct vq *vq = &self->d.vq[INFLATE];

	memset(self->b.mem, 0, SIZE);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_LE(0, vq_add(vq, &out, 1, NULL, 0, self));
	vq_kick(vq);
	ASSERT_EQ(0, device_inflight(&self->d, INFLATE, 1));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_GT(SIZE / sizeof(uint32_t), info(&self->d, 0).ignored);
}

TEST_F(balloon, malformed)
{
	struct iovec three = { self->pfns, 3 }, page = { self->told, PAGE };
	struct kvlane_event event;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		bool out = i == 0 || i == REPORT;

		ASSERT_EQ(0, device_reset(&self->d));
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		ASSERT_LE(0, vq_add(&self->d.vq[i], &three, out, &page, !out, self));
		vq_kick(&self->d.vq[i]);
		ASSERT_EQ(0, device_event(&self->d, &event, WAIT_MS));
		EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, event.type);
		EXPECT_EQ(i, event.queue);
		EXPECT_EQ(out ? KVLANE_REASON_SHORT : KVLANE_REASON_DIRECTION, event.reason);
	}
}

TEST_F(balloon, target)
{
	const unsigned int num_pages = KVLANE_WINDOW_CONFIG;
	const unsigned int actual = KVLANE_WINDOW_CONFIG + 4;

	EXPECT_EQ(0, set_backend(&self->d, BLOCK));
	EXPECT_EQ(BLOCK / PAGE, reg_read(&self->d, num_pages, 4));
	EXPECT_EQ(-EINVAL, set_backend(&self->d, 1));
	EXPECT_EQ(-EINVAL, set_target(&self->d, PAGE - 1));
	EXPECT_EQ(-EINVAL, set_target(&self->d, 1ULL << 44));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(0, set_target(&self->d, 3 * BLOCK));
	EXPECT_NE(0, eventfd_wait(self->d.config_call, WAIT_MS));
	EXPECT_EQ(3 * BLOCK / PAGE, reg_read(&self->d, num_pages, 4));
	EXPECT_EQ(3 * BLOCK, info(&self->d, 0).target);
	ASSERT_EQ(0, reg_write(&self->d, actual, 4, 77));
	EXPECT_EQ(77 * PAGE, info(&self->d, 0).actual);
	/* What the owner wants is not the driver's to write. */
	ASSERT_EQ(0, reg_write(&self->d, num_pages, 4, 1));
	EXPECT_EQ(3 * BLOCK, info(&self->d, 0).target);
}

static int tell(struct _test_data_balloon *self, uint64_t value)
{
	struct iovec out = { self->told, 3 * sizeof(*self->told) };
	struct vq *vq = &self->d.vq[TELL];

	self->told[0] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMFREE, value };
	self->told[1] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_AVAIL, value + 1 };
	self->told[2] = (struct virtio_balloon_stat){ 999, 1 };
	if (vq_add(vq, &out, 1, NULL, 0, self) < 0)
		return -ENOSPC;
	vq_kick(vq);
	return 0;
}

static uint64_t told(struct device *d, uint64_t value)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		if (info(d, 0).stats[VIRTIO_BALLOON_S_MEMFREE] == value)
			return info(d, 0).stats[VIRTIO_BALLOON_S_AVAIL];
		usleep(1000);
	}
	return 0;
}

TEST_F(balloon, statistics)
{
	struct kvlane_queue_stats qs = {};
	struct kvlane_balloon_info i;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	i = info(&self->d, KVLANE_BALLOON_REFRESH);
	EXPECT_EQ(0, i.stats_ns);
	EXPECT_EQ(UINT64_MAX, i.stats[VIRTIO_BALLOON_S_MEMFREE]);
	ASSERT_EQ(0, tell(self, 100));
	EXPECT_EQ(101, told(&self->d, 100));
	/* It has the request, and gives it back for a new one. */
	ASSERT_EQ(0, device_stats(&self->d, NULL, TELL, &qs));
	EXPECT_EQ(1, qs.inflight);
	i = info(&self->d, KVLANE_BALLOON_REFRESH);
	EXPECT_EQ(100, i.stats[VIRTIO_BALLOON_S_MEMFREE]);
	EXPECT_NE(0, i.stats_ns);
	EXPECT_EQ(UINT64_MAX, i.stats[VIRTIO_BALLOON_S_SWAP_IN]);
	ASSERT_EQ(self, vq_wait(&self->d.vq[TELL], NULL));
	ASSERT_EQ(0, tell(self, 200));
	EXPECT_EQ(201, told(&self->d, 200));
	/* Who only asks does not wait. */
	i = info(&self->d, KVLANE_BALLOON_ASK);
	EXPECT_EQ(201, i.stats[VIRTIO_BALLOON_S_AVAIL]);
	ASSERT_EQ(self, vq_wait(&self->d.vq[TELL], NULL));
	ASSERT_EQ(0, tell(self, 300));
	EXPECT_EQ(301, told(&self->d, 300));
	/* Kept over a reset it is not. */
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(0, info(&self->d, 0).stats_ns);
}

static int report(struct _test_data_balloon *self, uint64_t offset, uint64_t size)
{
	struct iovec in = { self->b.mem + offset, size };
	struct vq *vq = &self->d.vq[REPORT];

	if (vq_add(vq, NULL, 0, &in, 1, self) < 0)
		return -ENOSPC;
	vq_kick(vq);
	return vq_wait(vq, NULL) == self ? 0 : -ETIMEDOUT;
}

/* Free pages of the guest, which it may use again without a word. */
TEST_F(balloon, reports)
{
	struct kvlane_balloon_info i;
	bool frees = variant->frees && variant->kind != RAM_2M;
	const uint64_t freed = frees ? 2 * BLOCK : 0;
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		fill(self, page, 9);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, report(self, BLOCK, 2 * BLOCK));
	i = info(&self->d, 0);
	EXPECT_EQ(freed, i.reported);
	EXPECT_EQ(0, i.ballooned);
	if (self->b.fd >= 0) {
		EXPECT_EQ(SIZE - freed, used(self));
	}
	if (!frees) {
		EXPECT_LE(1, i.refused);
	}
	for (page = 0; page < PAGES; page++)
		if (page < BLOCK / PAGE || page >= 3 * BLOCK / PAGE)
			ASSERT_TRUE(holds(self, page, 9));
	/* Less than a block stays. */
	ASSERT_EQ(0, report(self, 5 * BLOCK + PAGE, 2 * BLOCK - 2 * PAGE));
	EXPECT_EQ(freed, info(&self->d, 0).reported);
	for (page = 5 * BLOCK / PAGE; page < PAGES; page++)
		ASSERT_TRUE(holds(self, page, 9));
	/* Nor is memory freed that is to keep what the driver has filled it with. */
	ASSERT_EQ(0, reg_write(&self->d, KVLANE_WINDOW_CONFIG + 12, 4, 0xaa));
	ASSERT_EQ(0, report(self, 8 * BLOCK, BLOCK));
	EXPECT_EQ(freed, info(&self->d, 0).reported);
	EXPECT_TRUE(holds(self, 8 * BLOCK / PAGE, 9));
}

/* io_uring lets go of its buffers some time after it is closed. */
static int retried(struct _test_data_balloon *self)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms += 10) {
		if (set_target(&self->d, 0))
			return -EINVAL;
		if (info(&self->d, 0).freed == SIZE)
			return 0;
		usleep(10000);
	}
	return -ETIMEDOUT;
}

/* A buffer that io_uring has, for one. */
TEST_F(balloon, pinned)
{
	struct iovec iov = { self->b.mem, PAGE };
	int ring;

	if (!variant->frees)
		SKIP(return, "it cannot be freed");
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ring = pin_memory(&iov);
	if (ring < 0)
		SKIP(return, "nothing to pin memory with");
	ASSERT_EQ(0, move(self, INFLATE, 0, PAGES, 0));
	EXPECT_EQ(SIZE - BLOCK, info(&self->d, 0).freed);
	EXPECT_EQ(1, info(&self->d, 0).pinned);
	EXPECT_EQ(BLOCKS, info(&self->d, 0).whole);
	close(ring);
	/* Once nothing has it any more, it goes when the balloon is told again. */
	EXPECT_EQ(0, retried(self));
	EXPECT_EQ(0, used(self));
}

TEST(wrong_calls)
{
	struct kvlane_balloon_info bad = { .reserved = 1 }, worse = { .hinting = 1 };
	struct kvlane_balloon_returned full = { .nr = 1 }, none = {};
	struct kvlane_set_balloon wrong = { .flags = 1 };
	struct device d, other;
	struct guest g;

	ASSERT_EQ(0, guest_open(&g, MEM));
	EXPECT_EQ(-EINVAL, device_open(&d, &g, VIRTIO_ID_BALLOON, 1, 64));
	EXPECT_EQ(-EINVAL, device_open(&d, &g, VIRTIO_ID_BALLOON, 6, 64));
	ASSERT_EQ(0, device_open(&d, &g, VIRTIO_ID_BALLOON, 2, 64));
	EXPECT_EQ(0, device_offered(&d) & (BIT(VIRTIO_BALLOON_F_STATS_VQ) |
					   BIT(VIRTIO_BALLOON_F_REPORTING)));
	EXPECT_EQ(-ENXIO, set_target(&d, PAGE));
	EXPECT_EQ(UINT64_MAX, info(&d, 0).target);
	ASSERT_EQ(0, set_backend(&d, 0));
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_SET_BALLOON, &wrong));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_GET_BALLOON, &bad));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_GET_BALLOON, &worse));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(UINT64_MAX, info(&d, 4).target);
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_GET_BALLOON, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_GET_RETURNED, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_GET_RETURNED, &full));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, device_open(&other, &g, VIRTIO_ID_RNG, 1, 64));
	EXPECT_EQ(-EINVAL, set_target(&other, PAGE));
	EXPECT_EQ(UINT64_MAX, info(&other, 0).target);
	EXPECT_EQ(-1, ioctl(other.fd, KVLANE_GET_RETURNED, &none));
	EXPECT_EQ(EINVAL, errno);
	device_close(&other);
	device_close(&d);
	guest_close(&g);
}

TEST_HARNESS_MAIN
