// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Jobs at the controller: see rules.h. What is asked for is in the log before it is answered, and
 * so is where it begins before it does. Nodes tell what they see of the runs that were placed on
 * them, again and again, until the state has it: so neither a daemon nor a controller that dies
 * takes anything with it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/env/job.h"
#include "daemon/policy/job.h"

#define LOOK_MS		1000
#define OVER_KEPT	64	/* of one user */
#define WAITING_MAX	256	/* of one user */
#define TEXT_MAX	256

/* ---- what nodes tell ---------------------------------------------------- */

static struct hcd_job_report *report_of(struct hcd_rules *r, uint32_t node)
{
	for (size_t i = 0; i < r->nr_job_reports; i++)
		if (r->job_reports[i].node == node)
			return &r->job_reports[i];
	return NULL;
}

void hcd_rules_job_report(struct hcd_rules *r, uint32_t node, const void *data, size_t len)
{
	Hcp__JobReport *msg = hcp__job_report__unpack(NULL, len, data);
	struct hcd_job_report *report = report_of(r, node);

	if (!msg || msg->incarnation != r->c->identity.incarnation || msg->n_jobs > HCD_JOBS_MAX ||
	    msg->n_ready > HC_ENVS_MAX || (!report && r->nr_job_reports == HCD_MEMBERS_MAX)) {
		if (msg)
			hcp__job_report__free_unpacked(msg, NULL);
		return;
	}
	if (!report) {
		report = &r->job_reports[r->nr_job_reports++];
		*report = (struct hcd_job_report){ .node = node };
	}
	if (report->msg)
		hcp__job_report__free_unpacked(report->msg, NULL);
	report->msg = msg;
	report->at_ms = hcd_control_now(r->c);
	r->jobs_ms = 0;
	hcd_control_poke(r->c);
}

void hcd_rules_job_reports_free(struct hcd_rules *r)
{
	while (r->nr_job_reports)
		hcp__job_report__free_unpacked(r->job_reports[--r->nr_job_reports].msg, NULL);
}

static const Hcp__JobSight *sight_of(struct hcd_rules *r, const Hcp__KeptJob *job)
{
	const struct hcd_job_report *report = report_of(r, job->node);

	for (size_t i = 0; report && i < report->msg->n_jobs; i++)
		if (report->msg->jobs[i]->id == job->id && report->msg->jobs[i]->run == job->run)
			return report->msg->jobs[i];
	return NULL;
}

/* ---- the jobs of the state ---------------------------------------------------- */

struct list {
	Hcp__KeptJob **jobs;	/* by id; those that go with the step are NULL */
	size_t nr;
};

static int by_id(const void *a, const void *b)
{
	const Hcp__KeptJob *x = *(Hcp__KeptJob *const *)a, *y = *(Hcp__KeptJob *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

static void list_free(struct list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->jobs[i])
			hcp__kept_job__free_unpacked(l->jobs[i], NULL);
	free(l->jobs);
}

/* Return: false without memory. */
static bool list_read(const struct hcd_fsm *fsm, struct list *ret)
{
	struct list l = { .jobs = calloc(fsm->nr_kept + 1, sizeof(*l.jobs)) };

	for (size_t i = 0; l.jobs && i < fsm->nr_kept; i++) {
		const struct hcd_kept *k = &fsm->kept[i];

		if (k->kind != HCD_KEPT_JOB)
			continue;
		l.jobs[l.nr] = hcp__kept_job__unpack(NULL, k->len, k->data);
		if (!l.jobs[l.nr]) {
			list_free(&l);
			return false;
		}
		l.nr++;
	}
	if (l.jobs)
		qsort(l.jobs, l.nr, sizeof(*l.jobs), by_id);
	*ret = l;
	return l.jobs;
}

static bool has_room(const struct hcd_rules *r)
{
	return r->out.nr_jobs < HCD_RULES_ORDERS && r->out.nr_gone < HCD_RULES_ORDERS;
}

/* The job goes with this step, as it is now. */
static void change(struct hcd_rules *r, struct list *l, size_t i)
{
	r->out.jobs[r->out.nr_jobs++] = l->jobs[i];
	l->jobs[i] = NULL;
}

static void set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return;		/* the old one, rather than none */
	/* What protobuf-c did not allocate is its own. */
	if (*field != (char *)protobuf_c_empty_string)
		free(*field);
	*field = copy;
}

__attribute__((format(printf, 4, 5)))
static void say(struct hcd_rules *r, const Hcp__KeptJob *job, const char *kind,
		const char *format, ...)
{
	char text[HCD_DECISION_TEXT_LEN], name[HCD_JOB_NAME_LEN + 1], what[384];
	va_list args;

	hcd_text_clean(name, sizeof(name), job->name, "?");
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "Job %llu of user %s (%s) %s", (unsigned long long)job->id,
		 job->user, name, what);
	hcd_rules_put(r, "R2", kind, job->user, job->node, text);
}

