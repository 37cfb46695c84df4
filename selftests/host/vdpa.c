// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices by vDPA. This program is what QEMU is: it opens /dev/vhost-vdpa-N, maps its memory
 * and drives the device; and it does what QEMU would not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blk.h"
#include "disk.h"
#include "silent.h"
#include "vdpa.h"

#include "kselftest_harness.h"

#define MEM	(4 << 20)
#define DISK	(8 << 20)
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define BROKEN	VIRTIO_CONFIG_S_NEEDS_RESET

FIXTURE(vdpa) {
	struct guest g;
	struct vdpa v;
	struct vq *vq;
	uint8_t *buf;
};

/* An entropy source, added and open. */
FIXTURE_SETUP(vdpa)
{
	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, vdpa_create(&self->v, &self->g, VIRTIO_ID_RNG, 1));
	ASSERT_EQ(0, device_set_rng(&self->v.d, -1, 0, 0));
	ASSERT_EQ(0, vdpa_add(&self->v, ""));
	ASSERT_EQ(0, vdpa_open(&self->v));
	self->vq = &self->v.d.vq[0];
	self->buf = guest_alloc_high(&self->g, 65536, 4096);
}

FIXTURE_TEARDOWN(vdpa)
{
	vdpa_close(&self->v);
	guest_close(&self->g);
}

static uint32_t fetch(struct vq *vq, uint8_t *buf, uint32_t size)
{
	struct iovec in = { buf, size };
	uint32_t len = 0;

	if (vq_add(vq, NULL, 0, &in, 1, buf) < 0)
		return 0;
	vq_kick(vq);
	return vq_wait(vq, &len) == buf ? len : 0;
}

TEST_F(vdpa, serves)
{
	int i;

	ASSERT_EQ(0, vdpa_start(&self->v));
	for (i = 0; i < 200; i++)
		ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	EXPECT_EQ(0, vdpa_status(&self->v) & BROKEN);
}

TEST_F(vdpa, packed)
{
	int i;

	ASSERT_EQ(0, vdpa_start_with(&self->v, BIT(VIRTIO_F_RING_PACKED)));
	for (i = 0; i < 200; i++)
		ASSERT_LT(0, fetch(self->vq, self->buf, 64));
}

/* Queues stand still with nothing lost, tell where, and go on there. */
TEST_F(vdpa, suspend)
{
	struct vhost_vring_state base = {};
	int i;

	ASSERT_EQ(0, vdpa_start(&self->v));
	for (i = 0; i < 5; i++) {
		ASSERT_LT(0, fetch(self->vq, self->buf, 64));
		ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_SUSPEND, NULL));
		ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_GET_VRING_BASE, &base));
		EXPECT_EQ(2 * i + 1, base.num);
		ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_RESUME, NULL));
		ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	}
}

/* A source that says nothing keeps nobody waiting: the host's generator answers. */
TEST_F(vdpa, suspend_while_source_is_silent)
{
	struct iovec in = { self->buf, 64 };
	struct silent source;

	ASSERT_EQ(0, silent_open(&source));
	ASSERT_EQ(0, device_set_rng(&self->v.d, source.fd, 0, 0));
	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self));
	vq_kick(self->vq);
	ASSERT_EQ(0, device_inflight(&self->v.d, 0, 1));
	usleep(5000);
	EXPECT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_SUSPEND, NULL));
	EXPECT_EQ(self, vq_pop(self->vq, NULL));
	EXPECT_FALSE(all_bytes(self->buf, 64, 0));
	silent_close(&source);
}

TEST_F(vdpa, suspended_means_still)
{
	struct iovec in = { self->buf, 64 };
	uint32_t len;

	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_SUSPEND, NULL));
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self->buf));
	vq_kick(self->vq);
	usleep(100000);
	EXPECT_EQ(NULL, vq_pop(self->vq, &len));
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_RESUME, NULL));
	EXPECT_EQ(self->buf, vq_wait(self->vq, &len));
}

