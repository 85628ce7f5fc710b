// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon/policy/peer and env: when to dial, hang up and make page connections; ids and epochs. */
#include <stdio.h>
#include <string.h>

#include <linux/hyperchain.h>

#include "daemon/policy/env.h"
#include "daemon/policy/peer.h"
#include "unit.h"

static struct hcd_peer_sm sm;

static unsigned int step_at(enum hcd_peer_event event, uint32_t arg, uint64_t at, uint64_t now)
{
	const struct hcd_peer_input in = { .event = event, .arg = arg, .at_ms = at, .random = now };

	return hcd_peer_sm_step(&sm, &in, now);
}

static unsigned int step(enum hcd_peer_event event, uint32_t arg, uint64_t now)
{
	return step_at(event, arg, now, now);
}

/* Link up at @now, both with a module. */
static void bring_up(bool is_dialer, uint32_t conns, uint64_t now)
{
	hcd_peer_sm_init(&sm, is_dialer, conns, now);
	step(HCD_PEER_TICK, 0, now);
	step(HCD_PEER_LINK_UP, 0, now);
	step(HCD_PEER_MODULE, 0, now + 1);
}

START_TEST(dialer_dials_at_once)
{
	hcd_peer_sm_init(&sm, true, 2, 1000);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, 1000), HCD_PEER_DO_DIAL);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, 1001), 0);
	ck_assert_uint_eq(step(HCD_PEER_LINK_UP, 0, 1100), 0);
	ck_assert_int_eq(sm.link, HCD_LINK_UP);
}
END_TEST

START_TEST(acceptor_never_dials)
{
	hcd_peer_sm_init(&sm, false, 2, 0);
	for (uint64_t now = 0; now < 60000; now += 250)
		ck_assert_uint_eq(step(HCD_PEER_TICK, 0, now), 0);
	step(HCD_PEER_LINK_UP, 0, 60000);
	step(HCD_PEER_MODULE, 0, 60001);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 60002), 0);
	ck_assert_int_eq(sm.link, HCD_LINK_UP);
}
END_TEST

/* Waits grow from 100..200 ms to 5..10 s, and every failure is tried again. */
START_TEST(backoff)
{
	uint64_t seed = unit_seed() | 1, state = seed, now = 0, dialled = 0, wait;
	uint64_t limit = HCD_PEER_BACKOFF_MIN_MS;
	struct hcd_peer_input in = { .event = HCD_PEER_TICK };

	printf("seed %#llx\n", (unsigned long long)seed);
	hcd_peer_sm_init(&sm, true, 2, 0);
	ck_assert_uint_eq(hcd_peer_sm_step(&sm, &in, now), HCD_PEER_DO_DIAL);
	for (int i = 0; i < 12; i++) {
		in.event = HCD_PEER_LINK_DOWN;
		in.random = (uint32_t)unit_random(&state);
		ck_assert_uint_eq(hcd_peer_sm_step(&sm, &in, now), 0);
		dialled = now;
		in.event = HCD_PEER_TICK;
		do {
			now++;
			ck_assert_uint_le(now - dialled, HCD_PEER_BACKOFF_MAX_MS);
		} while (!(hcd_peer_sm_step(&sm, &in, now) & HCD_PEER_DO_DIAL));
		wait = now - dialled;
		ck_assert_uint_ge(wait, limit / 2);
		ck_assert_uint_le(wait, limit);
		limit = limit * 2 > HCD_PEER_BACKOFF_MAX_MS ? HCD_PEER_BACKOFF_MAX_MS : limit * 2;
	}
	ck_assert_uint_ge(wait, HCD_PEER_BACKOFF_MAX_MS / 2);
}
END_TEST

START_TEST(backoff_starts_anew_after_a_good_time)
{
	hcd_peer_sm_init(&sm, true, 0, 0);
	sm.dial_wait_ms = HCD_PEER_BACKOFF_MAX_MS;
	step(HCD_PEER_LINK_UP, 0, 100);
	step(HCD_PEER_HEARD, 0, 6000);
	step(HCD_PEER_LINK_DOWN, 0, 6000);
	ck_assert_uint_le(sm.dial_at_ms, 6000 + HCD_PEER_BACKOFF_MIN_MS);
	/* One that falls at once does not: no storm against a peer that refuses us. */
	sm.dial_wait_ms = 3200;
	step(HCD_PEER_LINK_UP, 0, 7000);
	step(HCD_PEER_LINK_DOWN, 0, 7001);
	ck_assert_uint_ge(sm.dial_at_ms, 7001 + 3200);
}
END_TEST

