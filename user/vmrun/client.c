// SPDX-License-Identifier: GPL-2.0-only
/* The commands that ask a running VM: list, stat, ctl. */
#include "client.h"
#include "config.h"
#include "control.h"
#include "help.h"
#include "number.h"
#include "say.h"
#include "table.h"
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 10

static const char *folder(void)
{
	const char *why, *path = control_folder(0, &why);

	if (!path)
		fail(STATUS_USAGE, "control sockets: %s", why);
	return path;
}

/* Returns a connected descriptor or a negative errno. */
static int connect_to(const struct sockaddr_un *address)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static json_t *request_of(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

/* Sends a request and takes the answer; NULL if there is none. Uses up both. */
static json_t *ask(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *reply = NULL;

	json_decref(request);
	if (text && dprintf(fd, "%s\n", text) > 0)
		reply = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, NULL);
	free(text);
	close(fd);
	return reply;
}

/* Returns a connected descriptor or a negative errno. */
static int find_vm(const char *name)
{
	struct sockaddr_un address;

	if (!name_valid(name) || control_address(&address, folder(), name))
		fail(STATUS_USAGE, "'%s' is no name of a VM; see vmrun list", name);
	return connect_to(&address);
}

/* Connects to a VM, or exits with one line. */
static int reach(const char *name)
{
	int fd = find_vm(name);

	if (fd == -EACCES)
		fail(STATUS_USAGE, "%s: no permission; it runs as another user", name);
	if (fd < 0)
		fail(STATUS_USAGE, "%s: no VM of this name runs; see vmrun list", name);
	return fd;
}

/* Exits with one line if there is no answer, or it is an error. */
static json_t *heed(const char *name, json_t *reply)
{
	const char *error;

	if (!reply)
		fail(STATUS_FAILURE, "%s: the VM does not answer", name);
	error = json_string_value(json_object_get(reply, "error"));
	if (error)
		fail(STATUS_USAGE, "%s: %s", name, error);
	return reply;
}

static json_t *ask_vm(const char *name, json_t *request)
{
	return heed(name, ask(reach(name), request));
}

/* Takes the first part of an answer, and a descriptor that may come with it. */
static ssize_t take_gift(int fd, char *buf, size_t len, int *gift)
{
	char space[CMSG_SPACE(sizeof(*gift))] __attribute__((aligned(8)));
	struct iovec part = { buf, len };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*gift = -1;
	if (n > 0 && head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(*gift)))
		memcpy(gift, CMSG_DATA(head), sizeof(*gift));
	return n;
}

static json_t *take_answer(int fd, int *gift)
{
	char buf[1024];
	ssize_t n = take_gift(fd, buf, sizeof(buf), gift);
	size_t used = 0;

	while (n > 0) {
		used += n;
		n = recv(fd, buf + used, sizeof(buf) - used, 0);
	}
	return json_loadb(buf, used, JSON_DISABLE_EOF_CHECK, NULL);
}

int client_borrow_throttle(const char *path)
{
	const char *slash = strchr(path, '/');
	char name[MAX_NAME + 1];
	json_t *request, *reply;
	int fd, throttle = -1;
	char *text;

	snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
	request = json_pack("{s:s, s:s}", "command", "lend-throttle", "device", slash + 1);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	fd = reach(name);
	reply = text && dprintf(fd, "%s\n", text) > 0 ? take_answer(fd, &throttle) : NULL;
	free(text);
	close(fd);
	if (!reply)
		fail(STATUS_USAGE, "throttle=%s: the VM does not answer; see vmrun list", path);
	json_decref(heed(name, reply));
	if (throttle < 0)
		fail(STATUS_USAGE, "throttle=%s: did not come; run both VMs with the same vmrun",
		     path);
	return throttle;
}

static void print_json(const json_t *value, size_t layout)
{
	json_dumpf(value, stdout, layout | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
	putchar('\n');
	fflush(stdout);
}

unsigned int client_options(int *argc, char **argv)
{
	const char *command = argv[0];
	unsigned int found = 0;
	int to = 1;

	for (int from = 1; from < *argc; from++) {
		if (!strcmp(argv[from], "--help"))
			help_print(command);
		else if (!strcmp(argv[from], "--json") && strcmp(command, "ctl"))
			found |= CLIENT_JSON;
		else if (!strcmp(argv[from], "--watch") && !strcmp(command, "stat"))
			found |= CLIENT_WATCH;
		else if (argv[from][0] == '-')
			fail(STATUS_USAGE, "%s: unknown option %s; see vmrun %s --help", command,
			     argv[from], command);
		else
			argv[to++] = argv[from];
	}
	*argc = to;
	return found;
}

/*
 * The socket a killed VM has left is removed. One that starts does not answer either, but
 * holds the folder from when it has a socket to when it does.
 */
static int connect_or_remove(const char *folder, const struct sockaddr_un *address)
{
	int fd = connect_to(address), lock;

	if (fd != -ECONNREFUSED)
		return fd;
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flock(lock, LOCK_EX);
	fd = connect_to(address);
	if (fd == -ECONNREFUSED)
		unlink(address->sun_path);
	close(lock);
	return fd;
}

/* The VM behind one socket; NULL if none is. */
static json_t *look_at(const char *path, const char *file)
{
	const char *suffix = strstr(file, ".sock");
	struct sockaddr_un address;
	char name[MAX_NAME + 1];
	int fd;

	if (!suffix || suffix[5] || suffix - file > MAX_NAME)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(suffix - file), file);
	if (control_address(&address, path, name))
		return NULL;
	fd = connect_or_remove(path, &address);
	return fd < 0 ? NULL : ask(fd, request_of("status"));
}

