// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the fuzzers and a reading with their eyes have found, once each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "backing.h"
#include "blk.h"
#include "device.h"
#include "host.h"

#include "kselftest_harness.h"

#define MEM	(4 << 20)

FIXTURE(found)
{
	struct guest g;
	struct device d;
	struct blk_req req;
	long refs;
	int threads;
};

FIXTURE_SETUP(found)
{
	self->refs = module_refs("kvlane");
	self->threads = thread_count(0);
	ASSERT_EQ(0, guest_open(&self->g, MEM));
	ASSERT_EQ(0, blk_alloc(&self->g, &self->req, 65536));
}

FIXTURE_TEARDOWN(found)
{
	device_close(&self->d);
	guest_close(&self->g);
	EXPECT_EQ(0, module_settle("kvlane", self->refs));
	EXPECT_EQ(0, thread_settle(self->threads));
}

static int set_region_fd(struct guest *g, int fd)
{
	struct kvlane_region r = g->regions[0];

	r.fd = fd;
	r.offset = 0;
	return guest_set_regions(g, &r, 1);
}

/* A map that holds its own VM: nobody could ever let go of either. */
TEST_F(found, memory_that_is_the_vm)
{
	EXPECT_EQ(-EINVAL, set_region_fd(&self->g, self->g.vm));
}

TEST_F(found, memory_that_is_a_device)
{
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_RNG, 1, 4));
	EXPECT_EQ(-EINVAL, set_region_fd(&self->g, self->d.fd));
}

/* The same with the VM's descriptor on its way through a socket. */
TEST_F(found, memory_that_is_a_socket)
{
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	EXPECT_EQ(-EINVAL, set_region_fd(&self->g, pair[0]));
	close(pair[0]);
	close(pair[1]);
}

/* The configuration space of a PCI Express device, as a file of 4096 bytes. */
static int open_config_space(void)
{
	struct stat st;
	glob_t found;
	int fd = -1;
	size_t i;

	if (glob("/proc/bus/pci/*/*", 0, NULL, &found))
		return -1;
	for (i = 0; fd < 0 && i < found.gl_pathc; i++) {
		fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) || st.st_size != 4096)) {
			close(fd);
			fd = -1;
		}
	}
	globfree(&found);
	return fd;
}

/* A regular file that has read() but not what a disk needs. */
TEST_F(found, disk_without_read_iter)
{
	int fd = open_config_space();

	if (fd < 0)
		SKIP(return, "no PCI Express device");
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	EXPECT_EQ(-EINVAL, device_set_blk(&self->d, fd, 0, 0));
	close(fd);
}

/* A write goes where the driver says, however the file was opened. */
TEST_F(found, disk_opened_to_append)
{
	char path[] = "/tmp/kvlane-append-XXXXXX";
	int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
	struct stat st;
	char byte = 0;
	int err;

	ASSERT_GE(fd, 0);
	unlink(path);
	ASSERT_EQ(0, ftruncate(fd, 1 << 20));
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	err = device_set_blk(&self->d, fd, 0, 0);
	if (!err) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		memset(self->req.data, 0x5a, 4096);
		EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(&self->d.vq[0], &self->req,
						  VIRTIO_BLK_T_OUT, 8, 4096));
		ASSERT_EQ(1, pread(fd, &byte, 1, 4096));
		EXPECT_EQ(0x5a, byte);
	} else {
		EXPECT_EQ(-EINVAL, err);
	}
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(1 << 20, st.st_size);
	close(fd);
}

/* A discard of what the page cache has not written yet. */
TEST_F(found, discard_of_dirty_pages)
{
	struct backing b;
	int err = backing_open(&b, BACKING_NULLB, 16 << 20);
	unsigned int i;

	if (err)
		SKIP(return, "no null_blk: %d", err);
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, device_set_blk(&self->d, b.fd, 0, 0));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(VIRTIO_BLK_S_OK, blk_do(&self->d.vq[0], &self->req,
						  VIRTIO_BLK_T_OUT, 64, 65536));
		EXPECT_EQ(VIRTIO_BLK_S_OK, blk_range(&self->d.vq[0], &self->req,
						     VIRTIO_BLK_T_DISCARD, 65, 62, 0));
	}
	device_close(&self->d);
	backing_close(&b);
}

/* What could not be delivered is not lost. */
TEST_F(found, event_into_bad_memory)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvlane_event ev;

	ASSERT_NE(MAP_FAILED, bad);
	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_BLOCK, 1, 16));
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	errno = 0;
	EXPECT_EQ(-1, read(self->d.fd, bad, sizeof(ev)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, device_event(&self->d, &ev, 0));
	EXPECT_EQ(KVLANE_REASON_NO_BACKEND, ev.reason);
}

/* Adds @nr requests for @len bytes each, all to be written to the same place. */
static int ask(struct vq *vq, uint8_t *data, unsigned int nr, uint32_t len)
{
	struct iovec iov = { data, len };

	while (nr--)
		if (vq_add(vq, NULL, 0, &iov, 1, data) < 0)
			return -ENOSPC;
	vq_kick(vq);
	return 0;
}

/* Entropy comes when it is due, not before: a reset must not be a short cut. */
TEST_F(found, entropy_ahead_of_time)
{
	struct vq *vq;
	unsigned int i, filled = 0;

	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_RNG, 1, 16));
	ASSERT_EQ(0, device_set_rng(&self->d, -1, 100, 100));
	vq = &self->d.vq[0];
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		memset(self->req.data, 0, 200);
		ASSERT_EQ(0, ask(vq, self->req.data, 1, 100));
		ASSERT_EQ(0, ask(vq, self->req.data + 100, 1, 100));
		usleep(20000);
		filled += !all_bytes(self->req.data, 100, 0);
		filled += !all_bytes(self->req.data + 100, 100, 0);
	}
	/* One at once, and then one each second. */
	EXPECT_GE(3, filled);
}

/* What a driver asked for and did not get is not charged to the next one. */
TEST_F_TIMEOUT(found, entropy_of_a_driver_that_is_gone, 60)
{
	struct vq *vq;
	uint32_t len = 0;
	unsigned int i;

	ASSERT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_RNG, 1, 16));
	ASSERT_EQ(0, device_set_rng(&self->d, -1, 64, 64));
	vq = &self->d.vq[0];
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
		ASSERT_EQ(0, ask(vq, self->req.data, 16, 64));
	}
	/* Due within a second or two; all that was asked for takes two minutes. */
	ASSERT_EQ(0, device_start(&self->d, FEATURES_ALL));
	ASSERT_EQ(0, ask(vq, self->req.data, 1, 8));
	EXPECT_NE(NULL, vq_wait(vq, &len));
	EXPECT_LE(1, len);
}

static void nothing(int signal)
{
	(void)signal;
}

/*
 * Making a thread is begun again from the start if a signal comes, and with it was the
 * whole device; with signals that came sooner than the device took, for ever.
 */
TEST_F(found, signals_while_a_device_is_made)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } };
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	EXPECT_EQ(0, device_open(&self->d, &self->g, VIRTIO_ID_NET, 129, 64));
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
}

TEST_HARNESS_MAIN
