// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM object: owner, memory map, list of devices.
 *
 * A VM is bound to the address space that created it. Lanes run in that
 * address space and reach guest memory through its mappings, so a descriptor
 * passed to another process can be closed and polled there, not driven.
 */
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/magic.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <linux/kvlane.h>
#include <net/net_namespace.h>

#include "dirty.h"
#include "iommu/iommu.h"
#include "irq_info.h"
#include "memory.h"
#include "virtio/device.h"
#include "vm.h"

static atomic64_t kvlane_vm_last = ATOMIC64_INIT(0);

/**
 * kvlane_vm_owned - may the caller drive the VM?
 * @vm: the VM
 *
 * Return: true if it is in the VM's address space, or the VM is for all to drive.
 */
bool kvlane_vm_owned(const struct kvlane_vm *vm)
{
	return vm->shared || current->mm == vm->mm;
}

/**
 * kvlane_vm_get - take a reference
 * @vm: the VM
 */
void kvlane_vm_get(struct kvlane_vm *vm)
{
	kref_get(&vm->ref);
}

static void kvlane_vm_free(struct kref *ref)
{
	struct kvlane_vm *vm = container_of(ref, struct kvlane_vm, ref);
	int i;

	for (i = 0; i < KVLANE_SPACES; i++)
		kvlane_memory_free(rcu_dereference_protected(vm->memory[i], 1));
	kvlane_dirty_free(rcu_dereference_protected(vm->dirty, 1));
	srcu_barrier(&vm->srcu);
	cleanup_srcu_struct(&vm->reach);
	cleanup_srcu_struct(&vm->srcu);
	if (vm->kvm)
		fput(vm->kvm);
	if (vm->mm)
		mmdrop(vm->mm);
	put_net(vm->net);
	kfree(vm);
}

/**
 * kvlane_vm_put - drop a reference; the last one frees the VM
 * @vm: the VM
 */
void kvlane_vm_put(struct kvlane_vm *vm)
{
	kref_put(&vm->ref, kvlane_vm_free);
}

static int kvlane_vm_release(struct inode *inode, struct file *file)
{
	kvlane_vm_put(file->private_data);
	return 0;
}

