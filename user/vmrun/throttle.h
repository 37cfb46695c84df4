/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_THROTTLE_H
#define VMRUN_THROTTLE_H

#include "config.h"
#include "limit.h"

#include <jansson.h>
#include <stdbool.h>

struct machine;
struct virtio;

/* "VM/NAME", where NAME may be that of a network device. */
#define MAX_THROTTLE_PATH (MAX_NAME + 1 + MAX_NET_ID)

/**
 * struct throttle - a throttle of the module's
 * @name: of the one device it is for, of a group, or "VM/NAME" if it is another's
 * @kind: what its limits are called
 * @fd: the module's descriptor
 * @owner: the one device it is for, which goes by it only while there are limits; or NULL
 * @is_lent: another VM has got it, and may set limits
 */
struct throttle {
	char name[MAX_THROTTLE_PATH + 1];
	enum limits_kind kind;
	int fd;
	struct virtio *owner;
	bool is_lent;
};

/**
 * struct throttles - those of a VM
 */
struct throttles {
	struct throttle *list[MAX_THROTTLES + MAX_DISKS + MAX_NETS];
	unsigned int count;
};

/**
 * throttles_borrow() - get those of other VMs that devices are to share
 *
 * Exits with STATUS_USAGE and one line if there is no such VM or throttle.
 */
void throttles_borrow(struct machine *machine);

/**
 * throttles_create() - make those that --throttle asks for
 */
void throttles_create(struct machine *machine);

/**
 * throttle_plug() - give a new device its throttle
 * @kind: what its limits are called
 *
 * A device that shares none gets one of its own even if it has no limits so far, since
 * none can be made any more when it gets some.
 */
void throttle_plug(struct virtio *virtio, const struct throttle_config *config,
		   enum limits_kind kind);

/**
 * throttle_control() - "vmrun ctl NAME throttle"
 * @request: may have "device", the name of a device or throttle, and then "limits", an
 *	array of what limits_parse() takes, or of "off"
 * Return: an object with "throttles" as they are now, or with "error".
 */
json_t *throttle_control(struct machine *machine, const json_t *request);

/**
 * throttle_lend() - let another VM have a throttle
 * @name: of the throttle, or of a device
 * @wrong: why that is not possible
 * Return: the descriptor, which stays ours, or -1.
 */
int throttle_lend(struct machine *machine, const char *name, const char **wrong);

/**
 * throttle_name() - what a device goes by; null if nothing
 */
json_t *throttle_name(const struct virtio *virtio);

/**
 * throttles_report() - limits and counters, but of devices that have no limits
 */
json_t *throttles_report(struct machine *machine);

#endif
