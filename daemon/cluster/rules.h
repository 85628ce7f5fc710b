/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules, live: the controller runs daemon/policy over what the replicated state remembers and
 * what the nodes say of themselves, and gives what comes of it to the log, as one step.
 *
 *	kept in the state ─┐                       ┌─► changes of what is kept ─┐
 *	loads ─────────────┼─► pol_step(event) ────┤                            ├─► one entry of
 *	event ─────────────┘                       └─► decisions, with reasons ─┘   the log
 *
 * An event is a member that died, came or went, a wish of somebody, a tick, or the end of a period.
 * One step is on its way at a time, and says after which one it was decided: so nothing is decided
 * on what is no longer true, whoever is the controller. A wish is answered when its step is in the
 * log of a majority.
 *
 *	rules.c		what to do next, and the way into the log and back
 *	rules_kept.c	between the state's messages and the policy's
 *	rules_say.c	decisions in words, with what was considered
 *	rules_wish.c	what users and administrators want
 *	rules_input.c	what the nodes say of themselves
 *	rules_process.c	service processes, and moves that are under way
 *	rules_job.c	jobs: the queue, and what their nodes tell
 *	rules_env.c	environments of several nodes
 */
#ifndef HCD_RULES_H
#define HCD_RULES_H

#include <jansson.h>

#include "daemon/cluster/control.h"
#include "daemon/policy/kept.h"

struct hcd_rules;

/* NULL without memory. */
struct hcd_rules *hcd_rules_new(struct hcd_control *c);
void hcd_rules_free(struct hcd_rules *r);

/* On each tick of the control, and soon after each change of the state. */
void hcd_rules_tick(struct hcd_rules *r, uint64_t now_ms);

/*
 * The controller shall do it. @cb comes once, perhaps from within: 0 and a result; -EAGAIN: we are
 * not the controller; or as a proposal.
 */
void hcd_rules_wish(struct hcd_rules *r, const Hcp__Wish *wish, hcd_propose_cb cb, void *arg);

/* A node tells of its service processes: a Processes message, as it came. */
void hcd_rules_report(struct hcd_rules *r, uint32_t node, const void *data, size_t len);

/* A node tells of the jobs that were placed on it: a JobReport message, as it came. */
void hcd_rules_job_report(struct hcd_rules *r, uint32_t node, const void *data, size_t len);

/* What waits is answered with -ESTALE; what is on its way, by the engine. */
void hcd_rules_cancel(struct hcd_rules *r);

/* ---- between the files ----------------------------------------------------------------- */

#define HCD_RULES_ALERTS	64
#define HCD_RULES_DECISIONS	512	/* of one step; what is more is counted */
#define HCD_RULES_ENVS		64	/* environments that one step changes */
#define HCD_RULES_ORDERS	256	/* moves that one step begins, and ends */
#define HCD_HOUR_MS		3600000ULL

struct hcd_wish {
	struct hcd_wish *next;
	Hcp__Wish *msg;
	hcd_propose_cb cb;
	void *arg;
};

/* What came out of the events of one step. */
struct hcd_outcome {
	/* Owned, with their strings. */
	Hcp__Decision *list[HCD_RULES_DECISIONS];
	size_t nr;
	size_t nr_left_out;
	json_t *json;			/* all of them, for who wished */
	/* Moves that begin with this step, and keys of those that are over. */
	Hcp__KeptMove *orders[HCD_RULES_ORDERS];
	size_t nr_orders;
	char ended[HCD_RULES_ORDERS][24];
	size_t nr_ended;
	/* Jobs as they are with this step, owned; and ids of those that are forgotten. */
	Hcp__KeptJob *jobs[HCD_RULES_ORDERS];
	size_t nr_jobs;
	uint64_t gone[HCD_RULES_ORDERS];
	size_t nr_gone;
	uint64_t job_id;		/* that a wish was about */
	struct hcd_kept envs[HCD_RULES_ENVS];	/* owned; without data: it is gone */
	size_t nr_envs;
	bool is_refused;
	char refusal[512];
};

/*
 * The mean of a node's load over what is known of each window: what hyperchain-stats has kept, and
 * since then what was seen here.
 */
struct hcd_load {
	uint32_t id;
	uint64_t last_ms;
	int64_t now, avg[POL_WINDOWS];
	uint64_t span_ms[POL_WINDOWS];	/* that avg is of */
	int64_t echo;			/* of processes that moved: not in @now yet */
};

/* What a node told last of its service processes. */
struct hcd_report {
	uint32_t node;
	uint64_t at_ms;			/* by hcd_control_now() */
	Hcp__Processes *msg;
};

/* The same of jobs. */
struct hcd_job_report {
	uint32_t node;
	uint64_t at_ms;
	Hcp__JobReport *msg;
};

struct hcd_told_alert {
	unsigned int rule;
	uint32_t node;
	char user[HC_NAME_LEN + 1];
	uint64_t at_ms;
};

