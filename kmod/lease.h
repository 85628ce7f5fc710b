/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Borrowing: keeps leased slabs ahead of need and gives empty ones back. */
#ifndef _HC_LEASE_H
#define _HC_LEASE_H

#include <linux/types.h>

struct hc_menv;
struct hc_node;

/** hc_lease_kick() - look at it soon. Any context */
void hc_lease_kick(struct hc_node *node);

/** hc_lease_wanted() - a share of @env runs low. Racy, cheap; any context */
bool hc_lease_wanted(const struct hc_menv *env);

void hc_lease_start(void);
void hc_lease_stop(void);

/** hc_lease_end() - the disk is gone and the epochs are raised: let all donors know */
void hc_lease_end(struct hc_node *node);

#endif /* _HC_LEASE_H */
