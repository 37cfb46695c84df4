// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page hinting, virtio 1.2 section 5.5.6.6: which pages the driver has no use for, as
 * somebody asks for them who moves a guest, and as a driver may answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device.h"
#include "host.h"
#include "iommu.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define BASE		(8 * GIB)
#define PAGE		4096
/* Not a multiple of what a word of bits is for. */
#define PAGES		(16 * 64 + 5)
#define SIZE		((uint64_t)PAGES * PAGE)
#define WORDS		(PAGES / 64 + 1)

#define CMD_ID		(KVLANE_WINDOW_CONFIG + 8)
#define POISON		(KVLANE_WINDOW_CONFIG + 12)

enum { INFLATE, DEFLATE, TELL, HINT, REPORT, QUEUES };

FIXTURE(hints) {
	struct guest g;
	struct device d;
	struct ram b;
	uint32_t *id;
	uint64_t bits[WORDS];
};

static int set_backend(struct device *d)
{
	struct kvlane_backend backend = { .fd = -1 };

	return ioctl(d->fd, KVLANE_SET_BACKEND, &backend) ? -errno : 0;
}

FIXTURE_SETUP(hints)
{
	self->d.fd = -1;
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, ram_open(&self->b, RAM_SMALL, SIZE));
	self->g.regions[self->g.nr_regions++] = (struct kvlane_region){
		.gpa = BASE, .size = SIZE, .hva = (uintptr_t)self->b.mem, .fd = self->b.fd,
	};
	ASSERT_EQ(0, guest_set_regions(&self->g, self->g.regions, self->g.nr_regions));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BALLOON, QUEUES, 64));
	ASSERT_EQ(0, set_backend(&self->d));
	self->id = guest_alloc(&self->g, PAGE, PAGE);
}

FIXTURE_TEARDOWN(hints)
{
	device_close(&self->d);
	ram_close(&self->b);
	guest_close(&self->g);
}

static int set_hinting(struct device *d, uint32_t state, void *hva, uint64_t size)
{
	struct kvlane_dirty_range range = { .hva = (uintptr_t)hva, .size = size };
	struct kvlane_set_hinting args = {
		.state = state, .nr_ranges = size ? 1 : 0, .ranges = (uintptr_t)&range,
	};

	return ioctl(d->fd, KVLANE_SET_HINTING, &args) ? -errno : 0;
}

/* Returns the id of the round, which the driver has been told of. */
static uint32_t begin(struct _test_data_hints *self)
{
	eventfd_wait(self->d.config_call, 0);
	if (set_hinting(&self->d, KVLANE_HINTING_BEGUN, self->b.mem, SIZE) ||
	    !eventfd_wait(self->d.config_call, WAIT_MS))
		return 0;
	return reg_read(&self->d, CMD_ID, 4);
}

static int stop(struct _test_data_hints *self)
{
	return set_hinting(&self->d, KVLANE_HINTING_STOPPED, NULL, 0);
}

static int end(struct _test_data_hints *self)
{
	return set_hinting(&self->d, KVLANE_HINTING_OFF, NULL, 0);
}

static struct kvlane_balloon_info info(struct _test_data_hints *self)
{
	struct kvlane_balloon_info info = {};

	if (ioctl(self->d.fd, KVLANE_GET_BALLOON, &info))
		info.hinting = UINT32_MAX;
	return info;
}

/* Returns how many pages are hinted at. */
static int64_t fetch(struct _test_data_hints *self)
{
	struct kvlane_get_dirty_log args = {
		.hva = (uintptr_t)self->b.mem, .size = SIZE, .bitmap = (uintptr_t)self->bits,
	};

	return ioctl(self->d.fd, KVLANE_GET_HINTS, &args) ? -errno : (int64_t)args.pages;
}

static bool hinted(struct _test_data_hints *self, unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = first; i < first + nr; i++)
		if (!(self->bits[i / 64] >> i % 64 & 1))
			return false;
	return true;
}

static int queue_ask(struct _test_data_hints *self, unsigned int queue, struct iovec *out,
		     struct iovec *in)
{
	struct vq *vq = &self->d.vq[queue];

	if (vq_add(vq, out, !!out, in, !!in, self) < 0)
		return -ENOSPC;
	vq_kick(vq);
	return vq_wait(vq, NULL) == self ? 0 : -ETIMEDOUT;
}

