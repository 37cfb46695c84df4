// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first, second, ... n-th allocation of every call fails, until the call gets
 * through.  A call that failed has changed nothing, what it was made on still works,
 * and nothing is left over.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "fault.h"
#include "guest.h"
#include "host.h"
#include "net.h"
#include "sweep.h"
#include "throttle.h"
#include "vdpa.h"
#include "vdpa_nl.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define DEBUG		"/sys/kernel/debug/"

/* The network device under test. */
static struct nic *nic;

/* Objects of the kernel that nothing points to; -1 without kmemleak. */
static int leaks(void)
{
	char line[256];
	int n = 0, i;
	FILE *f;

	/* An object is reported once it was found without a pointer twice. */
	for (i = 0; i < 2; i++) {
		/* What is younger than five seconds is not looked at. */
		sleep(i ? 1 : 6);
		if (put_text(DEBUG "kmemleak", "scan"))
			return -1;
	}
	f = fopen(DEBUG "kmemleak", "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		n += !!strstr(line, "unreferenced object");
		fprintf(stderr, "# %s", line);
	}
	fclose(f);
	return n;
}

/* What others leaked is not ours. */
TEST(forget_leaks)
{
	if (put_text(DEBUG "kmemleak", "clear"))
		SKIP(return, "this kernel has no kmemleak");
}

FIXTURE(fail)
{
	struct guest g;
	struct device d;
	struct blk_req req;
	int disk;
	long refs;
	int threads;
	int fds;
	/* What the call under test made, to be closed. */
	int made;
};

FIXTURE_SETUP(fail)
{
	if (fault_open())
		SKIP(return, "this kernel has no fault injection");
	self->disk = disk_memfd(1 << 20);
	ASSERT_GE(self->disk, 0);
	self->refs = module_refs("kvlane");
	self->threads = thread_count(0);
	self->fds = sweep_descriptors();
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->req, 8192));
}

FIXTURE_TEARDOWN(fail)
{
	device_close(&self->d);
	guest_close(&self->g);
	EXPECT_EQ(0, module_settle("kvlane", self->refs));
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(self->fds, sweep_descriptors());
	close(self->disk);
	fault_close();
}

/* What a call did that closing what it made does not undo. */
static sweep_undo *undo;

#define SWEEP_ON(guest, call) do {						\
	struct sweep s = sweep(guest, &self->d, &self->req, call, undo);	\
	EXPECT_EQ(0, s.wrong);							\
	EXPECT_EQ(0, s.broken);							\
	EXPECT_EQ(0, s.leaked);							\
} while (0)

#define SWEEP(call)	SWEEP_ON(&self->g, call)

static int get_info(struct guest *g, struct device *d, int *made)
{
	struct kvlane_info info = {};

	return ioctl(g->kvlane, KVLANE_GET_INFO, &info) ? -errno : 0;
}

TEST_F_TIMEOUT(fail, get_info, 300)
{
	SWEEP(get_info);
}

