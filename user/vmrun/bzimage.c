// SPDX-License-Identifier: GPL-2.0-only
/* Linux bzImage, by the 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#include "boot.h"
#include "layout.h"
#include "number.h"
#include "unpack.h"

#include <asm/bootparam.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SETUP_HEADER 0x1f1
#define HDRS 0x53726448
#define PROTOCOL_64BIT 0x020c	/* the first version that has xloadflags */
#define ENTRY_64 0x200
#define LOADER_UNKNOWN 0xff

#define PTE_PRESENT_WRITE 3ULL
#define PDE_LARGE 0x80ULL

static bool read_header(const struct boot_file *kernel, struct setup_header *header)
{
	if (pread(kernel->fd, header, sizeof(*header), SETUP_HEADER) != sizeof(*header))
		return false;
	return header->boot_flag == 0xaa55 && header->header == HDRS;
}

bool bzimage_probe(const struct boot_file *kernel)
{
	struct setup_header header;

	return read_header(kernel, &header);
}

static uint64_t setup_size(const struct setup_header *header)
{
	return ((header->setup_sects ? header->setup_sects : 4) + 1) * 512;
}

/*
 * The first four gigabytes one to one, in pages of 2 MiB: one page for each level
 * from five to three, and four for the second.
 */
static void put_page_tables(const struct memory *memory)
{
	uint64_t *level5 = memory_at(memory, BOOT_PAGES, 7 * 0x1000);
	uint64_t *level4 = level5 + 512, *level3 = level4 + 512, *level2 = level3 + 512;

	memset(level5, 0, 3 * 0x1000);
	level5[0] = (BOOT_PAGES + 0x1000) | PTE_PRESENT_WRITE;
	level4[0] = (BOOT_PAGES + 0x2000) | PTE_PRESENT_WRITE;
	for (unsigned int i = 0; i < 4; i++)
		level3[i] = (BOOT_PAGES + (3 + i) * 0x1000) | PTE_PRESENT_WRITE;
	for (unsigned int i = 0; i < 4 * 512; i++)
		level2[i] = i * 2 * MIB | PDE_LARGE | PTE_PRESENT_WRITE;
}

static void put_gdt(const struct memory *memory)
{
	static const uint64_t gdt[4] = {
		0, 0,
		0x00af9b000000ffff,	/* 0x10: 64-bit code */
		0x00cf93000000ffff,	/* 0x18: data */
	};

	memcpy(memory_at(memory, BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

static const char *check_header(const struct setup_header *header)
{
	if (header->version < PROTOCOL_64BIT || !(header->xloadflags & XLF_KERNEL_64))
		return "has no 64-bit entry; give a 64-bit kernel of version 3.8 or later";
	if (!header->relocatable_kernel && !header->pref_address)
		return "does not say where it wants to be loaded; give another kernel";
	return NULL;
}

static void put_params(struct boot *boot, const struct memory *memory,
		       const struct setup_header *header, uint64_t initrd, bool randomized)
{
	struct boot_params *params = memory_at(memory, BOOT_PARAMS, sizeof(*params));
	struct memory_map map[MEMORY_MAX_MAP];
	unsigned int i, n = memory_map(memory, map);

	memset(params, 0, sizeof(*params));
	params->hdr = *header;
	params->hdr.type_of_loader = LOADER_UNKNOWN;
	params->hdr.cmd_line_ptr = BOOT_CMDLINE;
	if (randomized)
		params->hdr.loadflags |= KASLR_FLAG;
	if (initrd) {
		params->hdr.ramdisk_image = initrd;
		params->hdr.ramdisk_size = boot->initrd.size;
		params->ext_ramdisk_size = boot->initrd.size >> 32;
	}
	params->acpi_rsdp_addr = boot->rsdp;
	for (i = 0; i < n; i++) {
		params->e820_table[i].addr = map[i].base;
		params->e820_table[i].size = map[i].size;
		params->e820_table[i].type = map[i].type;
	}
	params->e820_entries = n;
}

/* Whether one of these words, ended by a blank or as is, begins in the command line. */
static bool has_word(const char *cmdline, const char *const *words, unsigned int count)
{
	const char *at;

	for (unsigned int i = 0; i < count; i++) {
		for (at = cmdline; (at = strstr(at, words[i])); at++) {
			if (at == cmdline || at[-1] == ' ')
				return true;
		}
	}
	return false;
}

/* Tries to spare the guest the decompression; sets @u->entry if that is possible. */
static bool unpack_image(struct boot *boot, const struct memory *memory,
			 const struct setup_header *header, uint64_t limit, struct unpack *u)
{
	/* With the first no address is random; the others are about where memory is. */
	static const char *const fixed[] = { "nokaslr", "mem=", "memmap=", "hugepages=" };
	void *image;
	bool ok;

	image = mmap(NULL, boot->kernel.size, PROT_READ, MAP_PRIVATE, boot->kernel.fd, 0);
	if (image == MAP_FAILED)
		return false;
	*u = (struct unpack){
		.image = image,
		.size = boot->kernel.size,
		.payload = setup_size(header) + header->payload_offset,
		.payload_size = header->payload_length,
		.link = header->pref_address,
		.room = header->init_size,
		.align = header->kernel_alignment,
		.limit = limit & ~(2 * MIB - 1),
		.randomize = header->relocatable_kernel &&
			     !has_word(boot->cmdline, fixed, ARRAY_SIZE(fixed)),
	};
	ok = unpack(u, memory);
	munmap(image, boot->kernel.size);
	return ok;
}

/* Puts the file itself into memory, which unpacks itself there. */
static const char *load_image(struct boot *boot, const struct memory *memory,
			      const struct setup_header *header, uint64_t load)
{
	uint64_t setup = setup_size(header);

	boot->current = &boot->kernel;
	boot->entry = load + ENTRY_64;
	return boot_read(&boot->kernel, setup, memory, load, boot->kernel.size - setup);
}

const char *bzimage_load(struct boot *boot, const struct memory *memory)
{
	static const char *const no_la57[] = { "no5lvl" };
	struct setup_header header;
	struct unpack u = {};
	uint64_t load, initrd;
	const char *err;

	if (!read_header(&boot->kernel, &header))
		return "cannot be read any more";
	err = check_header(&header);
	if (err)
		return err;
	if (boot->kernel.size <= setup_size(&header))
		return "ends too early; give a whole file";
	/* A kernel that can be moved moves to this address if it is loaded below. */
	load = header.pref_address;
	if (load + header.init_size > memory->low)
		return boot_no_room(load + header.init_size + boot->initrd.size);
	err = boot_place_initrd(boot, memory, load + header.init_size, header.initrd_addr_max,
				&initrd);
	if (!err)
		err = boot_put_cmdline(boot, memory, header.cmdline_size);
	if (err)
		return err;
	boot->use_la57 = false;
	if (unpack_image(boot, memory, &header, initrd ? initrd : memory->low, &u)) {
		boot->entry = u.entry;
		boot->use_la57 = boot->has_la57 && header.xloadflags & XLF_5LEVEL_ENABLED &&
				 !has_word(boot->cmdline, no_la57, ARRAY_SIZE(no_la57));
	} else {
		err = load_image(boot, memory, &header, load);
		u.randomized = false;
	}
	put_page_tables(memory);
	put_gdt(memory);
	put_params(boot, memory, &header, initrd, u.randomized);
	boot->mode = BOOT_LONG;
	boot->argument = BOOT_PARAMS;
	return err;
}
