/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_KVM_H
#define VMRUN_KVM_H

#include "memory.h"

#include <stdbool.h>

/**
 * struct kvm - KVM and the VM made with it
 * @sys: /dev/kvm
 * @vm: the VM
 * @run_size: bytes to map of a vCPU's descriptor
 * @any_length: an ioeventfd may match writes of any length
 */
struct kvm {
	int sys;
	int vm;
	int run_size;
	bool any_length;
};

/**
 * struct kvm_need - something KVM must be able to do
 */
struct kvm_need {
	int cap;
	const char *name;
};

/**
 * kvm_needs - what vmrun needs of KVM, ended by an entry without name
 */
extern const struct kvm_need kvm_needs[];

/**
 * kvm_open_errno() - open /dev/kvm and look at its API version
 * @mend: if it fails, what to do about it
 * Return: the descriptor, or a negative errno (-EPROTO for another API).
 */
int kvm_open_errno(const char **mend);

/**
 * kvm_create() - open KVM and make a VM with irqchip and timer
 *
 * Exits with STATUS_USAGE and one line if that is not possible.
 */
void kvm_create(struct kvm *kvm);

/**
 * kvm_add_memory() - give guest memory to the VM
 */
void kvm_add_memory(struct kvm *kvm, const struct memory *memory);

#endif
