/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVLANE_DEVICE_H
#define KVLANE_DEVICE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/kvlane.h>

#include "../event.h"
#include "../irq.h"
#include "queue.h"

struct file;
struct kmem_cache;
struct kvlane_device;
struct kvlane_vdpa;
struct kvlane_vm;

/**
 * struct kvlane_device_ops - what makes a device of one virtio type
 * @type: virtio device type
 * @name: short name, for threads and tracing
 * @max_queues: most virtqueues
 * @max_segs: most buffers in a chain
 * @config_size: bytes of device configuration
 * @backend_size: bytes of the type's member in struct kvlane_backend
 * @request_size: bytes of the structure that begins with struct kvlane_request
 * @burst: finished requests that may be kept from the driver while there are new
 *	ones to begin; 0 to show it each at once
 * @keeps: a request may stay with the device for as long as it likes, which therefore
 *	cannot be suspended
 * @interruptible: @handle may wait for what never comes, unless it is interrupted
 *	and finds kvlane_queue.stopping set
 * @create: allocate and initialise kvlane_device.priv
 * @destroy: the opposite; the device is stopped
 * @hire: have threads beside those of the lanes, see kvlane_device_hire(); optional
 * @dismiss: the opposite; the device is stopped, and there may be none. Goes with @hire.
 * @set_backend: KVLANE_SET_BACKEND; the device is stopped. Sets
 *	kvlane_device.offered.
 * @has_backend: can DRIVER_OK be accepted?
 * @features_ok: the driver has chosen its features; optional
 * @reset: back to what the driver finds first; the device is stopped
 * @read_config: read device configuration; @len bytes at @offset exist not
 *	necessarily, what does not exist reads as zero
 * @write_config: the driver writes device configuration; bad writes are ignored
 * @set_link: KVLANE_SET_LINK, checked; optional
 * @get_rss: KVLANE_GET_RSS: fill in the structure, which is zero; optional
 * @call: what only this type's devices are asked for, by ioctl(): @cmd is one of those, and
 *	@argp not read yet. May wait; optional.
 * @release: the device is going away: have nobody wake its lanes any more, nor
 *	hand it new work. Optional.
 * @nr_requests: how many requests a queue needs, if not one for each descriptor;
 *	optional
 * @start: the queue begins to run; lane context. Optional.
 * @stop: the queue has ended to run: finish the requests that were kept or lent
 *	out, as far as they can be had back; lane context, or that of whoever stops
 *	the queue of a dead lane. Optional.
 * @handle: begin a request; lane context, may sleep only as long as memory
 *	takes. Must lead to kvlane_request_finish() or kvlane_request_done().
 * @flush: a batch of requests was handled; lane context. Optional.
 * @ask: let the back end finish what it is done with, see kvlane_request_ask(); lane
 *	context. Given the oldest such request, and returns false if there is no use
 *	in asking for that one. Optional.
 * @quota: how many requests may be begun now, at most KVLANE_BATCH; lane context.
 *	Optional.
 * @wait: there are requests and the quota is 0: have the lane woken when it is
 *	not any more; lane context. Goes with @quota; without it whoever gives a quota
 *	back wakes the lane each time.
 * @finish: the request is over: write what remains to be written to guest
 *	memory; lane context. Return 0, or -EFAULT if the driver's memory is gone.
 *	Not called for requests the driver has reset away.
 * @cost: how a request counts for a throttle; lane context. Returns false if it
 *	does not count. A type without it cannot be throttled.
 * @cancel: the lane has stopped running the queue: undo @wait. Goes with @wait.
 *
 * All but @call, @start, @stop, @ask, @quota, @wait, @handle, @flush, @cost and @finish are
 * called under kvlane_device.lock, or while nobody else knows of the device.
 */
struct kvlane_device_ops {
	u32 type;
	const char *name;
	u32 max_queues;
	u32 max_segs;
	u32 config_size;
	size_t backend_size;
	size_t request_size;
	u32 burst;
	bool keeps;
	bool interruptible;
	int (*create)(struct kvlane_device *dev);
	void (*destroy)(struct kvlane_device *dev);
	int (*hire)(struct kvlane_device *dev, bool kernel);
	void (*dismiss)(struct kvlane_device *dev);
	int (*set_backend)(struct kvlane_device *dev,
			   const struct kvlane_backend *backend);
	bool (*has_backend)(const struct kvlane_device *dev);
	void (*features_ok)(struct kvlane_device *dev);
	void (*reset)(struct kvlane_device *dev);
	void (*read_config)(struct kvlane_device *dev, u32 offset, void *buf,
			    u32 len);
	void (*write_config)(struct kvlane_device *dev, u32 offset,
			     const void *buf, u32 len);
	int (*set_link)(struct kvlane_device *dev, u32 flags);
	int (*get_rss)(struct kvlane_device *dev, struct kvlane_net_rss *rss);
	long (*call)(struct kvlane_device *dev, unsigned int cmd, void __user *argp);
	void (*release)(struct kvlane_device *dev);
	u32 (*nr_requests)(const struct kvlane_queue *q);
	void (*start)(struct kvlane_queue *q);
	void (*stop)(struct kvlane_queue *q);
	void (*handle)(struct kvlane_queue *q, struct kvlane_request *req);
	void (*flush)(struct kvlane_queue *q);
	bool (*ask)(struct kvlane_request *req);
	u32 (*quota)(struct kvlane_queue *q);
	void (*wait)(struct kvlane_queue *q);
	int (*finish)(struct kvlane_queue *q, struct kvlane_request *req);
	bool (*cost)(const struct kvlane_queue *q, const struct kvlane_request *req,
		     struct kvlane_cost *cost);
	void (*cancel)(struct kvlane_queue *q);
};

