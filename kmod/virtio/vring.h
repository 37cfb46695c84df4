/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtqueue as the device sees it (virtio 1.2, sections 2.6 and 2.7).
 *
 * Only the lane that serves the queue calls these functions, in the address
 * space of the guest's owner, where it may sleep; hence no lock. Ring memory is
 * user memory, and the guest writes to it at any moment.
 *
 * The life of a queue:
 *
 *	kvlane_vring_alloc()
 *	  kvlane_vring_start(), kvlane_vring_map()	the driver enables it
 *	    kvlane_vring_pop()				take chains
 *	    kvlane_vring_push() ...			finish them, in any order
 *	    kvlane_vring_publish()			show them to the driver
 *	    kvlane_vring_enable_kick()			before going to sleep
 *	    kvlane_vring_map()				the memory map changed
 *	  kvlane_vring_start() ...			after a reset
 *	kvlane_vring_free()
 *
 * Once a ring is broken (@reason is set) it is left alone: every function that
 * looks into it returns -EPROTO until kvlane_vring_start().
 */
#ifndef KVLANE_VRING_H
#define KVLANE_VRING_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/uio.h>
#else
#include "shim.h"
#endif
#include <linux/kvlane.h>

#include "../memtable.h"

/**
 * struct kvlane_vring_config - what a driver sets up before it enables a queue
 * @features: virtio feature bits the driver accepted; VIRTIO_F_VERSION_1 is
 *	taken for granted, VIRTIO_RING_F_INDIRECT_DESC and
 *	VIRTIO_RING_F_EVENT_IDX are looked at
 * @desc: guest physical address of the descriptor table
 * @driver: guest physical address of the available ring (driver area)
 * @device: guest physical address of the used ring (device area)
 * @max_segs: most buffers the device takes in one chain, header and status
 *	included
 * @size: descriptors: a power of two, at most what kvlane_vring_alloc() got
 * @avail_idx: index of the first chain to take, and of the first entry to write
 *	in the used ring: a queue changes hands only with nothing in flight. 0
 *	for a fresh queue.
 */
struct kvlane_vring_config {
	u64 features;
	u64 desc;
	u64 driver;
	u64 device;
	u32 max_segs;
	u16 size;
	u16 avail_idx;
};

/**
 * struct kvlane_vring - a virtqueue
 * @desc: descriptor table, as pairs of 64-bit words
 * @avail: available ring: flags, index, @size heads, used_event
 * @used: used ring: flags, index, @size elements, avail_event
 * @done: elements pushed but not yet published
 * @busy: a bit for each head in flight
 * @next_avail: index of the next entry to take from the available ring
 * @seen_avail: index of the available ring when it was last read
 * @used_idx: index of the used ring as the driver sees it
 * @nr_done: elements in @done
 * @in_flight: chains popped and not yet pushed
 * @size: descriptors in the table, a power of two
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC was negotiated
 * @kicks_off: the driver was asked not to kick, by VRING_USED_F_NO_NOTIFY
 * @reason: why the ring is broken, or KVLANE_REASON_NONE
 * @max_segs: see struct kvlane_vring_config
 * @max_size: most descriptors the allocations are good for
 * @desc_gpa: guest physical address of @desc
 * @driver_gpa: guest physical address of @avail
 * @device_gpa: guest physical address of @used
 *
 * Devices and lanes may read @reason, @size, @in_flight and @nr_done; the rest
 * belongs to the ring code.
 */
struct kvlane_vring {
	const __le64 __user *desc;
	const __le16 __user *avail;
	__le16 __user *used;
	__le64 *done;
	unsigned long *busy;
	u16 next_avail;
	u16 seen_avail;
	u16 used_idx;
	u16 nr_done;
	u16 in_flight;
	u16 size;
	bool event_idx;
	bool indirect;
	bool kicks_off;
	enum kvlane_reason reason;
	u32 max_segs;
	u16 max_size;
	u64 desc_gpa;
	u64 driver_gpa;
	u64 device_gpa;
};

/**
 * struct kvlane_chain - the buffers of one request
 * @head: what identifies the chain to kvlane_vring_push()
 * @out_num: elements of @iov that the device reads; they come first
 * @in_num: elements of @iov that the device writes; they follow
 * @out_len: bytes the device may read
 * @in_len: bytes the device may write
 * @iov: given by the caller: room for @max_iov elements. A buffer that crosses
 *	a border of the memory map takes more than one.
 * @max_iov: given by the caller
 */
