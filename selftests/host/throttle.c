// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits on what a device does in a second.
 *
 * That no more is done than was asked for is true however slow the machine is, and is
 * checked as such, by the module's own count and by what came back. That it is not
 * less cannot be had on a machine that is too slow to keep up; such a measurement is
 * made once more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"
#include "throttle.h"

#include "kselftest_harness.h"

#define MEM		(16 << 20)
#define BYTES		(16 << 20)
#define QUEUES		2
#define SECONDS		3
#define TRIES		4
/* Both more than a turn, so that there is always something that waits. */
#define DEEP		LOAD_MOST
#define SHALLOW		16
/* No request gets through a second time while a test runs. */
#define NEVER		1000
/* What a throttle lets through at once after a rest, besides the first request. */
#define SLACK(rate)	((rate) / 10)

struct machine {
	struct guest g;
	struct device d;
};

static int machine_open(struct machine *m)
{
	int disk = disk_memfd(BYTES);
	int err = guest_open(&m->g, MEM);

	if (!err)
		err = device_open(&m->d, &m->g, VIRTIO_ID_BLOCK, QUEUES, LOAD_MOST * 4);
	if (!err)
		err = device_set_blk(&m->d, disk, 0, 0);
	close(disk);
	return err ?: device_start(&m->d, FEATURES_ALL);
}

static void machine_close(struct machine *m)
{
	device_close(&m->d);
	guest_close(&m->g);
}

static struct load load_of(struct machine *m, unsigned int queue, uint32_t type,
			   unsigned int depth)
{
	return (struct load){
		.vq = &m->d.vq[queue],
		.type = type,
		.depth = depth,
		.least = 512,
		.most = 512,
	};
}

FIXTURE(throttle) {
	struct machine m;
	int fd;
};

FIXTURE_SETUP(throttle)
{
	self->fd = throttle_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, machine_open(&self->m));
}

FIXTURE_TEARDOWN(throttle)
{
	machine_close(&self->m);
	close(self->fd);
}

/* Requests or bytes that came back, whatever is limited. */
static uint64_t amount(const struct load *loads, unsigned int nr, bool bytes)
{
	uint64_t sum = 0;

	while (nr--)
		sum += bytes ? loads[nr].bytes : loads[nr].ops;
	return sum;
}

/*
 * Runs loads against a limit. Returns 0 if they got what was asked for, within 3 %,
 * 1 if it was less, -1 if it was more.
 */
static int measure(struct load *loads, unsigned int nr, uint64_t rate, bool bytes)
{
	uint64_t start = clock_ns(), from, got, ns, largest = bytes ? loads[0].most : 1;

	/* What may go at once, so that the rest is at the rate. */
	load_run(loads, nr, start + NSEC / 2);
	from = amount(loads, nr, bytes);
	start = clock_ns();
	load_run(loads, nr, start + SECONDS * NSEC);
	ns = clock_ns() - start;
	got = amount(loads, nr, bytes) - from;
	if (got > (ns + NSEC / 10) / 1000 * rate / 1000000 + 2 * largest)
		return -1;
	return (got + 2 * largest) * 100 < ns / 1000 * rate / 1000000 * 97;
}

FIXTURE(exact) {
	struct machine m;
	int fd;
	struct load loads[QUEUES];
};

FIXTURE_VARIANT(exact) {
	unsigned int limit;
	uint64_t rate;
	uint32_t type;
	unsigned int queues;
	uint32_t most;
};

FIXTURE_VARIANT_ADD(exact, ops_10) {
	KVLANE_LIMIT_OPS, 10, VIRTIO_BLK_T_IN, 1, 512
};
FIXTURE_VARIANT_ADD(exact, ops_333) {
	KVLANE_LIMIT_OPS_READ, 333, VIRTIO_BLK_T_IN, 2, 4096
};
FIXTURE_VARIANT_ADD(exact, ops_2000) {
	KVLANE_LIMIT_OPS_WRITE, 2000, VIRTIO_BLK_T_OUT, 2, 512
};
FIXTURE_VARIANT_ADD(exact, bytes_1M) {
	KVLANE_LIMIT_BYTES, 1 << 20, VIRTIO_BLK_T_OUT, 2, 16384
};
FIXTURE_VARIANT_ADD(exact, bytes_10M) {
	KVLANE_LIMIT_BYTES_READ, 10 << 20, VIRTIO_BLK_T_IN, 1, 65536
};

