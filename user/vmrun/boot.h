/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_BOOT_H
#define VMRUN_BOOT_H

#include "memory.h"

/**
 * enum boot_mode - how the first processor starts
 * @BOOT_LONG: 64-bit mode, address of the boot parameters in RSI
 * @BOOT_PVH: 32-bit protected mode, address of the start info in EBX
 */
enum boot_mode {
	BOOT_LONG,
	BOOT_PVH,
};

/**
 * struct boot_file - an open kernel or initrd
 */
struct boot_file {
	int fd;
	const char *path;
	uint64_t size;
};

/**
 * struct boot - what the first processor starts with
 * @kernel: the kernel image
 * @initrd: initial RAM disk; fd -1 if there is none
 * @cmdline: kernel command line
 * @rsdp: guest address of the ACPI root pointer
 * @mode: how to start
 * @entry: first instruction
 * @argument: guest address of what the kernel wants to know
 * @has_la57: the processor has page tables of five levels
 * @use_la57: the kernel is to start on them
 * @current: the file boot_load() was busy with last, for messages
 * @fresh: guest memory has never been used, so it is zero
 */
struct boot {
	struct boot_file kernel;
	struct boot_file initrd;
	const char *cmdline;
	uint64_t rsdp;
	enum boot_mode mode;
	uint64_t entry;
	uint64_t argument;
	const struct boot_file *current;
	bool has_la57;
	bool use_la57;
	bool fresh;
};

/**
 * boot_open() - open kernel and initrd and look at them
 *
 * Exits with STATUS_USAGE and one line if they are no use.
 */
void boot_open(struct boot *boot, const struct config *config);

/**
 * boot_load() - put kernel, initrd and parameters into guest memory
 *
 * Sets @mode, @entry and @argument. Called again for every reboot.
 * Return: NULL, or what is wrong with @current and the mend.
 */
const char *boot_load(struct boot *boot, const struct memory *memory);

/**
 * boot_read() - read a part of a file straight into guest memory
 * Return: NULL or what went wrong.
 */
const char *boot_read(const struct boot_file *file, uint64_t offset, const struct memory *memory,
		      uint64_t gpa, uint64_t size);

/**
 * boot_no_room() - say that guest memory is too small
 * @need: how large it has to be at least
 * Return: the text, as boot_load() returns it.
 */
const char *boot_no_room(uint64_t need);

/**
 * boot_place_initrd() - load the initrd as high as possible
 * @above: the first address that is free
 * @limit: the last address the kernel can take it at
 * @gpa: set to where it is; 0 if there is none
 * Return: NULL or what went wrong.
 */
const char *boot_place_initrd(struct boot *boot, const struct memory *memory, uint64_t above,
			      uint64_t limit, uint64_t *gpa);

/**
 * boot_put_cmdline() - write the command line to BOOT_CMDLINE
 * @max: most bytes the kernel takes, without the NUL
 * Return: NULL or what went wrong.
 */
const char *boot_put_cmdline(struct boot *boot, const struct memory *memory, uint64_t max);

/* The two kinds of kernel: bzimage.c and elf.c. */
bool bzimage_probe(const struct boot_file *kernel);
const char *bzimage_load(struct boot *boot, const struct memory *memory);
bool elf_probe(const struct boot_file *kernel);
const char *elf_load(struct boot *boot, const struct memory *memory);

#endif
