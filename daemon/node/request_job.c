// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * job.*: the job manager (R2). What changes something is the controller's, as wishes are; what is
 * shown is in every member's state. From inside an environment: its own user's, at its leader.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/env/job.h"
#include "daemon/node/request.h"
#include "daemon/policy/job.h"

#define ROWS		32
#define COMMAND_SHOWN	200

/* R3: a worker has no job manager. Else the request fails and is freed. */
static bool is_at_leader(struct hcd_request *req, const char *user)
{
	const struct hcd_kept *k = hcd_fsm_kept(req->d->control->fsm, HCD_KEPT_USER, user);
	Hcp__KeptUser *msg = k ? hcp__kept_user__unpack(NULL, k->len, k->data) : NULL;
	uint32_t leader = 0;
	bool is_here = req->is_admin || !req->env;

	for (size_t i = 0; msg && i < msg->n_envs; i++) {
		is_here = is_here || msg->envs[i]->leader == req->d->config.node.id;
		leader = leader ? leader : msg->envs[i]->leader;
	}
	if (msg)
		hcp__kept_user__free_unpacked(msg, NULL);
	if (!is_here && leader)
		hcd_request_fail(req, "Jobs are managed on the environment's leader, which is node %u.", leader);
	else if (!is_here)
		hcd_request_fail(req, "User %.64s has no environment that a node leads.", user);
	return is_here;
}

/* Whose jobs it is about, NULL: everybody's. Else the request fails and is freed. */
static bool take_user(struct hcd_request *req, const char **user)
{
	return hcd_request_member(req) && hcd_request_user(req, user) &&
	       (!*user || is_at_leader(req, *user));
}

/* Who asks, as KeptJob has it. Return: false: nobody of the container; the request has failed. */
static bool take_by(struct hcd_request *req, uint32_t *ret_by)
{
	uint32_t first = HCD_CONTAINER_UIDS + req->env * HCD_CONTAINER_IDS;

	*ret_by = 0;
	if (req->is_admin || !req->env)
		return true;
	if (req->uid < first || req->uid - first >= HCD_CONTAINER_IDS) {
		hcd_request_fail(req, "Jobs are submitted and stopped inside the environment's container.");
		return false;
	}
	*ret_by = req->uid - first + 1;
	return true;
}

/* ---- wishes ---------------------------------------------------- */

static void on_wished(int error, const struct hcd_result *result, const char *text, void *arg)
{
	struct hcd_request *req = arg;
	json_t *detail = result && result->detail ? json_loads(result->detail, 0, NULL) : NULL;
	json_t *id = json_object_get(detail, "job");

	if (error)
		hcd_request_fail(req, "%s", text);
	else
		hcd_request_ok(req, json_pack("{s:O}", "id", id ? id : json_null()));
	json_decref(detail);
}

static void wish(struct hcd_request *req, const char *what, const char *user, Hcp__KeptJob *job)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Wish msg = HCP__WISH__INIT;

	msg.what = (char *)what;
	msg.user = (char *)(user ? user : "");
	msg.job = job;
	command.what_case = HCP__COMMAND__WHAT_WISH;
	command.wish = &msg;
	hcd_control_do(req->d->control, &command, on_wished, req);
}

/* The last part of a path, as a name. */
static void name_of(const char *word, char name[HCD_JOB_NAME_LEN + 1])
{
	const char *last = strrchr(word, '/');

	hcd_text_clean(name, HCD_JOB_NAME_LEN + 1, last && last[1] ? last + 1 : word, "job");
}

void hcd_do_job_submit(struct hcd_request *req)
{
	const char *user = NULL, *name = NULL, *folder = "";
	Hcp__KeptJob job = HCP__KEPT_JOB__INIT;
	char *argv[HCD_JOB_ARGS_MAX], made[HCD_JOB_NAME_LEN + 1];
	json_int_t cpus = 1;
	json_t *words, *v;
	size_t i, len = 0;

	if (!hcd_request_unpack(req, "{s:o, s?s, s?s, s?s, s?I}", "argv", &words, "user", &user,
				"name", &name, "folder", &folder, "cpus", &cpus) ||
	    !take_user(req, &user) || !hcd_request_range(req, "cpus", cpus, 1, HCD_JOB_CPUS_MAX))
		return;
	if (!user) {
		hcd_request_fail(req, "Whose job it is must be said: --user.");
		return;
	}
	json_array_foreach(words, i, v) {
		const char *word = json_string_value(v);

		len += word ? strlen(word) + 1 : 0;
		if (!word || strlen(word) != json_string_length(v) || i == HCD_JOB_ARGS_MAX ||
		    len > HCD_JOB_ARGS_LEN) {
			hcd_request_fail(req, "A job's command has at most %d words of text, %d bytes together: put it into a script.",
					 HCD_JOB_ARGS_MAX, HCD_JOB_ARGS_LEN);
			return;
		}
		argv[job.n_argv++] = (char *)word;
	}
	if (!job.n_argv || !argv[0][0]) {
		hcd_request_fail(req, "A job needs a command.");
		return;
	}
	name_of(name && name[0] ? name : argv[0], made);
	job.argv = argv;
	job.name = made;
	job.folder = (char *)folder;
	job.cpus = (uint32_t)cpus;
	if (!take_by(req, &job.by))
		return;
	wish(req, "job-submit", user, &job);
}

