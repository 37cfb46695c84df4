// SPDX-License-Identifier: GPL-2.0-only
/* Reports as tables for people. */
#include "table.h"
#include "irq_report.h"
#include "number.h"

#include <linux/kvlane.h>
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

/* An upper bound, if there is one. */
static void format_time(const json_t *queue, const char *key, char *buf, size_t len)
{
	long long us = number_of(queue, key);

	if (!us)
		snprintf(buf, len, "-");
	else if (us < 10000)
		snprintf(buf, len, "<%lld us", us);
	else
		snprintf(buf, len, "<%lld ms", (us + 999) / 1000);
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
	char in[32], out[32], p50[32], p99[32], lane[32];

	format_time(q, "latency_p50_us", p50, sizeof(p50));
	format_time(q, "latency_p99_us", p99, sizeof(p99));
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

/* Where the time of requests goes, a line for each queue that had any. */
static void print_times(const json_t *device, bool *titled)
{
	static const char *const keys[] = { "pickup_p50_us", "pickup_p99_us", "latency_p50_us",
					    "latency_p99_us", "signal_p50_us", "signal_p99_us" };
	const json_t *q;
	char time[32];
	size_t i;

	json_array_foreach(json_object_get(device, "queues"), i, q) {
		if (!number_of(q, "kicks") && !number_of(q, "interrupts"))
			continue;
		if (!*titled)
			printf("\n%-8s %3s %21s %21s %21s\n%-12s %10s %10s %10s %10s %10s %10s\n",
			       "TIMES", "Q", "KICK TO LANE", "REQUEST", "TO INTERRUPT", "",
			       "P50", "P99", "P50", "P99", "P50", "P99");
		*titled = true;
		printf("%-8s %3lld", text_of(device, "name"), number_of(q, "index"));
		for (unsigned int key = 0; key < ARRAY_SIZE(keys); key++) {
			format_time(q, keys[key], time, sizeof(time));
			printf(" %10s", time);
		}
		printf("\n");
	}
}

/* The queues of a device that had to wait, with a title above the first. */
static void print_waits(const json_t *device, bool *titled)
{
	char p50[32], p99[32];
	const json_t *q;
	size_t i;

	json_array_foreach(json_object_get(device, "queues"), i, q) {
		if (!number_of(q, "throttled"))
			continue;
		if (!*titled)
			printf("\n%-8s %3s %10s %9s %9s\n", "DEVICE", "Q", "THROTTLED", "WAIT-P50",
			       "WAIT-P99");
		*titled = true;
		format_time(q, "wait_p50_us", p50, sizeof(p50));
		format_time(q, "wait_p99_us", p99, sizeof(p99));
		printf("%-8s %3lld %10lld %9s %9s\n", text_of(device, "name"),
		       number_of(q, "index"), number_of(q, "throttled"), p50, p99);
	}
}

/* Names with commas between them. */
static void format_names(const json_t *names, char *buf, size_t len)
{
	const json_t *name;
	size_t i, used = 0;

	snprintf(buf, len, "-");
	json_array_foreach((json_t *)names, i, name) {
		if (used < len)
			used += snprintf(buf + used, len - used, "%s%s", i ? "," : "",
					 json_string_value(name));
	}
}

void table_throttles(const json_t *throttles)
{
	const json_t *throttle;
	char bytes[32], names[256];
	size_t i;

	if (json_array_size(throttles))
		printf("%-16s %10s %10s %10s %8s  %-16s  %s\n", "THROTTLE", "REQUESTS", "BYTES",
		       "DELAYED", "WAITING", "DEVICES", "LIMITS");
	json_array_foreach((json_t *)throttles, i, throttle) {
		format_names(json_object_get(throttle, "devices"), names, sizeof(names));
		printf("%-16s %10lld %10s %10lld %8lld  %-16s  %s\n", text_of(throttle, "name"),
		       number_of(throttle, "ops"),
		       size_format(number_of(throttle, "bytes"), bytes, sizeof(bytes)),
		       number_of(throttle, "delayed"), number_of(throttle, "waiting"), names,
		       text_of(throttle, "setting"));
	}
}

void table_lanes(const json_t *lanes)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)lanes, i, one)
		printf("%-16s %s\n", text_of(one, "device"), text_of(one, "setting"));
}

/* Of all queues of a device. */
static long long sum_of(const json_t *device, const char *key)
{
	const json_t *queue;
	long long sum = 0;
	size_t i;

	json_array_foreach(json_object_get(device, "queues"), i, queue)
		sum += number_of(queue, key);
	return sum;
}

