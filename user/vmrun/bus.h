/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_BUS_H
#define VMRUN_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BUS_MAX_REGIONS 128

/**
 * typedef bus_fn - an access to a region
 * @owner: what the region was added with
 * @offset: from the begin of the region
 * @data: little-endian; to be filled if the guest reads
 * @len: bytes, 1 to 8
 *
 * Called from vCPU threads, several at a time.
 */
typedef void bus_fn(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write);

/**
 * struct region - addresses a device answers to
 */
struct region {
	uint64_t base;
	uint64_t size;
	bus_fn *access;
	void *owner;
};

/**
 * struct bus - one address space, I/O ports or memory
 * @regions: in the order of their addresses
 */
struct bus {
	pthread_rwlock_t lock;
	unsigned int count;
	struct region regions[BUS_MAX_REGIONS];
};

void bus_init(struct bus *bus);

/**
 * bus_add() - make a device answer to a range of addresses
 * Return: false if the range is taken or the table is full.
 */
bool bus_add(struct bus *bus, uint64_t base, uint64_t size, bus_fn *access, void *owner);

/**
 * bus_remove() - end what bus_add() with this @base and @owner began
 */
void bus_remove(struct bus *bus, uint64_t base, void *owner);

/**
 * bus_access() - hand an access of the guest to the device it is for
 *
 * Where no device is, reads give all ones and writes are lost.
 */
void bus_access(struct bus *bus, uint64_t addr, void *data, unsigned int len, bool is_write);

#endif
