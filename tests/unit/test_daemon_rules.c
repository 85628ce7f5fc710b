// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the controller does first: daemon/cluster/rules*.c over the real rules and the real state.
 * Only what is around them is made here: the node's clock and load, and a log that has one entry
 * under way at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/cluster/cluster.h"
#include "daemon/cluster/rules.h"
#include "daemon/node/agent.h"

#include "fsm_begin.h"
#include "unit.h"

#define HOUR	3600000ULL
#define ROUND_MS	50

static struct hcd d;
static struct hcd_control c;
static uint64_t now_ms, log_ms;
static uint8_t *entry;			/* on its way to the log */
static size_t entry_len;
static hcd_propose_cb entry_cb;
static void *entry_arg;
static unsigned int nr_wishes, nr_answers, nr_refused, nr_told;
static int log_error;
static char told[512];

/* ---- around the rules -------------------------------------------------------------------- */

void hcd_log(int priority, uint32_t peer, const char *env, const char *format, ...)
{
}

void hcd_agent_status(struct hcd *daemon, struct hcd_status *ret_status)
{
	memset(ret_status, 0, sizeof(*ret_status));
}

struct hcd_peer *hcd_cluster_peer(struct hcd_cluster *cluster, uint32_t id)
{
	return NULL;
}

struct hcd_env *hcd_state_env_by_id(struct hcd_state *state, uint32_t id, uint32_t node)
{
	return NULL;
}

struct hcd_env *hcd_state_env_by_name(struct hcd_state *state, const char *name, uint32_t node)
{
	return NULL;
}

uint64_t hcd_control_now(const struct hcd_control *control)
{
	return now_ms;
}

uint64_t hcd_control_log_ms(struct hcd_control *control)
{
	return log_ms;
}

bool hcd_control_is_controller(struct hcd_control *control)
{
	return true;
}

struct hcd_watch *hcd_control_watch(struct hcd_control *control, uint32_t id)
{
	return NULL;
}

void hcd_control_poke(struct hcd_control *control)
{
}

void hcd_control_tell(struct hcd_control *control, Hcp__Command *command)
{
	if (command->what_case != HCP__COMMAND__WHAT_DECIDE)
		return;
	nr_told++;
	snprintf(told, sizeof(told), "%s: %s", command->decide->kind, command->decide->text);
}

int hcd_control_propose(struct hcd_control *control, Hcp__Command *command, hcd_propose_cb cb,
			void *arg)
{
	ck_assert_ptr_null(entry);
	if (log_error) {
		nr_refused++;
		return log_error;
	}
	command->version = 2;
	command->at_ms = log_ms;
	entry = hcd_command_pack(command, &entry_len);
	entry_cb = cb;
	entry_arg = arg;
	return 0;
}

/* A majority has it. */
static void apply_entry(void)
{
	struct hcd_result res = { 0 };
	uint8_t *data = entry;

	if (!data)
		return;
	entry = NULL;
	ck_assert_int_eq(hcd_fsm_apply(c.fsm, data, entry_len, &res), 0);
	free(data);
	entry_cb(0, &res, entry_arg);
}

static void begin(void)
{
	static uint8_t key[FSM_KEY_LEN] = "key";
	struct fsm_begin b;

	hcd_control_propose(&c, fsm_begin_init(&b, 2, 1, key), NULL, NULL);
	ck_assert_int_eq(hcd_fsm_apply(c.fsm, entry, entry_len, &(struct hcd_result){ 0 }), 0);
	free(entry);
	entry = NULL;
}

static void setup(void)
{
	now_ms = 10 * HOUR;
	log_ms = 1000 * HOUR;
	nr_wishes = nr_answers = nr_refused = nr_told = 0;
	log_error = 0;
	memset(&c, 0, sizeof(c));
	c.d = &d;
	c.identity.self.at.id = 1;
	c.office_ms = 1;
	c.fsm = malloc(sizeof(*c.fsm));
	hcd_fsm_init(c.fsm, HCD_FSM_VERSION);
	c.rules = hcd_rules_new(&c);
	begin();
}

