// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device object: what all virtio types have in common.
 *
 * The control path - registers, ioctls, reset - runs under kvlane_device.lock.
 * It may wait for lanes while it holds it; lanes never take it. What lanes have
 * to change of the device (@broken, an interrupt, an event) is atomic or has a
 * lock of its own.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "../dirty.h"
#include "../trace.h"
#include "../vm.h"
#include "device.h"
#include "vdpa.h"

/**
 * struct kvlane_type - a virtio type that can be made
 * @ops: what it does
 * @requests: where its requests come from. They are of an odd size and there
 *	are hundreds of them to a queue: a slab cache wastes least.
 */
struct kvlane_type {
	const struct kvlane_device_ops *ops;
	struct kmem_cache *requests;
};

static struct kvlane_type kvlane_types[] = {
	{ .ops = &kvlane_blk_ops },
	{ .ops = &kvlane_rng_ops },
	{ .ops = &kvlane_net_ops },
	{ .ops = &kvlane_balloon_ops },
};

/**
 * kvlane_types_exit - release what kvlane_types_init() took
 */
void kvlane_types_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kvlane_types); i++)
		kmem_cache_destroy(kvlane_types[i].requests);
}

/**
 * kvlane_types_init - prepare for devices of all types
 *
 * Return: 0 or -ENOMEM.
 */
int __init kvlane_types_init(void)
{
	struct kvlane_type *type;
	char name[32];
	int i;

	for (i = 0; i < ARRAY_SIZE(kvlane_types); i++) {
		type = &kvlane_types[i];
		snprintf(name, sizeof(name), "kvlane_%s_request", type->ops->name);
		type->requests = kmem_cache_create(name, type->ops->request_size,
						   0, SLAB_ACCOUNT, NULL);
		if (!type->requests) {
			kvlane_types_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

/**
 * kvlane_device_types - which virtio types can be made, a bit each
 */
u64 kvlane_device_types(void)
{
	u64 types = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(kvlane_types); i++)
		types |= BIT_ULL(kvlane_types[i].ops->type);
	return types;
}

static const struct kvlane_type *kvlane_type_find(u32 type)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kvlane_types); i++)
		if (kvlane_types[i].ops->type == type)
			return &kvlane_types[i];
	return NULL;
}

/**
 * kvlane_device_config_changed - have the driver look at status and configuration
 * @dev: the device
 *
 * Any context.
 */
void kvlane_device_config_changed(struct kvlane_device *dev)
{
	kvlane_irq_raise(&dev->irq, READ_ONCE(dev->regs.config_vector),
			 KVLANE_ISR_CONFIG);
}

/**
 * kvlane_device_break - the driver broke the rules: DEVICE_NEEDS_RESET
 * @dev: the device
 * @queue: where, or KVLANE_NO_QUEUE
 * @reason: how
 *
 * Process context, from lanes too. Only the first call since the last reset
 * does anything; virtio 1.2 section 2.1.2.
 */
void kvlane_device_break(struct kvlane_device *dev, u32 queue,
			 enum kvlane_reason reason)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_NEEDS_RESET,
		.queue = queue,
		.reason = reason,
	};

	if (atomic_cmpxchg(&dev->broken, KVLANE_REASON_NONE, reason) !=
	    KVLANE_REASON_NONE)
		return;
	dev->needs_reset++;
	trace_kvlane_needs_reset(dev, queue, reason);
	kvlane_events_post(&dev->events, &event);
	kvlane_device_config_changed(dev);
}

/**
 * kvlane_device_backend_error - a request failed underneath
 * @dev: the device
 * @queue: where
 * @error: negative errno
 *
 * Process context. The first one since the last reset becomes an event.
 */
void kvlane_device_backend_error(struct kvlane_device *dev, u32 queue, int error)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_BACKEND_ERROR,
		.queue = queue,
		.error = error,
	};

	if (!atomic_xchg(&dev->backend_failed, 1))
		kvlane_events_post(&dev->events, &event);
}

/**
 * kvlane_device_stalled - a request does not come back
 * @dev: the device
 * @queue: where
 * @inflight: requests of the queue that are in flight
 *
 * Process context.
 */
