// SPDX-License-Identifier: GPL-2.0-or-later
/* kmod/policy/map: each step of a slot's and a slab's life, and every refusal (SPEC R20a, R8). */
#include <linux/errno.h>
#include <linux/types.h>
#include <string.h>

#include "policy/map.h"
#include "unit.h"

#define SLOTS 700
#define SLABS 6
#define ENV 1
#define A 2	/* donors */
#define B 3
#define C 4

static struct hc_slot slots[SLOTS];
static struct hc_slab slabs[SLABS];
static unsigned long needs[SLOTS / 32 + 1];
static struct hc_menv env, host, other;
static struct hc_menv *envs[4] = { &host, &env, &other, NULL };
static struct hc_target targets[HC_TARGETS];
static struct hc_map map;

static void setup(void)
{
	u8 t;

	memset(targets, 0, sizeof(targets));
	hc_menv_init(&host, HC_ENV_HOST, 0, 0);
	hc_menv_init(&env, ENV, 2, 0);
	hc_menv_init(&other, 2, 2, 0);
	for (t = A; t <= C; t++) {
		targets[t].is_live = true;
		ck_assert_ptr_nonnull(hc_menv_share_add(&env, t));
		ck_assert_ptr_nonnull(hc_menv_share_add(&other, t));
	}
	hc_map_init(&map, slots, SLOTS, slabs, SLABS, needs, envs, 4);
}

/* Store one page with a copy on @a and one on @b (HC_LOC_NONE's target: none). */
static void store(u32 slot, int a, int b, u32 sum)
{
	u32 loc[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE };

	ck_assert_int_eq(hc_map_write_begin(&map, &env, slot, 1, 0), 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, a, slot, 1, 0, &loc[0]), 0);
	if (b >= 0)
		ck_assert_int_eq(hc_map_reserve(&map, &env, b, slot, 1, 0, &loc[b ? 1 : 2]), 0);
	ck_assert_int_eq(hc_map_commit(&map, &env, slot, loc, sum), 0);
}

START_TEST(empty_map)
{
	u32 loc = 7, id;

	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	ck_assert_uint_eq(loc, HC_LOC_NONE);
	ck_assert_int_eq(hc_map_read_begin(&map, SLOTS, targets, HC_TARGETS, &loc), -ERANGE);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, SLOTS, 1, 0), -ERANGE);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, SLOTS - 1, 2, 0), -ERANGE);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, ~0U, 1, 0), -ERANGE);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 1, ~0U, 0), -ERANGE);
	ck_assert(!hc_map_slab_take(&map, A, &id));
	hc_map_free(&map, 0);
	hc_map_free(&map, SLOTS);
	hc_map_free(&map, ~0U);
	ck_assert_uint_eq(map.nr_free_slabs, SLABS);
}
END_TEST

START_TEST(slab_table)
{
	u32 i;

	ck_assert_int_eq(hc_map_slab_add(&map, &env, 9, 1), -ENOENT);
	for (i = 0; i < SLABS; i++)
		ck_assert_int_ge(hc_map_slab_add(&map, &env, A, i), 0);
	ck_assert_int_eq(hc_map_slab_add(&map, &env, A, SLABS), -ENOSPC);
	ck_assert_uint_eq(map.leased[A], SLABS);
	ck_assert_uint_eq(hc_menv_share(&env, A)->nr_free, SLABS * HC_SLAB_PAGES);
}
END_TEST

/* A donor that lends the same slab twice lies, whichever environment it is for. */
START_TEST(slab_lent_twice)
{
	ck_assert_int_ge(hc_map_slab_add(&map, &env, A, 5), 0);
	ck_assert_int_eq(hc_map_slab_add(&map, &env, A, 5), -EEXIST);
	ck_assert_int_eq(hc_map_slab_add(&map, &other, A, 5), -EEXIST);
	ck_assert_int_ge(hc_map_slab_add(&map, &env, B, 5), 0);
}
END_TEST

