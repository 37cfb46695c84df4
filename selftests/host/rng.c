// SPDX-License-Identifier: GPL-2.0-only
/* The entropy device, virtio 1.2 section 5.4. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "silent.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define BUF		65536

FIXTURE(rng) {
	struct guest g;
	struct device d;
	struct vq *vq;
	uint8_t *buf;
};

FIXTURE_SETUP(rng)
{
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_RNG, 1, 64));
	self->vq = &self->d.vq[0];
	self->buf = guest_alloc_high(&self->g, BUF, 4096);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(rng)
{
	device_close(&self->d);
	guest_close(&self->g);
}

/* One buffer; returns how much of it the device filled, 0 if it did not answer. */
static uint32_t fetch(struct vq *vq, uint8_t *buf, uint32_t size)
{
	struct iovec in = { buf, size };
	uint32_t len = 0;

	if (vq_add(vq, NULL, 0, &in, 1, buf) < 0)
		return 0;
	vq_kick(vq);
	return vq_wait(vq, &len) == buf ? len : 0;
}

/* Bits set in random bytes are half of all, within eight standard deviations. */
static bool looks_random(const uint8_t *buf, uint32_t size)
{
	int64_t set = 0, bits = size * 8LL, off;
	uint32_t i;

	for (i = 0; i < size; i++)
		set += __builtin_popcount(buf[i]);
	off = 2 * set - bits;
	return off * off <= 64 * bits;
}

TEST_F(rng, host_generator)
{
	uint32_t len;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	memset(self->buf, 0, BUF);
	len = fetch(self->vq, self->buf, 4096);
	ASSERT_LE(1, len);
	ASSERT_GE(4096, len);
	EXPECT_TRUE(looks_random(self->buf, len));
	/* Not a byte more than was said. */
	EXPECT_TRUE(all_bytes(self->buf + len, 4096 - len + 64, 0));
}

TEST_F(rng, never_the_same)
{
	unsigned int i, j;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 32; i++) {
		ASSERT_LE(16, fetch(self->vq, self->buf + i * 16, 16));
		for (j = 0; j < i; j++)
			ASSERT_NE(0, memcmp(self->buf + i * 16, self->buf + j * 16, 16));
	}
}

TEST_F(rng, sizes)
{
	static const uint32_t size[] = { 1, 2, 7, 63, 64, 511, 4096, 4097, BUF };
	unsigned int i;
	uint32_t len;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		len = fetch(self->vq, self->buf, size[i]);
		EXPECT_LE(1, len);
		EXPECT_GE(size[i], len);
	}
}

TEST_F(rng, segments)
{
	struct iovec in[8];
	uint32_t len = 0;
	unsigned int i;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 8; i++)
		in[i] = (struct iovec){ self->buf + i * 200, 100 };
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, in, 8, self));
	vq_kick(self->vq);
	ASSERT_EQ(self, vq_wait(self->vq, &len));
	EXPECT_LE(1, len);
	EXPECT_GE(800, len);
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(all_bytes(self->buf + i * 200 + 100, 100, 0));
	if (len == 800) {
		EXPECT_FALSE(all_bytes(self->buf + 7 * 200, 100, 0));
	}
}

TEST_F(rng, full_ring)
{
	struct iovec in;
	uint32_t len;
	unsigned int i;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 64; i++) {
		in = (struct iovec){ self->buf + i * 64, 64 };
		ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, in.iov_base));
	}
	vq_kick(self->vq);
	for (i = 0; i < 64; i++) {
		ASSERT_NE(NULL, vq_wait(self->vq, &len));
		EXPECT_LE(1, len);
	}
}

