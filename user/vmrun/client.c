// SPDX-License-Identifier: GPL-2.0-only
/* The commands that ask a running VM: list, stat, ctl. */
#include "client.h"
#include "config.h"
#include "control.h"
#include "help.h"
#include "number.h"
#include "say.h"
#include "table.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static json_t *ask_vm(const char *name, json_t *request)
{
	struct sockaddr_un address;
	const char *error;
	json_t *reply;
	int fd;

	if (!name_valid(name) || control_address(&address, folder(), name))
		fail(STATUS_USAGE, "'%s' is no name of a VM; see vmrun list", name);
	fd = connect_to(&address);
	if (fd == -EACCES)
		fail(STATUS_USAGE, "%s: no permission; it runs as another user", name);
	if (fd < 0)
		fail(STATUS_USAGE, "%s: no VM of this name runs; see vmrun list", name);
	reply = ask(fd, request);
	if (!reply)
		fail(STATUS_FAILURE, "%s: the VM does not answer", name);
	error = json_string_value(json_object_get(reply, "error"));
	if (error)
		fail(STATUS_USAGE, "%s: %s", name, error);
	return reply;
}

static void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
	putchar('\n');
}

bool client_options(int *argc, char **argv)
{
	const char *command = argv[0];
	bool is_json = false;
	int to = 1;

	for (int from = 1; from < *argc; from++) {
		if (!strcmp(argv[from], "--help"))
			help_print(command);
		else if (!strcmp(argv[from], "--json") && strcmp(command, "ctl"))
			is_json = true;
		else if (argv[from][0] == '-')
			fail(STATUS_USAGE, "%s: unknown option %s; see vmrun %s --help", command,
			     argv[from], command);
		else
			argv[to++] = argv[from];
	}
	*argc = to;
	return is_json;
}

/*
 * The VM behind one socket; NULL if none is.  The socket a killed VM has left is
 * removed.
 */
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
	fd = connect_to(&address);
	if (fd == -ECONNREFUSED)
		unlink(address.sun_path);
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
	bool is_json = client_options(&argc, argv);
	json_t *vms;

	if (argc != 1)
		fail(STATUS_USAGE, "list: takes no argument; see vmrun list --help");
	vms = client_find_vms();
	if (is_json)
		print_json(vms);
	else
		table_vms(vms);
	json_decref(vms);
	return STATUS_OK;
}

int client_stat(int argc, char **argv)
{
	bool is_json = client_options(&argc, argv);
	json_t *report;

	if (argc != 2)
		fail(STATUS_USAGE, "stat: give the name of one VM; see vmrun list");
	report = ask_vm(argv[1], request_of("stat"));
	if (is_json)
		print_json(report);
	else
		table_report(report);
	json_decref(report);
	return STATUS_OK;
}

int client_ctl(int argc, char **argv)
{
	json_t *request;

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
	} else if (argc != 3) {
		fail(STATUS_USAGE, "ctl %s: takes no argument; see vmrun ctl --help", argv[2]);
	}
	json_decref(ask_vm(argv[1], request));
	return STATUS_OK;
}
