// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands on their way to the controller: see control.h. A command that no controller took waits
 * for one; a command that one took is never given twice: when its answer is lost, that is told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"

#define RETRY_MS 200
#define HELD_MS 1000

struct hcd_ask {
	struct hcd_ask *next;
	struct hcd_control *c;
	uint64_t serial, deadline_ms, try_ms;
	uint32_t to;			/* it was given to that node; 0 = to nobody yet */
	uint64_t nr_up;			/* which of its channels */
	Hcp__Command *command;
	hcd_control_cb cb;
	void *arg;
	/* Answered, but our own log does not have it yet: who looks here next shall see it. */
	struct hcd_result *held;
	uint64_t held_until_ms;
};

static void finish(struct hcd_ask *a, int error, const struct hcd_result *result,
		   const char *text)
{
	struct hcd_ask **at = &a->c->asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->cb(error, result, text, a->arg);
	if (a->held)
		free((char *)a->held->detail);
	free(a->held);
	hcp__command__free_unpacked(a->command, NULL);
	free(a);
}

static const char *sentence(int error)
{
	switch (error) {
	case -ENOSPC:
		return "The controller's disk is full or can't be written, so the cluster's log can't grow: make room there.";
	case -ENOMEM:
		return "The controller's memory is short.";
	default:
		return "The controller changed before this was decided: it may have happened or not. Look, and ask again if it did not.";
	}
}

static void on_proposed(int error, const struct hcd_result *result, void *arg)
{
	struct hcd_ask *a = arg;

	if (error)
		finish(a, error, NULL, sentence(error));
	else
		finish(a, result->error, result, result->text);
}

int hcd_control_propose(struct hcd_control *c, Hcp__Command *command, hcd_propose_cb cb,
			void *arg)
{
	uint8_t *data;
	size_t len;
	int r;

	if (!c->consensus)
		return -ESTALE;
	/* What old programs don't know they refuse, with all that follows. */
	command->version = command->what_case == HCP__COMMAND__WHAT_STEP ||
			   command->what_case == HCP__COMMAND__WHAT_COUNTERS ? 2 : 1;
	command->at_ms = hcd_control_log_ms(c);
	if (!c->clock.own_ms)
		hcd_clock_set(&c->clock, command->at_ms, hcd_control_now(c));
	data = hcd_command_pack(command, &len);
	if (!data)
		return -ENOMEM;
	r = hcd_consensus_propose(c->consensus, data, len, cb, arg);
	free(data);
	return r;
}

static void on_told(int error, const struct hcd_result *result, void *arg)
{
}

void hcd_control_tell(struct hcd_control *c, Hcp__Command *command)
{
	hcd_control_propose(c, command, on_told, NULL);
}

static void on_wished(int error, const struct hcd_result *result, void *arg)
{
	struct hcd_ask *a = arg;

	if (error == -EAGAIN)
		a->to = 0;		/* we are not the controller any more */
	else
		on_proposed(error, result, arg);
}

static const char busy_text[] =
	"That node is the controller: end its daemon first, so that another voter takes over. Where it is the only voter (two nodes), remove the other node, or see 'hyperchain cluster recover'.";

/* The controller can't take itself out: the others would hang up before one of them is elected. */
static bool removes_us(const struct hcd_control *c, const Hcp__Command *command)
{
	return command->what_case == HCP__COMMAND__WHAT_REMOVE &&
	       command->remove == c->identity.self.at.id;
}

