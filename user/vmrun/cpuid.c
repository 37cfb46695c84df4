// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID of the guest.
 *
 * KVM says what it can give on this host; topology and APIC IDs are ours. All
 * vCPUs share one table, in which cpuid_apply() puts the few fields that tell
 * the processors apart.
 */
#include "cpuid.h"
#include "number.h"
#include "say.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define LEAF_KVM_FREQUENCY 0x40000010
#define APIC_BUS_KHZ 1000000	/* KVM's local APIC counts nanoseconds */

#define F1_ECX_VMX (1U << 5)
#define F1_ECX_X2APIC (1U << 21)
#define F1_ECX_TSC_DEADLINE (1U << 24)
#define F1_ECX_XSAVE (1U << 26)
#define F1_ECX_HYPERVISOR (1U << 31)
#define F1_EDX_HTT (1U << 28)
#define F7_ECX_LA57 (1U << 16)
#define F8_1_ECX_CMP_LEGACY (1U << 1)
#define F8_1_ECX_SVM (1U << 2)

struct cpuid {
	unsigned int cpus;
	unsigned int core_bits;
	bool deadline;
	bool pv_eoi;
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_MAX_ENTRIES];
};

static struct kvm_cpuid_entry2 *find(struct cpuid *c, uint32_t function, uint32_t index)
{
	for (unsigned int i = 0; i < c->head.nent; i++) {
		if (c->entries[i].function == function && c->entries[i].index == index)
			return &c->entries[i];
	}
	return NULL;
}

static void drop(struct cpuid *c, uint32_t function)
{
	unsigned int from, to = 0;

	for (from = 0; from < c->head.nent; from++) {
		if (c->entries[from].function != function)
			c->entries[to++] = c->entries[from];
	}
	c->head.nent = to;
}

static struct kvm_cpuid_entry2 *add(struct cpuid *c, uint32_t function, uint32_t index,
				    uint32_t flags)
{
	struct kvm_cpuid_entry2 *e;

	if (c->head.nent == CPUID_MAX_ENTRIES)
		fail(STATUS_USAGE, "KVM: more CPUID leaves than vmrun can hold");
	e = &c->entries[c->head.nent++];
	*e = (struct kvm_cpuid_entry2){ .function = function, .index = index, .flags = flags };
	return e;
}

/* Leaf 0xb or 0x1f: one thread per core, all cores in one package. */
static void add_topology(struct cpuid *c, uint32_t function)
{
	const uint32_t flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	struct kvm_cpuid_entry2 *e;

	drop(c, function);
	e = add(c, function, 0, flags);
	e->ebx = 1;
	e->ecx = 0x100;
	e = add(c, function, 1, flags);
	e->eax = c->core_bits;
	e->ebx = c->cpus;
	e->ecx = 0x201;
	e = add(c, function, 2, flags);
	e->ecx = 2;
}

/* Leaf 4 (Intel) or 0x8000001d (AMD): the last level is shared, others are not. */
static void set_cache_sharing(struct cpuid *c, struct kvm_cpuid_entry2 *e)
{
	unsigned int level = e->eax >> 5 & 7;
	uint32_t shared = level >= 3 ? (1U << c->core_bits) - 1 : 0;

	e->eax = (e->eax & 0x3fff) | shared << 14;
	if (e->function == 4)
		e->eax |= (c->cpus > 64 ? 63 : (1U << c->core_bits) - 1) << 26;
}

static void set_features(struct cpuid *c, struct kvm_cpuid_entry2 *e)
{
	e->ecx &= ~F1_ECX_VMX;
	e->ecx |= F1_ECX_HYPERVISOR | F1_ECX_X2APIC;
	if (c->deadline)
		e->ecx |= F1_ECX_TSC_DEADLINE;
	e->ebx = (e->ebx & 0xff00) | c->cpus << 16;
	e->edx &= ~F1_EDX_HTT;
	if (c->cpus > 1)
		e->edx |= F1_EDX_HTT;
}

static void set_leaf(struct cpuid *c, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		set_features(c, e);
		break;
	case 4:
	case 0x8000001d:
		set_cache_sharing(c, e);
		break;
	case KVM_CPUID_SIGNATURE:
		e->eax = LEAF_KVM_FREQUENCY;
		break;
	case KVM_CPUID_FEATURES:
		if (!c->pv_eoi)
			e->eax &= ~(1U << KVM_FEATURE_PV_EOI);
		break;
	case 0x80000001:
		e->ecx &= ~(F8_1_ECX_SVM | F8_1_ECX_CMP_LEGACY);
		if (c->cpus > 1)
			e->ecx |= F8_1_ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffU) | c->core_bits << 12 | (c->cpus - 1);
		break;
	}
}

struct cpuid *cpuid_create(int sys, unsigned int cpus, bool pv_eoi)
{
	struct kvm_cpuid_entry2 *max;
	struct cpuid *c;

	c = calloc(1, sizeof(*c));
	if (!c)
		fail(STATUS_FAILURE, "CPUID: no memory");
	c->cpus = cpus;
	c->pv_eoi = pv_eoi;
	while (1U << c->core_bits < cpus)
		c->core_bits++;
	c->deadline = ioctl(sys, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	c->head.nent = CPUID_MAX_ENTRIES;
	if (ioctl(sys, KVM_GET_SUPPORTED_CPUID, &c->head))
		fail(STATUS_USAGE, "KVM: does not tell its CPUID: %s", strerror(errno));
	drop(c, 0x8000000a);	/* SVM */
	drop(c, 0x80000026);	/* AMD's other way to tell the topology */
	for (unsigned int i = 0; i < c->head.nent; i++)
		set_leaf(c, &c->entries[i]);
	max = find(c, 0, 0);
	if (max && max->eax < 0xb)
		max->eax = 0xb;
	add_topology(c, 0xb);
	if (max && max->eax >= 0x1f)
		add_topology(c, 0x1f);
	drop(c, LEAF_KVM_FREQUENCY);
	add(c, LEAF_KVM_FREQUENCY, 0, 0)->ebx = APIC_BUS_KHZ;
	return c;
}

unsigned int cpuid_phys_bits(const struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find((struct cpuid *)cpuid, 0x80000008, 0);

	return e ? e->eax & 0xff : 36;
}

bool cpuid_has_xsave(const struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find((struct cpuid *)cpuid, 1, 0);

	return e && e->ecx & F1_ECX_XSAVE;
}

bool cpuid_has_la57(const struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find((struct cpuid *)cpuid, 7, 0);

	return e && e->ecx & F7_ECX_LA57;
}

void cpuid_set_tsc_khz(struct cpuid *cpuid, unsigned int khz)
{
	find(cpuid, LEAF_KVM_FREQUENCY, 0)->eax = khz;
}

int cpuid_apply(struct cpuid *cpuid, int fd, unsigned int apic_id)
{
	struct kvm_cpuid_entry2 *e;

	for (unsigned int i = 0; i < cpuid->head.nent; i++) {
		e = &cpuid->entries[i];
		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffffff) | apic_id << 24;
			break;
		case 0xb:
		case 0x1f:
			e->edx = apic_id;
			break;
		case 0x8000001e:
			e->eax = apic_id;
			e->ebx = apic_id & 0xff;
			e->ecx = 0;
			break;
		}
	}
	return ioctl(fd, KVM_SET_CPUID2, &cpuid->head) ? -errno : 0;
}
