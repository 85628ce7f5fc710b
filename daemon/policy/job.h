/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * R2: where the jobs that wait begin, and what comes of what their nodes tell. Pure.
 *
 *	QUEUED ──placed──► PLACED ──began──► RUNNING ──ended──► ENDED
 *	  ▲ │ stop           │ can't begin      │ stop ──ended──► STOPPED
 *	  │ └──► STOPPED     └──► FAILED        │
 *	  └────── node died, run lost ──────────┘ (at most POL_JOB_RUNS times, then LOST)
 *
 * R10 (c): on the least loaded node. A node is free for a job when its load is known and below
 * balance_high and its CPUs are not all promised to jobs; one that wants more CPUs than a node has
 * takes all of that node's. Of one user the older job goes first, so that a large one is not
 * starved by small ones; users do not wait for each other.
 */
#ifndef HCD_POLICY_JOB_H
#define HCD_POLICY_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POL_JOB_RUNS	3

/* Kept in the replicated state: append only. */
enum pol_job_state {
	POL_JOB_NONE,
	POL_JOB_QUEUED,
	POL_JOB_PLACED,		/* its node shall begin it */
	POL_JOB_RUNNING,
	POL_JOB_ENDED,
	POL_JOB_STOPPED,	/* as its user wanted */
	POL_JOB_FAILED,		/* it could not begin */
	POL_JOB_LOST,		/* each of its runs was lost */
};

/* What a node says of a run. On the wire: append only. */
enum pol_job_sight {
	POL_SIGHT_NONE,
	POL_SIGHT_RUNNING,
	POL_SIGHT_ENDED,
	POL_SIGHT_FAILED,	/* its program can't be started */
	POL_SIGHT_LOST,		/* nobody knows how it ended: nothing of it is left */
	POL_SIGHT_STOPPED,	/* stopped before it began */
};

struct pol_job {
	uint64_t id;
	const char *user;
	uint32_t cpus;		/* that it wants */
	enum pol_job_state state;
	uint32_t node;
	bool is_new;		/* placed now */
};

struct pol_job_node {
	uint32_t id, cpus;
	int64_t load;		/* billionths, POL_UNKNOWN */
	uint32_t taken;		/* CPUs of jobs that are placed there */
};

/* May jobs of @user begin on node @id? */
typedef bool (*pol_job_may_fn)(void *arg, const char *user, uint32_t id);

/* The node, by its place in @nodes, where a job begins; @nr = none is free. */
size_t pol_job_choose(const struct pol_job_node *nodes, size_t nr, const char *user, uint32_t cpus,
		      int64_t high, pol_job_may_fn may, void *arg);

/*
 * Place what waits. @jobs by id; @taken of the nodes is counted here. Those that begin now have
 * is_new, state PLACED and their node. Return: how many.
 */
size_t pol_jobs_place(struct pol_job *jobs, size_t nr_jobs, struct pol_job_node *nodes,
		      size_t nr_nodes, int64_t high, pol_job_may_fn may, void *arg);

/*
 * What becomes of a job in @state whose @run-th run is seen as @sight: the state it is in then.
 * POL_SIGHT_LOST of a node's death, too.
 */
enum pol_job_state pol_job_after(enum pol_job_state state, enum pol_job_sight sight,
				 bool is_stopping, uint32_t run);

static inline bool pol_job_is_over(enum pol_job_state state)
{
	return state >= POL_JOB_ENDED;
}

/* "queued", ... */
const char *pol_job_state_name(enum pol_job_state state);

#endif /* HCD_POLICY_JOB_H */
