// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers of a virtio device that Debian's drivers leave alone: the interrupt line, driven
 * here by hand, and what is at the edges. The guest's kernel lets memory of devices be
 * mapped that have a driver (iomem=relaxed).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kvlane.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define DRIVER		"/sys/bus/pci/drivers/virtio-pci"
#define ECAM		0xe0000000
#define MSIX_PENDING	(KVLANE_WINDOW_SIZE + 0x1000)
#define BAR_SIZE	(KVLANE_WINDOW_SIZE + 0x4000)
#define PAGE		4096
#define WAIT_US		10000000
#define STEP_US		10000

/* An entropy device without its driver, and a page for its queue. */
FIXTURE(line) {
	char address[16];
	volatile uint8_t *regs;
	volatile uint8_t *page;
	uint64_t gpa;
	int config;
};

static volatile uint8_t *map_file(const char *path, size_t size, off_t offset)
{
	int fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));

	close(fd);
	return n < 0 ? -errno : 0;
}

/* The address of the first PCI device with this number. */
static int find_device(const char *device, char *address)
{
	char text[16] = "";
	glob_t found;
	size_t i;
	int fd;

	glob("/sys/bus/pci/devices/*/device", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc && strncmp(text, device, 6); i++) {
		fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		if (read(fd, text, sizeof(text) - 1) < 6)
			text[0] = 0;
		close(fd);
		sscanf(found.gl_pathv[i], "/sys/bus/pci/devices/%12s", address);
	}
	globfree(&found);
	return strncmp(text, device, 6) ? -ENOENT : 0;
}

static uint64_t gpa_of(volatile void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, 8, (uintptr_t)at / PAGE * 8) != 8)
		entry = 0;
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

#define AT(field) (KVLANE_WINDOW_COMMON + offsetof(struct virtio_pci_common_cfg, field))

static void put(struct _test_data_line *self, unsigned int at, unsigned int size,
		uint32_t value)
{
	volatile uint8_t *reg = self->regs + at;

	if (size == 1)
		*reg = value;
	else if (size == 2)
		*(volatile uint16_t *)reg = value;
	else
		*(volatile uint32_t *)reg = value;
}

static void put_address(struct _test_data_line *self, unsigned int at, uint64_t address)
{
	put(self, at, 4, address);
	put(self, at + 4, 4, address >> 32);
}

/* Where the page has the parts of the queue. */
enum { DESC = 0, AVAIL = 0x200, USED = 0x400, DATA = 0x800 };
#define QUEUE_SIZE 8

static void start_device(struct _test_data_line *self)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	put(self, AT(device_status), 1, 0);
	put(self, AT(device_status), 1, status);
	put(self, AT(guest_feature_select), 4, 1);
	put(self, AT(guest_feature), 4, 1U << (VIRTIO_F_VERSION_1 - 32));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	put(self, AT(device_status), 1, status);
	put(self, AT(queue_select), 2, 0);
	put(self, AT(queue_size), 2, QUEUE_SIZE);
	put_address(self, AT(queue_desc_lo), self->gpa + DESC);
	put_address(self, AT(queue_avail_lo), self->gpa + AVAIL);
	put_address(self, AT(queue_used_lo), self->gpa + USED);
	put(self, AT(queue_enable), 2, 1);
	put(self, AT(device_status), 1, status | VIRTIO_CONFIG_S_DRIVER_OK);
}

