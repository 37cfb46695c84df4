// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints: each is hit as often as what it stands for happens, with the fields
 * that are documented. Seen by an instance of the tracer of the test's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"
#include "net.h"
#include "throttle.h"

#include "kselftest_harness.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/kvlane-selftest"
#define MEM		(4 << 20)
#define REQUESTS	5

/* Lines of the trace with an event of that name and with that text. */
static int hits(const char *event, const char *text)
{
	char line[1024], name[64];
	FILE *f = fopen(INSTANCE "/trace", "re");
	int n = 0;

	if (!f)
		return -errno;
	snprintf(name, sizeof(name), ": %s: ", event);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, name) && strstr(line, text);
	fclose(f);
	return n;
}

FIXTURE(trace) {
	struct guest g;
	struct device d;
	struct blk_req req;
	struct vq *vq;
};

FIXTURE_SETUP(trace)
{
	int disk = disk_memfd(1 << 20);

	if (access(TRACEFS "/instances", W_OK) && mount("trace", TRACEFS, "tracefs", 0, NULL))
		SKIP(return, "a kernel without tracefs");
	rmdir(INSTANCE);
	if (mkdir(INSTANCE, 0700) || access(INSTANCE "/events/kvlane", X_OK)) {
		rmdir(INSTANCE);
		SKIP(return, "a kernel without trace events of modules");
	}
	ASSERT_EQ(0, put_text(INSTANCE "/events/kvlane/enable", "1"));
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, disk, 0, 0));
	close(disk);
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->req, 4096));
	self->vq = self->d.vq;
}

FIXTURE_TEARDOWN(trace)
{
	device_close(&self->d);
	guest_close(&self->g);
	put_text(INSTANCE "/events/kvlane/enable", "0");
	rmdir(INSTANCE);
}

TEST_F(trace, requests)
{
	struct kvlane_queue_stats qs;
	int i;

	for (i = 0; i < REQUESTS; i++)
		ASSERT_EQ(0, blk_do(self->vq, &self->req, VIRTIO_BLK_T_IN, 0, 4096));
	ASSERT_NE(0, blk_do(self->vq, &self->req, VIRTIO_BLK_T_IN, 1 << 20, 4096));
	ASSERT_EQ(0, device_reset(&self->d));
	ASSERT_EQ(0, device_stats(&self->d, NULL, 0, &qs));
	EXPECT_EQ(REQUESTS + 1, hits("kvlane_pop", "queue=0 head=0 out=16 in=4097"));
	EXPECT_EQ(REQUESTS + 1, hits("kvlane_submit", "queue=0 head=0 out=16 in=4097"));
	EXPECT_EQ(REQUESTS, hits("kvlane_done", "head=0 failed=0 out=16 in=4097"));
	EXPECT_EQ(1, hits("kvlane_done", "failed=1"));
	EXPECT_EQ(qs.kicks, hits("kvlane_kick", "type=2 queue=0"));
	EXPECT_EQ(qs.interrupts, hits("kvlane_interrupt", "type=2 queue=0"));
	EXPECT_EQ(0, hits("kvlane_throttle", ""));
	EXPECT_EQ(0, hits("kvlane_needs_reset", ""));
}

TEST_F(trace, throttle)
{
	int throttle = throttle_open();
	struct load load = {
		.vq = self->vq, .type = VIRTIO_BLK_T_OUT, .depth = REQUESTS,
		.least = 512, .most = 512,
	};

	ASSERT_LE(0, throttle);
	ASSERT_EQ(0, throttle_set(throttle, KVLANE_LIMIT_BYTES_WRITE, 1));
	ASSERT_EQ(0, device_throttle(&self->d, throttle));
	ASSERT_EQ(0, load_open(&load));
	ASSERT_EQ(0, throttle_waiting(throttle, 1));
	EXPECT_EQ(REQUESTS, hits("kvlane_pop", "out=528 in=1"));
	EXPECT_EQ(1, hits("kvlane_submit", ""));
	ASSERT_EQ(0, throttle_set(throttle, KVLANE_LIMIT_BYTES_WRITE, 0));
	ASSERT_EQ(0, load_drain(&load, 1));
	EXPECT_EQ(REQUESTS - 1, hits("kvlane_throttle", "queue=0 write=1 bytes=512"));
	EXPECT_EQ(REQUESTS, hits("kvlane_submit", ""));
	close(throttle);
}

TEST_F(trace, needs_reset)
{
	struct kvlane_event ev;

	if (self->vq->packed)
		SKIP(return, "a packed ring has no index");
	self->vq->avail->idx = 1000;
	eventfd_write(self->vq->kick, 1);
	ASSERT_EQ(0, device_event(&self->d, &ev, WAIT_MS));
	EXPECT_EQ(1, hits("kvlane_needs_reset", "type=2 queue=0 reason=2"));
}

TEST_F(trace, packets)
{
	uint8_t packet[256], got[2048];
	struct nic n;

	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	frame(packet, sizeof(packet), 1);
	ASSERT_EQ(0, nic_open(&n, 1, 64, 12));
	ASSERT_EQ(0, nic_start(&n, FEATURES_ALL));
	ASSERT_LT(0, nic_fill(&n, 0, 32, 2048));
	ASSERT_EQ(0, tap_put(&n.tap, NULL, packet, sizeof(packet)));
	ASSERT_EQ(sizeof(packet), nic_receive(&n, 0, NULL, got, sizeof(got), WAIT_MS));
	EXPECT_LE(1, hits("kvlane_net_receive", "queue=0 len=268 buffers=1"));
	EXPECT_EQ(0, nic_send(&n, 0, NULL, packet, 4));
	EXPECT_EQ(1, hits("kvlane_net_drop", "queue=1 packets=1"));
	nic_close(&n);
}

TEST_HARNESS_MAIN