/* The driver says what it hints for. */
static int answer(struct _test_data_hints *self, uint32_t id)
{
	struct iovec out = { self->id, sizeof(id) };

	*self->id = id;
	return queue_ask(self, HINT, &out, NULL);
}

static int hint_bytes(struct _test_data_hints *self, uint64_t offset, uint64_t size)
{
	struct iovec in = { self->b.mem + offset, size };

	return queue_ask(self, HINT, NULL, &in);
}

static int hint(struct _test_data_hints *self, unsigned int first, unsigned int nr)
{
	return hint_bytes(self, (uint64_t)first * PAGE, (uint64_t)nr * PAGE);
}

/* From the first word to the last. */
TEST_F(hints, round)
{
	uint32_t id;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(VIRTIO_BALLOON_CMD_ID_STOP, reg_read(&self->d, CMD_ID, 4));
	EXPECT_EQ(KVLANE_HINTING_OFF, info(self).hinting);
	id = begin(self);
	ASSERT_LT(VIRTIO_BALLOON_CMD_ID_DONE, id);
	EXPECT_EQ(KVLANE_HINTING_BEGUN, info(self).hinting);
	EXPECT_EQ(0, fetch(self));
	ASSERT_EQ(0, answer(self, id));
	EXPECT_EQ(KVLANE_HINTING_RUNNING, info(self).hinting);
	memset(self->b.mem, 0x5a, SIZE);
	ASSERT_EQ(0, hint(self, 3, 70));
	ASSERT_EQ(0, hint(self, PAGES - 1, 1));
	ASSERT_EQ(71, fetch(self));
	EXPECT_TRUE(hinted(self, 3, 70));
	EXPECT_TRUE(hinted(self, PAGES - 1, 1));
	/* Each is told once. */
	EXPECT_EQ(0, fetch(self));
	ASSERT_EQ(0, hint(self, 500, 2));
	ASSERT_EQ(0, answer(self, VIRTIO_BALLOON_CMD_ID_STOP));
	EXPECT_EQ(KVLANE_HINTING_TOLD, info(self).hinting);
	EXPECT_EQ(73 * PAGE, info(self).hinted);
	EXPECT_EQ(0, info(self).hints_ignored);

	ASSERT_EQ(0, stop(self));
	EXPECT_NE(0, eventfd_wait(self->d.config_call, WAIT_MS));
	EXPECT_EQ(VIRTIO_BALLOON_CMD_ID_STOP, reg_read(&self->d, CMD_ID, 4));
	ASSERT_EQ(2, fetch(self));
	EXPECT_TRUE(hinted(self, 500, 2));
	ASSERT_EQ(0, end(self));
	EXPECT_NE(0, eventfd_wait(self->d.config_call, WAIT_MS));
	EXPECT_EQ(VIRTIO_BALLOON_CMD_ID_DONE, reg_read(&self->d, CMD_ID, 4));
	EXPECT_EQ(KVLANE_HINTING_OFF, info(self).hinting);
	EXPECT_EQ(-ENOENT, fetch(self));
	/* In all that the memory has stayed as it was. */
	EXPECT_EQ(0x5a, self->b.mem[0]);
	EXPECT_EQ(0, memcmp(self->b.mem, self->b.mem + 1, SIZE - 1));
}

/* What is in a page in part only is not free. */
TEST_F(hints, parts_of_pages)
{
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, answer(self, begin(self)));
	ASSERT_EQ(0, hint_bytes(self, 10 * PAGE + 1, 3 * PAGE));
	ASSERT_EQ(0, hint_bytes(self, 20 * PAGE - 1, PAGE + 2));
	EXPECT_EQ(0, info(self).hints_ignored);
	ASSERT_EQ(0, hint_bytes(self, 30 * PAGE, PAGE - 1));
	EXPECT_EQ(1, info(self).hints_ignored);
	ASSERT_EQ(3, fetch(self));
	EXPECT_TRUE(hinted(self, 11, 2));
	EXPECT_TRUE(hinted(self, 20, 1));
}

