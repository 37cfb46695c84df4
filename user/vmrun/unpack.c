// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does for a compressed kernel what the code in front of it would do in the guest:
 * decompress it, put its segments in place, and move it to random addresses. That
 * takes a large part of a guest's boot, and a fraction of it here.
 *
 * The payload is an ELF file, and behind it, if the kernel can be moved, lists of
 * the places that hold addresses. Each place is the 32-bit virtual address of one
 * in the kernel as linked. The lists are read from the end backwards, and a zero
 * ends each: 32-bit addresses; until Linux 6.14 32-bit differences from which the
 * displacement is to be subtracted; 64-bit addresses.
 *
 * Whatever does not look like that is left to the kernel's own code.
 *
 * The file is decompressed so that its first segment is where it belongs.
 */
#include "unpack.h"
#include "layout.h"
#include "number.h"

#include <elf.h>
#include <string.h>
#include <sys/random.h>
#include <zstd.h>

#define START_KERNEL_MAP 0xffffffff80000000ULL
#define KERNEL_MAP_SIZE GIB	/* of virtual addresses, in a kernel that can be moved */
#define MAX_PHDRS 16
#define MAX_LISTS 3

/* How far into the file the first segment of a kernel begins. */
#define FILE_SHIFT (2 * MIB)

/* The decompressed file, and the kernel it becomes, in guest memory. */
struct payload {
	uint8_t *file;
	uint8_t *kernel;
	uint64_t size;
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[MAX_PHDRS];
	const int32_t *lists[MAX_LISTS];
	uint64_t counts[MAX_LISTS];
	unsigned int nr_lists;
};

/* A multiple of @step between @low and @high. */
static uint64_t random_between(uint64_t low, uint64_t high, uint64_t step)
{
	uint64_t value = 0;

	if (high < low + step || getrandom(&value, sizeof(value), 0) != sizeof(value))
		return low;
	return low + value % ((high - low) / step + 1) * step;
}

static bool decompress(const struct unpack *u, struct payload *p)
{
	const uint8_t *from = u->image + u->payload;
	uint32_t size;
	size_t n;

	/* The last four bytes are the size, for those who cannot tell otherwise. */
	n = ZSTD_findFrameCompressedSize(from, u->payload_size - sizeof(size));
	if (ZSTD_isError(n))
		return false;
	memcpy(&size, from + u->payload_size - sizeof(size), sizeof(size));
	if (size > u->room || size < sizeof(p->ehdr))
		return false;
	p->size = size;
	return ZSTD_decompress(p->file, size, from, n) == size;
}

static bool check_segment(const struct unpack *u, const struct payload *p, const Elf64_Phdr *ph)
{
	uint64_t to = ph->p_paddr - u->link;

	/* Segments are moved down, one by one, so none may have to go up. */
	return ph->p_paddr >= u->link && to <= u->room && ph->p_memsz <= u->room - to &&
	       ph->p_filesz <= ph->p_memsz && ph->p_offset <= p->size &&
	       ph->p_filesz <= p->size - ph->p_offset && to + FILE_SHIFT <= ph->p_offset;
}

static bool read_headers(const struct unpack *u, struct payload *p)
{
	Elf64_Ehdr *e = &p->ehdr;
	uint64_t size;

	memcpy(e, p->file, sizeof(*e));
	size = e->e_phnum * sizeof(p->phdrs[0]);
	if (memcmp(e->e_ident, ELFMAG, SELFMAG) || e->e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->e_machine != EM_X86_64 || e->e_phentsize != sizeof(p->phdrs[0]) ||
	    e->e_phnum > MAX_PHDRS || e->e_phoff > p->size || size > p->size - e->e_phoff ||
	    e->e_entry < u->link || e->e_entry >= u->link + u->room)
		return false;
	memcpy(p->phdrs, p->file + e->e_phoff, size);
	for (unsigned int i = 0; i < e->e_phnum; i++) {
		if (p->phdrs[i].p_type == PT_LOAD && !check_segment(u, p, &p->phdrs[i]))
			return false;
	}
	return true;
}