static int create_vm(struct guest *g, struct device *d, int *made)
{
	struct kvlane_create_vm vm = { .kvm_fd = -1 };

	*made = ioctl(g->kvlane, KVLANE_CREATE_VM, &vm);
	return *made < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(fail, create_vm, 300)
{
	SWEEP(create_vm);
}

static int create_throttle(struct guest *g, struct device *d, int *made)
{
	struct kvlane_create_throttle arg = {};

	*made = ioctl(g->kvlane, KVLANE_CREATE_THROTTLE, &arg);
	return *made < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(fail, create_throttle, 300)
{
	SWEEP(create_throttle);
}

static int throttle_fd = -1;

static int set_limits(struct guest *g, struct device *d, int *made)
{
	return throttle_set(throttle_fd, KVLANE_LIMIT_OPS, 1000);
}

TEST_F_TIMEOUT(fail, set_limits, 300)
{
	throttle_fd = throttle_open();
	ASSERT_LE(0, throttle_fd);
	SWEEP(set_limits);
	close(throttle_fd);
}

static int set_throttle(struct guest *g, struct device *d, int *made)
{
	return device_throttle(d, -1) ?: device_throttle(d, throttle_fd);
}

TEST_F_TIMEOUT(fail, set_throttle, 300)
{
	throttle_fd = throttle_open();
	ASSERT_LE(0, throttle_fd);
	SWEEP(set_throttle);
	close(throttle_fd);
}

/* The same memory in other pieces, so that the table is made anew. */
static int set_memory(struct guest *g, struct device *d, int *made)
{
	struct kvlane_region r[3] = { g->regions[0], g->regions[1], g->regions[0] };

	r[2].gpa = GUEST_NOWHERE;
	return guest_set_regions(g, r, 3);
}

TEST_F_TIMEOUT(fail, set_memory, 300)
{
	SWEEP(set_memory);
}

static int create(struct guest *g, uint32_t type, unsigned int queues, int *made)
{
	struct kvlane_create_device arg = {
		.type = type, .num_queues = queues, .queue_size = 8,
		.num_vectors = 3, .features = FEATURES_ALL,
	};

	*made = ioctl(g->vm, KVLANE_CREATE_DEVICE, &arg);
	return *made < 0 ? -errno : 0;
}

static int create_blk(struct guest *g, struct device *d, int *made)
{
	return create(g, VIRTIO_ID_BLOCK, 2, made);
}

TEST_F_TIMEOUT(fail, create_blk, 300)
{
	SWEEP(create_blk);
}

static int create_rng(struct guest *g, struct device *d, int *made)
{
	return create(g, VIRTIO_ID_RNG, 1, made);
}

TEST_F_TIMEOUT(fail, create_rng, 300)
{
	SWEEP(create_rng);
}

static int create_balloon(struct guest *g, struct device *d, int *made)
{
	return create(g, VIRTIO_ID_BALLOON, 5, made);
}

TEST_F_TIMEOUT(fail, create_balloon, 300)
{
	SWEEP(create_balloon);
}

static struct device balloon;

static int set_hinting(struct guest *g, struct device *d, int *made)
{
	struct kvlane_dirty_range range = { .hva = (uintptr_t)g->mem, .size = MEM };
	struct kvlane_set_hinting args = {
		.state = KVLANE_HINTING_BEGUN, .nr_ranges = 1, .ranges = (uintptr_t)&range,
	};

	return ioctl(balloon.fd, KVLANE_SET_HINTING, &args) ? -errno : 0;
}

TEST_F_TIMEOUT(fail, set_hinting, 300)
{
	struct kvlane_backend backend = { .fd = -1 };

	ASSERT_EQ(0, device_open(&balloon, &self->g, VIRTIO_ID_BALLOON, 5, 16));
	ASSERT_EQ(0, ioctl(balloon.fd, KVLANE_SET_BACKEND, &backend));
	ASSERT_EQ(0, device_start(&balloon, FEATURES_ALL));
	SWEEP(set_hinting);
	device_close(&balloon);
}

static int disk_fd = -1;

static int set_backend(struct guest *g, struct device *d, int *made)
{
	return device_set_blk(d, disk_fd, 0, 0);
}

TEST_F_TIMEOUT(fail, set_backend, 300)
{
	disk_fd = self->disk;
	SWEEP(set_backend);
}

static int set_rng_backend(struct guest *g, struct device *d, int *made)
{
	int err = create(g, VIRTIO_ID_RNG, 1, made);
	struct device rng = { .fd = *made };

	return err ? err : device_set_rng(&rng, disk_fd, 1000, 1000);
}

TEST_F_TIMEOUT(fail, set_rng_backend, 300)
{
	disk_fd = self->disk;
	SWEEP(set_rng_backend);
}

static int set_kick(struct guest *g, struct device *d, int *made)
{
	return device_tie(d, KVLANE_SET_KICK, 0, d->vq[0].kick);
}

TEST_F_TIMEOUT(fail, set_kick, 300)
{
	SWEEP(set_kick);
}

static int set_vector(struct guest *g, struct device *d, int *made)
{
	return device_tie(d, KVLANE_SET_VECTOR, 1, d->vq[0].call);
}

TEST_F_TIMEOUT(fail, set_vector, 300)
{
	SWEEP(set_vector);
}

static int get_stats(struct guest *g, struct device *d, int *made)
{
	return device_stats(d, NULL, 0, NULL);
}

TEST_F_TIMEOUT(fail, get_stats, 300)
{
	SWEEP(get_stats);
}

static int irq_info(struct guest *g, struct device *d, int *made)
{
	struct kvlane_irq_info info = { .vcpu_size = sizeof(struct kvlane_irq_vcpu) };

	return ioctl(g->vm, KVLANE_IRQ_INFO, &info) ? -errno : 0;
}

TEST_F_TIMEOUT(fail, irq_info, 300)
{
	SWEEP(irq_info);
}

static int set_lanes(struct guest *g, struct device *d, int *made)
{
	const uint64_t cpus = 1;
	const struct kvlane_set_lanes args = {
		.queue = KVLANE_NO_QUEUE,
		.poll_us = KVLANE_POLL_DEFAULT,
		.coalesce_us = 100,
		.coalesce_requests = 8,
		.cpus_size = sizeof(cpus),
		.cpus = (uintptr_t)&cpus,
	};

	return ioctl(d->fd, KVLANE_SET_LANES, &args) ? -errno : 0;
}

TEST_F_TIMEOUT(fail, set_lanes, 300)
{
	SWEEP(set_lanes);
}

/* Registers: a driver cannot be told of lack of memory, so there must be none. */
static int start(struct guest *g, struct device *d, int *made)
{
	return device_start(d, FEATURES_ALL);
}

TEST_F_TIMEOUT(fail, start, 300)
{
	SWEEP(start);
}

/* A VM with a device that works, as one call. */
static int whole(struct guest *g, struct device *d, int *made)
{
	struct kvlane_create_vm vm = { .kvm_fd = -1 };
	struct kvlane_backend backend = { .fd = disk_fd };
	struct guest other = *g;
	int err, device = -1;

	other.vm = ioctl(g->kvlane, KVLANE_CREATE_VM, &vm);
	if (other.vm < 0)
		return -errno;
	err = guest_set_regions(&other, g->regions, g->nr_regions);
	if (!err)
		err = create(&other, VIRTIO_ID_BLOCK, 1, &device);
	if (!err && ioctl(device, KVLANE_SET_BACKEND, &backend))
		err = -errno;
	close(other.vm);
	*made = device;
	return err;
}

TEST_F_TIMEOUT(fail, set_up, 400)
{
	disk_fd = self->disk;
	SWEEP(whole);
}

/* A network device on a tap of its own; what it must go on doing is a disk's work. */
FIXTURE(fail_net)
{
	struct nic n;
	struct device d;
	struct blk_req req;
	int disk;
	long refs;
	int threads;
	int fds;
};

FIXTURE_SETUP(fail_net)
{
	struct guest *g = &self->n.g;

	if (fault_open())
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, net_private());
	self->disk = disk_memfd(1 << 20);
	ASSERT_GE(self->disk, 0);
	self->refs = module_refs("kvlane");
	self->threads = thread_count(0);
	self->fds = sweep_descriptors();
	ASSERT_EQ(0, nic_open(&self->n, 2, 16, 12));
	ASSERT_EQ(0, device_open(&self->d, g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, blk_alloc(g, &self->req, 8192));
	nic = &self->n;
}

FIXTURE_TEARDOWN(fail_net)
{
	device_close(&self->d);
	nic_close(&self->n);
	EXPECT_EQ(0, module_settle("kvlane", self->refs));
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(self->fds, sweep_descriptors());
	close(self->disk);
	fault_close();
}

#define SWEEP_NET(call)	SWEEP_ON(&self->n.g, call)

static int create_net(struct guest *g, struct device *d, int *made)
{
	return create(g, VIRTIO_ID_NET, 5, made);
}

TEST_F_TIMEOUT(fail_net, create_net, 300)
{
	SWEEP_NET(create_net);
}

static int set_net_backend(struct guest *g, struct device *d, int *made)
{
	struct kvlane_backend arg = nic_backend(nic, 12);

	return ioctl(nic->d.fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

TEST_F_TIMEOUT(fail_net, set_net_backend, 300)
{
	SWEEP_NET(set_net_backend);
}

static int set_link(struct guest *g, struct device *d, int *made)
{
	int err = nic_link(nic, 0);

	return err ? err : nic_link(nic, KVLANE_LINK_UP);
}

TEST_F_TIMEOUT(fail_net, set_link, 300)
{
	SWEEP_NET(set_link);
}

static int start_net(struct guest *g, struct device *d, int *made)
{
	return nic_start(nic, FEATURES_ALL);
}

TEST_F_TIMEOUT(fail_net, start_net, 300)
{
	SWEEP_NET(start_net);
}

/* A command is carried out by a lane, which has no allocations that may fail. */
static int command(struct guest *g, struct device *d, int *made)
{
	int err = nic_start(nic, FEATURES_ALL);

	if (!err)
		err = nic_mode(nic, VIRTIO_NET_CTRL_RX_PROMISC, true);
	return err == VIRTIO_NET_OK ? 0 : -EIO;
}

TEST_F_TIMEOUT(fail_net, command, 300)
{
	SWEEP_NET(command);
}

/* A VM with a network device that works, as one call. */
static int whole_net(struct guest *g, struct device *d, int *made)
{
	struct kvlane_backend backend = nic_backend(nic, 12);
	struct kvlane_create_vm vm = { .kvm_fd = -1 };
	struct guest other = *g;
	int err, device = -1;

	other.vm = ioctl(g->kvlane, KVLANE_CREATE_VM, &vm);
	if (other.vm < 0)
		return -errno;
	err = create(&other, VIRTIO_ID_NET, 5, &device);
	if (!err && ioctl(device, KVLANE_SET_BACKEND, &backend))
		err = -errno;
	close(other.vm);
	*made = device;
	return err;
}

TEST_F_TIMEOUT(fail_net, set_up, 400)
{
	SWEEP_NET(whole_net);
}

/* An entropy source for vDPA, added; the disk beside has another VM. */
FIXTURE(fail_vdpa)
{
	struct guest g;
	struct device d;
	struct blk_req req;
	struct vdpa v;
	struct vdpa_nl nl;
	char path[VDPA_PATH];
	uint8_t *buf;
	int disk;
	long refs;
	int threads;
	int fds;
};

/* The fixture's, for the calls. */
static struct vdpa *user;
static struct vdpa_nl *vdpa;
static const char *path;
static uint8_t *buf;

FIXTURE_SETUP(fail_vdpa)
{
	if (fault_open())
		SKIP(return, "this kernel has no fault injection");
	if (load_module("vhost_vdpa"))
		SKIP(return, "no module vhost_vdpa");
	self->disk = disk_memfd(1 << 20);
	ASSERT_GE(self->disk, 0);
	self->refs = module_refs("kvlane");
	self->threads = thread_count(0);
	self->fds = sweep_descriptors();
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 2, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, self->disk, 0, 0));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->req, 8192));
	ASSERT_EQ(0, vdpa_nl_open(&self->nl));
	ASSERT_EQ(0, vdpa_create(&self->v, &self->g, VIRTIO_ID_RNG, 1));
	ASSERT_EQ(0, device_set_rng(&self->v.d, -1, 0, 0));
	ASSERT_EQ(0, vdpa_nl_add(&self->nl, self->v.name));
	vdpa_path(&self->v, self->path);
	self->buf = guest_alloc_high(&self->g, 4096, 4096);
	user = &self->v;
	vdpa = &self->nl;
	path = self->path;
	buf = self->buf;
}

