// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "sectors.h"
#include "throttle.h"
#include "lend.h"
#include "wire.h"

#define PAGE		4096
#define HALF		(1 << 20)
#define GUARD_BYTE	0xc9
#define CHECK_BYTES	16384
#define SOURCE_BYTES	(64 << 10)
#define CANARY_SEED	0xca9a51

/* The alias is guard, lower half, guard, upper half, guard. */
static uint8_t *alias_half(const struct victim *v, unsigned int i)
{
	return v->alias + PAGE + i * (HALF + PAGE);
}

static uint8_t *guard_page(const struct victim *v, unsigned int i)
{
	return v->alias + i * (HALF + PAGE);
}

static int map_file(void *at, size_t bytes, int fd, off_t offset)
{
	void *p = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset);

	return p == MAP_FAILED ? -errno : 0;
}

static int map_again(struct victim *v)
{
	void *p;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < 2; i++)
		err = map_file(alias_half(v, i), HALF, v->g.memfd, i * HALF);
	if (!err && ftruncate(v->wild_fd, WILD_BYTES))
		err = -errno;
	if (!err)
		err = map_file(v->wild, WILD_BYTES, v->wild_fd, 0);
	if (!err && ftruncate(v->lent_fd, LENT_BYTES))
		err = -errno;
	if (!err)
		err = map_file(v->lent, LENT_BYTES, v->lent_fd, 0);
	if (err)
		return err;
	p = mmap(v->anon, ANON_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return p == MAP_FAILED ? -errno : 0;
}

static void describe(struct victim *v)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		v->map[i] = (struct kvlane_region){
			.gpa = i ? GUEST_HIGH : GUEST_LOW, .size = HALF,
			.hva = (uintptr_t)alias_half(v, i),
			.fd = v->g.memfd, .offset = i * HALF,
		};
	v->map[2] = (struct kvlane_region){
		.gpa = WILD_GPA, .size = WILD_BYTES, .hva = (uintptr_t)v->wild,
		.fd = v->wild_fd,
	};
	v->map[3] = (struct kvlane_region){
		.gpa = ANON_GPA, .size = ANON_BYTES, .hva = (uintptr_t)v->anon, .fd = -1,
	};
	v->map[4] = (struct kvlane_region){
		.gpa = LENT_GPA, .size = LENT_BYTES, .hva = (uintptr_t)v->lent,
		.fd = v->lent_fd,
	};
}

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_memory(struct victim *v)
{
	unsigned int i;
	int err = guest_open(&v->g, 2 * HALF);

	if (err)
		return err;
	v->wild_fd = disk_memfd(WILD_BYTES);
	v->alias = reserve(2 * HALF + 3 * PAGE);
	v->wild = reserve(WILD_BYTES);
	v->anon = reserve(ANON_BYTES);
	v->lent_fd = disk_memfd(LENT_BYTES);
	v->lent = reserve(LENT_BYTES);
	if (v->wild_fd < 0 || !v->alias || !v->wild || !v->anon || v->lent_fd < 0 || !v->lent)
		return -ENOMEM;
	for (i = 0; i < 3; i++)
		memset(guard_page(v, i), GUARD_BYTE, PAGE);
	describe(v);
	return victim_mend_memory(v);
}

int victim_mend_memory(struct victim *v)
{
	int err = map_again(v);

	return err ? err : guest_set_regions(&v->g, v->map, MAP_REGIONS);
}

int victim_set_backend(struct victim *v)
{
	const struct mode *m = v->mode;

	if (m->type == VIRTIO_ID_BLOCK)
		return device_set_blk(&v->d, v->backing->fd, m->flags, 0);
	if (m->type == VIRTIO_ID_NET)
		return wire_set_backend(v, m->flags, -1, 0);
	if (m->type == VIRTIO_ID_BALLOON)
		return lend_set_backend(v, 0);
	return device_set_rng(&v->d, v->source, m->rate, m->burst);
}

