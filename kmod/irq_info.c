// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVLANE_IRQ_INFO: how interrupts reach the guest, as KVM's structures tell.
 *
 * They are read and never changed, field by field, and only those that the kernel's
 * public headers declare; no function of KVM is called, so that this module does not
 * need it to be loaded. The file that kvlane_vm holds keeps them: KVM frees neither a
 * VM nor its vCPUs while the VM's file is open.
 */
#include <linux/bitops.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/kvlane.h>

#include "irq_info.h"
#include "virtio/device.h"

/* What a caller may take one element of the array to be. */
#define KVLANE_IRQ_VCPU_MIN 16
#define KVLANE_IRQ_VCPU_MAX 4096

#if IS_ENABLED(CONFIG_KVM) && IS_ENABLED(CONFIG_X86)

#include <linux/kvm_host.h>
#include <linux/tracepoint-defs.h>

static struct kvm *kvlane_irq_kvm(const struct file *file)
{
	return file ? file->private_data : NULL;
}

/**
 * kvlane_irq_inhibits - where KVM keeps its reasons not to use APICv for a VM
 * @kvm: file of the KVM VM, or NULL
 *
 * Return: what is there as long as @kvm is open and is 0 while APICv is in use; NULL
 * if nothing is known.
 */
const unsigned long *kvlane_irq_inhibits(const struct file *kvm)
{
	return kvm ? &kvlane_irq_kvm(kvm)->arch.apicv_inhibit_reasons : NULL;
}

/*
 * Numbers of reasons differ between kernels; names do not. KVM's header has a table
 * of both, for its tracepoints.
 */
static const struct trace_print_flags kvlane_irq_reasons[] = {
	APICV_INHIBIT_REASONS
};

static const char *const kvlane_irq_names[] = {
	[KVLANE_INHIBIT_DISABLED] = "DISABLED",
	[KVLANE_INHIBIT_HYPERV] = "HYPERV",
	[KVLANE_INHIBIT_ABSENT] = "ABSENT",
	[KVLANE_INHIBIT_BLOCKIRQ] = "BLOCKIRQ",
	[KVLANE_INHIBIT_PHYSICAL_ID_ALIASED] = "PHYSICAL_ID_ALIASED",
	[KVLANE_INHIBIT_PHYSICAL_ID_TOO_BIG] = "PHYSICAL_ID_TOO_BIG",
	[KVLANE_INHIBIT_APIC_ID_MODIFIED] = "APIC_ID_MODIFIED",
	[KVLANE_INHIBIT_APIC_BASE_MODIFIED] = "APIC_BASE_MODIFIED",
	[KVLANE_INHIBIT_NESTED] = "NESTED",
	[KVLANE_INHIBIT_IRQWIN] = "IRQWIN",
	[KVLANE_INHIBIT_PIT_REINJ] = "PIT_REINJ",
	[KVLANE_INHIBIT_SEV] = "SEV",
	[KVLANE_INHIBIT_LOGICAL_ID_ALIASED] = "LOGICAL_ID_ALIASED",
};

static_assert(ARRAY_SIZE(kvlane_irq_names) == KVLANE_INHIBIT_OTHER);

/* KVM's mask of reasons in our numbers. */
static u64 kvlane_irq_translate(unsigned long reasons)
{
	const struct trace_print_flags *r;
	u64 inhibits = 0;
	int n;

	for (r = kvlane_irq_reasons;
	     r < kvlane_irq_reasons + ARRAY_SIZE(kvlane_irq_reasons); r++) {
		if (!(reasons & r->mask))
			continue;
		reasons &= ~r->mask;
		n = match_string(kvlane_irq_names, ARRAY_SIZE(kvlane_irq_names), r->name);
		inhibits |= BIT_ULL(n < 0 ? KVLANE_INHIBIT_OTHER : n);
	}
	return reasons ? inhibits | BIT_ULL(KVLANE_INHIBIT_OTHER) : inhibits;
}

static u32 kvlane_irq_chip(const struct kvm *kvm)
{
	switch (READ_ONCE(kvm->arch.irqchip_mode)) {
	case KVM_IRQCHIP_KERNEL:
		return KVLANE_IRQCHIP_KERNEL;
	case KVM_IRQCHIP_SPLIT:
		return KVLANE_IRQCHIP_SPLIT;
	default:
		return KVLANE_IRQCHIP_NONE;
	}
}

static void kvlane_irq_vm(struct kvlane_vm *vm, struct kvlane_irq_info *info)
{
	const struct kvm *kvm = kvlane_irq_kvm(vm->kvm);

	info->num_vcpus = 0;
	if (!kvm)
		return;
	info->state = KVLANE_IRQ_KVM;
	info->irqchip = kvlane_irq_chip(kvm);
	info->num_vcpus = atomic_read(&kvm->online_vcpus);
	info->inhibits = kvlane_irq_translate(READ_ONCE(*vm->inhibits));
	if (!(info->inhibits & BIT_ULL(KVLANE_INHIBIT_DISABLED)))
		info->state |= KVLANE_IRQ_APICV_AVAILABLE;
	if (!info->inhibits)
		info->state |= KVLANE_IRQ_APICV_ACTIVE;
}

