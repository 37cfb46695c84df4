/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct traffic - one workload on the network, seen from the guest
 * @kind: "stream-out", "stream-in", "packets-out", "packets-in" or "rr"
 * @to: address of the peer
 * @flows: connections, or pairs of UDP ports, each with a thread of its own
 * @size: bytes of a call (streams), of a datagram, of a question
 * @warm_ms: time it runs before it is measured
 * @time_ms: time it is measured
 */
struct traffic {
	char kind[16];
	char to[16];
	unsigned int flows;
	unsigned int size;
	unsigned int warm_ms;
	unsigned int time_ms;
};

/**
 * struct traffic_result - what happened while it was measured
 * @bytes: streams: bytes that TCP delivered
 * @count: packets sent or received, questions answered
 * @resent: segments that TCP sent again, from here
 * @ns: how long it was measured
 * @percentiles: of the answers' times in ns: 50, 90, 99
 */
struct traffic_result {
	uint64_t bytes;
	uint64_t count;
	uint64_t resent;
	uint64_t ns;
	double percentiles[3];
};

/**
 * traffic_run() - run a workload
 * @mark: called when the warm-up is over, and when the measurement is
 *
 * Returns NULL, or what went wrong.
 */
const char *traffic_run(const struct traffic *traffic, struct traffic_result *result,
			void (*mark)(bool end));

#endif
