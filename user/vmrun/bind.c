// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which driver of the host has a PCI device, and having VFIO's take it for as long as
 * the guest runs.
 *
 * The old driver gets a device back when the keeper sees the end of this process, or on
 * exit() before there is a keeper. driver_override names the driver for one device
 * alone, so that no other device of its kind changes hands.
 */
#include "config.h"
#include "file.h"
#include "say.h"
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices/"
#define DRIVERS "/sys/bus/pci/drivers/"
#define VFIO_PCI "vfio-pci"
#define NAME_LEN 64

/* Devices that are to go back to their drivers. */
static char taken[MAX_VFIO][VFIO_ADDRESS];
static unsigned int nr_taken;

/* The last part of what a link in a device's folder points to; false if there is none. */
static bool link_name(const char *address, const char *link, char *name)
{
	char path[128], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "%.12s/%s", address, link);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	snprintf(name, NAME_LEN, "%s", basename(target));
	return true;
}

static int unbind(const char *address, const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVERS "%s/unbind", driver);
	return file_put(path, address);
}

/* Has a driver take the device; "\n" for whichever fits. */
static int probe(const char *address, const char *driver)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), DEVICES "%.12s/driver_override", address);
	err = file_put(path, driver);
	return err ? err : file_put("/sys/bus/pci/drivers_probe", address);
}

void bind_give_back(void)
{
	for (unsigned int i = 0; i < nr_taken; i++) {
		unbind(taken[i], VFIO_PCI);
		probe(taken[i], "\n");
	}
	nr_taken = 0;
}

void bind_leave_to_keeper(void)
{
	nr_taken = 0;
}

static void take(const char *address, const char *driver)
{
	char now[NAME_LEN] = "";
	int err = 0;

	if (access(DRIVERS VFIO_PCI, F_OK))
		fail(STATUS_USAGE, "--vfio %s,bind: no driver vfio-pci; as root, modprobe vfio-pci",
		     address);
	if (!nr_taken)
		atexit(bind_give_back);
	memcpy(taken[nr_taken++], address, VFIO_ADDRESS);
	if (*driver)
		err = unbind(address, driver);
	if (!err)
		err = probe(address, VFIO_PCI);
	if (err || !link_name(address, "driver", now) || strcmp(now, VFIO_PCI))
		fail(STATUS_USAGE, "--vfio %s,bind: vfio-pci does not take it%s%s; see dmesg",
		     address, err ? ": " : "", err ? strerror(-err) : "");
}

void bind_check(const char *address, bool wants)
{
	char path[128], driver[NAME_LEN] = "";

	snprintf(path, sizeof(path), DEVICES "%.12s", address);
	if (access(path, F_OK))
		fail(STATUS_USAGE, "--vfio %s: no such PCI device; lspci -D shows what there is",
		     address);
	bind_group(address);
	link_name(address, "driver", driver);
	if (!strcmp(driver, VFIO_PCI))
		return;
	if (!wants)
		fail(STATUS_USAGE, "--vfio %s: %s%s; give %s,bind to have VFIO take it meanwhile",
		     address, *driver ? "the host uses it, with driver " : "VFIO does not have it",
		     driver, address);
	take(address, driver);
}

int bind_group(const char *address)
{
	char name[NAME_LEN];

	if (!link_name(address, "iommu_group", name))
		fail(STATUS_USAGE,
		     "--vfio %s: in no IOMMU group; switch the IOMMU on, in the firmware and with intel_iommu=on",
		     address);
	return atoi(name);
}

void bind_obstacle(const char *address, char *text, size_t len)
{
	char path[128], driver[NAME_LEN];
	struct dirent *e;
	DIR *dir;

	text[0] = 0;
	snprintf(path, sizeof(path), DEVICES "%.12s/iommu_group/devices", address);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || !link_name(e->d_name, "driver", driver) ||
		    !strcmp(driver, VFIO_PCI))
			continue;
		snprintf(text, len, "%.12s is used by driver %s", e->d_name, driver);
	}
	if (dir)
		closedir(dir);
}