/* The bytes of a file, in order, each once. */
TEST_F(rng, from_file)
{
	uint32_t len, got = 0;
	int fd = disk_memfd(0);

	pattern_fill(self->buf, 8192, 1);
	ASSERT_EQ(8192, write(fd, self->buf, 8192));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	memset(self->buf, 0, 8192);
	ASSERT_EQ(0, device_set_rng(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	while (got < 8192) {
		len = fetch(self->vq, self->buf + got, 8192 - got < 100 ? 8192 - got : 100);
		ASSERT_LE(1, len);
		ASSERT_GE(100, len);
		got += len;
	}
	EXPECT_TRUE(pattern_matches(self->buf, 8192, 1));
}

/* A regular file is read over and over. */
TEST_F(rng, file_begins_again)
{
	uint32_t len, got = 0;
	int fd = disk_memfd(0);

	pattern_fill(self->buf, 96, 7);
	memcpy(self->buf + 96, self->buf, 96);
	ASSERT_EQ(96, write(fd, self->buf, 96));
	memset(self->buf + 4096, 0, 192);
	ASSERT_EQ(0, device_set_rng(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	while (got < 192) {
		len = fetch(self->vq, self->buf + 4096 + got, 192 - got);
		ASSERT_LE(1, len);
		got += len;
	}
	EXPECT_EQ(0, memcmp(self->buf, self->buf + 4096, 192));
}

/* A source without anything: the host's generator steps in, the VMM hears of it. */
TEST_F(rng, file_is_empty)
{
	struct kvlane_event ev = {};
	struct kvlane_queue_stats qs;
	int fd = disk_memfd(0);
	uint32_t len;

	ASSERT_EQ(0, device_set_rng(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	len = fetch(self->vq, self->buf, 1024);
	ASSERT_LE(1, len);
	EXPECT_TRUE(looks_random(self->buf, len));
	ASSERT_EQ(0, device_event(&self->d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_BACKEND_ERROR, ev.type);
	EXPECT_GT(0, ev.error);
	/* One event for all of them, and each is counted. */
	EXPECT_LE(1, fetch(self->vq, self->buf, 64));
	EXPECT_EQ(-ETIMEDOUT, device_event(&self->d, &ev, 0));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(2, qs.errors);
}

/* Stops this process and lets it go on, from outside. */
static pid_t hiccup(void)
{
	pid_t self = getpid(), pid = fork();

	if (pid)
		return pid;
	close_range(3, ~0U, 0);
	kill(self, SIGSTOP);
	usleep(50000);
	kill(self, SIGCONT);
	_exit(0);
}

/* The owner may be stopped while its source is asked; nothing has failed then. */
TEST_F(rng, stopped_while_source_is_silent)
{
	struct kvlane_event ev;
	struct iovec in = { self->buf, 64 };
	struct silent source;
	int status, i;
	pid_t pid;

	ASSERT_EQ(0, silent_open(&source));
	ASSERT_EQ(0, device_set_rng(&self->d, source.fd, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
	vq_kick(self->vq);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 1));
	for (i = 0; i < 3; i++) {
		usleep(5000);
		pid = hiccup();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(NULL, vq_pop(self->vq, NULL));
	}
	ASSERT_EQ(0, silent_speak(&source));
	EXPECT_EQ(self, vq_wait(self->vq, NULL));
	EXPECT_EQ(0, memcmp(self->buf, "seed", 4));
	EXPECT_EQ(-ETIMEDOUT, device_event(&self->d, &ev, 0));
	silent_close(&source);
}

/* A reset does not wait for a source that may never say anything. */
TEST_F(rng, reset_while_source_is_silent)
{
	struct iovec in = { self->buf, 64 };
	struct silent source;
	int i;

	ASSERT_EQ(0, silent_open(&source));
	ASSERT_EQ(0, device_set_rng(&self->d, source.fd, 0, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
		vq_kick(self->vq);
		usleep(5000);
		ASSERT_EQ(0, device_reset(&self->d));
	}
	silent_close(&source);
}

/* Nor does a change of its lane, which then goes on. */
TEST_F(rng, lane_set_while_source_is_silent)
{
	const struct kvlane_set_lanes lanes = { .queue = 0, .poll_us = 0 };
	struct iovec in = { self->buf, 64 };
	struct silent source;

	ASSERT_EQ(0, silent_open(&source));
	ASSERT_EQ(0, device_set_rng(&self->d, source.fd, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
	vq_kick(self->vq);
	ASSERT_EQ(0, device_inflight(&self->d, 0, 1));
	usleep(5000);
	ASSERT_EQ(0, ioctl(self->d.fd, KVLANE_SET_LANES, &lanes));
	EXPECT_EQ(NULL, vq_pop(self->vq, NULL));
	ASSERT_EQ(0, silent_speak(&source));
	EXPECT_EQ(self, vq_wait(self->vq, NULL));
	EXPECT_EQ(0, memcmp(self->buf, "seed", 4));
	silent_close(&source);
}

TEST_F(rng, from_character_device)
{
	int fd = open("/dev/urandom", O_RDONLY);
	uint32_t len;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_set_rng(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	len = fetch(self->vq, self->buf, 2048);
	ASSERT_LE(1, len);
	EXPECT_TRUE(looks_random(self->buf, len));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The limit is a bound from above, however slow the machine is. */
TEST_F(rng, rate_limit)
{
	const uint64_t rate = 4000, burst = 1000;
	struct kvlane_queue_stats qs;
	double start, elapsed;
	uint64_t got = 0;
	uint32_t len;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, rate, burst));
	start = now();
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	while (got < 4000) {
		len = fetch(self->vq, self->buf, 512);
		ASSERT_LE(1, len);
		got += len;
		elapsed = now() - start;
		EXPECT_GE(rate * elapsed + burst, got);
	}
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(got, qs.bytes_out);
	EXPECT_LT(0, qs.throttled);
}

/* A reset gives no fresh allowance. */
TEST_F(rng, rate_limit_across_resets)
{
	const uint64_t rate = 2000, burst = 500;
	uint64_t got = 0;
	double start;
	uint32_t len;
	int i;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, rate, burst));
	start = now();
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		len = fetch(self->vq, self->buf, 400);
		ASSERT_LE(1, len);
		got += len;
		EXPECT_GE(rate * (now() - start) + burst, got);
	}
}

/* A request that waits for its allowance does not hold up a reset, nor a close. */
TEST_F(rng, reset_while_throttled)
{
	struct iovec in = { self->buf, 4096 };
	unsigned int i;

	ASSERT_EQ(0, device_set_rng(&self->d, -1, 1, 1));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
		ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
		vq_kick(self->vq);
		usleep(5000);
		ASSERT_EQ(0, device_reset(&self->d));
	}
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
	vq_kick(self->vq);
	usleep(5000);
}

/* A source that has nothing yet, such as a slow hwrng, blocks only its device. */
TEST_F(rng, slow_source)
{
	struct iovec in = { self->buf, 64 };
	struct silent source;
	struct device other;

	ASSERT_EQ(0, silent_open(&source));
	ASSERT_EQ(0, device_set_rng(&self->d, source.fd, 0, 0));
	ASSERT_EQ(0, device_open(&other, &self->g, VIRTIO_ID_RNG, 1, 16));
	ASSERT_EQ(0, device_set_rng(&other, -1, 0, 0));
	ASSERT_EQ(0, device_start(&other, FEATURES_ALL));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
	vq_kick(self->vq);
	EXPECT_LE(1, fetch(&other.vq[0], self->buf + 4096, 64));
	EXPECT_EQ(NULL, vq_pop(self->vq, NULL));
	ASSERT_EQ(0, silent_speak(&source));
	EXPECT_EQ(self, vq_wait(self->vq, NULL));
	EXPECT_EQ(0, memcmp(self->buf, "seed", 4));
	device_close(&other);
	silent_close(&source);
}

TEST_HARNESS_MAIN
