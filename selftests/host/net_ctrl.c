// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control queue of the network device, virtio 1.2 section 5.1.6.5: receive
 * filters, several queue pairs; and the link's state.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net.h"

#include "kselftest_harness.h"

#define PAIRS	4
#define LEN	100

static const uint8_t own[6] = NIC_MAC;
static const uint8_t other[6] = { 0x52, 0x54, 0, 1, 1, 1 };
static const uint8_t multi[6] = { 1, 0, 0x5e, 0, 0, 1 };
static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

FIXTURE(net_ctrl) {
	struct nic n;
	uint8_t packet[LEN];
	uint8_t *got;
};

/* Have the tap use its first queues only. */
static void attach(struct nic *n, unsigned int pairs)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++)
		tap_attach(&n->tap, i, i < pairs);
}

FIXTURE_SETUP(net_ctrl)
{
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->n, PAIRS, 64, 12));
	/* As the owner of a tap does: the driver begins with one pair. */
	attach(&self->n, 1);
	self->got = malloc(NET_PACKET);
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
	ASSERT_EQ(32, nic_fill(&self->n, 0, 32, 2048));
}

FIXTURE_TEARDOWN(net_ctrl)
{
	nic_close(&self->n);
	free(self->got);
}

/*
 * Does a packet to that address, of that VLAN, get through? Ends with a packet that
 * always does if broadcasts do not: the counter of those left out.
 */
static bool passes(struct nic *n, const uint8_t *to, int vlan)
{
	uint64_t filtered = NIC_COUNT(n, RX(0), filtered);
	uint64_t taken = NIC_COUNT(n, RX(0), requests);
	uint8_t packet[LEN], got[LEN];
	unsigned int ms;

	frame(packet, LEN, vlan);
	memcpy(packet, to, 6);
	if (vlan >= 0)
		frame_tag(packet, LEN - 4, vlan, NULL);
	tap_put(&n->tap, NULL, packet, LEN);
	for (ms = 0; ms < WAIT_MS / 10; ms++) {
		if (NIC_COUNT(n, RX(0), requests) > taken)
			return nic_receive(n, 0, NULL, got, LEN, WAIT_MS) == LEN &&
			       !memcmp(got, packet, LEN);
		if (NIC_COUNT(n, RX(0), filtered) > filtered)
			return false;
		usleep(1000);
	}
	return false;
}

static int tables(struct nic *n, const uint8_t *uni, unsigned int nr_uni,
		  const uint8_t *group, unsigned int nr_group)
{
	uint8_t data[2000];
	size_t len = 0;

	memcpy(data, &nr_uni, 4);
	memcpy(data + 4, uni, nr_uni * 6);
	len = 4 + nr_uni * 6;
	memcpy(data + len, &nr_group, 4);
	memcpy(data + len + 4, group, nr_group * 6);
	return nic_command(n, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data,
			   len + 4 + nr_group * 6);
}

/* A driver that says nothing gets everything. */
TEST_F(net_ctrl, everything_at_first)
{
	EXPECT_TRUE(passes(&self->n, own, -1));
	EXPECT_TRUE(passes(&self->n, other, -1));
	EXPECT_TRUE(passes(&self->n, multi, -1));
	EXPECT_TRUE(passes(&self->n, broadcast, -1));
	EXPECT_TRUE(passes(&self->n, own, 7));
}

TEST_F(net_ctrl, modes)
{
	struct nic *n = &self->n;

	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, false));
	EXPECT_TRUE(passes(n, own, -1));
	EXPECT_FALSE(passes(n, other, -1));
	EXPECT_FALSE(passes(n, multi, -1));
	EXPECT_TRUE(passes(n, broadcast, -1));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_ALLMULTI, true));
	EXPECT_TRUE(passes(n, multi, -1));
	EXPECT_FALSE(passes(n, other, -1));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_ALLUNI, true));
	EXPECT_TRUE(passes(n, other, -1));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_NOMULTI, true));
	EXPECT_FALSE(passes(n, multi, -1));
	EXPECT_TRUE(passes(n, broadcast, -1));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_NOUNI, true));
	EXPECT_FALSE(passes(n, own, -1));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_NOBCAST, true));
	EXPECT_FALSE(passes(n, broadcast, -1));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, true));
	EXPECT_TRUE(passes(n, own, -1));
	EXPECT_TRUE(passes(n, broadcast, -1));
}

