// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lend.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE	4096
#define BLOCK	(2U << 20)
#define PAGES	(BLOCK / PAGE)
#define FIRST	(LENT_GPA / PAGE)

enum { INFLATE, DEFLATE, TELL, HINT, REPORT };

int lend_set_backend(struct victim *v, uint64_t target)
{
	struct kvlane_backend arg = { .fd = -1, .balloon = { .target = target } };

	return ioctl(v->d.fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

/* A whole block, or some pages; now and then one that is nowhere. */
static uint32_t name_pages(struct rnd *r, uint32_t *pfns)
{
	unsigned int nr = rnd_one_in(r, 2) ? PAGES : 1 + rnd_below(r, 64), i;
	uint32_t first = FIRST + PAGES * rnd_below(r, LENT_BYTES / BLOCK);

	if (nr < PAGES)
		first += rnd_below(r, PAGES);
	for (i = 0; i < nr; i++)
		pfns[i] = rnd_one_in(r, 2000) ? rnd_odd(r) : first + i;
	return nr * sizeof(*pfns);
}

static uint32_t name_figures(struct rnd *r, struct virtio_balloon_stat *stats)
{
	unsigned int nr = 1 + rnd_below(r, 20), i;

	for (i = 0; i < nr; i++)
		stats[i] = (struct virtio_balloon_stat){
			rnd_one_in(r, 8) ? rnd_odd16(r) : i, rnd_next(r),
		};
	return nr * sizeof(*stats);
}

/* The id that the driver is asked for, none, or any. */
static uint32_t name_round(struct victim *v, struct rnd *r, uint32_t *id)
{
	if (rnd_one_in(r, 8))
		*id = rnd_odd(r);
	else
		*id = rnd_one_in(r, 4) ? 0 : reg_read(&v->d, KVLANE_WINDOW_CONFIG + 8, 4);
	return sizeof(*id);
}

void lend_request(struct victim *v, struct rnd *r, unsigned int queue, uint8_t *data,
		  uint64_t *addr, uint32_t *len, uint16_t *flags)
{
	data += PAGE * rnd_below(r, DATA_BYTES / PAGE);
	*addr = guest_gpa(&v->g, data);
	*flags = 0;
	if (queue == TELL) {
		*len = name_figures(r, (struct virtio_balloon_stat *)data);
	} else if (queue == HINT && rnd_one_in(r, 4)) {
		*len = name_round(v, r, (uint32_t *)data);
	} else if (queue == HINT || queue == REPORT) {
		*addr = LENT_GPA + (uint64_t)PAGE * rnd_below(r, LENT_BYTES / PAGE);
		*len = PAGE << rnd_below(r, 11);
		*flags = VRING_DESC_F_WRITE;
	} else {
		*len = name_pages(r, (uint32_t *)data);
	}
}

static void ask_for_hints(struct victim *v, struct rnd *r)
{
	static uint64_t bits[LENT_BYTES / PAGE / 64];
	struct kvlane_dirty_range range = {
		.hva = (uintptr_t)v->lent, .size = PAGE * rnd_below(r, LENT_BYTES / PAGE + 1),
	};
	struct kvlane_set_hinting set = {
		.state = rnd_one_in(r, 3) ? rnd_below(r, 4) : KVLANE_HINTING_BEGUN,
		.ranges = (uintptr_t)&range,
	};
	struct kvlane_get_dirty_log get = {
		.hva = (uintptr_t)v->lent, .size = LENT_BYTES, .bitmap = (uintptr_t)bits,
	};

	set.nr_ranges = set.state == KVLANE_HINTING_BEGUN;
	ioctl(v->d.fd, KVLANE_SET_HINTING, &set);
	ioctl(v->d.fd, KVLANE_GET_HINTS, &get);
}

void lend_mutate(struct victim *v, struct rnd *r)
{
	struct kvlane_set_balloon target = {
		.target = rnd_one_in(r, 4) ? rnd_odd(r) : BLOCK * rnd_below(r, 5),
	};
	struct kvlane_balloon_info info = { .flags = rnd_one_in(r, 4) };

	switch (rnd_below(r, 5)) {
	case 0:
		ioctl(v->d.fd, KVLANE_SET_BALLOON, &target);
		break;
	case 1:
		if (ftruncate(v->lent_fd, PAGE * rnd_below(r, LENT_BYTES / PAGE + 1)))
			printf("# ftruncate failed\n");
		break;
	case 2:
		ask_for_hints(v, r);
		break;
	case 3:
		reg_write(&v->d, KVLANE_WINDOW_CONFIG + 4 * rnd_below(r, 5), 4, rnd_odd(r));
		break;
	default:
		ioctl(v->d.fd, KVLANE_GET_BALLOON, &info);
		break;
	}
}

/* Only of a driver that tells before it uses a page again the host has anything. */
static bool tells(struct victim *v)
{
	struct kvlane_stats stats;

	return !device_stats(&v->d, &stats, 0, NULL) &&
	       stats.features & BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST);
}

static const char *move(struct victim *v, unsigned int queue, uint64_t want)
{
	struct iovec out = { v->check.data, PAGES * sizeof(uint32_t) };
	uint32_t *pfns = (uint32_t *)v->check.data;
	struct kvlane_balloon_info info = {};
	struct vq *vq = &v->d.vq[queue];
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		pfns[i] = FIRST + PAGES + i;
	if (vq_add(vq, &out, 1, NULL, 0, v) < 0)
		return "no room in an empty ring";
	vq_kick(vq);
	if (!vq_wait(vq, NULL))
		return "pages were not taken after a reset";
	if (ioctl(v->d.fd, KVLANE_GET_BALLOON, &info))
		return "a balloon does not tell after a reset";
	if (info.ballooned != want || info.freed != (tells(v) ? want : 0))
		return "a block was not taken, or not given back, after a reset";
	return NULL;
}

const char *lend_check(struct victim *v)
{
	const char *wrong = move(v, INFLATE, BLOCK);

	return wrong ? wrong : move(v, DEFLATE, 0);
}
