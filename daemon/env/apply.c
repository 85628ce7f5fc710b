// SPDX-License-Identifier: GPL-2.0-or-later
/* Environments into the module: see apply.h. */
#include "daemon/env/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "tools/lib/cgroup.h"

static int bind_one(struct hcd_env_job *j, struct hcnl *h, const struct hcnl_env *old, size_t i)
{
	const char *path = j->env.cgroups[i];
	uint64_t id;
	int r;

	j->bound[i] = 0;
	r = hcnl_cgroup_id(path, &id);
	if (r == -ENOENT)
		return 0;	/* not there yet, or no more: looked for again each second */
	if (r < 0) {
		snprintf(j->job.error, sizeof(j->job.error), "%s is no cgroup v2 directory: %s.",
			 path, strerror(-r));
		return r == -EMEDIUMTYPE ? -EINVAL : r;
	}
	for (size_t k = 0; old && k < old->nr_cgroups; k++) {
		if (old->cgroups[k] == id) {
			j->bound[i] = id;
			return 0;
		}
	}
	r = hcnl_cgroup_bind(h, j->env.id, id);
	if (r < 0)
		return r;
	j->bound[i] = id;
	/* Not the end of the world: without it the cgroup is not swapped out. */
	r = hcnl_swapmax_allow(path);
	if (r < 0)
		hcd_log(LOG_WARNING, 0, j->env.name,
			"memory.swap.max above %s could not be restored: %s.", path, strerror(-r));
	return 0;
}

static int apply_run(struct hcd_job *job, struct hcnl *h)
{
	struct hcd_env_job *j = (struct hcd_env_job *)job;
	const struct hcnl_env_set set = {
		.id = j->env.id, .name = j->env.name,
		.set_quota = true, .quota = j->env.quota,
		.set_replicas = true, .replicas = (uint8_t)j->env.replicas,
		.set_donors = true, .donors = j->env.donors, .nr_donors = j->env.nr_donors,
	};
	struct hcnl_env old;
	bool is_old;
	int r;

	if (!h)
		return -ENODEV;
	is_old = hcnl_env_get(h, j->env.id, &old) == 0;
	if (is_old && strcmp(old.name, j->env.name) != 0) {
		snprintf(job->error, sizeof(job->error),
			 "Environment id %u belongs to \"%s\" in the module.", old.id, old.name);
		return -EEXIST;
	}
	r = is_old ? hcnl_env_set(h, &set) : hcnl_env_add(h, &set);
	for (size_t i = 0; r == 0 && i < j->env.nr_cgroups; i++)
		r = bind_one(j, h, is_old ? &old : NULL, i);
	return r;
}

static int withdraw_run(struct hcd_job *job, struct hcnl *h)
{
	struct hcd_env_job *j = (struct hcd_env_job *)job;
	uint64_t used = 0;
	int r;

	if (!h)
		return 0;
	r = hcnl_env_withdraw(h, j->env.id, &used);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		snprintf(job->error, sizeof(job->error), "%s", hcnl_error(h));
	return r;
}

static void env_done(struct hcd_job *job)
{
	struct hcd_env_job *j = (struct hcd_env_job *)job;

	if (j->finished)
		j->finished(j, j->arg);
	else if (job->result < 0)
		hcd_log(LOG_ERR, 0, j->env.name, "Environment %s is not in the module: %s",
			j->env.name, job->error);
	hcd_env_clear(&j->env);
	free(j);
}

static int submit(struct hcd *d, const struct hcd_env *env,
		  int (*run)(struct hcd_job *job, struct hcnl *h),
		  void (*finished)(struct hcd_env_job *job, void *arg), void *arg)
{
	struct hcd_env_job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->env = *env;
	j->env.nr_cgroups = 0;
	for (size_t i = 0; i < env->nr_cgroups; i++) {
		j->env.cgroups[i] = strdup(env->cgroups[i]);
		if (!j->env.cgroups[i]) {
			hcd_env_clear(&j->env);
			free(j);
			return -ENOMEM;
		}
		j->env.nr_cgroups++;
	}
	j->job.run = run;
	j->job.done = env_done;
	j->d = d;
	j->finished = finished;
	j->arg = arg;
	hcd_queue_submit(hcd_module_queue(d->module), &j->job);
	return 0;
}

int hcd_env_apply(struct hcd *d, const struct hcd_env *env,
		  void (*finished)(struct hcd_env_job *job, void *arg), void *arg)
{
	return submit(d, env, apply_run, finished, arg);
}

int hcd_env_withdraw(struct hcd *d, const struct hcd_env *env,
		     void (*finished)(struct hcd_env_job *job, void *arg), void *arg)
{
	return submit(d, env, withdraw_run, finished, arg);
}

struct limit_job {
	struct hcd_job job;
	uint32_t env;
	uint64_t limit;
};

static int limit_run(struct hcd_job *job, struct hcnl *h)
{
	struct limit_job *l = (struct limit_job *)job;
	const struct hcnl_pool_set set = {
		.set_env_limit = true, .env = l->env, .env_limit = l->limit,
	};

	return h ? hcnl_pool_set(h, &set) : 0;
}

static void limit_done(struct hcd_job *job)
{
	struct limit_job *l = (struct limit_job *)job;

	if (job->result < 0)
		hcd_warn("What is lent to environment %u could not be limited: %s", l->env,
			 job->error);
	free(l);
}

void hcd_env_limit(struct hcd *d, uint32_t id, uint64_t limit)
{
	struct limit_job *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	l->job.run = limit_run;
	l->job.done = limit_done;
	l->env = id;
	l->limit = limit;
	hcd_queue_submit(hcd_module_queue(d->module), &l->job);
}
