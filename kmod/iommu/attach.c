// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: from a descriptor of VFIO's to page tables of our own.
 *
 * A device that VFIO gives to user space is in a domain of VFIO's, in which the owner
 * of VFIO's container maps and unmaps as it likes. Were guest memory mapped in there as
 * well, an owner that has VFIO map and unmap the same addresses would have it unpin our
 * pins, and free memory that a device still writes to. So an object has domains of its
 * own. While a group of devices is attached here, the group uses ours in place of
 * VFIO's, which stays as it is, waits, and gets the group back in the end. What is
 * mapped through the container meanwhile has no effect on the device.
 *
 * What keeps a domain of VFIO's alive is VFIO's file of the device, which is held from
 * before the exchange until after the return. VFIO does not take the container from a
 * group with an open device, nor let the device's driver go; unbinding or unplugging it
 * waits for us, like for everybody who has the device open. Only a file that a group
 * gave out counts: one that was opened as a character device of its own belongs to an
 * iommufd, and holds nothing by itself.
 *
 * Giving a group back leaves it in its blocking domain if VFIO's cannot be attached
 * again for want of memory. That is safe, nothing is mapped there, and VFIO's own way
 * out of it is the same.
 *
 * Groups that could have domains alike share one. No name of an IOMMU's maker occurs.
 */
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/vfio.h>

#include "iommu.h"
#include "vm.h"

/* All groups of all objects: a group can be in one of them only. */
static LIST_HEAD(kvlane_iogroups);
/* Guards it, and exchanges of domains; inside kvlane_vm.iommu_lock. */
static DEFINE_MUTEX(kvlane_iogroups_lock);

/**
 * struct kvlane_vfio_search - which device is behind a file?
 * @file: the file
 * @device: VFIO's half of the device, once it was found
 */
struct kvlane_vfio_search {
	struct file *file;
	struct vfio_device *device;
};

static bool kvlane_vfio_match_file(const struct vfio_device *device, const struct file *file)
{
	return device->inode && file->f_mapping == device->inode->i_mapping;
}

/* A device that VFIO has bound has a child that is VFIO's. */
static int kvlane_vfio_match(struct device *child, void *data)
{
	struct kvlane_vfio_search *search = data;
	struct vfio_device *device;

	if (!child->class || strcmp(child->class->name, "vfio-dev"))
		return 0;
	device = container_of(child, struct vfio_device, device);
	if (!kvlane_vfio_match_file(device, search->file))
		return 0;
	search->device = device;
	return 1;
}

static int kvlane_vfio_look(struct device *dev, void *data)
{
	return device_for_each_child(dev, data, kvlane_vfio_match);
}

static bool kvlane_vfio_of_iommufd(const struct vfio_device *device)
{
#if IS_ENABLED(CONFIG_IOMMUFD)
	return device->iommufd_device;
#else
	return false;
#endif
}

/* Returns a device that is there as long as the file. */
static struct device *kvlane_vfio_device(struct file *file)
{
	struct kvlane_vfio_search search = { .file = file };

	bus_for_each_dev(&pci_bus_type, NULL, &search, kvlane_vfio_look);
	if (!search.device)
		return ERR_PTR(-EINVAL);
	if (S_ISCHR(file_inode(file)->i_mode) || kvlane_vfio_of_iommufd(search.device))
		return ERR_PTR(-EOPNOTSUPP);
	return search.device->dev;
}

static struct kvlane_iogroup *kvlane_iogroup_find(struct iommu_group *group)
{
	struct kvlane_iogroup *g;

	lockdep_assert_held(&kvlane_iogroups_lock);
	list_for_each_entry(g, &kvlane_iogroups, all) {
		if (g->group == group)
			return g;
	}
	return NULL;
}

static bool kvlane_iommu_owns(const struct kvlane_iommu *iommu,
			      const struct kvlane_iogroup *group)
{
	const struct kvlane_iogroup *g;

	list_for_each_entry(g, &iommu->groups, node) {
		if (g == group)
			return true;
	}
	return false;
}

static int kvlane_reserved_check(const struct kvlane_iogroup *g, u64 iova, u64 size)
{
	const struct iommu_resv_region *r;

	list_for_each_entry(r, &g->reserved, list) {
		if (r->type != IOMMU_RESV_DIRECT_RELAXABLE && r->length &&
		    iova <= r->start + (r->length - 1) && iova + size > r->start)
			return -ERANGE;
	}
	return 0;
}

