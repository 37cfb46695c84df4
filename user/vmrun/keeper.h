/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_KEEPER_H
#define VMRUN_KEEPER_H

/**
 * keeper_start() - have a file removed when this process has ended
 * @folder: descriptor of the folder it is in
 * @name: its name there
 *
 * On exit() it is gone before the process is; after kill -9, soon.
 * Return: 0 or a negative errno.
 */
int keeper_start(int folder, const char *name);

#endif