static u32 kvlane_irq_apic_mode(const struct kvm_vcpu *vcpu)
{
	u64 base = READ_ONCE(vcpu->arch.apic_base);

	if (!READ_ONCE(vcpu->arch.apic))
		return KVLANE_APIC_NONE;
	if (!(base & MSR_IA32_APICBASE_ENABLE))
		return KVLANE_APIC_DISABLED;
	return base & X2APIC_ENABLE ? KVLANE_APIC_X2APIC : KVLANE_APIC_XAPIC;
}

/* What is known of a vCPU. Returns false if there is none of that index. */
static bool kvlane_irq_vcpu(struct kvlane_vm *vm, u32 index, struct kvlane_irq_vcpu *to)
{
	const struct kvm_vcpu *vcpu = kvm_get_vcpu(kvlane_irq_kvm(vm->kvm), index);

	if (!vcpu)
		return false;
	*to = (struct kvlane_irq_vcpu){
		.id = vcpu->vcpu_id,
		.apic_mode = kvlane_irq_apic_mode(vcpu),
	};
	if (kvlane_irq_posts(vm) && to->apic_mode > KVLANE_APIC_DISABLED)
		to->flags |= KVLANE_IRQ_VCPU_APICV;
	if (READ_ONCE(vcpu->arch.pv_eoi.msr_val) & KVM_MSR_ENABLED)
		to->flags |= KVLANE_IRQ_VCPU_PV_EOI;
	return true;
}

#else

const unsigned long *kvlane_irq_inhibits(const struct file *kvm)
{
	return NULL;
}

static void kvlane_irq_vm(struct kvlane_vm *vm, struct kvlane_irq_info *info)
{
	info->num_vcpus = 0;
}

static bool kvlane_irq_vcpu(struct kvlane_vm *vm, u32 index, struct kvlane_irq_vcpu *to)
{
	return false;
}

#endif

static int kvlane_irq_put(const struct kvlane_irq_vcpu *vcpu, void __user *to, size_t size)
{
	size_t known = min(size, sizeof(*vcpu));

	if (copy_to_user(to, vcpu, known) || clear_user(to + known, size - known))
		return -EFAULT;
	return 0;
}

static int kvlane_irq_put_all(struct kvlane_vm *vm, u32 nr, const struct kvlane_irq_info *info)
{
	struct kvlane_irq_vcpu vcpu;
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err && kvlane_irq_vcpu(vm, i, &vcpu); i++) {
		err = kvlane_irq_put(&vcpu,
				     u64_to_user_ptr(info->vcpus) + (u64)i * info->vcpu_size,
				     info->vcpu_size);
		cond_resched();
	}
	return err;
}

static void kvlane_irq_count(struct kvlane_vm *vm, struct kvlane_irq_info *info)
{
	const struct kvlane_queue_stats *stats;
	struct kvlane_device *dev;
	u32 i;

	mutex_lock(&vm->lock);
	list_for_each_entry(dev, &vm->devices, node) {
		for (i = 0; i < dev->num_queues; i++) {
			stats = &dev->queues[i].stats;
			info->interrupts += READ_ONCE(stats->interrupts);
			info->posted += READ_ONCE(stats->posted);
			info->suppressed += READ_ONCE(stats->suppressed);
		}
	}
	mutex_unlock(&vm->lock);
}

static int kvlane_irq_check(const struct kvlane_irq_info *info)
{
	if (info->flags || info->reserved0 ||
	    memchr_inv(info->reserved, 0, sizeof(info->reserved)))
		return -EINVAL;
	if (info->vcpu_size < KVLANE_IRQ_VCPU_MIN ||
	    info->vcpu_size > KVLANE_IRQ_VCPU_MAX || info->vcpu_size % sizeof(u64))
		return -EINVAL;
	return 0;
}

/**
 * kvlane_irq_info - KVLANE_IRQ_INFO
 * @vm: the VM
 * @argp: struct kvlane_irq_info in user memory
 *
 * Return: 0 or a negative errno.
 */
long kvlane_irq_info(struct kvlane_vm *vm, void __user *argp)
{
	struct kvlane_irq_info args, info;
	int err;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	err = kvlane_irq_check(&args);
	if (err)
		return err;

	info = (struct kvlane_irq_info){
		.vcpu_size = args.vcpu_size,
		.vcpus = args.vcpus,
	};
	kvlane_irq_vm(vm, &info);
	kvlane_irq_count(vm, &info);
	err = kvlane_irq_put_all(vm, min(args.num_vcpus, info.num_vcpus), &info);
	if (err)
		return err;
	return copy_to_user(argp, &info, sizeof(info)) ? -EFAULT : 0;
}
