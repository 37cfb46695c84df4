// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices of the host in the guest, with VFIO.
 *
 * The module has the guest's memory in the page tables of their IOMMUs, so DMA goes
 * there and nowhere else; VFIO's container stays empty. Configuration space is VFIO's,
 * which keeps the guest from what is the host's, but for what is said about the guest's
 * own addresses: BARs, ROM and the messages of interrupts are emulated here. Memory of
 * the device is mapped into the guest, except for the pages with the MSI-X table.
 *
 * On the root bus a device is no endpoint but integrated in the root complex, and has
 * no link; drivers look for the other end of one.
 */
#include "assign.h"
#include "machine.h"
#include "number.h"
#include "populate.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ULL
/* Guest memory has the first slots. */
#define FIRST_SLOT 16
#define BAR_FLAGS 0xf
#define LINK_REGISTERS 8
/* What is read of a device that is not there. */
#define NO_ANSWER 0xffff
#define DECODES (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static void region_access(const struct assigned *a, const struct vfio_region *region,
			  uint64_t offset, void *data, unsigned int len, bool is_write)
{
	ssize_t n = -1;

	if (offset < region->size && len <= region->size - offset) {
		if (is_write)
			n = pwrite(a->vfio.fd, data, len, region->offset + offset);
		else
			n = pread(a->vfio.fd, data, len, region->offset + offset);
	}
	/* As the host's processor would see it. */
	if (n != len && !is_write)
		memset(data, 0xff, len);
}

static void bar_access(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	struct assigned_bar *bar = owner;

	if (!assign_irq_access(bar->device, bar->index, offset, data, len, is_write))
		region_access(bar->device, &bar->region, offset, data, len, is_write);
}

static void before_read(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct assigned *a = container_of(pci, struct assigned, pci);
	uint8_t data[8];

	region_access(a, &a->config, offset, data, len, false);
	for (unsigned int i = 0; i < len; i++) {
		if (!a->emulated[offset + i])
			pci->config[offset + i] = data[i];
	}
}

/* What is not emulated goes to the device, in pieces as large as they come. */
static void after_write(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct assigned *a = container_of(pci, struct assigned, pci);
	unsigned int end = offset + len, from, to;

	for (from = offset; from < end; from = to) {
		to = from + 1;
		while (to < end && a->emulated[to] == a->emulated[from])
			to++;
		if (!a->emulated[from])
			region_access(a, &a->config, from, pci->config + from, to - from, true);
	}
	a->command = pci_get16(pci->config + PCI_COMMAND);
	if (a->express_cap)
		a->control = pci_get16(pci->config + a->express_cap + PCI_EXP_DEVCTL);
	assign_irq_written(a, offset, len);
}

static void set_slot(const struct assigned_bar *bar, unsigned int slot, uint64_t from,
		     uint64_t size)
{
	const struct assigned *a = bar->device;
	const struct kvm_userspace_memory_region region = {
		.slot = bar->slots[slot],
		.flags = bar->index == PCI_BAR_ROM ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = a->pci.bars[bar->index].base + from,
		.memory_size = size,
		.userspace_addr = (uintptr_t)bar->map + from,
	};

	if (ioctl(a->machine->kvm.vm, KVM_SET_USER_MEMORY_REGION, &region) && size)
		say("%s (%s): KVM does not map its memory: %s; it is slow now", a->name,
		    a->vfio.address, strerror(errno));
}

/*
 * The guest reads a copy. VFIO would switch the ROM on and off again for each of its
 * accesses, and meanwhile a device need not answer to anything else. If it cannot be read
 * as a whole, its accesses do go through VFIO.
 */
static void copy_rom(struct assigned_bar *bar)
{
	const struct assigned *a = bar->device;
	uint64_t size = bar->region.size, at = 0;
	void *copy;
	ssize_t n;

	if (size % PAGE)
		return;
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return;
	memset(copy, 0xff, size);
	while ((n = pread(a->vfio.fd, copy + at, size - at, bar->region.offset + at)) > 0)
		at += n;
	if (at == size)
		bar->map = copy;
	else
		munmap(copy, size);
}

