// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills memory with a pattern and looks, again and again, whether it is still there.
 *
 * usage: pattern MIB [PAUSE-MS]
 *
 * Without a pause it looks once. With one it goes on until SIGTERM, looks for the last time
 * and says how often it did. Status 1, and a line for the first word that is not as it was,
 * if the memory has changed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void on_term(int signal)
{
	over = 1;
}

/* Each word is another one, in each process: a page that is not its own is seen, too. */
static uint64_t word(uint64_t seed, size_t i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ull;
}

static void fill(uint64_t *mem, size_t words, uint64_t seed)
{
	for (size_t i = 0; i < words; i++)
		mem[i] = word(seed, i);
}

static int is_whole(const uint64_t *mem, size_t words, uint64_t seed)
{
	for (size_t i = 0; i < words; i++) {
		if (mem[i] == word(seed, i))
			continue;
		printf("pattern: word %zu of %zu is %016" PRIx64 ", not %016" PRIx64 "\n", i, words,
		       mem[i], word(seed, i));
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 0) << 20 : 0, words = size / 8;
	unsigned long looks = 0, pause_ms = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	struct timespec pause = { pause_ms / 1000, pause_ms % 1000 * 1000000 };
	uint64_t seed = (uint64_t)time(NULL) << 32 | (uint64_t)getpid() << 16, *mem;

	signal(SIGTERM, on_term);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		printf("pattern: %zu MiB: %s\n", size >> 20, strerror(errno));
		return 2;
	}
	fill(mem, words, seed);
	printf("pattern: filled %zu MiB\n", size >> 20);
	fflush(stdout);
	for (int last = 0; !last; looks++) {
		last = over || !pause_ms;
		if (!is_whole(mem, words, seed))
			return 1;
		if (!last)
			nanosleep(&pause, NULL);
	}
	printf("pattern: looked %lu times\n", looks);
	return 0;
}
