// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod/policy/map against a reference model, in random operation (SPEC R20a, R8).
 *
 * The model is a small cluster: donors with real memory, writes and reads that are under way for
 * a while, connections that die with writes still on the way, donors that are given up or come
 * back, slabs called back, bad copies, repair. What it proves after each step:
 *   - whatever the map lets us read is what was written last: never old, zero or foreign content
 *   - a slot is lost only when really every copy of it went
 *   - a late write of a dead connection can't reach a page that is in use again
 *   - the map's counters and lists are what a recount of slots and slabs gives
 * HC_SEED=n repeats a run, HC_OPS=n makes it longer.
 */
#include <linux/errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/placement.h"

#include "map_model.h"
#include "unit.h"

struct donor donors[DONORS + 1];
struct want want[SLOTS];

static struct writing {
	bool is_on;
	u32 slot, nr, zero;
	u16 env;
	u64 value[RUN];
	struct hc_place place;
	u32 loc[HC_COPIES][RUN];
	bool no_room[HC_COPIES];
	int conn;
} writes[WRITES];

static struct reading {
	bool is_on, is_repair;
	u32 slot, loc;
	struct hc_repair repair;
	u32 new_loc;
	u8 new_target;
} reads[READS];

/* A write that may still arrive at a donor, of a connection that died here. */
static struct late {
	bool is_on;
	u8 target;
	int conn;
	u32 id, page;
	u64 value;
} lates[LATE];

struct hc_map map;
struct hc_slot slots[SLOTS];
struct hc_slab slabs[SLABS];
unsigned long needs[SLOTS / 32 + 1];
struct hc_menv menv[ENVS];
static struct hc_menv *envs[ENVS];
static struct hc_target targets[HC_TARGETS];
static uint64_t rnd;
static u64 value_next;
static struct {
	u64 writes, reads, repairs, lost, drops, recalls, lates, bad, pages_bad, busy;
} did;

static u32 below(u32 n)
{
	return unit_below(&rnd, n);
}

u64 *model_page(u32 loc)
{
	const struct hc_slab *s = &slabs[hc_loc_slab(loc)];

	return &donors[s->target].page[s->id][hc_loc_page(loc)];
}

static u8 target_of(u32 loc)
{
	return slabs[hc_loc_slab(loc)].target;
}

static bool was_forgotten(const struct want *w)
{
	u32 i;

	for (i = 0; i < HC_COPIES; i++)
		if (w->copies[i] != HC_LOC_NONE)
			return false;
	return true;
}

static void forget_copy(u32 slot, u32 loc)
{
	struct want *w = &want[slot];
	u32 i;

	for (i = 0; i < HC_COPIES; i++)
		if (w->copies[i] == loc)
			w->copies[i] = HC_LOC_NONE;
	if (w->value && was_forgotten(w)) {
		w->is_lost = true;
		did.lost++;
	}
}

static void want_clear(struct want *w)
{
	memset(w->copies, 0xff, sizeof(w->copies));
	w->value = 0;
	w->env = 0;
	w->is_lost = false;
	w->is_freed = false;
}

static void want_settle(struct want *w)
{
	if (w->is_freed && !w->readers && !w->is_writing)
		want_clear(w);
}

/* ---- what happens ---- */

static void do_lease(void)
{
	u8 t = (u8)below(DONORS + 1);
	u16 e = t ? (u16)(1 + below(ENVS - 1)) : (u16)below(ENVS);
	u32 id = below(LENDS);
	int slab;

	if (!targets[t].is_live)
		return;
	slab = hc_map_slab_add(&map, &menv[e], t, id);
	if (t && donors[t].is_lent[id]) {	/* the donor would have to lie: refused */
		MUST_EQ(slab, -EEXIST);
		return;
	}
	if (!t && donors[t].is_lent[id]) {
		/* the caller gives numbers of the local device out itself: undo this one */
		u32 back;

		if (slab < 0)
			return;
		hc_map_slab_recall(&map, (u32)slab);
		MUST(hc_map_slab_take(&map, t, &back));
		donors[t].is_lent[back] = back == id || donors[t].is_lent[back];
		return;
	}
	if (slab < 0) {
		MUST_EQ(slab, -ENOSPC);
		return;
	}
	donors[t].is_lent[id] = true;
	memset(donors[t].page[id], 0, sizeof(donors[t].page[id]));
}

