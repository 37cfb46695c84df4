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

static bool reference_indirect(struct reference *r, u64 addr, u32 len)
{
	u32 limit = max_t(u32, r->cfg->size, r->cfg->max_segs);
	const char *p = guest_ptr(r->g, addr);

	if (!(r->cfg->features & 1ULL << VIRTIO_RING_F_INDIRECT_DESC))
		return false;
	if (!len || len % 16 || !p || !guest_holds(r->g, p, len))
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

bool reference_walk(struct reference *r, const struct guest *g,
		    const struct kvlane_vring_config *cfg, u32 max_iov,
		    u16 head)
{
	memset(r, 0, offsetof(struct reference, iov));
	r->g = g;
	r->cfg = cfg;
	r->max_iov = max_iov;
	return reference_table(r, cfg->desc, cfg->size, cfg->size, head, false);
}
