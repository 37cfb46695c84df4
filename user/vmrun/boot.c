// SPDX-License-Identifier: GPL-2.0-only
/* Loading of a kernel, what is common to all kinds. */
#include "boot.h"
#include "layout.h"
#include "number.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void open_file(struct boot_file *file, const char *option, const char *path)
{
	struct stat st;

	file->path = path;
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st))
		fail(STATUS_USAGE, "%s %s: %s; give a file that can be read", option, path,
		     strerror(errno));
	if (S_ISDIR(st.st_mode))
		fail(STATUS_USAGE, "%s %s: is a directory; give a file", option, path);
	if (!S_ISREG(st.st_mode) || !st.st_size)
		fail(STATUS_USAGE, "%s %s: is empty or no regular file; give a file", option, path);
	file->size = st.st_size;
}

void boot_open(struct boot *boot, const struct config *config)
{
	open_file(&boot->kernel, "--kernel", config->kernel);
	if (!bzimage_probe(&boot->kernel) && !elf_probe(&boot->kernel))
		fail(STATUS_USAGE,
		     "--kernel %s: not a kernel; give a bzImage or an ELF kernel with a PVH entry",
		     config->kernel);
	boot->initrd.fd = -1;
	if (config->initrd)
		open_file(&boot->initrd, "--initrd", config->initrd);
	boot->cmdline = config->append;
	boot->fresh = true;
}

const char *boot_read(const struct boot_file *file, uint64_t offset, const struct memory *memory,
		      uint64_t gpa, uint64_t size)
{
	uint8_t *to = memory_at(memory, gpa, size);
	ssize_t n;

	if (!to)
		return "does not fit into the guest's memory; give more --memory";
	while (size) {
		n = pread(file->fd, to, size, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return strerror(errno);
		if (!n)
			return "ends too early; give a whole file";
		to += n;
		offset += n;
		size -= n;
	}
	return NULL;
}

const char *boot_no_room(uint64_t need)
{
	static char text[128];
	char size[32];

	size_format(ALIGN_UP(need, MIB), size, sizeof(size));
	snprintf(text, sizeof(text),
		 "does not fit into the guest's memory: kernel and initrd alone take %s; give more --memory",
		 size);
	return text;
}

const char *boot_place_initrd(struct boot *boot, const struct memory *memory, uint64_t above,
			      uint64_t limit, uint64_t *gpa)
{
	uint64_t end = memory->low;

	*gpa = 0;
	if (boot->initrd.fd < 0)
		return NULL;
	boot->current = &boot->initrd;
	if (end > limit + 1)
		end = limit + 1;
	if (boot->initrd.size > end || end - boot->initrd.size < above)
		return boot_no_room(above + boot->initrd.size);
	*gpa = (end - boot->initrd.size) & ~0xfffULL;
	return boot_read(&boot->initrd, 0, memory, *gpa, boot->initrd.size);
}

const char *boot_put_cmdline(struct boot *boot, const struct memory *memory, uint64_t max)
{
	size_t len = strlen(boot->cmdline);

	boot->current = &boot->kernel;
	if (len > max || len >= BOOT_CMDLINE_MAX)
		return "takes no command line that long; give a shorter --append";
	memcpy(memory_at(memory, BOOT_CMDLINE, len + 1), boot->cmdline, len + 1);
	return NULL;
}

const char *boot_load(struct boot *boot, const struct memory *memory)
{
	const char *err;

	boot->current = &boot->kernel;
	if (bzimage_probe(&boot->kernel))
		err = bzimage_load(boot, memory);
	else
		err = elf_load(boot, memory);
	boot->fresh = false;
	return err;
}
