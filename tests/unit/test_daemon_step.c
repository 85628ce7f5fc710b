// SPDX-License-Identifier: GPL-2.0-or-later
/* Steps of the rules in the replicated state, and the usage that lies between them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/clock.h"
#include "daemon/cluster/fsm.h"

#include "fsm_begin.h"
#include "unit.h"

#define HOUR	3600000ULL

static struct hcd_fsm *fsm;
static struct hcd_result res;
static uint64_t now_ms = 1000 * HOUR;

static int run(Hcp__Command *c, int what)
{
	uint8_t *data;
	size_t len;
	int r;

	c->version = what >= HCP__COMMAND__WHAT_STEP ? 2 : 1;
	c->at_ms = now_ms;
	c->what_case = what;
	data = hcd_command_pack(c, &len);
	memset(&res, 0, sizeof(res));
	r = hcd_fsm_apply(fsm, data, len, &res);
	free(data);
	return r < 0 ? r : res.error;
}

static void begin(void)
{
	static uint8_t key[FSM_KEY_LEN] = "key";
	struct fsm_begin b;

	ck_assert_int_eq(run(fsm_begin_init(&b, 2, 1, key), HCP__COMMAND__WHAT_BEGIN), 0);
}

/* User @name has @nr active nodes from now on (0: he is gone); @after: the step before. */
static int step(uint64_t after, const char *name, uint32_t nr)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Step s = HCP__STEP__INIT;
	Hcp__Kept k = HCP__KEPT__INIT, *list = &k;
	Hcp__Decision d = HCP__DECISION__INIT, *decisions = &d;
	Hcp__KeptUser user = HCP__KEPT_USER__INIT;
	Hcp__KeptSeat seats[4], *seat_list[4];
	uint8_t data[256];

	for (uint32_t i = 0; i < nr; i++) {
		hcp__kept_seat__init(&seats[i]);
		seats[i].node = i + 1;
		seats[i].is_own = seats[i].is_active = true;
		seat_list[i] = &seats[i];
	}
	user.is_known = true;
	user.seats = seat_list;
	user.n_seats = nr;
	k.kind = HCD_KEPT_USER;
	k.key = (char *)name;
	k.data.data = data;
	k.data.len = nr ? hcp__kept_user__pack(&user, data) : 0;
	s.after = after;
	s.changes = &list;
	s.n_changes = 1;
	d.rule = "R15";
	d.kind = "allocate";
	d.user = (char *)name;
	d.text = "Because.";
	s.decisions = &decisions;
	s.n_decisions = 1;
	c.step = &s;
	return run(&c, HCP__COMMAND__WHAT_STEP);
}

static int count(const char *user, uint64_t run_id, uint64_t cpu_us, uint64_t byte_s)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Counters counters = HCP__COUNTERS__INIT;
	Hcp__Counter one = HCP__COUNTER__INIT, *list = &one;

	one.user = (char *)user;
	one.node = 1;
	one.run = run_id;
	one.cpu_us = cpu_us;
	one.byte_s = byte_s;
	counters.counters = &list;
	counters.n_counters = 1;
	c.counters = &counters;
	return run(&c, HCP__COMMAND__WHAT_COUNTERS);
}

static struct hcd_charge total(const char *user)
{
	struct hcd_charge sum = { 0 };

	for (size_t i = 0; i < fsm->nr_charges; i++) {
		if (strcmp(fsm->charges[i].user, user) != 0)
			continue;
		sum.node_ms += fsm->charges[i].node_ms;
		sum.cpu_us += fsm->charges[i].cpu_us;
		sum.byte_s += fsm->charges[i].byte_s;
	}
	return sum;
}

/* The state as bytes, after it was made anew of them: the same. */
static void round_trip(void)
{
	uint8_t *data, *again;
	size_t len, again_len;

	ck_assert_int_eq(hcd_fsm_encode(fsm, &data, &len), 0);
	ck_assert_int_eq(hcd_fsm_restore(fsm, data, len), 0);
	ck_assert_int_eq(hcd_fsm_encode(fsm, &again, &again_len), 0);
	ck_assert_uint_eq(len, again_len);
	ck_assert_mem_eq(data, again, len);
	free(data);
	free(again);
}

static void setup(void)
{
	fsm = malloc(sizeof(*fsm));
	hcd_fsm_init(fsm, HCD_FSM_VERSION);
	begin();
}

static void teardown(void)
{
	hcd_fsm_clear(fsm);
	free(fsm);
}