FIXTURE_TEARDOWN(fail_vdpa)
{
	undo = NULL;
	vdpa_shut(&self->v);
	vdpa_nl_del(&self->nl, self->v.name);
	vdpa_nl_close(&self->nl);
	device_close(&self->v.d);
	device_close(&self->d);
	guest_close(&self->g);
	EXPECT_EQ(0, module_settle("kvlane", self->refs));
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(self->fds, sweep_descriptors());
	close(self->disk);
	fault_close();
}

static bool fetches(void)
{
	struct iovec in = { buf, 64 };
	struct vq *vq = &user->d.vq[0];

	if (vq_add(vq, NULL, 0, &in, 1, buf) < 0)
		return false;
	vq_kick(vq);
	return vq_wait(vq, NULL) == buf;
}

#define OTHER_NAME "fail-nth"

static int create_vdpa(struct guest *g, struct device *d, int *made)
{
	struct kvlane_create_vdpa args = {
		.type = VIRTIO_ID_RNG, .num_queues = 1, .queue_size = 16,
		.features = FEATURES_ALL, .name = OTHER_NAME,
	};

	*made = ioctl(g->kvlane, KVLANE_CREATE_VDPA, &args);
	return *made < 0 ? -errno : 0;
}

/* The name is free again after each failure, or it would be -EEXIST. */
TEST_F_TIMEOUT(fail_vdpa, create_vdpa, 300)
{
	SWEEP(create_vdpa);
}

