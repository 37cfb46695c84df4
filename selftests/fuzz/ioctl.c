// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of the interface in any order, with right, damaged and senseless
 * arguments, on descriptors of the right and of the wrong kind, from several threads
 * and from children, while other threads close or replace the descriptors.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <net/if.h>

#include <linux/if_tun.h>
#include <linux/kvlane.h>
#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "disk.h"
#include "fuzz.h"
#include "host.h"
#include "tap.h"

#include "kselftest.h"

#define SLOTS		24
#define ARENA		(1 << 20)
#define CALLS_IN_CHILD	30
/* Most descriptors of all queues together, so that memory suffices. */
#define MOST_DESCS	4096

static struct fuzz_options options = { .seconds = 15, .threads = 4 };

/* The descriptors the calls are made on; any thread may replace any. */
static int slots[SLOTS];
/* Guest memory, arguments, and memory that is not there. */
static uint8_t *arena;
static uint8_t *hole;

static const unsigned long commands[] = {
	KVLANE_GET_INFO, KVLANE_CREATE_VM, KVLANE_SET_MEMORY, KVLANE_CREATE_DEVICE,
	KVLANE_CREATE_DEVICE, KVLANE_SET_BACKEND, KVLANE_SET_BACKEND, KVLANE_SET_KICK,
	KVLANE_SET_VECTOR, KVLANE_GET_STATS, KVLANE_SET_LINK, KVLANE_GET_RSS,
	KVLANE_CREATE_THROTTLE, KVLANE_SET_THROTTLE, KVLANE_SET_LIMITS, KVLANE_GET_LIMITS,
	KVLANE_IRQ_INFO, KVLANE_SET_LANES, KVLANE_CREATE_IOMMU, KVLANE_IOMMU_ATTACH,
	KVLANE_IOMMU_DETACH, KVLANE_IOMMU_MAP, KVLANE_IOMMU_UNMAP, KVLANE_IOMMU_STATS,
	KVLANE_SET_BALLOON, KVLANE_GET_BALLOON, KVLANE_GET_RETURNED, KVLANE_SET_DIRTY_LOG,
	KVLANE_GET_DIRTY_LOG, KVLANE_SET_HINTING, KVLANE_GET_HINTS,
};

#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

/* An argument; the largest structure and room for a table behind it. */
union argument {
	struct kvlane_info info;
	struct kvlane_create_vm vm;
	struct kvlane_set_memory memory;
	struct kvlane_create_device device;
	struct kvlane_backend backend;
	struct kvlane_eventfd eventfd;
	struct kvlane_stats stats;
	struct kvlane_set_lanes lanes;
	struct kvlane_link link;
	struct kvlane_net_rss rss;
	struct kvlane_set_throttle throttle;
	struct kvlane_limits limits;
	struct kvlane_irq_info irq;
	struct kvlane_iommu_device iommu_device;
	struct kvlane_iommu_range iommu_range;
	struct kvlane_iommu_stats iommu_stats;
	struct kvlane_set_balloon set_balloon;
	struct kvlane_balloon_info balloon;
	struct kvlane_set_hinting hinting;
	struct kvlane_set_dirty_log set_dirty;
	struct kvlane_get_dirty_log dirty;
	uint32_t word[82];
};

/* What arguments point to. */
struct tables {
	struct kvlane_region regions[8];
	struct kvlane_dirty_range ranges[4];
};

static int slot_fd(unsigned int i)
{
	return __atomic_load_n(&slots[i], __ATOMIC_RELAXED);
}

static int any_fd(struct rnd *r)
{
	return rnd_one_in(r, 40) ? (int)rnd_odd(r) : slot_fd(rnd_below(r, SLOTS));
}

/* Standard input, output and error are not for sale. */
static bool ours(int fd)
{
	return fd > 2;
}

