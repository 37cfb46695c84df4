// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of things: killed processes, descriptors closed in any order, inherited
 * descriptors, unloading the module; always with requests in flight.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define BYTES		(16 << 20)
#define DEPTH		8
#define LEN		4096

/* A guest with a disk, and requests to keep it busy. */
struct machine {
	struct guest g;
	struct device d;
	struct blk_req req[DEPTH];
};

static int machine_open(struct machine *m, int disk)
{
	unsigned int i;
	int err = guest_open(&m->g, MEM);

	if (!err)
		err = device_open(&m->d, &m->g, VIRTIO_ID_BLOCK, 2, 32);
	if (!err)
		err = device_set_blk(&m->d, disk, 0, 0);
	for (i = 0; !err && i < DEPTH; i++)
		err = blk_alloc(&m->g, &m->req[i], LEN);
	return err;
}

static void machine_close(struct machine *m)
{
	device_close(&m->d);
	guest_close(&m->g);
}

static void machine_load(struct machine *m, uint32_t type)
{
	unsigned int i;

	for (i = 0; i < DEPTH; i++)
		blk_add(&m->d.vq[i % 2], &m->req[i], type, i * 1024, LEN);
	vq_kick(&m->d.vq[0]);
	vq_kick(&m->d.vq[1]);
}

static int machine_works(struct machine *m)
{
	return blk_do(&m->d.vq[0], &m->req[0], VIRTIO_BLK_T_IN, 0, LEN) ||
	       blk_do(&m->d.vq[1], &m->req[1], VIRTIO_BLK_T_IN, 0, LEN);
}

/* Nothing of a VM is left once its last descriptor is gone. */
static int check_clean(void)
{
	/* A thread of the kernel's that has ended may be there a moment longer. */
	int left = lanes_are_ours() ? 0 : 200;

	if (module_settle("kvlane", 0))
		return -1;
	while (named_threads("kvlane") && left--)
		usleep(5000);
	return named_threads("kvlane") == 0 ? 0 : -2;
}

/* A process killed at some point of its life. */
enum stage {
	STAGE_OPENED,
	STAGE_BACKEND,
	STAGE_FEATURES,
	STAGE_QUEUES,
	STAGE_RUNNING,
	STAGE_NEEDS_RESET,
	STAGE_IN_FLIGHT,
	STAGE_RESETTING,
	STAGE_CLOSING,
	STAGE_RNG_THROTTLED,
	STAGE_RNG_WAITING,
};

FIXTURE(killed) {
	struct gate gate;
	int disk;
};

FIXTURE_VARIANT(killed) {
	enum stage stage;
	int open;
	uint32_t type;
};

FIXTURE_VARIANT_ADD(killed, opened) { .stage = STAGE_OPENED };
FIXTURE_VARIANT_ADD(killed, backend) { .stage = STAGE_BACKEND };
FIXTURE_VARIANT_ADD(killed, features) { .stage = STAGE_FEATURES };
FIXTURE_VARIANT_ADD(killed, queues) { .stage = STAGE_QUEUES };
FIXTURE_VARIANT_ADD(killed, running) { .stage = STAGE_RUNNING };
FIXTURE_VARIANT_ADD(killed, needs_reset) { .stage = STAGE_NEEDS_RESET };
FIXTURE_VARIANT_ADD(killed, reading) { .stage = STAGE_IN_FLIGHT };
FIXTURE_VARIANT_ADD(killed, reading_direct) {
	.stage = STAGE_IN_FLIGHT, .open = O_DIRECT,
};
FIXTURE_VARIANT_ADD(killed, writing_direct) {
	.stage = STAGE_IN_FLIGHT, .open = O_DIRECT, .type = VIRTIO_BLK_T_OUT,
};
FIXTURE_VARIANT_ADD(killed, flushing) {
	.stage = STAGE_IN_FLIGHT, .open = O_DIRECT, .type = VIRTIO_BLK_T_FLUSH,
};
FIXTURE_VARIANT_ADD(killed, resetting) { .stage = STAGE_RESETTING };
FIXTURE_VARIANT_ADD(killed, resetting_direct) {
	.stage = STAGE_RESETTING, .open = O_DIRECT,
};
FIXTURE_VARIANT_ADD(killed, closing) { .stage = STAGE_CLOSING };
FIXTURE_VARIANT_ADD(killed, closing_direct) {
	.stage = STAGE_CLOSING, .open = O_DIRECT,
};
FIXTURE_VARIANT_ADD(killed, rng_throttled) { .stage = STAGE_RNG_THROTTLED };
FIXTURE_VARIANT_ADD(killed, rng_waiting) { .stage = STAGE_RNG_WAITING };

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, check_clean());
	self->disk = gate_open(&self->gate, BYTES, variant->open);
	if (self->disk == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, self->disk);
}

