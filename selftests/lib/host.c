// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLE_MS	15000

int run(const char *fmt, ...)
{
	char command[512], line[256];
	va_list ap;
	int status, n;
	FILE *f;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		return -E2BIG;
	snprintf(command, sizeof(command), "{ %s; } 2>&1", line);
	f = popen(command, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		fprintf(stderr, "# %s", line);
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

int load_module(const char *name)
{
	if (module_refs(name) >= 0)
		return 0;
	return run("modprobe -q %s", name) ? -ENOENT : 0;
}

int open_or_load(const char *path, const char *module)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 && !load_module(module))
		fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

long module_refs(const char *name)
{
	char path[96];
	long refs;
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	f = fopen(path, "re");
	if (!f)
		return -ENOENT;
	n = fscanf(f, "%ld", &refs);
	fclose(f);
	return n == 1 ? refs : -EIO;
}

int module_parameter(const char *name, const char *value, char *old)
{
	char path[96];
	int fd, err;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/module/kvlane/parameters/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = old ? pread(fd, old, 31, 0) : 0;
	if (old)
		old[n > 0 ? n - 1 : 0] = 0;
	err = n < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int module_settle(const char *name, long refs)
{
	int ms;

	for (ms = 0; ms < SETTLE_MS; ms += 5) {
		if (module_refs(name) == refs)
			return 0;
		usleep(5000);
	}
	return -ETIMEDOUT;
}

static int count_entries(const char *path, int (*match)(const char *dir, const char *name))
{
	struct dirent *e;
	int n = 0;
	DIR *d = opendir(path);

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			n += match ? match(path, e->d_name) : 1;
	closedir(d);
	return n;
}

bool kernel_before(unsigned int major, unsigned int minor)
{
	unsigned int its_major = 0, its_minor = 0;
	struct utsname name;

	if (!uname(&name))
		sscanf(name.release, "%u.%u", &its_major, &its_minor);
	return its_major < major || (its_major == major && its_minor < minor);
}

bool lanes_are_ours(void)
{
	return !kernel_before(6, 4);
}

int thread_count(pid_t pid)
{
	char path[64];
	int n;

	snprintf(path, sizeof(path), "/proc/%d/task", pid ? pid : getpid());
	n = count_entries(path, NULL);
	if (n > 0 && !pid && !lanes_are_ours())
		n += named_threads("kvlane-");
	return n;
}

int thread_settle(int count)
{
	int ms;

	for (ms = 0; ms < SETTLE_MS; ms += 5) {
		if (thread_count(0) == count)
			return 0;
		usleep(5000);
	}
	return -ETIMEDOUT;
}

static const char *wanted_prefix;

static int thread_matches(const char *dir, const char *name)
{
	char path[PATH_MAX], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/comm", dir, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = 0;
	fclose(f);
	return !strncmp(comm, wanted_prefix, strlen(wanted_prefix));
}

static int process_matches(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int n;

	snprintf(path, sizeof(path), "%s/%s/task", dir, name);
	n = count_entries(path, thread_matches);
	return n < 0 ? 0 : n;
}

int named_threads(const char *prefix)
{
	wanted_prefix = prefix;
	return count_entries("/proc", process_matches);
}

int adopt(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int copy;

	if (pidfd < 0)
		return -errno;
	copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy < 0)
		copy = -errno;
	close(pidfd);
	return copy;
}
