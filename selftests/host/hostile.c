// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers that break the rules.  Whatever they do, the device asks for a reset,
 * says so once, and works again after it; no other device of the VM notices.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blk.h"
#include "device.h"
#include "disk.h"

#include "kselftest_harness.h"

#define MEM		(4 << 20)
#define SECTORS		2048
#define QUEUE_SIZE	16
#define BAD_QUEUE	1
#define W		VRING_DESC_F_WRITE
#define N		VRING_DESC_F_NEXT
#define I		VRING_DESC_F_INDIRECT
/* A third region, whose mapping the tests take away. */
#define HOLE_GPA	0x60000000ULL
#define HOLE_SIZE	0x10000ULL
/* A fourth: large, and never touched. */
#define LARGE_GPA	0x1000000000ULL
#define LARGE_SIZE	0xc0000000ULL

struct scene {
	struct guest g;
	struct device victim;
	struct device bystander;
	struct blk_req req;
	struct blk_req other;
	void *hole;
	void *large;
};

static int setup_memory(struct scene *s)
{
	struct kvlane_region r[4] = { s->g.regions[0], s->g.regions[1] };

	s->hole = mmap(NULL, HOLE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->large = mmap(NULL, LARGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->hole == MAP_FAILED || s->large == MAP_FAILED)
		return -errno;
	r[2] = (struct kvlane_region){
		.gpa = HOLE_GPA, .size = HOLE_SIZE, .hva = (uintptr_t)s->hole, .fd = -1,
	};
	r[3] = (struct kvlane_region){
		.gpa = LARGE_GPA, .size = LARGE_SIZE, .hva = (uintptr_t)s->large, .fd = -1,
	};
	return guest_set_regions(&s->g, r, 4);
}

static int setup_device(struct scene *s, struct device *d)
{
	int disk = disk_memfd(SECTORS * 512);
	int err = device_open(d, &s->g, VIRTIO_ID_BLOCK, 2, QUEUE_SIZE);

	if (!err)
		err = device_set_blk(d, disk, 0, 0);
	close(disk);
	return err;
}

static int setup_scene(struct scene *s)
{
	int err = guest_open(&s->g, MEM);

	if (!err)
		err = setup_memory(s);
	if (!err)
		err = setup_device(s, &s->victim);
	if (!err)
		err = setup_device(s, &s->bystander);
	if (!err)
		err = device_start(&s->bystander, FEATURES_ALL);
	if (!err)
		err = blk_alloc(&s->g, &s->req, 4096);
	if (!err)
		err = blk_alloc(&s->g, &s->other, 4096);
	return err;
}

static void teardown_scene(struct scene *s)
{
	device_close(&s->victim);
	device_close(&s->bystander);
	guest_close(&s->g);
}

static int read_sector(struct device *d, struct blk_req *r, unsigned int queue)
{
	return blk_do(&d->vq[queue], r, VIRTIO_BLK_T_IN, 0, 512);
}

/* A check in a function that returns 0, or the number of the line that failed. */
#define CHECK(what) do { if (!(what)) return __LINE__; } while (0)

static int wait_stopped(struct device *d)
{
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		if (device_status(d) & VIRTIO_CONFIG_S_NEEDS_RESET)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

/* What was in flight when the device stopped still has to end. */
static int wait_idle(struct device *d, unsigned int queue)
{
	struct kvlane_queue_stats qs;
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS; ms++) {
		if (!device_stats(d, NULL, queue, &qs) && !qs.inflight)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

/* What has to be true once the victim has been caught. */
static int check_caught(struct scene *s, uint32_t reason, uint32_t queue)
{
	struct kvlane_queue_stats qs;
	struct kvlane_event ev = {};
	struct kvlane_stats st;

	CHECK(!device_event(&s->victim, &ev, WAIT_MS));
	CHECK(ev.type == KVLANE_EVENT_NEEDS_RESET);
	if (ev.reason != reason)
		fprintf(stderr, "# reason %u instead of %u\n", ev.reason, reason);
	CHECK(ev.reason == reason);
	CHECK(ev.queue == queue);
	CHECK(ev.time_ns && !ev.value);
	CHECK(device_status(&s->victim) & VIRTIO_CONFIG_S_NEEDS_RESET);
	CHECK(!device_stats(&s->victim, &st, queue, &qs));
	CHECK(st.needs_reset == 1);
	CHECK(st.status & VIRTIO_CONFIG_S_NEEDS_RESET);
	CHECK(qs.malformed == 1);
	CHECK(!wait_idle(&s->victim, queue));
	/* Section 2.1.2: the driver is told by a configuration change. */
	CHECK(eventfd_wait(s->victim.config_call, WAIT_MS) == 1);
	return 0;
}

/* The device has stopped, on every queue, and says no more about it. */
static int check_stopped(struct scene *s)
{
	struct kvlane_event ev;
	struct kvlane_stats st;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		blk_add(&s->victim.vq[i], &s->req, VIRTIO_BLK_T_IN, 0, 512);
		vq_publish(&s->victim.vq[i]);
		vq_notify(&s->victim.vq[i]);
	}
	CHECK(device_event(&s->victim, &ev, 20) == -ETIMEDOUT);
	CHECK(!s->victim.vq[0].used->idx);
	CHECK(!device_stats(&s->victim, &st, 0, NULL));
	CHECK(st.needs_reset == 1);
	return 0;
}

static int check_bystander(struct scene *s)
{
	struct kvlane_event ev;
	struct kvlane_stats st;

	CHECK(!read_sector(&s->bystander, &s->other, 0));
	CHECK(!read_sector(&s->bystander, &s->other, 1));
	CHECK(!device_stats(&s->bystander, &st, 0, NULL));
	CHECK(!st.needs_reset);
	CHECK(device_event(&s->bystander, &ev, 0) == -ETIMEDOUT);
	return 0;
}

/* After a reset the device works as if nothing had been. */
static int check_revival(struct scene *s)
{
	struct kvlane_event ev;

	CHECK(!device_start(&s->victim, FEATURES_ALL));
	CHECK(!read_sector(&s->victim, &s->req, 0));
	CHECK(!read_sector(&s->victim, &s->req, 1));
	CHECK(!(device_status(&s->victim) & VIRTIO_CONFIG_S_NEEDS_RESET));
	CHECK(device_event(&s->victim, &ev, 0) == -ETIMEDOUT);
	return 0;
}

/* Chains.  Each function spoils a good read request at descriptors 0, 1 and 2. */
typedef void (*spoil)(struct scene *s, struct vq *vq);

static void short_header(struct scene *s, struct vq *vq)
{
	vq->desc[0].len = 15;
}

static void empty_header(struct scene *s, struct vq *vq)
{
	vq->desc[0].len = 0;
}

static void empty_everything(struct scene *s, struct vq *vq)
{
	vq->desc[0].len = vq->desc[1].len = vq->desc[2].len = 0;
}

static void header_writable(struct scene *s, struct vq *vq)
{
	vq->desc[0].flags |= W;
}

static void header_only(struct scene *s, struct vq *vq)
{
	vq->desc[0].flags &= ~N;
}

static void data_empty(struct scene *s, struct vq *vq)
{
	vq->desc[1].len = 0;
}

static void status_empty(struct scene *s, struct vq *vq)
{
	vq->desc[2].len = 0;
}

static void status_readable(struct scene *s, struct vq *vq)
{
	vq->desc[2].flags &= ~W;
}

static void nothing_writable(struct scene *s, struct vq *vq)
{
	vq->desc[1].flags &= ~W;
	vq->desc[2].flags &= ~W;
}

static void readable_after_writable(struct scene *s, struct vq *vq)
{
	vq->desc[0].flags |= W;
	vq->desc[1].flags &= ~W;
}

static void data_nowhere(struct scene *s, struct vq *vq)
{
	vq->desc[1].addr = GUEST_NOWHERE;
}

static void data_at_zero(struct scene *s, struct vq *vq)
{
	vq->desc[1].addr = 0;
}

static void data_past_region(struct scene *s, struct vq *vq)
{
	vq->desc[1].addr = GUEST_HIGH + MEM / 2 - 256;
}

static void data_before_region(struct scene *s, struct vq *vq)
{
	vq->desc[1].addr = GUEST_LOW - 256;
}

static void data_wraps(struct scene *s, struct vq *vq)
{
	vq->desc[1].addr = UINT64_MAX - 100;
}

static void data_too_long(struct scene *s, struct vq *vq)
{
	vq->desc[1].len = 0x80000000;
}

static void header_nowhere(struct scene *s, struct vq *vq)
{
	vq->desc[0].addr = GUEST_NOWHERE;
}

static void status_nowhere(struct scene *s, struct vq *vq)
{
	vq->desc[2].addr = GUEST_NOWHERE;
}

static void next_past_end(struct scene *s, struct vq *vq)
{
	vq->desc[0].next = QUEUE_SIZE;
}

static void next_far_past_end(struct scene *s, struct vq *vq)
{
	vq->desc[1].next = 0xffff;
}

static void loop_of_one(struct scene *s, struct vq *vq)
{
	vq->desc[0].next = 0;
}

static void loop_of_two(struct scene *s, struct vq *vq)
{
	vq->desc[2].flags |= N;
	vq->desc[2].next = 1;
}

static void too_many_bytes(struct scene *s, struct vq *vq)
{
	vq->desc[1].addr = vq->desc[2].addr = LARGE_GPA;
	vq->desc[1].len = vq->desc[2].len = 0x80000000;
}

static void head_past_end(struct scene *s, struct vq *vq)
{
	vq->avail->ring[0] = QUEUE_SIZE;
}

static void head_far_past_end(struct scene *s, struct vq *vq)
{
	vq->avail->ring[0] = 0xffff;
}

static void index_runs_away(struct scene *s, struct vq *vq)
{
	vq->next_avail += QUEUE_SIZE;
}

static void index_runs_far(struct scene *s, struct vq *vq)
{
	vq->next_avail += 0x8000;
}

static void index_runs_back(struct scene *s, struct vq *vq)
{
	vq->next_avail -= 2;
}

/* Moves the request into an indirect table of its own, with room to spoil it. */
static struct vring_desc *make_indirect(struct scene *s, struct vq *vq)
{
	struct vring_desc *table = guest_alloc(&s->g, 64 * sizeof(*table), 16);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		table[i] = vq->desc[i];
		table[i].next = i + 1;
	}
	vq->desc[0] = (struct vring_desc){
		.addr = guest_gpa(&s->g, table), .len = 3 * sizeof(*table), .flags = I,
	};
	return table;
}

static void indirect_fine(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
}

static void indirect_empty(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
	vq->desc[0].len = 0;
}

static void indirect_odd(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
	vq->desc[0].len = 3 * 16 + 1;
}

static void indirect_half(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
	vq->desc[0].len = 8;
}

static void indirect_nested(struct scene *s, struct vq *vq)
{
	struct vring_desc *table = make_indirect(s, vq);

	table[1].flags |= I;
}

static void indirect_followed(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
	vq->desc[0].flags |= N;
	vq->desc[0].next = 2;
}

static void indirect_nowhere(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
	vq->desc[0].addr = GUEST_NOWHERE;
}

static void indirect_next_past_end(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq)[0].next = 3;
}

