/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices assigned with VFIO: QEMU's "edu", which copies what it is told to.
 */
#ifndef KVLANE_TEST_VFIO_H
#define KVLANE_TEST_VFIO_H

#include <stddef.h>
#include <stdint.h>

/** define VFIO_MOST - most edu devices that are looked for */
#define VFIO_MOST	8

/** define EDU_BUFFER - bytes of memory of the device */
#define EDU_BUFFER	4096

/**
 * struct vfio - a device
 * @bdf: its address
 * @group_id: its IOMMU group
 * @container: VFIO's container
 * @group: the group's descriptor
 * @device: the device's descriptor
 * @own: @container is to be closed with the device
 * @regs: its registers
 */
struct vfio {
	char bdf[16];
	int group_id;
	int container;
	int group;
	int device;
	int own;
	volatile uint8_t *regs;
};

/**
 * vfio_find() - find the edu devices, and have VFIO's driver bind them
 * @found: filled in with addresses and groups, VFIO_MOST of them at most
 *
 * Return: how many there are, or a negative errno.
 */
int vfio_find(struct vfio *found);

/**
 * vfio_open() - open a device
 * @v: from vfio_find()
 * @with: a device whose container it is to share, and whose group if it is the same;
 *	NULL for a container of its own
 *
 * Return: 0 or a negative errno.
 */
int vfio_open(struct vfio *v, const struct vfio *with);

/**
 * vfio_close() - close every descriptor that is still open
 * @v: the device; a caller that closes one of its own accord sets it to -1
 */
void vfio_close(struct vfio *v);

/**
 * vfio_unbind() - take the device from VFIO's driver; waits until nobody uses it
 * @v: the device
 *
 * Return: 0 or a negative errno.
 */
int vfio_unbind(const struct vfio *v);

/**
 * edu_read() - have the device read memory into its buffer
 * @v: an open device
 * @iova: address, as the device sees it
 * @size: bytes, at most EDU_BUFFER
 */
void edu_read(struct vfio *v, uint64_t iova, size_t size);

/**
 * edu_write() - have the device write its buffer to memory
 * @v: an open device
 * @iova: address, as the device sees it
 * @size: bytes, at most EDU_BUFFER
 */
void edu_write(struct vfio *v, uint64_t iova, size_t size);

#endif
