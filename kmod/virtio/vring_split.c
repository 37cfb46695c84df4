// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues, virtio 1.2, section 2.7.
 *
 * Three parts of guest memory: the descriptor table and the available ring,
 * which the driver writes, and the used ring, which the device writes. All
 * fields are little-endian, as VIRTIO_F_VERSION_1 is always there.
 *
 * Indexes
 * -------
 * All indexes run freely through 16 bits; slots are index & (size - 1). The
 * device keeps three of them, and at any time
 *
 *	used_idx  <=  next_avail  <=  seen_avail  <=  used_idx + size
 *
 * used_idx counts what the driver has been shown as used, next_avail what has
 * been taken, seen_avail what the driver was last seen to offer. A chain the
 * driver may offer again is one it was shown as used, so an honest driver never
 * gets more than a queue ahead of used_idx; an available index that would break
 * the inequality, by running ahead or going back, breaks the ring. From it
 * follows
 *
 *	in_flight + nr_done  ==  next_avail - used_idx  <=  size
 *
 * Ordering
 * --------
 * Each barrier here has its counterpart in the driver:
 *
 *  - split_see_avail(): smp_rmb() between reading the available index and
 *    anything it covers. Driver: write barrier between filling in descriptors
 *    and ring, and the index (2.7.13.3).
 *  - kvlane_split_publish(): smp_wmb() between the used elements and the used
 *    index. What was written to the buffers themselves is ordered before by the
 *    same barrier, if this lane wrote it, and by the hand-over of the
 *    completion if another thread did. Driver: read barrier between the used
 *    index and the element.
 *  - kvlane_split_publish(): smp_mb() between the used index and reading
 *    used_event or the available flags. Driver: sets those to ask for an
 *    interrupt, full barrier, looks at the used index again (2.7.14). At least
 *    one of the two sees the other's write, so no completion goes unnoticed.
 *  - kvlane_split_ask(): smp_mb() between asking for kicks and looking
 *    at the available index again. Driver: writes the index, full barrier,
 *    looks whether it has to kick (2.7.13.4). Likewise.
 */
#include "vring_chain.h"

/* What split_next_head() finds in an empty ring: more than any index. */
#define SPLIT_NO_HEAD		U32_MAX

/* Where things are in the rings. */

static const __le16 __user *avail_flags(const struct kvlane_vring *vr)
{
	return vr->avail;
}

static const __le16 __user *avail_idx(const struct kvlane_vring *vr)
{
	return vr->avail + 1;
}

static const __le16 __user *avail_head(const struct kvlane_vring *vr, u16 idx)
{
	return vr->avail + 2 + (idx & (vr->size - 1));
}

static const __le16 __user *avail_used_event(const struct kvlane_vring *vr)
{
	return vr->avail + 2 + vr->size;
}

static __le16 __user *used_flags(const struct kvlane_vring *vr)
{
	return vr->used;
}

static __le16 __user *used_idx(const struct kvlane_vring *vr)
{
	return vr->used + 1;
}

static __le64 __user *used_elem(const struct kvlane_vring *vr, u16 idx)
{
	return (__le64 __user *)(vr->used + 2) + (idx & (vr->size - 1));
}

static __le64 split_used_word(u32 written, u16 head)
{
	return cpu_to_le64((u64)written << 32 | head);
}

static __le16 __user *used_avail_event(const struct kvlane_vring *vr)
{
	return vr->used + 2 + 4 * vr->size;
}

/* Take note of an available index just read; false if it is impossible. */
static __always_inline bool split_see_avail(struct kvlane_vring *vr, __le16 idx)
{
	u16 taken = vr->next_avail - vr->used_idx;
	u16 offered;

	/* Heads and descriptors after the index that covers them. */
	smp_rmb();
	vr->seen_avail = le16_to_cpu(idx);
	offered = vr->seen_avail - vr->next_avail;
	return offered <= vr->size - taken;
}

