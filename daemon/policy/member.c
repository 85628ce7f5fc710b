// SPDX-License-Identifier: GPL-2.0-or-later
/* R1, R13: nodes are drained or removed, users go. What serves there hands over first. */
#include "daemon/policy/state.h"

#include <errno.h>

/* Environments that @node leads get another leader, if there is one. */
static void hand_over_all(struct pol_state *st, struct pol_node *node, const char *why)
{
	struct pol_env *env;
	size_t iter;

	for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter)) {
		struct pol_node *next;

		if (env->leader != node)
			continue;
		next = pol_next_leader_any(st, env);
		if (next)
			pol_hand_over(st, env, next, 1, why);
		else
			pol_alert(st, 1, env->user->name, 0,
				  "%s, but no other node can lead the environment: it stays", why);
	}
}

void pol_drain(struct pol_state *st, struct pol_node *node, bool is_drained)
{
	char why[POL_WHY_LEN / 2], kept[80];
	struct pol_env *env;
	size_t stuck = 0, restricted = 0, iter;

	if (node->is_drained == is_drained)
		return;
	node->is_drained = is_drained;
	pol_node_touch(st, node);
	if (!is_drained) {
		for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter))
			pol_heal(st, env, 1);
		return;
	}
	pol_say(why, sizeof(why), "node %u is drained", node->id);
	hand_over_all(st, node, why);
	for (const struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->env)
			stuck += pol_empty(st, seat->env, node, NULL, 1);
	for (const struct pol_proc *p = node->procs; p; p = p->next)
		restricted += !p->is_system && p->is_restricted;
	if (restricted)
		pol_alert(st, 1, NULL, node->id, "node %u is drained%s", node->id,
			  pol_kept_text(restricted, kept));
	if (stuck)
		pol_alert(st, 1, NULL, node->id,
			  "node %u is drained, but %zu processes find no other active node of known load",
			  node->id, stuck);
}

/*
 * It comes back no more. Who stood in for it has its place for good, as in R8's swap; where nobody
 * did, its users have a node fewer.
 */
int pol_gone(struct pol_state *st, struct pol_node *node)
{
	struct pol_node *standin;
	struct pol_env *env;
	size_t iter;
	int r = node->is_failed ? 0 : pol_fail(st, node);

	if (r < 0)
		return r;
	standin = node->standin;
	for (struct pol_seat *seat = node->seats, *next; seat; seat = next) {
		struct pol_decision d = { .rule = 1, .action = POL_FREE, .node = node->id,
					  .user = seat->user->name };
		struct pol_seat *other = standin ? pol_seat(seat->user, standin) : NULL;

		next = seat->next;
		if (seat->is_own && !seat->user->is_admin) {
			if (other && other->for_failed == node && !other->is_own)
				pol_seat_own(other, true);
			if (other && other->is_own)
				pol_emit(st, &d, "node %u was removed, node %u has its place for good",
					 node->id, standin->id);
			else
				pol_emit(st, &d, "node %u was removed", node->id);
		}
		pol_seat_own(seat, false);
		seat->is_lent = false;
		seat->for_failed = NULL;
		seat->drain_env = NULL;
		pol_seat_tidy(st, seat);
	}
	for (struct pol_seat *seat = standin ? standin->seats : NULL, *next; seat; seat = next) {
		next = seat->next;
		if (seat->for_failed == node)
			seat->for_failed = NULL;
		pol_seat_tidy(st, seat);
	}
	if (standin)
		standin->stands_for = NULL;
	node->standin = NULL;
	if (st->shared == node)
		st->shared = NULL;
	for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter)) {
		if (env->leader == node)
			env->leader = NULL;
		pol_heal(st, env, 1);
	}
	return 0;
}

int pol_user_del(struct pol_state *st, struct pol_user *user)
{
	if (user->is_admin)
		return -EPERM;
	for (struct pol_env *env = user->envs; env; env = env->next)
		if (env->is_lent)
			pol_lend_return(st, env, "its user is deleted");
	for (size_t i = 0; i < user->nr_seats; i++) {
		struct pol_decision d = { .rule = 13, .action = POL_FREE, .user = user->name,
					  .node = user->seats[i]->node->id };

		user->seats[i]->for_failed = NULL;
		user->seats[i]->drain_env = NULL;
		pol_emit(st, &d, "user %s is deleted", user->name);
	}
	for (size_t i = 0; i < st->procs_room; i++) {
		for (struct pol_proc *p = st->procs[i], *next; p; p = next) {
			next = p->hash_next;
			if (p->user == user)
				pol_proc_drop(st, p);
		}
	}
	pol_holds_update(st);	/* no list may point at what is freed */
	pol_user_drop(st, user);
	return 0;
}
