// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices for vDPA: their names, and the management devices "kvlane" and "kvlane-net".
 *
 * vDPA has no word for what a disk or a network device is made of, so that comes first
 * and by our own call: KVLANE_CREATE_VDPA makes a device of a name, KVLANE_SET_BACKEND
 * gives it what it needs, by descriptor. Then "vdpa dev add" shows the device of that
 * name to vDPA's drivers.
 *
 * Whoever has a descriptor holds the device, and so does the vDPA device; the last to go
 * frees it. A vDPA device holds the module, too: what is in use by others is not pulled
 * away by rmmod, but taken out with "vdpa dev del".
 *
 * Locking: kvlane_vdpa_lock is for the list and what is said there to be under it. It is
 * not held while vDPA's core is called, which probes drivers that come back to us.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <uapi/linux/vdpa.h>

#include "../vm.h"
#include "device.h"
#include "vdpa.h"

static DEFINE_MUTEX(kvlane_vdpa_lock);
static LIST_HEAD(kvlane_vdpa_list);

static struct kvlane_vdpa *kvlane_vdpa_find(const char *name)
{
	struct kvlane_vdpa *v;

	lockdep_assert_held(&kvlane_vdpa_lock);
	list_for_each_entry(v, &kvlane_vdpa_list, node)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

/* The device of that name, with a reference, or NULL. */
static struct kvlane_device *kvlane_vdpa_get(const char *name)
{
	struct kvlane_vdpa *v;
	struct kvlane_device *dev = NULL;

	mutex_lock(&kvlane_vdpa_lock);
	v = kvlane_vdpa_find(name);
	if (v && kref_get_unless_zero(&v->dev->ref))
		dev = v->dev;
	mutex_unlock(&kvlane_vdpa_lock);
	return dev;
}

/**
 * kvlane_vdpa_forget - a device is about to go
 * @dev: any device
 */
void kvlane_vdpa_forget(struct kvlane_device *dev)
{
	struct kvlane_vdpa *v = dev->vdpa;

	if (!v)
		return;
	mutex_lock(&kvlane_vdpa_lock);
	list_del(&v->node);
	mutex_unlock(&kvlane_vdpa_lock);
}

static bool kvlane_vdpa_name_ok(const char *name)
{
	size_t len = strnlen(name, KVLANE_VDPA_NAME_LEN), i;

	if (!len || len == KVLANE_VDPA_NAME_LEN || name[0] == '.' ||
	    memchr_inv(name + len, 0, KVLANE_VDPA_NAME_LEN - len))
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("._-", name[i])))
			return false;
	return true;
}

