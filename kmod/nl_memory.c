// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink: donor pool, leases, local backing, swap disk (SPEC R20a, R22). */
#include <net/sock.h>

#include "backing.h"
#include "disk.h"
#include "env.h"
#include "main.h"
#include "netlink.h"
#include "node.h"
#include "peer.h"
#include "pool.h"

#define SLAB_BYTES	((u64)HCW_SLAB_PAGES << PAGE_SHIFT)
#define PAGES_BYTES(n)	((u64)(n) << PAGE_SHIFT)

static struct hc_node *node_of(struct genl_info *info)
{
	return hc_node_of(genl_info_net(info));
}

int hc_nl_pool_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *limit = info->attrs[HC_A_POOL_LIMIT];
	struct nlattr *reserve = info->attrs[HC_A_POOL_RESERVE];
	struct nlattr *drain = info->attrs[HC_A_POOL_DRAIN];
	struct nlattr *env = info->attrs[HC_A_POOL_ENV];
	struct nlattr *env_limit = info->attrs[HC_A_POOL_ENV_LIMIT];

	if (!env != !env_limit) {
		hc_extack(info->extack, "an environment's limit needs both the environment and the limit");
		return -EINVAL;
	}
	if (env) {
		int err = hc_pool_set_env(node_of(info)->pool, nla_get_u32(env),
					  nla_get_u64(env_limit));

		if (err)
			return err;
	}
	hc_pool_set(node_of(info)->pool, limit ? nla_get_u64(limit) : -1,
		    reserve ? nla_get_u64(reserve) : -1, drain ? nla_get_u8(drain) : -1);
	return 0;
}

static u64 recalled_bytes(struct hc_pool *pool)
{
	struct hc_lslab *slab;
	u64 n = 0;

	lockdep_assert_held(&pool->lock);
	list_for_each_entry(slab, &pool->slabs, list)
		n += slab->recalled != 0;
	return n * SLAB_BYTES;
}

static u64 written_pages(struct hc_pool *pool)
{
	struct hc_lslab *slab;
	u64 n = 0;

	lockdep_assert_held(&pool->lock);
	list_for_each_entry(slab, &pool->slabs, list)
		n += bitmap_weight(slab->written, HCW_SLAB_PAGES);
	return n;
}

int hc_nl_pool_get_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_pool *pool = node_of(info)->pool;
	struct sk_buff *skb;
	void *head;
	int err;

	skb = hc_reply_new(info, &head);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&pool->lock);
#define PUT(attr, value) hc_put_u64(skb, HC_A_POOL_##attr, value, HC_A_POOL_PAD)
	err = PUT(LIMIT, pool->limit_slabs * SLAB_BYTES) ||
	      PUT(RESERVE, pool->reserve_bytes) ||
	      PUT(LENT, pool->nr_slabs * SLAB_BYTES) ||
	      PUT(USED, PAGES_BYTES(written_pages(pool))) ||
	      PUT(RECALLED, recalled_bytes(pool)) ||
	      nla_put_u8(skb, HC_A_POOL_DRAIN, pool->drain) ||
	      nla_put_u8(skb, HC_A_POOL_PRESSURE, pool->pressure);
#undef PUT
	mutex_unlock(&pool->lock);
	return hc_reply_send(info, skb, head, err ? -EMSGSIZE : 0);
}

/* One row of LEASE_GET. */
struct lease_row {
	u32 peer, env;
	u64 epoch, slabs, written;
};

/* The row after (peer, env) that the caller may see, summed over its slabs. */
static bool lease_next(struct hc_pool *pool, u32 peer, u32 env, struct lease_row *row)
{
	u32 own = hc_env_of_current();
	u64 after = (u64)peer << 32 | env, best = U64_MAX;
	struct hc_lslab *slab;

	memset(row, 0, sizeof(*row));
	mutex_lock(&pool->lock);
	list_for_each_entry(slab, &pool->slabs, list) {
		u64 key = (u64)slab->peer << 32 | slab->env;

		if (key > after && key < best && (!own || slab->env == own))
			best = key;
	}
	list_for_each_entry(slab, &pool->slabs, list) {
		if (((u64)slab->peer << 32 | slab->env) != best)
			continue;
		row->peer = slab->peer;
		row->env = slab->env;
		row->epoch = slab->epoch;
		row->slabs++;
		row->written += bitmap_weight(slab->written, HCW_SLAB_PAGES);
	}
	mutex_unlock(&pool->lock);
	return best != U64_MAX;
}

