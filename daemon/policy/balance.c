// SPDX-License-Identifier: GPL-2.0-or-later
/* R10: even loads inside an environment, and where new processes start. */
#include "daemon/policy/state.h"

/* Why a node is in excess, or NULL. */
static const char *excess_of(int64_t load, int64_t service, int64_t least, int64_t gap,
			     int64_t high)
{
	if (pol_known(load) && load > high)
		return "load";
	if (pol_known(service) && pol_known(least) && service - least > gap)
		return "service load";
	return NULL;
}

static int64_t service_of(const struct pol_node *node)
{
	return node->nr_unknown ? POL_UNKNOWN : node->service_load;
}

static int64_t min_known(int64_t a, int64_t b)
{
	if (!pol_known(a) || !pol_known(b))
		return pol_known(a) ? a : b;
	return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct choice {
	struct pol_proc *p;
	int64_t gain;
	bool ends;
};

/* The smallest process whose move pays and ends the excess, else the largest whose move pays. */
static struct choice choose(struct pol_state *st, struct pol_env *env, struct pol_node *from,
			    struct pol_node *to)
{
	int64_t gap = pol_get(st, POL_BALANCE_GAP), high = pol_get(st, POL_BALANCE_HIGH);
	int64_t rest = pol_get(st, POL_MOVE_REST), cost = pol_get(st, POL_MOVE_COST);
	int64_t others = pol_least_service(st, env, from, to);
	struct choice best = { 0 };

	for (struct pol_proc *p = from->procs; p; p = p->next) {
		int64_t there, left, gain, service, least;
		bool ends;

		if (p->user != env->user || !pol_is_movable(st, p) || !pol_known(p->load))
			continue;
		if (pol_known(p->moved_at) && st->now - p->moved_at < rest)
			continue;
		there = pol_load_on(p, to);
		left = max_of(from->load - p->load, 0);
		gain = max_of(from->load, to->load) - max_of(left, to->load + there);
		if (gain <= cost)
			continue;
		service = service_of(from);
		if (pol_known(service))
			service -= p->load;
		least = service_of(to);
		least = min_known(others, pol_known(least) ? least + there : least);
		least = min_known(least, service);
		ends = !excess_of(left, service, least, gap, high);
		if (best.p && best.ends != ends) {
			if (best.ends)
				continue;
		} else if (best.p && best.p->load != p->load) {
			if ((p->load < best.p->load) != ends)
				continue;
		} else if (best.p && best.p->pid < p->pid) {
			continue;
		}
		best = (struct choice){ .p = p, .gain = gain, .ends = ends };
	}
	return best;
}

/* @node was moved to: put it in its new place among those from @first on that are still to come. */
static void requeue(struct pol_state *st, struct pol_env *env, size_t first, struct pol_node *node)
{
	int64_t gap = pol_get(st, POL_BALANCE_GAP), high = pol_get(st, POL_BALANCE_HIGH);
	int64_t least = pol_least_service(st, env, NULL, NULL);
	struct pol_list *list = &st->tmp_nodes;
	size_t at;

	if (node->balanced == st->decision)
		return;
	for (at = first; at < list->nr && list->p[at] != node; at++)
		;
	if (at == list->nr) {
		if (!excess_of(node->load, service_of(node), least, gap, high))
			return;
		list->p[list->nr++] = node;
	}
	/* Its load has grown. */
	for (; at > first && pol_cmp_node_worst(node, list->p[at - 1], 0) < 0; at--)
		list->p[at] = list->p[at - 1];
	list->p[at] = node;
}

/* tmp_nodes[at] has no excess any more, or none that can be helped. */
static void relieve(struct pol_state *st, struct pol_env *env, size_t at)
{
	int64_t gap = pol_get(st, POL_BALANCE_GAP), high = pol_get(st, POL_BALANCE_HIGH);
	struct pol_node *node = st->tmp_nodes.p[at];

	node->balanced = st->decision;
	for (;;) {
		int64_t least = pol_least_service(st, env, NULL, NULL);
		const char *excess = excess_of(node->load, service_of(node), least, gap, high);
		struct pol_node *to = excess ? pol_least_loaded(st, env, node) : NULL;
		struct choice best = { 0 };
		int64_t load = node->load;

		if (!excess)
			return;
		if (to && pol_known(node->load))
			best = choose(st, env, node, to);
		if (!best.p) {
			pol_keep(st, 10, NULL, node->id, "its %s is in excess, but no move pays", excess);
			return;
		}
		if (excess[0] == 'l')
			pol_migrate(st, best.p, to, 10,
				    "node %u at load %g > %g, node %u is the least loaded (%g): the higher load falls by %g%s",
				    node->id, POL_F(load), POL_F(high), to->id, POL_F(to->load),
				    POL_F(best.gain), best.ends ? ", which ends it" : "");
		else
			pol_migrate(st, best.p, to, 10,
				    "node %u has service load %g, more than %g above the least (%g), node %u is the least loaded (%g): the higher load falls by %g%s",
				    node->id, POL_F(node->service_load), POL_F(gap), POL_F(least),
				    to->id, POL_F(to->load), POL_F(best.gain),
				    best.ends ? ", which ends it" : "");
		requeue(st, env, at + 1, to);
	}
}

/* Active nodes of @env in excess that were not looked at yet, by falling load, into tmp_nodes. */
static void find_excess(struct pol_state *st, const struct pol_env *env)
{
	int64_t gap = pol_get(st, POL_BALANCE_GAP), high = pol_get(st, POL_BALANCE_HIGH);
	const struct pol_user *user = env->user;
	struct pol_list *list = &st->tmp_nodes;
	int64_t least = POL_UNKNOWN;
	size_t n = 0;

	list->nr = 0;
	for (size_t i = 0; i < user->nr_seats; i++) {
		const struct pol_seat *seat = user->seats[i];

		if (seat->env != env || !pol_seat_is_active(seat))
			continue;
		least = min_known(least, service_of(seat->node));
		if (seat->node->balanced != st->decision)
			list->p[list->nr++] = seat->node;
	}
	for (size_t i = 0; i < list->nr; i++) {
		struct pol_node *node = list->p[i];

		if (excess_of(node->load, service_of(node), least, gap, high))
			list->p[n++] = node;
	}
	list->nr = n;
	pol_sort(list->p, n, pol_cmp_node_worst, 0);
}

void pol_balance_check(struct pol_state *st, struct pol_env *env)
{
	st->decision++;
	/* Again, because the least may have fallen, and others are too far above it then. */
	for (find_excess(st, env); st->tmp_nodes.nr; find_excess(st, env))
		for (size_t i = 0; i < st->tmp_nodes.nr; i++)
			relieve(st, env, i);
}

/* The least loaded node of the pool that serves: for system processes. */
struct pol_node *pol_least_of_pool(const struct pol_state *st)
{
	struct pol_node *best = NULL;

	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];

		if (pol_node_serves(node) && pol_known(node->load) &&
		    (!best || node->load < best->load))
			best = node;
	}
	return best;
}

