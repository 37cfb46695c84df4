// SPDX-License-Identifier: GPL-2.0-only
/*
 * A keeper: a process that waits for the end of this one and then tidies up what would
 * outlive it, which this one has no more right to do when it is in its sandbox, and no
 * chance to when it is killed.
 *
 * It holds no more than a socket that ends with this process, and a folder.
 */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void __attribute__((noreturn)) keep(int line, int folder, void (*at_end)(void))
{
	sigset_t all;
	char c;

	prctl(PR_SET_NAME, "vmrun-keeper");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	if (dup2(line, 0) < 0 || dup2(folder < 0 ? line : folder, KEEPER_FOLDER) < 0 ||
	    close_range(KEEPER_FOLDER + 1, ~0U, 0))
		_exit(1);
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	at_end();
	_exit(0);
}

int keeper_start(int folder, void (*at_end)(void))
{
	int pair[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (!pid)
		keep(pair[1], folder, at_end);
	err = errno;
	close(pair[1]);
	if (pid > 0)
		return pair[0];
	close(pair[0]);
	return -err;
}

void keeper_dismiss(int keeper)
{
	char c;

	if (keeper < 0)
		return;
	shutdown(keeper, SHUT_WR);
	while (read(keeper, &c, 1) < 0 && errno == EINTR)
		;
	close(keeper);
}