static long kvlane_vm_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	struct kvlane_vm *vm = file->private_data;
	void __user *argp = (void __user *)arg;

	if (!kvlane_vm_owned(vm))
		return -EPERM;

	switch (cmd) {
	case KVLANE_SET_MEMORY:
		return kvlane_memory_set(vm, argp);
	case KVLANE_CREATE_DEVICE:
		return kvlane_device_create(vm, argp);
	case KVLANE_SET_DIRTY_LOG:
		return kvlane_dirty_set(vm, argp);
	case KVLANE_GET_DIRTY_LOG:
		return kvlane_dirty_get(vm, argp);
	case KVLANE_CREATE_IOMMU:
		return kvlane_iommu_create(vm, argp);
	case KVLANE_IRQ_INFO:
		return kvlane_irq_info(vm, argp);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations kvlane_vm_fops = {
	.owner = THIS_MODULE,
	.release = kvlane_vm_release,
	.unlocked_ioctl = kvlane_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/*
 * KVM's own test for its files is not for other modules to link against. The
 * name is enough: files of this file system are named by the kernel alone, and
 * only KVM names one so.
 */
static bool kvlane_file_is_kvm(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(file->f_path.dentry->d_name.name, "kvm-vm");
}

static struct file *kvlane_kvm_get(int fd)
{
	struct file *file;

	if (fd == -1)
		return NULL;
	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (!kvlane_file_is_kvm(file)) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file;
}

/**
 * kvlane_vm_alloc - a VM of the calling process
 * @kvm_fd: descriptor of a KVM VM, or -1
 *
 * Return: the VM, or an ERR_PTR().
 */
struct kvlane_vm *kvlane_vm_alloc(int kvm_fd)
{
	struct kvlane_vm *vm;
	int err;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);

	err = init_srcu_struct(&vm->srcu);
	if (err)
		goto err_free;
	err = init_srcu_struct(&vm->reach);
	if (err)
		goto err_srcu;

	vm->kvm = kvlane_kvm_get(kvm_fd);
	if (IS_ERR(vm->kvm)) {
		err = PTR_ERR(vm->kvm);
		goto err_reach;
	}

	vm->inhibits = kvlane_irq_inhibits(vm->kvm);
	kref_init(&vm->ref);
	mutex_init(&vm->iommu_lock);
	INIT_LIST_HEAD(&vm->iommus);
	INIT_LIST_HEAD(&vm->balloons);
	mutex_init(&vm->lock);
	INIT_LIST_HEAD(&vm->devices);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	vm->id = atomic64_inc_return(&kvlane_vm_last);
	vm->pid = task_tgid_nr(current);
	vm->own_pid = task_tgid_vnr(current);
	vm->net = get_net(current->nsproxy->net_ns);
	return vm;

err_reach:
	cleanup_srcu_struct(&vm->reach);
err_srcu:
	cleanup_srcu_struct(&vm->srcu);
err_free:
	kfree(vm);
	return ERR_PTR(err);
}

/**
 * kvlane_vm_lend - give a shared VM another address space
 * @vm: the VM, with its device stopped
 * @mm: the calling process's, or NULL
 */
void kvlane_vm_lend(struct kvlane_vm *vm, struct mm_struct *mm)
{
	struct mm_struct *old;

	if (mm)
		mmgrab(mm);
	mutex_lock(&vm->iommu_lock);
	old = vm->mm;
	vm->mm = mm;
	if (mm) {
		vm->pid = task_tgid_nr(current);
		vm->own_pid = task_tgid_vnr(current);
	}
	mutex_unlock(&vm->iommu_lock);
	if (old)
		mmdrop(old);
}

/**
 * kvlane_vm_mm_get - the owner's address space, to work in it
 * @vm: the VM
 *
 * Takes kvlane_vm.iommu_lock.
 *
 * Return: NULL if there is none, or its process ends; otherwise it has to be put.
 */
struct mm_struct *kvlane_vm_mm_get(struct kvlane_vm *vm)
{
	struct mm_struct *mm;

	mutex_lock(&vm->iommu_lock);
	mm = vm->mm;
	if (mm && !mmget_not_zero(mm))
		mm = NULL;
	mutex_unlock(&vm->iommu_lock);
	return mm;
}

struct kvlane_vm_errand {
	struct work_struct work;
	struct mm_struct *mm;
	void (*fn)(void *data);
	void *data;
};

static void kvlane_vm_errand(struct work_struct *work)
{
	struct kvlane_vm_errand *errand = container_of(work, struct kvlane_vm_errand, work);

	kthread_use_mm(errand->mm);
	errand->fn(errand->data);
	kthread_unuse_mm(errand->mm);
}

/* Its lanes may have the address space for a moment longer. */
static bool kvlane_vm_ends(const struct kvlane_vm *vm)
{
	return !current->mm && task_tgid_nr(current) == vm->pid &&
	       current->signal->flags & SIGNAL_GROUP_EXIT;
}

/**
 * kvlane_vm_run - do something in the owner's address space, whoever calls
 * @vm: the VM
 * @fn: what is to be done; it is, when this returns
 * @data: given to @fn
 *
 * The caller may be another process, to which a descriptor was passed: then a worker does it.
 * Nothing is done if the owner has ended, or ends with this call. Without
 * kvlane_vm.iommu_lock.
 */
void kvlane_vm_run(struct kvlane_vm *vm, void (*fn)(void *data), void *data)
{
	struct kvlane_vm_errand errand = { .fn = fn, .data = data };

	errand.mm = kvlane_vm_ends(vm) ? NULL : kvlane_vm_mm_get(vm);
	if (!errand.mm)
		return;
	if (errand.mm == current->mm) {
		fn(data);
	} else {
		INIT_WORK_ONSTACK(&errand.work, kvlane_vm_errand);
		queue_work(system_dfl_wq, &errand.work);
		flush_work(&errand.work);
		destroy_work_on_stack(&errand.work);
	}
	mmput(errand.mm);
}

/**
 * kvlane_vm_create - KVLANE_CREATE_VM
 * @argp: struct kvlane_create_vm in user memory
 *
 * Return: a descriptor, or a negative errno.
 */
long kvlane_vm_create(void __user *argp)
{
	struct kvlane_create_vm args;
	struct kvlane_vm *vm;
	int fd;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;

	vm = kvlane_vm_alloc(args.kvm_fd);
	if (IS_ERR(vm))
		return PTR_ERR(vm);

	fd = anon_inode_getfd("[kvlane-vm]", &kvlane_vm_fops, vm,
			      O_RDWR | O_CLOEXEC);
	if (fd < 0)
		kvlane_vm_put(vm);
	return fd;
}
