// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packed virtqueues, virtio 1.2, section 2.8.
 *
 * One ring of descriptors that driver and device both write, and a word of event
 * suppression for each direction. All fields are little-endian, as
 * VIRTIO_F_VERSION_1 is always there.
 *
 * Places
 * ------
 * A place in the ring is a slot and a wrap counter, in the form virtio's event
 * structures have it: the slot in bits 0 to 14, the counter in bit 15. The size
 * of the ring is any number, so places are moved by packed_advance() and compared
 * by packed_distance(). The device keeps two of them, and at any time
 *
 *	used_idx  <=  next_avail  <=  used_idx + size
 *
 * used_idx is where the next used descriptor goes, next_avail where the next
 * chain begins. What lies between is taken: popped, and not yet shown as used. A
 * descriptor is available if its two bits match the wrap counter of next_avail;
 * an honest driver never makes more available than size - taken. One that does
 * breaks the ring, with KVLANE_REASON_AVAIL_INDEX if a chain begins there, and
 * KVLANE_REASON_CHAIN_LENGTH if one goes on there.
 *
 * What is in the ring
 * -------------------
 * The second word of a descriptor holds length, buffer id and flags. It is read
 * and written as a whole, which is one access on any 64-bit machine: so flags
 * that say "available" come with the length and the id that belong to them, and
 * nothing needs to be read a second time.
 *
 * A chain is known by its buffer id. A second chain with the id of one in flight
 * is KVLANE_REASON_HEAD_BUSY. Stricter than the specification, which says
 * nothing of it but in an example (2.8.22), is that ids are below the queue size.
 *
 * Ordering
 * --------
 *  - packed_read_head(): smp_rmb() between the flags of a chain's first
 *    descriptor and the rest of the chain. Driver: write barrier before those
 *    flags, which it writes last (2.8.21.1).
 *  - kvlane_packed_publish(): smp_wmb() between all other used descriptors, the
 *    buffers, and the first used descriptor. The driver looks nowhere else before
 *    it has seen that one, so it sees all or nothing. Driver: read barrier after
 *    the flags.
 *  - kvlane_packed_publish(): smp_mb() between that and reading what the driver
 *    wants. Driver: asks for an interrupt, full barrier, looks at the flags again
 *    (2.8.22).
 *  - kvlane_packed_ask(): smp_mb() between asking for kicks and looking
 *    at the next descriptor again. Driver: makes it available, full barrier,
 *    looks whether it has to kick (2.8.21.3).
 *
 * VIRTIO_F_NOTIFICATION_DATA would have the driver send the place of the next
 * descriptor along with a kick. It is not offered: kicks come through an eventfd,
 * which carries no data, and even if they did, the descriptor there has to be
 * read anyway to serve it. Not a single read would be saved.
 */
#include "vring_chain.h"

#define PACKED_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)
#define PACKED_SLOT	(PACKED_WRAP - 1)

#define PACKED_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	BIT(VRING_PACKED_DESC_F_USED)

static __always_inline u16 packed_advance(const struct kvlane_vring *vr,
					  u16 place, u16 n)
{
	u32 slot = (place & PACKED_SLOT) + n;

	if (slot < vr->size)
		return place + n;
	return (slot - vr->size) | (~place & PACKED_WRAP);
}

static u16 packed_retreat(const struct kvlane_vring *vr, u16 place, u16 n)
{
	u16 slot = place & PACKED_SLOT;

	if (slot >= n)
		return place - n;
	return (slot + vr->size - n) | (~place & PACKED_WRAP);
}

/* Descriptors from one place to another, which is less than two rings ahead. */
static __always_inline int packed_distance(const struct kvlane_vring *vr,
					   u16 from, u16 to)
{
	int n = (to & PACKED_SLOT) - (from & PACKED_SLOT);

	return (from ^ to) & PACKED_WRAP ? n + vr->size : n;
}

static __always_inline u32 packed_taken(const struct kvlane_vring *vr)
{
	return packed_distance(vr, vr->used_idx, vr->next_avail);
}

/* Does a descriptor with these flags belong to the driver's offer at @place? */
static __always_inline bool packed_available(u16 flags, u16 place)
{
	u16 bits = place & PACKED_WRAP ? PACKED_AVAIL : PACKED_USED;

	return (flags & (PACKED_AVAIL | PACKED_USED)) == bits;
}

/* The second word of a used descriptor. */
static __always_inline __le64 packed_used_word(const struct kvlane_used *used,
					       u16 place)
{
	u64 flags = place & PACKED_WRAP ? PACKED_AVAIL | PACKED_USED : 0;

	if (used->written)
		flags |= VRING_DESC_F_WRITE;
	return cpu_to_le64(flags << 48 | (u64)used->head << 32 | used->written);
}

static __always_inline __le64 __user *
packed_second_word(const struct kvlane_vring *vr, u16 place)
{
	return vr->desc + 2 * (place & PACKED_SLOT) + 1;
}

