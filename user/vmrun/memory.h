/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_MEMORY_H
#define VMRUN_MEMORY_H

#include "config.h"

#include <stdint.h>

#define MEMORY_MAX_RANGES 2
#define MEMORY_MAX_MAP	8

/**
 * struct memory - the guest's RAM
 * @fd: the file that holds it
 * @base: where it is mapped, whole
 * @size: bytes
 * @low: how many of them are below 4 GiB
 * @page: size of its pages, as asked for
 */
struct memory {
	int fd;
	uint8_t *base;
	uint64_t size;
	uint64_t low;
	uint64_t page;
};

/**
 * struct memory_range - a piece of RAM, without a hole
 */
struct memory_range {
	uint64_t gpa;
	uint64_t size;
	uint64_t offset;
	void *hva;
};

/**
 * struct memory_map - an entry of the map given to the guest, as in E820
 */
struct memory_map {
	uint64_t base;
	uint64_t size;
	uint32_t type;
};

enum { MAP_RAM = 1, MAP_RESERVED = 2 };

/**
 * memory_create() - allocate guest memory; exits with one line if it cannot
 */
void memory_create(struct memory *memory, uint64_t size, enum hugepages hugepages);

/**
 * memory_ranges() - list the pieces of RAM
 * Return: how many were written to @ranges.
 */
unsigned int memory_ranges(const struct memory *memory, struct memory_range *ranges);

/**
 * memory_map() - the memory map for the guest
 * Return: how many entries were written to @map, in order.
 */
unsigned int memory_map(const struct memory *memory, struct memory_map *map);

/**
 * memory_end() - the first address above all RAM
 */
uint64_t memory_end(const struct memory *memory);

/**
 * memory_at() - where guest memory is mapped
 * Return: NULL if not all of the range is RAM.
 */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size);

#endif
