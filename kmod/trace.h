/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the data plane. Names and fields are stable.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvlane

#if !defined(KVLANE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KVLANE_TRACE_H

#include <linux/tracepoint.h>

#include "virtio/device.h"

DECLARE_EVENT_CLASS(kvlane_queue,
	TP_PROTO(const struct kvlane_queue *q),
	TP_ARGS(q),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, type)
		__field(u32, queue)
	),
	TP_fast_assign(
		__entry->dev = q->dev;
		__entry->type = q->dev->ops->type;
		__entry->queue = q->index;
	),
	TP_printk("dev=%p type=%u queue=%u", __entry->dev, __entry->type,
		  __entry->queue)
);

DEFINE_EVENT(kvlane_queue, kvlane_kick,
	TP_PROTO(const struct kvlane_queue *q),
	TP_ARGS(q)
);

DEFINE_EVENT(kvlane_queue, kvlane_interrupt,
	TP_PROTO(const struct kvlane_queue *q),
	TP_ARGS(q)
);

DECLARE_EVENT_CLASS(kvlane_request,
	TP_PROTO(const struct kvlane_request *req),
	TP_ARGS(req),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, queue)
		__field(u16, head)
		__field(u32, out_len)
		__field(u32, in_len)
	),
	TP_fast_assign(
		__entry->dev = req->q->dev;
		__entry->queue = req->q->index;
		__entry->head = req->chain.head;
		__entry->out_len = req->chain.out_len;
		__entry->in_len = req->chain.in_len;
	),
	TP_printk("dev=%p queue=%u head=%u out=%u in=%u", __entry->dev,
		  __entry->queue, __entry->head, __entry->out_len, __entry->in_len)
);

DEFINE_EVENT(kvlane_request, kvlane_pop,
	TP_PROTO(const struct kvlane_request *req),
	TP_ARGS(req)
);

DEFINE_EVENT(kvlane_request, kvlane_submit,
	TP_PROTO(const struct kvlane_request *req),
	TP_ARGS(req)
);

TRACE_EVENT(kvlane_done,
	TP_PROTO(const struct kvlane_request *req, u64 ns),
	TP_ARGS(req, ns),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, queue)
		__field(u16, head)
		__field(bool, failed)
		__field(u32, out_len)
		__field(u32, written)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->dev = req->q->dev;
		__entry->queue = req->q->index;
		__entry->head = req->chain.head;
		__entry->failed = req->failed;
		__entry->out_len = req->chain.out_len;
		__entry->written = req->written;
		__entry->ns = ns;
	),
	TP_printk("dev=%p queue=%u head=%u failed=%d out=%u in=%u ns=%llu",
		  __entry->dev, __entry->queue, __entry->head, __entry->failed,
		  __entry->out_len, __entry->written, __entry->ns)
);

TRACE_EVENT(kvlane_throttle,
	TP_PROTO(const struct kvlane_queue *q, int write, u32 bytes, u64 ns),
	TP_ARGS(q, write, bytes, ns),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, queue)
		__field(bool, write)
		__field(u32, bytes)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->dev = q->dev;
		__entry->queue = q->index;
		__entry->write = write;
		__entry->bytes = bytes;
		__entry->ns = ns;
	),
	TP_printk("dev=%p queue=%u write=%d bytes=%u ns=%llu", __entry->dev,
		  __entry->queue, __entry->write, __entry->bytes, __entry->ns)
);

TRACE_EVENT(kvlane_needs_reset,
	TP_PROTO(const struct kvlane_device *dev, u32 queue, int reason),
	TP_ARGS(dev, queue, reason),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, type)
		__field(u32, queue)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->type = dev->ops->type;
		__entry->queue = queue;
		__entry->reason = reason;
	),
	TP_printk("dev=%p type=%u queue=%d reason=%d", __entry->dev,
		  __entry->type, (int)__entry->queue, __entry->reason)
);

TRACE_EVENT(kvlane_net_receive,
	TP_PROTO(const struct kvlane_queue *q, u32 len, u32 buffers),
	TP_ARGS(q, len, buffers),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, queue)
		__field(u32, len)
		__field(u32, buffers)
	),
	TP_fast_assign(
		__entry->dev = q->dev;
		__entry->queue = q->index;
		__entry->len = len;
		__entry->buffers = buffers;
	),
	TP_printk("dev=%p queue=%u len=%u buffers=%u", __entry->dev,
		  __entry->queue, __entry->len, __entry->buffers)
);

TRACE_EVENT(kvlane_net_drop,
	TP_PROTO(const struct kvlane_queue *q, u32 packets),
	TP_ARGS(q, packets),
	TP_STRUCT__entry(
		__field(const void *, dev)
		__field(u32, queue)
		__field(u32, packets)
	),
	TP_fast_assign(
		__entry->dev = q->dev;
		__entry->queue = q->index;
		__entry->packets = packets;
	),
	TP_printk("dev=%p queue=%u packets=%u", __entry->dev, __entry->queue,
		  __entry->packets)
);

#endif /* KVLANE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
