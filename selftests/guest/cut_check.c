// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has to be on a disk after its guest was killed, or the power cut.
 *
 * For a block device the log is checked at once for all power cuts: at each entry,
 * what is stable has to keep every promise known then; and a write that is not yet
 * stable may be lost, so it counts for nothing, or not be lost, so it must not put
 * something older in place of what was promised.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cut.h"
#include "writelog.h"

static const char *wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *wrong(const char *fmt, ...)
{
	static char text[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return text;
}

static uint64_t sum(const uint64_t *words)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (unsigned int i = 0; i < CUT_BLOCK / 8; i++)
		h = (h ^ (i == offsetof(struct cut_stamp, sum) / 8 ? 0 : words[i])) *
		    0x100000001b3ULL;
	return h;
}

uint32_t cut_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 32;
}

void cut_stamp_put(void *buf, struct cut_stamp stamp)
{
	uint64_t *words = buf, state = ((uint64_t)stamp.round << 32) + stamp.write;

	for (unsigned int i = 0; i < CUT_BLOCK / 8; i++)
		words[i] = state += 0x9e3779b97f4a7c15ULL;
	stamp.magic = CUT_MAGIC;
	stamp.sum = 0;
	memcpy(buf, &stamp, sizeof(stamp));
	stamp.sum = sum(words);
	memcpy(buf, &stamp, sizeof(stamp));
}

bool cut_stamp_get(const void *buf, struct cut_stamp *stamp)
{
	memcpy(stamp, buf, sizeof(*stamp));
	return stamp->magic == CUT_MAGIC && stamp->sum == sum(buf);
}

static bool is_zero(const uint8_t *buf)
{
	return !buf[0] && !memcmp(buf, buf + 1, CUT_BLOCK - 1);
}

/*
 * A block with a write in flight may be half of that one and half of the one before:
 * the page is on its way to the disk, and the next write changes it. Then the block is
 * as old as its oldest byte. Returns -1 if it is not made of writes.
 */
static int64_t oldest_part(const struct cut_journal *j, const uint8_t *buf, uint32_t block)
{
	static uint8_t whole[CUT_BLOCK];
	int64_t youngest[CUT_BLOCK], oldest = INT64_MAX;
	uint32_t i, at;

	for (at = 0; at < CUT_BLOCK; at++)
		youngest[at] = buf[at] ? -1 : 0;
	for (i = 0; i < j->nr_writes; i++) {
		if (j->writes[i].block != block)
			continue;
		cut_stamp_put(whole, (struct cut_stamp){ .round = j->round, .block = block,
							 .write = i + 1,
							 .known = j->writes[i].known });
		for (at = 0; at < CUT_BLOCK; at++)
			if (whole[at] == buf[at])
				youngest[at] = i + 1;
	}
	for (at = 0; at < CUT_BLOCK; at++)
		if (youngest[at] < oldest)
			oldest = youngest[at];
	return oldest;
}

/* Whether a block that was found is a write of the journal, or of several. */
static const char *identify(const struct cut_journal *j, const uint8_t *buf, uint32_t block,
			    struct cut_stamp *stamp)
{
	int64_t oldest;

	if (!cut_stamp_get(buf, stamp)) {
		oldest = oldest_part(j, buf, block);
		*stamp = (struct cut_stamp){ .block = block, .write = oldest };
		return oldest < 0 ? wrong("block %u holds what was never written", block) : NULL;
	}
	if (stamp->round != j->round || !stamp->write || stamp->write > j->nr_writes ||
	    j->writes[stamp->write - 1].block != stamp->block || stamp->block != block)
		return wrong("block %u holds write %u of block %u, round %u", block,
			     stamp->write, stamp->block, stamp->round);
	return NULL;
}

/* Every block is at least what @floor says. */
static const char *check_blocks(const struct cut_journal *j, int fd, const uint32_t *floor)
{
	static uint8_t buf[CUT_BLOCK];
	struct cut_stamp stamp;
	const char *err;

	for (uint32_t b = 0; b < CUT_BLOCKS; b++) {
		if (pread(fd, buf, CUT_BLOCK, (off_t)b * CUT_BLOCK) != CUT_BLOCK)
			return wrong("block %u cannot be read", b);
		stamp.write = 0;
		err = is_zero(buf) ? NULL : identify(j, buf, b, &stamp);
		if (err)
			return err;
		if (stamp.write < floor[b])
			return wrong("block %u holds write %u, but write %u had to be there", b,
				     stamp.write, floor[b]);
	}
	return NULL;
}

const char *cut_check_live(const struct cut_journal *j, int fd)
{
	uint32_t floor[CUT_BLOCKS] = {};

	for (uint32_t i = 0; i < j->nr_writes; i++)
		if (j->writes[i].done)
			floor[j->writes[i].block] = i + 1;
	return check_blocks(j, fd, floor);
}

const char *cut_check_file(const struct cut_journal *j, int fd, uint32_t known)
{
	uint32_t floor[CUT_BLOCKS] = {};

	for (uint32_t i = 0; i < j->nr_writes; i++)
		if (j->writes[i].promise && j->writes[i].promise <= known)
			floor[j->writes[i].block] = i + 1;
	return check_blocks(j, fd, floor);
}

/* The state of the check of a log. */
struct state {
	const struct cut_journal *j;
	uint64_t entry;
	bool marked;
	uint32_t flushes;
	uint32_t known;
	uint32_t floor[CUT_BLOCKS];
	uint32_t stable[CUT_BLOCKS];
	/* Writes that are not stable, in their order. */
	struct {
		uint32_t block;
		uint32_t write;
	} pending[CUT_WRITES];
	uint32_t nr_pending;
};