static void try(struct hcd_ask *a, uint64_t now_ms)
{
	struct hcd_control *c = a->c;
	uint32_t controller = hcd_control_controller(c);
	Hcp__Ask msg = HCP__ASK__INIT;
	struct hcd_peer *peer;
	int r = 0;

	a->try_ms = now_ms + RETRY_MS;
	if (hcd_control_is_controller(c)) {
		if (removes_us(c, a->command)) {
			finish(a, -EBUSY, NULL, busy_text);
			return;
		}
		a->to = c->identity.self.at.id;
		if (a->command->what_case == HCP__COMMAND__WHAT_WISH) {
			hcd_rules_wish(c->rules, a->command->wish, on_wished, a);
			return;
		}
		r = hcd_control_propose(c, a->command, on_proposed, a);
		if (r == -ESTALE)
			a->to = 0;
		else if (r < 0)
			finish(a, r, NULL, sentence(r));
		return;
	}
	peer = controller ? hcd_cluster_peer(c->d->cluster, controller) : NULL;
	if (!peer || !hcd_peer_is_up(peer))
		return;
	msg.serial = a->serial;
	msg.command.data = hcd_command_pack(a->command, &msg.command.len);
	if (msg.command.data)
		r = hcd_cluster_send(peer, HCD_FRAME_ASK, &msg.base);
	free(msg.command.data);
	if (r == 0) {
		a->to = controller;
		a->nr_up = peer->nr_up;
	}
}

void hcd_control_do(struct hcd_control *c, Hcp__Command *command, hcd_control_cb cb, void *arg)
{
	struct hcd_ask *a = calloc(1, sizeof(*a));
	uint8_t *data;
	size_t len;

	command->by = c->identity.self.at.id;
	data = hcd_command_pack(command, &len);
	if (a && data)
		a->command = hcp__command__unpack(NULL, len, data);
	free(data);
	if (!a || !a->command) {
		free(a);
		cb(-ENOMEM, NULL, "Memory is short.", arg);
		return;
	}
	a->c = c;
	a->serial = ++c->ask_serial;
	a->deadline_ms = hcd_control_now(c) + HCD_ASK_MS;
	a->cb = cb;
	a->arg = arg;
	a->next = c->asks;
	c->asks = a;
	hcd_control_poke(c);
}

void hcd_ask_tick(struct hcd_control *c, uint64_t now_ms)
{
	struct hcd_ask *next;

	for (struct hcd_ask *a = c->asks; a; a = next) {
		struct hcd_peer *peer = a->to ? hcd_cluster_peer(c->d->cluster, a->to) : NULL;

		next = a->next;
		if (a->held) {
			if (c->fsm->next_decision > a->held->number || now_ms >= a->held_until_ms)
				finish(a, 0, a->held, a->held->text);
			continue;
		}
		if (a->to && a->to != c->identity.self.at.id &&
		    (!peer || !hcd_peer_is_up(peer) || peer->nr_up != a->nr_up))
			finish(a, -ESTALE, NULL, sentence(-ESTALE));
		else if (now_ms >= a->deadline_ms && a->to != c->identity.self.at.id)
			finish(a, -ETIMEDOUT, NULL, a->to ? sentence(-ESTALE) :
			       "There is no controller: too few of the voters can reach each other. 'hyperchain node list' shows who is missing; when they are lost for good, see 'hyperchain cluster recover'.");
		else if (!a->to && now_ms >= a->try_ms)
			try(a, now_ms);
	}
}

void hcd_ask_cancel_all(struct hcd_control *c, const char *text)
{
	struct hcd_ask *next;

	hcd_rules_cancel(c->rules);
	for (struct hcd_ask *a = c->asks; a; a = next) {
		next = a->next;
		if (a->to != c->identity.self.at.id)	/* else the engine tells */
			finish(a, a->held ? 0 : -ESTALE, a->held, a->held ? a->held->text : text);
	}
}

/* ---- the controller's side ---------------------------------------------------------- */

struct asked {
	struct hcd_control *c;
	uint32_t from;
	uint64_t serial;
};

static void answer(struct hcd_control *c, uint32_t to, uint64_t serial, int error,
		   uint64_t number, const char *text, const char *detail)
{
	struct hcd_peer *peer = hcd_cluster_peer(c->d->cluster, to);
	Hcp__Answer msg = HCP__ANSWER__INIT;

	msg.serial = serial;
	msg.error = error;
	msg.number = number;
	msg.text = (char *)text;
	if (detail)
		msg.detail = (char *)detail;
	if (peer)
		hcd_cluster_send(peer, HCD_FRAME_ANSWER, &msg.base);
}

