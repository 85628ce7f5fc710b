// SPDX-License-Identifier: GPL-2.0-or-later
/* Generic netlink family "hyperchain": policies, who may ask, the node itself (SPEC R22). */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <net/genetlink.h>

#include "compat.h"
#include "env.h"
#include "main.h"
#include "netlink.h"
#include "node.h"
#include "peer.h"
#include "relay.h"
#include <hyperchain/wire.h>

/* ---- who asks ---- */

/*
 * Both the task and whoever opened its socket: else a plain user could have a
 * set-uid program write a request for him to a socket that he made its stderr.
 */
bool hc_caller_is_admin(const struct sk_buff *skb)
{
	return netlink_capable(skb, CAP_SYS_ADMIN) && netlink_capable(skb, CAP_NET_ADMIN) &&
	       !hc_env_of_current();
}

static bool is_admin_cmd(u8 cmd)
{
	switch (cmd) {
	case HC_CMD_NODE_GET:
	case HC_CMD_PEER_GET:
	case HC_CMD_POOL_GET:
	case HC_CMD_LEASE_GET:
	case HC_CMD_DISK_GET:
	case HC_CMD_ENV_GET:
	case HC_CMD_REQUEST:
		return false;
	default:
		return true;
	}
}

int hc_admin_check(const struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (hc_env_of_current()) {
		hc_extack(extack, "a process of an environment may not do this");
		return -EPERM;
	}
	if (!hc_caller_is_admin(skb)) {
		hc_extack(extack, "this needs CAP_SYS_ADMIN and CAP_NET_ADMIN on the host");
		return -EPERM;
	}
	if (sock_net(skb->sk) != &init_net && !hc_allow_netns) {
		hc_extack(extack,
			  "other network namespaces need the module parameter allow_netns=1");
		return -EPERM;
	}
	return 0;
}

static int pre_check(u8 cmd, const struct sk_buff *skb, struct genl_info *info)
{
	return is_admin_cmd(cmd) ? hc_admin_check(skb, info->extack) : 0;
}

/* ---- helpers of all handlers ---- */

int hc_missing(struct genl_info *info, int attr, const char *text)
{
	if (info->attrs[attr])
		return 0;
	hc_extack(info->extack, text);
	return -EINVAL;
}

int hc_bad_attr(struct genl_info *info, int attr, int err, const char *text)
{
	hc_extack(info->extack, text);
	NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	return err;
}

struct sk_buff *hc_reply_new(struct genl_info *info, void **ret_head)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);

	if (!skb)
		return NULL;
	*ret_head = genlmsg_put_reply(skb, info, &hc_genl_family, 0, info->genlhdr->cmd);
	if (*ret_head)
		return skb;
	nlmsg_free(skb);
	return NULL;
}

int hc_reply_send(struct genl_info *info, struct sk_buff *skb, void *head, int err)
{
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

/* ---- the node ---- */

static int node_put(struct sk_buff *skb, struct hc_node *node)
{
	u32 nr_live = 0;
	struct hc_peer *peer;
	int err;

	mutex_lock(&node->lock);
	list_for_each_entry(peer, &node->peers, list)
		nr_live += peer->state == HC_PEER_LIVE;
	err = nla_put_u32(skb, HC_A_NODE_ID, node->id) ||
	      nla_put_string(skb, HC_A_NODE_NAME, node->name) ||
	      hc_put_u64(skb, HC_A_NODE_EPOCH, node->epoch, HC_A_NODE_PAD) ||
	      nla_put_string(skb, HC_A_NODE_VERSION, HC_VERSION) ||
	      nla_put_u32(skb, HC_A_NODE_DAEMON, node->daemon_portid) ||
	      nla_put_u32(skb, HC_A_NODE_PEERS, node->nr_peers) ||
	      nla_put_u32(skb, HC_A_NODE_PEERS_LIVE, nr_live) ||
	      hc_put_u64(skb, HC_A_NODE_MEM_TOTAL, (u64)totalram_pages() << PAGE_SHIFT,
			 HC_A_NODE_PAD) ||
	      hc_put_u64(skb, HC_A_NODE_MEM_AVAILABLE, (u64)si_mem_available() << PAGE_SHIFT,
			 HC_A_NODE_PAD) ||
	      nla_put_u32(skb, HC_A_NODE_WIRE_VERSION, HCW_VERSION_MAX) ||
	      nla_put_u8(skb, HC_A_NODE_MOVES, node->accepts_moves);
	mutex_unlock(&node->lock);
	return err ? -EMSGSIZE : 0;
}

static int node_get_doit(struct sk_buff *in, struct genl_info *info)
{
	void *head;
	struct sk_buff *skb = hc_reply_new(info, &head);

	if (!skb)
		return -ENOMEM;
	return hc_reply_send(info, skb, head, node_put(skb, hc_node_of(genl_info_net(info))));
}

static int node_set_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_node *node = hc_node_of(genl_info_net(info));
	struct nlattr *id = info->attrs[HC_A_NODE_ID];
	struct nlattr *name = info->attrs[HC_A_NODE_NAME];
	struct nlattr *epoch = info->attrs[HC_A_NODE_EPOCH];
	struct nlattr *moves = info->attrs[HC_A_NODE_MOVES];
	int err = 0;

	mutex_lock(&node->lock);
	if (id && node->id && node->id != nla_get_u32(id) && node->nr_peers)
		err = hc_bad_attr(info, HC_A_NODE_ID, -EBUSY,
				  "the id can't change while there are peers");
	else if (epoch && nla_get_u64(epoch) < node->epoch)
		err = hc_bad_attr(info, HC_A_NODE_EPOCH, -EINVAL, "an epoch only grows");
	if (!err) {
		if (id)
			node->id = nla_get_u32(id);
		if (name)
			nla_strscpy(node->name, name, sizeof(node->name));
		if (epoch)
			node->epoch = nla_get_u64(epoch);
		if (moves)
			WRITE_ONCE(node->accepts_moves, nla_get_u8(moves));
	}
	mutex_unlock(&node->lock);
	return err;
}

