/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_MACHINE_H
#define VMRUN_MACHINE_H

#include "assign.h"
#include "balloon.h"
#include "boot.h"
#include "bus.h"
#include "config.h"
#include "console.h"
#include "control.h"
#include "irq.h"
#include "kvm.h"
#include "loop.h"
#include "memory.h"
#include "module.h"
#include "net.h"
#include "pci.h"
#include "power.h"
#include "rtc.h"
#include "say.h"
#include "serial.h"
#include "threads.h"
#include "throttle.h"
#include "vcpu.h"
#include "virtio.h"

#include <signal.h>

#define MACHINE_MAX_DEVICES (MAX_DISKS + MAX_NETS + 1)

/**
 * struct moments - when the guest got how far, CLOCK_MONOTONIC in ns
 * @start: vmrun began
 * @ready: everything is set up
 * @entry: the first processor is about to run guest code
 * @serial: the first byte came out of the serial port
 * @end: the guest ended
 * @reboots: how often it restarted; @entry and @serial are of the last start
 */
struct moments {
	uint64_t start;
	uint64_t ready;
	uint64_t entry;
	uint64_t serial;
	uint64_t end;
	unsigned int reboots;
};

/**
 * struct machine - the virtual machine
 * @wake: an eventfd by which other threads hand a request to the main thread
 * @stats: file of --stats-at-exit
 * @lock: guards the requests
 * @wants_reset: the guest is to be restarted
 * @wants_end: the guest is to be ended, with @status and @message
 * @paused: by a person
 */
struct machine {
	const struct config *config;
	struct kvm kvm;
	struct memory memory;
	struct boot boot;
	struct bus ports;
	struct bus mmio;
	struct irq irq;
	struct chips {
		struct kvm_irqchip chips[3];
		struct kvm_pit_state2 pit;
	} chips;
	struct vcpus vcpus;
	struct pci pci;
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct module module;
	struct virtio *devices[MACHINE_MAX_DEVICES];
	unsigned int nr_devices;
	struct net nets[MAX_NETS];
	struct balloon balloon;
	struct throttles throttles;
	struct assignment assignment;
	struct console console;
	struct control control;
	struct threads threads;
	struct loop loop;
	struct watch wake;
	struct watch signals;
	struct moments moments;
	int stats;
	pthread_mutex_t lock;
	bool wants_reset;
	bool wants_end;
	bool paused;
	enum status status;
	char message[256];
};

/**
 * machine_end() - end the guest
 * @status: what vmrun exits with
 * @fmt: one line on stderr, or NULL
 *
 * From any thread; the first call counts.
 */
void machine_end(struct machine *machine, enum status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * machine_reset() - restart the guest, or end it if it is not to reboot
 *
 * From any thread.
 */
void machine_reset(struct machine *machine);

/**
 * machine_pause() - stop the processors, or let them go on
 *
 * For the main thread. Devices finish what they were given.
 */
void machine_pause(struct machine *machine, bool paused);

/**
 * machine_run() - build the machine and run the guest to its end
 * Return: the exit status.
 */
enum status machine_run(const struct config *config, uint64_t start);

#endif
