// SPDX-License-Identifier: GPL-2.0-or-later
/* Decisions in words, and what was considered: see rules.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/policy/order.h"

#define ALERT_MS	600000	/* the same alert of a tick, again */
#define NODES_SHOWN	32

static void ids_text(char *buf, size_t len, const uint32_t *ids, size_t nr)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < nr && at + 16 < len; i++)
		at += (size_t)snprintf(buf + at, len - at, "%s%u", i ? ", " : "", ids[i]);
	if (!nr)
		snprintf(buf, len, "none");
}

/* What happened, without the reason. */
static void headline(struct hcd_rules *r, const struct pol_decision *d, char *buf, size_t len)
{
	const char *user = d->user ? d->user : "";
	char nodes[256], process[64] = "";

	if (d->pid)
		hcd_rules_process_text(r, d->pid, process, sizeof(process));
	ids_text(nodes, sizeof(nodes), d->nodes, d->nr_nodes);
	switch (d->action) {
	case POL_ALLOCATE:
	case POL_RESIZE:
		snprintf(buf, len, "User %s has nodes %s", user, nodes);
		break;
	case POL_REFUSE:
		snprintf(buf, len, "User %s is refused", user);
		break;
	case POL_CANDIDATES:
		snprintf(buf, len, "Candidates are nodes %s", nodes);
		break;
	case POL_SELECT:
		snprintf(buf, len, "User %s uses nodes %s", user, nodes);
		break;
	case POL_MIGRATE:
		snprintf(buf, len, "Process %s moves from node %u to node %u", process,
			 d->from, d->to);
		break;
	case POL_LEADER:
		snprintf(buf, len, "Node %u leads the environment of user %s", d->to, user);
		break;
	case POL_SPARE_SET:
		snprintf(buf, len, "Node %u is %s spare", d->node,
			 d->kind == POL_SHARED ? "the shared" : d->kind == POL_IDLE ? "an idle" :
							      "an overload");
		break;
	case POL_SPARE_UNSET:
		snprintf(buf, len, "Node %u is no %s spare any more", d->node,
			 pol_spare_name(d->kind));
		break;
	case POL_SPARE_LENT:
		snprintf(buf, len, "Spare node %u is lent to user %s", d->node, user);
		break;
	case POL_SPARE_RETURNED:
		snprintf(buf, len, "User %s gives spare node %u back", user, d->node);
		break;
	case POL_TAKEOVER:
		if (d->spare)
			snprintf(buf, len, "Node %u stands in for node %u", d->spare, d->node);
		else
			snprintf(buf, len, "Nobody stands in for node %u", d->node);
		break;
	case POL_RESTORE:
		snprintf(buf, len, "Node %u serves again", d->node);
		break;
	case POL_FREE:
		snprintf(buf, len, "Node %u is free of user %s", d->node, user);
		break;
	case POL_VIEW:
		snprintf(buf, len, "View %s is served by nodes %s", d->view, nodes);
		break;
	case POL_COPY_START:
	case POL_COPY_STOP:
		snprintf(buf, len, "A copy of view %s is %s on node %u", d->view,
			 d->action == POL_COPY_START ? "started" : "stopped", d->node);
		break;
	case POL_PLACE:
		snprintf(buf, len, "Process %s starts on node %u", process, d->node);
		break;
	case POL_ENVIRONMENT:
		snprintf(buf, len, "User %s has a further environment of nodes %s", user, nodes);
		break;
	default:
		snprintf(buf, len, "Attention");
		break;
	}
}

static json_t *number(int64_t x)
{
	return !pol_known(x) ? json_null() : json_real((double)(x / 1000000) / 1000.0);
}

/* Who has @node: for somebody who wanted it, too. */
static void holders_text(const struct hcd_rules *r, uint32_t node, char *buf, size_t len)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	size_t at = 0;

	buf[0] = 0;
	for (size_t k = 0; k < fsm->nr_kept; k++) {
		Hcp__KeptUser *user;

		if (fsm->kept[k].kind != HCD_KEPT_USER)
			continue;
		user = hcp__kept_user__unpack(NULL, fsm->kept[k].len, fsm->kept[k].data);
		for (size_t i = 0; user && i < user->n_seats; i++)
			if (user->seats[i]->node == node && user->seats[i]->is_own &&
			    at + HC_NAME_LEN + 3 < len)
				at += (size_t)snprintf(buf + at, len - at, "%s%s", at ? ", " : "",
						       fsm->kept[k].key);
		if (user)
			hcp__kept_user__free_unpacked(user, NULL);
	}
}

