// SPDX-License-Identifier: GPL-2.0-only
/*
 * Crash consistency: a guest that writes and flushes is killed at a random moment,
 * many times; then the power is cut.
 *
 *   cut rounds [COUNT [SEED]]          do that, reported in KTAP
 *   cut marked LOG                     wait until somebody else's log has the mark
 *   cut replay LOG IMAGE CUT SEED      what is left of somebody else's disk
 *
 * The disk lies on dm-log-writes, which keeps every write that reaches the device, and
 * when.  After the kill everything that was complete has to be there, since the kernel
 * lives.  For the power cut the disk is made anew from the log: without the writes that
 * no flush has covered, or without some of them.
 *
 * The guest is a program with a driver of its own, because that is killed and started
 * again faster than a virtual machine is; to the module there is no difference.
 *
 * replay: CUT is how many entries of the log have happened ("end": those before the
 * mark), SEED says which unstable writes are lost (0: all). Prints how many entries
 * there are before the mark.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cut.h"
#include "disk.h"
#include "host.h"
#include "writelog.h"

#define LOG_BYTES	(512ULL << 20)
#define FS_BYTES	(16ULL << 20)
#define START_MS	20000
#define LOG_MS		60000
#define REMOVE_MS	20000
#define MAX_LIFE_MS	800

static const struct mode {
	const char *name;
	bool file;
	bool direct;
	bool writethrough;
} modes[] = {
	{ "device, buffered, writeback", false, false, false },
	{ "device, direct, writeback", false, true, false },
	{ "file, buffered, writeback", true, false, false },
	{ "file, direct, writeback", true, true, false },
	{ "device, buffered, writethrough", false, false, true },
	{ "device, direct, writethrough", false, true, true },
	{ "file, buffered, writethrough", true, false, true },
	{ "file, direct, writethrough", true, true, true },
};

/* One round: the disk, its log, and what the disk was before. */
struct round {
	const struct mode *mode;
	struct loop disk;
	struct loop log;
	int before;
	struct dm dm;
	char dir[32];
	char path[64];
	struct cut_journal *j;
	uint64_t seed;
};

static int copy_file(int from, uint64_t size)
{
	int fd = disk_memfd(size);
	off_t at = 0;

	while (fd >= 0 && at < (off_t)size)
		if (sendfile(fd, from, &at, size - at) <= 0)
			return -EIO;
	return fd;
}

static int mount_fs(struct round *r, const char *device)
{
	return mount(device, r->dir, "ext4", MS_NOATIME, "") ? -errno : 0;
}

/* A file system with the disk's file in it, all stable. */
static int make_fs(struct round *r)
{
	int err, fd;

	strcpy(r->dir, "/tmp/kvlane-cut.XXXXXX");
	if (!mkdtemp(r->dir))
		return -errno;
	snprintf(r->path, sizeof(r->path), "%s/disk", r->dir);
	err = run("mkfs.ext4 -q -F -b 4096 -J size=4 -E lazy_itable_init=0 %s", r->disk.path);
	if (!err)
		err = load_module("ext4");
	if (!err)
		err = mount_fs(r, r->disk.path);
	if (err)
		return err;
	fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	err = fd < 0 || ftruncate(fd, CUT_BYTES) ? -errno : 0;
	close(fd);
	umount(r->dir);
	return err;
}

static int set_up(struct round *r)
{
	uint64_t size = r->mode->file ? FS_BYTES : CUT_BYTES;
	char args[80];
	int err;

	err = loop_open(&r->disk, size, 0);
	if (!err)
		err = loop_open(&r->log, LOG_BYTES, 0);
	if (!err && r->mode->file)
		err = make_fs(r);
	if (err)
		return err;
	r->before = copy_file(r->disk.medium, size);
	if (r->before < 0)
		return r->before;
	snprintf(args, sizeof(args), "%s %s", r->disk.path, r->log.path);
	err = dm_open(&r->dm, size / 512, "log-writes", args);
	if (!err && r->mode->file)
		err = mount_fs(r, r->dm.path);
	else if (!err)
		snprintf(r->path, sizeof(r->path), "%s", r->dm.path);
	return err;
}

static void tear_down(struct round *r)
{
	if (r->dir[0]) {
		umount2(r->dir, MNT_DETACH);
		rmdir(r->dir);
	}
	dm_close(&r->dm);
	if (r->before > 0)
		close(r->before);
	loop_close(&r->log);
	loop_close(&r->disk);
	if (r->j)
		munmap(r->j, sizeof(*r->j));
}

static pid_t start_guest(struct round *r)
{
	int flags = O_RDWR | O_CLOEXEC | (r->mode->direct ? O_DIRECT : 0);
	pid_t pid = fork();

	if (pid)
		return pid;
	cut_write_forever(r->j, open(r->path, flags), r->mode->writethrough,
			  cut_random(&r->seed));
}

/* Lets the guest run for a while after the first promise, and kills it. */
static const char *run_guest(struct round *r)
{
	unsigned int life = cut_random(&r->seed) % MAX_LIFE_MS;
	pid_t pid = start_guest(r);

	for (int ms = 0; ms < START_MS; ms++) {
		if (__atomic_load_n(&r->j->nr_promises, __ATOMIC_ACQUIRE) || r->j->failed[0])
			break;
		usleep(1000);
	}
	usleep(life * 1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (r->j->failed[0])
		return r->j->failed;
	return r->j->nr_promises ? NULL : "the guest is promised nothing";
}

static const char *check_live(struct round *r)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC);
	const char *err;

	if (fd < 0)
		return "the disk cannot be opened after the kill";
	err = cut_check_live(r->j, fd);
	close(fd);
	return err;
}