static void bar_moved(struct pci_device *pci, unsigned int index, bool mapped)
{
	struct assigned *a = container_of(pci, struct assigned, pci);
	struct assigned_bar *bar = &a->bars[index];
	uint64_t size = bar->region.size;

	if (index == PCI_BAR_ROM && mapped && !bar->map)
		copy_rom(bar);
	if (!bar->map)
		return;
	if (bar->hole[0])
		set_slot(bar, 0, 0, mapped ? bar->hole[0] : 0);
	if (bar->hole[1] < size)
		set_slot(bar, 1, bar->hole[1], mapped ? size - bar->hole[1] : 0);
}

static void read_extended(const struct pci_device *pci, unsigned int offset, void *data,
			  unsigned int len)
{
	const struct assigned *a = container_of(pci, struct assigned, pci);
	const uint8_t *from = (const uint8_t *)a->extended;

	if (!a->extended[0])
		return;
	memset(data, 0, len);
	offset -= PCI_CONFIG_SIZE;
	if (offset + len <= sizeof(a->extended))
		memcpy(data, from + offset, len);
}

static const struct pci_ops assigned_ops = {
	.before_read = before_read,
	.after_write = after_write,
	.bar_moved = bar_moved,
	.read_extended = read_extended,
};

/* Maps a BAR here, so that it can be mapped into the guest. */
static void map_bar(struct assigned_bar *bar)
{
	const struct assigned *a = bar->device;
	uint64_t table_end = a->table + a->msix.count * MSIX_ENTRY_SIZE;
	void *map;

	if (!bar->region.can_map || bar->region.size % PAGE)
		return;
	if (a->msix_cap && a->table_bar == bar->index) {
		bar->hole[0] = a->table & ~(PAGE - 1);
		bar->hole[1] = ALIGN_UP(table_end, PAGE);
	}
	map = mmap(NULL, bar->region.size, PROT_READ | PROT_WRITE, MAP_SHARED, a->vfio.fd,
		   bar->region.offset);
	if (map == MAP_FAILED)
		return;
	/* The keeper would keep the device open by it. */
	madvise(map, bar->region.size, MADV_DONTFORK);
	bar->map = map;
}

static void add_bar(struct assigned *a, unsigned int index)
{
	unsigned int slot = FIRST_SLOT + 2 * PCI_BARS * (a - a->machine->assignment.devices);
	struct assigned_bar *bar = &a->bars[index];
	unsigned int at = index == PCI_BAR_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * index;
	unsigned int flags = index == PCI_BAR_ROM ? 0 : a->pci.config[at] & BAR_FLAGS;

	bar->device = a;
	bar->index = index;
	bar->region = vfio_region(&a->vfio, index);
	bar->slots[0] = slot + 2 * index;
	bar->slots[1] = slot + 2 * index + 1;
	memset(a->emulated + at, 1, 4);
	pci_put32(a->pci.config + at, 0);
	pci_put32(a->pci.writable + at, 0);
	if (!bar->region.size)
		return;
	if (flags & PCI_BASE_ADDRESS_SPACE_IO)
		flags = PCI_BASE_ADDRESS_SPACE_IO;
	else if (index != PCI_BAR_ROM)
		map_bar(bar);
	if (!pci_add_host_bar(&a->pci, index, bar->region.size, flags, bar_access, bar))
		fail(STATUS_USAGE, "%s (%s): no room for its BAR %u of %llu bytes in the guest",
		     a->name, a->vfio.address, index, (unsigned long long)bar->region.size);
}

/* The upper half of a wide BAR is no BAR. */
static void add_bars(struct assigned *a)
{
	for (unsigned int i = 0; i < PCI_BARS; i++) {
		add_bar(a, i);
		if (i < PCI_BAR_ROM && a->bars[i].region.size && !a->pci.bars[i].ports &&
		    !a->pci.bars[i].narrow)
			memset(a->emulated + PCI_BASE_ADDRESS_0 + 4 * ++i, 1, 4);
	}
}

