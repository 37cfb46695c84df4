// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive filters, virtio 1.2, sections 5.1.6.5.1 to 5.1.6.5.3: by address and by
 * VLAN. The control queue's lane changes them, receive lanes look into them for
 * every packet; a sequence lock keeps the looks free of writes and changes free
 * of allocations.
 *
 * After a reset everything passes, since a driver need not know of filters; the
 * first command that ends promiscuous mode puts them into force.
 */
#include <linux/etherdevice.h>

#include "net.h"

static bool kvlane_net_filter_mode(const struct kvlane_net_filter *filter, u8 mode)
{
	return filter->modes & BIT(mode);
}

static bool kvlane_net_macs_have(const struct kvlane_net_macs *macs, const u8 *mac)
{
	/* A change may be under way: what is read is then thrown away. */
	u32 i, nr = min_t(u32, READ_ONCE(macs->nr), KVLANE_NET_MACS);

	for (i = 0; i < nr; i++)
		if (ether_addr_equal_unaligned(macs->mac[i], mac))
			return true;
	return macs->overflow;
}

static bool kvlane_net_filter_multicast(const struct kvlane_net_filter *filter,
					const u8 *mac)
{
	if (is_broadcast_ether_addr(mac))
		return !kvlane_net_filter_mode(filter, VIRTIO_NET_CTRL_RX_NOBCAST);
	if (kvlane_net_filter_mode(filter, VIRTIO_NET_CTRL_RX_NOMULTI))
		return false;
	return kvlane_net_filter_mode(filter, VIRTIO_NET_CTRL_RX_ALLMULTI) ||
	       kvlane_net_macs_have(&filter->multi, mac);
}

static bool kvlane_net_filter_unicast(const struct kvlane_net_filter *filter,
				      const u8 *mac)
{
	if (kvlane_net_filter_mode(filter, VIRTIO_NET_CTRL_RX_NOUNI))
		return false;
	/* Without an address the device does not know what is for the driver. */
	return kvlane_net_filter_mode(filter, VIRTIO_NET_CTRL_RX_ALLUNI) ||
	       is_zero_ether_addr(filter->mac) || ether_addr_equal_unaligned(filter->mac, mac) ||
	       kvlane_net_macs_have(&filter->uni, mac);
}

/* The VLAN of a packet, or -1. */
static int kvlane_net_packet_vlan(const u8 *packet, u32 len)
{
	const struct vlan_ethhdr *eth = (const struct vlan_ethhdr *)packet;

	if (len < VLAN_ETH_HLEN || eth->h_vlan_proto != htons(ETH_P_8021Q))
		return -1;
	return ntohs(eth->h_vlan_TCI) & VLAN_VID_MASK;
}

static bool kvlane_net_filter_look(const struct kvlane_net_filter *filter,
				   const u8 *packet, u32 len, int vlan)
{
	if (kvlane_net_filter_mode(filter, VIRTIO_NET_CTRL_RX_PROMISC))
		return true;
	if (filter->check_vlans) {
		if (vlan < 0)
			vlan = kvlane_net_packet_vlan(packet, len);
		if (vlan >= 0 && !test_bit(vlan & VLAN_VID_MASK, filter->vlans))
			return false;
	}
	return is_multicast_ether_addr(packet) ?
		       kvlane_net_filter_multicast(filter, packet) :
		       kvlane_net_filter_unicast(filter, packet);
}

/**
 * kvlane_net_filter_passes - look whether the guest wants a packet
 * @filter: the filter
 * @packet: its first bytes, two-byte aligned
 * @len: how many, at least ETH_HLEN; VLAN_ETH_HLEN if it has as many
 * @vlan: the VLAN it is tagged with beside its bytes, or -1
 *
 * Return: whether it does.
 */
bool kvlane_net_filter_passes(struct kvlane_net_filter *filter, const u8 *packet,
			      u32 len, int vlan)
{
	unsigned int seq;
	bool passes;

	do {
		seq = read_seqbegin(&filter->lock);
		passes = kvlane_net_filter_look(filter, packet, len, vlan);
	} while (read_seqretry(&filter->lock, seq));
	return passes;
}

/**
 * kvlane_net_filter_reset - let everything pass
 * @filter: the filter
 * @mac: address of the device
 * @check_vlans: the driver is going to say which VLANs it wants
 */
void kvlane_net_filter_reset(struct kvlane_net_filter *filter, const u8 *mac,
			     bool check_vlans)
{
	write_seqlock(&filter->lock);
	filter->modes = BIT(VIRTIO_NET_CTRL_RX_PROMISC);
	filter->check_vlans = check_vlans;
	ether_addr_copy(filter->mac, mac);
	filter->uni.nr = 0;
	filter->uni.overflow = false;
	filter->multi.nr = 0;
	filter->multi.overflow = false;
	bitmap_zero(filter->vlans, VLAN_N_VID);
	write_sequnlock(&filter->lock);
}

/**
 * kvlane_net_filter_set_mode - VIRTIO_NET_CTRL_RX
 * @filter: the filter
 * @mode: VIRTIO_NET_CTRL_RX_*
 * @on: or off
 */
void kvlane_net_filter_set_mode(struct kvlane_net_filter *filter, u8 mode, bool on)
{
	write_seqlock(&filter->lock);
	__assign_bit(mode, &filter->modes, on);
	write_sequnlock(&filter->lock);
}

/**
 * kvlane_net_filter_set_vlan - VIRTIO_NET_CTRL_VLAN
 * @filter: the filter
 * @vid: VLAN, below VLAN_N_VID
 * @on: let it pass, or not
 */
void kvlane_net_filter_set_vlan(struct kvlane_net_filter *filter, u16 vid, bool on)
{
	write_seqlock(&filter->lock);
	__assign_bit(vid, filter->vlans, on);
	write_sequnlock(&filter->lock);
}

/**
 * kvlane_net_filter_set_mac - VIRTIO_NET_CTRL_MAC_ADDR_SET
 * @filter: the filter
 * @mac: new address of the device
 */
void kvlane_net_filter_set_mac(struct kvlane_net_filter *filter, const u8 *mac)
{
	write_seqlock(&filter->lock);
	ether_addr_copy(filter->mac, mac);
	write_sequnlock(&filter->lock);
}

/**
 * kvlane_net_filter_set_tables - VIRTIO_NET_CTRL_MAC_TABLE_SET
 * @filter: the filter
 * @uni: unicast addresses
 * @multi: multicast addresses
 */
void kvlane_net_filter_set_tables(struct kvlane_net_filter *filter,
				  const struct kvlane_net_macs *uni,
				  const struct kvlane_net_macs *multi)
{
	write_seqlock(&filter->lock);
	filter->uni = *uni;
	filter->multi = *multi;
	write_sequnlock(&filter->lock);
}
