/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device for vDPA, and a process that has it open as QEMU has: by /dev/vhost-vdpa-N.
 */
#ifndef KVLANE_TEST_VDPA_H
#define KVLANE_TEST_VDPA_H

#include <linux/vhost.h>

#include "device.h"

/** define VDPA_PLATFORM - what every driver that comes by vDPA accepts */
#define VDPA_PLATFORM	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM))

/** define VDPA_PATH - room for the name of a character device */
#define VDPA_PATH	64

/**
 * struct vdpa - the device and its user
 * @d: the module's descriptor of it, and the queues
 * @fd: vhost-vdpa's; -1 if it is not open
 * @asid: address space in which vdpa_map() maps
 * @name: what vDPA calls it
 */
struct vdpa {
	struct device d;
	int fd;
	uint32_t asid;
	char name[KVLANE_VDPA_NAME_LEN];
};

/**
 * vdpa_available() - can devices be added and opened here?
 *
 * Return: whether there are the module vhost_vdpa, which is loaded, and the program vdpa.
 */
bool vdpa_available(void);

/**
 * vdpa_create() - make a device, without adding it to vDPA
 * @v: filled in
 * @g: memory of its user
 * @type: VIRTIO_ID_BLOCK or VIRTIO_ID_RNG
 * @nr_queues: virtqueues
 *
 * Return: 0 or a negative errno.
 */
int vdpa_create(struct vdpa *v, struct guest *g, uint32_t type, unsigned int nr_queues);

/**
 * vdpa_add() - "vdpa dev add" for a device that has a back end
 * @v: the device
 * @more: more arguments, or ""
 *
 * Return: exit status of the command.
 */
int vdpa_add(struct vdpa *v, const char *more);

/**
 * vdpa_del() - "vdpa dev del"
 * @v: the device; not open
 *
 * Return: exit status of the command.
 */
int vdpa_del(struct vdpa *v);

/**
 * vdpa_let_go() - take a device from its driver
 * @v: an added device
 * @driver: that driver
 * @next: the only one that may have it afterwards
 *
 * Return: 0 or a negative errno; -ENODEV if that driver did not have it, and @next can have
 * it all the same.
 */
int vdpa_let_go(struct vdpa *v, const char *driver, const char *next);

/**
 * vdpa_bind() - give a device to a driver
 * @v: an added device that has none
 * @driver: which
 *
 * Return: 0 or a negative errno.
 */
int vdpa_bind(struct vdpa *v, const char *driver);

/**
 * vdpa_path() - the name of the character device
 * @v: an added device
 * @path: filled in
 */
void vdpa_path(const struct vdpa *v, char path[VDPA_PATH]);

/**
 * vdpa_open() - open the character device
 * @v: an added device
 *
 * Return: 0 or a negative errno.
 */
int vdpa_open(struct vdpa *v);

/**
 * vdpa_map() - map memory of this process, or take it out
 * @v: an open device that has an owner
 * @iova: where
 * @size: bytes
 * @at: the memory, or NULL to take it out
 *
 * Return: 0 or a negative errno.
 */
int vdpa_map(struct vdpa *v, uint64_t iova, uint64_t size, void *at);

/**
 * vdpa_map_guest() - map all memory of the guest
 * @v: an open device that has an owner
 *
 * Return: 0 or a negative errno.
 */
int vdpa_map_guest(struct vdpa *v);

/**
 * vdpa_negotiate() - from reset to FEATURES_OK
 * @v: an open device
 * @features: to accept
 *
 * Return: 0 or a negative errno.
 */
int vdpa_negotiate(struct vdpa *v, uint64_t features);

/**
 * vdpa_queue() - give the device a queue's ring and eventfds
 * @v: an open device, after vdpa_negotiate()
 * @index: which
 *
 * Return: 0 or a negative errno.
 */
int vdpa_queue(struct vdpa *v, unsigned int index);

/**
 * vdpa_queue_from() - the same with a ring that another device had before
 * @v: an open device, after vdpa_negotiate()
 * @vq: the ring
 * @base: where the other has left off, as VHOST_GET_VRING_BASE says it
 *
 * Return: 0 or a negative errno.
 */
int vdpa_queue_from(struct vdpa *v, struct vq *vq, unsigned int base);

/**
 * vdpa_start() - all of the above after vdpa_open(), and DRIVER_OK
 * @v: an open device
 *
 * Return: 0 or a negative errno.
 */
int vdpa_start(struct vdpa *v);

/**
 * vdpa_start_with() - the same with features
 * @v: an open device
 * @features: to accept beside VDPA_PLATFORM
 *
 * Return: 0 or a negative errno.
 */
int vdpa_start_with(struct vdpa *v, uint64_t features);

/**
 * vdpa_status() - the device status
 * @v: an open device
 */
uint8_t vdpa_status(struct vdpa *v);

/**
 * vdpa_set_status() - write the device status
 * @v: an open device
 * @status: what
 *
 * Return: 0 or a negative errno.
 */
int vdpa_set_status(struct vdpa *v, uint8_t status);

/**
 * vdpa_ioctl() - any call of vhost-vdpa's
 * @v: an open device
 * @request: which
 * @arg: its argument
 *
 * Return: 0 or a negative errno.
 */
int vdpa_ioctl(struct vdpa *v, unsigned long request, void *arg);

/**
 * vdpa_shut() - close the character device
 * @v: the device
 */
void vdpa_shut(struct vdpa *v);

/**
 * vdpa_close() - close everything, and delete it
 * @v: the device; may be created in part
 */
void vdpa_close(struct vdpa *v);

#endif
