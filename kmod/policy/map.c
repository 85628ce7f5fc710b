// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of the swap disk: slots; see map.h. Serves SPEC R20a, and R8's "no page is lost". */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#include "map.h"
#include "slabs.h"

/* ---- counting: every change of a slot is between account(-1) and account(+1) ---- */

static u32 copies_of(const struct hc_slot *s)
{
	u32 i, n = 0;

	for (i = 0; i < HC_COPIES_REMOTE; i++)
		n += s->loc[i] != HC_LOC_NONE;
	return n;
}

bool hc_map_is_safe(const struct hc_map *map, const struct hc_slot *s)
{
	const struct hc_menv *env = hc_map_env(map, s->env);

	return s->loc[HC_COPY_LOCAL] != HC_LOC_NONE ||
	       (env && copies_of(s) >= env->replicas);
}

static void account(struct hc_map *map, const struct hc_slot *s, int by)
{
	struct hc_menv *env = hc_map_env(map, s->env);

	switch (s->state) {
	case HC_SLOT_ZERO:
		map->nr_zero += by;
		break;
	case HC_SLOT_LOST:
		map->nr_lost += by;
		if (env)
			env->nr_lost += by;
		break;
	case HC_SLOT_DATA:
		map->nr_data += by;
		if (s->loc[HC_COPY_LOCAL] != HC_LOC_NONE)
			map->nr_local += by;
		if (!hc_map_is_safe(map, s)) {
			map->nr_degraded += by;
			if (env)
				env->nr_degraded += by;
		}
		if (env)
			env->nr_data += by;
		break;
	}
}

static void needs_set(struct hc_map *map, u32 slot)
{
	unsigned long *word = &map->needs[slot / BITS_PER_LONG];
	unsigned long bit = 1UL << (slot % BITS_PER_LONG);

	if (!(*word & bit)) {
		*word |= bit;
		map->nr_needs++;
	}
}

static void needs_clear(struct hc_map *map, u32 slot)
{
	unsigned long *word = &map->needs[slot / BITS_PER_LONG];
	unsigned long bit = 1UL << (slot % BITS_PER_LONG);

	if (*word & bit) {
		*word &= ~bit;
		map->nr_needs--;
	}
}

/* ---- slots ---- */

static void slot_release(struct hc_map *map, struct hc_slot *s)
{
	u32 i;

	for (i = 0; i < HC_COPIES; i++) {
		if (s->loc[i] != HC_LOC_NONE)
			hc_slab_page_give(map, s->loc[i]);
		s->loc[i] = HC_LOC_NONE;
	}
}

static void slot_clear(struct hc_map *map, u32 slot)
{
	struct hc_slot *s = &map->slots[slot];

	account(map, s, -1);
	slot_release(map, s);
	s->state = HC_SLOT_EMPTY;
	s->env = HC_ENV_HOST;
	s->sum = 0;
	s->gen++;
	s->flags &= ~HC_SLOT_F_FREE;
	needs_clear(map, slot);
}

static void slot_settle(struct hc_map *map, u32 slot)
{
	struct hc_slot *s = &map->slots[slot];

	if ((s->flags & HC_SLOT_F_FREE) && !s->pins && !(s->flags & HC_SLOT_F_WRITING))
		slot_clear(map, slot);
}

static bool slot_holds(const struct hc_slot *s, u32 loc)
{
	u32 i;

	for (i = 0; i < HC_COPIES; i++)
		if (s->loc[i] == loc)
			return true;
	return false;
}

/* Forget one copy, whatever becomes of the page that held it. */
static void slot_drop_copy(struct hc_map *map, u32 slot, u32 loc, struct hc_loss *loss)
{
	struct hc_slot *s = &map->slots[slot];
	u32 i, left = 0;

	account(map, s, -1);
	for (i = 0; i < HC_COPIES; i++) {
		if (s->loc[i] == loc)
			s->loc[i] = HC_LOC_NONE;
		left += s->loc[i] != HC_LOC_NONE;
	}
	loss->env = s->env;
	loss->target = hc_map_slab(map, loc)->target;
	if (!left) {
		s->state = HC_SLOT_LOST;
		needs_clear(map, slot);
		loss->nr_lost++;
	} else {
		needs_set(map, slot);
		loss->nr_degraded++;
	}
	account(map, s, 1);
}

void hc_map_init(struct hc_map *map, struct hc_slot *slots, u32 nr_slots,
		 struct hc_slab *slabs, u32 nr_slabs, unsigned long *needs,
		 struct hc_menv **envs, u32 nr_envs)
{
	u32 i;

