// SPDX-License-Identifier: GPL-2.0-or-later
/* kmod/policy/placement: which donors hold the copies (SPEC R20a, R8). */
#include <linux/types.h>
#include <string.h>

#include "policy/placement.h"
#include "unit.h"

static struct hc_target targets[HC_TARGETS];
static struct hc_menv env;

/* Donors 2, 3, 4: live, with a leased slab's room each. No local backing. */
static void setup(void)
{
	u8 t;

	memset(targets, 0, sizeof(targets));
	hc_menv_init(&env, 1, 2, 0);
	for (t = 2; t <= 4; t++) {
		targets[t].is_live = true;
		targets[t].may_lend = true;
		hc_menv_share_add(&env, t)->nr_free = HC_SLAB_PAGES;
	}
}

static struct hc_place place(u32 nr, u8 want)
{
	struct hc_place p;

	memset(&p, 0x5a, sizeof(p));
	hc_place(&env, targets, nr, NULL, 0, want, &p);
	return p;
}

static bool chosen(const struct hc_place *p, u8 target)
{
	u8 i;

	for (i = 0; i < p->nr; i++)
		if (p->target[i] == target)
			return true;
	return false;
}

START_TEST(two_different_donors)
{
	struct hc_place p = place(1, 2);

	ck_assert_uint_eq(p.nr, 2);
	ck_assert_uint_ne(p.target[0], p.target[1]);
	ck_assert(p.is_safe && !p.is_dry);
}
END_TEST

START_TEST(in_turn)
{
	unsigned int count[5] = { 0 }, i;

	for (i = 0; i < 300; i++) {
		struct hc_place p = place(1, 2);

		count[p.target[0]]++;
		count[p.target[1]]++;
	}
	for (i = 2; i <= 4; i++)
		ck_assert_msg(count[i] >= 150 && count[i] <= 250, "donor %u: %u", i, count[i]);
}
END_TEST

START_TEST(shorter_queue_first)
{
	struct hc_place p;

	targets[2].inflight = 9;
	targets[3].inflight = 1;
	targets[4].inflight = 5;
	p = place(1, 1);
	ck_assert_uint_eq(p.target[0], 3);
	p = place(1, 2);
	ck_assert(chosen(&p, 3) && chosen(&p, 4));
	targets[3].inflight = ~0U;	/* no overflow into "suspect" or past it */
	p = place(1, 2);
	ck_assert(chosen(&p, 2) && chosen(&p, 4));
}
END_TEST

START_TEST(late_ones_last)
{
	struct hc_place p;

	targets[2].inflight = 1000000;
	targets[3].is_suspect = true;
	p = place(1, 2);
	ck_assert(!chosen(&p, 3) && p.is_safe);
	targets[4].is_live = false;
	p = place(1, 2);
	ck_assert(chosen(&p, 3) && p.is_safe);
}
END_TEST

START_TEST(never_chosen)
{
	struct hc_place p;

	targets[2].no_new = true;
	targets[3].is_live = false;
	hc_menv_share(&env, 4)->is_leaving = true;
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 0);
	ck_assert(!p.is_safe && !p.is_dry);
	targets[5].is_live = true;	/* healthy, but no donor of this environment (R13) */
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 0);
}
END_TEST

START_TEST(avoids_holders)
{
	static const u8 have[] = { 2, 4 };
	struct hc_place p;

	hc_place(&env, targets, 1, have, 2, 2, &p);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert_uint_eq(p.target[0], 3);
	ck_assert(!p.is_safe);
}
END_TEST

START_TEST(one_donor_and_the_local_disk)
{
	struct hc_place p;

	targets[3].is_live = false;
	targets[4].is_live = false;
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert(!p.is_safe);
	targets[HC_TARGET_LOCAL].is_live = true;
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 2);
	ck_assert(chosen(&p, 2) && chosen(&p, HC_TARGET_LOCAL) && p.is_safe);
	targets[2].is_live = false;
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert(chosen(&p, HC_TARGET_LOCAL) && p.is_safe);
}
END_TEST

START_TEST(no_local_copy_when_donors_suffice)
{
	struct hc_place p;

	targets[HC_TARGET_LOCAL].is_live = true;
	p = place(1, 2);
	ck_assert(p.is_safe && !chosen(&p, HC_TARGET_LOCAL));
	p = place(1, 1);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert(p.is_safe && !chosen(&p, HC_TARGET_LOCAL));
}
END_TEST

/* The local device failed a write just now: with one donor too few, nothing is safe. */
START_TEST(local_that_fails)
{
	struct hc_place p;

	targets[3].is_live = false;
	targets[4].is_live = false;
	targets[HC_TARGET_LOCAL].is_live = true;
	targets[HC_TARGET_LOCAL].no_new = true;
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert(!p.is_safe && !chosen(&p, HC_TARGET_LOCAL));
}
END_TEST

/* Writes of the host's own processes: no donor ever, the local disk or nothing. */
START_TEST(host_pages_stay_home)
{
	struct hc_place p = place(1, 0);

	ck_assert_uint_eq(p.nr, 0);
	ck_assert(!p.is_safe);
	targets[HC_TARGET_LOCAL].is_live = true;
	p = place(1, 0);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert_uint_eq(p.target[0], HC_TARGET_LOCAL);
}
END_TEST

START_TEST(dry_donors)
{
	struct hc_place p;

	hc_menv_share(&env, 2)->nr_free = 15;
	hc_menv_share(&env, 3)->nr_free = 0;
	hc_menv_share(&env, 4)->nr_free = 16;
	p = place(16, 2);
	ck_assert_uint_eq(p.nr, 1);
	ck_assert(chosen(&p, 4) && p.is_dry && !p.is_safe);
	targets[2].may_lend = false;
	targets[3].may_lend = false;
	p = place(16, 2);
	ck_assert(!p.is_dry);
	p = place(15, 2);	/* enough room for this many: nothing to wait for */
	ck_assert(p.is_safe && !p.is_dry);
}
END_TEST

START_TEST(no_donors_at_all)
{
	struct hc_place p;

	hc_menv_init(&env, 1, 2, 0);
	p = place(1, 2);
	ck_assert_uint_eq(p.nr, 0);
	ck_assert(!p.is_safe && !p.is_dry);
}
END_TEST

START_TEST(cursor_wraps)
{
	struct hc_place p;

	env.cursor = ~0U;
	p = place(1, 2);
	ck_assert(p.is_safe);
	p = place(1, 2);
	ck_assert(p.is_safe);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("placement");
	TCase *t = tcase_create("placement");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, local_that_fails);
	tcase_add_test(t, two_different_donors);
	tcase_add_test(t, in_turn);
	tcase_add_test(t, shorter_queue_first);
	tcase_add_test(t, late_ones_last);
	tcase_add_test(t, never_chosen);
	tcase_add_test(t, avoids_holders);
	tcase_add_test(t, one_donor_and_the_local_disk);
	tcase_add_test(t, no_local_copy_when_donors_suffice);
	tcase_add_test(t, host_pages_stay_home);
	tcase_add_test(t, dry_donors);
	tcase_add_test(t, no_donors_at_all);
	tcase_add_test(t, cursor_wraps);
	suite_add_tcase(suite, t);
	return suite;
}
