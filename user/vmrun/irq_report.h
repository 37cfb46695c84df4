/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_IRQ_REPORT_H
#define VMRUN_IRQ_REPORT_H

#include <jansson.h>

struct machine;

/**
 * irq_report() - how interrupts get to the guest
 *
 * Documentation/vmrun.rst describes the members.
 */
json_t *irq_report(const struct machine *machine);

/**
 * irq_report_print() - print what irq_report() made, for people
 */
void irq_report_print(const json_t *report);

#endif
