/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_BALLOON_H
#define VMRUN_BALLOON_H

#include "loop.h"

#include <jansson.h>

struct machine;
struct virtio;

/**
 * struct balloon - the balloon of a machine
 * @virtio: the device; NULL if there is none
 * @settle: a timer: blocks that came back shall be in huge pages again
 * @collapsed: how many were put into one, or were in one
 */
struct balloon {
	struct machine *machine;
	struct virtio *virtio;
	struct watch settle;
	uint64_t collapsed;
};

/**
 * balloon_plug() - make the device
 */
void balloon_plug(struct machine *machine);

/**
 * balloon_report() - what is in it, and how the guest is
 * Return: a JSON object, or null.
 */
json_t *balloon_report(const struct virtio *virtio);

/**
 * balloon_control() - "ctl NAME balloon [SIZE]"
 * Return: the answer.
 */
json_t *balloon_control(struct machine *machine, const json_t *request);

#endif
