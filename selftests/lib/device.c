// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

int device_tie(struct device *d, unsigned long request, unsigned int index, int fd)
{
	struct kvlane_eventfd arg = { .index = index, .fd = fd };

	return ioctl(d->fd, request, &arg) ? -errno : 0;
}

static int open_queue(struct device *d, unsigned int i)
{
	int err = vq_open(&d->vq[i], d, i, d->queue_size);

	if (!err)
		err = device_tie(d, KVLANE_SET_KICK, i, d->vq[i].kick);
	if (!err)
		err = device_tie(d, KVLANE_SET_VECTOR, i + 1, d->vq[i].call);
	return err;
}

static int create(struct device *d)
{
	struct kvlane_create_device arg = {
		.type = d->type,
		.num_queues = d->nr_queues,
		.queue_size = d->queue_size,
		.num_vectors = d->nr_queues + 1,
		.lane_queues = d->lane_queues < d->nr_queues ? d->lane_queues : d->nr_queues,
		.features = FEATURES_ALL,
	};

	d->fd = ioctl(d->guest->vm, KVLANE_CREATE_DEVICE, &arg);
	return d->fd < 0 ? -errno : 0;
}

/* Every test can be run on every kind of ring. */
static uint64_t kinds_of_ring(void)
{
	uint64_t kinds = 0;

	if (getenv("KVLANE_PACKED"))
		kinds |= BIT(VIRTIO_F_RING_PACKED);
	if (getenv("KVLANE_IN_ORDER"))
		kinds |= BIT(VIRTIO_F_IN_ORDER);
	return kinds;
}

/* And on lanes of any number of queues. */
static unsigned int queues_of_lane(void)
{
	const char *text = getenv("KVLANE_LANE_QUEUES");

	return text ? atoi(text) : 0;
}

int device_open(struct device *d, struct guest *g, uint32_t type,
		unsigned int nr_queues, unsigned int queue_size)
{
	unsigned int i;
	int err;

	*d = (struct device){
		.guest = g, .fd = -1, .type = type,
		.nr_queues = nr_queues, .queue_size = queue_size,
		.rings = kinds_of_ring(),
		.lane_queues = queues_of_lane(),
	};
	d->config_call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->vq = calloc(nr_queues, sizeof(*d->vq));
	if (d->config_call < 0 || !d->vq)
		return -errno;
	for (i = 0; i < nr_queues; i++)
		d->vq[i].kick = d->vq[i].call = -1;
	err = create(d);
	if (!err)
		err = device_tie(d, KVLANE_SET_VECTOR, CONFIG_VECTOR, d->config_call);
	for (i = 0; !err && i < nr_queues; i++)
		err = open_queue(d, i);
	if (err)
		device_close(d);
	return err;
}

void device_close(struct device *d)
{
	unsigned int i;

	if (d->fd > 0)
		close(d->fd);
	if (d->config_call > 0)
		close(d->config_call);
	d->fd = -1;
	d->config_call = -1;
	for (i = 0; d->vq && i < d->nr_queues; i++)
		vq_close(&d->vq[i]);
	free(d->vq);
	d->vq = NULL;
}

int device_set_blk(struct device *d, int fd, uint32_t flags, uint32_t block_size)
{
	struct kvlane_backend arg = {
		.flags = flags,
		.fd = fd,
		.blk = { .block_size = block_size, .serial = "kvlane-test" },
	};

	return ioctl(d->fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

int device_set_rng(struct device *d, int fd, uint64_t rate, uint64_t burst)
{
	struct kvlane_backend arg = {
		.fd = fd,
		.rng = { .bytes_per_second = rate, .burst = burst },
	};

	return ioctl(d->fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

uint64_t reg_read(struct device *d, unsigned int offset, unsigned int size)
{
	uint64_t value = 0;
	ssize_t n = pread(d->fd, &value, size, offset);

	return n == (ssize_t)size ? value : UINT64_MAX;
}

int reg_write(struct device *d, unsigned int offset, unsigned int size, uint64_t value)
{
	ssize_t n = pwrite(d->fd, &value, size, offset);

	if (n < 0)
		return -errno;
	return n == (ssize_t)size ? 0 : -EIO;
}

uint8_t device_status(struct device *d)
{
	return reg_read(d, COMMON(STATUS), 1);
}

/* Waits until a register reads zero: a reset may take as long as the I/O it ends. */
static int wait_zero(struct device *d, unsigned int offset, unsigned int size)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		if (!reg_read(d, offset, size))
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

int device_reset(struct device *d)
{
	int err = reg_write(d, COMMON(STATUS), 1, 0);

	return err ? err : wait_zero(d, COMMON(STATUS), 1);
}

uint64_t device_offered(struct device *d)
{
	uint64_t low, high;

	reg_write(d, COMMON(DFSELECT), 4, 0);
	low = reg_read(d, COMMON(DF), 4);
	reg_write(d, COMMON(DFSELECT), 4, 1);
	high = reg_read(d, COMMON(DF), 4);
	return high << 32 | low;
}

static void accept_features(struct device *d, uint64_t features)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		reg_write(d, COMMON(GFSELECT), 4, i);
		reg_write(d, COMMON(GF), 4, (uint32_t)(features >> (32 * i)));
	}
	d->features = features;
}

int device_negotiate(struct device *d, uint64_t wanted)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	int err = device_reset(d);

	if (err)
		return err;
	reg_write(d, COMMON(STATUS), 1, status);
	status |= VIRTIO_CONFIG_S_DRIVER;
	reg_write(d, COMMON(STATUS), 1, status);
	wanted &= ~(BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER));
	wanted |= d->rings | BIT(VIRTIO_F_VERSION_1);
	accept_features(d, device_offered(d) & wanted);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	reg_write(d, COMMON(STATUS), 1, status);
	return device_status(d) == status ? 0 : -EPROTO;
}

