/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_LANE_H
#define KVLANE_LANE_H

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

struct kvlane_thread;
struct task_struct;

/**
 * enum kvlane_work - what a lane was woken for, bits of kvlane_lane.work
 * @KVLANE_WORK_KICK: the driver may have added to the avail ring
 * @KVLANE_WORK_DONE: a back end has finished a request
 * @KVLANE_WORK_MORE: the lane stopped at its budget and goes on
 * @KVLANE_WORK_CALL: kvlane_lane_call() wants something done
 */
enum kvlane_work {
	KVLANE_WORK_KICK,
	KVLANE_WORK_DONE,
	KVLANE_WORK_MORE,
	KVLANE_WORK_CALL,
};

/**
 * struct kvlane_lane_call - a function to be run by a lane
 * @fn: the function
 * @arg: its argument
 * @done: completed when @fn has returned
 */
struct kvlane_lane_call {
	void (*fn)(void *arg);
	void *arg;
	struct completion done;
};

/**
 * struct kvlane_lane_ops - what a lane does; all called by its thread
 * @run: there is work: the enum kvlane_work bits that were found
 * @leave: the thread was killed, and runs nothing afterwards
 */
struct kvlane_lane_ops {
	void (*run)(void *data, unsigned long work);
	void (*leave)(void *data);
};

/**
 * struct kvlane_lane - what serves a virtqueue, in a thread of the guest's owner
 * @task: the thread, as what started it knows it; NULL if there is none
 * @leaving: the same, on its way out
 * @thread: the thread, as the scheduler knows it; NULL until it first runs
 * @tid: the same, as its process knows it; 0 until then
 * @work: enum kvlane_work bits not yet seen by the thread
 * @ops: what it does
 * @data: argument of @ops
 * @interruptible: what it does may sleep for as long as nobody interrupts it
 * @kcov: to whose coverage the thread's work is added, kcov_common_handle()
 * @kicked_ns: time of a kick the thread has not seen, the first of several; or 0
 * @wakeups: times the thread slept and was woken for this lane
 * @slept: of a leader: the thread found nothing to do last time
 * @joined: the thread is another lane's
 * @leader: the first lane of the thread
 * @next: the next lane of the same thread, or NULL
 * @dead: there is no thread, or it was killed with its process: nobody runs the lane
 * @call: function waiting to be run, under @call_lock
 * @call_lock: orders @call against @dead
 * @call_mutex: one caller at a time
 * @idle: where kvlane_lane_wait() sleeps
 */
struct kvlane_lane {
	struct kvlane_thread *task;
	struct kvlane_thread *leaving;
	struct task_struct *thread;
	pid_t tid;
	unsigned long work;
	const struct kvlane_lane_ops *ops;
	void *data;
	bool interruptible;
	u64 kcov;
	u64 kicked_ns;
	u64 wakeups;
	bool slept;
	bool joined;
	struct kvlane_lane *leader;
	struct kvlane_lane *next;
	bool dead;
	struct kvlane_lane_call *call;
	spinlock_t call_lock;
	struct mutex call_mutex;
	wait_queue_head_t idle;
};

void kvlane_lane_init(struct kvlane_lane *lane, const struct kvlane_lane_ops *ops,
		      void *data);
int kvlane_lane_start(struct kvlane_lane *lane, const char *name,
		      struct kvlane_lane *leader, bool kernel);
void kvlane_lane_quit(struct kvlane_lane *lane);
void kvlane_lane_stop(struct kvlane_lane *lane);
void kvlane_lane_interrupt(struct kvlane_lane *lane);
void kvlane_lane_wake(struct kvlane_lane *lane, enum kvlane_work why);
void kvlane_lane_kick(struct kvlane_lane *lane);
int kvlane_lane_place(struct kvlane_lane *lane, const struct cpumask *cpus);
void kvlane_lane_call(struct kvlane_lane *lane, void (*fn)(void *arg),
		      void *arg);
unsigned long kvlane_lane_pending(const struct kvlane_lane *lane);

/**
 * kvlane_lane_dead - was the lane's thread killed?
 * @lane: the lane
 *
 * If so the caller has to look for the lane's work himself, and sees all work
 * whose giver may have missed that the lane is dead.
 */
static inline bool kvlane_lane_dead(const struct kvlane_lane *lane)
{
	/* Before the caller's look; pairs with kvlane_lane_killed(). */
	return smp_load_acquire(&lane->dead);
}

#endif
