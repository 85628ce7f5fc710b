// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules on random clusters: what must hold whatever is decided. The state is looked into and
 * recounted after each step; HC_SEED repeats a run, HC_OPS makes it longer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/policy/state.h"
#include "policy_world.h"

#define NODES	12
#define PROCS	40
#define USERS	3

static uint64_t rnd;
static double now_s;

static const char *const user_names[USERS] = { "A", "B", "admin" };

static double share(void)
{
	return unit_below(&rnd, 21) / 20.0;
}

/* ---- random worlds ---------------------------------------------------------------------- */

struct plan {
	double load[NODES], avg[NODES], proc_load[PROCS];
	int kind[NODES], cpus[NODES];
	char nodes[USERS][64];
	uint32_t at[PROCS];
	int owner[PROCS];
	bool is_restricted[PROCS];
	bool has_admin;
};

static void plan_make(struct plan *p)
{
	uint32_t held[USERS][NODES], nr[USERS];

	*p = (struct plan){ .has_admin = unit_below(&rnd, 2) };
	for (int i = 0; i < NODES; i++) {
		p->load[i] = unit_below(&rnd, 10) ? share() : UNKNOWN;
		p->avg[i] = unit_below(&rnd, 10) ? share() : UNKNOWN;
		p->kind[i] = i < 6 ? 0 : (int)unit_below(&rnd, 4);
		p->cpus[i] = 2 << unit_below(&rnd, 3);
	}
	for (int u = 0; u < USERS - 1; u++) {
		nr[u] = 0;
		for (uint32_t i = 1; i <= 8; i++)
			if (unit_below(&rnd, 2) || i == (uint32_t)u + 1)
				held[u][nr[u]++] = i;
		for (uint32_t i = 0; i < nr[u]; i++)
			sprintf(p->nodes[u] + strlen(p->nodes[u]), "%s%u", i ? "," : "", held[u][i]);
	}
	for (int i = 0; i < PROCS; i++) {
		p->owner[i] = (int)unit_below(&rnd, p->has_admin ? USERS : USERS - 1);
		p->at[i] = p->owner[i] == USERS - 1 ? 1 + unit_below(&rnd, 6) :
			   held[p->owner[i]][unit_below(&rnd, nr[p->owner[i]])];
		p->proc_load[i] = unit_below(&rnd, 12) ? share() / 4 : UNKNOWN;
		p->is_restricted[i] = unit_below(&rnd, 6) == 0;
	}
}

static void put_node(const struct plan *p, int i)
{
	uint32_t id = (uint32_t)i + 1;

	if (p->kind[i] == 2)
		spare(id, p->load[i], p->avg[i]);
	else if (p->kind[i] == 3)
		drained(id, p->load[i], p->avg[i]);
	else
		big_node(id, p->load[i], p->avg[i], p->cpus[i]);
}

static void put_proc(const struct plan *p, int i)
{
	(p->is_restricted[i] ? restricted : proc)(100 + i, user_names[p->owner[i]], p->at[i],
						  p->proc_load[i]);
}

/* The same world, its parts added in order, or backwards. */
static void plan_build(const struct plan *p, bool backwards)
{
	world_new();
	for (int i = 0; i < NODES; i++)
		put_node(p, backwards ? NODES - 1 - i : i);
	for (int i = 0; i < USERS - 1; i++) {
		int u = backwards ? USERS - 2 - i : i;

		user(user_names[u], p->nodes[u], 0, u ? 60 : 0);
	}
	for (int i = 0; i < PROCS; i++)
		put_proc(p, backwards ? PROCS - 1 - i : i);
	for (int i = 0; i < 2; i++)
		view(i == backwards ? "v1" : "v2", "A", i == backwards ? "" : "1",
		     i == backwards ? POL_VIEW_USERS : POL_VIEW_GROUP, 10, i == backwards);
}

