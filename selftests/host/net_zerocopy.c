// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets sent from guest memory without a copy: that they are, that they are
 * copied where that is better, and that one which never gets on its way holds up
 * nobody.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "jam.h"

#include "kselftest_harness.h"

#define LEN	8000
#define SIZE	JAM_SIZE

/* Bridges take their time on a slow machine. */
#define TEST_SECONDS	120

FIXTURE(net_zerocopy) {
	struct nic n;
	uint8_t *packet;
};

FIXTURE_SETUP(net_zerocopy)
{
	int err = jam_open(&self->n);

	if (err == -ENOENT)
		SKIP(return, "a kernel without taps, bridge, dummy, netem or network namespaces");
	ASSERT_EQ(0, err);
	self->packet = malloc(NET_PACKET);
	frame(self->packet, NET_PACKET, 1);
	/* To nobody the bridge knows. */
	self->packet[5] = 0x77;
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
}

FIXTURE_TEARDOWN(net_zerocopy)
{
	jam_close(&self->n);
	free(self->packet);
}

TEST_F_TIMEOUT(net_zerocopy, no_copy, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;

	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(200, NIC_COUNT(n, TX(0), zerocopy));
	EXPECT_EQ(200 * LEN, NIC_COUNT(n, TX(0), zerocopy_bytes));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), zerocopy_copied));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), drops));
	/* Small ones are copied. */
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, 1000));
	EXPECT_EQ(200, NIC_COUNT(n, TX(0), zerocopy));
}

TEST_F_TIMEOUT(net_zerocopy, threshold, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct kvlane_backend arg = nic_backend(n, 12);

	ASSERT_EQ(0, device_reset(&n->d));
	arg.net.zerocopy_min = 500;
	ASSERT_EQ(0, ioctl(n->d.fd, KVLANE_SET_BACKEND, &arg));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, 499));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), zerocopy));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, 500));
	EXPECT_EQ(1, NIC_COUNT(n, TX(0), zerocopy));

	ASSERT_EQ(0, device_reset(&n->d));
	arg.flags = KVLANE_BACKEND_NO_ZEROCOPY;
	ASSERT_EQ(0, ioctl(n->d.fd, KVLANE_SET_BACKEND, &arg));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(1, NIC_COUNT(n, TX(0), zerocopy));
}

/* Where somebody on this machine looks at the packets, it is soon given up. */
TEST_F_TIMEOUT(net_zerocopy, given_up, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;

	n->tap.raw = raw_open("kvl0", true);
	ASSERT_LE(0, n->tap.raw);
	for (i = 0; i < 500; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), zerocopy));
	EXPECT_LE(1, NIC_COUNT(n, TX(0), zerocopy_copied));
	EXPECT_GE(10, NIC_COUNT(n, TX(0), zerocopy_copied));
	/* And tried again when nobody does any more. */
	close(n->tap.raw);
	n->tap.raw = -1;
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_LE(100, NIC_COUNT(n, TX(0), zerocopy));
}

/* A quarter of the ring is stuck, the rest goes on. */
TEST_F_TIMEOUT(net_zerocopy, stuck, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;

	jam_packet(n, self->packet, LEN);
	ASSERT_EQ(0, jam_shut());
	ASSERT_EQ(SIZE, jam_put(n, SIZE, LEN));
	EXPECT_EQ(SIZE - SIZE / 4, jam_back(n, SIZE, 1000));
	ASSERT_EQ(0, device_inflight(&n->d, TX(0), SIZE / 4));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), zerocopy));
	/* When it moves again they come back, and it is used again. */
	ASSERT_EQ(0, jam_reopen());
	EXPECT_EQ(SIZE / 4, jam_back(n, SIZE / 4, WAIT_MS));
	EXPECT_EQ(SIZE / 4, NIC_COUNT(n, TX(0), zerocopy));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(SIZE / 4 + 1, NIC_COUNT(n, TX(0), zerocopy));
}

