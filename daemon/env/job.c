// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs of jobs on this node: see job.h. One thing at a time is asked of the helper. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/env/helper.h"
#include "daemon/env/job_table.h"
#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "daemon/node/work.h"

#define TICK_MS		1000
#define LOOK_MS		800
#define LIST_MS		30000
#define RETRY_MS	2000
#define FAILURES_MAX	15	/* then another node may try */
#define TERM_MS		10000	/* from the kind signal to the other one */
#define LOOK_MAX	512	/* runs of one question */
#define STALE_MAX	1024

enum op { OP_LOOK, OP_RUN, OP_TERM, OP_KILL, OP_LIST, OP_DEL };

struct op_job {
	struct hcd_job job;
	struct hcd_jobs *js;
	enum op op;
	uint64_t id;
	uint32_t run;
	json_t *request, *answer;
	char run_dir[HCD_PATH_LEN];
};

static struct hcd_run *find(struct hcd_jobs *js, uint64_t id, uint32_t run)
{
	struct hcd_run *r = js->runs;

	while (r && (r->id != id || r->run != run))
		r = r->next;
	return r;
}

static bool is_over(const struct hcd_run *r)
{
	return r->sight > POL_SIGHT_RUNNING;
}

/* ---- telling ---------------------------------------------------- */

static void send_report(struct hcd *d, Hcp__JobReport *msg)
{
	uint32_t controller = hcd_control_controller(d->control), self = d->config.node.id;
	struct hcd_peer *peer = controller ? hcd_cluster_peer(d->cluster, controller) : NULL;
	size_t len = hcp__job_report__get_packed_size(msg);
	uint8_t *data;

	if (controller != self) {
		if (peer)
			hcd_cluster_send(peer, HCD_FRAME_JOB_REPORT, &msg->base);
		return;
	}
	data = malloc(len + 1);
	if (data) {
		hcp__job_report__pack(msg, data);
		hcd_rules_job_report(d->control->rules, self, data, len);
	}
	free(data);
}

static void tell(struct hcd_jobs *js)
{
	Hcp__JobReport msg = HCP__JOB_REPORT__INIT;
	size_t nr_ready = 0, nr_runs = 0;
	Hcp__JobSight *sights, **list;
	char **ready;

	for (struct hcd_container *c = hcd_container_first(js->d->containers); c; c = c->next)
		nr_ready += c->state == HCD_CONTAINER_RUNNING;
	for (const struct hcd_run *r = js->runs; r; r = r->next)
		nr_runs++;
	sights = calloc(nr_runs + 1, sizeof(*sights));
	list = calloc(nr_runs + 1, sizeof(*list));
	ready = calloc(nr_ready + 1, sizeof(*ready));
	if (sights && list && ready) {
		msg.incarnation = js->d->control->identity.incarnation;
		msg.ready = ready;
		msg.jobs = list;
		for (struct hcd_container *c = hcd_container_first(js->d->containers); c;
		     c = c->next)
			if (c->state == HCD_CONTAINER_RUNNING)
				ready[msg.n_ready++] = c->name;
		for (struct hcd_run *r = js->runs; r; r = r->next) {
			Hcp__JobSight *s = &sights[msg.n_jobs];

			if (r->sight == POL_SIGHT_NONE)
				continue;
			hcp__job_sight__init(s);
			s->id = r->id;
			s->run = r->run;
			s->what = r->sight;
			s->status = r->status;
			s->text = r->text;
			list[msg.n_jobs++] = s;
		}
		send_report(js->d, &msg);
	}
	free(sights);
	free(list);
	free(ready);
}

static void see(struct hcd_jobs *js, struct hcd_run *r, enum pol_job_sight sight, int status,
		const char *text)
{
	if (r->sight == sight)
		return;
	r->sight = sight;
	r->status = status;
	snprintf(r->text, sizeof(r->text), "%s", text);
	tell(js);
}

/* ---- what the state wants ---------------------------------------------------- */

static void want(struct hcd_jobs *js, const Hcp__KeptJob *job)
{
	struct hcd_run *r = find(js, job->id, job->run);

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return;
		r->id = job->id;
		r->run = job->run;
		snprintf(r->user, sizeof(r->user), "%s", job->user);
		r->next = js->runs;
		js->runs = r;
		js->looked_ms = 0;
	}
	r->is_wanted = true;
	r->is_begun = job->state == POL_JOB_RUNNING;
	r->is_stopping = job->is_stopping;
}

