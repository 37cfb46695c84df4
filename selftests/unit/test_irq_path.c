// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which way of an interrupt vmrun tells, and why, for hosts and guests of every kind:
 * the test bed has neither APICv nor AVIC.
 */
#include <stdint.h>
#include <string.h>

#include "../../user/vmrun/irq_path.h"
#include "ktap.h"

#define X2APIC	{ .apic_mode = KVLANE_APIC_X2APIC }
#define POSTS	(KVLANE_IRQ_KVM | KVLANE_IRQ_APICV_AVAILABLE | KVLANE_IRQ_APICV_ACTIVE)
#define INHIBIT(name) (1ULL << KVLANE_INHIBIT_##name)

/* A guest of three processors, whose flags are given. */
static void choose(struct irq_path *path, uint32_t state, uint64_t inhibits,
		   const uint32_t flags[3], bool offered)
{
	struct kvlane_irq_vcpu vcpus[3] = { X2APIC, X2APIC, X2APIC };
	struct kvlane_irq_info info = {
		.state = state,
		.irqchip = KVLANE_IRQCHIP_KERNEL,
		.num_vcpus = 3,
		.inhibits = inhibits,
	};
	int i;

	for (i = 0; i < 3; i++)
		vcpus[i].flags = flags[i];
	irq_path_choose(path, &info, vcpus, offered);
}

static const uint32_t none[3];
static const uint32_t eoi[3] = {
	KVLANE_IRQ_VCPU_PV_EOI, KVLANE_IRQ_VCPU_PV_EOI, KVLANE_IRQ_VCPU_PV_EOI,
};
static const uint32_t both[3] = {
	KVLANE_IRQ_VCPU_PV_EOI | KVLANE_IRQ_VCPU_APICV,
	KVLANE_IRQ_VCPU_PV_EOI | KVLANE_IRQ_VCPU_APICV,
	KVLANE_IRQ_VCPU_PV_EOI | KVLANE_IRQ_VCPU_APICV,
};

TEST(irq_path_posted)
{
	struct irq_path path;

	choose(&path, POSTS, 0, both, true);
	EXPECT_EQ(path.way, IRQ_WAY_POSTED);
	EXPECT(!strcmp(path.why, "nothing inhibits it"));
	/* Whether the guest has PV-EOI does not matter then. */
	choose(&path, POSTS, 0, (const uint32_t[3]){ 1, 1, 1 }, false);
	EXPECT_EQ(path.way, IRQ_WAY_POSTED);
	EXPECT(!strcmp(path.why, "nothing inhibits it"));
}

TEST(irq_path_posted_to_some)
{
	struct irq_path path;

	choose(&path, POSTS, 0, (const uint32_t[3]){ 3, 3, 0 }, true);
	EXPECT_EQ(path.way, IRQ_WAY_PLAIN);
	EXPECT(!strcmp(path.why, "the APIC is off on 1 of 3 CPUs"));
}

TEST(irq_path_pv_eoi)
{
	struct irq_path path;

	choose(&path, KVLANE_IRQ_KVM, INHIBIT(DISABLED), eoi, true);
	EXPECT_EQ(path.way, IRQ_WAY_PV_EOI);
	EXPECT(strstr(path.why, "(DISABLED)"));
	EXPECT(!strstr(path.why, "PV-EOI"));
}

/* There, but kept from use: every reason is named, whatever the guest does. */
TEST(irq_path_inhibited)
{
	struct irq_path path;

	choose(&path, KVLANE_IRQ_KVM | KVLANE_IRQ_APICV_AVAILABLE,
	       INHIBIT(PIT_REINJ) | INHIBIT(IRQWIN), eoi, true);
	EXPECT_EQ(path.way, IRQ_WAY_PV_EOI);
	EXPECT(strstr(path.why, "(PIT_REINJ)"));
	EXPECT(strstr(path.why, "(IRQWIN)"));
	EXPECT(!strstr(path.why, "DISABLED"));
}

TEST(irq_path_plain)
{
	struct irq_path path;

	choose(&path, KVLANE_IRQ_KVM, INHIBIT(DISABLED), none, true);
	EXPECT_EQ(path.way, IRQ_WAY_PLAIN);
	EXPECT(strstr(path.why, "the guest has not enabled PV-EOI"));
	choose(&path, KVLANE_IRQ_KVM, INHIBIT(DISABLED), none, false);
	EXPECT_EQ(path.way, IRQ_WAY_PLAIN);
	EXPECT(strstr(path.why, "--pv-eoi off"));
	choose(&path, KVLANE_IRQ_KVM, INHIBIT(DISABLED), (const uint32_t[3]){ 2, 0, 2 }, true);
	EXPECT_EQ(path.way, IRQ_WAY_PLAIN);
	EXPECT(strstr(path.why, "on 2 of 3 CPUs"));
}

TEST(irq_path_unknown)
{
	struct irq_path path;

	choose(&path, 0, 0, both, true);
	EXPECT_EQ(path.way, IRQ_WAY_UNKNOWN);
	EXPECT(path.why[0]);
}

TEST(irq_path_each_vcpu)
{
	EXPECT_EQ(irq_path_of_vcpu(&(struct kvlane_irq_vcpu){ .flags = 0 }), IRQ_WAY_PLAIN);
	EXPECT_EQ(irq_path_of_vcpu(&(struct kvlane_irq_vcpu){ .flags = 1 }), IRQ_WAY_POSTED);
	EXPECT_EQ(irq_path_of_vcpu(&(struct kvlane_irq_vcpu){ .flags = 2 }), IRQ_WAY_PV_EOI);
	EXPECT_EQ(irq_path_of_vcpu(&(struct kvlane_irq_vcpu){ .flags = 3 }), IRQ_WAY_POSTED);
}

/* Every reason has a name of its own, and all of them at once do no harm. */
TEST(irq_path_every_inhibit)
{
	struct irq_path path;
	char name[64];
	unsigned int i;

	for (i = 0; i < KVLANE_NR_INHIBITS; i++) {
		choose(&path, KVLANE_IRQ_KVM, 1ULL << i, eoi, true);
		EXPECT_EQ(path.way, IRQ_WAY_PV_EOI);
		snprintf(name, sizeof(name), "(%s)", irq_path_inhibit(i));
		EXPECT(strstr(path.why, name));
	}
	choose(&path, KVLANE_IRQ_KVM, ~0ULL, none, true);
	EXPECT_EQ(path.way, IRQ_WAY_PLAIN);
	EXPECT(strlen(path.why) < sizeof(path.why));
	EXPECT(!strcmp(irq_path_inhibit(KVLANE_NR_INHIBITS), "OTHER"));
}