static struct writing *write_new(void)
{
	u32 i;

	for (i = 0; i < WRITES; i++)
		if (!writes[i].is_on)
			return &writes[i];
	return NULL;
}

/* What must come of claiming slots for a write. */
static int claim_due(const struct writing *w)
{
	u64 fresh = 0, under_way = 0;
	u32 i, k;

	for (i = 0; i < w->nr; i++) {
		const struct want *s = &want[w->slot + i];

		if (s->readers || s->is_writing)
			return -EBUSY;
		if (!(w->zero & 1U << i))
			fresh += !s->value || s->is_lost || s->env != w->env;
	}
	for (i = 0; i < WRITES; i++)
		for (k = 0; writes[i].is_on && writes[i].env == w->env && k < writes[i].nr; k++)
			under_way += !(writes[i].zero & 1U << k);
	if (fresh && menv[w->env].quota_pages &&
	    menv[w->env].nr_data + fresh > menv[w->env].quota_pages)
		return -EDQUOT;
	/* Whether writes under way count for the quota is tested in test_map.c. */
	return menv[w->env].quota_pages && under_way ? 1 : 0;
}

static void do_write(void)
{
	struct writing *w = write_new();
	u32 i, c, done;
	int due, err;

	if (!w)
		return;
	memset(w, 0, sizeof(*w));
	w->env = (u16)below(ENVS);
	w->nr = below(3) ? 1 : 1 + below(RUN);
	w->slot = below(SLOTS - w->nr + 1);
	w->zero = below(4) ? 0 : (u32)unit_random(&rnd) & ((1U << w->nr) - 1);
	due = claim_due(w);
	err = hc_map_write_begin(&map, &menv[w->env], w->slot, w->nr, w->zero);
	if (due == 1)
		MUST(err == 0 || err == -EDQUOT);
	else
		MUST_EQ(err, due);
	if (err) {
		did.busy++;
		return;
	}
	for (i = 0; i < w->nr; i++) {
		want[w->slot + i].is_writing = true;
		w->value[i] = w->zero & 1U << i ? 0 : ++value_next;
	}
	hc_place(&menv[w->env], targets, w->nr, NULL, 0, menv[w->env].replicas, &w->place);
	for (c = 0; c < w->place.nr; c++)
		MUST(targets[w->place.target[c]].is_live);
	for (c = 0, done = 0; c < w->place.nr; c++) {
		u8 t = w->place.target[c];

		if (hc_map_reserve(&map, &menv[w->env], t, w->slot, w->nr, w->zero, w->loc[c])) {
			w->no_room[c] = true;
			MUST_MSG(t == HC_TARGET_LOCAL, "placement chose a donor without room");
			continue;
		}
		done++;
		targets[t].inflight++;
		for (i = 0; i < w->nr; i++)
			if (w->loc[c][i] != HC_LOC_NONE)
				*model_page(w->loc[c][i]) = w->value[i];
	}
	if (!done && w->zero != (1U << w->nr) - 1) {	/* no room: the page stays in RAM */
		hc_map_write_abort(&map, w->slot, w->nr);
		for (i = 0; i < w->nr; i++) {
			want[w->slot + i].is_writing = false;
			want_settle(&want[w->slot + i]);
		}
		return;
	}
	w->is_on = true;
	w->conn = (int)below(CONNS);
	did.writes++;
}

static void late_add(u32 loc, int conn, u64 value)
{
	u32 i;

	for (i = 0; i < LATE && lates[i].is_on; i++)
		;
	if (i == LATE)
		return;
	lates[i] = (struct late){ true, target_of(loc), conn, slabs[hc_loc_slab(loc)].id,
				  hc_loc_page(loc), value };
}

