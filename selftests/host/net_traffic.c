// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device while packets go both ways: resets, changes of the link, of the
 * pairs and of memory, and its end. Afterwards traffic flows, and nothing is lost
 * but packets.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "net.h"

#include "kselftest_harness.h"

#define PAIRS	2
#define LEN	1000

/* How long a test of many rounds goes on at most, for slow machines; and seconds. */
#define ROUNDS_SECONDS	20
#define TEST_SECONDS	120

/* How often the link goes up or down. */
#define FLAPS		10000

static bool in_time(time_t start)
{
	return time(NULL) - start < ROUNDS_SECONDS;
}

FIXTURE(net_traffic) {
	struct nic n;
	uint8_t packet[LEN];
	uint8_t got[NET_PACKET];
};

FIXTURE_SETUP(net_traffic)
{
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->n, PAIRS, 256, 12));
	ASSERT_EQ(0, tap_attach(&self->n.tap, 1, false));
	frame(self->packet, LEN, 1);
}

FIXTURE_TEARDOWN(net_traffic)
{
	nic_close(&self->n);
}

/*
 * Packets keep coming from both sides until told to stop. What the guest sends is
 * the beginning of @packet, where there is one, and its beginning is looked at.
 */
struct traffic {
	struct nic *n;
	const uint8_t *packet;
	void *buf;
	time_t start;
	pthread_t thread;
	bool stop;
	unsigned int got;
	unsigned int wrong;
};

/* Takes a packet the guest has sent; returns whether there was one. */
static bool look(struct traffic *t)
{
	uint8_t got[LEN];
	ssize_t len = tap_get(&t->n->tap, NULL, got, LEN, 0);

	if (len < 0)
		return false;
	t->got++;
	t->wrong += t->packet && memcmp(got, t->packet, len);
	return true;
}

static void *flood(void *arg)
{
	struct traffic *t = arg;
	uint8_t packet[LEN];
	unsigned int i;

	frame(packet, LEN, 2);
	for (i = 0; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED); i++) {
		/* Where no more fits, leave the processor to those who make room. */
		if (tap_put(&t->n->tap, NULL, packet, 60 + i % (LEN - 60)) && !look(t))
			usleep(500);
		look(t);
	}
	return NULL;
}

static void flood_start(struct traffic *t, struct nic *n)
{
	*t = (struct traffic){ .n = n, .start = time(NULL) };
	pthread_create(&t->thread, NULL, flood, t);
}

static void flood_stop(struct traffic *t)
{
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	pthread_join(t->thread, NULL);
}

/* Puts a few packets to send into the ring without waiting for them. */
static unsigned int send_some(struct nic *n, unsigned int pair, unsigned int nr, size_t len)
{
	struct iovec out = { n->buf, NET_HEADER + len };
	unsigned int i;

	while (vq_pop(&n->d.vq[TX(pair)], NULL))
		;
	for (i = 0; i < nr && vq_add(&n->d.vq[TX(pair)], &out, 1, NULL, 0, n) >= 0; i++)
		;
	vq_kick(&n->d.vq[TX(pair)]);
	return i;
}

/* Waits until everything was sent. */
static int drain(struct nic *n, unsigned int pair)
{
	struct vq *vq = &n->d.vq[TX(pair)];

	while (vq->nr_free < vq->size)
		if (!vq_wait(vq, NULL))
			return -ETIMEDOUT;
	return 0;
}

/* Receive buffers all in the same place: nobody looks at what comes. */
static void take_some(struct nic *n, unsigned int pair, void *buf)
{
	struct iovec in = { buf, 1536 };

	while (vq_pop(&n->d.vq[RX(pair)], NULL))
		;
	while (vq_add(&n->d.vq[RX(pair)], NULL, 0, &in, 1, buf) >= 0)
		;
	vq_kick(&n->d.vq[RX(pair)]);
}

/* Starts the device and a flood; the packet is in place for send_some(). */
static int under_traffic(struct traffic *t, struct nic *n, const uint8_t *packet)
{
	int err = nic_start(n, FEATURES_ALL);

	memset(n->buf, 0, NET_HEADER);
	memcpy(n->buf + NET_HEADER, packet, LEN);
	flood_start(t, n);
	t->packet = packet;
	t->buf = guest_alloc(&n->g, 4096, 4096);
	return err;
}

