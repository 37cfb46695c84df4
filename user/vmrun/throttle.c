// SPDX-License-Identifier: GPL-2.0-only
/*
 * Throttles: limits on what devices may do, which the module keeps.
 *
 * A device has one of its own, or shares one with others (a group), perhaps with those
 * of another VM. Its own is made with it, whether it has limits or not, since the
 * running machine has no right to make one; but the device goes by it only while there
 * are limits, and is as fast as without it otherwise.
 */
#include "throttle.h"
#include "client.h"
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static struct throttle *find(struct machine *machine, const char *name)
{
	struct throttles *all = &machine->throttles;

	for (unsigned int i = 0; i < all->count; i++) {
		if (!strcmp(all->list[i]->name, name))
			return all->list[i];
	}
	return NULL;
}

static struct virtio *find_device(struct machine *machine, const char *name)
{
	for (unsigned int i = 0; i < machine->nr_devices; i++) {
		if (!strcmp(machine->devices[i]->name, name))
			return machine->devices[i];
	}
	return NULL;
}

static struct throttle *add(struct machine *machine, const char *name, enum limits_kind kind,
			    int fd)
{
	struct throttle *throttle = calloc(1, sizeof(*throttle));
	struct throttles *all = &machine->throttles;

	if (!throttle)
		fail(STATUS_FAILURE, "%s: no memory", name);
	strcpy(throttle->name, name);
	throttle->kind = kind;
	throttle->fd = fd;
	all->list[all->count++] = throttle;
	return throttle;
}

static void borrow(struct machine *machine, const struct throttle_config *config)
{
	const char *name = config->name;

	if (!name || !strchr(name, '/') || find(machine, name))
		return;
	add(machine, name, LIMITS_GROUP, client_borrow_throttle(name));
}

void throttles_borrow(struct machine *machine)
{
	const struct config *config = machine->config;

	for (unsigned int i = 0; i < config->nr_disks; i++)
		borrow(machine, &config->disks[i].throttle);
	for (unsigned int i = 0; i < config->nr_nets; i++)
		borrow(machine, &config->nets[i].throttle);
}

/* Returns NULL, or what is wrong. */
static const char *set(struct throttle *throttle, const struct kvlane_rate *rates)
{
	struct kvlane_limits limits = {};

	memcpy(limits.limits, rates, sizeof(limits.limits));
	return ioctl(throttle->fd, KVLANE_SET_LIMITS, &limits) ? strerror(errno) : NULL;
}

static void begin_with(struct throttle *throttle, const struct throttle_config *config)
{
	const char *wrong = set(throttle, config->limits);

	if (wrong)
		fail(STATUS_USAGE, "%s: the module does not take the limits: %s", throttle->name,
		     wrong);
}

void throttles_create(struct machine *machine)
{
	const struct config *config = machine->config;
	struct throttle *throttle;
	const char *name;
	int fd;

	for (unsigned int i = 0; i < config->nr_throttles; i++) {
		if (machine->module.vm < 0)
			module_attach(&machine->module, machine->kvm.vm, &machine->memory);
		name = config->throttles[i].name;
		fd = module_throttle(&machine->module, name);
		throttle = add(machine, name, LIMITS_GROUP, fd);
		begin_with(throttle, &config->throttles[i]);
	}
}

/* Has the device go by its throttle, or by none. Returns NULL, or what is wrong. */
static const char *attach(struct virtio *virtio, bool wanted)
{
	struct kvlane_set_throttle arg = { .fd = wanted ? virtio->throttle->fd : -1 };

	if (virtio->is_throttled == wanted)
		return NULL;
	if (ioctl(virtio->fd, KVLANE_SET_THROTTLE, &arg))
		return strerror(errno);
	virtio->is_throttled = wanted;
	return NULL;
}

void throttle_plug(struct virtio *virtio, const struct throttle_config *config,
		   enum limits_kind kind)
{
	struct machine *machine = virtio->machine;
	const char *name = virtio->name, *wrong;
	int fd;

	if (find(machine, name))
		fail(STATUS_USAGE, "--throttle %s: a device has this name; give another", name);
	if (config->name) {
		virtio->throttle = find(machine, config->name);
	} else {
		fd = module_throttle(&machine->module, name);
		virtio->throttle = add(machine, name, kind, fd);
		virtio->throttle->owner = virtio;
		begin_with(virtio->throttle, config);
	}
	wrong = attach(virtio, config->name || limits_any(config->limits));
	if (wrong)
		fail(STATUS_USAGE, "%s: the module does not take throttle %s: %s", name,
		     virtio->throttle->name, wrong);
}

json_t *throttle_name(const struct virtio *virtio)
{
	return virtio->is_throttled ? json_string(virtio->throttle->name) : json_null();
}

static json_t *report_limits(const struct kvlane_rate *rates)
{
	json_t *limits = json_object(), *limit;

	for (enum kvlane_limit i = 0; i < KVLANE_NR_LIMITS; i++) {
		if (!rates[i].rate)
			continue;
		limit = json_pack("{s:I}", "rate", (json_int_t)rates[i].rate);
		if (rates[i].burst) {
			json_object_set_new(limit, "burst", json_integer(rates[i].burst));
			json_object_set_new(limit, "burst_s", json_real(rates[i].burst_ms / 1e3));
		}
		json_object_set_new(limits, limits_name(i, LIMITS_GROUP), limit);
	}
	return limits;
}

