// SPDX-License-Identifier: GPL-2.0-only
/* The kernel module that serves the virtio devices. */
#include "module.h"
#include "number.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

int module_open(struct kvlane_info *info, const char **mend)
{
	int fd = open("/dev/kvlane", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			*mend = "join group kvm: as root, adduser USER kvm, and log in again";
		else
			*mend = "load the module: as root, modprobe kvlane";
		return -errno;
	}
	*info = (struct kvlane_info){};
	if (ioctl(fd, KVLANE_GET_INFO, info) || info->api_version != KVLANE_API_VERSION) {
		*mend = "install vmrun and the module kvlane of the same release";
		close(fd);
		return -EPROTO;
	}
	return fd;
}

static void set_memory(struct module *module, const struct memory *memory)
{
	struct kvlane_region regions[MEMORY_MAX_RANGES];
	struct memory_range ranges[MEMORY_MAX_RANGES];
	struct kvlane_set_memory set = {
		.nr_regions = memory_ranges(memory, ranges),
		.regions = (uintptr_t)regions,
	};

	for (unsigned int i = 0; i < set.nr_regions; i++)
		regions[i] = (struct kvlane_region){
			.gpa = ranges[i].gpa,
			.size = ranges[i].size,
			.hva = (uintptr_t)ranges[i].hva,
			.fd = memory->fd,
			.offset = ranges[i].offset,
		};
	if (ioctl(module->vm, KVLANE_SET_MEMORY, &set))
		fail(STATUS_USAGE, "/dev/kvlane: does not take the guest's memory: %s; see dmesg",
		     strerror(errno));
}

void module_attach(struct module *module, int kvm_vm, const struct memory *memory)
{
	struct kvlane_create_vm create = { .kvm_fd = kvm_vm };
	const char *mend;
	int fd;

	fd = module_open(&module->info, &mend);
	module->fd = fd;
	if (fd == -EPROTO)
		fail(STATUS_USAGE, "/dev/kvlane: API version %u, but vmrun knows %u; %s",
		     module->info.api_version, KVLANE_API_VERSION, mend);
	if (fd < 0)
		fail(STATUS_USAGE, "/dev/kvlane: %s; %s", strerror(-fd), mend);
	module->vm = ioctl(fd, KVLANE_CREATE_VM, &create);
	if (module->vm < 0)
		fail(STATUS_USAGE, "/dev/kvlane: cannot make a VM: %s; see dmesg",
		     strerror(errno));
	set_memory(module, memory);
}

/*
 * All there is, but for what would only cost: a disk completes requests in any order,
 * so in order a slow one would hold back all that came after it.
 */
uint64_t module_features(const struct device_shape *shape)
{
	uint64_t features = ~0ULL;

	if (shape->type == VIRTIO_ID_BLOCK)
		features &= ~(1ULL << VIRTIO_F_IN_ORDER);
	if (shape->no_packed)
		features &= ~(1ULL << VIRTIO_F_RING_PACKED);
	return features;
}

int module_device(struct module *module, const char *name, const struct device_shape *shape,
		  unsigned int queue_size)
{
	struct kvlane_create_device create = {
		.type = shape->type,
		.num_queues = shape->queues,
		.queue_size = queue_size,
		.num_vectors = shape->queues + 1,
		.lane_queues = shape->lane_queues,
		.features = module_features(shape),
	};
	int fd;

	if (!(module->info.device_types >> shape->type & 1))
		fail(STATUS_USAGE, "%s: the module has no such device; install a newer kvlane",
		     name);
	fd = ioctl(module->vm, KVLANE_CREATE_DEVICE, &create);
	if (fd < 0)
		fail(STATUS_USAGE, "%s: the module cannot make it with %u queues: %s; give fewer",
		     name, shape->queues, strerror(errno));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int module_throttle(struct module *module, const char *name)
{
	struct kvlane_create_throttle create = {};
	int fd = ioctl(module->fd, KVLANE_CREATE_THROTTLE, &create);

	if (fd < 0)
		fail(STATUS_USAGE, "%s: the module cannot make a throttle: %s; %s", name,
		     strerror(errno),
		     errno == EMFILE ? "raise ulimit -n" :
				       "install vmrun and the module kvlane of the same release");
	return fd;
}

static const char *reason_text(unsigned int reason)
{
	static const char *const texts[] = {
		[KVLANE_REASON_RING_ADDRESS] = "a ring outside guest memory, or not aligned",
		[KVLANE_REASON_AVAIL_INDEX] = "the avail index ran more than a queue ahead",
		[KVLANE_REASON_HEAD] = "a head past the end of the descriptor table",
		[KVLANE_REASON_HEAD_BUSY] = "a head that is still in flight",
		[KVLANE_REASON_NEXT] = "a next field past the end of the descriptor table",
		[KVLANE_REASON_CHAIN_LENGTH] = "a descriptor loop, or a chain longer than the queue",
		[KVLANE_REASON_CHAIN_BYTES] = "an empty buffer, or a chain of 4 GiB or more",
		[KVLANE_REASON_DIRECTION] = "a readable descriptor after a writable one",
		[KVLANE_REASON_ADDRESS] = "a buffer outside guest memory",
		[KVLANE_REASON_INDIRECT] = "a bad indirect table",
		[KVLANE_REASON_SEGMENTS] = "more buffers than the device takes",
		[KVLANE_REASON_SHORT] = "a buffer too short for header or status",
		[KVLANE_REASON_FAULT] = "guest memory that is not mapped",
		[KVLANE_REASON_NO_BACKEND] = "a driver started it without a back end",
	};

	return reason < ARRAY_SIZE(texts) && texts[reason] ? texts[reason] : "unknown reason";
}

const char *module_event_text(const struct kvlane_event *event, char *buf, size_t len)
{
	char where[32] = "";

	if (event->queue != KVLANE_NO_QUEUE)
		snprintf(where, sizeof(where), "queue %u: ", event->queue);
	switch (event->type) {
	case KVLANE_EVENT_NEEDS_RESET:
		snprintf(buf, len, "%sthe driver broke the rules, the device waits for a reset: %s",
			 where, reason_text(event->reason));
		break;
	case KVLANE_EVENT_BACKEND_ERROR:
		snprintf(buf, len, "%sa request failed on the host: %s", where,
			 strerror(-event->error));
		break;
	case KVLANE_EVENT_QUEUE_STALLED:
		snprintf(buf, len, "%sa request does not come back from the host, %llu are in flight",
			 where, (unsigned long long)event->value);
		break;
	case KVLANE_EVENT_NET_PAIRS:
		snprintf(buf, len, "the driver uses %llu queue pairs",
			 (unsigned long long)event->value);
		break;
	case KVLANE_EVENT_NET_RSS:
		snprintf(buf, len, "the driver %s by RSS which queue takes a packet",
			 event->value ? "says" : "no longer says");
		break;
	case KVLANE_EVENT_BALLOON_RETURNED:
		snprintf(buf, len, "memory is the guest's again");
		break;
	case KVLANE_EVENT_NOT_MAPPED:
		snprintf(buf, len,
			 "queue %u: its ring, at %#llx, is in no memory that vhost-vdpa has mapped",
			 event->queue, (unsigned long long)event->value);
		break;
	case KVLANE_EVENT_LINK_LOST:
		snprintf(buf, len, "the host's end has been taken away; the link is down");
		break;
	default:
		snprintf(buf, len, "%sevent %u", where, event->type);
	}
	return buf;
}
