/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other side of a split virtqueue: guest memory, and a driver in it that
 * keeps to virtio 1.2, section 2.7, unless a test makes it do otherwise through
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
 */
struct driver_buf {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

/**
 * struct driver - a driver and its queue
 * @free: heads on offer, as a stack of @nr_free
 * @chain_len: descriptors of the table that the chain at this head has; 0 if it
 *	is not in flight
 * @avail_idx: what the driver will put or has put into the available index
 * @shown_idx: available index when the driver last decided about a kick
 * @used_idx: next used element to look at
 */
struct driver {
	struct guest *g;
	u16 size;
	bool event_idx;
	u16 *free;
	u16 nr_free;
	u16 *chain_len;
	u16 *links;
	u16 avail_idx;
	u16 shown_idx;
	u16 used_idx;
};

void driver_init(struct driver *d, struct guest *g, u16 size, u64 features,
		 u16 first_idx);
void driver_exit(struct driver *d);

/* Raw access, for anything a driver must not do. */
void driver_set_desc(struct driver *d, u16 i, struct driver_buf buf);
void driver_set_table(struct driver *d, u64 table, u32 i, struct driver_buf buf);
void driver_offer_raw(struct driver *d, u16 head);
void driver_show_raw(struct driver *d, u16 idx);

/*
 * Put a chain of @n buffers (flags: 0 or VRING_DESC_F_WRITE) into the queue,
 * directly or through the indirect table of its head. Returns the head, or -1 if
 * there is no room. Not shown to the device before driver_show().
 */
int driver_add(struct driver *d, const struct driver_buf *buf, u16 n);
int driver_add_indirect(struct driver *d, const struct driver_buf *buf, u16 n);

/* Show what was added; true if the device has to be kicked. */
bool driver_show(struct driver *d);

/* Take a used element: its head, or -1 if there is none. Checks it. */
int driver_collect(struct driver *d, u32 *len);

void driver_no_interrupts(struct driver *d);

/* Ask for interrupts; true if there is something to collect already. */
bool driver_want_interrupt(struct driver *d);

u64 driver_table(u16 head);
u16 *driver_avail_flags(struct driver *d);
u16 *driver_avail_idx(struct driver *d);
u16 *driver_used_event(struct driver *d);
u16 *driver_used_flags(struct driver *d);
u16 *driver_used_idx(struct driver *d);
u64 *driver_used_elem(struct driver *d, u16 idx);
u16 *driver_avail_event(struct driver *d);

#endif /* KVLANE_DRIVER_H */
