// SPDX-License-Identifier: GPL-2.0-only
/*
 * The iommu object: its descriptor, its calls, and changes of the VM's memory.
 *
 * An object holds its VM; the VM has its objects in a list, so that KVLANE_SET_MEMORY
 * finds them. kvlane_vm.iommu_lock is held over a whole call of either, so the memory
 * map does not change under a call on an object, nor an object under a change of the
 * map. It is taken before every other lock, kvlane_vm.lock and the owner's mmap_lock
 * among them.
 */
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/kvlane.h>

#include "iommu.h"
#include "memory.h"
#include "virtio/balloon.h"
#include "vm.h"

static const struct kvlane_memory *kvlane_iommu_memory(const struct kvlane_iommu *iommu)
{
	return rcu_dereference_protected(iommu->vm->memory[0],
					 lockdep_is_held(&iommu->vm->iommu_lock));
}

/**
 * struct kvlane_iopiece - a piece of guest memory that one table holds as a whole or
 *	not at all
 * @gpa: guest physical address
 * @size: bytes
 * @hva: user address, or 0 if the table does not hold it
 */
struct kvlane_iopiece {
	u64 gpa;
	u64 size;
	unsigned long hva;
};

/* The piece that begins at @gpa and ends by @end. */
static struct kvlane_iopiece kvlane_iopiece_at(const struct kvlane_memory *memory, u64 gpa,
					       u64 end)
{
	struct kvlane_iopiece piece = { .gpa = gpa, .size = end - gpa };
	const struct kvlane_memrange *r;
	u64 run;

	if (!memory || !memory->table.nr)
		return piece;
	r = kvlane_memtable_range(&memory->table, gpa);
	piece.hva = kvlane_memrange_find(r, gpa, &run);
	if (piece.hva) {
		piece.size = min(run, end - gpa);
		return piece;
	}
	/* The first range, if none begins at or before gpa. */
	if (r->gpa < gpa)
		r++;
	if (r < memory->table.range + memory->table.nr && r->gpa < end)
		piece.size = r->gpa - gpa;
	return piece;
}

static int kvlane_iommu_add_piece(struct kvlane_iommu *iommu, u64 gpa, u64 size,
				  unsigned long hva)
{
	if (kvlane_iommu_has(iommu, gpa, size))
		return -EBUSY;
	return kvlane_iommu_add(iommu, gpa, size, hva);
}

/* What a balloon has given to the host comes in when the guest has it back. */
static int kvlane_iommu_add_present(struct kvlane_iommu *iommu,
				    const struct kvlane_memrange *r)
{
	u64 gpa, run, end = r->gpa + r->size;
	int err = kvlane_iommu_allows(iommu, r->gpa, r->size);

	for (gpa = r->gpa; gpa < end && !err; gpa += run) {
		if (!kvlane_balloons_have(iommu->vm, gpa, end - gpa, &run))
			err = kvlane_iommu_add(iommu, gpa, run, r->hva + (gpa - r->gpa));
	}
	return err;
}

/*
 * Adds what of a range of new memory the old map does not have at the same place. Without
 * an old map nothing is mapped yet.
 */
static int kvlane_iommu_add_range(struct kvlane_iommu *iommu,
				  const struct kvlane_memory *old,
				  const struct kvlane_memrange *r)
{
	u64 gpa, end = r->gpa + r->size;
	struct kvlane_iopiece piece;
	unsigned long hva;
	int err = 0;

	if (!old)
		return kvlane_iommu_add_present(iommu, r);
	for (gpa = r->gpa; gpa < end && !err; gpa += piece.size) {
		piece = kvlane_iopiece_at(old, gpa, end);
		hva = r->hva + (gpa - r->gpa);
		if (piece.hva != hva)
			err = kvlane_iommu_add_piece(iommu, gpa, piece.size, hva);
	}
	return err;
}

static int kvlane_iommu_add_memory(struct kvlane_iommu *iommu,
				   const struct kvlane_memory *old,
				   const struct kvlane_memory *memory)
{
	int err = 0;
	u32 i;

	for (i = 0; memory && i < memory->table.nr && !err; i++)
		err = kvlane_iommu_add_range(iommu, old, &memory->table.range[i]);
	return err;
}

/**
 * kvlane_iommus_memory_add - map what a new memory map has and the old one has not
 * @vm: the VM, its lock for IOMMUs held
 * @memory: the new map, not in place yet
 *
 * Return: 0, to be followed by kvlane_iommus_memory_done() once the map is in place;
 * or nothing has changed: -EBUSY if memory that is mapped would move to another user
 * address, or what kvlane_iommu_add() returns.
 */
