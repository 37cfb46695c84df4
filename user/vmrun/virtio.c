// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI face of a virtio device (virtio 1.2, 4.1), modern only.
 *
 * The module has the registers: accesses to its window go there as they are.
 * Notifications go there by an eventfd per queue (notify.c), and interrupts come
 * from there by one per vector, past this program.
 */
#include "virtio.h"
#include "layout.h"
#include "machine.h"
#include "notify.h"
#include "number.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_VIRTIO 0x1040	/* and the type */
#define REVISION_MODERN 1
#define SUBSYSTEM_MODERN 0x40	/* and up, so that no legacy driver takes it */
#define CLASS_STORAGE 0x018000
#define CLASS_NETWORK 0x020000
#define CLASS_OTHER 0xff0000
#define PIN_A 1

#define COMMON_STATUS 20	/* device_status in struct virtio_pci_common_cfg */

static unsigned int gsi_of(const struct virtio *v)
{
	return GSI_PCI_FIRST + v->pci.slot % GSI_PCI_COUNT;
}

/* A line that is switched off is wanted all the same. Called with @line_lock held. */
static void update_line(struct virtio *v)
{
	bool up = v->line_wanted && !v->line_off;

	if (v->line_up == up)
		return;
	v->line_up = up;
	if (up)
		irq_raise(&v->machine->irq, gsi_of(v));
	else
		irq_lower(&v->machine->irq, gsi_of(v));
}

