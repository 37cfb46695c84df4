// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taps: descriptors whose other end is a network interface.
 *
 * A tap that is made here is not persistent: the kernel removes it with its last
 * descriptor, however this process ends.
 */
#include "tap.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_LEN ((int)sizeof(struct virtio_net_hdr_v1))
#define TAP_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif

static void close_all(struct tap *tap)
{
	while (tap->count)
		close(tap->fds[--tap->count]);
}

/* What belongs to each queue of a macvtap, and to a tap as a whole. */
static int set_header(struct tap *tap)
{
	for (unsigned int i = 0; i < tap->count; i++) {
		if (ioctl(tap->fds[i], TUNSETVNETHDRSZ, &(int){ HEADER_LEN }) ||
		    ioctl(tap->fds[i], TUNSETVNETLE, &(int){ 1 }))
			return -errno;
	}
	tap->header_len = HEADER_LEN;
	return 0;
}

/* Opens one more queue. */
static int add_queue(struct tap *tap, const char *name, unsigned int flags)
{
	struct ifreq request = { .ifr_flags = flags };
	int fd = open(TAP_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request)) {
		err = -errno;
		close(fd);
		return err;
	}
	memcpy(tap->name, request.ifr_name, sizeof(tap->name));
	tap->fds[tap->count++] = fd;
	return 0;
}

/* The first queue is there, opened with @flags; now the others. */
static int add_queues(struct tap *tap, unsigned int queues, unsigned int flags)
{
	int err = 0;

	while (!err && tap->count < queues)
		err = add_queue(tap, tap->name, flags);
	if (!err)
		err = set_header(tap);
	tap->can_detach = flags & IFF_MULTI_QUEUE;
	tap->attached = tap->count;
	if (err)
		close_all(tap);
	return err;
}

int tap_create(struct tap *tap, const char *template, unsigned int queues)
{
	unsigned int flags = TAP_FLAGS | (queues > 1 ? IFF_MULTI_QUEUE : 0);
	int err;

	*tap = (struct tap){};
	err = add_queue(tap, template, flags | IFF_TUN_EXCL);
	return err ? err : add_queues(tap, queues, flags);
}

/* Taps to be put back. The module looks after the offloads. */
static struct tap *borrowed[MAX_NETS];
static unsigned int nr_borrowed;

static void put_back(void)
{
	for (unsigned int i = 0; i < nr_borrowed; i++) {
		if (borrowed[i]->is_steered)
			tap_steer(borrowed[i], -1);
		ioctl(borrowed[i]->fds[0], TUNSETVNETHDRSZ, &borrowed[i]->old_header_len);
		ioctl(borrowed[i]->fds[0], TUNSETVNETLE, &(int){ 0 });
	}
}

static void borrow(struct tap *tap)
{
	if (!nr_borrowed)
		atexit(put_back);
	borrowed[nr_borrowed++] = tap;
}

int tap_open(struct tap *tap, const char *name, unsigned int queues, unsigned int wanted)
{
	unsigned int flags = TAP_FLAGS | IFF_MULTI_QUEUE;
	int err;

	*tap = (struct tap){};
	err = add_queue(tap, name, flags);
	if (err == -EINVAL && queues <= 1) {
		/* Has it been made with a single queue? */
		flags = TAP_FLAGS;
		wanted = 1;
		err = add_queue(tap, name, flags);
	}
	if (err)
		return err;
	ioctl(tap->fds[0], TUNGETVNETHDRSZ, &tap->old_header_len);
	err = add_queues(tap, queues ? queues : wanted, flags);
	if (!err)
		borrow(tap);
	return err;
}

/* Opens the character device, and sees whether it is that interface's. */
static int open_device(struct tap *tap, const char *name, int index)
{
	struct ifreq request = {};
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/tap%d", index);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* Another process with a queue of it would get part of the packets. */
	if (!tap->count && flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -EBUSY;
	}
	tap->fds[tap->count++] = fd;
	if (ioctl(fd, TUNGETIFF, &request))
		return -errno;
	if (strncmp(request.ifr_name, name, IFNAMSIZ))
		return -ENODEV;
	request.ifr_flags = TAP_FLAGS | IFF_MULTI_QUEUE;
	return ioctl(fd, TUNSETIFF, &request) ? -errno : 0;
}