int kvlane_iommus_memory_add(struct kvlane_vm *vm, const struct kvlane_memory *memory)
{
	struct kvlane_iommu *iommu;
	int err = 0;

	list_for_each_entry(iommu, &vm->iommus, node) {
		if (list_empty(&iommu->domains))
			continue;
		err = kvlane_iommu_add_memory(iommu, kvlane_iommu_memory(iommu), memory);
		if (err)
			break;
	}
	if (err)
		kvlane_iommus_memory_undo(vm);
	return err;
}

/**
 * kvlane_iommus_memory_undo - unmap what kvlane_iommus_memory_add() has mapped
 * @vm: the VM, its lock for IOMMUs held
 */
void kvlane_iommus_memory_undo(struct kvlane_vm *vm)
{
	struct kvlane_iommu *iommu;

	list_for_each_entry(iommu, &vm->iommus, node)
		kvlane_iommu_remove_fresh(iommu);
}

/*
 * Removes what the map does not have; what it has did not move, see above. If something
 * is short for splitting a large page, rather too much goes than too little.
 */
static void kvlane_iommu_drop_range(struct kvlane_iommu *iommu,
				    const struct kvlane_memory *memory, u64 gpa, u64 end)
{
	struct kvlane_iopiece piece;

	for (; gpa < end; gpa += piece.size) {
		piece = kvlane_iopiece_at(memory, gpa, end);
		if (!piece.hva && kvlane_iommu_remove(iommu, gpa, piece.size, true))
			kvlane_iommu_remove_touched(iommu, gpa, piece.size);
	}
}

/* Areas come and go meanwhile, so that it is the old map that is gone through. */
static void kvlane_iommu_drop_memory(struct kvlane_iommu *iommu,
				     const struct kvlane_memory *memory)
{
	const struct kvlane_ioarea *area;
	u64 gpa, end = 0;
	bool found;

	do {
		found = false;
		list_for_each_entry(area, &iommu->areas, node) {
			if (area->iova >= end) {
				gpa = area->iova;
				end = gpa + area->size;
				found = true;
				break;
			}
		}
		if (found)
			kvlane_iommu_drop_range(iommu, memory, gpa, end);
	} while (found);
}

/**
 * kvlane_iommus_memory_done - unmap what a new memory map does not have any more
 * @vm: the VM, its lock for IOMMUs held
 * @memory: the map, which is in place
 */
void kvlane_iommus_memory_done(struct kvlane_vm *vm, const struct kvlane_memory *memory)
{
	struct kvlane_iommu *iommu;

	list_for_each_entry(iommu, &vm->iommus, node) {
		kvlane_iommu_keep_fresh(iommu);
		kvlane_iommu_drop_memory(iommu, memory);
	}
}

/**
 * kvlane_iommus_have - is anything of a range mapped by an iommu object?
 * @vm: the VM, its lock for IOMMUs held
 * @gpa: guest physical address
 * @size: bytes
 *
 * Return: true if so.
 */
bool kvlane_iommus_have(const struct kvlane_vm *vm, u64 gpa, u64 size)
{
	const struct kvlane_iommu *iommu;

	list_for_each_entry(iommu, &vm->iommus, node) {
		if (kvlane_iommu_has(iommu, gpa, size))
			return true;
	}
	return false;
}

/**
 * kvlane_iommus_put_back - map memory again in all iommu objects that have devices
 * @vm: the VM, its lock for IOMMUs held; the caller has the owner's address space
 * @gpa: guest physical address
 * @size: bytes
 * @hva: user address
 *
 * Return: 0, or the first error of kvlane_iommu_add(); what can be mapped is.
 */
int kvlane_iommus_put_back(struct kvlane_vm *vm, u64 gpa, u64 size, unsigned long hva)
{
	struct kvlane_iommu *iommu;
	int ret = 0, err;

	list_for_each_entry(iommu, &vm->iommus, node) {
		if (list_empty(&iommu->domains) || kvlane_iommu_has(iommu, gpa, size))
			continue;
		err = kvlane_iommu_add(iommu, gpa, size, hva);
		kvlane_iommu_keep_fresh(iommu);
		ret = ret ?: err;
	}
	return ret;
}

/**
 * kvlane_iommus_take_out - unmap memory in all iommu objects, if no page has to be split
 * @vm: the VM, its lock for IOMMUs held; the caller has the owner's address space
 * @gpa: guest physical address
 * @size: bytes
 *
 * Return: 0, to be followed by kvlane_iommus_put_back() some time, as it also has to be
 * after an error: -EBUSY for a large page, -ENOMEM.
 */
