/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of the swap disk: which copy of which page is where.
 *
 * Pure: no clock, lock, allocation or I/O. The caller gives the memory, holds
 * its own lock around every call, and acts on what is returned.
 *
 *   slots[]  one per page of the disk           slabs[]  one per leased MiB
 *   +---------------------------+               +--------------------------+
 *   | loc[0]  remote copy     --+-- slab,page ->| target, donor's slab id  |
 *   | loc[1]  remote copy       |               | used[]  bitmap of pages  |
 *   | loc[2]  local copy        |<- slot number +-owner[] back to the slot |
 *   | sum, env, gen, pins, ...  |               | env, state, list links   |
 *   +---------------------------+               +--------------------------+
 *
 * A *location* is slab index << HC_SLAB_SHIFT | page in slab. A *target* is
 * what holds slabs: 0 is the local backing device, 1.. are peers.
 *
 * Life of a slot:
 *	EMPTY --write--> DATA or ZERO --write--> ... --free--> EMPTY
 *	DATA --last copy gone--> LOST --write--> DATA
 *
 * A write always goes to new locations (reserve), which replace the old ones
 * when every copy is acknowledged (commit). So a write that fails half-way has
 * changed nothing. Readers pin a slot; its locations are neither freed nor moved
 * while it is pinned. A write excludes readers, and is refused while there are some.
 *
 * Life of a slab:
 *	FREE --add--> LIVE --recall--> LEAVING --empty--> RETURN --take--> FREE
 *	LIVE, LEAVING, RETURN --its target is dropped--> DEAD --no write left--> FREE
 *
 * A page whose write was in flight when its connection died is *quarantined*:
 * the donor may still receive that write, so the page is not used again until
 * the donor is known to have closed the same connection.
 */
#ifndef _HC_POLICY_MAP_H
#define _HC_POLICY_MAP_H

#include <linux/types.h>

#define HC_SLAB_SHIFT		8
#define HC_SLAB_PAGES		(1 << HC_SLAB_SHIFT)
#define HC_COPIES_REMOTE	2
#define HC_COPY_LOCAL		2		/* index of the local copy in loc[] */
#define HC_COPIES		3
#define HC_LOC_NONE		0xffffffffU
#define HC_SLAB_NONE		0xffffffffU
#define HC_OWNER_NONE		0xffffffffU
#define HC_OWNER_QUARANTINE	0xffffff00U	/* + number of the connection */
#define HC_TARGET_LOCAL		0
#define HC_TARGETS		256
#define HC_ENV_HOST		0		/* writes of no environment: refused */
#define HC_SLAB_HASH		4096
#define HC_ENV_TARGETS		65		/* donors of one environment, and local */

enum hc_slot_state { HC_SLOT_EMPTY, HC_SLOT_ZERO, HC_SLOT_DATA, HC_SLOT_LOST };
#define HC_SLOT_F_WRITING	0x01	/* a write is between begin and end */
#define HC_SLOT_F_FREE		0x02	/* free as soon as nobody uses it */
#define HC_SLOT_F_COUNTED	0x04	/* the write is in nr_writing of @writer */

struct hc_slot {
	u32 loc[HC_COPIES];
	u32 sum;		/* checksum of the page */
	u16 env;
	u16 writer;		/* environment of the write under way */
	u8  gen;		/* grows with each write or free */
	u8  pins;		/* reads in flight */
	u8  state;		/* enum hc_slot_state */
	u8  flags;
};

enum hc_slab_state {
	HC_SLAB_FREE, HC_SLAB_LIVE, HC_SLAB_LEAVING, HC_SLAB_RETURN, HC_SLAB_DEAD,
};

struct hc_slab {
	u64 used[HC_SLAB_PAGES / 64];
	u32 owner[HC_SLAB_PAGES];	/* slot, or HC_OWNER_*; only of used pages */
	u32 id;				/* the donor's name for it */
	u32 prev, next;			/* in the list its state says */
	u32 hash_next;			/* slabs of the same hash of (target, id) */
	u16 nr_free;
	u16 nr_reserved;		/* pages of writes that are neither committed nor undone */
	u16 env;
	u8  target;
	u8  state;			/* enum hc_slab_state */
	u8  listed;			/* LIVE: on its donor's list of slabs with room */
};

