// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile user of /dev/vhost-vdpa-N. One process has the device open, and several of its
 * threads call whatever there is to be called; its children have inherited the descriptor,
 * and another process makes, deletes and looks at devices meanwhile. All of them may be
 * killed. After each round the device must be as good as new.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "end.h"
#include "fuzz.h"
#include "host.h"
#include "mutate.h"
#include "sectors.h"
#include "throttle.h"
#include "traffic.h"
#include "vhost.h"
#include "wire.h"

#include "kselftest.h"

/* Steps of a thread in a round, and of a child. */
#define STEPS		400
#define CHILD_STEPS	40
/* Names that the calls of the second process are about. */
#define NAMES		4

static const struct mode modes[] = {
	{ "blk", VIRTIO_ID_BLOCK, BACKING_MEMFD, .queues = 2, .queue_size = VHOST_QUEUE_SIZE },
	{ "blk-loop", VIRTIO_ID_BLOCK, BACKING_LOOP_DIRECT, .queues = 1,
	  .queue_size = VHOST_QUEUE_SIZE },
	{ "rng", VIRTIO_ID_RNG, .source = SOURCE_HOST, .queues = 1,
	  .queue_size = VHOST_QUEUE_SIZE },
	{ "balloon", VIRTIO_ID_BALLOON, .queues = 5, .queue_size = VHOST_QUEUE_SIZE },
	{ "net", VIRTIO_ID_NET, .header_len = 12, .zerocopy_min = 1, .queues = 3,
	  .queue_size = VHOST_QUEUE_SIZE },
};

#define MODES	(sizeof(modes) / sizeof(modes[0]))

static struct fuzz_options options = { .seconds = 20, .threads = 3 };

/* Shared by all processes: the one beside is to end. */
static int *stop;

/**
 * struct attacker - a thread of the process that has the device open
 * @u: the device
 * @round: where its random numbers come from
 * @index: number of the thread
 */
struct attacker {
	struct user *u;
	uint64_t round;
	unsigned int index;
};

