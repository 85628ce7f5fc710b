// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that act and answer at once, one function each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sock.h"

#define ROOM 512	/* any command's numbers; strings and lists are added */

#define OUT_OF_MEMORY "Out of memory."

/* Send @msg built with @r (< 0: an attribute did not fit) and wait for the ack. */
static int act(struct hcnl *h, struct nl_msg *msg, int r)
{
	if (!msg || r < 0)
		return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
	return hcnl_talk(h, msg, NULL, NULL);
}

static int name_check(struct hcnl *h, const char *name)
{
	if (name && strlen(name) > HC_NAME_LEN)
		return hcnl_fail(h, -ENAMETOOLONG, "The name is longer than %d bytes.", HC_NAME_LEN);
	return 0;
}

/* ---- node ----------------------------------------------------------------- */

int hcnl_node_get(struct hcnl *h, struct hcnl_node *ret_node)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_NODE_GET, NLM_F_ACK, ROOM);
	struct hcnl_node node = { 0 };
	int r;

	if (!msg)
		return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
	r = hcnl_get(h, msg, hcnl_node_fields, &node);
	if (r == 0)
		*ret_node = node;
	return r;
}

int hcnl_node_set(struct hcnl *h, uint32_t id, const char *name, uint64_t epoch)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_NODE_SET, NLM_F_ACK, ROOM);
	int r = name_check(h, name);

	if (r < 0)
		return r;
	if (msg && id)
		r = nla_put_u32(msg, HC_A_NODE_ID, id);
	if (msg && name && r >= 0)
		r = nla_put_string(msg, HC_A_NODE_NAME, name);
	if (msg && epoch && r >= 0)
		r = nla_put_u64(msg, HC_A_NODE_EPOCH, epoch);
	return act(h, msg, r);
}

int hcnl_daemon_register(struct hcnl *h)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_DAEMON_REGISTER, NLM_F_ACK, ROOM);

	return act(h, msg, 0);
}

/* ---- peers ---------------------------------------------------------------- */

static struct nl_msg *peer_msg(struct hcnl *h, uint8_t cmd, uint32_t id)
{
	struct nl_msg *msg = hcnl_msg(h, cmd, NLM_F_ACK, ROOM);

	if (msg)
		nla_put_u32(msg, HC_A_PEER_ID, id);	/* there is room */
	return msg;
}

int hcnl_peer_add(struct hcnl *h, const struct hcnl_peer_add *add)
{
	HCNL_MSG_FREE struct nl_msg *msg = peer_msg(h, HC_CMD_PEER_ADD, add->id);
	int r = name_check(h, add->name);

	if (r < 0)
		return r;
	if (msg)
		r = nla_put_u32(msg, HC_A_PEER_FD, add->fd);
	if (msg && r >= 0)
		r = nla_put_u32(msg, HC_A_PEER_CONN, add->conn);
	if (msg && r >= 0 && add->name)
		r = nla_put_string(msg, HC_A_PEER_NAME, add->name);
	return act(h, msg, r);
}

int hcnl_peer_fence(struct hcnl *h, uint32_t id, uint64_t min_epoch)
{
	HCNL_MSG_FREE struct nl_msg *msg = peer_msg(h, HC_CMD_PEER_SET, id);

	return act(h, msg, msg ? nla_put_u64(msg, HC_A_PEER_MIN_EPOCH, min_epoch) : 0);
}

int hcnl_peer_drain(struct hcnl *h, uint32_t id, bool drain)
{
	HCNL_MSG_FREE struct nl_msg *msg = peer_msg(h, HC_CMD_PEER_SET, id);

	return act(h, msg, msg ? nla_put_u8(msg, HC_A_PEER_DRAIN, drain) : 0);
}

int hcnl_peer_del(struct hcnl *h, uint32_t id, bool force)
{
	HCNL_MSG_FREE struct nl_msg *msg = peer_msg(h, HC_CMD_PEER_DEL, id);

	return act(h, msg, msg && force ? nla_put_flag(msg, HC_A_PEER_FORCE) : 0);
}

int hcnl_peer_get(struct hcnl *h, uint32_t id, struct hcnl_peer *ret_peer)
{
	HCNL_MSG_FREE struct nl_msg *msg = peer_msg(h, HC_CMD_PEER_GET, id);
	struct hcnl_peer peer = { 0 };
	int r;

	if (!msg)
		return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
	r = hcnl_get(h, msg, hcnl_peer_fields, &peer);
	if (r == 0)
		*ret_peer = peer;
	return r;
}

