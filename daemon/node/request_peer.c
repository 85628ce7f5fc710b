// SPDX-License-Identifier: GPL-2.0-or-later
/* peer.add, peer.del: peers that are not in the configuration, kept in the state file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/text.h"
#include "daemon/daemon.h"
#include "daemon/node/module.h"
#include "daemon/node/request.h"
#include "daemon/node/work.h"

static size_t state_find(const struct hcd_state *state, uint32_t id)
{
	size_t i;

	for (i = 0; i < state->nr_peers && state->peers[i].id < id; i++)
		;
	return i;
}

static bool state_has(const struct hcd_state *state, size_t i, uint32_t id)
{
	return i < state->nr_peers && state->peers[i].id == id;
}

static int state_set(struct hcd_state *state, const struct hcd_peer_config *config)
{
	size_t i = state_find(state, config->id);
	struct hcd_peer_config *peers;

	if (!state_has(state, i, config->id)) {
		peers = realloc(state->peers, (state->nr_peers + 1) * sizeof(*peers));
		if (!peers)
			return -ENOMEM;
		state->peers = peers;
		memmove(peers + i + 1, peers + i, (state->nr_peers - i) * sizeof(*peers));
		state->nr_peers++;
	}
	state->peers[i] = *config;
	return 0;
}

static void state_del(struct hcd_state *state, uint32_t id)
{
	size_t i = state_find(state, id);

	if (!state_has(state, i, id))
		return;
	state->nr_peers--;
	memmove(state->peers + i, state->peers + i + 1,
		(state->nr_peers - i) * sizeof(*state->peers));
}

void hcd_do_peer_add(struct hcd_request *req)
{
	struct hcd *d = req->d;
	struct hcd_peer_config config = { 0 };
	const char *name = NULL, *address;
	json_int_t id, port = HCD_PORT;
	struct hcd_peer *peer;
	char error[HCD_ERROR_LEN];
	int r;

	if (!hcd_request_unpack(req, "{s:I, s:s, s?s, s?I}", "id", &id, "address", &address,
				"name", &name, "port", &port) ||
	    !hcd_request_range(req, "A node's id", id, 1, HCD_NODE_ID_MAX) ||
	    !hcd_request_range(req, "A port", port, 1, 65535))
		return;
	config.id = (uint32_t)id;
	config.port = (uint16_t)port;
	if (config.id == d->config.node.id) {
		hcd_request_fail(req, "Node %u is this node itself.", config.id);
		return;
	}
	if (!hcd_address_is_valid(address)) {
		hcd_request_fail(req, "\"%.64s\" is no IP address of a node: give it in digits, like 10.77.0.2.",
				 address);
		return;
	}
	if (name && !hcd_text_is_name(name)) {
		hcd_request_fail(req, "A name has 1 to %d letters, digits, '.', '_' and '-'.",
				 HC_NAME_LEN);
		return;
	}
	if (!d->cluster->has_psk) {
		hcd_request_fail(req, "This node has no key to prove itself with: put one into %s and reload the daemon.",
				 d->config.node.psk_file);
		return;
	}
	if (!d->config.node.address[0]) {
		hcd_request_fail(req, "This node has no address that others could reach: set 'address' in [node] of %s and restart the daemon.",
				 d->config_path);
		return;
	}
	peer = hcd_cluster_peer(d->cluster, config.id);
	if (peer && peer->is_member) {
		hcd_request_fail(req, "Node %u is a member of the cluster: it is a peer already.",
				 config.id);
		return;
	}
	if (peer && peer->is_configured) {
		hcd_request_fail(req, "Node %u stands in %s: change it there and reload the daemon.",
				 config.id, d->config_path);
		return;
	}
	snprintf(config.address, sizeof(config.address), "%s", address);
	if (name)
		snprintf(config.name, sizeof(config.name), "%s", name);
	else
		snprintf(config.name, sizeof(config.name), "node%u", config.id);
	r = hcd_cluster_peer_set(d->cluster, &config, false);
	if (r == 0)
		r = state_set(&d->state, &config);
	if (r < 0) {
		hcd_request_fail(req, r == -ENOSPC ? "There are 255 peers already, which is the limit." :
						     "Memory is short.");
		return;
	}
	if (hcd_save(d, error) < 0)
		hcd_request_fail(req, "The peer is known until the next restart only: %s", error);
	else
		hcd_request_ok(req, json_pack("{s:I}", "id", id));
}

struct del_job {
	struct hcd_job job;
	struct hcd_request *req;
	struct hcd_peer_config config;
	bool force;
};

static int del_run(struct hcd_job *job, struct hcnl *h)
{
	struct del_job *j = (struct del_job *)job;
	int r = h ? hcnl_peer_forget(h, j->config.id, j->force) : 0;

	/* Without a module, or never connected: it has nothing of that peer. */
	return r == -ENOENT ? 0 : r;
}

static void del_done(struct hcd_job *job)
{
	struct del_job *j = (struct del_job *)job;
	struct hcd *d = j->req->d;
	char error[HCD_ERROR_LEN];

	if (job->result < 0) {
		hcd_cluster_peer_set(d->cluster, &j->config, false);
		hcd_request_fail(j->req, "%s", job->error);
	} else {
		state_del(&d->state, j->config.id);
		if (hcd_save(d, error) < 0)
			hcd_request_fail(j->req, "The peer comes back at the next restart: %s", error);
		else
			hcd_request_ok(j->req, json_pack("{s:I}", "id", (json_int_t)j->config.id));
	}
	free(j);
}

void hcd_do_peer_del(struct hcd_request *req)
{
	struct hcd *d = req->d;
	struct hcd_peer *peer;
	struct del_job *j;
	json_int_t id;
	int force = 0;

	if (!hcd_request_unpack(req, "{s:I, s?b}", "id", &id, "force", &force) ||
	    !hcd_request_range(req, "A node's id", id, 1, HCD_NODE_ID_MAX))
		return;
	peer = hcd_cluster_peer(d->cluster, (uint32_t)id);
	if (!peer) {
		hcd_request_fail(req, "Node %lld is no peer of this node.", (long long)id);
		return;
	}
	if (peer->is_configured) {
		hcd_request_fail(req, "Node %lld stands in %s: take it out there and reload the daemon.",
				 (long long)id, d->config_path);
		return;
	}
	j = calloc(1, sizeof(*j));
	if (!j) {
		hcd_request_fail(req, "Memory is short.");
		return;
	}
	j->job.run = del_run;
	j->job.done = del_done;
	j->req = req;
	j->config = peer->config;
	j->force = force;
	/* First of all nothing new is made to it; put back if the module says no. */
	hcd_cluster_peer_del(d->cluster, (uint32_t)id);
	hcd_queue_submit(hcd_module_queue(d->module), &j->job);
}
