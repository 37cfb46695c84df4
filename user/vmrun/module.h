/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_MODULE_H
#define VMRUN_MODULE_H

#include "memory.h"

#include <linux/kvlane.h>
#include <stddef.h>

/**
 * struct module - the kernel module
 * @fd: /dev/kvlane, for the set-up; valid if @vm is
 * @vm: its side of the VM; -1 while no device needs it
 */
struct module {
	int fd;
	int vm;
	struct kvlane_info info;
};

/**
 * module_open() - open /dev/kvlane and ask what it can do
 * @mend: if it fails, what to do about it
 * Return: the descriptor, or a negative errno (-EPROTO for another API).
 */
int module_open(struct kvlane_info *info, const char **mend);

/**
 * module_attach() - tell the module about the VM and its memory
 *
 * Exits with STATUS_USAGE and one line if that is not possible.
 */
void module_attach(struct module *module, int kvm_vm, const struct memory *memory);

/**
 * struct device_shape - what a device is made like
 * @type: virtio device type
 * @queues: number of virtqueues
 * @lane_queues: so many neighbours of them share a thread; 0 for none
 * @no_packed: with split rings only
 */
struct device_shape {
	unsigned int type;
	unsigned int queues;
	unsigned int lane_queues;
	bool no_packed;
};

/**
 * module_features() - the virtio feature bits that a device may offer
 */
uint64_t module_features(const struct device_shape *shape);

/**
 * module_device() - make a device; exits with one line if that fails
 * @name: for the message
 * Return: its descriptor.
 */
int module_device(struct module *module, const char *name, const struct device_shape *shape,
		  unsigned int queue_size);

/**
 * module_throttle() - make a throttle without limits; exits with one line if that fails
 * @name: for the message
 * Return: its descriptor.
 */
int module_throttle(struct module *module, const char *name);

/**
 * module_event_text() - say an event in words
 * Return: @buf.
 */
const char *module_event_text(const struct kvlane_event *event, char *buf, size_t len);

#endif
