// SPDX-License-Identifier: GPL-2.0-only
/* See reference.h. */
#include <linux/virtio_ring.h>

#include "reference.h"

static bool reference_table(struct reference *r, u64 gpa, u32 size, u32 limit,
			    u32 i, bool nested);

/* Page by page over the memory map; a segment ends where addresses jump. */
static bool reference_buffer(struct reference *r, u64 addr, u32 len, bool write)
{
	struct iovec *last = NULL;
	u32 step;
	char *p;

	if (!len || (r->writable && !write))
		return false;
	r->writable = write;
	r->bytes += len;
	r->segs++;
	if (r->bytes > U32_MAX || r->segs > r->cfg->max_segs)
		return false;
	for (; len; len -= step, addr += step) {
		step = min(len, 4096 - (u32)(addr % 4096));
		p = guest_ptr(r->g, addr);
		if (!p)
			return false;
		if (last && p == (char *)last->iov_base + last->iov_len) {
			last->iov_len += step;
			continue;
		}
		if (r->nr_iov == r->max_iov)
			return false;
		last = &r->iov[r->nr_iov++];
		last->iov_base = p;
		last->iov_len = step;
		r->nr_out += !write;
	}
	return true;
}

static u32 reference_limit(const struct reference *r)
{
	return max_t(u32, r->cfg->size, r->cfg->max_segs);
}

static bool reference_table_ok(struct reference *r, u64 addr, u32 len)
{
	const char *p = guest_ptr(r->g, addr);

	if (!(r->cfg->features & 1ULL << VIRTIO_RING_F_INDIRECT_DESC))
		return false;
	return len && len % 16 == 0 && p && guest_holds(r->g, p, len);
}

static bool reference_indirect(struct reference *r, u64 addr, u32 len)
{
	u32 limit = reference_limit(r);

	if (!reference_table_ok(r, addr, len))
		return false;
	return reference_table(r, addr, len / 16, min(limit, len / 16), 0, true);
}

static bool reference_table(struct reference *r, u64 gpa, u32 size, u32 limit,
			    u32 i, bool nested)
{
	struct driver_buf d;

	while (limit--) {
		memcpy(&d, guest_ptr(r->g, gpa + 16 * i), 16);
		if (d.flags & VRING_DESC_F_INDIRECT)
			return !nested && !(d.flags & VRING_DESC_F_NEXT) &&
			       reference_indirect(r, d.addr, d.len);
		if (!reference_buffer(r, d.addr, d.len,
				      d.flags & VRING_DESC_F_WRITE))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		i = d.next;
		if (i >= size)
			return false;
	}
	return false;
}

static void reference_start(struct reference *r, const struct guest *g,
			    const struct kvlane_vring_config *cfg, u32 max_iov)
{
	memset(r, 0, offsetof(struct reference, iov));
	r->g = g;
	r->cfg = cfg;
	r->max_iov = max_iov;
}

bool reference_walk(struct reference *r, const struct guest *g,
		    const struct kvlane_vring_config *cfg, u32 max_iov,
		    u16 head)
{
	reference_start(r, g, cfg, max_iov);
	return reference_table(r, cfg->desc, cfg->size, cfg->size, head, false);
}

static struct vring_packed_desc reference_desc(const struct guest *g, u64 table, u32 i)
{
	struct vring_packed_desc d;

	memcpy(&d, guest_ptr(g, table + 16 * i), sizeof(d));
	return d;
}

bool reference_available(const struct guest *g,
			 const struct kvlane_vring_config *cfg, u16 place)
{
	u16 flags = reference_desc(g, cfg->desc, place & 0x7fff).flags;
	bool avail = flags >> VRING_PACKED_DESC_F_AVAIL & 1;
	bool used = flags >> VRING_PACKED_DESC_F_USED & 1;

	return avail != used && avail == place >> 15;
}

static bool reference_packed_table(struct reference *r, u64 addr, u32 len)
{
	struct vring_packed_desc d;
	u32 i;

	if (!reference_table_ok(r, addr, len) || len / 16 > reference_limit(r))
		return false;
	for (i = 0; i < len / 16; i++) {
		d = reference_desc(r->g, addr, i);
		if (!reference_buffer(r, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
	}
	return true;
}

bool reference_walk_packed(struct reference *r, const struct guest *g,
			   const struct kvlane_vring_config *cfg, u32 max_iov,
			   u16 place, u16 left, u16 *head)
{
	struct vring_packed_desc d;
	u16 n;

	reference_start(r, g, cfg, max_iov);
	for (n = 0; n < left && reference_available(g, cfg, place); n++) {
		d = reference_desc(g, cfg->desc, place & 0x7fff);
		*head = d.id;
		if (d.flags & VRING_DESC_F_INDIRECT)
			return !n && !(d.flags & VRING_DESC_F_NEXT) &&
			       reference_packed_table(r, d.addr, d.len);
		if (!reference_buffer(r, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		if ((++place & 0x7fff) == cfg->size)
			place = ~place & 0x8000;
	}
	return false;
}
