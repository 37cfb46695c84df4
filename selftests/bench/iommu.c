// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long mapping memory for a device takes: an iommu object of kvlane's beside VFIO's
 * type 1, each with a device of its own, taking turns on the same memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "iommu.h"
#include "vfio.h"

#define ROUNDS	9
#define GPA	GIB

/** enum side - who maps */
enum side { OURS, TYPE1, SIDES };

/** struct series - what was measured for one memory */
struct series {
	double map[SIDES][ROUNDS];
	double unmap[SIDES][ROUNDS];
};

struct machine {
	struct vfio *v[SIDES];
	int vm;
	int iommu;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "iommu: %s: %s\n", what, strerror(-err));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int set_memory(struct machine *m, const struct ram *b)
{
	struct kvlane_region region = {
		.gpa = GPA, .size = b ? b->size : 0, .hva = b ? (uintptr_t)b->mem : 0, .fd = -1,
	};
	struct kvlane_set_memory arg = { .nr_regions = !!b, .regions = (uintptr_t)&region };

	return ioctl(m->vm, KVLANE_SET_MEMORY, &arg) ? -errno : 0;
}

static int change(struct machine *m, enum side side, const struct ram *b, int map)
{
	struct vfio_iommu_type1_dma_map in = {
		.argsz = sizeof(in),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)b->mem,
		.iova = GPA,
		.size = b->size,
	};
	struct vfio_iommu_type1_dma_unmap out = {
		.argsz = sizeof(out), .iova = GPA, .size = b->size,
	};

	if (side == OURS)
		return io_range(m->iommu, map ? KVLANE_IOMMU_MAP : KVLANE_IOMMU_UNMAP, GPA,
				b->size, 0);
	if (map)
		return ioctl(m->v[TYPE1]->container, VFIO_IOMMU_MAP_DMA, &in) ? -errno : 0;
	return ioctl(m->v[TYPE1]->container, VFIO_IOMMU_UNMAP_DMA, &out) ? -errno : 0;
}

static double timed(struct machine *m, enum side side, const struct ram *b, int map)
{
	double start = now();
	int err = change(m, side, b, map);

	if (err)
		die(map ? "mapping" : "unmapping", err);
	return now() - start;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), by_value);
	return values[ROUNDS / 2];
}

static void measure(struct machine *m, const struct ram *b, struct series *s)
{
	enum side side;
	int round;

	/* The last round is for warming up, and is overwritten. */
	for (round = -1; round < ROUNDS; round++) {
		for (side = OURS; side < SIDES; side++) {
			int at = round < 0 ? ROUNDS - 1 : round;

			s->map[side][at] = timed(m, side, b, 1);
			s->unmap[side][at] = timed(m, side, b, 0);
		}
	}
}

static void print_row(const char *name, size_t size, struct series *s)
{
	double map = median(s->map[OURS]), map1 = median(s->map[TYPE1]);
	double unmap = median(s->unmap[OURS]), unmap1 = median(s->unmap[TYPE1]);

	printf("   \"%s\", \"%zu MiB\", \"%.2f\", \"%.2f\", \"%.1f\", \"%.2f\", \"%.2f\", \"%.1f\"\n",
	       name, (size_t)(size / MIB), map, map1, map1 / map, unmap, unmap1,
	       unmap1 / unmap);
	fflush(stdout);
}

static void bench(struct machine *m, const char *name, enum ram_kind kind, size_t size)
{
	struct series s;
	struct ram b;
	int err = ram_open(&b, kind, size);

	if (err) {
		fprintf(stderr, "iommu: no %zu MiB of %s: %s\n", (size_t)(size / MIB), name,
			strerror(-err));
		return;
	}
	err = set_memory(m, &b);
	if (err)
		die("KVLANE_SET_MEMORY", err);
	change(m, OURS, &b, 0);
	measure(m, &b, &s);
	print_row(name, size, &s);
	set_memory(m, NULL);
	ram_close(&b);
}

static void open_machine(struct machine *m)
{
	static struct vfio found[VFIO_MOST];
	struct kvlane_create_vm vm = { .kvm_fd = -1 };
	struct kvlane_create_iommu iommu = {};
	int kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC), side, err;

	if (vfio_find(found) < SIDES)
		die("two devices for VFIO", -ENODEV);
	for (side = 0; side < SIDES; side++) {
		m->v[side] = &found[side];
		err = vfio_open(m->v[side], NULL);
		if (err)
			die("opening a device", err);
	}
	m->vm = ioctl(kvlane, KVLANE_CREATE_VM, &vm);
	m->iommu = ioctl(m->vm, KVLANE_CREATE_IOMMU, &iommu);
	err = io_device(m->iommu, KVLANE_IOMMU_ATTACH, m->v[OURS]->device);
	if (err)
		die("KVLANE_IOMMU_ATTACH", err);
}

int main(void)
{
	static const struct {
		const char *name;
		enum ram_kind kind;
	} kinds[] = {
		{ "4 KiB, none neighbours", RAM_SCATTERED },
		{ "4 KiB, as they come", RAM_SMALL },
		{ "THP", RAM_THP },
		{ "2 MiB", RAM_2M },
		{ "1 GiB", RAM_1G },
	};
	struct machine m;
	unsigned int i;

	open_machine(&m);
	printf(".. csv-table::\n   :header: \"pages\", \"memory\", \"map, ms\", \"type 1\", \"times\", "
	       "\"unmap, ms\", \"type 1\", \"times\"\n\n");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].kind != RAM_1G)
			bench(&m, kinds[i].name, kinds[i].kind, 64 * MIB);
		bench(&m, kinds[i].name, kinds[i].kind, GIB);
	}
	return 0;
}