/* Finds the lists between the end of the ELF file and the end of the payload. */
static bool find_lists(struct payload *p)
{
	uint64_t begin = p->ehdr.e_shoff + (uint64_t)p->ehdr.e_shnum * p->ehdr.e_shentsize;
	const int32_t *first, *end, *at;

	if (begin < p->ehdr.e_shoff || begin > p->size || begin % 4 || p->size % 4)
		return false;
	first = (const int32_t *)(p->file + begin);
	end = (const int32_t *)(p->file + p->size);
	while (end > first) {
		for (at = end - 1; at > first && *at; at--)
			;
		if (*at || p->nr_lists == MAX_LISTS)
			return false;
		p->lists[p->nr_lists] = at + 1;
		p->counts[p->nr_lists++] = end - at - 1;
		end = at;
	}
	return p->nr_lists != 1;
}

static void move_segments(const struct unpack *u, struct payload *p)
{
	const Elf64_Phdr *ph;
	uint8_t *to, *from;

	for (ph = p->phdrs; ph < p->phdrs + p->ehdr.e_phnum; ph++) {
		to = p->kernel + (ph->p_paddr - u->link);
		from = p->file + ph->p_offset;
		if (ph->p_type == PT_LOAD && to != from)
			memmove(to, from, ph->p_filesz);
	}
}

enum kind { ADDRESS_32, DIFFERENCE_32, ADDRESS_64 };

static bool relocate(const struct unpack *u, struct payload *p, unsigned int list, enum kind kind,
		     uint64_t displacement)
{
	uint64_t offset, value64;
	uint32_t value;
	uint8_t *place;

	for (uint64_t i = 0; i < p->counts[list]; i++) {
		offset = (uint64_t)(int64_t)p->lists[list][i] - START_KERNEL_MAP - u->link;
		if (offset > u->room - sizeof(value64))
			return false;
		place = p->kernel + offset;
		if (kind == ADDRESS_64) {
			memcpy(&value64, place, sizeof(value64));
			value64 += displacement;
			memcpy(place, &value64, sizeof(value64));
		} else {
			memcpy(&value, place, sizeof(value));
			value += kind == ADDRESS_32 ? displacement : -displacement;
			memcpy(place, &value, sizeof(value));
		}
	}
	return true;
}

static bool randomize(struct unpack *u, struct payload *p)
{
	uint64_t virtual = random_between(u->link, KERNEL_MAP_SIZE - u->room, u->align);
	uint64_t displacement = virtual - u->link;
	unsigned int last = p->nr_lists - 1;

	if (!displacement)
		return true;
	return relocate(u, p, 0, ADDRESS_32, displacement) &&
	       (last < 2 || relocate(u, p, 1, DIFFERENCE_32, displacement)) &&
	       relocate(u, p, last, ADDRESS_64, displacement);
}

/* Whether the file says things that make sense, before anything is done. */
static bool check(const struct unpack *u)
{
	static const uint8_t zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

	return u->payload_size >= 2 * sizeof(zstd_magic) && u->payload <= u->size &&
	       u->payload_size <= u->size - u->payload && u->align &&
	       !(u->align & (u->align - 1)) && u->link % u->align == 0 &&
	       u->link >= RAM_EXT_BASE + FILE_SHIFT && u->link <= KERNEL_MAP_SIZE &&
	       u->room <= KERNEL_MAP_SIZE - u->link && u->link + u->room <= u->limit &&
	       !memcmp(u->image + u->payload, zstd_magic, sizeof(zstd_magic));
}

static bool unpack_at(struct unpack *u, struct payload *p)
{
	if (!decompress(u, p) || !read_headers(u, p) || !find_lists(p))
		return false;
	move_segments(u, p);
	u->randomized = u->randomize && p->nr_lists;
	if (u->randomized && !randomize(u, p))
		return false;
	u->entry = u->address + (p->ehdr.e_entry - u->link);
	return true;
}

bool unpack(struct unpack *u, const struct memory *memory)
{
	struct payload p = {};

	if (!check(u))
		return false;
	u->address = u->link;
	if (u->randomize)
		u->address = random_between(u->link, u->limit - u->room, u->align);
	p.file = memory_at(memory, u->address - FILE_SHIFT, FILE_SHIFT + u->room);
	if (!p.file)
		return false;
	p.kernel = p.file + FILE_SHIFT;
	return unpack_at(u, &p);
}