int kvlane_iommus_take_out(struct kvlane_vm *vm, u64 gpa, u64 size)
{
	struct kvlane_iommu *iommu;
	int err = 0;

	list_for_each_entry(iommu, &vm->iommus, node) {
		if (kvlane_iommu_has(iommu, gpa, size))
			err = kvlane_iommu_remove(iommu, gpa, size, false);
		if (err)
			break;
	}
	return err;
}

/* With the first device all memory is mapped. */
static int kvlane_iommu_attach_file(struct kvlane_iommu *iommu, struct file *file)
{
	bool first = list_empty(&iommu->domains);
	int err;

	err = kvlane_iommu_attach(iommu, file);
	if (err || !first)
		return err;
	err = kvlane_iommu_add_memory(iommu, NULL, kvlane_iommu_memory(iommu));
	kvlane_iommu_keep_fresh(iommu);
	if (err)
		kvlane_iommu_detach(iommu, file);
	return err;
}

static long kvlane_iommu_device(struct kvlane_iommu *iommu, const void __user *argp,
				int (*call)(struct kvlane_iommu *, struct file *))
{
	struct kvlane_iommu_device args;
	struct file *file;
	int err;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	file = fget(args.fd);
	if (!file)
		return -EBADF;
	err = call(iommu, file);
	fput(file);
	return err;
}

