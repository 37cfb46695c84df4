// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is said of packets, virtio 1.2 section 5.1.6: checksums and segmentation
 * left to others, and what a guest must not say. What becomes of packets of which the
 * truth is said is in net_capture.c.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

#include "kselftest_harness.h"

#define MSS	1400

FIXTURE(net_offload) {
	struct nic n;
	uint8_t *packet;
	uint8_t *got;
	long taint;
};

static long taint(void)
{
	FILE *f = fopen("/proc/sys/kernel/tainted", "re");
	long value = -1;

	if (f && fscanf(f, "%ld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

FIXTURE_SETUP(net_offload)
{
	self->taint = taint();
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->n, 1, 256, 12));
	self->packet = malloc(NET_PACKET);
	self->got = malloc(NET_PACKET);
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
}

FIXTURE_TEARDOWN(net_offload)
{
	nic_close(&self->n);
	free(self->packet);
	free(self->got);
	/* No warning was printed. */
	EXPECT_EQ(self->taint, taint());
}

static const struct {
	int version;
	int proto;
} kinds[] = {
	{ 4, IPPROTO_TCP }, { 6, IPPROTO_TCP }, { 4, IPPROTO_UDP }, { 6, IPPROTO_UDP },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

TEST_F(net_offload, offered)
{
	uint64_t offered = device_offered(&self->n.d);

	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_CSUM));
	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_GUEST_CSUM));
	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_HOST_TSO4));
	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_HOST_TSO6));
	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_GUEST_TSO4));
	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_GUEST_TSO6));
	EXPECT_TRUE(offered & BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	EXPECT_FALSE(offered & BIT(VIRTIO_NET_F_HOST_UFO));
}

/* The driver changes its mind while it runs. */
TEST_F(net_offload, offloads_changed)
{
	uint64_t none = 0, all = BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
	struct virtio_net_hdr_v1 hdr, seen;

	ASSERT_EQ(100, nic_fill(&self->n, 0, 100, 1536));
	frame_ip(self->packet, 2 * MSS + 54, 4, IPPROTO_TCP, 1);
	frame_gso(&hdr, 4, IPPROTO_TCP, MSS);

	ASSERT_EQ(VIRTIO_NET_OK, nic_command(&self->n, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0,
					     &none, 8));
	ASSERT_EQ(0, tap_put(&self->n.tap, (void *)&hdr, self->packet, 2 * MSS + 54));
	EXPECT_EQ(MSS + 54, nic_receive(&self->n, 0, &seen, self->got, NET_PACKET, WAIT_MS));
	EXPECT_EQ(0, seen.gso_type | seen.flags);
	EXPECT_EQ(MSS + 54, nic_receive(&self->n, 0, &seen, self->got, NET_PACKET, WAIT_MS));

	ASSERT_EQ(VIRTIO_NET_OK, nic_command(&self->n, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0,
					     &all, 8));
	ASSERT_EQ(0, tap_put(&self->n.tap, (void *)&hdr, self->packet, 2 * MSS + 54));
	EXPECT_EQ(2 * MSS + 54, nic_receive(&self->n, 0, &seen, self->got, NET_PACKET,
					    WAIT_MS));
	EXPECT_EQ(VIRTIO_NET_HDR_GSO_TCPV4, seen.gso_type);
	all = UINT64_MAX;
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(&self->n, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0,
					      &all, 8));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(&self->n, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0,
					      &none, 7));
	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(&self->n, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 1,
					      &none, 8));
}

/* Sends a packet that must not get through. */
static void refused(struct __test_metadata *_metadata, struct nic *n,
		    const struct virtio_net_hdr_v1 *hdr, void *packet, size_t len)
{
	uint64_t drops = NIC_COUNT(n, TX(0), drops);

	ASSERT_EQ(0, nic_send(n, 0, hdr, packet, len));
	EXPECT_EQ(drops + 1, NIC_COUNT(n, TX(0), drops)) {
		TH_LOG("flags %x type %x hdr_len %u size %u start %u offset %u, %zu bytes",
		       hdr->flags, hdr->gso_type, hdr->hdr_len, hdr->gso_size,
		       hdr->csum_start, hdr->csum_offset, len);
	}
}

