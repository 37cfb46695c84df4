// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that are stable one after the other, on an ext4 that may be cut off at any
 * time.
 *
 *   filer                        in the guest: mounts /dev/vda, writes file 1, 2, 3 ...,
 *                                syncs each, and then says "# stable N"
 *   filer write FOLDER           the same where it is mounted
 *   filer verify FOLDER N        beside it: files 1 to N are there and whole, and so is
 *                                each that has a successor
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE	70000
#define MAX_FILES	400
#define FOLDER		"/tmp/disk"

static size_t fill(uint8_t *buf, unsigned int number)
{
	size_t size = number * 7919 % MAX_SIZE + 1;
	uint32_t state = number;

	for (size_t i = 0; i < size; i++)
		buf[i] = (state = state * 1103515245 + 12345) >> 16;
	return size;
}

static void write_file(int folder, unsigned int number)
{
	static uint8_t buf[MAX_SIZE + 1];
	size_t size = fill(buf, number);
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%u", number);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, buf, size) != (ssize_t)size || fsync(fd) || fsync(folder)) {
		printf("# file %u: %s\n", number, strerror(errno));
		exit(1);
	}
	close(fd);
	printf("# stable %u\n", number);
	fflush(stdout);
}

static int write_files(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY);

	for (unsigned int number = 1; number <= MAX_FILES; number++)
		write_file(folder, number);
	return 0;
}

static int be_guest(void)
{
	mkdir(FOLDER, 0755);
	if (mount("/dev/vda", FOLDER, "ext4", 0, "")) {
		printf("# cannot mount /dev/vda: %s\n", strerror(errno));
		return 1;
	}
	return write_files(FOLDER);
}

static int is_whole(int folder, unsigned int number)
{
	static uint8_t have[MAX_SIZE + 2], want[MAX_SIZE + 1];
	size_t size = fill(want, number);
	char name[16];
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "%u", number);
	fd = openat(folder, name, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, have, sizeof(have));
	close(fd);
	return n == (ssize_t)size && !memcmp(have, want, size);
}

static unsigned int last_file(int folder)
{
	unsigned int number;
	char name[16];

	for (number = MAX_FILES; number; number--) {
		snprintf(name, sizeof(name), "%u", number);
		if (!faccessat(folder, name, F_OK, 0))
			break;
	}
	return number;
}

static int verify(const char *path, unsigned int stable)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY);
	unsigned int last = last_file(folder);

	for (unsigned int number = 1; number <= stable || number < last; number++) {
		if (!is_whole(folder, number)) {
			printf("# file %u is not whole; %u were stable, %u is the last\n", number,
			       stable, last);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return be_guest();
	if (argc == 3 && !strcmp(argv[1], "write"))
		return write_files(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "verify"))
		return verify(argv[2], atoi(argv[3]));
	fprintf(stderr, "usage: filer [write FOLDER | verify FOLDER N]\n");
	return 2;
}
