// SPDX-License-Identifier: GPL-2.0-only
/* What a VM reports about itself, as JSON. */
#include "report.h"
#include "balloon.h"
#include "histogram.h"
#include "irq_report.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static json_t *number(uint64_t value)
{
	return json_integer(value);
}

/* Milliseconds from the start of vmrun to @moment; null if it has not come. */
static json_t *since_start(const struct machine *machine, uint64_t moment)
{
	if (!moment)
		return json_null();
	return json_real((moment - machine->moments.start) / 1e6);
}

static const char *state_of(const struct machine *machine)
{
	if (machine->assignment.failed)
		return "error";
	return machine->paused ? "paused" : "running";
}

json_t *report_summary(struct machine *machine)
{
	const struct config *config = machine->config;
	json_t *devices = json_array();

	for (unsigned int i = 0; i < machine->nr_devices; i++)
		json_array_append_new(devices, json_string(machine->devices[i]->name));
	return json_pack("{s:s, s:i, s:i, s:I, s:s, s:s, s:f, s:o}", "name", config->name, "pid",
			 getpid(), "cpus", config->cpus, "memory", (json_int_t)config->memory,
			 "kernel", config->kernel, "state",
			 state_of(machine), "uptime_s",
			 (now_ns() - machine->moments.start) / 1e9, "devices", devices);
}

static json_t *report_moments(struct machine *machine)
{
	const struct moments *m = &machine->moments;

	return json_pack("{s:o, s:o, s:o, s:o, s:i}", "ready_ms", since_start(machine, m->ready),
			 "entry_ms", since_start(machine, m->entry), "serial_ms",
			 since_start(machine, m->serial), "end_ms", since_start(machine, m->end),
			 "reboots", m->reboots);
}

/* How often the processors came back from the guest to this program. */
static json_t *report_exits(struct machine *machine)
{
	json_t *exits = json_object();
	uint64_t sum, interrupted = 0;
	const char *name;
	char buf[16];

	for (unsigned int reason = 0; reason < VCPU_EXITS; reason++) {
		sum = 0;
		for (unsigned int i = 0; i < machine->vcpus.count; i++)
			sum += machine->vcpus.list[i].exits[reason];
		if (!sum)
			continue;
		name = vcpu_exit_name(reason);
		if (!name) {
			snprintf(buf, sizeof(buf), "reason-%u", reason);
			name = buf;
		}
		json_object_set_new(exits, name, number(sum));
	}
	for (unsigned int i = 0; i < machine->vcpus.count; i++)
		interrupted += machine->vcpus.list[i].interrupted;
	if (interrupted)
		json_object_set_new(exits, "interrupted", number(interrupted));
	return exits;
}

struct counter {
	const char *name;
	uint64_t value;
};

static void add_counters(json_t *queue, const struct counter *counters, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		json_object_set_new(queue, counters[i].name, number(counters[i].value));
}

static json_t *report_queue(const struct kvlane_queue_stats *q, unsigned int index)
{
	const struct counter counters[] = {
		{ "requests", q->requests },
		{ "bytes_in", q->bytes_in },
		{ "bytes_out", q->bytes_out },
		{ "kicks", q->kicks },
		{ "wakeups", q->wakeups },
		{ "interrupts", q->interrupts },
		{ "posted", q->posted },
		{ "suppressed", q->suppressed },
		{ "errors", q->errors },
		{ "malformed", q->malformed },
		{ "deferred", q->deferred },
		{ "flushes", q->flushes },
		{ "discards", q->discards },
		{ "write_zeroes", q->write_zeroes },
		{ "throttled", q->throttled },
		{ "coalesced", q->coalesced },
		{ "asked", q->asked },
		{ "polls", q->polls },
		{ "polls_won", q->polls_won },
		{ "inflight", q->inflight },
	};
	json_t *queue = json_object();

	json_object_set_new(queue, "index", number(index));
	json_object_set_new(queue, "tid", number(q->tid));
	add_counters(queue, counters, ARRAY_SIZE(counters));
	histogram_report(queue, "latency", q->latency);
	histogram_report(queue, "wait", q->wait);
	histogram_report(queue, "pickup", q->pickup);
	histogram_report(queue, "signal", q->signal);
	return queue;
}

/* What the queues of a network device have beside that. */
static void add_net_queue(json_t *queue, const struct kvlane_queue_stats *q, unsigned int index,
			  unsigned int pairs)
{
	const struct counter counters[] = {
		{ "drops", q->drops },
		{ "filtered", q->filtered },
		{ "starved", q->starved },
		{ "batches", q->batches },
		{ "zerocopy", q->zerocopy },
		{ "zerocopy_bytes", q->zerocopy_bytes },
		{ "zerocopy_copied", q->zerocopy_copied },
	};
	const char *role = index % 2 ? "transmit" : "receive";

	if (index == 2 * pairs)
		role = "control";
	json_object_set_new(queue, "role", json_string(role));
	add_counters(queue, counters, ARRAY_SIZE(counters));
}

