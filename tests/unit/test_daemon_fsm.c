// SPDX-License-Identifier: GPL-2.0-or-later
/* The replicated state machine: each command, its refusals, versions, snapshots. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/fsm.h"

#include "fsm_begin.h"
#include "unit.h"

static struct hcd_fsm *fsm;
static struct hcd_result res;
static uint64_t now_ms = 1000000;

static uint8_t *key_of(uint32_t n)
{
	static uint8_t keys[8][HCD_NODE_KEY_LEN];
	static int next;
	uint8_t *key = keys[next++ % 8];

	memset(key, 0, HCD_NODE_KEY_LEN);
	memcpy(key, &n, sizeof(n));
	return key;
}

#define BYTES(p, len)	((ProtobufCBinaryData){ len, (uint8_t *)(p) })

static int run(Hcp__Command *c, int what)
{
	uint8_t *data;
	size_t len;
	int r;

	if (!c->version)
		c->version = 1;
	c->at_ms = now_ms;
	c->what_case = what;
	data = hcd_command_pack(c, &len);
	memset(&res, 0, sizeof(res));
	r = hcd_fsm_apply(fsm, data, len, &res);
	free(data);
	return r < 0 ? r : res.error;
}

static int begin(uint64_t incarnation)
{
	struct fsm_begin b;
	Hcp__Command *c = fsm_begin_init(&b, 1, incarnation, key_of(1));

	c->by = 1;
	return run(c, HCP__COMMAND__WHAT_BEGIN);
}

static int token_add(const char *id, uint64_t expires_s)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Token t = HCP__TOKEN__INIT;

	t.id = BYTES(id, 16);
	t.expires_s = expires_s;
	c.token_add = &t;
	return run(&c, HCP__COMMAND__WHAT_TOKEN_ADD);
}

static int join(uint32_t id, uint32_t key, const char *name, const char *token)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Member m = HCP__MEMBER__INIT;
	char address[32];

	snprintf(address, sizeof(address), "10.0.0.%u", key);
	m.id = id;
	m.name = (char *)name;
	m.address = address;
	m.port = 7701;
	m.key = BYTES(key_of(key), 32);
	m.token = BYTES(token, 16);
	c.join = &m;
	return run(&c, HCP__COMMAND__WHAT_JOIN);
}

static int removal(uint32_t id)
{
	Hcp__Command c = HCP__COMMAND__INIT;

	c.remove = id;
	return run(&c, HCP__COMMAND__WHAT_REMOVE);
}

static int dead(uint32_t id, uint64_t epoch)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Member m = HCP__MEMBER__INIT;

	m.id = id;
	m.epoch = epoch;
	c.dead = &m;
	return run(&c, HCP__COMMAND__WHAT_DEAD);
}

static int alive(uint32_t id, uint64_t epoch)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Member m = HCP__MEMBER__INIT;

	m.id = id;
	m.epoch = epoch;
	m.version_max = 1;
	c.alive = &m;
	return run(&c, HCP__COMMAND__WHAT_ALIVE);
}

static int set(const char *key, const char *value)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Setting s = HCP__SETTING__INIT;

	s.key = (char *)key;
	s.value = (char *)value;
	c.set = &s;
	return run(&c, HCP__COMMAND__WHAT_SET);
}

static int decide(const char *text)
{
	Hcp__Command c = HCP__COMMAND__INIT;
	Hcp__Decision d = HCP__DECISION__INIT;

	d.rule = "R10";
	d.kind = "move";
	d.text = (char *)text;
	d.inputs = "{\"load\":0.9}";
	c.decide = &d;
	return run(&c, HCP__COMMAND__WHAT_DECIDE);
}

static void setup(void)
{
	now_ms = 1000000;
	fsm = malloc(sizeof(*fsm));
	hcd_fsm_init(fsm, HCD_FSM_VERSION);
	ck_assert_int_eq(begin(1), 0);
}

static void teardown(void)
{
	hcd_fsm_clear(fsm);
	free(fsm);
}

START_TEST(test_R1_join_with_a_token)
{
	ck_assert_int_eq(token_add("token-of-test--1", 1100), 0);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--x"), -EACCES);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--1"), 0);
	ck_assert_uint_eq(res.number, 2);
	ck_assert_ptr_nonnull(hcd_fsm_member(fsm, 2));
	/* The answer got lost: the same node is told again, another one is refused. */
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--1"), 0);
	ck_assert_uint_eq(res.number, 2);
	ck_assert_uint_eq(fsm->nr_members, 2);
	ck_assert_int_eq(join(0, 3, "n3", "token-of-test--1"), -EACCES);
	ck_assert_ptr_nonnull(strstr(res.text, "used already"));
}
END_TEST

START_TEST(test_R1_token_expires_to_the_second)
{
	ck_assert_int_eq(token_add("token-of-test--1", 1000), 0);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--1"), -EACCES);
	ck_assert_int_eq(token_add("token-of-test--2", 1001), 0);
	now_ms = 1000999;
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--2"), 0);
	ck_assert_int_eq(token_add("token-of-test--3", 1002), 0);
	now_ms = 1002000;
	ck_assert_int_eq(join(0, 3, "n3", "token-of-test--3"), -EACCES);
	ck_assert_int_eq(token_add("token-of-test--3", 2000), 0);
	ck_assert_int_eq(token_add("token-of-test--3", 2000), -EINVAL);
}
END_TEST

