// SPDX-License-Identifier: GPL-2.0-only
/*
 * A lane: one virtqueue, served by one thread, no locks.
 *
 * What belongs to a queue's data plane - the ring, the requests, the counters -
 * is touched by its lane alone. Everybody else sends the lane a bit of work
 * (kvlane_lane_wake(), from any context), or has it run a function and waits
 * (kvlane_lane_call(), from process context). Hence the data plane needs no
 * lock, and stopping a queue is a call like any other.
 *
 * Lanes of neighbouring queues may share a thread, the leader's, which takes them
 * in turn (@next leads from the leader to the others). That saves wake-ups where
 * work for one queue brings work for the other. To everybody else each is a lane
 * like any other.
 *
 * The thread is one of the process that owns the guest (thread.c), and dies when that
 * process is killed. From then on (@dead) nobody runs the queue, so whoever tears it down
 * may do the lane's part himself; kvlane_lane_call() does that without its caller
 * noticing. A lane that has no thread yet, or none any more, is dead in just this way: devices
 * that wait for a process to open them have such lanes (vdpa.c).
 *
 * Ordering: a waker sets the bit before it wakes. The thread sets
 * TASK_INTERRUPTIBLE (a full barrier) before it looks at the bits, so either it
 * sees the bit or the waker sees it asleep. A waker that finds the bit set
 * leaves the waking to the one who set it.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kcov.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "lane.h"
#include "thread.h"

static void kvlane_lane_answer(struct kvlane_lane *lane)
{
	struct kvlane_lane_call *call;

	spin_lock(&lane->call_lock);
	call = lane->call;
	lane->call = NULL;
	spin_unlock(&lane->call_lock);

	if (call) {
		call->fn(call->arg);
		complete(&call->done);
	}
}

static void kvlane_lane_work(struct kvlane_lane *lane, unsigned long work)
{
	kcov_remote_start_common(lane->kcov);
	if (work & BIT(KVLANE_WORK_CALL))
		kvlane_lane_answer(lane);
	work &= ~BIT(KVLANE_WORK_CALL);
	if (work)
		lane->ops->run(lane->data, work);
	kcov_remote_stop();
}

static struct kvlane_lane *kvlane_lane_next(const struct kvlane_lane *lane)
{
	/* A lane may join its leader while that runs; see kvlane_lane_join(). */
	return smp_load_acquire(&lane->next);
}

/* The lanes of a thread. */
#define for_each_lane(lane, leader) \
	for (lane = leader; lane; lane = kvlane_lane_next(lane))

/**
 * kvlane_lane_pending - what there is to do for the lane's thread
 * @lane: any of the thread's lanes
 *
 * Return: enum kvlane_work bits that a lane of the thread was woken with, and has
 * not run for since.
 */
unsigned long kvlane_lane_pending(const struct kvlane_lane *lane)
{
	const struct kvlane_lane *each;
	unsigned long work = 0;

	for_each_lane(each, lane->leader)
		work |= READ_ONCE(each->work);
	return work;
}

static void kvlane_lane_turn(struct kvlane_lane *leader, struct kvlane_lane *lane)
{
	if (!READ_ONCE(lane->work))
		return;
	if (!lane->thread) {
		WRITE_ONCE(lane->tid, task_pid_vnr(current));
		lane->thread = current;
	}
	if (leader->slept) {
		leader->slept = false;
		lane->wakeups++;
	}
	kvlane_lane_work(lane, xchg(&lane->work, 0));
}

static bool kvlane_lane_fn(void *data)
{
	struct kvlane_lane *leader = data, *lane;

	if (!kvlane_lane_pending(leader)) {
		leader->slept = true;
		return false;
	}
	__set_current_state(TASK_RUNNING);
	for_each_lane(lane, leader)
		kvlane_lane_turn(leader, lane);
	cond_resched();
	return true;
}