/* Those that do not work as they would by themselves. */
static void print_lanes(const json_t *report)
{
	const json_t *device, *lanes;
	bool titled = false;
	size_t i;

	json_array_foreach(json_object_get(report, "devices"), i, device) {
		lanes = json_object_get(device, "lanes");
		if (!json_is_integer(json_object_get(lanes, "poll_us")) &&
		    !number_of(lanes, "coalesce_us") && !strcmp(text_of(lanes, "cpus"), "all"))
			continue;
		if (!titled)
			printf("\n%-16s %10s  %s\n", "LANES OF", "COALESCED", "SETTING");
		titled = true;
		printf("%-16s %10lld  %s\n", text_of(device, "name"),
		       sum_of(device, "coalesced"), text_of(lanes, "setting"));
	}
}

/* What was held back, and by what. */
static void print_throttling(const json_t *report)
{
	const json_t *throttles = json_object_get(report, "throttles"), *device;
	bool titled = false;
	size_t i;

	json_array_foreach(json_object_get(report, "devices"), i, device)
		print_waits(device, &titled);
	if (json_array_size(throttles))
		printf("\n");
	table_throttles(throttles);
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
	if (json_object_get(report, "seconds"))
		printf("what follows is for one second, from the last %.1f s\n",
		       json_number_value(json_object_get(report, "seconds")));
}

static void print_size(const char *label, const json_t *object, const char *key)
{
	char size[32];

	if (json_is_integer(json_object_get(object, key)))
		printf("%s %s", label, size_format(number_of(object, key), size, sizeof(size)));
}

void table_balloon(const json_t *balloon)
{
	const json_t *guest = json_object_get(balloon, "guest");

	print_size("balloon: target", balloon, "target");
	print_size(", the guest has put in", balloon, "ballooned");
	print_size(", the host has", balloon, "freed");
	print_size("; reported free so far", balloon, "reported");
	if (json_is_object(json_object_get(balloon, "auto"))) {
		const json_t *follows = json_object_get(balloon, "auto");

		print_size("\nautomatic: at most", follows, "most");
		printf(", the host waits for memory %.2f %% of the time",
		       json_number_value(json_object_get(follows, "stall_percent")));
	}
	printf("\nblocks of 2 MiB: whole %lld, partial %lld, taken apart %lld, huge again %lld; not freed: pinned %lld, refused %lld; pages ignored %lld\n",
	       number_of(balloon, "whole"), number_of(balloon, "partial"),
	       number_of(balloon, "splits"), number_of(balloon, "collapsed"),
	       number_of(balloon, "pinned"), number_of(balloon, "refused"),
	       number_of(balloon, "ignored"));
	if (!json_is_object(guest))
		return;
	print_size("the guest says: total", guest, "total-memory");
	print_size(", free", guest, "free-memory");
	print_size(", available", guest, "available-memory");
	print_size(", caches", guest, "disk-caches");
	printf(", major faults %lld\n", number_of(guest, "major-faults"));
}

/* The devices of the host's, and in which pages their IOMMUs have the guest's memory. */
static void print_assigned(const json_t *assigned)
{
	const json_t *device, *leaf, *memory = json_object_get(assigned, "memory");
	char page[32], bytes[32];
	size_t i;

	if (!json_is_object(assigned))
		return;
	printf("\n%-8s %-14s %6s %10s %6s\n", "ASSIGNED", "ADDRESS", "GROUP", "INTERRUPT",
	       "RESETS");
	json_array_foreach(json_object_get(assigned, "devices"), i, device)
		printf("%-8s %-14s %6lld %10s %6s\n", text_of(device, "name"),
		       text_of(device, "address"), number_of(device, "group"),
		       text_of(device, "interrupt"),
		       json_is_true(json_object_get(device, "resets")) ? "yes" : "no");
	printf("memory for them:");
	json_array_foreach(json_object_get(memory, "pages"), i, leaf)
		printf(" %s in pages of %s%s",
		       size_format(number_of(leaf, "bytes"), bytes, sizeof(bytes)),
		       size_format(number_of(leaf, "size"), page, sizeof(page)),
		       i + 1 < KVLANE_IOMMU_LEAVES ? "," : "\n");
}

void table_report(const json_t *report)
{
	const json_t *devices = json_object_get(report, "devices"), *device;
	bool any = false, titled = false;
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
		print_times(device, &titled);
	print_throttling(report);
	print_lanes(report);
	json_array_foreach((json_t *)devices, i, device) {
		if (json_is_object(json_object_get(device, "balloon"))) {
			printf("\n");
			table_balloon(json_object_get(device, "balloon"));
		}
	}
	print_assigned(json_object_get(report, "assigned"));
	json_array_foreach((json_t *)devices, i, device)
		print_troubles(device);
}
