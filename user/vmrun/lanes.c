// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the lanes of a device do to save processor time: for how long they look for
 * more before they sleep, and which interrupts they hold back; and on which processors
 * they do it. The module keeps it but does not tell, so it is remembered here.
 */
#include "lanes.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Requests that share an interrupt, unless said otherwise. */
#define COALESCE_REQUESTS 16

static const char *parse_poll(const char *value, struct lanes_setting *setting)
{
	uint64_t us = 0;

	setting->is_poll_set = strcmp(value, "default");
	if (setting->is_poll_set && !number_parse(value, 0, KVLANE_MAX_POLL_US, &us))
		return "give microseconds, up to 10000, or default";
	setting->poll_us = us;
	return NULL;
}

static const char *parse_coalesce(const char *value, struct lanes_setting *setting)
{
	const char *wrong = "give USEC or USEC:REQUESTS, such as 100:16, or off";
	uint64_t us = 0, requests = COALESCE_REQUESTS;
	const char *colon = strchrnul(value, ':');
	char text[16];

	if (strcmp(value, "off")) {
		if (snprintf(text, sizeof(text), "%.*s", (int)(colon - value), value) >=
			    (int)sizeof(text) ||
		    !number_parse(text, 1, KVLANE_MAX_COALESCE_US, &us) ||
		    (*colon && !number_parse(colon + 1, 2, UINT32_MAX, &requests)))
			return wrong;
	}
	setting->coalesce_us = us;
	setting->coalesce_requests = us ? requests : 0;
	return NULL;
}

/* Takes "3" or "0-3". */
static bool parse_range(const char *text, size_t len, cpu_set_t *set)
{
	char first[8], *last;
	uint64_t from, to;

	if (len >= sizeof(first))
		return false;
	memcpy(first, text, len);
	first[len] = 0;
	last = strchr(first, '-');
	if (last)
		*last++ = 0;
	if (!number_parse(first, 0, CPU_SETSIZE - 1, &from) ||
	    !number_parse(last ? last : first, from, CPU_SETSIZE - 1, &to))
		return false;
	for (; from <= to; from++)
		CPU_SET(from, set);
	return true;
}

static const char *parse_cpus(const char *value, struct lanes_setting *setting)
{
	cpu_set_t set;
	size_t len;

	CPU_ZERO(&set);
	setting->cpus_text[0] = 0;
	setting->is_moved = true;
	if (!strcmp(value, "all"))
		return NULL;
	if (strlen(value) >= sizeof(setting->cpus_text))
		return "too long; give ranges";
	strcpy(setting->cpus_text, value);
	for (;; value += len + 1) {
		len = strcspn(value, ":");
		if (!parse_range(value, len, &set))
			return "give processors, such as 3 or 0-3:8, or all";
		if (!value[len])
			break;
	}
	setting->cpus = set;
	return NULL;
}

const char *lanes_parse(const char *word, struct lanes_setting *setting, bool *is_setting)
{
	*is_setting = true;
	if (!strncmp(word, "poll=", 5))
		return parse_poll(word + 5, setting);
	if (!strncmp(word, "coalesce=", 9))
		return parse_coalesce(word + 9, setting);
	if (!strncmp(word, "cpus=", 5))
		return parse_cpus(word + 5, setting);
	*is_setting = false;
	return NULL;
}

char *lanes_format(const struct lanes_setting *setting, char *buf)
{
	char poll[16] = "default", coalesce[32] = "off";

	if (setting->is_poll_set)
		snprintf(poll, sizeof(poll), "%u", setting->poll_us);
	if (setting->coalesce_us)
		snprintf(coalesce, sizeof(coalesce), "%u:%u", setting->coalesce_us,
			 setting->coalesce_requests);
	snprintf(buf, LANES_TEXT, "poll=%s coalesce=%s cpus=%s", poll, coalesce,
		 setting->cpus_text[0] ? setting->cpus_text : "all");
	return buf;
}

