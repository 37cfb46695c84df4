// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive side scaling, virtio 1.2 section 5.1.6.5.7: what a driver may ask for, and
 * what the owner of the tap gets to know of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net.h"

#include "kselftest_harness.h"

#define PAIRS	4
#define CONFIG(field)	(KVLANE_WINDOW_CONFIG + offsetof(struct virtio_net_config, field))

/* The command of a driver; what is sent is put together by send_rss(). */
struct wish {
	uint32_t types;
	uint16_t mask;
	uint16_t unclassified;
	uint16_t table[KVLANE_NET_RSS_TABLE + 1];
	uint16_t max_tx;
	uint8_t key_len;
	uint8_t key[64];
};

FIXTURE(net_rss) {
	struct nic n;
	struct wish w;
};

static int set_backend(struct nic *n, uint32_t flags)
{
	struct kvlane_backend arg = nic_backend(n, 12);

	arg.flags = flags;
	return ioctl(n->d.fd, KVLANE_SET_BACKEND, &arg) ? -errno : 0;
}

FIXTURE_SETUP(net_rss)
{
	unsigned int i;

	if (net_private())
		SKIP(return, "a kernel without taps, packet sockets or network namespaces");
	ASSERT_EQ(0, nic_open(&self->n, PAIRS, 64, 12));
	ASSERT_EQ(0, set_backend(&self->n, KVLANE_BACKEND_RSS));
	ASSERT_EQ(0, nic_start(&self->n, FEATURES_ALL));
	self->w = (struct wish){
		.types = 0x3f,
		.mask = KVLANE_NET_RSS_TABLE - 1,
		.unclassified = 1,
		.max_tx = PAIRS,
		.key_len = KVLANE_NET_RSS_KEY,
	};
	for (i = 0; i < KVLANE_NET_RSS_TABLE; i++)
		self->w.table[i] = i % PAIRS;
	for (i = 0; i < sizeof(self->w.key); i++)
		self->w.key[i] = i + 100;
}

FIXTURE_TEARDOWN(net_rss)
{
	nic_close(&self->n);
}

static size_t put(uint8_t *to, size_t at, const void *from, size_t len)
{
	memcpy(to + at, from, len);
	return at + len;
}

static size_t make_data(uint8_t *data, const struct wish *w)
{
	size_t len = 0, entries = (w->mask & 255) + 1U;

	if (entries > KVLANE_NET_RSS_TABLE + 1)
		entries = KVLANE_NET_RSS_TABLE + 1;
	len = put(data, len, &w->types, 4);
	len = put(data, len, &w->mask, 2);
	len = put(data, len, &w->unclassified, 2);
	len = put(data, len, w->table, 2 * entries);
	len = put(data, len, &w->max_tx, 2);
	len = put(data, len, &w->key_len, 1);
	return put(data, len, w->key, w->key_len < sizeof(w->key) ? w->key_len : sizeof(w->key));
}

static int send_data(struct nic *n, const uint8_t *data, size_t len)
{
	return nic_command(n, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, data, len);
}

static int send_rss(struct nic *n, const struct wish *w)
{
	uint8_t data[512];

	return send_data(n, data, make_data(data, w));
}

static struct kvlane_net_rss get_rss(struct nic *n)
{
	struct kvlane_net_rss rss = {};

	if (ioctl(n->d.fd, KVLANE_GET_RSS, &rss))
		rss.flags = errno;
	return rss;
}

/* Is it what the owner is told? */
static bool told(struct nic *n, const struct wish *w)
{
	struct kvlane_net_rss rss = get_rss(n), wanted = {
		.hash_types = w->types,
		.pairs = rss.pairs,
		.table_len = w->mask + 1,
		.unclassified = w->unclassified,
		.key_len = w->key_len,
	};

	memcpy(wanted.key, w->key, w->key_len);
	memcpy(wanted.table, w->table, 2 * wanted.table_len);
	return !memcmp(&rss, &wanted, sizeof(rss));
}