void kvlane_device_stalled(struct kvlane_device *dev, u32 queue, u32 inflight)
{
	const struct kvlane_event event = {
		.type = KVLANE_EVENT_QUEUE_STALLED,
		.queue = queue,
		.value = inflight,
	};

	kvlane_events_post(&dev->events, &event);
}

/**
 * kvlane_device_start - the driver set DRIVER_OK
 * @dev: the device
 */
void kvlane_device_start(struct kvlane_device *dev)
{
	u32 i;

	if (!dev->ops->has_backend(dev)) {
		kvlane_device_break(dev, KVLANE_NO_QUEUE,
				    KVLANE_REASON_NO_BACKEND);
		return;
	}
	for (i = 0; i < dev->num_queues; i++)
		if (dev->queues[i].enabled)
			kvlane_queue_start(&dev->queues[i]);
}

/**
 * kvlane_device_reset - the driver wrote 0 to the status
 * @dev: the device
 *
 * When it returns the device touches no memory of the guest any more.
 */
void kvlane_device_reset(struct kvlane_device *dev)
{
	u32 i;

	for (i = 0; i < dev->num_queues; i++) {
		kvlane_queue_stop(&dev->queues[i]);
		kvlane_queue_reset(&dev->queues[i]);
	}
	kvlane_regs_reset(dev);
	dev->accepted = 0;
	dev->ops->reset(dev);
	atomic_set(&dev->irq.isr, 0);
	atomic_set(&dev->backend_failed, 0);
	atomic_set(&dev->broken, KVLANE_REASON_NONE);
	dev->resets++;
}

/**
 * kvlane_devices_memory_changed - have all lanes look at the new memory map
 * @vm: the guest; its lock is held
 */
void kvlane_devices_memory_changed(struct kvlane_vm *vm)
{
	struct kvlane_device *dev;
	u32 i;

	list_for_each_entry(dev, &vm->devices, node)
		for (i = 0; i < dev->num_queues; i++)
			kvlane_lane_wake(&dev->queues[i].lane, KVLANE_WORK_MORE);
}

static bool kvlane_backend_padded(const struct kvlane_backend *backend,
				  size_t used)
{
	return !memchr_inv((const u8 *)backend->pad + used, 0,
			   sizeof(backend->pad) - used);
}

static long kvlane_device_set_backend(struct kvlane_device *dev,
				      void __user *argp)
{
	struct kvlane_backend backend;
	long ret;

	if (copy_from_user(&backend, argp, sizeof(backend)))
		return -EFAULT;
	if (!kvlane_backend_padded(&backend, dev->ops->backend_size))
		return -EINVAL;

	/*
	 * rtnl_lock is taken under it, and held by the host's own network driver while it
	 * takes the lock of a device for vDPA; but then the status is not zero.
	 */
	mutex_lock_nested(&dev->lock, SINGLE_DEPTH_NESTING);
	if (dev->regs.status)
		ret = -EBUSY;
	else
		ret = dev->ops->set_backend(dev, &backend);
	if (!ret)
		dev->regs.generation++;
	mutex_unlock(&dev->lock);
	return ret;
}

static long kvlane_device_set_link(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_link args;
	long ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~(KVLANE_LINK_UP | KVLANE_LINK_ANNOUNCE) ||
	    memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;
	if (args.flags == KVLANE_LINK_ANNOUNCE || !dev->ops->set_link)
		return -EINVAL;

	mutex_lock(&dev->lock);
	ret = dev->ops->has_backend(dev) ?
		      dev->ops->set_link(dev, args.flags) : -ENXIO;
	if (!ret)
		dev->regs.generation++;
	mutex_unlock(&dev->lock);
	return ret;
}

static long kvlane_device_get_rss(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_net_rss args;
	long ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)) ||
	    !dev->ops->get_rss)
		return -EINVAL;

	memset(&args, 0, sizeof(args));
	mutex_lock(&dev->lock);
	ret = dev->ops->has_backend(dev) ? dev->ops->get_rss(dev, &args) : -ENXIO;
	mutex_unlock(&dev->lock);
	if (!ret && copy_to_user(argp, &args, sizeof(args)))
		ret = -EFAULT;
	return ret;
}

