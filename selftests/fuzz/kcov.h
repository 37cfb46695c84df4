/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coverage of the kernel, where the kernel has KCOV: by a thread, and by the
 * module's threads on behalf of the one that made the device.
 */
#ifndef KVLANE_FUZZ_KCOV_H
#define KVLANE_FUZZ_KCOV_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct kcov - something that records
 * @fd: the recorder, or -1
 * @area: what it recorded: a count, then addresses of code; or NULL
 */
struct kcov {
	int fd;
	uint64_t *area;
};

/** define KCOV_NONE - a recorder not opened yet */
#define KCOV_NONE	((struct kcov){ .fd = -1 })

/**
 * kcov_begin() - record what the calling thread does in the kernel
 * @k: KCOV_NONE at first, later what it was
 * @remote: and what threads do that the module makes for it
 *
 * Return: whether this kernel can.
 */
bool kcov_begin(struct kcov *k, bool remote);

/**
 * kcov_collect() - add what was recorded since the last call to what is known
 * @k: the recorder, which goes on; nothing happens if it never began
 *
 * Return: how many places were new.
 */
unsigned int kcov_collect(struct kcov *k);

/**
 * kcov_end() - stop; for the thread that began
 * @k: the recorder
 */
void kcov_end(struct kcov *k);

/**
 * kcov_known() - all places seen so far
 */
unsigned int kcov_known(void);

#endif
