/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node: what hyperchain keeps for one network namespace. */
#ifndef _HC_NODE_H
#define _HC_NODE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <uapi/linux/hyperchain.h>

#include "policy/map.h"

struct hc_peer;
struct hc_pool;

struct hc_node {
	struct net *net;
	/* Configuration and lists below; held for short, never over the network. */
	struct mutex lock;
	u32 id;				/* 0: not set yet */
	char name[HC_NAME_LEN + 1];
	u64 epoch;			/* lease epoch for new peers */
	u64 incarnation;		/* random, one per load of the module */
	struct list_head peers;
	u32 nr_peers;
	struct hc_peer __rcu *by_target[HC_TARGETS];
	/* How placement sees the peers; written under lock or by one watcher, read racily. */
	struct hc_target targets[HC_TARGETS];
	struct hc_pool *pool;
	/*
	 * irq-safe (slots are freed with interrupts off): the map of the disk, what
	 * it keeps of environments, the backing's slabs.
	 */
	spinlock_t map_lock;
	struct hc_menv *envs[HC_ENVS_MAX + 1];	/* by id; map_lock */
	struct list_head env_list;
	u32 daemon_portid;
	struct delayed_work orphan_work;
	struct list_head requests;	/* relayed, waiting for the daemon */
	u32 nr_requests;
	u64 request_cookie;
	spinlock_t moves_lock;
	struct list_head moves;		/* programs on their way; moves_lock */
	u32 nr_moves;			/* moves_lock */
	bool moves_closed;		/* moves_lock: no new one */
	bool accepts_moves;		/* programs of peers may come here */
	atomic64_t ev_seq;
	spinlock_t ev_lock;
	struct {
		unsigned long window;	/* jiffies */
		u32 count;		/* events since then */
	} ev_limit[2];			/* losses have their own; ev_lock */
};

/** hc_node_of() - the node of a namespace; lives as long as the namespace */
struct hc_node *hc_node_of(struct net *net);

/** hc_node_daemon() - register @portid; -EBUSY when there is a daemon */
int hc_node_daemon(struct hc_node *node, u32 portid);

/** hc_node_default_epoch() - give the node an epoch if it has none; under node->lock */
void hc_node_default_epoch(struct hc_node *node);

int hc_node_init(void);
void hc_node_exit(void);

#endif /* _HC_NODE_H */
