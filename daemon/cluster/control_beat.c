// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Heartbeats: see control.h. Each member beats to the controller, five times in failure_timeout
 * or more, and holds a lease from when the beat that was answered was *sent*, for as long as the
 * answer says. The controller tells a member dead that was silent for failure_timeout by its own
 * clock, and only after it was in office for as long; a controller that itself stood still begins
 * to count anew.
 *
 * Of one member more is known: the controller before this one. Nobody beats for it, and its
 * leases begin no later than when a majority of the voters last heard of it. So the beats tell a
 * new controller how long their senders have heard nothing of the former one; with the word of a
 * majority that one is dead failure_timeout after it fell silent, not after the new one took
 * over.
 *
 * A failure_timeout that becomes shorter is kept to once the leases that were given before are
 * over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/agent.h"
#include "daemon/policy/policy_config.h"

#define TELL_MS		1000	/* the same again, when the first did not get through */
#define STOOD_STILL_MS	500
/* The controller's own office may outlive its last contact to most voters by that: consensus.c. */
#define OFFICE_MS	(HCD_ELECTION_MS * 3 / 4)

uint64_t hcd_beat_failure_ms(const struct hcd_control *c)
{
	return c->failure_ms ? c->failure_ms : HCD_FAILURE_MS;
}

static uint64_t failure_wanted_ms(const struct hcd_control *c)
{
	const char *text = hcd_fsm_setting(c->fsm, pol_key_info(POL_FAILURE_TIMEOUT)->name);
	struct pol_config config;
	uint64_t ms;

	pol_config_init(&config);
	if (text)
		pol_config_set(&config, POL_FAILURE_TIMEOUT, text);
	ms = (uint64_t)pol_config_get(&config, POL_FAILURE_TIMEOUT) / 1000000;
	if (ms < HCD_FAILURE_MIN_MS)
		return HCD_FAILURE_MIN_MS;
	return ms < HCD_FAILURE_MAX_MS ? ms : HCD_FAILURE_MAX_MS;
}

static void follow_setting(struct hcd_control *c, uint64_t now_ms)
{
	if (!c->failure_ms || c->failure_changes != c->fsm->changes) {
		uint64_t wanted_ms = failure_wanted_ms(c);

		c->failure_changes = c->fsm->changes;
		if (c->failure_ms && wanted_ms < c->failure_wanted_ms)
			c->failure_until_ms = now_ms + c->failure_ms;
		c->failure_wanted_ms = wanted_ms;
	}
	if (c->failure_wanted_ms > c->failure_ms || now_ms >= c->failure_until_ms)
		c->failure_ms = c->failure_wanted_ms;
}

/* Who is in office changed: then the new one is told of the former one, at once. */
static void follow_office(struct hcd_control *c)
{
	if (c->seen_controller == c->fsm->controller)
		return;
	c->former = c->seen_controller;
	c->seen_controller = c->fsm->controller;
	c->beat_ms = 0;
}

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
	const struct hcd_watch *former = c->former ? hcd_control_watch(c, c->former) : NULL;
	Hcp__Beat msg = HCP__BEAT__INIT;

	/* The number is our clock: the answer renews the lease from then on. */
	msg.seq = now_ms;
	msg.incarnation = c->identity.incarnation;
	msg.is_pristine = c->consensus && hcd_consensus_is_pristine(c->consensus);
	msg.is_broken = hcd_control_is_broken(c);
	msg.version_max = HCD_FSM_VERSION;
	msg.epoch = own_epoch(c);
	msg.term = c->fsm->controller_term;
	if (former && former->sign_ms) {
		msg.former = c->former;
		msg.former_silent_ms = now_ms - former->sign_ms;
	}
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

/*
 * When a majority of the voters had the last sign of the former controller, by our clock.
 * Return: false when too few of them have said so.
 */
