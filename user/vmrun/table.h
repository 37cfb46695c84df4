/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_TABLE_H
#define VMRUN_TABLE_H

#include <jansson.h>

/**
 * table_vms() - print a list of report_summary() as a table
 */
void table_vms(const json_t *vms);

/**
 * table_report() - print report_create() as tables
 */
void table_report(const json_t *report);

/**
 * table_throttles() - print the "throttles" of a report
 */
void table_throttles(const json_t *throttles);

/**
 * table_lanes() - print the "lanes" of devices
 */
void table_lanes(const json_t *lanes);

/**
 * table_balloon() - print what a guest has lent, and how it is
 */
void table_balloon(const json_t *balloon);

#endif
