/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_MSIX_H
#define VMRUN_MSIX_H

#include "irq.h"

#include <linux/kvlane.h>

#define MSIX_ENTRY_SIZE 16

/**
 * struct msix_vector - an entry of the table
 * @address: where the message goes
 * @data: the message
 * @control: bit 0 masks it
 * @fd: an eventfd, signalled by the device
 * @gsi: its route
 * @attached: signals go to the guest; else they wait in the eventfd
 */
struct msix_vector {
	uint64_t address;
	uint32_t data;
	uint32_t control;
	int fd;
	unsigned int gsi;
	bool attached;
};

/**
 * struct msix - the interrupts of a PCI function (PCI Express 5.0, 7.7.2)
 * @enabled: MSI-X Enable
 * @masked: Function Mask
 */
struct msix {
	struct irq *irq;
	pthread_mutex_t lock;
	unsigned int count;
	bool enabled;
	bool masked;
	struct msix_vector vectors[KVLANE_MAX_VECTORS];
};

/**
 * msix_create() - exits with one line if there are no more eventfds
 */
void msix_create(struct msix *msix, struct irq *irq, unsigned int count);

/**
 * msix_control() - the guest wrote the control register
 */
void msix_control(struct msix *msix, bool enabled, bool masked);

/**
 * msix_reset() - disabled, every vector masked, nothing pending
 */
void msix_reset(struct msix *msix);

/**
 * msix_table() - the guest accesses the table
 */
void msix_table(struct msix *msix, uint64_t offset, void *data, unsigned int len, bool is_write);

/**
 * msix_pending() - the guest reads the pending bits
 */
void msix_pending(struct msix *msix, uint64_t offset, void *data, unsigned int len);

#endif
