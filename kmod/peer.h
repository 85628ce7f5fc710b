/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer: another node, with its connections, its lease epochs both ways, and
 * its state as seen from here (enum hc_peer_state in the UAPI header).
 *
 *	NEW --hello--> LIVE --last connection gone--> LOST --grace over--> DROPPING --> NEW
 *	                ^----------- hello, same incarnation ----'
 */
#ifndef _HC_PEER_H
#define _HC_PEER_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <uapi/linux/hyperchain.h>

#include "lease.h"
#include "policy/hello.h"
#include "policy/wire_check.h"
#include "pool.h"

struct hc_call;
struct hc_conn;
struct hc_node;
struct hcw_hello;

struct hc_peer {
	struct kref kref;
	struct rcu_head rcu;
	struct hc_node *node;
	struct list_head list;		/* node->peers, node->lock */
	u32 id;
	char name[HC_NAME_LEN + 1];
	u8 target;			/* its number in the map, 1.. */
	u8 state;			/* enum hc_peer_state; node->lock */
	u8 drain;			/* we move our pages off it; node->lock */
	bool is_gone;			/* being removed; node->lock */
	struct completion ended;	/* off the list, nothing goes by its id any more */
	struct hc_conn __rcu *conns[HC_CONNS_MAX];	/* node->lock for writing */
	u32 nr_live;			/* node->lock */
	u8 next_serial;			/* connect_lock */
	u8 live_serial[HC_CONNS_MAX];	/* of the last LIVE one of each number; node->lock */
	DECLARE_BITMAP(settled, 256);	/* serials whose writes can't arrive any more */
	struct mutex connect_lock;	/* one connection made or replaced at a time */
	struct delayed_work drop_work;	/* grace is over: give up what it holds of us */
	struct delayed_work free_work;	/* the longer one is, too: take back what we lent it */
	struct hc_borrow borrow;	/* what we have of it: lease.c */
	struct hc_recall recall;	/* what it has of us: pool.c */

	u64 epoch;			/* ours at that peer; node->map_lock for writing */
	spinlock_t hello_lock;		/* what its hellos said */
	u64 their_epoch;		/* greatest met */
	u64 min_epoch;			/* fence */
	u64 floor;			/* lowest epoch of ours it accepts */
	u64 incarnation;		/* of its module, last met */
	u64 lent_incarnation;		/* the one our slabs come from; node->lock */
	u16 version;
	u64 features;

	/* written by pings, racily read */
	u32 rtt_us;
	u64 free_slabs;
	bool they_drain;
	bool is_suspect;
	bool drained_said;

	atomic_t inflight;
	atomic64_t tx_bytes, rx_bytes;
	atomic64_t reads, writes;		/* pages, asked by us */
	atomic64_t served_reads, served_writes;	/* pages, asked by it */
	atomic64_t errors;
};

/* All of these: process context unless they say otherwise. */

/** hc_peer_find() - by node id, one that stays; a reference or NULL. Never waits for the network */
struct hc_peer *hc_peer_find(struct hc_node *node, u32 id);

/** hc_peer_by_target() - a reference or NULL. Any context */
struct hc_peer *hc_peer_by_target(struct hc_node *node, u8 target);

/** hc_peer_epoch() - our lease epoch at @target, 0 = no such peer. Any context */
u64 hc_peer_epoch(struct hc_node *node, u8 target);

/** hc_peer_settled() - no write of that connection can arrive any more. Any context */
bool hc_peer_settled(struct hc_node *node, u8 target, u8 serial);

/** hc_peer_add() - find or make; a reference or ERR_PTR, -EBUSY while one of this id is removed */
struct hc_peer *hc_peer_add(struct hc_node *node, u32 id, const char *name);

/**
 * hc_peer_del() - end its connections, give up its pages, forget it
 * Return: 0; -EBUSY when pages would be lost or left with one copy, and not @force
 */
int hc_peer_del(struct hc_peer *peer, bool force);

/** hc_peer_del_unused() - forget a peer that never was connected and is not just connecting */
void hc_peer_del_unused(struct hc_peer *peer);

struct hc_peer *hc_peer_get(struct hc_peer *peer);
void hc_peer_put(struct hc_peer *peer);

/** hc_peer_connect() - make connection @idx of @fd and wait for the hello exchange */
int hc_peer_connect(struct hc_peer *peer, u16 idx, int fd, struct netlink_ext_ack *extack);

/** hc_peer_call() - start @call on one of its connections; as hc_conn_call() */
int hc_peer_call(struct hc_peer *peer, struct hc_call *call);

/** hc_peer_call_sync() - the same, and wait; 0, -ENOTCONN, -ECONNRESET */
int hc_peer_call_sync(struct hc_peer *peer, struct hc_call *call);

/** hc_peer_fence() - refuse epochs below @min_epoch from now on */
void hc_peer_fence(struct hc_peer *peer, u64 min_epoch);

/** hc_peer_set_drain() - move our pages off it, or place there again */
void hc_peer_set_drain(struct hc_peer *peer, bool drain);

/** hc_peer_targets() - bring node->targets[] up to date for it. Any context */
void hc_peer_targets(struct hc_peer *peer);

/* Called by its connections. */
void hc_peer_hello_make(struct hc_peer *peer, u16 conn, struct hcw_hello *ret);
u64 hc_peer_floor(struct hc_peer *peer);	/* for our hello, see wire.h */
enum hc_hello_verdict hc_peer_hello(struct hc_peer *peer, struct hc_conn *conn, u64 floor,
				    const struct hcw_hello *h, struct hc_hello_result *ret);
void hc_peer_conn_set(struct hc_peer *peer, u16 idx, struct hc_conn *conn);	/* NULL clears */
void hc_peer_conn_up(struct hc_peer *peer, struct hc_conn *conn);
void hc_peer_conn_down(struct hc_peer *peer, struct hc_conn *conn);
void hc_peer_ping(struct hc_peer *peer, const struct hc_msg *answer, s64 us);
void hc_peer_watch(struct hc_peer *peer);
void hc_peer_recalled(struct hc_peer *peer, u32 nr, const u32 *ids);

static inline void hc_peer_error(struct hc_peer *peer)
{
	atomic64_inc(&peer->errors);
}

static inline void hc_peer_bytes(struct hc_peer *peer, u64 tx, u64 rx)
{
	if (tx)
		atomic64_add(tx, &peer->tx_bytes);
	if (rx)
		atomic64_add(rx, &peer->rx_bytes);
}

/** hc_peer_inflight() - a request to it was started or ended. Any context */
void hc_peer_inflight(struct hc_peer *peer, int by);

/** hc_peers_drop() - end all peers of a node that goes away */
void hc_peers_drop(struct hc_node *node);

#endif /* _HC_PEER_H */
