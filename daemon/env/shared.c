// SPDX-License-Identifier: GPL-2.0-or-later
/* What is to be here of environments of several nodes, and making it so: see shared.h. */
#include "daemon/env/shared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/env/apply.h"
#include "daemon/env/container_table.h"
#include "daemon/env/envs.h"
#include "daemon/node/log.h"
#include "daemon/node/module.h"

#define GONE_MS	3000	/* that a whole one is gone is told again after that */

/* ---- what is to be -------------------------------------------------------------------- */

static bool is_alive(const struct hcd *d, uint32_t node)
{
	const struct hcd_member *m = hcd_fsm_member(d->control->fsm, node);

	return m && !m->is_dead;
}

/* It serves, or its programs are still moving off. */
static bool has_container(const struct hcd *d, const Hcp__KeptSeat *seat)
{
	return ((seat->env == 1 && seat->is_active) || seat->drain_env == 1) &&
	       is_alive(d, seat->node);
}

static void take_node(struct hcd *d, struct hcd_shared *s, uint32_t node)
{
	for (size_t i = 0; i < s->env->n_slots && i < HCD_ENV_NODES_MAX; i++) {
		if (s->env->slots[i] != node || s->nr_nodes == HCD_ENV_NODES_MAX)
			continue;
		s->nodes[s->nr_nodes] = node;
		s->slots[s->nr_nodes++] = (uint32_t)i;
		s->is_here |= node == d->config.node.id;
		return;
	}
}

bool hcd_shared_read(struct hcd *d, const char *name, struct hcd_shared *ret)
{
	const struct hcd_fsm *fsm = d->control ? d->control->fsm : NULL;
	const struct hcd_kept *k = fsm ? hcd_fsm_kept(fsm, HCD_KEPT_ENVIRONMENT, name) : NULL;
	const struct hcd_kept *u = fsm ? hcd_fsm_kept(fsm, HCD_KEPT_USER, name) : NULL;
	Hcp__KeptUser *user = u ? hcp__kept_user__unpack(NULL, u->len, u->data) : NULL;
	struct hcd_shared s = { 0 };

	s.env = k ? hcp__kept_environment__unpack(NULL, k->len, k->data) : NULL;
	if (s.env) {
		s.name = k->key;
		s.is_storage = s.env->storage && s.env->storage == d->config.node.id;
		s.leader = user && user->n_envs ? user->envs[0]->leader : 0;
		for (size_t i = 0; user && i < user->n_seats; i++) {
			if (has_container(d, user->seats[i]))
				take_node(d, &s, user->seats[i]->node);
		}
		*ret = s;
	}
	if (user)
		hcp__kept_user__free_unpacked(user, NULL);
	return s.env;
}

void hcd_shared_clear(struct hcd_shared *s)
{
	if (s->env)
		hcp__kept_environment__free_unpacked(s->env, NULL);
	*s = (struct hcd_shared){ 0 };
}

static uint32_t mix(uint32_t hash, uint32_t value)
{
	return (hash ^ value) * 16777619u;
}

uint32_t hcd_shared_mark(const struct hcd_shared *s)
{
	uint32_t hash = mix(mix(2166136261u, s->env->serial), s->leader);

	for (size_t i = 0; i < s->nr_nodes; i++)
		hash = mix(mix(hash, s->nodes[i]), s->slots[i]);
	return hash;
}

/* Where its part of environments' traffic goes: the nodes' own network where there is one. */
static void address_of(const struct hcd *d, uint32_t node, char buf[INET6_ADDRSTRLEN])
{
	const struct hcd_control *c = d->control;
	const struct hcd_member *m = hcd_fsm_member(c->fsm, node);

	if (c->identity.encrypt == HCD_ENCRYPT_WIREGUARD)
		hcd_fabric_text(c->identity.cluster, node, buf);
	else
		snprintf(buf, INET6_ADDRSTRLEN, "%s", m ? m->address : "");
}

static json_t *node_spec(const struct hcd *d, uint32_t node, uint32_t slot)
{
	char address[INET6_ADDRSTRLEN];

	address_of(d, node, address);
	return json_pack("{s:I, s:I, s:s}", "id", (json_int_t)node, "slot", (json_int_t)slot,
			 "address", address);
}