FIXTURE_TEARDOWN(killed)
{
	close(self->disk);
	gate_close(&self->gate);
}

/* Something to read from that has nothing to say. */
static int silent_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) || unlockpt(master))
		return -1;
	return open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int become_rng(struct machine *m, bool silent)
{
	static uint8_t *buf;
	struct device *d = &m->d;
	struct iovec in;
	int err;

	device_close(d);
	err = device_open(d, &m->g, VIRTIO_ID_RNG, 1, 16);
	if (!err)
		err = silent ? device_set_rng(d, silent_terminal(), 0, 0) :
			       device_set_rng(d, -1, 1, 1);
	if (!err)
		err = device_start(d, FEATURES_ALL);
	if (err)
		return err;
	buf = guest_alloc(&m->g, LEN, 16);
	in = (struct iovec){ buf, LEN };
	vq_add(&d->vq[0], NULL, 0, &in, 1, buf);
	vq_add(&d->vq[0], NULL, 0, &in, 1, buf);
	vq_kick(&d->vq[0]);
	usleep(10000);
	return 0;
}

static void *reset_thread(void *arg)
{
	device_reset(arg);
	return NULL;
}

static void *close_thread(void *arg)
{
	struct device *d = arg;

	close(d->fd);
	return NULL;
}

/* Both for a device that is busy behind the gate; neither returns before it opens. */
static int begin(struct machine *m, void *(*what)(void *))
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, what, &m->d);

	usleep(10000);
	return -err;
}

static int go_to(struct machine *m, enum stage stage, int disk, uint32_t type)
{
	struct kvlane_event ev;
	int err = 0;

	if (stage == STAGE_OPENED)
		return guest_open(&m->g, MEM);
	err = machine_open(m, disk);
	if (err || stage == STAGE_BACKEND)
		return err;
	if (stage == STAGE_FEATURES)
		return device_negotiate(&m->d, FEATURES_ALL);
	if (stage == STAGE_RNG_THROTTLED || stage == STAGE_RNG_WAITING)
		return become_rng(m, stage == STAGE_RNG_WAITING);
	err = device_start(&m->d, FEATURES_ALL);
	if (err || stage == STAGE_QUEUES)
		return err;
	if (stage == STAGE_NEEDS_RESET) {
		vq_add_raw(&m->d.vq[0], 0xffff);
		vq_kick(&m->d.vq[0]);
		return device_event(&m->d, &ev, WAIT_MS);
	}
	machine_load(m, type);
	if (stage == STAGE_RUNNING)
		return 0;
	err = device_inflight(&m->d, 0, DEPTH / 2);
	if (!err)
		err = device_inflight(&m->d, 1, DEPTH / 2);
	if (!err && stage == STAGE_RESETTING)
		err = begin(m, reset_thread);
	if (!err && stage == STAGE_CLOSING)
		err = begin(m, close_thread);
	return err;
}

