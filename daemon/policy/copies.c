// SPDX-License-Identifier: GPL-2.0-or-later
/* R5: more copies of a view's image while its nodes are loaded, fewer when they are not. */
#include "daemon/policy/state.h"

#include <errno.h>
#include <string.h>

static bool is_active(const struct pol_env *env, const struct pol_node *node)
{
	const struct pol_seat *seat = node ? pol_seat(env->user, node) : NULL;

	return seat && seat->env == env && pol_seat_is_active(seat);
}

static bool is_in(const uint32_t *ids, size_t nr, uint32_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Mean current load of the nodes that run a copy. Before R4's first check: of none. */
static int64_t mean_of(const struct pol_state *st, const struct pol_view *view)
{
	int64_t sum = 0, nr = 0;

	for (size_t i = 0; i < view->nr_copies; i++) {
		const struct pol_node *node = pol_node(st, view->copies[i]);

		if (!is_active(view->user->envs, node) || !pol_known(node->load))
			continue;
		sum += node->load;
		nr++;
	}
	return nr ? sum / nr : POL_UNKNOWN;
}

void pol_copies_holds(struct pol_state *st, struct pol_view *view)
{
	int64_t mean = mean_of(st, view);

	pol_hold(st, pol_known(mean) && mean >= pol_get(st, POL_SURGE_HIGH), &view->high_since);
	pol_hold(st, pol_known(mean) && mean < pol_get(st, POL_SURGE_LOW), &view->low_since);
}

/* A copy on a node that left the environment is gone. */
static void forget_gone(const struct pol_state *st, struct pol_view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->nr_copies; i++)
		if (is_active(view->user->envs, pol_node(st, view->copies[i])))
			view->copies[n++] = view->copies[i];
	view->nr_copies = n;
}

static void start(struct pol_state *st, struct pol_view *view, int64_t mean, int64_t lasted)
{
	struct pol_decision d = { .rule = 5, .action = POL_COPY_START, .view = view->name };
	const struct pol_user *user = view->user;
	struct pol_node *best = NULL;

	for (size_t i = 0; i < user->nr_seats; i++) {
		struct pol_node *node = user->seats[i]->node;

		if (!is_active(user->envs, node) || !pol_known(node->load) ||
		    is_in(view->copies, view->nr_copies, node->id))
			continue;
		if (!best || node->load < best->load)
			best = node;
	}
	if (!best) {
		pol_keep(st, 5, user->name, 0,
			 "mean load %g of view %s, but each active node runs a copy", POL_F(mean),
			 view->name);
		return;
	}
	view->copies[view->nr_copies++] = best->id;
	view->high_since = POL_UNKNOWN;
	view->low_since = POL_UNKNOWN;
	d.node = best->id;
	pol_emit(st, &d, "mean load %g >= %g for %g s, node %u is the next least loaded (%g)",
		 POL_F(mean), POL_F(pol_get(st, POL_SURGE_HIGH)), POL_F(lasted), best->id,
		 POL_F(best->load));
}

/*
 * Which copy goes: the one started last beyond R4's nodes, else of the others the most loaded,
 * mains last.
 */
static size_t to_stop(const struct pol_state *st, const struct pol_view *view)
{
	size_t best = 0;

	for (size_t i = view->nr_copies; i-- > 0;)
		if (!is_in(view->nodes, view->nr_nodes, view->copies[i]))
			return i;
	for (size_t i = 1; i < view->nr_copies; i++) {
		bool a = is_in(view->main, view->nr_main, view->copies[best]);
		bool b = is_in(view->main, view->nr_main, view->copies[i]);

		if (a != b ? a : pol_cmp_node_worst(pol_node(st, view->copies[i]),
						    pol_node(st, view->copies[best]), 0) < 0)
			best = i;
	}
	return best;
}

static void stop(struct pol_state *st, struct pol_view *view, int64_t mean, int64_t lasted)
{
	struct pol_decision d = { .rule = 5, .action = POL_COPY_STOP, .view = view->name };
	size_t i = to_stop(st, view);

	d.node = view->copies[i];
	memmove(&view->copies[i], &view->copies[i + 1],
		(view->nr_copies - i - 1) * sizeof(*view->copies));
	view->nr_copies--;
	view->high_since = POL_UNKNOWN;
	view->low_since = POL_UNKNOWN;
	pol_emit(st, &d, "mean load %g < %g for %g s", POL_F(mean),
		 POL_F(pol_get(st, POL_SURGE_LOW)), POL_F(lasted));
}

int pol_copies_check(struct pol_state *st, struct pol_view *view)
{
	int64_t hold = pol_get(st, POL_SURGE_HOLD), mean;

	forget_gone(st, view);
	mean = mean_of(st, view);
	pol_copies_holds(st, view);
	if (pol_known(view->high_since) && st->now - view->high_since >= hold)
		start(st, view, mean, st->now - view->high_since);
	else if (pol_known(view->low_since) && st->now - view->low_since >= hold &&
		 view->nr_copies > 1)
		stop(st, view, mean, st->now - view->low_since);
	pol_copies_holds(st, view);
	return 0;
}