static Hcp__KeptJob *job_of(struct hcd *d, const struct hcd_kept *k)
{
	Hcp__KeptJob *job = k && k->kind == HCD_KEPT_JOB ?
			    hcp__kept_job__unpack(NULL, k->len, k->data) : NULL;

	if (job && job->node != d->config.node.id) {
		hcp__kept_job__free_unpacked(job, NULL);
		job = NULL;
	}
	return job;
}

static void read_state(struct hcd_jobs *js)
{
	const struct hcd_fsm *fsm = js->d->control->fsm;
	struct hcd_run **at;

	for (struct hcd_run *r = js->runs; r; r = r->next)
		r->is_wanted = false;
	for (size_t i = 0; i < fsm->nr_kept; i++) {
		Hcp__KeptJob *job = job_of(js->d, &fsm->kept[i]);

		if (job && (job->state == POL_JOB_PLACED || job->state == POL_JOB_RUNNING))
			want(js, job);
		if (job)
			hcp__kept_job__free_unpacked(job, NULL);
	}
	for (at = &js->runs; *at;) {
		struct hcd_run *r = *at;

		if (r->is_wanted) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		free(r);
	}
}

/* Does the state still tell of that run, so that its output may be asked for? */
static bool is_known(struct hcd_jobs *js, uint64_t id, uint32_t run)
{
	Hcp__KeptJob *job;
	char key[24];
	bool found;

	snprintf(key, sizeof(key), "%llu", (unsigned long long)id);
	job = job_of(js->d, hcd_fsm_kept(js->d->control->fsm, HCD_KEPT_JOB, key));
	found = job && job->run == run && job->state != POL_JOB_QUEUED;
	if (job)
		hcp__kept_job__free_unpacked(job, NULL);
	return found;
}

/* ---- asking the helper ---------------------------------------------------- */

static json_t *name_of(uint64_t id, uint32_t run)
{
	return json_sprintf("%llu.%u", (unsigned long long)id, run);
}

static bool parse_name(const char *name, uint64_t *ret_id, uint32_t *ret_run)
{
	unsigned long long id;
	unsigned int run;
	char end;

	if (!name || sscanf(name, "%llu.%u%c", &id, &run, &end) != 2)
		return false;
	*ret_id = id;
	*ret_run = run;
	return true;
}

static int op_run(struct hcd_job *job, struct hcnl *h)
{
	struct op_job *o = (struct op_job *)job;

	job->error[0] = '\0';
	return hcd_helper_ask(o->run_dir, o->request, NULL, NULL, &o->answer, job->error);
}

static void op_done(struct hcd_job *job);

/* @request is taken; NULL: memory is short. */
static bool ask(struct hcd_jobs *js, enum op op, uint64_t id, uint32_t run, json_t *request)
{
	struct op_job *o = request ? calloc(1, sizeof(*o)) : NULL;

	if (!o) {
		json_decref(request);
		return false;
	}
	o->job.run = op_run;
	o->job.done = op_done;
	o->js = js;
	o->op = op;
	o->id = id;
	o->run = run;
	o->request = request;
	snprintf(o->run_dir, sizeof(o->run_dir), "%s", js->d->run_dir);
	js->is_busy = true;
	hcd_queue_submit_beside(hcd_module_queue(js->d->module), &o->job);
	return true;
}

static bool begin_run(struct hcd_jobs *js, const struct hcd_run *r, const struct hcd_container *c)
{
	json_t *argv = json_array(), *request = NULL;
	Hcp__KeptJob *job;
	char key[24];

	snprintf(key, sizeof(key), "%llu", (unsigned long long)r->id);
	job = job_of(js->d, hcd_fsm_kept(js->d->control->fsm, HCD_KEPT_JOB, key));
	for (size_t i = 0; job && i < job->n_argv; i++)
		json_array_append_new(argv, json_string(job->argv[i]));
	/* Words that are no UTF-8 were refused when the job was submitted. */
	if (job && job->run == r->run && json_array_size(argv) == job->n_argv)
		request = json_pack("{s:s, s:s, s:I, s:s, s:o, s:O, s:s, s:I}", "do", "job.run",
				    "name", c->name, "id", (json_int_t)c->id, "network",
				    js->d->config.env.network, "run", name_of(r->id, r->run),
				    "argv", argv, "folder", job->folder, "by", (json_int_t)job->by);
	json_decref(argv);
	if (job)
		hcp__kept_job__free_unpacked(job, NULL);
	return ask(js, OP_RUN, r->id, r->run, request);
}

