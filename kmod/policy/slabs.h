/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between map.c (slots) and slabs.c (slabs, shares); nobody else includes it. */
#ifndef _HC_POLICY_SLABS_H
#define _HC_POLICY_SLABS_H

#include "map.h"

static inline struct hc_menv *hc_map_env(const struct hc_map *map, u16 env)
{
	return env < map->nr_envs ? map->envs[env] : NULL;
}

static inline struct hc_slab *hc_map_slab(const struct hc_map *map, u32 loc)
{
	return &map->slabs[hc_loc_slab(loc)];
}

static inline bool hc_slab_page_used(const struct hc_slab *s, u32 page)
{
	return s->used[page / 64] & (1ULL << (page % 64));
}

/** hc_slabs_init() - every slab is FREE */
void hc_slabs_init(struct hc_map *map);

/** hc_slab_page_give() - the page at @loc is free again */
void hc_slab_page_give(struct hc_map *map, u32 loc);

/** hc_slab_reservation_end() - a write that had a page of this slab is over */
void hc_slab_reservation_end(struct hc_map *map, struct hc_slab *s);

/** hc_slab_leave() - LIVE to LEAVING, out of what placement looks at; to RETURN if empty */
void hc_slab_leave(struct hc_map *map, struct hc_slab *s);

/** hc_slab_die() - any state to DEAD; its pages are still marked, for the caller to go through */
void hc_slab_die(struct hc_map *map, struct hc_slab *s);

/** hc_slab_bury() - the caller went through them: FREE, at once or after the last write */
void hc_slab_bury(struct hc_map *map, struct hc_slab *s);

#endif /* _HC_POLICY_SLABS_H */