static bool is_off(struct nic *n)
{
	struct kvlane_net_rss rss = get_rss(n), off = { .pairs = rss.pairs };

	return !memcmp(&rss, &off, sizeof(rss));
}

/* The value of the next event, which is of this type; -1 if it is not, or none. */
static int64_t event(struct nic *n, uint32_t type)
{
	struct kvlane_event ev = {};

	if (device_event(&n->d, &ev, 100) || ev.type != type)
		return -1;
	return ev.value;
}

#define PAIRS_EVENT()	event(&self->n, KVLANE_EVENT_NET_PAIRS)
#define RSS_EVENT()	event(&self->n, KVLANE_EVENT_NET_RSS)

TEST_F(net_rss, offered)
{
	struct nic *n = &self->n;

	EXPECT_TRUE(n->d.features & BIT(VIRTIO_NET_F_RSS));
	EXPECT_FALSE(n->d.features & BIT(VIRTIO_NET_F_HASH_REPORT));
	EXPECT_EQ(KVLANE_NET_RSS_KEY, reg_read(&n->d, CONFIG(rss_max_key_size), 1));
	EXPECT_EQ(KVLANE_NET_RSS_TABLE,
		  reg_read(&n->d, CONFIG(rss_max_indirection_table_length), 2));
	EXPECT_EQ(0x3f, reg_read(&n->d, CONFIG(supported_hash_types), 4));
	EXPECT_EQ(1, get_rss(n).pairs);
	EXPECT_TRUE(is_off(n));
	/* Not where the owner has promised nothing. */
	ASSERT_EQ(0, device_reset(&n->d));
	ASSERT_EQ(0, set_backend(n, 0));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL));
	EXPECT_FALSE(n->d.features & BIT(VIRTIO_NET_F_RSS));
	EXPECT_EQ(0, reg_read(&n->d, CONFIG(rss_max_key_size), 1));
	EXPECT_EQ(0, reg_read(&n->d, CONFIG(supported_hash_types), 4));
	EXPECT_EQ(VIRTIO_NET_ERR, send_rss(n, &self->w));
	EXPECT_TRUE(is_off(n));
}

TEST_F(net_rss, one_pair)
{
	struct nic n;

	nic_close(&self->n);
	ASSERT_EQ(0, nic_open(&n, 1, 64, 12));
	EXPECT_EQ(0, set_backend(&n, KVLANE_BACKEND_RSS));
	EXPECT_EQ(0, nic_start(&n, FEATURES_ALL));
	EXPECT_FALSE(n.d.features & BIT(VIRTIO_NET_F_RSS));
	nic_close(&n);
}

TEST_F(net_rss, taken)
{
	EXPECT_EQ(1, PAIRS_EVENT());
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(&self->n, &self->w));
	EXPECT_EQ(PAIRS, PAIRS_EVENT());
	EXPECT_EQ(1, RSS_EVENT());
	EXPECT_TRUE(told(&self->n, &self->w));
	EXPECT_EQ(PAIRS, get_rss(&self->n).pairs);
	/* The same number of pairs is no news, the table is. */
	self->w.table[7] = 0;
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(&self->n, &self->w));
	EXPECT_EQ(1, RSS_EVENT());
	EXPECT_TRUE(told(&self->n, &self->w));
}

TEST_F(net_rss, sizes)
{
	struct wish w = self->w;

	for (w.mask = 0; w.mask < KVLANE_NET_RSS_TABLE; w.mask = 2 * w.mask + 1) {
		ASSERT_EQ(VIRTIO_NET_OK, send_rss(&self->n, &w));
		EXPECT_TRUE(told(&self->n, &w));
	}
	w.mask = 1;
	for (w.key_len = 0; w.key_len <= KVLANE_NET_RSS_KEY; w.key_len++) {
		ASSERT_EQ(VIRTIO_NET_OK, send_rss(&self->n, &w));
		EXPECT_TRUE(told(&self->n, &w));
	}
	w.key_len = 40;
	for (w.types = 0; w.types < 64; w.types++) {
		ASSERT_EQ(VIRTIO_NET_OK, send_rss(&self->n, &w));
		EXPECT_TRUE(told(&self->n, &w));
	}
}

