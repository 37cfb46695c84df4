/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_VFIO_H
#define VMRUN_VFIO_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "DDDD:BB:DD.F" and a NUL. */
#define VFIO_ADDRESS 13

/**
 * struct vfio_device - a PCI device of the host, held by VFIO
 * @address: where it is
 * @group: number of its IOMMU group
 * @group_fd: the group's descriptor
 * @fd: the device's
 * @can_reset: it can be reset on its own
 */
struct vfio_device {
	char address[VFIO_ADDRESS];
	int group;
	int group_fd;
	int fd;
	bool can_reset;
};

/**
 * struct vfio_region - part of a device: a BAR, its ROM, its configuration space
 * @size: bytes; 0 if there is none
 * @offset: where it begins in the device's descriptor
 * @can_map: it can be mapped
 */
struct vfio_region {
	uint64_t size;
	uint64_t offset;
	bool can_map;
};

/**
 * vfio_address_parse() - take "DDDD:BB:DD.F" or "BB:DD.F"
 * @address: of VFIO_ADDRESS bytes
 * Return: false if @text is neither.
 */
bool vfio_address_parse(const char *text, char *address);

/**
 * vfio_container() - VFIO's part of what keeps the guest's devices to its memory
 * Return: a descriptor; exits with one line if there is none to be had.
 */
int vfio_container(void);

/**
 * vfio_open() - take a device from the host; exits with one line if that fails
 * @device: @address is set
 * @container: from vfio_container()
 * @others: devices that are open already, of which one may have the same group
 * @nr_others: how many
 */
void vfio_open(struct vfio_device *device, int container, const struct vfio_device *others,
	       unsigned int nr_others);

/**
 * vfio_close() - give a device back; nothing of it is mapped any more
 *
 * Its group stays open: others may share it.
 */
void vfio_close(const struct vfio_device *device);

/**
 * vfio_is_open() - is a device open in this process?
 */
bool vfio_is_open(void);

/**
 * vfio_region() - where a part of a device is
 * @index: VFIO_PCI_BAR0_REGION_INDEX and so on
 */
struct vfio_region vfio_region(const struct vfio_device *device, unsigned int index);

/**
 * vfio_irqs() - how many interrupts of a kind there are
 * @index: VFIO_PCI_INTX_IRQ_INDEX and so on
 */
unsigned int vfio_irqs(const struct vfio_device *device, unsigned int index);

/**
 * vfio_irq_set() - have eventfds signalled for interrupts
 * @index: their kind
 * @action: VFIO_IRQ_SET_ACTION_TRIGGER, or _UNMASK for those that unmask one
 * @fds: eventfds for the first ones
 * @count: how many; 0 to have none any more
 * Return: 0 or a negative errno.
 */
int vfio_irq_set(const struct vfio_device *device, unsigned int index, unsigned int action,
		 const int *fds, unsigned int count);

/**
 * vfio_reset() - the device as it was when it was switched on
 *
 * Does nothing if it cannot be reset on its own.
 * Return: 0 or a negative errno.
 */
int vfio_reset(const struct vfio_device *device);

/* bind.c */

/**
 * bind_check() - see that VFIO has a device, or can take it from its driver
 * @wants: bind_take() is to take it
 *
 * Exits with one line if VFIO does not have it.
 */
void bind_check(const char *address, bool wants);

/**
 * bind_group() - the IOMMU group of a device; exits with one line if it has none
 */
int bind_group(const char *address);

/**
 * bind_obstacle() - what keeps a group from being used
 * @address: of a device in it
 * @text: which device and driver, if there is one
 */
void bind_obstacle(const char *address, char *text, size_t len);

/**
 * bind_take() - have VFIO take the devices that are to be taken, until this process has ended
 *
 * On exit() they are back before the process is gone, if vfio_close() has been called for all
 * that were open; else, and after kill -9, soon.
 */
void bind_take(void);

#endif
