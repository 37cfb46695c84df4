/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * kvlane - virtio devices for KVM guests, served by the kernel
 *
 * The interface is a tree of file descriptors, in the manner of KVM:
 *
 *	/dev/kvlane --KVLANE_CREATE_VM--> VM --KVLANE_CREATE_DEVICE--> device
 *	            |                       --KVLANE_CREATE_IOMMU--> iommu
 *	            --KVLANE_CREATE_THROTTLE--> throttle
 *	            --KVLANE_CREATE_VDPA, KVLANE_OPEN_VDPA--> device, for vDPA
 *
 * Rules that hold for every call:
 *
 *  - Every structure has a @flags field; a bit that is not defined here, and
 *    any reserved field that is not zero, is -EINVAL.
 *  - Files are passed as descriptors, never as paths.
 *  - A call that fails has changed nothing.
 *  - A VM belongs to the process (the address space) that created it. Calls
 *    on the VM, its devices and iommus from another address space are -EPERM, except
 *    read(), poll() and close(). A throttle belongs to whoever has a descriptor
 *    of it, so that guests of several processes can share one; so does a device for
 *    vDPA, whose guest is another process's.
 *  - Descriptors may be closed in any order. A device keeps its VM alive, and
 *    a VM keeps the KVM VM alive. Closing the last descriptor of a device
 *    stops it and waits for the I/O it has in flight.
 *  - All numbers in structures are in host byte order; the register window of
 *    a device is little-endian, as the virtio specification wants it.
 */
#ifndef _UAPI_LINUX_KVLANE_H
#define _UAPI_LINUX_KVLANE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * define KVLANE_API_VERSION - what KVLANE_GET_INFO reports as @api_version
 */
#define KVLANE_API_VERSION	1

/**
 * define KVLANE_IOC_MAGIC - type of all ioctl numbers
 */
#define KVLANE_IOC_MAGIC	0xbe

/**
 * define KVLANE_MAX_QUEUES - most virtqueues a device can have
 *
 * Enough for KVLANE_NET_MAX_PAIRS pairs and a control queue.
 */
#define KVLANE_MAX_QUEUES	129

/**
 * define KVLANE_MAX_QUEUE_SIZE - most descriptors a virtqueue can have
 */
#define KVLANE_MAX_QUEUE_SIZE	1024

/**
 * define KVLANE_MAX_VECTORS - most interrupt vectors a device can have
 */
#define KVLANE_MAX_VECTORS	130

/**
 * define KVLANE_MAX_REGIONS - most memory regions a VM can have
 */
#define KVLANE_MAX_REGIONS	128

/**
 * define KVLANE_VECTOR_LINE - stands for the interrupt line in KVLANE_SET_VECTOR
 *
 * The eventfd set here is signalled for a notification whose MSI-X vector the
 * driver left at VIRTIO_MSI_NO_VECTOR, after the bit in the ISR field is set.
 */
#define KVLANE_VECTOR_LINE	0xffff

/*
 * The register window of a device descriptor, for pread() and pwrite().
 * A VMM places the window in a BAR as it is, and forwards trapped accesses at
 * the same offsets. Accesses of 1, 2, 4 and 8 bytes, naturally aligned.
 */

/**
 * define KVLANE_WINDOW_COMMON - struct virtio_pci_common_cfg, virtio 1.2 4.1.4.3
 */
#define KVLANE_WINDOW_COMMON	0x0000
/**
 * define KVLANE_WINDOW_ISR - ISR status, cleared by reading, virtio 1.2 4.1.4.5
 */
#define KVLANE_WINDOW_ISR	0x1000
/**
 * define KVLANE_WINDOW_CONFIG - configuration of the device's type, virtio 1.2 4.1.4.6
 */
#define KVLANE_WINDOW_CONFIG	0x2000
/**
 * define KVLANE_WINDOW_NOTIFY - notify area, virtio 1.2 4.1.4.4
 */
#define KVLANE_WINDOW_NOTIFY	0x3000
/**
 * define KVLANE_WINDOW_SIZE - bytes in the window
 */
#define KVLANE_WINDOW_SIZE	0x4000
/**
 * define KVLANE_NOTIFY_MULTIPLIER - distance of two queues' notify addresses
 *
 * queue_notify_off of a queue is its index, so queue N is kicked by a write
 * to KVLANE_WINDOW_NOTIFY + N * KVLANE_NOTIFY_MULTIPLIER.
 */
#define KVLANE_NOTIFY_MULTIPLIER 4

/**
 * struct kvlane_info - what this module can do
 * @flags: in: zero
 * @api_version: out: KVLANE_API_VERSION of the module
 * @device_types: out: bit N is set if a device of virtio type N can be made
 * @max_queues: out: most virtqueues of a device
 * @max_queue_size: out: most descriptors of a virtqueue
 * @max_vectors: out: most interrupt vectors of a device
 * @max_regions: out: most memory regions of a VM
 * @reserved: in: zero
 *
 * KVLANE_GET_INFO on /dev/kvlane. Errors: -EFAULT, -EINVAL.
 */
struct kvlane_info {
	__u32 flags;
	__u32 api_version;
	__u64 device_types;
	__u32 max_queues;
	__u32 max_queue_size;
	__u32 max_vectors;
	__u32 max_regions;
	__u64 reserved[4];
};

/**
 * struct kvlane_create_vm - a new VM
 * @flags: zero
 * @kvm_fd: descriptor of a KVM VM, kept alive as long as this VM; or -1 for a
 *	VM without KVM
 * @reserved: zero
 *
 * KVLANE_CREATE_VM on /dev/kvlane. Returns the VM descriptor (close-on-exec).
 * Errors: -EBADF if @kvm_fd is no open descriptor, -EINVAL if it is not a KVM
 * VM, -EMFILE, -ENOMEM.
 */
struct kvlane_create_vm {
	__u32 flags;
	__s32 kvm_fd;
	__u64 reserved[3];
};

/**
 * struct kvlane_region - a range of guest memory
 * @gpa: guest physical address, page aligned
 * @size: bytes, page aligned, not zero
 * @hva: where the range is mapped in the caller's address space, page aligned
 * @flags: zero
 * @fd: the file mapped at @hva, a regular one (a memfd is) or a character device
 *	(DAX), or -1 if there is none to name
 * @offset: where in @fd the range begins, page aligned; zero without @fd
 */
struct kvlane_region {
	__u64 gpa;
	__u64 size;
	__u64 hva;
	__u32 flags;
	__s32 fd;
	__u64 offset;
};

/**
 * struct kvlane_set_memory - the guest memory of a VM
 * @flags: zero
 * @nr_regions: regions in the table, 0 to KVLANE_MAX_REGIONS
 * @regions: user address of an array of struct kvlane_region, in any order
 * @reserved: zero
 *
 * KVLANE_SET_MEMORY on a VM. Replaces the whole table in one step, with
 * devices running or not. When it returns no lane looks into the old table any
 * more; requests already submitted to a back end still end in the old memory,
 * which may be unmapped once kvlane_queue_stats.inflight was seen to be 0, or
 * the device was reset.
 * A running queue whose ring the new table does not hold any more puts its
 * device into DEVICE_NEEDS_RESET.
 *
 * IOMMUs of the VM map what is new and unmap what is gone; what stays where it was,
 * in guest physical and in user addresses, stays mapped throughout. Where a large page
 * has to be split for it see KVLANE_IOMMU_UNMAP; should that fail for want of memory,
 * more is unmapped than is gone.
 *
 * Errors: -EINVAL for an alignment, a size of zero, a range that wraps or
 * leaves the address space, an unknown flag; -EEXIST for two regions that
 * overlap in guest physical addresses; -E2BIG for too many; -EBADF for a bad
 * @fd, -EINVAL for one that cannot be memory; -EFAULT, -ENOMEM, -EPERM. With devices
 * attached to an IOMMU also -EBUSY if memory that it maps would be at another user
 * address: take it out first; and as for KVLANE_IOMMU_MAP.
 */
struct kvlane_set_memory {
	__u32 flags;
	__u32 nr_regions;
	__u64 regions;
	__u64 reserved[2];
};

/**
 * define KVLANE_MAX_DIRTY - most bytes of memory in a dirty log
 */
#define KVLANE_MAX_DIRTY	(16ULL << 40)

/**
 * struct kvlane_dirty_range - memory that is logged
 * @hva: user address, page aligned
 * @size: bytes, page aligned, not zero
 * @reserved: zero
 */
struct kvlane_dirty_range {
	__u64 hva;
	__u64 size;
	__u64 reserved[2];
};

/**
 * struct kvlane_set_dirty_log - which pages devices write to is to be known
 * @flags: zero
 * @nr_ranges: ranges to be logged, 0 to KVLANE_MAX_REGIONS; 0 ends the log
 * @ranges: user address of an array of struct kvlane_dirty_range, in any order
 * @reserved: zero
 *
 * KVLANE_SET_DIRTY_LOG on a VM, or on the descriptor of a device for vDPA. Begins a log
 * with nothing in it, in the place of the one there may be. What any device of the VM
 * writes from the return of the call on, data and rings, is in it, KVM's log having what
 * processors write. Memory goes by its user address: the addresses that the guest or an
 * IOMMU knows it by do not matter. Takes a bit for each page, charged to the caller's
 * cgroup, and until all lanes have seen it.
 *
 * The log of a device for vDPA is about the process that has it open, and ends when
 * that one closes it; nothing is logged where the driver is the host's own kernel.
 *
 * Errors: -EINVAL for an alignment, a size of zero, an address that is no user address;
 * -EEXIST for two ranges that overlap; -E2BIG for more than KVLANE_MAX_REGIONS, or
 * KVLANE_MAX_DIRTY in all; -EFAULT, -ENOMEM, -EPERM.
 */
