// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sectors.h"

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "seconds", required_argument, NULL, 'S' },
	{ "threads", required_argument, NULL, 't' },
	{ "device", required_argument, NULL, 'd' },
	{ "mode", required_argument, NULL, 'm' },
	{ "round", required_argument, NULL, 'r' },
	{ "rounds", required_argument, NULL, 'R' },
	{ "no-feedback", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void usage(FILE *f, const char *name)
{
	fprintf(f, "usage: %s [--seed N] [--seconds S] [--threads N]\n"
		   "       [--device blk|rng|net|balloon] [--mode NAME]\n"
		   "       [--round N] [--rounds N] [--no-feedback]\n", name);
}

static uint64_t number(const char *name, const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (*end || end == text) {
		fprintf(stderr, "%s: '%s' is not a number\n", name, text);
		exit(2);
	}
	return n;
}

static void parse_one(struct fuzz_options *o, int c, const char *name)
{
	switch (c) {
	case 's':
		o->seed = number(name, optarg);
		break;
	case 'S':
		o->seconds = number(name, optarg);
		break;
	case 't':
		o->threads = number(name, optarg);
		break;
	case 'd':
		o->device = optarg;
		break;
	case 'm':
		o->mode = optarg;
		break;
	case 'r':
		o->round = number(name, optarg);
		break;
	case 'R':
		o->rounds = number(name, optarg);
		break;
	case 'n':
		o->no_feedback = true;
		break;
	case 'h':
		usage(stdout, name);
		exit(0);
	default:
		usage(stderr, name);
		exit(2);
	}
}

static bool known_device(const char *name)
{
	return !strcmp(name, "blk") || !strcmp(name, "rng") || !strcmp(name, "net") ||
	       !strcmp(name, "balloon");
}

void fuzz_parse(struct fuzz_options *o, int argc, char **argv)
{
	struct timespec ts;
	int c;

	clock_gettime(CLOCK_REALTIME, &ts);
	o->seed = (uint64_t)ts.tv_sec << 20 ^ ts.tv_nsec;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		parse_one(o, c, argv[0]);
	if (optind != argc || !o->threads || o->threads > FUZZ_THREADS ||
	    (o->device && !known_device(o->device))) {
		usage(stderr, argv[0]);
		exit(2);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# --seed %llu --seconds %u --threads %u\n",
	       (unsigned long long)o->seed, o->seconds, o->threads);
}

/* The finaliser of SplitMix64: every bit of the input reaches every bit. */
static uint64_t scramble(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void rnd_seed(struct rnd *r, uint64_t seed, uint64_t round, uint64_t thread)
{
	r->state = scramble(seed ^ scramble(round + 1) ^ scramble(~thread));
}

uint64_t rnd_next(struct rnd *r)
{
	r->state += 0x9e3779b97f4a7c15ULL;
	return scramble(r->state);
}

uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	return (rnd_next(r) >> 32) * n >> 32;
}

bool rnd_one_in(struct rnd *r, uint32_t n)
{
	return !rnd_below(r, n);
}

uint64_t rnd_odd(struct rnd *r)
{
	uint64_t power = 1ULL << rnd_below(r, 64);

	switch (rnd_below(r, 6)) {
	case 0:
		return rnd_below(r, 20);
	case 1:
		return power;
	case 2:
		return power - 1;
	case 3:
		return -(uint64_t)rnd_below(r, 5000);
	case 4:
		return power + rnd_below(r, 5000);
	default:
		return rnd_next(r);
	}
}

uint16_t rnd_odd16(struct rnd *r)
{
	uint16_t v = rnd_odd(r);

	return v >= RESERVED_FIRST && v < RESERVED_END ? v + RESERVED_END : v;
}

double fuzz_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static unsigned int watch_count;

void fuzz_alive(void)
{
	__atomic_store_n(&watch_count, 0, __ATOMIC_RELAXED);
}

static void print_file(const char *task, const char *name)
{
	char path[300], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, name);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		printf("# %s %s: %s", task, name, line);
	fclose(f);
}

static void print_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		print_file(e->d_name, "comm");
		print_file(e->d_name, "stack");
	}
	if (d)
		closedir(d);
}

static void *watch(void *arg)
{
	(void)arg;
	while (__atomic_fetch_add(&watch_count, 1, __ATOMIC_RELAXED) < FUZZ_STUCK)
		sleep(1);
	printf("# no progress for %d s\n", FUZZ_STUCK);
	print_threads();
	fflush(stdout);
	_exit(3);
}

void fuzz_watch(void)
{
	pthread_t thread;

	watch_count = 0;
	if (!pthread_create(&thread, NULL, watch, NULL))
		pthread_detach(thread);
}