/* Where this process may run, and so where lanes do that were not told. */
static cpu_set_t everywhere;

static const char *explain(const struct lanes_setting *setting)
{
	if (setting->is_moved && errno == EPERM)
		return "vmrun itself may not run there; see its CPU set";
	if (setting->is_moved && errno == EINVAL)
		return "none of these processors is there";
	return strerror(errno);
}

/* Returns NULL, or what is wrong. */
static const char *set(struct virtio *virtio, const struct lanes_setting *setting)
{
	const cpu_set_t *cpus = setting->cpus_text[0] ? &setting->cpus : &everywhere;
	const struct kvlane_set_lanes args = {
		.cpus_size = setting->is_moved ? sizeof(*cpus) : 0,
		.cpus = setting->is_moved ? (uintptr_t)cpus : 0,
		.queue = KVLANE_NO_QUEUE,
		.poll_us = setting->is_poll_set ? setting->poll_us : KVLANE_POLL_DEFAULT,
		.coalesce_us = setting->coalesce_us,
		.coalesce_requests = setting->coalesce_requests,
	};

	if (ioctl(virtio->fd, KVLANE_SET_LANES, &args))
		return explain(setting);
	virtio->lanes = *setting;
	return NULL;
}

void lanes_plug(struct virtio *virtio, const struct lanes_setting *setting)
{
	const char *wrong;

	sched_getaffinity(0, sizeof(everywhere), &everywhere);
	wrong = set(virtio, setting);
	if (wrong)
		fail(STATUS_USAGE, "%s: the module does not take the setting of its lanes: %s",
		     virtio->name, wrong);
}

json_t *lanes_report(const struct virtio *virtio)
{
	const struct lanes_setting *setting = &virtio->lanes;
	json_t *poll = setting->is_poll_set ? json_integer(setting->poll_us) : json_null();
	const char *cpus = setting->cpus_text[0] ? setting->cpus_text : "all";
	char text[LANES_TEXT];

	return json_pack("{s:s, s:o, s:i, s:i, s:s, s:s}", "device", virtio->name, "poll_us", poll,
			 "coalesce_us", setting->coalesce_us, "coalesce_requests",
			 setting->coalesce_requests, "cpus", cpus, "setting",
			 lanes_format(setting, text));
}

static json_t *refuse(const char *name, const char *word, const char *wrong)
{
	return json_pack("{s:s+++++}", "error", "lanes ", name, *word ? " " : "", word, ": ",
			 wrong);
}

/* Changes what @words name, all of it or nothing. */
static json_t *change(struct virtio *virtio, const json_t *words)
{
	struct lanes_setting setting = virtio->lanes;
	const char *word, *wrong;
	const json_t *value;
	bool is_setting;
	size_t i;

	json_array_foreach((json_t *)words, i, value) {
		word = json_is_string(value) ? json_string_value(value) : "";
		wrong = lanes_parse(word, &setting, &is_setting);
		if (!is_setting)
			wrong = "no such setting; there are poll=, coalesce= and cpus=";
		if (wrong)
			return refuse(virtio->name, word, wrong);
	}
	wrong = set(virtio, &setting);
	return wrong ? refuse(virtio->name, "", wrong) : NULL;
}

json_t *lanes_control(struct machine *machine, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "device"));
	const json_t *words = json_object_get(request, "words");
	json_t *list = json_array(), *error;

	for (unsigned int i = 0; i < machine->nr_devices; i++) {
		if (name && strcmp(machine->devices[i]->name, name))
			continue;
		error = words ? change(machine->devices[i], words) : NULL;
		if (error) {
			json_decref(list);
			return error;
		}
		json_array_append_new(list, lanes_report(machine->devices[i]));
	}
	if (!name || json_array_size(list))
		return json_pack("{s:o}", "lanes", list);
	json_decref(list);
	return refuse(name, "", "no device of this name; vmrun ctl NAME lanes shows them");
}
