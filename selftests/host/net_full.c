// SPDX-License-Identifier: GPL-2.0-only
/*
 * A descriptor with a limit on the packets it keeps: those it has no room for wait,
 * and none is dropped for it, nor before its time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "host.h"
#include "jam.h"

#include "kselftest_harness.h"

/* Bytes of packets the descriptor keeps, with what comes with them. */
#define ROOM	20000
#define SMALL	1000
#define LARGE	8000
#define NR	JAM_SIZE

/* Bridges take their time on a slow machine. */
#define TEST_SECONDS	120

FIXTURE(net_full) {
	struct nic n;
	uint8_t *packet;
};

FIXTURE_VARIANT(net_full) {
	size_t len;
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(net_full, small) {
	SMALL, 0
};
FIXTURE_VARIANT_ADD(net_full, large) {
	LARGE, KVLANE_BACKEND_NO_ZEROCOPY
};
FIXTURE_VARIANT_ADD(net_full, lent) {
	LARGE, 0
};

FIXTURE_SETUP(net_full)
{
	int err = jam_open(&self->n), room = ROOM;
	struct kvlane_backend arg;

	if (err == -ENOENT || load_module("sch_tbf"))
		SKIP(return, "a kernel without taps, bridge, dummy, netem, tbf or network namespaces");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, ioctl(self->n.tap.fd[0], TUNSETSNDBUF, &room));
	arg = nic_backend(&self->n, 12);
	arg.flags = variant->flags;
	ASSERT_EQ(0, ioctl(self->n.d.fd, KVLANE_SET_BACKEND, &arg));
	self->packet = malloc(NET_PACKET);
	frame(self->packet, NET_PACKET, 1);
	/* To nobody the bridge knows. */
	self->packet[5] = 0x77;
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
	jam_packet(&self->n, self->packet, variant->len);
}

FIXTURE_TEARDOWN(net_full)
{
	jam_close(&self->n);
	free(self->packet);
}

/* Fills the descriptor and the ring behind it. */
static int jam(struct nic *n, size_t len)
{
	unsigned int back;

	if (jam_hold() || jam_put(n, NR, len) != NR)
		return -EIO;
	back = jam_back(n, NR, 300);
	/* What is lent to the network is not back either. */
	return back < NR && NIC_COUNT(n, TX(0), starved) ? 0 : -ENODATA;
}

TEST_F_TIMEOUT(net_full, none_is_dropped, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;
	long before;

	ASSERT_EQ(0, jam_pace());
	before = jam_passed();
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(NR, jam_put(n, NR, variant->len));
		ASSERT_EQ(NR, jam_back(n, NR, WAIT_MS));
	}
	/* The last ones are still in the queue. */
	for (i = 0; i < WAIT_MS && jam_passed() < before + 20 * NR; i++)
		usleep(1000);
	EXPECT_EQ(before + 20 * NR, jam_passed());
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), drops));
	EXPECT_LE(1, NIC_COUNT(n, TX(0), starved));
}

/* Nothing but room wakes the lane: while there is none it sleeps. */
TEST_F_TIMEOUT(net_full, sleeps, TEST_SECONDS)
{
	struct nic *n = &self->n;
	uint64_t wakeups;

	ASSERT_EQ(0, jam(n, variant->len));
	wakeups = NIC_COUNT(n, TX(0), wakeups);
	usleep(300000);
	EXPECT_EQ(wakeups, NIC_COUNT(n, TX(0), wakeups));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), drops));
	ASSERT_EQ(0, jam_reopen());
	ASSERT_EQ(0, device_inflight(&n->d, TX(0), 0));
}

/* A reset has the ring back at once, and nothing is left over for the next driver. */
TEST_F_TIMEOUT(net_full, reset, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;
	long before;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, jam(n, variant->len));
		ASSERT_EQ(0, i % 2 ? device_reset(&n->d) : device_queue_reset(&n->d, TX(0)));
		EXPECT_EQ(0, NIC_COUNT(n, TX(0), inflight));
		ASSERT_EQ(0, jam_reopen());
		before = jam_passed();
		ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, variant->len));
		EXPECT_EQ(before + 1, jam_passed());
		jam_packet(n, self->packet, variant->len);
	}
}

/* Closed, and the descriptor with it; the fixture does so. */
TEST_F_TIMEOUT(net_full, closed, TEST_SECONDS)
{
	ASSERT_EQ(0, jam(&self->n, variant->len));
}

/* A driver that goes on kicking gets nowhere, and hurts nobody. */
TEST_F_TIMEOUT(net_full, kicks, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;

	ASSERT_EQ(0, jam(n, variant->len));
	for (i = 0; i < 1000; i++)
		vq_kick(&n->d.vq[TX(0)]);
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), drops));
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), inflight));
}

TEST_HARNESS_MAIN