static void indirect_loop(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq)[0].next = 0;
}

/*
 * Longer than any queue may be.  What is longer than this queue only, which section
 * 2.7.5.3.1 forbids as well, is common practice, and the device takes it.
 */
static void indirect_too_long(struct scene *s, struct vq *vq)
{
	const unsigned int n = 2 * KVLANE_MAX_QUEUE_SIZE;
	struct vring_desc *small = make_indirect(s, vq);
	struct vring_desc *table = guest_alloc(&s->g, n * sizeof(*table), 16);
	unsigned int i;

	table[0] = small[0];
	for (i = 1; i < n; i++) {
		table[i] = small[1];
		table[i].next = i + 1;
	}
	table[n - 1] = small[2];
	vq->desc[0].addr = guest_gpa(&s->g, table);
	vq->desc[0].len = n * sizeof(*table);
}

static void header_unmapped(struct scene *s, struct vq *vq)
{
	vq->desc[0].addr = HOLE_GPA;
	munmap(s->hole, HOLE_SIZE);
}

static void status_unmapped(struct scene *s, struct vq *vq)
{
	vq->desc[2].addr = HOLE_GPA + 4000;
	munmap(s->hole, HOLE_SIZE);
}

static void indirect_unmapped(struct scene *s, struct vq *vq)
{
	make_indirect(s, vq);
	vq->desc[0].addr = HOLE_GPA;
	munmap(s->hole, HOLE_SIZE);
}

