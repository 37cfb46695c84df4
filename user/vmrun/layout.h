/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are in the guest's physical address space.
 *
 *	00000000	RAM, up to 3 GiB
 *	c0000000	32-bit PCI window, 512 MiB
 *	e0000000	PCI Express configuration space, 256 MiB
 *	fec00000	I/O APIC
 *	fee00000	local APICs
 *	fffbc000	pages KVM needs on older Intel processors
 *	100000000	the rest of RAM
 *	...		64-bit PCI window: above RAM, on a multiple of 64 GiB
 *
 * The two parts of RAM lie one behind the other in the memory file, so file
 * offset, host address and guest address agree modulo 1 GiB.
 */
#ifndef VMRUN_LAYOUT_H
#define VMRUN_LAYOUT_H

#define RAM_LOW_MAX	0xc0000000ULL
#define RAM_HIGH_BASE	0x100000000ULL

#define PCI_MMIO32_BASE	0xc0000000ULL
#define PCI_MMIO32_SIZE	0x20000000ULL
#define PCI_ECAM_BASE	0xe0000000ULL
#define PCI_ECAM_SIZE	0x10000000ULL
/*
 * The last bus number there is, in the DSDT too.  Linux reads a register of all
 * 32 slots of every bus the firmware tells it about; 256 buses are 16384 exits.
 */
#define PCI_LAST_BUS	0
#define PCI_MMIO64_STEP	0x1000000000ULL

#define IOAPIC_BASE	0xfec00000ULL
#define LAPIC_BASE	0xfee00000ULL
#define KVM_IDENTITY_MAP 0xfffbc000ULL
#define KVM_TSS		0xfffbd000ULL

/* The first megabyte: what the boot code leaves there for the kernel. */
#define BOOT_GDT	0x00500ULL
#define BOOT_START_INFO	0x06000ULL
#define BOOT_PARAMS	0x07000ULL
#define BOOT_PAGES	0x09000ULL	/* seven pages of page tables */
#define BOOT_CMDLINE	0x20000ULL
#define BOOT_CMDLINE_MAX 0x10000ULL
#define RAM_BASE_END	0x9fc00ULL
#define ACPI_BASE	0xe0000ULL
#define ACPI_END	0x100000ULL
#define RAM_EXT_BASE	0x100000ULL

/* I/O ports. */
#define PORT_RTC	0x70
#define PORT_SERIAL	0x3f8
#define PORT_PM		0x600
#define PORT_PCI_ADDRESS 0xcf8
#define PORT_RESET	0xcf9
#define PORT_PCI_DATA	0xcfc
/* The PCI window, as the DSDT has it; BARs are placed from PORT_PCI_FIRST on. */
#define PORT_PCI_BASE	0xd00
#define PORT_PCI_END	0x10000
#define PORT_PCI_FIRST	0xc000

/* Interrupt lines (GSIs). 16 to 23 are the INTx lines of PCI devices. */
#define GSI_SERIAL	4
#define GSI_RTC		8
#define GSI_SCI		9
#define GSI_PCI_FIRST	16
#define GSI_PCI_COUNT	8
#define GSI_MSI_FIRST	24

#endif
