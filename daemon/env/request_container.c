// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * container.list, .show, .create, .start, .stop, .resize, .del. What changes something is begun and
 * answered at once; .show says "busy" until it is done, and then how it went.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/env/container.h"
#include "daemon/env/envs.h"
#include "daemon/env/shared.h"
#include "daemon/cluster/control.h"
#include "daemon/node/request.h"
#include "daemon/policy/env.h"

#define ROWS_MAX	32
#define NODES_MAX	256	/* in all rows */
#define PIDS		8192
#define CPUS_MILLI_MIN	10
#define CPUS_MILLI_MAX	65536000
#define MEMORY_MIN	(16u << 20)

static bool is_theirs(const struct hcd_request *req, const struct hcd_container *c)
{
	return req->is_admin || !req->env || req->env == c->id;
}

/* Whose containers are on several nodes, by its name; the caller may see it. */
static bool read_shared(const struct hcd_request *req, const char *name, struct hcd_shared *s)
{
	if (!hcd_shared_read(req->d, name, s))
		return false;
	if (req->is_admin || !req->env || req->env == s->env->id)
		return true;
	hcd_shared_clear(s);
	return false;
}

/*
 * What has the least id above @after: an environment of several nodes, wherever it is, in @s; else
 * a container of this node alone. NULL and no s->env: nothing.
 */
static struct hcd_container *next_of(const struct hcd_request *req, uint32_t after,
				     struct hcd_shared *s)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	struct hcd_container *c;

	for (c = hcd_container_first(req->d->containers); c; c = c->next) {
		if (c->id > after && !c->is_shared && is_theirs(req, c))
			break;
	}
	for (size_t i = 0; i < fsm->nr_kept; i++) {
		struct hcd_shared other;

		if (fsm->kept[i].kind != HCD_KEPT_ENVIRONMENT ||
		    !read_shared(req, fsm->kept[i].key, &other))
			continue;
		if (other.env->id > after && (!c || other.env->id <= c->id) &&
		    (!s->env || other.env->id < s->env->id)) {
			hcd_shared_clear(s);
			*s = other;
		} else {
			hcd_shared_clear(&other);
		}
	}
	return s->env ? NULL : c;
}

void hcd_do_container_list(struct hcd_request *req)
{
	struct hcd_containers *cs = req->d->containers;
	json_t *list = json_array();
	json_int_t after = 0;
	bool has_more = false;
	size_t nr_nodes = 0;

	if (!hcd_request_unpack(req, "{s?I}", "after", &after)) {
		json_decref(list);
		return;
	}
	for (;;) {
		struct hcd_shared s = { 0 };
		struct hcd_container *c = next_of(req, (uint32_t)after, &s);

		if (!c && !s.env)
			break;
		has_more = json_array_size(list) == ROWS_MAX || nr_nodes > NODES_MAX;
		if (!has_more) {
			nr_nodes += s.nr_nodes;
			after = s.env ? s.env->id : c->id;
			json_array_append_new(list, s.env ? hcd_shared_json(req->d, &s) :
					      hcd_container_json(cs, c));
		}
		hcd_shared_clear(&s);
		if (has_more)
			break;
	}
	hcd_request_ok(req, json_pack("{s:o, s:b}", "containers", list, "more", has_more));
}

/* NULL: the request has failed. */
static struct hcd_container *find(struct hcd_request *req, const char *name)
{
	struct hcd_container *c = hcd_container_find(req->d->containers, name);

	if (c && is_theirs(req, c) && !c->is_shared)
		return c;
	if (c && is_theirs(req, c)) {
		hcd_request_fail(req, "What the cluster has decided of environment %s is not known here yet; try again in a moment.",
				 c->name);
		return NULL;
	}
	hcd_request_fail(req, "There is no environment \"%.64s\" with a container on this node; \"hyperchain env list\" tells which there are.",
			 name);
	return NULL;
}

static struct hcd_container *find_idle(struct hcd_request *req, const char *name)
{
	struct hcd_container *c = find(req, name);

	if (!c)
		return NULL;
	if (c->state == HCD_CONTAINER_FAILED) {
		hcd_request_fail(req, "Environment %s could not be created: %s", c->name, c->error);
		return NULL;
	}
	/* What waits to be tried again is not under way. */
	if (c->job || (hcd_container_is_busy(c) && !c->error[0])) {
		hcd_request_fail(req, "Environment %s is being worked on; try again in a moment.", c->name);
		return NULL;
	}
	return c;
}

static void answer(struct hcd_request *req, const struct hcd_container *c)
{
	hcd_request_ok(req, json_pack("{s:o}", "container",
				      hcd_container_json(req->d->containers, c)));
}

