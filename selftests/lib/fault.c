// SPDX-License-Identifier: GPL-2.0-only

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

#define NTH	"/proc/thread-self/fail-nth"
#define DEBUG	"/sys/kernel/debug/"

static int nth = -1;

/* Allocations that may sleep fail too, and nothing is printed for each. */
static int arm(void)
{
	int err = put_text(DEBUG "failslab/ignore-gfp-wait", "N");

	err = err ?: put_text(DEBUG "failslab/verbose", "0");
	err = err ?: put_text(DEBUG "fail_page_alloc/ignore-gfp-wait", "N");
	err = err ?: put_text(DEBUG "fail_page_alloc/verbose", "0");
	return err ?: put_text(DEBUG "fail_page_alloc/min-order", "0");
}

int fault_open(void)
{
	int err;

	nth = open(NTH, O_RDWR | O_CLOEXEC);
	if (nth < 0)
		return -errno;
	err = arm();
	if (err)
		fault_close();
	return err;
}

void fault_close(void)
{
	if (nth >= 0)
		close(nth);
	nth = -1;
}

void fault_at(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(nth, text, len, 0) != len)
		abort();
}

bool fault_was(void)
{
	char text[16] = "";

	if (pread(nth, text, sizeof(text) - 1, 0) <= 0)
		abort();
	fault_at(0);
	return atoi(text) == 0;
}