/* The next head on offer, or SPLIT_NO_HEAD. */
static __always_inline enum kvlane_reason
split_next_head(struct kvlane_vring *vr, u32 *head)
{
	__le16 v;

	*head = SPLIT_NO_HEAD;
	if (vr->seen_avail == vr->next_avail) {
		unsafe_get_user(v, avail_idx(vr), fault);
		if (!split_see_avail(vr, v))
			return KVLANE_REASON_AVAIL_INDEX;
		if (vr->seen_avail == vr->next_avail)
			return KVLANE_REASON_NONE;
	}
	unsafe_get_user(v, avail_head(vr, vr->next_avail), fault);
	*head = le16_to_cpu(v);
	if (*head >= vr->size)
		return KVLANE_REASON_HEAD;
	*head = array_index_nospec(*head, vr->size);
	return test_bit(*head, vr->busy) ? KVLANE_REASON_HEAD_BUSY :
					   KVLANE_REASON_NONE;
fault:
	return KVLANE_REASON_FAULT;
}

static __always_inline bool split_read_desc(const struct kvlane_walk *w,
					    u32 slot, struct kvlane_desc *d)
{
	__le64 addr, rest;

	slot = array_index_nospec(slot, w->size);
	unsafe_get_user(addr, &w->table[2 * slot], fault);
	unsafe_get_user(rest, &w->table[2 * slot + 1], fault);
	d->addr = le64_to_cpu(addr);
	d->len = le64_to_cpu(rest);
	d->flags = le64_to_cpu(rest) >> 32;
	d->link = le64_to_cpu(rest) >> 48;
	return true;
fault:
	return false;
}

/* Collect the buffers of the chain that begins at @slot of the queue's table. */
static __always_inline enum kvlane_reason
split_walk_chain(const struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		 struct kvlane_chain *c, struct kvlane_walk *w, u32 slot)
{
	enum kvlane_reason reason;
	struct kvlane_desc d;

	do {
		if (!w->left--)
			return KVLANE_REASON_CHAIN_LENGTH;
		if (!split_read_desc(w, slot, &d))
			return KVLANE_REASON_FAULT;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			reason = kvlane_walk_enter(vr, mem, w, &d);
			slot = 0;
		} else {
			reason = kvlane_walk_buffer(vr, mem, c, w, &d);
			if (!(d.flags & VRING_DESC_F_NEXT))
				return reason;
			slot = d.link;
		}
		if (reason)
			return reason;
	} while (slot < w->size);
	return KVLANE_REASON_NEXT;
}

/* Find the next head and walk its chain; @c is filled in if there is one. */
static __always_inline enum kvlane_reason
split_next_chain(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		 struct kvlane_chain *c, struct kvlane_walk *w, u32 *head)
{
	enum kvlane_reason reason;

	reason = split_next_head(vr, head);
	if (reason || *head == SPLIT_NO_HEAD)
		return reason;
	reason = split_walk_chain(vr, mem, c, w, *head);
	if (reason)
		return reason;
	c->head = *head;
	return kvlane_walk_end(c, w);
}

int kvlane_split_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		     struct kvlane_chain *c)
{
	struct kvlane_walk w = {
		.table = vr->desc,
		.size = vr->size,
		.left = vr->size,
		.range = &kvlane_walk_nowhere,
	};
	enum kvlane_reason reason;
	u32 head;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->avail, kvlane_vring_driver_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	reason = split_next_chain(vr, mem, c, &w, &head);
	user_access_end();
	if (unlikely(reason))
		return kvlane_vring_break(vr, reason);
	if (head == SPLIT_NO_HEAD)
		return 0;

	kvlane_vring_took(vr, c, 0);
	vr->next_avail++;
	return 1;
}

/*
 * Does the driver want an interrupt for the elements [old, new)? With
 * VIRTIO_RING_F_EVENT_IDX @word is used_event, the index of the element it
 * waits for (2.7.7.2); otherwise the available flags.
 */
