/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_SANDBOX_H
#define VMRUN_SANDBOX_H

#include <linux/filter.h>
#include <stdbool.h>

/**
 * enum sandbox_kind - threads, by the system calls they need
 * @SANDBOX_MAIN: event loop, console, control socket, restart of the guest
 * @SANDBOX_VCPU: runs guest code and serves its exits
 */
enum sandbox_kind {
	SANDBOX_MAIN,
	SANDBOX_VCPU,
	SANDBOX_KINDS,
};

/**
 * sandbox_close() - give up all that is needed for the set-up only
 * @name: the VM, for messages
 * @has_devices: it has devices of the host
 *
 * For the main thread, before it starts others, which inherit it. From here on
 * there are no files by name, no capabilities and, if there ever was one, no root.
 * Exits with STATUS_USAGE and one line if that fails.
 */
void sandbox_close(const char *name, bool has_devices);

/**
 * sandbox_enter() - allow the calling thread what its kind needs, and no more
 * @thread: its name, for messages; stays valid
 * Return: 0 or a negative errno.
 */
int sandbox_enter(enum sandbox_kind kind, const char *thread);

/**
 * sandbox_limit() - no more threads, and few more descriptors
 * @opened: descriptors opened since sandbox_close()
 *
 * For the main thread, after the last of both.
 */
void sandbox_limit(unsigned int opened);

/* The parts. Those that return a text return NULL, or what failed, with errno. */

/**
 * sandbox_root_leave() - an empty folder becomes the root, where that is allowed
 */
const char *sandbox_root_leave(void);

/**
 * sandbox_root_forbid() - the calling thread opens nothing by name (Landlock)
 *
 * Where the kernel has Landlock; seccomp says the same, less thoroughly.
 */
void sandbox_root_forbid(void);

/**
 * sandbox_user_drop() - give up root and all capabilities
 */
const char *sandbox_user_drop(void);

/**
 * sandbox_filter_build() - make the filters for all kinds of threads
 * @has_devices: with what devices of the host take
 */
const char *sandbox_filter_build(bool has_devices);

/**
 * sandbox_filter() - the filter for a kind of thread
 */
const struct sock_fprog *sandbox_filter(enum sandbox_kind kind);

/**
 * sandbox_signal_catch() - report forbidden system calls, and exit
 * @name: the VM
 */
const char *sandbox_signal_catch(const char *name);

/**
 * sandbox_signal_thread() - the calling thread's name in such a report
 */
void sandbox_signal_thread(const char *thread);

#endif
