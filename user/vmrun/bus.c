// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address spaces of the guest, as far as they end in this program.
 *
 * The lock covers the table only: a device is called without it, so that it may
 * change the table (a PCI device whose BAR moves).  Devices are never freed.
 */
#include "bus.h"

#include <string.h>

void bus_init(struct bus *bus)
{
	pthread_rwlock_init(&bus->lock, NULL);
	bus->count = 0;
}

/* The first region that ends above @addr. */
static unsigned int bus_find(const struct bus *bus, uint64_t addr)
{
	unsigned int low = 0, high = bus->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (bus->regions[mid].base + (bus->regions[mid].size - 1) < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool bus_add(struct bus *bus, uint64_t base, uint64_t size, bus_fn *access, void *owner)
{
	struct region *r;
	unsigned int i;
	bool ok = false;

	pthread_rwlock_wrlock(&bus->lock);
	i = bus_find(bus, base);
	r = &bus->regions[i];
	if (bus->count < BUS_MAX_REGIONS && (i == bus->count || base + (size - 1) < r->base)) {
		memmove(r + 1, r, (bus->count - i) * sizeof(*r));
		*r = (struct region){ base, size, access, owner };
		bus->count++;
		ok = true;
	}
	pthread_rwlock_unlock(&bus->lock);
	return ok;
}

void bus_remove(struct bus *bus, uint64_t base, void *owner)
{
	struct region *r;
	unsigned int i;

	pthread_rwlock_wrlock(&bus->lock);
	i = bus_find(bus, base);
	r = &bus->regions[i];
	if (i < bus->count && r->base == base && r->owner == owner) {
		bus->count--;
		memmove(r, r + 1, (bus->count - i) * sizeof(*r));
	}
	pthread_rwlock_unlock(&bus->lock);
}

void bus_access(struct bus *bus, uint64_t addr, void *data, unsigned int len, bool is_write)
{
	struct region found = {};
	unsigned int i;

	pthread_rwlock_rdlock(&bus->lock);
	i = bus_find(bus, addr);
	if (i < bus->count && bus->regions[i].base <= addr)
		found = bus->regions[i];
	pthread_rwlock_unlock(&bus->lock);
	if (found.access && addr - found.base + len <= found.size)
		found.access(found.owner, addr - found.base, data, len, is_write);
	else if (!is_write)
		memset(data, 0xff, len);
}
