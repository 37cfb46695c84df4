// SPDX-License-Identifier: GPL-2.0-only
/*
 * Throttles: limits that the queues of one or more devices keep together.
 *
 * A queue asks before it begins a request (kvlane_turn_take()). If the limits do not
 * allow it yet, or others have waited for longer, the queue gets a place in the
 * throttle's list, and its lane may sleep. There are two directions, which have
 * limits of their own, so whose turn it is depends on the time:
 *
 *	The next one is the first in the list whose direction is ready.
 *
 * The timer wakes its lane when it is ready, and waits for it to take what it is
 * allowed to. Then the queue goes to the end of the list, and the next one is
 * called. So queues take turns, whatever their depth, reads and writes of one queue
 * too, and no request waits for ever for others to go first. A lane that is called
 * and does not come, because it is busy with its back end, or was killed, loses its
 * turn.
 *
 * Waking a lane for each request would cost more than the request. So a turn begins a
 * little after the limits allow it, when a few requests may go at once; a bucket
 * remembers the time that went by (bucket.h).
 *
 * Locking: the lock is taken by lanes and by the timer, in a soft interrupt. The
 * list holds no reference to a queue: a queue leaves it before it is stopped.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/kvlane.h>

#include "../lane.h"
#include "bucket.h"
#include "throttle.h"

/* How long after it is allowed a turn begins: at most a thousand a second. */
#define KVLANE_TURN_DELAY_NS	NSEC_PER_MSEC

/* How long a lane that was called has time to come. */
#define KVLANE_TURN_PATIENCE_NS	(10 * NSEC_PER_MSEC)

/* Requests in one turn while others wait: not so many that they notice. */
#define KVLANE_TURN_MOST	8

/**
 * struct kvlane_throttle - limits, and who waits for them
 * @ref: of the descriptor and of each device
 * @lock: of all that follows
 * @limits: as they were set
 * @meters: @limits and how far they are used up
 * @turns: who waits, in order
 * @timer: calls the next one
 * @ops: see struct kvlane_limits
 * @bytes: see struct kvlane_limits
 * @delayed: see struct kvlane_limits
 */
struct kvlane_throttle {
	struct kref ref;
	spinlock_t lock;
	struct kvlane_rate limits[KVLANE_NR_LIMITS];
	struct kvlane_meter meters[KVLANE_NR_LIMITS];
	struct list_head turns;
	struct hrtimer timer;
	u64 ops;
	u64 bytes;
	u64 delayed;
};

/* The limits a request in a direction has to keep. */
static const struct {
	enum kvlane_limit ops[2];
	enum kvlane_limit bytes[2];
} kvlane_direction_limits[KVLANE_DIRECTIONS] = {
	[KVLANE_READ] = {
		.ops = { KVLANE_LIMIT_OPS, KVLANE_LIMIT_OPS_READ },
		.bytes = { KVLANE_LIMIT_BYTES, KVLANE_LIMIT_BYTES_READ },
	},
	[KVLANE_WRITE] = {
		.ops = { KVLANE_LIMIT_OPS, KVLANE_LIMIT_OPS_WRITE },
		.bytes = { KVLANE_LIMIT_BYTES, KVLANE_LIMIT_BYTES_WRITE },
	},
};

/* When the next request in a direction may begin. */
static u64 kvlane_throttle_ready(const struct kvlane_throttle *t,
				 enum kvlane_direction direction)
{
	typeof(&kvlane_direction_limits[0]) limits =
		&kvlane_direction_limits[direction];
	u64 ready = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(limits->ops); i++) {
		ready = max(ready, kvlane_meter_ready(&t->meters[limits->ops[i]]));
		ready = max(ready, kvlane_meter_ready(&t->meters[limits->bytes[i]]));
	}
	return ready;
}

static void kvlane_throttle_charge(struct kvlane_throttle *t, const enum kvlane_limit limits[2],
				   u64 units, u64 now)
{
	kvlane_meter_charge(&t->meters[limits[0]], units, now);
	kvlane_meter_charge(&t->meters[limits[1]], units, now);
}