/* Hints of another round, or of none, are not taken. */
TEST_F(hints, stale)
{
	uint32_t first, second;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, hint(self, 0, 1));
	EXPECT_EQ(1, info(self).hints_ignored);
	first = begin(self);
	ASSERT_EQ(0, hint(self, 1, 1));
	EXPECT_EQ(2, info(self).hints_ignored);
	ASSERT_EQ(0, answer(self, first));
	ASSERT_EQ(0, hint(self, 2, 1));
	second = begin(self);
	ASSERT_NE(first, second);
	EXPECT_EQ(0, info(self).hinted);
	EXPECT_EQ(0, fetch(self));
	/* The driver is still at the first, and ends it. */
	ASSERT_EQ(0, hint(self, 3, 1));
	ASSERT_EQ(0, answer(self, VIRTIO_BALLOON_CMD_ID_STOP));
	EXPECT_EQ(KVLANE_HINTING_BEGUN, info(self).hinting);
	EXPECT_EQ(3, info(self).hints_ignored);
	ASSERT_EQ(0, answer(self, first));
	ASSERT_EQ(0, hint(self, 4, 1));
	EXPECT_EQ(5, info(self).hints_ignored);
	ASSERT_EQ(0, answer(self, second));
	ASSERT_EQ(0, hint(self, 5, 1));
	/* It goes back to the first, to one that never was, to what is no id. */
	ASSERT_EQ(0, answer(self, first));
	ASSERT_EQ(0, hint(self, 6, 1));
	ASSERT_EQ(0, answer(self, second + 1));
	ASSERT_EQ(0, answer(self, VIRTIO_BALLOON_CMD_ID_DONE));
	ASSERT_EQ(0, hint(self, 7, 1));
	EXPECT_EQ(10, info(self).hints_ignored);
	ASSERT_EQ(0, answer(self, second));
	ASSERT_EQ(0, stop(self));
	ASSERT_EQ(0, hint(self, 8, 1));
	ASSERT_EQ(0, answer(self, second));
	EXPECT_EQ(12, info(self).hints_ignored);
	EXPECT_EQ(KVLANE_HINTING_STOPPED, info(self).hinting);
	ASSERT_EQ(1, fetch(self));
	EXPECT_TRUE(hinted(self, 5, 1));
	EXPECT_EQ(PAGE, info(self).hinted);
}

/* Other memory than was asked for. */
TEST_F(hints, elsewhere)
{
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, set_hinting(&self->d, KVLANE_HINTING_BEGUN, self->b.mem, 64 * PAGE));
	ASSERT_EQ(0, answer(self, reg_read(&self->d, CMD_ID, 4)));
	ASSERT_EQ(0, hint(self, 64, 1));
	EXPECT_EQ(1, info(self).hints_ignored);
	ASSERT_EQ(0, hint(self, 60, 100));
	EXPECT_EQ(1, info(self).hints_ignored);
	EXPECT_EQ(4 * PAGE, info(self).hinted);
	EXPECT_EQ(-ENOENT, fetch(self));
}

static int log_set(struct _test_data_hints *self)
{
	struct kvlane_dirty_range range = { .hva = (uintptr_t)self->b.mem, .size = SIZE };
	struct kvlane_set_dirty_log args = { .nr_ranges = 1, .ranges = (uintptr_t)&range };

	return ioctl(self->g.vm, KVLANE_SET_DIRTY_LOG, &args) ? -errno : 0;
}

static int64_t log_get(struct _test_data_hints *self)
{
	struct kvlane_get_dirty_log args = {
		.hva = (uintptr_t)self->b.mem, .size = SIZE, .bitmap = (uintptr_t)self->bits,
	};

	return ioctl(self->g.vm, KVLANE_GET_DIRTY_LOG, &args) ? -errno : (int64_t)args.pages;
}

/* As they are meant to be used: what is hinted at and not written to is not copied. */
TEST_F(hints, beside_the_log)
{
	struct device rng;
	struct iovec in = { self->b.mem + 5 * PAGE, 16 };

	ASSERT_EQ(0, device_open(&rng, &self->g, VIRTIO_ID_RNG, 1, 16));
	ASSERT_EQ(0, device_set_rng(&rng, -1, 0, 0));
	ASSERT_EQ(0, device_start(&rng, FEATURES_ALL));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, log_set(self));
	ASSERT_EQ(0, answer(self, begin(self)));
	ASSERT_EQ(0, hint(self, 0, PAGES));
	/* One of them the driver has other plans for, already. */
	ASSERT_LE(0, vq_add(rng.vq, NULL, 0, &in, 1, self));
	vq_kick(rng.vq);
	ASSERT_EQ(self, vq_wait(rng.vq, NULL));
	ASSERT_EQ(0, stop(self));
	EXPECT_EQ(PAGES, fetch(self));
	/* A hint is no write. */
	ASSERT_EQ(1, log_get(self));
	EXPECT_TRUE(hinted(self, 5, 1));
	device_close(&rng);
}

