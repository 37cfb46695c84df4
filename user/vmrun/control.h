/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_CONTROL_H
#define VMRUN_CONTROL_H

#include "loop.h"

#include <stddef.h>
#include <sys/un.h>

#define CONTROL_REQUEST_MAX 1024

struct machine;

/**
 * struct control - the control socket of a VM
 *
 * A client sends one JSON object with a newline, gets one back, and is done.
 */
struct control {
	struct machine *machine;
	struct sockaddr_un address;
	struct watch socket;
};

/**
 * control_folder() - where the control sockets are
 * @may_create: make it if it is not there
 * Return: its path, or NULL with a message in @err.
 */
const char *control_folder(int may_create, const char **err);

/**
 * control_address() - the address of a VM's socket
 * Return: 0, or -ENAMETOOLONG.
 */
int control_address(struct sockaddr_un *address, const char *folder, const char *name);

/**
 * control_create() - make the socket of this VM
 *
 * Exits with STATUS_USAGE and one line if a VM of this name runs. The socket of
 * one that was killed is replaced. It is removed
 * when this process ends.
 */
void control_create(struct control *control, struct machine *machine);

#endif
