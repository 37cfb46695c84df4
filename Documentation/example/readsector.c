// SPDX-License-Identifier: GPL-2.0-only
/*
 * readsector FILE - read sector 0 of a disk image through kvlane
 *
 * A virtual machine monitor and a guest's disk driver in one small program:
 * it makes a VM (without KVM), gives it memory and a virtio-blk device backed
 * by FILE, brings the device up as a driver does, and has it read one sector.
 * It needs /dev/kvlane, <linux/kvlane.h> and the C library.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvlane.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

/*
 * The guest's memory: 64 KiB from guest physical address 0 on, and what lies
 * where in it. Each of the three parts of a virtqueue needs an alignment of its
 * own (16, 2 and 4 bytes); a page each is the simplest way to get it.
 */
enum {
	MEMORY_SIZE = 0x10000,
	GPA_DESC = 0x1000,	/* descriptor table */
	GPA_AVAIL = 0x2000,	/* available ring: the driver writes */
	GPA_USED = 0x3000,	/* used ring: the device writes */
	GPA_HEADER = 0x4000,	/* of the request */
	GPA_DATA = 0x5000,
	GPA_STATUS = 0x6000,
	QUEUE_SIZE = 8,
	SECTOR_SIZE = 512,
	TIMEOUT_MS = 10000,
};

/* What the program holds. */
static int device;	/* descriptor of the device */
static uint8_t *memory;	/* where the guest's memory is mapped here */
static int interrupt;	/* eventfd the device signals when it is done */

