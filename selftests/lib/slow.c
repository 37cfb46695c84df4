// SPDX-License-Identifier: GPL-2.0-only
/*
 * kselftest_harness.h ends a test by alarm(), after seconds that are right for an
 * ordinary kernel. On a slow one, such as the debug kernel, there are more of them.
 */
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static unsigned int slowness(void)
{
	const char *text = getenv("KVLANE_SLOW");
	unsigned long times = text ? strtoul(text, NULL, 10) : 1;

	return times ? times : 1;
}

/* In place of the C library's. */
unsigned int alarm(unsigned int seconds)
{
	struct itimerval old, new = { .it_value.tv_sec = (time_t)seconds * slowness() };

	setitimer(ITIMER_REAL, &new, &old);
	return old.it_value.tv_sec + !!old.it_value.tv_usec;
}
