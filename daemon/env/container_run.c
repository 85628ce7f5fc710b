// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on containers, by jobs that ask the helper: see container.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/env/apply.h"
#include "daemon/env/container_table.h"
#include "daemon/env/envs.h"
#include "daemon/env/helper.h"
#include "daemon/env/shared.h"
#include "daemon/node/cleanup.h"
#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "daemon/node/work.h"

#define TICK_MS		1000
#define RETRY_MS	5000	/* after a failure; doubled each time */
#define RETRY_MAX_MS	300000
#define BUSY_MAX	2

struct hcd_container_job {
	struct hcd_job job;
	struct hcd_containers *cs;
	char name[HCD_CONTAINER_NAME + 1];
	enum hcd_container_op op;
	json_t *request, *answer;
	char *shared;			/* what it was told of its nodes */
	bool is_leader;
	char run_dir[HCD_PATH_LEN];
	/* under cs->lock */
	char step[64];
	uint64_t done, total;
};

bool hcd_container_is_busy(const struct hcd_container *c)
{
	return c->job || c->op != HCD_OP_NONE;
}

void hcd_container_progress(struct hcd_containers *cs, const struct hcd_container *c, json_t *obj)
{
	if (!c->job)
		return;
	uv_mutex_lock(&cs->lock);
	if (c->job->step[0]) {
		json_object_set_new(obj, "step", json_string(c->job->step));
		json_object_set_new(obj, "done", json_integer((json_int_t)c->job->done));
		json_object_set_new(obj, "total", json_integer((json_int_t)c->job->total));
	}
	uv_mutex_unlock(&cs->lock);
}

/* ---- the environment in the module ------------------------------------------------- */

static struct hcd_env *env_of(struct hcd_containers *cs, const struct hcd_container *c)
{
	return hcd_state_env_by_id(&cs->d->state, c->id, cs->d->config.node.id);
}

/* The cgroup is there: its pages and its processes are the environment's from now on. */
static void bind_cgroup(struct hcd_containers *cs, const struct hcd_container *c)
{
	struct hcd_env *env = env_of(cs, c);

	if (!env || !c->cgroup[0])
		return;
	if (env->nr_cgroups == 0 || strcmp(env->cgroups[0], c->cgroup) != 0) {
		char *path = strdup(c->cgroup);

		if (!path)
			return;
		if (env->nr_cgroups)
			free(env->cgroups[0]);
		else
			env->nr_cgroups = 1;
		env->cgroups[0] = path;
		hcd_save(cs->d, NULL);
	}
	env->cgroup_ids[0] = 0;
	if (hcd_module_is_attached(cs->d->module))
		hcd_env_apply(cs->d, env, NULL, NULL);
}

static enum hcd_container_op end_op(const struct hcd_container *c)
{
	return c->end_op ? c->end_op : HCD_OP_DEL;
}

static void withdrawn(struct hcd_env_job *job, void *arg)
{
	struct hcd_containers *cs = arg;
	struct hcd_container *c = hcd_container_by_id(cs, job->env.id);
	struct hcd_env *env = c ? env_of(cs, c) : NULL;
	char error[HCD_ERROR_LEN];

	if (!c)
		return;
	c->op = HCD_OP_NONE;
	if (job->job.result < 0) {
		snprintf(c->error, sizeof(c->error), "%s", job->job.error);
		hcd_log(LOG_ERR, 0, c->name, "Environment %s can't be taken out of the module yet: %s",
			c->name, c->error);
		c->op = end_op(c);
		c->retry_ms = uv_now(cs->d->loop) + RETRY_MS;
		return;
	}
	hcd_log(LOG_INFO, 0, c->name, end_op(c) == HCD_OP_DEL ? "Environment %s is deleted." :
		"Environment %s is not on this node any more.", c->name);
	hcd_container_drop(cs, c);
	if (env) {
		hcd_state_env_del(&cs->d->state, env);
		hcd_save(cs->d, NULL);
		hcd_envs_tell_all(cs->d);
	}
	hcd_containers_save(cs, error);
}

static void withdraw(struct hcd_containers *cs, struct hcd_container *c)
{
	struct hcd_env *env = env_of(cs, c), none = { .id = c->id };

	/* Busy until the module has let it go. */
	c->op = end_op(c);
	c->retry_ms = UINT64_MAX;
	if (hcd_env_withdraw(cs->d, env ? env : &none, withdrawn, cs) < 0)
		c->retry_ms = uv_now(cs->d->loop) + RETRY_MS;
}

/* ---- jobs ------------------------------------------------------------------------------ */

static void step(const char *what, uint64_t done, uint64_t total, void *ctx)
{
	struct hcd_container_job *j = ctx;

	uv_mutex_lock(&j->cs->lock);
	snprintf(j->step, sizeof(j->step), "%s", what);
	j->done = done;
	j->total = total;
	uv_mutex_unlock(&j->cs->lock);
}

