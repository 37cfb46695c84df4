/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CONSOLE_H
#define VMRUN_CONSOLE_H

#include "config.h"
#include "loop.h"

#include <stddef.h>

struct machine;

/**
 * struct console - where the serial port leads on the host
 * @in: input; -1 if there is none (any more)
 * @out: output; -1 if there is none
 * @is_tty: @in is a terminal, so the escape key counts
 * @escaped: the escape key was the last one
 * @waiting: input is not watched until the serial port has room
 * @input: watches @in
 * @room: an eventfd: the serial port has room again
 * @timer: output that did not end in a newline
 */
struct console {
	struct machine *machine;
	int in;
	int out;
	bool is_tty;
	bool escaped;
	bool waiting;
	bool unwatchable;
	struct watch input;
	struct watch room;
	struct watch timer;
};

/**
 * console_open() - open what --console names; exits with one line if it cannot
 */
void console_open(struct console *console, struct machine *machine);

/**
 * console_start() - take over the terminal and watch the input
 */
void console_start(struct console *console);

/**
 * console_write() - write what the guest says, without waiting
 * Return: how many bytes were taken.
 */
size_t console_write(struct console *console, const void *data, size_t len);

/**
 * console_flush_soon() - have serial_flush() called in some milliseconds
 */
void console_flush_soon(struct console *console);

/**
 * console_has_room() - the serial port can take input again
 */
void console_has_room(struct console *console);

#endif