static void put(struct rnd *r, int fd)
{
	int old;

	if (fd < 0)
		return;
	if (ours(fd))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	old = __atomic_exchange_n(&slots[rnd_below(r, SLOTS)], fd, __ATOMIC_RELAXED);
	if (ours(old))
		close(old);
}

/* Sometimes with a few vCPUs, and with interrupt controllers. */
static int kvm_vm(struct rnd *r)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd;
	unsigned int i, nr = rnd_below(r, 4);

	if (kvm < 0)
		return -1;
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (rnd_one_in(r, 2))
		ioctl(fd, KVM_CREATE_IRQCHIP, 0);
	for (i = 0; i < nr; i++)
		put(r, ioctl(fd, KVM_CREATE_VCPU, i));
	return fd;
}

/* A tap, or sometimes half of one. */
static int any_tap(struct rnd *r)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | (rnd_one_in(r, 4) ? 0 : IFF_VNET_HDR),
	};
	/* Whoever reads it must not wait for packets that nobody sends. */
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int size = rnd_one_in(r, 2) ? 10 : 12;

	if (fd >= 0 && !rnd_one_in(r, 8) && !ioctl(fd, TUNSETIFF, &ifr))
		ioctl(fd, TUNSETVNETHDRSZ, &size);
	return fd;
}

static int any_file(struct rnd *r)
{
	int pair[2];

	switch (rnd_below(r, 14)) {
	case 0:
	case 1:
	case 2:
		return open("/dev/kvlane", O_RDWR | O_CLOEXEC);
	case 3:
	case 4:
		return eventfd(rnd_below(r, 2), EFD_CLOEXEC | EFD_NONBLOCK);
	case 5:
	case 6:
		return disk_memfd(rnd_one_in(r, 4) ? rnd_below(r, 100000) : 1 << 20);
	case 7:
		return open(rnd_one_in(r, 2) ? "/dev/urandom" : "/dev/null", O_RDWR | O_CLOEXEC);
	case 8:
		return epoll_create1(EPOLL_CLOEXEC);
	case 9:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case 10:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			return -1;
		close(pair[1]);
		return pair[0];
	case 11:
		return any_tap(r);
	case 12:
		return raw_open("lo", rnd_one_in(r, 2));
	default:
		return kvm_vm(r);
	}
}

/* User addresses are those of the arena, or of nothing: the module may write there. */
static uint64_t guest_address(struct rnd *r)
{
	switch (rnd_below(r, 8)) {
	case 0:
		return (uintptr_t)hole;
	case 1:
		return 1ULL << (47 + rnd_below(r, 17));
	case 2:
		return (uintptr_t)arena + rnd_below(r, 8192);
	default:
		return (uintptr_t)arena + ARENA / 2;
	}
}

static void make_regions(struct rnd *r, struct kvlane_region *regions, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		regions[i] = (struct kvlane_region){
			.gpa = rnd_one_in(r, 8) ? rnd_odd(r) : (uint64_t)i << 20,
			.size = rnd_one_in(r, 8) ? rnd_odd(r) & (ARENA / 4 - 1) : 65536,
			.hva = guest_address(r),
			.flags = rnd_one_in(r, 16) ? rnd_odd(r) : 0,
			.fd = rnd_one_in(r, 2) ? any_fd(r) : -1,
			.offset = rnd_one_in(r, 8) ? rnd_odd(r) : 0,
		};
}

static void make_memory(struct rnd *r, union argument *a, struct kvlane_region *regions)
{
	unsigned int nr = rnd_below(r, 5);

	make_regions(r, regions, nr);
	a->memory.nr_regions = nr;
	a->memory.regions = (uintptr_t)regions;
}

