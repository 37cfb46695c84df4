/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_LIMIT_H
#define VMRUN_LIMIT_H

#include <linux/kvlane.h>
#include <stdbool.h>
#include <stddef.h>

/* Enough for limits_format(). */
#define LIMITS_TEXT 512

/**
 * enum limits_kind - whose limits, which decides what they are called
 * @LIMITS_DISK: iops, iops-read, iops-write, bps, bps-read, bps-write
 * @LIMITS_NET: pps, pps-in, pps-out, bps, bps-in, bps-out
 * @LIMITS_GROUP: all of these, and ops, ops-read, ops-write
 */
enum limits_kind {
	LIMITS_DISK,
	LIMITS_NET,
	LIMITS_GROUP,
};

/**
 * limits_parse() - take a limit such as "iops=500:2000:10"
 * @word: name and value, as on the command line
 * @limits: where it goes, indexed by enum kvlane_limit
 * @is_limit: false if @word does not begin with the name of a limit
 * Return: NULL, or what is wrong with the value, and the mend.
 */
const char *limits_parse(const char *word, enum limits_kind kind, struct kvlane_rate *limits,
			 bool *is_limit);

/**
 * limits_any() - whether there is any limit
 */
bool limits_any(const struct kvlane_rate *limits);

/**
 * limits_name() - what a limit is called
 */
const char *limits_name(enum kvlane_limit limit, enum limits_kind kind);

/**
 * limits_format() - write limits as limits_parse() takes them, separated by spaces
 * @buf: of LIMITS_TEXT bytes
 * Return: @buf; "none" if there is no limit.
 */
char *limits_format(const struct kvlane_rate *limits, enum limits_kind kind, char *buf);

#endif
