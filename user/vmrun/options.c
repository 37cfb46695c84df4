// SPDX-License-Identifier: GPL-2.0-only
/* The options of "vmrun run". */
#include "config.h"
#include "help.h"
#include "limit.h"
#include "number.h"
#include "say.h"

#include <ctype.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* That of an Ethernet interface. */
#define MIN_MTU 68
#define MAX_MTU 65521

enum {
	OPT_APPEND = 256,
	OPT_BALLOON,
	OPT_CONSOLE,
	OPT_CPUS,
	OPT_DISK,
	OPT_HELP,
	OPT_INITRD,
	OPT_KERNEL,
	OPT_MEMORY,
	OPT_NAME,
	OPT_NET,
	OPT_NO_REBOOT,
	OPT_PV_EOI,
	OPT_RNG,
	OPT_NOTIFY,
	OPT_SANDBOX,
	OPT_STATS,
	OPT_THROTTLE,
	OPT_VFIO,
};

static const struct option run_options[] = {
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "balloon", optional_argument, NULL, OPT_BALLOON },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "net", required_argument, NULL, OPT_NET },
	{ "no-reboot", no_argument, NULL, OPT_NO_REBOOT },
	{ "pv-eoi", required_argument, NULL, OPT_PV_EOI },
	{ "rng", optional_argument, NULL, OPT_RNG },
	{ "vfio", required_argument, NULL, OPT_VFIO },
	{ "notify", required_argument, NULL, OPT_NOTIFY },
	{ "sandbox", required_argument, NULL, OPT_SANDBOX },
	{ "stats-at-exit", required_argument, NULL, OPT_STATS },
	{ "throttle", required_argument, NULL, OPT_THROTTLE },
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

/*
 * What throttles a device: limits, or the name of a throttle.  Returns false if @word
 * says something else.
 */
static bool parse_throttled(struct throttle_config *throttle, const char *option,
			    enum limits_kind kind, const char *word)
{
	const char *name = value_of(word, "throttle");
	const char *wrong = NULL;
	bool is_limit;

	if (name)
		throttle->name = name;
	else
		wrong = limits_parse(word, kind, throttle->limits, &is_limit);
	if (wrong)
		fail(STATUS_USAGE, "%s %s: %s", option, word, wrong);
	if (!name && !is_limit)
		return false;
	throttle->has_limits |= !name;
	if (throttle->name && throttle->has_limits)
		fail(STATUS_USAGE,
		     "%s throttle=%s: has limits already; leave it away, or the limits of its own",
		     option, throttle->name);
	return true;
}

/* Returns false if @word says nothing about how lanes work. */
static bool parse_lanes(struct lanes_setting *lanes, const char *option, const char *word)
{
	bool is_setting;
	const char *wrong = lanes_parse(word, lanes, &is_setting);

	if (wrong)
		fail(STATUS_USAGE, "%s %s: %s", option, word, wrong);
	return is_setting;
}

static bool is_off(const char *option, const char *name, const char *value)
{
	if (strcmp(value, "off") && strcmp(value, "on"))
		fail(STATUS_USAGE, "%s %s=%s: give on or off", option, name, value);
	return !strcmp(value, "off");
}

static void parse_disk_option(struct disk_config *disk, const char *word)
{
	const char *discard = value_of(word, "discard");
	const char *serial = value_of(word, "serial");
	const char *queues = value_of(word, "queues");
	const char *block_size = value_of(word, "block-size");
	const char *lanes = value_of(word, "lanes");
	const char *packed = value_of(word, "packed");
	uint64_t n;

	if (!strcmp(word, "ro")) {
		disk->read_only = true;
	} else if (!strcmp(word, "direct")) {
		disk->direct = true;
	} else if (!strcmp(word, "iopoll")) {
		disk->is_polled = true;
	} else if (discard) {
		disk->no_discard = is_off("--disk", "discard", discard);
	} else if (packed) {
		disk->no_packed = is_off("--disk", "packed", packed);
	} else if (lanes) {
		if (!number_parse(lanes, 1, KVLANE_BLK_MAX_QUEUES, &n))
			fail(STATUS_USAGE, "--disk lanes=%s: give 1 to %d", lanes,
			     KVLANE_BLK_MAX_QUEUES);
		disk->threads = n;
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
	} else if (!parse_lanes(&disk->lanes, "--disk", word) &&
		   !parse_throttled(&disk->throttle, "--disk", LIMITS_DISK, word)) {
		fail(STATUS_USAGE, "--disk: unknown option '%s'; see vmrun run --help", word);
	}
}