struct kvlane_set_dirty_log {
	__u32 flags;
	__u32 nr_ranges;
	__u64 ranges;
	__u64 reserved[2];
};

/**
 * struct kvlane_get_dirty_log - fetch a part of the log, and clear it
 * @flags: zero
 * @reserved0: zero
 * @hva: user address: that of a range, or a multiple of 64 pages from there
 * @size: bytes, within that range: a multiple of 64 pages, or up to the end of the range
 * @bitmap: user address of the bits, one for each page from @hva on, in words of 64, the
 *	lowest bit first; as many words as @size has 64 pages, rounded up
 * @pages: in: zero; out: how many bits are set
 * @reserved: zero
 *
 * KVLANE_GET_DIRTY_LOG on what KVLANE_SET_DIRTY_LOG was on. A page that is written to
 * after its bit was fetched is in the log again, so a page is read after the call that
 * had its bit. A request is in the log from its end on. For the last time fetch the log
 * after the devices have been stopped: by a reset, VIRTIO_F_RING_RESET, or
 * VHOST_VDPA_SUSPEND, which loses no request.
 *
 * Errors: -EINVAL, -ENOENT if that is not logged, -EFAULT with all bits that could not be
 * stored still in the log, -EPERM.
 */
struct kvlane_get_dirty_log {
	__u32 flags;
	__u32 reserved0;
	__u64 hva;
	__u64 size;
	__u64 bitmap;
	__u64 pages;
	__u64 reserved[2];
};

/**
 * struct kvlane_create_device - a new device
 * @flags: zero
 * @type: virtio device type, one of kvlane_info.device_types
 * @num_queues: virtqueues, 1 to KVLANE_MAX_QUEUES, and what @type allows: blk
 *	1 to KVLANE_BLK_MAX_QUEUES; rng 1; balloon 2, 3 for statistics of the guest as
 *	well, 4 for reports of free pages, too, and 5 for hints of free pages; net two for
 *	each queue pair and one for control, so an odd number from 3 to
 *	2 * KVLANE_NET_MAX_PAIRS + 1
 * @queue_size: most descriptors of a queue: a power of two, 2 to
 *	KVLANE_MAX_QUEUE_SIZE
 * @num_vectors: interrupt vectors, 0 to KVLANE_MAX_VECTORS
 * @lane_queues: neighbouring queues that share one thread, 0 to @num_queues: 0 or 1
 *	gives each its own. Two for net have a pair's queues share one, which
 *	takes less of the processor where what is sent brings answers soon.
 * @features: virtio feature bits the device may offer, a mask over what it
 *	can; all ones for everything. VIRTIO_F_VERSION_1 must be in it. Better
 *	leave VIRTIO_F_IN_ORDER out for a disk: requests there complete in any
 *	order, and a slow one would hold back those after it.
 * @reserved: zero
 *
 * KVLANE_CREATE_DEVICE on a VM. Returns the device descriptor (close-on-exec).
 * A lane is made for each queue, and a thread of the calling process for each
 * @lane_queues of them.
 * Errors: -ENODEV for an unknown @type, -EINVAL, -EMFILE, -ENOMEM, -EPERM.
 */
struct kvlane_create_device {
	__u32 flags;
	__u32 type;
	__u32 num_queues;
	__u32 queue_size;
	__u32 num_vectors;
	__u32 lane_queues;
	__u64 features;
	__u64 reserved[4];
};

/**
 * define KVLANE_VDPA_NAME_LEN - bytes of the name of a device for vDPA, with the NUL
 */
#define KVLANE_VDPA_NAME_LEN	32

/**
 * struct kvlane_create_vdpa - a new device, for vDPA
 * @flags: zero
 * @type: as in struct kvlane_create_device
 * @num_queues: likewise
 * @queue_size: likewise
 * @lane_queues: likewise
 * @reserved0: zero
 * @features: likewise; VIRTIO_F_RING_RESET is not offered, which vDPA has no call for,
 *	and VIRTIO_F_ACCESS_PLATFORM always is
 * @name: name for ``vdpa dev add``, letters, digits and ``._-``, filled up with NULs
 * @reserved: zero
 *
 * KVLANE_CREATE_VDPA on /dev/kvlane. Returns a device descriptor (close-on-exec), for
 * KVLANE_SET_BACKEND and all else but KVLANE_SET_KICK, KVLANE_SET_VECTOR and the register
 * window, which are -EOPNOTSUPP: a vDPA driver has the place of the VMM.
 *
 * ``vdpa dev add name NAME mgmtdev kvlane`` then makes a vDPA device of it, once it has a
 * back end. The device lasts as long as there is a descriptor of it, or the vDPA device.
 * A process that opens /dev/vhost-vdpa-N gives it its memory and its lanes' threads, as
 * threads of its own, until it closes it; where the driver is the host's own kernel
 * (virtio_vdpa), the threads are the kernel's.
 *
 * Errors: -EEXIST for a @name that is taken, -EINVAL, -ENODEV for an unknown @type, -EPERM
 * without CAP_NET_ADMIN, which ``vdpa`` needs as well, -EOPNOTSUPP if the kernel has no
 * vDPA, -EMFILE, -ENOMEM.
 */
struct kvlane_create_vdpa {
	__u32 flags;
	__u32 type;
	__u32 num_queues;
	__u32 queue_size;
	__u32 lane_queues;
	__u32 reserved0;
	__u64 features;
	char name[KVLANE_VDPA_NAME_LEN];
	__u64 reserved[4];
};

/**
 * struct kvlane_open_vdpa - a device for vDPA, once more
 * @flags: zero
 * @reserved0: zero
 * @name: its name
 * @reserved: zero
 *
 * KVLANE_OPEN_VDPA on /dev/kvlane. Returns another descriptor (close-on-exec) of a device
 * that KVLANE_CREATE_VDPA made. Errors: -ENODEV if there is none of that name; else as
 * with KVLANE_CREATE_VDPA.
 */
struct kvlane_open_vdpa {
	__u32 flags;
	__u32 reserved0;
	char name[KVLANE_VDPA_NAME_LEN];
	__u64 reserved[2];
};

/* flags of struct kvlane_backend */

/**
 * define KVLANE_BACKEND_RDONLY - for blk, no writing to the disk, even if @fd is writable
 */
#define KVLANE_BACKEND_RDONLY	(1U << 0)
/**
 * define KVLANE_BACKEND_NO_DISCARD - for blk, offer neither discard nor write zeroes
 */
#define KVLANE_BACKEND_NO_DISCARD (1U << 1)
/**
 * define KVLANE_BACKEND_NO_ZEROCOPY - for net, copy every packet the guest sends
 */
#define KVLANE_BACKEND_NO_ZEROCOPY (1U << 2)
/**
 * define KVLANE_BACKEND_LINK_DOWN - for net, begin with the link down
 */
#define KVLANE_BACKEND_LINK_DOWN (1U << 3)
/**
 * define KVLANE_BACKEND_RSS - for net, the owner steers packets to queues
 *
 * As KVLANE_GET_RSS says, each time KVLANE_EVENT_NET_RSS tells of a change. The
 * module offers VIRTIO_NET_F_RSS then, if there is more than one queue pair; it
 * does not look which queue a packet came by.
 */
#define KVLANE_BACKEND_RSS	(1U << 4)

/**
 * define KVLANE_BACKEND_IOPOLL - for blk, poll the block device for completions
 *
 * The block device raises no interrupt for reads and writes, which saves the time for
 * it. In return a lane keeps its processor busy as long as it waits for any of them.
 * @fd is a block device opened O_DIRECT that has queues for polling, or SET_BACKEND
 * fails with -EOPNOTSUPP.
 */
#define KVLANE_BACKEND_IOPOLL	(1U << 5)

/**
 * define KVLANE_BLK_MAX_QUEUES - most request queues of a disk
 */
#define KVLANE_BLK_MAX_QUEUES	64

/**
 * define KVLANE_BLK_ID_LEN - bytes of a disk's serial, without a NUL at the end if full
 */
#define KVLANE_BLK_ID_LEN	20

/**
 * struct kvlane_blk_backend - what a disk wants to know beside its file
 * @block_size: logical block size in bytes: a power of two, 512 to 4096, or 0
 *	to take it from the backing (512 for a regular file opened without
 *	O_DIRECT)
 * @reserved0: zero
 * @serial: answered to VIRTIO_BLK_T_GET_ID
 * @reserved1: zero
 */
struct kvlane_blk_backend {
	__u32 block_size;
	__u32 reserved0;
	__u8 serial[KVLANE_BLK_ID_LEN];
	__u32 reserved1;
};

/**
 * struct kvlane_rng_backend - the rate limit of an entropy source
 * @bytes_per_second: rate, or 0 for no limit
 * @burst: bytes that may be handed out at once after a pause; 0 stands for one
 *	second's worth
 */
struct kvlane_rng_backend {
	__u64 bytes_per_second;
	__u64 burst;
};

/**
 * define KVLANE_NET_MAX_PAIRS - most queue pairs of a network device
 */
#define KVLANE_NET_MAX_PAIRS	64

