// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Moves that were decided, carried out at the home of the process: see process.h. What is to be
 * done stands in the replicated state until the outcome does (policy/order.h); what was done is
 * known by the module. So nothing here has to outlive the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/control.h"
#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "daemon/node/process.h"
#include "daemon/node/work.h"
#include "daemon/policy/order.h"

#define AT_ONCE		2	/* programs that stand still at the same time */

struct hcd_order {
	struct hcd_order *next;
	uint64_t id, start;
	uint32_t pid, to;
	enum pol_order_do outcome;	/* POL_ORDER_WAIT: none yet */
	bool is_asking;			/* a worker starts it */
	bool was_started;
	uint64_t move;			/* the module's number */
	uint64_t stopped_us;
	char text[HCNL_TEXT_LEN];
	bool is_wanted;			/* scratch: the state has it */
};

void hcd_moves_free(struct hcd_processes *p)
{
	while (p->orders) {
		struct hcd_order *o = p->orders;

		p->orders = o->next;
		free(o);
	}
}

bool hcd_moves_outcome(const struct hcd_processes *p, size_t i, struct hcd_order_outcome *ret)
{
	for (const struct hcd_order *o = p->orders; o; o = o->next) {
		if (o->outcome == POL_ORDER_WAIT || i--)
			continue;
		*ret = (struct hcd_order_outcome){ .id = o->id, .what = o->outcome,
						   .stopped_us = o->stopped_us };
		snprintf(ret->text, sizeof(ret->text), "%s", o->text);
		return true;
	}
	return false;
}

static struct hcd_order *find(struct hcd_processes *p, uint64_t id)
{
	struct hcd_order *o = p->orders;

	while (o && o->id != id)
		o = o->next;
	return o;
}

static void finish(struct hcd *d, struct hcd_order *o, enum pol_order_do outcome, const char *text)
{
	struct hcd_process *process = hcd_process_find(d->processes, o->pid, o->start);

	o->outcome = outcome;
	snprintf(o->text, sizeof(o->text), "%s", text);
	if (process && (outcome == POL_ORDER_STAYED || outcome == POL_ORDER_LOST)) {
		process->moved_ms = hcd_control_now(d->control);
		process->has_failed = true;
	}
	hcd_processes_tell(d);
}

/* ---- starting --------------------------------------------------------------------------- */

struct start_job {
	struct hcd_job job;
	struct hcd *d;
	uint64_t order, move;
	uint32_t pid, to;
};

static int start_run(struct hcd_job *job, struct hcnl *h)
{
	struct start_job *s = (struct start_job *)job;
	static __thread char reasons[HCNL_REASONS_MAX][HCNL_TEXT_LEN];
	size_t n = 0;
	int r;

	if (!h)
		return -ENOENT;
	r = hcnl_move_start(h, s->pid, s->to, false, &s->move);
	if (r < 0)
		snprintf(job->error, sizeof(job->error), "%s", hcnl_error(h));
	/* It only says that it can't; here is why. */
	if (r == -EOPNOTSUPP && hcnl_move_check(h, s->pid, reasons, &n) == 0 && n)
		snprintf(job->error, sizeof(job->error), "%s", reasons[0]);
	return r;
}

static void start_done(struct hcd_job *job)
{
	struct start_job *s = (struct start_job *)job;
	struct hcd_order *o = find(s->d->processes, s->order);

	if (o) {
		o->is_asking = false;
		if (job->result == 0) {
			o->was_started = true;
			o->move = s->move;
		} else if (job->result != -EBUSY) {	/* it moves: the look shows it */
			finish(s->d, o, job->result == -ESRCH ? POL_ORDER_ENDED : POL_ORDER_STAYED,
			       job->error);
		}
		hcd_processes_sample(s->d);
	}
	free(s);
}

static void begin(struct hcd *d, struct hcd_order *o)
{
	struct start_job *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->job.run = start_run;
	s->job.done = start_done;
	s->d = d;
	s->order = o->id;
	s->pid = o->pid;
	s->to = o->to;
	o->is_asking = true;
	hcd_info("Process %u moves to node %u, as was decided.", o->pid, o->to);
	hcd_queue_submit(hcd_module_queue(d->module), &s->job);
}