json_t *hcd_shared_spec(struct hcd *d, const char *name, bool *ret_is_leader)
{
	char storage[INET6_ADDRSTRLEN] = "";
	json_t *nodes = json_array(), *own = NULL;
	struct hcd_shared s;

	*ret_is_leader = false;
	if (!hcd_shared_read(d, name, &s)) {
		/* It is gone, and with it all that it needs to know. */
		json_t *spec = json_pack("{s:o, s:o}", "own", node_spec(d, d->config.node.id, 0),
					 "nodes", nodes);

		return spec;
	}
	for (size_t i = 0; i < s.nr_nodes; i++) {
		json_array_append_new(nodes, node_spec(d, s.nodes[i], s.slots[i]));
		if (s.nodes[i] == d->config.node.id)
			own = node_spec(d, s.nodes[i], s.slots[i]);
	}
	if (!own)
		own = node_spec(d, d->config.node.id, 0);
	if (!s.is_storage && s.env->storage)
		address_of(d, s.env->storage, storage);
	*ret_is_leader = s.leader == d->config.node.id;
	own = json_pack("{s:o, s:I, s:s, s:o}", "own", own, "leader", (json_int_t)s.leader, "storage",
			storage, "nodes", nodes);
	hcd_shared_clear(&s);
	return own;
}

/* ---- telling the controller --------------------------------------------------------------- */

struct told {
	struct hcd *d;
	char name[HCD_CONTAINER_NAME + 1];
};

static void on_told(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct told *t = arg;
	struct hcd_containers *cs = t->d->containers;
	struct hcd_container *c = cs ? hcd_container_find(cs, t->name) : NULL;

	if (error || (result && result->error))
		hcd_log(LOG_WARNING, 0, t->name, "The controller does not take what is told of environment %s: %s",
			t->name, text ? text : result ? result->text : "");
	if (c)
		c->is_wished = false;
	free(t);
}

static void tell(struct hcd *d, struct hcd_container *c, const char *what, const char *name,
		 const char *error)
{
	Hcp__KeptEnvironment env = HCP__KEPT_ENVIRONMENT__INIT;
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Wish wish = HCP__WISH__INIT;
	struct told *t;

	if (c && c->is_wished)
		return;
	t = calloc(1, sizeof(*t));
	if (!t)
		return;
	t->d = d;
	snprintf(t->name, sizeof(t->name), "%s", name);
	env.error = (char *)error;
	env.has_sshd = c && c->has_sshd;
	wish.what = (char *)what;
	wish.user = (char *)name;
	wish.environment = &env;
	command.what_case = HCP__COMMAND__WHAT_WISH;
	command.wish = &wish;
	if (c)
		c->is_wished = true;
	hcd_control_do(d->control, &command, on_told, t);
}

/* ---- making it so --------------------------------------------------------------------------- */

/* Its memory may be at its other nodes; they and the module are told. Return: it can be here. */
static bool sync_module(struct hcd_containers *cs, const struct hcd_shared *s)
{
	struct hcd *d = cs->d;
	struct hcd_env want = { .id = s->env->id, .node = d->config.node.id, .quota = s->env->quota,
				.replicas = s->env->replicas };
	struct hcd_env *env = hcd_state_env_by_name(&d->state, s->name, d->config.node.id);

	if (env && env->id != s->env->id)
		return false;
	snprintf(want.name, sizeof(want.name), "%s", s->name);
	for (size_t i = 0; i < s->nr_nodes; i++) {
		if (s->nodes[i] != want.node && hcd_cluster_peer(d->cluster, s->nodes[i]) &&
		    want.nr_donors < HC_ENV_DONORS_MAX)
			want.donors[want.nr_donors++] = s->nodes[i];
	}
	if (env && env->nr_donors == want.nr_donors && env->quota == want.quota &&
	    env->replicas == want.replicas &&
	    !memcmp(env->donors, want.donors, sizeof(want.donors)))
		return true;
	if (!env) {
		env = hcd_state_env_add(&d->state);
		if (!env)
			return false;
		*env = want;
	}
	memcpy(env->donors, want.donors, sizeof(want.donors));
	env->nr_donors = want.nr_donors;
	env->quota = want.quota;
	env->replicas = want.replicas;
	hcd_save(d, NULL);
	hcd_envs_tell_all(d);
	if (hcd_module_is_attached(d->module))
		hcd_env_apply(d, env, NULL, NULL);
	return true;
}

