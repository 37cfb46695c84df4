// SPDX-License-Identifier: GPL-2.0-only
/* Events of all devices on generic netlink, and requests that do not come back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"
#include "listener.h"

#include "kselftest_harness.h"

#define MEM	(8 << 20)
#define BYTES	(8 << 20)
#define LEN	4096

/* A head past the end of the table. */
static void break_ring(struct vq *vq)
{
	vq_add_raw(vq, vq->size);
	vq_publish(vq);
	vq_notify(vq);
}

static int wait_broken(struct device *d)
{
	struct kvlane_event ev = {};
	int err = device_event(d, &ev, WAIT_MS);

	return err ? err : ev.type == KVLANE_EVENT_NEEDS_RESET ? 0 : -EPROTO;
}

FIXTURE(events) {
	struct guest g;
	struct device d;
	struct vq *vq;
	struct blk_req r;
	int disk;
	int ear;
};

FIXTURE_SETUP(events)
{
	self->ear = listener_open();
	ASSERT_LE(0, self->ear);
	self->disk = disk_memfd(BYTES);
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, LEN));
	self->vq = &self->d.vq[0];
}

FIXTURE_TEARDOWN(events)
{
	device_close(&self->d);
	guest_close(&self->g);
	close(self->disk);
	close(self->ear);
}

/* The listener hears what the owner reads, and hears it once. */
TEST_F(events, needs_reset)
{
	struct kvlane_event ev = {};
	struct heard h;

	break_ring(&self->d.vq[1]);
	ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
	ASSERT_EQ(0, device_event(&self->d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, h.type);
	EXPECT_EQ(KVLANE_REASON_HEAD, h.reason);
	EXPECT_EQ(1, h.queue);
	EXPECT_EQ(0, h.error);
	EXPECT_EQ(0, h.value);
	EXPECT_EQ(0, h.omitted);
	EXPECT_EQ(ev.time_ns, h.time_ns);
	EXPECT_EQ(getpid(), h.pid);
	EXPECT_EQ(0, h.device);
	EXPECT_EQ(VIRTIO_ID_BLOCK, h.device_type);
	break_ring(self->vq);
	EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 100));
}

TEST_F(events, backend_error)
{
	struct heard h;
	int i;

	ASSERT_EQ(0, ftruncate(self->disk, 0));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(VIRTIO_BLK_S_IOERR,
			  blk_do(self->vq, &self->r, VIRTIO_BLK_T_IN, 0, LEN));
	ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_BACKEND_ERROR, h.type);
	EXPECT_EQ(-EIO, h.error);
	EXPECT_EQ(0, h.reason);
	EXPECT_EQ(0, h.queue);
	EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 100));
}

/* An event of no queue in particular says so by saying nothing. */
TEST_F(events, whole_device)
{
	struct device other;
	struct heard h;

	ASSERT_EQ(0, device_open(&other, &self->g, VIRTIO_ID_RNG, 1, 16));
	ASSERT_EQ(0, device_start(&other, FEATURES_ALL));
	ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
	EXPECT_EQ(KVLANE_REASON_NO_BACKEND, h.reason);
	EXPECT_EQ(KVLANE_NO_QUEUE, h.queue);
	EXPECT_EQ(1, h.device);
	EXPECT_EQ(VIRTIO_ID_RNG, h.device_type);
	device_close(&other);
}

/* VMs are told apart even within one process, and so are devices made later. */
TEST_F(events, which_one)
{
	struct heard first, second;
	struct device other, again;
	struct guest g;

	ASSERT_EQ(0, guest_open(&g, MEM));
	ASSERT_EQ(0, device_open(&other, &g, VIRTIO_ID_RNG, 1, 16));
	device_close(&other);
	ASSERT_EQ(0, device_open(&again, &g, VIRTIO_ID_RNG, 1, 16));
	ASSERT_EQ(0, device_start(&again, FEATURES_ALL));
	ASSERT_EQ(0, listener_next(self->ear, &first, WAIT_MS));
	break_ring(self->vq);
	ASSERT_EQ(0, listener_next(self->ear, &second, WAIT_MS));
	EXPECT_NE(first.vm, second.vm);
	EXPECT_EQ(first.pid, second.pid);
	EXPECT_EQ(1, first.device);
	EXPECT_EQ(0, second.device);
	device_close(&again);
	guest_close(&g);
}