/* Ends it: everything sent comes back, nothing was wrong, and packets get through. */
static int traffic_ends(struct traffic *t)
{
	struct nic *n = t->n;
	uint8_t got[LEN];
	int err;

	flood_stop(t);
	err = drain(n, 0);
	while (look(t))
		;
	if (!err)
		err = nic_send(n, 0, NULL, t->packet, LEN);
	if (err || t->wrong)
		return err ? err : -EBADMSG;
	if (tap_get(&n->tap, NULL, got, LEN, WAIT_MS) != LEN)
		return -ETIMEDOUT;
	return memcmp(got, t->packet, LEN) ? -EBADMSG : 0;
}

TEST_F_TIMEOUT(net_traffic, resets_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct traffic t;
	unsigned int i;

	ASSERT_EQ(0, under_traffic(&t, n, self->packet));
	for (i = 0; i < 1500 && in_time(t.start); i++) {
		ASSERT_EQ(0, nic_start(n, i % 3 ? FEATURES_ALL : FEATURES_PLAIN));
		take_some(n, 0, t.buf);
		send_some(n, 0, 100, i % 2 ? 60 : 8000);
		take_some(n, 0, t.buf);
		if (i % 4 == 0)
			usleep(1000);
	}
	EXPECT_EQ(0, traffic_ends(&t));
}

TEST_F_TIMEOUT(net_traffic, queue_resets_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct traffic t;
	unsigned int i;

	ASSERT_EQ(0, under_traffic(&t, n, self->packet));
	for (i = 0; i < 1000 && in_time(t.start); i++) {
		take_some(n, 0, t.buf);
		send_some(n, 0, 100, 500);
		ASSERT_EQ(0, device_queue_reset(&n->d, i % 2));
		ASSERT_EQ(0, device_setup_queue(&n->d, i % 2));
	}
	EXPECT_EQ(0, traffic_ends(&t));
}

TEST_F_TIMEOUT(net_traffic, pairs_change_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct traffic t;
	uint16_t pairs;
	unsigned int i;

	ASSERT_EQ(0, under_traffic(&t, n, self->packet));
	for (i = 0; i < 500 && in_time(t.start); i++) {
		pairs = 1 + i % 2;
		ASSERT_EQ(0, tap_attach(&n->tap, 1, pairs == 2) ? errno == EINVAL ? 0 : 1 : 0);
		ASSERT_EQ(VIRTIO_NET_OK, nic_command(n, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2));
		take_some(n, 0, t.buf);
		take_some(n, 1, t.buf);
		send_some(n, i % 2, 100, 500);
	}
	EXPECT_EQ(0, traffic_ends(&t));
}

/* The memory map changes all the time; what is moved stays where it was. */
TEST_F_TIMEOUT(net_traffic, memory_changes_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct traffic t;
	unsigned int i;

	ASSERT_EQ(0, under_traffic(&t, n, self->packet));
	for (i = 0; i < 300 && in_time(t.start); i++) {
		take_some(n, 0, t.buf);
		send_some(n, 0, 100, i % 2 ? 500 : 6000);
		ASSERT_EQ(0, guest_set_regions(&n->g, n->g.regions, n->g.nr_regions));
	}
	EXPECT_EQ(0, traffic_ends(&t));
	EXPECT_EQ(0, NIC_COUNT(n, TX(0), malformed));
}

/* Each change of the link is one interrupt, and after it the driver sees what is. */
static int flap(struct nic *n, bool up)
{
	int err = nic_link(n, up ? KVLANE_LINK_UP : 0);

	if (err)
		return err;
	if (eventfd_wait(n->d.config_call, WAIT_MS) != 1)
		return -EPROTO;
	return nic_status(n) == (up ? VIRTIO_NET_S_LINK_UP : 0) ? 0 : -EBADMSG;
}