static bool stop_run(struct hcd_jobs *js, const struct hcd_run *r, bool is_kill)
{
	return ask(js, is_kill ? OP_KILL : OP_TERM, r->id, r->run,
		   json_pack("{s:s, s:o, s:b}", "do", "job.stop", "run", name_of(r->id, r->run),
			     "kill", (int)is_kill));
}

/* What there is to do for one run. Return: true, the helper was asked. */
static bool step(struct hcd_jobs *js, struct hcd_run *r, uint64_t now_ms)
{
	struct hcd_container *c;

	if (is_over(r) || r->retry_ms > now_ms)
		return false;
	switch (r->look) {
	case HCD_LOOK_NOTHING:
		if (r->is_stopping) {
			see(js, r, POL_SIGHT_STOPPED, 0, "");
		} else if (r->is_begun) {
			see(js, r, POL_SIGHT_LOST, 0, "Nothing is known of this run on its node.");
		} else if (hcd_control_is_current(js->d->control)) {
			c = hcd_container_find(js->d->containers, r->user);
			if (c && c->state == HCD_CONTAINER_RUNNING)
				return begin_run(js, r, c);
			/* It ran when the controller looked; perhaps it comes back. */
			r->retry_ms = now_ms + RETRY_MS;
			if (++r->failures >= FAILURES_MAX)
				see(js, r, POL_SIGHT_LOST, 0, "The environment's container does not run there.");
		}
		return false;
	case HCD_LOOK_RUNNING:
		see(js, r, POL_SIGHT_RUNNING, 0, "");
		if (!r->is_stopping)
			return false;
		if (!r->term_ms) {
			r->term_ms = now_ms;
			return stop_run(js, r, false);
		}
		return now_ms - r->term_ms >= TERM_MS && stop_run(js, r, true);
	case HCD_LOOK_LOST:
		/* What is left of it, if anything, goes first: then it is lost for sure. */
		return stop_run(js, r, true);
	default:
		return false;
	}
}

static bool look(struct hcd_jobs *js, uint64_t now_ms)
{
	json_t *runs = json_array();

	for (const struct hcd_run *r = js->runs; r; r = r->next)
		if (!is_over(r) && json_array_size(runs) < LOOK_MAX)
			json_array_append_new(runs, name_of(r->id, r->run));
	if (!json_array_size(runs)) {
		json_decref(runs);
		return false;
	}
	js->looked_ms = now_ms;
	return ask(js, OP_LOOK, 0, 0, json_pack("{s:s, s:o}", "do", "job.look", "runs", runs));
}

static void next(struct hcd_jobs *js)
{
	uint64_t now_ms = hcd_control_now(js->d->control);

	if (js->is_busy || js->is_stopping)
		return;
	if ((!js->looked_ms || now_ms - js->looked_ms >= LOOK_MS) && look(js, now_ms))
		return;
	for (struct hcd_run *r = js->runs; r; r = r->next)
		if (step(js, r, now_ms))
			return;
	while (js->nr_stale && hcd_control_is_current(js->d->control)) {
		const uint64_t *at = &js->stale[2 * --js->nr_stale];

		if (!is_known(js, at[0], (uint32_t)at[1]) &&
		    ask(js, OP_DEL, at[0], (uint32_t)at[1],
			json_pack("{s:s, s:o}", "do", "job.del", "run", name_of(at[0], (uint32_t)at[1]))))
			return;
	}
	if (!js->listed_ms || now_ms - js->listed_ms >= LIST_MS) {
		js->listed_ms = now_ms;
		ask(js, OP_LIST, 0, 0, json_pack("{s:s}", "do", "job.list"));
	}
}

/* ---- what it answered ---------------------------------------------------- */

static void take_look(struct hcd_jobs *js, json_t *answer)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(answer, "runs"), i, row) {
		const char *what = json_string_value(json_object_get(row, "state")) ? : "";
		struct hcd_run *r = NULL;
		uint64_t id;
		uint32_t run;

		if (parse_name(json_string_value(json_object_get(row, "run")), &id, &run))
			r = find(js, id, run);
		if (!r)
			continue;
		r->look = strcmp(what, "running") == 0 ? HCD_LOOK_RUNNING :
			  strcmp(what, "ended") == 0 ? HCD_LOOK_ENDED :
			  strcmp(what, "lost") == 0 ? HCD_LOOK_LOST : HCD_LOOK_NOTHING;
		if (r->look == HCD_LOOK_ENDED)
			see(js, r, POL_SIGHT_ENDED,
			    (int)json_integer_value(json_object_get(row, "status")), "");
	}
}