FIXTURE_SETUP(line)
{
	char path[64];

	ASSERT_EQ(0, find_device("0x1044", self->address));
	ASSERT_EQ(0, write_text(DRIVER "/unbind", self->address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", self->address);
	self->config = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->config);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", self->address);
	self->regs = map_file(path, BAR_SIZE, 0);
	ASSERT_NE(NULL, self->regs);
	self->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
	self->page[0] = 0;
	self->gpa = gpa_of(self->page);
	ASSERT_NE(0, self->gpa);
}

FIXTURE_TEARDOWN(line)
{
	if (self->regs)
		put(self, AT(device_status), 1, 0);
	close(self->config);
	EXPECT_EQ(0, write_text(DRIVER "/bind", self->address));
}

static void set_command(struct _test_data_line *self, uint16_t more)
{
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | more;

	if (pwrite(self->config, &command, 2, PCI_COMMAND) != 2)
		perror("configuration space");
}

static bool is_wanted(struct _test_data_line *self)
{
	uint16_t status = 0;

	return pread(self->config, &status, 2, PCI_STATUS) == 2 && status & PCI_STATUS_INTERRUPT;
}

/* The device has the line a moment after it has answered. */
static bool becomes_wanted(struct _test_data_line *self)
{
	unsigned int us;

	for (us = 0; us < WAIT_US && !is_wanted(self); us += STEP_US)
		usleep(STEP_US);
	return is_wanted(self);
}

static uint8_t read_isr(struct _test_data_line *self)
{
	return self->regs[KVLANE_WINDOW_ISR];
}

/* Asks for random bytes, and waits until they are there. */
static bool ask(struct _test_data_line *self)
{
	volatile struct vring_desc *desc = (void *)(self->page + DESC);
	volatile struct vring_avail *avail = (void *)(self->page + AVAIL);
	volatile struct vring_used *used = (void *)(self->page + USED);
	uint16_t next = avail->idx + 1;
	unsigned int us;

	desc->addr = self->gpa + DATA;
	desc->len = 16;
	desc->flags = VRING_DESC_F_WRITE;
	avail->ring[avail->idx % QUEUE_SIZE] = 0;
	__sync_synchronize();
	avail->idx = next;
	__sync_synchronize();
	*(volatile uint16_t *)(self->regs + KVLANE_WINDOW_NOTIFY) = 0;
	for (us = 0; us < WAIT_US && used->idx != next; us += STEP_US)
		usleep(STEP_US);
	return used->idx == next;
}

/* PCI 3.0, 6.2.2 and 6.2.3: what is switched off is the line, not that it is wanted. */
TEST_F(line, switched_off)
{
	set_command(self, PCI_COMMAND_INTX_DISABLE);
	start_device(self);
	EXPECT_FALSE(is_wanted(self));
	ASSERT_TRUE(ask(self));
	EXPECT_TRUE(becomes_wanted(self));
	set_command(self, 0);
	EXPECT_TRUE(is_wanted(self));
	EXPECT_EQ(1, read_isr(self));
	EXPECT_FALSE(is_wanted(self));
	EXPECT_EQ(0, read_isr(self));
	ASSERT_TRUE(ask(self));
	EXPECT_TRUE(becomes_wanted(self));
}

TEST_F(line, reset)
{
	set_command(self, 0);
	start_device(self);
	ASSERT_TRUE(ask(self));
	ASSERT_TRUE(becomes_wanted(self));
	put(self, AT(device_status), 1, 0);
	EXPECT_FALSE(is_wanted(self));
	EXPECT_EQ(0, read_isr(self));
}

/* Of devices that have a driver and messages of which most are masked. */
TEST(pending_bits)
{
	glob_t found;
	size_t i;

	ASSERT_EQ(0, glob(DRIVER "/0000:*/resource0", 0, NULL, &found));
	for (i = 0; i < found.gl_pathc; i++) {
		volatile uint8_t *regs = map_file(found.gl_pathv[i], BAR_SIZE, 0);

		ASSERT_NE(NULL, regs);
		EXPECT_EQ(0, *(volatile uint32_t *)(regs + MSIX_PENDING));
		EXPECT_EQ(0, *(volatile uint64_t *)(regs + MSIX_PENDING));
		munmap((void *)regs, BAR_SIZE);
	}
	globfree(&found);
}

TEST(configuration_ends)
{
	unsigned int slot;
	char address[16];
	volatile uint8_t *config;

	ASSERT_EQ(0, find_device("0x1044", address));
	ASSERT_EQ(1, sscanf(address, "0000:00:%x.", &slot));
	config = map_file("/dev/mem", PAGE, ECAM + slot * 8 * PAGE);
	ASSERT_NE(NULL, config);
	EXPECT_EQ(0x1044, *(volatile uint16_t *)(config + PCI_DEVICE_ID));
	EXPECT_EQ(UINT32_MAX, *(volatile uint32_t *)(config + 0xfd));
	EXPECT_EQ(UINT64_MAX, *(volatile uint64_t *)(config + 0xfc));
	EXPECT_EQ(UINT32_MAX, *(volatile uint32_t *)(config + 0x100));
}

TEST_HARNESS_MAIN
