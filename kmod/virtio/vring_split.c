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
 *  - kvlane_vring_enable_kick(): smp_mb() between asking for kicks and looking
 *    at the available index again. Driver: writes the index, full barrier,
 *    looks whether it has to kick (2.7.13.4). Likewise.
 *
 * A hostile driver
 * ----------------
 * Anything the driver can write may change between two reads. So every field is
 * read once into a local copy, in whole 64-bit words for descriptors, and the
 * copy is checked and used. Descriptors are read in batches, to open the window
 * to user memory once for a typical request rather than once per descriptor;
 * inside the window the walk only follows @next where it stays in the table,
 * and all judgement comes after it is closed.
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

/* Descriptors per window: a direct request of blk or net seldom has more. */
#define SPLIT_BATCH		8

#define SPLIT_DESC_SIZE		16

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
 * @segs: buffers so far
 * @iovs: elements of kvlane_chain.iov filled in
 * @nested: @table is an indirect one
 * @too_many: the chain has more buffers than there is room for
 * @head: where the chain begins
 * @next: where the next batch begins, less than @size
 * @nr: descriptors in @desc
 * @desc: the current batch
 */
struct split_walk {
	const __le64 __user *table;
	u32 size;
	u32 left;
	u32 segs;
	u32 iovs;
	bool nested;
	bool too_many;
	u16 head;
	u16 next;
	u16 nr;
	struct split_desc desc[SPLIT_BATCH];
};

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
	u64 run;

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

	smp_rmb();
	vr->seen_avail = le16_to_cpu(idx);
	offered = vr->seen_avail - vr->next_avail;
	return offered <= vr->size - taken;
}

/*
 * Read descriptors until the batch is full, the chain ends, leaves the table or
 * changes to another. The window is open; false for a fault.
 */
static __always_inline bool split_read_batch(struct split_walk *w)
{
	u32 limit = min_t(u32, w->left, SPLIT_BATCH);
	u32 slot = w->next, nr = 0;
	struct split_desc *d;
	__le64 addr, rest;

	do {
		slot = array_index_nospec(slot, w->size);
		unsafe_get_user(addr, &w->table[2 * slot], fault);
		unsafe_get_user(rest, &w->table[2 * slot + 1], fault);
		d = &w->desc[nr++];
		d->addr = le64_to_cpu(addr);
		d->len = le64_to_cpu(rest);
		d->flags = le64_to_cpu(rest) >> 32;
		d->next = le64_to_cpu(rest) >> 48;
		slot = d->next;
	} while (nr < limit && slot < w->size &&
		 (d->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) ==
		 VRING_DESC_F_NEXT);

	w->nr = nr;
	w->left -= nr;
	return true;
fault:
	return false;
}

/*
 * Read the next head, and as much of its chain as fits, in one window. Returns
 * 1, 0 if there is no head, or -EPROTO.
 */