FIXTURE(chain) {
	struct scene s;
};

FIXTURE_VARIANT(chain) {
	spoil spoil;
	uint32_t reason;
	bool plain;
};

#define CHAIN(name, why)						\
	FIXTURE_VARIANT_ADD(chain, name) {				\
		.spoil = (name), .reason = KVLANE_REASON_##why,		\
	}

CHAIN(short_header, SHORT);
CHAIN(empty_header, CHAIN_BYTES);
CHAIN(empty_everything, CHAIN_BYTES);
CHAIN(header_writable, SHORT);
CHAIN(header_only, SHORT);
CHAIN(status_empty, CHAIN_BYTES);
CHAIN(data_empty, CHAIN_BYTES);
CHAIN(status_readable, DIRECTION);
CHAIN(nothing_writable, SHORT);
CHAIN(readable_after_writable, DIRECTION);
CHAIN(data_nowhere, ADDRESS);
CHAIN(data_at_zero, ADDRESS);
CHAIN(data_past_region, ADDRESS);
CHAIN(data_before_region, ADDRESS);
CHAIN(data_wraps, ADDRESS);
CHAIN(data_too_long, ADDRESS);
CHAIN(header_nowhere, ADDRESS);
CHAIN(status_nowhere, ADDRESS);
CHAIN(next_past_end, NEXT);
CHAIN(next_far_past_end, NEXT);
CHAIN(loop_of_one, CHAIN_LENGTH);
CHAIN(loop_of_two, CHAIN_LENGTH);
CHAIN(too_many_bytes, CHAIN_BYTES);
CHAIN(head_past_end, HEAD);
CHAIN(head_far_past_end, HEAD);
CHAIN(index_runs_away, AVAIL_INDEX);
CHAIN(index_runs_far, AVAIL_INDEX);
CHAIN(index_runs_back, AVAIL_INDEX);
CHAIN(indirect_empty, INDIRECT);
CHAIN(indirect_odd, INDIRECT);
CHAIN(indirect_half, INDIRECT);
CHAIN(indirect_nested, INDIRECT);
CHAIN(indirect_followed, INDIRECT);
CHAIN(indirect_nowhere, ADDRESS);
CHAIN(indirect_next_past_end, NEXT);
CHAIN(indirect_loop, CHAIN_LENGTH);
CHAIN(indirect_too_long, CHAIN_LENGTH);
CHAIN(header_unmapped, FAULT);
CHAIN(status_unmapped, FAULT);
CHAIN(indirect_unmapped, FAULT);

