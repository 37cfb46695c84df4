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
#include <linux/sched/vhost_task.h>

#include "pool.h"

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
	if (!--pool->alive)
		list_splice_init(&pool->jobs, &jobs);
	spin_unlock_irq(&pool->lock);

	list_for_each_entry_safe(job, next, &jobs, node)
		job->fn(job, true);
}

static int kvlane_pool_add(struct kvlane_pool *pool, const char *name)
{
	struct kvlane_pool_task *self = &pool->tasks[pool->nr];
	struct vhost_task *task;

	self->pool = pool;
	self->idle = false;
	task = vhost_task_create(kvlane_pool_fn, kvlane_pool_killed, self, name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	self->task = task;

	spin_lock_irq(&pool->lock);
	pool->nr++;
	pool->alive++;
	spin_unlock_irq(&pool->lock);
	vhost_task_start(task);
	return 0;
}

/**
 * kvlane_pool_create - start the helper threads
 * @pool: the pool
 * @name: name of the threads
 *
 * Return: 0 or a negative errno.
 */
int kvlane_pool_create(struct kvlane_pool *pool, const char *name)
{
	int i, err;

	pool->kcov = kcov_common_handle();
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->jobs);
	pool->nr = 0;
	pool->alive = 0;
	for (i = 0; i < KVLANE_POOL_TASKS; i++) {
		err = kvlane_pool_add(pool, name);
		if (err) {
			kvlane_pool_destroy(pool);
			return err;
		}
	}
	return 0;
}

/**
 * kvlane_pool_destroy - end the helper threads
 * @pool: the pool; no job is queued or running
 */
void kvlane_pool_destroy(struct kvlane_pool *pool)
{
	while (pool->nr)
		vhost_task_stop(pool->tasks[--pool->nr].task);
}

/* The idle thread to wake, marked busy so that the next job wakes another. */
static struct vhost_task *kvlane_pool_claim(struct kvlane_pool *pool)
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
	struct vhost_task *task = NULL;
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
		vhost_task_wake(task);
	rcu_read_unlock();

	if (!alive)
		job->fn(job, true);
}
