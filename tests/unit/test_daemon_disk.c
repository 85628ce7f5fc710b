// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log on a disk that fails or is full: daemon/cluster/control_disk.c. Made here are the clock,
 * the disk and the engine, which can be opened but breaks with its first write.
 */
#include <errno.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/daemon.h"

#include "unit.h"

static struct hcd d;
static struct hcd_control c;
static uint64_t now_ms;
static enum hcd_consensus_state state;
static bool may_pass, has_written, breaks;
static int room;
static unsigned int nr_opened, nr_said, nr_saved;

void hcd_log(int priority, uint32_t peer, const char *env, const char *format, ...)
{
}

int hcd_log_check(const char *dir)
{
	return room;
}

enum hcd_consensus_state hcd_consensus_state(const struct hcd_consensus *consensus)
{
	return state;
}

const char *hcd_consensus_error(const struct hcd_consensus *consensus)
{
	return state == HCD_CONSENSUS_BROKEN ? "The disk fails." : "";
}

bool hcd_consensus_may_pass(const struct hcd_consensus *consensus)
{
	return may_pass && state == HCD_CONSENSUS_BROKEN;
}

bool hcd_consensus_has_written(const struct hcd_consensus *consensus)
{
	return has_written;
}

int hcd_consensus_transfer(struct hcd_consensus *consensus, uint32_t id, hcd_change_cb cb,
			   void *arg)
{
	return -ENOTCONN;
}

int hcd_identity_save(const char *dir, const struct hcd_identity *identity,
		      char error[HCD_ERROR_LEN])
{
	nr_saved += room == 0;
	return room;
}

void hcd_control_say(struct hcd_control *control, const char *error)
{
	nr_said += strcmp(control->log_error, error) != 0;
	snprintf(control->log_error, sizeof(control->log_error), "%s", error);
}

void hcd_control_reopen(struct hcd_control *control)
{
	nr_opened++;
	state = HCD_CONSENSUS_FOLLOWER;
	has_written = false;
}

static void setup(void)
{
	memset(&c, 0, sizeof(c));
	c.d = &d;
	c.identity.is_member = true;
	c.consensus = (struct hcd_consensus *)&d;	/* never looked into here */
	now_ms = 1000;
	state = HCD_CONSENSUS_FOLLOWER;
	may_pass = true;
	has_written = breaks = false;
	room = 0;
	nr_opened = nr_said = nr_saved = 0;
}

/* Each second something is to be written. */
static void pass(unsigned int seconds)
{
	for (unsigned int i = 0; i < 10 * seconds; i++, now_ms += 100) {
		hcd_disk_tick(&c, now_ms);
		if (i % 10 != 5 || state == HCD_CONSENSUS_BROKEN)
			continue;
		if (breaks)
			state = HCD_CONSENSUS_BROKEN;
		else
			has_written = true;
	}
}

START_TEST(test_R22_a_failing_disk_is_tried_less_and_less)
{
	pass(5);
	ck_assert(!hcd_control_is_broken(&c));
	breaks = true;
	pass(3600);
	ck_assert_uint_ge(nr_opened, 3600 / 62);	/* it never gives up, ... */
	ck_assert_uint_le(nr_opened, 3600 / 60 + 8);	/* ... and is bounded */
	ck_assert_uint_eq(nr_said, 1);
	ck_assert(hcd_control_is_broken(&c));
	breaks = false;
	pass(63);
	ck_assert(!hcd_control_is_broken(&c));
	ck_assert_str_eq(c.log_error, "");
	/* The next failure is a first one. */
	nr_opened = 0;
	breaks = true;
	pass(10);
	ck_assert_uint_ge(nr_opened, 3);
}
END_TEST

START_TEST(test_R22_room_again_is_no_matter_of_waiting)
{
	breaks = true;
	pass(600);
	state = HCD_CONSENSUS_BROKEN;
	room = -ENOSPC;
	nr_opened = 0;
	pass(600);
	ck_assert_uint_eq(nr_opened, 0);
	room = 0;
	breaks = false;
	pass(2);
	ck_assert_uint_eq(nr_opened, 1);
	pass(2);
	ck_assert(!hcd_control_is_broken(&c));
}
END_TEST

START_TEST(test_R22_opened_is_not_written)
{
	breaks = true;
	pass(2);
	breaks = false;
	state = HCD_CONSENSUS_BROKEN;
	pass(0);
	for (unsigned int i = 0; i < 50; i++, now_ms += 100)
		hcd_disk_tick(&c, now_ms);
	ck_assert_uint_ge(nr_opened, 1);
	ck_assert_int_eq(state, HCD_CONSENSUS_FOLLOWER);
	ck_assert_msg(hcd_control_is_broken(&c), "it counts before it has written");
	/* Where there is nothing to write it counts in the end. */
	for (unsigned int i = 0; i < 200; i++, now_ms += 100)
		hcd_disk_tick(&c, now_ms);
	ck_assert(!hcd_control_is_broken(&c));
}
END_TEST

START_TEST(test_R22_who_we_are_is_written_once_there_is_room)
{
	c.is_unsaved = true;
	room = -ENOSPC;
	pass(5);
	ck_assert(c.is_unsaved);
	room = 0;
	pass(5);
	ck_assert(!c.is_unsaved);
	ck_assert_uint_eq(nr_saved, 1);
}
END_TEST

START_TEST(test_R22_a_damaged_log_is_left_alone)
{
	may_pass = false;
	state = HCD_CONSENSUS_BROKEN;
	pass(100);
	ck_assert_uint_eq(nr_opened, 0);
	ck_assert(hcd_control_is_broken(&c));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_disk");
	TCase *t = tcase_create("disk");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_R22_a_failing_disk_is_tried_less_and_less);
	tcase_add_test(t, test_R22_room_again_is_no_matter_of_waiting);
	tcase_add_test(t, test_R22_opened_is_not_written);
	tcase_add_test(t, test_R22_who_we_are_is_written_once_there_is_room);
	tcase_add_test(t, test_R22_a_damaged_log_is_left_alone);
	suite_add_tcase(s, t);
	return s;
}
