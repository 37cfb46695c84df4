/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_EVENTS_H
#define VMRUN_EVENTS_H

/**
 * events() - "vmrun events"
 * @argv: argv[0] is the command
 * Return: the exit status.
 */
int events(int argc, char **argv);

#endif
