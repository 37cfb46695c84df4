/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtqueue as the device sees it, split or packed (virtio 1.2, sections 2.7
 * and 2.8). Callers need not know which: chains are popped, pushed and published
 * alike, and kvlane_chain.head names one of either kind.
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
 *
 * vring.c has what both kinds have in common, vring_chain.h the way along the
 * buffers of a chain. The calls made for each chain or batch branch on
 * kvlane_vring.packed, here and inline, so the choice costs a load and a
 * well-predicted jump, not an indirect call.
 *
 * In order
 * --------
 * With VIRTIO_F_IN_ORDER (2.7.9, 2.8.9) chains become visible as used in the
 * order in which they were popped, whatever the order in which they are pushed:
 * one that is ready early is held back until those before it are. So every
 * device can offer the feature, but with one that completes out of order a slow
 * request delays the completion of all that came after it. What it saves is used
 * entries: of consecutive chains that were used completely (all of their
 * writable bytes written) only the last gets one.
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
#include <linux/virtio_config.h>

#include "../memtable.h"

/**
 * struct kvlane_vring_config - what a driver sets up before it enables a queue
 * @features: virtio feature bits the driver accepted; VIRTIO_F_VERSION_1 is
 *	taken for granted; VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER,
 *	VIRTIO_RING_F_INDIRECT_DESC and VIRTIO_RING_F_EVENT_IDX are looked at
 * @desc: guest physical address of the descriptor table or ring
 * @driver: guest physical address of the driver area: available ring, or the
 *	driver's event suppression
 * @device: guest physical address of the device area: used ring, or the
 *	device's event suppression
 * @max_segs: most buffers the device takes in one chain, header and status
 *	included
 * @size: descriptors, at most what kvlane_vring_alloc() got; of a split ring a
 *	power of two
 * @avail_idx: where the first chain to take is, and the first used entry to
 *	write: a queue changes hands only with nothing in flight. For a fresh
 *	queue kvlane_vring_first(), for any other kvlane_vring.next_avail of
 *	whoever had it before.
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
 * struct kvlane_vring_use - what is kept of a chain in flight, by head
 * @in_len: bytes in its writable buffers, with VIRTIO_F_IN_ORDER
 * @place: its element of kvlane_vring.done, with VIRTIO_F_IN_ORDER
 * @descs: descriptors of a packed ring it takes up
 */
struct kvlane_vring_use {
	u32 in_len;
	u16 place;
	u16 descs;
};

/**
 * struct kvlane_vring_done - a chain on its way to the driver
 * @written: bytes written to its writable buffers
 * @head: which chain
 * @descs: descriptors of a packed ring it takes up
 */
struct kvlane_vring_done {
	u32 written;
	u16 head;
	u16 descs;
};

/**
 * struct kvlane_vring - a virtqueue
 * @desc: descriptor table or ring, as pairs of 64-bit words
 * @avail: split: available ring: flags, index, @size heads, used_event
 * @driver_event: packed: event suppression of the driver
 * @used: split: used ring: flags, index, @size elements, avail_event
 * @device_event: packed: event suppression of the device
 * @done: chains pushed but not yet published. In order, a circle of all that
 *	were popped and not yet published.
 * @uses: what to remember of chains in flight
 * @busy: a bit for each head in flight
 * @next_avail: where the next chain is. Split: index of an entry in the
 *	available ring. Packed: a place in the descriptor ring, with the wrap
 *	counter in bit 15, as in virtio's own event structures.
 * @seen_avail: where what the driver was last seen to offer ends, likewise.
 *	Packed: only once kvlane_vring_pop() has found no more.
 * @used_idx: where the next used entry goes, in the same terms
 * @first_done: first element of @done that counts
 * @nr_done: elements of @done that were pushed
 * @in_flight: chains popped and not yet pushed
 * @size: descriptors in the table or ring
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @in_order: VIRTIO_F_IN_ORDER was negotiated
 * @noting: @uses is needed: the ring is packed or in order
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC was negotiated
 * @kicks_off: the driver was asked not to kick
 * @reason: why the ring is broken, or KVLANE_REASON_NONE
 * @max_segs: see struct kvlane_vring_config
 * @max_size: most descriptors the allocations are good for
 * @desc_gpa: guest physical address of @desc
 * @driver_gpa: guest physical address of the driver area
 * @device_gpa: guest physical address of the device area
 *
 * Devices and lanes may read @reason, @size, @in_flight and @nr_done, and, with
 * both of the latter at zero, @next_avail; the rest belongs to the ring code.
 */
