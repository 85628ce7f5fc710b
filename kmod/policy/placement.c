// SPDX-License-Identifier: GPL-2.0-or-later
/* Placement of copies (SPEC R20a, R8: no page is lost by one node's death). */
#include <linux/string.h>
#include <linux/types.h>

#include "placement.h"

static bool in(const u8 *set, u8 nr, u8 target)
{
	u8 i;

	for (i = 0; i < nr; i++)
		if (set[i] == target)
			return true;
	return false;
}

static u32 cost_of(const struct hc_target *t)
{
	return (t->is_suspect ? 1U << 30 : 0) + (t->inflight < (1U << 29) ? t->inflight : 1U << 29);
}

void hc_place(struct hc_menv *env, const struct hc_target *targets, u32 nr,
	      const u8 *avoid, u8 nr_avoid, u8 want, struct hc_place *ret)
{
	u32 i, start = env->nr_shares ? env->cursor++ % env->nr_shares : 0;

	memset(ret, 0, sizeof(*ret));
	while (ret->nr < want && ret->nr < HC_COPIES_REMOTE) {
		u32 best_cost = ~0U;
		u8 best = 0;

		for (i = 0; i < env->nr_shares; i++) {
			const struct hc_share *s = &env->share[(start + i) % env->nr_shares];
			const struct hc_target *t = &targets[s->target];

			if (s->target == HC_TARGET_LOCAL || s->is_leaving || !t->is_live ||
			    t->no_new || in(avoid, nr_avoid, s->target) ||
			    in(ret->target, ret->nr, s->target))
				continue;
			if (s->nr_free < nr) {
				ret->is_dry |= t->may_lend;
				continue;
			}
			if (cost_of(t) < best_cost) {
				best_cost = cost_of(t);
				best = s->target;
			}
		}
		if (!best)
			break;
		ret->target[ret->nr++] = best;
	}
	ret->is_safe = want && ret->nr >= want;
	if (ret->is_safe) {
		ret->is_dry = false;
		return;
	}
	if (targets[HC_TARGET_LOCAL].is_live && !targets[HC_TARGET_LOCAL].no_new &&
	    !in(avoid, nr_avoid, HC_TARGET_LOCAL)) {
		ret->target[ret->nr++] = HC_TARGET_LOCAL;
		ret->is_safe = true;
	}
}
