/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CLIENT_H
#define VMRUN_CLIENT_H

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

#endif
