// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVLANE_IRQ_INFO: what KVM was told here is what it tells, with and without KVM,
 * and also while vCPUs are being made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asm/kvm_para.h>
#include <linux/kvm.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define PAGE		4096
#define MSR_APIC_BASE	0x1b
#define APIC_BASE	0xfee00000ULL
#define APIC_BSP	(1U << 8)
#define APIC_X2		(1U << 10)
#define APIC_ON		(1U << 11)
#define CPUID_1_X2APIC	(1U << 21)
#define MANY		64

/* An ioctl that has to fail. */
#define EXPECT_ERRNO(error, call) do {		\
	errno = 0;				\
	EXPECT_EQ(-1, (call));			\
	EXPECT_EQ(error, errno);		\
} while (0)

static int irq_info(int vm, struct kvlane_irq_info *info, struct kvlane_irq_vcpu *vcpus,
		    unsigned int room)
{
	*info = (struct kvlane_irq_info){
		.num_vcpus = room,
		.vcpu_size = sizeof(*vcpus),
		.vcpus = (uintptr_t)vcpus,
	};
	return ioctl(vm, KVLANE_IRQ_INFO, info);
}

FIXTURE(plain) {
	struct guest g;
};

FIXTURE_SETUP(plain)
{
	ASSERT_EQ(0, guest_open(&self->g, MEM));
}

FIXTURE_TEARDOWN(plain)
{
	guest_close(&self->g);
}

TEST_F(plain, nothing_known)
{
	struct kvlane_irq_vcpu vcpus[2];
	struct kvlane_irq_info info;

	memset(vcpus, 0x5a, sizeof(vcpus));
	ASSERT_EQ(0, irq_info(self->g.vm, &info, vcpus, 2));
	EXPECT_EQ(0, info.state);
	EXPECT_EQ(KVLANE_IRQCHIP_NONE, info.irqchip);
	EXPECT_EQ(0, info.num_vcpus);
	EXPECT_EQ(0, info.inhibits);
	EXPECT_EQ(0, info.interrupts);
	EXPECT_EQ(0x5a5a5a5a, vcpus[0].id);
}

