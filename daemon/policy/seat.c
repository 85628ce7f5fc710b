// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may use which node, which of that is active, and the least loaded of it: see state.h. */
#include "daemon/policy/state.h"

#include <errno.h>
#include <string.h>

/* Where @node stands among the seats of @user, or belongs. */
static size_t place_of(const struct pol_user *user, const struct pol_node *node)
{
	size_t lo = 0, hi = user->nr_seats;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (user->seats[mid]->node->id < node->id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct pol_seat *pol_seat(const struct pol_user *user, const struct pol_node *node)
{
	size_t i = place_of(user, node);

	return i < user->nr_seats && user->seats[i]->node == node ? user->seats[i] : NULL;
}

/* Any of the user's environments may have to hold all his seats in its heaps. */
int pol_heaps_room(struct pol_state *st, struct pol_user *user, size_t n)
{
	for (struct pol_env *env = user->envs; env; env = env->next) {
		size_t room = 0;

		for (int h = 0; h < 2; h++) {
			void *p = env->heap[h];
			int r;

			room = env->heap_room;
			r = pol_room(st, &p, &room, n, sizeof(*env->heap[h]));
			env->heap[h] = p;
			if (r < 0)
				return r;
		}
		env->heap_room = room;
	}
	return 0;
}

int pol_seat_get(struct pol_state *st, struct pol_user *user, struct pol_node *node,
		 struct pol_seat **ret_seat)
{
	struct pol_seat *seat = pol_seat(user, node), **at;
	void *seats = user->seats;
	size_t i;
	int r;

	if (seat) {
		*ret_seat = seat;
		return 0;
	}
	r = pol_room(st, &seats, &user->seats_room, user->nr_seats + 1, sizeof(*user->seats));
	user->seats = seats;
	if (r < 0 || pol_heaps_room(st, user, user->nr_seats + 1) < 0)
		return -ENOMEM;
	seat = pol_alloc(st, sizeof(*seat));
	if (!seat)
		return -ENOMEM;
	seat->node = node;
	seat->user = user;
	for (at = &node->seats; *at && strcmp((*at)->user->name, user->name) < 0; at = &(*at)->next)
		;
	seat->next = *at;
	*at = seat;
	i = place_of(user, node);
	memmove(&user->seats[i + 1], &user->seats[i],
		(user->nr_seats - i) * sizeof(*user->seats));
	user->seats[i] = seat;
	user->nr_seats++;
	*ret_seat = seat;
	return 0;
}

void pol_seat_own(struct pol_seat *seat, bool is_own)
{
	int change = (int)is_own - (int)seat->is_own;

	seat->is_own = is_own;
	seat->user->nr_own += (size_t)change;
	if (!seat->user->is_admin)
		seat->node->nr_holders += (uint32_t)change;
}

void pol_seat_tick(struct pol_state *st, struct pol_seat *seat, struct pol_env *env)
{
	if (seat->env)
		pol_env_touch(st, seat->env);
	seat->env = env;
	if (env)
		pol_env_touch(st, env);
}

void pol_seat_tidy(struct pol_state *st, struct pol_seat *seat)
{
	struct pol_user *user = seat->user;
	struct pol_seat **at = &seat->node->seats;
	size_t i = place_of(user, seat->node);

	if (seat->is_own || seat->is_lent || seat->for_failed || seat->drain_env)
		return;
	pol_seat_tick(st, seat, NULL);
	while (*at != seat)
		at = &(*at)->next;
	*at = seat->next;
	memmove(&user->seats[i], &user->seats[i + 1],
		(user->nr_seats - i - 1) * sizeof(*user->seats));
	user->nr_seats--;
	pol_free(st, seat);
}

bool pol_node_is_up(const struct pol_node *node)
{
	return !node->is_failed && !node->is_drained;
}

bool pol_node_serves(const struct pol_node *node)
{
	return pol_node_is_up(node) && node->kind == POL_NO_SPARE;
}

bool pol_seat_is_active(const struct pol_seat *seat)
{
	return seat->env && !seat->is_leaving && pol_node_is_up(seat->node) &&
	       (seat->node->kind == POL_NO_SPARE || seat->is_lent);
}

bool pol_seat_may_lead(const struct pol_seat *seat)
{
	const struct pol_seat *failed =
		seat->for_failed ? pol_seat(seat->user, seat->for_failed) : NULL;

	if (!pol_seat_is_active(seat) || seat->is_lent)
		return false;
	/* A spare that has the role of a lent node does not lead either. */
	return !seat->for_failed || seat->is_own || (failed && failed->is_own);
}

void pol_env_dirty(struct pol_state *st, struct pol_env *env)
{
	if (env->is_dirty || (!env->is_lent && !env->user->nr_images))
		return;
	env->is_dirty = true;
	env->dirty_next = st->dirty;
	st->dirty = env;
}

void pol_env_touch(struct pol_state *st, struct pol_env *env)
{
	env->is_heap_made = false;
	pol_env_dirty(st, env);
}

void pol_node_touch(struct pol_state *st, struct pol_node *node)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->env)
			pol_env_touch(st, seat->env);
}

