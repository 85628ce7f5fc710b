// SPDX-License-Identifier: GPL-2.0-or-later
/* user.*: who has which nodes, and what somebody wants changed. R13 to R17. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/env/container.h"
#include "daemon/node/request.h"
#include "daemon/node/state.h"

#define USER_ROWS	64

bool hcd_request_member(struct hcd_request *req)
{
	const struct hcd_identity *id = &req->d->control->identity;

	if (id->is_member && !id->is_removed)
		return true;
	hcd_request_fail(req, "This node is in no cluster: begin one with 'hyperchain cluster init', or join one with 'hyperchain node join'.");
	return false;
}

bool hcd_request_user(struct hcd_request *req, const char **user)
{
	const struct hcd_env *env;

	if (req->is_admin || !req->env)
		return true;
	/* An environment is called as its user is. */
	env = hcd_state_env_by_id(&req->d->state, req->env, 0);
	if (!env) {
		hcd_request_fail(req, "This environment belongs to no user of the cluster.");
		return false;
	}
	if (!*user)
		*user = env->name;
	if (strcmp(*user, env->name) == 0)
		return true;
	hcd_request_fail(req, "From here only user %s can be asked about.", env->name);
	return false;
}

/* ---- wishes ------------------------------------------------------------------------------ */

static void on_wished(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct hcd_request *req = arg;
	json_t *detail = result && result->detail ? json_loads(result->detail, 0, NULL) : NULL;

	if (error)
		hcd_request_fail(req, "%s", text);
	else
		hcd_request_ok(req, json_incref(detail));
	json_decref(detail);
}

static bool may_wish(struct hcd_request *req, const char *what)
{
	static const char *const of_users[] = { "request", "candidates", "pick", "select" };

	if (req->is_admin)
		return true;
	for (size_t i = 0; req->env && i < sizeof(of_users) / sizeof(of_users[0]); i++)
		if (strcmp(of_users[i], what) == 0)
			return true;
	hcd_request_fail(req, "Only the administrator may do that.");
	return false;
}

/* Node ids out of a list. Return: false, and the request has failed. */
static bool take_nodes(struct hcd_request *req, json_t *list, uint32_t **ret, size_t *ret_nr)
{
	size_t nr = json_array_size(list), i;
	uint32_t *ids;
	json_t *v;

	if ((list && !json_is_array(list)) || nr > HCD_MEMBERS_MAX) {
		hcd_request_fail(req, "nodes must be a list of at most %d node ids.",
				 HCD_MEMBERS_MAX);
		return false;
	}
	ids = calloc(nr + 1, sizeof(*ids));
	if (!ids) {
		hcd_request_fail(req, "Memory is short.");
		return false;
	}
	json_array_foreach(list, i, v) {
		if (!hcd_request_range(req, "A node's id", json_is_integer(v) ? json_integer_value(v) : -1,
				       1, HCD_NODE_ID_MAX)) {
			free(ids);
			return false;
		}
		ids[i] = (uint32_t)json_integer_value(v);
	}
	*ret = ids;
	*ret_nr = nr;
	return true;
}

#define AMOUNTS_MAX	16

static bool take_amounts(struct hcd_request *req, json_t *object, Hcp__Amount *amounts,
			 Hcp__Amount **list, size_t *ret_nr)
{
	const char *key;
	json_t *v;

	if ((object && !json_is_object(object)) || json_object_size(object) > AMOUNTS_MAX) {
		hcd_request_fail(req, "amounts must be an object of numbers.");
		return false;
	}
	json_object_foreach(object, key, v) {
		double x = json_number_value(v);

		if (!json_is_number(v) || !isfinite(x) || x < 0 || x > 4e9) {
			hcd_request_fail(req, "%.32s must be a number from 0 to 4000000000.", key);
			return false;
		}
		hcp__amount__init(&amounts[*ret_nr]);
		amounts[*ret_nr].name = (char *)key;
		amounts[*ret_nr].value = pol_num(x);
		list[*ret_nr] = &amounts[*ret_nr];
		(*ret_nr)++;
	}
	return true;
}

void hcd_do_user_wish(struct hcd_request *req)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Wish wish = HCP__WISH__INIT;
	Hcp__Amount amounts[AMOUNTS_MAX], *list[AMOUNTS_MAX];
	json_t *nodes = NULL, *object = NULL;
	const char *what, *user = NULL;
	uint32_t *ids = NULL;
	int is_dry_run = 0;

	if (!hcd_request_unpack(req, "{s:s, s?s, s?o, s?o, s?b}", "wish", &what, "user", &user,
				"nodes", &nodes, "amounts", &object, "dry_run", &is_dry_run) ||
	    !hcd_request_member(req) || !may_wish(req, what) || !hcd_request_user(req, &user))
		return;
	if (!user) {
		hcd_request_fail(req, "The user is not named.");
		return;
	}
	if (!take_nodes(req, nodes, &ids, &wish.n_nodes))
		return;
	if (!take_amounts(req, object, amounts, list, &wish.n_amounts)) {
		free(ids);
		return;
	}
	wish.what = (char *)what;
	wish.user = (char *)user;
	wish.nodes = ids;
	wish.amounts = list;
	wish.is_dry_run = is_dry_run;
	command.what_case = HCP__COMMAND__WHAT_WISH;
	command.wish = &wish;
	hcd_control_do(req->d->control, &command, on_wished, req);
	free(ids);
}

