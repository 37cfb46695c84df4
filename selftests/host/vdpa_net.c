// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device by vDPA: its control queue has an address space of its own, and its
 * configuration changes while a driver looks at it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "tap.h"
#include "vdpa.h"

#include "kselftest_harness.h"

#define MEM	(4 << 20)
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define BROKEN	VIRTIO_CONFIG_S_NEEDS_RESET

FIXTURE(vdpa_net) {
	struct guest g;
	struct vdpa v;
};

/* A network device, added and open, on a packet socket that is not heard of again. */
static int open_net(struct vdpa *v, struct guest *g)
{
	uint64_t features = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) |
			    BIT(VHOST_BACKEND_F_IOTLB_BATCH) | BIT(VHOST_BACKEND_F_IOTLB_ASID);
	int fd = raw_open("lo", true), err;
	struct kvlane_backend backend = {
		.fd = -1,
		.net = { .fds = (uintptr_t)&fd, .num_fds = 1, .header_len = 10 },
	};

	if (fd < 0)
		return fd;
	err = vdpa_create(v, g, VIRTIO_ID_NET, 3);
	if (!err && ioctl(v->d.fd, KVLANE_SET_BACKEND, &backend))
		err = -errno;
	close(fd);
	if (!err && vdpa_add(v, ""))
		err = -EIO;
	if (!err)
		err = vdpa_open(v);
	if (!err)
		err = vdpa_ioctl(v, VHOST_SET_OWNER, NULL);
	return err ? err : vdpa_ioctl(v, VHOST_SET_BACKEND_FEATURES, &features);
}

FIXTURE_SETUP(vdpa_net)
{
	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	self->v.fd = -1;
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	if (open_net(&self->v, &self->g) == -EAFNOSUPPORT)
		SKIP(return, "no packet sockets");
	ASSERT_LE(0, self->v.fd);
}

FIXTURE_TEARDOWN(vdpa_net)
{
	vdpa_close(&self->v);
	guest_close(&self->g);
}

static int give_space(struct vdpa *v, unsigned int group, unsigned int asid)
{
	struct vhost_vring_state state = { group, asid };

	return vdpa_ioctl(v, VHOST_VDPA_SET_GROUP_ASID, &state);
}

static unsigned int group_of(struct vdpa *v, unsigned int queue)
{
	struct vhost_vring_state state = { .index = queue };

	vdpa_ioctl(v, VHOST_VDPA_GET_VRING_GROUP, &state);
	return state.num;
}

static int start_net(struct vdpa *v)
{
	int err = vdpa_negotiate(v, VDPA_PLATFORM | BIT(VIRTIO_NET_F_CTRL_VQ) |
				 BIT(VIRTIO_NET_F_CTRL_RX));
	unsigned int i;

	for (i = 0; i < v->d.nr_queues && !err; i++)
		err = vdpa_queue(v, i);
	return err;
}

/* VIRTIO_NET_CTRL_RX_ALLMULTI; returns the answer. */
static int ask_multi(struct vdpa *v, uint8_t *cmd)
{
	struct iovec out = { cmd, 3 }, in = { cmd + 8, 1 };

	memcpy(cmd, (uint8_t[]){ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1 }, 3);
	cmd[8] = 0xff;
	if (vq_add(&v->d.vq[2], &out, 1, &in, 1, cmd) < 0)
		return -1;
	vq_kick(&v->d.vq[2]);
	return vq_wait(&v->d.vq[2], NULL) == cmd ? cmd[8] : -1;
}

