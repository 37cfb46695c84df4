// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helper threads of a device, for requests that would make a lane sleep: a
 * flush, a read that misses the page cache, a write that has to wait for
 * memory. Like lanes they are threads of the guest's owner, so what they do is
 * done in its address space and on its account.
 *
 * If the owner is killed the threads die one by one. The last one to go
 * completes the jobs still queued, and from then on kvlane_pool_queue()
 * completes a job on the spot. Thus every job queued is completed exactly once.
 */
#include <linux/err.h>
#include <linux/kcov.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "pool.h"
#include "thread.h"

static struct kvlane_job *kvlane_pool_next(struct kvlane_pool_task *self)
{
	struct kvlane_pool *pool = self->pool;
	struct kvlane_job *job;

	spin_lock_irq(&pool->lock);
	job = list_first_entry_or_null(&pool->jobs, struct kvlane_job, node);
	if (job)
		list_del(&job->node);
	self->idle = !job;
	spin_unlock_irq(&pool->lock);
	return job;
}

static bool kvlane_pool_fn(void *data)
{
	struct kvlane_pool_task *self = data;
	struct kvlane_job *job = kvlane_pool_next(self);

	if (!job)
		return false;
	__set_current_state(TASK_RUNNING);
	kcov_remote_start_common(self->pool->kcov);
	job->fn(job, false);
	kcov_remote_stop();
	cond_resched();
	return true;
}

static void kvlane_pool_killed(void *data)
{
	struct kvlane_pool_task *self = data;
	struct kvlane_pool *pool = self->pool;
	struct kvlane_job *job, *next;
	LIST_HEAD(jobs);

	spin_lock_irq(&pool->lock);
	self->idle = false;
	if (pool->alive && !--pool->alive)
		list_splice_init(&pool->jobs, &jobs);
	spin_unlock_irq(&pool->lock);

	list_for_each_entry_safe(job, next, &jobs, node)
		job->fn(job, true);
}

static int kvlane_pool_add(struct kvlane_pool *pool, const char *name, bool kernel)
{
	struct kvlane_pool_task *self = &pool->tasks[pool->nr];
	struct kvlane_thread *task;

	self->pool = pool;
	self->idle = false;
	task = kvlane_thread_create(kvlane_pool_fn, kvlane_pool_killed, self, name, kernel);
	if (IS_ERR(task))
		return PTR_ERR(task);
	self->task = task;

	spin_lock_irq(&pool->lock);
	pool->nr++;
	pool->alive++;
	spin_unlock_irq(&pool->lock);
	kvlane_thread_start(task);
	return 0;
}

/**
 * kvlane_pool_init - prepare a pool without threads
 * @pool: the pool
 */
void kvlane_pool_init(struct kvlane_pool *pool)
{
	pool->kcov = kcov_common_handle();
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->jobs);
	pool->nr = 0;
	pool->alive = 0;
}

/**
 * kvlane_pool_start - start the helper threads
 * @pool: the pool, without any
 * @name: name of the threads
 * @kernel: as with kvlane_thread_create()
 *
 * Return: 0 or a negative errno, there being none then.
 */
int kvlane_pool_start(struct kvlane_pool *pool, const char *name, bool kernel)
{
	int i, err;

	for (i = 0; i < KVLANE_POOL_TASKS; i++) {
		err = kvlane_pool_add(pool, name, kernel);
		if (err) {
			kvlane_pool_stop(pool);
			return err;
		}
	}
	return 0;
}

/**
 * kvlane_pool_stop - end the helper threads
 * @pool: the pool; no job is queued or running, nor, under RCU, any thread woken
 */
void kvlane_pool_stop(struct kvlane_pool *pool)
{
	unsigned int nr = pool->nr;

	spin_lock_irq(&pool->lock);
	pool->nr = 0;
	pool->alive = 0;
	spin_unlock_irq(&pool->lock);
	while (nr)
		kvlane_thread_stop(pool->tasks[--nr].task);
}

/* The idle thread to wake, marked busy so that the next job wakes another. */
static struct kvlane_thread *kvlane_pool_claim(struct kvlane_pool *pool)
{
	unsigned int i;

	for (i = 0; i < pool->nr; i++) {
		if (!pool->tasks[i].idle)
			continue;
		pool->tasks[i].idle = false;
		return pool->tasks[i].task;
	}
	return NULL;
}

/**
 * kvlane_pool_queue - have a helper thread do a job
 * @pool: the pool
 * @job: the job; @fn is set
 *
 * Any context. If no thread is left, the job is completed here, as killed.
 */
void kvlane_pool_queue(struct kvlane_pool *pool, struct kvlane_job *job)
{
	struct kvlane_thread *task = NULL;
	unsigned long flags;
	bool alive;

	/*
	 * Once the job is on the list any thread may do it, and the device be
	 * released; release waits for RCU before it ends the pool.
	 */
	rcu_read_lock();
	spin_lock_irqsave(&pool->lock, flags);
	alive = pool->alive;
	if (alive) {
		list_add_tail(&job->node, &pool->jobs);
		task = kvlane_pool_claim(pool);
	}
	spin_unlock_irqrestore(&pool->lock, flags);
	if (task)
		kvlane_thread_wake(task);
	rcu_read_unlock();

	if (!alive)
		job->fn(job, true);
}
