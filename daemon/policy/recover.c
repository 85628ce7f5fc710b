// SPDX-License-Identifier: GPL-2.0-or-later
/* R8, the second half: a failed node comes back. */
#include "daemon/policy/state.h"

#include <errno.h>

static bool is_active(const struct pol_env *env, const struct pol_node *node)
{
	const struct pol_seat *seat = pol_seat(env->user, node);

	return seat && seat->env == env && pol_seat_is_active(seat);
}

/* Where @p goes when the spare leaves: to the node that is back, if it serves that environment. */
static struct pol_node *back_to(struct pol_state *st, const struct pol_proc *p,
				struct pol_node *node, const struct pol_node *spare)
{
	struct pol_env *env;

	if (!p->user || p->is_system)
		return pol_node_serves(node) ? node : NULL;
	env = pol_env_of(p, spare ? spare : node);
	if (is_active(env, node))
		return node;
	return p->node == spare ? pol_least_loaded(st, env, spare) : NULL;
}

/* What was taken from @node, and all that its spare runs. */
static void move_back(struct pol_state *st, struct pol_node *node, struct pol_node *spare)
{
	struct pol_list *list = &st->tmp_procs;

	list->nr = 0;
	for (size_t i = 0; i < st->procs_room; i++) {
		for (struct pol_proc *p = st->procs[i]; p; p = p->hash_next) {
			bool is_its = p->taken_from == node;

			if (is_its)
				p->taken_from = NULL;
			if (p->node && p->node != node && (is_its || p->node == spare) &&
			    !p->is_restricted)
				list->p[list->nr++] = p;
		}
	}
	pol_sort(list->p, list->nr, pol_cmp_heaviest, 0);
	for (size_t i = 0; i < list->nr; i++) {
		struct pol_proc *p = list->p[i];
		struct pol_node *to = back_to(st, p, node, spare);

		if (to && to != p->node)
			pol_migrate(st, p, to, 8, to == node ? "node %u is back" :
				    "node %u is back, its spare leaves", node->id);
	}
}

static size_t nr_restricted(const struct pol_node *node)
{
	size_t nr = 0;

	for (const struct pol_proc *p = node ? node->procs : NULL; p; p = p->next)
		nr += !p->is_system && p->is_restricted;
	return nr;
}

/* The spare leaves and is a spare again. */
static void leave(struct pol_state *st, struct pol_node *node, struct pol_node *spare)
{
	struct pol_env *env;
	size_t iter;
	char why[POL_WHY_LEN / 2];

	for (struct pol_seat *seat = spare ? spare->seats : NULL; seat; seat = seat->next)
		seat->is_leaving = seat->for_failed == node;
	if (spare)
		pol_node_touch(st, spare);
	pol_say(why, sizeof(why), "node %u is back, its spare leaves", node->id);
	for (env = pol_env_next(st, NULL, &iter); env && spare;
	     env = pol_env_next(st, env, &iter)) {
		struct pol_node *next = env->leader == spare ? pol_next_leader_any(st, env) : NULL;

		if (next)
			pol_hand_over(st, env, next, 8, why);
	}
	move_back(st, node, spare);
	if (!spare)
		return;
	for (struct pol_seat *seat = spare->seats, *next; seat; seat = next) {
		next = seat->next;
		if (!seat->is_leaving)
			continue;
		seat->is_leaving = false;
		seat->for_failed = NULL;
		pol_seat_tick(st, seat, NULL);
		pol_seat_tidy(st, seat);
	}
	spare->kind = spare->standin_kind;
	if (spare->kind == POL_SHARED && st->shared != spare)
		spare->kind = POL_IDLE;		/* R18 chose another one meanwhile */
	pol_node_touch(st, spare);
}

/* They change roles for good: the users who held the node hold its spare. */
static void swap(struct pol_state *st, struct pol_node *node, struct pol_node *spare)
{
	for (struct pol_seat *seat = node->seats, *next; seat; seat = next) {
		struct pol_seat *other = pol_seat(seat->user, spare);

		next = seat->next;
		if (!seat->is_own || seat->user->is_admin || !other)
			continue;
		if (!other->is_own)
			pol_seat_own(other, true);
		if (seat->env && !other->env)
			pol_seat_tick(st, other, seat->env);
		pol_seat_own(seat, false);
		pol_seat_tick(st, seat, NULL);
		pol_seat_tidy(st, seat);
	}
	for (struct pol_seat *seat = spare->seats, *next; seat; seat = next) {
		next = seat->next;
		seat->for_failed = seat->for_failed == node ? NULL : seat->for_failed;
		pol_seat_tidy(st, seat);
	}
	node->kind = spare->standin_kind;
	if (node->kind == POL_SHARED)
		st->shared = node;
	pol_node_touch(st, spare);
	pol_node_touch(st, node);
	for (size_t i = 0; i < st->procs_room; i++)
		for (struct pol_proc *p = st->procs[i]; p; p = p->hash_next)
			p->taken_from = p->taken_from == node ? NULL : p->taken_from;
}

/* Environments whose leader died when nobody was left: who is there now leads. */
void pol_heal(struct pol_state *st, struct pol_env *env, unsigned int rule)
{
	const struct pol_seat *seat = env->leader ? pol_seat(env->user, env->leader) : NULL;
	struct pol_node *next;

	if (seat && seat->env == env && pol_seat_may_lead(seat))
		return;
	next = pol_next_leader_any(st, env);
	if (next)
		pol_hand_over(st, env, next, rule, "it had no living leader");
	else if (env->leader && (!seat || !env->leader->is_failed))
		env->leader = NULL;
}

static void heal_all(struct pol_state *st)
{
	struct pol_env *env;
	size_t iter;

	for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter))
		pol_heal(st, env, 8);
}

int pol_recover(struct pol_state *st, struct pol_node *node)
{
	bool is_swap = st->config.value[POL_RECOVER_POLICY] == POL_RECOVER_SWAP;
	struct pol_node *spare = node->standin;
	struct pol_decision d = { .rule = 8, .action = POL_RESTORE, .node = node->id,
				  .spare = spare ? spare->id : 0, .is_swap = is_swap };
	size_t restricted;
	char kept[80];

	if (!node->is_failed) {
		pol_keep(st, 8, NULL, node->id, "it had not failed");
		return 0;
	}
	for (const struct pol_seat *seat = node->seats; seat && spare && is_swap;
	     seat = seat->next) {
		struct pol_seat *made;

		if (seat->is_own && pol_seat_get(st, seat->user, spare, &made) < 0)
			return -ENOMEM;
	}
	node->is_failed = false;
	node->standin = NULL;
	if (spare)
		spare->stands_for = NULL;
	pol_node_touch(st, node);
	if (spare && is_swap) {
		pol_emit(st, &d, "node %u is back and becomes the spare, node %u keeps its role",
			 node->id, spare->id);
		swap(st, node, spare);
		heal_all(st);
		return 0;
	}
	restricted = nr_restricted(spare);
	if (spare)
		pol_emit(st, &d, "node %u is back, node %u is a spare again%s", node->id, spare->id,
			 pol_kept_text(restricted, kept));
	else
		pol_emit(st, &d, "node %u is back, no spare had taken over", node->id);
	leave(st, node, spare);
	heal_all(st);
	return 0;
}
