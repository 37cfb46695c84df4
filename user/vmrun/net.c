// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network devices. Packets pass between the tap and the module. This program has
 * the tap use as many queues as the guest does, and the ones the guest wants, and
 * tells the guest when the host's end goes up or down, or a person wants it to look so.
 */
#include "net.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DEFAULT_PAIRS 4

/*
 * The host's network is changed by one at a time, under a lock that is everybody's. So a
 * guest may not have its tap changed more often than that.
 */
#define FOLLOW_NS 100000000ULL

void net_look(struct machine *machine, unsigned int index)
{
	struct net *net = &machine->nets[index];

	net->machine = machine;
	net->config = &machine->config->nets[index];
	net_host_look(net);
}

/* Locally administered, and the same each time for a VM of this name: FNV-1a. */
static void derive_mac(uint8_t *mac, const char *name, unsigned int index)
{
	const uint64_t prime = 0x100000001b3;
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * prime;
	hash = (hash ^ '/') * prime;
	hash = (hash ^ index) * prime;
	mac[0] = 0x02;
	for (unsigned int i = 1; i < MAC_LEN; i++)
		mac[i] = hash >> 8 * i;
}

static void choose_mac(struct net *net, unsigned int index)
{
	if (net->config->has_mac)
		memcpy(net->mac, net->config->mac, MAC_LEN);
	else if (!strcmp(net->host.kind, "macvtap"))
		memcpy(net->mac, net->host.mac, MAC_LEN);
	else
		derive_mac(net->mac, net->machine->config->name, index);
}

static void choose_pairs(struct net *net)
{
	unsigned int cpus = net->machine->config->cpus;

	if (net->config->kind == NET_FD)
		net->pairs = net->tap.count;
	else if (net->config->queues)
		net->pairs = net->config->queues;
	else
		net->pairs = cpus < DEFAULT_PAIRS ? cpus : DEFAULT_PAIRS;
}

bool net_link_up(const struct net *net)
{
	return net->is_wanted_up && net->is_host_up && !net->is_lost;
}

static const char *set_link(struct net *net, unsigned int flags)
{
	struct kvlane_link link = { .flags = flags };

	if (net_link_up(net))
		link.flags |= KVLANE_LINK_UP;
	return ioctl(net->virtio->fd, KVLANE_SET_LINK, &link) ? strerror(errno) : NULL;
}

static void on_host_changed(struct link_monitor *monitor, bool up)
{
	struct net *net = monitor->owner;
	const char *wrong = NULL;

	if (up == net->is_host_up)
		return;
	net->is_host_up = up;
	if (net->is_wanted_up)
		wrong = set_link(net, 0);
	if (wrong)
		say("%s: the guest cannot be told of its link: %s", net->virtio->name, wrong);
}

static void follow_host(struct net *net)
{
	const char *wrong = NULL;

	net->monitor.changed = on_host_changed;
	net->monitor.owner = net;
	if (!net->monitor.sock)
		wrong = link_monitor_open(&net->monitor);
	if (!wrong)
		wrong = link_monitor_start(&net->monitor, &net->machine->loop, net->watched);
	if (wrong)
		fail(STATUS_FAILURE, "%s: cannot follow the state of %s: %s", net->virtio->name,
		     net->tap.name, wrong);
}

/* A queue nobody reads would swallow what the tap sends to it. */
static void use_pairs(struct net *net, unsigned int pairs)
{
	int err;

	if (pairs < 1 || pairs > net->pairs)
		return;
	net->active = pairs;
	err = tap_use(&net->tap, pairs);
	if (err && !net->is_lost)
		say("%s: %s does not attach or detach a queue: %s", net->virtio->name,
		    net->tap.name, strerror(-err));
}

static void steer(struct net *net, const struct kvlane_net_rss *rss)
{
	int program = -1, err;

	if (net->no_rss)
		return;
	if (rss->table_len) {
		steering_set(&net->steering, rss);
		program = net->steering.program;
	}
	err = tap_steer(&net->tap, program);
	if (err && !net->is_lost)
		say("%s: %s does not take the guest's choice of queues: %s", net->virtio->name,
		    net->tap.name, strerror(-err));
}

/* What counts is the state there is by now: an event may have found no room. */
static void follow_driver(struct net *net)
{
	struct kvlane_net_rss rss = {};

	net->followed = now_ns();
	net->follows++;
	if (ioctl(net->virtio->fd, KVLANE_GET_RSS, &rss)) {
		say("%s: the module does not tell which queues the guest uses: %s",
		    net->virtio->name, strerror(errno));
		return;
	}
	use_pairs(net, rss.pairs);
	steer(net, &rss);
}

static void on_follow(struct watch *watch, uint32_t events)
{
	uint64_t expirations;

	if (read(watch->fd, &expirations, sizeof(expirations)) > 0)
		follow_driver(watch->owner);
}

/* Now, or soon if it was done a moment ago. */
static void follow_soon(struct net *net)
{
	uint64_t since = now_ns() - net->followed;
	struct itimerspec timer = {};

	if (since >= FOLLOW_NS) {
		follow_driver(net);
		return;
	}
	timer.it_value.tv_nsec = FOLLOW_NS - since;
	timerfd_settime(net->follow.fd, 0, &timer, NULL);
}

