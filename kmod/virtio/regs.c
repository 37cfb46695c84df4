// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register window: virtio-pci common configuration, ISR, device
 * configuration and notify area (virtio 1.2, section 4.1.4) at the offsets of
 * the uapi header.
 *
 * The guest reaches these registers through whoever traps its accesses, so a
 * write that makes no sense is ignored, as a device would; only an access the
 * VMM must not forward (crooked size or place) is an error.
 */
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "device.h"

#define COMMON(field) offsetof(struct virtio_pci_modern_common_cfg, field)

/* Status bits a driver may set. */
#define KVLANE_STATUS_DRIVER                                            \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |         \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |      \
	 VIRTIO_CONFIG_S_FAILED)

/**
 * kvlane_regs_reset - the common configuration as a driver finds it first
 * @dev: the device
 */
void kvlane_regs_reset(struct kvlane_device *dev)
{
	struct kvlane_registers *regs = &dev->regs;

	regs->device_feature_select = 0;
	regs->driver_feature_select = 0;
	regs->queue_select = 0;
	WRITE_ONCE(regs->config_vector, VIRTIO_MSI_NO_VECTOR);
	regs->status = 0;
}

static struct kvlane_queue *kvlane_regs_queue(struct kvlane_device *dev)
{
	u32 index = dev->regs.queue_select;

	if (index >= dev->num_queues)
		return NULL;
	return &dev->queues[array_index_nospec(index, dev->num_queues)];
}

/* Bits @select * 32 and up of a feature word; there are none above 63. */
static u32 kvlane_feature_word(u64 features, u32 select)
{
	return select < 2 ? features >> (select * 32) : 0;
}

/**
 * kvlane_regs_status - the device status as the driver reads it
 * @dev: the device
 */
u8 kvlane_regs_status(const struct kvlane_device *dev)
{
	u8 status = dev->regs.status;

	if (kvlane_device_broken(dev))
		status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	return status;
}

static void kvlane_common_image_queue(const struct kvlane_queue *q,
				      struct virtio_pci_modern_common_cfg *image)
{
	struct virtio_pci_common_cfg *cfg = &image->cfg;

	cfg->queue_size = cpu_to_le16(q->size);
	cfg->queue_msix_vector = cpu_to_le16(q->vector);
	cfg->queue_enable = cpu_to_le16(q->enabled);
	cfg->queue_notify_off = cpu_to_le16(q->index);
	cfg->queue_desc_lo = cpu_to_le32(lower_32_bits(q->desc));
	cfg->queue_desc_hi = cpu_to_le32(upper_32_bits(q->desc));
	cfg->queue_avail_lo = cpu_to_le32(lower_32_bits(q->driver));
	cfg->queue_avail_hi = cpu_to_le32(upper_32_bits(q->driver));
	cfg->queue_used_lo = cpu_to_le32(lower_32_bits(q->device));
	cfg->queue_used_hi = cpu_to_le32(upper_32_bits(q->device));
	image->queue_notify_data = cpu_to_le16(q->index);
}

/* All fields as a driver would read them; then it matters not how it does. */
static void kvlane_common_image(struct kvlane_device *dev,
				struct virtio_pci_modern_common_cfg *image)
{
	const struct kvlane_registers *regs = &dev->regs;
	struct kvlane_queue *q = kvlane_regs_queue(dev);
	struct virtio_pci_common_cfg *cfg = &image->cfg;

	memset(image, 0, sizeof(*image));
	cfg->device_feature_select = cpu_to_le32(regs->device_feature_select);
	cfg->device_feature = cpu_to_le32(kvlane_feature_word(dev->offered,
							      regs->device_feature_select));
	cfg->guest_feature_select = cpu_to_le32(regs->driver_feature_select);
	cfg->guest_feature = cpu_to_le32(kvlane_feature_word(dev->accepted,
							     regs->driver_feature_select));
	cfg->msix_config = cpu_to_le16(regs->config_vector);
	cfg->num_queues = cpu_to_le16(dev->num_queues);
	cfg->device_status = kvlane_regs_status(dev);
	cfg->config_generation = regs->generation;
	cfg->queue_select = cpu_to_le16(regs->queue_select);
	cfg->queue_msix_vector = cpu_to_le16(VIRTIO_MSI_NO_VECTOR);
	if (q)
		kvlane_common_image_queue(q, image);
}

static bool kvlane_features_ok(const struct kvlane_device *dev)
{
	return !(dev->accepted & ~dev->offered) &&
	       dev->accepted & BIT_ULL(VIRTIO_F_VERSION_1);
}

/**
 * kvlane_regs_set_status - the driver writes the device status
 * @dev: the device, whose lock is held
 * @value: what it writes
 *
 * Bits are only ever added; 0 is a reset. A step out of order (virtio 1.2,
 * section 3.1.1) does not take place, which the driver sees as it reads back.
 */