/* A reset has the ring back at once, whatever is stuck, again and again. */
TEST_F_TIMEOUT(net_zerocopy, reset_while_stuck, TEST_SECONDS)
{
	struct kvlane_queue_stats qs;
	struct nic *n = &self->n;
	unsigned int i;

	ASSERT_EQ(0, jam_shut());
	for (i = 0; i < 20; i++) {
		jam_packet(n, self->packet, LEN);
		ASSERT_EQ(SIZE, jam_put(n, SIZE, LEN));
		usleep(i % 4 * 2000);
		ASSERT_EQ(0, i % 2 ? device_reset(&n->d) : device_queue_reset(&n->d, TX(0)));
		ASSERT_EQ(0, device_stats(&n->d, NULL, TX(0), &qs));
		ASSERT_EQ(0, qs.inflight);
		ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	}
	/* What was lent out is gone for this while: all is copied. */
	ASSERT_EQ(SIZE, jam_put(n, SIZE, LEN));
	EXPECT_EQ(SIZE, jam_back(n, SIZE, WAIT_MS));
	ASSERT_EQ(0, jam_reopen());
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_LE(1, NIC_COUNT(n, TX(0), zerocopy));
}

/* Completions and resets at the same time. */
TEST_F_TIMEOUT(net_zerocopy, reset_while_moving, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;

	ASSERT_EQ(0, jam_slow());
	for (i = 0; i < 300; i++) {
		jam_packet(n, self->packet, LEN);
		ASSERT_EQ(SIZE, jam_put(n, SIZE, LEN));
		if (i % 3)
			usleep(i % 7 * 300);
		ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	}
	for (i = 0; i < 50; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	ASSERT_EQ(0, jam_reopen());
}

/*
 * The device goes while packets of it are stuck. The module stays until they are
 * gone, and the pages do.
 */
TEST_F_TIMEOUT(net_zerocopy, close_while_stuck, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;

	jam_packet(n, self->packet, LEN);
	ASSERT_EQ(0, jam_shut());
	ASSERT_EQ(SIZE, jam_put(n, SIZE, LEN));
	ASSERT_EQ(0, device_inflight(&n->d, TX(0), SIZE / 4));
	/* With the tap its packets would go as well; keep it. */
	device_close(&n->d);
	guest_close(&n->g);
	usleep(50000);
	EXPECT_EQ(1, module_refs("kvlane"));
	ASSERT_EQ(0, jam_reopen());
	EXPECT_EQ(0, module_settle("kvlane", 0));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, module_refs("kvlane"));
}

TEST_F_TIMEOUT(net_zerocopy, killed_while_stuck, TEST_SECONDS)
{
	struct nic *n = &self->n;
	int status, ready[2];
	pid_t pid;
	char c;

	nic_close(n);
	run("ip link del kvd; ip link del kvbr");
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		if (nic_open(n, 1, SIZE, 12))
			_exit(1);
		close(n->tap.raw);
		run("ip link add kvbr type bridge; ip link add kvd type dummy");
		run("for d in kvl0 kvd kvbr; do ip link set $d mtu 9000 up; done");
		run("for d in kvl0 kvd; do ip link set $d master kvbr; done");
		if (nic_start(n, FEATURES_ALL) || jam_shut())
			_exit(2);
		jam_packet(n, self->packet, LEN);
		jam_put(n, SIZE, LEN);
		if (!device_inflight(&n->d, TX(0), SIZE / 4))
			c = write(ready[1], "", 1);
		pause();
	}
	EXPECT_EQ(1, read(ready[0], &c, 1));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* Its tap is gone with it, but not what has passed the bridge. */
	EXPECT_EQ(0, module_settle("kvlane", 1));
	ASSERT_EQ(0, jam_reopen());
	EXPECT_EQ(0, module_settle("kvlane", 0));
}

TEST_HARNESS_MAIN
