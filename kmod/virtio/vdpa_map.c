// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of devices for vDPA.
 *
 * vhost-vdpa gives us the whole of its IOTLB each time it changes, with addresses of the
 * process that has the device open (use_va). Nothing is pinned; lanes reach it as they
 * reach the memory of vmrun's guests. It leaves out without a word what is not shared
 * memory: kvlane_vdpa_mapped() is there to notice.
 *
 * Where the driver is the host's own kernel, addresses are what its DMA API gives for a
 * device without an IOMMU: physical ones. The map is that of all memory the kernel has
 * mapped. Nobody but virtio_vdpa gets it, see vdpa_ops.c.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost_iotlb.h>

#include "../memory.h"
#include "../vm.h"
#include "device.h"
#include "vdpa.h"

#define for_each_map(map, iotlb)                                        \
	for (map = vhost_iotlb_itree_first(iotlb, 0, U64_MAX); map;     \
	     map = vhost_iotlb_itree_next(map, 0, U64_MAX))

/*
 * Most ranges of an address space. Each change copies all of them, out of the sight of
 * whatever limits the process. VFIO lets a process have as many.
 */
#define KVLANE_VDPA_RANGES U16_MAX

/* The driver wants to read and write; what allows but one of them is no memory to us. */
static bool kvlane_vdpa_map_ok(const struct vhost_iotlb_map *map)
{
	return map->perm == VHOST_MAP_RW;
}

static struct kvlane_memory *kvlane_vdpa_map_copy(struct vhost_iotlb *iotlb)
{
	struct kvlane_memory *memory;
	struct vhost_iotlb_map *map;
	u32 nr = 0;

	for_each_map(map, iotlb)
		nr += kvlane_vdpa_map_ok(map);
	if (nr > KVLANE_VDPA_RANGES)
		return ERR_PTR(-ENOSPC);
	memory = kvlane_memory_alloc(nr);
	if (!memory)
		return ERR_PTR(-ENOMEM);

	nr = 0;
	for_each_map(map, iotlb) {
		if (!kvlane_vdpa_map_ok(map))
			continue;
		memory->table.range[nr++] = (struct kvlane_memrange){
			.gpa = map->start,
			.size = map->size,
			.hva = map->addr,
		};
	}
	return memory;
}

static int kvlane_vdpa_map_check(struct kvlane_memory *memory)
{
	const struct kvlane_memtable *table = &memory->table;
	u32 i;

	for (i = 0; i < table->nr; i++)
		if (!access_ok((void __user *)table->range[i].hva, table->range[i].size))
			return -EINVAL;
	return kvlane_memtable_build(&memory->table);
}

static struct kvlane_memory *kvlane_vdpa_map_new(struct vhost_iotlb *iotlb)
{
	struct kvlane_memory *memory = kvlane_vdpa_map_copy(iotlb);
	int err = PTR_ERR_OR_ZERO(memory) ?: kvlane_vdpa_map_check(memory);

	if (!err)
		return memory;
	if (!IS_ERR(memory))
		kvlane_memory_free(memory);
	return ERR_PTR(err);
}

/* Lanes look into the new map, and a read that waits for a back end begins anew. */
static void kvlane_vdpa_rouse(struct kvlane_vdpa *v, bool gone)
{
	struct kvlane_lane *lane;
	u32 i;

	for (i = 0; i < v->dev->num_queues; i++) {
		lane = &v->dev->queues[i].lane;
		kvlane_lane_wake(lane, KVLANE_WORK_MORE);
		if (gone && lane->interruptible)
			kvlane_lane_interrupt(lane);
	}
}

static void kvlane_vdpa_map_renew(struct kvlane_vdpa *v, u32 asid,
				  struct kvlane_memory *memory)
{
	struct kvlane_memory *old = kvlane_memory_exchange(v->dev->vm, asid, memory);
	bool gone = !kvlane_memory_stays(old, memory);

	kvlane_vdpa_rouse(v, gone);
	kvlane_memory_retire(v->dev->vm, old, gone);
}

static bool kvlane_vdpa_range_stays(const struct kvlane_memrange *range,
				    struct vhost_iotlb *iotlb)
{
	const u64 last = range->gpa + range->size - 1;
	const struct vhost_iotlb_map *map;
	u64 at = range->gpa;

	for (;;) {
		map = vhost_iotlb_itree_first(iotlb, at, at);
		if (!map || !kvlane_vdpa_map_ok(map) ||
		    map->addr + (at - map->start) != range->hva + (at - range->gpa))
			return false;
		if (map->last >= last)
			return true;
		at = map->last + 1;
	}
}