static int daemon_register_doit(struct sk_buff *in, struct genl_info *info)
{
	int err = hc_node_daemon(hc_node_of(genl_info_net(info)), info->snd_portid);

	if (err)
		hc_extack(info->extack, "another hyperchaind is registered on this node");
	return err;
}

/* ---- policies: one per command, with the ranges (6.1 wants them writable) ---- */

static struct netlink_range_validation id_range = { .min = 1, .max = U32_MAX };
/* Below the top: the module adds to it. */
static struct netlink_range_validation epoch_range = { .min = 1, .max = 1ULL << 62 };
static struct netlink_range_validation env_range = { .min = 1, .max = HC_ENVS_MAX };
static struct netlink_range_validation quota_range = { .max = HC_DISK_SIZE_MAX };
static struct netlink_range_validation pid_range = { .min = 1, .max = 1 << 22 };
static struct netlink_range_validation fd_range = { .max = S32_MAX };
static struct netlink_range_validation payload_range = { .min = 1, .max = HC_REQUEST_LEN };
static struct netlink_range_validation pool_range = { .max = HC_POOL_SIZE_MAX };
static struct netlink_range_validation disk_range = {
	.min = HC_DISK_SIZE_MIN, .max = HC_DISK_SIZE_MAX,
};

/* No attribute at all. (A policy without any would not be looked at.) */
static const struct nla_policy none_policy[] = {
	[1]			= { .type = NLA_REJECT },
};

