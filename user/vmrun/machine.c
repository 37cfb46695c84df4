// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine: built step by step, run, restarted, ended.
 *
 * Everything that can fail for a reason of the person's comes before anything is
 * created that would be left behind, and that is the control socket only.
 *
 * Threads: the main thread serves the event loop; each vCPU has one. A vCPU that
 * wants the guest restarted or ended leaves a request, stops, and wakes the main
 * thread, which alone acts on it.
 */
#include "machine.h"
#include "acpi.h"
#include "balloon.h"
#include "disk.h"
#include "number.h"
#include "report.h"
#include "rng.h"
#include "sandbox.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

static void wake(struct machine *machine)
{
	const uint64_t one = 1;

	vcpus_close(&machine->vcpus);
	/* It can only fail when it is signalled already. */
	if (write(machine->wake.fd, &one, sizeof(one)) < 0)
		return;
}

void machine_end(struct machine *machine, enum status status, const char *fmt, ...)
{
	va_list args;

	pthread_mutex_lock(&machine->lock);
	if (!machine->wants_end) {
		machine->wants_end = true;
		machine->status = status;
		machine->moments.end = now_ns();
		if (fmt) {
			va_start(args, fmt);
			vsnprintf(machine->message, sizeof(machine->message), fmt, args);
			va_end(args);
		}
	}
	pthread_mutex_unlock(&machine->lock);
	wake(machine);
}

void machine_reset(struct machine *machine)
{
	if (machine->config->no_reboot) {
		machine_end(machine, STATUS_OK,
			    "%s: the guest wants to reboot; it is ended instead (--no-reboot)",
			    machine->config->name);
		return;
	}
	pthread_mutex_lock(&machine->lock);
	machine->wants_reset = true;
	pthread_mutex_unlock(&machine->lock);
	wake(machine);
}

void machine_pause(struct machine *machine, bool paused)
{
	if (machine->paused == paused)
		return;
	machine->paused = paused;
	if (paused)
		vcpus_pause(&machine->vcpus);
	else
		vcpus_resume(&machine->vcpus);
}

/* The state of the interrupt controllers and the timer before the guest starts. */
static int save_chips(struct machine *machine)
{
	struct chips *c = &machine->chips;

	for (unsigned int i = 0; i < ARRAY_SIZE(c->chips); i++) {
		c->chips[i].chip_id = i;
		if (ioctl(machine->kvm.vm, KVM_GET_IRQCHIP, &c->chips[i]))
			return -errno;
	}
	return ioctl(machine->kvm.vm, KVM_GET_PIT2, &c->pit) ? -errno : 0;
}

static int restore_chips(struct machine *machine)
{
	struct chips *c = &machine->chips;

	for (unsigned int i = 0; i < ARRAY_SIZE(c->chips); i++) {
		if (ioctl(machine->kvm.vm, KVM_SET_IRQCHIP, &c->chips[i]))
			return -errno;
	}
	return ioctl(machine->kvm.vm, KVM_SET_PIT2, &c->pit) ? -errno : 0;
}

/* Puts tables and kernel into memory. Returns NULL or what is wrong. */
static const char *load(struct machine *machine)
{
	machine->boot.has_la57 = cpuid_has_la57(machine->vcpus.cpuid);
	machine->boot.rsdp = acpi_load(&machine->memory, machine->config->cpus,
				       machine->pci.window, machine->pci.window_size);
	return boot_load(&machine->boot, &machine->memory);
}

