/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_VDPA_H
#define KVLANE_VDPA_H

#include <linux/errno.h>
#include <linux/kvlane.h>

struct kvlane_device;

#if IS_ENABLED(CONFIG_VDPA) && IS_ENABLED(CONFIG_VHOST_IOTLB)
#include <linux/bitmap.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/vdpa.h>

/**
 * struct kvlane_vdpa - what a device is to vDPA
 * @node: place in the list of all, under its lock
 * @name: name for ``vdpa dev add``
 * @dev: the device
 * @added: there is a vDPA device of it; under the lock of the list
 * @features: bits that ``vdpa dev add`` lets it offer
 * @platform: the driver accepted VIRTIO_F_ACCESS_PLATFORM; from here on under
 *	kvlane_device.lock
 * @suspended: the driver's queues stand still, as vDPA's suspend has them
 * @ready: queues that the driver says are ready
 * @staff: whose threads its lanes have
 * @cb_lock: protects @cb, from any context
 * @cb: how to interrupt the driver: an element for each queue, one for the configuration
 */
struct kvlane_vdpa {
	struct list_head node;
	char name[KVLANE_VDPA_NAME_LEN];
	struct kvlane_device *dev;
	bool added;
	u64 features;
	bool platform;
	bool suspended;
	DECLARE_BITMAP(ready, KVLANE_MAX_QUEUES);
	enum {
		KVLANE_STAFF_NONE,
		KVLANE_STAFF_PROCESS,
		KVLANE_STAFF_KERNEL,
	} staff;
	spinlock_t cb_lock;
	struct vdpa_callback cb[];
};

/**
 * struct kvlane_vdpa_parent - a vDPA device
 * @vdpa: for vDPA's core, which frees this with it
 * @to: what it stands for; holds the device
 * @unbound: tells when a driver has left it
 */
struct kvlane_vdpa_parent {
	struct vdpa_device vdpa;
	struct kvlane_vdpa *to;
	struct notifier_block unbound;
};

static inline struct kvlane_vdpa *kvlane_vdpa_of(const struct vdpa_device *vdpa)
{
	return container_of(vdpa, struct kvlane_vdpa_parent, vdpa)->to;
}

int kvlane_vdpa_init(void);
void kvlane_vdpa_exit(void);
long kvlane_vdpa_create(void __user *argp);
long kvlane_vdpa_open(void __user *argp);
void kvlane_vdpa_forget(struct kvlane_device *dev);

/* vdpa_ops.c */
const struct vdpa_config_ops *kvlane_vdpa_config_ops(const struct kvlane_device *dev);
u64 kvlane_vdpa_features(const struct kvlane_vdpa *v);
u32 kvlane_vdpa_groups(const struct kvlane_device *dev);
void kvlane_vdpa_interrupt(struct kvlane_irq *irq, u16 vector);
int kvlane_vdpa_reset(struct vdpa_device *vdpa);
void kvlane_vdpa_free(struct vdpa_device *vdpa);

/* vdpa_map.c */
int kvlane_vdpa_set_map(struct vdpa_device *vdpa, unsigned int asid,
			struct vhost_iotlb *iotlb);
int kvlane_vdpa_reset_map(struct vdpa_device *vdpa, unsigned int asid);
int kvlane_vdpa_map_kernel(struct kvlane_vdpa *v);
bool kvlane_vdpa_mapped(struct kvlane_vdpa *v);

/* feature.c */
bool kvlane_features_whole(const struct kvlane_device *dev, u64 features);

#else

static inline int kvlane_vdpa_init(void)
{
	return 0;
}

static inline void kvlane_vdpa_exit(void)
{
}

static inline long kvlane_vdpa_create(void __user *argp)
{
	return -EOPNOTSUPP;
}

static inline long kvlane_vdpa_open(void __user *argp)
{
	return -EOPNOTSUPP;
}

static inline void kvlane_vdpa_forget(struct kvlane_device *dev)
{
}

#endif
#endif
