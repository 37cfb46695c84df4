/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kinds of file a virtual disk may lie on, made and removed in one call each.
 */
#ifndef KVLANE_TEST_BACKING_H
#define KVLANE_TEST_BACKING_H

#include <stdint.h>

#include "disk.h"

/**
 * enum backing_kind - what the disk lies on
 * @BACKING_MEMFD: regular file in memory, buffered
 * @BACKING_EXT4: regular file on ext4 on a loop device, buffered
 * @BACKING_EXT4_DIRECT: the same with O_DIRECT
 * @BACKING_LOOP: loop device, buffered
 * @BACKING_LOOP_DIRECT: the same with O_DIRECT
 * @BACKING_NULLB: null_blk with memory behind it, buffered
 * @BACKING_NULLB_DIRECT: the same with O_DIRECT
 */
enum backing_kind {
	BACKING_MEMFD,
	BACKING_EXT4,
	BACKING_EXT4_DIRECT,
	BACKING_LOOP,
	BACKING_LOOP_DIRECT,
	BACKING_NULLB,
	BACKING_NULLB_DIRECT,
};

/**
 * struct fs - a file system on a loop device, or a tmpfs
 * @loop: the device; unused for a tmpfs
 * @dir: where it is mounted
 */
struct fs {
	struct loop loop;
	char dir[32];
};

/**
 * fs_ext4() - make and mount an ext4 file system
 * @fs: filled in
 * @bytes: size of the device under it
 *
 * Return: 0 or a negative errno.
 */
int fs_ext4(struct fs *fs, uint64_t bytes);

/**
 * fs_tmpfs() - mount a tmpfs that can be filled up
 * @fs: filled in
 * @bytes: its size
 *
 * Return: 0 or a negative errno.
 */
int fs_tmpfs(struct fs *fs, uint64_t bytes);

/**
 * fs_close() - unmount and remove
 * @fs: the file system; may be zeroed, or opened in part
 */
void fs_close(struct fs *fs);

/**
 * struct backing - a file and what is under it
 * @kind: which
 * @fd: for KVLANE_SET_BACKEND
 * @look: the same data, for the test to look at; buffered
 * @path: device node or file name, empty for a memfd
 * @loop: BACKING_LOOP*
 * @fs: BACKING_EXT4*
 * @nullb: BACKING_NULLB*: number of the device
 */
struct backing {
	enum backing_kind kind;
	int fd;
	int look;
	char path[64];
	struct loop loop;
	struct fs fs;
	int nullb;
};

/**
 * backing_open() - make a backing
 * @b: filled in
 * @kind: which
 * @bytes: its size, a multiple of 1 MiB
 *
 * Return: 0 or a negative errno.
 */
int backing_open(struct backing *b, enum backing_kind kind, uint64_t bytes);

/**
 * backing_fill() - write zeroes all over it, past the module
 * @b: the backing
 * @bytes: its size
 *
 * So null_blk has its memory before it is polled, when it would allocate it where that is
 * not allowed, under RCU.
 *
 * Return: 0 or a negative errno.
 */
int backing_fill(struct backing *b, uint64_t bytes);

/**
 * backing_close() - remove it; nothing may use it any more
 * @b: the backing; may be zeroed, or opened in part
 */
void backing_close(struct backing *b);

/**
 * backing_look() - read what the disk holds, past the module
 * @b: the backing
 * @buf: where to
 * @size: bytes
 * @offset: from where
 *
 * The test flushes the virtual disk first.
 *
 * Return: 0 or a negative errno.
 */
int backing_look(struct backing *b, void *buf, size_t size, uint64_t offset);

#endif
