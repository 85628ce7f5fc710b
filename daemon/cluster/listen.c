// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections that come in. Until one has proved its key it may cost no more
 * than a slot of PENDING_MAX for HCD_CHAN_TIMEOUT_MS and one small buffer; what
 * it does wrong is told in the log a bounded number of times.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cluster/cluster.h"
#include "daemon/node/module.h"

#define LISTEN_RETRY_MS	3000
#define PENDING_MAX	64
#define ADDING_MAX	32	/* PEER_ADD in work, ours and theirs */
#define ACCEPT_PER_TURN	16

struct hcd_pending {
	struct hcd_cluster *cluster;
	bool is_inside;			/* it came through the nodes' network */
	struct hcd_chan *chan;
	struct hcd_pending *next, **prev;
};

static void forget(struct hcd_pending *p)
{
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	p->cluster->nr_pending--;
	free(p);
}

/* Which key is the other end to prove? A member has the pair's, a joiner its token's. */
static const struct hcd_psk *find_psk(const struct hcd_transcript *t, const uint8_t *token,
				      void *arg)
{
	struct hcd_pending *p = arg;
	struct hcd_cluster *cluster = p->cluster;
	struct hcd_peer *peer = hcd_cluster_peer(cluster, t->from);

	if (token)
		return cluster->has_members ? cluster->ops->token(token, cluster->ctx) : NULL;
	if (peer && peer->psk)
		return peer->psk;
	return cluster->has_psk ? &cluster->psk : NULL;
}

static enum hcd_refusal admit(const struct hcd_transcript *t, char reason[HCD_REASON_LEN],
			      void *arg)
{
	struct hcd_pending *p = arg;
	struct hcd_cluster *cluster = p->cluster;
	struct hcd_peer *peer = hcd_cluster_peer(cluster, t->from);

	if (t->purpose == HCD_PURPOSE_JOIN)
		return HCD_REFUSE_NONE;
	if (peer && peer->is_member && cluster->encrypts && !p->is_inside) {
		snprintf(reason, HCD_REASON_LEN, "members of this cluster come in through the nodes' encrypted network only");
		return HCD_REFUSE_IDENTITY;
	}
	if (!peer) {
		snprintf(reason, HCD_REASON_LEN,
			 "node %u is no peer of node %u: add it there to the configuration, or with 'hyperchain peer add'",
			 t->from, cluster->config->node.id);
		return HCD_REFUSE_UNKNOWN;
	}
	if (t->from > cluster->config->node.id) {
		snprintf(reason, HCD_REASON_LEN, "the node with the lower id dials, not node %u",
			 t->from);
		return HCD_REFUSE_IDENTITY;
	}
	if (t->purpose != HCD_PURPOSE_PAGE)
		return HCD_REFUSE_NONE;
	if (t->conn >= HC_CONNS_MAX) {
		snprintf(reason, HCD_REASON_LEN, "there is no page connection number %u", t->conn);
		return HCD_REFUSE_PROTOCOL;
	}
	if (!hcd_module_is_attached(cluster->module)) {
		snprintf(reason, HCD_REASON_LEN, "node %u has no module loaded",
			 cluster->config->node.id);
		return HCD_REFUSE_NO_MODULE;
	}
	if (cluster->nr_adding >= ADDING_MAX) {
		snprintf(reason, HCD_REASON_LEN, "node %u is busy with other page connections",
			 cluster->config->node.id);
		return HCD_REFUSE_BUSY;
	}
	return HCD_REFUSE_NONE;
}

static void pending_ready(struct hcd_chan *chan, void *ctx)
{
	struct hcd_pending *p = ctx;
	const struct hcd_transcript *t = hcd_chan_peer(chan);
	struct hcd_peer *peer = hcd_cluster_peer(p->cluster, t->from);
	uint32_t conn = t->conn;

	if (t->purpose == HCD_PURPOSE_JOIN) {
		p->cluster->ops->joiner(chan, hcd_chan_token(chan), p->cluster->ctx);
	} else if (!peer) {	/* deleted since it was admitted */
		hcd_chan_close(chan);
	} else if (t->purpose == HCD_PURPOSE_PAGE) {
		hcd_page_add(peer, hcd_chan_take(chan), conn, 0);
	} else {
		hcd_cluster_adopt(peer, chan);
	}
	forget(p);
}

static void pending_closed(struct hcd_chan *chan, enum hcd_refusal code, const char *reason,
			   void *ctx)
{
	struct hcd_pending *p = ctx;
	struct hcd_cluster *cluster = p->cluster;
	uint32_t from = hcd_chan_peer(chan)->from;
	struct hcd_peer *peer = from ? hcd_cluster_peer(cluster, from) : NULL;

	/* Shown to the admin; who it says it is was not proved. */
	if (peer && !hcd_peer_is_up(peer) && code != HCD_REFUSE_NONE)
		snprintf(peer->error, sizeof(peer->error), "from %s: %s", hcd_chan_address(chan),
			 reason);
	if (hcd_log_allow(&cluster->refused_limit, uv_now(cluster->loop)))
		hcd_peer_warn(peer ? from : 0,
			      "A connection from %s that says it is node %u was ended: %s.",
			      hcd_chan_address(chan), from, reason);
	forget(p);
}

static const struct hcd_chan_ops pending_ops = {
	.ready = pending_ready,
	.closed = pending_closed,
};

