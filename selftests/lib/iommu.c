// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "iommu.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>

#include "host.h"

#define PAGE		4096
#define SETTLE_MS	15000
#define TRACING		"/sys/kernel/tracing/"
#define SHMEM_THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define HUGE		"/sys/kernel/mm/hugepages/hugepages-%zukB/%s"

static long read_long(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

/* The pool grows as far as needed, and is not made smaller again. */
static int reserve_huge(size_t page, size_t size)
{
	char path[96], text[32];
	long nr, free_pages;

	snprintf(path, sizeof(path), HUGE, page / 1024, "free_hugepages");
	free_pages = read_long(path);
	if (free_pages >= (long)(size / page))
		return 0;
	snprintf(path, sizeof(path), HUGE, page / 1024, "nr_hugepages");
	nr = read_long(path) + size / page - free_pages;
	snprintf(text, sizeof(text), "%ld", nr);
	put_text(path, text);
	return read_long(path) == nr ? 0 : -ENOMEM;
}

static int map_file(struct ram *b, unsigned int flags)
{
	b->fd = memfd_create("iommu", MFD_CLOEXEC | flags);
	if (b->fd < 0 || ftruncate(b->fd, b->size))
		return -errno;
	b->mem = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
	if (b->mem == MAP_FAILED) {
		b->mem = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int map_anonymous(uint8_t **mem, size_t size)
{
	*mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*mem == MAP_FAILED) {
		*mem = NULL;
		return -ENOMEM;
	}
	madvise(*mem, size, MADV_NOHUGEPAGE);
	return 0;
}

/* Every other page goes elsewhere, so that no two of ours follow each other. */
static int fill_scattered(struct ram *b)
{
	size_t at;
	int err = map_anonymous(&b->other, b->size);

	for (at = 0; !err && at < b->size; at += PAGE) {
		b->mem[at] = 0;
		b->other[at] = 1;
	}
	return err;
}

static int map_thp(struct ram *b)
{
	int err;

	put_text(SHMEM_THP, "advise");
	err = map_file(b, 0);
	return err ?: madvise(b->mem, b->size, MADV_HUGEPAGE) ? -EOPNOTSUPP : 0;
}

static int map_huge(struct ram *b, size_t page, unsigned int flag)
{
	int err = reserve_huge(page, b->size);

	return err ?: map_file(b, MFD_HUGETLB | flag);
}

static int map_kind(struct ram *b, enum ram_kind kind)
{
	switch (kind) {
	case RAM_THP:
		return map_thp(b);
	case RAM_2M:
		return map_huge(b, 2 * MIB, MFD_HUGE_2MB);
	case RAM_1G:
		return map_huge(b, GIB, MFD_HUGE_1GB);
	case RAM_PRIVATE:
		return map_anonymous(&b->mem, b->size);
	default:
		return map_file(b, 0);
	}
}

/* Zero it is by itself. */
static void touch(struct ram *b)
{
	volatile uint8_t *at;

	for (at = b->mem; at < b->mem + b->size; at += 4 * KIB)
		*at = 0;
}

int ram_open(struct ram *b, enum ram_kind kind, size_t size)
{
	int err;

	*b = (struct ram){ .size = size, .fd = -1 };
	err = map_kind(b, kind);
	if (!err && kind == RAM_SCATTERED)
		err = fill_scattered(b);
	if (err)
		ram_close(b);
	else
		touch(b);
	return err;
}

void ram_close(struct ram *b)
{
	if (b->mem)
		munmap(b->mem, b->size);
	if (b->other)
		munmap(b->other, b->size);
	if (b->fd > 0)
		close(b->fd);
	*b = (struct ram){ .fd = -1 };
}

static long hugetlb_sum(const char *what)
{
	char path[128];
	glob_t found;
	size_t i;
	long sum = 0, value;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/*/%s", what);
	if (glob(path, 0, NULL, &found))
		return -1;
	for (i = 0; i < found.gl_pathc; i++) {
		f = fopen(found.gl_pathv[i], "re");
		if (f && fscanf(f, "%ld", &value) == 1)
			sum += value;
		if (f)
			fclose(f);
	}
	globfree(&found);
	return sum;
}

struct hugetlb hugetlb_pages(void)
{
	return (struct hugetlb){
		.used = hugetlb_sum("nr_hugepages") - hugetlb_sum("free_hugepages"),
		.reserved = hugetlb_sum("resv_hugepages"),
	};
}

long pins(void)
{
	long value, sum = 0;
	char name[64];
	FILE *f;

	/* Each processor counts for itself at first. */
	put_text("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/vmstat", "re");
	if (!f)
		return -1;
	while (fscanf(f, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			sum += value;
		else if (!strcmp(name, "nr_foll_pin_released"))
			sum -= value;
	}
	fclose(f);
	return sum;
}

int pins_settle(long before)
{
	int ms;

	for (ms = 0; ms < SETTLE_MS; ms += 20) {
		if (pins() == before)
			return 0;
		usleep(20000);
	}
	return -ETIMEDOUT;
}

uint64_t locked_bytes(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * KIB;
}

int io_device(int iommu, unsigned long cmd, int fd)
{
	struct kvlane_iommu_device arg = { .fd = fd };

	return ioctl(iommu, cmd, &arg) ? -errno : 0;
}

int io_range(int iommu, unsigned long cmd, uint64_t gpa, uint64_t size, uint32_t flags)
{
	struct kvlane_iommu_range arg = { .flags = flags, .gpa = gpa, .size = size };

	return ioctl(iommu, cmd, &arg) ? -errno : 0;
}

/*
 * The tracepoint tells what was asked for, the probes what the driver was then told to
 * put into its tables, and how often that it was all. Only VT-d's driver is probed, as that
 * is what the test bed has.
 */
int leaves_watch(void)
{
	int err;

	if (access("/sys/class/iommu/dmar0", F_OK))
		return -ENODEV;
	put_text(TRACING "tracing_on", "0");
	put_text(TRACING "events/kvlane_test/enable", "0");
	err = put_text(TRACING "kprobe_events",
			 "p:kvlane_test/leaf intel_iommu_map_pages "
			 "iova=%si:x64 pa=%dx:x64 size=%cx:u64 count=%r8:u64\n"
			 "p:kvlane_test/sync intel_iommu_iotlb_sync_map\n");
	if (!err)
		err = put_text(TRACING "events/kvlane_test/enable", "1");
	if (!err)
		err = put_text(TRACING "events/iommu/map/enable", "1");
	put_text(TRACING "buffer_size_kb", "16384");
	put_text(TRACING "trace", "");
	return err ?: put_text(TRACING "tracing_on", "1");
}

static void count_leaf(const char *line, uint64_t bytes[KVLANE_IOMMU_LEAVES], uint64_t *asked,
		       uint64_t *syncs)
{
	const char *at = strstr(line, "size=");
	uint64_t size, count, iova, end;

	if (strstr(line, ": sync: ")) {
		++*syncs;
		return;
	}
	if (at && strstr(line, ": leaf: ")) {
		if (sscanf(at, "size=%" SCNu64 " count=%" SCNu64, &size, &count) == 2)
			bytes[size >= GIB ? 2 : size >= 2 * MIB] += size * count;
		return;
	}
	at = strstr(line, ": map: IOMMU: iova=");
	if (at && sscanf(at, ": map: IOMMU: iova=%" SCNx64 " - %" SCNx64, &iova, &end) == 2)
		*asked += end - iova;
}

int leaves_seen(uint64_t bytes[KVLANE_IOMMU_LEAVES], uint64_t *syncs)
{
	char line[512], own[32];
	uint64_t asked = 0;
	FILE *f;

	memset(bytes, 0, KVLANE_IOMMU_LEAVES * sizeof(bytes[0]));
	*syncs = 0;
	put_text(TRACING "tracing_on", "0");
	f = fopen(TRACING "trace", "re");
	if (!f)
		return -errno;
	snprintf(own, sizeof(own), "-%d ", getpid());
	while (fgets(line, sizeof(line), f))
		if (strstr(line, own))
			count_leaf(line, bytes, &asked, syncs);
	fclose(f);
	put_text(TRACING "events/iommu/map/enable", "0");
	put_text(TRACING "events/kvlane_test/enable", "0");
	/* Both have to agree. */
	return asked == bytes[0] + bytes[1] + bytes[2] ? 0 : -EPROTO;
}
