// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Heartbeats: see control.h. Each member beats to the controller, five times in failure_timeout,
 * and holds a lease for failure_timeout from when the beat that was answered was *sent*. The
 * controller tells a member dead that was silent for failure_timeout by its own clock, and only
 * after it was in office for as long; a controller that itself stood still begins to count anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/agent.h"

#define TELL_MS		1000	/* the same again, when the first did not get through */
#define STOOD_STILL_MS	500

static uint64_t own_epoch(struct hcd_control *c)
{
	static struct hcd_status st;

	hcd_agent_status(c->d, &st);
	return st.epoch;
}

static void send_beats(struct hcd_control *c, uint64_t now_ms)
{
	struct hcd_cluster *cluster = c->d->cluster;
	uint32_t controller = hcd_control_controller(c);
	Hcp__Beat msg = HCP__BEAT__INIT;

	/* The number is our clock: the answer renews the lease from then on. */
	msg.seq = now_ms;
	msg.incarnation = c->identity.incarnation;
	msg.is_pristine = c->consensus && hcd_consensus_is_pristine(c->consensus);
	msg.version_max = HCD_FSM_VERSION;
	msg.epoch = own_epoch(c);
	for (size_t i = 0; i < cluster->nr_peers; i++) {
		struct hcd_peer *peer = cluster->peers[i];

		if (peer->is_member && (!controller || controller == peer->config.id))
			hcd_cluster_send(peer, HCD_FRAME_BEAT, &msg.base);
	}
}

static void on_proposed(int error, const struct hcd_result *result, void *arg)
{
	/* What became of it is looked at anew with each tick. */
}

static void tell(struct hcd_control *c, struct hcd_watch *w, bool is_dead, uint64_t silent_ms,
		 uint64_t now_ms)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Member m = HCP__MEMBER__INIT;

	if (now_ms < w->told_ms)
		return;
	w->told_ms = now_ms + TELL_MS;
	m.id = w->id;
	m.epoch = w->epoch;
	m.version_max = w->version_max;
	m.changed_s = is_dead ? silent_ms : 0;
	command.by = c->identity.self.at.id;
	command.what_case = is_dead ? HCP__COMMAND__WHAT_DEAD : HCP__COMMAND__WHAT_ALIVE;
	if (is_dead)
		command.dead = &m;
	else
		command.alive = &m;
	hcd_control_propose(c, &command, on_proposed, NULL);
}

static void watch_members(struct hcd_control *c, uint64_t now_ms)
{
	for (size_t i = 0; i < c->fsm->nr_members; i++) {
		const struct hcd_member *m = &c->fsm->members[i];
		struct hcd_watch *w = hcd_control_watch(c, m->id);
		uint64_t since_ms;

		if (!w)
			continue;
		if (m->id == c->identity.self.at.id) {
			w->epoch = own_epoch(c);
			w->version_max = HCD_FSM_VERSION;
			if (m->is_dead)
				tell(c, w, false, 0, now_ms);
			continue;
		}
		since_ms = w->heard_ms > c->office_ms ? w->heard_ms : c->office_ms;
		if (!m->is_dead && now_ms - since_ms > HCD_FAILURE_MS) {
			w->epoch = w->epoch ? w->epoch : m->epoch;
			tell(c, w, true, now_ms - since_ms, now_ms);
		} else if (m->is_dead && w->heard_ms && now_ms - w->heard_ms < HCD_FAILURE_MS / 2) {
			tell(c, w, false, 0, now_ms);
		}
	}
}

