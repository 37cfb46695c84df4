// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beside a guest of another VMM: which memory its driver has no use for, asked for as who moves
 * the guest would do it (KVLANE_SET_HINTING on a balloon by vDPA).
 *
 *	hints NAME PID SIZE
 *
 * NAME is the device; PID the VMM, of which SIZE bytes in one mapping are the guest's memory.
 * Prints how many KiB the driver named.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvlane.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE 4096
#define PATIENCE_MS 30000

static int open_balloon(const char *name)
{
	struct kvlane_open_vdpa args = {};
	int module = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	int fd;

	if (module < 0)
		err(1, "/dev/kvlane");
	strncpy(args.name, name, sizeof(args.name) - 1);
	fd = ioctl(module, KVLANE_OPEN_VDPA, &args);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

/* The first mapping of that size. */
static uint64_t find_memory(const char *pid, uint64_t size)
{
	uint64_t start, end;
	char path[64], line[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 &&
		    end - start == size) {
			fclose(maps);
			return start;
		}
	}
	errx(1, "%s: nothing there has %" PRIu64 " bytes", path, size);
}

static void set_hinting(int balloon, uint32_t state, uint64_t hva, uint64_t size)
{
	struct kvlane_dirty_range range = { .hva = hva, .size = size };
	struct kvlane_set_hinting args = {
		.state = state, .nr_ranges = size ? 1 : 0, .ranges = (uintptr_t)&range,
	};

	if (ioctl(balloon, KVLANE_SET_HINTING, &args))
		err(1, "KVLANE_SET_HINTING %u", state);
}

static void await(int balloon)
{
	struct kvlane_balloon_info info = {};

	for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
		info = (struct kvlane_balloon_info){};
		if (ioctl(balloon, KVLANE_GET_BALLOON, &info))
			err(1, "KVLANE_GET_BALLOON");
		if (info.hinting == KVLANE_HINTING_TOLD)
			return;
		usleep(10000);
	}
	errx(1, "the driver does not come to an end: hinting is %u", info.hinting);
}

static uint64_t fetch(int balloon, uint64_t hva, uint64_t size)
{
	struct kvlane_get_dirty_log args = { .hva = hva, .size = size };
	void *bits = calloc(size / PAGE / 64 + 1, sizeof(uint64_t));

	if (!bits)
		err(1, "no memory");
	args.bitmap = (uintptr_t)bits;
	if (ioctl(balloon, KVLANE_GET_HINTS, &args))
		err(1, "KVLANE_GET_HINTS");
	free(bits);
	return args.pages;
}

int main(int argc, char **argv)
{
	uint64_t size, hva;
	int balloon;

	if (argc != 4)
		errx(2, "usage: hints NAME PID SIZE");
	size = strtoull(argv[3], NULL, 0);
	hva = find_memory(argv[2], size);
	balloon = open_balloon(argv[1]);
	set_hinting(balloon, KVLANE_HINTING_BEGUN, hva, size);
	await(balloon);
	set_hinting(balloon, KVLANE_HINTING_STOPPED, 0, 0);
	printf("%" PRIu64 "\n", fetch(balloon, hva, size) * (PAGE / 1024));
	set_hinting(balloon, KVLANE_HINTING_OFF, 0, 0);
	return 0;
}