static bool split_wants_interrupt(const struct kvlane_vring *vr, __le16 word,
				  u16 old, u16 new)
{
	u16 event = le16_to_cpu(word);

	if (vr->event_idx)
		return (u16)(event - old) < (u16)(new - old);
	return !(event & VRING_AVAIL_F_NO_INTERRUPT);
}

/* Write used elements for all that is done, and count the chains. */
static __always_inline bool split_put_done(const struct kvlane_vring *vr, u16 *nr)
{
	const struct kvlane_vring_done *done;
	u16 i;

	for (i = 0; i < vr->nr_done; i++) {
		done = &vr->done[i];
		unsafe_put_user(split_used_word(done->written, done->head),
				used_elem(vr, vr->used_idx + i), fault);
	}
	*nr = i;
	return true;
fault:
	return false;
}

static __always_inline bool split_put_in_order(const struct kvlane_vring *vr,
					       u16 *nr)
{
	struct kvlane_used used;

	*nr = 0;
	while (kvlane_vring_next_batch(vr, *nr, &used)) {
		unsafe_put_user(split_used_word(used.written, used.head),
				used_elem(vr, vr->used_idx + *nr), fault);
		*nr += used.chains;
	}
	return true;
fault:
	return false;
}

static __always_inline int split_publish(struct kvlane_vring *vr, bool in_order)
{
	u16 old = vr->used_idx;
	__le16 word;
	u16 nr;

	if (!kvlane_access_begin(vr->used, kvlane_vring_device_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	if (!(in_order ? split_put_in_order(vr, &nr) : split_put_done(vr, &nr)))
		goto fault;
	/* Elements and buffers before the index that covers them. */
	smp_wmb();
	unsafe_put_user(cpu_to_le16(old + nr), used_idx(vr), fault);
	/* The index before the question; pairs with the driver's, see above. */
	smp_mb();
	unsafe_get_user(word, vr->event_idx ? avail_used_event(vr) :
			avail_flags(vr), fault);
	user_access_end();

	vr->used_idx = old + nr;
	kvlane_vring_shown(vr, nr, in_order);
	return split_wants_interrupt(vr, word, old, old + nr);
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

int kvlane_split_publish(struct kvlane_vring *vr)
{
	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_vring_any_ready(vr))
		return 0;
	if (vr->in_order)
		return split_publish(vr, true);
	return split_publish(vr, false);
}

int kvlane_split_ask(struct kvlane_vring *vr, u16 from)
{
	__le16 idx;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->used, kvlane_vring_device_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);

	if (vr->event_idx)
		unsafe_put_user(cpu_to_le16(from), used_avail_event(vr), fault);
	else
		unsafe_put_user(cpu_to_le16(0), used_flags(vr), fault);
	/* The request before another look; pairs with the driver's, see above. */
	smp_mb();
	unsafe_get_user(idx, avail_idx(vr), fault);
	user_access_end();

	vr->kicks_off = false;
	if (!split_see_avail(vr, idx))
		return kvlane_vring_break(vr, KVLANE_REASON_AVAIL_INDEX);
	return vr->seen_avail != from;
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

int kvlane_split_more(struct kvlane_vring *vr)
{
	__le16 idx;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->avail, kvlane_vring_driver_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	unsafe_get_user(idx, avail_idx(vr), fault);
	user_access_end();

	if (!split_see_avail(vr, idx))
		return kvlane_vring_break(vr, KVLANE_REASON_AVAIL_INDEX);
	return vr->seen_avail != vr->next_avail;
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

/*
 * With VIRTIO_RING_F_EVENT_IDX there is nothing to do: avail_event stays where
 * it is and the driver, once past it, does not kick again.
 */
int kvlane_split_disable_kick(struct kvlane_vring *vr)
{
	if (unlikely(vr->reason))
		return -EPROTO;
	if (vr->event_idx || vr->kicks_off)
		return 0;
	if (!kvlane_access_begin(vr->used, kvlane_vring_device_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	unsafe_put_user(cpu_to_le16(VRING_USED_F_NO_NOTIFY), used_flags(vr),
			fault);
	user_access_end();
	vr->kicks_off = true;
	return 0;
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}
