// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that serve a guest. As a rule they are threads of the process that owns it
 * (vhost_task): in its address space, its cgroup and its CPU set, and gone with it. Where
 * the driver is the host's own kernel (virtio_vdpa) there is no such process, and they
 * are the kernel's.
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/vhost_task.h>
#include <linux/slab.h>

#include "thread.h"

/**
 * struct kvlane_thread - a thread
 * @own: if it is a process's
 * @kernel: if it is the kernel's; one of them is NULL
 * @fn: what it does; of a thread of the kernel
 * @data: argument of @fn
 */
struct kvlane_thread {
	struct vhost_task *own;
	struct task_struct *kernel;
	bool (*fn)(void *data);
	void *data;
};

/*
 * As vhost_task does it, for threads that nobody can kill. The host's own file systems may
 * be on the disk that such a thread serves. So memory must not be waited for until they
 * have written to that disk, nor must what it writes for them be held up for there being too
 * much to write.
 */
static int kvlane_thread_loop(void *data)
{
	struct kvlane_thread *thread = data;
	unsigned int flags = memalloc_noio_save();

	current->flags |= PF_LOCAL_THROTTLE;
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		/* An interruption has had its effect, see kvlane_lane_interrupt(). */
		if (test_thread_flag(TIF_NOTIFY_SIGNAL))
			clear_notify_signal();
		if (!thread->fn(thread->data))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	memalloc_noio_restore(flags);
	return 0;
}

static int kvlane_thread_make(struct kvlane_thread *thread, void (*killed)(void *data),
			      const char *name, bool kernel)
{
	if (kernel) {
		thread->kernel = kthread_create(kvlane_thread_loop, thread, "%s", name);
		return PTR_ERR_OR_ZERO(thread->kernel);
	}
	thread->own = vhost_task_create(thread->fn, killed, thread->data, name);
	return PTR_ERR_OR_ZERO(thread->own);
}

/**
 * kvlane_thread_create - make a thread, which does not run yet
 * @fn: called in TASK_INTERRUPTIBLE, again and again; returns false if the thread may
 *	sleep until it is woken, or else true, having set TASK_RUNNING
 * @killed: called last, if the thread's process is killed
 * @data: argument of both
 * @name: its name
 * @kernel: it is to be the kernel's, and not the calling process's
 *
 * Return: the thread, or an ERR_PTR().
 */
struct kvlane_thread *kvlane_thread_create(bool (*fn)(void *data), void (*killed)(void *data),
					   void *data, const char *name, bool kernel)
{
	struct kvlane_thread *thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	int err;

	if (!thread)
		return ERR_PTR(-ENOMEM);
	thread->fn = fn;
	thread->data = data;
	err = kvlane_thread_make(thread, killed, name, kernel);
	if (err) {
		kfree(thread);
		return ERR_PTR(err);
	}
	return thread;
}

/**
 * kvlane_thread_start - let a thread run
 * @thread: one that was just created
 */
void kvlane_thread_start(struct kvlane_thread *thread)
{
	if (thread->own)
		vhost_task_start(thread->own);
	else
		wake_up_process(thread->kernel);
}

/**
 * kvlane_thread_wake - have a thread look for work
 * @thread: a thread that was started, whether it was killed or not
 *
 * Any context.
 */
void kvlane_thread_wake(struct kvlane_thread *thread)
{
	if (thread->own)
		vhost_task_wake(thread->own);
	else
		wake_up_process(thread->kernel);
}

/**
 * kvlane_thread_stop - end a thread, and free it
 * @thread: a thread that was started; nobody wakes it any more
 */
void kvlane_thread_stop(struct kvlane_thread *thread)
{
	if (thread->own)
		vhost_task_stop(thread->own);
	else
		kthread_stop(thread->kernel);
	kfree(thread);
}