/**
 * struct kvlane_registers - what the common configuration keeps of itself
 * @device_feature_select: which 32 feature bits the driver reads
 * @driver_feature_select: which 32 it writes
 * @queue_select: which queue the queue fields are about
 * @config_vector: vector of configuration changes; read by lanes
 * @generation: of the device configuration
 * @status: device status, without DEVICE_NEEDS_RESET
 */
struct kvlane_registers {
	u32 device_feature_select;
	u32 driver_feature_select;
	u16 queue_select;
	u16 config_vector;
	u8 generation;
	u8 status;
};

/**
 * struct kvlane_device - a virtio device
 * @ref: one for each descriptor, one for a vDPA device
 * @vdpa: what makes it one for vDPA, or NULL
 * @vm: the guest it belongs to
 * @node: place in kvlane_vm.devices
 * @index: how many devices of @vm there were before
 * @ops: what type it is
 * @requests: slab cache its queues take their requests from
 * @lock: control path: registers, back end, starting and stopping. Lanes never
 *	take it, so it may be held while waiting for one.
 * @mask: feature bits its owner lets it offer
 * @offered: feature bits it offers
 * @accepted: feature bits the driver accepted
 * @regs: the common configuration
 * @broken: enum kvlane_reason; nonzero means DEVICE_NEEDS_RESET, which any lane
 *	may set and only a reset clears
 * @backend_failed: a KVLANE_EVENT_BACKEND_ERROR was sent since the last reset
 * @irq: interrupt vectors
 * @events: for the owner
 * @num_queues: elements of @queues
 * @lane_queues: neighbouring queues that share a thread, at least 1
 * @queue_size: most descriptors of a queue
 * @queues: the virtqueues
 * @throttle: what requests wait for, or NULL
 * @resets: see struct kvlane_stats
 * @needs_reset: see struct kvlane_stats
 * @exits: see struct kvlane_stats
 * @priv: the type's own
 */
struct kvlane_device {
	struct kref ref;
	struct kvlane_vdpa *vdpa;
	struct kvlane_vm *vm;
	struct list_head node;
	u32 index;
	const struct kvlane_device_ops *ops;
	struct kmem_cache *requests;
	struct mutex lock;
	u64 mask;
	u64 offered;
	u64 accepted;
	struct kvlane_registers regs;
	atomic_t broken;
	atomic_t backend_failed;
	struct kvlane_irq irq;
	struct kvlane_events events;
	u32 num_queues;
	u32 lane_queues;
	u16 queue_size;
	struct kvlane_queue *queues;
	struct kvlane_throttle *throttle;
	u64 resets;
	u64 needs_reset;
	u64 exits;
	void *priv;
};

extern const struct kvlane_device_ops kvlane_blk_ops;
extern const struct kvlane_device_ops kvlane_rng_ops;
extern const struct kvlane_device_ops kvlane_net_ops;
extern const struct kvlane_device_ops kvlane_balloon_ops;

int kvlane_types_init(void);
void kvlane_types_exit(void);
u64 kvlane_device_types(void);
long kvlane_device_create(struct kvlane_vm *vm, void __user *argp);
struct kvlane_device *kvlane_device_make(struct kvlane_vm *vm,
					 const struct kvlane_create_device *args);
int kvlane_device_open(struct kvlane_device *dev);
void kvlane_device_put(struct kvlane_device *dev);
int kvlane_device_hire(struct kvlane_device *dev, bool kernel);
void kvlane_device_dismiss(struct kvlane_device *dev);
void kvlane_devices_memory_changed(struct kvlane_vm *vm);

void kvlane_device_start(struct kvlane_device *dev);
void kvlane_device_reset(struct kvlane_device *dev);
void kvlane_device_break(struct kvlane_device *dev, u32 queue,
			 enum kvlane_reason reason);
void kvlane_device_config_changed(struct kvlane_device *dev);
void kvlane_device_backend_error(struct kvlane_device *dev, u32 queue, int error);
void kvlane_device_stalled(struct kvlane_device *dev, u32 queue, u32 inflight);

/* regs.c */
ssize_t kvlane_regs_read(struct kvlane_device *dev, char __user *buf,
			 size_t len, loff_t offset);
ssize_t kvlane_regs_write(struct kvlane_device *dev, const char __user *buf,
			  size_t len, loff_t offset);
void kvlane_regs_reset(struct kvlane_device *dev);
u8 kvlane_regs_status(const struct kvlane_device *dev);
void kvlane_regs_set_status(struct kvlane_device *dev, u8 value);

/* stats.c */
long kvlane_stats_get(struct kvlane_device *dev, void __user *argp);
long kvlane_set_lanes(struct kvlane_device *dev, void __user *argp);

/**
 * kvlane_device_broken - is the device in DEVICE_NEEDS_RESET?
 * @dev: the device
 */
static inline bool kvlane_device_broken(const struct kvlane_device *dev)
{
	return atomic_read(&dev->broken) != KVLANE_REASON_NONE;
}

#endif
