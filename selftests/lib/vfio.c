// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "host.h"

#define PCI		"/sys/bus/pci/devices/"
#define EDU_ID		0x11e81234
#define BAR_SIZE	4096

/* Registers and the buffer of the device, see QEMU's docs/specs/edu.rst. */
#define EDU_SOURCE	0x80
#define EDU_DEST	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_AREA	0x40000
#define EDU_START	1
#define EDU_TO_RAM	2

static int read_hex(const char *bdf, const char *name)
{
	char path[96];
	unsigned int value;
	int n;
	FILE *f;

	snprintf(path, sizeof(path), PCI "%s/%s", bdf, name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fscanf(f, "%x", &value);
	fclose(f);
	return n == 1 ? (int)value : -1;
}

static int group_of(const char *bdf)
{
	char path[96], link[128];
	ssize_t n;

	snprintf(path, sizeof(path), PCI "%s/iommu_group", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = 0;
	return atoi(strrchr(link, '/') + 1);
}

static int bind_driver(const char *bdf)
{
	char path[96];
	int err;

	snprintf(path, sizeof(path), PCI "%s/driver", bdf);
	if (!access(path, F_OK))
		return 0;
	snprintf(path, sizeof(path), PCI "%s/driver_override", bdf);
	err = put_text(path, "vfio-pci");
	return err ?: put_text("/sys/bus/pci/drivers_probe", bdf);
}

static int add(struct vfio *v, const char *bdf)
{
	*v = (struct vfio){ .container = -1, .group = -1, .device = -1 };
	snprintf(v->bdf, sizeof(v->bdf), "%s", bdf);
	v->group_id = group_of(bdf);
	return v->group_id < 0 ? v->group_id : bind_driver(bdf);
}

int vfio_find(struct vfio *found)
{
	struct dirent **names;
	int n, i, count = 0, err = 0;

	if (load_module("vfio-pci") || load_module("vfio_iommu_type1"))
		return -ENOENT;
	n = scandir(PCI, &names, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		const char *bdf = names[i]->d_name;

		if (!err && count < VFIO_MOST && read_hex(bdf, "vendor") == (EDU_ID & 0xffff) &&
		    read_hex(bdf, "device") == EDU_ID >> 16)
			err = add(&found[count++], bdf);
		free(names[i]);
	}
	free(names);
	return err ?: count;
}

static int open_group(struct vfio *v, const struct vfio *with)
{
	char path[32];

	if (with && with->group_id == v->group_id) {
		v->group = dup(with->group);
		return v->group < 0 ? -errno : 0;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%d", v->group_id);
	v->group = open(path, O_RDWR | O_CLOEXEC);
	if (v->group < 0 || ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container))
		return -errno;
	if (!with && ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	return 0;
}

static int enable(struct vfio *v)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &config))
		return -errno;
	if (pread(v->device, &command, 2, config.offset + PCI_COMMAND) != 2)
		return -EIO;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	return pwrite(v->device, &command, 2, config.offset + PCI_COMMAND) == 2 ? 0 : -EIO;
}

static int map_registers(struct vfio *v)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	void *regs;

	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return -errno;
	regs = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, v->device, bar.offset);
	if (regs == MAP_FAILED)
		return -errno;
	v->regs = regs;
	return 0;
}

int vfio_open(struct vfio *v, const struct vfio *with)
{
	int err;

	v->own = !with;
	v->container = with ? with->container : open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	err = v->container < 0 ? -errno : open_group(v, with);
	if (!err) {
		v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, v->bdf);
		err = v->device < 0 ? -errno : enable(v);
	}
	if (!err)
		err = map_registers(v);
	if (err)
		vfio_close(v);
	return err;
}

static void close_fd(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = -1;
}

void vfio_close(struct vfio *v)
{
	if (v->regs)
		munmap((void *)v->regs, BAR_SIZE);
	v->regs = NULL;
	close_fd(&v->device);
	close_fd(&v->group);
	if (v->own)
		close_fd(&v->container);
	v->container = -1;
}

int vfio_unbind(const struct vfio *v)
{
	char path[96];

	snprintf(path, sizeof(path), PCI "%s/driver/unbind", v->bdf);
	return put_text(path, v->bdf);
}

static void set(struct vfio *v, unsigned int reg, uint64_t value)
{
	*(volatile uint64_t *)(v->regs + reg) = value;
}

static void edu_copy(struct vfio *v, uint64_t from, uint64_t to, size_t size, uint64_t how)
{
	set(v, EDU_SOURCE, from);
	set(v, EDU_DEST, to);
	set(v, EDU_COUNT, size);
	set(v, EDU_COMMAND, EDU_START | how);
	while (*(volatile uint64_t *)(v->regs + EDU_COMMAND) & EDU_START)
		usleep(1000);
}

void edu_read(struct vfio *v, uint64_t iova, size_t size)
{
	edu_copy(v, iova, EDU_AREA, size, 0);
}

void edu_write(struct vfio *v, uint64_t iova, size_t size)
{
	edu_copy(v, EDU_AREA, iova, size, EDU_TO_RAM);
}