START_TEST(silence_hangs_up)
{
	bring_up(false, 2, 0);
	ck_assert_uint_eq(step(HCD_PEER_HEARD, 0, 3000), 0);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, 3000 + HCD_PEER_SILENT_MS), 0);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, 3001 + HCD_PEER_SILENT_MS), HCD_PEER_DO_HANG_UP);
	ck_assert_int_eq(sm.link, HCD_LINK_DOWN);
	/* Told once; the late report of the same end changes nothing. */
	ck_assert_uint_eq(step(HCD_PEER_LINK_DOWN, 0, 9000), 0);
}
END_TEST

START_TEST(dial_that_hangs_is_given_up)
{
	hcd_peer_sm_init(&sm, true, 2, 0);
	step(HCD_PEER_TICK, 0, 0);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, HCD_PEER_DIAL_MS), 0);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, HCD_PEER_DIAL_MS + 1), HCD_PEER_DO_HANG_UP);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, HCD_PEER_DIAL_MS + 1 + HCD_PEER_BACKOFF_MIN_MS),
			  HCD_PEER_DO_DIAL);
}
END_TEST

/* Pages only when the link is up and both ends have a module; one at a time. */
START_TEST(pages_need_both_modules)
{
	hcd_peer_sm_init(&sm, true, 2, 0);
	step(HCD_PEER_TICK, 0, 0);
	ck_assert_uint_eq(step(HCD_PEER_MODULE, 0, 5), 0);
	ck_assert_uint_eq(step(HCD_PEER_LINK_UP, 0, 10), 0);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 0, 20), 0);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 30), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(sm.page_conn, 0);
	ck_assert_uint_eq(step(HCD_PEER_TICK, 0, 31), 0);
	ck_assert_uint_eq(step(HCD_PEER_PAGE_ADDED, 0, 40), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(sm.page_conn, 1);
	ck_assert_uint_eq(step(HCD_PEER_PAGE_ADDED, 1, 50), 0);
	ck_assert_uint_eq(sm.live, 2);
	ck_assert_uint_eq(step(HCD_PEER_MODULE, 2, 60), 0);
}
END_TEST

START_TEST(no_pages_without_our_module)
{
	hcd_peer_sm_init(&sm, true, 2, 0);
	step(HCD_PEER_TICK, 0, 0);
	step(HCD_PEER_LINK_UP, 0, 0);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 10), 0);
	ck_assert_uint_eq(step(HCD_PEER_MODULE, 0, 20), HCD_PEER_DO_PAGE);
	step(HCD_PEER_PAGE_FAILED, 0, 30);
	step(HCD_PEER_NO_MODULE, 0, 31);
	for (uint64_t now = 40; now < 4000; now += 100)
		ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, now), 0);
}
END_TEST

/* A daemon that starts while its module goes on: everything is there, nothing is made. */
START_TEST(takes_over_what_lives)
{
	hcd_peer_sm_init(&sm, true, 2, 0);
	step(HCD_PEER_TICK, 0, 0);
	step(HCD_PEER_MODULE, 2, 100);
	step(HCD_PEER_LINK_UP, 0, 200);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 300), 0);
	for (uint64_t now = 1000; now < 20000; now += 1000) {
		step(HCD_PEER_STATUS, 1, now);
		ck_assert_uint_eq(step(HCD_PEER_MODULE, 2, now), 0);
	}
}
END_TEST

