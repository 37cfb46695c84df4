// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: memory that the guest lends to the host. The module does the work; here
 * is how large it shall be, and that memory which comes back is in huge pages again.
 *
 * Transparent huge pages come back as such when the guest touches them, if the host has one
 * to give at that moment; and the host may have taken blocks apart when it was short of
 * memory. So a second after a block came back, when the guest has had its first use of it,
 * it is put together, by the main thread and some at a time. What the guest has not touched
 * by then is left alone: it may never be.
 */
#include "balloon.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Linux 6.1 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Inflate, deflate, statistics; then reports; then hints. */
#define QUEUES 3
#define QUEUES_REPORTING 4
#define QUEUES_HINTING 5
/* What the balloon is counted in. */
#define PAGE 4096
#define BLOCK (2ul << 20)
/* From a block's return to its being put together. */
#define SETTLE_MS 1000

static void settle_in(struct balloon *balloon, unsigned int ms)
{
	const struct itimerspec timer = {
		.it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l },
	};

	timerfd_settime(balloon->settle.fd, 0, &timer, NULL);
}

/* Is any of it in use? */
static bool touched(const struct memory *memory, const void *block)
{
	off_t at = (const uint8_t *)block - memory->base;
	off_t data = lseek(memory->fd, at, SEEK_DATA);

	return data >= 0 && data < at + (off_t)BLOCK;
}

static void collapse(struct balloon *balloon, uint64_t gpa)
{
	const struct memory *memory = &balloon->machine->memory;
	void *block = memory_at(memory, gpa, BLOCK);

	if (block && touched(memory, block) && !madvise(block, BLOCK, MADV_COLLAPSE))
		balloon->collapsed++;
}

static void on_settle(struct watch *watch, uint32_t events)
{
	struct balloon *balloon = watch->owner;
	struct kvlane_balloon_returned returned = {};
	uint64_t expirations;

	if (read(watch->fd, &expirations, sizeof(expirations)) < 0 ||
	    ioctl(balloon->virtio->fd, KVLANE_GET_RETURNED, &returned))
		return;
	for (unsigned int i = 0; i < returned.nr; i++)
		collapse(balloon, returned.gpa[i]);
	/* Others have their turn. */
	if (returned.nr == ARRAY_SIZE(returned.gpa))
		settle_in(balloon, 1);
}

static bool on_event(struct virtio *virtio, const struct kvlane_event *event)
{
	const enum hugepages hugepages = virtio->machine->config->hugepages;

	if (event->type != KVLANE_EVENT_BALLOON_RETURNED)
		return false;
	if (hugepages == HUGEPAGES_DEFAULT || hugepages == HUGEPAGES_THP)
		settle_in(virtio->owner, SETTLE_MS);
	return true;
}

void balloon_describe(const struct balloon_config *balloon, struct device_shape *shape,
		      struct kvlane_backend *backend)
{
	const uint32_t queues = balloon->hinting   ? QUEUES_HINTING :
				balloon->reporting ? QUEUES_REPORTING :
						     QUEUES;

	*shape = (struct device_shape){
		.type = VIRTIO_ID_BALLOON,
		.queues = queues,
		.lane_queues = queues,
	};
	*backend = (struct kvlane_backend){
		.fd = -1,
		.balloon.target = balloon->target,
	};
}

void balloon_plug(struct machine *machine)
{
	const struct balloon_config *balloon = &machine->config->balloon;
	struct balloon *b = &machine->balloon;
	struct kvlane_backend backend;
	struct device_shape shape;

	balloon_describe(balloon, &shape, &backend);
	b->machine = machine;
	b->virtio = virtio_create(machine, "balloon", "the guest's memory", &shape, &backend);
	b->virtio->owner = b;
	b->virtio->on_event = on_event;
	b->settle = (struct watch){
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_settle, b,
	};
	if (b->settle.fd < 0 || loop_add(&machine->loop, &b->settle, EPOLLIN))
		fail(STATUS_FAILURE, "balloon: no timer: %s", strerror(errno));
	if (balloon->most) {
		balloon_auto_create(b);
		balloon_follow(b, balloon->most);
	}
}

