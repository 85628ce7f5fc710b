// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the nodes say of themselves, as the rules take it: see rules.h. A node that was not heard of
 * has an unknown load, never zero; what was heard of one that died goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/rules.h"
#include "daemon/daemon.h"
#include "daemon/node/agent.h"

static const uint64_t window_s[POL_WINDOWS] = {
	[POL_HOUR] = 3600, [POL_DAY] = 86400, [POL_WEEK] = 604800, [POL_MONTH] = 2592000,
};

/* Our own, or what came with the last heartbeat. Return: false where nothing is known. */
static bool status_of(struct hcd_rules *r, uint32_t id, struct hcd_status *ret)
{
	struct hcd *d = r->c->d;
	const struct hcd_peer *peer;

	if (id == r->c->identity.self.at.id) {
		hcd_agent_status(d, ret);
		return true;
	}
	peer = hcd_cluster_peer(d->cluster, id);
	if (!peer || !peer->has_status || !hcd_peer_is_up(peer) ||
	    uv_now(d->loop) - peer->status_ms > HCD_FRESH_MS)
		return false;
	*ret = peer->status;
	return true;
}

/* SPEC's load, as the node itself has measured it (daemon/node/load.h). */
static int64_t load_of(const struct hcd_status *st)
{
	if (!st->load_now)
		return POL_UNKNOWN;
	return pol_num((st->load_now - 1) / (double)(HCD_SHARE_ONE - 1));
}

static struct hcd_load *load_entry(struct hcd_rules *r, uint32_t id)
{
	size_t i;

	for (i = 0; i < r->nr_loads && r->loads[i].id != id; i++)
		;
	if (i < r->nr_loads)
		return &r->loads[i];
	if (i == HCD_MEMBERS_MAX) {
		/* One that is no member any more makes room. */
		for (i = 0; i < HCD_MEMBERS_MAX && hcd_fsm_member(r->c->fsm, r->loads[i].id); i++)
			;
		if (i == HCD_MEMBERS_MAX)
			return NULL;
	} else {
		r->nr_loads++;
	}
	r->loads[i] = (struct hcd_load){ .id = id, .now = POL_UNKNOWN };
	for (int w = 0; w < POL_WINDOWS; w++)
		r->loads[i].avg[w] = POL_UNKNOWN;
	return &r->loads[i];
}

/* A mean over all that was seen, until that is longer than the window. */
static void average(struct hcd_load *l, uint64_t now_ms)
{
	for (int w = 0; w < POL_WINDOWS; w++) {
		uint64_t window_ms = window_s[w] * 1000, step_ms = now_ms - l->last_ms;
		uint64_t span_ms = l->span_ms[w] + step_ms;

		span_ms = span_ms < window_ms ? span_ms : window_ms;
		step_ms = step_ms < span_ms ? step_ms : span_ms;
		if (!pol_known(l->avg[w]) || !span_ms)
			l->avg[w] = l->now;
		else
			l->avg[w] += (int64_t)((double)(l->now - l->avg[w]) * (double)step_ms /
					       (double)span_ms);
		l->span_ms[w] = span_ms;
	}
}

void hcd_rules_average(struct hcd_rules *r, uint32_t id, enum pol_window window, double mean,
		       double known_s)
{
	struct hcd_load *l = hcd_fsm_member(r->c->fsm, id) ? load_entry(r, id) : NULL;
	double span_ms = known_s * 1000;

	/* What was seen here for longer knows better: archives have gaps where they were not. */
	if (!l || !(mean >= 0 && mean <= 1) || !(span_ms > (double)l->span_ms[window]))
		return;
	l->avg[window] = pol_num(mean);
	l->span_ms[window] = span_ms < (double)window_s[window] * 1000 ? (uint64_t)span_ms :
			     window_s[window] * 1000;
}

void hcd_rules_sample(struct hcd_rules *r, uint64_t now_ms)
{
	const struct hcd_fsm *fsm = r->c->fsm;

	for (size_t i = 0; i < fsm->nr_members; i++) {
		struct hcd_load *l = load_entry(r, fsm->members[i].id);
		struct hcd_status st;

		if (!l)
			continue;
		if (fsm->members[i].is_dead || !status_of(r, l->id, &st)) {
			l->now = POL_UNKNOWN;
			l->last_ms = now_ms;
			continue;
		}
		l->now = load_of(&st);
		if (!pol_known(l->now)) {
			l->last_ms = now_ms;
			continue;
		}
		if (!l->last_ms)
			l->last_ms = now_ms;
		average(l, now_ms);
		l->last_ms = now_ms;
	}
}

void hcd_rules_node(struct hcd_rules *r, const struct hcd_member *m, struct pol_node_info *ret)
{
	struct hcd_load *l = load_entry(r, m->id);
	struct hcd_status st;

	*ret = (struct pol_node_info){ .id = m->id, .cpus = POL_UNKNOWN, .memory = POL_UNKNOWN,
				       .storage = POL_UNKNOWN, .load = l ? l->now : POL_UNKNOWN };
	for (int w = 0; w < POL_WINDOWS; w++)
		ret->avg[w] = l ? l->avg[w] : POL_UNKNOWN;
	if (m->is_dead || !status_of(r, m->id, &st))
		return;
	ret->cpus = pol_num(st.cpus);
	ret->memory = pol_num((double)st.memory_total / (1 << 30));
	if (st.storage_total)
		ret->storage = pol_num((double)st.storage_free / (1 << 30));
}