/* The guest knows of more promises. They have to be kept by what is stable now. */
static const char *learn(struct state *s, uint32_t known)
{
	const struct cut_journal *j = s->j;

	if (known <= s->known)
		return NULL;
	for (uint32_t i = 0; i < j->nr_writes; i++) {
		const struct cut_write *w = &j->writes[i];

		if (w->promise <= s->known || w->promise > known)
			continue;
		if (s->floor[w->block] < i + 1)
			s->floor[w->block] = i + 1;
		if (s->stable[w->block] < s->floor[w->block])
			return wrong("entry %llu%s, after %u flushes: promise %u was made, but block %u is write %u, not %u",
				     (unsigned long long)s->entry, s->marked ? ", the mark" : "",
				     s->flushes, w->promise, w->block, s->stable[w->block],
				     i + 1);
	}
	s->known = known;
	return NULL;
}

static const char *take_block(struct state *s, const uint8_t *buf, uint32_t block, bool fua)
{
	struct cut_stamp stamp;
	const char *err = identify(s->j, buf, block, &stamp);

	if (!err)
		err = learn(s, stamp.known);
	if (err)
		return err;
	if (stamp.write < s->floor[block])
		return wrong("entry %llu: write %u of block %u comes after write %u was promised",
			     (unsigned long long)s->entry, stamp.write, block, s->floor[block]);
	if (fua)
		s->stable[block] = stamp.write;
	else if (s->nr_pending == CUT_WRITES)
		return wrong("too many writes without a flush");
	if (!fua) {
		s->pending[s->nr_pending].block = block;
		s->pending[s->nr_pending++].write = stamp.write;
	}
	return NULL;
}

static const char *take_data(struct state *s, int log, const struct writelog_entry *e)
{
	static uint8_t buf[CUT_BLOCK];
	const char *err = NULL;

	if (e->offset % CUT_BLOCK || e->size % CUT_BLOCK || e->offset + e->size > CUT_BYTES)
		return wrong("entry %llu: a write of parts of blocks",
			     (unsigned long long)s->entry);
	for (uint64_t at = 0; at < e->size && !err; at += CUT_BLOCK) {
		if (pread(log, buf, CUT_BLOCK, e->data_at + at) != CUT_BLOCK)
			return wrong("the log cannot be read");
		err = take_block(s, buf, (e->offset + at) / CUT_BLOCK, e->fua);
	}
	return err;
}

static void take_flush(struct state *s)
{
	s->flushes++;
	for (uint32_t i = 0; i < s->nr_pending; i++)
		s->stable[s->pending[i].block] = s->pending[i].write;
	s->nr_pending = 0;
}

const char *cut_check_log(const struct cut_journal *j, int fd)
{
	static struct state s;
	struct writelog_entry e;
	struct writelog log;
	const char *err;
	int n;

	s = (struct state){ .j = j };
	n = writelog_open(&log, fd);
	if (n)
		return wrong("the log is no use: %s", strerror(-n));
	while (writelog_next(&log, &e) > 0) {
		s.entry = log.next - 1;
		s.marked = e.mark && !strcmp(e.text, CUT_MARK);
		if (s.marked)
			return learn(&s, j->nr_promises);
		if (e.flush)
			take_flush(&s);
		err = e.size && !e.discard ? take_data(&s, fd, &e) : NULL;
		if (err)
			return err;
	}
	return "the log has no mark";
}

/* Promises that the guest knew of, which are in what it wrote. */
static void look_for_known(const uint8_t *data, uint64_t size, uint32_t round, uint32_t *known)
{
	struct cut_stamp stamp;

	for (uint64_t at = 0; at + CUT_BLOCK <= size; at += CUT_BLOCK)
		if (cut_stamp_get(data + at, &stamp) && stamp.round == round &&
		    stamp.known > *known)
			*known = stamp.known;
}

static int put(int log, int image, const struct writelog_entry *e)
{
	uint8_t *data = calloc(1, e->size);
	int err = 0;

	if (!data || (!e->discard && pread(log, data, e->size, e->data_at) != (ssize_t)e->size) ||
	    pwrite(image, data, e->size, e->offset) != (ssize_t)e->size)
		err = -EIO;
	free(data);
	return err;
}

/* What the entries up to the cut tell: where the last flush is, and what was known. */
static int64_t survey(int fd, uint64_t cut, uint64_t *last_flush, uint32_t *known, uint32_t round)
{
	struct writelog_entry e;
	struct writelog log;
	uint8_t *data;
	int n = writelog_open(&log, fd);

	*last_flush = 0;
	*known = 0;
	while (!n && (n = writelog_next(&log, &e)) > 0 &&
	       !(e.mark && !strcmp(e.text, CUT_MARK))) {
		n = 0;
		if (log.next > cut)
			continue;
		if (e.flush)
			*last_flush = log.next;
		data = malloc(e.size + 1);
		if (data && !e.discard && pread(fd, data, e.size, e.data_at) > 0)
			look_for_known(data, e.size, round, known);
		free(data);
	}
	return n < 0 ? n : (int64_t)log.next - 1;
}

int64_t cut_replay(int fd, int image, uint64_t cut, uint64_t seed, uint32_t *known,
		   uint32_t round)
{
	struct writelog_entry e;
	struct writelog log;
	uint64_t last_flush;
	int64_t entries = survey(fd, cut, &last_flush, known, round);
	int err = 0;

	if (entries < 0)
		return entries;
	if (cut > (uint64_t)entries)
		cut = entries;
	err = writelog_open(&log, fd);
	while (!err && log.next < cut) {
		err = writelog_next(&log, &e) > 0 ? 0 : -EIO;
		if (err || !e.size)
			continue;
		if (e.fua || log.next <= last_flush || (seed && cut_random(&seed) % 2))
			err = put(fd, image, &e);
	}
	return err ? err : entries;
}
