// SPDX-License-Identifier: GPL-2.0-only
/* vmrun: the commands. */
#include "check.h"
#include "client.h"
#include "config.h"
#include "help.h"
#include "machine.h"
#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	{ "check", check },
};

int main(int argc, char **argv)
{
	if (argc < 2)
		fail(STATUS_USAGE, "give a command: run, list, stat, ctl or check; see vmrun --help");
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
	fail(STATUS_USAGE, "'%s' is no command: give run, list, stat, ctl or check; see vmrun --help",
	     argv[1]);
}
