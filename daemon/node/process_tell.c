// SPDX-License-Identifier: GPL-2.0-or-later
/* Service processes, told to the controller each second: see process.h. */
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/cluster/rules.h"
#include "daemon/node/process.h"
#include "daemon/policy/order.h"

#define OUTCOMES_MAX	16	/* of one message; the others with the next one */

/* All that one message points at. */
struct told {
	Hcp__Processes msg;
	Hcp__Process processes[HCD_PROCESSES_MAX], *process_list[HCD_PROCESSES_MAX];
	Hcp__Guest guests[HCD_GUESTS_MAX], *guest_list[HCD_GUESTS_MAX];
	Hcp__Outcome outcomes[OUTCOMES_MAX], *outcome_list[OUTCOMES_MAX];
	struct hcd_order_outcome texts[OUTCOMES_MAX];
};

/* As loads travel in a heartbeat. */
static uint32_t share(double load)
{
	return load < 0 ? 0 : (uint32_t)(load * (HCD_SHARE_ONE - 1) + 0.5) + 1;
}

static int by_load(const void *a, const void *b)
{
	const struct hcd_process *x = *(struct hcd_process *const *)a;
	const struct hcd_process *y = *(struct hcd_process *const *)b;

	if (x->load.load != y->load.load)
		return x->load.load > y->load.load ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void add_process(struct told *t, const struct hcd_process *p, uint64_t now_ms)
{
	Hcp__Process *msg = &t->processes[t->msg.n_processes];

	hcp__process__init(msg);
	msg->pid = p->pid;
	msg->start = p->start;
	msg->user = (char *)p->user;
	msg->name = (char *)p->name;
	msg->at = p->at;
	msg->move = p->move;
	msg->load = share(p->load.load);
	msg->is_restricted = p->why[0] || p->is_moving;
	msg->why = (char *)p->why;
	if (p->moved_ms)
		msg->moved_ms = now_ms - p->moved_ms + 1;
	msg->has_failed = p->has_failed;
	t->process_list[t->msg.n_processes++] = msg;
}

static void fill(struct hcd *d, struct told *t)
{
	struct hcd_processes *p = d->processes;
	uint64_t now_ms = hcd_control_now(d->control);
	static struct hcd_process *sorted[HCD_PROCESSES_SEEN];

	hcp__processes__init(&t->msg);
	t->msg.incarnation = d->control->identity.incarnation;
	t->msg.processes = t->process_list;
	t->msg.guests = t->guest_list;
	t->msg.outcomes = t->outcome_list;
	for (size_t i = 0; i < p->nr; i++)
		sorted[i] = &p->list[i];
	qsort(sorted, p->nr, sizeof(sorted[0]), by_load);
	for (size_t i = 0; i < p->nr && i < HCD_PROCESSES_MAX; i++)
		add_process(t, sorted[i], now_ms);
	t->msg.left_out = (uint32_t)(p->nr - t->msg.n_processes);
	for (size_t i = 0; i < p->nr_guests; i++) {
		hcp__guest__init(&t->guests[i]);
		t->guests[i].move = p->guests[i].move;
		t->guests[i].load = share(p->guests[i].load.load);
		t->guest_list[t->msg.n_guests++] = &t->guests[i];
	}
	for (size_t i = 0; i < OUTCOMES_MAX && hcd_moves_outcome(p, i, &t->texts[i]); i++) {
		hcp__outcome__init(&t->outcomes[i]);
		t->outcomes[i].id = t->texts[i].id;
		t->outcomes[i].what = t->texts[i].what;
		t->outcomes[i].text = t->texts[i].text;
		t->outcomes[i].stopped_us = t->texts[i].stopped_us;
		t->outcome_list[t->msg.n_outcomes++] = &t->outcomes[i];
	}
}

void hcd_processes_tell(struct hcd *d)
{
	uint32_t controller = hcd_control_controller(d->control), self = d->config.node.id;
	struct hcd_peer *peer = controller ? hcd_cluster_peer(d->cluster, controller) : NULL;
	struct told *t;
	uint8_t *data;
	size_t len;

	if (!controller || !d->processes->looked_ms || (controller != self && !peer))
		return;
	t = malloc(sizeof(*t));
	if (!t)
		return;
	fill(d, t);
	if (controller != self) {
		hcd_cluster_send(peer, HCD_FRAME_PROCESSES, &t->msg.base);
	} else {
		len = hcp__processes__get_packed_size(&t->msg);
		data = malloc(len + 1);
		if (data) {
			hcp__processes__pack(&t->msg, data);
			hcd_rules_report(d->control->rules, self, data, len);
		}
		free(data);
	}
	free(t);
}
