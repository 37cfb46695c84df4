/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest, a driver and a device's view of one queue, as the tests want them. */
#ifndef KVLANE_QUEUE_H
#define KVLANE_QUEUE_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "driver.h"
#include "ktap.h"
#include "virtio/vring.h"

#define PACKED		(1ULL << VIRTIO_F_RING_PACKED)
#define IN_ORDER	(1ULL << VIRTIO_F_IN_ORDER)
#define INDIRECT	(1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)

#define QUEUE_MAX_IOV	2048

#define R		0
#define W		VRING_DESC_F_WRITE
#define NEXT		VRING_DESC_F_NEXT
#define TABLE		VRING_DESC_F_INDIRECT

struct queue {
	struct guest g;
	struct driver d;
	struct kvlane_vring vr;
	struct kvlane_vring_config cfg;
	struct kvlane_chain c;
	struct iovec iov[QUEUE_MAX_IOV];
};

/*
 * A test of either kind of ring: PACKED or nothing, which queue_open() adds to
 * the features.
 */
extern u64 queue_kind;

#define TEST_RINGS(test)						\
static void test(void);							\
TEST(test##_split)							\
{									\
	queue_kind = 0;							\
	test();								\
}									\
TEST(test##_packed)							\
{									\
	queue_kind = PACKED;						\
	test();								\
}									\
static void test(void)

/* An opened queue is started and mapped; tests change @cfg and restart. */
void queue_open(struct queue *q, u16 size, u64 features, u16 first_idx);
void queue_close(struct queue *q);
void queue_restart(struct queue *q);

int queue_pop(struct queue *q);

/* Add a chain, show it. */
int queue_send(struct queue *q, const struct driver_buf *buf, u16 n);
int queue_send_indirect(struct queue *q, const struct driver_buf *buf, u16 n);

/* Offer a buffer under any head, as a chain of its own, and show it. */
void queue_offer(struct queue *q, u16 head, struct driver_buf buf);

/* A request as a disk gets it: 16 bytes of header, data, one byte of status. */
extern const struct driver_buf queue_request[3];

/* The chain popped last consists of exactly these buffers. */
void queue_expect_chain(struct queue *q, const struct driver_buf *buf, u16 n);

#endif /* KVLANE_QUEUE_H */
