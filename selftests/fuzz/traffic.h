/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a driver does: start the device, put requests into its rings. Mostly it
 * does so rightly, or the device would never get far.
 */
#ifndef KVLANE_FUZZ_TRAFFIC_H
#define KVLANE_FUZZ_TRAFFIC_H

#include "victim.h"

/**
 * traffic_add() - put a request into a ring and, as a rule, kick
 * @v: the victim
 * @r: random numbers
 */
void traffic_add(struct victim *v, struct rnd *r);

/**
 * traffic_start() - start the device, most of the time rightly
 * @v: the victim; it gets any kind of rings
 * @r: random numbers
 */
void traffic_start(struct victim *v, struct rnd *r);

/**
 * traffic_revive() - start the device again if it has stopped
 * @v: the victim
 * @r: random numbers
 */
void traffic_revive(struct victim *v, struct rnd *r);

/**
 * traffic_restart() - reset a queue, and set it up again
 * @v: the victim
 * @r: random numbers
 * @index: the queue
 */
void traffic_restart(struct victim *v, struct rnd *r, unsigned int index);

/**
 * traffic_kick() - notify a queue
 * @v: the victim
 * @r: random numbers
 * @index: the queue
 */
void traffic_kick(struct victim *v, struct rnd *r, unsigned int index);

/**
 * traffic_corrupt() - damage a descriptor
 * @v: the victim
 * @r: random numbers
 * @d: the descriptor
 * @packed: it is in a packed ring or in a table of one
 */
void traffic_corrupt(struct victim *v, struct rnd *r, struct vring_desc *d, bool packed);

/**
 * traffic_header() - make up what a disk is asked for
 * @v: the victim
 * @r: random numbers
 * @hdr: filled in
 */
void traffic_header(struct victim *v, struct rnd *r, struct virtio_blk_outhdr *hdr);

#endif
