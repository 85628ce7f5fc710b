// SPDX-License-Identifier: GPL-2.0-or-later
/* R4: which of an environment's active nodes serve a view. */
#include "daemon/policy/state.h"

#include <string.h>

static bool add(uint32_t *ids, size_t *nr, uint32_t id)
{
	size_t i = *nr;

	for (size_t k = 0; k < *nr; k++)
		if (ids[k] == id)
			return false;
	while (i && ids[i - 1] > id) {
		ids[i] = ids[i - 1];
		i--;
	}
	ids[i] = id;
	(*nr)++;
	return true;
}

static size_t active_ids(struct pol_state *st, const struct pol_env *env)
{
	size_t nr = 0;

	for (size_t i = 0; i < env->user->nr_seats; i++)
		if (env->user->seats[i]->env == env && pol_seat_is_active(env->user->seats[i]))
			st->ids[nr++] = env->user->seats[i]->node->id;
	return nr;
}

/* The active node with the least average load; NULL. */
static struct pol_node *least_average(const struct pol_state *st, const struct pol_env *env)
{
	enum pol_window window = pol_window(st, POL_R4_WINDOW);
	struct pol_node *best = NULL;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];

		if (seat->env == env && pol_seat_is_active(seat) &&
		    (!best || pol_cmp_node_avg(seat->node, best, (int)window) < 0))
			best = seat->node;
	}
	return best;
}

static bool is_active(const struct pol_env *env, const struct pol_node *node)
{
	const struct pol_seat *seat = node ? pol_seat(env->user, node) : NULL;

	return seat && seat->env == env && pol_seat_is_active(seat);
}

/* Its main nodes that are active, or who stands in for them; else the least average one. */
static size_t main_ids(struct pol_state *st, struct pol_view *view, const struct pol_env *env)
{
	struct pol_node *node;
	size_t nr = 0;

	for (size_t i = 0; i < view->nr_main; i++) {
		node = pol_node(st, view->main[i]);
		if (node && node->is_failed && node->standin)
			node = node->standin;
		if (is_active(env, node))
			add(st->ids, &nr, node->id);
	}
	if (nr)
		return nr;
	node = least_average(st, env);
	if (!node)
		return 0;
	if (view->is_main_chosen) {
		view->main[0] = node->id;
		view->nr_main = 1;
	}
	st->ids[0] = node->id;
	return 1;
}

/* Group k of the views by name takes each k-th active node. */
static size_t group_ids(struct pol_state *st, const struct pol_view *view,
			const struct pol_env *env)
{
	size_t nr = active_ids(st, env), groups = view->user->nr_views, k = 0, n = 0;

	for (const struct pol_view *v = view->user->views; v != view; v = v->next)
		k++;
	if (nr && k >= nr)		/* more views than nodes: they share */
		k %= nr;
	for (size_t i = k; i < nr; i += groups)
		st->ids[n++] = st->ids[i];
	return n;
}

/* The nodes of @view into st->ids, by id. */
static size_t nodes_of(struct pol_state *st, struct pol_view *view, char *why, size_t len)
{
	int64_t users_max = pol_get(st, POL_VIEW_USERS_MAX),
		load_max = pol_get(st, POL_VIEW_LOAD_MAX);
	const struct pol_env *env = view->user->envs;
	int64_t mean;

	if (view->mode == POL_VIEW_LOAD) {
		mean = pol_mean_load(env, false, -1);
		if (pol_known(mean) && mean >= load_max) {
			pol_say(why, len, "mean load of the active nodes %g >= %g: all of them",
				POL_F(mean), POL_F(load_max));
			return active_ids(st, env);
		}
		if (pol_known(mean))
			pol_say(why, len, "mean load of the active nodes %g < %g: its main nodes",
				POL_F(mean), POL_F(load_max));
		else
			pol_say(why, len, "load of the active nodes unknown: its main nodes");
		return main_ids(st, view, env);
	}
	if (view->users >= users_max) {
		pol_say(why, len, "%g users >= %g: its main nodes", POL_F(view->users), POL_F(users_max));
		return main_ids(st, view, env);
	}
	if (view->mode == POL_VIEW_GROUP) {
		pol_say(why, len, "%g users < %g: its group, one of %zu", POL_F(view->users),
			POL_F(users_max), view->user->nr_views);
		return group_ids(st, view, env);
	}
	pol_say(why, len, "%g users < %g: all active nodes", POL_F(view->users), POL_F(users_max));
	return active_ids(st, env);
}

int pol_view_check(struct pol_state *st, struct pol_view *view)
{
	struct pol_decision d = { .rule = 4, .action = POL_VIEW, .view = view->name };
	void *nodes = view->nodes, *copies = view->copies;
	char why[POL_WHY_LEN];
	size_t nr;
	int r;

	/* Copies may be on all nodes of the environment, one day. */
	r = pol_room(st, &nodes, &view->nodes_room, view->user->nr_seats + 1, sizeof(*view->nodes));
	view->nodes = nodes;
	if (r < 0)
		return r;
	r = pol_room(st, &copies, &view->copies_room, view->user->nr_seats + 1,
		     sizeof(*view->copies));
	view->copies = copies;
	if (r < 0)
		return r;
	nr = nodes_of(st, view, why, sizeof(why));
	if (nr == 0 && !view->is_announced)
		return 0;	/* no active node yet */
	if (view->is_announced && nr == view->nr_nodes &&
	    memcmp(st->ids, view->nodes, nr * sizeof(*st->ids)) == 0) {
		pol_keep(st, 4, view->user->name, 0, "view %s stays where it is: %s", view->name, why);
		return 0;
	}
	memcpy(view->nodes, st->ids, nr * sizeof(*st->ids));
	view->nr_nodes = nr;
	view->is_announced = true;
	if (view->has_image) {
		memcpy(view->copies, st->ids, nr * sizeof(*st->ids));
		view->nr_copies = nr;
		view->high_since = POL_UNKNOWN;
		view->low_since = POL_UNKNOWN;
		pol_copies_holds(st, view);
	}
	d.nodes = view->nodes;
	d.nr_nodes = nr;
	pol_emit(st, &d, "%s", why);
	return 0;
}
