// SPDX-License-Identifier: GPL-2.0-only
/* PCI devices of the host, as VFIO gives them out. */
#include "vfio.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Devices that are open in this process. */
static unsigned int nr_open;

bool vfio_address_parse(const char *text, char *address)
{
	unsigned int domain = 0, bus, slot, function;
	int n = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1u%n", &domain, &bus, &slot, &function, &n) != 4 ||
	    text[n]) {
		domain = 0;
		n = 0;
		if (sscanf(text, "%2x:%2x.%1u%n", &bus, &slot, &function, &n) != 3 || text[n])
			return false;
	}
	if (slot > 31 || function > 7)
		return false;
	snprintf(address, VFIO_ADDRESS, "%04x:%02x:%02x.%u", domain & 0xffff, bus & 0xff, slot,
		 function);
	return true;
}

int vfio_container(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(STATUS_USAGE, "/dev/vfio/vfio: %s; %s", strerror(errno),
		     errno == ENOENT ? "as root, modprobe vfio-pci" : "run vmrun as root");
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		fail(STATUS_USAGE, "VFIO: no IOMMU of type 1; as root, modprobe vfio_iommu_type1");
	return fd;
}

static int open_group(const struct vfio_device *device)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[32], obstacle[128];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%d", device->group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(STATUS_USAGE, "--vfio %s: %s: %s; %s", device->address, path, strerror(errno),
		     errno == EBUSY ? "another guest has it, or one of its group" :
				      "run vmrun as root");
	ioctl(fd, VFIO_GROUP_GET_STATUS, &status);
	bind_obstacle(device->address, obstacle, sizeof(obstacle));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		fail(STATUS_USAGE,
		     "--vfio %s: the IOMMU does not tell it from others of group %d: %s; unbind that too",
		     device->address, device->group,
		     *obstacle ? obstacle : "one of them is in use");
	return fd;
}

static void join(const struct vfio_device *device, int container)
{
	if (ioctl(device->group_fd, VFIO_GROUP_SET_CONTAINER, &container))
		fail(STATUS_USAGE, "--vfio %s: group %d: %s; another guest has it",
		     device->address, device->group, strerror(errno));
	/* EINVAL: it is set, since the first group. */
	if (!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) || errno == EINVAL)
		return;
	if (errno == EPERM)
		fail(STATUS_USAGE,
		     "--vfio %s: the host does not remap interrupts, so the guest could raise any of them; switch that on in the firmware",
		     device->address);
	fail(STATUS_USAGE, "--vfio %s: %s", device->address, strerror(errno));
}

static int share_group(const struct vfio_device *device, const struct vfio_device *others,
		       unsigned int nr_others)
{
	int fd;

	for (unsigned int i = 0; i < nr_others; i++) {
		if (others[i].group != device->group)
			continue;
		fd = fcntl(others[i].group_fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fail(STATUS_USAGE, "--vfio %s: %s; raise ulimit -n", device->address,
			     strerror(errno));
		return fd;
	}
	return -1;
}

void vfio_open(struct vfio_device *device, int container, const struct vfio_device *others,
	       unsigned int nr_others)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	device->group = bind_group(device->address);
	device->group_fd = share_group(device, others, nr_others);
	if (device->group_fd < 0) {
		device->group_fd = open_group(device);
		join(device, container);
	}
	device->fd = ioctl(device->group_fd, VFIO_GROUP_GET_DEVICE_FD, device->address);
	if (device->fd < 0)
		fail(STATUS_USAGE, "--vfio %s: VFIO does not give it: %s; see dmesg",
		     device->address, strerror(errno));
	nr_open++;
	fcntl(device->fd, F_SETFD, FD_CLOEXEC);
	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) ||
	    !(info.flags & VFIO_DEVICE_FLAGS_PCI))
		fail(STATUS_USAGE, "--vfio %s: VFIO knows it as no PCI device", device->address);
	device->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
}

void vfio_close(const struct vfio_device *device)
{
	close(device->fd);
	nr_open--;
}

bool vfio_is_open(void)
{
	return nr_open;
}

struct vfio_region vfio_region(const struct vfio_device *device, unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return (struct vfio_region){};
	return (struct vfio_region){
		.size = info.size,
		.offset = info.offset,
		.can_map = info.flags & VFIO_REGION_INFO_FLAG_MMAP,
	};
}

unsigned int vfio_irqs(const struct vfio_device *device, unsigned int index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ? 0 : info.count;
}

int vfio_irq_set(const struct vfio_device *device, unsigned int index, unsigned int action,
		 const int *fds, unsigned int count)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(*fds);
	struct vfio_irq_set *set = calloc(1, size);
	int err;

	if (!set)
		return -ENOMEM;
	set->argsz = size;
	set->flags = action | (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->count = count;
	if (count)
		memcpy(set->data, fds, count * sizeof(*fds));
	err = ioctl(device->fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
	free(set);
	return err;
}

int vfio_reset(const struct vfio_device *device)
{
	if (!device->can_reset)
		return 0;
	return ioctl(device->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}