static void restart(struct machine *machine)
{
	const char *wrong;
	int err;

	vcpus_pause(&machine->vcpus);
	/* What was stopped for a device's error goes on with the device reset. */
	if (machine->assignment.failed)
		machine->paused = false;
	for (unsigned int i = 0; i < machine->nr_devices; i++)
		virtio_reset(machine->devices[i]);
	assign_reset(machine);
	pci_reset(&machine->pci);
	power_reset(&machine->power);
	rtc_reset(&machine->rtc);
	serial_reset(&machine->serial);
	err = restore_chips(machine);
	if (!err)
		err = vcpus_reset(machine);
	wrong = load(machine);
	if (!err && !wrong)
		err = vcpus_boot(machine);
	if (wrong)
		machine_end(machine, STATUS_FAILURE, "reboot: %s: %s",
			    machine->boot.current->path, wrong);
	else if (err)
		machine_end(machine, STATUS_KVM, "reboot: KVM refuses a register: %s",
			    strerror(-err));
	if (err || wrong)
		return;
	machine->moments.reboots++;
	machine->moments.serial = 0;
	machine->moments.entry = now_ns();
	if (!machine->paused)
		vcpus_resume(&machine->vcpus);
}

static void on_wake(struct watch *watch, uint32_t events)
{
	struct machine *machine = watch->owner;
	bool reset, end;
	uint64_t count;

	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&machine->lock);
	end = machine->wants_end;
	reset = machine->wants_reset;
	machine->wants_reset = false;
	pthread_mutex_unlock(&machine->lock);
	if (end)
		loop_end(&machine->loop);
	else if (reset)
		restart(machine);
}

static void on_signal(struct watch *watch, uint32_t events)
{
	struct machine *machine = watch->owner;
	struct signalfd_siginfo info;

	if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCONT)
		terminal_resume();
	else
		machine_end(machine, STATUS_OK, "%s: ended by signal SIG%s",
			    machine->config->name, sigabbrev_np(info.ssi_signo));
}

static void block_signals(sigset_t *set)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCONT };

	sigemptyset(set);
	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(set, signals[i]);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void create_loop(struct machine *machine)
{
	sigset_t set;

	block_signals(&set);
	machine->wake = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_wake, machine };
	machine->signals = (struct watch){
		signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, machine,
	};
	if (loop_init(&machine->loop) || loop_add(&machine->loop, &machine->wake, EPOLLIN) ||
	    loop_add(&machine->loop, &machine->signals, EPOLLIN))
		fail(STATUS_FAILURE, "cannot make the event loop: %s", strerror(errno));
}

/* Every queue takes two descriptors. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* A file that is to be written later: can it be? */
static void check_writable(const char *option, const char *path)
{
	char *copy = strdup(path), *folder;
	struct stat st;

	if (!copy)
		fail(STATUS_FAILURE, "%s: no memory", option);
	folder = dirname(copy);
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		fail(STATUS_USAGE, "%s %s: is a folder; give the path of a file", option, path);
	if (access(path, F_OK) ? access(folder, W_OK) : access(path, W_OK))
		fail(STATUS_USAGE, "%s %s: %s; give a path that can be written", option, path,
		     strerror(errno));
	free(copy);
}

static void open_files(struct machine *machine, int *disks, int *rng)
{
	const struct config *config = machine->config;

	/* First, while every descriptor that is open is the caller's. */
	for (unsigned int i = 0; i < config->nr_nets; i++)
		net_look(machine, i);
	assign_look(machine);
	boot_open(&machine->boot, config);
	for (unsigned int i = 0; i < config->nr_disks; i++)
		disks[i] = disk_open(&config->disks[i]);
	throttles_borrow(machine);
	*rng = config->rng.wanted ? rng_open(&config->rng) : -1;
	if (config->console == CONSOLE_FILE)
		check_writable("--console", config->console_path);
	if (config->stats_path)
		check_writable("--stats-at-exit", config->stats_path);
}

static void create_board(struct machine *machine)
{
	bus_init(&machine->ports);
	bus_init(&machine->mmio);
	irq_init(&machine->irq, machine->kvm.vm);
	machine->vcpus.cpuid = cpuid_create(machine->kvm.sys, machine->config->cpus,
					    !machine->config->no_pv_eoi);
	pci_create(&machine->pci, machine, cpuid_phys_bits(machine->vcpus.cpuid));
	serial_create(&machine->serial, machine);
	rtc_create(&machine->rtc, machine);
	power_create(&machine->power, machine);
}

