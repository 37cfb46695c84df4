// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "throttle.h"

int throttle_open(void)
{
	struct kvlane_create_throttle args = {};
	int dev = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	int fd;

	if (dev < 0)
		return -errno;
	fd = ioctl(dev, KVLANE_CREATE_THROTTLE, &args);
	if (fd < 0)
		fd = -errno;
	close(dev);
	return fd;
}

int throttle_set(int fd, unsigned int which, uint64_t rate)
{
	struct kvlane_limits limits = {};

	limits.limits[which].rate = rate;
	return ioctl(fd, KVLANE_SET_LIMITS, &limits) ? -errno : 0;
}

struct kvlane_limits throttle_get(int fd)
{
	struct kvlane_limits limits = {};

	if (ioctl(fd, KVLANE_GET_LIMITS, &limits))
		memset(&limits, 0, sizeof(limits));
	return limits;
}

int throttle_waiting(int fd, uint64_t count)
{
	int tries;

	for (tries = 0; tries < WAIT_MS; tries++) {
		if (throttle_get(fd).waiting == count)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

int device_throttle(struct device *d, int fd)
{
	struct kvlane_set_throttle args = { .fd = fd };

	return ioctl(d->fd, KVLANE_SET_THROTTLE, &args) ? -errno : 0;
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC + now.tv_nsec;
}

static int load_send(struct load *load, unsigned int i)
{
	uint32_t sizes = (load->most - load->least) / 512 + 1;
	int head;

	load->seed = load->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	load->len[i] = load->least + (load->seed >> 33) % sizes * 512;
	load->req[i].done = false;
	head = blk_add(load->vq, &load->req[i], load->type, i * 128, load->len[i]);
	return head < 0 ? head : 0;
}

int load_open(struct load *load)
{
	unsigned int i;
	int err = 0;

	load->seed = 1;
	for (i = 0; i < load->depth && !err; i++) {
		err = blk_alloc(load->vq->dev->guest, &load->req[i], load->most);
		if (!err)
			err = load_send(load, i);
	}
	vq_kick(load->vq);
	return err;
}

/* Take what is done; with @again, send as much. */
static unsigned int load_turn(struct load *load, bool again)
{
	unsigned int i, left = 0;

	blk_poll(load->vq);
	for (i = 0; i < load->depth; i++) {
		left += !load->req[i].done;
		if (!load->req[i].done || !load->len[i])
			continue;
		load->ops++;
		load->bytes += load->len[i];
		load->failed += *load->req[i].status != VIRTIO_BLK_S_OK;
		load->len[i] = 0;
		if (again)
			load_send(load, i);
	}
	if (again)
		vq_kick(load->vq);
	return left;
}

static void load_wait(struct load *loads, unsigned int nr)
{
	struct pollfd fds[8];
	unsigned int i;

	for (i = 0; i < nr; i++)
		fds[i] = (struct pollfd){ loads[i].vq->call, POLLIN };
	poll(fds, nr, 10);
	for (i = 0; i < nr; i++)
		if (fds[i].revents)
			eventfd_wait(fds[i].fd, 0);
}

void load_run(struct load *loads, unsigned int nr, uint64_t until_ns)
{
	unsigned int i;

	while (clock_ns() < until_ns) {
		load_wait(loads, nr);
		for (i = 0; i < nr; i++)
			load_turn(&loads[i], true);
	}
}

int load_drain(struct load *loads, unsigned int nr)
{
	unsigned int i, left = 1, tries;

	for (tries = 0; left && tries < WAIT_MS / 10; tries++) {
		for (i = 0, left = 0; i < nr; i++)
			left += load_turn(&loads[i], false);
		if (left)
			load_wait(loads, nr);
	}
	return left ? -ETIMEDOUT : 0;
}
