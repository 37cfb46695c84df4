// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include "host.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

int net_private(void)
{
	int fd = open_or_load("/dev/net/tun", "tun");

	if (fd < 0)
		return -ENOENT;
	close(fd);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -ENOENT;
	close(fd);
	return unshare(CLONE_NEWNET) ? -ENOENT : 0;
}

static int open_queue(struct tap *t, unsigned int i, unsigned int header_len)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int size = header_len;

	if (t->queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (header_len)
		ifr.ifr_flags |= IFF_VNET_HDR;
	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	t->fd[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd[i] < 0 || ioctl(t->fd[i], TUNSETIFF, &ifr))
		return -errno;
	if (size && ioctl(t->fd[i], TUNSETVNETHDRSZ, &size))
		return -errno;
	return 0;
}

/* No neighbours, no IPv6: nothing moves that the test does not send. */
static int set_up(const char *name)
{
	struct ifreq ifr = {};
	char path[96];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			err = -errno;
		close(fd);
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	ifr.ifr_flags = IFF_UP | IFF_NOARP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	close(fd);
	return err;
}

int tap_mtu(struct tap *t, unsigned int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	if (ioctl(fd, SIOCSIFMTU, &ifr))
		err = -errno;
	close(fd);
	return err;
}

int raw_open(const char *name, bool header)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	int on = header, size = 8 << 20;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -errno;
	}
	on = 1;
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
	return fd;
}

int tap_open(struct tap *t, const char *name, unsigned int queues,
	     unsigned int header_len)
{
	unsigned int i;
	int err = 0;

	*t = (struct tap){ .queues = queues, .raw = -1 };
	strncpy(t->name, name, sizeof(t->name) - 1);
	for (i = 0; i < TAP_QUEUES; i++)
		t->fd[i] = -1;
	for (i = 0; i < queues && !err; i++)
		err = open_queue(t, i, header_len);
	if (!err)
		err = set_up(name);
	if (!err) {
		t->raw = raw_open(name, true);
		err = t->raw < 0 ? t->raw : 0;
	}
	if (err)
		tap_close(t);
	return err;
}

void tap_close(struct tap *t)
{
	unsigned int i;

	for (i = 0; i < t->queues; i++)
		if (t->fd[i] > 0)
			close(t->fd[i]);
	if (t->raw > 0)
		close(t->raw);
	*t = (struct tap){ .raw = -1 };
}

int tap_attach(struct tap *t, unsigned int queue, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(t->fd[queue], TUNSETQUEUE, &ifr) ? -errno : 0;
}

int tap_put(struct tap *t, const struct virtio_net_hdr *hdr, const void *packet,
	    size_t len)
{
	struct virtio_net_hdr none = {};
	struct iovec iov[] = {
		{ (void *)(hdr ? hdr : &none), sizeof(none) },
		{ (void *)packet, len },
	};

	return writev(t->raw, iov, 2) < 0 ? -errno : 0;
}

/* A packet socket has the VLAN tag apart: put it back. */
static ssize_t put_tag(struct msghdr *msg, ssize_t len)
{
	struct virtio_net_hdr *hdr = msg->msg_iov[0].iov_base;
	uint8_t *packet = msg->msg_iov[1].iov_base;
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;

	if (!c || c->cmsg_type != PACKET_AUXDATA)
		return len;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return len;
	if (len + 4 > (ssize_t)msg->msg_iov[1].iov_len)
		return -EMSGSIZE;
	memmove(packet + 16, packet + 12, len - 12);
	packet[12] = aux.tp_vlan_tpid >> 8;
	packet[13] = aux.tp_vlan_tpid;
	packet[14] = aux.tp_vlan_tci >> 8;
	packet[15] = aux.tp_vlan_tci;
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		hdr->csum_start += 4;
	return len + 4;
}

ssize_t tap_get(struct tap *t, struct virtio_net_hdr *hdr, void *packet, size_t size,
		int timeout_ms)
{
	struct pollfd p = { .fd = t->raw, .events = POLLIN };
	struct virtio_net_hdr scratch;
	struct iovec iov[] = {
		{ hdr ? hdr : &scratch, sizeof(scratch) },
		{ packet, size },
	};
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	if (poll(&p, 1, timeout_ms) != 1)
		return -ETIMEDOUT;
	n = recvmsg(t->raw, &msg, 0);
	return n < 0 ? -errno : put_tag(&msg, n - (ssize_t)sizeof(scratch));
}
