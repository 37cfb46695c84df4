// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: one file in memory, mapped once, shared.
 *
 * Page faults are what a booting guest spends most of its exits on, so huge pages
 * matter from the first second.  A memfd gets transparent ones only where
 * shmem_enabled says so, which it does nowhere by default; a file on a tmpfs of
 * our own gets them as ordinary memory would.  That tmpfs is mounted nowhere and
 * is gone when the last descriptor is.
 */
#include "memory.h"
#include "layout.h"
#include "number.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

#define THP "/sys/kernel/mm/transparent_hugepage/"

static uint64_t page_size(enum hugepages hugepages)
{
	switch (hugepages) {
	case HUGEPAGES_2M:
		return 2 * MIB;
	case HUGEPAGES_1G:
		return GIB;
	default:
		return 4 * KIB;
	}
}

static void check_size(uint64_t size, uint64_t page)
{
	char have[32];
	struct sysinfo info;

	if (size % page)
		fail(STATUS_USAGE, "--memory: not a multiple of the page size; give a multiple of %s",
		     size_format(page, have, sizeof(have)));
	if (size < 2 * MIB)
		fail(STATUS_USAGE, "--memory: too small; give at least 2M");
	if (sysinfo(&info))
		return;
	if (size / info.mem_unit > info.totalram + info.totalswap)
		fail(STATUS_USAGE, "--memory: more than this host has; give at most %s",
		     size_format((uint64_t)info.totalram * info.mem_unit, have, sizeof(have)));
}

static unsigned long pool_free(uint64_t page)
{
	unsigned long n = 0;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/free_hugepages",
		 (unsigned long long)(page / KIB));
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static void __attribute__((noreturn)) fail_hugepages(uint64_t size, uint64_t page)
{
	unsigned long long want = size / page, kb = page / KIB;

	fail(STATUS_USAGE,
	     "--memory: needs %llu huge pages of %llu kB, %lu are free; as root: echo %llu >/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
	     want, kb, pool_free(page), want, kb);
}

/* Whether the setting in a file of THP is one of those two; they are in brackets. */
static bool thp_is_off(const char *path)
{
	char line[128] = "";
	FILE *f = fopen(path, "r");

	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
	}
	return !line[0] || strstr(line, "[never]") || strstr(line, "[deny]");
}

static int create_memfd(uint64_t size, uint64_t page)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	if (page > 4 * KIB)
		flags |= MFD_HUGETLB | ((unsigned int)__builtin_ctzll(page) << MFD_HUGE_SHIFT);
	fd = memfd_create("guest-memory", flags);
	if (fd < 0 && page > 4 * KIB)
		fail_hugepages(size, page);
	if (fd < 0 || ftruncate(fd, size))
		fail(STATUS_USAGE, "--memory: cannot make the memory file: %s; give less",
		     strerror(errno));
	fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return fd;
}

