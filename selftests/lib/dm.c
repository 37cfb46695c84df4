// SPDX-License-Identifier: GPL-2.0-only
/* Device mapper tables of one target, through the control device. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "disk.h"
#include "host.h"

#define KEEPER_SECONDS	20

struct table {
	struct dm_ioctl head;
	struct dm_target_spec spec;
	char args[256];
};

static void init_head(struct dm *dm, struct dm_ioctl *head, size_t size)
{
	head->version[0] = DM_VERSION_MAJOR;
	head->data_size = size;
	head->data_start = sizeof(*head);
	head->dev = dm->dev;
}

static int create(struct dm *dm)
{
	static unsigned int counter;
	struct dm_ioctl head = {};

	init_head(dm, &head, sizeof(head));
	snprintf(head.name, sizeof(head.name), "kvlane-test-%d-%u", getpid(), counter++);
	if (ioctl(dm->control, DM_DEV_CREATE, &head))
		return -errno;
	dm->dev = head.dev;
	snprintf(dm->path, sizeof(dm->path), "/dev/dm-%u", minor(head.dev));
	return 0;
}

static int load_table(struct dm *dm, const char *target, const char *args)
{
	struct table t = {};

	init_head(dm, &t.head, sizeof(t));
	t.head.target_count = 1;
	t.spec.length = dm->sectors;
	snprintf(t.spec.target_type, sizeof(t.spec.target_type), "%s", target);
	snprintf(t.args, sizeof(t.args), "%s", args);
	return ioctl(dm->control, DM_TABLE_LOAD, &t) ? -errno : 0;
}

static int suspend(struct dm *dm, uint32_t flags)
{
	struct dm_ioctl head = {};

	init_head(dm, &head, sizeof(head));
	head.flags = flags;
	return ioctl(dm->control, DM_DEV_SUSPEND, &head) ? -errno : 0;
}

int dm_open(struct dm *dm, uint64_t sectors, const char *target, const char *args)
{
	int err;

	*dm = (struct dm){ .sectors = sectors };
	dm->control = open_or_load("/dev/mapper/control", "dm_mod");
	if (dm->control < 0)
		return dm->control;
	err = create(dm);
	if (!err)
		err = load_table(dm, target, args);
	if (!err)
		err = suspend(dm, 0);
	if (err)
		dm_close(dm);
	return err;
}

int dm_remove(struct dm *dm)
{
	struct dm_ioctl head = {};

	init_head(dm, &head, sizeof(head));
	if (ioctl(dm->control, DM_DEV_REMOVE, &head))
		return -errno;
	dm->dev = 0;
	return 0;
}

void dm_close(struct dm *dm)
{
	if (dm->control <= 0)
		return;
	if (dm->dev) {
		dm_release(dm);
		dm_remove(dm);
	}
	close(dm->control);
	dm->control = -1;
}

int dm_swap(struct dm *dm, const char *target, const char *args)
{
	int err = load_table(dm, target, args);

	if (!err)
		err = suspend(dm, DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
	return err ? err : suspend(dm, 0);
}

int dm_message(struct dm *dm, const char *text)
{
	struct {
		struct dm_ioctl head;
		struct dm_target_msg message;
		char text[64];
	} m = {};

	init_head(dm, &m.head, sizeof(m));
	snprintf(m.text, sizeof(m.text), "%s", text);
	return ioctl(dm->control, DM_TARGET_MSG, &m) ? -errno : 0;
}

/* The keeper keeps no descriptor but the one it needs; the end of the pipe says so. */
static void keep(struct dm *dm)
{
	setsid();
	dup2(dm->control, 3);
	close_range(4, ~0U, 0);
	dm->control = 3;
	sleep(KEEPER_SECONDS);
	suspend(dm, 0);
	_exit(0);
}

/*
 * A process that waits for held I/O cannot be killed, so somebody outside the
 * test's process group has to open the gate.  Wait until it has let go of what it
 * inherited, lest it keep alive what the test closes.
 */
static pid_t start_keeper(struct dm *dm)
{
	int pair[2];
	pid_t pid;
	char c;

	if (pipe(pair))
		return -1;
	pid = fork();
	if (!pid)
		keep(dm);
	close(pair[1]);
	if (pid > 0 && read(pair[0], &c, 1))
		pid = -1;
	close(pair[0]);
	return pid;
}

int dm_shut(struct dm *dm)
{
	dm->keeper = start_keeper(dm);
	if (dm->keeper < 0)
		return -errno;
	return suspend(dm, DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
}

int dm_release(struct dm *dm)
{
	int err = suspend(dm, 0);

	if (dm->keeper > 0) {
		kill(dm->keeper, SIGKILL);
		waitpid(dm->keeper, NULL, 0);
	}
	dm->keeper = 0;
	return err;
}

int gate_open(struct gate *gate, uint64_t bytes, int flags)
{
	int err, fd;

	gate->dm = (struct dm){ .control = -1 };
	err = loop_open(&gate->loop, bytes, 0);
	if (err)
		return err;
	snprintf(gate->linear, sizeof(gate->linear), "%s 0", gate->loop.path);
	err = dm_open(&gate->dm, bytes / 512, "linear", gate->linear);
	if (err)
		return err;
	fd = open(gate->dm.path, O_RDWR | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

void gate_close(struct gate *gate)
{
	dm_close(&gate->dm);
	loop_close(&gate->loop);
}
