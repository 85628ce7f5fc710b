// SPDX-License-Identifier: GPL-2.0-or-later
/* R16: a node more or a node fewer, by what was used. */
#include "daemon/policy/state.h"

/* By itself, or by the spare that has its role. */
static bool leads(const struct pol_user *user, const struct pol_node *node)
{
	for (const struct pol_env *env = user->envs; env; env = env->next)
		if (env->leader && (env->leader == node || env->leader == node->standin))
			return true;
	return false;
}

struct pol_node *pol_to_give_back(const struct pol_state *st, const struct pol_user *user)
{
	enum pol_window window = pol_window(st, POL_R16_WINDOW);
	struct pol_node *best = NULL;

	for (size_t i = 0; i < user->nr_seats; i++) {
		const struct pol_seat *seat = user->seats[i];

		if (!seat->is_own || seat->is_leaving || leads(user, seat->node))
			continue;
		if (!best || pol_cmp_node_avg(seat->node, best, (int)window) < 0)
			best = seat->node;
	}
	return best;
}

static int64_t mean_of(const struct pol_state *st, const struct pol_user *user)
{
	enum pol_window window = pol_window(st, POL_R16_WINDOW);
	int64_t sum = 0, nr = 0;

	for (size_t i = 0; i < user->nr_seats; i++) {
		const struct pol_seat *seat = user->seats[i];

		if (!seat->is_own || !pol_known(seat->node->avg[window]))
			continue;
		sum += seat->node->avg[window];
		nr++;
	}
	return nr ? sum / nr : POL_UNKNOWN;
}

/* The promise follows: units for as many nodes as there are now. */
static void promise(struct pol_state *st, struct pol_user *user)
{
	if (pol_known(user->units))
		user->units = pol_num((double)user->nr_own * POL_F(pol_get(st, POL_BASE_UNITS)));
}

static int grow(struct pol_state *st, struct pol_user *user, const char *why)
{
	struct pol_decision d = { .rule = 16, .action = POL_RESIZE, .user = user->name,
				  .from = (uint32_t)user->nr_own };
	struct pol_seat *seat;
	struct pol_node *node;
	uint32_t id;
	int r;

	if (pol_choose(st, user, NULL, 1) == 0) {
		pol_keep(st, 16, user->name, 0, "%s, but there is no candidate", why);
		return 0;
	}
	node = st->tmp_nodes.p[0];
	r = pol_seat_get(st, user, node, &seat);
	if (r < 0)
		return r;
	pol_seat_own(seat, true);
	pol_seat_tick(st, seat, user->envs);
	if (!user->envs->leader)
		user->envs->leader = node;
	promise(st, user);
	id = node->id;
	d.to = (uint32_t)user->nr_own;
	d.nr_nodes = pol_own_ids(st, user);
	d.nodes = st->ids;
	pol_emit(st, &d, "%s: node %u more, with the fewest users", why, id);
	pol_heal(st, user->envs, 16);
	pol_join_allocated(st, user, &id, 1);
	return 0;
}

static int shrink(struct pol_state *st, struct pol_user *user, const char *why)
{
	struct pol_decision d = { .rule = 16,
				  .action = POL_RESIZE,
				  .user = user->name,
				  .from = (uint32_t)user->nr_own,
				  .to = (uint32_t)user->nr_own - 1 };
	struct pol_node *node = pol_to_give_back(st, user);
	size_t movable, restricted;
	char kept[80];

	if (!node) {
		pol_keep(st, 16, user->name, 0, "%s, but only the leader's node is left", why);
		return 0;
	}
	pol_seat(user, node)->is_leaving = true;
	pol_count(user, node, &movable, &restricted);
	d.nr_nodes = pol_own_ids(st, user);
	d.nodes = st->ids;
	pol_emit(st, &d, "%s: without node %u, the least average load%s", why, node->id,
		 pol_kept_text(restricted, kept));
	pol_leave(st, user, 16, true);
	pol_heal(st, user->envs, 16);
	promise(st, user);
	return 0;
}

int pol_review(struct pol_state *st, struct pol_user *user, int64_t usage, int64_t load)
{
	int64_t grow_usage = pol_get(st, POL_GROW_USAGE), grow_load = pol_get(st, POL_GROW_LOAD);
	int64_t less_usage = pol_get(st, POL_SHRINK_USAGE),
		less_load = pol_get(st, POL_SHRINK_LOAD);
	char why[POL_WHY_LEN / 2];

	if (!pol_known(load))
		load = mean_of(st, user);
	if (user->is_admin || !pol_known(load) || user->nr_own == 0) {
		pol_keep(st, 16, user->name, 0, user->is_admin ? "the admin has every node" :
			 "no average load of its nodes is known");
		return 0;
	}
	if (usage >= grow_usage && load >= grow_load) {
		pol_say(why, sizeof(why), "usage %g >= %g and average load %g >= %g", POL_F(usage),
			POL_F(grow_usage), POL_F(load), POL_F(grow_load));
		return grow(st, user, why);
	}
	if ((double)user->nr_own > POL_F(pol_get(st, POL_SHRINK_MIN)) && usage <= less_usage &&
	    load <= less_load) {
		pol_say(why, sizeof(why), "usage %g <= %g and average load %g <= %g", POL_F(usage),
			POL_F(less_usage), POL_F(load), POL_F(less_load));
		return shrink(st, user, why);
	}
	pol_keep(st, 16, user->name, 0, "usage %g, average load %g, %zu nodes", POL_F(usage),
		 POL_F(load), user->nr_own);
	return 0;
}