json_t *hcd_container_seen(struct hcd_request *req, const char *name)
{
	struct hcd_container *c;
	struct hcd_shared s;
	json_t *obj;

	if (read_shared(req, name, &s)) {
		obj = hcd_shared_json(req->d, &s);
		hcd_shared_clear(&s);
		return obj;
	}
	c = find(req, name);
	return c ? hcd_container_json(req->d->containers, c) : NULL;
}

void hcd_do_container_show(struct hcd_request *req)
{
	json_t *container;
	const char *name;

	if (!hcd_request_unpack(req, "{s:s}", "name", &name))
		return;
	container = hcd_container_seen(req, name);
	if (container)
		hcd_request_ok(req, json_pack("{s:o}", "container", container));
}

/* ---- create ---------------------------------------------------------------------------- */

static bool is_login(const char *name)
{
	size_t len = strlen(name);

	return len && len <= HCD_CONTAINER_NAME && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

/* One key a line, no private one. Return: false, the request has failed. */
static bool check_keys(struct hcd_request *req, const char *keys)
{
	if (strlen(keys) >= HCD_CONTAINER_KEYS) {
		hcd_request_fail(req, "The ssh keys are longer than %d bytes.", HCD_CONTAINER_KEYS - 1);
		return false;
	}
	for (const char *line = keys; *line; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");

		if (strncmp(line, "-----BEGIN", 10) == 0) {
			hcd_request_fail(req, "That is a private key, which nobody but its owner may have: give the public one (.pub).");
			return false;
		}
		if (len && line[0] != '#' && strncmp(line, "ssh-", 4) && strncmp(line, "ecdsa-", 6) &&
		    strncmp(line, "sk-", 3)) {
			hcd_request_fail(req, "\"%.*s...\" is no public ssh key: a line begins with its kind, like ssh-ed25519.",
					 (int)(len < 20 ? len : 20), line);
			return false;
		}
		line += len;
	}
	return true;
}

static bool check_limits(struct hcd_request *req, json_int_t cpus_milli, json_int_t memory,
			 json_int_t quota)
{
	return (cpus_milli == 0 || hcd_request_range(req, "The CPUs, in thousandths,", cpus_milli,
						     CPUS_MILLI_MIN, CPUS_MILLI_MAX)) &&
	       (memory == 0 || hcd_request_range(req, "memory", memory, MEMORY_MIN, HC_DISK_SIZE_MAX)) &&
	       hcd_request_range(req, "quota", quota, 0, HC_DISK_SIZE_MAX);
}

/* A place in the tables of environments and of containers. NULL: the request has failed. */
static struct hcd_container *add(struct hcd_request *req, const char *name, struct hcd_env *env)
{
	struct hcd *d = req->d;
	struct hcd_env *any = hcd_state_env_by_name(&d->state, name, 0), *kept;
	struct hcd_container *c;

	if (hcd_state_env_by_name(&d->state, name, d->config.node.id)) {
		hcd_request_fail(req, "\"%s\" is tracked by hand on this node: untrack it first, or take another name.",
				 name);
		return NULL;
	}
	env->node = d->config.node.id;
	snprintf(env->name, sizeof(env->name), "%s", name);
	env->id = any ? any->id : hcd_env_id(name, hcd_env_is_taken, &d->state);
	if (!env->id) {
		hcd_request_fail(req, "There are %d environments already, which is the limit.",
				 HC_ENVS_MAX);
		return NULL;
	}
	kept = hcd_state_env_add(&d->state);
	c = kept ? hcd_container_add(d->containers, name, env->id) : NULL;
	if (kept)
		*kept = *env;
	if (!c) {
		if (kept)
			hcd_state_env_del(&d->state, kept);
		hcd_request_fail(req, "Memory is short.");
	}
	return c;
}

static void undo(struct hcd *d, struct hcd_container *c)
{
	struct hcd_env *env = hcd_state_env_by_id(&d->state, c->id, d->config.node.id);

	hcd_container_drop(d->containers, c);
	if (env)
		hcd_state_env_del(&d->state, env);
	hcd_save(d, NULL);
}

/* Of a user of the cluster, or whose nodes are named: on all of these. */
static bool is_of_cluster(const struct hcd_request *req, const char *name, json_t *nodes)
{
	const struct hcd_control *c = req->d->control;

	return c->identity.is_member && !c->identity.is_removed &&
	       (json_array_size(nodes) || hcd_fsm_kept(c->fsm, HCD_KEPT_USER, name));
}

/* Return: false, the request has failed. */
static bool take_nodes(struct hcd_request *req, json_t *nodes, uint32_t ids[HCD_ENV_NODES_MAX])
{
	json_t *value;
	size_t i;

	if (json_array_size(nodes) > HCD_ENV_NODES_MAX) {
		hcd_request_fail(req, "An environment has at most %d nodes.", HCD_ENV_NODES_MAX);
		return false;
	}
	json_array_foreach(nodes, i, value) {
		if (!hcd_request_range(req, "A node's id", json_is_integer(value) ? json_integer_value(value) : -1,
				       1, HCD_NODE_ID_MAX))
			return false;
		ids[i] = (uint32_t)json_integer_value(value);
	}
	return true;
}

static void create_shared(struct hcd_request *req, const char *name, json_t *nodes,
			  Hcp__KeptEnvironment *env)
{
	uint32_t ids[HCD_ENV_NODES_MAX];
	struct hcd_container *c = hcd_container_find(req->d->containers, name);

	if (c && !c->is_shared) {
		hcd_request_fail(req, "There is an environment \"%s\" of this node alone: delete it first, or take another name.",
				 name);
		return;
	}
	env->network = req->d->config.env.network;
	env->wanted = req->d->config.node.id;
	if (take_nodes(req, nodes, ids))
		hcd_shared_wish(req, "env-create", name, env, ids, json_array_size(nodes));
}

void hcd_do_container_create(struct hcd_request *req)
{
	struct hcd *d = req->d;
	json_int_t cpus_milli = 0, memory = 0, quota = 0, replicas = HC_REPLICAS_MAX;
	struct hcd_env env = { 0 };
	const char *name, *image = "", *keys = "";
	char error[HCD_ERROR_LEN] = "Memory is short.";
	struct hcd_container *c;
	json_t *nodes = NULL;
	const char *view = "sum";
	bool is_shared;

	if (!hcd_request_unpack(req, "{s:s, s?s, s?s, s?o, s?I, s?I, s?I, s?I, s?s}", "name", &name, "image",
				&image, "keys", &keys, "nodes", &nodes, "cpus_milli", &cpus_milli,
				"memory", &memory, "quota", &quota, "replicas", &replicas, "view",
				&view))
		return;
	if (!is_login(name)) {
		hcd_request_fail(req, "\"%.64s\" is no login: a small letter, then at most %d small letters, digits, '_' and '-'.",
				 name, HCD_CONTAINER_NAME - 1);
		return;
	}
	is_shared = is_of_cluster(req, name, nodes);
	if (!check_keys(req, keys) || !check_limits(req, cpus_milli, memory, quota) ||
	    !hcd_request_range(req, "replicas", replicas, 1, HC_REPLICAS_MAX) ||
	    (nodes && !is_shared && !hcd_env_take_donors(req, nodes, &env)))
		return;
	if (strlen(image) >= HCD_PATH_LEN || (image[0] && image[0] != '/')) {
		hcd_request_fail(req, "The image must be an absolute path of less than %d bytes.",
				 HCD_PATH_LEN);
		return;
	}
	if (strcmp(view, "sum") != 0 && strcmp(view, "local") != 0) {
		hcd_request_fail(req, "The view is \"sum\" or \"local\".");
		return;
	}
	if (is_shared) {
		Hcp__KeptEnvironment kept = HCP__KEPT_ENVIRONMENT__INIT;

		kept.image = (char *)image;
		kept.keys = (char *)keys;
		kept.cpus_milli = (uint32_t)cpus_milli;
		kept.memory = (uint64_t)memory;
		kept.pids = PIDS;
		kept.quota = (uint64_t)quota;
		kept.replicas = (uint32_t)replicas;
		kept.is_local = strcmp(view, "local") == 0;
		create_shared(req, name, nodes, &kept);
		return;
	}
	c = hcd_container_find(d->containers, name);
	if (c && c->state == HCD_CONTAINER_FAILED && !c->is_shared) {
		hcd_container_drop(d->containers, c);
	} else if (c) {
		hcd_request_fail(req, "There is an environment \"%s\" already.", name);
		return;
	}
	env.quota = (uint64_t)quota;
	env.replicas = (uint32_t)replicas;
	c = add(req, name, &env);
	if (!c)
		return;
	c->keys = strdup(keys);
	snprintf(c->image, sizeof(c->image), "%s", image);
	c->cpus_milli = (uint32_t)cpus_milli;
	c->memory = (uint64_t)memory;
	c->pids = PIDS;
	c->is_local = strcmp(view, "local") == 0;
	c->is_on = true;
	c->state = HCD_CONTAINER_CREATING;
	if (!c->keys || hcd_containers_save(d->containers, error) < 0 || hcd_save(d, error) < 0) {
		undo(d, c);
		hcd_request_fail(req, "Nothing was created: %s", error);
		return;
	}
	hcd_envs_tell_all(d);
	hcd_container_do(d->containers, c, HCD_OP_CREATE);
	answer(req, c);
}

/* ---- change ---------------------------------------------------------------------------- */

static void begin(struct hcd_request *req, struct hcd_container *c, enum hcd_container_op op)
{
	char error[HCD_ERROR_LEN];

	if (hcd_containers_save(req->d->containers, error) < 0) {
		hcd_request_fail(req, "%s", error);
		return;
	}
	c->error[0] = '\0';
	hcd_container_do(req->d->containers, c, op);
	answer(req, c);
}

/* Is it of several nodes? Then the controller is asked, and the request is dealt with. */
static bool wish(struct hcd_request *req, const char *what, const char *name,
		 Hcp__KeptEnvironment *env)
{
	struct hcd_shared s;

	if (!read_shared(req, name, &s))
		return false;
	hcd_shared_clear(&s);
	hcd_shared_wish(req, what, name, env, NULL, 0);
	return true;
}

static bool resize_shared(struct hcd_request *req, const char *name, json_t *cpus, json_t *bytes)
{
	Hcp__KeptEnvironment want = HCP__KEPT_ENVIRONMENT__INIT;
	json_int_t cpus_milli, memory;
	struct hcd_shared s;

	if (!read_shared(req, name, &s))
		return false;
	cpus_milli = cpus ? json_integer_value(cpus) : s.env->cpus_milli;
	memory = bytes ? json_integer_value(bytes) : (json_int_t)s.env->memory;
	hcd_shared_clear(&s);
	if (!check_limits(req, cpus_milli, memory, 0))
		return true;
	want.cpus_milli = (uint32_t)cpus_milli;
	want.memory = (uint64_t)memory;
	return wish(req, "env-size", name, &want);
}

void hcd_do_container_start(struct hcd_request *req)
{
	struct hcd_container *c;
	const char *name;

	if (!hcd_request_unpack(req, "{s:s}", "name", &name) || wish(req, "env-start", name, NULL))
		return;
	c = find_idle(req, name);
	if (!c)
		return;
	if (c->state == HCD_CONTAINER_RUNNING) {
		hcd_request_fail(req, "Environment %s runs already.", c->name);
		return;
	}
	c->is_on = true;
	begin(req, c, HCD_OP_START);
}

void hcd_do_container_stop(struct hcd_request *req)
{
	struct hcd_container *c;
	const char *name;

	if (!hcd_request_unpack(req, "{s:s}", "name", &name) || wish(req, "env-stop", name, NULL))
		return;
	c = find_idle(req, name);
	if (!c)
		return;
	c->is_on = false;
	begin(req, c, HCD_OP_STOP);
}

void hcd_do_container_resize(struct hcd_request *req)
{
	struct hcd_container *c;
	json_int_t cpus_milli, memory;
	const char *name;
	json_t *cpus = NULL, *bytes = NULL;

	if (!hcd_request_unpack(req, "{s:s, s?o, s?o}", "name", &name, "cpus_milli", &cpus, "memory",
				&bytes))
		return;
	if (resize_shared(req, name, cpus, bytes))
		return;
	c = find_idle(req, name);
	if (!c)
		return;
	cpus_milli = cpus ? json_integer_value(cpus) : c->cpus_milli;
	memory = bytes ? json_integer_value(bytes) : (json_int_t)c->memory;
	if (!check_limits(req, cpus_milli, memory, 0))
		return;
	c->cpus_milli = (uint32_t)cpus_milli;
	c->memory = (uint64_t)memory;
	begin(req, c, HCD_OP_LIMIT);
}

void hcd_do_container_del(struct hcd_request *req)
{
	struct hcd_container *c;
	const char *name;
	Hcp__KeptEnvironment kept = HCP__KEPT_ENVIRONMENT__INIT;
	int forget = 0;

	if (!hcd_request_unpack(req, "{s:s, s?b}", "name", &name, "forget", &forget))
		return;
	kept.forget = forget;
	if (wish(req, "env-del", name, &kept))
		return;
	c = hcd_container_find(req->d->containers, name);
	if (c && c->state == HCD_CONTAINER_FAILED) {
		hcd_container_drop(req->d->containers, c);
		hcd_request_ok(req, NULL);
		return;
	}
	c = find_idle(req, name);
	if (!c)
		return;
	/* From here on it goes, also over a restart. */
	c->is_on = false;
	c->is_made = false;
	c->forget = forget;
	c->state = HCD_CONTAINER_DELETING;
	begin(req, c, HCD_OP_DEL);
}
