// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first and only service of a test guest: loads the drivers, runs the tests
 * that the kernel command line names, and ends the guest.
 *
 *   kvlane.run=NAME,NAME	programs in /tests, in this order
 *   kvlane.end=poweroff	power off at the end (default)
 *   kvlane.end=reboot		reboot instead
 *   kvlane.end=twice		reboot the first time, power off the second; the first
 *				sector of /dev/vda remembers
 *   kvlane.end=halt		stop the processors and do nothing more
 *
 * The output of a program stands between "# begin NAME" and "# end NAME STATUS".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char cmdline[4096];

static void mount_all(void)
{
	static const char *const fs[][2] = {
		{ "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" },
		{ "tmpfs", "/tmp" },
	};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		mkdir(fs[i][1], 0755);
		if (mount(fs[i][0], fs[i][1], fs[i][0], 0, NULL) && errno != EBUSY)
			printf("# cannot mount %s: %s\n", fs[i][1], strerror(errno));
	}
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void read_cmdline(void)
{
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t n = read(fd, cmdline, sizeof(cmdline) - 1);

	cmdline[n > 0 ? n : 0] = 0;
	cmdline[strcspn(cmdline, "\n")] = 0;
	close(fd);
}

/* The value of a parameter; valid until the next call. */
static const char *parameter(const char *name)
{
	static char value[256];
	size_t len = strlen(name);
	const char *p;

	for (p = cmdline; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (!strncmp(p, name, len) && p[len] == '=') {
			snprintf(value, sizeof(value), "%.*s",
				 (int)strcspn(p + len + 1, " "), p + len + 1);
			return value;
		}
	return "";
}

static void load_modules(void)
{
	char name[128], path[160];
	FILE *f = fopen("/modules/order", "r");
	int fd;

	while (f && fscanf(f, "%127s", name) == 1) {
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			printf("# cannot load %s: %s\n", name, strerror(errno));
		close(fd);
	}
	if (f)
		fclose(f);
}

static void run(const char *name)
{
	char path[160];
	int status = 0;
	pid_t pid;

	printf("# begin %s\n", name);
	fflush(stdout);
	snprintf(path, sizeof(path), "/tests/%s", name);
	pid = fork();
	if (!pid) {
		execl(path, name, NULL);
		printf("# cannot start %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	printf("# end %s %d\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}

static void run_all(char *names)
{
	char *name;

	for (name = strtok(names, ","); name; name = strtok(NULL, ","))
		run(name);
}

/* True the first time it is asked on this disk. */
static int first_time(void)
{
	char sector[512] __attribute__((aligned(512))) = "";
	int fd = open("/dev/vda", O_RDWR | O_DIRECT | O_SYNC);
	int first = pread(fd, sector, 512, 0) == 512 && !sector[0];

	sector[0] = 1;
	if (first && pwrite(fd, sector, 512, 0) != 512)
		printf("# cannot write /dev/vda: %s\n", strerror(errno));
	close(fd);
	return first;
}

static void end(const char *how)
{
	sync();
	if (!strcmp(how, "reboot") || (!strcmp(how, "twice") && first_time())) {
		printf("# reboot\n");
		reboot(RB_AUTOBOOT);
	}
	if (!strcmp(how, "halt"))
		reboot(RB_HALT_SYSTEM);
	printf("# power off\n");
	reboot(RB_POWER_OFF);
}

int main(void)
{
	char names[256];

	mount_all();
	open_console();
	read_cmdline();
	load_modules();
	printf("# guest is up\n");
	snprintf(names, sizeof(names), "%s", parameter("kvlane.run"));
	run_all(names);
	end(parameter("kvlane.end"));
	/* Not reached, unless the guest refuses to end. */
	for (;;)
		pause();
}
