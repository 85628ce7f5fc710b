// SPDX-License-Identifier: GPL-2.0-or-later
/* What a tick checks: R12, R11, R10, R18's lending and returning, R4, R5. Numbers and edges. */
#include <errno.h>
#include <string.h>

#include "policy_world.h"

#define CALM "leader_max=2 node_max=2 spare_lend=2 "

/* ---- R10 ------------------------------------------------------------------------------- */

START_TEST(test_R10_high_is_above_not_at)
{
	set(CALM "balance_gap=2");
	node(1, 0.8, 0.5);
	node(2, 0.1, 0.5);
	user("A", "1,2", 0, 0);
	proc(101, "A", 1, 0.3);
	tick(0);
	SAID("");
	load(1, 1, 0.81);
	tick(1);
	SAID("R10 migrate 101 1>2");
}
END_TEST

START_TEST(test_R10_gap_is_more_than_not_at)
{
	set(CALM);
	node(1, 0.5, 0.5);
	node(2, 0.1, 0.5);
	user("A", "1,2", 0, 0);
	proc(101, "A", 1, 0.2);
	proc(102, "A", 1, 0.1);
	tick(0);
	SAID("");
	proc(103, "A", 1, 0.01);
	tick(1);
	SAID("R10 migrate 102 1>2");	/* the smallest that ends it and pays: 103 gains 0.01 only */
}
END_TEST

START_TEST(test_R10_smallest_that_ends_else_largest)
{
	set(CALM "balance_gap=2");
	node(1, 0.95, 0.5);
	node(2, 0.1, 0.5);
	user("A", "1,2", 0, 0);
	proc(101, "A", 1, 0.1);
	proc(102, "A", 1, 0.2);
	proc(103, "A", 1, 0.3);
	tick(0);
	SAID("R10 migrate 102 1>2");	/* 101 leaves 0.85 > 0.8 */
	load(100, 1, 1);
	load(100, 2, 0.1);
	tick(100);
	SAID("R10 migrate 103 1>2");
}
END_TEST

START_TEST(test_R10_must_pay_by_more_than_move_cost)
{
	set(CALM "balance_gap=2");
	node(1, 0.9, 0.5);
	node(2, 0.65, 0.5);
	user("A", "1,2", 0, 0);
	proc(101, "A", 1, 0.2);		/* 0.9 -> 0.85: by 0.05, not more */
	tick(0);
	SAID("");
	load(1, 2, 0.64);
	tick(1);
	SAID("R10 migrate 101 1>2");
}
END_TEST

START_TEST(test_R10_rests_until_move_rest)
{
	set(CALM "balance_gap=2");
	node(1, 0.9, 0.5);
	node(2, 0.1, 0.5);
	user("A", "1,2", 0, 0);
	proc(101, "A", 1, 0.3);
	tick(0);
	SAID("R10 migrate 101 1>2");
	load(1, 1, 0.1);
	load(1, 2, 0.9);
	tick(29.999);
	SAID("");
	tick(30);
	SAID("R10 migrate 101 2>1");
}
END_TEST

START_TEST(test_R10_ties_and_unknown)
{
	set(CALM "balance_gap=2");
	node(1, 0.9, 0.5);
	node(2, UNKNOWN, 0.5);
	node(4, 0.1, 0.5);
	node(3, 0.1, 0.5);
	user("A", "1,2,3,4", 0, 0);
	proc(102, "A", 1, 0.2);
	proc(101, "A", 1, 0.2);
	proc(100, "A", 1, UNKNOWN);
	restricted(99, "A", 1, 0.2);
	tick(0);
	SAID("R10 migrate 101 1>3");
}
END_TEST

START_TEST(test_R10_one_node_and_none)
{
	set(CALM);
	tick(0);
	SAID("");
	node(1, 1, 1);
	user("A", "1", 0, 0);
	proc(101, "A", 1, 0.9);
	tick(1);
	SAID("");
}
END_TEST