static void write_end(struct writing *w)
{
	bool is_ok[HC_COPIES], is_dead[HC_COPIES];
	u32 c, i;

	for (c = 0; c < w->place.nr; c++) {
		is_ok[c] = !w->no_room[c] && below(8);
		is_dead[c] = !is_ok[c] && below(2);
		if (targets[w->place.target[c]].inflight)
			targets[w->place.target[c]].inflight--;
	}
	for (i = 0; i < w->nr; i++) {
		u32 loc[HC_COPIES] = { HC_LOC_NONE, HC_LOC_NONE, HC_LOC_NONE }, keep[HC_COPIES];
		u32 nr = 0, live = 0, remote = 0, slot = w->slot + i;
		struct want *s = &want[slot];
		int err;

		for (c = 0; c < w->place.nr; c++) {
			u32 l = w->loc[c][i];
			u32 to = w->place.target[c] ? remote++ : HC_COPY_LOCAL;
			bool is_gone = l != HC_LOC_NONE &&
				       slabs[hc_loc_slab(l)].state == HC_SLAB_DEAD;

			if (l == HC_LOC_NONE || (w->zero & 1U << i))
				continue;
			if (!is_ok[c] && !is_gone) {
				if (is_dead[c] && w->place.target[c])
					late_add(l, w->conn, w->value[i]);
				hc_map_unreserve(&map, l, is_dead[c] && w->place.target[c] ?
							  w->conn : -1);
				continue;
			}
			loc[to] = l;
			nr++;
			live += !is_gone;
		}
		s->is_writing = false;
		if (!(w->zero & 1U << i) && !nr) {
			hc_map_write_abort(&map, slot, 1);
			want_settle(s);
			continue;
		}
		for (c = 0; c < HC_COPIES; c++)		/* now: commit frees dead slabs */
			keep[c] = loc[c] != HC_LOC_NONE &&
				  slabs[hc_loc_slab(loc[c])].state != HC_SLAB_DEAD ?
				  loc[c] : HC_LOC_NONE;
		err = hc_map_commit(&map, &menv[w->env], slot, loc, (u32)w->value[i]);
		MUST_EQ(err, nr && !live ? -ESTALE : 0);
		if (err) {
			hc_map_write_abort(&map, slot, 1);
			want_settle(s);
			continue;
		}
		memcpy(s->copies, keep, sizeof(keep));
		s->value = w->value[i];
		s->env = w->env;
		s->is_lost = false;
		want_settle(s);
	}
	w->is_on = false;
}

static struct reading *read_new(void)
{
	u32 i;

	for (i = 0; i < READS; i++)
		if (!reads[i].is_on)
			return &reads[i];
	return NULL;
}

static void do_read(void)
{
	struct reading *r = read_new();
	u32 slot = below(SLOTS), loc, i;
	struct want *w = &want[slot];
	bool in_reach = false;
	int err;

	if (!r)
		return;
	err = hc_map_read_begin(&map, slot, targets, HC_TARGETS, &loc);
	if (w->is_writing) {
		MUST_EQ(err, -EBUSY);
		return;
	}
	if (w->is_lost) {
		MUST_EQ(err, -EIO);
		return;
	}
	for (i = 0; i < HC_COPIES; i++)
		in_reach |= w->copies[i] != HC_LOC_NONE && targets[target_of(w->copies[i])].is_live;
	if (w->value && !in_reach) {
		MUST_EQ(err, -EAGAIN);
		return;
	}
	MUST_EQ(err, 0);
	did.reads++;
	if (!w->value) {
		MUST_EQ(loc, HC_LOC_NONE);
		return;
	}
	MUST_NE(loc, HC_LOC_NONE);
	MUST(targets[target_of(loc)].is_live);
	MUST_EQ(slots[slot].sum, (u32)w->value);
	w->readers++;
	*r = (struct reading){ .is_on = true, .slot = slot, .loc = loc };
}

static void do_repair(void)
{
	struct reading *r = read_new();
	struct hc_place place;
	struct want *w;
	u32 i, loc;

	if (!r || !hc_map_repair_next(&map, targets, 1 + below(200), &r->repair))
		return;
	w = &want[r->repair.slot];
	MUST(w->value && !w->is_lost && !w->is_writing && !w->readers);
	MUST_EQ(r->repair.sum, (u32)w->value);
	MUST_EQ(r->repair.env, w->env);
	MUST(targets[target_of(r->repair.src)].is_live);
	MUST(*model_page(r->repair.src) == w->value);
	for (i = 0; i < HC_COPIES; i++)
		if (w->copies[i] == r->repair.src)
			break;
	MUST_LT(i, HC_COPIES);
	w->readers++;
	hc_place(&menv[w->env], targets, 1, r->repair.have, r->repair.nr_have,
		 menv[w->env].replicas ? 1 : 0, &place);
	if (!place.nr || hc_map_reserve(&map, &menv[w->env], place.target[0], r->repair.slot, 1, 0,
					&loc)) {
		w->readers--;
		hc_map_repair_stuck(&map, &r->repair);
		if (!below(50))
			hc_map_repair_round(&map);
		want_settle(w);
		return;
	}
	*model_page(loc) = w->value;
	r->is_on = true;
	r->is_repair = true;
	r->slot = r->repair.slot;
	r->loc = r->repair.src;
	r->new_loc = loc;
	r->new_target = place.target[0];
}