START_TEST(test_R22_step_after_another_is_refused)
{
	ck_assert_int_eq(step(0, "A", 2), 0);
	ck_assert_uint_eq(res.number, fsm->next_decision - 1);
	ck_assert_int_eq(step(0, "B", 1), -EAGAIN);	/* decided on what is no longer so */
	ck_assert_ptr_null(hcd_fsm_kept(fsm, HCD_KEPT_USER, "B"));
	ck_assert_uint_eq(fsm->steps, 1);
	ck_assert_int_eq(step(1, "B", 1), 0);
	ck_assert_str_eq(hcd_fsm_decision(fsm, res.number)->user, "B");
	ck_assert_int_eq(step(2, "../B", 1), -EBADMSG);
	ck_assert_uint_eq(fsm->nr_kept, 2);
	ck_assert_int_eq(step(2, "A", 0), 0);
	ck_assert_ptr_null(hcd_fsm_kept(fsm, HCD_KEPT_USER, "A"));
	ck_assert_ptr_nonnull(hcd_fsm_kept(fsm, HCD_KEPT_USER, "B"));
	round_trip();
	ck_assert_int_eq(step(3, "A", 3), 0);
}
END_TEST

START_TEST(test_R22_old_program_takes_no_step)
{
	fsm->version_max = 1;
	ck_assert_int_eq(step(0, "A", 2), -EPROTONOSUPPORT);
	ck_assert_uint_eq(fsm->nr_kept, 0);
}
END_TEST

START_TEST(test_R19_node_time_is_exact)
{
	now_ms = 1000 * HOUR + 7;
	ck_assert_int_eq(step(0, "A", 2), 0);
	now_ms += 1234;
	ck_assert_int_eq(step(1, "A", 1), 0);
	ck_assert_uint_eq(total("A").node_ms, 2 * 1234);
	round_trip();
	now_ms += 2 * HOUR + 1;				/* over the borders of two hours */
	ck_assert_int_eq(step(2, "B", 1), 0);
	ck_assert_uint_eq(total("A").node_ms, 2 * 1234 + 2 * HOUR + 1);
	ck_assert_uint_eq(total("B").node_ms, 0);
	/* Another controller, whose clock is behind: nothing until it has caught up. */
	now_ms -= 5000;
	ck_assert_int_eq(step(3, "A", 1), 0);
	now_ms += 4000;
	ck_assert_int_eq(step(4, "A", 1), 0);
	ck_assert_uint_eq(total("A").node_ms, 2 * 1234 + 2 * HOUR + 1);
	now_ms += 3000;
	ck_assert_int_eq(step(5, "A", 0), 0);
	ck_assert_uint_eq(total("A").node_ms, 2 * 1234 + 2 * HOUR + 1 + 2000);
	ck_assert_uint_eq(total("B").node_ms, 2000);
	now_ms += 1000;
	/* Who is gone costs nothing more, and is not forgotten. */
	ck_assert_int_eq(step(6, "C", 1), 0);
	ck_assert_uint_eq(total("A").node_ms, 2 * 1234 + 2 * HOUR + 1 + 2000);
	round_trip();
}
END_TEST

/* User A's node time by the log's time: each second of @seconds a look, each tenth an entry. */
static void live(struct hcd_clock *k, uint64_t *own_ms, int64_t wall_off_ms, unsigned int seconds,
		 uint64_t *steps)
{
	for (unsigned int i = 1; i <= seconds; i++) {
		uint64_t before_ms = now_ms, last_ms = fsm->charged_ms;

		*own_ms += 1000;
		now_ms = hcd_clock_now(k, last_ms, *own_ms,
				       1000 * HOUR + *own_ms + (uint64_t)wall_off_ms);
		ck_assert_uint_ge(now_ms, before_ms + 950);
		ck_assert_uint_le(now_ms, before_ms + 1050);
		if (i % 10 == 0)
			ck_assert_int_eq(step((*steps)++, "A", 1), 0);
	}
}

