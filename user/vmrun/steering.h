/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_STEERING_H
#define VMRUN_STEERING_H

#include <linux/bpf.h>
#include <linux/kvlane.h>
#include <stdint.h>

/**
 * define STEERING_INPUT - most bytes of a packet that are hashed
 *
 * Two IPv6 addresses and two ports.
 */
#define STEERING_INPUT 36

/**
 * struct steering_table - what the guest has configured, as the program wants it
 * @nibbles: what four bits of the input, by place and value, add to the hash: the
 *	Toeplitz hash is linear, so the key is only needed to compute this
 * @types: VIRTIO_NET_RSS_HASH_TYPE_*
 * @mask: of the hash, to find the place in @queues
 * @unclassified: queue for packets without a hash
 * @queues: which queue takes what
 */
struct steering_table {
	uint32_t nibbles[2 * STEERING_INPUT][16];
	uint32_t types;
	uint16_t mask;
	uint16_t unclassified;
	uint16_t queues[KVLANE_NET_RSS_TABLE];
};

/**
 * struct steering_map - memory that the program and vmrun share
 * @current: changes of the table so far; the lowest bit is which of @tables counts
 * @tables: one that counts and one that can be written to
 */
struct steering_map {
	uint32_t current;
	struct steering_table tables[2];
};

/**
 * struct steering - the choice of a tap's queue by the hash of a packet
 * @program: descriptor of the BPF program, for the tap; -1 without one
 * @map: what it goes by
 */
struct steering {
	int program;
	struct steering_map *map;
};

/**
 * steering_load() - have the kernel take the program, and share memory with it
 *
 * No system call is needed after this.
 * Return: 0 or a negative errno, -EPERM for a user who must not load BPF programs.
 */
int steering_load(struct steering *steering);

/**
 * steering_set() - what the program goes by from now on
 * @rss: what the guest wants, checked by the module; not RSS switched off
 */
void steering_set(struct steering *steering, const struct kvlane_net_rss *rss);

/**
 * steering_program() - write down the program
 * @code: filled in; STEERING_CODE instructions will do
 * @map: descriptor of the map, an array with one struct steering_map
 * Return: instructions in @code.
 */
unsigned int steering_program(struct bpf_insn *code, int map);

#define STEERING_CODE 256

#endif
