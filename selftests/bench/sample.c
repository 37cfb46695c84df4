// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the counters.
 *
 *	time.ns		clock
 *	cg.usage	CPU time of all that the VMM's cgroup ran, exact, in ns
 *	task.NAME	CPU time of its threads of that name, exact, in ns
 *	proc.guest	of it in guest mode, in ns, counted in ticks
 *	proc.switches	context switches of its threads
 *	sleep.NAME	those of the threads of that name because there was nothing to do
 *	kvm.*		KVM's counters of the VM
 *	sys.busy	CPU time of the host that was not idle, in ns, in ticks
 *	sys.tasks	CPU time of the host's tasks, exact, in ns; no interrupts
 *	sys.switches, sys.interrupts
 *	NAME.*		packets and bytes of an interface, or CPU time of a cgroup, that
 *			the subject has as an extra
 *
 * Both ends of a measurement keep the host's own counters next to the middle,
 * so that the work of sampling is hardly in them.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sample.h"

#define NS	1e9

double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS + now.tv_nsec;
}

/* Adds to the counter of that name, made if it is not there. */
static void add(struct sample *sample, const char *source, const char *name, double value)
{
	struct counter *counter;
	char full[sizeof(counter->name)];
	unsigned int i;

	snprintf(full, sizeof(full), "%s.%s", source, name);
	for (i = 0; i < sample->nr; i++) {
		if (!strcmp(sample->counters[i].name, full))
			break;
	}
	if (i == MAX_COUNTERS)
		return;
	counter = &sample->counters[i];
	if (i == sample->nr) {
		sample->nr++;
		strcpy(counter->name, full);
		counter->value = 0;
	}
	counter->value += value;
}

static FILE *open_at(const char *folder, const char *name)
{
	char path[640];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return fopen(path, "re");
}

/* "CPU 0/KVM" and "iou-wrk-123" become "CPU /KVM" and "iou-wrk-". */
static void drop_digits(char *name)
{
	char *to = name;

	for (; *name; name++) {
		if (!isdigit((unsigned char)*name) && *name != '\n' && *name != '"')
			*to++ = *name;
	}
	*to = 0;
}

static void sample_thread(struct sample *sample, const char *folder)
{
	char name[64] = "", line[128];
	unsigned long long ns = 0, switches;
	FILE *file = open_at(folder, "comm");

	if (!file)
		return;
	if (fgets(name, sizeof(name), file))
		drop_digits(name);
	fclose(file);

	file = open_at(folder, "schedstat");
	if (file && fscanf(file, "%llu", &ns) == 1)
		add(sample, "task", name, ns);
	if (file)
		fclose(file);

	file = open_at(folder, "status");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &switches) == 1)
			add(sample, "sleep", name, switches);
		else if (sscanf(line, "nonvoluntary_ctxt_switches: %llu", &switches) != 1)
			continue;
		add(sample, "proc", "switches", switches);
	}
	if (file)
		fclose(file);
}

static void sample_threads(struct sample *sample, pid_t pid)
{
	char folder[64], path[512];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/proc/%d/task", pid);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		sample_thread(sample, path);
	}
	if (dir)
		closedir(dir);
}

/* Field 43 of /proc/PID/stat, counted behind the name, which may hold blanks. */
static void sample_guest_time(struct sample *sample, pid_t pid)
{
	char folder[64], line[1024], *at, *save;
	int field = 3;
	FILE *file;

	snprintf(folder, sizeof(folder), "/proc/%d", pid);
	file = open_at(folder, "stat");
	if (!file)
		return;
	at = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	for (at = at ? strtok_r(at + 1, " ", &save) : NULL; at && field < 43; field++)
		at = strtok_r(NULL, " ", &save);
	if (at)
		add(sample, "proc", "guest", atof(at) / sysconf(_SC_CLK_TCK) * NS);
}

static void sample_kvm(struct sample *sample, pid_t pid)
{
	const char *root = "/sys/kernel/debug/kvm";
	char prefix[16], folder[300];
	struct dirent *entry;
	double value;
	DIR *dir = opendir(root);
	FILE *file;

	snprintf(prefix, sizeof(prefix), "%d-", pid);
	folder[0] = 0;
	while (dir && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			snprintf(folder, sizeof(folder), "%s/%s", root, entry->d_name);
	}
	if (dir)
		closedir(dir);
	dir = folder[0] ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_REG || strstr(entry->d_name, "_hist") ||
		    !strcmp(entry->d_name, "mmu_rmaps_stat"))
			continue;
		file = open_at(folder, entry->d_name);
		if (file && fscanf(file, "%lf", &value) == 1)
			add(sample, "kvm", entry->d_name, value);
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
}

/* A file of lines "name value". */
static void sample_pairs(struct sample *sample, const char *folder, const char *name,
			 const char *source, double unit)
{
	FILE *file = open_at(folder, name);
	double value;
	char key[40];

	while (file && fscanf(file, "%39s %lf", key, &value) == 2)
		add(sample, source, key, value * unit);
	if (file)
		fclose(file);
}