int hc_nl_lease_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct hc_pool *pool = hc_node_of(sock_net(cb->skb->sk))->pool;
	struct lease_row row;

	while (lease_next(pool, cb->args[0], cb->args[1], &row)) {
		u64 limit = xa_to_value(xa_load(&pool->env_limits, row.env)) * SLAB_BYTES;
		void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
					 &hc_genl_family, NLM_F_MULTI, HC_CMD_LEASE_GET);

#define PUT(attr, value) hc_put_u64(skb, HC_A_LEASE_##attr, value, HC_A_LEASE_PAD)
		if (!head || nla_put_u32(skb, HC_A_LEASE_PEER, row.peer) ||
		    nla_put_u32(skb, HC_A_LEASE_ENV, row.env) || PUT(EPOCH, row.epoch) ||
		    PUT(BYTES, row.slabs * SLAB_BYTES) || PUT(USED, PAGES_BYTES(row.written)) ||
		    PUT(LIMIT, limit)) {
			if (head)
				genlmsg_cancel(skb, head);
			break;
		}
#undef PUT
		genlmsg_end(skb, head);
		cb->args[0] = row.peer;
		cb->args[1] = row.env;
	}
	return skb->len;
}

int hc_nl_backing_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = hc_missing(info, HC_A_BACKING_PATH, "the path of a block device is needed");

	if (err)
		return err;
	return hc_backing_add(node_of(info), nla_data(info->attrs[HC_A_BACKING_PATH]),
			      info->extack);
}

int hc_nl_backing_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return hc_backing_del(node_of(info), info->extack);
}

int hc_nl_disk_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *checksum = info->attrs[HC_A_DISK_CHECKSUM];
	int err = hc_missing(info, HC_A_DISK_SIZE, "the size of the disk is needed");
	u64 size;

	if (err)
		return err;
	size = nla_get_u64(info->attrs[HC_A_DISK_SIZE]);
	if (size & ~PAGE_MASK)
		return hc_bad_attr(info, HC_A_DISK_SIZE, -EINVAL,
				   "the size must be a multiple of 4096 bytes");
	return hc_disk_add(node_of(info), size, checksum ? nla_get_u8(checksum) : true,
			   info->extack);
}

int hc_nl_disk_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return hc_disk_del(node_of(info), info->extack);
}

static int put_disk_attrs(struct sk_buff *skb, struct hc_disk *disk)
{
	struct hc_map *m = &disk->map;

#define PUT(attr, value) hc_put_u64(skb, HC_A_DISK_##attr, value, HC_A_DISK_PAD)
	return PUT(SIZE, PAGES_BYTES(m->nr_slots)) ||
	       nla_put_u8(skb, HC_A_DISK_CHECKSUM, disk->checksum) ||
	       nla_put_u8(skb, HC_A_DISK_OPEN, disk_openers(disk->gd) != 0) ||
	       PUT(USED, PAGES_BYTES(READ_ONCE(m->nr_data))) ||
	       PUT(ZERO, PAGES_BYTES(READ_ONCE(m->nr_zero))) ||
	       PUT(DEGRADED, PAGES_BYTES(READ_ONCE(m->nr_degraded))) ||
	       PUT(LOST, PAGES_BYTES(READ_ONCE(m->nr_lost))) ||
	       PUT(LOCAL, PAGES_BYTES(READ_ONCE(m->nr_local))) ||
	       PUT(READS, atomic64_read(&disk->reads)) ||
	       PUT(WRITES, atomic64_read(&disk->writes)) ||
	       PUT(ERRORS, atomic64_read(&disk->errors)) ||
	       PUT(REFUSED, atomic64_read(&disk->refused)) ||
	       PUT(RETRIES, atomic64_read(&disk->retries)) ||
	       PUT(REPAIRED, atomic64_read(&disk->repaired)) ||
	       PUT(BAD_SUMS, atomic64_read(&disk->bad_sums)) ||
	       PUT(FREED, atomic64_read(&disk->freed)) ||
	       (disk->backing &&
		(nla_put_string(skb, HC_A_DISK_BACKING_PATH, disk->backing->path) ||
		 PUT(BACKING_SIZE, PAGES_BYTES(disk->backing->nr_pages)) ||
		 PUT(BACKING_ERRORS, atomic64_read(&disk->backing->errors))));
#undef PUT
}

int hc_nl_disk_get_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_disk *disk = hc_disk_get(node_of(info));
	struct sk_buff *skb;
	int err = -ENOMEM;
	void *head;

	if (!disk) {
		hc_extack(info->extack, "there is no swap disk on this node");
		return -ENODEV;
	}
	skb = hc_reply_new(info, &head);
	if (skb)
		err = hc_reply_send(info, skb, head, put_disk_attrs(skb, disk) ? -EMSGSIZE : 0);
	hc_disk_put(disk);
	return err;
}
