// SPDX-License-Identifier: GPL-2.0-only
/*
 * How large an automatic balloon is, for hosts and guests in need and at ease.
 */
#include <stdint.h>

#include "../../user/vmrun/balloon_policy.h"
#include "ktap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* Of 4 GiB a quarter may be lent; the guest keeps 512 MiB. */
static uint64_t next(uint64_t lent, uint64_t available, unsigned int stall)
{
	const struct balloon_view view = {
		.most = GIB,
		.lent = lent,
		.total = 4 * GIB,
		.available = available,
		.stall = stall,
	};

	return balloon_next(&view);
}

TEST(balloon_grows_with_pressure)
{
	EXPECT_EQ(64 * MIB, next(0, 3 * GIB, 500));
	EXPECT_EQ(128 * MIB, next(64 * MIB, 3 * GIB, 10000));
	EXPECT_EQ(GIB, next(GIB - 64 * MIB, 3 * GIB, 500));
	EXPECT_EQ(GIB, next(GIB, 2 * GIB, 10000));
}

TEST(balloon_rests_in_between)
{
	EXPECT_EQ(0, next(0, 3 * GIB, 499));
	EXPECT_EQ(100 * MIB, next(100 * MIB, 3 * GIB, 50));
	EXPECT_EQ(100 * MIB, next(100 * MIB, 600 * MIB, 10000));
}

TEST(balloon_shrinks_at_ease)
{
	EXPECT_EQ(84 * MIB, next(100 * MIB, 3 * GIB, 49));
	EXPECT_EQ(0, next(10 * MIB, 3 * GIB, 0));
	EXPECT_EQ(0, next(0, 3 * GIB, 0));
}

/* Whatever the host needs. */
TEST(balloon_gives_back_to_guest)
{
	EXPECT_EQ(GIB - 200 * MIB, next(GIB, 412 * MIB, 10000));
	EXPECT_EQ(0, next(100 * MIB, 0, 10000));
	EXPECT_EQ(0, next(0, 0, 10000));
}

/* What is lent leaves the guest with more than it would have to be given back for. */
TEST(balloon_spares_guest)
{
	EXPECT_EQ(10 * MIB, next(0, 650 * MIB, 10000));
	EXPECT_EQ(0, next(0, 640 * MIB, 10000));
	EXPECT_EQ(0, next(0, 641 * MIB, 10000));
}

TEST(balloon_waits_for_guest)
{
	struct balloon_view view = { .most = GIB, .lent = 100 * MIB, .stall = 10000 };

	EXPECT_EQ(100 * MIB, balloon_next(&view));
	view.stall = 0;
	EXPECT_EQ(100 * MIB, balloon_next(&view));
	view.most = 50 * MIB;
	EXPECT_EQ(50 * MIB, balloon_next(&view));
}

/* There is an end to it, however small the most is. */
TEST(balloon_small)
{
	struct balloon_view view = {
		.most = 3 * MIB, .total = GIB, .available = GIB, .stall = 10000,
	};

	EXPECT_EQ(2 * MIB, balloon_next(&view));
	view.lent = 2 * MIB;
	EXPECT_EQ(2 * MIB, balloon_next(&view));
	view.stall = 0;
	EXPECT_EQ(0, balloon_next(&view));
}
