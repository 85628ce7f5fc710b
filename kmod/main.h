/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every part of the module shares: workqueues, parameters, small helpers. */
#ifndef _HC_MAIN_H
#define _HC_MAIN_H

#include <linux/netlink.h>
#include <linux/workqueue.h>

#define HC_VERSION "0.1.0"

/*
 * All WQ_MEM_RECLAIM. An item waits only for items of queues named below its own, so
 * that one rescuer for each queue is enough to go on without memory. What waits for
 * an answer of a peer is on another queue than what gives such answers: two nodes
 * that ask each other would wait for each other.
 */
extern struct workqueue_struct *hc_tell_wq;	/* news of files at home; waits for peers */
extern struct workqueue_struct *hc_move_wq;	/* moves, ends of nodes; wait for all below */
extern struct workqueue_struct *hc_lease_wq;	/* leases, repair, calling back; wait for peers */
extern struct workqueue_struct *hc_ctl_wq;	/* control requests of peers, and the daemon's */
extern struct workqueue_struct *hc_watch_wq;	/* deadlines, giving up peers */
extern struct workqueue_struct *hc_fail_wq;	/* ends of connections */
extern struct workqueue_struct *hc_send_wq;	/* answers; wait for the peer to take them */
extern struct workqueue_struct *hc_data_wq;	/* pages; never waits for a peer */

/* Module parameters, milliseconds; see main.c. */
extern unsigned int hc_request_timeout_ms;
extern unsigned int hc_peer_grace_ms;
extern unsigned int hc_lease_grace_ms;
extern bool hc_allow_netns;
extern char *hc_helper_dir;

/** hc_extack() - one sentence for the user; @text is a constant string */
static inline void hc_extack(struct netlink_ext_ack *extack, const char *text)
{
	if (extack)
		extack->_msg = text;
}

#endif /* _HC_MAIN_H */