/* Runs up to a stage in a process of its own, which says when it is there. */
static pid_t start(enum stage stage, int disk, uint32_t type)
{
	struct machine m = {};
	int pair[2];
	char c = 1;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		c = !!go_to(&m, stage, disk, type);
		if (write(pair[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pair[1]);
	if (read(pair[0], &c, 1) != 1 || c) {
		kill(pid, SIGKILL);
		pid = -1;
	}
	close(pair[0]);
	return pid;
}

TEST_F(killed, leaves_nothing)
{
	bool gate = variant->stage >= STAGE_IN_FLIGHT && variant->stage <= STAGE_CLOSING;
	int status = 0;
	pid_t pid;

	if (gate)
		ASSERT_EQ(0, dm_shut(&self->gate.dm));
	pid = start(variant->stage, self->disk, variant->type);
	EXPECT_LT(0, pid);
	if (pid > 0)
		kill(pid, SIGKILL);
	/* It may be gone already, or wait for its I/O; both are right. */
	usleep(10000);
	if (gate)
		ASSERT_EQ(0, dm_release(&self->gate.dm));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, check_clean());
}

/* Closing by the process itself. */
FIXTURE(closed) {
	struct machine m;
	int disk;
	int threads;
};

FIXTURE_SETUP(closed)
{
	ASSERT_EQ(0, check_clean());
	self->disk = disk_memfd(BYTES);
	self->threads = thread_count(0);
}

FIXTURE_TEARDOWN(closed)
{
	machine_close(&self->m);
	close(self->disk);
}

enum part { PART_DEVICE, PART_VM, PART_KVLANE, PART_EVENTFDS, PART_MEMORY, PARTS };

static void close_fd(int *fd)
{
	close(*fd);
	*fd = -1;
}

static void close_part(struct machine *m, enum part part)
{
	unsigned int i;

	switch (part) {
	case PART_DEVICE:
		close_fd(&m->d.fd);
		break;
	case PART_VM:
		close_fd(&m->g.vm);
		break;
	case PART_KVLANE:
		close_fd(&m->g.kvlane);
		break;
	case PART_EVENTFDS:
		close_fd(&m->d.config_call);
		for (i = 0; i < 2; i++) {
			close_fd(&m->d.vq[i].kick);
			close_fd(&m->d.vq[i].call);
		}
		break;
	default:
		close_fd(&m->g.memfd);
		munmap(m->g.mem, m->g.size);
		m->g.mem = NULL;
	}
}

/* The Nth permutation of the parts. */
static void permute(unsigned int nr, enum part *order)
{
	enum part left[PARTS];
	unsigned int i, pick;

	for (i = 0; i < PARTS; i++)
		left[i] = i;
	for (i = 0; i < PARTS; i++) {
		pick = nr % (PARTS - i);
		nr /= PARTS - i;
		order[i] = left[pick];
		memmove(&left[pick], &left[pick + 1], (PARTS - pick - 1) * sizeof(left[0]));
	}
}

TEST_F_TIMEOUT(closed, in_any_order, 120)
{
	struct machine *m = &self->m;
	enum part order[PARTS];
	unsigned int nr, i;

	for (nr = 0; nr < 120; nr++) {
		ASSERT_EQ(0, machine_open(m, self->disk));
		ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
		machine_load(m, nr % 2);
		permute(nr, order);
		for (i = 0; i < PARTS; i++)
			close_part(m, order[i]);
		machine_close(m);
		ASSERT_EQ(0, thread_settle(self->threads)) {
			TH_LOG("order %u leaves threads", nr);
		}
	}
	EXPECT_EQ(0, check_clean());
}

/* A device needs neither the VM's descriptor nor the eventfds' of its creator. */
TEST_F(closed, device_lives_alone)
{
	struct machine *m = &self->m;

	ASSERT_EQ(0, machine_open(m, self->disk));
	ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
	close_part(m, PART_VM);
	close_part(m, PART_KVLANE);
	close_fd(&m->g.memfd);
	close_fd(&self->disk);
	EXPECT_EQ(0, machine_works(m));
	ASSERT_EQ(0, device_reset(&m->d));
	ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
	EXPECT_EQ(0, machine_works(m));
	close_part(m, PART_DEVICE);
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(0, check_clean());
}

TEST_F(closed, duplicate)
{
	struct machine *m = &self->m;
	int twin;

	ASSERT_EQ(0, machine_open(m, self->disk));
	ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
	twin = dup(m->d.fd);
	ASSERT_LE(0, twin);
	close_fd(&m->d.fd);
	m->d.fd = twin;
	EXPECT_EQ(0, machine_works(m));
}

/* As many lanes as queues, and every one ends with its device. */
TEST_F(closed, many_devices)
{
	struct machine *m = &self->m;
	struct device extra[16];
	unsigned int i;

	ASSERT_EQ(0, machine_open(m, self->disk));
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, device_open(&extra[i], &m->g, VIRTIO_ID_RNG, 1, 16));
		ASSERT_EQ(0, device_set_rng(&extra[i], -1, 0, 0));
		ASSERT_EQ(0, device_start(&extra[i], FEATURES_ALL));
	}
	EXPECT_LE(self->threads + 16, thread_count(0));
	for (i = 0; i < 16; i += 2)
		device_close(&extra[i]);
	for (i = 1; i < 16; i += 2)
		device_close(&extra[i]);
	machine_close(m);
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(0, check_clean());
}

