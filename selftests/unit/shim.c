// SPDX-License-Identifier: GPL-2.0-only
/* User memory under supervision; see shim.h. */
#include <stdio.h>

#include "shim.h"

struct shim shim;

void shim_reset(void)
{
	memset(&shim, 0, offsetof(struct shim, trace));
	shim.open = false;
}

void shim_check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "shim: %s\n", what);
	abort();
}

void shim_add_region(const void *base, size_t size)
{
	shim_check(shim.nr_regions < SHIM_REGIONS, "too many regions");
	shim.region[shim.nr_regions].base = base;
	shim.region[shim.nr_regions++].size = size;
}

static bool shim_inside(const char *ptr, size_t len)
{
	unsigned int i;

	for (i = 0; i < shim.nr_regions; i++) {
		if (ptr >= shim.region[i].base &&
		    ptr + len <= shim.region[i].base + shim.region[i].size)
			return true;
	}
	return false;
}

void shim_event(enum shim_event_type type, const void *ptr, size_t size)
{
	if (!shim.tracing)
		return;
	shim_check(shim.nr_trace < SHIM_TRACE, "trace full");
	shim.trace[shim.nr_trace++] =
		(struct shim_event){ .type = type, .ptr = ptr, .size = size };
}

static bool shim_access(const void *ptr, size_t len)
{
	shim_check(shim_inside(ptr, len), "access outside guest memory");
	if (shim.guest)
		shim.guest(shim.guest_arg);
	return ++shim.accesses != shim.fault_at;
}

bool shim_begin(const void *ptr, size_t len)
{
	shim_check(!shim.open, "a window inside a window");
	shim.open = shim_access(ptr, len);
	return shim.open;
}

void shim_end(void)
{
	shim_check(shim.open, "window closed twice");
	shim.open = false;
}

bool shim_read(void *to, const void *from, size_t size)
{
	shim_check(shim.open, "read without a window");
	if (!shim_access(from, size))
		return false;
	shim_event(SHIM_READ, from, size);
	memcpy(to, from, size);
	return true;
}

bool shim_write(void *to, const void *from, size_t size)
{
	shim_check(shim.open, "write without a window");
	if (!shim_access(to, size))
		return false;
	shim_event(SHIM_WRITE, to, size);
	memcpy(to, from, size);
	return true;
}

void *shim_calloc(size_t n, size_t size)
{
	return ++shim.allocs == shim.fail_alloc_at ? NULL : calloc(n, size);
}