/* Columns of the line "cpu": user nice system idle iowait irq softirq steal. */
static void sample_host_stat(struct sample *sample)
{
	FILE *file = open_at("/proc", "stat");
	char line[4096];
	double t[8];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", t, t + 1, t + 2, t + 3,
			   t + 4, t + 5, t + 6, t + 7) == 8)
			add(sample, "sys", "busy",
			    (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / sysconf(_SC_CLK_TCK) * NS);
		else if (sscanf(line, "ctxt %lf", t) == 1)
			add(sample, "sys", "switches", t[0]);
		else if (sscanf(line, "intr %lf", t) == 1)
			add(sample, "sys", "interrupts", t[0]);
	}
	if (file)
		fclose(file);
}

/* Of each cpu line the 7th number is the time its tasks have run. */
static void sample_host_tasks(struct sample *sample)
{
	FILE *file = open_at("/proc", "schedstat");
	char line[512];
	double ns;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "cpu%*u %*u %*u %*u %*u %*u %*u %lf", &ns) == 1)
			add(sample, "sys", "tasks", ns);
	}
	if (file)
		fclose(file);
}

static void sample_interface(struct sample *sample, const struct extra *extra)
{
	static const char *const names[] = { "rx_packets", "rx_bytes", "rx_dropped",
					     "tx_packets", "tx_bytes", "tx_dropped" };
	char folder[128];
	double value;
	unsigned int i;
	FILE *file;

	snprintf(folder, sizeof(folder), "/sys/class/net/%s/statistics", extra->interface);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		file = open_at(folder, names[i]);
		if (file && fscanf(file, "%lf", &value) == 1)
			add(sample, extra->name, names[i], value);
		if (file)
			fclose(file);
	}
}

static void sample_host(struct sample *sample, const struct subject *subject)
{
	const struct extra *extra;

	sample_host_stat(sample);
	sample_host_tasks(sample);
	for (extra = subject->extras; extra < subject->extras + subject->nr_extras; extra++) {
		if (extra->interface)
			sample_interface(sample, extra);
		else
			sample_pairs(sample, extra->cgroup, "cpu.stat", extra->name, 1000);
	}
}

static void sample_vmm(struct sample *sample, const struct subject *subject)
{
	sample_kvm(sample, subject->pid);
	sample_threads(sample, subject->pid);
	sample_guest_time(sample, subject->pid);
	add(sample, "time", "ns", now_ns());
	sample_pairs(sample, subject->cgroup, "cpu.stat", "cg", 1000);
}

void sample_begin(struct sample *sample, const struct subject *subject)
{
	sample->nr = 0;
	sample_vmm(sample, subject);
	sample_host(sample, subject);
	add(sample, "time", "host_ns", now_ns());
}

void sample_end(struct sample *sample, const struct subject *subject)
{
	sample->nr = 0;
	add(sample, "time", "host_ns", now_ns());
	sample_host(sample, subject);
	sample_vmm(sample, subject);
}

/*
 * Sorts the VMM's mappings into the guest's memory and the rest. Guest memory
 * is a memfd or an anonymous mapping of about its size.
 */
static void sample_mappings(struct sample *sample, pid_t pid, double guest)
{
	char folder[64], line[512], key[40];
	unsigned long long start, end;
	bool is_guest = false;
	double kib;
	FILE *file;

	snprintf(folder, sizeof(folder), "/proc/%d", pid);
	file = open_at(folder, "smaps");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx %*s %*s %*s %*s", &start, &end) == 2) {
			is_guest = end - start >= guest / 2 || strstr(line, "/memfd:");
		} else if (sscanf(line, "%39[A-Za-z]: %lf kB", key, &kib) == 2 &&
			   (!strcmp(key, "Rss") || !strcmp(key, "Pss"))) {
			add(sample, is_guest ? "guest" : "vmm", key, kib * 1024);
		}
	}
	if (file)
		fclose(file);
}

void sample_memory(struct sample *sample, const struct subject *subject, double guest)
{
	sample->nr = 0;
	sample_mappings(sample, subject->pid, guest);
	sample_pairs(sample, subject->cgroup, "memory.stat", "mem", 1);
}

static double value_of(const struct sample *sample, const char *name)
{
	unsigned int i;

	for (i = 0; sample && i < sample->nr; i++) {
		if (!strcmp(sample->counters[i].name, name))
			return sample->counters[i].value;
	}
	return 0;
}

void sample_print(FILE *out, const struct sample *sample, const struct sample *since)
{
	const struct counter *counter;
	double value;
	unsigned int i;

	for (i = 0; i < sample->nr; i++) {
		counter = &sample->counters[i];
		value = counter->value - value_of(since, counter->name);
		if (value)
			fprintf(out, ", \"%s\": %.0f", counter->name, value);
	}
}
