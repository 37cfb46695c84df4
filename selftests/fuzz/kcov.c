// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "kcov.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#define ENTRIES		(1 << 18)
#define KNOWN		(1 << 18)

static int kcov_fd = -1;
static uint64_t *area;
static uint64_t known[KNOWN];
static unsigned int nr_known;

static bool kcov_open(void)
{
	kcov_fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (kcov_fd < 0 || ioctl(kcov_fd, KCOV_INIT_TRACE, (unsigned long)ENTRIES))
		return false;
	area = mmap(NULL, ENTRIES * sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED,
		    kcov_fd, 0);
	if (area == MAP_FAILED)
		area = NULL;
	return area;
}

bool kcov_begin(void)
{
	if (!area && (kcov_fd >= 0 || !kcov_open()))
		return false;
	if (ioctl(kcov_fd, KCOV_ENABLE, KCOV_TRACE_PC))
		return false;
	__atomic_store_n(&area[0], 0, __ATOMIC_RELAXED);
	return true;
}

/* True if it was not there. The table is never more than half full. */
static bool learn(uint64_t place)
{
	unsigned int i = place * 0x9e3779b97f4a7c15ULL >> 46;

	for (; known[i % KNOWN]; i++)
		if (known[i % KNOWN] == place)
			return false;
	if (nr_known == KNOWN / 2)
		return false;
	known[i % KNOWN] = place;
	nr_known++;
	return true;
}

unsigned int kcov_end(void)
{
	uint64_t i, n = __atomic_load_n(&area[0], __ATOMIC_RELAXED);
	unsigned int fresh = 0;

	ioctl(kcov_fd, KCOV_DISABLE, 0);
	for (i = 1; i <= n && i < ENTRIES; i++)
		fresh += learn(area[i]);
	return fresh;
}

unsigned int kcov_known(void)
{
	return nr_known;
}