/* Takes what has come, and looks at it. */
static int receive_flood(struct nic *n, uint8_t *got, int timeout_ms, unsigned int *count)
{
	uint8_t packet[LEN];
	ssize_t len;

	frame(packet, LEN, 2);
	while ((len = nic_receive(n, 0, NULL, got, NET_PACKET, timeout_ms)) >= 0) {
		if (len > LEN || memcmp(got, packet, len))
			return -EBADMSG;
		++*count;
	}
	return len == -ETIMEDOUT ? 0 : len;
}

/* With the link up, packets get through both ways. */
static int flows(struct nic *n, uint8_t *got)
{
	ssize_t len = nic_receive(n, 0, NULL, got, NET_PACKET, WAIT_MS);

	return len < 0 ? len : drain(n, 0);
}

/* The link goes up and down, and what is between the two gets through whole or not. */
TEST_F_TIMEOUT(net_traffic, link_flaps_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct vq *rx = &n->d.vq[RX(0)];
	unsigned int i, sent = 0, came = 0;
	struct kvlane_queue_stats qs;
	struct traffic t;

	ASSERT_EQ(0, under_traffic(&t, n, self->packet));
	ASSERT_EQ(64, nic_fill(n, 0, 64, 1536));
	eventfd_wait(n->d.config_call, 0);
	for (i = 0; i < FLAPS && in_time(t.start); i++) {
		ASSERT_EQ(0, flap(n, i % 2));
		sent += send_some(n, 0, 4, i % 16 ? 60 + i % 900 : 8000);
		ASSERT_EQ(0, receive_flood(n, self->got, 0, &came));
		if (i % 8 == 7)
			ASSERT_EQ(0, flows(n, self->got));
	}
	if (i < FLAPS)
		TH_LOG("a slow machine: %u flaps", i);
	/* The last news is the last state, and there is no more. */
	if (i % 2)
		ASSERT_EQ(0, flap(n, true));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
	EXPECT_EQ(0, eventfd_wait(n->d.config_call, 0));
	ASSERT_EQ(0, traffic_ends(&t));
	EXPECT_EQ(sent + 1, NIC_COUNT(n, TX(0), requests));
	EXPECT_LT(0, t.got);
	EXPECT_LT(0, NIC_COUNT(n, TX(0), drops));
	EXPECT_GE(sent, t.got + NIC_COUNT(n, TX(0), drops));
	/* What was on its way comes, and then each buffer takes a packet once more. */
	ASSERT_EQ(0, receive_flood(n, self->got, 200, &came));
	EXPECT_LT(0, came);
	while (rx->nr_free < rx->size) {
		ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
		ASSERT_NE(NULL, vq_wait(rx, NULL));
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_stats(&n->d, NULL, i, &qs));
		EXPECT_EQ(0, qs.malformed);
		EXPECT_EQ(0, qs.inflight);
	}
	nic_close(n);
	EXPECT_EQ(0, module_settle("kvlane", 0));
}

/* Closed in any order, with packets on their way. */
TEST_F_TIMEOUT(net_traffic, close_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	struct traffic t;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		nic_close(n);
		ASSERT_EQ(0, nic_open(n, 1, 64, 12));
		ASSERT_EQ(0, under_traffic(&t, n, self->packet));
		take_some(n, 0, t.buf);
		send_some(n, 0, 50, i % 2 ? 60 : 8000);
		usleep(2000);
		if (i % 3 == 0) {
			close(n->g.vm);
			n->g.vm = -1;
		}
		if (i % 3 == 1)
			run("ip link del kvl0");
		device_close(&n->d);
		flood_stop(&t);
	}
}

/* The owner is killed in the middle of it all. */
TEST_F_TIMEOUT(net_traffic, killed_under_traffic, TEST_SECONDS)
{
	struct nic *n = &self->n;
	unsigned int i;
	int status;
	pid_t pid;

	nic_close(n);
	ASSERT_EQ(0, module_settle("kvlane", 0));
	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid) {
			struct traffic t;

			if (nic_open(n, 1, 256, 12) || under_traffic(&t, n, self->packet))
				_exit(1);
			for (;;) {
				take_some(n, 0, t.buf);
				send_some(n, 0, 100, 60 + rand() % 9000);
			}
		}
		usleep(30000 + 7000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		ASSERT_EQ(0, module_settle("kvlane", 0));
	}
}

TEST_HARNESS_MAIN
