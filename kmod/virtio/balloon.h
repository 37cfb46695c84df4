/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_BALLOON_H
#define KVLANE_BALLOON_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/virtio_balloon.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <linux/kvlane.h>

#include "../vm.h"
#include "device.h"

struct kvlane_dirty;
struct kvlane_memory;

/**
 * define KVLANE_BALLOON_BLOCK - bytes of guest memory that are freed together, at least
 */
#define KVLANE_BALLOON_BLOCK	SZ_2M

/**
 * define KVLANE_BALLOON_PAGE - bytes of a page, whatever the size of the host's
 */
#define KVLANE_BALLOON_PAGE	BIT_ULL(VIRTIO_BALLOON_PFN_SHIFT)

/**
 * define KVLANE_BALLOON_PAGES - pages of the balloon in a block
 */
#define KVLANE_BALLOON_PAGES	(KVLANE_BALLOON_BLOCK >> VIRTIO_BALLOON_PFN_SHIFT)

/**
 * define KVLANE_BALLOON_PFNS - pages looked at together
 */
#define KVLANE_BALLOON_PFNS	256

/**
 * struct kvlane_balloon_unit - memory that is freed in one piece
 * @gpa: guest physical address
 * @hva: user address
 * @size: bytes: a block, or a larger hugetlb page
 * @file: what is mapped there, held
 * @offset: where in @file
 * @huge: hugetlb pages
 */
struct kvlane_balloon_unit {
	u64 gpa;
	unsigned long hva;
	u64 size;
	struct file *file;
	loff_t offset;
	bool huge;
};

/**
 * struct kvlane_balloon_block - guest memory of which some is in the balloon
 * @pages: how many pages
 * @freed: the host has the memory
 * @lent: the host had some of it since the first page came
 * @page: which pages
 * @away: those of them that the host has, without @freed
 */
struct kvlane_balloon_block {
	u32 pages;
	bool freed;
	bool lent;
	DECLARE_BITMAP(page, KVLANE_BALLOON_PAGES);
	DECLARE_BITMAP(away, KVLANE_BALLOON_PAGES);
};

/**
 * struct kvlane_balloon_blocks - what is in a balloon
 * @dev: the device
 * @node: in kvlane_vm.balloons
 * @blocks: by guest physical address; those without a page are not there
 * @returned: indices of blocks that are the guest's again, until the owner asks
 * @told: the owner knows that there are some
 * @splittable: there may be blocks that the host gets more of by splitting
 * @pages: in the balloon
 * @whole: blocks that are in the balloon as a whole
 * @nr: blocks of which something is
 * @freed: bytes the host has
 * @reported: bytes the host got by reports of the driver
 * @pinned: times that memory was not freed since a device uses it
 * @refused: times that it was not since what is behind it does not do that
 * @splits: blocks of which the host took what it could, since it was short of memory
 * @ignored: pages named that are no memory, or in the balloon already, or not in it
 *
 * All under kvlane_vm.iommu_lock.
 */
struct kvlane_balloon_blocks {
	struct kvlane_device *dev;
	struct list_head node;
	struct xarray blocks;
	struct xarray returned;
	bool told;
	bool splittable;
	u64 pages;
	u64 whole;
	u64 nr;
	u64 freed;
	u64 reported;
	u64 pinned;
	u64 refused;
	u64 splits;
	u64 ignored;
};

/**
 * struct kvlane_balloon_hints - pages the driver has no use for
 * @lock: guards what follows. Taken within kvlane_device.lock, and by lanes; within it only
 *	the memory of whoever fetches hints is touched.
 * @state: KVLANE_HINTING_*
 * @id: what the driver reads as its command; changed under kvlane_device.lock as well
 * @last: the id of the last round
 * @log: the hints, there from the beginning of a round until it is over
 * @hinted: bytes of them in this round
 * @ignored: requests that had no effect
 */