FIXTURE_SETUP(exact)
{
	unsigned int i;

	self->fd = throttle_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, throttle_set(self->fd, variant->limit, variant->rate));
	ASSERT_EQ(0, machine_open(&self->m));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	for (i = 0; i < variant->queues; i++) {
		self->loads[i] = load_of(&self->m, i, variant->type, 16);
		self->loads[i].most = variant->most;
		ASSERT_EQ(0, load_open(&self->loads[i]));
	}
}

FIXTURE_TEARDOWN(exact)
{
	machine_close(&self->m);
	close(self->fd);
}

TEST_F(exact, rate)
{
	bool bytes = variant->limit >= KVLANE_LIMIT_BYTES;
	int tries, got = 1;

	for (tries = 0; got > 0 && tries < TRIES; tries++)
		got = measure(self->loads, variant->queues, variant->rate, bytes);
	EXPECT_EQ(0, got);
	EXPECT_LT(0, throttle_get(self->fd).delayed);
	ASSERT_EQ(0, throttle_set(self->fd, variant->limit, 0));
	EXPECT_EQ(0, load_drain(self->loads, variant->queues));
	EXPECT_EQ(amount(self->loads, variant->queues, false), throttle_get(self->fd).ops);
	EXPECT_EQ(amount(self->loads, variant->queues, true), throttle_get(self->fd).bytes);
	EXPECT_EQ(0, self->loads[0].failed + self->loads[1].failed);
}

/* All of it, and the average afterwards. */
TEST_F(throttle, burst)
{
	struct kvlane_limits limits = {};
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 16);
	uint64_t start, ns;

	limits.limits[KVLANE_LIMIT_OPS] = (struct kvlane_rate){
		.rate = 50,
		.burst = 500,
		.burst_ms = 1000,
	};
	ASSERT_EQ(0, ioctl(self->fd, KVLANE_SET_LIMITS, &limits));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	start = clock_ns();
	ASSERT_EQ(0, load_open(&load));
	load_run(&load, 1, start + NSEC / 2);
	ns = clock_ns() - start;
	EXPECT_GE((ns + NSEC / 10) * 500 / NSEC + 1, load.ops);
	/* However slow the machine is, it may catch up later. */
	load_run(&load, 1, start + 4 * NSEC);
	ns = clock_ns() - start;
	EXPECT_GE(450 + (ns + NSEC / 10) * 50 / NSEC + 1, load.ops);
	EXPECT_LE(450, load.ops);
}

/* Writes wait, reads do not, whoever came first. */
TEST_F(throttle, directions)
{
	struct load writes = load_of(&self->m, 0, VIRTIO_BLK_T_OUT, 8);
	struct kvlane_queue_stats qs;
	struct blk_req req;
	int i;

	ASSERT_EQ(0, blk_alloc(&self->m.g, &req, 512));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&writes));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	for (i = 0; i < NEVER; i++)
		ASSERT_EQ(0, blk_do(writes.vq, &req, VIRTIO_BLK_T_IN, 0, 512));
	blk_poll(writes.vq);
	EXPECT_TRUE(writes.req[0].done);
	EXPECT_FALSE(writes.req[1].done);
	ASSERT_EQ(0, device_stats(&self->m.d, NULL, 0, &qs));
	EXPECT_EQ(7, qs.throttled);
	EXPECT_EQ(7, qs.inflight);
}

