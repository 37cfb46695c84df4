/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device under attack: its memory, its back end, and what must always hold.
 */
#ifndef KVLANE_FUZZ_VICTIM_H
#define KVLANE_FUZZ_VICTIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "backing.h"
#include "blk.h"
#include "device.h"
#include "fuzz.h"
#include "ring.h"
#include "tap.h"

/** define VICTIM_QUEUES - most queues of a device under attack */
#define VICTIM_QUEUES	5
/** define VICTIM_KINDS - kinds of rings: packed or not, in order or not */
#define VICTIM_KINDS	4
/** define VICTIM_REASONS - reasons why a device may break */
#define VICTIM_REASONS	(KVLANE_REASON_NO_BACKEND + 1)
/** define DATA_BYTES - guest memory that buffers point into */
#define DATA_BYTES	(512 << 10)
/** define WILD_GPA - where memory begins that comes and goes */
#define WILD_GPA	(GUEST_LOW + (1ULL << 20))
/** define WILD_BYTES - bytes of it */
#define WILD_BYTES	(256 << 10)
/** define ANON_GPA - where memory without a file begins */
#define ANON_GPA	0x80000000ULL
/** define ANON_BYTES - bytes of it */
#define ANON_BYTES	(64 << 10)
/** define LENT_GPA - where memory begins that a balloon lends */
#define LENT_GPA	0x200000000ULL
/** define LENT_BYTES - bytes of it */
#define LENT_BYTES	(8 << 20)
/** define MAP_REGIONS - regions of the undamaged memory map */
#define MAP_REGIONS	5

/**
 * enum source - where an entropy device has its bytes from
 * @SOURCE_HOST: the host's own generator
 * @SOURCE_FILE: a regular file
 * @SOURCE_CHAR: a character device
 */
enum source {
	SOURCE_HOST,
	SOURCE_FILE,
	SOURCE_CHAR,
};

/**
 * struct mode - a kind of victim
 * @name: for --mode and the report
 * @type: virtio device type
 * @backing: blk: what the disk lies on
 * @flags: KVLANE_BACKEND_*
 * @source: rng: where bytes come from
 * @rate: rng: bytes per second
 * @burst: rng: bytes at once
 * @header_len: net: bytes of the header at the tap
 * @zerocopy_min: net: bytes from which on nothing is copied, or 0; UINT32_MAX, where
 *	everything is, goes with rings in order
 * @queues: virtqueues; net: an odd number
 * @queue_size: descriptors of each, 16 to SLOTS * SLOT_DESCS, a power of two
 * @lane_queues: queues that share a thread, or 0
 */
struct mode {
	const char *name;
	uint32_t type;
	enum backing_kind backing;
	uint32_t flags;
	enum source source;
	uint64_t rate;
	uint64_t burst;
	unsigned int header_len;
	unsigned int zerocopy_min;
	unsigned int queues;
	unsigned int queue_size;
	unsigned int lane_queues;
};

/**
 * struct victim - a device under attack
 * @mode: what it is
 * @backing: under the disk
 * @source: under the entropy device, or -1
 * @tap: under the network device
 * @g: its VM; @g.mem is a mapping that stays whole
 * @d: the device
 * @alias: the mapping that the module knows, with guard pages
 * @wild_fd: a memfd that is truncated and extended
 * @wild: where it is mapped
 * @anon: private memory
 * @lent_fd: a memfd that a balloon makes holes in
 * @lent: where it is mapped
 * @map: the undamaged memory map
 * @data: where buffers point to, DATA_BYTES
 * @throttle: one the device sometimes has to wait for
 * @mark: end of the guest memory that outlives the device
 * @ring: the queues
 * @revive: held by the thread that starts the device again
 * @check: request for the check after a reset
 * @needs_reset: events of that kind seen
 * @returned: requests that came back to the attackers, by kind of ring; never cleared
 * @reasons: of the events, by kind of ring and reason; never cleared
 * @bystander: another VM with a disk, which must not notice
 * @neighbour: that disk
 * @other: a request for it
 * @other_disk: what it lies on
 * @fault: what must not happen and did, or NULL
 */
struct victim {
	const struct mode *mode;
	struct backing *backing;
	int source;
	struct tap tap;
	struct guest g;
	struct device d;
	uint8_t *alias;
	int wild_fd;
	uint8_t *wild;
	uint8_t *anon;
	int lent_fd;
	uint8_t *lent;
	struct kvlane_region map[MAP_REGIONS];
	uint8_t *data;
	int throttle;
	size_t mark;
	struct ring ring[VICTIM_QUEUES];
	pthread_mutex_t revive;
	struct blk_req check;
	uint64_t needs_reset;
	uint64_t returned[VICTIM_KINDS];
	uint64_t reasons[VICTIM_KINDS][VICTIM_REASONS];
	struct guest bystander;
	struct device neighbour;
	struct blk_req other;
	int other_disk;
	const char *fault;
};

/**
 * victim_open() - make everything
 * @v: filled in
 * @mode: what to make
 * @backing: blk: the disk, prepared by victim_prepare_disk()
 *
 * Return: 0 or a negative errno.
 */
int victim_open(struct victim *v, const struct mode *mode, struct backing *backing);

/**
 * victim_close() - remove everything but the backing
 * @v: the victim; may be opened in part
 */
void victim_close(struct victim *v);

/**
 * victim_reopen() - close the device with whatever it has in flight, and make
 * another one
 * @v: the victim
 *
 * Return: 0 or a negative errno.
 */
int victim_reopen(struct victim *v);

/**
 * victim_mend() - restore mappings, memory map, back end and eventfds, lift limits
 * @v: the victim; it is reset
 *
 * Return: 0 or a negative errno.
 */
int victim_mend(struct victim *v);

/**
 * victim_mend_memory() - restore mappings and memory map only
 * @v: the victim
 *
 * Return: 0 or a negative errno.
 */
int victim_mend_memory(struct victim *v);

/**
 * victim_rings() - choose a kind of ring
 * @r: random numbers
 *
 * Return: VIRTIO_F_RING_PACKED and VIRTIO_F_IN_ORDER, one, both or neither.
 */
uint64_t victim_rings(struct rnd *r);

/**
 * victim_set_backend() - give the device what stands behind it
 * @v: the victim; it is reset
 *
 * Return: 0 or a negative errno.
 */
int victim_set_backend(struct victim *v);

/**
 * victim_serves() - does the device serve valid requests?
 * @v: the victim, started; nobody attacks it
 * @r: random numbers
 *
 * Return: whether it does; @v->fault says what is wrong.
 */
bool victim_serves(struct victim *v, struct rnd *r);

/**
 * victim_event() - count an event
 * @v: the victim
 * @ev: the event
 */
void victim_event(struct victim *v, const struct kvlane_event *ev);

/**
 * victim_account() - count all events there are, and what came back
 * @v: the victim, whose kind of rings is about to change; nobody uses them
 */
void victim_account(struct victim *v);

/**
 * victim_check() - mend, and see that all that must hold does hold
 * @v: the victim; nobody attacks it
 * @r: random numbers
 *
 * Return: whether it does; @v->fault says what does not.
 */
bool victim_check(struct victim *v, struct rnd *r);

/**
 * victim_prepare_disk() - write the canary
 * @b: the disk
 *
 * Return: 0 or a negative errno.
 */
int victim_prepare_disk(struct backing *b);

/**
 * victim_disk_whole() - is the canary untouched?
 * @b: the disk
 */
bool victim_disk_whole(struct backing *b);

#endif