/* Until then the order of the log is not settled, see writelog.h. */
static bool wait_for_mark(int log)
{
	for (int ms = 0; ms < LOG_MS; ms += 10) {
		if (writelog_marked(log, CUT_MARK))
			return true;
		usleep(10000);
	}
	return false;
}

/* Marks the end of the guest in the log, and ends the log. */
static const char *end_log(struct round *r)
{
	if (dm_message(&r->dm, "mark " CUT_MARK))
		return "the log takes no mark";
	if (!wait_for_mark(r->log.medium))
		return "the log does not get as far as the mark";
	if (r->mode->file && umount(r->dir))
		return "the file system is still in use";
	for (int ms = 0; ms < REMOVE_MS; ms += 20) {
		if (!dm_remove(&r->dm))
			return NULL;
		usleep(20000);
	}
	return "the disk is still in use after the kill";
}

/*
 * The file system mounts after the cut, the file keeps what was promised, fsck is
 * content. Closes the image.
 */
static const char *check_image(struct round *r, int image, uint32_t known)
{
	struct loop device;
	const char *err;
	int fd;

	if (loop_over(&device, image))
		return "no loop device";
	if (mount_fs(r, device.path)) {
		err = "the file system does not mount after the cut";
	} else {
		fd = open(r->path, O_RDONLY | O_CLOEXEC);
		err = fd < 0 ? "the file is gone" : cut_check_file(r->j, fd, known);
		if (fd >= 0)
			close(fd);
		umount(r->dir);
	}
	if (!err && run("e2fsck -fn %s >/dev/null", device.path))
		err = "fsck finds errors";
	loop_close(&device);
	return err;
}

static const char *cut_at(struct round *r, uint64_t cut, uint64_t lost, int64_t *entries)
{
	int image = copy_file(r->before, FS_BYTES);
	const char *err;
	uint32_t known;

	*entries = cut_replay(r->log.medium, image, cut, lost, &known, r->j->round);
	if (*entries >= 0)
		return check_image(r, image, cut == UINT64_MAX ? r->j->nr_promises : known);
	err = strerror(-*entries);
	close(image);
	return err;
}

/* For a file system: a cut at the kill, and one at any moment before. */
static const char *check_cuts(struct round *r)
{
	const char *err;
	int64_t entries;

	err = cut_at(r, UINT64_MAX, cut_random(&r->seed) % 2 * cut_random(&r->seed), &entries);
	if (!err && entries)
		err = cut_at(r, cut_random(&r->seed) % entries, cut_random(&r->seed), &entries);
	return err;
}

static const char *play(struct round *r)
{
	const char *err;
	int n = set_up(r);

	if (n)
		return strerror(n < 0 ? -n : EIO);
	r->j = mmap(NULL, sizeof(*r->j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	r->j->round = cut_random(&r->seed);
	err = run_guest(r);
	if (!err)
		err = check_live(r);
	if (!err)
		err = end_log(r);
	if (err)
		return err;
	return r->mode->file ? check_cuts(r) : cut_check_log(r->j, r->log.medium);
}

static int rounds(int count, uint64_t seed)
{
	int failures = 0;

	printf("TAP version 13\n1..%d\n# seed %llu\n", count, (unsigned long long)seed);
	for (int i = 0; i < count; i++) {
		struct round r = { .mode = &modes[i % 8], .seed = seed + i };
		const char *err = play(&r);

		failures += !!err;
		printf("%s %d %s: %u writes, %u promises%s%s\n", err ? "not ok" : "ok", i + 1,
		       r.mode->name, r.j ? r.j->nr_writes : 0, r.j ? r.j->nr_promises : 0,
		       err ? ": " : "", err ? err : "");
		tear_down(&r);
		fflush(stdout);
	}
	return failures != 0;
}

static int replay(char **argv)
{
	int log = open(argv[0], O_RDONLY | O_CLOEXEC), image = open(argv[1], O_RDWR | O_CLOEXEC);
	uint64_t cut = strcmp(argv[2], "end") ? strtoull(argv[2], NULL, 0) : UINT64_MAX;
	uint32_t known;
	int64_t n;

	if (log < 0 || image < 0) {
		perror("cut replay");
		return 1;
	}
	n = cut_replay(log, image, cut, strtoull(argv[3], NULL, 0), &known, 0);
	if (n < 0) {
		fprintf(stderr, "cut replay: %s\n", strerror(-n));
		return 1;
	}
	printf("%lld\n", (long long)n);
	return 0;
}

static int marked(const char *path)
{
	int log = open(path, O_RDONLY | O_CLOEXEC);

	if (log >= 0 && wait_for_mark(log))
		return 0;
	fprintf(stderr, "cut marked: %s does not get as far as the mark\n", path);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc >= 2 && argc <= 4 && !strcmp(argv[1], "rounds"))
		return rounds(argc > 2 ? atoi(argv[2]) : 8,
			      argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL));
	if (argc == 3 && !strcmp(argv[1], "marked"))
		return marked(argv[2]);
	if (argc == 6 && !strcmp(argv[1], "replay"))
		return replay(argv + 2);
	fprintf(stderr, "usage: cut rounds [COUNT [SEED]] | cut marked LOG |\n"
			"       cut replay LOG IMAGE CUT SEED\n");
	return 2;
}
