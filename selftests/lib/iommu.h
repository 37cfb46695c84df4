/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of a chosen kind, and what an IOMMU makes of it.
 */
#ifndef KVLANE_TEST_IOMMU_H
#define KVLANE_TEST_IOMMU_H

#include <stddef.h>
#include <stdint.h>

#include <linux/kvlane.h>

#define KIB	1024ULL
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)

/** enum ram_kind - what memory is made of */
enum ram_kind {
	RAM_SMALL,
	RAM_SCATTERED,
	RAM_THP,
	RAM_2M,
	RAM_1G,
	RAM_PRIVATE,
};

/**
 * struct ram - memory
 * @mem: where it is
 * @size: bytes
 * @fd: the file, or -1
 * @other: memory that lies between the pages of this, for RAM_SCATTERED
 */
struct ram {
	uint8_t *mem;
	size_t size;
	int fd;
	uint8_t *other;
};

/**
 * ram_open() - make memory, filled in and zero
 * @b: filled in
 * @kind: of what: pages of 4 KiB, such pages none of which follow each other in physical
 *	memory, transparent huge pages of a memfd, hugetlb pages, private pages
 * @size: bytes, a multiple of the page size
 *
 * Return: 0 or a negative errno; -ENOMEM if there are no such pages.
 */
int ram_open(struct ram *b, enum ram_kind kind, size_t size);

/**
 * ram_close() - give memory back
 * @b: the memory; may be zeroed
 */
void ram_close(struct ram *b);

/**
 * struct hugetlb - huge pages of the machine, of all sizes
 * @used: those somebody has
 * @reserved: those that were promised
 */
struct hugetlb {
	long used;
	long reserved;
};

/**
 * hugetlb_pages() - count them
 *
 * Return: the numbers; where they cannot be read, always the same.
 */
struct hugetlb hugetlb_pages(void);

/**
 * pins() - pages that are pinned, on the whole machine
 *
 * Return: how many.
 */
long pins(void);

/**
 * pins_settle() - wait until as many are pinned as were
 * @before: so many
 *
 * Return: 0, or -ETIMEDOUT.
 */
int pins_settle(long before);

/**
 * locked_bytes() - memory of this process that counts against RLIMIT_MEMLOCK
 *
 * Return: bytes.
 */
uint64_t locked_bytes(void);

/**
 * io_device() - KVLANE_IOMMU_ATTACH or _DETACH
 * @iommu: descriptor of the object
 * @cmd: which of them
 * @fd: the device
 *
 * Return: 0 or a negative errno.
 */
int io_device(int iommu, unsigned long cmd, int fd);

/**
 * io_range() - KVLANE_IOMMU_MAP or _UNMAP
 * @iommu: descriptor of the object
 * @cmd: which of them
 * @gpa: guest physical address
 * @size: bytes
 * @flags: KVLANE_IOMMU_*
 *
 * Return: 0 or a negative errno.
 */
int io_range(int iommu, unsigned long cmd, uint64_t gpa, uint64_t size, uint32_t flags);

/**
 * leaves_watch() - begin to watch what is put into page tables
 *
 * Return: 0, or a negative errno where that cannot be seen: with an IOMMU that is not
 * VT-d, or without probes.
 */
int leaves_watch(void);

/**
 * leaves_seen() - what this process had put into page tables since
 * @bytes: filled in, by the size of the page: 4 KiB, 2 MiB, 1 GiB
 * @syncs: filled in: how often the driver was told that it was all, for it to tell the
 *	IOMMU
 *
 * Return: 0 or a negative errno.
 */
int leaves_seen(uint64_t bytes[KVLANE_IOMMU_LEAVES], uint64_t *syncs);

#endif