/**
 * struct kvlane_net_backend - where a network device's packets come from and go to
 * @fds: user address of an array of @num_fds descriptors (__s32), one for each
 *	queue pair: queues of a tap or macvtap device, or packet sockets bound to a
 *	network device
 * @num_fds: elements of @fds: (num_queues - 1) / 2 of the device
 * @header_len: bytes of the virtio-net header at the head of each packet on the
 *	descriptors: 12 or 10 (IFF_VNET_HDR, TUNSETVNETHDRSZ, PACKET_VNET_HDR), or
 *	0 for none, which leaves the device without offloads
 * @mtu: MTU told to the driver, 68 to 65535; or 0 to tell none
 * @mac: Ethernet address of the device, unicast; all zero for none, which lets
 *	the driver choose
 * @reserved0: zero
 * @zerocopy_min: bytes from which on a packet is sent without copying; 0 for
 *	the module's choice
 * @speed: speed told to the driver in Mbit/s, or 0 for unknown
 */
struct kvlane_net_backend {
	__u64 fds;
	__u32 num_fds;
	__u16 header_len;
	__u16 mtu;
	__u8 mac[6];
	__u16 reserved0;
	__u32 zerocopy_min;
	__u32 speed;
};

/**
 * struct kvlane_balloon_backend - how a balloon begins
 * @target: bytes wanted in the balloon, a multiple of 4096, see KVLANE_SET_BALLOON
 * @reserved: zero
 */
struct kvlane_balloon_backend {
	__u64 target;
	__u64 reserved;
};

/**
 * struct kvlane_backend - what serves the requests of a device
 * @flags: KVLANE_BACKEND_*, those of the device's type
 * @fd: blk: a regular file or a block device, opened O_RDONLY (the disk is then
 *	read-only) or O_RDWR, O_DIRECT for direct I/O, not O_APPEND. rng: a
 *	character device such as /dev/hwrng or a regular file (read over and
 *	over), or -1 for the host's own random generator, which also stands in
 *	where reading @fd fails. net: -1, its descriptors are in @net. balloon: -1.
 * @blk: for a block device
 * @rng: for an entropy source
 * @net: for a network device
 * @balloon: for a balloon
 * @pad: zero where no member of the union reaches
 *
 * KVLANE_SET_BACKEND on a device. The file stays open until the device is
 * closed or the call is made again. Capacity, topology and features of the
 * device follow from it.
 * Errors: -EBADF, -EINVAL (wrong kind of file, size not a multiple of the
 * block size, bad parameter), -EACCES (not open for reading), -EBUSY while a
 * driver is using the device (its status is not 0), -ENOMEM, -EPERM; net also
 * -EFAULT (@net.fds), -EBADFD or -ENOLINK (a tap without a network device).
 */
struct kvlane_backend {
	__u32 flags;
	__s32 fd;
	union {
		struct kvlane_blk_backend blk;
		struct kvlane_rng_backend rng;
		struct kvlane_net_backend net;
		struct kvlane_balloon_backend balloon;
		__u64 pad[15];
	};
};

/* flags of struct kvlane_link */

/**
 * define KVLANE_LINK_UP - the link is up; without it, down
 */
#define KVLANE_LINK_UP		(1U << 0)
/**
 * define KVLANE_LINK_ANNOUNCE - ask the driver to announce itself on the network
 *
 * For after a migration, or a move to another bridge. Only with KVLANE_LINK_UP.
 */
#define KVLANE_LINK_ANNOUNCE	(1U << 1)

/**
 * struct kvlane_link - state of a network device's link
 * @flags: KVLANE_LINK_*
 * @reserved: zero
 *
 * KVLANE_SET_LINK on a network device, at any time. The driver is told by a
 * configuration interrupt. While the link is down, what the guest sends is
 * dropped, and so is what arrives for it. Says nothing of the tap: a tap that
 * has gone away keeps the link down whatever is set here.
 * Errors: -EINVAL (unknown flag, not a network device), -ENXIO (no back end),
 * -EFAULT, -EPERM.
 */
struct kvlane_link {
	__u32 flags;
	__u32 reserved[3];
};

/**
 * struct kvlane_set_balloon - how much memory the guest shall lend to the host
 * @flags: zero
 * @reserved0: zero
 * @target: bytes wanted in the balloon, a multiple of 4096, less than 2^44
 * @reserved: zero
 *
 * KVLANE_SET_BALLOON on a balloon, at any time. The driver is told by a configuration
 * interrupt, and puts in or takes out pages until it has that many, or cannot. If the host
 * has less of it then, for blocks that are in the balloon in part, the driver is asked for
 * up to a quarter more. Blocks that could not be freed when they became whole, since
 * something had them pinned, are tried again.
 *
 * Memory goes to the host in blocks, when all pages of a block are in the balloon: of
 * 2 MiB for memory of tmpfs and memfds, and huge pages for hugetlb. It is freed in what
 * the owner has mapped shared and writable at the addresses of KVLANE_SET_MEMORY; file
 * offsets have to agree with guest physical addresses modulo the block. What the VM's
 * iommu objects map of a block is taken out before and put back when one of its pages
 * returns, if that needs no large page to be split. It stays out as well when devices are
 * attached meanwhile.
 *
 * Blocks that are in the balloon in part stay with the guest, unless the host's reclaim
 * asks for memory: then what is in the balloon of them is freed as well, which takes huge
 * pages apart. Not so of hugetlb pages, and not in what iommu objects map.
 *
 * When the driver resets the device, all memory is the guest's again. A device that is
 * closed by an owner that lives on leaves none behind in the balloon either.
 *
 * Errors: -EINVAL (not a balloon, bad @target), -ENXIO (no back end), -EFAULT, -EPERM.
 */
struct kvlane_set_balloon {
	__u32 flags;
	__u32 reserved0;
	__u64 target;
	__u64 reserved[2];
};

/**
 * define KVLANE_BALLOON_STATS - statistics that a driver may tell
 */
#define KVLANE_BALLOON_STATS	16

/**
 * define KVLANE_BALLOON_REFRESH - ask the driver for statistics, and wait up to 250 ms
 */
#define KVLANE_BALLOON_REFRESH	(1U << 0)

/**
 * define KVLANE_BALLOON_ASK - ask the driver for statistics; what it tells is there for the
 *	next call
 */
#define KVLANE_BALLOON_ASK	(1U << 1)

/**
 * struct kvlane_balloon_info - what is in a balloon, and how the guest is
 * @flags: in: KVLANE_BALLOON_REFRESH, KVLANE_BALLOON_ASK or zero
 * @hinting: in: zero; out: KVLANE_HINTING_*, see struct kvlane_set_hinting
 * @target: out: bytes wanted in the balloon
 * @actual: out: bytes that are in it, as the driver says
 * @ballooned: out: bytes that the driver put in
 * @freed: out: bytes of those that the host has
 * @reported: out: bytes the host got by reports of free pages since the device was made;
 *	the guest may have them again
 * @whole: out: blocks of 2 MiB that are in the balloon as a whole
 * @partial: out: such blocks that are in it in part
 * @pinned: out: times that a block was not freed since a device uses it
 * @refused: out: times that it was not since what is mapped there cannot be freed, or the
 *	driver does without VIRTIO_BALLOON_F_MUST_TELL_HOST
 * @ignored: out: pages named by the driver that are no memory, were in the balloon
 *	already, or were not
 * @splits: out: times that a block gave the host what was in the balloon of it, in pieces,
 *	since the host was short of memory
 * @stats_ns: out: age of @stats in nanoseconds; 0 if there are none yet
 * @stats: out: what the driver told by VIRTIO_BALLOON_S_*, all ones for what it did not
 *	(virtio 1.2, section 5.5.6.4)
 * @hinted: out: bytes of what was asked for that the driver hinted at in the last round of
 *	hints, as often as it did
 * @hints_ignored: out: requests of the driver in the way of hints that had no effect: of
 *	another round, of none, or about other memory
 * @reserved: in: zero
 *
 * KVLANE_GET_BALLOON on a balloon. Errors: -EINVAL (also: not a balloon), -ENXIO (no back
 * end), -EINTR while waiting, -EFAULT, -EPERM.
 */
struct kvlane_balloon_info {
	__u32 flags;
	__u32 hinting;
	__u64 target;
	__u64 actual;
	__u64 ballooned;
	__u64 freed;
	__u64 reported;
	__u64 whole;
	__u64 partial;
	__u64 pinned;
	__u64 refused;
	__u64 ignored;
	__u64 stats_ns;
	__u64 stats[KVLANE_BALLOON_STATS];
	__u64 splits;
	__u64 hinted;
	__u64 hints_ignored;
	__u64 reserved;
};

/* states of struct kvlane_set_hinting and struct kvlane_balloon_info */

/**
 * define KVLANE_HINTING_OFF - there is no round of hints, or none any more
 */
#define KVLANE_HINTING_OFF	0
/**
 * define KVLANE_HINTING_STOPPED - no more hints are taken; those there are can be fetched
 */
#define KVLANE_HINTING_STOPPED	1
/**
 * define KVLANE_HINTING_BEGUN - the driver is asked for hints, and has not answered
 */
#define KVLANE_HINTING_BEGUN	2
/**
 * define KVLANE_HINTING_RUNNING - the driver gives hints
 */
#define KVLANE_HINTING_RUNNING	3
/**
 * define KVLANE_HINTING_TOLD - the driver has said that it has no more of them
 */
#define KVLANE_HINTING_TOLD	4

