// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of the swap disk: slabs and shares; see map.h (SPEC R20a). */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#include "map.h"
#include "slabs.h"

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

/* Behind the first one, which is being filled: few slabs are partly empty then. */
static void list_push_second(struct hc_map *map, u32 *head, u32 i)
{
	struct hc_slab *s = &map->slabs[i];
	u32 first = *head;

	if (first == HC_SLAB_NONE) {
		list_push(map, head, i);
		return;
	}
	s->prev = first;
	s->next = map->slabs[first].next;
	if (s->next != HC_SLAB_NONE)
		map->slabs[s->next].prev = i;
	map->slabs[first].next = i;
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
	struct hc_menv *env = hc_map_env(map, s->env);

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

/* ---- pages in slabs ---- */

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

void hc_slab_page_give(struct hc_map *map, u32 loc)
{
	struct hc_slab *s = hc_map_slab(map, loc);
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
void hc_slab_reservation_end(struct hc_map *map, struct hc_slab *s)
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
		len = hc_slab_page_used(s, page) ? 0 : len + 1;
		if (len > best) {
			best = len;
			*ret_page = page + 1 - len;
			if (best == nr)
				break;
		}
	}
	return best;
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

u32 hc_menv_shares_set(struct hc_menv *env, const u8 *targets, u32 nr)
{
	u32 i, k, left = 0;

	/* Backwards: what is forgotten leaves its place to the last one. */
	for (i = env->nr_shares; i-- > 0;) {
		struct hc_share *share = &env->share[i];

		for (k = 0; k < nr && targets[k] != share->target; k++)
			;
		share->is_leaving = k == nr && share->target != HC_TARGET_LOCAL;
		if (share->is_leaving)
			hc_menv_share_del(env, share->target);
	}
	hc_menv_share_add(env, HC_TARGET_LOCAL);
	for (k = 0; k < nr; k++)
		left += !hc_menv_share_add(env, targets[k]);
	return left;
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
	list_push_second(map, &share->head, i);
	share->nr_slabs++;
	share->nr_free += HC_SLAB_PAGES;
	return (int)i;
}

void hc_slab_leave(struct hc_map *map, struct hc_slab *s)
{
	struct hc_share *share = share_of(map, s);

	slab_unlist(map, s);
	if (share) {
		share->nr_slabs--;
		share->nr_free -= s->nr_free;
		share->nr_leaving++;
	}
	s->state = HC_SLAB_LEAVING;
	if (s->nr_free == HC_SLAB_PAGES)
		slab_to_return(map, s);
}

void hc_slab_die(struct hc_map *map, struct hc_slab *s)
{
	if (s->state == HC_SLAB_LIVE)
		hc_slab_leave(map, s);
	if (s->state == HC_SLAB_RETURN)
		list_cut(map, &map->return_head[s->target], slab_index(map, s));
	s->state = HC_SLAB_DEAD;
}

void hc_slab_bury(struct hc_map *map, struct hc_slab *s)
{
	struct hc_share *share = share_of(map, s);

	memset(s->used, 0, sizeof(s->used));
	hash_del(map, slab_index(map, s));
	if (s->nr_reserved)
		return;		/* the last of those writes frees it */
	if (share)
		share->nr_leaving--;
	slab_to_free(map, s);
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
		hc_slab_leave(map, &map->slabs[i]);
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

u32 hc_map_unquarantine(struct hc_map *map, u32 slab, u8 conn)
{
	struct hc_slab *s = &map->slabs[slab];
	u32 page, n = 0;

	if (s->state == HC_SLAB_FREE || s->state == HC_SLAB_DEAD)
		return 0;
	for (page = 0; page < HC_SLAB_PAGES; page++) {
		if (!hc_slab_page_used(s, page) || s->owner[page] != (HC_OWNER_QUARANTINE | conn))
			continue;
		hc_slab_page_give(map, slab << HC_SLAB_SHIFT | page);
		n++;
	}
	return n;
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
	struct hc_slab *s = hc_map_slab(map, loc);

	if (s->state != HC_SLAB_DEAD) {
		if (conn >= 0)
			s->owner[hc_loc_page(loc)] = HC_OWNER_QUARANTINE | (u8)conn;
		else
			hc_slab_page_give(map, loc);
	}
	hc_slab_reservation_end(map, s);
}

void hc_slabs_init(struct hc_map *map)
{
	u32 i;

	map->free_head = HC_SLAB_NONE;
	memset(map->hash, 0xff, sizeof(map->hash));
	for (i = 0; i < HC_TARGETS; i++)
		map->return_head[i] = HC_SLAB_NONE;
	for (i = map->nr_slabs; i-- > 0;) {
		map->slabs[i].state = HC_SLAB_FREE;
		map->slabs[i].listed = 0;
		list_push(map, &map->free_head, i);
	}
	map->nr_free_slabs = map->nr_slabs;
}
