/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the program vdpa does, done by the caller itself: where it has to be quick, or
 * its allocations are to fail.
 */
#ifndef KVLANE_TEST_VDPA_NL_H
#define KVLANE_TEST_VDPA_NL_H

#include <stdint.h>

/**
 * struct vdpa_nl - a connection to vDPA
 * @fd: the socket
 * @family: vDPA's number
 */
struct vdpa_nl {
	int fd;
	uint16_t family;
};

/**
 * vdpa_nl_open() - connect, from the first network namespace
 * @nl: filled in
 *
 * Return: 0 or a negative errno.
 */
int vdpa_nl_open(struct vdpa_nl *nl);

/**
 * vdpa_nl_close() - disconnect
 * @nl: the connection
 */
void vdpa_nl_close(struct vdpa_nl *nl);

/**
 * vdpa_nl_add() - add a device that has a back end
 * @nl: the connection
 * @name: its name
 *
 * Return: 0 or a negative errno.
 */
int vdpa_nl_add(struct vdpa_nl *nl, const char *name);

/**
 * vdpa_nl_del() - delete it, after whoever has it open has closed it
 * @nl: the connection
 * @name: its name
 *
 * Return: 0 or a negative errno.
 */
int vdpa_nl_del(struct vdpa_nl *nl, const char *name);

/**
 * vdpa_nl_show() - ask what it is, and what its driver sees
 * @nl: the connection
 * @name: its name
 *
 * Return: 0 or a negative errno.
 */
int vdpa_nl_show(struct vdpa_nl *nl, const char *name);

#endif
