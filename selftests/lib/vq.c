// SPDX-License-Identifier: GPL-2.0-only
#include "vq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"

int vq_open(struct vq *vq, struct device *dev, unsigned int index, unsigned int size)
{
	*vq = (struct vq){ .dev = dev, .index = index, .size = size, .call = -1 };
	vq->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vq->kick < 0 || vq->call < 0)
		return -errno;
	vq->links = calloc(size, sizeof(*vq->links));
	vq->chain = calloc(size, sizeof(*vq->chain));
	vq->order = calloc(size, sizeof(*vq->order));
	return vq->links && vq->chain && vq->order ? 0 : -ENOMEM;
}

void vq_close(struct vq *vq)
{
	if (vq->kick > 0)
		close(vq->kick);
	if (vq->call > 0)
		close(vq->call);
	vq->kick = -1;
	vq->call = -1;
	free(vq->links);
	free(vq->chain);
	free(vq->order);
	vq->links = NULL;
	vq->chain = NULL;
	vq->order = NULL;
}

void vq_move(struct vq *vq)
{
	vq->desc = NULL;
}

/* No more than the alignment the specification asks for. */
static int allocate(struct vq *vq)
{
	struct guest *g = vq->dev->guest;
	size_t word = sizeof(uint16_t), align = vq->packed ? 4 : 2;

	vq->desc = guest_alloc(g, vq->size * sizeof(*vq->desc), 16);
	vq->avail = guest_alloc(g, sizeof(*vq->avail) + (vq->size + 1) * word, align);
	vq->used = guest_alloc(g, sizeof(*vq->used) + word +
			       vq->size * sizeof(vq->used->ring[0]), 4);
	return vq->desc && vq->avail && vq->used ? 0 : -ENOMEM;
}

int vq_clear(struct vq *vq)
{
	unsigned int i;

	if (vq->packed && (uintptr_t)vq->avail % 4)
		vq_move(vq);
	if (!vq->desc && allocate(vq))
		return -ENOMEM;
	memset(vq->desc, 0, vq->size * sizeof(*vq->desc));
	vq->free_head = 0;
	vq->nr_free = vq->size;
	vq->first = 0;
	vq->nr_order = 0;
	vq->batch = -1;
	for (i = 0; i < vq->size; i++) {
		vq->links[i] = i + 1;
		vq->chain[i].token = NULL;
	}
	if (vq->packed)
		packed_clear(vq);
	else
		split_clear(vq);
	return 0;
}

static struct vring_desc describe(struct vq *vq, const struct iovec *iov, bool in)
{
	return (struct vring_desc){
		.addr = guest_gpa(vq->dev->guest, iov->iov_base),
		.len = iov->iov_len,
		.flags = in ? VRING_DESC_F_WRITE : 0,
	};
}

/* What comes after length is the next field in one kind of ring, flags in the other. */
static void put_indirect(struct vq *vq, struct vring_desc *table,
			 const struct vring_desc *desc, unsigned int n)
{
	struct vring_packed_desc *packed = (void *)table;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (vq->packed) {
			packed[i] = (struct vring_packed_desc){
				.addr = desc[i].addr,
				.len = desc[i].len,
				.flags = desc[i].flags,
			};
			continue;
		}
		table[i] = desc[i];
		if (i + 1 < n) {
			table[i].flags |= VRING_DESC_F_NEXT;
			table[i].next = i + 1;
		}
	}
}

static int add_indirect(struct vq *vq, const struct vring_desc *desc, unsigned int n)
{
	struct vq_chain *chain = &vq->chain[vq->free_head];
	struct vring_desc to_table = { .flags = VRING_DESC_F_INDIRECT };

	if (!chain->table)
		chain->table = guest_alloc(vq->dev->guest, VQ_TABLE * sizeof(*desc), 16);
	if (!chain->table)
		return -ENOMEM;
	put_indirect(vq, chain->table, desc, n);
	to_table.addr = guest_gpa(vq->dev->guest, chain->table);
	to_table.len = n * sizeof(*desc);
	return vq->packed ? packed_add(vq, &to_table, 1) : split_add(vq, &to_table, 1);
}

