// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "end.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "host.h"

bool end_wait(pid_t pid)
{
	unsigned int ms;

	for (ms = 0; ms < FUZZ_STUCK * 1000; ms += 10) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(10000);
	}
	printf("# the process does not end\n");
	run("cat /proc/%d/task/*/stack", pid);
	return false;
}

void *end_thread(void *arg)
{
	struct rnd *r = arg;
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int fd;

	usleep(100000 + rnd_below(r, 600000));
	switch (rnd_below(r, 4)) {
	case 0:
		/* With a core dump, which looks at all threads. */
		setrlimit(RLIMIT_CORE, &unlimited);
		abort();
	case 1:
		_exit(0);
	case 2:
		/* The descriptors survive, the memory and the threads do not. */
		for (fd = 3; fd < 256; fd++)
			fcntl(fd, F_SETFD, 0);
		execl("/bin/sleep", "sleep", "0.1", NULL);
		_exit(1);
	default:
		kill(getpid(), SIGKILL);
	}
	return NULL;
}

bool end_leftovers(const char *name, long refs)
{
	if (module_settle("kvlane", refs)) {
		printf("# %s: the module is still in use\n", name);
		return true;
	}
	if (named_threads("kvlane-")) {
		printf("# %s: threads are left\n", name);
		return true;
	}
	return false;
}