int hcnl_peer_forget(struct hcnl *h, uint32_t id, bool force)
{
	struct hcnl_peer peer;
	int r = force ? 0 : hcnl_peer_get(h, id, &peer);

	if (r < 0)
		return r;
	if (!force && peer.lent)
		return hcnl_fail(h, -EBUSY,
				 "This node lends memory to node %u, whose pages would be lost here: call them back first (\"hyperchain memory drain --wait\"), or give them up with --force.",
				 id);
	r = hcnl_peer_del(h, id, force);
	if (r == -EBUSY)
		return hcnl_fail(h, r,
				 "Node %u holds pages of this node: move them first (\"hyperchain memory drain --peer %u --wait\"), or give them up with --force.",
				 id, id);
	return r;
}

static int cmp_peer(const void *a, const void *b)
{
	const struct hcnl_peer *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int hcnl_peer_list(struct hcnl *h, struct hcnl_peer **ret_peers, size_t *ret_n)
{
	struct hcnl_list l = {
		.fields = hcnl_peer_fields, .size = sizeof(**ret_peers), .cmp = cmp_peer,
	};

	return hcnl_dump(h, HC_CMD_PEER_GET, &l, ret_peers, ret_n);
}

/* ---- pool ----------------------------------------------------------------- */

int hcnl_pool_get(struct hcnl *h, struct hcnl_pool *ret_pool)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_POOL_GET, NLM_F_ACK, ROOM);
	struct hcnl_pool pool = { 0 };
	int r;

	if (!msg)
		return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
	r = hcnl_get(h, msg, hcnl_pool_fields, &pool);
	if (r == 0)
		*ret_pool = pool;
	return r;
}

int hcnl_pool_set(struct hcnl *h, const struct hcnl_pool_set *set)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_POOL_SET, NLM_F_ACK, ROOM);
	int r = 0;

	if (msg && set->set_limit)
		r = nla_put_u64(msg, HC_A_POOL_LIMIT, set->limit);
	if (msg && r >= 0 && set->set_reserve)
		r = nla_put_u64(msg, HC_A_POOL_RESERVE, set->reserve);
	if (msg && r >= 0 && set->set_drain)
		r = nla_put_u8(msg, HC_A_POOL_DRAIN, set->drain);
	if (msg && r >= 0 && set->set_env_limit)
		r = nla_put_u32(msg, HC_A_POOL_ENV, set->env);
	if (msg && r >= 0 && set->set_env_limit)
		r = nla_put_u64(msg, HC_A_POOL_ENV_LIMIT, set->env_limit);
	return act(h, msg, r);
}

static int cmp_lease(const void *a, const void *b)
{
	const struct hcnl_lease *x = a, *y = b;

	if (x->peer != y->peer)
		return x->peer > y->peer ? 1 : -1;
	return (x->env > y->env) - (x->env < y->env);
}

int hcnl_lease_list(struct hcnl *h, struct hcnl_lease **ret_leases, size_t *ret_n)
{
	struct hcnl_list l = {
		.fields = hcnl_lease_fields, .size = sizeof(**ret_leases), .cmp = cmp_lease,
	};

	return hcnl_dump(h, HC_CMD_LEASE_GET, &l, ret_leases, ret_n);
}

/* ---- swap disk ------------------------------------------------------------ */

int hcnl_backing_add(struct hcnl *h, const char *path)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_BACKING_ADD, NLM_F_ACK,
						    ROOM + strlen(path));

	return act(h, msg, msg ? nla_put_string(msg, HC_A_BACKING_PATH, path) : 0);
}

int hcnl_backing_del(struct hcnl *h)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_BACKING_DEL, NLM_F_ACK, ROOM);

	return act(h, msg, 0);
}

int hcnl_disk_add(struct hcnl *h, uint64_t size, bool checksum)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_DISK_ADD, NLM_F_ACK, ROOM);
	int r = msg ? nla_put_u64(msg, HC_A_DISK_SIZE, size) : 0;

	if (msg && r >= 0)
		r = nla_put_u8(msg, HC_A_DISK_CHECKSUM, checksum);
	return act(h, msg, r);
}

int hcnl_disk_del(struct hcnl *h)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_DISK_DEL, NLM_F_ACK, ROOM);

	return act(h, msg, 0);
}

