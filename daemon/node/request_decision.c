// SPDX-License-Identifier: GPL-2.0-or-later
/* decision.*: what was decided, and why; rules.export: what the rules go by, as a scenario. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/daemon.h"
#include "daemon/node/request.h"

#define DECISIONS_ROWS	64
#define EXPORT_ROWS	64

static json_t *decision_json(const struct hcd_decision *d)
{
	return json_pack("{s:I, s:I, s:s, s:s, s:I, s:s, s:s}", "id", (json_int_t)d->id, "at_ms",
			 (json_int_t)d->at_ms, "rule", d->rule, "kind", d->kind, "node",
			 (json_int_t)d->node, "user", d->user, "text", d->text ? d->text : "");
}

void hcd_do_decision_list(struct hcd_request *req)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	const char *rule = NULL, *user = NULL;
	json_int_t after = 0;
	uint64_t id;
	json_t *rows;

	if (!hcd_request_unpack(req, "{s?I, s?s, s?s}", "after", &after, "rule", &rule, "user",
				&user) || !hcd_request_member(req) || !hcd_request_user(req, &user))
		return;
	rows = json_array();
	id = after > 0 && (uint64_t)after + 1 > fsm->first_decision ? (uint64_t)after + 1 :
								      fsm->first_decision;
	for (; id < fsm->next_decision && json_array_size(rows) < DECISIONS_ROWS; id++) {
		const struct hcd_decision *d = hcd_fsm_decision(fsm, id);

		if ((rule && strcmp(rule, d->rule) != 0) || (user && strcmp(user, d->user) != 0))
			continue;
		json_array_append_new(rows, decision_json(d));
	}
	hcd_request_ok(req, json_pack("{s:o, s:b, s:I}", "decisions", rows, "more",
				      (int)(id < fsm->next_decision), "last",
				      (json_int_t)id - 1));
}

void hcd_do_decision_show(struct hcd_request *req)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	const struct hcd_decision *d;
	const char *user = NULL;
	json_int_t id;
	json_t *obj;

	if (!hcd_request_unpack(req, "{s:I}", "id", &id) || !hcd_request_member(req) ||
	    !hcd_request_user(req, &user))
		return;
	d = id > 0 ? hcd_fsm_decision(fsm, (uint64_t)id) : NULL;
	if (!d || (user && strcmp(user, d->user) != 0)) {
		hcd_request_fail(req, "There is no decision %lld: those from %llu to %llu are kept.",
				 (long long)id, (unsigned long long)fsm->first_decision,
				 (unsigned long long)(fsm->next_decision - 1));
		return;
	}
	obj = decision_json(d);
	/* A user sees what concerned him, not what else was looked at. */
	if (d->inputs && !user)
		json_object_set_new(obj, "inputs", json_loads(d->inputs, 0, NULL));
	hcd_request_ok(req, json_pack("{s:o}", "decision", obj));
}

/* ---- rules.export --------------------------------------------------------------------------- */

static json_t *known(int64_t x)
{
	return json_real(POL_F(x));
}

static json_t *node_json(struct hcd_rules *r, const struct hcd_member *m)
{
	static const char *const windows[POL_WINDOWS] = { "hour", "day", "week", "month" };
	const struct hcd_fsm *fsm = r->c->fsm;
	struct pol_node_info info;
	const struct hcd_kept *k;
	Hcp__KeptNode *msg;
	json_t *j, *avg = json_object();
	char key[16];

	hcd_rules_node(r, m, &info);
	snprintf(key, sizeof(key), "%u", m->id);
	k = hcd_fsm_kept(fsm, HCD_KEPT_NODE, key);
	msg = k ? hcp__kept_node__unpack(NULL, k->len, k->data) : NULL;
	j = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)m->id, "name", m->name, "state",
		      m->is_dead ? "failed" : m->is_drained ? "drained" :
		      msg && (msg->kind == POL_IDLE || msg->kind == POL_SHARED) ? "spare" : "active");
	if (msg)
		hcp__kept_node__free_unpacked(msg, NULL);
	if (pol_known(info.cpus))
		json_object_set_new(j, "cpus", known(info.cpus));
	if (pol_known(info.memory))
		json_object_set_new(j, "memory_gib", known(info.memory));
	if (pol_known(info.load))
		json_object_set_new(j, "load", known(info.load));
	for (int w = 0; w < POL_WINDOWS; w++)
		if (pol_known(info.avg[w]))
			json_object_set_new(avg, windows[w], known(info.avg[w]));
	if (json_object_size(avg))
		json_object_set(j, "avg", avg);
	json_decref(avg);
	return j;
}