START_TEST(write_and_read)
{
	u32 loc, other_loc;

	hc_map_slab_add(&map, &env, A, 10);
	hc_map_slab_add(&map, &env, B, 20);
	store(7, A, B, 0xabcd);
	ck_assert_uint_eq(map.nr_data, 1);
	ck_assert_uint_eq(env.nr_data, 1);
	ck_assert_uint_eq(map.nr_degraded, 0);
	ck_assert_uint_eq(map.used[A] + map.used[B], 2);
	ck_assert_int_eq(hc_map_read_begin(&map, 7, targets, HC_TARGETS, &loc), 0);
	ck_assert_uint_ne(loc, HC_LOC_NONE);
	ck_assert_uint_eq(slots[7].sum, 0xabcd);
	/* A pinned slot is not written, and can be read by others. */
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 7, 1, 0), -EBUSY);
	ck_assert_int_eq(hc_map_read_begin(&map, 7, targets, HC_TARGETS, &other_loc), 0);
	hc_map_read_end(&map, 7);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 7, 1, 0), -EBUSY);
	hc_map_read_end(&map, 7);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 7, 1, 0), 0);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 7, 1, 0), -EBUSY);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 16, 0), -EBUSY);
	ck_assert_int_eq(hc_map_read_begin(&map, 7, targets, HC_TARGETS, &loc), -EBUSY);
	hc_map_write_abort(&map, 7, 1);
	ck_assert_int_eq(hc_map_read_begin(&map, 7, targets, HC_TARGETS, &loc), 0);
	hc_map_read_end(&map, 7);
}
END_TEST

/* A refused claim leaves nothing claimed, also when the last slot is the busy one. */
START_TEST(claim_is_whole)
{
	hc_map_slab_add(&map, &env, A, 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 15, 1, 0), 0);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 16, 0), -EBUSY);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 15, 0), 0);
}
END_TEST

START_TEST(reading_picks)
{
	u32 a, b, loc, i, n[2] = { 0, 0 };

	a = (u32)hc_map_slab_add(&map, &env, A, 1);
	b = (u32)hc_map_slab_add(&map, &env, B, 1);
	store(0, A, B, 1);
	targets[A].inflight = 5;
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	ck_assert_uint_eq(hc_loc_slab(loc), b);
	hc_map_read_end(&map, 0);
	/* One whose copy was wrong just now: only if there is no other. */
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, B, &loc), 0);
	ck_assert_uint_eq(hc_loc_slab(loc), a);
	hc_map_read_end(&map, 0);
	targets[B].is_suspect = true;
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	ck_assert_uint_eq(hc_loc_slab(loc), a);
	hc_map_read_end(&map, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, A, &loc), 0);
	ck_assert_uint_eq(hc_loc_slab(loc), b);
	hc_map_read_end(&map, 0);
	targets[A].is_live = false;
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, B, &loc), 0);
	ck_assert_uint_eq(hc_loc_slab(loc), b);
	hc_map_read_end(&map, 0);
	targets[B].is_live = false;
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), -EAGAIN);
	ck_assert_uint_eq(loc, HC_LOC_NONE);
	ck_assert_uint_eq(slots[0].pins, 0);
	/* With equal donors both serve. */
	memset(&targets[A], 0, sizeof(targets[A]));
	memset(&targets[B], 0, sizeof(targets[B]));
	targets[A].is_live = true;
	targets[B].is_live = true;
	for (i = 0; i < 256; i++) {
		if (i)
			store(i, A, B, 1);
		ck_assert_int_eq(hc_map_read_begin(&map, i, targets, HC_TARGETS, &loc), 0);
		n[hc_loc_slab(loc) == a]++;
		hc_map_read_end(&map, i);
	}
	ck_assert_uint_gt(n[0], 60);
	ck_assert_uint_gt(n[1], 60);
}
END_TEST

START_TEST(zero_pages)
{
	static const u32 none[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE };
	u32 loc;

	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	store(3, A, B, 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 3, 1, 1), 0);
	ck_assert_int_eq(hc_map_commit(&map, &env, 3, none, 0), 0);
	ck_assert_uint_eq(map.nr_zero, 1);
	ck_assert_uint_eq(map.nr_data, 0);
	ck_assert_uint_eq(map.used[A] + map.used[B], 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 3, targets, HC_TARGETS, &loc), 0);
	ck_assert_uint_eq(loc, HC_LOC_NONE);
	hc_map_free(&map, 3);
	ck_assert_uint_eq(map.nr_zero, 0);
}
END_TEST

START_TEST(quota)
{
	u32 i;

	env.quota_pages = 4;
	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	for (i = 0; i < 4; i++)
		store(i, A, B, i);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 4, 1, 0), -EDQUOT);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 2, 4, 0), -EDQUOT);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 4, 1, 1), 0);	/* zero: counts nothing */
	hc_map_write_abort(&map, 4, 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 4, 0), 0);	/* in place of the old */
	hc_map_write_abort(&map, 0, 4);
	hc_map_free(&map, 0);
	store(4, A, B, 4);
	/* A slot of another environment is new to this one. */
	hc_map_free(&map, 1);
	env.quota_pages = 3;
	slots[2].env = 2;
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 2, 1, 0), -EDQUOT);
	slots[2].env = ENV;
}
END_TEST

