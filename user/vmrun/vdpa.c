// SPDX-License-Identifier: GPL-2.0-only
/*
 * "vmrun vdpa": devices for drivers that come by vDPA.
 *
 * The module is given the device and its back end, by descriptor; then vDPA is asked to
 * add a device of that name. From there on it belongs to nobody in particular: it stays
 * until it is deleted.
 */
#include "vdpa.h"
#include "disk.h"
#include "help.h"
#include "machine.h"
#include "number.h"
#include "rng.h"
#include "vdpa_bus.h"

#include <errno.h>
#include <getopt.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUEUE_SIZE 256

/**
 * struct request - what "vmrun vdpa add" was asked for
 * @config: with one device in it
 * @count: devices that were given
 * @driver: vDPA driver that is to have it
 * @features: to offer, if @has_features
 */
struct request {
	struct config config;
	unsigned int count;
	const char *driver;
	uint64_t features;
	bool has_features;
};

static const struct option add_options[] = {
	{ "name", required_argument, NULL, 'n' },
	{ "disk", required_argument, NULL, 'd' },
	{ "net", required_argument, NULL, 'e' },
	{ "rng", optional_argument, NULL, 'r' },
	{ "balloon", optional_argument, NULL, 'b' },
	{ "driver", required_argument, NULL, 'v' },
	{ "features", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void parse_driver(struct request *request, const char *text)
{
	if (strcmp(text, "vhost") && strcmp(text, "virtio"))
		fail(STATUS_USAGE, "--driver %s: give vhost or virtio", text);
	request->driver = !strcmp(text, "vhost") ? "vhost_vdpa" : "virtio_vdpa";
}

static void parse_features(struct request *request, const char *text)
{
	char *end;

	errno = 0;
	request->features = strtoull(text, &end, 0);
	if (!*text || *end || errno || *text == '-')
		fail(STATUS_USAGE, "--features %s: give a number such as 0x300000000", text);
	request->has_features = true;
}

static void parse_name(struct config *config, const char *text)
{
	if (!name_valid(text) || strlen(text) >= KVLANE_VDPA_NAME_LEN)
		fail(STATUS_USAGE,
		     "--name %s: give up to %d letters, digits, '.', '_' or '-', a letter or digit first",
		     text, KVLANE_VDPA_NAME_LEN - 1);
	strcpy(config->name, text);
}

static void parse_option(struct request *request, int opt)
{
	struct config *config = &request->config;

	request->count += !!strchr("derb", opt);
	switch (opt) {
	case 'n':
		parse_name(config, optarg);
		break;
	case 'd':
		option_disk(config, optarg);
		break;
	case 'e':
		option_net(config, optarg);
		break;
	case 'r':
		option_rng(config, optarg);
		break;
	case 'b':
		option_balloon(config, optarg);
		break;
	case 'v':
		parse_driver(request, optarg);
		break;
	case 'f':
		parse_features(request, optarg);
		break;
	}
}

static void check_throttle(const struct throttle_config *throttle,
			   const struct lanes_setting *lanes)
{
	if (throttle->name)
		fail(STATUS_USAGE, "throttle=%s: a device for vDPA has its own; give limits instead",
		     throttle->name);
	if (lanes->is_poll_set || lanes->coalesce_us || lanes->is_moved)
		fail(STATUS_USAGE, "poll=, coalesce=, cpus=: not for vDPA; leave them away");
}

static void check_request(const struct request *request)
{
	const struct config *config = &request->config;

	if (!config->name[0])
		fail(STATUS_USAGE, "vdpa add: --name is missing");
	if (request->count != 1)
		fail(STATUS_USAGE, "vdpa add: give one of --disk, --net, --rng and --balloon");
	if (config->nr_disks)
		check_throttle(&config->disks[0].throttle, &config->disks[0].lanes);
	if (config->nr_nets)
		check_throttle(&config->nets[0].throttle, &config->nets[0].lanes);
	/* Whoever has the tap must have it follow the driver; nobody is there to. */
	if (config->nr_nets && (config->nets[0].queues > 1 || config->nets[0].nr_fds > 1 ||
				config->nets[0].rss))
		fail(STATUS_USAGE, "vdpa add: a network device has one queue pair; leave queues= and rss= away");
	if (config->balloon.most)
		fail(STATUS_USAGE, "vdpa add: nobody would follow the host; leave auto= away");
	if (!vdpa_bus_has_driver(request->driver))
		fail(STATUS_USAGE, "vdpa add: the driver %s is not loaded; as root, modprobe %s",
		     request->driver, request->driver);
	if (vdpa_bus_has(config->name))
		fail(STATUS_USAGE, "--name %s: there is such a device; give another, or vmrun vdpa del %s",
		     config->name, config->name);
}

/* The parts of vmrun that connect devices want to know of a VM. */
static void describe(struct request *request, struct device_shape *shape,
		     struct kvlane_backend *backend)
{
	static struct machine machine;
	struct config *config = &request->config;

	machine.config = config;
	config->cpus = config->nr_nets ? 1 : sysconf(_SC_NPROCESSORS_ONLN);
	if (config->nr_disks) {
		disk_describe(&config->disks[0], config->cpus, disk_open(&config->disks[0]), shape,
			      backend);
	} else if (config->nr_nets) {
		config->nets[0].queues = config->nets[0].nr_fds ? 0 : 1;
		net_look(&machine, 0);
		net_connect(&machine, 0, shape, backend);
	} else if (config->rng.wanted) {
		*shape = (struct device_shape){ .type = VIRTIO_ID_RNG, .queues = 1 };
		*backend = (struct kvlane_backend){
			.fd = rng_open(&config->rng),
			.rng.bytes_per_second = config->rng.rate,
		};
	} else {
		balloon_describe(&config->balloon, shape, backend);
	}
}

static int open_module(void)
{
	struct kvlane_info info;
	const char *mend;
	int fd = module_open(&info, &mend);

	if (fd < 0)
		fail(STATUS_USAGE, "/dev/kvlane: %s; %s", strerror(-fd), mend);
	return fd;
}

static const char *create_mend(void)
{
	switch (errno) {
	case EEXIST:
		return "give another name";
	case EPERM:
		return "run as root";
	case EOPNOTSUPP:
		return "this kernel has no vDPA (CONFIG_VDPA)";
	default:
		return "see dmesg";
	}
}

static int create_device(int module, const char *name, const struct device_shape *shape)
{
	struct kvlane_create_vdpa create = {
		.type = shape->type,
		.num_queues = shape->queues,
		.queue_size = QUEUE_SIZE,
		.lane_queues = shape->lane_queues,
		.features = module_features(shape),
	};
	int fd;

	memcpy(create.name, name, strlen(name));
	fd = ioctl(module, KVLANE_CREATE_VDPA, &create);
	if (fd < 0)
		fail(STATUS_USAGE, "%s: the module cannot make it: %s; %s", name, strerror(errno),
		     create_mend());
	return fd;
}

static void limit(int module, int device, const char *name, const struct throttle_config *config)
{
	struct kvlane_create_throttle create = {};
	struct kvlane_set_throttle set = {};
	struct kvlane_limits limits = {};

	if (!config->has_limits)
		return;
	memcpy(limits.limits, config->limits, sizeof(limits.limits));
	set.fd = ioctl(module, KVLANE_CREATE_THROTTLE, &create);
	if (set.fd < 0 || ioctl(set.fd, KVLANE_SET_LIMITS, &limits) ||
	    ioctl(device, KVLANE_SET_THROTTLE, &set))
		fail(STATUS_USAGE, "%s: the module does not take the limits: %s; see dmesg", name,
		     strerror(errno));
}

static void add_device(struct request *request)
{
	const char *name = request->config.name, *wrong;
	struct kvlane_backend backend;
	struct device_shape shape;
	int module, device;

	describe(request, &shape, &backend);
	module = open_module();
	device = create_device(module, name, &shape);
	if (ioctl(device, KVLANE_SET_BACKEND, &backend))
		fail(STATUS_USAGE, "%s: the module does not take what is behind it: %s; see dmesg",
		     name, strerror(errno));
	if (request->config.nr_disks)
		limit(module, device, name, &request->config.disks[0].throttle);
	if (request->config.nr_nets)
		limit(module, device, name, &request->config.nets[0].throttle);
	wrong = vdpa_bus_add(name, request->has_features ? &request->features : NULL);
	if (wrong)
		fail(STATUS_USAGE, "%s: vDPA does not add it: %s%s", name, wrong,
		     request->has_features ? "; leave --features away, or bits of it" : "");
	wrong = vdpa_bus_bind(name, request->driver);
	if (wrong) {
		vdpa_bus_del(name);
		fail(STATUS_USAGE, "%s: %s does not take it: %s; see dmesg", name, request->driver,
		     wrong);
	}
}

static int add(int argc, char **argv)
{
	static struct request request = { .driver = "vhost_vdpa" };
	char node[80];
	int opt;

	while ((opt = getopt_long(argc, argv, ":", add_options, NULL)) != -1) {
		if (opt == 'h')
			help_print("vdpa");
		if (opt == '?' || opt == ':')
			fail(STATUS_USAGE, "vdpa add: %s %s; see vmrun vdpa --help",
			     argv[optind - 1], opt == '?' ? "is no option" : "needs a value");
		parse_option(&request, opt);
	}
	if (optind != argc)
		fail(STATUS_USAGE, "vdpa add: '%s' is not an option; see vmrun vdpa --help",
		     argv[optind]);
	check_request(&request);
	add_device(&request);
	puts(vdpa_bus_node(request.config.name, node, sizeof(node)));
	fflush(stdout);
	/* At exit() a tap would be put back, which the module has now. */
	_exit(STATUS_OK);
}

/* Another descriptor of a device; -1 if the module has none of this name. */
static int open_device(int module, const char *name)
{
	struct kvlane_open_vdpa args = {};

	if (strlen(name) >= sizeof(args.name))
		return -1;
	memcpy(args.name, name, strlen(name));
	return ioctl(module, KVLANE_OPEN_VDPA, &args);
}

static int open_named(const char *name)
{
	int fd = open_device(open_module(), name);

	if (fd < 0)
		fail(STATUS_USAGE, "%s: %s", name,
		     errno == EPERM ? "not permitted; run as root" :
				      "no such device; see vmrun vdpa list");
	return fd;
}

static void get_stats(int fd, struct kvlane_stats *stats, struct kvlane_queue_stats *queues)
{
	*stats = (struct kvlane_stats){
		.num_queues = KVLANE_MAX_QUEUES,
		.queue_stats_size = sizeof(*queues),
		.queues = (uintptr_t)queues,
	};
	if (ioctl(fd, KVLANE_GET_STATS, stats))
		*stats = (struct kvlane_stats){};
}

static const char *type_text(unsigned int type)
{
	switch (type) {
	case VIRTIO_ID_BLOCK:
		return "disk";
	case VIRTIO_ID_NET:
		return "net";
	case VIRTIO_ID_RNG:
		return "rng";
	case VIRTIO_ID_BALLOON:
		return "balloon";
	default:
		return "unknown";
	}
}

static const char *state_text(unsigned int status)
{
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return "broken";
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		return "running";
	return status ? "starting" : "idle";
}

/* What one device of a list is told of. */
struct listing {
	int module;
	json_t *devices;
};

static void list_one(const char *name, void *arg)
{
	static struct kvlane_queue_stats queues[KVLANE_MAX_QUEUES];
	const struct listing *listing = arg;
	uint64_t requests = 0, in = 0, out = 0;
	struct kvlane_stats stats;
	char node[80], driver[64];
	int fd = open_device(listing->module, name);

	if (fd < 0)
		return;
	get_stats(fd, &stats, queues);
	close(fd);
	for (unsigned int i = 0; i < stats.num_queues; i++) {
		requests += queues[i].requests;
		in += queues[i].bytes_in;
		out += queues[i].bytes_out;
	}
	json_array_append_new(listing->devices,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}",
					"name", name, "type", type_text(stats.type), "driver",
					vdpa_bus_driver(name, driver, sizeof(driver)), "node",
					vdpa_bus_node(name, node, sizeof(node)), "state",
					state_text(stats.status), "requests", (json_int_t)requests,
					"bytes_from_guest", (json_int_t)in, "bytes_to_guest",
					(json_int_t)out, "resets", (json_int_t)stats.resets));
}

