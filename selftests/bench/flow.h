/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FLOW_MAX_SIZE	65536
#define FLOW_PORT	7077	/* where the peer listens */
#define FLOW_BUCKETS	1024

/**
 * enum flow_op - what one end of a flow does
 * @FLOW_SEND: send as fast as it goes
 * @FLOW_RECEIVE: receive a stream
 * @FLOW_ASK: send, wait for as much to come back, and measure how long that took
 * @FLOW_ANSWER: send back what comes
 * @FLOW_VOID: have the kernel throw away the datagrams that come
 */
enum flow_op {
	FLOW_SEND = 1,
	FLOW_RECEIVE,
	FLOW_ASK,
	FLOW_ANSWER,
	FLOW_VOID,
};

/**
 * struct flow_request - what the guest asks the peer to do, first on a connection
 * @op: enum flow_op, on this connection or, with @datagrams, beside it
 * @datagrams: use UDP; the connection only says when to end
 * @size: bytes of a datagram, of a call or of a question
 * @port: the guest's UDP port, in network order
 *
 * The peer answers with the same, its own UDP port in @port. Both are x86.
 */
struct flow_request {
	uint32_t op;
	uint32_t datagrams;
	uint32_t size;
	uint32_t port;
};

/**
 * struct flow - one end of a flow
 * @fd: connected socket
 * @op: what to do
 * @datagrams: it is a UDP socket
 * @size: bytes of a datagram, of a call or of a question
 * @stop: set before the socket is shut down
 * @count: datagrams sent, or questions answered
 * @answers: FLOW_ASK: how many took how long, see flow_bucket_ns()
 */
struct flow {
	int fd;
	enum flow_op op;
	bool datagrams;
	uint32_t size;
	atomic_bool stop;
	_Atomic uint64_t count;
	_Atomic uint32_t answers[FLOW_BUCKETS];
};

/**
 * flow_run() - keep a flow going until it is ended or the other end goes away
 */
void flow_run(struct flow *flow);

/**
 * flow_end() - have flow_run() return
 */
void flow_end(struct flow *flow);

/**
 * flow_bucket_ns() - the longest time that counts for a bucket of answers
 *
 * Sixteen buckets for each doubling, so within six per cent.
 */
double flow_bucket_ns(unsigned int bucket);

#endif
