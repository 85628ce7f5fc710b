/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to a peer: messages in and out, requests that wait for their
 * answer, answers that wait to be sent.
 *
 * Phases of its end, each leaving nothing for the next to trip over:
 *   1. hc_conn_fail(): the state becomes DEAD, once; nobody starts anything new
 *   2. fail_work: transport->stop(): no byte comes in, no page is being sent
 *   3. fail_work: other work items are cancelled, waiting requests are ended
 *      with -ECONNRESET, queued answers dropped
 *   4. fail_work: the peer forgets it; the last reference releases the socket
 */
#ifndef _HC_CONN_H
#define _HC_CONN_H

#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "policy/hello.h"
#include "policy/wire_check.h"

struct hc_lslab;
struct hc_move_req;
struct hc_peer;
struct hc_transport_ops;
struct netlink_ext_ack;
struct sock;
struct socket;

/* A request to a peer. The caller's memory, untouchable until done() was called. */
struct hc_call {
	struct hc_msg msg;		/* type, slab, page, nr, arg by the caller */
	const struct bio_vec *bv;	/* WRITE: pages to send; READ, MOVE_READ: to fill */
	const void *data;		/* RELEASE, RECALL: ids; MOVE: msg.nr bytes to send */
	void *data_in;			/* LEASE, MOVE: room for HCW_CTL_MAX bytes */
	struct hc_msg answer;		/* valid in done() when err is 0 */
	ktime_t started;
	unsigned long deadline;		/* jiffies */
	u8 target;			/* peer's target number, set when started */
	u8 conn;			/* serial of the connection, set when started */
	/*
	 * Called once for each call that was started, in any context, without
	 * locks. @err: 0 (then answer.status counts), -ECONNRESET.
	 */
	void (*done)(struct hc_call *call, int err);
	void *priv;			/* the caller's */
};

/* An answer that could not be sent from the receive path. */
struct hc_reply {
	struct hc_msg msg;
	struct hc_lslab *slab;		/* READ: reference held until sent */
};

/* A control request or hello, handled by ctl_work. */
struct hc_ctl {
	struct hc_msg msg;
	u8 data[HCW_CTL_MAX];
};

#define HC_CTL_MAX	4
#define HC_CONN_DEPTH	128	/* requests waiting on one connection, offered in the hello */

enum hc_conn_state { HC_CONN_NEW, HC_CONN_GREETED, HC_CONN_LIVE, HC_CONN_DEAD };

struct hc_conn {
	struct kref kref;
	struct rcu_head rcu;
	struct hc_peer *peer;		/* reference held */
	const struct hc_transport_ops *ops;
	struct socket *sock;		/* the transport's */
	u16 idx;
	u8 serial;			/* 1.. , of all connections to this peer */
	u16 depth;			/* requests either end may have waiting */
	int state;			/* enum hc_conn_state; DEAD is final */
	const char *refused;		/* its hello, once ours went out; a constant string */
	const char *reason;		/* why it died; a constant string */
	struct completion said_hello;	/* ours is out, or failed */
	struct completion greeted;	/* LIVE or DEAD */
	struct completion gone;		/* fail_work is through */
	bool was_live;			/* node->lock */

	/* transport: sending */
	struct mutex tx_lock;		/* one message at a time */
	bool tx_busy;			/* a sender is inside; under the socket lock */
	u64 tx_tag;			/* WRITE being sent, 0 = none; under the socket lock */
	bool tx_partial;		/* part_* has unsent bytes; under the socket lock */
	struct hc_reply part_reply;
	u32 part_off;			/* bytes of it that are sent */
	void (*saved_data_ready)(struct sock *sk);
	void (*saved_state_change)(struct sock *sk);
	struct work_struct rx_work;
	struct work_struct part_work;	/* sends the rest of part_reply */

	/* receiving; only the one receiver at a time touches these */
	union {
		struct hcw_hdr hdr;
		u8 hdr_bytes[sizeof(struct hcw_hdr)];
	} rx;
	struct hc_msg rx_msg;
	u32 rx_got;			/* bytes of the header */
	u32 rx_left, rx_off;		/* of the payload */
	struct hc_call *rx_call;
	struct hc_lslab *rx_slab;
	struct hc_ctl *rx_ctl;
	struct hc_move_req *rx_move;
	u16 rx_status;			/* what to answer to a WRITE that goes to the sink */
	struct page *sink;		/* swallows payload nobody wants */
	unsigned long last_rx;		/* jiffies */

	/* requests waiting for their answer */
	spinlock_t calls_lock;
	struct hc_call *calls[HCW_DEPTH_MAX];
	DECLARE_BITMAP(call_map, HCW_DEPTH_MAX);
	u32 call_seq[HCW_DEPTH_MAX];
	u32 seq;
	bool calls_closed;
	wait_queue_head_t credit_wq;

	/* answers waiting to be sent: a ring, bounded by depth */
	spinlock_t reply_lock;
	struct hc_reply *replies;	/* HCW_DEPTH_MAX entries */
	u32 reply_head, reply_tail;
	struct work_struct reply_work;

	/* control requests */
	spinlock_t ctl_lock;
	struct hc_ctl *ctl;		/* HC_CTL_MAX entries */
	u32 ctl_head, ctl_tail;
	struct work_struct ctl_work;
	struct hc_hello_result hello;
	atomic_t nr_moves;		/* requests of moves under way */

	/* watch: deadlines, pings */
	struct delayed_work tick_work;
	struct work_struct ping_work;	/* sends a ping */
	struct hc_call ping;
	bool ping_busy;			/* under calls_lock */
	unsigned long last_ping;	/* jiffies */

	struct work_struct fail_work;
	struct work_struct free_work;
};

/**
 * hc_conn_add() - make a connection of @peer from descriptor @fd
 * @idx: its number, free in @peer
 *
 * Sends our hello. Context: process. Return: a reference, or ERR_PTR with @extack set.
 */
struct hc_conn *hc_conn_add(struct hc_peer *peer, u16 idx, int fd,
			    struct netlink_ext_ack *extack);
void hc_conn_put(struct hc_conn *conn);

/** hc_conn_fail() - end it; @reason is a constant string. Any context, any number of times */
void hc_conn_fail(struct hc_conn *conn, const char *reason);

/**
 * hc_conn_call() - start a request
 *
 * Waits for a credit when too many wait already. Context: process, may be in
 * reclaim. Return: 0, then done() will be called; -ENOTCONN, then not.
 */
int hc_conn_call(struct hc_conn *conn, struct hc_call *call);

/** hc_conn_oldest() - milliseconds that the oldest waiting request has waited, 0 = none */
unsigned int hc_conn_oldest(struct hc_conn *conn);

/* For the transport: where the next @ret_len bytes go (never NULL), and that they came. */
void *hc_conn_rx_want(struct hc_conn *conn, u32 *ret_len);
int hc_conn_rx_done(struct hc_conn *conn, u32 len);

/** hc_conn_reply() - answer a request, now or soon; takes over @reply->slab */
void hc_conn_reply(struct hc_conn *conn, const struct hc_reply *reply);

static inline bool hc_conn_is_dead(const struct hc_conn *conn)
{
	return READ_ONCE(conn->state) == HC_CONN_DEAD;
}

#endif /* _HC_CONN_H */
