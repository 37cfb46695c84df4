// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processors: a thread each, which runs guest code until KVM needs something.
 *
 * All of them can be stopped by closing a gate.  A thread looks at it before it
 * enters the guest; one that is inside is kicked out by a signal.  The signal's
 * handler sets immediate_exit, so that one which comes between the look and
 * KVM_RUN is not lost.
 */
#include "vcpu.h"
#include "machine.h"
#include "number.h"
#include "registers.h"
#include "sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define SIGNAL_KICK SIGRTMIN
#define STACK_SIZE (128 * KIB)

static __thread struct vcpu *this_vcpu;

const char *vcpu_exit_name(unsigned int reason)
{
	static const char *const names[VCPU_EXITS] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_IO] = "io",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "hlt",
		[KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq-window",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail-entry",
		[KVM_EXIT_INTR] = "signal",
		[KVM_EXIT_SET_TPR] = "set-tpr",
		[KVM_EXIT_INTERNAL_ERROR] = "internal-error",
		[KVM_EXIT_SYSTEM_EVENT] = "system-event",
		[KVM_EXIT_IOAPIC_EOI] = "ioapic-eoi",
	};

	return reason < VCPU_EXITS ? names[reason] : NULL;
}

static void on_kick(int signal)
{
	if (this_vcpu)
		this_vcpu->run->immediate_exit = 1;
}

static uint64_t instruction_pointer(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	return ioctl(vcpu->fd, KVM_GET_REGS, &regs) ? 0 : regs.rip;
}

static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		bus_access(&vcpu->machine->ports, run->io.port, data, run->io.size,
			   run->io.direction == KVM_EXIT_IO_OUT);
}

static void handle_shutdown(struct vcpu *vcpu)
{
	uint64_t rip = instruction_pointer(vcpu);

	/* On AMD the processor forgets where it was, and KVM puts it to its reset address. */
	if (rip == 0xfff0)
		machine_end(vcpu->machine, STATUS_CRASH,
			    "the guest crashed: triple fault on CPU %u (this host's processor does not tell the RIP)",
			    vcpu->id);
	else
		machine_end(vcpu->machine, STATUS_CRASH,
			    "the guest crashed: triple fault on CPU %u, RIP %#llx", vcpu->id,
			    (unsigned long long)rip);
}

static void handle_internal_error(struct vcpu *vcpu)
{
	static const char *const what[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "cannot emulate an instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit while delivering an event",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an unexpected exit",
	};
	uint32_t error = vcpu->run->internal.suberror;

	machine_end(vcpu->machine, STATUS_KVM,
		    "KVM cannot go on: internal error %u (%s) on CPU %u, RIP %#llx", error,
		    error < ARRAY_SIZE(what) && what[error] ? what[error] : "unknown", vcpu->id,
		    (unsigned long long)instruction_pointer(vcpu));
}

static void handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_RESET:
		machine_reset(vcpu->machine);
		break;
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		machine_end(vcpu->machine, STATUS_OK, NULL);
		break;
	default:
		machine_end(vcpu->machine, STATUS_CRASH, "the guest crashed: KVM system event %u",
			    vcpu->run->system_event.type);
	}
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vcpu->exits[run->exit_reason < VCPU_EXITS ? run->exit_reason : VCPU_EXITS - 1]++;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		bus_access(&vcpu->machine->mmio, run->mmio.phys_addr, run->mmio.data,
			   run->mmio.len, run->mmio.is_write);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_SHUTDOWN:
		handle_shutdown(vcpu);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_internal_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		machine_end(vcpu->machine, STATUS_KVM,
			    "KVM cannot enter the guest on CPU %u: hardware reason %#llx", vcpu->id,
			    (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		machine_end(vcpu->machine, STATUS_KVM,
			    "KVM stopped CPU %u for a reason vmrun does not know: %u, RIP %#llx",
			    vcpu->id, run->exit_reason,
			    (unsigned long long)instruction_pointer(vcpu));
	}
}

/* KVM_RUN failed: asked to leave, or in trouble? */
static void handle_error(struct vcpu *vcpu)
{
	switch (errno) {
	case EINTR:
		vcpu->run->immediate_exit = 0;
		vcpu->interrupted++;
		break;
	case EAGAIN:
		break;
	case EFAULT:
	case EHWPOISON:
	case ENOMEM:
		machine_end(vcpu->machine, STATUS_FAILURE,
			    "CPU %u: guest memory cannot be had (%s): the host is out of memory or of huge pages",
			    vcpu->id, strerror(errno));
		break;
	default:
		machine_end(vcpu->machine, STATUS_KVM, "KVM_RUN failed on CPU %u: %s, RIP %#llx",
			    vcpu->id, strerror(errno),
			    (unsigned long long)instruction_pointer(vcpu));
	}
}

/*
 * Lets KVM finish the access it came back with, before anyone changes the
 * registers.  An access in several parts comes back once for each.
 */
static void finish_access(struct vcpu *vcpu)
{
	do
		vcpu->run->immediate_exit = 1;
	while (!ioctl(vcpu->fd, KVM_RUN, 0) && (handle_exit(vcpu), true));
	vcpu->run->immediate_exit = 0;
}

