// SPDX-License-Identifier: GPL-2.0-only
/* Disks: a file or a block device, given to the module. */
#include "disk.h"
#include "file.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR 512
#define DEFAULT_QUEUES 4

static const char *open_mend(const struct disk_config *disk)
{
	switch (errno) {
	case ENOENT:
		return "give the path of an image or a block device";
	case EROFS:
		return "give it with ,ro";
	case EACCES:
	case EPERM:
		if (disk->read_only)
			return "give yourself permission to read it";
		return "give yourself permission to write it, or give it with ,ro";
	case EINVAL:
		return disk->direct ? "its file system cannot do direct I/O: leave ,direct away" :
				      "give an image or a block device";
	default:
		return "give an image or a block device";
	}
}

static uint64_t size_of(const struct disk_config *disk, int fd, const struct stat *st)
{
	uint64_t size = 0;

	if (S_ISREG(st->st_mode))
		return st->st_size;
	if (!S_ISBLK(st->st_mode))
		fail(STATUS_USAGE, "--disk %s: neither a file nor a block device; give one",
		     disk->path);
	if (ioctl(fd, BLKGETSIZE64, &size))
		fail(STATUS_USAGE, "--disk %s: does not tell its size: %s", disk->path,
		     strerror(errno));
	return size;
}

static void check_size(const struct disk_config *disk, uint64_t size)
{
	unsigned int unit = disk->block_size ? disk->block_size : SECTOR;

	if (!size)
		fail(STATUS_USAGE, "--disk %s: is empty; give an image, or make one: truncate -s 1G %s",
		     disk->path, disk->path);
	if (size % unit)
		fail(STATUS_USAGE,
		     "--disk %s: its size %llu is not a multiple of %u; round it up: truncate -s %%%u %s",
		     disk->path, (unsigned long long)size, unit, unit, disk->path);
}

/* Has the block device, or the one that it is a part of, queues for polling? */
static bool has_polling(const struct stat *st)
{
	static const char *const places[] = { "", "../" };
	char path[80], line[8];

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/io_poll",
			 major(st->st_rdev), minor(st->st_rdev), places[i]);
		if (file_line(path, line, sizeof(line)))
			return !strcmp(line, "1");
	}
	return false;
}

static void check_polling(const struct disk_config *disk, const struct stat *st)
{
	if (!disk->direct || !S_ISBLK(st->st_mode))
		fail(STATUS_USAGE, "--disk %s: iopoll is for block devices with ,direct; %s",
		     disk->path, S_ISBLK(st->st_mode) ? "add that" : "leave it away");
	if (!has_polling(st))
		fail(STATUS_USAGE,
		     "--disk %s: has no queues for polling; leave ,iopoll away, or give it some, such as by nvme.poll_queues=2",
		     disk->path);
}

int disk_open(const struct disk_config *disk)
{
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st;
	int fd;

	if (stat(disk->path, &st))
		fail(STATUS_USAGE, "--disk %s: %s; %s", disk->path, strerror(errno),
		     open_mend(disk));
	if (S_ISDIR(st.st_mode))
		fail(STATUS_USAGE, "--disk %s: is a directory; give an image or a block device",
		     disk->path);
	flags |= disk->read_only ? O_RDONLY : O_RDWR;
	if (disk->direct)
		flags |= O_DIRECT;
	fd = open(disk->path, flags);
	if (fd < 0 || fstat(fd, &st))
		fail(STATUS_USAGE, "--disk %s: %s; %s", disk->path, strerror(errno),
		     open_mend(disk));
	check_size(disk, size_of(disk, fd, &st));
	if (disk->is_polled)
		check_polling(disk, &st);
	/* Two guests that write to one image would destroy it. */
	if (S_ISREG(st.st_mode) && flock(fd, (disk->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) &&
	    errno == EWOULDBLOCK)
		fail(STATUS_USAGE,
		     "--disk %s: is in use already; end its user, or give it with ,ro to both",
		     disk->path);
	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return fd;
}

void disk_describe(const struct disk_config *disk, unsigned int cpus, int fd,
		   struct device_shape *shape, struct kvlane_backend *backend)
{
	*shape = (struct device_shape){
		.type = VIRTIO_ID_BLOCK, .queues = disk->queues, .no_packed = disk->no_packed,
	};
	*backend = (struct kvlane_backend){
		.fd = fd,
		.blk.block_size = disk->block_size,
	};
	if (!shape->queues)
		shape->queues = cpus < DEFAULT_QUEUES ? cpus : DEFAULT_QUEUES;
	if (disk->threads)
		shape->lane_queues = (shape->queues + disk->threads - 1) / disk->threads;
	if (disk->read_only)
		backend->flags |= KVLANE_BACKEND_RDONLY;
	if (disk->is_polled)
		backend->flags |= KVLANE_BACKEND_IOPOLL;
	if (disk->no_discard)
		backend->flags |= KVLANE_BACKEND_NO_DISCARD;
	memcpy(backend->blk.serial, disk->serial, KVLANE_BLK_ID_LEN);
}

void disk_plug(struct machine *machine, unsigned int index, int fd)
{
	const struct disk_config *disk = &machine->config->disks[index];
	struct kvlane_backend backend;
	struct device_shape shape;
	struct virtio *virtio;
	char name[16];

	disk_describe(disk, machine->config->cpus, fd, &shape, &backend);
	snprintf(name, sizeof(name), "disk%u", index);
	virtio = virtio_create(machine, name, disk->path, &shape, &backend);
	throttle_plug(virtio, &disk->throttle, LIMITS_DISK);
	lanes_plug(virtio, &disk->lanes);
}
