/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzzers have in common: options, reproducible random numbers, and a
 * dog that barks when a step never ends.
 */
#ifndef KVLANE_FUZZ_H
#define KVLANE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** define FUZZ_THREADS - most threads a fuzzer runs */
#define FUZZ_THREADS	16
/** define FUZZ_STUCK - seconds without progress that make a hang */
#define FUZZ_STUCK	60

/**
 * struct fuzz_options - the command line
 * @seed: where all random numbers come from
 * @seconds: how long to run, all parts together
 * @threads: threads that attack at once
 * @device: "blk", "rng", "net" or NULL for all
 * @mode: run this mode only, or NULL
 * @round: begin with this round
 * @rounds: end after so many rounds, or 0
 * @no_feedback: no round begins like one that reached new code
 */
struct fuzz_options {
	uint64_t seed;
	unsigned int seconds;
	unsigned int threads;
	const char *device;
	const char *mode;
	uint64_t round;
	uint64_t rounds;
	bool no_feedback;
};

/**
 * fuzz_parse() - read the command line, and print the seed
 * @o: filled in; the values it comes with are the defaults
 * @argc: of main()
 * @argv: of main()
 *
 * A wrong option ends the program with status 2.
 */
void fuzz_parse(struct fuzz_options *o, int argc, char **argv);

/**
 * struct rnd - a stream of random numbers
 * @state: what the next one follows from
 */
struct rnd {
	uint64_t state;
};

/**
 * rnd_seed() - begin a stream
 * @r: the stream
 * @seed: the run
 * @round: the round in it
 * @thread: the thread in that
 */
void rnd_seed(struct rnd *r, uint64_t seed, uint64_t round, uint64_t thread);

/**
 * rnd_next() - any number
 * @r: the stream
 */
uint64_t rnd_next(struct rnd *r);

/**
 * rnd_below() - a number below another
 * @r: the stream
 * @n: not zero
 */
uint32_t rnd_below(struct rnd *r, uint32_t n);

/**
 * rnd_one_in() - true once in so many times
 * @r: the stream
 * @n: not zero
 */
bool rnd_one_in(struct rnd *r, uint32_t n);

/**
 * rnd_odd() - a number that programs do not expect: at a border, or any
 * @r: the stream
 */
uint64_t rnd_odd(struct rnd *r);

/**
 * rnd_odd16() - the same in 16 bits, but none that names a reserved sector
 * @r: the stream
 */
uint16_t rnd_odd16(struct rnd *r);

/**
 * fuzz_now() - seconds since some moment
 */
double fuzz_now(void);

/**
 * fuzz_watch() - have a thread watch that fuzz_alive() is called
 *
 * After FUZZ_STUCK seconds without, it prints where every thread of the process
 * is and ends the program.
 */
void fuzz_watch(void);

/**
 * fuzz_alive() - there is progress
 */
void fuzz_alive(void);

#endif
