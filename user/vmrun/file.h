/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_FILE_H
#define VMRUN_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* The first line of a file, without its end; false if it cannot be read. */
bool file_line(const char *path, char *buf, size_t len);

/* Writes text in one piece, to a file that exists: 0 or a negative errno. */
int file_put(const char *path, const char *text);

#endif
