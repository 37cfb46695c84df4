// SPDX-License-Identifier: GPL-2.0-only
/* The register window, virtio 1.2 sections 2.1, 2.2, 3.1 and 4.1.4. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define SECTORS		256
#define QUEUES		2
#define QUEUE_SIZE	16
#define STEPS		(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define CONFIG(field)	(KVLANE_WINDOW_CONFIG + offsetof(struct virtio_blk_config, field))

FIXTURE(window) {
	struct guest g;
	struct device d;
	struct blk_req r;
	int disk;
};

FIXTURE_SETUP(window)
{
	self->disk = disk_memfd(SECTORS * 512);
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, QUEUES, QUEUE_SIZE));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->r, 4096));
}

FIXTURE_TEARDOWN(window)
{
	device_close(&self->d);
	guest_close(&self->g);
}

static int read_sector(struct device *d, struct blk_req *r, unsigned int queue)
{
	return blk_do(&d->vq[queue], r, VIRTIO_BLK_T_IN, 0, 512);
}

TEST_F(window, state_at_birth)
{
	struct device *d = &self->d;
	unsigned int i;

	EXPECT_EQ(0, device_status(d));
	EXPECT_EQ(QUEUES, reg_read(d, COMMON(NUMQ), 2));
	EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, COMMON(MSIX), 2));
	EXPECT_EQ(0, reg_read(d, KVLANE_WINDOW_ISR, 1));
	for (i = 0; i < QUEUES; i++) {
		ASSERT_EQ(0, reg_write(d, COMMON(Q_SELECT), 2, i));
		EXPECT_EQ(i, reg_read(d, COMMON(Q_SELECT), 2));
		EXPECT_EQ(QUEUE_SIZE, reg_read(d, COMMON(Q_SIZE), 2));
		EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, COMMON(Q_MSIX), 2));
		EXPECT_EQ(0, reg_read(d, COMMON(Q_ENABLE), 2));
		EXPECT_EQ(0, reg_read(d, COMMON(Q_RESET), 2));
		EXPECT_EQ(i, reg_read(d, COMMON(Q_NOFF), 2));
	}
}

TEST_F(window, features_offered)
{
	uint64_t offered = device_offered(&self->d);
	const uint64_t need = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_RING_RESET) |
		BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE) |
		BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_MQ) |
		BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES);

	EXPECT_EQ(need, offered & need);
	EXPECT_EQ(0, offered & BIT(VIRTIO_BLK_F_RO));
	/* Past the 64 bits there are: nothing. */
	reg_write(&self->d, COMMON(DFSELECT), 4, 2);
	EXPECT_EQ(0, reg_read(&self->d, COMMON(DF), 4));
	reg_write(&self->d, COMMON(DFSELECT), 4, UINT32_MAX);
	EXPECT_EQ(0, reg_read(&self->d, COMMON(DF), 4));
	EXPECT_EQ(UINT32_MAX, reg_read(&self->d, COMMON(DFSELECT), 4));
}

TEST_F(window, features_masked_by_creator)
{
	struct kvlane_create_device arg = {
		.type = VIRTIO_ID_BLOCK, .num_queues = 1, .queue_size = QUEUE_SIZE,
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_FLUSH),
	};
	struct device d = { .guest = &self->g };

	d.fd = ioctl(self->g.vm, KVLANE_CREATE_DEVICE, &arg);
	ASSERT_LE(0, d.fd);
	ASSERT_EQ(0, device_set_blk(&d, self->disk, 0, 0));
	EXPECT_EQ(arg.features, device_offered(&d));
	close(d.fd);
}

TEST_F(window, driver_features_read_back)
{
	struct device *d = &self->d;

	reg_write(d, COMMON(STATUS), 1, STEPS);
	reg_write(d, COMMON(GFSELECT), 4, 0);
	reg_write(d, COMMON(GF), 4, BIT(VIRTIO_BLK_F_FLUSH));
	reg_write(d, COMMON(GFSELECT), 4, 1);
	reg_write(d, COMMON(GF), 4, 1);
	EXPECT_EQ(1, reg_read(d, COMMON(GF), 4));
	reg_write(d, COMMON(GFSELECT), 4, 0);
	EXPECT_EQ(BIT(VIRTIO_BLK_F_FLUSH), reg_read(d, COMMON(GF), 4));
	/* Past the end: ignored. */
	reg_write(d, COMMON(GFSELECT), 4, 2);
	reg_write(d, COMMON(GF), 4, UINT32_MAX);
	reg_write(d, COMMON(STATUS), 1, STEPS | VIRTIO_CONFIG_S_FEATURES_OK);
	EXPECT_EQ(STEPS | VIRTIO_CONFIG_S_FEATURES_OK, device_status(d));
}