/* Whether it is the guest that says which queue takes which packets. */
static const char *rss_state(const struct net *net)
{
	if (net->no_rss)
		return "not offered";
	return net->tap.is_steered ? "on" : "off";
}

static void add_net(json_t *device, const struct net *net)
{
	const uint8_t *mac = net->mac;
	char text[3 * MAC_LEN];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	json_object_set_new(device, "mac", json_string(text));
	json_object_set_new(device, "mtu", number(net->mtu));
	json_object_set_new(device, "link", json_string(net_link_up(net) ? "up" : "down"));
	json_object_set_new(device, "interface", json_string(net->tap.name));
	json_object_set_new(device, "pairs", number(net->active));
	json_object_set_new(device, "pair_changes", number(net->follows));
	json_object_set_new(device, "rss", json_string(rss_state(net)));
	json_object_set_new(device, "no_rss", net->no_rss ? json_string(net->no_rss) : json_null());
}

const char *report_type_name(unsigned int type)
{
	switch (type) {
	case VIRTIO_ID_BLOCK:
		return "blk";
	case VIRTIO_ID_NET:
		return "net";
	case VIRTIO_ID_RNG:
		return "rng";
	case VIRTIO_ID_BALLOON:
		return "balloon";
	default:
		return "unknown";
	}
}

static json_t *report_device(const struct virtio *v)
{
	struct kvlane_queue_stats queues[KVLANE_MAX_QUEUES] = {};
	struct kvlane_stats stats = {
		.num_queues = v->queues,
		.queue_stats_size = sizeof(queues[0]),
		.queues = (uintptr_t)queues,
	};
	json_t *device, *list = json_array(), *queue;

	device = json_pack("{s:s, s:s, s:s}", "name", v->name, "type", report_type_name(v->type),
			   "source", v->source);
	if (ioctl(v->fd, KVLANE_GET_STATS, &stats)) {
		json_object_set_new(device, "error", json_string(strerror(errno)));
		json_decref(list);
		return device;
	}
	json_object_set_new(device, "status", number(stats.status));
	json_object_set_new(device, "features", number(stats.features));
	json_object_set_new(device, "resets", number(stats.resets));
	json_object_set_new(device, "needs_reset", number(stats.needs_reset));
	json_object_set_new(device, "events_lost", number(stats.events_lost));
	json_object_set_new(device, "register_accesses", number(stats.exits));
	json_object_set_new(device, "throttle", throttle_name(v));
	json_object_set_new(device, "lanes", lanes_report(v));
	if (v->type == VIRTIO_ID_NET)
		add_net(device, v->owner);
	if (v->type == VIRTIO_ID_BALLOON)
		json_object_set_new(device, "balloon", balloon_report(v));
	for (unsigned int q = 0; q < v->queues; q++) {
		queue = report_queue(&queues[q], q);
		if (v->type == VIRTIO_ID_NET)
			add_net_queue(queue, &queues[q], q, v->queues / 2);
		json_array_append_new(list, queue);
	}
	json_object_set_new(device, "queues", list);
	return device;
}

json_t *report_create(struct machine *machine)
{
	json_t *report = report_summary(machine), *devices = json_array();

	for (unsigned int i = 0; i < machine->nr_devices; i++)
		json_array_append_new(devices, report_device(machine->devices[i]));
	json_object_set_new(report, "boot", report_moments(machine));
	json_object_set_new(report, "exits", report_exits(machine));
	json_object_set_new(report, "interrupts", irq_report(machine));
	json_object_set_new(report, "threads", threads_report(&machine->threads));
	json_object_set_new(report, "devices", devices);
	json_object_set_new(report, "throttles", throttles_report(machine));
	json_object_set_new(report, "assigned", assign_report(machine));
	return report;
}

void report_prepare(struct machine *machine)
{
	const char *path = machine->config->stats_path;

	threads_prepare(&machine->threads);
	if (!path)
		return;
	machine->stats = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (machine->stats < 0)
		fail(STATUS_USAGE, "--stats-at-exit %s: %s; give a path that can be written", path,
		     strerror(errno));
}

static bool write_text(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	for (; len; text += n, len -= n) {
		n = write(fd, text, len);
		if (n < 0)
			return false;
	}
	return true;
}

void report_write(struct machine *machine)
{
	json_t *report = report_create(machine);
	char *text;

	json_object_set_new(report, "state", json_string("ended"));
	json_object_set_new(report, "exit_status", json_integer(machine->status));
	text = json_dumps(report, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
	if (!text || !write_text(machine->stats, text))
		say("--stats-at-exit %s: cannot be written: %s", machine->config->stats_path,
		    strerror(errno));
	free(text);
	json_decref(report);
}
