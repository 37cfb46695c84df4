// SPDX-License-Identifier: GPL-2.0-only
/* Network interfaces of the host, by rtnetlink. */
#include "link.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/macvtap.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define NO_MEMORY "no memory"

/* A socket for requests in this network namespace; NULL if there can be none. */
static struct nl_sock *connect_route(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && nl_connect(sock, NETLINK_ROUTE)) {
		nl_socket_free(sock);
		sock = NULL;
	}
	return sock;
}

static bool is_up(unsigned int flags)
{
	return flags & IFF_UP && flags & IFF_LOWER_UP;
}

static void describe(struct link *link, struct rtnl_link *from)
{
	const char *kind = rtnl_link_get_type(from);
	struct nl_addr *mac = rtnl_link_get_addr(from);

	*link = (struct link){
		.index = rtnl_link_get_ifindex(from),
		.master = rtnl_link_get_master(from),
		.mtu = rtnl_link_get_mtu(from),
		.is_ethernet = rtnl_link_get_arptype(from) == ARPHRD_ETHER,
		.is_enabled = rtnl_link_get_flags(from) & IFF_UP,
		.has_carrier = rtnl_link_get_carrier(from),
		.is_up = is_up(rtnl_link_get_flags(from)),
	};
	snprintf(link->name, sizeof(link->name), "%s", rtnl_link_get_name(from));
	snprintf(link->kind, sizeof(link->kind), "%s", kind ? kind : "");
	if (mac && nl_addr_get_len(mac) == MAC_LEN)
		memcpy(link->mac, nl_addr_get_binary_addr(mac), MAC_LEN);
}

bool link_find(const char *name, struct link *link)
{
	struct rtnl_link *found = NULL;
	struct nl_sock *sock;

	if (!*name || strlen(name) >= LINK_NAME_LEN)
		return false;
	sock = connect_route();
	if (!sock)
		return false;
	if (!rtnl_link_get_kernel(sock, 0, name, &found)) {
		describe(link, found);
		rtnl_link_put(found);
	}
	nl_socket_free(sock);
	return found;
}

static unsigned int list_names(struct nl_cache *cache, const char *kind, char *names, size_t len)
{
	struct nl_object *object;
	unsigned int count = 0;
	struct link link;
	size_t used = 0;

	for (object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object)) {
		describe(&link, (struct rtnl_link *)object);
		if (strcmp(link.kind, kind))
			continue;
		count++;
		if (used < len)
			used += snprintf(names + used, len - used, "%s%s", used ? " " : "",
					 link.name);
	}
	return count;
}

unsigned int link_list(const char *kind, char *names, size_t len)
{
	struct nl_sock *sock = connect_route();
	unsigned int count = 0;
	struct nl_cache *cache;

	*names = 0;
	if (!sock)
		return 0;
	if (!rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache)) {
		count = list_names(cache, kind, names, len);
		nl_cache_free(cache);
	}
	nl_socket_free(sock);
	return count;
}

static void set_mac(struct rtnl_link *link, const uint8_t *mac)
{
	struct nl_addr *address = nl_addr_build(AF_LLC, mac, MAC_LEN);

	if (!address)
		return;
	rtnl_link_set_addr(link, address);
	nl_addr_put(address);
}

const char *link_join_bridge(const struct link_port *port)
{
	struct rtnl_link *orig = rtnl_link_alloc(), *changes = rtnl_link_alloc();
	struct nl_sock *sock = connect_route();
	const char *wrong = NO_MEMORY;
	int err;

	if (orig && changes && sock) {
		rtnl_link_set_ifindex(orig, port->index);
		rtnl_link_set_mtu(changes, port->mtu);
		set_mac(changes, port->mac);
		rtnl_link_set_ifalias(changes, port->alias);
		rtnl_link_set_master(changes, port->bridge);
		rtnl_link_set_flags(changes, IFF_UP);
		err = rtnl_link_change(sock, orig, changes, 0);
		wrong = err ? nl_geterror(err) : NULL;
	}
	if (sock)
		nl_socket_free(sock);
	rtnl_link_put(changes);
	rtnl_link_put(orig);
	return wrong;
}

