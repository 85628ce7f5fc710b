// SPDX-License-Identifier: GPL-2.0-or-later
/* R2, R10 (c): the queue of jobs, by its edges. */
#include <string.h>

#include "daemon/policy/job.h"
#include "policy_world.h"

#define HIGH	pol_num(0.8)

/* Users "a" and "b" may use all nodes, "c" node 3 only, others none. */
static bool may(void *arg, const char *user, uint32_t id)
{
	(void)arg;
	return !strcmp(user, "a") || !strcmp(user, "b") || (!strcmp(user, "c") && id == 3);
}

static struct pol_job_node one(uint32_t id, uint32_t cpus, double load)
{
	return (struct pol_job_node){ .id = id, .cpus = cpus,
				      .load = load < 0 ? POL_UNKNOWN : pol_num(load) };
}

static struct pol_job queued(uint64_t id, const char *user, uint32_t cpus)
{
	return (struct pol_job){ .id = id, .user = user, .cpus = cpus, .state = POL_JOB_QUEUED };
}

START_TEST(test_R10_least_loaded_node)
{
	struct pol_job_node nodes[] = { one(1, 4, 0.5), one(2, 4, 0.2), one(3, 4, 0.2) };

	/* The lower id of two. */
	ck_assert_uint_eq(pol_job_choose(nodes, 3, "a", 1, HIGH, may, NULL), 1);
	/* Where it may not go it does not go. */
	ck_assert_uint_eq(pol_job_choose(nodes, 3, "c", 1, HIGH, may, NULL), 2);
	ck_assert_uint_eq(pol_job_choose(nodes, 3, "d", 1, HIGH, may, NULL), 3);
	/* What was promised counts, though the load does not show it yet. */
	nodes[1].taken = 1;
	ck_assert_uint_eq(pol_job_choose(nodes, 3, "a", 1, HIGH, may, NULL), 2);
	nodes[2].taken = 3;
	ck_assert_uint_eq(pol_job_choose(nodes, 3, "a", 1, HIGH, may, NULL), 1);
	ck_assert_uint_eq(pol_job_choose(nodes, 0, "a", 1, HIGH, may, NULL), 0);
}
END_TEST

START_TEST(test_R2_what_is_free)
{
	struct pol_job_node n = one(1, 2, 0.8);

	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 1, HIGH, may, NULL), 1);
	n = one(1, 2, 0.799999999);
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 1, HIGH, may, NULL), 0);
	/* Not known is not free. */
	n = one(1, 2, -1);
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 1, HIGH, may, NULL), 1);
	n = one(1, 0, 0);
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 1, HIGH, may, NULL), 1);
	/* All CPUs are promised. */
	n = one(1, 2, 0);
	n.taken = 1;
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 1, HIGH, may, NULL), 0);
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 2, HIGH, may, NULL), 1);
	/* More than it has: all of it. */
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 9, HIGH, may, NULL), 1);
	n.taken = 0;
	ck_assert_uint_eq(pol_job_choose(&n, 1, "a", 9, HIGH, may, NULL), 0);
}
END_TEST

