// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink: environments and cgroups (SPEC R13, R20a, R22). */
#include <linux/slab.h>
#include <net/sock.h>

#include "disk.h"
#include "env.h"
#include "main.h"
#include "netlink.h"
#include "node.h"

#define PAGES_BYTES(n)	((u64)(n) << PAGE_SHIFT)
#define CGROUPS_SHOWN	32

static struct hc_node *node_of(struct genl_info *info)
{
	return hc_node_of(genl_info_net(info));
}

/* The nested list of donors; 0 or -errno, and their number. */
static int donors_parse(struct genl_info *info, u32 *donors, u32 *ret_nr)
{
	struct nlattr *list = info->attrs[HC_A_ENV_DONORS], *one;
	u32 nr = 0, i;
	int rem;

	nla_for_each_nested(one, list, rem) {
		u32 id = nla_get_u32(one);

		if (nla_type(one) != HC_A_ENV_DONOR)
			return hc_bad_attr(info, HC_A_ENV_DONORS, -EINVAL,
					   "the list of donors holds something else");
		if (nr == HC_ENV_DONORS_MAX)
			return hc_bad_attr(info, HC_A_ENV_DONORS, -E2BIG, "too many donors");
		for (i = 0; i < nr; i++)
			if (donors[i] == id)
				return hc_bad_attr(info, HC_A_ENV_DONORS, -EINVAL,
						   "a donor is named twice");
		donors[nr++] = id;
	}
	*ret_nr = nr;
	return 0;
}

static int env_change(struct genl_info *info,
		      int (*change)(struct hc_node *node, u32 id, const struct hc_env_spec *spec,
				    struct netlink_ext_ack *extack))
{
	struct nlattr *name = info->attrs[HC_A_ENV_NAME];
	struct nlattr *quota = info->attrs[HC_A_ENV_QUOTA];
	struct nlattr *replicas = info->attrs[HC_A_ENV_REPLICAS];
	struct hc_env_spec spec = {
		.name = name ? nla_data(name) : NULL,
		.quota_bytes = quota ? nla_get_u64(quota) : -1,
		.replicas = replicas ? nla_get_u8(replicas) : -1,
	};
	u32 *donors = NULL;
	int err;

	err = hc_missing(info, HC_A_ENV_ID, "the id of an environment is needed");
	if (err)
		return err;
	if (info->attrs[HC_A_ENV_DONORS]) {
		donors = kcalloc(HC_ENV_DONORS_MAX, sizeof(*donors), GFP_KERNEL);
		if (!donors)
			return -ENOMEM;
		err = donors_parse(info, donors, &spec.nr_donors);
		spec.donors = donors;
	}
	if (!err)
		err = change(node_of(info), nla_get_u32(info->attrs[HC_A_ENV_ID]), &spec,
			     info->extack);
	kfree(donors);
	return err;
}

int hc_nl_env_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	return hc_missing(info, HC_A_ENV_NAME, "an environment needs a name") ?:
	       env_change(info, hc_env_add);
}

int hc_nl_env_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	return env_change(info, hc_env_set);
}

int hc_nl_env_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	return hc_missing(info, HC_A_ENV_ID, "the id of an environment is needed") ?:
	       hc_env_del(node_of(info), nla_get_u32(info->attrs[HC_A_ENV_ID]), info->extack);
}

int hc_nl_cgroup_bind_doit(struct sk_buff *skb, struct genl_info *info)
{
	return hc_missing(info, HC_A_ENV_ID, "the id of an environment is needed") ?:
	       hc_missing(info, HC_A_ENV_CGROUP, "the id of a cgroup is needed") ?:
	       hc_env_bind(node_of(info), nla_get_u32(info->attrs[HC_A_ENV_ID]),
			   nla_get_u64(info->attrs[HC_A_ENV_CGROUP]), info->extack);
}