const char *link_create_macvtap(const struct link_macvtap *macvtap)
{
	struct rtnl_link *link = rtnl_link_macvtap_alloc();
	struct nl_sock *sock = connect_route();
	const char *wrong = NO_MEMORY;
	int err;

	if (link && sock) {
		rtnl_link_set_name(link, macvtap->name);
		rtnl_link_set_ifindex(link, macvtap->index);
		rtnl_link_set_link(link, macvtap->lower);
		rtnl_link_set_ns_fd(link, macvtap->ns);
		rtnl_link_set_mtu(link, macvtap->mtu);
		set_mac(link, macvtap->mac);
		rtnl_link_macvtap_set_mode(link, rtnl_link_macvtap_str2mode("bridge"));
		rtnl_link_set_flags(link, IFF_UP | IFF_ALLMULTI);
		err = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
		wrong = err ? nl_geterror(err) : NULL;
	}
	if (sock)
		nl_socket_free(sock);
	rtnl_link_put(link);
	return wrong;
}

/* The answer comes to on_message(), like everything else. */
static int ask(struct link_monitor *monitor, int index)
{
	struct ifinfomsg request = { .ifi_index = index };

	return nl_send_simple(monitor->sock, RTM_GETLINK, 0, &request, sizeof(request));
}

static void on_own_state(struct link_monitor *monitor, struct nlmsghdr *message)
{
	const struct ifinfomsg *info = nlmsg_data(message);
	const struct nlattr *attr = nlmsg_find_attr(message, sizeof(*info), IFLA_MASTER);
	int master = attr ? nla_get_u32(attr) : 0;

	monitor->is_up = message->nlmsg_type == RTM_NEWLINK && is_up(info->ifi_flags);
	if (master == monitor->master)
		return;
	monitor->master = master;
	/* Not down until it is known to be. */
	monitor->is_master_up = true;
	if (master)
		ask(monitor, master);
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct link_monitor *monitor = arg;
	struct nlmsghdr *message = nlmsg_hdr(msg);
	const struct ifinfomsg *info = nlmsg_data(message);

	if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
		return NL_SKIP;
	/* Bridges tell of their ports in messages of their own family. */
	if (!nlmsg_valid_hdr(message, sizeof(*info)) || info->ifi_family != AF_UNSPEC)
		return NL_SKIP;
	if (info->ifi_index == monitor->index)
		on_own_state(monitor, message);
	else if (info->ifi_index == monitor->master)
		monitor->is_master_up = info->ifi_flags & IFF_UP;
	else
		return NL_SKIP;
	monitor->changed(monitor, monitor->is_up && (!monitor->master || monitor->is_master_up));
	return NL_OK;
}

static void on_readable(struct watch *watch, uint32_t events)
{
	struct link_monitor *monitor = watch->owner;

	/* Messages were lost: ask for the state instead. */
	if (nl_recvmsgs_default(monitor->sock) == -NLE_NOMEM) {
		ask(monitor, monitor->index);
		if (monitor->master)
			ask(monitor, monitor->master);
	}
}

const char *link_monitor_open(struct link_monitor *monitor)
{
	int err;

	monitor->sock = connect_route();
	if (!monitor->sock)
		return NO_MEMORY;
	nl_socket_disable_seq_check(monitor->sock);
	nl_socket_disable_auto_ack(monitor->sock);
	nl_socket_modify_cb(monitor->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, monitor);
	err = nl_socket_add_membership(monitor->sock, RTNLGRP_LINK);
	if (!err)
		err = nl_socket_set_nonblocking(monitor->sock);
	return err ? nl_geterror(err) : NULL;
}

const char *link_monitor_start(struct link_monitor *monitor, struct loop *loop, int index)
{
	int err;

	monitor->index = index;
	monitor->is_master_up = true;
	monitor->watch = (struct watch){ nl_socket_get_fd(monitor->sock), on_readable, monitor };
	err = loop_add(loop, &monitor->watch, EPOLLIN);
	if (err)
		return strerror(-err);
	err = ask(monitor, index);
	return err < 0 ? nl_geterror(err) : NULL;
}
