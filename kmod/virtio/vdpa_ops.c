// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices for vDPA: the driver's face, struct vdpa_config_ops. Beside regs.c the other
 * thin adaptor over the device core; what it takes from vDPA it puts into the same
 * registers.
 *
 * Who the driver is decides whose threads the lanes have and what memory they see.
 *
 *  - vhost-vdpa: a process has the device open. From its VHOST_SET_OWNER (bind_mm) on
 *    lanes are threads of it, as they are of vmrun for its guests: in its address space,
 *    its cgroup and its CPU set, and gone with it.
 *  - virtio_vdpa: the host's own kernel. Lanes are threads of the kernel, and see all of
 *    its memory. They begin with DRIVER_OK and end with the reset.
 *
 * A process that starts a device before it has bound its memory gets neither, and a
 * device that needs a reset.
 *
 * Locking: kvlane_device.lock, which none of vDPA's own is taken under; nor, while there is a
 * driver, rtnl_lock, which the host's own network driver may hold in any call. A kick takes
 * no lock; set_map must not take one.
 */
#include <linux/interrupt.h>
#include <linux/pci_ids.h>
#include <linux/string.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <net/netlink.h>
#include <uapi/linux/vdpa.h>

#include "../dirty.h"
#include "../memory.h"
#include "../vm.h"
#include "device.h"
#include "vdpa.h"

static struct kvlane_device *kvlane_vdpa_dev(const struct vdpa_device *vdpa)
{
	return kvlane_vdpa_of(vdpa)->dev;
}

/* vDPA's core and its drivers check the index. */
static struct kvlane_queue *kvlane_vdpa_queue(const struct vdpa_device *vdpa, u16 idx)
{
	return &kvlane_vdpa_dev(vdpa)->queues[idx];
}

/**
 * kvlane_vdpa_interrupt - kvlane_irq.hook: tell the driver
 * @irq: a device's
 * @vector: number of a queue; that of queues for the configuration
 *
 * By the callback, though vDPA gives us the eventfd behind it as well, to be signalled
 * directly (vdpa_callback.trigger). vhost-vdpa puts an eventfd before it tells us of the
 * next one, and nobody else can hold it: a user who closes his descriptor could have us
 * signal what was freed. The callback looks which eventfd there is by now.
 */
void kvlane_vdpa_interrupt(struct kvlane_irq *irq, u16 vector)
{
	struct kvlane_device *dev = container_of(irq, struct kvlane_device, irq);
	struct kvlane_vdpa *v = dev->vdpa;
	const struct vdpa_callback *cb;
	unsigned long flags;

	if (vector > dev->num_queues)
		return;
	cb = &v->cb[vector];
	/* Drivers of the kernel have work for a softirq, which is done before we go on. */
	local_bh_disable();
	spin_lock_irqsave(&v->cb_lock, flags);
	if (cb->callback)
		cb->callback(cb->private);
	spin_unlock_irqrestore(&v->cb_lock, flags);
	local_bh_enable();
}

static void kvlane_vdpa_set_cb(struct kvlane_vdpa *v, u32 slot,
			       const struct vdpa_callback *cb)
{
	spin_lock_irq(&v->cb_lock);
	v->cb[slot].callback = cb->callback;
	v->cb[slot].private = cb->private;
	spin_unlock_irq(&v->cb_lock);
}

static void kvlane_vdpa_set_vq_cb(struct vdpa_device *vdpa, u16 idx,
				  struct vdpa_callback *cb)
{
	kvlane_vdpa_set_cb(kvlane_vdpa_of(vdpa), idx, cb);
	WRITE_ONCE(kvlane_vdpa_queue(vdpa, idx)->vector, idx);
}

static void kvlane_vdpa_set_config_cb(struct vdpa_device *vdpa, struct vdpa_callback *cb)
{
	struct kvlane_device *dev = kvlane_vdpa_dev(vdpa);

	kvlane_vdpa_set_cb(kvlane_vdpa_of(vdpa), dev->num_queues, cb);
	WRITE_ONCE(dev->regs.config_vector, dev->num_queues);
}

/*
 * QEMU says of all queues that they are ready, also of those its guest has no use for and
 * has given no ring.
 */
