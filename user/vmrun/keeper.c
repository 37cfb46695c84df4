// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keeper: a process that waits for the end of this one and then removes its
 * control socket and gives devices back to their drivers, which this one has no more
 * right to do when it is in its sandbox, and no chance to when it is killed.
 *
 * It holds two descriptors: the folder, and a socket that ends with this process.
 */
#include "keeper.h"
#include "vfio.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int keeper = -1;

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void __attribute__((noreturn)) keep(int line, int folder, const char *name)
{
	struct stat before, now;
	sigset_t all;
	char c;

	prctl(PR_SET_NAME, "vmrun-keeper");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	if (dup2(line, 0) < 0 || dup2(folder, 1) < 0 || close_range(2, ~0U, 0) ||
	    fstatat(1, name, &before, AT_SYMLINK_NOFOLLOW))
		_exit(1);
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	/* A machine of the same name may have taken its place meanwhile. */
	flock(1, LOCK_EX);
	if (!fstatat(1, name, &now, AT_SYMLINK_NOFOLLOW) && same_file(&before, &now))
		unlinkat(1, name, 0);
	flock(1, LOCK_UN);
	bind_give_back();
	_exit(0);
}

static void dismiss(void)
{
	char c;

	shutdown(keeper, SHUT_WR);
	while (read(keeper, &c, 1) < 0 && errno == EINTR)
		;
}

int keeper_start(int folder, const char *name)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (!pid)
		keep(pair[1], folder, name);
	close(pair[1]);
	keeper = pair[0];
	if (pid < 0)
		return -errno;
	bind_leave_to_keeper();
	atexit(dismiss);
	return 0;
}