START_TEST(test_R1_removed_never_returns)
{
	ck_assert_int_eq(token_add("token-of-test--1", 2000), 0);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--1"), 0);
	ck_assert_int_eq(token_add("token-of-test--2", 2000), 0);
	ck_assert_int_eq(removal(2), 0);
	ck_assert_int_eq(removal(2), -ENOENT);
	/* Tokens that it knew of are gone with it. */
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--2"), -EACCES);
	ck_assert_int_eq(token_add("token-of-test--3", 2000), 0);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--3"), -EPERM);
	ck_assert_int_eq(join(2, 3, "n3", "token-of-test--3"), -EEXIST);	/* nor does its id */
	ck_assert_int_eq(join(0, 3, "n3", "token-of-test--3"), 0);
	ck_assert_uint_eq(res.number, 3);
	ck_assert_int_eq(removal(3), 0);
	ck_assert_int_eq(removal(1), -EBUSY);
}
END_TEST

START_TEST(test_R1_names_ids_and_addresses_are_unique)
{
	ck_assert_int_eq(token_add("token-of-test--1", 2000), 0);
	ck_assert_int_eq(join(0, 2, "n1", "token-of-test--1"), -EEXIST);
	ck_assert_int_eq(join(1, 2, "n2", "token-of-test--1"), -EEXIST);
	ck_assert_int_eq(join(0, 2, "../n2", "token-of-test--1"), -EINVAL);
	ck_assert_int_eq(join(7, 2, "n7", "token-of-test--1"), 0);
	ck_assert_uint_eq(res.number, 7);
	ck_assert_int_eq(token_add("token-of-test--2", 2000), 0);
	ck_assert_int_eq(join(3, 3, "n3", "token-of-test--2"), -EEXIST);	/* below 7: may have been */
	ck_assert_int_eq(join(0, 3, "n3", "token-of-test--2"), 0);
	ck_assert_uint_eq(res.number, 8);
}
END_TEST

START_TEST(test_R8_dead_and_back)
{
	ck_assert_int_eq(token_add("token-of-test--1", 2000), 0);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--1"), 0);
	ck_assert_int_eq(dead(2, 10), 0);
	ck_assert(hcd_fsm_member(fsm, 2)->is_dead);
	ck_assert_uint_eq(hcd_fsm_member(fsm, 2)->epoch, 10);
	ck_assert_int_eq(alive(2, 9), -ESTALE);
	ck_assert(hcd_fsm_member(fsm, 2)->is_dead);
	ck_assert_int_eq(alive(2, 10), 0);
	ck_assert(!hcd_fsm_member(fsm, 2)->is_dead);
	ck_assert_int_eq(dead(2, 5), 0);	/* an epoch never falls */
	ck_assert_uint_eq(hcd_fsm_member(fsm, 2)->epoch, 10);
	ck_assert_int_eq(dead(9, 5), -ENOENT);
	ck_assert_str_eq(hcd_fsm_decision(fsm, fsm->next_decision - 1)->rule, "R8");
}
END_TEST

START_TEST(test_R22_settings)
{
	ck_assert_int_eq(set("zeta", "1"), 0);
	ck_assert_int_eq(set("alpha", "2"), 0);
	ck_assert_int_eq(set("alpha", "3"), 0);
	ck_assert_str_eq(hcd_fsm_setting(fsm, "alpha"), "3");
	ck_assert_uint_eq(fsm->nr_settings, 2);
	ck_assert_str_eq(fsm->settings[0].key, "alpha");
	ck_assert_int_eq(set("alpha", ""), 0);
	ck_assert_ptr_null(hcd_fsm_setting(fsm, "alpha"));
	ck_assert_int_eq(set("", "1"), -EINVAL);
}
END_TEST

START_TEST(test_R22_decision_log_is_bounded)
{
	char text[32];
	uint64_t first = fsm->next_decision;

	for (int i = 0; i < HCD_DECISIONS_MAX + 50; i++) {
		snprintf(text, sizeof(text), "decision %d", i);
		ck_assert_int_eq(decide(text), 0);
		ck_assert_uint_eq(res.number, first + (uint64_t)i);
	}
	ck_assert_uint_eq(fsm->next_decision - fsm->first_decision, HCD_DECISIONS_MAX);
	ck_assert_ptr_null(hcd_fsm_decision(fsm, fsm->first_decision - 1));
	ck_assert_ptr_null(hcd_fsm_decision(fsm, fsm->next_decision));
	ck_assert_str_eq(hcd_fsm_decision(fsm, fsm->next_decision - 1)->text, text);
	ck_assert_str_eq(hcd_fsm_decision(fsm, fsm->first_decision)->inputs, "{\"load\":0.9}");
}
END_TEST

