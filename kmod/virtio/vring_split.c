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
 * which is why @done, with room for size elements, cannot overflow.
 *
 * The bitmap @busy has a bit for each head in flight. A driver that offers the
 * same head twice would have two requests write to the same buffers and one
 * completion too many; it breaks the ring.
 *
 * Ordering
 * --------
 * Each barrier here has its counterpart in the driver:
 *
 *  - split_see_avail(): smp_rmb() between reading the available index and
 *    anything it covers. Driver: write barrier between filling in descriptors
 *    and ring, and the index (2.7.13.3).
 *  - kvlane_vring_publish(): smp_wmb() between the used elements and the used
 *    index. What was written to the buffers themselves is ordered before by the
 *    same barrier, if this lane wrote it, and by the hand-over of the
 *    completion if another thread did. Driver: read barrier between the used
 *    index and the element.
 *  - kvlane_vring_publish(): smp_mb() between the used index and reading
 *    used_event or the available flags. Driver: sets those to ask for an
 *    interrupt, full barrier, looks at the used index again (2.7.14). At least
 *    one of the two sees the other's write, so no completion goes unnoticed.
 *  - split_enable_kick(): smp_mb() between asking for kicks and looking
 *    at the available index again. Driver: writes the index, full barrier,
 *    looks whether it has to kick (2.7.13.4). Likewise.
 *
 * A hostile driver
 * ----------------
 * Anything the driver can write may change between two reads. So every field is
 * read once into a local copy, in whole 64-bit words for descriptors, and the
 * copy is checked and used. What is wrong comes back as an enum kvlane_reason
 * and is acted upon once the window to user memory is closed: a pop takes one
 * window, so nothing in between may call a function, and all of it is inline.
 *
 * The work per chain is bounded: the table gives at most size descriptors, then
 * perhaps one indirect table, and that at most as many as it has, or as size or
 * max_segs allows, whichever of the two is more. Drivers do build indirect
 * chains longer than the queue where the device takes them.
 *
 * Numbers from the guest are clamped by array_index_nospec() where they index
 * something; kvlane_memtable_find() does the same for addresses.
 *
 * What is stricter than the specification: an empty buffer is a fault of the
 * driver (KVLANE_REASON_CHAIN_BYTES), for it means nothing to any device and
 * other devices do not take it either; and each ring part and each indirect
 * table must not cross a border of the memory map. Buffers may.
 */
#include "access.h"
#include "vring.h"

#include <linux/virtio_ring.h>

#define SPLIT_DESC_SIZE		16

/* What split_next_head() finds in an empty ring: more than any index. */
#define SPLIT_NO_HEAD		U32_MAX

/**
 * struct split_desc - private copy of a descriptor
 * @addr: guest physical address
 * @len: bytes
 * @flags: VRING_DESC_F_*
 * @next: index of the next one, with VRING_DESC_F_NEXT
 */
struct split_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

/**
 * struct split_walk - the way along a chain
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
struct split_walk {
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

/* Holds no address: where a walk begins. */
static const struct kvlane_memrange split_nowhere;

/* Where things are in the rings; sizes in bytes are below. */

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

static __le16 __user *used_avail_event(const struct kvlane_vring *vr)
{
	return vr->used + 2 + 4 * vr->size;
}

static u32 desc_bytes(const struct kvlane_vring *vr)
{
	return SPLIT_DESC_SIZE * vr->size;
}

static u32 avail_bytes(const struct kvlane_vring *vr)
{
	return sizeof(__le16) * (2 + vr->size + vr->event_idx);
}

static u32 used_bytes(const struct kvlane_vring *vr)
{
	return sizeof(__le16) * (2 + 4 * vr->size + vr->event_idx);
}

int kvlane_vring_alloc(struct kvlane_vring *vr, u16 max_size)
{
	memset(vr, 0, sizeof(*vr));
	vr->max_size = max_size;
	vr->busy = bitmap_zalloc(max_size, GFP_KERNEL_ACCOUNT);
	vr->done = kvcalloc(max_size, sizeof(*vr->done), GFP_KERNEL_ACCOUNT);
	return vr->busy && vr->done ? 0 : -ENOMEM;
}

void kvlane_vring_free(struct kvlane_vring *vr)
{
	kvfree(vr->done);
	bitmap_free(vr->busy);
	vr->done = NULL;
	vr->busy = NULL;
}

void kvlane_vring_start(struct kvlane_vring *vr,
			const struct kvlane_vring_config *cfg)
{
	vr->size = cfg->size;
	vr->max_segs = cfg->max_segs;
	vr->event_idx = cfg->features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
	vr->indirect = cfg->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC);
	vr->desc_gpa = cfg->desc;
	vr->driver_gpa = cfg->driver;
	vr->device_gpa = cfg->device;
	vr->desc = NULL;
	vr->avail = NULL;
	vr->used = NULL;
	vr->next_avail = cfg->avail_idx;
	vr->seen_avail = cfg->avail_idx;
	vr->used_idx = cfg->avail_idx;
	vr->nr_done = 0;
	vr->in_flight = 0;
	vr->kicks_off = false;
	vr->reason = KVLANE_REASON_NONE;
	bitmap_zero(vr->busy, vr->max_size);
}