static int kvlane_iogroup_allows(const struct kvlane_iogroup *g, u64 iova, u64 size)
{
	const struct iommu_domain_geometry *geometry = &g->domain->domain->geometry;

	if (iova < geometry->aperture_start || iova + size - 1 > geometry->aperture_end)
		return -ERANGE;
	return kvlane_reserved_check(g, iova, size);
}

/**
 * kvlane_iommu_allows - may devices have memory there?
 * @iommu: the object
 * @iova: guest physical address
 * @size: bytes, not zero
 *
 * Return: 0; -ERANGE if one of its groups has a hole there, or ends before.
 */
int kvlane_iommu_allows(const struct kvlane_iommu *iommu, u64 iova, u64 size)
{
	const struct kvlane_iogroup *g;
	int err = 0;

	list_for_each_entry(g, &iommu->groups, node) {
		err = kvlane_iogroup_allows(g, iova, size);
		if (err)
			break;
	}
	return err;
}

static int kvlane_iogroup_allows_areas(struct kvlane_iommu *iommu,
				       const struct kvlane_iogroup *g)
{
	const struct kvlane_ioarea *area;
	int err = 0;

	list_for_each_entry(area, &iommu->areas, node) {
		err = kvlane_iogroup_allows(g, area->iova, area->size);
		if (err)
			break;
	}
	return err;
}

static struct kvlane_iodomain *kvlane_iodomain_alloc(struct device *dev)
{
	struct kvlane_iodomain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	struct iommu_domain *domain;

	if (!d)
		return ERR_PTR(-ENOMEM);
	domain = iommu_paging_domain_alloc(dev);
	if (IS_ERR(domain)) {
		kfree(d);
		return ERR_CAST(domain);
	}
	d->domain = domain;
	d->coherent = device_iommu_capable(dev, IOMMU_CAP_ENFORCE_CACHE_COHERENCY);
	return d;
}

static void kvlane_iodomain_free(struct kvlane_iodomain *d)
{
	iommu_domain_free(d->domain);
	kfree(d);
}

static bool kvlane_iodomain_alike(const struct kvlane_iodomain *a,
				  const struct kvlane_iodomain *b)
{
	return a->domain->ops == b->domain->ops && a->coherent == b->coherent &&
	       a->domain->pgsize_bitmap == b->domain->pgsize_bitmap &&
	       a->domain->geometry.aperture_start == b->domain->geometry.aperture_start &&
	       a->domain->geometry.aperture_end == b->domain->geometry.aperture_end;
}

/* A group that is in no domain goes back to VFIO's, or stays there: see the top. */
static void kvlane_iogroup_give_back(struct kvlane_iogroup *g)
{
	if (iommu_attach_group(g->vfio, g->group))
		pr_debug("an IOMMU group stays blocked until VFIO closes it\n");
}

/*
 * VFIO tells KVM that devices cannot get around the processors' caches wherever the
 * IOMMU can see to it, so here it has to; that is decided with the first device, before
 * anything is mapped. Only then it is known as well what a domain can do.
 */
static int kvlane_iodomain_begin(struct kvlane_iodomain *own, struct iommu_group *group)
{
	int err = iommu_attach_group(own->domain, group);

	if (err)
		return err;
	if (own->coherent && !own->domain->ops->enforce_cache_coherency(own->domain))
		err = -EINVAL;
	if (!(own->domain->pgsize_bitmap & PAGE_SIZE))
		err = -EOPNOTSUPP;
	if (err)
		iommu_detach_group(own->domain, group);
	return err;
}

/*
 * The domain in which a group is to be that is in @own: one that is there already if
 * they suit each other, or else @own, once everything is mapped there. After an error
 * the group is in neither.
 */
static struct kvlane_iodomain *kvlane_iodomain_choose(struct kvlane_iommu *iommu,
						      struct kvlane_iodomain *own,
						      struct iommu_group *group)
{
	struct kvlane_iodomain *d;
	int err;

	list_for_each_entry(d, &iommu->domains, node) {
		if (!kvlane_iodomain_alike(d, own))
			continue;
		iommu_detach_group(own->domain, group);
		if (!iommu_attach_group(d->domain, group))
			return d;
		err = iommu_attach_group(own->domain, group);
		if (err)
			return ERR_PTR(err);
	}
	err = kvlane_iodomain_fill(iommu, own);
	if (err) {
		iommu_detach_group(own->domain, group);
		return ERR_PTR(err);
	}
	return own;
}

/*
 * Put a group into a domain where nothing is mapped yet, if all that is to be can be. One
 * that is alike has the same aperture. After an error the group is in neither.
 */
