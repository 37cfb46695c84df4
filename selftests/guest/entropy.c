// SPDX-License-Identifier: GPL-2.0-only
/* The entropy device as a guest sees it, through Debian's own driver. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define TIMEOUT		120

static int current(char *name, size_t size)
{
	int fd = open("/sys/class/misc/hw_random/rng_current", O_RDONLY);
	ssize_t n = read(fd, name, size - 1);

	close(fd);
	name[n > 0 ? n : 0] = 0;
	return n > 0 ? 0 : -1;
}

static int read_all(uint8_t *buf, size_t size)
{
	int fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	while (fd >= 0 && got < size) {
		n = read(fd, buf + got, size - got);
		if (n <= 0)
			break;
		got += n;
	}
	close(fd);
	return got == size ? 0 : -1;
}

TEST(is_virtio)
{
	char name[64];

	ASSERT_EQ(0, current(name, sizeof(name)));
	EXPECT_EQ(0, strncmp(name, "virtio_rng", 10));
}

/* Bits set in random bytes are half of all, within eight standard deviations. */
TEST(looks_random)
{
	uint8_t buf[1024], again[1024];
	int64_t set = 0, bits = sizeof(buf) * 8, off;
	unsigned int i;

	ASSERT_EQ(0, read_all(buf, sizeof(buf)));
	ASSERT_EQ(0, read_all(again, sizeof(again)));
	EXPECT_NE(0, memcmp(buf, again, sizeof(buf)));
	for (i = 0; i < sizeof(buf); i++)
		set += __builtin_popcount(buf[i]);
	off = 2 * set - bits;
	EXPECT_GE(64 * bits, off * off);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = write(fd, text, strlen(text));

	close(fd);
	return n < 0 ? -errno : 0;
}

/* The virtio device the driver is bound to, such as "virtio3". */
static int device_name(char *name, size_t size)
{
	DIR *d = opendir("/sys/bus/virtio/drivers/virtio_rng");
	struct dirent *e;
	int err = -ENOENT;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, "virtio", 6)) {
			snprintf(name, size, "%s", e->d_name);
			err = 0;
		}
	if (d)
		closedir(d);
	return err;
}

FIXTURE(driver) {
	char name[64];
};

FIXTURE_SETUP(driver)
{
	ASSERT_EQ(0, device_name(self->name, sizeof(self->name)));
}

FIXTURE_TEARDOWN(driver)
{
}

/* The driver lets go of the device and takes it again. */
TEST_F_TIMEOUT(driver, rebind, TIMEOUT)
{
	uint8_t buf[64];
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, read_all(buf, sizeof(buf)));
		ASSERT_EQ(0, write_text("/sys/bus/virtio/drivers/virtio_rng/unbind",
					self->name));
		ASSERT_EQ(0, write_text("/sys/bus/virtio/drivers/virtio_rng/bind",
					self->name));
	}
	EXPECT_EQ(0, read_all(buf, sizeof(buf)));
}

TEST_HARNESS_MAIN
