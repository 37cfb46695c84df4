/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_POOL_H
#define KVLANE_POOL_H

#include <linux/list.h>
#include <linux/spinlock.h>

struct kvlane_thread;

/**
 * struct kvlane_job - something that may block
 * @node: place in the pool's queue
 * @fn: does it; with @killed set it must not block, only complete the job
 */
struct kvlane_job {
	struct list_head node;
	void (*fn)(struct kvlane_job *job, bool killed);
};

/**
 * define KVLANE_POOL_TASKS - helper threads of a device
 *
 * So many requests of a device may be stuck in a file system at once before
 * the next one that would block has to queue. Four is enough to keep a disk
 * busy with flushes and page-cache misses, and cheap to keep asleep.
 */
#define KVLANE_POOL_TASKS 4

/**
 * struct kvlane_pool_task - a helper thread
 * @pool: the pool it serves
 * @task: the thread
 * @idle: waits for a job; under the pool's lock
 */
struct kvlane_pool_task {
	struct kvlane_pool *pool;
	struct kvlane_thread *task;
	bool idle;
};

/**
 * struct kvlane_pool - helper threads for what would block a lane
 * @kcov: to whose coverage the threads' work is added, kcov_common_handle()
 * @lock: protects what follows
 * @jobs: waiting jobs, oldest first
 * @alive: threads that have not been killed
 * @nr: elements of @tasks in use
 * @tasks: the threads
 */
struct kvlane_pool {
	u64 kcov;
	spinlock_t lock;
	struct list_head jobs;
	unsigned int alive;
	unsigned int nr;
	struct kvlane_pool_task tasks[KVLANE_POOL_TASKS];
};

void kvlane_pool_init(struct kvlane_pool *pool);
int kvlane_pool_start(struct kvlane_pool *pool, const char *name, bool kernel);
void kvlane_pool_stop(struct kvlane_pool *pool);
void kvlane_pool_queue(struct kvlane_pool *pool, struct kvlane_job *job);

#endif
