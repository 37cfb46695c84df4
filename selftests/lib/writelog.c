// SPDX-License-Identifier: GPL-2.0-only
/* Reads what dm-log-writes has written. */
#define _GNU_SOURCE
#include "writelog.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAGIC		0x6a736677736872ULL
#define VERSION		1
#define FLAG_FLUSH	1
#define FLAG_FUA	2
#define FLAG_DISCARD	4
#define FLAG_MARK	8
#define LAST_MARK	"dm-log-writes-end"

struct super {
	uint64_t magic;
	uint64_t version;
	uint64_t entries;
	uint32_t sector_size;
};

struct head {
	uint64_t sector;
	uint64_t sectors;
	uint64_t flags;
	uint64_t data_len;
};

int writelog_next(struct writelog *log, struct writelog_entry *e)
{
	struct head head;
	uint64_t flags;

	if (log->next == log->entries)
		return 0;
	if (pread(log->fd, &head, sizeof(head), log->at) != sizeof(head))
		return -EIO;
	flags = le64toh(head.flags);
	*e = (struct writelog_entry){
		.offset = le64toh(head.sector) * log->sector_size,
		.size = le64toh(head.sectors) * log->sector_size,
		.data_at = log->at + log->sector_size,
		.flush = flags & FLAG_FLUSH,
		.fua = flags & FLAG_FUA,
		.discard = flags & FLAG_DISCARD,
		.mark = flags & FLAG_MARK,
	};
	if (e->mark && pread(log->fd, e->text, sizeof(e->text) - 1,
			     log->at + sizeof(head)) < 0)
		return -EIO;
	log->at = e->data_at + (e->discard ? 0 : e->size);
	log->next++;
	return 1;
}

/* A log device that is full just stops; the last mark is missing then. */
static int check_end(const struct writelog *log)
{
	struct writelog copy = *log;
	struct writelog_entry e = {};
	int err;

	while ((err = writelog_next(&copy, &e)) > 0)
		;
	if (err)
		return err;
	return e.mark && !strcmp(e.text, LAST_MARK) ? 0 : -ENOSPC;
}

static int read_super(struct writelog *log, int fd)
{
	struct super super;

	if (pread(fd, &super, sizeof(super), 0) != sizeof(super))
		return -EIO;
	if (le64toh(super.magic) != MAGIC || le64toh(super.version) != VERSION)
		return -EPROTO;
	*log = (struct writelog){
		.fd = fd,
		.entries = le64toh(super.entries),
		.sector_size = le32toh(super.sector_size),
	};
	log->at = log->sector_size;
	return 0;
}

int writelog_open(struct writelog *log, int fd)
{
	int err = read_super(log, fd);

	return err ? err : check_end(log);
}

bool writelog_marked(int fd, const char *text)
{
	struct writelog_entry e;
	struct writelog log;

	if (read_super(&log, fd))
		return false;
	while (writelog_next(&log, &e) > 0)
		if (e.mark && !strcmp(e.text, text))
			return true;
	return false;
}