/* The same with one of two connections gone, and nobody to say which: both are tried. */
START_TEST(finds_the_missing_one)
{
	hcd_peer_sm_init(&sm, true, 2, 0);
	step(HCD_PEER_TICK, 0, 0);
	step(HCD_PEER_MODULE, 1, 100);
	step(HCD_PEER_LINK_UP, 0, 200);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 300), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(sm.page_conn, 0);
	ck_assert_uint_eq(step(HCD_PEER_PAGE_EXISTS, 0, 310), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(sm.page_conn, 1);
	ck_assert_uint_eq(step(HCD_PEER_PAGE_ADDED, 1, 320), 0);
}
END_TEST

START_TEST(remakes_what_the_module_reports)
{
	bring_up(true, 2, 0);
	step(HCD_PEER_STATUS, 1, 10);
	step(HCD_PEER_PAGE_ADDED, 0, 20);
	step(HCD_PEER_PAGE_ADDED, 1, 30);
	ck_assert_uint_eq(step(HCD_PEER_PAGE_GONE, 1, 1000), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(sm.page_conn, 1);
	step(HCD_PEER_PAGE_ADDED, 1, 1010);
	/* Without the event, by the count: not known which, so from the start. */
	ck_assert_uint_eq(step(HCD_PEER_MODULE, 1, 2000), HCD_PEER_DO_PAGE);
}
END_TEST

/* A sample taken before the last connection was made must not undo it. */
START_TEST(stale_sample)
{
	bring_up(true, 1, 0);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 10), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(step(HCD_PEER_PAGE_ADDED, 0, 500), 0);
	ck_assert_uint_eq(step_at(HCD_PEER_MODULE, 0, 400, 510), 0);
	ck_assert_uint_eq(sm.live, 1);
	ck_assert_uint_eq(step_at(HCD_PEER_MODULE, 0, 600, 610), HCD_PEER_DO_PAGE);
}
END_TEST

START_TEST(page_that_hangs_is_given_up)
{
	bring_up(true, 2, 0);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, 10), HCD_PEER_DO_PAGE);
	for (uint64_t now = 1000; now <= HCD_PEER_PAGE_MS; now += 1000)
		ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, now), 0);
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, HCD_PEER_PAGE_MS + 11),
			  HCD_PEER_DO_PAGE_CANCEL);
	/* And the next number is tried then, so that one bad one can't block the rest. */
	ck_assert_uint_eq(step(HCD_PEER_STATUS, 1, HCD_PEER_PAGE_MS + 500), HCD_PEER_DO_PAGE);
	ck_assert_uint_eq(sm.page_conn, 1);
}
END_TEST

START_TEST(new_address_dials_at_once)
{
	hcd_peer_sm_init(&sm, true, 2, 0);
	sm.dial_wait_ms = HCD_PEER_BACKOFF_MAX_MS;
	sm.dial_at_ms = 9000;
	ck_assert_uint_eq(step(HCD_PEER_ADDRESS, 0, 100), HCD_PEER_DO_DIAL);
}
END_TEST

/*
 * Any order of events: never two dials at once, never a page without link and
 * modules, never a number out of range, and never idle for ever.
 */
START_TEST(any_order)
{
	uint64_t seed = unit_seed() | 1, state = seed, ops = unit_ops(400000);
	uint64_t now = 0, last_sign = 0;
	bool is_dialing = false, is_paging = false;

	printf("seed %#llx\n", (unsigned long long)seed);
	hcd_peer_sm_init(&sm, true, 3, 0);
	for (uint64_t i = 0; i < ops; i++) {
		enum hcd_peer_event event = unit_below(&state, HCD_PEER_ADDRESS + 1);
		struct hcd_peer_input in = {
			.event = event, .arg = unit_below(&state, 5), .at_ms = now,
			.random = (uint32_t)unit_random(&state),
		};
		unsigned int todo;

		now += unit_below(&state, 400);
		/* What the mechanism never says. */
		if (event == HCD_PEER_LINK_UP && sm.link == HCD_LINK_DOWN)
			continue;
		if ((event == HCD_PEER_PAGE_ADDED || event == HCD_PEER_PAGE_EXISTS) &&
		    !sm.page_busy)
			continue;
		if (event == HCD_PEER_LINK_UP || event == HCD_PEER_LINK_DOWN)
			is_dialing = false;
		if (event == HCD_PEER_PAGE_ADDED || event == HCD_PEER_PAGE_EXISTS ||
		    event == HCD_PEER_PAGE_FAILED)
			is_paging = false;
		todo = hcd_peer_sm_step(&sm, &in, now);
		if (todo & HCD_PEER_DO_HANG_UP)
			is_dialing = false;
		if (todo & HCD_PEER_DO_PAGE_CANCEL)
			is_paging = false;
		if (todo & HCD_PEER_DO_DIAL) {
			ck_assert(!is_dialing);
			is_dialing = true;
		}
		if (todo & HCD_PEER_DO_PAGE) {
			ck_assert(!is_paging && sm.link == HCD_LINK_UP);
			ck_assert(sm.has_module && sm.they_have_module);
			ck_assert_uint_lt(sm.page_conn, 3);
			is_paging = true;
		}
		if (todo || sm.link == HCD_LINK_UP)
			last_sign = now;
		ck_assert_uint_le(now - last_sign,
				  HCD_PEER_BACKOFF_MAX_MS + HCD_PEER_DIAL_MS + 800);
	}
}
END_TEST

