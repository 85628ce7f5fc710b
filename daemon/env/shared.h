/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Environments of several nodes (R2): a container on each node that the user has active, all with
 * one root, one of them the leader. What is to be stands in the cluster's state; each node makes
 * that true for itself, each second, so that it does not matter what it missed:
 *
 *	KeptEnvironment ──┐                          ┌─► its container here: started, stopped,
 *	KeptUser's seats ─┼─► what is to be here ────┤   told of its nodes and its leader
 *	members ──────────┘   (struct hcd_shared)    └─► its files, if here: given to its nodes
 *
 * The state also says who leads: that is by the rules, or because somebody wanted it (R11).
 */
#ifndef HCD_SHARED_H
#define HCD_SHARED_H

#include <jansson.h>

#include "daemon/channel.pb-c.h"
#include "daemon/cluster.pb-c.h"
#include "daemon/cluster/fsm.h"
#include "daemon/env/container.h"

struct hcd_kept;
struct hcd_request;

/* One of them, as the state has it now. */
struct hcd_shared {
	const char *name;		/* borrowed of the state */
	Hcp__KeptEnvironment *env;
	uint32_t leader;		/* 0 = none yet */
	uint32_t nodes[HCD_ENV_NODES_MAX];	/* a container is to be there */
	uint32_t slots[HCD_ENV_NODES_MAX];
	size_t nr_nodes;
	bool is_here;			/* this node is one of them */
	bool is_storage;		/* this node has its files */
};

/* By its user's name. Return: false, there is none. Else hcd_shared_clear(). */
bool hcd_shared_read(struct hcd *d, const char *name, struct hcd_shared *ret);
void hcd_shared_clear(struct hcd_shared *s);

/* Stands for all that its containers have to follow: the same on all nodes, once they have. */
uint32_t hcd_shared_mark(const struct hcd_shared *s);

/* What the helper is told of its nodes; NULL: nothing is known of them. New reference. */
json_t *hcd_shared_spec(struct hcd *d, const char *name, bool *ret_is_leader);

/* Each second: what is here becomes what is to be here. */
void hcd_shared_tick(struct hcd_containers *cs);

/* ---- shared_show.c ------------------------------------------------------------------- */

/* What other nodes are told of the containers here; valid until the next call. */
void hcd_shared_boxes(struct hcd *d, Hcp__Status *status);

/* As hcd_container_json(), of the whole environment. */
json_t *hcd_shared_json(struct hcd *d, const struct hcd_shared *s);

/* ---- request_shared.c ------------------------------------------------------------------ */

/*
 * Have the controller do it, then answer with what the environment is now. @env may be NULL.
 * @nodes are for env-create and lead.
 */
void hcd_shared_wish(struct hcd_request *req, const char *what, const char *name,
		     Hcp__KeptEnvironment *env, const uint32_t *nodes, size_t nr_nodes);

#endif /* HCD_SHARED_H */