static void take_run(struct hcd_jobs *js, struct hcd_run *r, const struct op_job *o)
{
	if (o->job.result == 0) {
		hcd_log(LOG_INFO, 0, r->user, "Job %llu of user %s has begun.",
			(unsigned long long)r->id, r->user);
		r->look = HCD_LOOK_RUNNING;
		see(js, r, POL_SIGHT_RUNNING, 0, "");
	} else if (o->job.result == -EEXIST) {
		js->looked_ms = 0;	/* begun before this daemon was */
		r->retry_ms = hcd_control_now(js->d->control) + RETRY_MS;
	} else if (o->job.result == -ENOEXEC) {
		see(js, r, POL_SIGHT_FAILED, 0, o->job.error);
	} else {
		r->retry_ms = hcd_control_now(js->d->control) + RETRY_MS;
		if (++r->failures >= FAILURES_MAX)
			see(js, r, POL_SIGHT_LOST, 0, o->job.error);
	}
}

static void take_list(struct hcd_jobs *js, json_t *answer)
{
	json_t *names = json_object_get(answer, "runs"), *v;
	size_t i;

	js->nr_stale = 0;
	if (!js->stale)
		js->stale = calloc(STALE_MAX, 2 * sizeof(*js->stale));
	json_array_foreach(names, i, v) {
		uint64_t *at = js->stale + 2 * js->nr_stale;
		uint32_t run;

		if (!js->stale || js->nr_stale == STALE_MAX ||
		    !parse_name(json_string_value(v), &at[0], &run) || is_known(js, at[0], run))
			continue;
		at[1] = run;
		js->nr_stale++;
	}
}

static void take(struct hcd_jobs *js, struct hcd_run *r, const struct op_job *o)
{
	/* What went wrong is asked again; a run that can't begin is told. */
	if (o->job.result < 0 && o->op != OP_RUN)
		return;
	if (o->op == OP_LOOK)
		take_look(js, o->answer);
	else if (o->op == OP_LIST)
		take_list(js, o->answer);
	else if (o->op == OP_RUN && r)
		take_run(js, r, o);
	else if (o->op == OP_KILL && r && r->look == HCD_LOOK_LOST)
		see(js, r, POL_SIGHT_LOST, 0, "Its keeper or its node ended before it did.");
}

static void op_done(struct hcd_job *job)
{
	struct op_job *o = (struct op_job *)job;
	struct hcd_jobs *js = o->js;
	struct hcd_run *r = js->is_stopping ? NULL : find(js, o->id, o->run);

	js->is_busy = false;
	if (!js->is_stopping)
		take(js, r, o);
	json_decref(o->request);
	json_decref(o->answer);
	/* A helper that is not there is asked again with the next tick. */
	if (!js->is_stopping && (job->result == 0 || o->op == OP_RUN))
		next(js);
	free(o);
}

/* ---- life ---------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
	struct hcd_jobs *js = timer->data;

	if (!js->d->control->consensus)
		return;
	read_state(js);
	tell(js);
	hcd_jobs_reads_expire(js, false);
	next(js);
}

struct hcd_jobs *hcd_jobs_start(struct hcd *d)
{
	struct hcd_jobs *js = calloc(1, sizeof(*js));

	if (!js)
		return NULL;
	js->d = d;
	uv_timer_init(d->loop, &js->timer);
	js->timer.data = js;
	uv_timer_start(&js->timer, on_tick, TICK_MS, TICK_MS);
	return js;
}

static void on_closed(uv_handle_t *handle)
{
	struct hcd_jobs *js = handle->data;

	hcd_jobs_reads_expire(js, true);
	while (js->runs) {
		struct hcd_run *r = js->runs;

		js->runs = r->next;
		free(r);
	}
	free(js->stale);
	js->stale = NULL;
	/* A worker may still come back to it: then it goes with the process. */
	if (!js->is_busy)
		free(js);
}

void hcd_jobs_stop(struct hcd_jobs *js)
{
	js->is_stopping = true;
	uv_close((uv_handle_t *)&js->timer, on_closed);
}