/* A file on a tmpfs with huge pages; -1 if this user may not have one. */
static int create_huge_file(uint64_t size)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1, fd = -1;

	if (context < 0)
		return -1;
	if (!fsconfig(context, FSCONFIG_SET_STRING, "size", "0", 0) &&
	    !fsconfig(context, FSCONFIG_SET_STRING, "mode", "0700", 0) &&
	    !fsconfig(context, FSCONFIG_SET_STRING, "huge", "advise", 0) &&
	    !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	close(context);
	if (mount < 0)
		return -1;
	fd = openat(mount, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	close(mount);
	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The file for memory on transparent huge pages, or on ordinary ones if need be. */
static int create_thp(uint64_t size, bool required)
{
	int fd = -1;

	if (thp_is_off(THP "shmem_enabled") && !(thp_is_off(THP "enabled") && !required))
		fd = create_huge_file(size);
	if (fd >= 0)
		return fd;
	if (required && thp_is_off(THP "shmem_enabled"))
		fail(STATUS_USAGE,
		     "--memory hugepages=thp: the host does not give them to this user's shared memory; as root: echo advise >"
		     THP "shmem_enabled");
	return create_memfd(size, 4 * KIB);
}

static int create_file(uint64_t size, enum hugepages hugepages)
{
	switch (hugepages) {
	case HUGEPAGES_DEFAULT:
	case HUGEPAGES_THP:
		return create_thp(size, hugepages == HUGEPAGES_THP);
	default:
		return create_memfd(size, page_size(hugepages));
	}
}

/*
 * Processes may share the page table of a whole aligned GiB in hugetlb pages of 2 MiB. So where
 * a mapping covers one, the kernel takes all of it from KVM when a page of it is freed, and
 * the guest has to fault it in again, page by page, for each page that it lends. No mapping
 * here covers one.
 */
static void *map_pieces(int fd, uintptr_t base, uint64_t size, uint64_t page)
{
	const uint64_t piece = page == 2 * MIB ? GIB : size;
	uint64_t end = page == 2 * MIB ? GIB / 2 : size, length;
	void *p;

	for (uint64_t at = 0; at < size; at = end, end += piece) {
		length = (end < size ? end : size) - at;
		p = mmap((void *)(base + at), length, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, at);
		if (p == MAP_FAILED)
			return p;
	}
	return (void *)base;
}

/* Maps the file at an address that is a multiple of 1 GiB. */
static void *map_file(int fd, uint64_t size, uint64_t page)
{
	uintptr_t room, base;
	void *p;

	p = mmap(NULL, size + GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fail(STATUS_USAGE, "--memory: no address space for it: %s; give less, or raise ulimit -v",
		     strerror(errno));
	room = (uintptr_t)p;
	base = ALIGN_UP(room, GIB);
	p = map_pieces(fd, base, size, page);
	if (p == MAP_FAILED && page > 4 * KIB)
		fail_hugepages(size, page);
	if (p == MAP_FAILED)
		fail(STATUS_USAGE, "--memory: cannot map it: %s; give less", strerror(errno));
	if (base > room)
		munmap((void *)room, base - room);
	munmap((void *)(base + size), room + GIB - base);
	return p;
}

void memory_create(struct memory *memory, uint64_t size, enum hugepages hugepages)
{
	uint64_t page = page_size(hugepages);

	check_size(size, page);
	memory->size = size;
	memory->page = page;
	memory->low = size < RAM_LOW_MAX ? size : RAM_LOW_MAX;
	memory->fd = create_file(size, hugepages);
	memory->base = map_file(memory->fd, size, page);
	if (hugepages == HUGEPAGES_DEFAULT || hugepages == HUGEPAGES_THP)
		madvise(memory->base, size, MADV_HUGEPAGE);
	else if (hugepages == HUGEPAGES_OFF)
		madvise(memory->base, size, MADV_NOHUGEPAGE);
	/* A core dump of the launcher is not a place for the guest's secrets. */
	madvise(memory->base, size, MADV_DONTDUMP);
	madvise(memory->base, size, MADV_DONTFORK);
}

unsigned int memory_ranges(const struct memory *memory, struct memory_range *ranges)
{
	ranges[0] = (struct memory_range){
		.size = memory->low,
		.hva = memory->base,
	};
	if (memory->low == memory->size)
		return 1;
	ranges[1] = (struct memory_range){
		.gpa = RAM_HIGH_BASE,
		.size = memory->size - memory->low,
		.offset = memory->low,
		.hva = memory->base + memory->low,
	};
	return 2;
}

unsigned int memory_map(const struct memory *memory, struct memory_map *map)
{
	unsigned int n = 0;

	map[n++] = (struct memory_map){ 0, RAM_BASE_END, MAP_RAM };
	map[n++] = (struct memory_map){ RAM_BASE_END, 0xa0000 - RAM_BASE_END, MAP_RESERVED };
	map[n++] = (struct memory_map){ ACPI_BASE, ACPI_END - ACPI_BASE, MAP_RESERVED };
	map[n++] = (struct memory_map){ RAM_EXT_BASE, memory->low - RAM_EXT_BASE, MAP_RAM };
	map[n++] = (struct memory_map){ PCI_ECAM_BASE, PCI_ECAM_SIZE, MAP_RESERVED };
	if (memory->size > memory->low)
		map[n++] = (struct memory_map){
			RAM_HIGH_BASE, memory->size - memory->low, MAP_RAM,
		};
	return n;
}

uint64_t memory_end(const struct memory *memory)
{
	if (memory->size > memory->low)
		return RAM_HIGH_BASE + memory->size - memory->low;
	return memory->low;
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	if (gpa < memory->low)
		return size <= memory->low - gpa ? memory->base + gpa : NULL;
	if (gpa < RAM_HIGH_BASE || gpa >= memory_end(memory) || size > memory_end(memory) - gpa)
		return NULL;
	return memory->base + memory->low + (gpa - RAM_HIGH_BASE);
}