int hc_nl_cgroup_unbind_doit(struct sk_buff *skb, struct genl_info *info)
{
	return hc_missing(info, HC_A_ENV_CGROUP, "the id of a cgroup is needed") ?:
	       hc_env_unbind(node_of(info), nla_get_u64(info->attrs[HC_A_ENV_CGROUP]),
			     info->extack);
}

static int put_lists(struct sk_buff *skb, struct hc_env *env)
{
	struct nlattr *nest = nla_nest_start(skb, HC_A_ENV_DONORS);
	u64 cgroups[CGROUPS_SHOWN];
	u32 i, nr;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < env->nr_donors; i++)
		if (nla_put_u32(skb, HC_A_ENV_DONOR, env->donors[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	nr = hc_env_cgroups(env, cgroups, CGROUPS_SHOWN);
	for (i = 0; i < nr; i++)
		if (hc_put_u64(skb, HC_A_ENV_CGROUP, cgroups[i], HC_A_ENV_PAD))
			return -EMSGSIZE;
	return 0;
}

static int put_env(struct sk_buff *skb, struct hc_env *env)
{
	struct hc_menv *m = &env->map;

#define PUT(attr, value) hc_put_u64(skb, HC_A_ENV_##attr, value, HC_A_ENV_PAD)
	return nla_put_u32(skb, HC_A_ENV_ID, m->id) ||
	       nla_put_string(skb, HC_A_ENV_NAME, env->name) ||
	       PUT(QUOTA, PAGES_BYTES(m->quota_pages)) ||
	       nla_put_u8(skb, HC_A_ENV_REPLICAS, m->replicas) ||
	       PUT(USED, PAGES_BYTES(READ_ONCE(m->nr_data))) ||
	       PUT(DEGRADED, PAGES_BYTES(READ_ONCE(m->nr_degraded))) ||
	       PUT(LOST, PAGES_BYTES(READ_ONCE(m->nr_lost))) ||
	       PUT(READS, atomic64_read(&env->reads)) ||
	       PUT(WRITES, atomic64_read(&env->writes)) ||
	       PUT(REFUSED, atomic64_read(&env->refused)) ||
	       put_lists(skb, env);
#undef PUT
}

/* The environment with the least id from @from on that the caller may see. Under node->lock. */
static struct hc_env *env_from(struct hc_node *node, u32 from)
{
	u32 own = hc_env_of_current();
	struct hc_env *env, *best = NULL;

	list_for_each_entry(env, &node->env_list, list) {
		u32 id = env->map.id;

		if (!env->is_ending && id >= from && (!own || own == id) &&
		    (!best || id < best->map.id))
			best = env;
	}
	return best;
}

int hc_nl_env_get_doit(struct sk_buff *in, struct genl_info *info)
{
	struct hc_node *node = node_of(info);
	struct hc_env *env;
	struct sk_buff *skb;
	void *head;
	int err;
	u32 id;

	err = hc_missing(info, HC_A_ENV_ID, "the id of an environment is needed");
	if (err)
		return err;
	id = nla_get_u32(info->attrs[HC_A_ENV_ID]);
	skb = hc_reply_new(info, &head);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&node->lock);
	env = env_from(node, id);
	if (!env || env->map.id != id)
		err = hc_bad_attr(info, HC_A_ENV_ID, -ENOENT, "there is no environment with this id");
	else
		err = put_env(skb, env) ? -EMSGSIZE : 0;
	mutex_unlock(&node->lock);
	return hc_reply_send(info, skb, head, err);
}

int hc_nl_env_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct hc_node *node = hc_node_of(sock_net(cb->skb->sk));
	struct hc_env *env;

	mutex_lock(&node->lock);
	while ((env = env_from(node, cb->args[0] + 1))) {
		void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
					 &hc_genl_family, NLM_F_MULTI, HC_CMD_ENV_GET);

		if (!head || put_env(skb, env)) {
			if (head)
				genlmsg_cancel(skb, head);
			break;
		}
		genlmsg_end(skb, head);
		cb->args[0] = env->map.id;
	}
	mutex_unlock(&node->lock);
	return skb->len;
}
