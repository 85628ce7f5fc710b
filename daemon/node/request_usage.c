// SPDX-License-Identifier: GPL-2.0-or-later
/* usage.report: what users had of which nodes. R19. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/daemon.h"
#include "daemon/node/request.h"

#define USAGE_ROWS	256

struct row {
	char name[HC_NAME_LEN + 1];
	uint32_t node;
	uint64_t node_ms, cpu_us, byte_s;
};

struct report {
	struct row *rows;
	size_t nr, room;
	const char *only;	/* one user, or NULL */
	bool by_node;
	uint64_t from_ms, to_ms;
	bool is_short;		/* memory */
};

static void add(struct report *rep, const char *user, uint32_t node, uint64_t node_ms,
		uint64_t cpu_us, uint64_t byte_s)
{
	void *rows = rep->rows;
	struct row *row;
	size_t i;

	if (rep->only && strcmp(rep->only, user) != 0)
		return;
	for (i = 0; i < rep->nr; i++)
		if (rep->by_node ? rep->rows[i].node == node :
				   strcmp(rep->rows[i].name, user) == 0)
			break;
	if (i == rep->nr) {
		if (!hcd_fsm_room(&rows, rep->nr, &rep->room, sizeof(*row))) {
			rep->is_short = true;
			return;
		}
		rep->rows = rows;
		rep->rows[rep->nr++] = (struct row){ .node = rep->by_node ? node : 0 };
		if (!rep->by_node)
			snprintf(rep->rows[i].name, sizeof(rep->rows[i].name), "%s", user);
	}
	row = &rep->rows[i];
	row->node_ms += node_ms;
	row->cpu_us += cpu_us;
	row->byte_s += byte_s;
}

/* How many ms of [from, to) lie in the period. */
static uint64_t within(const struct report *rep, uint64_t from, uint64_t to)
{
	from = from > rep->from_ms ? from : rep->from_ms;
	to = to < rep->to_ms ? to : rep->to_ms;
	return to > from ? to - from : 0;
}

/* What was charged, and since then until now. */
static void collect(const struct hcd_fsm *fsm, struct report *rep, uint64_t now_ms)
{
	for (size_t i = 0; i < fsm->nr_charges; i++) {
		const struct hcd_charge *c = &fsm->charges[i];
		uint64_t from = c->hour * HCD_HOUR_MS;

		/* A charge is of the period when it begins in it. */
		if (from + HCD_HOUR_MS > rep->from_ms && from < rep->to_ms)
			add(rep, c->user, c->node, c->node_ms, c->cpu_us, c->byte_s);
	}
	for (size_t k = 0; k < fsm->nr_kept; k++) {
		Hcp__KeptUser *user;
		uint64_t ms = within(rep, fsm->charged_ms, now_ms);

		if (fsm->kept[k].kind != HCD_KEPT_USER || !fsm->charged_ms || !ms)
			continue;
		user = hcp__kept_user__unpack(NULL, fsm->kept[k].len, fsm->kept[k].data);
		for (size_t i = 0; user && i < user->n_seats; i++)
			if (user->seats[i]->is_active)
				add(rep, fsm->kept[k].key, user->seats[i]->node, ms, 0, 0);
		if (user)
			hcp__kept_user__free_unpacked(user, NULL);
	}
}

/* What an hour of one node costs: the units of one node, each at `price`. */
static double price_of(const struct hcd_fsm *fsm)
{
	static struct pol_config config;
	static const enum pol_key keys[] = { POL_PRICE, POL_BASE_UNITS };
	int64_t price;

	pol_config_init(&config);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = hcd_fsm_setting(fsm, pol_key_info(keys[i])->name);

		if (value)
			pol_config_set(&config, keys[i], value);
	}
	price = pol_config_get(&config, POL_PRICE);
	if (!pol_known(price))
		return -1;
	return POL_F(price) * POL_F(pol_config_get(&config, POL_BASE_UNITS));
}

static int by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : x->node < y->node ? -1 : x->node > y->node;
}

static json_t *row_json(const struct hcd_fsm *fsm, const struct row *row, bool by_node,
			size_t id, double price)
{
	json_t *j = json_pack("{s:I, s:f, s:f, s:f}", "id", (json_int_t)id, "node_seconds",
			      (double)row->node_ms / 1e3, "cpu_seconds", (double)row->cpu_us / 1e6,
			      "byte_seconds", (double)row->byte_s);
	const struct hcd_member *m = by_node ? hcd_fsm_member(fsm, row->node) : NULL;

	if (by_node) {
		json_object_set_new(j, "node", json_integer(row->node));
		json_object_set_new(j, "name", json_string(m ? m->name : ""));
	} else {
		json_object_set_new(j, "user", json_string(row->name));
	}
	if (price >= 0)
		json_object_set_new(j, "cost", json_real((double)row->node_ms / 3.6e6 * price));
	return j;
}

void hcd_do_usage_report(struct hcd_request *req)
{
	const struct hcd_fsm *fsm = req->d->control->fsm;
	struct report rep = { 0 };
	json_int_t after = 0, from_ms = 0, to_ms = 0;
	const char *by = "user";
	uint64_t now_ms;
	json_t *rows;
	size_t i;

	if (!hcd_request_unpack(req, "{s?s, s?s, s?I, s?I, s?I}", "by", &by, "user", &rep.only,
				"from_ms", &from_ms, "to_ms", &to_ms, "after", &after) ||
	    !hcd_request_member(req) || !hcd_request_user(req, &rep.only))
		return;
	rep.by_node = strcmp(by, "node") == 0;
	if (!rep.by_node && strcmp(by, "user") != 0) {
		hcd_request_fail(req, "Usage is shown by user or by node, not by '%.32s'.", by);
		return;
	}
	now_ms = hcd_control_log_ms(req->d->control);
	if (from_ms < 0 || to_ms < 0 || after < 0 || (to_ms && to_ms <= from_ms)) {
		hcd_request_fail(req, "The period must end after it begins.");
		return;
	}
	/* Charges are kept by the hour: so are the borders of a period. */
	rep.from_ms = (uint64_t)from_ms / HCD_HOUR_MS * HCD_HOUR_MS;
	rep.to_ms = to_ms ? ((uint64_t)to_ms + HCD_HOUR_MS - 1) / HCD_HOUR_MS * HCD_HOUR_MS :
			    UINT64_MAX;
	collect(fsm, &rep, now_ms);
	if (rep.is_short) {
		free(rep.rows);
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	if (rep.nr)
		qsort(rep.rows, rep.nr, sizeof(rep.rows[0]), by_name);
	rows = json_array();
	for (i = (size_t)after; i < rep.nr && json_array_size(rows) < USAGE_ROWS; i++)
		json_array_append_new(rows, row_json(fsm, &rep.rows[i], rep.by_node, i + 1,
						     price_of(fsm)));
	free(rep.rows);
	hcd_request_ok(req, json_pack("{s:o, s:b, s:I, s:I}", "usage", rows, "more",
				      (int)(i < rep.nr), "from_ms", (json_int_t)rep.from_ms,
				      "to_ms", to_ms ? (json_int_t)rep.to_ms : (json_int_t)now_ms));
}