/* A request for zeroes carries no data, and may be as much work as if it did. */
TEST_F(throttle, zeroes)
{
	struct vq *vq = &self->m.d.vq[0];
	struct virtio_blk_discard_write_zeroes range;
	struct blk_req req;

	ASSERT_EQ(0, blk_alloc(&self->m.g, &req, 512));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 4096));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, blk_range(vq, &req, VIRTIO_BLK_T_WRITE_ZEROES, 0, BYTES / 512, 0));
	EXPECT_EQ(sizeof(range) + BYTES, throttle_get(self->fd).bytes);
	/* A discard does not write. */
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 0));
	ASSERT_EQ(0, blk_range(vq, &req, VIRTIO_BLK_T_DISCARD, 0, BYTES / 512, 0));
	EXPECT_EQ(2 * sizeof(range) + BYTES, throttle_get(self->fd).bytes);
	/* What comes after it waits for an hour. */
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 4096));
	ASSERT_EQ(0, blk_range(vq, &req, VIRTIO_BLK_T_WRITE_ZEROES, 0, BYTES / 512, 0));
	ASSERT_LE(0, blk_add(vq, &req, VIRTIO_BLK_T_OUT, 0, 512));
	vq_kick(vq);
	EXPECT_EQ(0, throttle_waiting(self->fd, 1));
}

/* Reads and writes of one queue, under a limit for both, take turns. */
TEST_F(throttle, directions_take_turns)
{
	struct load loads[] = {
		load_of(&self->m, 0, VIRTIO_BLK_T_IN, DEEP),
		load_of(&self->m, 0, VIRTIO_BLK_T_OUT, SHALLOW),
	};

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 300));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&loads[0]));
	ASSERT_EQ(0, load_open(&loads[1]));
	load_run(loads, 2, clock_ns() + 2 * NSEC);
	EXPECT_LE(loads[0].ops / 2, loads[1].ops);
	EXPECT_LT(0, loads[1].ops);
}

/*
 * Where much is allowed at once it does not all go to who comes first: a tenth of a
 * second's share here, to two queues that have more than that waiting.
 */
TEST_F(throttle, turns_are_short)
{
	struct load loads[] = {
		load_of(&self->m, 0, VIRTIO_BLK_T_IN, DEEP),
		load_of(&self->m, 1, VIRTIO_BLK_T_IN, DEEP),
	};
	int64_t more;

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&loads[0]));
	ASSERT_EQ(0, load_open(&loads[1]));
	ASSERT_EQ(0, throttle_waiting(self->fd, 2));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 300));
	while (loads[0].ops + loads[1].ops < 2 * SLACK(300))
		load_run(loads, 2, clock_ns() + NSEC / 100);
	more = loads[0].ops - loads[1].ops;
	EXPECT_GE(SLACK(300) / 2, llabs(more));
}

/* Limits that are changed count at once, also for what waits already. */
TEST_F(throttle, changes)
{
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 32);

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&load));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 1000));
	EXPECT_EQ(0, load_drain(&load, 1));
	EXPECT_EQ(32, load.ops);
	EXPECT_EQ(0, throttle_get(self->fd).waiting);
}

TEST_F(throttle, removal)
{
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 32);
	int other = throttle_open();

	ASSERT_LE(0, other);
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, throttle_set(other, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&load));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));

	/* One more gets through, as the other one is fresh. */
	ASSERT_EQ(0, device_throttle(&self->m.d, other));
	ASSERT_EQ(0, throttle_waiting(other, 1));
	EXPECT_EQ(0, throttle_get(self->fd).waiting);
	EXPECT_EQ(1, throttle_get(other).ops);
	close(other);

	ASSERT_EQ(0, device_throttle(&self->m.d, -1));
	EXPECT_EQ(0, load_drain(&load, 1));
	EXPECT_EQ(32, load.ops);
}

/* Two guests have one limit between them, and each its share. */
TEST_F(throttle, group)
{
	struct machine other = {};
	struct load loads[3];
	unsigned int i;

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 300));
	ASSERT_EQ(0, machine_open(&other));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, device_throttle(&other.d, self->fd));
	loads[0] = load_of(&self->m, 0, VIRTIO_BLK_T_IN, DEEP);
	loads[1] = load_of(&self->m, 1, VIRTIO_BLK_T_IN, SHALLOW);
	loads[2] = load_of(&other, 0, VIRTIO_BLK_T_OUT, DEEP);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, load_open(&loads[i]));
	EXPECT_NE(-1, measure(loads, 3, 300, false));
	EXPECT_LE(loads[0].ops / 2, loads[1].ops);
	EXPECT_LE(loads[2].ops / 2, loads[1].ops);
	EXPECT_LE(loads[0].ops * 3 / 4, loads[2].ops);
	EXPECT_LE(loads[2].ops * 3 / 4, loads[0].ops);
	machine_close(&other);
}

