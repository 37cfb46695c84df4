// SPDX-License-Identifier: GPL-2.0-only
/* The network device, virtio 1.2 section 5.1: packets both ways. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

#include "kselftest_harness.h"

/* Whatever is offered, and whatever but merged receive buffers. */
#define FEATURES_BIG	(FEATURES_ALL & ~BIT(VIRTIO_NET_F_MRG_RXBUF))

FIXTURE(net) {
	struct nic n;
	uint8_t *packet;
	uint8_t *got;
};

FIXTURE_VARIANT(net) {
	unsigned int header_len;
	uint64_t features;
};

FIXTURE_VARIANT_ADD(net, merged) { .header_len = 12, .features = FEATURES_ALL };
FIXTURE_VARIANT_ADD(net, not_merged) { .header_len = 12, .features = FEATURES_BIG };
FIXTURE_VARIANT_ADD(net, short_header) { .header_len = 10, .features = FEATURES_ALL };
FIXTURE_VARIANT_ADD(net, no_header) { .header_len = 0, .features = FEATURES_ALL };
FIXTURE_VARIANT_ADD(net, plain) { .header_len = 12, .features = FEATURES_PLAIN };

FIXTURE_SETUP(net)
{
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->n, 1, 256, variant->header_len));
	self->packet = malloc(NET_PACKET);
	self->got = malloc(NET_PACKET);
	ASSERT_EQ(0, nic_start(&self->n, variant->features));
}

FIXTURE_TEARDOWN(net)
{
	nic_close(&self->n);
	free(self->packet);
	free(self->got);
}

TEST_F(net, receive)
{
	static const size_t size[] = { 14, 60, 64, 128, 1000, 1500, 1514 };
	struct virtio_net_hdr_v1 hdr;
	unsigned int i, j;

	ASSERT_EQ(64, nic_fill(&self->n, 0, 64, 2048));
	for (j = 0; j < 30; j++) {
		for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
			frame(self->packet, size[i], i + j);
			ASSERT_EQ(0, tap_put(&self->n.tap, NULL, self->packet, size[i]));
			ASSERT_EQ(size[i], nic_receive(&self->n, 0, &hdr, self->got,
						       NET_PACKET, WAIT_MS));
			EXPECT_EQ(0, memcmp(self->packet, self->got, size[i]));
			EXPECT_EQ(1, hdr.num_buffers);
			EXPECT_EQ(0, hdr.gso_type);
			EXPECT_EQ(0, hdr.flags);
		}
	}
	EXPECT_EQ(210, NIC_COUNT(&self->n, RX(0), requests));
	EXPECT_EQ(0, NIC_COUNT(&self->n, RX(0), drops));
}

TEST_F(net, send)
{
	static const size_t size[] = { 14, 60, 64, 128, 1000, 1500, 1514 };
	unsigned int i, j;

	for (j = 0; j < 30; j++) {
		for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
			frame(self->packet, size[i], i + j);
			ASSERT_EQ(0, nic_send(&self->n, 0, NULL, self->packet, size[i]));
			ASSERT_EQ(size[i], tap_get(&self->n.tap, NULL, self->got,
						   NET_PACKET, WAIT_MS));
			EXPECT_EQ(0, memcmp(self->packet, self->got, size[i]));
		}
	}
	EXPECT_EQ(210, NIC_COUNT(&self->n, TX(0), requests));
	EXPECT_EQ(0, NIC_COUNT(&self->n, TX(0), drops));
}

TEST_HARNESS_MAIN
