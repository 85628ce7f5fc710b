/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which donors hold the copies of a page. Pure. */
#ifndef _HC_POLICY_PLACEMENT_H
#define _HC_POLICY_PLACEMENT_H

#include <linux/types.h>

#include "map.h"

struct hc_place {
	u8 nr;			/* targets chosen, the local one included */
	u8 target[HC_COPIES];
	bool is_safe;		/* one node's death loses nothing */
	bool is_dry;		/* a donor that may lend has no leased page left: wait a little */
};

/**
 * hc_place() - choose where @nr pages of @env go
 * @targets: HC_TARGETS entries
 * @avoid: targets not to use, @nr_avoid of them (they hold a copy already)
 * @want: remote copies wanted
 *
 * As many donors as copies are wanted: live, allowed, with room; on time before
 * late, then the shorter queue, then in turn. Fewer than that: the local
 * backing too, when there is one, so that the page survives any donor.
 */
void hc_place(struct hc_menv *env, const struct hc_target *targets, u32 nr,
	      const u8 *avoid, u8 nr_avoid, u8 want, struct hc_place *ret);

#endif /* _HC_POLICY_PLACEMENT_H */
