/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_IRQ_H
#define KVLANE_IRQ_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct eventfd_ctx;

/* Bits of the ISR field, virtio 1.2 section 4.1.4.5. */
#define KVLANE_ISR_QUEUE	1
#define KVLANE_ISR_CONFIG	2

/**
 * struct kvlane_irq - interrupt vectors of a device
 * @isr: ISR bits the driver has not read yet
 * @lock: serialises changes
 * @nr: MSI-X vectors; element @nr of @vectors is the interrupt line
 * @vectors: eventfds, NULL where none is set
 * @hook: called instead, if the interrupts are for somebody else to send
 */
struct kvlane_irq {
	atomic_t isr;
	struct mutex lock;
	u32 nr;
	struct eventfd_ctx __rcu **vectors;
	void (*hook)(struct kvlane_irq *irq, u16 vector);
};

int kvlane_irq_init(struct kvlane_irq *irq, u32 nr);
void kvlane_irq_destroy(struct kvlane_irq *irq);
long kvlane_irq_set(struct kvlane_irq *irq, u32 vector, int fd);
void kvlane_irq_raise(struct kvlane_irq *irq, u16 vector, int isr);

#endif
