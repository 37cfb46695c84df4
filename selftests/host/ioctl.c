// SPDX-License-Identifier: GPL-2.0-only
/* Every ioctl with every kind of bad input: a precise errno, and nothing changed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM	(4 << 20)
#define SECTORS	256

/* An ioctl that has to fail. */
#define EXPECT_ERRNO(error, call) do {		\
	errno = 0;				\
	EXPECT_EQ(-1, (call));			\
	EXPECT_EQ(error, errno);		\
} while (0)

FIXTURE(ioctl) {
	struct guest g;
	struct device d;
	int disk;
};

FIXTURE_SETUP(ioctl)
{
	self->disk = disk_memfd(SECTORS * 512);
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
}

FIXTURE_TEARDOWN(ioctl)
{
	device_close(&self->d);
	guest_close(&self->g);
}

/* The device still does what it did before the call that failed. */
static int still_works(struct device *d)
{
	struct blk_req r;

	if (blk_alloc(d->guest, &r, 512) || device_start(d, FEATURES_ALL))
		return -1;
	if (reg_read(d, KVLANE_WINDOW_CONFIG, 8) != SECTORS)
		return -2;
	if (blk_do(&d->vq[1], &r, VIRTIO_BLK_T_IN, 0, 512))
		return -3;
	return device_reset(d);
}

TEST_F(ioctl, get_info)
{
	struct kvlane_info info = {};

	ASSERT_EQ(0, ioctl(self->g.kvlane, KVLANE_GET_INFO, &info));
	EXPECT_EQ(KVLANE_API_VERSION, info.api_version);
	EXPECT_EQ(BIT(VIRTIO_ID_BLOCK) | BIT(VIRTIO_ID_RNG),
		  info.device_types & (BIT(VIRTIO_ID_BLOCK) | BIT(VIRTIO_ID_RNG)));
	EXPECT_EQ(KVLANE_MAX_QUEUES, info.max_queues);
	EXPECT_EQ(KVLANE_MAX_QUEUE_SIZE, info.max_queue_size);
	EXPECT_EQ(KVLANE_MAX_VECTORS, info.max_vectors);
	EXPECT_EQ(KVLANE_MAX_REGIONS, info.max_regions);
}

TEST_F(ioctl, get_info_bad_input)
{
	struct kvlane_info info = { .flags = 1 };

	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_GET_INFO, &info));
	info = (struct kvlane_info){ .reserved[3] = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_GET_INFO, &info));
	EXPECT_ERRNO(EFAULT, ioctl(self->g.kvlane, KVLANE_GET_INFO, 8));
}

