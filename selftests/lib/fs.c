// SPDX-License-Identifier: GPL-2.0-only
/* File systems to put a disk's file on. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "backing.h"
#include "host.h"

static int mount_at(struct fs *fs, const char *source, const char *type, const char *data)
{
	strcpy(fs->dir, "/tmp/kvlane-fs.XXXXXX");
	if (!mkdtemp(fs->dir)) {
		fs->dir[0] = 0;
		return -errno;
	}
	return mount(source, fs->dir, type, 0, data) ? -errno : 0;
}

int fs_ext4(struct fs *fs, uint64_t bytes)
{
	int err;

	*fs = (struct fs){};
	err = loop_open(&fs->loop, bytes, 0);
	/* Nothing lazy: no thread of the file system writes later. */
	if (!err)
		err = run("mkfs.ext4 -q -F -b 4096 -O ^has_journal -E lazy_itable_init=0 %s",
			  fs->loop.path) ? -EIO : 0;
	if (!err)
		err = load_module("ext4");
	if (!err)
		err = mount_at(fs, fs->loop.path, "ext4", "");
	if (err)
		fs_close(fs);
	return err;
}

int fs_tmpfs(struct fs *fs, uint64_t bytes)
{
	char data[64];
	int err;

	*fs = (struct fs){};
	snprintf(data, sizeof(data), "size=%llu", (unsigned long long)bytes);
	err = mount_at(fs, "tmpfs", "tmpfs", data);
	if (err)
		fs_close(fs);
	return err;
}

void fs_close(struct fs *fs)
{
	if (fs->dir[0]) {
		umount2(fs->dir, MNT_DETACH);
		rmdir(fs->dir);
	}
	fs->dir[0] = 0;
	loop_close(&fs->loop);
}