/* The control queue is in another address space, in which the same memory is elsewhere. */
TEST_F(vdpa_net, control_apart)
{
	struct vdpa *v = &self->v;
	struct kvlane_event ev;
	uint8_t *cmd;

	EXPECT_EQ(0, group_of(v, 0));
	EXPECT_EQ(0, group_of(v, 1));
	EXPECT_EQ(1, group_of(v, 2));
	EXPECT_EQ(-EINVAL, give_space(v, 2, 0));
	EXPECT_EQ(-EINVAL, give_space(v, 1, 2));

	/* Nothing is there for the control queue. */
	ASSERT_EQ(0, vdpa_map_guest(v));
	ASSERT_EQ(0, start_net(v));
	ASSERT_EQ(0, give_space(v, 1, 1));
	ASSERT_EQ(0, vdpa_set_status(v, vdpa_status(v) | DRIVER_OK));
	EXPECT_EQ(BROKEN, vdpa_status(v) & (BROKEN | DRIVER_OK));
	ASSERT_TRUE(device_expect(&v->d, KVLANE_EVENT_NOT_MAPPED, &ev));
	EXPECT_EQ(2, ev.queue);
	ASSERT_TRUE(device_expect(&v->d, KVLANE_EVENT_NEEDS_RESET, &ev));

	ASSERT_EQ(0, start_net(v));
	ASSERT_EQ(0, give_space(v, 1, 1));
	v->asid = 1;
	ASSERT_EQ(0, vdpa_map_guest(v));
	ASSERT_EQ(0, vdpa_set_status(v, vdpa_status(v) | DRIVER_OK));
	EXPECT_EQ(DRIVER_OK, vdpa_status(v) & (BROKEN | DRIVER_OK));
	cmd = guest_alloc_high(&self->g, 64, 64);
	EXPECT_EQ(VIRTIO_NET_OK, ask_multi(v, cmd));
	v->asid = 0;
	ASSERT_EQ(0, vdpa_map(v, GUEST_HIGH, MEM / 2, NULL));
	EXPECT_EQ(VIRTIO_NET_OK, ask_multi(v, cmd));
	v->asid = 1;
	ASSERT_EQ(0, vdpa_map(v, GUEST_HIGH, MEM / 2, NULL));
	EXPECT_EQ(0, vdpa_status(v) & BROKEN);
	ASSERT_LE(0, vq_add(&v->d.vq[2], &(struct iovec){ cmd, 3 }, 1, NULL, 0, cmd));
	vq_kick(&v->d.vq[2]);
	ASSERT_TRUE(device_expect(&v->d, KVLANE_EVENT_NEEDS_RESET, &ev));
	EXPECT_EQ(2, ev.queue);
}

static uint16_t link_status(struct vdpa *v)
{
	union {
		struct vhost_vdpa_config config;
		uint8_t room[64];
	} a = { .config = { .off = offsetof(struct virtio_net_config, status), .len = 2 } };
	uint16_t status = 0xffff;

	if (!vdpa_ioctl(v, VHOST_VDPA_GET_CONFIG, &a))
		memcpy(&status, a.config.buf, sizeof(status));
	return status;
}

/* The driver is told that the configuration has changed, and is not after a reset. */
TEST_F(vdpa_net, config_interrupt)
{
	struct vdpa *v = &self->v;
	struct kvlane_link link = {};
	int call = v->d.config_call;

	ASSERT_EQ(0, vdpa_map_guest(v));
	ASSERT_EQ(0, start_net(v));
	ASSERT_EQ(0, vdpa_ioctl(v, VHOST_VDPA_SET_CONFIG_CALL, &call));
	ASSERT_EQ(0, vdpa_set_status(v, vdpa_status(v) | DRIVER_OK));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, link_status(v));
	ASSERT_EQ(0, ioctl(v->d.fd, KVLANE_SET_LINK, &link));
	EXPECT_EQ(1, eventfd_wait(call, WAIT_MS));
	EXPECT_EQ(0, link_status(v));
	ASSERT_EQ(0, vdpa_set_status(v, 0));
	link.flags = KVLANE_LINK_UP;
	ASSERT_EQ(0, ioctl(v->d.fd, KVLANE_SET_LINK, &link));
	EXPECT_EQ(0, eventfd_wait(call, 0));
}

TEST_HARNESS_MAIN