/* Two writes at once may not pass the quota together. */
START_TEST(quota_counts_writes_under_way)
{
	env.quota_pages = 4;
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 3, 0), 0);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 10, 3, 0), -EDQUOT);
	hc_map_write_abort(&map, 0, 3);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 10, 3, 0), 0);
}
END_TEST

START_TEST(freeing)
{
	u32 loc;

	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	store(0, A, B, 1);
	hc_map_free(&map, 0);
	ck_assert_uint_eq(map.used[A] + map.used[B], 0);
	ck_assert_int_eq(slots[0].state, HC_SLOT_EMPTY);
	hc_map_free(&map, 0);
	/* With a reader: when it ends, not before. */
	store(1, A, B, 1);
	ck_assert_int_eq(hc_map_read_begin(&map, 1, targets, HC_TARGETS, &loc), 0);
	hc_map_free(&map, 1);
	ck_assert_uint_eq(map.used[A] + map.used[B], 2);
	hc_map_read_end(&map, 1);
	ck_assert_uint_eq(map.used[A] + map.used[B], 0);
	ck_assert_int_eq(slots[1].state, HC_SLOT_EMPTY);
	/* With a write under way over old content. */
	store(2, A, B, 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 2, 1, 0), 0);
	hc_map_free(&map, 2);
	ck_assert_uint_eq(map.nr_data, 1);
	hc_map_write_abort(&map, 2, 1);
	ck_assert_uint_eq(map.nr_data, 0);
	ck_assert_uint_eq(env.nr_data, 0);
}
END_TEST

/* A free while the slot's very first write is under way must not be forgotten. */
START_TEST(free_during_first_write)
{
	u32 loc[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE };

	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 5, 1, 0), 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 5, 1, 0, &loc[0]), 0);
	hc_map_free(&map, 5);
	ck_assert_int_eq(hc_map_commit(&map, &env, 5, loc, 1), 0);
	ck_assert_uint_eq(map.nr_data, 0);
	ck_assert_uint_eq(map.used[A], 0);
}
END_TEST

START_TEST(reserving)
{
	u32 loc[16], i, slab = (u32)hc_map_slab_add(&map, &env, A, 1);

	/* One run of 16, then what is left is too little. */
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 16, 0, loc), 0);
	for (i = 0; i < 16; i++)
		ck_assert_uint_eq(loc[i], (slab << HC_SLAB_SHIFT) + i);
	for (i = 16; i < HC_SLAB_PAGES - 8; i += 8)
		ck_assert_int_eq(hc_map_reserve(&map, &env, A, i, 8, 0, loc), 0);
	ck_assert_uint_eq(hc_menv_share(&env, A)->nr_free, 8);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 300, 9, 0, loc), -ENOSPC);
	ck_assert_uint_eq(hc_menv_share(&env, A)->nr_free, 8);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 300, 9, 1 << 4, loc), 0);
	ck_assert_uint_eq(loc[4], HC_LOC_NONE);
	ck_assert_uint_eq(hc_menv_share(&env, A)->nr_free, 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 300, 3, 7, loc), 0);	/* nothing to do */
	ck_assert_int_eq(hc_map_reserve(&map, &env, B, 300, 1, 0, loc), -ENOSPC);
	ck_assert_int_eq(hc_map_reserve(&map, &env, 99, 300, 1, 0, loc), -ENOSPC);
}
END_TEST

START_TEST(one_slab_is_filled_before_the_next)
{
	u32 loc[16], second, first = (u32)hc_map_slab_add(&map, &env, A, 1);

	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 16, 0, loc), 0);
	hc_map_slab_add(&map, &env, A, 2);
	hc_map_slab_add(&map, &env, A, 3);
	for (u32 i = 16; i < HC_SLAB_PAGES; i += 16) {
		ck_assert_int_eq(hc_map_reserve(&map, &env, A, i, 16, 0, loc), 0);
		ck_assert_uint_eq(loc[0], (first << HC_SLAB_SHIFT) + i);
	}
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 300, 16, 0, loc), 0);
	ck_assert_uint_ne(loc[0] >> HC_SLAB_SHIFT, first);
	second = loc[0] >> HC_SLAB_SHIFT;
	hc_map_slab_add(&map, &env, A, 4);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 316, 16, 0, loc), 0);
	ck_assert_uint_eq(loc[0] >> HC_SLAB_SHIFT, second);
}
END_TEST