/**
 * struct kvlane_set_hinting - ask the guest for pages it has no use for
 * @flags: zero
 * @state: KVLANE_HINTING_BEGUN, KVLANE_HINTING_STOPPED or KVLANE_HINTING_OFF
 * @nr_ranges: ranges of memory that hints are wanted of, 1 to KVLANE_MAX_REGIONS with
 *	KVLANE_HINTING_BEGUN, and otherwise zero
 * @reserved0: zero
 * @ranges: user address of an array of struct kvlane_dirty_range, in any order
 * @reserved: zero
 *
 * KVLANE_SET_HINTING on a balloon whose driver has accepted
 * VIRTIO_BALLOON_F_FREE_PAGE_HINT (virtio 1.2, section 5.5.6.6), for whoever moves a running
 * guest and would rather not copy what is free. KVLANE_HINTING_BEGUN begins a round, with
 * no hints in it, in the place of the one there may be; kvlane_balloon_info.hinting tells
 * how far the driver is. Takes a bit for each page, charged to the caller's cgroup.
 * KVLANE_HINTING_STOPPED has the driver stop; what it still says is ignored from the return
 * of the call on, while it goes on keeping the pages out of use, as far as it can do without
 * them. KVLANE_HINTING_OFF ends the round: hints that were not fetched are forgotten, and the
 * driver may use all pages again. A reset by the driver ends it, too.
 *
 * A hint says that a page was free at some time since the round began. What it held before
 * need not be copied, and reads as anything there; what is written to it afterwards is in
 * the logs of KVM and of KVLANE_SET_DIRTY_LOG. So begin the logs first, then a round. Stop
 * the round, fetch its hints and leave those pages out; then fetch the logs, and copy what
 * they have, hinted at or not. A round that goes on while the logs are fetched is of no
 * use, since it is not known any more what came first: begin another one. Memory stays as
 * it is in all this: nothing is freed.
 *
 * Errors: -EINVAL (also: not a balloon), -EEXIST, -E2BIG and -ENOMEM as with
 * KVLANE_SET_DIRTY_LOG, -EOPNOTSUPP if there is no driver or it gives no hints, -ENOENT
 * if there is no round to be stopped, -ENXIO (no back end), -EFAULT, -EPERM.
 */
struct kvlane_set_hinting {
	__u32 flags;
	__u32 state;
	__u32 nr_ranges;
	__u32 reserved0;
	__u64 ranges;
	__u64 reserved[3];
};

/**
 * define KVLANE_BALLOON_RETURNED - most blocks that one KVLANE_GET_RETURNED tells of
 */
#define KVLANE_BALLOON_RETURNED	62

/**
 * struct kvlane_balloon_returned - blocks that a balloon has given back
 * @flags: in: zero
 * @nr: in: zero; out: how many
 * @reserved: in: zero
 * @gpa: in: zero; out: guest physical addresses of blocks of 2 MiB
 *
 * KVLANE_GET_RETURNED on a balloon, when KVLANE_EVENT_BALLOON_RETURNED says that there are
 * some, until there are no more. Of such a block the host had some or all, and now no page
 * is in the balloon any more. The owner can have it put together in a huge page (madvise(),
 * MADV_COLLAPSE) before the guest meets it in pieces. Each block is told of once.
 *
 * Errors: -EINVAL (also: not a balloon), -EFAULT, -EPERM.
 */
struct kvlane_balloon_returned {
	__u32 flags;
	__u32 nr;
	__u64 reserved;
	__u64 gpa[KVLANE_BALLOON_RETURNED];
};

/**
 * define KVLANE_NET_RSS_KEY - bytes of the key of the hash
 */
#define KVLANE_NET_RSS_KEY	40

/**
 * define KVLANE_NET_RSS_TABLE - most entries of the table of queues
 */
#define KVLANE_NET_RSS_TABLE	128

/**
 * struct kvlane_net_rss - which queue the driver wants a packet in, virtio 1.2 5.1.6.5.7
 * @flags: in: zero
 * @hash_types: out: VIRTIO_NET_RSS_HASH_TYPE_*, of IPv4, TCPv4, UDPv4, IPv6, TCPv6
 *	and UDPv6: what the hash is computed over. With none, every packet goes to
 *	@unclassified.
 * @pairs: out: queue pairs in use, as KVLANE_EVENT_NET_PAIRS says; with or without
 *	RSS
 * @table_len: out: entries of @table, a power of two; 0 if RSS is off
 * @unclassified: out: pair for packets that have no hash
 * @key_len: out: bytes of @key the driver has given; what follows is zero
 * @key: out: key of the Toeplitz hash
 * @table: out: pairs, below @pairs; the hash modulo @table_len says which of them
 * @reserved: in: zero
 *
 * KVLANE_GET_RSS on a network device. RSS is off until the driver sets it, and again
 * after VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET and after a reset; the owner then steers as
 * it likes. The numbers have been checked, and are those of the last change.
 * Errors: -EINVAL (not a network device), -ENXIO (no back end), -EFAULT, -EPERM.
 */
struct kvlane_net_rss {
	__u32 flags;
	__u32 hash_types;
	__u16 pairs;
	__u16 table_len;
	__u16 unclassified;
	__u16 key_len;
	__u8 key[KVLANE_NET_RSS_KEY];
	__u16 table[KVLANE_NET_RSS_TABLE];
	__u64 reserved[2];
};

/**
 * struct kvlane_eventfd - ties an eventfd to a queue or a vector
 * @flags: zero
 * @index: KVLANE_SET_KICK: the queue. KVLANE_SET_VECTOR: the MSI-X vector, or
 *	KVLANE_VECTOR_LINE.
 * @fd: an eventfd, or -1 to untie
 * @reserved: zero
 *
 * KVLANE_SET_KICK: a signal on @fd makes the lane look at the queue; the
 * counter of the eventfd is not read. An eventfd already signalled counts as a
 * kick. A pwrite() to the notify area kicks just the same, so an eventfd is
 * needed only where KVM's ioeventfd is to save the exit to user space.
 *
 * KVLANE_SET_VECTOR: @fd is signalled for each interrupt of that vector; give
 * it to KVM_IRQFD.
 *
 * Both may be called at any time. Errors: -EINVAL if @index is past the end or
 * @fd is not an eventfd, -EBADF, -ENOMEM, -EPERM.
 */
struct kvlane_eventfd {
	__u32 flags;
	__u32 index;
	__s32 fd;
	__u32 reserved;
};

/**
 * define KVLANE_HIST_BUCKETS - buckets of a latency histogram
 *
 * Bucket N counts what took 2^N to 2^(N+1)-1 microseconds; bucket 0 also counts what
 * took less than one, and the last one everything above.
 */
#define KVLANE_HIST_BUCKETS	24

/**
 * struct kvlane_queue_stats - counters of one virtqueue, since it was created
 * @kicks: notifications from the driver that reached the lane
 * @wakeups: times the lane was woken from sleep
 * @interrupts: notifications sent to the driver
 * @suppressed: completions whose interrupt the driver had asked not to get
 * @requests: descriptor chains completed
 * @bytes_in: bytes the device read from guest memory (blk: written to disk)
 * @bytes_out: bytes the device wrote to guest memory (blk: read from disk)
 * @errors: requests answered with an error status
 * @malformed: rings or chains that broke the rules
 * @deferred: requests handed to a helper thread because they would have blocked
 * @flushes: blk: flush requests
 * @discards: blk: discard requests
 * @write_zeroes: blk: write-zeroes requests
 * @throttled: rng: times the lane began to wait for a rate limit; blk, net:
 *	requests that had to wait for their throttle
 * @inflight: requests in flight right now, those a throttle holds back included
 * @drops: net: packets dropped: malformed header, too short, larger than the
 *	driver's buffers, link down, or refused by the network below
 * @filtered: net: packets the receive filters left out
 * @starved: net: times a packet had to wait, one that came in for the driver's buffers,
 *	one to send for room in the descriptor
 * @batches: net: hand-overs of several packets at once to the network below
 * @zerocopy: net: packets sent without a copy
 * @zerocopy_bytes: net: bytes in them
 * @zerocopy_copied: net: packets meant to be sent so, but copied after all
 * @polls: times the lane kept looking at the ring for a while before it slept
 * @polls_won: those of @polls that found something to do
 * @latency: time from beginning a request to completing it
 * @wait: time throttled requests waited before they were begun
 * @posted: those of @interrupts that were sent while nothing inhibited APICv or AVIC
 *	for the VM, so that the processor takes them to the guest without an exit
 * @coalesced: completions that the driver wanted an interrupt for and shared one
 *	with others, see struct kvlane_set_lanes
 * @asked: reads and writes whose completion the lane found by polling, see
 *	KVLANE_BACKEND_IOPOLL
 * @pickup: time from a kick until the lane looked at the ring; counts kicks
 * @signal: time from a completion until the driver was interrupted for it, and for
 *	others that came since; counts interrupts
 * @tid: thread of the lane, as gettid() has it in the owner; 0 until it has run
 */
struct kvlane_queue_stats {
	__u64 kicks;
	__u64 wakeups;
	__u64 interrupts;
	__u64 suppressed;
	__u64 requests;
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 errors;
	__u64 malformed;
	__u64 deferred;
	__u64 flushes;
	__u64 discards;
	__u64 write_zeroes;
	__u64 throttled;
	__u64 inflight;
	__u64 drops;
	__u64 filtered;
	__u64 starved;
	__u64 batches;
	__u64 zerocopy;
	__u64 zerocopy_bytes;
	__u64 zerocopy_copied;
	__u64 polls;
	__u64 polls_won;
	__u64 latency[KVLANE_HIST_BUCKETS];
	__u64 wait[KVLANE_HIST_BUCKETS];
	__u64 posted;
	__u64 coalesced;
	__u64 asked;
	__u64 pickup[KVLANE_HIST_BUCKETS];
	__u64 signal[KVLANE_HIST_BUCKETS];
	__u64 tid;
};

