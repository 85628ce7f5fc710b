/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What job.c (looking after runs) and job_output.c share. */
#ifndef HCD_ENV_JOB_TABLE_H
#define HCD_ENV_JOB_TABLE_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/daemon.h"
#include "daemon/env/container.h"
#include "daemon/env/job.h"
#include "daemon/policy/job.h"

/* What the helper says of a run. */
enum hcd_run_look {
	HCD_LOOK_UNKNOWN, HCD_LOOK_NOTHING, HCD_LOOK_RUNNING, HCD_LOOK_ENDED, HCD_LOOK_LOST,
};

/* A run that the state wants here. */
struct hcd_run {
	struct hcd_run *next;
	uint64_t id;
	uint32_t run;
	char user[HC_NAME_LEN + 1];
	bool is_wanted;			/* scratch: the state has it */
	bool is_begun;			/* the state says so */
	bool is_stopping;
	enum hcd_run_look look;
	enum pol_job_sight sight;	/* what is told */
	int status;
	char text[HCD_ERROR_LEN];
	uint64_t retry_ms, term_ms;
	unsigned int failures;
};

struct hcd_job_read;

struct hcd_jobs {
	struct hcd *d;
	uv_timer_t timer;
	struct hcd_run *runs;
	bool is_busy;			/* the helper is asked something */
	bool is_stopping;
	uint64_t looked_ms, listed_ms;
	uint64_t *stale;		/* pairs of id and run: folders that nobody wants */
	size_t nr_stale;
	struct hcd_job_read *reads;	/* asked of other nodes */
	uint64_t read_serial;
};

/* job_output.c: those that take too long. @is_end: all. */
void hcd_jobs_reads_expire(struct hcd_jobs *js, bool is_end);

#endif /* HCD_ENV_JOB_TABLE_H */