/* One random event; the same for the same state of rnd. */
static int random_step(void)
{
	static const enum pol_event_kind periods[] = {
		POL_EV_IDLE, POL_EV_CONSOLIDATE, POL_EV_SPARE };
	const char *name = user_names[unit_below(&rnd, USERS)];
	struct pol_process_info info = { .pid = 100 + unit_below(&rnd, PROCS + 20),
					 .has_load = true,
					 .load = pol_num(share() / 4) };
	struct pol_event ev = { .kind = POL_EV_TICK, .node = 1 + unit_below(&rnd, NODES),
				.user = name, .load = POL_UNKNOWN, .view = "v1" };
	uint32_t ids[3];

	now_s += unit_below(&rnd, 20);
	switch (unit_below(&rnd, 24)) {
	case 0:
		ev.kind = POL_EV_FAIL;
		break;
	case 1:
	case 2:
		ev.kind = POL_EV_RECOVER;
		break;
	case 3:
	case 4:
	case 5:
		ev.kind = POL_EV_LOAD;
		ev.load = pol_num(share());
		break;
	case 6:
		ev.kind = POL_EV_REQUEST;
		ev.user = unit_below(&rnd, 3) ? name : "C";
		ev.request = (struct pol_request){ pol_num(30 + unit_below(&rnd, 90)), POL_UNKNOWN,
			POL_UNKNOWN, POL_UNKNOWN, POL_UNKNOWN, POL_UNKNOWN, POL_UNKNOWN };
		break;
	case 7:
	case 8:
		ev.kind = unit_below(&rnd, 3) ? POL_EV_SELECT : POL_EV_PICK;
		for (ev.nr_nodes = 0; ev.nr_nodes < 1 + unit_below(&rnd, 3); ev.nr_nodes++)
			ids[ev.nr_nodes] = 1 + 3 * (uint32_t)ev.nr_nodes + unit_below(&rnd, 3);
		ev.nodes = ids;
		break;
	case 9:
		ev.kind = POL_EV_REVIEW;
		ev.usage = pol_num(share());
		ev.load = pol_num(share());
		break;
	case 10:
		ev.kind = periods[unit_below(&rnd, 3)];
		break;
	case 11:
		ev.kind = POL_EV_USERS;
		ev.users = pol_num(unit_below(&rnd, 100));
		break;
	case 12:
		ev.pid = info.pid;
		ev.kind = POL_EV_EXIT;
		break;
	case 13:
	case 14:
		ev.kind = POL_EV_PROCESS;
		info.user = pol_proc(world, info.pid) ? NULL : name;
		ev.process = &info;
		break;
	}
	return step(&ev, now_s);
}

/* ---- what must hold ---------------------------------------------------------------------- */

static bool may_be_there(const struct pol_user *u, const struct pol_node *n)
{
	const struct pol_seat *seat = pol_seat(u, n);

	return seat && (seat->is_own || seat->is_lent || seat->for_failed || seat->drain_env);
}

/* Decisions of one step, as they were said, against the state. */
static void check_moves(void)
{
	long long pids[512];
	size_t nr = 0;

	for (const char *line = said(); *line; line += strcspn(line, "\n"), line += *line == '\n') {
		unsigned int rule, from, to;
		const struct pol_proc *p;
		long long pid;

		if (sscanf(line, "R%u migrate %lld %u>%u", &rule, &pid, &from, &to) != 4)
			continue;
		MUST(from != to);
		for (size_t i = 0; i < nr; i++)
			MUST_MSG(pids[i] != pid, "moved twice in one check: %lld\n%s", pid, said());
		MUST(nr < 512);
		pids[nr++] = pid;
		p = pol_proc(world, pid);
		MUST(p && p->node && p->node->id == to);
		MUST_MSG(rule == 8 || !p->is_restricted, "restricted: %s", said());
		if (p->user)
			MUST_MSG(may_be_there(p->user, p->node) || rule == 9, "R13: %lld of %s\n%s",
				 pid, p->user->name, said());
		MUST_MSG(!p->node->is_failed && !p->node->is_drained, "%s", said());
	}
}

static void check_node(const struct pol_node *n)
{
	uint32_t holders = 0, service = 0, unknown = 0;
	int64_t sum = 0;

	for (const struct pol_seat *s = n->seats; s; s = s->next) {
		holders += s->is_own && !s->user->is_admin;
		MUST(!s->is_leaving && !s->instead);
		MUST(pol_seat(s->user, n) == s);
	}
	for (const struct pol_proc *p = n->procs; p; p = p->next) {
		MUST(p->node == n);
		if (p->is_system)
			continue;
		service++;
		unknown += !pol_known(p->load);
		sum += pol_known(p->load) ? p->load : 0;
	}
	MUST_EQ(holders, n->nr_holders);
	MUST_EQ(service, n->nr_service);
	MUST_EQ(unknown, n->nr_unknown);
	MUST_EQ(sum, n->service_load);
	MUST(!pol_known(n->load) || n->load >= 0);
	MUST(!n->stands_for || (n->stands_for->standin == n && n->stands_for->is_failed));
	MUST(!n->standin || n->standin->stands_for == n);
}