START_TEST(test_R10_counts_by_capacity)
{
	set(CALM "balance_gap=2");
	big_node(1, 0.9, 0.5, 2);
	big_node(2, 0.5, 0.5, 4);
	user("A", "1,2", 0, 0);
	proc(101, "A", 1, 0.3);		/* 0.15 on node 2 */
	tick(0);
	SAID("R10 migrate 101 1>2");
	load(40, 1, 0.1);
	finish(41, 101);
	tick(42);
	SAID("");
}
END_TEST

START_TEST(test_R10_only_its_own_processes)
{
	set(CALM "balance_gap=2");
	node(1, 0.9, 0.5);
	node(2, 0.1, 0.5);
	user("A", "1,2", 0, 0);
	user("B", "1", 0, 0);
	proc(201, "B", 1, 0.3);
	tick(0);
	SAID("");
}
END_TEST

START_TEST(test_R10_place)
{
	set(CALM);
	node(1, 0.6, 0.5);
	node(2, 0.2, 0.5);
	user("A", "1,2", 1, 0);
	start(0, 7, "A", 0.1);
	SAID("R10 place 7 2");
	load(0, 1, 0.2);
	start(0, 8, "A", 0.05);		/* node 2 is at 0.3 now */
	SAID("R10 place 8 1");
}
END_TEST

START_TEST(test_R10_place_only_when_it_pays)
{
	set(CALM);
	node(1, 0.25, 0.5);
	node(2, 0.2, 0.5);
	user("A", "1,2", 1, 0);
	start(0, 7, "A", 0.1);		/* 0.35 at home, 0.3 there: by 0.05, not more */
	SAID("R10 place 7 1");
}
END_TEST

START_TEST(test_R10_place_switched_off)
{
	set(CALM "place_at_exec=off");
	node(1, 0.6, 0.5);
	node(2, 0.2, 0.5);
	user("A", "1,2", 1, 0);
	start(0, 7, "A", 0.1);
	SAID("R10 place 7 1");
}
END_TEST

/* ---- R11 ------------------------------------------------------------------------------- */

START_TEST(test_R11_at_leader_max)
{
	set("balance_high=2 balance_gap=2 node_max=2 spare_lend=2");
	node(1, 0.849, 0.5);
	node(2, 0.3, 0.5);
	user("A", "1,2", 1, 0);
	tick(0);
	SAID("");
	load(1, 1, 0.85);
	tick(1);
	SAID("R11 leader A 1>2");
}
END_TEST

START_TEST(test_R11_as_many_movable_as_restricted_moves)
{
	set("balance_high=2 balance_gap=2 node_max=2 spare_lend=2");
	node(1, 0.9, 0.5);
	node(2, 0.3, 0.5);
	user("A", "1,2", 1, 0);
	proc(101, "A", 1, 0.3);
	restricted(102, "A", 1, 0.1);
	tick(0);
	SAID("R11 migrate 101 1>2");
	restricted(103, "A", 1, 0.1);
	load(1, 1, 0.9);
	tick(1);
	SAID("R11 leader A 1>2");
}
END_TEST

START_TEST(test_R11_target_stays_below)
{
	set("balance_high=2 balance_gap=2 node_max=2 spare_lend=2");
	node(1, 0.9, 0.5);
	node(2, 0.6, 0.5);
	user("A", "1,2", 1, 0);
	proc(101, "A", 1, 0.25);	/* 0.85 is not below: passed over */
	proc(102, "A", 1, 0.24);
	tick(0);
	SAID("R11 migrate 102 1>2");
}
END_TEST

START_TEST(test_R11_no_target_and_no_successor)
{
	set("balance_high=2 balance_gap=2 node_max=2 spare_lend=2");
	node(1, 0.9, 0.5);
	node(2, 0.85, 0.1);
	user("A", "1,2", 1, 0);
	tick(0);
	SAID("R11 alert A");
	proc(101, "A", 1, 0.1);
	tick(1);
	SAID("R11 alert A");
}
END_TEST

START_TEST(test_R11_next_is_least_average_below)
{
	set("balance_high=2 balance_gap=2 node_max=2 spare_lend=2 leader_next_max=0.5");
	node(1, 0.9, 0.5);
	node(2, 0.5, 0.1);		/* not below 0.5 */
	node(3, 0.2, 0.3);
	node(4, 0.4, 0.3);
	node(5, 0.1, UNKNOWN);
	user("A", "1,2,3,4,5", 1, 0);
	tick(0);
	SAID("R11 leader A 1>3");
}
END_TEST

