// SPDX-License-Identifier: GPL-2.0-only
/* The memory map: building it, and finding addresses in it. */
#include "ktap.h"
#include "memtable.h"

#define PAGE	4096ULL

/* A table from a list of { gpa, size, hva }. */
#define MAKE(...)							\
	table_make((struct kvlane_memrange[]){ __VA_ARGS__ },		\
		   sizeof((struct kvlane_memrange[]){ __VA_ARGS__ }) /	\
		   sizeof(struct kvlane_memrange))

static struct kvlane_memtable *table_make(const struct kvlane_memrange *r, u32 nr)
{
	struct kvlane_memtable *t;

	t = malloc(sizeof(*t) + nr * sizeof(*r));
	EXPECT(t);
	t->nr = nr;
	memcpy(t->range, r, nr * sizeof(*r));
	return t;
}

static int build_and_free(struct kvlane_memtable *t)
{
	int err = kvlane_memtable_build(t);

	free(t);
	return err;
}

TEST(memtable_empty)
{
	struct kvlane_memtable t = { .nr = 0 };
	u64 run;

	EXPECT_EQ(kvlane_memtable_build(&t), 0);
	EXPECT_EQ(kvlane_memtable_find(&t, 0, &run), 0);
	EXPECT_EQ(kvlane_memtable_find(&t, ~0ULL, &run), 0);
}

TEST(memtable_find_borders)
{
	struct kvlane_memtable *t = MAKE({ 0x100000, 2 * PAGE, 0x7000000 },
					 { 0x1000, PAGE, 0x9000000 },
					 { 1ULL << 52, PAGE, 0x5000000 });
	u64 run = 0;

	EXPECT_EQ(kvlane_memtable_build(t), 0);
	EXPECT_EQ(t->nr, 3);
	EXPECT_EQ(kvlane_memtable_find(t, 0xfff, &run), 0);
	EXPECT_EQ(kvlane_memtable_find(t, 0x1000, &run), 0x9000000);
	EXPECT_EQ(run, PAGE);
	EXPECT_EQ(kvlane_memtable_find(t, 0x1fff, &run), 0x9000fff);
	EXPECT_EQ(run, 1);
	EXPECT_EQ(kvlane_memtable_find(t, 0x2000, &run), 0);
	EXPECT_EQ(kvlane_memtable_find(t, 0xfffff, &run), 0);
	EXPECT_EQ(kvlane_memtable_find(t, 0x101234, &run), 0x7001234);
	EXPECT_EQ(run, 0x102000 - 0x101234);
	EXPECT_EQ(kvlane_memtable_find(t, 0x102000, &run), 0);
	EXPECT_EQ(kvlane_memtable_find(t, 1ULL << 52, &run), 0x5000000);
	EXPECT_EQ(kvlane_memtable_find(t, ~0ULL, &run), 0);
	free(t);
}

TEST(memtable_holds_borders)
{
	struct kvlane_memtable *t = MAKE({ 0x100000, 2 * PAGE, 0x7000000 },
					 { 0x1000, PAGE, 0x9000000 });
	struct kvlane_memtable none = { .nr = 0 };

	EXPECT_EQ(kvlane_memtable_build(t), 0);
	EXPECT(kvlane_memtable_holds(t, 0x7000000, 2 * PAGE));
	EXPECT(kvlane_memtable_holds(t, 0x7001fff, 1));
	EXPECT(kvlane_memtable_holds(t, 0x9000000, PAGE));
	EXPECT(!kvlane_memtable_holds(t, 0x6ffffff, 1));
	EXPECT(!kvlane_memtable_holds(t, 0x6ffffff, 2));
	EXPECT(!kvlane_memtable_holds(t, 0x7002000, 1));
	EXPECT(!kvlane_memtable_holds(t, 0x7000001, 2 * PAGE));
	EXPECT(!kvlane_memtable_holds(t, 0x9000000, ~0ULL));
	EXPECT(!kvlane_memtable_holds(&none, 0x7000000, 1));
	free(t);
}

