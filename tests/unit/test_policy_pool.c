// SPDX-License-Identifier: GPL-2.0-or-later
/* Nodes that join, idle, fail, come back, are packed or shared: R6, R7, R8, R9, R18's choice. */
#include "policy_world.h"

/* ---- R6 -------------------------------------------------------------------------------- */

static void pool_of_admin(void)
{
	big_node(1, 0.6, 0.6, 4);
	big_node(2, 0.5, 0.5, 16);
	user("admin", "", 0, 0);
	proc(101, "admin", 1, 0.2);
	proc(102, "admin", 1, 0.1);
	proc(201, "admin", 2, 0.15);
}

START_TEST(test_R06_lowest_takes_of_the_highest_only)
{
	pool_of_admin();
	join(0, 3, 0, 4);
	/* 0.2 < 0.4, then 0.3 == 0.3: not below its source */
	SAID("R6 migrate 101 1>3");
}
END_TEST

START_TEST(test_R06_middle_takes_of_several)
{
	pool_of_admin();
	join(0, 3, 0, 8);		/* a third of the way exactly: middle */
	/* Then it is at 0.15; with 201, 0.3 here, it would not stay below node 2. */
	SAID("R6 migrate 101 1>3\nR6 migrate 102 1>3");
	join(1, 4, 0, 8);
	SAID("R6 migrate 201 2>4");
}
END_TEST

START_TEST(test_R06_highest_takes_the_heaviest_first)
{
	big_node(1, 0.9, 0.6, 4);
	big_node(2, 0.5, 0.5, 16);
	user("admin", "", 0, 0);
	proc(101, "admin", 1, 0.2);
	proc(201, "admin", 2, 0.3);
	restricted(202, "admin", 2, 0.9);
	join(0, 3, 0, 16);
	SAID("R6 migrate 201 2>3\nR6 migrate 101 1>3");
}
END_TEST

START_TEST(test_R06_not_of_users_who_do_not_hold_it)
{
	node(1, 0.9, 0.6);
	user("A", "1", 0, 0);
	proc(101, "A", 1, 0.2);
	join(0, 2, 0, 4);
	SAID("");
	request(1, "A", 60);
	SAID("R15 allocate A 1,2\nR6 migrate 101 1>2");
}
END_TEST

/* ---- R7 -------------------------------------------------------------------------------- */

START_TEST(test_R07_at_the_threshold_least_first)
{
	node(1, 0.3, 0.5);
	node(2, 0.1, 0.1);
	node(3, 0.05, 0.05);
	node(4, 0.1, 0.11);
	user("A", "1,2,3,4", 1, 30);
	proc(201, "A", 2, 0.05);
	event(0, POL_EV_IDLE);
	SAID("R7 set 3 idle\nR7 set 2 idle\nR7 migrate 201 2>4");
}
END_TEST

START_TEST(test_R07_promise_last_and_restricted)
{
	node(1, 0, 0);
	node(2, 0, 0.01);
	node(3, 0, 0.02);
	user("A", "1,2,3", 1, 31);	/* two nodes are promised */
	restricted(101, "A", 1, 0);
	event(0, POL_EV_IDLE);
	SAID("R7 set 2 idle");
	event(1, POL_EV_IDLE);
	SAID("");
}
END_TEST

START_TEST(test_R07_without_units_nothing_leaves)
{
	node(1, 0, 0);
	node(2, 0, 0);
	user("A", "1,2", 1, 0);
	event(0, POL_EV_IDLE);
	SAID("");
}
END_TEST

START_TEST(test_R07_leader_hands_over_first)
{
	node(1, 0, 0);
	node(2, 0.5, 0.5);
	user("A", "1,2", 1, 30);
	event(0, POL_EV_IDLE);
	SAID("R7 leader A 1>2\nR7 set 1 idle");
}
END_TEST

START_TEST(test_R07_last_node_of_the_pool)
{
	node(1, 0, 0);
	event(0, POL_EV_IDLE);
	SAID("");
}
END_TEST

/* ---- R8 -------------------------------------------------------------------------------- */

