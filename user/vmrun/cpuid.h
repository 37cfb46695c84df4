/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CPUID_H
#define VMRUN_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#define CPUID_MAX_ENTRIES 256

struct cpuid;

/**
 * cpuid_create() - what the guest's processors say they are
 * @sys: /dev/kvm
 * @cpus: how many processors the guest has
 * @pv_eoi: let it end interrupts without an exit, as far as KVM can
 *
 * All that KVM supports on this host, with the guest's own topology (one
 * package, one thread per core), less nested virtualization.
 */
struct cpuid *cpuid_create(int sys, unsigned int cpus, bool pv_eoi);

/**
 * cpuid_phys_bits() - width of the guest's physical addresses
 */
unsigned int cpuid_phys_bits(const struct cpuid *cpuid);

/**
 * cpuid_has_xsave() - whether the guest has extended states
 */
bool cpuid_has_xsave(const struct cpuid *cpuid);

/**
 * cpuid_has_la57() - whether the guest has page tables of five levels
 */
bool cpuid_has_la57(const struct cpuid *cpuid);

/**
 * cpuid_apply() - set it on a vCPU
 * @fd: the vCPU
 * @apic_id: its number
 * Return: 0 or a negative errno.
 */
int cpuid_apply(struct cpuid *cpuid, int fd, unsigned int apic_id);

/**
 * cpuid_set_tsc_khz() - the frequency that leaf 0x40000010 tells
 */
void cpuid_set_tsc_khz(struct cpuid *cpuid, unsigned int khz);

#endif
