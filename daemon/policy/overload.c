// SPDX-License-Identifier: GPL-2.0-or-later
/* R12: a node that is overloaded leaves its environments and becomes a spare of theirs. */
#include "daemon/policy/state.h"

/* A spare of @env that was made by another decision than @decision. */
static bool has_spare(const struct pol_env *env, uint64_t decision)
{
	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env == env && seat->is_own && seat->node->kind == POL_OVERLOAD &&
		    pol_node_is_up(seat->node) && seat->node->spare_decision != decision)
			return true;
	}
	return false;
}

/* Least loaded spare of an earlier check that its user still has ticked; NULL. */
static struct pol_node *spare_of(const struct pol_state *st, const struct pol_env *env)
{
	struct pol_node *best = NULL;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];
		struct pol_node *node = seat->node;

		if (seat->env != env || !seat->is_own || node->kind != POL_OVERLOAD ||
		    !pol_node_is_up(node) || !pol_known(node->load) ||
		    node->spare_check == st->check)
			continue;
		if (!best || node->load < best->load)
			best = node;
	}
	return best;
}

/* Active nodes of @env at @max or more, worst first, into tmp_nodes. */
static void find_overloaded(struct pol_state *st, const struct pol_env *env, int64_t max)
{
	struct pol_list *list = &st->tmp_nodes;

	list->nr = 0;
	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env == env && pol_seat_is_active(seat) && pol_known(seat->node->load) &&
		    seat->node->load >= max)
			list->p[list->nr++] = seat->node;
	}
	pol_sort(list->p, list->nr, pol_cmp_node_worst, 0);
}

/* Movable processes, heaviest first, go to a spare that is there, until the node is below. */
static void relieve(struct pol_state *st, struct pol_env *env, struct pol_node *node, int64_t max)
{
	pol_collect(st, env->user, node);
	for (size_t i = 0; i < st->tmp_procs.nr && node->load >= max; i++) {
		struct pol_proc *p = st->tmp_procs.p[i];
		struct pol_node *spare = spare_of(st, env);
		int64_t after;

		if (!spare)
			break;
		after = pol_known(p->load) ? spare->load + pol_load_on(p, spare) : max;
		if (after < max)
			pol_migrate(st, p, spare, 12,
				    "node %u was at %g >= %g, overload spare %u stays at %g",
				    node->id, POL_F(node->load), POL_F(max), spare->id,
				    POL_F(after));
	}
	if (node->load >= max)
		pol_keep(st, 12, NULL, node->id, "at %g >= %g, and nothing more fits on the overload spare",
			 POL_F(node->load), POL_F(max));
}

static void set_leaving(struct pol_state *st, struct pol_node *node, bool is_leaving)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		seat->is_leaving = is_leaving;
	pol_node_touch(st, node);
}

/* May @node leave all its environments? It is marked as leaving, and stays so if it may. */
static bool may_leave(struct pol_state *st, struct pol_node *node)
{
	set_leaving(st, node, true);
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		struct pol_env *env = seat->env;
		const struct pol_seat *leads;

		if (!env)
			continue;
		leads = env->leader ? pol_seat(env->user, env->leader) : NULL;
		if (has_spare(env, st->decision)) {
			pol_keep(st, 12, NULL, node->id, "an environment of %s has an overload spare already",
				 env->user->name);
		} else if (pol_nr_active(env) == 0) {
			pol_keep(st, 12, NULL, node->id, "the last active node of %s", env->user->name);
		} else if (leads && leads->is_leaving && !pol_next_leader(st, env)) {
			pol_alert(st, 12, NULL, env->leader->id,
				  "at %g >= %g, but it leads %s and no other node is below %g: it stays",
				  POL_F(env->leader->load), POL_F(pol_get(st, POL_NODE_MAX)),
				  env->user->name, POL_F(pol_get(st, POL_LEADER_NEXT_MAX)));
		} else {
			continue;
		}
		set_leaving(st, node, false);
		return false;
	}
	return true;
}

