// SPDX-License-Identifier: GPL-2.0-only
/* What KVM offers a guest that knows about it. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <asm/kvm_para.h>

#include "kselftest_harness.h"

static uint32_t kvm_features(void)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid(KVM_CPUID_FEATURES, eax, ebx, ecx, edx);
	return eax;
}

TEST(signature)
{
	uint32_t eax, reg[3];
	char text[13] = "";

	__cpuid(1, eax, reg[0], reg[1], reg[2]);
	EXPECT_NE(0, reg[1] & 1U << 31) {
		TH_LOG("no hypervisor bit");
	}
	__cpuid(KVM_CPUID_SIGNATURE, eax, reg[0], reg[1], reg[2]);
	memcpy(text, reg, 12);
	EXPECT_STREQ("KVMKVMKVM", text);
	EXPECT_LE(KVM_CPUID_FEATURES, eax);
}

TEST(features)
{
	static const struct { int bit; const char *name; } need[] = {
		{ KVM_FEATURE_CLOCKSOURCE2, "kvmclock" },
		{ KVM_FEATURE_CLOCKSOURCE_STABLE_BIT, "stable kvmclock" },
		{ KVM_FEATURE_ASYNC_PF, "asynchronous page faults" },
		{ KVM_FEATURE_ASYNC_PF_INT, "asynchronous page faults by interrupt" },
		{ KVM_FEATURE_PV_EOI, "PV-EOI" },
		{ KVM_FEATURE_PV_UNHALT, "PV unhalt" },
	};
	uint32_t have = kvm_features();
	unsigned int i;

	for (i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		EXPECT_NE(0, have & 1U << need[i].bit) {
			TH_LOG("%s is missing", need[i].name);
		}
	}
}

TEST(clocksource)
{
	char name[32] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY);

	ASSERT_LT(0, read(fd, name, sizeof(name) - 1));
	name[strcspn(name, "\n")] = 0;
	EXPECT_STREQ("kvm-clock", name);
	close(fd);
}

TEST(count)
{
	EXPECT_EQ(4, sysconf(_SC_NPROCESSORS_ONLN));
}

TEST_HARNESS_MAIN