static __always_inline void packed_parse(struct kvlane_desc *d, __le64 rest)
{
	d->len = le64_to_cpu(rest);
	d->link = le64_to_cpu(rest) >> 32;
	d->flags = le64_to_cpu(rest) >> 48;
}

static __always_inline bool packed_read_desc(const __le64 __user *table, u32 slot,
					     struct kvlane_desc *d)
{
	__le64 addr, rest;

	unsafe_get_user(addr, &table[2 * slot], fault);
	unsafe_get_user(rest, &table[2 * slot + 1], fault);
	d->addr = le64_to_cpu(addr);
	packed_parse(d, rest);
	return true;
fault:
	return false;
}

/* The descriptor at next_avail; @any is set if it is available. */
static __always_inline enum kvlane_reason
packed_read_head(const struct kvlane_vring *vr, struct kvlane_desc *d, bool *any)
{
	__le64 addr, rest;

	*any = false;
	unsafe_get_user(rest, packed_second_word(vr, vr->next_avail), fault);
	packed_parse(d, rest);
	if (!packed_available(d->flags, vr->next_avail))
		return KVLANE_REASON_NONE;

	/* Whatever the flags cover after the flags. */
	smp_rmb();
	*any = true;
	unsafe_get_user(addr, packed_second_word(vr, vr->next_avail) - 1, fault);
	d->addr = le64_to_cpu(addr);
	return KVLANE_REASON_NONE;
fault:
	return KVLANE_REASON_FAULT;
}

/* All of an indirect table is the chain; flags but one mean nothing there. */
static __always_inline enum kvlane_reason
packed_walk_table(const struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		  struct kvlane_chain *c, struct kvlane_walk *w,
		  const struct kvlane_desc *head)
{
	enum kvlane_reason reason;
	struct kvlane_desc d;
	u32 slot;

	reason = kvlane_walk_enter(vr, mem, w, head);
	if (reason)
		return reason;
	if (w->left < w->size)
		return KVLANE_REASON_CHAIN_LENGTH;
	for (slot = 0; slot < w->size; slot++) {
		if (!packed_read_desc(w->table, slot, &d))
			return KVLANE_REASON_FAULT;
		reason = kvlane_walk_buffer(vr, mem, c, w, &d);
		if (reason)
			return reason;
	}
	return KVLANE_REASON_NONE;
}

/* Go on in the ring until a descriptor without VRING_DESC_F_NEXT, left in @d. */
static __always_inline enum kvlane_reason
packed_walk_ring(const struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		 struct kvlane_chain *c, struct kvlane_walk *w,
		 struct kvlane_desc *d, u32 *descs)
{
	enum kvlane_reason reason;
	u16 place = vr->next_avail;

	for (;;) {
		reason = kvlane_walk_buffer(vr, mem, c, w, d);
		if (reason || !(d->flags & VRING_DESC_F_NEXT))
			return reason;
		if (*descs == w->left)
			return KVLANE_REASON_CHAIN_LENGTH;
		place = packed_advance(vr, place, 1);
		if (!packed_read_desc(vr->desc, place & PACKED_SLOT, d))
			return KVLANE_REASON_FAULT;
		if (!packed_available(d->flags, place))
			return KVLANE_REASON_NEXT;
		if (d->flags & VRING_DESC_F_INDIRECT)
			return KVLANE_REASON_INDIRECT;
		++*descs;
	}
}

/* A chain's name comes with its last descriptor. */
static __always_inline enum kvlane_reason
packed_take_id(const struct kvlane_vring *vr, struct kvlane_chain *c, u16 id)
{
	if (id >= vr->size)
		return KVLANE_REASON_HEAD;
	c->head = array_index_nospec(id, vr->size);
	return test_bit(c->head, vr->busy) ? KVLANE_REASON_HEAD_BUSY :
					     KVLANE_REASON_NONE;
}

/* Walk the next chain; @descs is how long it is in the ring, 0 if there is none. */
static __always_inline enum kvlane_reason
packed_next_chain(const struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		  struct kvlane_chain *c, struct kvlane_walk *w, u32 *descs)
{
	enum kvlane_reason reason;
	struct kvlane_desc d;
	bool any;

	*descs = 0;
	reason = packed_read_head(vr, &d, &any);
	if (reason || !any)
		return reason;
	if (!w->left)
		return KVLANE_REASON_AVAIL_INDEX;

	*descs = 1;
	if (d.flags & VRING_DESC_F_INDIRECT)
		reason = packed_walk_table(vr, mem, c, w, &d);
	else
		reason = packed_walk_ring(vr, mem, c, w, &d, descs);
	if (reason)
		return reason;
	reason = packed_take_id(vr, c, d.link);
	if (reason)
		return reason;
	return kvlane_walk_end(c, w);
}

