// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of the swap disk; see map.h. Serves SPEC R20a, and R8's "no page is lost". */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#include "map.h"

static struct hc_menv *env_of(const struct hc_map *map, u16 env)
{
	return env < map->nr_envs ? map->envs[env] : NULL;
}

static struct hc_slab *slab_of(const struct hc_map *map, u32 loc)
{
	return &map->slabs[hc_loc_slab(loc)];
}

/* ---- lists of slabs, linked by index ---- */

static void list_push(struct hc_map *map, u32 *head, u32 i)
{
	struct hc_slab *s = &map->slabs[i];

	s->prev = HC_SLAB_NONE;
	s->next = *head;
	if (*head != HC_SLAB_NONE)
		map->slabs[*head].prev = i;
	*head = i;
}

static void list_cut(struct hc_map *map, u32 *head, u32 i)
{
	struct hc_slab *s = &map->slabs[i];

	if (s->prev != HC_SLAB_NONE)
		map->slabs[s->prev].next = s->next;
	else
		*head = s->next;
	if (s->next != HC_SLAB_NONE)
		map->slabs[s->next].prev = s->prev;
	s->prev = HC_SLAB_NONE;
	s->next = HC_SLAB_NONE;
}

/* ---- slabs by the name their donor gave them ---- */

static u32 hash_of(u8 target, u32 id)
{
	return ((id ^ (u32)target << 24) * 2654435761U) >> 20;
}

static void hash_add(struct hc_map *map, u32 i)
{
	struct hc_slab *s = &map->slabs[i];
	u32 *head = &map->hash[hash_of(s->target, s->id)];

	s->hash_next = *head;
	*head = i;
}

static void hash_del(struct hc_map *map, u32 i)
{
	struct hc_slab *s = &map->slabs[i];
	u32 *at = &map->hash[hash_of(s->target, s->id)];

	while (*at != i && *at != HC_SLAB_NONE)
		at = &map->slabs[*at].hash_next;
	if (*at == i)
		*at = s->hash_next;
}

static u32 slab_index(const struct hc_map *map, const struct hc_slab *s)
{
	return (u32)(s - map->slabs);
}

static struct hc_share *share_of(const struct hc_map *map, const struct hc_slab *s)
{
	struct hc_menv *env = env_of(map, s->env);

	return env ? hc_menv_share(env, s->target) : NULL;
}

static void slab_unlist(struct hc_map *map, struct hc_slab *s)
{
	struct hc_share *share = share_of(map, s);

	if (s->listed && share)
		list_cut(map, &share->head, slab_index(map, s));
	s->listed = 0;
}

/* LEAVING and empty: nothing holds it here any more. */
static void slab_to_return(struct hc_map *map, struct hc_slab *s)
{
	s->state = HC_SLAB_RETURN;
	list_push(map, &map->return_head[s->target], slab_index(map, s));
}

static void slab_to_free(struct hc_map *map, struct hc_slab *s)
{
	s->state = HC_SLAB_FREE;
	map->leased[s->target]--;
	map->nr_free_slabs++;
	list_push(map, &map->free_head, slab_index(map, s));
}

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
	const struct hc_menv *env = env_of(map, s->env);

	return s->loc[HC_COPY_LOCAL] != HC_LOC_NONE ||
	       (env && copies_of(s) >= env->replicas);
}