/* Is all that lanes reach still mapped, and where it was? */
static bool kvlane_vdpa_map_stays(const struct kvlane_vdpa *v, u32 asid,
				  struct vhost_iotlb *iotlb)
{
	/* The calls that change it come one at a time. */
	const struct kvlane_memory *memory =
		rcu_dereference_protected(v->dev->vm->memory[asid], 1);
	u32 i;

	for (i = 0; memory && i < memory->table.nr; i++)
		if (!kvlane_vdpa_range_stays(&memory->table.range[i], iotlb))
			return false;
	return true;
}

/**
 * kvlane_vdpa_set_map - vdpa_config_ops.set_map
 * @vdpa: the vDPA device
 * @asid: which address space
 * @iotlb: all of its memory
 *
 * Called under vhost-vdpa's lock, and sometimes under the mmap_lock; hence none of
 * ours is taken.
 *
 * vhost-vdpa does not look at the error when it takes memory out, nor at the end of a
 * batch. The process then has other uses for what it took out, so lanes must not go on
 * with the old map.
 *
 * Return: 0, -ENOSPC if there are more than KVLANE_VDPA_RANGES, -EINVAL or -ENOMEM. The map
 * then is what it was if all of that is still in @iotlb; else there is none.
 */
int kvlane_vdpa_set_map(struct vdpa_device *vdpa, unsigned int asid,
			struct vhost_iotlb *iotlb)
{
	struct kvlane_memory *memory = kvlane_vdpa_map_new(iotlb);
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);

	if (!IS_ERR(memory)) {
		kvlane_vdpa_map_renew(v, asid, memory);
		return 0;
	}
	if (!kvlane_vdpa_map_stays(v, asid, iotlb))
		kvlane_vdpa_map_renew(v, asid, NULL);
	return PTR_ERR(memory);
}

/**
 * kvlane_vdpa_reset_map - vdpa_config_ops.reset_map
 * @vdpa: the vDPA device
 * @asid: which address space
 *
 * Return: 0.
 */
int kvlane_vdpa_reset_map(struct vdpa_device *vdpa, unsigned int asid)
{
	kvlane_vdpa_map_renew(kvlane_vdpa_of(vdpa), asid, NULL);
	return 0;
}

/**
 * kvlane_vdpa_map_kernel - let the device reach all memory
 * @v: a device whose driver is the host's kernel
 *
 * Return: 0 or -ENOMEM.
 */
int kvlane_vdpa_map_kernel(struct kvlane_vdpa *v)
{
	struct kvlane_memory *memory = kvlane_memory_alloc(1);
	struct kvlane_vm *vm = v->dev->vm;

	if (!memory)
		return -ENOMEM;
	memory->table.range[0] = (struct kvlane_memrange){
		.gpa = 0,
		/* Some of it may be plugged in later. */
		.size = 1ULL << MAX_PHYSMEM_BITS,
		.hva = (unsigned long)__va(0),
	};
	kvlane_memory_retire(vm, kvlane_memory_exchange(vm, 0, memory), false);
	return 0;
}

static const struct kvlane_memtable kvlane_vdpa_nothing;

/* The part of a ring that is not mapped, or U64_MAX. */
static u64 kvlane_vdpa_gap(const struct kvlane_queue *q)
{
	struct kvlane_vm *vm = q->dev->vm;
	const struct kvlane_memory *memory = srcu_dereference(vm->memory[q->space], &vm->srcu);
	const struct kvlane_memtable *table = memory ? &memory->table : &kvlane_vdpa_nothing;
	const u64 parts[] = { q->desc, q->driver, q->device };
	u64 run;
	int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (!kvlane_memtable_find(table, parts[i], &run))
			return parts[i];
	return U64_MAX;
}

/**
 * kvlane_vdpa_mapped - are all rings in memory that vhost-vdpa has mapped?
 * @v: a device about to start, kvlane_device.lock held
 *
 * If not, there is an event for the first that is not.
 */
bool kvlane_vdpa_mapped(struct kvlane_vdpa *v)
{
	struct kvlane_device *dev = v->dev;
	struct kvlane_event event = { .type = KVLANE_EVENT_NOT_MAPPED };
	u64 gap = U64_MAX;
	int idx;
	u32 i;

	idx = srcu_read_lock(&dev->vm->srcu);
	for (i = 0; i < dev->num_queues && gap == U64_MAX; i++) {
		event.queue = i;
		if (dev->queues[i].enabled)
			gap = kvlane_vdpa_gap(&dev->queues[i]);
	}
	srcu_read_unlock(&dev->vm->srcu, idx);
	if (gap == U64_MAX)
		return true;
	event.value = gap;
	kvlane_events_post(&dev->events, &event);
	return false;
}