static void hand_over(struct pol_state *st, struct pol_node *node)
{
	char why[POL_WHY_LEN / 2];

	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		struct pol_env *env = seat->env;
		struct pol_node *next =
			env && env->leader == node ? pol_next_leader(st, env) : NULL;

		pol_say(why, sizeof(why), "node %u is at %g >= %g and becomes an overload spare",
			node->id, POL_F(node->load), POL_F(pol_get(st, POL_NODE_MAX)));
		if (next)
			pol_hand_over(st, env, next, 12, why);
	}
}

static void become_spare(struct pol_state *st, struct pol_node *node)
{
	struct pol_decision d = { .rule = 12, .action = POL_SPARE_SET, .node = node->id,
				  .kind = POL_OVERLOAD };
	size_t restricted = 0;
	char kept[80];

	for (const struct pol_proc *p = node->procs; p; p = p->next)
		restricted += !p->is_system && p->is_restricted;
	node->kind = POL_OVERLOAD;
	node->spare_check = st->check;
	node->spare_decision = st->decision;
	node->below_since = POL_UNKNOWN;
	st->nr_overload++;
	pol_emit(st, &d, "load %g >= %g%s", POL_F(node->load), POL_F(pol_get(st, POL_NODE_MAX)),
		 pol_kept_text(restricted, kept));
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->env)
			pol_empty(st, seat->env, node, NULL, 12);
	pol_hold(st, pol_known(node->load) && node->load < pol_get(st, POL_SPARE_RETURN),
		 &node->below_since);
}

void pol_overload_check(struct pol_state *st, struct pol_env *env)
{
	int64_t max = pol_get(st, POL_NODE_MAX);
	struct pol_list *list = &st->tmp_nodes;
	size_t nr = 0;

	find_overloaded(st, env, max);
	if (list->nr == 0)
		return;
	st->decision++;
	if (has_spare(env, st->decision)) {
		for (size_t i = 0; i < list->nr; i++)
			relieve(st, env, list->p[i], max);
		return;
	}
	for (size_t i = 0; i < list->nr; i++) {
		struct pol_node *node = list->p[i];
		const struct pol_seat *seat = pol_seat(env->user, node);

		/* A node that only helps out (R8, R18) goes back by its own rule. */
		if (seat->is_lent || !seat->is_own || node->stands_for)
			continue;
		if (may_leave(st, node))
			list->p[nr++] = node;
		if (st->config.value[POL_OVERLOAD_MODE] == POL_OVERLOAD_HIGHEST)
			break;
	}
	list->nr = nr;
	for (size_t i = 0; i < nr; i++)
		hand_over(st, list->p[i]);
	for (size_t i = 0; i < nr; i++)
		become_spare(st, list->p[i]);
	for (size_t i = 0; i < nr; i++)
		set_leaving(st, list->p[i], false);
}

void pol_overload_return(struct pol_state *st)
{
	int64_t hold = pol_get(st, POL_SPARE_HOLD), below = pol_get(st, POL_SPARE_RETURN);

	for (size_t i = 0; st->nr_overload && i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];
		struct pol_decision d = { .rule = 12, .action = POL_SPARE_UNSET, .node = node->id,
					  .kind = POL_OVERLOAD };
		int64_t lasted;

		if (node->kind != POL_OVERLOAD || !pol_node_is_up(node))
			continue;
		lasted = pol_hold(st, pol_known(node->load) && node->load < below,
				  &node->below_since);
		if (!pol_known(lasted) || lasted < hold || node->spare_check == st->check)
			continue;
		node->kind = POL_NO_SPARE;
		st->nr_overload--;
		pol_node_touch(st, node);
		pol_emit(st, &d, "load %g < %g for %g s >= %g s: active again", POL_F(node->load),
			 POL_F(below), POL_F(lasted), POL_F(hold));
	}
}