static void account(struct hc_map *map, const struct hc_slot *s, int by)
{
	struct hc_menv *env = env_of(map, s->env);

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

/* ---- pages in slabs ---- */

static bool page_used(const struct hc_slab *s, u32 page)
{
	return s->used[page / 64] & (1ULL << (page % 64));
}

static void page_take(struct hc_map *map, struct hc_slab *s, u32 page, u32 owner)
{
	struct hc_share *share = share_of(map, s);

	s->used[page / 64] |= 1ULL << (page % 64);
	s->owner[page] = owner;
	s->nr_free--;
	map->used[s->target]++;
	if (share)
		share->nr_free--;
	if (!s->nr_free)
		slab_unlist(map, s);
}

static void page_give(struct hc_map *map, u32 loc)
{
	struct hc_slab *s = slab_of(map, loc);
	struct hc_share *share = share_of(map, s);
	u32 page = hc_loc_page(loc);

	s->used[page / 64] &= ~(1ULL << (page % 64));
	s->owner[page] = HC_OWNER_NONE;
	s->nr_free++;
	map->used[s->target]--;
	if (s->state == HC_SLAB_LIVE) {
		if (share)
			share->nr_free++;
		if (!s->listed && share) {
			list_push(map, &share->head, slab_index(map, s));
			s->listed = 1;
		}
	} else if (s->state == HC_SLAB_LEAVING && s->nr_free == HC_SLAB_PAGES) {
		slab_to_return(map, s);
	}
}

/* A write that had a page of this slab is over. */
static void reservation_end(struct hc_map *map, struct hc_slab *s)
{
	struct hc_share *share = share_of(map, s);

	if (--s->nr_reserved || s->state != HC_SLAB_DEAD)
		return;
	if (share)
		share->nr_leaving--;
	slab_to_free(map, s);
}

/* First run of up to @nr free pages from @from on; its length. */
static u32 run_find(const struct hc_slab *s, u32 nr, u32 *ret_page)
{
	u32 page, best = 0, len = 0;

	for (page = 0; page < HC_SLAB_PAGES; page++) {
		if (!(page % 64) && s->used[page / 64] == ~0ULL) {
			page += 63;
			len = 0;
			continue;
		}
		len = page_used(s, page) ? 0 : len + 1;
		if (len > best) {
			best = len;
			*ret_page = page + 1 - len;
			if (best == nr)
				break;
		}
	}
	return best;
}

/* ---- slots ---- */

static void slot_release(struct hc_map *map, struct hc_slot *s)
{
	u32 i;

	for (i = 0; i < HC_COPIES; i++) {
		if (s->loc[i] != HC_LOC_NONE)
			page_give(map, s->loc[i]);
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
	if (!left) {
		s->state = HC_SLOT_LOST;
		needs_clear(map, slot);
		loss->nr_lost++;
	} else {
		needs_set(map, slot);
		loss->nr_degraded++;
	}
	account(map, s, +1);
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
	map->free_head = HC_SLAB_NONE;
	memset(map->hash, 0xff, sizeof(map->hash));
	for (i = 0; i < nr_slots; i++)
		memset(slots[i].loc, 0xff, sizeof(slots[i].loc));
	for (i = 0; i < HC_TARGETS; i++)
		map->return_head[i] = HC_SLAB_NONE;
	for (i = nr_slabs; i-- > 0;) {
		slabs[i].state = HC_SLAB_FREE;
		slabs[i].listed = 0;
		list_push(map, &map->free_head, i);
	}
	map->nr_free_slabs = nr_slabs;
}

void hc_menv_init(struct hc_menv *env, u32 id, u8 replicas, u64 quota_pages)
{
	memset(env, 0, sizeof(*env));
	env->id = id;
	env->replicas = replicas;
	env->quota_pages = quota_pages;
}

struct hc_share *hc_menv_share(struct hc_menv *env, u8 target)
{
	u32 i;

	for (i = 0; i < env->nr_shares; i++)
		if (env->share[i].target == target)
			return &env->share[i];
	return NULL;
}

struct hc_share *hc_menv_share_add(struct hc_menv *env, u8 target)
{
	struct hc_share *share = hc_menv_share(env, target);

	if (share || env->nr_shares == HC_ENV_TARGETS)
		return share;
	share = &env->share[env->nr_shares++];
	memset(share, 0, sizeof(*share));
	share->head = HC_SLAB_NONE;
	share->target = target;
	share->want = 1;
	return share;
}

int hc_menv_share_del(struct hc_menv *env, u8 target)
{
	struct hc_share *share = hc_menv_share(env, target);

	if (!share)
		return 0;
	if (share->nr_slabs || share->nr_leaving)
		return -EBUSY;
	*share = env->share[--env->nr_shares];
	return 0;
}

u32 hc_map_slab_find(const struct hc_map *map, u8 target, u32 id)
{
	u32 i = map->hash[hash_of(target, id)];

	while (i != HC_SLAB_NONE &&
	       (map->slabs[i].target != target || map->slabs[i].id != id))
		i = map->slabs[i].hash_next;
	return i;
}

int hc_map_slab_add(struct hc_map *map, struct hc_menv *env, u8 target, u32 id)
{
	struct hc_share *share = hc_menv_share(env, target);
	struct hc_slab *s;
	u32 i;

	if (!share)
		return -ENOENT;
	if (hc_map_slab_find(map, target, id) != HC_SLAB_NONE)
		return -EEXIST;
	i = map->free_head;
	if (i == HC_SLAB_NONE)
		return -ENOSPC;
	s = &map->slabs[i];
	list_cut(map, &map->free_head, i);
	map->nr_free_slabs--;
	map->leased[target]++;
	memset(s->used, 0, sizeof(s->used));
	memset(s->owner, 0xff, sizeof(s->owner));
	s->id = id;
	s->nr_free = HC_SLAB_PAGES;
	s->nr_reserved = 0;
	s->env = (u16)env->id;
	s->target = target;
	s->state = HC_SLAB_LIVE;
	s->listed = 1;
	hash_add(map, i);
	list_push(map, &share->head, i);
	share->nr_slabs++;
	share->nr_free += HC_SLAB_PAGES;
	return (int)i;
}

/* LIVE -> LEAVING: out of every list that placement looks at. */
static void slab_leave(struct hc_map *map, struct hc_slab *s)
{
	struct hc_share *share = share_of(map, s);

	slab_unlist(map, s);
	if (share) {
		share->nr_slabs--;
		share->nr_free -= s->nr_free;
		share->nr_leaving++;
	}
	s->state = HC_SLAB_LEAVING;
}

u32 hc_map_slab_recall(struct hc_map *map, u32 slab)
{
	struct hc_slab *s = &map->slabs[slab];
	u32 page;

	if (s->state != HC_SLAB_LIVE)
		return s->state == HC_SLAB_LEAVING ? HC_SLAB_PAGES - s->nr_free : 0;
	slab_leave(map, s);
	if (s->nr_free == HC_SLAB_PAGES) {
		slab_to_return(map, s);
		return 0;
	}
	for (page = 0; page < HC_SLAB_PAGES; page++)
		if (page_used(s, page) && s->owner[page] < map->nr_slots)
			needs_set(map, s->owner[page]);
	return HC_SLAB_PAGES - s->nr_free;
}

bool hc_map_slab_trim(struct hc_map *map, struct hc_menv *env, u8 target, u32 keep)
{
	struct hc_share *share = hc_menv_share(env, target);
	u32 i;

	if (!share || share->nr_slabs <= keep)
		return false;
	for (i = share->head; i != HC_SLAB_NONE; i = map->slabs[i].next) {
		if (map->slabs[i].nr_free != HC_SLAB_PAGES)
			continue;
		hc_map_slab_recall(map, i);
		return true;
	}
	return false;
}

static void slab_returned(struct hc_map *map, u32 i)
{
	struct hc_slab *s = &map->slabs[i];
	struct hc_share *share = share_of(map, s);

	list_cut(map, &map->return_head[s->target], i);
	if (share)
		share->nr_leaving--;
	hash_del(map, i);
	slab_to_free(map, s);
}

bool hc_map_slab_take(struct hc_map *map, u8 target, u32 *ret_id)
{
	u32 i = map->return_head[target];

	if (i == HC_SLAB_NONE)
		return false;
	*ret_id = map->slabs[i].id;
	slab_returned(map, i);
	return true;
}

u32 hc_map_returns(const struct hc_map *map, u8 target, u32 max, u32 *ids)
{
	u32 i, n = 0;

	for (i = map->return_head[target]; i != HC_SLAB_NONE && n < max; i = map->slabs[i].next)
		ids[n++] = map->slabs[i].id;
	return n;
}

void hc_map_slab_returned(struct hc_map *map, u8 target, u32 id)
{
	u32 i = hc_map_slab_find(map, target, id);

	if (i != HC_SLAB_NONE && map->slabs[i].state == HC_SLAB_RETURN)
		slab_returned(map, i);
}

void hc_map_slab_drop(struct hc_map *map, u32 slab, struct hc_loss *ret_loss)
{
	struct hc_slab *s = &map->slabs[slab];
	struct hc_share *share;
	u32 page;

	memset(ret_loss, 0, sizeof(*ret_loss));
	ret_loss->env = s->env;
	if (s->state == HC_SLAB_FREE || s->state == HC_SLAB_DEAD)
		return;
	if (s->state == HC_SLAB_LIVE)
		slab_leave(map, s);
	else if (s->state == HC_SLAB_RETURN)
		list_cut(map, &map->return_head[s->target], slab);
	for (page = 0; page < HC_SLAB_PAGES; page++) {
		u32 slot = s->owner[page], loc = slab << HC_SLAB_SHIFT | page, i;

		if (!page_used(s, page))
			continue;
		map->used[s->target]--;
		if (slot >= map->nr_slots)
			continue;
		/* A page reserved by a write under way is not in its slot yet. */
		for (i = 0; i < HC_COPIES; i++)
			if (map->slots[slot].loc[i] == loc)
				break;
		if (i < HC_COPIES)
			slot_drop_copy(map, slot, loc, ret_loss);
	}
	memset(s->used, 0, sizeof(s->used));
	hash_del(map, slab);
	s->state = HC_SLAB_DEAD;
	if (s->nr_reserved)
		return;		/* the last of those writes frees it */
	share = share_of(map, s);
	if (share)
		share->nr_leaving--;
	slab_to_free(map, s);
}

u32 hc_map_unquarantine(struct hc_map *map, u32 slab, u8 conn)
{
	struct hc_slab *s = &map->slabs[slab];
	u32 page, n = 0;

	if (s->state == HC_SLAB_FREE || s->state == HC_SLAB_DEAD)
		return 0;
	for (page = 0; page < HC_SLAB_PAGES; page++) {
		if (!page_used(s, page) || s->owner[page] != (HC_OWNER_QUARANTINE | conn))
			continue;
		page_give(map, slab << HC_SLAB_SHIFT | page);
		n++;
	}
	return n;
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
	if (fresh && env->quota_pages && env->nr_data + fresh > env->quota_pages)
		return -EDQUOT;
	for (i = 0; i < nr; i++)
		map->slots[slot + i].flags |= HC_SLOT_F_WRITING;
	return 0;
}

void hc_map_write_abort(struct hc_map *map, u32 slot, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		map->slots[slot + i].flags &= ~HC_SLOT_F_WRITING;
		slot_settle(map, slot + i);
	}
}

/* Slabs to look at for a run before a shorter one will do. */
#define RESERVE_LOOK 4

int hc_map_reserve(struct hc_map *map, struct hc_menv *env, u8 target, u32 slot,
		   u32 nr, u32 skip, u32 *ret_loc)
{
	struct hc_share *share = hc_menv_share(env, target);
	u32 done = 0, i, need = 0;

	for (i = 0; i < nr; i++) {
		ret_loc[i] = HC_LOC_NONE;
		need += !(skip & (1U << i));
	}
	if (!share || share->nr_free < need)
		return need ? -ENOSPC : 0;
	while (done < nr) {
		u32 page = 0, best_page = 0, best_slab = HC_SLAB_NONE, best = 0, want = 0, look;

		if (skip & (1U << done)) {
			done++;
			continue;
		}
		while (done + want < nr && !(skip & (1U << (done + want))))
			want++;
		i = share->head;
		for (look = 0; look < RESERVE_LOOK && i != HC_SLAB_NONE && best < want; look++) {
			u32 len = run_find(&map->slabs[i], want, &page);

			if (len > best) {
				best = len;
				best_page = page;
				best_slab = i;
			}
			i = map->slabs[i].next;
		}
		/* nr_free was enough, so the first listed slab has room at least. */
		for (i = 0; i < best; i++, done++) {
			page_take(map, &map->slabs[best_slab], best_page + i, slot + done);
			map->slabs[best_slab].nr_reserved++;
			ret_loc[done] = best_slab << HC_SLAB_SHIFT | (best_page + i);
		}
	}
	return 0;
}

void hc_map_unreserve(struct hc_map *map, u32 loc, int conn)
{
	struct hc_slab *s = slab_of(map, loc);

	if (s->state != HC_SLAB_DEAD) {
		if (conn >= 0)
			s->owner[hc_loc_page(loc)] = HC_OWNER_QUARANTINE | (u8)conn;
		else
			page_give(map, loc);
	}
	reservation_end(map, s);
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
		if (slab_of(map, loc[i])->state == HC_SLAB_DEAD)
			keep[i] = HC_LOC_NONE;
		else
			kept++;
		leaving |= slab_of(map, loc[i])->state != HC_SLAB_LIVE;
		reservation_end(map, slab_of(map, loc[i]));
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
	s->flags &= ~HC_SLOT_F_WRITING;
	account(map, s, +1);
	if (kept && (leaving || !hc_map_is_safe(map, s)))
		needs_set(map, slot);
	else
		needs_clear(map, slot);
	slot_settle(map, slot);
	return 0;
}

int hc_map_read_begin(struct hc_map *map, u32 slot, const struct hc_target *targets,
		      u32 *ret_loc)
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
		u32 cost;

		if (s->loc[i] == HC_LOC_NONE)
			continue;
		t = &targets[slab_of(map, s->loc[i])->target];
		if (!t->is_live)
			continue;
		/* Remote before local, on time before late, then the shorter queue. */
		cost = (t->is_suspect ? 1U << 30 : 0) + (i == HC_COPY_LOCAL ? 1U << 29 : 0) +
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
		page_give(map, loc);
		return true;
	}
	return false;
}

