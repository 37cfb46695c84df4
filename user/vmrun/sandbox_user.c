// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who the sandbox runs as.
 *
 * Started by root, every machine becomes a user that nobody else is, so that one
 * which was broken into cannot reach the others, nor anything that belongs to a
 * service. The number is made of the process ID, in a range of 32-bit user IDs
 * that no distribution hands out.
 */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_USER 0x70000000
#define NOBODY 65534

static int become(unsigned int id)
{
	return setresgid(id, id, id) || setresuid(id, id, id);
}

static const char *leave_root(void)
{
	if (setgroups(0, NULL))
		return "giving up groups";
	if (!become(FIRST_USER + getpid()))
		return NULL;
	/* In a container there may be no such number. */
	if (errno != EINVAL || become(NOBODY))
		return "becoming another user";
	return NULL;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none);
}

const char *sandbox_user_drop(void)
{
	const char *wrong = NULL;

	/* Who has no capabilities may not, and does not have to. */
	for (int cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	if (!geteuid() || !getuid())
		wrong = leave_root();
	if (!wrong && drop_capabilities())
		wrong = "dropping capabilities";
	return wrong;
}