static int kvlane_iommu_range_read(struct kvlane_iommu_range *args, const void __user *argp,
				   u32 flags)
{
	if (copy_from_user(args, argp, sizeof(*args)))
		return -EFAULT;
	if (args->flags & ~flags || args->reserved0 ||
	    memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	if (!args->size || !PAGE_ALIGNED(args->gpa | args->size) ||
	    args->gpa + args->size <= args->gpa)
		return -EINVAL;
	return 0;
}

/* All of it memory, and none of it mapped. */
static int kvlane_iommu_range_free(struct kvlane_iommu *iommu,
				   const struct kvlane_iommu_range *args)
{
	u64 gpa = args->gpa, end = gpa + args->size;
	struct kvlane_iopiece piece;

	if (list_empty(&iommu->domains))
		return -ENXIO;
	if (kvlane_iommu_has(iommu, gpa, args->size))
		return -EEXIST;
	for (; gpa < end; gpa += piece.size) {
		piece = kvlane_iopiece_at(kvlane_iommu_memory(iommu), gpa, end);
		if (!piece.hva)
			return -ENOENT;
	}
	return 0;
}

static long kvlane_iommu_map(struct kvlane_iommu *iommu, const void __user *argp)
{
	struct kvlane_iommu_range args;
	struct kvlane_iopiece piece;
	u64 gpa, end;
	int err;

	err = kvlane_iommu_range_read(&args, argp, 0);
	if (!err)
		err = kvlane_iommu_range_free(iommu, &args);
	end = args.gpa + args.size;
	for (gpa = args.gpa; !err && gpa < end; gpa += piece.size) {
		piece = kvlane_iopiece_at(kvlane_iommu_memory(iommu), gpa, end);
		err = kvlane_iommu_add(iommu, gpa, piece.size, piece.hva);
	}
	if (err)
		kvlane_iommu_remove_fresh(iommu);
	else
		kvlane_iommu_keep_fresh(iommu);
	return err;
}

static long kvlane_iommu_unmap(struct kvlane_iommu *iommu, const void __user *argp)
{
	struct kvlane_iommu_range args;
	int err;

	err = kvlane_iommu_range_read(&args, argp, KVLANE_IOMMU_WHOLE);
	if (err)
		return err;
	if (list_empty(&iommu->domains))
		return -ENXIO;
	if (!kvlane_iommu_has(iommu, args.gpa, args.size))
		return -ENOENT;
	return kvlane_iommu_remove(iommu, args.gpa, args.size,
				   !(args.flags & KVLANE_IOMMU_WHOLE));
}

static void kvlane_iommu_count(const struct kvlane_iommu *iommu,
			       struct kvlane_iommu_stats *stats)
{
	const struct kvlane_iogroup *g;
	const struct kvlane_iodomain *d;

	list_for_each_entry(g, &iommu->groups, node)
		stats->devices += list_count_nodes((struct list_head *)&g->devices);
	stats->domains = list_count_nodes((struct list_head *)&iommu->domains);
	if (stats->domains)
		stats->page_sizes = ~0ULL;
	list_for_each_entry(d, &iommu->domains, node)
		stats->page_sizes &= d->domain->pgsize_bitmap;
	stats->pin_ns = iommu->pin_ns;
	stats->map_ns = iommu->map_ns;
	stats->unmap_ns = iommu->unmap_ns;
	stats->unpin_ns = iommu->unpin_ns;
	stats->splits = iommu->splits;
	kvlane_iommu_leaves(iommu, stats);
}

static long kvlane_iommu_stats(const struct kvlane_iommu *iommu, void __user *argp)
{
	struct kvlane_iommu_stats stats = {};

	kvlane_iommu_count(iommu, &stats);
	return copy_to_user(argp, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long kvlane_iommu_call(struct kvlane_iommu *iommu, unsigned int cmd,
			      void __user *argp)
{
	switch (cmd) {
	case KVLANE_IOMMU_ATTACH:
		return kvlane_iommu_device(iommu, argp, kvlane_iommu_attach_file);
	case KVLANE_IOMMU_DETACH:
		return kvlane_iommu_device(iommu, argp, kvlane_iommu_detach);
	case KVLANE_IOMMU_MAP:
		return kvlane_iommu_map(iommu, argp);
	case KVLANE_IOMMU_UNMAP:
		return kvlane_iommu_unmap(iommu, argp);
	case KVLANE_IOMMU_STATS:
		return kvlane_iommu_stats(iommu, argp);
	default:
		return -ENOTTY;
	}
}

static long kvlane_iommu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvlane_iommu *iommu = file->private_data;
	long ret;

	if (!kvlane_vm_owned(iommu->vm))
		return -EPERM;
	if (mutex_lock_killable(&iommu->vm->iommu_lock))
		return -EINTR;
	ret = kvlane_iommu_call(iommu, cmd, (void __user *)arg);
	mutex_unlock(&iommu->vm->iommu_lock);
	return ret;
}

static void kvlane_iommu_free_memory(struct kvlane_iommu *iommu)
{
	free_page((unsigned long)iommu->batch);
	free_page((unsigned long)iommu->sg);
	kfree(iommu);
}

static void kvlane_iommu_free(struct kvlane_iommu *iommu)
{
	struct kvlane_vm *vm = iommu->vm;

	mutex_lock(&vm->iommu_lock);
	kvlane_iommu_detach_all(iommu);
	list_del(&iommu->node);
	mutex_unlock(&vm->iommu_lock);
	kvlane_iommu_free_memory(iommu);
	kvlane_vm_put(vm);
}

static int kvlane_iommu_release(struct inode *inode, struct file *file)
{
	kvlane_iommu_free(file->private_data);
	return 0;
}

static const struct file_operations kvlane_iommu_fops = {
	.owner = THIS_MODULE,
	.release = kvlane_iommu_release,
	.unlocked_ioctl = kvlane_iommu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct kvlane_iommu *kvlane_iommu_alloc(struct kvlane_vm *vm)
{
	struct kvlane_iommu *iommu = kzalloc(sizeof(*iommu), GFP_KERNEL_ACCOUNT);

	if (!iommu)
		return NULL;
	iommu->batch = (struct page **)__get_free_page(GFP_KERNEL_ACCOUNT);
	iommu->sg = kvlane_iommu_alloc_sg();
	if (!iommu->batch || !iommu->sg) {
		kvlane_iommu_free_memory(iommu);
		return NULL;
	}
	INIT_LIST_HEAD(&iommu->areas);
	INIT_LIST_HEAD(&iommu->domains);
	INIT_LIST_HEAD(&iommu->groups);
	kvlane_vm_get(vm);
	iommu->vm = vm;
	mutex_lock(&vm->iommu_lock);
	list_add_tail(&iommu->node, &vm->iommus);
	mutex_unlock(&vm->iommu_lock);
	return iommu;
}

/**
 * kvlane_iommu_create - KVLANE_CREATE_IOMMU
 * @vm: the VM
 * @argp: struct kvlane_create_iommu in user memory
 *
 * Return: a descriptor, or a negative errno.
 */
long kvlane_iommu_create(struct kvlane_vm *vm, void __user *argp)
{
	struct kvlane_create_iommu args;
	struct kvlane_iommu *iommu;
	int fd;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	iommu = kvlane_iommu_alloc(vm);
	if (!iommu)
		return -ENOMEM;
	fd = anon_inode_getfd("[kvlane-iommu]", &kvlane_iommu_fops, iommu,
			      O_RDWR | O_CLOEXEC);
	if (fd < 0)
		kvlane_iommu_free(iommu);
	return fd;
}