static json_t *report_guest(const struct kvlane_balloon_info *info)
{
	static const char *const names[] = VIRTIO_BALLOON_S_NAMES;
	json_t *guest = json_object();

	if (!info->stats_ns) {
		json_decref(guest);
		return json_null();
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(names) && i < KVLANE_BALLOON_STATS; i++) {
		if (info->stats[i] != UINT64_MAX)
			json_object_set_new(guest, names[i], json_integer(info->stats[i]));
	}
	json_object_set_new(guest, "age_ms", json_integer(info->stats_ns / 1000000));
	return guest;
}

static json_t *report_auto(const struct balloon *balloon)
{
	if (!balloon->most)
		return json_null();
	return json_pack("{s:I, s:f}", "most", (json_int_t)balloon->most, "stall_percent",
			 balloon->stall / 100.0);
}

#define FIGURE(name) { #name, offsetof(struct kvlane_balloon_info, name) }

json_t *balloon_report(const struct virtio *virtio)
{
	static const struct {
		const char *name;
		size_t offset;
	} figures[] = {
		FIGURE(target),	  FIGURE(actual), FIGURE(ballooned), FIGURE(freed),
		FIGURE(reported), FIGURE(whole),  FIGURE(partial),   FIGURE(pinned),
		FIGURE(refused),  FIGURE(splits), FIGURE(ignored),
	};
	/* A guest that is stopped does not answer. */
	struct kvlane_balloon_info info = {
		.flags = virtio->machine->paused ? 0 : KVLANE_BALLOON_REFRESH,
	};
	json_t *report;

	if (virtio->type != VIRTIO_ID_BALLOON || ioctl(virtio->fd, KVLANE_GET_BALLOON, &info))
		return json_null();
	report = json_object();
	for (unsigned int i = 0; i < ARRAY_SIZE(figures); i++)
		json_object_set_new(report, figures[i].name,
				    json_integer(*(__u64 *)((char *)&info + figures[i].offset)));
	json_object_set_new(report, "collapsed",
			    json_integer(virtio->machine->balloon.collapsed));
	json_object_set_new(report, "auto", report_auto(&virtio->machine->balloon));
	json_object_set_new(report, "guest", report_guest(&info));
	return report;
}

/* Returns NULL, or what is wrong. */
static const char *set(struct machine *machine, const char *size)
{
	const struct virtio *virtio = machine->balloon.virtio;
	struct kvlane_set_balloon args = {};
	uint64_t target;

	if (!strcmp(size, "auto")) {
		if (!machine->config->balloon.most)
			return "start the guest with --balloon=auto=SIZE";
		balloon_follow(&machine->balloon, machine->config->balloon.most);
		return NULL;
	}
	if (!size_parse(size, &target) || target % PAGE)
		return "give a size such as 512M, 0, or auto";
	if (target > machine->config->memory)
		return "the guest has less";
	if (machine->balloon.most)
		balloon_follow(&machine->balloon, 0);
	args.target = target;
	return ioctl(virtio->fd, KVLANE_SET_BALLOON, &args) ? strerror(errno) : NULL;
}

json_t *balloon_control(struct machine *machine, const json_t *request)
{
	const char *size = json_string_value(json_object_get(request, "size"));
	struct virtio *virtio = machine->balloon.virtio;
	const char *wrong;

	if (!virtio)
		return json_pack("{s:s}", "error",
				 "balloon: the guest has none; start it with --balloon");
	wrong = size ? set(machine, size) : NULL;
	if (wrong)
		return json_pack("{s:s+++}", "error", "balloon ", size, ": ", wrong);
	return json_pack("{s:o}", "balloon", balloon_report(virtio));
}
