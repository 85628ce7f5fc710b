// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page connections: dialled like the control channel, proved by the same
 * handshake, then handed into the module, which owns the socket from there on.
 * PEER_ADD waits for the hello of the other end's module, so it runs beside
 * the queue, in a thread and with a netlink handle of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cluster/cluster.h"
#include "daemon/node/module.h"
#include "daemon/node/work.h"

struct add_job {
	struct hcd_job job;
	struct hcd_cluster *cluster;
	uint32_t id, conn;
	uint64_t serial;		/* 0: accepted, not dialled */
	char name[HC_NAME_LEN + 1];
	int fd;
};

static int add_run(struct hcd_job *job, struct hcnl *h)
{
	struct add_job *a = (struct add_job *)job;
	const struct hcnl_peer_add add = {
		.id = a->id, .name = a->name, .fd = a->fd, .conn = a->conn,
	};
	int r = h ? hcnl_peer_add(h, &add) : -ENOENT;

	close(a->fd);
	return r;
}

static void add_done(struct hcd_job *job)
{
	struct add_job *a = (struct add_job *)job;
	struct hcd_cluster *cluster = a->cluster;
	struct hcd_peer *peer = hcd_cluster_peer(cluster, a->id);
	size_t len = strlen(job->error);
	bool counts = peer && a->serial && a->serial == peer->page_serial;

	cluster->nr_adding--;
	if (len && job->error[len - 1] == '.')	/* it becomes a piece of a sentence */
		job->error[len - 1] = '\0';
	if (job->result == 0) {
		if (peer)
			peer->page_error[0] = '\0';
		hcd_peer_info(a->id, "Page connection %u to node %u (%s) is in the module.",
			      a->conn, a->id, a->name);
		if (counts)
			hcd_cluster_step(peer, HCD_PEER_PAGE_ADDED, a->conn, 0);
	} else if (counts && job->result == -EEXIST) {
		hcd_cluster_step(peer, HCD_PEER_PAGE_EXISTS, a->conn, 0);
	} else {
		if (peer && strcmp(peer->page_error, job->error) != 0 &&
		    hcd_log_allow(&cluster->page_limit, uv_now(cluster->loop)))
			hcd_peer_warn(a->id,
				      "Page connection %u to node %u was not taken by the module: %s. Trying again.",
				      a->conn, a->id, job->error);
		if (peer)
			snprintf(peer->page_error, sizeof(peer->page_error), "%s", job->error);
		if (counts)
			hcd_cluster_step(peer, HCD_PEER_PAGE_FAILED, a->conn, 0);
	}
	hcd_module_poll(cluster->module);
	free(a);
}

void hcd_page_add(struct hcd_peer *peer, int fd, uint32_t conn, uint64_t serial)
{
	struct add_job *a = calloc(1, sizeof(*a));

	if (!a) {
		close(fd);
		if (serial)
			hcd_cluster_step(peer, HCD_PEER_PAGE_FAILED, conn, 0);
		return;
	}
	a->job.run = add_run;
	a->job.done = add_done;
	a->cluster = peer->cluster;
	a->id = peer->config.id;
	a->conn = conn;
	a->serial = serial;
	a->fd = fd;
	snprintf(a->name, sizeof(a->name), "%s", peer->config.name);
	peer->cluster->nr_adding++;
	hcd_queue_submit_beside(hcd_module_queue(peer->cluster->module), &a->job);
}

static void page_ready(struct hcd_chan *chan, void *ctx)
{
	struct hcd_peer *peer = ctx;
	uint32_t conn = hcd_chan_peer(chan)->conn;
	int fd = hcd_chan_take(chan);

	peer->page = NULL;
	hcd_page_add(peer, fd, conn, peer->page_serial);
}

static void page_closed(struct hcd_chan *chan, enum hcd_refusal code, const char *reason,
			void *ctx)
{
	struct hcd_peer *peer = ctx;

	peer->page = NULL;
	if (strcmp(peer->page_error, reason) != 0 &&
	    hcd_log_allow(&peer->cluster->page_limit, uv_now(peer->cluster->loop)))
		hcd_peer_warn(peer->config.id,
			      "Page connection to node %u (%s) could not be made: %s. Trying again.",
			      peer->config.id, peer->config.name, reason);
	snprintf(peer->page_error, sizeof(peer->page_error), "%s", reason);
	hcd_cluster_step(peer, HCD_PEER_PAGE_FAILED, hcd_chan_peer(chan)->conn, 0);
}

static const struct hcd_chan_ops page_ops = {
	.ready = page_ready,
	.closed = page_closed,
};

void hcd_page_dial(struct hcd_peer *peer)
{
	struct hcd_cluster *cluster = peer->cluster;
	struct hcd_chan_dial dial = {
		.own = cluster->config->node.id,
		.to = peer->config.id,
		.purpose = HCD_PURPOSE_PAGE,
		.conn = peer->sm.page_conn,
	};
	int r;

	hcd_page_cancel(peer);
	peer->page_serial = ++cluster->page_serial;
	r = hcd_peer_way(peer, &dial);
	if (r == 0)
		r = hcd_chan_dial(cluster->loop, &dial, &page_ops, peer, &peer->page);
	if (r < 0) {
		snprintf(peer->page_error, sizeof(peer->page_error), "%s", strerror(-r));
		hcd_cluster_step(peer, HCD_PEER_PAGE_FAILED, dial.conn, 0);
	}
}

void hcd_page_cancel(struct hcd_peer *peer)
{
	peer->page_serial = 0;
	if (peer->page)
		hcd_chan_close(peer->page);
	peer->page = NULL;
}