START_TEST(test_R2_order_of_the_queue)
{
	struct pol_job_node nodes[] = { one(1, 2, 0), one(3, 2, 0) };
	struct pol_job jobs[] = {
		{ .id = 1, .user = "a", .cpus = 1, .state = POL_JOB_RUNNING, .node = 1 },
		{ .id = 2, .user = "b", .cpus = 9, .state = POL_JOB_PLACED, .node = 7 },
		queued(3, "c", 1), queued(4, "a", 2), queued(5, "a", 1), queued(6, "b", 1),
		queued(7, "d", 1),
		{ .id = 8, .user = "a", .cpus = 2, .state = POL_JOB_ENDED, .node = 3 },
	};

	/* 3 takes half of node 3; 4 fits nowhere, so 5 waits behind it; 6 is another user's. */
	ck_assert_uint_eq(pol_jobs_place(jobs, 8, nodes, 2, HIGH, may, NULL), 2);
	ck_assert(jobs[2].is_new && jobs[2].node == 3 && jobs[2].state == POL_JOB_PLACED);
	ck_assert(!jobs[3].is_new && jobs[3].state == POL_JOB_QUEUED);
	ck_assert(!jobs[4].is_new && jobs[4].state == POL_JOB_QUEUED);
	ck_assert(jobs[5].is_new && jobs[5].node == 1);
	ck_assert(!jobs[6].is_new && !jobs[0].is_new && !jobs[1].is_new && !jobs[7].is_new);
	/* Again: nothing more, and the same is counted. */
	ck_assert_uint_eq(pol_jobs_place(jobs, 8, nodes, 2, HIGH, may, NULL), 0);
	ck_assert_uint_eq(nodes[0].taken, 2);
	ck_assert_uint_eq(nodes[1].taken, 1);
	/* One ends: the large one begins, and the small one behind it does not fit any more. */
	jobs[0].state = jobs[5].state = POL_JOB_ENDED;
	ck_assert_uint_eq(pol_jobs_place(jobs, 8, nodes, 2, HIGH, may, NULL), 2);
	ck_assert_uint_eq(jobs[3].node, 1);
	ck_assert_uint_eq(jobs[4].node, 3);
}
END_TEST

START_TEST(test_R8_what_becomes_of_a_run)
{
	static const struct {
		enum pol_job_state state;
		enum pol_job_sight sight;
		bool is_stopping;
		uint32_t run;
		enum pol_job_state wanted;
	} rows[] = {
		{ POL_JOB_PLACED, POL_SIGHT_RUNNING, false, 1, POL_JOB_RUNNING },
		{ POL_JOB_PLACED, POL_SIGHT_ENDED, false, 1, POL_JOB_ENDED },
		{ POL_JOB_PLACED, POL_SIGHT_FAILED, false, 1, POL_JOB_FAILED },
		{ POL_JOB_PLACED, POL_SIGHT_FAILED, true, 1, POL_JOB_STOPPED },
		{ POL_JOB_PLACED, POL_SIGHT_STOPPED, true, 1, POL_JOB_STOPPED },
		{ POL_JOB_RUNNING, POL_SIGHT_NONE, true, 1, POL_JOB_RUNNING },
		{ POL_JOB_RUNNING, POL_SIGHT_ENDED, true, 1, POL_JOB_STOPPED },
		{ POL_JOB_RUNNING, POL_SIGHT_LOST, false, 1, POL_JOB_QUEUED },
		{ POL_JOB_RUNNING, POL_SIGHT_LOST, false, POL_JOB_RUNS, POL_JOB_LOST },
		{ POL_JOB_RUNNING, POL_SIGHT_LOST, true, 1, POL_JOB_STOPPED },
		{ POL_JOB_RUNNING, (enum pol_job_sight)99, false, 1, POL_JOB_RUNNING },
		/* Whoever comes late changes nothing. */
		{ POL_JOB_QUEUED, POL_SIGHT_ENDED, false, 1, POL_JOB_QUEUED },
		{ POL_JOB_ENDED, POL_SIGHT_LOST, false, 1, POL_JOB_ENDED },
		{ POL_JOB_LOST, POL_SIGHT_RUNNING, false, 3, POL_JOB_LOST },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(pol_job_after(rows[i].state, rows[i].sight, rows[i].is_stopping,
					    rows[i].run) == rows[i].wanted, "row %zu", i);
	for (int s = POL_JOB_NONE; s <= POL_JOB_LOST; s++)
		ck_assert_int_eq(pol_job_is_over((enum pol_job_state)s), s >= POL_JOB_ENDED);
	ck_assert_str_eq(pol_job_state_name(POL_JOB_LOST), "lost");
	ck_assert_str_eq(pol_job_state_name((enum pol_job_state)99), "unknown");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_job");
	TCase *t = tcase_create("queue");

	tcase_add_test(t, test_R10_least_loaded_node);
	tcase_add_test(t, test_R2_what_is_free);
	tcase_add_test(t, test_R2_order_of_the_queue);
	tcase_add_test(t, test_R8_what_becomes_of_a_run);
	suite_add_tcase(s, t);
	return s;
}
