// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host.h"
#include "vdpa.h"

#define QUEUE_SIZE 64

static int open_queues(struct device *d)
{
	unsigned int i;
	int err = 0;

	d->vq = calloc(d->nr_queues, sizeof(*d->vq));
	d->config_call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!d->vq || d->config_call < 0)
		return -ENOMEM;
	for (i = 0; i < d->nr_queues && !err; i++)
		err = vq_open(&d->vq[i], d, i, d->queue_size);
	return err;
}

bool vdpa_available(void)
{
	return !system("modprobe vhost_vdpa 2>/dev/null && command -v vdpa >/dev/null");
}

int vdpa_create(struct vdpa *v, struct guest *g, uint32_t type, unsigned int nr_queues)
{
	static unsigned int made;
	struct kvlane_create_vdpa args = {
		.type = type,
		.num_queues = nr_queues,
		.queue_size = QUEUE_SIZE,
		.features = FEATURES_ALL,
	};

	*v = (struct vdpa){
		.d = { .guest = g, .fd = -1, .type = type, .nr_queues = nr_queues,
		       .queue_size = QUEUE_SIZE, .config_call = -1 },
		.fd = -1,
	};
	snprintf(v->name, sizeof(v->name), "test-%d-%u", getpid(), made++);
	memcpy(args.name, v->name, sizeof(args.name));
	v->d.fd = ioctl(g->kvlane, KVLANE_CREATE_VDPA, &args);
	if (v->d.fd < 0)
		return -errno;
	fcntl(v->d.fd, F_SETFL, O_NONBLOCK);
	return open_queues(&v->d);
}

int vdpa_add(struct vdpa *v, const char *more)
{
	return run("vdpa dev add name %s mgmtdev kvlane %s 2>/dev/null", v->name, more);
}

int vdpa_del(struct vdpa *v)
{
	return run("vdpa dev del %s 2>/dev/null", v->name);
}

#define BUS "/sys/bus/vdpa/"

int vdpa_let_go(struct vdpa *v, const char *driver, const char *next)
{
	char path[300];
	int err;

	snprintf(path, sizeof(path), BUS "drivers/%s/unbind", driver);
	err = put_text(path, v->name);
	snprintf(path, sizeof(path), BUS "devices/%s/driver_override", v->name);
	return put_text(path, next) ? -EIO : err;
}

int vdpa_bind(struct vdpa *v, const char *driver)
{
	char path[300];

	snprintf(path, sizeof(path), BUS "drivers/%s/bind", driver);
	return put_text(path, v->name);
}

/* The number of the character device, or -1. */
static int node(const struct vdpa *v)
{
	const struct dirent *entry;
	char path[300];
	int n = -1;
	DIR *dir;

	snprintf(path, sizeof(path), BUS "devices/%s", v->name);
	dir = opendir(path);
	while (dir && n < 0 && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "vhost-vdpa-%d", &n) != 1)
			n = -1;
	if (dir)
		closedir(dir);
	return n;
}

void vdpa_path(const struct vdpa *v, char path[VDPA_PATH])
{
	snprintf(path, VDPA_PATH, "/dev/vhost-vdpa-%d", node(v));
}

int vdpa_open(struct vdpa *v)
{
	char path[VDPA_PATH];

	vdpa_path(v, path);
	v->fd = open(path, O_RDWR | O_CLOEXEC);
	return v->fd < 0 ? -errno : 0;
}

int vdpa_ioctl(struct vdpa *v, unsigned long request, void *arg)
{
	return ioctl(v->fd, request, arg) < 0 ? -errno : 0;
}