static bool has_stopped(struct user *u)
{
	uint8_t status = vdpa_status(&u->d);

	return !(status & VIRTIO_CONFIG_S_DRIVER_OK) || status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void step(struct user *u, struct rnd *r)
{
	unsigned int pick = rnd_below(r, 40);

	fuzz_alive();
	if (rnd_one_in(r, 8) && (has_stopped(u) || rnd_one_in(r, 12)))
		vhost_revive(u, r);
	if (pick < 28)
		traffic_add(&u->v, r);
	else if (pick < 32)
		mutate(&u->v, r);
	else if (pick < 36)
		vhost_call(u, r);
	else if (pick < 39 || !rnd_one_in(r, 8))
		vhost_message(u, r);
	else
		vhost_reopen(u);
}

/* What was locked when it was forked stays so. */
static void unlock(struct user *u)
{
	unsigned int i;

	pthread_mutex_init(&u->v.revive, NULL);
	for (i = 0; i < u->v.mode->queues; i++)
		pthread_mutex_init(&u->v.ring[i].lock, NULL);
}

/* Has the descriptor, but the device is in the memory of another. May outlive that one. */
static void fork_child(struct user *u, struct rnd *r)
{
	unsigned int i;
	pid_t pid = fork();

	if (pid)
		return;
	unlock(u);
	alarm(3);
	for (i = 0; i < CHILD_STEPS; i++)
		step(u, r);
	_exit(0);
}

static void *attack(void *arg)
{
	struct attacker *a = arg;
	unsigned int i;
	struct rnd r;

	rnd_seed(&r, options.seed, a->round, a->index);
	for (i = 0; i < STEPS; i++) {
		if (rnd_one_in(&r, 400))
			fork_child(a->u, &r);
		step(a->u, &r);
	}
	return NULL;
}

/* The process that has the device open; some end in the middle. */
static void attackers(struct user *u, uint64_t round, struct rnd *r)
{
	struct attacker a[FUZZ_THREADS];
	pthread_t thread[FUZZ_THREADS], end;
	unsigned int i;

	signal(SIGCHLD, SIG_IGN);
	fuzz_watch();
	if (chdir("/tmp") || vdpa_open(&u->d))
		_exit(1);
	vhost_start(u, FEATURES_ALL, NULL);
	if (rnd_one_in(r, 2) && pthread_create(&end, NULL, end_thread, r))
		_exit(1);
	for (i = 0; i < options.threads; i++) {
		a[i] = (struct attacker){ .u = u, .round = round, .index = i };
		if (pthread_create(&thread[i], NULL, attack, &a[i]))
			_exit(1);
	}
	for (i = 0; i < options.threads; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

/* A name that is somebody's, nobody's, or none at all. */
static void any_name(struct user *u, struct rnd *r, char *name)
{
	memset(name, 0, KVLANE_VDPA_NAME_LEN);
	switch (rnd_below(r, 8)) {
	case 0:
		memcpy(name, u->d.name, KVLANE_VDPA_NAME_LEN);
		break;
	case 1:
		memset(name, 'a' + rnd_below(r, 26), rnd_below(r, KVLANE_VDPA_NAME_LEN + 1));
		break;
	default:
		snprintf(name, KVLANE_VDPA_NAME_LEN, "fuzz-%u", rnd_below(r, NAMES));
		break;
	}
	if (rnd_one_in(r, 8))
		name[rnd_below(r, KVLANE_VDPA_NAME_LEN)] = rnd_odd(r);
}

static int create_any(struct user *u, struct rnd *r)
{
	static const uint32_t types[] = { VIRTIO_ID_NET, VIRTIO_ID_BLOCK, VIRTIO_ID_RNG,
					  VIRTIO_ID_BALLOON, 0 };
	struct kvlane_create_vdpa args = {
		.type = types[rnd_below(r, 5)],
		.num_queues = rnd_one_in(r, 4) ? rnd_odd(r) : 1 + rnd_below(r, 5),
		.queue_size = rnd_one_in(r, 4) ? rnd_odd(r) : 16,
		.lane_queues = rnd_one_in(r, 4) ? rnd_odd(r) : 0,
		.features = rnd_one_in(r, 4) ? rnd_odd(r) : FEATURES_ALL,
		.flags = rnd_one_in(r, 32) ? rnd_odd(r) : 0,
		.reserved0 = rnd_one_in(r, 32) ? rnd_odd(r) : 0,
	};

	any_name(u, r, args.name);
	if (rnd_one_in(r, 32))
		args.reserved[rnd_below(r, 4)] = rnd_odd(r);
	return ioctl(u->v.g.kvlane, KVLANE_CREATE_VDPA, &args);
}

static int open_any(struct user *u, struct rnd *r)
{
	struct kvlane_open_vdpa args = {
		.flags = rnd_one_in(r, 32) ? rnd_odd(r) : 0,
		.reserved0 = rnd_one_in(r, 32) ? rnd_odd(r) : 0,
	};

	any_name(u, r, args.name);
	return ioctl(u->v.g.kvlane, KVLANE_OPEN_VDPA, &args);
}

static void look(struct user *u)
{
	struct kvlane_balloon_info balloon = {};
	struct kvlane_event ev;
	struct kvlane_stats st;

	device_stats(&u->v.d, &st, 0, NULL);
	device_event(&u->v.d, &ev, 0);
	ioctl(u->v.d.fd, KVLANE_GET_BALLOON, &balloon);
}

/* Some get a back end, so that they can be added. */
static void keep(struct rnd *r, int *slot, int fd)
{
	struct device d = { .fd = fd };

	if (fd < 0)
		return;
	if (rnd_one_in(r, 2))
		device_set_rng(&d, -1, 0, 0);
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

static void command(struct user *u, struct rnd *r)
{
	char name[KVLANE_VDPA_NAME_LEN];

	snprintf(name, sizeof(name), "fuzz-%u", rnd_below(r, NAMES));
	switch (rnd_below(r, 8)) {
	case 0:
		vdpa_nl_del(&u->nl, u->d.name);
		break;
	case 1:
		vdpa_nl_add(&u->nl, u->d.name);
		break;
	case 2:
	case 3:
		vdpa_nl_show(&u->nl, u->d.name);
		break;
	case 4:
	case 5:
		vdpa_nl_add(&u->nl, name);
		break;
	default:
		vdpa_nl_del(&u->nl, name);
		break;
	}
}

/*
 * The process beside: devices of other names, and what those who have no business with the
 * memory may do to this one.
 */
static void beside(struct user *u, uint64_t round)
{
	int fds[NAMES] = { -1, -1, -1, -1 };
	char name[KVLANE_VDPA_NAME_LEN];
	unsigned int i;
	struct rnd r;

	if (setns(u->netns, CLONE_NEWNET) || vdpa_nl_open(&u->nl))
		_exit(1);
	rnd_seed(&r, options.seed, round, FUZZ_THREADS + 1);
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		keep(&r, &fds[rnd_below(&r, NAMES)],
		     rnd_one_in(&r, 2) ? create_any(u, &r) : open_any(u, &r));
		look(u);
		if (rnd_one_in(&r, 10))
			command(u, &r);
		usleep(1000);
	}
	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "fuzz-%u", i);
		vdpa_nl_del(&u->nl, name);
	}
	_exit(0);
}

static bool fail(struct user *u, const char *what)
{
	u->v.fault = what;
	return false;
}

/* Some are killed, if they are not at their end by then. */
static bool run_round(struct user *u, uint64_t round, struct rnd *r)
{
	unsigned int ms, patience = rnd_one_in(r, 4) ? rnd_below(r, 1000) : 5000;
	pid_t pid, other;

	__atomic_store_n(stop, 0, __ATOMIC_RELAXED);
	fflush(stdout);
	other = fork();
	if (!other)
		beside(u, round);
	pid = fork();
	if (!pid)
		attackers(u, round, r);
	if (pid < 0 || other < 0)
		return fail(u, "there are no processes");
	for (ms = 0; ms < patience && !waitpid(pid, NULL, WNOHANG); ms += 10)
		usleep(10000);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) != pid && errno == EINTR)
		;
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
	return end_wait(other) || fail(u, "vDPA's commands do not end");
}

