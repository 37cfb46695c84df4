// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI Express host bridge, with ECAM and with configuration mechanism #1,
 * and the configuration space of the devices behind it, all on bus 0.
 *
 * Locks: pci.lock guards the address register. A device's lock guards its
 * configuration space; it is taken before the lock of the bus, never after.
 */
#include "pci.h"
#include "layout.h"
#include "machine.h"
#include "number.h"

#include <linux/pci_regs.h>
#include <string.h>

#define VENDOR_REDHAT 0x1b36
#define DEVICE_PCIE_HOST 0x0008
#define CLASS_HOST_BRIDGE 0x060000

#define ADDRESS_ENABLE 0x80000000
#define FIRST_CAP 0x40
#define RESET_NOW 0x04	/* in PORT_RESET */

uint16_t pci_get16(const uint8_t *at)
{
	return at[0] | at[1] << 8;
}

uint32_t pci_get32(const uint8_t *at)
{
	return pci_get16(at) | (uint32_t)pci_get16(at + 2) << 16;
}

void pci_put16(uint8_t *at, uint16_t value)
{
	at[0] = value;
	at[1] = value >> 8;
}

void pci_put32(uint8_t *at, uint32_t value)
{
	pci_put16(at, value);
	pci_put16(at + 2, value >> 16);
}

static bool in_window(const struct pci *pci, uint64_t base, uint64_t size)
{
	if (base >= PCI_MMIO32_BASE && base < PCI_MMIO32_BASE + PCI_MMIO32_SIZE)
		return size <= PCI_MMIO32_BASE + PCI_MMIO32_SIZE - base;
	return base >= pci->window && base < pci->window + pci->window_size &&
	       size <= pci->window + pci->window_size - base;
}

static uint64_t port_target(const struct pci_device *device, unsigned int bar)
{
	uint32_t base = pci_get32(device->config + PCI_BASE_ADDRESS_0 + 4 * bar) &
			PCI_BASE_ADDRESS_IO_MASK;

	if (!(pci_get16(device->config + PCI_COMMAND) & PCI_COMMAND_IO))
		return 0;
	if (base < PORT_PCI_BASE || base >= PORT_PCI_END)
		return 0;
	return device->bars[bar].size <= PORT_PCI_END - base ? base : 0;
}

static unsigned int bar_register(unsigned int bar)
{
	return bar == PCI_BAR_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * bar;
}

/* Where the guest wants a BAR to be; 0 if nowhere. */
static uint64_t bar_target(const struct pci_device *device, unsigned int bar)
{
	const uint8_t *at = device->config + bar_register(bar);
	uint64_t base;

	if (device->bars[bar].ports)
		return port_target(device, bar);
	if (!(pci_get16(device->config + PCI_COMMAND) & PCI_COMMAND_MEMORY))
		return 0;
	if (bar == PCI_BAR_ROM && !(pci_get32(at) & PCI_ROM_ADDRESS_ENABLE))
		return 0;
	base = pci_get32(at) & (bar == PCI_BAR_ROM ? PCI_ROM_ADDRESS_MASK : ~0xfU);
	if (!device->bars[bar].narrow)
		base |= (uint64_t)pci_get32(at + 4) << 32;
	return in_window(&device->machine->pci, base, device->bars[bar].size) ? base : 0;
}

static void *bar_owner(struct pci_device *device, const struct pci_bar *bar)
{
	return bar->owner ? bar->owner : device;
}

static struct bus *bar_bus(struct pci_device *device, const struct pci_bar *bar)
{
	return bar->ports ? &device->machine->ports : &device->machine->mmio;
}

static void unmap_bar(struct pci_device *device, unsigned int index)
{
	struct pci_bar *bar = &device->bars[index];

	bus_remove(bar_bus(device, bar), bar->base, bar_owner(device, bar));
	bar->mapped = false;
	if (device->ops->bar_moved)
		device->ops->bar_moved(device, index, false);
}

static void map_bar(struct pci_device *device, unsigned int index, uint64_t base)
{
	struct pci_bar *bar = &device->bars[index];

	/* A guest that puts one device over another sees the first one only. */
	if (!bus_add(bar_bus(device, bar), base, bar->size, bar->access,
		     bar_owner(device, bar)))
		return;
	bar->base = base;
	bar->mapped = true;
	if (device->ops->bar_moved)
		device->ops->bar_moved(device, index, true);
}

static void update_bars(struct pci_device *device)
{
	uint64_t target;

	for (unsigned int i = 0; i < ARRAY_SIZE(device->bars); i++) {
		if (!device->bars[i].size)
			continue;
		target = bar_target(device, i);
		if (device->bars[i].mapped && target == device->bars[i].base)
			continue;
		if (device->bars[i].mapped)
			unmap_bar(device, i);
		if (target)
			map_bar(device, i, target);
	}
}

