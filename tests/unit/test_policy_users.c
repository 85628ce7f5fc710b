// SPDX-License-Identifier: GPL-2.0-or-later
/* What users ask for and tick, and what a review gives and takes: R14 to R17, R13. */
#include <string.h>

#include "policy_world.h"

static void candidates(const char *name)
{
	const struct pol_event ev = { .kind = POL_EV_CANDIDATES, .user = name };

	ck_assert_int_eq(step(&ev, 0), 0);
}

START_TEST(test_R14_candidates)
{
	set("node_users=2");
	node(1, 0.9, 0.79);
	node(2, 0, 0.8);		/* not below */
	node(3, 0, UNKNOWN);
	drained(4, 0, 0);
	spare(5, 0, 0);
	node(6, 0, 0);
	user("A", "6", 0, 0);
	user("B", "6", 0, 0);		/* two are not fewer than two */
	node(7, UNKNOWN, 0);
	candidates("C");
	SAID("R14 candidates C 1,7");
}
END_TEST

START_TEST(test_R14_units_and_processes)
{
	set("node_units=59 candidate_processes=1");
	node(1, 0, 0);
	node(2, 0, 0);
	node(3, 0, 0);
	user("A", "1", 0, 0);		/* 30 of 59: less than 30 are free */
	user("admin", "", 0, 0);	/* takes none */
	proc(201, "admin", 2, 0);
	proc(301, "admin", 3, 0);
	proc(302, "admin", 3, 0);
	candidates("C");
	SAID("R14 candidates C 2");
}
END_TEST

START_TEST(test_R14_pick_adds_or_is_refused_whole)
{
	node(1, 0, 0.1);
	node(2, 0, 0.2);
	spare(3, 0, 0);
	pick(0, "N", "2,1");
	SAID("R14 allocate N 1,2");
	pick(1, "N", "3");
	SAID("R14 refuse N missing 0");
	pick(2, "M", "1,3");
	SAID("R14 refuse M missing 0");
	pick(3, "M", "");
	SAID("R14 refuse M missing 0");
}
END_TEST

START_TEST(test_R15_fewest_users_then_least_average)
{
	node(1, 0, 0.1);
	node(2, 0, 0.3);
	node(3, 0, 0.2);
	node(4, 0, 0.2);
	user("A", "1", 0, 0);
	request(0, "C", 61);
	SAID("R15 allocate C 2,3,4");
	request(1, "C", 120);
	SAID("R15 allocate C 1,2,3,4");
	request(2, "C", 121);
	SAID("R15 refuse C missing 1");
	request(3, "C", 30);		/* node 3, the least average with the lower id, leads */
	SAID("R15 allocate C 3");
}
END_TEST

START_TEST(test_R15_the_largest_counts)
{
	struct pol_event ev = { .kind = POL_EV_REQUEST, .user = "C", .request = {
		.units = POL_UNKNOWN, .cpus = pol_num(2), .memory = pol_num(12),
		.storage = POL_UNKNOWN, .hours_per_day = pol_num(8), .hours_per_week = POL_UNKNOWN,
		.jobs_per_hour = pol_num(101) } };

	for (uint32_t i = 1; i <= 4; i++)
		node(i, 0, 0);
	ck_assert_int_eq(step(&ev, 0), 0);
	SAID("R15 allocate C 1,2,3");	/* 12 GiB: 90 units */
}
END_TEST

START_TEST(test_R15_nothing_and_nobody)
{
	node(1, 0, 0);
	request(0, "C", 0);
	SAID("R15 refuse C missing 0");
	request(0, "D", 90);
	SAID("R15 refuse D missing 2");
	request(0, "admin", 30);
	SAID("R15 refuse admin missing 0");
}
END_TEST

START_TEST(test_R16_edges)
{
	node(1, 0.5, 0.5);
	node(2, 0.2, 0.3);
	node(3, 0.2, 0.1);
	user("A", "1,2", 1, 60);
	proc(201, "A", 2, 0.1);
	review(0, "A", 0.8, 0.79);
	SAID("");
	review(1, "A", 0.8, 0.8);
	SAID("R16 resize A 2>3 1,2,3");
	review(2, "A", 0.8, 0.8);	/* no candidate: keep */
	SAID("");
	review(3, "A", 0.3, 0.31);
	SAID("");
	review(4, "A", 0.3, UNKNOWN);	/* mean of the month: 0.3 */
	SAID("R16 resize A 3>2 1,2");
	review(5, "A", 0.1, 0.1);
	SAID("R16 resize A 2>1 1\nR16 migrate 201 2>1");
	review(6, "A", 0, 0);		/* not more than shrink_min */
	SAID("");
}
END_TEST

START_TEST(test_R16_the_promise_follows)
{
	node(1, 0.5, 0.5);
	node(2, 0, 0);
	user("A", "1,2", 1, 60);
	event(0, POL_EV_IDLE);
	SAID("");
	node(3, 0.2, 0.05);
	review(1, "A", 0.9, 0.9);
	SAID("R16 resize A 2>3 1,2,3");
	event(2, POL_EV_IDLE);		/* three are promised now */
	SAID("");
	review(3, "A", 0.1, 0.1);
	SAID("R16 resize A 3>2 1,3");
}
END_TEST

START_TEST(test_R17_select)
{
	node(1, 0.3, 0.3);
	node(2, 0.2, 0.2);
	node(3, 0.1, 0.1);
	user("A", "1,2", 1, 0);
	proc(101, "A", 1, 0.1);
	proc(102, "A", 1, 0.05);
	restricted(103, "A", 1, 0.05);
	ticks(0, "A", "2");
	SAID("R17 leader A 1>2\nR17 select A 2\nR17 migrate 101 1>2\nR17 migrate 102 1>2");
	ticks(1, "A", "");
	SAID("R17 refuse A missing 0");
	ticks(2, "A", "2,3");
	SAID("R17 refuse A missing 0");
	ticks(3, "A", "1,2");
	SAID("R17 select A 1,2");
}
END_TEST

START_TEST(test_R17_leader_without_successor_stays)
{
	node(1, 0.3, 0.3);
	node(2, 0.85, 0.2);
	user("A", "1,2", 1, 0);
	ticks(0, "A", "2");
	SAID("R17 alert A\nR17 select A 1,2");
}
END_TEST

START_TEST(test_R13_unticked_nodes_do_not_count)
{
	set("leader_max=2 node_max=2 spare_lend=2");
	node(1, 0.9, 0.5);
	node(2, 0.1, 0.1);
	node(3, 0.0, 0.0);
	user_active("A", "1,2", "1", 0);
	proc(101, "A", 1, 0.5);
	tick(0);
	SAID("");
	ticks(1, "A", "1,2");
	tick(1);
	SAID("R10 migrate 101 1>2");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_users");
	TCase *t = tcase_create("users");

	tcase_add_checked_fixture(t, world_new, world_end);
	tcase_add_test(t, test_R14_candidates);
	tcase_add_test(t, test_R14_units_and_processes);
	tcase_add_test(t, test_R14_pick_adds_or_is_refused_whole);
	tcase_add_test(t, test_R15_fewest_users_then_least_average);
	tcase_add_test(t, test_R15_the_largest_counts);
	tcase_add_test(t, test_R15_nothing_and_nobody);
	tcase_add_test(t, test_R16_edges);
	tcase_add_test(t, test_R16_the_promise_follows);
	tcase_add_test(t, test_R17_select);
	tcase_add_test(t, test_R17_leader_without_successor_stays);
	tcase_add_test(t, test_R13_unticked_nodes_do_not_count);
	suite_add_tcase(s, t);
	return s;
}
