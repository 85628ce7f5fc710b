// SPDX-License-Identifier: GPL-2.0-or-later
/* R9: little load on several nodes of an environment is packed onto one. */
#include "daemon/policy/state.h"

#include <errno.h>

/* Own active nodes of @env below the threshold, least average first, into tmp_seats. */
static int cmp_seat_avg(const void *a, const void *b, int window)
{
	return pol_cmp_node_avg(((const struct pol_seat *)a)->node,
				((const struct pol_seat *)b)->node, window);
}

static void find(struct pol_state *st, const struct pol_env *env, enum pol_window window)
{
	int64_t below = pol_get(st, POL_CONSOLIDATE_BELOW);
	struct pol_list *list = &st->tmp_seats;

	list->nr = 0;
	for (size_t i = 0; i < env->user->nr_seats; i++) {
		struct pol_seat *seat = env->user->seats[i];
		int64_t avg = seat->node->avg[window];

		if (seat->env == env && pol_seat_is_active(seat) && seat->is_own &&
		    !seat->is_lent && pol_known(avg) && avg < below)
			list->p[list->nr++] = seat;
	}
	pol_sort(list->p, list->nr, cmp_seat_avg, (int)window);
}

static size_t nr_movable(const struct pol_user *user, const struct pol_node *node)
{
	size_t movable, restricted;

	pol_count(user, node, &movable, &restricted);
	return movable;
}

/* Do the movable processes of all the others fit on @to? */
static bool fits(const struct pol_state *st, const struct pol_user *user, const struct pol_node *to)
{
	int64_t load = to->load, high = pol_get(st, POL_BALANCE_HIGH);

	if (!pol_known(load))
		return false;
	for (size_t i = 0; i < st->tmp_seats.nr && load <= high; i++) {
		const struct pol_node *node = ((struct pol_seat *)st->tmp_seats.p[i])->node;

		for (const struct pol_proc *p = node == to ? NULL : node->procs; p; p = p->next) {
			if (p->user != user || p->is_system || p->is_restricted)
				continue;
			if (!pol_known(p->load))
				return false;
			load += pol_load_on(p, to);
		}
	}
	return load <= high;
}

/* The one that needs the fewest moves and stays low enough: has the most already. NULL: none. */
static struct pol_node *target_of(struct pol_state *st, const struct pol_env *env)
{
	struct pol_node *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < st->tmp_seats.nr; i++) {
		struct pol_node *node = ((struct pol_seat *)st->tmp_seats.p[i])->node;
		size_t nr = nr_movable(env->user, node);

		if (best && (nr < most || (nr == most && node->id > best->id)))
			continue;
		if (!fits(st, env->user, node))
			continue;
		best = node;
		most = nr;
	}
	return best;
}

static bool keeps_promise(const struct pol_state *st, const struct pol_user *user)
{
	size_t left = 0;

	for (size_t i = 0; i < user->nr_seats; i++)
		left += user->seats[i]->is_own && !user->seats[i]->is_leaving &&
			!user->seats[i]->node->is_failed;
	return left >= pol_promise(st, user);
}

/* Mark those that leave, least average first. Return: how many. */
static size_t mark_leaving(struct pol_state *st, struct pol_env *env, const struct pol_node *stays,
			   bool is_second)
{
	size_t nr = 0, active = pol_nr_active(env), movable, restricted;
	const char *why;

	for (size_t i = 0; i < st->tmp_seats.nr; i++) {
		struct pol_seat *seat = st->tmp_seats.p[i];
		const struct pol_seat *leads =
			env->leader ? pol_seat(env->user, env->leader) : NULL;

		if (seat->node == stays)
			continue;
		seat->is_leaving = true;
		pol_count(env->user, seat->node, &movable, &restricted);
		why = NULL;
		if (restricted)
			why = "it runs restricted processes";
		else if (active == nr + 1)
			why = "it is the last active node";
		else if (!is_second && !keeps_promise(st, env->user))
			why = "the promise needs it";
		else if (leads && leads->is_leaving && !pol_next_leader(st, env))
			why = "no other node can lead";
		nr += !why;
		if (!why)
			continue;
		seat->is_leaving = false;
		pol_keep(st, 9, NULL, seat->node->id, "it stays with %s: %s", env->user->name, why);
	}
	pol_env_touch(st, env);
	return nr;
}

