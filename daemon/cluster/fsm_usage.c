// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * R19: usage by user, node and hour, in the replicated state; see fsm.h.
 *
 * Node time is never sampled: it is what lies between two steps, for whoever had an active node
 * between them. CPU time and bytes come as counters that only grow, and what was charged of each is
 * remembered. So neither a second report, nor a daemon's restart, nor another controller makes a
 * millisecond more or less of it. It goes by the log's time (clock.h), which no jump of a wall
 * clock makes jump; should an entry be of before the last one, nothing is charged for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cluster/fsm.h"
#include "daemon/cluster/text.h"

#define HOUR_MS		3600000ULL
#define HOURS_KEPT	(7 * 24)	/* then days */
#define DAYS_KEPT	HCD_CHARGED_DAYS

/* ---- charges ----------------------------------------------------------------------------- */

static int compare(const char *user, uint32_t node, uint32_t hour, const struct hcd_charge *c)
{
	int r = strcmp(user, c->user);

	if (r == 0)
		r = node != c->node ? (node < c->node ? -1 : 1) : 0;
	if (r == 0)
		r = hour != c->hour ? (hour < c->hour ? -1 : 1) : 0;
	return r;
}

/* NULL without memory, or when there are too many. */
static struct hcd_charge *charge_of(struct hcd_fsm *fsm, const char *user, uint32_t node,
				    uint32_t hour)
{
	size_t lo = 0, hi = fsm->nr_charges;
	struct hcd_charge *c;
	void *list = fsm->charges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(user, node, hour, &fsm->charges[mid]) > 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	c = &fsm->charges[lo];
	if (lo < fsm->nr_charges && compare(user, node, hour, c) == 0)
		return c;
	if (fsm->nr_charges == HCD_CHARGES_MAX ||
	    !hcd_fsm_room(&list, fsm->nr_charges, &fsm->charges_room, sizeof(*c)))
		return NULL;
	fsm->charges = list;
	c = &fsm->charges[lo];
	memmove(c + 1, c, (fsm->nr_charges++ - lo) * sizeof(*c));
	*c = (struct hcd_charge){ .node = node, .hour = hour };
	snprintf(c->user, sizeof(c->user), "%s", user);
	return c;
}

/* What is long ago is added up by the day, and what is very long ago goes. */
static void fold(struct hcd_fsm *fsm, uint32_t now_hour, uint32_t hours_kept)
{
	uint32_t keep_from = now_hour > hours_kept ? (now_hour - hours_kept) / 24 * 24 : 0;
	uint32_t days_from = now_hour > DAYS_KEPT * 24 ? now_hour - DAYS_KEPT * 24 : 0;
	size_t n = 0;

	for (size_t i = 0; i < fsm->nr_charges; i++) {
		struct hcd_charge c = fsm->charges[i], *last = n ? &fsm->charges[n - 1] : NULL;

		if (c.hour < days_from)
			continue;
		if (c.hour < keep_from) {
			c.hour = c.hour / 24 * 24;
			c.is_day = true;
			if (last && compare(c.user, c.node, c.hour, last) == 0) {
				last->node_ms += c.node_ms;
				last->cpu_us += c.cpu_us;
				last->byte_s += c.byte_s;
				continue;
			}
		}
		fsm->charges[n++] = c;
	}
	fsm->nr_charges = n;
}

/* Room was made by folding before: what then finds none is the state's limit. */
static void add(struct hcd_fsm *fsm, const char *user, uint32_t node, uint64_t at_ms,
		uint64_t node_ms, uint64_t cpu_us, uint64_t byte_s)
{
	struct hcd_charge *c = charge_of(fsm, user, node, (uint32_t)(at_ms / HOUR_MS));

	if (!c)
		return;
	c->node_ms += node_ms;
	c->cpu_us += cpu_us;
	c->byte_s += byte_s;
}

