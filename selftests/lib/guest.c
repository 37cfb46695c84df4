// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int make_vm(struct guest *g)
{
	struct kvlane_create_vm vm = { .kvm_fd = -1 };

	g->kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	if (g->kvlane < 0)
		return -errno;
	g->vm = ioctl(g->kvlane, KVLANE_CREATE_VM, &vm);
	return g->vm < 0 ? -errno : 0;
}

static int make_memory(struct guest *g, size_t size)
{
	g->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (g->memfd < 0 || ftruncate(g->memfd, size))
		return -errno;
	g->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);
	if (g->mem == MAP_FAILED) {
		g->mem = NULL;
		return -errno;
	}
	g->size = size;
	g->brk_high = size / 2;
	return 0;
}

static void describe_memory(struct guest *g)
{
	size_t half = g->size / 2;
	unsigned int i;

	for (i = 0; i < 2; i++)
		g->regions[i] = (struct kvlane_region){
			.gpa = i ? GUEST_HIGH : GUEST_LOW,
			.size = half,
			.hva = (uintptr_t)g->mem + i * half,
			.fd = g->memfd,
			.offset = i * half,
		};
	g->nr_regions = 2;
}

int guest_open(struct guest *g, size_t size)
{
	int err;

	*g = (struct guest){ .kvlane = -1, .vm = -1, .memfd = -1 };
	err = make_vm(g);
	if (!err)
		err = make_memory(g, size);
	if (!err) {
		describe_memory(g);
		err = guest_set_regions(g, g->regions, g->nr_regions);
	}
	if (err)
		guest_close(g);
	return err;
}

static void close_fd(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = -1;
}

void guest_close(struct guest *g)
{
	close_fd(&g->vm);
	close_fd(&g->kvlane);
	close_fd(&g->memfd);
	if (g->mem)
		munmap(g->mem, g->size);
	g->mem = NULL;
}

static void *take(struct guest *g, size_t *brk, size_t end, size_t size, size_t align)
{
	size_t at = (*brk + align - 1) & ~(align - 1);

	if (at > end || size > end - at) {
		errno = ENOMEM;
		return NULL;
	}
	*brk = at + size;
	memset(g->mem + at, 0, size);
	return g->mem + at;
}

void *guest_alloc(struct guest *g, size_t size, size_t align)
{
	return take(g, &g->brk_low, g->size / 2, size, align);
}

void *guest_alloc_high(struct guest *g, size_t size, size_t align)
{
	return take(g, &g->brk_high, g->size, size, align);
}

uint64_t guest_gpa(const struct guest *g, const void *ptr)
{
	uint64_t hva = (uintptr_t)ptr;
	unsigned int i;

	for (i = 0; i < g->nr_regions; i++) {
		const struct kvlane_region *r = &g->regions[i];

		if (hva >= r->hva && hva - r->hva < r->size)
			return r->gpa + (hva - r->hva);
	}
	return GUEST_BAD;
}

int guest_set_regions(struct guest *g, const struct kvlane_region *regions,
		      unsigned int nr)
{
	struct kvlane_set_memory arg = {
		.nr_regions = nr,
		.regions = (uintptr_t)regions,
	};

	return ioctl(g->vm, KVLANE_SET_MEMORY, &arg) ? -errno : 0;
}