/* ---- heaps: the least of an environment first --------------------------------------- */

static bool is_less(const struct pol_seat *a, const struct pol_seat *b, int h)
{
	int64_t x = h == POL_BY_LOAD ? a->node->load : a->node->service_load;
	int64_t y = h == POL_BY_LOAD ? b->node->load : b->node->service_load;

	return x != y ? x < y : a->node->id < b->node->id;
}

/* An unknown node is no target. */
static bool is_known(const struct pol_node *node, int h)
{
	return h == POL_BY_LOAD ? pol_known(node->load) : node->nr_unknown == 0;
}

static void put(struct pol_env *env, int h, size_t i, struct pol_seat *seat)
{
	env->heap[h][i] = seat;
	seat->pos[h] = (uint32_t)i + 1;
}

static void sift_down(struct pol_env *env, int h, size_t i)
{
	struct pol_seat **heap = env->heap[h], *seat = heap[i];
	size_t n = env->nr_heap[h];

	for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
		if (child + 1 < n && is_less(heap[child + 1], heap[child], h))
			child++;
		if (!is_less(heap[child], seat, h))
			break;
		put(env, h, i, heap[child]);
		i = child;
	}
	put(env, h, i, seat);
}

/* One key has changed in a heap that was right. */
static void sift(struct pol_env *env, int h, size_t i)
{
	struct pol_seat **heap = env->heap[h], *seat = heap[i];

	while (i && is_less(seat, heap[(i - 1) / 2], h)) {
		put(env, h, i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(env, h, i, seat);
	sift_down(env, h, i);
}

static void heaps_make(struct pol_env *env)
{
	const struct pol_user *user = env->user;

	if (env->is_heap_made)
		return;
	env->nr_heap[0] = 0;
	env->nr_heap[1] = 0;
	for (size_t i = 0; i < user->nr_seats; i++) {
		struct pol_seat *seat = user->seats[i];

		if (seat->env != env)
			continue;
		for (int h = 0; h < 2; h++) {
			seat->pos[h] = 0;
			if (pol_seat_is_active(seat) && is_known(seat->node, h))
				put(env, h, env->nr_heap[h]++, seat);
		}
	}
	for (int h = 0; h < 2; h++)
		for (size_t i = env->nr_heap[h]; i-- > 0;)
			sift_down(env, h, i);
	env->is_heap_made = true;
}

/* The least other than @a and @b: below them where they stand on top. */
static struct pol_seat *least(const struct pol_env *env, int h, size_t i, const struct pol_node *a,
			      const struct pol_node *b)
{
	struct pol_seat *left, *right;

	if (i >= env->nr_heap[h])
		return NULL;
	if (env->heap[h][i]->node != a && env->heap[h][i]->node != b)
		return env->heap[h][i];
	left = least(env, h, 2 * i + 1, a, b);
	right = least(env, h, 2 * i + 2, a, b);
	if (!left || !right)
		return left ? left : right;
	return is_less(left, right, h) ? left : right;
}

struct pol_node *pol_least_loaded(struct pol_state *st, struct pol_env *env,
				  const struct pol_node *not)
{
	struct pol_seat *seat;

	(void)st;
	heaps_make(env);
	seat = least(env, POL_BY_LOAD, 0, not, NULL);
	return seat ? seat->node : NULL;
}

int64_t pol_least_service(struct pol_state *st, struct pol_env *env, const struct pol_node *a,
			  const struct pol_node *b)
{
	struct pol_seat *seat;

	(void)st;
	heaps_make(env);
	seat = least(env, POL_BY_SERVICE, 0, a, b);
	return seat ? seat->node->service_load : POL_UNKNOWN;
}

/* A key of @node has changed; @was_known: it stood in that heap before. */
static void changed(struct pol_node *node, int h, bool was_known)
{
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next) {
		if (!seat->env || !seat->env->is_heap_made)
			continue;
		if (was_known != is_known(node, h))
			seat->env->is_heap_made = false;
		else if (was_known && seat->pos[h])
			sift(seat->env, h, seat->pos[h] - 1);
	}
}

void pol_set_load(struct pol_state *st, struct pol_node *node, int64_t load)
{
	bool was_known = pol_known(node->load);

	if (node->load == load)
		return;
	node->load = load;
	changed(node, POL_BY_LOAD, was_known);
	for (struct pol_seat *seat = node->seats; seat; seat = seat->next)
		if (seat->env)
			pol_env_dirty(st, seat->env);
	if (node->kind == POL_OVERLOAD)
		pol_hold(st, pol_known(load) && load < pol_get(st, POL_SPARE_RETURN),
			 &node->below_since);
}

void pol_service_changed(struct pol_node *node, bool was_known)
{
	changed(node, POL_BY_SERVICE, was_known);
}

/* ---- sums over an environment ------------------------------------------------------- */

size_t pol_nr_active(const struct pol_env *env)
{
	size_t nr = 0;

	for (size_t i = 0; i < env->user->nr_seats; i++)
		nr += env->user->seats[i]->env == env && pol_seat_is_active(env->user->seats[i]);
	return nr;
}

int64_t pol_mean_load(const struct pol_env *env, bool is_own_only, int window)
{
	int64_t sum = 0, nr = 0;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *seat = env->user->seats[i];
		int64_t load = window < 0 ? seat->node->load : seat->node->avg[window];

		if (seat->env != env || !pol_seat_is_active(seat) || !pol_known(load))
			continue;
		if (is_own_only && (seat->is_lent || !seat->is_own))
			continue;
		sum += load;
		nr++;
	}
	return nr ? sum / nr : POL_UNKNOWN;
}

