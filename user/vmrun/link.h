/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_LINK_H
#define VMRUN_LINK_H

#include "loop.h"

#include <stddef.h>

#define MAC_LEN 6
#define LINK_NAME_LEN 16	/* IFNAMSIZ */

struct nl_sock;

/**
 * struct link - a network interface of the host
 * @kind: "bridge", "tun", "macvtap" and so on; empty for hardware
 * @master: index of the bridge it is a port of, or 0
 * @is_ethernet: carries Ethernet
 * @is_enabled: switched on
 * @has_carrier: a cable is plugged in; for a tap, somebody has it open
 * @is_up: switched on, and with a carrier
 */
struct link {
	char name[LINK_NAME_LEN];
	char kind[16];
	int index;
	int master;
	unsigned int mtu;
	uint8_t mac[MAC_LEN];
	bool is_ethernet;
	bool is_enabled;
	bool has_carrier;
	bool is_up;
};

/**
 * link_find() - look up an interface of this network namespace
 * Return: false if there is none of this name.
 */
bool link_find(const char *name, struct link *link);

/**
 * link_list() - the interfaces of a kind
 * @names: filled in with their names, as many as fit, separated by blanks
 * Return: how many there are.
 */
unsigned int link_list(const char *kind, char *names, size_t len);

/**
 * struct link_port - how a tap of ours becomes the port of a bridge
 * @index: the tap
 * @bridge: index of the bridge
 * @mtu: of the tap
 * @mac: address of the tap itself
 * @alias: what "ip link" shows beside it
 */
struct link_port {
	int index;
	int bridge;
	unsigned int mtu;
	uint8_t mac[MAC_LEN];
	const char *alias;
};

/**
 * link_join_bridge() - make a tap the port of a bridge, and switch it on
 * Return: NULL, or what is wrong.
 */
const char *link_join_bridge(const struct link_port *port);

/**
 * struct link_macvtap - a macvtap to be made
 * @name: its name
 * @index: its index
 * @lower: index of the interface it sits on
 * @ns: descriptor of the network namespace it is to be in
 * @mtu: its MTU
 * @mac: its address
 */
struct link_macvtap {
	const char *name;
	int index;
	int lower;
	int ns;
	unsigned int mtu;
	uint8_t mac[MAC_LEN];
};

/**
 * link_create_macvtap() - make a macvtap in bridge mode, and switch it on
 *
 * It takes all multicast, since nobody but the guest knows what the guest wants.
 * Return: NULL, or what is wrong.
 */
const char *link_create_macvtap(const struct link_macvtap *macvtap);

/**
 * struct link_monitor - follows the state of an interface, and of its bridge
 * @index: the interface
 * @master: the bridge it is in at present, or 0
 * @is_up: the interface is up and has a carrier
 * @is_master_up: the bridge is switched on
 * @changed: called in the main thread when one of them may have changed
 */
struct link_monitor {
	struct watch watch;
	struct nl_sock *sock;
	int index;
	int master;
	bool is_up;
	bool is_master_up;
	void (*changed)(struct link_monitor *monitor, bool up);
	void *owner;
};

/**
 * link_monitor_open() - begin to listen in the network namespace of the caller
 *
 * What happens from here on is not missed.
 * Return: NULL, or what is wrong.
 */
const char *link_monitor_open(struct link_monitor *monitor);

/**
 * link_monitor_start() - ask for the present state, and follow it in the main loop
 * Return: NULL, or what is wrong.
 */
const char *link_monitor_start(struct link_monitor *monitor, struct loop *loop, int index);

#endif