/**
 * struct kvlane_stats - counters of a device
 * @flags: in: zero
 * @type: out: virtio device type
 * @status: out: the virtio device status byte
 * @num_queues: in: how many elements @queues has room for; out: how many queues
 *	the device has. At most the smaller of both are written.
 * @queue_stats_size: in: sizeof(struct kvlane_queue_stats) of the caller, at
 *	least 64 and a multiple of 8; elements are cut or padded with zeroes to
 *	it, so old and new programs and modules go together
 * @reserved0: zero
 * @queues: in: user address of the array
 * @features: out: features the driver has accepted
 * @resets: out: times the driver reset the device
 * @needs_reset: out: times the device went into DEVICE_NEEDS_RESET
 * @events_lost: out: events nobody read in time
 * @exits: out: register accesses through pread() and pwrite(), but for the
 *	notify area
 * @reserved: zero
 *
 * KVLANE_GET_STATS on a device. Errors: -EINVAL, -EFAULT, -ENOMEM.
 */
struct kvlane_stats {
	__u32 flags;
	__u32 type;
	__u32 status;
	__u32 num_queues;
	__u32 queue_stats_size;
	__u32 reserved0;
	__u64 queues;
	__u64 features;
	__u64 resets;
	__u64 needs_reset;
	__u64 events_lost;
	__u64 exits;
	__u64 reserved[6];
};

/**
 * enum kvlane_irqchip - where a VM's interrupt controllers are
 * @KVLANE_IRQCHIP_NONE: in user space, or nowhere yet
 * @KVLANE_IRQCHIP_SPLIT: local APICs in the kernel, I/O APIC and PIC in user space
 * @KVLANE_IRQCHIP_KERNEL: all in the kernel
 */
enum kvlane_irqchip {
	KVLANE_IRQCHIP_NONE,
	KVLANE_IRQCHIP_SPLIT,
	KVLANE_IRQCHIP_KERNEL,
};

/**
 * enum kvlane_inhibit - why APICv (Intel) or AVIC (AMD) is not in use
 * @KVLANE_INHIBIT_DISABLED: the processor has none, or KVM was loaded without it
 *	(kvm_intel.enable_apicv, kvm_amd.avic)
 * @KVLANE_INHIBIT_HYPERV: the guest uses AutoEOI of Hyper-V
 * @KVLANE_INHIBIT_ABSENT: no interrupt controllers in the kernel yet
 * @KVLANE_INHIBIT_BLOCKIRQ: a debugger holds back the guest's interrupts
 * @KVLANE_INHIBIT_PHYSICAL_ID_ALIASED: two vCPUs have the same APIC ID
 * @KVLANE_INHIBIT_PHYSICAL_ID_TOO_BIG: an APIC ID is more than the processor takes
 * @KVLANE_INHIBIT_APIC_ID_MODIFIED: the guest has changed an APIC ID
 * @KVLANE_INHIBIT_APIC_BASE_MODIFIED: the guest has moved an APIC
 * @KVLANE_INHIBIT_NESTED: a vCPU runs a nested guest
 * @KVLANE_INHIBIT_IRQWIN: an interrupt of the PIC (ExtINT) waits to be taken
 * @KVLANE_INHIBIT_PIT_REINJ: KVM makes up for lost ticks of the PIT
 * @KVLANE_INHIBIT_SEV: the guest's memory is encrypted
 * @KVLANE_INHIBIT_LOGICAL_ID_ALIASED: vCPUs share a logical APIC ID
 * @KVLANE_INHIBIT_OTHER: a reason this version of the module has no number for
 * @KVLANE_NR_INHIBITS: how many there are
 *
 * The numbers are those of bits in kvlane_irq_info.inhibits. They are not KVM's,
 * which differ between kernels. KVM notes those only that matter on the host's
 * processor (PIT_REINJ on AMD, for example), and none beside DISABLED.
 */
enum kvlane_inhibit {
	KVLANE_INHIBIT_DISABLED,
	KVLANE_INHIBIT_HYPERV,
	KVLANE_INHIBIT_ABSENT,
	KVLANE_INHIBIT_BLOCKIRQ,
	KVLANE_INHIBIT_PHYSICAL_ID_ALIASED,
	KVLANE_INHIBIT_PHYSICAL_ID_TOO_BIG,
	KVLANE_INHIBIT_APIC_ID_MODIFIED,
	KVLANE_INHIBIT_APIC_BASE_MODIFIED,
	KVLANE_INHIBIT_NESTED,
	KVLANE_INHIBIT_IRQWIN,
	KVLANE_INHIBIT_PIT_REINJ,
	KVLANE_INHIBIT_SEV,
	KVLANE_INHIBIT_LOGICAL_ID_ALIASED,
	KVLANE_INHIBIT_OTHER,
	KVLANE_NR_INHIBITS,
};

/**
 * enum kvlane_apic_mode - the mode of a vCPU's local APIC
 * @KVLANE_APIC_NONE: it is not in the kernel
 * @KVLANE_APIC_DISABLED: switched off by the guest; the vCPU takes interrupts of the
 *	PIC (ExtINT)
 * @KVLANE_APIC_XAPIC: registers in memory
 * @KVLANE_APIC_X2APIC: registers as MSRs
 */
enum kvlane_apic_mode {
	KVLANE_APIC_NONE,
	KVLANE_APIC_DISABLED,
	KVLANE_APIC_XAPIC,
	KVLANE_APIC_X2APIC,
};

/* flags of struct kvlane_irq_vcpu */

/**
 * define KVLANE_IRQ_VCPU_APICV - interrupts can be posted to this vCPU
 *
 * Nothing inhibits APICv or AVIC for the VM, and the vCPU's APIC is not off. A nested
 * guest that it runs is not seen here.
 */
#define KVLANE_IRQ_VCPU_APICV	(1U << 0)
/**
 * define KVLANE_IRQ_VCPU_PV_EOI - the guest has enabled paravirtual EOI
 *
 * With it (PV-EOI) most interrupts end in memory, without an exit, while APICv is not in
 * use.
 */
#define KVLANE_IRQ_VCPU_PV_EOI	(1U << 1)

/**
 * struct kvlane_irq_vcpu - how interrupts reach one vCPU
 * @id: what KVM_CREATE_VCPU was given
 * @apic_mode: enum kvlane_apic_mode
 * @flags: KVLANE_IRQ_VCPU_*
 * @reserved: zero
 */
struct kvlane_irq_vcpu {
	__u32 id;
	__u32 apic_mode;
	__u32 flags;
	__u32 reserved;
};

/* state of struct kvlane_irq_info */

/**
 * define KVLANE_IRQ_KVM - what the structure says of KVM is known
 *
 * Not set for a VM without KVM, nor where the module was built for a kernel without
 * KVM, or another architecture than x86; then all but the counters is zero.
 */
#define KVLANE_IRQ_KVM		(1U << 0)
/**
 * define KVLANE_IRQ_APICV_AVAILABLE - the host has APICv or AVIC, and KVM may use it
 */
#define KVLANE_IRQ_APICV_AVAILABLE (1U << 1)
/**
 * define KVLANE_IRQ_APICV_ACTIVE - it is in use, for nothing inhibits it
 */
#define KVLANE_IRQ_APICV_ACTIVE	(1U << 2)

/**
 * struct kvlane_irq_info - how interrupts reach the guest
 * @flags: in: zero
 * @state: out: KVLANE_IRQ_*
 * @irqchip: out: enum kvlane_irqchip
 * @num_vcpus: in: how many elements @vcpus has room for; out: how many vCPUs the VM
 *	has. At most the smaller of both are written.
 * @vcpu_size: in: sizeof(struct kvlane_irq_vcpu) of the caller, 16 to 4096 and a
 *	multiple of 8; elements are cut or padded with zeroes to it, as in
 *	kvlane_stats.queue_stats_size
 * @reserved0: in: zero
 * @vcpus: in: user address of the array, in the order of the vCPUs' creation
 * @inhibits: out: bit N is set if enum kvlane_inhibit N keeps APICv or AVIC from use
 * @interrupts: out: kvlane_queue_stats.interrupts of all queues the VM has now
 * @posted: out: kvlane_queue_stats.posted of them
 * @suppressed: out: kvlane_queue_stats.suppressed of them
 * @reserved: in: zero
 *
 * KVLANE_IRQ_INFO on a VM. A snapshot of each value, not of all at one instant; the
 * guest and KVM may change them at any time. Whether a vCPU that has its APIC takes
 * interrupts of the PIC is not told, but an interrupt that waits for it to do so is,
 * by KVLANE_INHIBIT_IRQWIN. Errors: -EINVAL, -EFAULT, -EPERM.
 */
struct kvlane_irq_info {
	__u32 flags;
	__u32 state;
	__u32 irqchip;
	__u32 num_vcpus;
	__u32 vcpu_size;
	__u32 reserved0;
	__u64 vcpus;
	__u64 inhibits;
	__u64 interrupts;
	__u64 posted;
	__u64 suppressed;
	__u64 reserved[5];
};

/**
 * define KVLANE_POLL_DEFAULT - what the module's parameter poll_us says
 */
#define KVLANE_POLL_DEFAULT	0xffffffffU

/**
 * define KVLANE_MAX_POLL_US - longest time for which a lane looks before it sleeps
 */
#define KVLANE_MAX_POLL_US	10000U

/**
 * define KVLANE_MAX_COALESCE_US - longest time for which an interrupt is held back
 */
#define KVLANE_MAX_COALESCE_US	1000000U