/* @fd: shared; the guest's device */
static pid_t greedy_guest(int throttle, int *fd)
{
	struct machine m = {};
	struct load load;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (machine_open(&m) || device_throttle(&m.d, throttle))
		_exit(1);
	load = load_of(&m, 0, VIRTIO_BLK_T_IN, 32);
	if (load_open(&load))
		_exit(1);
	*fd = m.d.fd;
	load_run(&load, 1, UINT64_MAX);
	_exit(0);
}

/*
 * Guests that are killed while they wait are not waited for, even if somebody has kept
 * their devices.
 */
TEST_F(throttle, killed_member)
{
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 8);
	int *fd = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int kept[3], i;
	pid_t pid[3];
	uint64_t ops;

	ASSERT_NE(MAP_FAILED, fd);

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 200));
	for (i = 0; i < 3; i++)
		pid[i] = greedy_guest(self->fd, &fd[i]);
	ASSERT_EQ(0, throttle_waiting(self->fd, 3));
	for (i = 0; i < 3; i++) {
		kept[i] = adopt(pid[i], fd[i]);
		ASSERT_LE(0, kept[i]);
	}
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&load));
	load_run(&load, 1, clock_ns() + NSEC / 4);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, kill(pid[i], SIGKILL));
		EXPECT_EQ(pid[i], waitpid(pid[i], NULL, 0));
	}
	ops = load.ops;
	load_run(&load, 1, clock_ns() + NSEC);
	EXPECT_LT(ops, load.ops);
	EXPECT_GE(1, throttle_get(self->fd).waiting);
	for (i = 0; i < 3; i++)
		close(kept[i]);
	munmap(fd, 4096);
}

/* What waits is forgotten with the driver that asked for it. */
TEST_F(throttle, reset)
{
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 32);
	struct kvlane_queue_stats qs;

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&load));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_EQ(0, device_reset(&self->m.d));
	EXPECT_EQ(0, throttle_get(self->fd).waiting);
	ASSERT_EQ(0, device_stats(&self->m.d, NULL, 0, &qs));
	EXPECT_EQ(0, qs.inflight);
	EXPECT_EQ(1, qs.requests);

	/* A driver that comes back has no more than before. */
	ASSERT_EQ(0, device_start(&self->m.d, FEATURES_ALL));
	load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 1);
	ASSERT_EQ(0, load_open(&load));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 0));
	EXPECT_EQ(0, load_drain(&load, 1));
}

TEST_F(throttle, queue_reset)
{
	struct load load = load_of(&self->m, 1, VIRTIO_BLK_T_OUT, 32);

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	ASSERT_EQ(0, load_open(&load));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_EQ(0, device_queue_reset(&self->m.d, 1));
	EXPECT_EQ(0, throttle_get(self->fd).waiting);
}

/* Nothing is left of a device that is closed, nor does it keep the throttle. */
TEST_F(throttle, close_while_waiting)
{
	struct load load;
	struct machine m;
	long refs;
	int i;

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 1));
	refs = module_refs("kvlane");
	for (i = 0; i < 8; i++) {
		memset(&m, 0, sizeof(m));
		ASSERT_EQ(0, machine_open(&m));
		ASSERT_EQ(0, device_throttle(&m.d, self->fd));
		load = load_of(&m, 0, VIRTIO_BLK_T_IN, 32);
		ASSERT_EQ(0, load_open(&load));
		ASSERT_EQ(0, throttle_waiting(self->fd, 1));
		machine_close(&m);
		EXPECT_EQ(0, throttle_get(self->fd).waiting);
	}
	EXPECT_EQ(0, module_settle("kvlane", refs));
}

/* The descriptor is needed to change limits, not to keep them. */
TEST_F(throttle, closed_descriptor)
{
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 4);

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, load_open(&load));
	load_run(&load, 1, clock_ns() + NSEC / 2);
	EXPECT_GE(2, load.ops);
}

