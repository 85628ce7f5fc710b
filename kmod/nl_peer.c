// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink: peers (SPEC R22). */
#include <net/sock.h>

#include "disk.h"
#include "env.h"
#include "main.h"
#include "netlink.h"
#include "node.h"
#include "peer.h"
#include "pool.h"

#define SLAB_BYTES	((u64)HCW_SLAB_PAGES << PAGE_SHIFT)
#define PAGES_BYTES(n)	((u64)(n) << PAGE_SHIFT)

/* May the caller see @id? Anyone outside environments; else only its donors. Under node->lock. */
static bool shows(struct hc_node *node, u32 id)
{
	u32 i, own = hc_env_of_current();
	struct hc_env *env;

	if (!own)
		return true;
	list_for_each_entry(env, &node->env_list, list)
		for (i = 0; env->map.id == own && i < env->nr_donors; i++)
			if (env->donors[i] == id)
				return true;
	return false;
}

/* The peer that PEER_ID names; a reference, or NULL with the error set. */
static struct hc_peer *peer_of(struct genl_info *info, int *ret_err)
{
	struct hc_peer *peer;

	*ret_err = hc_missing(info, HC_A_PEER_ID, "a peer id is needed");
	if (*ret_err)
		return NULL;
	peer = hc_peer_find(hc_node_of(genl_info_net(info)),
			    nla_get_u32(info->attrs[HC_A_PEER_ID]));
	if (!peer)
		*ret_err = hc_bad_attr(info, HC_A_PEER_ID, -ENOENT, "no peer has this id");
	return peer;
}

int hc_nl_peer_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct hc_node *node = hc_node_of(genl_info_net(info));
	struct nlattr *name = info->attrs[HC_A_PEER_NAME];
	struct hc_peer *peer;
	u32 id;
	int err;

	err = hc_missing(info, HC_A_PEER_ID, "a peer id is needed") ?:
	      hc_missing(info, HC_A_PEER_FD, "a connected socket is needed") ?:
	      hc_missing(info, HC_A_PEER_CONN, "the number of the connection is needed");
	if (err)
		return err;
	id = nla_get_u32(info->attrs[HC_A_PEER_ID]);
	if (!READ_ONCE(node->id)) {
		hc_extack(info->extack, "this node has no id yet; set it first");
		return -EINVAL;
	}
	if (id == node->id)
		return hc_bad_attr(info, HC_A_PEER_ID, -EINVAL, "a node is no peer of itself");
	peer = hc_peer_add(node, id, name ? nla_data(name) : NULL);
	if (IS_ERR(peer)) {
		hc_extack(info->extack, PTR_ERR(peer) == -ENOSPC ?
			  "this node has as many peers as it can" :
			  PTR_ERR(peer) == -EBUSY ? "the peer is being removed" : "out of memory");
		return PTR_ERR(peer);
	}
	err = hc_peer_connect(peer, nla_get_u32(info->attrs[HC_A_PEER_CONN]),
			      nla_get_u32(info->attrs[HC_A_PEER_FD]), info->extack);
	if (err)
		hc_peer_del_unused(peer);	/* nothing of a refused first connection stays */
	hc_peer_put(peer);
	return err;
}

int hc_nl_peer_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *epoch = info->attrs[HC_A_PEER_MIN_EPOCH];
	struct nlattr *drain = info->attrs[HC_A_PEER_DRAIN];
	struct hc_peer *peer;
	int err;

	peer = peer_of(info, &err);
	if (!peer)
		return err;
	if (epoch)
		hc_peer_fence(peer, nla_get_u64(epoch));
	if (drain)
		hc_peer_set_drain(peer, nla_get_u8(drain));
	hc_peer_put(peer);
	return 0;
}

int hc_nl_peer_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct hc_peer *peer;
	int err;

	peer = peer_of(info, &err);
	if (!peer)
		return err;
	err = hc_peer_del(peer, info->attrs[HC_A_PEER_FORCE]);
	if (err == -EBUSY)
		hc_extack(info->extack, "it holds pages of this node; drain it first, or use force");
	else if (err)
		hc_extack(info->extack, "the peer is being removed already");
	hc_peer_put(peer);
	return err;
}

static u64 lent_bytes(struct hc_peer *peer)
{
	struct hc_pool *pool = peer->node->pool;
	struct hc_lslab *slab;
	u64 n = 0;

	mutex_lock(&pool->lock);
	list_for_each_entry(slab, &pool->slabs, list)
		n += slab->peer == peer->id;
	mutex_unlock(&pool->lock);
	return n * SLAB_BYTES;
}

