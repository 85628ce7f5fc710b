/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node itself: what it tells others, and what its module must be told. */
#ifndef HCD_AGENT_H
#define HCD_AGENT_H

#include "daemon/daemon.h"

struct hcd_status;
struct hcnl_pool_set;

/* What this node would say in a heartbeat now. */
void hcd_agent_status(struct hcd *d, struct hcd_status *ret_status);

/* What the pool is to be, by command, else by configuration; what neither says is not set. */
void hcd_agent_pool(const struct hcd *d, struct hcnl_pool_set *ret_set);

/* The module is there (again): pool, and swap if it is to be on. Errors are logged. */
void hcd_agent_attached(struct hcd *d);

/* The configuration was read anew: tell the module what changed. */
void hcd_agent_reloaded(struct hcd *d);

/* Take a sample of this node's load; each HCD_LOAD_PERIOD_MS. */
void hcd_agent_load(struct hcd *d);

#endif /* HCD_AGENT_H */
