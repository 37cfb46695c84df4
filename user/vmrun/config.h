/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CONFIG_H
#define VMRUN_CONFIG_H

#include <linux/kvlane.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS	255
#define MAX_DISKS	28
#define MAX_NAME	48

/**
 * enum hugepages - the pages behind guest memory
 * @HUGEPAGES_DEFAULT: transparent huge pages where the host gives them
 * @HUGEPAGES_OFF: ordinary pages
 * @HUGEPAGES_THP: transparent huge pages, or do not start
 * @HUGEPAGES_2M: reserved 2 MiB pages
 * @HUGEPAGES_1G: reserved 1 GiB pages
 */
enum hugepages {
	HUGEPAGES_DEFAULT,
	HUGEPAGES_OFF,
	HUGEPAGES_THP,
	HUGEPAGES_2M,
	HUGEPAGES_1G,
};

/**
 * struct disk_config - one --disk
 * @path: image file or block device
 * @read_only: the guest cannot write
 * @direct: bypass the host's page cache
 * @no_discard: offer neither discard nor write-zeroes
 * @queues: virtqueues; 0 for one per vCPU, at most 4
 * @block_size: logical block size; 0 for the backing's
 * @serial: what the guest reads as the disk's serial number
 */
struct disk_config {
	char *path;
	bool read_only;
	bool direct;
	bool no_discard;
	unsigned int queues;
	unsigned int block_size;
	char serial[KVLANE_BLK_ID_LEN + 1];
};

/**
 * struct rng_config - --rng
 * @wanted: the option was given
 * @source: path of an entropy source; NULL for the host's generator
 * @rate: bytes per second; 0 for no limit
 */
struct rng_config {
	bool wanted;
	char *source;
	uint64_t rate;
};

/**
 * enum console_kind - where the serial port leads
 */
enum console_kind {
	CONSOLE_STDIO,
	CONSOLE_FILE,
	CONSOLE_NONE,
};

/**
 * struct config - what "vmrun run" was asked for
 */
struct config {
	const char *kernel;
	const char *initrd;
	const char *append;
	uint64_t memory;
	enum hugepages hugepages;
	unsigned int cpus;
	struct disk_config disks[MAX_DISKS];
	unsigned int nr_disks;
	struct rng_config rng;
	enum console_kind console;
	const char *console_path;
	const char *stats_path;
	bool no_reboot;
	char name[MAX_NAME + 1];
};

/**
 * options_parse() - fill @config from the arguments of "vmrun run"
 * @argv: argv[0] is "run"
 *
 * Exits with STATUS_USAGE and one line if something is wrong, and with
 * STATUS_OK after --help.
 */
void options_parse(struct config *config, int argc, char **argv);

/**
 * name_valid() - whether @name can be the name of a VM
 */
bool name_valid(const char *name);

#endif
