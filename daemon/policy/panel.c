// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * R17: the user ticks nodes. Also how any node leaves a user: its leader hands over, then it
 * drains.
 */
#include "daemon/policy/state.h"

static bool has_id(const uint32_t *ids, size_t nr, uint32_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Who stands in for a failed node that leaves the user leaves with it. */
static void standins_leave(struct pol_state *st, struct pol_user *user)
{
	for (size_t i = 0; i < user->nr_seats; i++) {
		struct pol_seat *seat = user->seats[i];
		const struct pol_seat *failed =
			seat->for_failed ? pol_seat(user, seat->for_failed) : NULL;

		if (failed && failed->is_leaving && !seat->is_own)
			seat->is_leaving = true;
		if (seat->is_leaving && seat->env)
			pol_env_touch(st, seat->env);
	}
}

void pol_leave(struct pol_state *st, struct pol_user *user, unsigned int rule, bool is_for_good)
{
	size_t stuck = 0;

	if (is_for_good)
		standins_leave(st, user);
	for (size_t i = 0; i < user->nr_seats; i++) {
		struct pol_seat *seat = user->seats[i];

		if (!seat->is_leaving || !seat->env)
			continue;
		pol_env_touch(st, seat->env);
		stuck += pol_empty(st, pol_nr_active(seat->env) ? seat->env : user->envs,
				   seat->node, NULL, rule);
	}
	for (size_t i = user->nr_seats; i-- > 0;) {
		struct pol_seat *seat = user->seats[i];

		if (!seat->is_leaving)
			continue;
		seat->is_leaving = false;
		seat->for_failed = NULL;
		pol_seat_tick(st, seat, NULL);
		if (is_for_good && seat->is_own)
			pol_seat_own(seat, false);
		pol_seat_tidy(st, seat);
	}
	if (stuck)
		pol_alert(st, rule, user->name, 0,
			  "%zu processes stay on a node that leaves: no other active node's load is known",
			  stuck);
}

static bool refused(struct pol_state *st, const struct pol_user *user, const uint32_t *ids,
		    size_t nr)
{
	struct pol_decision d = { .rule = 17, .action = POL_REFUSE, .user = user->name };

	if (nr == 0) {
		pol_emit(st, &d, "no node was ticked: nothing changes");
		return true;
	}
	for (size_t i = 0; i < nr; i++) {
		const struct pol_node *node = pol_node(st, ids[i]);
		const struct pol_seat *seat = node ? pol_seat(user, node) : NULL;

		if (seat && seat->is_own)
			continue;
		pol_emit(st, &d, "node %u is not allocated to %s: nothing changes", ids[i], user->name);
		return true;
	}
	return false;
}

/* Each environment of @user keeps a leader that stays; one without any successor stays ticked. */
static void leaders(struct pol_state *st, struct pol_user *user)
{
	for (struct pol_env *env = user->envs; env; env = env->next) {
		struct pol_seat *seat = env->leader ? pol_seat(user, env->leader) : NULL;
		struct pol_node *next;

		if (env->leader && seat && seat->env == env && pol_seat_is_active(seat))
			continue;
		if (!env->leader || !seat || !seat->is_leaving) {
			next = pol_next_leader_any(st, env);
			if (next && env->leader)
				pol_hand_over(st, env, next, 17, "the leader's node serves no more");
			else if (next)
				env->leader = next;
			continue;
		}
		next = pol_next_leader(st, env);
		if (next) {
			pol_hand_over(st, env, next, 17, "the leader's node was unticked");
		} else if (env != user->envs && pol_nr_active(env) == 0) {
			env->leader = NULL;	/* a further environment ends */
		} else {
			seat->is_leaving = false;
			pol_env_touch(st, env);
			pol_alert(st, 17, user->name, 0,
				  "node %u leads and no other ticked node is below %g: it stays ticked",
				  seat->node->id, POL_F(pol_get(st, POL_LEADER_NEXT_MAX)));
		}
	}
}

int pol_select(struct pol_state *st, struct pol_user *user, const uint32_t *ids, size_t nr)
{
	struct pol_decision d = { .rule = 17, .action = POL_SELECT, .user = user->name };
	size_t restricted = 0, more, movable;
	char kept[80];

	if (refused(st, user, ids, nr))
		return 0;
	for (size_t i = 0; i < user->nr_seats; i++) {
		struct pol_seat *seat = user->seats[i];
		bool is_wanted = has_id(ids, nr, seat->node->id);

		if (seat->is_own && is_wanted && !seat->env)
			pol_seat_tick(st, seat, user->envs);
		if (seat->is_own && seat->env && !is_wanted && !seat->is_lent)
			seat->is_leaving = true;
	}
	standins_leave(st, user);
	leaders(st, user);
	for (size_t i = 0; i < user->nr_seats; i++) {
		if (!user->seats[i]->is_leaving)
			continue;
		pol_count(user, user->seats[i]->node, &movable, &more);
		restricted += more;
	}
	d.nr_nodes = pol_ticked_ids(st, user);
	d.nodes = st->ids;
	pol_emit(st, &d, "ticked by the user: %zu of %zu allocated nodes%s", d.nr_nodes, user->nr_own,
		 pol_kept_text(restricted, kept));
	pol_leave(st, user, 17, false);
	return 0;
}
