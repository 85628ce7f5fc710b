// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of peers, carrying out what policy/peer.c decides: see cluster.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "daemon/cluster/cluster.h"
#include "daemon/cluster/text.h"
#include "daemon/node/module.h"

#define TICK_MS		250
#define BEAT_MS		1000

static void control_dial(struct hcd_peer *peer);

static uint32_t random32(void)
{
	uint32_t value = 0;

	/* For jitter only: without randomness it is no jitter. */
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = 0;
	return value;
}

static void hang_up(struct hcd_peer *peer)
{
	if (peer->control)
		hcd_chan_close(peer->control);
	peer->control = NULL;
	peer->has_status = false;
}

void hcd_cluster_step(struct hcd_peer *peer, enum hcd_peer_event event, uint32_t arg,
		      uint64_t at_ms)
{
	uint64_t now = uv_now(peer->cluster->loop);
	const struct hcd_peer_input in = {
		.event = event, .arg = arg, .at_ms = at_ms, .random = random32(),
	};
	bool was_up = hcd_peer_is_up(peer);
	unsigned int todo = hcd_peer_sm_step(&peer->sm, &in, now);

	if (todo & HCD_PEER_DO_HANG_UP) {
		snprintf(peer->error, sizeof(peer->error), "%s",
			 was_up ? "it sent no heartbeat for 5 seconds" :
				  "no answer from its address in time");
		if (was_up)
			hcd_peer_warn(peer->config.id, "Node %u (%s) is gone: %s.",
				      peer->config.id, peer->config.name, peer->error);
		hang_up(peer);
	}
	if (todo & HCD_PEER_DO_PAGE_CANCEL)
		hcd_page_cancel(peer);
	if (todo & HCD_PEER_DO_DIAL)
		control_dial(peer);
	if (todo & HCD_PEER_DO_PAGE)
		hcd_page_dial(peer);
}

/* ---- heartbeats ------------------------------------------------------------ */

static void send_status(struct hcd_peer *peer, const Hcp__Status *status)
{
	if (!hcd_peer_is_up(peer))
		return;
	/* One that reads nothing is noticed by its silence, or by the full queue. */
	if (hcd_chan_send(peer->control, HCD_FRAME_STATUS, &status->base) == -ENOBUFS) {
		hang_up(peer);
		hcd_cluster_step(peer, HCD_PEER_LINK_DOWN, 0, 0);
	}
}

/* Return: false without memory. */
static bool take_boxes(struct hcd_peer *peer, const Hcp__Status *msg)
{
	size_t nr = msg->n_boxes < HC_ENVS_MAX ? msg->n_boxes : HC_ENVS_MAX;

	struct hcd_box *boxes = calloc(nr + 1, sizeof(*boxes));

	if (!boxes)
		return false;
	free(peer->boxes);
	peer->boxes = boxes;
	peer->nr_boxes = nr;
	for (size_t i = 0; i < nr; i++) {
		struct hcd_box *box = &boxes[i];

		box->id = msg->boxes[i]->id;
		box->state = msg->boxes[i]->state;
		box->mark = msg->boxes[i]->mark;
		box->is_busy = msg->boxes[i]->is_busy;
		hcd_text_clean(box->error, sizeof(box->error), msg->boxes[i]->error, "");
	}
	return true;
}

