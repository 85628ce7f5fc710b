// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who lives: every order of events that the two ends of a move can see, with each
 * message lost, doubled or late, by breadth-first search over the real state machine.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/move.h"
#include "unit.h"

/* Messages under way: a set of bits, each may be delivered, delivered and kept, or lost. */
enum msg { M_IMAGE, M_LOADED, M_GO, M_ABORT, M_RUNS, M_NEVER, M_FETCHED, M_END, M_KILL, M_NR };

struct world {
	struct hc_move_sm s, t;
	bool t_known;		/* the target has an object for this move */
	bool s_died, t_died;	/* nodes */
	bool s_gone;		/* the process at the source was killed, or has ended */
	bool t_killed;		/* the program over there was told to die, or did */
	uint16_t net;
};

#define WORLDS_MAX 200000

static struct world *queue;
static uint8_t *seen;		/* a bit for each key() */
static size_t nr, at;

static uint64_t key(const struct world *w)
{
	return w->s.state | (uint64_t)w->s.was_killed << 4 | (uint64_t)w->t.state << 5 |
	       (uint64_t)w->t_known << 9 | (uint64_t)w->s_died << 10 | (uint64_t)w->t_died << 11 |
	       (uint64_t)w->s_gone << 12 | (uint64_t)w->t_killed << 13 | (uint64_t)w->net << 14;
}

static bool s_lives(const struct world *w)
{
	return !w->s_died && !w->s_gone && hc_move_lives(w->s.state) &&
	       hc_move_is_source(w->s.state);
}

static bool t_lives(const struct world *w)
{
	return !w->t_died && w->t_known && !w->t_killed &&
	       (w->t.state == HC_MOVE_RUNNING || w->t.state == HC_MOVE_WHOLE);
}

static void add(struct world w)
{
	uint64_t k = key(&w);

	MUST_MSG(!(s_lives(&w) && t_lives(&w)), "two living copies: source %u, target %u",
		      w.s.state, w.t.state);
	/* Nobody killed it, no node died: it lives, or stands still and can live on. */
	if (!w.s_died && !w.t_died && !w.s_gone && !w.t_killed)
		MUST_MSG(s_lives(&w) || t_lives(&w) || w.s.state == HC_MOVE_STOPPED ||
			      w.s.state == HC_MOVE_DOUBT, "no copy left: source %u, target %u",
			      w.s.state, w.t.state);
	if (seen[k / 8] & 1 << k % 8)
		return;
	seen[k / 8] |= 1 << k % 8;
	MUST_LT(nr, WORLDS_MAX);
	queue[nr++] = w;
}

static uint32_t source(struct world *w, enum hc_move_event event)
{
	uint32_t actions = hc_move_step(&w->s, event);

	if (actions & HC_MACT_BAD)
		return actions;
	if (actions & HC_MACT_ABORT)
		w->net |= 1 << M_ABORT;
	if (actions & HC_MACT_KILL_AWAY)
		w->net |= 1 << M_KILL;
	if (actions & HC_MACT_END_SHADOW)
		w->s_gone = true;
	return actions;
}

static void target(struct world *w, enum hc_move_event event)
{
	uint32_t actions = hc_move_step(&w->t, event);

	if (!(actions & HC_MACT_BAD) && actions & HC_MACT_KILL)
		w->t_killed = true;
}

static bool has_run(uint8_t state)
{
	return state == HC_MOVE_RUNNING || state == HC_MOVE_WHOLE || state == HC_MOVE_GONE;
}

static void deliver(struct world w, enum msg m, bool keep)
{
	bool to_target = m == M_IMAGE || m == M_GO || m == M_ABORT || m == M_KILL;

	if (!keep)
		w.net &= ~(1 << m);
	if (to_target ? w.t_died : w.s_died) {
		add(w);
		return;
	}
	switch (m) {
	case M_IMAGE:
		if (w.t_known && !(hc_move_step(&w.t, HC_MEV_LOADED) & HC_MACT_BAD))
			w.net |= 1 << M_LOADED;
		break;
	case M_GO:
		if (w.t_known)
			target(&w, HC_MEV_GO);
		w.net |= 1 << (w.t_known && has_run(w.t.state) ? M_RUNS : M_NEVER);
		break;
	case M_ABORT:
		if (w.t_known && (w.t.state == HC_MOVE_INVITED || w.t.state == HC_MOVE_LOADED))
			target(&w, HC_MEV_GIVE_UP);
		break;
	case M_KILL:
		if (w.t_known)
			target(&w, HC_MEV_KILL);
		break;
	case M_LOADED:
		if (w.s.state == HC_MOVE_STOPPED && !(source(&w, HC_MEV_COMMIT) & HC_MACT_BAD))
			w.net |= 1 << M_GO;
		break;
	case M_RUNS:
		source(&w, HC_MEV_RUNS);
		break;
	case M_NEVER:
		source(&w, HC_MEV_NEVER);
		break;
	case M_FETCHED:
		source(&w, HC_MEV_FETCHED);
		break;
	case M_END:
		source(&w, HC_MEV_RUNS);
		source(&w, HC_MEV_ENDED);
		break;
	default:
		break;
	}
	add(w);
}

