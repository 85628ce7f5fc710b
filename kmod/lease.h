/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Borrowing: keeps leased slabs ahead of need and gives empty ones back. */
#ifndef _HC_LEASE_H
#define _HC_LEASE_H

#include <linux/types.h>
#include <linux/workqueue.h>
#include <hyperchain/wire.h>

struct hc_menv;
struct hc_node;
struct hc_peer;

#define HC_WANTS_MAX		32	/* leases asked for in one go */

/* Bits of hc_borrow.flags */
#define HC_BORROW_WANTED	0	/* a share runs low */
#define HC_BORROW_OVER		1	/* tell it that our older leases are over */

/* A lease to ask for. */
struct hc_want {
	u32 env;
	u32 nr;
};

/*
 * Borrowing from one peer. All requests of LEASE and RELEASE to it come from @work, one
 * at a time; a peer that is slow to answer holds up nobody else. The memory for them is
 * here: this may be what frees memory.
 */
struct hc_borrow {
	struct work_struct work;
	unsigned long flags;		/* HC_BORROW_* */
	struct hc_want wants[HC_WANTS_MAX];
	u8 buf[HCW_CTL_MAX] __aligned(8);
	/*
	 * Slabs that are lent to us as the peer says, and that we do not know: the answer
	 * that named them was lost. node->map_lock
	 */
	u32 strays[HCW_LEASE_MAX];
	u32 nr_strays;
};

/** hc_lease_kick() - look at it soon. Any context */
void hc_lease_kick(struct hc_node *node);

/** hc_lease_wanted() - a share of @env runs low. Racy, cheap; any context */
bool hc_lease_wanted(const struct hc_menv *env);

void hc_lease_start(void);
void hc_lease_stop(void);

/** hc_lease_stray() - @target called back a slab that the map does not know. Under the map lock */
void hc_lease_stray(struct hc_node *node, u8 target, u32 id);

/** hc_lease_peer_init() - prepare peer->borrow; the peer's end cancels its work */
void hc_lease_peer_init(struct hc_peer *peer);

/** hc_lease_end() - the disk is gone and the epochs are raised: let all donors know */
void hc_lease_end(struct hc_node *node);

#endif /* _HC_LEASE_H */