	memset(map, 0, sizeof(*map));
	memset(slots, 0, (size_t)nr_slots * sizeof(*slots));
	memset(needs, 0, (size_t)(nr_slots + BITS_PER_LONG - 1) / BITS_PER_LONG * sizeof(long));
	map->slots = slots;
	map->nr_slots = nr_slots;
	map->slabs = slabs;
	map->nr_slabs = nr_slabs;
	map->needs = needs;
	map->envs = envs;
	map->nr_envs = nr_envs;
	map->repair_stuck = HC_OWNER_NONE;
	for (i = 0; i < nr_slots; i++)
		memset(slots[i].loc, 0xff, sizeof(slots[i].loc));
	hc_slabs_init(map);
}

u32 hc_map_slab_recall(struct hc_map *map, u32 slab)
{
	struct hc_slab *s = &map->slabs[slab];
	u32 page;

	if (s->state != HC_SLAB_LIVE)
		return s->state == HC_SLAB_LEAVING ? HC_SLAB_PAGES - s->nr_free : 0;
	hc_slab_leave(map, s);
	if (s->state == HC_SLAB_RETURN)
		return 0;
	for (page = 0; page < HC_SLAB_PAGES; page++)
		if (hc_slab_page_used(s, page) && s->owner[page] < map->nr_slots)
			needs_set(map, s->owner[page]);
	return HC_SLAB_PAGES - s->nr_free;
}

void hc_map_slab_drop(struct hc_map *map, u32 slab, struct hc_loss *ret_loss)
{
	struct hc_slab *s = &map->slabs[slab];
	u32 page;

	memset(ret_loss, 0, sizeof(*ret_loss));
	ret_loss->env = s->env;
	ret_loss->target = s->target;
	if (s->state == HC_SLAB_FREE || s->state == HC_SLAB_DEAD)
		return;
	hc_slab_die(map, s);
	for (page = 0; page < HC_SLAB_PAGES; page++) {
		u32 slot = s->owner[page], loc = slab << HC_SLAB_SHIFT | page;

		if (!hc_slab_page_used(s, page))
			continue;
		map->used[s->target]--;
		if (slot >= map->nr_slots)
			continue;
		/* A page reserved by a write under way is not in its slot yet. */
		if (slot_holds(&map->slots[slot], loc))
			slot_drop_copy(map, slot, loc, ret_loss);
	}
	hc_slab_bury(map, s);
}

static bool slot_counts(const struct hc_slot *s, const struct hc_menv *env)
{
	return s->state == HC_SLOT_DATA && s->env == env->id;
}

int hc_map_write_begin(struct hc_map *map, struct hc_menv *env, u32 slot, u32 nr,
		       u32 is_zero)
{
	u32 i, fresh = 0;

	if (slot >= map->nr_slots || nr > map->nr_slots - slot)
		return -ERANGE;
	for (i = 0; i < nr; i++) {
		const struct hc_slot *s = &map->slots[slot + i];

		if (s->pins || (s->flags & HC_SLOT_F_WRITING))
			return -EBUSY;
		if (!(is_zero & (1U << i)) && !slot_counts(s, env))
			fresh++;
	}
	if (fresh && env->quota_pages && env->nr_data + env->nr_writing + fresh > env->quota_pages)
		return -EDQUOT;
	for (i = 0; i < nr; i++) {
		struct hc_slot *s = &map->slots[slot + i];

		s->flags |= HC_SLOT_F_WRITING;
		s->writer = (u16)env->id;
		if (!(is_zero & (1U << i)) && !slot_counts(s, env))
			s->flags |= HC_SLOT_F_COUNTED;
	}
	env->nr_writing += fresh;
	return 0;
}

static void write_end(struct hc_map *map, struct hc_slot *s)
{
	struct hc_menv *env = hc_map_env(map, s->writer);

	if ((s->flags & HC_SLOT_F_COUNTED) && env)
		env->nr_writing--;
	s->flags &= ~(HC_SLOT_F_WRITING | HC_SLOT_F_COUNTED);
}

void hc_map_write_abort(struct hc_map *map, u32 slot, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		write_end(map, &map->slots[slot + i]);
		slot_settle(map, slot + i);
	}
}

int hc_map_commit(struct hc_map *map, struct hc_menv *env, u32 slot, const u32 *loc,
		  u32 sum)
{
	struct hc_slot *s = &map->slots[slot];
	bool leaving = false;
	u32 i, nr = 0, kept = 0, keep[HC_COPIES];

	for (i = 0; i < HC_COPIES; i++) {
		keep[i] = loc[i];
		if (loc[i] == HC_LOC_NONE)
			continue;
		nr++;
		if (hc_map_slab(map, loc[i])->state == HC_SLAB_DEAD)
			keep[i] = HC_LOC_NONE;
		else
			kept++;
		leaving |= hc_map_slab(map, loc[i])->state != HC_SLAB_LIVE;
		hc_slab_reservation_end(map, hc_map_slab(map, loc[i]));
	}
	if (nr && !kept)
		return -ESTALE;
	account(map, s, -1);
	slot_release(map, s);
	memcpy(s->loc, keep, sizeof(keep));
	s->state = kept ? HC_SLOT_DATA : HC_SLOT_ZERO;
	s->env = (u16)env->id;
	s->sum = sum;
	s->gen++;
	write_end(map, s);
	account(map, s, 1);
	if (kept && (leaving || !hc_map_is_safe(map, s)))
		needs_set(map, slot);
	else
		needs_clear(map, slot);
	slot_settle(map, slot);
	return 0;
}

