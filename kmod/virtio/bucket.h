/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A rate, kept exactly.
 *
 * A bucket that fills as requests begin and drains at the rate. What is kept of it
 * is the time when it will be empty: a request of so many units moves that on by
 * what they take at the rate, and may begin once it is no further away than the
 * slack. Time is not counted in ticks, and the remainder of each division is
 * carried on, so nothing is lost however small the units or odd the rate. Nor is
 * it by being late: whoever comes late, by up to the slack, finds the bucket so
 * much emptier.
 *
 * No lock, no clock and no kernel here: times are handed in, and the unit tests
 * run through hours of them.
 */
#ifndef KVLANE_BUCKET_H
#define KVLANE_BUCKET_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>
#else
#include "shim.h"
#endif
#include <linux/kvlane.h>

/**
 * define KVLANE_BUCKET_SLACK_NS - how late a request may be and not lose by it
 *
 * Ten times what a timer and the scheduler are late by on a busy host; one
 * hundredth of the ten seconds after which a rate should be what was asked for.
 */
#define KVLANE_BUCKET_SLACK_NS	(100 * NSEC_PER_MSEC)

/**
 * define KVLANE_BUCKET_MOST_NS - how far from empty a bucket can be
 *
 * More than a century, and small enough that what comes on top does not overflow.
 */
#define KVLANE_BUCKET_MOST_NS	BIT_ULL(62)

/**
 * struct kvlane_bucket - a rate and how far it is used up
 * @rate: units in a second, 0 for no limit
 * @slack_ns: how far ahead of now @empty_ns may be for a request to begin
 * @empty_ns: when the bucket will be empty
 * @rest: what @empty_ns leaves out, in units of 1 / @rate ns
 */
struct kvlane_bucket {
	u64 rate;
	u64 slack_ns;
	u64 empty_ns;
	u64 rest;
};

/**
 * struct kvlane_meter - a limit of a throttle, with its burst
 * @average: the rate, with as much slack as a burst takes
 * @peak: the rate of a burst
 *
 * Both hold. So after a rest requests go at the rate of the burst, until the
 * slack of the average is used up.
 */
struct kvlane_meter {
	struct kvlane_bucket average;
	struct kvlane_bucket peak;
};

int kvlane_meter_check(const struct kvlane_rate *rate);
void kvlane_meter_set(struct kvlane_meter *meter, const struct kvlane_rate *rate,
		      u64 now);
u64 kvlane_meter_ready(const struct kvlane_meter *meter);
void kvlane_meter_charge(struct kvlane_meter *meter, u64 units, u64 now);

#endif