/* One environment a user: what stands in or is lent is not the user's, and is left out. */
static json_t *scenario_user(const struct hcd_fsm *fsm, const struct hcd_kept *k)
{
	Hcp__KeptUser *user = hcp__kept_user__unpack(NULL, k->len, k->data);
	json_t *j = json_pack("{s:s}", "name", k->key), *nodes = json_array(), *active = json_array();
	uint32_t leader = user && user->n_envs ? user->envs[0]->leader : 0;
	bool is_leader_own = false;

	for (size_t i = 0; user && i < user->n_seats; i++) {
		const Hcp__KeptSeat *s = user->seats[i];

		if (!s->is_own || !hcd_fsm_member(fsm, s->node))
			continue;
		json_array_append_new(nodes, json_integer(s->node));
		if (s->env)
			json_array_append_new(active, json_integer(s->node));
		is_leader_own |= s->env && s->node == leader;
	}
	json_object_set_new(j, "nodes", nodes);
	json_object_set_new(j, "active", active);
	if (is_leader_own)
		json_object_set_new(j, "leader", json_integer(leader));
	if (user && user->has_units)
		json_object_set_new(j, "units", known(user->units));
	if (user)
		hcp__kept_user__free_unpacked(user, NULL);
	return j;
}

static json_t *scenario_view(const struct hcd_kept *k)
{
	static const char *const modes[] = { "users", "group", "load" };
	Hcp__KeptView *view = hcp__kept_view__unpack(NULL, k->len, k->data);
	json_t *j = json_pack("{s:s}", "name", k->key), *main = json_array();

	for (size_t i = 0; view && !view->is_main_chosen && i < view->n_main; i++)
		json_array_append_new(main, json_integer(view->main[i]));
	if (view) {
		json_object_set_new(j, "user", json_string(view->user));
		json_object_set_new(j, "mode", json_string(modes[view->mode % 3]));
		json_object_set_new(j, "users", known(view->users));
		if (view->has_image)
			json_object_set_new(j, "image", json_string(k->key));
		hcp__kept_view__free_unpacked(view, NULL);
	}
	if (json_array_size(main))
		json_object_set(j, "main", main);
	json_decref(main);
	return j;
}

void hcd_do_rules_export(struct hcd_request *req)
{
	struct hcd_control *c = req->d->control;
	const char *part;
	json_int_t after = 0;
	uint32_t kind = 0;
	bool has_more = false;
	size_t i, nr;
	json_t *rows;

	if (!hcd_request_unpack(req, "{s:s, s?I}", "part", &part, "after", &after) ||
	    !hcd_request_member(req))
		return;
	if (strcmp(part, "users") == 0)
		kind = HCD_KEPT_USER;
	else if (strcmp(part, "views") == 0)
		kind = HCD_KEPT_VIEW;
	else if (strcmp(part, "nodes") != 0) {
		hcd_request_fail(req, "A cluster is exported in the parts nodes, users and views.");
		return;
	}
	rows = json_array();
	nr = kind ? c->fsm->nr_kept : c->fsm->nr_members;
	for (i = after < 0 ? 0 : (size_t)after; i < nr; i++) {
		const struct hcd_kept *k = kind ? &c->fsm->kept[i] : NULL;

		if (k && k->kind != kind)
			continue;
		has_more = json_array_size(rows) == EXPORT_ROWS;
		if (has_more)
			break;
		json_array_append_new(rows, !k ? node_json(c->rules, &c->fsm->members[i]) :
				      kind == HCD_KEPT_USER ? scenario_user(c->fsm, k) :
							      scenario_view(k));
	}
	hcd_request_ok(req, json_pack("{s:o, s:b, s:I}", part, rows, "more", (int)has_more, "next",
				      (json_int_t)i));
}
