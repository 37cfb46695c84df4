// SPDX-License-Identifier: GPL-2.0-only
/* Histograms of times, as the module keeps them. */
#include "histogram.h"

#include <stdio.h>

/* Bucket N ends below 2^(N+1) microseconds. */
static json_t *percentile(const __u64 *buckets, unsigned int percent)
{
	unsigned long long all = 0, sum = 0;
	unsigned int i;

	for (i = 0; i < KVLANE_HIST_BUCKETS; i++)
		all += buckets[i];
	if (!all)
		return json_null();
	for (i = 0; i < KVLANE_HIST_BUCKETS - 1; i++) {
		sum += buckets[i];
		if (sum * 100.0 >= (double)all * percent)
			break;
	}
	return json_integer(2LL << i);
}

static void add_percentile(json_t *object, const char *name, const __u64 *buckets,
			   unsigned int percent)
{
	char key[32];

	snprintf(key, sizeof(key), "%s_p%u_us", name, percent);
	json_object_set_new(object, key, percentile(buckets, percent));
}

void histogram_report(json_t *object, const char *name, const __u64 *buckets)
{
	json_t *list = json_array();
	char key[32];

	for (unsigned int i = 0; i < KVLANE_HIST_BUCKETS; i++)
		json_array_append_new(list, json_integer(buckets[i]));
	snprintf(key, sizeof(key), "%s_log2_us", name);
	json_object_set_new(object, key, list);
	add_percentile(object, name, buckets, 50);
	add_percentile(object, name, buckets, 99);
}
