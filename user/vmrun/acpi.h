/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_ACPI_H
#define VMRUN_ACPI_H

#include "memory.h"

/**
 * acpi_load() - write the ACPI tables into guest memory
 * @cpus: number of processors
 * @window: first address of the 64-bit PCI window
 * @window_size: its bytes
 * Return: guest address of the root pointer.
 */
uint64_t acpi_load(const struct memory *memory, unsigned int cpus, uint64_t window,
		   uint64_t window_size);

#endif