static int run(struct hcd_job *job, struct hcnl *h)
{
	struct hcd_container_job *j = (struct hcd_container_job *)job;

	/* What open_handle() said of a missing module is no matter of ours. */
	job->error[0] = '\0';
	return hcd_helper_ask(j->run_dir, j->request, step, j, &j->answer, job->error);
}

static void take_answer(struct hcd_containers *cs, struct hcd_container *c, json_t *answer)
{
	const char *address = "", *cgroup = "";
	int is_running = 0, has_sshd = c->has_sshd;

	json_unpack(answer, "{s?s, s?s, s?b, s?b}", "address", &address, "cgroup", &cgroup, "running",
		    &is_running, "has_sshd", &has_sshd);
	snprintf(c->address, sizeof(c->address), "%s", address);
	snprintf(c->cgroup, sizeof(c->cgroup), "%s", cgroup);
	c->has_sshd = has_sshd;
	c->state = is_running ? HCD_CONTAINER_RUNNING : HCD_CONTAINER_STOPPED;
	c->failures = 0;
	if (is_running)
		bind_cgroup(cs, c);
}

static bool is_to_run(const struct hcd_container *c)
{
	return c->is_on && (!c->is_shared || c->may_start);
}

/* What the helper was told holds from now on. */
static void take_shared(struct hcd_container *c, struct hcd_container_job *j)
{
	char **at = j->op == HCD_OP_SHARE ? &c->given :
		    j->op == HCD_OP_START || j->op == HCD_OP_ROLE ? &c->told : NULL;

	if (!at)
		return;
	free(*at);
	*at = j->shared;
	j->shared = NULL;
	if (at == &c->told)
		c->is_leader = j->is_leader;
}

static void succeeded(struct hcd_containers *cs, struct hcd_container *c,
		      struct hcd_container_job *j)
{
	char error[HCD_ERROR_LEN];

	c->error[0] = '\0';
	if (j->op == HCD_OP_DEL || j->op == HCD_OP_LEAVE) {
		withdraw(cs, c);
		return;
	}
	take_answer(cs, c, j->answer);
	if (c->is_shared)
		take_shared(c, j);
	if (j->op == HCD_OP_CREATE) {
		c->is_made = true;
		if (hcd_containers_save(cs, error) < 0)
			snprintf(c->error, sizeof(c->error), "Created until the next restart only: %s",
				 error);
		hcd_log(LOG_INFO, 0, c->name, c->is_shared ? "The files of environment %s are made." :
			"Environment %s runs at %s.", c->name, c->address);
	}
	/* It is to run and does not: a reboot, or its init has died. */
	if (j->op == HCD_OP_STATE && c->state == HCD_CONTAINER_STOPPED && is_to_run(c))
		hcd_container_do(cs, c, HCD_OP_START);
}

static void failed(struct hcd_containers *cs, struct hcd_container *c, struct hcd_container_job *j)
{
	struct hcd_env *env = env_of(cs, c);
	uint64_t wait = RETRY_MS;
	char error[HCD_ERROR_LEN];

	snprintf(c->error, sizeof(c->error), "%s", j->job.error);
	hcd_log(LOG_ERR, 0, c->name, "Environment %s: %s", c->name, c->error);
	if (j->op == HCD_OP_CREATE) {
		c->state = HCD_CONTAINER_FAILED;
		hcd_containers_save(cs, error);
		if (env) {
			hcd_env_withdraw(cs->d, env, NULL, NULL);
			hcd_state_env_del(&cs->d->state, env);
			hcd_save(cs->d, NULL);
		}
		return;
	}
	for (uint32_t i = 0; i < c->failures && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	c->failures++;
	c->retry_ms = uv_now(cs->d->loop) + wait;
	/*
	 * What is wanted is asked for again: a helper that starts late, a disk that was full. What
	 * could not be told changes nothing of what is.
	 */
	if (j->op == HCD_OP_STATE || j->op == HCD_OP_DEL || j->op == HCD_OP_LEAVE) {
		c->op = j->op;
	} else if (j->op == HCD_OP_START) {
		c->state = HCD_CONTAINER_STOPPED;
	} else if (j->op != HCD_OP_SHARE && j->op != HCD_OP_ROLE) {
		c->state = HCD_CONTAINER_UNKNOWN;
		c->op = HCD_OP_STATE;
		c->retry_ms = 0;
	}
}

static void dispatch(struct hcd_containers *cs);

static void done(struct hcd_job *job)
{
	struct hcd_container_job *j = (struct hcd_container_job *)job;
	struct hcd_containers *cs = j->cs;
	struct hcd_container *c = hcd_container_find(cs, j->name);

	cs->nr_busy--;
	if (c && c->job == j) {
		c->job = NULL;
		c->op = HCD_OP_NONE;
		if (job->result < 0)
			failed(cs, c, j);
		else
			succeeded(cs, c, j);
	}
	json_decref(j->request);
	json_decref(j->answer);
	free(j->shared);
	free(j);
	dispatch(cs);
}

static void begin(struct hcd_containers *cs, struct hcd_container *c)
{
	static const char *const words[] = {
		[HCD_OP_STATE] = "state", [HCD_OP_CREATE] = "create", [HCD_OP_START] = "start",
		[HCD_OP_STOP] = "stop", [HCD_OP_LIMIT] = "limit", [HCD_OP_DEL] = "del",
		[HCD_OP_SHARE] = "share", [HCD_OP_ROLE] = "role", [HCD_OP_LEAVE] = "leave",
	};
	struct hcd_container_job *j = calloc(1, sizeof(*j));
	const struct hcd_env *env = env_of(cs, c);
	json_t *shared;

	if (!j)
		return;
	j->job.run = run;
	j->job.done = done;
	j->cs = cs;
	j->op = c->op;
	snprintf(j->name, sizeof(j->name), "%s", c->name);
	snprintf(j->run_dir, sizeof(j->run_dir), "%s", cs->d->run_dir);
	j->request = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "do",
			       words[c->op], "name", c->name, "id", (json_int_t)c->id, "image", c->image,
			       "keys", c->keys ? : "", "network", cs->d->config.env.network,
			       "cpus_milli", (json_int_t)c->cpus_milli, "memory", (json_int_t)c->memory,
			       "swap", (json_int_t)(env ? env->quota : 0), "pids", (json_int_t)c->pids,
			       "forget", c->forget);
	shared = c->is_shared ? hcd_shared_spec(cs->d, c->name, &j->is_leader) : NULL;
	if (shared) {
		j->shared = json_dumps(shared, JSON_COMPACT | JSON_SORT_KEYS);
		json_object_set_new(j->request, "shared", shared);
	}
	if (!j->request || (shared && !j->shared)) {
		json_decref(j->request);
		free(j->shared);
		free(j);
		return;
	}
	c->job = j;
	cs->nr_busy++;
	hcd_queue_submit_beside(hcd_module_queue(cs->d->module), &j->job);
}

