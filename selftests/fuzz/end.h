/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that end in the middle, and what is left of them.
 */
#ifndef KVLANE_FUZZ_END_H
#define KVLANE_FUZZ_END_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * end_thread() - end the process in some way, after some time: a thread
 * @arg: random numbers, struct rnd
 *
 * Who owns a device may end at any moment, whatever is in flight. There should be room
 * for a core in the current folder.
 *
 * Return: never.
 */
void *end_thread(void *arg);

/**
 * end_wait() - wait for the end of a process
 * @pid: a child, which is about to end
 *
 * Return: whether it came within FUZZ_STUCK seconds.
 */
bool end_wait(pid_t pid);

/**
 * end_leftovers() - is the module in use, or are there threads of it?
 * @name: for the report
 * @refs: how often the module may be in use
 */
bool end_leftovers(const char *name, long refs);

#endif
