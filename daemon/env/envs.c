// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of environments and what nodes tell each other of them: see envs.h. */
#include "daemon/env/envs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/text.h"
#include "daemon/env/apply.h"
#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "daemon/policy/env.h"

#define CHECK_MS	1000
#define TOLD_MAX	4096	/* environments of other nodes that are kept */

static struct hcd_log_limit told_limit;

static bool is_ours(const struct hcd *d, const struct hcd_env *env)
{
	return env->node == d->config.node.id;
}

/* ---- what others use of us ------------------------------------------------- */

static bool lends_to(const struct hcd *d, const struct hcd_env *env)
{
	for (size_t i = 0; i < env->nr_donors; i++) {
		if (env->donors[i] == d->config.node.id)
			return true;
	}
	return false;
}

/* Several nodes may run one environment: their shares add up. */
static void set_limit(struct hcd *d, uint32_t id)
{
	uint64_t sum = 0;

	if (!hcd_module_is_attached(d->module))
		return;
	for (size_t i = 0; i < d->state.nr_envs; i++) {
		struct hcd_env *env = &d->state.envs[i];
		uint64_t limit = hcd_env_donor_limit(env->quota);

		if (env->id != id || is_ours(d, env) || !lends_to(d, env))
			continue;
		if (limit == 0 || sum + limit > HC_POOL_SIZE_MAX) {
			sum = 0;
			break;
		}
		sum += limit;
	}
	hcd_env_limit(d, id, sum);
}

static bool check_told(const struct hcd *d, const Hcp__Env *msg)
{
	const struct hcd_env *env;

	if (msg->id < 1 || msg->id > HC_ENVS_MAX || !hcd_text_is_name(msg->name) ||
	    msg->n_donors > HC_ENV_DONORS_MAX || msg->quota > HC_DISK_SIZE_MAX ||
	    msg->replicas < 1 || msg->replicas > HC_REPLICAS_MAX)
		return false;
	for (size_t i = 0; i < d->state.nr_envs; i++) {
		env = &d->state.envs[i];
		if (env->id == msg->id && strcmp(env->name, msg->name) != 0)
			return false;
	}
	return true;
}

static void on_env(struct hcd *d, struct hcd_peer *peer, const Hcp__Env *msg)
{
	struct hcd_env *env, fresh = { 0 };

	if (!check_told(d, msg)) {
		if (hcd_log_allow(&told_limit, uv_now(d->loop)))
			hcd_peer_warn(peer->config.id,
				      "Node %u told of an environment (id %u) that does not fit what is known here; it is passed over.",
				      peer->config.id, msg->id);
		return;
	}
	fresh.id = msg->id;
	fresh.node = peer->config.id;
	fresh.quota = msg->quota;
	fresh.replicas = msg->replicas;
	fresh.nr_donors = msg->n_donors;
	if (msg->n_donors)
		memcpy(fresh.donors, msg->donors, msg->n_donors * sizeof(*msg->donors));
	snprintf(fresh.name, sizeof(fresh.name), "%s", msg->name);
	env = hcd_state_env_by_id(&d->state, fresh.id, fresh.node);
	if (env && memcmp(env, &fresh, sizeof(fresh)) == 0)
		return;
	if (!env) {
		if (d->state.nr_envs >= TOLD_MAX)
			return;
		env = hcd_state_env_add(&d->state);
		if (!env)
			return;
	}
	*env = fresh;
	hcd_save(d, NULL);
	set_limit(d, fresh.id);
}

static void on_env_list(struct hcd *d, struct hcd_peer *peer, const Hcp__EnvList *msg)
{
	bool has_changed = false;

	for (size_t i = d->state.nr_envs; i-- > 0;) {
		struct hcd_env *env = &d->state.envs[i];
		uint32_t id = env->id;
		bool is_kept = false;

		if (env->node != peer->config.id)
			continue;
		for (size_t k = 0; k < msg->n_id; k++)
			is_kept |= msg->id[k] == id;
		if (is_kept)
			continue;
		hcd_state_env_del(&d->state, env);
		set_limit(d, id);
		has_changed = true;
	}
	if (has_changed)
		hcd_save(d, NULL);
}

void hcd_envs_frame(struct hcd *d, struct hcd_peer *peer, const struct hcd_frame *frame)
{
	if (frame->type == HCD_FRAME_ENV) {
		Hcp__Env *msg = hcp__env__unpack(NULL, frame->len, frame->payload);

		if (msg) {
			on_env(d, peer, msg);
			hcp__env__free_unpacked(msg, NULL);
		}
	} else if (frame->type == HCD_FRAME_ENV_LIST) {
		Hcp__EnvList *msg = hcp__env_list__unpack(NULL, frame->len, frame->payload);

		if (msg) {
			on_env_list(d, peer, msg);
			hcp__env_list__free_unpacked(msg, NULL);
		}
	}
}

void hcd_envs_tell(struct hcd *d, struct hcd_peer *peer)
{
	Hcp__EnvList list = HCP__ENV_LIST__INIT;
	uint32_t ids[HC_ENVS_MAX];

	list.id = ids;
	for (size_t i = 0; i < d->state.nr_envs; i++) {
		struct hcd_env *env = &d->state.envs[i];
		Hcp__Env msg = HCP__ENV__INIT;

		if (!is_ours(d, env) || list.n_id == HC_ENVS_MAX)
			continue;
		msg.id = env->id;
		msg.name = env->name;
		msg.quota = env->quota;
		msg.replicas = env->replicas;
		msg.donors = env->donors;
		msg.n_donors = env->nr_donors;
		hcd_cluster_send(peer, HCD_FRAME_ENV, &msg.base);
		ids[list.n_id++] = env->id;
	}
	hcd_cluster_send(peer, HCD_FRAME_ENV_LIST, &list.base);
}

void hcd_envs_tell_all(struct hcd *d)
{
	for (size_t i = 0; i < d->cluster->nr_peers; i++)
		hcd_envs_tell(d, d->cluster->peers[i]);
}

/* ---- ours -------------------------------------------------------------------- */

void hcd_envs_attached(struct hcd *d)
{
	bool done[HC_ENVS_MAX + 1] = { false };

	for (size_t i = 0; i < d->state.nr_envs; i++) {
		struct hcd_env *env = &d->state.envs[i];

		if (is_ours(d, env)) {
			hcd_env_apply(d, env, NULL, NULL);
		} else if (lends_to(d, env) && !done[env->id]) {
			done[env->id] = true;
			set_limit(d, env->id);
		}
	}
}

void hcd_envs_check(struct hcd *d)
{
	uint64_t now = uv_now(d->loop), id;

	if (!hcd_module_is_attached(d->module) || now - d->env_check_ms < CHECK_MS)
		return;
	d->env_check_ms = now;
	for (size_t i = 0; i < d->state.nr_envs; i++) {
		struct hcd_env *env = &d->state.envs[i];
		bool is_new = false;

		if (!is_ours(d, env))
			continue;
		for (size_t k = 0; k < env->nr_cgroups; k++) {
			if (hcnl_cgroup_id(env->cgroups[k], &id) < 0 || id == env->cgroup_ids[k])
				continue;
			/* Also when binding it fails: not each second the same again. */
			env->cgroup_ids[k] = id;
			is_new = true;
		}
		if (is_new)
			hcd_env_apply(d, env, NULL, NULL);
	}
}