void option_disk(struct config *config, char *text)
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

static void parse_mac(struct net_config *net, const char *text)
{
	uint8_t *mac = net->mac, zero[sizeof(net->mac)] = {};
	int end = 0;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &end) != 6 || text[end] || end != 17)
		fail(STATUS_USAGE, "--net mac=%s: give six bytes, such as 02:00:00:00:00:01", text);
	if (mac[0] & 1 || !memcmp(mac, zero, sizeof(zero)))
		fail(STATUS_USAGE,
		     "--net mac=%s: no single machine can have it; give one such as 02:00:00:00:00:01",
		     text);
	net->has_mac = true;
}

static void add_fd(struct net_config *net, int fd)
{
	if (net->nr_fds == KVLANE_NET_MAX_PAIRS)
		fail(STATUS_USAGE, "--net fd=%s: too many; give %d at most", net->name,
		     KVLANE_NET_MAX_PAIRS);
	for (unsigned int i = 0; i < net->nr_fds; i++) {
		if (net->fds[i] == fd)
			fail(STATUS_USAGE, "--net fd=%s: %d comes twice; give each once", net->name,
			     fd);
	}
	net->fds[net->nr_fds++] = fd;
}

static void parse_fds(struct net_config *net)
{
	const char *at = net->name, *end;
	char word[16];
	uint64_t n;

	do {
		end = strchrnul(at, ':');
		snprintf(word, sizeof(word), "%.*s", (int)(end - at), at);
		if (!number_parse(word, STDERR_FILENO + 1, INT_MAX, &n))
			fail(STATUS_USAGE, "--net fd=%s: give descriptors from 3 on, such as 3:4",
			     net->name);
		add_fd(net, n);
		at = end + 1;
	} while (*end);
}

/* Where a network device leads to. Returns false if @word says something else. */
static bool parse_net_kind(struct net_config *net, const char *word)
{
	static const char *const kinds[] = {
		[NET_BRIDGE] = "bridge", [NET_TAP] = "tap",
		[NET_MACVTAP] = "macvtap", [NET_FD] = "fd",
	};
	const char *value = NULL;
	unsigned int kind;

	for (kind = NET_BRIDGE; kind <= NET_FD; kind++) {
		value = value_of(word, kinds[kind]);
		if (value)
			break;
	}
	if (!value)
		return false;
	if (net->kind)
		fail(STATUS_USAGE, "--net %s: leads to %s=%s already; give each a --net", word,
		     kinds[net->kind], net->name);
	if (!*value)
		fail(STATUS_USAGE, "--net %s: leads nowhere; give %s", word,
		     kind == NET_FD ? "a descriptor" : "an interface");
	net->kind = kind;
	net->name = value;
	if (kind == NET_FD)
		parse_fds(net);
	return true;
}

static void parse_net_option(struct net_config *net, const char *word)
{
	const char *queues = value_of(word, "queues");
	const char *mac = value_of(word, "mac");
	const char *mtu = value_of(word, "mtu");
	const char *id = value_of(word, "id");
	const char *zerocopy = value_of(word, "zerocopy");
	const char *rss = value_of(word, "rss");
	const char *lanes = value_of(word, "lanes");
	const char *packed = value_of(word, "packed");
	uint64_t n;

	if (queues) {
		if (!number_parse(queues, 1, KVLANE_NET_MAX_PAIRS, &n))
			fail(STATUS_USAGE, "--net queues=%s: give 1 to %d", queues,
			     KVLANE_NET_MAX_PAIRS);
		net->queues = n;
	} else if (mac) {
		parse_mac(net, mac);
	} else if (mtu) {
		if (!number_parse(mtu, MIN_MTU, MAX_MTU, &n))
			fail(STATUS_USAGE, "--net mtu=%s: give %d to %d", mtu, MIN_MTU, MAX_MTU);
		net->mtu = n;
	} else if (id) {
		if (!name_valid(id) || strlen(id) > MAX_NET_ID)
			fail(STATUS_USAGE,
			     "--net id=%s: give up to %d letters, digits, '.', '_' or '-', a letter or digit first",
			     id, MAX_NET_ID);
		strcpy(net->id, id);
	} else if (zerocopy) {
		net->no_zerocopy = is_off("--net", "zerocopy", zerocopy);
	} else if (rss) {
		net->rss = !is_off("--net", "rss", rss);
	} else if (lanes) {
		if (strcmp(lanes, "pair") && strcmp(lanes, "queue"))
			fail(STATUS_USAGE, "--net lanes=%s: give pair or queue", lanes);
		net->lane_each = !strcmp(lanes, "queue");
	} else if (packed) {
		net->no_packed = is_off("--net", "packed", packed);
	} else if (!parse_net_kind(net, word) && !parse_lanes(&net->lanes, "--net", word) &&
		   !parse_throttled(&net->throttle, "--net", LIMITS_NET, word)) {
		fail(STATUS_USAGE, "--net: unknown option '%s'; see vmrun run --help", word);
	}
}

