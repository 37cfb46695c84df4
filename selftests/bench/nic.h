/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_NIC_H
#define BENCH_NIC_H

#include <stdint.h>

/**
 * nic_up() - wait for eth0 and bring it up
 * @host: last byte of its addresses in 10.9.0.0/24 and 10.9.1.0/24
 * @pairs: queue pairs to use, or 0 for what the driver chose
 *
 * Returns NULL, or what went wrong, with errno.
 */
const char *nic_up(unsigned int host, unsigned int pairs);

/**
 * nic_pairs() - how many queue pairs eth0 uses
 */
unsigned int nic_pairs(void);

/**
 * nic_received() - how many packets eth0 has received
 */
uint64_t nic_received(void);

#endif
