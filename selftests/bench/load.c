// SPDX-License-Identifier: GPL-2.0-only
/*
 * The load generator: io_uring on a block device opened O_DIRECT.
 *
 * It does as little as possible for an I/O, because under emulation every
 * instruction of the guest counts and would blur the difference between the
 * hosts: one io_uring_enter() for as many completions as there are, no clock,
 * no statistics but a counter. The main thread sleeps through the measurement
 * and reads the counters at its ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define MAX_JOBS	16
#define MAX_DEPTH	256
#define PAGE		4096

struct job {
	const struct load *load;
	pthread_t thread;
	int fd;
	int ring;
	unsigned int index;
	uint64_t first;			/* first byte of this job's part */
	uint64_t blocks;		/* how many blocks it has */
	uint64_t next;			/* sequential: the next of them */
	uint64_t random;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	_Atomic unsigned int *sq_tail;
	_Atomic unsigned int *cq_head;
	_Atomic unsigned int *cq_tail;
	unsigned int *sq_array;
	unsigned int sq_mask;
	unsigned int cq_mask;
	char *buffers;
	_Atomic uint64_t ios;
	_Atomic uint64_t errors;
};

static atomic_bool stop;

/* xorshift64: fast, and random enough to spread over a disk. */
static uint64_t next_random(struct job *job)
{
	uint64_t x = job->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	job->random = x;
	return x;
}

static uint64_t next_offset(struct job *job)
{
	uint64_t block;

	if (job->load->random) {
		block = next_random(job) % job->blocks;
	} else {
		block = job->next;
		job->next = block + 1 == job->blocks ? 0 : block + 1;
	}
	return job->first + block * job->load->block;
}

/* Puts an I/O with buffer number @slot into the ring. */
static void prepare(struct job *job, unsigned int slot, unsigned int tail)
{
	struct io_uring_sqe *sqe = &job->sqes[tail & job->sq_mask];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = job->load->write ? IORING_OP_WRITE : IORING_OP_READ;
	sqe->fd = 0;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->addr = (uintptr_t)(job->buffers + slot * job->load->block);
	sqe->len = job->load->block;
	sqe->off = next_offset(job);
	sqe->user_data = slot;
	job->sq_array[tail & job->sq_mask] = tail & job->sq_mask;
}

/* Takes what is completed and prepares as many. Returns how many. */
static unsigned int turn_over(struct job *job)
{
	unsigned int head = atomic_load_explicit(job->cq_head, memory_order_relaxed);
	unsigned int end = atomic_load_explicit(job->cq_tail, memory_order_acquire);
	unsigned int tail = atomic_load_explicit(job->sq_tail, memory_order_relaxed);
	unsigned int nr = end - head, errors = 0;
	const struct io_uring_cqe *cqe;

	for (; head != end; head++) {
		cqe = &job->cqes[head & job->cq_mask];
		errors += cqe->res != (int)job->load->block;
		prepare(job, cqe->user_data, tail++);
	}
	atomic_store_explicit(job->cq_head, head, memory_order_release);
	atomic_store_explicit(job->sq_tail, tail, memory_order_release);
	/* Nobody else writes these, so no locked instruction is needed. */
	atomic_store_explicit(&job->ios, job->ios + nr, memory_order_relaxed);
	atomic_store_explicit(&job->errors, job->errors + errors, memory_order_relaxed);
	return nr;
}

