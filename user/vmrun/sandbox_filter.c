// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system calls of a running machine, by kind of thread.
 *
 * Whatever is not listed is trapped, see sandbox_signal.c. Nothing here opens a
 * file or a socket by name, makes a process or a thread, or maps code. The lists
 * hold what the C library and the other libraries call on their own account, too.
 *
 * The filters are made once, and put on by each thread.
 */
#include "sandbox.h"
#include "number.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvlane.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* In every thread. */
static const int common_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(futex),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const unsigned long common_ioctls[] = {
	KVM_IRQ_LINE, KVM_IRQFD, KVM_IOEVENTFD, KVM_SET_GSI_ROUTING,
	/* The terminal is put back by whichever thread crashes. */
	TCGETS, TCSETS, TCGETS2, TCSETS2,
};

static const int main_calls[] = {
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(close),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(lseek),
};

static const unsigned long main_ioctls[] = {
	/* to restart the guest */
	KVM_SET_IRQCHIP, KVM_SET_PIT2, KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_LAPIC,
	KVM_SET_FPU, KVM_SET_XCRS, KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS, KVM_SET_MSRS,
	KVM_SET_MP_STATE,
	KVLANE_IRQ_INFO, KVLANE_GET_STATS, KVLANE_SET_LINK, KVLANE_GET_RSS,
	KVLANE_SET_LANES, KVLANE_SET_BALLOON, KVLANE_GET_BALLOON, KVLANE_GET_RETURNED,
	/* throttles that there are; none is made */
	KVLANE_SET_THROTTLE, KVLANE_SET_LIMITS, KVLANE_GET_LIMITS,
	/* network devices, and to put borrowed taps back */
	TUNSETQUEUE, TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNSETVNETLE, TUNSETSTEERINGEBPF,
};

/* With devices of the host: they are moved, have their interrupts chosen, and reset. */
static const unsigned long device_ioctls[] = {
	KVM_SET_USER_MEMORY_REGION, VFIO_DEVICE_SET_IRQS, VFIO_DEVICE_RESET,
	VFIO_DEVICE_GET_IRQ_INFO, KVLANE_IOMMU_STATS,
};

static const int vcpu_calls[] = {
	/* pending bits of MSI-X */
	SCMP_SYS(poll),
};

static const unsigned long vcpu_ioctls[] = {
	KVM_RUN, KVM_GET_REGS,
};

struct allowed {
	const int *calls;
	unsigned int nr_calls;
	const unsigned long *ioctls;
	unsigned int nr_ioctls;
};

#define ALLOWED(name) { \
	name##_calls, ARRAY_SIZE(name##_calls), name##_ioctls, ARRAY_SIZE(name##_ioctls) }

static const struct allowed common = ALLOWED(common);
static const struct allowed devices = {
	.ioctls = device_ioctls,
	.nr_ioctls = ARRAY_SIZE(device_ioctls),
};
static const struct allowed kinds[SANDBOX_KINDS] = {
	[SANDBOX_MAIN] = ALLOWED(main),
	[SANDBOX_VCPU] = ALLOWED(vcpu),
};

static struct sock_fprog programs[SANDBOX_KINDS];

static int allow(scmp_filter_ctx filter, const struct allowed *allowed)
{
	int err = 0;

	for (unsigned int i = 0; i < allowed->nr_calls && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed->calls[i], 0);
	/* The kernel looks at the lower half of the request only. */
	for (unsigned int i = 0; i < allowed->nr_ioctls && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff,
					       allowed->ioctls[i]));
	return err;
}

/* Calls that are harmless with some arguments only. */
static int allow_some(scmp_filter_ctx filter, enum sandbox_kind kind)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int err;

	err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A0(SCMP_CMP_EQ, getpid()));
	if (err || kind != SANDBOX_MAIN)
		return err;
	err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			       SCMP_A1(SCMP_CMP_EQ, F_SETFL));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				       SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
				       SCMP_A2(SCMP_CMP_EQ, SO_SNDTIMEO));
	return err;
}

/* Takes the program out of the library, which can only write it to a file. */
static int export(scmp_filter_ctx filter, struct sock_fprog *program)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), err;
	off_t size;

	if (fd < 0)
		return -errno;
	err = seccomp_export_bpf(filter, fd);
	size = lseek(fd, 0, SEEK_END);
	program->len = size / sizeof(*program->filter);
	program->filter = malloc(size);
	if (!err && (!program->filter || pread(fd, program->filter, size, 0) != size))
		err = -ENOMEM;
	close(fd);
	return err;
}

static int build(enum sandbox_kind kind, bool has_devices)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int err;

	if (!filter)
		return -ENOMEM;
	err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* By far the most frequent one, and it has arguments to be looked at. */
	if (!err)
		err = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), 255);
	if (!err)
		err = allow(filter, &common);
	if (!err)
		err = allow(filter, &kinds[kind]);
	if (!err && has_devices)
		err = allow(filter, &devices);
	if (!err)
		err = allow_some(filter, kind);
	if (!err)
		err = export(filter, &programs[kind]);
	seccomp_release(filter);
	return err;
}

const char *sandbox_filter_build(bool has_devices)
{
	for (unsigned int kind = 0; kind < SANDBOX_KINDS; kind++) {
		errno = -build(kind, has_devices);
		if (errno)
			return "system call filter";
	}
	return NULL;
}

const struct sock_fprog *sandbox_filter(enum sandbox_kind kind)
{
	return &programs[kind];
}
