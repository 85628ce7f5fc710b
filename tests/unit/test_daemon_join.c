// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A token's time: daemon/cluster/join.c. It is made, and shown at a member's door, by the log's
 * time, whatever this node's wall clock says. Around it everything is made here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/daemon.h"
#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/cluster/token.h"

#include "unit.h"

#define YEAR_S	(365 * 24 * 3600ULL)

static struct hcd d;
static struct hcd_control c;
static uint64_t log_s;

void hcd_chan_close(struct hcd_chan *chan)
{
}

int hcd_chan_send(struct hcd_chan *chan, uint16_t type, const ProtobufCMessage *msg)
{
	return -EPIPE;
}

void hcd_chan_set_user(struct hcd_chan *chan, const struct hcd_chan_ops *ops, void *ctx)
{
}

const char *hcd_chan_address(const struct hcd_chan *chan)
{
	return "";
}

int hcd_chan_dial(uv_loop_t *loop, const struct hcd_chan_dial *dial,
		  const struct hcd_chan_ops *ops, void *ctx, struct hcd_chan **ret_chan)
{
	return -EHOSTUNREACH;
}

void hcd_control_do(struct hcd_control *control, Hcp__Command *command, hcd_control_cb cb,
		    void *arg)
{
}

int hcd_control_enter(struct hcd_control *control, char error[HCD_ERROR_LEN])
{
	return -EIO;
}

int hcd_fabric_try(struct hcd_control *control, char error[HCD_ERROR_LEN])
{
	return -EIO;
}

int hcd_identity_save(const char *dir, const struct hcd_identity *identity,
		      char error[HCD_ERROR_LEN])
{
	return -EIO;
}

uint64_t hcd_control_log_ms(struct hcd_control *control)
{
	return log_s * 1000;
}

static void setup(void)
{
	ck_assert_int_eq(hcd_auth_init(), 0);
	memset(&c, 0, sizeof(c));
	c.d = &d;
	c.fsm = malloc(sizeof(*c.fsm));
	hcd_fsm_init(c.fsm, HCD_FSM_VERSION);
	c.identity.nr_members = 3;
	c.clock.own_ms = 1;
	snprintf(c.identity.self.at.address, sizeof(c.identity.self.at.address), "10.0.0.1");
}

static void teardown(void)
{
	hcd_fsm_clear(c.fsm);
	free(c.fsm);
}

/* The state has it; @ret_hash: as a joiner names it. */
static void add(const struct hcd_token_text *token, uint8_t ret_hash[HCD_TOKEN_HASH_LEN])
{
	struct hcd_token *t = &c.fsm->tokens[c.fsm->nr_tokens++];

	memset(t, 0, sizeof(*t));
	memcpy(t->id, token->id, sizeof(t->id));
	t->expires_s = token->expires_s;
	ck_assert_int_eq(hcd_token_hash(token->id, ret_hash), 0);
}

/* @off_s: how far the log's time is from this node's wall clock. */
static void lasts(int64_t off_s)
{
	uint8_t hash[HCD_TOKEN_HASH_LEN];
	char error[HCD_ERROR_LEN] = "";
	struct hcd_token_text token;
	const struct hcd_psk *psk;

	log_s = (uint64_t)((int64_t)time(NULL) + off_s);
	ck_assert_msg(hcd_join_token_make(&c, 600, &token, error) == 0, "%s", error);
	ck_assert_uint_eq(token.expires_s, log_s + 600);
	add(&token, hash);
	log_s += 599;
	psk = hcd_join_token(&c, hash);
	ck_assert_msg(psk, "a token that lasts was refused");
	ck_assert_mem_eq(psk->bytes, token.secret, sizeof(token.secret));
	log_s += 1;
	ck_assert_msg(!hcd_join_token(&c, hash), "a token that is over was taken");
}

START_TEST(test_R1_tokens_go_by_the_logs_time)
{
	lasts(0);
	lasts(-(int64_t)YEAR_S);	/* our wall clock is fast */
	lasts(YEAR_S);			/* or slow */
}
END_TEST

START_TEST(test_R1_without_the_logs_time_the_controller_decides)
{
	uint8_t hash[HCD_TOKEN_HASH_LEN];
	char error[HCD_ERROR_LEN] = "";
	struct hcd_token_text token;

	log_s = 1000;
	ck_assert_int_eq(hcd_join_token_make(&c, 600, &token, error), 0);
	add(&token, hash);
	c.clock.own_ms = 0;		/* the daemon has just been started */
	log_s = 5000;
	ck_assert_ptr_nonnull(hcd_join_token(&c, hash));
	ck_assert_int_eq(hcd_join_token_make(&c, 600, &token, error), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(error, "controller"));
	c.identity.nr_members = 1;	/* alone there is no other time */
	ck_assert_int_eq(hcd_join_token_make(&c, 600, &token, error), 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *s = suite_create("daemon_join");
	TCase *t = tcase_create("join");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_R1_tokens_go_by_the_logs_time);
	tcase_add_test(t, test_R1_without_the_logs_time_the_controller_decides);
	suite_add_tcase(s, t);
	return s;
}