/* Who is elected says so in the log, so that everybody knows in which order. */
static void take_office(struct hcd_control *c, uint64_t now_ms)
{
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Office office = HCP__OFFICE__INIT;
	uint64_t term = hcd_consensus_term(c->consensus);
	bool has_lease = hcd_consensus_has_lease(c->consensus);

	if (!has_lease || !c->fsm->incarnation) {
		if (c->office_ms)
			hcd_warn("This node gives up the office of the controller: too few voters answer, or another was elected.");
		c->office_ms = 0;
		return;
	}
	if (c->fsm->controller == c->identity.self.at.id && c->fsm->controller_term == term) {
		if (!c->office_ms) {
			c->office_ms = now_ms;
			hcd_info("This node is the controller of the cluster %s, in term %llu.",
				 c->fsm->name, (unsigned long long)term);
		}
		return;
	}
	c->office_ms = 0;
	if (now_ms < c->office_told_ms)
		return;
	c->office_told_ms = now_ms + TELL_MS;
	office.node = c->identity.self.at.id;
	office.term = term;
	command.by = office.node;
	command.what_case = HCP__COMMAND__WHAT_OFFICE;
	command.office = &office;
	hcd_control_propose(c, &command, on_proposed, NULL);
}

void hcd_beat_tick(struct hcd_control *c, uint64_t now_ms)
{
	bool stood_still = c->tick_ms && now_ms - c->tick_ms > STOOD_STILL_MS;

	if (c->lease_until_ms && now_ms >= c->lease_until_ms) {
		c->lease_until_ms = 0;
		hcd_warn("This node has lost its lease: no controller has answered it for %d ms.",
			 HCD_FAILURE_MS);
	}
	c->tick_ms = now_ms;
	take_office(c, now_ms);
	if (stood_still && c->office_ms)
		c->office_ms = now_ms;	/* nobody's silence counts that we did not listen to */
	if (c->office_ms) {
		c->lease_until_ms = now_ms + HCD_FAILURE_MS;
		watch_members(c, now_ms);
	}
	if (now_ms - c->beat_ms >= HCD_BEAT_MS) {
		c->beat_ms = now_ms;
		send_beats(c, now_ms);
	}
}

void hcd_beat_frame(struct hcd_control *c, struct hcd_peer *peer, const struct hcd_frame *frame)
{
	Hcp__Beat *msg = hcp__beat__unpack(NULL, frame->len, frame->payload);
	struct hcd_watch *w = hcd_control_watch(c, peer->config.id);
	const struct hcd_member *m = hcd_fsm_member(c->fsm, peer->config.id);
	Hcp__BeatAck ack = HCP__BEAT_ACK__INIT;
	uint64_t now_ms = hcd_control_now(c);

	if (!msg || !w) {
		if (msg)
			hcp__beat__free_unpacked(msg, NULL);
		return;
	}
	if (msg->incarnation == c->identity.incarnation) {
		w->heard_ms = now_ms;
		w->epoch = msg->epoch;
		w->version_max = msg->version_max;
		w->pristine_ms = !msg->is_pristine ? 0 : w->pristine_ms ? w->pristine_ms : now_ms;
	}
	hcd_control_follow(c, msg->incarnation);
	ack.seq = msg->seq;
	ack.incarnation = c->identity.incarnation;
	ack.term = c->fsm->controller_term;
	ack.is_controller = c->office_ms && hcd_control_is_controller(c);
	ack.is_dead = m && m->is_dead;
	ack.epoch = m ? m->epoch : 0;
	hcp__beat__free_unpacked(msg, NULL);
	hcd_cluster_send(peer, HCD_FRAME_BEAT_ACK, &ack.base);
}

void hcd_beat_ack_frame(struct hcd_control *c, struct hcd_peer *peer,
			const struct hcd_frame *frame)
{
	Hcp__BeatAck *msg = hcp__beat_ack__unpack(NULL, frame->len, frame->payload);
	uint64_t now_ms = hcd_control_now(c);

	if (!msg)
		return;
	if (msg->incarnation == c->identity.incarnation && msg->is_controller && !msg->is_dead &&
	    msg->seq <= now_ms && msg->seq + HCD_FAILURE_MS > c->lease_until_ms)
		c->lease_until_ms = msg->seq + HCD_FAILURE_MS;
	hcd_control_follow(c, msg->incarnation);
	hcp__beat_ack__free_unpacked(msg, NULL);
}