static void make_device(struct rnd *r, union argument *a)
{
	static const uint32_t sizes[] = { 2, 4, 16, 128, 1024, 3, 0, 2048 };
	static const uint32_t types[] = { VIRTIO_ID_NET, VIRTIO_ID_BLOCK, VIRTIO_ID_RNG,
					  VIRTIO_ID_BALLOON };

	a->device = (struct kvlane_create_device){
		.type = rnd_one_in(r, 8) ? rnd_odd(r) : types[rnd_below(r, 4)],
		.num_queues = rnd_one_in(r, 4) ? rnd_below(r, 140) : rnd_one_in(r, 2) ? 3 : 1,
		.queue_size = sizes[rnd_below(r, 8)],
		.num_vectors = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 5),
		.lane_queues = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 4),
		.features = rnd_one_in(r, 8) ? rnd_odd(r) : UINT64_MAX,
	};
}

/* For any type of device; a network device has its descriptors in an array. */
static void make_backend(struct rnd *r, union argument *a)
{
	static __thread int32_t fds[70];
	unsigned int i;

	if (!rnd_one_in(r, 3)) {
		a->backend.fd = any_fd(r);
		a->backend.flags = rnd_below(r, 4);
		if (rnd_one_in(r, 4))
			a->backend.flags |= KVLANE_BACKEND_IOPOLL;
		return;
	}
	for (i = 0; i < 70; i++)
		fds[i] = any_fd(r);
	a->backend.fd = -1;
	a->backend.flags = rnd_below(r, 32) & ~3;
	a->backend.net.fds = (uintptr_t)fds;
	a->backend.net.num_fds = rnd_one_in(r, 8) ? rnd_odd(r) : 1;
	a->backend.net.header_len = rnd_one_in(r, 4) ? rnd_odd(r) : 10 + 2 * rnd_below(r, 2);
}

static void make_stats(struct rnd *r, union argument *a)
{
	a->stats.num_queues = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 4);
	a->stats.queue_stats_size = rnd_one_in(r, 4) ? rnd_below(r, 5000) :
						       sizeof(struct kvlane_queue_stats);
	a->stats.queues = rnd_one_in(r, 4) ? (uintptr_t)hole : (uintptr_t)arena;
}

static void make_irq_info(struct rnd *r, union argument *a)
{
	a->irq.num_vcpus = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 4);
	a->irq.vcpu_size = rnd_one_in(r, 4) ? rnd_below(r, 5000) : sizeof(struct kvlane_irq_vcpu);
	a->irq.vcpus = rnd_one_in(r, 4) ? (uintptr_t)hole : (uintptr_t)arena;
}

static void make_lanes(struct rnd *r, union argument *a)
{
	a->lanes.queue = rnd_one_in(r, 2) ? KVLANE_NO_QUEUE : rnd_below(r, 4);
	a->lanes.poll_us = rnd_one_in(r, 2) ? KVLANE_POLL_DEFAULT : rnd_below(r, 1000);
	a->lanes.coalesce_us = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 1000);
	a->lanes.coalesce_requests = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 100);
	if (rnd_one_in(r, 2)) {
		a->lanes.cpus_size = rnd_one_in(r, 8) ? rnd_odd(r) : 8;
		a->lanes.cpus = rnd_one_in(r, 8) ? rnd_odd(r) : (uintptr_t)a;
	}
}

static void make_limits(struct rnd *r, union argument *a)
{
	a->limits.limits[rnd_below(r, KVLANE_NR_LIMITS)].rate = rnd_odd(r);
	a->limits.limits[rnd_below(r, KVLANE_NR_LIMITS)] = (struct kvlane_rate){
		.rate = 1 + rnd_below(r, 1000),
		.burst = rnd_below(r, 100000),
		.burst_ms = rnd_below(r, 100000),
	};
}

static void make_iommu_range(struct rnd *r, union argument *a)
{
	a->iommu_range.flags = rnd_below(r, 2);
	a->iommu_range.gpa = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 512) * 4096;
	a->iommu_range.size = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 64) * 4096;
}

static unsigned int make_ranges(struct rnd *r, struct kvlane_dirty_range *ranges)
{
	unsigned int nr = rnd_below(r, 4), i;

	for (i = 0; i < nr; i++)
		ranges[i] = (struct kvlane_dirty_range){
			.hva = (uintptr_t)arena + rnd_below(r, 4) * (ARENA / 4),
			.size = 4096ULL * (rnd_one_in(r, 8) ? rnd_below(r, 1 << 18) : 64),
		};
	return nr;
}