static void kvlane_vdpa_enable(struct kvlane_queue *q)
{
	q->enabled = test_bit(q->index, q->dev->vdpa->ready) &&
		     (q->desc || q->driver || q->device);
}

static int kvlane_vdpa_set_vq_address(struct vdpa_device *vdpa, u16 idx, u64 desc,
				      u64 driver, u64 device)
{
	struct kvlane_queue *q = kvlane_vdpa_queue(vdpa, idx);
	int err = 0;

	mutex_lock(&q->dev->lock);
	if (q->running) {
		err = -EBUSY;
	} else {
		q->desc = desc;
		q->driver = driver;
		q->device = device;
		kvlane_vdpa_enable(q);
	}
	mutex_unlock(&q->dev->lock);
	return err;
}

/* There is no way to refuse: with a size that is impossible the ring does not start. */
static void kvlane_vdpa_set_vq_num(struct vdpa_device *vdpa, u16 idx, u32 num)
{
	struct kvlane_queue *q = kvlane_vdpa_queue(vdpa, idx);

	mutex_lock(&q->dev->lock);
	if (!q->running)
		WRITE_ONCE(q->size, num <= q->dev->queue_size ? num : 0);
	mutex_unlock(&q->dev->lock);
}

static u16 kvlane_vdpa_get_vq_size(struct vdpa_device *vdpa, u16 idx)
{
	return READ_ONCE(kvlane_vdpa_queue(vdpa, idx)->size);
}

static void kvlane_vdpa_kick_vq(struct vdpa_device *vdpa, u16 idx)
{
	kvlane_queue_kick(kvlane_vdpa_queue(vdpa, idx));
}

/*
 * Of a packed ring the base is a wrap counter and an index, virtio 1.2 section 2.8; past the
 * ring it would be wild.
 */
static bool kvlane_vdpa_ring_ok(const struct kvlane_queue *q)
{
	if (!q->size)
		return false;
	return !q->based || !(q->dev->accepted & BIT_ULL(VIRTIO_F_RING_PACKED)) ||
	       (q->base & GENMASK(14, 0)) < q->size;
}

static bool kvlane_vdpa_live(const struct kvlane_vdpa *v)
{
	return v->dev->regs.status & VIRTIO_CONFIG_S_DRIVER_OK && !v->suspended &&
	       v->staff != KVLANE_STAFF_NONE && !kvlane_device_broken(v->dev);
}

static void kvlane_vdpa_start_vq(struct kvlane_vdpa *v, struct kvlane_queue *q)
{
	if (kvlane_vdpa_ring_ok(q))
		kvlane_queue_start(q);
	else
		kvlane_device_break(v->dev, q->index, KVLANE_REASON_AVAIL_INDEX);
}

static int kvlane_vdpa_stop_vq(struct kvlane_queue *q)
{
	if (!q->dev->ops->keeps)
		return kvlane_queue_quiesce(q);
	kvlane_queue_stop(q);
	return 0;
}

static void kvlane_vdpa_set_vq_ready(struct vdpa_device *vdpa, u16 idx, bool ready)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);
	struct kvlane_queue *q = kvlane_vdpa_queue(vdpa, idx);

	mutex_lock(&v->dev->lock);
	__assign_bit(idx, v->ready, ready);
	if (!ready && kvlane_vdpa_stop_vq(q))
		kvlane_queue_stop(q);
	kvlane_vdpa_enable(q);
	if (q->enabled && kvlane_vdpa_live(v))
		kvlane_vdpa_start_vq(v, q);
	mutex_unlock(&v->dev->lock);
}

static bool kvlane_vdpa_get_vq_ready(struct vdpa_device *vdpa, u16 idx)
{
	return test_bit(idx, kvlane_vdpa_of(vdpa)->ready);
}

/* With nothing in flight the same place is next to take and next to give back. */
static int kvlane_vdpa_set_vq_state(struct vdpa_device *vdpa, u16 idx,
				    const struct vdpa_vq_state *state)
{
	struct kvlane_queue *q = kvlane_vdpa_queue(vdpa, idx);
	const struct vdpa_vq_state_packed *packed = &state->packed;
	int err = 0;

	mutex_lock(&q->dev->lock);
	if (q->running) {
		err = -EBUSY;
	} else if (!(q->dev->accepted & BIT_ULL(VIRTIO_F_RING_PACKED))) {
		q->base = state->split.avail_index;
		q->based = true;
	} else if (packed->last_avail_idx == packed->last_used_idx &&
		   packed->last_avail_counter == packed->last_used_counter) {
		q->base = packed->last_avail_idx | packed->last_avail_counter << 15;
		q->based = true;
	} else {
		err = -EOPNOTSUPP;
	}
	mutex_unlock(&q->dev->lock);
	return err;
}

