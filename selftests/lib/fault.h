/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations of the kernel that are made to fail, see fault-injection.rst of the kernel:
 * of the n-th one of a thread's next system calls, so that a test can go through all of
 * them.
 */
#ifndef KVLANE_TEST_FAULT_H
#define KVLANE_TEST_FAULT_H

#include <stdbool.h>

/**
 * fault_open() - begin, for this thread
 *
 * Return: 0, or a negative errno where the kernel has no fault injection.
 */
int fault_open(void);

/**
 * fault_close() - the end of it
 */
void fault_close(void);

/**
 * fault_at() - make an allocation fail
 * @n: which one, from 1; 0 for none
 */
void fault_at(unsigned int n);

/**
 * fault_was() - make none fail any more
 *
 * Return: true if the one that was to fail was reached.
 */
bool fault_was(void);

#endif
