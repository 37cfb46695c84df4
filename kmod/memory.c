// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVLANE_SET_MEMORY: check a new memory map, then put it in the old one's
 * place.
 *
 * Lanes read the map under the VM's SRCU. The call returns after a grace
 * period, so the caller may unmap what the new map does not name any more.
 * IOMMUs get what is new before, and lose what is gone after.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/kvlane.h>

#include "iommu/iommu.h"
#include "memory.h"
#include "virtio/balloon.h"
#include "virtio/device.h"
#include "vm.h"

/**
 * kvlane_memory_free - drop a memory map nobody reads any more
 * @memory: the map, or NULL
 */
void kvlane_memory_free(struct kvlane_memory *memory)
{
	u32 i;

	if (!memory)
		return;
	for (i = 0; i < memory->nr_files; i++)
		fput(memory->files[i]);
	kvfree(memory->files);
	kvfree(memory);
}

/**
 * kvlane_memory_alloc - a memory map to be filled in
 * @nr: ranges
 *
 * Return: the map, or NULL.
 */
struct kvlane_memory *kvlane_memory_alloc(u32 nr)
{
	struct kvlane_memory *memory;

	memory = kvzalloc(struct_size(memory, table.range, nr),
			  GFP_KERNEL_ACCOUNT);
	if (!memory)
		return NULL;
	memory->table.nr = nr;
	memory->files = kvcalloc(nr, sizeof(*memory->files),
				 GFP_KERNEL_ACCOUNT);
	if (nr && !memory->files) {
		kvfree(memory);
		return NULL;
	}
	return memory;
}

/**
 * kvlane_file_is_plain - is a file one of a file system, or a device?
 * @file: the file
 *
 * Above all no descriptor of ours is, nor a socket with one in flight: a VM that holds it
 * would hold itself.
 *
 * Return: true if so.
 */
bool kvlane_file_is_plain(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	/* Since 6.16 files without an inode of their own have the mode of regular ones. */
	return inode->i_sb->s_magic != ANON_INODE_FS_MAGIC &&
	       (S_ISREG(inode->i_mode) || S_ISCHR(inode->i_mode));
}

static int kvlane_memory_add_file(struct kvlane_memory *memory,
				  const struct kvlane_region *region)
{
	struct file *file;

	if (region->fd < -1)
		return -EBADF;
	if (region->fd == -1)
		return region->offset ? -EINVAL : 0;
	if (!PAGE_ALIGNED(region->offset))
		return -EINVAL;
	file = fget(region->fd);
	if (!file)
		return -EBADF;
	if (!kvlane_file_is_plain(file)) {
		fput(file);
		return -EINVAL;
	}
	memory->files[memory->nr_files++] = file;
	return 0;
}

static int kvlane_memory_add(struct kvlane_memory *memory, u32 index,
			     const struct kvlane_region *region)
{
	if (region->flags)
		return -EINVAL;
	if (region->hva > ULONG_MAX ||
	    !access_ok(u64_to_user_ptr(region->hva), region->size))
		return -EINVAL;

	memory->table.range[index] = (struct kvlane_memrange){
		.gpa = region->gpa,
		.size = region->size,
		.hva = region->hva,
	};
	return kvlane_memory_add_file(memory, region);
}

static struct kvlane_memory *
kvlane_memory_read(const struct kvlane_set_memory *args)
{
	const struct kvlane_region __user *regions =
		u64_to_user_ptr(args->regions);
	struct kvlane_memory *memory;
	struct kvlane_region region;
	int err = 0;
	u32 i;

	memory = kvlane_memory_alloc(args->nr_regions);
	if (!memory)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < args->nr_regions && !err; i++) {
		if (copy_from_user(&region, regions + i, sizeof(region)))
			err = -EFAULT;
		else
			err = kvlane_memory_add(memory, i, &region);
	}
	if (!err)
		err = kvlane_memtable_build(&memory->table);
	if (err) {
		kvlane_memory_free(memory);
		return ERR_PTR(err);
	}
	return memory;
}

static int kvlane_memory_replace(struct kvlane_vm *vm,
				 struct kvlane_memory *memory)
{
	struct kvlane_memory *old;
	int err;

	lockdep_assert_held(&vm->iommu_lock);
	err = kvlane_iommus_memory_add(vm, memory);
	if (err)
		return err;