struct kvlane_vring {
	__le64 __user *desc;
	union {
		const __le16 __user *avail;
		const __le32 __user *driver_event;
	};
	union {
		__le16 __user *used;
		__le32 __user *device_event;
	};
	struct kvlane_vring_done *done;
	struct kvlane_vring_use *uses;
	unsigned long *busy;
	u16 next_avail;
	u16 seen_avail;
	u16 used_idx;
	u16 first_done;
	u16 nr_done;
	u16 in_flight;
	u16 size;
	bool packed;
	bool in_order;
	bool noting;
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
 * kvlane_vring_first - kvlane_vring_config.avail_idx of a fresh queue
 * @features: virtio feature bits the driver accepted
 *
 * Wrap counters begin at 1, virtio 1.2, section 2.8.1.
 */
static inline u16 kvlane_vring_first(u64 features)
{
	return features & (1ULL << VIRTIO_F_RING_PACKED) ? 1U << 15 : 0;
}

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
 * Each part must be aligned as virtio 1.2, sections 2.7 and 2.8.10.1 say, and
 * lie in one contiguous run of memory.
 *
 * Return: 0, or -EPROTO with KVLANE_REASON_RING_ADDRESS.
 */
int kvlane_vring_map(struct kvlane_vring *vr, const struct kvlane_memtable *mem);

/**
 * kvlane_vring_desc_bytes - bytes of the descriptor table or ring
 * @vr: a started queue
 */
static inline u32 kvlane_vring_desc_bytes(const struct kvlane_vring *vr)
{
	return 16 * vr->size;
}

/**
 * kvlane_vring_driver_bytes - bytes of the driver area
 * @vr: a started queue
 */
static inline u32 kvlane_vring_driver_bytes(const struct kvlane_vring *vr)
{
	if (vr->packed)
		return sizeof(__le32);
	return sizeof(__le16) * (2 + vr->size + vr->event_idx);
}

/**
 * kvlane_vring_device_bytes - bytes of the device area
 * @vr: a started queue
 */
static inline u32 kvlane_vring_device_bytes(const struct kvlane_vring *vr)
{
	if (vr->packed)
		return sizeof(__le32);
	return sizeof(__le16) * (2 + 4 * vr->size + vr->event_idx);
}

int kvlane_split_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		     struct kvlane_chain *c);
int kvlane_split_publish(struct kvlane_vring *vr);
int kvlane_split_ask(struct kvlane_vring *vr, u16 from);
int kvlane_split_more(struct kvlane_vring *vr);
int kvlane_split_disable_kick(struct kvlane_vring *vr);
int kvlane_packed_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		      struct kvlane_chain *c);
void kvlane_packed_unpop(struct kvlane_vring *vr, u16 head);
int kvlane_packed_publish(struct kvlane_vring *vr);
int kvlane_packed_ask(struct kvlane_vring *vr, u16 from);
int kvlane_packed_more(struct kvlane_vring *vr);
int kvlane_packed_disable_kick(struct kvlane_vring *vr);

/**
 * kvlane_vring_pop - take the next chain
 * @vr: a mapped queue
 * @mem: the memory map
 * @c: @iov and @max_iov are given, the rest is filled in if 1 is returned
 *
 * Return: 1 for a chain, 0 if there is none, -EPROTO if the ring is broken.
 */
static inline int kvlane_vring_pop(struct kvlane_vring *vr,
				   const struct kvlane_memtable *mem,
				   struct kvlane_chain *c)
{
	if (vr->packed)
		return kvlane_packed_pop(vr, mem, c);
	return kvlane_split_pop(vr, mem, c);
}

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
 * The driver sees it only after kvlane_vring_publish(), and in order not before
 * all that were popped earlier.
 *
 * Return: 0, or -EPROTO if the ring is broken; @head is not in flight any more
 * in either case.
 */
int kvlane_vring_push(struct kvlane_vring *vr, u16 head, u32 written);

/**
 * kvlane_vring_publish - show the driver what was pushed
 * @vr: a mapped queue
 *
 * Return: 1 if the driver wants an interrupt for it, 0 if not, -EPROTO if the
 * ring is broken.
 */
static inline int kvlane_vring_publish(struct kvlane_vring *vr)
{
	if (vr->packed)
		return kvlane_packed_publish(vr);
	return kvlane_split_publish(vr);
}

/**
 * kvlane_vring_enable_kick - ask to be kicked for the next chain
 * @vr: a mapped queue
 *
 * Return: 1 if there is a chain already, for which no kick may come; 0 if the
 * lane may sleep; -EPROTO if the ring is broken.
 */
static inline int kvlane_vring_enable_kick(struct kvlane_vring *vr)
{
	if (vr->packed)
		return kvlane_packed_ask(vr, vr->next_avail);
	return kvlane_split_ask(vr, vr->next_avail);
}

/**
 * kvlane_vring_more - is there a chain to pop?
 * @vr: a mapped queue
 *
 * For who looks again and again; the driver goes on kicking, or not, as it did.
 *
 * Return: 1 if there is, 0 if not, -EPROTO if the ring is broken.
 */
static inline int kvlane_vring_more(struct kvlane_vring *vr)
{
	if (vr->packed)
		return kvlane_packed_more(vr);
	return kvlane_split_more(vr);
}

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
static inline int kvlane_vring_enable_kick_beyond(struct kvlane_vring *vr)
{
	if (vr->packed)
		return kvlane_packed_ask(vr, vr->seen_avail);
	return kvlane_split_ask(vr, vr->seen_avail);
}

/**
 * kvlane_vring_disable_kick - tell the driver that kicks are of no use now
 * @vr: a mapped queue
 *
 * A hint: kicks may come all the same.
 *
 * Return: 0, or -EPROTO if the ring is broken.
 */
static inline int kvlane_vring_disable_kick(struct kvlane_vring *vr)
{
	if (vr->packed)
		return kvlane_packed_disable_kick(vr);
	return kvlane_split_disable_kick(vr);
}

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