static void pack(struct pol_state *st, struct pol_env *env, struct pol_node *to)
{
	struct pol_list *list = &st->tmp_procs;

	list->nr = 0;
	for (size_t i = 0; i < st->tmp_seats.nr; i++) {
		struct pol_node *node = ((struct pol_seat *)st->tmp_seats.p[i])->node;

		for (struct pol_proc *p = node == to ? NULL : node->procs; p; p = p->next)
			if (p->user == env->user && pol_is_movable(st, p))
				list->p[list->nr++] = p;
	}
	pol_sort(list->p, list->nr, pol_cmp_heaviest, 0);
	for (size_t i = 0; i < list->nr; i++)
		pol_migrate(st, list->p[i], to, 9,
			    "%zu nodes are below %g, node %u needs the fewest moves",
			    st->tmp_seats.nr, POL_F(pol_get(st, POL_CONSOLIDATE_BELOW)), to->id);
}

static void set_free(struct pol_state *st, struct pol_seat *seat, enum pol_window window)
{
	struct pol_decision d = { .rule = 9, .action = POL_FREE, .node = seat->node->id,
				  .user = seat->user->name };

	seat->is_leaving = false;
	pol_seat_own(seat, false);
	pol_seat_tick(st, seat, NULL);
	pol_emit(st, &d, "average load %g < %g, its processes run elsewhere",
		 POL_F(seat->node->avg[window]), POL_F(pol_get(st, POL_CONSOLIDATE_BELOW)));
	pol_seat_tidy(st, seat);
}

static void form_second(struct pol_state *st, struct pol_env *env, struct pol_env *second)
{
	struct pol_decision d = { .rule = 9, .action = POL_ENVIRONMENT, .user = env->user->name,
				  .nodes = st->ids };

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		struct pol_seat *seat = env->user->seats[i];

		if (!seat->is_leaving)
			continue;
		seat->is_leaving = false;
		pol_seat_tick(st, seat, second);
		st->ids[d.nr_nodes++] = seat->node->id;
	}
	second->leader = pol_next_leader_any(st, second);
	pol_emit(st, &d, "average loads < %g: an environment of their own, node %u leads",
		 POL_F(pol_get(st, POL_CONSOLIDATE_BELOW)),
		 second->leader ? second->leader->id : 0);
}

int pol_consolidate_check(struct pol_state *st, struct pol_env *env)
{
	bool is_second = st->config.value[POL_CONSOLIDATE_POLICY] == POL_CONSOLIDATE_SECOND;
	enum pol_window window = pol_window(st, POL_R9_WINDOW);
	const struct pol_seat *leads;
	struct pol_env *second = NULL;
	struct pol_node *to, *next;
	size_t leaving = 0;
	int r;

	find(st, env, window);
	if (st->tmp_seats.nr < 2 || env->born_check == st->check) {
		pol_keep(st, 9, env->user->name, 0, "fewer than two of its nodes are below %g",
			 POL_F(pol_get(st, POL_CONSOLIDATE_BELOW)));
		return 0;
	}
	to = target_of(st, env);
	/* The admin's environment is the whole pool: no node leaves it. */
	if (!env->user->is_admin && (to || is_second))
		leaving = mark_leaving(st, env, is_second ? NULL : to, is_second);
	if (leaving && is_second) {
		r = pol_env_new(st, env->user, &second);
		if (r < 0) {
			for (size_t i = 0; i < st->tmp_seats.nr; i++)
				((struct pol_seat *)st->tmp_seats.p[i])->is_leaving = false;
			pol_env_touch(st, env);
			return r;
		}
		second->born_check = st->check;
	}
	leads = env->leader ? pol_seat(env->user, env->leader) : NULL;
	next = leads && leads->is_leaving ? pol_next_leader(st, env) : NULL;
	if (next)
		pol_hand_over(st, env, next, 9, "its node leaves the environment");
	if (to)
		pack(st, env, to);
	else
		pol_keep(st, 9, env->user->name, 0,
			 "%zu of its nodes are below %g, but none of them can take all", st->tmp_seats.nr,
			 POL_F(pol_get(st, POL_CONSOLIDATE_BELOW)));
	if (second) {
		form_second(st, env, second);
		return 0;
	}
	for (size_t i = 0; i < st->tmp_seats.nr; i++) {
		struct pol_seat *seat = st->tmp_seats.p[i];

		if (seat->is_leaving)
			set_free(st, seat, window);
	}
	return 0;
}
