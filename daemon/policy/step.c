// SPDX-License-Identifier: GPL-2.0-or-later
/* One event: which rules run, in which order. */
#include "daemon/policy/state.h"

#include <errno.h>

/* All that a decision may need to list. */
static int scratch(struct pol_state *st)
{
	void *ids = st->ids;
	int r;

	if (pol_list_room(st, &st->tmp_nodes, st->nodes.nr + 2) < 0 ||
	    pol_list_room(st, &st->tmp_seats, st->nodes.nr + 2) < 0 ||
	    pol_list_room(st, &st->tmp_procs, st->nr_procs + 2) < 0 ||
	    pol_list_room(st, &st->tmp_users, st->users.nr + 2) < 0)
		return -ENOMEM;
	r = pol_room(st, &ids, &st->ids_room, 2 * st->nodes.nr + 4, sizeof(*st->ids));
	st->ids = ids;
	return r;
}

/* What follows from all nodes together. */
static void prepare(struct pol_state *st)
{
	struct pol_env *env;
	size_t iter;

	pol_capacities(st);
	for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter))
		pol_env_dirty(st, env);
	st->is_prepared = true;
}

/* Each rule over all environments, in SPEC's order of precedence. */
static int tick(struct pol_state *st)
{
	static void (*const rules[])(struct pol_state *st, struct pol_env *env) = {
		pol_overload_check, pol_leader_check, pol_balance_check,
	};
	struct pol_env *env;
	size_t iter;
	int r = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		for (env = pol_env_next(st, NULL, &iter); env; env = pol_env_next(st, env, &iter))
			rules[i](st, env);
		if (i == 0)
			pol_overload_return(st);
	}
	for (env = pol_env_next(st, NULL, &iter); env && !r; env = pol_env_next(st, env, &iter))
		r = pol_lend_check(st, env);
	for (size_t i = 0; i < st->users.nr && !r; i++)
		for (struct pol_view *v = ((struct pol_user *)st->users.p[i])->views; v && !r;
		     v = v->next)
			r = pol_view_check(st, v);
	for (size_t i = 0; i < st->users.nr && !r; i++)
		for (struct pol_view *v = ((struct pol_user *)st->users.p[i])->views; v && !r;
		     v = v->next)
			r = v->has_image ? pol_copies_check(st, v) : 0;
	return r;
}

static int join(struct pol_state *st, const struct pol_node_info *info)
{
	int r = pol_add_node(st, info);

	if (r < 0)
		return r;
	prepare(st);
	r = scratch(st);
	if (r == 0 && st->admin) {
		if (!st->admin->envs->leader)
			st->admin->envs->leader = pol_least_active(st->admin);
		pol_join_check(st, pol_node(st, info->id), st->admin->envs);
	}
	return r;
}

static int load_event(struct pol_state *st, struct pol_node *node, const struct pol_event *ev)
{
	for (int w = 0; ev->avg && w < POL_WINDOWS; w++)
		node->avg[w] = pol_known(ev->avg[w]) ? ev->avg[w] : node->avg[w];
	pol_set_load(st, node, ev->load);
	return 0;
}

static int do_event(struct pol_state *st, const struct pol_event *ev)
{
	struct pol_user *user = ev->user ? pol_user(st, ev->user) : NULL;
	struct pol_node *node = pol_node(st, ev->node);
	struct pol_view *view;
	struct pol_env *env;
	struct pol_proc *p;
	size_t iter;
	int r = 0;

	switch (ev->kind) {
	case POL_EV_REQUEST:
		return pol_request(st, ev->user, &ev->request);
	case POL_EV_CANDIDATES:
		pol_candidates(st, ev->user);
		return 0;
	case POL_EV_PICK:
		return pol_pick(st, ev->user, ev->nodes, ev->nr_nodes);
	case POL_EV_SELECT:
	case POL_EV_REVIEW:
		/* Who was refused has nothing yet; so has the admin before he is named. */
		if (!user) {
			r = pol_user_new(st, ev->user, &user);
			if (r < 0)
				return r;
		}
		return ev->kind == POL_EV_SELECT ? pol_select(st, user, ev->nodes, ev->nr_nodes) :
						   pol_review(st, user, ev->usage, ev->load);
	case POL_EV_LOAD:
		return node ? load_event(st, node, ev) : -ENOENT;
	case POL_EV_PROCESS:
		return pol_process_event(st, ev->process);
	case POL_EV_EXIT:
		p = pol_proc(st, ev->pid);
		if (!p)
			return -ENOENT;
		pol_proc_drop(st, p);
		return 0;
	case POL_EV_TICK:
		return tick(st);
	case POL_EV_FAIL:
		return node ? pol_fail(st, node) : -ENOENT;
	case POL_EV_RECOVER:
		return node ? pol_recover(st, node) : -ENOENT;
	case POL_EV_JOIN:
		return join(st, ev->join);
	case POL_EV_IDLE:
		return pol_idle_check(st);
	case POL_EV_CONSOLIDATE:
		for (env = pol_env_next(st, NULL, &iter); env && !r;
		     env = pol_env_next(st, env, &iter))
			r = pol_consolidate_check(st, env);
		return r;
	case POL_EV_SPARE:
		return pol_spare_choose(st);
	case POL_EV_USERS:
		view = pol_view(st, ev->view);
		if (!view)
			return -ENOENT;
		view->users = ev->users;
		return pol_view_check(st, view);
	case POL_EV_DRAIN:
	case POL_EV_UNDRAIN:
		if (node)
			pol_drain(st, node, ev->kind == POL_EV_DRAIN);
		return node ? 0 : -ENOENT;
	case POL_EV_GONE:
		return node ? pol_gone(st, node) : -ENOENT;
	case POL_EV_LEAD:
		if (!user || !node)
			return -ENOENT;
		pol_lead(st, user, node);
		return 0;
	case POL_EV_USER_ADD:
		return user ? -EEXIST : pol_user_new(st, ev->user, &user);
	case POL_EV_USER_DEL:
		return user ? pol_user_del(st, user) : -ENOENT;
	}
	return -EINVAL;
}

int pol_step(struct pol_state *st, const struct pol_event *event, int64_t now,
	     const struct pol_sink *sink)
{
	int r = scratch(st);

	if (r < 0)
		return r;
	st->sink = sink;
	st->now = now;
	st->check++;
	if (!st->is_prepared)
		prepare(st);
	pol_holds_update(st);
	r = do_event(st, event);
	pol_holds_update(st);
	st->sink = NULL;
	return r;
}

size_t pol_load_spread(const struct pol_state *st, int64_t *ret_min, int64_t *ret_max,
		       int64_t *ret_mean)
{
	int64_t min = POL_UNKNOWN, max = POL_UNKNOWN, sum = 0;
	size_t nr = 0;

	for (size_t i = 0; i < st->nodes.nr; i++) {
		const struct pol_node *node = st->nodes.p[i];

		if (node->is_failed || !pol_known(node->load))
			continue;
		min = nr == 0 || node->load < min ? node->load : min;
		max = nr == 0 || node->load > max ? node->load : max;
		sum += node->load;
		nr++;
	}
	*ret_min = min;
	*ret_max = max;
	*ret_mean = nr ? sum / (int64_t)nr : POL_UNKNOWN;
	return nr;
}
