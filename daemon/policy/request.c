// SPDX-License-Identifier: GPL-2.0-or-later
/* R14 and R15: which nodes may be allocated, to whom, and how many. */
#include "daemon/policy/state.h"

#include <errno.h>

enum why_not {
	IS_CANDIDATE,
	FAILED,
	DRAINED,
	SPARE,
	LOAD_UNKNOWN,
	LOADED,
	USERS,
	UNITS,
	PROCESSES,
	WHYS
};

static const char *const why_texts[WHYS] = {
	"", "failed", "drained", "spare", "of unknown load", "too loaded", "with too many users",
	"without free units", "with too many processes",
};

static enum why_not why_not(const struct pol_state *st, const struct pol_node *node)
{
	int64_t avg = node->avg[pol_window(st, POL_R14_WINDOW)];
	int64_t processes = pol_get(st, POL_CANDIDATE_PROCESSES);
	double base = POL_F(pol_get(st, POL_BASE_UNITS));

	if (node->is_failed)
		return FAILED;
	if (node->is_drained)
		return DRAINED;
	if (node->kind != POL_NO_SPARE || node->stands_for)
		return SPARE;
	if (!pol_known(avg))
		return LOAD_UNKNOWN;
	if (avg >= pol_get(st, POL_CANDIDATE_MAX))
		return LOADED;
	if (node->nr_holders >= POL_F(pol_get(st, POL_NODE_USERS)))
		return USERS;
	if ((node->nr_holders + 1) * base > POL_F(pol_get(st, POL_NODE_UNITS)))
		return UNITS;
	if (pol_known(processes) && node->nr_service > POL_F(processes))
		return PROCESSES;
	return IS_CANDIDATE;
}

bool pol_is_candidate(const struct pol_state *st, const struct pol_node *node)
{
	return why_not(st, node) == IS_CANDIDATE;
}

const char *pol_not_candidate(const struct pol_state *st, const struct pol_node *node)
{
	return why_texts[why_not(st, node)];
}

/* Fewest users, then least average, then the lower id. */
static int cmp_choice(const void *a, const void *b, int window)
{
	const struct pol_node *x = a, *y = b;

	if (x->nr_holders != y->nr_holders)
		return x->nr_holders < y->nr_holders ? -1 : 1;
	return pol_cmp_node_avg(a, b, window);
}

static bool holds(const struct pol_user *user, const struct pol_node *node)
{
	const struct pol_seat *seat = user ? pol_seat(user, node) : NULL;

	return seat && seat->is_own;
}

size_t pol_choose(struct pol_state *st, const struct pol_user *user, const struct pol_node *not,
		  size_t n)
{
	struct pol_list *list = &st->tmp_nodes;

	list->nr = 0;
	for (size_t i = 0; i < st->nodes.nr; i++) {
		struct pol_node *node = st->nodes.p[i];

		if (node != not && !holds(user, node) && pol_is_candidate(st, node))
			list->p[list->nr++] = node;
	}
	pol_sort(list->p, list->nr, cmp_choice, (int)pol_window(st, POL_R15_WINDOW));
	return list->nr < n ? list->nr : n;
}

static void refuse(struct pol_state *st, unsigned int rule, const char *user, size_t missing,
		   const char *why)
{
	struct pol_decision d = { .rule = rule, .action = POL_REFUSE, .user = user,
				  .missing = (uint32_t)missing };

	pol_emit(st, &d, "%s", why);
}

/* "90 units / 30 = 3 nodes, 1 missing: of the others 2 are spare, 1 too loaded" */
static void refuse_missing(struct pol_state *st, const char *name, const struct pol_user *user,
			   const char *sum, size_t missing)
{
	size_t nr[WHYS] = { 0 }, len = 0;
	char text[POL_WHY_LEN] = "", why[POL_WHY_LEN];

	for (size_t i = 0; i < st->nodes.nr; i++)
		if (!holds(user, st->nodes.p[i]))
			nr[why_not(st, st->nodes.p[i])]++;
	for (int i = 1; i < WHYS; i++)
		if (nr[i] && len < sizeof(text) - 64)
			len += pol_say(text + len, sizeof(text) - len, "%s%zu %s", len ? ", " : "",
				       nr[i], why_texts[i]);
	pol_say(why, sizeof(why), "%s, but %zu missing: %zu candidates%s%s", sum, missing,
		nr[IS_CANDIDATE], len ? "; no candidates are " : "", text);
	refuse(st, 15, name, missing, why);
}

