// SPDX-License-Identifier: GPL-2.0-or-later
/* One page of shared memory between nodes (SPEC R20b); shm.h draws it. */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#include "shm.h"

static u64 bit(u8 node)
{
	return node < HC_SHM_NODES ? 1ULL << node : 0;
}

static void out_init(struct hc_shm_out *out)
{
	memset(out, 0, sizeof(*out));
}

static struct hc_shm_msg *say(struct hc_shm_out *out, u8 op, u8 to, u64 gen)
{
	struct hc_shm_msg *m = &out->msg[out->nr++];

	m->op = op;
	m->to = to;
	m->gen = gen;
	return m;
}

/* ---- what a node has ---- */

bool hc_shm_fault(struct hc_shm_local *l, u8 want, struct hc_shm_out *out)
{
	out_init(out);
	if (l->state >= want) {
		l->is_unused = false;
		return true;
	}
	if (l->err || l->want >= want)
		return false;
	l->want = want;
	say(out, HC_SHM_GET, HC_SHM_HOME, 0)->state = want;
	return false;
}

static void on_grant(struct hc_shm_local *l, const struct hc_shm_msg *m, struct hc_shm_out *out)
{
	struct hc_shm_msg *done;

	if (m->gen <= l->gen) {
		out->acts = HC_SHM_LATE;
		return;
	}
	l->gen = m->gen;
	done = say(out, HC_SHM_DONE, HC_SHM_HOME, m->gen);
	/* Without content, and there is none: a home that errs. It learns that nobody has it. */
	if (!m->has_data && l->state == HC_SHM_I)
		return;
	out->acts = HC_SHM_WAKE | (m->has_data ? HC_SHM_STORE : 0);
	l->state = m->state;
	l->is_unused = l->want != 0;
	if (l->want <= m->state)
		l->want = 0;
	done->state = l->state;
}

/* Refused, or nobody knows whether the page is on its way. */
static void on_cancel(struct hc_shm_local *l, const struct hc_shm_msg *m, struct hc_shm_out *out)
{
	struct hc_shm_msg *done;

	if (m->gen < l->gen) {
		out->acts = HC_SHM_LATE;
		return;
	}
	done = say(out, HC_SHM_DONE, HC_SHM_HOME, m->gen);
	done->is_answer = true;
	done->state = l->state;
	if (m->gen == l->gen) {
		done->has_data = l->state == HC_SHM_S;
		return;
	}
	l->gen = m->gen;
	if (l->want) {
		l->want = 0;
		l->err = m->err;
		out->acts = HC_SHM_WAKE;
	}
}

static void on_demand(struct hc_shm_local *l, const struct hc_shm_msg *m, bool is_held,
		      struct hc_shm_out *out)
{
	bool keeps = m->op == HC_SHM_FETCH && m->state == HC_SHM_S;
	struct hc_shm_msg *grant, *ack;

	if (m->gen <= l->gen) {
		out->acts = HC_SHM_LATE;
		return;
	}
	if (l->state != HC_SHM_I && m->op != HC_SHM_DROP && (l->is_unused || is_held)) {
		out->acts = HC_SHM_DEFER;
		return;
	}
	l->gen = m->gen;
	if (m->op == HC_SHM_FETCH && l->state == HC_SHM_X) {
		l->state = keeps ? HC_SHM_S : HC_SHM_I;
		out->acts = keeps ? HC_SHM_PROTECT : HC_SHM_ZAP;
		grant = say(out, HC_SHM_GRANT, m->third, m->gen);
		grant->state = m->state;
		grant->has_data = true;
		if (keeps && m->third != HC_SHM_HOME)
			say(out, HC_SHM_BACK, HC_SHM_HOME, m->gen)->has_data = true;
		return;
	}
	/* To a FETCH: it has nothing to give. To an INV: what only this node had goes home. */
	ack = say(out, HC_SHM_ACK, HC_SHM_HOME, m->gen);
	ack->has_data = m->op == HC_SHM_INV && l->state == HC_SHM_X;
	l->state = HC_SHM_I;
	l->is_unused = false;
	out->acts = HC_SHM_ZAP | (m->op == HC_SHM_DROP ? HC_SHM_FORGET : 0);
}