TEST_F(net_ctrl, mac_tables)
{
	uint8_t many[100][6] = {};
	struct nic *n = &self->n;
	unsigned int i;

	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, false));
	ASSERT_EQ(VIRTIO_NET_OK, tables(n, other, 1, multi, 1));
	EXPECT_TRUE(passes(n, own, -1));
	EXPECT_TRUE(passes(n, other, -1));
	EXPECT_TRUE(passes(n, multi, -1));
	ASSERT_EQ(VIRTIO_NET_OK, tables(n, other, 0, multi, 0));
	EXPECT_FALSE(passes(n, other, -1));
	EXPECT_FALSE(passes(n, multi, -1));
	/* As many as fit, and more than fit: then all of the kind. */
	for (i = 0; i < 100; i++) {
		many[i][0] = 2;
		many[i][5] = i;
	}
	ASSERT_EQ(VIRTIO_NET_OK, tables(n, many[0], 64, multi, 0));
	EXPECT_TRUE(passes(n, many[63], -1));
	EXPECT_FALSE(passes(n, many[64], -1));
	ASSERT_EQ(VIRTIO_NET_OK, tables(n, many[0], 100, multi, 0));
	EXPECT_TRUE(passes(n, other, -1));
	EXPECT_FALSE(passes(n, multi, -1));
	ASSERT_EQ(VIRTIO_NET_OK, tables(n, other, 0, many[0], 100));
	EXPECT_FALSE(passes(n, other, -1));
	EXPECT_TRUE(passes(n, multi, -1));
}

TEST_F(net_ctrl, own_address)
{
	uint8_t zero[6] = {};
	struct nic *n = &self->n;
	unsigned int i;

	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, false));
	ASSERT_EQ(VIRTIO_NET_OK, nic_command(n, VIRTIO_NET_CTRL_MAC,
					     VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6));
	EXPECT_TRUE(passes(n, other, -1));
	EXPECT_FALSE(passes(n, own, -1));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(other[i], reg_read(&n->d, KVLANE_WINDOW_CONFIG + i, 1));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC,
					      VIRTIO_NET_CTRL_MAC_ADDR_SET, multi, 6));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC,
					      VIRTIO_NET_CTRL_MAC_ADDR_SET, zero, 6));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC,
					      VIRTIO_NET_CTRL_MAC_ADDR_SET, own, 5));
	/* A reset brings the first one back. */
	ASSERT_EQ(0, device_reset(&n->d));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(own[i], reg_read(&n->d, KVLANE_WINDOW_CONFIG + i, 1));
}

static int vlan(struct nic *n, uint8_t cmd, uint16_t vid)
{
	return nic_command(n, VIRTIO_NET_CTRL_VLAN, cmd, &vid, 2);
}

TEST_F(net_ctrl, vlans)
{
	struct nic *n = &self->n;

	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, false));
	EXPECT_TRUE(passes(n, own, -1));
	EXPECT_FALSE(passes(n, own, 7));
	ASSERT_EQ(VIRTIO_NET_OK, vlan(n, VIRTIO_NET_CTRL_VLAN_ADD, 7));
	EXPECT_TRUE(passes(n, own, 7));
	EXPECT_FALSE(passes(n, own, 8));
	EXPECT_FALSE(passes(n, other, 7));
	ASSERT_EQ(VIRTIO_NET_OK, vlan(n, VIRTIO_NET_CTRL_VLAN_ADD, 4095));
	EXPECT_TRUE(passes(n, own, 4095));
	ASSERT_EQ(VIRTIO_NET_OK, vlan(n, VIRTIO_NET_CTRL_VLAN_DEL, 7));
	EXPECT_FALSE(passes(n, own, 7));
	EXPECT_EQ(VIRTIO_NET_ERR, vlan(n, VIRTIO_NET_CTRL_VLAN_ADD, 4096));
	EXPECT_EQ(VIRTIO_NET_ERR, vlan(n, VIRTIO_NET_CTRL_VLAN_ADD, 0xffff));
	EXPECT_EQ(VIRTIO_NET_ERR, vlan(n, 2, 7));
}

/* A driver that does not speak of VLANs gets them all. */
TEST_F(net_ctrl, vlans_not_accepted)
{
	struct nic *n = &self->n;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL & ~BIT(VIRTIO_NET_F_CTRL_VLAN)));
	ASSERT_EQ(32, nic_fill(n, 0, 32, 2048));
	ASSERT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, false));
	EXPECT_TRUE(passes(n, own, 7));
	EXPECT_EQ(VIRTIO_NET_ERR, vlan(n, VIRTIO_NET_CTRL_VLAN_ADD, 7));
}

