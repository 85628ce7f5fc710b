// SPDX-License-Identifier: GPL-2.0-or-later
/* What the controller has the rules do next, and the way into the log and back: see rules.h. */
#include "daemon/cluster/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/node/log.h"

#define NS_PER_MS	1000000LL
#define SAMPLE_MS	1000
#define UPGRADE_MS	2000
#define RETRY_MS	1000	/* after what the log did not take: it may go on so for hours */
#define AT_ONCE		64	/* things done without the log, before others get their turn */

struct hcd_rules *hcd_rules_new(struct hcd_control *c)
{
	struct hcd_rules *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->c = c;
	hcp__kept_pool__init(&r->pool);
	return r;
}

void hcd_rules_cancel(struct hcd_rules *r)
{
	while (r->wishes) {
		struct hcd_wish *w = r->wishes;

		r->wishes = w->next;
		hcd_wish_done(r, w, -ESTALE, NULL);
	}
}

void hcd_rules_free(struct hcd_rules *r)
{
	if (!r)
		return;
	hcd_outcome_clear(&r->out);
	hcd_rules_reports_free(r);
	hcd_rules_job_reports_free(r);
	pol_state_free(r->st);
	free(r);
}

/* The next time the state is needed it is made anew. */
static void forget(struct hcd_rules *r)
{
	pol_state_free(r->st);
	r->st = NULL;
	r->nr_fed = 0;
	r->fed_serial = 0;
}

/* ---- one event ------------------------------------------------------------------------- */

static int run(struct hcd_rules *r, const struct pol_event *ev)
{
	const struct pol_sink sink = { .decide = hcd_rules_decide, .arg = r };

	return pol_step(r->st, ev, (int64_t)r->now_ms * NS_PER_MS, &sink);
}

/* The same about a node, with what it is for those who explain. */
static int run_node(struct hcd_rules *r, enum pol_event_kind kind, const char *what, uint32_t node,
		    const struct pol_node_info *join)
{
	const struct pol_event ev = { .kind = kind, .node = node, .join = join,
				      .load = POL_UNKNOWN };
	json_t *event = json_pack("{s:s, s:I}", "do", what, "node", (json_int_t)node);
	int ret;

	r->event = event;
	ret = run(r, &ev);
	r->event = NULL;
	json_decref(event);
	return ret;
}

static void feed_loads(struct hcd_rules *r)
{
	const struct hcd_fsm *fsm = r->c->fsm;

	for (size_t i = 0; i < fsm->nr_members; i++) {
		struct pol_node_info info;
		struct pol_event ev = { .kind = POL_EV_LOAD, .node = fsm->members[i].id };

		hcd_rules_node(r, &fsm->members[i], &info);
		ev.load = info.load;
		if (pol_known(ev.load))
			ev.load = hcd_rules_echoed(r, info.id, ev.load);
		ev.avg = info.avg;
		run(r, &ev);	/* -ENOENT: it joins in a moment */
	}
}

/* ---- into the log ------------------------------------------------------------------------ */

static void begin_step(struct hcd_rules *r)
{
	hcd_outcome_clear(&r->out);
	r->is_tick = false;
	r->event = NULL;
}

static void answer(struct hcd_rules *r, int error, uint64_t number)
{
	struct hcd_wish *w = r->doing;
	struct hcd_result result = { .number = number };
	json_t *detail;
	char *text;

	r->doing = NULL;
	if (!w)
		return;
	if (error) {
		hcd_wish_done(r, w, error, NULL);
		return;
	}
	if (r->out.is_refused) {
		result.error = -EPERM;
		snprintf(result.text, sizeof(result.text), "%s", r->out.refusal);
	}
	detail = json_pack("{s:O, s:I, s:b}", "decisions", r->out.json ? r->out.json : json_null(),
			   "first", (json_int_t)number, "dry_run", (int)w->msg->is_dry_run);
	if (r->out.job_id)
		json_object_set_new(detail, "job", json_integer((json_int_t)r->out.job_id));
	text = json_dumps(detail, JSON_COMPACT);
	json_decref(detail);
	result.detail = text;
	hcd_wish_done(r, w, 0, &result);
	free(text);
}

