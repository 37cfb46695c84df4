/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_NUMBER_H
#define VMRUN_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + ((a) - 1)) & ~((__typeof__(x))(a) - 1))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/**
 * number_parse() - a decimal number between two bounds
 * Return: false if @text is not one, or is out of bounds.
 */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/**
 * size_parse() - a size such as 512M, 4G, 1T or 65536
 *
 * The units are powers of 1024; a number without unit is bytes.
 */
bool size_parse(const char *text, uint64_t *bytes);

/**
 * size_format() - write a size the way a person would
 * Return: @buf.
 */
char *size_format(uint64_t bytes, char *buf, size_t len);

/**
 * now_ns() - CLOCK_MONOTONIC in nanoseconds
 */
uint64_t now_ns(void);

#endif
