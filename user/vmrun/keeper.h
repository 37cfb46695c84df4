/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_KEEPER_H
#define VMRUN_KEEPER_H

/**
 * define KEEPER_FOLDER - the descriptor of a keeper's folder, in the keeper
 */
#define KEEPER_FOLDER 1

/**
 * keeper_start() - have something done when this process has ended
 * @folder: descriptor of a folder that it is done in; -1 for none
 * @at_end: does it, in a process of its own; there no descriptor is open but KEEPER_FOLDER
 *
 * What @at_end knows is what memory is when this is called. The process belongs to no
 * terminal and heeds no signal but SIGKILL.
 * Return: a descriptor for keeper_dismiss(), or a negative errno.
 */
int keeper_start(int folder, void (*at_end)(void));

/**
 * keeper_dismiss() - have it done now, and wait until it is
 * @keeper: from keeper_start(); nothing happens if it is negative
 */
void keeper_dismiss(int keeper);

#endif