size_t pol_nr_own_up(const struct pol_user *user)
{
	size_t nr = 0;

	for (size_t i = 0; i < user->nr_seats; i++)
		nr += user->seats[i]->is_own && !user->seats[i]->node->is_failed;
	return nr;
}

size_t pol_promise(const struct pol_state *st, const struct pol_user *user)
{
	int64_t base = pol_get(st, POL_BASE_UNITS);

	if (user->is_admin)
		return 0;
	if (!pol_known(user->units))
		return user->nr_own;
	return (size_t)((user->units + base - 1) / base);
}

struct pol_env *pol_env_next(const struct pol_state *st, struct pol_env *env, size_t *iter)
{
	if (env && env->next)
		return env->next;
	*iter = env ? *iter + 1 : 0;
	return *iter < st->users.nr ? ((struct pol_user *)st->users.p[*iter])->envs : NULL;
}

/* ---- what must last for a while ----------------------------------------------------- */

int64_t pol_hold(const struct pol_state *st, bool holds, int64_t *since)
{
	if (!holds)
		*since = POL_UNKNOWN;
	else if (!pol_known(*since))
		*since = st->now;
	return holds ? st->now - *since : POL_UNKNOWN;
}

void pol_holds_update(struct pol_state *st)
{
	while (st->dirty) {
		struct pol_env *env = st->dirty;

		st->dirty = env->dirty_next;
		env->is_dirty = false;
		if (env->is_lent)
			pol_lend_hold(st, env);
		if (env == env->user->envs)
			for (struct pol_view *v = env->user->views; v; v = v->next)
				if (v->has_image)
					pol_copies_holds(st, v);
	}
}
