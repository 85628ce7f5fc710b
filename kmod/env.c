// SPDX-License-Identifier: GPL-2.0-or-later
/* Environments and the cgroups bound to them (SPEC R13, R20a). */
#include <linux/bio.h>
#include <linux/blk-cgroup.h>
#include <linux/cgroup.h>
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "disk.h"
#include "env.h"
#include "lease.h"
#include "main.h"
#include "node.h"
#include "peer.h"

/* A bound cgroup. Ids are the machine's, so this table is too. */
struct binding {
	struct hlist_node hash;		/* bindings; bindings_lock, RCU for readers */
	struct rcu_head rcu;
	u64 cgroup;
	struct hc_env *env;
};

static DEFINE_HASHTABLE(bindings, 8);
static DEFINE_SPINLOCK(bindings_lock);

static struct binding *binding_find(u64 cgroup)
{
	struct binding *b;

	hash_for_each_possible_rcu(bindings, b, hash, cgroup, lockdep_is_held(&bindings_lock))
		if (b->cgroup == cgroup)
			return b;
	return NULL;
}

/* The binding of a cgroup or of the nearest one above it. Under RCU. */
static struct binding *binding_above(struct cgroup *cgrp)
{
	struct binding *b = NULL;

	for (; cgrp && !b; cgrp = cgroup_parent(cgrp))
		b = binding_find(cgroup_id(cgrp));
	return b;
}

struct hc_env *hc_env_of_bio(struct bio *bio, struct hc_node *node)
{
	struct cgroup_subsys_state *css;
	struct hc_env *env = NULL;
	struct binding *b;

	rcu_read_lock();
	css = bio_blkcg_css(bio);
	b = css ? binding_above(css->cgroup) : NULL;
	if (b && b->env->node == node && refcount_inc_not_zero(&b->env->refs))
		env = b->env;
	rcu_read_unlock();
	return env;
}

void hc_env_put(struct hc_env *env)
{
	if (env && refcount_dec_and_test(&env->refs))
		kfree_rcu(env, rcu);
}

void hc_env_text(struct hc_node *node, u32 id, char *text)
{
	struct hc_menv *menv;
	unsigned long flags;

	if (id == HC_ENV_HOST) {
		strscpy(text, "The host", HC_ENV_TEXT_LEN);
		return;
	}
	spin_lock_irqsave(&node->map_lock, flags);
	menv = node->envs[id];
	snprintf(text, HC_ENV_TEXT_LEN, "Environment %s (%u)",
		 menv ? container_of(menv, struct hc_env, map)->name : "", id);
	spin_unlock_irqrestore(&node->map_lock, flags);
}

u32 hc_env_of_current(void)
{
	struct binding *b;
	u32 id = 0;

	rcu_read_lock();
	b = binding_above(task_dfl_cgroup(current));
	if (b)
		id = b->env->map.id;
	rcu_read_unlock();
	return id;
}

u32 hc_env_cgroups(const struct hc_env *env, u64 *ids, u32 max)
{
	struct binding *b;
	u32 n = 0;
	int i;

	rcu_read_lock();
	hash_for_each_rcu(bindings, i, b, hash)
		if (b->env == env && n < max)
			ids[n++] = b->cgroup;
	rcu_read_unlock();
	return n;
}

static struct hc_env *env_find(struct hc_node *node, u32 id)
{
	struct hc_env *env;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(env, &node->env_list, list)
		if (env->map.id == id && !env->is_ending)
			return env;
	return NULL;
}

/* One that was removed and still has pages: the same id takes it up again. */
static struct hc_env *env_find_ending(struct hc_node *node, u32 id)
{
	struct hc_env *env;

	list_for_each_entry(env, &node->env_list, list)
		if (env->map.id == id && env->is_ending)
			return env;
	return NULL;
}

static bool is_donor(const struct hc_env *env, u32 id)
{
	u32 i;

	for (i = 0; i < env->nr_donors; i++)
		if (env->donors[i] == id)
			return true;
	return false;
}

/* Bring the shares of @env in line with its list of donors and the known peers. */
static void shares_set(struct hc_env *env)
{
	struct hc_node *node = env->node;
	u8 targets[HC_ENV_DONORS_MAX];
	struct hc_peer *peer;
	u32 nr = 0;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(peer, &node->peers, list)
		if (nr < HC_ENV_DONORS_MAX && is_donor(env, peer->id))
			targets[nr++] = peer->target;
	hc_disk_lock(node);
	env->is_short = hc_menv_shares_set(&env->map, targets, nr);
	hc_disk_unlock(node);
}