static bool take_id(struct hcd_request *req, json_int_t id)
{
	return hcd_request_range(req, "A job's number", id, 1, INT64_MAX);
}

void hcd_do_job_stop(struct hcd_request *req)
{
	Hcp__KeptJob job = HCP__KEPT_JOB__INIT;
	const char *user = NULL;
	json_int_t id;

	if (!hcd_request_unpack(req, "{s:I}", "id", &id) || !take_user(req, &user) || !take_id(req, id))
		return;
	job.id = (uint64_t)id;
	if (!take_by(req, &job.by))
		return;
	wish(req, "job-stop", user, &job);
}

/* ---- shown ---------------------------------------------------- */

static void command_text(const Hcp__KeptJob *job, char buf[COMMAND_SHOWN])
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < job->n_argv && at + 1 < COMMAND_SHOWN; i++) {
		char word[COMMAND_SHOWN];

		hcd_text_clean(word, sizeof(word), job->argv[i], "''");
		at += (size_t)snprintf(buf + at, COMMAND_SHOWN - at, "%s%s", i ? " " : "", word);
	}
}

static json_t *maybe_ms(uint64_t ms)
{
	return ms ? json_integer((json_int_t)ms) : json_null();
}

static json_t *job_json(const Hcp__KeptJob *job)
{
	const char *state = pol_job_state_name((enum pol_job_state)job->state);
	bool is_over = pol_job_is_over((enum pol_job_state)job->state);
	char command[COMMAND_SHOWN], name[HCD_JOB_NAME_LEN + 1], why[512];
	json_t *j;

	command_text(job, command);
	hcd_text_clean(name, sizeof(name), job->name, "job");
	hcd_text_clean(why, sizeof(why), job->why, "");
	if (job->is_stopping && !is_over)
		state = "stopping";
	j = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:o}", "id",
		      (json_int_t)job->id, "user", job->user, "name", name, "state", state,
		      "command", command, "cpus", (json_int_t)job->cpus, "node",
		      job->node ? json_integer(job->node) : json_null(), "run", (json_int_t)job->run,
		      "asked_ms", maybe_ms(job->asked_ms), "started_ms", maybe_ms(job->started_ms),
		      "ended_ms", maybe_ms(job->ended_ms));
	json_object_set_new(j, "over", json_boolean(is_over));
	json_object_set_new(j, "status", is_over && job->status >= 0 ? json_integer(job->status) :
									json_null());
	if (why[0])
		json_object_set_new(j, "why", json_string(why));
	return j;
}

/* free_unpacked(); NULL: the request has failed. */
static Hcp__KeptJob *find(struct hcd_request *req, json_int_t id, const char *user)
{
	const struct hcd_kept *k;
	Hcp__KeptJob *job;
	char key[24];

	snprintf(key, sizeof(key), "%lld", (long long)id);
	k = hcd_fsm_kept(req->d->control->fsm, HCD_KEPT_JOB, key);
	job = k ? hcp__kept_job__unpack(NULL, k->len, k->data) : NULL;
	if (job && (!user || strcmp(job->user, user) == 0))
		return job;
	if (job)
		hcp__kept_job__free_unpacked(job, NULL);
	hcd_request_fail(req, "There is no job %lld: 'hyperchain job list --all' shows those that are known.",
			 (long long)id);
	return NULL;
}