static void kvlane_lane_die(struct kvlane_lane *lane)
{
	lane->ops->leave(lane->data);
	spin_lock(&lane->call_lock);
	/* After all this lane did; pairs with kvlane_lane_dead(). */
	smp_store_release(&lane->dead, true);
	spin_unlock(&lane->call_lock);

	kvlane_lane_answer(lane);
	/* Whoever waits for the queue to drain has to go on by himself now. */
	wake_up_all(&lane->idle);
}

static void kvlane_lane_killed(void *data)
{
	struct kvlane_lane *lane;

	for_each_lane(lane, data)
		kvlane_lane_die(lane);
}

static int kvlane_lane_lead(struct kvlane_lane *lane, const char *name, bool kernel)
{
	struct kvlane_thread *task;

	task = kvlane_thread_create(kvlane_lane_fn, kvlane_lane_killed, lane, name, kernel);
	if (IS_ERR(task))
		return PTR_ERR(task);
	lane->slept = true;
	lane->dead = false;
	WRITE_ONCE(lane->task, task);
	kvlane_thread_start(task);
	return 0;
}

static void kvlane_lane_join(struct kvlane_lane *lane, struct kvlane_lane *leader)
{
	WRITE_ONCE(lane->task, leader->task);
	lane->leader = leader;
	lane->joined = true;
	spin_lock(&leader->call_lock);
	lane->dead = leader->dead;
	lane->next = leader->next;
	/* All of the lane before it is seen. */
	smp_store_release(&leader->next, lane);
	spin_unlock(&leader->call_lock);
}

/**
 * kvlane_lane_init - prepare a lane that has no thread
 * @lane: the lane
 * @ops: what it does
 * @data: argument of @ops
 *
 * It is dead until kvlane_lane_start().
 */
void kvlane_lane_init(struct kvlane_lane *lane, const struct kvlane_lane_ops *ops,
		      void *data)
{
	*lane = (struct kvlane_lane){
		.ops = ops,
		.data = data,
		.kcov = kcov_common_handle(),
		.leader = lane,
		.dead = true,
	};
	spin_lock_init(&lane->call_lock);
	mutex_init(&lane->call_mutex);
	init_waitqueue_head(&lane->idle);
}

/**
 * kvlane_lane_start - give a lane a thread
 * @lane: the lane, without one
 * @name: name of the thread, if it is a new one
 * @leader: the lane whose thread it is to share, which was started for itself;
 *	NULL for a thread of its own
 * @kernel: as with kvlane_thread_create()
 *
 * Nobody calls it meanwhile.
 *
 * Return: 0 or a negative errno.
 */
int kvlane_lane_start(struct kvlane_lane *lane, const char *name,
		      struct kvlane_lane *leader, bool kernel)
{
	if (!leader)
		return kvlane_lane_lead(lane, name, kernel);
	kvlane_lane_join(lane, leader);
	return 0;
}

/* Once more as kvlane_lane_init() left it. */
static void kvlane_lane_bury(struct kvlane_lane *lane)
{
	spin_lock(&lane->call_lock);
	lane->thread = NULL;
	WRITE_ONCE(lane->tid, 0);
	lane->leader = lane;
	lane->next = NULL;
	lane->joined = false;
	/* After all the thread did; pairs with kvlane_lane_dead(). */
	smp_store_release(&lane->dead, true);
	spin_unlock(&lane->call_lock);
}

/**
 * kvlane_lane_quit - let go of a lane's thread
 * @lane: the lane, with nothing in flight
 *
 * To be followed by synchronize_rcu(), after which nobody is about to wake the thread any
 * more, and kvlane_lane_stop(); nobody calls the lane meanwhile.
 */
void kvlane_lane_quit(struct kvlane_lane *lane)
{
	if (!lane->joined)
		lane->leaving = lane->task;
	WRITE_ONCE(lane->task, NULL);
}

/**
 * kvlane_lane_stop - end a lane's thread
 * @lane: a lane that has let go of its thread, as have all that share it
 *
 * All lanes of the thread are dead afterwards; for a lane that joined another this does
 * nothing.
 */