static long kvlane_device_set_kick(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_eventfd args;
	long ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved || args.index >= dev->num_queues)
		return -EINVAL;

	args.index = array_index_nospec(args.index, dev->num_queues);
	mutex_lock(&dev->lock);
	ret = kvlane_kick_set(&dev->queues[args.index].kick, args.fd);
	mutex_unlock(&dev->lock);
	return ret;
}

static long kvlane_device_set_vector(struct kvlane_device *dev,
				     void __user *argp)
{
	struct kvlane_eventfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved)
		return -EINVAL;
	return kvlane_irq_set(&dev->irq, args.index, args.fd);
}

/* All queues let go of the old throttle before it may go away. */
static void kvlane_device_throttle(struct kvlane_device *dev,
				   struct kvlane_throttle *throttle)
{
	struct kvlane_throttle *old;
	u32 i;

	mutex_lock(&dev->lock);
	old = dev->throttle;
	dev->throttle = throttle;
	for (i = 0; i < dev->num_queues; i++)
		kvlane_queue_throttle(&dev->queues[i], throttle);
	mutex_unlock(&dev->lock);
	kvlane_throttle_put(old);
}

static long kvlane_device_set_throttle(struct kvlane_device *dev, void __user *argp)
{
	struct kvlane_set_throttle args;
	struct kvlane_throttle *throttle;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved)
		return -EINVAL;
	if (!dev->ops->cost)
		return -EOPNOTSUPP;
	throttle = kvlane_throttle_get(args.fd);
	if (IS_ERR(throttle))
		return PTR_ERR(throttle);
	kvlane_device_throttle(dev, throttle);
	return 0;
}

static long kvlane_device_ioctl(struct file *file, unsigned int cmd,
				unsigned long arg)
{
	struct kvlane_device *dev = file->private_data;
	void __user *argp = (void __user *)arg;

	if (!kvlane_vm_owned(dev->vm))
		return -EPERM;

	switch (cmd) {
	case KVLANE_SET_BACKEND:
		return kvlane_device_set_backend(dev, argp);
	case KVLANE_SET_KICK:
		return dev->vdpa ? -EOPNOTSUPP : kvlane_device_set_kick(dev, argp);
	case KVLANE_SET_VECTOR:
		return dev->vdpa ? -EOPNOTSUPP : kvlane_device_set_vector(dev, argp);
	case KVLANE_SET_LINK:
		return kvlane_device_set_link(dev, argp);
	case KVLANE_GET_RSS:
		return kvlane_device_get_rss(dev, argp);
	case KVLANE_SET_BALLOON:
	case KVLANE_GET_BALLOON:
	case KVLANE_GET_RETURNED:
	case KVLANE_SET_HINTING:
	case KVLANE_GET_HINTS:
		return dev->ops->call ? dev->ops->call(dev, cmd, argp) : -EINVAL;
	case KVLANE_SET_LANES:
		return kvlane_set_lanes(dev, argp);
	case KVLANE_SET_THROTTLE:
		return kvlane_device_set_throttle(dev, argp);
	case KVLANE_GET_STATS:
		return kvlane_stats_get(dev, argp);
	case KVLANE_SET_DIRTY_LOG:
		return dev->vdpa ? kvlane_dirty_set(dev->vm, argp) : -ENOTTY;
	case KVLANE_GET_DIRTY_LOG:
		return dev->vdpa ? kvlane_dirty_get(dev->vm, argp) : -ENOTTY;
	default:
		return -ENOTTY;
	}
}

/*
 * The register window lies below KVLANE_WINDOW_SIZE, and the file position
 * stays there: pread() and pwrite() name their offset and reach registers,
 * read() does not and gets events.
 */
static ssize_t kvlane_device_read(struct file *file, char __user *buf,
				  size_t len, loff_t *pos)
{
	struct kvlane_device *dev = file->private_data;

	if (*pos == KVLANE_WINDOW_SIZE)
		return kvlane_events_read(&dev->events, file, buf, len);
	if (!kvlane_vm_owned(dev->vm))
		return -EPERM;
	if (dev->vdpa)
		return -EOPNOTSUPP;
	return kvlane_regs_read(dev, buf, len, *pos);
}

