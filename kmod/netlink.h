/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_NETLINK_H
#define KVLANE_NETLINK_H

#include <linux/types.h>

struct kvlane_device;
struct kvlane_event;

int kvlane_netlink_init(void);
void kvlane_netlink_exit(void);
bool kvlane_netlink_wanted(const struct kvlane_device *dev);
void kvlane_netlink_send(const struct kvlane_device *dev,
			 const struct kvlane_event *event, u32 omitted);

#endif
