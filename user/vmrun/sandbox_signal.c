// SPDX-License-Identifier: GPL-2.0-only
/*
 * A forbidden system call: one line, and the end.
 *
 * The kernel has refused the call when the signal comes. Should this handler not
 * get to run, because the stack or the mask are no longer ours, the kernel kills
 * the process instead.
 */
#include "sandbox.h"
#include "number.h"
#include "say.h"
#include "terminal.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The C library calls it SYS_SECCOMP in no header of its own. */
#define CODE_SECCOMP 1

static const char *const calls[] = {
#include "syscalls.h"
};

static const char *machine = "";
static __thread const char *this_thread = "?";

/* A line that grows; async-signal-safe, unlike stdio. */
struct line {
	char text[256];
	size_t len;
};

static void put(struct line *line, const char *text)
{
	while (*text && line->len < sizeof(line->text) - 1)
		line->text[line->len++] = *text++;
}

static void put_number(struct line *line, unsigned int number)
{
	char digits[12], *p = digits + sizeof(digits) - 1;

	*p = 0;
	do
		*--p = '0' + number % 10;
	while (number /= 10);
	put(line, p);
}

static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	unsigned int call = info->si_syscall;
	struct line line = {};

	/* Sent by somebody, not by the filter. */
	if (info->si_code != CODE_SECCOMP)
		return;
	terminal_restore();
	put(&line, "vmrun: ");
	put(&line, machine);
	put(&line, ": thread ");
	put(&line, this_thread);
	put(&line, ": system call ");
	put_number(&line, call);
	put(&line, " (");
	put(&line, call < ARRAY_SIZE(calls) && calls[call] ? calls[call] : "unknown");
	put(&line, ") is not allowed; the guest may have broken out, or vmrun has a bug");
	line.text[line.len++] = '\n';
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		_exit(STATUS_SANDBOX);
	_exit(STATUS_SANDBOX);
}

const char *sandbox_signal_catch(const char *name)
{
	const struct sigaction action = {
		.sa_sigaction = on_forbidden,
		.sa_flags = SA_SIGINFO,
	};

	machine = name;
	return sigaction(SIGSYS, &action, NULL) ? "signal handler" : NULL;
}

void sandbox_signal_thread(const char *thread)
{
	this_thread = thread;
}
