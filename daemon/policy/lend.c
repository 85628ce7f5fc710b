// SPDX-License-Identifier: GPL-2.0-or-later
/* R18: lending the shared spare to environments in need, and taking it back. */
#include "daemon/policy/state.h"

#include <errno.h>

bool pol_is_lent(const struct pol_node *node)
{
	for (const struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->is_lent)
			return true;
	return false;
}

/* Until R18's period chose one, the idle spare with the least average is the shared one. */
struct pol_node *pol_shared(const struct pol_state *st)
{
	enum pol_window window = pol_window(st, POL_R18_WINDOW);
	struct pol_node *best = NULL;

	if (st->is_shared_chosen)
		return st->shared && st->shared->kind == POL_SHARED ? st->shared : NULL;
	/* It stays the same while lent. */
	if (st->shared && st->shared->kind == POL_IDLE && pol_is_lent(st->shared))
		return st->shared;
	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];

		if (node->kind != POL_IDLE || !pol_node_is_up(node) ||
		    !pol_known(node->avg[window]))
			continue;
		if (!best || pol_cmp_node_avg(node, best, (int)window) < 0)
			best = node;
	}
	return best;
}

static struct pol_seat *lent_seat(const struct pol_env *env)
{
	for (size_t i = 0; i < env->user->nr_seats; i++)
		if (env->user->seats[i]->env == env && env->user->seats[i]->is_lent)
			return env->user->seats[i];
	return NULL;
}

static int64_t mean_of(const struct pol_state *st, const struct pol_env *env)
{
	return pol_mean_load(env, true, st->config.value[POL_SPARE_MEAN] == POL_MEAN_HOUR ?
			     POL_HOUR : -1);
}

int64_t pol_lend_hold(struct pol_state *st, struct pol_env *env)
{
	int64_t mean = mean_of(st, env);

	return pol_hold(st, pol_known(mean) && mean < pol_get(st, POL_SPARE_RETURN),
			&env->below_since);
}

static int lend(struct pol_state *st, struct pol_env *env, int64_t mean)
{
	struct pol_node *node = pol_shared(st);
	struct pol_decision d = { .rule = 18, .action = POL_SPARE_LENT, .user = env->user->name };
	struct pol_seat *seat;
	int r;

	if (!node || !pol_node_is_up(node)) {
		pol_keep(st, 18, env->user->name, 0, "mean load %g >= %g, but there is no shared spare",
			 POL_F(mean), POL_F(pol_get(st, POL_SPARE_LEND)));
		return 0;
	}
	r = pol_seat_get(st, env->user, node, &seat);
	if (r < 0)
		return r;
	if (seat->is_lent || seat->for_failed) {
		pol_keep(st, 18, env->user->name, 0, "it has the shared spare already");
		return 0;
	}
	st->shared = node;
	seat->is_lent = true;
	seat->drain_env = NULL;
	env->is_lent = true;
	env->below_since = POL_UNKNOWN;
	pol_seat_tick(st, seat, env);
	pol_env_dirty(st, env);
	d.node = node->id;
	pol_emit(st, &d, "mean load of its own nodes %g >= %g", POL_F(mean),
		 POL_F(pol_get(st, POL_SPARE_LEND)));
	return 0;
}

/* What a node that was given back still runs of this user leaves as soon as it may. */
static void leftovers(struct pol_state *st, struct pol_env *env)
{
	for (size_t i = 0; i < env->user->nr_seats; i++) {
		struct pol_seat *seat = env->user->seats[i];

		if (seat->drain_env != env || seat->env)
			continue;
		pol_empty(st, env, seat->node, NULL, 18);
		if (!pol_runs_there(env->user, seat->node)) {
			seat->drain_env = NULL;
			pol_seat_tidy(st, seat);
			i--;
		}
	}
}

void pol_lend_return(struct pol_state *st, struct pol_env *env, const char *why)
{
	struct pol_seat *seat = lent_seat(env);
	struct pol_decision d = { .rule = 18, .action = POL_SPARE_RETURNED,
				  .user = env->user->name };
	size_t movable, restricted;
	struct pol_node *node;
	char kept[80];

	env->is_lent = false;
	env->below_since = POL_UNKNOWN;
	if (!seat)
		return;
	node = seat->node;
	pol_count(env->user, node, &movable, &restricted);
	seat->is_lent = false;
	pol_seat_tick(st, seat, NULL);
	d.node = node->id;
	pol_emit(st, &d, "%s%s", why, pol_kept_text(restricted, kept));
	pol_empty(st, env, node, NULL, 18);
	seat->drain_env = pol_runs_there(env->user, node) ? env : NULL;
	pol_seat_tidy(st, seat);
}

int pol_lend_check(struct pol_state *st, struct pol_env *env)
{
	int64_t lend_at = pol_get(st, POL_SPARE_LEND), hold = pol_get(st, POL_SPARE_HOLD);
	int64_t mean, lasted;
	char why[POL_WHY_LEN / 2];

	leftovers(st, env);
	mean = mean_of(st, env);
	if (env->is_lent) {
		lasted = pol_lend_hold(st, env);
		if (!pol_known(lasted) || lasted < hold)
			return 0;
		pol_say(why, sizeof(why), "mean load of its own nodes %g < %g for %g s >= %g s",
			POL_F(mean), POL_F(pol_get(st, POL_SPARE_RETURN)), POL_F(lasted),
			POL_F(hold));
		pol_lend_return(st, env, why);
		return 0;
	}
	return pol_known(mean) && mean >= lend_at ? lend(st, env, mean) : 0;
}