START_TEST(test_R08_idle_spare_before_shared)
{
	node(1, 0.5, 0.5);
	node(2, 0.5, 0.5);
	spare(8, 0, 0.0);		/* the shared one */
	spare(9, 0, 0.1);
	user("A", "1,2", 1, 0);
	proc(101, "A", 1, 0.1);
	restricted(102, "A", 1, 0.2);
	on_node(0, POL_EV_FAIL, 1);
	SAID("R8 takeover 1 by 9\nR8 leader A 1>9\nR8 migrate 102 1>9\nR8 migrate 101 1>9");
	on_node(1, POL_EV_FAIL, 2);
	SAID("R8 takeover 2 by 8");
	on_node(2, POL_EV_RECOVER, 1);
	/* The least average leads; 102 is restricted and stays until it ends. */
	SAID("R8 restore 1 by 9\nR8 leader A 9>8\nR8 migrate 101 9>1");
}
END_TEST

START_TEST(test_R08_no_spare)
{
	node(1, 0.5, 0.5);
	node(2, 0.9, 0.6);
	node(3, 0.95, 0.4);
	user("A", "1,2,3", 1, 0);
	proc(101, "A", 1, 0.1);
	proc(102, "A", 1, 0.2);
	on_node(0, POL_EV_FAIL, 1);
	/* Nobody is below leader_next_max: the least average living one leads. */
	SAID("R8 takeover 1 by 0\nR8 leader A 1>3\nR8 migrate 102 1>2\nR8 migrate 101 1>3\nR8 alert 1");
	on_node(1, POL_EV_RECOVER, 1);
	SAID("R8 restore 1 by 0\nR8 migrate 102 2>1\nR8 migrate 101 3>1");
}
END_TEST

START_TEST(test_R08_swap)
{
	set("recover_policy=swap");
	node(1, 0.5, 0.5);
	spare(8, 0, 0.0);
	spare(9, 0, 0.1);
	user("A", "1", 1, 0);
	proc(101, "A", 1, 0.1);
	on_node(0, POL_EV_FAIL, 1);
	SAID("R8 takeover 1 by 9\nR8 leader A 1>9\nR8 migrate 101 1>9");
	on_node(1, POL_EV_RECOVER, 1);
	SAID("R8 restore 1 by 9 swap");
	on_node(2, POL_EV_FAIL, 9);
	SAID("R8 takeover 9 by 1\nR8 leader A 9>1\nR8 migrate 101 9>1");
}
END_TEST

START_TEST(test_R08_the_stand_in_fails_too)
{
	node(1, 0.5, 0.5);
	spare(7, 0, 0.0);
	spare(8, 0, 0.2);
	spare(9, 0, 0.1);
	user("A", "1", 1, 0);
	proc(101, "A", 1, 0.1);
	on_node(0, POL_EV_FAIL, 1);
	SAID("R8 takeover 1 by 9\nR8 leader A 1>9\nR8 migrate 101 1>9");
	on_node(1, POL_EV_FAIL, 9);
	SAID("R8 takeover 9 by 8\nR8 leader A 9>8\nR8 migrate 101 9>8");
	on_node(2, POL_EV_RECOVER, 9);
	SAID("R8 restore 9 by 0");
	on_node(3, POL_EV_RECOVER, 1);
	SAID("R8 restore 1 by 8\nR8 leader A 8>1\nR8 migrate 101 8>1");
}
END_TEST

START_TEST(test_R08_without_a_role_and_lent_spare)
{
	node(1, 0.9, 0.5);
	node(2, 0, 0);
	spare(9, 0, 0);
	user("A", "1", 1, 0);
	on_node(0, POL_EV_FAIL, 2);
	SAID("");
	set("leader_max=2");
	node(1, 0.9, 0.5);
	node(2, 0.9, 0.5);
	spare(9, 0, 0);
	user("A", "1", 1, 0);
	user("B", "2", 2, 0);
	tick(1);
	SAID("R18 lend A 9\nR18 lend B 9");
	on_node(2, POL_EV_FAIL, 1);	/* not the shared one while it is lent */
	SAID("R8 takeover 1 by 0\nR8 alert 1");
}
END_TEST

/* ---- R9 -------------------------------------------------------------------------------- */

START_TEST(test_R09_packs_where_fewest_moves)
{
	node(1, 0.1, 0.1);
	node(2, 0.1, 0.19);
	node(3, 0.1, 0.2);		/* not below */
	user("A", "1,2,3", 3, 30);
	proc(101, "A", 1, 0.05);
	proc(201, "A", 2, 0.03);
	proc(202, "A", 2, 0.03);
	event(0, POL_EV_CONSOLIDATE);
	SAID("R9 migrate 101 1>2\nR9 free A 1");
	event(1, POL_EV_CONSOLIDATE);
	SAID("");
}
END_TEST

