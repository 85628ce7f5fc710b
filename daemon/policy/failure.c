// SPDX-License-Identifier: GPL-2.0-or-later
/* R8, the first half: a node fails and another takes its role. See recover.c for the second. */
#include "daemon/policy/state.h"

#include <errno.h>

/* An idle spare with the least average, else the shared one while it is not lent. */
static struct pol_node *find_spare(const struct pol_state *st)
{
	enum pol_window window = pol_window(st, POL_R8_WINDOW);
	struct pol_node *shared = pol_shared(st), *best = NULL;

	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];

		if (node->kind != POL_IDLE || node == shared || !pol_node_is_up(node) ||
		    !pol_known(node->load) || !pol_known(node->avg[window]))
			continue;
		if (!best || pol_cmp_node_avg(node, best, (int)window) < 0)
			best = node;
	}
	if (!best && shared && !pol_is_lent(shared) && pol_node_is_up(shared) &&
	    pol_known(shared->load))
		best = shared;
	/* Better one whose average is unknown than none. */
	for (size_t i = 0; i < st->nodes.nr && !best; i++) {
		struct pol_node *node = st->nodes.p[i];

		if (node->kind == POL_IDLE && node != shared && pol_node_is_up(node) &&
		    pol_known(node->load))
			best = node;
	}
	return best;
}

/* Does @seat give its node a role that another must take: a container that serves, or is in use? */
static bool has_role(const struct pol_seat *seat)
{
	const struct pol_node *node = seat->node;

	if (!seat->env)
		return false;
	if (!node->is_drained && (node->kind == POL_NO_SPARE || seat->is_lent))
		return true;
	return seat->env->leader == node || pol_runs_there(seat->user, node);
}