TEST_F(ioctl, create_vm_bad_input)
{
	struct kvlane_create_vm arg = { .kvm_fd = -1, .flags = 1 };

	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	arg = (struct kvlane_create_vm){ .kvm_fd = -1, .reserved[2] = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	EXPECT_ERRNO(EFAULT, ioctl(self->g.kvlane, KVLANE_CREATE_VM, 8));
}

TEST_F(ioctl, create_vm_bad_kvm_fd)
{
	struct kvlane_create_vm arg = { .kvm_fd = 1000 };

	EXPECT_ERRNO(EBADF, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	arg.kvm_fd = -2;
	EXPECT_ERRNO(EBADF, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	arg.kvm_fd = self->disk;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	arg.kvm_fd = self->g.vm;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	arg.kvm_fd = self->g.kvlane;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
}

TEST_F(ioctl, create_vm_kvm)
{
	struct kvlane_create_vm arg = {};
	int kvm, vm, fd, vcpu;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		SKIP(return, "no /dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		SKIP(return, "KVM cannot make a VM");
	arg.kvm_fd = vm;
	fd = ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg);
	EXPECT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	/* Neither /dev/kvm nor a vCPU is a VM. */
	arg.kvm_fd = kvm;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	EXPECT_LE(0, vcpu);
	arg.kvm_fd = vcpu;
	EXPECT_ERRNO(EINVAL, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	/* The KVM VM lives on in ours. */
	close(vcpu);
	close(vm);
	close(kvm);
	close(fd);
}

TEST_F(ioctl, create_vm_descriptor_limit)
{
	struct kvlane_create_vm arg = { .kvm_fd = -1 };
	struct rlimit limit, none;
	int fd;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	/* The lowest free number is past the limit: no more descriptors. */
	fd = dup(self->g.kvlane);
	close(fd);
	none = (struct rlimit){ .rlim_cur = fd, .rlim_max = limit.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_ERRNO(EMFILE, ioctl(self->g.kvlane, KVLANE_CREATE_VM, &arg));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(ioctl, descriptors_close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->g.vm, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->d.fd, F_GETFD));
}

TEST_F(ioctl, unknown_number)
{
	unsigned long nr = _IO(KVLANE_IOC_MAGIC, 0x7f);

	EXPECT_ERRNO(ENOTTY, ioctl(self->g.kvlane, nr, 0));
	EXPECT_ERRNO(ENOTTY, ioctl(self->g.vm, nr, 0));
	EXPECT_ERRNO(ENOTTY, ioctl(self->d.fd, nr, 0));
	/* A call of one object on another. */
	EXPECT_ERRNO(ENOTTY, ioctl(self->g.kvlane, KVLANE_SET_MEMORY, 0));
	EXPECT_ERRNO(ENOTTY, ioctl(self->g.vm, KVLANE_SET_KICK, 0));
	EXPECT_ERRNO(ENOTTY, ioctl(self->d.fd, KVLANE_CREATE_VM, 0));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(ioctl, create_device_bad_input)
{
	const struct kvlane_create_device good = {
		.type = VIRTIO_ID_BLOCK, .num_queues = 1, .queue_size = 16,
		.num_vectors = 2, .features = FEATURES_ALL,
	};
	struct kvlane_create_device arg;
	int vm = self->g.vm;

#define BAD(error, field, value) do {						\
	arg = good;								\
	arg.field = value;							\
	EXPECT_ERRNO(error, ioctl(vm, KVLANE_CREATE_DEVICE, &arg));		\
} while (0)
	BAD(EINVAL, flags, 1);
	BAD(EINVAL, reserved[0], 1);
	BAD(EINVAL, reserved[3], 1ULL << 63);
	BAD(EINVAL, lane_queues, 2);
	BAD(EINVAL, lane_queues, UINT32_MAX);
	BAD(ENODEV, type, 0);
	BAD(ENODEV, type, 63);
	BAD(ENODEV, type, 64);
	BAD(ENODEV, type, UINT32_MAX);
	BAD(EINVAL, num_queues, 0);
	BAD(EINVAL, num_queues, KVLANE_BLK_MAX_QUEUES + 1);
	BAD(EINVAL, num_queues, KVLANE_MAX_QUEUES + 1);
	BAD(EINVAL, num_queues, UINT32_MAX);
	BAD(EINVAL, queue_size, 0);
	BAD(EINVAL, queue_size, 1);
	BAD(EINVAL, queue_size, 24);
	BAD(EINVAL, queue_size, KVLANE_MAX_QUEUE_SIZE * 2);
	BAD(EINVAL, queue_size, 1U << 31);
	BAD(EINVAL, num_vectors, KVLANE_MAX_VECTORS + 1);
	BAD(EINVAL, num_vectors, UINT32_MAX);
	BAD(EINVAL, features, FEATURES_ALL & ~BIT(VIRTIO_F_VERSION_1));
	BAD(EINVAL, features, 0);
#undef BAD
	EXPECT_ERRNO(EFAULT, ioctl(vm, KVLANE_CREATE_DEVICE, 8));
	arg = good;
	arg.type = VIRTIO_ID_RNG;
	arg.num_queues = 2;
	EXPECT_ERRNO(EINVAL, ioctl(vm, KVLANE_CREATE_DEVICE, &arg));
}

TEST_F(ioctl, create_device_limits)
{
	struct kvlane_create_device arg = {
		.type = VIRTIO_ID_BLOCK, .num_queues = KVLANE_BLK_MAX_QUEUES,
		.queue_size = KVLANE_MAX_QUEUE_SIZE, .num_vectors = KVLANE_MAX_VECTORS,
		.features = FEATURES_ALL,
	};
	int fd = ioctl(self->g.vm, KVLANE_CREATE_DEVICE, &arg);

	EXPECT_LE(0, fd);
	close(fd);
	arg.num_queues = 1;
	arg.queue_size = 2;
	arg.num_vectors = 0;
	fd = ioctl(self->g.vm, KVLANE_CREATE_DEVICE, &arg);
	EXPECT_LE(0, fd);
	close(fd);
}

/* Each five queues, with so many of them to a thread. */
TEST_F(ioctl, queues_share_threads)
{
	static const int threads[] = { 5, 5, 3, 2, 2, 1 };
	struct kvlane_create_device arg = {
		.type = VIRTIO_ID_NET, .num_queues = 5, .queue_size = 16,
		.features = FEATURES_ALL,
	};
	int before = thread_count(0), fd;

	for (arg.lane_queues = 0; arg.lane_queues <= 5; arg.lane_queues++) {
		fd = ioctl(self->g.vm, KVLANE_CREATE_DEVICE, &arg);
		ASSERT_LE(0, fd);
		EXPECT_EQ(before + threads[arg.lane_queues], thread_count(0));
		close(fd);
		EXPECT_EQ(0, thread_settle(before));
	}
}

/* A device that failed to come into being has left no lane behind. */
TEST_F(ioctl, create_device_failure_leaves_no_thread)
{
	struct kvlane_create_device arg = {
		.type = VIRTIO_ID_RNG, .num_queues = 2, .queue_size = 16,
		.features = FEATURES_ALL,
	};
	int before = thread_count(0);

	EXPECT_ERRNO(EINVAL, ioctl(self->g.vm, KVLANE_CREATE_DEVICE, &arg));
	EXPECT_EQ(before, thread_count(0));
}

TEST_F(ioctl, tie_bad_input)
{
	static const unsigned long request[] = { KVLANE_SET_KICK, KVLANE_SET_VECTOR };
	struct kvlane_eventfd good = { .fd = self->d.vq[0].kick }, arg;
	int fd = self->d.fd, i;

	for (i = 0; i < 2; i++) {
		arg = good;
		arg.flags = 1;
		EXPECT_ERRNO(EINVAL, ioctl(fd, request[i], &arg));
		arg = good;
		arg.reserved = 1;
		EXPECT_ERRNO(EINVAL, ioctl(fd, request[i], &arg));
		arg = good;
		arg.index = i ? 3 : 2;
		EXPECT_ERRNO(EINVAL, ioctl(fd, request[i], &arg));
		arg.index = UINT32_MAX;
		EXPECT_ERRNO(EINVAL, ioctl(fd, request[i], &arg));
		arg = good;
		arg.fd = self->disk;
		EXPECT_ERRNO(EINVAL, ioctl(fd, request[i], &arg));
		arg.fd = 1000;
		EXPECT_ERRNO(EBADF, ioctl(fd, request[i], &arg));
		EXPECT_ERRNO(EFAULT, ioctl(fd, request[i], 8));
	}
	/* The line is a vector, not a queue. */
	EXPECT_EQ(-EINVAL, device_tie(&self->d, KVLANE_SET_KICK, KVLANE_VECTOR_LINE, -1));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(ioctl, tie_and_untie_at_any_time)
{
	struct vq *vq = &self->d.vq[0];
	struct blk_req r;

	ASSERT_EQ(0, blk_alloc(&self->g, &r, 512));
	EXPECT_EQ(0, device_tie(&self->d, KVLANE_SET_VECTOR, KVLANE_VECTOR_LINE, vq->call));
	EXPECT_EQ(0, device_tie(&self->d, KVLANE_SET_VECTOR, KVLANE_VECTOR_LINE, -1));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_PLAIN));
	EXPECT_EQ(0, blk_do(vq, &r, VIRTIO_BLK_T_IN, 0, 512));
	/* Without a kick eventfd the notify register remains. */
	EXPECT_EQ(0, device_tie(&self->d, KVLANE_SET_KICK, 0, -1));
	EXPECT_EQ(0, device_tie(&self->d, KVLANE_SET_KICK, 0, -1));
	vq->notify_by_write = true;
	EXPECT_EQ(0, blk_do(vq, &r, VIRTIO_BLK_T_IN, 0, 512));
	/* A request waits in the ring; an eventfd already signalled is a kick. */
	blk_add(vq, &r, VIRTIO_BLK_T_IN, 0, 512);
	vq_publish(vq);
	eventfd_wait(vq->kick, 0);
	eventfd_write(vq->kick, 1);
	EXPECT_EQ(0, device_tie(&self->d, KVLANE_SET_KICK, 0, vq->kick));
	EXPECT_EQ(0, blk_wait(vq, &r));
}

TEST_F(ioctl, stats)
{
	struct kvlane_queue_stats qs[4];
	struct kvlane_stats st = {
		.num_queues = 1, .queue_stats_size = sizeof(qs[0]), .queues = (uintptr_t)qs,
	};
	const uint64_t untouched = 0x5555555555555555ULL;
	struct blk_req r;
	uint64_t *p = (uint64_t *)qs;

	ASSERT_EQ(0, blk_alloc(&self->g, &r, 512));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, blk_do(&self->d.vq[0], &r, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, blk_do(&self->d.vq[1], &r, VIRTIO_BLK_T_OUT, 0, 512));
	/* Room for one queue of the two. */
	memset(qs, 0x55, sizeof(qs));
	ASSERT_EQ(0, ioctl(self->d.fd, KVLANE_GET_STATS, &st));
	EXPECT_EQ(2, st.num_queues);
	EXPECT_EQ(VIRTIO_ID_BLOCK, st.type);
	EXPECT_EQ(device_status(&self->d), st.status);
	EXPECT_EQ(self->d.features, st.features);
	EXPECT_EQ(0, st.needs_reset);
	EXPECT_LT(0, st.exits);
	EXPECT_EQ(1, qs[0].requests);
	EXPECT_LE(512, qs[0].bytes_out);
	EXPECT_EQ(untouched, qs[1].kicks);
	/* Room for more than there is. */
	st.num_queues = 4;
	ASSERT_EQ(0, ioctl(self->d.fd, KVLANE_GET_STATS, &st));
	EXPECT_EQ(2, st.num_queues);
	EXPECT_EQ(1, qs[1].requests);
	EXPECT_LE(512, qs[1].bytes_in);
	EXPECT_EQ(untouched, qs[2].kicks);
	/* An older program: elements are cut. */
	memset(qs, 0x55, sizeof(qs));
	st.num_queues = 2;
	st.queue_stats_size = 64;
	ASSERT_EQ(0, ioctl(self->d.fd, KVLANE_GET_STATS, &st));
	EXPECT_EQ(1, ((struct kvlane_queue_stats *)(p + 8))->requests);
	EXPECT_EQ(untouched, p[16]);
	/* A newer one: they are padded. */
	memset(qs, 0x55, sizeof(qs));
	st.num_queues = 2;
	st.queue_stats_size = sizeof(qs[0]) + 16;
	ASSERT_EQ(0, ioctl(self->d.fd, KVLANE_GET_STATS, &st));
	EXPECT_EQ(1, qs[0].requests);
	EXPECT_EQ(0, ((uint64_t *)&qs[1])[0]);
	EXPECT_EQ(0, ((uint64_t *)&qs[1])[1]);
	EXPECT_EQ(1, ((struct kvlane_queue_stats *)((uint64_t *)&qs[1] + 2))->requests);
}

TEST_F(ioctl, stats_without_array)
{
	struct kvlane_stats st = { .queue_stats_size = sizeof(struct kvlane_queue_stats) };

	EXPECT_EQ(0, ioctl(self->d.fd, KVLANE_GET_STATS, &st));
	EXPECT_EQ(2, st.num_queues);
}

TEST_F(ioctl, stats_bad_input)
{
	struct kvlane_queue_stats qs[2];
	const struct kvlane_stats good = {
		.num_queues = 2, .queue_stats_size = sizeof(qs[0]), .queues = (uintptr_t)qs,
	};
	struct kvlane_stats arg;
	int fd = self->d.fd;

#define BAD(error, field, value) do {					\
	arg = good;							\
	arg.field = value;						\
	EXPECT_ERRNO(error, ioctl(fd, KVLANE_GET_STATS, &arg));		\
} while (0)
	BAD(EINVAL, flags, 1);
	BAD(EINVAL, reserved0, 1);
	BAD(EINVAL, reserved[5], 1);
	BAD(EINVAL, queue_stats_size, 0);
	BAD(EINVAL, queue_stats_size, 56);
	BAD(EINVAL, queue_stats_size, 68);
	BAD(EFAULT, queues, 8);
	BAD(EFAULT, queues, UINT64_MAX - 7);
#undef BAD
	EXPECT_ERRNO(EFAULT, ioctl(fd, KVLANE_GET_STATS, 8));
}

/* The VM belongs to the process that made it. */
TEST_F(ioctl, other_process)
{
	uint32_t reg = 0;
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		struct kvlane_create_device dev = {
			.type = VIRTIO_ID_RNG, .num_queues = 1, .queue_size = 16,
			.features = FEATURES_ALL,
		};

		EXPECT_EQ(-EPERM, guest_set_regions(&self->g, self->g.regions, 2));
		EXPECT_ERRNO(EPERM, ioctl(self->g.vm, KVLANE_CREATE_DEVICE, &dev));
		EXPECT_EQ(-EPERM, device_set_blk(&self->d, self->disk, 0, 0));
		EXPECT_EQ(-EPERM, device_tie(&self->d, KVLANE_SET_KICK, 0, -1));
		EXPECT_EQ(-EPERM, device_tie(&self->d, KVLANE_SET_VECTOR, 0, -1));
		EXPECT_EQ(-EPERM, reg_write(&self->d, COMMON(STATUS), 1, 1));
		EXPECT_ERRNO(EPERM, pread(self->d.fd, &reg, 1, COMMON(STATUS)));
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, device_status(&self->d));
	EXPECT_EQ(0, still_works(&self->d));
}

/* Every region has one fault; the table before it stays in force. */
FIXTURE(memory) {
	struct guest g;
	struct device d;
};

FIXTURE_SETUP(memory)
{
	int disk = disk_memfd(SECTORS * 512);

	ASSERT_LE(0, disk);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, disk, 0, 0));
	close(disk);
}

