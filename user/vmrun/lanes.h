/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_LANES_H
#define VMRUN_LANES_H

#include <jansson.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct machine;
struct virtio;

/* Bytes that lanes_format() writes at most. */
#define LANES_TEXT 128

/**
 * struct lanes_setting - what a device's lanes do to save processor time, and where
 * @is_poll_set: @poll_us counts, and not the module's parameter
 * @poll_us: for how long a lane may look for more before it sleeps
 * @coalesce_us: for how long an interrupt may be held back; 0 for not at all
 * @coalesce_requests: for how many completed requests
 * @is_moved: they are told where to run
 * @cpus: the processors, if @cpus_text is not empty; otherwise all
 * @cpus_text: the same as it was written
 */
struct lanes_setting {
	bool is_poll_set;
	uint32_t poll_us;
	uint32_t coalesce_us;
	uint32_t coalesce_requests;
	bool is_moved;
	cpu_set_t cpus;
	char cpus_text[48];
};

/**
 * lanes_parse() - take "poll=USEC", "coalesce=USEC:REQUESTS" or "cpus=LIST"
 * @word: as on the command line
 * @setting: changed accordingly
 * @is_setting: false if @word is about something else
 * Return: NULL, or what is wrong with the value, and the mend.
 */
const char *lanes_parse(const char *word, struct lanes_setting *setting, bool *is_setting);

/**
 * lanes_format() - write a setting as lanes_parse() takes it
 * @buf: of LANES_TEXT bytes
 * Return: @buf.
 */
char *lanes_format(const struct lanes_setting *setting, char *buf);

/**
 * lanes_plug() - what a new device begins with; exits with one line if that fails
 */
void lanes_plug(struct virtio *virtio, const struct lanes_setting *setting);

/**
 * lanes_report() - a device's setting, for vmrun stat
 */
json_t *lanes_report(const struct virtio *virtio);

/**
 * lanes_control() - "vmrun ctl NAME lanes"
 * @request: has the device, and words that lanes_parse() takes; or not
 */
json_t *lanes_control(struct machine *machine, const json_t *request);

#endif
