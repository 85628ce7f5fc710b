/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A move that was decided (a *migrate* of any rule), on its way: what its home does next, and what
 * it means for the loads meanwhile. Pure.
 *
 *	decided ─► in the replicated state ─► the home's module moves it ─► outcome ─► out of it
 *
 * While it is in the state no rule moves the process again, whoever is the controller, and its home
 * begins it once: what the module has under way or has done is taken for it, also after a restart.
 */
#ifndef HCD_POLICY_ORDER_H
#define HCD_POLICY_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* What its home does with it. From POL_ORDER_MOVED on: an outcome, the same in every later look. */
enum pol_order_do {
	POL_ORDER_WAIT,
	POL_ORDER_START,	/* ask the module */
	POL_ORDER_MOVED,	/* it runs where it was to go */
	POL_ORDER_STAYED,	/* it runs where it was: the module says why */
	POL_ORDER_ELSEWHERE,	/* another move took it to another node */
	POL_ORDER_ENDED,	/* the process has ended */
	POL_ORDER_LOST,		/* nobody knows what became of the move; the process is there */
};

enum pol_order_move {
	POL_MOVE_NONE, POL_MOVE_UNDECIDED, POL_MOVE_AWAY, POL_MOVE_STAYED, POL_MOVE_OVER,
};

/* How things stand at home. */
struct pol_order_look {
	uint32_t to;			/* where it shall go */
	bool has_process;		/* that very one is there, as itself or as its shadow */
	bool was_started;		/* the module took our order */
	enum pol_order_move move;	/* the module's, of this process */
	bool is_ours;			/* it is the one that our order began */
	uint32_t move_to;
};

enum pol_order_do pol_order_next(const struct pol_order_look *look);

/*
 * A smoothed load follows a move late: of @load, which left (or came) @age_ms ago, so much is still
 * counted (or not yet). All of it while the move is under way: @age_ms 0.
 */
int64_t pol_order_echo(int64_t load, uint64_t age_ms);

/* One process of the cluster: pids are of their home. */
static inline int64_t pol_order_pid(uint32_t home, uint32_t pid)
{
	return (int64_t)home << 32 | pid;
}

static inline uint32_t pol_order_home(int64_t pid)
{
	return (uint32_t)((uint64_t)pid >> 32);
}

#endif /* HCD_POLICY_ORDER_H */