TEST_F(net_ctrl, bad_commands)
{
	struct nic *n = &self->n;
	uint8_t data[64] = {};
	uint32_t huge = UINT32_MAX;
	unsigned int kind;

	for (kind = 0; kind < 256; kind++) {
		EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, kind, 0xff, data, 2));
		EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, kind, 0, data, 64));
	}
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_RX, 0, data, 0));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_RX, 0, data, 2));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_RX, 6, data, 1));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC, 0, data, 3));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC, 0, data, 4));
	EXPECT_EQ(VIRTIO_NET_OK, nic_command(n, VIRTIO_NET_CTRL_MAC, 0, data, 8));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC, 0, data, 9));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC, 0, &huge, 4));
	memcpy(data, &huge, 4);
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MAC, 0, data, 64));
	EXPECT_TRUE(passes(n, own, -1));
	EXPECT_EQ(0, NIC_COUNT(n, 2 * PAIRS, malformed));
}

/* The next event that does not speak of pairs. */
static int broken_event(struct nic *n, struct kvlane_event *ev)
{
	int err;

	do {
		err = device_event(&n->d, ev, WAIT_MS);
	} while (!err && ev->type == KVLANE_EVENT_NET_PAIRS);
	return err;
}

/* No room for the answer, or for the command: that is no command. */
TEST_F(net_ctrl, short_chains)
{
	struct nic *n = &self->n;
	struct iovec out = { n->cmd, 1 }, in = { n->cmd + 8, 1 };
	struct kvlane_event ev;

	ASSERT_LE(0, vq_add(n->ctrl, &out, 1, &in, 1, n));
	vq_kick(n->ctrl);
	ASSERT_EQ(0, broken_event(n, &ev));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(KVLANE_REASON_SHORT, ev.reason);
	EXPECT_TRUE(device_status(&n->d) & VIRTIO_CONFIG_S_NEEDS_RESET);

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	out.iov_len = 2;
	ASSERT_LE(0, vq_add(n->ctrl, &out, 1, NULL, 0, n));
	vq_kick(n->ctrl);
	ASSERT_EQ(0, broken_event(n, &ev));
	EXPECT_EQ(KVLANE_REASON_SHORT, ev.reason);
}

static int set_pairs(struct nic *n, uint16_t pairs)
{
	return nic_command(n, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2);
}

static uint64_t pairs_event(struct nic *n)
{
	struct kvlane_event ev = {};

	if (device_event(&n->d, &ev, WAIT_MS) || ev.type != KVLANE_EVENT_NET_PAIRS)
		return 0;
	return ev.value;
}

TEST_F(net_ctrl, pairs)
{
	struct nic *n = &self->n;
	unsigned int i, j;

	EXPECT_EQ(PAIRS, reg_read(&n->d, KVLANE_WINDOW_CONFIG +
				  offsetof(struct virtio_net_config, max_virtqueue_pairs), 2));
	EXPECT_EQ(1, pairs_event(n));
	EXPECT_EQ(VIRTIO_NET_ERR, set_pairs(n, 0));
	EXPECT_EQ(VIRTIO_NET_ERR, set_pairs(n, PAIRS + 1));
	EXPECT_EQ(VIRTIO_NET_ERR, set_pairs(n, 0xffff));
	ASSERT_EQ(VIRTIO_NET_OK, set_pairs(n, PAIRS));
	EXPECT_EQ(PAIRS, pairs_event(n));
	attach(n, PAIRS);
	for (i = 0; i < PAIRS; i++)
		nic_fill(n, i, 16, 2048);
	for (i = 0; i < PAIRS; i++) {
		/* What goes out through a queue comes back through the same one. */
		frame_ip(self->packet, LEN, 4, 17, i);
		self->packet[14 + 15] = i + 10;
		ASSERT_EQ(0, nic_send(n, i, NULL, self->packet, LEN));
		ASSERT_EQ(LEN, tap_get(&n->tap, NULL, self->got, NET_PACKET, WAIT_MS));
		EXPECT_EQ(0, memcmp(self->got, self->packet, LEN));
	}
	for (i = 0, j = 0; i < 64; i++) {
		frame_ip(self->packet, LEN, 4, 17, i);
		self->packet[14 + 15] = i + 10;
		ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	}
	/* They are spread over the pairs; each has as many buffers as it has. */
	for (i = 0; i < 100 * PAIRS && j < 64; i++)
		while (nic_receive(n, i % PAIRS, NULL, self->got, NET_PACKET, 50) == LEN)
			j++;
	EXPECT_EQ(64, j);
	/* A reset is one pair again. */
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(1, pairs_event(n));
}

