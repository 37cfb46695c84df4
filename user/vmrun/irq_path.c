// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which way interrupts take, worked out from what the module tells. Asks nobody, so
 * that ways the host at hand does not have can be tested, too.
 */
#include "irq_path.h"
#include "number.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *text;
} inhibits[KVLANE_NR_INHIBITS] = {
	[KVLANE_INHIBIT_DISABLED] = { "DISABLED", "the host has none or KVM does not use it" },
	[KVLANE_INHIBIT_HYPERV] = { "HYPERV", "the guest uses Hyper-V's AutoEOI" },
	[KVLANE_INHIBIT_ABSENT] = { "ABSENT", "no interrupt controllers in the kernel" },
	[KVLANE_INHIBIT_BLOCKIRQ] = { "BLOCKIRQ", "a debugger holds back interrupts" },
	[KVLANE_INHIBIT_PHYSICAL_ID_ALIASED] = { "PHYSICAL_ID_ALIASED",
						 "two CPUs have one APIC ID" },
	[KVLANE_INHIBIT_PHYSICAL_ID_TOO_BIG] = { "PHYSICAL_ID_TOO_BIG",
						 "an APIC ID is too large for it" },
	[KVLANE_INHIBIT_APIC_ID_MODIFIED] = { "APIC_ID_MODIFIED",
					      "the guest has changed an APIC ID" },
	[KVLANE_INHIBIT_APIC_BASE_MODIFIED] = { "APIC_BASE_MODIFIED",
						"the guest has moved an APIC" },
	[KVLANE_INHIBIT_NESTED] = { "NESTED", "a CPU runs a nested guest" },
	[KVLANE_INHIBIT_IRQWIN] = { "IRQWIN", "an interrupt of the PIC waits for a CPU" },
	[KVLANE_INHIBIT_PIT_REINJ] = { "PIT_REINJ", "KVM makes up for lost ticks of the PIT" },
	[KVLANE_INHIBIT_SEV] = { "SEV", "the guest's memory is encrypted" },
	[KVLANE_INHIBIT_LOGICAL_ID_ALIASED] = { "LOGICAL_ID_ALIASED",
						"CPUs share a logical APIC ID" },
	[KVLANE_INHIBIT_OTHER] = { "OTHER", "a reason of KVM's that vmrun does not know" },
};

const char *irq_path_inhibit(unsigned int inhibit)
{
	return inhibit < KVLANE_NR_INHIBITS ? inhibits[inhibit].name : "OTHER";
}

const char *irq_path_name(enum irq_way way)
{
	static const char *const names[] = {
		[IRQ_WAY_UNKNOWN] = "unknown",
		[IRQ_WAY_POSTED] = "posted by APICv/AVIC",
		[IRQ_WAY_PV_EOI] = "PV-EOI",
		[IRQ_WAY_PLAIN] = "plain EOI exits",
	};

	return names[way];
}

enum irq_way irq_path_of_vcpu(const struct kvlane_irq_vcpu *vcpu)
{
	if (vcpu->flags & KVLANE_IRQ_VCPU_APICV)
		return IRQ_WAY_POSTED;
	return vcpu->flags & KVLANE_IRQ_VCPU_PV_EOI ? IRQ_WAY_PV_EOI : IRQ_WAY_PLAIN;
}

static void add(struct irq_path *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds to why; what does not fit is left out. */
static void add(struct irq_path *path, const char *fmt, ...)
{
	size_t used = strlen(path->why);
	va_list args;

	va_start(args, fmt);
	vsnprintf(path->why + used, sizeof(path->why) - used, fmt, args);
	va_end(args);
}

static void explain_inhibits(struct irq_path *path, uint64_t mask)
{
	const char *between = "no APICv/AVIC: ";

	for (unsigned int i = 0; i < KVLANE_NR_INHIBITS; i++) {
		if (!(mask >> i & 1))
			continue;
		add(path, "%s%s (%s)", between, inhibits[i].text, inhibits[i].name);
		between = ", ";
	}
}

static void explain_eoi(struct irq_path *path, const struct kvlane_irq_info *info,
			unsigned int enabled, bool offered)
{
	if (!offered)
		add(path, "; PV-EOI is off by --pv-eoi off");
	else if (!enabled)
		add(path, "; the guest has not enabled PV-EOI");
	else if (enabled < info->num_vcpus)
		add(path, "; the guest has enabled PV-EOI on %u of %u CPUs", enabled,
		    info->num_vcpus);
}

/* While the VM has APICv, a processor has not only if its APIC is off. */
static void explain_vcpus(struct irq_path *path, const struct kvlane_irq_info *info,
			  unsigned int posted)
{
	if (posted < info->num_vcpus)
		add(path, "the APIC is off on %u of %u CPUs", info->num_vcpus - posted,
		    info->num_vcpus);
	else
		add(path, "nothing inhibits it");
}

void irq_path_choose(struct irq_path *path, const struct kvlane_irq_info *info,
		     const struct kvlane_irq_vcpu *vcpus, bool offered)
{
	unsigned int enabled = 0, posted = 0;
	enum irq_way way;

	*path = (struct irq_path){};
	if (!(info->state & KVLANE_IRQ_KVM)) {
		add(path, "the module knows nothing of KVM's VM");
		return;
	}
	for (unsigned int i = 0; i < info->num_vcpus; i++) {
		way = irq_path_of_vcpu(&vcpus[i]);
		posted += way == IRQ_WAY_POSTED;
		enabled += !!(vcpus[i].flags & KVLANE_IRQ_VCPU_PV_EOI);
		if (way > path->way)
			path->way = way;
	}
	if (info->state & KVLANE_IRQ_APICV_ACTIVE) {
		explain_vcpus(path, info, posted);
		return;
	}
	explain_inhibits(path, info->inhibits);
	explain_eoi(path, info, enabled, offered);
}