/* A ring goes on where another device had left it. */
TEST_F(vdpa, begins_where_told)
{
	struct vhost_vring_state base = {};

	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_SUSPEND, NULL));
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_GET_VRING_BASE, &base));
	ASSERT_EQ(1, base.num);
	ASSERT_EQ(0, vdpa_negotiate(&self->v, VDPA_PLATFORM));
	ASSERT_EQ(0, vdpa_queue_from(&self->v, self->vq, base.num));
	ASSERT_EQ(0, vdpa_set_status(&self->v, vdpa_status(&self->v) | DRIVER_OK));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
}

/* From one device to another in the middle of the ring, a request waiting in it. */
static void move(struct __test_metadata *_metadata, struct vdpa *v, struct guest *g,
		 uint8_t *buf, uint64_t ring)
{
	struct vhost_vring_state base = {};
	struct iovec in = { buf, 64 };
	struct vq *vq = &v->d.vq[0];
	struct vdpa to;
	int i;

	ASSERT_EQ(0, vdpa_create(&to, g, VIRTIO_ID_RNG, 1));
	ASSERT_EQ(0, device_set_rng(&to.d, -1, 0, 0));
	ASSERT_EQ(0, vdpa_add(&to, ""));
	ASSERT_EQ(0, vdpa_open(&to));
	ASSERT_EQ(0, vdpa_ioctl(v, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vdpa_map_guest(v));
	ASSERT_EQ(0, vdpa_negotiate(v, VDPA_PLATFORM | ring));
	ASSERT_EQ(0, vdpa_queue(v, 0));
	ASSERT_EQ(0, vdpa_set_status(v, vdpa_status(v) | DRIVER_OK));
	for (i = 0; i < 99; i++)
		ASSERT_LT(0, fetch(vq, buf, 64));
	ASSERT_EQ(0, vdpa_ioctl(v, VHOST_VDPA_SUSPEND, NULL));
	ASSERT_LE(0, vq_add(vq, NULL, 0, &in, 1, buf));
	vq_publish(vq);
	ASSERT_EQ(0, vdpa_ioctl(v, VHOST_GET_VRING_BASE, &base));
	vdpa_shut(v);

	ASSERT_EQ(0, vdpa_ioctl(&to, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vdpa_map_guest(&to));
	ASSERT_EQ(0, vdpa_negotiate(&to, VDPA_PLATFORM | ring));
	ASSERT_EQ(0, vdpa_queue_from(&to, vq, base.num));
	ASSERT_EQ(0, vdpa_set_status(&to, vdpa_status(&to) | DRIVER_OK));
	EXPECT_EQ(buf, vq_wait(vq, NULL));
	for (i = 0; i < 200; i++)
		ASSERT_LT(0, fetch(vq, buf, 64));
	EXPECT_EQ(0, vdpa_status(&to) & BROKEN);
	vdpa_close(&to);
}

TEST_F(vdpa, moves_split)
{
	move(_metadata, &self->v, &self->g, self->buf, 0);
}

TEST_F(vdpa, moves_packed)
{
	move(_metadata, &self->v, &self->g, self->buf, BIT(VIRTIO_F_RING_PACKED));
}

/* A driver that always has requests in flight, in a thread of its own. */
struct driver {
	struct vq *vq;
	uint8_t *buf;
	unsigned int depth;
	uint64_t done;
	bool stop;
	bool lost;
};

static void *drive(void *arg)
{
	struct driver *d = arg;
	struct iovec in = { d->buf, 64 };
	unsigned int inflight = 0, idle = 0;

	while (!__atomic_load_n(&d->stop, __ATOMIC_RELAXED) || inflight) {
		while (inflight < d->depth && !__atomic_load_n(&d->stop, __ATOMIC_RELAXED) &&
		       vq_add(d->vq, NULL, 0, &in, 1, d->buf) >= 0)
			inflight++;
		vq_kick(d->vq);
		for (; vq_pop(d->vq, NULL); inflight--, idle = 0)
			__atomic_add_fetch(&d->done, 1, __ATOMIC_RELAXED);
		if (++idle > WAIT_MS * 10) {
			d->lost = true;
			break;
		}
		if (idle > 100)
			usleep(100);
	}
	return NULL;
}

static pthread_t driver_start(struct driver *d, struct vq *vq, uint8_t *buf, unsigned int depth)
{
	pthread_t thread;

	*d = (struct driver){ .vq = vq, .buf = buf, .depth = depth };
	return pthread_create(&thread, NULL, drive, d) ? 0 : thread;
}

static uint64_t driver_done(const struct driver *d)
{
	return __atomic_load_n(&d->done, __ATOMIC_RELAXED);
}

static void driver_stop(struct driver *d, pthread_t thread)
{
	__atomic_store_n(&d->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/*
 * Under load: each time the queue stands still, all that was taken from it was shown, and
 * in the end nothing is missing.
 */
TEST_F_TIMEOUT(vdpa, suspend_under_load, 120)
{
	struct vhost_vring_state base = {};
	unsigned int depth, i, wrong = 0;
	struct driver driver;
	pthread_t thread;

	ASSERT_EQ(0, vdpa_start(&self->v));
	for (depth = 1; depth <= 4; depth += 3) {
		thread = driver_start(&driver, self->vq, self->buf, depth);
		ASSERT_NE(0, thread);
		for (i = 0; i < 1000 || driver_done(&driver) < 100; i++) {
			ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_SUSPEND, NULL));
			ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_GET_VRING_BASE, &base));
			wrong += *(volatile uint16_t *)&self->vq->used->idx != base.num;
			ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_RESUME, NULL));
		}
		driver_stop(&driver, thread);
		EXPECT_EQ(0, wrong);
		EXPECT_FALSE(driver.lost);
	}
	EXPECT_EQ(0, vdpa_status(&self->v) & BROKEN);
}

