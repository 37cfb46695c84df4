// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "genl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void *genl_payload(const struct nlattr *a)
{
	return (char *)a + NLA_HDRLEN;
}

struct nlattr *genl_next(char *from, struct nlattr *a, char *end)
{
	char *next = a ? (char *)a + NLA_ALIGN(a->nla_len) : from;

	if (end - next < NLA_HDRLEN || ((struct nlattr *)next)->nla_len < NLA_HDRLEN ||
	    ((struct nlattr *)next)->nla_len > end - next)
		return NULL;
	return (struct nlattr *)next;
}

void genl_begin(struct genl_message *m, uint16_t family, uint8_t cmd)
{
	memset(m, 0, sizeof(*m));
	m->head = (struct nlmsghdr){
		.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
		.nlmsg_type = family,
		.nlmsg_flags = NLM_F_REQUEST,
	};
	m->genl = (struct genlmsghdr){ .cmd = cmd, .version = 1 };
}

void genl_put(struct genl_message *m, uint16_t type, const void *data, size_t size)
{
	struct nlattr *a = (struct nlattr *)((char *)m + m->head.nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + size;
	memcpy(genl_payload(a), data, size);
	m->head.nlmsg_len += NLA_ALIGN(a->nla_len);
}

int genl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	return fd < 0 ? -errno : fd;
}

int genl_ask(int fd, struct genl_message *m)
{
	const struct nlmsgerr *error = (const struct nlmsgerr *)&m->genl;

	if (send(fd, m, m->head.nlmsg_len, 0) < 0)
		return -errno;
	memset(m, 0, sizeof(*m));
	if (recv(fd, m, sizeof(*m), 0) < (ssize_t)sizeof(m->head))
		return -errno;
	return m->head.nlmsg_type == NLMSG_ERROR ? error->error : 0;
}

int genl_describe(int fd, const char *name, struct genl_message *m)
{
	genl_begin(m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	genl_put(m, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	return genl_ask(fd, m);
}