static void write_address(struct device *d, unsigned int offset, const void *ptr)
{
	uint64_t gpa = guest_gpa(d->guest, ptr);

	reg_write(d, offset, 4, (uint32_t)gpa);
	reg_write(d, offset + 4, 4, gpa >> 32);
}

int device_setup_queue(struct device *d, unsigned int index)
{
	struct vq *vq = &d->vq[index];
	int err;

	vq->packed = d->features & BIT(VIRTIO_F_RING_PACKED);
	vq->in_order = d->features & BIT(VIRTIO_F_IN_ORDER);
	err = vq_clear(vq);
	if (err)
		return err;
	vq->event_idx = d->features & BIT(VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = d->features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	eventfd_wait(vq->call, 0);
	reg_write(d, COMMON(Q_SELECT), 2, index);
	reg_write(d, COMMON(Q_SIZE), 2, vq->size);
	reg_write(d, COMMON(Q_MSIX), 2, index + 1);
	write_address(d, COMMON(Q_DESCLO), vq->desc);
	write_address(d, COMMON(Q_AVAILLO), vq->avail);
	write_address(d, COMMON(Q_USEDLO), vq->used);
	return reg_write(d, COMMON(Q_ENABLE), 2, 1);
}

void device_driver_ok(struct device *d)
{
	reg_write(d, COMMON(STATUS), 1, device_status(d) | VIRTIO_CONFIG_S_DRIVER_OK);
}

int device_start(struct device *d, uint64_t wanted)
{
	int err = device_negotiate(d, wanted);
	unsigned int i;

	if (err)
		return err;
	eventfd_wait(d->config_call, 0);
	reg_write(d, COMMON(MSIX), 2, CONFIG_VECTOR);
	for (i = 0; !err && i < d->nr_queues; i++)
		err = device_setup_queue(d, i);
	if (!err)
		device_driver_ok(d);
	return err;
}

int device_queue_reset(struct device *d, unsigned int index)
{
	int err;

	reg_write(d, COMMON(Q_SELECT), 2, index);
	err = reg_write(d, COMMON(Q_RESET), 2, 1);
	return err ? err : wait_zero(d, COMMON(Q_RESET), 2);
}

int device_event(struct device *d, struct kvlane_event *ev, int timeout_ms)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, timeout_ms) < 0)
		return -errno;
	if (!(p.revents & POLLIN))
		return -ETIMEDOUT;
	n = read(d->fd, ev, sizeof(*ev));
	if (n < 0)
		return -errno;
	return n == sizeof(*ev) ? 0 : -EIO;
}

bool device_expect(struct device *d, uint32_t type, struct kvlane_event *ev)
{
	while (!device_event(d, ev, WAIT_MS))
		if (ev->type == type)
			return true;
	return false;
}

int device_lanes(struct device *d, uint32_t queue, uint32_t us, uint32_t requests)
{
	struct kvlane_set_lanes args = {
		.queue = queue,
		.poll_us = KVLANE_POLL_DEFAULT,
		.coalesce_us = us,
		.coalesce_requests = requests,
	};

	return ioctl(d->fd, KVLANE_SET_LANES, &args) ? -errno : 0;
}

int device_stats(struct device *d, struct kvlane_stats *st, unsigned int index,
		 struct kvlane_queue_stats *qs)
{
	struct kvlane_queue_stats all[KVLANE_MAX_QUEUES];
	struct kvlane_stats arg = {
		.num_queues = KVLANE_MAX_QUEUES,
		.queue_stats_size = sizeof(all[0]),
		.queues = (uintptr_t)all,
	};

	if (ioctl(d->fd, KVLANE_GET_STATS, &arg))
		return -errno;
	if (st)
		*st = arg;
	if (qs && index < arg.num_queues)
		*qs = all[index];
	return 0;
}

int device_inflight(struct device *d, unsigned int index, uint64_t count)
{
	struct kvlane_queue_stats qs = {};
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		if (!device_stats(d, NULL, index, &qs) && qs.inflight >= count)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

uint64_t eventfd_wait(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t count;

	if (poll(&p, 1, timeout_ms) != 1 || eventfd_read(fd, &count))
		return 0;
	return count;
}
