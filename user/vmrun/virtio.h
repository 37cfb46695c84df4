/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_VIRTIO_H
#define VMRUN_VIRTIO_H

#include "lanes.h"
#include "loop.h"
#include "msix.h"
#include "pci.h"

#include <linux/kvlane.h>

struct device_shape;
struct throttle;

/* The first BAR: the module's register window, then MSI-X on pages of its own. */
#define VIRTIO_BAR 0
#define VIRTIO_MSIX_TABLE KVLANE_WINDOW_SIZE
#define VIRTIO_MSIX_PENDING (KVLANE_WINDOW_SIZE + 0x1000)
#define VIRTIO_BAR_SIZE (KVLANE_WINDOW_SIZE + 0x4000)

#define VIRTIO_QUEUE_SIZE 256

/**
 * struct virtio - a virtio device: PCI here, everything else in the module
 * @pci: the PCI function
 * @name: for messages and statistics, "disk0"
 * @source: what is behind it
 * @type: virtio device type
 * @fd: the module's descriptor
 * @queues: number of virtqueues
 * @kicks: an eventfd per queue, signalled by KVM when the guest notifies
 * @line: an eventfd, signalled by the module for the interrupt line
 * @line_lock: guards the next three
 * @line_wanted: the module has signalled @line, and the guest has not read the ISR status
 * @line_off: the guest has switched the line off, or has messages instead
 * @line_up: the device holds its interrupt line up
 * @pci_cfg: where the VIRTIO_PCI_CAP_PCI_CFG capability is
 * @on_event: called in the main thread for each event of the module's; returns
 *	true if there is no need to tell a person. May be NULL.
 * @owner: for @on_event
 * @throttle: what its requests wait for once @is_throttled; NULL if they never do
 * @is_throttled: the module has been told
 * @lanes: what its lanes were told
 */
struct virtio {
	struct pci_device pci;
	struct machine *machine;
	char name[16];
	const char *source;
	unsigned int type;
	int fd;
	unsigned int queues;
	int kicks[KVLANE_MAX_QUEUES];
	struct msix msix;
	unsigned int msix_cap;
	unsigned int pci_cfg;
	pthread_mutex_t line_lock;
	bool line_wanted;
	bool line_off;
	bool line_up;
	struct watch line;
	struct watch events;
	bool (*on_event)(struct virtio *virtio, const struct kvlane_event *event);
	void *owner;
	struct throttle *throttle;
	bool is_throttled;
	struct lanes_setting lanes;
};

/**
 * virtio_create() - a device of the module's, plugged in
 * @name: must be unique
 * @source: path of what is behind it, or a word for it
 * @backend: what serves its requests
 *
 * Exits with one line if that fails.
 */
struct virtio *virtio_create(struct machine *machine, const char *name, const char *source,
			     const struct device_shape *shape,
			     const struct kvlane_backend *backend);

/**
 * virtio_reset() - as after power-on, for all a driver can see
 */
void virtio_reset(struct virtio *virtio);

#endif