TEST_F(events, two_listeners)
{
	struct heard a, b;
	int other = listener_open();

	ASSERT_LE(0, other);
	break_ring(self->vq);
	ASSERT_EQ(0, listener_next(self->ear, &a, WAIT_MS));
	ASSERT_EQ(0, listener_next(other, &b, WAIT_MS));
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
	close(other);
}

/* Listening is for whoever may look after the network. */
TEST_F(events, permission)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setuid(65534) ? 1 : listener_open() == -EPERM ? 0 : 2);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* One who does not read loses events, is told, and holds up nobody. */
TEST_F(events, deaf_listener)
{
	int deaf = listener_open(), room = 1, i, lost = 0, heard = 0, err;
	struct heard h;

	ASSERT_LE(0, deaf);
	ASSERT_EQ(0, setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)));
	for (i = 0; i < 8; i++) {
		break_ring(self->vq);
		ASSERT_EQ(0, wait_broken(&self->d));
		ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		ASSERT_EQ(0, blk_do(self->vq, &self->r, VIRTIO_BLK_T_IN, 0, LEN));
	}
	while ((err = listener_next(deaf, &h, 0)) != -ETIMEDOUT) {
		lost += err == -ENOBUFS;
		heard += !err;
	}
	EXPECT_LE(1, lost);
	EXPECT_GT(8, heard);
	close(deaf);
}

/* A guest that resets its device without end does not drown the others. */
TEST_F(events, no_flood)
{
	const int breaks = 40;
	uint64_t first = 0;
	int i, heard = 0, told = 0;
	struct heard h;

	for (i = 0; i < breaks; i++) {
		break_ring(self->vq);
		ASSERT_EQ(0, wait_broken(&self->d));
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	}
	sleep(1);
	break_ring(self->vq);
	ASSERT_EQ(0, wait_broken(&self->d));
	while (!listener_next(self->ear, &h, 500)) {
		first = first ? first : h.time_ns;
		heard++;
		told += h.omitted;
		EXPECT_GE(8 + 8 * ((h.time_ns - first) / 1000000000), heard);
	}
	EXPECT_EQ(breaks + 1, heard + told);
}

/* In a network namespace of its own: a VM that breaks, and who hears of it. */
static int elsewhere(int *own_hears)
{
	struct device d;
	struct guest g;
	struct heard h;
	int ear;

	if (unshare(CLONE_NEWNET))
		return -errno;
	ear = listener_open();
	if (ear < 0)
		return ear;
	if (guest_open(&g, MEM) || device_open(&d, &g, VIRTIO_ID_RNG, 1, 16) ||
	    device_start(&d, FEATURES_ALL))
		return -EIO;
	*own_hears = !listener_next(ear, &h, WAIT_MS) && h.pid == (uint32_t)getpid();
	close(ear);
	device_close(&d);
	guest_close(&g);
	return 0;
}

TEST_F(events, network_namespaces)
{
	struct heard h;
	pid_t pid = fork();
	int status, own = 0, err;

	if (!pid) {
		err = elsewhere(&own);
		_exit(err ? -err : own ? 0 : 255);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
	EXPECT_EQ(pid, h.pid);
	EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 100));
}

