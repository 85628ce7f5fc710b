// SPDX-License-Identifier: GPL-2.0-or-later
/* What users and administrators want of the rules: see rules.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"

#define NODES_MAX	HCD_MEMBERS_MAX

int hcd_rules_refuse(struct hcd_rules *r, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->out.refusal, sizeof(r->out.refusal), format, args);
	va_end(args);
	r->out.is_refused = true;
	return error;
}

static int take_amounts(struct hcd_rules *r, const Hcp__Wish *wish, struct pol_request *req)
{
	const struct { const char *name; int64_t *value; } fields[] = {
		{ "units", &req->units }, { "cpus", &req->cpus }, { "memory_gib", &req->memory },
		{ "storage_gib", &req->storage }, { "hours_per_day", &req->hours_per_day },
		{ "hours_per_week", &req->hours_per_week }, { "jobs_per_hour", &req->jobs_per_hour },
	};
	size_t nr = sizeof(fields) / sizeof(fields[0]);

	for (size_t k = 0; k < nr; k++)
		*fields[k].value = POL_UNKNOWN;
	for (size_t i = 0; i < wish->n_amounts; i++) {
		size_t k;

		for (k = 0; k < nr && strcmp(fields[k].name, wish->amounts[i]->name) != 0; k++)
			;
		if (k == nr)
			return hcd_rules_refuse(r, -EINVAL, "Nothing called '%.32s' can be requested.",
				      wish->amounts[i]->name);
		if (wish->amounts[i]->value < 0 || wish->amounts[i]->value > POL_MAX)
			return hcd_rules_refuse(r, -EINVAL, "%s must be a number from 0 on.", fields[k].name);
		*fields[k].value = wish->amounts[i]->value;
	}
	if (!wish->n_amounts)
		return hcd_rules_refuse(r, -EINVAL, "A request names an amount: units, cpus, memory, storage, hours or jobs.");
	return 0;
}

static json_t *wish_json(const Hcp__Wish *wish)
{
	json_t *j = json_pack("{s:s, s:s}", "do", wish->what, "user", wish->user);
	json_t *nodes = json_array();

	for (size_t i = 0; i < wish->n_nodes && i < 64; i++)
		json_array_append_new(nodes, json_integer(wish->nodes[i]));
	if (wish->n_nodes)
		json_object_set(j, "nodes", nodes);
	json_decref(nodes);
	for (size_t i = 0; i < wish->n_amounts; i++)
		json_object_set_new(j, wish->amounts[i]->name,
				    json_real(POL_F(wish->amounts[i]->value)));
	return j;
}

static int check_nodes(struct hcd_rules *r, const Hcp__Wish *wish)
{
	if (wish->n_nodes > NODES_MAX)
		return hcd_rules_refuse(r, -EINVAL, "That names more nodes than a cluster has.");
	for (size_t i = 0; i < wish->n_nodes; i++) {
		if (!hcd_fsm_member(r->c->fsm, wish->nodes[i]))
			return hcd_rules_refuse(r, -ENOENT, "Node %u is no member of the cluster: 'hyperchain node list' shows those that are.",
				      wish->nodes[i]);
		for (size_t k = 0; k < i; k++)
			if (wish->nodes[k] == wish->nodes[i])
				return hcd_rules_refuse(r, -EINVAL, "Node %u is named twice.", wish->nodes[i]);
	}
	return 0;
}

int hcd_wish_event(struct hcd_rules *r, const Hcp__Wish *wish, struct pol_event *ret_event,
		   json_t **ret_json)
{
	static const struct {
		const char *what;
		enum pol_event_kind kind;
		bool is_known;		/* the user must be there */
	} kinds[] = {
		{ "add", POL_EV_USER_ADD, false }, { "del", POL_EV_USER_DEL, true },
		{ "request", POL_EV_REQUEST, false }, { "candidates", POL_EV_CANDIDATES, false },
		{ "pick", POL_EV_PICK, false }, { "select", POL_EV_SELECT, true },
		{ "lead", POL_EV_LEAD, true },
	};
	struct pol_event ev = { .load = POL_UNKNOWN };
	const struct hcd_kept *old;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].what, wish->what) == 0)
			break;
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		return hcd_rules_refuse(r, -EINVAL, "The controller knows no wish '%.32s': is it of an older version?",
			      wish->what);
	if (!hcd_text_is_name(wish->user))
		return hcd_rules_refuse(r, -EINVAL, "A user's name has 1 to %d letters, digits, '.', '_' and '-'.",
			      HC_NAME_LEN);
	old = hcd_fsm_kept(r->c->fsm, HCD_KEPT_USER, wish->user);
	if (kinds[i].kind == POL_EV_USER_DEL && strcmp(wish->user, POL_ADMIN) == 0)
		return hcd_rules_refuse(r, -EPERM, "The administrator can't be deleted.");
	if (kinds[i].kind == POL_EV_USER_DEL &&
	    hcd_fsm_kept(r->c->fsm, HCD_KEPT_ENVIRONMENT, wish->user))
		return hcd_rules_refuse(r, -EBUSY, "User %s has an environment: delete it first, with 'hyperchain env del %s'.",
			      wish->user, wish->user);
	if (kinds[i].kind == POL_EV_LEAD && wish->n_nodes != 1)
		return hcd_rules_refuse(r, -EINVAL, "One node leads an environment: name one.");
	if (kinds[i].is_known && !old)
		return hcd_rules_refuse(r, -ENOENT, "There is no user %s: 'hyperchain user list' shows all.",
			      wish->user);
	if (kinds[i].kind == POL_EV_USER_ADD && old)
		return hcd_rules_refuse(r, -EEXIST, "There is a user %s already.", wish->user);
	ret = check_nodes(r, wish);
	if (ret == 0 && kinds[i].kind == POL_EV_REQUEST)
		ret = take_amounts(r, wish, &ev.request);
	if (ret < 0)
		return ret;
	ev.kind = kinds[i].kind;
	ev.user = wish->user;
	ev.nodes = wish->nodes;
	ev.nr_nodes = wish->n_nodes;
	ev.node = wish->n_nodes == 1 ? wish->nodes[0] : 0;
	*ret_event = ev;
	*ret_json = wish_json(wish);
	return 0;
}

void hcd_wish_done(struct hcd_rules *r, struct hcd_wish *w, int error,
		   const struct hcd_result *result)
{
	w->cb(error, result, w->arg);
	hcp__wish__free_unpacked(w->msg, NULL);
	free(w);
}

void hcd_rules_wish(struct hcd_rules *r, const Hcp__Wish *wish, hcd_propose_cb cb, void *arg)
{
	struct hcd_wish *w = calloc(1, sizeof(*w)), **at = &r->wishes;
	size_t len = hcp__wish__get_packed_size(wish);
	uint8_t *data = malloc(len + 1);

	if (w && data) {
		hcp__wish__pack(wish, data);
		w->msg = hcp__wish__unpack(NULL, len, data);
	}
	free(data);
	if (!w || !w->msg) {
		free(w);
		cb(-ENOMEM, NULL, arg);
		return;
	}
	w->cb = cb;
	w->arg = arg;
	while (*at)
		at = &(*at)->next;
	*at = w;
	hcd_control_poke(r->c);
}
