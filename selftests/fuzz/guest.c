// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile guest.  Several threads play a driver that mostly does the right thing,
 * while others - and now and then the same ones - break every rule there is.  After
 * each round the device must be as good as new.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "end.h"
#include "fuzz.h"
#include "host.h"
#include "kcov.h"
#include "mutate.h"
#include "sectors.h"
#include "traffic.h"
#include "victim.h"

#include "kselftest.h"

/* Steps of a thread in a round. */
#define STEPS		300
/* Rounds remembered because they reached new code. */
#define CORPUS		256
/* How often the process ends in the middle, in each mode. */
#define ENDS		4

static const struct mode modes[] = {
	{ "blk-memfd", VIRTIO_ID_BLOCK, BACKING_MEMFD, .queues = 2, .queue_size = 128 },
	{ "blk-ext4", VIRTIO_ID_BLOCK, BACKING_EXT4, .queues = 2, .queue_size = 64,
	  .lane_queues = 2 },
	{ "blk-ext4-direct", VIRTIO_ID_BLOCK, BACKING_EXT4_DIRECT, .queues = 2,
	  .queue_size = 64 },
	{ "blk-loop", VIRTIO_ID_BLOCK, BACKING_LOOP, .queues = 1, .queue_size = 128 },
	{ "blk-nullb-direct", VIRTIO_ID_BLOCK, BACKING_NULLB_DIRECT, .queues = 2,
	  .queue_size = 128 },
	{ "blk-nullb-polled", VIRTIO_ID_BLOCK, BACKING_NULLB_DIRECT,
	  KVLANE_BACKEND_IOPOLL | KVLANE_BACKEND_NO_DISCARD, .queues = 2, .queue_size = 64 },
	{ "blk-readonly", VIRTIO_ID_BLOCK, BACKING_MEMFD, KVLANE_BACKEND_RDONLY, .queues = 1,
	  .queue_size = 16 },
	{ "rng-host", VIRTIO_ID_RNG, .source = SOURCE_HOST, .queues = 1, .queue_size = 64 },
	{ "rng-file", VIRTIO_ID_RNG, .source = SOURCE_FILE, .queues = 1, .queue_size = 16 },
	{ "rng-char-limited", VIRTIO_ID_RNG, .source = SOURCE_CHAR, .rate = 64 << 20,
	  .burst = 64 << 10, .queues = 1, .queue_size = 128 },
	{ "rng-host-limited", VIRTIO_ID_RNG, .source = SOURCE_HOST, .rate = 16 << 20,
	  .burst = 4096, .queues = 1, .queue_size = 64 },
	{ "net-one-pair", VIRTIO_ID_NET, .header_len = 12, .zerocopy_min = UINT32_MAX,
	  .queues = 3, .queue_size = 128 },
	{ "net-two-pairs", VIRTIO_ID_NET, .flags = KVLANE_BACKEND_RSS, .header_len = 12,
	  .zerocopy_min = 1, .queues = 5, .queue_size = 64 },
	{ "net-short-header", VIRTIO_ID_NET, .header_len = 10, .queues = 5, .queue_size = 64,
	  .lane_queues = 2 },
	{ "net-no-header", VIRTIO_ID_NET, .queues = 3, .queue_size = 16 },
	{ "balloon", VIRTIO_ID_BALLOON, .queues = 5, .queue_size = 64 },
	{ "balloon-one-lane", VIRTIO_ID_BALLOON, .queues = 5, .queue_size = 16,
	  .lane_queues = 5 },
};

#define MODES	(sizeof(modes) / sizeof(modes[0]))

static struct fuzz_options options = { .seconds = 15, .threads = 3 };

/**
 * struct recipe - what a thread of a round does
 * @round: where its random numbers come from
 * @prefix: a round whose beginning comes first, or UINT64_MAX
 * @steps: so many steps of it
 */
struct recipe {
	uint64_t round;
	uint64_t prefix;
	unsigned int steps;
};

/**
 * struct attacker - a thread
 * @v: its victim
 * @recipe: what it does
 * @index: number of the thread
 */
struct attacker {
	struct victim *v;
	const struct recipe *recipe;
	unsigned int index;
};

static void step(struct victim *v, struct rnd *r)
{
	if (rnd_one_in(r, 8))
		traffic_revive(v, r);
	if (rnd_one_in(r, 5))
		mutate(v, r);
	else
		traffic_add(v, r);
}