START_TEST(reserving_in_holes)
{
	u32 loc[16], all[HC_SLAB_PAGES], i;

	hc_map_slab_add(&map, &env, A, 1);
	for (i = 0; i < HC_SLAB_PAGES; i++)
		ck_assert_int_eq(hc_map_reserve(&map, &env, A, i, 1, 0, &all[i]), 0);
	for (i = 0; i < 16; i++)
		hc_map_unreserve(&map, all[3 + i * 16], -1);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 16, 0, loc), 0);
	for (i = 0; i < 16; i++)
		ck_assert_uint_eq(hc_loc_page(loc[i]) % 16, 3);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 1, 0, loc), -ENOSPC);
}
END_TEST

START_TEST(a_donor_dies)
{
	u32 slab_a, slab_b, loc;
	struct hc_loss loss;
	struct hc_repair r;

	slab_a = (u32)hc_map_slab_add(&map, &env, A, 1);
	slab_b = (u32)hc_map_slab_add(&map, &env, B, 1);
	hc_map_slab_add(&map, &env, C, 1);
	store(0, A, B, 11);
	store(1, A, C, 22);
	hc_map_slab_drop(&map, slab_a, &loss);
	ck_assert_uint_eq(loss.nr_degraded, 2);
	ck_assert_uint_eq(loss.nr_lost, 0);
	ck_assert_uint_eq(loss.env, ENV);
	ck_assert_uint_eq(map.nr_degraded, 2);
	ck_assert_uint_eq(map.leased[A], 0);
	ck_assert_uint_eq(slabs[slab_a].state, HC_SLAB_FREE);
	/* Repair makes them whole: slot 0 can go to C. */
	targets[A].is_live = false;
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_uint_eq(r.slot, 0);
	ck_assert_uint_eq(r.nr_have, 1);
	ck_assert_uint_eq(r.have[0], B);
	ck_assert_uint_eq(r.replace, HC_LOC_NONE);
	ck_assert_int_eq(hc_map_reserve(&map, &env, C, 0, 1, 0, &loc), 0);
	ck_assert_int_eq(hc_map_repair_end(&map, &r, loc), 0);
	ck_assert_uint_eq(map.nr_degraded, 1);
	/* The only holder of slot 1 is C now; when B goes too, nothing is lost. */
	hc_map_slab_drop(&map, slab_b, &loss);
	ck_assert_uint_eq(loss.nr_lost, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	hc_map_read_end(&map, 0);
}
END_TEST

START_TEST(all_donors_die)
{
	u32 a, b, loc;
	struct hc_loss loss;
	struct hc_repair r;

	a = (u32)hc_map_slab_add(&map, &env, A, 1);
	b = (u32)hc_map_slab_add(&map, &env, B, 1);
	store(0, A, B, 11);
	hc_map_slab_drop(&map, a, &loss);
	hc_map_slab_drop(&map, b, &loss);
	ck_assert_uint_eq(loss.nr_lost, 1);
	ck_assert_uint_eq(map.nr_lost, 1);
	ck_assert_uint_eq(env.nr_lost, 1);
	ck_assert_uint_eq(env.nr_data, 0);
	ck_assert_uint_eq(map.nr_degraded, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), -EIO);
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 0);
	/* It stays lost until it is written anew or freed; never old or zero content. */
	hc_map_slab_add(&map, &env, A, 2);
	hc_map_slab_add(&map, &env, B, 2);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), -EIO);
	store(0, A, B, 12);
	ck_assert_uint_eq(map.nr_lost, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	hc_map_read_end(&map, 0);
}
END_TEST