static void make_dirty(struct rnd *r, union argument *a, struct kvlane_dirty_range *ranges)
{
	a->set_dirty.nr_ranges = make_ranges(r, ranges);
	a->set_dirty.ranges = (uintptr_t)ranges;
}

static void make_hinting(struct rnd *r, union argument *a, struct kvlane_dirty_range *ranges)
{
	a->hinting.state = rnd_one_in(r, 2) ? rnd_below(r, 5) : KVLANE_HINTING_BEGUN;
	a->hinting.nr_ranges = make_ranges(r, ranges);
	a->hinting.ranges = (uintptr_t)ranges;
}

static void make_dirty_part(struct rnd *r, union argument *a)
{
	a->dirty.hva = (uintptr_t)arena + rnd_below(r, 4) * (ARENA / 4);
	a->dirty.size = 4096ULL * (rnd_one_in(r, 4) ? rnd_below(r, 100) : 64);
	a->dirty.bitmap = (uintptr_t)(rnd_one_in(r, 4) ? hole : arena);
}

static void make_argument(struct rnd *r, unsigned long cmd, union argument *a,
			  struct tables *t)
{
	memset(a, 0, sizeof(*a));
	switch (cmd) {
	case KVLANE_CREATE_VM:
		a->vm.kvm_fd = rnd_one_in(r, 4) ? any_fd(r) : -1;
		break;
	case KVLANE_SET_MEMORY:
		make_memory(r, a, t->regions);
		break;
	case KVLANE_CREATE_DEVICE:
		make_device(r, a);
		break;
	case KVLANE_SET_BACKEND:
		make_backend(r, a);
		break;
	case KVLANE_SET_LINK:
		a->link.flags = rnd_below(r, 4);
		break;
	case KVLANE_SET_KICK:
	case KVLANE_SET_VECTOR:
		a->eventfd.index = rnd_below(r, 3);
		a->eventfd.fd = rnd_one_in(r, 4) ? -1 : any_fd(r);
		break;
	case KVLANE_SET_THROTTLE:
		a->throttle.fd = rnd_one_in(r, 4) ? -1 : any_fd(r);
		break;
	case KVLANE_SET_LANES:
		make_lanes(r, a);
		break;
	case KVLANE_SET_BALLOON:
		a->set_balloon.target = rnd_one_in(r, 8) ? rnd_odd(r) :
							   rnd_below(r, 1024) * 4096ULL;
		break;
	case KVLANE_GET_BALLOON:
		a->balloon.flags = rnd_below(r, 4);
		break;
	case KVLANE_SET_LIMITS:
		make_limits(r, a);
		break;
	case KVLANE_GET_STATS:
		make_stats(r, a);
		break;
	case KVLANE_IRQ_INFO:
		make_irq_info(r, a);
		break;
	case KVLANE_SET_DIRTY_LOG:
		make_dirty(r, a, t->ranges);
		break;
	case KVLANE_SET_HINTING:
		make_hinting(r, a, t->ranges);
		break;
	case KVLANE_GET_DIRTY_LOG:
	case KVLANE_GET_HINTS:
		make_dirty_part(r, a);
		break;
	case KVLANE_IOMMU_ATTACH:
	case KVLANE_IOMMU_DETACH:
		a->iommu_device.fd = any_fd(r);
		break;
	case KVLANE_IOMMU_MAP:
	case KVLANE_IOMMU_UNMAP:
		make_iommu_range(r, a);
		break;
	}
}