static void check_env(struct pol_env *env)
{
	struct pol_node *best = NULL;
	size_t nr = 0;

	for (size_t i = 0; i < env->user->nr_seats; i++) {
		const struct pol_seat *s = env->user->seats[i];

		MUST(i == 0 || env->user->seats[i - 1]->node->id < s->node->id);
		if (s->env != env || !pol_seat_is_active(s))
			continue;
		nr++;
		MUST_MSG(s->node->kind == POL_NO_SPARE || s->is_lent, "a spare serves");
		if (pol_known(s->node->load) && (!best || s->node->load < best->load))
			best = s->node;
	}
	MUST(pol_nr_active(env) == nr);
	MUST_MSG(pol_least_loaded(world, env, NULL) == best,
		 "the heap of %s lost its least: says node %u at %g, is node %u at %g, after %s",
		 env->user->name, pol_least_loaded(world, env, NULL) ?
		 pol_least_loaded(world, env, NULL)->id : 0, pol_least_loaded(world, env, NULL) ?
		 POL_F(pol_least_loaded(world, env, NULL)->load) : 0, best ? best->id : 0,
		 best ? POL_F(best->load) : 0, said());
	if (env->leader && !env->leader->is_failed && !env->leader->is_drained && nr) {
		const struct pol_seat *s = pol_seat(env->user, env->leader);

		MUST_MSG(env->leader->kind == POL_NO_SPARE, "a spare leads: node %u of %s after %s",
			 env->leader->id, env->user->name, said());
		MUST_MSG(s && s->env == env && !s->is_lent, "node %u leads %s from outside, after %s",
			 env->leader->id, env->user->name, said());
	}
}

static void check_all(void)
{
	size_t procs = 0, iter;

	for (size_t i = 0; i < world->nodes.nr; i++) {
		check_node(world->nodes.p[i]);
		for (struct pol_proc *p = ((struct pol_node *)world->nodes.p[i])->procs; p;
		     p = p->next)
			procs++;
	}
	MUST(procs <= world->nr_procs);
	for (struct pol_env *e = pol_env_next(world, NULL, &iter); e;
	     e = pol_env_next(world, e, &iter))
		check_env(e);
}

START_TEST(test_random_states_stay_whole)
{
	uint64_t seed = unit_seed() | 1, worlds = unit_ops(60);
	struct plan plan;

	printf("seed %#llx\n", (unsigned long long)seed);
	fflush(stdout);
	rnd = seed;
	for (uint64_t w = 0; w < worlds; w++) {
		plan_make(&plan);
		plan_build(&plan, false);
		now_s = 0;
		for (int i = 0; i < 250; i++) {
			int r = random_step();

			MUST(r == 0 || r == -ENOENT);
			check_moves();
			check_all();
		}
	}
	world_end();
}
END_TEST

START_TEST(test_order_of_input_does_not_matter)
{
	uint64_t seed = unit_seed() | 1, worlds = unit_ops(20);
	struct plan plan;

	printf("seed %#llx\n", (unsigned long long)seed);
	rnd = seed;
	for (uint64_t w = 0; w < worlds; w++) {
		char *first[100];
		uint64_t from;

		plan_make(&plan);
		from = rnd;
		for (int turn = 0; turn < 2; turn++) {
			plan_build(&plan, turn == 1);
			rnd = from;
			now_s = 0;
			for (int i = 0; i < 100; i++) {
				random_step();
				if (turn == 0) {
					first[i] = strdup(said());
					continue;
				}
				MUST_MSG(strcmp(first[i], said()) == 0, "step %d:\n%s\n--\n%s", i,
					 first[i], said());
				free(first[i]);
			}
		}
	}
	world_end();
}
END_TEST

