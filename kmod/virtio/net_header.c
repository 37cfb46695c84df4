// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest says of the packets it sends, virtio 1.2, section 5.1.6.2: which
 * checksum is still to be computed, and how the packet is to be cut.
 *
 * The network stack believes in what it is told of a packet to be cut, up to
 * warnings in the kernel log where it does not fit the packet. So nothing is
 * passed on that does not fit: the kind of segmentation was negotiated, there is
 * a checksum to be computed, and the packet's own headers, of which a private
 * copy is at hand, are of that kind and where the guest says.
 */
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/virtio_byteorder.h>
#include <net/ipv6.h>

#include "net.h"

/**
 * struct kvlane_net_layers - what kind of packet it is, and where its parts are
 * @packet: the first bytes of it, a private copy
 * @present: how many
 * @proto: EtherType behind all VLAN tags
 * @l3: where the network header begins
 */
struct kvlane_net_layers {
	const u8 *packet;
	u32 present;
	__be16 proto;
	u32 l3;
};

static bool kvlane_net_is_vlan(__be16 proto)
{
	return proto == htons(ETH_P_8021Q) || proto == htons(ETH_P_8021AD);
}

/* At most two tags: the network below takes no more off. */
static bool kvlane_net_parse(struct kvlane_net_layers *l, const u8 *packet,
			     u32 present)
{
	int tags;

	l->packet = packet;
	l->present = present;
	l->l3 = ETH_HLEN;
	l->proto = ((const struct ethhdr *)packet)->h_proto;
	for (tags = 0; kvlane_net_is_vlan(l->proto); tags++) {
		if (tags == 2 || l->l3 + VLAN_HLEN > present)
			return false;
		memcpy(&l->proto, packet + l->l3 + 2, sizeof(l->proto));
		l->l3 += VLAN_HLEN;
	}
	return true;
}

static u32 kvlane_net_min_l3(const struct kvlane_net_layers *l)
{
	if (l->proto == htons(ETH_P_IP))
		return sizeof(struct iphdr);
	if (l->proto == htons(ETH_P_IPV6))
		return sizeof(struct ipv6hdr);
	return 0;
}

static bool kvlane_net_check_csum(const struct virtio_net_hdr_v1 *hdr,
				  const struct kvlane_net_layers *l, u32 len)
{
	u32 start = __virtio16_to_cpu(true, hdr->csum_start);
	u32 offset = __virtio16_to_cpu(true, hdr->csum_offset);

	/* The network counts from before its headroom, in 16 bits, and complains. */
	return start >= l->l3 + kvlane_net_min_l3(l) && start <= U16_MAX - SZ_4K &&
	       start + offset + sizeof(__sum16) <= len;
}

/* Is the packet an IPv4 one of this protocol, its payload at @start? */
static bool kvlane_net_check_ip(const struct kvlane_net_layers *l, u32 start, u8 proto)
{
	const u8 *ip = l->packet + l->l3;

	return l->proto == htons(ETH_P_IP) && ip[0] >> 4 == 4 &&
	       l->l3 + (ip[0] & 0xf) * 4 == start &&
	       ip[offsetof(struct iphdr, protocol)] == proto;
}

/* The same of IPv6. What options lie between its header and the payload is open. */
static bool kvlane_net_check_ipv6(const struct kvlane_net_layers *l, u32 start, u8 proto)
{
	const u8 *ip = l->packet + l->l3;
	u8 next;

	if (l->proto != htons(ETH_P_IPV6) || ip[0] >> 4 != 6)
		return false;
	next = ip[offsetof(struct ipv6hdr, nexthdr)];
	if (start == l->l3 + sizeof(struct ipv6hdr))
		return next == proto;
	return next == NEXTHDR_HOP || next == NEXTHDR_ROUTING || next == NEXTHDR_DEST;
}

static bool kvlane_net_check_tcp(const struct virtio_net_hdr_v1 *hdr,
				 const struct kvlane_net_layers *l, u32 len)
{
	u32 start = __virtio16_to_cpu(true, hdr->csum_start);
	u32 header;

	if (start + sizeof(struct tcphdr) > l->present ||
	    __virtio16_to_cpu(true, hdr->csum_offset) != offsetof(struct tcphdr, check))
		return false;
	header = (l->packet[start + 12] >> 4) * 4;
	return header >= sizeof(struct tcphdr) && start + header < len;
}

static bool kvlane_net_check_udp(const struct virtio_net_hdr_v1 *hdr,
				 const struct kvlane_net_layers *l, u32 len)
{
	u32 start = __virtio16_to_cpu(true, hdr->csum_start);

	return start + sizeof(struct udphdr) < len &&
	       start + sizeof(struct udphdr) <= l->present &&
	       __virtio16_to_cpu(true, hdr->csum_offset) == offsetof(struct udphdr, check);
}

/* Which feature a kind of segmentation needs; 0 for one that is not known. */
static u64 kvlane_net_gso_feature(u8 type)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return BIT_ULL(VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return BIT_ULL(VIRTIO_NET_F_HOST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return BIT_ULL(VIRTIO_NET_F_HOST_USO);
	default:
		return 0;
	}
}

static bool kvlane_net_check_gso(const struct virtio_net_hdr_v1 *hdr, u64 features,
				 const struct kvlane_net_layers *l, u32 len)
{
	u8 type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	u32 start = __virtio16_to_cpu(true, hdr->csum_start);

	if (!(features & kvlane_net_gso_feature(type)) || !hdr->gso_size ||
	    !(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return false;
	if (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN &&
	    (!(features & BIT_ULL(VIRTIO_NET_F_HOST_ECN)) ||
	     type == VIRTIO_NET_HDR_GSO_UDP_L4))
		return false;
	/* So that the network header is at hand, too. */
	if (start > l->present)
		return false;

	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return kvlane_net_check_ip(l, start, IPPROTO_TCP) &&
		       kvlane_net_check_tcp(hdr, l, len);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return kvlane_net_check_ipv6(l, start, IPPROTO_TCP) &&
		       kvlane_net_check_tcp(hdr, l, len);
	default:
		return (kvlane_net_check_ip(l, start, IPPROTO_UDP) ||
			kvlane_net_check_ipv6(l, start, IPPROTO_UDP)) &&
		       kvlane_net_check_udp(hdr, l, len);
	}
}

/**
 * kvlane_net_header_check - look whether what is said of a packet is true
 * @hdr: what the guest says, a private copy; cleared of what means nothing
 * @features: what was negotiated
 * @packet: the first bytes of the packet, a private copy
 * @present: how many, at least ETH_HLEN; all, or KVLANE_NET_PULL or more
 * @len: bytes of the packet
 *
 * Return: whether it may be passed on so.
 */
bool kvlane_net_header_check(struct virtio_net_hdr_v1 *hdr, u64 features,
			     const u8 *packet, u32 present, u32 len)
{
	struct kvlane_net_layers layers;

	/* Flags that a device does not know it ignores, 5.1.6.2.2. */
	hdr->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->num_buffers = 0;
	/* Nor is this one to be relied on, and those who get it would. */
	hdr->hdr_len = 0;
	if (!hdr->flags && hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		memset(hdr, 0, sizeof(*hdr));
		return true;
	}

	if (!kvlane_net_parse(&layers, packet, present))
		return false;
	if (hdr->flags && (!(features & BIT_ULL(VIRTIO_NET_F_CSUM)) ||
			   !kvlane_net_check_csum(hdr, &layers, len)))
		return false;
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		hdr->gso_size = 0;
		return true;
	}
	return kvlane_net_check_gso(hdr, features, &layers, len);
}
