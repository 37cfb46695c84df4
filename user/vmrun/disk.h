/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_DISK_H
#define VMRUN_DISK_H

#include "config.h"

struct device_shape;
struct machine;

/**
 * disk_open() - open the image of a disk and look at it
 *
 * Exits with STATUS_USAGE and one line if it is no use.
 * Return: the descriptor.
 */
int disk_open(const struct disk_config *disk);

/**
 * disk_describe() - what the module is to be told of a disk
 * @cpus: processors of its guest
 * @fd: from disk_open()
 */
void disk_describe(const struct disk_config *disk, unsigned int cpus, int fd,
		   struct device_shape *shape, struct kvlane_backend *backend);

/**
 * disk_plug() - make the device
 * @index: which disk it is
 * @fd: from disk_open(); the module keeps what it needs of it
 */
void disk_plug(struct machine *machine, unsigned int index, int fd);

#endif
