/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_ASSIGN_H
#define VMRUN_ASSIGN_H

#include "config.h"
#include "loop.h"
#include "msix.h"
#include "pci.h"
#include "vfio.h"

#include <jansson.h>

struct assigned;

/**
 * struct assigned_bar - a BAR or the ROM of a device
 * @device: whose
 * @index: its number
 * @region: where it is
 * @map: where it is mapped here, or a copy of a ROM; NULL if each access goes through VFIO
 * @hole: pages of it that hold the MSI-X table, which the guest's accesses leave for;
 *	first and end, in bytes
 * @slots: KVM's slots of what comes before the hole and after it
 */
struct assigned_bar {
	struct assigned *device;
	unsigned int index;
	struct vfio_region region;
	uint8_t *map;
	uint64_t hole[2];
	unsigned int slots[2];
};

/**
 * enum assigned_irq - which kind of interrupt is in use
 */
enum assigned_irq {
	ASSIGNED_NONE,
	ASSIGNED_LINE,
	ASSIGNED_MSI,
	ASSIGNED_MSIX,
};

/**
 * struct assigned - a device of the host's in the guest
 * @vfio: what VFIO knows of it
 * @name: "vfio0"
 * @config: where its configuration space is
 * @emulated: bytes of that which are answered here, not by the device
 * @extended: what of it is past the first 256 bytes, nothing or the capability with the
 *	device's serial number
 * @bars: its memory and ports, and its ROM
 * @irq: the interrupt that is in use
 * @line: eventfds: the line was raised; the guest has seen to it
 * @msix: its vectors; of MSI the first one
 * @msi_cap: where the capability is, 0 if there is none
 * @msix_cap: the same of MSI-X
 * @express_cap: the same of PCI Express
 * @command: what the guest has in the command register
 * @control: what it has in the device control register of PCI Express
 * @table: offset of the MSI-X table in its BAR
 * @pending: offset of its pending bits, in BAR @pending_bar
 * @error: an eventfd: the device has reported an error
 * @request: an eventfd: the host wants it back
 */
struct assigned {
	struct machine *machine;
	struct pci_device pci;
	struct vfio_device vfio;
	char name[16];
	struct vfio_region config;
	uint8_t emulated[PCI_CONFIG_SIZE];
	uint32_t extended[3];
	struct assigned_bar bars[PCI_BARS];
	enum assigned_irq irq;
	int line[2];
	struct msix msix;
	unsigned int msi_cap;
	unsigned int msix_cap;
	unsigned int express_cap;
	uint16_t command;
	uint16_t control;
	unsigned int table_bar;
	uint64_t table;
	unsigned int pending_bar;
	uint64_t pending;
	struct watch error;
	struct watch request;
};

/**
 * struct assignment - all of a guest's
 * @devices: the devices
 * @count: how many
 * @container: VFIO's
 * @iommu: the module's object that has guest memory in their IOMMUs
 * @kvm: KVM's device that knows of them
 * @failed: one has reported an error; the guest waits to be resumed
 */
struct assignment {
	struct assigned devices[MAX_VFIO];
	unsigned int count;
	int container;
	int iommu;
	int kvm;
	bool failed;
};

/**
 * assign_look() - see that the host lets devices go; exits with one line if not
 */
void assign_look(struct machine *machine);

/**
 * assign_plug() - put them into the guest, with all its memory in their IOMMUs
 */
void assign_plug(struct machine *machine);

/**
 * assign_reset() - the guest restarts: no DMA, no interrupts, and reset
 */
void assign_reset(struct machine *machine);

/**
 * assign_recover() - go on after an error, once the host has the devices well again
 * Return: NULL, or a device that does not answer yet, nothing having changed.
 */
const struct assigned *assign_recover(struct machine *machine);

/**
 * assign_stop() - let go of them all
 */
void assign_stop(struct machine *machine);

/**
 * assign_report() - the devices, and how memory is mapped for them; for vmrun stat
 * Return: a JSON object, or null.
 */
json_t *assign_report(struct machine *machine);

/* assign_irq.c */

/**
 * assign_irq_init() - find the interrupts among the capabilities
 */
void assign_irq_init(struct assigned *a);

/**
 * assign_irq_start() - have the line, if there is one
 */
void assign_irq_start(struct assigned *a);

/**
 * assign_irq_stop() - have none
 */
void assign_irq_stop(struct assigned *a);

/**
 * assign_irq_renew() - have the same again, which the device has forgotten
 */
void assign_irq_renew(struct assigned *a);

/**
 * assign_irq_written() - the guest wrote to the configuration space
 */
void assign_irq_written(struct assigned *a, unsigned int offset, unsigned int len);

/**
 * assign_irq_access() - the guest accesses a BAR
 * Return: false if that is not about interrupts.
 */
bool assign_irq_access(struct assigned *a, unsigned int bar, uint64_t offset, void *data,
		       unsigned int len, bool is_write);

#endif
