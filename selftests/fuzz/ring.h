/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hostile driver's idea of a queue, split or packed. Unlike the one in the library
 * it expects anything from the device, which may have been told nonsense.
 */
#ifndef KVLANE_FUZZ_RING_H
#define KVLANE_FUZZ_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_net.h>

#include "fuzz.h"
#include "vq.h"

/** define SLOT_DESCS - descriptors of a split ring that a slot owns */
#define SLOT_DESCS	8
/** define SLOTS - most slots of a queue */
#define SLOTS		16
/** define TABLE_DESCS - descriptors of a slot's indirect table */
#define TABLE_DESCS	48
/** define CHAIN_DESCS - more descriptors than any ring has */
#define CHAIN_DESCS	(SLOTS * SLOT_DESCS + 4)
/** define COMMAND_BYTES - most bytes of a command to a network device */
#define COMMAND_BYTES	40

/** define RING_AVAIL - of a packed descriptor's flags */
#define RING_AVAIL	(1U << VRING_PACKED_DESC_F_AVAIL)
/** define RING_USED - likewise */
#define RING_USED	(1U << VRING_PACKED_DESC_F_USED)
/** define RING_WRAP - the wrap counter in a place of a packed ring */
#define RING_WRAP	(1U << VRING_PACKED_EVENT_F_WRAP_CTR)

/**
 * struct chain - a request on its way into the ring
 * @desc: its descriptors, as in a split ring
 * @nr: elements of @desc
 * @full: as long as there is room
 */
struct chain {
	struct vring_desc desc[CHAIN_DESCS];
	unsigned int nr;
	bool full;
};

/**
 * struct slot - guest memory of one request, reused again and again
 * @hdr: header of a block request
 * @net: header of a packet
 * @ranges: what a discard is about
 * @command: to a network device
 * @status: the answer
 * @table: indirect descriptors
 */
struct slot {
	struct virtio_blk_outhdr hdr;
	struct virtio_net_hdr_v1 net;
	struct virtio_blk_discard_write_zeroes ranges[4];
	uint8_t command[COMMAND_BYTES];
	uint8_t status;
	struct vring_desc table[TABLE_DESCS] __attribute__((aligned(16)));
};

/**
 * struct ring - the hostile driver's idea of a queue
 * @lock: held by the thread that adds to it
 * @vq: where it lies, how long it is and of which kind
 * @slots: elements of @slot
 * @slot: requests
 * @live: slots that the ring is long enough for
 * @stride: slot N has the head, or buffer id, N * stride; of a split ring it owns
 *	the descriptors from there on
 * @busy: per slot: the device has it
 * @descs: per slot: descriptors of a packed ring it takes up
 * @room: descriptors of a packed ring that are free
 * @order: in order: slots that the device has
 * @nr_order: elements of @order
 * @returned: chains that came back; never cleared here
 * @next_avail: where the next head goes. Packed: the place of the next descriptor,
 *	with the wrap counter in bit 15.
 * @last_used: how far the used ring was read, in the same terms
 */
struct ring {
	pthread_mutex_t lock;
	struct vq *vq;
	unsigned int slots;
	struct slot *slot;
	unsigned int live;
	unsigned int stride;
	bool busy[SLOTS];
	uint16_t descs[SLOTS];
	unsigned int room;
	uint8_t order[SLOTS];
	unsigned int nr_order;
	uint64_t returned;
	uint16_t next_avail;
	uint16_t last_used;
};

/**
 * ring_size() - choose a size
 * @r: random numbers
 * @packed: the ring is packed: any size will do
 * @most: descriptors it has memory for, at least 16
 */
unsigned int ring_size(struct rnd *r, bool packed, unsigned int most);

/**
 * ring_clear() - begin again with an empty ring
 * @ring: the ring; its vq knows size and kind
 *
 * Return: 0 or -ENOMEM.
 */
int ring_clear(struct ring *ring);

/**
 * ring_forget() - take everything back, whether the device still has it or not
 * @ring: the ring
 */
void ring_forget(struct ring *ring);

/**
 * ring_reclaim() - take back what the device has used
 * @ring: the ring
 *
 * The device is believed only what can be true.
 */
void ring_reclaim(struct ring *ring);

/**
 * ring_free_slot() - a slot the device does not have
 * @ring: the ring
 *
 * Return: its number, or -1.
 */
int ring_free_slot(const struct ring *ring);

/**
 * ring_head() - what a slot is called in the ring
 * @ring: the ring
 * @s: the slot
 */
uint16_t ring_head(const struct ring *ring, unsigned int s);

/**
 * ring_table() - write a slot's indirect table
 * @ring: the ring
 * @s: the slot
 * @c: what goes there, at most TABLE_DESCS
 */
void ring_table(struct ring *ring, unsigned int s, const struct chain *c);

/**
 * ring_offer() - make a chain available
 * @ring: the ring
 * @s: its slot
 * @c: the chain; longer than there is room for if that is what is wanted
 * @wrong: packed: so many descriptors behind the first has the wrong wrap counter
 */
void ring_offer(struct ring *ring, unsigned int s, const struct chain *c,
		unsigned int wrong);

#endif