/* False if there was nothing: it is non-blocking. */
static bool drain(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* The module wants the interrupt line; the guest ends that by reading the ISR status. */
static void on_line(struct watch *watch, uint32_t events)
{
	struct virtio *v = watch->owner;

	pthread_mutex_lock(&v->line_lock);
	if (drain(watch->fd))
		v->line_wanted = true;
	update_line(v);
	pthread_mutex_unlock(&v->line_lock);
}

/* Called with @line_lock held, before the ISR status is cleared or after nothing sets it. */
static void forget_line(struct virtio *v)
{
	drain(v->line.fd);
	v->line_wanted = false;
	update_line(v);
}

static void read_isr(struct virtio *v, uint64_t offset, void *data, unsigned int len)
{
	pthread_mutex_lock(&v->line_lock);
	forget_line(v);
	if (pread(v->fd, data, len, offset) != len)
		memset(data, 0, len);
	pthread_mutex_unlock(&v->line_lock);
}

static void write_window(struct virtio *v, uint64_t offset, const void *data, unsigned int len)
{
	const uint8_t *bytes = data;

	/* What the module does not take, the guest may not write. */
	if (pwrite(v->fd, data, len, offset) != len)
		return;
	/* A reset, which clears the ISR status. */
	if (offset == KVLANE_WINDOW_COMMON + COMMON_STATUS && !*bytes) {
		pthread_mutex_lock(&v->line_lock);
		forget_line(v);
		pthread_mutex_unlock(&v->line_lock);
	}
}

static void window_access(struct virtio *v, uint64_t offset, void *data, unsigned int len,
			  bool is_write)
{
	if (is_write) {
		write_window(v, offset, data, len);
	} else if (offset >= KVLANE_WINDOW_ISR && offset < KVLANE_WINDOW_CONFIG) {
		read_isr(v, offset, data, len);
	} else if (pread(v->fd, data, len, offset) != len) {
		memset(data, 0, len);
	}
}

static void bar_access(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	struct virtio *v = container_of(owner, struct virtio, pci);

	if (offset < KVLANE_WINDOW_SIZE)
		window_access(v, offset, data, len, is_write);
	else if (offset < VIRTIO_MSIX_PENDING)
		msix_table(&v->msix, offset - VIRTIO_MSIX_TABLE, data, len, is_write);
	else if (!is_write)
		msix_pending(&v->msix, offset - VIRTIO_MSIX_PENDING, data, len);
}

static void on_bar_moved(struct pci_device *pci, unsigned int bar, bool mapped)
{
	notify_catch(container_of(pci, struct virtio, pci), bar, mapped);
}

static bool touches(unsigned int offset, unsigned int len, unsigned int at, unsigned int size)
{
	return offset < at + size && offset + len > at;
}

/* An access to the BAR through configuration space (virtio 1.2, 4.1.4.9). */
static void pci_cfg_access(struct virtio *v, bool is_write)
{
	uint8_t *cap = v->pci.config + v->pci_cfg;
	uint8_t *data = cap + sizeof(struct virtio_pci_cap);
	uint32_t offset = pci_get32(cap + offsetof(struct virtio_pci_cap, offset));
	uint32_t len = pci_get32(cap + offsetof(struct virtio_pci_cap, length));

	if (cap[offsetof(struct virtio_pci_cap, bar)] != VIRTIO_BAR ||
	    (len != 1 && len != 2 && len != 4) || offset % len ||
	    offset >= VIRTIO_BAR_SIZE)
		return;
	bar_access(&v->pci, offset, data, len, is_write);
}

/* That the line is wanted is to be seen even when it is switched off (PCI 3.0, 6.2.3). */
static void show_line(struct virtio *v)
{
	uint8_t *status = v->pci.config + PCI_STATUS;

	pthread_mutex_lock(&v->line_lock);
	if (v->line_wanted)
		*status |= PCI_STATUS_INTERRUPT;
	else
		*status &= ~PCI_STATUS_INTERRUPT;
	pthread_mutex_unlock(&v->line_lock);
}

static void switch_line(struct virtio *v, bool off)
{
	pthread_mutex_lock(&v->line_lock);
	v->line_off = off;
	update_line(v);
	pthread_mutex_unlock(&v->line_lock);
}

static void before_config_read(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct virtio *v = container_of(pci, struct virtio, pci);

	if (touches(offset, len, PCI_STATUS, 1))
		show_line(v);
	if (touches(offset, len, v->pci_cfg + sizeof(struct virtio_pci_cap), 4))
		pci_cfg_access(v, false);
}

static void after_config_write(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct virtio *v = container_of(pci, struct virtio, pci);
	uint16_t control = pci_get16(pci->config + v->msix_cap + PCI_MSIX_FLAGS);
	uint16_t command = pci_get16(pci->config + PCI_COMMAND);
	bool messages = touches(offset, len, v->msix_cap + PCI_MSIX_FLAGS, 2);

	if (messages)
		msix_control(&v->msix, control & PCI_MSIX_FLAGS_ENABLE,
			     control & PCI_MSIX_FLAGS_MASKALL);
	if (messages || touches(offset, len, PCI_COMMAND, 2))
		switch_line(v, control & PCI_MSIX_FLAGS_ENABLE ||
				       command & PCI_COMMAND_INTX_DISABLE);
	if (touches(offset, len, v->pci_cfg + sizeof(struct virtio_pci_cap), 4))
		pci_cfg_access(v, true);
}

static const struct pci_ops virtio_pci_ops = {
	.before_read = before_config_read,
	.after_write = after_config_write,
	.bar_moved = on_bar_moved,
};

static unsigned int add_cap(struct virtio *v, uint8_t kind, uint32_t offset, uint32_t length,
			    size_t size, uint32_t extra, const struct virtio_pci_cfg_cap *mask)
{
	struct virtio_pci_cfg_cap cap = {
		.cap = {
			.cap_len = size,
			.cfg_type = kind,
			.bar = VIRTIO_BAR,
			.offset = offset,
			.length = length,
		},
	};

	memcpy(cap.pci_cfg_data, &extra, sizeof(extra));
	return pci_add_capability(&v->pci, PCI_CAP_ID_VNDR, (uint8_t *)&cap + 2,
				  mask ? (uint8_t *)mask + 2 : NULL, size - 2);
}

/* A driver takes the first that it can use (virtio 1.2, 4.1.4.1). */
static void add_notify_caps(struct virtio *v)
{
	struct virtio_pci_notify_cap port = {
		.cap = {
			.cap_len = sizeof(port),
			.cfg_type = VIRTIO_PCI_CAP_NOTIFY_CFG,
			.bar = NOTIFY_BAR,
			.length = NOTIFY_BAR_SIZE,
		},
	};

	if (v->pci.bars[NOTIFY_BAR].size)
		pci_add_capability(&v->pci, PCI_CAP_ID_VNDR, (uint8_t *)&port + 2, NULL,
				   sizeof(port) - 2);
	add_cap(v, VIRTIO_PCI_CAP_NOTIFY_CFG, KVLANE_WINDOW_NOTIFY,
		KVLANE_WINDOW_SIZE - KVLANE_WINDOW_NOTIFY, sizeof(port),
		KVLANE_NOTIFY_MULTIPLIER, NULL);
}

static void add_capabilities(struct virtio *v)
{
	static const struct virtio_pci_cfg_cap cfg_mask = {
		.cap = { .bar = 0xff, .offset = ~0U, .length = ~0U },
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};
	uint8_t msix[10] = {}, msix_mask[10] = {};
	const size_t cap = sizeof(struct virtio_pci_cap), with_data = cap + 4;

	add_cap(v, VIRTIO_PCI_CAP_COMMON_CFG, KVLANE_WINDOW_COMMON,
		KVLANE_WINDOW_ISR - KVLANE_WINDOW_COMMON, cap, 0, NULL);
	add_cap(v, VIRTIO_PCI_CAP_ISR_CFG, KVLANE_WINDOW_ISR,
		KVLANE_WINDOW_CONFIG - KVLANE_WINDOW_ISR, cap, 0, NULL);
	add_cap(v, VIRTIO_PCI_CAP_DEVICE_CFG, KVLANE_WINDOW_CONFIG,
		KVLANE_WINDOW_NOTIFY - KVLANE_WINDOW_CONFIG, cap, 0, NULL);
	add_notify_caps(v);
	v->pci_cfg = add_cap(v, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, with_data, 0, &cfg_mask);

	pci_put16(msix, v->msix.count - 1);
	pci_put32(msix + 2, VIRTIO_MSIX_TABLE | VIRTIO_BAR);
	pci_put32(msix + 6, VIRTIO_MSIX_PENDING | VIRTIO_BAR);
	pci_put16(msix_mask, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	v->msix_cap = pci_add_capability(&v->pci, PCI_CAP_ID_MSIX, msix, msix_mask, sizeof(msix));
}

static void on_event(struct watch *watch, uint32_t events)
{
	struct virtio *v = watch->owner;
	struct kvlane_event event;
	char text[160];

	if (read(watch->fd, &event, sizeof(event)) == sizeof(event)) {
		if (!v->on_event || !v->on_event(v, &event))
			say("%s (%s): %s", v->name, v->source,
			    module_event_text(&event, text, sizeof(text)));
	} else if (errno != EAGAIN && errno != EINTR) {
		loop_remove(&v->machine->loop, watch);
	}
}

static void tie(struct virtio *v, unsigned long request, unsigned int index, int fd)
{
	struct kvlane_eventfd arg = { .index = index, .fd = fd };

	if (fd < 0)
		fail(STATUS_USAGE, "%s: %s; raise ulimit -n", v->name, strerror(errno));
	if (ioctl(v->fd, request, &arg))
		fail(STATUS_USAGE, "%s: the module does not take an eventfd: %s", v->name,
		     strerror(errno));
}

static void wire(struct virtio *v)
{
	for (unsigned int q = 0; q < v->queues; q++) {
		v->kicks[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		tie(v, KVLANE_SET_KICK, q, v->kicks[q]);
	}
	for (unsigned int i = 0; i < v->msix.count; i++)
		tie(v, KVLANE_SET_VECTOR, i, v->msix.vectors[i].fd);
	v->line = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_line, v };
	tie(v, KVLANE_SET_VECTOR, KVLANE_VECTOR_LINE, v->line.fd);
	v->events = (struct watch){ v->fd, on_event, v };
	if (loop_add(&v->machine->loop, &v->line, EPOLLIN) ||
	    loop_add(&v->machine->loop, &v->events, EPOLLIN))
		fail(STATUS_FAILURE, "%s: cannot be watched: %s", v->name, strerror(errno));
}

static uint32_t class_of(unsigned int type)
{
	switch (type) {
	case VIRTIO_ID_BLOCK:
		return CLASS_STORAGE;
	case VIRTIO_ID_NET:
		return CLASS_NETWORK;
	default:
		return CLASS_OTHER;
	}
}

static void init_pci(struct virtio *v)
{
	const struct pci_id id = {
		.vendor = VENDOR_VIRTIO,
		.device = DEVICE_VIRTIO + v->type,
		.revision = REVISION_MODERN,
		.class = class_of(v->type),
		.subsystem_vendor = VENDOR_VIRTIO,
		.subsystem = SUBSYSTEM_MODERN + v->type,
	};

	pci_device_init(&v->pci, v->machine, &id, &virtio_pci_ops);
	pci_add_bar(&v->pci, VIRTIO_BAR, VIRTIO_BAR_SIZE, bar_access);
	if (notify_by_port(v->machine->config->notify))
		notify_add_port(v);
	v->pci.config[PCI_INTERRUPT_PIN] = PIN_A;
	add_capabilities(v);
	if (!pci_plug(&v->machine->pci, &v->pci))
		fail(STATUS_USAGE, "%s: no PCI slot is left; give fewer devices", v->name);
}

struct virtio *virtio_create(struct machine *machine, const char *name, const char *source,
			     const struct device_shape *shape,
			     const struct kvlane_backend *backend)
{
	struct virtio *v = calloc(1, sizeof(*v));

	if (!v)
		fail(STATUS_FAILURE, "%s: no memory", name);
	if (machine->module.vm < 0)
		module_attach(&machine->module, machine->kvm.vm, &machine->memory);
	v->machine = machine;
	v->source = source;
	v->type = shape->type;
	v->queues = shape->queues;
	strncpy(v->name, name, sizeof(v->name) - 1);
	pthread_mutex_init(&v->line_lock, NULL);
	v->fd = module_device(&machine->module, name, shape, VIRTIO_QUEUE_SIZE);
	if (ioctl(v->fd, KVLANE_SET_BACKEND, backend))
		fail(STATUS_USAGE, "%s: the module does not take %s: %s", name, source,
		     strerror(errno));
	msix_create(&v->msix, &machine->irq, shape->queues + 1);
	wire(v);
	init_pci(v);
	machine->devices[machine->nr_devices++] = v;
	return v;
}

void virtio_reset(struct virtio *virtio)
{
	const uint8_t zero = 0;

	if (pwrite(virtio->fd, &zero, 1, KVLANE_WINDOW_COMMON + COMMON_STATUS) != 1)
		say("%s: cannot be reset: %s", virtio->name, strerror(errno));
	pthread_mutex_lock(&virtio->line_lock);
	forget_line(virtio);
	virtio->line_off = false;
	pthread_mutex_unlock(&virtio->line_lock);
	msix_reset(&virtio->msix);
	pci_device_reset(&virtio->pci);
}