FIXTURE_TEARDOWN(memory)
{
	device_close(&self->d);
	guest_close(&self->g);
}

TEST_F(memory, bad_region)
{
	const struct kvlane_region *good = self->g.regions;
	struct kvlane_region r[2];

#define BAD(error, field, value) do {						\
	memcpy(r, good, sizeof(r));						\
	r[1].field = (value);							\
	EXPECT_EQ(-(error), guest_set_regions(&self->g, r, 2));			\
} while (0)
	BAD(EINVAL, gpa, GUEST_HIGH + 512);
	BAD(EINVAL, size, 4096 + 8);
	BAD(EINVAL, size, 0);
	BAD(EINVAL, hva, good[1].hva + 16);
	BAD(EINVAL, offset, 24);
	BAD(EINVAL, flags, 1);
	BAD(EINVAL, flags, 1U << 31);
	/* gpa + size wraps; hva + size wraps or leaves user space */
	BAD(EINVAL, gpa, -4096ULL);
	BAD(EINVAL, size, -4096ULL);
	BAD(EINVAL, hva, -4096ULL);
	BAD(EINVAL, hva, 1ULL << 63);
	BAD(EINVAL, size, 1ULL << 62);
	BAD(EBADF, fd, 1000);
	BAD(EBADF, fd, -2);
	/* overlaps: the same, one page, one inside the other */
	BAD(EEXIST, gpa, GUEST_LOW);
	BAD(EEXIST, gpa, GUEST_LOW + good[0].size - 4096);
	BAD(EEXIST, gpa, GUEST_LOW - good[1].size + 4096);