/* It may have been deleted, and children of its user take their time. */
static int open_again(struct user *u)
{
	unsigned int ms;
	int err = vdpa_open(&u->d);

	if (err == -ENOENT && !vdpa_nl_add(&u->nl, u->d.name))
		err = vdpa_open(&u->d);
	for (ms = 0; err == -EBUSY && ms < WAIT_MS; ms += 10) {
		usleep(10000);
		err = vdpa_open(&u->d);
	}
	return err;
}

static int mend(struct user *u)
{
	uint32_t type = u->v.mode->type;
	int err = victim_mend_memory(&u->v);

	if (!err && (type == VIRTIO_ID_BLOCK || type == VIRTIO_ID_NET))
		err = device_throttle(&u->v.d, -1);
	if (!err && type == VIRTIO_ID_NET)
		err = wire_mend(&u->v);
	return err ? err : victim_set_backend(&u->v);
}

static bool check_still(struct user *u)
{
	struct kvlane_queue_stats qs;
	unsigned int i;

	for (i = 0; i < u->v.mode->queues; i++)
		if (device_stats(&u->v.d, NULL, i, &qs) || qs.inflight)
			return fail(u, "requests in flight in a device that is closed");
	return true;
}

/* An honest user is served. */
static bool check(struct user *u, struct rnd *r)
{
	int err = open_again(u);

	if (!err)
		err = mend(u);
	if (!err)
		err = vhost_start(u, VDPA_PLATFORM, NULL);
	if (err) {
		printf("# opening the device again: %s\n", strerror(-err));
		return fail(u, "the device cannot be opened and started");
	}
	if (!victim_serves(&u->v, r))
		return false;
	if (vdpa_status(&u->d) & VIRTIO_CONFIG_S_NEEDS_RESET)
		return fail(u, "a valid request broke the device");
	vdpa_shut(&u->d);
	return check_still(u);
}

/* What the fuzzing has reached. */
static void print_counts(struct user *u, uint64_t rounds)
{
	unsigned long long requests = 0, malformed = 0;
	struct kvlane_queue_stats qs = {};
	struct kvlane_stats st = {};
	unsigned int i;

	for (i = 0; i < u->v.mode->queues; i++) {
		device_stats(&u->v.d, &st, i, &qs);
		requests += qs.requests;
		malformed += qs.malformed;
	}
	printf("# %s: %llu rounds, %llu requests, %llu malformed, broken %llu times\n",
	       u->v.mode->name, (unsigned long long)rounds, requests, malformed,
	       (unsigned long long)st.needs_reset);
}

static bool rounds(struct user *u, double until)
{
	uint64_t round, first = options.round;
	int threads = thread_count(0);
	struct rnd r;

	for (round = first; fuzz_now() < until; round++) {
		if (options.rounds && round - first >= options.rounds)
			break;
		fuzz_alive();
		rnd_seed(&r, options.seed, round, FUZZ_THREADS);
		if (!run_round(u, round, &r) || !check(u, &r))
			break;
		if (thread_settle(threads)) {
			u->v.fault = "threads are left after a device was closed";
			break;
		}
	}
	if (u->v.fault)
		printf("# %s: %s: --seed %llu --threads %u --mode %s --round %llu\n",
		       u->v.mode->name, u->v.fault, (unsigned long long)options.seed,
		       options.threads, u->v.mode->name, (unsigned long long)round);
	print_counts(u, round - first);
	return !u->v.fault;
}

