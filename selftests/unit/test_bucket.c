// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rate limits, on a clock of the test's own: requests begin as soon as the limit
 * allows it, or late as they would where a timer and a scheduler are in between.
 */
#include "virtio/bucket.h"
#include "ktap.h"

#define START		(1000 * NSEC_PER_SEC)

/**
 * struct load - requests that come without an end
 * @seed: of sizes and delays
 * @late_ns: most that a request begins late if it had to wait
 * @unit: size of the smallest request
 * @sizes: how many sizes there are; a request is of 1 to @sizes times @unit
 */
struct load {
	u64 seed;
	u64 late_ns;
	u64 unit;
	u64 sizes;
};

static u64 draw(struct load *load, u64 below)
{
	load->seed = load->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return below ? (load->seed >> 33) % below : 0;
}

/* How many units begin from @from to @to. */
static u64 run(struct kvlane_meter *meter, struct load *load, u64 from, u64 to)
{
	u64 now = from, units = 0, size;

	for (;;) {
		if (kvlane_meter_ready(meter) > now)
			now = kvlane_meter_ready(meter) + draw(load, load->late_ns);
		if (now >= to)
			return units;
		size = load->unit * (1 + draw(load, load->sizes));
		kvlane_meter_charge(meter, size, now);
		units += size;
	}
}

static void set(struct kvlane_meter *meter, u64 rate, u64 burst, u32 burst_ms, u64 now)
{
	const struct kvlane_rate to = {
		.rate = rate,
		.burst = burst,
		.burst_ms = burst_ms,
	};

	EXPECT_EQ(kvlane_meter_check(&to), 0);
	kvlane_meter_set(meter, &to, now);
}

/* Is @got what @wanted says, within so many percent? */
static void expect_near(u64 got, u64 wanted, unsigned int percent)
{
	EXPECT(got * 100 >= wanted * (100 - percent));
	EXPECT(got * 100 <= wanted * (100 + percent));
}

/* Ten seconds from the first request on, whatever the rate. */
TEST(bucket_rates)
{
	static const u64 rates[] = { 10, 33, 100, 999, 1000, 7777, 65537, 100000, 3333333 };
	static const u64 late[] = { 0, 100000, 10000000, 90000000 };
	char name[64];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		for (j = 0; j < ARRAY_SIZE(late); j++) {
			struct load load = { i, late[j], 1, 1 };
			struct kvlane_meter meter = {};

			snprintf(name, sizeof(name), "%llu in a second, up to %llu ns late",
				 (unsigned long long)rates[i], (unsigned long long)late[j]);
			ktap_case = name;
			set(&meter, rates[i], 0, 0, START);
			expect_near(run(&meter, &load, START, START + 10 * NSEC_PER_SEC),
				    10 * rates[i], 3);
		}
	}
}

/* Bytes, in requests of sizes from a sector to 64 KiB. */
TEST(bucket_mixed_sizes)
{
	static const u64 rates[] = { 10000000, 104857600, 999999937, 20000000000 };
	char name[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		struct load load = { i, 1000000, 512, 128 };
		struct kvlane_meter meter = {};

		snprintf(name, sizeof(name), "%llu", (unsigned long long)rates[i]);
		ktap_case = name;
		set(&meter, rates[i], 0, 0, START);
		expect_near(run(&meter, &load, START, START + 10 * NSEC_PER_SEC),
			    10 * rates[i], 3);
	}
}

/* No remainder is lost in a day, at a rate no nanosecond divides. */
TEST(bucket_does_not_drift)
{
	const u64 rate = 997, day = 24 * 3600;
	struct load load = { 1, 1000000, 1, 1 };
	struct kvlane_meter meter = {};
	u64 units;

	set(&meter, rate, 0, 0, START);
	units = run(&meter, &load, START, START + day * NSEC_PER_SEC);
	EXPECT(units >= rate * day);
	EXPECT(units <= rate * day + rate / 10 + 1);
}

/* A large request is not split, and paid for by those behind it. */
TEST(bucket_large_request)
{
	struct kvlane_meter meter = {};

	set(&meter, 1000, 0, 0, START);
	EXPECT(kvlane_meter_ready(&meter) <= START);
	kvlane_meter_charge(&meter, 5000, START);
	EXPECT_EQ(kvlane_meter_ready(&meter),
		  START + 5 * NSEC_PER_SEC - KVLANE_BUCKET_SLACK_NS);
}