static int kvlane_iogroup_begin(struct kvlane_iommu *iommu, struct kvlane_iogroup *g,
				struct kvlane_iodomain *own)
{
	int err = kvlane_iodomain_begin(own, g->group);

	if (err)
		return err;
	g->domain = own;
	err = kvlane_iogroup_allows_areas(iommu, g);
	if (err)
		iommu_detach_group(own->domain, g->group);
	return err;
}

/* After an error the group is where it was. */
static int kvlane_iogroup_exchange(struct kvlane_iommu *iommu, struct kvlane_iogroup *g,
				   struct device *dev)
{
	struct kvlane_iodomain *own = kvlane_iodomain_alloc(dev), *d;
	int err;

	if (IS_ERR(own))
		return PTR_ERR(own);
	iommu_detach_group(g->vfio, g->group);
	err = kvlane_iogroup_begin(iommu, g, own);
	d = err ? ERR_PTR(err) : kvlane_iodomain_choose(iommu, own, g->group);
	if (d == own)
		list_add_tail(&own->node, &iommu->domains);
	else
		kvlane_iodomain_free(own);
	if (IS_ERR(d)) {
		kvlane_iogroup_give_back(g);
		return PTR_ERR(d);
	}
	d->groups++;
	g->domain = d;
	return 0;
}

static void kvlane_reserved_free(struct kvlane_iogroup *g)
{
	struct iommu_resv_region *r, *next;

	list_for_each_entry_safe(r, next, &g->reserved, list)
		kfree(r);
}

static bool kvlane_reserved_software_msi(const struct kvlane_iogroup *g)
{
	const struct iommu_resv_region *r;

	list_for_each_entry(r, &g->reserved, list) {
		if (r->type == IOMMU_RESV_SW_MSI)
			return true;
	}
	return false;
}

static struct kvlane_iogroup *kvlane_iogroup_alloc(struct device *dev)
{
	struct iommu_domain *vfio = iommu_get_domain_for_dev(dev);
	struct kvlane_iogroup *g;
	int err;

	if (!vfio || vfio->type != IOMMU_DOMAIN_UNMANAGED)
		return ERR_PTR(-ENODEV);
	g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);
	if (!g)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&g->reserved);
	INIT_LIST_HEAD(&g->devices);
	g->vfio = vfio;
	g->group = iommu_group_get(dev);
	err = iommu_get_group_resv_regions(g->group, &g->reserved);
	/* There interrupts go through the domain, and VFIO's has what they need. */
	if (!err && kvlane_reserved_software_msi(g))
		err = -EOPNOTSUPP;
	if (err) {
		kvlane_reserved_free(g);
		iommu_group_put(g->group);
		kfree(g);
		return ERR_PTR(err);
	}
	return g;
}

static void kvlane_iogroup_free(struct kvlane_iogroup *g)
{
	kvlane_reserved_free(g);
	iommu_group_put(g->group);
	kfree(g);
}

/* The domain's last group has left: nothing can reach what is mapped there. */
static void kvlane_iodomain_put(struct kvlane_iommu *iommu, struct kvlane_iodomain *d)
{
	if (--d->groups)
		return;
	if (list_is_singular(&iommu->domains))
		kvlane_iommu_remove_all(iommu);
	else
		kvlane_iodomain_clear(iommu, d);
	list_del(&d->node);
	kvlane_iodomain_free(d);
}

/* Unpinning takes its time, of which other guests' objects are to notice nothing. */
static void kvlane_iogroup_detach(struct kvlane_iommu *iommu, struct kvlane_iogroup *g)
{
	mutex_lock(&kvlane_iogroups_lock);
	list_del(&g->all);
	list_del(&g->node);
	iommu_detach_group(g->domain->domain, g->group);
	kvlane_iogroup_give_back(g);
	mutex_unlock(&kvlane_iogroups_lock);
	kvlane_iodomain_put(iommu, g->domain);
	kvlane_iogroup_free(g);
}

static struct kvlane_iogroup *kvlane_iogroup_attach(struct kvlane_iommu *iommu,
						    struct device *dev)
{
	struct kvlane_iogroup *g = kvlane_iogroup_alloc(dev);
	int err;

	if (IS_ERR(g))
		return g;
	err = kvlane_iogroup_exchange(iommu, g, dev);
	if (err) {
		kvlane_iogroup_free(g);
		return ERR_PTR(err);
	}
	list_add_tail(&g->all, &kvlane_iogroups);
	list_add_tail(&g->node, &iommu->groups);
	return g;
}

