// SPDX-License-Identifier: GPL-2.0-only
/* Reports as tables for people. */
#include "table.h"
#include "irq_report.h"
#include "number.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void table_vms(const json_t *vms)
{
	const json_t *vm;
	char size[32];
	size_t i;

	if (json_array_size(vms))
		printf("%-20s %8s %5s %9s %9s  %s\n", "NAME", "PID", "CPUS", "MEMORY", "UPTIME",
		       "STATE");
	json_array_foreach((json_t *)vms, i, vm)
		printf("%-20s %8lld %5lld %9s %7.0f s  %s\n", text_of(vm, "name"),
		       number_of(vm, "pid"), number_of(vm, "cpus"),
		       size_format(number_of(vm, "memory"), size, sizeof(size)),
		       json_number_value(json_object_get(vm, "uptime_s")), text_of(vm, "state"));
}

/*
 * The upper bound, in microseconds, of the bucket that a share of all requests
 * reaches.  Bucket N ends below 2^(N+1).
 */
static unsigned long long percentile(const json_t *buckets, double share)
{
	unsigned long long sum = 0, all = 0;
	const json_t *count;
	size_t i;

	json_array_foreach((json_t *)buckets, i, count)
		all += json_integer_value(count);
	json_array_foreach((json_t *)buckets, i, count) {
		sum += json_integer_value(count);
		if (all && sum >= share * all)
			return 2ULL << i;
	}
	return 0;
}

static void format_latency(const json_t *buckets, double share, char *buf, size_t len)
{
	unsigned long long us = percentile(buckets, share);

	if (!us)
		snprintf(buf, len, "-");
	else if (us < 10000)
		snprintf(buf, len, "<%llu us", us);
	else
		snprintf(buf, len, "<%llu ms", (us + 999) / 1000);
}

static void format_lane(const json_t *queue, char *buf, size_t len)
{
	long long tid = number_of(queue, "tid");

	if (tid)
		snprintf(buf, len, "%lld", tid);
	else
		snprintf(buf, len, "-");
}

static void print_queue(const char *name, const json_t *q)
{
	const json_t *latency = json_object_get(q, "latency_log2_us");
	char in[32], out[32], p50[32], p99[32], lane[32];

	format_latency(latency, 0.5, p50, sizeof(p50));
	format_latency(latency, 0.99, p99, sizeof(p99));
	format_lane(q, lane, sizeof(lane));
	printf("%-8s %3lld %10lld %10s %10s %9lld %9lld %9lld %6lld %9s %9s %8s\n", name,
	       number_of(q, "index"), number_of(q, "requests"),
	       size_format(number_of(q, "bytes_out"), out, sizeof(out)),
	       size_format(number_of(q, "bytes_in"), in, sizeof(in)), number_of(q, "kicks"),
	       number_of(q, "interrupts"), number_of(q, "suppressed"), number_of(q, "errors"), p50,
	       p99, lane);
}

static void print_device(const json_t *device)
{
	const json_t *queue;
	size_t i;

	json_array_foreach(json_object_get(device, "queues"), i, queue)
		print_queue(text_of(device, "name"), queue);
}

/* What part of the bytes was sent without a copy; nothing for those received. */
static void format_share(const json_t *queue, char *buf, size_t len)
{
	long long all = number_of(queue, "bytes_in");

	if (strcmp(text_of(queue, "role"), "transmit") || !all)
		snprintf(buf, len, "-");
	else
		snprintf(buf, len, "%.0f %%", 100.0 * number_of(queue, "zerocopy_bytes") / all);
}