#undef BAD
	memcpy(r, good, sizeof(r));
	r[1].fd = -1;
	EXPECT_EQ(-EINVAL, guest_set_regions(&self->g, r, 2));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(memory, bad_table)
{
	struct kvlane_set_memory good = {
		.nr_regions = 2, .regions = (uintptr_t)self->g.regions,
	}, arg;
	int vm = self->g.vm;

#define BAD(error, field, value) do {					\
	arg = good;							\
	arg.field = value;						\
	EXPECT_ERRNO(error, ioctl(vm, KVLANE_SET_MEMORY, &arg));	\
} while (0)
	BAD(EINVAL, flags, 1);
	BAD(EINVAL, reserved[0], 1);
	BAD(EINVAL, reserved[1], 1);
	BAD(E2BIG, nr_regions, KVLANE_MAX_REGIONS + 1);
	BAD(E2BIG, nr_regions, UINT32_MAX);
	BAD(EFAULT, regions, 8);
	BAD(EFAULT, regions, -8ULL);
#undef BAD
	EXPECT_ERRNO(EFAULT, ioctl(vm, KVLANE_SET_MEMORY, 8));
	EXPECT_EQ(0, still_works(&self->d));
}

/* As many regions as there may be, in no order, touching but not overlapping. */
TEST_F(memory, many_regions)
{
	struct kvlane_region r[KVLANE_MAX_REGIONS];
	size_t page = self->g.size / KVLANE_MAX_REGIONS;
	int i, at;

	for (i = 0; i < KVLANE_MAX_REGIONS; i++) {
		at = i * 37 % KVLANE_MAX_REGIONS;
		r[i] = (struct kvlane_region){
			.gpa = at < KVLANE_MAX_REGIONS / 2 ? GUEST_LOW + at * page :
			       GUEST_HIGH + at * page - self->g.size / 2,
			.size = page,
			.hva = (uintptr_t)self->g.mem + at * page,
			.fd = self->g.memfd,
			.offset = at * page,
		};
	}
	EXPECT_EQ(0, guest_set_regions(&self->g, r, KVLANE_MAX_REGIONS));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(memory, without_file)
{
	struct kvlane_region r[2];

	memcpy(r, self->g.regions, sizeof(r));
	r[0].fd = r[1].fd = -1;
	r[0].offset = r[1].offset = 0;
	EXPECT_EQ(0, guest_set_regions(&self->g, r, 2));
	EXPECT_EQ(0, still_works(&self->d));
}

/* An empty table replaces a full one, and the other way round. */
TEST_F(memory, replaced_whole)
{
	ASSERT_EQ(0, guest_set_regions(&self->g, NULL, 0));
	ASSERT_EQ(0, device_negotiate(&self->d, FEATURES_PLAIN));
	device_setup_queue(&self->d, 0);
	device_driver_ok(&self->d);
	vq_notify(&self->d.vq[0]);
	/* No memory, no ring. */
	struct kvlane_event ev = {};

	ASSERT_EQ(0, device_event(&self->d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(KVLANE_REASON_RING_ADDRESS, ev.reason);
	ASSERT_EQ(0, guest_set_regions(&self->g, self->g.regions, 2));
	EXPECT_EQ(0, still_works(&self->d));
}

FIXTURE(backend) {
	struct guest g;
	struct device d;
	int disk;
};

FIXTURE_SETUP(backend)
{
	self->disk = disk_memfd(SECTORS * 512);
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
}

FIXTURE_TEARDOWN(backend)
{
	device_close(&self->d);
	guest_close(&self->g);
}

TEST_F(backend, wrong_kind_of_file)
{
	int fd, pair[2];

	fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	fd = open("/tmp", O_PATH);
	EXPECT_EQ(-EBADF, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, pipe(pair));
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, pair[0], 0, 0));
	close(pair[0]);
	close(pair[1]);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, pair[0], 0, 0));
	close(pair[0]);
	close(pair[1]);
	fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, self->g.vm, 0, 0));
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, self->d.fd, 0, 0));
	EXPECT_EQ(-EBADF, device_set_blk(&self->d, 1000, 0, 0));
	EXPECT_EQ(-EBADF, device_set_blk(&self->d, -1, 0, 0));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(backend, write_only)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->disk);
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, device_set_blk(&self->d, fd, 0, 0));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(backend, size)
{
	int fd = disk_memfd(1000);

	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, fd, 0, 0));
	/* A multiple of 512, but not of the block size. */
	ASSERT_EQ(0, ftruncate(fd, 4096 + 512));
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, fd, 0, 4096));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(backend, bad_parameter)
{
	const struct kvlane_backend good = { .fd = self->disk };
	struct kvlane_backend arg;
	int fd = self->d.fd;

#define BAD(field, value) do {							\
	arg = good;								\
	arg.field = value;							\
	EXPECT_ERRNO(EINVAL, ioctl(fd, KVLANE_SET_BACKEND, &arg));		\
} while (0)
	BAD(flags, 4);
	BAD(flags, 1U << 31);
	BAD(blk.reserved0, 1);
	BAD(blk.reserved1, 1);
	BAD(pad[14], 1);
	BAD(blk.block_size, 256);
	BAD(blk.block_size, 513);
	BAD(blk.block_size, 3072);
	BAD(blk.block_size, 8192);
	BAD(blk.block_size, UINT32_MAX);
