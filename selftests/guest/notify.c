// SPDX-License-Identifier: GPL-2.0-only
/* Which way the driver notifies devices: the one that "kvlane.notify" names. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

static bool says(const char *path, const char *text)
{
	char line[512];
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, text);
	if (f)
		fclose(f);
	return found;
}

/* Linux claims no more of a device than it uses. */
TEST(way)
{
	bool port = says("/proc/ioports", "virtio-pci-modern");

	ASSERT_TRUE(says("/proc/cmdline", "kvlane.notify="));
	EXPECT_EQ(says("/proc/cmdline", "kvlane.notify=port"), port);
}

TEST(disk_answers)
{
	char sector[512];
	int fd = open("/dev/vda", O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(sizeof(sector), pread(fd, sector, sizeof(sector), 0));
	close(fd);
}

TEST_HARNESS_MAIN