static void kvlane_throttle_charge_op(struct kvlane_throttle *t,
				      enum kvlane_direction direction, u64 now)
{
	kvlane_throttle_charge(t, kvlane_direction_limits[direction].ops, 1, now);
	t->ops++;
}

static void kvlane_throttle_charge_bytes(struct kvlane_throttle *t,
					 enum kvlane_direction direction, u64 bytes, u64 now)
{
	kvlane_throttle_charge(t, kvlane_direction_limits[direction].bytes, bytes, now);
	t->bytes += bytes;
}

/* Whose turn it is now, or NULL. */
static struct kvlane_turn *kvlane_throttle_next(const struct kvlane_throttle *t,
						u64 now)
{
	bool ready[KVLANE_DIRECTIONS];
	struct kvlane_turn *turn;
	int i;

	for (i = 0; i < KVLANE_DIRECTIONS; i++)
		ready[i] = kvlane_throttle_ready(t, i) <= now;
	list_for_each_entry(turn, &t->turns, node)
		if (ready[turn->direction])
			return turn;
	return NULL;
}

/* When a turn may begin, if there is nobody whose turn it is now. */
static u64 kvlane_throttle_later(const struct kvlane_throttle *t)
{
	const struct kvlane_turn *turn;
	u64 later = KTIME_MAX;

	list_for_each_entry(turn, &t->turns, node)
		later = min(later, kvlane_throttle_ready(t, turn->direction));
	return later + KVLANE_TURN_DELAY_NS;
}

/* The list or the limits have changed: when has the timer to look? */
static void kvlane_throttle_arm(struct kvlane_throttle *t, u64 now)
{
	const struct kvlane_turn *next;
	u64 at = now;

	if (list_empty(&t->turns))
		return;
	next = kvlane_throttle_next(t, now);
	if (!next)
		at = kvlane_throttle_later(t);
	else if (next->called_ns)
		at = next->called_ns + KVLANE_TURN_PATIENCE_NS;
	hrtimer_start(&t->timer, ns_to_ktime(at), HRTIMER_MODE_ABS_SOFT);
}

/* To the end of the list, or out of it if nobody would come. */
static void kvlane_throttle_pass_over(struct kvlane_throttle *t,
				      struct kvlane_turn *turn)
{
	turn->taken = 0;
	turn->called_ns = 0;
	if (kvlane_lane_dead(turn->lane))
		list_del_init(&turn->node);
	else
		list_move_tail(&turn->node, &t->turns);
}

static void kvlane_throttle_call(struct kvlane_throttle *t, u64 now)
{
	struct kvlane_turn *next = kvlane_throttle_next(t, now);

	if (next && next->called_ns &&
	    next->called_ns + KVLANE_TURN_PATIENCE_NS <= now) {
		kvlane_throttle_pass_over(t, next);
		next = kvlane_throttle_next(t, now);
	}
	if (next && !next->called_ns) {
		next->called_ns = now;
		kvlane_lane_wake(next->lane, KVLANE_WORK_MORE);
	}
}

static enum hrtimer_restart kvlane_throttle_timer(struct hrtimer *timer)
{
	struct kvlane_throttle *t = container_of(timer, struct kvlane_throttle, timer);
	u64 now;

	spin_lock(&t->lock);
	now = ktime_get_ns();
	kvlane_throttle_call(t, now);
	kvlane_throttle_arm(t, now);
	spin_unlock(&t->lock);
	return HRTIMER_NORESTART;
}

/**
 * kvlane_turn_init - prepare to ask a throttle
 * @turn: in a queue
 * @lane: the queue's
 * @direction: of the requests @turn is for
 */
void kvlane_turn_init(struct kvlane_turn *turn, struct kvlane_lane *lane,
		      enum kvlane_direction direction)
{
	*turn = (struct kvlane_turn){ .lane = lane, .direction = direction };
	INIT_LIST_HEAD(&turn->node);
}