static int add(struct vq *vq, const struct vring_desc *desc, unsigned int n)
{
	bool indirect = vq->indirect && n > 1 && n <= VQ_TABLE;

	if (!n || vq->nr_free < (indirect ? 1 : n))
		return -ENOSPC;
	if (indirect)
		return add_indirect(vq, desc, n);
	return vq->packed ? packed_add(vq, desc, n) : split_add(vq, desc, n);
}

int vq_add(struct vq *vq, const struct iovec *out, unsigned int nr_out,
	   const struct iovec *in, unsigned int nr_in, void *token)
{
	unsigned int i, n = nr_out + nr_in;
	struct vring_desc desc[n + 1];
	uint32_t in_len = 0;
	int head;

	for (i = 0; i < n; i++) {
		desc[i] = describe(vq, i < nr_out ? &out[i] : &in[i - nr_out], i >= nr_out);
		in_len += i < nr_out ? 0 : desc[i].len;
	}
	head = add(vq, desc, n);
	if (head < 0)
		return head;
	vq->chain[head].token = token;
	vq->chain[head].in_len = in_len;
	if (vq->in_order)
		vq->order[(vq->first + vq->nr_order++) % vq->size] = head;
	return head;
}

void vq_add_raw(struct vq *vq, uint16_t head)
{
	if (vq->packed)
		packed_add_raw(vq, head);
	else
		split_add_raw(vq, head);
}

bool vq_publish(struct vq *vq)
{
	return vq->packed ? packed_publish(vq) : split_publish(vq);
}

void vq_notify(struct vq *vq)
{
	if (vq->notify_by_write)
		reg_write(vq->dev, KVLANE_WINDOW_NOTIFY +
			  vq->index * KVLANE_NOTIFY_MULTIPLIER, 2, vq->index);
	else
		eventfd_write(vq->kick, 1);
}

bool vq_kick(struct vq *vq)
{
	bool wanted = vq_publish(vq);

	if (wanted)
		vq_notify(vq);
	return wanted;
}

static int used(struct vq *vq, uint32_t *len)
{
	return vq->packed ? packed_used(vq, len) : split_used(vq, len);
}

/* Sections 2.7.9 and 2.8.9: an element is about all chains up to the one it names. */
static int used_in_order(struct vq *vq, uint32_t *len)
{
	int head;

	if (vq->batch < 0)
		vq->batch = used(vq, &vq->batch_len);
	if (vq->batch < 0)
		return -1;
	if (!vq->nr_order)
		return vq->size;
	head = vq->order[vq->first];
	vq->first = (vq->first + 1) % vq->size;
	vq->nr_order--;
	*len = vq->chain[head].in_len;
	if (head == vq->batch) {
		*len = vq->batch_len;
		vq->batch = -1;
	}
	return head;
}

bool vq_used_any(struct vq *vq)
{
	uint32_t len;

	return vq->batch >= 0 || used(vq, &len) >= 0;
}

void *vq_pop(struct vq *vq, uint32_t *len)
{
	uint32_t written;
	void *token;
	int head;

	head = vq->in_order ? used_in_order(vq, &written) : used(vq, &written);
	if (head < 0)
		return NULL;
	if (head >= (int)vq->size || !vq->chain[head].token) {
		fprintf(stderr, "# queue %u: the device used %d, which is not in flight\n",
			vq->index, head);
		abort();
	}
	if (len)
		*len = written;
	token = vq->chain[head].token;
	vq->chain[head].token = NULL;
	if (vq->packed)
		packed_free(vq, head);
	else
		split_free(vq, head);
	return token;
}

void *vq_wait(struct vq *vq, uint32_t *len)
{
	void *token;

	do {
		token = vq_pop(vq, len);
		if (token)
			return token;
		vq_interrupts(vq, true);
		token = vq_pop(vq, len);
		if (token)
			return token;
	} while (eventfd_wait(vq->call, WAIT_MS));
	return NULL;
}

void vq_interrupts(struct vq *vq, bool on)
{
	if (vq->packed)
		packed_interrupts(vq, on);
	else
		split_interrupts(vq, on);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
