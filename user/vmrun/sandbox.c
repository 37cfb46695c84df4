// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox: what is left to somebody who breaks out of the guest into this
 * process.
 *
 * It is made of layers, none of which relies on the others: an empty root folder;
 * a user of its own for each machine, without capabilities; no way to get more by
 * executing something; nothing open but what the running machine needs; and for
 * each kind of thread a list of system calls, with their ioctl requests.
 *
 * The threads of the module (lanes) run in the kernel only and are left alone.
 *
 * What the running machine needs later, such as the file for its statistics, is
 * opened before.
 */
#include "sandbox.h"
#include "say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Clients of the control socket at a time. */
#define MORE_FILES 64

static int last_file;

/*
 * Everything vmrun opens is closed on exec, so what is not was inherited, and
 * files given as /dev/fd/N have been opened anew.
 */
static void close_inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd, flags;

	while (dir && (entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
		else if (fd > last_file)
			last_file = fd;
	}
	if (dir)
		closedir(dir);
}

/* Has libraries do now what they would need files for at first use. */
static void settle_libraries(void)
{
	tzset();
	json_object_seed(0);
	/* Further heaps would want to know how many processors there are. */
	mallopt(M_ARENA_MAX, 1);
}

static void require(const char *wrong)
{
	if (wrong)
		fail(STATUS_USAGE, "sandbox: %s: %s; --sandbox off does without it", wrong,
		     strerror(errno));
}

void sandbox_close(const char *name, bool has_devices)
{
	close_inherited();
	settle_libraries();
	require(sandbox_filter_build(has_devices));
	require(sandbox_signal_catch(name));
	require(sandbox_root_leave());
	require(sandbox_user_drop());
	require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? "no_new_privs" : NULL);
	require(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? "dumpable" : NULL);
}

int sandbox_enter(enum sandbox_kind kind, const char *thread)
{
	sandbox_signal_thread(thread);
	sandbox_root_forbid();
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, sandbox_filter(kind)))
		return -errno;
	return 0;
}

void sandbox_limit(unsigned int opened)
{
	const struct rlimit none = {};
	struct rlimit files;

	files.rlim_max = last_file + opened + MORE_FILES;
	files.rlim_cur = files.rlim_max;
	/* There is no right to raise them, so this cannot fail but where they are lower. */
	setrlimit(RLIMIT_NPROC, &none);
	setrlimit(RLIMIT_NOFILE, &files);
}
