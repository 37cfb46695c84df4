// SPDX-License-Identifier: GPL-2.0-only
/* Interrupt lines and message-signalled interrupts, by KVM's irqchip. */
#include "irq.h"
#include "number.h"
#include "say.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define IOAPIC_PINS 24
#define PIC_PINS 8

void irq_init(struct irq *irq, int vm)
{
	irq->vm = vm;
	pthread_mutex_init(&irq->lock, NULL);
}

static void set_line(struct irq *irq, unsigned int gsi, unsigned int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	/* Cannot fail: the chip exists and the number is one of its lines. */
	ioctl(irq->vm, KVM_IRQ_LINE, &line);
}

void irq_raise(struct irq *irq, unsigned int gsi)
{
	pthread_mutex_lock(&irq->lock);
	if (!irq->levels[gsi]++)
		set_line(irq, gsi, 1);
	pthread_mutex_unlock(&irq->lock);
}

void irq_lower(struct irq *irq, unsigned int gsi)
{
	pthread_mutex_lock(&irq->lock);
	if (!--irq->levels[gsi])
		set_line(irq, gsi, 0);
	pthread_mutex_unlock(&irq->lock);
}

unsigned int irq_alloc_messages(struct irq *irq, unsigned int count)
{
	unsigned int first = irq->nr_messages;

	irq->nr_messages += count;
	irq->messages = reallocarray(irq->messages, irq->nr_messages, sizeof(*irq->messages));
	if (!irq->messages)
		fail(STATUS_FAILURE, "interrupts: no memory for %u vectors", irq->nr_messages);
	for (unsigned int i = first; i < irq->nr_messages; i++)
		irq->messages[i] = (struct irq_message){};
	return GSI_MSI_FIRST + first;
}

static void route_chip(struct kvm_irq_routing *table, unsigned int gsi, unsigned int chip,
		       unsigned int pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* KVM takes the whole table at once, so the lines are in it every time. */
static void route_lines(struct kvm_irq_routing *table)
{
	unsigned int gsi;

	for (gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		if (gsi < PIC_PINS)
			route_chip(table, gsi, KVM_IRQCHIP_PIC_MASTER, gsi);
		else if (gsi < 2 * PIC_PINS)
			route_chip(table, gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - PIC_PINS);
		route_chip(table, gsi, KVM_IRQCHIP_IOAPIC, gsi);
	}
}

static void route_messages(const struct irq *irq, struct kvm_irq_routing *table)
{
	const struct irq_message *m;
	unsigned int i;

	for (i = 0; i < irq->nr_messages; i++) {
		m = &irq->messages[i];
		if (!m->address)
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = GSI_MSI_FIRST + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {
				.address_lo = m->address,
				.address_hi = m->address >> 32,
				.data = m->data,
			},
		};
	}
}

static int set_routes(struct irq *irq)
{
	struct kvm_irq_routing *table;
	unsigned int most = IOAPIC_PINS + 2 * PIC_PINS + irq->nr_messages;
	int err = 0;

	table = calloc(1, sizeof(*table) + most * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	route_lines(table);
	route_messages(irq, table);
	if (ioctl(irq->vm, KVM_SET_GSI_ROUTING, table))
		err = -errno;
	free(table);
	return err;
}

int irq_set_message(struct irq *irq, unsigned int gsi, uint64_t address, uint32_t data)
{
	struct irq_message *m = &irq->messages[gsi - GSI_MSI_FIRST];
	int err = 0;

	pthread_mutex_lock(&irq->lock);
	if (m->address != address || m->data != data) {
		*m = (struct irq_message){ address, data };
		err = set_routes(irq);
	}
	pthread_mutex_unlock(&irq->lock);
	return err;
}

static int irqfd(struct irq *irq, int fd, unsigned int gsi, uint32_t flags)
{
	struct kvm_irqfd arg = { .fd = fd, .gsi = gsi, .flags = flags };

	return ioctl(irq->vm, KVM_IRQFD, &arg) ? -errno : 0;
}

int irq_attach(struct irq *irq, int fd, unsigned int gsi)
{
	return irqfd(irq, fd, gsi, 0);
}

int irq_detach(struct irq *irq, int fd, unsigned int gsi)
{
	return irqfd(irq, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}
