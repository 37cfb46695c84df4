// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of all devices, over generic netlink: see linux/kvlane_netlink.h for
 * who hears of what.
 *
 * Events are sent by lanes, so nothing here waits: neither for memory nor for a
 * listener. What that loses its listeners are told by -ENOBUFS.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kvlane.h>
#include <linux/kvlane_netlink.h>
#include <net/genetlink.h>

#include "netlink.h"
#include "virtio/device.h"
#include "vm.h"

enum kvlane_netlink_group {
	KVLANE_NETLINK_EVENTS,
};

static const struct genl_multicast_group kvlane_netlink_groups[] = {
	[KVLANE_NETLINK_EVENTS] = {
		.name = KVLANE_MCGRP_EVENTS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

static struct genl_family kvlane_netlink_family __ro_after_init = {
	.name = KVLANE_FAMILY_NAME,
	.version = KVLANE_FAMILY_VERSION,
	.netnsok = true,
	.mcgrps = kvlane_netlink_groups,
	.n_mcgrps = ARRAY_SIZE(kvlane_netlink_groups),
	.module = THIS_MODULE,
};

/* What of an event is not always there. */
static int kvlane_netlink_put_rest(struct sk_buff *skb,
				   const struct kvlane_event *event, u32 omitted)
{
	if (event->queue != KVLANE_NO_QUEUE &&
	    nla_put_u32(skb, KVLANE_A_EVENT_QUEUE, event->queue))
		return -EMSGSIZE;
	if (event->reason &&
	    nla_put_u32(skb, KVLANE_A_EVENT_REASON, event->reason))
		return -EMSGSIZE;
	if (event->error && nla_put_s32(skb, KVLANE_A_EVENT_ERROR, event->error))
		return -EMSGSIZE;
	if (event->value &&
	    nla_put_u64_64bit(skb, KVLANE_A_EVENT_VALUE, event->value,
			      KVLANE_A_EVENT_PAD))
		return -EMSGSIZE;
	if (omitted && nla_put_u32(skb, KVLANE_A_EVENT_OMITTED, omitted))
		return -EMSGSIZE;
	return 0;
}

static int kvlane_netlink_put(struct sk_buff *skb,
			      const struct kvlane_device *dev, pid_t pid,
			      const struct kvlane_event *event, u32 omitted)
{
	if (nla_put_u64_64bit(skb, KVLANE_A_EVENT_VM, dev->vm->id,
			      KVLANE_A_EVENT_PAD) ||
	    nla_put_u32(skb, KVLANE_A_EVENT_PID, pid) ||
	    nla_put_u32(skb, KVLANE_A_EVENT_DEVICE, dev->index) ||
	    nla_put_u32(skb, KVLANE_A_EVENT_DEVICE_TYPE, dev->ops->type) ||
	    nla_put_u32(skb, KVLANE_A_EVENT_TYPE, event->type) ||
	    nla_put_u64_64bit(skb, KVLANE_A_EVENT_TIME, event->time_ns,
			      KVLANE_A_EVENT_PAD))
		return -EMSGSIZE;
	return kvlane_netlink_put_rest(skb, event, omitted);
}

static struct sk_buff *kvlane_netlink_build(const struct kvlane_device *dev,
					    pid_t pid,
					    const struct kvlane_event *event,
					    u32 omitted)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_NOWAIT);
	void *head;

	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &kvlane_netlink_family, 0, KVLANE_CMD_EVENT);
	if (!head || kvlane_netlink_put(skb, dev, pid, event, omitted)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

static bool kvlane_netlink_heard(struct net *net)
{
	return genl_has_listeners(&kvlane_netlink_family, net,
				  KVLANE_NETLINK_EVENTS);
}

/**
 * kvlane_netlink_wanted - would anybody hear of an event?
 * @dev: the device it is about
 */
bool kvlane_netlink_wanted(const struct kvlane_device *dev)
{
	return kvlane_netlink_heard(dev->vm->net) || kvlane_netlink_heard(&init_net);
}

static void kvlane_netlink_tell(struct net *net, const struct kvlane_device *dev,
				pid_t pid, const struct kvlane_event *event,
				u32 omitted)
{
	struct sk_buff *skb;

	if (!kvlane_netlink_heard(net))
		return;
	skb = kvlane_netlink_build(dev, pid, event, omitted);
	if (skb)
		genlmsg_multicast_netns(&kvlane_netlink_family, net, skb, 0,
					KVLANE_NETLINK_EVENTS, GFP_NOWAIT);
	else
		genl_set_err(&kvlane_netlink_family, net, 0,
			     KVLANE_NETLINK_EVENTS, -ENOBUFS);
}

/**
 * kvlane_netlink_send - tell all listeners of an event
 * @dev: the device it is about
 * @event: the event
 * @omitted: how many of the device's were not sent before
 *
 * Process context; does not sleep.
 */
void kvlane_netlink_send(const struct kvlane_device *dev,
			 const struct kvlane_event *event, u32 omitted)
{
	const struct kvlane_vm *vm = dev->vm;

	kvlane_netlink_tell(&init_net, dev, vm->pid, event, omitted);
	if (!net_eq(vm->net, &init_net))
		kvlane_netlink_tell(vm->net, dev, vm->own_pid, event, omitted);
}

/**
 * kvlane_netlink_init - register the family
 *
 * Return: 0 or a negative errno.
 */
int __init kvlane_netlink_init(void)
{
	return genl_register_family(&kvlane_netlink_family);
}

/**
 * kvlane_netlink_exit - unregister the family
 */
void kvlane_netlink_exit(void)
{
	genl_unregister_family(&kvlane_netlink_family);
}