START_TEST(test_R09_must_stay_low_and_promise)
{
	node(1, 0.5, 0.1);
	node(2, 0.51, 0.1);
	user("A", "1,2", 2, 60);
	proc(101, "A", 1, 0.3);		/* on node 2: 0.81 > 0.8 */
	event(0, POL_EV_CONSOLIDATE);
	SAID("");
	load(1, 2, 0.5);
	event(1, POL_EV_CONSOLIDATE);
	SAID("");			/* 0.8 is not above, but 101 is on node 1 already */
	proc(201, "A", 2, 0.0);
	proc(202, "A", 2, 0.0);
	event(2, POL_EV_CONSOLIDATE);
	SAID("R9 migrate 101 1>2");	/* two nodes are promised: none leaves */
}
END_TEST

START_TEST(test_R09_second_environment)
{
	set("consolidate_policy=second");
	node(1, 0.5, 0.5);
	node(2, 0.1, 0.1);
	node(3, 0.1, 0.15);
	user("A", "1,2,3", 2, 90);
	proc(201, "A", 2, 0.05);
	event(0, POL_EV_CONSOLIDATE);
	SAID("R9 leader A 2>1\nR9 environment A 2,3");
}
END_TEST

START_TEST(test_R09_restricted_stays)
{
	node(1, 0.5, 0.5);
	node(2, 0.1, 0.1);
	node(3, 0.1, 0.15);
	user("A", "1,2,3", 1, 30);
	restricted(201, "A", 2, 0.05);
	proc(301, "A", 3, 0.05);
	event(0, POL_EV_CONSOLIDATE);
	SAID("");			/* 3 needs no move, 2 keeps its process */
}
END_TEST

/* ---- R18: choosing ------------------------------------------------------------------------ */

START_TEST(test_R18_least_average_and_the_former_is_free)
{
	node(1, 0.2, 0.2);
	node(2, 0.1, 0.1);
	spare(9, 0, 0.5);
	user("A", "1", 1, 0);
	event(0, POL_EV_SPARE);
	SAID("R18 unset 9 shared\nR18 set 2 shared");
	event(1, POL_EV_SPARE);
	SAID("");
}
END_TEST

START_TEST(test_R18_holders_get_another)
{
	node(1, 0.2, 0.1);
	node(2, 0.2, 0.2);
	node(3, 0.2, 0.3);
	user("A", "1", 1, 30);
	proc(101, "A", 1, 0.1);
	event(0, POL_EV_SPARE);
	SAID("R15 allocate A 2\nR18 leader A 1>2\nR18 set 1 shared\nR18 migrate 101 1>2");
}
END_TEST

START_TEST(test_R18_none_to_be_had_the_next_least)
{
	node(1, 0.2, 0.1);
	node(2, 0.2, 0.9);		/* no candidate */
	user("A", "1", 1, 30);
	drained(3, 0, 0);
	event(0, POL_EV_SPARE);
	SAID("R18 set 2 shared");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_pool");
	TCase *t = tcase_create("pool");

	tcase_add_checked_fixture(t, world_new, world_end);
	tcase_add_test(t, test_R06_lowest_takes_of_the_highest_only);
	tcase_add_test(t, test_R06_middle_takes_of_several);
	tcase_add_test(t, test_R06_highest_takes_the_heaviest_first);
	tcase_add_test(t, test_R06_not_of_users_who_do_not_hold_it);
	tcase_add_test(t, test_R07_at_the_threshold_least_first);
	tcase_add_test(t, test_R07_promise_last_and_restricted);
	tcase_add_test(t, test_R07_without_units_nothing_leaves);
	tcase_add_test(t, test_R07_leader_hands_over_first);
	tcase_add_test(t, test_R07_last_node_of_the_pool);
	tcase_add_test(t, test_R08_idle_spare_before_shared);
	tcase_add_test(t, test_R08_no_spare);
	tcase_add_test(t, test_R08_swap);
	tcase_add_test(t, test_R08_the_stand_in_fails_too);
	tcase_add_test(t, test_R08_without_a_role_and_lent_spare);
	tcase_add_test(t, test_R09_packs_where_fewest_moves);
	tcase_add_test(t, test_R09_must_stay_low_and_promise);
	tcase_add_test(t, test_R09_second_environment);
	tcase_add_test(t, test_R09_restricted_stays);
	tcase_add_test(t, test_R18_least_average_and_the_former_is_free);
	tcase_add_test(t, test_R18_holders_get_another);
	tcase_add_test(t, test_R18_none_to_be_had_the_next_least);
	suite_add_tcase(s, t);
	return s;
}
