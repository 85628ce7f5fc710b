// SPDX-License-Identifier: GPL-2.0-or-later
/* The move of one program: who lives (SPEC R21). */
#include <linux/types.h>

#include "move.h"

bool hc_move_is_source(u8 state)
{
	return state <= HC_MOVE_OVER;
}

bool hc_move_lives(u8 state)
{
	switch (state) {
	case HC_MOVE_NEW:
	case HC_MOVE_OFFERED:
	case HC_MOVE_STAYED:
	case HC_MOVE_RUNNING:
	case HC_MOVE_WHOLE:
		return true;
	default:
		return false;
	}
}

bool hc_move_may_undo(u8 state)
{
	return state == HC_MOVE_NEW || state == HC_MOVE_OFFERED || state == HC_MOVE_STOPPED;
}

bool hc_move_is_over(u8 state)
{
	return state == HC_MOVE_STAYED || state == HC_MOVE_OVER || state == HC_MOVE_NEVER ||
	       state == HC_MOVE_GONE;
}

static u32 to(struct hc_move_sm *sm, u8 state, u32 actions)
{
	sm->state = state;
	return actions;
}

/* GO is out: only the target knows. */
static u32 step_doubt(struct hc_move_sm *sm, enum hc_move_event event)
{
	switch (event) {
	case HC_MEV_RUNS:
	case HC_MEV_DROP:
		if (sm->was_killed)
			return to(sm, HC_MOVE_OVER, HC_MACT_FREE | HC_MACT_KILL_AWAY);
		return to(sm, HC_MOVE_AWAY, HC_MACT_SHADOW);
	case HC_MEV_NEVER:
	case HC_MEV_RESUME:
		if (sm->was_killed)
			return to(sm, HC_MOVE_OVER, HC_MACT_FREE);
		return to(sm, HC_MOVE_STAYED, HC_MACT_RESUME | HC_MACT_FREE);
	case HC_MEV_KILLED:
		sm->was_killed = true;
		return 0;
	default:
		return HC_MACT_BAD;
	}
}

static u32 step_away(struct hc_move_sm *sm, enum hc_move_event event)
{
	switch (event) {
	case HC_MEV_FETCHED:
		if (sm->state == HC_MOVE_SETTLED)
			return HC_MACT_BAD;
		return to(sm, HC_MOVE_SETTLED, HC_MACT_FREE);
	case HC_MEV_KILLED:
		return to(sm, HC_MOVE_OVER, HC_MACT_FREE | HC_MACT_KILL_AWAY);
	case HC_MEV_ENDED:
		return to(sm, HC_MOVE_OVER, HC_MACT_FREE | HC_MACT_END_SHADOW);
	default:
		return HC_MACT_BAD;
	}
}

static u32 step_source(struct hc_move_sm *sm, enum hc_move_event event)
{
	switch (sm->state) {
	case HC_MOVE_NEW:
		if (event == HC_MEV_OFFERED)
			return to(sm, HC_MOVE_OFFERED, 0);
		if (event == HC_MEV_FAIL || event == HC_MEV_KILLED)
			return to(sm, HC_MOVE_STAYED, HC_MACT_RESUME | HC_MACT_FREE);
		return HC_MACT_BAD;
	case HC_MOVE_OFFERED:
	case HC_MOVE_STOPPED:
		if (event == HC_MEV_STOPPED && sm->state == HC_MOVE_OFFERED)
			return to(sm, HC_MOVE_STOPPED, 0);
		if (event == HC_MEV_COMMIT && sm->state == HC_MOVE_STOPPED)
			return to(sm, HC_MOVE_DOUBT, 0);
		if (event == HC_MEV_FAIL)
			return to(sm, HC_MOVE_STAYED,
				  HC_MACT_RESUME | HC_MACT_FREE | HC_MACT_ABORT);
		if (event == HC_MEV_KILLED)
			return to(sm, HC_MOVE_OVER, HC_MACT_FREE | HC_MACT_ABORT);
		return HC_MACT_BAD;
	case HC_MOVE_DOUBT:
		return step_doubt(sm, event);
	case HC_MOVE_AWAY:
	case HC_MOVE_SETTLED:
		return step_away(sm, event);
	default:
		return HC_MACT_BAD;
	}
}

static u32 step_target(struct hc_move_sm *sm, enum hc_move_event event)
{
	switch (sm->state) {
	case HC_MOVE_INVITED:
	case HC_MOVE_LOADED:
		if (event == HC_MEV_LOADED && sm->state == HC_MOVE_INVITED)
			return to(sm, HC_MOVE_LOADED, 0);
		if (event == HC_MEV_GO && sm->state == HC_MOVE_LOADED)
			return to(sm, HC_MOVE_RUNNING, HC_MACT_LET_GO);
		/* GO for what was never loaded: an end that is confused gets a clear answer. */
		if (event == HC_MEV_GO || event == HC_MEV_GIVE_UP || event == HC_MEV_EXIT ||
		    event == HC_MEV_KILL)
			return to(sm, HC_MOVE_NEVER, HC_MACT_DISCARD);
		return HC_MACT_BAD;
	case HC_MOVE_RUNNING:
	case HC_MOVE_WHOLE:
		if (event == HC_MEV_GO)
			return 0;	/* asked again: the answer is the same */
		if (event == HC_MEV_WHOLE && sm->state == HC_MOVE_RUNNING)
			return to(sm, HC_MOVE_WHOLE, 0);
		if (event == HC_MEV_EXIT)
			return to(sm, HC_MOVE_GONE, 0);
		if (event == HC_MEV_KILL)
			return HC_MACT_KILL;
		return HC_MACT_BAD;
	case HC_MOVE_GONE:
	case HC_MOVE_NEVER:
		return event == HC_MEV_GO ? 0 : HC_MACT_BAD;
	default:
		return HC_MACT_BAD;
	}
}

u32 hc_move_step(struct hc_move_sm *sm, enum hc_move_event event)
{
	return hc_move_is_source(sm->state) ? step_source(sm, event) : step_target(sm, event);
}
