// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "vhost.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	4096

static const unsigned long calls[] = {
	VHOST_SET_OWNER, VHOST_RESET_OWNER, VHOST_SET_MEM_TABLE, VHOST_SET_LOG_BASE,
	VHOST_GET_FEATURES, VHOST_SET_FEATURES, VHOST_SET_BACKEND_FEATURES,
	VHOST_GET_BACKEND_FEATURES, VHOST_SET_VRING_NUM, VHOST_SET_VRING_NUM,
	VHOST_SET_VRING_BASE, VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE,
	VHOST_SET_VRING_ADDR, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_ENDIAN,
	VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
	VHOST_VDPA_GET_DEVICE_ID, VHOST_VDPA_GET_STATUS, VHOST_VDPA_SET_STATUS,
	VHOST_VDPA_SET_STATUS, VHOST_VDPA_GET_CONFIG, VHOST_VDPA_GET_CONFIG,
	VHOST_VDPA_SET_CONFIG, VHOST_VDPA_SET_CONFIG, VHOST_VDPA_SET_VRING_ENABLE,
	VHOST_VDPA_SET_VRING_ENABLE, VHOST_VDPA_GET_VRING_NUM, VHOST_VDPA_SET_CONFIG_CALL,
	VHOST_VDPA_GET_IOVA_RANGE, VHOST_VDPA_GET_CONFIG_SIZE, VHOST_VDPA_GET_VQS_COUNT,
	VHOST_VDPA_GET_GROUP_NUM, VHOST_VDPA_GET_AS_NUM, VHOST_VDPA_GET_VRING_GROUP,
	VHOST_VDPA_SET_GROUP_ASID, VHOST_VDPA_SUSPEND, VHOST_VDPA_SUSPEND,
	VHOST_VDPA_RESUME, VHOST_VDPA_RESUME,
};

#define CALLS	(sizeof(calls) / sizeof(calls[0]))

/* An argument, with room for what a configuration space may have. */
union argument {
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_vring_file file;
	struct vhost_vdpa_config config;
	struct vhost_memory memory;
	uint64_t features;
	uint8_t status;
	int32_t fd;
	uint32_t word[80];
};

static uint32_t any_queue(struct user *u, struct rnd *r)
{
	return rnd_one_in(r, 40) ? rnd_odd(r) : rnd_below(r, u->v.mode->queues);
}

/* Nothing but eventfds that stay open, or what is refused at once. */
static int32_t any_eventfd(struct user *u, struct rnd *r)
{
	struct vq *vq = &u->v.d.vq[rnd_below(r, u->v.mode->queues)];
	int32_t fds[] = { vq->kick, vq->call, u->spare, u->spare, VHOST_FILE_UNBIND };

	return fds[rnd_below(r, sizeof(fds) / sizeof(fds[0]))];
}

static int32_t any_fd(struct user *u, struct rnd *r)
{
	int32_t fds[] = { u->d.fd, u->v.d.fd, u->v.g.memfd, u->v.g.kvlane, -2, 1 << 20 };

	if (!rnd_one_in(r, 8))
		return any_eventfd(u, r);
	return fds[rnd_below(r, sizeof(fds) / sizeof(fds[0]))];
}

/* Where a part of a ring is, or something near, or nothing. */
static uint64_t ring_address(struct user *u, struct rnd *r, const void *part)
{
	const struct kvlane_region *map = &u->v.map[rnd_below(r, MAP_REGIONS)];

	switch (rnd_below(r, 16)) {
	case 0:
		return rnd_odd(r);
	case 1:
		return guest_gpa(&u->v.g, part) + 4 * rnd_below(r, 16);
	case 2:
		return map->gpa + map->size - 4 * rnd_below(r, 300);
	case 3:
		/* As other vhost devices have it: the user address. */
		return (uintptr_t)part;
	default:
		return guest_gpa(&u->v.g, part);
	}
}

static void make_ring(struct user *u, struct rnd *r, union argument *a)
{
	const struct vq *vq = &u->v.d.vq[rnd_below(r, u->v.mode->queues)];

	a->addr = (struct vhost_vring_addr){
		.index = rnd_one_in(r, 16) ? any_queue(u, r) : vq->index,
		.flags = rnd_one_in(r, 32) ? rnd_odd(r) : 0,
		.desc_user_addr = ring_address(u, r, vq->desc),
		.avail_user_addr = ring_address(u, r, vq->avail),
		.used_user_addr = ring_address(u, r, vq->used),
	};
}

static uint64_t any_features(struct rnd *r)
{
	uint64_t features = VDPA_PLATFORM | victim_rings(r);

	if (rnd_one_in(r, 2))
		features |= BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX);
	switch (rnd_below(r, 4)) {
	case 0:
		return features ^ BIT(rnd_below(r, 64));
	case 1:
		return features | rnd_below(r, 1 << 24);
	default:
		return features;
	}
}

static void make_config(struct rnd *r, union argument *a)
{
	a->config.off = rnd_one_in(r, 4) ? rnd_odd(r) : rnd_below(r, 64);
	a->config.len = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 64);
	a->word[2 + rnd_below(r, 16)] = rnd_odd(r);
}

