// SPDX-License-Identifier: GPL-2.0-or-later
/* R2, R10 (c): the queue of jobs. See job.h. */
#include "daemon/policy/job.h"

#include <string.h>

#include "daemon/policy/num.h"

static uint32_t need(const struct pol_job_node *n, uint32_t cpus)
{
	return cpus < n->cpus ? cpus : n->cpus;
}

/* What was placed just now is in no load yet. */
static int64_t expected(const struct pol_job_node *n)
{
	int64_t promised = (int64_t)n->taken * POL_ONE / n->cpus;

	return promised > n->load ? promised : n->load;
}

size_t pol_job_choose(const struct pol_job_node *nodes, size_t nr, const char *user, uint32_t cpus,
		      int64_t high, pol_job_may_fn may, void *arg)
{
	size_t best = nr;

	for (size_t i = 0; i < nr; i++) {
		const struct pol_job_node *n = &nodes[i];

		if (!n->cpus || !pol_known(n->load) || n->load >= high ||
		    n->taken + need(n, cpus) > n->cpus || !may(arg, user, n->id))
			continue;
		if (best == nr || expected(n) < expected(&nodes[best]) ||
		    (expected(n) == expected(&nodes[best]) && n->id < nodes[best].id))
			best = i;
	}
	return best;
}

static struct pol_job_node *node_of(struct pol_job_node *nodes, size_t nr, uint32_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (nodes[i].id == id)
			return &nodes[i];
	return NULL;
}

static void take(struct pol_job_node *n, uint32_t cpus)
{
	n->taken += need(n, cpus);
}

static bool has_older(const struct pol_job *jobs, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (jobs[k].state == POL_JOB_QUEUED && strcmp(jobs[k].user, jobs[i].user) == 0)
			return true;
	return false;
}

size_t pol_jobs_place(struct pol_job *jobs, size_t nr_jobs, struct pol_job_node *nodes,
		      size_t nr_nodes, int64_t high, pol_job_may_fn may, void *arg)
{
	size_t placed = 0;

	for (size_t i = 0; i < nr_nodes; i++)
		nodes[i].taken = 0;
	for (size_t i = 0; i < nr_jobs; i++) {
		struct pol_job_node *n = node_of(nodes, nr_nodes, jobs[i].node);

		if (n && (jobs[i].state == POL_JOB_PLACED || jobs[i].state == POL_JOB_RUNNING))
			take(n, jobs[i].cpus);
	}
	for (size_t i = 0; i < nr_jobs; i++) {
		size_t at;

		if (jobs[i].state != POL_JOB_QUEUED || has_older(jobs, i))
			continue;
		at = pol_job_choose(nodes, nr_nodes, jobs[i].user, jobs[i].cpus, high, may, arg);
		if (at == nr_nodes)
			continue;
		take(&nodes[at], jobs[i].cpus);
		jobs[i].state = POL_JOB_PLACED;
		jobs[i].node = nodes[at].id;
		jobs[i].is_new = true;
		placed++;
	}
	return placed;
}

enum pol_job_state pol_job_after(enum pol_job_state state, enum pol_job_sight sight,
				 bool is_stopping, uint32_t run)
{
	if (state != POL_JOB_PLACED && state != POL_JOB_RUNNING)
		return state;
	switch (sight) {
	case POL_SIGHT_RUNNING:
		return POL_JOB_RUNNING;
	case POL_SIGHT_ENDED:
		return is_stopping ? POL_JOB_STOPPED : POL_JOB_ENDED;
	case POL_SIGHT_STOPPED:
		return POL_JOB_STOPPED;
	case POL_SIGHT_FAILED:
		return is_stopping ? POL_JOB_STOPPED : POL_JOB_FAILED;
	case POL_SIGHT_LOST:
		if (is_stopping)
			return POL_JOB_STOPPED;
		return run < POL_JOB_RUNS ? POL_JOB_QUEUED : POL_JOB_LOST;
	default:
		return state;
	}
}

const char *pol_job_state_name(enum pol_job_state state)
{
	static const char *const names[] = {
		"none", "queued", "placed", "running", "ended", "stopped", "failed", "lost",
	};

	return (unsigned int)state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}