int hc_map_read_begin(struct hc_map *map, u32 slot, const struct hc_target *targets,
		      u32 avoid, u32 *ret_loc)
{
	u32 i, best = HC_LOC_NONE, best_cost = ~0U;
	struct hc_slot *s;

	if (slot >= map->nr_slots)
		return -ERANGE;
	s = &map->slots[slot];
	*ret_loc = HC_LOC_NONE;
	if ((s->flags & HC_SLOT_F_WRITING) || s->pins == 0xff)
		return -EBUSY;
	if (s->state == HC_SLOT_LOST)
		return -EIO;
	if (s->state != HC_SLOT_DATA)
		return 0;
	for (i = 0; i < HC_COPIES; i++) {
		const struct hc_target *t;
		u32 cost, target;

		if (s->loc[i] == HC_LOC_NONE)
			continue;
		target = hc_map_slab(map, s->loc[i])->target;
		t = &targets[target];
		if (!t->is_live)
			continue;
		/* Remote before local, on time before late, then the shorter queue. */
		cost = (target == avoid ? 1U << 31 : 0) + (t->is_suspect ? 1U << 30 : 0) +
		       (i == HC_COPY_LOCAL ? 1U << 29 : 0) +
		       (t->inflight < (1U << 28) ? t->inflight * 2 : 1U << 28) +
		       ((slot >> 4 ^ i) & 1);
		if (cost < best_cost) {
			best_cost = cost;
			best = s->loc[i];
		}
	}
	if (best == HC_LOC_NONE)
		return -EAGAIN;
	s->pins++;
	*ret_loc = best;
	return 0;
}

void hc_map_read_end(struct hc_map *map, u32 slot)
{
	map->slots[slot].pins--;
	slot_settle(map, slot);
}

bool hc_map_copy_bad(struct hc_map *map, u32 slot, u32 loc, struct hc_loss *ret_loss)
{
	struct hc_slot *s = &map->slots[slot];
	u32 i;

	memset(ret_loss, 0, sizeof(*ret_loss));
	if (s->pins > 1 || s->state != HC_SLOT_DATA)
		return false;
	for (i = 0; i < HC_COPIES; i++) {
		if (s->loc[i] != loc)
			continue;
		slot_drop_copy(map, slot, loc, ret_loss);
		hc_slab_page_give(map, loc);
		return true;
	}
	return false;
}

int hc_map_page_bad(struct hc_map *map, u32 loc, struct hc_loss *ret_loss)
{
	const struct hc_slab *slab = hc_map_slab(map, loc);
	u32 slot = slab->owner[hc_loc_page(loc)];

	memset(ret_loss, 0, sizeof(*ret_loss));
	if (slab->state == HC_SLAB_FREE || slab->state == HC_SLAB_DEAD ||
	    !hc_slab_page_used(slab, hc_loc_page(loc)) || slot >= map->nr_slots)
		return 0;
	/* Reserved by a write that is not over: whether it counts on the page shows then. */
	if (!slot_holds(&map->slots[slot], loc) || map->slots[slot].pins)
		return -EBUSY;
	slot_drop_copy(map, slot, loc, ret_loss);
	hc_slab_page_give(map, loc);
	return 0;
}

void hc_map_free(struct hc_map *map, u32 slot)
{
	struct hc_slot *s;

	if (slot >= map->nr_slots)
		return;
	s = &map->slots[slot];
	/* A first write may be under way: then it is freed when that ends. */
	if (s->state == HC_SLOT_EMPTY && !(s->flags & HC_SLOT_F_WRITING))
		return;
	s->flags |= HC_SLOT_F_FREE;
	slot_settle(map, slot);
}

/* What slot @r->slot wants, if anything. */
static bool repair_plan(const struct hc_map *map, const struct hc_target *targets,
			struct hc_repair *r)
{
	const struct hc_slot *s = &map->slots[r->slot];
	u32 i;