/* Section 3.1.1 step 6: FEATURES_OK does not stay if the device cannot agree. */
TEST_F(window, features_ok_refused)
{
	struct device *d = &self->d;
	uint64_t not_offered = ~device_offered(d);

	reg_write(d, COMMON(STATUS), 1, STEPS);
	reg_write(d, COMMON(GFSELECT), 4, 1);
	reg_write(d, COMMON(GF), 4, 1 | (not_offered >> 32 & -(not_offered >> 32)));
	reg_write(d, COMMON(STATUS), 1, STEPS | VIRTIO_CONFIG_S_FEATURES_OK);
	EXPECT_EQ(STEPS, device_status(d));
	/* The driver may try again with less. */
	reg_write(d, COMMON(GF), 4, 1);
	reg_write(d, COMMON(STATUS), 1, STEPS | VIRTIO_CONFIG_S_FEATURES_OK);
	EXPECT_EQ(STEPS | VIRTIO_CONFIG_S_FEATURES_OK, device_status(d));
}

TEST_F(window, features_ok_needs_version_1)
{
	struct device *d = &self->d;

	reg_write(d, COMMON(STATUS), 1, STEPS);
	reg_write(d, COMMON(GFSELECT), 4, 0);
	reg_write(d, COMMON(GF), 4, 0);
	reg_write(d, COMMON(STATUS), 1, STEPS | VIRTIO_CONFIG_S_FEATURES_OK);
	EXPECT_EQ(STEPS, device_status(d));
}

TEST_F(window, features_fixed_after_features_ok)
{
	struct device *d = &self->d;
	struct kvlane_stats st;

	ASSERT_EQ(0, device_negotiate(d, FEATURES_PLAIN));
	reg_write(d, COMMON(GFSELECT), 4, 0);
	reg_write(d, COMMON(GF), 4, UINT32_MAX);
	ASSERT_EQ(0, device_stats(d, &st, 0, NULL));
	EXPECT_EQ(FEATURES_PLAIN, st.features);
}

/* Section 2.1.2: no buffer is consumed before DRIVER_OK. */
TEST_F(window, idle_before_driver_ok)
{
	struct device *d = &self->d;
	struct vq *vq = &d->vq[0];

	ASSERT_EQ(0, device_negotiate(d, FEATURES_PLAIN));
	ASSERT_EQ(0, device_setup_queue(d, 0));
	ASSERT_LE(0, blk_add(vq, &self->r, VIRTIO_BLK_T_IN, 0, 512));
	vq_publish(vq);
	vq_notify(vq);
	EXPECT_EQ(0, eventfd_wait(vq->call, 20));
	EXPECT_EQ(0, blk_poll(vq));
	device_driver_ok(d);
	vq_notify(vq);
	EXPECT_EQ(0, blk_wait(vq, &self->r));
}

TEST_F(window, driver_ok_needs_features_ok)
{
	struct device *d = &self->d;
	struct vq *vq = &d->vq[0];

	ASSERT_EQ(0, device_setup_queue(d, 0));
	reg_write(d, COMMON(STATUS), 1, STEPS | VIRTIO_CONFIG_S_DRIVER_OK);
	ASSERT_LE(0, blk_add(vq, &self->r, VIRTIO_BLK_T_IN, 0, 512));
	vq_publish(vq);
	vq_notify(vq);
	EXPECT_EQ(0, eventfd_wait(vq->call, 20));
	EXPECT_EQ(0, blk_poll(vq));
	/* Nothing is spoilt for a driver that does it right. */
	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
}