TEST_F(plain, bad_input)
{
	const struct kvlane_irq_info good = { .vcpu_size = sizeof(struct kvlane_irq_vcpu) };
	struct kvlane_irq_info info = good;
	uint32_t sizes[] = { 0, 8, 12, 20, 4097, 4104, UINT32_MAX }, i;

	info.flags = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
	info = good;
	info.reserved0 = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
	for (i = 0; i < 5; i++) {
		info = good;
		info.reserved[i] = 1;
		EXPECT_ERRNO(EINVAL, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
	}
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		info = good;
		info.vcpu_size = sizes[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
	}
	EXPECT_ERRNO(EFAULT, ioctl(self->g.vm, KVLANE_IRQ_INFO, 8));
	EXPECT_ERRNO(ENOTTY, ioctl(self->g.kvlane, KVLANE_IRQ_INFO, &info));
	info = good;
	EXPECT_EQ(0, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
	info.vcpu_size = 4096;
	EXPECT_EQ(0, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
}

/* What is only out does not matter on the way in. */
TEST_F(plain, asked_twice)
{
	struct kvlane_irq_info info = { .vcpu_size = 16, .state = ~0U, .irqchip = ~0U };

	info.inhibits = ~0ULL;
	info.interrupts = ~0ULL;
	ASSERT_EQ(0, ioctl(self->g.vm, KVLANE_IRQ_INFO, &info));
	EXPECT_EQ(0, info.state);
	EXPECT_EQ(0, info.irqchip);
	EXPECT_EQ(0, info.inhibits);
	EXPECT_EQ(0, info.interrupts);
}

TEST_F(plain, cannot_be_written)
{
	struct kvlane_irq_info *info = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, info);
	info->vcpu_size = 16;
	ASSERT_EQ(0, mprotect(info, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->g.vm, KVLANE_IRQ_INFO, info));
	munmap(info, PAGE);
}

TEST_F(plain, another_process)
{
	struct kvlane_irq_info info = { .vcpu_size = 16 };
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(ioctl(self->g.vm, KVLANE_IRQ_INFO, &info) == -1 ? errno : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
}

TEST_F(plain, counts_interrupts)
{
	struct kvlane_queue_stats stats;
	struct kvlane_irq_info info;
	struct blk_req r;
	struct device d;

	ASSERT_EQ(0, device_open(&d, &self->g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&d, disk_memfd(1 << 20), 0, 0));
	ASSERT_EQ(0, device_start(&d, FEATURES_PLAIN));
	ASSERT_EQ(0, blk_alloc(&self->g, &r, 512));
	ASSERT_EQ(VIRTIO_BLK_S_OK, blk_do(&d.vq[1], &r, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(VIRTIO_BLK_S_OK, blk_do(&d.vq[1], &r, VIRTIO_BLK_T_IN, 1, 512));
	ASSERT_EQ(0, irq_info(self->g.vm, &info, NULL, 0));
	EXPECT_EQ(2, info.interrupts + info.suppressed);
	EXPECT_EQ(0, info.posted);
	ASSERT_EQ(0, device_stats(&d, NULL, 1, &stats));
	EXPECT_EQ(info.interrupts, stats.interrupts);
	EXPECT_EQ(info.suppressed, stats.suppressed);
	EXPECT_EQ(0, stats.posted);
	device_close(&d);
	/* Devices that are gone do not count. */
	ASSERT_EQ(0, irq_info(self->g.vm, &info, NULL, 0));
	EXPECT_EQ(0, info.interrupts);
}

FIXTURE(kvm) {
	int kvlane;
	int kvm;
	int vm;
	int ours;
	uint8_t *mem;
};

FIXTURE_SETUP(kvm)
{
	struct kvlane_create_vm create = {};
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = 0, .memory_size = MEM };

	self->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (self->kvm < 0)
		SKIP(return, "no /dev/kvm");
	self->vm = ioctl(self->kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	self->mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	slot.userspace_addr = (uintptr_t)self->mem;
	ASSERT_EQ(0, ioctl(self->vm, KVM_SET_USER_MEMORY_REGION, &slot));
	self->kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	create.kvm_fd = self->vm;
	self->ours = ioctl(self->kvlane, KVLANE_CREATE_VM, &create);
	ASSERT_LE(0, self->ours);
}

FIXTURE_TEARDOWN(kvm)
{
	close(self->ours);
	close(self->kvlane);
	close(self->vm);
	close(self->kvm);
	munmap(self->mem, MEM);
}

static int set_msr(int vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return ioctl(vcpu, KVM_SET_MSRS, &msrs) == 1 ? 0 : -1;
}

/* Lets a vCPU have all that KVM supports, and the x2APIC. */
static int set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	unsigned int i;
	int err;

	cpuid->nent = 256;
	err = ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	for (i = 0; !err && i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_1_X2APIC;
	if (!err)
		err = ioctl(vcpu, KVM_SET_CPUID2, cpuid);
	free(cpuid);
	return err;
}

/* Two vCPUs that are not numbered from 0 on. */
static int make_two(int kvm, int vm, int vcpus[2])
{
	static const int ids[2] = { 1, 6 };
	int i;

	for (i = 0; i < 2; i++) {
		vcpus[i] = ioctl(vm, KVM_CREATE_VCPU, ids[i]);
		if (vcpus[i] < 0 || set_cpuid(kvm, vcpus[i]))
			return -1;
	}
	return 0;
}

/* The information is never at odds with itself. */
static bool consistent(const struct kvlane_irq_info *info)
{
	const uint32_t available = KVLANE_IRQ_APICV_AVAILABLE, active = KVLANE_IRQ_APICV_ACTIVE;

	if (!(info->state & KVLANE_IRQ_KVM) || info->inhibits >> KVLANE_NR_INHIBITS)
		return false;
	if (!(info->state & active) == !info->inhibits)
		return false;
	return !(info->state & available) == !!(info->inhibits >> KVLANE_INHIBIT_DISABLED & 1);
}

TEST_F(kvm, no_irqchip)
{
	struct kvlane_irq_vcpu vcpus[2];
	struct kvlane_irq_info info;
	int fds[2];

	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_TRUE(consistent(&info));
	EXPECT_EQ(KVLANE_IRQCHIP_NONE, info.irqchip);
	EXPECT_EQ(0, info.num_vcpus);
	EXPECT_EQ(0, info.state & KVLANE_IRQ_APICV_ACTIVE);
	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_EQ(2, info.num_vcpus);
	EXPECT_EQ(KVLANE_APIC_NONE, vcpus[0].apic_mode);
	EXPECT_EQ(0, vcpus[1].flags);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(kvm, irqchip_in_kernel)
{
	struct kvlane_irq_vcpu vcpus[3];
	struct kvlane_irq_info info;
	int fds[2];

	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	memset(vcpus, 0x5a, sizeof(vcpus));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 3));
	EXPECT_TRUE(consistent(&info));
	EXPECT_EQ(KVLANE_IRQCHIP_KERNEL, info.irqchip);
	/* Where APICv is not to be had anyway KVM left it at that. */
	if (!kernel_before(6, 4)) {
		EXPECT_EQ(0, info.inhibits >> KVLANE_INHIBIT_ABSENT & 1);
	}
	EXPECT_EQ(2, info.num_vcpus);
	EXPECT_EQ(1, vcpus[0].id);
	EXPECT_EQ(6, vcpus[1].id);
	EXPECT_EQ(KVLANE_APIC_XAPIC, vcpus[0].apic_mode);
	EXPECT_EQ(0, vcpus[0].flags & KVLANE_IRQ_VCPU_PV_EOI);
	EXPECT_EQ(!(info.state & KVLANE_IRQ_APICV_ACTIVE),
		  !(vcpus[0].flags & KVLANE_IRQ_VCPU_APICV));
	EXPECT_EQ(0, vcpus[0].reserved);
	EXPECT_EQ(0x5a5a5a5a, vcpus[2].id);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(kvm, split_irqchip)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvlane_irq_info info;

	ASSERT_EQ(0, ioctl(self->vm, KVM_ENABLE_CAP, &cap));
	ASSERT_EQ(0, irq_info(self->ours, &info, NULL, 0));
	EXPECT_TRUE(consistent(&info));
	EXPECT_EQ(KVLANE_IRQCHIP_SPLIT, info.irqchip);
}

/* Intel's APICv does not mind the PIT, AMD's AVIC does, if it is there. */
TEST_F(kvm, pit_reinjection)
{
	struct kvm_reinject_control control = {};
	struct kvm_pit_config pit = {};
	struct kvlane_irq_info info;
	bool amd = !access("/sys/module/kvm_amd", F_OK);

	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_PIT2, &pit));
	ASSERT_EQ(0, irq_info(self->ours, &info, NULL, 0));
	amd = amd && info.state & KVLANE_IRQ_APICV_AVAILABLE;
	EXPECT_EQ(amd, info.inhibits >> KVLANE_INHIBIT_PIT_REINJ & 1);
	EXPECT_TRUE(consistent(&info));
	ASSERT_EQ(0, ioctl(self->vm, KVM_REINJECT_CONTROL, &control));
	ASSERT_EQ(0, irq_info(self->ours, &info, NULL, 0));
	EXPECT_EQ(0, info.inhibits >> KVLANE_INHIBIT_PIT_REINJ & 1);
	EXPECT_TRUE(consistent(&info));
}

TEST_F(kvm, apic_modes)
{
	struct kvlane_irq_vcpu vcpus[2];
	struct kvlane_irq_info info;
	int fds[2];

	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	ASSERT_EQ(0, set_msr(fds[1], MSR_APIC_BASE, APIC_BASE | APIC_ON | APIC_X2));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_EQ(KVLANE_APIC_XAPIC, vcpus[0].apic_mode);
	EXPECT_EQ(KVLANE_APIC_X2APIC, vcpus[1].apic_mode);
	ASSERT_EQ(0, set_msr(fds[1], MSR_APIC_BASE, APIC_BASE));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_EQ(KVLANE_APIC_DISABLED, vcpus[1].apic_mode);
	EXPECT_EQ(0, vcpus[1].flags & KVLANE_IRQ_VCPU_APICV);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(kvm, pv_eoi)
{
	struct kvlane_irq_vcpu vcpus[2];
	struct kvlane_irq_info info;
	int fds[2];

	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	ASSERT_EQ(0, set_msr(fds[1], MSR_KVM_PV_EOI_EN, PAGE | KVM_MSR_ENABLED));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_EQ(0, vcpus[0].flags & KVLANE_IRQ_VCPU_PV_EOI);
	EXPECT_EQ(KVLANE_IRQ_VCPU_PV_EOI, vcpus[1].flags & KVLANE_IRQ_VCPU_PV_EOI);
	ASSERT_EQ(0, set_msr(fds[1], MSR_KVM_PV_EOI_EN, 0));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_EQ(0, vcpus[1].flags & KVLANE_IRQ_VCPU_PV_EOI);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(kvm, room_for_fewer_and_for_more)
{
	struct kvlane_irq_vcpu vcpus[2];
	struct kvlane_irq_info info;
	uint8_t wide[2][64];
	int fds[2], i;

	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	memset(vcpus, 0x5a, sizeof(vcpus));
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 1));
	EXPECT_EQ(2, info.num_vcpus);
	EXPECT_EQ(1, vcpus[0].id);
	EXPECT_EQ(0x5a5a5a5a, vcpus[1].id);

	memset(wide, 0x5a, sizeof(wide));
	info = (struct kvlane_irq_info){
		.num_vcpus = ~0U, .vcpu_size = 64, .vcpus = (uintptr_t)wide,
	};
	ASSERT_EQ(0, ioctl(self->ours, KVLANE_IRQ_INFO, &info));
	EXPECT_EQ(6, wide[1][0]);
	for (i = sizeof(vcpus[0]); i < 64; i++)
		EXPECT_EQ(0, wide[1][i]);
	close(fds[0]);
	close(fds[1]);
}

TEST_F(kvm, array_cannot_be_written)
{
	struct kvlane_irq_vcpu *hole = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvlane_irq_info info;
	int fds[2];

	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	ASSERT_NE(MAP_FAILED, hole);
	ASSERT_EQ(0, mprotect((uint8_t *)hole + PAGE, PAGE, PROT_NONE));
	EXPECT_ERRNO(EFAULT, irq_info(self->ours, &info, NULL, 2));
	EXPECT_ERRNO(EFAULT, irq_info(self->ours, &info, (void *)(1UL << 63), 1));
	/* The second one does not fit, nor half of the first. */
	EXPECT_ERRNO(EFAULT, irq_info(self->ours, &info, hole + PAGE / sizeof(*hole) - 1, 2));
	EXPECT_ERRNO(EFAULT, irq_info(self->ours, &info,
				      (void *)((uint8_t *)hole + PAGE - 8), 1));
	EXPECT_EQ(0, irq_info(self->ours, &info, hole + PAGE / sizeof(*hole) - 1, 1));
	munmap(hole, 2 * PAGE);
	close(fds[0]);
	close(fds[1]);
}

/* Ours keeps KVM's VM, and its vCPUs. */
TEST_F(kvm, closed_by_its_owner)
{
	struct kvlane_irq_vcpu vcpus[2];
	struct kvlane_irq_info info;
	int fds[2];

	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, make_two(self->kvm, self->vm, fds));
	close(fds[0]);
	close(fds[1]);
	close(self->vm);
	close(self->kvm);
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, 2));
	EXPECT_TRUE(consistent(&info));
	EXPECT_EQ(2, info.num_vcpus);
	EXPECT_EQ(6, vcpus[1].id);
	self->vm = -1;
	self->kvm = -1;
}