/* Loads wander, ten thousand ticks: what R10 moved has rested, and in the end it is quiet. */
START_TEST(test_R10_no_ping_pong)
{
	uint64_t seed = unit_seed() | 1, nr_ticks = unit_ops(10000), moves = 0;
	uint64_t calm = nr_ticks < 2000 ? 1000 : nr_ticks - 200;
	double moved_at[64] = { 0 };

	nr_ticks = nr_ticks < 2000 ? 2000 : nr_ticks;
	printf("seed %#llx\n", (unsigned long long)seed);
	rnd = seed;
	world_new();
	set("leader_max=2 node_max=2 spare_lend=2");
	for (uint32_t i = 1; i <= 8; i++)
		node(i, 0.4, 0.4);
	user("A", "1,2,3,4,5,6,7,8", 1, 0);
	for (int i = 0; i < 64; i++) {
		moved_at[i] = -1000;
		proc(i + 1, "A", 1 + unit_below(&rnd, 8), 0.02 + share() / 20);
	}
	for (uint64_t i = 0; i < nr_ticks; i++) {
		double at = 2.0 * (double)i;

		if (i < calm && unit_below(&rnd, 3) == 0)
			load(at, 1 + unit_below(&rnd, 8), share());
		tick(at);
		for (const char *l = said(); *l; l += strcspn(l, "\n"), l += *l == '\n') {
			unsigned int from, to;
			long long pid;

			MUST(sscanf(l, "R10 migrate %lld %u>%u", &pid, &from, &to) == 3);
			MUST_MSG(at - moved_at[pid - 1] >= 30, "%lld moved after %g s", pid,
				 at - moved_at[pid - 1]);
			moved_at[pid - 1] = at;
			moves++;
			MUST_MSG(i < calm + 100, "still moving: %s", l);
		}
	}
	MUST(moves > nr_ticks / 100);
	world_end();
}
END_TEST

/* Each allocation fails once: the step says so, or succeeds; nothing is torn. */
START_TEST(test_allocation_failure)
{
	uint64_t seed = unit_seed() | 1, worlds = unit_ops(20), failures = 0;
	struct plan plan;

	printf("seed %#llx\n", (unsigned long long)seed);
	rnd = seed;
	for (uint64_t w = 0; w < worlds; w++) {
		plan_make(&plan);
		plan_build(&plan, false);
		now_s = 0;
		for (int i = 0; i < 200; i++) {
			int r;

			world_fail_after((long)unit_below(&rnd, 4));
			r = random_step();
			world_fail_after(-1);
			MUST(r == 0 || r == -ENOENT || r == -ENOMEM);
			failures += r == -ENOMEM;
			check_moves();
			check_all();
		}
	}
	MUST(failures > 20);
	world_end();
}
END_TEST

/* How long a tick takes, told. A bound that only n * n would break: machines are noisy. */
static double tick_seconds(uint32_t nodes)
{
	struct timespec a, b;
	double best = 1e9;

	world_new();
	for (uint32_t i = 1; i <= nodes; i++)
		node(i, share(), share());
	for (uint32_t u = 0; u < nodes / 10; u++) {
		uint32_t ids[10];
		char name[16];
		struct pol_user_info info = { .name = name, .nodes = ids, .nr_nodes = 10,
					      .units = POL_UNKNOWN };

		sprintf(name, "u%u", u);
		for (uint32_t i = 0; i < 10; i++)
			ids[i] = u * 10 + i + 1;
		MUST(pol_add_user(world, &info) == 0);
		for (uint32_t i = 0; i < 100; i++)
			proc(u * 100 + i + 1, name, ids[i % 10], share() / 10);
	}
	user("admin", "", 0, 0);
	for (int i = 0; i < 5; i++) {
		double s;

		clock_gettime(CLOCK_MONOTONIC, &a);
		tick(2 * i);
		clock_gettime(CLOCK_MONOTONIC, &b);
		s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
		best = s < best ? s : best;
	}
	world_end();
	return best;
}

START_TEST(test_scale)
{
	double small, large;

	rnd = 1;
	small = tick_seconds(5000);
	large = tick_seconds(20000);
	printf("seed 1: a tick over 5,000 nodes %.1f ms, over 20,000 nodes %.1f ms (sanitizers on)\n",
	       small * 1e3, large * 1e3);
	MUST_MSG(large < 20, "%g s, %g s", small, large);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_model");
	TCase *t = tcase_create("model");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_random_states_stay_whole);
	tcase_add_test(t, test_order_of_input_does_not_matter);
	tcase_add_test(t, test_R10_no_ping_pong);
	tcase_add_test(t, test_allocation_failure);
	tcase_add_test(t, test_scale);
	suite_add_tcase(s, t);
	return s;
}
