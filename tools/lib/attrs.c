// SPDX-License-Identifier: GPL-2.0-or-later
/* The attribute tables, and what walks them. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "attrs.h"
#include "hcnl.h"

#define FIELD(_attr, _kind, _type, _field, _key)				\
	{									\
		.attr = _attr, .kind = _kind, .size = sizeof(((_type *)0)->_field), \
		.off = offsetof(_type, _field), .attr_name = #_attr, .key = _key \
	}
#define LIST(_attr, _kind, _type, _field, _count, _nested, _key)		\
	{									\
		.attr = _attr, .kind = _kind,					\
		.size = sizeof(((_type *)0)->_field) / sizeof(((_type *)0)->_field[0]), \
		.off = offsetof(_type, _field), .off_n = offsetof(_type, _count), \
		.nested = _nested, .attr_name = #_attr, .key = _key		\
	}
#define NAME(_attr) { .attr = _attr, .attr_name = #_attr }
#define END { .attr_name = NULL }

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_node, _field, _key)
const struct hcnl_field hcnl_node_fields[] = {
	F(HC_A_NODE_ID,			HCNL_U32,	id,		"id"),
	F(HC_A_NODE_NAME,		HCNL_STRING,	name,		"name"),
	F(HC_A_NODE_EPOCH,		HCNL_U64,	epoch,		"epoch"),
	F(HC_A_NODE_VERSION,		HCNL_STRING,	version,	"module_version"),
	F(HC_A_NODE_DAEMON,		HCNL_U32,	daemon_port,	"daemon_port"),
	F(HC_A_NODE_PEERS,		HCNL_U32,	nr_peers,	"peers"),
	F(HC_A_NODE_PEERS_LIVE,		HCNL_U32,	nr_peers_live,	"peers_live"),
	F(HC_A_NODE_MEM_TOTAL,		HCNL_U64,	mem_total,	"memory_total"),
	F(HC_A_NODE_MEM_AVAILABLE,	HCNL_U64,	mem_available,	"memory_available"),
	F(HC_A_NODE_WIRE_VERSION,	HCNL_U32,	wire_version,	"wire_version"),
	F(HC_A_NODE_MOVES,		HCNL_BOOL,	accepts_moves,	"accepts_programs"),
	END
};
#undef F

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_peer, _field, _key)
const struct hcnl_field hcnl_peer_fields[] = {
	F(HC_A_PEER_ID,			HCNL_U32,	id,		"id"),
	F(HC_A_PEER_NAME,		HCNL_STRING,	name,		"name"),
	NAME(HC_A_PEER_FD),
	NAME(HC_A_PEER_CONN),
	F(HC_A_PEER_MIN_EPOCH,		HCNL_U64,	min_epoch,	"min_epoch"),
	F(HC_A_PEER_DRAIN,		HCNL_BOOL,	is_draining,	"draining"),
	NAME(HC_A_PEER_FORCE),
	F(HC_A_PEER_STATE,		HCNL_U8,	state,		NULL),
	F(HC_A_PEER_CONNS,		HCNL_U32,	nr_conns,	"connections"),
	F(HC_A_PEER_EPOCH,		HCNL_U64,	epoch,		"epoch"),
	F(HC_A_PEER_THEIR_EPOCH,	HCNL_U64,	their_epoch,	"their_epoch"),
	F(HC_A_PEER_VERSION,		HCNL_U32,	version,	"wire_version"),
	F(HC_A_PEER_FEATURES,		HCNL_U64,	features,	"features"),
	F(HC_A_PEER_RTT_US,		HCNL_U32,	rtt_us,		"rtt_us"),
	F(HC_A_PEER_SUSPECT,		HCNL_BOOL,	is_suspect,	"suspect"),
	F(HC_A_PEER_THEY_DRAIN,		HCNL_BOOL,	they_drain,	"they_drain"),
	F(HC_A_PEER_FREE,		HCNL_U64,	free,		"free"),
	F(HC_A_PEER_SLABS,		HCNL_U64,	slabs,		"borrowed"),
	F(HC_A_PEER_USED,		HCNL_U64,	used,		"borrowed_used"),
	F(HC_A_PEER_LENT,		HCNL_U64,	lent,		"lent"),
	F(HC_A_PEER_TX_BYTES,		HCNL_U64,	tx_bytes,	"tx_bytes"),
	F(HC_A_PEER_RX_BYTES,		HCNL_U64,	rx_bytes,	"rx_bytes"),
	F(HC_A_PEER_READS,		HCNL_U64,	reads,		"reads"),
	F(HC_A_PEER_WRITES,		HCNL_U64,	writes,		"writes"),
	F(HC_A_PEER_SERVED_READS,	HCNL_U64,	served_reads,	"served_reads"),
	F(HC_A_PEER_SERVED_WRITES,	HCNL_U64,	served_writes,	"served_writes"),
	F(HC_A_PEER_ERRORS,		HCNL_U64,	errors,		"errors"),
	F(HC_A_PEER_INFLIGHT,		HCNL_U32,	inflight,	"inflight"),
	END
};
#undef F

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_pool, _field, _key)
const struct hcnl_field hcnl_pool_fields[] = {
	F(HC_A_POOL_LIMIT,		HCNL_U64,	limit,		"limit"),
	F(HC_A_POOL_RESERVE,		HCNL_U64,	reserve,	"reserve"),
	F(HC_A_POOL_DRAIN,		HCNL_BOOL,	is_draining,	"draining"),
	F(HC_A_POOL_LENT,		HCNL_U64,	lent,		"lent"),
	F(HC_A_POOL_USED,		HCNL_U64,	used,		"used"),
	F(HC_A_POOL_RECALLED,		HCNL_U64,	recalled,	"recalled"),
	F(HC_A_POOL_PRESSURE,		HCNL_BOOL,	has_pressure,	"pressure"),
	NAME(HC_A_POOL_ENV),
	NAME(HC_A_POOL_ENV_LIMIT),
	END
};
#undef F

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_lease, _field, _key)
const struct hcnl_field hcnl_lease_fields[] = {
	F(HC_A_LEASE_PEER,		HCNL_U32,	peer,		"peer"),
	F(HC_A_LEASE_ENV,		HCNL_U32,	env,		"env"),
	F(HC_A_LEASE_EPOCH,		HCNL_U64,	epoch,		"epoch"),
	F(HC_A_LEASE_BYTES,		HCNL_U64,	bytes,		"bytes"),
	F(HC_A_LEASE_USED,		HCNL_U64,	used,		"used"),
	F(HC_A_LEASE_LIMIT,		HCNL_U64,	limit,		"limit"),
	END
};
#undef F

const struct hcnl_field hcnl_backing_fields[] = {
	NAME(HC_A_BACKING_PATH),
	END
};

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_disk, _field, _key)
const struct hcnl_field hcnl_disk_fields[] = {
	F(HC_A_DISK_SIZE,		HCNL_U64,	size,		"size"),
	F(HC_A_DISK_CHECKSUM,		HCNL_BOOL,	has_checksum,	"checksum"),
	F(HC_A_DISK_OPEN,		HCNL_BOOL,	is_open,	"open"),
	F(HC_A_DISK_USED,		HCNL_U64,	used,		"used"),
	F(HC_A_DISK_ZERO,		HCNL_U64,	zero,		"zero"),
	F(HC_A_DISK_DEGRADED,		HCNL_U64,	degraded,	"degraded"),
	F(HC_A_DISK_LOST,		HCNL_U64,	lost,		"lost"),
	F(HC_A_DISK_LOCAL,		HCNL_U64,	local,		"local"),
	F(HC_A_DISK_READS,		HCNL_U64,	reads,		"reads"),
	F(HC_A_DISK_WRITES,		HCNL_U64,	writes,		"writes"),
	F(HC_A_DISK_ERRORS,		HCNL_U64,	errors,		"errors"),
	F(HC_A_DISK_REFUSED,		HCNL_U64,	refused,	"refused"),
	F(HC_A_DISK_RETRIES,		HCNL_U64,	retries,	"retries"),
	F(HC_A_DISK_REPAIRED,		HCNL_U64,	repaired,	"repaired"),
	F(HC_A_DISK_BAD_SUMS,		HCNL_U64,	bad_sums,	"bad_sums"),
	F(HC_A_DISK_FREED,		HCNL_U64,	freed,		"freed"),
	F(HC_A_DISK_BACKING_PATH,	HCNL_STRING,	backing_path,	"backing"),
	F(HC_A_DISK_BACKING_SIZE,	HCNL_U64,	backing_size,	"backing_size"),
	F(HC_A_DISK_BACKING_ERRORS,	HCNL_U64,	backing_errors,	"backing_errors"),
	END
};
#undef F

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_env, _field, _key)
const struct hcnl_field hcnl_env_fields[] = {
	F(HC_A_ENV_ID,			HCNL_U32,	id,		"id"),
	F(HC_A_ENV_NAME,		HCNL_STRING,	name,		"name"),
	F(HC_A_ENV_QUOTA,		HCNL_U64,	quota,		"quota"),
	F(HC_A_ENV_REPLICAS,		HCNL_U8,	replicas,	"replicas"),
	LIST(HC_A_ENV_DONORS, HCNL_U32_NEST, struct hcnl_env, donors, nr_donors, HC_A_ENV_DONOR,
	     "nodes"),
	NAME(HC_A_ENV_DONOR),
	LIST(HC_A_ENV_CGROUP, HCNL_U64_MULTI, struct hcnl_env, cgroups, nr_cgroups, 0, "cgroups"),
	F(HC_A_ENV_USED,		HCNL_U64,	used,		"used"),
	F(HC_A_ENV_DEGRADED,		HCNL_U64,	degraded,	"degraded"),
	F(HC_A_ENV_LOST,		HCNL_U64,	lost,		"lost"),
	F(HC_A_ENV_READS,		HCNL_U64,	reads,		"reads"),
	F(HC_A_ENV_WRITES,		HCNL_U64,	writes,		"writes"),
	F(HC_A_ENV_REFUSED,		HCNL_U64,	refused,	"refused"),
	END
};
#undef F

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_move, _field, _key)
const struct hcnl_field hcnl_move_fields[] = {
	F(HC_A_MOVE_ID,			HCNL_U64,	id,		NULL),
	F(HC_A_MOVE_PID,		HCNL_U32,	pid,		"pid"),
	F(HC_A_MOVE_PEER,		HCNL_U32,	peer,		"peer"),
	NAME(HC_A_MOVE_WHOLE),
	NAME(HC_A_MOVE_RESOLVE),
	F(HC_A_MOVE_STATE,		HCNL_U8,	state,		NULL),
	F(HC_A_MOVE_COMM,		HCNL_STRING,	comm,		"name"),
	F(HC_A_MOVE_REASON,		HCNL_STRING,	reason,		"reason"),
	F(HC_A_MOVE_MEMORY,		HCNL_U64,	memory,		"memory"),
	F(HC_A_MOVE_LEFT,		HCNL_U64,	left,		"left"),
	F(HC_A_MOVE_STOP_US,		HCNL_U64,	stop_us,	"stopped_us"),
	F(HC_A_MOVE_FAULTS,		HCNL_U64,	faults,		"waits"),
	F(HC_A_MOVE_THREADS,		HCNL_U32,	nr_threads,	"threads"),
	END
};
#undef F

const struct hcnl_field hcnl_req_fields[] = {
	NAME(HC_A_REQ_COOKIE),
	NAME(HC_A_REQ_PAYLOAD),
	NAME(HC_A_REQ_ERROR),
	NAME(HC_A_REQ_ADMIN),
	NAME(HC_A_REQ_ENV),
	NAME(HC_A_REQ_PID),
	NAME(HC_A_REQ_UID),
	END
};

#define F(_attr, _kind, _field, _key) FIELD(_attr, _kind, struct hcnl_event, _field, _key)
const struct hcnl_field hcnl_event_fields[] = {
	F(HC_A_EV_KIND,			HCNL_U32,	kind,		NULL),
	F(HC_A_EV_SEQ,			HCNL_U64,	seq,		"seq"),
	F(HC_A_EV_TIME,			HCNL_U64,	time_ns,	NULL),
	F(HC_A_EV_PEER,			HCNL_U32,	peer,		"peer"),
	F(HC_A_EV_ENV,			HCNL_U32,	env,		"env"),
	F(HC_A_EV_COUNT,		HCNL_U64,	count,		"count"),
	F(HC_A_EV_TEXT,			HCNL_STRING,	text,		"text"),
	END
};
#undef F

const struct hcnl_field *hcnl_cmd_fields(unsigned int cmd)
{
	switch (cmd) {
	case HC_CMD_NODE_GET:
	case HC_CMD_NODE_SET:
	case HC_CMD_DAEMON_REGISTER:
		return hcnl_node_fields;
	case HC_CMD_PEER_ADD:
	case HC_CMD_PEER_SET:
	case HC_CMD_PEER_DEL:
	case HC_CMD_PEER_GET:
		return hcnl_peer_fields;
	case HC_CMD_POOL_SET:
	case HC_CMD_POOL_GET:
		return hcnl_pool_fields;
	case HC_CMD_LEASE_GET:
		return hcnl_lease_fields;
	case HC_CMD_BACKING_ADD:
	case HC_CMD_BACKING_DEL:
		return hcnl_backing_fields;
	case HC_CMD_DISK_ADD:
	case HC_CMD_DISK_DEL:
	case HC_CMD_DISK_GET:
		return hcnl_disk_fields;
	case HC_CMD_ENV_ADD:
	case HC_CMD_ENV_SET:
	case HC_CMD_ENV_DEL:
	case HC_CMD_ENV_GET:
	case HC_CMD_CGROUP_BIND:
	case HC_CMD_CGROUP_UNBIND:
		return hcnl_env_fields;
	case HC_CMD_MOVE_CHECK:
	case HC_CMD_MOVE_START:
	case HC_CMD_MOVE_GET:
	case HC_CMD_MOVE_RESOLVE:
		return hcnl_move_fields;
	case HC_CMD_REQUEST:
	case HC_CMD_ANSWER:
		return hcnl_req_fields;
	case HC_CMD_EVENT:
		return hcnl_event_fields;
	}
	return NULL;
}

static const struct hcnl_field *find(const struct hcnl_field *f, unsigned int attr)
{
	for (; f && f->attr_name; f++)
		if (f->attr == attr)
			return f;
	return NULL;
}

const char *hcnl_attr_name(unsigned int cmd, unsigned int attr)
{
	const struct hcnl_field *f = find(hcnl_cmd_fields(cmd), attr);

	return f ? f->attr_name : NULL;
}

static size_t *counter(const struct hcnl_field *f, void *obj)
{
	return (size_t *)((char *)obj + f->off_n);
}

static int decode_nest(const struct hcnl_field *f, const struct nlattr *a, void *obj)
{
	uint32_t *list = (uint32_t *)((char *)obj + f->off);
	const struct nlattr *n = nla_data(a);
	size_t *count = counter(f, obj);
	int rem = nla_len(a);

	for (; nla_ok(n, rem); n = nla_next(n, &rem)) {
		if (nla_type(n) != f->nested)
			continue;
		if (nla_len(n) != sizeof(uint32_t))
			return -EBADMSG;
		if (*count < f->size)
			list[(*count)++] = nla_get_u32(n);
	}
	return rem > 0 ? -EBADMSG : 0;
}

static int decode_one(const struct hcnl_field *f, const struct nlattr *a, void *obj)
{
	char *at = (char *)obj + f->off;
	int len = nla_len(a);
	size_t *count;

	switch (f->kind) {
	case HCNL_U8:
	case HCNL_BOOL:
		if (len != sizeof(uint8_t))
			return -EBADMSG;
		*(uint8_t *)at = nla_get_u8(a);
		return 0;
	case HCNL_U32:
		if (len != sizeof(uint32_t))
			return -EBADMSG;
		*(uint32_t *)at = nla_get_u32(a);
		return 0;
	case HCNL_U64:
		if (len != sizeof(uint64_t))
			return -EBADMSG;
		*(uint64_t *)at = nla_get_u64(a);
		return 0;
	case HCNL_STRING:
		/* Cut rather than refuse: a name is for people. */
		if (len >= f->size)
			len = f->size - 1;
		memcpy(at, nla_data(a), len);
		at[len] = 0;
		return 0;
	case HCNL_U64_MULTI:
		if (len != sizeof(uint64_t))
			return -EBADMSG;
		count = counter(f, obj);
		if (*count < f->size)
			((uint64_t *)at)[(*count)++] = nla_get_u64(a);
		return 0;
	case HCNL_U32_NEST:
		return decode_nest(f, a, obj);
	}
	return 0;
}