/* A few words replaced, or all of them. */
static void damage(struct rnd *r, unsigned long cmd, union argument *a)
{
	unsigned int words = _IOC_SIZE(cmd) / 4, n = rnd_below(r, 3);

	if (!words || words > sizeof(a->word) / 4 || rnd_one_in(r, 2))
		return;
	if (rnd_one_in(r, 10))
		n = words;
	while (n--)
		a->word[rnd_below(r, words)] = rnd_odd(r);
	/* What the kernel writes to must not be this program's own by chance. */
	if (cmd == KVLANE_GET_STATS && a->stats.queues != (uintptr_t)arena)
		a->stats.queues = (uintptr_t)hole;
	if (cmd == KVLANE_IRQ_INFO && a->irq.vcpus != (uintptr_t)arena)
		a->irq.vcpus = (uintptr_t)hole;
	if ((cmd == KVLANE_GET_DIRTY_LOG || cmd == KVLANE_GET_HINTS) &&
	    a->dirty.bitmap != (uintptr_t)arena)
		a->dirty.bitmap = (uintptr_t)hole;
}

static bool too_large(unsigned long cmd, const union argument *a)
{
	return cmd == KVLANE_CREATE_DEVICE && a->device.queue_size <= 1024 &&
	       (uint64_t)a->device.num_queues * a->device.queue_size > MOST_DESCS;
}

static void *place(struct rnd *r, union argument *a)
{
	switch (rnd_below(r, 40)) {
	case 0:
		return NULL;
	case 1:
		return hole - rnd_below(r, 200);
	case 2:
		return (void *)(1UL << 63 | rnd_next(r));
	default:
		return a;
	}
}

static void call_known(struct rnd *r)
{
	unsigned long cmd = commands[rnd_below(r, COMMANDS)];
	union argument a;
	struct tables t;
	int ret;

	make_argument(r, cmd, &a, &t);
	damage(r, cmd, &a);
	if (too_large(cmd, &a))
		return;
	ret = ioctl(slot_fd(rnd_below(r, SLOTS)), cmd, place(r, &a));
	if (ret > 0 && (cmd == KVLANE_CREATE_VM || cmd == KVLANE_CREATE_DEVICE ||
			cmd == KVLANE_CREATE_THROTTLE || cmd == KVLANE_CREATE_IOMMU))
		put(r, ret);
}

/* Numbers beside the known ones, on descriptors of this module only. */
static void call_unknown(struct rnd *r)
{
	unsigned long cmd = _IOC(rnd_below(r, 4), KVLANE_IOC_MAGIC, rnd_below(r, 256),
				 rnd_below(r, 512));

	ioctl(slot_fd(rnd_below(r, SLOTS)), cmd, rnd_one_in(r, 2) ? arena : hole);
}

static void call_file(struct rnd *r)
{
	int fd = slot_fd(rnd_below(r, SLOTS));
	uint64_t value = rnd_odd(r);
	struct iovec iov[2] = { { &value, 4 }, { hole, rnd_below(r, 64) } };
	struct pollfd p = { .fd = fd, .events = rnd_odd(r) };
	char buf[128];
	void *map;

	switch (rnd_below(r, 9)) {
	case 0:
		if (read(fd, rnd_one_in(r, 8) ? (void *)hole : buf, rnd_below(r, sizeof(buf))) < 0)
			return;
		break;
	case 1:
		poll(&p, 1, 0);
		break;
	case 2:
		lseek(fd, rnd_odd(r), rnd_below(r, 3));
		break;
	case 3:
		map = mmap(NULL, 16384, PROT_READ, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED)
			munmap(map, 16384);
		break;
	case 4:
		preadv(fd, iov, 2, rnd_below(r, KVLANE_WINDOW_SIZE));
		break;
	case 5:
		pwritev(fd, iov, 2, rnd_below(r, KVLANE_WINDOW_SIZE));
		break;
	case 6:
		fsync(fd);
		break;
	default:
		if (write(fd, &value, 1 + rnd_below(r, 8)) < 0)
			return;
		break;
	}
}

