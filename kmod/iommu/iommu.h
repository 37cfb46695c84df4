/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_IOMMU_H
#define KVLANE_IOMMU_H

#include <linux/errno.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/types.h>

struct device;
struct file;
struct iommu_domain;
struct iommu_group;
struct kvlane_memory;
struct kvlane_vm;
struct page;
struct scatterlist;

/**
 * struct kvlane_iorun - guest memory that is contiguous in the host's as well
 * @pfn: its first page
 * @pages: how many
 * @folios: one pin for each folio, and not for each page
 */
struct kvlane_iorun {
	unsigned long pfn;
	u32 pages;
	u32 folios;
};

/**
 * struct kvlane_iorun_block - a page full of runs
 * @node: in kvlane_ioarea.blocks
 * @nr: elements of @run in use
 * @run: in the order of guest physical addresses
 */
struct kvlane_iorun_block {
	struct list_head node;
	u32 nr;
	struct kvlane_iorun run[];
};

/**
 * struct kvlane_ioarea - guest memory that is pinned, and mapped in each domain
 * @node: in kvlane_iommu.areas, in the order of @iova
 * @iova: guest physical address
 * @size: bytes, the sum of its runs
 * @hva: user address when it was pinned
 * @fresh: added by a change of memory that may still be undone
 * @blocks: its runs, one after the other
 */
struct kvlane_ioarea {
	struct list_head node;
	u64 iova;
	u64 size;
	unsigned long hva;
	bool fresh;
	struct list_head blocks;
};

/**
 * struct kvlane_iodomain - page tables of an IOMMU
 * @node: in kvlane_iommu.domains
 * @domain: of the kernel, ours alone
 * @groups: groups attached to it
 * @coherent: its devices cannot leave the processors' caches out
 */
struct kvlane_iodomain {
	struct list_head node;
	struct iommu_domain *domain;
	unsigned int groups;
	bool coherent;
};

/**
 * struct kvlane_iogroup - devices that the IOMMU does not tell apart
 * @node: in kvlane_iommu.groups
 * @all: in the list of all such groups, of any object
 * @group: of the kernel, held
 * @vfio: the domain VFIO had attached, and gets back
 * @domain: what is attached in its place
 * @reserved: addresses that must not be mapped, struct iommu_resv_region
 * @devices: struct kvlane_iodevice, at least one
 */
struct kvlane_iogroup {
	struct list_head node;
	struct list_head all;
	struct iommu_group *group;
	struct iommu_domain *vfio;
	struct kvlane_iodomain *domain;
	struct list_head reserved;
	struct list_head devices;
};

/**
 * struct kvlane_iodevice - a device that was attached
 * @node: in kvlane_iogroup.devices
 * @dev: the device, there as long as @file is
 * @file: VFIO's file of it, held
 */
struct kvlane_iodevice {
	struct list_head node;
	struct device *dev;
	struct file *file;
};

/**
 * struct kvlane_iommu - guest memory in IOMMUs
 * @vm: whose memory
 * @node: in kvlane_vm.iommus
 * @areas: what is mapped; empty without a domain
 * @domains: page tables it is mapped in
 * @groups: what uses them
 * @batch: room for what is pinned at once
 * @sg: room for what is mapped at once
 * @pin_ns: time spent pinning
 * @map_ns: time spent mapping
 * @unmap_ns: time spent unmapping
 * @unpin_ns: time spent unpinning
 * @splits: large pages and folios taken apart, for a part of them to be unmapped
 *
 * All under kvlane_vm.iommu_lock.
 */
struct kvlane_iommu {
	struct kvlane_vm *vm;
	struct list_head node;
	struct list_head areas;
	struct list_head domains;
	struct list_head groups;
	struct page **batch;
	struct scatterlist *sg;
	u64 pin_ns;
	u64 map_ns;
	u64 unmap_ns;
	u64 unpin_ns;
	u64 splits;
};

#ifdef KVLANE_IOMMU

