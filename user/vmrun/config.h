/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CONFIG_H
#define VMRUN_CONFIG_H

#include "lanes.h"
#include "notify.h"
#include "vfio.h"

#include <linux/kvlane.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS	255
#define MAX_DISKS	28
#define MAX_NETS	28
#define MAX_VFIO	8
#define MAX_NET_ID	15
#define MAX_NAME	48
#define MAX_THROTTLES	28
#define MAX_THROTTLE_NAME 15

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
 * struct throttle_config - one --throttle, or what --disk or --net say of one
 * @name: of a throttle that devices share, also one of another VM, "VM/NAME"; NULL for
 *	a device that has its own
 * @limits: what it begins with
 * @has_limits: some were given
 */
struct throttle_config {
	const char *name;
	struct kvlane_rate limits[KVLANE_NR_LIMITS];
	bool has_limits;
};

/**
 * struct disk_config - one --disk
 * @path: image file or block device
 * @read_only: the guest cannot write
 * @direct: bypass the host's page cache
 * @no_discard: offer neither discard nor write-zeroes
 * @is_polled: the block device is polled for completions
 * @no_packed: offer no packed rings
 * @queues: virtqueues; 0 for one per vCPU, at most 4
 * @threads: lanes; 0 for one for each queue
 * @block_size: logical block size; 0 for the backing's
 * @serial: what the guest reads as the disk's serial number
 * @throttle: what its requests wait for
 * @lanes: what its lanes do to save processor time
 */
struct disk_config {
	char *path;
	bool read_only;
	bool direct;
	bool no_discard;
	bool is_polled;
	bool no_packed;
	unsigned int queues;
	unsigned int threads;
	unsigned int block_size;
	char serial[KVLANE_BLK_ID_LEN + 1];
	struct throttle_config throttle;
	struct lanes_setting lanes;
};

/**
 * enum net_kind - what a network device is connected to
 * @NET_NONE: not said
 * @NET_BRIDGE: a bridge, by a tap of our own
 * @NET_TAP: an existing tap
 * @NET_MACVTAP: an existing macvtap, or one of our own on another interface
 * @NET_FD: descriptors that vmrun was started with
 */
enum net_kind {
	NET_NONE,
	NET_BRIDGE,
	NET_TAP,
	NET_MACVTAP,
	NET_FD,
};

/**
 * struct net_config - one --net
 * @name: the bridge, tap, macvtap or other interface
 * @fds: the descriptors
 * @nr_fds: how many
 * @queues: queue pairs; 0 for one per vCPU, at most 4
 * @mtu: 0 for that of the interface
 * @no_zerocopy: copy every packet the guest sends
 * @rss: the guest may say which queue takes a packet
 * @lane_each: a thread for each queue, not for each pair
 * @no_packed: offer no packed rings
 * @has_mac: @mac was given
 * @id: name of the device for ctl and stat
 * @throttle: what its packets wait for
 * @lanes: what its lanes do to save processor time
 */
struct net_config {
	enum net_kind kind;
	const char *name;
	int fds[KVLANE_NET_MAX_PAIRS];
	unsigned int nr_fds;
	unsigned int queues;
	unsigned int mtu;
	bool no_zerocopy;
	bool rss;
	bool lane_each;
	bool no_packed;
	bool has_mac;
	uint8_t mac[6];
	char id[MAX_NET_ID + 1];
	struct throttle_config throttle;
	struct lanes_setting lanes;
};

/**
 * struct vfio_config - one --vfio
 * @address: of a PCI device of the host
 * @bind: have VFIO take it from its driver
 */
struct vfio_config {
	char address[VFIO_ADDRESS];
	bool bind;
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
 * struct balloon_config - --balloon
 * @wanted: the option was given
 * @target: bytes that it shall have at first
 * @most: bytes that it may have when it follows the host's pressure; 0 if it never does
 * @reporting: the guest tells which memory is free
 * @hinting: it can be asked which that is, by who moves it
 */
struct balloon_config {
	bool wanted;
	uint64_t target;
	uint64_t most;
	bool reporting;
	bool hinting;
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
	struct net_config nets[MAX_NETS];
	unsigned int nr_nets;
	struct vfio_config vfios[MAX_VFIO];
	unsigned int nr_vfios;
	struct throttle_config throttles[MAX_THROTTLES];
	unsigned int nr_throttles;
	struct rng_config rng;
	struct balloon_config balloon;
	enum notify_way notify;
	enum console_kind console;
	const char *console_path;
	const char *stats_path;
	bool no_reboot;
	bool no_sandbox;
	bool no_pv_eoi;
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
 * option_disk() - add what "--disk=TEXT" says
 * option_net() - add what "--net=TEXT" says
 * option_rng() - set what "--rng=TEXT" says
 * option_balloon() - set what "--balloon=TEXT" says
 * @text: taken apart, and kept; the latter two may have NULL
 *
 * Exit with STATUS_USAGE and one line if something is wrong.
 */
void option_disk(struct config *config, char *text);
void option_net(struct config *config, char *text);
void option_rng(struct config *config, char *text);
void option_balloon(struct config *config, char *text);

/**
 * name_valid() - whether @name can be the name of a VM
 */
bool name_valid(const char *name);

#endif
