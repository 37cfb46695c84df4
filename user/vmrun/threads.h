/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMRUN_THREADS_H
#define VMRUN_THREADS_H

#include <jansson.h>

/**
 * struct threads - the threads of this process, lanes of the module among them
 * @folder: /proc/self/task
 * @count: how many there are
 * @files: the file "stat" of each, from the oldest to the youngest
 */
struct threads {
	int folder;
	unsigned int count;
	int *files;
};

/**
 * threads_prepare() - remember where threads are to be found
 */
void threads_prepare(struct threads *threads);

/**
 * threads_open() - find them, when all have been started
 */
void threads_open(struct threads *threads);

/**
 * threads_report() - number, name and processor time of each
 * Return: a JSON array.
 */
json_t *threads_report(const struct threads *threads);

#endif