static bool former_heard(struct hcd_control *c, uint64_t *ret_ms)
{
	struct hcd_server servers[HCD_MEMBERS_MAX];
	size_t nr = hcd_consensus_servers(c->consensus, servers, HCD_MEMBERS_MAX);
	size_t voters = 0, said = 0;
	uint64_t last_ms = 0;

	for (size_t i = 0; i < nr; i++) {
		bool is_self = servers[i].id == c->identity.self.at.id;
		uint32_t id = is_self ? c->former : servers[i].id;
		const struct hcd_watch *w = hcd_control_watch(c, id);
		uint64_t heard_ms = 0;

		if (servers[i].role != HCD_SERVER_VOTER)
			continue;
		voters++;
		if (is_self)
			heard_ms = w ? w->sign_ms : 0;
		else if (w && w->former == c->former && w->former_term == c->fsm->controller_term)
			heard_ms = w->former_ms;
		said += heard_ms != 0;
		last_ms = heard_ms > last_ms ? heard_ms : last_ms;
	}
	if (said <= voters / 2)
		return false;
	*ret_ms = last_ms;
	return true;
}

static uint64_t silent_ms(struct hcd_control *c, const struct hcd_watch *w, uint64_t now_ms)
{
	uint64_t since_ms = w->heard_ms, floor_ms = c->office_ms;

	if (w->id == c->former && former_heard(c, &floor_ms) && w->sign_ms > since_ms)
		since_ms = w->sign_ms;
	/* Who has just joined has had no time to say anything. */
	if (w->first_ms > since_ms)
		since_ms = w->first_ms;
	since_ms = since_ms > floor_ms ? since_ms : floor_ms;
	return now_ms > since_ms ? now_ms - since_ms : 0;
}

/* Was a member's log broken, by the last decision about that? */
static bool is_told_broken(const struct hcd_fsm *fsm, uint32_t id)
{
	for (uint64_t at = fsm->next_decision; at-- > fsm->first_decision;) {
		const struct hcd_decision *d = hcd_fsm_decision(fsm, at);

		if (d && d->node == id && strncmp(d->kind, "log-", 4) == 0)
			return strcmp(d->kind, "log-broken") == 0;
	}
	return false;
}

/* A member lives, and its log can't be written, or can be again. */
static void tell_log(struct hcd_control *c, struct hcd_watch *w, const char *name, uint64_t now_ms)
{
	enum hcd_log_said want = w->broken_ms ? HCD_LOG_BROKEN : HCD_LOG_FINE;
	Hcp__Command command = HCP__COMMAND__INIT;
	Hcp__Decision decision = HCP__DECISION__INIT;
	char text[HCD_DECISION_TEXT_LEN];

	if (w->log_said == want || now_ms < w->broken_told_ms)
		return;
	w->broken_told_ms = now_ms + TELL_MS;
	w->log_said = is_told_broken(c->fsm, w->id) ? HCD_LOG_BROKEN : HCD_LOG_FINE;
	if (w->log_said == want)
		return;
	snprintf(text, sizeof(text), w->broken_ms ?
		 "Node %u (%s) can't write or read the cluster's log: it is no voter to count on, and another node takes its place where there is one." :
		 "Node %u (%s) has the cluster's log again.", w->id, name);
	decision.rule = "R22";
	decision.kind = w->broken_ms ? "log-broken" : "log-mended";
	decision.node = w->id;
	decision.text = text;
	command.by = c->identity.self.at.id;
	command.what_case = HCP__COMMAND__WHAT_DECIDE;
	command.decide = &decision;
	hcd_control_propose(c, &command, on_proposed, NULL);
}