START_TEST(lost_slot_is_freed)
{
	u32 a = (u32)hc_map_slab_add(&map, &env, A, 1);
	struct hc_loss loss;
	u32 loc;

	store(0, A, -1, 1);
	ck_assert_uint_eq(map.nr_degraded, 1);
	hc_map_slab_drop(&map, a, &loss);
	ck_assert_uint_eq(loss.nr_lost, 1);
	hc_map_free(&map, 0);
	ck_assert_uint_eq(map.nr_lost + env.nr_lost, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	ck_assert_uint_eq(loc, HC_LOC_NONE);
}
END_TEST

/* The target of a write is given up between its start and its acknowledgement. */
START_TEST(drop_during_write)
{
	u32 a = (u32)hc_map_slab_add(&map, &env, A, 1);
	u32 b = (u32)hc_map_slab_add(&map, &env, B, 1);
	u32 loc[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE }, read;
	struct hc_loss loss;

	store(0, A, B, 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 1, 0), 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 1, 0, &loc[0]), 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, B, 0, 1, 0, &loc[1]), 0);
	hc_map_slab_drop(&map, a, &loss);
	ck_assert_uint_eq(loss.nr_degraded, 1);
	ck_assert_uint_eq(slabs[a].state, HC_SLAB_DEAD);	/* its index stays taken */
	ck_assert_int_eq(hc_map_commit(&map, &env, 0, loc, 2), 0);
	ck_assert_uint_eq(slabs[a].state, HC_SLAB_FREE);
	ck_assert_uint_eq(slots[0].loc[0], HC_LOC_NONE);
	ck_assert_uint_eq(map.nr_degraded, 1);
	ck_assert_uint_eq(slots[0].sum, 2);
	/* Both given up: the write must be done again, the slot is still claimed. */
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 1, 0), 0);
	loc[0] = HC_LOC_NONE;
	ck_assert_int_eq(hc_map_reserve(&map, &env, B, 0, 1, 0, &loc[1]), 0);
	hc_map_slab_drop(&map, b, &loss);
	ck_assert_int_eq(hc_map_commit(&map, &env, 0, loc, 3), -ESTALE);
	ck_assert_uint_eq(slabs[b].state, HC_SLAB_FREE);
	hc_map_write_abort(&map, 0, 1);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &read), -EIO);
	ck_assert_uint_eq(map.leased[A] + map.leased[B], 0);
}
END_TEST

START_TEST(quarantine)
{
	u32 a = (u32)hc_map_slab_add(&map, &env, A, 1), loc, i, again, n = 0;

	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 1, 0, &loc), 0);
	hc_map_unreserve(&map, loc, 1);
	for (i = 0; i < HC_SLAB_PAGES; i++) {
		if (hc_map_reserve(&map, &env, A, i, 1, 0, &again))
			break;
		ck_assert_uint_ne(again, loc);
		n++;
	}
	ck_assert_uint_eq(n, HC_SLAB_PAGES - 1);
	ck_assert_uint_eq(hc_map_unquarantine(&map, a, 0), 0);
	ck_assert_uint_eq(hc_map_unquarantine(&map, a, 1), 1);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 1, 0, &again), 0);
	ck_assert_uint_eq(again, loc);
}
END_TEST

/* A recalled slab can't go back while a page of it is in quarantine or reserved. */
START_TEST(recall_waits)
{
	u32 a = (u32)hc_map_slab_add(&map, &env, A, 77), loc[2], id;

	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 2, 0, loc), 0);
	ck_assert_uint_eq(hc_map_slab_recall(&map, a), 2);
	ck_assert_uint_eq(hc_map_slab_recall(&map, a), 2);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 5, 1, 0, &loc[0]), -ENOSPC);
	loc[0] = a << HC_SLAB_SHIFT;
	hc_map_unreserve(&map, loc[0], 3);
	hc_map_unreserve(&map, loc[1], -1);
	ck_assert(!hc_map_slab_take(&map, A, &id));
	ck_assert_uint_eq(hc_map_unquarantine(&map, a, 3), 1);
	ck_assert(hc_map_slab_take(&map, A, &id));
	ck_assert_uint_eq(id, 77);
	ck_assert(!hc_map_slab_take(&map, A, &id));
	ck_assert_int_eq(hc_menv_share_del(&env, A), 0);
}
END_TEST

