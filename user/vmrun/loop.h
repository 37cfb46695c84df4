/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_LOOP_H
#define VMRUN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct watch - a descriptor the main thread waits for
 * @fd: the descriptor
 * @ready: called in the main thread with the EPOLL* bits
 * @owner: for @ready
 */
struct watch {
	int fd;
	void (*ready)(struct watch *watch, uint32_t events);
	void *owner;
};

/**
 * struct loop - what the main thread does while the guest runs
 */
struct loop {
	int fd;
	bool ended;
};

/**
 * loop_init() - Return: 0 or a negative errno.
 */
int loop_init(struct loop *loop);

/**
 * loop_add() - wait for a descriptor
 * @events: EPOLLIN and so on
 * Return: 0 or a negative errno; -EPERM for a file that cannot be waited for.
 */
int loop_add(struct loop *loop, struct watch *watch, uint32_t events);
void loop_change(struct loop *loop, struct watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct watch *watch);

/**
 * loop_run() - serve the watches until loop_end()
 */
void loop_run(struct loop *loop);
void loop_end(struct loop *loop);

#endif