static u16 kvlane_vdpa_base(const struct kvlane_queue *q)
{
	if (q->running)
		return READ_ONCE(q->vring.next_avail);
	return q->based ? q->base : kvlane_vring_first(q->dev->accepted);
}

static int kvlane_vdpa_get_vq_state(struct vdpa_device *vdpa, u16 idx,
				    struct vdpa_vq_state *state)
{
	struct kvlane_queue *q = kvlane_vdpa_queue(vdpa, idx);
	u16 base;

	mutex_lock(&q->dev->lock);
	base = kvlane_vdpa_base(q);
	if (q->dev->accepted & BIT_ULL(VIRTIO_F_RING_PACKED))
		state->packed = (struct vdpa_vq_state_packed){
			.last_avail_idx = base & GENMASK(14, 0),
			.last_avail_counter = base >> 15,
			.last_used_idx = base & GENMASK(14, 0),
			.last_used_counter = base >> 15,
		};
	else
		state->split.avail_index = base;
	mutex_unlock(&q->dev->lock);
	return 0;
}

/**
 * struct kvlane_vdpa_stat - a counter that ``vdpa dev vstats show`` has
 * @name: what it calls it
 * @offset: where it is in struct kvlane_queue_stats
 */
struct kvlane_vdpa_stat {
	const char *name;
	size_t offset;
};

#define KVLANE_VDPA_STAT(field) \
	{ #field, offsetof(struct kvlane_queue_stats, field) }

static const struct kvlane_vdpa_stat kvlane_vdpa_stats[] = {
	KVLANE_VDPA_STAT(requests),
	KVLANE_VDPA_STAT(bytes_in),
	KVLANE_VDPA_STAT(bytes_out),
	KVLANE_VDPA_STAT(kicks),
	KVLANE_VDPA_STAT(interrupts),
	KVLANE_VDPA_STAT(suppressed),
	KVLANE_VDPA_STAT(drops),
	KVLANE_VDPA_STAT(errors),
	KVLANE_VDPA_STAT(malformed),
};

static int kvlane_vdpa_get_vq_stats(struct vdpa_device *vdpa, u16 idx, struct sk_buff *msg,
				    struct netlink_ext_ack *extack)
{
	struct kvlane_device *dev = kvlane_vdpa_dev(vdpa);
	const struct kvlane_vdpa_stat *stat;
	int i;

	if (idx >= dev->num_queues) {
		NL_SET_ERR_MSG_MOD(extack, "the device has no such queue");
		return -EINVAL;
	}
	for (i = 0; i < ARRAY_SIZE(kvlane_vdpa_stats); i++) {
		stat = &kvlane_vdpa_stats[i];
		if (nla_put_string(msg, VDPA_ATTR_DEV_VENDOR_ATTR_NAME, stat->name) ||
		    nla_put_u64_64bit(msg, VDPA_ATTR_DEV_VENDOR_ATTR_VALUE,
				      *(u64 *)((u8 *)&dev->queues[idx].stats + stat->offset),
				      VDPA_ATTR_PAD))
			return -EMSGSIZE;
	}
	return 0;
}

/* Any alignment the specification asks for is less. */
static u32 kvlane_vdpa_get_vq_align(struct vdpa_device *vdpa)
{
	return SMP_CACHE_BYTES;
}

/**
 * kvlane_vdpa_groups - groups of queues that address spaces are given to
 * @dev: the device
 */
u32 kvlane_vdpa_groups(const struct kvlane_device *dev)
{
	return dev->ops->type == VIRTIO_ID_NET ? KVLANE_SPACES : 1;
}

/* A VMM may want to have a network device's control queue to itself, which is the last. */
static u32 kvlane_vdpa_get_vq_group(struct vdpa_device *vdpa, u16 idx)
{
	const struct kvlane_device *dev = kvlane_vdpa_dev(vdpa);

	return kvlane_vdpa_groups(dev) > 1 && idx == dev->num_queues - 1;
}

static int kvlane_vdpa_set_group_asid(struct vdpa_device *vdpa, unsigned int group,
				      unsigned int asid)
{
	struct kvlane_device *dev = kvlane_vdpa_dev(vdpa);
	u32 i;

	if (group >= kvlane_vdpa_groups(dev) || asid >= kvlane_vdpa_groups(dev))
		return -EINVAL;
	mutex_lock(&dev->lock);
	for (i = 0; i < dev->num_queues; i++)
		if (kvlane_vdpa_get_vq_group(vdpa, i) == group)
			WRITE_ONCE(dev->queues[i].space, asid);
	mutex_unlock(&dev->lock);
	return 0;
}

/**
 * kvlane_vdpa_features - what the driver is offered
 * @v: the device
 */
u64 kvlane_vdpa_features(const struct kvlane_vdpa *v)
{
	u64 features = READ_ONCE(v->dev->offered) | BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);

	return features & v->features;
}

