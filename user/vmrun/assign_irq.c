// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of devices of the host: VFIO signals an eventfd, which KVM takes to the
 * guest, past this program.
 *
 * A device has one kind of interrupt at a time. The guest chooses by enabling MSI or
 * MSI-X in capabilities that are emulated here, for the messages in them are the guest's
 * and not the host's. With neither it has its line: VFIO masks it when it is raised, and
 * unmasks it when KVM has seen the guest's end of interrupt.
 *
 * All under the lock of the configuration space.
 */
#include "assign.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIN_A 1
/* With a 64-bit address and without, no vector being masked. */
#define MSI_SIZE_64 14
#define MSI_SIZE_32 10

static unsigned int gsi_of(const struct assigned *a)
{
	return GSI_PCI_FIRST + a->pci.slot % GSI_PCI_COUNT;
}

static int line_to_kvm(struct assigned *a, bool on)
{
	struct kvm_irqfd arg = {
		.fd = a->line[0],
		.gsi = gsi_of(a),
		.flags = on ? KVM_IRQFD_FLAG_RESAMPLE : KVM_IRQFD_FLAG_DEASSIGN,
		.resamplefd = a->line[1],
	};

	return ioctl(a->machine->kvm.vm, KVM_IRQFD, &arg) ? -errno : 0;
}

static int line_start(struct assigned *a)
{
	int err = line_to_kvm(a, true);

	if (err)
		return err;
	err = vfio_irq_set(&a->vfio, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
			   &a->line[0], 1);
	if (!err)
		err = vfio_irq_set(&a->vfio, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK,
				   &a->line[1], 1);
	if (err)
		line_to_kvm(a, false);
	return err;
}

static void line_stop(struct assigned *a)
{
	vfio_irq_set(&a->vfio, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, NULL, 0);
	line_to_kvm(a, false);
}

static int messages_start(struct assigned *a, unsigned int index, unsigned int count)
{
	int fds[KVLANE_MAX_VECTORS];

	for (unsigned int i = 0; i < count; i++)
		fds[i] = a->msix.vectors[i].fd;
	return vfio_irq_set(&a->vfio, index, VFIO_IRQ_SET_ACTION_TRIGGER, fds, count);
}

static void stop(struct assigned *a)
{
	switch (a->irq) {
	case ASSIGNED_LINE:
		line_stop(a);
		break;
	case ASSIGNED_MSI:
		vfio_irq_set(&a->vfio, VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, NULL,
			     0);
		msix_control(&a->msix, false, false);
		break;
	case ASSIGNED_MSIX:
		vfio_irq_set(&a->vfio, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, NULL,
			     0);
		msix_control(&a->msix, false, false);
		break;
	case ASSIGNED_NONE:
		break;
	}
	a->irq = ASSIGNED_NONE;
}

static void start(struct assigned *a, enum assigned_irq irq)
{
	int err = 0;

	switch (irq) {
	case ASSIGNED_LINE:
		err = line_start(a);
		break;
	case ASSIGNED_MSI:
		err = messages_start(a, VFIO_PCI_MSI_IRQ_INDEX, 1);
		break;
	case ASSIGNED_MSIX:
		err = messages_start(a, VFIO_PCI_MSIX_IRQ_INDEX, a->msix.count);
		break;
	case ASSIGNED_NONE:
		break;
	}
	if (err)
		say("%s (%s): the host gives no interrupts: %s", a->name, a->vfio.address,
		    strerror(-err));
	else
		a->irq = irq;
}

/* What the guest wants, by its capabilities. */
static enum assigned_irq wanted(const struct assigned *a)
{
	const uint8_t *config = a->pci.config;

