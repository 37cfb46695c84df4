// SPDX-License-Identifier: GPL-2.0-only
/*
 * The descriptors behind a network device: queues of tap and macvtap devices, and
 * packet sockets.
 *
 * The functions that find the socket of such a file belong to modules that need
 * not be loaded. They are looked up when they are needed: where a module is
 * missing, no descriptor can be of its kind. An open file then keeps its module
 * in place.
 *
 * What the guest's driver can take goes down by TUNSETOFFLOAD, whose argument is a
 * number, not an address.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <linux/if_tap.h>
#include <linux/if_tun.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <net/sock.h>

#include "net.h"

/* Offloads a driver can be given, by what the tap is asked for. */
static const struct {
	unsigned int flag;
	u64 feature;
} kvlane_net_offload_map[] = {
	{ TUN_F_CSUM, BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) },
	{ TUN_F_TSO4, BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) },
	{ TUN_F_TSO6, BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) },
	{ TUN_F_TSO_ECN, BIT_ULL(VIRTIO_NET_F_GUEST_ECN) },
	{ TUN_F_USO4, BIT_ULL(VIRTIO_NET_F_GUEST_USO4) },
	{ TUN_F_USO6, BIT_ULL(VIRTIO_NET_F_GUEST_USO6) },
};

/**
 * kvlane_net_offloads - what a tap may do to packets
 * @guest: VIRTIO_NET_F_GUEST_* bits of the driver
 *
 * Return: TUN_F_* bits. Those whose condition is not met are left out (virtio 1.2,
 * section 5.1.3.1), and a tap knows segmentation of UDP for both versions of IP or
 * for none.
 */