/* ---- R12 ------------------------------------------------------------------------------- */

START_TEST(test_R12_worst_becomes_spare_and_returns)
{
	set("leader_max=2 balance_high=2 balance_gap=2 spare_lend=2");
	node(1, 0.2, 0.2);
	node(2, 0.95, 0.2);
	node(3, 0.97, 0.2);
	user("A", "1,2,3", 1, 0);
	proc(301, "A", 3, 0.3);
	proc(302, "A", 3, 0.3);
	restricted(303, "A", 3, 0.1);
	tick(0);
	SAID("R12 set 3 overload\nR12 migrate 301 3>1\nR12 migrate 302 3>1");
	/* 0.37 since 0 s */
	tick(29);
	SAID("");
	tick(30);
	SAID("R12 unset 3 overload");
}
END_TEST

START_TEST(test_R12_hold_starts_when_the_load_falls)
{
	set("leader_max=2 balance_high=2 balance_gap=2 spare_lend=2");
	node(1, 0.2, 0.2);
	node(2, 0.97, 0.2);
	user("A", "1,2", 1, 0);
	tick(0);
	SAID("R12 set 2 overload");
	load(10, 2, 0.59);
	load(20, 2, 0.6);		/* not below: it starts anew */
	load(21, 2, 0.1);
	tick(50);
	SAID("");
	tick(51);
	SAID("R12 unset 2 overload");
}
END_TEST

START_TEST(test_R12_relief_by_the_spare)
{
	set("leader_max=2 balance_high=2 balance_gap=2 spare_lend=2");
	node(1, 0.2, 0.2);
	node(2, 0.97, 0.2);
	node(3, 0.5, 0.2);
	user("A", "1,2,3", 1, 0);
	tick(0);
	SAID("R12 set 2 overload");
	load(1, 2, 0.7);
	proc(301, "A", 3, 0.3);		/* 1.0 on the spare: passed over */
	proc(302, "A", 3, 0.2);
	proc(303, "A", 3, 0.1);
	load(1, 3, 0.95);
	tick(1);
	SAID("R12 migrate 302 3>2");
}
END_TEST

START_TEST(test_R12_all_but_never_the_last)
{
	set("leader_max=2 balance_high=2 balance_gap=2 spare_lend=2 overload_mode=all");
	node(1, 0.2, 0.2);
	node(2, 0.96, 0.2);
	node(3, 0.97, 0.2);
	user("A", "1,2,3", 1, 0);
	user("B", "2", 2, 0);
	tick(0);
	SAID("R12 set 3 overload");	/* node 2 is the last of B */
}
END_TEST

static void lead(double at, const char *name, uint32_t id)
{
	const struct pol_event ev = { .kind = POL_EV_LEAD, .user = name, .node = id,
				      .load = POL_UNKNOWN };

	ck_assert_int_eq(step(&ev, at), 0);
}

START_TEST(test_R11_leader_on_request)
{
	const struct pol_event nobody = { .kind = POL_EV_LEAD, .user = "B", .node = 1 };

	set(CALM "balance_high=2 balance_gap=2");
	for (uint32_t id = 1; id <= 5; id++)
		node(id, 0.1, 0.1);
	user_active("A", "1,2,3,4", "1,2,3", 0);
	lead(0, "A", 2);
	SAID("R11 leader A 1>2");
	lead(1, "A", 2);		/* it does already */
	ck_assert_ptr_nonnull(strstr(said(), "R11 refuse A"));
	lead(2, "A", 4);		/* not ticked */
	ck_assert_ptr_nonnull(strstr(said(), "R11 refuse A"));
	lead(3, "A", 5);		/* not its */
	ck_assert_ptr_nonnull(strstr(said(), "R11 refuse A"));
	on_node(4, POL_EV_FAIL, 3);
	lead(5, "A", 3);		/* dead */
	ck_assert_ptr_nonnull(strstr(said(), "R11 refuse A"));
	lead(6, "A", 1);		/* what was refused has changed nothing */
	SAID("R11 leader A 2>1");
	ck_assert_int_eq(step(&nobody, 7), -ENOENT);
}
END_TEST