/* Memory for @n more, as far as the limit, so that adding does not fail half-way. */
static int reserve(struct hcd_fsm *fsm, size_t n)
{
	void *list = fsm->charges;

	if (n > HCD_CHARGES_MAX - fsm->nr_charges)
		n = HCD_CHARGES_MAX - fsm->nr_charges;
	while (fsm->charges_room < fsm->nr_charges + n) {
		if (!hcd_fsm_room(&list, fsm->charges_room, &fsm->charges_room,
				  sizeof(*fsm->charges)))
			return -ENOMEM;
		fsm->charges = list;
	}
	return 0;
}

static void charge_user(struct hcd_fsm *fsm, const char *name, const Hcp__KeptUser *user,
			uint64_t from_ms, uint64_t to_ms)
{
	for (size_t i = 0; i < user->n_seats; i++) {
		uint64_t next;

		if (!user->seats[i]->is_active)
			continue;
		for (uint64_t at = from_ms; at < to_ms; at = next) {
			next = (at / HOUR_MS + 1) * HOUR_MS;
			next = next < to_ms ? next : to_ms;
			add(fsm, name, user->seats[i]->node, at, next - at, 0, 0);
		}
	}
}

int hcd_fsm_charge(struct hcd_fsm *fsm, uint64_t now_ms)
{
	uint64_t from_ms = fsm->charged_ms;
	size_t nr_hours, nr_seats = 0;

	if (!from_ms || now_ms <= from_ms) {
		fsm->charged_ms = from_ms ? from_ms : now_ms;
		return 0;
	}
	nr_hours = (size_t)(now_ms / HOUR_MS - from_ms / HOUR_MS);
	if (nr_hours || fsm->nr_charges > HCD_CHARGES_MAX / 2)
		fold(fsm, (uint32_t)(now_ms / HOUR_MS),
		     fsm->nr_charges > HCD_CHARGES_MAX / 2 ? 24 : HOURS_KEPT);
	/* A clock that jumps by years is no usage. */
	if (nr_hours > DAYS_KEPT * 24) {
		from_ms = now_ms;
		nr_hours = 0;
	}
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < fsm->nr_kept; i++) {
			const struct hcd_kept *k = &fsm->kept[i];
			Hcp__KeptUser *user;

			if (k->kind != HCD_KEPT_USER)
				continue;
			user = hcp__kept_user__unpack(NULL, k->len, k->data);
			if (!user)
				return -ENOMEM;
			if (pass == 0)
				nr_seats += user->n_seats;
			else
				charge_user(fsm, k->key, user, from_ms, now_ms);
			hcp__kept_user__free_unpacked(user, NULL);
		}
		if (pass == 0 && reserve(fsm, nr_seats * (nr_hours + 1)) < 0)
			return -ENOMEM;
	}
	fsm->charged_ms = now_ms;
	return 0;
}

/* ---- counters ---------------------------------------------------------------------------- */

/* The run of a user and node that was charged longest ago makes room. */
static void drop_oldest(struct hcd_fsm *fsm, const char *user, uint32_t node)
{
	size_t nr = 0, oldest = 0;

	for (size_t i = 0; i < fsm->nr_counters; i++) {
		if (fsm->counters[i].node != node || strcmp(fsm->counters[i].user, user) != 0)
			continue;
		if (!nr++ || fsm->counters[i].at_ms < fsm->counters[oldest].at_ms)
			oldest = i;
	}
	if (nr < HCD_RUNS_MAX)
		return;
	memmove(&fsm->counters[oldest], &fsm->counters[oldest + 1],
		(--fsm->nr_counters - oldest) * sizeof(*fsm->counters));
}

