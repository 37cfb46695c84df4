/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_NET_H
#define VMRUN_NET_H

#include "config.h"
#include "link.h"
#include "steering.h"
#include "tap.h"

struct device_shape;
struct machine;
struct virtio;

/**
 * struct net - a network device
 * @virtio: the device
 * @tap: its other end
 * @host: the bridge, the interface a macvtap sits on, or the tap itself
 * @monitor: follows the state of the interface, if there is one to follow
 * @source: where it leads to, in words
 * @mac: the guest's address
 * @mtu: what the guest is told; 0 for nothing
 * @pairs: queue pairs the guest can use
 * @active: queue pairs it does use
 * @steering: how packets get to the queue that the guest wants
 * @no_rss: why the guest cannot say which that is, or NULL
 * @watched: index of the interface whose state the guest is told, or 0
 * @is_lost: the host's end has been taken away
 * @is_wanted_up: no person wants the link to be down
 * @is_host_up: the host's end is up
 * @followed: when the tap was last told what the driver wants, CLOCK_MONOTONIC
 * @follow: a timer, for when it is to be told next
 * @follows: how often it was told
 */
struct net {
	const struct net_config *config;
	struct machine *machine;
	struct virtio *virtio;
	struct tap tap;
	struct link host;
	struct link_monitor monitor;
	char source[64];
	uint8_t mac[MAC_LEN];
	unsigned int mtu;
	unsigned int pairs;
	unsigned int active;
	struct steering steering;
	const char *no_rss;
	int watched;
	bool is_lost;
	bool is_wanted_up;
	bool is_host_up;
	uint64_t followed;
	struct watch follow;
	uint64_t follows;
};

/**
 * net_look() - look at what a network device is to be connected to
 *
 * Makes nothing. To be called before vmrun opens files of its own. Exits with
 * STATUS_USAGE and one line if it is no use.
 */
void net_look(struct machine *machine, unsigned int index);

/**
 * net_connect() - connect it, and say what the module is to be told of it
 * @index: which network device it is
 *
 * Exits with STATUS_USAGE and one line if that fails.
 */
void net_connect(struct machine *machine, unsigned int index, struct device_shape *shape,
		 struct kvlane_backend *backend);

/**
 * net_plug() - connect it, and make the device
 * @index: which network device it is
 *
 * Exits with STATUS_USAGE and one line if that fails.
 */
void net_plug(struct machine *machine, unsigned int index);

/**
 * net_stop() - have nothing more go in or out
 *
 * For the end, since taps are put back at exit().
 */
void net_stop(struct machine *machine);

/**
 * net_link_up() - whether the guest is told that its link is up
 */
bool net_link_up(const struct net *net);

/**
 * net_control() - what a person wants of a link
 * @id: of the device
 * @action: "up", "down" or "announce"
 *
 * Down means down; up means that the guest sees the state of the host's end.
 * Return: NULL, or what is wrong.
 */
const char *net_control(struct machine *machine, const char *id, const char *action);

/**
 * net_host_look() - net_look(), as far as the host's end is concerned
 */
void net_host_look(struct net *net);

/**
 * net_host_connect() - make or open the host's end
 *
 * @mac, @mtu and @pairs are what is wanted; an existing tap may have fewer pairs.
 */
void net_host_connect(struct net *net);

#endif