START_TEST(test_R12_leader_hands_over_or_stays)
{
	set("leader_max=0.9 balance_high=2 balance_gap=2 spare_lend=2");
	node(1, 0.97, 0.2);
	node(2, 0.9, 0.2);
	user("A", "1,2", 1, 0);
	tick(0);
	SAID("R12 alert 1\nR11 alert A");
	load(1, 2, 0.1);
	tick(1);
	SAID("R12 leader A 1>2\nR12 set 1 overload");
}
END_TEST

START_TEST(test_R12_before_R11_and_R10_moves_once)
{
	set("spare_lend=2");
	node(1, 0.2, 0.2);
	node(2, 0.96, 0.2);
	user("A", "1,2", 1, 0);
	proc(201, "A", 2, 0.7);
	proc(202, "A", 2, 0.2);
	tick(0);
	/* Node 1, the leader, is at 1.1 then; what came in this check stays. */
	SAID("R12 set 2 overload\nR12 migrate 201 2>1\nR12 migrate 202 2>1");
}
END_TEST

/* ---- R18: lending ----------------------------------------------------------------------- */

#define ALONE "leader_max=2 node_max=2 balance_high=2 balance_gap=2 "

START_TEST(test_R18_lend_at_and_return_below)
{
	set(ALONE);
	node(1, 0.9, 0.5);
	node(2, 0.8, 0.5);
	spare(9, 0, 0);
	user("A", "1,2", 1, 0);
	tick(0);
	SAID("R18 lend A 9");
	load(5, 1, 0.4);		/* mean 0.6: not below */
	tick(40);
	SAID("");
	load(41, 1, 0.39);
	tick(70.9);
	SAID("");
	tick(71);
	SAID("R18 return A 9");
}
END_TEST

START_TEST(test_R18_returned_spare_is_emptied)
{
	set("leader_max=2 node_max=2 balance_gap=2");
	node(1, 0.9, 0.5);
	spare(9, 0, 0);
	user("A", "1", 1, 0);
	proc(101, "A", 1, 0.3);
	tick(0);
	SAID("R18 lend A 9");
	tick(2);
	SAID("R10 migrate 101 1>9");
	restricted(102, "A", 9, 0.1);
	load(3, 1, 0.1);
	tick(33);
	SAID("R18 return A 9\nR18 migrate 101 9>1");
	finish(34, 102);
	tick(35);
	SAID("");
}
END_TEST

START_TEST(test_R18_several_share_it_and_it_never_leads)
{
	set("leader_max=0.85 node_max=2 balance_high=2 balance_gap=2");
	node(1, 0.9, 0.5);
	node(2, 0.9, 0.5);
	spare(9, 0, 0);
	user("B", "2", 2, 0);
	user("A", "1", 1, 0);
	tick(0);
	SAID("R11 alert A\nR11 alert B\nR18 lend A 9\nR18 lend B 9");
	tick(1);
	SAID("R11 alert A\nR11 alert B");
}
END_TEST

START_TEST(test_R18_unknown_loads_do_not_count)
{
	set(ALONE);
	node(1, 0.9, 0.5);
	node(2, UNKNOWN, 0.5);
	spare(9, 0, 0);
	user("A", "1,2", 1, 0);
	user("B", "2", 2, 0);
	tick(0);
	SAID("R18 lend A 9");
}
END_TEST

/* ---- R4, R5 ------------------------------------------------------------------------------ */

START_TEST(test_R04_users)
{
	set(ALONE);
	node(1, 0.2, 0.2);
	node(2, 0.2, 0.2);
	node(3, 0.2, 0.2);
	user("A", "1,2,3", 0, 0);
	view("web", "A", "2", POL_VIEW_USERS, 49, false);
	tick(0);
	SAID("R4 view web 1,2,3");
	tick(1);
	SAID("");
	users(2, "web", 50);
	SAID("R4 view web 2");
	users(3, "web", 51);
	SAID("");
}
END_TEST