/*
 * The eventfd for interrupts is another one at any time. All of them stay open: vhost itself
 * may signal one that it has just put.
 */
TEST_F_TIMEOUT(vdpa, calls_change, 120)
{
	const int fds[] = { self->vq->call, eventfd(0, EFD_CLOEXEC), VHOST_FILE_UNBIND };
	struct vhost_vring_file call = {};
	uint64_t signals = 0;
	struct driver driver;
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, vdpa_start(&self->v));
	thread = driver_start(&driver, self->vq, self->buf, 4);
	ASSERT_NE(0, thread);
	for (i = 0; i < 3000 || !signals; i++) {
		call.fd = fds[i % 3];
		ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_VRING_CALL, &call));
		signals += eventfd_wait(fds[1], 0);
	}
	driver_stop(&driver, thread);
	EXPECT_FALSE(driver.lost);
	call.fd = fds[0];
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_VRING_CALL, &call));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
	close(fds[1]);
}

/* A place past the ring is where nothing is. */
TEST_F(vdpa, wild_base)
{
	struct vhost_vring_state base = { 0, 0x7fff | 0x7fff << 16 };

	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vdpa_map_guest(&self->v));
	ASSERT_EQ(0, vdpa_negotiate(&self->v, VDPA_PLATFORM | BIT(VIRTIO_F_RING_PACKED)));
	ASSERT_EQ(0, vdpa_queue(&self->v, 0));
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_VRING_BASE, &base));
	ASSERT_EQ(0, vdpa_set_status(&self->v, vdpa_status(&self->v) | DRIVER_OK));
	EXPECT_EQ(BROKEN, vdpa_status(&self->v) & BROKEN);
}

TEST_F(vdpa, features)
{
	uint64_t features = 0;

	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_GET_FEATURES, &features));
	EXPECT_EQ(VDPA_PLATFORM, features & VDPA_PLATFORM);
	EXPECT_EQ(0, features & BIT(VIRTIO_F_RING_RESET));
	/* Not without what says whose addresses they are, nor what is not offered. */
	EXPECT_EQ(-EINVAL, vdpa_negotiate(&self->v, BIT(VIRTIO_F_VERSION_1)));
	EXPECT_EQ(-EINVAL, vdpa_negotiate(&self->v, VDPA_PLATFORM | BIT(VIRTIO_F_RING_RESET)));
}