/* One donor of one environment (or the local backing). */
struct hc_share {
	u32 head;		/* LIVE slabs with room, HC_SLAB_NONE ends it */
	u32 nr_slabs;		/* LIVE */
	u32 nr_free;		/* pages free in them */
	u32 nr_leaving;		/* LEAVING or RETURN */
	u32 want;		/* slabs the next lease asks for; used by the caller */
	u8  target;
	bool is_leaving;	/* taken off the environment's list: place nothing */
};

/* What the map keeps of one environment. */
struct hc_menv {
	u32 id;
	u8  replicas;		/* remote copies wanted */
	u64 quota_pages;	/* 0: no limit */
	u64 nr_data;		/* slots that hold a page of it, lost ones not counted */
	u64 nr_writing;		/* slots about to: writes under way count for the quota */
	u64 nr_degraded;
	u64 nr_lost;		/* slots LOST now */
	u32 nr_stuck;		/* slots that repair found no room for in this round */
	u32 nr_shares;
	u32 cursor;		/* where placement starts next */
	struct hc_share share[HC_ENV_TARGETS];
};

struct hc_map {
	struct hc_slot *slots;
	struct hc_slab *slabs;
	unsigned long *needs;		/* bit per slot: repair should look at it */
	struct hc_menv **envs;		/* by id; the caller's, may have holes */
	u32 nr_slots;
	u32 nr_slabs;
	u32 nr_envs;			/* size of envs[] */
	u32 free_head;			/* FREE slabs */
	u32 nr_free_slabs;
	u32 return_head[HC_TARGETS];	/* RETURN slabs by target */
	u64 nr_data, nr_zero, nr_lost, nr_degraded, nr_local;
	u64 nr_needs;			/* bits set in needs[] */
	u64 used[HC_TARGETS];		/* pages with content, by target */
	u32 leased[HC_TARGETS];		/* slabs not FREE, by target */
	u32 repair_cursor;
	u32 repair_stuck;		/* first slot stepped over in this round, or none */
	u32 hash[HC_SLAB_HASH];		/* not FREE, not DEAD */
};

/* How placement and readers see a target. Kept by the caller. */
struct hc_target {
	bool is_live;		/* answers; the local backing: present */
	bool is_suspect;	/* answers late: only when nothing else is left */
	bool no_new;		/* drains or is drained, the backing fails: place nothing */
	bool may_lend;		/* would lease more slabs */
	u32  inflight;		/* requests waiting for it */
};

/**
 * hc_map_init() - make an empty map
 * @map: to fill
 * @slots: @nr_slots entries
 * @slabs: @nr_slabs entries, less than 2^24
 * @needs: @nr_slots bits
 * @envs: @nr_envs pointers, kept up to date by the caller
 */
void hc_map_init(struct hc_map *map, struct hc_slot *slots, u32 nr_slots,
		 struct hc_slab *slabs, u32 nr_slabs, unsigned long *needs,
		 struct hc_menv **envs, u32 nr_envs);

/** hc_menv_init() - environment @id without donors; 0 replicas: local only */
void hc_menv_init(struct hc_menv *env, u32 id, u8 replicas, u64 quota_pages);

/** hc_menv_share() - the share of @target in @env, NULL if it has none */
struct hc_share *hc_menv_share(struct hc_menv *env, u8 target);

/** hc_menv_share_add() - find or make the share; NULL when HC_ENV_TARGETS are taken */
struct hc_share *hc_menv_share_add(struct hc_menv *env, u8 target);

/** hc_menv_share_del() - forget a share; -EBUSY while it has slabs */
int hc_menv_share_del(struct hc_menv *env, u8 target);

