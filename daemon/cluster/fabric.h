/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nodes' own network: WireGuard between all members, interface hc0. A node's
 * key there is its key in the cluster, the pair's preshared key is made of the
 * pair's key, its address of the cluster's and the node's id. So nothing of it
 * needs to be agreed on, and a node that is no member has no place in it.
 *
 * Where the cluster encrypts, members are dialled and let in through hc0 only;
 * what comes to a node's own address is a joiner, or nobody.
 */
#ifndef HCD_FABRIC_H
#define HCD_FABRIC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/cluster/fsm.h"
#include "daemon/node/config.h"

#define HCD_FABRIC_DEVICE	"hc0"

struct hcd_control;

struct hcd_fabric {
	bool is_stale;			/* the interface is behind what is wanted */
	bool is_busy;			/* a worker is at it */
	bool is_there;			/* it is up, as wanted once at least */
	uint64_t retry_ms;
	char error[HCD_ERROR_LEN];	/* why it is not as wanted, "" = it is */
};

/* Where @node of @cluster is in the network: fdXX:XXXX:XXXX::NODE. */
void hcd_fabric_address(const uint8_t cluster[HCD_CLUSTER_ID_LEN], uint32_t node,
			struct in6_addr *ret_address);

/* The same, printed. */
void hcd_fabric_text(const uint8_t cluster[HCD_CLUSTER_ID_LEN], uint32_t node,
		     char ret_text[INET6_ADDRSTRLEN]);

/* Can this node have such a network? Makes the interface. Blocks shortly. 0 or -errno, @error. */
int hcd_fabric_try(struct hcd_control *c, char error[HCD_ERROR_LEN]);

/* Members, or our own place, changed. */
void hcd_fabric_changed(struct hcd_control *c);

/* We are no member any more: the interface goes. */
void hcd_fabric_leave(struct hcd_control *c);

void hcd_fabric_tick(struct hcd_control *c, uint64_t now_ms);

#endif /* HCD_FABRIC_H */