static void on_done(int error, const struct hcd_result *result, void *arg)
{
	struct hcd_rules *r = arg;

	r->is_busy = false;
	if (error == 0 && result->error == 0) {
		/* Nothing else came between: what we have is what the log has. */
		if (r->changes + 1 == r->c->fsm->changes)
			r->changes++;
		answer(r, 0, result->number);
	} else {
		forget(r);
		if (error)
			r->retry_ms = hcd_control_now(r->c) + RETRY_MS;
		if (error == 0 && result->error == -EAGAIN && r->doing) {
			r->doing->next = r->wishes;	/* decided anew */
			r->wishes = r->doing;
			r->doing = NULL;
		} else if (error == 0 && r->doing) {
			r->out.is_refused = true;
			snprintf(r->out.refusal, sizeof(r->out.refusal), "%s", result->text);
			answer(r, 0, 0);
		} else {
			answer(r, error, 0);
		}
	}
	hcd_control_poke(r->c);
}

/* What came of the events goes into the log. Return: true when it is on its way. */
static bool commit(struct hcd_rules *r)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Step step = HCP__STEP__INIT;
	int ret;

	if (r->doing && (r->doing->msg->is_dry_run || !r->out.nr)) {
		bool is_dry_run = r->doing->msg->is_dry_run;

		answer(r, 0, 0);
		if (is_dry_run)
			forget(r);
		return false;
	}
	ret = hcd_rules_diff(r, &step.changes, &step.n_changes);
	if (ret < 0) {
		forget(r);
		r->retry_ms = hcd_control_now(r->c) + RETRY_MS;
		answer(r, ret, 0);
		return false;
	}
	if (!step.n_changes && !r->out.nr)
		return false;
	if (r->out.nr_left_out)
		hcd_warn("%zu decisions of one step are not in the log of decisions: it takes %d at a time.",
			 r->out.nr_left_out, HCD_RULES_DECISIONS);
	step.after = r->c->fsm->steps;
	step.decisions = r->out.list;
	step.n_decisions = r->out.nr;
	command.by = r->c->identity.self.at.id;
	command.what_case = HCP__COMMAND__WHAT_STEP;
	command.step = &step;
	r->is_busy = true;
	ret = hcd_control_propose(r->c, &command, on_done, r);
	hcd_rules_free_changes(step.changes, step.n_changes);
	if (ret == 0)
		return true;
	r->is_busy = false;
	forget(r);
	r->retry_ms = hcd_control_now(r->c) + RETRY_MS;
	answer(r, ret == -ESTALE ? -EAGAIN : ret, 0);
	return false;
}

/* ---- what there is to do ------------------------------------------------------------------ */

/* Members that came, went, died, are back, or are drained. Return: how many events that was. */
static size_t sync_members(struct hcd_rules *r)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	struct pol_node_view v;
	size_t nr = 0;

	for (size_t i = 0; pol_look(r->st, i, POL_HOUR, &v); i++) {
		const struct hcd_member *m = hcd_fsm_member(fsm, v.id);

		if (!m) {
			nr += run_node(r, POL_EV_GONE, "remove", v.id, NULL) == 0;
			continue;
		}
		if (m->is_dead != v.is_failed)
			nr += run_node(r, m->is_dead ? POL_EV_FAIL : POL_EV_RECOVER,
				       m->is_dead ? "fail" : "recover", v.id, NULL) == 0;
		if (m->is_drained != v.is_drained)
			nr += run_node(r, m->is_drained ? POL_EV_DRAIN : POL_EV_UNDRAIN,
				       m->is_drained ? "drain" : "undrain", v.id, NULL) == 0;
	}
	for (size_t i = 0; i < fsm->nr_members; i++) {
		struct pol_node_info info;

		/* Of a node that joins dead nothing is known: it joins when it is back. */
		if (fsm->members[i].is_dead)
			continue;
		hcd_rules_node(r, &fsm->members[i], &info);
		info.is_drained = fsm->members[i].is_drained;
		nr += run_node(r, POL_EV_JOIN, "join", info.id, &info) == 0;
	}
	return nr;
}

