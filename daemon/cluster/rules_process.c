// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Service processes and their moves, at the controller: see rules.h. Each home tells of its
 * processes; one that runs elsewhere is weighed where it runs. A process whose move is under way
 * counts at its target and is restricted meanwhile. Node loads are smoothed and follow late: what
 * moved just now is put where it belongs (policy/order.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/node/process.h"
#include "daemon/policy/order.h"

#define NS_PER_MS	1000000LL

static int64_t load_of(uint32_t share)
{
	return share && share <= HCD_SHARE_ONE ?
	       pol_num((share - 1) / (double)(HCD_SHARE_ONE - 1)) : POL_UNKNOWN;
}

/* ---- reports ------------------------------------------------------------------------ */

static struct hcd_report *report_of(struct hcd_rules *r, uint32_t node)
{
	for (size_t i = 0; i < r->nr_reports; i++)
		if (r->reports[i].node == node)
			return &r->reports[i];
	return NULL;
}

static void report_drop(struct hcd_rules *r, struct hcd_report *report)
{
	hcp__processes__free_unpacked(report->msg, NULL);
	*report = r->reports[--r->nr_reports];
	r->report_serial++;
}

static bool is_plausible(const Hcp__Processes *msg)
{
	if (msg->n_processes > HCD_PROCESSES_MAX || msg->n_guests > HCD_GUESTS_MAX)
		return false;
	for (size_t i = 0; i < msg->n_processes; i++) {
		const Hcp__Process *p = msg->processes[i];

		if (!p->pid || !hcd_text_is_name(p->user) || strlen(p->name) > HCD_NAME_OF_PROGRAM)
			return false;
	}
	return true;
}

void hcd_rules_report(struct hcd_rules *r, uint32_t node, const void *data, size_t len)
{
	Hcp__Processes *msg = hcp__processes__unpack(NULL, len, data);
	struct hcd_report *report = report_of(r, node);

	if (!msg || msg->incarnation != r->c->identity.incarnation || !is_plausible(msg) ||
	    (!report && r->nr_reports == HCD_MEMBERS_MAX)) {
		if (msg)
			hcp__processes__free_unpacked(msg, NULL);
		return;
	}
	if (!report) {
		report = &r->reports[r->nr_reports++];
		*report = (struct hcd_report){ .node = node };
	}
	if (report->msg)
		hcp__processes__free_unpacked(report->msg, NULL);
	report->msg = msg;
	report->at_ms = hcd_control_now(r->c);
	r->report_serial++;
}

void hcd_rules_reports_free(struct hcd_rules *r)
{
	while (r->nr_reports)
		report_drop(r, r->reports);
	free(r->fed);
	r->fed = NULL;
	r->nr_fed = 0;
}

static bool is_fresh(const struct hcd_rules *r, const struct hcd_report *report)
{
	return hcd_control_now(r->c) - report->at_ms <= HCD_FRESH_MS;
}

static bool is_alive(const struct hcd_rules *r, uint32_t node)
{
	const struct hcd_member *m = hcd_fsm_member(r->c->fsm, node);

	return m && !m->is_dead;
}

/* ---- moves that are under way ------------------------------------------------------------ */

static void key_of(uint32_t home, uint32_t pid, char key[24])
{
	snprintf(key, 24, "%u.%u", home, pid);
}

/* free_unpacked(); NULL = none. */
static Hcp__KeptMove *order_of(const struct hcd_rules *r, uint32_t home, uint32_t pid,
			       uint64_t start)
{
	const struct hcd_kept *k;
	Hcp__KeptMove *msg;
	char key[24];

	key_of(home, pid, key);
	k = hcd_fsm_kept(r->c->fsm, HCD_KEPT_MOVE, key);
	msg = k ? hcp__kept_move__unpack(NULL, k->len, k->data) : NULL;
	if (msg && msg->start == start)
		return msg;
	if (msg)
		hcp__kept_move__free_unpacked(msg, NULL);
	return NULL;
}

static const Hcp__Process *process_of(struct hcd_rules *r, int64_t pid)
{
	struct hcd_report *report = report_of(r, pol_order_home(pid));

	for (size_t i = 0; report && i < report->msg->n_processes; i++)
		if (pol_order_pid(report->node, report->msg->processes[i]->pid) == pid)
			return report->msg->processes[i];
	return NULL;
}

void hcd_rules_order(struct hcd_rules *r, const struct pol_decision *d, const char *rule)
{
	const Hcp__Process *p = process_of(r, d->pid);
	struct hcd_outcome *out = &r->out;
	char name[HCD_NAME_OF_PROGRAM];
	Hcp__KeptMove *msg;
	int64_t load;

	/* Of a process that is not there, at least not where its home can take hold of it. */
	if (!p || p->at || p->is_restricted || pol_order_home(d->pid) != d->from)
		return;
	msg = out->nr_orders < HCD_RULES_ORDERS ? malloc(sizeof(*msg)) : NULL;
	if (!msg) {
		out->nr_left_out++;
		return;
	}
	hcp__kept_move__init(msg);
	msg->id = (r->c->fsm->steps + 1) * HCD_RULES_ORDERS + out->nr_orders;
	msg->home = d->from;
	msg->pid = p->pid;
	msg->start = p->start;
	msg->from = d->from;
	msg->to = d->to;
	msg->rule = strdup(rule);
	msg->user = strdup(p->user);
	hcd_text_clean(name, sizeof(name), p->name, "");
	msg->name = strdup(name);
	load = load_of(p->load);
	msg->has_load = pol_known(load);
	msg->load = msg->has_load ? load : 0;
	if (!msg->rule || !msg->user || !msg->name) {
		hcd_rules_order_free(msg);
		out->nr_left_out++;
		return;
	}
	out->orders[out->nr_orders++] = msg;
}

void hcd_rules_order_free(Hcp__KeptMove *msg)
{
	free(msg->rule);
	free(msg->user);
	free(msg->name);
	free(msg);
}

void hcd_rules_process_text(struct hcd_rules *r, int64_t pid, char *buf, size_t len)
{
	const Hcp__Process *p = process_of(r, pid);
	uint32_t home = pol_order_home(pid), own = (uint32_t)pid;
	char name[HCD_NAME_OF_PROGRAM];

	if (!home) {
		snprintf(buf, len, "%lld", (long long)pid);
		return;
	}
	hcd_text_clean(name, sizeof(name), p ? p->name : "", "");
	if (name[0])
		snprintf(buf, len, "%u of node %u (%s)", own, home, name);
	else
		snprintf(buf, len, "%u of node %u", own, home);
}

const char *hcd_rules_process_user(struct hcd_rules *r, int64_t pid)
{
	const Hcp__Process *p = process_of(r, pid);

	return p ? p->user : NULL;
}

/* ---- what became of them ------------------------------------------------------------------- */

static const Hcp__Outcome *outcome_of(struct hcd_rules *r, const Hcp__KeptMove *order)
{
	const struct hcd_report *report = report_of(r, order->home);

	for (size_t i = 0; report && i < report->msg->n_outcomes; i++)
		if (report->msg->outcomes[i]->id == order->id)
			return report->msg->outcomes[i];
	return NULL;
}

/* Is it over? Then it is said, and the order goes with this step. */
static bool conclude(struct hcd_rules *r, const Hcp__KeptMove *order)
{
	const Hcp__Outcome *o = outcome_of(r, order);
	char text[HCD_DECISION_TEXT_LEN], who[96], why[HCNL_TEXT_LEN] = "";
	const char *kind = "alert";

	snprintf(who, sizeof(who), "Process %u of node %u (%s)", order->pid, order->home,
		 order->name);
	if (o)
		hcd_text_clean(why, sizeof(why), o->text, "");
	if (!is_alive(r, order->home)) {
		snprintf(text, sizeof(text), "%s did not move to node %u: its home is gone.", who,
			 order->to);
	} else if (!o) {
		return false;
	} else if (o->what == POL_ORDER_MOVED) {
		kind = "moved";
		snprintf(text, sizeof(text), "%s runs on node %u now, as %s wanted: it stood still for %.1f ms.",
			 who, order->to, order->rule, (double)o->stopped_us / 1000);
	} else if (o->what == POL_ORDER_ENDED) {
		kind = "ended";
		snprintf(text, sizeof(text), "%s has ended while it was to move to node %u.", who,
			 order->to);
	} else {
		snprintf(text, sizeof(text), "%s stays where it is, node %u would have been better by %s: %s. It is left alone for a while.",
			 who, order->to, order->rule, why[0] ? why :
			 "what became of its move is not known");
	}
	hcd_rules_put(r, order->rule, kind, order->user, order->to, text);
	return true;
}

bool hcd_rules_outcomes(struct hcd_rules *r)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	struct hcd_outcome *out = &r->out;

	for (size_t i = 0; i < fsm->nr_kept && out->nr_ended < HCD_RULES_ORDERS; i++) {
		Hcp__KeptMove *order = NULL;

		if (fsm->kept[i].kind == HCD_KEPT_MOVE)
			order = hcp__kept_move__unpack(NULL, fsm->kept[i].len, fsm->kept[i].data);
		if (order && conclude(r, order))
			snprintf(out->ended[out->nr_ended++], sizeof(out->ended[0]), "%s",
				 fsm->kept[i].key);
		if (order)
			hcp__kept_move__free_unpacked(order, NULL);
	}
	return out->nr_ended;
}

