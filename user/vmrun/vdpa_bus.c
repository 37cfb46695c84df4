// SPDX-License-Identifier: GPL-2.0-only
/* The host's vDPA devices: made and removed over netlink, looked at in sysfs. */
#include "vdpa_bus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vdpa.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEVICES "/sys/bus/vdpa/devices"
#define DRIVERS "/sys/bus/vdpa/drivers"

/* Adds the attributes of a request. */
typedef int fill_fn(struct nl_msg *msg, const char *name, const uint64_t *features);

static int fill_add(struct nl_msg *msg, const char *name, const uint64_t *features)
{
	int err = nla_put_string(msg, VDPA_ATTR_DEV_NAME, name);

	if (!err)
		err = nla_put_string(msg, VDPA_ATTR_MGMTDEV_DEV_NAME, VDPA_BUS_MANAGER);
	if (!err && features)
		err = nla_put_u64(msg, VDPA_ATTR_DEV_FEATURES, *features);
	return err;
}

static int fill_del(struct nl_msg *msg, const char *name, const uint64_t *features)
{
	return nla_put_string(msg, VDPA_ATTR_DEV_NAME, name);
}

/* Keep what the kernel says: libnl's own words for it are fewer. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *answer, void *arg)
{
	*(int *)arg = answer->error;
	return NL_STOP;
}

static int ask(struct nl_sock *sock, int command, fill_fn *fill, const char *name,
	       const uint64_t *features)
{
	int family = genl_ctrl_resolve(sock, VDPA_GENL_NAME), wrong = 0, err;
	struct nl_msg *msg = nlmsg_alloc();

	if (family < 0 || !msg) {
		nlmsg_free(msg);
		return family < 0 ? -ENODEV : -ENOMEM;
	}
	nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, &wrong);
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_ACK, command,
			 VDPA_GENL_VERSION) ||
	    fill(msg, name, features)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	err = nl_send_sync(sock, msg);
	return wrong ? wrong : err ? -EIO : 0;
}

static const char *request(int command, fill_fn *fill, const char *name,
			   const uint64_t *features)
{
	struct nl_sock *sock = nl_socket_alloc();
	int err = -ENOMEM;

	if (sock) {
		err = genl_connect(sock) ? -EIO : ask(sock, command, fill, name, features);
		nl_socket_free(sock);
	}
	return err ? strerror(-err) : NULL;
}

const char *vdpa_bus_add(const char *name, const uint64_t *features)
{
	return request(VDPA_CMD_DEV_NEW, fill_add, name, features);
}

const char *vdpa_bus_del(const char *name)
{
	return request(VDPA_CMD_DEV_DEL, fill_del, name, NULL);
}

bool vdpa_bus_has(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s", name);
	return !access(path, F_OK);
}

bool vdpa_bus_has_driver(const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DRIVERS "/%s", driver);
	return !access(path, F_OK);
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

const char *vdpa_bus_driver(const char *name, char *buf, size_t len)
{
	char path[PATH_MAX], link[PATH_MAX];
	const char *slash;
	ssize_t n;

	*buf = 0;
	snprintf(path, sizeof(path), DEVICES "/%s/driver", name);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return buf;
	link[n] = 0;
	slash = strrchr(link, '/');
	snprintf(buf, len, "%s", slash ? slash + 1 : link);
	return buf;
}

const char *vdpa_bus_bind(const char *name, const char *driver)
{
	char path[PATH_MAX], has[64];

	vdpa_bus_driver(name, has, sizeof(has));
	if (!strcmp(has, driver))
		return NULL;
	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", name);
	if (!write_file(path, driver))
		return strerror(errno);
	snprintf(path, sizeof(path), DEVICES "/%s/driver/unbind", name);
	if (*has && !write_file(path, name))
		return strerror(errno);
	snprintf(path, sizeof(path), DRIVERS "/%s/bind", driver);
	return write_file(path, name) ? NULL : strerror(errno);
}

/* The first entry of a folder that begins so. */
static bool find_entry(const char *folder, const char *begin, char *buf, size_t len)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(folder);

	*buf = 0;
	while (dir && !found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, begin, strlen(begin));
		if (found)
			snprintf(buf, len, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

const char *vdpa_bus_node(const char *name, char *buf, size_t len)
{
	char path[PATH_MAX], entry[NAME_MAX + 1];

	*buf = 0;
	snprintf(path, sizeof(path), DEVICES "/%s", name);
	if (find_entry(path, "vhost-vdpa-", entry, sizeof(entry)))
		snprintf(buf, len, "/dev/%.60s", entry);
	else if (find_entry(path, "virtio", entry, sizeof(entry)))
		snprintf(buf, len, "%.60s", entry);
	return buf;
}

/* vhost-vdpa lets in one at a time. */
bool vdpa_bus_busy(const char *name)
{
	char node[80];
	int fd;

	if (strncmp(vdpa_bus_node(name, node, sizeof(node)), "/dev/", 5))
		return false;
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == EBUSY;
	close(fd);
	return false;
}

void vdpa_bus_list(void (*call)(const char *name, void *arg), void *arg)
{
	const struct dirent *entry;
	DIR *dir = opendir(DEVICES);

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			call(entry->d_name, arg);
	if (dir)
		closedir(dir);
}
