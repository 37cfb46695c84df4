// SPDX-License-Identifier: GPL-2.0-only
/*
 * First and only program of the measured guest: loads the modules for its
 * disks, its network device or its balloon, then does what it is told over the
 * console, one line each:
 *
 *	run DEVICE read|write|randread|randwrite BLOCK DEPTH JOBS WARM_MS TIME_MS
 *	run net KIND ADDRESS FLOWS SIZE WARM_MS TIME_MS
 *	run memory ...		see balloon.h
 *	off
 *
 * What it says begins with "bench: ". On the kernel's command line,
 *
 *	bench.off=1	has it power off as soon as it is ready
 *	bench.disks=N	tells how many disks to wait for
 *	bench.host=N	has it bring up eth0 with the addresses 10.9.0.N and 10.9.1.N,
 *	bench.pairs=N	with so many queue pairs
 *	bench.balloon=1	tells that it has a balloon
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

#include "balloon.h"
#include "load.h"
#include "nic.h"
#include "traffic.h"

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

static void load_modules(const char *order)
{
	FILE *list = fopen(order, "r");
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

static void tell_network(unsigned long host)
{
	const char *error = nic_up(host, argument("bench.pairs="));

	if (error)
		tell("error eth0: %s: %m", error);
	else
		tell("ready uptime=%.3f pairs=%u", uptime(), nic_pairs());
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

static void do_traffic(const char *words)
{
	struct traffic traffic = {};
	struct traffic_result result;
	const char *error;

	if (sscanf(words, "%15s %15s %u %u %u %u", traffic.kind, traffic.to, &traffic.flows,
		   &traffic.size, &traffic.warm_ms, &traffic.time_ms) != 6) {
		tell("error not understood: run net %s", words);
		return;
	}
	error = traffic_run(&traffic, &result, tell_mark);
	if (error)
		tell("error %s %s: %s: %m", traffic.kind, traffic.to, error);
	else
		tell("result bytes=%llu count=%llu resent=%llu ns=%llu p50=%.0f p90=%.0f p99=%.0f",
		     (unsigned long long)result.bytes, (unsigned long long)result.count,
		     (unsigned long long)result.resent, (unsigned long long)result.ns,
		     result.percentiles[0], result.percentiles[1], result.percentiles[2]);
}

static void do_memory(const char *words)
{
	struct memory_result result = {};
	const char *error = memory_run(words, &result, tell_mark);

	if (error)
		tell("error %s: %s: %m", words, error);
	else
		tell("result bytes=%llu count=%llu took=%llu reached=%d",
		     (unsigned long long)result.bytes, (unsigned long long)result.count,
		     (unsigned long long)result.ns, result.reached);
}

static const char *modules(unsigned long host)
{
	if (host)
		return "/modules/net";
	return argument("bench.balloon=") ? "/modules/balloon" : "/modules/disks";
}

int main(void)
{
	unsigned long host;
	char line[256];

	tell("init uptime=%.3f", uptime());
	mount_all();
	raw_console();
	host = argument("bench.host=");
	load_modules(modules(host));
	if (host)
		tell_network(host);
	else
		tell_disks();
	if (argument("bench.off="))
		power_off();

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\r\n")] = 0;
		if (!strncmp(line, "run net ", 8))
			do_traffic(line + 8);
		else if (!strncmp(line, "run memory ", 11))
			do_memory(line + 11);
		else if (!strncmp(line, "run ", 4))
			do_run(line + 4);
		else if (!strcmp(line, "off"))
			power_off();
		else
			tell("error not understood: %s", line);
	}
	tell("error the console was closed");
	power_off();
}
