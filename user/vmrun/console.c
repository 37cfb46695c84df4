// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's end of the serial port: this terminal, a file or nothing.
 *
 * A terminal is always read, because the escape key has to work when the guest
 * does not read. Other input waits until the guest has room for it.
 */
#include "console.h"
#include "machine.h"
#include "number.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define KEY_ESCAPE 0x1d	/* Ctrl-] */
#define FLUSH_DELAY_NS 4000000

static const char help[] =
	"\r\nvmrun: Ctrl-] and then\r\n"
	"  x       end the guest at once\r\n"
	"  p       press its power button\r\n"
	"  r       reset it\r\n"
	"  Ctrl-]  send Ctrl-] to it\r\n"
	"  ?       show this\r\n";

static void after_escape(struct console *console, char key)
{
	struct machine *machine = console->machine;
	const char literal = KEY_ESCAPE;

	switch (key) {
	case 'x':
		machine_end(machine, STATUS_OK, "%s: ended by Ctrl-] x", machine->config->name);
		break;
	case 'p':
		power_press_button(&machine->power);
		break;
	case 'r':
		machine_reset(machine);
		break;
	case '?':
		console_write(console, help, sizeof(help) - 1);
		break;
	case KEY_ESCAPE:
		serial_receive(&machine->serial, &literal, 1);
		break;
	}
}

static void type(struct console *console, const char *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (console->escaped) {
			console->escaped = false;
			after_escape(console, keys[i]);
		} else if (keys[i] == KEY_ESCAPE) {
			console->escaped = true;
		} else {
			serial_receive(&console->machine->serial, &keys[i], 1);
		}
	}
}

static void end_input(struct console *console)
{
	if (!console->unwatchable && !console->waiting)
		loop_remove(&console->machine->loop, &console->input);
	console->in = -1;
}

/* Reads once. Returns false if there was nothing to be had. */
static bool read_input(struct console *console)
{
	char buf[256];
	size_t room = sizeof(buf);
	ssize_t n;

	if (!console->is_tty) {
		room = serial_room(&console->machine->serial);
		if (room > sizeof(buf))
			room = sizeof(buf);
	}
	if (!room)
		return false;
	n = read(console->in, buf, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0) {
		end_input(console);
		return false;
	}
	if (console->is_tty)
		type(console, buf, n);
	else
		serial_receive(&console->machine->serial, buf, n);
	return true;
}

static void on_input(struct watch *watch, uint32_t events)
{
	struct console *console = watch->owner;

	read_input(console);
	if (console->in >= 0 && !console->is_tty && !serial_room(&console->machine->serial)) {
		console->waiting = true;
		loop_remove(&console->machine->loop, &console->input);
	}
}

static void on_room(struct watch *watch, uint32_t events)
{
	struct console *console = watch->owner;
	uint64_t count;

	if (read(watch->fd, &count, sizeof(count)) < 0 || console->in < 0)
		return;
	if (console->unwatchable) {
		while (read_input(console))
			;
	} else if (console->waiting) {
		console->waiting = false;
		loop_add(&console->machine->loop, &console->input, EPOLLIN);
	}
}

static void on_timer(struct watch *watch, uint32_t events)
{
	struct console *console = watch->owner;
	uint64_t count;

	if (read(watch->fd, &count, sizeof(count)) > 0)
		serial_flush(&console->machine->serial);
}

/*
 * Non-blocking mode belongs to the open file, which the shell shares; so it is
 * set on one of our own where the system gives us that.
 */
static int reopen(int fd)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND | O_CLOEXEC);
	return own < 0 ? fd : own;
}

static void open_stdio(struct console *console)
{
	struct stat st;

	/* In the background the terminal is someone else's, and reading it would stop us. */
	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) == getpgrp())
		console->in = STDIN_FILENO;
	if (fstat(STDOUT_FILENO, &st) == 0)
		console->out = S_ISREG(st.st_mode) ? STDOUT_FILENO : reopen(STDOUT_FILENO);
}

void console_open(struct console *console, struct machine *machine)
{
	const struct config *config = machine->config;

	console->machine = machine;
	console->in = -1;
	console->out = -1;
	if (config->console == CONSOLE_STDIO)
		open_stdio(console);
	if (config->console != CONSOLE_FILE)
		return;
	console->out = open(config->console_path,
			    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK | O_NOCTTY |
			    O_CLOEXEC, 0644);
	if (console->out < 0)
		fail(STATUS_USAGE, "--console %s: %s; give a file that can be written",
		     config->console_path, strerror(errno));
}

static void add_watch(struct console *console, struct watch *watch, int fd,
		      void (*ready)(struct watch *watch, uint32_t events))
{
	*watch = (struct watch){ .fd = fd, .ready = ready, .owner = console };
	if (fd < 0 || loop_add(&console->machine->loop, watch, EPOLLIN))
		fail(STATUS_FAILURE, "console: %s", strerror(errno));
}

void console_start(struct console *console)
{
	int err;

	add_watch(console, &console->timer,
		  timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_timer);
	if (console->in < 0)
		return;
	add_watch(console, &console->room, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_room);
	console->is_tty = isatty(console->in) && terminal_raw(console->in);
	console->input = (struct watch){ console->in, on_input, console };
	err = loop_add(&console->machine->loop, &console->input, EPOLLIN);
	/* A regular file cannot be waited for; it is read whenever there is room. */
	console->unwatchable = err == -EPERM;
	if (console->unwatchable)
		console_has_room(console);
}

size_t console_write(struct console *console, const void *data, size_t len)
{
	ssize_t n;

	if (console->out < 0)
		return len;
	do
		n = write(console->out, data, len);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	/* If nobody can read it any more, the guest goes on without a console. */
	return errno == EAGAIN ? 0 : len;
}

void console_flush_soon(struct console *console)
{
	const struct itimerspec soon = { .it_value.tv_nsec = FLUSH_DELAY_NS };

	timerfd_settime(console->timer.fd, 0, &soon, NULL);
}

void console_has_room(struct console *console)
{
	const uint64_t one = 1;

	/* Full or not, the eventfd is readable afterwards. */
	if (console->in >= 0 && write(console->room.fd, &one, sizeof(one)) < 0)
		return;
}