START_TEST(recall_moves_pages)
{
	u32 a, id, loc;
	struct hc_repair r;

	a = (u32)hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	hc_map_slab_add(&map, &env, C, 1);
	store(4, A, B, 9);
	ck_assert_uint_eq(hc_map_slab_recall(&map, a), 1);
	ck_assert_int_eq(hc_menv_share_del(&env, A), -EBUSY);
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_uint_eq(r.replace, a << HC_SLAB_SHIFT);
	ck_assert_uint_eq(r.sum, 9);
	ck_assert_int_eq(hc_map_repair_end(&map, &r, HC_LOC_NONE), 0);	/* no room: later */
	ck_assert_uint_eq(map.nr_needs, 1);
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_int_eq(hc_map_reserve(&map, &env, C, 4, 1, 0, &loc), 0);
	ck_assert_int_eq(hc_map_repair_end(&map, &r, loc), 0);
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 0);
	ck_assert_uint_eq(map.nr_needs, 0);
	ck_assert_uint_eq(map.nr_degraded, 0);
	ck_assert(hc_map_slab_take(&map, A, &id));
	ck_assert_int_eq(hc_menv_share_del(&env, A), 0);
	ck_assert_ptr_null(hc_menv_share(&env, A));
}
END_TEST

/* Both other copies can be read: the one whose donor answers is. */
START_TEST(repair_reads_from_who_answers)
{
	u32 a = (u32)hc_map_slab_add(&map, &env, A, 1), b = (u32)hc_map_slab_add(&map, &env, B, 1);
	struct hc_repair r;

	store(4, A, B, 9);
	hc_map_slab_recall(&map, a);
	targets[A].is_suspect = true;
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_uint_eq(hc_loc_slab(r.src), b);
	hc_map_repair_end(&map, &r, HC_LOC_NONE);
	targets[B].is_suspect = true;	/* no better one: the first */
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_uint_eq(hc_loc_slab(r.src), a);
	hc_map_repair_end(&map, &r, HC_LOC_NONE);
	targets[A].is_live = false;
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_uint_eq(hc_loc_slab(r.src), b);
	hc_map_repair_end(&map, &r, HC_LOC_NONE);
}
END_TEST

/* The slot is freed, or freed and written anew, while its repair is under way. */
START_TEST(repair_overtaken)
{
	u32 a = (u32)hc_map_slab_add(&map, &env, A, 1), loc;
	struct hc_loss loss;
	struct hc_repair r;

	hc_map_slab_add(&map, &env, B, 1);
	hc_map_slab_add(&map, &env, C, 1);
	store(4, A, B, 9);
	hc_map_slab_drop(&map, a, &loss);
	ck_assert_int_eq(hc_map_repair_next(&map, targets, 2 * SLOTS, &r), 1);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 4, 1, 0), -EBUSY);	/* pinned */
	ck_assert_int_eq(hc_map_reserve(&map, &env, C, 4, 1, 0, &loc), 0);
	hc_map_free(&map, 4);
	ck_assert_int_eq(hc_map_repair_end(&map, &r, loc), -ESTALE);
	hc_map_unreserve(&map, loc, -1);
	ck_assert_int_eq(slots[4].state, HC_SLOT_EMPTY);
	ck_assert_uint_eq(map.used[B] + map.used[C], 0);
}
END_TEST

START_TEST(bad_copy)
{
	u32 first, second;
	struct hc_loss loss;

	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, B, 1);
	store(0, A, B, 1);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &first), 0);
	ck_assert(hc_map_copy_bad(&map, 0, first, &loss));
	ck_assert_uint_eq(loss.nr_degraded, 1);
	ck_assert(!hc_map_copy_bad(&map, 0, first, &loss));
	hc_map_read_end(&map, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &second), 0);
	ck_assert_uint_ne(first, second);
	ck_assert(hc_map_copy_bad(&map, 0, second, &loss));
	ck_assert_uint_eq(loss.nr_lost, 1);
	hc_map_read_end(&map, 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &first), -EIO);
	ck_assert_uint_eq(map.used[A] + map.used[B], 0);
}
END_TEST

START_TEST(bad_copy_while_others_read)
{
	u32 loc, loc2;
	struct hc_loss loss;

	hc_map_slab_add(&map, &env, A, 1);
	store(0, A, -1, 1);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc2), 0);
	ck_assert(!hc_map_copy_bad(&map, 0, loc, &loss));
	hc_map_read_end(&map, 0);
	ck_assert(hc_map_copy_bad(&map, 0, loc2, &loss));
	hc_map_read_end(&map, 0);
}
END_TEST

