// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of keys: names, defaults, types. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "policy_world.h"

START_TEST(test_every_key_is_whole)
{
	for (int i = 0; i < POL_KEYS; i++) {
		const struct pol_key_info *info = pol_key_info((enum pol_key)i);

		ck_assert_msg(info->name && info->by_default && info->help, "row %d", i);
		ck_assert_int_eq(pol_key_find(info->name), i);
		ck_assert_msg((info->type == POL_CHOICE) == (info->words != NULL), "%s", info->name);
		ck_assert_msg(info->help[strlen(info->help) - 1] == '.', "%s", info->name);
	}
	ck_assert_int_eq(pol_key_find("no_such_key"), -1);
	ck_assert_int_eq(pol_key_find(""), -1);
}
END_TEST

START_TEST(test_defaults_of_the_specification)
{
	static const struct { const char *name; double value; } wanted[] = {
		{ "view_users_max", 50 }, { "view_load_max", 0.7 }, { "surge_high", 0.8 },
		{ "surge_low", 0.4 }, { "surge_hold", 10 }, { "join_sources", 3 },
		{ "idle_period", 7 * 86400 }, { "spare_idle", 0.1 }, { "failure_timeout", 2 },
		{ "checkpoint_period", 0 }, { "consolidate_period", 7 * 86400 },
		{ "consolidate_below", 0.2 }, { "balance_period", 2 }, { "balance_gap", 0.3 },
		{ "balance_high", 0.8 }, { "move_cost", 0.05 }, { "move_rest", 30 },
		{ "leader_max", 0.85 }, { "leader_next_max", 0.85 }, { "node_max", 0.95 },
		{ "spare_return", 0.6 }, { "spare_hold", 30 }, { "candidate_max", 0.8 },
		{ "node_users", 4 }, { "node_units", 120 }, { "base_units", 30 },
		{ "review_period", 30 * 86400 }, { "grow_usage", 0.8 }, { "grow_load", 0.8 },
		{ "shrink_min", 1 }, { "shrink_usage", 0.3 }, { "shrink_load", 0.3 },
		{ "spare_period", 30 * 86400 }, { "spare_lend", 0.85 },
	};
	static const struct { const char *name; int value; } windows[] = {
		{ "r4_window", POL_HOUR }, { "r6_window", POL_DAY }, { "r7_window", POL_WEEK },
		{ "r8_window", POL_HOUR }, { "r9_window", POL_WEEK }, { "r11_window", POL_HOUR },
		{ "r14_window", POL_DAY }, { "r15_window", POL_DAY }, { "r16_window", POL_MONTH },
		{ "r18_window", POL_MONTH }, { "place_at_exec", 1 }, { "recover_policy", 0 },
		{ "overload_mode", 0 }, { "consolidate_policy", 0 }, { "review_window", 0 },
		{ "spare_mean", 0 },
	};
	struct pol_config c;

	pol_config_init(&c);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ck_assert_msg(pol_config_get(&c, (enum pol_key)pol_key_find(wanted[i].name)) ==
			      pol_num(wanted[i].value), "%s", wanted[i].name);
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		ck_assert_msg(pol_config_get(&c, (enum pol_key)pol_key_find(windows[i].name)) ==
			      windows[i].value, "%s", windows[i].name);
	ck_assert_int_eq(pol_config_get(&c, POL_CANDIDATE_PROCESSES), POL_UNKNOWN);
}
END_TEST

START_TEST(test_numbers_that_are_none)
{
	ck_assert_int_eq(pol_num(NAN), POL_UNKNOWN);
	ck_assert_int_eq(pol_num(INFINITY), POL_MAX);
	ck_assert_int_eq(pol_num(-INFINITY), 0);
	ck_assert_int_eq(pol_num(-1e-9), 0);
}
END_TEST

START_TEST(test_values)
{
	struct pol_config c;

	pol_config_init(&c);
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_MAX, "0.5"), 0);
	ck_assert_int_eq(pol_config_get(&c, POL_LEADER_NEXT_MAX), pol_num(0.5));
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_NEXT_MAX, "0"), 0);
	ck_assert_int_eq(pol_config_get(&c, POL_LEADER_NEXT_MAX), 0);
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_MAX, "-1"), -EINVAL);
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_MAX, ""), -EINVAL);
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_MAX, "."), -EINVAL);
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_MAX, "1e3"), -EINVAL);
	ck_assert_int_eq(pol_config_set(&c, POL_LEADER_MAX, "off"), -EINVAL);
	ck_assert_int_eq(pol_config_get(&c, POL_LEADER_MAX), pol_num(0.5));
	ck_assert_int_eq(pol_config_set(&c, POL_BASE_UNITS, "0"), -EINVAL);
	ck_assert_int_eq(pol_config_set(&c, POL_PLACE_AT_EXEC, "of"), -EINVAL);
	ck_assert_int_eq(pol_config_set(&c, POL_PLACE_AT_EXEC, "off"), 0);
	ck_assert_int_eq(pol_config_set(&c, POL_R7_WINDOW, "month"), 0);
	ck_assert_int_eq(pol_config_set(&c, POL_R7_WINDOW, "year"), -EINVAL);
	ck_assert_int_eq(pol_config_set_number(&c, POL_R7_WINDOW, 1), -EINVAL);
	ck_assert_int_eq(pol_config_set_number(&c, POL_NODE_MAX, 0.0 / 0.0), -EINVAL);
	ck_assert_int_eq(pol_config_set_number(&c, POL_NODE_MAX, 1e300), 0);
	ck_assert_int_eq(pol_config_get(&c, POL_NODE_MAX), POL_MAX);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("policy_config");
	TCase *t = tcase_create("keys");

	tcase_add_test(t, test_every_key_is_whole);
	tcase_add_test(t, test_defaults_of_the_specification);
	tcase_add_test(t, test_numbers_that_are_none);
	tcase_add_test(t, test_values);
	suite_add_tcase(s, t);
	return s;
}
