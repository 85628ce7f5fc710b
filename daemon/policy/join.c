// SPDX-License-Identifier: GPL-2.0-or-later
/* R6: what a new node takes over, by its class. */
#include "daemon/policy/state.h"

enum class { LOWEST, MIDDLE, HIGHEST };

static const char *const class_names[] = { "lowest", "middle", "highest" };

/* Thirds of the way from the least capacity of the pool to the greatest. */
static enum class class_of(const struct pol_state *st, const struct pol_node *node)
{
	double least = node->capacity, most = node->capacity, third;

	for (size_t i = 0; i < st->nodes.nr; i++) {
		double c = ((struct pol_node *)st->nodes.p[i])->capacity;

		least = c < least ? c : least;
		most = c > most ? c : most;
	}
	third = (most - least) / 3;
	if (third <= 1e-12)
		return MIDDLE;
	if (node->capacity < least + third - 1e-9)
		return LOWEST;
	return node->capacity < most - third - 1e-9 ? MIDDLE : HIGHEST;
}

static int cmp_highest(const void *a, const void *b, int window)
{
	const struct pol_node *x = a, *y = b;

	if (x->avg[window] != y->avg[window])
		return x->avg[window] > y->avg[window] ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Active nodes of @env other than @node, the highest average first, into tmp_nodes. */
static void find_sources(struct pol_state *st, const struct pol_env *env,
			 const struct pol_node *node, enum pol_window window)
{
	struct pol_list *list = &st->tmp_nodes;

	list->nr = 0;
	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env == env && pol_seat_is_active(seat) && seat->node != node &&
		    pol_known(seat->node->avg[window]))
			list->p[list->nr++] = seat->node;
	}
	pol_sort(list->p, list->nr, cmp_highest, (int)window);
}

/* The movable process of @env with the highest average of its own. */
static struct pol_proc *heaviest(const struct pol_state *st, const struct pol_env *env,
				 const struct pol_node *node, enum pol_window window)
{
	struct pol_proc *best = NULL;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env != env || seat->node == node || seat->node->is_failed)
			continue;
		for (struct pol_proc *p = seat->node->procs; p; p = p->next) {
			if (p->user != env->user || !pol_is_movable(st, p) ||
			    !pol_known(p->avg[window]))
				continue;
			if (!best || p->avg[window] > best->avg[window] ||
			    (p->avg[window] == best->avg[window] && p->pid < best->pid))
				best = p;
		}
	}
	return best;
}

/* Movable ones, heaviest first, while the move leaves the new node below its source. */
static void take_part(struct pol_state *st, struct pol_env *env, struct pol_node *from,
		      struct pol_node *to, enum class class)
{
	pol_collect(st, env->user, from);
	for (size_t i = 0; i < st->tmp_procs.nr; i++) {
		struct pol_proc *p = st->tmp_procs.p[i];
		int64_t here, there;

		if (!pol_known(p->load) || !pol_known(from->load))
			continue;
		here = from->load > p->load ? from->load - p->load : 0;
		there = to->load + pol_load_on(p, to);
		if (there < here)
			pol_migrate(
				st, p, to, 6,
				"new node %u of %s class takes part of node %u: %g stays below %g",
				to->id, class_names[class], from->id, POL_F(there), POL_F(here));
	}
}

void pol_join_check(struct pol_state *st, struct pol_node *node, struct pol_env *env)
{
	enum pol_window window = pol_window(st, POL_R6_WINDOW);
	const struct pol_seat *seat = pol_seat(env->user, node);
	double sources = POL_F(pol_get(st, POL_JOIN_SOURCES));
	enum class class = class_of(st, node);
	struct pol_proc *p;

	if (!seat || seat->env != env || !pol_seat_is_active(seat) || !pol_known(node->load))
		return;
	if (class == HIGHEST) {
		p = heaviest(st, env, node, window);
		if (p)
			pol_migrate(st, p, node, 6,
				    "new node %u of highest class takes the heaviest process, average %g",
				    node->id, POL_F(p->avg[window]));
	}
	find_sources(st, env, node, window);
	for (size_t i = 0; i < st->tmp_nodes.nr && (class == LOWEST ? i < 1 : i + 1 <= sources);
	     i++)
		take_part(st, env, st->tmp_nodes.p[i], node, class);
}

void pol_join_allocated(struct pol_state *st, struct pol_user *user, const uint32_t *ids, size_t nr)
{
	for (size_t i = 0; user->nr_procs && i < nr; i++) {
		struct pol_node *node = pol_node(st, ids[i]);
		const struct pol_seat *seat = pol_seat(user, node);

		if (seat && seat->env)
			pol_join_check(st, node, seat->env);
	}
}