static u64 kvlane_vdpa_get_device_features(struct vdpa_device *vdpa)
{
	return kvlane_vdpa_features(kvlane_vdpa_of(vdpa));
}

static u64 kvlane_vdpa_get_backend_features(const struct vdpa_device *vdpa)
{
	return BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
}

static int kvlane_vdpa_set_driver_features(struct vdpa_device *vdpa, u64 features)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);
	struct kvlane_device *dev = v->dev;
	int err = 0;

	/* Addresses are the platform's to explain: without this they mean nothing. */
	if (features & ~kvlane_vdpa_features(v) ||
	    !(features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		return -EINVAL;
	mutex_lock(&dev->lock);
	if (dev->regs.status & VIRTIO_CONFIG_S_FEATURES_OK) {
		err = -EBUSY;
	} else {
		v->platform = true;
		dev->accepted = features & ~BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	}
	mutex_unlock(&dev->lock);
	return err;
}

static u64 kvlane_vdpa_get_driver_features(struct vdpa_device *vdpa)
{
	const struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);

	return v->dev->accepted | (v->platform ? BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) : 0);
}

static u16 kvlane_vdpa_get_vq_num_max(struct vdpa_device *vdpa)
{
	return kvlane_vdpa_dev(vdpa)->queue_size;
}

static u32 kvlane_vdpa_get_device_id(struct vdpa_device *vdpa)
{
	return kvlane_vdpa_dev(vdpa)->ops->type;
}

static u32 kvlane_vdpa_get_vendor_id(struct vdpa_device *vdpa)
{
	return PCI_VENDOR_ID_REDHAT_QUMRANET;
}

static u8 kvlane_vdpa_get_status(struct vdpa_device *vdpa)
{
	return kvlane_regs_status(kvlane_vdpa_dev(vdpa));
}

/* Only the host's kernel gets the host's memory. The device is held by its driver. */
static bool kvlane_vdpa_is_kernel(const struct vdpa_device *vdpa)
{
	const struct device_driver *driver = vdpa->dev.driver;

	return driver && !strcmp(driver->name, "virtio_vdpa");
}

/* The map comes last: where one of the two fails there must be none, for the next driver. */
static int kvlane_vdpa_hire_kernel(struct kvlane_vdpa *v)
{
	int err = kvlane_device_hire(v->dev, true);

	if (err)
		return err;
	err = kvlane_vdpa_map_kernel(v);
	if (err)
		kvlane_device_dismiss(v->dev);
	else
		v->staff = KVLANE_STAFF_KERNEL;
	return err;
}

static void kvlane_vdpa_dismiss(struct kvlane_vdpa *v)
{
	struct kvlane_vm *vm = v->dev->vm;
	u32 i;

	kvlane_device_dismiss(v->dev);
	for (i = 0; i < KVLANE_SPACES; i++)
		kvlane_memory_retire(vm, kvlane_memory_exchange(vm, i, NULL), false);
	/* It was about addresses of a process that is gone. */
	kvlane_dirty_end(vm);
	v->staff = KVLANE_STAFF_NONE;
}