static void create_timer(struct net *net)
{
	net->follow = (struct watch){
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_follow, net,
	};
	if (net->follow.fd < 0 || loop_add(&net->machine->loop, &net->follow, EPOLLIN))
		fail(STATUS_FAILURE, "%s: no timer: %s", net->config->id, strerror(errno));
}

static bool on_event(struct virtio *virtio, const struct kvlane_event *event)
{
	struct net *net = virtio->owner;

	if (event->type == KVLANE_EVENT_LINK_LOST)
		net->is_lost = true;
	if (event->type != KVLANE_EVENT_NET_PAIRS && event->type != KVLANE_EVENT_NET_RSS)
		return false;
	follow_soon(net);
	return true;
}

/* A tap chooses by a program; a macvtap does not, and others' taps are left alone. */
static void prepare_steering(struct net *net)
{
	const enum net_kind kind = net->config->kind;
	int err;

	if (!net->config->rss) {
		net->no_rss = "rss=off";
		return;
	}
	if (kind != NET_BRIDGE && kind != NET_TAP)
		fail(STATUS_USAGE, "--net rss=on: only a tap takes a program; leave it away, or give bridge= or tap=");
	if (net->pairs == 1) {
		net->no_rss = "one queue pair";
		return;
	}
	err = steering_load(&net->steering);
	if (!err)
		err = tap_steer(&net->tap, -1);
	if (err)
		fail(STATUS_USAGE, "--net rss=on: %s does not take a program: %s; leave it away, or start vmrun as root",
		     net->tap.name, strerror(-err));
}

static void check_id(const struct machine *machine, const char *id)
{
	for (unsigned int i = 0; i < machine->nr_devices; i++) {
		if (!strcmp(machine->devices[i]->name, id))
			fail(STATUS_USAGE,
			     "--net id=%s: another device has this name; give another", id);
	}
}

void net_connect(struct machine *machine, unsigned int index, struct device_shape *shape,
		 struct kvlane_backend *backend)
{
	struct net *net = &machine->nets[index];
	const struct net_config *config = net->config;

	*backend = (struct kvlane_backend){ .fd = -1 };
	*shape = (struct device_shape){ .type = VIRTIO_ID_NET };
	choose_mac(net, index);
	choose_pairs(net);
	net->mtu = config->mtu ? config->mtu : net->host.mtu;
	net_host_connect(net);
	prepare_steering(net);
	net->is_wanted_up = true;
	backend->net.fds = (uintptr_t)net->tap.fds;
	backend->net.num_fds = net->pairs;
	backend->net.header_len = net->tap.header_len;
	backend->net.mtu = net->mtu;
	memcpy(backend->net.mac, net->mac, MAC_LEN);
	if (config->no_zerocopy)
		backend->flags |= KVLANE_BACKEND_NO_ZEROCOPY;
	if (!net_link_up(net))
		backend->flags |= KVLANE_BACKEND_LINK_DOWN;
	if (!net->no_rss)
		backend->flags |= KVLANE_BACKEND_RSS;
	shape->queues = 2 * net->pairs + 1;
	/* What one half of a pair does often gives the other something to do. */
	shape->lane_queues = config->lane_each ? 1 : 2;
	shape->no_packed = config->no_packed;
}

void net_plug(struct machine *machine, unsigned int index)
{
	struct net *net = &machine->nets[index];
	const struct net_config *config = net->config;
	struct kvlane_backend backend;
	struct device_shape shape;

	check_id(machine, config->id);
	net_connect(machine, index, &shape, &backend);
	net->virtio = virtio_create(machine, config->id, net->source, &shape, &backend);
	net->virtio->owner = net;
	net->virtio->on_event = on_event;
	create_timer(net);
	throttle_plug(net->virtio, &config->throttle, LIMITS_NET);
	lanes_plug(net->virtio, &config->lanes);
	use_pairs(net, 1);
	if (net->watched)
		follow_host(net);
}

void net_stop(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->config->nr_nets; i++)
		virtio_reset(machine->nets[i].virtio);
}

static struct net *find(struct machine *machine, const char *id)
{
	for (unsigned int i = 0; i < machine->config->nr_nets; i++) {
		if (!strcmp(machine->config->nets[i].id, id))
			return &machine->nets[i];
	}
	return NULL;
}

const char *net_control(struct machine *machine, const char *id, const char *action)
{
	struct net *net = find(machine, id);

	if (!net)
		return "no network device of this name; vmrun stat shows them";
	if (!strcmp(action, "announce")) {
		if (!net_link_up(net))
			return "the link is down, nobody would hear it; bring it up first";
		return set_link(net, KVLANE_LINK_ANNOUNCE);
	}
	if (strcmp(action, "up") && strcmp(action, "down"))
		return "give up, down or announce";
	net->is_wanted_up = !strcmp(action, "up");
	return set_link(net, 0);
}
