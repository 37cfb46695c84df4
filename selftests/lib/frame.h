/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethernet frames for tests: with a pattern, with TCP or UDP in them, with a VLAN
 * tag; what a driver says of them, and what is then to be seen on the wire.
 */
#ifndef KVLANE_TEST_FRAME_H
#define KVLANE_TEST_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>

/** define NIC_MAC - address of the devices here */
#define NIC_MAC		{ 0x52, 0x54, 0, 0x12, 0x34, 0x56 }

/**
 * frame() - an Ethernet frame with a pattern in it
 * @to: filled in
 * @len: bytes, at least 14
 * @seed: of the pattern
 *
 * To NIC_MAC, from 02:00:00:00:00:01, of a type nobody knows.
 */
void frame(void *to, size_t len, unsigned int seed);

/** define FRAME_L4 - where TCP or UDP begins in frame_ip() */
#define FRAME_L4(v)	((v) == 4 ? 14 + 20 : 14 + 40)

/**
 * frame_ip() - the same with TCP or UDP in it
 * @to: filled in
 * @len: bytes
 * @version: of IP, 4 or 6
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 * @seed: of the pattern
 *
 * The checksum of the payload is left to be computed: it holds the sum of the
 * pseudo header, as for VIRTIO_NET_HDR_F_NEEDS_CSUM.
 */
void frame_ip(void *to, size_t len, int version, int proto, unsigned int seed);

/**
 * frame_csum() - what to say of a packet from frame_ip() so that it is completed
 * @hdr: filled in
 * @version: as there
 * @proto: as there
 */
void frame_csum(struct virtio_net_hdr_v1 *hdr, int version, int proto);

/**
 * frame_gso() - the same, and cut into pieces
 * @hdr: filled in
 * @version: as there
 * @proto: as there
 * @size: bytes of payload in each piece
 */
void frame_gso(struct virtio_net_hdr_v1 *hdr, int version, int proto, unsigned int size);

/**
 * frame_tag() - put a VLAN tag into a packet
 * @packet: the packet; room for four bytes more
 * @len: bytes of it
 * @tag: the tag
 * @hdr: what is said of the packet, corrected; may be NULL
 *
 * Return: bytes of the packet now.
 */
size_t frame_tag(void *packet, size_t len, uint16_t tag, struct virtio_net_hdr_v1 *hdr);

/**
 * frame_piece() - what is seen on the wire of a packet from frame_ip()
 * @to: filled in
 * @packet: the packet, with a tag or without
 * @len: bytes of it
 * @hdr: what is said of it
 * @nr: which piece, from 0; a packet that is not to be cut has one
 *
 * Cut into pieces and with checksums as somebody has to do it who was told so: each
 * byte of what has to arrive, computed without the kernel.
 *
 * Return: bytes of the piece, or 0 if there is none of that number.
 */
size_t frame_piece(void *to, const void *packet, size_t len,
		   const struct virtio_net_hdr_v1 *hdr, unsigned int nr);

#endif
