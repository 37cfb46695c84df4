// SPDX-License-Identifier: GPL-2.0-only
/*
 * What network devices are connected to: a bridge, a tap, a macvtap, or descriptors
 * of the caller's. First all are looked at, and only when everything else is there
 * is anything made.
 */
#include "machine.h"
#include "macvtap.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define OWN_TAP "kvl%d"
#define ALIAS_LEN (MAX_NAME + MAX_NET_ID + 8)

static void look_at_bridge(const struct net_config *config, struct link *link)
{
	if (!link_find(config->name, link))
		fail(STATUS_USAGE,
		     "--net bridge=%s: no such bridge; as root, ip link add %s up type bridge",
		     config->name, config->name);
	if (strcmp(link->kind, "bridge"))
		fail(STATUS_USAGE, "--net bridge=%s: is no bridge; give one, or macvtap=%s",
		     config->name, config->name);
}

static void look_at_tap(const struct net_config *config, struct link *link)
{
	if (!link_find(config->name, link))
		fail(STATUS_USAGE,
		     "--net tap=%s: no such tap; as root, ip tuntap add %s mode tap%s, or give bridge=",
		     config->name, config->name, config->queues > 1 ? " multi_queue" : "");
	if (!strcmp(link->kind, "macvtap"))
		fail(STATUS_USAGE, "--net tap=%s: is a macvtap; give macvtap=%s", config->name,
		     config->name);
	if (strcmp(link->kind, "tun") || !link->is_ethernet)
		fail(STATUS_USAGE, "--net tap=%s: is no tap; give one, or bridge= or macvtap=",
		     config->name);
	if (link->has_carrier)
		fail(STATUS_USAGE,
		     "--net tap=%s: is in use already; end its user, or give another",
		     config->name);
}

static void look_at_macvtap(const struct net_config *config, struct link *link)
{
	if (!link_find(config->name, link))
		fail(STATUS_USAGE,
		     "--net macvtap=%s: no such interface; give a macvtap, or what to put one on",
		     config->name);
	if (!link->is_ethernet)
		fail(STATUS_USAGE, "--net macvtap=%s: carries no Ethernet; give what does",
		     config->name);
	if (strcmp(link->kind, "macvtap")) {
		if (!link->is_enabled)
			fail(STATUS_USAGE, "--net macvtap=%s: is down; as root, ip link set %s up",
			     config->name, config->name);
	} else if (config->has_mac && memcmp(config->mac, link->mac, MAC_LEN)) {
		fail(STATUS_USAGE,
		     "--net macvtap=%s: passes on only what is for its own address; leave mac= away",
		     config->name);
	}
}

/* The interface behind descriptors, if it is one of this network namespace. */
static void look_behind(struct net *net)
{
	uint8_t mac[MAC_LEN];

	if (!tap_mac(&net->tap, mac) || !link_find(net->tap.name, &net->host) ||
	    memcmp(net->host.mac, mac, MAC_LEN))
		net->host = (struct link){};
}

static void look_at_fds(struct net *net)
{
	const struct net_config *config = net->config;
	const char *wrong;
	int culprit;

	wrong = tap_adopt(&net->tap, config->fds, config->nr_fds, &culprit);
	if (wrong)
		fail(STATUS_USAGE, "--net fd=%d: %s", culprit, wrong);
	look_behind(net);
}

static void check_mtu(const struct net *net)
{
	const struct net_config *config = net->config;
	const char *name = net->host.name;

	if (config->kind != NET_BRIDGE && net->host.index && config->mtu > net->host.mtu)
		fail(STATUS_USAGE,
		     "--net mtu=%u: that of %s is %u; give no more, or as root, ip link set %s mtu %u",
		     config->mtu, name, net->host.mtu, name, config->mtu);
}