/* ---- allocating ---------------------------------------------------------------------- */

/* Give @user, or a new one of that @name, the nodes @ids. Nothing is done when it fails. */
static int allocate(struct pol_state *st, const char *name, struct pol_user *user,
		    const uint32_t *ids, size_t nr, struct pol_user **ret_user)
{
	enum pol_window window = pol_window(st, POL_R15_WINDOW);
	struct pol_user *made = NULL;
	struct pol_seat *seat;
	struct pol_env *env;
	int r = 0;

	if (!user) {
		r = pol_user_new(st, name, &made);
		if (r < 0)
			return r;
		user = made;
	}
	for (size_t i = 0; i < nr && r == 0; i++)
		r = pol_seat_get(st, user, pol_node(st, ids[i]), &seat);
	if (r < 0) {
		if (made)
			pol_user_drop(st, made);
		else
			for (size_t i = user->nr_seats; i-- > 0;)
				pol_seat_tidy(st, user->seats[i]);
		return r;
	}
	env = user->envs;
	for (size_t i = 0; i < nr; i++) {
		seat = pol_seat(user, pol_node(st, ids[i]));
		if (!seat->is_own)
			pol_seat_own(seat, true);
		if (!seat->env)
			pol_seat_tick(st, seat, env);
		if (made && (!env->leader ||
			     pol_cmp_node_avg(seat->node, env->leader, (int)window) < 0))
			env->leader = seat->node;
	}
	if (!env->leader)
		env->leader = pol_least_active(user);
	*ret_user = user;
	return 0;
}

static int cmp_id(const void *a, const void *b, int arg)
{
	return pol_cmp_node_id(a, b, arg);
}

/* The @n first of tmp_nodes by id, behind what pol_own_ids() writes. */
static uint32_t *new_ids(struct pol_state *st, size_t n)
{
	uint32_t *ids = st->ids + st->nodes.nr + 2;

	pol_sort(st->tmp_nodes.p, n, cmp_id, 0);
	for (size_t i = 0; i < n; i++)
		ids[i] = ((struct pol_node *)st->tmp_nodes.p[i])->id;
	return ids;
}

static int grow(struct pol_state *st, const char *name, struct pol_user *user, size_t n,
		int64_t units, const char *sum)
{
	struct pol_decision d = { .rule = 15, .action = POL_ALLOCATE, .user = name };
	bool is_first = !user || !user->envs->leader;
	uint32_t *ids = new_ids(st, n);
	int r;

	r = allocate(st, name, user, ids, n, &user);
	if (r < 0)
		return r;
	user->units = units;
	d.nr_nodes = pol_own_ids(st, user);
	d.nodes = st->ids;
	if (is_first && user->envs->leader)
		pol_emit(st, &d, "%s; node %u, the least average load of them, leads", sum,
			 user->envs->leader->id);
	else
		pol_emit(st, &d, "%s", sum);
	pol_heal(st, user->envs, 15);
	pol_join_allocated(st, user, ids, n);
	return 0;
}

static int shrink(struct pol_state *st, struct pol_user *user, size_t n, int64_t units,
		  const char *sum)
{
	struct pol_decision d = { .rule = 15, .action = POL_ALLOCATE, .user = user->name };

	for (size_t i = 0; i < n; i++) {
		struct pol_node *node = pol_to_give_back(st, user);

		if (node)
			pol_seat(user, node)->is_leaving = true;
	}
	user->units = units;
	d.nr_nodes = pol_own_ids(st, user);
	d.nodes = st->ids;
	pol_emit(st, &d, "%s", sum);
	pol_leave(st, user, 15, true);
	pol_heal(st, user->envs, 15);
	return 0;
}