static void on_status(struct hcd_peer *peer, const struct hcd_frame *frame)
{
	Hcp__Status *msg = hcp__status__unpack(NULL, frame->len, frame->payload);
	struct hcd_status *st = &peer->status;
	char unnamed[HC_NAME_LEN + 1];

	/* All of it, or none: who asks where containers are must not be told of half of them. */
	if (!msg || !take_boxes(peer, msg)) {
		if (msg)
			hcp__status__free_unpacked(msg, NULL);
		return;
	}
	hcd_text_clean(st->name, sizeof(st->name), msg->name, peer->config.name);
	hcd_text_clean(st->daemon_version, sizeof(st->daemon_version), msg->daemon_version, "");
	hcd_text_clean(st->module_version, sizeof(st->module_version), msg->module_version, "");
	hcd_text_clean(st->kernel, sizeof(st->kernel), msg->kernel, "");
	hcd_text_clean(st->cpu_model, sizeof(st->cpu_model), msg->cpu_model, "");
#define TAKE(field)	(st->field = msg->field)
	TAKE(memory_total);
	TAKE(memory_available);
	TAKE(pool_limit);
	TAKE(pool_lent);
	TAKE(pool_used);
	TAKE(borrowed);
	TAKE(epoch);
	TAKE(uptime_s);
	TAKE(cpus);
	TAKE(load_milli);
	TAKE(memory_pressure_milli);
	TAKE(pool_draining);
	TAKE(pool_has_pressure);
	TAKE(log_broken);
	TAKE(storage_total);
	TAKE(storage_free);
#define TAKE_SHARE(field) (st->field = msg->field <= HCD_SHARE_ONE ? msg->field : 0)
	TAKE_SHARE(load_now);
	TAKE_SHARE(cpu_busy);
	TAKE_SHARE(memory_used);
#undef TAKE_SHARE
#undef TAKE
	hcp__status__free_unpacked(msg, NULL);
	/* Nobody here gave it a name: it has one of its own. */
	snprintf(unnamed, sizeof(unnamed), "node%u", peer->config.id);
	if (strcmp(peer->config.name, unnamed) == 0 && hcd_text_is_name(st->name))
		snprintf(peer->config.name, sizeof(peer->config.name), "%s", st->name);
	peer->has_status = true;
	peer->status_ms = uv_now(peer->cluster->loop);
	peer->status_s = (uint64_t)time(NULL);
	hcd_cluster_step(peer, HCD_PEER_STATUS, st->module_version[0] != '\0', 0);
}

/* ---- the control channel ---------------------------------------------------- */

static void control_up(struct hcd_peer *peer)
{
	struct hcd_cluster *cluster = peer->cluster;
	Hcp__Status status = HCP__STATUS__INIT;

	peer->error[0] = '\0';
	peer->nr_up++;
	hcd_peer_info(peer->config.id, "Node %u (%s) is there, at %s.", peer->config.id,
		      peer->config.name, hcd_chan_address(peer->control));
	hcd_cluster_step(peer, HCD_PEER_LINK_UP, 0, 0);
	cluster->ops->status(&status, cluster->ctx);
	send_status(peer, &status);
	if (hcd_peer_is_up(peer))
		cluster->ops->up(peer, cluster->ctx);
}

static void control_ready(struct hcd_chan *chan, void *ctx)
{
	control_up(ctx);
}

static void control_frame(struct hcd_chan *chan, const struct hcd_frame *frame, void *ctx)
{
	struct hcd_peer *peer = ctx;

	switch (frame->type) {
	case HCD_FRAME_STATUS:
		on_status(peer, frame);
		break;
	case HCD_FRAME_BYE:
		snprintf(peer->error, sizeof(peer->error), "its daemon was stopped");
		hcd_peer_info(peer->config.id, "Node %u (%s): %s.", peer->config.id,
			      peer->config.name, peer->error);
		hang_up(peer);
		hcd_cluster_step(peer, HCD_PEER_LINK_DOWN, 0, 0);
		break;
	default:
		/* Unknown types come from newer daemons and are passed over there. */
		hcd_cluster_step(peer, HCD_PEER_HEARD, 0, 0);
		peer->cluster->ops->frame(peer, frame, peer->cluster->ctx);
	}
}

static void control_closed(struct hcd_chan *chan, enum hcd_refusal code, const char *reason,
			   void *ctx)
{
	struct hcd_peer *peer = ctx;
	bool was_up = hcd_peer_is_up(peer);
	bool is_news = was_up || strcmp(peer->error, reason) != 0;

	peer->control = NULL;
	peer->has_status = false;
	snprintf(peer->error, sizeof(peer->error), "%s", reason);
	if (is_news)
		hcd_peer_warn(peer->config.id, "Node %u (%s) at %s %s: %s.", peer->config.id,
			      peer->config.name, peer->config.address,
			      was_up ? "is gone" : code ? "was refused" : "can't be reached",
			      reason);
	hcd_cluster_step(peer, HCD_PEER_LINK_DOWN, 0, 0);
}