static int kvlane_vdpa_check(const struct kvlane_create_vdpa *args)
{
	if (args->flags || args->reserved0 || !kvlane_vdpa_name_ok(args->name) ||
	    memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	return capable(CAP_NET_ADMIN) ? 0 : -EPERM;
}

/* Give a device a name, if nobody has it. */
static int kvlane_vdpa_name(struct kvlane_device *dev, const char *name)
{
	struct kvlane_vdpa *v;
	int err = 0;

	v = kzalloc(struct_size(v, cb, dev->num_queues + 1), GFP_KERNEL_ACCOUNT);
	if (!v)
		return -ENOMEM;
	strscpy(v->name, name, sizeof(v->name));
	v->dev = dev;
	INIT_LIST_HEAD(&v->node);
	spin_lock_init(&v->cb_lock);
	dev->irq.hook = kvlane_vdpa_interrupt;
	dev->vdpa = v;

	mutex_lock(&kvlane_vdpa_lock);
	if (kvlane_vdpa_find(name))
		err = -EEXIST;
	else
		list_move_tail(&v->node, &kvlane_vdpa_list);
	mutex_unlock(&kvlane_vdpa_lock);
	return err;
}

static struct kvlane_device *kvlane_vdpa_make(const struct kvlane_create_vdpa *args)
{
	static struct lock_class_key key;
	const struct kvlane_create_device device = {
		.type = args->type,
		.num_queues = args->num_queues,
		.queue_size = args->queue_size,
		.lane_queues = args->lane_queues,
		.features = args->features & ~BIT_ULL(VIRTIO_F_RING_RESET),
	};
	struct kvlane_device *dev;
	struct kvlane_vm *vm;

	vm = kvlane_vm_alloc(-1);
	if (IS_ERR(vm))
		return ERR_CAST(vm);
	vm->shared = true;
	kvlane_vm_lend(vm, NULL);
	dev = kvlane_device_make(vm, &device);
	/* The device holds it. */
	kvlane_vm_put(vm);
	/* One that drivers take inside locks of theirs. */
	if (!IS_ERR(dev))
		lockdep_set_class(&dev->lock, &key);
	return dev;
}

/**
 * kvlane_vdpa_create - KVLANE_CREATE_VDPA
 * @argp: struct kvlane_create_vdpa in user memory
 *
 * Return: a descriptor, or a negative errno.
 */
long kvlane_vdpa_create(void __user *argp)
{
	struct kvlane_create_vdpa args;
	struct kvlane_device *dev;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	ret = kvlane_vdpa_check(&args);
	if (ret)
		return ret;
	dev = kvlane_vdpa_make(&args);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = kvlane_vdpa_name(dev, args.name) ?: kvlane_device_open(dev);
	if (ret < 0)
		kvlane_device_put(dev);
	return ret;
}

/**
 * kvlane_vdpa_open - KVLANE_OPEN_VDPA
 * @argp: struct kvlane_open_vdpa in user memory
 *
 * Return: a descriptor, or a negative errno.
 */
long kvlane_vdpa_open(void __user *argp)
{
	struct kvlane_open_vdpa args;
	struct kvlane_device *dev;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved0 || !kvlane_vdpa_name_ok(args.name) ||
	    memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	dev = kvlane_vdpa_get(args.name);
	if (!dev)
		return -ENODEV;
	ret = kvlane_device_open(dev);
	if (ret < 0)
		kvlane_device_put(dev);
	return ret;
}

/* One vDPA device of each, and only of what has a back end. */
static int kvlane_vdpa_claim(struct kvlane_vdpa *v)
{
	int err = 0;

	mutex_lock(&kvlane_vdpa_lock);
	if (v->added)
		err = -EEXIST;
	else if (!v->dev->ops->has_backend(v->dev))
		err = -ENXIO;
	else
		v->added = true;
	mutex_unlock(&kvlane_vdpa_lock);
	return err;
}

static void kvlane_vdpa_unclaim(struct kvlane_vdpa *v)
{
	mutex_lock(&kvlane_vdpa_lock);
	v->added = false;
	mutex_unlock(&kvlane_vdpa_lock);
}

/**
 * kvlane_vdpa_free - the vDPA device has gone
 * @vdpa: the vDPA device
 */
void kvlane_vdpa_free(struct vdpa_device *vdpa)
{
	struct kvlane_vdpa_parent *parent = container_of(vdpa, struct kvlane_vdpa_parent, vdpa);
	struct kvlane_vdpa *v = parent->to;

	if (!v)
		return;
	bus_unregister_notifier(vdpa->dev.bus, &parent->unbound);
	kvlane_vdpa_unclaim(v);
	kvlane_device_put(v->dev);
}

/*
 * The kernel's driver may leave without a reset, if no driver of virtio devices had come
 * to it, or one that failed half-way. What it wanted to be called must not be called any
 * more, and whoever comes next finds the device new.
 */
static int kvlane_vdpa_notify(struct notifier_block *nb, unsigned long event, void *data)
{
	struct kvlane_vdpa_parent *parent =
		container_of(nb, struct kvlane_vdpa_parent, unbound);

	if (event == BUS_NOTIFY_UNBOUND_DRIVER && data == &parent->vdpa.dev)
		kvlane_vdpa_reset(&parent->vdpa);
	return NOTIFY_DONE;
}

static int kvlane_vdpa_show(struct kvlane_vdpa_parent *parent)
{
	const struct bus_type *bus = parent->vdpa.dev.bus;
	int err;

	parent->unbound.notifier_call = kvlane_vdpa_notify;
	err = bus_register_notifier(bus, &parent->unbound);
	if (err)
		return err;
	err = _vdpa_register_device(&parent->vdpa, parent->to->dev->num_queues);
	if (err)
		bus_unregister_notifier(bus, &parent->unbound);
	return err;
}

/* The vDPA device owns the reference and the claim as soon as it is registered. */
static int kvlane_vdpa_register(struct kvlane_vdpa *v, struct vdpa_mgmt_dev *mdev,
				const struct vdpa_dev_set_config *config)
{
	u32 groups = kvlane_vdpa_groups(v->dev);
	struct kvlane_vdpa_parent *parent;
	struct device *dev;
	int err;

	v->features = U64_MAX;
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_FEATURES)) {
		if (config->device_features & ~kvlane_vdpa_features(v) ||
		    !kvlane_features_whole(v->dev, config->device_features))
			return -EINVAL;
		v->features = config->device_features;
	}
	parent = vdpa_alloc_device(struct kvlane_vdpa_parent, vdpa, NULL,
				   kvlane_vdpa_config_ops(v->dev), groups, groups, v->name, true);
	if (IS_ERR(parent))
		return PTR_ERR(parent);

	dev = &parent->vdpa.dev;
	dev->dma_mask = &dev->coherent_dma_mask;
	parent->vdpa.mdev = mdev;
	parent->vdpa.dma_dev = dev;
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (!err) {
		parent->to = v;
		err = kvlane_vdpa_show(parent);
		if (!err)
			return 0;
		parent->to = NULL;
	}
	put_device(dev);
	return err;
}

