// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guests' load on a disk of the host itself, without any guest: the limit of what
 * a VMM can reach. Prints what a meter would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

static long long cpu_us[2];

static void mark(bool end)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	cpu_us[end] = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000ll +
		      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	struct load_result result;
	struct load load = {};
	const char *error;

	if (argc != 8 || strlen(argv[1]) >= sizeof(load.path)) {
		fprintf(stderr, "usage: native PATH OPERATION BYTES DEPTH JOBS WARM-MS TIME-MS\n");
		return 2;
	}
	strcpy(load.path, argv[1]);
	load.random = !strncmp(argv[2], "rand", 4);
	load.write = !!strstr(argv[2], "write");
	load.block = atoi(argv[3]);
	load.depth = atoi(argv[4]);
	load.jobs = atoi(argv[5]);
	load.warm_ms = atoi(argv[6]);
	load.time_ms = atoi(argv[7]);
	error = load_run(&load, &result, mark);
	if (error) {
		fprintf(stderr, "native: %s: %s\n", load.path, error);
		return 1;
	}
	printf("{\"result\": \"ios=%llu ns=%llu errors=%llu\", \"native.cpu_us\": %lld}\n",
	       (unsigned long long)result.ios, (unsigned long long)result.ns,
	       (unsigned long long)result.errors, cpu_us[1] - cpu_us[0]);
	return 0;
}