/* The control queue is the third where the driver knows of one pair only. */
TEST_F(net_ctrl, one_pair_driver)
{
	struct nic *n = &self->n;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL & ~BIT(VIRTIO_NET_F_MQ)));
	ASSERT_EQ(&n->d.vq[2], n->ctrl);
	ASSERT_EQ(32, nic_fill(n, 0, 32, 2048));
	EXPECT_EQ(VIRTIO_NET_OK, nic_mode(n, VIRTIO_NET_CTRL_RX_PROMISC, false));
	EXPECT_EQ(VIRTIO_NET_ERR, set_pairs(n, 2));
	EXPECT_FALSE(passes(n, other, -1));
	EXPECT_TRUE(passes(n, own, -1));
}

/* Nothing is sent for a driver through queues it has not switched on. */
TEST_F(net_ctrl, pair_not_in_use)
{
	ASSERT_EQ(0, nic_send(&self->n, 1, NULL, self->packet, LEN));
	EXPECT_EQ(1, NIC_COUNT(&self->n, TX(1), drops));
}

TEST_F(net_ctrl, link)
{
	struct nic *n = &self->n;

	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
	eventfd_wait(n->d.config_call, 0);
	ASSERT_EQ(0, nic_link(n, 0));
	EXPECT_EQ(0, nic_status(n));
	EXPECT_EQ(1, eventfd_wait(n->d.config_call, WAIT_MS));
	frame(self->packet, LEN, 1);
	ASSERT_EQ(0, nic_send(n, 0, NULL, self->packet, LEN));
	EXPECT_EQ(1, NIC_COUNT(n, TX(0), drops));
	ASSERT_EQ(0, tap_put(&n->tap, NULL, self->packet, LEN));
	EXPECT_EQ(0, NIC_SETTLE(n, RX(0), drops, 1));
	EXPECT_EQ(-ETIMEDOUT, tap_get(&n->tap, NULL, self->got, NET_PACKET, 100));
	/* No news is no interrupt. */
	ASSERT_EQ(0, nic_link(n, 0));
	EXPECT_EQ(0, eventfd_wait(n->d.config_call, 50));
	ASSERT_EQ(0, nic_link(n, KVLANE_LINK_UP));
	EXPECT_EQ(1, eventfd_wait(n->d.config_call, WAIT_MS));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
	EXPECT_TRUE(passes(n, own, -1));
	/* What the owner has set outlives a reset. */
	ASSERT_EQ(0, nic_link(n, 0));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	EXPECT_EQ(0, nic_status(n));
}

TEST_F(net_ctrl, announce)
{
	struct nic *n = &self->n;

	ASSERT_EQ(0, nic_link(n, KVLANE_LINK_UP | KVLANE_LINK_ANNOUNCE));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE, nic_status(n));
	EXPECT_EQ(1, eventfd_wait(n->d.config_call, WAIT_MS));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_ANNOUNCE, 1, NULL, 0));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_ANNOUNCE, 0, own, 1));
	EXPECT_EQ(VIRTIO_NET_OK, nic_command(n, VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
	/* A driver that cannot is not asked to. */
	ASSERT_EQ(0, nic_start(n, FEATURES_PLAIN | BIT(VIRTIO_NET_F_STATUS)));
	ASSERT_EQ(0, nic_link(n, KVLANE_LINK_UP | KVLANE_LINK_ANNOUNCE));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
}

TEST_F(net_ctrl, link_arguments)
{
	struct nic *n = &self->n;
	struct kvlane_link arg = { .flags = 1, .reserved = { 0, 0, 1 } };
	struct device d;

	EXPECT_EQ(-EINVAL, nic_link(n, 4));
	EXPECT_EQ(-EINVAL, nic_link(n, KVLANE_LINK_ANNOUNCE));
	EXPECT_EQ(-1, ioctl(n->d.fd, KVLANE_SET_LINK, &arg));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(n->d.fd, KVLANE_SET_LINK, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, nic_status(n));
	arg.reserved[2] = 0;
	ASSERT_EQ(0, device_open(&d, &n->g, VIRTIO_ID_NET, 3, 64));
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_SET_LINK, &arg));
	EXPECT_EQ(ENXIO, errno);
	device_close(&d);
	ASSERT_EQ(0, device_open(&d, &n->g, VIRTIO_ID_RNG, 1, 64));
	EXPECT_EQ(-1, ioctl(d.fd, KVLANE_SET_LINK, &arg));
	EXPECT_EQ(EINVAL, errno);
	device_close(&d);
}

TEST_HARNESS_MAIN