TEST(bucket_burst)
{
	struct load load = { 1, 100000, 1, 1 };
	struct kvlane_meter meter = {};
	u64 now = START;

	set(&meter, 100, 1000, 3000, START);
	expect_near(run(&meter, &load, now, now + 3 * NSEC_PER_SEC), 3000, 4);
	now += 3 * NSEC_PER_SEC;
	/* What is left of it: 100 ms of slack. */
	run(&meter, &load, now, now + NSEC_PER_SEC);
	now += NSEC_PER_SEC;
	expect_near(run(&meter, &load, now, now + 10 * NSEC_PER_SEC), 1000, 3);

	/* Half of the burst is there again after half the time it takes. */
	now += 10 * NSEC_PER_SEC + 27 * NSEC_PER_SEC / 2;
	expect_near(run(&meter, &load, now, now + 3 * NSEC_PER_SEC / 2), 1500, 8);
	now += 3 * NSEC_PER_SEC / 2 + NSEC_PER_SEC;
	run(&meter, &load, now, now + NSEC_PER_SEC);
	now += NSEC_PER_SEC;
	expect_near(run(&meter, &load, now, now + 10 * NSEC_PER_SEC), 1000, 3);
}

/* The largest numbers there are do not wrap. */
TEST(bucket_extremes)
{
	struct load load = { 1, 0, 0xffffffff, 1 };
	struct kvlane_meter meter = {};

	set(&meter, 1, KVLANE_MAX_BURST_RATIO, KVLANE_MAX_BURST_MS, START);
	EXPECT(kvlane_meter_ready(&meter) <= START);
	kvlane_meter_charge(&meter, 0x1ffffffffULL, START);
	EXPECT(kvlane_meter_ready(&meter) > START);

	set(&meter, KVLANE_MAX_RATE, 0, 0, START);
	expect_near(run(&meter, &load, START, START + 10 * NSEC_PER_SEC),
		    10 * KVLANE_MAX_RATE, 3);
}

/* However much is charged, time does not wrap around, and a new rate helps. */
TEST(bucket_far_too_much)
{
	struct kvlane_meter meter = {};
	u64 now = START, before = 0;
	int i;

	set(&meter, 1, 0, 0, now);
	for (i = 0; i < 16; i++) {
		kvlane_meter_charge(&meter, (1ULL << 33) - 1, now);
		EXPECT(kvlane_meter_ready(&meter) >= before);
		before = kvlane_meter_ready(&meter);
	}
	EXPECT(before > now + (1ULL << 60));
	set(&meter, 1000, 0, 0, now);
	EXPECT(kvlane_meter_ready(&meter) <= now + NSEC_PER_SEC);
}

TEST(bucket_changes)
{
	struct load load = { 1, 0, 1, 1 };
	struct kvlane_meter meter = {};
	u64 now = START;

	/* Whoever waits for something far away does not any more. */
	set(&meter, 1, 0, 0, now);
	kvlane_meter_charge(&meter, 100000, now);
	set(&meter, 1000, 0, 0, now);
	EXPECT(kvlane_meter_ready(&meter) <= now);
	/* But gets no second helping. */
	expect_near(run(&meter, &load, now, now + NSEC_PER_SEC), 1000, 1);

	set(&meter, 0, 0, 0, now);
	EXPECT_EQ(kvlane_meter_ready(&meter), 0);
	kvlane_meter_charge(&meter, 100000, now);
	EXPECT_EQ(kvlane_meter_ready(&meter), 0);
}

TEST(bucket_refuses)
{
	static const struct kvlane_rate bad[] = {
		{ .rate = KVLANE_MAX_RATE + 1 },
		{ .rate = 1, .reserved = 1 },
		{ .rate = 1, .burst_ms = 1 },
		{ .burst = 1, .burst_ms = 1 },
		{ .rate = 1, .burst = 2 },
		{ .rate = 2, .burst = 2, .burst_ms = 1 },
		{ .rate = 1, .burst = KVLANE_MAX_BURST_RATIO + 1, .burst_ms = 1 },
		{ .rate = 1000, .burst = KVLANE_MAX_RATE + 1, .burst_ms = 1 },
		{ .rate = 1, .burst = 2, .burst_ms = KVLANE_MAX_BURST_MS + 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(kvlane_meter_check(&bad[i]), -EINVAL);
}