/* May a request begin, or does somebody else go first? */
static bool kvlane_turn_is_now(const struct kvlane_turn *turn, u64 now)
{
	const struct kvlane_throttle *t = turn->throttle;
	const struct kvlane_turn *next;

	if (kvlane_throttle_ready(t, turn->direction) > now)
		return false;
	next = kvlane_throttle_next(t, now);
	return !next || next == turn;
}

static void kvlane_turn_end(struct kvlane_turn *turn)
{
	turn->taken = 0;
	turn->called_ns = 0;
	list_move_tail(&turn->node, &turn->throttle->turns);
}

/* One more in this turn; it is the last one if others wait and it had enough. */
static void kvlane_turn_count(struct kvlane_turn *turn, u64 now)
{
	if (list_empty(&turn->node) || ++turn->taken < KVLANE_TURN_MOST ||
	    list_is_singular(&turn->throttle->turns))
		return;
	kvlane_turn_end(turn);
	kvlane_throttle_arm(turn->throttle, now);
}

static void kvlane_turn_wait(struct kvlane_turn *turn, u64 now)
{
	turn->called_ns = 0;
	if (list_empty(&turn->node) || turn->taken)
		kvlane_turn_end(turn);
	kvlane_throttle_arm(turn->throttle, now);
}

/**
 * kvlane_turn_take - begin a request, if that is allowed
 * @turn: of a queue; lane context
 * @bytes: of data, below 2^33
 * @waited: it was not allowed before
 *
 * Return: true if the request may begin; it counts. Otherwise the lane is woken
 * when it is to ask again, unless kvlane_turn_leave() comes first.
 */
bool kvlane_turn_take(struct kvlane_turn *turn, u64 bytes, bool waited)
{
	struct kvlane_throttle *t = turn->throttle;
	bool may;
	u64 now;

	if (!t)
		return true;
	spin_lock_bh(&t->lock);
	now = ktime_get_ns();
	may = kvlane_turn_is_now(turn, now);
	if (may) {
		t->delayed += waited;
		kvlane_throttle_charge_op(t, turn->direction, now);
		kvlane_throttle_charge_bytes(t, turn->direction, bytes, now);
		kvlane_turn_count(turn, now);
	} else {
		kvlane_turn_wait(turn, now);
	}
	spin_unlock_bh(&t->lock);
	return may;
}

/**
 * kvlane_turn_charge - a request that has begun is more than it looked
 * @turn: of a queue; lane context
 * @bytes: by so much, below 2^33
 *
 * What comes after it waits the longer.
 */
void kvlane_turn_charge(struct kvlane_turn *turn, u64 bytes)
{
	struct kvlane_throttle *t = turn->throttle;

	if (!t)
		return;
	spin_lock_bh(&t->lock);
	kvlane_throttle_charge_bytes(t, turn->direction, bytes, ktime_get_ns());
	spin_unlock_bh(&t->lock);
}

/**
 * kvlane_turn_leave - nothing waits any more
 * @turn: of a queue; lane context
 */
void kvlane_turn_leave(struct kvlane_turn *turn)
{
	struct kvlane_throttle *t = turn->throttle;

	/* Only the lane itself puts it into the list. */
	if (!t || list_empty(&turn->node))
		return;
	spin_lock_bh(&t->lock);
	list_del_init(&turn->node);
	turn->taken = 0;
	turn->called_ns = 0;
	kvlane_throttle_arm(t, ktime_get_ns());
	spin_unlock_bh(&t->lock);
}

static void kvlane_throttle_free(struct kref *ref)
{
	struct kvlane_throttle *t = container_of(ref, struct kvlane_throttle, ref);

	hrtimer_cancel(&t->timer);
	kfree(t);
}

/**
 * kvlane_throttle_put - drop a reference
 * @throttle: a throttle, or NULL; process context
 */
void kvlane_throttle_put(struct kvlane_throttle *throttle)
{
	if (throttle)
		kref_put(&throttle->ref, kvlane_throttle_free);
}

