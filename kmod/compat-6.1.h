/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Linux 6.12 has and 6.1, Debian 12's own kernel, has not. See compat.h.
 *
 * Each entry names the kernel that changed it. Headers that 6.1 lacks are in compat/,
 * where the compiler looks last.
 */
#ifndef KVLANE_COMPAT_6_1_H
#define KVLANE_COMPAT_6_1_H

#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/if_tun.h>
#include <linux/hugetlb.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pagevec.h>
#include <linux/shrinker.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci_modern.h>

/* 6.2: segmentation of UDP. A tap refuses these bits before, and so they are not offered. */
#define VIRTIO_NET_F_GUEST_USO4		54
#define VIRTIO_NET_F_GUEST_USO6		55
#define VIRTIO_NET_F_HOST_USO		56
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#define TUN_F_USO4			0x20
#define TUN_F_USO6			0x40

/* 6.3: a buffer of the kernel's as a segment. */
static inline void bvec_set_virt(struct bio_vec *bv, void *vaddr, unsigned int len)
{
	bv->bv_page = virt_to_page(vaddr);
	bv->bv_len = len;
	bv->bv_offset = offset_in_page(vaddr);
}

/* 6.4: the segment at hand. */
#define iter_iov_addr(iter) ((iter)->iov->iov_base + (iter)->iov_offset)
#define iter_iov_len(iter) ((iter)->iov->iov_len - (iter)->iov_offset)

/* 6.4: KVM's names of the reasons not to use APICv. */
#define KVLANE_INHIBIT_NAME(name) { BIT(APICV_INHIBIT_REASON_##name), #name }
#define APICV_INHIBIT_REASONS					\
	{ BIT(APICV_INHIBIT_REASON_DISABLE), "DISABLED" },	\
	KVLANE_INHIBIT_NAME(HYPERV),				\
	KVLANE_INHIBIT_NAME(ABSENT),				\
	KVLANE_INHIBIT_NAME(BLOCKIRQ),				\
	KVLANE_INHIBIT_NAME(APIC_ID_MODIFIED),			\
	KVLANE_INHIBIT_NAME(APIC_BASE_MODIFIED),		\
	KVLANE_INHIBIT_NAME(NESTED),				\
	KVLANE_INHIBIT_NAME(IRQWIN),				\
	KVLANE_INHIBIT_NAME(PIT_REINJ),				\
	KVLANE_INHIBIT_NAME(SEV)

/* 6.6: modules may read by bios, for which the pages have to be dirty in the end. */
#define KVLANE_BIO_DIRTIES 0
#define bio_set_pages_dirty(bio) ((void)(bio))
#define bio_check_pages_dirty(bio) ((void)(bio))

/* 6.7: shrinkers are allocated, and lead to what they are for. */
struct kvlane_shrinker {
	struct shrinker registered;
	const char *name;
	unsigned long (*count_objects)(struct kvlane_shrinker *s, struct shrink_control *sc);
	unsigned long (*scan_objects)(struct kvlane_shrinker *s, struct shrink_control *sc);
	void *private_data;
};

static inline unsigned long kvlane_shrinker_count(struct shrinker *registered,
						  struct shrink_control *sc)
{
	struct kvlane_shrinker *s = container_of(registered, struct kvlane_shrinker, registered);

	return s->count_objects(s, sc);
}

static inline unsigned long kvlane_shrinker_scan(struct shrinker *registered,
						 struct shrink_control *sc)
{
	struct kvlane_shrinker *s = container_of(registered, struct kvlane_shrinker, registered);

	return s->scan_objects(s, sc);
}

static inline struct kvlane_shrinker *shrinker_alloc(unsigned int flags, const char *name)
{
	struct kvlane_shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->name = name;
	s->registered.count_objects = kvlane_shrinker_count;
	s->registered.scan_objects = kvlane_shrinker_scan;
	s->registered.seeks = DEFAULT_SEEKS;
	s->registered.flags = flags;
	return s;
}

/* Without memory the host's reclaim does not ask, and nothing else is different. */
static inline void shrinker_register(struct kvlane_shrinker *s)
{
	if (register_shrinker(&s->registered, "%s", s->name))
		pr_warn("%s: no memory for it, the host's reclaim does not ask\n", s->name);
}

static inline void shrinker_free(struct kvlane_shrinker *s)
{
	unregister_shrinker(&s->registered);
	kfree(s);
}

#define shrinker kvlane_shrinker

/* 6.8: modules may ask. */
#define is_file_hugepages(file) (file_inode(file)->i_sb->s_magic == HUGETLBFS_MAGIC)

/* 6.8: one at a time. */
#define eventfd_signal(ctx) eventfd_signal(ctx, 1)

/* 6.10: the page goes by itself. */
static inline void page_frag_cache_drain(struct page_frag_cache *cache)
{
	if (!cache->va)
		return;
	__page_frag_cache_drain(virt_to_head_page(cache->va), cache->pagecnt_bias);
	cache->va = NULL;
}

/* 6.10: that packets are done with is one operation of several. */
#define KVLANE_UBUF_COMPLETE(fn) .callback = (fn)

/* 6.11: what a queue can do is among its limits. */
static inline bool kvlane_bdev_can_poll(struct block_device *bdev)
{
	return test_bit(QUEUE_FLAG_POLL, &bdev_get_queue(bdev)->queue_flags);
}

#endif