/* The local device acknowledged a page and lost it: the slot must not count on it. */
START_TEST(page_lost_where_it_was_stored)
{
	u32 loc[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE }, local, pinned;
	struct hc_loss loss;

	targets[HC_TARGET_LOCAL].is_live = true;
	hc_menv_share_add(&env, HC_TARGET_LOCAL);
	hc_map_slab_add(&map, &env, A, 1);
	local = (u32)hc_map_slab_add(&map, &env, HC_TARGET_LOCAL, 0) << HC_SLAB_SHIFT;
	ck_assert_int_eq(hc_map_page_bad(&map, local, &loss), 0);	/* nobody's */
	ck_assert_uint_eq(loss.nr_lost + loss.nr_degraded, 0);
	/* Its write is not over: whether a slot counts on it is not known yet. */
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 1, 0), 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, A, 0, 1, 0, &loc[0]), 0);
	ck_assert_int_eq(hc_map_reserve(&map, &env, HC_TARGET_LOCAL, 0, 1, 0, &loc[2]), 0);
	local = loc[2];
	ck_assert_int_eq(hc_map_page_bad(&map, local, &loss), -EBUSY);
	ck_assert_int_eq(hc_map_commit(&map, &env, 0, loc, 1), 0);
	ck_assert_uint_eq(map.nr_degraded, 0);
	/* A reader may have chosen it, and must not find another page there. */
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &pinned), 0);
	ck_assert_int_eq(hc_map_page_bad(&map, local, &loss), -EBUSY);
	hc_map_read_end(&map, 0);
	ck_assert_int_eq(hc_map_page_bad(&map, local, &loss), 0);
	ck_assert_uint_eq(loss.nr_degraded, 1);
	ck_assert_uint_eq(loss.env, ENV);
	ck_assert_uint_eq(loss.target, HC_TARGET_LOCAL);
	ck_assert_uint_eq(map.nr_degraded, 1);
	ck_assert_uint_eq(map.nr_local + map.used[HC_TARGET_LOCAL], 0);
	ck_assert_uint_eq(map.nr_needs, 1);
	ck_assert_int_eq(hc_map_page_bad(&map, local, &loss), 0);	/* once */
	ck_assert_uint_eq(loss.nr_degraded, 0);
	/* The only copy: lost. */
	store(1, HC_TARGET_LOCAL, -1, 2);
	ck_assert_int_eq(hc_map_page_bad(&map, slots[1].loc[0], &loss), 0);
	ck_assert_uint_eq(loss.nr_lost, 1);
	ck_assert_int_eq(hc_map_read_begin(&map, 1, targets, HC_TARGETS, &pinned), -EIO);
}
END_TEST

/* One environment without room for its copies does not keep another one from getting them. */
START_TEST(stuck_repair_lets_others_go_on)
{
	u32 slot, found = 0, whole = 0, loc;
	struct hc_repair r;

	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, A, 2);
	for (slot = 0; slot < 2 * HC_SLAB_PAGES; slot++)
		store(slot, A, -1, 1);
	hc_map_slab_add(&map, &other, A, 3);
	hc_map_slab_add(&map, &other, B, 1);
	for (slot = 600; slot < 610; slot++) {
		u32 at[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE };

		ck_assert_int_eq(hc_map_write_begin(&map, &other, slot, 1, 0), 0);
		ck_assert_int_eq(hc_map_reserve(&map, &other, A, slot, 1, 0, &at[0]), 0);
		ck_assert_int_eq(hc_map_commit(&map, &other, slot, at, 1), 0);
	}
	ck_assert_uint_eq(map.nr_degraded, 2 * HC_SLAB_PAGES + 10);
	while (hc_map_repair_next(&map, targets, SLOTS, &r)) {
		ck_assert_uint_le(++found, HC_STUCK_MAX + 10);
		if (r.env == ENV) {
			hc_map_repair_stuck(&map, &r);
			continue;
		}
		ck_assert_int_eq(hc_map_reserve(&map, &other, B, r.slot, 1, 0, &loc), 0);
		ck_assert_int_eq(hc_map_repair_end(&map, &r, loc), 0);
		whole++;
	}
	ck_assert_uint_eq(whole, 10);
	ck_assert_uint_eq(map.nr_degraded, 2 * HC_SLAB_PAGES);
	ck_assert_uint_eq(slots[0].pins, 0);
	/* The next round begins with those whose turn did not come. */
	hc_map_repair_round(&map);
	ck_assert_int_eq(hc_map_repair_next(&map, targets, SLOTS, &r), 1);
	ck_assert_uint_eq(r.slot, HC_STUCK_MAX);
	ck_assert_uint_eq(r.env, ENV);
	hc_map_repair_stuck(&map, &r);
}
END_TEST

