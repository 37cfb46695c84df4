// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other end of the guests' traffic. Does for each connection what its first
 * bytes ask for, until the connection ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow.h"

#define MAX_CONNECTIONS	64

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(2);
}

/*
 * A guest that gets more than it can take gets less done. Whatever is sent too
 * fast is sent only with time that nobody else wants.
 */
static void *run_modest(void *arg)
{
	setpriority(PRIO_PROCESS, 0, 19);
	flow_run(arg);
	return NULL;
}

/* A UDP socket on the address of the connection, to the guest's port. */
static int open_datagrams(int connection, struct flow_request *request)
{
	struct sockaddr_in here, there;
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || getsockname(connection, (struct sockaddr *)&here, &len) ||
	    getpeername(connection, (struct sockaddr *)&there, &len))
		die("socket");
	here.sin_port = 0;
	there.sin_port = request->port;
	if (bind(fd, (struct sockaddr *)&here, len) ||
	    connect(fd, (struct sockaddr *)&there, len) ||
	    getsockname(fd, (struct sockaddr *)&here, &len))
		die("a UDP port");
	request->port = here.sin_port;
	return fd;
}

static void serve_datagrams(int connection, struct flow_request *request, struct flow *flow)
{
	pthread_t thread;
	char end;

	flow->fd = open_datagrams(connection, request);
	if (send(connection, request, sizeof(*request), MSG_NOSIGNAL) == sizeof(*request) &&
	    !pthread_create(&thread, NULL, run_modest, flow)) {
		while (recv(connection, &end, 1, 0) > 0)
			;
		flow_end(flow);
		pthread_join(thread, NULL);
	}
	close(flow->fd);
}

static void *serve(void *arg)
{
	int connection = (intptr_t)arg, on = 1;
	struct flow_request request;
	struct flow *flow = calloc(1, sizeof(*flow));

	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (flow && recv(connection, &request, sizeof(request), MSG_WAITALL) == sizeof(request) &&
	    request.size && request.size <= FLOW_MAX_SIZE) {
		flow->fd = connection;
		flow->op = request.op;
		flow->datagrams = request.datagrams;
		flow->size = request.size;
		if (request.datagrams)
			serve_datagrams(connection, &request, flow);
		else if (send(connection, &request, sizeof(request), MSG_NOSIGNAL) > 0)
			flow_run(flow);
	}
	free(flow);
	close(connection);
	return NULL;
}

int main(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(FLOW_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, connection;
	pthread_t thread;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    listen(fd, MAX_CONNECTIONS))
		die("listen");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		connection = accept(fd, NULL, NULL);
		if (connection < 0)
			die("accept");
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection))
			die("pthread_create");
		pthread_detach(thread);
	}
}