static void make_state(struct user *u, struct rnd *r, unsigned long cmd, union argument *a)
{
	a->state.index = any_queue(u, r);
	switch (cmd) {
	case VHOST_SET_VRING_NUM:
		a->state.num = rnd_one_in(r, 8) ? rnd_odd(r) : 2U << rnd_below(r, 6);
		break;
	case VHOST_SET_VRING_BASE:
		a->state.num = rnd_one_in(r, 4) ? rnd_odd(r) : 0x80008000U * rnd_below(r, 2);
		break;
	case VHOST_VDPA_SET_GROUP_ASID:
		a->state.num = rnd_one_in(r, 8) ? rnd_odd(r) : 0;
		break;
	default:
		a->state.num = rnd_one_in(r, 8) ? rnd_odd(r) : rnd_below(r, 2);
		break;
	}
}

/* A bit more than there is, mostly the next one that a driver would set. */
static uint8_t any_status(struct user *u, struct rnd *r)
{
	static const uint8_t steps[] = { 0, 1, 3, 11, 15, 15, 64, 128 };

	if (rnd_one_in(r, 16))
		return rnd_odd(r);
	return vdpa_status(&u->d) | steps[rnd_below(r, sizeof(steps))];
}

static void make_argument(struct user *u, struct rnd *r, unsigned long cmd,
			  union argument *a)
{
	memset(a, 0, sizeof(*a));
	switch (cmd) {
	case VHOST_SET_FEATURES:
		a->features = any_features(r);
		break;
	case VHOST_SET_BACKEND_FEATURES:
		a->features = rnd_below(r, 1 << 10);
		break;
	case VHOST_SET_VRING_ADDR:
		make_ring(u, r, a);
		break;
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		a->file.index = any_queue(u, r);
		a->file.fd = any_fd(u, r);
		break;
	case VHOST_VDPA_SET_CONFIG_CALL:
		/* Older kernels forget that what they were given was no eventfd. */
		a->fd = any_eventfd(u, r);
		break;
	case VHOST_VDPA_SET_STATUS:
		a->status = rnd_one_in(r, 16) ? 0 : any_status(u, r);
		break;
	case VHOST_VDPA_GET_CONFIG:
	case VHOST_VDPA_SET_CONFIG:
		make_config(r, a);
		break;
	case VHOST_SET_MEM_TABLE:
		a->memory.nregions = 0;
		break;
	default:
		make_state(u, r, cmd, a);
		break;
	}
}

void vhost_call(struct user *u, struct rnd *r)
{
	unsigned long cmd = calls[rnd_below(r, CALLS)];
	union argument a;
	void *arg = &a;

	make_argument(u, r, cmd, &a);
	if (rnd_one_in(r, 50))
		arg = rnd_one_in(r, 2) ? NULL : (void *)(1UL << 63 | rnd_next(r));
	vdpa_ioctl(&u->d, cmd, arg);
}

static uint64_t any_iova(struct user *u, struct rnd *r)
{
	const struct kvlane_region *map = &u->v.map[rnd_below(r, MAP_REGIONS)];

	switch (rnd_below(r, 8)) {
	case 0:
		return rnd_odd(r);
	case 1:
		return map->gpa + rnd_below(r, map->size);
	case 2:
		return rnd_one_in(r, 2) ? GUEST_NOWHERE : -(uint64_t)map->size;
	case 3:
		return map->gpa + PAGE * rnd_below(r, map->size / PAGE);
	default:
		return map->gpa;
	}
}

/* Memory of the guest, shared or private, whole or not; or nothing at all. */
static uint64_t any_memory(struct user *u, struct rnd *r)
{
	const struct kvlane_region *map = &u->v.map[rnd_below(r, MAP_REGIONS)];

	switch (rnd_below(r, 8)) {
	case 0:
		return rnd_odd(r);
	case 1:
		return map->hva + PAGE * rnd_below(r, map->size / PAGE);
	case 2:
		return (uintptr_t)&calls & -(uint64_t)PAGE;
	default:
		return map->hva;
	}
}

static uint64_t any_size(struct rnd *r, const struct kvlane_region *map)
{
	switch (rnd_below(r, 8)) {
	case 0:
		return rnd_odd(r);
	case 1:
		return PAGE * (1 + rnd_below(r, 64));
	default:
		return map->size;
	}
}

/* A region where it belongs, with one thing wrong now and then. */
static struct vhost_iotlb_msg any_change(struct user *u, struct rnd *r)
{
	static const uint8_t perms[] = { VHOST_ACCESS_RO, VHOST_ACCESS_WO, 0, 0xff };
	static const uint8_t types[] = { VHOST_IOTLB_UPDATE, VHOST_IOTLB_UPDATE,
		VHOST_IOTLB_UPDATE, VHOST_IOTLB_INVALIDATE, VHOST_IOTLB_INVALIDATE,
		VHOST_IOTLB_BATCH_BEGIN, VHOST_IOTLB_BATCH_END, VHOST_IOTLB_BATCH_END };
	const struct kvlane_region *map = &u->v.map[rnd_below(r, MAP_REGIONS)];
	struct vhost_iotlb_msg msg = {
		.iova = map->gpa, .size = map->size, .uaddr = map->hva,
		.perm = VHOST_ACCESS_RW, .type = types[rnd_below(r, sizeof(types))],
	};

