// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Environments of several nodes (R2), at the controller: what is wanted of them, and what follows
 * from the nodes that their users have. The nodes themselves do the rest (daemon/env/shared.h).
 *
 *	env-create      env-made                     env-del       env-gone
 *	──────────► MAKING ──────► MADE (on or off) ──────► GOING ──────► nothing is left
 *	               │ env-failed
 *	               ▼
 *	             FAILED: until it is deleted or made anew
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/node/state.h"
#include "daemon/policy/env.h"

static Hcp__KeptEnvironment *read_env(const struct hcd_kept *k)
{
	return k ? hcp__kept_environment__unpack(NULL, k->len, k->data) : NULL;
}

static void free_env(Hcp__KeptEnvironment *env)
{
	if (env)
		hcp__kept_environment__free_unpacked(env, NULL);
}

/* Return: false without memory. */
static bool set_error(Hcp__KeptEnvironment *env, const char *text)
{
	char *copy = NULL;

	if (asprintf(&copy, "%.*s", HCD_DECISION_TEXT_LEN / 2, text) < 0)
		return false;
	/* What was not there stands for itself, and is no memory of ours. */
	if (env->error != protobuf_c_empty_string)
		free(env->error);
	env->error = copy;
	return true;
}

static Hcp__KeptUser *read_user(const struct hcd_rules *r, const char *name)
{
	const struct hcd_kept *k = hcd_fsm_kept(r->c->fsm, HCD_KEPT_USER, name);

	return k ? hcp__kept_user__unpack(NULL, k->len, k->data) : NULL;
}

static void free_user(Hcp__KeptUser *user)
{
	if (user)
		hcp__kept_user__free_unpacked(user, NULL);
}

/* It is kept like that from this step on; @env NULL: no more. Return: 0 or -ENOMEM. */
static int keep(struct hcd_rules *r, const char *name, const Hcp__KeptEnvironment *env)
{
	struct hcd_outcome *out = &r->out;
	struct hcd_kept *k = &out->envs[out->nr_envs];

	if (out->nr_envs == HCD_RULES_ENVS)
		return -ENOMEM;
	*k = (struct hcd_kept){ .kind = HCD_KEPT_ENVIRONMENT };
	snprintf(k->key, sizeof(k->key), "%s", name);
	if (env) {
		k->len = hcp__kept_environment__get_packed_size(env);
		k->data = malloc(k->len + 1);
		if (!k->data)
			return -ENOMEM;
		hcp__kept_environment__pack(env, k->data);
	}
	out->nr_envs++;
	return 0;
}