static struct kvlane_iodevice *kvlane_iogroup_device(const struct kvlane_iogroup *g,
						     const struct device *dev)
{
	struct kvlane_iodevice *device;

	list_for_each_entry(device, &g->devices, node) {
		if (device->dev == dev)
			return device;
	}
	return NULL;
}

static struct kvlane_iogroup *kvlane_iogroup_of(struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);
	struct kvlane_iogroup *g;

	if (!group)
		return ERR_PTR(-ENODEV);
	g = kvlane_iogroup_find(group);
	iommu_group_put(group);
	return g;
}

static int kvlane_iodevice_add(struct kvlane_iommu *iommu, struct kvlane_iodevice *device)
{
	struct kvlane_iogroup *g = kvlane_iogroup_of(device->dev);

	if (IS_ERR(g))
		return PTR_ERR(g);
	if (!g)
		g = kvlane_iogroup_attach(iommu, device->dev);
	else if (!kvlane_iommu_owns(iommu, g))
		return -EBUSY;
	else if (kvlane_iogroup_device(g, device->dev))
		return -EEXIST;
	if (IS_ERR(g))
		return PTR_ERR(g);
	list_add_tail(&device->node, &g->devices);
	return 0;
}

/**
 * kvlane_iommu_attach - take a device over from VFIO
 * @iommu: the object; its VM's lock for IOMMUs is held
 * @file: VFIO's file of the device
 *
 * What is pinned is mapped for it; what is not, as there was no device yet, is for the
 * caller to add.
 *
 * Return: 0; -EINVAL if it is no such file, -EOPNOTSUPP for one of an iommufd or
 * an IOMMU that interrupts go through, -ENODEV for a device without an IOMMU, -EBUSY if
 * another object has it, -EEXIST if this one does, -ERANGE, -ENOMEM.
 */
int kvlane_iommu_attach(struct kvlane_iommu *iommu, struct file *file)
{
	struct kvlane_iodevice *device = kzalloc(sizeof(*device), GFP_KERNEL_ACCOUNT);
	int err;

	if (!device)
		return -ENOMEM;
	device->dev = kvlane_vfio_device(file);
	err = PTR_ERR_OR_ZERO(device->dev);
	if (!err) {
		mutex_lock(&kvlane_iogroups_lock);
		err = kvlane_iodevice_add(iommu, device);
		mutex_unlock(&kvlane_iogroups_lock);
	}
	if (err) {
		kfree(device);
		return err;
	}
	device->file = get_file(file);
	return 0;
}

/* The file comes last, it keeps VFIO's domain. */
static void kvlane_iodevice_drop(struct kvlane_iommu *iommu, struct kvlane_iogroup *g,
				 struct kvlane_iodevice *device)
{
	list_del(&device->node);
	if (list_empty(&g->devices))
		kvlane_iogroup_detach(iommu, g);
	fput(device->file);
	kfree(device);
}

/**
 * kvlane_iommu_detach - give a device back to VFIO
 * @iommu: the object; its VM's lock for IOMMUs is held
 * @file: a file of VFIO's for the device, not necessarily the one it came by
 *
 * Return: 0; -ENOENT if the device is not attached to this object, or as for
 * kvlane_iommu_attach().
 */
int kvlane_iommu_detach(struct kvlane_iommu *iommu, struct file *file)
{
	struct kvlane_iodevice *device = NULL;
	struct kvlane_iogroup *g;
	struct device *dev;

	dev = kvlane_vfio_device(file);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	list_for_each_entry(g, &iommu->groups, node) {
		device = kvlane_iogroup_device(g, dev);
		if (device) {
			kvlane_iodevice_drop(iommu, g, device);
			break;
		}
	}
	return device ? 0 : -ENOENT;
}

/**
 * kvlane_iommu_detach_all - give all devices back to VFIO
 * @iommu: the object; its VM's lock for IOMMUs is held
 *
 * With the last one all is unmapped and unpinned.
 */
void kvlane_iommu_detach_all(struct kvlane_iommu *iommu)
{
	struct kvlane_iodevice *device, *next_device;
	struct kvlane_iogroup *g, *next;

	list_for_each_entry_safe(g, next, &iommu->groups, node) {
		list_for_each_entry_safe(device, next_device, &g->devices, node) {
			if (list_is_singular(&g->devices)) {
				kvlane_iodevice_drop(iommu, g, device);
				break;
			}
			kvlane_iodevice_drop(iommu, g, device);
		}
	}
}