TEST_F(vdpa, limits)
{
	static const unsigned int wrong[] = { 0, 3, 1 << 16, 1U << 31 };
	struct vhost_vring_state num = { 0, 32 };
	struct vhost_vdpa_iova_range range = {};
	uint32_t word = 0;
	uint16_t half = 0;
	unsigned int i;

	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_GET_IOVA_RANGE, &range));
	EXPECT_EQ(0, range.first);
	EXPECT_EQ(UINT64_MAX, range.last);
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_GET_VQS_COUNT, &word));
	EXPECT_EQ(1, word);
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_GET_VRING_NUM, &half));
	EXPECT_EQ(64, half);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vhost_vring_state odd = { 0, wrong[i] };

		EXPECT_EQ(-EINVAL, vdpa_ioctl(&self->v, VHOST_SET_VRING_NUM, &odd));
	}
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_VRING_NUM, &num));
	num.num = 0;
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_VDPA_GET_VRING_SIZE, &num));
	EXPECT_EQ(32, num.num);
	num.index = 1;
	EXPECT_EQ(-ENOBUFS, vdpa_ioctl(&self->v, VHOST_VDPA_GET_VRING_SIZE, &num));
}

/* Older kernels let a ring through that is larger than the device's; the device does not. */
TEST_F(vdpa, too_large)
{
	struct vhost_vring_state num = { 0, 128 };
	int err;

	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vdpa_map_guest(&self->v));
	ASSERT_EQ(0, vdpa_negotiate(&self->v, VDPA_PLATFORM));
	ASSERT_EQ(0, vdpa_queue(&self->v, 0));
	err = vdpa_ioctl(&self->v, VHOST_SET_VRING_NUM, &num);
	if (err) {
		EXPECT_EQ(-EINVAL, err);
		return;
	}
	ASSERT_EQ(0, vdpa_set_status(&self->v, vdpa_status(&self->v) | DRIVER_OK));
	EXPECT_EQ(BROKEN, vdpa_status(&self->v) & (BROKEN | DRIVER_OK));
}

/* What vhost-vdpa passes over is told of. */
TEST_F(vdpa, private_memory)
{
	struct kvlane_event ev;
	void *private;

	private = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, private);
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, vdpa_map(&self->v, GUEST_LOW, MEM, private));
	ASSERT_EQ(0, vdpa_negotiate(&self->v, VDPA_PLATFORM));
	ASSERT_EQ(0, vdpa_queue(&self->v, 0));
	ASSERT_EQ(0, vdpa_set_status(&self->v, vdpa_status(&self->v) | DRIVER_OK));
	EXPECT_EQ(BROKEN, vdpa_status(&self->v) & BROKEN);
	ASSERT_TRUE(device_expect(&self->v.d, KVLANE_EVENT_NOT_MAPPED, &ev));
	EXPECT_EQ(0, ev.queue);
	EXPECT_EQ(guest_gpa(&self->g, self->vq->desc), ev.value);
	EXPECT_TRUE(device_expect(&self->v.d, KVLANE_EVENT_NEEDS_RESET, &ev));
	munmap(private, MEM);
}

/* Nobody's memory is reached before somebody has given his, the kernel's least of all. */
TEST_F(vdpa, no_owner)
{
	ASSERT_EQ(0, vdpa_negotiate(&self->v, VDPA_PLATFORM));
	ASSERT_EQ(0, vdpa_set_status(&self->v, vdpa_status(&self->v) | DRIVER_OK));
	EXPECT_EQ(BROKEN, vdpa_status(&self->v) & BROKEN);
}

