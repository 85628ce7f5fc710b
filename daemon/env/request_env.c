// SPDX-License-Identifier: GPL-2.0-or-later
/* track, untrack, env.list. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/text.h"
#include "daemon/env/apply.h"
#include "daemon/env/container.h"
#include "daemon/env/envs.h"
#include "daemon/node/module.h"
#include "daemon/node/request.h"
#include "daemon/policy/env.h"

bool hcd_env_is_taken(uint32_t id, void *arg)
{
	return hcd_state_env_by_id(arg, id, 0);
}

/* Which donors are up to hear it now; the others hear it when they come. */
static json_t *donors_json(struct hcd *d, const struct hcd_env *env)
{
	json_t *donors = json_array();

	for (size_t i = 0; i < env->nr_donors; i++) {
		struct hcd_peer *peer = hcd_cluster_peer(d->cluster, env->donors[i]);

		json_array_append_new(donors, json_pack("{s:I, s:b}", "id",
							(json_int_t)env->donors[i], "live",
							peer && hcd_peer_is_up(peer)));
	}
	return donors;
}

/* Cgroups that another request added meanwhile stay. */
static void merge_cgroups(struct hcd_env_job *job, struct hcd_env *env)
{
	for (size_t i = 0; i < env->nr_cgroups; i++) {
		size_t n = job->env.nr_cgroups, k;

		for (k = 0; k < n && strcmp(job->env.cgroups[k], env->cgroups[i]) != 0; k++)
			;
		if (k < n || n == HCD_ENV_CGROUPS_MAX)
			continue;
		job->env.cgroups[n] = env->cgroups[i];
		job->bound[n] = env->cgroup_ids[i];
		job->env.nr_cgroups++;
		env->cgroups[i] = NULL;
	}
	hcd_env_clear(env);
}

static void track_finished(struct hcd_env_job *job, void *arg)
{
	struct hcd_request *req = arg;
	struct hcd *d = req->d;
	struct hcd_env *env = hcd_state_env_by_id(&d->state, job->env.id, d->config.node.id);
	char error[HCD_ERROR_LEN];

	if (job->job.result < 0) {
		/* A new one that could not be bound leaves nothing behind. */
		if (!env)
			hcd_env_withdraw(d, &job->env, NULL, NULL);
		hcd_request_fail(req, "%s", job->job.error);
		return;
	}
	if (!env) {
		env = hcd_state_env_add(&d->state);
		if (!env) {
			hcd_request_fail(req, "Memory is short.");
			return;
		}
	} else {
		merge_cgroups(job, env);
	}
	/* The job's copy moves into the state. */
	*env = job->env;
	memcpy(env->cgroup_ids, job->bound, sizeof(env->cgroup_ids));
	job->env.nr_cgroups = 0;
	hcd_envs_tell_all(d);
	if (hcd_save(d, error) < 0)
		hcd_request_fail(req, "Tracked until the next restart only: %s", error);
	else
		hcd_request_ok(req, json_pack("{s:s, s:I, s:o}", "env", env->name, "id",
					      (json_int_t)env->id, "donors", donors_json(d, env)));
}

/* The list of donors: no double, not ourselves, known as peers. */
bool hcd_env_take_donors(struct hcd_request *req, json_t *nodes, struct hcd_env *env)
{
	struct hcd *d = req->d;

	if (!json_is_array(nodes) || json_array_size(nodes) > HC_ENV_DONORS_MAX) {
		hcd_request_fail(req, "nodes must be a list of at most %d node ids.",
				 HC_ENV_DONORS_MAX);
		return false;
	}
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		json_t *value = json_array_get(nodes, i);
		json_int_t id = json_integer_value(value);

		if (!hcd_request_range(req, "A node's id", json_is_integer(value) ? id : -1, 1,
				       HCD_NODE_ID_MAX))
			return false;
		if (id == d->config.node.id) {
			hcd_request_fail(req, "Node %lld is this node itself: only others can lend to it.",
					 (long long)id);
			return false;
		}
		if (!hcd_cluster_peer(d->cluster, (uint32_t)id)) {
			hcd_request_fail(req, "Node %lld is no peer of this node; 'hyperchain peer add' makes it one.",
					 (long long)id);
			return false;
		}
		for (size_t k = 0; k < env->nr_donors; k++) {
			if (env->donors[k] == id) {
				hcd_request_fail(req, "Node %lld is named twice.", (long long)id);
				return false;
			}
		}
		env->donors[env->nr_donors++] = (uint32_t)id;
	}
	return true;
}

/* Copy the cgroups that @old has, and @path. Return: false without room or memory. */
static bool take_cgroups(const struct hcd_env *old, const char *path, struct hcd_env *env)
{
	bool has_it = false;

	for (size_t i = 0; old && i < old->nr_cgroups; i++) {
		has_it |= strcmp(old->cgroups[i], path) == 0;
		env->cgroups[env->nr_cgroups] = strdup(old->cgroups[i]);
		if (!env->cgroups[env->nr_cgroups])
			return false;
		env->nr_cgroups++;
	}
	if (has_it)
		return true;
	if (env->nr_cgroups == HCD_ENV_CGROUPS_MAX)
		return false;
	env->cgroups[env->nr_cgroups] = strdup(path);
	if (!env->cgroups[env->nr_cgroups])
		return false;
	env->nr_cgroups++;
	return true;
}