static void watch_members(struct hcd_control *c, uint64_t now_ms)
{
	uint64_t failure_ms = hcd_beat_failure_ms(c);

	for (size_t i = 0; i < c->fsm->nr_members; i++) {
		const struct hcd_member *m = &c->fsm->members[i];
		struct hcd_watch *w = hcd_control_watch(c, m->id);
		uint64_t silent;

		if (!w)
			continue;
		if (m->id == c->identity.self.at.id) {
			w->epoch = own_epoch(c);
			w->version_max = HCD_FSM_VERSION;
			if (m->is_dead)
				tell(c, w, false, 0, now_ms);
			continue;
		}
		silent = silent_ms(c, w, now_ms);
		if (!m->is_dead && silent > failure_ms) {
			w->epoch = w->epoch ? w->epoch : m->epoch;
			tell(c, w, true, silent, now_ms);
		} else if (m->is_dead && w->heard_ms && now_ms - w->heard_ms < failure_ms / 2) {
			tell(c, w, false, 0, now_ms);
		} else if (w->heard_ms && silent < failure_ms) {
			tell_log(c, w, m->name, now_ms);
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
			for (size_t i = 0; i < c->nr_watch; i++)
				c->watch[i].log_said = HCD_LOG_UNREAD;
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
	uint64_t beat_ms;

	c->tick_ms = now_ms;
	follow_setting(c, now_ms);
	follow_office(c);
	take_office(c, now_ms);
	if (stood_still && c->office_ms) {
		c->office_ms = now_ms;	/* nobody's silence counts that we did not listen to */
		c->former = 0;
	}
	if (c->office_ms) {
		/* Over, when another may tell us dead: failure_timeout after our last contact. */
		c->lease_until_ms = now_ms + hcd_beat_failure_ms(c) - OFFICE_MS;
		c->lease_steps = c->fsm->steps;
		watch_members(c, now_ms);
	}
	if (c->lease_until_ms && now_ms >= c->lease_until_ms) {
		c->lease_until_ms = 0;
		hcd_warn("This node has lost its lease: no controller has answered it in time.");
	}
	beat_ms = hcd_beat_failure_ms(c) / 5;
	if (now_ms - c->beat_ms >= (beat_ms < HCD_BEAT_MS ? beat_ms : HCD_BEAT_MS)) {
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
		w->former = msg->former;
		w->former_term = msg->term;
		w->former_ms = msg->former_silent_ms < now_ms ? now_ms - msg->former_silent_ms : 0;
		w->broken_ms = !msg->is_broken ? 0 : w->broken_ms ? w->broken_ms : now_ms;
		w->pristine_ms = !msg->is_pristine ? 0 : w->pristine_ms ? w->pristine_ms : now_ms;
	}
	hcd_control_follow(c, msg->incarnation);
	ack.seq = msg->seq;
	ack.incarnation = c->identity.incarnation;
	ack.term = c->fsm->controller_term;
	ack.is_controller = c->office_ms && hcd_control_is_controller(c);
	ack.is_dead = m && m->is_dead;
	ack.epoch = m ? m->epoch : 0;
	ack.lease_ms = hcd_beat_failure_ms(c);
	ack.steps = c->fsm->steps;
	ack.log_ms = ack.is_controller ? hcd_control_log_ms(c) : 0;
	hcp__beat__free_unpacked(msg, NULL);
	hcd_cluster_send(peer, HCD_FRAME_BEAT_ACK, &ack.base);
}

void hcd_beat_ack_frame(struct hcd_control *c, struct hcd_peer *peer,
			const struct hcd_frame *frame)
{
	Hcp__BeatAck *msg = hcp__beat_ack__unpack(NULL, frame->len, frame->payload);
	uint64_t now_ms = hcd_control_now(c), lease_ms;

	if (!msg)
		return;
	lease_ms = msg->lease_ms ? msg->lease_ms : HCD_FAILURE_MS;
	lease_ms = lease_ms < HCD_FAILURE_MAX_MS ? lease_ms : HCD_FAILURE_MAX_MS;
	if (msg->incarnation == c->identity.incarnation && msg->is_controller && !msg->is_dead &&
	    msg->seq <= now_ms && msg->seq + lease_ms > c->lease_until_ms) {
		c->lease_until_ms = msg->seq + lease_ms;
		c->lease_steps = msg->steps;
		if (msg->log_ms)
			hcd_clock_set(&c->clock, msg->log_ms, now_ms);
	}
	hcd_control_follow(c, msg->incarnation);
	hcp__beat_ack__free_unpacked(msg, NULL);
}
