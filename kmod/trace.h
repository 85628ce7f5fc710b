/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracepoints: where the time of a page goes. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hyperchain

#if !defined(_HC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _HC_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(hc_call_start,
	TP_PROTO(u32 peer, u16 conn, u8 type, u16 nr),
	TP_ARGS(peer, conn, type, nr),
	TP_STRUCT__entry(
		__field(u32, peer)
		__field(u16, conn)
		__field(u16, nr)
		__field(u8, type)
	),
	TP_fast_assign(
		__entry->peer = peer;
		__entry->conn = conn;
		__entry->nr = nr;
		__entry->type = type;
	),
	TP_printk("peer=%u conn=%u type=%u nr=%u", __entry->peer, __entry->conn,
		  __entry->type, __entry->nr)
);

TRACE_EVENT(hc_call_done,
	TP_PROTO(u32 peer, u16 conn, u8 type, u16 nr, int err, s64 us),
	TP_ARGS(peer, conn, type, nr, err, us),
	TP_STRUCT__entry(
		__field(u32, peer)
		__field(u16, conn)
		__field(u16, nr)
		__field(u8, type)
		__field(int, err)
		__field(s64, us)
	),
	TP_fast_assign(
		__entry->peer = peer;
		__entry->conn = conn;
		__entry->nr = nr;
		__entry->type = type;
		__entry->err = err;
		__entry->us = us;
	),
	TP_printk("peer=%u conn=%u type=%u nr=%u err=%d us=%lld", __entry->peer,
		  __entry->conn, __entry->type, __entry->nr, __entry->err, __entry->us)
);

TRACE_EVENT(hc_io_done,
	TP_PROTO(u32 slot, u8 nr, int op, int err, s64 us),
	TP_ARGS(slot, nr, op, err, us),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(int, op)
		__field(int, err)
		__field(s64, us)
		__field(u8, nr)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->nr = nr;
		__entry->op = op;
		__entry->err = err;
		__entry->us = us;
	),
	TP_printk("slot=%u nr=%u op=%d err=%d us=%lld", __entry->slot, __entry->nr,
		  __entry->op, __entry->err, __entry->us)
);

TRACE_EVENT(hc_repair,
	TP_PROTO(u32 slot, int err),
	TP_ARGS(slot, err),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->err = err;
	),
	TP_printk("slot=%u err=%d", __entry->slot, __entry->err)
);

#endif /* _HC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
