/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_NOTIFY_H
#define VMRUN_NOTIFY_H

#include <stdbool.h>

struct machine;
struct virtio;

/* The BAR of the port that a driver notifies, if the device has one. */
#define NOTIFY_BAR 2
#define NOTIFY_BAR_SIZE 4

/**
 * enum notify_way - how a driver tells its device of new requests
 * @NOTIFY_AUTO: in the way that is cheaper on this host
 * @NOTIFY_PORT: by writing to an I/O port
 * @NOTIFY_MMIO: by writing to memory that is not there
 */
enum notify_way {
	NOTIFY_AUTO,
	NOTIFY_PORT,
	NOTIFY_MMIO,
};

/**
 * notify_by_port() - does a device get a port?
 * @way: what was asked for
 */
bool notify_by_port(enum notify_way way);

/**
 * notify_add_port() - give a device its port
 */
void notify_add_port(struct virtio *v);

/**
 * notify_catch() - have KVM pass notifications on to the module, or not any more
 * @bar: where it has moved
 * @mapped: to or from
 */
void notify_catch(struct virtio *v, unsigned int bar, bool mapped);

#endif
