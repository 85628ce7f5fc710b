/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One page of shared memory between nodes (SPEC R20b): many readers or one writer, as
 * two pure tables. The *home* keeps for each page who has it; each node, the home's own
 * programs too, keeps what it has itself:
 *
 *	I  nothing          S  content, may be read      X  the only content, may be written
 *
 *	requester R            home H                    owner O, or sharers
 *	   ── GET ───────────►  opens transaction, gen+1
 *	                          ── FETCH(gen, R) ────►  gives the page up, or keeps S
 *	   ◄───────────────────────────────── GRANT(gen) ──  three hops
 *	   ── DONE(gen) ─────►  ◄── BACK(gen), R reads ──
 *	                        closed: the next one may open
 *	no owner: H sends INV to the other sharers if R writes, collects their ACKs, and its
 *	own content with GRANT.
 *
 * One transaction of a page at a time, closed only when its requester has said DONE.
 * So messages may overtake each other and come twice: what does not carry a greater
 * generation than the node has met (or, at the home, that of the open transaction) is
 * late and changes nothing. GET carries none: one from who has the page already is late.
 *
 * A node never gives up what was granted before a waiting fault has used it (then for
 * the hold time, an input): two nodes that want a page take turns.
 *
 * A node that is lost takes what only it had along: the page is lost, whoever asks gets
 * an error until the page is dropped (truncated). If it was about to pass the page on, only the
 * requester knows: CANCEL asks it, and shuts out what is still on its way. A requester
 * that is lost between FETCH and DONE: the home calls the page in with INV, which finds
 * it if the owner has not sent it off yet.
 */
#ifndef _HC_POLICY_SHM_H
#define _HC_POLICY_SHM_H

#include <linux/types.h>

#define HC_SHM_NODES	64	/* of one home, itself included */
#define HC_SHM_HOME	0	/* the home's number among its nodes */
#define HC_SHM_NOBODY	0xff

enum hc_shm_op {
	HC_SHM_INVALID,
	HC_SHM_GET,	/* node to home: state wanted */
	HC_SHM_FETCH,	/* home to owner: give it to @third, which gets @state */
	HC_SHM_INV,	/* home to who has it: not any more */
	HC_SHM_DROP,	/* the same, at once, and its content is void */
	HC_SHM_GRANT,	/* home or owner to requester */
	HC_SHM_CANCEL,	/* home to requester: you get it not, @err. Had you got it? */
	HC_SHM_ACK,	/* to home: given up, or nothing to give */
	HC_SHM_BACK,	/* owner to home: the content that a reader got */
	HC_SHM_RELAY,	/* owner to home: instead of a GRANT to who can't be reached */
	HC_SHM_DONE,	/* requester to home: has it in @state */
};

enum hc_shm_state { HC_SHM_I, HC_SHM_S, HC_SHM_X };

struct hc_shm_msg {
	u8 op;			/* enum hc_shm_op */
	u8 from;		/* number at the home */
	u8 to;
	u8 third;		/* FETCH: who gets it */
	u8 state;		/* enum hc_shm_state: asked for, granted; DONE: had */
	bool has_data;		/* content of the page goes with it */
	bool is_answer;		/* DONE: to CANCEL */
	s16 err;		/* CANCEL: why, negative */
	u64 gen;
};

/* What to do after a step, in this order. */
#define HC_SHM_STORE	0x01	/* the content of the message becomes that of this node */
#define HC_SHM_ZAP	0x02	/* no program may touch it any more */
#define HC_SHM_PROTECT	0x04	/* no program may write it any more */
#define HC_SHM_WAKE	0x08	/* faults that wait look again */
#define HC_SHM_FORGET	0x10	/* the content is void: a page of zeros from now on */
#define HC_SHM_DEFER	0x20	/* not now: the same message again, later */
#define HC_SHM_LATE	0x40	/* it was late; nothing changed */
#define HC_SHM_DROPPED	0x80	/* home: a drop is through */

struct hc_shm_out {
	u32 acts;
	u8 nr;			/* messages in msg[] */
	struct hc_shm_msg msg[3];
	u64 cast;		/* nodes that get cast_op with gen */
	u8 cast_op;
	u64 gen;
};

/* What a node has of a page. All zero: nothing. */
struct hc_shm_local {
	u64 gen;		/* greatest met */
	u8 state;
	u8 want;		/* asked for, 0 = nothing */
	bool is_unused;		/* no fault has used it yet; the caller ends that in time */
	s16 err;		/* of the last request, until a fault took it */
};

/* What the home knows of a page. Made by hc_shm_home_init(). */
struct hc_shm_home {
	u64 gen;		/* of the open transaction, or the last one */
	u64 sharers;		/* S, when there is no owner */
	u64 acks;		/* still to come */
	u64 want_s, want_x;	/* who waits */
	u8 owner;		/* X, or HC_SHM_NOBODY: the home's content counts */
	u8 kind;		/* enum hc_shm_kind */
	u8 cur;			/* requester; HC_SHM_NOBODY when it is lost */
	u8 last;		/* served last: the others come first */
	bool is_fetching;	/* the owner was asked and has not said that it is done */
	bool wait_done;
	bool is_cancelled;
	bool is_lost;
	bool want_drop;
};

enum hc_shm_kind {
	HC_SHM_IDLE, HC_SHM_READING, HC_SHM_WRITING, HC_SHM_REFUSING, HC_SHM_DROPPING,
};

/**
 * hc_shm_fault() - a program touches the page
 * @want: HC_SHM_S or HC_SHM_X
 * Return: true when it may now; else @out may hold a request, and the fault waits for
 * HC_SHM_WAKE, or takes @l->err
 */
bool hc_shm_fault(struct hc_shm_local *l, u8 want, struct hc_shm_out *out);

/**
 * hc_shm_local() - a message for a node as one that uses the page: FETCH, INV, DROP, GRANT, CANCEL
 * @is_held: the hold time is not over
 */
void hc_shm_local(struct hc_shm_local *l, const struct hc_shm_msg *m, bool is_held,
		  struct hc_shm_out *out);

/** hc_shm_local_lost() - the home is lost: nothing counts any more */
void hc_shm_local_lost(struct hc_shm_local *l, s16 err, struct hc_shm_out *out);

void hc_shm_home_init(struct hc_shm_home *h);

/**
 * hc_shm_home() - a message for the home: GET, ACK, BACK, RELAY, DONE
 * @is_full: no room for one more page with content; asked for when a GET opens a transaction
 */
void hc_shm_home(struct hc_shm_home *h, const struct hc_shm_msg *m, bool is_full,
		 struct hc_shm_out *out);

/** hc_shm_home_drop() - truncate: HC_SHM_DROPPED when nobody has it any more, maybe later */
void hc_shm_home_drop(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out);

/** hc_shm_home_loss() - node @k is lost for good and can't say anything any more */
void hc_shm_home_loss(struct hc_shm_home *h, u8 k, bool is_full, struct hc_shm_out *out);

#endif /* _HC_POLICY_SHM_H */