#undef BAD
	EXPECT_ERRNO(EFAULT, ioctl(fd, KVLANE_SET_BACKEND, 8));
	EXPECT_EQ(0, still_works(&self->d));
}

/* Less than the block size of the device cannot be done with direct I/O. */
TEST_F(backend, block_size_below_device)
{
	struct loop l;
	int fd, err;

	if (loop_open(&l, 1 << 20, 4096))
		SKIP(return, "no loop device with blocks of 4096 bytes");
	fd = open(l.path, O_RDWR | O_DIRECT);
	EXPECT_LE(0, fd);
	err = device_set_blk(&self->d, fd, 0, 512);
	EXPECT_EQ(-EINVAL, err);
	close(fd);
	loop_close(&l);
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(backend, busy_while_driver_is_there)
{
	reg_write(&self->d, COMMON(STATUS), 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	EXPECT_EQ(-EBUSY, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	EXPECT_EQ(-EBUSY, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, device_reset(&self->d));
	EXPECT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(backend, replaced)
{
	int other = disk_memfd(2 * SECTORS * 512);

	EXPECT_EQ(0, device_set_blk(&self->d, other, 0, 0));
	close(other);
	EXPECT_EQ(2 * SECTORS, reg_read(&self->d, KVLANE_WINDOW_CONFIG, 8));
	EXPECT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	EXPECT_EQ(SECTORS, reg_read(&self->d, KVLANE_WINDOW_CONFIG, 8));
	EXPECT_EQ(0, still_works(&self->d));
}

TEST_F(backend, rng_parameters)
{
	struct kvlane_backend arg = { .fd = -1, .flags = KVLANE_BACKEND_RDONLY };
	struct device rng;
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY);

	ASSERT_EQ(0, device_open(&rng, &self->g, VIRTIO_ID_RNG, 1, 16));
	EXPECT_ERRNO(EINVAL, ioctl(rng.fd, KVLANE_SET_BACKEND, &arg));
	arg = (struct kvlane_backend){ .fd = -1, .pad[2] = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(rng.fd, KVLANE_SET_BACKEND, &arg));
	EXPECT_EQ(-EINVAL, device_set_rng(&rng, dir, 0, 0));
	EXPECT_EQ(-EBADF, device_set_rng(&rng, 1000, 0, 0));
	EXPECT_EQ(0, device_set_rng(&rng, -1, 0, 0));
	device_close(&rng);
}

TEST_HARNESS_MAIN