static json_t *report_users(struct machine *machine, const struct throttle *throttle)
{
	json_t *users = json_array();

	for (unsigned int i = 0; i < machine->nr_devices; i++) {
		if (machine->devices[i]->throttle == throttle)
			json_array_append_new(users, json_string(machine->devices[i]->name));
	}
	return users;
}

static json_t *report(struct machine *machine, const struct throttle *throttle)
{
	struct kvlane_limits limits = {};
	char text[LIMITS_TEXT];

	if (ioctl(throttle->fd, KVLANE_GET_LIMITS, &limits))
		return json_pack("{s:s, s:s}", "name", throttle->name, "error", strerror(errno));
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:o, s:s}", "name", throttle->name,
			 "devices", report_users(machine, throttle), "ops", (json_int_t)limits.ops,
			 "bytes", (json_int_t)limits.bytes, "delayed", (json_int_t)limits.delayed,
			 "waiting", (json_int_t)limits.waiting, "limits",
			 report_limits(limits.limits), "setting",
			 limits_format(limits.limits, throttle->kind, text));
}

json_t *throttles_report(struct machine *machine)
{
	struct throttles *all = &machine->throttles;
	json_t *list = json_array();

	for (unsigned int i = 0; i < all->count; i++) {
		if (!all->list[i]->owner || all->list[i]->owner->is_throttled)
			json_array_append_new(list, report(machine, all->list[i]));
	}
	return list;
}

/* Takes the words of a person. Returns NULL, or what is wrong with @word. */
static const char *take(const json_t *words, enum limits_kind kind, struct kvlane_rate *rates,
			const char **word)
{
	const char *wrong = NULL;
	const json_t *value;
	bool is_limit;
	size_t i;

	json_array_foreach((json_t *)words, i, value) {
		*word = json_is_string(value) ? json_string_value(value) : "";
		if (!strcmp(*word, "off")) {
			memset(rates, 0, KVLANE_NR_LIMITS * sizeof(*rates));
			continue;
		}
		wrong = limits_parse(*word, kind, rates, &is_limit);
		if (!is_limit)
			wrong = "no such limit; vmrun run --help has them";
		if (wrong)
			return wrong;
	}
	*word = "";
	return NULL;
}

/* Changes the limits that @words name, together. Returns NULL, or what is wrong. */
static const char *change(struct throttle *throttle, const json_t *words, const char **word)
{
	struct kvlane_limits limits = {};
	const char *wrong;

	if (ioctl(throttle->fd, KVLANE_GET_LIMITS, &limits))
		return strerror(errno);
	wrong = take(words, throttle->kind, limits.limits, word);
	if (!wrong)
		wrong = set(throttle, limits.limits);
	if (!wrong && throttle->owner)
		wrong = attach(throttle->owner, throttle->is_lent || limits_any(limits.limits));
	return wrong;
}

/* Finds the throttle of this name, or of the device of this name. */
static struct throttle *find_any(struct machine *machine, const char *name, const char **wrong)
{
	struct throttle *throttle = find(machine, name);
	const struct virtio *device;

	if (throttle)
		return throttle;
	device = find_device(machine, name);
	if (!device)
		*wrong = "no device or throttle of this name; vmrun ctl NAME throttle shows them";
	else if (!device->throttle)
		*wrong = "cannot be throttled; give a disk or a network device";
	return device ? device->throttle : NULL;
}

static json_t *refuse(const char *name, const char *word, const char *wrong)
{
	return json_pack("{s:s+++++}", "error", "throttle ", name, *word ? " " : "", word, ": ",
			 wrong);
}

/* Changes or shows one. */
static json_t *control_one(struct machine *machine, const char *name, const json_t *limits)
{
	const char *wrong = NULL, *word = "";
	struct throttle *throttle = find_any(machine, name, &wrong);

	if (!throttle)
		return refuse(name, word, wrong);
	if (limits && strcmp(name, throttle->name))
		return json_pack("{s:s++++}", "error", "throttle ", name, ": it shares ",
				 throttle->name, "; give that name to change it for all");
	if (limits)
		wrong = change(throttle, limits, &word);
	if (wrong)
		return refuse(name, word, wrong);
	return json_pack("{s:[o]}", "throttles", report(machine, throttle));
}

json_t *throttle_control(struct machine *machine, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "device"));
	const json_t *limits = json_object_get(request, "limits");
	struct throttles *all = &machine->throttles;
	json_t *list;

	if (name)
		return control_one(machine, name, limits);
	list = json_array();
	for (unsigned int i = 0; i < all->count; i++)
		json_array_append_new(list, report(machine, all->list[i]));
	return json_pack("{s:o}", "throttles", list);
}

int throttle_lend(struct machine *machine, const char *name, const char **wrong)
{
	struct throttle *throttle = find_any(machine, name, wrong);

	if (!throttle)
		return -1;
	if (throttle->owner) {
		*wrong = attach(throttle->owner, true);
		if (*wrong)
			return -1;
	}
	throttle->is_lent = true;
	return throttle->fd;
}
