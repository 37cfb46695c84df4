/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel as kmod/memtable.c, kmod/virtio/vring*.c and bucket.c see it, for
 * building them in user space. Functions and macros have the meaning they have
 * in the kernel; user memory is whatever was registered by shim_add_region().
 *
 * Every access to user memory goes through shim_begin(), shim_read() and
 * shim_write(), which abort the test on a stray one, make the nth one fault if
 * asked to, write a trace, and call the test's "guest" in between, the way a
 * hostile or just a busy guest on another processor would run.
 */
#ifndef KVLANE_SHIM_H
#define KVLANE_SHIM_H

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define U32_MAX			UINT32_MAX

#ifndef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#endif
#define __user
#define unlikely(x)		__builtin_expect(!!(x), 0)

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b)	((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define min(a, b)		((a) < (b) ? (a) : (b))

#define NSEC_PER_MSEC		1000000ULL
#define NSEC_PER_SEC		1000000000ULL

static inline u64 div64_u64_rem(u64 dividend, u64 divisor, u64 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 c)
{
	return (__uint128_t)a * b / c;
}

#define cpu_to_le16(x)		htole16(x)
#define cpu_to_le32(x)		htole32(x)
#define cpu_to_le64(x)		htole64(x)
#define le16_to_cpu(x)		le16toh(x)
#define le32_to_cpu(x)		le32toh(x)
#define le64_to_cpu(x)		le64toh(x)

#define BITS_PER_LONG		(CHAR_BIT * sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

/* Things in a trace. */
enum shim_event_type {
	SHIM_READ,
	SHIM_WRITE,
	SHIM_RMB,
	SHIM_WMB,
	SHIM_MB,
};

struct shim_event {
	enum shim_event_type type;
	const void *ptr;
	size_t size;
};

#define SHIM_REGIONS		16
#define SHIM_TRACE		4096

/**
 * struct shim - what the tests set and look at
 * @nr_regions: user memory there is; reset by the test
 * @accesses: windows opened, reads and writes so far
 * @fault_at: the access that fails, counted like @accesses; 0 for none
 * @allocs: allocations so far
 * @fail_alloc_at: the allocation that fails; 0 for none
 * @warnings: WARN_ON_ONCE() that fired
 * @guest: called before each access, free to change user memory
 * @guest_arg: passed to @guest
 * @tracing: fill @trace
 * @nr_trace: elements in @trace
 * @open: a window is open
 */
struct shim {
	struct {
		const char *base;
		size_t size;
	} region[SHIM_REGIONS];
	unsigned int nr_regions;
	unsigned long accesses;
	unsigned long fault_at;
	unsigned long allocs;
	unsigned long fail_alloc_at;
	unsigned long warnings;
	void (*guest)(void *arg);
	void *guest_arg;
	bool tracing;
	unsigned int nr_trace;
	struct shim_event trace[SHIM_TRACE];
	bool open;
};

extern struct shim shim;

void shim_reset(void);
void shim_add_region(const void *base, size_t size);
void shim_check(bool ok, const char *what);
void shim_event(enum shim_event_type type, const void *ptr, size_t size);
bool shim_begin(const void *ptr, size_t len);
void shim_end(void);
bool shim_read(void *to, const void *from, size_t size);
bool shim_write(void *to, const void *from, size_t size);
void *shim_calloc(size_t n, size_t size);

/* The benchmark measures the ring code, not the checks. */
#ifdef SHIM_BARE
#define kvlane_access_begin(ptr, len)	((void)(ptr), (void)(len), true)
#define user_access_end()		do { } while (0)
#define shim_copy_in(to, from, size)	(memcpy(to, from, size), true)
#define shim_copy_out(to, from, size)	(memcpy(to, from, size), true)
#define smp_rmb()			__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()			__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_mb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#else
#define kvlane_access_begin(ptr, len)	shim_begin(ptr, len)
#define user_access_end()		shim_end()
#define shim_copy_in			shim_read
#define shim_copy_out			shim_write
#define smp_rmb()			shim_event(SHIM_RMB, NULL, 0)
#define smp_wmb()			shim_event(SHIM_WMB, NULL, 0)
#define smp_mb()			shim_event(SHIM_MB, NULL, 0)
#endif

#define unsafe_get_user(x, ptr, label)					\
do {									\
	__typeof__(x) __v;						\
	_Static_assert(sizeof(__v) == sizeof(*(ptr)), "width");		\
	if (!shim_copy_in(&__v, ptr, sizeof(__v)))			\
		goto label;						\
	(x) = __v;							\
} while (0)

#define unsafe_put_user(x, ptr, label)					\
do {									\
	__typeof__(*(ptr)) __v = (x);					\
	if (!shim_copy_out(ptr, &__v, sizeof(__v)))			\
		goto label;						\
} while (0)

#define WARN_ON_ONCE(cond)						\
	__extension__({ bool __c = (cond); shim.warnings += __c; __c; })

/*
 * The processor clamps under misprediction only: an index that gets here out of
 * range was not checked at all.
 */
static __always_inline u64 array_index_nospec(u64 index, u64 size)
{
#ifdef SHIM_BARE
	__asm__("" : "+r"(index));
	return index < size ? index : 0;
#else
	shim_check(index < size, "index clamped before it was checked");
	return index;
#endif
}

#define GFP_KERNEL_ACCOUNT	0
#define kvcalloc(n, size, gfp)	shim_calloc(n, size)
#define kvfree(p)		free(p)
#define bitmap_zalloc(n, gfp)	shim_calloc(BITS_TO_LONGS(n), sizeof(long))
#define bitmap_free(p)		free(p)

static inline void bitmap_zero(unsigned long *map, unsigned int n)
{
	memset(map, 0, BITS_TO_LONGS(n) * sizeof(long));
}

static inline bool test_bit(unsigned int n, const unsigned long *map)
{
	return map[n / BITS_PER_LONG] >> n % BITS_PER_LONG & 1;
}

static inline void __set_bit(unsigned int n, unsigned long *map)
{
	map[n / BITS_PER_LONG] |= 1UL << n % BITS_PER_LONG;
}

static inline bool __test_and_clear_bit(unsigned int n, unsigned long *map)
{
	bool old = test_bit(n, map);

	map[n / BITS_PER_LONG] &= ~(1UL << n % BITS_PER_LONG);
	return old;
}

#define sort(base, n, size, cmp, swap)	qsort(base, n, size, cmp)

#endif /* KVLANE_SHIM_H */