/* A place in the table. NULL: not now. */
static struct hcd_container *add(struct hcd_containers *cs, const struct hcd_shared *s)
{
	char error[HCD_ERROR_LEN];
	struct hcd_container *c;

	if (strlen(s->name) > HCD_CONTAINER_NAME || hcd_container_by_id(cs, s->env->id))
		return NULL;
	c = hcd_container_add(cs, s->name, s->env->id);
	if (!c)
		return NULL;
	c->keys = strdup(s->env->keys);
	if (!c->keys) {
		hcd_container_drop(cs, c);
		return NULL;
	}
	snprintf(c->image, sizeof(c->image), "%s", s->env->image);
	c->is_shared = true;
	c->is_made = s->env->phase != HCD_ENV_MAKING;
	c->state = c->is_made ? HCD_CONTAINER_UNKNOWN : HCD_CONTAINER_CREATING;
	c->cpus_milli = s->env->cpus_milli;
	c->memory = s->env->memory;
	c->pids = s->env->pids;
	c->is_local = s->env->is_local;
	c->serial = s->env->serial;
	hcd_containers_save(cs, error);
	return c;
}

/* Nothing of it is to stay on this node; where its files are, those neither. */
static void end(struct hcd_containers *cs, struct hcd_container *c, enum hcd_container_op op)
{
	char error[HCD_ERROR_LEN];

	c->is_on = false;
	c->is_made = false;
	c->end_op = op;
	c->state = HCD_CONTAINER_DELETING;
	hcd_containers_save(cs, error);
	hcd_container_do(cs, c, op);
}

/* Do the others still have containers of it? Those that can't be asked and live, too. */
static bool is_elsewhere(struct hcd *d, uint32_t id)
{
	for (size_t i = 0; i < d->cluster->nr_peers; i++) {
		const struct hcd_peer *p = d->cluster->peers[i];

		if (!p->is_member || !is_alive(d, p->config.id))
			continue;
		if (!hcd_peer_is_up(p) || !p->has_status)
			return true;
		for (size_t k = 0; k < p->nr_boxes; k++) {
			if (p->boxes[k].id == id)
				return true;
		}
	}
	return false;
}

/* Return: true when it differs from what the helper was told last. */
static bool is_news(struct hcd *d, const struct hcd_container *c, const char *told)
{
	bool is_leader, is_new;
	json_t *spec = hcd_shared_spec(d, c->name, &is_leader);
	char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);

	is_new = text && (!told || strcmp(text, told) != 0);
	free(text);
	json_decref(spec);
	return is_new;
}

static void make(struct hcd_containers *cs, const struct hcd_shared *s, struct hcd_container *c)
{
	/* What is left of an attempt before this one. */
	if (c && c->state == HCD_CONTAINER_FAILED && !hcd_container_is_busy(c) &&
	    (!s->is_storage || c->serial != s->env->serial)) {
		hcd_container_drop(cs, c);
		c = NULL;
	}
	if (!s->is_storage)
		return;
	if (!c)
		c = add(cs, s);
	if (!c || hcd_container_is_busy(c))
		return;
	if (c->state == HCD_CONTAINER_FAILED)
		tell(cs->d, c, "env-failed", c->name, c->error);
	else if (c->is_made)
		tell(cs->d, c, "env-made", c->name, "");
	else
		hcd_container_do(cs, c, HCD_OP_CREATE);
}

static void resize(struct hcd_containers *cs, const struct hcd_shared *s, struct hcd_container *c)
{
	char error[HCD_ERROR_LEN];

	c->cpus_milli = s->env->cpus_milli;
	c->memory = s->env->memory;
	hcd_containers_save(cs, error);
	hcd_container_do(cs, c, HCD_OP_LIMIT);
}