START_TEST(test_R04_group_takes_each_kth)
{
	set(ALONE);
	for (uint32_t i = 1; i <= 5; i++)
		node(i, 0.2, 0.2);
	user("A", "1,2,3,4,5", 0, 0);
	view("b", "A", "2", POL_VIEW_GROUP, 0, false);
	view("a", "A", "1", POL_VIEW_GROUP, 0, false);
	tick(0);
	SAID("R4 view a 1,3,5\nR4 view b 2,4");
}
END_TEST

START_TEST(test_R04_load_and_chosen_main)
{
	set(ALONE);
	node(1, 0.6, 0.5);
	node(2, 0.79, 0.2);
	node(3, UNKNOWN, 0.2);
	user("A", "1,2,3", 0, 0);
	view("web", "A", "", POL_VIEW_LOAD, 0, false);
	tick(0);
	SAID("R4 view web 2");
	load(1, 2, 0.8);		/* mean 0.7 of those that are known */
	tick(1);
	SAID("R4 view web 1,2,3");
}
END_TEST

START_TEST(test_R05_start_and_stop)
{
	set(ALONE);
	node(1, 0.3, 0.2);
	node(2, 0.8, 0.2);
	node(3, 0.2, 0.2);
	user("A", "1,2,3", 0, 0);
	view("web", "A", "2", POL_VIEW_USERS, 50, true);
	tick(0);
	SAID("R4 view web 2");
	tick(9);
	SAID("");
	tick(10);
	SAID("R5 copy_start web 3");
	load(11, 2, 0.6);		/* mean 0.4: not below */
	tick(30);
	SAID("");
	load(31, 2, 0.59);
	tick(41);
	SAID("R5 copy_stop web 3");
	tick(100);
	load(100, 2, 0);
	tick(200);
	SAID("");			/* never below one */
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_active");
	TCase *t = tcase_create("tick");

	tcase_add_checked_fixture(t, world_new, world_end);
	tcase_add_test(t, test_R10_high_is_above_not_at);
	tcase_add_test(t, test_R10_gap_is_more_than_not_at);
	tcase_add_test(t, test_R10_smallest_that_ends_else_largest);
	tcase_add_test(t, test_R10_must_pay_by_more_than_move_cost);
	tcase_add_test(t, test_R10_rests_until_move_rest);
	tcase_add_test(t, test_R10_ties_and_unknown);
	tcase_add_test(t, test_R10_one_node_and_none);
	tcase_add_test(t, test_R10_counts_by_capacity);
	tcase_add_test(t, test_R10_only_its_own_processes);
	tcase_add_test(t, test_R10_place);
	tcase_add_test(t, test_R10_place_only_when_it_pays);
	tcase_add_test(t, test_R10_place_switched_off);
	tcase_add_test(t, test_R11_at_leader_max);
	tcase_add_test(t, test_R11_as_many_movable_as_restricted_moves);
	tcase_add_test(t, test_R11_target_stays_below);
	tcase_add_test(t, test_R11_no_target_and_no_successor);
	tcase_add_test(t, test_R11_next_is_least_average_below);
	tcase_add_test(t, test_R12_worst_becomes_spare_and_returns);
	tcase_add_test(t, test_R12_hold_starts_when_the_load_falls);
	tcase_add_test(t, test_R12_relief_by_the_spare);
	tcase_add_test(t, test_R12_all_but_never_the_last);
	tcase_add_test(t, test_R11_leader_on_request);
	tcase_add_test(t, test_R12_leader_hands_over_or_stays);
	tcase_add_test(t, test_R12_before_R11_and_R10_moves_once);
	tcase_add_test(t, test_R18_lend_at_and_return_below);
	tcase_add_test(t, test_R18_returned_spare_is_emptied);
	tcase_add_test(t, test_R18_several_share_it_and_it_never_leads);
	tcase_add_test(t, test_R18_unknown_loads_do_not_count);
	tcase_add_test(t, test_R04_users);
	tcase_add_test(t, test_R04_group_takes_each_kth);
	tcase_add_test(t, test_R04_load_and_chosen_main);
	tcase_add_test(t, test_R05_start_and_stop);
	suite_add_tcase(s, t);
	return s;
}