/**
 * hc_menv_shares_set() - bring the shares in line with the donors of @env, and local
 * @targets: @nr donors; other shares leave, and go when they have no slab
 * Return: donors that found no place, since leaving shares still have theirs: to be
 *	called again when slabs went back
 */
u32 hc_menv_shares_set(struct hc_menv *env, const u8 *targets, u32 nr);

/**
 * hc_map_slab_add() - a slab was leased for @env from @target
 * @id: the donor's name for it
 * Return: slab index, -ENOSPC when the table is full, -EEXIST when that donor
 *	already lent a slab of this name (it lies), -ENOENT without such a share
 */
int hc_map_slab_add(struct hc_map *map, struct hc_menv *env, u8 target, u32 id);

/**
 * hc_map_slab_recall() - empty this slab: no new page, repair moves the old ones
 * Return: pages to move; 0 when it could be returned at once
 */
u32 hc_map_slab_recall(struct hc_map *map, u32 slab);

/** hc_map_slab_find() - LIVE slab of @target that its donor calls @id, or HC_SLAB_NONE */
u32 hc_map_slab_find(const struct hc_map *map, u8 target, u32 id);

/**
 * hc_map_slab_trim() - move an empty LIVE slab of @env's @target to RETURN
 * @keep: leave as many LIVE slabs
 * Return: true when one was moved
 */
bool hc_map_slab_trim(struct hc_map *map, struct hc_menv *env, u8 target, u32 keep);

/** hc_map_slab_take() - next RETURN slab of @target becomes FREE; @ret_id is the donor's name */
bool hc_map_slab_take(struct hc_map *map, u8 target, u32 *ret_id);

/** hc_map_returns() - names of up to @max RETURN slabs of @target; their number */
u32 hc_map_returns(const struct hc_map *map, u8 target, u32 max, u32 *ids);

/** hc_map_slab_returned() - the donor took the RETURN slab @id back */
void hc_map_slab_returned(struct hc_map *map, u8 target, u32 id);

/* What a dropped slab or copy did to the slots. */
struct hc_loss {
	u32 nr_lost;		/* slots without any copy now */
	u32 nr_degraded;	/* slots with a copy less, repair will look at them */
	u16 env;		/* whose they were */
	u8  target;		/* where the copy was */
};

/** hc_map_slab_drop() - its donor is given up: forget every page in it. Bounded work */
void hc_map_slab_drop(struct hc_map *map, u32 slab, struct hc_loss *ret_loss);

/** hc_map_unquarantine() - the donor closed connection @conn: its pages are free again */
u32 hc_map_unquarantine(struct hc_map *map, u32 slab, u8 conn);

/**
 * hc_map_write_begin() - claim @nr slots from @slot on for writing
 * @is_zero: bit per page, set where nothing is stored: those count no quota
 * Return: 0; -EBUSY: being read or written, try again; -EDQUOT: the quota is
 *	used up; -ERANGE
 */
int hc_map_write_begin(struct hc_map *map, struct hc_menv *env, u32 slot, u32 nr,
		       u32 is_zero);

/** hc_map_write_abort() - undo hc_map_write_begin(); the old content stays */
void hc_map_write_abort(struct hc_map *map, u32 slot, u32 nr);

/**
 * hc_map_reserve() - find room for @nr pages of @env on @target
 * @skip: bit per page that needs no room; its loc becomes HC_LOC_NONE
 * @slot: their slots, for the way back
 * @ret_loc: @nr locations, in as few runs as possible
 * Return: 0 or -ENOSPC, then nothing is reserved
 */
int hc_map_reserve(struct hc_map *map, struct hc_menv *env, u8 target, u32 slot,
		   u32 nr, u32 skip, u32 *ret_loc);

/** hc_map_unreserve() - give a reserved location back; @conn >= 0 quarantines it */
void hc_map_unreserve(struct hc_map *map, u32 loc, int conn);