/* The driver starts over, and knows nothing of a round. */
TEST_F(hints, reset)
{
	uint32_t id;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	id = begin(self);
	ASSERT_EQ(0, answer(self, id));
	ASSERT_EQ(0, hint(self, 0, 9));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(KVLANE_HINTING_OFF, info(self).hinting);
	EXPECT_EQ(VIRTIO_BALLOON_CMD_ID_STOP, reg_read(&self->d, CMD_ID, 4));
	EXPECT_EQ(-ENOENT, fetch(self));
	EXPECT_EQ(-ENOENT, stop(self));
	EXPECT_EQ(-EOPNOTSUPP, set_hinting(&self->d, KVLANE_HINTING_BEGUN, self->b.mem, SIZE));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, answer(self, id));
	ASSERT_LT(id, begin(self));
	ASSERT_EQ(0, answer(self, id));
	ASSERT_EQ(0, hint(self, 0, 9));
	EXPECT_EQ(3, info(self).hints_ignored);
	EXPECT_EQ(0, fetch(self));
}

/* Pages that are to keep a pattern have to be copied. */
TEST_F(hints, poison)
{
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, reg_write(&self->d, POISON, 4, 0xaa));
	ASSERT_EQ(0, answer(self, begin(self)));
	ASSERT_EQ(0, hint(self, 0, 9));
	EXPECT_EQ(1, info(self).hints_ignored);
	EXPECT_EQ(0, fetch(self));
}

/* Without statistics the queue is the third, and that of reports the next. */
TEST_F(hints, queues)
{
	struct iovec id = { self->id, sizeof(*self->id) };
	struct iovec pages = { self->b.mem, PAGE };

	ASSERT_EQ(0, device_start(&self->d, BIT(VIRTIO_BALLOON_F_FREE_PAGE_HINT) |
						    BIT(VIRTIO_BALLOON_F_REPORTING)));
	*self->id = begin(self);
	ASSERT_EQ(0, queue_ask(self, TELL, &id, NULL));
	EXPECT_EQ(KVLANE_HINTING_RUNNING, info(self).hinting);
	ASSERT_EQ(0, queue_ask(self, TELL, NULL, &pages));
	EXPECT_EQ(PAGE, info(self).hinted);
	ASSERT_EQ(0, queue_ask(self, HINT, NULL, &pages));
	EXPECT_EQ(PAGE, info(self).hinted);
	EXPECT_EQ(0, info(self).hints_ignored);
}

static int broken(struct _test_data_hints *self, struct iovec *out, struct iovec *in)
{
	struct vq *vq = &self->d.vq[HINT];
	struct kvlane_event event;

	if (device_start(&self->d, FEATURES_ALL) || vq_add(vq, out, !!out, in, !!in, self) < 0)
		return -ENOSPC;
	vq_kick(vq);
	if (device_event(&self->d, &event, WAIT_MS) ||
	    event.type != KVLANE_EVENT_NEEDS_RESET || event.queue != HINT)
		return -EIO;
	return event.reason;
}

TEST_F(hints, malformed)
{
	struct iovec three = { self->id, 3 }, five = { self->id, 5 }, four = { self->id, 4 };
	struct iovec page = { self->b.mem, PAGE };
	struct kvlane_region few[3];

	EXPECT_EQ(KVLANE_REASON_SHORT, broken(self, &three, NULL));
	EXPECT_EQ(KVLANE_REASON_SHORT, broken(self, &five, NULL));
	EXPECT_EQ(KVLANE_REASON_DIRECTION, broken(self, &four, &page));
	/* Pages that are not there, or not any more. */
	memcpy(few, self->g.regions, sizeof(few));
	few[2].size = PAGE;
	ASSERT_EQ(0, guest_set_regions(&self->g, few, 3));
	page.iov_len = 2 * PAGE;
	EXPECT_EQ(KVLANE_REASON_ADDRESS, broken(self, NULL, &page));
}

