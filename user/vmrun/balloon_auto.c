// SPDX-License-Identifier: GPL-2.0-only
/*
 * The automatic balloon: every two seconds, how long programs on the host wait for memory
 * and how much the guest could spare. The guest is asked, and its answer looked at the next
 * time; a guest that has lent nothing to a host that needs nothing is left in peace.
 */
#include "balloon.h"
#include "balloon_policy.h"
#include "machine.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_balloon.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PRESSURE "/proc/pressure/memory"
#define TICK_S 2
/* What the guest said before that does not count. */
#define STALE_NS (3ull * TICK_S * 1000000000)

/* Hundredths of a percent: "some avg10=0.00 avg60=0.00 ...". */
static unsigned int read_stall(int fd)
{
	unsigned int whole, part;
	char text[256] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0 ||
	    sscanf(text, "some avg10=%u.%2u", &whole, &part) != 2)
		return 0;
	return 100 * whole + part;
}

static struct balloon_view look(struct balloon *b, const struct kvlane_balloon_info *info)
{
	const __u64 total = info->stats[VIRTIO_BALLOON_S_MEMTOT];
	const __u64 available = info->stats[VIRTIO_BALLOON_S_AVAIL];
	/* The module asks for more than that to make blocks whole. */
	const __u64 lent = info->actual < info->target ? info->actual : info->target;
	struct balloon_view view = { .most = b->most, .lent = lent, .stall = b->stall };

	if (info->stats_ns && info->stats_ns < STALE_NS && total != UINT64_MAX &&
	    available != UINT64_MAX) {
		view.total = total + info->actual;
		view.available = available;
	}
	return view;
}

static void follow(struct balloon *b)
{
	struct kvlane_balloon_info info = { .flags = b->lent || b->stall ? KVLANE_BALLOON_ASK : 0 };
	struct kvlane_set_balloon args = {};
	struct balloon_view view;

	if (ioctl(b->virtio->fd, KVLANE_GET_BALLOON, &info))
		return;
	b->lent = info.actual;
	view = look(b, &info);
	args.target = balloon_next(&view);
	if (args.target != info.target)
		ioctl(b->virtio->fd, KVLANE_SET_BALLOON, &args);
}

static void on_tick(struct watch *watch, uint32_t events)
{
	struct balloon *b = watch->owner;
	uint64_t expirations;

	if (read(watch->fd, &expirations, sizeof(expirations)) < 0)
		return;
	b->stall = read_stall(b->pressure);
	if (!b->machine->paused)
		follow(b);
}

void balloon_follow(struct balloon *b, uint64_t most)
{
	const struct itimerspec timer = {
		.it_value.tv_sec = most ? TICK_S : 0,
		.it_interval.tv_sec = TICK_S,
	};

	b->most = most;
	b->stall = 0;
	timerfd_settime(b->tick.fd, 0, &timer, NULL);
}

void balloon_auto_create(struct balloon *b)
{
	b->pressure = open(PRESSURE, O_RDONLY | O_CLOEXEC);
	if (b->pressure < 0)
		fail(STATUS_USAGE,
		     "--balloon auto: the host does not tell of pressure on memory: " PRESSURE ": %s; boot it with psi=1",
		     strerror(errno));
	b->tick = (struct watch){
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_tick, b,
	};
	if (b->tick.fd < 0 || loop_add(&b->machine->loop, &b->tick, EPOLLIN))
		fail(STATUS_FAILURE, "balloon: no timer: %s", strerror(errno));
}
