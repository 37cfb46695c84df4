// SPDX-License-Identifier: GPL-2.0-only
/* Find the family and its group, join it, take messages apart. */
#define _GNU_SOURCE
#include "listener.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/kvlane.h>
#include <linux/kvlane_netlink.h>

#include "genl.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

static int group_id(struct nlattr *group)
{
	char *from = genl_payload(group), *end = (char *)group + group->nla_len;
	struct nlattr *a = NULL;
	const char *name = "";
	uint32_t id = 0;

	while ((a = genl_next(from, a, end))) {
		if (a->nla_type == CTRL_ATTR_MCAST_GRP_NAME)
			name = genl_payload(a);
		if (a->nla_type == CTRL_ATTR_MCAST_GRP_ID)
			memcpy(&id, genl_payload(a), sizeof(id));
	}
	return strcmp(name, KVLANE_MCGRP_EVENTS) ? 0 : id;
}

static int find_group(struct genl_message *m)
{
	char *end = (char *)m + m->head.nlmsg_len;
	struct nlattr *a = NULL, *group = NULL;
	int id = 0;

	while ((a = genl_next(m->attributes, a, end))) {
		if ((a->nla_type & NLA_TYPE_MASK) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		while (!id && (group = genl_next(genl_payload(a), group,
						      (char *)a + a->nla_len)))
			id = group_id(group);
	}
	return id ? id : -ENOENT;
}

/* Asks the controller for the family; returns the number of the group of events. */
static int ask(int fd)
{
	struct genl_message m;
	int err = genl_describe(fd, KVLANE_FAMILY_NAME, &m);

	return err ? err : find_group(&m);
}

int listener_open(void)
{
	int fd = genl_open();
	int group, err = 0;

	if (fd < 0)
		return fd;
	group = ask(fd);
	if (group < 0)
		err = group;
	else if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void take(struct heard *h, const struct nlattr *a)
{
	const struct {
		void *to;
		size_t size;
	} places[] = {
		[KVLANE_A_EVENT_VM] = { &h->vm, 8 },
		[KVLANE_A_EVENT_PID] = { &h->pid, 4 },
		[KVLANE_A_EVENT_DEVICE] = { &h->device, 4 },
		[KVLANE_A_EVENT_DEVICE_TYPE] = { &h->device_type, 4 },
		[KVLANE_A_EVENT_TYPE] = { &h->type, 4 },
		[KVLANE_A_EVENT_QUEUE] = { &h->queue, 4 },
		[KVLANE_A_EVENT_REASON] = { &h->reason, 4 },
		[KVLANE_A_EVENT_ERROR] = { &h->error, 4 },
		[KVLANE_A_EVENT_TIME] = { &h->time_ns, 8 },
		[KVLANE_A_EVENT_VALUE] = { &h->value, 8 },
		[KVLANE_A_EVENT_OMITTED] = { &h->omitted, 4 },
	};
	const unsigned int type = a->nla_type;

	if (type <= KVLANE_A_EVENT_MAX && places[type].to &&
	    a->nla_len == NLA_HDRLEN + places[type].size)
		memcpy(places[type].to, genl_payload(a), places[type].size);
}

int listener_next(int fd, struct heard *heard, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct nlattr *a = NULL;
	struct genl_message m;
	ssize_t n;

	*heard = (struct heard){ .queue = KVLANE_NO_QUEUE };
	if (poll(&p, 1, timeout_ms) != 1)
		return -ETIMEDOUT;
	n = recv(fd, &m, sizeof(m), 0);
	if (n < 0)
		return -errno;
	if (n < (ssize_t)NLMSG_LENGTH(GENL_HDRLEN) || m.genl.cmd != KVLANE_CMD_EVENT ||
	    m.genl.version != KVLANE_FAMILY_VERSION)
		return -EBADMSG;
	while ((a = genl_next(m.attributes, a, (char *)&m + n)))
		take(heard, a);
	return 0;
}
