/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other nodes, as this daemon sees them: who they are, the control channel
 * to each, their last heartbeat, and the page connections that are made for the
 * module. When to do what is decided in daemon/policy/peer.c; this is the
 * mechanism around it.
 *
 *	peers.c   table of peers, carries out the decisions, heartbeats
 *	listen.c  connections that come in, until they have proved their key
 *	page.c    hands page connections into the module
 */
#ifndef HCD_CLUSTER_H
#define HCD_CLUSTER_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/channel.pb-c.h"
#include "daemon/cluster/chan.h"
#include "daemon/node/config.h"
#include "daemon/node/log.h"
#include "daemon/policy/peer.h"

#define HCD_KERNEL_LEN		64
#define HCD_CPU_MODEL_LEN	64
#define HCD_SHARE_ONE		1000001	/* of load_now and its like: 1.0 */
#define HCD_FRESH_MS		5000	/* heartbeats come each second; an older one is stale */

struct hcd_cluster;
struct hcd_module;
struct hcd_sample;
struct hcnl_event;

/* What a peer said in its last heartbeat, checked and bounded. */
struct hcd_status {
	char name[HC_NAME_LEN + 1];
	char daemon_version[HC_NAME_LEN + 1];
	char module_version[HC_NAME_LEN + 1];	/* "" = none loaded there */
	uint64_t memory_total, memory_available;
	uint64_t pool_limit, pool_lent, pool_used;
	uint64_t borrowed;
	uint64_t epoch, uptime_s;
	uint32_t cpus, load_milli, memory_pressure_milli;
	bool pool_draining, pool_has_pressure;
	bool log_broken;		/* of a member: the cluster's log can't be written there */
	/* R1; millionths plus 1, 0 = unknown. */
	uint32_t load_now, cpu_busy, memory_used;
	char kernel[HCD_KERNEL_LEN];		/* "" = unknown, as below */
	char cpu_model[HCD_CPU_MODEL_LEN];
	uint64_t storage_total, storage_free;	/* 0 = unknown */
};

/* A container that a peer has of an environment of several nodes. */
struct hcd_box {
	uint32_t id, state;		/* enum hcd_container_state */
	uint32_t mark;			/* hcd_shared_mark() that it has followed */
	bool is_busy;
	char error[128];		/* cut; "" = none */
};

struct hcd_peer {
	struct hcd_cluster *cluster;
	struct hcd_peer_config config;
	bool is_configured;		/* else by `peer add` */
	bool is_member;			/* of our cluster: @psk is the pair's key */
	struct hcd_psk *psk;		/* NULL: the file's */
	char inside[INET6_ADDRSTRLEN];	/* a member's address in the nodes' network, "" = none */
	struct hcd_peer_sm sm;
	struct hcd_chan *control;	/* dialling, or up */
	struct hcd_chan *page;		/* dialling a page connection */
	uint64_t page_serial;		/* which try: results of older ones don't count */
	bool has_status;
	struct hcd_status status;
	struct hcd_box *boxes;		/* as it said then */
	size_t nr_boxes;
	uint64_t status_ms;		/* uv_now() of it; 0 = none ever */
	uint64_t status_s;		/* wall clock of it, seconds since 1970 */
	uint64_t nr_up;			/* how often the channel came up */
	char error[HCD_REASON_LEN + 64]; /* why the channel is not up, "" = it is */
	char page_error[HCD_ERROR_LEN];	/* why the last page connection failed */
};

/* One address that we listen on. */
struct hcd_listener {
	struct hcd_cluster *cluster;
	uv_poll_t *poll;			/* NULL = not listening */
	int fd;
	bool is_inside;				/* in the nodes' network */
	char error[HCD_REASON_LEN];
	uint64_t retry_ms;			/* not before that: uv_now() */
};

struct hcd_cluster_ops {
	/* Whose key has the token with that hash, which a joiner names? NULL = no such token. */
	const struct hcd_psk *(*token)(const uint8_t *hash, void *ctx);
	/* A joiner has proved that it has a token. The channel is taken over. */
	void (*joiner)(struct hcd_chan *chan, const uint8_t *hash, void *ctx);
	/* Fill in our heartbeat. Strings are borrowed until the next call. */
	void (*status)(Hcp__Status *status, void *ctx);
	/* The channel to a peer is up: tell it what it must know. */
	void (*up)(struct hcd_peer *peer, void *ctx);
	/* A frame that is not the cluster's own business. */
	void (*frame)(struct hcd_peer *peer, const struct hcd_frame *frame, void *ctx);
};