void hc_shm_local(struct hc_shm_local *l, const struct hc_shm_msg *m, bool is_held,
		  struct hc_shm_out *out)
{
	out_init(out);
	switch (m->op) {
	case HC_SHM_GRANT:
		on_grant(l, m, out);
		break;
	case HC_SHM_CANCEL:
		on_cancel(l, m, out);
		break;
	case HC_SHM_FETCH:
	case HC_SHM_INV:
	case HC_SHM_DROP:
		on_demand(l, m, is_held, out);
		break;
	default:
		out->acts = HC_SHM_LATE;
	}
}

void hc_shm_local_lost(struct hc_shm_local *l, s16 err, struct hc_shm_out *out)
{
	out_init(out);
	l->state = HC_SHM_I;
	l->want = 0;
	l->is_unused = false;
	l->err = err;
	out->acts = HC_SHM_ZAP | HC_SHM_WAKE;
}

/* ---- what the home knows ---- */

void hc_shm_home_init(struct hc_shm_home *h)
{
	memset(h, 0, sizeof(*h));
	h->owner = HC_SHM_NOBODY;
	h->cur = HC_SHM_NOBODY;
}

/* The home's own content, to a requester that nobody stands in the way of. */
static void grant(struct hc_shm_home *h, struct hc_shm_out *out)
{
	struct hc_shm_msg *m = say(out, HC_SHM_GRANT, h->cur, h->gen);

	m->state = h->kind == HC_SHM_READING ? HC_SHM_S : HC_SHM_X;
	m->has_data = !(h->sharers & bit(h->cur));
	h->wait_done = true;
	if (h->kind == HC_SHM_READING) {
		h->sharers |= bit(h->cur);
	} else {
		h->sharers = 0;
		h->owner = h->cur;
	}
}

static void fetch(struct hc_shm_home *h, struct hc_shm_out *out)
{
	struct hc_shm_msg *m = say(out, HC_SHM_FETCH, h->owner, h->gen);

	m->third = h->cur;
	m->state = h->kind == HC_SHM_READING ? HC_SHM_S : HC_SHM_X;
	h->is_fetching = true;
	h->wait_done = true;
}

static void cancel(struct hc_shm_home *h, s16 err, struct hc_shm_out *out)
{
	say(out, HC_SHM_CANCEL, h->cur, h->gen)->err = err;
	h->is_cancelled = true;
	h->wait_done = true;
}

static void cast(struct hc_shm_home *h, u8 op, u64 nodes, struct hc_shm_out *out)
{
	h->acks = nodes;
	out->cast = nodes;
	out->cast_op = op;
	out->gen = h->gen;
}

/* Whoever waits, beginning after who was served last. */
static u8 next(const struct hc_shm_home *h)
{
	u8 i, k;

	for (i = 1; i <= HC_SHM_NODES; i++) {
		k = (h->last + i) % HC_SHM_NODES;
		if ((h->want_s | h->want_x) & bit(k))
			return k;
	}
	return HC_SHM_NOBODY;
}

/* Has it already what it asks for? Then it asked long ago. */
static bool is_late(const struct hc_shm_home *h, u8 k, bool is_write)
{
	return h->owner == k || (!is_write && h->sharers & bit(k));
}

static void open_next(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out);

static void close(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	h->kind = HC_SHM_IDLE;
	h->cur = HC_SHM_NOBODY;
	h->acks = 0;
	h->is_fetching = false;
	h->wait_done = false;
	h->is_cancelled = false;
	open_next(h, is_full, out);
}

static void dropped(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	h->owner = HC_SHM_NOBODY;
	h->sharers = 0;
	h->is_lost = false;
	out->acts |= HC_SHM_DROPPED | HC_SHM_FORGET;
	close(h, is_full, out);
}

static bool open_drop(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	if (!h->want_drop)
		return false;
	h->want_drop = false;
	h->kind = HC_SHM_DROPPING;
	h->gen++;
	cast(h, HC_SHM_DROP, h->sharers | bit(h->owner), out);
	if (!h->acks)
		dropped(h, is_full, out);
	return true;
}