START_TEST(test_R19_clock_jumps_charge_nobody)
{
	struct hcd_clock k = { 0 }, next = { 0 };
	uint64_t own_ms = 5000, steps = 0, before_ms;

	now_ms = hcd_clock_now(&k, 0, own_ms, 1000 * HOUR + own_ms);
	ck_assert_uint_eq(now_ms, 1000 * HOUR + own_ms);
	hcd_clock_set(&k, now_ms, own_ms);
	ck_assert_int_eq(step(steps++, "A", 1), 0);
	live(&k, &own_ms, 0, 600, &steps);
	ck_assert_uint_eq(total("A").node_ms, 600000);
	/* A day forward for ten minutes, then put right: what was too much is taken back. */
	live(&k, &own_ms, 24 * HOUR, 600, &steps);
	ck_assert_uint_le(total("A").node_ms, 1200000 + 30000);
	live(&k, &own_ms, 0, 700, &steps);
	ck_assert_uint_eq(total("A").node_ms, 1900000);
	/* A day back: it goes on, and so do rests. */
	live(&k, &own_ms, -24 * (int64_t)HOUR, 600, &steps);
	ck_assert_uint_ge(total("A").node_ms, 2500000 - 30000);
	/* The next controller took the time over; its wall clock is a day ahead. */
	before_ms = total("A").node_ms;
	hcd_clock_set(&next, now_ms, 77);
	own_ms = 77;
	for (int i = 0; i < 100; i++) {
		own_ms += 7;				/* often: parts of a ms are kept */
		now_ms = hcd_clock_now(&next, fsm->charged_ms, own_ms, now_ms + 24 * HOUR);
	}
	ck_assert_int_eq(step(steps++, "A", 1), 0);
	ck_assert_uint_ge(total("A").node_ms, before_ms + 700 + 30);
	ck_assert_uint_le(total("A").node_ms, before_ms + 700 + 35);
}
END_TEST

START_TEST(test_R19_clock_of_a_first_controller)
{
	struct hcd_clock k = { 0 };

	/* Its own wall clock, or the log where that is later; then never before the log. */
	ck_assert_uint_eq(hcd_clock_now(&k, 1000, 1, 5000), 5000);
	ck_assert_uint_eq(hcd_clock_now(&k, 7000, 1, 5000), 7000);
	hcd_clock_set(&k, 7000, 1);
	ck_assert_uint_eq(hcd_clock_now(&k, 9000, 2, 5000), 9000);
}
END_TEST

START_TEST(test_R19_counters_count_once)
{
	ck_assert_int_eq(count("A", 1, 500, 10), 0);
	ck_assert_int_eq(count("A", 1, 700, 20), 0);
	ck_assert_int_eq(count("A", 1, 700, 20), 0);	/* told again: the answer was lost */
	ck_assert_int_eq(count("A", 1, 600, 20), 0);	/* late */
	ck_assert_uint_eq(total("A").cpu_us, 700);
	round_trip();
	ck_assert_int_eq(count("A", 2, 50, 1), 0);	/* counting began anew */
	ck_assert_uint_eq(total("A").cpu_us, 750);
	ck_assert_uint_eq(total("A").byte_s, 21);
	ck_assert_int_eq(count("", 1, 1, 1), -EBADMSG);
}
END_TEST

START_TEST(test_R19_hours_become_days)
{
	uint64_t steps = 0;

	now_ms = 24000 * HOUR;
	ck_assert_int_eq(step(steps++, "A", 1), 0);
	for (int day = 0; day < 30; day++) {
		now_ms += 24 * HOUR;
		ck_assert_int_eq(step(steps++, "A", 1), 0);
	}
	ck_assert_uint_eq(total("A").node_ms, 30 * 24 * HOUR);
	ck_assert_uint_lt(fsm->nr_charges, 30 + 8 * 24);
	ck_assert(fsm->charges[0].is_day && !fsm->charges[fsm->nr_charges - 1].is_day);
	round_trip();
	/* What is very long ago is forgotten, and it is bounded. */
	now_ms += 500 * 24 * HOUR;
	ck_assert_int_eq(step(steps++, "A", 1), 0);
	ck_assert_uint_lt(fsm->nr_charges, 24000);
	/* A clock that is wrong by centuries takes no memory for each of their hours. */
	now_ms += 300 * 365 * 24 * HOUR;
	ck_assert_int_eq(step(steps++, "A", 1), 0);
	ck_assert_uint_lt(fsm->charges_room, 24000);
	ck_assert_uint_eq(fsm->charged_ms, now_ms);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_step");
	TCase *t = tcase_create("step");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_R22_step_after_another_is_refused);
	tcase_add_test(t, test_R22_old_program_takes_no_step);
	tcase_add_test(t, test_R19_node_time_is_exact);
	tcase_add_test(t, test_R19_clock_jumps_charge_nobody);
	tcase_add_test(t, test_R19_clock_of_a_first_controller);
	tcase_add_test(t, test_R19_counters_count_once);
	tcase_add_test(t, test_R19_hours_become_days);
	suite_add_tcase(s, t);
	return s;
}
