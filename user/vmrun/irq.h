/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_IRQ_H
#define VMRUN_IRQ_H

#include "layout.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct irq - how interrupts of devices get to the guest
 * @vm: descriptor of the KVM VM
 * @levels: how many devices hold a line up
 * @messages: routes of the MSI vectors; address 0 where there is none yet
 * @nr_messages: vectors given out
 */
struct irq {
	int vm;
	pthread_mutex_t lock;
	unsigned int levels[GSI_MSI_FIRST];
	struct irq_message {
		uint64_t address;
		uint32_t data;
	} *messages;
	unsigned int nr_messages;
};

void irq_init(struct irq *irq, int vm);

/**
 * irq_raise() - hold a line up for one more device
 * irq_lower() - let it go
 *
 * A device calls them in turns. The line is up while anyone holds it.
 */
void irq_raise(struct irq *irq, unsigned int gsi);
void irq_lower(struct irq *irq, unsigned int gsi);

/**
 * irq_alloc_messages() - reserve GSIs for MSI vectors
 * Return: the first one.
 */
unsigned int irq_alloc_messages(struct irq *irq, unsigned int count);

/**
 * irq_set_message() - what an MSI vector sends
 * Return: 0 or a negative errno.
 */
int irq_set_message(struct irq *irq, unsigned int gsi, uint64_t address, uint32_t data);

/**
 * irq_attach() - let an eventfd raise an MSI vector, without this program
 * irq_detach() - end that; the eventfd collects what comes
 *
 * If the eventfd has been signalled already, attaching raises the vector.
 * Return: 0 or a negative errno.
 */
int irq_attach(struct irq *irq, int fd, unsigned int gsi);
int irq_detach(struct irq *irq, int fd, unsigned int gsi);

#endif
