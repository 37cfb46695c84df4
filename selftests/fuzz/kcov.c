// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "kcov.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#define ENTRIES		(1 << 18)
#define KNOWN_BITS	18
#define KNOWN		(1U << KNOWN_BITS)

static uint64_t known[KNOWN];
static unsigned int nr_known;

static bool kcov_open(struct kcov *k)
{
	void *area;

	k->fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (k->fd < 0 || ioctl(k->fd, KCOV_INIT_TRACE, (unsigned long)ENTRIES))
		return false;
	area = mmap(NULL, ENTRIES * sizeof(*k->area), PROT_READ | PROT_WRITE, MAP_SHARED,
		    k->fd, 0);
	if (area != MAP_FAILED)
		k->area = area;
	return k->area;
}

static bool enable(struct kcov *k, bool remote)
{
	struct kcov_remote_arg arg = {
		.trace_mode = KCOV_TRACE_PC,
		.area_size = ENTRIES,
		.common_handle = kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, getpid()),
	};

	if (remote)
		return !ioctl(k->fd, KCOV_REMOTE_ENABLE, &arg);
	return !ioctl(k->fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

bool kcov_begin(struct kcov *k, bool remote)
{
	/* A descriptor without an area is one that failed before. */
	if (!k->area && (k->fd >= 0 || !kcov_open(k)))
		return false;
	__atomic_store_n(&k->area[0], 0, __ATOMIC_RELAXED);
	return enable(k, remote);
}

/* True if it was not there. The table is never more than half full. */
static bool learn(uint64_t place)
{
	unsigned int i = place * 0x9e3779b97f4a7c15ULL >> (64 - KNOWN_BITS);

	for (; known[i % KNOWN]; i++)
		if (known[i % KNOWN] == place)
			return false;
	if (nr_known == KNOWN / 2)
		return false;
	known[i % KNOWN] = place;
	nr_known++;
	return true;
}

unsigned int kcov_collect(struct kcov *k)
{
	unsigned int fresh = 0;
	uint64_t i, n;

	if (!k->area)
		return 0;
	n = __atomic_load_n(&k->area[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < ENTRIES; i++)
		fresh += learn(k->area[i]);
	__atomic_store_n(&k->area[0], 0, __ATOMIC_RELAXED);
	return fresh;
}

void kcov_end(struct kcov *k)
{
	ioctl(k->fd, KCOV_DISABLE, 0);
}

unsigned int kcov_known(void)
{
	return nr_known;
}