static void on_asked_done(int error, const struct hcd_result *result, void *arg)
{
	struct asked *a = arg;

	if (error)
		answer(a->c, a->from, a->serial, error, 0, sentence(error), NULL);
	else
		answer(a->c, a->from, a->serial, result->error, result->number, result->text,
		       result->detail);
	free(a);
}

/* What member @id may ask for; the rest only the controller itself does. */
static bool may_ask(const Hcp__Command *command, uint32_t id)
{
	switch (command->what_case) {
	case HCP__COMMAND__WHAT_JOIN:
	case HCP__COMMAND__WHAT_REMOVE:
	case HCP__COMMAND__WHAT_DRAIN:
	case HCP__COMMAND__WHAT_TOKEN_ADD:
	case HCP__COMMAND__WHAT_TOKEN_DEL:
	case HCP__COMMAND__WHAT_SET:
	case HCP__COMMAND__WHAT_WISH:
		return true;
	case HCP__COMMAND__WHAT_COUNTERS:
		/* Of itself only. */
		for (size_t i = 0; i < command->counters->n_counters; i++)
			if (command->counters->counters[i]->node != id)
				return false;
		return true;
	default:
		return false;
	}
}

void hcd_ask_frame(struct hcd_control *c, struct hcd_peer *peer, const struct hcd_frame *frame)
{
	Hcp__Ask *msg = hcp__ask__unpack(NULL, frame->len, frame->payload);
	Hcp__Command *command = msg ? hcp__command__unpack(NULL, msg->command.len,
							   msg->command.data) : NULL;
	struct asked *a = NULL;
	int r = -EBADMSG;

	if (command && may_ask(command, peer->config.id)) {
		a = malloc(sizeof(*a));
		r = !a ? -ENOMEM : !hcd_control_is_controller(c) ? -EAGAIN :
		    removes_us(c, command) ? -EBUSY : 0;
	}
	if (r == 0) {
		*a = (struct asked){ .c = c, .from = peer->config.id, .serial = msg->serial };
		command->by = peer->config.id;
		if (command->what_case == HCP__COMMAND__WHAT_WISH)
			hcd_rules_wish(c->rules, command->wish, on_asked_done, a);
		else
			r = hcd_control_propose(c, command, on_asked_done, a);
		r = r == -ESTALE ? -EAGAIN : r;
	}
	if (r < 0) {
		free(a);
		if (msg)
			answer(c, peer->config.id, msg->serial, r, 0,
			       r == -EBUSY ? busy_text : r == -EBADMSG ? "The controller does not know that command: is it of an older version?" :
					       sentence(r), NULL);
	}
	if (command)
		hcp__command__free_unpacked(command, NULL);
	if (msg)
		hcp__ask__free_unpacked(msg, NULL);
}

/* Until our own log has the decision. Return: false without memory. */
static bool hold(struct hcd_ask *a, const struct hcd_result *res)
{
	a->held = malloc(sizeof(*a->held));
	if (!a->held)
		return false;
	*a->held = *res;
	a->held->detail = res->detail ? strdup(res->detail) : NULL;
	a->held_until_ms = hcd_control_now(a->c) + HELD_MS;
	return true;
}

void hcd_answer_frame(struct hcd_control *c, struct hcd_peer *peer,
		      const struct hcd_frame *frame)
{
	Hcp__Answer *msg = hcp__answer__unpack(NULL, frame->len, frame->payload);
	struct hcd_result res = { 0 };
	struct hcd_ask *a = c->asks;

	while (msg && a && (a->serial != msg->serial || a->to != peer->config.id))
		a = a->next;
	if (msg && a && msg->error == -EAGAIN) {
		a->to = 0;		/* not the controller (any more): it did nothing */
	} else if (msg && a) {
		res.error = msg->error;
		res.number = msg->number;
		res.detail = msg->detail;
		hcd_text_clean(res.text, sizeof(res.text), msg->text, "");
		if (msg->error || c->fsm->next_decision > res.number || !hold(a, &res))
			finish(a, msg->error, &res, res.text);
	}
	if (msg)
		hcp__answer__free_unpacked(msg, NULL);
}