	if (a->msix_cap &&
	    pci_get16(config + a->msix_cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE)
		return ASSIGNED_MSIX;
	if (a->msi_cap && pci_get16(config + a->msi_cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE)
		return ASSIGNED_MSI;
	return a->line[0] >= 0 ? ASSIGNED_LINE : ASSIGNED_NONE;
}

/* MSI is a vector of MSI-X that has its message in the capability. */
static void update_msi(struct assigned *a)
{
	const uint8_t *cap = a->pci.config + a->msi_cap;
	bool wide = pci_get16(cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT;
	uint32_t entry[4] = {
		pci_get32(cap + PCI_MSI_ADDRESS_LO),
		wide ? pci_get32(cap + PCI_MSI_ADDRESS_HI) : 0,
		pci_get16(cap + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32)),
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(entry); i++)
		msix_table(&a->msix, 4 * i, &entry[i], sizeof(entry[i]), true);
	msix_control(&a->msix, true, false);
}

static void update(struct assigned *a)
{
	enum assigned_irq irq = wanted(a);
	uint16_t flags;

	if (irq != a->irq) {
		stop(a);
		start(a, irq);
	}
	if (a->irq == ASSIGNED_MSI) {
		update_msi(a);
	} else if (a->irq == ASSIGNED_MSIX) {
		flags = pci_get16(a->pci.config + a->msix_cap + PCI_MSIX_FLAGS);
		msix_control(&a->msix, true, flags & PCI_MSIX_FLAGS_MASKALL);
	}
}

void assign_irq_written(struct assigned *a, unsigned int offset, unsigned int len)
{
	bool msi = a->msi_cap && offset < a->msi_cap + MSI_SIZE_64 &&
		   offset + len > a->msi_cap;
	bool msix = a->msix_cap && offset < a->msix_cap + PCI_CAP_MSIX_SIZEOF &&
		    offset + len > a->msix_cap;

	if (msi || msix)
		update(a);
}

bool assign_irq_access(struct assigned *a, unsigned int bar, uint64_t offset, void *data,
		       unsigned int len, bool is_write)
{
	if (!a->msix_cap)
		return false;
	if (bar == a->table_bar && offset >= a->table &&
	    offset < a->table + a->msix.count * MSIX_ENTRY_SIZE) {
		msix_table(&a->msix, offset - a->table, data, len, is_write);
		return true;
	}
	if (bar == a->pending_bar && offset >= a->pending &&
	    offset < a->pending + (a->msix.count + 63) / 64 * 8) {
		if (!is_write)
			msix_pending(&a->msix, offset - a->pending, data, len);
		return true;
	}
	return false;
}

/* One vector, and no mask for it: drivers manage with that. */
static void init_msi(struct assigned *a)
{
	uint8_t *cap = a->pci.config + a->msi_cap, *writable = a->pci.writable + a->msi_cap;
	uint16_t flags = pci_get16(cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT;
	unsigned int size = flags ? MSI_SIZE_64 : MSI_SIZE_32;

	memset(a->emulated + a->msi_cap, 1, size);
	memset(cap + PCI_MSI_ADDRESS_LO, 0, size - PCI_MSI_ADDRESS_LO);
	memset(writable, 0, size);
	pci_put16(cap + PCI_MSI_FLAGS, flags);
	pci_put16(writable + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
	pci_put32(writable + PCI_MSI_ADDRESS_LO, ~3U);
	if (flags)
		pci_put32(writable + PCI_MSI_ADDRESS_HI, ~0U);
	pci_put16(writable + (flags ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 0xffff);
}

static unsigned int init_msix(struct assigned *a)
{
	uint8_t *cap = a->pci.config + a->msix_cap, *writable = a->pci.writable + a->msix_cap;
	uint32_t table = pci_get32(cap + PCI_MSIX_TABLE), pending = pci_get32(cap + PCI_MSIX_PBA);
	unsigned int count = vfio_irqs(&a->vfio, VFIO_PCI_MSIX_IRQ_INDEX);

	if (count > KVLANE_MAX_VECTORS)
		count = KVLANE_MAX_VECTORS;
	a->table_bar = table & PCI_MSIX_TABLE_BIR;
	a->table = table & PCI_MSIX_TABLE_OFFSET;
	a->pending_bar = pending & PCI_MSIX_PBA_BIR;
	a->pending = pending & PCI_MSIX_PBA_OFFSET;
	memset(a->emulated + a->msix_cap, 1, PCI_CAP_MSIX_SIZEOF);
	memset(writable, 0, PCI_CAP_MSIX_SIZEOF);
	pci_put16(cap + PCI_MSIX_FLAGS, count - 1);
	pci_put16(writable + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	return count;
}

static void init_line(struct assigned *a)
{
	uint8_t *pin = a->pci.config + PCI_INTERRUPT_PIN;

	a->line[0] = -1;
	a->emulated[PCI_INTERRUPT_LINE] = 1;
	a->emulated[PCI_INTERRUPT_PIN] = 1;
	a->pci.writable[PCI_INTERRUPT_PIN] = 0;
	if (!*pin || !vfio_irqs(&a->vfio, VFIO_PCI_INTX_IRQ_INDEX))
		return;
	/* The only one that a slot has in the DSDT. */
	*pin = PIN_A;
	for (unsigned int i = 0; i < ARRAY_SIZE(a->line); i++) {
		a->line[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (a->line[i] < 0)
			fail(STATUS_USAGE, "%s: %s; raise ulimit -n", a->name, strerror(errno));
	}
}

void assign_irq_init(struct assigned *a)
{
	unsigned int count = 0;

	init_line(a);
	if (a->msi_cap) {
		init_msi(a);
		count = 1;
	}
	if (a->msix_cap)
		count = init_msix(a);
	if (count)
		msix_create(&a->msix, &a->machine->irq, count);
}

void assign_irq_renew(struct assigned *a)
{
	stop(a);
	update(a);
}

void assign_irq_start(struct assigned *a)
{
	update(a);
}

void assign_irq_stop(struct assigned *a)
{
	stop(a);
	if (a->msix.count)
		msix_reset(&a->msix);
}
