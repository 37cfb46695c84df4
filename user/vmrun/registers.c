// SPDX-License-Identifier: GPL-2.0-only
/* Registers of the processors, at the start and after a reset. */
#include "registers.h"
#include "layout.h"
#include "number.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define CR0_PE (1ULL << 0)
#define CR0_ET (1ULL << 4)
#define CR0_PG (1ULL << 31)
#define CR4_PAE (1ULL << 5)
#define CR4_LA57 (1ULL << 12)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)

#define MSR_TSC_AUX 0xc0000103
#define MSR_MTRR_BASE0 0x200
#define MSR_MTRR_MASK0 0x201
#define MSR_MTRR_DEFAULT 0x2ff
#define MTRR_ENABLE (1ULL << 11)
#define MTRR_VALID (1ULL << 11)
#define MTRR_UNCACHED 0
#define MTRR_WRITE_BACK 6

static int set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) == 1 ? 0 : -EINVAL;
}

int registers_memory_types(struct vcpus *vcpus, struct vcpu *vcpu)
{
	uint64_t width = (1ULL << cpuid_phys_bits(vcpus->cpuid)) - 1;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[3];
	} msrs = {
		.head.nmsrs = 3,
		.entries = {
			{ .index = MSR_MTRR_BASE0, .data = PCI_MMIO32_BASE | MTRR_UNCACHED },
			{ .index = MSR_MTRR_MASK0, .data = (width & ~(GIB - 1)) | MTRR_VALID },
			{ .index = MSR_MTRR_DEFAULT, .data = MTRR_ENABLE | MTRR_WRITE_BACK },
		},
	};

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) == 3 ? 0 : -EINVAL;
}

static struct kvm_segment segment(unsigned int selector, unsigned int type, bool is_long)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = !is_long,
		.s = 1,
		.l = is_long,
		.g = 1,
	};
}

int registers_boot(struct vcpus *vcpus, const struct boot *boot)
{
	struct kvm_sregs sregs = vcpus->reset_sregs;
	struct kvm_regs regs = { .rflags = 2, .rip = boot->entry };
	int fd = vcpus->list[0].fd;

	sregs.cr0 = CR0_PE | CR0_ET;
	sregs.cs = segment(0x10, 0xb, boot->mode == BOOT_LONG);
	sregs.ds = segment(0x18, 0x3, false);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	if (boot->mode == BOOT_LONG) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = boot->use_la57 ? BOOT_PAGES : BOOT_PAGES + 0x1000;
		sregs.cr4 = boot->use_la57 ? CR4_PAE | CR4_LA57 : CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		sregs.gdt.base = BOOT_GDT;
		sregs.gdt.limit = 4 * 8 - 1;
		regs.rsi = boot->argument;
	} else {
		regs.rbx = boot->argument;
	}
	if (ioctl(fd, KVM_SET_SREGS, &sregs) || ioctl(fd, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

/*
 * What a kernel leaves behind that would hurt the next one: KVM writes to memory
 * for as long as these are set.  Those KVM does not know are left alone.
 */
static void reset_msrs(struct vcpu *vcpu)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} msrs[] = {
		{ MSR_KVM_SYSTEM_TIME, 0 },
		{ MSR_KVM_SYSTEM_TIME_NEW, 0 },
		{ MSR_KVM_ASYNC_PF_EN, 0 },
		{ MSR_KVM_ASYNC_PF_INT, 0 },
		{ MSR_KVM_STEAL_TIME, 0 },
		{ MSR_KVM_PV_EOI_EN, 0 },
		{ MSR_KVM_POLL_CONTROL, 1 },
		{ MSR_TSC_AUX, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		set_msr(vcpu, msrs[i].index, msrs[i].value);
}

static int reset_extended(struct vcpus *vcpus, struct vcpu *vcpu)
{
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 1 };
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
	};

	if (ioctl(vcpu->fd, KVM_SET_FPU, &fpu) || ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug) ||
	    ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events))
		return -errno;
	if (cpuid_has_xsave(vcpus->cpuid) && ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs))
		return -errno;
	return 0;
}

int registers_reset(struct vcpus *vcpus, struct vcpu *vcpu)
{
	struct kvm_mp_state state = {
		.mp_state = vcpu->id ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE,
	};
	struct kvm_sregs sregs = vcpus->reset_sregs;
	struct kvm_lapic_state lapic = vcpus->reset_lapic;
	struct kvm_regs regs = { .rflags = 2, .rip = 0xfff0 };
	const uint64_t is_bsp = 1 << 8;
	uint32_t apic_id = vcpu->id << 24;
	int err;

	if (vcpu->id)
		sregs.apic_base &= ~is_bsp;
	memcpy(&lapic.regs[0x20], &apic_id, sizeof(apic_id));
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic))
		return -errno;
	reset_msrs(vcpu);
	err = reset_extended(vcpus, vcpu);
	if (err)
		return err;
	if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &state))
		return -errno;
	return registers_memory_types(vcpus, vcpu);
}
