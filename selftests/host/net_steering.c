// SPDX-License-Identifier: GPL-2.0-only
/*
 * The BPF program by which vmrun steers packets to the queues of a tap, on a tap:
 * known hashes, and packets of all kinds that have none. The module has no part in it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"
#include "net.h"
#include "tap.h"

#include "../../user/vmrun/steering.h"

#include "kselftest_harness.h"

#define QUEUES	8
#define REST	5
#define LEN	160
#define ALL_TYPES	0x3f

/* The key and the hashes are those of Microsoft's "Verifying the RSS Hash Calculation". */
static const uint8_t known_key[KVLANE_NET_RSS_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

struct flow {
	const char *from;
	const char *to;
	uint16_t from_port;
	uint16_t to_port;
	uint32_t addresses;
	uint32_t ports;
};

static const struct flow flows4[] = {
	{ "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178 },
	{ "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea },
	{ "24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a },
	{ "38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f },
	{ "153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2 },
};

static const struct flow flows6[] = {
	{ "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d },
	{ "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf },
	{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
	  0x4b61e985, 0x02d1feef },
};

#define FLOWS4	(sizeof(flows4) / sizeof(flows4[0]))
#define FLOWS6	(sizeof(flows6) / sizeof(flows6[0]))

static int attach(struct tap *t, int program)
{
	return ioctl(t->fd[0], TUNSETSTEERINGEBPF, &program) ? -errno : 0;
}

FIXTURE(net_steering) {
	struct tap t;
	struct steering s;
	struct kvlane_net_rss rss;
	uint8_t packet[LEN];
};

FIXTURE_SETUP(net_steering)
{
	int err;

	self->t.raw = -1;
	self->s.program = -1;
	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	err = steering_load(&self->s);
	if (err == -EPERM || err == -ENOSYS)
		SKIP(return, "BPF is not permitted");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, tap_open(&self->t, "kvl0", QUEUES, 12));
	ASSERT_EQ(0, attach(&self->t, self->s.program));
	self->rss = (struct kvlane_net_rss){
		.hash_types = ALL_TYPES,
		.pairs = QUEUES,
		.table_len = KVLANE_NET_RSS_TABLE,
		.unclassified = REST,
		.key_len = KVLANE_NET_RSS_KEY,
	};
	memcpy(self->rss.key, known_key, sizeof(known_key));
}

FIXTURE_TEARDOWN(net_steering)
{
	tap_close(&self->t);
	if (self->s.program >= 0)
		close(self->s.program);
	if (self->s.map)
		munmap(self->s.map, sizeof(*self->s.map));
}

/* What the last three show of a queue that is always the same. */
#define ALL_REST	(REST | REST << 3 | REST << 6)

/* Has three bits of the hash name the queue. */
static void show_bits(struct steering *s, struct kvlane_net_rss *rss, unsigned int from)
{
	unsigned int i;

	for (i = 0; i < rss->table_len; i++)
		rss->table[i] = (i >> from) % QUEUES;
	steering_set(s, rss);
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = value >> 8;
	p[1] = value;
}

/* Returns where the ports are. */
static uint8_t *make_packet(uint8_t *packet, const struct flow *flow, int proto)
{
	int version = strchr(flow->from, ':') ? 6 : 4;
	uint8_t *ip = packet + 14, *ports = packet + FRAME_L4(version);

	frame_ip(packet, LEN, version, proto, 1);
	if (version == 4) {
		inet_pton(AF_INET, flow->from, ip + 12);
		inet_pton(AF_INET, flow->to, ip + 16);
	} else {
		inet_pton(AF_INET6, flow->from, ip + 8);
		inet_pton(AF_INET6, flow->to, ip + 24);
	}
	put16(ports, flow->from_port);
	put16(ports + 2, flow->to_port);
	return ports;
}

/* The queue a packet arrives in, or -1. */
static int arrival(struct tap *t, const uint8_t *packet, size_t len)
{
	struct pollfd p[QUEUES];
	uint8_t got[LEN + 64];
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		p[i] = (struct pollfd){ .fd = t->fd[i], .events = POLLIN };
	if (tap_put(t, NULL, packet, len) || poll(p, QUEUES, WAIT_MS) != 1)
		return -1;
	for (i = 0; !(p[i].revents & POLLIN); i++)
		;
	return read(t->fd[i], got, sizeof(got)) < 0 ? -1 : (int)i;
}

/* The seven bits of the hash that can be told by the queue. */
static uint32_t seen(struct steering *s, struct tap *t, struct kvlane_net_rss *rss,
		     const uint8_t *packet, size_t len)
{
	uint32_t bits = 0;
	unsigned int from;

	for (from = 0; from < 7; from += 3) {
		show_bits(s, rss, from);
		bits |= arrival(t, packet, len) << from;
	}
	return bits;
}

#define SEEN(packet, len)	seen(&self->s, &self->t, &self->rss, packet, len)
#define EXPECT_HASH(hash, len)	EXPECT_EQ((hash) % 128, SEEN(self->packet, len))
#define EXPECT_REST(len)	EXPECT_EQ(ALL_REST, SEEN(self->packet, len))

TEST_F(net_steering, known_hashes_ipv4)
{
	unsigned int i;

	for (i = 0; i < FLOWS4; i++) {
		make_packet(self->packet, &flows4[i], IPPROTO_TCP);
		EXPECT_HASH(flows4[i].ports, LEN);
		make_packet(self->packet, &flows4[i], IPPROTO_UDP);
		EXPECT_HASH(flows4[i].ports, LEN);
		make_packet(self->packet, &flows4[i], IPPROTO_SCTP);
		EXPECT_HASH(flows4[i].addresses, LEN);
	}
}

TEST_F(net_steering, known_hashes_ipv6)
{
	unsigned int i;

	for (i = 0; i < FLOWS6; i++) {
		make_packet(self->packet, &flows6[i], IPPROTO_TCP);
		EXPECT_HASH(flows6[i].ports, LEN);
		make_packet(self->packet, &flows6[i], IPPROTO_UDP);
		EXPECT_HASH(flows6[i].ports, LEN);
		make_packet(self->packet, &flows6[i], IPPROTO_ICMPV6);
		EXPECT_HASH(flows6[i].addresses, LEN);
	}
}

/* Each kind of hash for itself: what is not wanted falls back to addresses, or to none. */
TEST_F(net_steering, types)
{
	static const struct {
		const struct flow *flow;
		int proto;
	} kinds[] = {
		{ flows4, IPPROTO_ICMP }, { flows4, IPPROTO_TCP }, { flows4, IPPROTO_UDP },
		{ flows6, IPPROTO_ICMPV6 }, { flows6, IPPROTO_TCP }, { flows6, IPPROTO_UDP },
	};
	uint32_t types, ip, wanted;
	unsigned int i;

	for (types = 0; types <= ALL_TYPES; types++) {
		self->rss.hash_types = types;
		for (i = 0; i < 6; i++) {
			ip = i < 3 ? VIRTIO_NET_RSS_HASH_TYPE_IPv4 : VIRTIO_NET_RSS_HASH_TYPE_IPv6;
			make_packet(self->packet, kinds[i].flow, kinds[i].proto);
			wanted = types & ip ? kinds[i].flow->addresses % 128 : ALL_REST;
			if (i % 3 && types & 1U << i)
				wanted = kinds[i].flow->ports % 128;
			EXPECT_EQ(wanted, SEEN(self->packet, LEN));
		}
	}
}

TEST_F(net_steering, vlan_tags)
{
	static const uint8_t tags[] = { 0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 0x81, 0, 0, 9 };
	uint8_t plain[LEN], *tagged = self->packet;

	make_packet(plain, &flows4[1], IPPROTO_TCP);
	memcpy(tagged, plain, 12);
	/* One tag, two, and one more than that. */
	memcpy(tagged + 12, tags + 4, 4);
	memcpy(tagged + 16, plain + 12, LEN - 16);
	EXPECT_HASH(flows4[1].ports, LEN);
	memcpy(tagged + 12, tags, 8);
	memcpy(tagged + 20, plain + 12, LEN - 20);
	EXPECT_HASH(flows4[1].ports, LEN);
	memcpy(tagged + 12, tags, 12);
	memcpy(tagged + 24, plain + 12, LEN - 24);
	EXPECT_REST(LEN);
}

TEST_F(net_steering, ipv4_header)
{
	uint8_t *ip = self->packet + 14;
	const struct flow *flow = &flows4[2];

	/* With options the ports are farther on. */
	make_packet(self->packet, flow, IPPROTO_TCP);
	memmove(ip + 60, ip + 20, 20);
	memset(ip + 20, 1, 40);
	ip[0] = 0x4f;
	EXPECT_HASH(flow->ports, LEN);
	/* The first fragment, one in the middle, the last one. */
	make_packet(self->packet, flow, IPPROTO_UDP);
	put16(ip + 6, 0x2000);
	EXPECT_HASH(flow->addresses, LEN);
	put16(ip + 6, 0x2010);
	EXPECT_HASH(flow->addresses, LEN);
	put16(ip + 6, 0x0020);
	EXPECT_HASH(flow->addresses, LEN);
	/* "Don't fragment" is none. */
	put16(ip + 6, 0x4000);
	EXPECT_HASH(flow->ports, LEN);
}

/* Puts a header of 8 * @units bytes before what comes after @at, of @kind. */
static uint8_t *insert(uint8_t *packet, uint8_t *next, uint8_t *at, uint8_t kind,
		       unsigned int units)
{
	unsigned int len = 8 * units;

	memmove(at + len, at, packet + LEN - at - len);
	memset(at, 0, len);
	at[0] = *next;
	at[1] = kind == IPPROTO_AH ? 2 * units - 2 : units - 1;
	*next = kind;
	return at;
}

TEST_F(net_steering, ipv6_extensions)
{
	static const uint8_t kinds[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH, IPPROTO_FRAGMENT,
	};
	uint8_t *p = self->packet, *next = p + 14 + 6, *at = p + FRAME_L4(6);
	const struct flow *flow = &flows6[0];
	unsigned int i;

	for (i = 0; i < sizeof(kinds); i++) {
		make_packet(p, flow, IPPROTO_TCP);
		insert(p, next, at, kinds[i], kinds[i] == IPPROTO_FRAGMENT ? 1 : 2);
		EXPECT_HASH(flow->ports, LEN);
	}
	/* As many as are looked at, and one more. */
	make_packet(p, flow, IPPROTO_UDP);
	for (i = 0; i < 6; i++)
		insert(p, next, at, IPPROTO_DSTOPTS, 1);
	EXPECT_HASH(flow->ports, LEN);
	insert(p, next, at, IPPROTO_DSTOPTS, 1);
	EXPECT_HASH(flow->addresses, LEN);
	/* A fragment, the first and another. */
	make_packet(p, flow, IPPROTO_UDP);
	insert(p, next, at, IPPROTO_FRAGMENT, 1);
	at[3] = 1;
	EXPECT_HASH(flow->addresses, LEN);
	put16(at + 2, 0x0100);
	EXPECT_HASH(flow->addresses, LEN);
	/* A header that leads out of the packet. */
	make_packet(p, flow, IPPROTO_TCP);
	*next = IPPROTO_HOPOPTS;
	at[1] = 255;
	EXPECT_HASH(flow->addresses, LEN);
}

TEST_F(net_steering, no_ip)
{
	frame(self->packet, LEN, 1);
	EXPECT_REST(LEN);
	EXPECT_REST(14);
	/* Says it is IP, but is too short for it. */
	make_packet(self->packet, &flows4[0], IPPROTO_TCP);
	EXPECT_REST(14 + 19);
	EXPECT_HASH(flows4[0].addresses, 14 + 20);
	EXPECT_HASH(flows4[0].addresses, 14 + 20 + 3);
	EXPECT_HASH(flows4[0].ports, 14 + 20 + 4);
	make_packet(self->packet, &flows6[0], IPPROTO_TCP);
	EXPECT_REST(14 + 39);
	EXPECT_HASH(flows6[0].addresses, 14 + 40 + 3);
	EXPECT_HASH(flows6[0].ports, 14 + 40 + 4);
}

/* A short table takes fewer bits of the hash; one of a single entry none. */
TEST_F(net_steering, table_sizes)
{
	unsigned int i;

	for (self->rss.table_len = 1; self->rss.table_len <= KVLANE_NET_RSS_TABLE;
	     self->rss.table_len *= 2) {
		show_bits(&self->s, &self->rss, 0);
		for (i = 0; i < FLOWS4; i++) {
			make_packet(self->packet, &flows4[i], IPPROTO_TCP);
			EXPECT_EQ(flows4[i].ports % self->rss.table_len % QUEUES,
				  arrival(&self->t, self->packet, LEN));
		}
	}
}

/* Without a key every hash is 0. */
TEST_F(net_steering, no_key)
{
	memset(self->rss.key, 0, sizeof(self->rss.key));
	make_packet(self->packet, &flows6[0], IPPROTO_TCP);
	EXPECT_HASH(0, LEN);
}

/* Queues that are not attached are not sent to, whatever the table says. */
TEST_F(net_steering, detached_queues)
{
	unsigned int i;

	for (i = QUEUES - 1; i > 1; i--)
		ASSERT_EQ(0, tap_attach(&self->t, i, false));
	show_bits(&self->s, &self->rss, 0);
	for (i = 0; i < FLOWS4; i++) {
		make_packet(self->packet, &flows4[i], IPPROTO_TCP);
		EXPECT_GT(2, arrival(&self->t, self->packet, LEN));
	}
}

struct changer {
	struct steering *s;
	struct kvlane_net_rss rss;
	bool stop;
};

/* Two tables, each with its own queues and its own key, in turn. */
static void *change(void *arg)
{
	struct changer *c = arg;
	unsigned int i, turn;

	for (turn = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); turn++) {
		for (i = 0; i < KVLANE_NET_RSS_TABLE; i++)
			c->rss.table[i] = turn % 2 ? 1 : 6;
		c->rss.unclassified = turn % 2 ? 1 : 6;
		steering_set(c->s, &c->rss);
		usleep(100);
	}
	return NULL;
}

TEST_F(net_steering, changes_under_traffic)
{
	struct changer c = { .s = &self->s, .rss = self->rss };
	pthread_t thread;
	unsigned int i;
	int queue;

	make_packet(self->packet, &flows4[0], IPPROTO_TCP);
	ASSERT_EQ(0, pthread_create(&thread, NULL, change, &c));
	usleep(100000);
	for (i = 0; i < 5000; i++) {
		queue = arrival(&self->t, self->packet, LEN);
		EXPECT_TRUE(queue == 1 || queue == 6);
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* The tap steers by itself again, and goes on without the program's descriptor. */
TEST_F(net_steering, on_and_off)
{
	make_packet(self->packet, &flows4[0], IPPROTO_TCP);
	show_bits(&self->s, &self->rss, 0);
	ASSERT_EQ(0, attach(&self->t, -1));
	EXPECT_LE(0, arrival(&self->t, self->packet, LEN));
	ASSERT_EQ(0, attach(&self->t, self->s.program));
	close(self->s.program);
	self->s.program = -1;
	EXPECT_HASH(flows4[0].ports, LEN);
}

TEST_HARNESS_MAIN