/* The other way round, a namespace hears nothing of the VMs of another. */
TEST_F(events, namespace_is_deaf)
{
	int ready[2], done[2], status, ear;
	struct heard h;
	pid_t pid;
	char c = 0;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(done));
	pid = fork();
	if (!pid) {
		ear = unshare(CLONE_NEWNET) ? -errno : listener_open();
		if (write(ready[1], &c, 1) != 1 || read(done[0], &c, 1) != 1)
			_exit(1);
		_exit(ear < 0 ? 2 : listener_next(ear, &h, 100) == -ETIMEDOUT ? 0 : 3);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	break_ring(self->vq);
	EXPECT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
	ASSERT_EQ(1, write(done[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A disk whose requests stop for as long as the test wants. */
FIXTURE(stall) {
	struct guest g;
	struct device d;
	struct vq *vq;
	struct gate gate;
	struct blk_req r[3];
	char limit[16];
	int ear;
};

FIXTURE_VARIANT(stall) {
	int open;
};

FIXTURE_VARIANT_ADD(stall, buffered) {};
FIXTURE_VARIANT_ADD(stall, direct) { .open = O_DIRECT };

#define LIMIT	"stall_seconds"

FIXTURE_SETUP(stall)
{
	int fd, i;

	ASSERT_EQ(0, module_parameter(LIMIT, "1", self->limit));
	fd = gate_open(&self->gate, BYTES, variant->open);
	if (fd == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 64));
	ASSERT_EQ(0, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, blk_alloc(&self->g, &self->r[i], LEN));
	self->vq = &self->d.vq[1];
	self->ear = listener_open();
	ASSERT_LE(0, self->ear);
}

FIXTURE_TEARDOWN(stall)
{
	dm_release(&self->gate.dm);
	device_close(&self->d);
	guest_close(&self->g);
	gate_close(&self->gate);
	close(self->ear);
	module_parameter(LIMIT, self->limit, NULL);
}

/* Begins to read in three places that are not in any cache. */
static int begin(struct vq *vq, struct blk_req *r, unsigned int where)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (blk_add(vq, &r[i], VIRTIO_BLK_T_IN, (where + i) * 1024, LEN) < 0)
			return -1;
	vq_kick(vq);
	return device_inflight(vq->dev, vq->index, 3);
}

static int end(struct vq *vq, struct blk_req *r)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (blk_wait(vq, &r[i]))
			return -1;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* One event however long it takes, another one for the next request. */
TEST_F(stall, once_for_each)
{
	unsigned int round;
	uint64_t start;
	struct heard h;

	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, dm_shut(&self->gate.dm));
		start = now_ns();
		ASSERT_EQ(0, begin(self->vq, self->r, 1 + 4 * round));
		ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
		EXPECT_LE(start + 1000000000, h.time_ns);
		EXPECT_EQ(KVLANE_EVENT_QUEUE_STALLED, h.type);
		EXPECT_EQ(1, h.queue);
		EXPECT_EQ(3, h.value);
		EXPECT_EQ(0, h.error);
		EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 2500));
		ASSERT_EQ(0, dm_release(&self->gate.dm));
		ASSERT_EQ(0, end(self->vq, self->r));
	}
}

/* The owner reads it too. */
TEST_F(stall, to_the_owner)
{
	struct kvlane_event ev = {};

	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	ASSERT_EQ(0, begin(self->vq, self->r, 1));
	ASSERT_EQ(0, device_event(&self->d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_QUEUE_STALLED, ev.type);
	EXPECT_EQ(1, ev.queue);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	ASSERT_EQ(0, end(self->vq, self->r));
}

/* Neither an idle queue nor one that is busy all the time has stalled. */
TEST_F(stall, not_when_well)
{
	struct heard h;
	int i;

	ASSERT_EQ(0, module_parameter(LIMIT, "3", NULL));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, blk_do(self->vq, &self->r[0], VIRTIO_BLK_T_IN, i * 8, LEN));
		usleep(100000);
	}
	EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 3500));
}

static void *reset(void *arg)
{
	return (void *)(long)device_reset(arg);
}

/* A reset that waits for the back end is when one wants to hear of it. */
TEST_F(stall, under_a_reset)
{
	pthread_t thread;
	struct heard h;
	void *err;

	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	ASSERT_EQ(0, begin(self->vq, self->r, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset, &self->d));
	ASSERT_EQ(0, listener_next(self->ear, &h, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_QUEUE_STALLED, h.type);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 1500));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(0, blk_do(self->vq, &self->r[0], VIRTIO_BLK_T_IN, 0, LEN));
}

/* Closed while the watch is on: nothing may look at what is gone. */
TEST_F(stall, closed_meanwhile)
{
	int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, blk_do(self->vq, &self->r[0], VIRTIO_BLK_T_IN, i * 8, LEN));
	device_close(&self->d);
	usleep(1500000);
}

TEST_F(stall, switched_off)
{
	struct heard h;

	ASSERT_EQ(0, module_parameter(LIMIT, "0", NULL));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	ASSERT_EQ(0, begin(self->vq, self->r, 1));
	EXPECT_EQ(-ETIMEDOUT, listener_next(self->ear, &h, 2500));
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	ASSERT_EQ(0, end(self->vq, self->r));
}

TEST_HARNESS_MAIN
