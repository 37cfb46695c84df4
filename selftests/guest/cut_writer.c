// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of the test "cut": one driver, two queues, several writes in flight, and
 * flushes while others are.  No block has two writes in flight, so the order of the
 * writes of a block is known.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "cut.h"
#include "device.h"

#define MEM		(16 << 20)
#define QUEUES		2
#define SLOTS		8
#define MAX_BLOCKS	4
#define WCE		(KVLANE_WINDOW_CONFIG + offsetof(struct virtio_blk_config, wce))

/* A write in flight: blocks in a row, write numbers in a row. */
struct slot {
	struct blk_req req;
	uint32_t block;
	uint32_t first;
	uint32_t count;
};

struct writer {
	struct cut_journal *j;
	struct guest guest;
	struct device device;
	struct slot slots[SLOTS];
	struct blk_req flush;
	bool flushing;
	bool writethrough;
	/* Writes done before the flush was sent are those marked so. */
	uint8_t covered[CUT_WRITES];
	bool busy[CUT_BLOCKS];
	uint64_t seed;
};

static void __attribute__((noreturn)) fail(struct cut_journal *j, const char *what, int err)
{
	snprintf(j->failed, sizeof(j->failed), "%s: %d", what, err);
	_exit(1);
}

static void set_up(struct writer *w, int fd)
{
	struct device *d = &w->device;
	int err;

	err = guest_open(&w->guest, MEM);
	if (!err)
		err = device_open(d, &w->guest, VIRTIO_ID_BLOCK, QUEUES, 64);
	if (!err)
		err = device_set_blk(d, fd, 0, 0);
	if (!err)
		err = device_start(d, FEATURES_ALL);
	for (int i = 0; i < SLOTS && !err; i++) {
		err = blk_alloc(&w->guest, &w->slots[i].req, MAX_BLOCKS * CUT_BLOCK);
		w->slots[i].req.done = true;
	}
	if (!err)
		err = blk_alloc(&w->guest, &w->flush, 0);
	if (!err)
		err = reg_write(d, WCE, 1, !w->writethrough);
	if (err)
		fail(w->j, "set-up", err);
}

static struct vq *some_queue(struct writer *w)
{
	return &w->device.vq[cut_random(&w->seed) % QUEUES];
}

/* A slot with a count is one in flight: it is left alone if the blocks are not free. */
static bool choose_blocks(struct writer *w, struct slot *s)
{
	uint32_t count = 1 + cut_random(&w->seed) % MAX_BLOCKS;
	uint32_t block = cut_random(&w->seed) % (CUT_BLOCKS - MAX_BLOCKS);

	for (uint32_t i = 0; i < count; i++)
		if (w->busy[block + i])
			return false;
	s->count = count;
	s->block = block;
	return true;
}

static void send_write(struct writer *w, struct slot *s)
{
	struct cut_journal *j = w->j;
	struct vq *vq = some_queue(w);
	struct cut_stamp stamp = { .round = j->round, .known = j->nr_promises };

	if (!choose_blocks(w, s))
		return;
	s->first = j->nr_writes;
	for (uint32_t i = 0; i < s->count; i++) {
		j->writes[s->first + i] = (struct cut_write){
			.block = s->block + i, .known = stamp.known,
		};
		w->busy[s->block + i] = true;
		stamp.block = s->block + i;
		stamp.write = s->first + i + 1;
		cut_stamp_put(s->req.data + i * CUT_BLOCK, stamp);
	}
	__atomic_store_n(&j->nr_writes, s->first + s->count, __ATOMIC_RELEASE);
	if (blk_add(vq, &s->req, VIRTIO_BLK_T_OUT, (uint64_t)s->block * (CUT_BLOCK / 512),
		    s->count * CUT_BLOCK) < 0)
		fail(j, "ring", 0);
	vq_kick(vq);
}

/* A write has come back. */
static void end_write(struct writer *w, struct slot *s)
{
	struct cut_journal *j = w->j;

	if (*s->req.status != VIRTIO_BLK_S_OK)
		fail(j, "write", *s->req.status);
	for (uint32_t i = 0; i < s->count; i++) {
		w->busy[s->block + i] = false;
		if (w->writethrough)
			j->writes[s->first + i].promise = j->nr_promises + 1;
		j->writes[s->first + i].done = 1;
	}
	if (w->writethrough)
		__atomic_store_n(&j->nr_promises, j->nr_promises + 1, __ATOMIC_RELEASE);
	s->count = 0;
}

static void send_flush(struct writer *w)
{
	struct vq *vq = some_queue(w);

	for (uint32_t i = 0; i < w->j->nr_writes; i++)
		w->covered[i] = w->j->writes[i].done && !w->j->writes[i].promise;
	w->flushing = true;
	if (blk_add(vq, &w->flush, VIRTIO_BLK_T_FLUSH, 0, 0) < 0)
		fail(w->j, "ring", 0);
	vq_kick(vq);
}

static void end_flush(struct writer *w)
{
	struct cut_journal *j = w->j;

	if (*w->flush.status != VIRTIO_BLK_S_OK)
		fail(j, "flush", *w->flush.status);
	for (uint32_t i = 0; i < j->nr_writes; i++)
		if (w->covered[i])
			j->writes[i].promise = j->nr_promises + 1;
	__atomic_store_n(&j->nr_promises, j->nr_promises + 1, __ATOMIC_RELEASE);
	w->flushing = false;
}

static unsigned int collect(struct writer *w)
{
	unsigned int n = 0;

	for (int i = 0; i < QUEUES; i++)
		n += blk_poll(&w->device.vq[i]);
	for (int i = 0; i < SLOTS; i++)
		if (w->slots[i].count && w->slots[i].req.done)
			end_write(w, &w->slots[i]);
	if (w->flushing && w->flush.done)
		end_flush(w);
	return n;
}

void cut_write_forever(struct cut_journal *j, int fd, bool writethrough, uint64_t seed)
{
	static struct writer w;

	w = (struct writer){ .j = j, .writethrough = writethrough, .seed = seed };
	set_up(&w, fd);
	close(fd);
	for (;;) {
		for (int i = 0; i < SLOTS; i++)
			if (!w.slots[i].count && j->nr_writes < CUT_WRITES - MAX_BLOCKS)
				send_write(&w, &w.slots[i]);
		if (!writethrough && !w.flushing && cut_random(&w.seed) % 8 == 0)
			send_flush(&w);
		if (!collect(&w))
			usleep(50);
	}
}