int kvlane_vring_break(struct kvlane_vring *vr, enum kvlane_reason reason)
{
	if (!vr->reason)
		vr->reason = reason;
	return -EPROTO;
}

/* User address of a ring part, or 0 if it is not all there. */
static unsigned long split_part(const struct kvlane_memtable *mem, u64 gpa,
				u32 bytes, u32 align)
{
	unsigned long hva;
	u64 run = 0;

	if (gpa & (align - 1))
		return 0;
	hva = kvlane_memtable_find(mem, gpa, &run);
	return hva && run >= bytes ? hva : 0;
}

int kvlane_vring_map(struct kvlane_vring *vr, const struct kvlane_memtable *mem)
{
	unsigned long desc = split_part(mem, vr->desc_gpa, desc_bytes(vr),
					VRING_DESC_ALIGN_SIZE);
	unsigned long avail = split_part(mem, vr->driver_gpa, avail_bytes(vr),
					 VRING_AVAIL_ALIGN_SIZE);
	unsigned long used = split_part(mem, vr->device_gpa, used_bytes(vr),
					VRING_USED_ALIGN_SIZE);

	if (vr->reason)
		return -EPROTO;
	if (!desc || !avail || !used)
		return kvlane_vring_break(vr, KVLANE_REASON_RING_ADDRESS);

	vr->desc = (const __le64 __user *)desc;
	vr->avail = (const __le16 __user *)avail;
	vr->used = (__le16 __user *)used;
	return 0;
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

static __always_inline bool split_read_desc(const struct split_walk *w, u32 slot,
					    struct split_desc *d)
{
	__le64 addr, rest;

	slot = array_index_nospec(slot, w->size);
	unsafe_get_user(addr, &w->table[2 * slot], fault);
	unsafe_get_user(rest, &w->table[2 * slot + 1], fault);
	d->addr = le64_to_cpu(addr);
	d->len = le64_to_cpu(rest);
	d->flags = le64_to_cpu(rest) >> 32;
	d->next = le64_to_cpu(rest) >> 48;
	return true;
fault:
	return false;
}

/* Go on in an indirect table, virtio 1.2, section 2.7.5.3. */
static __always_inline enum kvlane_reason
split_enter_table(const struct kvlane_vring *vr,
		  const struct kvlane_memtable *mem, struct split_walk *w,
		  const struct split_desc *d)
{
	unsigned long hva;
	u64 run = 0;

	if (!vr->indirect || w->nested || d->flags & VRING_DESC_F_NEXT ||
	    !d->len || d->len % SPLIT_DESC_SIZE)
		return KVLANE_REASON_INDIRECT;

	hva = kvlane_memtable_find(mem, d->addr, &run);
	if (!hva || run < d->len)
		return KVLANE_REASON_ADDRESS;

	w->nested = true;
	w->table = (const __le64 __user *)hva;
	w->size = d->len / SPLIT_DESC_SIZE;
	w->left = min(w->size, max_t(u32, vr->size, vr->max_segs));
	return KVLANE_REASON_NONE;
}

/* Turn a buffer into segments, as many as the memory map cuts it into. */
static __always_inline enum kvlane_reason
split_add_segments(const struct kvlane_memtable *mem, struct kvlane_chain *c,
		   struct split_walk *w, const struct split_desc *d)
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
static __always_inline void split_end_readable(struct split_walk *w)
{
	w->writable = true;
	w->out_iovs = w->iovs;
	w->out_len = w->bytes;
}

/*
 * Add a buffer to the chain. One too many is no error yet: the chain is walked
 * to its end first, so that a loop is called a loop.
 */
static __always_inline enum kvlane_reason
split_add_buffer(const struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		 struct kvlane_chain *c, struct split_walk *w,
		 const struct split_desc *d)
{
	if (!(d->flags & VRING_DESC_F_WRITE)) {
		if (w->writable)
			return KVLANE_REASON_DIRECTION;
	} else if (!w->writable) {
		split_end_readable(w);
	}

	w->bytes += d->len;
	if (!d->len || w->bytes > U32_MAX)
		return KVLANE_REASON_CHAIN_BYTES;
	if (++w->segs > vr->max_segs)
		w->too_many = true;
	if (w->too_many)
		return KVLANE_REASON_NONE;
	return split_add_segments(mem, c, w, d);
}

/* Collect the buffers of the chain that begins at @slot of the queue's table. */
static __always_inline enum kvlane_reason
split_walk_chain(const struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		 struct kvlane_chain *c, struct split_walk *w, u32 slot)
{
	enum kvlane_reason reason;
	struct split_desc d;

	do {
		if (!w->left--)
			return KVLANE_REASON_CHAIN_LENGTH;
		if (!split_read_desc(w, slot, &d))
			return KVLANE_REASON_FAULT;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			reason = split_enter_table(vr, mem, w, &d);
			slot = 0;
		} else {
			reason = split_add_buffer(vr, mem, c, w, &d);
			if (!(d.flags & VRING_DESC_F_NEXT))
				return reason;
			slot = d.next;
		}
		if (reason)
			return reason;
	} while (slot < w->size);
	return KVLANE_REASON_NEXT;
}