static int error_of(struct _test_data_hints *self, unsigned long cmd, void *args)
{
	return ioctl(self->d.fd, cmd, args) ? errno : 0;
}

TEST_F(hints, wrong_calls)
{
	struct kvlane_dirty_range twice[2] = {
		{ .hva = (uintptr_t)self->b.mem, .size = 4 * PAGE },
		{ .hva = (uintptr_t)self->b.mem + PAGE, .size = PAGE },
	};
	struct kvlane_set_hinting args = {
		.state = KVLANE_HINTING_BEGUN, .nr_ranges = 2, .ranges = (uintptr_t)twice,
	};
	struct kvlane_set_hinting wrong = args;

	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(EEXIST, error_of(self, KVLANE_SET_HINTING, &args));
	wrong.nr_ranges = KVLANE_MAX_REGIONS + 1;
	EXPECT_EQ(E2BIG, error_of(self, KVLANE_SET_HINTING, &wrong));
	args.nr_ranges = 1;
	wrong = args;
	wrong.flags = 1;
	EXPECT_EQ(EINVAL, error_of(self, KVLANE_SET_HINTING, &wrong));
	wrong = args;
	wrong.reserved0 = 1;
	EXPECT_EQ(EINVAL, error_of(self, KVLANE_SET_HINTING, &wrong));
	wrong = args;
	wrong.reserved[2] = 1;
	EXPECT_EQ(EINVAL, error_of(self, KVLANE_SET_HINTING, &wrong));
	wrong = args;
	wrong.state = KVLANE_HINTING_RUNNING;
	EXPECT_EQ(EINVAL, error_of(self, KVLANE_SET_HINTING, &wrong));
	wrong.state = KVLANE_HINTING_STOPPED;
	EXPECT_EQ(EINVAL, error_of(self, KVLANE_SET_HINTING, &wrong));
	EXPECT_EQ(EINVAL, -set_hinting(&self->d, KVLANE_HINTING_BEGUN, NULL, 0));
	EXPECT_EQ(EINVAL, -set_hinting(&self->d, KVLANE_HINTING_BEGUN, self->b.mem + 1, PAGE));
	EXPECT_EQ(EFAULT, error_of(self, KVLANE_SET_HINTING, NULL));
	EXPECT_EQ(EFAULT, error_of(self, KVLANE_GET_HINTS, NULL));
	/* None of that has begun a round. */
	EXPECT_EQ(KVLANE_HINTING_OFF, info(self).hinting);
	EXPECT_EQ(VIRTIO_BALLOON_CMD_ID_STOP, reg_read(&self->d, CMD_ID, 4));
	EXPECT_EQ(ENOENT, -stop(self));
	EXPECT_EQ(0, end(self));
	/* A driver that gives no hints, and a device that has no queue for them. */
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	EXPECT_EQ(EOPNOTSUPP, error_of(self, KVLANE_SET_HINTING, &args));
	device_close(&self->d);
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BALLOON, QUEUES - 1, 64));
	EXPECT_EQ(0, device_offered(&self->d) & BIT(VIRTIO_BALLOON_F_FREE_PAGE_HINT));
	EXPECT_EQ(ENXIO, error_of(self, KVLANE_SET_HINTING, &args));
	device_close(&self->d);
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_RNG, 1, 64));
	EXPECT_EQ(EINVAL, error_of(self, KVLANE_SET_HINTING, &args));
	EXPECT_EQ(EINVAL, -(int)fetch(self));
}

/* What could not be stored is still there. */
TEST_F(hints, bad_bitmap)
{
	struct kvlane_get_dirty_log args = {
		.hva = (uintptr_t)self->b.mem, .size = SIZE,
	};
	uint64_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, mprotect((uint8_t *)page + PAGE, PAGE, PROT_NONE));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, answer(self, begin(self)));
	ASSERT_EQ(0, hint(self, 0, PAGES));
	args.bitmap = (uintptr_t)&page[PAGE / sizeof(*page) - 3];
	EXPECT_EQ(EFAULT, error_of(self, KVLANE_GET_HINTS, &args));
	EXPECT_EQ(PAGES - 3 * 64, fetch(self));
	munmap(page, 2 * PAGE);
}

TEST_HARNESS_MAIN