FIXTURE_VARIANT_ADD(chain, indirect_not_negotiated) {
	.spoil = indirect_fine, .reason = KVLANE_REASON_INDIRECT, .plain = true,
};

FIXTURE_SETUP(chain)
{
	ASSERT_EQ(0, setup_scene(&self->s));
	ASSERT_EQ(0, device_start(&self->s.victim,
				  variant->plain ? FEATURES_PLAIN : FEATURES_ALL));
}

FIXTURE_TEARDOWN(chain)
{
	teardown_scene(&self->s);
}

TEST_F(chain, needs_reset)
{
	struct scene *s = &self->s;
	struct vq *vq = &s->victim.vq[BAD_QUEUE];

	vq->indirect = false;
	ASSERT_EQ(0, blk_add(vq, &s->req, VIRTIO_BLK_T_IN, 0, 512));
	variant->spoil(s, vq);
	vq_publish(vq);
	vq_notify(vq);
	ASSERT_EQ(0, check_caught(s, variant->reason, BAD_QUEUE));
	EXPECT_EQ(0, check_stopped(s));
	EXPECT_EQ(0, check_bystander(s));
	EXPECT_EQ(0, check_revival(s));
}

/* Rings.  Each function spoils the addresses of a queue before it is enabled. */
FIXTURE(place) {
	struct scene s;
};

