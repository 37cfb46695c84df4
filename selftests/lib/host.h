/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests need to know of the machine they run on: kernel modules, mounts,
 * threads.
 */
#ifndef KVLANE_TEST_HOST_H
#define KVLANE_TEST_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * run() - run a shell command with its output as KTAP diagnostics on failure
 * @fmt: the command, as for printf()
 *
 * Return: its exit status, or a negative errno.
 */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * load_module() - load a kernel module unless it is there
 * @name: the module
 *
 * Return: 0, or -ENOENT where this kernel does not have it.
 */
int load_module(const char *name);

/**
 * open_or_load() - open a device node, loading the module that makes it
 * @path: the node
 * @module: the module
 *
 * Return: a descriptor, or a negative errno.
 */
int open_or_load(const char *path, const char *module);

/**
 * module_refs() - how often a module is in use
 * @name: the module
 *
 * Return: its reference count, or -ENOENT if it is not loaded.
 */
long module_refs(const char *name);

/**
 * module_settle() - wait until a module's reference count is back where it was
 * @name: the module
 * @refs: where it was
 *
 * Return: 0, or -ETIMEDOUT.
 */
int module_settle(const char *name, long refs);

/**
 * module_parameter() - change a parameter of the module
 * @name: its name
 * @value: what it is to be
 * @old: what it was, without the newline, in 32 bytes; or NULL
 *
 * Return: 0 or a negative errno.
 */
int module_parameter(const char *name, const char *value, char *old);

/**
 * put_text() - write to a file that is there, as those of proc and sysfs are
 * @path: the file, which keeps nothing of what it had
 * @text: what to write
 *
 * Return: 0 or a negative errno.
 */
int put_text(const char *path, const char *text);

/**
 * kernel_before() - is the running kernel older than a release?
 * @major: of the release
 * @minor: of the release
 *
 * Return: true if so.
 */
bool kernel_before(unsigned int major, unsigned int minor);

/**
 * lanes_are_ours() - are lanes threads of the process that owns them?
 *
 * Return: false where they are the kernel's for want of vhost_task, before Linux 6.4.
 */
bool lanes_are_ours(void);

/**
 * thread_count() - the threads of a process
 * @pid: the process; 0 for this one, with its lanes wherever they are
 *
 * Return: their number, or a negative errno.
 */
int thread_count(pid_t pid);

/**
 * thread_settle() - wait until this process has that many threads
 * @count: so many
 *
 * Return: 0, or -ETIMEDOUT.
 */
int thread_settle(int count);

/**
 * named_threads() - threads on the whole machine whose name begins with a prefix
 * @prefix: the prefix
 *
 * Return: their number, or a negative errno.
 */
int named_threads(const char *prefix);

/**
 * adopt() - another descriptor of a file that another process has open
 * @pid: the process
 * @fd: its descriptor
 *
 * Return: a descriptor of this process, or a negative errno.
 */
int adopt(pid_t pid, int fd);

#endif
