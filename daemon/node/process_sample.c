// SPDX-License-Identifier: GPL-2.0-or-later
/* When this node's service processes are looked at, and which cgroups: see process.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cluster/control.h"
#include "daemon/node/module.h"
#include "daemon/node/process.h"
#include "daemon/node/work.h"
#include "daemon/policy/policy.h"

void hcd_processes_free(struct hcd_processes *p)
{
	if (!p)
		return;
	hcd_moves_free(p);
	free(p->moves);
	free(p);
}

struct look_job {
	struct hcd_job job;
	struct hcd *d;
	bool shall_take;		/* say that programs of peers may come */
	struct hcd_look look;
};

static void job_free(struct look_job *j)
{
	free(j->look.places);
	free(j->look.known);
	free(j->look.moves);
	free(j);
}

static int look_run(struct hcd_job *job, struct hcnl *h)
{
	struct look_job *j = (struct look_job *)job;
	int r;

	if (!h)
		return -ENOENT;
	if (j->shall_take) {
		r = hcnl_move_accept(h, true);
		if (r < 0)
			return r;
	}
	return hcd_look_run(&j->look, h);
}

static void look_done(struct hcd_job *job)
{
	struct look_job *j = (struct look_job *)job;
	struct hcd *d = j->d;

	d->processes->is_looking = false;
	if (job->result == 0) {
		hcd_processes_take(d->processes, &j->look, (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
				   d->load.room);
		d->processes->takes_programs |= j->shall_take;
		hcd_processes_tell(d);
		hcd_moves_tick(d, hcd_control_now(d->control));
	}
	job_free(j);
}

/* An environment is called as its user is; others are nobody's, and only their memory is spread. */
static bool is_of_user(const struct hcd *d, const struct hcd_env *env)
{
	return env->node == d->config.node.id &&
	       (strcmp(env->name, POL_ADMIN) == 0 ||
		hcd_fsm_kept(d->control->fsm, HCD_KEPT_USER, env->name));
}

/* Return: false without memory. */
static bool prepare(const struct hcd *d, struct hcd_look *look)
{
	const struct hcd_processes *p = d->processes;
	size_t n = 0;

	snprintf(look->proc, sizeof(look->proc), "/proc");
	for (size_t i = 0; i < d->state.nr_envs; i++)
		n += is_of_user(d, &d->state.envs[i]) ? d->state.envs[i].nr_cgroups : 0;
	look->places = calloc(n + 1, sizeof(*look->places));
	look->known = calloc(p->nr + 1, sizeof(*look->known));
	if (!look->places || !look->known)
		return false;
	for (size_t i = 0; i < d->state.nr_envs; i++) {
		const struct hcd_env *env = &d->state.envs[i];

		for (size_t k = 0; is_of_user(d, env) && k < env->nr_cgroups; k++) {
			struct hcd_look_place *place = &look->places[look->nr_places++];

			snprintf(place->user, sizeof(place->user), "%s", env->name);
			snprintf(place->cgroup, sizeof(place->cgroup), "%s", env->cgroups[k]);
		}
	}
	for (size_t i = 0; i < p->nr; i++)
		look->known[look->nr_known++] = (struct hcd_look_known){
			.pid = p->list[i].pid, .start = p->list[i].start,
			.checked_ms = p->list[i].checked_ms,
		};
	return true;
}

void hcd_processes_sample(struct hcd *d)
{
	struct look_job *j;

	if (d->processes->is_looking || !d->control->consensus ||
	    !hcd_module_is_attached(d->module))
		return;
	j = calloc(1, sizeof(*j));
	if (!j || !prepare(d, &j->look)) {
		if (j)
			job_free(j);
		return;
	}
	j->d = d;
	j->job.run = look_run;
	j->job.done = look_done;
	/* Members take each other's programs; who says no afterwards is not asked again. */
	j->shall_take = !d->processes->takes_programs && d->control->fsm->nr_members > 1;
	d->processes->is_looking = true;
	hcd_queue_submit(hcd_module_queue(d->module), &j->job);
}

void hcd_processes_attached(struct hcd *d, bool is_fresh)
{
	/* One that was in use before keeps what its administrator said since. */
	d->processes->takes_programs = !is_fresh && d->control->identity.nr_members > 1;
}

void hcd_processes_event(struct hcd *d, const struct hcnl_event *ev)
{
	if (ev->kind == HC_EV_MOVED || ev->kind == HC_EV_MOVE_FAILED || ev->kind == HC_EV_MOVE_LOST)
		hcd_processes_sample(d);
}