static int open_source(struct victim *v)
{
	uint8_t *bytes;
	int err = 0;

	v->source = -1;
	if (v->mode->type == VIRTIO_ID_NET)
		return wire_open(v);
	if (v->mode->type != VIRTIO_ID_RNG || v->mode->source == SOURCE_HOST)
		return 0;
	if (v->mode->source == SOURCE_CHAR) {
		v->source = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
		return v->source < 0 ? -errno : 0;
	}
	v->source = disk_memfd(SOURCE_BYTES);
	bytes = malloc(SOURCE_BYTES);
	if (v->source < 0 || !bytes) {
		free(bytes);
		return -ENOMEM;
	}
	pattern_fill(bytes, SOURCE_BYTES, 7);
	if (pwrite(v->source, bytes, SOURCE_BYTES, 0) != SOURCE_BYTES)
		err = -errno;
	free(bytes);
	return err;
}

static int open_rings(struct victim *v)
{
	unsigned int i;

	for (i = 0; i < v->mode->queues; i++) {
		struct ring *ring = &v->ring[i];

		pthread_mutex_init(&ring->lock, NULL);
		ring->vq = &v->d.vq[i];
		ring->slots = v->mode->queue_size / SLOT_DESCS;
		ring->slot = guest_alloc(&v->g, ring->slots * sizeof(*ring->slot), 16);
		if (!ring->slot)
			return -ENOMEM;
	}
	return 0;
}

