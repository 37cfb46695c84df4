/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_VCPU_H
#define VMRUN_VCPU_H

#include "boot.h"
#include "cpuid.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define VCPU_EXITS 48

struct machine;

/**
 * struct vcpu - a processor of the guest and the thread that runs it
 * @machine: where it belongs
 * @id: number and APIC ID
 * @name: its thread's
 * @fd: KVM's descriptor
 * @run: shared with KVM
 * @exits: how often KVM_RUN came back, by exit reason; the last one holds
 *	those of higher numbers
 * @interrupted: how often it came back because it was asked to
 */
struct vcpu {
	struct machine *machine;
	unsigned int id;
	char name[16];
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	uint64_t exits[VCPU_EXITS];
	uint64_t interrupted;
};

/**
 * struct vcpus - all processors
 * @lock: guards @closed and @parked
 * @closed: every vCPU is to leave the guest and wait
 * @parked: how many do
 */
struct vcpus {
	unsigned int count;
	struct vcpu *list;
	struct cpuid *cpuid;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool closed;
	unsigned int parked;
	struct kvm_sregs reset_sregs;
	struct kvm_lapic_state reset_lapic;
};

/**
 * vcpus_create() - make the processors; exits with one line if that fails
 */
void vcpus_create(struct machine *machine);

/**
 * vcpus_boot() - let the first processor begin at the loaded kernel
 * Return: 0 or a negative errno.
 */
int vcpus_boot(struct machine *machine);

/**
 * vcpus_start() - start the threads, paused; exits with one line if that fails
 */
void vcpus_start(struct machine *machine);

/**
 * vcpus_close() - ask all processors to stop, without waiting for them
 *
 * From any thread. The calling vCPU stops before it runs guest code again.
 */
void vcpus_close(struct vcpus *vcpus);

/**
 * vcpus_pause() - stop all processors and wait until they have
 * vcpus_resume() - let them go on
 *
 * For the main thread.
 */
void vcpus_pause(struct vcpus *vcpus);
void vcpus_resume(struct vcpus *vcpus);

/**
 * vcpus_reset() - put the paused processors into the state they started in
 * Return: 0 or a negative errno.
 */
int vcpus_reset(struct machine *machine);

/**
 * vcpu_exit_name() - a short name for a KVM exit reason
 * Return: NULL if there is none.
 */
const char *vcpu_exit_name(unsigned int reason);

#endif
