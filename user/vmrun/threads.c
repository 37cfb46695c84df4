// SPDX-License-Identifier: GPL-2.0-only
/*
 * The threads of this process, as /proc shows them. There are no more once the
 * guest runs, so the files that tell of them are opened before it does.
 */
#include "threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void threads_prepare(struct threads *threads)
{
	threads->folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void add(struct threads *threads, const char *tid)
{
	char path[32];
	int *files, fd;

	snprintf(path, sizeof(path), "%.16s/stat", tid);
	fd = openat(threads->folder, path, O_RDONLY | O_CLOEXEC);
	files = reallocarray(threads->files, threads->count + 1, sizeof(*files));
	if (files)
		threads->files = files;
	if (fd >= 0 && files)
		files[threads->count++] = fd;
}

void threads_open(struct threads *threads)
{
	DIR *dir = threads->folder >= 0 ? fdopendir(threads->folder) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			add(threads, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* "TID (NAME) STATE ..."; NAME may hold anything. */
static json_t *report(const char *line)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')');
	unsigned long user = 0, system = 0;

	if (!open || !close)
		return NULL;
	sscanf(close, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return json_pack("{s:i, s:s%, s:f}", "tid", atoi(line), "name", open + 1,
			 (size_t)(close - open - 1), "cpu_ms",
			 (user + system) * 1000.0 / sysconf(_SC_CLK_TCK));
}

json_t *threads_report(const struct threads *threads)
{
	json_t *list = json_array();
	char line[512];
	ssize_t n;

	for (unsigned int i = 0; i < threads->count; i++) {
		n = pread(threads->files[i], line, sizeof(line) - 1, 0);
		if (n <= 0)
			continue;
		line[n] = 0;
		json_array_append_new(list, report(line));
	}
	return list;
}
