/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_VM_H
#define KVLANE_VM_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/srcu.h>
#include <linux/types.h>

struct kvlane_memory;
struct net;

/**
 * define KVLANE_SPACES - address spaces that the queues of a device can be in
 */
#define KVLANE_SPACES 2

/**
 * struct kvlane_vm - a guest: its memory and its devices
 * @ref: one for the VM descriptor, one for each device and iommu object
 * @id: number of the VM, for events
 * @pid: the process that created it, in the initial PID namespace
 * @own_pid: the same, as it sees itself
 * @net: network namespace in which it was created
 * @shared: it belongs to whoever has a descriptor of its device
 * @mm: the owner's address space, in which the guest's memory is mapped. If @shared,
 *	that of the process that has the device open, or NULL; changed under @iommu_lock.
 * @kvm: file of the KVM VM, or NULL; holding it keeps the KVM VM alive
 * @inhibits: KVM's reasons not to use APICv for it, in @kvm; NULL if not known
 * @iommu_lock: serialises changes of @memory, and calls on @iommus; outside of @lock
 * @iommus: the VM's iommu objects, under @iommu_lock
 * @balloons: struct kvlane_balloon_blocks of the VM's balloons, under @iommu_lock
 * @lock: serialises changes of @memory and @devices
 * @memory: the memory map, read under @srcu, replaced under @iommu_lock and @lock; a
 *	second one if @shared and the driver has an address space for some queues only
 * @generation: memory maps so far, changed just before @memory; if @shared, also without
 *	its locks
 * @dirty: the log of what devices write, or NULL; read under @srcu, replaced under @lock
 * @srcu: what lanes hold while they look into @memory
 * @reach: if @shared, what requests hold while they reach for the guest's memory, see
 *	virtio/remap.c
 * @devices: the VM's devices, under @lock
 * @nr_devices: devices made so far, under @lock
 */
struct kvlane_vm {
	struct kref ref;
	u64 id;
	pid_t pid;
	pid_t own_pid;
	struct net *net;
	bool shared;
	struct mm_struct *mm;
	struct file *kvm;
	const unsigned long *inhibits;
	struct mutex iommu_lock;
	struct list_head iommus;
	struct list_head balloons;
	struct mutex lock;
	struct kvlane_memory __rcu *memory[KVLANE_SPACES];
	u64 generation;
	struct kvlane_dirty __rcu *dirty;
	struct srcu_struct srcu;
	struct srcu_struct reach;
	struct list_head devices;
	u32 nr_devices;
};

long kvlane_vm_create(void __user *argp);
struct kvlane_vm *kvlane_vm_alloc(int kvm_fd);
void kvlane_vm_lend(struct kvlane_vm *vm, struct mm_struct *mm);
void kvlane_vm_get(struct kvlane_vm *vm);
void kvlane_vm_put(struct kvlane_vm *vm);
bool kvlane_vm_owned(const struct kvlane_vm *vm);
struct mm_struct *kvlane_vm_mm_get(struct kvlane_vm *vm);
void kvlane_vm_run(struct kvlane_vm *vm, void (*fn)(void *data), void *data);

#endif