static int put_state(struct sk_buff *skb, struct hc_peer *peer)
{
	u64 epoch, their_epoch, min_epoch;

	spin_lock_bh(&peer->hello_lock);
	epoch = peer->epoch;
	their_epoch = peer->their_epoch;
	min_epoch = peer->min_epoch;
	spin_unlock_bh(&peer->hello_lock);
	return nla_put_u32(skb, HC_A_PEER_ID, peer->id) ||
	       nla_put_string(skb, HC_A_PEER_NAME, peer->name) ||
	       nla_put_u8(skb, HC_A_PEER_STATE, READ_ONCE(peer->state)) ||
	       nla_put_u32(skb, HC_A_PEER_CONNS, READ_ONCE(peer->nr_live)) ||
	       hc_put_u64(skb, HC_A_PEER_EPOCH, epoch, HC_A_PEER_PAD) ||
	       hc_put_u64(skb, HC_A_PEER_THEIR_EPOCH, their_epoch, HC_A_PEER_PAD) ||
	       hc_put_u64(skb, HC_A_PEER_MIN_EPOCH, min_epoch, HC_A_PEER_PAD) ||
	       nla_put_u32(skb, HC_A_PEER_VERSION, peer->version) ||
	       hc_put_u64(skb, HC_A_PEER_FEATURES, peer->features, HC_A_PEER_PAD) ||
	       nla_put_u32(skb, HC_A_PEER_RTT_US, READ_ONCE(peer->rtt_us)) ||
	       nla_put_u8(skb, HC_A_PEER_SUSPECT, READ_ONCE(peer->is_suspect)) ||
	       nla_put_u8(skb, HC_A_PEER_DRAIN, READ_ONCE(peer->drain)) ||
	       nla_put_u8(skb, HC_A_PEER_THEY_DRAIN, READ_ONCE(peer->they_drain)) ||
	       nla_put_u32(skb, HC_A_PEER_INFLIGHT, atomic_read(&peer->inflight));
}

static int put_counts(struct sk_buff *skb, struct hc_peer *peer)
{
	struct hc_node *node = peer->node;

#define PUT(attr, value) hc_put_u64(skb, HC_A_PEER_##attr, value, HC_A_PEER_PAD)
	return PUT(FREE, READ_ONCE(peer->free_slabs) * SLAB_BYTES) ||
	       PUT(SLABS, hc_disk_target_leased(node, peer->target) * SLAB_BYTES) ||
	       PUT(USED, PAGES_BYTES(hc_disk_target_used(node, peer->target))) ||
	       PUT(LENT, lent_bytes(peer)) ||
	       PUT(TX_BYTES, atomic64_read(&peer->tx_bytes)) ||
	       PUT(RX_BYTES, atomic64_read(&peer->rx_bytes)) ||
	       PUT(READS, atomic64_read(&peer->reads)) ||
	       PUT(WRITES, atomic64_read(&peer->writes)) ||
	       PUT(SERVED_READS, atomic64_read(&peer->served_reads)) ||
	       PUT(SERVED_WRITES, atomic64_read(&peer->served_writes)) ||
	       PUT(ERRORS, atomic64_read(&peer->errors));
#undef PUT
}

int hc_nl_peer_get_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_node *node = hc_node_of(genl_info_net(info));
	struct hc_peer *peer;
	struct sk_buff *skb;
	bool is_shown;
	void *head;
	int err;

	peer = peer_of(info, &err);
	if (!peer)
		return err;
	mutex_lock(&node->lock);
	is_shown = shows(node, peer->id);
	mutex_unlock(&node->lock);
	if (!is_shown) {
		hc_peer_put(peer);
		return hc_bad_attr(info, HC_A_PEER_ID, -ENOENT, "no peer has this id");
	}
	skb = hc_reply_new(info, &head);
	err = -ENOMEM;
	if (skb) {
		err = put_state(skb, peer) || put_counts(skb, peer) ? -EMSGSIZE : 0;
		err = hc_reply_send(info, skb, head, err);
	}
	hc_peer_put(peer);
	return err;
}

/* The peer with the least id above @after that the caller may see; a reference or NULL. */
static struct hc_peer *peer_next(struct hc_node *node, u32 after)
{
	struct hc_peer *peer, *next = NULL;

	mutex_lock(&node->lock);
	list_for_each_entry(peer, &node->peers, list)
		if (peer->id > after && (!next || peer->id < next->id) && shows(node, peer->id))
			next = peer;
	if (next)
		hc_peer_get(next);
	mutex_unlock(&node->lock);
	return next;
}

int hc_nl_peer_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct hc_node *node = hc_node_of(sock_net(cb->skb->sk));
	struct hc_peer *peer;

	while ((peer = peer_next(node, cb->args[0]))) {
		void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
					 &hc_genl_family, NLM_F_MULTI, HC_CMD_PEER_GET);
		bool full = !head || put_state(skb, peer) || put_counts(skb, peer);
		u32 id = peer->id;

		hc_peer_put(peer);
		if (full) {
			if (head)
				genlmsg_cancel(skb, head);
			break;
		}
		genlmsg_end(skb, head);
		cb->args[0] = id;
	}
	return skb->len;
}
