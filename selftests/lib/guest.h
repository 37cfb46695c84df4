/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest without a virtual machine: a VM descriptor with KVM left out, and a
 * memfd that stands for the guest's memory.  The program itself plays the guest's
 * driver in that memory.
 */
#ifndef KVLANE_TEST_GUEST_H
#define KVLANE_TEST_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include <linux/kvlane.h>

/** define GUEST_LOW - guest physical address of the first half of the memory */
#define GUEST_LOW	0x1000000ULL
/** define GUEST_HIGH - guest physical address of the second half of the memory */
#define GUEST_HIGH	0x100000000ULL
/** define GUEST_NOWHERE - a page aligned address that no region holds */
#define GUEST_NOWHERE	0x40000000ULL
/** define GUEST_BAD - what guest_gpa() returns for a pointer outside the memory */
#define GUEST_BAD	UINT64_MAX

/**
 * struct guest - a VM and its memory
 * @kvlane: descriptor of /dev/kvlane
 * @vm: descriptor of the VM
 * @memfd: the file behind the memory
 * @mem: where the memory is mapped here
 * @size: bytes of memory, both halves together
 * @regions: the memory table as last set by this library
 * @nr_regions: elements of @regions
 * @brk_low: allocator: next free byte of the lower half, as an offset into @mem
 * @brk_high: the same for the upper half
 */
struct guest {
	int kvlane;
	int vm;
	int memfd;
	uint8_t *mem;
	size_t size;
	struct kvlane_region regions[3];
	unsigned int nr_regions;
	size_t brk_low;
	size_t brk_high;
};

/**
 * guest_open() - make a VM with memory in two regions
 * @g: filled in
 * @size: bytes of memory, a multiple of two pages; half of it is found at
 *	GUEST_LOW, the other half at GUEST_HIGH
 *
 * Return: 0 or a negative errno.
 */
int guest_open(struct guest *g, size_t size);

/**
 * guest_close() - close every descriptor that is still open and unmap the memory
 * @g: the guest; may be zeroed, or opened in part
 *
 * A caller that closes a descriptor of its own accord sets it to -1.
 */
void guest_close(struct guest *g);

/**
 * guest_alloc() - take zeroed memory from the lower half
 * @g: the guest
 * @size: bytes
 * @align: a power of two
 *
 * Memory is never given back one by one, only with the guest.
 *
 * Return: an address in this process, or NULL if the half is used up.
 */
void *guest_alloc(struct guest *g, size_t size, size_t align);

/**
 * guest_alloc_high() - take zeroed memory from the upper half, above 4 GiB
 * @g: the guest
 * @size: bytes
 * @align: a power of two
 *
 * Return: an address in this process, or NULL if the half is used up.
 */
void *guest_alloc_high(struct guest *g, size_t size, size_t align);

/**
 * guest_gpa() - the guest physical address of a pointer into guest memory
 * @g: the guest
 * @ptr: a pointer into @g->mem
 *
 * Return: the address, or GUEST_BAD.
 */
uint64_t guest_gpa(const struct guest *g, const void *ptr);

/**
 * guest_set_regions() - call KVLANE_SET_MEMORY
 * @g: the guest; its own record of the regions is left alone
 * @regions: the new table
 * @nr: elements of @regions
 *
 * Return: 0 or a negative errno.
 */
int guest_set_regions(struct guest *g, const struct kvlane_region *regions,
		      unsigned int nr);

#endif
