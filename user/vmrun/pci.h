/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_PCI_H
#define VMRUN_PCI_H

#include "bus.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_SLOTS 32
#define PCI_CONFIG_SIZE 256

struct machine;
struct pci_device;

/* Number of the expansion ROM among the BARs. */
#define PCI_BAR_ROM 6
#define PCI_BARS 7

/**
 * struct pci_bar - a memory BAR, one of I/O ports, or the expansion ROM
 * @size: bytes, a power of two; 0 if there is none
 * @ports: of I/O ports
 * @narrow: one register, not two
 * @access: an access of the guest
 * @owner: what @access is called with; NULL for the device
 * @base: where it is, if @mapped
 * @mapped: the guest has placed it in a window and enabled it
 */
struct pci_bar {
	uint64_t size;
	bool ports;
	bool narrow;
	bus_fn *access;
	void *owner;
	uint64_t base;
	bool mapped;
};

/**
 * struct pci_ops - what a device does about its configuration space
 * @before_read: about to be read at @offset; may be NULL
 * @after_write: has been written at @offset; may be NULL
 * @bar_moved: the BAR is (not) @mapped at @base now; may be NULL
 * @read_extended: is read past the first 256 bytes, which is nothing that changes; may be
 *	NULL
 *
 * Called with the device's lock held, but for the last.
 */
struct pci_ops {
	void (*before_read)(struct pci_device *device, unsigned int offset, unsigned int len);
	void (*after_write)(struct pci_device *device, unsigned int offset, unsigned int len);
	void (*bar_moved)(struct pci_device *device, unsigned int bar, bool mapped);
	void (*read_extended)(const struct pci_device *device, unsigned int offset, void *data,
			      unsigned int len);
};

/**
 * struct pci_device - a function on bus 0
 * @config: configuration space
 * @writable: the bits of it the guest can change
 * @initial: what @config is after a reset
 * @bars: by the number of their first register
 * @next_cap: where the next capability goes
 */
struct pci_device {
	struct machine *machine;
	const struct pci_ops *ops;
	unsigned int slot;
	pthread_mutex_t lock;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];
	uint8_t initial[PCI_CONFIG_SIZE];
	struct pci_bar bars[PCI_BARS];
	unsigned int last_cap;
	unsigned int next_cap;
};

/**
 * struct pci_id - how a device presents itself
 */
struct pci_id {
	uint16_t vendor;
	uint16_t device;
	uint8_t revision;
	uint32_t class;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
};

/**
 * struct pci - the host bridge and what is behind it
 * @address: the register at port 0xcf8
 * @next: where the next BAR is placed at the start
 * @next_high: the same in the 64-bit window
 * @next_port: the same for I/O ports
 * @window: first address of the 64-bit window
 * @window_size: its bytes
 */
struct pci {
	struct machine *machine;
	pthread_mutex_t lock;
	uint32_t address;
	struct pci_device *slots[PCI_SLOTS];
	struct pci_device bridge;
	uint64_t next;
	uint64_t next_high;
	uint32_t next_port;
	uint64_t window;
	uint64_t window_size;
};

/**
 * pci_create() - the host bridge; exits with one line if there is no room for
 * the 64-bit window
 * @phys_bits: width of guest physical addresses
 */
void pci_create(struct pci *pci, struct machine *machine, unsigned int phys_bits);

/**
 * pci_device_init() - a device without BARs and capabilities
 */
void pci_device_init(struct pci_device *device, struct machine *machine, const struct pci_id *id,
		     const struct pci_ops *ops);

/**
 * pci_add_bar() - a 64-bit memory BAR, in registers @bar and @bar + 1
 */
void pci_add_bar(struct pci_device *device, unsigned int bar, uint64_t size, bus_fn *access);

/**
 * pci_add_port_bar() - a BAR of I/O ports
 */
void pci_add_port_bar(struct pci_device *device, unsigned int bar, uint32_t size, bus_fn *access);

/**
 * pci_add_host_bar() - a BAR such as a device of the host has
 * @bar: its number, or PCI_BAR_ROM
 * @flags: the lowest four bits of its register
 * @owner: what @access is called with
 * Return: false if no window has room for it.
 */
bool pci_add_host_bar(struct pci_device *device, unsigned int bar, uint64_t size,
		      unsigned int flags, bus_fn *access, void *owner);

/**
 * pci_add_capability() - append a capability
 * @id: which
 * @body: what follows the two bytes of its header
 * @mask: the bits of @body the guest can change; NULL for none
 * Return: where it is.
 */
unsigned int pci_add_capability(struct pci_device *device, uint8_t id, const void *body,
				const void *mask, size_t size);

/**
 * pci_plug() - put a device into the next free slot
 * Return: false if there is none.
 */
bool pci_plug(struct pci *pci, struct pci_device *device);

/**
 * pci_device_reset() - the configuration space as at the start
 */
void pci_device_reset(struct pci_device *device);

/**
 * pci_reset() - what belongs to the host bridge itself
 */
void pci_reset(struct pci *pci);

/* Little-endian fields of the configuration space. */
uint16_t pci_get16(const uint8_t *at);
uint32_t pci_get32(const uint8_t *at);
void pci_put16(uint8_t *at, uint16_t value);
void pci_put32(uint8_t *at, uint32_t value);

#endif
