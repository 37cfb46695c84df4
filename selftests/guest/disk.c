// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks as a guest sees them, through Debian's own driver.  The script that boots
 * the guest gives it: "kvlane-rw", 4 queues, 64 MiB of zeroes; "kvlane-ro", read
 * only, 1 MiB, where each 32-bit word holds its number; "kvlane-4k", a block device
 * with blocks of 4096 bytes and direct I/O.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

#include "kselftest_harness.h"

#define THREADS		4
#define REGION		(1 << 20)
#define CHUNK		65536
#define TIMEOUT		180

static int read_text(char *buf, size_t size, const char *fmt, const char *disk)
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), fmt, disk);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return n < 0 ? -EIO : 0;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : 0;
}

/* The disk of a serial, such as "vda". */
static int find_disk(char *name, const char *serial)
{
	char seen[64];
	struct dirent *e;
	DIR *d = opendir("/sys/block");
	int err = -ENOENT;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "vd", 2) ||
		    read_text(seen, sizeof(seen), "/sys/block/%s/serial", e->d_name))
			continue;
		if (!strcmp(seen, serial)) {
			snprintf(name, 16, "%s", e->d_name);
			err = 0;
		}
	}
	if (d)
		closedir(d);
	return err;
}

static int open_disk(const char *serial, int flags)
{
	char name[16], path[32];
	int err = find_disk(name, serial);
	int fd;

	if (err)
		return err;
	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static uint32_t word(size_t i, uint32_t seed)
{
	return (uint32_t)(i + 1) * 2654435761u ^ seed;
}

static void fill(uint32_t *buf, size_t size, uint32_t seed)
{
	size_t i;

	for (i = 0; i < size / 4; i++)
		buf[i] = word(i, seed);
}

static bool matches(const uint32_t *buf, size_t size, uint32_t seed)
{
	size_t i;

	for (i = 0; i < size / 4; i++)
		if (buf[i] != word(i, seed))
			return false;
	return true;
}

static bool all_zero(const char *buf, size_t size)
{
	return !buf[0] && !memcmp(buf, buf + 1, size - 1);
}

/* The virtio device under a disk, such as "virtio0". */
static int virtio_name(const char *disk, char *name)
{
	char path[64], link[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/block/%s/device", disk);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = 0;
	snprintf(name, 32, "%s", strrchr(link, '/') + 1);
	return 0;
}

FIXTURE(disk) {
	char name[16];
	char *buf;
	int fd;
};

FIXTURE_SETUP(disk)
{
	ASSERT_EQ(0, find_disk(self->name, "kvlane-rw"));
	self->fd = open_disk("kvlane-rw", O_RDWR | O_DIRECT);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, posix_memalign((void **)&self->buf, 4096, REGION));
}

FIXTURE_TEARDOWN(disk)
{
	close(self->fd);
	free(self->buf);
}

TEST_F(disk, geometry)
{
	uint64_t bytes = 0;
	int block = 0;

	ASSERT_EQ(0, ioctl(self->fd, BLKGETSIZE64, &bytes));
	EXPECT_EQ(64 << 20, bytes);
	ASSERT_EQ(0, ioctl(self->fd, BLKSSZGET, &block));
	EXPECT_EQ(512, block);
}

/* A character for each feature bit; 34 is VIRTIO_F_RING_PACKED. */
TEST_F(disk, rings_are_packed)
{
	char device[32], features[80];

	ASSERT_EQ(0, virtio_name(self->name, device));
	ASSERT_EQ(0, read_text(features, sizeof(features),
			       "/sys/bus/virtio/devices/%s/features", device));
	ASSERT_LE(35, strlen(features));
	EXPECT_EQ('1', features[34]);
}

TEST_F(disk, queues)
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/block/%s/mq", self->name);
	d = opendir(path);
	ASSERT_NE(NULL, d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	EXPECT_EQ(4, n);
}

/* Was the kernel told to do without messages? */
static bool nomsi(void)
{
	char line[1024] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, line, sizeof(line) - 1);

	close(fd);
	return n > 0 && strstr(line, "pci=nomsi");
}

