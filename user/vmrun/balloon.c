// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: memory that the guest lends to the host. The module does the work; here
 * is how large it shall be.
 */
#include "balloon.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/ioctl.h>

/* Inflate, deflate, statistics; and reports. */
#define QUEUES 3
/* What the balloon is counted in. */
#define PAGE 4096

void balloon_plug(struct machine *machine)
{
	const struct balloon_config *balloon = &machine->config->balloon;
	const struct device_shape shape = {
		.type = VIRTIO_ID_BALLOON,
		.queues = QUEUES + balloon->reporting,
		.lane_queues = QUEUES + balloon->reporting,
	};
	const struct kvlane_backend backend = {
		.fd = -1,
		.balloon.target = balloon->target,
	};

	virtio_create(machine, "balloon", "the guest's memory", &shape, &backend);
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

json_t *balloon_report(const struct virtio *virtio)
{
	/* A guest that is stopped does not answer. */
	struct kvlane_balloon_info info = {
		.flags = virtio->machine->paused ? 0 : KVLANE_BALLOON_REFRESH,
	};

	if (virtio->type != VIRTIO_ID_BALLOON || ioctl(virtio->fd, KVLANE_GET_BALLOON, &info))
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "target",
			 (json_int_t)info.target, "actual", (json_int_t)info.actual, "ballooned",
			 (json_int_t)info.ballooned, "freed", (json_int_t)info.freed, "reported",
			 (json_int_t)info.reported, "whole", (json_int_t)info.whole, "partial",
			 (json_int_t)info.partial, "pinned", (json_int_t)info.pinned, "refused",
			 (json_int_t)info.refused, "ignored", (json_int_t)info.ignored, "guest",
			 report_guest(&info));
}

static struct virtio *find(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->nr_devices; i++) {
		if (machine->devices[i]->type == VIRTIO_ID_BALLOON)
			return machine->devices[i];
	}
	return NULL;
}

/* Returns NULL, or what is wrong. */
static const char *set(const struct virtio *virtio, const char *size)
{
	struct kvlane_set_balloon args = {};
	uint64_t target;

	if (!size_parse(size, &target) || target % PAGE)
		return "give a size such as 512M, or 0";
	if (target > virtio->machine->config->memory)
		return "the guest has less";
	args.target = target;
	return ioctl(virtio->fd, KVLANE_SET_BALLOON, &args) ? strerror(errno) : NULL;
}

json_t *balloon_control(struct machine *machine, const json_t *request)
{
	const char *size = json_string_value(json_object_get(request, "size"));
	struct virtio *virtio = find(machine);
	const char *wrong;

	if (!virtio)
		return json_pack("{s:s}", "error",
				 "balloon: the guest has none; start it with --balloon");
	wrong = size ? set(virtio, size) : NULL;
	if (wrong)
		return json_pack("{s:s+++}", "error", "balloon ", size, ": ", wrong);
	return json_pack("{s:o}", "balloon", balloon_report(virtio));
}