/* Does @fd come from where a peer lives? */
static bool is_peer_address(struct hcd_cluster *cluster, int fd)
{
	struct sockaddr_storage from = { 0 }, want;
	socklen_t len = sizeof(from);
	const void *a, *b;

	if (getpeername(fd, (struct sockaddr *)&from, &len) < 0)
		return false;
	for (size_t i = 0; i < cluster->nr_peers; i++) {
		hcd_address_make(cluster->peers[i]->config.address, 0, &want);
		if (want.ss_family != from.ss_family)
			continue;
		a = from.ss_family == AF_INET ?
			    (void *)&((struct sockaddr_in *)&from)->sin_addr :
			    (void *)&((struct sockaddr_in6 *)&from)->sin6_addr;
		b = want.ss_family == AF_INET ?
			    (void *)&((struct sockaddr_in *)&want)->sin_addr :
			    (void *)&((struct sockaddr_in6 *)&want)->sin6_addr;
		if (memcmp(a, b, from.ss_family == AF_INET ? 4 : 16) == 0)
			return true;
	}
	return false;
}

/* A flood of strangers must not keep a peer out. */
static void drop_oldest(struct hcd_cluster *cluster)
{
	struct hcd_pending *p = cluster->pending;

	while (p->next)
		p = p->next;
	hcd_chan_close(p->chan);
	forget(p);
}

static void take_in(struct hcd_listener *l, int fd)
{
	struct hcd_cluster *cluster = l->cluster;
	struct hcd_pending *p;
	int r;

	if (cluster->nr_pending >= PENDING_MAX && is_peer_address(cluster, fd))
		drop_oldest(cluster);
	if (cluster->nr_pending >= PENDING_MAX) {
		if (hcd_log_allow(&cluster->refused_limit, uv_now(cluster->loop)))
			hcd_warn("A connection was closed at once: %u others have not proved their key yet.",
				 cluster->nr_pending);
		close(fd);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		close(fd);
		return;
	}
	p->cluster = cluster;
	p->is_inside = l->is_inside;
	r = hcd_chan_accept(cluster->loop, fd, cluster->config->node.id, find_psk, admit,
			    p, &pending_ops, p, &p->chan);
	if (r < 0) {
		free(p);
		return;
	}
	p->next = cluster->pending;
	p->prev = &cluster->pending;
	if (p->next)
		p->next->prev = &p->next;
	cluster->pending = p;
	cluster->nr_pending++;
}

static void on_listen(uv_poll_t *poll, int status, int events)
{
	struct hcd_listener *l = poll->data;

	for (int i = 0; i < ACCEPT_PER_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;		/* nothing waits, or it went again */
		take_in(l, fd);
	}
}

/* Return: the listening socket or -errno. */
static int listen_on(const char *address, uint16_t port, unsigned int device)
{
	struct sockaddr_storage addr;
	socklen_t len = hcd_address_make(address, port, &addr);
	int fd, r, on = 1;

	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* The address may come up after the daemon. */
	if (addr.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	if ((device && setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof(device)) < 0) ||
	    bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 128) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static void start(struct hcd_listener *l, const char *address, unsigned int device)
{
	struct hcd_cluster *cluster = l->cluster;
	uint16_t port = cluster->config->node.port;
	char error[HCD_REASON_LEN];
	uv_poll_t *poll;
	int fd;

	if (l->poll || uv_now(cluster->loop) < l->retry_ms)
		return;
	poll = malloc(sizeof(*poll));
	fd = poll ? listen_on(address, port, device) : -ENOMEM;
	if (fd < 0) {
		free(poll);
		snprintf(error, sizeof(error), "Can't listen on %s port %u: %s", address, port,
			 strerror(-fd));
		if (strcmp(error, l->error) != 0)
			hcd_err("%s. Trying again each few seconds.", error);
		snprintf(l->error, sizeof(l->error), "%s", error);
		l->retry_ms = uv_now(cluster->loop) + LISTEN_RETRY_MS;
		return;
	}
	l->error[0] = '\0';
	l->fd = fd;
	l->poll = poll;
	uv_poll_init(cluster->loop, poll, fd);
	poll->data = l;
	cluster->nr_open++;
	uv_poll_start(poll, UV_READABLE, on_listen);
	hcd_info("Listening for %s on %s port %u.",
		 l->is_inside ? "members" : cluster->encrypts ? "joiners" : "peers", address, port);
}

void hcd_listen_start(struct hcd_cluster *cluster)
{
	const char *address = cluster->config->node.address;

	if ((cluster->has_psk || cluster->has_members) && address[0])
		start(&cluster->outside, address, 0);
	if (cluster->encrypts && cluster->inside_index)
		start(&cluster->inside, cluster->inside_address, cluster->inside_index);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct hcd_cluster *cluster = ((struct hcd_listener *)handle->data)->cluster;

	free(handle);
	hcd_cluster_closed(cluster);
}

void hcd_listen_stop(struct hcd_cluster *cluster, struct hcd_listener *l)
{
	if (!l->poll)
		return;
	uv_poll_stop(l->poll);
	uv_close((uv_handle_t *)l->poll, on_poll_closed);
	close(l->fd);
	l->poll = NULL;
	l->fd = -1;
}

void hcd_listen_drop_pending(struct hcd_cluster *cluster)
{
	while (cluster->pending) {
		hcd_chan_close(cluster->pending->chan);
		forget(cluster->pending);
	}
}
