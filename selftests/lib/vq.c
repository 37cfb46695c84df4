// SPDX-License-Identifier: GPL-2.0-only
#include "vq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"

#define load(ptr)	__atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define store(ptr, v)	__atomic_store_n(ptr, v, __ATOMIC_RELEASE)

/* The last entries of both rings, virtio 1.2 section 2.7.6 and 2.7.8. */
static uint16_t *used_event(struct vq *vq)
{
	return &vq->avail->ring[vq->size];
}

static uint16_t *avail_event(struct vq *vq)
{
	return (uint16_t *)&vq->used->ring[vq->size];
}

int vq_open(struct vq *vq, struct device *dev, unsigned int index, unsigned int size)
{
	*vq = (struct vq){ .dev = dev, .index = index, .size = size, .call = -1 };
	vq->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vq->kick < 0 || vq->call < 0)
		return -errno;
	vq->links = calloc(size, sizeof(*vq->links));
	vq->length = calloc(size, sizeof(*vq->length));
	vq->token = calloc(size, sizeof(*vq->token));
	vq->table = calloc(size, sizeof(*vq->table));
	return vq->links && vq->length && vq->token && vq->table ? 0 : -ENOMEM;
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
	free(vq->length);
	free(vq->token);
	free(vq->table);
	vq->links = NULL;
	vq->length = NULL;
	vq->token = NULL;
	vq->table = NULL;
}

void vq_move(struct vq *vq)
{
	vq->desc = NULL;
}

static size_t avail_bytes(struct vq *vq)
{
	return sizeof(*vq->avail) + (vq->size + 1) * sizeof(uint16_t);
}

static size_t used_bytes(struct vq *vq)
{
	return sizeof(*vq->used) + vq->size * sizeof(vq->used->ring[0]) +
	       sizeof(uint16_t);
}

int vq_clear(struct vq *vq)
{
	struct guest *g = vq->dev->guest;
	unsigned int i;

	if (!vq->desc) {
		/* No more than the alignment the specification asks for. */
		vq->desc = guest_alloc(g, vq->size * sizeof(*vq->desc), 16);
		vq->avail = guest_alloc(g, avail_bytes(vq), 2);
		vq->used = guest_alloc(g, used_bytes(vq), 4);
		if (!vq->desc || !vq->avail || !vq->used)
			return -ENOMEM;
	}
	memset(vq->desc, 0, vq->size * sizeof(*vq->desc));
	memset(vq->avail, 0, avail_bytes(vq));
	memset(vq->used, 0, used_bytes(vq));
	vq->next_avail = 0;
	vq->published = 0;
	vq->last_used = 0;
	vq->free_head = 0;
	vq->nr_free = vq->size;
	memset(vq->token, 0, vq->size * sizeof(*vq->token));
	for (i = 0; i < vq->size; i++)
		vq->links[i] = i + 1;
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

static struct vring_desc *indirect_table(struct vq *vq, uint16_t head)
{
	if (!vq->table[head])
		vq->table[head] = guest_alloc(vq->dev->guest,
					      VQ_TABLE * sizeof(struct vring_desc), 16);
	return vq->table[head];
}

static int add_indirect(struct vq *vq, const struct iovec *out, unsigned int nr_out,
			const struct iovec *in, unsigned int nr_in)
{
	uint16_t head = vq->free_head;
	struct vring_desc *table = indirect_table(vq, head);
	unsigned int i, n = nr_out + nr_in;

	if (!table)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		table[i] = describe(vq, i < nr_out ? &out[i] : &in[i - nr_out],
				    i >= nr_out);
		if (i + 1 < n) {
			table[i].flags |= VRING_DESC_F_NEXT;
			table[i].next = i + 1;
		}
	}
	vq->desc[head] = (struct vring_desc){
		.addr = guest_gpa(vq->dev->guest, table),
		.len = n * sizeof(*table),
		.flags = VRING_DESC_F_INDIRECT,
	};
	vq->free_head = vq->links[head];
	vq->length[head] = 1;
	vq->nr_free--;
	return head;
}

static int add_direct(struct vq *vq, const struct iovec *out, unsigned int nr_out,
		      const struct iovec *in, unsigned int nr_in)
{
	uint16_t head = vq->free_head, at = head;
	unsigned int i, n = nr_out + nr_in;

	for (i = 0; i < n; i++) {
		vq->desc[at] = describe(vq, i < nr_out ? &out[i] : &in[i - nr_out],
					i >= nr_out);
		if (i + 1 < n) {
			vq->desc[at].flags |= VRING_DESC_F_NEXT;
			vq->desc[at].next = vq->links[at];
		}
		at = vq->links[at];
	}
	vq->free_head = at;
	vq->length[head] = n;
	vq->nr_free -= n;
	return head;
}

int vq_add(struct vq *vq, const struct iovec *out, unsigned int nr_out,
	   const struct iovec *in, unsigned int nr_in, void *token)
{
	unsigned int n = nr_out + nr_in;
	bool indirect = vq->indirect && n > 1 && n <= VQ_TABLE;
	int head;

	if (!n || vq->nr_free < (indirect ? 1 : n))
		return -ENOSPC;
	if (indirect)
		head = add_indirect(vq, out, nr_out, in, nr_in);
	else
		head = add_direct(vq, out, nr_out, in, nr_in);
	if (head < 0)
		return head;
	vq->token[head] = token;
	vq_add_raw(vq, head);
	return head;
}

void vq_add_raw(struct vq *vq, uint16_t head)
{
	vq->avail->ring[vq->next_avail++ % vq->size] = head;
}

bool vq_publish(struct vq *vq)
{
	uint16_t old = vq->published;

	store(&vq->avail->idx, vq->next_avail);
	vq->published = vq->next_avail;
	/* The index must be out before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->event_idx)
		return vring_need_event(load(avail_event(vq)), vq->published, old);
	return !(load(&vq->used->flags) & VRING_USED_F_NO_NOTIFY);
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

static void free_chain(struct vq *vq, uint16_t head)
{
	unsigned int i;
	uint16_t tail = head;

	for (i = 1; i < vq->length[head]; i++)
		tail = vq->links[tail];
	vq->links[tail] = vq->free_head;
	vq->free_head = head;
	vq->nr_free += vq->length[head];
}

void *vq_pop(struct vq *vq, uint32_t *len)
{
	struct vring_used_elem *elem;
	void *token;

	if (vq->last_used == load(&vq->used->idx))
		return NULL;
	elem = &vq->used->ring[vq->last_used % vq->size];
	if (elem->id >= vq->size || !vq->token[elem->id]) {
		fprintf(stderr, "# queue %u: the device used %u, which is not in flight\n",
			vq->index, elem->id);
		abort();
	}
	if (len)
		*len = elem->len;
	token = vq->token[elem->id];
	vq->token[elem->id] = NULL;
	free_chain(vq, elem->id);
	vq->last_used++;
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
	/* EVENT_IDX has no "none": an index just passed is as far away as can be. */
	if (vq->event_idx)
		store(used_event(vq), on ? vq->last_used : vq->last_used - 1);
	else
		store(&vq->avail->flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