static void find_capabilities(struct assigned *a)
{
	uint8_t *config = a->pci.config;
	unsigned int at, left = PCI_CONFIG_SIZE / 4, flags;

	if (!(config[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	for (at = config[PCI_CAPABILITY_LIST] & ~3; at >= PCI_STD_HEADER_SIZEOF && left--;
	     at = config[at + PCI_CAP_LIST_NEXT] & ~3) {
		if (config[at] == PCI_CAP_ID_MSI) {
			a->msi_cap = at;
		} else if (config[at] == PCI_CAP_ID_MSIX) {
			a->msix_cap = at;
		} else if (config[at] == PCI_CAP_ID_EXP) {
			a->express_cap = at;
			a->control = pci_get16(config + at + PCI_EXP_DEVCTL);
			flags = pci_get16(config + at + PCI_EXP_FLAGS) & ~PCI_EXP_FLAGS_TYPE;
			pci_put16(config + at + PCI_EXP_FLAGS,
				  flags | PCI_EXP_TYPE_RC_END << 4);
			memset(config + at + PCI_EXP_LNKCAP, 0, LINK_REGISTERS);
			memset(a->emulated + at + PCI_EXP_FLAGS, 1, 2);
			memset(a->emulated + at + PCI_EXP_LNKCAP, 1, LINK_REGISTERS);
			memset(a->pci.writable + at + PCI_EXP_LNKCAP, 0, LINK_REGISTERS);
		}
	}
}

/* Where a capability of the extended space is; 0 if there is none. */
static unsigned int find_extended(const struct assigned *a, unsigned int id)
{
	unsigned int at = PCI_CONFIG_SIZE, left = PCI_CFG_SPACE_EXP_SIZE / 8;
	uint32_t header;

	for (; at >= PCI_CONFIG_SIZE && left--; at = PCI_EXT_CAP_NEXT(header)) {
		region_access(a, &a->config, at, &header, sizeof(header), false);
		if (!header || header == UINT32_MAX)
			break;
		if (PCI_EXT_CAP_ID(header) == id)
			return at;
	}
	return 0;
}

/* All of the extended space that is about the device and not about its link. */
static void copy_serial(struct assigned *a)
{
	unsigned int at = find_extended(a, PCI_EXT_CAP_ID_DSN);

	if (!at)
		return;
	a->extended[0] = PCI_EXT_CAP_ID_DSN | 1 << 16;
	region_access(a, &a->config, at + 4, &a->extended[1], 4, false);
	region_access(a, &a->config, at + 8, &a->extended[2], 4, false);
}

static void init_config(struct assigned *a)
{
	uint8_t *config = a->pci.config;
	const uint16_t off = 0;

	a->config = vfio_region(&a->vfio, VFIO_PCI_CONFIG_REGION_INDEX);
	region_access(a, &a->config, PCI_COMMAND, (void *)&off, sizeof(off), true);
	if (a->config.size < PCI_CONFIG_SIZE ||
	    pread(a->vfio.fd, config, PCI_CONFIG_SIZE, a->config.offset) != PCI_CONFIG_SIZE)
		fail(STATUS_USAGE, "%s (%s): its configuration space cannot be read: %s", a->name,
		     a->vfio.address, strerror(errno));
	memset(a->pci.writable, 0xff, sizeof(a->pci.writable));
	pci_put16(config + PCI_COMMAND, 0);
	/* The other functions of its slot are not in the guest. */
	config[PCI_HEADER_TYPE] &= ~PCI_HEADER_TYPE_MFD;
	a->emulated[PCI_HEADER_TYPE] = 1;
	a->pci.writable[PCI_HEADER_TYPE] = 0;
}

static void on_error(struct watch *watch, uint32_t events)
{
	struct assigned *a = watch->owner;
	uint64_t count;

	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
	machine_pause(a->machine, true);
	a->machine->assignment.failed = true;
	say("%s (%s): reported an error (AER), the guest is stopped; dmesg says which; vmrun ctl %s resume, or quit and run it again",
	    a->name, a->vfio.address, a->machine->config->name);
}

static void on_request(struct watch *watch, uint32_t events)
{
	struct assigned *a = watch->owner;

	machine_end(a->machine, STATUS_FAILURE,
		    "%s (%s): the host wants it back, so the guest is ended", a->name,
		    a->vfio.address);
}

static void add_watch(struct assigned *a, struct watch *watch, unsigned int index,
		      void (*ready)(struct watch *watch, uint32_t events))
{
	*watch = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ready, a };
	/* Not all devices report errors. */
	if (vfio_irqs(&a->vfio, index) &&
	    (vfio_irq_set(&a->vfio, index, VFIO_IRQ_SET_ACTION_TRIGGER, &watch->fd, 1) ||
	     loop_add(&a->machine->loop, watch, EPOLLIN)))
		fail(STATUS_FAILURE, "%s (%s): cannot be watched: %s", a->name, a->vfio.address,
		     strerror(errno));
}

static void reset(struct assigned *a)
{
	int err = vfio_reset(&a->vfio);

	if (err)
		say("%s (%s): cannot be reset: %s", a->name, a->vfio.address, strerror(-err));
}

static void plug(struct assigned *a)
{
	const struct pci_id id = {};

	pci_device_init(&a->pci, a->machine, &id, &assigned_ops);
	if (!a->vfio.can_reset)
		say("%s (%s): has no reset of its own; the guest finds it as it was left", a->name,
		    a->vfio.address);
	reset(a);
	init_config(a);
	find_capabilities(a);
	copy_serial(a);
	assign_irq_init(a);
	add_bars(a);
	if (!pci_plug(&a->machine->pci, &a->pci))
		fail(STATUS_USAGE, "%s (%s): no PCI slot is left; give fewer devices", a->name,
		     a->vfio.address);
	assign_irq_start(a);
	add_watch(a, &a->error, VFIO_PCI_ERR_IRQ_INDEX, on_error);
	add_watch(a, &a->request, VFIO_PCI_REQ_IRQ_INDEX, on_request);
}

static void tell_kvm(struct assignment *assignment, const struct assigned *a)
{
	const struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = KVM_DEV_VFIO_FILE_ADD,
		.addr = (uintptr_t)&a->vfio.group_fd,
	};

	if (ioctl(assignment->kvm, KVM_SET_DEVICE_ATTR, &attr) && errno != EEXIST)
		fail(STATUS_USAGE, "%s (%s): KVM does not know VFIO: %s", a->name,
		     a->vfio.address, strerror(errno));
}

/* Its memory is the guest's from here on. */
static void attach(struct assignment *assignment, const struct assigned *a)
{
	const struct kvlane_iommu_device args = { .fd = a->vfio.fd };
	char size[32];

	if (!ioctl(assignment->iommu, KVLANE_IOMMU_ATTACH, &args))
		return;
	switch (errno) {
	case EDQUOT:
		fail(STATUS_USAGE,
		     "%s (%s): this user may not lock the guest's memory of %s; raise ulimit -l",
		     a->name, a->vfio.address,
		     size_format(a->machine->config->memory, size, sizeof(size)));
	case ERANGE:
		fail(STATUS_USAGE,
		     "%s (%s): its IOMMU cannot have all of the guest's memory; give less --memory",
		     a->name, a->vfio.address);
	default:
		fail(STATUS_USAGE, "%s (%s): the module cannot map memory for it: %s; see dmesg",
		     a->name, a->vfio.address, strerror(errno));
	}
}

static void create_iommu(struct machine *machine)
{
	struct assignment *assignment = &machine->assignment;
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvlane_create_iommu create = {};

	if (machine->module.vm < 0)
		module_attach(&machine->module, machine->kvm.vm, &machine->memory);
	assignment->container = vfio_container();
	if (ioctl(machine->kvm.vm, KVM_CREATE_DEVICE, &device))
		fail(STATUS_USAGE, "--vfio: KVM does not know VFIO: %s", strerror(errno));
	assignment->kvm = device.fd;
	assignment->iommu = ioctl(machine->module.vm, KVLANE_CREATE_IOMMU, &create);
	if (assignment->iommu < 0)
		fail(STATUS_USAGE, "--vfio: the module does without: %s", strerror(errno));
}

void assign_look(struct machine *machine)
{
	const struct config *config = machine->config;

	for (unsigned int i = 0; i < config->nr_vfios; i++)
		bind_check(config->vfios[i].address, config->vfios[i].bind);
	bind_take();
}

void assign_plug(struct machine *machine)
{
	struct assignment *assignment = &machine->assignment;
	struct vfio_device open[MAX_VFIO];
	struct populate populate;
	struct assigned *a;

	if (!machine->config->nr_vfios)
		return;
	create_iommu(machine);
	populate_start(&populate, &machine->memory);
	for (unsigned int i = 0; i < machine->config->nr_vfios; i++) {
		a = &assignment->devices[i];
		a->machine = machine;
		snprintf(a->name, sizeof(a->name), "vfio%u", i);
		memcpy(a->vfio.address, machine->config->vfios[i].address, VFIO_ADDRESS);
		vfio_open(&a->vfio, assignment->container, open, i);
		open[i] = a->vfio;
		tell_kvm(assignment, a);
		attach(assignment, a);
		plug(a);
		assignment->count++;
	}
	populate_end(&populate);
}

void assign_reset(struct machine *machine)
{
	const uint16_t off = 0;
	struct assigned *a;

	for (unsigned int i = 0; i < machine->assignment.count; i++) {
		a = &machine->assignment.devices[i];
		assign_irq_stop(a);
		region_access(a, &a->config, PCI_COMMAND, (void *)&off, sizeof(off), true);
		reset(a);
		pci_device_reset(&a->pci);
		a->command = 0;
		assign_irq_start(a);
	}
	machine->assignment.failed = false;
}

static uint16_t read_config(const struct assigned *a, unsigned int offset)
{
	uint16_t value;

	region_access(a, &a->config, offset, &value, sizeof(value), false);
	return value;
}

/*
 * The host resets the link to a device with a fatal error, and what the device forgets
 * by that the guest does not know of. VFIO puts the BARs back when memory is enabled.
 */
static void restore(struct assigned *a)
{
	if (!((read_config(a, PCI_COMMAND) ^ a->command) & DECODES))
		return;
	region_access(a, &a->config, PCI_COMMAND, &a->command, sizeof(a->command), true);
	if (a->express_cap)
		region_access(a, &a->config, a->express_cap + PCI_EXP_DEVCTL, &a->control,
			      sizeof(a->control), true);
	assign_irq_renew(a);
	say("%s (%s): the host has reset it; the guest's driver has to set it up again",
	    a->name, a->vfio.address);
}

const struct assigned *assign_recover(struct machine *machine)
{
	struct assignment *assignment = &machine->assignment;

	if (!assignment->failed)
		return NULL;
	for (unsigned int i = 0; i < assignment->count; i++) {
		if (read_config(&assignment->devices[i], PCI_COMMAND) == NO_ANSWER)
			return &assignment->devices[i];
	}
	for (unsigned int i = 0; i < assignment->count; i++)
		restore(&assignment->devices[i]);
	assignment->failed = false;
	return NULL;
}

void assign_stop(struct machine *machine)
{
	struct assignment *assignment = &machine->assignment;
	struct assigned *a;

	if (!assignment->count)
		return;
	for (unsigned int i = 0; i < assignment->count; i++) {
		assign_irq_stop(&assignment->devices[i]);
		reset(&assignment->devices[i]);
	}
	close(assignment->iommu);
	close(assignment->kvm);
	for (unsigned int i = 0; i < assignment->count; i++) {
		a = &assignment->devices[i];
		for (unsigned int bar = 0; bar < PCI_BARS; bar++) {
			if (a->bars[bar].map)
				munmap(a->bars[bar].map, a->bars[bar].region.size);
		}
		vfio_close(&a->vfio);
	}
	for (unsigned int i = 0; i < assignment->count; i++)
		close(assignment->devices[i].vfio.group_fd);
	close(assignment->container);
}

static json_t *report_memory(int iommu)
{
	struct kvlane_iommu_stats stats = {};
	json_t *leaves = json_array();

	if (ioctl(iommu, KVLANE_IOMMU_STATS, &stats))
		return json_null();
	for (unsigned int i = 0; i < KVLANE_IOMMU_LEAVES; i++)
		json_array_append_new(leaves,
				      json_pack("{s:I, s:I, s:I, s:I, s:I}", "size",
						(json_int_t)stats.leaves[i].size, "bytes",
						(json_int_t)stats.leaves[i].bytes, "backing",
						(json_int_t)stats.leaves[i].backing, "alignment",
						(json_int_t)stats.leaves[i].alignment, "domain",
						(json_int_t)stats.leaves[i].domain));
	return json_pack("{s:i, s:i, s:I, s:I, s:I, s:o}", "devices", stats.devices, "tables",
			 stats.domains, "mapped", (json_int_t)stats.mapped, "pin_ns",
			 (json_int_t)stats.pin_ns, "map_ns", (json_int_t)stats.map_ns, "pages",
			 leaves);
}

json_t *assign_report(struct machine *machine)
{
	static const char *const kinds[] = { "none", "line", "MSI", "MSI-X" };
	json_t *list = json_array();
	const struct assigned *a;

	if (!machine->assignment.count) {
		json_decref(list);
		return json_null();
	}
	for (unsigned int i = 0; i < machine->assignment.count; i++) {
		a = &machine->assignment.devices[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:b}", "name", a->name,
						      "address", a->vfio.address, "group",
						      a->vfio.group, "interrupt", kinds[a->irq],
						      "resets", (int)a->vfio.can_reset));
	}
	return json_pack("{s:o, s:o}", "devices", list, "memory",
			 report_memory(machine->assignment.iommu));
}
