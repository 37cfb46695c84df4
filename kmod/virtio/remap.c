// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests, and a memory map that changes under them.
 *
 * A request keeps the user addresses of its buffers. Whoever owns a VM is told to wait
 * for its requests before he unmaps memory (struct kvlane_set_memory). By vDPA there is
 * nobody to be told: what vhost-vdpa has taken out of the map its process has other uses
 * for at once, and a request that waited meanwhile must not reach it any more.
 *
 * So there whoever takes memory out waits for requests that reach for the guest's memory
 * (kvlane_vm.reach), and these look their buffers up once more if the map is another
 * one by then: when they are begun, each time a helper thread copies for them, and when
 * they are pushed. A back end that takes hold of pages may keep them, as a device keeps what
 * DMA was set up for. Nothing may wait for a back end in between, unless it can be
 * interrupted (kvlane_lane.interruptible) or has such a hold already; the other side is
 * patient, but not for ever.
 */
#include "../memory.h"
#include "../vm.h"
#include "device.h"

/**
 * kvlane_queue_remaps - may the map change under the queue's requests?
 * @q: the queue
 */
bool kvlane_queue_remaps(const struct kvlane_queue *q)
{
	return q->dev->vm->shared && !q->kernel;
}

static bool kvlane_chain_mapped(const struct kvlane_chain *chain,
				const struct kvlane_memtable *table)
{
	u32 i;

	for (i = 0; i < chain->out_num + chain->in_num; i++)
		if (!kvlane_memtable_holds(table, (unsigned long)chain->iov[i].iov_base,
					   chain->iov[i].iov_len))
			return false;
	return true;
}

static bool kvlane_request_find(struct kvlane_request *req, const struct kvlane_memory *memory)
{
	if (!memory)
		return false;
	if (req->generation == memory->generation)
		return true;
	if (!kvlane_chain_mapped(&req->chain, &memory->table))
		return false;
	req->generation = memory->generation;
	return true;
}

/**
 * kvlane_request_mapped - are the buffers of a request still the guest's memory?
 * @req: the request; its lane or a helper thread, under kvlane_vm.reach or kvlane_vm.srcu
 *
 * They are until that is let go.
 *
 * Return: true if so, or if nobody may have taken it away.
 */
bool kvlane_request_mapped(struct kvlane_request *req)
{
	const struct kvlane_queue *q = req->q;
	struct kvlane_vm *vm = q->dev->vm;
	bool found;
	int idx;

	if (!kvlane_queue_remaps(q))
		return true;
	/* Counted before a map goes; who takes memory out waits for those that saw it before. */
	if (req->generation == READ_ONCE(vm->generation))
		return true;
	idx = srcu_read_lock(&vm->srcu);
	found = kvlane_request_find(req, srcu_dereference(vm->memory[READ_ONCE(q->space)],
							  &vm->srcu));
	srcu_read_unlock(&vm->srcu, idx);
	return found;
}
