// SPDX-License-Identifier: GPL-2.0-or-later
/* The recount of test_map_model.c: what the map must hold, added up from its slots and slabs. */
#include <linux/types.h>

#include "policy/map.h"

#include "map_model.h"
#include "unit.h"

static void check_slot(u32 slot)
{
	const struct hc_slot *s = &slots[slot];
	const struct want *w = &want[slot];
	u32 i;

	MUST_EQ(s->pins, w->readers);
	MUST(!!(s->flags & HC_SLOT_F_WRITING) == w->is_writing);
	if (w->is_lost)
		MUST_EQ(s->state, HC_SLOT_LOST);
	else if (w->value)
		MUST_EQ(s->state, HC_SLOT_DATA);
	else
		MUST(s->state == HC_SLOT_EMPTY || s->state == HC_SLOT_ZERO);
	for (i = 0; i < HC_COPIES; i++) {
		u32 loc = s->loc[i];

		MUST_MSG(loc == w->copies[i], "slot %u copy %u: %#x, the model has %#x", slot,
			      i, loc, w->copies[i]);
		if (loc == HC_LOC_NONE)
			continue;
		MUST_MSG(*model_page(loc) == w->value, "slot %u copy %u holds another page", slot, i);
		MUST_EQ(slabs[hc_loc_slab(loc)].owner[hc_loc_page(loc)], slot);
		MUST_EQ(slabs[hc_loc_slab(loc)].env, w->env);
		MUST((i == HC_COPY_LOCAL) == (slabs[hc_loc_slab(loc)].target == HC_TARGET_LOCAL));
	}
	if (s->loc[0] != HC_LOC_NONE && s->loc[1] != HC_LOC_NONE)
		MUST_NE(slabs[hc_loc_slab(s->loc[0])].target, slabs[hc_loc_slab(s->loc[1])].target);
}

static u32 list_len(u32 head)
{
	u32 n = 0, prev = HC_SLAB_NONE;

	for (; head != HC_SLAB_NONE; prev = head, head = slabs[head].next, n++) {
		MUST_EQ(slabs[head].prev, prev);
		MUST_LT(n, SLABS + 1);
	}
	return n;
}

/* A copy of it is in a slab that was called back. */
static bool is_leaving(const struct hc_slot *s)
{
	u32 i;

	for (i = 0; i < HC_COPIES; i++)
		if (s->loc[i] != HC_LOC_NONE &&
		    slabs[hc_loc_slab(s->loc[i])].state != HC_SLAB_LIVE)
			return true;
	return false;
}

void model_recount(void)
{
	u64 data = 0, zero = 0, lost = 0, degraded = 0, local = 0, used[DONORS + 1] = { 0 };
	u64 env_data[ENVS] = { 0 }, env_lost[ENVS] = { 0 }, need = 0;
	u32 leased[DONORS + 1] = { 0 }, live[ENVS][DONORS + 1] = { 0 };
	u32 room[ENVS][DONORS + 1] = { 0 }, listed[ENVS][DONORS + 1] = { 0 };
	u32 gone[ENVS][DONORS + 1] = { 0 }, i, e, t, page, free_slabs = 0;

	for (i = 0; i < SLOTS; i++) {
		const struct hc_slot *s = &slots[i];

		check_slot(i);
		data += s->state == HC_SLOT_DATA;
		zero += s->state == HC_SLOT_ZERO;
		lost += s->state == HC_SLOT_LOST;
		local += s->state == HC_SLOT_DATA && s->loc[HC_COPY_LOCAL] != HC_LOC_NONE;
		degraded += s->state == HC_SLOT_DATA && !hc_map_is_safe(&map, s);
		env_data[s->env] += s->state == HC_SLOT_DATA;
		env_lost[s->env] += s->state == HC_SLOT_LOST;
		if (needs[i / (8 * sizeof(long))] & 1UL << i % (8 * sizeof(long)))
			need++;
		else if (s->state == HC_SLOT_DATA)	/* none that wants repair is forgotten */
			MUST_MSG(hc_map_is_safe(&map, s) && !is_leaving(s),
				 "slot %u is not looked at by repair", i);
	}
	for (i = 0; i < SLABS; i++) {
		const struct hc_slab *s = &slabs[i];
		u32 n = 0;

		if (s->state == HC_SLAB_FREE) {
			free_slabs++;
			continue;
		}
		leased[s->target]++;
		for (page = 0; page < HC_SLAB_PAGES; page++)
			n += !!(s->used[page / 64] & 1ULL << page % 64);
		if (s->state == HC_SLAB_DEAD) {
			MUST_GT(s->nr_reserved, 0);
			gone[s->env][s->target]++;
			continue;
		}
		used[s->target] += n;
		MUST_EQ(s->nr_free, HC_SLAB_PAGES - n);
		if (s->state != HC_SLAB_LIVE) {
			gone[s->env][s->target]++;
			MUST((s->state == HC_SLAB_RETURN) == !n);
			continue;
		}
		live[s->env][s->target]++;
		room[s->env][s->target] += s->nr_free;
		listed[s->env][s->target] += !!s->nr_free;
		MUST_EQ(!!s->listed, !!s->nr_free);
	}
	MUST_EQ(map.nr_data, data);
	MUST_EQ(map.nr_zero, zero);
	MUST_EQ(map.nr_lost, lost);
	MUST_EQ(map.nr_degraded, degraded);
	MUST_EQ(map.nr_local, local);
	MUST_EQ(map.nr_needs, need);
	MUST_EQ(map.nr_free_slabs, free_slabs);
	MUST_EQ(list_len(map.free_head), free_slabs);
	for (t = 0; t <= DONORS; t++) {
		MUST_EQ(map.used[t], used[t]);
		MUST_EQ(map.leased[t], leased[t]);
	}
	for (e = 0; e < ENVS; e++) {
		MUST_EQ(menv[e].nr_data, env_data[e]);
		MUST_EQ(menv[e].nr_lost, env_lost[e]);
		for (t = 0; t <= DONORS; t++) {
			const struct hc_share *share = hc_menv_share(&menv[e], (u8)t);

			if (!share)
				continue;
			MUST_EQ(share->nr_slabs, live[e][t]);
			MUST_EQ(share->nr_free, room[e][t]);
			MUST_EQ(share->nr_leaving, gone[e][t]);
			MUST_EQ(list_len(share->head), listed[e][t]);
		}
	}
}
