// SPDX-License-Identifier: GPL-2.0-only
/* The guest's network device: addresses and queue pairs. */
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nic.h"

#define NAME	"eth0"

static int control = -1;

/* The address goes where @request tells, and all of these begin with a family. */
static int set_address(unsigned long request, const char *name, uint32_t address)
{
	struct ifreq ifr = {};
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	return ioctl(control, request, &ifr);
}

static int set_up(void)
{
	struct ifreq ifr = { .ifr_name = NAME };

	if (ioctl(control, SIOCGIFFLAGS, &ifr))
		return -1;
	ifr.ifr_flags |= IFF_UP;
	return ioctl(control, SIOCSIFFLAGS, &ifr);
}

static int channels(unsigned int command, struct ethtool_channels *channels)
{
	struct ifreq ifr = { .ifr_name = NAME, .ifr_data = (char *)channels };

	channels->cmd = command;
	return ioctl(control, SIOCETHTOOL, &ifr);
}

static int set_pairs(unsigned int pairs)
{
	struct ethtool_channels now = {};

	if (channels(ETHTOOL_GCHANNELS, &now))
		return -1;
	if (now.combined_count == pairs)
		return 0;
	now.combined_count = pairs;
	return channels(ETHTOOL_SCHANNELS, &now);
}

unsigned int nic_pairs(void)
{
	struct ethtool_channels now = {};

	return channels(ETHTOOL_GCHANNELS, &now) ? 0 : now.combined_count;
}

uint64_t nic_received(void)
{
	FILE *file = fopen("/sys/class/net/" NAME "/statistics/rx_packets", "re");
	unsigned long long packets = 0;

	if (file) {
		if (fscanf(file, "%llu", &packets) != 1)
			packets = 0;
		fclose(file);
	}
	return packets;
}

static void set_knob(const char *name, const char *value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	file = fopen(path, "we");
	if (file) {
		fputs(value, file);
		fclose(file);
	}
}

/*
 * Under emulation a round trip takes milliseconds, and TCP believes the line to be
 * so slow that it had better send small packets. On hardware it sends large ones.
 */
static void expect_fast_line(void)
{
	set_knob("tcp_min_tso_segs", "44");
	set_knob("tcp_pacing_ss_ratio", "1000");
	set_knob("tcp_pacing_ca_ratio", "1000");
}

const char *nic_up(unsigned int host, unsigned int pairs)
{
	static const char *const names[] = { NAME, NAME ":1" };
	unsigned int i;

	for (i = 0; i < 2000 && !if_nametoindex(NAME); i++)
		usleep(5000);
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0)
		return "no sockets";
	if (pairs && set_pairs(pairs))
		return "cannot set the queue pairs";
	expect_fast_line();
	if (set_up())
		return "cannot bring it up";
	for (i = 0; i < 2; i++) {
		if (set_address(SIOCSIFADDR, names[i], 0x0a090000 | i << 8 | host) ||
		    set_address(SIOCSIFNETMASK, names[i], 0xffffff00))
			return "cannot set an address";
	}
	return NULL;
}
