/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a driver must not do, and what an owner may do at the wrong moment.
 */
#ifndef KVLANE_FUZZ_MUTATE_H
#define KVLANE_FUZZ_MUTATE_H

#include "victim.h"

/**
 * mutate() - do one of it
 * @v: the victim
 * @r: random numbers
 */
void mutate(struct victim *v, struct rnd *r);

#endif
