/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_MACVTAP_H
#define VMRUN_MACVTAP_H

#include "net.h"

/**
 * macvtap_create() - make a macvtap on the interface @net->host, and open it
 *
 * It has the guest's address and MTU. It goes when this process ends, however that
 * ends. Fills in @tap and @watched, and opens @monitor where the macvtap is. Exits
 * with STATUS_USAGE and one line if it cannot be made.
 */
void macvtap_create(struct net *net);

#endif
