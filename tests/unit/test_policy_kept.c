// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the rules remember, out and in again: a twin made of it decides the same ever after. And the
 * events that only a real cluster has.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/policy/kept.h"
#include "daemon/policy/state.h"

#include "policy_world.h"

#define TEXT	(64 * 1024)

static char text[TEXT];
static size_t text_len;

__attribute__((format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_len += (size_t)vsnprintf(text + text_len, TEXT - text_len, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(text_len, TEXT);
}

static void *mem_realloc(void *arg, void *p, size_t len)
{
	(void)arg;
	return realloc(p, len);
}

static void mem_free(void *arg, void *p)
{
	(void)arg;
	free(p);
}

static const struct pol_mem mem = { .realloc = mem_realloc, .free = mem_free };

/* ---- a copy by what is kept ------------------------------------------------------------- */

static struct pol_state *twin;

static int put_node(void *arg, const struct pol_kept_node *n)
{
	say("node %u %d %d %d %d for %u since %lld\n", n->id, n->is_failed, n->is_drained, n->kind,
	    n->standin_kind, n->stands_for, (long long)n->below_since);
	return arg ? pol_kept_node(arg, n) : 0;
}

static int put_user(void *arg, const struct pol_kept_user *u)
{
	say("user %s %lld\n", u->name, (long long)u->units);
	for (size_t i = 0; i < u->nr_envs; i++)
		say(" env %u %d %lld\n", u->envs[i].leader, u->envs[i].is_lent,
		    (long long)u->envs[i].below_since);
	for (size_t i = 0; i < u->nr_seats; i++)
		say(" seat %u in %u for %u drain %u %d%d%d\n", u->seats[i].node, u->seats[i].env,
		    u->seats[i].for_failed, u->seats[i].drain_env, u->seats[i].is_own,
		    u->seats[i].is_lent, u->seats[i].is_active);
	return arg ? pol_kept_user(arg, u) : 0;
}

static int put_view(void *arg, const struct pol_kept_view *v)
{
	say("view %s of %s main %zu nodes %zu copies %zu since %lld %lld\n", v->info.name,
	    v->info.user, v->info.nr_main, v->nr_nodes, v->nr_copies, (long long)v->high_since,
	    (long long)v->low_since);
	return arg ? pol_kept_view(arg, v) : 0;
}

static int put_pool(void *arg, const struct pol_kept_pool *p)
{
	say("pool %d %u\n", p->is_shared_chosen, p->shared);
	if (arg)
		pol_kept_pool(arg, p);
	return 0;
}

static int skip_node(void *arg, const struct pol_kept_node *n)
{
	(void)arg;
	(void)n;
	return 0;
}

static int skip_user(void *arg, const struct pol_kept_user *u)
{
	(void)arg;
	(void)u;
	return 0;
}

static const struct pol_kept_ops all = { put_node, put_user, put_view, put_pool };
static const struct pol_kept_ops users_only = { skip_node, put_user, put_view, put_pool };
static const struct pol_kept_ops nodes_only = { put_node, skip_user,
	(int (*)(void *, const struct pol_kept_view *))skip_user,
	(int (*)(void *, const struct pol_kept_pool *))skip_user };

static const char *saved(struct pol_state *st, char buf[TEXT])
{
	text_len = 0;
	ck_assert_int_eq(pol_kept_save(st, &all, NULL), 0);
	memcpy(buf, text, text_len + 1);
	return buf;
}

static void make_twin(void)
{
	twin = pol_state_new(&mem, &world->config);
	for (size_t i = 0; i < world->nodes.nr; i++) {
		const struct pol_node *n = world->nodes.p[i];
		struct pol_node_info info = { .id = n->id, .cpus = n->cpus, .memory = n->memory,
					      .storage = n->storage, .load = n->load };

		memcpy(info.avg, n->avg, sizeof(info.avg));
		ck_assert_int_eq(pol_add_node(twin, &info), 0);
	}
	text_len = 0;
	ck_assert_int_eq(pol_kept_save(world, &users_only, twin), 0);
	ck_assert_int_eq(pol_kept_save(world, &nodes_only, twin), 0);
}

/* ---- the same decisions ------------------------------------------------------------------- */

static char decided[TEXT];

static void on_decision(void *arg, const struct pol_decision *d)
{
	size_t len = strlen(decided);

	(void)arg;
	snprintf(decided + len, TEXT - len, "R%u %s %s %u %u>%u %s\n", d->rule,
		 pol_action_name(d->action), d->user ? d->user : "", d->node, d->from, d->to, d->why);
}

static void both(const struct pol_event *ev, int64_t now)
{
	static char ours[TEXT], theirs[TEXT], a[TEXT], b[TEXT];
	const struct pol_sink sink = { .decide = on_decision };
	int r;

	make_twin();
	ck_assert_str_eq(saved(world, a), saved(twin, b));
	decided[0] = '\0';
	r = pol_step(world, ev, now, &sink);
	memcpy(ours, decided, TEXT);
	decided[0] = '\0';
	ck_assert_int_eq(pol_step(twin, ev, now, &sink), r);
	memcpy(theirs, decided, TEXT);
	ck_assert_str_eq(ours, theirs);
	ck_assert_str_eq(saved(world, a), saved(twin, b));
	pol_state_free(twin);
}

static void random_event(uint64_t *rnd, int64_t now)
{
	static const enum pol_event_kind kinds[] = {
		POL_EV_REQUEST, POL_EV_PICK, POL_EV_SELECT, POL_EV_LOAD, POL_EV_LOAD, POL_EV_TICK,
		POL_EV_TICK, POL_EV_FAIL, POL_EV_RECOVER, POL_EV_IDLE, POL_EV_CONSOLIDATE,
		POL_EV_REVIEW, POL_EV_SPARE, POL_EV_DRAIN, POL_EV_UNDRAIN, POL_EV_USER_ADD,
		POL_EV_USER_DEL, POL_EV_GONE,
	};
	static const char *const names[] = { "A", "B", "C", "admin" };
	uint32_t ids[2] = { 1 + unit_below(rnd, 6), 0 };
	struct pol_event ev = { .kind = kinds[unit_below(rnd, sizeof(kinds) / sizeof(*kinds))],
				.user = names[unit_below(rnd, 4)], .node = ids[0], .nodes = ids,
				.nr_nodes = 1 };
	int64_t avg[POL_WINDOWS];

	ev.usage = (int64_t)unit_below(rnd, 11) * POL_ONE / 10;
	if (ev.kind == POL_EV_GONE && unit_below(rnd, 4))
		ev.kind = POL_EV_FAIL;
	ids[1] = 1 + (ids[0] + unit_below(rnd, 5)) % 6;
	ev.nr_nodes = ids[1] == ids[0] ? 1 : 1 + unit_below(rnd, 2);
	ev.load = (int64_t)unit_below(rnd, 11) * POL_ONE / 10;
	for (int w = 0; w < POL_WINDOWS; w++)
		avg[w] = ev.load;
	ev.avg = ev.kind == POL_EV_LOAD ? avg : NULL;
	ev.request = (struct pol_request){ .units = (int64_t)unit_below(rnd, 120) * POL_ONE,
		.cpus = POL_UNKNOWN, .memory = POL_UNKNOWN, .storage = POL_UNKNOWN,
		.hours_per_day = POL_UNKNOWN, .hours_per_week = POL_UNKNOWN,
		.jobs_per_hour = POL_UNKNOWN };
	both(&ev, now);
}

/* R22: a new controller has only what is kept and the loads, and goes on as the old one would. */
START_TEST(test_R22_a_twin_decides_the_same)
{
	uint64_t rnd = 1000 + (uint64_t)_i;

	world_new();
	set("base_units=30 spare_hold=3");
	for (uint32_t id = 1; id <= 6; id++)
		node(id, 0.1 * id, 0.1 * id);
	user("A", "1,2,3", 0, 90);
	view("web", "A", "2", POL_VIEW_LOAD, 10, true);
	for (int i = 0; i < 60; i++)
		random_event(&rnd, (int64_t)(i + 1) * POL_ONE);
	world_end();
}
END_TEST

START_TEST(test_R1_drained_leader_hands_over)
{
	world_new();
	for (uint32_t id = 1; id <= 3; id++)
		node(id, 0.1 * id, 0.1 * id);
	user("A", "1,2", 1, 60);
	proc(7, "A", 1, 0.05);
	on_node(1, POL_EV_DRAIN, 1);
	SAID("R1 leader A 1>2\nR1 migrate 7 1>2");
	on_node(2, POL_EV_DRAIN, 1);
	SAID("");
	on_node(3, POL_EV_DRAIN, 2);
	ck_assert_ptr_nonnull(strstr(said(), "R1 alert"));
	on_node(4, POL_EV_UNDRAIN, 1);
	SAID("R1 leader A 2>1");
	world_end();
}
END_TEST

START_TEST(test_R1_drained_node_keeps_what_is_restricted)
{
	world_new();
	for (uint32_t id = 1; id <= 2; id++)
		node(id, 0.1, 0.1);
	user("A", "1,2", 2, 60);
	proc(7, "A", 1, 0.05);
	restricted(8, "A", 1, 0.05);
	on_node(1, POL_EV_DRAIN, 1);
	SAID("R1 migrate 7 1>2\nR1 alert 1");
	world_end();
}
END_TEST

/* Who moved a process before this state was made? It rests all the same. */
START_TEST(test_R10_rest_is_told_from_outside)
{
	const struct pol_process_info moved = { .pid = 7, .has_moved = true, .moved_at = 0 };
	const struct pol_event ev = { .kind = POL_EV_PROCESS, .process = &moved,
				      .load = POL_UNKNOWN };

	world_new();
	node(1, 0.7, 0.1);
	node(2, 0, 0.1);
	user("A", "1,2", 1, 60);
	proc(7, "A", 1, 0.4);
	ck_assert_int_eq(step(&ev, 1), 0);
	tick(29);
	SAID("");
	tick(30);
	SAID("R10 migrate 7 1>2");
	world_end();
}
END_TEST

START_TEST(test_R1_removed_node_leaves_its_place)
{
	struct pol_user *a;

	world_new();
	for (uint32_t id = 1; id <= 2; id++)
		node(id, 0.1 * id, 0.1 * id);
	spare(3, 0.1, 0.1);
	user("A", "1,2", 1, 60);
	on_node(1, POL_EV_GONE, 1);
	ck_assert_ptr_nonnull(strstr(said(), "R8 takeover 1"));
	a = pol_user(world, "A");
	ck_assert_uint_eq(a->nr_own, 2);	/* the spare has its place for good */
	ck_assert(pol_seat(a, pol_node(world, 3))->is_own);
	ck_assert_ptr_null(pol_seat(a, pol_node(world, 1)));
	ck_assert_ptr_eq(a->envs->leader, pol_node(world, 3));
	on_node(2, POL_EV_GONE, 2);		/* no spare: one node fewer */
	ck_assert_uint_eq(a->nr_own, 1);
	world_end();
}
END_TEST

START_TEST(test_R13_deleted_user_frees_all)
{
	const struct pol_event del = { .kind = POL_EV_USER_DEL, .user = "A" };

	world_new();
	for (uint32_t id = 1; id <= 2; id++)
		node(id, 0.1 * id, 0.1 * id);
	user("A", "1,2", 1, 60);
	user("B", "2", 2, 30);
	proc(7, "A", 1, 0.05);
	view("web", "A", "2", POL_VIEW_LOAD, 10, true);
	tick(1);
	ck_assert_int_eq(step(&del, 2), 0);
	ck_assert_ptr_null(pol_user(world, "A"));
	ck_assert_uint_eq(pol_node(world, 2)->nr_holders, 1);
	ck_assert_ptr_null(pol_proc(world, 7));
	tick(3);
	ck_assert_int_eq(step(&del, 4), -ENOENT);
	world_end();
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_kept");
	TCase *t = tcase_create("kept");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_R22_a_twin_decides_the_same, 0, 100);
	tcase_add_test(t, test_R1_drained_leader_hands_over);
	tcase_add_test(t, test_R1_drained_node_keeps_what_is_restricted);
	tcase_add_test(t, test_R10_rest_is_told_from_outside);
	tcase_add_test(t, test_R1_removed_node_leaves_its_place);
	tcase_add_test(t, test_R13_deleted_user_frees_all);
	suite_add_tcase(s, t);
	return s;
}