static int open_device(struct victim *v)
{
	const struct mode *m = v->mode;

	char shared[12];
	unsigned int i;
	int err;

	snprintf(shared, sizeof(shared), "%u", m->lane_queues);
	setenv("KVLANE_LANE_QUEUES", shared, 1);
	err = device_open(&v->d, &v->g, m->type, m->queues, m->queue_size);

	v->needs_reset = 0;
	/* While the rings are as long as they ever get; packed ones want more alignment. */
	for (i = 0; !err && i < m->queues; i++) {
		v->d.vq[i].packed = true;
		err = vq_clear(&v->d.vq[i]);
	}
	if (err)
		return err;
	/* Another thread may take an event between poll() and read(). */
	return fcntl(v->d.fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static int open_bystander(struct victim *v)
{
	int err;

	v->other_disk = disk_memfd(1 << 20);
	if (v->other_disk < 0)
		return v->other_disk;
	err = guest_open(&v->bystander, 1 << 20);
	if (!err)
		err = device_open(&v->neighbour, &v->bystander, VIRTIO_ID_BLOCK, 1, 16);
	if (!err)
		err = device_set_blk(&v->neighbour, v->other_disk, 0, 0);
	if (!err)
		err = device_start(&v->neighbour, FEATURES_ALL);
	if (!err)
		err = blk_alloc(&v->bystander, &v->other, CHECK_BYTES);
	return err;
}

int victim_open(struct victim *v, const struct mode *mode, struct backing *backing)
{
	int err;

	*v = (struct victim){
		.mode = mode, .backing = backing, .source = -1,
		.wild_fd = -1, .lent_fd = -1, .other_disk = -1,
		.throttle = throttle_open(), .tap = { .raw = -1 },
	};
	pthread_mutex_init(&v->revive, NULL);
	err = v->throttle < 0 ? v->throttle : open_memory(v);
	if (!err)
		err = open_source(v);
	if (!err)
		err = open_device(v);
	if (!err)
		err = open_rings(v);
	if (!err)
		err = blk_alloc(&v->g, &v->check, CHECK_BYTES);
	if (err)
		return err;
	v->data = guest_alloc_high(&v->g, DATA_BYTES, PAGE);
	if (!v->data)
		return -ENOMEM;
	v->mark = v->g.brk_low;
	err = victim_mend(v);
	return err ? err : open_bystander(v);
}

void victim_close(struct victim *v)
{
	device_close(&v->d);
	guest_close(&v->g);
	device_close(&v->neighbour);
	guest_close(&v->bystander);
	wire_close(v);
	if (v->source >= 0)
		close(v->source);
	if (v->throttle >= 0)
		close(v->throttle);
	if (v->wild_fd >= 0)
		close(v->wild_fd);
	if (v->other_disk >= 0)
		close(v->other_disk);
	if (v->alias)
		munmap(v->alias, 2 * HALF + 3 * PAGE);
	if (v->wild)
		munmap(v->wild, WILD_BYTES);
	if (v->anon)
		munmap(v->anon, ANON_BYTES);
	if (v->lent_fd >= 0)
		close(v->lent_fd);
	if (v->lent)
		munmap(v->lent, LENT_BYTES);
}

static bool fail(struct victim *v, const char *what)
{
	if (!v->fault)
		v->fault = what;
	return false;
}

static unsigned int kind_of_ring(const struct victim *v)
{
	return !!(v->d.features & BIT(VIRTIO_F_RING_PACKED)) +
	       2 * !!(v->d.features & BIT(VIRTIO_F_IN_ORDER));
}

void victim_event(struct victim *v, const struct kvlane_event *ev)
{
	if (!ev->type || ev->type > KVLANE_EVENT_BALLOON_RETURNED)
		fail(v, "an event of unknown type");
	if (ev->type != KVLANE_EVENT_NEEDS_RESET)
		return;
	__atomic_add_fetch(&v->needs_reset, 1, __ATOMIC_RELAXED);
	if (ev->reason < VICTIM_REASONS)
		__atomic_add_fetch(&v->reasons[kind_of_ring(v)][ev->reason], 1,
				   __ATOMIC_RELAXED);
}

void victim_account(struct victim *v)
{
	struct kvlane_event ev;
	struct ring *ring;
	unsigned int i;

	while (!device_event(&v->d, &ev, 0))
		victim_event(v, &ev);
	for (i = 0; i < v->mode->queues; i++) {
		ring = &v->ring[i];
		if (ring->live)
			ring_reclaim(ring);
		v->returned[kind_of_ring(v)] += ring->returned;
		ring->returned = 0;
	}
}

int victim_reopen(struct victim *v)
{
	unsigned int i;
	int err;

	victim_account(v);
	device_close(&v->d);
	/* The memory of the rings is free again. */
	v->g.brk_low = v->mark;
	err = open_device(v);
	for (i = 0; !err && i < v->mode->queues; i++) {
		v->ring[i].vq = &v->d.vq[i];
		v->ring[i].live = 0;
	}
	return err ? err : victim_mend(v);
}

static bool is_throttled(const struct victim *v)
{
	return v->mode->type == VIRTIO_ID_BLOCK || v->mode->type == VIRTIO_ID_NET;
}

int victim_mend(struct victim *v)
{
	unsigned int i;
	int err = victim_mend_memory(v);

	if (!err)
		err = device_reset(&v->d);
	if (!err && is_throttled(v))
		err = device_throttle(&v->d, -1);
	if (!err && v->mode->type == VIRTIO_ID_NET)
		err = wire_mend(v);
	if (!err)
		err = victim_set_backend(v);
	if (!err)
		err = device_tie(&v->d, KVLANE_SET_VECTOR, CONFIG_VECTOR, v->d.config_call);
	for (i = 0; !err && i < v->mode->queues; i++) {
		err = device_tie(&v->d, KVLANE_SET_KICK, i, v->d.vq[i].kick);
		if (!err)
			err = device_tie(&v->d, KVLANE_SET_VECTOR, i + 1, v->d.vq[i].call);
	}
	return err;
}

static bool check_guards(struct victim *v)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (!all_bytes(guard_page(v, i), PAGE, GUARD_BYTE))
			return fail(v, "memory outside all regions was written");
	return true;
}

/* Every time the device broke there was an event, or it was counted as lost. */
static bool check_events(struct victim *v)
{
	struct kvlane_stats st;

	if (v->fault)
		return false;
	if (device_stats(&v->d, &st, 0, NULL))
		return fail(v, "no statistics");
	if (st.needs_reset < v->needs_reset ||
	    st.needs_reset > v->needs_reset + st.events_lost)
		return fail(v, "needs_reset is not the number of events");
	return true;
}

/* Packets that are received have no latency. */
static bool has_latency(struct victim *v, unsigned int index)
{
	return v->mode->type != VIRTIO_ID_NET || index % 2;
}

static bool check_counters(struct victim *v, unsigned int index)
{
	struct kvlane_queue_stats qs;
	uint64_t sum = 0;
	unsigned int i;

	if (device_stats(&v->d, NULL, index, &qs))
		return fail(v, "no statistics");
	for (i = 0; i < KVLANE_HIST_BUCKETS; i++)
		sum += qs.latency[i];
	if (sum > qs.requests || (sum < qs.requests && has_latency(v, index)))
		return fail(v, "the histogram does not add up to the requests");
	if (qs.errors > qs.requests)
		return fail(v, "more errors than requests");
	if (qs.inflight)
		return fail(v, "requests in flight after a reset");
	return true;
}

static bool check_disk(struct victim *v, struct vq *vq, struct rnd *r)
{
	uint64_t sector = CHECK_SECTOR + 8 * rnd_below(r, 32), seed = rnd_next(r);
	struct blk_req *req = &v->check;
	bool readonly = v->mode->flags & KVLANE_BACKEND_RDONLY;
	int status;

	pattern_fill(req->data, CHECK_BYTES, seed);
	status = blk_do(vq, req, VIRTIO_BLK_T_OUT, sector, CHECK_BYTES);
	if (status != (readonly ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK))
		return fail(v, "a valid write was answered wrongly after a reset");
	memset(req->data, 0, CHECK_BYTES);
	status = blk_do(vq, req, VIRTIO_BLK_T_IN, sector, CHECK_BYTES);
	if (status != VIRTIO_BLK_S_OK)
		return fail(v, "a valid read failed after a reset");
	if (!readonly && !pattern_matches(req->data, CHECK_BYTES, seed))
		return fail(v, "a valid read brought wrong data after a reset");
	if (blk_do(vq, req, VIRTIO_BLK_T_FLUSH, 0, 0) != VIRTIO_BLK_S_OK)
		return fail(v, "a flush failed after a reset");
	if (blk_do(vq, req, VIRTIO_BLK_T_GET_ID, 0, 20) != VIRTIO_BLK_S_OK ||
	    strcmp((char *)req->data, "kvlane-test"))
		return fail(v, "a wrong serial after a reset");
	return true;
}

static bool is_part_of_source(const uint8_t *bytes, uint32_t len)
{
	uint8_t all[SOURCE_BYTES];

	pattern_fill(all, sizeof(all), 7);
	return memmem(all, sizeof(all), bytes, len);
}

static bool check_entropy(struct victim *v, struct vq *vq)
{
	struct iovec iov = { v->check.data, 64 };
	uint32_t len = 0;

	memset(v->check.data, 0, CHECK_BYTES);
	if (vq_add(vq, NULL, 0, &iov, 1, v) < 0)
		return fail(v, "no room in an empty ring");
	vq_kick(vq);
	if (!vq_wait(vq, &len))
		return fail(v, "a valid request got no entropy after a reset");
	if (!len || len > 64 || !all_bytes(v->check.data + 64, CHECK_BYTES - 64, 0))
		return fail(v, "a wrong length of entropy after a reset");
	if (all_bytes(v->check.data, 64, 0))
		return fail(v, "zeroes instead of entropy after a reset");
	if (v->mode->source == SOURCE_FILE && !is_part_of_source(v->check.data, len))
		return fail(v, "entropy that is not in the file");
	return true;
}

uint64_t victim_rings(struct rnd *r)
{
	uint64_t rings = rnd_one_in(r, 2) ? BIT(VIRTIO_F_RING_PACKED) : 0;

	return rnd_one_in(r, 2) ? rings | BIT(VIRTIO_F_IN_ORDER) : rings;
}

/* Any kind of ring, with room for any request of the check. */
static void choose_rings(struct victim *v, struct rnd *r)
{
	unsigned int i, size;

	v->d.rings = victim_rings(r);
	for (i = 0; i < v->mode->queues; i++) {
		size = ring_size(r, v->d.rings & BIT(VIRTIO_F_RING_PACKED),
				 v->mode->queue_size);
		/* The attackers' book-keeping is about another ring. */
		v->ring[i].live = 0;
		v->d.vq[i].size = size < 4 ? 4 : size;
	}
}

bool victim_serves(struct victim *v, struct rnd *r)
{
	const char *wrong = NULL;
	bool ok = true;
	unsigned int i;

	if (v->mode->type == VIRTIO_ID_NET)
		wrong = wire_check(v, r);
	else if (v->mode->type == VIRTIO_ID_BALLOON)
		wrong = lend_check(v);
	if (wrong)
		return fail(v, wrong);
	for (i = 0; ok && i < v->mode->queues; i++) {
		if (v->mode->type == VIRTIO_ID_BLOCK)
			ok = check_disk(v, &v->d.vq[i], r);
		else if (v->mode->type == VIRTIO_ID_RNG)
			ok = check_entropy(v, &v->d.vq[i]);
	}
	return ok;
}

static bool check_service(struct victim *v, struct rnd *r)
{
	uint64_t features = rnd_one_in(r, 2) ? FEATURES_ALL : FEATURES_PLAIN;

	choose_rings(v, r);
	if (device_start(&v->d, features))
		return fail(v, "a device that was reset does not start");
	if (!victim_serves(v, r))
		return false;
	if (device_status(&v->d) & VIRTIO_CONFIG_S_NEEDS_RESET)
		return fail(v, "a valid request broke the device");
	return true;
}

static bool check_neighbour(struct victim *v, struct rnd *r)
{
	uint64_t seed = rnd_next(r);
	struct vq *vq = &v->neighbour.vq[0];

	pattern_fill(v->other.data, CHECK_BYTES, seed);
	if (blk_do(vq, &v->other, VIRTIO_BLK_T_OUT, 64, CHECK_BYTES) != VIRTIO_BLK_S_OK)
		return fail(v, "a write to another VM's disk failed");
	memset(v->other.data, 0, CHECK_BYTES);
	if (blk_do(vq, &v->other, VIRTIO_BLK_T_IN, 64, CHECK_BYTES) != VIRTIO_BLK_S_OK ||
	    !pattern_matches(v->other.data, CHECK_BYTES, seed))
		return fail(v, "a read from another VM's disk failed");
	return true;
}

bool victim_check(struct victim *v, struct rnd *r)
{
	unsigned int i;
	int err = victim_mend(v);

	if (err) {
		printf("# mending the device: %s\n", strerror(-err));
		return fail(v, "the device cannot be reset and set up again");
	}
	victim_account(v);
	if (!check_guards(v) || !check_events(v))
		return false;
	for (i = 0; i < v->mode->queues; i++)
		if (!check_counters(v, i))
			return false;
	if (!check_service(v, r) || !check_neighbour(v, r))
		return false;
	if (v->backing && !victim_disk_whole(v->backing))
		return fail(v, "sectors changed that no request named");
	return true;
}

#define CANARY_OFFSET	(CANARY_SECTOR * 512ULL)
#define CANARY_BYTES	(DISK_BYTES - CANARY_OFFSET)

int victim_prepare_disk(struct backing *b)
{
	uint8_t *canary = malloc(CANARY_BYTES);
	ssize_t n;

	if (!canary)
		return -ENOMEM;
	pattern_fill(canary, CANARY_BYTES, CANARY_SEED);
	n = pwrite(b->look, canary, CANARY_BYTES, CANARY_OFFSET);
	free(canary);
	return n != (ssize_t)CANARY_BYTES || fsync(b->look) ? -EIO : 0;
}

static bool size_unchanged(struct backing *b)
{
	struct stat st;

	if (fstat(b->look, &st))
		return false;
	return !S_ISREG(st.st_mode) || st.st_size == (off_t)DISK_BYTES;
}

/* Says which sector is the first, and what is in it now. */
static bool canary_whole(const uint8_t *disk, const uint8_t *canary)
{
	uint64_t first, last = CANARY_BYTES / 512;
	unsigned int i;

	if (!memcmp(disk, canary, CANARY_BYTES))
		return true;
	for (first = 0; !memcmp(disk + 512 * first, canary + 512 * first, 512); first++)
		;
	while (!memcmp(disk + 512 * (last - 1), canary + 512 * (last - 1), 512))
		last--;
	printf("# sectors %llu to %llu changed; the first begins with",
	       (unsigned long long)CANARY_SECTOR + first,
	       (unsigned long long)CANARY_SECTOR + last - 1);
	for (i = 0; i < 32; i++)
		printf(" %02x", disk[512 * first + i]);
	printf("\n");
	return false;
}

bool victim_disk_whole(struct backing *b)
{
	uint8_t *canary = malloc(CANARY_BYTES), *disk = malloc(CANARY_BYTES);
	bool whole = false;

	if (!canary || !disk || backing_look(b, disk, CANARY_BYTES, CANARY_OFFSET)) {
		printf("# the disk cannot be looked at\n");
	} else if (!size_unchanged(b)) {
		printf("# the disk has another size\n");
	} else {
		pattern_fill(canary, CANARY_BYTES, CANARY_SEED);
		whole = canary_whole(disk, canary);
	}
	free(canary);
	free(disk);
	return whole;
}