static void repair_end(struct reading *r)
{
	struct want *w = &want[r->slot];
	bool is_dead = slabs[hc_loc_slab(r->new_loc)].state == HC_SLAB_DEAD;
	u32 i, to = HC_COPIES;
	int err;

	if (!below(5)) {	/* the copy failed, perhaps with its connection */
		bool quarantine = !is_dead && r->new_target && below(2);

		if (quarantine)
			late_add(r->new_loc, 0, w->value);
		hc_map_unreserve(&map, r->new_loc, quarantine ? 0 : -1);
		w->readers--;
		MUST_EQ(hc_map_repair_end(&map, &r->repair, HC_LOC_NONE), 0);
		want_settle(w);
		return;
	}
	err = hc_map_repair_end(&map, &r->repair, r->new_loc);
	w->readers--;
	if (err) {
		MUST(is_dead || w->is_freed || w->is_lost || w->readers);
		hc_map_unreserve(&map, r->new_loc, -1);
		want_settle(w);
		return;
	}
	did.repairs++;
	MUST(!is_dead && !w->is_freed && !w->is_lost && !w->readers);
	for (i = 0; i < HC_COPIES; i++)
		if (w->copies[i] == r->repair.replace)
			w->copies[i] = HC_LOC_NONE;
	for (i = 0; i < HC_COPIES; i++)
		if (slots[r->slot].loc[i] == r->new_loc)
			to = i;
	MUST_LT(to, HC_COPIES);
	MUST_EQ(w->copies[to], HC_LOC_NONE);
	w->copies[to] = r->new_loc;
}

static void read_end(struct reading *r)
{
	struct want *w = &want[r->slot];
	bool still = false;
	u32 i;

	r->is_on = false;
	for (i = 0; i < HC_COPIES; i++)
		still |= w->copies[i] == r->loc;
	/* While pinned, the page stays what it was, unless its donor was given up. */
	if (still)
		MUST_MSG(*model_page(r->loc) == w->value, "slot %u changed while it was read", r->slot);
	if (r->is_repair) {
		repair_end(r);
		return;
	}
	if (still && !below(200)) {
		struct hc_loss loss;

		if (hc_map_copy_bad(&map, r->slot, r->loc, &loss)) {
			MUST_EQ(w->readers, 1);
			forget_copy(r->slot, r->loc);
			MUST_EQ(loss.nr_lost, w->is_lost);
			MUST_EQ(loss.nr_degraded, !w->is_lost);
			did.bad++;
		} else {
			MUST_GT(w->readers, 1);
		}
	}
	w->readers--;
	hc_map_read_end(&map, r->slot);
	want_settle(w);
}

static bool is_reserved(u32 loc)
{
	u32 i, c, k;

	for (i = 0; i < WRITES; i++)
		for (c = 0; writes[i].is_on && c < HC_COPIES; c++)
			for (k = 0; k < writes[i].nr; k++)
				if (writes[i].loc[c][k] == loc)
					return true;
	for (i = 0; i < READS; i++)
		if (reads[i].is_on && reads[i].is_repair && reads[i].new_loc == loc)
			return true;
	return false;
}

/* A page was lost where it was stored, and that comes to light without a reader. */
static void do_page_bad(void)
{
	u32 slab = below(SLABS), loc = slab << HC_SLAB_SHIFT | below(HC_SLAB_PAGES), i, c;
	u32 slot = SLOTS;
	struct hc_loss loss;

	if (slabs[slab].state == HC_SLAB_FREE || slabs[slab].state == HC_SLAB_DEAD)
		return;
	for (i = 0; i < SLOTS; i++)
		for (c = 0; c < HC_COPIES; c++)
			if (want[i].copies[c] == loc)
				slot = i;
	if (slot == SLOTS) {
		MUST_EQ(hc_map_page_bad(&map, loc, &loss), is_reserved(loc) ? -EBUSY : 0);
		MUST_EQ(loss.nr_lost + loss.nr_degraded, 0);
	} else if (want[slot].readers) {
		MUST_EQ(hc_map_page_bad(&map, loc, &loss), -EBUSY);
	} else {
		MUST_EQ(hc_map_page_bad(&map, loc, &loss), 0);
		forget_copy(slot, loc);
		MUST_EQ(loss.nr_lost, want[slot].is_lost);
		MUST_EQ(loss.nr_degraded, !want[slot].is_lost);
		did.pages_bad++;
	}
}

