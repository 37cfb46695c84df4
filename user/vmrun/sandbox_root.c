// SPDX-License-Identifier: GPL-2.0-only
/* The sandbox's view of the file system: none. */
#include "sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All that the first version of Landlock can refuse; later kernels know more. */
#define LANDLOCK_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* A tmpfs without files or room for any, mounted nowhere; read-only. */
static int create_empty(void)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), folder = -1;

	if (context < 0)
		return -1;
	if (!fsconfig(context, FSCONFIG_SET_STRING, "mode", "0555", 0) &&
	    !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		folder = fsmount(context, FSMOUNT_CLOEXEC,
				 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				 MOUNT_ATTR_NOEXEC);
	close(context);
	return folder;
}

const char *sandbox_root_leave(void)
{
	int folder = create_empty(), err;

	/* Only root may. For others there is Landlock. */
	if (folder < 0)
		return errno == EPERM ? NULL : "an empty file system";
	err = fchdir(folder) || chroot(".") || chdir("/");
	/* It stays open: closing it would take the kernel some milliseconds. */
	return err ? "chroot" : NULL;
}

void sandbox_root_forbid(void)
{
	const struct landlock_ruleset_attr all = { .handled_access_fs = LANDLOCK_FIRST };
	int rules = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);

	/* A set of rules that allows nothing. */
	if (rules < 0)
		return;
	syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
}
