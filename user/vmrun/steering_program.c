// SPDX-License-Identifier: GPL-2.0-only
/*
 * The BPF program that chooses the queue of a tap for a packet.
 *
 * The packet begins with its Ethernet header. What is hashed follows virtio 1.2,
 * section 5.1.6.4.3: addresses and ports of TCP and UDP if the guest wants that, else
 * addresses, else nothing, and then the packet goes to the queue for the rest. Up to
 * two VLAN tags and six IPv6 extension headers are skipped. A fragment has no ports,
 * not even the first one, so that all of a packet stay together.
 *
 * Where a bound is checked that holds anyway, it is for the kernel's verifier.
 */
#include "steering.h"

#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* Labels are instructions of a kind of their own, left out in the end. */
#define LABEL_CODE 0xff

enum label {
	L3,
	VLAN_1,
	VLAN_2,
	IPV4,
	IPV6,
	EXTENSION,
	SKIP,
	SKIP_AUTH,
	FRAGMENT,
	NO_PORTS,
	IPV6_END,
	PROTOCOL,
	UDP,
	PORTS,
	ADDRESSES,
	HASH,
	HASH_BYTE,
	REST,
	LABELS,
};

/* Registers: 0 is what calls return, 1 to 5 are lost by them. */
enum {
	R0 = BPF_REG_0,
	R1 = BPF_REG_1,
	R2 = BPF_REG_2,
	R3 = BPF_REG_3,
	R4 = BPF_REG_4,
	R5 = BPF_REG_5,
	PACKET = BPF_REG_6,
	TABLE = BPF_REG_7,
	PLACE = BPF_REG_8,	/* in the packet, of the header looked at */
	LENGTH = BPF_REG_9,	/* of the input of the hash */
	STACK = BPF_REG_10,
};

/* On the stack: the input of the hash, and before it the start of the IP header. */
#define INPUT	(-40)
#define SCRATCH	(-64)
#define TYPES	(-72)

/* A constant as it is found in a packet; vmrun is for x86 only. */
#define BE16(value)	((uint16_t)((value) << 8 | (value) >> 8))

#define INSN(op, dst, src, offset, value) \
	{ .code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (value) }
#define ALU(op, dst, src)	INSN(BPF_ALU64 | BPF_X | (op), dst, src, 0, 0)
#define ALU_I(op, dst, value)	INSN(BPF_ALU64 | BPF_K | (op), dst, 0, 0, value)
#define MOV(dst, src)		ALU(BPF_MOV, dst, src)
#define MOV_I(dst, value)	ALU_I(BPF_MOV, dst, value)
#define LOAD(size, dst, src, offset) \
	INSN(BPF_LDX | BPF_MEM | (size), dst, src, offset, 0)
#define STORE(size, dst, src, offset) \
	INSN(BPF_STX | BPF_MEM | (size), dst, src, offset, 0)
#define JUMP(op, dst, src, label)	INSN(BPF_JMP | BPF_X | (op), dst, src, label, 0)
#define JUMP_I(op, dst, value, label)	INSN(BPF_JMP | BPF_K | (op), dst, 0, label, value)
#define GOTO(label)		JUMP_I(BPF_JA, 0, 0, label)
#define CALL(function)		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT()			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LABEL(label)		INSN(LABEL_CODE, 0, 0, label, 0)

/* Copies from @PLACE in the packet to the stack; to @missing if it is not that long. */
#define COPY(to, len, missing) \
	MOV(R3, STACK), ALU_I(BPF_ADD, R3, to), FETCH(len, missing)
#define FETCH(len, missing) \
	MOV(R1, PACKET), MOV(R2, PLACE), MOV_I(R4, len), CALL(BPF_FUNC_skb_load_bytes), \
		JUMP_I(BPF_JNE, R0, 0, missing)

/* Is this a VLAN tag? Then what follows it is looked at, else the network header. */
#define VLAN(label) \
	LOAD(BPF_H, R1, STACK, SCRATCH), JUMP_I(BPF_JEQ, R1, BE16(ETH_P_8021Q), label), \
		JUMP_I(BPF_JNE, R1, BE16(ETH_P_8021AD), L3), LABEL(label), \
		ALU_I(BPF_ADD, PLACE, 4), COPY(SCRATCH, 2, REST)