json_t *client_find_vms(void)
{
	const char *path = folder();
	json_t *vms = json_array(), *vm;
	struct dirent **files;
	int n = scandir(path, &files, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		vm = look_at(path, files[i]->d_name);
		if (vm)
			json_array_append_new(vms, vm);
		free(files[i]);
	}
	if (n >= 0)
		free(files);
	return vms;
}

int client_list(int argc, char **argv)
{
	bool is_json = client_options(&argc, argv) & CLIENT_JSON;
	json_t *vms;

	if (argc != 1)
		fail(STATUS_USAGE, "list: takes no argument; see vmrun list --help");
	vms = client_find_vms();
	if (is_json)
		print_json(vms, JSON_INDENT(1));
	else
		table_vms(vms);
	json_decref(vms);
	return STATUS_OK;
}

/* One line of JSON, or a page. */
static void show_rates(const json_t *rates, bool is_json)
{
	if (is_json) {
		print_json(rates, JSON_COMPACT);
		return;
	}
	/* To the upper left corner, and everything below away. */
	fputs(isatty(STDOUT_FILENO) ? "\033[H\033[J" : "\n", stdout);
	table_report(rates);
	fflush(stdout);
}

/* Each second what was done in it, until the VM ends. */
static void watch(const char *name, json_t *before, bool is_json)
{
	json_t *now, *rates;
	int fd;

	while (sleep(1) == 0) {
		fd = find_vm(name);
		now = fd < 0 ? NULL : ask(fd, request_of("stat"));
		if (!now)
			break;
		rates = watch_rates(before, now);
		show_rates(rates, is_json);
		json_decref(rates);
		json_decref(before);
		before = now;
	}
	json_decref(before);
}

int client_stat(int argc, char **argv)
{
	unsigned int options = client_options(&argc, argv);
	json_t *report;

	if (argc != 2)
		fail(STATUS_USAGE, "stat: give the name of one VM; see vmrun list");
	report = ask_vm(argv[1], request_of("stat"));
	if (options & CLIENT_WATCH) {
		watch(argv[1], report, options & CLIENT_JSON);
		return STATUS_OK;
	}
	if (options & CLIENT_JSON)
		print_json(report, JSON_INDENT(1));
	else
		table_report(report);
	json_decref(report);
	return STATUS_OK;
}

/* Adds arguments as an array. */
static void add_words(json_t *request, const char *key, int argc, char **argv)
{
	json_t *words = json_array();

	for (int i = 0; i < argc; i++)
		json_array_append_new(words, json_string(argv[i]));
	json_object_set_new(request, key, words);
}

int client_ctl(int argc, char **argv)
{
	const json_t *throttles, *lanes, *balloon;
	json_t *request, *reply;

	client_options(&argc, argv);
	if (argc < 3)
		fail(STATUS_USAGE, "ctl: give the name of a VM and a command; see vmrun ctl --help");
	request = request_of(argv[2]);
	if (!strcmp(argv[2], "link")) {
		if (argc != 5)
			fail(STATUS_USAGE,
			     "ctl link: give a device such as net0, and up, down or announce");
		json_object_set_new(request, "device", json_string(argv[3]));
		json_object_set_new(request, "action", json_string(argv[4]));
	} else if (!strcmp(argv[2], "throttle")) {
		if (argc > 3)
			json_object_set_new(request, "device", json_string(argv[3]));
		if (argc > 4)
			add_words(request, "limits", argc - 4, argv + 4);
	} else if (!strcmp(argv[2], "lanes")) {
		if (argc > 3)
			json_object_set_new(request, "device", json_string(argv[3]));
		if (argc > 4)
			add_words(request, "words", argc - 4, argv + 4);
	} else if (!strcmp(argv[2], "balloon") && argc == 4) {
		json_object_set_new(request, "size", json_string(argv[3]));
	} else if (argc != 3) {
		fail(STATUS_USAGE, "ctl %s: takes no argument; see vmrun ctl --help", argv[2]);
	}
	reply = ask_vm(argv[1], request);
	throttles = json_object_get(reply, "throttles");
	if (throttles && argc < 5)
		table_throttles(throttles);
	lanes = json_object_get(reply, "lanes");
	if (lanes && argc < 5)
		table_lanes(lanes);
	balloon = json_object_get(reply, "balloon");
	if (balloon && argc < 4)
		table_balloon(balloon);
	json_decref(reply);
	return STATUS_OK;
}