static void run(struct hcd_containers *cs, const struct hcd_shared *s, struct hcd_container *c)
{
	bool is_wanted = s->is_here && !s->env->is_off;

	if (c && c->state == HCD_CONTAINER_FAILED && !hcd_container_is_busy(c)) {
		hcd_container_drop(cs, c);
		c = NULL;
	}
	if (!c && (s->is_storage || is_wanted))
		c = add(cs, s);
	if (!c)
		return;
	if (is_wanted && !sync_module(cs, s)) {
		snprintf(c->error, sizeof(c->error), "\"%s\" is tracked by hand on this node: untrack it first.",
			 c->name);
		is_wanted = false;
	}
	c->is_on = c->may_start = is_wanted;
	if (hcd_container_is_busy(c) || c->retry_ms > uv_now(cs->d->loop))
		return;
	if (c->state == HCD_CONTAINER_UNKNOWN)
		hcd_container_do(cs, c, HCD_OP_STATE);
	else if (s->is_storage && is_news(cs->d, c, c->given))
		hcd_container_do(cs, c, HCD_OP_SHARE);
	else if (c->state == HCD_CONTAINER_RUNNING && !is_wanted)
		hcd_container_do(cs, c, HCD_OP_STOP);
	else if (c->state == HCD_CONTAINER_RUNNING && is_news(cs->d, c, c->told))
		hcd_container_do(cs, c, HCD_OP_ROLE);
	else if (c->cpus_milli != s->env->cpus_milli || c->memory != s->env->memory)
		resize(cs, s, c);
	else if (c->state == HCD_CONTAINER_STOPPED && !s->is_storage && !s->is_here)
		end(cs, c, HCD_OP_LEAVE);
	else
		c->mark = hcd_shared_mark(s);
}

static void remove_all(struct hcd_containers *cs, const struct hcd_shared *s,
		       struct hcd_container *c)
{
	uint64_t now = uv_now(cs->d->loop);

	if (c)
		c->is_on = c->may_start = false;
	if (!c) {
		if (s->is_storage && now - cs->gone_ms >= GONE_MS) {
			cs->gone_ms = now;
			tell(cs->d, NULL, "env-gone", s->name, "");
		}
	} else if (hcd_container_is_busy(c)) {
		;	/* one thing after the other */
	} else if (c->state == HCD_CONTAINER_FAILED) {
		hcd_container_drop(cs, c);
	} else if (!s->is_storage) {
		end(cs, c, HCD_OP_LEAVE);
	} else if (c->state == HCD_CONTAINER_RUNNING) {
		hcd_container_do(cs, c, HCD_OP_STOP);
	} else if (!is_elsewhere(cs->d, c->id)) {
		c->forget = s->env->forget;
		end(cs, c, HCD_OP_DEL);
	}
}

static void act(struct hcd_containers *cs, const struct hcd_shared *s)
{
	struct hcd_container *c = hcd_container_find(cs, s->name);

	/* One of this node alone that was there before keeps its name here. */
	if (c && !c->is_shared)
		return;
	switch (s->env->phase) {
	case HCD_ENV_MAKING:
		make(cs, s, c);
		break;
	case HCD_ENV_MADE:
		run(cs, s, c);
		break;
	case HCD_ENV_FAILED:
		if (c && c->state == HCD_CONTAINER_FAILED && !hcd_container_is_busy(c))
			hcd_container_drop(cs, c);
		else if (c && !s->is_storage && !hcd_container_is_busy(c))
			end(cs, c, HCD_OP_LEAVE);
		break;
	case HCD_ENV_GOING:
		remove_all(cs, s, c);
		break;
	}
}

/*
 * Those that @fsm (NULL: nobody) does not know any more: they ended while this node was away. If
 * this node has the files, they stay, and the container says that it can't go.
 */
static void leave_all(struct hcd_containers *cs, const struct hcd_fsm *fsm)
{
	for (struct hcd_container *c = cs->first, *next; c; c = next) {
		next = c->next;
		if (!c->is_shared || hcd_container_is_busy(c) ||
		    (fsm && hcd_fsm_kept(fsm, HCD_KEPT_ENVIRONMENT, c->name)))
			continue;
		end(cs, c, HCD_OP_LEAVE);
	}
}

void hcd_shared_tick(struct hcd_containers *cs)
{
	struct hcd_control *control = cs->d->control;
	const struct hcd_fsm *fsm;

	if (!control)
		return;
	fsm = control->fsm;
	/* Of a cluster that this node is not in any more; it has no way to the files. */
	if (!control->identity.is_member || control->identity.is_removed) {
		leave_all(cs, NULL);
		return;
	}
	/* What is of the past starts and stops nothing. */
	if (!hcd_control_is_current(control))
		return;
	for (size_t i = 0; i < fsm->nr_kept; i++) {
		struct hcd_shared s;

		if (fsm->kept[i].kind != HCD_KEPT_ENVIRONMENT ||
		    !hcd_shared_read(cs->d, fsm->kept[i].key, &s))
			continue;
		act(cs, &s);
		hcd_shared_clear(&s);
	}
	leave_all(cs, fsm);
}
