// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device when things go wrong or end: bad arguments, drivers that
 * break the rules, floods, taps that go away.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_tun.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"
#include "net.h"

#include "kselftest_harness.h"

#define PAIRS	2
#define LEN	1000

FIXTURE(net_life) {
	struct nic n;
	uint8_t *packet;
	uint8_t *got;
};

FIXTURE_SETUP(net_life)
{
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->n, PAIRS, 256, 12));
	ASSERT_EQ(0, tap_attach(&self->n.tap, 1, false));
	self->packet = malloc(NET_PACKET);
	self->got = malloc(NET_PACKET);
	frame(self->packet, LEN, 1);
}

FIXTURE_TEARDOWN(net_life)
{
	nic_close(&self->n);
	free(self->packet);
	free(self->got);
}

static int set_backend(struct nic *n, struct kvlane_backend *arg)
{
	return ioctl(n->d.fd, KVLANE_SET_BACKEND, arg) ? -errno : 0;
}

/* Every bad argument, and after each the device is what it was. */
TEST_F(net_life, backend_arguments)
{
	struct nic *n = &self->n;
	struct kvlane_backend good = nic_backend(n, 12), bad;
	int null = open("/dev/null", O_RDWR), dgram = socket(AF_PACKET, SOCK_DGRAM, 0);
	int udp = socket(AF_INET, SOCK_DGRAM, 0), bare = open("/dev/net/tun", O_RDWR);
	uint64_t offered = device_offered(&n->d);
	int fds[PAIRS];

#define BAD(error, change) do { \
		bad = good; \
		memcpy(fds, n->tap.fd, sizeof(fds)); \
		bad.net.fds = (uintptr_t)fds; \
		change; \
		EXPECT_EQ(error, set_backend(n, &bad)); \
		EXPECT_EQ(offered, device_offered(&n->d)); \
	} while (0)
	BAD(-EINVAL, bad.flags = KVLANE_BACKEND_RDONLY);
	BAD(-EINVAL, bad.flags = 1U << 31);
	BAD(-EINVAL, bad.fd = 0);
	BAD(-EINVAL, bad.fd = n->tap.fd[0]);
	BAD(-EINVAL, bad.net.reserved0 = 1);
	BAD(-EINVAL, bad.pad[14] = 1);
	BAD(-EINVAL, bad.net.num_fds = 0);
	BAD(-EINVAL, bad.net.num_fds = PAIRS - 1);
	BAD(-EINVAL, bad.net.num_fds = PAIRS + 1);
	BAD(-EINVAL, bad.net.num_fds = UINT32_MAX);
	BAD(-EINVAL, bad.net.header_len = 11);
	BAD(-EINVAL, bad.net.header_len = 20);
	BAD(-EINVAL, bad.net.mtu = 67);
	BAD(-EINVAL, bad.net.mac[0] = 1);
	BAD(-EINVAL, bad.net.speed = 0x80000000);
	BAD(-EFAULT, bad.net.fds = 0);
	BAD(-EFAULT, bad.net.fds = UINT64_MAX);
	BAD(-EBADF, fds[1] = -1);
	BAD(-EBADF, fds[1] = 9999);
	BAD(-EINVAL, fds[1] = null);
	BAD(-EINVAL, fds[1] = udp);
	BAD(-EINVAL, fds[1] = dgram);
	BAD(-EINVAL, fds[1] = fds[0]);
	BAD(-EINVAL, fds[1] = n->d.fd);
	BAD(-EBADFD, fds[1] = bare);
#undef BAD
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	EXPECT_EQ(-EBUSY, set_backend(n, &good));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(LEN, tap_get(&n->tap, NULL, self->got, NET_PACKET, WAIT_MS));
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(0, set_backend(n, &good));
	close(null);
	close(dgram);
	close(udp);
	close(bare);
}

TEST_F(net_life, queue_numbers)
{
	static const unsigned int bad[] = { 1, 2, 4, 128, 130 };
	struct device d;
	unsigned int i;

	for (i = 0; i < 5; i++)
		EXPECT_EQ(-EINVAL, device_open(&d, &self->n.g, VIRTIO_ID_NET, bad[i], 16));
	ASSERT_EQ(0, device_open(&d, &self->n.g, VIRTIO_ID_NET, 129, 16));
	device_close(&d);
}