void net_host_look(struct net *net)
{
	switch (net->config->kind) {
	case NET_BRIDGE:
		look_at_bridge(net->config, &net->host);
		break;
	case NET_TAP:
		look_at_tap(net->config, &net->host);
		break;
	case NET_MACVTAP:
		look_at_macvtap(net->config, &net->host);
		break;
	default:
		look_at_fds(net);
	}
	check_mtu(net);
}

static const char *tap_mend(int err)
{
	switch (-err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "load its driver: as root, modprobe tun";
	case EPERM:
	case EACCES:
		return "run as root, or give a tap of yours: ip tuntap add NAME mode tap user USER";
	case EBUSY:
		return "end its user, or give another";
	case EINVAL:
		return "give a tap made by ip tuntap add NAME mode tap multi_queue, or queues=1";
	case E2BIG:
		return "give fewer queues";
	default:
		return "see dmesg";
	}
}

static void make_port(struct net *net)
{
	char alias[ALIAS_LEN];
	struct link_port port = {
		.index = if_nametoindex(net->tap.name),
		.bridge = net->host.index,
		.mtu = net->mtu,
		.alias = alias,
	};
	const char *wrong;

	/*
	 * With the guest's address, the tap would have the bridge keep what is for the
	 * guest. And a bridge takes the lowest address of its ports for its own, which
	 * must not change with the guests; so it is a high one.
	 */
	memcpy(port.mac, net->mac, MAC_LEN);
	port.mac[0] = net->mac[0] == 0xfe ? 0xfa : 0xfe;
	snprintf(alias, sizeof(alias), "vmrun %s %s", net->machine->config->name,
		 net->config->id);
	wrong = link_join_bridge(&port);
	if (wrong)
		fail(STATUS_USAGE, "--net bridge=%s: does not take a tap with MTU %u: %s",
		     net->host.name, net->mtu, wrong);
	net->watched = port.index;
}

static void connect_bridge(struct net *net)
{
	int err = tap_create(&net->tap, OWN_TAP, net->pairs);

	if (err)
		fail(STATUS_USAGE, "--net bridge=%s: cannot make a tap: %s; %s", net->host.name,
		     strerror(-err), tap_mend(err));
	make_port(net);
	net->is_host_up = net->host.is_enabled;
	snprintf(net->source, sizeof(net->source), "%s on %s", net->tap.name, net->host.name);
}

static void connect_tap(struct net *net)
{
	const struct net_config *config = net->config;
	int err = tap_open(&net->tap, config->name, config->queues, net->pairs);

	if (err)
		fail(STATUS_USAGE, "--net tap=%s: %s; %s", config->name, strerror(-err),
		     tap_mend(err));
	net->pairs = net->tap.count;
	/* Its carrier is that somebody has it open. */
	net->is_host_up = net->host.is_enabled;
}

static void connect_macvtap(struct net *net)
{
	const struct link *host = &net->host;
	int err;

	if (strcmp(host->kind, "macvtap")) {
		macvtap_create(net);
		snprintf(net->source, sizeof(net->source), "%s on %s", net->tap.name, host->name);
		return;
	}
	err = tap_open_macvtap(&net->tap, host->name, host->index, net->pairs);
	if (err)
		fail(STATUS_USAGE, "--net macvtap=%s: /dev/tap%d: %s; %s", host->name,
		     host->index, strerror(-err),
		     err == -EBUSY ? tap_mend(err) : "give yourself permission to open it");
}

void net_host_connect(struct net *net)
{
	const char *name = net->host.index ? net->host.name : net->tap.name;

	snprintf(net->source, sizeof(net->source), "%s", *name ? name : "a descriptor");
	net->is_host_up = !net->host.index || net->host.is_up;
	net->watched = net->host.index;
	switch (net->config->kind) {
	case NET_BRIDGE:
		connect_bridge(net);
		break;
	case NET_TAP:
		connect_tap(net);
		break;
	case NET_MACVTAP:
		connect_macvtap(net);
		break;
	default:
		break;
	}
}