long kvlane_iommu_create(struct kvlane_vm *vm, void __user *argp);
int kvlane_iommus_memory_add(struct kvlane_vm *vm, const struct kvlane_memory *memory);
void kvlane_iommus_memory_undo(struct kvlane_vm *vm);
void kvlane_iommus_memory_done(struct kvlane_vm *vm, const struct kvlane_memory *memory);
bool kvlane_iommus_have(const struct kvlane_vm *vm, u64 gpa, u64 size);
int kvlane_iommus_take_out(struct kvlane_vm *vm, u64 gpa, u64 size);
int kvlane_iommus_put_back(struct kvlane_vm *vm, u64 gpa, u64 size, unsigned long hva);

/* attach.c */
int kvlane_iommu_attach(struct kvlane_iommu *iommu, struct file *file);
int kvlane_iommu_detach(struct kvlane_iommu *iommu, struct file *file);
void kvlane_iommu_detach_all(struct kvlane_iommu *iommu);
int kvlane_iommu_allows(const struct kvlane_iommu *iommu, u64 iova, u64 size);

/* area.c */
int kvlane_iommu_add(struct kvlane_iommu *iommu, u64 iova, u64 size, unsigned long hva);
int kvlane_iommu_remove(struct kvlane_iommu *iommu, u64 iova, u64 size, bool split);
void kvlane_iommu_remove_touched(struct kvlane_iommu *iommu, u64 iova, u64 size);
void kvlane_iommu_remove_fresh(struct kvlane_iommu *iommu);
void kvlane_iommu_keep_fresh(struct kvlane_iommu *iommu);
void kvlane_iommu_remove_all(struct kvlane_iommu *iommu);
struct scatterlist *kvlane_iommu_alloc_sg(void);
bool kvlane_iommu_has(const struct kvlane_iommu *iommu, u64 iova, u64 size);
int kvlane_iodomain_fill(struct kvlane_iommu *iommu, struct kvlane_iodomain *d);
void kvlane_iodomain_clear(struct kvlane_iommu *iommu, struct kvlane_iodomain *d);

/* pin.c */
int kvlane_ioarea_pin(struct kvlane_iommu *iommu, u64 iova, u64 size, unsigned long hva,
		      struct list_head *areas);
void kvlane_ioarea_unpin(struct kvlane_ioarea *area);
int kvlane_ioarea_split(struct kvlane_ioarea *area, u64 iova);
unsigned long kvlane_iorun_floor(const struct kvlane_iorun *run, unsigned long page);
unsigned long kvlane_iorun_ceil(const struct kvlane_iorun *run, unsigned long page);

/* leaf.c */
u64 kvlane_leaf_size(unsigned long sizes, const struct kvlane_iorun *run, u64 iova, u64 at);

struct kvlane_iommu_stats;
void kvlane_iommu_leaves(const struct kvlane_iommu *iommu,
			 struct kvlane_iommu_stats *stats);

#define kvlane_ioarea_for_each_run(area, block, r)			\
	list_for_each_entry(block, &(area)->blocks, node)		\
		for ((r) = (block)->run; (r) < (block)->run + (block)->nr; (r)++)

#else

static inline long kvlane_iommu_create(struct kvlane_vm *vm, void __user *argp)
{
	return -EOPNOTSUPP;
}

static inline int kvlane_iommus_memory_add(struct kvlane_vm *vm,
					   const struct kvlane_memory *memory)
{
	return 0;
}

static inline void kvlane_iommus_memory_undo(struct kvlane_vm *vm)
{
}

static inline void kvlane_iommus_memory_done(struct kvlane_vm *vm,
					     const struct kvlane_memory *memory)
{
}

static inline bool kvlane_iommus_have(const struct kvlane_vm *vm, u64 gpa, u64 size)
{
	return false;
}

static inline int kvlane_iommus_take_out(struct kvlane_vm *vm, u64 gpa, u64 size)
{
	return 0;
}

static inline int kvlane_iommus_put_back(struct kvlane_vm *vm, u64 gpa, u64 size,
					 unsigned long hva)
{
	return 0;
}

#endif

#endif