	if (rnd_one_in(r, 6))
		msg.iova = any_iova(u, r);
	if (rnd_one_in(r, 6))
		msg.size = any_size(r, map);
	if (rnd_one_in(r, 6))
		msg.uaddr = any_memory(u, r);
	if (rnd_one_in(r, 8))
		msg.perm = perms[rnd_below(r, sizeof(perms))];
	if (rnd_one_in(r, 32))
		msg.type = rnd_odd(r);
	return msg;
}

static void send_old(struct user *u, const struct vhost_iotlb_msg *change)
{
	struct vhost_msg msg = { .type = VHOST_IOTLB_MSG, .iotlb = *change };

	if (write(u->d.fd, &msg, sizeof(msg)) < 0)
		return;
}

/* Many small pieces, which make the table long. */
static void shatter(struct user *u, struct rnd *r)
{
	const struct kvlane_region *map = &u->v.map[rnd_below(r, MAP_REGIONS)];
	unsigned int i, n = 1 + rnd_below(r, 64);

	vdpa_map(&u->d, map->gpa, map->size, NULL);
	for (i = 0; i < n && i * PAGE < map->size; i++)
		vdpa_map(&u->d, map->gpa + i * PAGE, PAGE,
			 (void *)(uintptr_t)(map->hva + PAGE * rnd_below(r, map->size / PAGE)));
}

void vhost_message(struct user *u, struct rnd *r)
{
	struct vhost_iotlb_msg change = any_change(u, r);
	struct vhost_msg_v2 msg = {
		.type = rnd_one_in(r, 40) ? rnd_odd(r) : VHOST_IOTLB_MSG_V2,
		/* Each of another address space is a line in the kernel's log. */
		.asid = rnd_one_in(r, 400) ? rnd_odd(r) : 0,
		.iotlb = change,
	};
	size_t size = rnd_one_in(r, 40) ? rnd_below(r, sizeof(msg)) : sizeof(msg);

	if (rnd_one_in(r, 8))
		shatter(u, r);
	else if (rnd_one_in(r, 8))
		send_old(u, &change);
	else if (write(u->d.fd, &msg, size) < 0)
		return;
}

void vhost_reopen(struct user *u)
{
	vdpa_shut(&u->d);
	vdpa_open(&u->d);
}

static bool skip(struct rnd *r)
{
	return r && rnd_one_in(r, 60);
}

/* What is mapped already is refused, which is no harm. */
static void map_all(struct user *u, struct rnd *r)
{
	unsigned int i;

	for (i = 0; i < MAP_REGIONS; i++)
		if (!skip(r))
			vdpa_map(&u->d, u->v.map[i].gpa, u->v.map[i].size,
				 (void *)(uintptr_t)u->v.map[i].hva);
}

static int start_ring(struct user *u, unsigned int index, struct rnd *r)
{
	struct ring *ring = &u->v.ring[index];
	struct vq *vq = ring->vq;
	int err;

	vq->size = r && rnd_one_in(r, 4) ? VHOST_QUEUE_SIZE / 2 : VHOST_QUEUE_SIZE;
	vq->packed = u->d.d.features & BIT(VIRTIO_F_RING_PACKED);
	vq->in_order = u->d.d.features & BIT(VIRTIO_F_IN_ORDER);
	vq->event_idx = u->d.d.features & BIT(VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = false;
	err = ring_clear(ring);
	return err || skip(r) ? err : vdpa_queue(&u->d, index);
}

static int start_rings(struct user *u, struct rnd *r)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < u->v.mode->queues && !err; i++) {
		pthread_mutex_lock(&u->v.ring[i].lock);
		err = start_ring(u, i, r);
		pthread_mutex_unlock(&u->v.ring[i].lock);
	}
	return err;
}

int vhost_start(struct user *u, uint64_t features, struct rnd *r)
{
	uint64_t offered = 0;
	int err;

	/* Refused where it was done before. */
	if (!skip(r))
		vdpa_ioctl(&u->d, VHOST_SET_OWNER, NULL);
	map_all(u, r);
	vdpa_ioctl(&u->d, VHOST_GET_FEATURES, &offered);
	err = vdpa_negotiate(&u->d, features & offered);
	u->v.d.features = u->d.d.features;
	if (!err)
		err = start_rings(u, r);
	if (err)
		return err;
	return vdpa_set_status(&u->d, vdpa_status(&u->d) | VIRTIO_CONFIG_S_DRIVER_OK);
}

void vhost_revive(struct user *u, struct rnd *r)
{
	if (pthread_mutex_trylock(&u->v.revive))
		return;
	/* Somebody else had it open when it was to be opened again. */
	if (u->d.fd < 0)
		vdpa_open(&u->d);
	if (rnd_one_in(r, 2))
		victim_mend_memory(&u->v);
	vhost_start(u, any_features(r), r);
	pthread_mutex_unlock(&u->v.revive);
}