static const struct hcd_chan_ops control_ops = {
	.ready = control_ready,
	.frame = control_frame,
	.closed = control_closed,
};

int hcd_peer_way(const struct hcd_peer *peer, struct hcd_chan_dial *dial)
{
	const struct hcd_cluster *cluster = peer->cluster;
	bool is_inside = peer->is_member && cluster->encrypts;

	if (is_inside && !cluster->inside_index)
		return -ENETDOWN;
	dial->address = is_inside ? peer->inside : peer->config.address;
	dial->port = peer->config.port;
	dial->own_address = is_inside ? cluster->inside_address : cluster->config->node.address;
	dial->device = is_inside ? cluster->inside_index : 0;
	dial->psk = hcd_peer_psk(peer);
	return 0;
}

static void control_dial(struct hcd_peer *peer)
{
	struct hcd_cluster *cluster = peer->cluster;
	struct hcd_chan_dial dial = {
		.own = cluster->config->node.id,
		.to = peer->config.id,
		.purpose = HCD_PURPOSE_CONTROL,
	};
	int r;

	if (peer->control)
		hcd_chan_close(peer->control);
	peer->control = NULL;
	r = hcd_peer_way(peer, &dial);
	if (r == 0)
		r = hcd_chan_dial(cluster->loop, &dial, &control_ops, peer, &peer->control);
	if (r < 0) {
		snprintf(peer->error, sizeof(peer->error), "%s", strerror(-r));
		hcd_cluster_step(peer, HCD_PEER_LINK_DOWN, 0, 0);
	}
}

void hcd_cluster_adopt(struct hcd_peer *peer, struct hcd_chan *chan)
{
	/* It proved the key, so it is that node: an older channel is dead without knowing. */
	if (peer->control)
		hcd_chan_close(peer->control);
	peer->control = chan;
	hcd_chan_set_user(chan, &control_ops, peer);
	control_up(peer);
}

int hcd_cluster_send(struct hcd_peer *peer, uint16_t type, const ProtobufCMessage *msg)
{
	return hcd_peer_is_up(peer) ? hcd_chan_send(peer->control, type, msg) : -ENOTCONN;
}

/* ---- the table --------------------------------------------------------------- */

