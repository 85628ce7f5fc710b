/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generic netlink front end: netlink.c (family), nl_peer, nl_memory, nl_env, nl_move. */
#ifndef _HC_NETLINK_H
#define _HC_NETLINK_H

#include <net/genetlink.h>
#include <uapi/linux/hyperchain.h>

extern struct genl_family hc_genl_family;

int hc_netlink_init(void);
void hc_netlink_exit(void);

/** hc_caller_is_admin() - who sent @skb: see "Who may do what" in the UAPI header */
bool hc_caller_is_admin(const struct sk_buff *skb);

/** hc_admin_check() - 0, or -EPERM with a text: what changes things and tells all asks it */
int hc_admin_check(const struct sk_buff *skb, struct netlink_ext_ack *extack);

/** hc_missing() - -EINVAL with a sentence when @attr was not given */
int hc_missing(struct genl_info *info, int attr, const char *text);

/** hc_bad_attr() - refuse @attr with a sentence; returns @err */
int hc_bad_attr(struct genl_info *info, int attr, int err, const char *text);

/** hc_reply_new() - start the answer to @info; *@ret_head goes to hc_reply_send() */
struct sk_buff *hc_reply_new(struct genl_info *info, void **ret_head);
int hc_reply_send(struct genl_info *info, struct sk_buff *skb, void *head, int err);

/* A u64 attribute; fewer words at the many places that need one. */
#define hc_put_u64(skb, attr, value, pad) nla_put_u64_64bit(skb, attr, value, pad)

int hc_nl_peer_add_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_peer_set_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_peer_del_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_peer_get_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_peer_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int hc_nl_pool_set_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_pool_get_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_lease_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int hc_nl_backing_add_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_backing_del_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_disk_add_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_disk_del_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_disk_get_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_env_add_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_env_set_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_env_del_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_env_get_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_env_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int hc_nl_cgroup_bind_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_cgroup_unbind_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_move_check_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_move_start_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_move_get_doit(struct sk_buff *skb, struct genl_info *info);
int hc_nl_move_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int hc_nl_move_resolve_doit(struct sk_buff *skb, struct genl_info *info);

#endif /* _HC_NETLINK_H */
