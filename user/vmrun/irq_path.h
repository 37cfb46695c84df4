/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_IRQ_PATH_H
#define VMRUN_IRQ_PATH_H

#include <linux/kvlane.h>
#include <stdbool.h>

/**
 * enum irq_way - how an interrupt gets to a processor of the guest and is ended
 * @IRQ_WAY_UNKNOWN: the module does not tell
 * @IRQ_WAY_POSTED: the processor does both, by APICv or AVIC, without an exit
 * @IRQ_WAY_PV_EOI: an exit to inject it; it is ended in memory
 * @IRQ_WAY_PLAIN: an exit for each
 *
 * Each costs more than the one before.
 */
enum irq_way {
	IRQ_WAY_UNKNOWN,
	IRQ_WAY_POSTED,
	IRQ_WAY_PV_EOI,
	IRQ_WAY_PLAIN,
};

/**
 * struct irq_path - how interrupts get to a guest
 * @way: the one that costs most, of all its processors
 * @why: why it is not a better one
 */
struct irq_path {
	enum irq_way way;
	char why[1024];
};

/**
 * irq_path_choose() - how interrupts get to the guest, and why so
 * @vcpus: the guest's processors, info->num_vcpus of them
 * @offered: the guest is told that there is PV-EOI
 */
void irq_path_choose(struct irq_path *path, const struct kvlane_irq_info *info,
		     const struct kvlane_irq_vcpu *vcpus, bool offered);

/**
 * irq_path_of_vcpu() - how interrupts get to one processor
 */
enum irq_way irq_path_of_vcpu(const struct kvlane_irq_vcpu *vcpu);

/**
 * irq_path_name() - its name, such as "PV-EOI"
 */
const char *irq_path_name(enum irq_way way);

/**
 * irq_path_inhibit() - KVM's name of a reason not to use APICv or AVIC
 * @inhibit: enum kvlane_inhibit
 */
const char *irq_path_inhibit(unsigned int inhibit);

#endif