/* ---- how it goes on ------------------------------------------------------------------------ */

/* The module's move that counts: ours, else the one that is not over. */
static const struct hcnl_move *move_of(const struct hcd_processes *p, const struct hcd_order *o)
{
	const struct hcnl_move *found = NULL;

	for (size_t i = 0; i < p->nr_moves; i++) {
		const struct hcnl_move *m = &p->moves[i];

		if (m->pid != o->pid || m->state > HC_MOVE_OVER)
			continue;
		if (o->was_started ? m->id == o->move : m->state < HC_MOVE_STAYED)
			return m;
		found = m;
	}
	return found;
}

static enum pol_order_move kind_of(const struct hcnl_move *m)
{
	switch (m ? m->state : HC_MOVE_NEVER) {
	case HC_MOVE_NEW:
	case HC_MOVE_OFFERED:
	case HC_MOVE_STOPPED:
	case HC_MOVE_DOUBT:
		return POL_MOVE_UNDECIDED;
	case HC_MOVE_AWAY:
	case HC_MOVE_SETTLED:
		return POL_MOVE_AWAY;
	case HC_MOVE_STAYED:
		return POL_MOVE_STAYED;
	case HC_MOVE_OVER:
		return POL_MOVE_OVER;
	default:
		return POL_MOVE_NONE;
	}
}

static void step(struct hcd *d, struct hcd_order *o, size_t *nr_under_way)
{
	const struct hcnl_move *m = move_of(d->processes, o);
	const struct pol_order_look look = {
		.to = o->to, .has_process = hcd_process_find(d->processes, o->pid, o->start),
		.was_started = o->was_started, .move = kind_of(m),
		.is_ours = m && o->was_started && m->id == o->move, .move_to = m ? m->peer : 0,
	};
	enum pol_order_do next = pol_order_next(&look);

	switch (next) {
	case POL_ORDER_WAIT:
		++*nr_under_way;
		break;
	case POL_ORDER_START:
		if (*nr_under_way < AT_ONCE && hcd_control_is_current(d->control)) {
			++*nr_under_way;
			begin(d, o);
		}
		break;
	default:
		o->stopped_us = m ? m->stop_us : 0;
		finish(d, o, next, m ? m->reason : "");
		break;
	}
}

/* ---- what is wanted ------------------------------------------------------------------------- */

static void want(struct hcd *d, const Hcp__KeptMove *msg)
{
	struct hcd_processes *p = d->processes;
	struct hcd_order *o = find(p, msg->id), **at = &p->orders;

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return;
		o->id = msg->id;
		o->pid = msg->pid;
		o->start = msg->start;
		o->to = msg->to;
		while (*at)
			at = &(*at)->next;
		*at = o;
	}
	o->is_wanted = true;
}

static void read_state(struct hcd *d)
{
	const struct hcd_fsm *fsm = d->control->fsm;
	struct hcd_order **at;

	for (struct hcd_order *o = d->processes->orders; o; o = o->next)
		o->is_wanted = false;
	for (size_t i = 0; i < fsm->nr_kept; i++) {
		Hcp__KeptMove *msg = NULL;

		if (fsm->kept[i].kind == HCD_KEPT_MOVE)
			msg = hcp__kept_move__unpack(NULL, fsm->kept[i].len, fsm->kept[i].data);
		if (msg && msg->home == d->config.node.id)
			want(d, msg);
		if (msg)
			hcp__kept_move__free_unpacked(msg, NULL);
	}
	for (at = &d->processes->orders; *at;) {
		struct hcd_order *o = *at;

		if (o->is_wanted || o->is_asking) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		free(o);
	}
}

void hcd_moves_tick(struct hcd *d, uint64_t now_ms)
{
	struct hcd_processes *p = d->processes;
	size_t nr_under_way = 0;

	read_state(d);
	/* What we know of the module must be newer than what we last asked of it. */
	if (!p->orders || !p->looked_ms || p->looked_ms == p->stepped_ms)
		return;
	p->stepped_ms = p->looked_ms;
	for (struct hcd_order *o = p->orders; o; o = o->next) {
		if (o->is_asking)
			nr_under_way++;
		else if (o->outcome == POL_ORDER_WAIT)
			step(d, o, &nr_under_way);
	}
}