static void open_next(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	bool is_write;
	u8 k;

	if (h->kind != HC_SHM_IDLE || open_drop(h, is_full, out))
		return;
	do {
		k = next(h);
		if (k == HC_SHM_NOBODY)
			return;
		is_write = h->want_x & bit(k);
		h->want_s &= ~bit(k);
		h->want_x &= ~bit(k);
	} while (is_late(h, k, is_write));
	h->last = k;
	h->cur = k;
	h->gen++;
	if (h->is_lost || (is_write && is_full)) {
		h->kind = HC_SHM_REFUSING;
		cancel(h, h->is_lost ? -EIO : -ENOSPC, out);
		return;
	}
	h->kind = is_write ? HC_SHM_WRITING : HC_SHM_READING;
	if (h->owner != HC_SHM_NOBODY) {
		fetch(h, out);
		return;
	}
	if (is_write)
		cast(h, HC_SHM_INV, h->sharers & ~bit(k), out);
	if (!h->acks)
		grant(h, out);
}

/* Everything has come that an open READ or WRITE waits for? */
static void maybe_close(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	if (h->wait_done || (h->is_fetching && h->kind == HC_SHM_READING))
		return;
	if (h->kind == HC_SHM_READING && h->owner != HC_SHM_NOBODY) {
		h->sharers = bit(h->owner) | bit(h->cur);
		h->owner = HC_SHM_NOBODY;
	}
	close(h, is_full, out);
}

static void acks_in(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	if (h->kind == HC_SHM_DROPPING) {
		dropped(h, is_full, out);
	} else if (h->cur == HC_SHM_NOBODY) {
		h->sharers = 0;
		close(h, is_full, out);
	} else {
		grant(h, out);
	}
}

/* The owner can't say any more whether it sent the page off: ask who was to get it. */
static void owner_gone(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	h->owner = HC_SHM_NOBODY;
	h->is_fetching = false;
	if (h->cur != HC_SHM_NOBODY) {
		cancel(h, -EIO, out);
	} else {
		h->is_lost = true;
		close(h, is_full, out);
	}
}

static void on_ack(struct hc_shm_home *h, const struct hc_shm_msg *m, bool is_full,
		   struct hc_shm_out *out)
{
	if (h->is_fetching && m->from == h->owner) {
		if (m->has_data && h->cur == HC_SHM_NOBODY) {
			out->acts = HC_SHM_STORE;
			h->owner = HC_SHM_NOBODY;
			close(h, is_full, out);
		} else {
			owner_gone(h, is_full, out);
		}
		return;
	}
	if (!(h->acks & bit(m->from))) {
		out->acts = HC_SHM_LATE;
		return;
	}
	h->acks &= ~bit(m->from);
	if (!h->acks)
		acks_in(h, is_full, out);
}

/* The content that the owner gave up is here: the requester gets it from here. */
static void pass_on(struct hc_shm_home *h, struct hc_shm_out *out)
{
	struct hc_shm_msg *m = say(out, HC_SHM_GRANT, h->cur, h->gen);

	m->state = h->kind == HC_SHM_READING ? HC_SHM_S : HC_SHM_X;
	m->has_data = true;
}

/* BACK: the reader has its own. RELAY: the owner can't reach the requester. */
static void on_content(struct hc_shm_home *h, const struct hc_shm_msg *m, bool is_full,
		       struct hc_shm_out *out)
{
	bool relay = m->op == HC_SHM_RELAY && h->wait_done;

	if (m->from != h->owner || !m->has_data || (!h->is_fetching && !relay)) {
		out->acts = HC_SHM_LATE;
		return;
	}
	if (h->is_fetching)
		out->acts = HC_SHM_STORE;
	if (h->kind == HC_SHM_READING)
		h->is_fetching = false;
	if (relay)
		pass_on(h, out);
	else
		maybe_close(h, is_full, out);
}

