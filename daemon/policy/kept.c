// SPDX-License-Identifier: GPL-2.0-or-later
/* What the rules remember, out and in again: see kept.h. */
#include "daemon/policy/kept.h"

#include <errno.h>
#include <string.h>

#include "daemon/policy/state.h"

/* ---- out ------------------------------------------------------------------------------- */

static uint32_t id_of(const struct pol_node *node)
{
	return node ? node->id : 0;
}

static uint32_t number_of(const struct pol_user *user, const struct pol_env *env)
{
	uint32_t n = 1;

	for (const struct pol_env *e = user->envs; e; e = e->next, n++)
		if (e == env)
			return n;
	return 0;
}

static int save_user(struct pol_state *st, const struct pol_user *user,
		     const struct pol_kept_ops *ops, void *arg)
{
	struct pol_kept_user kept = { .name = user->name, .units = user->units };
	struct pol_kept_seat *seats = pol_alloc(st, (user->nr_seats + 1) * sizeof(*seats));
	struct pol_kept_env *envs;
	int r = -ENOMEM;

	for (const struct pol_env *env = user->envs; env; env = env->next)
		kept.nr_envs++;
	envs = pol_alloc(st, (kept.nr_envs + 1) * sizeof(*envs));
	if (seats && envs) {
		for (size_t i = 0; i < user->nr_seats; i++) {
			const struct pol_seat *seat = user->seats[i];

			seats[i] = (struct pol_kept_seat){
				.node = seat->node->id, .env = number_of(user, seat->env),
				.for_failed = id_of(seat->for_failed),
				.drain_env = number_of(user, seat->drain_env),
				.is_own = seat->is_own, .is_lent = seat->is_lent,
				.is_active = pol_seat_is_active(seat),
			};
		}
		kept.nr_envs = 0;
		for (const struct pol_env *env = user->envs; env; env = env->next)
			envs[kept.nr_envs++] = (struct pol_kept_env){
				.leader = id_of(env->leader), .is_lent = env->is_lent,
				.below_since = env->below_since,
			};
		kept.seats = seats;
		kept.nr_seats = user->nr_seats;
		kept.envs = envs;
		r = ops->user(arg, &kept);
	}
	pol_free(st, seats);
	pol_free(st, envs);
	return r;
}

static int save_view(const struct pol_view *view, const struct pol_kept_ops *ops, void *arg)
{
	const struct pol_kept_view kept = {
		.info = { .name = view->name, .user = view->user->name, .main = view->main,
			  .nr_main = view->nr_main, .mode = view->mode, .users = view->users,
			  .has_image = view->has_image },
		.is_main_chosen = view->is_main_chosen, .is_announced = view->is_announced,
		.nodes = view->nodes, .nr_nodes = view->nr_nodes,
		.copies = view->copies, .nr_copies = view->nr_copies,
		.high_since = view->high_since, .low_since = view->low_since,
	};

	return ops->view(arg, &kept);
}

int pol_kept_save(struct pol_state *st, const struct pol_kept_ops *ops, void *arg)
{
	const struct pol_kept_pool pool = { .is_shared_chosen = st->is_shared_chosen,
					    .shared = id_of(st->shared) };
	int r = 0;

	for (size_t i = 0; i < st->nodes.nr && !r; i++) {
		const struct pol_node *node = st->nodes.p[i];
		const struct pol_kept_node kept = {
			.id = node->id, .is_failed = node->is_failed,
			.is_drained = node->is_drained, .kind = node->kind,
			.standin_kind = node->standin_kind, .stands_for = id_of(node->stands_for),
			.below_since = node->below_since,
		};

		r = ops->node(arg, &kept);
	}
	for (size_t i = 0; i < st->users.nr && !r; i++)
		r = save_user(st, st->users.p[i], ops, arg);
	for (size_t i = 0; i < st->users.nr && !r; i++)
		for (const struct pol_view *v = ((struct pol_user *)st->users.p[i])->views; v && !r;
		     v = v->next)
			r = save_view(v, ops, arg);
	return r ? r : ops->pool(arg, &pool);
}

/* ---- in -------------------------------------------------------------------------------- */

static struct pol_env *env_at(const struct pol_user *user, uint32_t number)
{
	struct pol_env *env = number ? user->envs : NULL;

	for (; env && number > 1; number--)
		env = env->next;
	return env;
}

static int take_seat(struct pol_state *st, struct pol_user *user, const struct pol_kept_seat *kept)
{
	struct pol_node *node = pol_node(st, kept->node);
	struct pol_node *failed = kept->for_failed ? pol_node(st, kept->for_failed) : NULL;
	struct pol_seat *seat;
	int r;

	if (!node)
		return 0;
	r = pol_seat_get(st, user, node, &seat);
	if (r < 0)
		return r;
	if (seat->is_own != kept->is_own)
		pol_seat_own(seat, kept->is_own);
	seat->is_lent = kept->is_lent;
	seat->for_failed = failed;
	seat->drain_env = env_at(user, kept->drain_env);
	pol_seat_tick(st, seat, env_at(user, kept->env));
	pol_seat_tidy(st, seat);
	return 0;
}

