// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "host.h"

int disk_memfd(uint64_t bytes)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, bytes)) {
		close(fd);
		return -errno;
	}
	return fd;
}

int64_t disk_allocated(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : (int64_t)st.st_blocks * 512;
}

/* Another process may take the free number first: then the next one. */
static int configure(struct loop *l, int control, unsigned int block_size)
{
	struct loop_config config = { .fd = l->medium, .block_size = block_size };
	int number;

	for (;;) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return -errno;
		snprintf(l->path, sizeof(l->path), "/dev/loop%d", number);
		l->fd = open(l->path, O_RDWR | O_CLOEXEC);
		if (l->fd < 0)
			return -errno;
		if (!ioctl(l->fd, LOOP_CONFIGURE, &config))
			return 0;
		if (errno != EBUSY)
			return -errno;
		close(l->fd);
	}
}

static int attach(struct loop *l, unsigned int block_size)
{
	int control = open_or_load("/dev/loop-control", "loop");
	int err = control < 0 ? control : configure(l, control, block_size);

	if (control >= 0)
		close(control);
	if (err)
		loop_close(l);
	return err;
}

int loop_over(struct loop *l, int medium)
{
	*l = (struct loop){ .fd = -1, .medium = medium };
	return attach(l, 0);
}

int loop_open(struct loop *l, uint64_t bytes, unsigned int block_size)
{
	*l = (struct loop){ .fd = -1 };
	l->medium = disk_memfd(bytes);
	if (l->medium < 0)
		return l->medium;
	return attach(l, block_size);
}

void loop_close(struct loop *l)
{
	if (l->fd > 0) {
		ioctl(l->fd, LOOP_CLR_FD);
		close(l->fd);
	}
	if (l->medium > 0)
		close(l->medium);
	l->fd = -1;
	l->medium = -1;
}

int64_t disk_flushes(const char *path)
{
	long long flushes;
	char name[64];
	FILE *f;
	int n;

	snprintf(name, sizeof(name), "/sys/block/%s/stat", strrchr(path, '/') + 1);
	f = fopen(name, "r");
	if (!f)
		return -errno;
	/* Field 16 of Documentation/block/stat.rst. */
	n = fscanf(f, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld",
		   &flushes);
	fclose(f);
	return n == 1 ? flushes : -EIO;
}

int64_t disk_attribute(const char *path, const char *name)
{
	char file[96];
	long long value;
	FILE *f;
	int n;

	snprintf(file, sizeof(file), "/sys/block/%s/queue/%s", strrchr(path, '/') + 1, name);
	f = fopen(file, "r");
	if (!f)
		return -errno;
	n = fscanf(f, "%lld", &value);
	fclose(f);
	return n == 1 ? value : -EIO;
}
