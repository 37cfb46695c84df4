/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_UNPACK_H
#define VMRUN_UNPACK_H

#include "memory.h"

/**
 * struct unpack - the compressed kernel inside a bzImage
 * @image: the file, mapped
 * @size: its bytes
 * @payload: offset of the compressed part
 * @payload_size: its bytes
 * @link: the address the kernel was linked for, physical
 * @room: bytes it needs there, to run
 * @align: what its addresses have to be a multiple of
 * @limit: end of the memory it may be put into
 * @randomize: choose its addresses at random, if it can be moved
 * @address: out: where it is
 * @entry: out: its 64-bit entry point
 * @randomized: out: its virtual address was chosen at random
 */
struct unpack {
	const uint8_t *image;
	uint64_t size;
	uint64_t payload;
	uint64_t payload_size;
	uint64_t link;
	uint64_t room;
	uint64_t align;
	uint64_t limit;
	bool randomize;
	uint64_t address;
	uint64_t entry;
	bool randomized;
};

/**
 * unpack() - decompress a kernel into guest memory, ready to run
 * Return: false if that is not possible; the kernel has to do it itself then.
 */
bool unpack(struct unpack *u, const struct memory *memory);

#endif