static void steps(struct attacker *a, uint64_t round, unsigned int n)
{
	struct rnd r;

	rnd_seed(&r, options.seed, round, a->index);
	while (n--) {
		step(a->v, &r);
		fuzz_alive();
	}
}

/* What the first attacker reaches, and what the device's threads do. */
static struct kcov caller = { .fd = -1 }, lanes = { .fd = -1 };

static void *attack(void *arg)
{
	struct attacker *a = arg;
	bool coverage = !a->index && kcov_begin(&caller, false);

	if (a->recipe->steps)
		steps(a, a->recipe->prefix, a->recipe->steps);
	steps(a, a->recipe->round, STEPS - a->recipe->steps);
	if (coverage)
		kcov_end(&caller);
	return NULL;
}

/* So that no round depends on what the one before left. */
static void begin_round(struct victim *v, const struct recipe *recipe)
{
	struct rnd r;

	rnd_seed(&r, options.seed, recipe->steps ? recipe->prefix : recipe->round,
		 FUZZ_THREADS + 2);
	traffic_start(v, &r);
}

/* Returns how many new places were reached. */
static unsigned int run_round(struct victim *v, const struct recipe *recipe)
{
	struct attacker a[FUZZ_THREADS];
	pthread_t thread[FUZZ_THREADS];
	unsigned int i, started = 0;

	begin_round(v, recipe);
	for (i = 0; i < options.threads; i++) {
		a[i] = (struct attacker){ .v = v, .recipe = recipe, .index = i };
		if (pthread_create(&thread[i], NULL, attack, &a[i]))
			break;
		started++;
	}
	for (i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	return kcov_collect(&caller) + kcov_collect(&lanes);
}

static struct {
	struct recipe recipe[CORPUS];
	unsigned int nr;
} corpus;

/* Every other round begins like one that paid off, if there was any. */
static struct recipe next_recipe(struct rnd *r, uint64_t round)
{
	struct recipe recipe = { .round = round };

	if (corpus.nr && !options.no_feedback && rnd_one_in(r, 2)) {
		recipe.prefix = corpus.recipe[rnd_below(r, corpus.nr)].round;
		recipe.steps = rnd_below(r, STEPS);
	}
	return recipe;
}

static void remember(const struct recipe *recipe, struct rnd *r)
{
	unsigned int i = corpus.nr < CORPUS ? corpus.nr++ : rnd_below(r, CORPUS);

	corpus.recipe[i] = *recipe;
}

static bool after_round(struct victim *v, struct rnd *r, int threads)
{
	if (rnd_one_in(r, 4)) {
		if (victim_reopen(v)) {
			v->fault = "the device cannot be closed and made again";
			return false;
		}
		if (thread_settle(threads)) {
			v->fault = "threads are left after a device was closed";
			return false;
		}
	}
	return victim_check(v, r);
}

static bool rounds(struct victim *v, double until)
{
	uint64_t round, first = options.round;
	int threads = thread_count(0);
	struct rnd r;

	corpus.nr = 0;
	for (round = first; fuzz_now() < until; round++) {
		struct recipe recipe;

		if (options.rounds && round - first >= options.rounds)
			break;
		rnd_seed(&r, options.seed, round, FUZZ_THREADS);
		recipe = next_recipe(&r, round);
		if (run_round(v, &recipe))
			remember(&recipe, &r);
		if (!after_round(v, &r, threads)) {
			printf("# %s: %s: --seed %llu --threads %u --mode %s --round %llu\n",
			       v->mode->name, v->fault, (unsigned long long)options.seed,
			       options.threads, v->mode->name, (unsigned long long)round);
			return false;
		}
	}
	printf("# %s: %llu rounds", v->mode->name, (unsigned long long)(round - first));
	if (kcov_known())
		printf(", %u places in the kernel, %u rounds kept", kcov_known(), corpus.nr);
	printf("\n");
	return true;
}

static void print_rings(struct victim *v)
{
	static const char *const kinds[VICTIM_KINDS] = {
		"split", "packed", "split, in order", "packed, in order",
	};
	static const char *const names[VICTIM_REASONS] = {
		"none", "ring address", "avail index", "head", "head busy", "next",
		"chain length", "chain bytes", "direction", "address", "indirect",
		"segments", "short", "fault", "no back end",
	};
	unsigned int kind, reason;
	const char *before;

	for (kind = 0; kind < VICTIM_KINDS; kind++) {
		printf("# %s: %s: %llu requests came back", v->mode->name, kinds[kind],
		       (unsigned long long)v->returned[kind]);
		before = "; broken by";
		for (reason = 1; reason < VICTIM_REASONS; reason++) {
			if (!v->reasons[kind][reason])
				continue;
			printf("%s %s %llu", before, names[reason],
			       (unsigned long long)v->reasons[kind][reason]);
			before = ",";
		}
		printf("\n");
	}
}

static void print_stats(struct victim *v)
{
	struct kvlane_queue_stats qs = {};
	struct kvlane_stats st = {};

	device_stats(&v->d, &st, 0, &qs);
	printf("# %s: last device: %llu requests, %llu errors, %llu malformed; %llu resets\n",
	       v->mode->name, (unsigned long long)qs.requests, (unsigned long long)qs.errors,
	       (unsigned long long)qs.malformed, (unsigned long long)st.resets);
}

/* In a process of its own: it may come to harm. */
static int child(const struct mode *mode, struct backing *backing, double until)
{
	struct victim v;
	bool ok;
	int err;

	/* Before the device is made: its threads record for who made them. */
	kcov_begin(&lanes, true);
	err = victim_open(&v, mode, backing);
	if (err) {
		printf("# %s: set-up: %s\n", mode->name, strerror(-err));
		return 1;
	}
	fuzz_watch();
	ok = rounds(&v, until);
	print_stats(&v);
	print_rings(&v);
	fflush(stdout);
	victim_close(&v);
	return ok ? 0 : 1;
}

static bool run_child(const struct mode *mode, struct backing *backing, double seconds)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(child(mode, backing, fuzz_now() + seconds));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		printf("# %s: the driver died of signal %d\n", mode->name, WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void doomed(const struct mode *mode, struct backing *backing, struct rnd *r)
{
	struct recipe recipe = { .round = rnd_next(r) };
	struct victim v;
	pthread_t thread;

	/* Where there is room for a core. */
	if (chdir("/tmp") || victim_open(&v, mode, backing) ||
	    pthread_create(&thread, NULL, end_thread, r))
		_exit(1);
	for (;; recipe.round++)
		run_round(&v, &recipe);
}

static bool run_doomed(const struct mode *mode, struct backing *backing, struct rnd *r)
{
	pid_t pid;

	rnd_next(r);
	fflush(stdout);
	pid = fork();
	if (!pid)
		doomed(mode, backing, r);
	return pid > 0 && end_wait(pid);
}

static bool attack_mode(const struct mode *mode, struct backing *backing, double seconds)
{
	long refs = module_refs("kvlane");
	struct rnd r;
	unsigned int i;

	if (!run_child(mode, backing, seconds) || end_leftovers(mode->name, refs))
		return false;
	rnd_seed(&r, options.seed, options.round, FUZZ_THREADS + 1);
	for (i = 0; i < ENDS; i++)
		if (!run_doomed(mode, backing, &r) || end_leftovers(mode->name, refs))
			return false;
	if (backing && !victim_disk_whole(backing)) {
		printf("# %s: sectors changed that no request named\n", mode->name);
		return false;
	}
	return true;
}

static void test_mode(const struct mode *mode, double seconds)
{
	struct backing backing;
	bool disk = mode->type == VIRTIO_ID_BLOCK;
	int err = disk ? backing_open(&backing, mode->backing, DISK_BYTES) : 0;

	if (!err && mode->flags & KVLANE_BACKEND_IOPOLL && disk)
		err = backing_fill(&backing, DISK_BYTES);
	if (!err && disk)
		err = victim_prepare_disk(&backing);
	if (err) {
		ksft_test_result_skip("%s: no such disk: %s\n", mode->name, strerror(-err));
		return;
	}
	ksft_test_result(attack_mode(mode, disk ? &backing : NULL, seconds), "%s\n",
			 mode->name);
	if (disk)
		backing_close(&backing);
}

static bool chosen(const struct mode *mode)
{
	if (options.mode)
		return !strcmp(options.mode, mode->name);
	return !options.device || !strncmp(mode->name, options.device, 3);
}

int main(int argc, char **argv)
{
	unsigned int i, nr = 0;

	fuzz_parse(&options, argc, argv);
	ksft_print_header();
	if (module_refs("kvlane") < 0)
		ksft_exit_skip("the module is not loaded\n");
	for (i = 0; i < MODES; i++)
		nr += chosen(&modes[i]);
	if (!nr)
		ksft_exit_fail_msg("there is no mode '%s'\n", options.mode);
	ksft_set_plan(nr);
	for (i = 0; i < MODES; i++)
		if (chosen(&modes[i]))
			test_mode(&modes[i], (double)options.seconds / nr);
	ksft_finished();
}