static bool node_has_role(const struct pol_node *node)
{
	for (const struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (has_role(seat))
			return true;
	for (const struct pol_proc *p = node->procs; p; p = p->next)
		if (p->is_system)
			return true;
	return false;
}

/* Seats for the spare wherever @node has a role, not in use yet. */
static int make_seats(struct pol_state *st, const struct pol_node *node, struct pol_node *spare)
{
	for (const struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		struct pol_seat *made;

		if (has_role(seat) && pol_seat_get(st, seat->user, spare, &made) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void tidy_seats(struct pol_state *st, struct pol_node *spare)
{
	for (struct pol_seat *seat = spare->seats, *next; seat; seat = next) {
		next = seat->next;
		pol_seat_tidy(st, seat);
	}
}

/* Whom the spare stands in for: @node, or, when that stood in itself, the one it stood in for. */
static struct pol_node *original_of(struct pol_node *node)
{
	return node->stands_for ? node->stands_for : node;
}

/* The rights by which @node helped out (R8, R18) end with it. */
static void end_help(struct pol_state *st, struct pol_node *node)
{
	for (struct pol_seat *seat = node->seats, *next; seat; seat = next) {
		next = seat->next;
		if (!seat->is_lent && !seat->for_failed)
			continue;
		if (seat->is_lent && seat->env)
			seat->env->is_lent = false;
		seat->is_lent = false;
		seat->for_failed = NULL;
		if (!seat->is_own)
			pol_seat_tick(st, seat, NULL);
		pol_seat_tidy(st, seat);
	}
	if (node->stands_for) {
		/* It was a spare, and is one again if it comes back. */
		node->stands_for->standin = NULL;
		node->stands_for = NULL;
		node->kind = POL_IDLE;
		node->standin_kind = POL_NO_SPARE;
	}
	pol_node_touch(st, node);
}

static void move_all(struct pol_state *st, struct pol_node *node, struct pol_node *spare,
		     struct pol_node *mark)
{
	struct pol_list *list = &st->tmp_procs;

	list->nr = 0;
	for (struct pol_proc *p = node->procs; p; p = p->next)
		list->p[list->nr++] = p;
	pol_sort(list->p, list->nr, pol_cmp_heaviest, 0);
	for (size_t i = 0; i < list->nr; i++) {
		struct pol_proc *p = list->p[i];
		struct pol_node *to = spare;
		const struct pol_seat *seat;

		/* A user who had no container there has none on the spare. */
		if (p->user && !p->is_system) {
			seat = spare ? pol_seat(p->user, spare) : NULL;
			if (!seat || !seat->env)
				to = pol_least_loaded(st, pol_env_of(p, node), node);
		} else if (!to) {
			to = pol_least_of_pool(st);
		}
		if (!to)
			continue;
		if (!p->taken_from)
			p->taken_from = mark;
		pol_migrate(st, p, to, 8, "node %u failed, it is restarted on node %u", node->id,
			    to->id);
	}
}

static void hand_over(struct pol_state *st, struct pol_node *node, struct pol_node *spare)
{
	struct pol_env *env;
	size_t iter;
	char why[POL_WHY_LEN / 2];

	pol_say(why, sizeof(why), "node %u failed", node->id);
	for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter)) {
		struct pol_decision d = { .rule = 8, .action = POL_LEADER, .user = env->user->name,
					  .from = node->id };
		struct pol_node *next;

		if (env->leader != node)
			continue;
		if (spare) {
			env->leader = spare;
			d.to = spare->id;
			pol_emit(st, &d, "node %u failed, spare node %u has its role", node->id,
				 spare->id);
			continue;
		}
		next = pol_next_leader_any(st, env);
		if (next)
			pol_hand_over(st, env, next, 8, why);
	}
}

static void with_spare(struct pol_state *st, struct pol_node *node, struct pol_node *spare)
{
	struct pol_decision d = { .rule = 8, .action = POL_TAKEOVER, .node = node->id,
				  .spare = spare->id };
	struct pol_node *original = original_of(node);
	int64_t avg = spare->avg[pol_window(st, POL_R8_WINDOW)];
	bool is_shared = spare == pol_shared(st);

	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		struct pol_seat *made = has_role(seat) ? pol_seat(seat->user, spare) : NULL;

		if (!made)
			continue;
		made->for_failed = original;
		pol_seat_tick(st, made, seat->env);
	}
	end_help(st, node);
	original->standin = spare;
	spare->stands_for = original;
	spare->standin_kind = spare->kind;
	spare->kind = POL_NO_SPARE;
	pol_node_touch(st, spare);
	if (pol_known(avg))
		pol_emit(st, &d, "node %u failed, %s spare node %u takes over: least average load %g",
			 node->id, is_shared ? "shared" : "idle", spare->id, POL_F(avg));
	else
		pol_emit(st, &d, "node %u failed, %s spare node %u takes over, its average is unknown",
			 node->id, is_shared ? "shared" : "idle", spare->id);
	hand_over(st, node, spare);
	move_all(st, node, spare, original);
}

static void without_spare(struct pol_state *st, struct pol_node *node)
{
	struct pol_decision d = { .rule = 8, .action = POL_TAKEOVER, .node = node->id };
	struct pol_node *original = original_of(node);
	size_t left = 0;

	end_help(st, node);
	pol_emit(st, &d, "node %u failed, no spare is left: the environment's other nodes take over",
		 node->id);
	hand_over(st, node, NULL);
	move_all(st, node, NULL, original);
	for (const struct pol_proc *p = node->procs; p; p = p->next)
		left++;
	pol_alert(st, 8, NULL, node->id,
		  "node %u failed and no spare is left%s: add a node, or free one", node->id,
		  left ? "; some of its processes found no other node" : "");
}

int pol_fail(struct pol_state *st, struct pol_node *node)
{
	struct pol_node *spare;
	bool needs;
	int r;

	if (node->is_failed) {
		pol_keep(st, 8, NULL, node->id, "it has failed before");
		return 0;
	}
	needs = node_has_role(node);
	spare = needs ? find_spare(st) : NULL;
	if (spare == node)
		spare = NULL;
	if (spare) {
		r = make_seats(st, node, spare);
		if (r < 0) {
			tidy_seats(st, spare);
			return r;
		}
	}
	node->is_failed = true;
	pol_node_touch(st, node);
	if (!needs) {
		end_help(st, node);
		move_all(st, node, NULL, node);
		pol_keep(st, 8, NULL, node->id, "it has no role: no spare is needed");
	} else if (spare) {
		with_spare(st, node, spare);
	} else {
		without_spare(st, node);
	}
	return 0;
}