static void dispatch(struct hcd_containers *cs)
{
	uint64_t now = uv_now(cs->d->loop);

	for (struct hcd_container *c = cs->first; c; c = c->next) {
		if (cs->is_stopping || cs->nr_busy >= BUSY_MAX)
			return;
		if (!c->job && c->op != HCD_OP_NONE && c->retry_ms <= now)
			begin(cs, c);
	}
}

void hcd_container_do(struct hcd_containers *cs, struct hcd_container *c, enum hcd_container_op op)
{
	c->op = op;
	c->retry_ms = 0;
	dispatch(cs);
}

/* ---- looking after them ------------------------------------------------------------------ */

/* Does anything live in it? */
static bool is_populated(const char *cgroup)
{
	char path[HCD_CGROUP_LEN + 16], text[256];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strstr(text, "populated 1");
}

static void on_tick(uv_timer_t *timer)
{
	struct hcd_containers *cs = timer->data;
	uint64_t now = uv_now(cs->d->loop);

	hcd_shared_tick(cs);
	for (struct hcd_container *c = cs->first; c; c = c->next) {
		if (c->state == HCD_CONTAINER_RUNNING)
			hcd_container_figures(cs, c, TICK_MS / 1000.0);
		if (hcd_container_is_busy(c))
			continue;
		if (c->state == HCD_CONTAINER_RUNNING && !is_populated(c->cgroup)) {
			hcd_log(LOG_WARNING, 0, c->name, "The container of environment %s has ended.", c->name);
			c->state = HCD_CONTAINER_UNKNOWN;
			hcd_container_do(cs, c, HCD_OP_STATE);
		} else if (c->state == HCD_CONTAINER_STOPPED && is_to_run(c) &&
			   c->retry_ms <= now) {
			hcd_container_do(cs, c, HCD_OP_START);
		}
	}
	dispatch(cs);
}

struct hcd_containers *hcd_containers_start(struct hcd *d, char error[HCD_ERROR_LEN])
{
	struct hcd_containers *cs = calloc(1, sizeof(*cs));

	if (!cs) {
		snprintf(error, HCD_ERROR_LEN, "Memory is short.");
		return NULL;
	}
	cs->d = d;
	uv_mutex_init(&cs->lock);
	if (hcd_containers_load(cs, error) < 0) {
		while (cs->first)
			hcd_container_drop(cs, cs->first);
		free(cs);
		return NULL;
	}
	uv_timer_init(d->loop, &cs->timer);
	cs->timer.data = cs;
	uv_timer_start(&cs->timer, on_tick, 0, TICK_MS);
	return cs;
}

static void on_closed(uv_handle_t *handle)
{
	struct hcd_containers *cs = handle->data;

	/* A worker may still tell how far it is: then the process ends with it. */
	if (cs->nr_busy)
		return;
	while (cs->first)
		hcd_container_drop(cs, cs->first);
	uv_mutex_destroy(&cs->lock);
	free(cs);
}

void hcd_containers_stop(struct hcd_containers *cs)
{
	cs->is_stopping = true;
	uv_close((uv_handle_t *)&cs->timer, on_closed);
}