struct maker {
	int vm;
	unsigned int made;
	atomic_bool done;
};

/* Every second one fails, since there is one of that number. */
static void *make_many(void *arg)
{
	struct maker *m = arg;
	int i, fd;

	for (i = 0; i < MANY; i++) {
		fd = ioctl(m->vm, KVM_CREATE_VCPU, i);
		if (fd >= 0) {
			m->made++;
			close(fd);
		}
		fd = ioctl(m->vm, KVM_CREATE_VCPU, i);
		if (fd >= 0)
			close(fd);
	}
	m->done = true;
	return NULL;
}

TEST_F(kvm, vcpus_come_meanwhile)
{
	struct kvlane_irq_vcpu vcpus[MANY];
	struct maker maker = { .vm = self->vm };
	struct kvlane_irq_info info = {};
	unsigned int last = 0, i;
	pthread_t thread;

	ASSERT_EQ(0, ioctl(self->vm, KVM_CREATE_IRQCHIP, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, make_many, &maker));
	while (!maker.done) {
		ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, MANY));
		ASSERT_LE(last, info.num_vcpus);
		last = info.num_vcpus;
		for (i = 0; i < last; i++)
			ASSERT_EQ(i, vcpus[i].id);
	}
	pthread_join(thread, NULL);
	ASSERT_EQ(0, irq_info(self->ours, &info, vcpus, MANY));
	EXPECT_EQ(MANY, maker.made);
	EXPECT_EQ(MANY, info.num_vcpus);
}

TEST_HARNESS_MAIN
