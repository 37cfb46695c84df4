/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_HISTOGRAM_H
#define VMRUN_HISTOGRAM_H

#include <jansson.h>
#include <linux/kvlane.h>

/**
 * histogram_report() - add a histogram of the module's and its percentiles to an object
 * @name: the member "NAME_log2_us" gets the counts; "NAME_p50_us" and "NAME_p99_us" the
 *	upper bounds, in microseconds, of the buckets that half and 99 % of all reach, or
 *	null if nothing was counted
 */
void histogram_report(json_t *object, const char *name, const __u64 *buckets);

#endif