/* Each thing that can be wrong, in small packets and in large ones. */
TEST_F(net_offload, bad_headers)
{
	static const size_t size[] = { 1500, 3000, 9000 };
	struct virtio_net_hdr_v1 good, bad;
	unsigned int i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < KINDS; k++) {
			frame_ip(self->packet, size[i], kinds[k].version, kinds[k].proto, i);
			frame_gso(&good, kinds[k].version, kinds[k].proto, MSS);
#define BAD(change) \
	do { \
		bad = good; \
		change; \
		refused(_metadata, &self->n, &bad, self->packet, size[i]); \
	} while (0)
			BAD(bad.gso_size = 0);
			BAD(bad.flags = 0);
			BAD(bad.gso_type = 2);
			BAD(bad.gso_type = VIRTIO_NET_HDR_GSO_UDP);
			BAD(bad.gso_type = 0x7f);
			BAD(bad.gso_type = 0xff);
			BAD(bad.gso_type = VIRTIO_NET_HDR_GSO_ECN);
			BAD(bad.gso_type = kinds[k ^ 1].version == 4 ?
						   VIRTIO_NET_HDR_GSO_TCPV4 :
						   VIRTIO_NET_HDR_GSO_TCPV6);
			BAD(bad.csum_start = 0);
			BAD(bad.csum_start = 13);
			BAD(bad.csum_start -= 2);
			BAD(bad.csum_start += 2);
			BAD(bad.csum_start = size[i]);
			BAD(bad.csum_start = 0xffff);
			BAD(bad.csum_offset = 0xffff);
			BAD(bad.csum_offset = 0);
			BAD(bad.csum_start = size[i] - 1; bad.gso_type = 0);
			BAD(bad.csum_offset = size[i]; bad.gso_type = 0);
#undef BAD
		}
	}
	EXPECT_EQ(-ETIMEDOUT, tap_get(&self->n.tap, NULL, self->got, NET_PACKET, 100));
	/* And it still works. */
	frame(self->packet, 100, 1);
	ASSERT_EQ(0, nic_send(&self->n, 0, NULL, self->packet, 100));
	EXPECT_EQ(100, tap_get(&self->n.tap, NULL, self->got, NET_PACKET, WAIT_MS));
}

/* The packet is not what the header says it is. */
TEST_F(net_offload, bad_packets)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t *p = self->packet;

	frame_gso(&hdr, 4, IPPROTO_TCP, MSS);
#define BAD(change) \
	do { \
		frame_ip(p, 3000, 4, IPPROTO_TCP, 1); \
		change; \
		refused(_metadata, &self->n, &hdr, p, 3000); \
	} while (0)
	BAD(p[12] = 0x86; p[13] = 0xdd);
	BAD(p[12] = 0x88; p[13] = 0xb5);
	BAD(p[12] = 0x81; p[13] = 0x00);
	BAD(p[14] = 0x65);
	BAD(p[14] = 0x4f);
	BAD(p[14] = 0x40);
	BAD(p[23] = IPPROTO_UDP);
	BAD(p[23] = 0);
	BAD(p[46] = 0x00);
	BAD(p[46] = 0x40);
#undef BAD
	/* Nothing behind the headers, or not even those. */
	frame_ip(p, 54, 4, IPPROTO_TCP, 1);
	refused(_metadata, &self->n, &hdr, p, 54);
	refused(_metadata, &self->n, &hdr, p, 40);
	refused(_metadata, &self->n, &hdr, p, 34);
	refused(_metadata, &self->n, &hdr, p, 14);
	EXPECT_EQ(-ETIMEDOUT, tap_get(&self->n.tap, NULL, self->got, NET_PACKET, 100));
}

/*
 * A checksum so far behind that the network, which counts from before its headroom and
 * in 16 bits, would lose it.
 */