static int open_vdpa(struct guest *g, struct device *d, int *made)
{
	struct kvlane_open_vdpa args = {};

	memcpy(args.name, user->name, sizeof(args.name));
	*made = ioctl(g->kvlane, KVLANE_OPEN_VDPA, &args);
	return *made < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(fail_vdpa, open_vdpa, 300)
{
	SWEEP(open_vdpa);
}

/* A device that has a name and a back end, and is added. */
static int whole_vdpa(struct guest *g, struct device *d, int *made)
{
	int err = create_vdpa(g, d, made);
	struct device rng = { .fd = *made };

	if (!err)
		err = device_set_rng(&rng, -1, 1000, 1000);
	return err ? err : vdpa_nl_add(vdpa, OTHER_NAME);
}

/* vDPA's answer may be what had no memory, so that it is there in spite of the error. */
static void delete_vdpa(void)
{
	vdpa_nl_del(vdpa, OTHER_NAME);
}

TEST_F_TIMEOUT(fail_vdpa, add, 400)
{
	undo = delete_vdpa;
	SWEEP(whole_vdpa);
}

/* Whatever is wrong with a message is a bad address to vhost. */
static int no_memory(int err)
{
	return err == -EFAULT ? -ENOMEM : err;
}

static int start_vdpa(struct guest *g, struct device *d, int *made)
{
	int err;

	user->fd = open(path, O_RDWR | O_CLOEXEC);
	if (user->fd < 0)
		return -errno;
	err = no_memory(vdpa_start(user));
	/* The last step cannot tell of lack of memory, so it must not need any. */
	return !err && vdpa_status(user) & VIRTIO_CONFIG_S_NEEDS_RESET ? -EIO : err;
}

static void shut_vdpa(void)
{
	vdpa_shut(user);
}

/* Opened, owned, with memory, started; and closed. */
TEST_F_TIMEOUT(fail_vdpa, start, 400)
{
	undo = shut_vdpa;
	SWEEP(start_vdpa);
	ASSERT_EQ(0, vdpa_open(&self->v));
	ASSERT_EQ(0, vdpa_start(&self->v));
	EXPECT_TRUE(fetches());
}

static int take_memory(struct guest *g, struct device *d, int *made)
{
	return no_memory(vdpa_map(user, GUEST_HIGH, g->size / 2, NULL));
}

static bool reached;

/* Memory that was taken out is out of reach, even if there was none for the new map. */
static void use_memory(void)
{
	struct iovec in = { buf, 64 };
	struct kvlane_event ev;

	memset(buf, 0, 64);
	vq_add(&user->d.vq[0], NULL, 0, &in, 1, buf);
	vq_kick(&user->d.vq[0]);
	device_expect(&user->d, KVLANE_EVENT_NEEDS_RESET, &ev);
	reached |= !all_bytes(buf, 64, 0);
	vdpa_shut(user);
	if (vdpa_open(user) || vdpa_start(user) || !fetches())
		reached = true;
}

TEST_F_TIMEOUT(fail_vdpa, take_memory, 400)
{
	reached = false;
	ASSERT_EQ(0, vdpa_open(&self->v));
	ASSERT_EQ(0, vdpa_start(&self->v));
	undo = use_memory;
	SWEEP(take_memory);
	EXPECT_FALSE(reached);
}

/* The host's own kernel has it, as an entropy source. */
static int bind_kernel(struct guest *g, struct device *d, int *made)
{
	return vdpa_bind(user, "virtio_vdpa");
}

/* Nothing is read there, since no ring can be: it is at an odd address. */
static int start_unmapped(void)
{
	struct vhost_vring_addr ring = {
		.desc_user_addr = GUEST_LOW + 1,
		.avail_user_addr = GUEST_LOW,
		.used_user_addr = GUEST_LOW,
	};
	struct vhost_vring_state ready = { 0, 1 };
	int err = vdpa_open(user);

	if (!err)
		err = vdpa_ioctl(user, VHOST_SET_OWNER, NULL);
	if (!err)
		err = vdpa_negotiate(user, VDPA_PLATFORM);
	if (!err)
		err = vdpa_ioctl(user, VHOST_SET_VRING_ADDR, &ring);
	if (!err)
		err = vdpa_ioctl(user, VHOST_VDPA_SET_VRING_ENABLE, &ready);
	return err ? err : vdpa_set_status(user, vdpa_status(user) | VIRTIO_CONFIG_S_DRIVER_OK);
}

/*
 * The next driver is a process that has mapped nothing. The kernel's memory must be out of
 * reach for it, however far the kernel's driver got.
 */
static void look_for_map(void)
{
	struct kvlane_event ev;
	bool told = false;

	/* Which may not have got it. */
	vdpa_let_go(user, "virtio_vdpa", "vhost_vdpa");
	while (!device_event(&user->d, &ev, 0))
		;
	if (vdpa_bind(user, "vhost_vdpa") || start_unmapped())
		reached = true;
	while (!device_event(&user->d, &ev, 0))
		told |= ev.type == KVLANE_EVENT_NOT_MAPPED;
	reached |= !told;
	vdpa_shut(user);
	if (vdpa_let_go(user, "vhost_vdpa", "virtio_vdpa"))
		reached = true;
}

TEST_F_TIMEOUT(fail_vdpa, bind_kernel, 400)
{
	if (load_module("virtio_vdpa"))
		SKIP(return, "no module virtio_vdpa");
	reached = false;
	ASSERT_EQ(0, vdpa_let_go(user, "vhost_vdpa", "virtio_vdpa"));
	undo = look_for_map;
	SWEEP(bind_kernel);
	EXPECT_FALSE(reached);
}

/* A fixture without a set-up, for the time a scan takes. */
FIXTURE(leak)
{
};

FIXTURE_SETUP(leak)
{
}

FIXTURE_TEARDOWN(leak)
{
}

/* Comes last, and looks at what all the others have left. */
TEST_F_TIMEOUT(leak, none, 300)
{
	int n = leaks();

	if (n < 0)
		SKIP(return, "this kernel has no kmemleak");
	EXPECT_EQ(0, n);
}

TEST_HARNESS_MAIN
