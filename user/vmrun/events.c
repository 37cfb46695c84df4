// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of all VMs as they come, from the module over generic netlink.
 *
 * The module knows a VM by a number and its process, and a device by its place;
 * the names are vmrun's. A VM is asked for them when its number is first heard,
 * or was asked before, so that one that has just been killed has its name too.
 */
#include "events.h"
#include "client.h"
#include "config.h"
#include "module.h"
#include "number.h"
#include "report.h"
#include "say.h"

#include <errno.h>
#include <jansson.h>
#include <linux/genetlink.h>
#include <linux/kvlane_netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#define ROOM (1 << 20)

/**
 * struct news - an event and whose it is
 * @event: what the device's owner reads too
 * @vm: the module's number of the VM
 * @pid: the process of the VM
 * @device: which device of the VM, counted from 0
 * @type: its virtio type
 * @omitted: events of the device that were left out before
 * @vm_name: name of the VM, or NULL
 * @device_name: name of the device, or NULL
 */
struct news {
	struct kvlane_event event;
	uint64_t vm;
	uint32_t pid;
	uint32_t device;
	uint32_t type;
	uint32_t omitted;
	const char *vm_name;
	const char *device_name;
};

/**
 * struct listener - what "vmrun events" listens with
 * @socket: joined to the module's events
 * @only: name of the one VM that matters, or NULL
 * @is_json: print JSON
 * @vms: the VMs that ran when we last looked
 * @known: the VMs by the module's number; null where nobody knows the name
 */
struct listener {
	struct nl_sock *socket;
	const char *only;
	bool is_json;
	json_t *vms;
	json_t *known;
};

static json_t *find_by_pid(const json_t *vms, uint32_t pid)
{
	json_t *vm;
	size_t i;

	json_array_foreach((json_t *)vms, i, vm) {
		if (json_integer_value(json_object_get(vm, "pid")) == pid)
			return vm;
	}
	return NULL;
}

static json_t *find_vm(struct listener *l, const struct news *news)
{
	json_t *vm, *now;
	char key[24];

	snprintf(key, sizeof(key), "%llu", (unsigned long long)news->vm);
	vm = json_object_get(l->known, key);
	if (vm)
		return vm;
	now = client_find_vms();
	vm = find_by_pid(now, news->pid);
	if (!vm)
		vm = find_by_pid(l->vms, news->pid);
	json_object_set_new(l->known, key, vm ? json_incref(vm) : json_null());
	json_decref(l->vms);
	l->vms = now;
	return json_object_get(l->known, key);
}

static void name(struct listener *l, struct news *news)
{
	const json_t *vm = find_vm(l, news);
	const json_t *devices = json_object_get(vm, "devices");

	news->vm_name = json_string_value(json_object_get(vm, "name"));
	news->device_name = json_string_value(json_array_get(devices, news->device));
}

/* What to do about it; NULL if nothing. */
static const char *mend(const struct kvlane_event *event)
{
	switch (event->type) {
	case KVLANE_EVENT_NEEDS_RESET:
		return "reset the guest";
	case KVLANE_EVENT_BACKEND_ERROR:
		if (event->error == -ENOSPC || event->error == -EDQUOT)
			return "make room where its image lies";
		return "look into the host's log (dmesg)";
	case KVLANE_EVENT_QUEUE_STALLED:
		return "see whether the host's storage or network answers (dmesg)";
	case KVLANE_EVENT_NOT_MAPPED:
		return "share the guest's memory (share=on)";
	case KVLANE_EVENT_LINK_LOST:
		return "end the guest and start it again";
	default:
		return NULL;
	}
}

