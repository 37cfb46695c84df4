/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct load - one workload on one disk
 * @path: block device, or a file
 * @write: write, else read
 * @random: at random offsets, else one after the other
 * @block: bytes of one I/O
 * @depth: I/Os in flight of each job
 * @jobs: threads, each on a processor and a part of the disk of its own
 * @warm_ms: time the load runs before it is measured
 * @time_ms: time it is measured
 */
struct load {
	char path[32];
	bool write;
	bool random;
	size_t block;
	unsigned int depth;
	unsigned int jobs;
	unsigned int warm_ms;
	unsigned int time_ms;
};

/**
 * struct load_result - what a load did while it was measured
 * @ios: I/Os completed
 * @errors: of these, such as failed or were short
 * @ns: how long it was measured
 */
struct load_result {
	uint64_t ios;
	uint64_t errors;
	uint64_t ns;
};

/**
 * load_run() - run a load
 * @mark: called when the warm-up is over, and when the measurement is
 *
 * Returns NULL, or what went wrong.
 */
const char *load_run(const struct load *load, struct load_result *result,
		     void (*mark)(bool end));

#endif