START_TEST(test_R22_snapshot_is_the_state)
{
	struct hcd_fsm *copy = malloc(sizeof(*copy));
	uint8_t *data, *again;
	size_t len, again_len;

	ck_assert_int_eq(token_add("token-of-test--1", 2000), 0);
	ck_assert_int_eq(join(0, 2, "n2", "token-of-test--1"), 0);
	ck_assert_int_eq(token_add("token-of-test--2", 3000), 0);
	ck_assert_int_eq(join(0, 3, "n3", "token-of-test--2"), 0);
	ck_assert_int_eq(removal(3), 0);
	ck_assert_int_eq(set("failure_timeout", "3"), 0);
	ck_assert_int_eq(dead(2, 12), 0);
	for (int i = 0; i < HCD_DECISIONS_MAX; i++)
		ck_assert_int_eq(decide("again"), 0);
	ck_assert_int_eq(hcd_fsm_encode(fsm, &data, &len), 0);
	hcd_fsm_init(copy, HCD_FSM_VERSION);
	ck_assert_int_eq(hcd_fsm_restore(copy, data, len), 0);
	ck_assert_int_eq(hcd_fsm_encode(copy, &again, &again_len), 0);
	ck_assert_uint_eq(len, again_len);
	ck_assert_mem_eq(data, again, len);
	ck_assert(hcd_fsm_is_removed(copy, key_of(3)));
	ck_assert_uint_eq(hcd_fsm_member(copy, 2)->epoch, 12);
	/* Cut short it is refused as a whole, and what was there stays. */
	for (size_t cut = 0; cut < 40; cut++)
		ck_assert_int_ne(hcd_fsm_restore(copy, data, cut), 0);
	free(again);
	ck_assert_int_eq(hcd_fsm_encode(copy, &again, &again_len), 0);
	ck_assert_mem_eq(data, again, len);
	free(data);
	free(again);
	hcd_fsm_clear(copy);
	free(copy);
}
END_TEST

START_TEST(test_R22_begin_anew_needs_a_later_incarnation)
{
	ck_assert_int_eq(begin(1), -EEXIST);
	ck_assert_int_eq(token_add("token-of-test--1", 2000), 0);
	ck_assert_int_eq(begin(2), 0);
	ck_assert_uint_eq(fsm->nr_tokens, 0);
	ck_assert_uint_eq(fsm->incarnation, 2);
}
END_TEST

/* A rolling upgrade: a program of version 1 and one of version 2 with the same log. */
START_TEST(test_R22_old_program_refuses_what_is_newer)
{
	struct hcd_fsm *old = fsm, *new = malloc(sizeof(*new));
	Hcp__Command c = HCP__COMMAND__INIT;
	uint8_t *data;
	size_t len;

	hcd_fsm_init(new, 2);
	old->version_max = 1;
	fsm = new;
	ck_assert_int_eq(begin(1), 0);
	ck_assert_int_eq(decide("both understand it"), 0);
	fsm = old;
	ck_assert_int_eq(decide("both understand it"), 0);
	c.upgrade = 2;
	ck_assert_int_eq(run(&c, HCP__COMMAND__WHAT_UPGRADE), -EPROTONOSUPPORT);
	ck_assert_uint_eq(old->version, 1);
	fsm = new;
	ck_assert_int_eq(run(&c, HCP__COMMAND__WHAT_UPGRADE), 0);
	ck_assert_uint_eq(new->version, 2);
	ck_assert_int_eq(run(&c, HCP__COMMAND__WHAT_UPGRADE), -EINVAL);
	/* Its snapshot is refused by the old program too, and changes nothing there. */
	ck_assert_int_eq(hcd_fsm_encode(new, &data, &len), 0);
	ck_assert_int_eq(hcd_fsm_restore(old, data, len), -EPROTONOSUPPORT);
	ck_assert_uint_eq(old->incarnation, 1);
	free(data);
	ck_assert_int_eq(hcd_fsm_encode(old, &data, &len), 0);
	ck_assert_int_eq(hcd_fsm_restore(new, data, len), 0);
	fsm = old;
	c = (Hcp__Command)HCP__COMMAND__INIT;
	c.version = 2;
	c.remove = 1;
	ck_assert_int_eq(run(&c, HCP__COMMAND__WHAT_REMOVE), -EPROTONOSUPPORT);
	free(data);
	hcd_fsm_clear(new);
	free(new);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_fsm");
	TCase *t = tcase_create("fsm");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_R1_join_with_a_token);
	tcase_add_test(t, test_R1_token_expires_to_the_second);
	tcase_add_test(t, test_R1_removed_never_returns);
	tcase_add_test(t, test_R1_names_ids_and_addresses_are_unique);
	tcase_add_test(t, test_R8_dead_and_back);
	tcase_add_test(t, test_R22_settings);
	tcase_add_test(t, test_R22_decision_log_is_bounded);
	tcase_add_test(t, test_R22_snapshot_is_the_state);
	tcase_add_test(t, test_R22_begin_anew_needs_a_later_incarnation);
	tcase_add_test(t, test_R22_old_program_refuses_what_is_newer);
	suite_add_tcase(s, t);
	return s;
}
