// SPDX-License-Identifier: GPL-2.0-only
/* The event loop of the main thread. */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>

int loop_init(struct loop *loop)
{
	loop->ended = false;
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->fd < 0 ? -errno : 0;
}

static int control(struct loop *loop, int op, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(loop->fd, op, watch->fd, &event) ? -errno : 0;
}

int loop_add(struct loop *loop, struct watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, watch, events);
}

void loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	control(loop, EPOLL_CTL_MOD, watch, events);
}

void loop_remove(struct loop *loop, struct watch *watch)
{
	control(loop, EPOLL_CTL_DEL, watch, 0);
}

void loop_run(struct loop *loop)
{
	struct epoll_event event;
	struct watch *watch;

	/* One at a time, because a watch may remove another one. */
	while (!loop->ended) {
		if (epoll_wait(loop->fd, &event, 1, -1) != 1)
			continue;
		watch = event.data.ptr;
		watch->ready(watch, event.events);
	}
}

void loop_end(struct loop *loop)
{
	loop->ended = true;
}