/* A request that waits for its throttle has not stalled. */
TEST_F(throttle, is_no_stall)
{
	struct load load = load_of(&self->m, 0, VIRTIO_BLK_T_IN, 4);
	struct kvlane_event ev;
	char old[32];

	ASSERT_EQ(0, module_parameter("stall_seconds", "1", old));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	EXPECT_EQ(0, load_open(&load));
	EXPECT_EQ(-ETIMEDOUT, device_event(&self->m.d, &ev, 2500));
	EXPECT_EQ(0, module_parameter("stall_seconds", old, NULL));
}

/* Flushes go by the limit of requests, not by that of bytes. */
TEST_F(throttle, flush_has_no_bytes)
{
	struct blk_req req;
	int i;

	ASSERT_EQ(0, blk_alloc(&self->m.g, &req, 512));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_EQ(0, device_throttle(&self->m.d, self->fd));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, blk_do(&self->m.d.vq[0], &req, VIRTIO_BLK_T_FLUSH, 0, 0));
	EXPECT_EQ(10, throttle_get(self->fd).ops);
	EXPECT_EQ(0, throttle_get(self->fd).bytes);
}

TEST_F(throttle, bad_arguments)
{
	struct kvlane_create_throttle create = { .flags = 1 };
	struct kvlane_set_throttle set = { .fd = self->fd, .reserved = 1 };
	struct kvlane_limits limits = { .flags = 1 };
	int dev = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	struct device *d = &self->m.d;

	ASSERT_LE(0, dev);
	EXPECT_EQ(-1, ioctl(dev, KVLANE_CREATE_THROTTLE, &create));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(dev, KVLANE_CREATE_THROTTLE, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(d->fd, KVLANE_SET_THROTTLE, &set));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, device_throttle(d, dev));
	EXPECT_EQ(-EINVAL, device_throttle(d, d->fd));
	EXPECT_EQ(-EBADF, device_throttle(d, 9999));
	EXPECT_EQ(-EBADF, device_throttle(d, -2));
	EXPECT_EQ(-1, ioctl(self->fd, KVLANE_SET_LIMITS, &limits));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, KVLANE_SET_LIMITS, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, KVLANE_GET_LIMITS, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, KVLANE_GET_STATS, &limits));
	EXPECT_EQ(ENOTTY, errno);
	close(dev);
}

/* Each is refused, and the limits stay what they were. */
TEST_F(throttle, bad_limits)
{
	static const struct kvlane_rate bad[] = {
		{ .rate = KVLANE_MAX_RATE + 1 },
		{ .rate = 1, .reserved = 1 },
		{ .rate = 1, .burst = 2 },
		{ .burst = 2, .burst_ms = 1 },
		{ .rate = 3, .burst = 2, .burst_ms = 1 },
		{ .rate = 1, .burst = 2, .burst_ms = KVLANE_MAX_BURST_MS + 1 },
		{ .rate = 1, .burst = KVLANE_MAX_BURST_RATIO + 1, .burst_ms = 1 },
	};
	struct kvlane_limits limits;
	unsigned int i;

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_OPS, 7));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		limits = (struct kvlane_limits){};
		limits.limits[i % KVLANE_NR_LIMITS] = bad[i];
		EXPECT_EQ(-1, ioctl(self->fd, KVLANE_SET_LIMITS, &limits));
		EXPECT_EQ(EINVAL, errno);
	}
	limits = (struct kvlane_limits){ .ops = 1 };
	EXPECT_EQ(-1, ioctl(self->fd, KVLANE_SET_LIMITS, &limits));
	limits = throttle_get(self->fd);
	EXPECT_EQ(7, limits.limits[KVLANE_LIMIT_OPS].rate);
}

TEST_F(throttle, not_for_rng)
{
	struct device rng;

	ASSERT_EQ(0, device_open(&rng, &self->m.g, VIRTIO_ID_RNG, 1, 16));
	EXPECT_EQ(-EOPNOTSUPP, device_throttle(&rng, self->fd));
	device_close(&rng);
}

TEST_HARNESS_MAIN