static void park(struct vcpu *vcpu)
{
	struct vcpus *vcpus = &vcpu->machine->vcpus;

	finish_access(vcpu);
	pthread_mutex_lock(&vcpus->lock);
	vcpus->parked++;
	pthread_cond_broadcast(&vcpus->change);
	while (vcpus->closed)
		pthread_cond_wait(&vcpus->change, &vcpus->lock);
	vcpus->parked--;
	pthread_mutex_unlock(&vcpus->lock);
}

static void confine(struct vcpu *vcpu)
{
	int err;

	if (vcpu->machine->config->no_sandbox)
		return;
	err = sandbox_enter(SANDBOX_VCPU, vcpu->name);
	if (err)
		machine_end(vcpu->machine, STATUS_FAILURE, "sandbox: CPU %u: %s", vcpu->id,
			    strerror(-err));
}

static void *vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vcpus *vcpus = &vcpu->machine->vcpus;
	sigset_t set;

	snprintf(vcpu->name, sizeof(vcpu->name), "vcpu-%u", vcpu->id);
	pthread_setname_np(pthread_self(), vcpu->name);
	this_vcpu = vcpu;
	sigemptyset(&set);
	sigaddset(&set, SIGNAL_KICK);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	confine(vcpu);
	for (;;) {
		if (__atomic_load_n(&vcpus->closed, __ATOMIC_ACQUIRE))
			park(vcpu);
		if (ioctl(vcpu->fd, KVM_RUN, 0))
			handle_error(vcpu);
		else
			handle_exit(vcpu);
	}
	return NULL;
}

static void create_vcpu(struct machine *machine, unsigned int id)
{
	struct vcpus *vcpus = &machine->vcpus;
	struct vcpu *vcpu = &vcpus->list[id];
	int khz;

	vcpu->machine = machine;
	vcpu->id = id;
	vcpu->fd = ioctl(machine->kvm.vm, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		fail(STATUS_USAGE, "KVM: cannot make CPU %u of %u: %s; give fewer --cpus", id,
		     vcpus->count, strerror(errno));
	vcpu->run = mmap(NULL, machine->kvm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		fail(STATUS_USAGE, "KVM: cannot map CPU %u: %s", id, strerror(errno));
	if (!id) {
		khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
		cpuid_set_tsc_khz(vcpus->cpuid, khz > 0 ? khz : 0);
	}
	if (cpuid_apply(vcpus->cpuid, vcpu->fd, id) || registers_memory_types(vcpus, vcpu))
		fail(STATUS_USAGE, "KVM: does not take the registers of CPU %u: %s", id,
		     strerror(errno));
}

void vcpus_create(struct machine *machine)
{
	struct vcpus *vcpus = &machine->vcpus;
	struct sigaction action = { .sa_handler = on_kick };

	vcpus->count = machine->config->cpus;
	vcpus->list = calloc(vcpus->count, sizeof(*vcpus->list));
	if (!vcpus->list)
		fail(STATUS_FAILURE, "CPUs: no memory");
	pthread_mutex_init(&vcpus->lock, NULL);
	pthread_cond_init(&vcpus->change, NULL);
	sigaction(SIGNAL_KICK, &action, NULL);
	for (unsigned int id = 0; id < vcpus->count; id++)
		create_vcpu(machine, id);
	if (ioctl(vcpus->list[0].fd, KVM_GET_SREGS, &vcpus->reset_sregs) ||
	    ioctl(vcpus->list[0].fd, KVM_GET_LAPIC, &vcpus->reset_lapic))
		fail(STATUS_USAGE, "KVM: cannot read the registers: %s", strerror(errno));
}

int vcpus_boot(struct machine *machine)
{
	return registers_boot(&machine->vcpus, &machine->boot);
}

void vcpus_start(struct machine *machine)
{
	struct vcpus *vcpus = &machine->vcpus;
	pthread_attr_t attr;
	int err;

	vcpus_close(vcpus);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (unsigned int id = 0; id < vcpus->count; id++) {
		err = pthread_create(&vcpus->list[id].thread, &attr, vcpu_main, &vcpus->list[id]);
		if (err)
			fail(STATUS_FAILURE, "CPU %u: cannot start its thread: %s", id,
			     strerror(err));
		vcpus->list[id].started = true;
	}
	pthread_attr_destroy(&attr);
}

void vcpus_close(struct vcpus *vcpus)
{
	__atomic_store_n(&vcpus->closed, true, __ATOMIC_RELEASE);
}

void vcpus_pause(struct vcpus *vcpus)
{
	unsigned int started = 0;

	vcpus_close(vcpus);
	for (unsigned int id = 0; id < vcpus->count; id++) {
		if (!vcpus->list[id].started)
			continue;
		started++;
		pthread_kill(vcpus->list[id].thread, SIGNAL_KICK);
	}
	pthread_mutex_lock(&vcpus->lock);
	while (vcpus->parked < started)
		pthread_cond_wait(&vcpus->change, &vcpus->lock);
	pthread_mutex_unlock(&vcpus->lock);
}

void vcpus_resume(struct vcpus *vcpus)
{
	pthread_mutex_lock(&vcpus->lock);
	vcpus->closed = false;
	pthread_cond_broadcast(&vcpus->change);
	pthread_mutex_unlock(&vcpus->lock);
}

int vcpus_reset(struct machine *machine)
{
	struct vcpus *vcpus = &machine->vcpus;
	int err = 0;

	for (unsigned int id = 0; id < vcpus->count && !err; id++)
		err = registers_reset(vcpus, &vcpus->list[id]);
	return err;
}