/**
 * hc_map_commit() - one page is stored: its new locations replace the old ones
 * @loc: HC_COPIES locations; all HC_LOC_NONE: a zero page
 * Return: 0; -ESTALE: every target it was written to has been dropped since; the
 *	locations are gone, the slot is still claimed for writing
 */
int hc_map_commit(struct hc_map *map, struct hc_menv *env, u32 slot, const u32 *loc,
		   u32 sum);

/**
 * hc_map_read_begin() - choose a copy of @slot and pin it
 * @targets: HC_TARGETS entries
 * @avoid: this target's copy only if there is no other in reach; HC_TARGETS: none is worse
 * @ret_loc: the copy; HC_LOC_NONE: the page is zero and nothing is pinned
 * Return: 0; -EAGAIN: its copies are out of reach now; -EBUSY: being written;
 *	-EIO: lost; -ERANGE
 */
int hc_map_read_begin(struct hc_map *map, u32 slot, const struct hc_target *targets,
		      u32 avoid, u32 *ret_loc);

/** hc_map_read_end() - unpin */
void hc_map_read_end(struct hc_map *map, u32 slot);

/**
 * hc_map_copy_bad() - the copy at @loc is wrong or unknown to its donor
 * Called by the reader before hc_map_read_end(). A copy that others read at the
 * same time stays for now. Return: true when it was dropped
 */
bool hc_map_copy_bad(struct hc_map *map, u32 slot, u32 loc, struct hc_loss *ret_loss);

/**
 * hc_map_page_bad() - what is stored at @loc was lost there, and nobody who reads saw it yet
 * Return: 0: no slot counts on it any more, @ret_loss says what that did; -EBUSY: it is being
 *	read or its write is not over yet, ask again
 */
int hc_map_page_bad(struct hc_map *map, u32 loc, struct hc_loss *ret_loss);

/** hc_map_free() - the kernel freed @slot. Any context; may be deferred by readers */
void hc_map_free(struct hc_map *map, u32 slot);

/* One repair: copy @src to a new place, where @replace (if any) goes away. */
struct hc_repair {
	u32 slot;
	u32 src;		/* location to read */
	u32 replace;		/* location in a LEAVING slab, or HC_LOC_NONE */
	u32 sum;
	u16 env;
	u16 writer;		/* environment of the write under way */
	u8  gen;
	u8  nr_have;		/* targets that hold a copy: not these again */
	u8  have[HC_COPIES];
};

/**
 * hc_map_repair_next() - find a slot that wants a copy, pin it and say what to do
 * @budget: slots to look at, at most
 *
 * Slots of an environment are stepped over when HC_STUCK_MAX of them found no room in
 * this round: others that have room need not wait for it.
 * Return: 1 and @ret; 0 none found within the budget (the cursor moved on)
 */
int hc_map_repair_next(struct hc_map *map, const struct hc_target *targets,
		       u32 budget, struct hc_repair *ret);

#define HC_STUCK_MAX	256

/** hc_map_repair_stuck() - unpin: there is no room for its new copy */
void hc_map_repair_stuck(struct hc_map *map, const struct hc_repair *r);

/** hc_map_repair_round() - try all again, those first that were stepped over */
void hc_map_repair_round(struct hc_map *map);

/**
 * hc_map_repair_end() - unpin, and take the new copy into use
 * @loc: the new copy (already reserved and written), or HC_LOC_NONE on failure
 * Return: 0; -ESTALE: the slot changed, -EBUSY: it is being read; then @loc is
 *	still the caller's to give back
 */
int hc_map_repair_end(struct hc_map *map, const struct hc_repair *r, u32 loc);

/** hc_map_is_safe() - one node's death can't lose this DATA slot */
bool hc_map_is_safe(const struct hc_map *map, const struct hc_slot *s);

static inline u32 hc_loc_slab(u32 loc)
{
	return loc >> HC_SLAB_SHIFT;
}

static inline u32 hc_loc_page(u32 loc)
{
	return loc & (HC_SLAB_PAGES - 1);
}

#endif /* _HC_POLICY_MAP_H */