int kvlane_packed_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		      struct kvlane_chain *c)
{
	struct kvlane_walk w = {
		.left = vr->size - packed_taken(vr),
		.range = &kvlane_walk_nowhere,
	};
	enum kvlane_reason reason;
	u32 descs;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->desc, kvlane_vring_desc_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	reason = packed_next_chain(vr, mem, c, &w, &descs);
	user_access_end();
	if (unlikely(reason))
		return kvlane_vring_break(vr, reason);
	if (!descs) {
		vr->seen_avail = vr->next_avail;
		return 0;
	}

	kvlane_vring_took(vr, c, descs);
	vr->next_avail = packed_advance(vr, vr->next_avail, descs);
	return 1;
}

void kvlane_packed_unpop(struct kvlane_vring *vr, u16 head)
{
	vr->next_avail = packed_retreat(vr, vr->next_avail, vr->uses[head].descs);
}

/*
 * Does the driver want an interrupt for the @n descriptors from @old on? What it
 * must not ask for, such as an event without VIRTIO_RING_F_EVENT_IDX, counts as a
 * wish for all (2.8.10).
 */
static bool packed_wants_interrupt(const struct kvlane_vring *vr, __le32 event,
				   u16 old, u16 n)
{
	u16 flags = le32_to_cpu(event) >> 16;
	u32 ahead;

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vr->event_idx)
		return true;
	ahead = packed_distance(vr, old, le32_to_cpu(event));
	return ahead < n;
}

/* The next used descriptor to write, @at chains behind the first. */
static __always_inline bool packed_next_used(const struct kvlane_vring *vr, u16 at,
					     bool in_order, struct kvlane_used *used)
{
	const struct kvlane_vring_done *done = &vr->done[at];

	if (in_order)
		return kvlane_vring_next_batch(vr, at, used);
	if (at == vr->nr_done)
		return false;
	used->written = done->written;
	used->head = done->head;
	used->chains = 1;
	used->descs = done->descs;
	return true;
}

static __always_inline int packed_publish(struct kvlane_vring *vr, bool in_order)
{
	u16 old = vr->used_idx, place = old, n = 0, nr = 0;
	struct kvlane_used used;
	__le64 first = 0;
	__le32 event;

	if (!kvlane_access_begin(vr->desc, kvlane_vring_desc_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);

	while (packed_next_used(vr, nr, in_order, &used)) {
		if (!nr)
			first = packed_used_word(&used, old);
		else
			unsafe_put_user(packed_used_word(&used, place),
					packed_second_word(vr, place), fault);
		nr += used.chains;
		n += used.descs;
		place = packed_advance(vr, place, used.descs);
	}
	/* The driver looks at the first one, and then at what was before it. */
	smp_wmb();
	unsafe_put_user(first, packed_second_word(vr, old), fault);
	/* That before the question; pairs with the driver's, see above. */
	smp_mb();
	unsafe_get_user(event, vr->driver_event, fault);
	user_access_end();

	vr->used_idx = place;
	kvlane_vring_shown(vr, nr, in_order);
	return packed_wants_interrupt(vr, event, old, n);
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

int kvlane_packed_publish(struct kvlane_vring *vr)
{
	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_vring_any_ready(vr))
		return 0;
	if (vr->in_order)
		return packed_publish(vr, true);
	return packed_publish(vr, false);
}

/* What the second word of the descriptor at @place says: is it available? */
static int packed_more(struct kvlane_vring *vr, u16 place, __le64 rest)
{
	struct kvlane_desc next;

	packed_parse(&next, rest);
	if (!packed_available(next.flags, place))
		return 0;
	if (packed_distance(vr, vr->used_idx, place) == vr->size)
		return kvlane_vring_break(vr, KVLANE_REASON_AVAIL_INDEX);
	return 1;
}

int kvlane_packed_ask(struct kvlane_vring *vr, u16 from)
{
	u32 event = VRING_PACKED_EVENT_FLAG_ENABLE;
	__le64 rest;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->device_event, sizeof(*vr->device_event)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);

	if (vr->event_idx)
		event = VRING_PACKED_EVENT_FLAG_DESC << 16 | from;
	unsafe_put_user(cpu_to_le32(event), vr->device_event, fault);
	/* The request before another look; pairs with the driver's, see above. */
	smp_mb();
	unsafe_get_user(rest, packed_second_word(vr, from), fault);
	user_access_end();

	vr->kicks_off = false;
	return packed_more(vr, from, rest);
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

int kvlane_packed_more(struct kvlane_vring *vr)
{
	__le64 rest;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->desc, kvlane_vring_desc_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	unsafe_get_user(rest, packed_second_word(vr, vr->next_avail), fault);
	user_access_end();
	return packed_more(vr, vr->next_avail, rest);
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

/*
 * With VIRTIO_RING_F_EVENT_IDX too: an event left where it is would come true
 * again each time the ring went round twice.
 */
int kvlane_packed_disable_kick(struct kvlane_vring *vr)
{
	u32 event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (vr->kicks_off)
		return 0;
	if (!kvlane_access_begin(vr->device_event, sizeof(*vr->device_event)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	unsafe_put_user(cpu_to_le32(event), vr->device_event, fault);
	user_access_end();
	vr->kicks_off = true;
	return 0;
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}
