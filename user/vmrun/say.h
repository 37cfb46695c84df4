/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_SAY_H
#define VMRUN_SAY_H

#include <stdarg.h>

/**
 * enum status - the exit status of vmrun
 * @STATUS_OK: the guest powered off, or was ended by request
 * @STATUS_FAILURE: vmrun failed while the guest ran
 * @STATUS_USAGE: nothing was started: a bad option, or something is missing
 * @STATUS_CRASH: the guest crashed
 * @STATUS_KVM: KVM could not go on
 * @STATUS_SANDBOX: vmrun tried what its sandbox forbids
 */
enum status {
	STATUS_OK = 0,
	STATUS_FAILURE = 1,
	STATUS_USAGE = 2,
	STATUS_CRASH = 3,
	STATUS_KVM = 4,
	STATUS_SANDBOX = 5,
};

/**
 * say() - print one line, "vmrun: ...", on stderr
 */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * fail() - print one line on stderr and exit
 *
 * For the main thread only: the handlers of atexit() put the terminal back and
 * have the control socket removed.
 */
void fail(enum status status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