static const struct nla_policy node_set_policy[HC_A_NODE_MOVES + 1] = {
	[HC_A_NODE_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
	[HC_A_NODE_NAME]	= { .type = NLA_NUL_STRING, .len = HC_NAME_LEN },
	[HC_A_NODE_EPOCH]	= NLA_POLICY_FULL_RANGE(NLA_U64, &epoch_range),
	/* A policy entry that is not set refuses its attribute: those that are told only. */
	[HC_A_NODE_MOVES]	= NLA_POLICY_MAX(NLA_U8, 1),
};

static const struct nla_policy peer_add_policy[HC_A_PEER_CONN + 1] = {
	[HC_A_PEER_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
	[HC_A_PEER_NAME]	= { .type = NLA_NUL_STRING, .len = HC_NAME_LEN },
	[HC_A_PEER_FD]		= NLA_POLICY_FULL_RANGE(NLA_U32, &fd_range),
	[HC_A_PEER_CONN]	= NLA_POLICY_MAX(NLA_U32, HC_CONNS_MAX - 1),
};

static const struct nla_policy peer_set_policy[HC_A_PEER_DRAIN + 1] = {
	[HC_A_PEER_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
	[HC_A_PEER_MIN_EPOCH]	= { .type = NLA_U64 },
	[HC_A_PEER_DRAIN]	= NLA_POLICY_MAX(NLA_U8, 1),
};

static const struct nla_policy peer_del_policy[HC_A_PEER_FORCE + 1] = {
	[HC_A_PEER_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
	[HC_A_PEER_FORCE]	= { .type = NLA_FLAG },
};

static const struct nla_policy peer_get_policy[HC_A_PEER_ID + 1] = {
	[HC_A_PEER_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
};

static const struct nla_policy pool_set_policy[HC_A_POOL_ENV_LIMIT + 1] = {
	[HC_A_POOL_LIMIT]	= NLA_POLICY_FULL_RANGE(NLA_U64, &pool_range),
	[HC_A_POOL_RESERVE]	= NLA_POLICY_FULL_RANGE(NLA_U64, &pool_range),
	[HC_A_POOL_DRAIN]	= NLA_POLICY_MAX(NLA_U8, 1),
	[HC_A_POOL_ENV]		= NLA_POLICY_FULL_RANGE(NLA_U32, &env_range),
	[HC_A_POOL_ENV_LIMIT]	= NLA_POLICY_FULL_RANGE(NLA_U64, &pool_range),
};

static const struct nla_policy backing_add_policy[HC_A_BACKING_PATH + 1] = {
	[HC_A_BACKING_PATH]	= { .type = NLA_NUL_STRING, .len = 127 },
};

static const struct nla_policy disk_add_policy[HC_A_DISK_CHECKSUM + 1] = {
	[HC_A_DISK_SIZE]	= NLA_POLICY_FULL_RANGE(NLA_U64, &disk_range),
	[HC_A_DISK_CHECKSUM]	= NLA_POLICY_MAX(NLA_U8, 1),
};

static const struct nla_policy env_donor_policy[HC_A_ENV_DONOR + 1] = {
	[HC_A_ENV_DONOR]	= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
};

static const struct nla_policy env_add_policy[HC_A_ENV_DONORS + 1] = {
	[HC_A_ENV_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &env_range),
	[HC_A_ENV_NAME]		= { .type = NLA_NUL_STRING, .len = HC_NAME_LEN },
	[HC_A_ENV_QUOTA]	= NLA_POLICY_FULL_RANGE(NLA_U64, &quota_range),
	[HC_A_ENV_REPLICAS]	= NLA_POLICY_RANGE(NLA_U8, 1, HC_REPLICAS_MAX),
	[HC_A_ENV_DONORS]	= NLA_POLICY_NESTED(env_donor_policy),
};

static const struct nla_policy env_id_policy[HC_A_ENV_ID + 1] = {
	[HC_A_ENV_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &env_range),
};

static const struct nla_policy cgroup_bind_policy[HC_A_ENV_CGROUP + 1] = {
	[HC_A_ENV_ID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &env_range),
	[HC_A_ENV_CGROUP]	= NLA_POLICY_MIN(NLA_U64, 1),
};

static const struct nla_policy cgroup_unbind_policy[HC_A_ENV_CGROUP + 1] = {
	[HC_A_ENV_CGROUP]	= NLA_POLICY_MIN(NLA_U64, 1),
};

static const struct nla_policy request_policy[HC_A_REQ_PAYLOAD + 1] = {
	[HC_A_REQ_PAYLOAD]	= NLA_POLICY_FULL_RANGE(NLA_BINARY, &payload_range),
};

static const struct nla_policy answer_policy[HC_A_REQ_ERROR + 1] = {
	[HC_A_REQ_COOKIE]	= { .type = NLA_U64 },
	[HC_A_REQ_PAYLOAD]	= NLA_POLICY_FULL_RANGE(NLA_BINARY, &payload_range),
	[HC_A_REQ_ERROR]	= NLA_POLICY_RANGE(NLA_U32, 1, 4095),
};

static const struct nla_policy move_check_policy[HC_A_MOVE_PID + 1] = {
	[HC_A_MOVE_PID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &pid_range),
};

static const struct nla_policy move_start_policy[HC_A_MOVE_WHOLE + 1] = {
	[HC_A_MOVE_PID]		= NLA_POLICY_FULL_RANGE(NLA_U32, &pid_range),
	[HC_A_MOVE_PEER]	= NLA_POLICY_FULL_RANGE(NLA_U32, &id_range),
	[HC_A_MOVE_WHOLE]	= { .type = NLA_FLAG },
};

static const struct nla_policy move_id_policy[HC_A_MOVE_ID + 1] = {
	[HC_A_MOVE_ID]		= { .type = NLA_U64 },
};

static const struct nla_policy move_resolve_policy[HC_A_MOVE_RESOLVE + 1] = {
	[HC_A_MOVE_ID]		= { .type = NLA_U64 },
	[HC_A_MOVE_RESOLVE]	= NLA_POLICY_RANGE(NLA_U8, HC_MOVE_RESUME, HC_MOVE_DROP),
};

/* ---- the family ---- */

#define OP(_cmd, _policy, _doit) {				\
	.cmd = _cmd, .policy = _policy,				\
	.maxattr = ARRAY_SIZE(_policy) - 1, .doit = _doit }

#define OP_DUMP(_cmd, _policy, _doit, _dumpit) {		\
	.cmd = _cmd, .policy = _policy,				\
	.maxattr = ARRAY_SIZE(_policy) - 1, .doit = _doit, .dumpit = _dumpit }

static const struct genl_ops ops[] = {
	OP(HC_CMD_NODE_GET, none_policy, node_get_doit),
	OP(HC_CMD_NODE_SET, node_set_policy, node_set_doit),
	OP(HC_CMD_DAEMON_REGISTER, none_policy, daemon_register_doit),
	OP(HC_CMD_PEER_ADD, peer_add_policy, hc_nl_peer_add_doit),
	OP(HC_CMD_PEER_SET, peer_set_policy, hc_nl_peer_set_doit),
	OP(HC_CMD_PEER_DEL, peer_del_policy, hc_nl_peer_del_doit),
	OP_DUMP(HC_CMD_PEER_GET, peer_get_policy, hc_nl_peer_get_doit, hc_nl_peer_get_dumpit),
	OP(HC_CMD_POOL_SET, pool_set_policy, hc_nl_pool_set_doit),
	OP(HC_CMD_POOL_GET, none_policy, hc_nl_pool_get_doit),
	OP_DUMP(HC_CMD_LEASE_GET, none_policy, NULL, hc_nl_lease_get_dumpit),
	OP(HC_CMD_BACKING_ADD, backing_add_policy, hc_nl_backing_add_doit),
	OP(HC_CMD_BACKING_DEL, none_policy, hc_nl_backing_del_doit),
	OP(HC_CMD_DISK_ADD, disk_add_policy, hc_nl_disk_add_doit),
	OP(HC_CMD_DISK_DEL, none_policy, hc_nl_disk_del_doit),
	OP(HC_CMD_DISK_GET, none_policy, hc_nl_disk_get_doit),
	OP(HC_CMD_ENV_ADD, env_add_policy, hc_nl_env_add_doit),
	OP(HC_CMD_ENV_SET, env_add_policy, hc_nl_env_set_doit),
	OP(HC_CMD_ENV_DEL, env_id_policy, hc_nl_env_del_doit),
	OP_DUMP(HC_CMD_ENV_GET, env_id_policy, hc_nl_env_get_doit, hc_nl_env_get_dumpit),
	OP(HC_CMD_CGROUP_BIND, cgroup_bind_policy, hc_nl_cgroup_bind_doit),
	OP(HC_CMD_CGROUP_UNBIND, cgroup_unbind_policy, hc_nl_cgroup_unbind_doit),
	OP(HC_CMD_REQUEST, request_policy, hc_relay_request_doit),
	OP(HC_CMD_ANSWER, answer_policy, hc_relay_answer_doit),
	OP(HC_CMD_MOVE_CHECK, move_check_policy, hc_nl_move_check_doit),
	OP(HC_CMD_MOVE_START, move_start_policy, hc_nl_move_start_doit),
	OP_DUMP(HC_CMD_MOVE_GET, move_id_policy, hc_nl_move_get_doit, hc_nl_move_get_dumpit),
	OP(HC_CMD_MOVE_RESOLVE, move_resolve_policy, hc_nl_move_resolve_doit),
};

static const struct genl_multicast_group groups[] = {
	{ .name = HC_GENL_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static int pre_doit(hc_pre_doit_ops *op, struct sk_buff *skb, struct genl_info *info)
{
	return pre_check(info->genlhdr->cmd, skb, info);
}

struct genl_family hc_genl_family __ro_after_init = {
	.name		= HC_GENL_NAME,
	.version	= HC_GENL_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= ops,
	.n_ops		= ARRAY_SIZE(ops),
	.resv_start_op	= HC_CMD_UNSPEC + 1,
	.pre_doit	= pre_doit,
	.mcgrps		= groups,
	.n_mcgrps	= ARRAY_SIZE(groups),
};

int hc_netlink_init(void)
{
	return genl_register_family(&hc_genl_family);
}

void hc_netlink_exit(void)
{
	genl_unregister_family(&hc_genl_family);
}