TEST_F(window, driver_ok_without_backend)
{
	struct kvlane_event ev = {};
	struct kvlane_stats st;
	struct device d;

	ASSERT_EQ(0, device_open(&d, &self->g, VIRTIO_ID_BLOCK, 1, QUEUE_SIZE));
	ASSERT_EQ(0, device_start(&d, FEATURES_PLAIN));
	ASSERT_EQ(0, device_event(&d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(KVLANE_REASON_NO_BACKEND, ev.reason);
	EXPECT_EQ(VIRTIO_CONFIG_S_NEEDS_RESET,
		  device_status(&d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	EXPECT_EQ(0, device_stats(&d, &st, 0, NULL));
	EXPECT_EQ(1, st.needs_reset);
	/* With one it works. */
	ASSERT_EQ(0, device_reset(&d));
	ASSERT_EQ(0, device_set_blk(&d, self->disk, 0, 0));
	ASSERT_EQ(0, device_start(&d, FEATURES_PLAIN));
	EXPECT_EQ(0, read_sector(&d, &self->r, 0));
	device_close(&d);
}

TEST_F(window, failed_status_is_kept)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	reg_write(d, COMMON(STATUS), 1, device_status(d) | VIRTIO_CONFIG_S_FAILED);
	EXPECT_NE(0, device_status(d) & VIRTIO_CONFIG_S_FAILED);
	ASSERT_EQ(0, device_reset(d));
	EXPECT_EQ(0, device_status(d));
}

/* NEEDS_RESET is the device's to set. */
TEST_F(window, driver_cannot_set_needs_reset)
{
	struct device *d = &self->d;
	struct kvlane_stats st;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	reg_write(d, COMMON(STATUS), 1, device_status(d) | VIRTIO_CONFIG_S_NEEDS_RESET);
	ASSERT_EQ(0, device_stats(d, &st, 0, NULL));
	EXPECT_EQ(0, st.needs_reset);
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
}

TEST_F(window, queue_past_the_end)
{
	struct device *d = &self->d;
	static const unsigned int past[] = { QUEUES, KVLANE_MAX_QUEUES, 0x8000, 0xffff };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		reg_write(d, COMMON(Q_SELECT), 2, past[i]);
		EXPECT_EQ(past[i], reg_read(d, COMMON(Q_SELECT), 2));
		EXPECT_EQ(0, reg_read(d, COMMON(Q_SIZE), 2));
		reg_write(d, COMMON(Q_SIZE), 2, QUEUE_SIZE);
		EXPECT_EQ(0, reg_read(d, COMMON(Q_SIZE), 2));
		reg_write(d, COMMON(Q_MSIX), 2, 0);
		EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, COMMON(Q_MSIX), 2));
		reg_write(d, COMMON(Q_ENABLE), 2, 1);
		EXPECT_EQ(0, reg_read(d, COMMON(Q_ENABLE), 2));
		reg_write(d, COMMON(Q_RESET), 2, 1);
		EXPECT_EQ(0, reg_read(d, COMMON(Q_RESET), 2));
		reg_write(d, COMMON(Q_DESCLO), 4, 4096);
	}
	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	EXPECT_EQ(0, read_sector(d, &self->r, QUEUES - 1));
}

TEST_F(window, notify_past_the_end)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	reg_write(d, KVLANE_WINDOW_NOTIFY + QUEUES * KVLANE_NOTIFY_MULTIPLIER, 2, QUEUES);
	reg_write(d, KVLANE_WINDOW_NOTIFY + 0xffc, 4, UINT32_MAX);
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
}

TEST_F(window, queue_size)
{
	struct device *d = &self->d;
	static const unsigned int bad[] = {
		0, 3, 12, QUEUE_SIZE + 1, 2 * QUEUE_SIZE, 0x8000, 0xffff,
	};
	unsigned int i;

	reg_write(d, COMMON(Q_SELECT), 2, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		reg_write(d, COMMON(Q_SIZE), 2, bad[i]);
		EXPECT_EQ(QUEUE_SIZE, reg_read(d, COMMON(Q_SIZE), 2)) {
			TH_LOG("queue size %u was taken", bad[i]);
		}
	}
	reg_write(d, COMMON(Q_SIZE), 2, 4);
	EXPECT_EQ(4, reg_read(d, COMMON(Q_SIZE), 2));
	/* Reset brings the largest size back. */
	ASSERT_EQ(0, device_reset(d));
	EXPECT_EQ(QUEUE_SIZE, reg_read(d, COMMON(Q_SIZE), 2));
}