/* ---- shown ------------------------------------------------------------------------------- */

static json_t *seat_json(struct hcd *d, const Hcp__KeptSeat *s, const char *user)
{
	const struct hcd_member *m = hcd_fsm_member(d->control->fsm, s->node);
	struct hcd_container *box = s->node == d->config.node.id && d->containers ?
				    hcd_container_find(d->containers, user) : NULL;
	json_t *j = json_pack("{s:I, s:s, s:b, s:b, s:b, s:s}", "id", (json_int_t)s->node, "name",
			      m ? m->name : "", "own", (int)s->is_own, "ticked", s->env != 0,
			      "active", (int)s->is_active, "state", !m ? "removed" : m->is_dead ?
			      "dead" : m->is_drained ? "drained" : "live");

	if (s->env > 1)
		json_object_set_new(j, "environment", json_integer(s->env));
	if (s->is_lent)
		json_object_set_new(j, "lent", json_true());
	if (s->for_failed)
		json_object_set_new(j, "stands_in_for", json_integer(s->for_failed));
	if (s->drain_env)
		json_object_set_new(j, "draining", json_true());
	json_object_set_new(j, "load", hcd_node_load(d, s->node));
	/* Only of this node is it known here. */
	if (box)
		json_object_set_new(j, "container", json_string(hcd_container_state(box)));
	return j;
}

static json_t *user_json(struct hcd *d, const struct hcd_kept *k)
{
	Hcp__KeptUser *user = hcp__kept_user__unpack(NULL, k->len, k->data);
	json_t *j = json_pack("{s:s}", "name", k->key), *nodes = json_array(), *leaders;
	size_t nr_own = 0;

	for (size_t i = 0; user && i < user->n_seats; i++) {
		json_array_append_new(nodes, seat_json(d, user->seats[i], k->key));
		nr_own += user->seats[i]->is_own;
	}
	leaders = json_array();
	for (size_t i = 0; user && i < user->n_envs; i++)
		json_array_append_new(leaders, json_integer(user->envs[i]->leader));
	json_object_set_new(j, "units", user && user->has_units ?
			    json_real(POL_F(user->units)) : json_null());
	json_object_set_new(j, "allocated", json_integer((json_int_t)nr_own));
	json_object_set_new(j, "leaders", leaders);
	json_object_set_new(j, "nodes", nodes);
	if (user)
		hcp__kept_user__free_unpacked(user, NULL);
	return j;
}

void hcd_do_user_list(struct hcd_request *req)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	const char *only = NULL;
	json_int_t after = 0, at = 0;
	bool has_more = false;
	json_t *rows;

	if (!hcd_request_unpack(req, "{s?I}", "after", &after) || !hcd_request_member(req) ||
	    !hcd_request_user(req, &only))
		return;
	rows = json_array();
	for (size_t i = 0; i < fsm->nr_kept; i++) {
		json_t *row;

		if (fsm->kept[i].kind != HCD_KEPT_USER || ++at <= after ||
		    (only && strcmp(only, fsm->kept[i].key) != 0))
			continue;
		has_more = json_array_size(rows) == USER_ROWS;
		if (has_more)
			break;
		row = user_json(req->d, &fsm->kept[i]);
		/* In a list the nodes' ids are enough. */
		json_object_del(row, "nodes");
		json_object_set_new(row, "id", json_integer(at));
		json_array_append_new(rows, row);
	}
	hcd_request_ok(req, json_pack("{s:o, s:b}", "users", rows, "more", (int)has_more));
}

void hcd_do_user_show(struct hcd_request *req)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	const char *user = NULL;
	const struct hcd_kept *k;

	if (!hcd_request_unpack(req, "{s?s}", "user", &user) || !hcd_request_member(req) ||
	    !hcd_request_user(req, &user))
		return;
	k = user && hcd_text_is_name(user) ? hcd_fsm_kept(fsm, HCD_KEPT_USER, user) : NULL;
	if (!k)
		hcd_request_fail(req, "There is no user %.64s: 'hyperchain user list' shows all.",
				 user ? user : "without a name");
	else
		hcd_request_ok(req, json_pack("{s:o}", "user", user_json(req->d, k)));
}