/**
 * struct kvlane_set_lanes - what lanes do to save processor time, and where
 * @flags: zero
 * @queue: whose lane, or KVLANE_NO_QUEUE for all of the device
 * @poll_us: for how long the lane may look at the ring before it sleeps, in
 *	microseconds, at most KVLANE_MAX_POLL_US; or KVLANE_POLL_DEFAULT
 * @coalesce_us: for how long an interrupt may be held back while requests of the
 *	queue are in flight, in microseconds, at most KVLANE_MAX_COALESCE_US; 0 for
 *	not at all
 * @coalesce_requests: until so many are complete, at least 2; 0 with
 *	@coalesce_us 0
 * @cpus_size: bytes of @cpus; 0 without it
 * @cpus: user address of a set of processors as sched_setaffinity(2) takes it: where
 *	the lane's thread is to run, and with it all queues of the thread; 0 to leave it
 *	where it is
 * @reserved: zero
 *
 * KVLANE_SET_LANES on a device, at any time; lanes begin with KVLANE_POLL_DEFAULT
 * and hold nothing back. Nothing is held back either while KVM posts the guest's
 * interrupts (APICv, AVIC), nor of what a network device receives. Threads begin
 * where their maker may run. How many queues share one is said when the device is made
 * (kvlane_create_device.lane_queues): a lane is part of its queue's set-up, and a
 * queue does not change it while a driver uses it.
 *
 * Errors, nothing having changed: -EFAULT; -EINVAL, also for @cpus none of which is
 * there; -EPERM for @cpus that the caller may not run on itself; -EOPNOTSUPP for @cpus of
 * a device for vDPA, whose threads come and go with who has it open; -ENOMEM. If the last
 * processor of @cpus goes offline meanwhile: -EINVAL, and with KVLANE_NO_QUEUE the
 * queues before may be set.
 */
struct kvlane_set_lanes {
	__u32 flags;
	__u32 queue;
	__u32 poll_us;
	__u32 coalesce_us;
	__u32 coalesce_requests;
	__u32 cpus_size;
	__u64 cpus;
	__u32 reserved[4];
};

/**
 * struct kvlane_create_throttle - a new throttle
 * @flags: zero
 * @reserved: zero
 *
 * KVLANE_CREATE_THROTTLE on /dev/kvlane. Returns a descriptor (close-on-exec) of
 * a throttle without limits. Errors: -EINVAL, -EMFILE, -ENOMEM.
 */
struct kvlane_create_throttle {
	__u32 flags;
	__u32 reserved[3];
};

/**
 * enum kvlane_limit - what a throttle can limit
 * @KVLANE_LIMIT_OPS: requests, or packets, in a second
 * @KVLANE_LIMIT_OPS_READ: those that write to guest memory (blk: reads; net:
 *	packets the guest receives)
 * @KVLANE_LIMIT_OPS_WRITE: all others (blk: writes, flushes, discards; net:
 *	packets the guest sends)
 * @KVLANE_LIMIT_BYTES: bytes of data in a second, without headers; blk: zeroes of
 *	VIRTIO_BLK_T_WRITE_ZEROES, too
 * @KVLANE_LIMIT_BYTES_READ: see KVLANE_LIMIT_OPS_READ
 * @KVLANE_LIMIT_BYTES_WRITE: see KVLANE_LIMIT_OPS_WRITE
 * @KVLANE_NR_LIMITS: how many there are
 */
enum kvlane_limit {
	KVLANE_LIMIT_OPS,
	KVLANE_LIMIT_OPS_READ,
	KVLANE_LIMIT_OPS_WRITE,
	KVLANE_LIMIT_BYTES,
	KVLANE_LIMIT_BYTES_READ,
	KVLANE_LIMIT_BYTES_WRITE,
	KVLANE_NR_LIMITS,
};

/**
 * define KVLANE_MAX_RATE - most that can be asked for as a rate or burst
 */
#define KVLANE_MAX_RATE		1000000000000ULL

/**
 * define KVLANE_MAX_BURST_MS - longest burst, an hour
 */
#define KVLANE_MAX_BURST_MS	3600000U

/**
 * define KVLANE_MAX_BURST_RATIO - most a burst can be above its rate
 */
#define KVLANE_MAX_BURST_RATIO	1000000ULL

/**
 * struct kvlane_rate - one limit
 * @rate: most in a second, at most KVLANE_MAX_RATE; 0 for no limit
 * @burst: what may be reached for @burst_ms after a time of rest; 0 for no
 *	more than @rate
 * @burst_ms: how long @burst can be kept up, in milliseconds; it takes
 *	(@burst / @rate - 1) times as long of rest to have it again in full
 * @reserved: zero
 *
 * A limit is kept on the average: what was not used up to a tenth of a second
 * ago may be caught up on. A request is never split, so one larger than what
 * is left is begun, and what follows waits the longer.
 */
struct kvlane_rate {
	__u64 rate;
	__u64 burst;
	__u32 burst_ms;
	__u32 reserved;
};

/**
 * struct kvlane_limits - the limits of a throttle
 * @flags: zero
 * @reserved0: zero
 * @limits: indexed by enum kvlane_limit
 * @ops: requests and packets that were let through; out only, zero when set
 * @bytes: bytes in them; out only, zero when set
 * @delayed: those of @ops that had to wait; out only, zero when set
 * @waiting: queues that wait right now, twice if for reads and for writes; out
 *	only, zero when set
 * @reserved: zero
 *
 * KVLANE_SET_LIMITS and KVLANE_GET_LIMITS on a throttle, at any time. Requests
 * that wait go by the new limits at once. All limits hold together. Errors:
 * -EFAULT; -EINVAL for a rate or burst above KVLANE_MAX_RATE, a burst without
 * @rate or @burst_ms, not above its @rate or more than KVLANE_MAX_BURST_RATIO
 * times as high, or longer than KVLANE_MAX_BURST_MS.
 */
struct kvlane_limits {
	__u32 flags;
	__u32 reserved0;
	struct kvlane_rate limits[KVLANE_NR_LIMITS];
	__u64 ops;
	__u64 bytes;
	__u64 delayed;
	__u64 waiting;
	__u64 reserved[4];
};

/**
 * struct kvlane_set_throttle - what a device's requests have to wait for
 * @flags: zero
 * @fd: a throttle, or -1 for none; the descriptor may be closed afterwards
 * @reserved: zero
 *
 * KVLANE_SET_THROTTLE on a device, at any time. Devices that have the same
 * throttle, also of several guests, keep its limits together and take turns.
 * Requests that wait for the old throttle go on by the new one. Errors: -EBADF,
 * -EINVAL if @fd is not a throttle, -EOPNOTSUPP for a type of device that cannot
 * be throttled, -EPERM.
 */
struct kvlane_set_throttle {
	__u32 flags;
	__s32 fd;
	__u64 reserved;
};

/**
 * struct kvlane_create_iommu - a new iommu object: guest memory for assigned devices
 * @flags: zero
 * @reserved: zero
 *
 * KVLANE_CREATE_IOMMU on a VM. Returns its descriptor (close-on-exec). Nothing is
 * pinned or mapped until a device is attached. Closing it gives all devices back to
 * VFIO, then unmaps and unpins all memory.
 * Errors: -EOPNOTSUPP if the module was built for a kernel without VFIO or for 6.1, -EINVAL,
 * -EMFILE, -ENOMEM, -EPERM.
 */
struct kvlane_create_iommu {
	__u32 flags;
	__u32 reserved[3];
};

/**
 * struct kvlane_iommu_device - a device whose IOMMU is to map guest memory
 * @flags: zero
 * @fd: descriptor of a PCI device from VFIO_GROUP_GET_DEVICE_FD, its group being in a
 *	container of VFIO's type 1
 * @reserved: zero
 *
 * KVLANE_IOMMU_ATTACH and KVLANE_IOMMU_DETACH on an iommu object.
 *
 * Attaching puts all devices of the device's IOMMU group into page tables of this
 * object, in place of those of VFIO's container. With the first device all of the VM's
 * memory is pinned, charged to RLIMIT_MEMLOCK, and mapped at its guest physical
 * addresses, but for blocks that the host has by a balloon; devices whose IOMMUs are
 * alike share tables. What is mapped through VFIO's container has no effect on the
 * device until it is detached. DMA of the device may be lost while this lasts.
 *
 * The object holds the file: the device stays open in VFIO, and so bound to its driver,
 * until it is detached or the object closed. After VFIO's request to give a device back
 * (VFIO_PCI_REQ_ERR_TYPE), detach it, or close the object, and close @fd.
 *
 * Detaching gives the group back to VFIO's container once none of its devices is
 * attached. With the last device of the object all memory is unmapped and unpinned.
 *
 * Errors: -EBADF; -EINVAL if @fd is not such a descriptor; -EOPNOTSUPP if the device is
 * used through an iommufd or a character device of its own, or if interrupts go through
 * its IOMMU's page tables; -ENODEV if it has no IOMMU. Attaching: -EEXIST if it is
 * attached; -EBUSY if its group is, elsewhere; and as for KVLANE_IOMMU_MAP. Detaching:
 * -ENOENT if it is not attached here. -EFAULT, -EINTR, -ENOMEM, -EPERM.
 */
struct kvlane_iommu_device {
	__u32 flags;
	__s32 fd;
	__u64 reserved[3];
};

/* flags of struct kvlane_iommu_range */

/**
 * define KVLANE_IOMMU_WHOLE - for KVLANE_IOMMU_UNMAP, do not split a large page
 *
 * It fails with -EBUSY if it would have to.
 */
#define KVLANE_IOMMU_WHOLE	(1U << 0)