static void print_net_queue(const char *name, const json_t *q)
{
	const char *role = text_of(q, "role");
	char bytes[32], share[32], lane[32];

	format_share(q, share, sizeof(share));
	format_lane(q, lane, sizeof(lane));
	size_format(number_of(q, !strcmp(role, "receive") ? "bytes_out" : "bytes_in"), bytes,
		    sizeof(bytes));
	printf("%-8s %3lld %-8s %10lld %10s %7lld %8lld %7lld %9s %9lld %9lld %9lld %8s\n", name,
	       number_of(q, "index"), role, number_of(q, "requests"), bytes,
	       number_of(q, "drops"), number_of(q, "filtered"), number_of(q, "starved"), share,
	       number_of(q, "kicks"), number_of(q, "interrupts"), number_of(q, "suppressed"),
	       lane);
}

static void print_net(const json_t *device)
{
	const char *name = text_of(device, "name");
	const json_t *queue;
	size_t i;

	printf("\n%s: %s, address %s, MTU %lld, link %s, queue pairs used: %lld, RSS %s", name,
	       text_of(device, "source"), text_of(device, "mac"), number_of(device, "mtu"),
	       text_of(device, "link"), number_of(device, "pairs"), text_of(device, "rss"));
	if (json_is_string(json_object_get(device, "no_rss")))
		printf(" (%s)", text_of(device, "no_rss"));
	printf("\n");
	printf("%-8s %3s %-8s %10s %10s %7s %8s %7s %9s %9s %9s %9s %8s\n", "DEVICE", "Q", "ROLE",
	       "REQUESTS", "BYTES", "DROPS", "FILTERED", "STARVED", "ZERO-COPY", "KICKS", "IRQS",
	       "IRQ-SAVED", "LANE");
	json_array_foreach(json_object_get(device, "queues"), i, queue)
		print_net_queue(name, queue);
}

static bool is_net(const json_t *device)
{
	return !strcmp(text_of(device, "type"), "net");
}

static void print_troubles(const json_t *device)
{
	const char *name = text_of(device, "name");

	if (json_object_get(device, "error"))
		printf("%s: no statistics: %s\n", name, text_of(device, "error"));
	if (number_of(device, "needs_reset"))
		printf("%s: the driver broke the rules %lld times\n", name,
		       number_of(device, "needs_reset"));
}

static void print_moment(const json_t *boot, const char *key, const char *label)
{
	const json_t *value = json_object_get(boot, key);

	if (json_is_number(value))
		printf("  %s %.0f ms", label, json_number_value(value));
}

static void print_head(const json_t *report)
{
	const json_t *boot = json_object_get(report, "boot"), *count;
	char size[32];
	const char *key;

	printf("%s: %s, pid %lld, %lld CPUs, %s\n", text_of(report, "name"),
	       text_of(report, "state"), number_of(report, "pid"), number_of(report, "cpus"),
	       size_format(number_of(report, "memory"), size, sizeof(size)));
	printf("since start:");
	print_moment(boot, "ready_ms", "ready");
	print_moment(boot, "entry_ms", "guest entered");
	print_moment(boot, "serial_ms", "first output");
	printf("  reboots %lld\nexits to user space:", number_of(boot, "reboots"));
	json_object_foreach(json_object_get(report, "exits"), key, count)
		printf("  %s %lld", key, (long long)json_integer_value(count));
	printf("\n");
}

void table_report(const json_t *report)
{
	const json_t *devices = json_object_get(report, "devices"), *device;
	bool any = false;
	size_t i;

	print_head(report);
	irq_report_print(json_object_get(report, "interrupts"));
	json_array_foreach((json_t *)devices, i, device)
		any |= !is_net(device);
	if (any)
		printf("\n%-8s %3s %10s %10s %10s %9s %9s %9s %6s %9s %9s %8s\n", "DEVICE", "Q",
		       "REQUESTS", "READ", "WRITTEN", "KICKS", "IRQS", "IRQ-SAVED", "ERRORS",
		       "P50", "P99", "LANE");
	json_array_foreach((json_t *)devices, i, device) {
		if (!is_net(device))
			print_device(device);
	}
	json_array_foreach((json_t *)devices, i, device) {
		if (is_net(device))
			print_net(device);
	}
	json_array_foreach((json_t *)devices, i, device)
		print_troubles(device);
}