void hc_map_free(struct hc_map *map, u32 slot)
{
	if (slot >= map->nr_slots || map->slots[slot].state == HC_SLOT_EMPTY)
		return;
	map->slots[slot].flags |= HC_SLOT_F_FREE;
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
		slab = slab_of(map, s->loc[i]);
		r->have[r->nr_have++] = slab->target;
		if (slab->state != HC_SLAB_LIVE && r->replace == HC_LOC_NONE)
			r->replace = s->loc[i];
		if (targets[slab->target].is_live && r->src == HC_LOC_NONE)
			r->src = s->loc[i];
	}
	r->sum = s->sum;
	r->env = s->env;
	r->gen = s->gen;
	return r->replace != HC_LOC_NONE || !hc_map_is_safe(map, s);
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

static u32 copy_index(const struct hc_map *map, const struct hc_slot *s, u32 loc)
{
	u32 i;

	if (slab_of(map, loc)->target == HC_TARGET_LOCAL)
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
	if (slab_of(map, loc)->state == HC_SLAB_DEAD)
		return -ESTALE;
	if (s->pins > 1)
		return -EBUSY;
	account(map, s, -1);
	for (i = 0; i < HC_COPIES && r->replace != HC_LOC_NONE; i++) {
		if (s->loc[i] != r->replace)
			continue;
		page_give(map, s->loc[i]);
		s->loc[i] = HC_LOC_NONE;
	}
	i = copy_index(map, s, loc);
	if (i < HC_COPIES && s->loc[i] == HC_LOC_NONE) {
		s->loc[i] = loc;
		reservation_end(map, slab_of(map, loc));
	} else {
		i = HC_COPIES;
	}
	account(map, s, +1);
	return i < HC_COPIES ? 0 : -ESTALE;
}

int hc_map_repair_end(struct hc_map *map, const struct hc_repair *r, u32 loc)
{
	int err = loc == HC_LOC_NONE ? 0 : repair_take(map, r, loc);

	hc_map_read_end(map, r->slot);
	return err;
}
