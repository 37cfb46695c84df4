// SPDX-License-Identifier: GPL-2.0-only
/*
 * First and only program of the measured guest: loads the modules for its
 * disks, then does what it is told over the console, one line each:
 *
 *	run DEVICE read|write|randread|randwrite BLOCK DEPTH JOBS WARM_MS TIME_MS
 *	off
 *
 * What it says begins with "bench: ". With "bench.off=1" on the kernel's
 * command line it powers off as soon as it is ready.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

static void tell(const char *format, ...)
{
	char line[512] = "bench: ";
	size_t len = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	strcat(line, "\n");
	/* In one piece: it is the arrival of the line that the host times. */
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		_exit(1);
}

static double uptime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void power_off(void)
{
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	_exit(0);
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
}

static void raw_console(void)
{
	struct termios tio;

	if (tcgetattr(STDIN_FILENO, &tio))
		return;
	tio.c_lflag &= ~ECHO;
	tio.c_oflag &= ~OPOST;
	tcsetattr(STDIN_FILENO, TCSANOW, &tio);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules/order", "r");
	char name[128], path[160];
	int fd;

	while (list && fscanf(list, "%127s", name) == 1) {
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			tell("error cannot load %s: %m", name);
		close(fd);
	}
	if (list)
		fclose(list);
}

/* The number behind KEY on the kernel's command line, or 0. */
static unsigned long argument(const char *key)
{
	static char line[4096];
	char *at;
	FILE *file;

	if (!line[0]) {
		file = fopen("/proc/cmdline", "r");
		if (!file || !fgets(line, sizeof(line), file))
			return 0;
		fclose(file);
	}
	at = strstr(line, key);
	return at ? strtoul(at + strlen(key), NULL, 0) : 0;
}

static unsigned int count_disks(void)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	unsigned int nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += !strncmp(entry->d_name, "vd", 2);
	if (dir)
		closedir(dir);
	return nr;
}

static void tell_disks(void)
{
	unsigned long wanted = argument("bench.disks=");
	char line[256] = "", path[] = "/dev/vdX";
	uint64_t size;
	size_t len = 0;
	unsigned int i;
	int fd;

	for (i = 0; i < 2000 && count_disks() < wanted; i++)
		usleep(5000);
	for (i = 0; i < count_disks() && i < 8; i++) {
		path[7] = 'a' + i;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
			size = 0;
		close(fd);
		len += snprintf(line + len, sizeof(line) - len, " %s=%lluM", path + 5,
				(unsigned long long)size >> 20);
	}
	tell("ready uptime=%.3f%s", uptime(), line);
}

/* Short, since every character costs exits that are counted. */
static void tell_mark(bool end)
{
	tell(end ? "end" : "begin");
}

static void do_run(char *words)
{
	struct load load = {};
	struct load_result result;
	const char *error;
	char op[16];

	strcpy(load.path, "/dev/");
	if (sscanf(words, "%15s %15s %zu %u %u %u %u", load.path + 5, op, &load.block,
		   &load.depth, &load.jobs, &load.warm_ms, &load.time_ms) != 7) {
		tell("error not understood: run %s", words);
		return;
	}
	load.random = !strncmp(op, "rand", 4);
	load.write = !!strstr(op, "write");
	error = load_run(&load, &result, tell_mark);
	if (error)
		tell("error %s %s: %s: %m", load.path, op, error);
	else
		tell("result ios=%llu ns=%llu errors=%llu", (unsigned long long)result.ios,
		     (unsigned long long)result.ns, (unsigned long long)result.errors);
}

int main(void)
{
	char line[256];

	tell("init uptime=%.3f", uptime());
	mount_all();
	raw_console();
	load_modules();
	tell_disks();
	if (argument("bench.off="))
		power_off();

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\r\n")] = 0;
		if (!strncmp(line, "run ", 4))
			do_run(line + 4);
		else if (!strcmp(line, "off"))
			power_off();
		else
			tell("error not understood: %s", line);
	}
	tell("error the console was closed");
	power_off();
}
