// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "frame.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include <linux/if_ether.h>

#include "blk.h"

/* Bytes of a VLAN tag. */
#define TAG	4

/* Flags of TCP. */
#define PSH	0x08
#define ACK	0x10

void frame(void *to, size_t len, unsigned int seed)
{
	static const uint8_t head[ETH_HLEN] = {
		0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
	};

	memcpy(to, head, ETH_HLEN);
	pattern_fill(to + ETH_HLEN, len - ETH_HLEN, seed);
}

static uint32_t sum(const uint8_t *p, size_t len)
{
	uint32_t total = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		total += p[i] << 8 | p[i + 1];
	if (len % 2)
		total += p[len - 1] << 8;
	return total;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/* The pseudo header, for @len bytes behind the network header. */
static uint32_t pseudo(const uint8_t *ip, size_t len)
{
	if (ip[0] >> 4 == 4)
		return sum(ip + 12, 8) + ip[9] + len;
	return sum(ip + 8, 32) + ip[6] + len;
}

static uint32_t get(const uint8_t *p, unsigned int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

static void frame_ip4(uint8_t *ip, size_t len, int proto)
{
	static const uint8_t addresses[] = { 10, 0, 0, 1, 10, 0, 0, 2 };

	ip[0] = 0x45;
	put16(ip + 2, len);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, addresses, sizeof(addresses));
	put16(ip + 10, ~fold(sum(ip, 20)));
}

static void frame_ip6(uint8_t *ip, size_t len, int proto)
{
	ip[0] = 0x60;
	put16(ip + 4, len - 40);
	ip[6] = proto;
	ip[7] = 64;
	ip[8] = 0xfd;
	ip[23] = 1;
	ip[24] = 0xfd;
	ip[39] = 2;
}

void frame_ip(void *to, size_t len, int version, int proto, unsigned int seed)
{
	size_t l4 = FRAME_L4(version);
	size_t data = l4 + (proto == IPPROTO_TCP ? 20 : 8);
	uint8_t *p = to;

	frame(p, len, seed);
	memset(p + 14, 0, data - 14);
	put16(p + 12, version == 4 ? 0x0800 : 0x86dd);
	if (version == 4)
		frame_ip4(p + 14, len - 14, proto);
	else
		frame_ip6(p + 14, len - 14, proto);
	put16(p + l4, 1000);
	put16(p + l4 + 2, 2000);
	if (proto == IPPROTO_TCP) {
		p[l4 + 12] = 0x50;
		p[l4 + 13] = PSH | ACK;
	} else {
		put16(p + l4 + 4, len - l4);
	}
	put16(p + l4 + (proto == IPPROTO_TCP ? 16 : 6), fold(pseudo(p + 14, len - l4)));
}

void frame_csum(struct virtio_net_hdr_v1 *hdr, int version, int proto)
{
	*hdr = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = FRAME_L4(version),
		.csum_offset = proto == IPPROTO_TCP ? 16 : 6,
	};
}

void frame_gso(struct virtio_net_hdr_v1 *hdr, int version, int proto, unsigned int size)
{
	frame_csum(hdr, version, proto);
	if (proto == IPPROTO_UDP)
		hdr->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	else
		hdr->gso_type = version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 :
					       VIRTIO_NET_HDR_GSO_TCPV6;
	hdr->gso_size = size;
	hdr->hdr_len = FRAME_L4(version) + (proto == IPPROTO_TCP ? 20 : 8);
}

size_t frame_tag(void *packet, size_t len, uint16_t tag, struct virtio_net_hdr_v1 *hdr)
{
	uint8_t *p = packet;

	memmove(p + 16, p + 12, len - 12);
	put16(p + 12, ETH_P_8021Q);
	put16(p + 14, tag);
	if (hdr && hdr->flags)
		hdr->csum_start += TAG;
	if (hdr && hdr->gso_type)
		hdr->hdr_len += TAG;
	return len + TAG;
}

/* Headers of piece @nr, @skipped bytes of payload before it. */
static void piece_headers(uint8_t *ip, uint8_t *l4, size_t len, unsigned int nr,
			  size_t skipped, bool last)
{
	bool v4 = ip[0] >> 4 == 4;
	uint32_t seq = get(l4 + 4, 4) + skipped;

	put16(ip + (v4 ? 2 : 4), v4 ? l4 - ip + len : len);
	if (v4) {
		put16(ip + 4, get(ip + 4, 2) + nr);
		put16(ip + 10, 0);
		put16(ip + 10, ~fold(sum(ip, 20)));
	}
	if (ip[v4 ? 9 : 6] == IPPROTO_UDP) {
		put16(l4 + 4, len);
		return;
	}
	put16(l4 + 4, seq >> 16);
	put16(l4 + 6, seq);
	if (!last)
		l4[13] &= ~PSH;
}

static void complete(const uint8_t *ip, uint8_t *l4, size_t len, unsigned int offset)
{
	uint16_t csum;

	put16(l4 + offset, 0);
	csum = ~fold(pseudo(ip, len) + sum(l4, len));
	/* In UDP, 0 is no checksum. */
	put16(l4 + offset, !csum && offset == 6 ? 0xffff : csum);
}

size_t frame_piece(void *to, const void *packet, size_t len,
		   const struct virtio_net_hdr_v1 *hdr, unsigned int nr)
{
	size_t head = hdr->gso_type ? hdr->hdr_len : 0;
	size_t skip = nr * (hdr->gso_type ? hdr->gso_size : len);
	size_t part = len - head - skip;
	uint8_t *p = to;
	uint8_t *ip = p + ETH_HLEN, *l4 = p + hdr->csum_start;

	if (head + skip >= len)
		return 0;
	if (hdr->gso_type && part > hdr->gso_size)
		part = hdr->gso_size;
	memcpy(p, packet, head);
	memcpy(p + head, packet + head + skip, part);
	if (get(p + 12, 2) == ETH_P_8021Q)
		ip += TAG;
	if (hdr->gso_type)
		piece_headers(ip, l4, p + head + part - l4, nr, skip,
			      head + skip + part == len);
	if (hdr->flags)
		complete(ip, l4, p + head + part - l4, hdr->csum_offset);
	return head + part;
}
