// SPDX-License-Identifier: GPL-2.0-only
#include "blk.h"

#include <errno.h>
#include <string.h>

int blk_alloc(struct guest *g, struct blk_req *r, uint32_t size)
{
	*r = (struct blk_req){ .size = size };
	r->hdr = guest_alloc(g, sizeof(*r->hdr), 16);
	r->status = guest_alloc(g, 1, 1);
	r->data = guest_alloc_high(g, size, 4096);
	return r->hdr && r->status && r->data ? 0 : -ENOMEM;
}

bool blk_writes(uint32_t type)
{
	return type != VIRTIO_BLK_T_IN && type != VIRTIO_BLK_T_GET_ID;
}

int blk_addv(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	     const struct iovec *data, unsigned int nr)
{
	struct iovec iov[BLK_SEGMENTS + 2];
	unsigned int nr_out = blk_writes(type) ? nr + 1 : 1;

	if (nr > BLK_SEGMENTS)
		return -E2BIG;
	*r->hdr = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*r->status = BLK_STATUS_UNSET;
	r->done = false;
	iov[0] = (struct iovec){ r->hdr, sizeof(*r->hdr) };
	if (nr)
		memcpy(&iov[1], data, nr * sizeof(*data));
	iov[nr + 1] = (struct iovec){ r->status, 1 };
	return vq_add(vq, iov, nr_out, iov + nr_out, nr + 2 - nr_out, r);
}

int blk_add(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	    uint32_t len)
{
	struct iovec data = { r->data, len };

	return blk_addv(vq, r, type, sector, &data, len ? 1 : 0);
}

static void mark_done(struct blk_req *r, uint32_t len)
{
	r->done = true;
	r->used_len = len;
}

int blk_wait(struct vq *vq, struct blk_req *r)
{
	struct blk_req *other;
	uint32_t len;

	while (!r->done) {
		other = vq_wait(vq, &len);
		if (!other)
			return -ETIMEDOUT;
		mark_done(other, len);
	}
	return *r->status;
}

unsigned int blk_poll(struct vq *vq)
{
	struct blk_req *r;
	unsigned int n = 0;
	uint32_t len;

	while ((r = vq_pop(vq, &len))) {
		mark_done(r, len);
		n++;
	}
	return n;
}

int blk_do(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	   uint32_t len)
{
	int head = blk_add(vq, r, type, sector, len);

	if (head < 0)
		return head;
	vq_kick(vq);
	return blk_wait(vq, r);
}

int blk_range(struct vq *vq, struct blk_req *r, uint32_t type, uint64_t sector,
	      uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {
		.sector = sector, .num_sectors = count, .flags = flags,
	};

	memcpy(r->data, &range, sizeof(range));
	return blk_do(vq, r, type, 0, sizeof(range));
}

/* A different sequence for every seed, and never the same at two offsets near by. */
static uint64_t pattern_word(uint64_t seed, size_t i)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ULL + i * 0xd1b54a32d192ed03ULL;

	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ULL;
}

void pattern_fill(void *buf, size_t size, uint64_t seed)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < size; i += sizeof(word)) {
		word = pattern_word(seed, i);
		memcpy((char *)buf + i, &word,
		       size - i < sizeof(word) ? size - i : sizeof(word));
	}
}

bool pattern_matches(const void *buf, size_t size, uint64_t seed)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < size; i += sizeof(word)) {
		word = pattern_word(seed, i);
		if (memcmp((const char *)buf + i, &word,
			   size - i < sizeof(word) ? size - i : sizeof(word)))
			return false;
	}
	return true;
}

bool all_bytes(const void *buf, size_t size, uint8_t value)
{
	const uint8_t *p = buf;

	return !size || (*p == value && !memcmp(p, p + 1, size - 1));
}
