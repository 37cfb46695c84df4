/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_VDPA_H
#define VMRUN_VDPA_H

/**
 * vdpa() - "vmrun vdpa"
 * @argv: argv[0] is "vdpa"
 * Return: the exit status.
 */
int vdpa(int argc, char **argv);

#endif
