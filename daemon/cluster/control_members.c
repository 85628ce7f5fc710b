// SPDX-License-Identifier: GPL-2.0-or-later
/* Members become peers of this node, and removed ones go: see control.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/control.h"
#include "daemon/daemon.h"
#include "daemon/node/module.h"
#include "daemon/node/work.h"

int hcd_members_peer(struct hcd_control *c, const struct hcd_known *known)
{
	char inside[INET6_ADDRSTRLEN] = "";
	struct hcd_psk psk;
	int r;

	if (known->at.id == c->identity.self.at.id)
		return 0;
	r = hcd_pair_key(c->identity.secret, c->identity.key, known->key, c->identity.cluster_key,
			 &psk);
	if (c->identity.encrypt == HCD_ENCRYPT_WIREGUARD)
		hcd_fabric_text(c->identity.cluster, known->at.id, inside);
	if (r == 0)
		r = hcd_cluster_member_set(c->d->cluster, &known->at, &psk, inside);
	if (r < 0)
		hcd_peer_warn(known->at.id, "Node %u can't be taken in as a peer: %s.",
			      known->at.id, strerror(-r));
	explicit_bzero(psk.bytes, HCD_MAC_LEN);
	return r;
}

struct gone_job {
	struct hcd_job job;
	uint32_t id;
};

static int gone_run(struct hcd_job *job, struct hcnl *h)
{
	return h ? hcnl_peer_del(h, ((struct gone_job *)job)->id, false) : 0;
}

static void gone_done(struct hcd_job *job)
{
	if (job->result < 0 && job->result != -ENOENT)
		hcd_warn("The module keeps a removed node: %s", job->error);
	free(job);
}

static void drop(struct hcd_control *c, const struct hcd_known *known)
{
	struct hcd_peer *peer = hcd_cluster_peer(c->d->cluster, known->at.id);
	Hcp__Removed msg = HCP__REMOVED__INIT;
	struct gone_job *job;

	if (!peer || !peer->is_member)
		return;
	msg.key = (ProtobufCBinaryData){ HCD_NODE_KEY_LEN, (uint8_t *)known->key };
	hcd_cluster_send(peer, HCD_FRAME_REMOVED, &msg.base);
	hcd_cluster_peer_del(c->d->cluster, known->at.id);
	job = calloc(1, sizeof(*job));
	if (!job)
		return;
	job->job.run = gone_run;
	job->job.done = gone_done;
	job->id = known->at.id;
	hcd_queue_submit(hcd_module_queue(c->d->module), &job->job);
}

/* We are no member any more: nothing of the cluster is done here from now on. */
static void leave(struct hcd_control *c)
{
	struct hcd_cluster *cluster = c->d->cluster;

	hcd_warn("This node was removed from the cluster %s; its keys are not accepted there any more.",
		 c->identity.name);
	c->identity.is_removed = true;
	c->identity.nr_members = 0;
	hcd_control_save(c);
	hcd_ask_cancel_all(c, "This node was removed from the cluster.");
	for (size_t i = cluster->nr_peers; i-- > 0;) {
		if (cluster->peers[i]->is_member)
			hcd_cluster_peer_del(cluster, cluster->peers[i]->config.id);
	}
	hcd_cluster_set_members(cluster, false);
	hcd_fabric_leave(c);
	hcd_consensus_stop(c->consensus, NULL, NULL);
	c->consensus = NULL;
	c->office_ms = c->lease_until_ms = 0;
}

static void known_of(const struct hcd_member *m, struct hcd_known *ret)
{
	*ret = (struct hcd_known){ .at = { .id = m->id, .port = m->port } };
	snprintf(ret->at.name, sizeof(ret->at.name), "%s", m->name);
	snprintf(ret->at.address, sizeof(ret->at.address), "%s", m->address);
	memcpy(ret->key, m->key, sizeof(ret->key));
}

/* A pair's key costs a curve's multiplication: not for each entry of the log again. */
static bool is_peer_already(struct hcd_control *c, const struct hcd_known *old, size_t nr_old,
			    const struct hcd_known *k)
{
	const struct hcd_peer *peer = hcd_cluster_peer(c->d->cluster, k->at.id);

	for (size_t i = 0; peer && peer->is_member && i < nr_old; i++)
		if (memcmp(&old[i], k, sizeof(*k)) == 0)
			return true;
	return k->at.id == c->identity.self.at.id;
}

/* The members of the state: known, peers, and in the file for the next start. */
void hcd_members_sync(struct hcd_control *c)
{
	struct hcd_identity *id = &c->identity;
	struct hcd_known *old;
	size_t nr_old = id->nr_members;
	bool is_same;

	if (id->is_removed || hcd_fsm_is_removed(c->fsm, id->key)) {
		leave(c);
		return;
	}
	/*
	 * At a start the log's past is read again, from before we and others joined: so one that
	 * the state does not have is dropped only when the state says that it was removed.
	 */
	old = malloc(sizeof(id->members));
	if (!old || c->fsm->incarnation != id->incarnation ||
	    !hcd_fsm_member_by_key(c->fsm, id->key)) {
		free(old);
		return;
	}
	memcpy(old, id->members, sizeof(id->members));
	id->nr_members = 0;
	for (size_t i = 0; i < c->fsm->nr_members; i++) {
		struct hcd_known *k = &id->members[id->nr_members++];

		known_of(&c->fsm->members[i], k);
		if (!is_peer_already(c, old, nr_old, k))
			hcd_members_peer(c, k);
	}
	for (size_t i = 0; i < nr_old; i++) {
		if (hcd_fsm_member_by_key(c->fsm, old[i].key))
			continue;
		if (hcd_fsm_is_removed(c->fsm, old[i].key))
			drop(c, &old[i]);
		else if (id->nr_members < HCD_MEMBERS_MAX)
			id->members[id->nr_members++] = old[i];
	}
	is_same = id->nr_members == nr_old && memcmp(old, id->members, nr_old * sizeof(*old)) == 0;
	free(old);
	if (is_same)
		return;
	hcd_control_save(c);
	hcd_fabric_changed(c);
}