TEST_F(disk, interrupts_are_messages)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/interrupts", "r");

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, "PCI-MSI") && strstr(line, "-req.");
	fclose(f);
	EXPECT_EQ(!nomsi(), found);
}

struct worker {
	int fd;
	unsigned int number;
	const char *failed;
	pthread_t thread;
};

/* A region of its own, in chunks, written first and read last. */
static void *write_and_read(void *arg)
{
	struct worker *w = arg;
	off_t at = (off_t)w->number * REGION;
	cpu_set_t cpu;
	char *buf = NULL;
	int i;

	/* Each on a processor of its own, hence on a queue of its own. */
	CPU_ZERO(&cpu);
	CPU_SET(w->number, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	if (posix_memalign((void **)&buf, 4096, CHUNK))
		w->failed = "memory";
	for (i = 0; i < REGION / CHUNK && !w->failed; i++) {
		fill((uint32_t *)buf, CHUNK, w->number * 100 + i);
		if (pwrite(w->fd, buf, CHUNK, at + i * CHUNK) != CHUNK)
			w->failed = "write";
	}
	for (i = 0; i < REGION / CHUNK && !w->failed; i++) {
		if (pread(w->fd, buf, CHUNK, at + i * CHUNK) != CHUNK)
			w->failed = "read";
		else if (!matches((uint32_t *)buf, CHUNK, w->number * 100 + i))
			w->failed = "data";
	}
	free(buf);
	return NULL;
}

TEST_F_TIMEOUT(disk, integrity, TIMEOUT)
{
	struct worker w[THREADS] = {};
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		w[i].fd = self->fd;
		w[i].number = i;
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, write_and_read, &w[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(NULL, w[i].failed) {
			TH_LOG("thread %u: %s", i, w[i].failed);
		}
	}
}

TEST_F_TIMEOUT(disk, flush, TIMEOUT)
{
	int fd = open_disk("kvlane-rw", O_RDWR);
	off_t at = 8 << 20;

	ASSERT_LE(0, fd);
	fill((uint32_t *)self->buf, REGION, 4711);
	ASSERT_EQ(REGION, pwrite(fd, self->buf, REGION, at));
	ASSERT_EQ(0, fsync(fd));
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	memset(self->buf, 0, REGION);
	ASSERT_EQ(REGION, pread(self->fd, self->buf, REGION, at));
	EXPECT_TRUE(matches((uint32_t *)self->buf, REGION, 4711));
}

TEST_F_TIMEOUT(disk, discard, TIMEOUT)
{
	uint64_t range[2] = { (16 << 20) + 65536, 131072 };

	fill((uint32_t *)self->buf, REGION, 1);
	ASSERT_EQ(REGION, pwrite(self->fd, self->buf, REGION, 16 << 20));
	ASSERT_EQ(0, ioctl(self->fd, BLKDISCARD, range));
	ASSERT_EQ(REGION, pread(self->fd, self->buf, REGION, 16 << 20));
	EXPECT_TRUE(all_zero(self->buf + 65536, 131072));
	EXPECT_FALSE(all_zero(self->buf, 65536));
	EXPECT_FALSE(all_zero(self->buf + 65536 + 131072, 65536));
}

TEST_F_TIMEOUT(disk, zeroout, TIMEOUT)
{
	uint64_t range[2] = { (24 << 20) + 512, 3 * 512 };

	fill((uint32_t *)self->buf, 65536, 2);
	ASSERT_EQ(65536, pwrite(self->fd, self->buf, 65536, 24 << 20));
	ASSERT_EQ(0, ioctl(self->fd, BLKZEROOUT, range));
	ASSERT_EQ(65536, pread(self->fd, self->buf, 65536, 24 << 20));
	EXPECT_TRUE(all_zero(self->buf + 512, 3 * 512));
	EXPECT_FALSE(all_zero(self->buf, 512));
	EXPECT_FALSE(all_zero(self->buf + 4 * 512, 512));
}

TEST_F(disk, cache_mode)
{
	static const char *const mode[] = { "write through", "write back" };
	char path[64], seen[32];
	int i;

	snprintf(path, sizeof(path), "/sys/block/%s/cache_type", self->name);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, write_text(path, mode[i % 2]));
		ASSERT_EQ(0, read_text(seen, sizeof(seen), "/sys/block/%s/cache_type",
				       self->name));
		EXPECT_STREQ(mode[i % 2], seen);
		fill((uint32_t *)self->buf, 4096, i);
		EXPECT_EQ(4096, pwrite(self->fd, self->buf, 4096, 32 << 20));
	}
}

