// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which driver of the host has a PCI device, and having VFIO's take it for as long as
 * the guest runs.
 *
 * What a device had before, a driver or none, it has again when a keeper sees the end of
 * this process. driver_override names the driver for one device alone, so that no other
 * device of its kind changes hands; what it said before it says again.
 */
#include "config.h"
#include "file.h"
#include "keeper.h"
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

/* No driver in particular, for driver_override. */
#define ANY_DRIVER "\n"

/**
 * struct taken - a device that is VFIO's only for now
 * @driver: what has it otherwise; empty for none
 * @override: what its driver_override said
 */
struct taken {
	char address[VFIO_ADDRESS];
	char driver[NAME_LEN];
	char override[NAME_LEN];
};

static struct taken taken[MAX_VFIO];
static unsigned int nr_taken;
static int keeper = -1;

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

static int override(const char *address, const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "%.12s/driver_override", address);
	return file_put(path, driver);
}

/* Has a driver take the device. */
static int probe(const char *address, const char *driver)
{
	int err = override(address, driver);

	return err ? err : file_put("/sys/bus/pci/drivers_probe", address);
}

/* It may not have been taken at all, or from its driver and not by VFIO's yet. */
static void give_back(const struct taken *t)
{
	char now[NAME_LEN] = "";

	if (link_name(t->address, "driver", now) && !strcmp(now, VFIO_PCI)) {
		unbind(t->address, VFIO_PCI);
		now[0] = 0;
	}
	if (*t->driver && !*now)
		probe(t->address, t->driver);
	override(t->address, t->override);
}

/* Waits until VFIO has let go of them. */
static void give_all_back(void)
{
	for (unsigned int i = 0; i < nr_taken; i++)
		give_back(&taken[i]);
}

/* What VFIO has open here it lets go of only when this process has ended. */
static void wait_for_keeper(void)
{
	if (!vfio_is_open())
		keeper_dismiss(keeper);
}

static void note(const char *address, const char *driver)
{
	struct taken *t = &taken[nr_taken++];
	char path[128];

	if (access(DRIVERS VFIO_PCI, F_OK))
		fail(STATUS_USAGE, "--vfio %s,bind: no driver vfio-pci; as root, modprobe vfio-pci",
		     address);
	memcpy(t->address, address, VFIO_ADDRESS);
	memcpy(t->driver, driver, NAME_LEN);
	snprintf(path, sizeof(path), DEVICES "%.12s/driver_override", address);
	if (!file_line(path, t->override, NAME_LEN) || !strcmp(t->override, "(null)"))
		strcpy(t->override, ANY_DRIVER);
}

static void take(const struct taken *t)
{
	char now[NAME_LEN] = "";
	int err = 0;

	if (*t->driver)
		err = unbind(t->address, t->driver);
	if (!err)
		err = probe(t->address, VFIO_PCI);
	if (err || !link_name(t->address, "driver", now) || strcmp(now, VFIO_PCI))
		fail(STATUS_USAGE, "--vfio %s,bind: vfio-pci does not take it%s%s; see dmesg",
		     t->address, err ? ": " : "", err ? strerror(-err) : "");
}

void bind_take(void)
{
	if (!nr_taken)
		return;
	keeper = keeper_start(-1, give_all_back);
	if (keeper < 0)
		fail(STATUS_FAILURE, "--vfio: nobody to give the devices back: %s",
		     strerror(-keeper));
	atexit(wait_for_keeper);
	for (unsigned int i = 0; i < nr_taken; i++)
		take(&taken[i]);
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
	note(address, driver);
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
