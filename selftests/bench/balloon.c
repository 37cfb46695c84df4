// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest with a balloon does: it uses its memory, so that the host has to back all of
 * it; reads it in an order that no TLB is large enough for; and tells when its balloon is
 * as large as it was to be, by the counters that the kernel has of that.
 *
 * The guest's own pages are huge wherever it can have them, so that what changes from one
 * time to the next is the host's.
 */
#include "balloon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define MIB	(1ul << 20)
/*
 * What is left to the kernel, and what it is told to keep: with less it kills programs. Of
 * memory below 4 GiB it keeps a part, if it has other memory as well.
 */
#define LEAVE	(24 * MIB)
#define LEAVE_SHARE 64
#define KEEP	"8192"
/* From one look at the counters to the next. */
#define LOOK_US	50000

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static char *map(size_t size)
{
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, size, MADV_HUGEPAGE);
	return mem;
}

static size_t free_bytes(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : info.freeram * (size_t)info.mem_unit;
}

/* For its huge pages a kernel keeps more than it needs. */
static bool keep_little(void)
{
	int fd = open("/proc/sys/vm/min_free_kbytes", O_WRONLY | O_CLOEXEC);
	bool good = write(fd, KEEP, strlen(KEEP)) > 0;

	close(fd);
	return good;
}

static const char *use(struct memory_result *result)
{
	size_t size = free_bytes(), leave = LEAVE + size / LEAVE_SHARE, at;
	char *mem;

	if (!keep_little())
		return "/proc/sys/vm/min_free_kbytes";
	mem = map(size);
	if (!mem)
		return "no address space";
	for (at = 0; at < size; at += PAGE) {
		if (at % (2 * MIB) == 0 && free_bytes() < leave)
			break;
		*(volatile char *)(mem + at) = 1;
	}
	munmap(mem, size);
	result->bytes = at;
	return NULL;
}

/* Each read says where the next one is, so none can begin before. */
static const char *read_around(size_t size, uint64_t count, struct memory_result *result)
{
	size_t pages = size / PAGE, at;
	uint64_t state = 1, start, i;
	char *mem;

	if (!pages)
		return "nothing to read";
	mem = map(size);
	if (!mem)
		return "no address space";
	for (at = 0; at < size; at += PAGE)
		*(volatile uint64_t *)(mem + at) = at;
	start = now();
	for (i = 0; i < count; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		at = (state >> 24) % pages * PAGE;
		state += *(volatile uint64_t *)(mem + at);
	}
	result->ns = now() - start;
	result->count = count;
	result->bytes = size;
	munmap(mem, size);
	return NULL;
}

/* Pages that have been put into the balloon and not been taken out again. */
static int64_t ballooned(void)
{
	FILE *file = fopen("/proc/vmstat", "r");
	int64_t value, sum = 0;
	char name[64];

	if (!file)
		return -1;
	while (fscanf(file, "%63s %" SCNd64, name, &value) == 2) {
		if (!strcmp(name, "balloon_inflate"))
			sum += value;
		else if (!strcmp(name, "balloon_deflate"))
			sum -= value;
	}
	fclose(file);
	return sum;
}

static const char *wait_for(bool inflate, size_t size, unsigned int seconds,
			    struct memory_result *result)
{
	uint64_t until = now() + seconds * 1000000000ull;
	int64_t pages, want = size / PAGE;

	do {
		usleep(LOOK_US);
		pages = ballooned();
		if (pages < 0)
			return "no /proc/vmstat";
		result->reached = inflate ? pages >= want : pages <= want;
	} while (!result->reached && now() < until);
	result->bytes = pages * PAGE;
	return NULL;
}

const char *memory_run(const char *words, struct memory_result *result, void (*mark)(bool end))
{
	unsigned long mib = 0, number = 0;
	const char *error;
	char verb[16];
	int nr = sscanf(words, "%15s %lu %lu", verb, &mib, &number);

	errno = 0;
	mark(false);
	if (nr == 1 && !strcmp(verb, "use"))
		error = use(result);
	else if (nr == 3 && !strcmp(verb, "read"))
		error = read_around(mib * MIB, number, result);
	else if (nr == 3 && (!strcmp(verb, "inflate") || !strcmp(verb, "deflate")))
		error = wait_for(verb[0] == 'i', mib * MIB, number, result);
	else
		error = "not understood";
	mark(true);
	return error;
}
