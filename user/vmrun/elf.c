// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF kernels with a PVH entry: a note of owner "Xen" and type 18 holds the
 * address of a 32-bit entry point, which gets a struct start_info.
 */
#include "boot.h"
#include "layout.h"
#include "number.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE_PHYS32_ENTRY 18
#define MAX_PHDRS 64
#define MAX_NOTES (64 * KIB)
#define CMDLINE_MAX 0x7fff

/* What the entry point gets, version 1. */
struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap;
	uint32_t memmap_entries;
	uint32_t reserved;
};

#define START_INFO_MAGIC 0x336ec578

struct start_module {
	uint64_t address;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct start_memmap {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct elf {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[MAX_PHDRS];
};

bool elf_probe(const struct boot_file *kernel)
{
	unsigned char ident[EI_NIDENT];

	return pread(kernel->fd, ident, sizeof(ident), 0) == sizeof(ident) &&
	       !memcmp(ident, ELFMAG, SELFMAG);
}

static const char *read_headers(const struct boot_file *kernel, struct elf *elf)
{
	ssize_t size;

	if (pread(kernel->fd, &elf->ehdr, sizeof(elf->ehdr), 0) != sizeof(elf->ehdr))
		return "ends too early; give a whole file";
	if (elf->ehdr.e_ident[EI_CLASS] != ELFCLASS64 || elf->ehdr.e_machine != EM_X86_64 ||
	    elf->ehdr.e_phentsize != sizeof(Elf64_Phdr) || elf->ehdr.e_phnum > MAX_PHDRS)
		return "is not an x86-64 ELF program; give another kernel";
	size = elf->ehdr.e_phnum * sizeof(Elf64_Phdr);
	if (pread(kernel->fd, elf->phdrs, size, elf->ehdr.e_phoff) != size)
		return "ends too early; give a whole file";
	return NULL;
}

/* Looks for the entry in one segment of notes; 0 if it is not there. */
static uint64_t entry_in_notes(const uint8_t *notes, size_t size, size_t align)
{
	const Elf64_Nhdr *note;
	size_t at = 0, name, desc;
	uint32_t entry;

	while (at + sizeof(*note) <= size) {
		note = (const void *)(notes + at);
		name = at + sizeof(*note);
		desc = ALIGN_UP(name + note->n_namesz, align);
		if (desc < name || desc > size || note->n_descsz > size - desc)
			return 0;
		if (note->n_type == NOTE_PHYS32_ENTRY && note->n_namesz == 4 &&
		    !memcmp(notes + name, "Xen", 4) && note->n_descsz >= sizeof(entry)) {
			memcpy(&entry, notes + desc, sizeof(entry));
			return entry;
		}
		at = ALIGN_UP(desc + note->n_descsz, align);
	}
	return 0;
}

static uint64_t find_entry(const struct boot_file *kernel, const struct elf *elf)
{
	const Elf64_Phdr *ph;
	uint64_t entry = 0;
	uint8_t *notes;

	for (ph = elf->phdrs; ph < elf->phdrs + elf->ehdr.e_phnum && !entry; ph++) {
		if (ph->p_type != PT_NOTE || ph->p_filesz > MAX_NOTES)
			continue;
		notes = malloc(ph->p_filesz);
		if (notes &&
		    pread(kernel->fd, notes, ph->p_filesz, ph->p_offset) == (ssize_t)ph->p_filesz)
			entry = entry_in_notes(notes, ph->p_filesz, ph->p_align == 8 ? 8 : 4);
		free(notes);
	}
	return entry;
}

static const char *load_segment(struct boot *boot, const struct memory *memory,
				const Elf64_Phdr *ph)
{
	const char *err;
	uint8_t *at;

	at = memory_at(memory, ph->p_paddr, ph->p_memsz);
	if (!at || ph->p_paddr < RAM_EXT_BASE || ph->p_filesz > ph->p_memsz)
		return "does not fit into the guest's memory; give more --memory";
	err = boot_read(&boot->kernel, ph->p_offset, memory, ph->p_paddr, ph->p_filesz);
	/* Untouched memory is zero already, and stays unallocated. */
	if (!err && !boot->fresh)
		memset(at + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
	return err;
}

static void put_start_info(struct boot *boot, const struct memory *memory, uint64_t initrd)
{
	struct start_info *info = memory_at(memory, BOOT_START_INFO, 0x1000);
	struct start_module *module = (void *)(info + 1);
	struct start_memmap *memmap = (void *)(module + 1);
	struct memory_map map[MEMORY_MAX_MAP];
	unsigned int n = memory_map(memory, map);

	*info = (struct start_info){
		.magic = START_INFO_MAGIC,
		.version = 1,
		.nr_modules = initrd ? 1 : 0,
		.modules = BOOT_START_INFO + ((uint8_t *)module - (uint8_t *)info),
		.cmdline = BOOT_CMDLINE,
		.rsdp = boot->rsdp,
		.memmap = BOOT_START_INFO + ((uint8_t *)memmap - (uint8_t *)info),
		.memmap_entries = n,
	};
	*module = (struct start_module){ .address = initrd, .size = boot->initrd.size };
	for (unsigned int i = 0; i < n; i++)
		memmap[i] = (struct start_memmap){
			.address = map[i].base, .size = map[i].size, .type = map[i].type,
		};
}

const char *elf_load(struct boot *boot, const struct memory *memory)
{
	uint64_t end = RAM_EXT_BASE, initrd;
	const Elf64_Phdr *ph;
	struct elf elf;
	const char *err;

	err = read_headers(&boot->kernel, &elf);
	if (err)
		return err;
	boot->entry = find_entry(&boot->kernel, &elf);
	if (!boot->entry)
		return "has no PVH entry; give a kernel with CONFIG_PVH, or a bzImage";
	for (ph = elf.phdrs; ph < elf.phdrs + elf.ehdr.e_phnum; ph++) {
		if (ph->p_type != PT_LOAD || !ph->p_memsz)
			continue;
		err = load_segment(boot, memory, ph);
		if (err)
			return err;
		if (ph->p_paddr + ph->p_memsz > end)
			end = ph->p_paddr + ph->p_memsz;
	}
	err = boot_place_initrd(boot, memory, end, UINT32_MAX, &initrd);
	if (!err)
		err = boot_put_cmdline(boot, memory, CMDLINE_MAX);
	if (err)
		return err;
	put_start_info(boot, memory, initrd);
	boot->mode = BOOT_PVH;
	boot->argument = BOOT_START_INFO;
	return NULL;
}
