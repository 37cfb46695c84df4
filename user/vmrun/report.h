/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_REPORT_H
#define VMRUN_REPORT_H

#include <jansson.h>

struct machine;

/**
 * report_summary() - the VM in a few words, for "vmrun list"
 */
json_t *report_summary(struct machine *machine);

/**
 * report_type_name() - short name of a virtio device type, such as "blk"
 */
const char *report_type_name(unsigned int type);

/**
 * report_create() - all that is known about the VM and its devices
 *
 * Documentation/vmrun.rst describes the members.
 */
json_t *report_create(struct machine *machine);

/**
 * report_prepare() - open what reports need, while that is possible
 *
 * Exits with STATUS_USAGE and one line if --stats-at-exit cannot be written.
 */
void report_prepare(struct machine *machine);

/**
 * report_write() - write report_create() for --stats-at-exit; says so if that fails
 */
void report_write(struct machine *machine);

#endif
