/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_RNG_H
#define VMRUN_RNG_H

#include "config.h"

struct machine;

/**
 * rng_open() - open the entropy source
 *
 * Exits with STATUS_USAGE and one line if it is no use.
 * Return: the descriptor, or -1 for the host's own generator.
 */
int rng_open(const struct rng_config *rng);

/**
 * rng_plug() - make the device
 */
void rng_plug(struct machine *machine, int fd);

#endif
