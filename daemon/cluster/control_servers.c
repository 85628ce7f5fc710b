// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many voters, and who: see control.h. 1 voter for one or two members, 3 for three or four,
 * 5 for five or six, 7 for more; every other member is a standby, which has the log too. One change
 * at a time, and never one that leaves fewer living voters than before: a dead voter is replaced
 * before it goes. One whose log is broken has no vote that counts: it is as good as dead here.
 */
#include <errno.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"

#define LOOK_MS		300
#define RETRY_MS	1000
#define PRISTINE_MS	3000	/* so long without a log: it lost what it had */

static size_t wanted_voters(size_t nr_members)
{
	return nr_members < 3 ? 1 : nr_members < 5 ? 3 : nr_members < 7 ? 5 : 7;
}

struct look {
	struct hcd_control *c;
	uint64_t now_ms;
	struct hcd_server servers[HCD_MEMBERS_MAX];
	size_t nr_servers, nr_voters, wanted;
};

static const struct hcd_server *server_of(const struct look *l, uint32_t id)
{
	for (size_t i = 0; i < l->nr_servers; i++) {
		if (l->servers[i].id == id)
			return &l->servers[i];
	}
	return NULL;
}

/* Heard lately, with a log that it can write; or that is us. */
static bool is_alive(const struct look *l, uint32_t id)
{
	const struct hcd_watch *w = hcd_control_watch(l->c, id);
	uint64_t failure_ms = hcd_beat_failure_ms(l->c);

	return id == l->c->identity.self.at.id ||
	       (w && w->heard_ms && l->now_ms - w->heard_ms < failure_ms && !w->pristine_ms &&
		!w->broken_ms);
}

static bool is_long_gone(const struct look *l, uint32_t id)
{
	const struct hcd_watch *w = hcd_control_watch(l->c, id);
	uint64_t since_ms = w && w->heard_ms > l->c->office_ms ? w->heard_ms : l->c->office_ms;

	if (w && w->broken_ms && l->now_ms - w->broken_ms > HCD_VOTER_GONE_MS)
		return true;
	return id != l->c->identity.self.at.id && l->now_ms - since_ms > HCD_VOTER_GONE_MS;
}

static void on_changed(int error, void *arg)
{
	struct hcd_control *c = arg;

	c->servers_ms = hcd_control_now(c) + (error ? RETRY_MS : 0);
}

/* A server that is no member any more, or that lost its log, goes. Return: true = begun. */
static bool remove_one(const struct look *l)
{
	struct hcd_control *c = l->c;

	for (size_t i = 0; i < l->nr_servers; i++) {
		uint32_t id = l->servers[i].id;
		const struct hcd_watch *w = hcd_control_watch(c, id);
		bool is_lost = w && w->pristine_ms && l->now_ms - w->pristine_ms > PRISTINE_MS;

		if (id == c->identity.self.at.id || (hcd_fsm_member(c->fsm, id) && !is_lost))
			continue;
		if (is_lost)
			hcd_control_watch(c, id)->pristine_ms = l->now_ms;
		return hcd_consensus_remove(c->consensus, id, on_changed, c) == 0;
	}
	return false;
}

/* A member that is there gets the log. */
static bool add_one(const struct look *l)
{
	struct hcd_control *c = l->c;

	for (size_t i = 0; i < c->fsm->nr_members; i++) {
		uint32_t id = c->fsm->members[i].id;
		const struct hcd_server *s = server_of(l, id);
		struct hcd_peer *peer = hcd_cluster_peer(c->d->cluster, id);

		if (!peer || !hcd_peer_is_up(peer) || (s && s->role != HCD_SERVER_SPARE))
			continue;
		if (!s)
			return hcd_consensus_add(c->consensus, id, on_changed, c) == 0;
		return hcd_consensus_assign(c->consensus, id, HCD_SERVER_STANDBY, on_changed,
					    c) == 0;
	}
	return false;
}

static bool promote_one(const struct look *l)
{
	struct hcd_control *c = l->c;

	for (size_t i = 0; i < c->fsm->nr_members; i++) {
		uint32_t id = c->fsm->members[i].id;
		const struct hcd_server *s = server_of(l, id);

		if (s && s->role == HCD_SERVER_STANDBY && is_alive(l, id))
			return hcd_consensus_assign(c->consensus, id, HCD_SERVER_VOTER, on_changed,
						    c) == 0;
	}
	return false;
}

/* One voter too many: a dead one if there is, else the greatest id; never us. */
static bool demote_one(const struct look *l)
{
	struct hcd_control *c = l->c;
	uint32_t victim = 0;

	for (size_t i = 0; i < l->nr_servers; i++) {
		uint32_t id = l->servers[i].id;

		if (l->servers[i].role != HCD_SERVER_VOTER || id == c->identity.self.at.id)
			continue;
		if (!victim || is_alive(l, victim) > is_alive(l, id) ||
		    (is_alive(l, victim) == is_alive(l, id) && id > victim))
			victim = id;
	}
	return victim && hcd_consensus_assign(c->consensus, victim, HCD_SERVER_STANDBY,
					      on_changed, c) == 0;
}

static void look(struct hcd_control *c, struct look *l)
{
	size_t nr_living = 0, nr_gone = 0;

	for (size_t i = 0; i < l->nr_servers; i++) {
		bool counts = l->servers[i].role == HCD_SERVER_VOTER &&
			      hcd_fsm_member(c->fsm, l->servers[i].id);

		l->nr_voters += counts;
		nr_living += counts && is_alive(l, l->servers[i].id);
		nr_gone += counts && is_long_gone(l, l->servers[i].id);
	}
	if (remove_one(l) || add_one(l))
		return;
	if (l->nr_voters < l->wanted || (nr_gone && nr_living < l->wanted)) {
		if (promote_one(l))
			return;
	}
	if (l->nr_voters > l->wanted)
		demote_one(l);
}

void hcd_servers_tick(struct hcd_control *c, uint64_t now_ms)
{
	static struct look l;

	if (!c->office_ms || now_ms < c->servers_ms || !hcd_control_is_controller(c))
		return;
	c->servers_ms = now_ms + LOOK_MS;
	l = (struct look){ .c = c, .now_ms = now_ms };
	l.nr_servers = hcd_consensus_servers(c->consensus, l.servers, HCD_MEMBERS_MAX);
	l.wanted = wanted_voters(c->fsm->nr_members);
	look(c, &l);
}