/* Memory that is taken out is not touched any more. */
TEST_F(vdpa, unmap)
{
	struct iovec in = { self->buf, 64 };
	struct kvlane_event ev;

	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	ASSERT_EQ(0, vdpa_map(&self->v, GUEST_HIGH, MEM / 2, NULL));
	memset(self->buf, 0, 64);
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self->buf));
	vq_kick(self->vq);
	ASSERT_TRUE(device_expect(&self->v.d, KVLANE_EVENT_NEEDS_RESET, &ev));
	EXPECT_EQ(KVLANE_REASON_ADDRESS, ev.reason);
	EXPECT_TRUE(all_bytes(self->buf, 64, 0));
	/* And is there again when it is mapped. */
	ASSERT_EQ(0, vdpa_set_status(&self->v, 0));
	ASSERT_EQ(0, vdpa_map(&self->v, GUEST_HIGH, MEM / 2, self->g.mem + MEM / 2));
	ASSERT_EQ(0, vdpa_negotiate(&self->v, VDPA_PLATFORM));
	ASSERT_EQ(0, vdpa_queue(&self->v, 0));
	ASSERT_EQ(0, vdpa_set_status(&self->v, vdpa_status(&self->v) | DRIVER_OK));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
}

TEST_F(vdpa, crooked_map)
{
	ASSERT_EQ(0, vdpa_ioctl(&self->v, VHOST_SET_OWNER, NULL));
	/* Whatever is wrong with a message is a bad address to vhost. */
	EXPECT_EQ(-EFAULT, vdpa_map(&self->v, GUEST_LOW + 1, 4096, self->g.mem));
	EXPECT_EQ(-EFAULT, vdpa_map(&self->v, GUEST_LOW, 4095, self->g.mem));
	EXPECT_EQ(0, vdpa_map_guest(&self->v));
}

static int batch(struct vdpa *v, uint8_t type)
{
	struct vhost_msg_v2 msg = { .type = VHOST_IOTLB_MSG_V2, .iotlb = { .type = type } };

	return write(v->fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

/*
 * vhost takes no notice of what becomes of a batch. What it took out must not be reached
 * any more, even if what it put in makes no map.
 */
TEST_F(vdpa, crooked_batch)
{
	struct iovec in = { self->buf, 64 };
	struct kvlane_event ev;

	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	/* One that takes nothing out does no harm. */
	ASSERT_EQ(0, batch(&self->v, VHOST_IOTLB_BATCH_BEGIN));
	ASSERT_EQ(0, vdpa_map(&self->v, GUEST_NOWHERE + 1, 4096, self->g.mem));
	ASSERT_EQ(0, batch(&self->v, VHOST_IOTLB_BATCH_END));
	ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	ASSERT_EQ(0, batch(&self->v, VHOST_IOTLB_BATCH_BEGIN));
	ASSERT_EQ(0, vdpa_map(&self->v, GUEST_HIGH, MEM / 2, NULL));
	ASSERT_EQ(0, batch(&self->v, VHOST_IOTLB_BATCH_END));
	memset(self->buf, 0, 64);
	ASSERT_LE(0, vq_add(self->vq, NULL, 0, &in, 1, self->buf));
	vq_kick(self->vq);
	EXPECT_TRUE(device_expect(&self->v.d, KVLANE_EVENT_NEEDS_RESET, &ev));
	EXPECT_TRUE(all_bytes(self->buf, 64, 0));
}

/* What each change copies has a limit; beyond it a change is refused, and nothing is lost. */
TEST_F(vdpa, too_many_ranges)
{
	const uint64_t page = 4096;
	uint64_t i;

	if (!access("/sys/module/vhost_vdpa/parameters/max_iotlb_entries", F_OK))
		SKIP(return, "vhost-vdpa of this kernel has a limit of its own");
	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_EQ(0, batch(&self->v, VHOST_IOTLB_BATCH_BEGIN));
	for (i = 0; i <= UINT16_MAX; i++) {
		ASSERT_EQ(0, vdpa_map(&self->v, GUEST_NOWHERE + 2 * i * page, page,
				      self->g.mem)) {
			TH_LOG("range %llu", (unsigned long long)i);
		}
	}
	ASSERT_EQ(0, batch(&self->v, VHOST_IOTLB_BATCH_END));
	EXPECT_EQ(-EFAULT, vdpa_map(&self->v, GUEST_NOWHERE + page, page, self->g.mem));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
	ASSERT_EQ(0, vdpa_map(&self->v, GUEST_NOWHERE, 2 * i * page, NULL));
	EXPECT_EQ(0, vdpa_map(&self->v, GUEST_NOWHERE + page, page, self->g.mem));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
}

/* A second opener, and the one after the first. */
TEST_F(vdpa, one_at_a_time)
{
	struct vdpa other = self->v;
	int i;

	EXPECT_EQ(-EBUSY, vdpa_open(&other));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vdpa_start(&self->v));
		ASSERT_LT(0, fetch(self->vq, self->buf, 64));
		vdpa_shut(&self->v);
		ASSERT_EQ(0, vdpa_open(&self->v));
		EXPECT_EQ(0, vdpa_status(&self->v));
	}
}