/* ---- what became of them ---------------------------------------------------- */

static void after(struct hcd_rules *r, struct list *l, size_t i, enum pol_job_sight sight,
		  int32_t status, const char *why)
{
	Hcp__KeptJob *job = l->jobs[i];
	enum pol_job_state next = pol_job_after((enum pol_job_state)job->state, sight,
						job->is_stopping, job->run);
	char text[TEXT_MAX];

	if (next == (enum pol_job_state)job->state)
		return;
	hcd_text_clean(text, sizeof(text), why, "");
	job->state = next;
	set_text(&job->why, text);
	if (next == POL_JOB_RUNNING || (next == POL_JOB_ENDED && !job->started_ms))
		job->started_ms = r->now_ms;
	if (pol_job_is_over(next)) {
		job->ended_ms = r->now_ms;
		job->status = sight == POL_SIGHT_ENDED ? status : -1;
	}
	switch (next) {
	case POL_JOB_ENDED:
		say(r, job, "job-end", "has ended on node %u with status %d.", job->node,
		    job->status);
		break;
	case POL_JOB_STOPPED:
		say(r, job, "job-end", "was stopped.");
		break;
	case POL_JOB_FAILED:
		say(r, job, "alert", "could not begin on node %u: %s", job->node, text);
		break;
	case POL_JOB_QUEUED:
		say(r, job, "alert", "is lost on node %u and waits to begin anew: %s", job->node, text);
		job->started_ms = 0;
		break;
	case POL_JOB_LOST:
		say(r, job, "alert", "is lost on node %u, for the last of %d times: %s", job->node,
		    POL_JOB_RUNS, text);
		break;
	default:
		break;
	}
	change(r, l, i);
}

static void look(struct hcd_rules *r, struct list *l, size_t i)
{
	Hcp__KeptJob *job = l->jobs[i];
	const struct hcd_member *m = hcd_fsm_member(r->c->fsm, job->node);
	const Hcp__JobSight *sight = sight_of(r, job);

	if (!hcd_fsm_kept(r->c->fsm, HCD_KEPT_USER, job->user) && !pol_job_is_over(job->state) &&
	    !job->is_stopping) {
		job->is_stopping = true;
		if (job->state == POL_JOB_QUEUED) {
			job->state = POL_JOB_STOPPED;
			job->ended_ms = r->now_ms;
			set_text(&job->why, "Its user was deleted.");
		}
		say(r, job, "job-stop", "shall end: its user was deleted.");
		change(r, l, i);
	} else if (job->state != POL_JOB_PLACED && job->state != POL_JOB_RUNNING) {
		return;
	} else if (!m || m->is_dead) {
		after(r, l, i, POL_SIGHT_LOST, 0, m ? "Its node does not answer." :
						      "Its node was removed.");
	} else if (sight) {
		after(r, l, i, (enum pol_job_sight)sight->what, sight->status, sight->text);
	}
}

/* ---- where they begin ---------------------------------------------------- */

static bool is_ready(struct hcd_rules *r, const char *user, uint32_t node)
{
	const struct hcd_job_report *report = report_of(r, node);

	for (size_t i = 0; report && i < report->msg->n_ready; i++)
		if (hcd_control_now(r->c) - report->at_ms <= HCD_FRESH_MS &&
		    strcmp(report->msg->ready[i], user) == 0)
			return true;
	return false;
}

/* On nodes that serve the user now, and where his container runs. */
static bool may(void *arg, const char *user, uint32_t node)
{
	struct hcd_rules *r = arg;
	const struct hcd_kept *k = hcd_fsm_kept(r->c->fsm, HCD_KEPT_USER, user);
	bool is_spread = pol_config_get(&r->config, POL_PLACE_AT_EXEC), found = false;
	Hcp__KeptUser *msg;

	if (!is_ready(r, user, node) || !k)
		return false;
	msg = hcp__kept_user__unpack(NULL, k->len, k->data);
	for (size_t i = 0; msg && i < msg->n_seats; i++) {
		const Hcp__KeptSeat *s = msg->seats[i];

		if (s->node == node && s->is_active && !s->drain_env)
			found = is_spread || (s->env && s->env <= msg->n_envs &&
					      msg->envs[s->env - 1]->leader == node);
	}
	if (msg)
		hcp__kept_user__free_unpacked(msg, NULL);
	return found;
}

