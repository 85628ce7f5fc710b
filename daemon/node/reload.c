// SPDX-License-Identifier: GPL-2.0-or-later
/* Taking in the configuration: see reload.h. */
#include "daemon/node/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/cluster.h"
#include "daemon/node/agent.h"
#include "daemon/node/log.h"
#include "daemon/node/module.h"
#include "daemon/node/work.h"

int hcd_key_load(const struct hcd_config *config, bool needed, struct hcd_psk *ret_psk,
		 bool *ret_has, char error[HCD_ERROR_LEN])
{
	int r = hcd_psk_load(config->node.psk_file, ret_psk, error);

	if (r == -ENOENT && !needed) {
		*ret_has = false;
		return 0;
	}
	if (r == 0)
		*ret_has = true;
	return r;
}

static bool is_in(const struct hcd_peer_config *peers, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (peers[i].id == id)
			return true;
	}
	return false;
}

static void set_one(struct hcd *d, const struct hcd_peer_config *config, bool is_configured)
{
	int r = hcd_cluster_peer_set(d->cluster, config, is_configured);

	if (r < 0)
		hcd_peer_warn(config->id, "Node %u can't be taken in as a peer: %s.", config->id,
			      strerror(-r));
}

void hcd_peers_set(struct hcd *d)
{
	for (size_t i = 0; i < d->config.nr_peers; i++)
		set_one(d, &d->config.peers[i], true);
	for (size_t i = 0; i < d->state.nr_peers; i++) {
		uint32_t id = d->state.peers[i].id;

		/* The configuration comes first. */
		if (id != d->config.node.id && !is_in(d->config.peers, d->config.nr_peers, id))
			set_one(d, &d->state.peers[i], false);
	}
}

struct gone_job {
	struct hcd_job job;
	uint32_t id;
};

static int gone_run(struct hcd_job *job, struct hcnl *h)
{
	struct gone_job *g = (struct gone_job *)job;
	int r = h ? hcnl_peer_del(h, g->id, false) : 0;

	return r == -ENOENT ? 0 : r;
}

static void gone_done(struct hcd_job *job)
{
	struct gone_job *g = (struct gone_job *)job;

	if (job->result < 0)
		hcd_peer_warn(g->id,
			      "Node %u is out of the configuration, but the module keeps it: %s",
			      g->id, job->error);
	free(g);
}

/* Peers that are neither configured nor added by command any more. */
static void drop_gone(struct hcd *d)
{
	for (size_t i = d->cluster->nr_peers; i-- > 0;) {
		uint32_t id = d->cluster->peers[i]->config.id;
		struct gone_job *g;

		if (d->cluster->peers[i]->is_member ||
		    is_in(d->config.peers, d->config.nr_peers, id) ||
		    is_in(d->state.peers, d->state.nr_peers, id))
			continue;
		hcd_cluster_peer_del(d->cluster, id);
		g = calloc(1, sizeof(*g));
		if (!g)
			continue;
		g->job.run = gone_run;
		g->job.done = gone_done;
		g->id = id;
		hcd_queue_submit(hcd_module_queue(d->module), &g->job);
	}
}

/* A value that was changed in the file is wanted more than one set by command before. */
static void prefer_changed(struct hcd *d, const struct hcd_config *old)
{
	if (d->config.node.has_donate != old->node.has_donate ||
	    d->config.node.donate != old->node.donate)
		d->state.has_donate = false;
	if (d->config.node.has_reserve != old->node.has_reserve ||
	    d->config.node.reserve != old->node.reserve)
		d->state.has_reserve = false;
}

void hcd_reload(struct hcd *d)
{
	struct hcd_config config, old;
	struct hcd_psk psk;
	char error[HCD_ERROR_LEN];
	bool has_key = false;
	int r;

	r = hcd_config_load(d->config_path, &config, error);
	/* What the cluster gave us and the file does not say. */
	if (r == 0 && config.node.id == 0)
		config.node.id = d->config.node.id;
	if (r == 0 && !config.node.address[0])
		snprintf(config.node.address, sizeof(config.node.address), "%s",
			 d->config.node.address);
	if (r == 0 && config.node.id != d->config.node.id) {
		snprintf(error, sizeof(error), "A node's id can't change while the daemon runs.");
		r = -EINVAL;
		hcd_config_free(&config);
	} else if (r == 0) {
		r = hcd_key_load(&config, config.nr_peers + d->state.nr_peers, &psk, &has_key,
				 error);
		if (r < 0)
			hcd_config_free(&config);
	}
	if (r < 0) {
		hcd_err("The configuration was not taken in again, the old one holds: %s", error);
		return;
	}
	old = d->config;
	d->config = config;
	prefer_changed(d, &old);
	hcd_cluster_reload(d->cluster, has_key ? &psk : NULL);
	hcd_peers_set(d);
	drop_gone(d);
	hcd_agent_reloaded(d);
	hcd_save(d, NULL);
	hcd_config_free(&old);
	explicit_bzero(&psk, sizeof(psk));
	hcd_info("The configuration was taken in again: %zu peers.", d->cluster->nr_peers);
}