/* The victim's own device gives way to one for vDPA. */
static int trade(struct user *u)
{
	struct victim *v = &u->v;
	unsigned int i;
	int err;

	device_close(&v->d);
	v->g.brk_low = v->mark;
	err = vdpa_create(&u->d, &v->g, v->mode->type, v->mode->queues);
	v->d = u->d.d;
	for (i = 0; !err && i < v->mode->queues; i++) {
		v->ring[i].vq = &v->d.vq[i];
		/* Packed rings want more alignment. */
		v->d.vq[i].packed = true;
		err = vq_clear(&v->d.vq[i]);
	}
	if (!err)
		err = victim_set_backend(v);
	return err ? err : vdpa_nl_add(&u->nl, u->d.name);
}

static int open_user(struct user *u, const struct mode *mode, struct backing *backing)
{
	int err;

	*u = (struct user){
		.d = { .fd = -1 },
		.netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
		.spare = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	err = u->netns < 0 || u->spare < 0 ? -errno : vdpa_nl_open(&u->nl);
	if (!err)
		err = victim_open(&u->v, mode, backing);
	return err ? err : trade(u);
}

static void close_user(struct user *u)
{
	vdpa_shut(&u->d);
	vdpa_nl_del(&u->nl, u->d.name);
	device_close(&u->d.d);
	vdpa_nl_close(&u->nl);
	u->v.d = (struct device){ .fd = -1 };
	victim_close(&u->v);
	close(u->spare);
	close(u->netns);
}

static int child(const struct mode *mode, struct backing *backing, double until)
{
	struct user u;
	int err = open_user(&u, mode, backing);
	bool ok = false;

	fuzz_watch();
	if (err)
		printf("# %s: %s\n", mode->name, strerror(-err));
	else
		ok = rounds(&u, until);
	close_user(&u);
	fflush(stdout);
	return err == -ENOENT ? KSFT_SKIP : !ok;
}

/* In a process of its own: a network device takes it to a network namespace of its own. */
static int run_child(const struct mode *mode, struct backing *backing, double seconds)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(child(mode, backing, fuzz_now() + seconds));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return KSFT_FAIL;
	if (WIFSIGNALED(status))
		printf("# %s: the program died of signal %d\n", mode->name, WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : KSFT_FAIL;
}

static void test_mode(const struct mode *mode, double seconds)
{
	bool disk = mode->type == VIRTIO_ID_BLOCK;
	long refs = module_refs("kvlane");
	struct backing backing;
	int result = KSFT_SKIP;

	if (!disk || !backing_open(&backing, mode->backing, DISK_BYTES)) {
		result = disk && victim_prepare_disk(&backing) ? KSFT_FAIL : KSFT_PASS;
		if (!result)
			result = run_child(mode, disk ? &backing : NULL, seconds);
		if (end_leftovers(mode->name, refs) ||
		    (disk && !victim_disk_whole(&backing)))
			result = KSFT_FAIL;
		if (disk)
			backing_close(&backing);
	}
	ksft_test_result_code(result, mode->name, NULL);
}

static bool chosen(const struct mode *mode)
{
	if (options.mode)
		return !strcmp(options.mode, mode->name);
	return !options.device || !strncmp(mode->name, options.device, 3);
}

int main(int argc, char **argv)
{
	unsigned int i, nr = 0;

	fuzz_parse(&options, argc, argv);
	ksft_print_header();
	if (module_refs("kvlane") < 0)
		ksft_exit_skip("the module is not loaded\n");
	if (load_module("vhost_vdpa"))
		ksft_exit_skip("no module vhost_vdpa\n");
	for (i = 0; i < MODES; i++)
		nr += chosen(&modes[i]);
	if (!nr)
		ksft_exit_fail_msg("there is no mode '%s'\n", options.mode);
	stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (stop == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	ksft_set_plan(nr);
	for (i = 0; i < MODES; i++)
		if (chosen(&modes[i]))
			test_mode(&modes[i], (double)options.seconds / nr);
	ksft_finished();
}