	mutex_lock(&vm->lock);
	old = rcu_dereference_protected(vm->memory[0],
					lockdep_is_held(&vm->lock));
	memory->generation = ++vm->generation;
	rcu_assign_pointer(vm->memory[0], memory);
	kvlane_devices_memory_changed(vm);
	mutex_unlock(&vm->lock);

	synchronize_srcu_expedited(&vm->srcu);
	kvlane_balloons_memory_changed(vm, old, memory);
	kvlane_memory_free(old);
	kvlane_iommus_memory_done(vm, memory);
	return 0;
}

/* Is all of a range where it was? */
static bool kvlane_memrange_stays(const struct kvlane_memrange *range,
				  const struct kvlane_memtable *now)
{
	u64 run;

	return kvlane_memtable_find(now, range->gpa, &run) == range->hva &&
	       run >= range->size;
}

/**
 * kvlane_memory_stays - is all that was in a memory map in another one, where it was?
 * @old: the map, or NULL for none
 * @memory: the other one, or NULL for none
 */
bool kvlane_memory_stays(const struct kvlane_memory *old, const struct kvlane_memory *memory)
{
	u32 i;

	for (i = 0; old && i < old->table.nr; i++)
		if (!memory || !kvlane_memrange_stays(&old->table.range[i], &memory->table))
			return false;
	return true;
}

static void kvlane_memory_free_rcu(struct rcu_head *rcu)
{
	kvlane_memory_free(container_of(rcu, struct kvlane_memory, rcu));
}

/*
 * Until no lane looks into the old map any more, and no request reaches for what was in it.
 * The caller may hold its mmap_lock, for which a lane that reads a page in may have to wait
 * behind a writer, so there is an end to the patience.
 */
static void kvlane_memory_wait(struct kvlane_vm *vm)
{
	unsigned long end = jiffies + HZ;
	unsigned long look = start_poll_synchronize_srcu(&vm->srcu);
	unsigned long reach = start_poll_synchronize_srcu(&vm->reach);

	while (!(poll_state_synchronize_srcu(&vm->srcu, look) &&
		 poll_state_synchronize_srcu(&vm->reach, reach)) && time_before(jiffies, end))
		usleep_range(50, 200);
}

/**
 * kvlane_memory_exchange - put a memory map without files in the place of the old one
 * @vm: a VM that is shared, and has no IOMMU
 * @space: which of its address spaces
 * @memory: the map, built; or NULL for none
 *
 * The calls come one at a time. It may be called with the mmap_lock held for reading, and
 * takes no lock.
 *
 * Return: the old map, for kvlane_memory_retire(); or NULL.
 */
struct kvlane_memory *kvlane_memory_exchange(struct kvlane_vm *vm, u32 space,
					     struct kvlane_memory *memory)
{
	struct kvlane_memory *old = rcu_dereference_protected(vm->memory[space], 1);

	/* Before the map, and it is never the one of no map: kvlane_request_mapped(). */
	WRITE_ONCE(vm->generation, vm->generation + 1);
	if (memory)
		memory->generation = vm->generation;
	rcu_assign_pointer(vm->memory[space], memory);
	return old;
}

/**
 * kvlane_memory_retire - drop a memory map, once nobody reads it
 * @vm: the VM
 * @old: what kvlane_memory_exchange() returned, if anything
 * @gone: memory is gone with it: return when nobody reaches for it any more, or after a
 *	second
 */
void kvlane_memory_retire(struct kvlane_vm *vm, struct kvlane_memory *old, bool gone)
{
	if (!old)
		return;
	if (gone)
		kvlane_memory_wait(vm);
	call_srcu(&vm->srcu, &old->rcu, kvlane_memory_free_rcu);
}

/**
 * kvlane_memory_set - KVLANE_SET_MEMORY
 * @vm: the VM
 * @argp: struct kvlane_set_memory in user memory
 *
 * Return: 0 or a negative errno, the map then being what it was.
 */
long kvlane_memory_set(struct kvlane_vm *vm, void __user *argp)
{
	struct kvlane_set_memory args;
	struct kvlane_memory *memory;
	int err;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	if (args.nr_regions > KVLANE_MAX_REGIONS)
		return -E2BIG;

	memory = kvlane_memory_read(&args);
	if (IS_ERR(memory))
		return PTR_ERR(memory);

	mutex_lock(&vm->iommu_lock);
	err = kvlane_memory_replace(vm, memory);
	mutex_unlock(&vm->iommu_lock);
	if (err)
		kvlane_memory_free(memory);
	return err;
}
