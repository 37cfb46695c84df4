// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "vdpa_nl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/vdpa.h>

#include "genl.h"

static int find_family(struct vdpa_nl *nl)
{
	struct nlattr *a = NULL;
	struct genl_message m;
	int err = genl_describe(nl->fd, VDPA_GENL_NAME, &m);

	if (err)
		return err;
	while ((a = genl_next(m.attributes, a, (char *)&m + m.head.nlmsg_len)))
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&nl->family, genl_payload(a), sizeof(nl->family));
	return nl->family ? 0 : -ENOENT;
}

int vdpa_nl_open(struct vdpa_nl *nl)
{
	int err;

	*nl = (struct vdpa_nl){ .fd = genl_open() };
	err = nl->fd < 0 ? nl->fd : find_family(nl);
	if (err)
		vdpa_nl_close(nl);
	return err;
}

void vdpa_nl_close(struct vdpa_nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

static void begin(struct vdpa_nl *nl, struct genl_message *m, uint8_t cmd, const char *name)
{
	genl_begin(m, nl->family, cmd);
	genl_put(m, VDPA_ATTR_DEV_NAME, name, strlen(name) + 1);
}

int vdpa_nl_add(struct vdpa_nl *nl, const char *name)
{
	struct genl_message m;

	begin(nl, &m, VDPA_CMD_DEV_NEW, name);
	genl_put(&m, VDPA_ATTR_MGMTDEV_DEV_NAME, "kvlane", sizeof("kvlane"));
	m.head.nlmsg_flags |= NLM_F_ACK;
	return genl_ask(nl->fd, &m);
}

int vdpa_nl_del(struct vdpa_nl *nl, const char *name)
{
	struct genl_message m;

	begin(nl, &m, VDPA_CMD_DEV_DEL, name);
	m.head.nlmsg_flags |= NLM_F_ACK;
	return genl_ask(nl->fd, &m);
}

int vdpa_nl_show(struct vdpa_nl *nl, const char *name)
{
	struct genl_message m;
	int err;

	begin(nl, &m, VDPA_CMD_DEV_GET, name);
	err = genl_ask(nl->fd, &m);
	if (err)
		return err;
	begin(nl, &m, VDPA_CMD_DEV_CONFIG_GET, name);
	return genl_ask(nl->fd, &m);
}