/* The admin is made with every node; but only those are kept that are there for good. */
static void drop_others(struct pol_state *st, struct pol_user *user,
			const struct pol_kept_user *kept)
{
	for (size_t i = user->nr_seats; i-- > 0;) {
		struct pol_seat *seat = user->seats[i];
		size_t k;

		for (k = 0; k < kept->nr_seats && kept->seats[k].node != seat->node->id; k++)
			;
		if (k < kept->nr_seats)
			continue;
		pol_seat_own(seat, false);
		pol_seat_tidy(st, seat);
	}
}

int pol_kept_user(struct pol_state *st, const struct pol_kept_user *kept)
{
	struct pol_user *user;
	struct pol_env *env;
	int r;

	if (pol_user(st, kept->name))
		return -EEXIST;
	r = pol_user_new(st, kept->name, &user);
	for (size_t i = 1; i < kept->nr_envs && r == 0; i++)
		r = pol_env_new(st, user, &env);
	if (r < 0)
		return r;
	user->units = user->is_admin ? POL_UNKNOWN : kept->units;
	for (size_t i = 0; i < kept->nr_seats && r == 0; i++)
		r = take_seat(st, user, &kept->seats[i]);
	drop_others(st, user, kept);
	env = user->envs;
	for (size_t i = 0; i < kept->nr_envs && r == 0; i++, env = env->next) {
		env->leader = kept->envs[i].leader ? pol_node(st, kept->envs[i].leader) : NULL;
		env->is_lent = kept->envs[i].is_lent;
		env->below_since = kept->envs[i].below_since;
	}
	return r;
}

int pol_kept_node(struct pol_state *st, const struct pol_kept_node *kept)
{
	struct pol_node *node = pol_node(st, kept->id);
	struct pol_node *failed = kept->stands_for ? pol_node(st, kept->stands_for) : NULL;

	if (!node)
		return 0;
	if (kept->kind > POL_OVERLOAD || kept->standin_kind > POL_OVERLOAD || failed == node)
		return -EINVAL;
	st->nr_overload -= node->kind == POL_OVERLOAD;
	st->nr_overload += kept->kind == POL_OVERLOAD;
	node->is_failed = kept->is_failed;
	node->is_drained = kept->is_drained;
	node->kind = kept->kind;
	node->standin_kind = kept->standin_kind;
	node->below_since = kept->below_since;
	if (failed && !failed->standin) {
		node->stands_for = failed;
		failed->standin = node;
	}
	pol_node_touch(st, node);
	return 0;
}

static int take_ids(struct pol_state *st, const uint32_t *ids, size_t nr, uint32_t **ret_ids,
		    size_t *ret_nr, size_t *ret_room)
{
	void *p = *ret_ids;
	int r = pol_room(st, &p, ret_room, nr + 1, sizeof(*ids));

	*ret_ids = p;
	*ret_nr = 0;
	for (size_t i = 0; i < nr && r == 0; i++)
		if (pol_node(st, ids[i]))
			(*ret_ids)[(*ret_nr)++] = ids[i];
	return r;
}

int pol_kept_view(struct pol_state *st, const struct pol_kept_view *kept)
{
	struct pol_view_info info = kept->info;
	struct pol_view *view;
	size_t room = 0;
	int r;

	if (info.mode > POL_VIEW_LOAD)
		return -EINVAL;
	info.nr_main = 0;
	r = pol_add_view(st, &info);
	if (r < 0)
		return r;
	view = pol_view(st, info.name);
	pol_free(st, view->main);
	view->main = NULL;
	r = take_ids(st, kept->info.main, kept->info.nr_main, &view->main, &view->nr_main, &room);
	if (r == 0)
		r = take_ids(st, kept->nodes, kept->nr_nodes, &view->nodes, &view->nr_nodes,
			     &view->nodes_room);
	if (r == 0)
		r = take_ids(st, kept->copies, kept->nr_copies, &view->copies, &view->nr_copies,
			     &view->copies_room);
	view->is_main_chosen = kept->is_main_chosen;
	view->is_announced = kept->is_announced;
	view->high_since = kept->high_since;
	view->low_since = kept->low_since;
	return r;
}

void pol_kept_pool(struct pol_state *st, const struct pol_kept_pool *kept)
{
	st->is_shared_chosen = kept->is_shared_chosen;
	st->shared = kept->shared ? pol_node(st, kept->shared) : NULL;
}

/* ---- shown ----------------------------------------------------------------------------- */

bool pol_look(const struct pol_state *st, size_t i, enum pol_window window,
	      struct pol_node_view *ret)
{
	const struct pol_node *node = i < st->nodes.nr ? st->nodes.p[i] : NULL;

	if (!node)
		return false;
	*ret = (struct pol_node_view){
		.id = node->id, .kind = node->kind, .is_failed = node->is_failed,
		.is_drained = node->is_drained, .nr_users = node->nr_holders,
		.nr_processes = node->nr_service, .load = node->load, .avg = node->avg[window],
		.not_candidate = pol_not_candidate(st, node),
	};
	return true;
}
