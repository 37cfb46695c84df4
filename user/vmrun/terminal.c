// SPDX-License-Identifier: GPL-2.0-only
/* The terminal in raw mode, and back whatever happens. */
#include "terminal.h"
#include "number.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static int terminal = -1;
static volatile sig_atomic_t is_raw;
static struct termios saved, raw;

void terminal_restore(void)
{
	if (is_raw) {
		is_raw = 0;
		tcsetattr(terminal, TCSANOW, &saved);
	}
}

void terminal_resume(void)
{
	if (terminal >= 0) {
		is_raw = 1;
		tcsetattr(terminal, TCSANOW, &raw);
	}
}

/* The handler is gone when it runs (SA_RESETHAND), so the signal comes again and kills. */
static void on_fatal(int signal)
{
	terminal_restore();
	raise(signal);
}

static void catch_fatal(void)
{
	static const int fatal[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV };
	struct sigaction action = { .sa_handler = on_fatal, .sa_flags = SA_RESETHAND };

	for (unsigned int i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &action, NULL);
}

bool terminal_raw(int fd)
{
	if (tcgetattr(fd, &saved))
		return false;
	raw = saved;
	cfmakeraw(&raw);
	/* Messages of ours end in a plain newline. */
	raw.c_oflag |= saved.c_oflag & OPOST;
	terminal = fd;
	catch_fatal();
	atexit(terminal_restore);
	terminal_resume();
	return true;
}