static int kvlane_limits_check(const struct kvlane_limits *limits)
{
	int i, err = 0;

	if (limits->flags || limits->reserved0 || limits->ops || limits->bytes ||
	    limits->delayed || limits->waiting ||
	    memchr_inv(limits->reserved, 0, sizeof(limits->reserved)))
		return -EINVAL;
	for (i = 0; i < KVLANE_NR_LIMITS && !err; i++)
		err = kvlane_meter_check(&limits->limits[i]);
	return err;
}

static long kvlane_limits_set(struct kvlane_throttle *t, const void __user *argp)
{
	struct kvlane_limits limits;
	u64 now;
	int i, err;

	if (copy_from_user(&limits, argp, sizeof(limits)))
		return -EFAULT;
	err = kvlane_limits_check(&limits);
	if (err)
		return err;

	spin_lock_bh(&t->lock);
	now = ktime_get_ns();
	memcpy(t->limits, limits.limits, sizeof(t->limits));
	for (i = 0; i < KVLANE_NR_LIMITS; i++)
		kvlane_meter_set(&t->meters[i], &t->limits[i], now);
	kvlane_throttle_arm(t, now);
	spin_unlock_bh(&t->lock);
	return 0;
}

static long kvlane_limits_get(struct kvlane_throttle *t, void __user *argp)
{
	struct kvlane_limits limits = {};

	spin_lock_bh(&t->lock);
	memcpy(limits.limits, t->limits, sizeof(limits.limits));
	limits.ops = t->ops;
	limits.bytes = t->bytes;
	limits.delayed = t->delayed;
	limits.waiting = list_count_nodes(&t->turns);
	spin_unlock_bh(&t->lock);
	return copy_to_user(argp, &limits, sizeof(limits)) ? -EFAULT : 0;
}

static long kvlane_throttle_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	struct kvlane_throttle *t = file->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case KVLANE_SET_LIMITS:
		return kvlane_limits_set(t, argp);
	case KVLANE_GET_LIMITS:
		return kvlane_limits_get(t, argp);
	default:
		return -ENOTTY;
	}
}

static int kvlane_throttle_release(struct inode *inode, struct file *file)
{
	kvlane_throttle_put(file->private_data);
	return 0;
}

static const struct file_operations kvlane_throttle_fops = {
	.owner = THIS_MODULE,
	.release = kvlane_throttle_release,
	.unlocked_ioctl = kvlane_throttle_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/**
 * kvlane_throttle_get - the throttle behind a descriptor
 * @fd: from user space, or -1 for none
 *
 * Return: a reference, NULL for none, or an error pointer: -EBADF, or -EINVAL if
 * it is not a throttle.
 */
struct kvlane_throttle *kvlane_throttle_get(int fd)
{
	struct kvlane_throttle *t;
	struct file *file;

	if (fd == -1)
		return NULL;
	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &kvlane_throttle_fops) {
		t = file->private_data;
		kref_get(&t->ref);
	} else {
		t = ERR_PTR(-EINVAL);
	}
	fput(file);
	return t;
}

static struct kvlane_throttle *kvlane_throttle_alloc(void)
{
	struct kvlane_throttle *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	kref_init(&t->ref);
	spin_lock_init(&t->lock);
	INIT_LIST_HEAD(&t->turns);
	hrtimer_setup(&t->timer, kvlane_throttle_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_SOFT);
	return t;
}

/**
 * kvlane_throttle_create - KVLANE_CREATE_THROTTLE
 * @argp: struct kvlane_create_throttle in user memory
 *
 * Return: a descriptor, or a negative errno.
 */
long kvlane_throttle_create(void __user *argp)
{
	struct kvlane_create_throttle args;
	struct kvlane_throttle *t;
	int fd;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)))
		return -EINVAL;

	t = kvlane_throttle_alloc();
	if (!t)
		return -ENOMEM;
	fd = anon_inode_getfd("[kvlane-throttle]", &kvlane_throttle_fops, t,
			      O_RDWR | O_CLOEXEC);
	if (fd < 0)
		kvlane_throttle_put(t);
	return fd;
}
