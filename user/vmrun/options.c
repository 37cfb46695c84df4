// SPDX-License-Identifier: GPL-2.0-only
/* The options of "vmrun run". */
#include "config.h"
#include "help.h"
#include "number.h"
#include "say.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OPT_APPEND = 256,
	OPT_CONSOLE,
	OPT_CPUS,
	OPT_DISK,
	OPT_HELP,
	OPT_INITRD,
	OPT_KERNEL,
	OPT_MEMORY,
	OPT_NAME,
	OPT_NO_REBOOT,
	OPT_RNG,
	OPT_STATS,
};

static const struct option run_options[] = {
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "no-reboot", no_argument, NULL, OPT_NO_REBOOT },
	{ "rng", optional_argument, NULL, OPT_RNG },
	{ "stats-at-exit", required_argument, NULL, OPT_STATS },
	{},
};

bool name_valid(const char *name)
{
	size_t i, len = strlen(name);

	if (!len || len > MAX_NAME || !isalnum((unsigned char)name[0]))
		return false;
	for (i = 1; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	}
	return true;
}

/*
 * Cuts the next word off a list separated by commas; two commas stand for one.
 * Returns NULL at the end.
 */
static char *next_word(char **list)
{
	char *word = *list, *to, *from;

	if (!word)
		return NULL;
	for (to = from = word; *from; *to++ = *from++) {
		if (*from != ',')
			continue;
		if (from[1] != ',')
			break;
		from++;
	}
	*list = *from ? from + 1 : NULL;
	*to = 0;
	return word;
}

/* If @word is "KEY=value", returns the value. */
static const char *value_of(const char *word, const char *key)
{
	size_t len = strlen(key);

	return !strncmp(word, key, len) && word[len] == '=' ? word + len + 1 : NULL;
}

static void parse_memory(struct config *config, char *text)
{
	static const char *const kinds[] = {
		[HUGEPAGES_OFF] = "off", [HUGEPAGES_THP] = "thp",
		[HUGEPAGES_2M] = "2M", [HUGEPAGES_1G] = "1G",
	};
	const char *word = next_word(&text), *value;
	unsigned int i;

	if (!size_parse(word, &config->memory))
		fail(STATUS_USAGE, "--memory %s: not a size; give one such as 512M or 4G", word);
	while ((word = next_word(&text))) {
		value = value_of(word, "hugepages");
		if (!value)
			fail(STATUS_USAGE, "--memory: unknown option '%s'; there is hugepages=",
			     word);
		for (i = HUGEPAGES_OFF; i < ARRAY_SIZE(kinds); i++) {
			if (!strcmp(value, kinds[i]))
				break;
		}
		if (i == ARRAY_SIZE(kinds))
			fail(STATUS_USAGE, "--memory hugepages=%s: give 2M, 1G, thp or off", value);
		config->hugepages = i;
	}
}

static void parse_disk_option(struct disk_config *disk, const char *word)
{
	const char *discard = value_of(word, "discard");
	const char *serial = value_of(word, "serial");
	const char *queues = value_of(word, "queues");
	const char *block_size = value_of(word, "block-size");
	uint64_t n;

	if (!strcmp(word, "ro")) {
		disk->read_only = true;
	} else if (!strcmp(word, "direct")) {
		disk->direct = true;
	} else if (discard) {
		if (strcmp(discard, "off") && strcmp(discard, "on"))
			fail(STATUS_USAGE, "--disk discard=%s: give on or off", discard);
		disk->no_discard = !strcmp(discard, "off");
	} else if (serial) {
		if (!*serial || strlen(serial) > KVLANE_BLK_ID_LEN)
			fail(STATUS_USAGE, "--disk serial=%s: give 1 to %d characters", serial,
			     KVLANE_BLK_ID_LEN);
		strcpy(disk->serial, serial);
	} else if (queues) {
		if (!number_parse(queues, 1, KVLANE_BLK_MAX_QUEUES, &n))
			fail(STATUS_USAGE, "--disk queues=%s: give 1 to %d", queues,
			     KVLANE_BLK_MAX_QUEUES);
		disk->queues = n;
	} else if (block_size) {
		if (!number_parse(block_size, 512, 4096, &n) || n & (n - 1))
			fail(STATUS_USAGE, "--disk block-size=%s: give 512, 1024, 2048 or 4096",
			     block_size);
		disk->block_size = n;
	} else {
		fail(STATUS_USAGE, "--disk: unknown option '%s'; see vmrun run --help", word);
	}
}

