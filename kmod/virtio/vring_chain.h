/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way along the buffers of a chain, for both kinds of ring, and what is noted
 * of the chain from then on until the driver is shown that it was used.
 *
 * A hostile driver
 * ----------------
 * Anything the driver can write may change between two reads. So every field is
 * read once into a local copy, in whole 64-bit words for descriptors, and the
 * copy is checked and used. What is wrong comes back as an enum kvlane_reason
 * and is acted upon once the window to user memory is closed: a pop takes one
 * window, so nothing in between may call a function, and all of it is inline.
 *
 * The work per chain is bounded: the queue's own table gives at most size
 * descriptors, then perhaps one indirect table, and that at most as many as it
 * has, or as size or max_segs allows, whichever of the two is more. Drivers do
 * build indirect chains longer than the queue where the device takes them.
 *
 * Numbers from the guest are clamped by array_index_nospec() where they index
 * something; kvlane_memtable_find() does the same for addresses.
 *
 * What is stricter than the specification: an empty buffer is a fault of the
 * driver (KVLANE_REASON_CHAIN_BYTES), for it means nothing to any device and
 * other devices do not take it either; and each ring part and each indirect
 * table must not cross a border of the memory map. Buffers may.
 */
#ifndef KVLANE_VRING_CHAIN_H
#define KVLANE_VRING_CHAIN_H

#include "access.h"
#include "vring.h"

#include <linux/virtio_ring.h>

/**
 * define KVLANE_DESC_SIZE - bytes of a descriptor
 */
#define KVLANE_DESC_SIZE	16

/**
 * struct kvlane_desc - private copy of a descriptor
 * @addr: guest physical address
 * @len: bytes
 * @flags: VRING_DESC_F_*
 * @link: split: index of the next one, with VRING_DESC_F_NEXT; packed: buffer id
 */
struct kvlane_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 link;
};

/**
 * struct kvlane_walk - the way along a chain
 * @table: the table the chain is in at this point, as pairs of 64-bit words
 * @size: descriptors in @table
 * @left: descriptors the chain may still have
 * @nested: @table is an indirect one
 * @writable: the last buffer was a writable one
 * @too_many: the chain has more buffers than there is room for
 * @segs: buffers so far
 * @iovs: elements of kvlane_chain.iov filled in
 * @out_iovs: those among them for readable buffers, once @writable
 * @out_len: bytes in readable buffers, once @writable
 * @bytes: bytes in all buffers
 * @range: where the last buffer was; the next one is likely to be there, too
 */
struct kvlane_walk {
	const __le64 __user *table;
	u32 size;
	u32 left;
	bool nested;
	bool writable;
	bool too_many;
	u32 segs;
	u32 iovs;
	u32 out_iovs;
	u32 out_len;
	u64 bytes;
	const struct kvlane_memrange *range;
};

/**
 * struct kvlane_used - an entry for the driver
 * @written: bytes written to the last chain's writable buffers
 * @head: the last chain
 * @chains: how many there are
 * @descs: descriptors of a packed ring they take up
 */
struct kvlane_used {
	u32 written;
	u16 head;
	u16 chains;
	u16 descs;
};

/* Holds no address: where a walk begins. */
static const struct kvlane_memrange kvlane_walk_nowhere;

/**
 * kvlane_walk_enter - go on in an indirect table
 * @vr: the queue
 * @mem: the memory map
 * @w: the walk; @left is what the table allows
 * @d: the descriptor that points to the table
 *
 * Virtio 1.2, sections 2.7.5.3 and 2.8.8.
 */
static __always_inline enum kvlane_reason
kvlane_walk_enter(const struct kvlane_vring *vr,
		  const struct kvlane_memtable *mem, struct kvlane_walk *w,
		  const struct kvlane_desc *d)
{
	unsigned long hva;
	u64 run = 0;

	if (!vr->indirect || w->nested || d->flags & VRING_DESC_F_NEXT ||
	    !d->len || d->len % KVLANE_DESC_SIZE)
		return KVLANE_REASON_INDIRECT;

	hva = kvlane_memtable_find(mem, d->addr, &run);
	if (!hva || run < d->len)
		return KVLANE_REASON_ADDRESS;

	w->nested = true;
	w->table = (const __le64 __user *)hva;
	w->size = d->len / KVLANE_DESC_SIZE;
	w->left = min(w->size, max_t(u32, vr->size, vr->max_segs));
	return KVLANE_REASON_NONE;
}

/* Turn a buffer into segments, as many as the memory map cuts it into. */
static __always_inline enum kvlane_reason
kvlane_walk_segments(const struct kvlane_memtable *mem, struct kvlane_chain *c,
		     struct kvlane_walk *w, const struct kvlane_desc *d)
{
	u64 addr = d->addr;
	u64 left = d->len;
	unsigned long hva;
	u64 run = 0;

	do {
		hva = kvlane_memrange_find(w->range, addr, &run);
		if (unlikely(!hva)) {
			w->range = kvlane_memtable_range(mem, addr);
			hva = kvlane_memrange_find(w->range, addr, &run);
		}
		if (!hva)
			return KVLANE_REASON_ADDRESS;
		if (w->iovs == c->max_iov) {
			w->too_many = true;
			break;
		}
		run = min(run, left);
		c->iov[w->iovs].iov_base = (void __user *)hva;
		c->iov[w->iovs++].iov_len = run;
		addr += run;
		left -= run;
	} while (left);
	return KVLANE_REASON_NONE;
}