static int kvlane_vdpa_add(struct vdpa_mgmt_dev *mdev, const char *name,
			   const struct vdpa_dev_set_config *config)
{
	struct kvlane_device *dev = kvlane_vdpa_get(name);
	int err;

	if (!dev)
		return -ENODEV;
	/* Our caller is a call into this module. */
	__module_get(THIS_MODULE);
	err = kvlane_vdpa_claim(dev->vdpa);
	if (err)
		goto err_put;
	err = kvlane_vdpa_register(dev->vdpa, mdev, config);
	if (!err)
		return 0;
	kvlane_vdpa_unclaim(dev->vdpa);

err_put:
	module_put(THIS_MODULE);
	kvlane_device_put(dev);
	return err;
}

/* With vDPA's lock held, for which kvlane_vdpa_exit() waits after the last of them. */
static void kvlane_vdpa_del(struct vdpa_mgmt_dev *mdev, struct vdpa_device *vdpa)
{
	_vdpa_unregister_device(vdpa);
	module_put(THIS_MODULE);
}

static const struct vdpa_mgmtdev_ops kvlane_vdpa_mgmt_ops = {
	.dev_add = kvlane_vdpa_add,
	.dev_del = kvlane_vdpa_del,
};

static struct virtio_device_id kvlane_vdpa_ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ VIRTIO_ID_RNG, VIRTIO_DEV_ANY_ID },
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_device_id kvlane_vdpa_net_ids[] = {
	{ VIRTIO_ID_NET, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

#define KVLANE_VDPA_MGMT(ids)                                                            \
	{                                                                                \
		.ops = &kvlane_vdpa_mgmt_ops,                                            \
		.id_table = (ids),                                                       \
		.config_attr_mask = BIT_ULL(VDPA_ATTR_DEV_FEATURES),                     \
		.supported_features =                                                    \
			(KVLANE_QUEUE_FEATURES & ~BIT_ULL(VIRTIO_F_RING_RESET)) |        \
			BIT_ULL(VIRTIO_F_ACCESS_PLATFORM),                               \
		.max_supported_vqs = KVLANE_MAX_QUEUES,                                  \
	}

/*
 * Either adds whatever has a name. There are two since vDPA refuses bits of a device type
 * in device_features if network devices are not all that a management device lists.
 */
static struct vdpa_mgmt_dev kvlane_vdpa_mgmt[] = {
	KVLANE_VDPA_MGMT(kvlane_vdpa_ids),
	KVLANE_VDPA_MGMT(kvlane_vdpa_net_ids),
};

static const char *const kvlane_vdpa_mgmt_names[] = { "kvlane", "kvlane-net" };

static int kvlane_vdpa_mgmt_register(struct vdpa_mgmt_dev *mdev, const char *name)
{
	struct device *root = root_device_register(name);
	int err;

	if (IS_ERR(root))
		return PTR_ERR(root);
	mdev->device = root;
	err = vdpa_mgmtdev_register(mdev);
	if (err)
		root_device_unregister(root);
	return err;
}

static void kvlane_vdpa_mgmt_unregister(struct vdpa_mgmt_dev *mdev)
{
	vdpa_mgmtdev_unregister(mdev);
	root_device_unregister(mdev->device);
}

/**
 * kvlane_vdpa_init - register the management devices
 *
 * Return: 0 or a negative errno.
 */
int __init kvlane_vdpa_init(void)
{
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(kvlane_vdpa_mgmt) && !err; i++)
		err = kvlane_vdpa_mgmt_register(&kvlane_vdpa_mgmt[i],
						kvlane_vdpa_mgmt_names[i]);
	if (err)
		for (i -= 2; i >= 0; i--)
			kvlane_vdpa_mgmt_unregister(&kvlane_vdpa_mgmt[i]);
	return err;
}

/**
 * kvlane_vdpa_exit - unregister the management devices
 */
void kvlane_vdpa_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kvlane_vdpa_mgmt); i++)
		kvlane_vdpa_mgmt_unregister(&kvlane_vdpa_mgmt[i]);
}
