// SPDX-License-Identifier: GPL-2.0-only
/* Small files of /proc and /sys. */
#include "file.h"

#include <stdio.h>
#include <string.h>

bool file_line(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "r");
	bool ok;

	if (!f)
		return false;
	ok = fgets(buf, len, f);
	fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = 0;
	return ok;
}
