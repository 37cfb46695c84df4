// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvlane: what the module can do, and new VMs.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/kvlane.h>

#include "netlink.h"
#include "virtio/device.h"
#include "virtio/vdpa.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static long kvlane_get_info(void __user *argp)
{
	struct kvlane_info info;

	if (copy_from_user(&info, argp, sizeof(info)))
		return -EFAULT;
	if (info.flags || memchr_inv(info.reserved, 0, sizeof(info.reserved)))
		return -EINVAL;

	info = (struct kvlane_info){
		.api_version = KVLANE_API_VERSION,
		.device_types = kvlane_device_types(),
		.max_queues = KVLANE_MAX_QUEUES,
		.max_queue_size = KVLANE_MAX_QUEUE_SIZE,
		.max_vectors = KVLANE_MAX_VECTORS,
		.max_regions = KVLANE_MAX_REGIONS,
	};
	return copy_to_user(argp, &info, sizeof(info)) ? -EFAULT : 0;
}

static long kvlane_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case KVLANE_GET_INFO:
		return kvlane_get_info(argp);
	case KVLANE_CREATE_VM:
		return kvlane_vm_create(argp);
	case KVLANE_CREATE_THROTTLE:
		return kvlane_throttle_create(argp);
	case KVLANE_CREATE_VDPA:
		return kvlane_vdpa_create(argp);
	case KVLANE_OPEN_VDPA:
		return kvlane_vdpa_open(argp);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations kvlane_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kvlane_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice kvlane_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvlane",
	.mode = 0660,
	.fops = &kvlane_fops,
};

static int __init kvlane_init(void)
{
	int err = kvlane_types_init();

	if (err)
		return err;
	err = kvlane_netlink_init();
	if (err)
		goto err_types;
	err = kvlane_vdpa_init();
	if (err)
		goto err_netlink;
	err = misc_register(&kvlane_misc);
	if (err)
		goto err_vdpa;
	return 0;

err_vdpa:
	kvlane_vdpa_exit();
err_netlink:
	kvlane_netlink_exit();
err_types:
	kvlane_types_exit();
	return err;
}

static void __exit kvlane_exit(void)
{
	misc_deregister(&kvlane_misc);
	kvlane_vdpa_exit();
	/* Packets that outlived their device may be about to let us go. */
	rcu_barrier();
	kvlane_netlink_exit();
	kvlane_types_exit();
}

module_init(kvlane_init);
module_exit(kvlane_exit);

MODULE_DESCRIPTION("virtio devices for KVM guests, served by the kernel");
MODULE_AUTHOR("The kvlane developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
