/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process may do with /dev/vhost-vdpa-N: drive the device as QEMU does, or as
 * nobody should.
 */
#ifndef KVLANE_FUZZ_VHOST_H
#define KVLANE_FUZZ_VHOST_H

#include "vdpa.h"
#include "vdpa_nl.h"
#include "victim.h"

/** define VHOST_QUEUE_SIZE - descriptors of a queue, as vdpa_create() makes them */
#define VHOST_QUEUE_SIZE	64

/**
 * struct user - a device under attack, and who has it open
 * @v: the device and its surroundings; its queues are those of @d
 * @d: the same for vDPA
 * @netns: the network namespace the program began in, where vDPA is to be found
 * @nl: connection to vDPA from there
 * @spare: an eventfd. vhost-vdpa lets go of an eventfd before it tells the module of the
 *	next one, so that all that it is given have to be held by somebody else.
 */
struct user {
	struct victim v;
	struct vdpa d;
	int netns;
	struct vdpa_nl nl;
	int spare;
};

/**
 * vhost_start() - everything from SET_OWNER to DRIVER_OK
 * @u: the user, with the device open
 * @features: to accept, where offered
 * @r: random numbers, to leave a step out now and then; NULL to do it rightly
 *
 * Return: 0 or a negative errno, of the first call that was refused.
 */
int vhost_start(struct user *u, uint64_t features, struct rnd *r);

/**
 * vhost_revive() - start the device with any features, unless another thread is at it
 * @u: the user
 * @r: random numbers
 */
void vhost_revive(struct user *u, struct rnd *r);

/**
 * vhost_call() - a call of vhost's or vhost-vdpa's, with any argument
 * @u: the user
 * @r: random numbers
 */
void vhost_call(struct user *u, struct rnd *r);

/**
 * vhost_message() - change the IOTLB in some way
 * @u: the user
 * @r: random numbers
 */
void vhost_message(struct user *u, struct rnd *r);

/**
 * vhost_reopen() - close the character device, and open it again
 * @u: the user
 */
void vhost_reopen(struct user *u);

#endif
