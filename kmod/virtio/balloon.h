/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_BALLOON_H
#define KVLANE_BALLOON_H

#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/virtio_balloon.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <linux/kvlane.h>

#include "device.h"

/**
 * define KVLANE_BALLOON_BLOCK - bytes of guest memory that are freed together, at least
 */
#define KVLANE_BALLOON_BLOCK	SZ_2M

/**
 * define KVLANE_BALLOON_PAGES - pages of the balloon in a block
 */
#define KVLANE_BALLOON_PAGES	(KVLANE_BALLOON_BLOCK >> VIRTIO_BALLOON_PFN_SHIFT)

/**
 * define KVLANE_BALLOON_PFNS - pages looked at together
 */
#define KVLANE_BALLOON_PFNS	256

/**
 * struct kvlane_balloon_block - guest memory of which some is in the balloon
 * @pages: how many pages
 * @freed: the host has the memory
 * @page: which pages
 */
struct kvlane_balloon_block {
	u32 pages;
	bool freed;
	DECLARE_BITMAP(page, KVLANE_BALLOON_PAGES);
};

/**
 * struct kvlane_balloon_blocks - what is in a balloon
 * @dev: the device
 * @blocks: by guest physical address; those without a page are not there
 * @pages: in the balloon
 * @whole: blocks that are in the balloon as a whole
 * @nr: blocks of which something is
 * @freed: bytes the host has
 * @reported: bytes the host got by reports of the driver
 * @pinned: times that memory was not freed since a device uses it
 * @refused: times that it was not since what is behind it does not do that
 * @ignored: pages named that are no memory, or in the balloon already, or not in it
 *
 * All under kvlane_vm.iommu_lock.
 */
struct kvlane_balloon_blocks {
	struct kvlane_device *dev;
	struct xarray blocks;
	u64 pages;
	u64 whole;
	u64 nr;
	u64 freed;
	u64 reported;
	u64 pinned;
	u64 refused;
	u64 ignored;
};

/**
 * struct kvlane_balloon - a balloon
 * @present: a back end was set
 * @target: pages the owner wants to have
 * @extra: pages the driver is asked for beside, since not all it gave could be freed
 * @actual: pages the driver says there are
 * @poison: what the driver fills free pages with, if it said so
 * @blocks: what is in it
 * @pfns: pages named by a request; under kvlane_vm.iommu_lock
 * @asked: the driver's request for statistics, until they are wanted again
 * @told: statistics that came
 * @stats: the last of them by VIRTIO_BALLOON_S_*; under kvlane_vm.iommu_lock
 * @stats_ns: when they came
 * @wait: for @told
 */
struct kvlane_balloon {
	bool present;
	u32 target;
	u32 extra;
	u32 actual;
	u32 poison;
	struct kvlane_balloon_blocks blocks;
	__le32 pfns[KVLANE_BALLOON_PFNS];
	struct kvlane_request *asked;
	u64 told;
	u64 stats[KVLANE_BALLOON_STATS];
	u64 stats_ns;
	wait_queue_head_t wait;
};

/* balloon_block.c */
void kvlane_balloon_take(struct kvlane_balloon_blocks *b, u32 pfn);
void kvlane_balloon_give(struct kvlane_balloon_blocks *b, u32 pfn);
void kvlane_balloon_retry(struct kvlane_balloon_blocks *b);
void kvlane_balloon_give_all(struct kvlane_balloon_blocks *b);
void kvlane_balloon_forget(struct kvlane_balloon_blocks *b);
void kvlane_balloon_report(struct kvlane_balloon_blocks *b, unsigned long hva, size_t len);

#endif
