/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_TAP_H
#define VMRUN_TAP_H

#include "link.h"

#include <linux/kvlane.h>

#define TAP_DEVICE "/dev/net/tun"

/**
 * struct tap - the host's end of a network device
 * @name: of the interface; empty if it is not known
 * @fds: a descriptor for each queue
 * @count: how many there are
 * @attached: how many of them, from the first on, the interface sends packets to
 * @can_detach: its queues can be attached and detached
 * @is_steered: a program chooses the queue of a packet
 * @header_len: bytes of the virtio-net header before a packet, or 0
 * @old_header_len: what that was before
 */
struct tap {
	char name[LINK_NAME_LEN];
	int fds[KVLANE_NET_MAX_PAIRS];
	unsigned int count;
	unsigned int attached;
	bool can_detach;
	bool is_steered;
	unsigned int header_len;
	int old_header_len;
};

/**
 * tap_create() - a tap of our own, which goes with its last descriptor
 * @template: its name, with %d for a number
 * Return: 0 or a negative errno.
 */
int tap_create(struct tap *tap, const char *template, unsigned int queues);

/**
 * tap_open() - open an existing tap, and have it put back at exit()
 * @queues: how many; 0 for @wanted, or 1 if it has no more
 * Return: 0 or a negative errno: -EBUSY if it has a user, -EPERM if it belongs to
 * somebody else, -EINVAL if it is a tun or has a single queue only.
 */
int tap_open(struct tap *tap, const char *name, unsigned int queues, unsigned int wanted);

/**
 * tap_open_macvtap() - open a macvtap by its character device
 * @name: its name, which the character device must confirm
 * @index: of the interface
 * Return: 0 or a negative errno; -EBUSY if another process has locked it.
 */
int tap_open_macvtap(struct tap *tap, const char *name, int index, unsigned int queues);

/**
 * tap_adopt() - use descriptors the caller of vmrun has opened
 * Return: NULL, or what is wrong with the descriptor in @culprit.
 */
const char *tap_adopt(struct tap *tap, const int *fds, unsigned int count, int *culprit);

/**
 * tap_mac() - the address of the interface behind a tap's descriptor
 * Return: false if it does not tell.
 */
bool tap_mac(const struct tap *tap, uint8_t *mac);

/**
 * tap_use() - have packets sent to the first @queues queues only
 * Return: 0 or a negative errno.
 */
int tap_use(struct tap *tap, unsigned int queues);

/**
 * tap_steer() - have a BPF program choose the queue of a packet
 * @program: its descriptor, or -1 to have the tap choose
 * Return: 0 or a negative errno.
 */
int tap_steer(struct tap *tap, int program);

#endif
