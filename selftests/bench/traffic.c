// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's side of the traffic: asks the peer for the other end of each flow,
 * runs its own, and measures. The main thread sleeps through the measurement and
 * reads the counters at its ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"
#include "nic.h"
#include "traffic.h"

#define MAX_FLOWS	16

struct end {
	struct flow flow;
	pthread_t thread;
	unsigned int index;
	int connection;
};

static struct end ends[MAX_FLOWS];

static const struct {
	const char *name;
	enum flow_op here;
	enum flow_op there;
	bool datagrams;
} kinds[] = {
	{ "stream-out", FLOW_SEND, FLOW_RECEIVE, false },
	{ "stream-in", FLOW_RECEIVE, FLOW_SEND, false },
	{ "packets-out", FLOW_SEND, FLOW_VOID, true },
	{ "packets-in", FLOW_VOID, FLOW_SEND, true },
	{ "rr", FLOW_ASK, FLOW_ANSWER, false },
};

static int open_connection(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		return fd;
	close(fd);
	return -1;
}

/* Sets the port that the peer has to know. */
static int open_datagrams(struct flow_request *request)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, len) ||
	    getsockname(fd, (struct sockaddr *)&here, &len))
		return -1;
	request->port = here.sin_port;
	return fd;
}

static bool negotiate(int connection, struct flow_request *request)
{
	return send(connection, request, sizeof(*request), MSG_NOSIGNAL) == sizeof(*request) &&
	       recv(connection, request, sizeof(*request), MSG_WAITALL) == sizeof(*request);
}

static const char *open_end(struct end *end, const struct sockaddr_in *to, unsigned int kind,
			    unsigned int size)
{
	struct flow_request request = {
		.op = kinds[kind].there,
		.datagrams = kinds[kind].datagrams,
		.size = size,
	};
	struct sockaddr_in port = *to;

	end->connection = open_connection(to);
	end->flow.fd = end->connection;
	if (end->connection < 0)
		return "cannot connect";
	if (request.datagrams)
		end->flow.fd = open_datagrams(&request);
	if (end->flow.fd < 0)
		return "no UDP port";
	if (!negotiate(end->connection, &request))
		return "the peer does not answer";
	port.sin_port = request.port;
	if (request.datagrams && connect(end->flow.fd, (struct sockaddr *)&port, sizeof(port)))
		return "cannot connect to the UDP port";
	end->flow.op = kinds[kind].here;
	end->flow.datagrams = request.datagrams;
	end->flow.size = size;
	return NULL;
}

static void close_end(struct end *end)
{
	if (end->flow.fd != end->connection)
		close(end->flow.fd);
	close(end->connection);
}

static void *end_main(void *arg)
{
	struct end *end = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(end->index % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	/* Whatever picks the queue for a flow learns it from what the guest sends. */
	if (end->flow.op == FLOW_VOID)
		send(end->flow.fd, "", 1, 0);
	flow_run(&end->flow);
	return NULL;
}

static void add_stream(const struct end *end, struct traffic_result *sum)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	if (getsockopt(end->connection, IPPROTO_TCP, TCP_INFO, &info, &len))
		return;
	sum->bytes += end->flow.op == FLOW_SEND ? info.tcpi_bytes_acked :
						  info.tcpi_bytes_received;
	sum->resent += info.tcpi_total_retrans;
}

static void add_up(unsigned int nr, struct traffic_result *sum)
{
	struct timespec now;
	unsigned int i;

	*sum = (struct traffic_result){};
	for (i = 0; i < nr; i++) {
		sum->count += atomic_load(&ends[i].flow.count);
		if (!ends[i].flow.datagrams)
			add_stream(&ends[i], sum);
	}
	if (ends[0].flow.op == FLOW_VOID)
		sum->count = nic_received();
	clock_gettime(CLOCK_MONOTONIC, &now);
	sum->ns = now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void add_answers(unsigned int nr, uint64_t *answers)
{
	unsigned int i, b;

	memset(answers, 0, FLOW_BUCKETS * sizeof(*answers));
	for (i = 0; i < nr; i++) {
		for (b = 0; b < FLOW_BUCKETS; b++)
			answers[b] += atomic_load(&ends[i].flow.answers[b]);
	}
}

static double percentile(const uint64_t *before, const uint64_t *after, uint64_t total,
			 unsigned int percent)
{
	uint64_t sum = 0;
	unsigned int b;

	for (b = 0; b < FLOW_BUCKETS; b++) {
		sum += after[b] - before[b];
		if (sum * 100 >= total * percent)
			return flow_bucket_ns(b);
	}
	return 0;
}

static void measure(const struct traffic *traffic, struct traffic_result *result,
		    void (*mark)(bool end))
{
	static uint64_t answers_before[FLOW_BUCKETS], answers[FLOW_BUCKETS];
	static const unsigned int percents[] = { 50, 90, 99 };
	struct traffic_result before;
	unsigned int i;

	usleep(traffic->warm_ms * 1000);
	mark(false);
	add_answers(traffic->flows, answers_before);
	add_up(traffic->flows, &before);
	usleep(traffic->time_ms * 1000);
	add_up(traffic->flows, result);
	add_answers(traffic->flows, answers);
	mark(true);
	result->bytes -= before.bytes;
	result->count -= before.count;
	result->resent -= before.resent;
	result->ns -= before.ns;
	for (i = 0; i < 3; i++)
		result->percentiles[i] = percentile(answers_before, answers, result->count,
						    percents[i]);
}

static const char *open_ends(const struct traffic *traffic, unsigned int kind, unsigned int *opened)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(FLOW_PORT) };
	const char *error = NULL;
	unsigned int i;

	if (inet_pton(AF_INET, traffic->to, &to.sin_addr) != 1)
		return "bad address";
	memset(ends, 0, sizeof(ends));
	for (i = 0; i < traffic->flows && !error; i++) {
		ends[i].index = i;
		error = open_end(&ends[i], &to, kind, traffic->size);
	}
	*opened = i;
	return error;
}

static void run_ends(const struct traffic *traffic, struct traffic_result *result,
		     void (*mark)(bool end))
{
	unsigned int i;

	for (i = 0; i < traffic->flows; i++)
		pthread_create(&ends[i].thread, NULL, end_main, &ends[i]);
	measure(traffic, result, mark);
	for (i = 0; i < traffic->flows; i++)
		flow_end(&ends[i].flow);
	for (i = 0; i < traffic->flows; i++)
		pthread_join(ends[i].thread, NULL);
}

const char *traffic_run(const struct traffic *traffic, struct traffic_result *result,
			void (*mark)(bool end))
{
	unsigned int kind, opened = 0, i;
	const char *error;

	for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		if (!strcmp(kinds[kind].name, traffic->kind))
			break;
	}
	if (kind == sizeof(kinds) / sizeof(kinds[0]) || !traffic->flows ||
	    traffic->flows > MAX_FLOWS || !traffic->size || traffic->size > FLOW_MAX_SIZE)
		return "bad traffic";
	error = open_ends(traffic, kind, &opened);
	if (!error)
		run_ends(traffic, result, mark);
	for (i = 0; i < opened; i++)
		close_end(&ends[i]);
	return error;
}