TEST(memtable_joins_neighbours)
{
	struct kvlane_memtable *t = MAKE({ 0x3000, PAGE, 0x13000 },
					 { 0x1000, PAGE, 0x11000 },
					 { 0x2000, PAGE, 0x12000 },
					 { 0x4000, PAGE, 0x20000 },
					 { 0x6000, PAGE, 0x21000 });
	u64 run = 0;

	EXPECT_EQ(kvlane_memtable_build(t), 0);
	EXPECT_EQ(t->nr, 3);
	EXPECT_EQ(kvlane_memtable_find(t, 0x1800, &run), 0x11800);
	EXPECT_EQ(run, 0x4000 - 0x1800);
	EXPECT_EQ(kvlane_memtable_find(t, 0x4000, &run), 0x20000);
	EXPECT_EQ(run, PAGE);
	EXPECT_EQ(kvlane_memtable_find(t, 0x5000, &run), 0);
	EXPECT_EQ(kvlane_memtable_find(t, 0x6000, &run), 0x21000);
	free(t);
}

TEST(memtable_refuses_bad_ranges)
{
	const u64 top = -PAGE;

	EXPECT_EQ(build_and_free(MAKE({ 0, 0, PAGE })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ 1, PAGE, PAGE })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ 0, 512, PAGE })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ 0, PAGE, PAGE + 8 })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ 0, PAGE, 0 })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ top, PAGE, PAGE })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ top, 2 * PAGE, PAGE })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ 0, PAGE, top })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ 0, top, 2 * PAGE })), -EINVAL);
	EXPECT_EQ(build_and_free(MAKE({ top - PAGE, PAGE, PAGE })), 0);
}

TEST(memtable_refuses_overlap)
{
	EXPECT_EQ(build_and_free(MAKE({ 0, 2 * PAGE, 0x10000 },
				      { PAGE, PAGE, 0x20000 })), -EEXIST);
	EXPECT_EQ(build_and_free(MAKE({ PAGE, PAGE, 0x20000 },
				      { 0, 8 * PAGE, 0x10000 })), -EEXIST);
	EXPECT_EQ(build_and_free(MAKE({ PAGE, PAGE, 0x20000 },
				      { PAGE, PAGE, 0x20000 })), -EEXIST);
	/* The third overlaps what the first two were joined to. */
	EXPECT_EQ(build_and_free(MAKE({ 0, PAGE, 0x10000 },
				      { PAGE, 4 * PAGE, 0x11000 },
				      { 3 * PAGE, PAGE, 0x30000 })), -EEXIST);
}

TEST(memtable_same_memory_twice_is_fine)
{
	EXPECT_EQ(build_and_free(MAKE({ 0, PAGE, 0x10000 },
				      { 8 * PAGE, PAGE, 0x10000 })), 0);
}

/* Every table size up to 40, every page, against a plain search. */
TEST(memtable_find_agrees_with_plain_search)
{
	struct kvlane_memtable *t;
	unsigned long hva;
	u64 run, page;
	u32 nr, i;

	t = malloc(sizeof(*t) + 40 * sizeof(t->range[0]));
	EXPECT(t);
	for (nr = 1; nr <= 40; nr++) {
		t->nr = nr;
		for (i = 0; i < nr; i++) {
			t->range[i].gpa = (u64)(nr - i) * 4 * PAGE;
			t->range[i].size = (1 + i % 3) * PAGE;
			t->range[i].hva = 0x1000000 + (u64)i * 16 * PAGE;
		}
		EXPECT_EQ(kvlane_memtable_build(t), 0);
		EXPECT_EQ(t->nr, nr);
		for (page = 0; page < 4 * (nr + 2); page++) {
			hva = 0;
			for (i = 0; i < nr; i++) {
				if (page * PAGE - t->range[i].gpa < t->range[i].size)
					hva = page * PAGE - t->range[i].gpa +
					      t->range[i].hva;
			}
			EXPECT_EQ(kvlane_memtable_find(t, page * PAGE, &run), hva);
		}
	}
	free(t);
}
