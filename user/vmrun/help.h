/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_HELP_H
#define VMRUN_HELP_H

/**
 * help_print() - print the help of a command and exit with STATUS_OK
 * @command: its name; NULL for vmrun as a whole
 */
void help_print(const char *command) __attribute__((noreturn));

#endif
