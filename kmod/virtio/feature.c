// SPDX-License-Identifier: GPL-2.0-only
/*
 * Features that others need, virtio 1.2, sections 2.2.1 and 5.1.3.1: one that is offered
 * without what it needs has drivers give up on the device.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/virtio_ids.h>
#include <uapi/linux/virtio_net.h>

#include "device.h"
#include "vdpa.h"

/**
 * struct kvlane_feature_need - features that need others
 * @features: each of these
 * @any: needs one of these
 */
struct kvlane_feature_need {
	u64 features;
	u64 any;
};

static const struct kvlane_feature_need kvlane_feature_net_needs[] = {
	{
		.features = BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |
			    BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) |
			    BIT_ULL(VIRTIO_NET_F_GUEST_USO4) |
			    BIT_ULL(VIRTIO_NET_F_GUEST_USO6),
		.any = BIT_ULL(VIRTIO_NET_F_GUEST_CSUM),
	},
	{
		.features = BIT_ULL(VIRTIO_NET_F_GUEST_ECN),
		.any = BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6),
	},
	{
		.features = BIT_ULL(VIRTIO_NET_F_HOST_TSO4) |
			    BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_USO),
		.any = BIT_ULL(VIRTIO_NET_F_CSUM),
	},
	{
		.features = BIT_ULL(VIRTIO_NET_F_HOST_ECN),
		.any = BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | BIT_ULL(VIRTIO_NET_F_HOST_TSO6),
	},
	{
		.features = BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_RX) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_RX_EXTRA) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |
			    BIT_ULL(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT_ULL(VIRTIO_NET_F_MQ) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT_ULL(VIRTIO_NET_F_RSS),
		.any = BIT_ULL(VIRTIO_NET_F_CTRL_VQ),
	},
};

/**
 * kvlane_features_whole - does each feature have what it needs?
 * @dev: a device
 * @features: what it may be going to offer
 */
bool kvlane_features_whole(const struct kvlane_device *dev, u64 features)
{
	const struct kvlane_feature_need *need;
	int i;

	if (dev->ops->type != VIRTIO_ID_NET)
		return true;
	for (i = 0; i < ARRAY_SIZE(kvlane_feature_net_needs); i++) {
		need = &kvlane_feature_net_needs[i];
		if (features & need->features && !(features & need->any))
			return false;
	}
	return true;
}