static void do_free(void)
{
	u32 slot = below(SLOTS), nr = below(4) ? 1 : 1 + below(64);

	for (; nr-- && slot < SLOTS; slot++) {
		struct want *w = &want[slot];

		if (slots[slot].state == HC_SLOT_EMPTY && !w->is_writing) {
			hc_map_free(&map, slot);	/* of nothing: no effect */
			continue;
		}
		hc_map_free(&map, slot);
		w->is_freed = true;
		want_settle(w);
	}
}

/* A donor is given up: its slabs with all they hold are forgotten. */
static void do_drop(void)
{
	u8 t = (u8)(1 + below(DONORS));
	u32 i, c;

	did.drops++;
	for (i = 0; i < SLABS; i++) {
		u32 k, expect_lost = 0, lost_before = 0;
		struct hc_loss loss;

		if (slabs[i].state == HC_SLAB_FREE || slabs[i].state == HC_SLAB_DEAD ||
		    slabs[i].target != t)
			continue;
		for (k = 0; k < SLOTS; k++)
			lost_before += want[k].is_lost;
		for (k = 0; k < SLOTS; k++)
			for (c = 0; c < HC_COPIES; c++)
				if (want[k].copies[c] != HC_LOC_NONE &&
				    hc_loc_slab(want[k].copies[c]) == i)
					forget_copy(k, want[k].copies[c]);
		for (k = 0; k < SLOTS; k++)
			expect_lost += want[k].is_lost;
		hc_map_slab_drop(&map, i, &loss);
		MUST_EQ(loss.nr_lost, expect_lost - lost_before);
	}
	memset(donors[t].is_lent, 0, sizeof(donors[t].is_lent));
	for (i = 0; i < LATE; i++)
		if (lates[i].target == t)
			lates[i].is_on = false;	/* refused by its epoch */
}

/* Some late write arrives, or the donor says that a dead connection is closed there too. */
static void do_late(void)
{
	u32 i = below(LATE), k;

	if (lates[i].is_on && below(3)) {
		donors[lates[i].target].page[lates[i].id][lates[i].page] = lates[i].value;
		lates[i].is_on = false;
		did.lates++;
		return;
	}
	if (!below(10)) {
		u8 t = (u8)(1 + below(DONORS)), conn = (u8)below(CONNS);

		for (k = 0; k < LATE; k++)
			if (lates[k].target == t && lates[k].conn == conn)
				lates[k].is_on = false;
		for (k = 0; k < SLABS; k++)
			if (slabs[k].state != HC_SLAB_FREE && slabs[k].target == t)
				hc_map_unquarantine(&map, k, conn);
	}
}

static void do_recall(void)
{
	u32 i = below(SLABS), id;
	u8 t = (u8)below(DONORS + 1);

	if (!below(20)) {
		hc_map_slab_recall(&map, i);
		did.recalls++;
	}
	if (!below(10))
		hc_map_slab_trim(&map, &menv[below(ENVS)], t, below(2));
	if (hc_map_slab_take(&map, t, &id)) {
		MUST(donors[t].is_lent[id]);
		donors[t].is_lent[id] = false;
	}
}

static void do_weather(void)
{
	struct hc_target *t = &targets[below(DONORS + 1)];

	switch (below(5)) {
	case 0:
		t->is_live = false;
		break;
	case 1:
		t->is_suspect = !t->is_suspect;
		break;
	case 2:
		t->no_new = !below(3);
		break;
	default:
		t->is_live = true;
	}
}