/**
 * struct kvlane_iommu_range - guest memory to map or to unmap
 * @flags: KVLANE_IOMMU_WHOLE with KVLANE_IOMMU_UNMAP, or zero
 * @reserved0: zero
 * @gpa: guest physical address, page aligned
 * @size: bytes, page aligned, not zero
 * @reserved: zero
 *
 * KVLANE_IOMMU_MAP and KVLANE_IOMMU_UNMAP on an iommu object with a device, while the
 * guest runs or not. All memory is mapped from the beginning; these are for memory that
 * goes and comes within a region, as with a balloon. What is mapped is what the region's
 * user addresses show at the time of the call, and stays that until it is unmapped: so
 * unmap memory before discarding it or punching holes into its file, and map it after
 * that.
 *
 * Unmapping takes out what of the range is mapped. When it returns no device can reach
 * it any more, and it is not pinned. A large page that reaches beyond the range, of the
 * IOMMU or of the memory, is split: what is to stay is pinned again, mapped in smaller
 * pages, and meanwhile, for a moment, not mapped at all. A device that uses it just then
 * gets a fault. Where that matters use KVLANE_IOMMU_WHOLE.
 *
 * Errors: -EINVAL; -ENXIO if no device is attached. Mapping: -ENOENT if part of the
 * range is not in the VM's memory, -EEXIST if part of it is mapped, -ERANGE if a device
 * cannot have memory there (VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE tells where), -EDQUOT
 * if RLIMIT_MEMLOCK does not allow as much, -EFAULT if there is nothing that can be
 * pinned for writing, or not for long, as with files on disks; -EINTR, -ENOMEM.
 * Unmapping: -ENOENT if nothing is mapped there, -EBUSY with KVLANE_IOMMU_WHOLE. If it
 * has to split a large page, as for mapping; -ENOMEM can mean too that all of that page
 * is unmapped. -EFAULT, -EPERM.
 */
struct kvlane_iommu_range {
	__u32 flags;
	__u32 reserved0;
	__u64 gpa;
	__u64 size;
	__u64 reserved[2];
};

/**
 * define KVLANE_IOMMU_LEAVES - sizes of pages that are counted
 *
 * 4 KiB, 2 MiB and 1 GiB; an IOMMU's page of a size in between is counted with the next
 * smaller.
 */
#define KVLANE_IOMMU_LEAVES	3

/**
 * struct kvlane_iommu_leaf - memory mapped in pages of one size
 * @size: bytes of a page
 * @bytes: memory so mapped, counted once for each of kvlane_iommu_stats.domains
 * @backing: those of @bytes not in larger pages because the host's memory is not in
 *	one piece of the next size of the table, at a multiple of it
 * @alignment: those not in larger pages because the guest physical address differs from
 *	the host's in the bits below that size
 * @domain: those not in larger pages because the IOMMU has no larger ones
 *
 * The last three add up to @bytes, except for the largest size, where they are 0.
 */
struct kvlane_iommu_leaf {
	__u64 size;
	__u64 bytes;
	__u64 backing;
	__u64 alignment;
	__u64 domain;
};

/**
 * struct kvlane_iommu_stats - what an iommu object has mapped
 * @flags: zero
 * @devices: devices attached
 * @domains: sets of page tables they need
 * @reserved0: zero
 * @page_sizes: bit N is set if all of them can have pages of 2^N bytes
 * @mapped: bytes of guest memory that are pinned and mapped
 * @runs: pieces of them that are contiguous in the host's memory
 * @leaves: by size of the IOMMU's pages, the smallest first
 * @pin_ns: time spent pinning, in nanoseconds, since the object was made
 * @map_ns: time spent filling page tables
 * @unmap_ns: time spent clearing page tables and flushing the IOMMU's caches
 * @unpin_ns: time spent unpinning
 * @splits: times that a large page had to be split
 * @reserved: zero
 *
 * KVLANE_IOMMU_STATS on an iommu object. Takes time in proportion to @runs. Errors:
 * -EFAULT, -EINTR, -EPERM.
 */
struct kvlane_iommu_stats {
	__u32 flags;
	__u32 devices;
	__u32 domains;
	__u32 reserved0;
	__u64 page_sizes;
	__u64 mapped;
	__u64 runs;
	struct kvlane_iommu_leaf leaves[KVLANE_IOMMU_LEAVES];
	__u64 pin_ns;
	__u64 map_ns;
	__u64 unmap_ns;
	__u64 unpin_ns;
	__u64 splits;
	__u64 reserved[4];
};

/**
 * enum kvlane_event_type - what happened
 * @KVLANE_EVENT_NEEDS_RESET: the driver broke the rules; the device stopped
 *	until it is reset. @reason says what was wrong, @queue where.
 * @KVLANE_EVENT_BACKEND_ERROR: a request failed underneath. @error is the
 *	negative errno. Sent for the first failure after a reset only.
 * @KVLANE_EVENT_QUEUE_STALLED: the oldest request of @queue has been with the
 *	back end for 10 seconds, or what the module's parameter stall_seconds says.
 *	@value requests of the queue are in flight. Sent once for such a request,
 *	also while a reset waits for it.
 * @KVLANE_EVENT_NET_PAIRS: the driver of a network device uses @value queue
 *	pairs from now on. The owner of a tap attaches and detaches the tap's
 *	queues to match (TUNSETQUEUE), or the network below goes on sending to
 *	queues nobody reads.
 * @KVLANE_EVENT_LINK_LOST: the tap behind @queue has gone away; the link is
 *	down
 * @KVLANE_EVENT_NET_RSS: the driver of a network device has changed what
 *	KVLANE_GET_RSS tells. @value is 1 if RSS is on, 0 if it is off. Only with
 *	KVLANE_BACKEND_RSS.
 * @KVLANE_EVENT_BALLOON_RETURNED: there are blocks that KVLANE_GET_RETURNED tells of.
 *	Sent again when all of them have been told of.
 * @KVLANE_EVENT_NOT_MAPPED: a driver has started a device for vDPA, and the ring of
 *	@queue, at the address @value, is in no memory that vhost-vdpa has mapped. It
 *	passes over what is not shared (memory-backend-memfd and share=on make it so) and
 *	tells nobody. KVLANE_EVENT_NEEDS_RESET follows.
 */
enum kvlane_event_type {
	KVLANE_EVENT_NEEDS_RESET = 1,
	KVLANE_EVENT_BACKEND_ERROR = 2,
	KVLANE_EVENT_QUEUE_STALLED = 3,
	KVLANE_EVENT_NET_PAIRS = 4,
	KVLANE_EVENT_LINK_LOST = 5,
	KVLANE_EVENT_NET_RSS = 6,
	KVLANE_EVENT_BALLOON_RETURNED = 7,
	KVLANE_EVENT_NOT_MAPPED = 8,
};

/**
 * enum kvlane_reason - why a device went into DEVICE_NEEDS_RESET
 * @KVLANE_REASON_NONE: it did not
 * @KVLANE_REASON_RING_ADDRESS: a ring outside guest memory, or not aligned
 * @KVLANE_REASON_AVAIL_INDEX: the avail index ran more than a queue ahead;
 *	in a packed ring, a chain where there is no room for one
 * @KVLANE_REASON_HEAD: a head, or buffer id, past the end of the table
 * @KVLANE_REASON_HEAD_BUSY: a head, or buffer id, that is still in flight
 * @KVLANE_REASON_NEXT: a next field past the end of the table; in a packed
 *	ring, a chain that goes on where nothing is available
 * @KVLANE_REASON_CHAIN_LENGTH: a loop, or a chain longer than the queue
 * @KVLANE_REASON_CHAIN_BYTES: an empty buffer, or a chain of 2^32 bytes or more
 * @KVLANE_REASON_DIRECTION: a readable descriptor after a writable one
 * @KVLANE_REASON_ADDRESS: a buffer outside guest memory
 * @KVLANE_REASON_INDIRECT: an indirect table of bad length, nested, followed
 *	by another descriptor, or without the feature; in a packed ring, in one
 *	chain with other descriptors
 * @KVLANE_REASON_SEGMENTS: more buffers than the device takes
 * @KVLANE_REASON_SHORT: a buffer too short for the request's header or status
 * @KVLANE_REASON_FAULT: a ring, header or status in guest memory that its owner
 *	has unmapped. Data there is an I/O error, and KVLANE_EVENT_BACKEND_ERROR
 *	with -EFAULT.
 * @KVLANE_REASON_NO_BACKEND: DRIVER_OK without a back end
 */
enum kvlane_reason {
	KVLANE_REASON_NONE = 0,
	KVLANE_REASON_RING_ADDRESS,
	KVLANE_REASON_AVAIL_INDEX,
	KVLANE_REASON_HEAD,
	KVLANE_REASON_HEAD_BUSY,
	KVLANE_REASON_NEXT,
	KVLANE_REASON_CHAIN_LENGTH,
	KVLANE_REASON_CHAIN_BYTES,
	KVLANE_REASON_DIRECTION,
	KVLANE_REASON_ADDRESS,
	KVLANE_REASON_INDIRECT,
	KVLANE_REASON_SEGMENTS,
	KVLANE_REASON_SHORT,
	KVLANE_REASON_FAULT,
	KVLANE_REASON_NO_BACKEND,
};

/**
 * define KVLANE_NO_QUEUE - @queue of an event that concerns the whole device
 */
#define KVLANE_NO_QUEUE		0xffffffffU

/**
 * struct kvlane_event - one event
 * @type: enum kvlane_event_type
 * @queue: the queue, or KVLANE_NO_QUEUE
 * @reason: enum kvlane_reason, or 0
 * @error: negative errno, or 0
 * @time_ns: when, CLOCK_MONOTONIC
 * @value: what the type says, or 0
 *
 * read() on a device descriptor returns whole events, oldest first, as many as
 * fit; it blocks while there are none unless the descriptor is O_NONBLOCK
 * (-EAGAIN). A buffer smaller than one event is -EINVAL. poll() reports
 * POLLIN. The device keeps a limited number; kvlane_stats.events_lost counts
 * those nobody read in time.
 */