static json_t *node_json(const struct pol_node_view *v)
{
	json_t *j = json_pack("{s:I, s:o, s:o, s:I}", "node", (json_int_t)v->id, "load",
			      number(v->load), "avg", number(v->avg), "users",
			      (json_int_t)v->nr_users);

	if (v->kind != POL_NO_SPARE)
		json_object_set_new(j, "spare", json_string(pol_spare_name(v->kind)));
	if (v->nr_processes)
		json_object_set_new(j, "processes", json_integer((json_int_t)v->nr_processes));
	if (v->not_candidate[0])
		json_object_set_new(j, "not_candidate", json_string(v->not_candidate));
	return j;
}

static bool concerns(const struct pol_decision *d, uint32_t id)
{
	for (size_t i = 0; i < d->nr_nodes; i++)
		if (d->nodes[i] == id)
			return true;
	return id == d->node || id == d->spare ||
	       (d->action != POL_RESIZE && (id == d->from || id == d->to));
}

/* The average that a rule goes by, for show. */
static enum pol_window window_of(const struct hcd_rules *r, unsigned int rule)
{
	static const struct { unsigned int rule; enum pol_key key; } keys[] = {
		{ 4, POL_R4_WINDOW }, { 6, POL_R6_WINDOW }, { 7, POL_R7_WINDOW },
		{ 8, POL_R8_WINDOW }, { 9, POL_R9_WINDOW }, { 11, POL_R11_WINDOW },
		{ 14, POL_R14_WINDOW }, { 15, POL_R15_WINDOW }, { 16, POL_R16_WINDOW },
		{ 18, POL_R18_WINDOW },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].rule == rule)
			return (enum pol_window)r->config.value[keys[i].key];
	return POL_HOUR;
}

static json_t *decision_json(const struct pol_decision *d)
{
	json_t *j = json_pack("{s:s}", "action", pol_action_name(d->action));
	json_t *nodes;

	if (d->user)
		json_object_set_new(j, "user", json_string(d->user));
	if (d->view)
		json_object_set_new(j, "view", json_string(d->view));
	if (d->pid)
		json_object_set_new(j, "pid", json_integer((uint32_t)d->pid));
	if (d->pid && pol_order_home(d->pid))
		json_object_set_new(j, "home", json_integer(pol_order_home(d->pid)));
	if (d->node)
		json_object_set_new(j, "node", json_integer(d->node));
	if (d->from || d->to) {
		json_object_set_new(j, "from", json_integer(d->from));
		json_object_set_new(j, "to", json_integer(d->to));
	}
	if (d->action == POL_TAKEOVER || d->action == POL_RESTORE)
		json_object_set_new(j, "spare", json_integer(d->spare));
	if (d->kind != POL_NO_SPARE)
		json_object_set_new(j, "kind", json_string(pol_spare_name(d->kind)));
	if (d->action == POL_RESTORE)
		json_object_set_new(j, "policy", json_string(d->is_swap ? "swap" : "return"));
	if (d->action == POL_REFUSE)
		json_object_set_new(j, "missing", json_integer(d->missing));
	if (d->nodes) {
		nodes = json_array();
		for (size_t i = 0; i < d->nr_nodes; i++)
			json_array_append_new(nodes, json_integer(d->nodes[i]));
		json_object_set_new(j, "nodes", nodes);
	}
	json_object_set_new(j, "why", json_string(d->why));
	return j;
}

/* What was told, and the nodes that were considered, those of the decision first; cut to fit. */
static char *inputs_text(const struct hcd_rules *r, const struct pol_decision *d)
{
	json_t *j = decision_json(d), *rows = json_array();
	enum pol_window window = window_of(r, d->rule);
	struct pol_node_view v;
	char *text = NULL;
	size_t nr = 0;

	if (r->event)
		json_object_set(j, "event", (json_t *)r->event);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; json_array_size(rows) < NODES_SHOWN &&
				   pol_look(r->st, i, window, &v); i++)
			if (concerns(d, v.id) == (pass == 0))
				json_array_append_new(rows, node_json(&v));
	while (pol_look(r->st, nr, window, &v))
		nr++;
	json_object_set_new(j, "considered", rows);
	json_object_set_new(j, "nodes_in_all", json_integer((json_int_t)nr));
	for (;;) {
		text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(6));
		if (!text || strlen(text) < HCD_DECISION_INPUTS_LEN || !json_array_size(rows))
			break;
		free(text);
		json_array_remove(rows, json_array_size(rows) - 1);
	}
	json_decref(j);
	if (text && strlen(text) >= HCD_DECISION_INPUTS_LEN) {
		free(text);
		text = NULL;
	}
	return text;
}