/* All that DRIVER_OK needs. */
static bool kvlane_vdpa_ready(struct vdpa_device *vdpa, struct kvlane_vdpa *v)
{
	u32 i;

	if (v->staff == KVLANE_STAFF_NONE && kvlane_vdpa_is_kernel(vdpa) &&
	    kvlane_vdpa_hire_kernel(v))
		return false;
	if (v->staff == KVLANE_STAFF_NONE || !kvlane_vdpa_mapped(v))
		return false;
	for (i = 0; i < v->dev->num_queues; i++)
		if (!kvlane_vdpa_ring_ok(&v->dev->queues[i]))
			return false;
	return true;
}

static void kvlane_vdpa_set_status(struct vdpa_device *vdpa, u8 status)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);
	struct kvlane_device *dev = v->dev;

	mutex_lock(&dev->lock);
	if (status & ~dev->regs.status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !kvlane_vdpa_ready(vdpa, v)) {
		kvlane_device_break(dev, KVLANE_NO_QUEUE, KVLANE_REASON_RING_ADDRESS);
		status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	kvlane_regs_set_status(dev, status);
	mutex_unlock(&dev->lock);
}

/**
 * kvlane_vdpa_reset - vdpa_config_ops.reset
 * @vdpa: the vDPA device
 *
 * Return: 0. The driver is not called any more.
 */
int kvlane_vdpa_reset(struct vdpa_device *vdpa)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);
	struct kvlane_device *dev = v->dev;

	mutex_lock(&dev->lock);
	kvlane_device_reset(dev);
	v->suspended = false;
	v->platform = false;
	bitmap_zero(v->ready, KVLANE_MAX_QUEUES);
	if (v->staff == KVLANE_STAFF_KERNEL)
		kvlane_vdpa_dismiss(v);
	mutex_unlock(&dev->lock);

	spin_lock_irq(&v->cb_lock);
	memset(v->cb, 0, array_size(dev->num_queues + 1, sizeof(*v->cb)));
	spin_unlock_irq(&v->cb_lock);
	return 0;
}

static void kvlane_vdpa_go_on(struct kvlane_vdpa *v)
{
	u32 i;

	v->suspended = false;
	if (!kvlane_vdpa_live(v))
		return;
	for (i = 0; i < v->dev->num_queues; i++)
		if (v->dev->queues[i].enabled)
			kvlane_vdpa_start_vq(v, &v->dev->queues[i]);
}

static int kvlane_vdpa_suspend(struct vdpa_device *vdpa)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);
	int err = 0;
	u32 i;

	mutex_lock(&v->dev->lock);
	v->suspended = true;
	for (i = 0; i < v->dev->num_queues && !err; i++)
		err = kvlane_queue_quiesce(&v->dev->queues[i]);
	if (err)
		kvlane_vdpa_go_on(v);
	mutex_unlock(&v->dev->lock);
	return err;
}

static int kvlane_vdpa_resume(struct vdpa_device *vdpa)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);

	mutex_lock(&v->dev->lock);
	kvlane_vdpa_go_on(v);
	mutex_unlock(&v->dev->lock);
	return 0;
}

/* QEMU asks for the configuration even where there is none, and vhost refuses none. */
static size_t kvlane_vdpa_get_config_size(struct vdpa_device *vdpa)
{
	return max(kvlane_vdpa_dev(vdpa)->ops->config_size, 4);
}

static void kvlane_vdpa_get_config(struct vdpa_device *vdpa, unsigned int offset, void *buf,
				   unsigned int len)
{
	struct kvlane_device *dev = kvlane_vdpa_dev(vdpa);

	memset(buf, 0, len);
	mutex_lock(&dev->lock);
	dev->ops->read_config(dev, offset, buf, len);
	mutex_unlock(&dev->lock);
}

static void kvlane_vdpa_set_config(struct vdpa_device *vdpa, unsigned int offset,
				   const void *buf, unsigned int len)
{
	struct kvlane_device *dev = kvlane_vdpa_dev(vdpa);

	mutex_lock(&dev->lock);
	dev->ops->write_config(dev, offset, buf, len);
	mutex_unlock(&dev->lock);
}

static u32 kvlane_vdpa_get_generation(struct vdpa_device *vdpa)
{
	return READ_ONCE(kvlane_vdpa_dev(vdpa)->regs.generation);
}

static struct vdpa_iova_range kvlane_vdpa_get_iova_range(struct vdpa_device *vdpa)
{
	return (struct vdpa_iova_range){ .first = 0, .last = U64_MAX };
}

