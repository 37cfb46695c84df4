// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets on their way, captured and compared byte for byte with what was sent, or
 * with what has to become of it where the receiver can neither compute checksums
 * nor take a packet in one piece.
 *
 *	guest -- kvl0 -- bridge kvbr -- kva == kvb -- packet socket
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "net.h"

#include "kselftest_harness.h"

#define MTU		9000
#define BUFFER		1536
#define VLAN_TAG	0x6007
#define TEST_SECONDS	120

/* What a driver can say that it takes. */
#define OFFLOADS \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_USO4) | \
	 BIT(VIRTIO_NET_F_GUEST_USO6) | BIT(VIRTIO_NET_F_GUEST_ECN))

/* A device, and a packet on its way: as it is sent, has to arrive, has arrived. */
struct capture {
	struct nic n;
	struct virtio_net_hdr_v1 hdr;
	uint8_t *packet;
	uint8_t *want;
	uint8_t *got;
};

FIXTURE(net_capture) {
	struct capture c;
};

FIXTURE_VARIANT(net_capture) {
	bool offloads;
};

/* The receiver takes everything as it was sent, or nothing but what fits the wire. */
FIXTURE_VARIANT_ADD(net_capture, offloads_on) { .offloads = true };
FIXTURE_VARIANT_ADD(net_capture, offloads_off) { .offloads = false };

static int make_network(bool offloads)
{
	if (run("ip link add kvbr type bridge mcast_snooping 0") ||
	    run("ip link add kva type veth peer name kvb") ||
	    run("for d in kvl0 kva kvb kvbr; do ip link set $d mtu %u; "
		"sysctl -q net.ipv6.conf.$d.disable_ipv6=1; done", MTU) ||
	    run("for d in kvl0 kva; do ip link set $d master kvbr; done") ||
	    run("for d in kva kvb kvbr; do ip link set $d up; done"))
		return -1;
	return offloads ? 0 : run("ethtool -K kva tx off tso off gso off "
				  "tx-udp-segmentation off");
}

FIXTURE_SETUP(net_capture)
{
	if (load_module("bridge") || load_module("veth"))
		SKIP(return, "a kernel without bridge or veth");
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->c.n, 1, 256, 12));
	ASSERT_EQ(0, make_network(variant->offloads));
	close(self->c.n.tap.raw);
	self->c.n.tap.raw = raw_open("kvb", true);
	ASSERT_LE(0, self->c.n.tap.raw);
	ASSERT_EQ(0, nic_start(&self->c.n, variant->offloads ? FEATURES_ALL :
							    FEATURES_ALL & ~OFFLOADS));
	ASSERT_EQ(128, nic_fill(&self->c.n, 0, 128, BUFFER));
	self->c.packet = malloc(NET_PACKET);
	self->c.want = malloc(NET_PACKET);
	self->c.got = malloc(NET_PACKET);
}

FIXTURE_TEARDOWN(net_capture)
{
	nic_close(&self->c.n);
	free(self->c.packet);
	free(self->c.want);
	free(self->c.got);
	run("ip link del kva; ip link del kvbr");
}

/* What is said of a packet means the same at both ends. */
static bool same_said(const struct virtio_net_hdr_v1 *a, const struct virtio_net_hdr_v1 *b)
{
	if (a->flags != b->flags || a->gso_type != b->gso_type || a->gso_size != b->gso_size)
		return false;
	return !a->flags || (a->csum_start == b->csum_start && a->csum_offset == b->csum_offset);
}

/* Sends the packet from one side and captures what comes of it on the other. */
static int put(struct capture *c, bool inwards, size_t len)
{
	if (inwards)
		return tap_put(&c->n.tap, (void *)&c->hdr, c->packet, len);
	return nic_send(&c->n, 0, &c->hdr, c->packet, len);
}

static ssize_t capture(struct capture *c, bool inwards, struct virtio_net_hdr_v1 *hdr)
{
	if (inwards)
		return nic_receive(&c->n, 0, hdr, c->got, NET_PACKET, WAIT_MS);
	memset(hdr, 0, sizeof(*hdr));
	return tap_get(&c->n.tap, (void *)hdr, c->got, NET_PACKET, WAIT_MS);
}

/* One packet, or piece of it, is what it has to be. */
static bool expect(struct __test_metadata *_metadata, struct capture *c,
		   bool inwards, const struct virtio_net_hdr_v1 *said,
		   const uint8_t *want, size_t len)
{
	unsigned int buffers = (NET_HEADER + len + BUFFER - 1) / BUFFER;
	struct virtio_net_hdr_v1 hdr;
	ssize_t got = capture(c, inwards, &hdr);
	size_t i;

	if (got != (ssize_t)len) {
		TH_LOG("%zd bytes, not %zu", got, len);
		return false;
	}
	for (i = 0; i < len && c->got[i] == want[i]; i++)
		;
	if (i < len)
		TH_LOG("byte %zu is %02x, not %02x", i, c->got[i], want[i]);
	if (!same_said(&hdr, said))
		TH_LOG("flags %x, type %x, size %u, checksum at %u + %u", hdr.flags,
		       hdr.gso_type, hdr.gso_size, hdr.csum_start, hdr.csum_offset);
	if (inwards && hdr.num_buffers != buffers)
		TH_LOG("%u buffers for %zu bytes", hdr.num_buffers, len);
	return i == len && same_said(&hdr, said) && (!inwards || hdr.num_buffers == buffers);
}