static void parse_disk(struct config *config, char *text)
{
	struct disk_config *disk = &config->disks[config->nr_disks];
	const char *word;

	if (config->nr_disks == MAX_DISKS)
		fail(STATUS_USAGE, "--disk: too many; a guest can have %d", MAX_DISKS);
	disk->path = next_word(&text);
	if (!*disk->path)
		fail(STATUS_USAGE, "--disk: no path; give --disk PATH[,option...]");
	while ((word = next_word(&text)))
		parse_disk_option(disk, word);
	config->nr_disks++;
}

static void parse_rng(struct config *config, char *text)
{
	struct rng_config *rng = &config->rng;
	const char *value;
	char *word;

	rng->wanted = true;
	word = next_word(&text);
	if (word && *word && !value_of(word, "rate")) {
		rng->source = word;
		word = next_word(&text);
	} else if (word && !*word) {
		word = next_word(&text);
	}
	for (; word; word = next_word(&text)) {
		value = value_of(word, "rate");
		if (!value)
			fail(STATUS_USAGE, "--rng: unknown option '%s'; there is rate=", word);
		if (!size_parse(value, &rng->rate) || !rng->rate)
			fail(STATUS_USAGE, "--rng rate=%s: give bytes per second, such as 64K",
			     value);
	}
}

static void parse_console(struct config *config, const char *text)
{
	if (!strcmp(text, "stdio")) {
		config->console = CONSOLE_STDIO;
	} else if (!strcmp(text, "none")) {
		config->console = CONSOLE_NONE;
	} else if (!strncmp(text, "file:", 5) && text[5]) {
		config->console = CONSOLE_FILE;
		config->console_path = text + 5;
	} else {
		fail(STATUS_USAGE, "--console %s: give stdio, file:PATH or none", text);
	}
}

static void parse_cpus(struct config *config, const char *text)
{
	uint64_t n;

	if (!number_parse(text, 1, MAX_CPUS, &n))
		fail(STATUS_USAGE, "--cpus %s: give a number from 1 to %d", text, MAX_CPUS);
	config->cpus = n;
}

static void parse_name(struct config *config, const char *text)
{
	if (!name_valid(text))
		fail(STATUS_USAGE,
		     "--name %s: give up to %d letters, digits, '.', '_' or '-', a letter or digit first",
		     text, MAX_NAME);
	strcpy(config->name, text);
}

static void parse_option(struct config *config, int opt)
{
	/* What is taken apart is a copy, so that ps shows the whole command. */
	char *list;

	switch (opt) {
	case OPT_APPEND:
		config->append = optarg;
		break;
	case OPT_CONSOLE:
		parse_console(config, optarg);
		break;
	case OPT_CPUS:
		parse_cpus(config, optarg);
		break;
	case OPT_DISK:
		parse_disk(config, strdup(optarg));
		break;
	case OPT_INITRD:
		config->initrd = optarg;
		break;
	case OPT_KERNEL:
		config->kernel = optarg;
		break;
	case OPT_MEMORY:
		list = strdup(optarg);
		parse_memory(config, list);
		free(list);
		break;
	case OPT_NAME:
		parse_name(config, optarg);
		break;
	case OPT_NO_REBOOT:
		config->no_reboot = true;
		break;
	case OPT_RNG:
		parse_rng(config, optarg ? strdup(optarg) : NULL);
		break;
	case OPT_STATS:
		config->stats_path = optarg;
		break;
	}
	/* The configuration points into the other copies. */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
}

void options_parse(struct config *config, int argc, char **argv)
{
	int opt;

	*config = (struct config){ .append = "" };
	while ((opt = getopt_long(argc, argv, ":", run_options, NULL)) != -1) {
		if (opt == OPT_HELP)
			help_print("run");
		if (opt == '?')
			fail(STATUS_USAGE, "run: unknown option %s; see vmrun run --help",
			     argv[optind - 1]);
		if (opt == ':')
			fail(STATUS_USAGE, "run: %s needs a value; see vmrun run --help",
			     argv[optind - 1]);
		parse_option(config, opt);
	}
	if (optind != argc)
		fail(STATUS_USAGE, "run: '%s' is not an option; see vmrun run --help",
		     argv[optind]);
	if (!config->kernel)
		fail(STATUS_USAGE, "--kernel is missing: give a bzImage or an ELF kernel");
	if (!config->memory)
		fail(STATUS_USAGE, "--memory is missing or zero: give a size such as 512M");
	if (!config->cpus)
		fail(STATUS_USAGE, "--cpus is missing: give a number from 1 to %d", MAX_CPUS);
	if (!config->name[0])
		snprintf(config->name, sizeof(config->name), "vm-%d", getpid());
}
