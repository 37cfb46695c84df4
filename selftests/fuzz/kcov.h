/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coverage of the kernel by the calling thread, where the kernel has KCOV.
 */
#ifndef KVLANE_FUZZ_KCOV_H
#define KVLANE_FUZZ_KCOV_H

#include <stdbool.h>

/**
 * kcov_begin() - begin to record; the calling thread only
 *
 * Return: whether this kernel can.
 */
bool kcov_begin(void);

/**
 * kcov_end() - stop, and add what was recorded to what is known
 *
 * Return: how many places were new.
 */
unsigned int kcov_end(void);

/**
 * kcov_known() - all places seen so far
 */
unsigned int kcov_known(void);

#endif