static void *job_main(void *arg)
{
	struct job *job = arg;
	unsigned int depth = job->load->depth, pending = depth, slot;
	cpu_set_t cpus;
	int ret;

	CPU_ZERO(&cpus);
	CPU_SET(job->index % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	/* The thread that enables the ring is the one that may submit. */
	syscall(SYS_io_uring_register, job->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	for (slot = 0; slot < depth; slot++)
		prepare(job, slot, slot);
	atomic_store_explicit(job->sq_tail, depth, memory_order_release);

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		ret = syscall(SYS_io_uring_enter, job->ring, pending, 1,
			      IORING_ENTER_GETEVENTS, NULL, 0);
		if (ret < 0 && errno != EINTR)
			return "io_uring_enter failed";
		pending = ret < 0 ? pending : pending - ret;
		pending += turn_over(job);
	}
	return NULL;
}

static const char *map_ring(struct job *job, const struct io_uring_params *params)
{
	size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(unsigned int);
	size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	size_t size = sq_size > cq_size ? sq_size : cq_size;
	char *ring;

	ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, job->ring,
		    IORING_OFF_SQ_RING);
	job->sqes = mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe),
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, job->ring,
			 IORING_OFF_SQES);
	if (ring == MAP_FAILED || job->sqes == MAP_FAILED)
		return "cannot map the io_uring";
	job->sq_tail = (void *)(ring + params->sq_off.tail);
	job->sq_array = (void *)(ring + params->sq_off.array);
	job->sq_mask = *(unsigned int *)(ring + params->sq_off.ring_mask);
	job->cq_head = (void *)(ring + params->cq_off.head);
	job->cq_tail = (void *)(ring + params->cq_off.tail);
	job->cqes = (void *)(ring + params->cq_off.cqes);
	job->cq_mask = *(unsigned int *)(ring + params->cq_off.ring_mask);
	return NULL;
}

static const char *open_ring(struct job *job)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_R_DISABLED,
	};

	job->ring = syscall(SYS_io_uring_setup, job->load->depth, &params);
	if (job->ring < 0)
		return "no io_uring in this kernel";
	if (syscall(SYS_io_uring_register, job->ring, IORING_REGISTER_FILES, &job->fd, 1) < 0)
		return "cannot register the disk with io_uring";
	return map_ring(job, &params);
}

/* Bytes of a block device or a file; 0 if that cannot be told. */
static uint64_t size_of(int fd)
{
	uint64_t size;
	struct stat st;

	if (!ioctl(fd, BLKGETSIZE64, &size))
		return size;
	return fstat(fd, &st) ? 0 : st.st_size;
}

static const char *open_job(struct job *job, unsigned int index, const struct load *load)
{
	uint64_t part;
	size_t bytes = load->block * load->depth;

	*job = (struct job){ .load = load, .index = index, .random = 88172645463325252 + index };
	job->fd = open(load->path, (load->write ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (job->fd < 0)
		return "cannot open the disk";
	part = size_of(job->fd) / load->jobs / PAGE * PAGE;
	job->first = part * index;
	job->blocks = part / load->block;
	if (!job->blocks)
		return "the disk is too small";
	job->buffers = aligned_alloc(PAGE, bytes);
	if (!job->buffers)
		return "out of memory";
	memset(job->buffers, 0xa5, bytes);
	return open_ring(job);
}

static void add_up(struct job *jobs, unsigned int nr, struct load_result *sum)
{
	struct timespec now;
	unsigned int i;

	*sum = (struct load_result){};
	for (i = 0; i < nr; i++) {
		sum->ios += atomic_load(&jobs[i].ios);
		sum->errors += atomic_load(&jobs[i].errors);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	sum->ns = now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void measure(struct job *jobs, const struct load *load, struct load_result *result,
		    void (*mark)(bool end))
{
	struct load_result before;

	usleep(load->warm_ms * 1000);
	mark(false);
	add_up(jobs, load->jobs, &before);
	usleep(load->time_ms * 1000);
	add_up(jobs, load->jobs, result);
	mark(true);
	result->ios -= before.ios;
	result->errors -= before.errors;
	result->ns -= before.ns;
}

const char *load_run(const struct load *load, struct load_result *result, void (*mark)(bool end))
{
	static struct job jobs[MAX_JOBS];
	const char *error = NULL;
	unsigned int i;
	void *ret;

	if (!load->jobs || load->jobs > MAX_JOBS || !load->depth || load->depth > MAX_DEPTH ||
	    !load->block || load->block % 512)
		return "bad load";
	stop = false;
	for (i = 0; i < load->jobs && !error; i++)
		error = open_job(&jobs[i], i, load);
	if (error)
		return error;
	for (i = 0; i < load->jobs; i++)
		pthread_create(&jobs[i].thread, NULL, job_main, &jobs[i]);
	measure(jobs, load, result, mark);
	stop = true;
	for (i = 0; i < load->jobs; i++) {
		pthread_join(jobs[i].thread, &ret);
		error = ret ? ret : error;
		close(jobs[i].ring);
		close(jobs[i].fd);
		free(jobs[i].buffers);
	}
	return error;
}