static void device_read(struct pci_device *device, unsigned int offset, void *data,
			unsigned int len)
{
	pthread_mutex_lock(&device->lock);
	if (device->ops->before_read)
		device->ops->before_read(device, offset, len);
	memcpy(data, device->config + offset, len);
	pthread_mutex_unlock(&device->lock);
}

static void device_write(struct pci_device *device, unsigned int offset, const uint8_t *data,
			 unsigned int len)
{
	uint8_t *config = device->config + offset, mask;

	pthread_mutex_lock(&device->lock);
	for (unsigned int i = 0; i < len; i++) {
		mask = device->writable[offset + i];
		config[i] = (config[i] & ~mask) | (data[i] & mask);
	}
	if (offset < PCI_ROM_ADDRESS + 4 && offset + len > PCI_COMMAND)
		update_bars(device);
	if (device->ops->after_write)
		device->ops->after_write(device, offset, len);
	pthread_mutex_unlock(&device->lock);
}

static void config_access(struct pci *pci, unsigned int bus, unsigned int devfn,
			  unsigned int offset, void *data, unsigned int len, bool is_write)
{
	struct pci_device *device = NULL;

	if (!bus && !(devfn & 7))
		device = pci->slots[devfn >> 3];
	if (device && offset + len <= PCI_CONFIG_SIZE) {
		if (is_write)
			device_write(device, offset, data, len);
		else
			device_read(device, offset, data, len);
	} else if (!is_write) {
		memset(data, 0xff, len);
		/* One that begins below the end is for neither part. */
		if (device && offset >= PCI_CONFIG_SIZE && device->ops->read_extended)
			device->ops->read_extended(device, offset, data, len);
	}
}

static void ecam_access(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	config_access(owner, offset >> 20, offset >> 12 & 0xff, offset & 0xfff, data, len,
		      is_write);
}

static void address_access(struct pci *pci, void *data, bool is_write)
{
	pthread_mutex_lock(&pci->lock);
	if (is_write)
		pci->address = pci_get32(data) & (ADDRESS_ENABLE | 0xfffffc);
	else
		pci_put32(data, pci->address);
	pthread_mutex_unlock(&pci->lock);
}

/* Ports 0xcf8 to 0xcff: address and data, and the reset register between them. */
static void port_access(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	struct pci *pci = owner;
	uint32_t address;

	if (offset == 0 && len == 4) {
		address_access(pci, data, is_write);
		return;
	}
	if (offset < 4) {
		if (!is_write)
			memset(data, 0, len);
		else if (offset == PORT_RESET - PORT_PCI_ADDRESS && *(uint8_t *)data & RESET_NOW)
			machine_reset(pci->machine);
		return;
	}
	pthread_mutex_lock(&pci->lock);
	address = pci->address;
	pthread_mutex_unlock(&pci->lock);
	if (address & ADDRESS_ENABLE)
		config_access(pci, address >> 16 & 0xff, address >> 8 & 0xff,
			      (address & 0xfc) + offset - 4, data, len, is_write);
	else if (!is_write)
		memset(data, 0xff, len);
}

static void choose_window(struct pci *pci, unsigned int phys_bits)
{
	uint64_t limit = 1ULL << phys_bits;

	pci->window = ALIGN_UP(memory_end(&pci->machine->memory), PCI_MMIO64_STEP);
	if (pci->window < PCI_MMIO64_STEP)
		pci->window = PCI_MMIO64_STEP;
	/* Narrow processors: a window right above RAM, as small as it may be. */
	if (pci->window + PCI_MMIO64_STEP > limit)
		pci->window = ALIGN_UP(memory_end(&pci->machine->memory) < RAM_HIGH_BASE ?
				       RAM_HIGH_BASE : memory_end(&pci->machine->memory), GIB);
	if (pci->window + GIB > limit)
		fail(STATUS_USAGE,
		     "--memory: this processor has only %u address bits; give less memory",
		     phys_bits);
	pci->window_size = limit - pci->window < PCI_MMIO64_STEP ? limit - pci->window :
								   PCI_MMIO64_STEP;
	pci->next_high = pci->window;
}

void pci_create(struct pci *pci, struct machine *machine, unsigned int phys_bits)
{
	static const struct pci_ops ops;
	const struct pci_id id = {
		.vendor = VENDOR_REDHAT,
		.device = DEVICE_PCIE_HOST,
		.class = CLASS_HOST_BRIDGE,
	};

	pci->machine = machine;
	pci->next = PCI_MMIO32_BASE;
	pci->next_port = PORT_PCI_FIRST;
	pthread_mutex_init(&pci->lock, NULL);
	choose_window(pci, phys_bits);
	bus_add(&machine->ports, PORT_PCI_ADDRESS, 8, port_access, pci);
	bus_add(&machine->mmio, PCI_ECAM_BASE, (PCI_LAST_BUS + 1) * MIB, ecam_access, pci);
	pci_device_init(&pci->bridge, machine, &id, &ops);
	pci_plug(pci, &pci->bridge);
}