/* A request in units: the greatest of what its fields are worth. */
static int64_t units_of(const struct pol_state *st, const struct pol_request *r)
{
	const struct { int64_t value; enum pol_key key; } fields[] = {
		{ r->cpus, POL_TABLE_CPUS }, { r->memory, POL_TABLE_MEMORY },
		{ r->storage, POL_TABLE_STORAGE }, { r->hours_per_day, POL_TABLE_DAY },
		{ r->hours_per_week, POL_TABLE_WEEK }, { r->jobs_per_hour, POL_TABLE_JOBS },
	};
	double table = POL_F(pol_get(st, POL_TABLE_UNITS));
	int64_t units = pol_known(r->units) ? r->units : 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		int64_t worth;

		if (!pol_known(fields[i].value))
			continue;
		worth = pol_num(POL_F(fields[i].value) * table / POL_F(pol_get(st, fields[i].key)));
		units = worth > units ? worth : units;
	}
	return units;
}

int pol_request(struct pol_state *st, const char *name, const struct pol_request *request)
{
	int64_t base = pol_get(st, POL_BASE_UNITS), units = units_of(st, request);
	struct pol_user *user = pol_user(st, name);
	size_t count = (size_t)((units + base - 1) / base), held = user ? user->nr_own : 0, got;
	char sum[POL_WHY_LEN / 2];

	pol_say(sum, sizeof(sum), "%g units / %g = %zu node%s", POL_F(units), POL_F(base), count,
		count == 1 ? "" : "s");
	if (user ? user->is_admin : pol_is_admin(name)) {
		refuse(st, 15, name, 0, "the admin has every node already");
		return 0;
	}
	if (count == 0) {
		refuse(st, 15, name, 0, "a request for nothing: state more than 0 units");
		return 0;
	}
	if (count < held)
		return shrink(st, user, held - count, units, sum);
	got = pol_choose(st, user, NULL, count - held);
	if (got < count - held) {
		refuse_missing(st, name, user, sum, count - held - got);
		return 0;
	}
	return grow(st, name, user, count - held, units, sum);
}

void pol_candidates(struct pol_state *st, const char *name)
{
	struct pol_decision d = { .rule = 14, .action = POL_CANDIDATES, .user = name,
				  .nodes = st->ids };

	for (size_t i = 0; i < st->nodes.nr; i++) {
		const struct pol_node *node = st->nodes.p[i];

		if (pol_is_candidate(st, node))
			st->ids[d.nr_nodes++] = node->id;
	}
	pol_emit(st, &d, "%zu of %zu nodes: average load < %g, fewer than %g users, %g units free",
		 d.nr_nodes, st->nodes.nr, POL_F(pol_get(st, POL_CANDIDATE_MAX)),
		 POL_F(pol_get(st, POL_NODE_USERS)), POL_F(pol_get(st, POL_BASE_UNITS)));
}

int pol_pick(struct pol_state *st, const char *name, const uint32_t *ids, size_t nr)
{
	struct pol_decision d = { .rule = 14, .action = POL_ALLOCATE, .user = name };
	struct pol_user *user = pol_user(st, name);
	char why[POL_WHY_LEN];
	size_t n = 0;
	int r;

	if (user ? user->is_admin : pol_is_admin(name)) {
		refuse(st, 14, name, 0, "the admin has every node already");
		return 0;
	}
	if (nr == 0) {
		refuse(st, 14, name, 0, "no node was picked");
		return 0;
	}
	for (size_t i = 0; i < nr; i++) {
		struct pol_node *node = pol_node(st, ids[i]);
		enum why_not not = node ? why_not(st, node) : FAILED;

		if (not != IS_CANDIDATE) {
			pol_say(why, sizeof(why), "node %u is no candidate: %s", ids[i], why_texts[not]);
			refuse(st, 14, name, 0, why);
			return 0;
		}
		if (!holds(user, node))
			st->tmp_nodes.p[n++] = node;
	}
	ids = new_ids(st, n);
	r = allocate(st, name, user, ids, n, &user);
	if (r < 0)
		return r;
	d.nr_nodes = pol_own_ids(st, user);
	d.nodes = st->ids;
	pol_emit(st, &d, "picked among the candidates, %zu new", n);
	pol_heal(st, user->envs, 14);
	pol_join_allocated(st, user, ids, n);
	return 0;
}
