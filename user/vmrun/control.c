// SPDX-License-Identifier: GPL-2.0-only
/* The control socket, the end of the VM. */
#include "control.h"
#include "balloon.h"
#include "keeper.h"
#include "machine.h"
#include "number.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define BACKLOG 8
#define MAX_CLIENTS 32
#define CLIENT_PATIENCE_S 2

/* One who has connected and not finished its request; the answer may bring a gift. */
struct client {
	struct machine *machine;
	unsigned int slot;
	struct watch watch;
	int gift;
	size_t used;
	char request[CONTROL_REQUEST_MAX];
};

/* The oldest has to make room for one more. */
static struct client *clients[MAX_CLIENTS];
static unsigned int next_slot;

const char *control_folder(int may_create, const char **err)
{
	static char path[96];
	const char *base = "/run";
	struct stat st;

	if (geteuid()) {
		base = getenv("XDG_RUNTIME_DIR");
		if (!base || base[0] != '/') {
			*err = "XDG_RUNTIME_DIR is not set; log in, or set it to a folder of yours";
			return NULL;
		}
	}
	if (snprintf(path, sizeof(path), "%s/kvlane", base) >= (int)sizeof(path)) {
		*err = "the path in XDG_RUNTIME_DIR is too long; give a shorter one";
		return NULL;
	}
	if (may_create && mkdir(path, 0700) && errno != EEXIST) {
		*err = strerror(errno);
		return NULL;
	}
	/* What others can write into is no place to trust. */
	if (may_create && (stat(path, &st) || st.st_uid != geteuid() || st.st_mode & 022)) {
		*err = "the folder kvlane there is not yours, or others can write it; remove it";
		return NULL;
	}
	return path;
}

int control_address(struct sockaddr_un *address, const char *folder, const char *name)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s.sock", folder, name) >=
	    (int)sizeof(address->sun_path))
		return -ENAMETOOLONG;
	return 0;
}

static json_t *refuse(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

static json_t *set_link(struct machine *machine, const json_t *request)
{
	const char *device = json_string_value(json_object_get(request, "device"));
	const char *action = json_string_value(json_object_get(request, "action"));
	const char *wrong;

	if (!device || !action)
		return refuse("link: give a network device, and up, down or announce");
	wrong = net_control(machine, device, action);
	if (wrong)
		return json_pack("{s:s+++++}", "error", "link ", device, " ", action, ": ", wrong);
	return json_object();
}

/* The answer brings the descriptor. */
static json_t *lend_throttle(struct client *client, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "device"));
	const char *wrong;

	if (!name)
		return refuse("lend-throttle: give a device or a throttle");
	client->gift = throttle_lend(client->machine, name, &wrong);
	if (client->gift < 0)
		return json_pack("{s:s+++}", "error", "throttle ", name, ": ", wrong);
	return json_object();
}

static json_t *resume(struct machine *machine)
{
	const struct assigned *dead = assign_recover(machine);

	if (dead)
		return json_pack("{s:s+++}", "error", dead->name, " (", dead->vfio.address,
				 ") does not answer yet; dmesg says whether the host gets it going");
	machine_pause(machine, false);
	return json_object();
}

static json_t *execute(struct client *client, const char *command, const json_t *request)
{
	struct machine *machine = client->machine;

	if (!strcmp(command, "status"))
		return report_summary(machine);
	if (!strcmp(command, "stat"))
		return report_create(machine);
	if (!strcmp(command, "link"))
		return set_link(machine, request);
	if (!strcmp(command, "throttle"))
		return throttle_control(machine, request);
	if (!strcmp(command, "lanes"))
		return lanes_control(machine, request);
	if (!strcmp(command, "balloon"))
		return balloon_control(machine, request);
	if (!strcmp(command, "lend-throttle"))
		return lend_throttle(client, request);
	if (!strcmp(command, "power-button"))
		power_press_button(&machine->power);
	else if (!strcmp(command, "reset"))
		machine_reset(machine);
	else if (!strcmp(command, "pause"))
		machine_pause(machine, true);
	else if (!strcmp(command, "resume"))
		return resume(machine);
	else if (!strcmp(command, "quit"))
		machine_end(machine, STATUS_OK, "%s: ended by vmrun ctl", machine->config->name);
	else
		return refuse("unknown command; there are power-button, reset, pause, resume, link, throttle, lanes, balloon and quit");
	return json_object();
}