/* Adds to the hash in R1 what a value in @nibble stands for, at the place in R3. */
#define ADD_NIBBLE(nibble, which) \
	ALU_I(BPF_LSH, nibble, 2), MOV(R0, TABLE), ALU(BPF_ADD, R0, R3), \
		ALU(BPF_ADD, R0, nibble), \
		LOAD(BPF_W, R0, R0, offsetof(struct steering_table, nibbles[which])), \
		ALU(BPF_XOR, R1, R0)

static const struct bpf_insn program[] = {
	/* TABLE comes with the address of the map. */
	MOV(PACKET, R1),
	LOAD(BPF_W, R1, TABLE, offsetof(struct steering_map, current)),
	ALU_I(BPF_AND, R1, 1),
	ALU_I(BPF_MUL, R1, sizeof(struct steering_table)),
	ALU_I(BPF_ADD, TABLE, offsetof(struct steering_map, tables)),
	ALU(BPF_ADD, TABLE, R1),

	MOV_I(PLACE, offsetof(struct ethhdr, h_proto)),
	COPY(SCRATCH, 2, REST),
	VLAN(VLAN_1),
	VLAN(VLAN_2),
	LABEL(L3),
	ALU_I(BPF_ADD, PLACE, 2),
	LOAD(BPF_H, R1, STACK, SCRATCH),
	JUMP_I(BPF_JEQ, R1, BE16(ETH_P_IP), IPV4),
	JUMP_I(BPF_JEQ, R1, BE16(ETH_P_IPV6), IPV6),
	GOTO(REST),

	/* The addresses are the end of 20 bytes, and so where they are to be. */
	LABEL(IPV4),
	COPY(INPUT - 12, 20, REST),
	LOAD(BPF_B, R2, STACK, INPUT - 12),
	ALU_I(BPF_AND, R2, 15),
	ALU_I(BPF_LSH, R2, 2),
	ALU(BPF_ADD, PLACE, R2),
	MOV_I(LENGTH, 8),
	LOAD(BPF_W, R2, TABLE, offsetof(struct steering_table, types)),
	LOAD(BPF_B, R1, STACK, INPUT - 12 + 9),
	LOAD(BPF_H, R3, STACK, INPUT - 12 + 6),
	ALU_I(BPF_AND, R3, BE16(0x3fff)),
	JUMP_I(BPF_JEQ, R3, 0, PROTOCOL),
	MOV_I(R1, IPPROTO_NONE),
	GOTO(PROTOCOL),

	/* The same with 40 bytes. LENGTH counts extension headers for now. */
	LABEL(IPV6),
	COPY(INPUT - 8, 40, REST),
	ALU_I(BPF_ADD, PLACE, 40),
	LOAD(BPF_B, R1, STACK, INPUT - 8 + 6),
	MOV_I(LENGTH, 0),
	LABEL(EXTENSION),
	JUMP_I(BPF_JEQ, R1, IPPROTO_HOPOPTS, SKIP),
	JUMP_I(BPF_JEQ, R1, IPPROTO_ROUTING, SKIP),
	JUMP_I(BPF_JEQ, R1, IPPROTO_DSTOPTS, SKIP),
	JUMP_I(BPF_JEQ, R1, IPPROTO_FRAGMENT, SKIP),
	JUMP_I(BPF_JNE, R1, IPPROTO_AH, IPV6_END),
	LABEL(SKIP),
	ALU_I(BPF_ADD, LENGTH, 1),
	JUMP_I(BPF_JGT, LENGTH, 6, NO_PORTS),
	STORE(BPF_W, STACK, R1, TYPES),
	COPY(SCRATCH, 8, NO_PORTS),
	LOAD(BPF_W, R3, STACK, TYPES),
	LOAD(BPF_B, R1, STACK, SCRATCH),
	LOAD(BPF_B, R2, STACK, SCRATCH + 1),
	JUMP_I(BPF_JEQ, R3, IPPROTO_FRAGMENT, FRAGMENT),
	JUMP_I(BPF_JEQ, R3, IPPROTO_AH, SKIP_AUTH),
	ALU_I(BPF_LSH, R2, 3),
	ALU_I(BPF_ADD, R2, 8),
	ALU(BPF_ADD, PLACE, R2),
	GOTO(EXTENSION),
	LABEL(SKIP_AUTH),
	ALU_I(BPF_LSH, R2, 2),
	ALU_I(BPF_ADD, R2, 8),
	ALU(BPF_ADD, PLACE, R2),
	GOTO(EXTENSION),
	LABEL(FRAGMENT),
	ALU_I(BPF_ADD, PLACE, 8),
	LOAD(BPF_H, R2, STACK, SCRATCH + 2),
	ALU_I(BPF_AND, R2, BE16(0xfff9)),
	JUMP_I(BPF_JEQ, R2, 0, EXTENSION),
	LABEL(NO_PORTS),
	MOV_I(R1, IPPROTO_NONE),
	LABEL(IPV6_END),
	MOV_I(LENGTH, 32),
	LOAD(BPF_W, R2, TABLE, offsetof(struct steering_table, types)),
	/* Now the bits are those of IPv4. */
	ALU_I(BPF_RSH, R2, 3),

	LABEL(PROTOCOL),
	STORE(BPF_W, STACK, R2, TYPES),
	JUMP_I(BPF_JNE, R1, IPPROTO_TCP, UDP),
	JUMP_I(BPF_JSET, R2, VIRTIO_NET_RSS_HASH_TYPE_TCPv4, PORTS),
	LABEL(UDP),
	JUMP_I(BPF_JNE, R1, IPPROTO_UDP, ADDRESSES),
	JUMP_I(BPF_JSET, R2, VIRTIO_NET_RSS_HASH_TYPE_UDPv4, PORTS),
	GOTO(ADDRESSES),
	LABEL(PORTS),
	MOV(R3, STACK),
	ALU(BPF_ADD, R3, LENGTH),
	ALU_I(BPF_ADD, R3, INPUT),
	FETCH(4, ADDRESSES),
	ALU_I(BPF_ADD, LENGTH, 4),
	GOTO(HASH),
	LABEL(ADDRESSES),
	LOAD(BPF_W, R2, STACK, TYPES),
	JUMP_I(BPF_JSET, R2, VIRTIO_NET_RSS_HASH_TYPE_IPv4, HASH),
	GOTO(REST),

	/* R1 is the hash, R2 the byte of the input that is looked at. */
	LABEL(HASH),
	MOV_I(R1, 0),
	MOV_I(R2, 0),
	LABEL(HASH_BYTE),
	MOV(R4, STACK),
	ALU(BPF_ADD, R4, R2),
	LOAD(BPF_B, R4, R4, INPUT),
	MOV(R3, R2),
	ALU_I(BPF_MUL, R3, sizeof(((struct steering_table *)0)->nibbles[0]) * 2),
	MOV(R5, R4),
	ALU_I(BPF_RSH, R5, 4),
	ADD_NIBBLE(R5, 0),
	ALU_I(BPF_AND, R4, 15),
	ADD_NIBBLE(R4, 1),
	ALU_I(BPF_ADD, R2, 1),
	JUMP(BPF_JLT, R2, LENGTH, HASH_BYTE),

	LOAD(BPF_H, R2, TABLE, offsetof(struct steering_table, mask)),
	ALU(BPF_AND, R1, R2),
	ALU_I(BPF_AND, R1, KVLANE_NET_RSS_TABLE - 1),
	ALU_I(BPF_LSH, R1, 1),
	ALU(BPF_ADD, TABLE, R1),
	LOAD(BPF_H, R0, TABLE, offsetof(struct steering_table, queues)),
	EXIT(),
	LABEL(REST),
	LOAD(BPF_H, R0, TABLE, offsetof(struct steering_table, unclassified)),
	EXIT(),
};

static bool jumps(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_CALL &&
	       BPF_OP(insn->code) != BPF_EXIT;
}

unsigned int steering_program(struct bpf_insn *code, int map)
{
	unsigned int places[LABELS], len = 0;

	/* One instruction in two places: the address of the map's only element. */
	code[len++] = (struct bpf_insn)INSN(BPF_LD | BPF_DW | BPF_IMM, TABLE,
					    BPF_PSEUDO_MAP_VALUE, 0, map);
	code[len++] = (struct bpf_insn){};
	for (unsigned int i = 0; i < sizeof(program) / sizeof(*program); i++) {
		if (program[i].code == LABEL_CODE)
			places[program[i].off] = len;
		else
			code[len++] = program[i];
	}
	for (unsigned int i = 2; i < len; i++) {
		if (jumps(&code[i]))
			code[i].off = places[code[i].off] - i - 1;
	}
	return len;
}