/* ---- into the rules -------------------------------------------------------------------------- */

static int64_t guest_load(struct hcd_rules *r, uint32_t node, uint64_t move)
{
	const struct hcd_report *report = report_of(r, node);

	for (size_t i = 0; report && is_fresh(r, report) && i < report->msg->n_guests; i++)
		if (report->msg->guests[i]->move == move)
			return load_of(report->msg->guests[i]->load);
	return POL_UNKNOWN;
}

/* What was measured of @node still has, or has not yet, a load that moved. */
static void echo(struct hcd_rules *r, uint32_t node, int64_t load)
{
	for (size_t i = 0; pol_known(load) && i < r->nr_loads; i++)
		if (r->loads[i].id == node)
			r->loads[i].echo += load;
}

int64_t hcd_rules_echoed(const struct hcd_rules *r, uint32_t node, int64_t load)
{
	for (size_t i = 0; i < r->nr_loads; i++)
		if (r->loads[i].id == node)
			load += r->loads[i].echo;
	return load < 0 ? 0 : load;
}

static int feed_one(struct hcd_rules *r, const struct hcd_report *report, const Hcp__Process *p)
{
	bool is_known = is_fresh(r, report);
	Hcp__KeptMove *order = order_of(r, report->node, p->pid, p->start);
	uint64_t age_ms = p->moved_ms ? p->moved_ms - 1 : 0;
	int64_t here = is_known ? load_of(p->load) : POL_UNKNOWN, load = here;
	const struct pol_process_info info_of = {
		.pid = pol_order_pid(report->node, p->pid), .user = p->user, .has_kind = true,
		.has_restricted = true,
		.is_restricted = p->is_restricted || p->at || order || !is_known,
		.has_moved = p->moved_ms, .has_load = true,
	};
	struct pol_process_info info = info_of;
	struct pol_event ev = { .kind = POL_EV_PROCESS, .process = &info, .load = POL_UNKNOWN };
	int64_t rest_ms = pol_config_get(&r->config, POL_MOVE_REST) / NS_PER_MS;

	info.node = p->at ? p->at : report->node;
	/* One that could not move is nobody's choice for a while, whatever the rule. */
	if (p->moved_ms && p->has_failed && (int64_t)age_ms < rest_ms)
		info.is_restricted = true;
	if (p->moved_ms)
		info.moved_at = (int64_t)(r->now_ms > age_ms ? r->now_ms - age_ms : 0) * NS_PER_MS;
	if (p->at) {
		load = guest_load(r, p->at, p->move);
		load = pol_known(load) ? load : here;
		if (p->moved_ms && !p->has_failed) {
			echo(r, report->node, -pol_order_echo(here, age_ms));
			echo(r, p->at, pol_order_echo(load, age_ms));
		}
	} else if (order) {
		if (order->has_load && !pol_known(load))
			load = order->load;
		info.node = order->to;
		echo(r, report->node, -pol_order_echo(load, 0));
		echo(r, order->to, pol_order_echo(load, 0));
	}
	info.load = load;
	if (order)
		hcp__kept_move__free_unpacked(order, NULL);
	/* Nobody's, or of a node that is not known yet: -ENOENT. */
	if (!is_alive(r, info.node))
		return -ENOENT;
	return pol_step(r->st, &ev, (int64_t)r->now_ms * NS_PER_MS, &(struct pol_sink){
			.decide = hcd_rules_decide, .arg = r });
}