struct kvlane_balloon_hints {
	struct mutex lock;
	u32 state;
	u32 id;
	u32 last;
	struct kvlane_dirty *log;
	u64 hinted;
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
 * @hints: which pages the driver has no use for
 * @pfns: pages named by a request: to be taken out, to be put in; each its lane's
 * @asked: the driver's request for statistics, until they are wanted again
 * @told: statistics that came
 * @stats: the last of them by VIRTIO_BALLOON_S_*; under kvlane_vm.iommu_lock
 * @stats_ns: when they came
 * @wait: for @told
 * @shrinker: has the host's reclaim ask for memory
 * @wanted: pages it wants
 * @closing: nobody wants any more
 * @split: frees them
 */
struct kvlane_balloon {
	bool present;
	u32 target;
	u32 extra;
	u32 actual;
	u32 poison;
	struct kvlane_balloon_blocks blocks;
	struct kvlane_balloon_hints hints;
	__le32 pfns[2][KVLANE_BALLOON_PFNS];
	struct kvlane_request *asked;
	u64 told;
	u64 stats[KVLANE_BALLOON_STATS];
	u64 stats_ns;
	wait_queue_head_t wait;
	struct shrinker *shrinker;
	atomic_long_t wanted;
	bool closing;
	struct work_struct split;
};

/* Under the VM's SRCU: that of a device for vDPA changes without kvlane_vm.iommu_lock. */
static inline const struct kvlane_memory *
kvlane_balloon_memory(const struct kvlane_balloon_blocks *b)
{
	return srcu_dereference(b->dev->vm->memory[0], &b->dev->vm->srcu);
}

/* balloon.c */
struct kvlane_request *kvlane_balloon_unask(struct kvlane_balloon *b);
void kvlane_balloon_config_changed(struct kvlane_device *dev);

/* balloon_call.c */
int kvlane_balloon_set_target(struct kvlane_device *dev, u64 target);
long kvlane_balloon_call(struct kvlane_device *dev, unsigned int cmd, void __user *argp);

/* balloon_hint.c */
void kvlane_balloon_hint(struct kvlane_queue *q, struct kvlane_request *req);
int kvlane_balloon_hints_set(struct kvlane_balloon_hints *h, u32 state, struct kvlane_dirty *log);
void kvlane_balloon_hints_reset(struct kvlane_balloon_hints *h);
long kvlane_balloon_hints_get(struct kvlane_balloon_hints *h, void __user *argp);
void kvlane_balloon_hints_info(struct kvlane_balloon_hints *h, struct kvlane_balloon_info *info);

/* balloon_unit.c */
bool kvlane_balloon_unit_find(const struct kvlane_balloon_blocks *b, u64 gpa,
			      struct kvlane_balloon_unit *unit);
bool kvlane_balloon_unit_pinned(const struct kvlane_balloon_unit *unit);
bool kvlane_balloon_told_late(const struct kvlane_balloon_blocks *b);
bool kvlane_balloon_unit_free(struct kvlane_balloon_blocks *b,
			      const struct kvlane_balloon_unit *unit);
void kvlane_balloon_put_back(struct kvlane_balloon_blocks *b,
			     const struct kvlane_balloon_unit *unit);
void kvlane_balloon_unit_back(struct kvlane_balloon_blocks *b,
			      const struct kvlane_balloon_unit *unit);
void kvlane_balloon_block_back(struct kvlane_balloon_blocks *b, u64 gpa);

/* balloon_split.c */
int kvlane_balloon_split_init(struct kvlane_balloon *b);
void kvlane_balloon_split_exit(struct kvlane_balloon *b);

/* balloon_block.c */
void kvlane_balloon_take(struct kvlane_balloon_blocks *b, u32 pfn);
void kvlane_balloon_give(struct kvlane_balloon_blocks *b, u32 pfn);
void kvlane_balloon_retry(struct kvlane_balloon_blocks *b);
void kvlane_balloon_give_all(struct kvlane_balloon_blocks *b);
void kvlane_balloon_forget(struct kvlane_balloon_blocks *b);
bool kvlane_balloons_have(struct kvlane_vm *vm, u64 gpa, u64 size, u64 *run);
void kvlane_balloons_memory_changed(struct kvlane_vm *vm, const struct kvlane_memory *old,
				    const struct kvlane_memory *memory);
u32 kvlane_balloon_take_returned(struct kvlane_balloon_blocks *b, u64 *gpa, u32 room);
void kvlane_balloon_report(struct kvlane_balloon_blocks *b, unsigned long hva, size_t len);

#endif