static bool has_gone(const struct hcd_rules *r)
{
	struct pol_node_view v;

	for (size_t i = 0; pol_look(r->st, i, POL_HOUR, &v); i++)
		if (!hcd_fsm_member(r->c->fsm, v.id))
			return true;
	return false;
}

static int64_t period_ms(const struct hcd_rules *r, enum pol_key key)
{
	return pol_config_get(&r->config, key) / NS_PER_MS;
}

/* R16: how much of the node time that he was promised a user had since the last review. */
static int64_t usage_of(const struct hcd_rules *r, const char *user, uint64_t since_ms)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	const struct hcd_kept *k = hcd_fsm_kept(fsm, HCD_KEPT_USER, user);
	Hcp__KeptUser *msg = k ? hcp__kept_user__unpack(NULL, k->len, k->data) : NULL;
	double had_ms = 0, base = POL_F(pol_config_get(&r->config, POL_BASE_UNITS));
	double span_ms = r->now_ms > since_ms ? (double)(r->now_ms - since_ms) : 0;
	size_t promised = 0;

	for (size_t i = 0; msg && !msg->has_units && i < msg->n_seats; i++)
		promised += msg->seats[i]->is_own;
	if (msg && msg->has_units)
		promised = (size_t)(POL_F(msg->units) / base + 0.999999999);
	for (size_t i = 0; i < fsm->nr_charges; i++)
		if (strcmp(fsm->charges[i].user, user) == 0 &&
		    fsm->charges[i].hour >= since_ms / HCD_HOUR_MS)
			had_ms += (double)fsm->charges[i].node_ms;
	for (size_t i = 0; msg && i < msg->n_seats; i++)
		if (msg->seats[i]->is_active && r->now_ms > fsm->charged_ms)
			had_ms += (double)(r->now_ms - fsm->charged_ms);
	if (msg)
		hcp__kept_user__free_unpacked(msg, NULL);
	if (!promised || span_ms <= 0)
		return 0;
	had_ms /= span_ms * (double)promised;
	return pol_num(had_ms > 1 ? 1 : had_ms);
}

static void review_all(struct hcd_rules *r, uint64_t since_ms)
{
	const struct hcd_fsm *fsm = r->c->fsm;

	for (size_t i = 0; i < fsm->nr_kept; i++) {
		struct pol_event ev = { .kind = POL_EV_REVIEW, .load = POL_UNKNOWN };
		json_t *event;

		if (fsm->kept[i].kind != HCD_KEPT_USER || strcmp(fsm->kept[i].key, POL_ADMIN) == 0)
			continue;
		ev.user = fsm->kept[i].key;
		ev.usage = usage_of(r, ev.user, since_ms);
		event = json_pack("{s:s, s:s, s:f}", "do", "review", "user", ev.user, "usage",
				  POL_F(ev.usage));
		r->event = event;
		run(r, &ev);
		r->event = NULL;
		json_decref(event);
	}
}

/* The periods' ends, one at a time and in SPEC's order. Return: true = one is over. */
static bool run_period(struct hcd_rules *r)
{
	const struct {
		enum pol_key key;
		enum pol_event_kind kind;
		const char *what;
		uint64_t *last_ms;
	} periods[] = {
		{ POL_IDLE_PERIOD, POL_EV_IDLE, "idle", &r->pool.idle_ms },
		{ POL_CONSOLIDATE_PERIOD, POL_EV_CONSOLIDATE, "consolidate",
		  &r->pool.consolidate_ms },
		{ POL_REVIEW_PERIOD, POL_EV_REVIEW, "review", &r->pool.review_ms },
		{ POL_SPARE_PERIOD, POL_EV_SPARE, "spare", &r->pool.spare_ms },
	};

	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
		struct pol_event ev = { .kind = periods[i].kind, .load = POL_UNKNOWN };
		uint64_t since_ms = *periods[i].last_ms;
		json_t *event;

		if (!since_ms) {
			*periods[i].last_ms = r->now_ms;	/* the first one begins */
			continue;
		}
		if (r->now_ms < since_ms + (uint64_t)period_ms(r, periods[i].key))
			continue;
		*periods[i].last_ms = r->now_ms;
		if (ev.kind == POL_EV_REVIEW) {
			review_all(r, since_ms);
			return true;
		}
		event = json_pack("{s:s}", "do", periods[i].what);
		r->event = event;
		run(r, &ev);
		r->event = NULL;
		json_decref(event);
		return true;
	}
	return false;
}

