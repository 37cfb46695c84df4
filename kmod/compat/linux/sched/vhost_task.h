/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 6.4: threads of a process, for the kernel's work. Before, they are the kernel's, in the
 * process's address space and its cgroups, as those of vhost were. Such a thread is not
 * killed with the process; but whoever the process's files belong to is told by their
 * release, and stops it.
 */
#ifndef KVLANE_COMPAT_VHOST_TASK_H
#define KVLANE_COMPAT_VHOST_TASK_H

#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

struct vhost_task {
	struct task_struct *task;
	struct mm_struct *mm;
	bool (*fn)(void *data);
	void *data;
};

static inline int vhost_task_fn(void *data)
{
	struct vhost_task *vtsk = data;

	kthread_use_mm(vtsk->mm);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (test_thread_flag(TIF_NOTIFY_SIGNAL))
			clear_notify_signal();
		if (!vtsk->fn(vtsk->data))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	kthread_unuse_mm(vtsk->mm);
	return 0;
}

static inline struct vhost_task *vhost_task_create(bool (*fn)(void *data),
						   void (*killed)(void *data),
						   void *data, const char *name)
{
	struct vhost_task *vtsk = kzalloc(sizeof(*vtsk), GFP_KERNEL_ACCOUNT);
	int err;

	if (!vtsk)
		return ERR_PTR(-ENOMEM);
	vtsk->fn = fn;
	vtsk->data = data;
	vtsk->task = kthread_create(vhost_task_fn, vtsk, "%s", name);
	err = PTR_ERR_OR_ZERO(vtsk->task);
	if (!err) {
		err = cgroup_attach_task_all(current, vtsk->task);
		if (err)
			kthread_stop(vtsk->task);
	}
	if (err) {
		kfree(vtsk);
		return ERR_PTR(err);
	}
	vtsk->mm = current->mm;
	mmget(vtsk->mm);
	return vtsk;
}

static inline void vhost_task_start(struct vhost_task *vtsk)
{
	wake_up_process(vtsk->task);
}

static inline void vhost_task_wake(struct vhost_task *vtsk)
{
	wake_up_process(vtsk->task);
}

static inline void vhost_task_stop(struct vhost_task *vtsk)
{
	kthread_stop(vtsk->task);
	mmput(vtsk->mm);
	kfree(vtsk);
}

#endif