void pci_device_init(struct pci_device *device, struct machine *machine, const struct pci_id *id,
		     const struct pci_ops *ops)
{
	uint8_t *config = device->config;

	device->machine = machine;
	device->ops = ops;
	device->next_cap = FIRST_CAP;
	device->last_cap = 0;
	pthread_mutex_init(&device->lock, NULL);
	pci_put16(config + PCI_VENDOR_ID, id->vendor);
	pci_put16(config + PCI_DEVICE_ID, id->device);
	pci_put32(config + PCI_CLASS_REVISION, id->class << 8 | id->revision);
	pci_put16(config + PCI_SUBSYSTEM_VENDOR_ID, id->subsystem_vendor);
	pci_put16(config + PCI_SUBSYSTEM_ID, id->subsystem);
	pci_put16(device->writable + PCI_COMMAND,
		  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	device->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	device->writable[PCI_INTERRUPT_LINE] = 0xff;
}

void pci_add_port_bar(struct pci_device *device, unsigned int bar, uint32_t size, bus_fn *access)
{
	struct pci *pci = &device->machine->pci;
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint32_t base = ALIGN_UP(pci->next_port, size);

	device->bars[bar] = (struct pci_bar){ .size = size, .ports = true, .access = access };
	pci->next_port = base + size;
	pci_put32(device->config + at, base | PCI_BASE_ADDRESS_SPACE_IO);
	pci_put32(device->writable + at, ~(size - 1));
	device->writable[PCI_COMMAND] |= PCI_COMMAND_IO;
}

/* Takes room for a BAR from a window; 0 if there is not enough. */
static uint64_t take_room(uint64_t *next, uint64_t end, uint64_t size)
{
	uint64_t base = ALIGN_UP(*next, size);

	if (base < *next || base >= end || size > end - base)
		return 0;
	*next = base + size;
	return base;
}

static uint64_t place_memory(struct pci *pci, uint64_t size, bool wide)
{
	uint64_t base = take_room(&pci->next, PCI_MMIO32_BASE + PCI_MMIO32_SIZE, size);

	if (base || !wide)
		return base;
	return take_room(&pci->next_high, pci->window + pci->window_size, size);
}

bool pci_add_host_bar(struct pci_device *device, unsigned int bar, uint64_t size,
		      unsigned int flags, bus_fn *access, void *owner)
{
	bool wide = flags & PCI_BASE_ADDRESS_MEM_TYPE_64;
	uint8_t *config = device->config + bar_register(bar);
	uint8_t *writable = device->writable + bar_register(bar);
	uint64_t base;

	if (flags & PCI_BASE_ADDRESS_SPACE_IO) {
		pci_add_port_bar(device, bar, size, access);
		device->bars[bar].owner = owner;
		return true;
	}
	base = place_memory(&device->machine->pci, size, wide);
	device->bars[bar] = (struct pci_bar){
		.size = size, .narrow = !wide, .access = access, .owner = owner,
	};
	pci_put32(config, (uint32_t)base | flags);
	pci_put32(writable, ~(size - 1));
	if (bar == PCI_BAR_ROM)
		*writable |= PCI_ROM_ADDRESS_ENABLE;
	if (wide) {
		pci_put32(config + 4, base >> 32);
		pci_put32(writable + 4, ~(size - 1) >> 32);
	}
	return base;
}

void pci_add_bar(struct pci_device *device, unsigned int bar, uint64_t size, bus_fn *access)
{
	pci_add_host_bar(device, bar, size, PCI_BASE_ADDRESS_MEM_TYPE_64, access, NULL);
}

unsigned int pci_add_capability(struct pci_device *device, uint8_t id, const void *body,
				const void *mask, size_t size)
{
	unsigned int at = device->next_cap;

	device->config[device->last_cap ? device->last_cap + 1 : PCI_CAPABILITY_LIST] = at;
	device->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	device->config[at] = id;
	memcpy(device->config + at + 2, body, size);
	if (mask)
		memcpy(device->writable + at + 2, mask, size);
	device->last_cap = at;
	device->next_cap = ALIGN_UP(at + 2 + (unsigned int)size, 4U);
	return at;
}

bool pci_plug(struct pci *pci, struct pci_device *device)
{
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++) {
		if (pci->slots[slot])
			continue;
		device->slot = slot;
		memcpy(device->initial, device->config, sizeof(device->initial));
		pci->slots[slot] = device;
		return true;
	}
	return false;
}

void pci_device_reset(struct pci_device *device)
{
	pthread_mutex_lock(&device->lock);
	memcpy(device->config, device->initial, sizeof(device->config));
	update_bars(device);
	pthread_mutex_unlock(&device->lock);
}

void pci_reset(struct pci *pci)
{
	pci->address = 0;
	pci_device_reset(&pci->bridge);
}
