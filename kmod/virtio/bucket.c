// SPDX-License-Identifier: GPL-2.0-only
#include "bucket.h"

/* When the next request may begin; 0 for always. */
static u64 kvlane_bucket_ready(const struct kvlane_bucket *bucket)
{
	if (!bucket->rate || bucket->empty_ns <= bucket->slack_ns)
		return 0;
	return bucket->empty_ns - bucket->slack_ns;
}

/* No overflow: fewer than 2^33 units are 2^63 ns at most. */
static void kvlane_bucket_charge(struct kvlane_bucket *bucket, u64 units, u64 now)
{
	if (!bucket->rate)
		return;
	if (bucket->empty_ns < now) {
		bucket->empty_ns = now;
		bucket->rest = 0;
	}
	bucket->empty_ns += div64_u64_rem(units * NSEC_PER_SEC + bucket->rest,
					  bucket->rate, &bucket->rest);
	bucket->empty_ns = min(bucket->empty_ns, now + KVLANE_BUCKET_MOST_NS);
}

/* How full the bucket is stays what it was, but no fuller than full. */
static void kvlane_bucket_set(struct kvlane_bucket *bucket, u64 rate, u64 slack_ns,
			      u64 now)
{
	bucket->rate = rate;
	bucket->slack_ns = slack_ns;
	bucket->rest = 0;
	if (!rate)
		bucket->empty_ns = 0;
	else if (bucket->empty_ns > now + slack_ns)
		bucket->empty_ns = now + slack_ns;
}

/*
 * The time in which the average takes in what a burst goes beyond it:
 * (burst / rate - 1) times its length.
 */
static u64 kvlane_meter_slack(const struct kvlane_rate *rate)
{
	u64 length_ns = (u64)rate->burst_ms * NSEC_PER_MSEC;
	u64 whole, rest;

	if (!rate->burst)
		return KVLANE_BUCKET_SLACK_NS;
	whole = div64_u64_rem(rate->burst - rate->rate, rate->rate, &rest);
	return whole * length_ns +
	       mul_u64_u64_div_u64(rest, length_ns, rate->rate) +
	       KVLANE_BUCKET_SLACK_NS;
}

/**
 * kvlane_meter_check - is it a limit that can be kept?
 * @rate: from user space
 *
 * Return: 0 or -EINVAL.
 */
int kvlane_meter_check(const struct kvlane_rate *rate)
{
	if (rate->reserved || rate->rate > KVLANE_MAX_RATE ||
	    rate->burst > KVLANE_MAX_RATE || rate->burst_ms > KVLANE_MAX_BURST_MS)
		return -EINVAL;
	if (!rate->burst)
		return rate->burst_ms ? -EINVAL : 0;
	if (!rate->rate || !rate->burst_ms || rate->burst <= rate->rate ||
	    rate->burst > rate->rate * KVLANE_MAX_BURST_RATIO)
		return -EINVAL;
	return 0;
}

/**
 * kvlane_meter_set - change a limit
 * @meter: the limit
 * @rate: what it is from now on, checked
 * @now: the time
 */
void kvlane_meter_set(struct kvlane_meter *meter, const struct kvlane_rate *rate,
		      u64 now)
{
	kvlane_bucket_set(&meter->average, rate->rate, kvlane_meter_slack(rate), now);
	kvlane_bucket_set(&meter->peak, rate->burst, KVLANE_BUCKET_SLACK_NS, now);
}

/**
 * kvlane_meter_ready - when may the next request begin?
 * @meter: the limit
 *
 * Return: the time, perhaps one that has gone by.
 */
u64 kvlane_meter_ready(const struct kvlane_meter *meter)
{
	u64 average = kvlane_bucket_ready(&meter->average);
	u64 peak = kvlane_bucket_ready(&meter->peak);

	return max_t(u64, average, peak);
}

/**
 * kvlane_meter_charge - a request begins, or is more than it looked
 * @meter: the limit; for one that begins, it is ready
 * @units: how much the request is, below 2^33
 * @now: the time
 */
void kvlane_meter_charge(struct kvlane_meter *meter, u64 units, u64 now)
{
	kvlane_bucket_charge(&meter->average, units, now);
	kvlane_bucket_charge(&meter->peak, units, now);
}