/* Where things stand in the table; private to the files of this folder. */
struct hcd_cluster {
	uv_loop_t *loop;
	const struct hcd_config *config;	/* the daemon's, follows a reload */
	bool has_psk;
	bool has_members;			/* we are a member: members and joiners come in */
	struct hcd_psk psk;
	struct hcd_module *module;
	const struct hcd_cluster_ops *ops;
	void *ctx;
	struct hcd_peer **peers;		/* sorted by id */
	size_t nr_peers;
	uv_timer_t timer;
	uint64_t beat_ms;			/* last heartbeat sent */
	uint64_t page_serial;
	unsigned int nr_adding;			/* PEER_ADD in work */
	struct hcd_listener outside, inside;
	bool encrypts;				/* members talk inside the nodes' network only */
	unsigned int inside_index;		/* of its interface, 0 = it is not up */
	char inside_address[INET6_ADDRSTRLEN];	/* ours there */
	struct hcd_pending *pending;		/* came in, not proved yet */
	unsigned int nr_pending;
	struct hcd_log_limit refused_limit, page_limit;
	unsigned int nr_open;			/* libuv handles */
};

/**
 * hcd_cluster_start - begin to listen and to dial
 * @config: borrowed, may be replaced in place with hcd_cluster_reload()
 * @psk: copied; NULL = none, then nothing is dialled or accepted
 * @module: borrowed, outlives the cluster
 *
 * Return: NULL without memory.
 */
struct hcd_cluster *hcd_cluster_start(uv_loop_t *loop, const struct hcd_config *config,
				      const struct hcd_psk *psk, struct hcd_module *module,
				      const struct hcd_cluster_ops *ops, void *ctx);

/* Say goodbye and let go; page connections in the module stay. */
void hcd_cluster_stop(struct hcd_cluster *cluster);

/* Key, address or port changed: listen anew. Channels that are up stay. */
void hcd_cluster_reload(struct hcd_cluster *cluster, const struct hcd_psk *psk);

/* Add a peer, or change its name and address. Return: 0, -ENOSPC, -ENOMEM. */
int hcd_cluster_peer_set(struct hcd_cluster *cluster, const struct hcd_peer_config *config,
			 bool is_configured);

/*
 * The same for a member of our cluster, with the key of the pair (copied), and its address in the
 * nodes' network where the cluster encrypts, else "".
 */
int hcd_cluster_member_set(struct hcd_cluster *cluster, const struct hcd_peer_config *config,
			   const struct hcd_psk *psk, const char *inside);

/* Do members reach each other through the nodes' network only? */
void hcd_cluster_encrypts(struct hcd_cluster *cluster, bool encrypts);

/* The nodes' network is up: our address there, and the index of its interface. */
void hcd_cluster_fabric(struct hcd_cluster *cluster, const char *address, unsigned int index);

/* Do we let members in, so that we listen also without a key file? */
void hcd_cluster_set_members(struct hcd_cluster *cluster, bool has_members);

/* The key that proves the two ends to each other. */
static inline const struct hcd_psk *hcd_peer_psk(const struct hcd_peer *peer)
{
	return peer->psk ? peer->psk : &peer->cluster->psk;
}

/* Forget a peer and close its channel; the module's own peer is the caller's to delete. */
void hcd_cluster_peer_del(struct hcd_cluster *cluster, uint32_t id);

/* NULL where there is none. Valid until it is deleted. */
struct hcd_peer *hcd_cluster_peer(struct hcd_cluster *cluster, uint32_t id);

/* Is the control channel up? */
static inline bool hcd_peer_is_up(const struct hcd_peer *peer)
{
	return peer->sm.link == HCD_LINK_UP;
}

/* The module's sample, its events, and its end. */
void hcd_cluster_sampled(struct hcd_cluster *cluster, const struct hcd_sample *sample);
void hcd_cluster_event(struct hcd_cluster *cluster, const struct hcnl_event *ev);
void hcd_cluster_module_gone(struct hcd_cluster *cluster);

/* Send to one peer that is up. Return: 0, -ENOTCONN, or as hcd_chan_send(). */
int hcd_cluster_send(struct hcd_peer *peer, uint16_t type, const ProtobufCMessage *msg);

/* ---- between the files of this folder -------------------------------------- */

void hcd_cluster_step(struct hcd_peer *peer, enum hcd_peer_event event, uint32_t arg,
		      uint64_t at_ms);

/* An authenticated control channel came in; taken over. */
void hcd_cluster_adopt(struct hcd_peer *peer, struct hcd_chan *chan);

/*
 * Where to dial @peer: fills address, port, own_address, device and psk of @dial.
 * Return: 0 or -ENETDOWN while the network it would go through is not up.
 */
int hcd_peer_way(const struct hcd_peer *peer, struct hcd_chan_dial *dial);

/* Listen where we are to and do not yet. */
void hcd_listen_start(struct hcd_cluster *cluster);
void hcd_listen_stop(struct hcd_cluster *cluster, struct hcd_listener *l);
void hcd_listen_drop_pending(struct hcd_cluster *cluster);
/* One of its handles of libuv is closed; the last one takes the memory with it. */
void hcd_cluster_closed(struct hcd_cluster *cluster);

/* Dial page connection peer->sm.page_conn. */
void hcd_page_dial(struct hcd_peer *peer);
void hcd_page_cancel(struct hcd_peer *peer);

/* Hand @fd into the module; taken over. @serial 0: we accepted it. */
void hcd_page_add(struct hcd_peer *peer, int fd, uint32_t conn, uint64_t serial);

#endif /* HCD_CLUSTER_H */