int tap_open_macvtap(struct tap *tap, const char *name, int index, unsigned int queues)
{
	int err = 0;

	*tap = (struct tap){ .can_detach = true };
	snprintf(tap->name, sizeof(tap->name), "%s", name);
	while (!err && tap->count < queues)
		err = open_device(tap, name, index);
	if (!err)
		err = set_header(tap);
	tap->attached = tap->count;
	if (err)
		close_all(tap);
	return err;
}

/* A packet socket: the header is as its owner has set it. */
static const char *adopt_socket(struct tap *tap, int fd)
{
	struct sockaddr_ll address = {};
	socklen_t len = sizeof(address);
	int size = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &len) || !address.sll_ifindex)
		return "is a packet socket of no interface; bind it to one";
	if (!if_indextoname(address.sll_ifindex, tap->name))
		tap->name[0] = 0;
	len = sizeof(size);
	if (getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR_SZ, &size, &len)) {
		len = sizeof(size);
		if (!getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &size, &len) && size)
			size = sizeof(struct virtio_net_hdr);
	}
	tap->header_len = size;
	return NULL;
}

static const char *adopt_tap(struct tap *tap, int fd)
{
	struct ifreq request = {};

	if (ioctl(fd, TUNGETIFF, &request))
		return errno == ENOTTY ? "is no tap; give a tap, a macvtap or a packet socket" :
					 "is a tap of no interface; give it one (TUNSETIFF)";
	if (!(request.ifr_flags & IFF_TAP))
		return "is a tun, which carries no Ethernet; give a tap";
	if (!(request.ifr_flags & IFF_NO_PI))
		return "has packet information; open it with IFF_NO_PI";
	if (tap->count && strncmp(tap->name, request.ifr_name, IFNAMSIZ))
		return "belongs to another interface than the first; give queues of one";
	memcpy(tap->name, request.ifr_name, sizeof(tap->name));
	if (!(request.ifr_flags & IFF_VNET_HDR))
		return NULL;
	if (ioctl(fd, TUNSETVNETHDRSZ, &(int){ HEADER_LEN }) ||
	    ioctl(fd, TUNSETVNETLE, &(int){ 1 }))
		return "does not take a virtio-net header; open it without IFF_VNET_HDR";
	tap->header_len = HEADER_LEN;
	return NULL;
}

static const char *adopt(struct tap *tap, int fd)
{
	socklen_t len = sizeof(int);
	int domain = -1;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC))
		return "is not open; have the caller of vmrun open it";
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len))
		return adopt_tap(tap, fd);
	if (domain != AF_PACKET)
		return "is no packet socket; give one, or a tap";
	return adopt_socket(tap, fd);
}

const char *tap_adopt(struct tap *tap, const int *fds, unsigned int count, int *culprit)
{
	unsigned int header_len;
	struct ifreq request;
	const char *wrong;

	*tap = (struct tap){};
	while (tap->count < count) {
		*culprit = fds[tap->count];
		header_len = tap->header_len;
		wrong = adopt(tap, *culprit);
		if (wrong)
			return wrong;
		if (tap->count && header_len != tap->header_len)
			return "has another header than the first; open all alike";
		tap->fds[tap->count++] = *culprit;
	}
	tap->can_detach = count > 1 && !ioctl(fds[0], TUNGETIFF, &request);
	tap->attached = count;
	return NULL;
}

bool tap_mac(const struct tap *tap, uint8_t *mac)
{
	struct ifreq request = {};

	/* A socket wants to know of which interface. */
	memcpy(request.ifr_name, tap->name, sizeof(tap->name));
	if (ioctl(tap->fds[0], SIOCGIFHWADDR, &request))
		return false;
	memcpy(mac, request.ifr_hwaddr.sa_data, MAC_LEN);
	return true;
}

int tap_use(struct tap *tap, unsigned int queues)
{
	struct ifreq request = {};
	unsigned int index;

	if (!tap->can_detach)
		return 0;
	while (tap->attached != queues) {
		index = tap->attached < queues ? tap->attached : tap->attached - 1;
		request.ifr_flags = tap->attached < queues ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
		if (ioctl(tap->fds[index], TUNSETQUEUE, &request))
			return -errno;
		tap->attached += tap->attached < queues ? 1 : -1;
	}
	return 0;
}

int tap_steer(struct tap *tap, int program)
{
	if (ioctl(tap->fds[0], TUNSETSTEERINGEBPF, &program))
		return -errno;
	tap->is_steered = program >= 0;
	return 0;
}
