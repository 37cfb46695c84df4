/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other side of a virtqueue: guest memory, and a driver in it that keeps to
 * virtio 1.2, sections 2.7 and 2.8, unless a test makes it do otherwise through
 * the raw accessors.
 */
#ifndef KVLANE_DRIVER_H
#define KVLANE_DRIVER_H

#include "memtable.h"
#include "shim.h"

/* Guest memory: two ranges that adjoin in the guest only, and one above 4 GiB. */
#define GUEST_LOW		0x0ULL
#define GUEST_LOW_SIZE		0x40000ULL
#define GUEST_MID		(GUEST_LOW + GUEST_LOW_SIZE)
#define GUEST_MID_SIZE		0x10000ULL
#define GUEST_HIGH		0x100000000ULL
#define GUEST_HIGH_SIZE		0x10000ULL
#define GUEST_RANGES		3

struct guest {
	struct kvlane_memtable *mem;
	void *block[GUEST_RANGES];
};

void guest_init(struct guest *g);
void guest_exit(struct guest *g);
void *guest_ptr(const struct guest *g, u64 gpa);
bool guest_holds(const struct guest *g, const void *ptr, size_t len);

/* Where the driver puts its rings, tables and buffers. */
#define DRIVER_DESC		0x1000ULL
#define DRIVER_AVAIL		0x6000ULL
#define DRIVER_USED		0x8000ULL
#define DRIVER_TABLES		0x10000ULL
#define DRIVER_TABLE_SIZE	0x800ULL
#define DRIVER_BUFFERS		0x30000ULL

/**
 * struct driver_buf - a buffer, and all there is to get wrong in a descriptor
 * @next: in a packed ring the buffer id
 */
struct driver_buf {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

/**
 * struct driver_chain - what a driver keeps of a chain, by head
 * @descs: descriptors of the ring it takes up; 0 if it is not in flight
 * @in_len: bytes the device may write
 */
struct driver_chain {
	u16 descs;
	u32 in_len;
};

/**
 * struct driver - a driver and its queue
 * @free: split: descriptors not in use, packed: buffer ids; a stack of @nr_heads
 * @nr_free: descriptors not in use
 * @chain: what is in flight
 * @links: split: how descriptors are chained
 * @order: heads in flight, the oldest at @first_order
 * @avail_idx: split: what the driver will put or has put into the available
 *	index. Packed: where the next chain goes, as kvlane_vring.next_avail.
 * @shown_idx: the same when the driver last decided about a kick
 * @used_idx: next used element to look at, in the same terms
 * @batch: head of the last chain the used element last seen was about, -1 when
 *	all of those were collected
 * @batch_len: what it says was written
 * @hidden: packed: flags of the descriptor at @shown_idx, not written yet
 */
struct driver {
	struct guest *g;
	u16 size;
	bool packed;
	bool in_order;
	bool event_idx;
	u16 *free;
	u16 nr_heads;
	u16 nr_free;
	struct driver_chain *chain;
	u16 *links;
	u16 *order;
	u16 first_order;
	u16 nr_order;
	u16 avail_idx;
	u16 shown_idx;
	u16 used_idx;
	int batch;
	u32 batch_len;
	u16 hidden;
};

/* @first: where in the life of the queue this is, in chains of one descriptor. */
void driver_init(struct driver *d, struct guest *g, u16 size, u64 features,
		 u16 first);
void driver_exit(struct driver *d);

/*
 * Put a chain of @n buffers (flags: 0 or VRING_DESC_F_WRITE) into the queue,
 * directly or through the indirect table of its head. Returns the head, or -1 if
 * there is no room. Not shown to the device before driver_show().
 */
int driver_add(struct driver *d, const struct driver_buf *buf, u16 n);
int driver_add_indirect(struct driver *d, const struct driver_buf *buf, u16 n);

/* Show what was added; true if the device has to be kicked. */
bool driver_show(struct driver *d);

/* Take a used chain: its head, or -1 if there is none. Checks it. */
int driver_collect(struct driver *d, u32 *len);

void driver_no_interrupts(struct driver *d);

/* Ask for interrupts; true if there is something to collect already. */
bool driver_want_interrupt(struct driver *d);

/* Has the device asked not to be kicked? */
bool driver_told_not_to_kick(struct driver *d);

u64 driver_table(u16 head);

/*
 * Raw access, for anything a driver must not do. In a packed ring
 * driver_set_desc() makes the descriptor available in the ring's first round.
 */
void driver_set_desc(struct driver *d, u16 i, struct driver_buf buf);
void driver_set_table(struct driver *d, u64 table, u32 i, struct driver_buf buf);

/* Split rings only. */
void driver_offer_raw(struct driver *d, u16 head);
void driver_show_raw(struct driver *d, u16 idx);
u16 *driver_avail_flags(struct driver *d);
u16 *driver_avail_idx(struct driver *d);
u16 *driver_used_event(struct driver *d);
u16 *driver_used_flags(struct driver *d);
u16 *driver_used_idx(struct driver *d);
u64 *driver_used_elem(struct driver *d, u16 idx);
u16 *driver_avail_event(struct driver *d);

/* Packed rings only; places are as kvlane_vring.next_avail. */
u16 driver_advance(const struct driver *d, u16 place, u16 n);
u16 driver_avail_bits(u16 place);
u64 *driver_desc_word(struct driver *d, u16 place, int word);
void driver_put_desc(struct driver *d, u16 place, struct driver_buf buf);
u32 *driver_driver_event(struct driver *d);
u32 *driver_device_event(struct driver *d);

/* The two kinds, for driver.c. */
void split_driver_init(struct driver *d);
int split_driver_add(struct driver *d, const struct driver_buf *buf, u16 n);
void split_driver_put(char *p, const struct driver_buf *buf);
bool split_driver_show(struct driver *d);
int split_driver_next_used(struct driver *d, u32 *len);
void split_driver_freed(struct driver *d, u16 head);
bool split_driver_want_interrupt(struct driver *d);
void packed_driver_init(struct driver *d);
int packed_driver_add(struct driver *d, const struct driver_buf *buf, u16 n);
void packed_driver_put(char *p, const struct driver_buf *buf);
bool packed_driver_show(struct driver *d);
int packed_driver_next_used(struct driver *d, u32 *len);
void packed_driver_freed(struct driver *d, u16 head);
bool packed_driver_want_interrupt(struct driver *d);

#endif /* KVLANE_DRIVER_H */
