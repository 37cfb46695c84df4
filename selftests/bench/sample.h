/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stdio.h>
#include <sys/types.h>

#define MAX_COUNTERS	160
#define MAX_EXTRAS	8

/**
 * struct counter - one number out of /proc, debugfs or a cgroup
 * @name: its name, with the source in front: "kvm.exits"
 * @value: what it stood at
 */
struct counter {
	char name[48];
	double value;
};

/**
 * struct sample - what the counters of a VMM and of the host stood at
 * @nr: how many there are
 * @counters: the counters
 */
struct sample {
	unsigned int nr;
	struct counter counters[MAX_COUNTERS];
};

/**
 * struct extra - something beside the VMM that its work is seen by
 * @name: what its counters are called
 * @interface: a network interface, or NULL
 * @cgroup: folder of a cgroup, or NULL
 */
struct extra {
	const char *name;
	const char *interface;
	const char *cgroup;
};

/**
 * struct subject - what is sampled
 * @pid: the VMM
 * @cgroup: folder of the cgroup it is alone in
 * @nr_extras: how many there are
 * @extras: what else is sampled
 */
struct subject {
	pid_t pid;
	const char *cgroup;
	unsigned int nr_extras;
	struct extra extras[MAX_EXTRAS];
};

/**
 * now_ns() - CLOCK_MONOTONIC
 */
double now_ns(void);

/**
 * sample_begin() - take a sample, what concerns the whole host last
 */
void sample_begin(struct sample *sample, const struct subject *subject);

/**
 * sample_end() - take a sample, what concerns the whole host first
 */
void sample_end(struct sample *sample, const struct subject *subject);

/**
 * sample_memory() - take a sample of memory instead of work
 * @guest: size of the guest's memory in bytes
 */
void sample_memory(struct sample *sample, const struct subject *subject, double guest);

/**
 * sample_print() - print a sample as members of a JSON object
 * @since: what to subtract, or NULL
 */
void sample_print(FILE *out, const struct sample *sample, const struct sample *since);

#endif
