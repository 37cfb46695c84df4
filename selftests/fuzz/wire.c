// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host.h"
#include "net.h"

#define NAME		"fuzz0"
#define PACKET		200

static unsigned int pairs(const struct victim *v)
{
	return v->mode->queues / 2;
}

/*
 * The kernel has nothing to say to the guest. It is asked for all devices to come: one
 * whose MTU was too small for IPv6 forgets what it was told.
 */
static void silence(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		printf("# IPv6 cannot be disabled\n");
	close(fd);
}

int wire_open(struct victim *v)
{
	int err = net_private();

	silence();
	return err ? err : tap_open(&v->tap, NAME, pairs(v), v->mode->header_len);
}

void wire_close(struct victim *v)
{
	tap_close(&v->tap);
}

static int set_flags(short flags)
{
	struct ifreq ifr = { .ifr_name = NAME, .ifr_flags = flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

/* A link that went down is told once, as an error, before the packets. */
static void drain(struct victim *v)
{
	char bytes[2048];
	unsigned int i;

	while (tap_get(&v->tap, NULL, bytes, sizeof(bytes), 0) != -ETIMEDOUT)
		;
	for (i = 0; i < pairs(v); i++)
		while (read(v->tap.fd[i], bytes, sizeof(bytes)) > 0)
			;
}

int wire_mend(struct victim *v)
{
	unsigned int i;
	int err = 0;

	if (!if_nametoindex(NAME)) {
		tap_close(&v->tap);
		err = tap_open(&v->tap, NAME, pairs(v), v->mode->header_len);
	}
	if (!err)
		err = set_flags(IFF_UP | IFF_NOARP);
	if (!err)
		err = tap_mtu(&v->tap, 1500);
	/* Attached already, or detached already: both are refused. */
	for (i = 0; !err && pairs(v) > 1 && i < pairs(v); i++)
		tap_attach(&v->tap, i, !i);
	if (!err)
		drain(v);
	return err;
}

int wire_set_backend(struct victim *v, uint32_t flags, int fd, uint16_t mtu)
{
	int fds[TAP_QUEUES];
	struct kvlane_backend arg = {
		.flags = flags,
		.fd = -1,
		.net = {
			.fds = (uintptr_t)fds,
			.num_fds = pairs(v),
			.header_len = v->mode->header_len,
			.mtu = mtu,
			.mac = NIC_MAC,
			.zerocopy_min = v->mode->zerocopy_min,
		},
	};

	memcpy(fds, v->tap.fd, sizeof(fds));
	if (fd >= 0)
		fds[pairs(v) - 1] = fd;
	return ioctl(v->d.fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

/* Mostly what would be right for some packet. */
void wire_header(struct rnd *r, struct virtio_net_hdr_v1 *hdr)
{
	static const uint8_t types[] = {
		VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
		VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_HDR_GSO_UDP_L4,
		VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
	};
	int version = rnd_one_in(r, 2) ? 4 : 6;

	memset(hdr, 0, sizeof(*hdr));
	if (rnd_one_in(r, 2))
		return;
	frame_gso(hdr, version, rnd_one_in(r, 2) ? IPPROTO_TCP : IPPROTO_UDP,
		  1 + rnd_below(r, 1500));
	if (rnd_one_in(r, 4))
		hdr->gso_type = types[rnd_below(r, sizeof(types))];
	switch (rnd_below(r, 16)) {
	case 0:
		hdr->flags = rnd_odd(r);
		break;
	case 1:
		hdr->gso_type = rnd_odd(r);
		break;
	case 2:
		hdr->hdr_len = rnd_odd(r);
		break;
	case 3:
		hdr->gso_size = rnd_odd(r);
		break;
	case 4:
		hdr->csum_start = rnd_odd(r);
		break;
	case 5:
		hdr->csum_offset = rnd_odd(r);
		break;
	case 6:
		hdr->num_buffers = rnd_odd(r);
		break;
	}
}

/* A small table and a short key, mostly right for two pairs. */
static size_t make_rss(struct rnd *r, uint8_t bytes[COMMAND_BYTES])
{
	unsigned int entries = 1U << rnd_below(r, 3), key = rnd_below(r, 16), i;
	uint8_t *p = bytes + 2;

	memset(p, 0, COMMAND_BYTES - 2);
	p[0] = rnd_below(r, 64);
	p[4] = entries - 1;
	p[6] = rnd_below(r, 2);
	for (i = 0; i < entries; i++)
		p[8 + 2 * i] = rnd_below(r, rnd_one_in(r, 16) ? 3 : 2);
	p += 8 + 2 * entries;
	p[0] = 1 + rnd_below(r, 2);
	p[2] = key;
	memset(p + 3, rnd_odd(r), key);
	if (rnd_one_in(r, 4))
		bytes[2 + rnd_below(r, COMMAND_BYTES - 2)] = rnd_odd(r);
	return p + 3 + key - bytes;
}

size_t wire_command(struct rnd *r, uint8_t bytes[COMMAND_BYTES])
{
	static const struct {
		uint8_t class;
		uint8_t commands;
		uint8_t len;
	} known[] = {
		{ VIRTIO_NET_CTRL_RX, 6, 1 }, { VIRTIO_NET_CTRL_MAC, 2, 6 },
		{ VIRTIO_NET_CTRL_VLAN, 2, 2 }, { VIRTIO_NET_CTRL_ANNOUNCE, 1, 0 },
		{ VIRTIO_NET_CTRL_MQ, 3, 2 }, { VIRTIO_NET_CTRL_GUEST_OFFLOADS, 2, 8 },
		{ VIRTIO_NET_CTRL_NOTF_COAL, 2, 8 },
	};
	unsigned int i = rnd_below(r, sizeof(known) / sizeof(known[0])), n;

	bytes[0] = rnd_one_in(r, 16) ? rnd_odd(r) : known[i].class;
	bytes[1] = rnd_one_in(r, 16) ? rnd_odd(r) : rnd_below(r, known[i].commands);
	for (n = 2; n < COMMAND_BYTES; n++)
		bytes[n] = rnd_one_in(r, 4) ? rnd_odd(r) : rnd_below(r, 3);
	if (bytes[0] == VIRTIO_NET_CTRL_MQ && bytes[1] == VIRTIO_NET_CTRL_MQ_RSS_CONFIG &&
	    !rnd_one_in(r, 4))
		return make_rss(r, bytes);
	return rnd_one_in(r, 4) ? 1 + rnd_below(r, COMMAND_BYTES) : 2U + known[i].len;
}

void wire_packet(struct victim *v, struct rnd *r)
{
	static __thread uint8_t bytes[NET_PACKET];
	struct virtio_net_hdr_v1 hdr;
	size_t len = 64 + rnd_below(r, rnd_one_in(r, 8) ? 65000 : 1450);
	int version = rnd_one_in(r, 2) ? 4 : 6;

	frame_ip(bytes, len < 128 ? 128 : len, version,
		 rnd_one_in(r, 2) ? IPPROTO_TCP : IPPROTO_UDP, rnd_next(r));
	wire_header(r, &hdr);
	if (rnd_one_in(r, 4))
		memset(bytes, rnd_one_in(r, 2) ? 0xff : 0x33, 6);
	tap_put(&v->tap, rnd_one_in(r, 2) ? (void *)&hdr : NULL, bytes, len);
	if (rnd_one_in(r, 4))
		tap_get(&v->tap, NULL, bytes, sizeof(bytes), 0);
}

void wire_mutate(struct victim *v, struct rnd *r)
{
	struct kvlane_link link = {
		.flags = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 4),
	};

	switch (rnd_below(r, 40)) {
	case 0:
		run("ip link del " NAME " 2>/dev/null");
		break;
	case 1:
	case 2:
		set_flags(rnd_one_in(r, 2) ? IFF_UP | IFF_NOARP : 0);
		break;
	case 3:
	case 4:
		tap_mtu(&v->tap, 68 + rnd_below(r, 65000));
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		tap_attach(&v->tap, rnd_below(r, pairs(v)), rnd_one_in(r, 2));
		break;
	default:
		ioctl(v->d.fd, KVLANE_SET_LINK, &link);
		break;
	}
}

static const char *check_receive(struct victim *v, uint8_t *packet)
{
	struct iovec in = { v->check.data, 2048 };
	struct vq *vq = &v->d.vq[0];
	uint32_t len = 0;

	if (vq_add(vq, NULL, 0, &in, 1, v) < 0)
		return "no room in an empty receive queue";
	vq_kick(vq);
	if (tap_put(&v->tap, NULL, packet, PACKET))
		return "the tap does not take a packet";
	if (!vq_wait(vq, &len))
		return "a packet did not arrive after a reset";
	if (len != NET_HEADER + PACKET || memcmp(v->check.data + NET_HEADER, packet, PACKET))
		return "another packet arrived after a reset";
	return NULL;
}

static const char *check_send(struct victim *v, uint8_t *packet)
{
	struct iovec out = { v->check.data, NET_HEADER + PACKET };
	struct vq *vq = &v->d.vq[1];
	uint8_t got[PACKET];

	memset(v->check.data, 0, NET_HEADER);
	memcpy(v->check.data + NET_HEADER, packet, PACKET);
	if (vq_add(vq, &out, 1, NULL, 0, v) < 0)
		return "no room in an empty send queue";
	vq_kick(vq);
	if (!vq_wait(vq, NULL))
		return "a packet was not sent after a reset";
	if (tap_get(&v->tap, NULL, got, PACKET, WAIT_MS) != PACKET ||
	    memcmp(got, packet, PACKET))
		return "another packet was sent after a reset";
	return NULL;
}

static const char *check_command(struct victim *v)
{
	bool mq = v->d.features & (BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_RSS));
	struct vq *vq = &v->d.vq[mq ? 2 * pairs(v) : 2];
	uint8_t *bytes = v->check.data;
	struct iovec out[] = { { bytes, 2 }, { bytes + 2, 1 } }, in = { bytes + 3, 1 };

	if (!(v->d.features & BIT(VIRTIO_NET_F_CTRL_RX)))
		return NULL;
	bytes[0] = VIRTIO_NET_CTRL_RX;
	bytes[1] = VIRTIO_NET_CTRL_RX_PROMISC;
	bytes[2] = 1;
	bytes[3] = 0xff;
	if (vq_add(vq, out, 2, &in, 1, v) < 0)
		return "no room in an empty control queue";
	vq_kick(vq);
	if (!vq_wait(vq, NULL) || bytes[3] != VIRTIO_NET_OK)
		return "a command was not carried out after a reset";
	return NULL;
}

const char *wire_check(struct victim *v, struct rnd *r)
{
	uint8_t packet[PACKET];
	const char *wrong;

	frame(packet, PACKET, rnd_next(r));
	wrong = check_receive(v, packet);
	if (!wrong)
		wrong = check_send(v, packet);
	return wrong ? wrong : check_command(v);
}
