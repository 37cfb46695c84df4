/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_REGISTERS_H
#define VMRUN_REGISTERS_H

#include "vcpu.h"

/**
 * registers_boot() - let the first processor start at the kernel's entry
 * Return: 0 or a negative errno.
 */
int registers_boot(struct vcpus *vcpus, const struct boot *boot);

/**
 * registers_memory_types() - what firmware would have set up, on every processor
 *
 * Memory is write-back, but for the gigabyte below 4 GiB.
 * Return: 0 or a negative errno.
 */
int registers_memory_types(struct vcpus *vcpus, struct vcpu *vcpu);

/**
 * registers_reset() - undo what a guest did to a processor
 * Return: 0 or a negative errno.
 */
int registers_reset(struct vcpus *vcpus, struct vcpu *vcpu);

#endif