/* A driver may use a smaller ring; indices then wrap at the smaller size. */
TEST_F(window, smaller_queue_works)
{
	struct device *d = &self->d;
	struct vq *vq = &d->vq[0];
	int i;

	vq->size = 4;
	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	for (i = 0; i < 11; i++)
		ASSERT_EQ(0, read_sector(d, &self->r, 0));
}

TEST_F(window, enabled_queue_is_fixed)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	reg_write(d, COMMON(Q_SELECT), 2, 0);
	EXPECT_EQ(1, reg_read(d, COMMON(Q_ENABLE), 2));
	reg_write(d, COMMON(Q_ENABLE), 2, 0);
	EXPECT_EQ(1, reg_read(d, COMMON(Q_ENABLE), 2));
	reg_write(d, COMMON(Q_DESCLO), 4, 0x10);
	reg_write(d, COMMON(Q_AVAILHI), 4, 0x77);
	reg_write(d, COMMON(Q_SIZE), 2, 2);
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
}

/* Addresses can be written in halves or in one piece, and read back. */
TEST_F(window, queue_addresses)
{
	struct device *d = &self->d;
	unsigned int at[] = { COMMON(Q_DESCLO), COMMON(Q_AVAILLO), COMMON(Q_USEDLO) };
	unsigned int i;

	reg_write(d, COMMON(Q_SELECT), 2, 1);
	for (i = 0; i < 3; i++) {
		reg_write(d, at[i], 4, 0x12345000 + i * 16);
		reg_write(d, at[i] + 4, 4, 0x789 + i);
		EXPECT_EQ(0x78912345000ULL + (uint64_t)i * 0x100000010ULL,
			  reg_read(d, at[i], 8));
		EXPECT_EQ(0, reg_write(d, at[i], 8, 0xabcdef0000ULL));
		EXPECT_EQ(0xcdef0000, reg_read(d, at[i], 4));
		EXPECT_EQ(0xab, reg_read(d, at[i] + 4, 4));
	}
	/* The other queue has its own. */
	reg_write(d, COMMON(Q_SELECT), 2, 0);
	EXPECT_EQ(0, reg_read(d, COMMON(Q_DESCLO), 8));
}

TEST_F(window, read_only_fields)
{
	static const struct { unsigned int at, size; } ro[] = {
		{ COMMON(DF), 4 }, { COMMON(NUMQ), 2 }, { COMMON(CFGGENERATION), 1 },
		{ COMMON(Q_NOFF), 2 }, { COMMON(Q_NDATA), 2 }, { CONFIG(capacity), 8 },
		{ CONFIG(seg_max), 4 }, { CONFIG(blk_size), 4 }, { CONFIG(num_queues), 2 },
		{ CONFIG(max_discard_sectors), 4 },
	};
	struct device *d = &self->d;
	uint64_t before;
	unsigned int i;

	reg_write(d, COMMON(Q_SELECT), 2, 1);
	for (i = 0; i < sizeof(ro) / sizeof(ro[0]); i++) {
		before = reg_read(d, ro[i].at, ro[i].size);
		reg_write(d, ro[i].at, ro[i].size, ~before);
		EXPECT_EQ(before, reg_read(d, ro[i].at, ro[i].size)) {
			TH_LOG("register %#x was written", ro[i].at);
		}
	}
}