FIXTURE_VARIANT(place) {
	unsigned int reg;
	uint64_t add;
	uint64_t set;
};

FIXTURE_VARIANT_ADD(place, desc_unaligned) { .reg = COMMON(Q_DESCLO), .add = 8 };
FIXTURE_VARIANT_ADD(place, desc_odd) { .reg = COMMON(Q_DESCLO), .add = 1 };
FIXTURE_VARIANT_ADD(place, avail_unaligned) { .reg = COMMON(Q_AVAILLO), .add = 1 };
FIXTURE_VARIANT_ADD(place, used_unaligned) { .reg = COMMON(Q_USEDLO), .add = 2 };
FIXTURE_VARIANT_ADD(place, desc_nowhere) {
	.reg = COMMON(Q_DESCLO), .set = GUEST_NOWHERE,
};
FIXTURE_VARIANT_ADD(place, avail_nowhere) {
	.reg = COMMON(Q_AVAILLO), .set = GUEST_NOWHERE,
};
FIXTURE_VARIANT_ADD(place, used_nowhere) {
	.reg = COMMON(Q_USEDLO), .set = GUEST_NOWHERE,
};
FIXTURE_VARIANT_ADD(place, desc_past_region) {
	.reg = COMMON(Q_DESCLO), .set = GUEST_HIGH + MEM / 2 - 16,
};
FIXTURE_VARIANT_ADD(place, avail_past_region) {
	.reg = COMMON(Q_AVAILLO), .set = GUEST_HIGH + MEM / 2 - 4,
};
FIXTURE_VARIANT_ADD(place, used_past_region) {
	.reg = COMMON(Q_USEDLO), .set = GUEST_HIGH + MEM / 2 - 8,
};
FIXTURE_VARIANT_ADD(place, used_wraps) { .reg = COMMON(Q_USEDLO), .set = -16ULL };

FIXTURE_SETUP(place)
{
	ASSERT_EQ(0, setup_scene(&self->s));
}

FIXTURE_TEARDOWN(place)
{
	teardown_scene(&self->s);
}

TEST_F(place, needs_reset)
{
	struct scene *s = &self->s;
	struct device *d = &s->victim;
	uint64_t address;

	ASSERT_EQ(0, device_negotiate(d, FEATURES_ALL));
	reg_write(d, COMMON(MSIX), 2, CONFIG_VECTOR);
	/* Set up in full, then once more with one address spoilt. */
	ASSERT_EQ(0, device_setup_queue(d, BAD_QUEUE));
	address = variant->set ? variant->set : reg_read(d, variant->reg, 8) + variant->add;
	ASSERT_EQ(0, device_negotiate(d, FEATURES_ALL));
	reg_write(d, COMMON(MSIX), 2, CONFIG_VECTOR);
	ASSERT_EQ(0, device_setup_queue(d, 0));
	reg_write(d, COMMON(Q_SELECT), 2, BAD_QUEUE);
	reg_write(d, COMMON(Q_SIZE), 2, QUEUE_SIZE);
	reg_write(d, COMMON(Q_DESCLO), 8, guest_gpa(&s->g, d->vq[BAD_QUEUE].desc));
	reg_write(d, COMMON(Q_AVAILLO), 8, guest_gpa(&s->g, d->vq[BAD_QUEUE].avail));
	reg_write(d, COMMON(Q_USEDLO), 8, guest_gpa(&s->g, d->vq[BAD_QUEUE].used));
	reg_write(d, variant->reg, 8, address);
	reg_write(d, COMMON(Q_ENABLE), 2, 1);
	device_driver_ok(d);
	vq_notify(&d->vq[BAD_QUEUE]);
	ASSERT_EQ(0, check_caught(s, KVLANE_REASON_RING_ADDRESS, BAD_QUEUE));
	EXPECT_EQ(0, check_stopped(s));
	EXPECT_EQ(0, check_bystander(s));
	EXPECT_EQ(0, check_revival(s));
}