void option_net(struct config *config, char *text)
{
	struct net_config *net = &config->nets[config->nr_nets];
	const char *word;

	if (config->nr_nets == MAX_NETS)
		fail(STATUS_USAGE, "--net: too many; a guest can have %d", MAX_NETS);
	snprintf(net->id, sizeof(net->id), "net%u", config->nr_nets);
	while ((word = next_word(&text)))
		parse_net_option(net, word);
	if (!net->kind)
		fail(STATUS_USAGE,
		     "--net: leads nowhere; give bridge=NAME, tap=NAME, macvtap=NAME or fd=N");
	if (net->nr_fds && net->queues && net->queues != net->nr_fds)
		fail(STATUS_USAGE, "--net queues=%u: there are %u descriptors; leave queues= away",
		     net->queues, net->nr_fds);
	config->nr_nets++;
}

static struct throttle_config *find_throttle(struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->nr_throttles; i++) {
		if (!strcmp(config->throttles[i].name, name))
			return &config->throttles[i];
	}
	return NULL;
}

static void parse_throttle(struct config *config, char *text)
{
	struct throttle_config *throttle = &config->throttles[config->nr_throttles];
	const char *word = next_word(&text);

	if (config->nr_throttles == MAX_THROTTLES)
		fail(STATUS_USAGE, "--throttle: too many; a guest can have %d", MAX_THROTTLES);
	if (!name_valid(word) || strlen(word) > MAX_THROTTLE_NAME)
		fail(STATUS_USAGE,
		     "--throttle %s: give a name first, up to %d letters, digits, '.', '_' or '-', a letter or digit first",
		     word, MAX_THROTTLE_NAME);
	if (find_throttle(config, word))
		fail(STATUS_USAGE, "--throttle %s: comes twice; give each a name of its own", word);
	throttle->name = word;
	while ((word = next_word(&text))) {
		const char *wrong;
		bool is_limit;

		wrong = limits_parse(word, LIMITS_GROUP, throttle->limits, &is_limit);
		if (!is_limit)
			fail(STATUS_USAGE, "--throttle: unknown option '%s'; see vmrun run --help",
			     word);
		if (wrong)
			fail(STATUS_USAGE, "--throttle %s: %s", word, wrong);
	}
	config->nr_throttles++;
}

/* A throttle that a device shares is defined by --throttle, or is another VM's. */
static void check_throttle(struct config *config, const char *option, const char *name)
{
	const char *slash = name ? strchr(name, '/') : NULL;
	char vm[MAX_NAME + 1] = "";

	if (!name)
		return;
	if (slash && slash - name <= MAX_NAME)
		memcpy(vm, name, slash - name);
	if (slash ? !name_valid(vm) || !name_valid(slash + 1) || strlen(slash + 1) > MAX_NET_ID :
		    !find_throttle(config, name))
		fail(STATUS_USAGE, "%s throttle=%s: no such throttle; %s", option, name,
		     slash ? "give VM/NAME, see vmrun list and vmrun ctl VM throttle" :
			     "define it, such as --throttle NAME,iops=500");
}

static void check_throttles(struct config *config)
{
	for (unsigned int i = 0; i < config->nr_disks; i++)
		check_throttle(config, "--disk", config->disks[i].throttle.name);
	for (unsigned int i = 0; i < config->nr_nets; i++)
		check_throttle(config, "--net", config->nets[i].throttle.name);
}

void option_rng(struct config *config, char *text)
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