static const char *event_name(unsigned int type)
{
	static const char *const names[] = {
		[KVLANE_EVENT_NEEDS_RESET] = "needs-reset",
		[KVLANE_EVENT_BACKEND_ERROR] = "backend-error",
		[KVLANE_EVENT_QUEUE_STALLED] = "queue-stalled",
		[KVLANE_EVENT_NET_PAIRS] = "net-pairs",
		[KVLANE_EVENT_LINK_LOST] = "link-lost",
		[KVLANE_EVENT_NET_RSS] = "net-rss",
		[KVLANE_EVENT_BALLOON_RETURNED] = "balloon-returned",
		[KVLANE_EVENT_NOT_MAPPED] = "not-mapped",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "unknown";
}

/* The module's clock is the monotonic one; people have another. */
static struct timespec wall_clock(uint64_t time_ns)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_sec * 1000000000LL + now.tv_nsec - (int64_t)(now_ns() - time_ns);
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static void print_line(const struct news *news)
{
	struct timespec when = wall_clock(news->event.time_ns);
	const char *todo = mend(&news->event);
	char clock[32], text[256];
	struct tm tm;

	strftime(clock, sizeof(clock), "%F %T", localtime_r(&when.tv_sec, &tm));
	printf("%s ", clock);
	if (news->vm_name)
		printf("%s ", news->vm_name);
	else
		printf("pid %u ", news->pid);
	if (news->device_name)
		printf("%s: ", news->device_name);
	else
		printf("%s device %u: ", report_type_name(news->type), news->device);
	printf("%s", module_event_text(&news->event, text, sizeof(text)));
	if (todo)
		printf("; %s", todo);
	if (news->omitted)
		printf(" (%u events before it were left out)", news->omitted);
	printf("\n");
}

/* One object on one line; a member that does not apply is null. */
static void print_object(const struct news *news)
{
	const struct kvlane_event *event = &news->event;
	struct timespec when = wall_clock(event->time_ns);
	bool has_queue = event->queue != KVLANE_NO_QUEUE;
	char text[256];
	json_t *object;

	module_event_text(event, text, sizeof(text));
	object = json_pack("{s:f, s:s?, s:i, s:I, s:s?, s:i, s:s, s:s, s:o, s:i, s:i, s:I, s:i, "
			   "s:s, s:s?}",
			   "time", when.tv_sec + when.tv_nsec / 1e9, "vm", news->vm_name, "pid",
			   news->pid, "vm_number", (json_int_t)news->vm, "device",
			   news->device_name, "device_index", news->device, "device_type",
			   report_type_name(news->type), "event", event_name(event->type), "queue",
			   has_queue ? json_integer(event->queue) : json_null(), "reason",
			   event->reason, "error", event->error, "value", (json_int_t)event->value,
			   "omitted", news->omitted, "text", text, "mend", mend(event));
	json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(16));
	printf("\n");
	json_decref(object);
}

static uint32_t take_u32(struct nlattr *attribute, uint32_t otherwise)
{
	return attribute ? nla_get_u32(attribute) : otherwise;
}

static uint64_t take_u64(struct nlattr *attribute)
{
	return attribute ? nla_get_u64(attribute) : 0;
}

static int take_event(struct nlmsghdr *message, struct news *news)
{
	static struct nla_policy policy[KVLANE_A_EVENT_MAX + 1] = {
		[KVLANE_A_EVENT_VM] = { .type = NLA_U64 },
		[KVLANE_A_EVENT_PID] = { .type = NLA_U32 },
		[KVLANE_A_EVENT_DEVICE] = { .type = NLA_U32 },
		[KVLANE_A_EVENT_DEVICE_TYPE] = { .type = NLA_U32 },
		[KVLANE_A_EVENT_TYPE] = { .type = NLA_U32 },
		[KVLANE_A_EVENT_QUEUE] = { .type = NLA_U32 },
		[KVLANE_A_EVENT_REASON] = { .type = NLA_U32 },
		[KVLANE_A_EVENT_ERROR] = { .type = NLA_S32 },
		[KVLANE_A_EVENT_TIME] = { .type = NLA_U64 },
		[KVLANE_A_EVENT_VALUE] = { .type = NLA_U64 },
		[KVLANE_A_EVENT_OMITTED] = { .type = NLA_U32 },
	};
	struct nlattr *a[KVLANE_A_EVENT_MAX + 1];
	int err = genlmsg_parse(message, 0, a, KVLANE_A_EVENT_MAX, policy);

	if (err)
		return err;
	*news = (struct news){
		.event = {
			.type = take_u32(a[KVLANE_A_EVENT_TYPE], 0),
			.queue = take_u32(a[KVLANE_A_EVENT_QUEUE], KVLANE_NO_QUEUE),
			.reason = take_u32(a[KVLANE_A_EVENT_REASON], 0),
			.error = (int32_t)take_u32(a[KVLANE_A_EVENT_ERROR], 0),
			.time_ns = take_u64(a[KVLANE_A_EVENT_TIME]),
			.value = take_u64(a[KVLANE_A_EVENT_VALUE]),
		},
		.vm = take_u64(a[KVLANE_A_EVENT_VM]),
		.pid = take_u32(a[KVLANE_A_EVENT_PID], 0),
		.device = take_u32(a[KVLANE_A_EVENT_DEVICE], 0),
		.type = take_u32(a[KVLANE_A_EVENT_DEVICE_TYPE], 0),
		.omitted = take_u32(a[KVLANE_A_EVENT_OMITTED], 0),
	};
	return 0;
}

