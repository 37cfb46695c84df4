// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt vectors: eventfds that KVM (irqfd) or a user program listens to.
 *
 * Raising is for any context and takes no lock of ours; a vector is replaced
 * under RCU.
 */
#include <linux/eventfd.h>
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/virtio_pci.h>
#include <linux/kvlane.h>

#include "irq.h"

/**
 * kvlane_irq_init - prepare the vectors
 * @irq: the vectors
 * @nr: how many MSI-X vectors
 *
 * Return: 0 or -ENOMEM.
 */
int kvlane_irq_init(struct kvlane_irq *irq, u32 nr)
{
	atomic_set(&irq->isr, 0);
	mutex_init(&irq->lock);
	irq->nr = nr;
	irq->vectors = kcalloc(nr + 1, sizeof(*irq->vectors),
			       GFP_KERNEL_ACCOUNT);
	return irq->vectors ? 0 : -ENOMEM;
}

/**
 * kvlane_irq_destroy - drop all vectors
 * @irq: the vectors; nobody raises them any more
 */
void kvlane_irq_destroy(struct kvlane_irq *irq)
{
	struct eventfd_ctx *ctx;
	u32 i;

	for (i = 0; i <= irq->nr; i++) {
		ctx = rcu_dereference_protected(irq->vectors[i], 1);
		if (ctx)
			eventfd_ctx_put(ctx);
	}
	kfree(irq->vectors);
}

/* Where a vector is kept: the line comes last. Returns -EINVAL if past the end. */
static int kvlane_irq_slot(const struct kvlane_irq *irq, u32 vector)
{
	if (vector == KVLANE_VECTOR_LINE)
		return irq->nr;
	if (vector >= irq->nr)
		return -EINVAL;
	return array_index_nospec(vector, irq->nr);
}

/**
 * kvlane_irq_set - KVLANE_SET_VECTOR
 * @irq: the vectors
 * @vector: MSI-X vector or KVLANE_VECTOR_LINE
 * @fd: an eventfd, or -1
 *
 * Return: 0 or a negative errno.
 */
long kvlane_irq_set(struct kvlane_irq *irq, u32 vector, int fd)
{
	struct eventfd_ctx *ctx = NULL, *old;
	int slot = kvlane_irq_slot(irq, vector);

	if (slot < 0)
		return slot;
	if (fd != -1) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}

	mutex_lock(&irq->lock);
	old = rcu_replace_pointer(irq->vectors[slot], ctx,
				  lockdep_is_held(&irq->lock));
	mutex_unlock(&irq->lock);

	if (old) {
		synchronize_rcu();
		eventfd_ctx_put(old);
	}
	return 0;
}

/**
 * kvlane_irq_raise - send an interrupt
 * @irq: the vectors
 * @vector: MSI-X vector, or VIRTIO_MSI_NO_VECTOR
 * @isr: what the driver finds in the ISR field if it uses the line
 */
void kvlane_irq_raise(struct kvlane_irq *irq, u16 vector, int isr)
{
	struct eventfd_ctx *ctx;
	int slot;

	if (irq->hook) {
		irq->hook(irq, vector);
		return;
	}
	if (vector == VIRTIO_MSI_NO_VECTOR)
		atomic_or(isr, &irq->isr);

	slot = kvlane_irq_slot(irq, vector);
	if (slot < 0)
		return;
	rcu_read_lock();
	ctx = rcu_dereference(irq->vectors[slot]);
	if (ctx)
		eventfd_signal(ctx);
	rcu_read_unlock();
}