void hcd_do_track(struct hcd_request *req)
{
	struct hcd *d = req->d;
	json_int_t quota = 0, replicas = 2;
	struct hcd_env env = { .node = d->config.node.id }, *old, *any;
	const char *cgroup, *name;
	uint64_t cgroup_id;
	json_t *nodes;
	size_t len;
	int r;

	if (!hcd_request_unpack(req, "{s:s, s:s, s:o, s?I, s?I}", "cgroup", &cgroup, "env", &name,
				"nodes", &nodes, "quota", &quota, "replicas", &replicas) ||
	    !hcd_request_range(req, "quota", quota, 0, HC_DISK_SIZE_MAX) ||
	    !hcd_request_range(req, "replicas", replicas, 1, HC_REPLICAS_MAX) ||
	    !hcd_env_take_donors(req, nodes, &env))
		return;
	if (!hcd_text_is_name(name)) {
		hcd_request_fail(req, "An environment's name has 1 to %d letters, digits, '.', '_' and '-'.",
				 HC_NAME_LEN);
		return;
	}
	len = strlen(cgroup);
	r = cgroup[0] == '/' && len < HCD_CGROUP_LEN ? hcnl_cgroup_id(cgroup, &cgroup_id) : -EINVAL;
	if (r < 0) {
		hcd_request_fail(req, "\"%.128s\" is no cgroup v2 directory (%s): make it first, below /sys/fs/cgroup.",
				 cgroup, strerror(-r));
		return;
	}
	if (!hcd_module_is_attached(d->module)) {
		hcd_request_fail(req, "Nothing can be tracked without the module: %s",
				 hcd_module_reason(d->module));
		return;
	}
	env.quota = (uint64_t)quota;
	env.replicas = (uint32_t)replicas;
	snprintf(env.name, sizeof(env.name), "%s", name);
	/* The same name anywhere is the same environment, with the same id. */
	any = hcd_state_env_by_name(&d->state, name, 0);
	old = hcd_state_env_by_name(&d->state, name, d->config.node.id);
	env.id = any ? any->id : hcd_env_id(name, hcd_env_is_taken, &d->state);
	if (!env.id) {
		hcd_request_fail(req, "There are %d environments already, which is the limit.",
				 HC_ENVS_MAX);
		return;
	}
	if (!take_cgroups(old, cgroup, &env)) {
		hcd_env_clear(&env);
		hcd_request_fail(req, "An environment has at most %d cgroups here.",
				 HCD_ENV_CGROUPS_MAX);
		return;
	}
	r = hcd_env_apply(d, &env, track_finished, req);
	hcd_env_clear(&env);
	if (r < 0)
		hcd_request_fail(req, "Memory is short.");
}

static void untrack_finished(struct hcd_env_job *job, void *arg)
{
	struct hcd_request *req = arg;
	struct hcd *d = req->d;
	struct hcd_env *env = hcd_state_env_by_id(&d->state, job->env.id, d->config.node.id);
	char error[HCD_ERROR_LEN];

	if (job->job.result < 0) {
		hcd_request_fail(req, "%s", job->job.error);
		return;
	}
	if (env)
		hcd_state_env_del(&d->state, env);
	hcd_envs_tell_all(d);
	if (hcd_save(d, error) < 0)
		hcd_request_fail(req, "Untracked until the next restart only: %s", error);
	else
		hcd_request_ok(req, json_pack("{s:s, s:I}", "env", job->env.name, "id",
					      (json_int_t)job->env.id));
}

void hcd_do_untrack(struct hcd_request *req)
{
	struct hcd *d = req->d;
	struct hcd_env *env;
	const char *name;

	if (!hcd_request_unpack(req, "{s:s}", "env", &name))
		return;
	env = hcd_state_env_by_name(&d->state, name, d->config.node.id);
	if (!env) {
		hcd_request_fail(req, "There is no environment \"%.64s\" on this node.", name);
		return;
	}
	if (hcd_container_by_id(d->containers, env->id)) {
		hcd_request_fail(req, "Environment %s has a container: \"hyperchain env del %s\" deletes both.",
				 env->name, env->name);
		return;
	}
	if (hcd_env_withdraw(d, env, untrack_finished, req) < 0)
		hcd_request_fail(req, "Memory is short.");
}

void hcd_do_env_list(struct hcd_request *req)
{
	struct hcd *d = req->d;
	json_int_t after = -1;		/* position in the table */
	json_t *envs;
	size_t i;

	if (!hcd_request_unpack(req, "{s?I}", "after", &after))
		return;
	envs = json_array();
	for (i = after < 0 ? 0 : (size_t)after + 1; i < d->state.nr_envs; i++) {
		const struct hcd_env *env = &d->state.envs[i];
		json_t *cgroups;

		if (req->env && !req->is_admin && env->id != req->env)
			continue;
		if (json_array_size(envs) >= 32)
			break;
		cgroups = json_array();
		for (size_t k = 0; k < env->nr_cgroups && !req->env; k++)
			json_array_append_new(cgroups, json_string(env->cgroups[k]));
		json_array_append_new(envs, json_pack("{s:I, s:s, s:I, s:I, s:I, s:o, s:o}",
						      "id", (json_int_t)env->id, "name", env->name,
						      "node", (json_int_t)env->node,
						      "quota", (json_int_t)env->quota,
						      "replicas", (json_int_t)env->replicas,
						      "donors", donors_json(d, env),
						      "cgroups", cgroups));
	}
	hcd_request_ok(req, json_pack("{s:o, s:b, s:I}", "envs", envs,
				      "more", (int)(i < d->state.nr_envs), "next",
				      (json_int_t)i - 1));
}