int hcnl_disk_get(struct hcnl *h, struct hcnl_disk *ret_disk)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_DISK_GET, NLM_F_ACK, ROOM);
	struct hcnl_disk disk = { 0 };
	int r;

	if (!msg)
		return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
	r = hcnl_get(h, msg, hcnl_disk_fields, &disk);
	if (r == 0)
		*ret_disk = disk;
	return r;
}

/* ---- environments --------------------------------------------------------- */

static int put_donors(struct nl_msg *msg, const struct hcnl_env_set *env)
{
	struct nlattr *nest = nla_nest_start(msg, HC_A_ENV_DONORS | NLA_F_NESTED);

	if (!nest)
		return -1;
	for (size_t i = 0; i < env->nr_donors; i++)
		if (nla_put_u32(msg, HC_A_ENV_DONOR, env->donors[i]) < 0)
			return -1;
	/* Empty means "no donors" and must travel too. */
	return nla_nest_end_keep_empty(msg, nest);
}

static int env_put(struct hcnl *h, uint8_t cmd, const struct hcnl_env_set *env)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, cmd, NLM_F_ACK, ROOM + 8 * env->nr_donors);
	int r = name_check(h, env->name);

	if (r < 0)
		return r;
	if (env->nr_donors > HC_ENV_DONORS_MAX)
		return hcnl_fail(h, -E2BIG, "An environment has at most %d donors, not %zu.",
				 HC_ENV_DONORS_MAX, env->nr_donors);
	if (msg)
		r = nla_put_u32(msg, HC_A_ENV_ID, env->id);
	if (msg && r >= 0 && env->name)
		r = nla_put_string(msg, HC_A_ENV_NAME, env->name);
	if (msg && r >= 0 && env->set_quota)
		r = nla_put_u64(msg, HC_A_ENV_QUOTA, env->quota);
	if (msg && r >= 0 && env->set_replicas)
		r = nla_put_u8(msg, HC_A_ENV_REPLICAS, env->replicas);
	if (msg && r >= 0 && env->set_donors)
		r = put_donors(msg, env);
	return act(h, msg, r);
}

int hcnl_env_add(struct hcnl *h, const struct hcnl_env_set *env)
{
	return env_put(h, HC_CMD_ENV_ADD, env);
}

int hcnl_env_set(struct hcnl *h, const struct hcnl_env_set *env)
{
	return env_put(h, HC_CMD_ENV_SET, env);
}

int hcnl_env_del(struct hcnl *h, uint32_t id)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_ENV_DEL, NLM_F_ACK, ROOM);

	return act(h, msg, msg ? nla_put_u32(msg, HC_A_ENV_ID, id) : 0);
}

int hcnl_env_get(struct hcnl *h, uint32_t id, struct hcnl_env *ret_env)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_ENV_GET, NLM_F_ACK, ROOM);
	struct hcnl_env env = { 0 };
	int r;

	if (!msg || nla_put_u32(msg, HC_A_ENV_ID, id) < 0)
		return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
	r = hcnl_get(h, msg, hcnl_env_fields, &env);
	if (r == 0)
		*ret_env = env;
	return r;
}

static int cmp_env(const void *a, const void *b)
{
	const struct hcnl_env *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int hcnl_env_list(struct hcnl *h, struct hcnl_env **ret_envs, size_t *ret_n)
{
	struct hcnl_list l = {
		.fields = hcnl_env_fields, .size = sizeof(**ret_envs), .cmp = cmp_env,
	};

	return hcnl_dump(h, HC_CMD_ENV_GET, &l, ret_envs, ret_n);
}

int hcnl_cgroup_bind(struct hcnl *h, uint32_t env, uint64_t cgroup)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_CGROUP_BIND, NLM_F_ACK, ROOM);
	int r = msg ? nla_put_u32(msg, HC_A_ENV_ID, env) : 0;

	if (msg && r >= 0)
		r = nla_put_u64(msg, HC_A_ENV_CGROUP, cgroup);
	return act(h, msg, r);
}

int hcnl_cgroup_unbind(struct hcnl *h, uint64_t cgroup)
{
	HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, HC_CMD_CGROUP_UNBIND, NLM_F_ACK, ROOM);

	return act(h, msg, msg ? nla_put_u64(msg, HC_A_ENV_CGROUP, cgroup) : 0);
}