START_TEST(local_copy_is_safe)
{
	targets[HC_TARGET_LOCAL].is_live = true;
	hc_menv_share_add(&env, HC_TARGET_LOCAL);
	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, HC_TARGET_LOCAL, 0);
	store(0, A, HC_TARGET_LOCAL, 1);
	ck_assert_uint_eq(map.nr_local, 1);
	ck_assert_uint_eq(map.nr_degraded, 0);
	ck_assert(hc_map_is_safe(&map, &slots[0]));
	store(0, A, -1, 2);
	ck_assert_uint_eq(map.nr_local, 0);
	ck_assert_uint_eq(map.nr_degraded, 1);
	ck_assert(!hc_map_is_safe(&map, &slots[0]));
}
END_TEST

START_TEST(pins_are_bounded)
{
	u32 i, loc;

	hc_map_slab_add(&map, &env, A, 1);
	store(0, A, -1, 1);
	for (i = 0; i < 255; i++)
		ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), 0);
	ck_assert_int_eq(hc_map_read_begin(&map, 0, targets, HC_TARGETS, &loc), -EBUSY);
	while (i--)
		hc_map_read_end(&map, 0);
	ck_assert_uint_eq(slots[0].pins, 0);
	ck_assert_int_eq(hc_map_write_begin(&map, &env, 0, 1, 0), 0);
}
END_TEST

START_TEST(trimming)
{
	u32 id;

	hc_map_slab_add(&map, &env, A, 1);
	hc_map_slab_add(&map, &env, A, 2);
	hc_map_slab_add(&map, &env, A, 3);
	store(0, A, -1, 1);
	ck_assert(hc_map_slab_trim(&map, &env, A, 2));
	ck_assert(!hc_map_slab_trim(&map, &env, A, 2));
	ck_assert(hc_map_slab_trim(&map, &env, A, 0));
	ck_assert(!hc_map_slab_trim(&map, &env, A, 0));	/* the last one holds a page */
	ck_assert(hc_map_slab_take(&map, A, &id));
	ck_assert(hc_map_slab_take(&map, A, &id));
	ck_assert(!hc_map_slab_take(&map, A, &id));
	ck_assert_uint_eq(map.leased[A], 1);
}
END_TEST

/* Two environments on the same donor never share a slab. */
START_TEST(environments_apart)
{
	u32 loc;

	hc_map_slab_add(&map, &env, A, 1);
	ck_assert_int_eq(hc_map_reserve(&map, &other, A, 0, 1, 0, &loc), -ENOSPC);
	hc_map_slab_add(&map, &other, A, 2);
	ck_assert_int_eq(hc_map_reserve(&map, &other, A, 0, 1, 0, &loc), 0);
	ck_assert_uint_eq(slabs[hc_loc_slab(loc)].env, 2);
	ck_assert_uint_eq(slabs[hc_loc_slab(loc)].id, 2);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("map");
	TCase *t = tcase_create("map");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, empty_map);
	tcase_add_test(t, page_lost_where_it_was_stored);
	tcase_add_test(t, stuck_repair_lets_others_go_on);
	tcase_add_test(t, slab_table);
	tcase_add_test(t, slab_lent_twice);
	tcase_add_test(t, write_and_read);
	tcase_add_test(t, claim_is_whole);
	tcase_add_test(t, reading_picks);
	tcase_add_test(t, zero_pages);
	tcase_add_test(t, quota);
	tcase_add_test(t, quota_counts_writes_under_way);
	tcase_add_test(t, freeing);
	tcase_add_test(t, free_during_first_write);
	tcase_add_test(t, reserving);
	tcase_add_test(t, one_slab_is_filled_before_the_next);
	tcase_add_test(t, reserving_in_holes);
	tcase_add_test(t, a_donor_dies);
	tcase_add_test(t, all_donors_die);
	tcase_add_test(t, lost_slot_is_freed);
	tcase_add_test(t, drop_during_write);
	tcase_add_test(t, quarantine);
	tcase_add_test(t, recall_waits);
	tcase_add_test(t, recall_moves_pages);
	tcase_add_test(t, repair_reads_from_who_answers);
	tcase_add_test(t, repair_overtaken);
	tcase_add_test(t, bad_copy);
	tcase_add_test(t, bad_copy_while_others_read);
	tcase_add_test(t, local_copy_is_safe);
	tcase_add_test(t, pins_are_bounded);
	tcase_add_test(t, trimming);
	tcase_add_test(t, environments_apart);
	suite_add_tcase(suite, t);
	return suite;
}