	r->src = HC_LOC_NONE;
	r->replace = HC_LOC_NONE;
	r->nr_have = 0;
	for (i = 0; i < HC_COPIES; i++) {
		const struct hc_slab *slab;

		if (s->loc[i] == HC_LOC_NONE)
			continue;
		slab = hc_map_slab(map, s->loc[i]);
		r->have[r->nr_have++] = slab->target;
		if (slab->state != HC_SLAB_LIVE && r->replace == HC_LOC_NONE)
			r->replace = s->loc[i];
		/* One that is silent would hold up all that is repaired with it. */
		if (targets[slab->target].is_live &&
		    (r->src == HC_LOC_NONE ||
		     (!targets[slab->target].is_suspect &&
		      targets[hc_map_slab(map, r->src)->target].is_suspect)))
			r->src = s->loc[i];
	}
	r->sum = s->sum;
	r->env = s->env;
	r->gen = s->gen;
	return r->replace != HC_LOC_NONE || !hc_map_is_safe(map, s);
}

/* So much of its environment found no room that the rest is not tried in this round. */
static bool steps_over(struct hc_map *map, u32 slot)
{
	const struct hc_menv *env = hc_map_env(map, map->slots[slot].env);

	if (!env || env->nr_stuck < HC_STUCK_MAX)
		return false;
	if (map->repair_stuck == HC_OWNER_NONE)
		map->repair_stuck = slot;
	return true;
}

int hc_map_repair_next(struct hc_map *map, const struct hc_target *targets,
		       u32 budget, struct hc_repair *ret)
{
	while (map->nr_needs && budget--) {
		u32 slot = map->repair_cursor;
		struct hc_slot *s;

		if (slot >= map->nr_slots) {
			map->repair_cursor = 0;
			continue;
		}
		if (!(slot % BITS_PER_LONG) && !map->needs[slot / BITS_PER_LONG]) {
			map->repair_cursor += BITS_PER_LONG;
			continue;
		}
		map->repair_cursor++;
		if (!(map->needs[slot / BITS_PER_LONG] & (1UL << (slot % BITS_PER_LONG))))
			continue;
		if (steps_over(map, slot))
			continue;
		s = &map->slots[slot];
		ret->slot = slot;
		if (s->state != HC_SLOT_DATA || !repair_plan(map, targets, ret)) {
			needs_clear(map, slot);
			continue;
		}
		if (ret->src == HC_LOC_NONE || s->pins || (s->flags & HC_SLOT_F_WRITING))
			continue;	/* later */
		s->pins++;
		return 1;
	}
	return 0;
}

void hc_map_repair_stuck(struct hc_map *map, const struct hc_repair *r)
{
	struct hc_menv *env = hc_map_env(map, r->env);

	if (env)
		env->nr_stuck++;
	hc_map_read_end(map, r->slot);
}

void hc_map_repair_round(struct hc_map *map)
{
	u32 i;

	for (i = 0; i < map->nr_envs; i++)
		if (map->envs[i])
			map->envs[i]->nr_stuck = 0;
	if (map->repair_stuck != HC_OWNER_NONE)
		map->repair_cursor = map->repair_stuck;
	map->repair_stuck = HC_OWNER_NONE;
}

static u32 copy_index(const struct hc_map *map, const struct hc_slot *s, u32 loc)
{
	u32 i;

	if (hc_map_slab(map, loc)->target == HC_TARGET_LOCAL)
		return HC_COPY_LOCAL;
	for (i = 0; i < HC_COPIES_REMOTE; i++)
		if (s->loc[i] == HC_LOC_NONE)
			return i;
	return HC_COPIES;
}

static int repair_take(struct hc_map *map, const struct hc_repair *r, u32 loc)
{
	struct hc_slot *s = &map->slots[r->slot];
	u32 i;

	if (s->gen != r->gen || (s->flags & HC_SLOT_F_FREE) || s->state != HC_SLOT_DATA)
		return -ESTALE;
	if (hc_map_slab(map, loc)->state == HC_SLAB_DEAD)
		return -ESTALE;
	if (s->pins > 1)
		return -EBUSY;
	account(map, s, -1);
	for (i = 0; i < HC_COPIES && r->replace != HC_LOC_NONE; i++) {
		if (s->loc[i] != r->replace)
			continue;
		hc_slab_page_give(map, s->loc[i]);
		s->loc[i] = HC_LOC_NONE;
	}
	i = copy_index(map, s, loc);
	if (i < HC_COPIES && s->loc[i] == HC_LOC_NONE) {
		s->loc[i] = loc;
		hc_slab_reservation_end(map, hc_map_slab(map, loc));
	} else {
		i = HC_COPIES;
	}
	account(map, s, 1);
	return i < HC_COPIES ? 0 : -ESTALE;
}

int hc_map_repair_end(struct hc_map *map, const struct hc_repair *r, u32 loc)
{
	int err = loc == HC_LOC_NONE ? 0 : repair_take(map, r, loc);

	hc_map_read_end(map, r->slot);
	return err;
}
