/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CLIENT_H
#define VMRUN_CLIENT_H

#include <jansson.h>

/**
 * client_list() - "vmrun list"
 * client_stat() - "vmrun stat"
 * client_ctl() - "vmrun ctl"
 * @argv: argv[0] is the command
 * Return: the exit status.
 */
int client_list(int argc, char **argv);
int client_stat(int argc, char **argv);
int client_ctl(int argc, char **argv);

/* What client_options() has found. */
#define CLIENT_JSON	1U
#define CLIENT_WATCH	2U

/**
 * client_options() - take "--json", "--watch" and "--help" out of the arguments
 * Return: CLIENT_*; the latter is for "stat" only.
 */
unsigned int client_options(int *argc, char **argv);

/**
 * client_borrow_throttle() - get a throttle of a VM that runs
 * @path: "VM/NAME", NAME being that of a throttle or of a device
 *
 * Exits with STATUS_USAGE and one line if there is none.
 * Return: its descriptor.
 */
int client_borrow_throttle(const char *path);

/**
 * client_find_vms() - the VMs of this user that run
 * Return: an array of report_summary().
 */
json_t *client_find_vms(void);

#endif