/* The first part brings @gift, if that is a descriptor. */
static void send_all(int fd, const char *data, size_t len, int gift)
{
	char space[CMSG_SPACE(sizeof(gift))] __attribute__((aligned(8))) = {};
	struct iovec part = { (char *)data, len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *head = (struct cmsghdr *)space;
	ssize_t n;

	if (gift >= 0) {
		*head = (struct cmsghdr){ CMSG_LEN(sizeof(gift)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(head), &gift, sizeof(gift));
		message.msg_control = space;
		message.msg_controllen = sizeof(space);
	}
	while (part.iov_len && (n = sendmsg(fd, &message, MSG_NOSIGNAL)) > 0) {
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= n;
		message.msg_controllen = 0;
	}
}

static void answer(struct client *client)
{
	const struct timeval patience = { .tv_sec = CLIENT_PATIENCE_S };
	json_t *request, *reply;
	const char *command = NULL;
	char *text;

	request = json_loads(client->request, 0, NULL);
	if (request)
		command = json_string_value(json_object_get(request, "command"));
	reply = command ? execute(client, command, request) :
			  refuse("not a request");
	text = json_dumps(reply, JSON_COMPACT);
	if (text) {
		/* The loop waits for the client here, but not for long. */
		fcntl(client->watch.fd, F_SETFL, 0);
		setsockopt(client->watch.fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			   sizeof(patience));
		send_all(client->watch.fd, text, strlen(text), client->gift);
		send_all(client->watch.fd, "\n", 1, -1);
		free(text);
	}
	json_decref(reply);
	json_decref(request);
}

static void drop(struct client *client)
{
	loop_remove(&client->machine->loop, &client->watch);
	close(client->watch.fd);
	clients[client->slot] = NULL;
	free(client);
}

static void admit(struct client *client)
{
	if (clients[next_slot])
		drop(clients[next_slot]);
	client->slot = next_slot;
	clients[next_slot] = client;
	next_slot = (next_slot + 1) % MAX_CLIENTS;
}

static void on_client(struct watch *watch, uint32_t events)
{
	struct client *client = watch->owner;
	ssize_t n;

	n = read(watch->fd, client->request + client->used,
		 sizeof(client->request) - 1 - client->used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		client->used += n;
		client->request[client->used] = 0;
		if (strchr(client->request, '\n'))
			answer(client);
		else if (client->used < sizeof(client->request) - 1)
			return;
	}
	drop(client);
}

static void on_connect(struct watch *watch, uint32_t events)
{
	struct control *control = watch->owner;
	struct client *client;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (client) {
		client->machine = control->machine;
		client->gift = -1;
		client->watch = (struct watch){ fd, on_client, client };
	}
	if (!client || loop_add(&control->machine->loop, &client->watch, EPOLLIN)) {
		free(client);
		close(fd);
		return;
	}
	admit(client);
}

/* Whether somebody answers at the address. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive;

	alive = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		errno != ECONNREFUSED;
	close(fd);
	return alive;
}

/* Binds, in place of a socket that nobody serves any more. */
static int bind_socket(struct control *control)
{
	const struct sockaddr *address = (struct sockaddr *)&control->address;
	mode_t mask = umask(0177);
	int err = 0;

	if (bind(control->socket.fd, address, sizeof(control->address))) {
		err = errno;
		if (err == EADDRINUSE && !is_alive(&control->address)) {
			unlink(control->address.sun_path);
			err = bind(control->socket.fd, address, sizeof(control->address)) ? errno :
											    0;
		}
	}
	umask(mask);
	return err;
}

/* The control socket's file, for the keeper. */
static struct stat socket_file;
static const char *socket_name;
static int keeper = -1;

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* In the keeper. A machine of the same name may have taken its place meanwhile. */
static void remove_socket(void)
{
	struct stat now;

	flock(KEEPER_FOLDER, LOCK_EX);
	if (!fstatat(KEEPER_FOLDER, socket_name, &now, AT_SYMLINK_NOFOLLOW) &&
	    same_file(&socket_file, &now))
		unlinkat(KEEPER_FOLDER, socket_name, 0);
}

static void dismiss_keeper(void)
{
	keeper_dismiss(keeper);
}

/* Has the socket removed when this process has ended: 0 or an errno. */
static int keep_socket(const struct control *control, int folder)
{
	socket_name = strrchr(control->address.sun_path, '/') + 1;
	if (fstatat(folder, socket_name, &socket_file, AT_SYMLINK_NOFOLLOW))
		return errno;
	keeper = keeper_start(folder, remove_socket);
	if (keeper < 0)
		return -keeper;
	atexit(dismiss_keeper);
	return 0;
}

void control_create(struct control *control, struct machine *machine)
{
	const char *name = machine->config->name, *why, *folder = control_folder(1, &why);
	int lock, err;

	if (!folder)
		fail(STATUS_USAGE, "control socket: %s", why);
	if (control_address(&control->address, folder, name))
		fail(STATUS_USAGE, "--name %s: too long for a path in %s; give a shorter one", name,
		     folder);
	control->machine = machine;
	control->socket = (struct watch){
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on_connect, control,
	};
	/* Two that start at once must not both find the other's socket stale. */
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flock(lock, LOCK_EX);
	err = control->socket.fd < 0 ? errno : bind_socket(control);
	if (!err)
		err = keep_socket(control, lock);
	if (!err)
		err = listen(control->socket.fd, BACKLOG) ? errno : 0;
	/* The keeper holds the folder open, too. */
	flock(lock, LOCK_UN);
	close(lock);
	if (err == EADDRINUSE)
		fail(STATUS_USAGE, "--name %s: a VM of this name runs; give another name", name);
	if (err || loop_add(&machine->loop, &control->socket, EPOLLIN))
		fail(STATUS_USAGE, "control socket %s: %s", control->address.sun_path,
		     strerror(err));
}
