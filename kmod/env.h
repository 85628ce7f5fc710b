/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Environments: whose cgroups may use whose memory, and how much (SPEC R13, R20a). */
#ifndef _HC_ENV_H
#define _HC_ENV_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <uapi/linux/hyperchain.h>

#include "policy/map.h"

struct bio;
struct hc_node;
struct hc_peer;
struct netlink_ext_ack;
struct task_struct;

struct hc_env {
	struct hc_menv map;		/* placement and counts; node->map_lock */
	struct hc_node *node;
	struct list_head list;		/* node->env_list, node->lock */
	struct rcu_head rcu;
	refcount_t refs;		/* one, and one per write under way */
	char name[HC_NAME_LEN + 1];	/* changed under node->lock and node->map_lock */
	u32 donors[HC_ENV_DONORS_MAX];	/* node ids, node->lock */
	u32 nr_donors;
	u32 nr_cgroups;			/* node->lock */
	bool is_short;			/* donors wait for a share's place; node->lock */
	bool is_ending;			/* removed, goes with its last page; node->lock */
	atomic64_t reads, writes, refused;	/* pages */
	bool is_full;			/* a write waited for room in vain; node->map_lock */
	unsigned long last_event;	/* jiffies of the last quota or room event */
	unsigned long last_failed;	/* jiffies of the last event of a failed read; map_lock */
	u32 just_lost;			/* pages, while a donor is given up; node->map_lock */
};

/* What ENV_ADD and ENV_SET say; pointers NULL and values < 0 where they say nothing. */
struct hc_env_spec {
	const char *name;
	s64 quota_bytes;
	int replicas;
	const u32 *donors;
	u32 nr_donors;
};

/* Process context; node->lock is taken inside. 0 or a negative errno with @extack set. */
int hc_env_add(struct hc_node *node, u32 id, const struct hc_env_spec *spec,
	       struct netlink_ext_ack *extack);
int hc_env_set(struct hc_node *node, u32 id, const struct hc_env_spec *spec,
	       struct netlink_ext_ack *extack);
int hc_env_del(struct hc_node *node, u32 id, struct netlink_ext_ack *extack);
int hc_env_bind(struct hc_node *node, u32 id, u64 cgroup, struct netlink_ext_ack *extack);
int hc_env_unbind(struct hc_node *node, u64 cgroup, struct netlink_ext_ack *extack);

/** hc_env_cgroups() - up to @max bound cgroup ids; their number. Under node->lock */
u32 hc_env_cgroups(const struct hc_env *env, u64 *ids, u32 max);

/** hc_env_of_bio() - environment that @bio's pages belong to, a reference or NULL. Any context */
struct hc_env *hc_env_of_bio(struct bio *bio, struct hc_node *node);
void hc_env_put(struct hc_env *env);

#define HC_ENV_TEXT_LEN	(HC_NAME_LEN + 32)

/**
 * hc_env_text() - who that is, for the begin of a sentence
 * @text: HC_ENV_TEXT_LEN bytes
 */
void hc_env_text(struct hc_node *node, u32 id, char *text);

/** hc_env_of_current() - id of the environment the caller runs in on any node, 0 = none */
u32 hc_env_of_current(void);

/* Peers come and go; node->lock is held. */
void hc_envs_peer_added(struct hc_node *node, struct hc_peer *peer);
void hc_envs_peer_removed(struct hc_node *node, struct hc_peer *peer);

/** hc_envs_reap() - removed environments whose last page is gone end now */
void hc_envs_reap(struct hc_node *node);

/** hc_envs_drop() - forget all of a node that goes away */
void hc_envs_drop(struct hc_node *node);

#endif /* _HC_ENV_H */