static void shares_update(struct hc_env *env)
{
	shares_set(env);
	hc_disk_recall_leaving(env->node);
	hc_lease_kick(env->node);
}

static int spec_apply(struct hc_env *env, const struct hc_env_spec *spec,
		      struct netlink_ext_ack *extack)
{
	if (spec->replicas >= 0 && spec->replicas != env->map.replicas && env->map.nr_data) {
		hc_extack(extack, "the number of copies can't change while pages are swapped out");
		return -EBUSY;
	}
	hc_disk_lock(env->node);
	if (spec->name)
		strscpy(env->name, spec->name, sizeof(env->name));
	if (spec->quota_bytes >= 0)
		env->map.quota_pages = DIV_ROUND_UP_ULL(spec->quota_bytes, PAGE_SIZE);
	if (spec->replicas >= 0)
		env->map.replicas = spec->replicas;
	hc_disk_unlock(env->node);
	if (spec->donors) {
		memcpy(env->donors, spec->donors, spec->nr_donors * sizeof(u32));
		env->nr_donors = spec->nr_donors;
	}
	shares_update(env);
	return 0;
}

int hc_env_add(struct hc_node *node, u32 id, const struct hc_env_spec *spec,
	       struct netlink_ext_ack *extack)
{
	struct hc_env_spec full = *spec;
	struct hc_env *env, *old;
	int err;

	env = kzalloc(sizeof(*env), GFP_KERNEL);
	if (!env)
		return -ENOMEM;
	hc_menv_init(&env->map, id, HC_REPLICAS_MAX, 0);
	env->node = node;
	refcount_set(&env->refs, 1);
	mutex_lock(&node->lock);
	if (env_find(node, id)) {
		mutex_unlock(&node->lock);
		kfree(env);
		hc_extack(extack, "an environment with this id exists");
		return -EEXIST;
	}
	old = env_find_ending(node, id);
	if (old) {
		kfree(env);
		env = old;
	} else {
		list_add_tail(&env->list, &node->env_list);
		hc_disk_lock(node);
		node->envs[id] = &env->map;
		hc_disk_unlock(node);
	}
	/* As if it were new: what was not asked for is not kept. */
	full.quota_bytes = max_t(s64, full.quota_bytes, 0);
	full.replicas = full.replicas < 0 ? HC_REPLICAS_MAX : full.replicas;
	full.donors = full.donors ?: env->donors;
	err = spec_apply(env, &full, extack);
	/* Refused: it still has pages, and goes with the last one as it would have. */
	if (!err)
		env->is_ending = false;
	mutex_unlock(&node->lock);
	return err;
}

int hc_env_set(struct hc_node *node, u32 id, const struct hc_env_spec *spec,
	       struct netlink_ext_ack *extack)
{
	struct hc_env *env;
	int err = 0;

	mutex_lock(&node->lock);
	env = env_find(node, id);
	if (env) {
		err = spec_apply(env, spec, extack);
	} else {
		hc_extack(extack, "there is no environment with this id");
		err = -ENOENT;
	}
	mutex_unlock(&node->lock);
	return err;
}

/* Nothing of it is left: no page, no lease, no write under way. */
static bool env_is_idle(struct hc_env *env)
{
	struct hc_node *node = env->node;
	bool idle;
	u32 i;

	if (READ_ONCE(env->map.nr_data) || READ_ONCE(env->map.nr_lost))
		return false;
	hc_disk_return_all(node, &env->map);
	hc_disk_lock(node);
	idle = !env->map.nr_data && !env->map.nr_lost && refcount_read(&env->refs) == 1;
	for (i = 0; idle && i < env->map.nr_shares; i++)
		idle = !env->map.share[i].nr_slabs && !env->map.share[i].nr_leaving;
	if (idle)
		node->envs[env->map.id] = NULL;
	hc_disk_unlock(node);
	return idle;
}

void hc_envs_reap(struct hc_node *node)
{
	struct hc_env *env, *tmp;

	mutex_lock(&node->lock);
	list_for_each_entry_safe(env, tmp, &node->env_list, list) {
		/* Slabs went back perhaps, and with them a share that left. */
		if (env->is_short && !env->is_ending)
			shares_set(env);
		if (!env->is_ending || !env_is_idle(env))
			continue;
		list_del(&env->list);
		hc_env_put(env);
	}
	mutex_unlock(&node->lock);
}