/* The device is vDPA's, whoever made it. */
TEST_F(vdpa, outlives_its_maker)
{
	struct kvlane_open_vdpa again = {};
	struct kvlane_stats st;

	close(self->v.d.fd);
	self->v.d.fd = -1;
	ASSERT_EQ(0, vdpa_start(&self->v));
	ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	memcpy(again.name, self->v.name, sizeof(again.name));
	self->v.d.fd = ioctl(self->g.kvlane, KVLANE_OPEN_VDPA, &again);
	ASSERT_LE(0, self->v.d.fd);
	fcntl(self->v.d.fd, F_SETFL, O_NONBLOCK);
	ASSERT_EQ(0, device_stats(&self->v.d, &st, 0, NULL));
	EXPECT_EQ(VIRTIO_ID_RNG, st.type);
	again.name[0] = '#';
	EXPECT_EQ(-1, ioctl(self->g.kvlane, KVLANE_OPEN_VDPA, &again));
	EXPECT_EQ(EINVAL, errno);
	memset(again.name, 0, sizeof(again.name));
	again.name[0] = 'x';
	EXPECT_EQ(-1, ioctl(self->g.kvlane, KVLANE_OPEN_VDPA, &again));
	EXPECT_EQ(ENODEV, errno);
}

/* vDPA's driver has the place of the VMM. */
TEST_F(vdpa, other_face)
{
	uint64_t cpus = 1;
	struct kvlane_set_lanes lanes = {
		.queue = KVLANE_NO_QUEUE, .poll_us = KVLANE_POLL_DEFAULT,
		.cpus = (uintptr_t)&cpus, .cpus_size = sizeof(cpus),
	};
	uint8_t byte;

	EXPECT_EQ(-EOPNOTSUPP, device_tie(&self->v.d, KVLANE_SET_KICK, 0, self->vq->kick));
	EXPECT_EQ(-EOPNOTSUPP, device_tie(&self->v.d, KVLANE_SET_VECTOR, 0, self->vq->call));
	EXPECT_EQ(-1, ioctl(self->v.d.fd, KVLANE_SET_LANES, &lanes));
	EXPECT_EQ(EOPNOTSUPP, errno);
	lanes.cpus = lanes.cpus_size = 0;
	EXPECT_EQ(0, ioctl(self->v.d.fd, KVLANE_SET_LANES, &lanes));
	EXPECT_EQ(-1, pread(self->v.d.fd, &byte, 1, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

/* The user is killed with requests in flight; the next one finds the device as new. */
TEST_F(vdpa, killed)
{
	struct iovec in = { self->buf, 65536 };
	int i, status;
	pid_t child;

	for (i = 0; i < 3; i++) {
		vdpa_shut(&self->v);
		child = fork();
		if (!child) {
			if (vdpa_open(&self->v) || vdpa_start(&self->v))
				_exit(1);
			while (vq_add(self->vq, NULL, 0, &in, 1, self->buf) >= 0)
				;
			vq_kick(self->vq);
			kill(getpid(), SIGKILL);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		ASSERT_EQ(0, vdpa_open(&self->v));
		ASSERT_EQ(0, vdpa_start(&self->v));
		ASSERT_LT(0, fetch(self->vq, self->buf, 64));
	}
}

/* Whoever has inherited the node has no say about its rings, and no lanes. */
static int inherit(struct vdpa *v, pid_t user)
{
	struct vhost_vring_state base = {};
	int err;

	while (getppid() == user)
		usleep(1000);
	err = vdpa_ioctl(v, VHOST_VDPA_SUSPEND, NULL);
	if (!err && vdpa_ioctl(v, VHOST_GET_VRING_BASE, &base) != -EPERM)
		err = -EINVAL;
	if (!err)
		err = vdpa_ioctl(v, VHOST_VDPA_RESUME, NULL);
	vq_notify(&v->d.vq[0]);
	if (!err)
		err = vdpa_negotiate(v, VDPA_PLATFORM);
	if (!err)
		err = vdpa_set_status(v, vdpa_status(v) | DRIVER_OK);
	vq_notify(&v->d.vq[0]);
	return err;
}

/* The process that has the device open ends, and a child of it has it still. */
TEST_F(vdpa, inherited)
{
	struct iovec in = { self->buf, 65536 };
	int told[2], err = 1;
	pid_t child;

	vdpa_shut(&self->v);
	ASSERT_EQ(0, pipe(told));
	child = fork();
	if (!child) {
		pid_t user = getpid();

		if (vdpa_open(&self->v) || vdpa_start(&self->v))
			_exit(1);
		while (vq_add(self->vq, NULL, 0, &in, 1, self->buf) >= 0)
			;
		vq_kick(self->vq);
		if (fork())
			_exit(0);
		err = inherit(&self->v, user);
		_exit(write(told[1], &err, sizeof(err)) != sizeof(err));
	}
	close(told[1]);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(sizeof(err), read(told[0], &err, sizeof(err)));
	EXPECT_EQ(0, err);
	/* Until it has ended, too. */
	EXPECT_EQ(0, read(told[0], &err, sizeof(err)));
	close(told[0]);
	while (vdpa_open(&self->v) == -EBUSY)
		usleep(1000);
	ASSERT_LE(0, self->v.fd);
	ASSERT_EQ(0, vdpa_start(&self->v));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
}

/* Any call, with any state and any argument: whatever comes of it, the device goes on. */
TEST_F(vdpa, random_calls)
{
	static const unsigned long calls[] = {
		VHOST_SET_OWNER, VHOST_SET_FEATURES, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE,
		VHOST_GET_VRING_BASE, VHOST_SET_VRING_ADDR, VHOST_VDPA_SET_VRING_ENABLE,
		VHOST_VDPA_SET_STATUS, VHOST_VDPA_SUSPEND, VHOST_VDPA_RESUME,
		VHOST_VDPA_GET_VRING_GROUP, VHOST_VDPA_GET_CONFIG_SIZE, VHOST_VDPA_GET_VRING_NUM,
	};
	unsigned int seed = getpid(), n = sizeof(calls) / sizeof(calls[0]), i, j;
	const uint64_t one = 1;
	uint64_t arg[8];

	for (i = 0; i < 3000; i++) {
		for (j = 0; j < 8; j++)
			arg[j] = rand_r(&seed) % 4 ? rand_r(&seed) & 1 :
			       rand_r(&seed) % 2 ? guest_gpa(&self->g, self->buf) :
						   (uint64_t)rand_r(&seed) << 32 | rand_r(&seed);
		if (!(rand_r(&seed) % 8))
			vdpa_set_status(&self->v, 0);
		if (!(rand_r(&seed) % 8))
			vdpa_negotiate(&self->v, VDPA_PLATFORM |
				       (rand_r(&seed) & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0));
		if (!(rand_r(&seed) % 8))
			vdpa_map(&self->v, (arg[0] & 3) * 4096, 4096 * (1 + (arg[1] & 7)),
				 rand_r(&seed) & 1 ? self->g.mem : NULL);
		if (!(rand_r(&seed) % 16))
			vdpa_queue(&self->v, 0);
		vdpa_ioctl(&self->v, calls[rand_r(&seed) % n], arg);
		ASSERT_EQ(sizeof(one), write(self->vq->kick, &one, sizeof(one)));
	}
	vdpa_shut(&self->v);
	ASSERT_EQ(0, vdpa_open(&self->v));
	ASSERT_EQ(0, vdpa_start(&self->v));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
}

/* Deleted while nobody has it open, and with it the module is free again. */
TEST_F(vdpa, deleted)
{
	vdpa_shut(&self->v);
	EXPECT_EQ(0, vdpa_del(&self->v));
	EXPECT_NE(0, vdpa_del(&self->v));
	/* The module's device is there still, and can be added once more. */
	EXPECT_EQ(0, vdpa_add(&self->v, ""));
	EXPECT_NE(0, vdpa_add(&self->v, ""));
	EXPECT_EQ(0, vdpa_open(&self->v));
	EXPECT_EQ(0, vdpa_start(&self->v));
	EXPECT_LT(0, fetch(self->vq, self->buf, 64));
}

static uint32_t idle_status(struct device *d)
{
	struct kvlane_stats st = {};

	return device_stats(d, &st, 0, NULL) ? ~0U : st.status;
}

/* A driver that leaves without a word leaves nothing behind. */
TEST_F(vdpa, drivers_change)
{
	int i;

	if (system("modprobe virtio_vdpa 2>/dev/null"))
		SKIP(return, "no module virtio_vdpa");
	vdpa_shut(&self->v);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vdpa_let_go(&self->v, "vhost_vdpa", "virtio_vdpa"));
		ASSERT_EQ(0, vdpa_bind(&self->v, "virtio_vdpa"));
		EXPECT_NE(0, idle_status(&self->v.d));
		ASSERT_EQ(0, vdpa_let_go(&self->v, "virtio_vdpa", "vhost_vdpa"));
		EXPECT_EQ(0, idle_status(&self->v.d));
		EXPECT_EQ(0, device_set_rng(&self->v.d, -1, 0, 0));
		ASSERT_EQ(0, vdpa_bind(&self->v, "vhost_vdpa"));
		ASSERT_EQ(0, vdpa_open(&self->v));
		ASSERT_EQ(0, vdpa_start(&self->v));
		EXPECT_LT(0, fetch(self->vq, self->buf, 64));
		vdpa_shut(&self->v);
	}
}

static int create_named(struct guest *g, const char *name, uint32_t flags)
{
	struct kvlane_create_vdpa args = {
		.flags = flags, .type = VIRTIO_ID_RNG, .num_queues = 1, .queue_size = 16,
		.features = FEATURES_ALL,
	};

	memcpy(args.name, name, strnlen(name, sizeof(args.name)));
	return ioctl(g->kvlane, KVLANE_CREATE_VDPA, &args) < 0 ? -errno : 0;
}

TEST_F(vdpa, names)
{
	EXPECT_EQ(-EEXIST, create_named(&self->g, self->v.name, 0));
	EXPECT_EQ(-EINVAL, create_named(&self->g, "", 0));
	EXPECT_EQ(-EINVAL, create_named(&self->g, "a/b", 0));
	EXPECT_EQ(-EINVAL, create_named(&self->g, ".", 0));
	EXPECT_EQ(-EINVAL, create_named(&self->g, "12345678901234567890123456789012", 0));
	EXPECT_EQ(-EINVAL, create_named(&self->g, "flags", 1));
}

TEST(without_back_end)
{
	struct guest g;
	struct vdpa v;

	if (!vdpa_available())
		SKIP(return, "no module vhost_vdpa, or no program vdpa");
	ASSERT_EQ(0, guest_open(&g, MEM));
	ASSERT_EQ(0, vdpa_create(&v, &g, VIRTIO_ID_RNG, 1));
	EXPECT_NE(0, vdpa_add(&v, ""));
	vdpa_close(&v);
	guest_close(&g);
}

TEST_HARNESS_MAIN