int vdpa_map(struct vdpa *v, uint64_t iova, uint64_t size, void *at)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.asid = v->asid,
		.iotlb = {
			.iova = iova,
			.size = size,
			.uaddr = (uintptr_t)at,
			.perm = VHOST_ACCESS_RW,
			.type = at ? VHOST_IOTLB_UPDATE : VHOST_IOTLB_INVALIDATE,
		},
	};

	return write(v->fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

int vdpa_map_guest(struct vdpa *v)
{
	const struct guest *g = v->d.guest;
	int err;

	err = vdpa_map(v, GUEST_LOW, g->size / 2, g->mem);
	return err ? err : vdpa_map(v, GUEST_HIGH, g->size / 2, g->mem + g->size / 2);
}

uint8_t vdpa_status(struct vdpa *v)
{
	uint8_t status = 0;

	vdpa_ioctl(v, VHOST_VDPA_GET_STATUS, &status);
	return status;
}

int vdpa_set_status(struct vdpa *v, uint8_t status)
{
	return vdpa_ioctl(v, VHOST_VDPA_SET_STATUS, &status);
}

int vdpa_negotiate(struct vdpa *v, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	int err = vdpa_set_status(v, 0);

	if (!err)
		err = vdpa_set_status(v, status);
	if (!err)
		err = vdpa_ioctl(v, VHOST_SET_FEATURES, &features);
	if (!err)
		err = vdpa_set_status(v, status | VIRTIO_CONFIG_S_FEATURES_OK);
	v->d.features = features;
	return err;
}

static int set_ring(struct vdpa *v, const struct vq *vq, unsigned int base)
{
	struct vhost_vring_addr addr = {
		.index = vq->index,
		.desc_user_addr = guest_gpa(v->d.guest, vq->desc),
		.avail_user_addr = guest_gpa(v->d.guest, vq->avail),
		.used_user_addr = guest_gpa(v->d.guest, vq->used),
	};
	struct vhost_vring_state num = { vq->index, vq->size }, state = { vq->index, base };
	int err;

	err = vdpa_ioctl(v, VHOST_SET_VRING_NUM, &num);
	if (!err)
		err = vdpa_ioctl(v, VHOST_SET_VRING_BASE, &state);
	return err ? err : vdpa_ioctl(v, VHOST_SET_VRING_ADDR, &addr);
}

int vdpa_queue_from(struct vdpa *v, struct vq *vq, unsigned int base)
{
	struct vhost_vring_file kick = { vq->index, vq->kick }, call = { vq->index, vq->call };
	struct vhost_vring_state ready = { vq->index, 1 };
	int err = set_ring(v, vq, base);

	if (!err)
		err = vdpa_ioctl(v, VHOST_SET_VRING_CALL, &call);
	if (!err)
		err = vdpa_ioctl(v, VHOST_SET_VRING_KICK, &kick);
	return err ? err : vdpa_ioctl(v, VHOST_VDPA_SET_VRING_ENABLE, &ready);
}

int vdpa_queue(struct vdpa *v, unsigned int index)
{
	struct vq *vq = &v->d.vq[index];
	int err;

	vq->packed = v->d.features & BIT(VIRTIO_F_RING_PACKED);
	err = vq_clear(vq);
	return err ? err : vdpa_queue_from(v, vq, vq->packed ? 1U << 15 | 1U << 31 : 0);
}

int vdpa_start_with(struct vdpa *v, uint64_t features)
{
	unsigned int i;
	int err;

	err = vdpa_ioctl(v, VHOST_SET_OWNER, NULL);
	if (!err)
		err = vdpa_map_guest(v);
	if (!err)
		err = vdpa_negotiate(v, VDPA_PLATFORM | features);
	for (i = 0; i < v->d.nr_queues && !err; i++)
		err = vdpa_queue(v, i);
	return err ? err : vdpa_set_status(v, vdpa_status(v) | VIRTIO_CONFIG_S_DRIVER_OK);
}

int vdpa_start(struct vdpa *v)
{
	return vdpa_start_with(v, 0);
}

void vdpa_shut(struct vdpa *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

void vdpa_close(struct vdpa *v)
{
	vdpa_shut(v);
	if (v->name[0])
		vdpa_del(v);
	device_close(&v->d);
}