TEST_F(window, bad_access)
{
	static const struct { unsigned int at, size; } bad[] = {
		{ 0, 3 }, { 0, 5 }, { 0, 6 }, { 0, 7 }, { 0, 16 },
		{ 1, 2 }, { 1, 4 }, { 2, 4 }, { 3, 8 }, { 4, 8 },
		{ KVLANE_WINDOW_CONFIG + 2, 4 }, { KVLANE_WINDOW_NOTIFY + 1, 2 },
		{ KVLANE_WINDOW_SIZE - 1, 2 },
	};
	uint64_t value[2] = {};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		EXPECT_EQ(-1, pread(self->d.fd, value, bad[i].size, bad[i].at)) {
			TH_LOG("read of %u at %#x", bad[i].size, bad[i].at);
		}
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(-1, pwrite(self->d.fd, value, bad[i].size, bad[i].at)) {
			TH_LOG("write of %u at %#x", bad[i].size, bad[i].at);
		}
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(window, past_the_window)
{
	static const uint64_t past[] = { KVLANE_WINDOW_SIZE, 1ULL << 32, INT64_MAX - 7 };
	uint32_t value = 0;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		errno = 0;
		EXPECT_EQ(-1, pwrite(self->d.fd, &value, 1, past[i]));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(-1, pread(self->d.fd, &value, 1, past[i]));
		EXPECT_EQ(EINVAL, errno);
	}
}

/* Nothing a driver can do to a register may upset the host or the next reset. */
TEST_F(window, every_offset)
{
	struct device *d = &self->d;
	unsigned int at, size, page;

	for (page = 0; page < KVLANE_WINDOW_SIZE; page += 0x1000)
		for (at = page; at < page + 0x100; at++)
			for (size = 1; size <= 8; size *= 2) {
				reg_read(d, at, size);
				reg_write(d, at, size, 0xfefefefefefefefeULL);
				reg_write(d, at, size, 0x0101010101010101ULL);
			}
	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	EXPECT_EQ(0, read_sector(d, &self->r, 1));
}

/* Section 2.5.1.1 of the device: another generation once what was read changes. */
TEST_F(window, config_generation)
{
	struct device *d = &self->d;
	int other = disk_memfd(2 * SECTORS * 512);
	uint8_t generation = reg_read(d, COMMON(CFGGENERATION), 1);

	EXPECT_EQ(SECTORS, reg_read(d, CONFIG(capacity), 8));
	EXPECT_EQ(generation, reg_read(d, COMMON(CFGGENERATION), 1));
	ASSERT_EQ(0, device_set_blk(d, other, 0, 0));
	EXPECT_NE(generation, reg_read(d, COMMON(CFGGENERATION), 1));
	EXPECT_EQ(2 * SECTORS, reg_read(d, CONFIG(capacity), 8));
	close(other);
}

TEST_F(window, reset)
{
	struct device *d = &self->d;
	struct kvlane_stats before, after;
	unsigned int i;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	ASSERT_EQ(0, read_sector(d, &self->r, 0));
	ASSERT_EQ(0, device_stats(d, &before, 0, NULL));
	EXPECT_EQ(0, reg_write(d, COMMON(STATUS), 1, 0));
	ASSERT_EQ(0, device_reset(d));
	EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, COMMON(MSIX), 2));
	for (i = 0; i < QUEUES; i++) {
		reg_write(d, COMMON(Q_SELECT), 2, i);
		EXPECT_EQ(0, reg_read(d, COMMON(Q_ENABLE), 2));
		EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, COMMON(Q_MSIX), 2));
		EXPECT_EQ(0, reg_read(d, COMMON(Q_DESCLO), 8));
	}
	ASSERT_EQ(0, device_stats(d, &after, 0, NULL));
	EXPECT_LT(before.resets, after.resets);
	EXPECT_EQ(0, after.features);
	EXPECT_EQ(0, after.status);
	/* Eventfds belong to the VMM and stay. */
	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	EXPECT_EQ(0, read_sector(d, &self->r, 1));
}

TEST_F(window, vectors)
{
	struct device *d = &self->d;
	unsigned int at[] = { COMMON(MSIX), COMMON(Q_MSIX) };
	unsigned int i;

	reg_write(d, COMMON(Q_SELECT), 2, 1);
	for (i = 0; i < 2; i++) {
		reg_write(d, at[i], 2, QUEUES);
		EXPECT_EQ(QUEUES, reg_read(d, at[i], 2));
		reg_write(d, at[i], 2, VIRTIO_MSI_NO_VECTOR);
		EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, at[i], 2));
		/* Section 4.1.5.1.2.2: a vector that cannot be had reads as none. */
		reg_write(d, at[i], 2, QUEUES + 1);
		EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, at[i], 2));
		reg_write(d, at[i], 2, 0);
		reg_write(d, at[i], 2, 0xfffe);
		EXPECT_EQ(VIRTIO_MSI_NO_VECTOR, reg_read(d, at[i], 2));
	}
}