/* Memory that goes away under a ring in use. */
FIXTURE(memory) {
	struct scene s;
};

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, setup_scene(&self->s));
	ASSERT_EQ(0, device_start(&self->s.victim, FEATURES_ALL));
	ASSERT_EQ(0, read_sector(&self->s.victim, &self->s.req, 0));
	ASSERT_EQ(0, read_sector(&self->s.victim, &self->s.req, 1));
}

FIXTURE_TEARDOWN(memory)
{
	teardown_scene(&self->s);
}

/* Both devices have their rings in the lower half, so both are stopped. */
TEST_F(memory, table_without_ring)
{
	struct scene *s = &self->s;
	struct kvlane_event ev = {};
	struct kvlane_stats st;

	ASSERT_EQ(0, guest_set_regions(&s->g, &s->g.regions[1], 1));
	vq_notify(&s->victim.vq[0]);
	ASSERT_EQ(0, device_event(&s->victim, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(KVLANE_REASON_RING_ADDRESS, ev.reason);
	EXPECT_EQ(-ETIMEDOUT, device_event(&s->victim, &ev, 20));
	ASSERT_EQ(0, device_stats(&s->victim, &st, 0, NULL));
	EXPECT_EQ(1, st.needs_reset);
	EXPECT_NE(0, device_status(&s->victim) & VIRTIO_CONFIG_S_NEEDS_RESET);
	ASSERT_EQ(0, guest_set_regions(&s->g, s->g.regions, 2));
	EXPECT_EQ(0, check_revival(s));
	/* The bystander may have noticed by itself, or not yet: a reset serves both. */
	EXPECT_EQ(0, device_start(&s->bystander, FEATURES_ALL));
	EXPECT_EQ(0, read_sector(&s->bystander, &s->other, 1));
}

/* The same memory at other addresses of the process: nobody notices. */
TEST_F(memory, table_moved)
{
	struct scene *s = &self->s;
	struct kvlane_region r[2] = { s->g.regions[0], s->g.regions[1] };
	uint8_t *twin = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, s->g.memfd, 0);

	ASSERT_NE(MAP_FAILED, twin);
	r[0].hva = (uintptr_t)twin;
	r[1].hva = (uintptr_t)twin + MEM / 2;
	ASSERT_EQ(0, guest_set_regions(&s->g, r, 2));
	EXPECT_EQ(0, read_sector(&s->victim, &s->req, 0));
	EXPECT_EQ(0, read_sector(&s->victim, &s->req, 1));
	EXPECT_EQ(0, check_bystander(s));
}

/* Data that cannot be reached is an I/O error: the VMM took the memory, not the guest. */
static int check_data_fault(struct scene *s)
{
	struct kvlane_event ev = {};
	struct kvlane_stats st;

	CHECK(blk_wait(&s->victim.vq[1], &s->req) == VIRTIO_BLK_S_IOERR);
	CHECK(!device_event(&s->victim, &ev, WAIT_MS));
	CHECK(ev.type == KVLANE_EVENT_BACKEND_ERROR);
	CHECK(ev.error == -EFAULT && ev.queue == 1);
	CHECK(!device_stats(&s->victim, &st, 0, NULL));
	CHECK(!st.needs_reset);
	CHECK(!read_sector(&s->victim, &s->other, 0));
	return check_bystander(s);
}

static void add_hole_read(struct scene *s)
{
	struct iovec data = { s->req.data, 512 };

	s->victim.vq[1].indirect = false;
	blk_addv(&s->victim.vq[1], &s->req, VIRTIO_BLK_T_IN, 0, &data, 1);
	s->victim.vq[1].desc[s->victim.vq[1].desc[0].next].addr = HOLE_GPA;
}

TEST_F(memory, data_unmapped)
{
	ASSERT_EQ(0, device_start(&self->s.victim, FEATURES_PLAIN));
	add_hole_read(&self->s);
	munmap(self->s.hole, HOLE_SIZE);
	vq_kick(&self->s.victim.vq[1]);
	EXPECT_EQ(0, check_data_fault(&self->s));
}

TEST_F(memory, data_write_protected)
{
	ASSERT_EQ(0, device_start(&self->s.victim, FEATURES_PLAIN));
	add_hole_read(&self->s);
	mprotect(self->s.hole, HOLE_SIZE, PROT_READ);
	vq_kick(&self->s.victim.vq[1]);
	EXPECT_EQ(0, check_data_fault(&self->s));
}

/* A file that was cut short: a fault for the lane, not a signal for the process. */
TEST_F(memory, file_truncated)
{
	struct scene *s = &self->s;

	/* The data buffers lie in the upper half, the rings in the lower. */
	ASSERT_LE(0, blk_add(&s->victim.vq[1], &s->req, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, ftruncate(s->g.memfd, MEM / 2));
	vq_kick(&s->victim.vq[1]);
	ASSERT_EQ(VIRTIO_BLK_S_IOERR, blk_wait(&s->victim.vq[1], &s->req));
	ASSERT_EQ(0, ftruncate(s->g.memfd, MEM));
	EXPECT_EQ(0, read_sector(&s->victim, &s->req, 1));
}

TEST_F(memory, ring_unmapped)
{
	struct scene *s = &self->s;
	struct device *d = &s->victim;
	struct kvlane_event ev = {};

	/* A queue in the region whose mapping goes away. */
	ASSERT_EQ(0, device_negotiate(d, FEATURES_ALL));
	reg_write(d, COMMON(Q_SELECT), 2, 0);
	reg_write(d, COMMON(Q_SIZE), 2, QUEUE_SIZE);
	reg_write(d, COMMON(Q_DESCLO), 8, HOLE_GPA);
	reg_write(d, COMMON(Q_AVAILLO), 8, HOLE_GPA + 4096);
	reg_write(d, COMMON(Q_USEDLO), 8, HOLE_GPA + 8192);
	reg_write(d, COMMON(Q_ENABLE), 2, 1);
	device_driver_ok(d);
	munmap(s->hole, HOLE_SIZE);
	vq_notify(&d->vq[0]);
	ASSERT_EQ(0, device_event(d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(KVLANE_REASON_FAULT, ev.reason);
	EXPECT_EQ(0, check_bystander(s));
	EXPECT_EQ(0, check_revival(s));
}

/* A chain of more buffers than the device takes, where the ring has room for it. */
TEST_F(memory, too_many_segments)
{
	struct scene *s = &self->s;
	struct kvlane_event ev = {};
	struct device d;
	uint32_t most;
	unsigned int i;
	int disk = disk_memfd(SECTORS * 512);

	ASSERT_EQ(0, device_open(&d, &s->g, VIRTIO_ID_BLOCK, 1, KVLANE_MAX_QUEUE_SIZE));
	ASSERT_EQ(0, device_set_blk(&d, disk, 0, 0));
	close(disk);
	ASSERT_EQ(0, device_start(&d, FEATURES_PLAIN));
	most = reg_read(&d, KVLANE_WINDOW_CONFIG +
			offsetof(struct virtio_blk_config, seg_max), 4);
	if (most + 2 >= KVLANE_MAX_QUEUE_SIZE)
		SKIP(return, "the device takes as many as the ring holds");
	ASSERT_EQ(0, blk_add(&d.vq[0], &s->req, VIRTIO_BLK_T_IN, 0, 512));
	for (i = 2; i < KVLANE_MAX_QUEUE_SIZE; i++) {
		d.vq[0].desc[i] = d.vq[0].desc[1];
		d.vq[0].desc[i].next = i + 1;
	}
	d.vq[0].desc[i - 1].flags = W;
	vq_kick(&d.vq[0]);
	ASSERT_EQ(0, device_event(&d, &ev, WAIT_MS));
	EXPECT_EQ(KVLANE_EVENT_NEEDS_RESET, ev.type);
	EXPECT_EQ(KVLANE_REASON_SEGMENTS, ev.reason);
	device_close(&d);
}

/* A head posted again while it is in flight; the gate keeps it there. */
TEST(head_in_flight)
{
	struct scene s = {};
	struct gate gate;
	struct vq *vq;
	int fd;

	fd = gate_open(&gate, SECTORS * 512, O_DIRECT);
	if (fd == -ENOENT)
		SKIP(return, "no loop devices, or no device mapper");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setup_scene(&s));
	ASSERT_EQ(0, device_set_blk(&s.victim, fd, 0, 0));
	close(fd);
	ASSERT_EQ(0, device_start(&s.victim, FEATURES_ALL));
	vq = &s.victim.vq[BAD_QUEUE];
	ASSERT_EQ(0, dm_shut(&gate.dm));
	EXPECT_EQ(0, blk_add(vq, &s.req, VIRTIO_BLK_T_IN, 0, 512));
	vq_kick(vq);
	EXPECT_EQ(0, device_inflight(&s.victim, BAD_QUEUE, 1));
	vq_add_raw(vq, 0);
	vq_publish(vq);
	vq_notify(vq);
	EXPECT_EQ(0, wait_stopped(&s.victim));
	/* What is in flight has to end before the counters are settled. */
	EXPECT_EQ(0, dm_release(&gate.dm));
	EXPECT_EQ(0, check_caught(&s, KVLANE_REASON_HEAD_BUSY, BAD_QUEUE));
	EXPECT_EQ(0, check_bystander(&s));
	EXPECT_EQ(0, check_revival(&s));
	teardown_scene(&s);
	gate_close(&gate);
}

/* Entropy: there is nothing to read in such a queue, and something to write to. */
FIXTURE(rng) {
	struct scene s;
};

FIXTURE_VARIANT(rng) {
	uint32_t len;
	uint16_t flags;
	uint32_t reason;
};

FIXTURE_VARIANT_ADD(rng, readable) { .len = 64, .reason = KVLANE_REASON_SHORT };
FIXTURE_VARIANT_ADD(rng, empty) { .flags = W, .reason = KVLANE_REASON_CHAIN_BYTES };
FIXTURE_VARIANT_ADD(rng, nowhere) {
	.len = UINT32_MAX, .flags = W, .reason = KVLANE_REASON_ADDRESS,
};
FIXTURE_VARIANT_ADD(rng, loop) {
	.len = 64, .flags = W | N, .reason = KVLANE_REASON_CHAIN_LENGTH,
};

FIXTURE_SETUP(rng)
{
	struct scene *s = &self->s;

	ASSERT_EQ(0, setup_scene(s));
	device_close(&s->victim);
	ASSERT_EQ(0, device_open(&s->victim, &s->g, VIRTIO_ID_RNG, 1, QUEUE_SIZE));
	ASSERT_EQ(0, device_set_rng(&s->victim, -1, 0, 0));
	ASSERT_EQ(0, device_start(&s->victim, FEATURES_ALL));
}

FIXTURE_TEARDOWN(rng)
{
	teardown_scene(&self->s);
}

TEST_F(rng, needs_reset)
{
	struct scene *s = &self->s;
	struct vq *vq = &s->victim.vq[0];
	struct iovec in = { s->req.data, 64 };
	uint32_t len = 0;

	vq->desc[0] = (struct vring_desc){
		.addr = guest_gpa(&s->g, s->req.data), .len = variant->len,
		.flags = variant->flags,
	};
	vq_add_raw(vq, 0);
	vq_kick(vq);
	ASSERT_EQ(0, check_caught(s, variant->reason, 0));
	EXPECT_EQ(0, check_bystander(s));
	ASSERT_EQ(0, device_start(&s->victim, FEATURES_ALL));
	ASSERT_LE(0, vq_add(vq, NULL, 0, &in, 1, s));
	vq_kick(vq);
	EXPECT_EQ(s, vq_wait(vq, &len));
	EXPECT_LT(0, len);
}

TEST_HARNESS_MAIN
