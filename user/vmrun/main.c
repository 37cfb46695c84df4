// SPDX-License-Identifier: GPL-2.0-only
/* vmrun: the commands. */
#include "check.h"
#include "client.h"
#include "config.h"
#include "events.h"
#include "help.h"
#include "machine.h"
#include "number.h"
#include "vdpa.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(int argc, char **argv)
{
	static struct config config;
	uint64_t start = now_ns();

	options_parse(&config, argc, argv);
	return machine_run(&config, start);
}

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "run", run },
	{ "list", client_list },
	{ "stat", client_stat },
	{ "ctl", client_ctl },
	{ "events", events },
	{ "check", check },
	{ "vdpa", vdpa },
};

/* A file of ours must not become the standard input of the guest. */
static void fill_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char **argv)
{
	fill_standard_files();
	if (argc < 2)
		fail(STATUS_USAGE, "give a command: run, list, stat, ctl, events, vdpa or check; see vmrun --help");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		help_print(NULL);
	if (!strcmp(argv[1], "--version")) {
		puts("vmrun " VMRUN_VERSION);
		return 0;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].main(argc - 1, argv + 1);
	}
	fail(STATUS_USAGE, "'%s' is no command: give run, list, stat, ctl, events, vdpa or check; see vmrun --help",
	     argv[1]);
}