TEST_F(net_offload, far_checksums)
{
	static const uint16_t start[] = { 0xf000, 0xfe00, 0xffe0 };
	struct virtio_net_hdr_v1 hdr;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		frame_ip(self->packet, 0xffff, 4, IPPROTO_TCP, i);
		frame_csum(&hdr, 4, IPPROTO_TCP);
		hdr.csum_start = start[i];
		refused(_metadata, &self->n, &hdr, self->packet, 0xffff);
	}
	EXPECT_EQ(-ETIMEDOUT, tap_get(&self->n.tap, NULL, self->got, NET_PACKET, 100));
}

/* What was not negotiated is not done. */
TEST_F(net_offload, not_negotiated)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned int i;

	ASSERT_EQ(0, nic_start(&self->n, FEATURES_PLAIN));
	for (i = 0; i < KINDS; i++) {
		frame_ip(self->packet, 3000, kinds[i].version, kinds[i].proto, 1);
		frame_gso(&hdr, kinds[i].version, kinds[i].proto, MSS);
		refused(_metadata, &self->n, &hdr, self->packet, 3000);
		frame_csum(&hdr, kinds[i].version, kinds[i].proto);
		refused(_metadata, &self->n, &hdr, self->packet, 3000);
	}
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_PLAIN | BIT(VIRTIO_NET_F_CSUM)));
	for (i = 0; i < KINDS; i++) {
		frame_ip(self->packet, 3000, kinds[i].version, kinds[i].proto, 1);
		frame_gso(&hdr, kinds[i].version, kinds[i].proto, MSS);
		refused(_metadata, &self->n, &hdr, self->packet, 3000);
	}
}

/* Flags nobody knows and lengths that mean nothing do no harm. */
TEST_F(net_offload, ignored_fields)
{
	struct virtio_net_hdr_v1 hdr = { .flags = 0xfe, .hdr_len = 0xffff, .gso_size = 7,
					 .csum_start = 0xffff, .csum_offset = 0xffff,
					 .num_buffers = 0xffff };
	struct virtio_net_hdr seen;

	frame(self->packet, 1500, 1);
	ASSERT_EQ(0, nic_send(&self->n, 0, &hdr, self->packet, 1500));
	ASSERT_EQ(1500, tap_get(&self->n.tap, &seen, self->got, NET_PACKET, WAIT_MS));
	EXPECT_EQ(0, memcmp(self->packet, self->got, 1500));
	EXPECT_EQ(0, seen.gso_type | (seen.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM));
	frame_ip(self->packet, 9000, 4, IPPROTO_TCP, 1);
	frame_gso(&hdr, 4, IPPROTO_TCP, MSS);
	hdr.hdr_len = 0xffff;
	ASSERT_EQ(0, nic_send(&self->n, 0, &hdr, self->packet, 9000));
	EXPECT_EQ(9000, tap_get(&self->n.tap, &seen, self->got, NET_PACKET, WAIT_MS));
	hdr.hdr_len = 0;
	ASSERT_EQ(0, nic_send(&self->n, 0, &hdr, self->packet, 9000));
	EXPECT_EQ(9000, tap_get(&self->n.tap, &seen, self->got, NET_PACKET, WAIT_MS));
}

/* Random headers on random packets: whatever comes of them, no warning. */
TEST_F(net_offload, random_headers)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned int i, k;
	size_t len;

	srand(1);
	for (i = 0; i < 3000; i++) {
		k = rand() % KINDS;
		len = 14 + rand() % (i % 8 ? 2000 : 60000);
		frame_ip(self->packet, len < 100 ? 100 : len, kinds[k].version,
			 kinds[k].proto, i);
		frame_gso(&hdr, kinds[k].version, kinds[k].proto, 1 + rand() % 2000);
		for (k = rand() % 4; k; k--)
			((uint8_t *)&hdr)[rand() % sizeof(hdr)] = rand();
		for (k = rand() % 4; k; k--)
			self->packet[12 + rand() % 60] = rand();
		ASSERT_EQ(0, nic_send(&self->n, 0, &hdr, self->packet, len));
		while (tap_get(&self->n.tap, NULL, self->got, NET_PACKET, 0) >= 0)
			;
	}
	EXPECT_EQ(3000, NIC_COUNT(&self->n, TX(0), requests));
}

TEST_HARNESS_MAIN