/* Find the next head and walk its chain; @c is filled in if there is one. */
static __always_inline enum kvlane_reason
split_next_chain(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		 struct kvlane_chain *c, struct split_walk *w, u32 *head)
{
	enum kvlane_reason reason;

	reason = split_next_head(vr, head);
	if (reason || *head == SPLIT_NO_HEAD)
		return reason;
	reason = split_walk_chain(vr, mem, c, w, *head);
	if (reason)
		return reason;
	if (w->too_many)
		return KVLANE_REASON_SEGMENTS;

	if (!w->writable)
		split_end_readable(w);
	c->head = *head;
	c->out_num = w->out_iovs;
	c->in_num = w->iovs - w->out_iovs;
	c->out_len = w->out_len;
	c->in_len = w->bytes - w->out_len;
	return KVLANE_REASON_NONE;
}

int kvlane_vring_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		     struct kvlane_chain *c)
{
	struct split_walk w = {
		.table = vr->desc,
		.size = vr->size,
		.left = vr->size,
		.range = &split_nowhere,
	};
	enum kvlane_reason reason;
	u32 head;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->avail, avail_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	reason = split_next_chain(vr, mem, c, &w, &head);
	user_access_end();
	if (unlikely(reason))
		return kvlane_vring_break(vr, reason);
	if (head == SPLIT_NO_HEAD)
		return 0;

	__set_bit(head, vr->busy);
	vr->in_flight++;
	vr->next_avail++;
	return 1;
}

int kvlane_vring_push(struct kvlane_vring *vr, u16 head, u32 written)
{
	if (WARN_ON_ONCE(!__test_and_clear_bit(head, vr->busy)))
		return -EPROTO;
	vr->in_flight--;
	if (unlikely(vr->reason))
		return -EPROTO;
	vr->done[vr->nr_done++] = cpu_to_le64((u64)written << 32 | head);
	return 0;
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

int kvlane_vring_publish(struct kvlane_vring *vr)
{
	u16 old = vr->used_idx;
	u16 new = old + vr->nr_done;
	__le16 word;
	u16 i;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!vr->nr_done)
		return 0;
	if (!kvlane_access_begin(vr->used, used_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);

	for (i = 0; i < vr->nr_done; i++)
		unsafe_put_user(vr->done[i], used_elem(vr, old + i), fault);
	/* Elements and buffers before the index that covers them. */
	smp_wmb();
	unsafe_put_user(cpu_to_le16(new), used_idx(vr), fault);
	/* The index before the question; pairs with the driver's, see above. */
	smp_mb();
	unsafe_get_user(word, vr->event_idx ? avail_used_event(vr) :
			avail_flags(vr), fault);
	user_access_end();

	vr->used_idx = new;
	vr->nr_done = 0;
	return split_wants_interrupt(vr, word, old, new);
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

void kvlane_vring_unpop(struct kvlane_vring *vr, u16 head)
{
	if (WARN_ON_ONCE(!__test_and_clear_bit(head, vr->busy)))
		return;
	vr->in_flight--;
	vr->next_avail--;
}

/* Ask to be kicked for the chain at index @from; is it there already? */
static int split_enable_kick(struct kvlane_vring *vr, u16 from)
{
	__le16 idx;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->used, used_bytes(vr)))
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

int kvlane_vring_enable_kick(struct kvlane_vring *vr)
{
	return split_enable_kick(vr, vr->next_avail);
}

int kvlane_vring_enable_kick_beyond(struct kvlane_vring *vr)
{
	return split_enable_kick(vr, vr->seen_avail);
}

/*
 * With VIRTIO_RING_F_EVENT_IDX there is nothing to do: avail_event stays where
 * it is and the driver, once past it, does not kick again.
 */
int kvlane_vring_disable_kick(struct kvlane_vring *vr)
{
	if (unlikely(vr->reason))
		return -EPROTO;
	if (vr->event_idx || vr->kicks_off)
		return 0;
	if (!kvlane_access_begin(vr->used, used_bytes(vr)))
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
