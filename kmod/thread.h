/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_THREAD_H
#define KVLANE_THREAD_H

#include <linux/types.h>

struct kvlane_thread;

struct kvlane_thread *kvlane_thread_create(bool (*fn)(void *data), void (*killed)(void *data),
					   void *data, const char *name, bool kernel);
void kvlane_thread_start(struct kvlane_thread *thread);
void kvlane_thread_wake(struct kvlane_thread *thread);
void kvlane_thread_stop(struct kvlane_thread *thread);

#endif