static size_t find(struct hcd_cluster *cluster, uint32_t id)
{
	size_t low = 0, high = cluster->nr_peers;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (cluster->peers[mid]->config.id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct hcd_peer *hcd_cluster_peer(struct hcd_cluster *cluster, uint32_t id)
{
	size_t i = find(cluster, id);

	return i < cluster->nr_peers && cluster->peers[i]->config.id == id ? cluster->peers[i] :
									     NULL;
}

static void peer_change(struct hcd_peer *peer, const struct hcd_peer_config *config)
{
	bool has_moved = strcmp(peer->config.address, config->address) != 0 ||
			 peer->config.port != config->port;

	peer->config = *config;
	if (!has_moved)
		return;
	hang_up(peer);
	hcd_cluster_step(peer, HCD_PEER_LINK_DOWN, 0, 0);
	hcd_cluster_step(peer, HCD_PEER_ADDRESS, 0, 0);
}

int hcd_cluster_peer_set(struct hcd_cluster *cluster, const struct hcd_peer_config *config,
			 bool is_configured)
{
	size_t i = find(cluster, config->id);
	struct hcd_peer *peer, **peers;

	if (i < cluster->nr_peers && cluster->peers[i]->config.id == config->id) {
		cluster->peers[i]->is_configured = is_configured;
		peer_change(cluster->peers[i], config);
		return 0;
	}
	if (cluster->nr_peers >= HC_PEERS_MAX)
		return -ENOSPC;
	peers = realloc(cluster->peers, (cluster->nr_peers + 1) * sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	cluster->peers = peers;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->cluster = cluster;
	peer->config = *config;
	peer->is_configured = is_configured;
	/* Without a key nothing is dialled; the other end would refuse us anyway. */
	hcd_peer_sm_init(&peer->sm, cluster->has_psk && cluster->config->node.id < config->id,
			 cluster->config->node.conns, uv_now(cluster->loop));
	memmove(peers + i + 1, peers + i, (cluster->nr_peers - i) * sizeof(struct hcd_peer *));
	peers[i] = peer;
	cluster->nr_peers++;
	return 0;
}

int hcd_cluster_member_set(struct hcd_cluster *cluster, const struct hcd_peer_config *config,
			   const struct hcd_psk *psk, const char *inside)
{
	struct hcd_peer *peer;
	int r = hcd_cluster_peer_set(cluster, config, false);

	if (r < 0)
		return r;
	peer = hcd_cluster_peer(cluster, config->id);
	if (!peer->psk)
		peer->psk = malloc(sizeof(*peer->psk));
	if (!peer->psk)
		return -ENOMEM;
	snprintf(peer->inside, sizeof(peer->inside), "%s", inside);
	peer->psk->len = psk->len;
	memcpy(peer->psk->bytes, psk->bytes, psk->len);
	peer->is_member = true;
	peer->sm.is_dialer = cluster->config->node.id < config->id;
	return 0;
}

void hcd_cluster_set_members(struct hcd_cluster *cluster, bool has_members)
{
	cluster->has_members = has_members;
	if (!has_members && !cluster->has_psk)
		hcd_listen_stop(cluster, &cluster->outside);
	/* At once: a token that is given out now is used now. */
	hcd_listen_start(cluster);
}

void hcd_cluster_encrypts(struct hcd_cluster *cluster, bool encrypts)
{
	if (cluster->encrypts == encrypts)
		return;
	cluster->encrypts = encrypts;
	if (encrypts)
		return;
	cluster->inside_index = 0;
	hcd_listen_stop(cluster, &cluster->inside);
}

void hcd_cluster_fabric(struct hcd_cluster *cluster, const char *address, unsigned int index)
{
	bool is_same = cluster->inside_index == index &&
		       strcmp(cluster->inside_address, address) == 0;

	if (!is_same) {
		hcd_listen_stop(cluster, &cluster->inside);
		cluster->inside_index = index;
		snprintf(cluster->inside_address, sizeof(cluster->inside_address), "%s", address);
	}
	hcd_listen_start(cluster);
	for (size_t i = 0; i < cluster->nr_peers; i++) {
		if (cluster->peers[i]->is_member && !hcd_peer_is_up(cluster->peers[i]))
			hcd_cluster_step(cluster->peers[i], HCD_PEER_ADDRESS, 0, 0);
	}
}

static void peer_free(struct hcd_peer *peer)
{
	if (peer->psk)
		explicit_bzero(peer->psk, sizeof(*peer->psk));
	free(peer->psk);
	free(peer->boxes);
	free(peer);
}

void hcd_cluster_peer_del(struct hcd_cluster *cluster, uint32_t id)
{
	size_t i = find(cluster, id);
	struct hcd_peer *peer = hcd_cluster_peer(cluster, id);

	if (!peer)
		return;
	hang_up(peer);
	hcd_page_cancel(peer);
	cluster->nr_peers--;
	memmove(cluster->peers + i, cluster->peers + i + 1,
		(cluster->nr_peers - i) * sizeof(struct hcd_peer *));
	peer_free(peer);
}

/* ---- the module --------------------------------------------------------------- */

void hcd_cluster_sampled(struct hcd_cluster *cluster, const struct hcd_sample *sample)
{
	for (size_t i = 0; i < cluster->nr_peers; i++) {
		struct hcd_peer *peer = cluster->peers[i];
		uint32_t live = 0;

		for (size_t k = 0; k < sample->nr_peers; k++) {
			if (sample->peers[k].id == peer->config.id)
				live = sample->peers[k].nr_conns;
		}
		hcd_cluster_step(peer, HCD_PEER_MODULE, live, sample->at_ms);
	}
}

void hcd_cluster_event(struct hcd_cluster *cluster, const struct hcnl_event *ev)
{
	struct hcd_peer *peer = ev->peer ? hcd_cluster_peer(cluster, ev->peer) : NULL;

	if (peer && ev->kind == HC_EV_CONN_FAILED)
		hcd_cluster_step(peer, HCD_PEER_PAGE_GONE, (uint32_t)ev->count, 0);
	if (ev->kind == HC_EV_CONN_FAILED || ev->kind == HC_EV_PEER_LOST)
		hcd_module_poll(cluster->module);
}

void hcd_cluster_module_gone(struct hcd_cluster *cluster)
{
	for (size_t i = 0; i < cluster->nr_peers; i++)
		hcd_cluster_step(cluster->peers[i], HCD_PEER_NO_MODULE, 0, 0);
}

/* ---- life --------------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
	struct hcd_cluster *cluster = timer->data;
	uint64_t now = uv_now(cluster->loop);
	Hcp__Status status = HCP__STATUS__INIT;

	hcd_listen_start(cluster);
	for (size_t i = 0; i < cluster->nr_peers; i++)
		hcd_cluster_step(cluster->peers[i], HCD_PEER_TICK, 0, 0);
	if (now - cluster->beat_ms < BEAT_MS)
		return;
	cluster->beat_ms = now;
	cluster->ops->status(&status, cluster->ctx);
	for (size_t i = 0; i < cluster->nr_peers; i++)
		send_status(cluster->peers[i], &status);
}

struct hcd_cluster *hcd_cluster_start(uv_loop_t *loop, const struct hcd_config *config,
				      const struct hcd_psk *psk, struct hcd_module *module,
				      const struct hcd_cluster_ops *ops, void *ctx)
{
	struct hcd_cluster *cluster = calloc(1, sizeof(*cluster));

	if (!cluster)
		return NULL;
	cluster->loop = loop;
	cluster->config = config;
	cluster->module = module;
	cluster->ops = ops;
	cluster->ctx = ctx;
	cluster->outside = (struct hcd_listener){ .cluster = cluster, .fd = -1 };
	cluster->inside = (struct hcd_listener){ .cluster = cluster, .fd = -1, .is_inside = true };
	if (psk) {
		cluster->psk = *psk;
		cluster->has_psk = true;
	}
	uv_timer_init(loop, &cluster->timer);
	cluster->timer.data = cluster;
	cluster->nr_open = 1;
	uv_timer_start(&cluster->timer, on_tick, 0, TICK_MS);
	return cluster;
}

void hcd_cluster_reload(struct hcd_cluster *cluster, const struct hcd_psk *psk)
{
	cluster->has_psk = psk;
	if (psk)
		cluster->psk = *psk;
	else
		explicit_bzero(&cluster->psk, sizeof(cluster->psk));
	hcd_listen_drop_pending(cluster);
	hcd_listen_stop(cluster, &cluster->outside);
	/* The socket's handle is closed with this turn of the loop. */
	cluster->outside.retry_ms = uv_now(cluster->loop) + TICK_MS;
	for (size_t i = 0; i < cluster->nr_peers; i++) {
		struct hcd_peer *peer = cluster->peers[i];

		peer->sm.is_dialer = (psk || peer->psk) &&
				     cluster->config->node.id < peer->config.id;
		peer->sm.conns_wanted = cluster->config->node.conns;
	}
}

void hcd_cluster_closed(struct hcd_cluster *cluster)
{
	if (--cluster->nr_open)
		return;
	explicit_bzero(&cluster->psk, sizeof(cluster->psk));
	free(cluster);
}

static void on_timer_closed(uv_handle_t *handle)
{
	hcd_cluster_closed(handle->data);
}

void hcd_cluster_stop(struct hcd_cluster *cluster)
{
	const Hcp__Bye bye = HCP__BYE__INIT;

	for (size_t i = 0; i < cluster->nr_peers; i++) {
		struct hcd_peer *peer = cluster->peers[i];

		if (hcd_peer_is_up(peer))
			hcd_chan_send(peer->control, HCD_FRAME_BYE, &bye.base);
		hang_up(peer);
		hcd_page_cancel(peer);
		peer_free(peer);
	}
	free(cluster->peers);
	cluster->peers = NULL;
	cluster->nr_peers = 0;
	hcd_listen_drop_pending(cluster);
	hcd_listen_stop(cluster, &cluster->outside);
	hcd_listen_stop(cluster, &cluster->inside);
	uv_close((uv_handle_t *)&cluster->timer, on_timer_closed);
}
