/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who lives: the two ends of the move of one program, as a pure state machine.
 *
 *	source   NEW -> OFFERED -> STOPPED -> DOUBT -> AWAY -> SETTLED -> OVER
 *	                   '----------'--------'-> STAYED
 *	target   INVITED -> LOADED -> RUNNING -> WHOLE -> OVER
 *	             '--------'-> NEVER
 *
 * The rule: a target runs the program only after GO, and a source that has sent GO
 * goes on only when the target has said that it never will, or is known to have
 * lost it (its module was loaded anew, or an admin says so). What a target once
 * answered to GO it answers for ever: RUNS or NEVER. It gives up by itself when GO
 * does not come in time, and only while it is LOADED. So there is never more than
 * one living copy, and after the commit there is one unless its node dies.
 * Between GO and the answer the source keeps the program stopped and asks again.
 */
#ifndef _HC_POLICY_MOVE_H
#define _HC_POLICY_MOVE_H

#include <linux/types.h>
#include <uapi/linux/hyperchain.h>

enum hc_move_event {
	/* source */
	HC_MEV_OFFERED,		/* the offer goes out */
	HC_MEV_STOPPED,		/* every thread is parked and captured */
	HC_MEV_FAIL,		/* refused, out of time, out of memory, asked to stop: before GO */
	HC_MEV_COMMIT,		/* the target has it loaded: GO goes out after this */
	HC_MEV_RUNS,		/* answer to GO: it runs there */
	HC_MEV_NEVER,		/* answer to GO: it does not and never will */
	HC_MEV_RESUME,		/* an admin, or a new life of the target's module */
	HC_MEV_DROP,		/* an admin says that it lives there */
	HC_MEV_FETCHED,		/* the target has all memory */
	HC_MEV_KILLED,		/* the process at home was killed, parked or shadow */
	HC_MEV_ENDED,		/* the target says that it has ended, or its node is lost */
	/* target */
	HC_MEV_LOADED,		/* all threads sleep, ready to go on */
	HC_MEV_GO,		/* the source asks to run it */
	HC_MEV_GIVE_UP,		/* ABORT came, the helper failed, GO did not come in time */
	HC_MEV_WHOLE,		/* all memory is here */
	HC_MEV_EXIT,		/* the program is gone */
	HC_MEV_KILL,		/* home was killed */
	HC_MEV_NR,		/* their number */
};

/* What the caller has to do after a step. */
#define HC_MACT_RESUME		0x01	/* source: let the parked threads go on */
#define HC_MACT_ABORT		0x02	/* source: tell the target to forget it */
#define HC_MACT_SHADOW		0x04	/* source: the process becomes the shadow */
#define HC_MACT_FREE		0x08	/* source: the memory can go */
#define HC_MACT_KILL_AWAY	0x10	/* source: tell the target to kill it */
#define HC_MACT_END_SHADOW	0x20	/* source: the shadow ends as the program did */
#define HC_MACT_LET_GO		0x40	/* target: wake the threads */
#define HC_MACT_DISCARD		0x80	/* target: kill the helper and what it has loaded */
#define HC_MACT_KILL		0x100	/* target: kill the program */
#define HC_MACT_BAD		0x8000	/* the event has no meaning here; nothing changed */

struct hc_move_sm {
	u8 state;		/* enum hc_move_state */
	bool was_killed;	/* source: at home, while it was not known who lives */
};

/** hc_move_step() - take @event; returns HC_MACT_* */
u32 hc_move_step(struct hc_move_sm *sm, enum hc_move_event event);

/** hc_move_is_source() - of the source's states? */
bool hc_move_is_source(u8 state);

/** hc_move_lives() - does a copy that can run belong to this end in @state? (parked: no) */
bool hc_move_lives(u8 state);

/** hc_move_may_undo() - source: may it still decide alone to go on? */
bool hc_move_may_undo(u8 state);

/** hc_move_is_over() - nothing more can happen */
bool hc_move_is_over(u8 state);

#endif /* _HC_POLICY_MOVE_H */