/* Two queues may share a vector, also with the configuration. */
TEST_F(window, shared_vector)
{
	struct device *d = &self->d;
	struct blk_req *r = &self->r;

	ASSERT_EQ(0, device_start(d, FEATURES_PLAIN));
	reg_write(d, COMMON(Q_SELECT), 2, 1);
	reg_write(d, COMMON(Q_MSIX), 2, 1);
	ASSERT_EQ(1, reg_read(d, COMMON(Q_MSIX), 2));
	ASSERT_LE(0, blk_add(&d->vq[1], r, VIRTIO_BLK_T_IN, 0, 512));
	vq_kick(&d->vq[1]);
	EXPECT_LT(0, eventfd_wait(d->vq[0].call, WAIT_MS));
	EXPECT_EQ(1, blk_poll(&d->vq[1]));
	EXPECT_EQ(0, *r->status);
}

/* Without MSI-X: the ISR tells queue (1) and configuration (2), reading clears. */
TEST_F(window, interrupt_line)
{
	struct device *d = &self->d;
	struct vq *vq = &d->vq[0];

	ASSERT_EQ(0, device_tie(d, KVLANE_SET_VECTOR, KVLANE_VECTOR_LINE, d->config_call));
	ASSERT_EQ(0, device_start(d, FEATURES_PLAIN));
	reg_write(d, COMMON(MSIX), 2, VIRTIO_MSI_NO_VECTOR);
	reg_write(d, COMMON(Q_SELECT), 2, 0);
	reg_write(d, COMMON(Q_MSIX), 2, VIRTIO_MSI_NO_VECTOR);
	ASSERT_LE(0, blk_add(vq, &self->r, VIRTIO_BLK_T_IN, 0, 512));
	vq_kick(vq);
	EXPECT_LT(0, eventfd_wait(d->config_call, WAIT_MS));
	EXPECT_EQ(1, reg_read(d, KVLANE_WINDOW_ISR, 1));
	EXPECT_EQ(0, reg_read(d, KVLANE_WINDOW_ISR, 1));
	EXPECT_EQ(1, blk_poll(vq));
	EXPECT_EQ(0, eventfd_wait(vq->call, 0));
	/* A head past the end: a configuration change. */
	vq_add_raw(vq, 0xffff);
	vq_kick(vq);
	EXPECT_LT(0, eventfd_wait(d->config_call, WAIT_MS));
	EXPECT_EQ(2, reg_read(d, KVLANE_WINDOW_ISR, 1) & 2);
	EXPECT_EQ(0, reg_read(d, KVLANE_WINDOW_ISR, 1));
}

TEST_F(window, queue_reset)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	ASSERT_NE(0, d->features & BIT(VIRTIO_F_RING_RESET));
	ASSERT_EQ(0, read_sector(d, &self->r, 0));
	ASSERT_EQ(0, device_queue_reset(d, 0));
	EXPECT_EQ(0, reg_read(d, COMMON(Q_ENABLE), 2));
	EXPECT_EQ(0, read_sector(d, &self->r, 1));
	/* Elsewhere and smaller this time. */
	vq_move(&d->vq[0]);
	d->vq[0].size = QUEUE_SIZE / 2;
	ASSERT_EQ(0, device_setup_queue(d, 0));
	EXPECT_EQ(1, reg_read(d, COMMON(Q_ENABLE), 2));
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
	EXPECT_EQ(0, read_sector(d, &self->r, 1));
}

TEST_F(window, queue_reset_not_negotiated)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, FEATURES_PLAIN));
	reg_write(d, COMMON(Q_SELECT), 2, 0);
	reg_write(d, COMMON(Q_RESET), 2, 1);
	EXPECT_EQ(0, reg_read(d, COMMON(Q_RESET), 2));
	EXPECT_EQ(1, reg_read(d, COMMON(Q_ENABLE), 2));
	EXPECT_EQ(0, read_sector(d, &self->r, 0));
}