/* The module keeps the files; here they would only be of use to an intruder. */
static void create_devices(struct machine *machine, const int *disks, int rng)
{
	machine->module.vm = -1;
	throttles_create(machine);
	for (unsigned int i = 0; i < machine->config->nr_disks; i++) {
		disk_plug(machine, i, disks[i]);
		close(disks[i]);
	}
	if (machine->config->rng.wanted)
		rng_plug(machine, rng);
	if (rng >= 0)
		close(rng);
	for (unsigned int i = 0; i < machine->config->nr_nets; i++)
		net_plug(machine, i);
	if (machine->config->balloon.wanted)
		balloon_plug(machine);
	assign_plug(machine);
}

static void build(struct machine *machine)
{
	int disks[MAX_DISKS] = {}, rng;
	const char *wrong;

	raise_file_limit();
	open_files(machine, disks, &rng);
	kvm_create(&machine->kvm);
	memory_create(&machine->memory, machine->config->memory, machine->config->hugepages);
	kvm_add_memory(&machine->kvm, &machine->memory);
	create_loop(machine);
	create_board(machine);
	create_devices(machine, disks, rng);
	vcpus_create(machine);
	wrong = load(machine);
	if (wrong)
		fail(STATUS_USAGE, "%s: %s", machine->boot.current->path, wrong);
	if (save_chips(machine) || vcpus_boot(machine))
		fail(STATUS_USAGE, "KVM: refuses the registers of the first CPU: %s",
		     strerror(errno));
	console_open(&machine->console, machine);
	control_create(&machine->control, machine);
}

/* What is open for the set-up only, and ends of the terminal that lead nowhere. */
static void close_tools(struct machine *machine)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (machine->console.in != STDIN_FILENO)
		dup2(null, STDIN_FILENO);
	if (machine->console.out != STDOUT_FILENO)
		dup2(null, STDOUT_FILENO);
	close(null);
	close(machine->kvm.sys);
	/* A balloon looks there what is in use. */
	if (!machine->balloon.virtio)
		close(machine->memory.fd);
	if (machine->module.vm >= 0)
		close(machine->module.fd);
}

/*
 * Closes the sandbox and starts the processors in it; no guest code runs yet. Who
 * the threads are is decided before there are any, what they may do by each.
 */
static void confine(struct machine *machine)
{
	const bool confined = !machine->config->no_sandbox;
	int err;

	report_prepare(machine);
	close_tools(machine);
	if (confined)
		sandbox_close(machine->config->name, machine->assignment.count);
	else
		say("--sandbox off: a guest that breaks out has all rights of this user");
	vcpus_start(machine);
	/* KVM makes a thread of its own when a processor is first run. */
	vcpus_pause(&machine->vcpus);
	threads_open(&machine->threads);
	if (!confined)
		return;
	sandbox_limit(machine->threads.count);
	err = sandbox_enter(SANDBOX_MAIN, "main");
	if (err)
		fail(STATUS_FAILURE, "sandbox: system call filter: %s", strerror(-err));
}

enum status machine_run(const struct config *config, uint64_t start)
{
	struct machine *machine = calloc(1, sizeof(*machine));

	if (!machine)
		fail(STATUS_FAILURE, "no memory");
	machine->config = config;
	machine->moments.start = start;
	pthread_mutex_init(&machine->lock, NULL);
	build(machine);
	console_start(&machine->console);
	confine(machine);
	machine->moments.ready = now_ns();
	machine->moments.entry = now_ns();
	vcpus_resume(&machine->vcpus);
	loop_run(&machine->loop);

	vcpus_pause(&machine->vcpus);
	serial_flush(&machine->serial);
	terminal_restore();
	if (machine->message[0])
		say("%s", machine->message);
	if (config->stats_path)
		report_write(machine);
	net_stop(machine);
	assign_stop(machine);
	/* Not freed: the vCPU threads are parked in it, and the process ends. */
	return machine->status;
}
