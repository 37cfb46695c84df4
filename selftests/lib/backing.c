// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#define NULLB	"/sys/kernel/config/nullb"

static bool is_direct(enum backing_kind kind)
{
	return kind == BACKING_EXT4_DIRECT || kind == BACKING_LOOP_DIRECT ||
	       kind == BACKING_NULLB_DIRECT;
}

static int open_both(struct backing *b, int flags)
{
	if (is_direct(b->kind))
		flags |= O_DIRECT;
	b->fd = open(b->path, O_RDWR | O_CLOEXEC | flags, 0600);
	b->look = open(b->path, O_RDWR | O_CLOEXEC);
	return b->fd < 0 || b->look < 0 ? -errno : 0;
}

static int open_memfd(struct backing *b, uint64_t bytes)
{
	b->fd = disk_memfd(bytes);
	if (b->fd < 0)
		return b->fd;
	b->look = fcntl(b->fd, F_DUPFD_CLOEXEC, 3);
	return b->look < 0 ? -errno : 0;
}

static int open_loop(struct backing *b, uint64_t bytes)
{
	int err = loop_open(&b->loop, bytes, 0);

	if (err)
		return err;
	strcpy(b->path, b->loop.path);
	return open_both(b, 0);
}

static int open_ext4(struct backing *b, uint64_t bytes)
{
	int err = fs_ext4(&b->fs, bytes + (8 << 20));

	if (err)
		return err;
	snprintf(b->path, sizeof(b->path), "%s/disk", b->fs.dir);
	err = open_both(b, O_CREAT);
	return err ? err : ftruncate(b->fd, bytes) ? -errno : 0;
}

static int set_nullb(int number, const char *name, uint64_t value)
{
	char path[96], text[24];
	int fd, n, err = 0;

	snprintf(path, sizeof(path), NULLB "/kvlane%d/%s", number, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (write(fd, text, n) != n)
		err = -errno;
	close(fd);
	return err;
}

static int nullb_node(struct backing *b)
{
	char path[96];
	int index = -1;
	FILE *f;

	snprintf(path, sizeof(path), NULLB "/kvlane%d/index", b->nullb);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%d", &index) != 1)
		index = -1;
	fclose(f);
	/* The node has the folder's name on newer kernels. */
	snprintf(b->path, sizeof(b->path), "/dev/kvlane%d", b->nullb);
	if (access(b->path, F_OK))
		snprintf(b->path, sizeof(b->path), "/dev/nullb%d", index);
	return 0;
}

static int open_nullb(struct backing *b, uint64_t bytes)
{
	char path[64];
	int err;

	if (module_refs("null_blk") < 0 && run("modprobe -q null_blk nr_devices=0"))
		return -ENOENT;
	if (access(NULLB, F_OK))
		mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	b->nullb = getpid();
	snprintf(path, sizeof(path), NULLB "/kvlane%d", b->nullb);
	if (mkdir(path, 0700)) {
		b->nullb = 0;
		return -errno;
	}
	err = set_nullb(b->nullb, "size", bytes >> 20);
	if (!err)
		err = set_nullb(b->nullb, "memory_backed", 1);
	if (!err)
		err = set_nullb(b->nullb, "discard", 1);
	if (!err)
		err = set_nullb(b->nullb, "power", 1);
	if (!err)
		err = nullb_node(b);
	return err ? err : open_both(b, 0);
}

static int open_kind(struct backing *b, uint64_t bytes)
{
	switch (b->kind) {
	case BACKING_MEMFD:
		return open_memfd(b, bytes);
	case BACKING_EXT4:
	case BACKING_EXT4_DIRECT:
		return open_ext4(b, bytes);
	case BACKING_LOOP:
	case BACKING_LOOP_DIRECT:
		return open_loop(b, bytes);
	default:
		return open_nullb(b, bytes);
	}
}

int backing_open(struct backing *b, enum backing_kind kind, uint64_t bytes)
{
	int err;

	*b = (struct backing){ .kind = kind };
	err = open_kind(b, bytes);
	if (err)
		backing_close(b);
	return err;
}

int backing_fill(struct backing *b, uint64_t bytes)
{
	static const uint8_t zeroes[1 << 20];
	uint64_t at;

	for (at = 0; at < bytes; at += sizeof(zeroes))
		if (pwrite(b->look, zeroes, sizeof(zeroes), at) != sizeof(zeroes))
			return -errno;
	return fsync(b->look) ? -errno : 0;
}

void backing_close(struct backing *b)
{
	char path[64];

	if (b->fd > 0)
		close(b->fd);
	if (b->look > 0)
		close(b->look);
	b->fd = -1;
	b->look = -1;
	fs_close(&b->fs);
	loop_close(&b->loop);
	if (b->nullb) {
		set_nullb(b->nullb, "power", 0);
		snprintf(path, sizeof(path), NULLB "/kvlane%d", b->nullb);
		rmdir(path);
	}
	b->nullb = 0;
}

int backing_look(struct backing *b, void *buf, size_t size, uint64_t offset)
{
	ssize_t n;

	/* What a direct writer changed must not be hidden by older pages. */
	posix_fadvise(b->look, 0, 0, POSIX_FADV_DONTNEED);
	n = pread(b->look, buf, size, offset);
	return n < 0 ? -errno : n == (ssize_t)size ? 0 : -EIO;
}
