// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MEM	(64 << 20)

struct kvlane_backend nic_backend(struct nic *n, unsigned int header_len)
{
	struct kvlane_backend arg = {
		.fd = -1,
		.net = {
			.fds = (uintptr_t)n->tap.fd,
			.num_fds = n->pairs,
			.header_len = header_len,
			.mac = NIC_MAC,
		},
	};

	return arg;
}

int nic_open(struct nic *n, unsigned int pairs, unsigned int queue_size,
	     unsigned int header_len)
{
	struct kvlane_backend arg;
	int err;

	*n = (struct nic){ .pairs = pairs, .tap = { .raw = -1 } };
	n->d.fd = -1;
	err = guest_open(&n->g, MEM);
	if (!err)
		err = tap_open(&n->tap, "kvl0", pairs, header_len);
	if (!err)
		err = device_open(&n->d, &n->g, VIRTIO_ID_NET, 2 * pairs + 1, queue_size);
	if (err)
		return err;
	n->buf = guest_alloc_high(&n->g, NET_HEADER + NET_PACKET, 4096);
	n->cmd = guest_alloc(&n->g, 4096, 4096);
	if (!n->buf || !n->cmd)
		return -ENOMEM;
	arg = nic_backend(n, header_len);
	return ioctl(n->d.fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

void nic_close(struct nic *n)
{
	device_close(&n->d);
	tap_close(&n->tap);
	guest_close(&n->g);
}

int nic_start(struct nic *n, uint64_t wanted)
{
	int err = device_start(&n->d, wanted);
	bool mq = n->d.features & (BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_RSS));

	n->ctrl = &n->d.vq[mq ? 2 * n->pairs : 2];
	return err;
}

unsigned int nic_fill(struct nic *n, unsigned int pair, unsigned int nr, size_t size)
{
	struct vq *vq = &n->d.vq[RX(pair)];
	struct iovec in = { .iov_len = size };
	unsigned int i;

	for (i = 0; i < nr; i++) {
		in.iov_base = guest_alloc_high(&n->g, sizeof(size_t) + size, 64);
		if (!in.iov_base)
			break;
		/* So that nic_receive() knows how to give it back. */
		*(size_t *)in.iov_base = size;
		in.iov_base += sizeof(size_t);
		if (vq_add(vq, NULL, 0, &in, 1, in.iov_base) < 0)
			break;
	}
	vq_kick(vq);
	return i;
}

static void recycle(struct vq *vq, void *buf)
{
	struct iovec in = { buf, *(size_t *)(buf - sizeof(size_t)) };

	vq_add(vq, NULL, 0, &in, 1, buf);
}

static void *pop_in_time(struct vq *vq, uint32_t *len, int timeout_ms)
{
	void *buf = vq_pop(vq, len);

	while (!buf) {
		vq_interrupts(vq, true);
		buf = vq_pop(vq, len);
		if (buf || !eventfd_wait(vq->call, timeout_ms))
			break;
		buf = vq_pop(vq, len);
	}
	return buf;
}

static ssize_t gather(struct vq *vq, void *buf, uint32_t len, unsigned int buffers,
		      void *packet, size_t size)
{
	size_t skip = NET_HEADER, done = 0;

	for (;;) {
		if (len < skip || done + len - skip > size)
			return -EPROTO;
		memcpy(packet + done, buf + skip, len - skip);
		done += len - skip;
		skip = 0;
		recycle(vq, buf);
		if (!--buffers)
			return done;
		/* All buffers of a packet are shown at once. */
		buf = vq_pop(vq, &len);
		if (!buf)
			return -EPROTO;
	}
}

ssize_t nic_receive(struct nic *n, unsigned int pair, struct virtio_net_hdr_v1 *hdr,
		    void *packet, size_t size, int timeout_ms)
{
	struct vq *vq = &n->d.vq[RX(pair)];
	struct virtio_net_hdr_v1 scratch;
	uint32_t len;
	void *buf = pop_in_time(vq, &len, timeout_ms);
	ssize_t ret;

	if (!buf)
		return -ETIMEDOUT;
	if (!hdr)
		hdr = &scratch;
	if (len < NET_HEADER)
		return -EPROTO;
	memcpy(hdr, buf, NET_HEADER);
	if (!hdr->num_buffers)
		return -EPROTO;
	ret = gather(vq, buf, len, hdr->num_buffers, packet, size);
	vq_kick(vq);
	return ret;
}

int nic_send(struct nic *n, unsigned int pair, const struct virtio_net_hdr_v1 *hdr,
	     const void *packet, size_t len)
{
	struct vq *vq = &n->d.vq[TX(pair)];
	struct iovec out = { n->buf, NET_HEADER + len };

	memset(n->buf, 0, NET_HEADER);
	if (hdr)
		memcpy(n->buf, hdr, NET_HEADER);
	memcpy(n->buf + NET_HEADER, packet, len);
	if (vq_add(vq, &out, 1, NULL, 0, n) < 0)
		return -ENOSPC;
	vq_kick(vq);
	return vq_wait(vq, NULL) == n ? 0 : -ETIMEDOUT;
}

int nic_command(struct nic *n, uint8_t class, uint8_t cmd, const void *data, size_t len)
{
	struct iovec out[] = { { n->cmd, 2 }, { n->cmd + 16, len } };
	struct iovec in = { n->cmd + 8, 1 };

	n->cmd[0] = class;
	n->cmd[1] = cmd;
	n->cmd[8] = 0xff;
	memcpy(n->cmd + 16, data, len);
	if (vq_add(n->ctrl, out, len ? 2 : 1, &in, 1, n) < 0)
		return -1;
	vq_kick(n->ctrl);
	return vq_wait(n->ctrl, NULL) == n ? n->cmd[8] : -1;
}

int nic_mode(struct nic *n, uint8_t cmd, bool on)
{
	uint8_t data = on;

	return nic_command(n, VIRTIO_NET_CTRL_RX, cmd, &data, 1);
}

int nic_link(struct nic *n, uint32_t flags)
{
	struct kvlane_link arg = { .flags = flags };

	return ioctl(n->d.fd, KVLANE_SET_LINK, &arg) ? -errno : 0;
}

uint16_t nic_status(struct nic *n)
{
	return reg_read(&n->d, KVLANE_WINDOW_CONFIG +
			offsetof(struct virtio_net_config, status), 2);
}

uint64_t nic_count(struct nic *n, unsigned int queue, size_t offset)
{
	struct kvlane_queue_stats qs = {};
	uint64_t value;

	device_stats(&n->d, NULL, queue, &qs);
	memcpy(&value, (char *)&qs + offset, sizeof(value));
	return value;
}

int nic_settle(struct nic *n, unsigned int queue, size_t offset, uint64_t value)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		if (nic_count(n, queue, offset) >= value)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}