__attribute__((format(printf, 5, 6)))
static void say(struct hcd_rules *r, const char *kind, const char *user, uint32_t node,
		const char *format, ...)
{
	char text[HCD_DECISION_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	hcd_rules_put(r, "R2", kind, user, node, text);
}

/* ---- what is wanted ------------------------------------------------------------------ */

static bool is_taken(uint32_t id, void *arg)
{
	const struct hcd_rules *r = arg;
	const struct hcd_fsm *fsm = r->c->fsm;
	bool is_found = hcd_state_env_by_id(&r->c->d->state, id, 0);

	for (size_t i = 0; i < fsm->nr_kept && !is_found; i++) {
		Hcp__KeptEnvironment *env = fsm->kept[i].kind == HCD_KEPT_ENVIRONMENT ?
					    read_env(&fsm->kept[i]) : NULL;

		is_found = env && env->id == id;
		free_env(env);
	}
	return is_found;
}

static bool holds(const Hcp__KeptUser *user, uint32_t node)
{
	for (size_t i = 0; user && i < user->n_seats; i++)
		if (user->seats[i]->node == node && user->seats[i]->is_own)
			return true;
	return false;
}

static bool has_active(const Hcp__KeptUser *user)
{
	for (size_t i = 0; user && i < user->n_seats; i++)
		if (user->seats[i]->env == 1 && user->seats[i]->is_active)
			return true;
	return false;
}

/*
 * Those of the named nodes that are not the user's become so, as by R14. Without a new one the
 * user must have one that is active. Return: 0 or -errno.
 */
static int pick(struct hcd_rules *r, const Hcp__Wish *wish)
{
	Hcp__KeptUser *user = read_user(r, wish->user);
	struct pol_event ev = { .kind = POL_EV_PICK, .user = wish->user, .load = POL_UNKNOWN };
	const struct pol_sink sink = { .decide = hcd_rules_decide, .arg = r };
	uint32_t *ids = calloc(wish->n_nodes + 1, sizeof(*ids));
	int ret = ids ? 0 : -ENOMEM;

	for (size_t i = 0; ids && i < wish->n_nodes; i++)
		if (!holds(user, wish->nodes[i]))
			ids[ev.nr_nodes++] = wish->nodes[i];
	ev.nodes = ids;
	if (!ev.nr_nodes && !has_active(user))
		hcd_rules_refuse(r, 1, "User %s has no active node: tick one with 'hyperchain user select', or name new ones with --nodes.",
		       wish->user);
	else if (ret == 0 && ev.nr_nodes)
		ret = pol_step(r->st, &ev, (int64_t)r->now_ms * 1000000, &sink);
	free(ids);
	free_user(user);
	return ret;
}

static int create(struct hcd_rules *r, const Hcp__Wish *wish, const Hcp__KeptEnvironment *old)
{
	const struct hcd_env *told = hcd_state_env_by_name(&r->c->d->state, wish->user, 0);
	Hcp__KeptEnvironment env;
	int ret;

	if (!wish->environment)
		return hcd_rules_refuse(r, 1, "What the environment is to be was not told.");
	if (old && old->phase != HCD_ENV_FAILED)
		return hcd_rules_refuse(r, 1, "There is an environment %s already.", wish->user);
	ret = pick(r, wish);
	if (ret < 0)
		return ret;
	if (r->out.is_refused)
		return 1;
	env = *wish->environment;
	env.id = told ? told->id : hcd_env_id(wish->user, is_taken, r);
	if (!env.id)
		return hcd_rules_refuse(r, 1, "There are %d environments already, which is the limit.", HC_ENVS_MAX);
	env.phase = HCD_ENV_MAKING;
	env.storage = 0;
	env.error = (char *)"";
	env.n_slots = 0;
	env.slots = NULL;
	env.serial = old ? old->serial + 1 : 1;
	ret = keep(r, wish->user, &env);
	if (ret == 0)
		say(r, "env-create", wish->user, 0, "An environment for %s is to be made on all its nodes.",
		    wish->user);
	return ret ? : 1;
}

/* What changes @env, which there is. Return: the decision's word; NULL: refused. */
static const char *change(struct hcd_rules *r, const Hcp__Wish *wish, Hcp__KeptEnvironment *env,
			  char *text, size_t len)
{
	const Hcp__KeptEnvironment *want = wish->environment;
	const char *name = wish->user, *what = wish->what;

	env->serial++;
	if (strcmp(what, "env-made") == 0 && env->phase == HCD_ENV_MAKING) {
		env->phase = HCD_ENV_MADE;
		env->has_sshd = want && want->has_sshd;
		snprintf(text, len, "Environment %s is made: node %u has its files.", name, env->storage);
	} else if (strcmp(what, "env-failed") == 0 && env->phase == HCD_ENV_MAKING && want) {
		env->phase = HCD_ENV_FAILED;
		if (!set_error(env, want->error))
			return NULL;
		snprintf(text, len, "Environment %s could not be made: ", name);
		hcd_text_clean(text + strlen(text), len - strlen(text), want->error, "");
	} else if (strcmp(what, "env-del") == 0) {
		env->phase = HCD_ENV_GOING;
		env->forget = want && want->forget;
		snprintf(text, len, "Environment %s is to be deleted.", name);
	} else if (env->phase != HCD_ENV_MADE) {
		hcd_rules_refuse(r, 1, "Environment %s is %s.", name, env->phase == HCD_ENV_GOING ? "being deleted" :
		       env->phase == HCD_ENV_FAILED ? "none: it could not be made" : "being made");
		return NULL;
	} else if (strcmp(what, "env-start") == 0 || strcmp(what, "env-stop") == 0) {
		bool is_off = strcmp(what, "env-stop") == 0;

		if (env->is_off == is_off) {
			hcd_rules_refuse(r, 1, "Environment %s %s already.", name, is_off ? "is stopped" : "runs");
			return NULL;
		}
		env->is_off = is_off;
		snprintf(text, len, "Environment %s is to %s.", name, env->is_off ? "end" : "run");
	} else if (strcmp(what, "env-size") == 0 && want) {
		env->cpus_milli = want->cpus_milli;
		env->memory = want->memory;
		snprintf(text, len, "Environment %s has another size now.", name);
	} else {
		hcd_rules_refuse(r, 1, "The controller knows no wish '%.32s' for environments: is it of an older version?",
		       what);
		return NULL;
	}
	return what;
}

int hcd_rules_env_wish(struct hcd_rules *r, const Hcp__Wish *wish)
{
	char text[HCD_DECISION_TEXT_LEN] = "";
	Hcp__KeptEnvironment *env;
	const char *kind;
	int ret = 1;

	if (strncmp(wish->what, "env-", 4) != 0)
		return 0;
	if (!hcd_text_is_name(wish->user))
		return hcd_rules_refuse(r, 1, "A user's name has 1 to %d letters, digits, '.', '_' and '-'.", HC_NAME_LEN);
	for (size_t i = 0; i < wish->n_nodes; i++)
		if (!hcd_fsm_member(r->c->fsm, wish->nodes[i]))
			return hcd_rules_refuse(r, 1, "Node %u is no member of the cluster: 'hyperchain node list' shows those that are.",
				      wish->nodes[i]);
	env = read_env(hcd_fsm_kept(r->c->fsm, HCD_KEPT_ENVIRONMENT, wish->user));
	if (strcmp(wish->what, "env-create") == 0) {
		ret = create(r, wish, env);
	} else if (!env) {
		hcd_rules_refuse(r, 1, "There is no environment \"%s\" on several nodes; \"hyperchain env list\" tells which there are.",
		       wish->user);
	} else if (strcmp(wish->what, "env-gone") == 0 && env->phase == HCD_ENV_GOING) {
		ret = keep(r, wish->user, NULL) ? : 1;
		say(r, "env-gone", wish->user, 0, "Environment %s is deleted.", wish->user);
	} else {
		kind = change(r, wish, env, text, sizeof(text));
		if (kind) {
			ret = keep(r, wish->user, env) ? : 1;
			say(r, kind, wish->user, env->storage, "%s", text);
		}
	}
	free_env(env);
	return ret;
}

/* ---- what follows -------------------------------------------------------------------- */

static size_t slot_of(const Hcp__KeptEnvironment *env, uint32_t node)
{
	size_t i;

	for (i = 0; i < env->n_slots && env->slots[i] != node; i++)
		;
	return i;
}

/* Each node that serves has a place of its own; it is kept as long as the node is a member. */
static bool give_slots(struct hcd_rules *r, const Hcp__KeptUser *user, Hcp__KeptEnvironment *env)
{
	bool has_changed = false;

	for (size_t i = 0; i < env->n_slots; i++) {
		if (!env->slots[i] || hcd_fsm_member(r->c->fsm, env->slots[i]))
			continue;
		env->slots[i] = 0;
		has_changed = true;
	}
	for (size_t i = 0; i < user->n_seats; i++) {
		uint32_t node = user->seats[i]->node, *more;
		size_t free_slot;

		if (user->seats[i]->env != 1 || slot_of(env, node) < env->n_slots)
			continue;
		free_slot = slot_of(env, 0);
		if (free_slot == HCD_ENV_NODES_MAX)
			continue;
		if (free_slot == env->n_slots) {
			more = realloc(env->slots, (env->n_slots + 1) * sizeof(*more));
			if (!more)
				return has_changed;
			env->slots = more;
			env->n_slots++;
		}
		env->slots[free_slot] = node;
		has_changed = true;
	}
	return has_changed;
}

static bool is_active(const Hcp__KeptUser *user, uint32_t node)
{
	for (size_t i = 0; i < user->n_seats; i++)
		if (user->seats[i]->node == node)
			return user->seats[i]->env == 1 && user->seats[i]->is_active;
	return false;
}

static bool follow(struct hcd_rules *r, const char *name, Hcp__KeptEnvironment *env)
{
	Hcp__KeptUser *user = read_user(r, name);
	uint32_t leader = user && user->n_envs ? user->envs[0]->leader : 0;
	bool has_changed = false;
	char text[96];

	if (user)
		has_changed = give_slots(r, user, env);
	if (user && env->phase == HCD_ENV_MAKING && !env->storage && leader) {
		env->storage = env->wanted && is_active(user, env->wanted) ? env->wanted : leader;
		say(r, "env-storage", name, env->storage, "Node %u is to have the files of environment %s.",
		    env->storage, name);
		has_changed = true;
	}
	free_user(user);
	if (env->storage && !hcd_fsm_member(r->c->fsm, env->storage)) {
		snprintf(text, sizeof(text), "Its files were on node %u, which was removed.", env->storage);
		has_changed = set_error(env, text);
		env->phase = HCD_ENV_FAILED;
		say(r, "alert", name, env->storage, "Environment %s is lost: its files were on node %u, which was removed.",
		    name, env->storage);
	}
	return has_changed;
}

bool hcd_rules_envs(struct hcd_rules *r)
{
	const struct hcd_fsm *fsm = r->c->fsm;

	for (size_t i = 0; i < fsm->nr_kept && r->out.nr_envs < HCD_RULES_ENVS; i++) {
		Hcp__KeptEnvironment *env = fsm->kept[i].kind == HCD_KEPT_ENVIRONMENT ?
					    read_env(&fsm->kept[i]) : NULL;

		if (env && env->phase != HCD_ENV_FAILED && follow(r, fsm->kept[i].key, env))
			keep(r, fsm->kept[i].key, env);
		free_env(env);
	}
	return r->out.nr_envs;
}