static int kvlane_vdpa_bind_mm(struct vdpa_device *vdpa, struct mm_struct *mm)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);
	int err;

	if (mm != current->mm)
		return -EINVAL;
	mutex_lock(&v->dev->lock);
	kvlane_vm_lend(v->dev->vm, mm);
	err = kvlane_device_hire(v->dev, false);
	if (err)
		kvlane_vm_lend(v->dev->vm, NULL);
	else
		v->staff = KVLANE_STAFF_PROCESS;
	mutex_unlock(&v->dev->lock);
	return err;
}

static void kvlane_vdpa_unbind_mm(struct vdpa_device *vdpa)
{
	struct kvlane_vdpa *v = kvlane_vdpa_of(vdpa);

	mutex_lock(&v->dev->lock);
	if (v->staff == KVLANE_STAFF_PROCESS) {
		kvlane_vdpa_dismiss(v);
		kvlane_vm_lend(v->dev->vm, NULL);
	}
	mutex_unlock(&v->dev->lock);
}

#define KVLANE_VDPA_OPS                                                 \
	.set_vq_address = kvlane_vdpa_set_vq_address,                   \
	.set_vq_num = kvlane_vdpa_set_vq_num,                           \
	.kick_vq = kvlane_vdpa_kick_vq,                                 \
	.set_vq_cb = kvlane_vdpa_set_vq_cb,                             \
	.set_vq_ready = kvlane_vdpa_set_vq_ready,                       \
	.get_vq_ready = kvlane_vdpa_get_vq_ready,                       \
	.set_vq_state = kvlane_vdpa_set_vq_state,                       \
	.get_vq_state = kvlane_vdpa_get_vq_state,                       \
	.get_vendor_vq_stats = kvlane_vdpa_get_vq_stats,                \
	.get_vq_size = kvlane_vdpa_get_vq_size,                         \
	.get_vq_align = kvlane_vdpa_get_vq_align,                       \
	.get_vq_group = kvlane_vdpa_get_vq_group,                       \
	.set_group_asid = kvlane_vdpa_set_group_asid,                   \
	.get_device_features = kvlane_vdpa_get_device_features,         \
	.get_backend_features = kvlane_vdpa_get_backend_features,       \
	.set_driver_features = kvlane_vdpa_set_driver_features,         \
	.get_driver_features = kvlane_vdpa_get_driver_features,         \
	.set_config_cb = kvlane_vdpa_set_config_cb,                     \
	.get_vq_num_max = kvlane_vdpa_get_vq_num_max,                   \
	.get_device_id = kvlane_vdpa_get_device_id,                     \
	.get_vendor_id = kvlane_vdpa_get_vendor_id,                     \
	.get_status = kvlane_vdpa_get_status,                           \
	.set_status = kvlane_vdpa_set_status,                           \
	.reset = kvlane_vdpa_reset,                                     \
	.get_config_size = kvlane_vdpa_get_config_size,                 \
	.get_config = kvlane_vdpa_get_config,                           \
	.set_config = kvlane_vdpa_set_config,                           \
	.get_generation = kvlane_vdpa_get_generation,                   \
	.get_iova_range = kvlane_vdpa_get_iova_range,                   \
	.set_map = kvlane_vdpa_set_map,                                 \
	.reset_map = kvlane_vdpa_reset_map,                             \
	.bind_mm = kvlane_vdpa_bind_mm,                                 \
	.unbind_mm = kvlane_vdpa_unbind_mm,                             \
	.free = kvlane_vdpa_free

static const struct vdpa_config_ops kvlane_vdpa_ops = {
	KVLANE_VDPA_OPS,
	.suspend = kvlane_vdpa_suspend,
	.resume = kvlane_vdpa_resume,
};

/* vDPA takes what is not there for what the device cannot do. */
static const struct vdpa_config_ops kvlane_vdpa_ops_keeps = {
	KVLANE_VDPA_OPS,
};

/**
 * kvlane_vdpa_config_ops - what vDPA may ask of a device
 * @dev: the device
 */
const struct vdpa_config_ops *kvlane_vdpa_config_ops(const struct kvlane_device *dev)
{
	return dev->ops->keeps ? &kvlane_vdpa_ops_keeps : &kvlane_vdpa_ops;
}