TEST_F_TIMEOUT(net_life, configuration, 120)
{
	struct nic *n = &self->n;
	struct kvlane_backend arg = nic_backend(n, 12);
	struct virtio_net_config c;
	unsigned int i;

	arg.flags = KVLANE_BACKEND_LINK_DOWN;
	arg.net.mtu = 9000;
	arg.net.speed = 40000;
	ASSERT_EQ(0, set_backend(n, &arg));
	EXPECT_TRUE(device_offered(&n->d) & BIT(VIRTIO_NET_F_MTU));
	for (i = 0; i < sizeof(c); i++)
		((uint8_t *)&c)[i] = reg_read(&n->d, KVLANE_WINDOW_CONFIG + i, 1);
	EXPECT_EQ(0, memcmp(c.mac, arg.net.mac, 6));
	EXPECT_EQ(0, c.status);
	EXPECT_EQ(9000, c.mtu);
	EXPECT_EQ(40000, c.speed);
	EXPECT_EQ(1, c.duplex);
	EXPECT_EQ(PAIRS, c.max_virtqueue_pairs);
	memset(arg.net.mac, 0, 6);
	arg.net.mtu = 0;
	ASSERT_EQ(0, set_backend(n, &arg));
	EXPECT_FALSE(device_offered(&n->d) & (BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_MAC)));
}

/* A chain of many pieces, as descriptors of the ring and as a table. */
TEST_F(net_life, many_pieces)
{
	static const uint64_t features[] = { FEATURES_PLAIN, FEATURES_ALL };
	static const size_t size[] = { 1500, 6000 };
	struct nic *n = &self->n;
	struct iovec out[120];
	unsigned int i, k, nr;

	ASSERT_EQ(0, tap_mtu(&n->tap, 9000));
	for (k = 0; k < 4; k++) {
		ASSERT_EQ(0, nic_start(n, features[k / 2]));
		frame(self->packet, size[k % 2], k);
		memset(n->buf, 0, NET_HEADER);
		memcpy(n->buf + NET_HEADER, self->packet, size[k % 2]);
		/* Pieces that begin and end anywhere, the header among them. */
		for (i = 0, nr = 0; i < NET_HEADER + size[k % 2]; nr++) {
			out[nr].iov_base = n->buf + i;
			out[nr].iov_len = nr < 8 ? 5 : 53;
			if (out[nr].iov_len > NET_HEADER + size[k % 2] - i)
				out[nr].iov_len = NET_HEADER + size[k % 2] - i;
			i += out[nr].iov_len;
		}
		ASSERT_LE(0, vq_add(&n->d.vq[TX(0)], out, nr, NULL, 0, n));
		vq_kick(&n->d.vq[TX(0)]);
		ASSERT_EQ(n, vq_wait(&n->d.vq[TX(0)], NULL));
		ASSERT_EQ(size[k % 2], tap_get(&n->tap, NULL, self->got, NET_PACKET, WAIT_MS));
		EXPECT_EQ(0, memcmp(self->got, self->packet, size[k % 2]));
	}
}

/* Too short for a packet is a packet dropped; writable buffers are a fault. */
TEST_F(net_life, odd_chains)
{
	struct nic *n = &self->n;
	struct iovec iov = { n->buf }, out = { n->buf, 64 };
	struct vq *tx = &n->d.vq[TX(0)];
	struct kvlane_event ev;
	unsigned int i;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	for (i = 1; i < NET_HEADER + 14; i++) {
		iov.iov_len = i;
		ASSERT_LE(0, vq_add(tx, &iov, 1, NULL, 0, n));
		vq_kick(tx);
		ASSERT_EQ(n, vq_wait(tx, NULL));
		EXPECT_EQ(i, NIC_COUNT(n, TX(0), drops));
	}
	iov.iov_base = guest_alloc_high(&n->g, 70000, 64);
	iov.iov_len = 70000;
	ASSERT_LE(0, vq_add(tx, &iov, 1, NULL, 0, n));
	vq_kick(tx);
	ASSERT_EQ(n, vq_wait(tx, NULL));
	EXPECT_EQ(i, NIC_COUNT(n, TX(0), drops));

	ASSERT_LE(0, vq_add(tx, &out, 1, &iov, 1, n));
	vq_kick(tx);
	do
		i = device_event(&n->d, &ev, WAIT_MS);
	while (!i && ev.type != KVLANE_EVENT_NEEDS_RESET);
	EXPECT_EQ(0, i);
	EXPECT_EQ(KVLANE_REASON_DIRECTION, ev.reason);
	/* Nor does a receive queue take what it is to read. */
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_LE(0, vq_add(&n->d.vq[RX(0)], &out, 1, NULL, 0, n));
	vq_kick(&n->d.vq[RX(0)]);
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	do
		i = device_event(&n->d, &ev, WAIT_MS);
	while (!i && ev.type != KVLANE_EVENT_NEEDS_RESET);
	EXPECT_EQ(0, i);
	EXPECT_EQ(KVLANE_REASON_DIRECTION, ev.reason);
	EXPECT_EQ(RX(0), ev.queue);
}