/* A tick finds the same again and again: said once, and again after a while. */
static bool is_told(struct hcd_rules *r, const struct pol_decision *d)
{
	const char *user = d->user ? d->user : "";
	struct hcd_told_alert *a;

	for (size_t i = 0; i < HCD_RULES_ALERTS; i++) {
		a = &r->alerts[i];
		if (a->at_ms && a->rule == d->rule && a->node == d->node &&
		    strcmp(a->user, user) == 0 && r->now_ms - a->at_ms < ALERT_MS)
			return true;
	}
	a = &r->alerts[r->next_alert++ % HCD_RULES_ALERTS];
	*a = (struct hcd_told_alert){ .rule = d->rule, .node = d->node, .at_ms = r->now_ms };
	snprintf(a->user, sizeof(a->user), "%s", user);
	return false;
}

static void put(struct hcd_rules *r, const char *rule, const char *kind, const char *user,
		uint32_t node, const char *text, char *inputs)
{
	struct hcd_outcome *out = &r->out;
	Hcp__Decision *msg = out->nr < HCD_RULES_DECISIONS ? malloc(sizeof(*msg)) : NULL;

	if (!msg) {
		out->nr_left_out++;
		free(inputs);
		return;
	}
	hcp__decision__init(msg);
	msg->rule = strdup(rule);
	msg->kind = strdup(kind);
	msg->user = strdup(user);
	msg->text = strdup(text);
	msg->inputs = inputs ? inputs : strdup("");
	msg->node = node;
	out->list[out->nr++] = msg;
	if (msg->rule && msg->kind && msg->user && msg->text && msg->inputs)
		return;
	out->nr--;
	out->nr_left_out++;
	free(msg->rule);
	free(msg->kind);
	free(msg->user);
	free(msg->text);
	free(msg->inputs);
	free(msg);
}

void hcd_rules_put(struct hcd_rules *r, const char *rule, const char *kind, const char *user,
		   uint32_t node, const char *text)
{
	put(r, rule, kind, user, node, text, NULL);
}

void hcd_rules_note(struct hcd_rules *r, const char *kind, const char *user, const char *text)
{
	put(r, "", kind, user, 0, text, NULL);
}

void hcd_rules_decide(void *arg, const struct pol_decision *d)
{
	struct hcd_rules *r = arg;
	char head[384], text[HCD_DECISION_TEXT_LEN], rule[8], held[256] = "";
	uint32_t node = d->node ? d->node : d->action == POL_LEADER ? d->to : 0;
	const char *user;

	if (d->action == POL_KEEP ||
	    (d->action == POL_ALERT && r->is_tick && is_told(r, d)))
		return;
	if (!r->out.json)
		r->out.json = json_array();
	json_array_append_new(r->out.json, decision_json(d));
	headline(r, d, head, sizeof(head));
	snprintf(rule, sizeof(rule), "R%u", d->rule);
	if (d->action == POL_REFUSE && r->doing && d->rule == 14) {
		/* Whose it is now: two may have wanted the last place at once. */
		for (size_t i = 0; i < r->doing->msg->n_nodes && !held[0]; i++) {
			char users[160];

			if (!strstr(d->why, "users") && !strstr(d->why, "units"))
				break;
			if (!hcd_fsm_member(r->c->fsm, r->doing->msg->nodes[i]))
				continue;
			holders_text(r, r->doing->msg->nodes[i], users, sizeof(users));
			if (users[0])
				snprintf(held, sizeof(held), " (node %u is held by %s)",
					 r->doing->msg->nodes[i], users);
		}
	}
	snprintf(text, sizeof(text), "%s: %s%s.", head, d->why, held);
	if (d->action == POL_REFUSE) {
		r->out.is_refused = true;
		snprintf(r->out.refusal, sizeof(r->out.refusal), "%s", text);
	}
	if (d->action == POL_CANDIDATES)
		return;		/* a question, no decision */
	if (d->action == POL_MIGRATE) {
		hcd_rules_order(r, d, rule);
		node = d->to;
	}
	user = d->user ? d->user : d->pid ? hcd_rules_process_user(r, d->pid) : NULL;
	put(r, rule, pol_action_name(d->action), user ? user : "", node, text, inputs_text(r, d));
}

void hcd_outcome_clear(struct hcd_outcome *out)
{
	for (size_t i = 0; i < out->nr; i++)
		hcp__decision__free_unpacked(out->list[i], NULL);
	for (size_t i = 0; i < out->nr_orders; i++)
		hcd_rules_order_free(out->orders[i]);
	for (size_t i = 0; i < out->nr_jobs; i++)
		hcp__kept_job__free_unpacked(out->jobs[i], NULL);
	for (size_t i = 0; i < out->nr_envs; i++)
		free(out->envs[i].data);
	json_decref(out->json);
	*out = (struct hcd_outcome){ 0 };
}