void kvlane_regs_set_status(struct kvlane_device *dev, u8 value)
{
	struct kvlane_registers *regs = &dev->regs;
	u8 add;

	if (!value) {
		kvlane_device_reset(dev);
		return;
	}

	add = value & KVLANE_STATUS_DRIVER & ~regs->status;
	if (add & VIRTIO_CONFIG_S_FEATURES_OK && !kvlane_features_ok(dev))
		add &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((regs->status | add) & VIRTIO_CONFIG_S_FEATURES_OK))
		add &= ~VIRTIO_CONFIG_S_DRIVER_OK;

	regs->status |= add;
	if (add & VIRTIO_CONFIG_S_FEATURES_OK && dev->ops->features_ok)
		dev->ops->features_ok(dev);
	if (add & VIRTIO_CONFIG_S_DRIVER_OK)
		kvlane_device_start(dev);
}

static void kvlane_write_features(struct kvlane_device *dev, u32 value)
{
	u32 select = dev->regs.driver_feature_select;
	u64 mask;

	if (select > 1 || dev->regs.status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	mask = GENMASK_ULL(31, 0) << (select * 32);
	dev->accepted = (dev->accepted & ~mask) | (u64)value << (select * 32);
}

/* A vector the device does not have reads back as VIRTIO_MSI_NO_VECTOR. */
static u16 kvlane_vector(const struct kvlane_device *dev, u16 value)
{
	return value < dev->irq.nr ? value : VIRTIO_MSI_NO_VECTOR;
}

static void kvlane_write_queue_enable(struct kvlane_queue *q, u16 value)
{
	if (value != 1 || q->enabled)
		return;
	q->enabled = true;
	if (q->dev->regs.status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !kvlane_device_broken(q->dev))
		kvlane_queue_start(q);
}

/*
 * Virtio 1.2, section 2.6.1. The reset is over when the write is, so the field
 * always reads zero.
 */
static void kvlane_write_queue_reset(struct kvlane_queue *q, u16 value)
{
	if (value != 1 || !(q->dev->accepted & BIT_ULL(VIRTIO_F_RING_RESET)))
		return;
	kvlane_queue_stop(q);
	kvlane_queue_reset(q);
}

/* Has the driver decided on packed rings, for good? */
static bool kvlane_packed(const struct kvlane_device *dev)
{
	return dev->regs.status & VIRTIO_CONFIG_S_FEATURES_OK &&
	       dev->accepted & BIT_ULL(VIRTIO_F_RING_PACKED);
}

/* Only split rings need a power of two, virtio 1.2, sections 2.7 and 2.8.10.1. */
static void kvlane_write_queue_size(struct kvlane_queue *q, u16 value)
{
	if (value && value <= q->dev->queue_size &&
	    (is_power_of_2(value) || kvlane_packed(q->dev)))
		q->size = value;
}

static void kvlane_set_half(u64 *reg, u32 value, bool high)
{
	if (high)
		*reg = (u64)value << 32 | lower_32_bits(*reg);
	else
		*reg = (*reg & GENMASK_ULL(63, 32)) | value;
}

/* Fields that may only change while the queue is not enabled. */
static void kvlane_write_queue_setup(struct kvlane_queue *q, u32 offset,
				     u32 value)
{
	if (q->enabled)
		return;
	switch (offset) {
	case COMMON(cfg.queue_size):
		kvlane_write_queue_size(q, value);
		break;
	case COMMON(cfg.queue_desc_lo):
	case COMMON(cfg.queue_desc_hi):
		kvlane_set_half(&q->desc, value, offset & 4);
		break;
	case COMMON(cfg.queue_avail_lo):
	case COMMON(cfg.queue_avail_hi):
		kvlane_set_half(&q->driver, value, offset & 4);
		break;
	case COMMON(cfg.queue_used_lo):
	case COMMON(cfg.queue_used_hi):
		kvlane_set_half(&q->device, value, offset & 4);
		break;
	}
}

static void kvlane_write_queue(struct kvlane_device *dev, u32 offset, u32 value)
{
	struct kvlane_queue *q = kvlane_regs_queue(dev);

	if (!q)
		return;
	switch (offset) {
	case COMMON(cfg.queue_msix_vector):
		WRITE_ONCE(q->vector, kvlane_vector(dev, value));
		break;
	case COMMON(cfg.queue_enable):
		kvlane_write_queue_enable(q, value);
		break;
	case COMMON(queue_reset):
		kvlane_write_queue_reset(q, value);
		break;
	default:
		kvlane_write_queue_setup(q, offset, value);
		break;
	}
}

static void kvlane_write_field(struct kvlane_device *dev, u32 offset, u32 value)
{
	struct kvlane_registers *regs = &dev->regs;

	switch (offset) {
	case COMMON(cfg.device_feature_select):
		regs->device_feature_select = value;
		break;
	case COMMON(cfg.guest_feature_select):
		regs->driver_feature_select = value;
		break;
	case COMMON(cfg.guest_feature):
		kvlane_write_features(dev, value);
		break;
	case COMMON(cfg.msix_config):
		WRITE_ONCE(regs->config_vector, kvlane_vector(dev, value));
		break;
	case COMMON(cfg.device_status):
		kvlane_regs_set_status(dev, value);
		break;
	case COMMON(cfg.queue_select):
		regs->queue_select = value;
		break;
	default:
		kvlane_write_queue(dev, offset, value);
		break;
	}
}

/* Bytes of the field that begins at @offset, 64-bit ones counted as two. */
static u32 kvlane_field_size(u32 offset)
{
	if (offset < COMMON(cfg.msix_config))
		return 4;
	if (offset == COMMON(cfg.device_status) ||
	    offset == COMMON(cfg.config_generation))
		return 1;
	if (offset >= COMMON(cfg.queue_desc_lo) &&
	    offset < COMMON(queue_notify_data))
		return 4;
	return 2;
}

/* Virtio 1.2, section 4.1.3.1: fields are written whole, 64-bit ones in halves. */
static void kvlane_write_common(struct kvlane_device *dev, u32 offset,
				u64 value, size_t len)
{
	if (len == 8 && kvlane_field_size(offset) == 4) {
		kvlane_write_field(dev, offset, lower_32_bits(value));
		kvlane_write_field(dev, offset + 4, upper_32_bits(value));
	} else if (len == kvlane_field_size(offset)) {
		kvlane_write_field(dev, offset, value);
	}
}

static void kvlane_read_common(struct kvlane_device *dev, u32 offset, void *buf,
			       size_t len)
{
	struct virtio_pci_modern_common_cfg image;

	if (offset + len > sizeof(image))
		return;
	kvlane_common_image(dev, &image);
	memcpy(buf, (u8 *)&image + offset, len);
}

static void kvlane_window_read(struct kvlane_device *dev, u32 offset,
			       void *buf, size_t len)
{
	if (offset >= KVLANE_WINDOW_NOTIFY)
		return;
	if (offset >= KVLANE_WINDOW_CONFIG)
		dev->ops->read_config(dev, offset - KVLANE_WINDOW_CONFIG, buf,
				      len);
	else if (offset == KVLANE_WINDOW_ISR)
		*(u8 *)buf = atomic_xchg(&dev->irq.isr, 0);
	else if (offset < KVLANE_WINDOW_ISR)
		kvlane_read_common(dev, offset, buf, len);
}

static void kvlane_window_write(struct kvlane_device *dev, u32 offset,
				u64 value, size_t len)
{
	if (offset >= KVLANE_WINDOW_CONFIG)
		dev->ops->write_config(dev, offset - KVLANE_WINDOW_CONFIG,
				       &value, len);
	else if (offset + len <= sizeof(struct virtio_pci_modern_common_cfg))
		kvlane_write_common(dev, offset, value, len);
}

/* Outside the lock: a kick must not wait for a reset of another queue. */
static void kvlane_notify(struct kvlane_device *dev, u32 offset)
{
	u32 index = offset / KVLANE_NOTIFY_MULTIPLIER;

	if (index < dev->num_queues) {
		index = array_index_nospec(index, dev->num_queues);
		kvlane_queue_kick(&dev->queues[index]);
	}
}

static bool kvlane_window_access_ok(size_t len, loff_t offset)
{
	return len <= 8 && is_power_of_2(len) && IS_ALIGNED(offset, len) &&
	       offset >= 0 && offset < KVLANE_WINDOW_SIZE;
}

/**
 * kvlane_regs_read - pread() of the register window
 * @dev: the device
 * @buf: user memory
 * @len: 1, 2, 4 or 8
 * @offset: in the window, a multiple of @len
 *
 * Return: @len or a negative errno. What is not there reads as zero.
 */
ssize_t kvlane_regs_read(struct kvlane_device *dev, char __user *buf,
			 size_t len, loff_t offset)
{
	u8 value[8] = {};

	if (!kvlane_window_access_ok(len, offset))
		return -EINVAL;

	mutex_lock(&dev->lock);
	dev->exits++;
	kvlane_window_read(dev, offset, value, len);
	mutex_unlock(&dev->lock);

	return copy_to_user(buf, value, len) ? -EFAULT : len;
}

/**
 * kvlane_regs_write - pwrite() to the register window
 * @dev: the device
 * @buf: user memory
 * @len: 1, 2, 4 or 8
 * @offset: in the window, a multiple of @len
 *
 * Return: @len or a negative errno. Writes that make no sense are ignored.
 */
ssize_t kvlane_regs_write(struct kvlane_device *dev, const char __user *buf,
			  size_t len, loff_t offset)
{
	__le64 value = 0;

	if (!kvlane_window_access_ok(len, offset))
		return -EINVAL;
	if (copy_from_user(&value, buf, len))
		return -EFAULT;

	if (offset >= KVLANE_WINDOW_NOTIFY) {
		kvlane_notify(dev, offset - KVLANE_WINDOW_NOTIFY);
		return len;
	}

	mutex_lock(&dev->lock);
	dev->exits++;
	kvlane_window_write(dev, offset, le64_to_cpu(value), len);
	mutex_unlock(&dev->lock);
	return len;
}
