/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CLIENT_H
#define VMRUN_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

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

/**
 * client_options() - take "--json" and "--help" out of the arguments
 * Return: whether the former was there.
 */
bool client_options(int *argc, char **argv);

/**
 * client_find_vms() - the VMs of this user that run
 * Return: an array of report_summary().
 */
json_t *client_find_vms(void);

#endif