static int by_pid(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Those that were there before, and are not any more. */
static void feed_exits(struct hcd_rules *r, const int64_t *now, size_t nr)
{
	for (size_t i = 0; i < r->nr_fed; i++) {
		struct pol_event ev = { .kind = POL_EV_EXIT, .pid = r->fed[i],
					.load = POL_UNKNOWN };

		if (!nr || !bsearch(&r->fed[i], now, nr, sizeof(*now), by_pid))
			pol_step(r->st, &ev, (int64_t)r->now_ms * NS_PER_MS, &(struct pol_sink){
				 .decide = hcd_rules_decide, .arg = r });
	}
}

void hcd_rules_feed(struct hcd_rules *r)
{
	size_t room = 0, nr = 0;
	int64_t *now;

	if (r->fed_serial == r->report_serial && r->fed_steps == r->c->fsm->steps)
		return;
	/* What a node that went or died told last is of the past. */
	for (size_t i = r->nr_reports; i-- > 0;)
		if (!is_alive(r, r->reports[i].node))
			report_drop(r, &r->reports[i]);
	for (size_t i = 0; i < r->nr_reports; i++)
		room += r->reports[i].msg->n_processes;
	now = malloc((room + 1) * sizeof(*now));
	if (!now)
		return;
	for (size_t i = 0; i < r->nr_loads; i++)
		r->loads[i].echo = 0;
	for (size_t i = 0; i < r->nr_reports; i++)
		for (size_t k = 0; k < r->reports[i].msg->n_processes; k++) {
			const Hcp__Process *p = r->reports[i].msg->processes[k];

			if (feed_one(r, &r->reports[i], p) == 0)
				now[nr++] = pol_order_pid(r->reports[i].node, p->pid);
		}
	qsort(now, nr, sizeof(*now), by_pid);
	feed_exits(r, now, nr);
	free(r->fed);
	r->fed = now;
	r->nr_fed = nr;
	r->fed_serial = r->report_serial;
	r->fed_steps = r->c->fsm->steps;
}
