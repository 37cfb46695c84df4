/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_TERMINAL_H
#define VMRUN_TERMINAL_H

#include <stdbool.h>

/**
 * terminal_raw() - pass every key to the guest
 * @fd: the terminal
 *
 * Put back by terminal_restore(), on exit() and on a fatal signal.
 * Return: false if @fd is no terminal.
 */
bool terminal_raw(int fd);

/**
 * terminal_resume() - raw mode again, after the shell had the terminal
 */
void terminal_resume(void);

/**
 * terminal_restore() - put the terminal back as it was
 *
 * May be called from a signal handler, and more than once.
 */
void terminal_restore(void);

#endif
