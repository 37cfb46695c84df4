/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What dm-log-writes has logged, see the kernel's
 * Documentation/admin-guide/device-mapper/log-writes.rst.
 *
 * Order in the log: a write without FUA stands before the flush that covers it, which
 * is the first one sent after the write was complete; a flush, and a write with FUA,
 * stand where they were complete.  After the last flush there are writes that no
 * flush has covered.
 *
 * That holds once the log has caught up.  Entries are written by a thread of their own,
 * and if there are any left when the device is removed, the writes that no flush has
 * covered are put before them.  So let there be a mark, and wait until the log has it.
 */
#ifndef KVLANE_TEST_WRITELOG_H
#define KVLANE_TEST_WRITELOG_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct writelog - a log that is being read
 * @fd: what the log device lies on
 * @entries: how many there are
 * @next: number of the next one
 * @at: where it is
 * @sector_size: bytes of a sector of the log
 */
struct writelog {
	int fd;
	uint64_t entries;
	uint64_t next;
	uint64_t at;
	uint32_t sector_size;
};

/**
 * struct writelog_entry - one entry
 * @offset: bytes from the start of the disk
 * @size: bytes written; the data
 * @data_at: where in the log
 * @flush: everything before in the log is stable now
 * @fua: this write is stable
 * @discard: the range was discarded; there is no data
 * @mark: a mark; its text is in @text
 */
struct writelog_entry {
	uint64_t offset;
	uint64_t size;
	uint64_t data_at;
	bool flush;
	bool fua;
	bool discard;
	bool mark;
	char text[64];
};

/**
 * writelog_open() - begin to read a log; the dm device must be gone
 * @log: filled in
 * @fd: what the log device lies on
 *
 * Return: 0, -EPROTO if it is no log, -ENOSPC if it was too small, or another
 * negative errno.
 */
int writelog_open(struct writelog *log, int fd);

/**
 * writelog_marked() - has everything before a mark been logged?
 * @fd: what the log device lies on
 * @text: of the mark
 *
 * The dm device may still be there, and in use.
 *
 * Return: whether it has.
 */
bool writelog_marked(int fd, const char *text);

/**
 * writelog_next() - read the next entry
 * @log: the log
 * @entry: filled in
 *
 * Return: 1, 0 at the end, or a negative errno.
 */
int writelog_next(struct writelog *log, struct writelog_entry *entry);

#endif