static void teardown(void)
{
	hcd_rules_cancel(c.rules);
	hcd_rules_free(c.rules);
	free(entry);
	entry = NULL;
	hcd_fsm_clear(c.fsm);
	free(c.fsm);
}

static void pass(uint64_t ms)
{
	now_ms += ms;
	log_ms += ms;
	hcd_rules_tick(c.rules, now_ms);
	apply_entry();
}

/* ---- tests --------------------------------------------------------------------------------- */

static void on_answer(int error, const struct hcd_result *result, void *arg)
{
	nr_answers++;
}

static void wish_user(const char *what)
{
	Hcp__Wish wish = HCP__WISH__INIT;

	wish.what = (char *)what;
	wish.user = "A";
	hcd_rules_wish(c.rules, &wish, on_answer, NULL);
}

/* For @ms there is always a wish that waits. Return: how many ticks there were. */
static unsigned int stream(uint64_t ms)
{
	unsigned int nr = 0;

	for (uint64_t at = 0; at < ms; at += ROUND_MS) {
		uint64_t before_ms = c.rules->tick_ms;

		while (!c.rules->wishes || !c.rules->wishes->next)
			wish_user(nr_wishes++ % 2 ? "del" : "add");
		pass(ROUND_MS);
		nr += c.rules->tick_ms != before_ms;
	}
	return nr;
}

START_TEST(test_wishes_do_not_starve_the_tick)
{
	stream(1000);					/* the node has joined */
	nr_answers = 0;
	ck_assert_uint_ge(stream(20000), 9);		/* balance_period is 2 s */
	ck_assert_uint_ge(nr_answers, 300);
}
END_TEST

START_TEST(test_ticks_do_not_starve_wishes)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Setting setting = HCP__SETTING__INIT;

	setting.key = "balance_period";
	setting.value = "0";
	command.what_case = HCP__COMMAND__WHAT_SET;
	command.set = &setting;
	hcd_control_propose(&c, &command, on_answer, NULL);
	apply_entry();
	stream(1000);
	nr_answers = 0;
	ck_assert_uint_ge(stream(5000), 30);
	ck_assert_uint_ge(nr_answers, 30);
}
END_TEST

/* A full disk: what the rules would do is decided anew, but not all the time. */
START_TEST(test_a_log_that_takes_nothing_is_left_in_peace)
{
	log_error = -ENOSPC;
	for (int i = 0; i < 200; i++)
		pass(ROUND_MS);
	ck_assert_uint_ge(nr_refused, 5);
	ck_assert_uint_le(nr_refused, 12);
	log_error = 0;
	for (int i = 0; i < 30; i++)
		pass(ROUND_MS);
	ck_assert_ptr_nonnull(hcd_fsm_kept(c.fsm, HCD_KEPT_NODE, "1"));	/* it has joined */
}
END_TEST

START_TEST(test_R19_a_jump_of_the_time_is_told_once)
{
	stream(1000);
	ck_assert_uint_eq(nr_told, 0);
	c.fsm->charged_ms = log_ms;
	log_ms += 300 * 24 * HOUR;
	hcd_rules_tick(c.rules, now_ms += ROUND_MS);
	apply_entry();
	ck_assert_uint_eq(nr_told, 0);
	c.fsm->charged_ms = log_ms;
	log_ms += 3650 * 24 * HOUR;
	for (int i = 0; i < 3; i++)
		hcd_rules_tick(c.rules, now_ms += ROUND_MS);
	apply_entry();
	ck_assert_uint_eq(nr_told, 1);
	ck_assert_msg(strstr(told, "clock-jump") && strstr(told, "3650 days"), "%s", told);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_rules");
	TCase *t = tcase_create("rules");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_wishes_do_not_starve_the_tick);
	tcase_add_test(t, test_ticks_do_not_starve_wishes);
	tcase_add_test(t, test_a_log_that_takes_nothing_is_left_in_peace);
	tcase_add_test(t, test_R19_a_jump_of_the_time_is_told_once);
	suite_add_tcase(s, t);
	return s;
}
