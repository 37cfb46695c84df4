/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CHECK_H
#define VMRUN_CHECK_H

/**
 * check() - "vmrun check"
 * Return: 0 if guests can run on this host, else 1.
 */
int check(int argc, char **argv);

#endif
