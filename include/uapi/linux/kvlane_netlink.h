/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * kvlane - events of all devices, over generic netlink
 *
 * Every event that read() on a device descriptor returns is also sent to the
 * multicast group KVLANE_MCGRP_EVENTS of the family
 * KVLANE_FAMILY_NAME, so that one program sees those of all VMs. Rules:
 *
 *  - An event goes to the network namespace in which the VM was created, and to
 *    the initial one if that is another. So the host hears of all VMs, and a
 *    container of its own.
 *  - Joining the group takes CAP_NET_ADMIN in the user namespace that owns the
 *    network namespace.
 *  - A listener that reads too slowly gets -ENOBUFS once and has lost events.
 *    Nobody waits for it. At most KVLANE_NETLINK_RATE events of a device are
 *    sent in a second, and the next one says how many were left out.
 *
 * kvlane_netlink.yaml says the same to programs that read such files.
 */
#ifndef _UAPI_LINUX_KVLANE_NETLINK_H
#define _UAPI_LINUX_KVLANE_NETLINK_H

/**
 * define KVLANE_FAMILY_NAME - name of the family
 */
#define KVLANE_FAMILY_NAME	"kvlane"

/**
 * define KVLANE_FAMILY_VERSION - version of the family
 */
#define KVLANE_FAMILY_VERSION	1

/**
 * define KVLANE_MCGRP_EVENTS - name of the multicast group
 */
#define KVLANE_MCGRP_EVENTS "events"

/**
 * define KVLANE_NETLINK_RATE - most events of a device in a second
 */
#define KVLANE_NETLINK_RATE	8

/**
 * enum kvlane_netlink_command - commands of the family
 * @KVLANE_CMD_EVENT: something happened to a device; sent by the kernel, with
 *	attributes of enum kvlane_netlink_event
 */
enum kvlane_netlink_command {
	KVLANE_CMD_EVENT = 1,
};

/**
 * enum kvlane_netlink_event - attributes of KVLANE_CMD_EVENT
 * @KVLANE_A_EVENT_PAD: for alignment
 * @KVLANE_A_EVENT_VM: u64, number of the VM, never used again while the module
 *	is loaded
 * @KVLANE_A_EVENT_PID: u32, process that created the VM: as that process sees
 *	itself, or in the initial network namespace, as seen from the initial
 *	PID namespace
 * @KVLANE_A_EVENT_DEVICE: u32, how many devices the VM had got before this one
 * @KVLANE_A_EVENT_DEVICE_TYPE: u32, virtio device type
 * @KVLANE_A_EVENT_TYPE: u32, enum kvlane_event_type
 * @KVLANE_A_EVENT_QUEUE: u32, the queue; absent if the whole device is meant
 * @KVLANE_A_EVENT_REASON: u32, enum kvlane_reason; absent if there is none
 * @KVLANE_A_EVENT_ERROR: s32, negative errno; absent if there is none
 * @KVLANE_A_EVENT_TIME: u64, when, CLOCK_MONOTONIC in nanoseconds
 * @KVLANE_A_EVENT_VALUE: u64, what the type says; absent if 0
 * @KVLANE_A_EVENT_OMITTED: u32, events of the device that were left out before
 *	this one; absent if there were none
 */
enum kvlane_netlink_event {
	KVLANE_A_EVENT_PAD = 1,
	KVLANE_A_EVENT_VM,
	KVLANE_A_EVENT_PID,
	KVLANE_A_EVENT_DEVICE,
	KVLANE_A_EVENT_DEVICE_TYPE,
	KVLANE_A_EVENT_TYPE,
	KVLANE_A_EVENT_QUEUE,
	KVLANE_A_EVENT_REASON,
	KVLANE_A_EVENT_ERROR,
	KVLANE_A_EVENT_TIME,
	KVLANE_A_EVENT_VALUE,
	KVLANE_A_EVENT_OMITTED,
	/* private: */
	__KVLANE_A_EVENT_MAX,
	KVLANE_A_EVENT_MAX = __KVLANE_A_EVENT_MAX - 1,
};

#endif /* _UAPI_LINUX_KVLANE_NETLINK_H */