static void run_tick(struct hcd_rules *r)
{
	const struct pol_event ev = { .kind = POL_EV_TICK, .load = POL_UNKNOWN };
	json_t *event = json_pack("{s:s}", "do", "tick");

	r->event = event;
	r->is_tick = true;
	run(r, &ev);
	r->is_tick = false;
	r->event = NULL;
	json_decref(event);
}

/* Not without end: a balance_period of 0 leaves wishes their turn, too. */
static bool is_tick_due(const struct hcd_rules *r, uint64_t now_ms)
{
	uint64_t period = (uint64_t)period_ms(r, POL_BALANCE_PERIOD);

	return now_ms - r->tick_ms >= (period > HCD_TICK_MS ? period : HCD_TICK_MS);
}

/* Return: true when a step is on its way. */
static bool grant(struct hcd_rules *r, struct hcd_wish *w)
{
	struct pol_event ev;
	json_t *event = NULL;
	char text[128];
	int ret;

	r->doing = w;
	ret = hcd_rules_env_wish(r, w->msg);
	if (ret > 0 && !r->out.is_refused)
		return commit(r);
	if (ret < 0) {
		forget(r);
		answer(r, ret, 0);
		return false;
	}
	if (ret > 0) {
		/* What was picked before that goes with it. */
		forget(r);
		answer(r, 0, 0);
		return false;
	}
	ret = hcd_rules_job_wish(r, w->msg);
	if (ret == 0)
		return commit(r);
	if (ret == 1)
		ret = hcd_wish_event(r, w->msg, &ev, &event);
	if (ret == 0) {
		r->event = event;
		ret = run(r, &ev);
		r->event = NULL;
		json_decref(event);
		if (ret == 0 && (ev.kind == POL_EV_USER_ADD || ev.kind == POL_EV_USER_DEL)) {
			bool is_add = ev.kind == POL_EV_USER_ADD;

			snprintf(text, sizeof(text), "User %s was %s.", w->msg->user,
				 is_add ? "added" : "deleted");
			hcd_rules_note(r, is_add ? "user-add" : "user-del", w->msg->user, text);
		}
		if (ret < 0) {
			forget(r);
			answer(r, ret, 0);
			return false;
		}
		return commit(r);
	}
	answer(r, 0, 0);
	return false;
}

/* Return: true when there may be more to do at once. */
static bool do_next(struct hcd_rules *r, uint64_t now_ms)
{
	struct hcd_wish *w;
	uint64_t before_ms;

	if ((!r->st || r->changes != r->c->fsm->changes) && hcd_rules_build(r) < 0)
		return false;
	begin_step(r);
	hcd_rules_feed(r);
	feed_loads(r);
	if (sync_members(r)) {
		bool is_gone = has_gone(r);
		bool is_going = commit(r);

		if (is_gone)
			forget(r);
		return !is_going && !is_gone;
	}
	if (hcd_rules_outcomes(r))
		return !commit(r);
	/* Before wishes, in SPEC's order: however many come, what is overloaded is seen to. */
	if (is_tick_due(r, now_ms)) {
		r->tick_ms = now_ms;
		run_tick(r);
		return !commit(r);
	}
	if (hcd_rules_jobs(r, now_ms))
		return !commit(r);
	if (hcd_rules_envs(r))
		return !commit(r);
	w = r->wishes;
	if (w) {
		r->wishes = w->next;
		w->next = NULL;
		return !grant(r, w);
	}
	before_ms = r->pool.idle_ms;
	if (run_period(r) || !before_ms)
		return !commit(r);
	return false;
}

