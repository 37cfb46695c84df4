// SPDX-License-Identifier: GPL-2.0-only
/* What a VM does at the moment, from two reports. */
#include "watch.h"
#include "histogram.h"
#include "number.h"

#include <stdio.h>
#include <string.h>

/* Numbers that do not count anything. */
static const char *const levels[] = {
	"index", "tid", "inflight", "waiting", "status", "features", "mtu", "pairs",
};

/* What queues have histograms of. */
static const char *const times[] = { "latency", "wait", "pickup", "signal" };

static bool is_level(const char *key)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(levels); i++) {
		if (!strcmp(key, levels[i]))
			return true;
	}
	/* They follow from the histograms. */
	return strstr(key, "_p50_us") || strstr(key, "_p99_us");
}

/* How many more; none if the one before was another's. */
static long long growth(const json_t *before, const json_t *now)
{
	long long more = json_integer_value(now) - json_integer_value(before);

	return more > 0 ? more : 0;
}

static void count_since(json_t *object, const char *name, const json_t *before)
{
	__u64 buckets[KVLANE_HIST_BUCKETS] = {};
	const json_t *now;
	char key[32];

	snprintf(key, sizeof(key), "%s_log2_us", name);
	now = json_object_get(object, key);
	for (unsigned int i = 0; i < KVLANE_HIST_BUCKETS; i++)
		buckets[i] = growth(json_array_get(json_object_get(before, key), i),
				    json_array_get(now, i));
	histogram_report(object, name, buckets);
}

static void to_rates(json_t *object, const json_t *before, long long ms)
{
	const char *key;
	long long more;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value) {
		if (!json_is_integer(value) || is_level(key))
			continue;
		more = growth(json_object_get(before, key), value);
		json_object_set_new(object, key, json_integer((more * 1000 + ms / 2) / ms));
	}
}

static void queues_to_rates(json_t *queues, const json_t *before, long long ms)
{
	const json_t *then;
	json_t *queue;
	size_t i;

	json_array_foreach(queues, i, queue) {
		then = json_array_get(before, i);
		to_rates(queue, then, ms);
		for (unsigned int time = 0; time < ARRAY_SIZE(times); time++)
			count_since(queue, times[time], then);
	}
}

/* The element of this name, wherever it was. */
static const json_t *named(const json_t *list, const json_t *name)
{
	const json_t *element;
	size_t i;

	json_array_foreach((json_t *)list, i, element) {
		if (json_equal(json_object_get(element, "name"), name))
			return element;
	}
	return NULL;
}

/* How long this VM runs. */
static long long age_ms(const json_t *report)
{
	return json_number_value(json_object_get(report, "uptime_s")) * 1000;
}

json_t *watch_rates(const json_t *before, const json_t *now)
{
	static const char *const lists[] = { "devices", "throttles" };
	json_t *rates = json_deep_copy(now), *element;
	long long ms = age_ms(now) - age_ms(before);
	const json_t *then, *past;
	size_t i;

	/* Another VM has taken the name. */
	if (ms <= 0)
		ms = age_ms(now) + 1;
	json_object_set_new(rates, "seconds", json_real(ms / 1000.0));
	to_rates(json_object_get(rates, "exits"), json_object_get(before, "exits"), ms);
	for (unsigned int list = 0; list < ARRAY_SIZE(lists); list++) {
		past = json_object_get(before, lists[list]);
		json_array_foreach(json_object_get(rates, lists[list]), i, element) {
			then = named(past, json_object_get(element, "name"));
			to_rates(element, then, ms);
			queues_to_rates(json_object_get(element, "queues"),
					json_object_get(then, "queues"), ms);
		}
	}
	return rates;
}
