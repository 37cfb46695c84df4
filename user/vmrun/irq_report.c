// SPDX-License-Identifier: GPL-2.0-only
/* How interrupts get to the guest, in reports. */
#include "irq_report.h"
#include "irq_path.h"
#include "machine.h"
#include "number.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static const char *irqchip_name(unsigned int irqchip)
{
	static const char *const names[] = {
		[KVLANE_IRQCHIP_NONE] = "none",
		[KVLANE_IRQCHIP_SPLIT] = "split",
		[KVLANE_IRQCHIP_KERNEL] = "kernel",
	};

	return irqchip < ARRAY_SIZE(names) ? names[irqchip] : "unknown";
}

static const char *apic_name(unsigned int mode)
{
	static const char *const names[] = {
		[KVLANE_APIC_NONE] = "none",
		[KVLANE_APIC_DISABLED] = "off",
		[KVLANE_APIC_XAPIC] = "xAPIC",
		[KVLANE_APIC_X2APIC] = "x2APIC",
	};

	return mode < ARRAY_SIZE(names) ? names[mode] : "unknown";
}

static json_t *report_inhibits(uint64_t mask)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < KVLANE_NR_INHIBITS; i++) {
		if (mask >> i & 1)
			json_array_append_new(list, json_string(irq_path_inhibit(i)));
	}
	return list;
}

static json_t *report_vcpu(const struct kvlane_irq_vcpu *vcpu)
{
	return json_pack("{s:i, s:s, s:s, s:b, s:b}", "id", vcpu->id, "path",
			 irq_path_name(irq_path_of_vcpu(vcpu)), "apic", apic_name(vcpu->apic_mode),
			 "apicv", !!(vcpu->flags & KVLANE_IRQ_VCPU_APICV), "pv_eoi",
			 !!(vcpu->flags & KVLANE_IRQ_VCPU_PV_EOI));
}

static json_t *report_nothing(const char *why)
{
	return json_pack("{s:s, s:s}", "path", irq_path_name(IRQ_WAY_UNKNOWN), "why", why);
}

json_t *irq_report(const struct machine *machine)
{
	struct kvlane_irq_vcpu vcpus[MAX_CPUS] = {};
	struct kvlane_irq_info info = {
		.num_vcpus = MAX_CPUS,
		.vcpu_size = sizeof(vcpus[0]),
		.vcpus = (uintptr_t)vcpus,
	};
	json_t *list = json_array();
	struct irq_path path;

	if (machine->module.vm < 0 || ioctl(machine->module.vm, KVLANE_IRQ_INFO, &info)) {
		json_decref(list);
		return report_nothing(machine->module.vm < 0 ? "no device of the module's" :
							       strerror(errno));
	}
	irq_path_choose(&path, &info, vcpus, !machine->config->no_pv_eoi);
	for (unsigned int i = 0; i < info.num_vcpus; i++)
		json_array_append_new(list, report_vcpu(&vcpus[i]));
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:I, s:I, s:I, s:o}", "path",
			 irq_path_name(path.way), "why", path.why, "irqchip",
			 irqchip_name(info.irqchip), "apicv_available",
			 !!(info.state & KVLANE_IRQ_APICV_AVAILABLE), "apicv_active",
			 !!(info.state & KVLANE_IRQ_APICV_ACTIVE), "inhibits",
			 report_inhibits(info.inhibits), "sent", (json_int_t)info.interrupts,
			 "posted", (json_int_t)info.posted, "suppressed",
			 (json_int_t)info.suppressed, "vcpus", list);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool is_alike(const json_t *a, const json_t *b)
{
	return !strcmp(text_of(a, "path"), text_of(b, "path")) &&
	       !strcmp(text_of(a, "apic"), text_of(b, "apic"));
}

/* A line for each row of processors that are alike. */
static void print_vcpus(const json_t *vcpus)
{
	const json_t *first, *last;
	size_t i, end;

	for (i = 0; i < json_array_size(vcpus); i = end) {
		first = json_array_get(vcpus, i);
		last = first;
		for (end = i + 1; end < json_array_size(vcpus); end++) {
			if (!is_alike(first, json_array_get(vcpus, end)))
				break;
			last = json_array_get(vcpus, end);
		}
		printf("  CPU %lld", number_of(first, "id"));
		if (last != first)
			printf(" to %lld", number_of(last, "id"));
		printf(": %s, APIC %s\n", text_of(first, "path"), text_of(first, "apic"));
	}
}

void irq_report_print(const json_t *report)
{
	if (!report)
		return;
	printf("interrupts: %s; %s\n", text_of(report, "path"), text_of(report, "why"));
	if (!json_object_get(report, "vcpus"))
		return;
	printf("  sent %lld, posted %lld, saved %lld, irqchip %s\n", number_of(report, "sent"),
	       number_of(report, "posted"), number_of(report, "suppressed"),
	       text_of(report, "irqchip"));
	print_vcpus(json_object_get(report, "vcpus"));
}
