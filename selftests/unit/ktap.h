/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test is a function that registers itself. Each runs in a process of its
 * own, so a crash or a leak is a failed test and not the end of the run.
 */
#ifndef KVLANE_KTAP_H
#define KVLANE_KTAP_H

#include <stdio.h>
#include <stdlib.h>

struct ktap_test {
	const char *name;
	void (*run)(void);
	struct ktap_test *next;
};

void ktap_register(struct ktap_test *test);

/* Which of several cases a test is at, for its failure message. */
extern const char *ktap_case;

#define TEST(test)							\
static void test(void);							\
static struct ktap_test test##_entry = { .name = #test, .run = test };	\
__attribute__((constructor)) static void test##_register(void)		\
{									\
	ktap_register(&test##_entry);					\
}									\
static void test(void)

#define EXPECT(cond)							\
do {									\
	if (!(cond)) {							\
		printf("# %s:%d: %s: not true: %s\n", __FILE__,		\
		       __LINE__, ktap_case, #cond);			\
		exit(1);						\
	}								\
} while (0)

#define EXPECT_EQ(a, b)							\
do {									\
	long long __a = (a), __b = (b);					\
	if (__a != __b) {						\
		printf("# %s:%d: %s: %s is %lld, not %lld (%s)\n",	\
		       __FILE__, __LINE__, ktap_case, #a, __a, __b, #b); \
		exit(1);						\
	}								\
} while (0)

#endif /* KVLANE_KTAP_H */