/* The counter, or a new one at zero. NULL without memory. */
static struct hcd_counter *counter_of(struct hcd_fsm *fsm, const char *user, uint32_t node,
				      uint64_t run)
{
	void *list = fsm->counters;
	struct hcd_counter *c;
	size_t i;
	int r = 1;

	for (int pass = 0; pass < 2; pass++) {
		for (i = 0; i < fsm->nr_counters; i++) {
			c = &fsm->counters[i];
			r = strcmp(c->user, user);
			r = r ? r : c->node < node ? -1 : c->node > node;
			r = r ? r : c->run < run ? -1 : c->run > run;
			if (r >= 0)
				break;
		}
		if (i < fsm->nr_counters && r == 0)
			return &fsm->counters[i];
		if (pass == 0)
			drop_oldest(fsm, user, node);
	}
	if (fsm->nr_counters >= HCD_KEPT_MAX * 4 ||
	    !hcd_fsm_room(&list, fsm->nr_counters, &fsm->counters_room, sizeof(*c)))
		return NULL;
	fsm->counters = list;
	c = &fsm->counters[i];
	memmove(c + 1, c, (fsm->nr_counters++ - i) * sizeof(*c));
	*c = (struct hcd_counter){ .node = node, .run = run };
	snprintf(c->user, sizeof(c->user), "%s", user);
	return c;
}

int hcd_fsm_apply_counters(struct hcd_fsm *fsm, const Hcp__Command *c, struct hcd_result *res)
{
	const Hcp__Counters *list = c->counters;
	int r;

	for (size_t i = 0; i < list->n_counters; i++) {
		if (hcd_text_is_name(list->counters[i]->user))
			continue;
		res->error = -EBADMSG;
		snprintf(res->text, sizeof(res->text), "A counter names no user.");
		return 0;
	}
	r = hcd_fsm_charge(fsm, c->at_ms);
	if (r == 0)
		r = reserve(fsm, list->n_counters);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list->n_counters; i++) {
		const Hcp__Counter *new = list->counters[i];
		struct hcd_counter *old = counter_of(fsm, new->user, new->node, new->run);

		if (!old)
			return -ENOMEM;
		/* One that was told late, or twice. */
		if (new->cpu_us < old->cpu_us || new->byte_s < old->byte_s)
			continue;
		add(fsm, new->user, new->node, fsm->charged_ms, 0, new->cpu_us - old->cpu_us,
		    new->byte_s - old->byte_s);
		old->cpu_us = new->cpu_us;
		old->byte_s = new->byte_s;
		old->at_ms = c->at_ms;
	}
	return 0;
}

/* ---- snapshots --------------------------------------------------------------------------- */

bool hcd_fsm_take_usage(struct hcd_fsm *fsm, const Hcp__State *st)
{
	fsm->charged_ms = st->charged_ms;
	if (st->n_charges > HCD_CHARGES_MAX || st->n_counters > HCD_KEPT_MAX * 4 ||
	    reserve(fsm, st->n_charges) < 0)
		return false;
	for (size_t i = 0; i < st->n_charges; i++) {
		const Hcp__Charge *msg = st->charges[i];
		struct hcd_charge *c = &fsm->charges[i];

		if (!hcd_text_is_name(msg->user) ||
		    (i && compare(msg->user, msg->node, msg->hour, c - 1) <= 0))
			return false;
		*c = (struct hcd_charge){ .node = msg->node, .hour = msg->hour,
					  .is_day = msg->is_day, .node_ms = msg->node_ms,
					  .cpu_us = msg->cpu_us, .byte_s = msg->byte_s };
		snprintf(c->user, sizeof(c->user), "%s", msg->user);
		fsm->nr_charges++;
	}
	for (size_t i = 0; i < st->n_counters; i++) {
		const Hcp__Counter *msg = st->counters[i];
		struct hcd_counter *c;

		if (!hcd_text_is_name(msg->user))
			return false;
		c = counter_of(fsm, msg->user, msg->node, msg->run);
		if (!c || fsm->nr_counters != i + 1)
			return false;
		c->at_ms = msg->at_ms;
		c->cpu_us = msg->cpu_us;
		c->byte_s = msg->byte_s;
	}
	return true;
}
