// SPDX-License-Identifier: GPL-2.0-or-later
/* status, node.list, node.show, peer.list: what this daemon knows. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/cluster/cluster.h"
#include "daemon/daemon.h"
#include "daemon/node/agent.h"
#include "daemon/node/module.h"
#include "daemon/node/request.h"

/* Fits HC_REQUEST_LEN with room: beyond it "more" is true, and "after" goes on. */
#define ROWS_MAX 96

static void set_time(json_t *obj, const char *key, uint64_t unix_s)
{
	time_t t = (time_t)unix_s;
	char text[32];
	struct tm tm;

	if (unix_s && gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		json_object_set_new(obj, key, json_string(text));
}

static void set_number(json_t *obj, const char *key, uint64_t value)
{
	json_object_set_new(obj, key, json_integer((json_int_t)(value & INT64_MAX)));
}

static void set_text(json_t *obj, const char *key, const char *text)
{
	if (text[0])
		json_object_set_new(obj, key, json_string(text));
}

static bool is_fresh(struct hcd *d, const struct hcd_peer *peer)
{
	return hcd_peer_is_up(peer) && peer->has_status &&
	       uv_now(d->loop) - peer->status_ms <= HCD_FRESH_MS;
}

/* A share that nobody measured, or long ago, is unknown: null. */
static json_t *share_json(uint32_t share)
{
	return share ? json_real((share - 1) / (double)(HCD_SHARE_ONE - 1)) : json_null();
}

static void set_share(json_t *obj, const char *key, uint32_t share, bool is_fresh)
{
	json_object_set_new(obj, key, share_json(is_fresh ? share : 0));
}

json_t *hcd_node_load(struct hcd *d, uint32_t id)
{
	const struct hcd_peer *peer = hcd_cluster_peer(d->cluster, id);
	struct hcd_status st;

	if (id == d->config.node.id) {
		hcd_agent_status(d, &st);
		return share_json(st.load_now);
	}
	return share_json(peer && is_fresh(d, peer) ? peer->status.load_now : 0);
}

static void set_load(json_t *obj, const struct hcd_status *st, bool is_fresh, bool is_long)
{
	set_share(obj, "current_load", st->load_now, is_fresh);
	json_object_set_new(obj, "stale", json_boolean(!is_fresh));
	set_number(obj, "cpus", st->cpus);
	if (!is_long)
		return;
	set_share(obj, "cpu_busy", st->cpu_busy, is_fresh);
	set_share(obj, "memory_used", st->memory_used, is_fresh);
	set_text(obj, "cpu_model", st->cpu_model);
	set_text(obj, "kernel", st->kernel);
	if (!st->storage_total)
		return;
	set_number(obj, "storage_total", st->storage_total);
	set_number(obj, "storage_free", st->storage_free);
}

static void set_status(json_t *obj, const struct hcd_status *st, bool is_long)
{
	set_text(obj, "module_version", st->module_version);
	set_text(obj, "daemon_version", st->daemon_version);
	set_number(obj, "memory_total", st->memory_total);
	set_number(obj, "memory_available", st->memory_available);
	set_number(obj, "lends", st->pool_limit);
	set_number(obj, "lent", st->pool_lent);
	set_number(obj, "borrowed", st->borrowed);
	if (!is_long)
		return;
	set_number(obj, "lent_used", st->pool_used);
	json_object_set_new(obj, "load", json_real(st->load_milli / 1000.0));
	json_object_set_new(obj, "memory_pressure", json_real(st->memory_pressure_milli / 1000.0));
	set_number(obj, "uptime_s", st->uptime_s);
	set_number(obj, "lease_epoch", st->epoch);
	json_object_set_new(obj, "draining", json_boolean(st->pool_draining));
	json_object_set_new(obj, "under_pressure", json_boolean(st->pool_has_pressure));
}

static const char *peer_state(const struct hcd_peer *peer)
{
	if (hcd_peer_is_up(peer))
		return "live";
	return peer->nr_up ? "lost" : "connecting";
}

static json_t *node_self(struct hcd *d, bool is_long)
{
	json_t *obj = json_pack("{s:I, s:s, s:s, s:b, s:i}", "id", (json_int_t)d->config.node.id,
				"name", d->config.node.name, "state", "live", "self", 1,
				"port", (int)d->config.node.port);
	struct hcd_status st;

	set_text(obj, "address", d->config.node.address);
	hcd_agent_status(d, &st);
	set_status(obj, &st, is_long);
	set_load(obj, &st, true, is_long);
	hcd_cluster_describe(d, d->config.node.id, obj);
	return obj;
}

static json_t *node_peer(struct hcd *d, const struct hcd_peer *peer, bool is_long)
{
	json_t *obj = json_pack("{s:I, s:s, s:s, s:s, s:b, s:i}", "id",
				(json_int_t)peer->config.id, "name",
				peer->status_ms ? peer->status.name : peer->config.name,
				"address", peer->config.address, "state", peer_state(peer),
				"self", 0, "port", (int)peer->config.port);

	/* What it said last stays, with its time, also when it is lost: then it is most wanted. */
	if (peer->status_ms) {
		set_status(obj, &peer->status, is_long);
		set_load(obj, &peer->status, is_fresh(d, peer), is_long);
	}
	set_time(obj, "heard", peer->status_s);
	set_text(obj, "error", peer->error);
	hcd_cluster_describe(d, peer->config.id, obj);
	return obj;
}

void hcd_do_node_list(struct hcd_request *req)
{
	struct hcd *d = req->d;
	json_t *nodes;
	json_int_t after = 0;
	bool is_self_done, more = false;

	if (!hcd_request_unpack(req, "{s?I}", "after", &after))
		return;
	nodes = json_array();
	is_self_done = d->config.node.id <= after;
	for (size_t i = 0; i <= d->cluster->nr_peers && !more; i++) {
		struct hcd_peer *peer = i < d->cluster->nr_peers ? d->cluster->peers[i] : NULL;

		if (!is_self_done && (!peer || peer->config.id > d->config.node.id)) {
			json_array_append_new(nodes, node_self(d, false));
			is_self_done = true;
		}
		if (peer && peer->config.id > after)
			json_array_append_new(nodes, node_peer(d, peer, false));
		more = peer && json_array_size(nodes) >= ROWS_MAX;
	}
	hcd_request_ok(req, json_pack("{s:o, s:b}", "nodes", nodes, "more", (int)more));
}

void hcd_do_node_show(struct hcd_request *req)
{
	struct hcd *d = req->d;
	json_int_t id;
	struct hcd_peer *peer;

	if (!hcd_request_unpack(req, "{s:I}", "id", &id) ||
	    !hcd_request_range(req, "A node's id", id, 1, HCD_NODE_ID_MAX))
		return;
	if (id == d->config.node.id) {
		hcd_request_ok(req, json_pack("{s:o}", "node", node_self(d, true)));
		return;
	}
	peer = hcd_cluster_peer(d->cluster, (uint32_t)id);
	if (peer)
		hcd_request_ok(req, json_pack("{s:o}", "node", node_peer(d, peer, true)));
	else
		hcd_request_fail(req, "Node %lld is not known here; 'hyperchain peer list' shows who is.",
				 (long long)id);
}

static json_t *peer_row(const struct hcd_peer *peer)
{
	static const char *const links[] = {
		[HCD_LINK_DOWN] = "down", [HCD_LINK_DIALING] = "dialing", [HCD_LINK_UP] = "up",
	};
	json_t *obj = json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:b, s:I, s:I, s:b}",
				"id", (json_int_t)peer->config.id, "name", peer->config.name,
				"address", peer->config.address, "port", (int)peer->config.port,
				"state", peer_state(peer), "control", links[peer->sm.link],
				"configured", (int)peer->is_configured,
				"connections", (json_int_t)peer->sm.live,
				"connections_wanted", (json_int_t)peer->sm.conns_wanted,
				"dials", (int)peer->sm.is_dialer);

	set_number(obj, "times_up", peer->nr_up);
	set_time(obj, "heard", peer->status_s);
	set_text(obj, "error", peer->error);
	set_text(obj, "page_error", peer->page_error);
	return obj;
}

