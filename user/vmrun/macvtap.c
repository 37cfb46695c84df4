// SPDX-License-Identifier: GPL-2.0-only
/*
 * Macvtaps of our own.
 *
 * Unlike a tap a macvtap stays when its last descriptor is closed. So it is made in
 * a network namespace that nobody but this process has a descriptor of: the kernel
 * removes the namespace and all in it when this process ends, however it ends. Its
 * lower interface stays where it is, and packets pass between the two as ever.
 */
#include "macvtap.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MY_NS "/proc/thread-self/ns/net"
#define FIRST_INDEX 0x10000000

/*
 * A new namespace, and a monitor in it. The caller stays where it is. The
 * descriptor is never closed.
 */
static int make_namespace(const char *lower, struct link_monitor *monitor)
{
	int here = open(MY_NS, O_RDONLY | O_CLOEXEC), ns;
	const char *wrong;

	if (here < 0 || unshare(CLONE_NEWNET))
		fail(STATUS_USAGE,
		     "--net macvtap=%s: cannot make a network namespace: %s; run as root, or give a macvtap that is there",
		     lower, strerror(errno));
	ns = open(MY_NS, O_RDONLY | O_CLOEXEC);
	wrong = link_monitor_open(monitor);
	if (ns < 0 || setns(here, CLONE_NEWNET))
		wrong = strerror(errno);
	if (wrong)
		fail(STATUS_USAGE, "--net macvtap=%s: cannot make a network namespace: %s",
		     lower, wrong);
	close(here);
	return ns;
}

/*
 * The name of the character device follows from the index, and is not kept apart by
 * namespaces. So the index has to be one that nobody else has.
 */
static int choose_index(void)
{
	unsigned int random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = getpid();
	return FIRST_INDEX + random % FIRST_INDEX;
}

static const char *open_mend(int err)
{
	switch (-err) {
	case ENOENT:
		return "mount a devtmpfs on /dev";
	case EPERM:
	case EACCES:
		return "run as root";
	default:
		return "see dmesg";
	}
}

void macvtap_create(struct net *net)
{
	const char *lower = net->host.name, *wrong;
	char name[LINK_NAME_LEN];
	struct link_macvtap macvtap = {
		.name = name,
		.index = choose_index(),
		.lower = net->host.index,
		.ns = make_namespace(lower, &net->monitor),
		.mtu = net->mtu,
	};
	int err;

	snprintf(name, sizeof(name), "kvl%d", macvtap.index);
	memcpy(macvtap.mac, net->mac, MAC_LEN);
	wrong = link_create_macvtap(&macvtap);
	if (wrong)
		fail(STATUS_USAGE,
		     "--net macvtap=%s: cannot make one on it: %s; give an Ethernet interface that is in no bridge, and as root, modprobe macvtap",
		     lower, wrong);
	err = tap_open_macvtap(&net->tap, name, macvtap.index, net->pairs);
	if (err)
		fail(STATUS_USAGE, "--net macvtap=%s: /dev/tap%d: %s; %s", lower, macvtap.index,
		     strerror(-err), open_mend(err));
	net->watched = macvtap.index;
}