/* A packet goes its way: as it is, or as a network card would send it. */
static bool passes(struct __test_metadata *_metadata, struct capture *c,
		   bool inwards, bool offloads, size_t len)
{
	static const struct virtio_net_hdr_v1 nothing;
	unsigned int nr;
	size_t piece;

	if (put(c, inwards, len))
		return false;
	if (offloads)
		return expect(_metadata, c, inwards, &c->hdr, c->packet, len);
	for (nr = 0; (piece = frame_piece(c->want, c->packet, len, &c->hdr, nr)); nr++)
		if (!expect(_metadata, c, inwards, &nothing, c->want, piece))
			return false;
	return true;
}

/* All lengths of small packets, and many up to the largest. */
static size_t next_length(size_t len)
{
	return len < 300 || len > MTU ? len + 1 : len + 7;
}

TEST_F_TIMEOUT(net_capture, lengths, TEST_SECONDS)
{
	size_t len;
	int way;

	memset(&self->c.hdr, 0, sizeof(self->c.hdr));
	for (len = 14; len <= MTU + 14; len = next_length(len)) {
		frame(self->c.packet, len, len);
		for (way = 0; way < 2; way++)
			ASSERT_TRUE(passes(_metadata, &self->c, way, variant->offloads, len)) {
				TH_LOG("%zu bytes to %s", len, way ? "the guest" : "outside");
			}
	}
	EXPECT_EQ(0, NIC_COUNT(&self->c.n, RX(0), drops));
	EXPECT_EQ(0, NIC_COUNT(&self->c.n, TX(0), drops));
}

static const struct {
	int version;
	int proto;
	bool tagged;
} kinds[] = {
	{ 4, IPPROTO_TCP },	  { 6, IPPROTO_TCP },	    { 4, IPPROTO_UDP },
	{ 6, IPPROTO_UDP },	  { 4, IPPROTO_TCP, true }, { 6, IPPROTO_TCP, true },
	{ 4, IPPROTO_UDP, true }, { 6, IPPROTO_UDP, true },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

/* Makes a packet of a kind; a @gso of 0 is one to be sent in one piece. */
static size_t make(struct capture *c, unsigned int kind, size_t len, unsigned int gso)
{
	int version = kinds[kind].version, proto = kinds[kind].proto;

	frame_ip(c->packet, len, version, proto, len);
	if (gso)
		frame_gso(&c->hdr, version, proto, gso);
	else
		frame_csum(&c->hdr, version, proto);
	if (kinds[kind].tagged)
		len = frame_tag(c->packet, len, VLAN_TAG, &c->hdr);
	return len;
}

/* The sender leaves the checksum to others. */
TEST_F_TIMEOUT(net_capture, checksums, TEST_SECONDS)
{
	static const size_t size[] = { 74, 75, 128, 999, 1000, 1513, 1514, 4097, 9013, 9014 };
	unsigned int i, kind;
	size_t len;
	int way;

	for (i = 0; i < sizeof(size) / sizeof(size[0]) * KINDS * 2; i++) {
		kind = i / 2 % KINDS;
		way = i % 2;
		len = make(&self->c, kind, size[i / 2 / KINDS], 0);
		EXPECT_TRUE(passes(_metadata, &self->c, way, variant->offloads, len)) {
			TH_LOG("kind %u, %zu bytes to %s", kind, len,
			       way ? "the guest" : "outside");
		}
	}
	EXPECT_EQ(0, NIC_COUNT(&self->c.n, TX(0), drops));
}

/* It leaves to others to cut it into pieces as well, even and odd ones. */
TEST_F_TIMEOUT(net_capture, segments, TEST_SECONDS)
{
	static const size_t size[] = { 1600, 3000, 4001, 9000, 33333, 65000 };
	static const unsigned int mss[] = { 1400, 1399, 536 };
	unsigned int i, kind;
	size_t len;
	int way;

	for (i = 0; i < sizeof(size) / sizeof(size[0]) * KINDS * 2; i++) {
		kind = i / 2 % KINDS;
		way = i % 2;
		/* Nobody cuts UDP before. */
		if (kinds[kind].proto == IPPROTO_UDP && kernel_before(6, 2))
			continue;
		len = make(&self->c, kind, size[i / 2 / KINDS], mss[i / 2 % 3]);
		EXPECT_TRUE(passes(_metadata, &self->c, way, variant->offloads, len)) {
			TH_LOG("kind %u, %zu bytes in pieces of %u to %s", kind, len,
			       self->c.hdr.gso_size, way ? "the guest" : "outside");
		}
	}
	EXPECT_EQ(0, NIC_COUNT(&self->c.n, TX(0), drops));
	EXPECT_EQ(0, NIC_COUNT(&self->c.n, RX(0), drops));
}

TEST_HARNESS_MAIN