/* As many pairs as anything in the command needs. */
TEST_F(net_rss, pairs)
{
	struct wish w = { .max_tx = 1 };
	struct nic *n = &self->n;

	ASSERT_EQ(VIRTIO_NET_OK, send_rss(n, &w));
	EXPECT_EQ(1, get_rss(n).pairs);
	w.table[0] = 2;
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(n, &w));
	EXPECT_EQ(3, get_rss(n).pairs);
	w.unclassified = 3;
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(n, &w));
	EXPECT_EQ(4, get_rss(n).pairs);
	w = (struct wish){ .max_tx = 2 };
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(n, &w));
	EXPECT_EQ(2, get_rss(n).pairs);
}

#define REFUSED(change)                                                 \
	do {                                                            \
		struct wish w = self->w;                                \
		w.change;                                               \
		EXPECT_EQ(VIRTIO_NET_ERR, send_rss(&self->n, &w));      \
		EXPECT_TRUE(told(&self->n, &self->w));                  \
		EXPECT_EQ(PAIRS, get_rss(&self->n).pairs);              \
	} while (0)

TEST_F(net_rss, refused)
{
	unsigned int i;

	ASSERT_EQ(VIRTIO_NET_OK, send_rss(&self->n, &self->w));
	/* Kinds of hashes nobody has: with IPv6 options, and beyond. */
	for (i = 6; i < 32; i++)
		REFUSED(types |= 1U << i);
	/* Entries: not a power of two, too many, so many that they wrap. */
	REFUSED(mask = 2);
	REFUSED(mask = 126);
	REFUSED(mask = 128);
	REFUSED(mask = 255);
	REFUSED(mask = 0x7fff);
	REFUSED(mask = 0xff00);
	REFUSED(mask = 0xffff);
	REFUSED(unclassified = PAIRS);
	REFUSED(unclassified = 0xffff);
	REFUSED(table[0] = PAIRS);
	REFUSED(table[127] = PAIRS);
	REFUSED(table[64] = 0x8000);
	REFUSED(table[1] = 0xffff);
	REFUSED(max_tx = 0);
	REFUSED(max_tx = PAIRS + 1);
	REFUSED(max_tx = 0xffff);
	REFUSED(key_len = 41);
	REFUSED(key_len = 64);
	REFUSED(key_len = 255);
}

/* No byte may be missing. Padding may follow, as Linux has it. */
TEST_F(net_rss, lengths)
{
	uint8_t data[512] = {};
	size_t len = make_data(data, &self->w), i;

	for (i = 0; i < len; i++)
		EXPECT_EQ(VIRTIO_NET_ERR, send_data(&self->n, data, i));
	EXPECT_TRUE(is_off(&self->n));
	EXPECT_EQ(1, get_rss(&self->n).pairs);
	for (i = len; i < sizeof(data); i++)
		EXPECT_EQ(VIRTIO_NET_OK, send_data(&self->n, data, i));
	EXPECT_TRUE(told(&self->n, &self->w));
	EXPECT_EQ(0, NIC_COUNT(&self->n, 2 * PAIRS, malformed));
}

/* A driver that did not accept it; and reports of hashes nobody offers. */
TEST_F(net_rss, not_accepted)
{
	struct nic *n = &self->n;
	uint8_t data[512];
	size_t len = make_data(data, &self->w);

	EXPECT_EQ(VIRTIO_NET_ERR, nic_command(n, VIRTIO_NET_CTRL_MQ,
					      VIRTIO_NET_CTRL_MQ_HASH_CONFIG, data, len));
	ASSERT_EQ(0, nic_start(n, FEATURES_ALL & ~BIT(VIRTIO_NET_F_RSS)));
	EXPECT_EQ(VIRTIO_NET_ERR, send_rss(n, &self->w));
	EXPECT_TRUE(is_off(n));
}

static int set_pairs(struct nic *n, uint16_t pairs)
{
	return nic_command(n, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2);
}

