// SPDX-License-Identifier: GPL-2.0-only
/* The VM as a whole. */
#include "kvm.h"
#include "layout.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const struct kvm_need kvm_needs[] = {
	{ KVM_CAP_IRQCHIP, "in-kernel interrupt controllers" },
	{ KVM_CAP_USER_MEMORY, "user memory" },
	{ KVM_CAP_PIT2, "in-kernel timer" },
	{ KVM_CAP_REINJECT_CONTROL, "timer without reinjection" },
	{ KVM_CAP_SET_TSS_ADDR, "TSS address" },
	{ KVM_CAP_IRQ_ROUTING, "interrupt routing" },
	{ KVM_CAP_SIGNAL_MSI, "message-signalled interrupts" },
	{ KVM_CAP_IRQFD, "irqfd" },
	{ KVM_CAP_IOEVENTFD, "ioeventfd" },
	{ KVM_CAP_MP_STATE, "multiprocessor state" },
	{ KVM_CAP_VCPU_EVENTS, "vCPU events" },
	{ KVM_CAP_DEBUGREGS, "debug registers" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	{ KVM_CAP_EXT_CPUID, "CPUID" },
	{},
};

int kvm_open_errno(const char **mend)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			*mend = "join group kvm: as root, adduser USER kvm, and log in again";
		else
			*mend = "modprobe kvm-amd or kvm-intel; enable it in the firmware";
		return -errno;
	}
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		*mend = "use a Linux kernel of this decade";
		close(fd);
		return -EPROTO;
	}
	return fd;
}

static void check_needs(struct kvm *kvm)
{
	const struct kvm_need *need;

	for (need = kvm_needs; need->name; need++) {
		if (ioctl(kvm->sys, KVM_CHECK_EXTENSION, need->cap) <= 0)
			fail(STATUS_USAGE, "/dev/kvm: KVM has no %s; use a newer kernel",
			     need->name);
	}
}

/*
 * All in the kernel, not split: the guest's lines (serial port, power button, clock)
 * need no exit to this process, nor a second I/O APIC and PIC here, and once nothing
 * reinjects the PIT's ticks none of it inhibits APICv or AVIC. A PIC that the guest
 * has masked, as Linux does when it has found its I/O APIC, never asks for attention.
 */
static void create_chips(struct kvm *kvm)
{
	/*
	 * Making up for ticks that the guest was late for takes KVM to see each EOI, which
	 * inhibits AVIC. No guest of today keeps time by counting the PIT's ticks.
	 */
	struct kvm_reinject_control no_reinjection = {};
	struct kvm_pit_config pit = {};
	uint64_t map = KVM_IDENTITY_MAP;

	/* Used by KVM on Intel processors without unrestricted guest only. */
	if (ioctl(kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &map) ||
	    ioctl(kvm->vm, KVM_SET_TSS_ADDR, KVM_TSS))
		fail(STATUS_USAGE, "KVM: cannot place its own pages: %s", strerror(errno));
	if (ioctl(kvm->vm, KVM_CREATE_IRQCHIP, 0))
		fail(STATUS_USAGE, "KVM: cannot make interrupt controllers: %s", strerror(errno));
	if (ioctl(kvm->vm, KVM_CREATE_PIT2, &pit) ||
	    ioctl(kvm->vm, KVM_REINJECT_CONTROL, &no_reinjection))
		fail(STATUS_USAGE, "KVM: cannot make the timer: %s", strerror(errno));
}

void kvm_create(struct kvm *kvm)
{
	const char *mend;

	kvm->sys = kvm_open_errno(&mend);
	if (kvm->sys < 0)
		fail(STATUS_USAGE, "/dev/kvm: %s; %s",
		     kvm->sys == -EPROTO ? "unknown API version" : strerror(-kvm->sys), mend);
	check_needs(kvm);
	kvm->run_size = ioctl(kvm->sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm->any_length = ioctl(kvm->sys, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
	kvm->vm = ioctl(kvm->sys, KVM_CREATE_VM, 0);
	if (kvm->vm < 0)
		fail(STATUS_USAGE, "KVM: cannot make a VM: %s; see dmesg", strerror(errno));
	create_chips(kvm);
}

void kvm_add_memory(struct kvm *kvm, const struct memory *memory)
{
	struct memory_range ranges[MEMORY_MAX_RANGES];
	unsigned int i, n = memory_ranges(memory, ranges);

	for (i = 0; i < n; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = ranges[i].gpa,
			.memory_size = ranges[i].size,
			.userspace_addr = (uintptr_t)ranges[i].hva,
		};

		if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &slot))
			fail(STATUS_USAGE, "KVM: does not take the guest's memory: %s; give less",
			     strerror(errno));
	}
}
