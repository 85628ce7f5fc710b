// SPDX-License-Identifier: GPL-2.0-or-later
/* What there is, by its name, and the memory for it: see state.h. */
#include "daemon/policy/state.h"

#include <errno.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------- */

void *pol_alloc(struct pol_state *st, size_t len)
{
	void *p = st->mem.realloc(st->mem.arg, NULL, len);

	if (p)
		memset(p, 0, len);
	return p;
}

void pol_free(struct pol_state *st, void *p)
{
	st->mem.free(st->mem.arg, p);
}

char *pol_strdup(struct pol_state *st, const char *text)
{
	size_t len = strlen(text) + 1;
	char *p = pol_alloc(st, len);

	if (p)
		memcpy(p, text, len);
	return p;
}

int pol_room(struct pol_state *st, void **p, size_t *room, size_t n, size_t size)
{
	size_t more = *room * 2 > n ? *room * 2 : n;
	void *q;

	if (n <= *room)
		return 0;
	more = more < 8 ? 8 : more;
	q = st->mem.realloc(st->mem.arg, *p, more * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*room = more;
	return 0;
}

int pol_list_room(struct pol_state *st, struct pol_list *list, size_t n)
{
	void *p = list->p;
	int r = pol_room(st, &p, &list->room, n, sizeof(*list->p));

	list->p = p;
	return r;
}

/* ---- by name ------------------------------------------------------------------------ */

/* Where @id stands or belongs. */
static size_t node_place(const struct pol_state *st, uint32_t id)
{
	size_t lo = 0, hi = st->nodes.nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (((struct pol_node *)st->nodes.p[mid])->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct pol_node *pol_node(const struct pol_state *st, uint32_t id)
{
	size_t i = node_place(st, id);
	struct pol_node *node = i < st->nodes.nr ? st->nodes.p[i] : NULL;

	return node && node->id == id ? node : NULL;
}

static size_t user_place(const struct pol_state *st, const char *name)
{
	size_t lo = 0, hi = st->users.nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(((struct pol_user *)st->users.p[mid])->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct pol_user *pol_user(const struct pol_state *st, const char *name)
{
	size_t i = user_place(st, name);
	struct pol_user *user = i < st->users.nr ? st->users.p[i] : NULL;

	return user && strcmp(user->name, name) == 0 ? user : NULL;
}

bool pol_is_admin(const char *name)
{
	return strcmp(name, POL_ADMIN) == 0;
}

struct pol_view *pol_view(const struct pol_state *st, const char *name)
{
	for (size_t i = 0; i < st->users.nr; i++)
		for (struct pol_view *v = ((struct pol_user *)st->users.p[i])->views; v;
		     v = v->next)
			if (strcmp(v->name, name) == 0)
				return v;
	return NULL;
}

/* ---- creating ------------------------------------------------------------------------ */

struct pol_state *pol_state_new(const struct pol_mem *mem, const struct pol_config *config)
{
	struct pol_state *st = mem->realloc(mem->arg, NULL, sizeof(*st));

	if (!st)
		return NULL;
	memset(st, 0, sizeof(*st));
	st->mem = *mem;
	st->config = *config;
	return st;
}

static void list_free(struct pol_state *st, struct pol_list *list)
{
	pol_free(st, list->p);
}

static void env_free(struct pol_state *st, struct pol_env *env)
{
	pol_free(st, env->heap[POL_BY_LOAD]);
	pol_free(st, env->heap[POL_BY_SERVICE]);
	pol_free(st, env);
}

static void view_free(struct pol_state *st, struct pol_view *view)
{
	pol_free(st, view->name);
	pol_free(st, view->main);
	pol_free(st, view->nodes);
	pol_free(st, view->copies);
	pol_free(st, view);
}

static void user_free(struct pol_state *st, struct pol_user *user)
{
	while (user->envs) {
		struct pol_env *env = user->envs;

		user->envs = env->next;
		env_free(st, env);
	}
	while (user->views) {
		struct pol_view *view = user->views;

		user->views = view->next;
		view_free(st, view);
	}
	for (size_t i = 0; i < user->nr_seats; i++)
		pol_free(st, user->seats[i]);
	pol_free(st, user->seats);
	pol_free(st, user->name);
	pol_free(st, user);
}

void pol_state_free(struct pol_state *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->users.nr; i++)
		user_free(st, st->users.p[i]);
	pol_procs_free(st);
	for (size_t i = 0; i < st->nodes.nr; i++)
		pol_free(st, st->nodes.p[i]);
	list_free(st, &st->nodes);
	list_free(st, &st->users);
	list_free(st, &st->tmp_nodes);
	list_free(st, &st->tmp_seats);
	list_free(st, &st->tmp_procs);
	list_free(st, &st->tmp_users);
	pol_free(st, st->ids);
	pol_free(st, st);
}

static double share(int64_t of, int64_t max)
{
	/* What nobody told does not limit. */
	return !pol_known(of) || max <= 0 ? 1 : (double)of / (double)max;
}

void pol_capacities(struct pol_state *st)
{
	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];
		double cpus = share(node->cpus, st->max_cpus);
		double memory = share(node->memory, st->max_memory);

		node->capacity = cpus < memory ? cpus : memory;
	}
}

int pol_add_node(struct pol_state *st, const struct pol_node_info *info)
{
	struct pol_seat *seat = NULL;
	struct pol_node *node;
	size_t i;
	int r;

	if (info->id == 0)
		return -EINVAL;
	if (pol_node(st, info->id))
		return -EEXIST;
	if (pol_list_room(st, &st->nodes, st->nodes.nr + 1) < 0)
		return -ENOMEM;
	node = pol_alloc(st, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->id = info->id;
	node->is_failed = info->is_failed;
	node->is_drained = info->is_drained;
	node->kind = info->is_spare ? POL_IDLE : POL_NO_SPARE;
	node->below_since = POL_UNKNOWN;
	node->cpus = info->cpus;
	node->memory = info->memory;
	node->storage = info->storage;
	node->load = info->load;
	memcpy(node->avg, info->avg, sizeof(node->avg));
	if (st->admin) {
		r = pol_seat_get(st, st->admin, node, &seat);
		if (r < 0) {
			pol_free(st, node);
			return r;
		}
		pol_seat_own(seat, true);
		pol_seat_tick(st, seat, st->admin->envs);
	}
	i = node_place(st, node->id);
	memmove(&st->nodes.p[i + 1], &st->nodes.p[i], (st->nodes.nr - i) * sizeof(*st->nodes.p));
	st->nodes.p[i] = node;
	st->nodes.nr++;
	st->max_cpus = node->cpus > st->max_cpus ? node->cpus : st->max_cpus;
	st->max_memory = node->memory > st->max_memory ? node->memory : st->max_memory;
	st->is_prepared = false;
	return 0;
}

int pol_env_new(struct pol_state *st, struct pol_user *user, struct pol_env **ret_env)
{
	struct pol_env *env = pol_alloc(st, sizeof(*env)), **at = &user->envs;

	if (!env)
		return -ENOMEM;
	env->user = user;
	env->below_since = POL_UNKNOWN;
	while (*at)
		at = &(*at)->next;
	*at = env;
	if (pol_heaps_room(st, user, user->nr_seats + 1) < 0) {
		*at = NULL;
		env_free(st, env);
		return -ENOMEM;
	}
	*ret_env = env;
	return 0;
}

void pol_user_drop(struct pol_state *st, struct pol_user *user)
{
	size_t i = user_place(st, user->name);

	for (size_t k = user->nr_seats; k-- > 0;) {
		struct pol_seat *seat = user->seats[k];

		seat->env = NULL;
		seat->is_lent = false;
		pol_seat_own(seat, false);
		pol_seat_tidy(st, seat);
	}
	if (i < st->users.nr && st->users.p[i] == user) {
		memmove(&st->users.p[i], &st->users.p[i + 1],
			(st->users.nr - i - 1) * sizeof(*st->users.p));
		st->users.nr--;
	}
	if (st->admin == user)
		st->admin = NULL;
	user_free(st, user);
}

/* The admin's environment is the whole pool. */
static int admin_seats(struct pol_state *st, struct pol_user *user)
{
	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_seat *seat;
		int r = pol_seat_get(st, user, st->nodes.p[i], &seat);

		if (r < 0)
			return r;
		pol_seat_own(seat, true);
		pol_seat_tick(st, seat, user->envs);
	}
	st->admin = user;
	return 0;
}

struct pol_node *pol_least_active(const struct pol_user *user)
{
	for (size_t i = 0; i < user->nr_seats; i++)
		if (pol_seat_may_lead(user->seats[i]))
			return user->seats[i]->node;
	for (size_t i = 0; i < user->nr_seats; i++)
		if (user->seats[i]->env)
			return user->seats[i]->node;
	return NULL;
}

int pol_user_new(struct pol_state *st, const char *name, struct pol_user **ret_user)
{
	struct pol_user *user;
	struct pol_env *env;
	size_t i = user_place(st, name);
	int r = -ENOMEM;

	if (pol_list_room(st, &st->users, st->users.nr + 1) < 0)
		return -ENOMEM;
	user = pol_alloc(st, sizeof(*user));
	if (!user)
		return -ENOMEM;
	user->units = POL_UNKNOWN;
	user->is_admin = pol_is_admin(name);
	user->name = pol_strdup(st, name);
	if (!user->name || pol_env_new(st, user, &env) < 0) {
		user_free(st, user);
		return r;
	}
	memmove(&st->users.p[i + 1], &st->users.p[i], (st->users.nr - i) * sizeof(*st->users.p));
	st->users.p[i] = user;
	st->users.nr++;
	if (user->is_admin) {
		r = admin_seats(st, user);
		if (r < 0) {
			pol_user_drop(st, user);
			return r;
		}
		env->leader = pol_least_active(user);
	}
	*ret_user = user;
	return 0;
}

static bool has_id(const uint32_t *ids, size_t nr, uint32_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int user_fill(struct pol_state *st, struct pol_user *user, const struct pol_user_info *info)
{
	struct pol_env *env = user->envs;

	user->units = user->is_admin ? POL_UNKNOWN : info->units;
	for (size_t i = 0; !user->is_admin && i < info->nr_nodes; i++) {
		struct pol_node *node = pol_node(st, info->nodes[i]);
		struct pol_seat *seat;
		int r = node ? pol_seat_get(st, user, node, &seat) : -ENOENT;

		if (r < 0)
			return r;
		pol_seat_own(seat, true);
		if (!info->active)
			pol_seat_tick(st, seat, env);
	}
	for (size_t i = 0; info->active && user->is_admin && i < user->nr_seats; i++)
		if (!has_id(info->active, info->nr_active, user->seats[i]->node->id))
			pol_seat_tick(st, user->seats[i], NULL);
	for (size_t i = 0; info->active && i < info->nr_active; i++) {
		struct pol_node *node = pol_node(st, info->active[i]);
		struct pol_seat *seat = node ? pol_seat(user, node) : NULL;

		if (!seat)
			return -ENOENT;
		pol_seat_tick(st, seat, env);
	}
	env->leader = info->leader ? pol_node(st, info->leader) : pol_least_active(user);
	return info->leader && (!env->leader || !pol_seat(user, env->leader)) ? -ENOENT : 0;
}

int pol_add_user(struct pol_state *st, const struct pol_user_info *info)
{
	struct pol_user *user = pol_user(st, info->name);
	int r;

	if (user)
		return -EEXIST;
	r = pol_user_new(st, info->name, &user);
	if (r < 0)
		return r;
	r = user_fill(st, user, info);
	if (r < 0)
		pol_user_drop(st, user);
	return r;
}

/* ---- views --------------------------------------------------------------------------- */

int pol_add_view(struct pol_state *st, const struct pol_view_info *info)
{
	struct pol_user *user = pol_user(st, info->user);
	struct pol_view *view, **at;
	int r;

	if (pol_view(st, info->name))
		return -EEXIST;
	if (!user && pol_is_admin(info->user)) {
		r = pol_user_new(st, info->user, &user);
		if (r < 0)
			return r;
	}
	if (!user)
		return -ENOENT;
	for (size_t i = 0; i < info->nr_main; i++)
		if (!pol_node(st, info->main[i]))
			return -ENOENT;
	view = pol_alloc(st, sizeof(*view));
	if (!view)
		return -ENOMEM;
	view->name = pol_strdup(st, info->name);
	view->main = pol_alloc(st, (info->nr_main + 1) * sizeof(*view->main));
	if (!view->name || !view->main) {
		view_free(st, view);
		return -ENOMEM;
	}
	if (info->nr_main)
		memcpy(view->main, info->main, info->nr_main * sizeof(*view->main));
	view->nr_main = info->nr_main;
	view->is_main_chosen = info->nr_main == 0;
	view->user = user;
	view->mode = info->mode;
	view->users = info->users;
	view->has_image = info->has_image;
	view->high_since = POL_UNKNOWN;
	view->low_since = POL_UNKNOWN;
	for (at = &user->views; *at && strcmp((*at)->name, view->name) < 0; at = &(*at)->next)
		;
	view->next = *at;
	*at = view;
	user->nr_views++;
	user->nr_images += view->has_image;
	return 0;
}