/* What the tap keeps while there are no buffers comes in order, the rest is lost. */
TEST_F(net_life, flood_without_buffers)
{
	struct nic *n = &self->n;
	uint32_t seq, i;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	for (i = 0; i < 3000; i++) {
		memcpy(self->packet + 20, &i, 4);
		tap_put(&n->tap, NULL, self->packet, LEN);
	}
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), starved, 1));
	ASSERT_EQ(128, nic_fill(n, 0, 128, 1536));
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(LEN, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
		memcpy(&seq, self->got + 20, 4);
		ASSERT_EQ(i, seq);
	}
	while (nic_receive(n, 0, NULL, self->got, NET_PACKET, 200) == LEN)
		;
	EXPECT_EQ(0, NIC_COUNT(n, RX(0), malformed));
	/* And it goes on. */
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(LEN, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
}

/* A packet larger than the buffers is dropped, and the buffers are not lost. */
TEST_F(net_life, too_large)
{
	struct nic *n = &self->n;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL & ~BIT(VIRTIO_NET_F_MRG_RXBUF)));
	ASSERT_EQ(1, nic_fill(n, 0, 1, 512));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), drops, 1));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, 500));
	EXPECT_EQ(500, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, 501));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), drops, 2));
}

/* Merged, it waits for more buffers, but not for ever. */
TEST_F(net_life, too_large_to_merge)
{
	struct nic *n = &self->n;
	struct virtio_net_hdr_v1 hdr;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(2, nic_fill(n, 0, 2, 400));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), starved, 1));
	ASSERT_EQ(1, nic_fill(n, 0, 1, 400));
	EXPECT_EQ(LEN, nic_receive(n, 0, &hdr, self->got, NET_PACKET, WAIT_MS));
	EXPECT_EQ(3, hdr.num_buffers);
	EXPECT_EQ(0, memcmp(self->packet, self->got, LEN));

	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, 1400));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), starved, 2));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), drops, 1));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(LEN, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
	EXPECT_EQ(1, NIC_COUNT(n, RX(0), drops));
}

/* A packet that waits for buffers is dropped instead: the next ones find the way. */
TEST_F(net_life, dropped_while_it_waits)
{
	struct nic *n = &self->n;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), starved, 1));
	ASSERT_EQ(0, nic_link(n, 0));
	ASSERT_EQ(4, nic_fill(n, 0, 4, 1536));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), drops, 1));
	ASSERT_EQ(0, nic_link(n, KVLANE_LINK_UP));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(LEN, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
	EXPECT_EQ(0, memcmp(self->packet, self->got, LEN));
}

static int lost_event(struct nic *n)
{
	struct kvlane_event ev;
	int err;

	do {
		err = device_event(&n->d, &ev, WAIT_MS);
	} while (!err && ev.type == KVLANE_EVENT_NET_PAIRS);
	return err ? err : ev.type;
}