TEST_F(window, blk_config)
{
	struct device *d = &self->d;
	uint64_t offered = device_offered(d);

	EXPECT_EQ(SECTORS, reg_read(d, CONFIG(capacity), 8));
	EXPECT_EQ(SECTORS, reg_read(d, CONFIG(capacity), 4));
	EXPECT_EQ(512, reg_read(d, CONFIG(blk_size), 4));
	EXPECT_EQ(QUEUES, reg_read(d, CONFIG(num_queues), 2));
	EXPECT_LT(0, reg_read(d, CONFIG(max_discard_sectors), 4));
	EXPECT_LT(0, reg_read(d, CONFIG(max_discard_seg), 4));
	EXPECT_LT(0, reg_read(d, CONFIG(max_write_zeroes_sectors), 4));
	EXPECT_LT(0, reg_read(d, CONFIG(max_write_zeroes_seg), 4));
	EXPECT_GE(1, reg_read(d, CONFIG(write_zeroes_may_unmap), 1));
	EXPECT_EQ(0, reg_read(d, CONFIG(unused), 1));
	if (offered & BIT(VIRTIO_BLK_F_SEG_MAX)) {
		EXPECT_LT(0, reg_read(d, CONFIG(seg_max), 4));
	}
	/* Past the structure: zeroes. */
	EXPECT_EQ(0, reg_read(d, KVLANE_WINDOW_CONFIG + 0xff8, 8));
}

TEST_F(window, blk_wce)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, FEATURES_ALL));
	EXPECT_EQ(1, reg_read(d, CONFIG(wce), 1));
	EXPECT_EQ(0, reg_write(d, CONFIG(wce), 1, 0));
	EXPECT_EQ(0, reg_read(d, CONFIG(wce), 1));
	EXPECT_EQ(0, reg_write(d, CONFIG(wce), 1, 1));
	EXPECT_EQ(1, reg_read(d, CONFIG(wce), 1));
}

/* Section 5.2.5.2: CONFIG_WCE without FLUSH begins with writethrough. */
TEST_F(window, blk_wce_without_flush)
{
	struct device *d = &self->d;

	ASSERT_EQ(0, device_start(d, BIT(VIRTIO_BLK_F_CONFIG_WCE)));
	EXPECT_EQ(0, reg_read(d, CONFIG(wce), 1));
}

TEST_F(window, blk_wce_not_negotiated)
{
	struct device *d = &self->d;
	uint64_t before;

	ASSERT_EQ(0, device_start(d, BIT(VIRTIO_BLK_F_FLUSH)));
	before = reg_read(d, CONFIG(wce), 1);
	reg_write(d, CONFIG(wce), 1, !before);
	EXPECT_EQ(before, reg_read(d, CONFIG(wce), 1));
}

TEST_F(window, rng)
{
	struct device d;

	ASSERT_EQ(0, device_open(&d, &self->g, VIRTIO_ID_RNG, 1, QUEUE_SIZE));
	ASSERT_EQ(0, device_set_rng(&d, -1, 0, 0));
	EXPECT_EQ(1, reg_read(&d, COMMON(NUMQ), 2));
	EXPECT_NE(0, device_offered(&d) & BIT(VIRTIO_F_VERSION_1));
	/* No bits of the device's own: the low 24 are empty. */
	EXPECT_EQ(0, device_offered(&d) & 0xffffff);
	/* An empty configuration. */
	EXPECT_EQ(0, reg_read(&d, KVLANE_WINDOW_CONFIG, 8));
	EXPECT_EQ(0, reg_write(&d, KVLANE_WINDOW_CONFIG, 8, UINT64_MAX));
	device_close(&d);
}

TEST_F(window, exits_are_counted)
{
	struct kvlane_stats before, after;

	ASSERT_EQ(0, device_stats(&self->d, &before, 0, NULL));
	device_status(&self->d);
	device_status(&self->d);
	reg_write(&self->d, COMMON(Q_SELECT), 2, 0);
	ASSERT_EQ(0, device_stats(&self->d, &after, 0, NULL));
	EXPECT_EQ(3, after.exits - before.exits);
}

TEST_HARNESS_MAIN
