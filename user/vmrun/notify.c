// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a driver's notifications reach the module: KVM catches the write and signals
 * the eventfd of the queue.
 *
 * A write to memory costs a page fault in the second dimension, a walk of the page
 * tables by software and the decoding of the instruction, but on Intel's processors,
 * where KVM marks the page so that the exit itself says enough and an eventfd that
 * matches writes of any length needs no decoding. A write to a port exits with
 * everything in the exit's fields. So there is a port everywhere but on Intel's
 * processors; Documentation/benchmarks.rst has the figures.
 *
 * There is one port for all queues of a device, and KVM looks at the number that is
 * written: ports are few, and a lookup among some queues is nothing to an exit. The
 * memory is there in any case, for drivers that do not know ports.
 */
#include "notify.h"
#include "machine.h"
#include "number.h"
#include "virtio.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* "GenuineIntel", the middle of it. */
#define VENDOR_INTEL_EDX 0x49656e69

bool notify_by_port(enum notify_way way)
{
	unsigned int max, ebx, ecx, edx = 0;

	if (way != NOTIFY_AUTO)
		return way == NOTIFY_PORT;
	__get_cpuid(0, &max, &ebx, &ecx, &edx);
	return edx != VENDOR_INTEL_EDX;
}

/* What KVM did not catch. */
static void port_access(void *owner, uint64_t offset, void *data, unsigned int len, bool is_write)
{
	struct virtio *v = container_of(owner, struct virtio, pci);
	uint16_t queue;

	if (!is_write) {
		memset(data, 0, len);
		return;
	}
	if (offset || len != sizeof(queue))
		return;
	memcpy(&queue, data, sizeof(queue));
	/* What the module does not take, the guest may not write. */
	if (queue < v->queues &&
	    pwrite(v->fd, &queue, sizeof(queue),
		   KVLANE_WINDOW_NOTIFY + queue * KVLANE_NOTIFY_MULTIPLIER) < 0)
		return;
}

void notify_add_port(struct virtio *v)
{
	pci_add_port_bar(&v->pci, NOTIFY_BAR, NOTIFY_BAR_SIZE, port_access);
}

static struct kvm_ioeventfd at_port(uint64_t base, unsigned int queue)
{
	return (struct kvm_ioeventfd){
		.addr = base,
		.len = 2,
		.datamatch = queue,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
}

static struct kvm_ioeventfd in_memory(uint64_t base, unsigned int queue, bool any_length)
{
	return (struct kvm_ioeventfd){
		.addr = base + KVLANE_WINDOW_NOTIFY + queue * KVLANE_NOTIFY_MULTIPLIER,
		.len = any_length ? 0 : 2,
	};
}

void notify_catch(struct virtio *v, unsigned int bar, bool mapped)
{
	const struct kvm *kvm = &v->machine->kvm;
	uint64_t base = v->pci.bars[bar].base;
	struct kvm_ioeventfd arg;

	for (unsigned int q = 0; q < v->queues; q++) {
		arg = bar == NOTIFY_BAR ? at_port(base, q) : in_memory(base, q, kvm->any_length);
		arg.fd = v->kicks[q];
		if (!mapped)
			arg.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		/* Without it notifications come through the window: slower, not wrong. */
		if (ioctl(kvm->vm, KVM_IOEVENTFD, &arg) && mapped)
			say("%s: KVM does not catch notifications of queue %u: %s", v->name, q,
			    strerror(errno));
	}
}
