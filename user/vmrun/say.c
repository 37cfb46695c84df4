// SPDX-License-Identifier: GPL-2.0-only
/* Messages to the person: one line each, written in one piece. */
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void vsay(const char *fmt, va_list args)
{
	char line[1024];
	int n = 0, len;

	n += snprintf(line, sizeof(line), "vmrun: ");
	len = vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	n += len < (int)sizeof(line) - n - 1 ? len : (int)sizeof(line) - n - 2;
	line[n++] = '\n';
	/* Nobody is left to be told when stderr cannot be written. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

void fail(enum status status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
	exit(status);
}