/* Readable buffers are behind us, or there are none to come. */
static __always_inline void kvlane_walk_end_readable(struct kvlane_walk *w)
{
	w->writable = true;
	w->out_iovs = w->iovs;
	w->out_len = w->bytes;
}

/**
 * kvlane_walk_buffer - add a buffer to the chain
 * @vr: the queue
 * @mem: the memory map
 * @c: the chain
 * @w: the walk
 * @d: the descriptor of the buffer
 *
 * One too many is no error yet: the chain is walked to its end first, so that a
 * loop is called a loop.
 */
static __always_inline enum kvlane_reason
kvlane_walk_buffer(const struct kvlane_vring *vr,
		   const struct kvlane_memtable *mem, struct kvlane_chain *c,
		   struct kvlane_walk *w, const struct kvlane_desc *d)
{
	if (!(d->flags & VRING_DESC_F_WRITE)) {
		if (w->writable)
			return KVLANE_REASON_DIRECTION;
	} else if (!w->writable) {
		kvlane_walk_end_readable(w);
	}

	w->bytes += d->len;
	if (!d->len || w->bytes > U32_MAX)
		return KVLANE_REASON_CHAIN_BYTES;
	if (++w->segs > vr->max_segs)
		w->too_many = true;
	if (w->too_many)
		return KVLANE_REASON_NONE;
	return kvlane_walk_segments(mem, c, w, d);
}

/**
 * kvlane_walk_end - the chain was walked to its end
 * @c: the chain, but for its head; filled in
 * @w: the walk
 */
static __always_inline enum kvlane_reason
kvlane_walk_end(struct kvlane_chain *c, struct kvlane_walk *w)
{
	if (w->too_many)
		return KVLANE_REASON_SEGMENTS;
	if (!w->writable)
		kvlane_walk_end_readable(w);
	c->out_num = w->out_iovs;
	c->in_num = w->iovs - w->out_iovs;
	c->out_len = w->out_len;
	c->in_len = w->bytes - w->out_len;
	return KVLANE_REASON_NONE;
}

static __always_inline u16 kvlane_vring_place(const struct kvlane_vring *vr,
					      u32 place)
{
	return place < vr->size ? place : place - vr->size;
}

/* What will be needed of a chain later. */
static __always_inline void kvlane_vring_note(struct kvlane_vring *vr,
					      const struct kvlane_chain *c,
					      u16 descs)
{
	struct kvlane_vring_use *use = &vr->uses[c->head];

	use->descs = descs;
	if (!vr->in_order)
		return;
	use->in_len = c->in_len;
	use->place = kvlane_vring_place(vr, vr->first_done + vr->in_flight +
					vr->nr_done);
	vr->done[use->place].head = c->head;
	vr->done[use->place].descs = descs;
}

/**
 * kvlane_vring_took - a chain was popped
 * @vr: the queue
 * @c: the chain
 * @descs: descriptors of a packed ring it takes up
 */
static __always_inline void kvlane_vring_took(struct kvlane_vring *vr,
					      const struct kvlane_chain *c,
					      u16 descs)
{
	if (vr->noting)
		kvlane_vring_note(vr, c, descs);
	__set_bit(c->head, vr->busy);
	vr->in_flight++;
}

/* In order, the element of @done that is @at behind the first; NULL: not ready. */
static __always_inline const struct kvlane_vring_done *
kvlane_vring_ready(const struct kvlane_vring *vr, u16 at)
{
	const struct kvlane_vring_done *done;

	if (at >= vr->nr_done)
		return NULL;
	done = &vr->done[kvlane_vring_place(vr, vr->first_done + at)];
	return test_bit(done->head, vr->busy) ? NULL : done;
}

/**
 * kvlane_vring_any_ready - is there a chain to publish?
 * @vr: the queue
 */
static __always_inline bool kvlane_vring_any_ready(const struct kvlane_vring *vr)
{
	return vr->nr_done && (!vr->in_order || kvlane_vring_ready(vr, 0));
}

/**
 * kvlane_vring_next_batch - in order, the next entry to write for the driver
 * @vr: the queue
 * @at: chains behind the first that earlier entries were about
 * @used: filled in
 *
 * An entry is about all chains up to one that was not used completely, as the
 * driver takes that for granted of those without an entry of their own.
 *
 * Return: false if there is none.
 */
static __always_inline bool kvlane_vring_next_batch(const struct kvlane_vring *vr,
						    u16 at,
						    struct kvlane_used *used)
{
	const struct kvlane_vring_done *done = kvlane_vring_ready(vr, at);

	if (!done)
		return false;
	used->chains = 0;
	used->descs = 0;
	do {
		used->written = done->written;
		used->head = done->head;
		used->descs += done->descs;
		used->chains++;
		if (done->written != vr->uses[done->head].in_len)
			break;
		done = kvlane_vring_ready(vr, at + used->chains);
	} while (done);
	return true;
}

/**
 * kvlane_vring_shown - chains were published
 * @vr: the queue
 * @chains: how many
 * @in_order: kvlane_vring.in_order, where the compiler can see it
 */
static __always_inline void kvlane_vring_shown(struct kvlane_vring *vr, u16 chains,
					       bool in_order)
{
	if (!in_order) {
		vr->nr_done = 0;
		return;
	}
	vr->nr_done -= chains;
	vr->first_done = kvlane_vring_place(vr, vr->first_done + chains);
}

#endif /* KVLANE_VRING_CHAIN_H */