/*
 * Its pages stay where they are, with all their copies, until the kernel frees
 * them: a program may go on, and freed slots may wait in the caches of the kernel
 * (64 for each CPU). The last one takes the environment along.
 */
int hc_env_del(struct hc_node *node, u32 id, struct netlink_ext_ack *extack)
{
	struct hc_env *env;
	int err = 0;

	/* Writes that saw a binding before it went have their reference after this. */
	synchronize_rcu();
	mutex_lock(&node->lock);
	env = env_find(node, id);
	if (!env) {
		hc_extack(extack, "there is no environment with this id");
		err = -ENOENT;
	} else if (env->nr_cgroups) {
		hc_extack(extack, "cgroups are bound to it; unbind them first");
		err = -EBUSY;
	} else {
		env->is_ending = true;
	}
	mutex_unlock(&node->lock);
	if (err)
		return err;
	hc_envs_reap(node);
	hc_lease_kick(node);
	return 0;
}

int hc_env_bind(struct hc_node *node, u32 id, u64 cgroup, struct netlink_ext_ack *extack)
{
	struct binding *b = kzalloc(sizeof(*b), GFP_KERNEL);
	struct cgroup *cgrp;
	struct hc_env *env;
	int err = 0;

	if (!b)
		return -ENOMEM;
	cgrp = cgroup_get_from_id(cgroup);
	if (IS_ERR_OR_NULL(cgrp)) {
		kfree(b);
		hc_extack(extack, "there is no cgroup with this id");
		return -ENOENT;
	}
	if (!cgroup_parent(cgrp)) {
		err = -EINVAL;
		hc_extack(extack, "the root cgroup can't be bound: the host's own services live there");
	}
	cgroup_put(cgrp);
	mutex_lock(&node->lock);
	env = err ? NULL : env_find(node, id);
	if (!err && !env) {
		err = -ENOENT;
		hc_extack(extack, "there is no environment with this id");
	}
	if (!err) {
		spin_lock(&bindings_lock);
		if (binding_find(cgroup)) {
			err = -EEXIST;
			hc_extack(extack, "this cgroup is bound already");
		} else {
			b->cgroup = cgroup;
			b->env = env;
			hash_add_rcu(bindings, &b->hash, cgroup);
			env->nr_cgroups++;
		}
		spin_unlock(&bindings_lock);
	}
	mutex_unlock(&node->lock);
	if (err)
		kfree(b);
	else
		hc_lease_kick(node);
	return err;
}

int hc_env_unbind(struct hc_node *node, u64 cgroup, struct netlink_ext_ack *extack)
{
	struct binding *b;
	int err = 0;

	mutex_lock(&node->lock);
	spin_lock(&bindings_lock);
	b = binding_find(cgroup);
	if (!b || b->env->node != node) {
		err = -ENOENT;
		hc_extack(extack, "this cgroup is not bound");
	} else {
		hash_del_rcu(&b->hash);
		b->env->nr_cgroups--;
	}
	spin_unlock(&bindings_lock);
	mutex_unlock(&node->lock);
	if (!err)
		kfree_rcu(b, rcu);
	return err;
}

void hc_envs_peer_added(struct hc_node *node, struct hc_peer *peer)
{
	struct hc_env *env;

	/* All: one may still have a share from a peer that had this target number before. */
	list_for_each_entry(env, &node->env_list, list)
		shares_update(env);
}

void hc_envs_peer_removed(struct hc_node *node, struct hc_peer *peer)
{
	struct hc_env *env;

	hc_disk_lock(node);
	list_for_each_entry(env, &node->env_list, list) {
		struct hc_share *share = hc_menv_share(&env->map, peer->target);

		/* Not deleted while a write is under way there: then it is of no use at least. */
		if (share)
			share->is_leaving = true;
		hc_menv_share_del(&env->map, peer->target);
	}
	hc_disk_unlock(node);
}

void hc_envs_drop(struct hc_node *node)
{
	struct hc_env *env, *tmp;
	struct hlist_node *next;
	struct binding *b;
	int i;

	spin_lock(&bindings_lock);
	hash_for_each_safe(bindings, i, next, b, hash) {
		if (b->env->node != node)
			continue;
		hash_del_rcu(&b->hash);
		kfree_rcu(b, rcu);
	}
	spin_unlock(&bindings_lock);
	synchronize_rcu();
	mutex_lock(&node->lock);
	list_for_each_entry_safe(env, tmp, &node->env_list, list) {
		list_del(&env->list);
		node->envs[env->map.id] = NULL;
		hc_env_put(env);
	}
	mutex_unlock(&node->lock);
}