/* The controller of generic netlink tells of families that come and go. */
static void control(struct nlmsghdr *message)
{
	struct nlattr *a[CTRL_ATTR_MAX + 1];

	if (genlmsg_hdr(message)->cmd != CTRL_CMD_DELFAMILY ||
	    genlmsg_parse(message, 0, a, CTRL_ATTR_MAX, NULL) || !a[CTRL_ATTR_FAMILY_NAME])
		return;
	if (!strcmp(nla_get_string(a[CTRL_ATTR_FAMILY_NAME]), KVLANE_FAMILY_NAME))
		fail(STATUS_FAILURE, "events: the module kvlane was unloaded");
}

static int receive(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *message = nlmsg_hdr(msg);
	struct listener *l = arg;
	struct news news;

	if (message->nlmsg_type == GENL_ID_CTRL) {
		control(message);
		return NL_OK;
	}
	if (take_event(message, &news))
		return NL_SKIP;
	name(l, &news);
	if (l->only && (!news.vm_name || strcmp(l->only, news.vm_name)))
		return NL_OK;
	if (l->is_json)
		print_object(&news);
	else
		print_line(&news);
	return NL_OK;
}

static void no_family(void)
{
	struct kvlane_info info;
	const char *why;
	int fd = module_open(&info, &why);

	if (fd < 0)
		fail(STATUS_USAGE, "/dev/kvlane: %s; %s", strerror(-fd), why);
	fail(STATUS_USAGE, "events: the module has none; install vmrun and the module of the same release");
}

static void join(struct nl_sock *socket, const char *family, const char *group)
{
	int number = genl_ctrl_resolve_grp(socket, family, group), err;

	if (number < 0)
		no_family();
	err = nl_socket_add_membership(socket, number);
	if (err == -NLE_PERM)
		fail(STATUS_USAGE, "events: not permitted; run it as root, or with CAP_NET_ADMIN");
	if (err)
		fail(STATUS_USAGE, "events: cannot listen: %s", nl_geterror(err));
}

static void open_listener(struct listener *l)
{
	int err;

	l->socket = nl_socket_alloc();
	if (!l->socket)
		fail(STATUS_FAILURE, "events: no memory");
	err = genl_connect(l->socket);
	if (err)
		fail(STATUS_USAGE, "events: cannot open generic netlink: %s", nl_geterror(err));
	join(l->socket, KVLANE_FAMILY_NAME, KVLANE_MCGRP_EVENTS);
	join(l->socket, "nlctrl", "notify");
	nl_socket_set_buffer_size(l->socket, ROOM, 0);
	nl_socket_disable_seq_check(l->socket);
	nl_socket_set_nonblocking(l->socket);
	nl_socket_modify_cb(l->socket, NL_CB_VALID, NL_CB_CUSTOM, receive, l);
}

static void listen_once(struct listener *l)
{
	int err = nl_recvmsgs_default(l->socket);

	if (err == -NLE_NOMEM)
		say("events: some were lost; they came faster than they could be printed");
	else if (err && err != -NLE_AGAIN && err != -NLE_INTR)
		fail(STATUS_FAILURE, "events: cannot read: %s", nl_geterror(err));
}

/* A descriptor that becomes readable when somebody wants an end of it. */
static int watch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		fail(STATUS_FAILURE, "events: signals: %s", strerror(errno));
	return fd;
}

int events(int argc, char **argv)
{
	bool is_json = client_options(&argc, argv) & CLIENT_JSON;
	struct listener l = { .only = argc > 1 ? argv[1] : NULL, .is_json = is_json };
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };

	if (argc > 2)
		fail(STATUS_USAGE, "events: give one name at most; see vmrun events --help");
	if (l.only && !name_valid(l.only))
		fail(STATUS_USAGE, "'%s' is no name of a VM; see vmrun list", l.only);
	setvbuf(stdout, NULL, _IOLBF, 0);
	fds[0].fd = watch_signals();
	open_listener(&l);
	fds[1].fd = nl_socket_get_fd(l.socket);
	l.vms = client_find_vms();
	l.known = json_object();

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) > 0 && fds[1].revents)
			listen_once(&l);
	}
	json_decref(l.known);
	json_decref(l.vms);
	nl_socket_free(l.socket);
	return STATUS_OK;
}
