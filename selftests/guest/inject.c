// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes another program's thread do a system call that it never would: what an
 * intruder does in it.
 *
 *   inject TID NUMBER [ARGUMENT...]
 *
 * A thread that is stopped in a system call stands behind the instruction for it.
 * It is set back to it with other registers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES		100
#define SYSCALL_OPCODE	0x050f

static int stop(pid_t tid, struct user_regs_struct *regs)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) || waitpid(tid, &status, __WALL) != tid ||
	    !WIFSTOPPED(status))
		return -1;
	return ptrace(PTRACE_GETREGS, tid, 0, regs);
}

/* Stops the thread until that happens to be in a system call. */
static int stop_in_call(pid_t tid, struct user_regs_struct *regs)
{
	for (int i = 0; i < TRIES; i++) {
		if (stop(tid, regs))
			return -1;
		errno = 0;
		if ((ptrace(PTRACE_PEEKTEXT, tid, regs->rip - 2, 0) & 0xffff) == SYSCALL_OPCODE &&
		    !errno)
			return 0;
		ptrace(PTRACE_CONT, tid, 0, 0);
		usleep(20000);
	}
	errno = ETIMEDOUT;
	return -1;
}

int main(int argc, char **argv)
{
	unsigned long long args[6] = {};
	struct user_regs_struct regs;
	pid_t tid;

	if (argc < 3 || argc > 9) {
		fprintf(stderr, "usage: inject TID NUMBER [ARGUMENT...]\n");
		return 2;
	}
	tid = atoi(argv[1]);
	for (int i = 3; i < argc; i++)
		args[i - 3] = strtoull(argv[i], NULL, 0);
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) || stop_in_call(tid, &regs)) {
		perror("# inject");
		return 1;
	}
	regs.rip -= 2;
	regs.rax = strtoull(argv[2], NULL, 0);
	regs.orig_rax = -1;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs) || ptrace(PTRACE_DETACH, tid, 0, 0)) {
		perror("# inject");
		return 1;
	}
	return 0;
}