static size_t nodes_of(struct hcd_rules *r, struct pol_job_node *nodes)
{
	const struct hcd_fsm *fsm = r->c->fsm;
	size_t nr = 0;

	for (size_t i = 0; i < fsm->nr_members; i++) {
		const struct hcd_member *m = &fsm->members[i];
		struct pol_node_info info;

		if (m->is_dead || m->is_drained)
			continue;
		hcd_rules_node(r, m, &info);
		nodes[nr++] = (struct pol_job_node){
			.id = m->id,
			.cpus = pol_known(info.cpus) ? (uint32_t)(info.cpus / POL_ONE) : 0,
			.load = pol_known(info.load) ? hcd_rules_echoed(r, m->id, info.load) :
						       POL_UNKNOWN,
		};
	}
	return nr;
}

static void place(struct hcd_rules *r, struct list *l)
{
	struct pol_job *jobs = calloc(l->nr + 1, sizeof(*jobs));
	struct pol_job_node *nodes = calloc(HCD_MEMBERS_MAX, sizeof(*nodes));
	size_t nr = nodes ? nodes_of(r, nodes) : 0;

	for (size_t i = 0; jobs && i < l->nr; i++)
		jobs[i] = (struct pol_job){
			.id = l->jobs[i]->id, .user = l->jobs[i]->user, .cpus = l->jobs[i]->cpus,
			.state = (enum pol_job_state)l->jobs[i]->state, .node = l->jobs[i]->node,
		};
	if (jobs && nodes)
		pol_jobs_place(jobs, l->nr, nodes, nr, pol_config_get(&r->config, POL_BALANCE_HIGH),
			       may, r);
	for (size_t i = 0; jobs && i < l->nr && has_room(r); i++) {
		if (!jobs[i].is_new)
			continue;
		l->jobs[i]->state = POL_JOB_PLACED;
		l->jobs[i]->node = jobs[i].node;
		l->jobs[i]->run++;
		set_text(&l->jobs[i]->why, "");
		say(r, l->jobs[i], "place", "begins on node %u, the least loaded that is free.",
		    jobs[i].node);
		change(r, l, i);
	}
	free(jobs);
	free(nodes);
}

/* Of each user the last ones that are over are kept. */
static void forget_old(struct hcd_rules *r, const struct list *l)
{
	for (size_t i = 0; i < l->nr && has_room(r); i++) {
		size_t newer = 0;

		if (!pol_job_is_over(l->jobs[i]->state))
			continue;
		for (size_t k = i + 1; k < l->nr; k++)
			newer += pol_job_is_over(l->jobs[k]->state) &&
				 strcmp(l->jobs[k]->user, l->jobs[i]->user) == 0;
		if (newer >= OVER_KEPT)
			r->out.gone[r->out.nr_gone++] = l->jobs[i]->id;
	}
}

bool hcd_rules_jobs(struct hcd_rules *r, uint64_t now_ms)
{
	struct list l;

	if (r->jobs_ms && now_ms - r->jobs_ms < LOOK_MS && r->jobs_steps == r->c->fsm->steps)
		return false;
	r->jobs_ms = now_ms;
	r->jobs_steps = r->c->fsm->steps;
	if (!list_read(r->c->fsm, &l))
		return false;
	/* One kind of change a step: what follows sees it in the state. */
	for (size_t i = 0; i < l.nr && has_room(r); i++)
		look(r, &l, i);
	if (!r->out.nr_jobs)
		place(r, &l);
	if (!r->out.nr_jobs)
		forget_old(r, &l);
	list_free(&l);
	return r->out.nr_jobs || r->out.nr_gone;
}

/* ---- what users want ---------------------------------------------------- */

/* Checked again: what comes from a member is no more than a wish. */
static int check_job(struct hcd_rules *r, const Hcp__KeptJob *job)
{
	size_t len = 0;

	for (size_t i = 0; i < job->n_argv; i++)
		len += strlen(job->argv[i]) + 1;
	if (!job->n_argv || !job->argv[0][0])
		return hcd_rules_refuse(r, -EINVAL, "A job needs a command.");
	if (job->n_argv > HCD_JOB_ARGS_MAX || len > HCD_JOB_ARGS_LEN)
		return hcd_rules_refuse(r, -E2BIG, "A job's command has at most %d words, %d bytes together: put it into a script.",
			      HCD_JOB_ARGS_MAX, HCD_JOB_ARGS_LEN);
	if (!job->name[0] || strlen(job->name) > HCD_JOB_NAME_LEN)
		return hcd_rules_refuse(r, -EINVAL, "A job's name has 1 to %d bytes.", HCD_JOB_NAME_LEN);
	if (strlen(job->folder) >= HCD_JOB_FOLDER_LEN || (job->folder[0] && job->folder[0] != '/'))
		return hcd_rules_refuse(r, -EINVAL, "A job's folder is an absolute path of less than %d bytes.",
			      HCD_JOB_FOLDER_LEN);
	if (job->cpus < 1 || job->cpus > HCD_JOB_CPUS_MAX)
		return hcd_rules_refuse(r, -EINVAL, "A job wants 1 to %d CPUs.", HCD_JOB_CPUS_MAX);
	return 0;
}

