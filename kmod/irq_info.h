/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_IRQ_INFO_H
#define KVLANE_IRQ_INFO_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "vm.h"

struct file;

const unsigned long *kvlane_irq_inhibits(const struct file *kvm);
long kvlane_irq_info(struct kvlane_vm *vm, void __user *argp);

/**
 * kvlane_irq_posts - would an interrupt reach the guest without an exit?
 * @vm: the guest
 *
 * For any context.
 *
 * Return: true if so; it may not be true any more a moment later.
 */
static inline bool kvlane_irq_posts(const struct kvlane_vm *vm)
{
	return vm->inhibits && !READ_ONCE(*vm->inhibits);
}

#endif