int hcnl_decode(const struct hcnl_field *fields, const struct nlattr *attrs, int len, void *obj)
{
	const struct nlattr *a;
	int rem = len;

	for (a = attrs; nla_ok(a, rem); a = nla_next(a, &rem)) {
		const struct hcnl_field *f = find(fields, nla_type(a));
		int r = f ? decode_one(f, a, obj) : 0;

		if (r < 0)
			return r;
	}
	return rem > 0 ? -EBADMSG : 0;
}

static int encode_one(const struct hcnl_field *f, const void *obj, struct nl_msg *msg)
{
	const char *at = (const char *)obj + f->off;
	size_t n = 0;
	struct nlattr *nest;
	int r = 0;

	if (f->kind == HCNL_U64_MULTI || f->kind == HCNL_U32_NEST)
		n = *counter(f, (void *)obj);
	switch (f->kind) {
	case HCNL_U8:
	case HCNL_BOOL:
		return *(uint8_t *)at ? nla_put_u8(msg, f->attr, *(uint8_t *)at) : 0;
	case HCNL_U32:
		return *(uint32_t *)at ? nla_put_u32(msg, f->attr, *(uint32_t *)at) : 0;
	case HCNL_U64:
		return *(uint64_t *)at ? nla_put_u64(msg, f->attr, *(uint64_t *)at) : 0;
	case HCNL_STRING:
		return *at ? nla_put_string(msg, f->attr, at) : 0;
	case HCNL_U64_MULTI:
		for (size_t i = 0; i < n && r >= 0; i++)
			r = nla_put_u64(msg, f->attr, ((uint64_t *)at)[i]);
		return r;
	case HCNL_U32_NEST:
		nest = nla_nest_start(msg, f->attr | NLA_F_NESTED);
		if (!nest)
			return -1;
		for (size_t i = 0; i < n && r >= 0; i++)
			r = nla_put_u32(msg, f->nested, ((uint32_t *)at)[i]);
		nla_nest_end_keep_empty(msg, nest);
		return r;
	}
	return 0;
}

int hcnl_encode(const struct hcnl_field *fields, const void *obj, struct nl_msg *msg)
{
	for (; fields->attr_name; fields++)
		if (encode_one(fields, obj, msg) < 0)
			return -EMSGSIZE;
	return 0;
}