/* Room for one more: the oldest one that is over goes. */
static int make_room(struct hcd_rules *r, const struct list *l, const char *user)
{
	size_t waiting = 0, oldest = l->nr;

	for (size_t i = l->nr; i-- > 0;) {
		if (pol_job_is_over(l->jobs[i]->state))
			oldest = i;
		else
			waiting += strcmp(l->jobs[i]->user, user) == 0;
	}
	if (waiting >= WAITING_MAX)
		return hcd_rules_refuse(r, -ENOSPC, "User %s has %d jobs that are not over: wait until some are, or stop some.",
			      user, WAITING_MAX);
	if (l->nr < HCD_JOBS_MAX)
		return 0;
	if (oldest == l->nr)
		return hcd_rules_refuse(r, -ENOSPC, "The cluster has %d jobs that are not over, which is the limit.",
			      HCD_JOBS_MAX);
	r->out.gone[r->out.nr_gone++] = l->jobs[oldest]->id;
	return 0;
}

static int submit(struct hcd_rules *r, const Hcp__Wish *wish, struct list *l)
{
	uint8_t *data;
	Hcp__KeptJob *job;
	size_t len;
	int ret;

	if (!wish->job)
		return hcd_rules_refuse(r, -EINVAL, "A job needs a command.");
	if (!hcd_text_is_name(wish->user) || !hcd_fsm_kept(r->c->fsm, HCD_KEPT_USER, wish->user))
		return hcd_rules_refuse(r, -ENOENT, "There is no user %.64s: 'hyperchain user list' shows all.",
			      wish->user);
	ret = check_job(r, wish->job) ? : make_room(r, l, wish->user);
	if (ret < 0)
		return ret;
	len = hcp__kept_job__get_packed_size(wish->job);
	data = malloc(len + 1);
	if (data)
		hcp__kept_job__pack(wish->job, data);
	job = data ? hcp__kept_job__unpack(NULL, len, data) : NULL;
	free(data);
	if (!job)
		return hcd_rules_refuse(r, -ENOMEM, "The controller's memory is short.");
	job->id = l->nr ? l->jobs[l->nr - 1]->id + 1 : 1;
	if (job->id < r->pool.next_job)
		job->id = r->pool.next_job;
	r->pool.next_job = job->id + 1;
	job->state = POL_JOB_QUEUED;
	job->node = job->run = 0;
	job->is_stopping = false;
	job->asked_ms = r->now_ms;
	job->started_ms = job->ended_ms = 0;
	job->status = -1;
	set_text(&job->user, wish->user);
	set_text(&job->why, "");
	r->out.job_id = job->id;
	say(r, job, "job-queue", "waits to begin.");
	r->out.jobs[r->out.nr_jobs++] = job;
	return 0;
}

static int stop(struct hcd_rules *r, const Hcp__Wish *wish, struct list *l)
{
	uint64_t id = wish->job ? wish->job->id : 0;
	Hcp__KeptJob *job = NULL;
	size_t i;

	for (i = 0; i < l->nr && !job; i++)
		if (l->jobs[i]->id == id &&
		    (!wish->user[0] || strcmp(l->jobs[i]->user, wish->user) == 0))
			job = l->jobs[i];
	if (!job)
		return hcd_rules_refuse(r, -ENOENT, "There is no job %llu: 'hyperchain job list --all' shows those that are known.",
			      (unsigned long long)id);
	/* Inside, others may look: whose job it is and root may change it. */
	if (wish->job->by > 1 && wish->job->by != job->by)
		return hcd_rules_refuse(r, -EPERM, "Only who submitted job %llu, the environment's root and the administrator may stop it.",
			      (unsigned long long)id);
	if (pol_job_is_over(job->state))
		return hcd_rules_refuse(r, -EALREADY, "Job %llu is over already.", (unsigned long long)id);
	r->out.job_id = id;
	job->is_stopping = true;
	if (job->state == POL_JOB_QUEUED) {
		job->state = POL_JOB_STOPPED;
		job->ended_ms = r->now_ms;
	}
	say(r, job, "job-stop", "%s", job->state == POL_JOB_STOPPED ? "was stopped before it began." :
								      "shall end.");
	change(r, l, i - 1);
	return 0;
}

int hcd_rules_job_wish(struct hcd_rules *r, const Hcp__Wish *wish)
{
	bool is_submit = strcmp(wish->what, "job-submit") == 0;
	struct list l;
	int ret;

	if (!is_submit && strcmp(wish->what, "job-stop") != 0)
		return 1;
	if (!list_read(r->c->fsm, &l))
		return hcd_rules_refuse(r, -ENOMEM, "The controller's memory is short.");
	ret = is_submit ? submit(r, wish, &l) : stop(r, wish, &l);
	list_free(&l);
	return ret;
}
