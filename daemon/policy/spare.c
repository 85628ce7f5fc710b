// SPDX-License-Identifier: GPL-2.0-or-later
/* R18: which node is the shared spare, chosen anew each period. */
#include "daemon/policy/state.h"

#include <errno.h>

static void set_leaving(struct pol_state *st, struct pol_node *node, bool is_leaving)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		seat->is_leaving = is_leaving;
	pol_node_touch(st, node);
}

/* The node that @user gets instead of @node; NULL: there is none to be had. */
static struct pol_node *instead(struct pol_state *st, const struct pol_user *user,
				const struct pol_node *node)
{
	return pol_choose(st, user, node, 1) ? st->tmp_nodes.p[0] : NULL;
}

/* Would the environment of @seat, without its node and with @other, still have a node and a leader?
 */
static bool env_can(struct pol_state *st, const struct pol_seat *seat, const struct pol_node *other)
{
	const struct pol_env *env = seat->env;
	enum pol_window window = pol_window(st, POL_R11_WINDOW);

	if (!env)
		return true;
	if (!other && pol_nr_active(env) == 0)
		return false;
	if (env->leader != seat->node || pol_next_leader(st, env))
		return true;
	return other && pol_known(other->load) && pol_known(other->avg[window]) &&
	       other->load < pol_get(st, POL_LEADER_NEXT_MAX);
}

/* What @seat's user was to get instead is not needed after all. */
static void undo(struct pol_state *st, struct pol_node *node)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		if (seat->instead) {
			pol_seat_own(seat->instead, false);
			pol_seat_tidy(st, seat->instead);
		}
		seat->instead = NULL;
	}
}

/* Can @node be had? Then what its holders get instead is theirs already. 1, 0 or -ENOMEM. */
static int can_have(struct pol_state *st, struct pol_node *node)
{
	int r = 1;

	set_leaving(st, node, true);
	for (struct pol_seat *seat = node->seats; seat && r == 1; seat = seat->next) {
		struct pol_node *other = NULL;

		if (seat->is_own && !seat->user->is_admin) {
			other = instead(st, seat->user, node);
			if (!other) {
				pol_keep(st, 18, NULL, node->id,
					 "least average load, but %s holds it and there is no candidate instead",
					 seat->user->name);
				r = 0;
				break;
			}
			r = pol_seat_get(st, seat->user, other, &seat->instead) < 0 ? -ENOMEM : 1;
			if (r == 1)
				pol_seat_own(seat->instead, true);
		}
		if (r == 1 && !env_can(st, seat, other)) {
			pol_keep(st, 18, NULL, node->id, "least average load, but %s can't do without it",
				 seat->user->name);
			r = 0;
		}
	}
	set_leaving(st, node, false);
	if (r != 1)
		undo(st, node);
	return r;
}

/* @seat's user gets another node. */
static void replace(struct pol_state *st, struct pol_seat *seat)
{
	struct pol_user *user = seat->user;
	struct pol_decision d = { .rule = 15, .action = POL_ALLOCATE, .user = user->name };
	uint32_t id = seat->instead->node->id;

	pol_seat_tick(st, seat->instead, seat->env ? seat->env : user->envs);
	seat->instead = NULL;
	d.nr_nodes = pol_own_ids(st, user);
	d.nodes = st->ids;
	pol_emit(st, &d, "node %u instead of node %u, which becomes the shared spare", id,
		 seat->node->id);
	pol_join_allocated(st, user, &id, 1);
}

static void leave(struct pol_state *st, struct pol_seat *seat)
{
	struct pol_env *env = seat->env;
	struct pol_node *next;

	if (env && env->leader == seat->node) {
		next = pol_next_leader_any(st, env);
		if (next)
			pol_hand_over(st, env, next, 18, "its node becomes the shared spare");
	}
}

static void free_former(struct pol_state *st, struct pol_node *former)
{
	struct pol_decision d = { .rule = 18, .action = POL_SPARE_UNSET, .node = former->id,
				  .kind = POL_SHARED };
	struct pol_env *env;
	size_t iter;

	for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter))
		if (env->is_lent)
			pol_lend_return(st, env, "another node becomes the shared spare");
	former->kind = POL_NO_SPARE;
	pol_node_touch(st, former);
	pol_emit(st, &d, "another node becomes the shared spare: this one is free again");
}

static void become(struct pol_state *st, struct pol_node *node, struct pol_node *former)
{
	struct pol_decision d = { .rule = 18, .action = POL_SPARE_SET, .node = node->id,
				  .kind = POL_SHARED };
	enum pol_window window = pol_window(st, POL_R18_WINDOW);
	size_t restricted = 0;
	char kept[80];

	set_leaving(st, node, true);
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->instead)
			replace(st, seat);
	if (former)
		free_former(st, former);
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		leave(st, seat);
	for (const struct pol_proc *p = node->procs; p; p = p->next)
		restricted += !p->is_system && p->is_restricted;
	pol_emit(st, &d, "least average load %g%s", POL_F(node->avg[window]),
		 pol_kept_text(restricted, kept));
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->env)
			pol_empty(st, seat->env, node, NULL, 18);
	set_leaving(st, node, false);
	node->kind = POL_SHARED;
	for (struct pol_seat *seat = node->seats, *next; seat; seat = next) {
		next = seat->next;
		if (seat->user->is_admin)
			continue;
		pol_seat_own(seat, false);
		pol_seat_tick(st, seat, NULL);
		pol_seat_tidy(st, seat);
	}
	pol_node_touch(st, node);
	st->shared = node;
	st->is_shared_chosen = true;
}

int pol_spare_choose(struct pol_state *st)
{
	enum pol_window window = pol_window(st, POL_R18_WINDOW);
	struct pol_node *former = pol_shared(st), *node;
	struct pol_list order = { 0 };
	int r = pol_list_room(st, &order, st->nodes.nr + 1);

	if (r < 0)
		return r;
	for (size_t i = 0; i < st->nodes.nr; i++) {
		node = st->nodes.p[i];
		/* One that stands in for a failed node has a role. */
		if (pol_node_is_up(node) && node->kind != POL_OVERLOAD && !node->stands_for &&
		    pol_known(node->avg[window]))
			order.p[order.nr++] = node;
	}
	pol_sort(order.p, order.nr, pol_cmp_node_avg, (int)window);
	for (size_t i = 0; i < order.nr && r == 0; i++) {
		node = order.p[i];
		if (node == former && st->is_shared_chosen) {
			pol_keep(st, 18, NULL, node->id, "it stays the shared spare: least average load %g",
				 POL_F(node->avg[window]));
			break;
		}
		r = node->kind == POL_NO_SPARE ? can_have(st, node) : 1;
		if (r != 1)
			continue;
		former = former == node ? NULL : former;
		if (node->kind == POL_NO_SPARE) {
			/* The former one's processes don't go to a node that leaves as well. */
			become(st, node, former);
		} else {
			struct pol_decision d = { .rule = 18, .action = POL_SPARE_SET,
						  .node = node->id, .kind = POL_SHARED };

			if (former)
				free_former(st, former);
			node->kind = POL_SHARED;
			st->shared = node;
			st->is_shared_chosen = true;
			pol_emit(st, &d, "least average load %g", POL_F(node->avg[window]));
		}
	}
	pol_free(st, order.p);
	return r < 0 ? r : 0;
}
