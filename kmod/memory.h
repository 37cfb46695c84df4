/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_MEMORY_H
#define KVLANE_MEMORY_H

#include <linux/types.h>

#include "memtable.h"

struct file;
struct kvlane_vm;

/**
 * struct kvlane_memory - a VM's memory map as it was last set
 * @rcu: for freeing it
 * @generation: counts the maps a VM has had, so that a lane sees a change
 * @nr_files: elements of @files
 * @files: the files behind the regions, held
 * @table: gpa to hva; last, it ends in an array
 *
 * Immutable once published in kvlane_vm.memory.
 */
struct kvlane_memory {
	struct rcu_head rcu;
	u64 generation;
	u32 nr_files;
	struct file **files;
	struct kvlane_memtable table;
};

long kvlane_memory_set(struct kvlane_vm *vm, void __user *argp);
struct kvlane_memory *kvlane_memory_alloc(u32 nr);
struct kvlane_memory *kvlane_memory_exchange(struct kvlane_vm *vm, u32 space,
					     struct kvlane_memory *memory);
bool kvlane_memory_stays(const struct kvlane_memory *old, const struct kvlane_memory *memory);
void kvlane_memory_retire(struct kvlane_vm *vm, struct kvlane_memory *old, bool gone);
void kvlane_memory_free(struct kvlane_memory *memory);
bool kvlane_file_is_plain(const struct file *file);

#endif
