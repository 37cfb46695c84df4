/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a chain is, written down as plainly as possible and without regard to a
 * guest that changes it meanwhile: the fuzzer compares the ring code with it.
 */
#ifndef KVLANE_REFERENCE_H
#define KVLANE_REFERENCE_H

#include "driver.h"
#include "virtio/vring.h"

#define REFERENCE_MAX_IOV	256

struct reference {
	const struct guest *g;
	const struct kvlane_vring_config *cfg;
	u32 max_iov;
	u32 segs;
	u32 nr_iov;
	u32 nr_out;
	u64 bytes;
	bool writable;
	struct iovec iov[REFERENCE_MAX_IOV];
};

/* True if the chain at @head is one that has to be accepted. */
bool reference_walk(struct reference *r, const struct guest *g,
		    const struct kvlane_vring_config *cfg, u32 max_iov,
		    u16 head);

/*
 * The same for the available chain at @place of a packed ring, of whose descriptors
 * @left are free; sets @head.
 */
bool reference_walk_packed(struct reference *r, const struct guest *g,
			   const struct kvlane_vring_config *cfg, u32 max_iov,
			   u16 place, u16 left, u16 *head);

/* Is there one at @place? */
bool reference_available(const struct guest *g,
			 const struct kvlane_vring_config *cfg, u16 place);

#endif /* KVLANE_REFERENCE_H */