struct kvlane_event {
	__u32 type;
	__u32 queue;
	__u32 reason;
	__s32 error;
	__u64 time_ns;
	__u64 value;
};

/**
 * define KVLANE_GET_INFO - what the module can do, on /dev/kvlane
 *
 * Takes struct kvlane_info.
 */
#define KVLANE_GET_INFO	_IOWR(KVLANE_IOC_MAGIC, 0x00, struct kvlane_info)
/**
 * define KVLANE_CREATE_VM - a new VM descriptor, on /dev/kvlane
 *
 * Takes struct kvlane_create_vm.
 */
#define KVLANE_CREATE_VM _IOW(KVLANE_IOC_MAGIC, 0x01, struct kvlane_create_vm)
/**
 * define KVLANE_CREATE_THROTTLE - a new throttle descriptor, on /dev/kvlane
 *
 * Takes struct kvlane_create_throttle.
 */
#define KVLANE_CREATE_THROTTLE \
	_IOW(KVLANE_IOC_MAGIC, 0x02, struct kvlane_create_throttle)

/**
 * define KVLANE_CREATE_VDPA - a new device for vDPA, on /dev/kvlane
 *
 * Takes struct kvlane_create_vdpa.
 */
#define KVLANE_CREATE_VDPA _IOW(KVLANE_IOC_MAGIC, 0x03, struct kvlane_create_vdpa)
/**
 * define KVLANE_OPEN_VDPA - another descriptor of such a device, on /dev/kvlane
 *
 * Takes struct kvlane_open_vdpa.
 */
#define KVLANE_OPEN_VDPA _IOW(KVLANE_IOC_MAGIC, 0x04, struct kvlane_open_vdpa)

/**
 * define KVLANE_SET_MEMORY - the guest's memory map, on a VM
 *
 * Takes struct kvlane_set_memory.
 */
#define KVLANE_SET_MEMORY _IOW(KVLANE_IOC_MAGIC, 0x10, struct kvlane_set_memory)
/**
 * define KVLANE_CREATE_DEVICE - a new device descriptor, on a VM
 *
 * Takes struct kvlane_create_device.
 */
#define KVLANE_CREATE_DEVICE _IOW(KVLANE_IOC_MAGIC, 0x11, struct kvlane_create_device)
/**
 * define KVLANE_IRQ_INFO - how interrupts reach the guest, on a VM
 *
 * Takes struct kvlane_irq_info.
 */
#define KVLANE_IRQ_INFO _IOWR(KVLANE_IOC_MAGIC, 0x12, struct kvlane_irq_info)

/**
 * define KVLANE_CREATE_IOMMU - a new iommu descriptor, on a VM
 *
 * Takes struct kvlane_create_iommu.
 */
#define KVLANE_CREATE_IOMMU _IOW(KVLANE_IOC_MAGIC, 0x13, struct kvlane_create_iommu)
/**
 * define KVLANE_SET_DIRTY_LOG - begin or end a log of written pages, on a VM
 *
 * See struct kvlane_set_dirty_log.
 */
#define KVLANE_SET_DIRTY_LOG _IOW(KVLANE_IOC_MAGIC, 0x14, struct kvlane_set_dirty_log)
/**
 * define KVLANE_GET_DIRTY_LOG - fetch and clear a part of the log, on a VM
 *
 * See struct kvlane_get_dirty_log.
 */
#define KVLANE_GET_DIRTY_LOG _IOWR(KVLANE_IOC_MAGIC, 0x15, struct kvlane_get_dirty_log)

/**
 * define KVLANE_SET_BACKEND - what serves a device, on a device
 *
 * Takes struct kvlane_backend.
 */
#define KVLANE_SET_BACKEND _IOW(KVLANE_IOC_MAGIC, 0x20, struct kvlane_backend)
/**
 * define KVLANE_SET_KICK - eventfd of a queue's notifications, on a device
 *
 * Takes struct kvlane_eventfd.
 */
#define KVLANE_SET_KICK	_IOW(KVLANE_IOC_MAGIC, 0x21, struct kvlane_eventfd)
/**
 * define KVLANE_SET_VECTOR - eventfd of an interrupt vector, on a device
 *
 * Takes struct kvlane_eventfd.
 */
#define KVLANE_SET_VECTOR _IOW(KVLANE_IOC_MAGIC, 0x22, struct kvlane_eventfd)
/**
 * define KVLANE_GET_STATS - counters of a device, on a device
 *
 * Takes struct kvlane_stats.
 */
#define KVLANE_GET_STATS _IOWR(KVLANE_IOC_MAGIC, 0x23, struct kvlane_stats)
/**
 * define KVLANE_SET_LINK - link state of a network device, on a device
 *
 * Takes struct kvlane_link.
 */
#define KVLANE_SET_LINK _IOW(KVLANE_IOC_MAGIC, 0x24, struct kvlane_link)
/**
 * define KVLANE_GET_RSS - how packets are to be steered to queues, on a device
 *
 * Takes struct kvlane_net_rss.
 */
#define KVLANE_GET_RSS _IOWR(KVLANE_IOC_MAGIC, 0x25, struct kvlane_net_rss)
/**
 * define KVLANE_SET_THROTTLE - what a device's requests wait for, on a device
 *
 * Takes struct kvlane_set_throttle.
 */
#define KVLANE_SET_THROTTLE _IOW(KVLANE_IOC_MAGIC, 0x26, struct kvlane_set_throttle)

/**
 * define KVLANE_SET_LANES - what lanes do to save processor time, on a device
 *
 * Takes struct kvlane_set_lanes.
 */
#define KVLANE_SET_LANES _IOW(KVLANE_IOC_MAGIC, 0x27, struct kvlane_set_lanes)

/**
 * define KVLANE_SET_BALLOON - how large a balloon shall be, on a device
 *
 * See struct kvlane_set_balloon.
 */
#define KVLANE_SET_BALLOON _IOW(KVLANE_IOC_MAGIC, 0x28, struct kvlane_set_balloon)
/**
 * define KVLANE_GET_BALLOON - what is in a balloon, on a device
 *
 * See struct kvlane_balloon_info.
 */
#define KVLANE_GET_BALLOON _IOWR(KVLANE_IOC_MAGIC, 0x29, struct kvlane_balloon_info)
/**
 * define KVLANE_GET_RETURNED - blocks that a balloon has given back, on a device
 *
 * See struct kvlane_balloon_returned.
 */
#define KVLANE_GET_RETURNED _IOWR(KVLANE_IOC_MAGIC, 0x2a, struct kvlane_balloon_returned)
/**
 * define KVLANE_SET_HINTING - ask the guest for pages it has no use for, on a balloon
 *
 * See struct kvlane_set_hinting.
 */
#define KVLANE_SET_HINTING _IOW(KVLANE_IOC_MAGIC, 0x2b, struct kvlane_set_hinting)
/**
 * define KVLANE_GET_HINTS - fetch a part of the hints, and clear it, on a balloon
 *
 * What KVLANE_GET_DIRTY_LOG is to a log: a bit is set for each page that was hinted at as a
 * whole. -ENOENT if there is no round either. See struct kvlane_get_dirty_log.
 */
#define KVLANE_GET_HINTS _IOWR(KVLANE_IOC_MAGIC, 0x2c, struct kvlane_get_dirty_log)
/**
 * define KVLANE_SET_LIMITS - change the limits, on a throttle
 *
 * Takes struct kvlane_limits.
 */
#define KVLANE_SET_LIMITS _IOW(KVLANE_IOC_MAGIC, 0x30, struct kvlane_limits)
/**
 * define KVLANE_GET_LIMITS - read the limits and counters, on a throttle
 *
 * Takes struct kvlane_limits.
 */
#define KVLANE_GET_LIMITS _IOR(KVLANE_IOC_MAGIC, 0x30, struct kvlane_limits)

/**
 * define KVLANE_IOMMU_ATTACH - map guest memory for a device, on an iommu object
 *
 * Takes struct kvlane_iommu_device.
 */
#define KVLANE_IOMMU_ATTACH _IOW(KVLANE_IOC_MAGIC, 0x40, struct kvlane_iommu_device)
/**
 * define KVLANE_IOMMU_DETACH - give a device back to VFIO, on an iommu object
 *
 * Takes struct kvlane_iommu_device.
 */
#define KVLANE_IOMMU_DETACH _IOW(KVLANE_IOC_MAGIC, 0x41, struct kvlane_iommu_device)
/**
 * define KVLANE_IOMMU_MAP - pin and map memory that was unmapped, on an iommu object
 *
 * Takes struct kvlane_iommu_range.
 */
#define KVLANE_IOMMU_MAP _IOW(KVLANE_IOC_MAGIC, 0x42, struct kvlane_iommu_range)
/**
 * define KVLANE_IOMMU_UNMAP - unmap and unpin memory, on an iommu object
 *
 * Takes struct kvlane_iommu_range.
 */
#define KVLANE_IOMMU_UNMAP _IOW(KVLANE_IOC_MAGIC, 0x43, struct kvlane_iommu_range)
/**
 * define KVLANE_IOMMU_STATS - what is mapped and how, on an iommu object
 *
 * Takes struct kvlane_iommu_stats.
 */
#define KVLANE_IOMMU_STATS _IOR(KVLANE_IOC_MAGIC, 0x44, struct kvlane_iommu_stats)

#endif /* _UAPI_LINUX_KVLANE_H */
