/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files and block devices to put under a virtual disk, and ways to make them slow
 * or broken: loop devices over memory, and device mapper tables over those.
 */
#ifndef KVLANE_TEST_DISK_H
#define KVLANE_TEST_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * disk_memfd() - a sparse regular file in memory (tmpfs)
 * @bytes: its size
 *
 * Return: a descriptor, or a negative errno.
 */
int disk_memfd(uint64_t bytes);

/**
 * disk_allocated() - how much of a file is really there
 * @fd: the file
 *
 * Return: bytes allocated, or a negative errno.
 */
int64_t disk_allocated(int fd);

/**
 * struct loop - a loop device over a memfd
 * @medium: the memfd: what lies under the device's page cache and write cache
 * @fd: the loop device, open for reading and writing
 * @path: its device node
 */
struct loop {
	int medium;
	int fd;
	char path[32];
};

/**
 * loop_open() - make a loop device
 * @l: filled in
 * @bytes: its size
 * @block_size: logical block size, or 0 for 512
 *
 * Return: 0 or a negative errno.
 */
int loop_open(struct loop *l, uint64_t bytes, unsigned int block_size);

/**
 * loop_over() - make a loop device over a file of the caller's
 * @l: filled in; loop_close() closes the file, too
 * @medium: the file
 *
 * Return: 0 or a negative errno; the file is closed then.
 */
int loop_over(struct loop *l, int medium);

/**
 * loop_close() - detach and close
 * @l: the device; may be zeroed, or opened in part
 */
void loop_close(struct loop *l);

/**
 * disk_flushes() - how many cache flushes a block device has completed
 * @path: its device node
 *
 * Return: the count, or a negative errno.
 */
int64_t disk_flushes(const char *path);

/**
 * disk_attribute() - a number from a block device's queue folder in sysfs
 * @path: its device node
 * @name: such as "physical_block_size"
 *
 * Return: the number, or a negative errno.
 */
int64_t disk_attribute(const char *path, const char *name);

/**
 * struct dm - a device mapper device of one target
 * @control: descriptor of /dev/mapper/control
 * @dev: device number, as the control interface encodes it
 * @sectors: its size
 * @path: its device node
 * @keeper: process that opens a shut gate if the test dies, or 0
 */
struct dm {
	int control;
	uint64_t dev;
	uint64_t sectors;
	char path[32];
	pid_t keeper;
};

/**
 * dm_open() - make a device mapper device
 * @dm: filled in
 * @sectors: its size
 * @target: such as "linear"
 * @args: the target's arguments
 *
 * Return: 0 or a negative errno.
 */
int dm_open(struct dm *dm, uint64_t sectors, const char *target, const char *args);

/**
 * dm_close() - open the gate and remove the device
 * @dm: the device; may be zeroed, or opened in part
 */
void dm_close(struct dm *dm);

/**
 * dm_remove() - remove the device, if nobody has it open any more
 * @dm: the device; dm_close() is still to be called
 *
 * Return: 0 or a negative errno.
 */
int dm_remove(struct dm *dm);

/**
 * dm_swap() - put another target under the device
 * @dm: the device
 * @target: such as "error"
 * @args: the target's arguments
 *
 * Return: 0 or a negative errno.
 */
int dm_swap(struct dm *dm, const char *target, const char *args);

/**
 * dm_message() - send a message to the target
 * @dm: the device
 * @text: the message, 60 characters at most
 *
 * Return: 0 or a negative errno.
 */
int dm_message(struct dm *dm, const char *text);

/**
 * dm_shut() - hold every request to the device back until dm_release()
 * @dm: the device
 *
 * Should the test die meanwhile, a process of its own opens the gate some
 * seconds later, so that nothing waits for ever.
 *
 * Return: 0 or a negative errno.
 */
int dm_shut(struct dm *dm);

/**
 * dm_release() - let the requests go
 * @dm: the device; the gate may be open
 *
 * Return: 0 or a negative errno.
 */
int dm_release(struct dm *dm);

/**
 * struct gate - a disk that can be held up or broken, which is another one's shadow
 * @loop: the other one
 * @dm: the disk
 * @linear: arguments of its target, "linear"
 */
struct gate {
	struct loop loop;
	struct dm dm;
	char linear[48];
};

/**
 * gate_open() - make such a disk
 * @gate: filled in
 * @bytes: its size
 * @flags: O_DIRECT, or 0
 *
 * Return: its descriptor, open for reading and writing, for the caller to close; -ENOENT where
 * there are no loop devices or no device mapper; or a negative errno.
 */
int gate_open(struct gate *gate, uint64_t bytes, int flags);

/**
 * gate_close() - let requests go and remove the disk
 * @gate: the disk, which nobody has open; may be zeroed, or opened in part
 */
void gate_close(struct gate *gate);

#endif