static int split_read_head(struct kvlane_vring *vr, struct split_walk *w)
{
	bool sane = true;
	__le16 v;

	if (!kvlane_access_begin(vr->avail, avail_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);

	if (vr->seen_avail == vr->next_avail) {
		unsafe_get_user(v, avail_idx(vr), fault);
		sane = split_see_avail(vr, v);
		if (vr->seen_avail == vr->next_avail || !sane)
			goto out;
	}
	unsafe_get_user(v, avail_head(vr, vr->next_avail), fault);
	w->head = le16_to_cpu(v);
	w->next = w->head;
	if (w->head < vr->size && !split_read_batch(w))
		goto fault;
out:
	user_access_end();
	if (!sane)
		return kvlane_vring_break(vr, KVLANE_REASON_AVAIL_INDEX);
	return vr->seen_avail != vr->next_avail;
fault:
	user_access_end();
	return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

static int split_read_more(struct kvlane_vring *vr, struct split_walk *w)
{
	bool ok;

	if (!kvlane_access_begin(w->table, (size_t)w->size * SPLIT_DESC_SIZE))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);
	ok = split_read_batch(w);
	user_access_end();
	return ok ? 0 : kvlane_vring_break(vr, KVLANE_REASON_FAULT);
}

/* Go on in an indirect table, virtio 1.2, section 2.7.5.3. */
static int split_enter_table(struct kvlane_vring *vr,
			     const struct kvlane_memtable *mem,
			     struct split_walk *w, const struct split_desc *d)
{
	unsigned long hva;
	u64 run;

	if (!vr->indirect || w->nested || d->flags & VRING_DESC_F_NEXT ||
	    !d->len || d->len % SPLIT_DESC_SIZE)
		return kvlane_vring_break(vr, KVLANE_REASON_INDIRECT);

	hva = kvlane_memtable_find(mem, d->addr, &run);
	if (!hva || run < d->len)
		return kvlane_vring_break(vr, KVLANE_REASON_ADDRESS);

	w->nested = true;
	w->table = (const __le64 __user *)hva;
	w->size = d->len / SPLIT_DESC_SIZE;
	w->left = min(w->size, max_t(u32, vr->size, vr->max_segs));
	w->next = 0;
	return 1;
}

/* Turn a buffer into segments, as many as the memory map cuts it into. */
static int split_add_segments(struct kvlane_vring *vr,
			      const struct kvlane_memtable *mem,
			      struct kvlane_chain *c, struct split_walk *w,
			      const struct split_desc *d)
{
	u32 first = w->iovs;
	u64 addr = d->addr;
	u64 left = d->len;
	unsigned long hva;
	u64 run;

	while (left) {
		hva = kvlane_memtable_find(mem, addr, &run);
		if (!hva)
			return kvlane_vring_break(vr, KVLANE_REASON_ADDRESS);
		if (w->iovs == c->max_iov) {
			w->too_many = true;
			break;
		}
		run = min(run, left);
		c->iov[w->iovs].iov_base = (void __user *)hva;
		c->iov[w->iovs++].iov_len = run;
		addr += run;
		left -= run;
	}
	if (d->flags & VRING_DESC_F_WRITE)
		c->in_num += w->iovs - first;
	else
		c->out_num += w->iovs - first;
	return 0;
}

/*
 * Add a buffer to the chain. One too many is no error yet: the chain is walked
 * to its end first, so that a loop is called a loop.
 */
static int split_add_buffer(struct kvlane_vring *vr,
			    const struct kvlane_memtable *mem,
			    struct kvlane_chain *c, struct split_walk *w,
			    const struct split_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;

	if (!in && c->in_len)
		return kvlane_vring_break(vr, KVLANE_REASON_DIRECTION);
	if (!d->len || (u64)c->out_len + c->in_len + d->len > U32_MAX)
		return kvlane_vring_break(vr, KVLANE_REASON_CHAIN_BYTES);

	if (in)
		c->in_len += d->len;
	else
		c->out_len += d->len;
	if (++w->segs > vr->max_segs)
		w->too_many = true;
	return w->too_many ? 0 : split_add_segments(vr, mem, c, w, d);
}

/* Judge a batch. Returns 1 if the chain goes on, 0 at its end, or -EPROTO. */
static int split_take_batch(struct kvlane_vring *vr,
			    const struct kvlane_memtable *mem,
			    struct kvlane_chain *c, struct split_walk *w)
{
	const struct split_desc *d;
	int err;

	for (d = w->desc; d < w->desc + w->nr; d++) {
		if (d->flags & VRING_DESC_F_INDIRECT)
			return split_enter_table(vr, mem, w, d);
		err = split_add_buffer(vr, mem, c, w, d);
		if (err)
			return err;
		if (!(d->flags & VRING_DESC_F_NEXT))
			return 0;
		if (d->next >= w->size)
			return kvlane_vring_break(vr, KVLANE_REASON_NEXT);
		w->next = d->next;
	}
	if (!w->left)
		return kvlane_vring_break(vr, KVLANE_REASON_CHAIN_LENGTH);
	return 1;
}

/* Collect the buffers of the chain that split_read_head() has begun. */
static int split_walk_chain(struct kvlane_vring *vr,
			    const struct kvlane_memtable *mem,
			    struct kvlane_chain *c, struct split_walk *w)
{
	int more, err;

	c->out_num = 0;
	c->in_num = 0;
	c->out_len = 0;
	c->in_len = 0;
	for (;;) {
		more = split_take_batch(vr, mem, c, w);
		if (more <= 0)
			return more;
		err = split_read_more(vr, w);
		if (err)
			return err;
	}
}

int kvlane_vring_pop(struct kvlane_vring *vr, const struct kvlane_memtable *mem,
		     struct kvlane_chain *c)
{
	struct split_walk w;
	int ret;

	if (unlikely(vr->reason))
		return -EPROTO;

	w.table = vr->desc;
	w.size = vr->size;
	w.left = vr->size;
	w.segs = 0;
	w.iovs = 0;
	w.nested = false;
	w.too_many = false;
	ret = split_read_head(vr, &w);
	if (ret <= 0)
		return ret;

	if (w.head >= vr->size)
		return kvlane_vring_break(vr, KVLANE_REASON_HEAD);
	w.head = array_index_nospec(w.head, vr->size);
	if (test_bit(w.head, vr->busy))
		return kvlane_vring_break(vr, KVLANE_REASON_HEAD_BUSY);

	ret = split_walk_chain(vr, mem, c, &w);
	if (ret)
		return ret;
	if (w.too_many)
		return kvlane_vring_break(vr, KVLANE_REASON_SEGMENTS);

	c->head = w.head;
	__set_bit(w.head, vr->busy);
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
	smp_wmb();
	unsafe_put_user(cpu_to_le16(new), used_idx(vr), fault);
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

int kvlane_vring_enable_kick(struct kvlane_vring *vr)
{
	__le16 idx;

	if (unlikely(vr->reason))
		return -EPROTO;
	if (!kvlane_access_begin(vr->used, used_bytes(vr)))
		return kvlane_vring_break(vr, KVLANE_REASON_FAULT);

	if (vr->event_idx)
		unsafe_put_user(cpu_to_le16(vr->next_avail),
				used_avail_event(vr), fault);
	else
		unsafe_put_user(cpu_to_le16(0), used_flags(vr), fault);
	smp_mb();
	unsafe_get_user(idx, avail_idx(vr), fault);
	user_access_end();

	vr->kicks_off = false;
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