unsigned int kvlane_net_offloads(u64 guest)
{
	const unsigned int uso = TUN_F_USO4 | TUN_F_USO6;
	unsigned int offloads = 0;
	int i;

	if (!(guest & BIT_ULL(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	for (i = 0; i < ARRAY_SIZE(kvlane_net_offload_map); i++)
		if (guest & kvlane_net_offload_map[i].feature)
			offloads |= kvlane_net_offload_map[i].flag;
	if (!(offloads & (TUN_F_TSO4 | TUN_F_TSO6)))
		offloads &= ~TUN_F_TSO_ECN;
	if ((offloads & uso) != uso)
		offloads &= ~uso;
	return offloads;
}

/* Asks the module a file may belong to, if it is there, for what is inside. */
static int kvlane_net_end_ask(struct kvlane_net_end *end,
			      struct socket *(*get_socket)(struct file *file),
			      struct ptr_ring *(*get_ring)(struct file *file))
{
	if (!get_socket || !get_ring)
		return -EINVAL;
	end->sock = get_socket(end->file);
	end->ring = get_ring(end->file);
	return PTR_ERR_OR_ZERO(end->sock) ?: PTR_ERR_OR_ZERO(end->ring);
}

static int kvlane_net_end_tun(struct kvlane_net_end *end)
{
	typeof(&tun_get_socket) get_socket = symbol_get(tun_get_socket);
	typeof(&tun_get_tx_ring) get_ring = symbol_get(tun_get_tx_ring);
	int err = kvlane_net_end_ask(end, get_socket, get_ring);

	if (get_socket)
		symbol_put(tun_get_socket);
	if (get_ring)
		symbol_put(tun_get_tx_ring);
	end->kind = KVLANE_NET_TUN;
	return err;
}

static int kvlane_net_end_tap(struct kvlane_net_end *end)
{
	typeof(&tap_get_socket) get_socket = symbol_get(tap_get_socket);
	typeof(&tap_get_ptr_ring) get_ring = symbol_get(tap_get_ptr_ring);
	int err = kvlane_net_end_ask(end, get_socket, get_ring);

	if (get_socket)
		symbol_put(tap_get_socket);
	if (get_ring)
		symbol_put(tap_get_ptr_ring);
	end->kind = KVLANE_NET_TAP;
	return err;
}

static int kvlane_net_end_packet(struct kvlane_net_end *end)
{
	struct socket *sock = sock_from_file(end->file);

	if (!sock || sock->type != SOCK_RAW || sock->sk->sk_family != AF_PACKET)
		return -EINVAL;
	end->sock = sock;
	end->ring = NULL;
	end->kind = KVLANE_NET_PACKET_SOCKET;
	return 0;
}

static int kvlane_net_end_open(struct kvlane_net_end *end, int fd)
{
	int err;

	end->file = fget(fd);
	if (!end->file)
		return -EBADF;
	err = kvlane_net_end_tun(end);
	if (err == -EINVAL)
		err = kvlane_net_end_tap(end);
	if (err == -EINVAL)
		err = kvlane_net_end_packet(end);
	return err;
}

/**
 * kvlane_net_ends_close - let go of descriptors
 * @ends: the descriptors, some perhaps not open
 * @nr: elements of @ends
 */
void kvlane_net_ends_close(struct kvlane_net_end *ends, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (ends[i].file)
			fput(ends[i].file);
}

static bool kvlane_net_end_twice(const struct kvlane_net_end *ends, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (ends[i].file == ends[nr].file)
			return true;
	return false;
}

/**
 * kvlane_net_ends_open - take hold of the descriptors of a back end
 * @ends: zeroed; filled in
 * @fds: user address of an array of descriptors
 * @nr: elements of both
 *
 * Return: 0; -EFAULT; -EBADF; -EINVAL for what is no tap and no packet socket, or
 * comes twice. kvlane_net_ends_close() is right in any case.
 */
int kvlane_net_ends_open(struct kvlane_net_end *ends, u64 fds, u32 nr)
{
	const s32 __user *from = u64_to_user_ptr(fds);
	int err;
	s32 fd;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (get_user(fd, from + i))
			return -EFAULT;
		err = kvlane_net_end_open(&ends[i], fd);
		if (err)
			return err;
		if (kvlane_net_end_twice(ends, i))
			return -EINVAL;
	}
	return 0;
}

/**
 * kvlane_net_end_offload - say what the driver can take
 * @end: the descriptor
 * @offloads: TUN_F_* bits
 *
 * Return: 0; -EINVAL for a bit the tap does not know; another negative errno if
 * its network device is gone.
 */
int kvlane_net_end_offload(const struct kvlane_net_end *end, unsigned int offloads)
{
	struct file *file = end->file;

	if (end->kind == KVLANE_NET_PACKET_SOCKET)
		return 0;
	return file->f_op->unlocked_ioctl(file, TUNSETOFFLOAD, offloads);
}

static int kvlane_net_tell_all(struct kvlane_net *net, unsigned int offloads)
{
	int err;
	u32 i;

	net->offloads = offloads;
	for (i = 0; i < net->max_pairs; i++) {
		err = kvlane_net_end_offload(&net->ports[i].end, offloads);
		if (err == -EINVAL)
			return err;
		if (err)
			kvlane_net_lost(net, 2 * i);
	}
	return 0;
}

/**
 * kvlane_net_tell - tell the taps which offloads are in force, if that is news to them
 * @net: the device
 *
 * Return: 0 or a negative errno; a network device that is gone is no error.
 */
int kvlane_net_tell(struct kvlane_net *net)
{
	unsigned int offloads;
	int err = 0;

	mutex_lock(&net->offload_lock);
	offloads = net->header_len ? kvlane_net_offloads(READ_ONCE(net->guest)) : 0;
	if (offloads != net->offloads && !atomic_read(&net->lost))
		err = kvlane_net_tell_all(net, offloads);
	mutex_unlock(&net->offload_lock);
	return err;
}

/**
 * kvlane_net_offload - put offloads towards the guest into force
 * @net: the device
 * @guest: VIRTIO_NET_F_GUEST_* bits of the driver
 *
 * Taps are told under rtnl_lock. The host's own driver, which comes by vDPA, holds that
 * while it waits for its control queue or has the device begin; for such a device it is done
 * soon. Until then packets come that the driver does not take, and are dropped.
 *
 * Return: as kvlane_net_tell().
 */
int kvlane_net_offload(struct kvlane_net *net, u64 guest)
{
	WRITE_ONCE(net->guest, guest);
	if (!net->dev->vdpa)
		return kvlane_net_tell(net);
	queue_work(system_dfl_wq, &net->below);
	return 0;
}

static bool kvlane_net_socket_gone(const struct kvlane_net_end *end)
{
	struct sockaddr_ll addr = {};

	/* Not before the socket has heard of it, too. */
	rtnl_lock();
	kernel_getsockname(end->sock, (struct sockaddr *)&addr);
	rtnl_unlock();
	return addr.sll_ifindex == -1;
}

/* A tap is told again what it knows, and has nobody to tell it to any more. */
static bool kvlane_net_end_gone(struct kvlane_net *net, const struct kvlane_net_end *end)
{
	bool gone;

	mutex_lock(&net->offload_lock);
	if (end->kind == KVLANE_NET_PACKET_SOCKET)
		gone = kvlane_net_socket_gone(end);
	else
		gone = kvlane_net_end_offload(end, net->offloads) < 0;
	mutex_unlock(&net->offload_lock);
	return gone;
}

static void kvlane_net_port_look(struct kvlane_net_port *port)
{
	if (!READ_ONCE(port->check))
		return;
	WRITE_ONCE(port->check, false);
	if (!atomic_read(&port->net->lost) && kvlane_net_end_gone(port->net, &port->end))
		kvlane_net_lost(port->net, port->queue->index);
}

/**
 * kvlane_net_port_check - see whether the network device below is still there
 * @port: the pair; lane context of its receive queue
 */
void kvlane_net_port_check(struct kvlane_net_port *port)
{
	if (!port->net->dev->vdpa)
		kvlane_net_port_look(port);
}

/**
 * kvlane_net_below - what a lane would do under rtnl_lock, and the locks of a device for
 *	vDPA are not held over
 * @work: kvlane_net.below
 */
void kvlane_net_below(struct work_struct *work)
{
	struct kvlane_net *net = container_of(work, struct kvlane_net, below);
	u32 i;

	kvlane_net_tell(net);
	for (i = 0; i < net->max_pairs; i++)
		kvlane_net_port_look(&net->ports[i]);
}

static int kvlane_net_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			   void *key)
{
	struct kvlane_net_port *port = container_of(wait, struct kvlane_net_port,
						    wait);
	__poll_t events = key ? key_to_poll(key) : EPOLLIN | EPOLLOUT;

	if (events & EPOLLOUT)
		kvlane_net_tx_room(port);
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return 0;
	/*
	 * The packet before the question; pairs with kvlane_net_rx_fed() and
	 * kvlane_hold_receive().
	 */
	smp_mb();
	if (!READ_ONCE(port->rx.starved) && !READ_ONCE(port->queue->hold.since_ns))
		kvlane_lane_wake(&port->queue->lane, KVLANE_WORK_MORE);
	return 0;
}

static void kvlane_net_found(struct file *file, wait_queue_head_t *wqh,
			     poll_table *table)
{
	struct kvlane_net_port *port = container_of(table, struct kvlane_net_port,
						    table);

	/* A file may have several queues; the first is the one of its packets. */
	if (port->wqh)
		return;
	port->wqh = wqh;
	add_wait_queue(wqh, &port->wait);
}

/**
 * kvlane_net_port_tie - have the receive lane woken for packets
 * @port: a pair with a descriptor
 */
void kvlane_net_port_tie(struct kvlane_net_port *port)
{
	port->wqh = NULL;
	init_waitqueue_func_entry(&port->wait, kvlane_net_wake);
	init_poll_funcptr(&port->table, kvlane_net_found);
	vfs_poll(port->end.file, &port->table);
}

/**
 * kvlane_net_port_untie - the opposite; no wake-up comes any more when it returns
 * @port: the pair
 */
void kvlane_net_port_untie(struct kvlane_net_port *port)
{
	if (port->wqh)
		remove_wait_queue(port->wqh, &port->wait);
	port->wqh = NULL;
}