struct hcd_rules {
	struct hcd_control *c;
	struct pol_state *st;		/* NULL: to be made anew */
	struct pol_config config;
	uint64_t changes;		/* of the state, that st was made of */
	uint64_t now_ms;		/* the log's time, never going back here */
	uint64_t tick_ms, upgrade_ms, sample_ms;	/* by hcd_control_now() */
	uint64_t retry_ms;		/* nothing is given to the log before that, by the same */
	uint64_t jump_told_ms;		/* charged_ms of the jump of the time that was told last */
	bool is_busy;			/* a step is on its way */
	bool is_tick;			/* its event is one: alerts are not repeated */
	const json_t *event;		/* what it is, for those who explain; borrowed */
	struct hcd_outcome out;
	struct hcd_wish *wishes, *doing;
	Hcp__KeptPool pool;		/* periods, as they will be with this step */
	struct hcd_told_alert alerts[HCD_RULES_ALERTS];
	size_t next_alert;
	struct hcd_load loads[HCD_MEMBERS_MAX];
	size_t nr_loads;
	struct hcd_report reports[HCD_MEMBERS_MAX];
	size_t nr_reports;
	uint64_t report_serial;		/* counts reports */
	uint64_t fed_serial, fed_steps;	/* st has the processes as of then; 0 = it has none */
	int64_t *fed;			/* their pids, sorted */
	size_t nr_fed;
	struct hcd_job_report job_reports[HCD_MEMBERS_MAX];
	size_t nr_job_reports;
	uint64_t jobs_ms;		/* last look at them; 0 = something has changed */
	uint64_t jobs_steps;		/* of the state, at that look */
};

/* rules_kept.c. The policy's state anew. Return: 0 or -errno. */
int hcd_rules_build(struct hcd_rules *r);
/* What differs from the state; freed by hcd_rules_free_changes(). Return: 0 or -errno. */
int hcd_rules_diff(struct hcd_rules *r, Hcp__Kept ***ret_list, size_t *ret_nr);
void hcd_rules_free_changes(Hcp__Kept **list, size_t nr);

/* rules_say.c */
void hcd_rules_decide(void *arg, const struct pol_decision *d);
/* One of the administrator's doings that no rule words: @text in full. */
void hcd_rules_note(struct hcd_rules *r, const char *kind, const char *user, const char *text);
/* An event of ours: @text in full; copied. */
void hcd_rules_put(struct hcd_rules *r, const char *rule, const char *kind, const char *user,
		   uint32_t node, const char *text);
void hcd_outcome_clear(struct hcd_outcome *out);

/* rules_process.c. Bring the processes of the policy's state up to date, before loads are. */
void hcd_rules_feed(struct hcd_rules *r);
/* What a node's load will be when all that moved is counted in it. */
int64_t hcd_rules_echoed(const struct hcd_rules *r, uint32_t node, int64_t load);
void hcd_rules_reports_free(struct hcd_rules *r);
/* Moves that are over are said, and go with this step. Return: there are some. */
bool hcd_rules_outcomes(struct hcd_rules *r);
/* A process moves: its home is to do it. */
void hcd_rules_order(struct hcd_rules *r, const struct pol_decision *d, const char *rule);
void hcd_rules_order_free(Hcp__KeptMove *msg);
/* For people: "12 of node 3 (name)". */
void hcd_rules_process_text(struct hcd_rules *r, int64_t pid, char *buf, size_t len);
/* Whose it is; NULL = not known. Valid until the next report. */
const char *hcd_rules_process_user(struct hcd_rules *r, int64_t pid);

/*
 * rules_job.c. What is to be done with jobs goes with this step. Return: there is something.
 */
bool hcd_rules_jobs(struct hcd_rules *r, uint64_t now_ms);
/* A wish about a job. Return: 1 = it is none; 0, or -errno: refused, in r->out. */
int hcd_rules_job_wish(struct hcd_rules *r, const Hcp__Wish *wish);
void hcd_rules_job_reports_free(struct hcd_rules *r);

/* rules_wish.c: into events. Return: 0; 1 with @ret_event; -errno: refused, in r->out. */
int hcd_wish_event(struct hcd_rules *r, const Hcp__Wish *wish, struct pol_event *ret_event,
		   json_t **ret_json);
void hcd_wish_done(struct hcd_rules *r, struct hcd_wish *w, int error,
		   const struct hcd_result *result);

/* The wish is refused with this sentence; @error, for the caller to return. */
__attribute__((format(printf, 3, 4)))
int hcd_rules_refuse(struct hcd_rules *r, int error, const char *format, ...);

/* rules_env.c: 0 it is no wish about environments; 1 carried out, or refused, in r->out; -errno. */
int hcd_rules_env_wish(struct hcd_rules *r, const Hcp__Wish *wish);
/* What follows from the nodes that users have now. Return: there is something. */
bool hcd_rules_envs(struct hcd_rules *r);

/* rules_input.c */
void hcd_rules_sample(struct hcd_rules *r, uint64_t now_ms);
/* What is kept of node @id: the mean of its load, over @known_s of the window's seconds. */
void hcd_rules_average(struct hcd_rules *r, uint32_t id, enum pol_window window, double mean,
		       double known_s);
void hcd_rules_node(struct hcd_rules *r, const struct hcd_member *m, struct pol_node_info *ret);

#endif /* HCD_RULES_H */