static ssize_t kvlane_device_write(struct file *file, const char __user *buf,
				   size_t len, loff_t *pos)
{
	struct kvlane_device *dev = file->private_data;

	if (!kvlane_vm_owned(dev->vm))
		return -EPERM;
	if (dev->vdpa)
		return -EOPNOTSUPP;
	return kvlane_regs_write(dev, buf, len, *pos);
}

static __poll_t kvlane_device_poll(struct file *file, poll_table *wait)
{
	struct kvlane_device *dev = file->private_data;

	poll_wait(file, &dev->events.wait, wait);
	return kfifo_is_empty(&dev->events.fifo) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static void kvlane_device_free_queues(struct kvlane_device *dev, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		kvlane_queue_release(&dev->queues[i]);
	for (i = 0; i < nr; i++)
		kvlane_lane_quit(&dev->queues[i].lane);
	/* Nobody is in kvlane_request_done() any more after this. */
	synchronize_rcu();
	for (i = 0; i < nr; i++)
		kvlane_queue_destroy(&dev->queues[i]);
	kvfree(dev->queues);
}

static void kvlane_device_free(struct kvlane_device *dev)
{
	if (dev->ops->release)
		dev->ops->release(dev);
	kvlane_device_free_queues(dev, dev->num_queues);
	dev->ops->destroy(dev);
	kvlane_throttle_put(dev->throttle);
	kvlane_irq_destroy(&dev->irq);
	kvlane_vm_put(dev->vm);
	kfree(dev->vdpa);
	kfree(dev);
}

static void kvlane_device_end(struct kref *ref)
{
	struct kvlane_device *dev = container_of(ref, struct kvlane_device, ref);

	kvlane_vdpa_forget(dev);
	mutex_lock(&dev->vm->lock);
	list_del(&dev->node);
	mutex_unlock(&dev->vm->lock);
	kvlane_device_free(dev);
}

/**
 * kvlane_device_put - drop a reference; the last one stops and frees the device
 * @dev: the device
 */
void kvlane_device_put(struct kvlane_device *dev)
{
	kref_put(&dev->ref, kvlane_device_end);
}

static int kvlane_device_release(struct inode *inode, struct file *file)
{
	kvlane_device_put(file->private_data);
	return 0;
}

static const struct file_operations kvlane_device_fops = {
	.owner = THIS_MODULE,
	.release = kvlane_device_release,
	.read = kvlane_device_read,
	.write = kvlane_device_write,
	.poll = kvlane_device_poll,
	.unlocked_ioctl = kvlane_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static int kvlane_device_create_queues(struct kvlane_device *dev)
{
	u32 i;
	int err;

	dev->queues = kvcalloc(dev->num_queues, sizeof(*dev->queues),
			       GFP_KERNEL_ACCOUNT);
	if (!dev->queues)
		return -ENOMEM;
	for (i = 0; i < dev->num_queues; i++) {
		err = kvlane_queue_create(&dev->queues[i], dev, i);
		if (err) {
			kvlane_device_free_queues(dev, i);
			return err;
		}
	}
	return 0;
}

static void kvlane_device_init(struct kvlane_device *dev, struct kvlane_vm *vm,
			       const struct kvlane_type *type,
			       const struct kvlane_create_device *args)
{
	kref_init(&dev->ref);
	dev->vm = vm;
	dev->ops = type->ops;
	dev->requests = type->requests;
	dev->mask = args->features;
	dev->num_queues = args->num_queues;
	dev->lane_queues = args->lane_queues ?: 1;
	dev->queue_size = args->queue_size;
	mutex_init(&dev->lock);
	INIT_LIST_HEAD(&dev->node);
	kvlane_events_init(&dev->events);
	kvlane_regs_reset(dev);
}

static struct kvlane_device *
kvlane_device_alloc(struct kvlane_vm *vm, const struct kvlane_type *type,
		    const struct kvlane_create_device *args)
{
	struct kvlane_device *dev;
	int err;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	kvlane_device_init(dev, vm, type, args);

	err = kvlane_irq_init(&dev->irq, args->num_vectors);
	if (err)
		goto err_free;
	err = dev->ops->create(dev);
	if (err)
		goto err_irq;
	err = kvlane_device_create_queues(dev);
	if (err)
		goto err_destroy;
	kvlane_vm_get(vm);
	mutex_lock(&vm->lock);
	dev->index = vm->nr_devices++;
	list_add_tail(&dev->node, &vm->devices);
	mutex_unlock(&vm->lock);
	return dev;

err_destroy:
	dev->ops->destroy(dev);
err_irq:
	kvlane_irq_destroy(&dev->irq);
err_free:
	kfree(dev);
	return ERR_PTR(err);
}

/**
 * kvlane_device_dismiss - end the threads of all lanes
 * @dev: the device, stopped, and its lock held or nobody else knowing of it
 */
void kvlane_device_dismiss(struct kvlane_device *dev)
{
	u32 i;

	for (i = 0; i < dev->num_queues; i++)
		kvlane_lane_quit(&dev->queues[i].lane);
	synchronize_rcu();
	for (i = 0; i < dev->num_queues; i++)
		kvlane_lane_stop(&dev->queues[i].lane);
	if (dev->ops->dismiss)
		dev->ops->dismiss(dev);
}

/**
 * kvlane_device_hire - give all lanes threads
 * @dev: the device, its lock held or nobody else knowing of it; no lane has one
 * @kernel: see kvlane_lane_start()
 *
 * No thread is made while a signal is pending. The call would begin again from the
 * start, and with signals that come often enough never end. So only those that end
 * or stop the process are let through.
 *
 * Return: 0 or a negative errno, no lane then having a thread.
 */
int kvlane_device_hire(struct kvlane_device *dev, bool kernel)
{
	sigset_t most, old;
	int err = 0;
	u32 i;

	siginitsetinv(&most, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_BLOCK, &most, &old);
	for (i = 0; i < dev->num_queues && !err; i++)
		err = kvlane_queue_hire(&dev->queues[i], kernel);
	if (!err && dev->ops->hire)
		err = dev->ops->hire(dev, kernel);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (err)
		kvlane_device_dismiss(dev);
	return err;
}

static int kvlane_device_check(const struct kvlane_create_device *args,
			       const struct kvlane_type *type)
{
	if (args->flags || memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	if (!type)
		return -ENODEV;
	if (!args->num_queues || args->num_queues > type->ops->max_queues)
		return -EINVAL;
	if (args->queue_size < 2 || args->queue_size > KVLANE_MAX_QUEUE_SIZE ||
	    !is_power_of_2(args->queue_size))
		return -EINVAL;
	if (args->num_vectors > KVLANE_MAX_VECTORS ||
	    args->lane_queues > args->num_queues)
		return -EINVAL;
	if (!(args->features & BIT_ULL(VIRTIO_F_VERSION_1)))
		return -EINVAL;
	return 0;
}

/**
 * kvlane_device_open - a descriptor for a device
 * @dev: the device; the reference of the caller becomes the descriptor's
 *
 * Return: the descriptor, or a negative errno.
 */
int kvlane_device_open(struct kvlane_device *dev)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = anon_inode_getfile("[kvlane-device]", &kvlane_device_fops, dev,
				  O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	file->f_pos = KVLANE_WINDOW_SIZE;
	fd_install(fd, file);
	return fd;
}

/**
 * kvlane_device_make - a device whose lanes have no threads yet
 * @vm: the guest
 * @args: what it is to be, not checked
 *
 * Return: the device, with a reference for the caller; or an ERR_PTR().
 */
struct kvlane_device *kvlane_device_make(struct kvlane_vm *vm,
					 const struct kvlane_create_device *args)
{
	const struct kvlane_type *type = kvlane_type_find(args->type);
	int err = kvlane_device_check(args, type);

	return err ? ERR_PTR(err) : kvlane_device_alloc(vm, type, args);
}

/**
 * kvlane_device_create - KVLANE_CREATE_DEVICE
 * @vm: the guest
 * @argp: struct kvlane_create_device in user memory
 *
 * Return: a descriptor, or a negative errno.
 */
long kvlane_device_create(struct kvlane_vm *vm, void __user *argp)
{
	struct kvlane_create_device args;
	struct kvlane_device *dev;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	dev = kvlane_device_make(vm, &args);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = kvlane_device_hire(dev, false) ?: kvlane_device_open(dev);
	if (ret < 0)
		kvlane_device_put(dev);
	return ret;
}
