// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"
#include "host.h"

/* A call with more allocations than this has gone astray. */
#define MOST		400

int sweep_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* The device serves a disk request from beginning to end. */
static bool works(struct device *d, struct blk_req *req)
{
	struct vq *vq = &d->vq[1];
	bool ok;

	if (device_start(d, FEATURES_ALL))
		return false;
	pattern_fill(req->data, 8192, 3);
	ok = blk_do(vq, req, VIRTIO_BLK_T_OUT, 16, 8192) == VIRTIO_BLK_S_OK;
	memset(req->data, 0, 8192);
	ok = ok && blk_do(vq, req, VIRTIO_BLK_T_IN, 16, 8192) == VIRTIO_BLK_S_OK;
	return ok && pattern_matches(req->data, 8192, 3) && !device_reset(d);
}

static void look_after(struct sweep *s, unsigned int n, struct device *d,
		       struct blk_req *req, int fds, int threads)
{
	if (!s->broken && !works(d, req))
		s->broken = n;
	if (!s->leaked && (sweep_descriptors() != fds || thread_settle(threads)))
		s->leaked = n;
}

static unsigned int setting(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);
	unsigned int value = text ? strtoul(text, NULL, 10) : 0;

	return value ? value : otherwise;
}

struct sweep sweep(struct guest *g, struct device *d, struct blk_req *req,
		   int (*call)(struct guest *g, struct device *d, int *made),
		   sweep_undo *undo)
{
	int fds = sweep_descriptors(), threads = thread_count(0), made, err = 0;
	/* Every N-th allocation, beginning where the seed says. */
	unsigned int n, step = setting("FAIL_NTH_STEP", 1);
	struct sweep s = {};
	bool failed;

	for (n = 1 + setting("FAIL_NTH_SEED", time(NULL)) % step; n <= MOST; n += step) {
		made = -1;
		fault_at(n);
		err = call(g, d, &made);
		failed = fault_was();
		if (made >= 0)
			close(made);
		if (undo)
			undo();
		if (err) {
			s.failures++;
			/* The last is netlink's. */
			if (err != -ENOMEM && err != -EAGAIN && err != -ENOBUFS && !s.wrong)
				s.wrong = err;
		}
		look_after(&s, n, d, req, fds, threads);
		if (!failed)
			break;
	}
	if (err && !s.wrong)
		s.wrong = err;
	printf("# through at allocation %u, %u failures\n", n, s.failures);
	return s;
}