/* RSS brings several pairs with it, and the control queue behind them all. */
TEST_F(net_rss, without_mq)
{
	struct nic *n = &self->n;

	ASSERT_EQ(0, nic_start(n, FEATURES_ALL & ~BIT(VIRTIO_NET_F_MQ)));
	ASSERT_EQ(&n->d.vq[2 * PAIRS], n->ctrl);
	EXPECT_EQ(VIRTIO_NET_OK, send_rss(n, &self->w));
	EXPECT_EQ(PAIRS, get_rss(n).pairs);
	EXPECT_EQ(VIRTIO_NET_ERR, set_pairs(n, 2));
	EXPECT_TRUE(told(n, &self->w));
}

/* The last command counts: the other one leaves the choice to the tap. */
TEST_F(net_rss, switched_off)
{
	struct nic *n = &self->n;

	EXPECT_EQ(1, PAIRS_EVENT());
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(n, &self->w));
	EXPECT_EQ(PAIRS, PAIRS_EVENT());
	EXPECT_EQ(1, RSS_EVENT());
	EXPECT_EQ(VIRTIO_NET_ERR, set_pairs(n, PAIRS + 1));
	EXPECT_TRUE(told(n, &self->w));
	ASSERT_EQ(VIRTIO_NET_OK, set_pairs(n, PAIRS));
	EXPECT_EQ(0, RSS_EVENT());
	EXPECT_TRUE(is_off(n));
	EXPECT_EQ(PAIRS, get_rss(n).pairs);
	ASSERT_EQ(VIRTIO_NET_OK, set_pairs(n, 2));
	EXPECT_EQ(2, PAIRS_EVENT());
}

TEST_F(net_rss, reset_forgets)
{
	struct nic *n = &self->n;

	EXPECT_EQ(1, PAIRS_EVENT());
	ASSERT_EQ(VIRTIO_NET_OK, send_rss(n, &self->w));
	EXPECT_EQ(PAIRS, PAIRS_EVENT());
	EXPECT_EQ(1, RSS_EVENT());
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(0, RSS_EVENT());
	EXPECT_EQ(1, PAIRS_EVENT());
	EXPECT_TRUE(is_off(n));
	EXPECT_EQ(1, get_rss(n).pairs);
	/* A reset without RSS says nothing of it. */
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(-1, RSS_EVENT());
}

static int get_errno(int fd, struct kvlane_net_rss *arg)
{
	return ioctl(fd, KVLANE_GET_RSS, arg) ? errno : 0;
}

TEST_F(net_rss, arguments)
{
	struct kvlane_net_rss arg = { .flags = 1 };
	struct nic *n = &self->n;
	struct device d;

	EXPECT_EQ(EINVAL, get_errno(n->d.fd, &arg));
	arg = (struct kvlane_net_rss){ .reserved = { 0, 1 } };
	EXPECT_EQ(EINVAL, get_errno(n->d.fd, &arg));
	EXPECT_EQ(EFAULT, get_errno(n->d.fd, NULL));
	/* What is filled in may hold anything before. */
	memset(&arg, 0xff, sizeof(arg));
	arg.flags = 0;
	memset(arg.reserved, 0, sizeof(arg.reserved));
	EXPECT_EQ(0, get_errno(n->d.fd, &arg));
	EXPECT_EQ(1, arg.pairs);
	EXPECT_EQ(0, arg.table_len);
	ASSERT_EQ(0, device_open(&d, &n->g, VIRTIO_ID_NET, 3, 64));
	EXPECT_EQ(ENXIO, get_errno(d.fd, &arg));
	device_close(&d);
	ASSERT_EQ(0, device_open(&d, &n->g, VIRTIO_ID_RNG, 1, 64));
	EXPECT_EQ(EINVAL, get_errno(d.fd, &arg));
	device_close(&d);
	ASSERT_EQ(0, device_reset(&n->d));
	EXPECT_EQ(-EINVAL, set_backend(n, KVLANE_BACKEND_RSS << 1));
	EXPECT_EQ(0, set_backend(n, KVLANE_BACKEND_RSS));
}

TEST_HARNESS_MAIN
