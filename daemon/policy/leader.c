// SPDX-License-Identifier: GPL-2.0-or-later
/* R11: the leader's own node. Also who leads next, for every rule that takes a leader's node away.
 */
#include "daemon/policy/state.h"

struct pol_node *pol_next_leader(const struct pol_state *st, const struct pol_env *env)
{
	int64_t max = pol_get(st, POL_LEADER_NEXT_MAX);
	enum pol_window window = pol_window(st, POL_R11_WINDOW);
	struct pol_node *best = NULL;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];
		struct pol_node *node = seat->node;

		if (seat->env != env || node == env->leader || !pol_seat_may_lead(seat) ||
		    !pol_known(node->load) || node->load >= max || !pol_known(node->avg[window]))
			continue;
		if (!best || pol_cmp_node_avg(node, best, (int)window) < 0)
			best = node;
	}
	return best;
}

struct pol_node *pol_next_leader_any(const struct pol_state *st, const struct pol_env *env)
{
	enum pol_window window = pol_window(st, POL_R11_WINDOW);
	struct pol_node *best = pol_next_leader(st, env);

	for (size_t i = 0; i < env->user->nr_seats && !best; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env != env || seat->node == env->leader || !pol_seat_may_lead(seat))
			continue;
		best = seat->node;
		for (; i < env->user->nr_seats; i++) {
			seat = env->user->seats[i];
			if (seat->env == env && seat->node != env->leader &&
			    pol_seat_may_lead(seat) &&
			    pol_cmp_node_avg(seat->node, best, (int)window) < 0)
				best = seat->node;
		}
	}
	return best;
}

void pol_hand_over(struct pol_state *st, struct pol_env *env, struct pol_node *to,
		   unsigned int rule, const char *why)
{
	struct pol_decision d = { .rule = rule, .action = POL_LEADER, .user = env->user->name,
				  .from = env->leader ? env->leader->id : 0, .to = to->id };
	int64_t avg = to->avg[pol_window(st, POL_R11_WINDOW)];

	env->leader = to;
	if (pol_known(avg) && pol_known(to->load))
		pol_emit(st, &d, "%s; node %u has the least average load (%g), current %g", why,
			 to->id, POL_F(avg), POL_F(to->load));
	else
		pol_emit(st, &d, "%s; node %u is left, its load is unknown", why, to->id);
}

void pol_lead(struct pol_state *st, struct pol_user *user, struct pol_node *node)
{
	const struct pol_seat *seat = pol_seat(user, node);
	struct pol_decision d = { .rule = 11, .action = POL_REFUSE, .user = user->name,
				  .node = node->id };
	struct pol_env *env = seat ? seat->env : NULL;

	if (!env || !pol_seat_is_active(seat)) {
		pol_emit(st, &d, "node %u is none that the environment of %s uses now: nothing changes",
			 node->id, user->name);
	} else if (!pol_seat_may_lead(seat)) {
		pol_emit(st, &d, "node %u is only lent, and never leads: nothing changes", node->id);
	} else if (env->leader == node) {
		pol_emit(st, &d, "node %u leads already: nothing changes", node->id);
	} else {
		d.action = POL_LEADER;
		d.node = 0;
		d.from = env->leader ? env->leader->id : 0;
		d.to = node->id;
		env->leader = node;
		pol_emit(st, &d, "that was asked for");
	}
}

/* The movable ones go, each to the least loaded node, as long as that one stays below. */
static void move_off(struct pol_state *st, struct pol_env *env, int64_t max)
{
	struct pol_node *node = env->leader;
	int64_t load = node->load;
	size_t moved = 0;

	pol_collect(st, env->user, node);
	for (size_t i = 0; i < st->tmp_procs.nr; i++) {
		struct pol_proc *p = st->tmp_procs.p[i];
		struct pol_node *to = pol_least_loaded(st, env, node);
		int64_t after = to && pol_known(p->load) ? to->load + pol_load_on(p, to) : max;

		if (after >= max)
			continue;
		moved++;
		pol_migrate(st, p, to, 11,
			    "leader node %u was at %g >= %g, node %u is the least loaded and stays at %g",
			    node->id, POL_F(load), POL_F(max), to->id, POL_F(after));
	}
	if (!moved && st->tmp_procs.nr)
		pol_alert(st, 11, env->user->name, 0,
			  "leader node %u is at %g >= %g, but none of its %zu movable processes fits on another node below that",
			  node->id, POL_F(load), POL_F(max), st->tmp_procs.nr);
}

void pol_leader_check(struct pol_state *st, struct pol_env *env)
{
	int64_t max = pol_get(st, POL_LEADER_MAX);
	struct pol_node *node = env->leader, *next;
	const struct pol_seat *seat = node ? pol_seat(env->user, node) : NULL;
	size_t movable, restricted;
	char why[POL_WHY_LEN / 2];

	if (!seat || seat->env != env || !pol_seat_is_active(seat))
		return;
	if (!pol_known(node->load) || node->load < max) {
		pol_keep(st, 11, env->user->name, 0, "leader node %u is below %g", node->id,
			 POL_F(max));
		return;
	}
	pol_count(env->user, node, &movable, &restricted);
	if (movable && movable >= restricted) {
		move_off(st, env, max);
		return;
	}
	next = pol_next_leader(st, env);
	if (!next) {
		pol_alert(st, 11, env->user->name, 0,
			  "leader node %u is at %g >= %g with %zu movable and %zu restricted processes, but no other node is below %g: it stays",
			  node->id, POL_F(node->load), POL_F(max), movable, restricted,
			  POL_F(pol_get(st, POL_LEADER_NEXT_MAX)));
		return;
	}
	pol_say(why, sizeof(why), "node %u is at %g >= %g with %zu movable and %zu restricted processes",
		node->id, POL_F(node->load), POL_F(max), movable, restricted);
	pol_hand_over(st, env, next, 11, why);
}