void kvlane_lane_stop(struct kvlane_lane *lane)
{
	struct kvlane_lane *each, *next;

	if (lane->joined || !lane->leaving)
		return;
	kvlane_thread_stop(lane->leaving);
	lane->leaving = NULL;
	for (each = lane; each; each = next) {
		next = each->next;
		kvlane_lane_bury(each);
	}
}

/**
 * kvlane_lane_interrupt - get a lane out of an interruptible sleep
 * @lane: the lane
 *
 * What it waits for ends with -EINTR or the like, as by a signal. To be
 * preceded by whatever keeps the lane from waiting again: it is one
 * interruption, which the lane may have behind it before it gets there.
 */
void kvlane_lane_interrupt(struct kvlane_lane *lane)
{
	/* Not dead means not gone: the thread takes the lock before it goes. */
	spin_lock(&lane->call_lock);
	if (lane->thread && !lane->dead) {
		set_tsk_thread_flag(lane->thread, TIF_NOTIFY_SIGNAL);
		wake_up_process(lane->thread);
	}
	spin_unlock(&lane->call_lock);
}

static void kvlane_lane_rouse(const struct kvlane_lane *lane)
{
	struct kvlane_thread *task;

	/* A thread that ends waits for us, see kvlane_lane_quit(). */
	rcu_read_lock();
	task = READ_ONCE(lane->task);
	if (task)
		kvlane_thread_wake(task);
	rcu_read_unlock();
}

/**
 * kvlane_lane_wake - give a lane work
 * @lane: the lane
 * @why: what for
 *
 * Any context. The lane must not go away meanwhile: callers outside the
 * control path are under RCU, which kvlane_device waits for.
 */
void kvlane_lane_wake(struct kvlane_lane *lane, enum kvlane_work why)
{
	if (!test_and_set_bit(why, &lane->work))
		kvlane_lane_rouse(lane);
	/*
	 * A dead lane's bits stay set, and its work is done by who waits for it,
	 * who has to be told of each piece. The barrier of test_and_set_bit()
	 * orders the work against @dead, see kvlane_lane_dead().
	 */
	if (READ_ONCE(lane->dead))
		wake_up_all(&lane->idle);
}

/**
 * kvlane_lane_kick - the driver has kicked
 * @lane: the lane
 *
 * As kvlane_lane_wake(). It is timed how long the lane takes to see it.
 */
void kvlane_lane_kick(struct kvlane_lane *lane)
{
	if (!READ_ONCE(lane->kicked_ns))
		WRITE_ONCE(lane->kicked_ns, ktime_get_ns());
	kvlane_lane_wake(lane, KVLANE_WORK_KICK);
}

/**
 * kvlane_lane_place - run on some processors only; from a function of kvlane_lane_call()
 * @lane: the lane, and with it all of its thread
 * @cpus: the processors
 *
 * Return: 0 or a negative errno; 0 too if the thread was killed.
 */
int kvlane_lane_place(struct kvlane_lane *lane, const struct cpumask *cpus)
{
	return current == lane->thread ? set_cpus_allowed_ptr(current, cpus) : 0;
}

/**
 * kvlane_lane_call - run a function in a lane, between two runs, and wait
 * @lane: the lane
 * @fn: the function; it must not sleep for long nor touch user memory, since
 *	it is run by the caller if the lane is dead
 * @arg: its argument
 */
void kvlane_lane_call(struct kvlane_lane *lane, void (*fn)(void *arg), void *arg)
{
	struct kvlane_lane_call call = { .fn = fn, .arg = arg };
	bool dead;

	init_completion(&call.done);
	mutex_lock(&lane->call_mutex);

	spin_lock(&lane->call_lock);
	dead = lane->dead;
	if (!dead)
		lane->call = &call;
	spin_unlock(&lane->call_lock);

	if (dead) {
		fn(arg);
	} else {
		kvlane_lane_wake(lane, KVLANE_WORK_CALL);
		/* After the bit, which it sees to before it sleeps once more. */
		if (lane->interruptible)
			kvlane_lane_interrupt(lane);
		wait_for_completion(&call.done);
	}
	mutex_unlock(&lane->call_mutex);
}