/* Every living member knows a newer state: it holds from now on. */
static void upgrade(struct hcd_rules *r, uint64_t now_ms)
{
	struct hcd_control *c = r->c;
	uint32_t version = HCD_FSM_VERSION;
	Hcp__Command command = HCP__COMMAND__INIT;

	if (c->fsm->version >= version || now_ms - r->upgrade_ms < UPGRADE_MS)
		return;
	for (size_t i = 0; i < c->fsm->nr_members; i++) {
		const struct hcd_member *m = &c->fsm->members[i];
		const struct hcd_watch *w = hcd_control_watch(c, m->id);

		if (m->is_dead || m->id == c->identity.self.at.id)
			continue;
		if (!w || !w->version_max)
			return;		/* not heard of yet */
		version = w->version_max < version ? w->version_max : version;
	}
	if (version <= c->fsm->version)
		return;
	r->upgrade_ms = now_ms;
	command.by = c->identity.self.at.id;
	command.what_case = HCP__COMMAND__WHAT_UPGRADE;
	command.upgrade = version;
	hcd_control_tell(c, &command);
}

/* We are not the controller: what was asked of us goes to who is. */
static void retire(struct hcd_rules *r)
{
	if (!r->is_busy)
		forget(r);
	while (r->wishes) {
		struct hcd_wish *w = r->wishes;

		r->wishes = w->next;
		hcd_wish_done(r, w, -EAGAIN, NULL);
	}
	memset(r->alerts, 0, sizeof(r->alerts));
}

static void refuse_all(struct hcd_rules *r)
{
	while (r->wishes) {
		struct hcd_result result = { .error = -EPROTONOSUPPORT };
		struct hcd_wish *w = r->wishes;

		r->wishes = w->next;
		snprintf(result.text, sizeof(result.text), "A node of the cluster runs an older version that knows no users yet: bring all nodes to %s.",
			 HC_VERSION);
		hcd_wish_done(r, w, 0, &result);
	}
}

/* Where the log's time went on so far at once that nobody is charged for it, that is an event. */
static void say_jump(struct hcd_rules *r)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	uint64_t days = r->now_ms > fsm->charged_ms ? (r->now_ms - fsm->charged_ms) / 86400000 : 0;
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Decision decision = HCP__DECISION__INIT;
	char text[HCD_DECISION_TEXT_LEN];

	if (!fsm->charged_ms || days <= HCD_CHARGED_DAYS || r->jump_told_ms == fsm->charged_ms)
		return;
	r->jump_told_ms = fsm->charged_ms;
	snprintf(text, sizeof(text), "The cluster's time went on by %llu days at once: no clock is trusted so far, and nobody is charged for that time.",
		 (unsigned long long)days);
	decision.rule = "R19";
	decision.kind = "clock-jump";
	decision.text = text;
	command.by = r->c->identity.self.at.id;
	command.what_case = HCP__COMMAND__WHAT_DECIDE;
	command.decide = &decision;
	hcd_control_tell(r->c, &command);
}

void hcd_rules_tick(struct hcd_rules *r, uint64_t now_ms)
{
	uint64_t log_ms;

	/* Also by those who may be the controller next. */
	if (now_ms - r->sample_ms >= SAMPLE_MS) {
		r->sample_ms = now_ms;
		hcd_rules_sample(r, now_ms);
	}
	if (!r->c->office_ms || !hcd_control_is_controller(r->c)) {
		retire(r);
		return;
	}
	log_ms = hcd_control_log_ms(r->c);
	r->now_ms = log_ms > r->now_ms ? log_ms : r->now_ms;
	upgrade(r, now_ms);
	if (r->c->fsm->version < 2) {
		refuse_all(r);
		return;
	}
	say_jump(r);
	for (int i = 0; i < AT_ONCE && !r->is_busy && now_ms >= r->retry_ms; i++)
		if (!do_next(r, now_ms))
			break;
}
