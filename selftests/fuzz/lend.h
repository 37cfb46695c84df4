/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A balloon under attack, and the memory that is lent by it.
 */
#ifndef KVLANE_FUZZ_LEND_H
#define KVLANE_FUZZ_LEND_H

#include "ring.h"
#include "victim.h"

/**
 * lend_set_backend() - KVLANE_SET_BACKEND of a balloon
 * @v: the victim
 * @target: bytes
 *
 * Return: 0 or a negative errno.
 */
int lend_set_backend(struct victim *v, uint64_t target);

/**
 * lend_request() - a request to any of a balloon's queues
 * @v: the victim
 * @r: random numbers
 * @queue: which queue
 * @data: guest memory of DATA_BYTES that it may write to
 * @addr: set to its buffer
 * @len: set to the bytes of it
 * @flags: set to the flags of its descriptor
 */
void lend_request(struct victim *v, struct rnd *r, unsigned int queue, uint8_t *data,
		  uint64_t *addr, uint32_t *len, uint16_t *flags);

/**
 * lend_mutate() - what an owner may do at the wrong moment
 * @v: the victim
 * @r: random numbers
 */
void lend_mutate(struct victim *v, struct rnd *r);

/**
 * lend_check() - does a balloon that was reset work?
 * @v: the victim, started
 *
 * Return: NULL, or what is wrong.
 */
const char *lend_check(struct victim *v);

#endif