static void die(const char *format, ...)
{
	va_list args;

	fputs("readsector: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* [vm] */
/* Opens /dev/kvlane and makes a VM of it. Returns the VM's descriptor. */
static int create_vm(void)
{
	struct kvlane_info info = {};
	struct kvlane_create_vm args = { .kvm_fd = -1 };
	int kvlane, vm;

	kvlane = open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	if (kvlane < 0)
		die("/dev/kvlane: %s; is the module loaded?", strerror(errno));
	if (ioctl(kvlane, KVLANE_GET_INFO, &info))
		die("KVLANE_GET_INFO: %s", strerror(errno));
	if (info.api_version != KVLANE_API_VERSION)
		die("the module speaks version %u, this program version %u",
		    info.api_version, KVLANE_API_VERSION);
	if (!(info.device_types & 1ULL << VIRTIO_ID_BLOCK))
		die("the module makes no block devices");

	vm = ioctl(kvlane, KVLANE_CREATE_VM, &args);
	if (vm < 0)
		die("KVLANE_CREATE_VM: %s", strerror(errno));
	/* The VM does not need it any more. */
	close(kvlane);
	return vm;
}

/* [memory] */
/* Makes guest memory of a memfd and tells the VM where it is. */
static void set_memory(int vm)
{
	struct kvlane_region region = { .gpa = 0, .size = MEMORY_SIZE };
	struct kvlane_set_memory args = {
		.nr_regions = 1,
		.regions = (uintptr_t)&region,
	};

	region.fd = memfd_create("guest", MFD_CLOEXEC);
	if (region.fd < 0 || ftruncate(region.fd, MEMORY_SIZE))
		die("memfd: %s", strerror(errno));
	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      region.fd, 0);
	if (memory == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	region.hva = (uintptr_t)memory;

	if (ioctl(vm, KVLANE_SET_MEMORY, &args))
		die("KVLANE_SET_MEMORY: %s", strerror(errno));
	close(region.fd);
}

/* [device] */
/* Makes a disk of @path: one queue, one vector, no feature left out. */
static void create_disk(int vm, const char *path)
{
	struct kvlane_create_device args = {
		.type = VIRTIO_ID_BLOCK,
		.num_queues = 1,
		.queue_size = QUEUE_SIZE,
		.num_vectors = 1,
		.features = ~0ULL,
	};
	struct kvlane_backend backend = {
		.flags = KVLANE_BACKEND_RDONLY,
		.blk.serial = "readsector",
	};
	struct kvlane_eventfd vector = { .index = 0 };

	backend.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (backend.fd < 0)
		die("%s: %s", path, strerror(errno));
	device = ioctl(vm, KVLANE_CREATE_DEVICE, &args);
	if (device < 0)
		die("KVLANE_CREATE_DEVICE: %s", strerror(errno));
	if (ioctl(device, KVLANE_SET_BACKEND, &backend))
		die("KVLANE_SET_BACKEND: %s: %s", path, strerror(errno));
	/* The device has its own reference to the file. */
	close(backend.fd);

	interrupt = eventfd(0, EFD_CLOEXEC);
	vector.fd = interrupt;
	if (interrupt < 0 || ioctl(device, KVLANE_SET_VECTOR, &vector))
		die("KVLANE_SET_VECTOR: %s", strerror(errno));
}

/* [registers] */
/*
 * The register window is little-endian; so a value of 1, 2, 4 or 8 bytes is
 * the first bytes of a little-endian 64-bit word.
 */
static uint64_t reg_read(unsigned int offset, size_t size)
{
	uint64_t value = 0;

	if (pread(device, &value, size, offset) != (ssize_t)size)
		die("reading register %#x: %s", offset, strerror(errno));
	return le64toh(value);
}

static void reg_write(unsigned int offset, size_t size, uint64_t value)
{
	value = htole64(value);
	if (pwrite(device, &value, size, offset) != (ssize_t)size)
		die("writing register %#x: %s", offset, strerror(errno));
}

/* Fields of the common configuration, by the names of <linux/virtio_pci.h>. */
#define COMMON(field)	(KVLANE_WINDOW_COMMON + VIRTIO_PCI_COMMON_##field)

/* [negotiate] */
/* Adds a bit to the device status, and checks that the device took it. */
static void add_status(uint8_t bit)
{
	reg_write(COMMON(STATUS), 1, reg_read(COMMON(STATUS), 1) | bit);
	if (!(reg_read(COMMON(STATUS), 1) & bit))
		die("the device refuses status bit %#x", bit);
}

static uint64_t offered_features(void)
{
	uint64_t low;

	reg_write(COMMON(DFSELECT), 4, 0);
	low = reg_read(COMMON(DF), 4);
	reg_write(COMMON(DFSELECT), 4, 1);
	return low | reg_read(COMMON(DF), 4) << 32;
}

static void accept_features(uint64_t features)
{
	reg_write(COMMON(GFSELECT), 4, 0);
	reg_write(COMMON(GF), 4, features & UINT32_MAX);
	reg_write(COMMON(GFSELECT), 4, 1);
	reg_write(COMMON(GF), 4, features >> 32);
}

/* The first steps of virtio 1.2, section 3.1.1, up to FEATURES_OK. */
static void negotiate(void)
{
	/* No indirect descriptors, no EVENT_IDX: the plainest ring there is. */
	uint64_t features = 1ULL << VIRTIO_F_VERSION_1;

	reg_write(COMMON(STATUS), 1, 0);
	add_status(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(VIRTIO_CONFIG_S_DRIVER);
	printf("features: offered %#" PRIx64 ", accepted %#" PRIx64 "\n",
	       offered_features(), features);
	accept_features(features);
	add_status(VIRTIO_CONFIG_S_FEATURES_OK);
}

/* [queue] */
/* Tells the device where queue 0 lies, enables it, and sets DRIVER_OK. */
static void start(void)
{
	reg_write(COMMON(Q_SELECT), 2, 0);
	reg_write(COMMON(Q_SIZE), 2, QUEUE_SIZE);
	reg_write(COMMON(Q_MSIX), 2, 0);
	reg_write(COMMON(Q_DESCLO), 8, GPA_DESC);
	reg_write(COMMON(Q_AVAILLO), 8, GPA_AVAIL);
	reg_write(COMMON(Q_USEDLO), 8, GPA_USED);
	reg_write(COMMON(Q_ENABLE), 2, 1);
	add_status(VIRTIO_CONFIG_S_DRIVER_OK);
}

/* [request] */
static void fill_descriptor(unsigned int i, uint64_t gpa, uint32_t len,
			    uint16_t flags)
{
	struct vring_desc *desc = (void *)(memory + GPA_DESC);

	desc[i].addr = htole64(gpa);
	desc[i].len = htole32(len);
	desc[i].flags = htole16(flags);
	desc[i].next = htole16(i + 1);
}

/* Puts "read sector 0" into the ring and tells the device. */
static void submit_read(void)
{
	struct virtio_blk_outhdr *header = (void *)(memory + GPA_HEADER);
	struct vring_avail *avail = (void *)(memory + GPA_AVAIL);

	header->type = htole32(VIRTIO_BLK_T_IN);
	header->sector = htole64(0);
	memory[GPA_STATUS] = 0xff;

	/* Header to read, data and status to write. */
	fill_descriptor(0, GPA_HEADER, sizeof(*header), VRING_DESC_F_NEXT);
	fill_descriptor(1, GPA_DATA, SECTOR_SIZE,
			VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
	fill_descriptor(2, GPA_STATUS, 1, VRING_DESC_F_WRITE);

	/* Offer the chain that begins at descriptor 0. */
	avail->ring[0] = htole16(0);
	/* The index last: whoever sees it sees all of the above. */
	__atomic_store_n(&avail->idx, htole16(1), __ATOMIC_RELEASE);

	/* Queue 0's notify address; a queue N is N * KVLANE_NOTIFY_MULTIPLIER on. */
	reg_write(KVLANE_WINDOW_NOTIFY, 2, 0);
}

/* [wait] */
/* An event says what went wrong; a device that works sends none. */
static void report_event(void)
{
	struct kvlane_event event;

	if (read(device, &event, sizeof(event)) != sizeof(event))
		die("reading an event: %s", strerror(errno));
	die("event: type %u, queue %d, reason %u, error %d", event.type,
	    (int)event.queue, event.reason, event.error);
}

/* Waits for the interrupt; the answer is in the used ring then. */
static void wait_for_answer(void)
{
	struct vring_used *used = (void *)(memory + GPA_USED);
	struct pollfd fds[] = {
		{ .fd = interrupt, .events = POLLIN },
		{ .fd = device, .events = POLLIN },
	};

	if (poll(fds, 2, TIMEOUT_MS) <= 0)
		die("no answer within %d ms", TIMEOUT_MS);
	if (fds[1].revents)
		report_event();
	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != htole16(1))
		die("an interrupt, but nothing in the used ring");
	if (memory[GPA_STATUS] != VIRTIO_BLK_S_OK)
		die("the disk answers with status %u", memory[GPA_STATUS]);
	printf("answered: descriptor chain %u, %u bytes written\n",
	       le32toh(used->ring[0].id), le32toh(used->ring[0].len));
}

/* [show] */
static void hexdump(const uint8_t *p, size_t len)
{
	size_t i, k;

	for (i = 0; i < len; i += 16) {
		printf("%08zx ", i);
		for (k = i; k < i + 16; k++)
			printf(" %02x", p[k]);
		printf("  |");
		for (k = i; k < i + 16; k++)
			putchar(isprint(p[k]) ? p[k] : '.');
		printf("|\n");
	}
}

/* [stats] */
static void show_stats(void)
{
	struct kvlane_queue_stats queue;
	struct kvlane_stats stats = {
		.num_queues = 1,
		.queue_stats_size = sizeof(queue),
		.queues = (uintptr_t)&queue,
	};

	if (ioctl(device, KVLANE_GET_STATS, &stats))
		die("KVLANE_GET_STATS: %s", strerror(errno));
	printf("statistics: status %#x, register accesses %llu\n", stats.status,
	       stats.exits);
	printf("queue 0: kicks %llu, requests %llu, bytes to guest %llu, ",
	       queue.kicks, queue.requests, queue.bytes_out);
	printf("interrupts %llu, errors %llu\n", queue.interrupts, queue.errors);
}

/* [main] */
int main(int argc, char **argv)
{
	uint64_t capacity;
	int vm;

	if (argc != 2) {
		fprintf(stderr, "usage: readsector FILE\n");
		return 2;
	}
	vm = create_vm();
	set_memory(vm);
	create_disk(vm, argv[1]);
	negotiate();
	capacity = reg_read(KVLANE_WINDOW_CONFIG +
			    offsetof(struct virtio_blk_config, capacity), 8);
	printf("capacity: %" PRIu64 " sectors of 512 bytes\n", capacity);
	start();
	submit_read();
	wait_for_answer();
	hexdump(memory + GPA_DATA, 64);
	show_stats();

	/* A driver that goes away leaves the device reset. */
	reg_write(COMMON(STATUS), 1, 0);
	close(device);
	close(vm);
	close(interrupt);
	return 0;
}
