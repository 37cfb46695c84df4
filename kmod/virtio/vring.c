// SPDX-License-Identifier: GPL-2.0-only
/*
 * What split and packed virtqueues have in common: their memory, their start,
 * and the chains that are done but not yet shown to the driver.
 *
 * At any time
 *
 *	in_flight + nr_done  <=  size
 *
 * as each chain takes up at least one entry of the ring that the driver cannot
 * offer again before it was shown as used; which is why @done, with room for
 * size elements, cannot overflow.
 *
 * The bitmap @busy has a bit for each head in flight. A driver that offers the
 * same head twice would have two requests write to the same buffers and one
 * completion too many; it breaks the ring.
 */
#include "access.h"
#include "vring.h"

#include <linux/virtio_ring.h>

/* Of both event suppression structures, virtio 1.2, section 2.8.10.1. */
#define VRING_EVENT_ALIGN_SIZE	4

int kvlane_vring_alloc(struct kvlane_vring *vr, u16 max_size)
{
	memset(vr, 0, sizeof(*vr));
	vr->max_size = max_size;
	vr->busy = bitmap_zalloc(max_size, GFP_KERNEL_ACCOUNT);
	vr->done = kvcalloc(max_size, sizeof(*vr->done), GFP_KERNEL_ACCOUNT);
	vr->uses = kvcalloc(max_size, sizeof(*vr->uses), GFP_KERNEL_ACCOUNT);
	return vr->busy && vr->done && vr->uses ? 0 : -ENOMEM;
}

void kvlane_vring_free(struct kvlane_vring *vr)
{
	kvfree(vr->uses);
	kvfree(vr->done);
	bitmap_free(vr->busy);
	vr->uses = NULL;
	vr->done = NULL;
	vr->busy = NULL;
}

static bool vring_has(const struct kvlane_vring_config *cfg, unsigned int feature)
{
	return cfg->features & (1ULL << feature);
}

void kvlane_vring_start(struct kvlane_vring *vr,
			const struct kvlane_vring_config *cfg)
{
	vr->size = cfg->size;
	vr->max_segs = cfg->max_segs;
	vr->packed = vring_has(cfg, VIRTIO_F_RING_PACKED);
	vr->in_order = vring_has(cfg, VIRTIO_F_IN_ORDER);
	vr->noting = vr->packed || vr->in_order;
	vr->event_idx = vring_has(cfg, VIRTIO_RING_F_EVENT_IDX);
	vr->indirect = vring_has(cfg, VIRTIO_RING_F_INDIRECT_DESC);
	vr->desc_gpa = cfg->desc;
	vr->driver_gpa = cfg->driver;
	vr->device_gpa = cfg->device;
	vr->desc = NULL;
	vr->avail = NULL;
	vr->used = NULL;
	vr->next_avail = cfg->avail_idx;
	vr->seen_avail = cfg->avail_idx;
	vr->used_idx = cfg->avail_idx;
	vr->first_done = 0;
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
static unsigned long vring_part(const struct kvlane_memtable *mem, u64 gpa,
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
	unsigned long desc = vring_part(mem, vr->desc_gpa,
					kvlane_vring_desc_bytes(vr),
					VRING_DESC_ALIGN_SIZE);
	unsigned long driver = vring_part(mem, vr->driver_gpa,
					  kvlane_vring_driver_bytes(vr),
					  vr->packed ? VRING_EVENT_ALIGN_SIZE :
						       VRING_AVAIL_ALIGN_SIZE);
	unsigned long device = vring_part(mem, vr->device_gpa,
					  kvlane_vring_device_bytes(vr),
					  vr->packed ? VRING_EVENT_ALIGN_SIZE :
						       VRING_USED_ALIGN_SIZE);

	if (vr->reason)
		return -EPROTO;
	if (!desc || !driver || !device)
		return kvlane_vring_break(vr, KVLANE_REASON_RING_ADDRESS);

	vr->desc = (__le64 __user *)desc;
	vr->avail = (const __le16 __user *)driver;
	vr->used = (__le16 __user *)device;
	return 0;
}

/* Where the result of a chain that is over goes. */
static struct kvlane_vring_done *vring_next_done(struct kvlane_vring *vr, u16 head)
{
	struct kvlane_vring_done *done = &vr->done[vr->nr_done];

	if (vr->in_order)
		return &vr->done[vr->uses[head].place];
	if (vr->noting)
		done->descs = vr->uses[head].descs;
	done->head = head;
	return done;
}

int kvlane_vring_push(struct kvlane_vring *vr, u16 head, u32 written)
{
	if (WARN_ON_ONCE(!__test_and_clear_bit(head, vr->busy)))
		return -EPROTO;
	vr->in_flight--;
	if (unlikely(vr->reason))
		return -EPROTO;
	vring_next_done(vr, head)->written = written;
	vr->nr_done++;
	return 0;
}

void kvlane_vring_unpop(struct kvlane_vring *vr, u16 head)
{
	if (WARN_ON_ONCE(!__test_and_clear_bit(head, vr->busy)))
		return;
	vr->in_flight--;
	if (vr->packed)
		kvlane_packed_unpop(vr, head);
	else
		vr->next_avail--;
}