/* ---- env.c ------------------------------------------------------------------ */

static bool taken[HC_ENVS_MAX + 1];

static bool is_taken(uint32_t id, void *arg)
{
	ck_assert(id >= 1 && id <= HC_ENVS_MAX);
	return taken[id];
}

START_TEST(env_ids)
{
	uint32_t first = hcd_env_id("A", is_taken, NULL), id;
	char name[16];

	ck_assert_uint_eq(first, hcd_env_id("A", is_taken, NULL));
	ck_assert_uint_eq(first, 526);	/* other nodes compute it too: it must never change */
	for (int i = 0; i < HC_ENVS_MAX; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		id = hcd_env_id(name, is_taken, NULL);
		ck_assert(id >= 1 && id <= HC_ENVS_MAX && !taken[id]);
		taken[id] = true;
	}
	ck_assert_uint_eq(hcd_env_id("one too many", is_taken, NULL), 0);
}
END_TEST

START_TEST(donor_limits)
{
	ck_assert_uint_eq(hcd_env_donor_limit(0), 0);
	ck_assert_uint_ge(hcd_env_donor_limit(1), 1 << 20);	/* a slab at least */
	ck_assert_uint_ge(hcd_env_donor_limit(1ULL << 40), 1ULL << 40);
	ck_assert_uint_le(hcd_env_donor_limit(~0ULL), HC_POOL_SIZE_MAX);
}
END_TEST

START_TEST(epochs_grow)
{
	uint64_t epoch = 0;

	/* Whatever the clock does, each is far above the last one. */
	for (uint64_t clock = 2000000; clock > 10; clock /= 2) {
		uint64_t next = hcd_epoch_next(epoch, clock);

		ck_assert_uint_ge(next, epoch + (1 << 16));
		epoch = next;
	}
	/* A lost state file: the clock stands in. */
	ck_assert_uint_ge(hcd_epoch_next(0, 1800000000), 1800000000);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("daemon_peer");
	TCase *tc = tcase_create("peer"), *env = tcase_create("env");

	tcase_add_test(tc, dialer_dials_at_once);
	tcase_add_test(tc, acceptor_never_dials);
	tcase_add_test(tc, backoff);
	tcase_add_test(tc, backoff_starts_anew_after_a_good_time);
	tcase_add_test(tc, silence_hangs_up);
	tcase_add_test(tc, dial_that_hangs_is_given_up);
	tcase_add_test(tc, pages_need_both_modules);
	tcase_add_test(tc, no_pages_without_our_module);
	tcase_add_test(tc, takes_over_what_lives);
	tcase_add_test(tc, finds_the_missing_one);
	tcase_add_test(tc, remakes_what_the_module_reports);
	tcase_add_test(tc, stale_sample);
	tcase_add_test(tc, page_that_hangs_is_given_up);
	tcase_add_test(tc, new_address_dials_at_once);
	tcase_add_test(tc, any_order);
	suite_add_tcase(suite, tc);
	tcase_add_test(env, env_ids);
	tcase_add_test(env, donor_limits);
	tcase_add_test(env, epochs_grow);
	suite_add_tcase(suite, env);
	return suite;
}