/* Where a new process of @env starts: at home with the leader, unless elsewhere pays. */
static struct pol_node *start_of(struct pol_state *st, struct pol_env *env, struct pol_proc *p,
				 char *why, size_t len)
{
	struct pol_node *to = pol_least_loaded(st, env, NULL), *home = env->leader;
	const struct pol_seat *seat = home ? pol_seat(env->user, home) : NULL;
	int64_t here, gain;

	if (!seat || seat->env != env || !pol_seat_is_active(seat))
		home = NULL;
	if (home && !p->told_node)
		p->told_node = home;
	if (!home || !to || home == to || !pol_known(home->load)) {
		to = to ? to : home;
		if (to)
			pol_say(why, len, "node %u is the least loaded (%g)", to->id,
				pol_known(to->load) ? POL_F(to->load) : 0);
		return to;
	}
	here = pol_known(p->told_load) ? pol_load_on(p, home) : 0;
	gain = max_of(home->load + here, to->load) -
	       max_of(home->load, to->load + (here ? pol_load_on(p, to) : 0));
	/* What it will weigh is unknown: the nodes alone can tell. */
	if (!pol_known(p->told_load))
		gain = home->load - to->load;
	if (!st->config.value[POL_PLACE_AT_EXEC] || gain <= pol_get(st, POL_MOVE_COST)) {
		pol_say(why, len, "starts on the leader's node: on node %u, the least loaded, it would gain %g, which does not pay",
			to->id, POL_F(gain));
		return home;
	}
	pol_say(why, len, "node %u is the least loaded (%g): the higher load is less by %g than on the leader's node %u",
		to->id, POL_F(to->load), POL_F(gain), home->id);
	return to;
}

void pol_balance_place(struct pol_state *st, struct pol_proc *p)
{
	struct pol_decision d = { .rule = 10, .action = POL_PLACE, .pid = p->pid };
	char why[POL_WHY_LEN] = "";
	struct pol_node *to;

	if (p->is_system) {
		to = pol_least_of_pool(st);
		if (to)
			pol_say(why, sizeof(why), "a system process: node %u is the least loaded of the pool (%g)",
				to->id, POL_F(to->load));
	} else {
		to = start_of(st, p->user->envs, p, why, sizeof(why));
	}
	if (!to) {
		pol_alert(st, 10, p->user ? p->user->name : NULL, 0,
			  "process %lld waits: there is no active node to start it on",
			  (long long)p->pid);
		return;
	}
	if (!p->told_node)
		p->told_node = to;
	p->moved_at = st->now;
	p->moved_check = st->check;
	d.node = to->id;
	pol_proc_place(st, p, to);
	pol_emit(st, &d, "%s", why);
}