/* The last close waits for the I/O, and so does the exit of a process. */
FIXTURE(gate) {
	struct machine m;
	struct gate gate;
	int disk;
	int threads;
};

FIXTURE_VARIANT(gate) {
	int open;
};

FIXTURE_VARIANT_ADD(gate, buffered) {};
FIXTURE_VARIANT_ADD(gate, direct) { .open = O_DIRECT };

FIXTURE_SETUP(gate)
{
	self->disk = gate_open(&self->gate, BYTES, variant->open);
	if (self->disk == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, self->disk);
	self->threads = thread_count(0);
	ASSERT_EQ(0, machine_open(&self->m, self->disk));
	ASSERT_EQ(0, device_start(&self->m.d, FEATURES_ALL));
	ASSERT_EQ(0, dm_shut(&self->gate.dm));
	machine_load(&self->m, VIRTIO_BLK_T_IN);
	ASSERT_EQ(0, device_inflight(&self->m.d, 0, DEPTH / 2));
}

FIXTURE_TEARDOWN(gate)
{
	dm_release(&self->gate.dm);
	machine_close(&self->m);
	if (self->disk > 0)
		close(self->disk);
	gate_close(&self->gate);
}

static void *close_everything(void *arg)
{
	struct machine *m = arg;

	close_part(m, PART_VM);
	close_part(m, PART_DEVICE);
	close_part(m, PART_EVENTFDS);
	close_part(m, PART_KVLANE);
	return NULL;
}

TEST_F(gate, close_in_flight)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, close_everything, &self->m));
	close_fd(&self->disk);
	usleep(20000);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(0, check_clean());
}

/* Memory given back to the system while the disk still fills it. */
TEST_F(gate, memory_goes_first)
{
	close_part(&self->m, PART_MEMORY);
	usleep(5000);
	ASSERT_EQ(0, dm_release(&self->gate.dm));
	close_part(&self->m, PART_DEVICE);
	machine_close(&self->m);
	EXPECT_EQ(0, thread_settle(self->threads));
	EXPECT_EQ(0, check_clean());
}

/* Descriptors that outlive their process, in another one. */
FIXTURE(inherited) {
	struct machine m;
	int disk;
};

FIXTURE_SETUP(inherited)
{
	ASSERT_EQ(0, check_clean());
	self->disk = disk_memfd(BYTES);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
}

FIXTURE_TEARDOWN(inherited)
{
	machine_close(&self->m);
	close(self->disk);
}

/* What a stranger may do with a device: nothing, except look for events and close. */
static int use_as_stranger(int fd)
{
	struct kvlane_event ev;
	struct kvlane_eventfd tie = { .fd = -1 };
	uint8_t status = 0;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (pwrite(fd, &status, 1, COMMON(STATUS)) != -1 || errno != EPERM)
		return 10;
	if (pread(fd, &status, 1, COMMON(STATUS)) != -1 || errno != EPERM)
		return 11;
	if (ioctl(fd, KVLANE_SET_KICK, &tie) != -1 || errno != EPERM)
		return 12;
	if (read(fd, &ev, sizeof(ev)) != -1 || errno != EAGAIN)
		return 13;
	return close(fd) ? 14 : 0;
}

TEST_F(inherited, by_fork)
{
	struct machine *m = &self->m;
	int status = 0;
	pid_t pid;

	ASSERT_EQ(0, machine_open(m, self->disk));
	ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
	pid = fork();
	if (!pid)
		_exit(use_as_stranger(m->d.fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, machine_works(m));
}

static void exec_self(int fd)
{
	static char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	fcntl(fd, F_SETFD, 0);
	execl("/proc/self/exe", "lifecycle", "--inherited", number, NULL);
	_exit(20);
}

TEST_F(inherited, by_child_that_executes)
{
	struct machine *m = &self->m;
	int status = 0;
	pid_t pid;

	ASSERT_EQ(0, machine_open(m, self->disk));
	ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
	pid = fork();
	if (!pid)
		exec_self(m->d.fd);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, machine_works(m));
}

