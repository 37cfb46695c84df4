/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network device under attack is connected to: a tap with a packet socket on
 * its other side, and an owner who changes it at the wrong moment.
 */
#ifndef KVLANE_FUZZ_WIRE_H
#define KVLANE_FUZZ_WIRE_H

#include "victim.h"

/**
 * wire_open() - make the tap, in a network namespace of its own
 * @v: the victim; its process has one thread
 *
 * Return: 0 or a negative errno.
 */
int wire_open(struct victim *v);

/**
 * wire_close() - remove the tap
 * @v: the victim; may be opened in part
 */
void wire_close(struct victim *v);

/**
 * wire_mend() - a tap as new, with nothing on its way and the first queue attached
 * @v: the victim; it is reset
 *
 * Return: 0 or a negative errno.
 */
int wire_mend(struct victim *v);

/**
 * wire_set_backend() - give the device the tap's queues
 * @v: the victim
 * @flags: KVLANE_BACKEND_*
 * @fd: instead of one of them, or -1
 * @mtu: MTU to tell the driver
 *
 * Return: 0 or a negative errno.
 */
int wire_set_backend(struct victim *v, uint32_t flags, int fd, uint16_t mtu);

/**
 * wire_packet() - send the guest a packet, and throw away what it has sent
 * @v: the victim
 * @r: random numbers
 */
void wire_packet(struct victim *v, struct rnd *r);

/**
 * wire_mutate() - what an owner does to the link, the tap and its queues
 * @v: the victim
 * @r: random numbers
 */
void wire_mutate(struct victim *v, struct rnd *r);

/**
 * wire_header() - make up a header of a packet
 * @r: random numbers
 * @hdr: filled in
 */
void wire_header(struct rnd *r, struct virtio_net_hdr_v1 *hdr);

/**
 * wire_command() - make up a command for the control queue
 * @r: random numbers
 * @bytes: filled in: class, command and what goes with it
 *
 * Return: how many bytes.
 */
size_t wire_command(struct rnd *r, uint8_t bytes[COMMAND_BYTES]);

/**
 * wire_check() - packets go both ways, and commands are answered
 * @v: the victim, started
 * @r: random numbers
 *
 * Return: what is wrong, or NULL.
 */
const char *wire_check(struct victim *v, struct rnd *r);

#endif
