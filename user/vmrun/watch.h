/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_WATCH_H
#define VMRUN_WATCH_H

#include <jansson.h>

/**
 * watch_rates() - what happened between two reports of a VM
 *
 * Counters become what they grew by in a second; percentiles, those of what was
 * counted in between. The rest is as in @now.
 *
 * Return: a report of its own, with "seconds" between the two.
 */
json_t *watch_rates(const json_t *before, const json_t *now);

#endif
