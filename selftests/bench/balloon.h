/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_BALLOON_H
#define BENCH_BALLOON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct memory_result - what came of it
 * @bytes: memory that was used, read, or is in the balloon
 * @count: reads
 * @ns: how long they took
 * @reached: the balloon is as large as it was to be
 */
struct memory_result {
	uint64_t bytes;
	uint64_t count;
	uint64_t ns;
	bool reached;
};

/**
 * memory_run() - do something with the guest's memory
 * @words: "use": write to all that is free, and free it again;
 *	"read MIB COUNT": read that much in random order, so many times;
 *	"inflate MIB SECONDS", "deflate MIB SECONDS": wait, so long at most, until there is
 *	at least, or at most, so much in the balloon
 * @mark: called when it begins, and when it ends
 *
 * Returns NULL, or what went wrong.
 */
const char *memory_run(const char *words, struct memory_result *result, void (*mark)(bool end));

#endif
