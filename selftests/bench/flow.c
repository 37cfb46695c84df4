// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loops of the traffic generator, for the guest's end and for the peer's.
 *
 * They do as little as possible: under emulation every instruction counts, and
 * would blur the difference between what is compared. Streams are counted by
 * TCP itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "flow.h"

#define BURST		64	/* datagrams in a system call */
#define OCTAVE		16	/* buckets for each doubling */

static bool stopped(struct flow *flow)
{
	return atomic_load_explicit(&flow->stop, memory_order_relaxed);
}

/* Nobody else writes it, so no locked instruction is needed. */
static void add_count(struct flow *flow, uint64_t more)
{
	uint64_t count = atomic_load_explicit(&flow->count, memory_order_relaxed);

	atomic_store_explicit(&flow->count, count + more, memory_order_relaxed);
}

static void send_stream(struct flow *flow)
{
	static char data[FLOW_MAX_SIZE];

	while (!stopped(flow)) {
		if (send(flow->fd, data, flow->size, MSG_NOSIGNAL) < 0 && errno != EINTR)
			return;
	}
}

static void receive_stream(struct flow *flow)
{
	char data[FLOW_MAX_SIZE];
	ssize_t len;

	do {
		len = recv(flow->fd, data, flow->size, 0);
	} while (!stopped(flow) && (len > 0 || (len < 0 && errno == EINTR)));
}

static void send_datagrams(struct flow *flow)
{
	static char data[FLOW_MAX_SIZE];
	struct iovec iov = { .iov_base = data, .iov_len = flow->size };
	struct mmsghdr burst[BURST] = {};
	int nr;

	for (nr = 0; nr < BURST; nr++) {
		burst[nr].msg_hdr.msg_iov = &iov;
		burst[nr].msg_hdr.msg_iovlen = 1;
	}
	while (!stopped(flow)) {
		nr = sendmmsg(flow->fd, burst, BURST, MSG_NOSIGNAL);
		if (nr > 0)
			add_count(flow, nr);
		/* A receiver that is not there yet is no reason to stop. */
		else if (errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS)
			return;
	}
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int shift = 0, bucket;

	while (ns >> shift >= 2 * OCTAVE)
		shift++;
	bucket = shift * OCTAVE + (ns >> shift);
	return bucket < FLOW_BUCKETS ? bucket : FLOW_BUCKETS - 1;
}

double flow_bucket_ns(unsigned int bucket)
{
	unsigned int shift = bucket < 2 * OCTAVE ? 0 : bucket / OCTAVE - 1;

	return (double)(1ull << shift) * (bucket - shift * OCTAVE + 1);
}

static bool transfer(struct flow *flow, char *data, bool out)
{
	ssize_t len;
	size_t done = 0;

	while (done < flow->size) {
		len = out ? send(flow->fd, data + done, flow->size - done, MSG_NOSIGNAL) :
			    recv(flow->fd, data + done, flow->size - done, 0);
		if (len <= 0 && !(len < 0 && errno == EINTR))
			return false;
		done += len < 0 ? 0 : len;
	}
	return true;
}

static void ask(struct flow *flow)
{
	char data[FLOW_MAX_SIZE] = "";
	uint64_t begin = clock_ns(), end;
	unsigned int bucket;

	while (!stopped(flow) && transfer(flow, data, true) && transfer(flow, data, false)) {
		end = clock_ns();
		bucket = bucket_of(end - begin);
		begin = end;
		atomic_store_explicit(&flow->answers[bucket],
				      atomic_load_explicit(&flow->answers[bucket],
							   memory_order_relaxed) + 1,
				      memory_order_relaxed);
		add_count(flow, 1);
	}
}

static void answer(struct flow *flow)
{
	char data[FLOW_MAX_SIZE];

	while (!stopped(flow) && transfer(flow, data, false) && transfer(flow, data, true))
		;
}

/* The socket stays empty: no wake-up, no copy, nobody who has to keep up. */
static void void_datagrams(struct flow *flow)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };
	char data;

	setsockopt(flow->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	while (!stopped(flow))
		recv(flow->fd, &data, sizeof(data), 0);
}

void flow_run(struct flow *flow)
{
	switch (flow->op) {
	case FLOW_SEND:
		flow->datagrams ? send_datagrams(flow) : send_stream(flow);
		break;
	case FLOW_RECEIVE:
		receive_stream(flow);
		break;
	case FLOW_ASK:
		ask(flow);
		break;
	case FLOW_ANSWER:
		answer(flow);
		break;
	case FLOW_VOID:
		void_datagrams(flow);
		break;
	}
}

void flow_end(struct flow *flow)
{
	atomic_store(&flow->stop, true);
	shutdown(flow->fd, SHUT_RDWR);
}