static void done_cancelled(struct hc_shm_home *h, const struct hc_shm_msg *m, bool is_full,
			   struct hc_shm_out *out)
{
	if (m->state == HC_SHM_X) {
		h->owner = h->cur;
	} else if (m->state == HC_SHM_S && m->has_data) {
		out->acts = HC_SHM_STORE;
		h->sharers = bit(h->cur);
	} else if (m->is_answer) {
		h->is_lost = true;
	} else {
		return;		/* said before it was asked; the answer brings the content */
	}
	close(h, is_full, out);
}

static void on_done(struct hc_shm_home *h, const struct hc_shm_msg *m, bool is_full,
		    struct hc_shm_out *out)
{
	if (!h->wait_done || m->from != h->cur) {
		out->acts = HC_SHM_LATE;
		return;
	}
	if (h->kind == HC_SHM_REFUSING) {
		close(h, is_full, out);
		return;
	}
	if (h->is_cancelled) {
		done_cancelled(h, m, is_full, out);
		return;
	}
	h->wait_done = false;
	if (h->cur == HC_SHM_HOME)
		h->is_fetching = false;		/* what it got is the home's content */
	if (h->kind == HC_SHM_WRITING) {
		h->sharers = 0;
		h->owner = h->cur;
		if (m->state != HC_SHM_X) {
			h->owner = HC_SHM_NOBODY;
			h->is_lost = true;
		}
	}
	maybe_close(h, is_full, out);
}

void hc_shm_home(struct hc_shm_home *h, const struct hc_shm_msg *m, bool is_full,
		 struct hc_shm_out *out)
{
	out_init(out);
	if (m->op == HC_SHM_GET) {
		if (m->state == HC_SHM_X)
			h->want_x |= bit(m->from);
		else
			h->want_s |= bit(m->from);
		open_next(h, is_full, out);
		return;
	}
	if (m->gen != h->gen || h->kind == HC_SHM_IDLE) {
		out->acts = HC_SHM_LATE;
		return;
	}
	switch (m->op) {
	case HC_SHM_ACK:
		on_ack(h, m, is_full, out);
		break;
	case HC_SHM_BACK:
	case HC_SHM_RELAY:
		on_content(h, m, is_full, out);
		break;
	case HC_SHM_DONE:
		on_done(h, m, is_full, out);
		break;
	default:
		out->acts = HC_SHM_LATE;
	}
}

void hc_shm_home_drop(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	out_init(out);
	h->want_drop = true;
	open_next(h, is_full, out);
}

/* The requester of the open transaction is lost. */
static void requester_lost(struct hc_shm_home *h, bool is_full, struct hc_shm_out *out)
{
	h->cur = HC_SHM_NOBODY;
	h->wait_done = false;
	if (h->acks)
		return;		/* acks_in() sees that there is nobody to grant it */
	if (h->is_fetching && h->kind == HC_SHM_WRITING) {
		/* Still at the owner? It gives the page home, if this comes before that FETCH. */
		h->gen++;
		out->cast = bit(h->owner);
		out->cast_op = HC_SHM_INV;
		out->gen = h->gen;
		return;
	}
	if (h->is_cancelled && h->kind != HC_SHM_REFUSING)
		h->is_lost = true;
	maybe_close(h, is_full, out);
}

void hc_shm_home_loss(struct hc_shm_home *h, u8 k, bool is_full, struct hc_shm_out *out)
{
	bool was_owner = h->owner == k, was_ack = h->acks & bit(k);

	out_init(out);
	h->want_s &= ~bit(k);
	h->want_x &= ~bit(k);
	h->sharers &= ~bit(k);
	h->acks &= ~bit(k);
	if (was_owner && h->is_fetching) {
		owner_gone(h, is_full, out);
		return;
	}
	if (was_owner) {
		h->owner = HC_SHM_NOBODY;
		/* Only with BACK nothing is lost; what it sent to the reader may be. */
		if (h->kind != HC_SHM_READING) {
			h->is_lost = true;
		} else {
			h->sharers |= bit(h->cur);
			if (h->wait_done && h->cur != k)
				pass_on(h, out);
		}
	}
	if (h->kind != HC_SHM_IDLE && h->cur == k)
		requester_lost(h, is_full, out);
	else if (was_ack && !h->acks)
		acks_in(h, is_full, out);
}
