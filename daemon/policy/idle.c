// SPDX-License-Identifier: GPL-2.0-or-later
/* R7: nodes that were idle for a whole period become spares. */
#include "daemon/policy/state.h"

#include <errno.h>

static void set_leaving(struct pol_state *st, struct pol_node *node, bool is_leaving)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		seat->is_leaving = is_leaving;
	pol_node_touch(st, node);
}

static size_t nr_restricted(const struct pol_node *node)
{
	size_t nr = 0;

	for (const struct pol_proc *p = node->procs; p; p = p->next)
		nr += !p->is_system && p->is_restricted;
	return nr;
}

/* Of those of @env that stay, the one with the least average; NULL. */
static struct pol_node *target_of(const struct pol_state *st, const struct pol_env *env)
{
	enum pol_window window = pol_window(st, POL_R7_WINDOW);
	struct pol_node *best = NULL;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env != env || !pol_seat_is_active(seat) || !pol_known(seat->node->load) ||
		    !pol_known(seat->node->avg[window]))
			continue;
		if (!best || pol_cmp_node_avg(seat->node, best, (int)window) < 0)
			best = seat->node;
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

/* Why @env can't do without those that leave, or NULL. */
static const char *env_needs(const struct pol_state *st, struct pol_env *env)
{
	const struct pol_seat *leads = env->leader ? pol_seat(env->user, env->leader) : NULL;

	/* Counted once, then down: an environment may be the whole pool. */
	if (env->tmp_check != st->check) {
		env->tmp_check = st->check;
		env->nr_tmp = pol_nr_active(env);
	} else if (env->nr_tmp) {
		env->nr_tmp--;
	}
	if (env->nr_tmp == 0)
		return "it would be left without an active node";
	if (leads && leads->is_leaving && !pol_next_leader(st, env))
		return "no other node can lead";
	if (env->user->nr_procs && !target_of(st, env))
		return "no other node's load is known";
	return NULL;
}

/* Marked as leaving, and stays so if it may. */
static bool may_leave(struct pol_state *st, struct pol_node *node)
{
	const char *why = NULL;
	struct pol_seat *seat;

	if (nr_restricted(node)) {
		pol_keep(st, 7, NULL, node->id, "idle, but it runs restricted processes");
		return false;
	}
	set_leaving(st, node, true);
	for (seat = node->seats; seat && !why; seat = seat->next) {
		if (seat->is_own && !seat->user->is_admin && !keeps_promise(st, seat->user))
			why = "its promise needs the node";
		else if (seat->env)
			why = env_needs(st, seat->env);
		if (why) {
			pol_keep(st, 7, NULL, node->id, "idle, but %s: %s", seat->user->name, why);
			break;
		}
	}
	if (!why)
		return true;
	set_leaving(st, node, false);
	/* What was counted down is up again. */
	for (seat = node->seats; seat; seat = seat->next)
		if (seat->env)
			seat->env->tmp_check = 0;
	return false;
}

static void hand_over(struct pol_state *st, struct pol_node *node)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		struct pol_env *env = seat->env;
		struct pol_node *next =
			env && env->leader == node ? pol_next_leader(st, env) : NULL;

		if (next)
			pol_hand_over(st, env, next, 7, "its node becomes an idle spare");
	}
}

static void become_spare(struct pol_state *st, struct pol_node *node)
{
	struct pol_decision d = { .rule = 7, .action = POL_SPARE_SET, .node = node->id,
				  .kind = POL_IDLE };

	pol_emit(st, &d, "average load %g <= %g", POL_F(node->avg[pol_window(st, POL_R7_WINDOW)]),
		 POL_F(pol_get(st, POL_SPARE_IDLE)));
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		struct pol_node *to = seat->env ? target_of(st, seat->env) : NULL;

		if (to)
			pol_empty(st, seat->env, node, to, 7);
	}
}

static void leave(struct pol_state *st, struct pol_node *node)
{
	node->kind = POL_IDLE;
	set_leaving(st, node, false);
	for (struct pol_seat *seat = node->seats, *next; seat; seat = next) {
		next = seat->next;
		if (seat->user->is_admin || !seat->is_own)
			continue;
		pol_seat_own(seat, false);
		pol_seat_tick(st, seat, NULL);
		pol_seat_tidy(st, seat);
	}
}

int pol_idle_check(struct pol_state *st)
{
	enum pol_window window = pol_window(st, POL_R7_WINDOW);
	int64_t idle = pol_get(st, POL_SPARE_IDLE);
	struct pol_list *list = &st->tmp_nodes;
	size_t serving = 0, nr = 0;

	list->nr = 0;
	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];

		serving += pol_node_serves(node);
		if (!pol_node_serves(node) || node->stands_for)
			continue;
		if (pol_known(node->avg[window]) && node->avg[window] <= idle)
			list->p[list->nr++] = node;
		else
			pol_keep(st, 7, NULL, node->id, "its average load is not %g or less",
				 POL_F(idle));
	}
	pol_sort(list->p, list->nr, pol_cmp_node_avg, (int)window);
	for (size_t i = 0; i < list->nr && nr + 1 < serving; i++)
		if (may_leave(st, list->p[i]))
			list->p[nr++] = list->p[i];
	for (size_t i = 0; i < nr; i++)
		hand_over(st, list->p[i]);
	for (size_t i = 0; i < nr; i++)
		become_spare(st, list->p[i]);
	for (size_t i = 0; i < nr; i++)
		leave(st, list->p[i]);
	return 0;
}