/* The owner itself becomes another program: its lanes end, its device is inert. */
TEST_F(inherited, by_owner_that_executes)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		struct machine *m = &self->m;

		if (machine_open(m, self->disk) || device_start(&m->d, FEATURES_ALL))
			_exit(21);
		machine_load(m, VIRTIO_BLK_T_IN);
		exec_self(m->d.fd);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, check_clean());
}

/* The owner is killed while another process holds the descriptor. */
TEST_F(inherited, from_the_dead)
{
	int status = 0, there[2], go[2];
	char c = 0;
	pid_t owner, heir;

	ASSERT_EQ(0, pipe(there));
	ASSERT_EQ(0, pipe(go));
	owner = fork();
	if (!owner) {
		struct machine *m = &self->m;

		if (machine_open(m, self->disk) || device_start(&m->d, FEATURES_ALL))
			_exit(21);
		close(go[1]);
		if (!fork()) {
			/* Until the test closes its end. */
			if (read(go[0], &c, 1))
				_exit(22);
			_exit(use_as_stranger(m->d.fd));
		}
		machine_load(m, VIRTIO_BLK_T_IN);
		if (write(there[1], &c, 1) != 1)
			_exit(23);
		for (;;)
			pause();
	}
	close(go[0]);
	close(there[1]);
	ASSERT_EQ(1, read(there[0], &c, 1));
	kill(owner, SIGKILL);
	ASSERT_EQ(owner, waitpid(owner, &status, 0));
	if (lanes_are_ours()) {
		EXPECT_EQ(0, named_threads("kvlane"));
	}
	close(go[1]);
	heir = wait(&status);
	EXPECT_LT(0, heir);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, check_clean());
}

/* Loading and unloading; the last tests, for they leave nothing to use. */
static int unload(void)
{
	return syscall(SYS_delete_module, "kvlane", O_NONBLOCK) ? -errno : 0;
}

static const char *module_file(void)
{
	static char path[256];
	struct utsname uts;

	if (getenv("KVLANE_MODULE"))
		return getenv("KVLANE_MODULE");
	uname(&uts);
	snprintf(path, sizeof(path), "build/%s/kvlane.ko", uts.release);
	return path;
}

static int load(void)
{
	int fd = open(module_file(), O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

FIXTURE(module) {
	struct machine m;
	int disk;
};

FIXTURE_SETUP(module)
{
	ASSERT_EQ(0, check_clean());
	if (access(module_file(), R_OK))
		SKIP(return, "no %s: name the module in KVLANE_MODULE", module_file());
	self->disk = disk_memfd(BYTES);
}

FIXTURE_TEARDOWN(module)
{
	machine_close(&self->m);
	close(self->disk);
}

TEST_F(module, in_use)
{
	struct machine *m = &self->m;

	ASSERT_EQ(0, machine_open(m, self->disk));
	ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
	machine_load(m, VIRTIO_BLK_T_IN);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close_part(m, PART_KVLANE);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close_part(m, PART_VM);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, blk_wait(&m->d.vq[0], &m->req[0]));
	close_part(m, PART_DEVICE);
	EXPECT_EQ(0, module_settle("kvlane", 0));
}

TEST_F(module, only_open)
{
	int fd = open("/dev/kvlane", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close(fd);
}

TEST_F_TIMEOUT(module, load_and_unload, 60)
{
	struct machine *m = &self->m;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, machine_open(m, self->disk));
		ASSERT_EQ(0, device_start(&m->d, FEATURES_ALL));
		machine_load(m, VIRTIO_BLK_T_OUT);
		machine_close(m);
		ASSERT_EQ(0, module_settle("kvlane", 0));
		ASSERT_EQ(0, unload());
		EXPECT_EQ(0, named_threads("kvlane"));
		EXPECT_EQ(-1, access("/dev/kvlane", F_OK));
		ASSERT_EQ(0, load());
		EXPECT_EQ(0, access("/dev/kvlane", F_OK));
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--inherited"))
		return use_as_stranger(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
