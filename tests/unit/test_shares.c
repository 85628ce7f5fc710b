// SPDX-License-Identifier: GPL-2.0-or-later
/* kmod/policy/slabs: which donors an environment has a share of (SPEC R20a, R13). */
#include <linux/errno.h>
#include <linux/types.h>

#include "policy/map.h"
#include "unit.h"

#define SLOTS 64
#define SLABS 4
#define ENV 1
#define A 2	/* donors */
#define B 3
#define C 4

static struct hc_slot slots[SLOTS];
static struct hc_slab slabs[SLABS];
static unsigned long needs[SLOTS / 32 + 1];
static struct hc_menv env;
static struct hc_menv *envs[2] = { NULL, &env };
static struct hc_map map;

static void setup(void)
{
	hc_menv_init(&env, ENV, 2, 0);
	hc_map_init(&map, slots, SLOTS, slabs, SLABS, needs, envs, 2);
}

START_TEST(shares_are_bounded)
{
	u32 t;

	for (t = 0; t < HC_ENV_TARGETS; t++)
		ck_assert_ptr_nonnull(hc_menv_share_add(&env, t));
	ck_assert_ptr_nonnull(hc_menv_share_add(&env, 0));
	ck_assert_ptr_null(hc_menv_share_add(&env, HC_ENV_TARGETS));
	ck_assert_int_eq(hc_menv_share_del(&env, 7), 0);
	ck_assert_int_eq(hc_menv_share_del(&env, 7), 0);
	ck_assert_ptr_nonnull(hc_menv_share_add(&env, HC_ENV_TARGETS));
}
END_TEST

/* Donors that leave with slabs, and as many new ones: these wait until the others have gone. */
START_TEST(shares_follow_the_donors)
{
	u8 list[HC_ENV_TARGETS - 1];
	u32 i;

	for (i = 0; i < HC_ENV_TARGETS - 1; i++)
		list[i] = (u8)(1 + i);
	ck_assert_uint_eq(hc_menv_shares_set(&env, list, HC_ENV_TARGETS - 1), 0);
	ck_assert_uint_eq(env.nr_shares, HC_ENV_TARGETS);
	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	for (i = 0; i < HC_ENV_TARGETS - 1; i++)
		list[i] = (u8)(100 + i);
	ck_assert_uint_eq(hc_menv_shares_set(&env, list, HC_ENV_TARGETS - 1), 2);
	ck_assert(hc_menv_share(&env, A)->is_leaving && hc_menv_share(&env, B)->is_leaving);
	ck_assert_ptr_null(hc_menv_share(&env, C));
	ck_assert(!hc_menv_share(&env, HC_TARGET_LOCAL)->is_leaving);
	ck_assert(hc_map_slab_trim(&map, &env, A, 0));
	ck_assert_uint_eq(hc_menv_shares_set(&env, list, HC_ENV_TARGETS - 1), 2);
	ck_assert(hc_map_slab_take(&map, A, &i));
	ck_assert_uint_eq(hc_menv_shares_set(&env, list, HC_ENV_TARGETS - 1), 1);
	ck_assert(hc_map_slab_trim(&map, &env, B, 0) && hc_map_slab_take(&map, B, &i));
	ck_assert_uint_eq(hc_menv_shares_set(&env, list, HC_ENV_TARGETS - 1), 0);
	for (i = 0; i < HC_ENV_TARGETS - 1; i++)
		ck_assert(!hc_menv_share(&env, list[i])->is_leaving);
	/* One that comes back while it leaves stays. */
	hc_map_slab_add(&map, &env, 100, 9);
	ck_assert_uint_eq(hc_menv_shares_set(&env, list + 1, 1), 0);
	ck_assert(hc_menv_share(&env, 100)->is_leaving);
	ck_assert_uint_eq(hc_menv_shares_set(&env, list, 2), 0);
	ck_assert(!hc_menv_share(&env, 100)->is_leaving);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("shares");
	TCase *t = tcase_create("shares");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, shares_are_bounded);
	tcase_add_test(t, shares_follow_the_donors);
	suite_add_tcase(suite, t);
	return suite;
}
