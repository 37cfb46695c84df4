/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_BALLOON_H
#define VMRUN_BALLOON_H

#include "loop.h"

#include <jansson.h>

struct balloon_config;
struct device_shape;
struct kvlane_backend;
struct machine;
struct virtio;

/**
 * struct balloon - the balloon of a machine
 * @virtio: the device; NULL if there is none
 * @settle: a timer: blocks that came back shall be in huge pages again
 * @collapsed: how many were put into one, or were in one
 * @tick: a timer, while it is automatic
 * @pressure: where the host tells of pressure on memory, if it may be automatic
 * @most: bytes that may be lent while it is; 0 otherwise
 * @lent: bytes that were lent when it was looked at last
 * @stall: the host's pressure then, see struct balloon_view
 */
struct balloon {
	struct machine *machine;
	struct virtio *virtio;
	struct watch settle;
	uint64_t collapsed;
	struct watch tick;
	int pressure;
	uint64_t most;
	uint64_t lent;
	unsigned int stall;
};

/**
 * balloon_describe() - what the module is to be told of a balloon
 */
void balloon_describe(const struct balloon_config *balloon, struct device_shape *shape,
		      struct kvlane_backend *backend);

/**
 * balloon_plug() - make the device
 */
void balloon_plug(struct machine *machine);

/**
 * balloon_auto_create() - get ready to follow the host's pressure; exits with one line if it
 *	cannot be known
 */
void balloon_auto_create(struct balloon *balloon);

/**
 * balloon_follow() - make it automatic
 * @most: bytes it may lend; 0 to have it stay as it is
 */
void balloon_follow(struct balloon *balloon, uint64_t most);

/**
 * balloon_report() - what is in it, and how the guest is
 * Return: a JSON object, or null.
 */
json_t *balloon_report(const struct virtio *virtio);

/**
 * balloon_control() - "ctl NAME balloon [SIZE|auto]"
 * Return: the answer.
 */
json_t *balloon_control(struct machine *machine, const json_t *request);

#endif