void hcd_do_peer_list(struct hcd_request *req)
{
	struct hcd_cluster *cluster = req->d->cluster;
	json_t *peers;
	json_int_t after = 0;
	bool more = false;

	if (!hcd_request_unpack(req, "{s?I}", "after", &after))
		return;
	peers = json_array();
	for (size_t i = 0; i < cluster->nr_peers && !more; i++) {
		if (cluster->peers[i]->config.id <= after)
			continue;
		json_array_append_new(peers, peer_row(cluster->peers[i]));
		more = json_array_size(peers) >= ROWS_MAX && i + 1 < cluster->nr_peers;
	}
	hcd_request_ok(req, json_pack("{s:o, s:b}", "peers", peers, "more", (int)more));
}

static json_t *swap_status(struct hcd *d)
{
	json_t *swap = json_pack("{s:b, s:b}", "wanted", (int)d->state.swap.is_on,
				 "busy", (int)d->swap.is_busy);

	if (d->swap.is_busy) {
		uv_mutex_lock(&d->swap_lock);
		set_text(swap, "step", d->swap.step);
		set_number(swap, "done", d->swap.done);
		set_number(swap, "total", d->swap.total);
		uv_mutex_unlock(&d->swap_lock);
	}
	set_text(swap, "error", d->swap.error);
	return swap;
}

void hcd_do_status(struct hcd_request *req)
{
	struct hcd *d = req->d;
	const char *reason = hcd_module_reason(d->module);
	size_t up = 0;
	json_t *module, *status;

	if (!hcd_request_unpack(req, "{}"))
		return;
	for (size_t i = 0; i < d->cluster->nr_peers; i++)
		up += hcd_peer_is_up(d->cluster->peers[i]);
	module = json_pack("{s:b}", "attached", (int)hcd_module_is_attached(d->module));
	set_text(module, "reason", reason);
	status = json_pack("{s:o, s:o, s:o, s:I, s:I, s:b}", "node", node_self(d, true),
			   "module", module, "swap", swap_status(d),
			   "peers", (json_int_t)d->cluster->nr_peers, "peers_live", (json_int_t)up,
			   "listening", (int)(d->cluster->outside.poll != NULL));
	set_text(status, "listen_error", d->cluster->outside.error);
	hcd_request_ok(req, status);
}
