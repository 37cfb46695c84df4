/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the test "cut" share: blocks that say when they were written, and
 * a journal that survives who writes it.
 *
 * Writes are numbered from 1.  A promise is what the device has said to be stable: by
 * the completion of a flush, all writes that were complete before it was sent; in
 * writethrough mode, by the completion of a write, that write.  Promises are numbered
 * from 1, too.
 */
#ifndef KVLANE_TEST_CUT_H
#define KVLANE_TEST_CUT_H

#include <stdbool.h>
#include <stdint.h>

#define CUT_BLOCK	4096
#define CUT_BLOCKS	1024
#define CUT_BYTES	(CUT_BLOCKS * CUT_BLOCK)
#define CUT_WRITES	65536

/**
 * struct cut_write - a write of one block
 * @block: which
 * @promise: the first promise that covers it, or 0
 * @known: how many promises had been made when it was sent
 * @done: it was completed
 */
struct cut_write {
	uint32_t block;
	uint32_t promise;
	uint32_t known;
	uint32_t done;
};

/**
 * struct cut_journal - what the guest has done and was promised
 * @round: a number that is in all its blocks
 * @failed: text of what went wrong in the guest, or empty
 * @nr_writes: how many were sent
 * @nr_promises: how many were made
 * @writes: write N is element N - 1
 */
struct cut_journal {
	uint32_t round;
	char failed[64];
	uint32_t nr_writes;
	uint32_t nr_promises;
	struct cut_write writes[CUT_WRITES];
};

/**
 * struct cut_stamp - the beginning of a block
 * @magic: CUT_MAGIC
 * @sum: over the whole block, with 0 here
 * @round: whose journal
 * @block: where it belongs
 * @write: which write
 * @known: how many promises had been made when it was sent
 */
struct cut_stamp {
	uint64_t magic;
	uint64_t sum;
	uint32_t round;
	uint32_t block;
	uint32_t write;
	uint32_t known;
};

#define CUT_MAGIC	0x7475632e656e616cULL

/**
 * cut_stamp_put() - fill a block
 * @buf: CUT_BLOCK bytes
 * @stamp: what it is to say; magic and sum are set
 */
void cut_stamp_put(void *buf, struct cut_stamp stamp);

/**
 * cut_stamp_get() - look at a block
 * @buf: CUT_BLOCK bytes
 * @stamp: filled in
 *
 * Return: whether it is one of ours and whole.
 */
bool cut_stamp_get(const void *buf, struct cut_stamp *stamp);

/**
 * cut_random() - the next random number
 * @state: the seed; changed
 *
 * Return: 32 bits.
 */
uint32_t cut_random(uint64_t *state);

/**
 * cut_write_forever() - be the guest: write, flush, until somebody kills it
 * @j: in memory that somebody else sees, too
 * @fd: the disk's file
 * @writethrough: instead of writeback
 * @seed: for what is written where
 */
void cut_write_forever(struct cut_journal *j, int fd, bool writethrough, uint64_t seed)
	__attribute__((noreturn));

/**
 * cut_check_live() - check what the disk holds after the guest was killed
 * @j: its journal
 * @fd: the disk's file, buffered
 *
 * Every write that was complete is there, promised or not, or a later one.
 *
 * Return: NULL or what is wrong.
 */
const char *cut_check_live(const struct cut_journal *j, int fd);

/**
 * cut_check_log() - check what the disk would hold after any power cut
 * @j: the journal
 * @fd: what the log device lies on; the mark CUT_MARK follows the guest's end
 *
 * For every point of the log, and whichever of the writes not yet stable there are
 * lost: every write that the guest, which wrote that, had a promise for is there, or
 * a later one. For a disk that is a block device.
 *
 * Return: NULL or what is wrong.
 */
const char *cut_check_log(const struct cut_journal *j, int fd);

#define CUT_MARK	"killed"

/**
 * cut_replay() - make the disk as it would be after a power cut
 * @fd: what the log device lies on
 * @image: a copy of the disk as it was before; changed
 * @cut: how many entries have happened; UINT64_MAX for those before CUT_MARK
 * @seed: which of the writes that were not stable are lost; 0 for all
 * @known: set to the promises the guest knew of, as far as its blocks tell
 * @round: whose blocks
 *
 * Return: entries there are before the mark, or a negative errno.
 */
int64_t cut_replay(int fd, int image, uint64_t cut, uint64_t seed, uint32_t *known,
		   uint32_t round);

/**
 * cut_check_file() - check a disk's file after a power cut
 * @j: the journal
 * @fd: the file
 * @known: promises that have to be kept
 *
 * Return: NULL or what is wrong.
 */
const char *cut_check_file(const struct cut_journal *j, int fd, uint32_t known);

#endif