struct kvlane_chain {
	u16 head;
	u16 out_num;
	u16 in_num;
	u16 max_iov;
	u32 out_len;
	u32 in_len;
	struct iovec *iov;
};

/**
 * kvlane_vring_alloc - prepare a queue
 * @vr: the queue, contents undefined
 * @max_size: most descriptors it will ever have, up to KVLANE_MAX_QUEUE_SIZE
 *
 * Return: 0 or -ENOMEM. kvlane_vring_free() is right in either case.
 */
int kvlane_vring_alloc(struct kvlane_vring *vr, u16 max_size);

/**
 * kvlane_vring_free - release what kvlane_vring_alloc() took
 * @vr: the queue
 */
void kvlane_vring_free(struct kvlane_vring *vr);

/**
 * kvlane_vring_start - put a queue into its initial state
 * @vr: the queue; nothing is in flight any more
 * @cfg: what the driver set up
 *
 * To be followed by kvlane_vring_map().
 */
void kvlane_vring_start(struct kvlane_vring *vr,
			const struct kvlane_vring_config *cfg);

/**
 * kvlane_vring_map - find the parts of a ring in guest memory
 * @vr: a started queue
 * @mem: the memory map; it has to stay in force until the next call
 *
 * Each part must be aligned as virtio 1.2, section 2.7 says, and lie in one
 * contiguous run of memory.
 *
 * Return: 0, or -EPROTO with KVLANE_REASON_RING_ADDRESS.
 */
int kvlane_vring_map(struct kvlane_vring *vr, const struct kvlane_memtable *mem);

/**
 * kvlane_vring_pop - take the next chain
 * @vr: a mapped queue
 * @mem: the memory map
 * @c: @iov and @max_iov are given, the rest is filled in if 1 is returned
 *
 * Return: 1 for a chain, 0 if there is none, -EPROTO if the ring is broken.
 */
int kvlane_vring_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		     struct kvlane_chain *c);

/**
 * kvlane_vring_unpop - give back the chain that was taken last
 * @vr: the queue
 * @head: kvlane_chain.head of that chain; nothing was pushed since
 *
 * The next kvlane_vring_pop() reads it anew. Several chains are given back in
 * the opposite order.
 */
void kvlane_vring_unpop(struct kvlane_vring *vr, u16 head);

/**
 * kvlane_vring_push - finish a chain
 * @vr: the queue
 * @head: kvlane_chain.head of a chain popped since kvlane_vring_start()
 * @written: bytes written to the chain's writable buffers
 *
 * The driver sees it only after kvlane_vring_publish().
 *
 * Return: 0, or -EPROTO if the ring is broken; @head is not in flight any more
 * in either case.
 */
int kvlane_vring_push(struct kvlane_vring *vr, u16 head, u32 written);

/**
 * kvlane_vring_publish - show the driver all that was pushed
 * @vr: a mapped queue
 *
 * Return: 1 if the driver wants an interrupt for it, 0 if not, -EPROTO if the
 * ring is broken.
 */
int kvlane_vring_publish(struct kvlane_vring *vr);

/**
 * kvlane_vring_enable_kick - ask to be kicked for the next chain
 * @vr: a mapped queue
 *
 * Return: 1 if there is a chain already, for which no kick may come; 0 if the
 * lane may sleep; -EPROTO if the ring is broken.
 */
int kvlane_vring_enable_kick(struct kvlane_vring *vr);

/**
 * kvlane_vring_enable_kick_beyond - ask to be kicked for more than there is
 * @vr: a mapped queue
 *
 * For a device that has seen all chains on offer, cannot do with them, and has
 * given them back.
 *
 * Return: 1 if there is another chain already, for which no kick may come; 0 if
 * the lane may sleep; -EPROTO if the ring is broken.
 */
int kvlane_vring_enable_kick_beyond(struct kvlane_vring *vr);

/**
 * kvlane_vring_disable_kick - tell the driver that kicks are of no use now
 * @vr: a mapped queue
 *
 * A hint: kicks may come all the same.
 *
 * Return: 0, or -EPROTO if the ring is broken.
 */
int kvlane_vring_disable_kick(struct kvlane_vring *vr);

/**
 * kvlane_vring_break - declare a ring broken
 * @vr: the queue
 * @reason: why; it stays if the ring is broken already
 *
 * For what only the device can tell, such as KVLANE_REASON_SHORT.
 *
 * Return: -EPROTO.
 */
int kvlane_vring_break(struct kvlane_vring *vr, enum kvlane_reason reason);

#endif /* KVLANE_VRING_H */