/* The steps of a driver, more likely in the right order than by chance. */
static void call_register(struct rnd *r)
{
	static const struct {
		uint16_t offset;
		uint8_t size;
		uint64_t value;
	} steps[] = {
		{ 0x14, 1, 0 }, { 0x14, 1, 1 }, { 0x14, 1, 3 }, { 0x08, 4, 1 },
		{ 0x0c, 4, 1 }, { 0x14, 1, 11 }, { 0x1c, 2, 1 }, { 0x14, 1, 15 },
		{ 0x20, 8, 0 }, { 0x28, 8, 0x4000 }, { 0x30, 8, 0x8000 },
		{ KVLANE_WINDOW_NOTIFY, 2, 0 },
	};
	unsigned int i = rnd_below(r, sizeof(steps) / sizeof(steps[0]));
	int fd = slot_fd(rnd_below(r, SLOTS));
	uint64_t value = rnd_one_in(r, 8) ? rnd_odd(r) : steps[i].value;
	unsigned int n;

	if (rnd_one_in(r, 8)) {
		if (pwrite(fd, &value, rnd_below(r, 9), rnd_odd(r)) < 0)
			return;
		if (pread(fd, &value, 1 << rnd_below(r, 4), rnd_below(r, KVLANE_WINDOW_SIZE)) < 0)
			return;
		return;
	}
	for (n = 0; n < 12; n++) {
		i = rnd_one_in(r, 8) ? rnd_below(r, 12) : n;
		value = steps[i].value;
		if (pwrite(fd, &value, steps[i].size, steps[i].offset) < 0)
			return;
	}
}

static void call_replace(struct rnd *r)
{
	int fd = slot_fd(rnd_below(r, SLOTS)), other = slot_fd(rnd_below(r, SLOTS));

	switch (rnd_below(r, 4)) {
	case 0:
		put(r, fcntl(fd, F_DUPFD_CLOEXEC, 3));
		break;
	case 1:
		/* The number stays, the file changes under other threads' hands. */
		if (ours(fd) && ours(other))
			dup3(fd, other, O_CLOEXEC);
		break;
	case 2:
		if (ours(fd))
			close(fd);
		break;
	default:
		put(r, any_file(r));
		break;
	}
}

static void call(struct rnd *r)
{
	unsigned int pick = rnd_below(r, 16);

	fuzz_alive();
	if (pick < 8)
		call_known(r);
	else if (pick < 9)
		call_unknown(r);
	else if (pick < 12)
		call_register(r);
	else if (pick < 14)
		call_file(r);
	else
		call_replace(r);
}

static void nothing(int signal)
{
	(void)signal;
}

/*
 * Interrupts this thread's calls now and then: what a signal does to a call is
 * tried too, and no thread waits for good in a file that another one opened under
 * a number it had kept, before that one could make it non-blocking.
 */
static void interrupt_often(void)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerspec often = {
		.it_value.tv_nsec = 100000000, .it_interval.tv_nsec = 100000000,
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1,
		._sigev_un._tid = gettid(),
	};
	timer_t timer;

	sigaction(SIGUSR1, &action, NULL);
	if (!timer_create(CLOCK_MONOTONIC, &event, &timer))
		timer_settime(timer, 0, &often, NULL);
}

/* A child has inherited everything and may do nothing with it. */
static int in_child(struct rnd *r)
{
	struct kvlane_stats st = { .queue_stats_size = 64 };
	struct kvlane_irq_info irq = { .vcpu_size = 16 };
	struct kvlane_set_memory none = {};
	unsigned int i;

	interrupt_often();
	for (i = 0; i < SLOTS; i++) {
		if (!ioctl(slots[i], KVLANE_GET_STATS, &st))
			return 1;
		if (!ioctl(slots[i], KVLANE_SET_MEMORY, &none))
			return 1;
		if (!ioctl(slots[i], KVLANE_IRQ_INFO, &irq))
			return 1;
	}
	for (i = 0; i < CALLS_IN_CHILD; i++)
		call(r);
	return 0;
}

