// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "jam.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host.h"

int jam_open(struct nic *n)
{
	int err;

	if (load_module("bridge") || load_module("dummy") || load_module("sch_netem"))
		return -ENOENT;
	if (net_private())
		return -ENOENT;
	err = nic_open(n, 1, JAM_SIZE, 12);
	if (err)
		return err;
	close(n->tap.raw);
	n->tap.raw = -1;
	err = run("ip link add kvbr type bridge mcast_snooping 0; ip link add kvd type dummy");
	if (!err)
		err = run("for d in kvl0 kvd; do ip link set $d mtu 9000 master kvbr; done");
	return err ?: run("for d in kvbr kvd; do sysctl -q net.ipv6.conf.$d.disable_ipv6=1; "
			  "ip link set $d mtu 9000 up; done");
}

void jam_close(struct nic *n)
{
	nic_close(n);
	run("ip link del kvd; ip link del kvbr");
}

int jam_shut(void)
{
	return run("tc qdisc add dev kvd root netem delay 200s limit 10000");
}

int jam_slow(void)
{
	return run("tc qdisc add dev kvd root netem delay 1ms limit 10000");
}

/* netem lets go of who sent a packet, the token bucket filter does not. */
static int hold(const char *rate)
{
	if (load_module("sch_tbf"))
		return -ENOENT;
	return run("tc qdisc add dev kvd root tbf rate %s burst 9100 limit 10000000", rate);
}

int jam_hold(void)
{
	return hold("1kbit");
}

int jam_pace(void)
{
	return hold("20mbit");
}

int jam_reopen(void)
{
	return run("tc qdisc del dev kvd root");
}

long jam_passed(void)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	long sent = -1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, " kvd: %*u %*u %*u %*u %*u %*u %*u %*u %*u %ld", &sent);
	if (f)
		fclose(f);
	return sent;
}

void jam_packet(struct nic *n, const void *packet, size_t len)
{
	memset(n->buf, 0, NET_HEADER);
	memcpy(n->buf + NET_HEADER, packet, len);
}

unsigned int jam_put(struct nic *n, unsigned int nr, size_t len)
{
	struct iovec out = { n->buf, NET_HEADER + len };
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (vq_add(&n->d.vq[TX(0)], &out, 1, NULL, 0, n) < 0)
			break;
	vq_kick(&n->d.vq[TX(0)]);
	return i;
}

unsigned int jam_back(struct nic *n, unsigned int nr, unsigned int ms)
{
	unsigned int i;

	for (i = 0; i < nr && ms; ms--) {
		while (vq_pop(&n->d.vq[TX(0)], NULL))
			i++;
		if (i < nr)
			usleep(1000);
	}
	return i;
}
