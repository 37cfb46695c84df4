// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive side scaling for a tap (virtio 1.2, section 5.1.6.5.7): the guest says which
 * queue takes which packets, by a hash of their addresses and ports; a tap runs a BPF
 * program that sees to it.
 *
 * In the sandbox there is no bpf(), so the program shares memory with this process:
 * an array map that is mapped. It holds two tables: one that counts, and one that the
 * next change is written to before it counts. Only a packet whose hash takes longer than
 * two changes may go by a bit of both, and then to one of the tap's queues all the same.
 */
#include "steering.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static int create_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(struct steering_map),
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
		.map_name = "vmrun_steering",
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int load_program(int map)
{
	static const char license[] = "GPL";
	struct bpf_insn code[STEERING_CODE];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)code,
		.insn_cnt = steering_program(code, map),
		.license = (uintptr_t)license,
		.prog_name = "vmrun_steering",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

int steering_load(struct steering *steering)
{
	int map = create_map();

	*steering = (struct steering){ .program = -1 };
	if (map < 0)
		return map;
	steering->map = mmap(NULL, sizeof(*steering->map), PROT_READ | PROT_WRITE, MAP_SHARED,
			     map, 0);
	if (steering->map == MAP_FAILED)
		steering->program = -errno;
	else
		steering->program = load_program(map);
	/* The program and the mapping hold the map. */
	close(map);
	return steering->program < 0 ? steering->program : 0;
}

/* The 32 bits of the key that a bit of the input stands for. */
static uint32_t window(const uint8_t *key, unsigned int bit)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < 5; i++)
		bits = bits << 8 | key[bit / 8 + i];
	return bits >> (8 - bit % 8);
}

static void fill_nibble(uint32_t *values, const uint8_t *key, unsigned int bit)
{
	for (unsigned int value = 0; value < 16; value++) {
		values[value] = 0;
		for (unsigned int i = 0; i < 4; i++) {
			if (value & (8 >> i))
				values[value] ^= window(key, bit + i);
		}
	}
}

void steering_set(struct steering *steering, const struct kvlane_net_rss *rss)
{
	struct steering_map *map = steering->map;
	uint32_t next = map->current + 1;
	struct steering_table *table = &map->tables[next % 2];

	for (unsigned int i = 0; i < 2 * STEERING_INPUT; i++)
		fill_nibble(table->nibbles[i], rss->key, 4 * i);
	table->types = rss->hash_types;
	table->mask = rss->table_len - 1;
	table->unclassified = rss->unclassified;
	memcpy(table->queues, rss->table, sizeof(table->queues));
	__atomic_store_n(&map->current, next, __ATOMIC_RELEASE);
}
