// SPDX-License-Identifier: GPL-2.0-only
/* Runs the registered tests, or those named as arguments, and reports in KTAP. */
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"

/* A test that hangs is ended after this many seconds. */
#define KTAP_TIMEOUT	60

const char *ktap_case = "";

static struct ktap_test *tests, **tests_end = &tests;

void ktap_register(struct ktap_test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

static bool ktap_chosen(const struct ktap_test *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (!strcmp(*names, test->name))
			return true;
	}
	return false;
}

static int ktap_run(const struct ktap_test *test)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(KTAP_TIMEOUT);
		ktap_case = test->name;
		test->run();
		exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	const struct ktap_test *test;
	int n = 0, failed = 0;

	(void)argc;
	for (test = tests; test; test = test->next)
		n += ktap_chosen(test, argv + 1);
	printf("TAP version 13\n1..%d\n", n);

	n = 0;
	for (test = tests; test; test = test->next) {
		if (!ktap_chosen(test, argv + 1))
			continue;
		if (ktap_run(test)) {
			failed++;
			printf("not ");
		}
		printf("ok %d %s\n", ++n, test->name);
	}
	printf("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:0 error:0\n",
	       n - failed, failed);
	return failed ? 1 : 0;
}