static void begin(uint64_t seed)
{
	u32 i, t;

	rnd = seed;
	memset(donors, 0, sizeof(donors));
	memset(writes, 0, sizeof(writes));
	memset(reads, 0, sizeof(reads));
	memset(lates, 0, sizeof(lates));
	memset(targets, 0, sizeof(targets));
	memset(&did, 0, sizeof(did));
	for (i = 0; i < SLOTS; i++) {
		memset(&want[i], 0, sizeof(want[i]));
		want_clear(&want[i]);
	}
	for (i = 0; i < ENVS; i++) {
		envs[i] = &menv[i];
		hc_menv_init(&menv[i], i, i ? (u8)(3 - i) : 0, i == 2 ? 500 : 0);
		for (t = 0; t <= DONORS; t++)
			if (i || !t)
				MUST(hc_menv_share_add(&menv[i], (u8)t));
	}
	for (t = 0; t <= DONORS; t++) {
		targets[t].is_live = true;
		targets[t].may_lend = true;
	}
	hc_map_init(&map, slots, SLOTS, slabs, SLABS, needs, envs, ENVS);
}

static void step(void)
{
	u32 what = below(1000), i = below(WRITES), k = below(READS);

	if (what < 250)
		do_write();
	else if (what < 500 && writes[i].is_on)
		write_end(&writes[i]);
	else if (what < 650)
		do_read();
	else if (what < 800 && reads[k].is_on)
		read_end(&reads[k]);
	else if (what < 850)
		do_repair();
	else if (what < 900)
		do_free();
	else if (what < 930)
		do_lease();
	else if (what < 960)
		do_recall();
	else if (what < 985)
		do_late();
	else if (what < 995)
		do_weather();
	else if (what < 997)
		do_page_bad();
	else if (!below(20))
		do_drop();
}

/* Let everything end and empty the map: nothing may be left anywhere. */
static void end(void)
{
	struct hc_repair repair;
	u32 i, k, id;
	u8 t;

	for (i = 0; i < WRITES; i++)
		if (writes[i].is_on)
			write_end(&writes[i]);
	for (i = 0; i < READS; i++)
		if (reads[i].is_on)
			read_end(&reads[i]);
	model_recount();
	for (i = 0; i < SLOTS; i++)
		hc_map_free(&map, i);
	for (i = 0; i < SLABS; i++) {
		for (k = 0; k < CONNS; k++)
			hc_map_unquarantine(&map, i, (u8)k);
		MUST_EQ(hc_map_slab_recall(&map, i), 0);
	}
	for (t = 0; t <= DONORS; t++) {
		while (hc_map_slab_take(&map, t, &id))
			;
		for (i = 0; i < ENVS; i++)
			MUST_EQ(hc_menv_share_del(&menv[i], t), 0);
		MUST_EQ(map.used[t] + map.leased[t], 0);
	}
	MUST_EQ(map.nr_free_slabs, SLABS);
	MUST_EQ(map.nr_data + map.nr_zero + map.nr_lost, 0);
	MUST_EQ(map.nr_degraded + map.nr_local, 0);
	hc_map_repair_round(&map);
	/* A write given up in a slab called back leaves a bit; repair finds nothing there. */
	MUST_EQ(hc_map_repair_next(&map, targets, 3 * SLOTS, &repair), 0);
	MUST_EQ(map.nr_needs, 0);
}

START_TEST(against_the_model)
{
	uint64_t seed = unit_seed() | 1;
	u64 ops = unit_ops(120000), i;

	printf("seed %#llx\n", (unsigned long long)seed);
	fflush(stdout);
	begin(seed);
	for (i = 0; i < ops; i++) {
		step();
		if (!(i % 97))
			model_recount();
	}
	end();
	printf("  %llu writes, %llu reads, %llu repairs, %llu lost, %llu drops, %llu recalls, ",
	       did.writes, did.reads, did.repairs, did.lost, did.drops, did.recalls);
	printf("%llu late, %llu bad, %llu busy\n", did.lates, did.bad, did.busy);
	/* Else the weather was so bad, or so good, that nothing was tested. */
	if (ops >= 100000)
		MUST(did.writes > 3000 && did.reads > 3000 && did.repairs > 300 && did.lost &&
			  did.drops && did.recalls && did.lates && did.bad && did.pages_bad &&
			  did.busy);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("map_model");
	TCase *t = tcase_create("map_model");

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, against_the_model, 0, 3);
	suite_add_tcase(suite, t);
	return suite;
}