/* The tap goes: one event, link down, and the guest goes on. */
TEST_F(net_life, tap_taken_away)
{
	struct nic *n = &self->n;
	struct kvlane_backend arg = nic_backend(n, 12);
	struct kvlane_event ev;
	unsigned int i;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(64, nic_fill(n, 0, 64, 1536));
	eventfd_wait(n->d.config_call, 0);
	ASSERT_EQ(0, run("ip link del kvl0"));
	EXPECT_EQ(KVLANE_EVENT_LINK_LOST, lost_event(n));
	EXPECT_EQ(0, nic_status(n));
	EXPECT_EQ(1, eventfd_wait(n->d.config_call, WAIT_MS));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(100, NIC_COUNT(n, TX(0), drops));
	ASSERT_EQ(0, nic_link(n, KVLANE_LINK_UP));
	EXPECT_EQ(0, nic_status(n));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	EXPECT_EQ(0, nic_status(n));
	EXPECT_EQ(0, device_event(&n->d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NET_PAIRS, ev.type);
	EXPECT_EQ(-ETIMEDOUT, device_event(&n->d, &ev, 100));
	/* A new back end, a new link. */
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(-EBADFD, set_backend(n, &arg));
	tap_close(&n->tap);
	ASSERT_EQ(0, tap_open(&n->tap, "kvl1", PAIRS, 12));
	arg = nic_backend(n, 12);
	ASSERT_EQ(0, set_backend(n, &arg));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(LEN, tap_get(&n->tap, NULL, self->got, NET_PACKET, WAIT_MS));
}

TEST_F(net_life, tap_taken_away_before_start)
{
	ASSERT_EQ(0, run("ip link del kvl0"));
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
	EXPECT_EQ(KVLANE_EVENT_LINK_LOST, lost_event(&self->n));
	EXPECT_EQ(0, nic_status(&self->n));
}

/* A packet socket instead of a tap, and one whose device goes. */
TEST_F(net_life, packet_socket)
{
	struct nic *n = &self->n;
	struct kvlane_backend arg = { .fd = -1 };
	struct virtio_net_hdr_v1 hdr;
	struct device d = n->d;
	int fd, peer;
	size_t tagged;

	if (load_module("veth"))
		SKIP(return, "a kernel without veth");
	ASSERT_EQ(0, run("ip link add kva type veth peer name kvb"));
	ASSERT_EQ(0, run("ip link set kva up; ip link set kvb up"));
	fd = raw_open("kva", true);
	peer = raw_open("kvb", true);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, peer);
	ASSERT_EQ(0, device_open(&n->d, &n->g, VIRTIO_ID_NET, 3, 64));
	n->pairs = 1;
	close(n->tap.raw);
	n->tap.raw = peer;
	arg.net.fds = (uintptr_t)&fd;
	arg.net.num_fds = 1;
	arg.net.header_len = 10;
	ASSERT_EQ(0, set_backend(n, &arg));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(32, nic_fill(n, 0, 32, 2048));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	do {
		ASSERT_LE(0, tap_get(&n->tap, NULL, self->got, NET_PACKET, WAIT_MS));
	} while (memcmp(self->got, self->packet, LEN));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	do {
		ASSERT_LE(0, nic_receive(n, 0, &hdr, self->got, NET_PACKET, WAIT_MS));
		EXPECT_EQ(1, hdr.num_buffers);
	} while (memcmp(self->got, self->packet, LEN));
	/* The host takes the tag off, and the guest has the packet as it was. */
	tagged = frame_tag(self->packet, LEN, 5, NULL);
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, tagged));
	do {
		ASSERT_LE(0, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
	} while (memcmp(self->got, self->packet, tagged));
	ASSERT_EQ(0, run("ip link del kva"));
	EXPECT_EQ(KVLANE_EVENT_LINK_LOST, lost_event(n));
	EXPECT_EQ(0, nic_status(n));
	close(fd);
	device_close(&n->d);
	n->d = d;
}

/* The node is found in a sysfs of this network namespace. */
static int open_macvtap(const char *name)
{
	int fd;

	if (run("mkdir -p /tmp/kvl; mount -t sysfs none /tmp/kvl"))
		return -EIO;
	fd = run("d=$(cat /tmp/kvl/class/net/%s/macvtap/tap*/dev); umount /tmp/kvl; "
		 "mknod /tmp/kvl/tap c ${d%%:*} ${d#*:}", name);
	if (!fd)
		fd = open("/tmp/kvl/tap", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	run("rm -r /tmp/kvl");
	return fd;
}

/* A macvtap, both ways, and taken away. */
TEST_F(net_life, macvtap)
{
	struct nic *n = &self->n;
	struct kvlane_backend arg = { .fd = -1, .net = { .num_fds = 1, .header_len = 12 } };
	struct device d = n->d;
	int fd, peer, size = 12;

	if (load_module("macvtap") || load_module("veth"))
		SKIP(return, "a kernel without macvtap or veth");
	ASSERT_EQ(0, run("ip link add kva type veth peer name kvb"));
	ASSERT_EQ(0, run("ip link add link kva name kvm type macvtap mode passthru"));
	ASSERT_EQ(0, run("ip link set kva up; ip link set kvb up; ip link set kvm up"));
	fd = open_macvtap("kvm");
	peer = raw_open("kvb", true);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, peer);
	ASSERT_EQ(0, ioctl(fd, TUNSETVNETHDRSZ, &size));
	ASSERT_EQ(0, device_open(&n->d, &n->g, VIRTIO_ID_NET, 3, 64));
	n->pairs = 1;
	close(n->tap.raw);
	n->tap.raw = peer;
	arg.net.fds = (uintptr_t)&fd;
	ASSERT_EQ(0, set_backend(n, &arg));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	ASSERT_EQ(32, nic_fill(n, 0, 32, 2048));
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	do {
		ASSERT_LE(0, tap_get(&n->tap, NULL, self->got, NET_PACKET, WAIT_MS));
	} while (memcmp(self->got, self->packet, LEN));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	do {
		ASSERT_LE(0, nic_receive(n, 0, NULL, self->got, NET_PACKET, WAIT_MS));
	} while (memcmp(self->got, self->packet, LEN));
	ASSERT_EQ(0, run("ip link del kvm"));
	EXPECT_EQ(KVLANE_EVENT_LINK_LOST, lost_event(n));
	close(fd);
	device_close(&n->d);
	n->d = d;
}

TEST_HARNESS_MAIN