static bool fork_once(struct rnd *r)
{
	pid_t pid = fork(), ended;
	int status;

	if (!pid)
		_exit(in_child(r));
	if (pid < 0)
		return true;
	if (rnd_one_in(r, 4)) {
		usleep(rnd_below(r, 3000));
		kill(pid, SIGKILL);
	}
	do {
		ended = waitpid(pid, &status, 0);
	} while (ended < 0 && errno == EINTR);
	if (ended != pid)
		return false;
	return !WIFEXITED(status) || !WEXITSTATUS(status);
}

/**
 * struct caller - a thread
 * @index: number of the thread
 * @until: when it ends
 * @forks: it has children
 * @calls: calls it made
 * @bad: something was wrong
 */
struct caller {
	unsigned int index;
	double until;
	bool forks;
	unsigned long calls;
	bool bad;
};

static void *callers_thread(void *arg)
{
	struct caller *c = arg;
	struct rnd r;

	interrupt_often();
	rnd_seed(&r, options.seed, options.round, c->index);
	while (fuzz_now() < c->until && !c->bad &&
	       (!options.rounds || c->calls < options.rounds)) {
		if (c->forks && rnd_one_in(&r, 50))
			c->bad = !fork_once(&r);
		else
			call(&r);
		c->calls++;
	}
	return NULL;
}

static int prepare(void)
{
	struct rnd r;
	unsigned int i;

	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hole = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || hole == MAP_FAILED)
		return -ENOMEM;
	rnd_seed(&r, options.seed, options.round, FUZZ_THREADS);
	for (i = 0; i < SLOTS; i++) {
		slots[i] = -1;
		put(&r, any_file(&r));
	}
	return 0;
}

static void close_all(void)
{
	/* Some were lost from the slots when threads replaced the same one. */
	close_range(3, ~0U, 0);
}

static bool run_callers(unsigned int threads, bool forks, double seconds)
{
	struct caller c[FUZZ_THREADS];
	pthread_t thread[FUZZ_THREADS];
	unsigned long calls = 0;
	unsigned int i;
	bool bad = false;

	for (i = 0; i < threads; i++) {
		c[i] = (struct caller){
			.index = i, .until = fuzz_now() + seconds, .forks = forks,
		};
		if (pthread_create(&thread[i], NULL, callers_thread, &c[i]))
			return false;
	}
	for (i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		calls += c[i].calls;
		bad |= c[i].bad;
	}
	printf("# %lu calls%s\n", calls, bad ? ", and a child was let in" : "");
	return !bad;
}

static int run_process(unsigned int threads, bool forks, double seconds)
{
	bool ok;
	int before;

	/* Where taps come to no harm; without any where the kernel has none. */
	net_private();
	if (prepare())
		return 1;
	signal(SIGPIPE, SIG_IGN);
	fuzz_watch();
	before = thread_count(0);
	ok = run_callers(threads, forks, seconds);
	close_all();
	if (thread_settle(before)) {
		printf("# %d threads are left (%d before)\n", thread_count(0), before);
		ok = false;
	}
	fflush(stdout);
	return ok ? 0 : 1;
}

static bool test(unsigned int threads, bool forks, double seconds)
{
	long refs = module_refs("kvlane");
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(run_process(threads, forks, seconds));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		printf("# the program died of signal %d\n", WTERMSIG(status));
	if (module_settle("kvlane", refs)) {
		printf("# the module is still in use\n");
		return false;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	double part;

	fuzz_parse(&options, argc, argv);
	ksft_print_header();
	if (module_refs("kvlane") < 0)
		ksft_exit_skip("the module is not loaded\n");
	ksft_set_plan(3);
	part = options.seconds / 3.0;
	ksft_test_result(test(1, false, part), "alone\n");
	ksft_test_result(test(options.threads, false, part), "threads\n");
	ksft_test_result(test(options.threads, true, part), "children\n");
	ksft_finished();
}