static void by_itself(struct world w, int what)
{
	switch (what) {
	case 0:		/* the source gives up before it has committed */
		if (w.s_died || !hc_move_may_undo(w.s.state))
			return;
		source(&w, HC_MEV_FAIL);
		break;
	case 1:		/* killed at home */
		if (w.s_died || w.s_gone || hc_move_is_over(w.s.state))
			return;
		w.s_gone = true;
		source(&w, HC_MEV_KILLED);
		break;
	case 2:		/* GO did not come in time */
		if (w.t_died || !w.t_known)
			return;
		if (w.t.state == HC_MOVE_INVITED || w.t.state == HC_MOVE_LOADED)
			target(&w, HC_MEV_GIVE_UP);
		break;
	case 3:		/* in doubt: ask again */
		if (w.s_died || w.s.state != HC_MOVE_DOUBT)
			return;
		w.net |= 1 << M_GO;
		break;
	case 4:		/* everything has come */
		if (!t_lives(&w) || w.t.state != HC_MOVE_RUNNING)
			return;
		target(&w, HC_MEV_WHOLE);
		w.net |= 1 << M_FETCHED;
		break;
	case 5:		/* it ends */
		if (w.t_died || (w.t.state != HC_MOVE_RUNNING && w.t.state != HC_MOVE_WHOLE))
			return;
		w.t_killed = true;
		target(&w, HC_MEV_EXIT);
		w.net |= 1 << M_END;
		break;
	case 6:		/* the target's node dies and comes back without anything */
		if (w.t_died)
			return;
		w.t_died = true;
		w.net = 0;
		break;
	case 7:		/* and the source sees it */
		if (!w.t_died || w.s_died)
			return;
		if (w.s.state == HC_MOVE_DOUBT)
			source(&w, HC_MEV_RESUME);
		else if (w.s.state == HC_MOVE_AWAY || w.s.state == HC_MOVE_SETTLED)
			source(&w, HC_MEV_ENDED);
		else if (hc_move_may_undo(w.s.state))
			source(&w, HC_MEV_FAIL);
		break;
	case 8:
		if (w.s_died)
			return;
		w.s_died = true;
		w.net = 0;
		break;
	case 9:		/* it ends on its own at home, where it never left or came to stay */
		if (!s_lives(&w) || w.s.state != HC_MOVE_STAYED)
			return;
		w.s_gone = true;
		break;
	}
	add(w);
}

START_TEST(test_never_two_never_none)
{
	struct world w = {
		.s.state = HC_MOVE_OFFERED, .t.state = HC_MOVE_INVITED, .t_known = true,
	};

	queue = calloc(WORLDS_MAX, sizeof(*queue));
	seen = calloc(1, (1ULL << (14 + M_NR)) / 8 + 1);
	nr = at = 0;
	add(w);
	ck_assert_int_eq(hc_move_step(&w.s, HC_MEV_STOPPED), 0);
	w.net = 1 << M_IMAGE;
	add(w);
	while (at < nr) {
		w = queue[at++];
		for (int m = 0; m < M_NR; m++) {
			struct world lost = w;

			if (!(w.net & 1 << m))
				continue;
			deliver(w, m, false);
			deliver(w, m, true);	/* comes twice */
			lost.net &= ~(1 << m);
			add(lost);
		}
		for (int what = 0; what <= 9; what++)
			by_itself(w, what);
	}
	ck_assert_uint_gt(nr, 500);
	free(queue);
	free(seen);
}
END_TEST

/* Once nothing is lost any more, whoever is in doubt finds out. */
START_TEST(test_doubt_ends)
{
	for (int state = HC_MOVE_INVITED; state <= HC_MOVE_GONE; state++) {
		struct hc_move_sm s = { .state = HC_MOVE_DOUBT }, t = { .state = state };
		bool runs;

		hc_move_step(&t, HC_MEV_GO);
		runs = has_run(t.state);
		hc_move_step(&s, runs ? HC_MEV_RUNS : HC_MEV_NEVER);
		ck_assert_int_ne(s.state, HC_MOVE_DOUBT);
		/* Asked again, the target says the same. */
		hc_move_step(&t, HC_MEV_GO);
		ck_assert_int_eq(runs, has_run(t.state));
	}
}
END_TEST

START_TEST(test_nothing_undoes_a_commit)
{
	struct hc_move_sm s = { .state = HC_MOVE_DOUBT };

	ck_assert(!hc_move_may_undo(s.state));
	ck_assert_uint_eq(hc_move_step(&s, HC_MEV_FAIL), HC_MACT_BAD);
	ck_assert_int_eq(s.state, HC_MOVE_DOUBT);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("move");
	TCase *t = tcase_create("move");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_never_two_never_none);
	tcase_add_test(t, test_doubt_ends);
	tcase_add_test(t, test_nothing_undoes_a_commit);
	suite_add_tcase(suite, t);
	return suite;
}
