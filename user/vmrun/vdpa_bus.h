/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_VDPA_BUS_H
#define VMRUN_VDPA_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* vDPA's name for the module. */
#define VDPA_BUS_MANAGER "kvlane"

/**
 * vdpa_bus_add() - what "vdpa dev add" does, for a device the module has made
 * @features: bits to offer, or NULL for all
 * Return: NULL, or what is wrong.
 */
const char *vdpa_bus_add(const char *name, const uint64_t *features);

/**
 * vdpa_bus_del() - what "vdpa dev del" does
 * Return: NULL, or what is wrong.
 */
const char *vdpa_bus_del(const char *name);

/**
 * vdpa_bus_has() - whether there is a vDPA device of this name
 */
bool vdpa_bus_has(const char *name);

/**
 * vdpa_bus_has_driver() - whether a driver of vDPA devices is loaded
 */
bool vdpa_bus_has_driver(const char *driver);

/**
 * vdpa_bus_bind() - give a vDPA device to this driver
 * Return: NULL, or what is wrong.
 */
const char *vdpa_bus_bind(const char *name, const char *driver);

/**
 * vdpa_bus_driver() - the driver that has a vDPA device
 * Return: @buf, empty if none has.
 */
const char *vdpa_bus_driver(const char *name, char *buf, size_t len);

/**
 * vdpa_bus_node() - the character device of a vDPA device, or the virtio device it is
 * Return: @buf, empty if it is neither.
 */
const char *vdpa_bus_node(const char *name, char *buf, size_t len);

/**
 * vdpa_bus_busy() - whether a process has the character device of a vDPA device open
 */
bool vdpa_bus_busy(const char *name);

/**
 * vdpa_bus_list() - call a function for each vDPA device
 */
void vdpa_bus_list(void (*call)(const char *name, void *arg), void *arg);

#endif
