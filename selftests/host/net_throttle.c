// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits on packets: those the guest sends wait in its ring, those it receives wait
 * in the tap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "throttle.h"

#include "kselftest_harness.h"

#define LEN		1000
/* More than the device takes from a ring at once. */
#define PACKETS		200

FIXTURE(net_throttle) {
	struct nic n;
	int fd;
	uint8_t packet[LEN];
	uint8_t got[NET_PACKET];
};

FIXTURE_SETUP(net_throttle)
{
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	self->fd = throttle_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, nic_open(&self->n, 1, 256, 12));
	ASSERT_EQ(0, device_throttle(&self->n.d, self->fd));
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
}

FIXTURE_TEARDOWN(net_throttle)
{
	nic_close(&self->n);
	close(self->fd);
}

/* Packets to send, told apart by their length; nobody waits for them. */
static int send_all(struct nic *n)
{
	struct vq *vq = &n->d.vq[TX(0)];
	struct iovec out;
	unsigned int i;

	memset(n->buf, 0, NET_HEADER);
	frame(n->buf + NET_HEADER, LEN, 1);
	for (i = 0; i < PACKETS; i++) {
		out = (struct iovec){ n->buf, NET_HEADER + 100 + i };
		if (vq_add(vq, &out, 1, NULL, 0, n) < 0)
			return -ENOSPC;
	}
	vq_kick(vq);
	return 0;
}

static int put_all(struct nic *n, const uint8_t *packet)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PACKETS && !err; i++)
		err = tap_put(&n->tap, NULL, packet, 100 + i);
	return err;
}

/* Wait until so many packets of a queue have had to wait: the queue reads on meanwhile. */
static int throttled(struct device *d, unsigned int queue, uint64_t count)
{
	struct kvlane_queue_stats qs = {};
	int tries;

	for (tries = 0; tries < WAIT_MS; tries++) {
		if (!device_stats(d, NULL, queue, &qs) && qs.throttled >= count)
			break;
		usleep(1000);
	}
	return qs.throttled == count ? 0 : -ETIMEDOUT;
}

/* What is sent waits, and goes in order. */
TEST_F(net_throttle, sends)
{
	struct kvlane_queue_stats qs;
	unsigned int i;

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 1));
	ASSERT_EQ(0, send_all(&self->n));
	ASSERT_EQ(100, tap_get(&self->n.tap, NULL, self->got, LEN, WAIT_MS));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	EXPECT_EQ(0, throttled(&self->n.d, TX(0), PACKETS - 1));
	EXPECT_GT(0, tap_get(&self->n.tap, NULL, self->got, LEN, 100));

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 0));
	for (i = 1; i < PACKETS; i++)
		ASSERT_EQ(100 + i, tap_get(&self->n.tap, NULL, self->got, LEN, WAIT_MS));
	ASSERT_EQ(0, device_stats(&self->n.d, NULL, TX(0), &qs));
	EXPECT_EQ(0, qs.drops);
	EXPECT_EQ(PACKETS, throttle_get(self->fd).ops);
}

/* What comes in waits at the tap, and wakes nobody there. */
TEST_F(net_throttle, receives)
{
	struct nic *n = &self->n;
	struct kvlane_queue_stats before, after;
	unsigned int i;

	frame(self->packet, LEN, 2);
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_READ, 1));
	ASSERT_LT(0, nic_fill(n, 0, 64, 2048));
	ASSERT_EQ(0, put_all(n, self->packet));
	ASSERT_EQ(100, nic_receive(n, 0, NULL, self->got, LEN, WAIT_MS));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_EQ(0, device_stats(&n->d, NULL, RX(0), &before));
	EXPECT_EQ(1, before.throttled);
	ASSERT_EQ(0, put_all(n, self->packet));
	EXPECT_EQ(-ETIMEDOUT, nic_receive(n, 0, NULL, self->got, LEN, 100));
	ASSERT_EQ(0, device_stats(&n->d, NULL, RX(0), &after));
	/* One for the buffer that was given back. */
	EXPECT_GE(before.wakeups + 1, after.wakeups);

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_READ, 0));
	for (i = 1; i < 2 * PACKETS; i++)
		ASSERT_EQ(100 + i % PACKETS,
			  nic_receive(n, 0, NULL, self->got, LEN, WAIT_MS));
	ASSERT_EQ(0, device_stats(&n->d, NULL, RX(0), &after));
	EXPECT_EQ(0, after.drops);
	EXPECT_EQ(2 * PACKETS, throttle_get(self->fd).ops);
	EXPECT_EQ(0, throttle_get(self->fd).waiting);
}

/* One way does not hold up the other, nor the control queue. */
TEST_F(net_throttle, ways)
{
	struct nic *n = &self->n;
	unsigned int i;

	frame(self->packet, LEN, 2);
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_WRITE, 1));
	ASSERT_EQ(0, send_all(n));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_LT(0, nic_fill(n, 0, 64, 2048));
	for (i = 0; i < PACKETS; i++) {
		ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
		ASSERT_EQ(LEN, nic_receive(n, 0, NULL, self->got, LEN, WAIT_MS));
		ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, i % 2));
	}
	EXPECT_EQ(PACKETS + 1, throttle_get(self->fd).ops);
}

/* A packet that waits may be dropped; the next ones come all the same. */
TEST_F(net_throttle, waits_for_nothing)
{
	struct nic *n = &self->n;

	frame(self->packet, LEN, 2);
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_READ, 1));
	ASSERT_LT(0, nic_fill(n, 0, 64, 2048));
	ASSERT_EQ(0, put_all(n, self->packet));
	ASSERT_EQ(100, nic_receive(n, 0, NULL, self->got, LEN, WAIT_MS));
	ASSERT_EQ(0, throttle_waiting(self->fd, 1));
	ASSERT_EQ(0, nic_link(n, 0));
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES_READ, 0));
	ASSERT_EQ(0, throttle_waiting(self->fd, 0));
	while (nic_receive(n, 0, NULL, self->got, LEN, 100) >= 0)
		;
	ASSERT_EQ(0, nic_link(n, KVLANE_LINK_UP));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(LEN, nic_receive(n, 0, NULL, self->got, LEN, WAIT_MS));
}

TEST_F(net_throttle, reset)
{
	struct nic *n = &self->n;

	frame(self->packet, LEN, 2);
	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 1));
	ASSERT_LT(0, nic_fill(n, 0, 64, 2048));
	ASSERT_EQ(0, put_all(n, self->packet));
	ASSERT_EQ(0, send_all(n));
	ASSERT_EQ(0, throttle_waiting(self->fd, 2));
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(0, throttle_get(self->fd).waiting);

	ASSERT_EQ(0, throttle_set(self->fd, KVLANE_LIMIT_BYTES, 0));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_LT(0, nic_fill(n, 0, 64, 2048));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	while (nic_receive(n, 0, NULL, self->got, LEN, WAIT_MS) != LEN)
		;
	EXPECT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
}

TEST_HARNESS_MAIN