static bool parse_off(const char *option, const char *text)
{
	if (strcmp(text, "off") && strcmp(text, "on"))
		fail(STATUS_USAGE, "--%s %s: give on or off", option, text);
	return !strcmp(text, "off");
}

void option_balloon(struct config *config, char *text)
{
	struct balloon_config *balloon = &config->balloon;
	const char *value;
	char *word;

	balloon->wanted = true;
	while ((word = next_word(&text))) {
		value = value_of(word, "target");
		if (value) {
			if (!size_parse(value, &balloon->target) || balloon->target % 4096)
				fail(STATUS_USAGE, "--balloon target=%s: give a size such as 512M",
				     value);
			continue;
		}
		value = value_of(word, "auto");
		if (value) {
			if (!size_parse(value, &balloon->most) || !balloon->most)
				fail(STATUS_USAGE,
				     "--balloon auto=%s: give the most it may lend, such as 2G",
				     value);
			continue;
		}
		value = value_of(word, "hinting");
		if (value) {
			balloon->hinting = !parse_off("balloon hinting", value);
			continue;
		}
		value = value_of(word, "reporting");
		if (!value)
			fail(STATUS_USAGE,
			     "--balloon: unknown option '%s'; there are target=, auto=, reporting= and hinting=",
			     word);
		balloon->reporting = !parse_off("balloon reporting", value);
	}
}

static bool has_vfio(const struct config *config, const char *address)
{
	for (unsigned int i = 0; i < config->nr_vfios; i++) {
		if (!strcmp(config->vfios[i].address, address))
			return true;
	}
	return false;
}

static void parse_vfio(struct config *config, char *text)
{
	struct vfio_config *vfio = &config->vfios[config->nr_vfios];
	const char *word = next_word(&text);

	if (config->nr_vfios == MAX_VFIO)
		fail(STATUS_USAGE, "--vfio: too many; a guest can have %d", MAX_VFIO);
	if (!vfio_address_parse(word, vfio->address))
		fail(STATUS_USAGE, "--vfio %s: no PCI address; give one such as 0000:01:00.0",
		     word);
	if (has_vfio(config, vfio->address))
		fail(STATUS_USAGE, "--vfio %s: comes twice", word);
	while ((word = next_word(&text))) {
		if (strcmp(word, "bind"))
			fail(STATUS_USAGE, "--vfio: unknown option '%s'; there is bind", word);
		vfio->bind = true;
	}
	config->nr_vfios++;
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

static void parse_notify(struct config *config, const char *text)
{
	if (!strcmp(text, "auto"))
		config->notify = NOTIFY_AUTO;
	else if (!strcmp(text, "port"))
		config->notify = NOTIFY_PORT;
	else if (!strcmp(text, "mmio"))
		config->notify = NOTIFY_MMIO;
	else
		fail(STATUS_USAGE, "--notify %s: give auto, port or mmio", text);
}

/* The value of an option that is "on" unless somebody knows better. */
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
		option_disk(config, strdup(optarg));
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
	case OPT_NET:
		option_net(config, strdup(optarg));
		break;
	case OPT_NO_REBOOT:
		config->no_reboot = true;
		break;
	case OPT_PV_EOI:
		config->no_pv_eoi = parse_off("pv-eoi", optarg);
		break;
	case OPT_BALLOON:
		option_balloon(config, optarg ? strdup(optarg) : NULL);
		break;
	case OPT_RNG:
		option_rng(config, optarg ? strdup(optarg) : NULL);
		break;
	case OPT_NOTIFY:
		parse_notify(config, optarg);
		break;
	case OPT_SANDBOX:
		config->no_sandbox = parse_off("sandbox", optarg);
		break;
	case OPT_STATS:
		config->stats_path = optarg;
		break;
	case OPT_THROTTLE:
		parse_throttle(config, strdup(optarg));
		break;
	case OPT_VFIO:
		parse_vfio(config, strdup(optarg));
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
	if (config->balloon.most > config->memory)
		fail(STATUS_USAGE, "--balloon: auto= is more than the guest has; see --memory");
	if (config->balloon.target > config->memory)
		fail(STATUS_USAGE, "--balloon: the target is more than the guest has; see --memory");
	if (config->balloon.hinting)
		fail(STATUS_USAGE, "--balloon: vmrun does not move guests; leave hinting= to vmrun vdpa add");
	check_throttles(config);
	if (!config->name[0])
		snprintf(config->name, sizeof(config->name), "vm-%d", getpid());
}