/* The one with the least id above @after. NULL = none. */
static Hcp__KeptJob *following(const struct hcd_fsm *fsm, uint64_t after, const char *user)
{
	Hcp__KeptJob *best = NULL;

	for (size_t i = 0; i < fsm->nr_kept; i++) {
		const struct hcd_kept *k = &fsm->kept[i];
		uint64_t id = k->kind == HCD_KEPT_JOB ? strtoull(k->key, NULL, 10) : 0;
		Hcp__KeptJob *job;

		if (id <= after || (best && id >= best->id))
			continue;
		job = hcp__kept_job__unpack(NULL, k->len, k->data);
		if (!job || (user && strcmp(job->user, user) != 0)) {
			if (job)
				hcp__kept_job__free_unpacked(job, NULL);
			continue;
		}
		if (best)
			hcp__kept_job__free_unpacked(best, NULL);
		best = job;
	}
	return best;
}

void hcd_do_job_list(struct hcd_request *req)
{
	const char *user = NULL;
	json_int_t after = 0;
	bool has_more = false;
	json_t *rows;

	if (!hcd_request_unpack(req, "{s?I, s?s}", "after", &after, "user", &user) ||
	    !take_user(req, &user) || !hcd_request_range(req, "after", after, 0, INT64_MAX))
		return;
	rows = json_array();
	for (;;) {
		Hcp__KeptJob *job = following(req->d->control->fsm, (uint64_t)after, user);

		if (!job)
			break;
		has_more = json_array_size(rows) == ROWS;
		if (!has_more)
			json_array_append_new(rows, job_json(job));
		after = (json_int_t)job->id;
		hcp__kept_job__free_unpacked(job, NULL);
		if (has_more)
			break;
	}
	hcd_request_ok(req, json_pack("{s:o, s:b}", "jobs", rows, "more", (int)has_more));
}

/* How many go before it. */
static json_int_t ahead_of(const struct hcd_fsm *fsm, const Hcp__KeptJob *job)
{
	json_int_t nr = 0;

	for (size_t i = 0; i < fsm->nr_kept; i++) {
		Hcp__KeptJob *other = fsm->kept[i].kind == HCD_KEPT_JOB ?
			hcp__kept_job__unpack(NULL, fsm->kept[i].len, fsm->kept[i].data) : NULL;

		if (!other)
			continue;
		nr += other->state == POL_JOB_QUEUED && other->id < job->id &&
		      strcmp(other->user, job->user) == 0;
		hcp__kept_job__free_unpacked(other, NULL);
	}
	return nr;
}

void hcd_do_job_show(struct hcd_request *req)
{
	const char *user = NULL;
	json_t *j, *argv;
	Hcp__KeptJob *job;
	json_int_t id;

	if (!hcd_request_unpack(req, "{s:I}", "id", &id) || !take_user(req, &user) || !take_id(req, id))
		return;
	job = find(req, id, user);
	if (!job)
		return;
	j = job_json(job);
	argv = json_array();
	for (size_t i = 0; i < job->n_argv; i++)
		json_array_append_new(argv, json_string(job->argv[i]));
	json_object_set_new(j, "argv", argv);
	json_object_set_new(j, "folder", json_string(job->folder));
	if (job->state == POL_JOB_QUEUED)
		json_object_set_new(j, "ahead", json_integer(ahead_of(req->d->control->fsm, job)));
	hcp__kept_job__free_unpacked(job, NULL);
	hcd_request_ok(req, json_pack("{s:o}", "job", j));
}

/* ---- output ---------------------------------------------------- */

static void on_piece(const struct hcd_job_piece *piece, void *arg)
{
	struct hcd_request *req = arg;

	if (piece->error)
		hcd_request_fail(req, "%s", piece->error);
	else
		hcd_request_ok(req, json_pack("{s:s, s:I, s:I}", "data", piece->data, "total",
					      (json_int_t)piece->total, "lost", (json_int_t)piece->lost));
}

void hcd_do_job_output(struct hcd_request *req)
{
	json_int_t id, offset = 0;
	const char *user = NULL;
	uint32_t node, run;
	Hcp__KeptJob *job;

	if (!hcd_request_unpack(req, "{s:I, s?I}", "id", &id, "offset", &offset) ||
	    !take_user(req, &user) || !take_id(req, id) ||
	    !hcd_request_range(req, "offset", offset, 0, INT64_MAX))
		return;
	job = find(req, id, user);
	if (!job)
		return;
	/* Since it runs, and until it begins anew, there is some. */
	node = job->started_ms ? job->node : 0;
	run = job->run;
	hcp__kept_job__free_unpacked(job, NULL);
	if (!node || !run) {
		const struct hcd_job_piece none = { .data = "" };

		on_piece(&none, req);
		return;
	}
	hcd_jobs_read(req->d, node, (uint64_t)id, run, (uint64_t)offset, on_piece, req);
}