TEST_F(disk, past_the_end)
{
	EXPECT_EQ(0, pread(self->fd, self->buf, 4096, 64 << 20));
	EXPECT_EQ(-1, pwrite(self->fd, self->buf, 4096, 64 << 20));
	EXPECT_EQ(ENOSPC, errno);
}

/* Reads until the disk goes away. */
static void *read_until_gone(void *arg)
{
	char *buf;
	int fd = open_disk("kvlane-rw", O_RDONLY | O_DIRECT);
	off_t at;

	if (posix_memalign((void **)&buf, 4096, CHUNK))
		return NULL;
	for (at = 0; pread(fd, buf, CHUNK, at) == CHUNK; at = (at + CHUNK) % (8 * REGION))
		;
	close(fd);
	free(buf);
	return NULL;
}

/* The driver lets go of the device and takes it again, with reads under way. */
TEST_F_TIMEOUT(disk, hot_reset, TIMEOUT)
{
	pthread_t reader[2];
	char name[32];
	int i, round;

	ASSERT_EQ(0, virtio_name(self->name, name));
	fill((uint32_t *)self->buf, REGION, 99);
	ASSERT_EQ(REGION, pwrite(self->fd, self->buf, REGION, 40 << 20));
	close(self->fd);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, pthread_create(&reader[i], NULL, read_until_gone, NULL));
		usleep(50000);
		ASSERT_EQ(0, write_text("/sys/bus/virtio/drivers/virtio_blk/unbind", name));
		for (i = 0; i < 2; i++)
			pthread_join(reader[i], NULL);
		EXPECT_EQ(-ENOENT, find_disk(self->name, "kvlane-rw"));
		ASSERT_EQ(0, write_text("/sys/bus/virtio/drivers/virtio_blk/bind", name));
		self->fd = open_disk("kvlane-rw", O_RDWR | O_DIRECT);
		ASSERT_LE(0, self->fd);
		memset(self->buf, 0, REGION);
		ASSERT_EQ(REGION, pread(self->fd, self->buf, REGION, 40 << 20));
		EXPECT_TRUE(matches((uint32_t *)self->buf, REGION, 99));
		if (round < 2)
			close(self->fd);
	}
}

TEST(read_only)
{
	static uint32_t buf[REGION / 4];
	int fd = open_disk("kvlane-ro", O_RDONLY);
	int ro = 0;
	uint32_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, BLKROGET, &ro));
	EXPECT_EQ(1, ro);
	ASSERT_EQ(REGION, read(fd, buf, REGION));
	for (i = 0; i < REGION / 4; i++)
		ASSERT_EQ(i, buf[i]);
	close(fd);
	fd = open_disk("kvlane-ro", O_RDWR);
	if (fd >= 0) {
		EXPECT_EQ(-1, pwrite(fd, buf, 4096, 0) == 4096 ? fsync(fd) : -1);
		close(fd);
	}
}

TEST(large_blocks)
{
	int block = 0, fd = open_disk("kvlane-4k", O_RDWR | O_DIRECT);
	char *buf;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, BLKSSZGET, &block));
	EXPECT_EQ(4096, block);
	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, CHUNK));
	fill((uint32_t *)buf, CHUNK, 5);
	ASSERT_EQ(CHUNK, pwrite(fd, buf, CHUNK, 4096));
	memset(buf, 0, CHUNK);
	ASSERT_EQ(CHUNK, pread(fd, buf, CHUNK, 4096));
	EXPECT_TRUE(matches((uint32_t *)buf, CHUNK, 5));
	EXPECT_EQ(-1, pread(fd, buf, 512, 512));
	close(fd);
	free(buf);
}

TEST_HARNESS_MAIN