static void print_devices(const json_t *devices)
{
	const json_t *d;
	size_t i;

	printf("%-16s %-8s %-12s %-20s %-9s %12s %7s\n", "NAME", "TYPE", "DRIVER", "NODE", "STATE",
	       "REQUESTS", "RESETS");
	json_array_foreach(devices, i, d)
		printf("%-16s %-8s %-12s %-20s %-9s %12lld %7lld\n",
		       json_string_value(json_object_get(d, "name")),
		       json_string_value(json_object_get(d, "type")),
		       json_string_value(json_object_get(d, "driver")),
		       json_string_value(json_object_get(d, "node")),
		       json_string_value(json_object_get(d, "state")),
		       (long long)json_integer_value(json_object_get(d, "requests")),
		       (long long)json_integer_value(json_object_get(d, "resets")));
}

static int list(int argc, char **argv)
{
	struct listing listing = { .devices = json_array() };

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json")))
		fail(STATUS_USAGE, "vdpa list: '%s' is not known; there is --json", argv[argc - 1]);
	listing.module = open_module();
	vdpa_bus_list(list_one, &listing);
	if (argc == 2) {
		json_dumpf(listing.devices, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		print_devices(listing.devices);
	}
	json_decref(listing.devices);
	return STATUS_OK;
}

/* vDPA would wait for its user to let go, and all its other calls with it. */
static int del(int argc, char **argv)
{
	const char *wrong;
	int fd;

	if (argc != 2)
		fail(STATUS_USAGE, "vdpa del: give the name of a device; see vmrun vdpa list");
	fd = open_named(argv[1]);
	if (vdpa_bus_busy(argv[1]))
		fail(STATUS_FAILURE, "%s: is in use; end the process that has it open first",
		     argv[1]);
	close(fd);
	wrong = vdpa_bus_del(argv[1]);
	if (wrong)
		fail(STATUS_FAILURE, "%s: vDPA does not delete it: %s", argv[1], wrong);
	return STATUS_OK;
}

static int balloon(int argc, char **argv)
{
	struct kvlane_balloon_info info = {};
	struct kvlane_set_balloon set = {};
	char target[16], lent[16], freed[16];
	uint64_t size;
	int fd;

	if (argc < 2 || argc > 3)
		fail(STATUS_USAGE, "vdpa balloon: give the name of a balloon, and a size to set");
	if (argc == 3 && (!size_parse(argv[2], &size) || size % 4096))
		fail(STATUS_USAGE, "vdpa balloon %s: not a size; give one such as 512M", argv[2]);
	fd = open_named(argv[1]);
	if (argc == 3) {
		set.target = size;
		if (ioctl(fd, KVLANE_SET_BALLOON, &set))
			fail(STATUS_FAILURE, "%s: the module does not take it: %s", argv[1],
			     errno == EINVAL ? "is no balloon" : strerror(errno));
		return STATUS_OK;
	}
	if (ioctl(fd, KVLANE_GET_BALLOON, &info))
		fail(STATUS_FAILURE, "%s: the module does not tell: %s", argv[1],
		     errno == EINVAL ? "is no balloon" : strerror(errno));
	printf("target %s, lent %s, given to the host %s\n",
	       size_format(info.target, target, sizeof(target)),
	       size_format(info.ballooned, lent, sizeof(lent)),
	       size_format(info.freed, freed, sizeof(freed)));
	return STATUS_OK;
}

int vdpa(int argc, char **argv)
{
	if (argc < 2)
		fail(STATUS_USAGE, "vdpa: give add, list, balloon or del; see vmrun vdpa --help");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		help_print("vdpa");
	if (!strcmp(argv[1], "add"))
		return add(argc - 1, argv + 1);
	if (!strcmp(argv[1], "list"))
		return list(argc - 1, argv + 1);
	if (!strcmp(argv[1], "balloon"))
		return balloon(argc - 1, argv + 1);
	if (!strcmp(argv[1], "del"))
		return del(argc - 1, argv + 1);
	fail(STATUS_USAGE, "vdpa: '%s' is not known: give add, list, balloon or del", argv[1]);
}
