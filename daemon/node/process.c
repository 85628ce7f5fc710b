// SPDX-License-Identifier: GPL-2.0-or-later
/* What is known of this node's service processes: see process.h. */
#include "daemon/node/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MS	5000	/* between two looks: what the counters say is of the past */

static const char unchecked[] = "it was not looked at yet";

struct hcd_processes *hcd_processes_new(void)
{
	return calloc(1, sizeof(struct hcd_processes));
}

struct hcd_process *hcd_process_find(struct hcd_processes *p, uint32_t pid, uint64_t start)
{
	for (size_t i = 0; i < p->nr; i++)
		if (p->list[i].pid == pid && p->list[i].start == start)
			return &p->list[i];
	return NULL;
}

/* ---- loads -------------------------------------------------------------------------- */

static double smooth(double old, double now, uint64_t step_ms)
{
	if (old < 0 || now < 0)
		return now;
	return old + (now - old) * (double)step_ms / (double)(HCD_LOAD_SMOOTH_MS + step_ms);
}

static void measure(struct hcd_process_load *l, uint64_t ticks, uint64_t bytes, uint64_t at_ms,
		    uint32_t cpus, double room)
{
	double step_ms = (double)(at_ms - l->at_ms), hz = (double)sysconf(_SC_CLK_TCK);
	double cpu = HCD_LOAD_UNKNOWN, memory = HCD_LOAD_UNKNOWN;

	if (!l->at_ms || at_ms - l->at_ms > PAUSE_MS)
		l->cpu_busy = l->memory_used = HCD_LOAD_UNKNOWN;
	else if (step_ms > 0 && ticks >= l->ticks && cpus && hz > 0)
		cpu = (double)(ticks - l->ticks) * 1000 / (hz * step_ms * cpus);
	else if (step_ms <= 0)
		return;
	if (room > 0)
		memory = (double)bytes < room ? (double)bytes / room : 1;
	/* Ticks are whole ones. */
	cpu = cpu > 1 ? 1 : cpu;
	l->cpu_busy = smooth(l->cpu_busy, cpu, (uint64_t)step_ms);
	l->memory_used = smooth(l->memory_used, memory, (uint64_t)step_ms);
	l->ticks = ticks;
	l->at_ms = at_ms;
	if (l->cpu_busy < 0 || l->memory_used < 0)
		l->load = HCD_LOAD_UNKNOWN;
	else
		l->load = l->cpu_busy > l->memory_used ? l->cpu_busy : l->memory_used;
}

/* ---- a look's result ------------------------------------------------------------------ */

/* The move of this process that is not over, or was given up last. */
static const struct hcnl_move *move_of(const struct hcd_look *look, uint32_t pid)
{
	for (size_t i = 0; i < look->nr_moves; i++)
		if (look->moves[i].pid == pid && look->moves[i].state < HC_MOVE_STAYED)
			return &look->moves[i];
	return NULL;
}

static void take_move(struct hcd_process *p, const struct hcnl_move *m, uint64_t now_ms)
{
	bool is_away = m && (m->state == HC_MOVE_AWAY || m->state == HC_MOVE_SETTLED);

	if (is_away && !p->at && p->load.at_ms) {
		p->moved_ms = now_ms;
		p->has_failed = false;
	}
	p->at = is_away ? m->peer : 0;
	p->move = m ? m->id : 0;
	p->is_moving = m && !is_away;
	if (is_away)
		snprintf(p->why, sizeof(p->why), "it has moved here from its home, and moves once");
}

static void take_row(struct hcd_processes *p, const struct hcd_look *look,
		     const struct hcd_look_row *row, uint32_t cpus, double room)
{
	struct hcd_process *known = hcd_process_find(p, row->pid, row->start);
	const struct hcnl_move *move = move_of(look, row->pid);

	if (!known) {
		if (p->nr == HCD_PROCESSES_SEEN)
			return;
		known = &p->list[p->nr++];
		*known = (struct hcd_process){ .pid = row->pid, .start = row->start };
		known->load.load = HCD_LOAD_UNKNOWN;
		snprintf(known->why, sizeof(known->why), "%s", unchecked);
	}
	known->is_seen = true;
	snprintf(known->user, sizeof(known->user), "%s", look->places[row->user].user);
	take_move(known, move, look->at_ms);
	/* A shadow is named as its program is; its load says nothing. */
	snprintf(known->name, sizeof(known->name), "%s", row->name);
	if (known->at)
		return;
	measure(&known->load, row->ticks, row->bytes, look->at_ms, cpus, room);
	if (row->is_checked) {
		snprintf(known->why, sizeof(known->why), "%s", row->why);
		known->checked_ms = look->at_ms;
	}
}

static void take_guest(struct hcd_processes *p, const struct hcd_look *look,
		       const struct hcd_look_guest *found, uint32_t cpus, double room)
{
	size_t i;

	for (i = 0; i < p->nr_guests && p->guests[i].move != found->move; i++)
		;
	if (i == HCD_GUESTS_MAX)
		return;
	if (i == p->nr_guests) {
		p->nr_guests++;
		p->guests[i] = (struct hcd_guest){ .move = found->move };
		p->guests[i].load.load = HCD_LOAD_UNKNOWN;
	}
	p->guests[i].is_seen = true;
	measure(&p->guests[i].load, found->ticks, found->bytes, look->at_ms, cpus, room);
}

void hcd_processes_take(struct hcd_processes *p, struct hcd_look *look, uint32_t cpus, double room)
{
	size_t nr = 0;

	for (size_t i = 0; i < p->nr; i++)
		p->list[i].is_seen = false;
	for (size_t i = 0; i < p->nr_guests; i++)
		p->guests[i].is_seen = false;
	/* Room first: who has gone has gone. */
	for (size_t i = 0; i < p->nr; i++)
		for (size_t k = 0; k < look->nr_rows; k++)
			if (look->rows[k].pid == p->list[i].pid &&
			    look->rows[k].start == p->list[i].start) {
				p->list[nr++] = p->list[i];
				break;
			}
	p->nr = nr;
	for (size_t i = 0; i < look->nr_rows; i++)
		take_row(p, look, &look->rows[i], cpus, room);
	for (size_t i = 0; i < look->nr_guests; i++)
		take_guest(p, look, &look->guests[i], cpus, room);
	nr = 0;
	for (size_t i = 0; i < p->nr_guests; i++)
		if (p->guests[i].is_seen)
			p->guests[nr++] = p->guests[i];
	p->nr_guests = nr;
	free(p->moves);
	p->moves = look->moves;
	p->nr_moves = look->nr_moves;
	look->moves = NULL;
	look->nr_moves = 0;
	p->looked_ms = look->at_ms;
}
