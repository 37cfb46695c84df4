// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X.  A vector is an eventfd: the module signals it, KVM sends the message.
 * While a vector is masked the eventfd is taken away from KVM and so remembers
 * the signal: that is the pending bit.  When it is given back, KVM looks at it.
 */
#include "msix.h"
#include "number.h"
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONTROL_MASKED 1U

enum { ENTRY_ADDRESS = 0, ENTRY_ADDRESS_HIGH = 4, ENTRY_DATA = 8, ENTRY_CONTROL = 12 };

void msix_create(struct msix *msix, struct irq *irq, unsigned int count)
{
	unsigned int gsi = irq_alloc_messages(irq, count);
	struct msix_vector *v;

	msix->irq = irq;
	msix->count = count;
	pthread_mutex_init(&msix->lock, NULL);
	for (unsigned int i = 0; i < count; i++) {
		v = &msix->vectors[i];
		v->control = CONTROL_MASKED;
		v->gsi = gsi + i;
		v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->fd < 0)
			fail(STATUS_USAGE, "interrupts: %s; raise ulimit -n", strerror(errno));
	}
}

static void update_vector(struct msix *msix, struct msix_vector *v)
{
	bool wanted = msix->enabled && !msix->masked && !(v->control & CONTROL_MASKED);
	int err = 0;

	if (wanted)
		err = irq_set_message(msix->irq, v->gsi, v->address, v->data);
	if (!err && wanted && !v->attached)
		err = irq_attach(msix->irq, v->fd, v->gsi);
	else if (!wanted && v->attached)
		err = irq_detach(msix->irq, v->fd, v->gsi);
	if (err)
		say("interrupts: KVM refuses the vector with address %#llx: %s",
		    (unsigned long long)v->address, strerror(-err));
	else
		v->attached = wanted;
}

static void update_all(struct msix *msix)
{
	for (unsigned int i = 0; i < msix->count; i++)
		update_vector(msix, &msix->vectors[i]);
}

void msix_control(struct msix *msix, bool enabled, bool masked)
{
	pthread_mutex_lock(&msix->lock);
	if (msix->enabled != enabled || msix->masked != masked) {
		msix->enabled = enabled;
		msix->masked = masked;
		update_all(msix);
	}
	pthread_mutex_unlock(&msix->lock);
}

void msix_reset(struct msix *msix)
{
	uint64_t count;

	pthread_mutex_lock(&msix->lock);
	msix->enabled = false;
	msix->masked = false;
	update_all(msix);
	for (unsigned int i = 0; i < msix->count; i++) {
		msix->vectors[i].address = 0;
		msix->vectors[i].data = 0;
		msix->vectors[i].control = CONTROL_MASKED;
		/* Nothing is read if nothing was pending. */
		if (read(msix->vectors[i].fd, &count, sizeof(count)) < 0)
			continue;
	}
	pthread_mutex_unlock(&msix->lock);
}

static uint32_t read_field(const struct msix_vector *v, unsigned int field)
{
	switch (field) {
	case ENTRY_ADDRESS:
		return v->address;
	case ENTRY_ADDRESS_HIGH:
		return v->address >> 32;
	case ENTRY_DATA:
		return v->data;
	default:
		return v->control;
	}
}

static void write_field(struct msix_vector *v, unsigned int field, uint32_t value)
{
	switch (field) {
	case ENTRY_ADDRESS:
		v->address = (v->address & ~0xffffffffULL) | (value & ~3U);
		break;
	case ENTRY_ADDRESS_HIGH:
		v->address = (v->address & 0xffffffff) | (uint64_t)value << 32;
		break;
	case ENTRY_DATA:
		v->data = value;
		break;
	case ENTRY_CONTROL:
		v->control = value & CONTROL_MASKED;
		break;
	}
}

/* Only aligned accesses of four or eight bytes are defined. */
void msix_table(struct msix *msix, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	struct msix_vector *v;
	uint32_t value;

	if (!is_write)
		memset(data, 0, len);
	if (len % 4 || offset % 4 || offset + len > msix->count * MSIX_ENTRY_SIZE)
		return;
	pthread_mutex_lock(&msix->lock);
	for (unsigned int i = 0; i < len; i += 4) {
		v = &msix->vectors[(offset + i) / MSIX_ENTRY_SIZE];
		value = read_field(v, (offset + i) % MSIX_ENTRY_SIZE);
		if (is_write) {
			memcpy(&value, (uint8_t *)data + i, 4);
			write_field(v, (offset + i) % MSIX_ENTRY_SIZE, value);
			update_vector(msix, v);
		} else {
			memcpy((uint8_t *)data + i, &value, 4);
		}
	}
	pthread_mutex_unlock(&msix->lock);
}

static bool is_pending(const struct msix *msix, const struct msix_vector *v)
{
	struct pollfd p = { .fd = v->fd, .events = POLLIN };

	return msix->enabled && !v->attached && poll(&p, 1, 0) == 1;
}

void msix_pending(struct msix *msix, uint64_t offset, void *data, unsigned int len)
{
	uint8_t *bytes = data;
	unsigned int vector;

	memset(data, 0, len);
	pthread_mutex_lock(&msix->lock);
	for (unsigned int bit = 0; bit < len * 8; bit++) {
		vector = offset * 8 + bit;
		if (vector < msix->count && is_pending(msix, &msix->vectors[vector]))
			bytes[bit / 8] |= 1 << bit % 8;
	}
	pthread_mutex_unlock(&msix->lock);
}
